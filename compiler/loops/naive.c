// naive.c: -O0: one plain loop nest per operator, to read and to check everything else against.
//     for n: for o:                      for n: for o:
//         double sum = 0                     h[n, o] = relu(x[n, o])
//         for i: sum += x[n, i] * w[o, i]
//         y[n, o] = sum
// Sums accumulate in double (floats) or in their own dtype (integers). Any maps at all: an index that may leave its
// tensor is guarded; an output that the maps do not cover one to one is set to the identity first and then accumulated in
// memory.
#include <string.h>

#include "loops/lower.h"

typedef struct Naive {
    LowerContext *ctx;
    Arena *arena;
    const Node *node;
    const Iter *iter;
    Index *axis[MAX_AXES];
} Naive;

static Stmt *open_loop(LowerContext *ctx, Stmt *to, const char *name, Dim dim, Index **at) {
    Var *var = var_new(ctx, name);
    Stmt *loop = stmt_for(ctx->arena, var, index_const(ctx->arena, 0), index_size(ctx->arena, dim), 1);
    stmt_append(ctx->arena, to, loop);
    *at = index_var(ctx->arena, var);
    return loop;
}

static const char *axis_name(const Naive *n, int axis) { return arena_printf(n->arena, "%c", n->iter->name[axis]); }

// ---- one value per element -----------------------------------------------------------------------------------------------

static void lower_elements(LowerContext *ctx, const Node *node) {
    Stmt *body = ctx->kernel->body;
    Index *at[MAX_RANK];
    for (int d = 0; d < node->type.rank; d++) body = open_loop(ctx, body, "i", node->type.dim[d], &at[d]);
    Expr *value = lower_value(ctx, node, at);
    stmt_append(ctx->arena, body, stmt_store(ctx->arena, ctx->program->of_node[node->id], at, value));
}

// ---- sums ------------------------------------------------------------------------------------------------------------------

// Adds what keeps the index inside [0, extent) of each axis, where its range alone does not.
static void guard(const Naive *n, Stmt *condition, Index *const *at, const Type *type) {
    for (int d = 0; d < type->rank; d++) {
        int64_t lo, hi;
        bool known = index_range(at[d], &lo, &hi);
        if (!known || lo < 0) vec_push(n->arena, &condition->cond, at[d]);
        // A run-time axis ends at its size, also when an index stays below the bound.
        Index *room = index_add_const(n->arena, index_add(n->arena, index_size(n->arena, type->dim[d]), index_scale(n->arena, at[d], -1)), -1);
        bool own_loop = false;
        for (int a = 0; a < n->iter->naxes; a++) own_loop |= dim_equal(n->iter->axis[a], type->dim[d]) && index_equal(at[d], n->axis[a]);
        if (!own_loop && (!known || hi >= type->dim[d].extent || type->dim[d].size)) vec_push(n->arena, &condition->cond, room);
    }
}

static Stmt *guarded(const Naive *n, Stmt *to, Index *const *const *at, const Type *const *type, int count) {
    Stmt *condition = NEW(n->arena, Stmt);
    condition->kind = STMT_IF;
    for (int k = 0; k < count; k++) guard(n, condition, at[k], type[k]);
    if (condition->cond.len == 0) return to;
    stmt_append(n->arena, to, condition);
    return condition;
}

static void map_at(const Naive *n, const Map *map, Index **at) {
    for (int d = 0; d < map->rank; d++) at[d] = index_of_affine(n->arena, &map->dim[d], n->axis, n->iter->naxes);
}

static Expr *identity_of(const Naive *n, const char *kind) {
    DType dtype = n->node->type.dtype;
    if (!strcmp(kind, "sum")) return expr_const(n->arena, dtype, 0);
    bool max = !strcmp(kind, "max");
    if (dtype_info[dtype].is_float) return expr_const(n->arena, dtype, max ? -__builtin_inf() : __builtin_inf());
    Expr *e = expr_const(n->arena, dtype, 0);
    bool wide = dtype == I64;
    e->i = dtype == U8 ? (max ? 0 : 255) : wide ? (max ? INT64_MIN : INT64_MAX) : max ? INT32_MIN : INT32_MAX;
    return e;
}

