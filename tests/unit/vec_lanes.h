// vec_lanes.h: the functions of dlc_vec.h over arrays, for one DLC_LANES. Included by vec4.c, vec8.c and vec16.c, each
// of which is a translation unit of its own, because the types have the same names.
#include "dlc_vec.h"

#include "vec_cases.h"

#define MAP(NAME)                                                                                                      \
    static void NAME##_array(float *y, const float *x, int n) {                                                        \
        for (int i = 0; i < n; i += DLC_LANES) dlc_vstore(y + i, dlc_v##NAME(dlc_vload(x + i)));                       \
    }
MAP(exp)
MAP(log)
MAP(log1p)
MAP(expm1)
MAP(tanh)
MAP(sigmoid)
MAP(softplus)
MAP(erf)
MAP(sin)
MAP(cos)
MAP(sqrt)
MAP(relu)

static void max_array(float *y, const float *a, const float *b) { dlc_vstore(y, dlc_vmax(dlc_vload(a), dlc_vload(b))); }
static void min_array(float *y, const float *a, const float *b) { dlc_vstore(y, dlc_vmin(dlc_vload(a), dlc_vload(b))); }
static void select_array(float *y, const float *a, const float *b) { // where a < b: a, else b
    dlc_vf va = dlc_vload(a), vb = dlc_vload(b);
    dlc_vstore(y, dlc_vselect(va < vb, va, vb));
}
static void splat_array(float *y, float x) { dlc_vstore(y, dlc_vsplat(x)); }
static void index_array(int32_t *y, int32_t i) { dlc_vstore_i32(y, dlc_vindex(i)); }
static void cast_array(float *y, const int32_t *x) { dlc_vstore(y, dlc_vcast_f(dlc_vload_i32(x))); }
static float sum(const float *x) { return dlc_vsum(dlc_vload(x)); }
static float hmax(const float *x) { return dlc_vhmax(dlc_vload(x)); }
static float hmin(const float *x) { return dlc_vhmin(dlc_vload(x)); }
static void transpose(float *dst, size_t dst_stride, const float *src, size_t src_stride) {
    dlc_transpose(dst, dst_stride, src, src_stride);
}

const VecCases VEC_CASES = {
    .lanes = DLC_LANES,
    .map = {exp_array, log_array, log1p_array, expm1_array, tanh_array, sigmoid_array, softplus_array, erf_array,
            sin_array, cos_array, sqrt_array, relu_array},
    .max = max_array,
    .min = min_array,
    .select = select_array,
    .splat = splat_array,
    .index = index_array,
    .cast = cast_array,
    .sum = sum,
    .hmax = hmax,
    .hmin = hmin,
    .transpose = transpose,
};
