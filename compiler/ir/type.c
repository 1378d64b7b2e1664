// type.c: element types and shapes.
#include "ir/type.h"

#include <stdio.h>
#include <string.h>

#include "support/ints.h"

const DTypeInfo dtype_info[DTYPES] = {
    [F32] = {"f32", "float", 4, true, false, true, 1.1920928955078125e-07, 0, 0},
    [F16] = {"f16", "uint16_t", 2, true, false, false, 0.0009765625, 0, 0},
    [BF16] = {"bf16", "uint16_t", 2, true, false, false, 0.0078125, 0, 0},
    [I8] = {"i8", "int8_t", 1, false, true, false, 0, INT8_MIN, INT8_MAX},
    [U8] = {"u8", "uint8_t", 1, false, true, true, 0, 0, UINT8_MAX},
    [I32] = {"i32", "int32_t", 4, false, true, true, 0, INT32_MIN, INT32_MAX},
    [I64] = {"i64", "int64_t", 8, false, true, true, 0, INT64_MIN, INT64_MAX},
    [BOOL] = {"bool", "uint8_t", 1, false, false, true, 0, 0, 0},
};

bool dtype_find(const char *name, DType *dtype) {
    for (int k = 0; k < DTYPES; k++)
        if (!strcmp(dtype_info[k].name, name)) {
            *dtype = (DType)k;
            return true;
        }
    return false;
}

int64_t int_wrap(DType dtype, uint64_t bits) {
    switch (dtype) {
    case I8:
        return (int8_t)(uint8_t)bits;
    case U8:
        return (uint8_t)bits;
    case I32:
        return (int32_t)(uint32_t)bits;
    case BOOL:
        return bits != 0;
    default:
        return (int64_t)bits;
    }
}

int64_t int_saturate(DType dtype, double value) {
    const DTypeInfo *info = &dtype_info[dtype];
    if (value != value) return 0;
    if (value <= (double)info->least) return info->least;
    return value >= (double)info->most ? info->most : (int64_t)value;
}

bool dim_equal(Dim a, Dim b) {
    return a.extent == b.extent && a.size == b.size && a.times == b.times && a.plus == b.plus;
}

int32_t dim_bound(Dim dim) { return dim.times ? (int32_t)(((int64_t)dim.extent - dim.plus) / dim.times) : dim.extent; }

int32_t dim_least(Dim dim) {
    if (!dim.size || dim.plus >= 1 - dim.times) return 1;
    return (int32_t)ceil_div(1 - (int64_t)dim.plus, dim.times);
}

bool dim_make(Dim of, int64_t times, int64_t plus, Dim *to) {
    int64_t extent;
    if (times < 0 || times > INT32_MAX || plus > INT32_MAX || plus < -INT32_MAX) return false;
    if (__builtin_mul_overflow(times, times ? dim_bound(of) : 0, &extent)) return false;
    extent += plus;
    if (extent < 1 || extent > INT32_MAX) return false;
    *to = times ? (Dim){(int32_t)extent, of.size, (int32_t)times, (int32_t)plus} : dim_fixed((int32_t)extent);
    return true;
}

// ---- places ---------------------------------------------------------------------------------------------------------

Count count_of_dim(Dim dim) {
    return dim.size ? (Count){dim.plus, dim.times, dim_bound(dim), dim.size} : count_fixed(dim.extent);
}

bool count_equal(Count a, Count b) { return a.at == b.at && a.times == b.times && a.size == b.size; }

bool count_add(Count a, int64_t scale, Count b, Count *sum) {
    int64_t at, times;
    if (a.size && b.size && a.size != b.size) return false;
    if (__builtin_mul_overflow(scale, b.at, &at) || __builtin_add_overflow(at, a.at, &at)) return false;
    if (__builtin_mul_overflow(scale, b.times, &times) || __builtin_add_overflow(times, a.times, &times)) return false;
    if (at > INT32_MAX || at < -INT32_MAX || times > INT32_MAX || times < -INT32_MAX) return false;
    const Count *sized = a.size ? &a : &b;
    *sum = times ? (Count){at, (int32_t)times, sized->bound, sized->size} : count_fixed(at);
    return true;
}

