// kernels.c: the share of the FMA peak of single kernels inside one training step of mynet, 64 pictures, one thread.
//     kernels ADDRESS LABEL [ADDRESS LABEL]...
// The C that dlc made is compiled with -finstrument-functions: the compiler calls the two functions below where a
// kernel begins and ends, and the C itself stays as it is. nm tells the addresses (conv.sh). All kernels named here do
// the same number of multiply-adds, that of conv2 and of conv3. Medians of interleaved rounds in CPU time.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "mynet.h"
#include "peak.h"

enum { ROUNDS = 11, BATCH = 64, PIXELS = 3 * 48 * 48, CLASSES = 10, KERNELS = 16 };
#define FLOPS                                                                                                          \
    (2.0 * BATCH * 48 * 48 * 64 * 32 * 9) // of conv2; conv3 has a quarter of the pixels, four times the weights
_Static_assert(48 * 48 * 64 * 32 == 24 * 24 * 128 * 64, "conv2 and conv3 are as much work");

static uintptr_t kernel_at[KERNELS];
static int kernels;
static double began[KERNELS], seconds[KERNELS][ROUNDS];
static int round_now;

void __cyg_profile_func_enter(void *function, void *caller);
void __cyg_profile_func_exit(void *function, void *caller);

void __cyg_profile_func_enter(void *function, void *caller) {
    (void)caller;
    for (int k = 0; k < kernels; k++)
        if (kernel_at[k] == (uintptr_t)function) began[k] = bench_cpu_seconds();
}

void __cyg_profile_func_exit(void *function, void *caller) {
    (void)caller;
    for (int k = 0; k < kernels; k++)
        if (kernel_at[k] == (uintptr_t)function) seconds[k][round_now] += bench_cpu_seconds() - began[k];
}

static float image[BATCH * PIXELS], logits[BATCH * CLASSES];
static int32_t label[BATCH];

int main(int argc, char **argv) {
    double peak[ROUNDS], step[ROUNDS];
    float loss;
    struct mynet *net = mynet_new();
    if (!net) return fprintf(stderr, "kernels: no memory\n"), 1;
    for (kernels = 0; kernels < KERNELS && 2 * kernels + 2 < argc; kernels++)
        kernel_at[kernels] = (uintptr_t)strtoull(argv[1 + 2 * kernels], NULL, 16);
    unsigned state = 1;
    for (int i = 0; i < BATCH * PIXELS; i++) {
        state = state * 1664525u + 1013904223u;
        image[i] = (float)(state >> 8) / 8388608.0f - 1.0f;
    }
    for (int i = 0; i < BATCH; i++) label[i] = i % CLASSES;
    for (int warm = 1; warm >= 0; warm--)
        for (round_now = 0; round_now < (warm ? 1 : ROUNDS); round_now++) {
            for (int k = 0; k < kernels; k++) seconds[k][round_now] = 0;
            double start = bench_cpu_seconds();
            if (mynet_step(net, BATCH, image, label, 1e-3f, &loss, logits)) return 1;
            step[round_now] = bench_cpu_seconds() - start;
            peak[round_now] = bench_fma_peak();
        }
    double top = bench_median(peak, ROUNDS);
    printf("  peak %.0f GFLOP/s, the whole step %.0f ms\n", top, 1e3 * bench_median(step, ROUNDS));
    for (int k = 0; k < kernels; k++) {
        double median = bench_median(seconds[k], ROUNDS);
        if (median <= 0) return fprintf(stderr, "kernels: %s never ran\n", argv[2 + 2 * k]), 1;
        printf("  %-46s %6.2f ms  %4.0f GFLOP/s  %4.1f %%\n", argv[2 + 2 * k], 1e3 * median, 1e-9 * FLOPS / median,
               1e-7 * FLOPS / median / top);
    }
    mynet_free(net);
    return 0;
}
