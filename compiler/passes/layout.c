// layout.c: channels last: the axes of what convolutions and pools read and write, in the order that vectors like.
//     %2 = contract %x, %w out[n, o, y, x] += a[n, i, y+p-1, x+q-1] * b[o, i, p, q]  : f32[N, 64, 48, 48]
//     %3 = relu %2                                                                   : f32[N, 64, 48, 48]
//     %4 = contract %3, %v out[n, o, y, x] += a[n, i, y+p-1, x+q-1] * b[o, i, p, q]  : f32[N, 10, 48, 48]
//     return %4
// becomes
//     %2 = contract %x, %w out[n, y, x, o] += a[n, i, y+p-1, x+q-1] * b[o, i, p, q]  : f32[N, 48, 48, 64]
//     %3 = relu %2                                                                   : f32[N, 48, 48, 64]
//     %4 = contract %3, %v out[n, o, y, x] += a[n, y+p-1, x+q-1, i] * b[o, i, p, q]  : f32[N, 10, 48, 48]
//     return %4
// A result that only the caller reads is computed in the caller's order; one that others read too is transposed for it.
// Needs SIMPLE, breaks DEDUPED. The graph's arguments, storages and results stay as the user knows them (NCHW). A
// contraction reads operands in whatever order they come; its own result is laid out with the axes of windows and
// batches first and the channels last, where it slides windows or follows something that does. Everything else takes
// the order of what it reads through its operator's `reorder` (ops/op.h), or gets it turned back by a transpose.
#include "ir/affine.h"
#include "ops/op.h"
#include "passes/passes.h"

enum { FEW_CHANNELS = 8 }; // fewer are not worth a vector

// Of a node of the old graph.
typedef struct Layout {
    Order order;  // how the node that stands for it is laid out
    bool is_free; // made of constants and indices alone: as well computed in any order
    bool leaves;  // it is returned, and nothing else reads it, or what follows from it index by index or by a pool
    Order other;  // the other order in which it was last wanted, and what was made for that; NULL: none yet
    Node *in_other;
} Layout;

static bool follows(const Node *node) { return node->op->traits & (OP_ELEMENTWISE | OP_IDENTITY); }

// ---- what a contraction likes -------------------------------------------------------------------------------------

// Several axes or a stride index this dim.
static bool dim_slides(const Affine *affine) {
    for (int k = 0; k < MAX_AXES; k++)
        if (affine->coef[k] > 1) return true;
    return affine_terms(affine) > 1;
}

// Whether windows slide along the axis: in any map (or, axis < 0, along any axis).
static bool slides(const Iter *iter, int axis) {
    for (int m = 0; m < 3; m++)
        for (int d = 0; d < iter->map[m].rank; d++)
            if (dim_slides(&iter->map[m].dim[d]) && (axis < 0 || iter->map[m].dim[d].coef[axis])) return true;
    return false;
}

// The operand that holds the batch, the first dim of the result, in its first dim; 0: none does.
static int data_operand(const Iter *iter) {
    for (int axis = 0; axis < iter->nout; axis++) {
        if (!iter->map[0].rank || affine_bare_axis(&iter->map[0].dim[0]) != axis) continue;
        for (int m = 1; m < 3; m++)
            if (iter->map[m].rank && affine_bare_axis(&iter->map[m].dim[0]) == axis) return m;
    }
    return 0;
}

// Whether dim d of the result is one of the batch or of the windows: what only the data moves.
static bool is_spatial(const Iter *iter, int data, int d) {
    const Map *other = &iter->map[3 - data];
    bool spatial = d == 0;
    for (int k = 0; k < iter->naxes; k++) {
        if (!iter->map[0].dim[d].coef[k]) continue;
        spatial |= slides(iter, k) || (other->rank && map_uses(&iter->map[data], k) && !map_uses(other, k));
    }
    return spatial;
}