bool count_to_dim(Count count, Dim *dim) {
    return dim_make(count.size ? dim_size(count.bound, count.size - 1) : dim_fixed(1), count.times, count.at, dim);
}

void count_print(Str *s, Count place, const Size *sizes) {
    char name[40];
    if (!place.size) {
        str_printf(s, "%lld", (long long)place.at);
        return;
    }
    snprintf(name, sizeof name, "?%d<=%d", place.size - 1, place.bound);
    count_put(s, place.times, place.at, sizes ? sizes[place.size - 1].name : name);
}

// ---- what axes ask for ----------------------------------------------------------------------------------------------

void dim_need(Dim *need, Dim dim) {
    if (!dim.size || dim_least(dim) < 2) return;
    Dim *most = &need[dim.size - 1];
    if (!most->size || dim_least(dim) > dim_least(*most)) *most = dim;
}

bool dim_add(Dim a, Dim b, Dim *sum) {
    if (a.size && b.size && a.size != b.size) return false;
    int64_t plus = (int64_t)(a.size ? a.plus : a.extent) + (b.size ? b.plus : b.extent);
    return dim_make(a.size ? a : b, (int64_t)a.times + b.times, plus, sum);
}

bool shape_equal(const Type *a, const Type *b) {
    if (a->rank != b->rank) return false;
    for (int d = 0; d < a->rank; d++)
        if (!dim_equal(a->dim[d], b->dim[d])) return false;
    return true;
}

bool type_equal(const Type *a, const Type *b) { return a->dtype == b->dtype && shape_equal(a, b); }

Type type_scalar(DType dtype) { return (Type){.dtype = dtype}; }

Type type_with_dtype(Type type, DType dtype) {
    type.dtype = dtype;
    return type;
}

bool type_count_checked(const Type *type, int64_t *count) {
    int64_t product = 1;
    for (int d = 0; d < type->rank; d++) {
        product *= type->dim[d].extent;
        if (product > INT32_MAX || product < 0) return false;
    }
    *count = product;
    return true;
}

int64_t type_count(const Type *type) {
    int64_t count = 1;
    for (int d = 0; d < type->rank; d++) count *= type->dim[d].extent;
    return count;
}

bool type_has_size(const Type *type) {
    for (int d = 0; d < type->rank; d++)
        if (type->dim[d].size) return true;
    return false;
}

void count_put(Str *s, int64_t times, int64_t plus, const char *name) {
    if (times < 0) { // 10 - N
        str_printf(s, "%lld - ", (long long)plus);
        times = -times, plus = 0;
    }
    if (times != 1) str_printf(s, "%lld * ", (long long)times);
    str_put(s, name);
    if (plus) str_printf(s, " %c %lld", plus < 0 ? '-' : '+', (long long)(plus < 0 ? -plus : plus));
}

void dim_print(Str *s, Dim dim, const Size *sizes) { count_print(s, count_of_dim(dim), sizes); }

void type_print(Str *s, const Type *type, const Size *sizes) {
    str_printf(s, "%s[", dtype_info[type->dtype].name);
    for (int d = 0; d < type->rank; d++) {
        if (d) str_put(s, ", ");
        dim_print(s, type->dim[d], sizes);
    }
    str_put(s, "]");
}

char *type_text(Arena *arena, const Type *type, const Size *sizes) {
    Str s = str_new(arena);
    type_print(&s, type, sizes);
    return arena_strdup(arena, str_text(&s));
}

// ---- numbers of elements --------------------------------------------------------------------------------------------

Factors type_factors(const Type *type) {
    Factors f = {.fixed = 1};
    for (int d = 0; d < type->rank; d++) {
        Dim dim = type->dim[d];
        int64_t common = dim.size ? gcd(dim.times, dim.plus) : dim.extent;
        f.fixed *= common;
        if (dim.size && dim_make(dim, dim.times / common, dim.plus / common, &dim)) f.sized[f.nsized++] = dim;
    }
    return f;
}

