// dlc_vec.h: vectors of DLC_LANES floats in GNU C, and the functions that the emitted C calls on them.
//     h[i] = tanh(x[i]) for i in 0..16   ->   dlc_vstore(h, dlc_vtanh(dlc_vload(x)))
// The includer defines DLC_LANES as 4, 8 or 16: the target's own width, because compilers take wider vectors apart. No
// intrinsics. A comparison gives a dlc_vi of 0 and -1, combined with & | ~. NaN and infinity come out as from libm, and
// results are right in the denormal range. The largest errors, over all floats, in units in the last place (ulp):
//     exp 1   log 1   log1p 1.5   expm1 1.5   tanh 1.5   sigmoid 2.5   softplus 2   erf 1.5   sin 1.5   cos 1.5
// (tests/unit/test_vec.c measures). pow and sqrt are libm's.
// The polynomials are minimax fits by weighted least squares, coefficients rounded to float one after the other.
// The lines //@block cut this file for the compiler, which pastes only the blocks that a model needs: every block
// defines one function (or what several share) and may use what stands above it.
#ifndef DLC_VEC_H
#define DLC_VEC_H

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

//@block
#if DLC_LANES != 4 && DLC_LANES != 8 && DLC_LANES != 16
#error "DLC_LANES must be 4, 8 or 16"
#endif
typedef float dlc_vf __attribute__((vector_size(4 * DLC_LANES)));
typedef int32_t dlc_vi __attribute__((vector_size(4 * DLC_LANES)));
typedef uint32_t dlc_vu __attribute__((vector_size(4 * DLC_LANES))); // wraps
static_assert(sizeof(dlc_vf) == 4 * DLC_LANES,
              "this compiler has no vectors of GNU C: make the model for --target=c11");
// In memory: aligned as floats, so that any row of a tensor can be loaded; may_alias because they point into plain
// arrays. For loads and stores alone, since gcc for Windows at -O0 gets variables of such types wrong.
typedef dlc_vf dlc_vf_row __attribute__((aligned(4), may_alias));
typedef dlc_vi dlc_vi_row __attribute__((aligned(4), may_alias));
#define DLC_VEC static inline __attribute__((always_inline))
#pragma GCC diagnostic ignored "-Wpsabi" // always inlined: how a vector would be passed does not matter

//@block
DLC_VEC dlc_vf dlc_vload(const float *from) { return *(const dlc_vf_row *)from; }

//@block
DLC_VEC void dlc_vstore(float *to, dlc_vf x) { *(dlc_vf_row *)to = x; }

//@block
DLC_VEC dlc_vi dlc_vload_i32(const int32_t *from) { return *(const dlc_vi_row *)from; }

//@block
DLC_VEC void dlc_vstore_i32(int32_t *to, dlc_vi x) { *(dlc_vi_row *)to = x; }

//@block
DLC_VEC dlc_vf dlc_vsplat(float x) {
    const dlc_vf zero = {0};
    return x - zero; // minus keeps the sign of -0
}

//@block
DLC_VEC dlc_vi dlc_vsplat_i32(int32_t x) {
    const dlc_vi zero = {0};
    return x - zero;
}

//@block
// i, i + 1, ...
DLC_VEC dlc_vi dlc_vindex(int32_t i) {
#if DLC_LANES == 4
    const dlc_vi lane = {0, 1, 2, 3};
#elif DLC_LANES == 8
    const dlc_vi lane = {0, 1, 2, 3, 4, 5, 6, 7};
#else
    const dlc_vi lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#endif
    return i + lane;
}

//@block
DLC_VEC dlc_vf dlc_vcast_f(dlc_vi x) { return __builtin_convertvector(x, dlc_vf); }

//@block
// Lane by lane a where the mask is -1, b where it is 0.
DLC_VEC dlc_vf dlc_vselect(dlc_vi mask, dlc_vf a, dlc_vf b) {
    return (dlc_vf)(((dlc_vi)a & mask) | ((dlc_vi)b & ~mask));
}

//@block
DLC_VEC dlc_vf dlc_vmax(dlc_vf a, dlc_vf b) { return dlc_vselect((a > b) | (a != a), a, b); } // NaN if either is

//@block
DLC_VEC dlc_vf dlc_vmin(dlc_vf a, dlc_vf b) { return dlc_vselect((a < b) | (a != a), a, b); }

//@block
DLC_VEC dlc_vf dlc_vrelu(dlc_vf x) { return (dlc_vf)((dlc_vi)x & ~(x < 0)); } // NaN stays

