// build.c: constructors of expressions, statements and buffers: the only places that fill those structures.
//     stmt_accumulate(arena, acc, at, REDUCE_SUM, expr_apply(arena, NULL, &op_mul, F32, ab, 2))
// Lanes follow from the parts: an expression with a vector argument is a vector; scalars among vectors are broadcast.
#include <string.h>

#include "loops/lower.h"

Var *var_new(LowerContext *ctx, const char *name) {
    Var *var = NEW(ctx->arena, Var);
    var->name = arena_strdup(ctx->arena, name);
    var->id = ctx->vars.len;
    vec_push(ctx->arena, &ctx->vars, var);
    if (ctx->kernel) ctx->kernel->nvars = ctx->vars.len;
    return var;
}

// ---- expressions ----------------------------------------------------------------------------------------------------

static Expr *expr_new(Arena *arena, ExprKind kind, DType dtype, int lanes) {
    Expr *e = NEW(arena, Expr);
    e->kind = kind;
    e->dtype = dtype;
    e->lanes = lanes > 1 ? lanes : 1;
    return e;
}

Expr *expr_const(Arena *arena, DType dtype, double value) {
    Expr *e = expr_new(arena, EXPR_CONST, dtype, 1);
    if (dtype_info[dtype].is_float)
        e->f = value;
    else
        e->i = (int64_t)value;
    return e;
}

static const Index **copy_at(Arena *arena, const Buffer *buffer, Index *const *at) {
    const Index **copy = NEW_ARRAY(arena, const Index *, buffer->rank + 1);
    for (int d = 0; d < buffer->rank; d++) copy[d] = at[d];
    return copy;
}

Expr *expr_load(Arena *arena, Buffer *buffer, Index *const *at, int lanes) {
    Expr *e = expr_new(arena, EXPR_LOAD, buffer->dtype, buffer->lanes > 1 ? buffer->lanes : lanes);
    e->buffer = buffer;
    e->at = copy_at(arena, buffer, at);
    return e;
}

Expr *expr_apply(Arena *arena, const Node *node, const Op *op, DType dtype, Expr *const *arg, int nargs) {
    int lanes = 1;
    for (int k = 0; k < nargs; k++)
        if (arg[k]->lanes > lanes) lanes = arg[k]->lanes;
    Expr *e = expr_new(arena, EXPR_APPLY, dtype, lanes);
    e->node = node;
    e->op = op;
    e->nargs = nargs;
    e->arg = NEW_ARRAY(arena, Expr *, nargs + 1);
    for (int k = 0; k < nargs; k++) e->arg[k] = arg[k];
    return e;
}

Expr *expr_lanes(Arena *arena, ReduceKind kind, Expr *of) {
    if (of->lanes == 1) return of;
    Expr *e = expr_new(arena, EXPR_REDUCE_LANES, of->dtype, 1);
    e->reduce_kind = kind;
    e->nargs = 1;
    e->arg = NEW_ARRAY(arena, Expr *, 1);
    e->arg[0] = of;
    return e;
}

// ---- statements -----------------------------------------------------------------------------------------------------

static Stmt *stmt_new(Arena *arena, StmtKind kind) {
    Stmt *stmt = NEW(arena, Stmt);
    stmt->kind = kind;
    return stmt;
}

Stmt *stmt_block(Arena *arena) { return stmt_new(arena, STMT_BLOCK); }

Stmt *stmt_for(Arena *arena, Var *var, const Index *lo, const Index *hi, int64_t step) {
    if (var->loop) dlc_bug("loops", "variable %s counts in two loops", var->name);
    Stmt *stmt = stmt_new(arena, STMT_FOR);
    stmt->var = var;
    stmt->lo = lo;
    stmt->hi = hi;
    stmt->step = step;
    var->loop = stmt;
    return stmt;
}

Stmt *loop_open(LowerContext *ctx, Stmt *to, const char *name, const Index *lo, const Index *hi, int64_t step,
                Index **at) {
    Stmt *loop = stmt_for(ctx->arena, var_new(ctx, name), lo, hi, step);
    stmt_append(ctx->arena, to, loop);
    *at = index_var(ctx->arena, loop->var);
    return loop;
}

Stmt *stmt_store(Arena *arena, Buffer *buffer, Index *const *at, Expr *value) {
    Stmt *stmt = stmt_new(arena, STMT_STORE);
    stmt->buffer = buffer;
    stmt->at = copy_at(arena, buffer, at);
    stmt->value = value;
    return stmt;
}

