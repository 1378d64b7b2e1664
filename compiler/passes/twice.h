// twice.h: whether a comparison depends on two computations of one value. settle.c and rematerialise.c ask.
#ifndef DLC_TWICE_H
#define DLC_TWICE_H

#include "ir/graph.h"

// A node's value may be computed at several places of the program. What the fields mean is the caller's; two
// computations are the same one when all are equal.
typedef struct Computation {
    int group, loop;
    uint64_t place; // which movements lead from the loop's index to the node's: 0 for none
} Computation;

// Which computation of `node` gives the value that is needed at `at`.
typedef Computation FindComputation(const void *context, const Node *node, Computation at);

typedef struct Visit {
    Node *node;
    Computation at;
} Visit;

typedef struct Twice {
    Arena scratch;
    const Graph *g;
    FindComputation *find;
    const void *context;
    NodeVec met; // nodes that the last comparison depends on, in topological order
    VEC(Visit) work;
    struct Met {
        bool fixed;   // made of constants and sizes alone, such as how many elements a mean is of
        bool is_met;  // by the last comparison
        bool twice;   // a second computation of it was found
        bool differs; // its two computations may have different results
        Computation first;
    } * of; // by node id
} Twice;

Twice twice_new(const Graph *g, FindComputation *find, const void *context);
void twice_release(Twice *t);
// Whether a last place more or less in an operand of the node can change its whole result.
bool twice_matters(const Node *node);
// The node nearest to the comparison that is computed twice for it, with results that may differ; NULL: there is none.
// A movement is never the answer. `at`: where the comparison is computed.
Node *twice_find(Twice *t, const Node *comparison, Computation at);

#endif
