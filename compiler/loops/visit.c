// visit.c: which buffers a statement reads and writes, in the order in which it does.
//     acc += mul(a[i], b[i])        reads a, b, acc; writes acc
#include "loops/loops.h"

typedef struct Visitor {
    void (*visit)(void *context, Buffer *buffer, bool write);
    void *context;
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
    if (stmt->kind == STMT_ACCUMULATE) v->visit(v->context, stmt->buffer, false);
    v->visit(v->context, stmt->buffer, true);
}

void stmt_visit_buffers(const Stmt *stmt, void (*visit)(void *context, Buffer *buffer, bool write), void *context) {
    Visitor v = {visit, context};
    visit_stmt(&v, stmt);
}
