// build.c: indices, expressions, statements and buffers of the loop IR. Indices are kept simple as they are made:
//     (32*o + l) / 32   is  o      (32*o + l) % 32   is  l      when l runs over [0, 32)
// which is what lets reshapes and blocked layouts vanish. All values that are divided are >= 0.
#include <string.h>

#include "loops/lower.h"

// ---- indices ---------------------------------------------------------------------------------------------------------

static bool atom_equal(const Atom *a, const Atom *b) {
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case ATOM_VAR: return a->var == b->var;
    case ATOM_SIZE: return a->size == b->size;
    case ATOM_DIV:
    case ATOM_MOD: return a->by == b->by && index_equal(a->of, b->of);
    case ATOM_MIN: return index_equal(a->of, b->of) && index_equal(a->other, b->other);
    case ATOM_LOADED: return a->loaded == b->loaded;
    }
    return false;
}

bool index_equal(const Index *a, const Index *b) {
    if (a == b) return true;
    if (a->c != b->c || a->nterms != b->nterms) return false;
    for (int k = 0; k < a->nterms; k++) {
        bool found = false;
        for (int j = 0; j < b->nterms && !found; j++)
            found = a->term[k].coef == b->term[j].coef && atom_equal(&a->term[k].atom, &b->term[j].atom);
        if (!found) return false;
    }
    return true;
}

Index *index_const(Arena *arena, int64_t c) {
    Index *index = NEW(arena, Index);
    index->c = c;
    return index;
}

static Index *index_atom(Arena *arena, Atom atom) {
    Index *index = NEW(arena, Index);
    index->nterms = 1;
    index->term = NEW_ARRAY(arena, struct Term, 1);
    index->term[0] = (struct Term){1, atom};
    return index;
}

Index *index_var(Arena *arena, Var *var) { return index_atom(arena, (Atom){.kind = ATOM_VAR, .var = var}); }

Index *index_size(Arena *arena, Dim dim) {
    if (!dim.size) return index_const(arena, dim.extent);
    return index_atom(arena, (Atom){.kind = ATOM_SIZE, .size = dim.size - 1, .by = dim.extent});
}

static void add_term(Index *to, int64_t coef, const Atom *atom) {
    for (int k = 0; k < to->nterms; k++) {
        if (!atom_equal(&to->term[k].atom, atom)) continue;
        to->term[k].coef += coef;
        if (to->term[k].coef == 0) to->term[k] = to->term[--to->nterms];
        return;
    }
    if (coef) to->term[to->nterms++] = (struct Term){coef, *atom};
}

static Index *combine(Arena *arena, const Index *a, const Index *b, int64_t by) {
    Index *to = NEW(arena, Index);
    to->c = a->c + by * b->c;
    to->term = NEW_ARRAY(arena, struct Term, a->nterms + b->nterms + 1);
    for (int k = 0; k < a->nterms; k++) add_term(to, a->term[k].coef, &a->term[k].atom);
    for (int k = 0; k < b->nterms; k++) add_term(to, by * b->term[k].coef, &b->term[k].atom);
    return to;
}

Index *index_add(Arena *arena, const Index *a, const Index *b) { return combine(arena, a, b, 1); }

Index *index_add_const(Arena *arena, const Index *a, int64_t c) {
    Index *to = NEW(arena, Index);
    *to = *a;
    to->c += c;
    return to;
}

Index *index_scale(Arena *arena, const Index *a, int64_t by) {
    return by == 0 ? index_const(arena, 0) : combine(arena, &(Index){0}, a, by);
}

bool index_is_const(const Index *a, int64_t *c) {
    if (a->nterms == 0) *c = a->c;
    return a->nterms == 0;
}

// ---- ranges ------------------------------------------------------------------------------------------------------------

