// gather.c: gather and scatter_add: parts of a tensor by indices that are known at run time only; cumsum.
//     gather(x: f32[V, D], i: i32[N])              out[n, d] = x[i[n], d]       an embedding; i is clamped into x
//     scatter_add(x, i: i32[N], v: f32[N, D])      out[i[n], d] += v[n, d]      what is out of range is dropped
// The axes of the indices stand where the gathered axis stood. scatter_add and cumsum are serial kernels of their own.
#include "loops/recipes.h"
#include "ops/rules.h"

bool op_check_index(Infer *infer, const Type *x, const Type *index, int64_t axis) {
    if (index->dtype != I32 && index->dtype != I64)
        return op_refuse(infer, "indices are i32 or i64, got %s; cast(i, i32) converts", op_shown(infer, index));
    if (!op_check_axis(infer, axis, x)) return false;
    if (x->rank - 1 + index->rank > MAX_RANK)
        return op_refuse(infer, "%s by %s has %d axes; at most %d are possible", op_shown(infer, x),
                         op_shown(infer, index), x->rank - 1 + index->rank, MAX_RANK);
    return true;
}

// x with `axis` replaced by the axes of the indices.
static Type gathered_type(const Type *x, const Type *index, int axis) {
    Type type = {.dtype = x->dtype};
    for (int d = 0; d < axis; d++) type.dim[type.rank++] = x->dim[d];
    for (int d = 0; d < index->rank; d++) type.dim[type.rank++] = index->dim[d];
    for (int d = axis + 1; d < x->rank; d++) type.dim[type.rank++] = x->dim[d];
    return type;
}

static bool gather_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type, *index = &infer->in[1]->type;
    if (!op_check_index(infer, x, index, infer->attr[0].i)) return false;
    infer->type = gathered_type(x, index, (int)infer->attr[0].i);
    return op_check_shape(infer, &infer->type);
}

// Element k of `parts` belongs to index number *which, and at index j to element *base + j * *stride of `whole`.
static void place_of(const Tensor *whole, const Tensor *index, int axis, int64_t k, int64_t *which, int64_t *base,
                     int64_t *stride) {
    *stride = elements_after(whole, axis);
    *which = k / *stride % index->count;
    *base = k / *stride / index->count * whole->shape[axis] * *stride + k % *stride;
}

static void eval_gather(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    int axis = (int)node->attr[0].i;
    for (int64_t k = 0; k < out->count; k++) {
        int64_t which, base, stride, last = in[0]->shape[axis] - 1;
        place_of(in[0], in[1], axis, k, &which, &base, &stride);
        int64_t j = in[1]->i[which];
        tensor_copy(out, k, in[0], base + (j < 0 ? 0 : j > last ? last : j) * stride);
    }
}

static Node *build_scatter(Graph *g, Node *v, Node *index, const Type *shape, int64_t axis) {
    Attr attrs[] = {{.n = shape->rank, .dims = shape->dim}, {.i = axis}};
    return graph_op(g, &op_scatter_add, (Node *[]){v, index}, 2, attrs);
}

// The number of elements along an axis of x, as a tensor of the index's type.
Node *op_extent(Graph *g, Dim dim, const Type *index) {
    return build_broadcast(g, build_cast(g, build_size(g, dim), index->dtype), index, NULL);
}

// Whether the indices are a clip between constants that lie from lo to hi already, as an embedding has them.
static bool is_clipped(const Node *index, double lo, double hi) {
    double least, most;
    return node_is(index, clip) && node_constant(index->in[1], &least) && node_constant(index->in[2], &most) &&
           least >= lo && least <= most && most <= hi;
}

// What was read from a clamped index goes back there.
static Node *grad_gather(Graph *g, Node *y, Node *dy, int i) {
    if (i == 1) return NULL;
    Node *x = y->in[0], *index = y->in[1];
    Dim along = x->type.dim[y->attr[0].i];
    if (!along.size && is_clipped(index, 0, along.extent - 1))
        return build_scatter(g, dy, index, &x->type, y->attr[0].i);
    Node *end = op_extent(g, along, &index->type), *one = build_full(g, &index->type, 1);
    Node *first = build_full(g, &index->type, 0), *last = build_binary(g, "sub", end, one);
    Node *in[] = {index, first, last};
    return build_scatter(g, dy, graph_op(g, &op_clip, in, 3, NULL), &x->type, y->attr[0].i);
}