bool factors_divide(Factors *a, const Factors *by) {
    for (int k = 0; k < by->nsized; k++) {
        int at = 0;
        while (at < a->nsized && !dim_equal(a->sized[at], by->sized[k])) at++;
        if (at == a->nsized) return false;
        for (a->nsized--; at < a->nsized; at++) a->sized[at] = a->sized[at + 1];
    }
    if (a->fixed % by->fixed) return false;
    a->fixed /= by->fixed;
    return true;
}

void type_count_print(Str *s, const Type *type, const char *const *names) {
    int64_t fixed = 1;
    int n = 0;
    for (int d = 0; d < type->rank; d++) {
        Dim dim = type->dim[d];
        if (!dim.size) fixed *= dim.extent;
        if (!dim.size) continue;
        bool bare = dim.times == 1 && !dim.plus;
        str_put(s, n++ ? " * " : "");
        str_put(s, bare ? "" : "(");
        count_put(s, dim.times, dim.plus, names[dim.size - 1]);
        str_put(s, bare ? "" : ")");
    }
    if (fixed != 1 || !n) str_printf(s, n ? " * %lld" : "%lld", (long long)fixed);
}

// ---- runs -------------------------------------------------------------------------------------------------------

// The number of elements of some axes: times * N + plus of at most one run-time size.
typedef struct Product {
    int64_t times, plus, bound; // bound: the number at the size's bound
    int16_t size;
} Product;

// False: a product of two sizes, or one that is too large.
static bool product_take(Product *p, Dim dim) {
    if (p->size && dim.size) return false;
    int64_t by = dim.extent;
    if (dim.size)
        *p = (Product){p->plus * dim.times, p->plus * dim.plus, p->bound, dim.size};
    else
        p->times *= by, p->plus *= by;
    p->bound *= dim.extent;
    return p->bound <= INT32_MAX;
}

static bool product_equal(const Product *a, const Product *b) {
    return a->size == b->size && a->times == b->times && a->plus == b->plus;
}

int shape_runs(const Type *a, const Type *b, ShapeRun *runs) {
    int i = 0, j = 0, n = 0;
    for (;;) {
        while (i < a->rank && dim_is_one(a->dim[i])) i++;
        while (j < b->rank && dim_is_one(b->dim[j])) j++;
        if (i == a->rank || j == b->rank) return i == a->rank && j == b->rank ? n : -1;
        ShapeRun run = {i, i + 1, j, j + 1};
        Product left = {0, 1, 1, 0}, right = left;
        if (!product_take(&left, a->dim[i++]) || !product_take(&right, b->dim[j++])) return -1;
        while (!product_equal(&left, &right)) {
            bool shorter = left.bound < right.bound || (left.bound == right.bound && i < a->rank);
            if (shorter ? i == a->rank : j == b->rank) return -1;
            if (!(shorter ? product_take(&left, a->dim[i++]) : product_take(&right, b->dim[j++]))) return -1;
        }
        run.a1 = i, run.b1 = j;
        runs[n++] = run;
    }
}

static bool strides_are_fixed(const Type *type, int from, int to) {
    while (from < to && dim_is_one(type->dim[from])) from++;
    for (int d = from + 1; d < to; d++)
        if (type->dim[d].size) return false;
    return true;
}

bool shape_run_is_fixed(const Type *a, const Type *b, ShapeRun run) {
    return strides_are_fixed(a, run.a0, run.a1) && strides_are_fixed(b, run.b0, run.b1);
}

bool shape_match_ones(const Type *a, const Type *b, int *at) {
    int i = 0;
    for (int d = 0; d < b->rank; d++) {
        at[d] = -1;
        if (dim_is_one(b->dim[d])) continue;
        while (i < a->rank && dim_is_one(a->dim[i])) i++;
        if (i == a->rank || !dim_equal(a->dim[i], b->dim[d])) return false;
        at[d] = i++;
    }
    while (i < a->rank && dim_is_one(a->dim[i])) i++;
    return i == a->rank;
}