static bool atom_range(const Atom *atom, int64_t *lo, int64_t *hi) {
    int64_t lo2, hi2;
    switch (atom->kind) {
    case ATOM_VAR: *lo = atom->var->lo, *hi = atom->var->hi; return *lo <= *hi;
    case ATOM_SIZE: *lo = 1, *hi = atom->by; return true;
    case ATOM_DIV:
        if (!index_range(atom->of, lo, hi) || *lo < 0) return false;
        *lo /= atom->by, *hi /= atom->by;
        return true;
    case ATOM_MOD:
        *lo = 0, *hi = atom->by - 1;
        if (index_range(atom->of, &lo2, &hi2) && lo2 >= 0 && hi2 < *hi) *hi = hi2;
        return true;
    case ATOM_MIN:
        if (!index_range(atom->of, lo, hi) || !index_range(atom->other, &lo2, &hi2)) return false;
        if (lo2 < *lo) *lo = lo2;
        if (hi2 < *hi) *hi = hi2;
        return true;
    case ATOM_LOADED: return false;
    }
    return false;
}

bool index_range(const Index *a, int64_t *lo, int64_t *hi) {
    *lo = *hi = a->c;
    for (int k = 0; k < a->nterms; k++) {
        int64_t low, high, coef = a->term[k].coef;
        if (!atom_range(&a->term[k].atom, &low, &high)) return false;
        *lo += coef > 0 ? coef * low : coef * high;
        *hi += coef > 0 ? coef * high : coef * low;
    }
    return true;
}

// ---- div, mod, min -----------------------------------------------------------------------------------------------------

// a = by * quotient + rest, the rest made of what `by` does not divide.
static void split(Arena *arena, const Index *a, int64_t by, Index *quotient, Index *rest) {
    *quotient = *rest = (Index){0};
    quotient->term = NEW_ARRAY(arena, struct Term, a->nterms + 1);
    rest->term = NEW_ARRAY(arena, struct Term, a->nterms + 1);
    rest->c = ((a->c % by) + by) % by;
    quotient->c = (a->c - rest->c) / by;
    for (int k = 0; k < a->nterms; k++) {
        const struct Term *t = &a->term[k];
        if (t->coef % by == 0)
            quotient->term[quotient->nterms++] = (struct Term){t->coef / by, t->atom};
        else
            rest->term[rest->nterms++] = *t;
    }
}

static bool below(const Index *a, int64_t by) {
    int64_t lo, hi;
    return index_range(a, &lo, &hi) && lo >= 0 && hi < by;
}

Index *index_div(Arena *arena, const Index *a, int64_t by) {
    Index quotient, rest;
    split(arena, a, by, &quotient, &rest);
    if (below(&rest, by)) return index_add(arena, &quotient, index_const(arena, 0));
    // The rest may be negative where the whole is not: then only the whole may be divided.
    int64_t lo, hi;
    if (!index_range(&rest, &lo, &hi) || lo < 0)
        return index_atom(arena, (Atom){.kind = ATOM_DIV, .of = index_add_const(arena, a, 0), .by = by});
    Atom atom = {.kind = ATOM_DIV, .of = index_add_const(arena, &rest, 0), .by = by};
    return index_add(arena, &quotient, index_atom(arena, atom));
}

Index *index_mod(Arena *arena, const Index *a, int64_t by) {
    if (by == 1) return index_const(arena, 0);
    Index quotient, rest;
    int64_t lo, hi;
    split(arena, a, by, &quotient, &rest);
    if (below(&rest, by)) return index_add_const(arena, &rest, 0);
    bool negative = !index_range(&rest, &lo, &hi) || lo < 0;
    return index_atom(arena, (Atom){.kind = ATOM_MOD, .of = index_add_const(arena, negative ? a : &rest, 0), .by = by});
}

Index *index_min(Arena *arena, const Index *a, const Index *b) {
    int64_t alo, ahi, blo, bhi;
    if (index_range(combine(arena, a, b, -1), &alo, &ahi)) {
        if (ahi <= 0) return index_add_const(arena, a, 0);
        if (alo >= 0) return index_add_const(arena, b, 0);
    }
    if (index_range(a, &alo, &ahi) && index_range(b, &blo, &bhi)) {
        if (ahi <= blo) return index_add_const(arena, a, 0);
        if (bhi <= alo) return index_add_const(arena, b, 0);
    }
    return index_atom(arena, (Atom){.kind = ATOM_MIN, .of = index_add_const(arena, a, 0), .other = index_add_const(arena, b, 0)});
}

