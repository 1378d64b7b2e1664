// verify.c: proves a program: every index of every load and store lies within its buffer, registers have
// indices that are constant once loops are unrolled, variables are used inside their loops and locals inside their
// blocks, local arrays stay within 4 KiB.
//     for n = 0 .. N: x[n + 1]       refused: "x: axis 0 is indexed by n + 1, which was not proved to be below N"
// The caller's arrays have the sizes of the call; everything else has run-time axes at their bounds.
#include <string.h>

#include "loops/prove.h"
#include "loops/recipes.h"

enum { STACK_BYTES = 4096 };

typedef struct Verify {
    const Program *program;
    const Kernel *kernel;
    Arena *scratch;
    Facts facts;
    VEC(const Buffer *) declared; // stack and register buffers that can be used
    Tags seen;                    // of the statement being checked
    const char *wrong;
} Verify;

static void fail(Verify *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fail(Verify *v, const char *fmt, ...) {
    if (v->wrong) return;
    va_list args;
    va_start(args, fmt);
    v->wrong = arena_printf(v->program->arena, "kernel %s: %s", v->kernel->name, arena_vprintf(v->scratch, fmt, args));
    va_end(args);
}

// ---- indices --------------------------------------------------------------------------------------------------------

static void check_expr(Verify *v, const Expr *e);

static void check_variable(Verify *v, const Var *var) {
    for (int k = 0; k < v->facts.nloops; k++)
        if (v->facts.loop[k]->var == var) return;
    fail(v, "%s is used outside its loop", var->name);
}

static void check_index(Verify *v, const Index *index) {
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        if (atom->kind == ATOM_VAR) check_variable(v, atom->var);
        if (atom->kind == ATOM_LOADED) check_expr(v, atom->loaded);
        if (atom->of) check_index(v, atom->of);
        if (atom->other) check_index(v, atom->other);
        if ((atom->kind == ATOM_DIV || atom->kind == ATOM_MOD) && !prove_not_negative(&v->facts, atom->of))
            fail(v, "what is divided by %s%lld may be negative", atom->other ? "a size up to " : "",
                 (long long)atom->by);
    }
}

// A loaded integer was clamped to its axis by its maker. Where it was clamped to a run-time size, its range does not
// show that, so it is accepted here. Where two axes were merged into one, each of their indices is a quotient or a
// remainder of the loaded one.
static bool is_loaded(const Index *index, Dim dim) {
    for (int k = 0; dim.size && k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        bool part = atom->kind == ATOM_DIV || atom->kind == ATOM_MOD;
        if (atom->kind == ATOM_LOADED || (part && is_loaded(atom->of, dim))) return true;
    }
    return false;
}

// Whether the C compiler knows the index once it has written out the loops around it.
static bool is_unrolled(const Index *index) {
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        if (atom->kind != ATOM_VAR || !atom->var->loop || atom->var->loop->loop != FOR_UNROLLED) return false;
    }
    return true;
}

// at[axis] to at[axis] + reach lie within the buffer.
static void check_axis(Verify *v, const Buffer *buffer, int axis, const Index *index, int64_t reach) {
    Arena *arena = v->scratch;
    check_index(v, index);
    index = index_add_const(arena, index, buffer->before[axis]);
    reach -= buffer->before[axis] + buffer->after[axis];
    if (v->wrong || is_loaded(index, buffer->dim[axis])) return;
    if (buffer->scope == SCOPE_REGISTER && !is_unrolled(index))
        fail(v, "register %s has an index that varies", buffer->name);
    Dim dim = buffer->dim[axis];
    const Index *end = buffer->scope == SCOPE_ARGUMENT ? index_size(arena, dim) : index_const(arena, dim.extent);
    Index *room = index_add_const(arena, index_add(arena, end, index_scale(arena, index, -1)), -1 - reach);
    if (!prove_not_negative(&v->facts, index)) fail(v, "%s: the index of axis %d may be negative", buffer->name, axis);
    if (!prove_not_negative(&v->facts, room))
        fail(v, "%s: the index of axis %d may leave its %d elements", buffer->name, axis, dim.extent);
}

static void check_declared(Verify *v, const Buffer *buffer) {
    if (!buffer_is_local(buffer)) return;
    for (int k = 0; k < v->declared.len; k++)
        if (v->declared.at[k] == buffer) return;
    fail(v, "local %s is used outside the block that declares it", buffer->name);
}

