// visit.c: which buffers a statement reads and writes, in the order in which it does.
//     acc += mul(a[i], b[i])        reads a, b, acc; writes acc
// An expression that several statements share is visited once.
#include "loops/recipes.h"

// ---- buffers --------------------------------------------------------------------------------------------------------

typedef struct Visitor {
    void (*visit)(void *context, Buffer *buffer, bool write);
    void *context;
    Tags *seen; // what was visited already
} Visitor;

static void visit_expr(const Visitor *v, const Expr *e);

static void visit_index(const Visitor *v, const Index *index) {
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        if (atom->of) visit_index(v, atom->of);
        if (atom->other) visit_index(v, atom->other);
        if (atom->kind == ATOM_LOADED) visit_expr(v, atom->loaded);
    }
}

static void visit_indices(const Visitor *v, const Buffer *buffer, const Index *const *at) {
    for (int d = 0; d < buffer->rank; d++) visit_index(v, at[d]);
}

static void visit_expr(const Visitor *v, const Expr *e) {
    int *seen = tag_of(v->seen, e);
    if (*seen) return;
    *seen = 1;
    if (e->kind == EXPR_INDEX_VALUE) visit_index(v, e->index);
    if (e->kind == EXPR_LOAD) {
        visit_indices(v, e->buffer, e->at);
        v->visit(v->context, e->buffer, false);
    }
    for (int k = 0; k < e->nargs; k++) visit_expr(v, e->arg[k]);
}

static void visit_stmt(const Visitor *v, const Stmt *stmt) {
    if (stmt->kind == STMT_FOR) {
        visit_index(v, stmt->lo);
        visit_index(v, stmt->hi);
    }
    for (int k = 0; k < stmt->cond.len; k++) visit_index(v, stmt->cond.at[k]);
    for (int k = 0; k < stmt->body.len; k++) visit_stmt(v, stmt->body.at[k]);
    if (stmt->value) visit_expr(v, stmt->value);
    if (stmt->source) {
        visit_indices(v, stmt->source, stmt->from);
        v->visit(v->context, stmt->source, false);
    }
    if (!stmt->buffer) return;
    if (stmt->at) visit_indices(v, stmt->buffer, stmt->at);
    if (stmt->kind == STMT_ACCUMULATE || stmt->kind == STMT_PREFETCH) v->visit(v->context, stmt->buffer, false);
    if (stmt->kind != STMT_PREFETCH) v->visit(v->context, stmt->buffer, true);
}

void stmt_visit_buffers(const Stmt *stmt, void (*visit)(void *context, Buffer *buffer, bool write), void *context) {
    Arena scratch = {0};
    Tags seen = {.arena = &scratch};
    Visitor v = {visit, context, &seen};
    visit_stmt(&v, stmt);
    arena_release(&scratch);
}

// ---- what a kernel uses ---------------------------------------------------------------------------------------------

typedef struct Uses {
    Arena *arena;
    Kernel *kernel;
    Tags places; // by buffer: its place among the uses, from 1
} Uses;

static void see_use(void *context, Buffer *buffer, bool write) {
    Uses *uses = context;
    if (buffer->scope == SCOPE_STACK || buffer->scope == SCOPE_REGISTER) return;
    int *place = tag_of(&uses->places, buffer);
    if (!*place) {
        vec_push(uses->arena, &uses->kernel->uses, (Use){.buffer = buffer});
        *place = uses->kernel->uses.len;
    }
    Use *use = &uses->kernel->uses.at[*place - 1];
    use->written |= write;
    use->read |= !write;
}

void kernel_find_uses(Arena *arena, Kernel *kernel) {
    Arena scratch = {0};
    Uses uses = {arena, kernel, {.arena = &scratch}};
    kernel->uses.len = 0;
    stmt_visit_buffers(kernel->body, see_use, &uses);
    arena_release(&scratch);
}

Call call_new(Arena *arena, Kernel *kernel) {
    Call call = {.kernel = kernel, .buffer = NEW_ARRAY(arena, Buffer *, kernel->uses.len + 1)};
    for (int k = 0; k < kernel->uses.len; k++) call.buffer[k] = kernel->uses.at[k].buffer;
    return call;
}

const Buffer *call_formal(const Call *call, const Buffer *buffer) {
    for (int k = 0; k < call->kernel->uses.len; k++)
        if (call->buffer[k] == buffer) return call->kernel->uses.at[k].buffer;
    return NULL;
}

int *use_pair(UsePairs *pairs, const Kernel *kernel, int a, int b) {
    int n = kernel->uses.len, *place = tag_of(&pairs->kernels, kernel);
    if (!*place) {
        vec_push(pairs->arena, &pairs->numbers, NEW_ARRAY(pairs->arena, int, n *n));
        *place = pairs->numbers.len;
    }
    return &pairs->numbers.at[*place - 1][a * n + b];
}