// ---- variables in indices ------------------------------------------------------------------------------------------------

static bool expr_uses(const Expr *e, const Var *var);

static bool atom_uses(const Atom *atom, const Var *var) {
    if (atom->kind == ATOM_VAR) return atom->var == var;
    if (atom->kind == ATOM_SIZE) return false;
    if (atom->kind == ATOM_LOADED) return expr_uses(atom->loaded, var);
    return index_uses(atom->of, var) || (atom->kind == ATOM_MIN && index_uses(atom->other, var));
}

bool index_uses(const Index *a, const Var *var) {
    for (int k = 0; k < a->nterms; k++)
        if (atom_uses(&a->term[k].atom, var)) return true;
    return false;
}

static bool expr_uses(const Expr *e, const Var *var) {
    if (e->kind == EXPR_INDEX_VALUE) return index_uses(e->index, var);
    for (int d = 0; e->kind == EXPR_LOAD && d < e->buffer->rank; d++)
        if (index_uses(e->at[d], var)) return true;
    for (int k = 0; k < e->nargs; k++)
        if (expr_uses(e->arg[k], var)) return true;
    return false;
}

bool index_linear(const Index *a, const Var *var, int64_t *coef) {
    *coef = 0;
    for (int k = 0; k < a->nterms; k++) {
        if (a->term[k].atom.kind == ATOM_VAR && a->term[k].atom.var == var)
            *coef += a->term[k].coef;
        else if (atom_uses(&a->term[k].atom, var))
            return false;
    }
    return true;
}

Index *index_substitute(Arena *arena, const Index *a, const Var *var, const Index *by) {
    Index *to = index_const(arena, a->c);
    for (int k = 0; k < a->nterms; k++) {
        const Atom *atom = &a->term[k].atom;
        const Index *value;
        if (atom->kind == ATOM_VAR && atom->var == var)
            value = by;
        else if (atom->kind == ATOM_DIV)
            value = index_div(arena, index_substitute(arena, atom->of, var, by), atom->by);
        else if (atom->kind == ATOM_MOD)
            value = index_mod(arena, index_substitute(arena, atom->of, var, by), atom->by);
        else if (atom->kind == ATOM_MIN)
            value = index_min(arena, index_substitute(arena, atom->of, var, by), index_substitute(arena, atom->other, var, by));
        else
            value = index_atom(arena, *atom);
        to = index_add(arena, to, index_scale(arena, value, a->term[k].coef));
    }
    return to;
}

Index *index_of_affine(Arena *arena, const Affine *affine, Index *const *axes, int naxes) {
    Index *to = index_const(arena, affine->c);
    for (int a = 0; a < naxes; a++)
        if (affine->coef[a]) to = index_add(arena, to, index_scale(arena, axes[a], affine->coef[a]));
    return to;
}

// ---- expressions ---------------------------------------------------------------------------------------------------------

Expr *expr_const(Arena *arena, DType dtype, double value) {
    Expr *e = NEW(arena, Expr);
    *e = (Expr){.kind = EXPR_CONST, .dtype = dtype, .lanes = 1};
    if (dtype_info[dtype].is_float)
        e->f = value;
    else
        e->i = (int64_t)value;
    return e;
}

static const Index **index_list(Arena *arena, Index *const *at, int rank) {
    const Index **list = NEW_ARRAY(arena, const Index *, rank + 1);
    for (int d = 0; d < rank; d++) list[d] = at[d];
    return list;
}

Expr *expr_load(Arena *arena, Buffer *buffer, Index *const *at, int lanes) {
    Expr *e = NEW(arena, Expr);
    *e = (Expr){.kind = EXPR_LOAD, .dtype = buffer->dtype, .lanes = lanes, .buffer = buffer};
    e->at = index_list(arena, at, buffer->rank);
    return e;
}