Stmt *stmt_accumulate(Arena *arena, Buffer *buffer, Index *const *at, ReduceKind combine, Expr *value) {
    Stmt *stmt = stmt_store(arena, buffer, at, value);
    stmt->kind = STMT_ACCUMULATE;
    stmt->combine = combine;
    return stmt;
}

Stmt *stmt_prefetch(Arena *arena, Buffer *buffer, Index *const *at) {
    Stmt *stmt = stmt_store(arena, buffer, at, NULL);
    stmt->kind = STMT_PREFETCH;
    return stmt;
}

Stmt *stmt_transpose(Arena *arena, Buffer *to, Index *const *at, int dst_axis, Buffer *from, Index *const *from_at,
                     int src_axis) {
    Stmt *stmt = stmt_store(arena, to, at, NULL);
    stmt->kind = STMT_TRANSPOSE;
    stmt->dst_axis = dst_axis;
    stmt->source = from;
    stmt->from = copy_at(arena, from, from_at);
    stmt->src_axis = src_axis;
    return stmt;
}

Stmt *stmt_local(Arena *arena, Buffer *buffer, Expr *value) {
    Stmt *stmt = stmt_new(arena, STMT_LOCAL);
    stmt->buffer = buffer;
    stmt->value = value;
    return stmt;
}

Stmt *stmt_if(Arena *arena) { return stmt_new(arena, STMT_IF); }

void stmt_append(Arena *arena, Stmt *to, Stmt *stmt) { vec_push(arena, &to->body, stmt); }

// ---- buffers --------------------------------------------------------------------------------------------------------

void buffer_lay_out(Buffer *buffer) {
    int64_t elements = 1;
    for (int d = buffer->rank - 1; d >= 0; d--) {
        buffer->stride[d] = elements;
        elements *= buffer->before[d] + buffer->dim[d].extent + buffer->after[d];
    }
    buffer->bytes = elements * dtype_info[buffer->dtype].bytes;
}

void buffer_widen(Buffer *buffer, const int *before, const int *after) {
    for (int d = 0; d < buffer->rank; d++) {
        if (before[d] > buffer->before[d]) buffer->before[d] = before[d];
        if (after[d] > buffer->after[d]) buffer->after[d] = after[d];
    }
    buffer_lay_out(buffer);
}

Type buffer_shape(const Buffer *buffer) {
    Type type = {.dtype = buffer->dtype, .rank = buffer->rank};
    memcpy(type.dim, buffer->dim, sizeof type.dim);
    return type;
}

int64_t buffer_count(const Buffer *buffer) {
    Type type = buffer_shape(buffer);
    return type_count(&type);
}

int64_t buffer_reach(const Buffer *buffer) {
    int64_t elements = 1;
    for (int d = 0; d < buffer->rank; d++)
        elements += (buffer->before[d] + buffer->dim[d].extent + buffer->after[d] - 1) * buffer->stride[d];
    return elements;
}

bool buffers_alike(const Buffer *a, const Buffer *b) {
    bool alike = a->dtype == b->dtype && a->rank == b->rank;
    for (int d = 0; d < a->rank && alike; d++)
        alike = dim_equal(a->dim[d], b->dim[d]) && a->stride[d] == b->stride[d] && a->before[d] == b->before[d] &&
                a->after[d] == b->after[d];
    return alike;
}

void buffer_packs(Arena *arena, Buffer *buffer, const Node *node, const char *packed_as) {
    buffer->packs = node;
    buffer->packed_as = packed_as;
    buffer->name = arena_printf(arena, "%s_%s", node->name ? node->name : node->op->name, packed_as);
}

Buffer *buffer_scratch(Program *program, const char *name, DType dtype, int rank, const Dim *dims, Scope scope) {
    Buffer *buffer = NEW(program->arena, Buffer);
    *buffer = (Buffer){.name = arena_strdup(program->arena, name),
                       .dtype = dtype,
                       .rank = rank,
                       .lanes = 1,
                       .scope = scope,
                       .argument = -1,
                       .output = -1,
                       .first_call = -1,
                       .last_call = -1};
    for (int d = 0; d < rank; d++) buffer->dim[d] = dims[d];
    buffer_lay_out(buffer);
    if (!buffer_is_local(buffer)) vec_push(program->arena, &program->buffers, buffer);
    return buffer;
}
