// autodiff_loop.c: the gradient of a loop is a loop over the same steps in the other direction: back-propagation
// through time (Werbos, "Backpropagation through time: what it does and how to do it", Proceedings of the IEEE 78,
// 1990).
//     loop 1 over T                             loop 2 over T reverse
//     %3 = element %x {loop=1}                  %13 = element %x {loop=2}                     the same values again,
//     %4 = carry %h0 {loop=1, index=0}          %14 = element (stack %4) {loop=2}             as they were in this step
//     %5 = tanh (%3 + %4)                       %15 = tanh (%13 + %14)
//     %6 = stack %5 {loop=1}, next %4 = %5      %16 = carry %zero {loop=2, index=0}           d_%5 from later steps
//                                               %17 = %16 + element %d_6 {loop=2}             d_%5
//                                               %18 = %17 * (1 - %15 * %15), next %16 = %18   d_%4 and d_%3
//                                               d_x = stack %18 {loop=2}, d_h0 = last %18 {loop=2}
// A loop in blocks (checkpoint(steps=16)) keeps what it carries from block to block alone: its gradient runs the steps
// of a block again, then goes back through them. What the steps read from outside gets the sum over all steps, which is
// carried. Every value of a step is computed again from what the loop carries; the pass keep decides which are read
// from memory instead.
#include "ir/autodiff.h"

typedef struct Capture {
    Node *x, *sum; // of one step
} Capture;

typedef struct Captures {
    VEC(Capture) all;
} Captures;

// ---- values of the forward loop ------------------------------------------------------------------------------------

static Node *known_twin(const Autodiff *ad, const Node *node) {
    int place = tag_known(&ad->twins, node);
    return place ? ad->g->nodes.at[place - 1] : NULL;
}

// ---- blocks that run again ------------------------------------------------------------------------------------------

static Node *copy_of(Autodiff *ad, Node *node);

// A loop like a forward one, in the gradient of the loop around that.
static int loop_again(Autodiff *ad, int loop) {
    Graph *g = ad->g;
    if (ad->again[loop]) return ad->again[loop];
    Loop fore = *graph_loop(g, loop);
    int parent = ad->again[fore.parent] ? ad->again[fore.parent] : ad->back[fore.parent];
    int again = ad->again[loop] = graph_loop_new(g, fore.steps, fore.reverse, parent);
    for (int i = 0; i < fore.carry.len; i++)
        if (fore.carry.at[i]) copy_of(ad, fore.carry.at[i]);
    for (int i = 0; i < fore.carry.len; i++)
        if (fore.carry.at[i]) graph_loop_next(g, copy_of(ad, fore.carry.at[i]), copy_of(ad, fore.next.at[i]));
    return again;
}

static Node *make_copy(Autodiff *ad, Node *node) {
    Graph *g = ad->g;
    int again = ad->again[node->loop];
    Node *in[MAX_INPUTS];
    if (node_is(node, stack) || node_is(node, last)) {
        int inner = loop_again(ad, node_loop_attr(node));
        Node *value = copy_of(ad, node->in[0]);
        return node_is(node, stack) ? build_stack(g, inner, value) : build_last(g, inner, value);
    }
    for (int k = 0; k < node->nin; k++) in[k] = copy_of(ad, node->in[k]);
    g->name_now = node->name;
    if (node_is(node, step)) return build_step(g, again);
    if (node_is(node, carry)) return build_carry(g, again, in[0]);
    if (node_is(node, element)) return build_element(g, again, in[0]);
    return graph_op(g, node->op, in, node->nin, node->attr);
}

// The node's value in the loop that runs again; of a node outside of it, in the gradient.
static Node *copy_of(Autodiff *ad, Node *node) {
    if (!node->loop || !ad->again[node->loop]) return autodiff_twin(ad, node);
    int place = tag_known(&ad->copies, node);
    if (place) return ad->g->nodes.at[place - 1];
    Node *copy = make_copy(ad, node);
    *tag_of(&ad->copies, node) = copy->id + 1;
    return copy;
}

