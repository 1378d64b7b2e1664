// lift.c: a value of one step, computed for all steps at once by operators with one axis more.
//     %3 = element %x {loop=1} : f32[32, 64]
//     %5 = contract %3, %w out[i, j] += a[i, k] * b[j, k]           x_t @ w^T
// becomes
//     contract %x, %w out[t, i, j] += a[t, i, k] * b[j, k]          lift_node: of all steps
//     contract %d, %x out[i, j] += a[t, b, i] * b[t, b, j]          lift_sum of a contraction: the sum over them
// An operator without a rule here has no such form.
#include "passes/lift.h"

#include "ir/affine.h"

// ---- whether --------------------------------------------------------------------------------------------------------

static bool has_rule(const Node *node) {
    if (node->type.rank == MAX_RANK) return false;
    if (node->op->traits & OP_ELEMENTWISE) return !node_is_loop(node);
    if (node_is(node, contract) || node_is(node, reduce))
        return node_attr(node, "iter")->iter->naxes < MAX_AXES && node->in[0]->type.rank < MAX_RANK &&
               node->in[node->nin - 1]->type.rank < MAX_RANK;
    return node_is(node, transpose) || node_is(node, reshape) || node_is(node, broadcast) || node_is(node, slice);
}

static bool is_movement(const Node *node) { return node->op->traits & OP_MOVEMENT && node->nin == 1; }

// The value is stacked as it is.
static bool is_leaf(const Node *node, LiftLeaves leaves) {
    if (node_is(node, element)) return true;
    bool passes = is_movement(node) || (leaves == LIFT_LEAVING && node_is(node, contract));
    return leaves != LIFT_ELEMENTS && (!passes || !has_rule(node));
}

// How the inputs of the node are lifted.
static LiftLeaves inner_leaves(const Node *node, LiftLeaves leaves) {
    return leaves == LIFT_LEAVING && node_is(node, contract) ? LIFT_STACKS : leaves;
}

bool lift_possible(const Graph *g, const Node *node, int loop, LiftLeaves leaves) {
    if (node->loop != loop) return true;
    if (is_leaf(node, leaves)) return node->type.rank < MAX_RANK;
    if (!has_rule(node)) return false;
    for (int k = 0; k < node->nin; k++)
        if (!lift_possible(g, node->in[k], loop, inner_leaves(node, leaves))) return false;
    return true;
}

// ---- rules ----------------------------------------------------------------------------------------------------------

static Type with_steps(const Graph *g, const Type *type, int loop) {
    Type to = {.dtype = type->dtype, .rank = type->rank + 1, .dim = {graph_loop(g, loop)->steps}};
    for (int d = 0; d < type->rank; d++) to.dim[d + 1] = type->dim[d];
    return to;
}

// A dim of a map over the same axes, of which a new first one is none of its.
static Affine shifted(const Affine *from) {
    Affine to = {.c = from->c};
    for (int a = 0; a + 1 < MAX_AXES; a++) to.coef[a + 1] = from->coef[a];
    return to;
}

static Map shifted_map(const Map *from, bool lifted) {
    Map to = {.rank = from->rank + lifted};
    if (lifted) to.dim[0] = affine_axis(0);
    for (int d = 0; d < from->rank; d++) to.dim[d + lifted] = shifted(&from->dim[d]);
    return to;
}

// The iteration space with the steps as its first axis, or (sums) as the first one that is summed.
static Iter with_step_axis(const Graph *g, const Iter *from, int loop, const bool *lifted, bool sums) {
    Iter to = {.naxes = from->naxes + 1, .nout = from->nout + 1, .nmaps = from->nmaps};
    to.axis[0] = graph_loop(g, loop)->steps;
    for (int a = 0; a < from->naxes; a++) to.axis[a + 1] = from->axis[a];
    to.map[0] = shifted_map(&from->map[0], !sums);
    for (int m = 1; m < from->nmaps; m++) to.map[m] = shifted_map(&from->map[m], lifted[m - 1]);
    for (int a = 0; a < to.naxes; a++) to.name[a] = (char)('i' + a);
    if (!sums) return to;
    // Axes of the result come first, so the steps move after them.
    Iter moved = to;
    moved.nout = from->nout;
    for (int a = 0; a < to.naxes; a++) {
        int at = a == 0 ? from->nout : a <= from->nout ? a - 1 : a;
        moved.axis[at] = to.axis[a];
        for (int m = 0; m < to.nmaps; m++)
            for (int d = 0; d < to.map[m].rank; d++) moved.map[m].dim[d].coef[at] = to.map[m].dim[d].coef[a];
    }
    return moved;
}

