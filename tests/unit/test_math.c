// test_math.c: dlc_math.h, which the scalar C calls: random numbers, selects, division, casts that saturate.
#include <criterion/criterion.h>
#include <math.h>

#include "dlc_math.h"

// ---- random numbers: the known answers that come with the paper's code --------------------------------------------

Test(math, philox) {
    static const uint32_t rows[][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb, 0x5001e420,
         0x24126ea1},
    };
    for (int i = 0; i < 3; i++) {
        uint32_t c[4];
        memcpy(c, rows[i], sizeof c);
        dlc_philox(c, rows[i][4], rows[i][5]);
        cr_expect(!memcmp(c, rows[i] + 6, sizeof c), "row %d: %08x %08x %08x %08x", i, c[0], c[1], c[2], c[3]);
    }
}

Test(math, distributions) {
    enum { N = 1000000 };
    double sum = 0, square = 0, uniform = 0, low = 1, high = 0;
    for (int i = 0; i < N; i++) {
        double z = dlc_normal(5, 0, 1, i), u = dlc_uniform(5, 0, 2, i);
        sum += z, square += z * z, uniform += u;
        low = u < low ? u : low, high = u > high ? u : high;
        cr_assert(u >= 0 && u < 1 && u == (float)u && isfinite(z));
    }
    cr_expect(fabs(sum / N) < 0.004 && fabs(square / N - 1) < 0.006, "mean %g, variance %g", sum / N, square / N);
    cr_expect(fabs(uniform / N - 0.5) < 0.0012 && low < 1e-5 && high > 1 - 1e-5, "mean %g in %g..%g", uniform / N, low,
              high);
    // Every argument counts.
    double u = dlc_uniform(1, 2, 3, 4);
    cr_expect(u == dlc_uniform(1, 2, 3, 4));
    cr_expect(u != dlc_uniform(2, 2, 3, 4) && u != dlc_uniform(1, 3, 3, 4) && u != dlc_uniform(1, 2, 4, 4) &&
              u != dlc_uniform(1, 2, 3, 5));
    cr_expect(u != dlc_uniform(1 + ((int64_t)1 << 32), 2, 3, 4) && u != dlc_uniform(1, 2 + ((int64_t)1 << 32), 3, 4));
    cr_expect(isfinite(dlc_normal(-1, -1, ~0u, -1)));
}

// Without doubles, within 4 units in the last place of what doubles give (and half of one, which is theirs).
Test(math, normal_in_floats) {
    double worst = 0;
    for (int i = 0; i < 1000000; i++) {
        double want = dlc_normal(7, 1, 2, i), got = dlc_normalf(7, 1, 2, i);
        double off = fabs(got - want) / (nextafterf(fabsf((float)want), INFINITY) - fabsf((float)want));
        worst = off <= worst ? worst : off; // NaN too, which stays
        if (isnan(off)) break;
    }
    cr_expect(worst <= 4.5, "%g units in the last place", worst);
}

Test(math, scalar_helpers) {
    cr_expect(isnan(dlc_maxf(NAN, 1)) && isnan(dlc_maxf(1, NAN)) && dlc_maxf(1, 2) == 2 && dlc_maxf(2, 1) == 2);
    cr_expect(isnan(dlc_minf(NAN, 1)) && isnan(dlc_minf(1, NAN)) && dlc_minf(1, 2) == 1 && dlc_minf(2, 1) == 1);
    cr_expect(isnan(dlc_max(NAN, 1)) && isnan(dlc_min(1, NAN)) && dlc_max(1, 2) == 2 && dlc_min(1, 2) == 1);
    cr_expect(isnan(dlc_reluf(NAN)) && dlc_reluf(-1) == 0 && dlc_reluf(2) == 2 && isnan(dlc_relu(NAN)) &&
              dlc_relu(-1) == 0);
    cr_expect(dlc_sigmoidf(-100) > 0 && dlc_sigmoidf(100) == 1 && dlc_sigmoid(0) == 0.5 &&
              dlc_sigmoidf(-INFINITY) == 0);
    cr_expect(dlc_softplusf(1000) == 1000 && dlc_softplus(-1000) == 0 &&
              fabs(dlc_softplus(0) - 0.693147180559945) < 1e-15);
    cr_expect(dlc_div_i32(7, 2) == 3 && dlc_div_i32(-7, 2) == -4 && dlc_div_i32(7, -2) == -4 &&
              dlc_div_i32(-7, -2) == 3);
    cr_expect(dlc_div_i32(1, 0) == 0 && dlc_div_i32(INT32_MIN, -1) == INT32_MIN && dlc_div_i32(-6, 2) == -3);
    cr_expect(dlc_div_i64(-7, 2) == -4 && dlc_div_i64(1, 0) == 0 && dlc_div_i64(INT64_MIN, -1) == INT64_MIN);
    cr_expect(dlc_cast_i32(NAN) == 0 && dlc_cast_i32(1e10) == INT32_MAX && dlc_cast_i32(-1e10) == INT32_MIN &&
              dlc_cast_i32(-1.9) == -1);
    cr_expect(dlc_cast_i32(2147483520.0f) == 2147483520 && dlc_cast_i32(2147483648.0f) == INT32_MAX &&
              dlc_cast_i32(-INFINITY) == INT32_MIN);
    cr_expect(dlc_cast_i64(1e19) == INT64_MAX && dlc_cast_i64(-1e19) == INT64_MIN && dlc_cast_i64(NAN) == 0 &&
              dlc_cast_i64(1.9) == 1);
    cr_expect(dlc_cast_u8(-0.5) == 0 && dlc_cast_u8(255.9) == 255 && dlc_cast_u8(254.9) == 254 &&
              dlc_cast_u8(NAN) == 0);
    cr_expect(dlc_cast_i8(-128.9) == -128 && dlc_cast_i8(-127.9) == -127 && dlc_cast_i8(127.5) == 127 &&
              dlc_cast_i8(NAN) == 0);
}

