// sink.c: what a loop only sums up, or only hands out, moves after it, over the stacks of what it is made of.
//     %16 = carry %zero, next %16 = %17
//     %17 = %16 + contract %d, %h              contract (stack %d), (stack %h), which sums over the steps too
//     %19 = last %17                 becomes   %19 = %zero + that
//     %20 = contract %d, %w
//     %21 = stack %20                          contract (stack %d), %w
// So the gradient of a weight is one large product instead of one small one in each step, as is that of a sequence.
#include "passes/lift.h"

typedef struct Sink {
    const Graph *from;
    int *uses; // of its nodes
    bool any;
} Sink;

// Which input of a sum in a loop is the carried value that it goes on with, if nothing else reads it; -1: none.
static int find_sum(const Sink *s, const Node *last) {
    enum { AS_NEXT = 2 }; // as graph_count_uses counts
    const Node *sum = last->in[0];
    int loop = node_loop_attr(last);
    for (int k = 0; node_is(sum, add) && k < 2; k++) {
        const Node *carry = sum->in[k];
        if (!node_is(carry, carry) || carry->loop != loop || s->uses[carry->id] != 1) continue;
        bool own = graph_loop(s->from, loop)->next.at[carry->attr[1].i] == sum && s->uses[sum->id] == AS_NEXT + 1;
        if (own) return k;
    }
    return -1;
}

// Moving a sum keeps its terms of all steps in memory. One product over all steps is worth that; other sums of the
// forward pass stay in the loop. Those of the backward pass are of gradients, which are kept anyway.
static bool sum_may_leave(const Node *term) {
    while (term->op->traits & OP_MOVEMENT && term->nin == 1) term = term->in[0];
    return term->section >= SECTION_BACKWARD || node_is(term, contract);
}

// A contraction, perhaps moved, that is read for this stack alone.
static bool only_leaves(const Sink *s, const Node *node) {
    while (node->op->traits & OP_MOVEMENT && node->nin == 1 && s->uses[node->id] == 1) node = node->in[0];
    return node_is(node, contract) && s->uses[node->id] == 1;
}

static Node *sink_node(Graph *to, const Node *old, Node *const *in, void *context) {
    Sink *s = context;
    if (!node_is(old, stack) && !node_is(old, last)) return NULL;
    int loop = node_loop_attr(old);
    if (in[0]->loop != loop || graph_loop(to, loop)->checkpoint) return NULL;
    Node *made = NULL;
    int k = node_is(old, last) && node_is(in[0], add) ? find_sum(s, old) : -1;
    if (k >= 0 && node_is(in[0]->in[k], carry) && sum_may_leave(in[0]->in[1 - k])) {
        Node *sum = lift_sum(to, in[0]->in[1 - k], loop);
        graph_tag_as(to, old);
        made = build_binary(to, "add", in[0]->in[k]->in[0], sum);
    } else if (node_is(old, stack) && only_leaves(s, old->in[0]) && lift_possible(to, in[0], loop, LIFT_LEAVING)) {
        made = lift_node(to, in[0], loop, LIFT_LEAVING);
    }
    s->any |= made != NULL;
    return made;
}

Graph *pass_sink(Graph *g, const PassOptions *options) {
    (void)options;
    bool any = g->loops.len > 0;
    while (any) { // what only a sum or a stack read may leave next
        Arena scratch = {0};
        Sink s = {.from = g, .uses = graph_count_uses(&scratch, g)};
        g = graph_rebuild(graph_rebuild(g, sink_node, &s), NULL, NULL);
        any = s.any;
        arena_release(&scratch);
    }
    return g;
}
