// rematerialise.c: compute again for the backward pass what is not kept for it.
//     checkpoint {                    %1 = contract %x, %w     @{forward checkpoint="1"}
//         h = tanh(x @ w)             %2 = tanh %1             @{forward checkpoint="1"}
//     }                               %3 = contract %2, %v     @{forward}
//     y = h @ v                       %4 = mul %dy, %2         @{backward}: the gradient of v reads h
// %2 is used outside of its block, so it is kept. Had `y = h @ v` been inside:
//                                     %4 = contract %x, %w     @{backward copy=1 checkpoint="1"}
//                                     %5 = tanh %4             @{backward copy=1 checkpoint="1"}
//                                     %6 = mul %dy, %5         @{backward}
// The copy number is part of what makes nodes identical, so no later pass merges a copy with the first computation.
// Only a train entry has a backward pass: any other graph stays as it is.
//
// Blocks nest. A value of the blocks "2.3" has level 2: its copy 1 is made where block 2 is computed again, and dies
// there; copy 2 is made where, later, block 3 is, from copy 1 of what block 3 reads. The level of a value goes down to
// that of the innermost block around all of its readers in the forward pass: there it is kept (at level 0 as it was
// computed first). A copy at level k reads its inputs at level k, or lower where that is theirs.
//
// A comparison never reads a copy of a value beside what follows from its first computation (twice.c). The gradient of
// a max pool asks which element of the copied h equals y, the maximum that the forward pass kept: no one may, because
// the two kernels round differently. So y is computed again from the copy of h.
#include "passes/rematerialise.h"

#include <string.h>

#include "ops/op.h"
#include "passes/twice.h"

enum { STATISTIC = 16 }; // a reduction to so many times fewer elements, such as a mean of rows, is small enough to keep

// ---- what the blocks ask for ---------------------------------------------------------------------------------------

// How many blocks, from the outermost on, both stand in.
static int shared_depth(const char *a, const char *b) {
    int depth = 0;
    if (!a || !b) return 0;
    for (;; a++, b++) {
        bool end_a = !*a || *a == '.', end_b = !*b || *b == '.';
        if (end_a && end_b) depth++;
        if ((end_a || end_b || *a != *b) && !(*a == '.' && *b == '.')) return depth;
    }
}

static bool is_statistic(const Node *node) {
    return node_is(node, reduce) && type_count(&node->type) * STATISTIC <= type_count(&node->in[0]->type);
}

Choice choice_of_checkpoints(Arena *arena, const Graph *g) {
    int n = g->nodes.len;
    Choice choice = {NEW_ARRAY(arena, int, n + 1), NEW_ARRAY(arena, bool, n + 1)};
    if (g->kind != ENTRY_TRAIN) return choice;
    for (int id = 0; id < n; id++) {
        const Node *node = g->nodes.at[id];
        choice.late[id] = node->section >= SECTION_BACKWARD;
        bool kept = choice.late[id] || node->loop || node->op->traits & (OP_INPUT | OP_SOURCE) || is_statistic(node);
        if (!kept) choice.level[id] = shared_depth(node->checkpoint, node->checkpoint);
    }
    for (int id = 0; id < n; id++) {
        const Node *node = g->nodes.at[id];
        for (int i = 0; i < node->nin && !choice.late[id]; i++) {
            int *level = &choice.level[node->in[i]->id];
            int depth = shared_depth(node->checkpoint, node->in[i]->checkpoint);
            if (depth < *level) *level = depth;
        }
    }
    for (int k = 0; k < g->outputs.len; k++) choice.level[g->outputs.at[k].value->id] = 0;
    return choice;
}

// ---- comparisons read copies alone, or none ------------------------------------------------------------------------

// The copy of a node that a copy at level at.group reads, as a computation. What is late reads the highest copies.
static Computation find_copy(const void *context, const Node *node, Computation at) {
    const Choice *choice = context;
    int own = choice->late[node->id] ? MAX_COPY : choice->level[node->id];
    return (Computation){.group = own < at.group || choice->late[node->id] ? own : at.group};
}

// What the comparison depends on and follows from `node` is computed again wherever node is.
static void raise_levels(const Choice *choice, const NodeVec *met, const Node *node, bool *follows) {
    int level = choice->level[node->id];
    follows[node->id] = true;
    for (int k = 0; k < met->len; k++) {
        const Node *later = met->at[k];
        for (int i = 0; i < later->nin; i++) follows[later->id] |= follows[later->in[i]->id];
        if (follows[later->id] && !choice->late[later->id] && choice->level[later->id] < level)
            choice->level[later->id] = level;
    }
    for (int k = 0; k < met->len; k++) follows[met->at[k]->id] = false;
}