Expr *expr_apply(Arena *arena, const Node *node, const Op *op, DType dtype, Expr *const *arg, int nargs) {
    Expr *e = NEW(arena, Expr);
    *e = (Expr){.kind = EXPR_APPLY, .dtype = dtype, .lanes = 1, .node = node, .op = op, .nargs = nargs};
    e->arg = NEW_ARRAY(arena, Expr *, nargs + 1);
    for (int k = 0; k < nargs; k++) {
        e->arg[k] = arg[k];
        if (arg[k]->lanes > e->lanes) e->lanes = arg[k]->lanes;
    }
    return e;
}

Expr *expr_lanes(Arena *arena, const char *reduce_kind, Expr *of) {
    if (of->lanes == 1) return of;
    Expr *e = NEW(arena, Expr);
    *e = (Expr){.kind = EXPR_REDUCE_LANES, .dtype = of->dtype, .lanes = 1, .reduce_kind = reduce_kind, .nargs = 1};
    e->arg = NEW_ARRAY(arena, Expr *, 1);
    e->arg[0] = of;
    return e;
}

// ---- statements ----------------------------------------------------------------------------------------------------------

static Stmt *stmt_new(Arena *arena, StmtKind kind) {
    Stmt *s = NEW(arena, Stmt);
    s->kind = kind;
    return s;
}

Stmt *stmt_block(Arena *arena) { return stmt_new(arena, STMT_BLOCK); }

void stmt_append(Arena *arena, Stmt *to, Stmt *stmt) { vec_push(arena, &to->body, stmt); }

Stmt *stmt_for(Arena *arena, Var *var, const Index *lo, const Index *hi, int64_t step) {
    Stmt *s = stmt_new(arena, STMT_FOR);
    s->var = var;
    s->lo = lo;
    s->hi = hi;
    s->step = step;
    int64_t low, high, unused;
    if (index_range(lo, &low, &unused) && index_range(hi, &unused, &high)) {
        // The last value is lo plus whole steps, when both ends are known.
        int64_t first, last;
        if (index_is_const(lo, &first) && index_is_const(hi, &last) && last > first) high = first + (last - 1 - first) / step * step + 1;
        var->lo = low;
        var->hi = high - 1;
    }
    return s;
}

Stmt *stmt_store(Arena *arena, Buffer *buffer, Index *const *at, Expr *value) {
    Stmt *s = stmt_new(arena, STMT_STORE);
    s->buffer = buffer;
    s->at = index_list(arena, at, buffer->rank);
    s->value = value;
    return s;
}

Stmt *stmt_accumulate(Arena *arena, Buffer *buffer, Index *const *at, const char *combine_kind, Expr *value) {
    Stmt *s = stmt_store(arena, buffer, at, value);
    s->kind = STMT_ACCUMULATE;
    s->combine = combine_kind;
    return s;
}

Stmt *stmt_local(Arena *arena, Buffer *buffer, Expr *value) {
    Stmt *s = stmt_new(arena, STMT_LOCAL);
    s->buffer = buffer;
    s->value = value;
    return s;
}

// ---- variables and buffers ---------------------------------------------------------------------------------------------------

Var *var_new(LowerContext *ctx, const char *name) {
    Var *var = NEW(ctx->arena, Var);
    int id = ctx->kernel->nvars++;
    *var = (Var){.name = arena_printf(ctx->arena, "%s_%d", name, id), .id = id, .lo = 0, .hi = -1};
    return var;
}

Buffer *buffer_scratch(Program *program, const char *name, DType dtype, int rank, const Dim *dims, Scope scope) {
    Buffer *b = NEW(program->arena, Buffer);
    *b = (Buffer){.name = name, .dtype = dtype, .rank = rank, .lanes = 1, .scope = scope, .argument = -1, .output = -1,
                  .first_call = -1, .last_call = -1};
    int64_t stride = 1;
    for (int d = rank - 1; d >= 0; d--) {
        b->dim[d] = dims[d];
        b->stride[d] = stride;
        stride *= dims[d].extent;
    }
    b->bytes = stride * dtype_info[dtype].bytes;
    if (scope == SCOPE_ARENA) vec_push(program->arena, &program->buffers, b);
    return b;
}
