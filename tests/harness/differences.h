// differences.h: gradients of a graph against central differences, in double and without rounding.
//     Point p = {.arena = &arena, .g = g, .sizes = sizes, .at = inputs};
//     differences_wrt(&p, loss, &wrt)              every float argument and every parameter that the loss reads
//     differences_second(&p, &wrt)                 a loss that is made of the gradients
//     differences_compare(&p, loss, &wrt, 40)      NULL, or where they part
#ifndef DLC_DIFFERENCES_H
#define DLC_DIFFERENCES_H

#include "ir/graph.h"

// Where a graph is evaluated.
typedef struct Point {
    Arena *arena; // of messages
    Graph *g;
    const int64_t *sizes; // of the module's run-time sizes
    Tensor *at;           // by node id: of arguments and storages; others are not looked at
    const Tensor *held;   // by node id: what `detach` gives wherever the inputs move, or NULL
} Point;

enum { MAX_WRT = 24 };

typedef struct Wrt {
    int n;
    Node *x[MAX_WRT], *grad[MAX_WRT];
    bool used[MAX_WRT];
} Wrt;

// The value of a node at the point; it lives in `arena`.
Tensor differences_evaluate(const Point *p, Arena *arena, const Node *node);
// Finds the inputs in `wrt` and appends the gradients to the graph; false: autodiff reported why not.
bool differences_wrt(Graph *g, Node *loss, Wrt *wrt);
// Appends a loss that weighs the elements of all gradients differently; NULL when no gradient is used.
Node *differences_second(Graph *g, const Wrt *wrt);
// Each input's elements (up to `most`, spread over it) one by one. Returns NULL or one sentence. *compared counts.
const char *differences_compare(const Point *p, const Node *loss, const Wrt *wrt, int most, int *compared);

// All inputs at once, by h along a random direction that `seed` draws. Where a ReLU, a maximum or a comparison decides
// differently on either side, the slopes to the left and to the right part, and the gradient may be anything between:
// *rough is true when that could be the difference.
const char *differences_along(const Point *p, const Node *loss, const Wrt *wrt, uint32_t seed, double h, bool *rough);

#endif
