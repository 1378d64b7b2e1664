// order.c: the order in which fused groups run.
//     k0 stores h, k1 reads w, k2 stores w's new value       k2 after k1: then the update can happen in place
// A group runs after those that it reads from (hard). What updates a storage runs after the other readers of its old
// value where that is possible (soft, and ir/verify.c checks it); where it is not, lowering keeps the new value aside
// and copies it at the end. An update of parts runs after the readers of what the one before it made, if it can (wish).
// Otherwise groups run in the order of their nodes, where what is computed again (rematerialise.c) stands just before
// it is read. In the frugal order, what frees memory goes first: the gradient of a weight and its update are the last
// to read an activation, so they run before the gradient of the layer in front.
#include <string.h>

#include "ops/op.h"
#include "passes/fuse.h"

// Of a group.
typedef struct Turn {
    IntVec hard, soft, wish;             // those that must (should, may well) run after it
    int hard_left, soft_left, wish_left; // how many that come before are not placed yet
    int wanted;                          // the lowest first node of it and of all that wait for it; 0: not known yet
    NodeVec reads;                       // what others store and it reads
    bool placed;
} Turn;

typedef struct Sequence {
    Fuse *f;
    Turn *turn;        // by group
    int *seen;         // by node id: visited for group seen - 1
    int *readers_left; // by node id: groups that read it and are not placed yet
    NodeVec *values;   // by storage: the nodes that are its value at entry
    int *passed;       // by node id: the pass of let_write_last that was here last, from 1
    int passes;
    IntVec ready;   // groups that may run now
    IntVec *inside; // by loop: the groups in it
    int loop;       // whose groups run now: it ends before others go on
} Sequence;

// The groups that an inlined value is read from run before `reader`.
static void add_hard_edges(Sequence *sequence, Node *node, int reader) {
    Fuse *f = sequence->f;
    if (sequence->seen[node->id] == reader + 1) return;
    sequence->seen[node->id] = reader + 1;
    int group = f->of[node->id].group;
    if (group != NONE && group != reader && f->of[node->id].stored) {
        vec_push(&f->scratch, &sequence->turn[group].hard, reader);
        sequence->turn[reader].hard_left++;
        sequence->readers_left[node->id]++;
        vec_push(&f->scratch, &sequence->turn[reader].reads, node);
        return;
    }
    for (int i = 0; i < node->nin; i++) add_hard_edges(sequence, node->in[i], reader);
    const Node *made = node_next(f->g, node);
    if (made) add_hard_edges(sequence, f->g->nodes.at[made->id], reader);
}

// ---- loops ----------------------------------------------------------------------------------------------------------

static int loop_of(const Sequence *sequence, int group) { return sequence->f->members[group].at[0]->loop; }

static void add_edge(Sequence *sequence, int before, int after) {
    vec_push(&sequence->f->scratch, &sequence->turn[before].hard, after);
    sequence->turn[after].hard_left++;
}

// What one group of a loop reads from outside, all of them wait for; and what reads one of them, waits for all.
static void add_loop_edges(Sequence *sequence, int before, int n) {
    const Graph *g = sequence->f->g;
    for (int k = 0; k < n; k++) {
        int after = sequence->turn[before].hard.at[k], from = loop_of(sequence, before), to = loop_of(sequence, after);
        if (!graph_loop_within(g, from, to)) {
            int common = to;
            while (!graph_loop_within(g, from, common)) common = graph_loop(g, common)->parent;
            const IntVec *inside = &sequence->inside[graph_loop_below(g, to, common)];
            for (int i = 0; i < inside->len; i++) add_edge(sequence, before, inside->at[i]);
        }
        if (!graph_loop_within(g, to, from)) {
            int common = from;
            while (!graph_loop_within(g, to, common)) common = graph_loop(g, common)->parent;
            const IntVec *inside = &sequence->inside[graph_loop_below(g, from, common)];
            for (int i = 0; i < inside->len; i++)
                if (inside->at[i] != before) add_edge(sequence, inside->at[i], after);
        }
    }
}

static void find_loops(Sequence *sequence) {
    const Graph *g = sequence->f->g;
    int n = sequence->f->ngroups;
    sequence->inside = NEW_ARRAY(&sequence->f->scratch, IntVec, g->loops.len + 2);
    for (int k = 0; k < n; k++)
        for (int loop = loop_of(sequence, k); loop; loop = graph_loop(g, loop)->parent)
            vec_push(&sequence->f->scratch, &sequence->inside[loop], k);
    int *edges = NEW_ARRAY(&sequence->f->scratch, int, n + 1);
    for (int k = 0; k < n; k++) edges[k] = sequence->turn[k].hard.len;
    for (int k = 0; k < n && g->loops.len; k++) add_loop_edges(sequence, k, edges[k]);
}