// An index as a number between lo and hi: hi may depend on a run-time size.
Index *op_loaded_index(LowerContext *ctx, const Node *index, Index *const *at, int64_t lo, const Index *hi) {
    int64_t least, most;
    DType dtype = index->type.dtype;
    Expr *arg[] = {lower_value(ctx, index, at), expr_const(ctx->arena, dtype, (double)lo), NULL};
    index_range(hi, &least, &most);
    if (index_is_const(hi, &most) && is_clipped(index, (double)lo, (double)most))
        return index_loaded(ctx->arena, arg[0], lo, most, NULL);
    arg[2] = index_is_const(hi, &most) ? expr_const(ctx->arena, dtype, (double)most) : op_index_value(ctx, dtype, hi);
    Expr *clipped = expr_apply(ctx->arena, NULL, &op_clip, dtype, arg, 3);
    const Index *end = hi->nterms && lo >= 0 ? index_add_const(ctx->arena, hi, 1) : NULL;
    return index_loaded(ctx->arena, clipped, lo, most, end);
}

static Expr *lower_gather(LowerContext *ctx, const Node *node, Index *const *out) {
    const Node *x = node->in[0], *index = node->in[1];
    int axis = (int)node->attr[0].i;
    Index *in[MAX_RANK] = {0};
    for (int d = 0; d < axis; d++) in[d] = out[d];
    in[axis] = op_loaded_index(ctx, index, out + axis, 0,
                               index_add_const(ctx->arena, index_size(ctx->arena, x->type.dim[axis]), -1));
    for (int d = axis + 1; d < x->type.rank; d++) in[d] = out[d - 1 + index->type.rank];
    return lower_value(ctx, x, in);
}

DEFINE_OP(gather){
    .name = "gather",
    .doc = "the parts of x at indices that are known at run time, along one axis; an index out of range is clamped",
    .example = "gather(x: f32[5, 3], i: i32[4])",
    .inputs = 2,
    .attrs = {{"axis", ATTR_INT, "of x, which the axes of the indices replace", NULL}},
    .traits = OP_MOVEMENT,
    .infer = gather_infer,
    .eval = eval_gather,
    .grad = grad_gather,
    .lower = lower_gather,
};

// ---- scatter_add --------------------------------------------------------------------------------------------------

static bool scatter_infer(Infer *infer) {
    const Type *v = &infer->in[0]->type, *index = &infer->in[1]->type;
    if (!op_check_numbers(infer, v)) return false;
    if (!op_shape_of_attr(infer, &infer->attr[0], v->dtype)) return false;
    if (!op_check_index(infer, &infer->type, index, infer->attr[1].i)) return false;
    Type want = gathered_type(&infer->type, index, (int)infer->attr[1].i);
    if (shape_equal(&want, v)) return true;
    return op_refuse(infer, "what is added to %s by %s must be %s, got %s", op_shown(infer, &infer->type),
                     op_shown(infer, index), op_shown(infer, &want), op_shown(infer, v));
}

static void eval_scatter(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    int axis = (int)node->attr[1].i;
    for (int64_t k = 0; k < in[0]->count; k++) {
        int64_t which, base, stride;
        place_of(out, in[1], axis, k, &which, &base, &stride);
        int64_t j = in[1]->i[which];
        if (j < 0 || j >= out->shape[axis]) continue;
        if (out->f)
            out->f[base + j * stride] += in[0]->f[k];
        else
            out->i[base + j * stride] =
                int_wrap(out->dtype, (uint64_t)out->i[base + j * stride] + (uint64_t)in[0]->i[k]);
    }
}

// dv[n, d] = dy[i[n], d], and 0 where nothing was added.
static Node *grad_scatter(Graph *g, Node *y, Node *dy, int i) {
    if (i == 1) return NULL;
    int axis = (int)y->attr[1].i, axes[MAX_RANK];
    Node *v = y->in[0], *index = y->in[1];
    Node *dv = graph_op(g, &op_gather, (Node *[]){dy, index}, 2, &(Attr){.i = axis});
    Node *inside = build_binary(g, "lt", index, op_extent(g, y->type.dim[axis], &index->type));
    inside = build_binary(g, "and", build_binary(g, "ge", index, build_full(g, &index->type, 0)), inside);
    Type mask = type_with_dtype(v->type, BOOL);
    for (int d = 0; d < index->type.rank; d++) axes[d] = axis + d;
    Node *zero = build_full(g, &v->type, 0);
    return build_select(g, build_broadcast(g, inside, &mask, axes), dv, zero);
}

