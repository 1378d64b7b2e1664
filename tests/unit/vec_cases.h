// vec_cases.h: what the tests see of dlc_vec.h, whatever its DLC_LANES.
#ifndef VEC_CASES_H
#define VEC_CASES_H

#include <stddef.h>
#include <stdint.h>

enum {
    VEC_EXP,
    VEC_LOG,
    VEC_LOG1P,
    VEC_EXPM1,
    VEC_TANH,
    VEC_SIGMOID,
    VEC_SOFTPLUS,
    VEC_ERF,
    VEC_SIN,
    VEC_COS,
    VEC_SQRT,
    VEC_RELU,
    VEC_MAPS
};

typedef struct VecCases {
    int lanes;
    void (*map[VEC_MAPS])(float *y, const float *x, int n); // n a multiple of lanes
    // of `lanes` elements each
    void (*max)(float *y, const float *a, const float *b);
    void (*min)(float *y, const float *a, const float *b);
    void (*select)(float *y, const float *a, const float *b);
    void (*splat)(float *y, float x);
    void (*index)(int32_t *y, int32_t i);
    void (*cast)(float *y, const int32_t *x);
    float (*sum)(const float *x);
    float (*hmax)(const float *x);
    float (*hmin)(const float *x);
    void (*transpose)(float *dst, size_t dst_stride, const float *src, size_t src_stride);
} VecCases;

extern const VecCases vec_cases_4, vec_cases_8, vec_cases_16;

#endif