// Whether the group may run while groups of the loop that was begun are left.
static bool may_run(const Sequence *sequence, int group) {
    return graph_loop_within(sequence->f->g, loop_of(sequence, group), sequence->loop);
}

static void end_loops(Sequence *sequence) {
    const Graph *g = sequence->f->g;
    while (sequence->loop) {
        int left = 0;
        for (int k = 0; k < sequence->inside[sequence->loop].len; k++)
            left += !sequence->turn[sequence->inside[sequence->loop].at[k]].placed;
        if (left) return;
        sequence->loop = graph_loop(g, sequence->loop)->parent;
    }
}

// Every group that reads one of the values should run before the group `writer`; wish: or may well.
static void let_write_last(Sequence *sequence, NodeVec work, int writer, bool wish) {
    Fuse *f = sequence->f;
    int pass = ++sequence->passes;
    while (work.len) {
        const Node *node = work.at[--work.len];
        for (int u = 0; u < f->of[node->id].users.len; u++) {
            Node *user = f->of[node->id].users.at[u];
            if (sequence->passed[user->id] == pass) continue;
            sequence->passed[user->id] = pass;
            int reader = f->of[user->id].group;
            if (reader != NONE && reader != writer) {
                vec_push(&f->scratch, wish ? &sequence->turn[reader].wish : &sequence->turn[reader].soft, writer);
                ++*(wish ? &sequence->turn[writer].wish_left : &sequence->turn[writer].soft_left);
            }
            // A stored movement can be a view, and an element is one: its readers read the old value.
            bool passes = !f->of[user->id].stored || user->op->traits & OP_MOVEMENT || node_is(user, element);
            if (passes) vec_push(&f->scratch, &work, user);
        }
    }
}

static NodeVec nodes_copy(const Sequence *sequence, const NodeVec *nodes) {
    NodeVec copy = {0};
    for (int k = 0; k < nodes->len; k++) vec_push(&sequence->f->scratch, &copy, nodes->at[k]);
    return copy;
}

// Readers of what a storage holds should run before what it holds next is stored. Where that is made by updates of
// parts, one after another, each of them may store in place when it runs after the readers of what the one before made.
static void add_soft_edges(Sequence *sequence, int number) {
    Fuse *f = sequence->f;
    const Output *output = &f->g->outputs.at[number];
    int writer = f->of[output->value->id].group;
    if (writer == NONE) return;
    NodeVec old = sequence->values[output->storage->index];
    const Node *first = output->value, *changes;
    for (; (changes = update_changes(first)) && node_is(changes, update); first = changes) {
        NodeVec made = {0};
        if (f->of[first->id].group == NONE || f->of[changes->id].group == NONE) break;
        vec_push(&f->scratch, &made, f->g->nodes.at[changes->id]);
        let_write_last(sequence, made, f->of[first->id].group, true);
    }
    int begins = f->of[first->id].group; // the chain of updates
    if (changes && begins != NONE && begins != writer && nodes_have(&old, changes))
        let_write_last(sequence, nodes_copy(sequence, &old), begins, true);
    let_write_last(sequence, nodes_copy(sequence, &old), writer, false);
}

// Where a group belongs in the order of nodes. The optimiser's step counter comes after all gradients in the graph, but
// the first update waits for it. So it runs before that update; otherwise every gradient would stay alive until the
// end.
static int wanted_at(Sequence *sequence, int k) {
    Turn *turn = &sequence->turn[k];
    if (turn->wanted) return turn->wanted;
    int at = turn->wanted = sequence->f->members[k].at[0]->id + 1; // known, should groups form a cycle
    for (int h = 0; h < turn->hard.len; h++) {
        int later = wanted_at(sequence, turn->hard.at[h]);
        if (later < at) at = later;
    }
    return turn->wanted = at;
}

static int64_t bytes_of(const Fuse *f, const Node *node) {
    return f->of[node->id].output ? 0 : type_count(&node->type) * dtype_info[node->type.dtype].bytes;
}

// Bytes more that live when the group has run.
static int64_t growth(const Sequence *sequence, int group) {
    const Fuse *f = sequence->f;
    int64_t bytes = 0;
    for (int k = 0; k < f->group[group].outputs.len; k++) bytes += bytes_of(f, f->group[group].outputs.at[k]);
    const NodeVec *reads = &sequence->turn[group].reads;
    for (int k = 0; k < reads->len; k++) {
        const Node *node = reads->at[k];
        if (sequence->readers_left[node->id] == 1) bytes -= bytes_of(f, node);
    }
    return bytes;
}

