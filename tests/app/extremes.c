// extremes.c: what is true of maxima, whatever a C compiler does to x*x - z: an index is in range and its value is the
// largest, someone equals the largest, and the shares of its gradient add up to one for each row or window.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "extremes.h"

enum { R = 8, C = 40, DRAWS = 25 };

static int passed, failed;
static float x[R * C], z[R * C];

static void check(int right, const char *what, int draw, int row, double got) {
    *(right ? &passed : &failed) += 1;
    if (!right && failed < 30) printf("FAILED %s: draw %d, row %d: got %.9g\n", what, draw, row, got);
}

static void draw_inputs(int draw) {
    for (int i = 0; i < R * C; i++) {
        x[i] = 3 * sinf(1.7f * (float)i + (float)draw);
        z[i] = cosf(0.9f * (float)i + 2 * (float)draw);
    }
}

// In double, where a product of two floats is exact.
static double value(int i) { return (double)x[i] * x[i] - z[i]; }

// Whether no element is larger (sign 1) or smaller (-1) than element `at` of the line, by more than f32 can tell.
static int is_extreme(int64_t at, int first, int step, int count, int sign) {
    if (at < 0 || at >= count) return 0;
    for (int k = 0; k < count; k++)
        if (sign * (value(first + k * step) - value(first + (int)at * step)) > 1e-5) return 0;
    return 1;
}

static void check_indices(struct extremes *net, int draw) {
    int64_t index[C];
    float sum[R];
    extremes_pick(net, x, z, index, sum);
    for (int row = 0; row < R; row++) {
        check(is_extreme(index[row], row * C, 1, C, 1), "argmax beside a sum", draw, row, (double)index[row]);
        check(sum[row] > 0, "the sum of what equals the largest", draw, row, sum[row]);
    }
    extremes_largest(net, x, z, index);
    for (int row = 0; row < R; row++)
        check(is_extreme(index[row], row * C, 1, C, 1), "argmax", draw, row, (double)index[row]);
    extremes_smallest(net, x, z, index);
    for (int row = 0; row < R; row++)
        check(is_extreme(index[row], row * C, 1, C, -1), "argmin", draw, row, (double)index[row]);
    extremes_likeliest(net, x, z, index);
    for (int row = 0; row < R; row++)
        check(index[row] >= 0 && index[row] < C, "argmax of softmax", draw, row, (double)index[row]);
    extremes_column(net, x, z, index);
    for (int k = 0; k < C; k++) check(is_extreme(index[k], k, C, R, 1), "argmax of columns", draw, k, (double)index[k]);
}

// One share of a row of far apart numbers is 1, and its logarithm 0; none is more.
static void check_softmax(struct extremes *net, int draw) {
    float p[R * C];
    extremes_shares(net, x, p);
    for (int row = 0; row < R; row++) {
        float most = 0;
        for (int k = 0; k < C; k++) most = isnan(p[row * C + k]) ? INFINITY : fmaxf(most, p[row * C + k]);
        check(most == 1, "softmax of large products", draw, row, most);
    }
    extremes_logs(net, x, p);
    for (int row = 0; row < R; row++) {
        float most = -INFINITY;
        for (int k = 0; k < C; k++) most = isnan(p[row * C + k]) ? INFINITY : fmaxf(most, p[row * C + k]);
        check(most == 0, "log_softmax of large products", draw, row, most);
    }
    extremes_columns(net, x, z, p);
    for (int k = 0; k < C; k++) {
        float most = -INFINITY;
        for (int row = 0; row < R; row++) most = isnan(p[row * C + k]) ? INFINITY : fmaxf(most, p[row * C + k]);
        check(most == 0, "log_softmax of columns of sums", draw, k, most);
    }
}

static void check_counts(struct extremes *net, int draw) {
    static const struct {
        const char *what;
        void (*entry)(struct extremes *, const float *, const float *, float *);
        int least;
    } question[] = {
        {"h == max(h)", extremes_equal, 1},
        {"h - max(h) >= 0", extremes_level, 1},
        {"h == the largest of even columns", extremes_even, 1},
        {"h >= the second largest", extremes_second, 2},
        {"floor(h - max(h)) == 0", extremes_whole, 1},
        {"as large as both neighbours", extremes_peaks, 1},
        {"as large as all of the row", extremes_pairs, C},
    };
    float n[R];
    for (size_t k = 0; k < sizeof question / sizeof *question; k++) {
        question[k].entry(net, x, z, n);
        for (int row = 0; row < R; row++)
            check(n[row] >= (float)question[k].least, question[k].what, draw, row, n[row]);
    }
    static float c[R * C];
    float sum[R];
    extremes_clipped(net, x, z, c, sum, n);
    for (int row = 0; row < R; row++) {
        int inside = 0;
        for (int k = row * C; k < (row + 1) * C; k++) inside += c[k] > -1 && c[k] < 1;
        check(n[row] >= (float)inside, "clip(h) == h", draw, row, n[row]);
    }
}

static void check_shares(const char *what, int draw, const float *shares, double want) {
    for (int row = 0; row < R; row++) {
        double sum = 0;
        for (int k = 0; k < C; k++) sum += shares[row * C + k];
        check(fabs(sum - want) < 1e-4, what, draw, row, sum);
    }
}

static void check_gradients(struct extremes *net, int draw) {
    static const struct {
        const char *what;
        void (*entry)(struct extremes *, const float *, const float *, float *);
        double want;
    } question[] = {
        {"gradient of max", extremes_dmax, 1},
        {"gradient of min", extremes_dmin, 1},
        {"gradient of a pool", extremes_dpool, 10},
        {"gradient of a pool whose windows overlap", extremes_doverlap, 20},
        {"gradient of an adaptive pool", extremes_dadaptive, 7},
        {"gradient of a global pool", extremes_dglobal, 1},
        {"gradient of a pool of two axes", extremes_dsquare, 4},
        {"gradient of a pool after a batch norm", extremes_dnorm, -20},
    };
    static float d[R * C];
    float loss;
    for (size_t k = 0; k < sizeof question / sizeof *question; k++) {
        question[k].entry(net, x, z, d);
        check_shares(question[k].what, draw, d, question[k].want);
    }
    extremes_again(net, x, z, d, &loss);
    check_shares("gradient of max in a checkpoint", draw, d, -1);
    extremes_dwindows(net, x, z, d, &loss);
    check_shares("gradient of a pool in a checkpoint", draw, d, -4);
}

int main(void) {
    struct extremes *net = extremes_new();
    if (!net) return 3;
    for (int draw = 0; draw < DRAWS; draw++) {
        draw_inputs(draw);
        check_indices(net, draw);
        check_softmax(net, draw);
        check_counts(net, draw);
        check_gradients(net, draw);
    }
    extremes_free(net);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
