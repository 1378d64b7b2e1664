// simplify.c: rewrites that keep the meaning (sums may be reassociated, NaN and Inf propagate).
//     x - 0, x * 1, x / 1, -(-x), detach(x)                  x
//     x * -1                                                 neg(x)
//     x / c, c a power of two                                x * (1 / c)
//     pow(x, c), c 1, 2 or -1                                x, x * x, 1 / x
//     reshape(reshape(x)), transpose(transpose(x)), ...      one movement, or x when it moves nothing
//     pad(x) + pad(y), x and y side by side                  pad(concat(x, y)), or the concat if that is all of it
//     stack(element(x)) of one loop                          x
//     f(broadcast(x), broadcast(y))                          broadcast(f(x, y)); so for reshape
//     broadcast(reshape(x)), axes of 1 come or go            broadcast(x)
//     contract(transpose(a), broadcast(b))                   a contract of a and b with other maps
//     transpose(contract(a, b)), its only use                a contract with another out map
//     contract summed over the first two dims of a and b     a contract summed over one, of reshaped a and b
// Needs FOLDED, gives SIMPLE.
#include <math.h>
#include <string.h>

#include "ir/affine.h"
#include "ops/op.h"
#include "passes/passes.h"

typedef struct Simplify {
    int *uses; // of the old graph's nodes
    bool changed;
} Simplify;

static bool is_constant(const Node *node, double value) {
    double found;
    return node_constant(node, &found) && found == value;
}

// ---- element-wise ------------------------------------------------------------------------------------------------

// The one axis along which a pad puts zeros around its input; -1: there are several, or it does something else, too.
static int padded_axis(const Node *node) {
    if (!node_is(node, pad) || node_attr(node, "value")->f != 0) return -1;
    int axis = -1;
    for (int d = 0; d < node->type.rank; d++) {
        Dim from = node->in[0]->type.dim[d], to = node->type.dim[d];
        Count start = node_attr(node, "start")->counts[d];
        if (node_attr(node, "step")->ints[d] != 1 || start.size) return -1;
        if (dim_equal(from, to) && !start.at) continue;
        if (axis >= 0 || from.size || to.size) return -1;
        axis = d;
    }
    return axis;
}

// The gradient of a split is a sum of pads, each of a part. Where parts lie side by side, they are a concat.
static Node *join_pads(Graph *to, Node *x, Node *y) {
    int axis = padded_axis(x);
    if (axis < 0 || padded_axis(y) != axis) return NULL;
    const Count *at_x = node_attr(x, "start")->counts, *at_y = node_attr(y, "start")->counts;
    if (at_x[axis].at > at_y[axis].at) return join_pads(to, y, x);
    if (at_x[axis].at + x->in[0]->type.dim[axis].extent != at_y[axis].at) return NULL;
    Node *both = build_concat(to, x->in[0], y->in[0], axis);
    return build_pad(to, both, &x->type, at_x, node_attr(x, "step")->ints, 0);
}

// Also where the pad beside it is a term of the sum so far.
static Node *join_terms(Graph *to, const Node *old, Node *const *in, const Simplify *s) {
    Node *joined = join_pads(to, in[0], in[1]);
    for (int k = 0; k < 2 && !joined; k++) {
        const Node *sum = in[k];
        if (!node_is(sum, add) || s->uses[old->in[k]->id] != 1) continue;
        for (int i = 0; i < 2 && !joined; i++) {
            Node *both = join_pads(to, sum->in[i], in[1 - k]);
            if (both) joined = build_binary(to, "add", sum->in[1 - i], both);
        }
    }
    return joined;
}