static Node *lift_reduction(Graph *g, const Node *node, Node *const *in, const bool *lifted, int loop, bool sums) {
    Iter iter = with_step_axis(g, node_attr(node, "iter")->iter, loop, lifted, sums);
    Type type = sums ? node->type : with_steps(g, &node->type, loop);
    if (node_is(node, contract)) return build_contract(g, in[0], in[1], &type, &iter);
    return build_reduce_over(g, node_reduces(node), in[0], &type, &iter, (Ties)node_attr(node, "ties")->i);
}

static Node *lift_movement(Graph *g, const Node *node, Node *in, int loop) {
    Type type = with_steps(g, &node->type, loop);
    int axes[MAX_RANK] = {0};
    if (node_is(node, transpose)) {
        const Attr *perm = node_attr(node, "perm");
        for (int d = 0; d < perm->n; d++) axes[d + 1] = (int)perm->ints[d] + 1;
        return build_transpose(g, in, axes);
    }
    if (node_is(node, broadcast)) {
        const Attr *from = node_attr(node, "axes");
        for (int d = 0; d < from->n; d++) axes[d + 1] = (int)from->ints[d] + 1;
        return build_broadcast(g, in, &type, axes);
    }
    if (node_is(node, reshape)) return build_reshape(g, in, &type);
    Count start[MAX_RANK] = {count_fixed(0)};
    int64_t step[MAX_RANK] = {1};
    for (int d = 0; d < node->type.rank; d++) {
        start[d + 1] = node_attr(node, "start")->counts[d];
        step[d + 1] = node_attr(node, "step")->ints[d];
    }
    return build_slice(g, in, &type, start, step);
}

static Node *lift_input(Graph *g, Node *in, int loop, LiftLeaves leaves) {
    return in->loop == loop ? lift_node(g, in, loop, leaves) : in;
}

// It is called as the value that it has of each step.
static Node *stack_value(Graph *g, Node *node, int loop) {
    const char *name = g->name_now;
    if (node->name) g->name_now = node->name;
    Node *stack = build_stack(g, loop, node);
    g->name_now = name;
    return stack;
}

Node *lift_node(Graph *g, Node *node, int loop, LiftLeaves leaves) {
    if (node->loop != loop || is_leaf(node, leaves)) return stack_value(g, node, loop);
    Node *in[MAX_INPUTS];
    bool lifted[MAX_INPUTS];
    graph_tag_as(g, node);
    for (int k = 0; k < node->nin; k++) {
        lifted[k] = node->in[k]->loop == loop;
        in[k] = lift_input(g, node->in[k], loop, inner_leaves(node, leaves));
    }
    graph_tag_as(g, node);
    if (node->op->traits & OP_REDUCES) return lift_reduction(g, node, in, lifted, loop, false);
    if (is_movement(node)) return lift_movement(g, node, in[0], loop);
    for (int k = 0; k < node->nin; k++)
        if (!lifted[k]) in[k] = stack_value(g, in[k], loop);
    return graph_op(g, node->op, in, node->nin, node->attr);
}

// ---- sums -----------------------------------------------------------------------------------------------------------

static Node *sum_of_stack(Graph *g, Node *node, int loop) {
    return build_reduce(g, REDUCE_SUM, lift_node(g, node, loop, LIFT_STACKS), 1u, TIES_EVEN);
}

// A sum itself, perhaps moved, whose terms of all steps one operator adds up. Anything else is stacked.
static bool is_sum(const Node *node) {
    if (node_is(node, add)) return is_sum(node->in[0]) || is_sum(node->in[1]);
    if (is_movement(node)) return is_sum(node->in[0]);
    return node_is(node, contract) || (node_is(node, reduce) && node_reduces(node) == REDUCE_SUM);
}

Node *lift_sum(Graph *g, Node *node, int loop) {
    if (node->loop != loop || !is_sum(node)) return sum_of_stack(g, node, loop);
    if (node_is(node, add) && (is_sum(node->in[0]) || is_sum(node->in[1])))
        return build_binary(g, "add", lift_sum(g, node->in[0], loop), lift_sum(g, node->in[1], loop));
    if (is_movement(node)) { // it moves the sum as it moves each term
        Node *moved = lift_sum(g, node->in[0], loop);
        graph_tag_as(g, node);
        return graph_op(g, node->op, &moved, 1, node->attr);
    }
    if (!has_rule(node)) return sum_of_stack(g, node, loop);
    Node *in[MAX_INPUTS];
    bool lifted[MAX_INPUTS];
    for (int k = 0; k < node->nin; k++) {
        lifted[k] = node->in[k]->loop == loop;
        in[k] = lift_input(g, node->in[k], loop, LIFT_STACKS);
    }
    graph_tag_as(g, node);
    return lift_reduction(g, node, in, lifted, loop, true);
}