static void pair_comparisons(const Graph *g, const Choice *choice) {
    Twice twice = twice_new(g, find_copy, choice);
    bool *follows = NEW_ARRAY(&twice.scratch, bool, g->nodes.len + 1);
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id], *found;
        if (!twice_matters(node) || !(choice->late[id] || choice->level[id])) continue;
        Computation at = find_copy(choice, node, (Computation){.group = MAX_COPY});
        while ((found = twice_find(&twice, node, at))) raise_levels(choice, &twice.met, found, follows);
    }
    twice_release(&twice);
}

// ---- copies --------------------------------------------------------------------------------------------------------

typedef struct Want {
    const Node *node;
    int level;
} Want;

typedef struct Remat {
    Arena scratch;
    const Choice *choice;
    NodeVec *copies; // by id of old nodes: copy k at [k - 1], or NULL
    VEC(Want) work;
} Remat;

static int level_for(const Remat *remat, const Node *node, int level) {
    int own = remat->choice->level[node->id];
    return own < level ? own : level;
}

// What stands for `node` at that level; NULL: its copy is not made yet.
static Node *found(const Remat *remat, const Node *node, int level) {
    int wanted = level_for(remat, node, level);
    const NodeVec *copies = &remat->copies[node->id];
    return !wanted ? node->map : wanted <= copies->len ? copies->at[wanted - 1] : NULL;
}

static void make_copy(Graph *to, Remat *remat, const Node *old, int level) {
    Node *in[MAX_INPUTS];
    for (int i = 0; i < old->nin; i++) in[i] = found(remat, old->in[i], level);
    graph_tag_as(to, old);
    to->section_now = SECTION_BACKWARD; // there it is computed
    to->copy_now = level;
    Node *node = graph_op(to, old->op, in, old->nin, old->attr);
    if (!node) dlc_bug("rematerialise", "%s could not be copied", old->op->name);
    NodeVec *copies = &remat->copies[old->id];
    while (copies->len < level) vec_push(&remat->scratch, copies, NULL);
    copies->at[level - 1] = node;
}

// Inputs first, without recursion: nets are deep.
static Node *copy_of(Graph *to, Remat *remat, const Node *node) {
    vec_push(&remat->scratch, &remat->work, (Want){node, remat->choice->level[node->id]});
    while (remat->work.len) {
        Want want = remat->work.at[remat->work.len - 1];
        bool ready = true;
        for (int i = want.node->nin - 1; i >= 0 && !found(remat, want.node, want.level); i--) {
            const Node *in = want.node->in[i];
            if (found(remat, in, want.level)) continue;
            vec_push(&remat->scratch, &remat->work, (Want){in, level_for(remat, in, want.level)});
            ready = false;
        }
        if (!ready) continue;
        if (!found(remat, want.node, want.level)) make_copy(to, remat, want.node, want.level);
        remat->work.len--;
    }
    return found(remat, node, MAX_COPY);
}

static Node *read_copies(Graph *to, const Node *old, Node *const *in, void *context) {
    Remat *remat = context;
    bool reads = false;
    for (int i = 0; i < old->nin; i++) reads |= remat->choice->level[old->in[i]->id] > 0;
    if (!reads || !remat->choice->late[old->id]) return NULL;
    Node *read[MAX_INPUTS];
    for (int i = 0; i < old->nin; i++)
        read[i] = remat->choice->level[old->in[i]->id] ? copy_of(to, remat, old->in[i]) : in[i];
    return graph_copy_node(to, old, read);
}

static Graph *rematerialise(Graph *from, const Choice *choice) {
    Remat remat = {.choice = choice};
    remat.copies = NEW_ARRAY(&remat.scratch, NodeVec, from->nodes.len + 1);
    Graph *to = graph_rebuild(from, read_copies, &remat);
    arena_release(&remat.scratch);
    return to;
}

Graph *pass_rematerialise(Graph *g, const PassOptions *options) {
    Arena scratch = {0};
    Choice choice = options->choice ? *options->choice : choice_of_checkpoints(&scratch, g);
    Graph *to = g;
    bool any = false;
    for (int id = 0; id < g->nodes.len; id++) any |= choice.level[id] > 0;
    if (any) pair_comparisons(g, &choice);
    // What only the backward pass read has no reader any more where it was: the second rebuild drops it.
    if (any) to = graph_rebuild(rematerialise(g, &choice), NULL, NULL);
    arena_release(&scratch);
    return to;
}
