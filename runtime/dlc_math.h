// dlc_math.h: what the emitted scalar C calls besides libm: maxima that keep NaN, saturating casts, random numbers.
//     relu  ->  dlc_reluf(x)          random {distribution="uniform"}  ->  dlc_uniform(seed, counter, site, element)
// No operand is read under a condition, by ?:, && or if: gcc 11 and 12 at -O3 with AVX or SVE make masked loads of
// those, and in nests of short rows they take the masks of other elements. A ?: between numbers that were compared is
// safe, and so is one between two values in registers that no memory is read for (dlc_sigmoidf, dlc_normalf). Strict
// ISO C. The lines //@block cut this file for the compiler, which pastes only the blocks that a model needs: every
// block defines one name and may use what stands above it.
#ifndef DLC_MATH_H
#define DLC_MATH_H

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

//@block
// What an operator gives, as an operand of the next: a float also where the compiler keeps more digits of it (x87,
// s390x). Elsewhere it is one already.
#if FLT_EVAL_METHOD == 0
#define dlc_f(x) (x)
#else
#define dlc_f(x) ((float)(x))
#endif

//@block
// a where c is not 0, else b: the bits of one of them.
static inline float dlc_selectf(int c, float a, float b) {
    uint32_t mask = 0 - (uint32_t)(c != 0), x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & mask) | (y & ~mask);
    memcpy(&a, &x, sizeof a);
    return a;
}

//@block
static inline double dlc_select(int c, double a, double b) {
    uint64_t mask = 0 - (uint64_t)(c != 0), x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    x = (x & mask) | (y & ~mask);
    memcpy(&a, &x, sizeof a);
    return a;
}

//@block
static inline int32_t dlc_select_i32(int c, int32_t a, int32_t b) {
    uint32_t mask = 0 - (uint32_t)(c != 0);
    return (int32_t)(((uint32_t)a & mask) | ((uint32_t)b & ~mask));
}

//@block
static inline int64_t dlc_select_i64(int c, int64_t a, int64_t b) {
    uint64_t mask = 0 - (uint64_t)(c != 0);
    return (int64_t)(((uint64_t)a & mask) | ((uint64_t)b & ~mask));
}

//@block
static inline uint8_t dlc_select_u8(int c, uint8_t a, uint8_t b) {
    uint8_t mask = (uint8_t)(0 - (c != 0));
    return (uint8_t)((a & mask) | (b & ~mask));
}

//@block
// Bools are true when they are not 0; these give 0 or 1.
static inline uint8_t dlc_and(int a, int b) { return (uint8_t)((a != 0) & (b != 0)); }

//@block
static inline uint8_t dlc_or(int a, int b) { return (uint8_t)((a != 0) | (b != 0)); }

//@block
static inline uint8_t dlc_select_bool(int c, int a, int b) {
    return (uint8_t)(((c != 0) & (a != 0)) | ((c == 0) & (b != 0)));
}

//@block
static inline float dlc_maxf(float a, float b) { return a > b || a != a ? a : b; } // NaN if either is

//@block
static inline float dlc_minf(float a, float b) { return a < b || a != a ? a : b; }

//@block
static inline double dlc_max(double a, double b) { return a > b || a != a ? a : b; }

//@block
static inline double dlc_min(double a, double b) { return a < b || a != a ? a : b; }

//@block
static inline float dlc_reluf(float x) { return x < 0 ? 0 : x; } // NaN stays

//@block
static inline double dlc_relu(double x) { return x < 0 ? 0 : x; }

//@block
static inline float dlc_signf(float x) { return (float)((x > 0) - (x < 0)); } // 0 for NaN

//@block
static inline int32_t dlc_max_i32(int32_t a, int32_t b) { return a > b ? a : b; }

//@block
static inline int32_t dlc_min_i32(int32_t a, int32_t b) { return a < b ? a : b; }

//@block
static inline int64_t dlc_max_i64(int64_t a, int64_t b) { return a > b ? a : b; }

//@block
static inline int64_t dlc_min_i64(int64_t a, int64_t b) { return a < b ? a : b; }

//@block
static inline uint8_t dlc_max_u8(uint8_t a, uint8_t b) { return a > b ? a : b; }

//@block
static inline uint8_t dlc_min_u8(uint8_t a, uint8_t b) { return a < b ? a : b; }

//@block
static inline int32_t dlc_abs_i32(int32_t x) { return x < 0 ? (int32_t)(0 - (uint32_t)x) : x; } // INT32_MIN stays

//@block
static inline int64_t dlc_abs_i64(int64_t x) { return x < 0 ? (int64_t)(0 - (uint64_t)x) : x; }

//@block
static inline float dlc_sigmoidf(float x) {
    float e = expf(-fabsf(x)); // never overflows, and small results keep their digits
    return (x < 0 ? e : 1) / dlc_f(1 + e);
}

//@block
static inline double dlc_sigmoid(double x) {
    double e = exp(-fabs(x));
    return (x < 0 ? e : 1) / (1 + e);
}

//@block
// log(1 + exp(x)) without overflow
static inline float dlc_softplusf(float x) { return dlc_reluf(x) + log1pf(expf(-fabsf(x))); }

//@block
static inline double dlc_softplus(double x) { return dlc_relu(x) + log1p(exp(-fabs(x))); }

