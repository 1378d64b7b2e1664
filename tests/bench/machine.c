// machine.c: prints the machine's peaks, medians of a few rounds.
#include <stdio.h>

#include "peak.h"

int main(void) {
    enum { ROUNDS = 7 };
    double fma[ROUNDS], read[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) fma[i] = bench_fma_peak(), read[i] = bench_read_peak();
    printf("one thread: FMA peak %.0f GFLOP/s, read bandwidth %.1f GB/s\n", bench_median(fma, ROUNDS),
           bench_median(read, ROUNDS));
    return 0;
}