//@block
DLC_VEC dlc_vf dlc_vsign(dlc_vf x) { // 0 for NaN
    return (dlc_vf)(((x > 0) & (dlc_vi)dlc_vsplat(1)) | ((x < 0) & (dlc_vi)dlc_vsplat(-1)));
}

//@block
// Beside 2^23 the last place of a float is 1: adding it rounds to a whole number, ties to even. -0.3 gives -0.
DLC_VEC dlc_vf dlc_vround(dlc_vf x) {
    dlc_vf a = (dlc_vf)((dlc_vi)x & INT32_MAX);
    dlc_vf y = (dlc_vf)((dlc_vi)((a + 0x1p23f) - 0x1p23f) | ((dlc_vi)x & INT32_MIN));
    return dlc_vselect(a < 0x1p23f, y, x);
}

//@block
DLC_VEC dlc_vf dlc_vfloor(dlc_vf x) {
    dlc_vf y = dlc_vround(x), down = dlc_vselect(y > x, y - 1, y);
    return (dlc_vf)((dlc_vi)down | ((dlc_vi)x & INT32_MIN)); // -0 stays
}

//@block
DLC_VEC dlc_vf dlc_vceil(dlc_vf x) {
    dlc_vf y = dlc_vround(x), up = dlc_vselect(y < x, y + 1, y);
    return (dlc_vf)((dlc_vi)up | ((dlc_vi)x & INT32_MIN)); // -0.3 gives -0
}

//@block
// One instruction under -fno-math-errno.
DLC_VEC dlc_vf dlc_vsqrt(dlc_vf x) {
    dlc_vf y = x;
    for (int i = 0; i < DLC_LANES; i++) y[i] = sqrtf(x[i]);
    return y;
}

//@block
// Lanes of a, and after them those of b, by their numbers. gcc has clang's name for it from 12 on.
#if defined __clang__ || __GNUC__ >= 12
#define DLC_VSHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define DLC_VSHUFFLE(a, b, ...) __builtin_shuffle(a, b, (dlc_vi){__VA_ARGS__})
#endif

//@block
// Lanes i and i + distance of a vector change places: folding a vector onto itself.
#if DLC_LANES == 4
#define DLC_VSWAP_2(x)   DLC_VSHUFFLE(x, x, 2, 3, 0, 1)
#define DLC_VSWAP_1(x)   DLC_VSHUFFLE(x, x, 1, 0, 3, 2)
#define DLC_VFOLD(x, op) (x = op(x, DLC_VSWAP_2(x)), x = op(x, DLC_VSWAP_1(x)), (x)[0])
#elif DLC_LANES == 8
#define DLC_VSWAP_4(x)   DLC_VSHUFFLE(x, x, 4, 5, 6, 7, 0, 1, 2, 3)
#define DLC_VSWAP_2(x)   DLC_VSHUFFLE(x, x, 2, 3, 0, 1, 6, 7, 4, 5)
#define DLC_VSWAP_1(x)   DLC_VSHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6)
#define DLC_VFOLD(x, op) (x = op(x, DLC_VSWAP_4(x)), x = op(x, DLC_VSWAP_2(x)), x = op(x, DLC_VSWAP_1(x)), (x)[0])
#else
#define DLC_VSWAP_8(x) DLC_VSHUFFLE(x, x, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)
#define DLC_VSWAP_4(x) DLC_VSHUFFLE(x, x, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)
#define DLC_VSWAP_2(x) DLC_VSHUFFLE(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)
#define DLC_VSWAP_1(x) DLC_VSHUFFLE(x, x, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)
#define DLC_VFOLD(x, op)                                                                                               \
    (x = op(x, DLC_VSWAP_8(x)), x = op(x, DLC_VSWAP_4(x)), x = op(x, DLC_VSWAP_2(x)), x = op(x, DLC_VSWAP_1(x)), (x)[0])
#endif

//@block
DLC_VEC dlc_vf dlc_vadd(dlc_vf a, dlc_vf b) { return a + b; }

//@block
DLC_VEC float dlc_vsum(dlc_vf x) { return DLC_VFOLD(x, dlc_vadd); }

//@block
DLC_VEC float dlc_vhmax(dlc_vf x) { return DLC_VFOLD(x, dlc_vmax); }

//@block
DLC_VEC float dlc_vhmin(dlc_vf x) { return DLC_VFOLD(x, dlc_vmin); }

