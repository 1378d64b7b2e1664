// value.c: the value of a graph node at an index, as an expression: the one recursion that inlines.
//     %4 = broadcast %b {axes=[1]}
//     %5 = relu (%3 + %4)         at [n, o]    becomes    relu(add(acc, b[o]))        where %3 is the accumulator
// A stored node is loaded; a node that the recipe holds in a local comes from ctx->local; any other one is computed by
// its operator's record. When lanes run along a variable, loads of consecutive elements become vectors, and
// ctx->needs_scalar is set as soon as something has no vector form.
#include "loops/lower.h"

enum { BUCKETS = 64 };

typedef struct Entry Entry;
struct Entry {
    const Node *node;
    Index **at;
    Expr *value;
    Entry *next;
};
typedef struct Memo {
    Entry *bucket[BUCKETS];
} Memo;

void lower_forget(LowerContext *ctx) { ctx->memo = NEW(ctx->arena, Memo); }

static Expr *recall(const LowerContext *ctx, const Node *node, Index *const *at) {
    for (const Entry *e = ctx->memo->bucket[node->id % BUCKETS]; e; e = e->next) {
        bool same = e->node == node;
        for (int d = 0; same && d < node->type.rank; d++) same = index_equal(e->at[d], at[d]);
        if (same) return e->value;
    }
    return NULL;
}

static void remember(LowerContext *ctx, const Node *node, Index *const *at, Expr *value) {
    Entry *e = NEW(ctx->arena, Entry);
    Entry **bucket = &ctx->memo->bucket[node->id % BUCKETS];
    *e = (Entry){node, NEW_ARRAY(ctx->arena, Index *, node->type.rank + 1), value, *bucket};
    for (int d = 0; d < node->type.rank; d++) e->at[d] = at[d];
    *bucket = e;
}

// ---- lanes ----------------------------------------------------------------------------------------------------------

static bool has_vector_text(const Expr *e) {
    DType operand = e->nargs ? e->arg[e->nargs - 1]->dtype : e->dtype;
    return op_c_text(e->op, e->node, e->dtype, operand, true) != NULL;
}

// Vectors hold f32 and i32, and bools as masks that never reach memory; the record must have a text for them.
static bool apply_fits(const Expr *e) { return (dtype_is_vector(e->dtype) || e->dtype == BOOL) && has_vector_text(e); }

// Sets needs_scalar when some part of a vector expression has no vector form.
static void check_vector(LowerContext *ctx, const Expr *e) {
    if (e->lanes <= 1) return;
    int64_t coef;
    bool fits = e->kind == EXPR_APPLY ? apply_fits(e) : dtype_is_vector(e->dtype);
    if (e->kind == EXPR_INDEX_VALUE) fits = fits && index_linear(e->index, ctx->lane_var, &coef) && coef == 1;
    if (!fits) ctx->needs_scalar = true;
    for (int k = 0; k < e->nargs; k++) check_vector(ctx, e->arg[k]);
}

static Expr *load(LowerContext *ctx, Buffer *buffer, Index *const *at) {
    int lanes = 1;
    for (int d = 0; ctx->lane_var && ctx->lanes > 1 && d < buffer->rank; d++) {
        int64_t coef;
        if (!index_uses(at[d], ctx->lane_var)) continue;
        bool unit = d == buffer->rank - 1 && index_linear(at[d], ctx->lane_var, &coef) && coef == 1;
        if (!unit || !dtype_is_vector(buffer->dtype)) ctx->needs_scalar = true;
        lanes = unit ? ctx->lanes : 1;
    }
    return expr_load(ctx->arena, buffer, at, lanes);
}

// ---- nodes ----------------------------------------------------------------------------------------------------------

static Expr *elementwise(LowerContext *ctx, const Node *node, Index *const *at) {
    Expr **arg = NEW_ARRAY(ctx->arena, Expr *, node->nin + 1);
    for (int k = 0; k < node->nin; k++) arg[k] = lower_value(ctx, node->in[k], at);
    Expr *e = expr_apply(ctx->arena, node, node->op, node->type.dtype, arg, node->nin);
    if (e->lanes > 1 && !apply_fits(e)) ctx->needs_scalar = true;
    return e;
}

static Expr *inlined(LowerContext *ctx, const Node *node, Index *const *at) {
    const Op *op = node->op;
    if (op->move) {
        Index *in[MAX_RANK];
        op->move(ctx, node, at, in);
        return lower_value(ctx, node->in[0], in);
    }
    if (op->lower) {
        Expr *e = op->lower(ctx, node, at);
        check_vector(ctx, e);
        return e;
    }
    if (op->traits & OP_ELEMENTWISE) return elementwise(ctx, node, at);
    dlc_bug("loops", "%s cannot be computed inside another kernel", node_text(ctx->arena, node));
}

Expr *lower_value(LowerContext *ctx, const Node *node, Index *const *at) {
    Expr *value = ctx->local ? ctx->local(ctx, node, at) : NULL;
    if (value) return value;
    if (!ctx->memo) lower_forget(ctx);
    value = recall(ctx, node, at);
    if (value) return value;
    Buffer *buffer = ctx->program->of_node[node->id];
    // An output of the group that is being lowered is not in its buffer yet.
    bool stored = buffer && !(ctx->group && group_stores(ctx->group, node));
    value = stored ? load(ctx, buffer, at) : inlined(ctx, node, at);
    remember(ctx, node, at, value);
    return value;
}
