// verify.c: proves a program by ranges: every index of every load and store lies within its buffer, registers have
// constant indices, variables are used inside their loops, local arrays stay below 4 KiB.
//     for n in 0..N: x[n + 1]       refused: x[N, ..] is read at n + 1, in [1, 64]
#include <string.h>

#include "loops/lower.h"

enum { STACK_BYTES = 4096, MAX_DEPTH = 64 };

typedef struct Verify {
    const Program *program;
    const Kernel *kernel;
    const Var *open[MAX_DEPTH]; // loops around the statement
    int depth;
    const Index *holds[MAX_DEPTH]; // conditions around it, each >= 0
    int nholds;
    VEC(const Buffer *) declared;  // stack and register buffers so far
    const char *wrong;
} Verify;

static void check_expr(Verify *v, const Expr *e);

static void fail(Verify *v, const char *what, const char *name) {
    if (!v->wrong) v->wrong = arena_printf(v->program->arena, "kernel %s: %s: %s", v->kernel->name, what, name);
}

// ---- indices ---------------------------------------------------------------------------------------------------------

static void check_vars(Verify *v, const Index *index) {
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        if (atom->kind == ATOM_LOADED) check_expr(v, atom->loaded);
        if (atom->kind == ATOM_DIV || atom->kind == ATOM_MOD || atom->kind == ATOM_MIN) check_vars(v, atom->of);
        if (atom->kind == ATOM_MIN) check_vars(v, atom->other);
        if (atom->kind != ATOM_VAR) continue;
        bool found = false;
        for (int d = 0; d < v->depth; d++) found |= v->open[d] == atom->var;
        if (!found) fail(v, "a variable is used outside its loop", atom->var->name);
    }
}

// Whether a condition around the statement says that `index` >= 0.
static bool holds(const Verify *v, const Index *index) {
    for (int k = 0; k < v->nholds; k++)
        if (index_equal(v->holds[k], index)) return true;
    return false;
}

static bool is_loaded(const Index *index) {
    for (int k = 0; k < index->nterms; k++)
        if (index->term[k].atom.kind == ATOM_LOADED) return true;
    return false;
}

static void check_place(Verify *v, const Buffer *buffer, const Index *const *at, int lanes) {
    Arena *arena = v->program->arena;
    for (int d = 0; d < buffer->rank; d++) {
        check_vars(v, at[d]);
        if (is_loaded(at[d])) continue; // clamped where it is made
        int64_t lo, hi, reach = d == buffer->rank - 1 && buffer->lanes == 1 ? lanes - 1 : 0;
        if (buffer->scope == SCOPE_REGISTER && !index_is_const(at[d], &lo)) fail(v, "a register has a variable index", buffer->name);
        bool known = index_range(at[d], &lo, &hi);
        Index *room = index_add_const(arena, index_add(arena, index_size(arena, buffer->dim[d]), index_scale(arena, at[d], -1)), -1);
        bool low = (known && lo >= 0) || holds(v, at[d]), high = (known && hi + reach < buffer->dim[d].extent) || holds(v, room);
        if (!low || !high) fail(v, "an index leaves its buffer", arena_printf(arena, "%s, axis %d, in [%lld, %lld] of %d", buffer->name, d,
                                                                             (long long)lo, (long long)(hi + reach), buffer->dim[d].extent));
    }
}

static void check_declared(Verify *v, const Buffer *buffer) {
    if (buffer->scope != SCOPE_STACK && buffer->scope != SCOPE_REGISTER) return;
    for (int k = 0; k < v->declared.len; k++)
        if (v->declared.at[k] == buffer) return;
    fail(v, "a local is used before it is declared", buffer->name);
}

static void check_expr(Verify *v, const Expr *e) {
    if (e->kind == EXPR_INDEX_VALUE) check_vars(v, e->index);
    if (e->kind == EXPR_LOAD) {
        check_declared(v, e->buffer);
        check_place(v, e->buffer, e->at, e->lanes);
    }
    for (int k = 0; k < e->nargs; k++) check_expr(v, e->arg[k]);
}

// ---- statements ------------------------------------------------------------------------------------------------------

static void check_stmt(Verify *v, const Stmt *s);

static void check_body(Verify *v, const Stmt *s) {
    int declared = v->declared.len, conditions = v->nholds;
    for (int k = 0; k < s->body.len && !v->wrong; k++) check_stmt(v, s->body.at[k]);
    if (s->kind != STMT_BLOCK) v->declared.len = declared;
    v->nholds = conditions;
}

static void check_local(Verify *v, const Stmt *s) {
    const Buffer *b = s->buffer;
    int64_t bytes = (b->accumulate_double ? 8 : dtype_info[b->dtype].bytes) * (int64_t)b->lanes;
    for (int d = 0; d < b->rank; d++) bytes *= b->dim[d].extent;
    if (bytes > STACK_BYTES) fail(v, "a local is larger than 4 KiB", b->name);
    if (b->scope != SCOPE_STACK && b->scope != SCOPE_REGISTER) fail(v, "declared, but no local", b->name);
    if (s->value) check_expr(v, s->value);
    vec_push(v->program->arena, &v->declared, b);
}

static void check_stmt(Verify *v, const Stmt *s) {
    switch (s->kind) {
    case STMT_BLOCK: check_body(v, s); return;
    case STMT_LOCAL: check_local(v, s); return;
    case STMT_FOR:
        check_vars(v, s->lo);
        check_vars(v, s->hi);
        if (s->step < 1) fail(v, "a loop does not advance", s->var->name);
        if (v->depth == MAX_DEPTH) {
            fail(v, "loops are nested too deeply", s->var->name);
            return;
        }
        v->open[v->depth++] = s->var;
        check_body(v, s);
        v->depth--;
        return;
    case STMT_STORE:
    case STMT_ACCUMULATE:
        check_declared(v, s->buffer);
        check_place(v, s->buffer, s->at, s->value->lanes);
        check_expr(v, s->value);
        return;
    case STMT_TRANSPOSE: {
        int lanes = target_lanes(v->program->target);
        check_place(v, s->buffer, s->at, lanes);
        check_place(v, s->source, s->from, lanes);
        return;
    }
    case STMT_IF:
        for (int k = 0; k < s->cond.len; k++) {
            check_vars(v, s->cond.at[k]);
            if (v->nholds < MAX_DEPTH) v->holds[v->nholds++] = s->cond.at[k];
        }
        check_body(v, s);
        v->nholds -= s->cond.len < v->nholds ? s->cond.len : v->nholds;
        return;
    }
}

const char *program_verify(const Program *program) {
    for (int k = 0; k < program->calls.len; k++) {
        Verify v = {.program = program, .kernel = program->calls.at[k].kernel};
        check_stmt(&v, v.kernel->body);
        if (v.wrong) return v.wrong;
    }
    return NULL;
}
