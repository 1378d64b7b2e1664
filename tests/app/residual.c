// residual.c: the C of residual.dl, made twice, gives the same for every number of rows: `plain` at -O0, `fast` as it
// is.
#include <math.h>
#include <stdio.h>

#include "fast.h"
#include "plain.h"

enum { MOST = FAST_N, COUNT = FAST_N * WIDTH, LARGEST = WIDTH * WIDTH };
static float x[COUNT], want[COUNT], y[COUNT], z[COUNT];
static int passed, failed;

static void check(double off, double largest, int n, const char *what) {
    int good = off <= 1e-5 * largest;
    good ? passed++ : failed++;
    if (!good && failed < 10) printf("FAILED residual: %s of %d rows: %g of %g\n", what, n, off, largest);
}

static void compare(const float *a, const float *b, int count, double *off, double *largest) {
    for (int k = 0; k < count; k++) {
        if (!(fabs((double)a[k] - (double)b[k]) <= *off)) *off = fabs((double)a[k] - (double)b[k]);
        if (fabs((double)b[k]) > *largest) *largest = fabs((double)b[k]);
    }
}

// The parameters of both; the same for `plain` when `copy`.
static void parameters(struct fast *fast, struct plain *plain, int copy, double *off, double *largest) {
    static float a[LARGEST], b[LARGEST];
    for (int k = 0; k < fast_param_count(); k++) {
        const struct dlc_param *info = fast_param_info(k);
        fast_get(fast, info->name, a, info->bytes);
        if (copy) plain_set(plain, info->name, a, info->bytes);
        plain_get(plain, info->name, b, info->bytes);
        compare(a, b, (int)(info->bytes / sizeof *a), off, largest);
    }
}

int main(void) {
    for (int k = 0; k < COUNT; k++) x[k] = (float)(k * 37 % 101) / 50 - 1, want[k] = (float)(k * 53 % 97) / 48 - 1;
    struct fast *fast = fast_new();
    struct plain *plain = plain_new();
    for (int n = 1; n <= MOST; n += 1 + n / 64) { // all to 64, every second to 128, ...
        double off = 0, largest = 0;
        parameters(fast, plain, 1, &off, &largest);
        fast_forward(fast, n, x, y), plain_forward(plain, n, x, z);
        off = largest = 0;
        compare(y, z, n * WIDTH, &off, &largest);
        check(off, largest, n, "results");
        float loss, same;
        fast_step(fast, n, x, want, 0.1f, &loss), plain_step(plain, n, x, want, 0.1f, &same);
        check(fabs((double)loss - (double)same), (double)same, n, "loss");
        off = largest = 0;
        parameters(fast, plain, 0, &off, &largest);
        check(off, largest, n, "trained parameters");
    }
    fast_free(fast), plain_free(plain);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
