// autodiff.h: what autodiff.c and autodiff_loop.c share; nothing else includes it.
#ifndef DLC_AUTODIFF_H
#define DLC_AUTODIFF_H

#include "ops/op.h"
#include "support/tags.h"

typedef struct Autodiff {
    Graph *g;
    Arena *scratch;
    bool *needs;       // by id of forward nodes: depends on a wrt
    Node **arrived;    // by id: the gradient so far, or NULL
    Schedule schedule; // of the forward nodes
    int nforward;
    int loop;                 // its nodes are differentiated now; 0: the nodes outside of all loops
    int *back;                // by number of a forward loop: the loop that is its gradient, or 0
    int *again;               // by number of a forward loop in a `checkpoint`: the loop that runs it again, or 0
    Tags copies;              // by node of such a loop: 1 + the id of its node in the loop that runs again
    Tags twins;               // by node of a loop: 1 + the id of the node that has its value in the loop's gradient
    struct Captures *outside; // what the nodes of that loop read from outside
} Autodiff;

// Nodes [first, end) of the schedule, from the last on. False: reported.
bool autodiff_backward(Autodiff *ad, int first, int end);
// dx is a part of the gradient of x, which y's rule gave.
void autodiff_add(Autodiff *ad, const Node *y, Node *x, Node *dx);
// The gradient of a loop. Its nodes are at [first, end) of the schedule. False: reported.
bool autodiff_loop(Autodiff *ad, int loop, int first, int end);
// The node that has the value of a loop's node in the loop's gradient.
Node *autodiff_twin(Autodiff *ad, Node *node);
// Where the gradient of x, of which the loop's nodes are parts, is summed up within a step.
Node **autodiff_captured(Autodiff *ad, Node *x);

#endif