//@block
// x = n log(2) + r with |r| <= log(2) / 2: the n as an integer. Adding and taking away 1.5 * 2^23 rounds to an integer,
// which then stands in the low bits. log(2) in two parts, the first short, so that n times it is exact.
DLC_VEC dlc_vu dlc_vexp_reduce(dlc_vf x, dlc_vf *r) {
    dlc_vf shifted = x * 0x1.715476p+0f + 0x1.8p23f;
    dlc_vf n = shifted - 0x1.8p23f;
    *r = (x - n * 0x1.62e4p-1f) - n * 0x1.7f7d1cp-20f;
    return (dlc_vu)shifted - 0x4b400000u;
}

//@block
// exp(r) - 1 - r for |r| <= log(2) / 2
DLC_VEC dlc_vf dlc_vexp_rest(dlc_vf r) {
    dlc_vf q = r * 0x1.9df44ap-13f + 0x1.6d4cfap-10f;
    q = q * r + 0x1.111312p-7f;
    q = q * r + 0x1.5554e8p-5f;
    q = q * r + 0x1.555554p-3f;
    q = q * r + 0.5f;
    return r * r * q;
}

//@block
// 2^n for -126 <= n <= 127
DLC_VEC dlc_vf dlc_vpow2(dlc_vu n) { return (dlc_vf)((n + 127) << 23); }

//@block
DLC_VEC dlc_vf dlc_vexp(dlc_vf x) {
    x = dlc_vselect(x > 110, dlc_vsplat(110), x); // beyond, the result is infinity or 0 all the same; NaN stays
    x = dlc_vselect(x < -110, dlc_vsplat(-110), x);
    dlc_vf r;
    dlc_vu n = dlc_vexp_reduce(x, &r);
    dlc_vf y = dlc_vexp_rest(r) + r + 1;
    // In two steps, so that results beyond 2^127 and in the denormal range are rounded once.
    dlc_vu half = (dlc_vu)((dlc_vi)n >> 1);
    return y * dlc_vpow2(half) * dlc_vpow2(n - half);
}

//@block
DLC_VEC dlc_vf dlc_vexpm1(dlc_vf x) {
    dlc_vf to = dlc_vselect(x > 89, dlc_vsplat(89), x);
    to = dlc_vselect(to < -18, dlc_vsplat(-18), to);
    dlc_vf r;
    dlc_vu n = dlc_vexp_reduce(to, &r);
    dlc_vf p = dlc_vexp_rest(r) + r;
    // 2^n p + (2^n - 1), from 2^(n-1) because 2^128 is no float
    dlc_vf scale = dlc_vpow2(n - 1);
    dlc_vf y = (scale * p + (scale - 0.5f)) * 2;
    y = dlc_vselect((dlc_vi)n == 0, p, y);
    return dlc_vselect(x == 0, x, y); // -0
}

//@block
// x = m 2^e with sqrt(1/2) <= m < sqrt(2), for positive normal x: gives the bits of m and sets e.
DLC_VEC dlc_vu dlc_vlog_reduce(dlc_vu x, dlc_vi *e) {
    dlc_vu from = x - 0x3f3504f3u; // sqrt(1/2)
    *e = (dlc_vi)from >> 23;
    return (from & 0x7fffffu) + 0x3f3504f3u;
}

//@block
// log(1 + f) + e log(2) for sqrt(1/2) <= 1 + f < sqrt(2)
DLC_VEC dlc_vf dlc_vlog_core(dlc_vf f, dlc_vf e) {
    dlc_vf p = f * 0x1.147f94p-4f - 0x1.de26c0p-4f;
    p = p * f + 0x1.e6cdb6p-4f;
    p = p * f - 0x1.fc249ap-4f;
    p = p * f + 0x1.233aaap-3f;
    p = p * f - 0x1.555c52p-3f;
    p = p * f + 0x1.99a47ep-3f;
    p = p * f - 0x1.000006p-2f;
    p = p * f + 0x1.555548p-2f;
    dlc_vf square = f * f;
    dlc_vf y = square * f * p + e * 0x1.7f7d1cp-20f;
    y = y - square * 0.5f;
    return f + y + e * 0x1.62e4p-1f;
}