static Node *simplify_arithmetic(Graph *to, const Node *old, Node *const *in, const Simplify *s) {
    if (node_is(old, add))
        return is_constant(in[1], 0) ? in[0] : is_constant(in[0], 0) ? in[1] : join_terms(to, old, in, s);
    if (node_is(old, sub))
        return is_constant(in[1], 0) ? in[0] : is_constant(in[0], 0) ? build_unary(to, "neg", in[1]) : NULL;
    if (node_is(old, mul)) {
        for (int k = 0; k < 2; k++) {
            if (is_constant(in[k], 1)) return in[1 - k];
            if (is_constant(in[k], -1)) return build_unary(to, "neg", in[1 - k]);
        }
        return NULL;
    }
    if (node_is(old, div)) {
        double by;
        int exponent;
        if (!node_constant(in[1], &by)) return NULL;
        if (by == 1) return in[0];
        // Exact where 1 / by is a power of two too, and neither infinite nor denormal in f32.
        bool power = dtype_info[old->type.dtype].is_float && fabs(by) > 1e-30 && fabs(by) < 1e30 &&
                     fabs(frexp(by, &exponent)) == 0.5;
        return power ? build_binary(to, "mul", in[0], build_full(to, &old->type, 1 / by)) : NULL;
    }
    if (node_is(old, pow)) { // gradients make them; 0.5 stays, as sqrt differs at -0 and -inf
        if (is_constant(in[1], 1)) return in[0];
        if (is_constant(in[1], 2)) return build_binary(to, "mul", in[0], in[0]);
        return is_constant(in[1], -1) ? build_binary(to, "div", build_full(to, &old->type, 1), in[0]) : NULL;
    }
    if (node_is(old, neg)) return node_is(in[0], neg) ? in[0]->in[0] : NULL;
    if (node_is(old, select)) return in[1] == in[2] ? in[1] : NULL;
    return NULL;
}

// The movement (broadcast or reshape) that all inputs share, or NULL; splat constants fit any.
static const Node *common_movement(const Node *old, Node *const *in) {
    const Node *first = NULL;
    double value;
    for (int k = 0; k < old->nin; k++) {
        if (node_constant(in[k], &value)) continue;
        if (!node_is(in[k], broadcast) && !node_is(in[k], reshape)) return NULL;
        if (!first) first = in[k];
        bool same = first->op == in[k]->op && shape_equal(&first->in[0]->type, &in[k]->in[0]->type);
        if (!same ||
            (node_is(first, broadcast) && !attr_equal(ATTR_INTS, node_attr(first, "axes"), node_attr(in[k], "axes"))))
            return NULL;
    }
    return first;
}

static Node *build_broadcast_like(Graph *to, Node *x, const Type *shape, const Attr *axes) {
    int axis[MAX_RANK];
    for (int k = 0; k < axes->n; k++) axis[k] = (int)axes->ints[k];
    return build_broadcast(to, x, shape, axis);
}

static Node *sink_movement(Graph *to, const Node *old, Node *const *in) {
    const Node *first = common_movement(old, in);
    if (!first) return NULL;
    Node *small[MAX_INPUTS];
    double value;
    for (int k = 0; k < old->nin; k++) {
        Type type = type_with_dtype(first->in[0]->type, in[k]->type.dtype);
        small[k] = node_constant(in[k], &value) ? build_full(to, &type, value) : in[k]->in[0];
    }
    Node *inner = graph_op(to, old->op, small, old->nin, old->attr);
    return node_is(first, reshape) ? build_reshape(to, inner, &old->type)
                                   : build_broadcast_like(to, inner, &old->type, node_attr(first, "axes"));
}

// ---- movement ----------------------------------------------------------------------------------------------------

// A reshape that only makes or drops axes of extent 1 is part of the broadcast after it.
static Node *broadcast_of_reshape(Graph *to, const Node *old, const Node *reshape) {
    const Type *from = &reshape->in[0]->type, *via = &reshape->type;
    const Attr *axes = node_attr(old, "axes");
    int axis[MAX_RANK], at[MAX_RANK];
    if (!shape_match_ones(from, via, at)) return NULL;
    // Axes of extent 1 that went are dropped by a reshape of the source.
    Type dense = {.dtype = from->dtype};
    for (int d = 0; d < via->rank; d++) {
        if (at[d] < 0) continue;
        axis[dense.rank] = (int)axes->ints[d];
        dense.dim[dense.rank++] = via->dim[d];
    }
    Node *source = build_reshape(to, reshape->in[0], &dense);
    if (source == reshape) return NULL;
    return build_broadcast(to, source, &old->type, axis);
}