static Node *make_twin(Autodiff *ad, Node *node) {
    Graph *g = ad->g;
    int loop = node->loop, back = ad->back[loop];
    Node *in[MAX_INPUTS];
    g->name_now = node->name;
    if (node_is(node, step)) return build_step(g, back);
    bool leaves = node_is(node, stack) || node_is(node, last);
    if (leaves && graph_loop(g, loop)->checkpoint) {
        int again = loop_again(ad, node_loop_attr(node));
        Node *value = copy_of(ad, node->in[0]);
        return node_is(node, stack) ? build_stack(g, again, value) : build_last(g, again, value);
    }
    // What a loop carries, and what an inner loop gives, was kept.
    if (node_is(node, carry) || node_is(node, stack) || node_is(node, last))
        return build_element(g, back, autodiff_twin(ad, build_stack(g, loop, node)));
    if (node_is(node, hold)) return autodiff_twin(ad, node->in[0]);
    for (int k = 0; k < node->nin; k++) in[k] = autodiff_twin(ad, node->in[k]);
    if (node_is(node, element)) return build_element(g, back, in[0]);
    g->name_now = node->name; // again, because those of the inputs have set it
    Node *twin = graph_op(g, node->op, in, node->nin, node->attr);
    if (!twin) dlc_bug("autodiff", "%s cannot be computed again", node_text(g->arena, node));
    return twin;
}

Node *autodiff_twin(Autodiff *ad, Node *node) {
    if (!node->loop) return node;
    Node *twin = known_twin(ad, node);
    if (twin) return twin;
    twin = make_twin(ad, node);
    *tag_of(&ad->twins, node) = twin->id + 1;
    return twin;
}

// ---- gradients ------------------------------------------------------------------------------------------------------

Node **autodiff_captured(Autodiff *ad, Node *x) {
    Captures *captures = ad->outside;
    for (int k = 0; k < captures->all.len; k++)
        if (captures->all.at[k].x == x) return &captures->all.at[k].sum;
    vec_push(ad->scratch, &captures->all, (Capture){x, NULL});
    return &captures->all.at[captures->all.len - 1].sum;
}

typedef struct Backward {
    Autodiff *ad;
    const Loop *loop;
    int number, back;
    Node **carried; // by index: what carries the gradient to the step before, or NULL
} Backward;

static bool has_gradient(const Autodiff *ad, const Node *node) {
    return node && ad->needs[node->id] && dtype_info[node->type.dtype].is_float;
}

// The gradient of what leaves with the last step; NULL: none arrived.
static Node *arrived_last(const Backward *b, const Node *value) {
    for (int id = value->id + 1; id < b->ad->nforward; id++) {
        const Node *node = b->ad->g->nodes.at[id];
        if (node_is(node, last) && node->in[0] == value) return b->ad->arrived[id];
    }
    return NULL;
}

static Node *zero_like(Graph *g, const Node *node) { return build_full(g, &node->type, 0); }

// The gradient of a carried value goes from each step to the one before.
static void carry_gradients(Backward *b) {
    Graph *g = b->ad->g;
    for (int i = 0; i < b->loop->carry.len; i++) {
        Node *carry = b->loop->carry.at[i], *next = b->loop->next.at[i];
        if (!has_gradient(b->ad, carry)) continue;
        Node *begin = NULL;
        bool first = true;
        for (int k = 0; k < i; k++) first &= b->loop->next.at[k] != next || !b->carried[k];
        if (next->loop == b->number && first) begin = arrived_last(b, next);
        b->carried[i] = build_carry(g, b->back, begin ? begin : zero_like(g, next));
        b->carried[i]->name = arena_printf(g->arena, "d_%s", carry->name ? carry->name : "carry");
    }
    for (int i = 0; i < b->loop->carry.len; i++)
        if (b->carried[i] && b->ad->needs[b->loop->next.at[i]->id])
            autodiff_add(b->ad, b->loop->carry.at[i], b->loop->next.at[i], b->carried[i]);
}

static bool is_carried_on(const Backward *b, const Node *value) {
    for (int i = 0; i < b->loop->carry.len; i++)
        if (b->carried[i] && b->loop->next.at[i] == value) return true;
    return false;
}

