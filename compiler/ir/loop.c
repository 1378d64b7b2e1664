// loop.c: the loops of a graph: their nodes, and the order in which nodes can be computed when a loop stays a loop.
//     %3 = element %0 {loop=1}     %7 = neg %0     %4 = tanh %3     %5 = stack %4 {loop=1}     %6 = add %5, %7
// is scheduled as
//     %0 %7 | loop 1: %3 %4 | %5 %6
// Nodes outside come in phases. Phase 0 depends on no loop. A loop runs after the phase of all that its nodes read, and
// what it gives is of the next phase. So no node that a loop needs, directly or through others, is of a later phase
// than the loop, and none that depends on the loop is of an earlier one.
#include <string.h>

#include "ops/op.h"

int graph_loop_new(Graph *g, Dim steps, bool reverse, int parent) {
    vec_push(g->arena, &g->loops, (Loop){.steps = steps, .reverse = reverse, .parent = parent, .span = g->span_now});
    return g->loops.len;
}

bool graph_loop_within(const Graph *g, int inner, int outer) {
    while (inner > outer) inner = graph_loop(g, inner)->parent;
    return inner == outer;
}

int graph_loop_below(const Graph *g, int inner, int outer) {
    while (graph_loop(g, inner)->parent != outer) inner = graph_loop(g, inner)->parent;
    return inner;
}

int graph_loop_depth(const Graph *g, int number) {
    int depth = 0;
    while ((number = graph_loop(g, number)->parent)) depth++;
    return depth;
}

int64_t graph_loop_steps(const Graph *g, int number) {
    int64_t steps = 1;
    for (; number; number = graph_loop(g, number)->parent) steps *= graph_loop(g, number)->steps.extent;
    return steps;
}

bool node_is_loop(const Node *node) { return node->op->traits & OP_LOOP; }

// ---- nodes ----------------------------------------------------------------------------------------------------------

static Node *loop_node(Graph *g, const Op *op, int loop, Node *in) {
    return graph_op(g, op, &in, in ? 1 : 0, (Attr[]){{.i = loop}});
}

Node *build_carry(Graph *g, int loop, Node *init) {
    Loop *l = graph_loop(g, loop);
    if (!init) return NULL;
    Node *carry = graph_op(g, &op_carry, &init, 1, (Attr[]){{.i = loop}, {.i = l->carry.len}});
    vec_push(g->arena, &graph_loop(g, loop)->carry, carry);
    vec_push(g->arena, &graph_loop(g, loop)->next, carry); // until it is said
    return carry;
}

void graph_loop_next(Graph *g, const Node *carry, Node *value) {
    graph_loop(g, node_loop_attr(carry))->next.at[carry->attr[1].i] = value;
}

Node *node_next(const Graph *g, const Node *leaving) {
    if (!node_is(leaving, stack) && !node_is(leaving, last)) return NULL;
    const Node *carry = leaving->in[0];
    bool carried = node_is(carry, carry) && node_loop_attr(carry) == node_loop_attr(leaving);
    return carried ? graph_loop(g, node_loop_attr(carry))->next.at[carry->attr[1].i] : NULL;
}

// What counts the steps needs no memory, nor does what is the same in all of them.
Node *build_element(Graph *g, int loop, Node *sequence) {
    if (!sequence) return NULL;
    Dim steps = graph_loop(g, loop)->steps;
    Type type = sequence->type; // of an element
    type.rank--;
    for (int d = 0; d < type.rank; d++) type.dim[d] = sequence->type.dim[d + 1];
    if (!sequence->type.rank || !dim_equal(sequence->type.dim[0], steps))
        return loop_node(g, &op_element, loop, sequence); // which refuses
    if (node_is(sequence, iota)) {
        int axis = (int)node_attr(sequence, "axis")->i;
        if (axis) return build_iota(g, &type, axis - 1);
        return build_broadcast(g, build_cast(g, build_step(g, loop), type.dtype), &type, NULL);
    }
    if (node_is(sequence, broadcast)) {
        const Attr *axes = node_attr(sequence, "axes");
        int axis[MAX_RANK] = {0};
        for (int k = 0; k < axes->n; k++) axis[k] = (int)axes->ints[k] - 1;
        if (!axes->n || axis[0] >= 0) return build_broadcast(g, sequence->in[0], &type, axis);
    }
    return loop_node(g, &op_element, loop, sequence);
}

Node *build_step(Graph *g, int loop) { return loop_node(g, &op_step, loop, NULL); }

Node *build_hold(Graph *g, int loop, Node *value, int64_t number) {
    return value ? graph_op(g, &op_hold, &value, 1, (Attr[]){{.i = loop}, {.i = number}}) : NULL;
}

Node *build_stack(Graph *g, int loop, Node *value) {
    if (!value) return NULL;
    if (node_is(value, element) && value->loop == loop) return value->in[0];
    if (value->loop == loop) return loop_node(g, &op_stack, loop, value);
    Type shape = value->type; // the same in all steps
    shape.dim[0] = graph_loop(g, loop)->steps;
    int axes[MAX_RANK];
    if (shape.rank == MAX_RANK) return loop_node(g, &op_stack, loop, build_hold(g, loop, value, 0)); // which refuses
    for (int d = 0; d < value->type.rank; d++) {
        shape.dim[d + 1] = value->type.dim[d];
        axes[d] = d + 1;
    }
    shape.rank++;
    return build_broadcast(g, value, &shape, axes);
}

