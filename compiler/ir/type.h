// type.h: what a value is: an element type and a shape whose axes are extents or run-time sizes.
//
//     f32[N, 3, 48, 48]    with `dim N <= 64`: {F32, 4, {{64, size 1}, {3}, {48}, {48}}}
#ifndef DLC_TYPE_H
#define DLC_TYPE_H

#include <stdbool.h>
#include <stdint.h>

#include "support/str.h"

enum {
    MAX_RANK = 8,
    MAX_AXES = 12, // iteration axes of a contract or reduce
    MAX_SIZES = 15 // run-time sizes of a module
};

typedef enum DType { F32, F16, BF16, I8, U8, I32, I64, BOOL, DTYPES } DType;

typedef struct DTypeInfo {
    const char *name; // in .dl
    const char *c;    // in the emitted C; f16 and bf16 are stored as uint16_t, bool as uint8_t
    int bytes;
    bool is_float;
    bool is_int;    // BOOL is neither
    bool supported; // by lowering today; the others are refused with "not supported yet"
    double epsilon; // of a float dtype: the distance from 1 to the next number
} DTypeInfo;
extern const DTypeInfo dtype_info[DTYPES];

// Returns false when `name` is no dtype.
bool dtype_find(const char *name, DType *dtype);

// One axis. `extent` is the number of elements, or the bound of a run-time size.
typedef struct Dim {
    int32_t extent;
    int16_t size; // 0: fixed; k + 1: the module's run-time size k
} Dim;

typedef struct Type {
    DType dtype;
    int rank;
    Dim dim[MAX_RANK];
} Type;

// A module's run-time size, `dim N <= 64`.
typedef struct Size {
    const char *name;
    int32_t bound; // the caller gives 1 to bound
} Size;

static inline Dim dim_fixed(int32_t extent) { return (Dim){extent, 0}; }
bool dim_equal(Dim a, Dim b);
bool type_equal(const Type *a, const Type *b);
bool shape_equal(const Type *a, const Type *b); // dims only
Type type_scalar(DType dtype);
Type type_with_dtype(Type type, DType dtype);
// Elements with every run-time size at its bound. The elaborator and every shape rule keep it below 2^31.
int64_t type_count(const Type *type);
// type_count without overflow: false when the product does not stay below 2^31.
bool type_count_checked(const Type *type, int64_t *count);
bool type_has_size(const Type *type); // any run-time axis

// Two shapes cut into the shortest runs of axes with equal products: [4, 6, N] and [2, 2, 6, N] are {4 | 2, 2} {6 | 6}
// {N | N}. Axes of one element belong to no run. A run-time axis is a run with itself.
typedef struct ShapeRun {
    int a0, a1, b0, b1; // axes [a0, a1) of a and [b0, b1) of b
} ShapeRun;
// Returns the number of runs, or -1 when the shapes do not fit.
int shape_runs(const Type *a, const Type *b, ShapeRun *runs);

// Prints "f32[N, 784]"; sizes gives the names (NULL prints "?k<=bound").
void type_print(Str *s, const Type *type, const Size *sizes);
char *type_text(Arena *arena, const Type *type, const Size *sizes);
void dim_print(Str *s, Dim dim, const Size *sizes);

#endif