// Zeros, then one addition after another. An index out of range becomes -1 or the extent, which the guards leave out.
static void nest_scatter(LowerContext *ctx, const Node *node) {
    Arena *arena = ctx->arena;
    const Node *v = node->in[0], *index = node->in[1];
    int axis = (int)node->attr[1].i;
    Buffer *to = ctx->program->of_node[node->id];
    Index *at[MAX_RANK], *out[MAX_RANK];
    Stmt *zero = nest_shape(ctx, ctx->kernel->body, &node->type, -1, out);
    stmt_append(arena, zero, stmt_store(arena, to, out, expr_const(arena, node->type.dtype, 0)));
    Stmt *inner = nest_shape(ctx, ctx->kernel->body, &v->type, -1, at), *guard = stmt_if(arena);
    lower_forget(ctx);
    Index *end = index_size(arena, node->type.dim[axis]);
    for (int d = 0; d < node->type.rank; d++)
        if (d != axis) out[d] = at[d < axis ? d : d - 1 + index->type.rank];
    out[axis] = op_loaded_index(ctx, index, at + axis, -1, end);
    vec_push(arena, &guard->cond, out[axis]);
    vec_push(arena, &guard->cond, index_add_const(arena, index_add(arena, end, index_scale(arena, out[axis], -1)), -1));
    stmt_append(arena, guard, stmt_accumulate(arena, to, out, REDUCE_SUM, lower_value(ctx, v, at)));
    stmt_append(arena, inner, guard);
}

DEFINE_OP(scatter_add){
    .name = "scatter_add",
    .doc = "zeros plus parts that are added at run-time indices; an index out of range is dropped",
    .example = "scatter_add(x: f32[5, 3], i: i32[4], v: f32[4, 3])",
    .inputs = 2,
    .attrs = {{"shape", ATTR_DIMS, "of the result", NULL},
              {"axis", ATTR_INT, "of the result, along which the indices lead", NULL}},
    .traits = OP_ALONE,
    .infer = scatter_infer,
    .eval = eval_scatter,
    .grad = grad_scatter,
    .nest = nest_scatter,
    .flops = 1,
};

// ---- cumsum -------------------------------------------------------------------------------------------------------

static bool cumsum_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type;
    infer->type = *x;
    return op_check_numbers(infer, x) && op_check_axis(infer, infer->attr[0].i, x);
}

static void eval_cumsum(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    int axis = (int)node->attr[0].i;
    int64_t inner = elements_after(out, axis), n = out->shape[axis];
    for (int64_t k = 0; k < out->count; k++) {
        if (k / inner % n) continue; // the first of each row
        double sum = 0;
        uint64_t whole = 0;
        for (int64_t j = 0; j < n; j++) {
            int64_t at = k + (node->attr[1].i ? n - 1 - j : j) * inner;
            if (out->f)
                out->f[at] = sum += in[0]->f[at];
            else
                out->i[at] = int_wrap(out->dtype, whole += (uint64_t)in[0]->i[at]);
        }
    }
}

static Node *grad_cumsum(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return graph_op(g, y->op, &dy, 1, (Attr[]){{.i = y->attr[0].i}, {.i = !y->attr[1].i}});
}

static void nest_cumsum(LowerContext *ctx, const Node *node) {
    Arena *arena = ctx->arena;
    int axis = (int)node->attr[0].i;
    Index *at[MAX_RANK];
    Stmt *outer = nest_shape(ctx, ctx->kernel->body, &node->type, axis, at);
    Buffer *sum = accumulator_new(ctx, "sum", node->type.dtype, REDUCE_SUM);
    stmt_append(arena, outer, stmt_local(arena, sum, reduce_identity(arena, node->type.dtype, REDUCE_SUM)));
    Stmt *inner = nest_open(ctx, outer, nest_letter(ctx, &node->type, axis), node->type.dim[axis], &at[axis]);
    if (node->attr[1].i)
        at[axis] = index_add_const(
            arena, index_add(arena, index_size(arena, node->type.dim[axis]), index_scale(arena, at[axis], -1)), -1);
    lower_forget(ctx);
    stmt_append(arena, inner, stmt_accumulate(arena, sum, NULL, REDUCE_SUM, lower_value(ctx, node->in[0], at)));
    stmt_append(arena, inner, stmt_store(arena, ctx->program->of_node[node->id], at, expr_load(arena, sum, NULL, 1)));
}

static Node *reorder_cumsum(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    *order = from[0];
    Attr attrs[] = {{.i = order_place(order, (int)old->attr[0].i)}, {.i = old->attr[1].i}};
    return graph_op(to, old->op, in, 1, attrs);
}

DEFINE_OP(cumsum){
    .name = "cumsum",
    .doc = "the cumulative sum along one axis",
    .example = "cumsum(x: f32[2, 3], 1)",
    .inputs = 1,
    .attrs = {{"axis", ATTR_INT, "along which the sums run", NULL},
              {"reverse", ATTR_INT, "1: from the last element on", NULL}},
    .traits = OP_ALONE,
    .infer = cumsum_infer,
    .eval = eval_cumsum,
    .grad = grad_cumsum,
    .nest = nest_cumsum,
    .reorder = reorder_cumsum,
    .flops = 1,
};
