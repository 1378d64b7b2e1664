// fuse.h: what fuse.c and order.c share; nothing else includes it.
#ifndef DLC_FUSE_H
#define DLC_FUSE_H

#include "passes/passes.h"

enum {
    NONE = -1,
    MANY = -2,
    // Lowering recurses through what is inlined, so chains are cut here.
    MAX_EPILOGUE = 64,
    MAX_MEMBERS = 256,
    MAX_DEPTH = 64,
    FEW_STEPS = 4, // from a value to who reads it
    MAX_COPIES = 8 // of an inlined value at different indices, in one expression
};

// How a node's axes run along a group's domain: axis k of the node is domain axis map[k], or FREE when the value
// does not change along it.
enum { FREE = -1 };
typedef struct Alignment {
    signed char map[MAX_RANK];
} Alignment;

typedef enum State { UNRELATED, MEMBER, TAINTED } State;

typedef struct Fuse {
    Graph *g;
    Arena scratch;
    int n;          // nodes
    int *group_of;  // by node id: the group that computes it, or NONE
    bool *stored;   // by node id: lives in a buffer (inputs included)
    bool *output;   // by node id: an output of the graph
    bool *again;    // by node id: readers compute it again (recompute.c)
    bool *prepared; // by node id: a model computes it once after load
    bool *early;    // by node id: of the forward pass, and
    bool *late;     // of what is computed again for the backward pass, or follows from that: never in one group
    bool *met;      // by node id, of prepared nodes: what each call computes reads it, through movement at most
    int64_t *reads; // by node id, of prepared nodes: elements of the largest parameter that it depends on
    NodeVec *users; // by node id
    int ngroups;
    Group *group;               // scratch list; moved to g->groups in their final order
    NodeVec *members;           // by group: nodes it computes, in topological order
    State *state;               // by node id, while one group grows
    Alignment *align;           // by node id, of members
    bool *cheap, *costly;       // by node id: see weigh_nodes
    int *reader, *uses, *depth; // by node id, of inlined nodes: see store_rest
    int *copies;                // and at how many indices one expression would compute it
} Fuse;

// recompute.c: takes members out of their groups that readers compute again.
void fuse_recompute(Fuse *f);
// parts.c: whether an ungrouped node is the one part of a stored concat that is left to be stored in its place.
bool fuse_is_part(Fuse *f, const Node *node);
// order.c: moves the groups to g->groups in an order in which they can run.
void fuse_order(Fuse *f);

#endif