static Node *simplify_movement(Graph *to, const Node *old, Node *const *in) {
    Node *x = in[0];
    if (node_is(old, detach)) return x;
    if (node_is(old, reshape)) {
        if (shape_equal(&x->type, &old->type)) return x;
        return node_is(x, reshape) ? build_reshape(to, x->in[0], &old->type) : NULL;
    }
    if (node_is(old, transpose)) {
        if (!node_is(x, transpose)) return NULL;
        const Attr *perm = node_attr(old, "perm"), *inner = node_attr(x, "perm");
        int both[MAX_RANK];
        for (int k = 0; k < perm->n; k++) both[k] = (int)inner->ints[perm->ints[k]];
        return build_transpose(to, x->in[0], both);
    }
    if (node_is(old, broadcast)) {
        if (node_is(x, reshape)) return broadcast_of_reshape(to, old, x);
        if (!node_is(x, broadcast)) return NULL;
        const Attr *outer = node_attr(old, "axes"), *inner = node_attr(x, "axes");
        int both[MAX_RANK];
        for (int k = 0; k < inner->n; k++) both[k] = (int)outer->ints[inner->ints[k]];
        return build_broadcast(to, x->in[0], &old->type, both);
    }
    return NULL;
}

// ---- contractions ------------------------------------------------------------------------------------------------

// Seen through a transpose or broadcast, operand `which` is read with another map.
static Node *fold_operand(Graph *to, const Node *old, Node *const *in, int which) {
    Node *x = in[which];
    Iter iter = *node_attr(old, "iter")->iter;
    const Map from = iter.map[which + 1];
    Map *map = &iter.map[which + 1];
    if (node_is(x, transpose)) {
        const Attr *perm = node_attr(x, "perm");
        for (int k = 0; k < perm->n; k++) map->dim[perm->ints[k]] = from.dim[k];
    } else if (node_is(x, broadcast) && x->in[0]->type.rank > 0) {
        // Only where every axis is read in range: a broadcast axis has no end where 0 would be read instead.
        const Attr *axes = node_attr(x, "axes");
        for (int d = 0; d < from.rank; d++) {
            int axis = affine_bare_axis(&from.dim[d]);
            if (axis >= 0 ? !dim_equal(iter.axis[axis], x->type.dim[d])
                          : affine_terms(&from.dim[d]) || from.dim[d].c >= x->type.dim[d].extent)
                return NULL;
        }
        map->rank = axes->n;
        for (int k = 0; k < axes->n; k++) {
            bool repeats = !dim_equal(x->in[0]->type.dim[k], x->type.dim[axes->ints[k]]);
            map->dim[k] = repeats ? (Affine){0} : from.dim[axes->ints[k]];
        }
    } else
        return NULL;
    Node *operands[2] = {in[0], in[1]};
    operands[which] = x->in[0];
    return build_contract(to, operands[0], operands[1], &old->type, &iter);
}

// The summed axes that are dims 0 and 1 of the operand, from end to end, and index nothing else of it.
static bool find_leading(const Iter *iter, const Map *map, const Type *type, int *axis) {
    for (int k = 0; k < 2; k++) {
        axis[k] = map->rank > 2 ? affine_bare_axis(&map->dim[k]) : -1;
        if (axis[k] < iter->nout || type->dim[k].size || !dim_equal(type->dim[k], iter->axis[axis[k]])) return false;
        for (int d = 0; d < map->rank; d++)
            if (d != k && map->dim[d].coef[axis[k]]) return false;
    }
    return true;
}

