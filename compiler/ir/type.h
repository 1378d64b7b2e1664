// type.h: what a value is: an element type and a shape whose axes are extents, or counted by a run-time size.
//
//     f32[N, 3, 48, 48]    with `dim N <= 64`: {F32, 4, {{64, size 1, 1 * N + 0}, {3}, {48}, {48}}}
//     f32[2 * N - 1]                           {F32, 1, {{127, size 1, 2 * N - 1}}}
#ifndef DLC_TYPE_H
#define DLC_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "support/str.h"

enum {
    MAX_RANK = 8,
    MAX_AXES = 12,  // iteration axes of a contract or reduce
    MAX_SIZES = 15, // run-time sizes of a module
    MAX_NEST = 8    // loops around each other
};

typedef enum DType { F32, F16, BF16, I8, U8, I32, I64, BOOL, DTYPES } DType;

typedef struct DTypeInfo {
    const char *name; // in .dl
    const char *c;    // in the emitted C; f16 and bf16 are stored as uint16_t, bool as uint8_t
    int bytes;
    bool is_float;
    bool is_int;         // BOOL is neither
    bool supported;      // by lowering today; the others are refused with "not supported yet"
    double epsilon;      // of a float dtype: the distance from 1 to the next number
    int64_t least, most; // of an integer dtype
} DTypeInfo;
extern const DTypeInfo dtype_info[DTYPES];

// Returns false when `name` is no dtype.
bool dtype_find(const char *name, DType *dtype);
// Integers wrap: the value that the low bits stand for in an integer dtype; bool is 0 or 1.
int64_t int_wrap(DType dtype, uint64_t bits);
// A float as an integer, as cast makes it: towards zero, out of range the nearest number, NaN is 0.
int64_t int_saturate(DType dtype, double value);

// One axis: a fixed number of elements, or times * N + plus of one run-time size N. Never more than one size: where
// the elements of such an axis lie stays affine.
typedef struct Dim {
    int32_t extent;      // the number of elements; of a run-time axis the largest one, which N at its bound gives
    int16_t size;        // 0: fixed; k + 1: the module's run-time size k
    int32_t times, plus; // 0 and 0 of a fixed axis; times is 1 or more of a run-time one
} Dim;

typedef struct Type {
    DType dtype;
    int rank;
    Dim dim[MAX_RANK];
} Type;

// A place along an axis, or any number that is counted by at most one run-time size N: at + times * N.
typedef struct Count {
    int64_t at;
    int32_t times, bound; // bound: of N; both 0 where there is no size
    int16_t size;         // 0: none; k + 1: the module's run-time size k
} Count;

// A module's run-time size, `dim N <= 64`.
typedef struct Size {
    const char *name;
    int32_t bound; // the caller gives 1 to bound
} Size;

static inline Dim dim_fixed(int32_t extent) { return (Dim){.extent = extent}; }
// The axis that is the module's run-time size number `size` itself.
static inline Dim dim_size(int32_t bound, int size) { return (Dim){bound, (int16_t)(size + 1), 1, 0}; }
static inline bool dim_is_one(Dim dim) { return dim.extent == 1 && !dim.size; }
bool dim_equal(Dim a, Dim b);
// The same size, or none when times is 0, counted otherwise: times * N + plus. False where that is no axis: it shrinks
// as N grows, is below 1 for every N, or 2^31 or more at the bound.
bool dim_make(Dim of, int64_t times, int64_t plus, Dim *to);
// Axes one after the other. False: of two run-time sizes, or too long.
bool dim_add(Dim a, Dim b, Dim *sum);
int32_t dim_bound(Dim dim); // of the run-time size of the axis
int32_t dim_least(Dim dim); // the smallest value of that size with which the axis has an element

static inline Count count_fixed(int64_t at) { return (Count){.at = at}; }
Count count_of_dim(Dim dim); // as many as the axis has elements: the first place past its end
bool count_equal(Count a, Count b);
// *sum = a + scale * b. False: of two run-time sizes, or too large.
bool count_add(Count a, int64_t scale, Count b, Count *sum);
// An axis with that many elements. False: as of dim_make.
bool count_to_dim(Count count, Dim *dim);
void count_print(Str *s, Count place, const Size *sizes);

// Keeps in need[dim.size - 1] the axis that needs the largest value of its size to have an element. Axes that have one
// for any value from 1 on are left out.
void dim_need(Dim *need, Dim dim);
bool type_equal(const Type *a, const Type *b);
bool shape_equal(const Type *a, const Type *b); // dims only
Type type_scalar(DType dtype);
Type type_with_dtype(Type type, DType dtype);
// Elements with every run-time size at its bound. The elaborator and every shape rule keep it below 2^31.
int64_t type_count(const Type *type);
// type_count without overflow: false when the product does not stay below 2^31.
bool type_count_checked(const Type *type, int64_t *count);
bool type_has_size(const Type *type); // any run-time axis

// The number of elements of a shape, taken apart: a number and the sizes that it is multiplied by, none of which has a
// factor of its own. [2 * N, 3, M] is 6 and {N, M}. Equal numbers of elements have equal factors.
typedef struct Factors {
    int64_t fixed;
    int nsized;
    Dim sized[MAX_RANK];
} Factors;
Factors type_factors(const Type *type);
// a becomes a / by. False: that does not come out.
bool factors_divide(Factors *a, const Factors *by);
// "(2 * N + 1) * 784"; names by run-time size.
void type_count_print(Str *s, const Type *type, const char *const *names);

// Two shapes cut into the shortest runs of axes with equal products: [4, 6, N] and [2, 2, 6, N] are {4 | 2, 2} {6 | 6}
// {N | N}; [N, 5, 3] and [5 * N, 3] are {N, 5 | 5 * N} {3 | 3}. Axes of one element belong to no run.
typedef struct ShapeRun {
    int a0, a1, b0, b1; // axes [a0, a1) of a and [b0, b1) of b
} ShapeRun;
// Returns the number of runs, or -1 when the shapes do not fit.
int shape_runs(const Type *a, const Type *b, ShapeRun *runs);
// Whether the run's elements lie at constant strides: a run-time axis is the outermost one, on both sides.
bool shape_run_is_fixed(const Type *a, const Type *b, ShapeRun run);

// Two shapes that differ in axes of one element alone: at[d] is the axis of a that axis d of b is, -1 for one of those.
// False: they differ in more.
bool shape_match_ones(const Type *a, const Type *b, int *at);

// Prints "f32[N, 784]"; sizes gives the names (NULL prints "?k<=bound").
void type_print(Str *s, const Type *type, const Size *sizes);
char *type_text(Arena *arena, const Type *type, const Size *sizes);
void dim_print(Str *s, Dim dim, const Size *sizes); // "48", "N", "2 * N - 1"
// "times * NAME + plus" as people write it.
void count_put(Str *s, int64_t times, int64_t plus, const char *name);

#endif