//@block
DLC_VEC dlc_vf dlc_vlog(dlc_vf x) {
    dlc_vi tiny = x < 0x1p-126f;
    dlc_vi e;
    dlc_vu m = dlc_vlog_reduce((dlc_vu)dlc_vselect(tiny, x * 0x1p23f, x), &e);
    dlc_vf y = dlc_vlog_core((dlc_vf)m - 1, dlc_vcast_f(e - (tiny & 23)));
    y = dlc_vselect(x < INFINITY, y, x);               // infinity and NaN
    y = dlc_vselect(x == 0, dlc_vsplat(-INFINITY), y); // both zeros
    return dlc_vselect(x < 0, dlc_vsplat((float)NAN), y);
}

//@block
DLC_VEC dlc_vf dlc_vlog1p(dlc_vf x) {
    dlc_vf u = x + 1;
    dlc_vi e;
    dlc_vu m = dlc_vlog_reduce((dlc_vu)u, &e);
    // What the sum lost: exact, as one of the two summands is the larger.
    dlc_vf lost = dlc_vselect(x < 1, x - (u - 1), 1 - (u - x));
    // 2^-e, and 0 where nothing was lost that counts.
    dlc_vf scale = (dlc_vf)((dlc_vi)dlc_vpow2(-(dlc_vu)e) & (e < 64));
    dlc_vf f = dlc_vselect(e == 0, x, ((dlc_vf)m - 1) + lost * scale);
    dlc_vf y = dlc_vlog_core(f, dlc_vcast_f(e));
    y = dlc_vselect(x < INFINITY, y, x);
    y = dlc_vselect(x == 0, x, y); // -0
    y = dlc_vselect(x == -1, dlc_vsplat(-INFINITY), y);
    return dlc_vselect(x < -1, dlc_vsplat((float)NAN), y);
}

//@block
// Near 0 an odd polynomial, elsewhere 1 - 2 / (exp(2 |x|) + 1), which is 1 from 10 on.
DLC_VEC dlc_vf dlc_vtanh(dlc_vf x) {
    dlc_vf square = x * x;
    dlc_vf p = square * 0x1.195e32p-9f - 0x1.0c87a8p-7f;
    p = p * square + 0x1.63b874p-6f;
    p = p * square - 0x1.b9f392p-5f;
    p = p * square + 0x1.111082p-3f;
    p = p * square - 0x1.555554p-2f;
    dlc_vf a = (dlc_vf)((dlc_vi)x & INT32_MAX);
    dlc_vf near = p * square * a + a;
    dlc_vf twice = dlc_vselect(a > 10, dlc_vsplat(20), a * 2);
    dlc_vf r;
    dlc_vu n = dlc_vexp_reduce(twice, &r);
    dlc_vf scale = dlc_vpow2(n);
    dlc_vf far = 1 - 2 / ((dlc_vexp_rest(r) + r) * scale + (scale + 1));
    return (dlc_vf)((dlc_vi)dlc_vselect(a < 0.55f, near, far) | ((dlc_vi)x & INT32_MIN));
}

//@block
// exp(-|x|) never overflows, and small results keep their digits.
DLC_VEC dlc_vf dlc_vsigmoid(dlc_vf x) {
    dlc_vf e = dlc_vexp((dlc_vf)((dlc_vi)x | INT32_MIN));
    return dlc_vselect(x < 0, e, dlc_vsplat(1)) / (e + 1);
}

//@block
// log(1 + exp(x)) without overflow
DLC_VEC dlc_vf dlc_vsoftplus(dlc_vf x) { return dlc_vrelu(x) + dlc_vlog1p(dlc_vexp((dlc_vf)((dlc_vi)x | INT32_MIN))); }

//@block
// Near 0 an odd polynomial, elsewhere 1 - exp(r(|x|)), which is 1 from 4 on. Both from N. Juffa: Vectorizable
// implementation of the error function erff(), https://stackoverflow.com/questions/35148198 (2016), fits of his own.
DLC_VEC dlc_vf dlc_verf(dlc_vf x) {
    dlc_vf s = x * x;
    dlc_vf p = s * -0x1.38e000p-11f + 0x1.471a58p-8f;
    p = p * s - 0x1.b691b2p-6f;
    p = p * s + 0x1.ce1c44p-4f;
    p = p * s - 0x1.812700p-2f;
    p = p * s + 0x1.06eba8p-3f;
    dlc_vf near = p * x + x;
    dlc_vf a = (dlc_vf)((dlc_vi)x & INT32_MAX);
    dlc_vf t = dlc_vselect(a > 4, dlc_vsplat(4), a);
    dlc_vf q = t * -0x1.220000p-16f + 0x1.91cfb2p-12f;
    q = q * t - 0x1.fd1438p-9f;
    q = q * t + 0x1.8d6342p-6f;
    q = q * t - 0x1.b55cb8p-4f;
    q = q * t - 0x1.450aa0p-1f;
    q = q * t - 0x1.079d0cp-3f;
    dlc_vf r;
    dlc_vu n = dlc_vexp_reduce(q * t - t, &r);
    dlc_vf far = 1 - (dlc_vexp_rest(r) + r + 1) * dlc_vpow2(n);
    far = (dlc_vf)((dlc_vi)far | ((dlc_vi)x & INT32_MIN));
    return dlc_vselect(a > 0.927734375f, far, near);
}

