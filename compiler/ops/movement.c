// movement.c: reshape, transpose, broadcast and detach: the same numbers at other indices.
//     transpose(x: f32[2, 3], 0, 1)    out[i, j] = x[j, i]
// In the loops they vanish into index expressions: `move` turns an index of the result into one of the input.
#include "loops/lower.h"
#include "ops/rules.h"

// out[i0, i1, ...] = x[i0 * stride[0] + i1 * stride[1] + ...]
static void copy_strided(const Tensor *x, const int64_t *stride, Tensor *out) {
    int64_t index[MAX_RANK] = {0}, from = 0;
    for (int64_t k = 0; k < out->count; k++) {
        tensor_copy(out, k, x, from);
        for (int d = out->rank - 1; d >= 0; d--) {
            from += stride[d];
            if (++index[d] < out->shape[d]) break;
            from -= stride[d] * out->shape[d];
            index[d] = 0;
        }
    }
}

static void copy_whole(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    for (int64_t k = 0; k < out->count; k++) tensor_copy(out, k, in[0], k);
}

// ---- reshape ------------------------------------------------------------------------------------------------------

static bool reshape_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type;
    if (!op_shape_of_attr(infer, &infer->attr[0], x->dtype)) return false;
    ShapeRun runs[MAX_RANK];
    if (shape_runs(x, &infer->type, runs) >= 0) return true;
    const char *from = op_shown(infer, x), *to = op_shown(infer, &infer->type);
    if (type_has_size(x) || type_has_size(&infer->type))
        return op_refuse(infer,
                         "%s does not become %s: it has another number of elements, or would need an axis of the "
                         "product of two run-time sizes",
                         from, to);
    return op_refuse(infer, "%s has %lld elements, %s has %lld", from, (long long)type_count(x), to,
                     (long long)type_count(&infer->type));
}

static Node *grad_reshape(Graph *g, Node *y, Node *dy, int i) { return build_reshape(g, dy, &y->in[i]->type); }

// A run that is one axis on both sides passes through; otherwise its linear index is taken apart again.
static void move_run(LowerContext *ctx, const Type *x, const Type *y, ShapeRun run, Index *const *out, Index **in) {
    if (run.a1 - run.a0 == 1 && run.b1 - run.b0 == 1) {
        in[run.a0] = out[run.b0];
        return;
    }
    Arena *arena = ctx->arena;
    Index *linear = index_const(arena, 0), *inner = index_const(arena, 1);
    for (int d = run.b0; d < run.b1; d++)
        linear =
            index_add(arena, d == run.b0 ? linear : index_times(arena, linear, index_size(arena, y->dim[d])), out[d]);
    for (int d = run.a1 - 1; d >= run.a0; d--) {
        if (dim_is_one(x->dim[d])) continue;
        Index *extent = index_size(arena, x->dim[d]), *index = index_quotient(arena, linear, inner);
        bool outermost = true;
        for (int k = run.a0; k < d; k++) outermost &= dim_is_one(x->dim[k]);
        in[d] = outermost ? index : index_remainder(arena, index, extent);
        if (!outermost) inner = index_times(arena, inner, extent);
    }
}

static void move_reshape(LowerContext *ctx, const Node *node, Index *const *out, Index **in) {
    const Type *x = &node->in[0]->type;
    ShapeRun runs[MAX_RANK];
    int n = shape_runs(x, &node->type, runs);
    for (int d = 0; d < x->rank; d++) in[d] = index_const(ctx->arena, 0);
    for (int k = 0; k < n; k++) move_run(ctx, x, &node->type, runs[k], out, in);
}

