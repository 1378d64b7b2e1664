// fuse.h: what the files of the fuse pass share; nothing else includes it.
#ifndef DLC_FUSE_H
#define DLC_FUSE_H

#include "ops/op.h"
#include "passes/passes.h"

enum {
    NONE = -1,
    MANY = -2,
    // Lowering recurses through what is inlined, so chains are cut here.
    MAX_EPILOGUE = 64,
    MAX_MEMBERS = 256,
    MAX_ROOTS = 8, // reductions of one group none of which follows from the others
    MAX_DEPTH = 64,
    // Between a value and its readers. For the nets of examples/ and tests/nets 16 give the same kernels, and 1 gives
    // others for five of them.
    FEW_STEPS = 4,
    MAX_COPIES = 8 // of an inlined value at different indices in one expression: a bound on its length
};

// How a node's axes run along a group's domain: axis k of the node is domain axis map[k], or FREE when the value
// does not change along it.
enum { FREE = -1 };
typedef struct Alignment {
    signed char map[MAX_RANK];
} Alignment;

typedef enum State { UNRELATED, MEMBER, TAINTED } State;

// What fusion knows of a node.
typedef struct NodeInfo {
    NodeVec users;
    int group;    // that computes it, or NONE
    bool stored;  // lives in a buffer (inputs included)
    bool output;  // of the graph
    bool again;   // readers compute it again (recompute.c)
    bool updated; // a storage's value at entry, which gets a new one
    // The updates that overwrite in place what it reads; and of such an update, those readers, which come before it.
    NodeVec overwriters, waits_for;
    bool settled;  // a comparison reads it in two ways, so it is computed once and stored (settle.c)
    bool early;    // of the forward pass, and
    bool late;     // of what is computed again for the backward pass, or follows from that: never in one group
    bool met;      // prepared, and what each call computes reads it, through movement at most
    int64_t reads; // prepared: elements of the largest parameter that it depends on
    // acyclic.c: the list of all nodes: the neighbours, and a number that grows along it.
    int before, after;
    int64_t place;
    int phase; // as of a Schedule
    // While one group grows: how it stands to the members; the growth in which it waited, and in which it was found to
    // follow from no member.
    State state;
    int waited, apart;
    bool unsettled;          // of a member: follows from a settled member that is not in memory yet
    Alignment align;         // of a member
    bool cheap, costly;      // see weigh_nodes
    int reader, uses, depth; // of an inlined node: see store_rest
    bool again_in_loop;      // of an inlined node: a kernel in a loop would compute it again in each step
    int copies;              // and at how many indices one expression would compute it
} NodeInfo;

typedef struct Fuse {
    Graph *g;
    Arena scratch;
    bool frugal;        // as of PassOptions
    int n;              // nodes
    NodeInfo *of;       // by node id
    bool *prepared;     // by node id: a model computes it once after load
    int *walked, walks; // by vertex (node id, then group): the last walk of acyclic.c that came by
    NodeVec work, moved, seen;
    int ngroups;
    Group *group;     // scratch list; moved to g->groups in their final order
    NodeVec *members; // by group: nodes it computes, in topological order
    // While one group grows: nodes that have a state; what reads members and was not looked at yet, lowest id first;
    // ids below `lowest` follow from no member.
    NodeVec touched, waiting;
    int lowest, growths;
} Fuse;

static inline bool is_elementwise(const Node *node) { return node->op->traits & OP_ELEMENTWISE; }
static inline bool is_movement(const Node *node) { return node->op->traits & (OP_MOVEMENT | OP_IDENTITY); }
static inline bool is_input(const Node *node) { return node->op->traits & OP_INPUT; }
static inline bool is_source(const Node *node) { return node->op->traits & OP_SOURCE; }
static inline bool is_unassigned(const Fuse *f, const Node *node) { return f->of[node->id].group == NONE; }

// Whether two nodes may be in one group at all.
static inline bool may_join(const Fuse *f, const Node *a, const Node *b) {
    bool apart = (f->of[a->id].early && f->of[b->id].late) || (f->of[a->id].late && f->of[b->id].early);
    bool together = a->loop == b->loop && f->of[a->id].phase == f->of[b->id].phase;
    return together && f->prepared[a->id] == f->prepared[b->id] && !apart;
}

// fuse.c: a group without members; its number.
int fuse_group_new(Fuse *f, GroupKind kind, Node *root);
// Makes `members` (topological order; the first `keep` must stay) the group's, dropping from the end until no cycle is
// left. Its `reduces` are the reductions among them.
void fuse_assign(Fuse *f, int group, const NodeVec *members, int keep);
// A group begins to grow: nodes have no state, none waits.
void fuse_grow_begin(Fuse *f, int lowest);
void fuse_set_state(Fuse *f, Node *node, State state);
void fuse_wait(Fuse *f, Node *node);
void fuse_wait_users(Fuse *f, const Node *node);
Node *fuse_next_waiting(Fuse *f); // that of the lowest id, once; NULL: none waits
// The worst state among the node's inputs.
State fuse_worst_input(Fuse *f, const Node *node);
// An epilogue: element-wise nodes of the root's shape, at most one pool of separate windows, and element-wise nodes of
// its shape.
NodeVec fuse_grow_epilogue(Fuse *f, Node *root, bool with_pool, bool *covers);

// acyclic.c: whether anything that the group reads depends on the group itself. When not, its members take their place.
bool fuse_in_cycle(Fuse *f, int group);
void fuse_places_begin(Fuse *f); // nodes in the order of their ids, without groups
// Orders the list anew: after groups have lost members.
void fuse_renumber(Fuse *f);

// fuse_rows.c: the group of a reduction and all that joins it.
void fuse_grow_rows(Fuse *f, Node *root);
// A group of one node.
void fuse_stand_alone(Fuse *f, Node *root);
// An output of the graph or an operand of a contraction: cannot be inlined.
bool fuse_needs_buffer(const Fuse *f, const Node *node);

// settle.c: finds the nodes that comparisons depend on through two computations of them; whether there are new ones.
bool fuse_settle(Fuse *f);
// fuse_loops.c: the same graph, in which each value that enters, stays in or leaves a loop is computed by a kernel that
// can store it in its slot.
Graph *fuse_settle_loops(Graph *from);
// recompute.c: takes members out of their groups that readers compute again.
void fuse_recompute(Fuse *f);
// parts.c: whether an ungrouped node is the one part of a stored concat that is left to be stored in its place.
bool fuse_is_part(Fuse *f, const Node *node);
// Whether it is an ungrouped concat whose parts are all computed by kernels, which can store them in its place, or
// many.
bool fuse_is_whole(Fuse *f, const Node *node);
// order.c: moves the groups to g->groups in an order in which they can run.
void fuse_order(Fuse *f);

#endif
