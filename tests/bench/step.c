// step.c: training steps of examples/mynet on random pictures, batches of 64. Each line of the standard input is a
// number of steps to make; the answer is a line with the seconds and the CPU seconds of one step (means), and the
// largest size of this process so far in KiB.
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "mynet.h"
#include "peak.h"

enum { BATCH = 64, PIXELS = 3 * 48 * 48, CLASSES = 10 };

static double cpu_seconds(void) { return (double)clock() / CLOCKS_PER_SEC; }

int main(void) {
    static float image[BATCH * PIXELS], logits[BATCH * CLASSES];
    static int32_t label[BATCH];
    struct mynet *net = mynet_new();
    if (!net) return 1;
    unsigned state = 1;
    for (int i = 0; i < BATCH * PIXELS; i++) {
        state = state * 1664525u + 1013904223u;
        image[i] = (float)(state >> 8) / 16777216.0f;
    }
    for (int i = 0; i < BATCH; i++) label[i] = i * 7 % CLASSES;
    for (int steps; scanf("%d", &steps) == 1;) {
        float loss;
        double start = bench_seconds(), cpu = cpu_seconds();
        for (int k = 0; k < steps; k++) mynet_step(net, BATCH, image, label, 1e-3f, &loss, logits);
        start = (bench_seconds() - start) / steps, cpu = (cpu_seconds() - cpu) / steps;
        struct rusage use;
        getrusage(RUSAGE_SELF, &use);
        printf("%.6f %.6f %ld\n", start, cpu, use.ru_maxrss);
        fflush(stdout);
    }
    mynet_free(net);
    return 0;
}
