// print.c: the text of a program: `dlc --emit=loops`, and what tests compare.
//     kernel linear_relu (contraction 6x4): h[n, o] ...
//       for n_0 in 0..N:
//         h[n_0, 0] = relu(acc)
#include <string.h>

#include "loops/lower.h"

typedef struct Printer {
    Str *s;
    const Size *sizes;
    int depth;
} Printer;

static void put_expr(Printer *p, const Expr *e);
static void put_index(Printer *p, const Index *index);

static void put_line(Printer *p) { str_printf(p->s, "\n%*s", 2 * p->depth, ""); }

// ---- indices ---------------------------------------------------------------------------------------------------------

static void put_atom(Printer *p, const Atom *atom) {
    switch (atom->kind) {
    case ATOM_VAR: str_put(p->s, atom->var->name); return;
    case ATOM_SIZE: str_put(p->s, p->sizes[atom->size].name); return;
    case ATOM_LOADED: put_expr(p, atom->loaded); return;
    case ATOM_DIV:
    case ATOM_MOD:
        str_put(p->s, "(");
        put_index(p, atom->of);
        str_printf(p->s, atom->kind == ATOM_DIV ? ")/%lld" : ")%%%lld", (long long)atom->by);
        return;
    case ATOM_MIN:
        str_put(p->s, "min(");
        put_index(p, atom->of);
        str_put(p->s, ", ");
        put_index(p, atom->other);
        str_put(p->s, ")");
        return;
    }
}

static void put_index(Printer *p, const Index *index) {
    for (int k = 0; k < index->nterms; k++) {
        int64_t coef = index->term[k].coef;
        str_put(p->s, coef < 0 ? "-" : k ? "+" : "");
        if (coef != 1 && coef != -1) str_printf(p->s, "%lld*", (long long)(coef < 0 ? -coef : coef));
        put_atom(p, &index->term[k].atom);
    }
    if (index->nterms == 0 || index->c) str_printf(p->s, index->nterms && index->c > 0 ? "+%lld" : "%lld", (long long)index->c);
}

static void put_place(Printer *p, const Buffer *buffer, const Index *const *at, int lanes) {
    str_put(p->s, buffer->name);
    if (buffer->rank) str_put(p->s, "[");
    for (int d = 0; d < buffer->rank; d++) {
        if (d) str_put(p->s, ", ");
        put_index(p, at[d]);
    }
    if (lanes > 1 && buffer->lanes == 1) str_printf(p->s, " ..%d", lanes);
    if (buffer->rank) str_put(p->s, "]");
}

// ---- expressions -----------------------------------------------------------------------------------------------------

static void put_expr(Printer *p, const Expr *e) {
    switch (e->kind) {
    case EXPR_CONST:
        if (dtype_info[e->dtype].is_float) str_put_double(p->s, e->f);
        else str_printf(p->s, "%lld", (long long)e->i);
        return;
    case EXPR_INDEX_VALUE: put_index(p, e->index); return;
    case EXPR_LOAD: put_place(p, e->buffer, e->at, e->lanes); return;
    case EXPR_REDUCE_LANES: str_printf(p->s, "lanes_%s", e->reduce_kind); break;
    case EXPR_APPLY: str_put(p->s, e->op->name); break;
    }
    str_put(p->s, "(");
    for (int k = 0; k < e->nargs; k++) {
        if (k) str_put(p->s, ", ");
        put_expr(p, e->arg[k]);
    }
    str_put(p->s, ")");
}

// ---- statements ------------------------------------------------------------------------------------------------------

static void put_stmt(Printer *p, const Stmt *s);

static void put_body(Printer *p, const Stmt *s) {
    p->depth++;
    for (int k = 0; k < s->body.len; k++) put_stmt(p, s->body.at[k]);
    p->depth--;
}

static void put_for(Printer *p, const Stmt *s) {
    str_printf(p->s, "%s %s in ", s->loop == FOR_CHUNKS ? "chunks" : "for", s->var->name);
    put_index(p, s->lo);
    str_put(p->s, "..");
    put_index(p, s->hi);
    if (s->step != 1) str_printf(p->s, " by %lld", (long long)s->step);
    str_put(p->s, ":");
    put_body(p, s);
}

static void put_local(Printer *p, const Stmt *s) {
    const Buffer *b = s->buffer;
    str_printf(p->s, "local %s%s %s", dtype_info[b->dtype].name, b->accumulate_double ? " (double)" : "", b->name);
    for (int d = 0; d < b->rank; d++) str_printf(p->s, d ? ", %d" : "[%d", b->dim[d].extent);
    if (b->rank) str_put(p->s, "]");
    if (b->lanes > 1) str_printf(p->s, " x%d", b->lanes);
    if (!s->value) return;
    str_put(p->s, " = ");
    put_expr(p, s->value);
}

static void put_stmt(Printer *p, const Stmt *s) {
    if (s->kind == STMT_BLOCK) {
        for (int k = 0; k < s->body.len; k++) put_stmt(p, s->body.at[k]);
        return;
    }
    put_line(p);
    switch (s->kind) {
    case STMT_BLOCK: return;
    case STMT_FOR: put_for(p, s); return;
    case STMT_LOCAL: put_local(p, s); return;
    case STMT_STORE:
        put_place(p, s->buffer, s->at, s->value->lanes);
        str_put(p->s, " = ");
        put_expr(p, s->value);
        return;
    case STMT_ACCUMULATE:
        put_place(p, s->buffer, s->at, s->value->lanes);
        str_printf(p->s, " %s= ", strcmp(s->combine, "sum") ? s->combine : "+");
        put_expr(p, s->value);
        return;
    case STMT_TRANSPOSE:
        str_put(p->s, "transpose ");
        put_place(p, s->buffer, s->at, 1);
        str_put(p->s, " from ");
        put_place(p, s->source, s->from, 1);
        return;
    case STMT_IF:
        str_put(p->s, "if ");
        for (int k = 0; k < s->cond.len; k++) {
            if (k) str_put(p->s, " and ");
            put_index(p, s->cond.at[k]);
            str_put(p->s, " >= 0");
        }
        str_put(p->s, ":");
        put_body(p, s);
        return;
    }
}

void program_print(Str *s, const Program *program) {
    static const char *const scopes[] = {"argument", "storage", "arena", "stack", "register"};
    Printer p = {s, program->graph->module->sizes, 0};
    str_printf(s, "entry %s: arena %lld bytes, at least %lld\n", program->graph->name, (long long)program->arena_bytes,
               (long long)program->arena_bound);
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *b = program->buffers.at[k];
        Type type = {.dtype = b->dtype, .rank = b->rank};
        memcpy(type.dim, b->dim, sizeof type.dim);
        str_printf(s, "  %s %s: ", scopes[b->scope], b->name);
        type_print(s, &type, p.sizes);
        if (b->scope == SCOPE_ARENA) str_printf(s, " at %lld, calls %d to %d", (long long)b->offset, b->first_call, b->last_call);
        str_put(s, "\n");
    }
    for (int k = 0; k < program->calls.len; k++) {
        const Call *call = &program->calls.at[k];
        str_printf(s, "call %d: %s (%s)", k, call->kernel->name, call->kernel->recipe);
        p.depth = 1;
        put_stmt(&p, call->kernel->body);
        str_put(s, "\n");
    }
}
