// keep.c: what a loop computes as an earlier loop over the same steps did is read from memory, where that is cheaper.
//     loop 1:  %5 = tanh (%3 + %4)                           loop 1:  %5 = tanh (%3 + %4), stacked as %20
//     loop 2:  %15 = tanh (%13 + %14)      becomes           loop 2:  %15 = element %20
//              %18 = %17 * (1 - %15 * %15)                            %18 = %17 * (1 - %15 * %15)
// The gradient of a loop computes every value of a step again (ir/autodiff_loop.c). This pass finds that %15 is %5: its
// operator is the same, %13 is the element of the sequence that %3 is, and %14 that of the stack of %4. Results of
// contractions and reductions are kept. So are those of expensive operators whose inputs are not at hand. Everything
// else is computed again. Where only a slice of a value is wanted, the slice is kept. In a `checkpoint` block only what
// the loop carries is kept.
#include "ops/op.h"
#include "passes/passes.h"

typedef struct Keep {
    Graph *g;
    Arena scratch;
    Schedule schedule;
    Node **image; // by node id: the node of an earlier loop that has its value, or NULL
    Node **here;  // the same, in the earlier loop that is looked at
    bool *kept;   // by node id: its image is stacked, and it is an element of that
    bool *costly; // by node id: see find_costly
} Keep;

// ---- which node of which loop ---------------------------------------------------------------------------------------

// The node of the graph with that operator, inputs and attributes, in that copy; NULL: there is none.
static Node *find_node(const Graph *g, const Op *op, Node *const *in, int nin, const Attr *attr, int copy) {
    return graph_find(g, node_hash(op, in, nin, attr, copy), op, in, nin, attr, copy);
}

// What a node that loop `back` reads is in loop `fore`: what stands outside of both is itself.
static Node *image_of(const Keep *k, Node *node, int back, int fore) {
    if (node->loop == back) return k->here[node->id];
    return graph_loop_within(k->g, fore, node->loop) && node->loop != fore ? node : NULL;
}

static Node *find_image(const Keep *k, Node *node, int back, int fore) {
    Node *in[MAX_INPUTS];
    Attr loop = {.i = fore};
    if (node_is(node, step)) return find_node(k->g, &op_step, NULL, 0, &loop, 0);
    if (node_is(node, element)) {
        Node *sequence = node->in[0];
        if (node_is(sequence, stack) && node_loop_attr(sequence) == fore) return sequence->in[0];
        return find_node(k->g, &op_element, &sequence, 1, &loop, 0);
    }
    if (node_is_loop(node)) return NULL;
    bool inside = false;
    for (int i = 0; i < node->nin; i++) {
        in[i] = image_of(k, node->in[i], back, fore);
        if (!in[i]) return NULL;
        inside |= in[i]->loop == fore;
    }
    return inside ? find_node(k->g, node->op, in, node->nin, node->attr, node->copy) : NULL;
}

// Whether loop `fore` runs before `back`, step for step beside it.
static bool runs_before(const Keep *k, int fore, int back) {
    const Loop *a = graph_loop(k->g, fore), *b = graph_loop(k->g, back);
    return a->parent == b->parent && dim_equal(a->steps, b->steps) &&
           k->schedule.loop_phase[fore] < k->schedule.loop_phase[back];
}

static void find_images(Keep *k) {
    for (int back = 1; back <= k->g->loops.len; back++)
        for (int fore = 1; fore <= k->g->loops.len; fore++) {
            if (fore == back || !runs_before(k, fore, back)) continue;
            for (int id = 0; id < k->g->nodes.len; id++) {
                Node *node = k->g->nodes.at[id];
                if (node->loop != back) continue;
                k->here[id] = find_image(k, node, back, fore);
                if (!k->image[id]) k->image[id] = k->here[id];
            }
        }
}

// ---- which are kept -------------------------------------------------------------------------------------------------

static bool is_heavy(const Node *node) { return node->op->traits & (OP_REDUCES | OP_EXPENSIVE | OP_ALONE); }