static bool is_again(const Fuse *f, int group) { return f->members[group].at[0]->copy > 0; }

// Below 0 for a group that should not wait when memory is to be saved: one that frees memory, or an update that takes
// none. Other groups that take none do wait, because a value that they make early cannot be computed again later.
static int64_t haste(const Sequence *sequence, int group) {
    const Fuse *f = sequence->f;
    if (!f->frugal || is_again(f, group)) return 0;
    int64_t more = growth(sequence, group) - (f->members[group].at[0]->section == SECTION_UPDATE);
    return more < 0 ? more : 0;
}

// Whether group a runs before b, both being ready. An update waits for the readers of the old value if it can.
static bool runs_before(Sequence *sequence, int a, int b) {
    int left_a = sequence->turn[a].soft_left, left_b = sequence->turn[b].soft_left;
    if (left_a != left_b) return left_a < left_b;
    if (sequence->turn[a].wish_left != sequence->turn[b].wish_left)
        return sequence->turn[a].wish_left < sequence->turn[b].wish_left;
    int64_t more_a = haste(sequence, a), more_b = haste(sequence, b);
    return more_a != more_b ? more_a < more_b : wanted_at(sequence, a) < wanted_at(sequence, b);
}

// Takes the next group out of those that are ready; the first of equal ones.
static int next_group(Sequence *sequence) {
    IntVec *ready = &sequence->ready;
    int best = NONE;
    for (int k = 0; k < ready->len; k++) {
        if (!may_run(sequence, ready->at[k])) continue;
        int a = ready->at[k], b = best == NONE ? a : ready->at[best];
        if (a == b || runs_before(sequence, a, b) || (a < b && !runs_before(sequence, b, a))) best = k;
    }
    if (best == NONE) return NONE;
    int group = ready->at[best];
    ready->at[best] = ready->at[--ready->len];
    return group;
}

static void place_group(Sequence *sequence, int group) {
    Fuse *f = sequence->f;
    const Turn *turn = &sequence->turn[group];
    sequence->turn[group].placed = true;
    sequence->loop = loop_of(sequence, group);
    end_loops(sequence);
    for (int k = 0; k < turn->hard.len; k++) {
        int later = turn->hard.at[k];
        if (!--sequence->turn[later].hard_left) vec_push(&f->scratch, &sequence->ready, later);
    }
    for (int k = 0; k < turn->soft.len; k++) sequence->turn[turn->soft.at[k]].soft_left--;
    for (int k = 0; k < turn->wish.len; k++) sequence->turn[turn->wish.at[k]].wish_left--;
    for (int k = 0; k < turn->reads.len; k++) sequence->readers_left[turn->reads.at[k]->id]--;
}

static void find_values(Sequence *sequence) {
    Fuse *f = sequence->f;
    for (int id = 0; id < f->n; id++) {
        Node *node = f->g->nodes.at[id];
        if (!node_is(node, storage)) continue;
        const Storage *storage = module_find_storage(f->g->module, node_attr(node, "name")->s);
        vec_push(&f->scratch, &sequence->values[storage->index], node);
    }
}

void fuse_order(Fuse *f) {
    int n = f->ngroups;
    Sequence sequence = {.f = f,
                         .turn = NEW_ARRAY(&f->scratch, Turn, n + 1),
                         .seen = NEW_ARRAY(&f->scratch, int, f->n + 1),
                         .readers_left = NEW_ARRAY(&f->scratch, int, f->n + 1),
                         .values = NEW_ARRAY(&f->scratch, NodeVec, f->g->module->storages.len + 1),
                         .passed = NEW_ARRAY(&f->scratch, int, f->n + 1)};
    for (int k = 0; k < n; k++)
        for (int m = 0; m < f->members[k].len; m++) add_hard_edges(&sequence, f->members[k].at[m], k);
    find_loops(&sequence);
    find_values(&sequence);
    for (int k = 0; k < f->g->outputs.len; k++)
        if (f->g->outputs.at[k].storage) add_soft_edges(&sequence, k);
    // Readers first, which have larger ids, so that wanted_at does not recurse deeply.
    for (int id = f->n - 1; id >= 0; id--)
        if (f->of[id].group != NONE) wanted_at(&sequence, f->of[id].group);
    for (int k = 0; k < n; k++)
        if (!sequence.turn[k].hard_left) vec_push(&f->scratch, &sequence.ready, k);
    for (int count = 0; count < n; count++) {
        int next = next_group(&sequence);
        if (next == NONE) dlc_bug("fuse", "groups of entry %s form a cycle", f->g->name);
        place_group(&sequence, next);
        f->group[next].id = count;
        vec_push(f->g->arena, &f->g->groups, f->group[next]);
    }
}
