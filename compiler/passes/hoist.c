// hoist.c: contractions of a sequence's elements move in front of the loop, as one contraction with the steps as an
// axis.
//     loop 1 over T:  %3 = element %x                      %9 = contract %x, %w : f32[T, 32, 256]
//                     %5 = contract %3, %w     becomes     loop 1 over T:  %5 = element %9
// So the input projections of a recurrent layer are one large product. What depends on nothing in the loop stands
// outside of it already, because a node is of a loop only if an input is (ir/graph.h).
#include "passes/lift.h"

static Node *hoist_node(Graph *to, const Node *old, Node *const *in, void *context) {
    bool *any = context;
    if (!node_is(old, contract) || !old->loop || graph_loop(to, old->loop)->checkpoint) return NULL;
    Node *node = graph_copy_node(to, old, in);
    if (node->loop != old->loop || !lift_possible(to, node, node->loop, LIFT_ELEMENTS)) return node;
    *any = true;
    Node *all = lift_node(to, node, node->loop, LIFT_ELEMENTS);
    graph_tag_as(to, old);
    return build_element(to, node->loop, all);
}

Graph *pass_hoist(Graph *g, const PassOptions *options) {
    (void)options;
    bool any = g->loops.len > 0;
    while (any) { // a contraction of what was hoisted may follow
        any = false;
        g = graph_rebuild(g, hoist_node, &any);
    }
    return g;
}
