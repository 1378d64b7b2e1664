// matmul.c: the four matmul kernels that dlc made, beside the FMA peak, one thread; medians of interleaved rounds
// in CPU time.
// Sizes come from -DM= -DN= -DK=. Each result is checked at a few places against sums in double.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "nn.h"
#include "nt.h"
#include "peak.h"
#include "tn.h"
#include "tt.h"

enum { ROUNDS = 11, KERNELS = 4, REPEATS = 1 + 200000000 / (M * N * K) };

static float *a, *b, *y; // (M, K) or (K, M), (K, N) or (N, K), (M, N)
static struct nn *nn;
static struct nt *nt;
static struct tn *tn;
static struct tt *tt;

static void run(int kernel) {
    switch (kernel) {
    case 0:
        nn_mm(nn, a, b, y);
        return;
    case 1:
        nt_mm(nt, a, b, y);
        return;
    case 2:
        tn_mm(tn, a, b, y);
        return;
    default:
        tt_mm(tt, a, b, y);
        return;
    }
}

// The largest error at some places, over the largest sum that an element could have.
static double error(int kernel) {
    double worst = 0;
    for (int place = 0; place < 200; place++) {
        int i = place * 37 % M, j = place * 511 % N;
        double sum = 0;
        for (int k = 0; k < K; k++)
            sum +=
                (double)(kernel & 2 ? a[k * M + i] : a[i * K + k]) * (double)(kernel & 1 ? b[j * K + k] : b[k * N + j]);
        worst = fmax(worst, fabs(sum - (double)y[i * N + j]) / K);
    }
    return worst;
}

static float *random_floats(int count, unsigned state) {
    float *at = malloc(sizeof(float) * (size_t)count);
    if (!at) exit(1);
    for (int i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        at[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    return at;
}

int main(void) {
    static const char *const name[KERNELS] = {"NN", "NT", "TN", "TT"};
    double peak[ROUNDS], seconds[KERNELS][ROUNDS];
    a = random_floats(M * K, 1);
    b = random_floats(K * N, 2);
    y = random_floats(M * N, 3);
    nn = nn_new(), nt = nt_new(), tn = tn_new(), tt = tt_new();
    for (int kernel = 0; kernel < KERNELS; kernel++) {
        run(kernel);
        if (error(kernel) > 1e-6) return fprintf(stderr, "%s: wrong by %g\n", name[kernel], error(kernel)), 1;
    }
    for (int round = 0; round < ROUNDS; round++) {
        peak[round] = bench_fma_peak();
        for (int kernel = 0; kernel < KERNELS; kernel++) {
            double start = bench_cpu_seconds();
            for (int i = 0; i < REPEATS; i++) run(kernel);
            seconds[kernel][round] = (bench_cpu_seconds() - start) / REPEATS;
        }
    }
    double top = bench_median(peak, ROUNDS);
    printf("%4d x %4d x %4d  peak %.0f GFLOP/s:", M, N, K, top);
    for (int kernel = 0; kernel < KERNELS; kernel++)
        printf("  %s %.1f %%", name[kernel], 100 * 2e-9 * M * N * K / bench_median(seconds[kernel], ROUNDS) / top);
    printf("\n");
    nn_free(nn), nt_free(nt), tn_free(tn), tt_free(tt);
    free(a), free(b), free(y);
    return 0;
}