Node *build_last(Graph *g, int loop, Node *value) {
    return value && value->loop == loop ? loop_node(g, &op_last, loop, value) : value;
}

// ---- the order ------------------------------------------------------------------------------------------------------

typedef struct Phases {
    const Graph *g;
    Schedule *schedule;
    bool changed;
} Phases;

// The node is read in `loop` (or the loops in it): whichever loop among the siblings of the node's own that is, it runs
// after the node.
static void read_in(Phases *p, const Node *in, int loop) {
    while (loop && loop != in->loop) {
        int parent = graph_loop(p->g, loop)->parent, *phase = &p->schedule->loop_phase[loop];
        if (parent == in->loop && *phase < p->schedule->phase[in->id]) {
            *phase = p->schedule->phase[in->id];
            p->changed = true;
        }
        loop = parent;
    }
}

static void find_phases(Phases *p) {
    Schedule *s = p->schedule;
    for (int id = 0; id < p->g->nodes.len; id++) {
        const Node *node = p->g->nodes.at[id];
        int phase = 0;
        for (int i = 0; i < node->nin; i++) {
            const Node *in = node->in[i];
            int after = -1;
            if (in->loop == node->loop)
                after = s->phase[in->id];
            else if (graph_loop_within(p->g, in->loop, node->loop))
                after = s->loop_phase[graph_loop_below(p->g, in->loop, node->loop)] + 1;
            else
                read_in(p, in, node->loop);
            if (after > phase) phase = after;
        }
        p->changed |= s->phase[id] != phase;
        s->phase[id] = phase;
    }
    for (int l = 1; l <= p->g->loops.len; l++) // a value from outside that a step hands on
        for (int i = 0; i < graph_loop(p->g, l)->next.len; i++) {
            const Node *next = graph_loop(p->g, l)->next.at[i];
            if (next) read_in(p, next, l);
        }
}

typedef struct ByLoop {
    NodeVec *nodes;  // by loop: its own, in the order of their ids
    IntVec *inside;  // by loop: those whose parent it is
    int *last_phase; // by loop: the last one of its nodes and loops
} ByLoop;

static void put_loop(Arena *arena, const ByLoop *by, Schedule *s, int loop) {
    int *at = NEW_ARRAY(arena, int, by->last_phase[loop] + 2), n = by->nodes[loop].len;
    Node **sorted = NEW_ARRAY(arena, Node *, n + 1);
    for (int k = 0; k < n; k++) at[s->phase[by->nodes[loop].at[k]->id] + 1]++;
    for (int phase = 0; phase <= by->last_phase[loop]; phase++) at[phase + 1] += at[phase];
    for (int k = 0; k < n; k++) sorted[at[s->phase[by->nodes[loop].at[k]->id]]++] = by->nodes[loop].at[k];
    for (int phase = 0, k = 0; phase <= by->last_phase[loop]; phase++) {
        for (; k < n && s->phase[sorted[k]->id] == phase; k++) vec_push(arena, &s->order, sorted[k]);
        for (int i = 0; i < by->inside[loop].len; i++)
            if (s->loop_phase[by->inside[loop].at[i]] == phase) put_loop(arena, by, s, by->inside[loop].at[i]);
    }
}

Schedule graph_schedule(Arena *arena, const Graph *g) {
    int n = g->nodes.len, loops = g->loops.len;
    Schedule s = {.phase = NEW_ARRAY(arena, int, n + 1), .loop_phase = NEW_ARRAY(arena, int, loops + 2)};
    Phases phases = {.g = g, .schedule = &s, .changed = loops > 0};
    while (phases.changed) {
        phases.changed = false;
        find_phases(&phases);
    }
    ByLoop by = {NEW_ARRAY(arena, NodeVec, loops + 2), NEW_ARRAY(arena, IntVec, loops + 2),
                 NEW_ARRAY(arena, int, loops + 2)};
    for (int id = 0; id < n; id++) {
        int loop = g->nodes.at[id]->loop;
        vec_push(arena, &by.nodes[loop], g->nodes.at[id]);
        if (s.phase[id] > by.last_phase[loop]) by.last_phase[loop] = s.phase[id];
    }
    for (int l = 1; l <= loops; l++) {
        int parent = graph_loop(g, l)->parent;
        vec_push(arena, &by.inside[parent], l);
        if (s.loop_phase[l] > by.last_phase[parent]) by.last_phase[parent] = s.loop_phase[l];
    }
    put_loop(arena, &by, &s, 0);
    return s;
}

int schedule_end(const Graph *g, const Schedule *schedule, int first, int inner) {
    int end = first;
    while (end < schedule->order.len && graph_loop_within(g, schedule->order.at[end]->loop, inner)) end++;
    return end;
}