// Finds what takes a contraction or a reduction to compute again.
static void find_costly(Keep *k) {
    for (int id = 0; id < k->g->nodes.len; id++) {
        const Node *node = k->g->nodes.at[id];
        k->costly[id] = node->loop && node->op->traits & (OP_REDUCES | OP_ALONE);
        for (int i = 0; i < node->nin && !node_is_loop(node); i++)
            k->costly[id] |= node->in[i]->loop == node->loop && k->costly[node->in[i]->id];
    }
}

// A part of such a value, which takes less memory than all of it.
static bool is_part(const Keep *k, const Node *node) {
    return node->op->traits & OP_MOVEMENT && node->nin == 1 && k->costly[node->in[0]->id] &&
           type_count(&node->type) < type_count(&node->in[0]->type);
}

static bool may_be_kept(const Keep *k, const Node *node) {
    const Node *image = k->image[node->id];
    if (!image || node_is_loop(node) || image->checkpoint || node->type.rank == MAX_RANK) return false;
    return is_heavy(node) || is_part(k, node);
}

// From the last node on: what the loop wants for itself is kept or, where it follows cheaply, its inputs are wanted.
static void choose_wanted(Keep *k) {
    const Graph *g = k->g;
    bool *wanted = NEW_ARRAY(&k->scratch, bool, g->nodes.len + 1);
    for (int l = 0; l < g->loops.len; l++)
        for (int i = 0; i < g->loops.at[l].next.len; i++)
            if (g->loops.at[l].next.at[i]) wanted[g->loops.at[l].next.at[i]->id] = true;
    for (int id = g->nodes.len - 1; id >= 0; id--) {
        const Node *node = g->nodes.at[id];
        k->kept[id] = wanted[id] && may_be_kept(k, node);
        bool reads = !k->image[id] || (wanted[id] && !k->kept[id]);
        for (int i = 0; i < node->nin && reads; i++) wanted[node->in[i]->id] = true;
    }
}

// Whether the loop can compute the node from what it reads and from what is kept, in a few cheap steps.
static bool is_near(const Keep *k, const Node *node, int loop, int *steps) {
    if (node->loop != loop || node_is_loop(node) || k->kept[node->id]) return true;
    if (is_heavy(node) || --*steps < 0) return false;
    for (int i = 0; i < node->nin; i++)
        if (!is_near(k, node->in[i], loop, steps)) return false;
    return true;
}

// An expensive element-wise operator over what is at hand, such as the tanh of an LSTM's cell, takes less time than its
// memory is worth.
static void drop_near(Keep *k) {
    enum { MOST_STEPS = 8 };
    for (int id = k->g->nodes.len - 1; id >= 0; id--) {
        const Node *node = k->g->nodes.at[id];
        bool near = k->kept[id] && !(node->op->traits & (OP_REDUCES | OP_ALONE | OP_MOVEMENT));
        int steps = MOST_STEPS;
        for (int i = 0; i < node->nin && near; i++) near = is_near(k, node->in[i], node->loop, &steps);
        if (near) k->kept[id] = false;
    }
}

static Node *keep_node(Graph *to, const Node *old, Node *const *in, void *context) {
    const Keep *k = context;
    (void)in;
    if (!k->kept[old->id]) return NULL;
    const Node *image = k->image[old->id];
    Node *stack = build_stack(to, image->loop, image->map);
    return build_element(to, old->loop, stack);
}

Graph *pass_keep(Graph *g, const PassOptions *options) {
    (void)options;
    if (!g->loops.len) return g;
    Keep k = {.g = g};
    k.schedule = graph_schedule(&k.scratch, g);
    k.image = NEW_ARRAY(&k.scratch, Node *, g->nodes.len + 1);
    k.here = NEW_ARRAY(&k.scratch, Node *, g->nodes.len + 1);
    k.costly = NEW_ARRAY(&k.scratch, bool, g->nodes.len + 1);
    k.kept = NEW_ARRAY(&k.scratch, bool, g->nodes.len + 1);
    find_images(&k);
    find_costly(&k);
    choose_wanted(&k);
    drop_near(&k);
    // What was only computed again has no reader any more: the second rebuild drops it.
    Graph *to = graph_rebuild(graph_rebuild(g, keep_node, &k), NULL, NULL);
    arena_release(&k.scratch);
    return to;
}
