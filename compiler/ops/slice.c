// slice.c: slice, pad and concat: parts of tensors, taken out and put in.
//     slice: out[i] = x[start + step * i]                  x[:, 1:9:2], x[::-1] = flip, split
//     pad:   out[start + step * i] = x[i], elsewhere value     the gradient of slice, and the other way round
//     concat: a, then b, along one axis
// In the loops they vanish into indices: pad and concat choose by comparisons of indices, and what is not chosen is
// read at an index that was clamped into its tensor. Places and lengths may be counted by a run-time size: where a
// small one would leave too few elements, the entry asks for a larger one (Infer.need).
#include <stdlib.h>

#include "loops/lower.h"
#include "ops/rules.h"

// ---- places of the elements of `part` in `whole`: along axis d at start[d] + step[d] * i ----------------------------

static bool is_whole_axis(const Type *whole, const Type *part, const Attr *start, const Attr *step, int d) {
    return dim_equal(whole->dim[d], part->dim[d]) && count_equal(start->counts[d], count_fixed(0)) &&
           (step->ints[d] == 1 || dim_is_one(part->dim[d]));
}

// Whether the place is not negative. If it is so only from some value of its run-time size on, the entry asks for that.
static bool check_place(Infer *infer, Count place) {
    if (!place.size) return place.at >= 0;
    int64_t most = (int64_t)place.times * place.bound + place.at;
    if (most < 0 || most >= INT32_MAX) return false;
    if (place.times > 0)
        dim_need(infer->need, (Dim){(int32_t)most + 1, place.size, place.times, (int32_t)place.at + 1});
    return true;
}

// Within the axis: 0 <= place < extent.
static bool check_within(Infer *infer, Count place, Dim axis) {
    Count room;
    bool known = count_add(count_of_dim(axis), -1, place, &room) && count_add(room, 1, count_fixed(-1), &room);
    return known && check_place(infer, place) && check_place(infer, room);
}

static const char *shown_place(Infer *infer, Count place) {
    Str s = str_new(infer->g->arena);
    count_print(&s, place, infer->g->module->sizes);
    return str_text(&s);
}

static bool check_axis(Infer *infer, const Type *whole, const Type *part, int d) {
    int64_t step = infer->attr[2].ints[d];
    Count start = infer->attr[1].counts[d], last, count = count_of_dim(part->dim[d]);
    if (step == 0) return op_refuse(infer, "the step of axis %d is 0", d);
    bool fits = count_add(start, step, count, &last) && count_add(last, -step, count_fixed(1), &last) &&
                check_within(infer, start, whole->dim[d]) && check_within(infer, last, whole->dim[d]);
    if (fits || is_whole_axis(whole, part, &infer->attr[1], &infer->attr[2], d)) return true;
    Dim sized = whole->dim[d].size ? whole->dim[d] : part->dim[d];
    const char *when = "";
    if (sized.size)
        when = arena_printf(infer->g->arena, " where %s is %d", infer->g->module->sizes[sized.size - 1].name,
                            dim_bound(sized));
    return op_refuse(infer, "%s element%s from %s on in steps of %lld %s axis %d of %s%s", shown_place(infer, count),
                     dim_is_one(part->dim[d]) ? "" : "s", shown_place(infer, start), (long long)step,
                     dim_is_one(part->dim[d]) ? "leaves" : "leave", d, op_shown(infer, whole), when);
}

static bool check_places(Infer *infer, const Type *whole, const Type *part) {
    if (whole->rank != part->rank || infer->attr[1].n != part->rank || infer->attr[2].n != part->rank)
        return op_refuse(infer, "%s and %s need the same number of axes, with a start and a step for each",
                         op_shown(infer, whole), op_shown(infer, part));
    for (int d = 0; d < part->rank; d++)
        if (!check_axis(infer, whole, part, d)) return false;
    return true;
}

static bool slice_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type;
    return op_shape_of_attr(infer, &infer->attr[0], x->dtype) && check_places(infer, x, &infer->type);
}

