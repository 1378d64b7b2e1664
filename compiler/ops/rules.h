// rules.h: what the files of compiler/ops share among themselves, beyond op.h.
#ifndef DLC_RULES_H
#define DLC_RULES_H

#include "ops/op.h"

// ---- op.c ---------------------------------------------------------------------------------------------------------

const char *op_shown(Infer *infer, const Type *type);
// Every axis has an element, the rank fits, the count stays below 2^31.
bool op_check_shape(Infer *infer, const Type *type);
// infer->type from a `shape` attribute, checked.
bool op_shape_of_attr(Infer *infer, const Attr *shape, DType dtype);
// Integers wrap: the value that the low bits stand for in an integer dtype; bool is 0 or 1.
int64_t int_wrap(DType dtype, uint64_t bits);
Attr attr_shape(const Type *type); // points into `type`

// ---- iter.c: the affine maps of contract and reduce ---------------------------------------------------------------

// Checks maps against the types of the tensors they index: out, then the inputs.
bool iter_check(Infer *infer, const Iter *iter, const Type *const *types, int nmaps);
// The same axes under other maps, reordered so that those in the first come first, in the order of its dims.
Iter iter_reorder(const Iter *iter, const Map *maps, int nmaps);
Map map_identity(int rank); // dim k is axis k
// True when every dim of `map` is one axis of its full extent, and each axis stands in one dim: dim_of[axis].
bool iter_is_permutation(const Iter *iter, const Map *map, const Type *type, int *dim_of);

// A run of `count` points along the last axis that are in range in every map: tensor m goes from at[m] in steps of
// step[m], and the out tensor is map 0.
typedef struct IterRow {
    int64_t count, at[3], step[3];
} IterRow;
// Visits every point of the iteration space that is in range in all maps, row by row, in order.
void iter_walk(const Iter *iter, const int64_t *sizes, const Tensor *const *tensors,
               void (*visit)(void *context, const IterRow *row), void *context);

#endif
