// windows.h: convolutions and pools as contractions and reductions over windows.
#ifndef DLC_WINDOWS_H
#define DLC_WINDOWS_H

#include "ir/graph.h"

enum { MAX_WINDOW_AXES = 3 };

// How windows lie along the last `n` axes of a tensor: output y sees the inputs stride*y + dilation*p - before for
// p < kernel.
typedef struct Windows {
    int n;
    int kernel[MAX_WINDOW_AXES], stride[MAX_WINDOW_AXES], dilation[MAX_WINDOW_AXES];
    int before[MAX_WINDOW_AXES]; // padding at the low end; at the high end it follows from `out`
    int out[MAX_WINDOW_AXES];    // extents of the result
} Windows;

// x: [N, C, ...spatial], weight: [O, C / groups, ...kernel]. Transposed it is the adjoint, with a weight [C, O /
// groups,
// ...kernel]: input y adds to the outputs stride*y + dilation*p - before.
Node *build_convolution(Graph *g, Node *x, Node *weight, const Windows *w, int groups, bool transposed);
// Over windows of the last axes; the gradient of a maximum goes to the first one.
Node *build_pool(Graph *g, ReduceKind kind, Node *x, const Windows *windows);

// Whether a reduce takes windows that touch but do not overlap out of values of the contraction's shape, and the
// contraction makes one element of them at a time: then it can make whole windows. *covers: no element is left over.
bool windows_join(const Node *contract, const Node *reduce, bool *covers);

#endif