static void check_place(Verify *v, const Buffer *buffer, const Index *const *at, int lanes) {
    check_declared(v, buffer);
    bool side_by_side = lanes > 1 && buffer->lanes == 1;
    if (side_by_side && !buffer->rank) fail(v, "%s is one element, not %d", buffer->name, lanes);
    for (int d = 0; d < buffer->rank && !v->wrong; d++)
        check_axis(v, buffer, d, at[d], side_by_side && d == buffer->rank - 1 ? lanes - 1 : 0);
}

// ---- expressions and statements -------------------------------------------------------------------------------------

static void check_expr(Verify *v, const Expr *e) {
    int *seen = tag_of(&v->seen, e);
    if (*seen || v->wrong) return;
    *seen = 1;
    if (e->lanes != 1 && e->lanes != target_lanes(v->program->target)) fail(v, "an expression has %d lanes", e->lanes);
    if (e->kind == EXPR_INDEX_VALUE) check_index(v, e->index);
    if (e->kind == EXPR_LOAD) check_place(v, e->buffer, e->at, e->lanes);
    for (int k = 0; k < e->nargs; k++) check_expr(v, e->arg[k]);
}

static void check_stmt(Verify *v, const Stmt *s);

static void check_body(Verify *v, const Stmt *s) {
    int declared = v->declared.len;
    for (int k = 0; k < s->body.len && !v->wrong; k++) check_stmt(v, s->body.at[k]);
    v->declared.len = declared;
}

static void check_for(Verify *v, const Stmt *s) {
    check_index(v, s->lo);
    check_index(v, s->hi);
    if (s->step < 1 || s->var->loop != s) fail(v, "the loop over %s is not well formed", s->var->name);
    int64_t lo, hi;
    bool fixed = index_is_const(s->lo, &lo) && index_is_const(s->hi, &hi);
    if (s->loop == FOR_UNROLLED && !fixed) fail(v, "the unrolled loop over %s has no constant range", s->var->name);
    const Stmt *outer = v->facts.nloops ? v->facts.loop[v->facts.nloops - 1] : NULL;
    if (outer && outer->loop == FOR_UNROLLED && s->loop != FOR_UNROLLED)
        fail(v, "the loop over %s stands in an unrolled one", s->var->name);
    if (v->facts.nloops == MOST_FACTS) fail(v, "loops are nested more than %d deep", MOST_FACTS);
    if (v->wrong) return;
    v->facts.loop[v->facts.nloops++] = s;
    check_body(v, s);
    v->facts.nloops--;
}

static void check_if(Verify *v, const Stmt *s) {
    int before = v->facts.nguards;
    for (int k = 0; k < s->cond.len; k++) {
        check_index(v, s->cond.at[k]);
        if (v->facts.nguards < MOST_FACTS)
            v->facts.guard[v->facts.nguards++] = index_tighten(v->facts.arena, s->cond.at[k]);
    }
    check_body(v, s);
    v->facts.nguards = before;
}

static void check_local(Verify *v, const Stmt *s) {
    const Buffer *b = s->buffer;
    int64_t bytes = buffer_count(b) * b->lanes * buffer_element_bytes(b);
    if (!buffer_is_local(b)) fail(v, "%s is declared, but is no local", b->name);
    if (bytes > STACK_BYTES) fail(v, "local %s takes %lld bytes, more than 4 KiB", b->name, (long long)bytes);
    if (s->value) check_expr(v, s->value);
    vec_push(v->scratch, &v->declared, b);
}

static void check_store(Verify *v, const Stmt *s) {
    check_expr(v, s->value);
    if (s->value->lanes > 1 && s->buffer->scope == SCOPE_REGISTER && s->buffer->lanes == 1)
        fail(v, "register %s takes one element, not a vector", s->buffer->name);
    check_place(v, s->buffer, s->at, s->value->lanes);
}

// It may lead anywhere, so only its variables count.
static void check_prefetch(Verify *v, const Stmt *s) {
    for (int d = 0; d < s->buffer->rank; d++) check_index(v, s->at[d]);
}

// Both tiles: as many elements as a vector has lanes along the last axis, as many rows along another.
static void check_transpose(Verify *v, const Stmt *s) {
    int lanes = target_lanes(v->program->target);
    check_place(v, s->buffer, s->at, lanes);
    check_place(v, s->source, s->from, lanes);
    if (!v->wrong) check_axis(v, s->buffer, s->dst_axis, s->at[s->dst_axis], lanes - 1);
    if (!v->wrong) check_axis(v, s->source, s->src_axis, s->from[s->src_axis], lanes - 1);
}

