// twice.c: find values that a comparison depends on through two computations of them.
//     h = x*x - z, m = max of h over a row, c = h == m
//     h = 0.3*x, m = max of h over a row, e = exp(h - m)      h - m is 0 where h is the largest, be that 1e10
// C computes h in the loop that finds m, and maybe again in the loop that compares. A compiler may turn x*x - z into
// one fused multiply-add in the first loop only, or keep one of the results in a wider register: then no h equals m.
// What the comparison depends on is followed back through element-wise operators, movement, maxima and minima. It stops
// at sums and contractions, because those never equal one of their terms by construction. The answer is a node that
// rounds, or the nearest one to the comparison that follows from it and is computed twice as well.
#include "passes/twice.h"

#include <stdlib.h>

#include "ops/op.h"

// A comparison looks at so many nodes, the nearest first: what lies further back equals nothing by construction.
enum { MOST_MET = 512 };

static bool is_extreme(const Node *node) { return node_is(node, reduce) && node_reduces(node) != REDUCE_SUM; }
static bool is_movement(const Node *node) { return node->op->traits & (OP_MOVEMENT | OP_IDENTITY); }

// Where it does not matter what a node is made of: its value equals none of its terms.
static bool ends_search(const Twice *t, const Node *node) {
    return t->of[node->id].fixed || node->op->traits & (OP_INPUT | OP_ALONE) ||
           (node->op->traits & OP_REDUCES && !is_extreme(node));
}

// Only a product may become part of a fused multiply-add, and so differ from itself; sums are rounded everywhere.
static bool rounds(const Twice *t, const Node *node, bool products_alone) {
    if (products_alone && !node_is(node, mul)) return false;
    bool exact = t->of[node->id].fixed || node->op->traits & (OP_EXACT | OP_INPUT);
    return !exact && !is_movement(node) && !is_extreme(node) && dtype_info[node->type.dtype].is_float;
}

// x - max(x), which a softmax begins with: exp of it is 1 at the largest x, however large that is.
static bool subtracts_extreme(const Node *node) {
    const Node *less = node_is(node, sub) ? node->in[1] : NULL;
    while (less && is_movement(less) && less->nin == 1) less = less->in[0];
    return less && is_extreme(less);
}

bool twice_matters(const Node *node) {
    bool matters = node->op->traits & OP_JUMPS || subtracts_extreme(node);
    return matters && dtype_info[node->in[0]->type.dtype].is_float;
}

static void find_fixed(Twice *t) {
    for (int id = 0; id < t->g->nodes.len; id++) {
        const Node *node = t->g->nodes.at[id];
        t->of[id].fixed = node->op->traits & OP_SOURCE || node->nin;
        for (int i = 0; i < node->nin; i++) t->of[id].fixed &= t->of[node->in[i]->id].fixed;
    }
}

Twice twice_new(const Graph *g, FindComputation *find, const void *context) {
    Twice t = {.g = g, .find = find, .context = context};
    t.of = NEW_ARRAY(&t.scratch, struct Met, g->nodes.len + 1);
    find_fixed(&t);
    return t;
}

void twice_release(Twice *t) { arena_release(&t->scratch); }

// ---- what a comparison depends on ----------------------------------------------------------------------------------

static uint64_t place_after(uint64_t place, const Node *movement) {
    uint64_t x = (place ^ (uint64_t)(movement->id + 1)) * 0x9e3779b97f4a7c15u;
    return (x ^ (x >> 29)) | 1;
}

static void need_inputs(Twice *t, const Node *node, Computation at) {
    bool stays = node->op->traits & (OP_ELEMENTWISE | OP_IDENTITY | OP_REDUCES);
    if (!stays) at.place = place_after(at.place, node);
    for (int i = 0; i < node->nin; i++) vec_push(&t->scratch, &t->work, ((Visit){node->in[i], at}));
}

static void visit(Twice *t, Node *node, Computation at) {
    at = t->find(t->context, node, at);
    struct Met *met = &t->of[node->id];
    const Computation *first = &met->first;
    if (!met->is_met) {
        met->is_met = true;
        met->first = at;
        vec_push(&t->scratch, &t->met, node);
    } else if (met->twice || (first->group == at.group && first->loop == at.loop && first->place == at.place)) {
        return; // two computations are enough to know
    } else {
        met->twice = true;
    }
    if (!ends_search(t, node)) need_inputs(t, node, at);
}

static int by_id(const void *a, const void *b) {
    int left = (*(Node *const *)a)->id, right = (*(Node *const *)b)->id;
    return (left > right) - (left < right);
}

static void forget(Twice *t) {
    for (int k = 0; k < t->met.len; k++) {
        struct Met *met = &t->of[t->met.at[k]->id];
        met->is_met = met->twice = met->differs = false;
    }
    t->met.len = 0;
}

Node *twice_find(Twice *t, const Node *comparison, Computation at) {
    Node *nearest = NULL;
    forget(t);
    t->work.len = 0;
    need_inputs(t, comparison, at);
    for (int k = 0; k < t->work.len && t->met.len < MOST_MET; k++) visit(t, t->work.at[k].node, t->work.at[k].at);
    if (t->met.len) qsort(t->met.at, (size_t)t->met.len, sizeof(Node *), by_id);
    for (int k = 0; k < t->met.len; k++) {
        Node *node = t->met.at[k];
        bool differs = rounds(t, node, !(comparison->op->traits & OP_JUMPS));
        for (int i = 0; i < node->nin && !ends_search(t, node); i++) differs |= t->of[node->in[i]->id].differs;
        t->of[node->id].differs = differs && t->of[node->id].twice;
        if (t->of[node->id].differs) nearest = node;
    }
    while (nearest && is_movement(nearest)) {
        int i = 0;
        while (!t->of[nearest->in[i]->id].differs) i++;
        nearest = nearest->in[i];
    }
    return nearest;
}