static bool pad_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type;
    return op_shape_of_attr(infer, &infer->attr[0], x->dtype) && check_places(infer, &infer->type, x);
}

// The number in `whole` of element k of `part`.
static int64_t place_of(const Node *node, const Tensor *whole, const Tensor *part, const int64_t *sizes, int64_t k) {
    int64_t place = 0, stride = 1;
    for (int d = part->rank - 1; d >= 0; d--) {
        int64_t start = count_actual(node->attr[1].counts[d], sizes);
        place += stride * (start + node->attr[2].ints[d] * (k % part->shape[d]));
        k /= part->shape[d];
        stride *= whole->shape[d];
    }
    return place;
}

static void eval_slice(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    for (int64_t k = 0; k < out->count; k++) tensor_copy(out, k, in[0], place_of(node, in[0], out, sizes, k));
}

static Node *grad_slice(Graph *g, Node *y, Node *dy, int i) {
    return build_pad(g, dy, &y->in[i]->type, y->attr[1].counts, y->attr[2].ints, 0);
}

static void move_slice(LowerContext *ctx, const Node *node, Index *const *out, Index **in) {
    const Type *x = &node->in[0]->type;
    for (int d = 0; d < x->rank; d++)
        in[d] = is_whole_axis(x, &node->type, &node->attr[1], &node->attr[2], d)
                    ? out[d]
                    : index_add(ctx->arena, index_scale(ctx->arena, out[d], node->attr[2].ints[d]),
                                index_count(ctx->arena, node->attr[1].counts[d]));
}

static Node *reorder_slice(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    Type type = order_type(&old->type, &from[0]);
    Count start[MAX_RANK];
    int64_t step[MAX_RANK];
    *order = from[0];
    for (int d = 0; d < order->n; d++) {
        start[d] = old->attr[1].counts[order->at[d]];
        step[d] = old->attr[2].ints[order->at[d]];
    }
    if (node_is(old, slice)) return build_slice(to, in[0], &type, start, step);
    return build_pad(to, in[0], &type, start, step, old->attr[3].f);
}

DEFINE_OP(slice){
    .name = "slice",
    .doc = "every step-th element from start on, along each axis; backwards for a negative step",
    .example = "narrow(x: f32[4, 6], 1, 2, 3)",
    .inputs = 1,
    .attrs = {{"shape", ATTR_DIMS, "of the result", NULL},
              {"start", ATTR_COUNTS, "the first index, for each axis", NULL},
              {"step", ATTR_INTS, "from one index to the next, for each axis; not 0", NULL}},
    .traits = OP_MOVEMENT,
    .infer = slice_infer,
    .eval = eval_slice,
    .grad = grad_slice,
    .move = move_slice,
    .reorder = reorder_slice,
};

// ---- pad ----------------------------------------------------------------------------------------------------------

static void eval_pad(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    for (int64_t k = 0; k < out->count; k++)
        if (out->f)
            out->f[k] = node->attr[3].f;
        else
            out->i[k] = (int64_t)node->attr[3].f;
    for (int64_t k = 0; k < in[0]->count; k++) tensor_copy(out, place_of(node, out, in[0], sizes, k), in[0], k);
}

static Node *grad_pad(Graph *g, Node *y, Node *dy, int i) {
    return build_slice(g, dy, &y->in[i]->type, y->attr[1].counts, y->attr[2].ints);
}

static Expr *compare(LowerContext *ctx, const Op *op, const Index *index, const Index *with) {
    int64_t c;
    Expr *right = index_is_const(with, &c) ? expr_const(ctx->arena, I32, (double)c) : op_index_value(ctx, I32, with);
    Expr *arg[] = {op_index_value(ctx, I32, index), right};
    return expr_apply(ctx->arena, NULL, op, BOOL, arg, 2);
}