// Batch and windows first, channels (and groups of them) last.
static Order contract_order(const Node *old, const Layout *layout, const Order *from) {
    const Iter *iter = node_attr(old, "iter")->iter;
    Order plain = order_plain(old->type.rank), order = {.n = old->type.rank};
    int data = data_operand(iter), place = 0;
    if (old->type.rank < 3 || !data || layout[old->id].leaves) return plain;
    if (!slides(iter, -1) && order_is_plain(&from[data - 1])) return plain;
    int64_t channels = 1;
    for (int last = 0; last < 2; last++)
        for (int d = 0; d < old->type.rank; d++) {
            if (is_spatial(iter, data, d) == last) continue;
            order.at[place++] = d;
            if (last) channels *= old->type.dim[d].extent;
        }
    return channels < FEW_CHANNELS ? plain : order;
}

// ---- a flattened operand --------------------------------------------------------------------------------------------

// The summed axis that dim d of an operand is from end to end, and that moves no other dim of it; or -1.
static int summed_axis(const Iter *iter, const Map *map, int d, Dim dim) {
    int axis = affine_bare_axis(&map->dim[d]);
    if (axis < iter->nout || !dim_equal(iter->axis[axis], dim)) return -1;
    for (int other = 0; other < map->rank; other++)
        if (other != d && map->dim[other].coef[axis]) return -1;
    return axis;
}

// One summed axis becomes one for each of x's dims [from, to), outermost first, in all maps.
static void split_axis(Iter *iter, int axis, const Type *x, int from, int to, int *parts) {
    int64_t inner = 1;
    for (int d = to - 1; d >= from; d--) {
        int part = d == from ? axis : iter->naxes++;
        parts[d] = part;
        for (int m = 0; m < 3; m++)
            for (int k = 0; k < iter->map[m].rank; k++)
                iter->map[m].dim[k].coef[part] = (int32_t)(iter->map[m].dim[k].coef[axis] * inner);
        iter->axis[part] = x->dim[d];
        inner *= x->dim[d].extent;
    }
}

// Whether dims of extent 1, which are in no run, are read at 0 alone: a window that leaves them reads zeros there.
static bool ones_are_inside(const Iter *iter, const Map *map, const Type *flat) {
    for (int d = 0; d < flat->rank; d++) {
        bool inside = map->dim[d].c == 0;
        for (int k = 0; k < iter->naxes; k++) inside &= !map->dim[d].coef[k] || iter->axis[k].extent == 1;
        if (flat->dim[d].extent == 1 && !inside) return false;
    }
    return true;
}

// A sum over channels and pixels in a row, by an operand that a convolution left channels last:
//     out[n, j] += a[n, k] * b[j, k], a = reshape(x: [N, 128, 12, 12])
// becomes out[n, j] += x[n, c, y, x] * b[j, 144*c + 12*y + x]: x is read as it lies. In models only: there the other
// operand, a parameter, is packed once. NULL: it is no such sum.
static Node *split_flattened(const Layout *layout, const Node *old, int which, Iter *iter) {
    const Node *flat = old->in[which], *x = flat->nin ? flat->in[0] : NULL;
    ShapeRun runs[MAX_RANK];
    Map split = {.rank = 0};
    int parts[MAX_RANK];
    if (!node_is(flat, reshape) || order_is_plain(&layout[x->id].order)) return NULL;
    int n = shape_runs(&x->type, &flat->type, runs);
    *iter = *node_attr(old, "iter")->iter;
    const Map from = iter->map[1 + which];
    if (!ones_are_inside(iter, &from, &flat->type)) return NULL;
    split.rank = x->type.rank;
    for (int k = 0; k < n; k++) {
        int a0 = runs[k].a0, a1 = runs[k].a1, b = runs[k].b0;
        if (runs[k].b1 != b + 1) return NULL;
        if (a1 == a0 + 1) {
            split.dim[a0] = from.dim[b];
            continue;
        }
        int axis = summed_axis(iter, &from, b, flat->type.dim[b]);
        if (axis < 0 || iter->naxes + a1 - a0 - 1 > MAX_AXES) return NULL;
        split_axis(iter, axis, &x->type, a0, a1, parts);
        for (int d = a0; d < a1; d++) split.dim[d] = affine_axis(parts[d]);
    }
    iter->map[1 + which] = split;
    return x->map;
}

