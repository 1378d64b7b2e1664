// embedded.c: a net whose weights are constants of its C (--weights) against the net that loads the same file.
//     embedded TOLERANCE FILE     of tests/nets/prepared.dl: `prepared` loads, `packed` has FILE inside; 0: the same
//     bits embedded write FILE         writes the file first
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef WRITE_ONLY
#include "packed.h"
#endif
#include "prepared.h"

enum { N = 5, PIXELS = 3 * 14 * 14, CLASSES = 10, PLANES = 24 * 14 * 14 };
static float x[N * PIXELS], want[N * PLANES], got[N * PLANES];

static uint32_t draw(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

// A trained net: its buffers are no longer what they were initialised to.
static int write_file(const char *path) {
    static const int32_t label[N] = {0, 3, 9, 3, 1};
    float loss;
    struct prepared *net = prepared_new();
    for (int k = 0; k < 3; k++) prepared_step(net, N, x, label, 0.01f, &loss);
    int status = prepared_save_weights(net, path);
    prepared_free(net);
    return status;
}

#ifndef WRITE_ONLY
static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED embedded: %s\n", what);
}

static void agree(int count, double tolerance, const char *what) {
    double worst = 0, largest = 0;
    for (int k = 0; k < count; k++) {
        double off = fabs((double)got[k] - (double)want[k]);
        worst = isnan(off) ? INFINITY : fmax(worst, off);
        largest = fmax(largest, fabs((double)want[k]));
    }
    if (tolerance == 0 && memcmp(got, want, sizeof(float) * (size_t)count) != 0) worst = INFINITY;
    if (!(worst <= tolerance * largest)) printf("off by %g of %g\n", worst, largest);
    check(worst <= tolerance * largest && largest > 0, what);
}

static void compare(double tolerance, const char *path) {
    struct prepared *loads = prepared_new();
    struct packed *has = packed_new();
    check(!prepared_load(loads, path), "load");
    prepared_forward(loads, N, x, want), packed_forward(has, N, x, got);
    agree(N * CLASSES, tolerance, "forward");
    prepared_features(loads, N, x, want), packed_features(has, N, x, got);
    agree(N * PLANES, tolerance, "features");
    check(PACKED_PARAM_BYTES == 0 && PACKED_WEIGHTS_BYTES > 0, "no memory for parameters");
    check(packed_param_count() == 0, "no parameters");
    check(packed_get(has, "fc.bias", got, 40) == PACKED_ENAME, "get answers that there is none");
    check(packed_load(has, path) == PACKED_EMISMATCH, "load refuses");
    struct packed *twin = packed_share(has);
    packed_features(twin, N, x, got);
    agree(N * PLANES, tolerance, "a twin");
    packed_free(twin), packed_free(has), prepared_free(loads);
}
#endif

int main(int argc, char **argv) {
    uint32_t state = 1;
    if (argc < 3) return 2;
    for (int k = 0; k < N * PIXELS; k++) x[k] = (float)(draw(&state) >> 8) / 8388608.0f - 1;
    if (strcmp(argv[1], "write") == 0) return write_file(argv[2]);
#ifndef WRITE_ONLY
    compare(atof(argv[1]), argv[2]);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
#else
    return 2;
#endif
}