static void check_stmt(Verify *v, const Stmt *s) {
    static void (*const check[])(Verify *, const Stmt *) = {[STMT_BLOCK] = check_body,
                                                            [STMT_FOR] = check_for,
                                                            [STMT_IF] = check_if,
                                                            [STMT_STORE] = check_store,
                                                            [STMT_LOCAL] = check_local,
                                                            [STMT_ACCUMULATE] = check_store,
                                                            [STMT_PREFETCH] = check_prefetch,
                                                            [STMT_TRANSPOSE] = check_transpose};
    v->seen = (Tags){.arena = v->scratch};
    check[s->kind](v, s);
}

// ---- what a kernel uses, and what a call gives for it ---------------------------------------------------------------

typedef struct Found {
    Verify *v;
    Tags uses; // by buffer: its place among the uses, from 1
    Use *seen; // by use: what the body does
} Found;

static void see_use(void *context, const Access *access) {
    Found *found = context;
    if (buffer_is_local(access->buffer)) return;
    int place = tag_known(&found->uses, access->buffer);
    const Use *use = place ? &found->v->kernel->uses.at[place - 1] : NULL;
    if (!use || !(access->write ? use->written : use->read))
        fail(found->v, "%s is not among the uses", access->buffer->name);
    else
        *(access->write ? &found->seen[place - 1].written : &found->seen[place - 1].read) = true;
}

static void check_uses(Verify *v) {
    int n = v->kernel->uses.len;
    Found found = {.v = v, .uses = {.arena = v->scratch}, .seen = NEW_ARRAY(v->scratch, Use, n + 1)};
    for (int k = 0; k < n; k++) *tag_of(&found.uses, v->kernel->uses.at[k].buffer) = k + 1;
    stmt_visit(v->kernel->body, see_use, &found);
    for (int k = 0; k < n; k++) {
        const Use *use = &v->kernel->uses.at[k];
        if (use->read != found.seen[k].read || use->written != found.seen[k].written)
            fail(v, "the body does not use %s as the uses say", use->buffer->name);
    }
}

// Whether two buffers agree in all that the proof of a kernel uses.
static bool laid_out_alike(const Buffer *a, const Buffer *b) {
    bool same_kind = a->by_value == b->by_value && (a->scope == SCOPE_ARGUMENT) == (b->scope == SCOPE_ARGUMENT);
    return same_kind && buffers_alike(a, b);
}

static const char *verify_call(const Program *program, int number) {
    const Call *call = &program->calls.at[number];
    for (int k = 0; k < call->kernel->uses.len; k++) {
        const Buffer *own = call->kernel->uses.at[k].buffer, *given = call->buffer[k];
        bool apart = true;
        for (int i = 0; i < k; i++) apart &= call->buffer[i] != given;
        if (!apart || !laid_out_alike(own, given))
            return arena_printf(program->arena, "call %d gives %s for %s of kernel %s", number, given->name, own->name,
                                call->kernel->name);
    }
    return NULL;
}

// Run-time sizes are at least what the entry asks for: it refuses smaller ones.
static void know_sizes(Facts *facts, const Graph *g) {
    for (int k = 0; k < g->module->nsizes; k++)
        if (g->need[k].size)
            facts->guard[facts->nguards++] = index_add_const(
                facts->arena, index_size(facts->arena, dim_size(g->module->sizes[k].bound, k)), -graph_least(g, k));
}

static const char *verify_kernel(const Program *program, const Kernel *kernel) {
    Arena scratch = {0};
    Verify v = {.program = program, .kernel = kernel, .scratch = &scratch, .facts = {.arena = &scratch}};
    know_sizes(&v.facts, program->graph);
    check_stmt(&v, kernel->body);
    if (!v.wrong) check_uses(&v);
    arena_release(&scratch);
    return v.wrong;
}

const char *program_verify(const Program *program) {
    Arena scratch = {0};
    Tags proved = {.arena = &scratch};
    const char *wrong = NULL;
    for (int k = 0; k < program->calls.len && !wrong; k++) {
        const Call *call = &program->calls.at[k];
        if (!(*tag_of(&proved, call->kernel))++) wrong = verify_kernel(program, call->kernel);
        if (!wrong) wrong = verify_call(program, k);
    }
    arena_release(&scratch);
    return wrong;
}
