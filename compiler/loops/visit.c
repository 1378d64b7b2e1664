// visit.c: walks statements for the buffers that they read and write.
#include "loops/loops.h"

typedef struct Visit {
    void (*visit)(void *context, Buffer *buffer, bool write);
    void *context;
} Visit;

static void visit_index(const Index *index, const Visit *v);

static void visit_expr(const Expr *e, const Visit *v) {
    if (e->kind == EXPR_INDEX_VALUE) visit_index(e->index, v);
    if (e->kind == EXPR_LOAD) {
        for (int d = 0; d < e->buffer->rank; d++) visit_index(e->at[d], v);
        v->visit(v->context, e->buffer, false);
    }
    for (int k = 0; k < e->nargs; k++) visit_expr(e->arg[k], v);
}

static void visit_index(const Index *index, const Visit *v) {
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        if (atom->kind == ATOM_LOADED) visit_expr(atom->loaded, v);
        if (atom->kind == ATOM_DIV || atom->kind == ATOM_MOD || atom->kind == ATOM_MIN) visit_index(atom->of, v);
        if (atom->kind == ATOM_MIN) visit_index(atom->other, v);
    }
}

static void visit_stmt(const Stmt *s, const Visit *v) {
    if (s->lo) visit_index(s->lo, v);
    if (s->hi) visit_index(s->hi, v);
    for (int k = 0; k < s->cond.len; k++) visit_index(s->cond.at[k], v);
    if (s->value) visit_expr(s->value, v);
    for (int d = 0; s->source && d < s->source->rank; d++) visit_index(s->from[d], v);
    if (s->source) v->visit(v->context, s->source, false);
    for (int d = 0; s->at && d < s->buffer->rank; d++) visit_index(s->at[d], v);
    if (s->kind == STMT_ACCUMULATE) v->visit(v->context, s->buffer, false);
    if (s->buffer) v->visit(v->context, s->buffer, true);
    for (int k = 0; k < s->body.len; k++) visit_stmt(s->body.at[k], v);
}

void stmt_visit_buffers(const Stmt *stmt, void (*visit)(void *context, Buffer *buffer, bool write), void *context) {
    visit_stmt(stmt, &(Visit){visit, context});
}
