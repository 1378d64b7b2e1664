// type.c: element types and shapes.
#include "ir/type.h"

#include <string.h>

const DTypeInfo dtype_info[DTYPES] = {
    [F32] = {"f32", "float", 4, true, false, true, 1.1920928955078125e-07},
    [F16] = {"f16", "uint16_t", 2, true, false, false, 0.0009765625},
    [BF16] = {"bf16", "uint16_t", 2, true, false, false, 0.0078125},
    [I8] = {"i8", "int8_t", 1, false, true, false, 0},
    [U8] = {"u8", "uint8_t", 1, false, true, true, 0},
    [I32] = {"i32", "int32_t", 4, false, true, true, 0},
    [I64] = {"i64", "int64_t", 8, false, true, true, 0},
    [BOOL] = {"bool", "uint8_t", 1, false, false, true, 0},
};

bool dtype_find(const char *name, DType *dtype) {
    for (int k = 0; k < DTYPES; k++)
        if (!strcmp(dtype_info[k].name, name)) {
            *dtype = (DType)k;
            return true;
        }
    return false;
}

bool dim_equal(Dim a, Dim b) { return a.extent == b.extent && a.size == b.size; }

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

void dim_print(Str *s, Dim dim, const Size *sizes) {
    if (!dim.size)
        str_printf(s, "%d", dim.extent);
    else if (sizes)
        str_put(s, sizes[dim.size - 1].name);
    else
        str_printf(s, "?%d<=%d", dim.size - 1, dim.extent);
}

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

// ---- runs -------------------------------------------------------------------------------------------------------

static bool is_one(Dim dim) { return dim.extent == 1 && dim.size == 0; }

int shape_runs(const Type *a, const Type *b, ShapeRun *runs) {
    int i = 0, j = 0, n = 0;
    for (;;) {
        while (i < a->rank && is_one(a->dim[i])) i++;
        while (j < b->rank && is_one(b->dim[j])) j++;
        if (i == a->rank || j == b->rank) return i == a->rank && j == b->rank ? n : -1;
        ShapeRun run = {i, i + 1, j, j + 1};
        int64_t left = a->dim[i++].extent, right = b->dim[j++].extent;
        bool tagged = a->dim[run.a0].size || b->dim[run.b0].size;
        if (tagged && !dim_equal(a->dim[run.a0], b->dim[run.b0])) return -1;
        while (left != right) {
            const Type *shorter = left < right ? a : b;
            int *at = left < right ? &i : &j;
            if (*at == shorter->rank || shorter->dim[*at].size) return -1;
            int64_t *product = left < right ? &left : &right;
            *product *= shorter->dim[(*at)++].extent;
        }
        run.a1 = i, run.b1 = j;
        runs[n++] = run;
    }
}