// index - from, in all lanes of a vector.
static bool lanes_range(const LowerContext *ctx, const Index *index, const Index *from, int64_t *lo, int64_t *hi) {
    int64_t coef = 0;
    if (!index_range(index_add(ctx->arena, index, index_scale(ctx->arena, from, -1)), lo, hi)) return false;
    if (ctx->lanes < 2 || !ctx->lane_var || !index_uses(index, ctx->lane_var)) return true;
    if (!index_linear(index, ctx->lane_var, &coef)) return false;
    *(coef < 0 ? lo : hi) += coef * (ctx->lanes - 1);
    return true;
}

// Adds `index op with` to what must hold, unless the ranges of its variables say so already.
static void require_that(LowerContext *ctx, Expr **all, const Index *index, const Op *op, const Index *with) {
    int64_t lo, hi;
    bool known = lanes_range(ctx, index, with, &lo, &hi);
    if (known && (op == &op_ge ? lo >= 0 : op == &op_le ? hi <= 0 : lo == 0 && hi == 0)) return;
    Expr *holds = compare(ctx, op, index, with);
    *all = *all ? expr_apply(ctx->arena, NULL, &op_and, BOOL, (Expr *[]){*all, holds}, 2) : holds;
}

static Expr *choose(LowerContext *ctx, DType dtype, Expr *cond, Expr *a, Expr *b) {
    return expr_apply(ctx->arena, NULL, &op_select, dtype, (Expr *[]){cond, a, b}, 3);
}

static Expr *lower_pad(LowerContext *ctx, const Node *node, Index *const *out) {
    Arena *arena = ctx->arena;
    const Type *x = &node->in[0]->type;
    Index *in[MAX_RANK] = {0};
    Expr *inside = NULL;
    for (int d = 0; d < x->rank; d++) {
        in[d] = out[d];
        if (is_whole_axis(&node->type, x, &node->attr[1], &node->attr[2], d)) continue;
        int64_t step = node->attr[2].ints[d], by = llabs(step);
        Index *start = index_count(arena, node->attr[1].counts[d]), *zero = index_const(arena, 0);
        Index *span = index_scale(arena, index_add_const(arena, index_size(arena, x->dim[d]), -1), by);
        Index *from = index_add(arena, index_scale(arena, out[d], step < 0 ? -1 : 1),
                                index_scale(arena, start, step < 0 ? 1 : -1));
        require_that(ctx, &inside, from, &op_ge, zero);
        require_that(ctx, &inside, from, &op_le, span);
        in[d] = index_clamp_to(arena, from, index_add_const(arena, span, 1));
        if (by == 1) continue;
        if (!dim_is_one(x->dim[d])) require_that(ctx, &inside, index_mod(arena, in[d], by), &op_eq, zero);
        in[d] = index_div(arena, in[d], by);
    }
    Expr *value = lower_value(ctx, node->in[0], in);
    return inside ? choose(ctx, node->type.dtype, inside, value, expr_const(arena, node->type.dtype, node->attr[3].f))
                  : value;
}

DEFINE_OP(pad){
    .name = "pad",
    .doc = "x at start, start + step, ... along each axis, and one value everywhere else",
    .example = "pad(x: f32[2, 3], [1, 2])",
    .inputs = 1,
    .attrs = {{"shape", ATTR_DIMS, "of the result", NULL},
              {"start", ATTR_COUNTS, "where the first element goes, for each axis", NULL},
              {"step", ATTR_INTS, "from one element to the next, for each axis; not 0", NULL},
              {"value", ATTR_FLOAT, "elsewhere", NULL}},
    .traits = OP_MOVEMENT,
    .infer = pad_infer,
    .eval = eval_pad,
    .grad = grad_pad,
    .lower = lower_pad,
    .reorder = reorder_slice,
};

// ---- concat -------------------------------------------------------------------------------------------------------