// Runs stay whole and in the order of x: [N, H, W, C] becomes [N, H, W, G, C / G]. Where a run's axes lie apart there
// is no such reshape. Axes of one element come first.
static Node *reorder_reshape(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    ShapeRun runs[MAX_RANK];
    const Type *x = &old->in[0]->type;
    int n = shape_runs(x, &old->type, runs), place = 0;
    for (int d = 0; d < old->type.rank; d++) {
        bool in_run = false;
        for (int k = 0; k < n; k++) in_run |= d >= runs[k].b0 && d < runs[k].b1 && !dim_is_one(old->type.dim[d]);
        if (!in_run) order->at[place++] = d;
    }
    for (int at = 0; at < x->rank; at++)
        for (int k = 0; k < n; k++) {
            if (from[0].at[at] != runs[k].a0) continue;
            for (int d = runs[k].a0 + 1, next = at + 1; d < runs[k].a1; d++) {
                if (dim_is_one(x->dim[d])) continue;
                while (next < x->rank && dim_is_one(x->dim[from[0].at[next]])) next++;
                if (next == x->rank || from[0].at[next++] != d) return NULL;
            }
            for (int d = runs[k].b0; d < runs[k].b1; d++)
                if (!dim_is_one(old->type.dim[d])) order->at[place++] = d;
        }
    Type type = order_type(&old->type, order);
    return build_reshape(to, in[0], &type);
}

DEFINE_OP(reshape){
    .name = "reshape",
    .doc = "the same elements in the same order under another shape",
    .example = "reshape(x: f32[2, 6], [3, 4])",
    .inputs = 1,
    .attrs = {{"shape", ATTR_DIMS, "of the result", NULL}},
    .traits = OP_MOVEMENT,
    .infer = reshape_infer,
    .eval = copy_whole,
    .grad = grad_reshape,
    .move = move_reshape,
    .reorder = reorder_reshape,
};

// ---- transpose ----------------------------------------------------------------------------------------------------

static bool transpose_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type;
    const Attr *perm = &infer->attr[0];
    if (perm->n != x->rank)
        return op_refuse(infer, "the order lists %d axes, %s has %d", perm->n, op_shown(infer, x), x->rank);
    unsigned seen = 0;
    infer->type = *x;
    for (int d = 0; d < perm->n; d++) {
        int64_t axis = perm->ints[d];
        if (axis < 0 || axis >= x->rank || (seen & 1u << axis))
            return op_refuse(infer, "the order must list each axis of %s once, from 0", op_shown(infer, x));
        seen |= 1u << axis;
        infer->type.dim[d] = x->dim[axis];
    }
    return true;
}

static void eval_transpose(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    int64_t stride[MAX_RANK];
    for (int d = 0; d < out->rank; d++) stride[d] = elements_after(in[0], (int)node->attr[0].ints[d]);
    copy_strided(in[0], stride, out);
}

static Node *grad_transpose(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    int back[MAX_RANK] = {0};
    for (int d = 0; d < y->type.rank; d++) back[y->attr[0].ints[d]] = d;
    return build_transpose(g, dy, back);
}

static void move_transpose(LowerContext *ctx, const Node *node, Index *const *out, Index **in) {
    (void)ctx;
    for (int d = 0; d < node->type.rank; d++) in[node->attr[0].ints[d]] = out[d];
}

// Nothing moves: the input stays as it lies, and only the order says that its axes changed places.
static Node *reorder_transpose(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    (void)to;
    for (int d = 0; d < from[0].n; d++)
        for (int k = 0; k < from[0].n; k++)
            if (old->attr[0].ints[k] == from[0].at[d]) order->at[d] = k;
    return in[0];
}

DEFINE_OP(transpose){
    .name = "transpose",
    .doc = "the axes in another order",
    .example = "transpose(x: f32[2, 3], 0, 1)",
    .inputs = 1,
    .attrs = {{"perm", ATTR_INTS, "axis i of the result is axis perm[i] of x", NULL}},
    .traits = OP_MOVEMENT,
    .infer = transpose_infer,
    .eval = eval_transpose,
    .grad = grad_transpose,
    .move = move_transpose,
    .reorder = reorder_transpose,
};

// ---- broadcast ----------------------------------------------------------------------------------------------------