static bool same_bits(float a, float b) { return memcmp(&a, &b, sizeof a) == 0; }

// Any condition that is not 0 is true; NaN, infinity and -0 go through as they are.
Test(math, selects) {
    static const int truths[] = {1, -1, 2, 255, 256, INT32_MIN};
    static const float numbers[] = {0, -0.0F, NAN, -NAN, INFINITY, -INFINITY, 1e-45F, 3};
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        float x = numbers[k];
        for (size_t t = 0; t < sizeof truths / sizeof *truths; t++)
            cr_expect(same_bits(dlc_selectf(truths[t], x, 7), x) && same_bits(dlc_selectf(truths[t], 7, x), 7));
        cr_expect(same_bits(dlc_selectf(0, x, 7), 7) && same_bits(dlc_selectf(0, 7, x), x));
        cr_expect(same_bits((float)dlc_select(1, x, 7), x) && same_bits((float)dlc_select(0, 7, x), x));
    }
    for (size_t t = 0; t < sizeof truths / sizeof *truths; t++) {
        int c = truths[t];
        cr_expect(dlc_select_i32(c, INT32_MIN, 5) == INT32_MIN && dlc_select_i64(c, INT64_MIN, 5) == INT64_MIN);
        cr_expect(dlc_select_u8(c, 200, 5) == 200 && dlc_select_bool(c, 200, 0) == 1 && dlc_select_bool(c, 0, 1) == 0);
        cr_expect(dlc_and(c, 1) == 1 && dlc_and(c, 0) == 0 && dlc_or(c, 0) == 1 && dlc_or(0, c) == 1);
    }
    cr_expect(dlc_select_i32(0, 5, -7) == -7 && dlc_select_i64(0, 5, INT64_MAX) == INT64_MAX);
    cr_expect(dlc_select_u8(0, 5, 255) == 255 && dlc_select_bool(0, 0, 4) == 1 && dlc_select_bool(0, 1, 0) == 0);
    cr_expect(dlc_and(0, 0) == 0 && dlc_or(0, 0) == 0);
}

Test(math, integers) {
    cr_expect(dlc_max_i32(INT32_MIN, -1) == -1 && dlc_min_i32(INT32_MIN, -1) == INT32_MIN);
    cr_expect(dlc_max_i64(INT64_MIN, INT64_MAX) == INT64_MAX && dlc_min_i64(INT64_MIN, INT64_MAX) == INT64_MIN);
    cr_expect(dlc_max_u8(127, 128) == 128 && dlc_min_u8(127, 128) == 127);
    cr_expect(dlc_abs_i32(-5) == 5 && dlc_abs_i32(INT32_MIN) == INT32_MIN && dlc_abs_i32(7) == 7);
    cr_expect(dlc_abs_i64(-5) == 5 && dlc_abs_i64(INT64_MIN) == INT64_MIN && dlc_abs_i64(7) == 7);
    cr_expect(dlc_div_i32(INT32_MIN, 0) == 0 && dlc_div_i32(0, -1) == 0 && dlc_div_i32(INT32_MIN, 1) == INT32_MIN);
}