//@block
// Integer division rounds down; by zero gives 0; what does not fit wraps.
static inline int32_t dlc_div_i32(int32_t a, int32_t b) {
    int32_t by = b == 0 || b == -1 ? 1 : b, rest = a % by;
    int32_t down = a / by - ((rest != 0) & ((a < 0) != (by < 0)));
    return dlc_select_i32(b == -1, (int32_t)(0 - (uint32_t)a), dlc_select_i32(b == 0, 0, down));
}

//@block
static inline int64_t dlc_div_i64(int64_t a, int64_t b) {
    int64_t by = b == 0 || b == -1 ? 1 : b, rest = a % by;
    int64_t down = a / by - ((rest != 0) & ((a < 0) != (by < 0)));
    return dlc_select_i64(b == -1, (int64_t)(0 - (uint64_t)a), dlc_select_i64(b == 0, 0, down));
}

//@block
// Casts from floats round towards zero and saturate; NaN gives 0.
static inline int8_t dlc_cast_i8(float x) {
    if (x != x) return 0;
    return x <= -128 ? INT8_MIN : x >= 127 ? INT8_MAX : (int8_t)x;
}

//@block
static inline uint8_t dlc_cast_u8(float x) {
    if (x != x) return 0;
    return x <= 0 ? 0 : x >= 255 ? UINT8_MAX : (uint8_t)x;
}

//@block
static inline int32_t dlc_cast_i32(float x) {
    if (x != x) return 0;
    return x <= -0x1p31f ? INT32_MIN : x >= 0x1p31f ? INT32_MAX : (int32_t)x;
}

//@block
static inline int64_t dlc_cast_i64(float x) {
    if (x != x) return 0;
    return x <= -0x1p63f ? INT64_MIN : x >= 0x1p63f ? INT64_MAX : (int64_t)x;
}

//@block
// Philox4x32-10 (Salmon, Moraes, Dror, Shaw: Parallel random numbers: as easy as 1, 2, 3; SC 2011): a bijection of
// the 128-bit counter `c` for each 64-bit key; every output word is a good random number.
static inline void dlc_philox(uint32_t c[4], uint32_t key0, uint32_t key1) {
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53 * c[0], p1 = (uint64_t)0xCD9E8D57 * c[2];
        uint32_t c1 = c[1], c3 = c[3];
        c[0] = (uint32_t)(p1 >> 32) ^ c1 ^ key0;
        c[1] = (uint32_t)p1;
        c[2] = (uint32_t)(p0 >> 32) ^ c3 ^ key1;
        c[3] = (uint32_t)p0;
        key0 += 0x9E3779B9, key1 += 0xBB67AE85;
    }
}

//@block
// The random words of one element of one `random` operator: the seed is the key, the rest the counter. Elements are
// below 2^32 (a tensor has fewer than 2^31); a larger one would begin to share words with other sites.
static inline void dlc_random_words(uint32_t c[4], int64_t seed, int64_t counter, int64_t site, int64_t element) {
    c[0] = (uint32_t)(uint64_t)element;
    c[1] = (uint32_t)(uint64_t)site + (uint32_t)((uint64_t)element >> 32) * 0x9E3779B9u;
    c[2] = (uint32_t)(uint64_t)counter;
    c[3] = (uint32_t)((uint64_t)counter >> 32);
    dlc_philox(c, (uint32_t)(uint64_t)seed, (uint32_t)((uint64_t)seed >> 32));
}

//@block
// Uniform in [0, 1): 24 random bits, so exact as a float.
static inline float dlc_uniform(int64_t seed, int64_t counter, int64_t site, int64_t element) {
    uint32_t c[4];
    dlc_random_words(c, seed, counter, site, element);
    return (float)(c[0] >> 8) * (1.0f / 16777216.0f); // 2^-24
}

//@block
// Standard normal, by Box and Muller; the first word's 0 stands for 2^-32, so that the logarithm is finite.
static inline float dlc_normal(int64_t seed, int64_t counter, int64_t site, int64_t element) {
    uint32_t c[4];
    dlc_random_words(c, seed, counter, site, element);
    double u = ((double)c[0] + 1) * (1.0 / 4294967296), turn = (double)c[1] * (1.0 / 4294967296);
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586476925 * turn));
}

//@block
// The same in floats, within 4 units in the last place: the bits of the words say how far u is from 1, where its
// logarithm is small, and how far the angle is from the nearest quarter turn, where its sine is.
static inline float dlc_normalf(int64_t seed, int64_t counter, int64_t site, int64_t element) {
    uint32_t c[4];
    dlc_random_words(c, seed, counter, site, element);
    float below = (float)(UINT32_MAX - c[0]) * 0x1p-32f; // 1 - u
    float log_u = c[0] >> 31 ? log1pf(-below) : logf((float)(c[0] + 1) * 0x1p-32f);
    uint32_t quarters = (c[1] + 0x20000000u) >> 30;
    float angle = (float)(int32_t)(c[1] - (quarters << 30)) * 0x1.921fb6p-30f;
    float wave = quarters & 1 ? -sinf(angle) : cosf(angle);
    float radius = sqrtf(-2 * log_u);
    return radius * (quarters & 2 ? -wave : wave);
}

//@end
#endif
