// visit.c: the one walk over what statements read and write, in the order in which they do.
//     acc += mul(a[i], b[i])        reads a, b, acc; writes acc
// A statement visits an expression once, however often it uses it.
#include "loops/recipes.h"

typedef struct Visitor {
    void (*visit)(void *context, const Access *access);
    void *context;
    Access now;
    Tags seen; // by expression: the last statement that visited it
} Visitor;

static void visit_expr(Visitor *v, const Expr *e);

static void visit_index(Visitor *v, const Index *index) {
    for (int k = 0; index && k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        visit_index(v, atom->of);
        visit_index(v, atom->other);
        if (atom->kind == ATOM_LOADED) visit_expr(v, atom->loaded);
    }
}

static void visit_place(Visitor *v, Buffer *buffer, const Index *const *at, int lanes, bool write) {
    for (int d = 0; at && d < buffer->rank; d++) visit_index(v, at[d]);
    v->now.buffer = buffer;
    v->now.at = at;
    v->now.lanes = lanes;
    v->now.write = write;
    v->visit(v->context, &v->now);
}

static void visit_expr(Visitor *v, const Expr *e) {
    int *seen = tag_of(&v->seen, e);
    if (*seen == v->now.number) return;
    *seen = v->now.number;
    visit_index(v, e->index);
    if (e->kind == EXPR_LOAD) visit_place(v, e->buffer, e->at, e->lanes, false);
    for (int k = 0; k < e->nargs; k++) visit_expr(v, e->arg[k]);
}

static void visit_stmt(Visitor *v, const Stmt *stmt) {
    const Stmt *outer = v->now.loop;
    int lanes = stmt->value ? stmt->value->lanes : 1;
    v->now.stmt = stmt;
    v->now.number++;
    visit_index(v, stmt->lo);
    visit_index(v, stmt->hi);
    for (int k = 0; k < stmt->cond.len; k++) visit_index(v, stmt->cond.at[k]);
    if (stmt->value) visit_expr(v, stmt->value);
    if (stmt->source) visit_place(v, stmt->source, stmt->from, 1, false);
    bool updates = stmt->kind == STMT_ACCUMULATE;
    if (updates || stmt->kind == STMT_PREFETCH) visit_place(v, stmt->buffer, stmt->at, lanes, false);
    if (stmt->buffer && stmt->kind != STMT_PREFETCH) visit_place(v, stmt->buffer, stmt->at, lanes, true);
    if (stmt->kind == STMT_FOR) v->now.loop = stmt;
    for (int k = 0; k < stmt->body.len; k++) visit_stmt(v, stmt->body.at[k]);
    v->now.loop = outer;
}

void stmt_visit(const Stmt *stmt, void (*visit)(void *context, const Access *access), void *context) {
    Arena scratch = {0};
    Visitor v = {.visit = visit, .context = context, .seen = {.arena = &scratch}};
    visit_stmt(&v, stmt);
    arena_release(&scratch);
}

// ---- what a kernel uses ---------------------------------------------------------------------------------------------

typedef struct Uses {
    Arena *arena;
    Kernel *kernel;
    Tags places; // by buffer: its place among the uses, from 1
} Uses;

static void see_use(void *context, const Access *access) {
    Uses *uses = context;
    if (buffer_is_local(access->buffer)) return;
    int *place = tag_of(&uses->places, access->buffer);
    if (!*place) {
        vec_push(uses->arena, &uses->kernel->uses, (Use){.buffer = access->buffer});
        *place = uses->kernel->uses.len;
    }
    Use *use = &uses->kernel->uses.at[*place - 1];
    use->written |= access->write;
    use->read |= !access->write;
}

void kernel_find_uses(Arena *arena, Kernel *kernel) {
    Arena scratch = {0};
    Uses uses = {arena, kernel, {.arena = &scratch}};
    kernel->uses.len = 0;
    stmt_visit(kernel->body, see_use, &uses);
    arena_release(&scratch);
}

Call call_new(Arena *arena, Kernel *kernel) {
    Call call = {.kernel = kernel, .buffer = NEW_ARRAY(arena, Buffer *, kernel->uses.len + 1)};
    for (int k = 0; k < kernel->uses.len; k++) call.buffer[k] = kernel->uses.at[k].buffer;
    return call;
}

int *use_pair(UsePairs *pairs, const Kernel *kernel, int a, int b) {
    int n = kernel->uses.len, *place = tag_of(&pairs->kernels, kernel);
    if (!*place) {
        vec_push(pairs->arena, &pairs->numbers, NEW_ARRAY(pairs->arena, int, n *n));
        *place = pairs->numbers.len;
    }
    return &pairs->numbers.at[*place - 1][a * n + b];
}