// The gradient of a weight that is applied to (batch, time, features) sums over two axes. As one they are a plain
// matrix product, which reads its operands straight through.
static Node *join_leading(Graph *to, const Node *old, Node *const *in) {
    Iter iter = *node_attr(old, "iter")->iter;
    int axis[2], other[2];
    if (!find_leading(&iter, &iter.map[1], &in[0]->type, axis)) return NULL;
    if (!find_leading(&iter, &iter.map[2], &in[1]->type, other)) return NULL;
    int64_t extent = (int64_t)iter.axis[axis[0]].extent * iter.axis[axis[1]].extent;
    if (axis[0] != other[0] || axis[1] != other[1] || extent > INT32_MAX) return NULL;
    Node *joined[2];
    for (int k = 0; k < 2; k++) {
        Type type = {.dtype = in[k]->type.dtype, .rank = in[k]->type.rank - 1, .dim = {dim_fixed((int32_t)extent)}};
        Map *map = &iter.map[1 + k];
        for (int d = 1; d < type.rank; d++) type.dim[d] = in[k]->type.dim[d + 1];
        for (int d = 1; d + 1 < map->rank; d++) map->dim[d] = map->dim[d + 1];
        map->rank--;
        joined[k] = build_reshape(to, in[k], &type);
    }
    iter.axis[axis[0]] = dim_fixed((int32_t)extent);
    iter.naxes--;
    for (int a = axis[1]; a < iter.naxes; a++) iter.axis[a] = iter.axis[a + 1];
    for (int m = 0; m < iter.nmaps; m++)
        for (int d = 0; d < iter.map[m].rank; d++)
            for (int a = axis[1]; a < MAX_AXES; a++)
                iter.map[m].dim[d].coef[a] = a + 1 < MAX_AXES ? iter.map[m].dim[d].coef[a + 1] : 0;
    return build_contract(to, joined[0], joined[1], &old->type, &iter);
}

static Node *simplify_contract(Graph *to, const Node *old, Node *const *in) {
    for (int which = 0; which < 2; which++) {
        Node *folded = fold_operand(to, old, in, which);
        if (folded) return folded;
    }
    return join_leading(to, old, in);
}

static Node *transpose_of_contract(Graph *to, const Node *old, Node *const *in, const Simplify *s) {
    if (!node_is(in[0], contract) || s->uses[old->in[0]->id] != 1) return NULL;
    Iter iter = *node_attr(in[0], "iter")->iter;
    const Map from = iter.map[0];
    const Attr *perm = node_attr(old, "perm");
    for (int k = 0; k < perm->n; k++) iter.map[0].dim[k] = from.dim[perm->ints[k]];
    return build_contract(to, in[0]->in[0], in[0]->in[1], &old->type, &iter);
}

// ---- the pass ----------------------------------------------------------------------------------------------------

static Node *simplify_node(Graph *to, const Node *old, Node *const *in, void *context) {
    Simplify *s = context;
    Node *to_node = NULL;
    if (old->op->traits & OP_ELEMENTWISE) {
        to_node = simplify_arithmetic(to, old, in, s);
        if (!to_node) to_node = sink_movement(to, old, in);
    } else if (node_is(old, contract))
        to_node = simplify_contract(to, old, in);
    else if (old->nin == 1) {
        to_node = simplify_movement(to, old, in);
        if (!to_node && node_is(old, transpose)) to_node = transpose_of_contract(to, old, in, s);
        if (node_is(old, stack) && node_is(in[0], element) && node_loop_attr(in[0]) == node_loop_attr(old))
            to_node = in[0]->in[0];
    }
    s->changed |= to_node != NULL;
    return to_node;
}

Graph *pass_simplify(Graph *g, const PassOptions *options) {
    (void)options;
    // Each rewrite makes the graph smaller or moves work to a smaller shape, so this ends; the bound is a safeguard.
    for (int round = 0; round < 64; round++) {
        Arena scratch = {0};
        Simplify s = {.uses = graph_count_uses(&scratch, g)};
        g = graph_rebuild(g, simplify_node, &s);
        arena_release(&scratch);
        if (!s.changed) break;
    }
    return g;
}
