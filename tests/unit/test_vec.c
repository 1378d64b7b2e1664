// test_vec.c: dlc_vec.h against libm in double: the error in units in the last place over floats of every exponent and
// both signs, the special values, moves and reductions.
//     exp, 16 lanes: 0.97 ulp at 88.3762436, at most 1
// The floats are every DLC_VEC_STRIDE-th bit pattern; DLC_VEC_STRIDE=1 in the environment takes them all (ten minutes).
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vec_cases.h"

static const VecCases *const all_lanes[] = {&vec_cases_4, &vec_cases_8, &vec_cases_16};
enum { LANE_COUNTS = 3, BLOCK = 4096 };

static double sigmoid(double x) {
    double e = exp(-fabs(x));
    return x < 0 ? e / (1 + e) : 1 / (1 + e);
}
static double softplus(double x) { return fmax(x, 0) + log1p(exp(-fabs(x))); }
static double relu(double x) { return x < 0 ? 0 : x; }

static const struct {
    const char *name;
    double (*exact)(double x);
    double ulp;
} maps[VEC_MAPS] = {
    [VEC_EXP] = {"exp", exp, 1},
    [VEC_LOG] = {"log", log, 1},
    [VEC_LOG1P] = {"log1p", log1p, 1.5},
    [VEC_EXPM1] = {"expm1", expm1, 1.5},
    [VEC_TANH] = {"tanh", tanh, 1.5},
    [VEC_SIGMOID] = {"sigmoid", sigmoid, 2.5},
    [VEC_SOFTPLUS] = {"softplus", softplus, 2},
    [VEC_ERF] = {"erf", erf, 1.5},
    [VEC_SIN] = {"sin", sin, 1.5},
    [VEC_COS] = {"cos", cos, 1.5},
    [VEC_SQRT] = {"sqrt", sqrt, 0.5},
    [VEC_RELU] = {"relu", relu, 0},
};

static float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static uint32_t bits_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// The distance of `got` from `want` in units of the last place of a float near `want`; infinite when only one of them
// is NaN or infinite, or when a zero has the wrong sign.
static double ulps(float got, double want) {
    float rounded = (float)want;
    if (isnan(rounded)) return isnan(got) ? 0 : INFINITY;
    if (isinf(rounded) || isinf(got)) return got == rounded ? 0 : INFINITY;
    if (got == 0 && want == 0) return !signbit(got) == !signbit(want) ? 0 : INFINITY;
    int exponent = want == 0 ? -126 : ilogb(want);
    return fabs((double)got - want) / ldexp(1, (exponent < -126 ? -126 : exponent) - 23);
}

typedef struct Worst {
    double ulp;
    float at;
} Worst;

static void measure_block(const VecCases *v, int map, const float *x, int n, Worst *worst) {
    static float y[BLOCK];
    v->map[map](y, x, n);
    for (int i = 0; i < n; i++) {
        double error = ulps(y[i], maps[map].exact(x[i]));
        if (error > worst->ulp) *worst = (Worst){error, x[i]};
    }
}

static void measure(const VecCases *v, int map, uint64_t stride) {
    static float x[BLOCK];
    Worst worst = {0};
    uint64_t bits = 0;
    while (bits < (uint64_t)1 << 32) {
        for (int i = 0; i < BLOCK; i++, bits += stride) x[i] = float_of((uint32_t)bits);
        measure_block(v, map, x, BLOCK, &worst);
    }
    if (getenv("DLC_VEC_STRIDE"))
        printf("%s, %d lanes: %.3f ulp at %.9g\n", maps[map].name, v->lanes, worst.ulp, worst.at);
    cr_expect(worst.ulp <= maps[map].ulp, "%s, %d lanes: %.3f ulp at %.9g, want at most %g", maps[map].name, v->lanes,
              worst.ulp, worst.at, maps[map].ulp);
}

Test(vec, error_in_ulp) {
    const char *given = getenv("DLC_VEC_STRIDE");
    uint64_t stride = given ? strtoull(given, NULL, 10) : 10007;
    cr_assert(stride > 0);
    for (int l = 0; l < LANE_COUNTS; l++)
        for (int map = 0; map < VEC_MAPS; map++) measure(all_lanes[l], map, stride);
}

