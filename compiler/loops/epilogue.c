// epilogue.c: what follows from a contraction's sum index by index, and is stored with it.
//
//     %3 = contract %x, %w [n o | i]
//     %4 = relu (%3 + %b)               at [n, o], lanes along o    y[n, o..] = relu(acc + b[o..])
#include "loops/recipes.h"

// The root and the pool are read from registers, and so are outputs that were computed before.
static Expr *local(LowerContext *ctx, const Node *node, Index *const *at) {
    const Epilogue *e = ctx->recipe;
    (void)at;
    if (node == e->root) return e->sum;
    if (node == e->pool) return e->pooled;
    for (int k = 0; k < e->done.len; k++)
        if (e->done.at[k].node == node) return expr_load(ctx->arena, e->done.at[k].buffer, NULL, ctx->lanes);
    return NULL;
}

Epilogue *epilogue_new(LowerContext *ctx) {
    Epilogue *e = NEW(ctx->arena, Epilogue);
    const Group *group = ctx->group;
    *e = (Epilogue){.ctx = ctx, .root = group->root, .pool = group->reduces.len ? group->reduces.at[0] : NULL};
    for (int k = 0; k < group->outputs.len; k++) {
        int at = k;
        vec_push(ctx->arena, &e->outputs, group->outputs.at[k]);
        for (; at && e->outputs.at[at - 1]->id > group->outputs.at[k]->id; at--)
            e->outputs.at[at] = e->outputs.at[at - 1];
        e->outputs.at[at] = group->outputs.at[k];
    }
    ctx->recipe = e;
    ctx->local = local;
    return e;
}

Expr *epilogue_value(Epilogue *e, const Node *node, Index *const *at, int lanes) {
    LowerContext *ctx = e->ctx;
    ctx->lanes = lanes;
    ctx->lane_var = lanes > 1 ? e->lane_var : NULL;
    lower_forget(ctx);
    Expr *value = lower_value(ctx, node, at);
    ctx->lanes = 1;
    ctx->lane_var = NULL;
    return value;
}

// All values are computed before any is stored: an output may be a storage whose old value another one reads.
void epilogue_store(Epilogue *e, Stmt *to, const Type *shape, Index *const *at, int lanes) {
    LowerContext *ctx = e->ctx;
    Arena *arena = ctx->arena;
    NodeVec nodes = {0};
    for (int k = 0; k < e->outputs.len; k++)
        if (shape_equal(&e->outputs.at[k]->type, shape)) vec_push(arena, &nodes, e->outputs.at[k]);
    Expr **value = NEW_ARRAY(arena, Expr *, nodes.len + 1);
    for (int k = 0; k < nodes.len; k++) {
        Node *node = nodes.at[k];
        value[k] = epilogue_value(e, node, at, lanes);
        if (nodes.len == 1) continue;
        const char *name = arena_printf(arena, "new%d", k);
        Buffer *done = buffer_scratch(ctx->program, name, node->type.dtype, 0, NULL, SCOPE_REGISTER);
        done->lanes = lanes;
        stmt_append(arena, to, stmt_local(arena, done, value[k]));
        vec_push(arena, &e->done, (EpilogueDone){node, done});
        value[k] = expr_load(arena, done, NULL, lanes);
    }
    for (int k = 0; k < nodes.len; k++)
        stmt_append(arena, to, stmt_store(arena, ctx->program->of_node[nodes.at[k]->id], at, value[k]));
    e->done.len = 0;
}

// Tried out: lower_value notes what has no vector form.
bool epilogue_is_vector(Epilogue *e, int lanes) {
    LowerContext *ctx = e->ctx;
    int rank = e->root->type.rank;
    Index *at[MAX_RANK];
    bool fits = !e->pool || e->pool->type.rank == rank;
    e->lane_var = var_new(ctx, "lane");
    for (int d = 0; d < rank; d++) at[d] = index_var(ctx->arena, d == rank - 1 ? e->lane_var : var_new(ctx, "any"));
    Buffer *sum = buffer_scratch(ctx->program, "acc", F32, 0, NULL, SCOPE_REGISTER);
    sum->lanes = lanes;
    e->sum = e->pooled = expr_load(ctx->arena, sum, at, lanes);
    ctx->needs_scalar = false;
    for (int k = 0; k < e->outputs.len && fits; k++) {
        epilogue_value(e, e->outputs.at[k], at, lanes);
        fits = e->outputs.at[k]->type.dtype == F32;
    }
    if (e->pool && fits) epilogue_value(e, e->pool->in[0], at, lanes);
    fits &= !ctx->needs_scalar;
    ctx->needs_scalar = false;
    return fits;
}
