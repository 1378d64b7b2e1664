// peak.c: the FMA peak and the read bandwidth of one thread, with GNU C vectors as wide as the machine's.
//
// Twelve chains of acc = acc * m + b keep two units of four cycles' latency busy. The chains start from different
// values read through a volatile, so that the C compiler cannot merge or fold them; m < 1 keeps them finite.
#define _POSIX_C_SOURCE 199309L
#include "peak.h"

#include <stdlib.h>
#include <time.h>

#if defined __AVX512F__
#define VECTOR_BYTES 64
#elif defined __AVX__
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif

typedef float vec __attribute__((vector_size(VECTOR_BYTES)));

enum { CHAINS = 12, STEPS = 8000000, LANES = VECTOR_BYTES / 4, READ_BYTES = 256 << 20 };

static double seconds_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bench_seconds(void) { return seconds_of(CLOCK_MONOTONIC); }
double bench_cpu_seconds(void) { return seconds_of(CLOCK_PROCESS_CPUTIME_ID); }

static vec splat(float value) { return (vec){0} + value; }

double bench_fma_peak(void) {
    volatile float one = 1.0f, sink;
    float s = one;
    vec m = splat(s - 0.001f), b = splat(s * 0.001f);
    vec a0 = splat(s), a1 = a0 + s, a2 = a1 + s, a3 = a2 + s, a4 = a3 + s, a5 = a4 + s;
    vec a6 = a5 + s, a7 = a6 + s, a8 = a7 + s, a9 = a8 + s, a10 = a9 + s, a11 = a10 + s;
    double start = bench_cpu_seconds();
    for (int i = 0; i < STEPS; i++) {
        a0 = a0 * m + b, a1 = a1 * m + b, a2 = a2 * m + b, a3 = a3 * m + b, a4 = a4 * m + b, a5 = a5 * m + b;
        a6 = a6 * m + b, a7 = a7 * m + b, a8 = a8 * m + b, a9 = a9 * m + b, a10 = a10 * m + b, a11 = a11 * m + b;
    }
    double seconds = bench_cpu_seconds() - start;
    sink = (a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + a10 + a11)[0];
    (void)sink;
    return 2.0 * CHAINS * LANES * STEPS / seconds / 1e9;
}

double bench_read_peak(void) {
    static float *memory;
    size_t count = READ_BYTES / sizeof(float);
    if (!memory) {
        memory = aligned_alloc(64, READ_BYTES);
        if (!memory) return 0;
        for (size_t i = 0; i < count; i++) memory[i] = 1.0f;
    }
    vec s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};
    const vec *at = (const vec *)memory, *end = at + READ_BYTES / VECTOR_BYTES;
    double start = bench_cpu_seconds();
    for (; at < end; at += 4) s0 += at[0], s1 += at[1], s2 += at[2], s3 += at[3];
    double seconds = bench_cpu_seconds() - start;
    volatile float sink = (s0 + s1 + s2 + s3)[0];
    (void)sink;
    return READ_BYTES / seconds / 1e9;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_median(double *values, int count) {
    qsort(values, (size_t)count, sizeof *values, ascending);
    return values[count / 2];
}