// Where functions change their form or their result: zeros, denormals, infinities, NaN, overflow, the seams.
Test(vec, special_values) {
    static const float at[] = {0,
                               1,
                               2,
                               0.5f,
                               0x1p-149f,
                               0x1p-127f,
                               0x1p-126f,
                               0x1.fffffep-127f,
                               0x1p-24f,
                               0x1p-25f,
                               0.55f,
                               0x1.6a09e6p-1f,
                               0x1.6a09e8p-1f,
                               0x1.6a09e6p0f,
                               0x1.6a09e8p0f,
                               0.41421354f,
                               0.29289323f,
                               0x1.fffffep-1f,
                               0x1.000002p0f,
                               0.34657359f,
                               0.785398185f, // pi/4
                               0.92773437f,
                               0.927734435f,
                               1.57079637f, // pi/2
                               3.14159274f,
                               3.9,
                               4,
                               9,
                               10,
                               17,
                               18,
                               87.3365f,
                               88.72283f,
                               88.72284f,
                               89,
                               90,
                               103.97207f,
                               103.97208f,
                               104,
                               110,
                               111,
                               8191.99951f,
                               8192,
                               8192.00098f,
                               16777216,
                               0x1p127f,
                               0x1.fffffep127f,
                               INFINITY};
    enum { N = sizeof at / sizeof *at };
    float x[2 * N + 16 + 16];
    int n = 0;
    for (int i = 0; i < N; i++) x[n++] = at[i], x[n++] = -at[i];
    x[n++] = NAN, x[n++] = float_of(0xffc00001), x[n++] = float_of(0x7f800001);
    while (n % 16) x[n++] = NAN;
    for (int l = 0; l < LANE_COUNTS; l++)
        for (int map = 0; map < VEC_MAPS; map++) {
            Worst worst = {0};
            measure_block(all_lanes[l], map, x, n, &worst);
            cr_expect(worst.ulp <= maps[map].ulp, "%s, %d lanes: %.3f ulp at %.9g", maps[map].name, all_lanes[l]->lanes,
                      worst.ulp, worst.at);
        }
}

Test(vec, pairs) {
    static const float at[] = {NAN, -INFINITY, -1, -0.0f, 0, 1, 2, INFINITY};
    for (int l = 0; l < LANE_COUNTS; l++)
        for (int p = 0; p < 64; p++) {
            const VecCases *v = all_lanes[l];
            float a[16], b[16], y[16], s = at[p / 8], t = at[p % 8];
            for (int i = 0; i < 16; i++) a[i] = s, b[i] = t;
            double high = isnan(s) || isnan(t) ? NAN : s > t ? s : t, low = isnan(s) || isnan(t) ? NAN : s < t ? s : t;
            v->max(y, a, b);
            cr_expect(isnan(high) ? isnan(y[0]) : y[0] == high, "max(%g, %g): got %g", s, t, y[0]);
            v->min(y, a, b);
            cr_expect(isnan(low) ? isnan(y[v->lanes - 1]) : y[v->lanes - 1] == low, "min(%g, %g): got %g", s, t, y[0]);
            v->select(y, a, b);
            float want = s < t ? s : t;
            for (int i = 0; i < v->lanes; i++)
                cr_expect(bits_of(y[i]) == bits_of(want), "select(%g, %g): got %g", s, t, y[i]);
        }
}

Test(vec, lanes) {
    for (int l = 0; l < LANE_COUNTS; l++) {
        const VecCases *v = all_lanes[l];
        float y[16];
        int32_t index[16];
        v->splat(y, -0.0f);
        v->index(index, -3);
        for (int i = 0; i < v->lanes; i++) {
            cr_expect(y[i] == 0 && signbit(y[i]), "splat, %d lanes: lane %d is not -0", v->lanes, i);
            cr_expect(index[i] == i - 3, "index, %d lanes: lane %d is %d", v->lanes, i, index[i]);
            index[i] = i == 1 ? INT32_MIN : 16777217 * (i + 1);
        }
        v->cast(y, index);
        for (int i = 0; i < v->lanes; i++) cr_expect(y[i] == (float)index[i], "cast, %d lanes: lane %d", v->lanes, i);
        // Every lane counts once: powers of two, the largest and smallest at every place, a NaN at every place.
        float total = 0;
        for (int i = 0; i < v->lanes; i++) total += y[i] = (float)(1 << i);
        cr_expect(v->sum(y) == total, "sum, %d lanes: got %g, want %g", v->lanes, v->sum(y), total);
        for (int i = 0; i < v->lanes; i++) {
            for (int k = 0; k < v->lanes; k++) y[k] = (float)(k == i) - 3;
            cr_expect(v->hmax(y) == -2, "hmax, %d lanes: largest in lane %d", v->lanes, i);
            for (int k = 0; k < v->lanes; k++) y[k] = 3 - (float)(k == i);
            cr_expect(v->hmin(y) == 2, "hmin, %d lanes: smallest in lane %d", v->lanes, i);
            y[i] = NAN;
            cr_expect(isnan(v->hmax(y)) && isnan(v->hmin(y)) && isnan(v->sum(y)), "%d lanes: NaN in %d", v->lanes, i);
        }
    }
}

Test(vec, transpose) {
    enum { SRC = 19, DST = 23 };
    for (int l = 0; l < LANE_COUNTS; l++) {
        const VecCases *v = all_lanes[l];
        static float src[16 * SRC], dst[16 * DST];
        for (int i = 0; i < 16 * SRC; i++) src[i] = (float)i;
        for (int i = 0; i < 16 * DST; i++) dst[i] = -1;
        v->transpose(dst, DST, src, SRC);
        for (int j = 0; j < 16; j++)
            for (int i = 0; i < DST; i++) {
                float want = j < v->lanes && i < v->lanes ? src[i * SRC + j] : -1;
                cr_assert(dst[j * DST + i] == want, "transpose, %d lanes: [%d, %d] is %g, want %g", v->lanes, j, i,
                          dst[j * DST + i], want);
            }
    }
}