static Node *read_unflattened(Graph *to, const Layout *layout, const Node *old, Node *const *in, const Order *from) {
    for (int which = 0; which < 2; which++) {
        Iter iter;
        Node *operands[2] = {in[0], in[1]};
        operands[which] = split_flattened(layout, old, which, &iter);
        if (!operands[which]) continue;
        iter.map[1 + which] = order_map(&iter.map[1 + which], &layout[old->in[which]->in[0]->id].order);
        iter.map[2 - which] = order_map(&iter.map[2 - which], &from[1 - which]);
        return build_contract(to, operands[0], operands[1], &old->type, &iter);
    }
    return NULL;
}

// ---- the pass -----------------------------------------------------------------------------------------------------

static bool made_of_free(const Layout *layout, const Node *node) {
    if (node->op->traits & OP_SOURCE) return true;
    bool is = node->nin && (follows(node) || node->op->traits & OP_MOVEMENT);
    for (int k = 0; is && k < node->nin; k++) is = layout[node->in[k]->id].is_free;
    return is;
}

static Node *in_order(Graph *to, Layout *layout, const Node *of, Order wanted);

// What stands for the old node `of`, laid out in the order `wanted`. A broadcast or another source is made anew there;
// anything else is transposed.
static Node *make_in_order(Graph *to, Layout *layout, const Node *of, Order wanted) {
    const Order *has = &layout[of->id].order;
    if (follows(of) && layout[of->id].is_free) {
        Node *in[MAX_INPUTS];
        for (int k = 0; k < of->nin; k++) in[k] = in_order(to, layout, of->in[k], wanted);
        return graph_copy_node(to, of, in);
    }
    if (of->op->reorder && of->nin <= 1) {
        Order from = of->nin ? layout[of->in[0]->id].order : wanted, got = wanted;
        Node *in = of->nin ? of->in[0]->map : NULL;
        Node *made = of->op->reorder(to, of, &in, &from, &got);
        if (made && order_equal(&got, &wanted)) return made;
    }
    return order_transpose(to, of->map, has, &wanted);
}

// Each is made once: otherwise values that share their inputs over and over would take exponential time.
static Node *in_order(Graph *to, Layout *layout, const Node *of, Order wanted) {
    if (order_equal(&layout[of->id].order, &wanted)) return of->map;
    if (!layout[of->id].in_other || !order_equal(&layout[of->id].other, &wanted)) {
        layout[of->id].in_other = make_in_order(to, layout, of, wanted);
        layout[of->id].other = wanted;
    }
    return layout[of->id].in_other;
}

static Node *as_graph(Graph *to, Layout *layout, const Node *of) {
    return in_order(to, layout, of, order_plain(of->type.rank));
}

// The first order among the inputs of the result's rank that is not the plain one.
static Order input_order(const Node *old, const Layout *layout) {
    for (int k = 0; k < old->nin; k++) {
        const Order *order = &layout[old->in[k]->id].order;
        if (order->n == old->type.rank && !order_is_plain(order)) return *order;
    }
    return order_plain(old->type.rank);
}

// Axes that are new to a broadcast stand before the last axis of what it repeats.
static Order liked_order(const Node *old, const Layout *layout, const Order *from) {
    if (old->op->traits & OP_REDUCES && old->nin == 2) return contract_order(old, layout, from);
    Order order = order_plain(old->type.rank);
    if (!node_is(old, broadcast) || order_is_plain(&from[0])) return input_order(old, layout);
    int last = (int)node_attr(old, "axes")->ints[from[0].at[from[0].n - 1]];
    for (int d = last; d + 1 < order.n; d++) order.at[d] = d + 1;
    order.at[order.n - 1] = last;
    return order;
}