//@block
// sin(x + turn pi/2). Up to 8192 x minus a multiple of pi/2, in four parts of which three are so short that their
// multiples are exact (W. Cody, W. Waite: Software Manual for the Elementary Functions, 1980); then both series.
DLC_VEC dlc_vf dlc_vturned_sin(dlc_vf x, uint32_t turn) {
    dlc_vf shifted = x * 0x1.45f306p-1f + 0x1.8p23f, n = shifted - 0x1.8p23f;
    dlc_vu quarter = (dlc_vu)shifted + turn;
    dlc_vf from = (x - n * 0x1.92p+0f) - n * 0x1.fbp-12f, r = from - n * 0x1.51p-22f;
    dlc_vf lost = (from - r) - n * 0x1.51p-22f - n * 0x1.0b4612p-34f; // what rounding took from r
    dlc_vf s = r * r, flat = 1 - s * 0.5f;
    dlc_vf odd = (s * -0x1.9953p-13f + 0x1.110776p-7f) * s - 0x1.555546p-3f;
    odd = (odd * s * r + lost * flat) + r;
    dlc_vf even = (s * 0x1.99e904p-16f - 0x1.6c0c2ap-10f) * s + 0x1.55554ap-5f;
    even = (((1 - flat) - s * 0.5f) + (even * s * s - lost * r)) + flat;
    dlc_vf y = dlc_vselect((quarter & 1) != 0, even, odd);
    return (dlc_vf)((dlc_vu)y ^ ((quarter & 2) << 30));
}

//@block
DLC_VEC dlc_vf dlc_vsin(dlc_vf x) {
    dlc_vf a = (dlc_vf)((dlc_vi)x & INT32_MAX), y = dlc_vturned_sin(x, 0);
    y = dlc_vselect(x == 0, x, y); // -0
    if (!(dlc_vhmax(a) <= 8192))   // some lane is larger, or no number
        for (int i = 0; i < DLC_LANES; i++) y[i] = a[i] <= 8192 ? y[i] : sinf(x[i]);
    return y;
}

//@block
DLC_VEC dlc_vf dlc_vcos(dlc_vf x) {
    dlc_vf a = (dlc_vf)((dlc_vi)x & INT32_MAX), y = dlc_vturned_sin(a, 1);
    if (!(dlc_vhmax(a) <= 8192))
        for (int i = 0; i < DLC_LANES; i++) y[i] = a[i] <= 8192 ? y[i] : cosf(x[i]);
    return y;
}

//@block
// Lane by lane: what stands around it in a loop keeps its vectors.
DLC_VEC dlc_vf dlc_vpow(dlc_vf a, dlc_vf b) {
    dlc_vf y = a;
    for (int i = 0; i < DLC_LANES; i++) y[i] = powf(a[i], b[i]);
    return y;
}

//@block
// One lane of a and b after the other: within each four lanes (A B: single lanes, C D: pairs), and (more than four
// lanes) fours of a and b.
#if DLC_LANES == 4
#define DLC_VZIP_A(a, b) DLC_VSHUFFLE(a, b, 0, 4, 1, 5)
#define DLC_VZIP_B(a, b) DLC_VSHUFFLE(a, b, 2, 6, 3, 7)
#define DLC_VZIP_C(a, b) DLC_VSHUFFLE(a, b, 0, 1, 4, 5)
#define DLC_VZIP_D(a, b) DLC_VSHUFFLE(a, b, 2, 3, 6, 7)
#elif DLC_LANES == 8
#define DLC_VZIP_A(a, b)   DLC_VSHUFFLE(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#define DLC_VZIP_B(a, b)   DLC_VSHUFFLE(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
#define DLC_VZIP_C(a, b)   DLC_VSHUFFLE(a, b, 0, 1, 8, 9, 4, 5, 12, 13)
#define DLC_VZIP_D(a, b)   DLC_VSHUFFLE(a, b, 2, 3, 10, 11, 6, 7, 14, 15)
#define DLC_VFOUR_LO(a, b) DLC_VSHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11)
#define DLC_VFOUR_HI(a, b) DLC_VSHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15)
#else
#define DLC_VZIP_A(a, b)     DLC_VSHUFFLE(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29)
#define DLC_VZIP_B(a, b)     DLC_VSHUFFLE(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31)
#define DLC_VZIP_C(a, b)     DLC_VSHUFFLE(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
#define DLC_VZIP_D(a, b)     DLC_VSHUFFLE(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31)
#define DLC_VFOUR_LO(a, b)   DLC_VSHUFFLE(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
#define DLC_VFOUR_HI(a, b)   DLC_VSHUFFLE(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31)
#define DLC_VFOUR_EVEN(a, b) DLC_VSHUFFLE(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27)
#define DLC_VFOUR_ODD(a, b)  DLC_VSHUFFLE(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31)
#endif