// Whether the out map is the first axes in order, each over its whole extent: then one accumulator does.
static bool covers_output(const Naive *n) {
    const Map *out = &n->iter->map[0];
    if (out->rank != n->iter->nout) return false;
    for (int d = 0; d < out->rank; d++) {
        if (out->dim[d].c || !dim_equal(n->iter->axis[d], n->node->type.dim[d])) return false;
        for (int a = 0; a < n->iter->naxes; a++)
            if (out->dim[d].coef[a] != (a == d)) return false;
    }
    return true;
}

static Expr *term_at(const Naive *n, Index *const *const *at) {
    Expr *a = lower_value(n->ctx, n->node->in[0], at[1]);
    if (n->node->nin == 1) return a;
    Expr *arg[] = {a, lower_value(n->ctx, n->node->in[1], at[2])};
    return expr_apply(n->arena, n->node, op_find("mul"), a->dtype, arg, 2);
}

static void lower_sum(LowerContext *ctx, const Node *node) {
    Naive n = {ctx, ctx->arena, node, node_attr(node, "iter")->iter, {0}};
    const char *kind = node->nin == 2 ? "sum" : node_attr(node, "kind")->s;
    Buffer *out = ctx->program->of_node[node->id];
    bool covers = covers_output(&n);
    Buffer *acc = buffer_scratch(ctx->program, "acc", node->type.dtype, 0, NULL, SCOPE_REGISTER);
    acc->accumulate_double = dtype_info[node->type.dtype].is_float && !strcmp(kind, "sum");
    Stmt *body = ctx->kernel->body;
    if (!covers) {
        Stmt *clear = body;
        Index *at[MAX_RANK];
        for (int d = 0; d < node->type.rank; d++) clear = open_loop(ctx, clear, "i", node->type.dim[d], &at[d]);
        stmt_append(n.arena, clear, stmt_store(n.arena, out, at, identity_of(&n, kind)));
    }
    Stmt *outer = body;
    for (int a = 0; a < n.iter->naxes; a++) {
        if (a == n.iter->nout && covers) {
            outer = body;
            stmt_append(n.arena, body, stmt_local(n.arena, acc, identity_of(&n, kind)));
        }
        body = open_loop(ctx, body, axis_name(&n, a), n.iter->axis[a], &n.axis[a]);
    }
    if (n.iter->nout == n.iter->naxes && covers) {
        outer = body;
        stmt_append(n.arena, body, stmt_local(n.arena, acc, identity_of(&n, kind)));
    }
    Index *at0[MAX_RANK], *at1[MAX_RANK], *at2[MAX_RANK];
    Index *const *const at[] = {at0, at1, at2};
    const Type *const types[] = {&node->type, &node->in[0]->type, node->nin == 2 ? &node->in[1]->type : NULL};
    Index **const maps[] = {at0, at1, at2};
    for (int m = 0; m < n.iter->nmaps; m++) map_at(&n, &n.iter->map[m], maps[m]);
    Stmt *inside = guarded(&n, body, at, types, n.iter->nmaps);
    lower_forget(ctx);
    Expr *term = term_at(&n, at);
    stmt_append(n.arena, inside, covers ? stmt_accumulate(n.arena, acc, NULL, kind, term) : stmt_accumulate(n.arena, out, at0, kind, term));
    if (covers) stmt_append(n.arena, outer, stmt_store(n.arena, out, at0, expr_load(n.arena, acc, NULL, 1)));
}

void lower_naive(LowerContext *ctx) {
    ctx->kernel->recipe = "naive";
    const Node *node = ctx->group->root;
    if (node->op->traits & OP_REDUCES)
        lower_sum(ctx, node);
    else
        lower_elements(ctx, node);
}
