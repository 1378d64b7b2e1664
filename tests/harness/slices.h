// slices.h: slice and pad at places that no run-time size counts.
#ifndef DLC_TEST_SLICES_H
#define DLC_TEST_SLICES_H

#include "ir/graph.h"

static inline Node *build_pad_fixed(Graph *g, Node *x, const Type *shape, const int64_t *start, const int64_t *step,
                                    double value) {
    Count places[MAX_RANK];
    for (int k = 0; k < shape->rank; k++) places[k] = count_fixed(start[k]);
    return build_pad(g, x, shape, places, step, value);
}

static inline Node *build_slice_fixed(Graph *g, Node *x, const Type *shape, const int64_t *start, const int64_t *step) {
    Count places[MAX_RANK];
    for (int k = 0; k < shape->rank; k++) places[k] = count_fixed(start[k]);
    return build_slice(g, x, shape, places, step);
}

#endif