static bool concat_infer(Infer *infer) {
    const Type *a = &infer->in[0]->type, *b = &infer->in[1]->type;
    int64_t axis = infer->attr[0].i;
    if (!op_check_dtypes(infer, a, b)) return false;
    if (a->rank != b->rank || axis < 0 || axis >= a->rank)
        return op_refuse(infer, "%s and %s need the same number of axes, axis %lld among them", op_shown(infer, a),
                         op_shown(infer, b), (long long)axis);
    infer->type = *a;
    for (int d = 0; d < a->rank; d++) {
        if (d != axis && !dim_equal(a->dim[d], b->dim[d]))
            return op_refuse(infer, "axis %d differs: %s and %s; only axis %lld may", d, op_shown(infer, a),
                             op_shown(infer, b), (long long)axis);
    }
    Dim left = a->dim[axis], right = b->dim[axis];
    if (left.size && right.size && left.size != right.size)
        return op_refuse(infer,
                         "axis %lld of %s and %s would hold the sum of two run-time sizes; an axis is c * N + d of one",
                         (long long)axis, op_shown(infer, a), op_shown(infer, b));
    if (!dim_add(left, right, &infer->type.dim[axis]))
        return op_refuse(infer, "axis %lld is too long", (long long)axis);
    return op_check_shape(infer, &infer->type);
}

static void eval_concat(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    int axis = (int)node->attr[0].i;
    int64_t inner = elements_after(out, axis), to = 0;
    int64_t run[2] = {inner * in[0]->shape[axis], inner * in[1]->shape[axis]};
    while (to < out->count)
        for (int k = 0; k < 2; k++)
            for (int64_t e = 0, from = to / (run[0] + run[1]) * run[k]; e < run[k]; e++, to++)
                tensor_copy(out, to, in[k], from + e);
}

static Node *grad_concat(Graph *g, Node *y, Node *dy, int i) {
    Count start[MAX_RANK] = {0};
    int64_t step[MAX_RANK];
    for (int d = 0; d < y->type.rank; d++) step[d] = 1;
    if (i == 1) start[y->attr[0].i] = count_of_dim(y->in[0]->type.dim[y->attr[0].i]);
    return build_slice(g, dy, &y->in[i]->type, start, step);
}

static Expr *lower_concat(LowerContext *ctx, const Node *node, Index *const *out) {
    int axis = (int)node->attr[0].i;
    int64_t lo, hi;
    Index *na = index_size(ctx->arena, node->in[0]->type.dim[axis]);
    Index *nb = index_size(ctx->arena, node->in[1]->type.dim[axis]);
    Index *in[MAX_RANK] = {0};
    for (int d = 0; d < node->type.rank; d++) in[d] = out[d];
    bool known = lanes_range(ctx, out[axis], na, &lo, &hi);
    if (known && hi < 0) return lower_value(ctx, node->in[0], in);
    Index *after = index_add(ctx->arena, out[axis], index_scale(ctx->arena, na, -1));
    if (known && lo >= 0) {
        in[axis] = after;
        return lower_value(ctx, node->in[1], in);
    }
    in[axis] = index_clamp_to(ctx->arena, out[axis], na);
    Expr *a = lower_value(ctx, node->in[0], in);
    in[axis] = index_clamp_to(ctx->arena, after, nb);
    Expr *b = lower_value(ctx, node->in[1], in);
    return choose(ctx, node->type.dtype, compare(ctx, &op_lt, out[axis], na), a, b);
}

static Node *reorder_concat(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    if (!order_equal(&from[0], &from[1])) return NULL;
    *order = from[0];
    return build_concat(to, in[0], in[1], order_place(order, (int)old->attr[0].i));
}

DEFINE_OP(concat){
    .name = "concat",
    .doc = "a and b joined along one axis",
    .example = "concat([a: f32[2, 3], b: f32[2, 5]], axis=1)",
    .inputs = 2,
    .attrs = {{"axis", ATTR_INT, "along which they follow each other", NULL}},
    .traits = OP_MOVEMENT,
    .infer = concat_infer,
    .eval = eval_concat,
    .grad = grad_concat,
    .lower = lower_concat,
    .reorder = reorder_concat,
};