static bool broadcast_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type;
    const Attr *axes = &infer->attr[1];
    if (!op_shape_of_attr(infer, &infer->attr[0], x->dtype)) return false;
    if (axes->n != x->rank) return op_refuse(infer, "places %d axes, %s has %d", axes->n, op_shown(infer, x), x->rank);
    for (int d = 0; d < axes->n; d++) {
        int64_t to = axes->ints[d];
        if (to < 0 || to >= infer->type.rank || (d > 0 && to <= axes->ints[d - 1]))
            return op_refuse(infer, "the axes of %s must be placed in order among those of %s", op_shown(infer, x),
                             op_shown(infer, &infer->type));
        if (dim_is_one(x->dim[d]) || dim_equal(x->dim[d], infer->type.dim[to])) continue;
        return op_refuse(infer, "axis %d of %s does not fit axis %d of %s; it must be equal or 1", d,
                         op_shown(infer, x), (int)to, op_shown(infer, &infer->type));
    }
    return true;
}

static void eval_broadcast(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    int64_t stride[MAX_RANK] = {0};
    for (int d = 0; d < in[0]->rank; d++)
        if (!dim_is_one(node->in[0]->type.dim[d])) stride[node->attr[1].ints[d]] = elements_after(in[0], d);
    copy_strided(in[0], stride, out);
}

// What was repeated is summed; an axis of 1 that was repeated comes back by a reshape.
static Node *grad_broadcast(Graph *g, Node *y, Node *dy, int i) {
    const Type *x = &y->in[i]->type;
    unsigned repeated = (1u << y->type.rank) - 1;
    for (int d = 0; d < x->rank; d++) {
        int64_t to = y->attr[1].ints[d];
        if (dim_equal(x->dim[d], y->type.dim[to])) repeated &= ~(1u << to);
    }
    Node *sum = repeated ? build_reduce(g, REDUCE_SUM, dy, repeated, TIES_EVEN) : dy;
    return sum && !shape_equal(&sum->type, x) ? build_reshape(g, sum, x) : sum;
}

static void move_broadcast(LowerContext *ctx, const Node *node, Index *const *out, Index **in) {
    const Type *x = &node->in[0]->type;
    for (int d = 0; d < x->rank; d++)
        in[d] = dim_is_one(x->dim[d]) ? index_const(ctx->arena, 0) : out[node->attr[1].ints[d]];
}

// The result can have any order. x is transposed to fit it, because x is smaller than the result.
static Node *reorder_broadcast(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    const Attr *axes = &old->attr[1];
    Order x = {.n = from[0].n};
    int placed[MAX_RANK] = {0}, n = 0;
    for (int d = 0; d < order->n; d++)
        for (int k = 0; k < axes->n; k++)
            if (axes->ints[k] == order->at[d]) {
                placed[n] = d;
                x.at[n++] = k;
            }
    Type type = order_type(&old->type, order);
    return build_broadcast(to, order_transpose(to, in[0], &from[0], &x), &type, placed);
}

DEFINE_OP(broadcast){
    .name = "broadcast",
    .doc = "repeats along new axes and along axes of one element",
    .example = "broadcast(x: f32[3], [2, 3])",
    .inputs = 1,
    .attrs = {{"shape", ATTR_DIMS, "of the result", NULL},
              {"axes", ATTR_INTS, "axis i of x becomes axis axes[i], in increasing order", NULL}},
    .traits = OP_MOVEMENT,
    .infer = broadcast_infer,
    .eval = eval_broadcast,
    .grad = grad_broadcast,
    .move = move_broadcast,
    .reorder = reorder_broadcast,
};

// ---- detach -------------------------------------------------------------------------------------------------------

static void move_detach(LowerContext *ctx, const Node *node, Index *const *out, Index **in) {
    (void)ctx;
    for (int d = 0; d < node->type.rank; d++) in[d] = out[d];
}

static bool detach_infer(Infer *infer) {
    infer->type = infer->in[0]->type;
    return true;
}

DEFINE_OP(detach){
    .name = "detach",
    .doc = "x itself, but no gradient flows back through it",
    .example = "detach(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_MOVEMENT | OP_IDENTITY | OP_STOPS,
    .infer = detach_infer,
    .eval = copy_whole,
    .no_grad = "stopping gradients is its meaning",
    .move = move_detach,
};