//@block
// Loads four rows and transposes each 4 x 4 square of them: c[j] has column 4 l + j of the rows in its four lanes l.
DLC_VEC void dlc_vload_squares(dlc_vf c[4], const float *src, size_t stride) {
    dlc_vf r0 = *(const dlc_vf_row *)src, r1 = *(const dlc_vf_row *)(src + stride);
    dlc_vf r2 = *(const dlc_vf_row *)(src + 2 * stride), r3 = *(const dlc_vf_row *)(src + 3 * stride);
    dlc_vf low01 = DLC_VZIP_A(r0, r1), high01 = DLC_VZIP_B(r0, r1);
    dlc_vf low23 = DLC_VZIP_A(r2, r3), high23 = DLC_VZIP_B(r2, r3);
    c[0] = DLC_VZIP_C(low01, low23);
    c[1] = DLC_VZIP_D(low01, low23);
    c[2] = DLC_VZIP_C(high01, high23);
    c[3] = DLC_VZIP_D(high01, high23);
}

//@block
// dst[j * dst_stride + i] = src[i * src_stride + j] for a tile of DLC_LANES x DLC_LANES; strides in floats. All is read
// before anything is written.
DLC_VEC void dlc_transpose(float *dst, size_t dst_stride, const float *src, size_t src_stride) {
    dlc_vf a[4];
    dlc_vload_squares(a, src, src_stride);
#if DLC_LANES == 4
#define DLC_VCOLUMN(j) *(dlc_vf_row *)(dst + j * dst_stride) = a[j]
#elif DLC_LANES == 8
    dlc_vf b[4];
    dlc_vload_squares(b, src + 4 * src_stride, src_stride);
#define DLC_VCOLUMN(j)                                                                                                 \
    *(dlc_vf_row *)(dst + j * dst_stride) = DLC_VFOUR_LO(a[j], b[j]);                                                  \
    *(dlc_vf_row *)(dst + (j + 4) * dst_stride) = DLC_VFOUR_HI(a[j], b[j])
#else
    dlc_vf b[4], c[4], d[4], low0, low1, high0, high1;
    dlc_vload_squares(b, src + 4 * src_stride, src_stride);
    dlc_vload_squares(c, src + 8 * src_stride, src_stride);
    dlc_vload_squares(d, src + 12 * src_stride, src_stride);
#define DLC_VCOLUMN(j)                                                                                                 \
    low0 = DLC_VFOUR_LO(a[j], b[j]), low1 = DLC_VFOUR_LO(c[j], d[j]);                                                  \
    high0 = DLC_VFOUR_HI(a[j], b[j]), high1 = DLC_VFOUR_HI(c[j], d[j]);                                                \
    *(dlc_vf_row *)(dst + j * dst_stride) = DLC_VFOUR_EVEN(low0, low1);                                                \
    *(dlc_vf_row *)(dst + (j + 4) * dst_stride) = DLC_VFOUR_ODD(low0, low1);                                           \
    *(dlc_vf_row *)(dst + (j + 8) * dst_stride) = DLC_VFOUR_EVEN(high0, high1);                                        \
    *(dlc_vf_row *)(dst + (j + 12) * dst_stride) = DLC_VFOUR_ODD(high0, high1)
#endif
    DLC_VCOLUMN(0);
    DLC_VCOLUMN(1);
    DLC_VCOLUMN(2);
    DLC_VCOLUMN(3);
#undef DLC_VCOLUMN
}

//@end
#endif