static Node *lay_out(Graph *to, const Node *old, Node *const *in, void *context) {
    Layout *layout = context;
    Order *order = &layout[old->id].order, from[MAX_INPUTS];
    *order = order_plain(old->type.rank);
    layout[old->id].is_free = made_of_free(layout, old);
    if (!old->nin) return NULL;
    Node *moved[MAX_INPUTS];
    bool plain = true;
    Order common = input_order(old, layout);
    bool joint = follows(old) || (old->op->traits & OP_MOVEMENT && old->nin > 1);
    for (int k = 0; k < old->nin; k++) {
        moved[k] = in[k];
        from[k] = layout[old->in[k]->id].order;
        plain &= order_is_plain(&layout[old->in[k]->id].order);
        if (!joint || layout[old->in[k]->id].order.n != common.n) continue;
        moved[k] = in_order(to, layout, old->in[k], common);
        from[k] = common;
    }
    if (follows(old)) {
        *order = common;
        return graph_copy_node(to, old, moved);
    }
    Node *made = to->kind == ENTRY_MODEL && node_is(old, contract) ? read_unflattened(to, layout, old, in, from) : NULL;
    if (made) return made;
    if (old->op->reorder && (!plain || (old->op->traits & OP_REDUCES && old->nin == 2))) {
        *order = liked_order(old, layout, from);
        made = old->op->reorder(to, old, moved, from, order);
    }
    if (made) return made;
    *order = order_plain(old->type.rank);
    for (int k = 0; k < old->nin; k++) moved[k] = as_graph(to, layout, old->in[k]);
    return graph_copy_node(to, old, moved);
}

// A result that only the caller reads is made as the caller wants it.
static void find_leaving(Layout *layout, const Graph *g) {
    bool *returned = NEW_ARRAY(g->arena, bool, g->nodes.len + 1), *kept = NEW_ARRAY(g->arena, bool, g->nodes.len + 1);
    for (int k = 0; k < g->outputs.len; k++) returned[g->outputs.at[k].value->id] = true;
    for (int l = 0; l < g->loops.len; l++)
        for (int i = 0; i < g->loops.at[l].next.len; i++)
            if (g->loops.at[l].next.at[i]) returned[g->loops.at[l].next.at[i]->id] = true;
    for (int id = g->nodes.len - 1; id >= 0; id--) {
        const Node *node = g->nodes.at[id];
        layout[id].leaves = returned[id] && !kept[id];
        bool passes = layout[id].leaves && (follows(node) || node_is(node, reduce));
        for (int k = 0; k < node->nin; k++) {
            const Node *in = node->in[k];
            if (passes && in->type.rank == node->type.rank)
                returned[in->id] = true;
            else
                kept[in->id] = true;
        }
    }
}

Graph *pass_layout(Graph *from, const PassOptions *options) {
    (void)options;
    Layout *layout = NEW_ARRAY(from->arena, Layout, from->nodes.len + 1);
    find_leaving(layout, from);
    Graph *to = graph_rebuild(from, lay_out, layout);
    for (int k = 0; k < from->outputs.len; k++) {
        const Node *old = from->outputs.at[k].value;
        graph_tag_as(to, old);
        to->outputs.at[k].value = as_graph(to, layout, old);
    }
    for (int l = 0; l < from->loops.len; l++) // what steps hand on keeps its order
        for (int i = 0; i < from->loops.at[l].next.len; i++) {
            if (!to->loops.at[l].carry.at[i]) continue;
            graph_tag_as(to, from->loops.at[l].next.at[i]);
            to->loops.at[l].next.at[i] = as_graph(to, layout, from->loops.at[l].next.at[i]);
        }
    return to;
}
