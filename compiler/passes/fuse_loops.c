// fuse_loops.c: prepares the loops of a graph for their slots (loops/slots.c).
//     %4 = carry %h0 ... next %4 = %3, an element      %4 = carry (hold %h0) ... next %4 = hold %3
// What a carried value begins with, what a step hands on, and what leaves a loop is stored in a slot, so a kernel of
// its own must compute it, in the loop where it is wanted. An argument, an element, what only moves another value and
// what the loop does not change are held: a kernel copies them. The pass also says in which order the groups of a loop
// run.
#include "ops/op.h"
#include "passes/fuse.h"

static bool is_computed(const Node *node, int loop) {
    return node->loop == loop && !(node->op->traits & (OP_INPUT | OP_MOVEMENT | OP_IDENTITY | OP_SOURCE));
}

static Node *settle_node(Graph *to, const Node *old, Node *const *in, void *context) {
    (void)context;
    if (node_is(old, carry)) {
        int parent = graph_loop(to, node_loop_attr(old))->parent;
        int64_t number = (int64_t)node_loop_attr(old) * MAX_CARRIES + old->attr[1].i; // no two share a slot
        Node *held = build_hold(to, parent, in[0], number);
        return graph_copy_node(to, old, &held);
    }
    if (!node_is(old, stack) && !node_is(old, last)) return NULL;
    int loop = node_loop_attr(old);
    if (is_computed(in[0], loop) || (node_is(old, stack) && node_is(in[0], carry) && in[0]->loop == loop)) return NULL;
    Node *held = build_hold(to, loop, in[0], 0);
    return graph_copy_node(to, old, &held);
}

// One node is one slot: a second carried value with the same next one gets a copy.
static Node *own_next(Graph *g, int loop, int index) {
    NodeVec *next = &graph_loop(g, loop)->next;
    Node *node = next->at[index];
    if (!is_computed(node, loop)) node = build_hold(g, loop, node, 0);
    for (int i = 0; i < index; i++)
        if (next->at[i] == node) return build_hold(g, loop, node, index);
    return node;
}

Graph *fuse_settle_loops(Graph *from) {
    Graph *to = graph_rebuild(from, settle_node, NULL);
    for (int loop = 1; loop <= to->loops.len; loop++)
        for (int i = 0; i < graph_loop(to, loop)->next.len; i++) {
            Node *next = graph_loop(to, loop)->next.at[i];
            if (!next) continue;
            graph_tag_as(to, next);
            graph_loop(to, loop)->next.at[i] = own_next(to, loop, i);
        }
    return to;
}