// Gradients of results: each step's part of a stack's, and in the last step that of the last value.
static void enter_gradients(Backward *b) {
    Autodiff *ad = b->ad;
    Graph *g = ad->g;
    for (int id = 0; id < ad->nforward; id++) {
        Node *node = g->nodes.at[id];
        bool leaves = node_is(node, stack) || node_is(node, last);
        if (!leaves || node_loop_attr(node) != b->number || !ad->arrived[id] || !has_gradient(ad, node)) continue;
        g->name_now = arena_printf(g->arena, "d_%s", node->name ? node->name : node->op->name);
        if (node_is(node, stack)) {
            autodiff_add(ad, node, node->in[0], build_element(g, b->back, ad->arrived[id]));
        } else if (!is_carried_on(b, node->in[0])) {
            Node *once = build_carry(g, b->back, ad->arrived[id]);
            graph_loop_next(g, once, zero_like(g, once));
            autodiff_add(ad, node, node->in[0], once);
        }
    }
}

// What the steps made is handed on, within the loop and out of it. `ad->loop` is the outer loop again.
static void leave_gradients(Backward *b, int first, int end) {
    Autodiff *ad = b->ad;
    Graph *g = ad->g;
    for (int i = 0; i < b->loop->carry.len; i++) {
        Node *carry = b->loop->carry.at[i];
        if (!b->carried[i]) continue;
        Node *arrived = ad->arrived[carry->id] ? ad->arrived[carry->id] : zero_like(g, carry);
        graph_loop_next(g, b->carried[i], arrived);
        if (ad->needs[carry->in[0]->id]) autodiff_add(ad, carry, carry->in[0], build_last(g, b->back, arrived));
    }
    for (int k = first; k < end; k++) {
        Node *node = ad->schedule.order.at[k];
        if (!node_is(node, element) || node->loop != b->number || !ad->arrived[node->id]) continue;
        if (has_gradient(ad, node->in[0]))
            autodiff_add(ad, node, node->in[0], build_stack(g, b->back, ad->arrived[node->id]));
    }
}

// "d_" and the name of the value; of a weight that a layer transposed, that of the weight.
static const char *gradient_name(Graph *g, const Node *x) {
    const Node *of = x;
    while (of->op->traits & OP_MOVEMENT && of->nin == 1) of = of->in[0];
    const char *name = node_is(of, storage) ? node_attr(of, "name")->s : x->name;
    return name ? arena_printf(g->arena, "d_%s", name) : NULL;
}

static void leave_captures(Backward *b, const Captures *captures) {
    Graph *g = b->ad->g;
    for (int k = 0; k < captures->all.len; k++) {
        Node *x = captures->all.at[k].x;
        g->name_now = gradient_name(g, x);
        Node *sum = build_carry(g, b->back, zero_like(g, x));
        Node *next = build_binary(g, "add", sum, captures->all.at[k].sum);
        graph_loop_next(g, sum, next);
        autodiff_add(b->ad, x, x, build_last(g, b->back, next));
    }
}

bool autodiff_loop(Autodiff *ad, int number, int first, int end) {
    Graph *g = ad->g;
    bool any = false;
    for (int id = 0; id < ad->nforward; id++) {
        const Node *node = g->nodes.at[id];
        bool leaves = node_is(node, stack) || node_is(node, last);
        any |= leaves && node_loop_attr(node) == number && ad->arrived[id] && has_gradient(ad, node);
    }
    if (!any) return true;
    const Loop *loop = graph_loop(g, number);
    int outer = ad->loop;
    g->span_now = loop->span;
    Dim steps = loop->steps;
    bool reverse = !loop->reverse, checkpoint = loop->checkpoint;
    int back = graph_loop_new(g, steps, reverse, outer ? ad->back[outer] : 0);
    graph_loop(g, back)->checkpoint = checkpoint;
    Backward b = {.ad = ad, .loop = graph_loop(g, number), .number = number, .back = back};
    b.carried = NEW_ARRAY(ad->scratch, Node *, b.loop->carry.len + 1);
    Captures captures = {{0}}, *before = ad->outside;
    ad->back[number] = back;
    ad->loop = number;
    ad->outside = &captures;
    for (int k = first; k < end; k++) // in order, so that no long chain is followed
        if (ad->schedule.order.at[k]->loop == number) autodiff_twin(ad, ad->schedule.order.at[k]);
    carry_gradients(&b);
    enter_gradients(&b);
    bool good = autodiff_backward(ad, first, end);
    ad->loop = outer;
    ad->outside = before;
    if (!good) return false;
    g->name_now = NULL;
    leave_gradients(&b, first, end);
    leave_captures(&b, &captures);
    return true;
}
