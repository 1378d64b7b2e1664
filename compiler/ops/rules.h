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
// These refuse what is not so.
bool op_check_dtypes(Infer *infer, const Type *a, const Type *b); // equal
bool op_check_numbers(Infer *infer, const Type *type);            // not bool
bool op_check_axis(Infer *infer, int64_t axis, const Type *type); // one of its axes
Attr attr_shape(const Type *type);                                // points into `type`
int64_t elements_after(const Tensor *t, int axis);                // how many one step along the axis skips

// ---- element-wise operators ---------------------------------------------------------------------------------------

// Defines eval_NAME. FLOAT is an element of the result in double, from those of the inputs: x, or a and b. INT is the
// same for integers, which wrap to the result's dtype.
#define EVAL_FLOAT(NAME, FLOAT)                                                                                        \
    static void eval_##NAME(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {            \
        (void)node, (void)sizes;                                                                                       \
        for (int64_t k = 0; k < out->count; k++) {                                                                     \
            double x = in[0]->f[k];                                                                                    \
            out->f[k] = FLOAT;                                                                                         \
        }                                                                                                              \
    }

#define EVAL_UNARY(NAME, FLOAT, INT)                                                                                   \
    static void eval_##NAME(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {            \
        (void)node, (void)sizes;                                                                                       \
        for (int64_t k = 0; k < out->count; k++)                                                                       \
            if (out->f) {                                                                                              \
                double x = in[0]->f[k];                                                                                \
                out->f[k] = FLOAT;                                                                                     \
            } else {                                                                                                   \
                int64_t x = in[0]->i[k];                                                                               \
                out->i[k] = int_wrap(out->dtype, (uint64_t)(INT));                                                     \
            }                                                                                                          \
    }

#define EVAL_BINARY(NAME, FLOAT, INT)                                                                                  \
    static void eval_##NAME(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {            \
        (void)node, (void)sizes;                                                                                       \
        for (int64_t k = 0; k < out->count; k++)                                                                       \
            if (out->f) {                                                                                              \
                double a = in[0]->f[k], b = in[1]->f[k];                                                               \
                out->f[k] = FLOAT;                                                                                     \
            } else {                                                                                                   \
                int64_t a = in[0]->i[k], b = in[1]->i[k];                                                              \
                out->i[k] = int_wrap(out->dtype, (uint64_t)(INT));                                                     \
            }                                                                                                          \
    }

// The fields of a record that follow from the name of an operator of one tensor, or of two.
#define UNARY(NAME)  .name = #NAME, .example = #NAME "(x: f32[2, 3])", .inputs = 1, .eval = eval_##NAME
#define BINARY(NAME) .name = #NAME, .example = #NAME "(a: f32[2, 3], b: f32[2, 3])", .inputs = 2, .eval = eval_##NAME

// ---- gather.c: indices that are known at run time only -------------------------------------------------------------

// Refuses what cannot lead along the axis of x.
bool op_check_index(Infer *infer, const Type *x, const Type *index, int64_t axis);
// The number of elements along an axis, as a tensor of the index's type.
Node *op_extent(Graph *g, Dim dim, const Type *index);
// The value of `index` at `at`, clamped to lo to hi: hi may depend on a run-time size.
struct Index *op_loaded_index(struct LowerContext *ctx, const Node *index, struct Index *const *at, int64_t lo,
                              const struct Index *hi);

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
