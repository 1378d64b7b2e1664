// lift.h: values of a loop's steps as values of all steps at once; hoist.c and sink.c use it, nothing else includes it.
#ifndef DLC_LIFT_H
#define DLC_LIFT_H

#include "ops/op.h"
#include "passes/passes.h"

typedef enum LiftLeaves {
    LIFT_ELEMENTS, // made of elements of sequences, and of what is outside: through any operator with a rule
    LIFT_STACKS,   // any: through movement, and what else is stacked
    LIFT_LEAVING,  // through movement and one contraction, whose operands are as of LIFT_STACKS
} LiftLeaves;

// Whether lift_node has a result.
bool lift_possible(const Graph *g, const Node *node, int loop, LiftLeaves leaves);
// The node's value of all steps of its loop, along a new axis 0, as nodes outside of the loop.
Node *lift_node(Graph *g, Node *node, int loop, LiftLeaves leaves);
// The sum of a node's value over all steps.
Node *lift_sum(Graph *g, Node *node, int loop);

#endif
