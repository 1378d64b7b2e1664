// contraction_scalar.c: the contraction that fits no register tile: integers, windows, scattered results.
//
//     dx[2*y + 2*p] += dy[y] * w[p]          scatter: sums = 0; for y, p: sums[2*y + 2*p] += ..
//                                                     for x: dx[x] = epilogue(sums[x])
//     y[n, o] += x[n, i] * w[o, i] of i32    gather:  for n, o: acc = 0; for i: acc += ..
//                                                               y[n, o] = epilogue(acc)
//
// Reads out of range count 0 and writes out of range are dropped: an index that may leave its tensor is guarded.
// Sums of floats are held as double where they fit a local variable.
#include "loops/contraction.h"
#include "loops/recipes.h"
#include "ops/op.h"

// Adds `0 <= at < extent` to the guard where the ranges of the axes do not imply it.
static void guard_dim(Contraction *c, Stmt *guard, const Affine *affine, Dim dim, const Index *at) {
    if (dim.size) return; // indexed by the run-time axis itself
    int64_t lo, hi;
    contraction_reach(c->iter, affine, &lo, &hi);
    if (lo < 0) vec_push(c->arena, &guard->cond, at);
    if (hi < dim.extent) return;
    vec_push(c->arena, &guard->cond, index_add_const(c->arena, index_scale(c->arena, at, -1), dim.extent - 1));
}

static Stmt *open_guard(Contraction *c, Stmt *to, unsigned maps) {
    Stmt *guard = NEW(c->arena, Stmt);
    guard->kind = STMT_IF;
    for (int m = 0; m < 3; m++) {
        const Map *map = &c->iter->map[m];
        const Type *type = m ? &c->root->in[m - 1]->type : &c->root->type;
        for (int d = 0; d < map->rank && maps >> m & 1; d++)
            guard_dim(c, guard, &map->dim[d], type->dim[d],
                      index_of_affine(c->arena, &map->dim[d], c->at, c->iter->naxes));
    }
    if (!guard->cond.len) return to;
    stmt_append(c->arena, to, guard);
    return guard;
}

Stmt *contraction_open_result(Contraction *c, Stmt *to, Index *const *at) {
    Stmt *guard = NEW(c->arena, Stmt);
    guard->kind = STMT_IF;
    for (int d = 0; d < c->iter->map[0].rank; d++)
        guard_dim(c, guard, &c->iter->map[0].dim[d], c->root->type.dim[d], at[d]);
    if (!guard->cond.len) return to;
    stmt_append(c->arena, to, guard);
    return guard;
}

static void map_at(Contraction *c, int which, Index **at) {
    const Map *map = &c->iter->map[which];
    for (int d = 0; d < map->rank; d++) at[d] = index_of_affine(c->arena, &map->dim[d], c->at, c->iter->naxes);
}

static Expr *product(Contraction *c) {
    Index *at[MAX_RANK];
    Expr *factor[2];
    lower_forget(c->ctx);
    for (int i = 0; i < 2; i++) {
        map_at(c, 1 + i, at);
        factor[i] = lower_value(c->ctx, c->root->in[i], at);
    }
    return expr_apply(c->arena, c->root, &op_mul, c->root->type.dtype, factor, 2);
}

// One loop over each result axis; *at are their variables.
static Stmt *open_result(Contraction *c, Stmt *to, Index **at) {
    const Type *type = &c->root->type;
    for (int d = 0; d < type->rank; d++)
        to = contraction_open(c, to, arena_printf(c->arena, "d%d", d), index_const(c->arena, 0),
                              index_size(c->arena, type->dim[d]), 1, &at[d]);
    return to;
}

// One element: its sum, and what follows from it index by index.
static Stmt *sum_element(Contraction *c, Stmt *to, Index **at) {
    Arena *arena = c->arena;
    Buffer *acc = buffer_scratch(c->ctx->program, "acc", c->root->type.dtype, 0, NULL, SCOPE_REGISTER);
    acc->lanes = 1;
    acc->accumulate_double = dtype_info[acc->dtype].is_float;
    stmt_append(arena, to, stmt_local(arena, acc, expr_const(arena, acc->dtype, 0)));
    Stmt *body = to;
    for (int axis = c->iter->nout; axis < c->iter->naxes; axis++) body = contraction_open_axis(c, body, axis);
    stmt_append(arena, open_guard(c, body, 6), stmt_accumulate(arena, acc, NULL, REDUCE_SUM, product(c)));
    c->accumulator = expr_load(arena, acc, NULL, 1);
    map_at(c, 0, at);
    Stmt *inside = open_guard(c, to, 1);
    contraction_store_outputs(c, inside, &c->root->type, at, 1);
    return inside;
}

static void gather(Contraction *c, Stmt *to) {
    Arena *arena = c->arena;
    Index *at[MAX_RANK];
    for (int axis = 0; axis < c->iter->nout; axis++)
        if (!contraction_in_pool(c, axis)) to = contraction_open_axis(c, to, axis);
    if (!c->iter->nout) {
        Stmt *block = stmt_block(arena);
        stmt_append(arena, to, block);
        to = block;
    }
    if (!c->pool) {
        sum_element(c, to, at);
        return;
    }
    ReduceKind kind = node_reduces(c->pool);
    Buffer *pooled = accumulator_new(c->ctx, "pooled", c->pool->type.dtype, kind);
    stmt_append(arena, to, stmt_local(arena, pooled, reduce_identity(arena, pooled->dtype, kind)));
    Stmt *window = to;
    for (int k = 0; k < c->npool; k++) window = contraction_open_axis(c, window, c->pool_axis[k]);
    Stmt *inside = sum_element(c, window, at);
    lower_forget(c->ctx);
    stmt_append(arena, inside, stmt_accumulate(arena, pooled, NULL, kind, lower_value(c->ctx, c->pool->in[0], at)));
    c->pooled = expr_load(arena, pooled, NULL, 1);
    contraction_pool_at(c, at);
    contraction_store_outputs(c, to, &c->pool->type, at, 1);
}

static void scatter(Contraction *c, Stmt *to) {
    Arena *arena = c->arena;
    const Type *type = &c->root->type;
    Index *at[MAX_RANK];
    Buffer *sums = buffer_scratch(c->ctx->program, "sums", type->dtype, type->rank, type->dim, SCOPE_ARENA);
    Stmt *zero = open_result(c, to, at);
    stmt_append(arena, zero, stmt_store(arena, sums, at, expr_const(arena, type->dtype, 0)));
    Stmt *body = to;
    for (int axis = 0; axis < c->iter->naxes; axis++) body = contraction_open_axis(c, body, axis);
    body = open_guard(c, body, 7);
    map_at(c, 0, at);
    stmt_append(arena, body, stmt_accumulate(arena, sums, at, REDUCE_SUM, product(c)));
    Stmt *finish = open_result(c, to, at);
    c->accumulator = expr_load(arena, sums, at, 1);
    contraction_store_outputs(c, finish, &c->root->type, at, 1);
}

void contraction_scalar(Contraction *c, Stmt *to) {
    if (c->gathers)
        gather(c, to);
    else
        scatter(c, to);
}
