// visit.c: which buffers a statement reads and writes, in the order in which it does.
//     acc += mul(a[i], b[i])        reads a, b, acc; writes acc
// An expression that several statements share is visited once.
#include "loops/recipes.h"

// ---- marks on expressions: a hash table by address ------------------------------------------------------------------

static int slot_of(const ExprTags *tags, const Expr *e) {
    int at = (int)(((uintptr_t)e >> 4) * 2654435761u % (unsigned)tags->capacity);
    while (tags->slot[at].e && tags->slot[at].e != e) at = (at + 1) % tags->capacity;
    return at;
}

static void make_room(ExprTags *tags) {
    if (2 * tags->used < tags->capacity) return;
    ExprTags old = *tags;
    tags->capacity = old.capacity ? 4 * old.capacity : 32;
    tags->slot = NEW_ARRAY(tags->arena, struct ExprTag, tags->capacity);
    for (int k = 0; k < old.capacity; k++)
        if (old.slot[k].e) tags->slot[slot_of(tags, old.slot[k].e)] = old.slot[k];
}

int *expr_tag(ExprTags *tags, const Expr *e) {
    make_room(tags);
    int at = slot_of(tags, e);
    if (!tags->slot[at].e) tags->used++;
    tags->slot[at].e = e;
    return &tags->slot[at].tag;
}

// ---- buffers --------------------------------------------------------------------------------------------------------

typedef struct Visitor {
    void (*visit)(void *context, Buffer *buffer, bool write);
    void *context;
    ExprTags *seen; // what was visited already
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
    int *seen = expr_tag(v->seen, e);
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
    ExprTags seen = {.arena = &scratch};
    Visitor v = {visit, context, &seen};
    visit_stmt(&v, stmt);
    arena_release(&scratch);
}
