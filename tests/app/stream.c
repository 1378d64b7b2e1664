// stream.c: what a net of tests/nets/stream.dl says of a sequence that comes in parts is what its other entry, which
// has the same parameters, says of the whole sequence: to the bit with TOLERANCE 0, else within that share of the
// largest value. A reset begins anew, and a twin has a stream of its own.
//     stream TOLERANCE [bits]      bits: less is checked; prints a hash of the results
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream.h"

#ifndef H
#define H 20
#endif
enum { N = 12, T = 24, I = 6, MOST = N * T * H };

typedef int Entry(struct stream *net, int32_t n, const float *x, float *y);

static const struct Case {
    const char *name;
    Entry *whole, *push;
    int samples, results, width; // a call of push takes (n, samples, I) and gives (n, results, width)
} cases[] = {
    {"rnn", stream_rnn1, stream_rnn1_push, 1, 1, H},
    {"rnn, 2 layers", stream_rnn2, stream_rnn2_push, 1, 1, H},
    {"gru", stream_gru1, stream_gru1_push, 1, 1, H},
    {"gru, 2 layers", stream_gru2, stream_gru2_push, 1, 1, H},
    {"lstm", stream_lstm1, stream_lstm1_push, 1, 1, H},
    {"lstm, 2 layers, projected", stream_lstm2, stream_lstm2_push, 1, 1, 9},
    {"conv1d", stream_plain, stream_plain_push, 1, 1, 10},
    {"conv1d, dilated, in groups", stream_dilated, stream_dilated_push, 1, 1, 8},
    {"conv1d, 4 samples a call", stream_several, stream_several_push, 4, 4, 7},
    {"conv1d, strided and dilated", stream_strided, stream_strided_push, 3, 1, 7},
    {"conv1d, a stride above the kernel, 2 results a call", stream_skipping, stream_skipping_push, 8, 2, 5},
    {"conv1d, kernel 1", stream_present, stream_present_push, 2, 1, 5},
    {"convolutions and recurrent layers", stream_forward, stream_push, 4, 1, 3},
};

static int passed, failed;
static double tolerance;
static uint64_t hash = 1469598103934665603u; // FNV-1a of all results

static void check(int right, const char *name, const char *what) {
    if (right) {
        passed++;
        return;
    }
    failed++;
    printf("FAILED %s: %s\n", name, what);
}

static void add_to_hash(const float *y, int count) {
    const unsigned char *bytes = (const unsigned char *)y;
    for (size_t k = 0; k < (size_t)count * sizeof *y; k++) hash = (hash ^ bytes[k]) * 1099511628211u;
}

static void draw(float *x, unsigned seed) {
    for (int k = 0; k < N * T * I; k++) {
        seed = seed * 1664525u + 1013904223u;
        x[k] = (float)(seed >> 8) / 8388608.0f - 1.0f;
    }
}

// The k-th part of n sequences; its results go to their places in y, (n, results of the whole, width).
static int push(const struct Case *c, struct stream *net, int n, int k, const float *x, float *y) {
    static float in[N * T * I], out[MOST];
    size_t taken = (size_t)(c->samples * I), given = (size_t)(c->results * c->width), parts = (size_t)(T / c->samples);
    for (size_t b = 0; b < (size_t)n; b++)
        memcpy(in + b * taken, x + b * T * I + (size_t)k * taken, taken * sizeof *in);
    int rc = c->push(net, n, in, out);
    for (size_t b = 0; b < (size_t)n; b++)
        memcpy(y + (b * parts + (size_t)k) * given, out + b * given, given * sizeof *y);
    return rc;
}

static int stream_all(const struct Case *c, struct stream *net, int n, const float *x, float *y) {
    for (int k = 0; k < T / c->samples; k++)
        if (push(c, net, n, k, x, y)) return 1;
    return 0;
}

static int near(const float *y, const float *want, int count) {
    double largest = 0;
    for (int k = 0; k < count; k++) largest = fmax(largest, fabs((double)want[k]));
    for (int k = 0; k < count; k++)
        if (!(fabs((double)y[k] - (double)want[k]) <= tolerance * largest)) return 0;
    return largest > 0.01; // zeros say nothing
}

static void check_case(const struct Case *c, struct stream *net, int quick) {
    static float x[N * T * I], x2[N * T * I], want[MOST], want2[MOST], y[MOST], y2[MOST], again[MOST];
    int count = N * T / c->samples * c->results * c->width;
    size_t bytes = (size_t)count * sizeof *y;
    draw(x, 1), draw(x2, 2);
    stream_reset(net);
    check(!c->whole(net, N, x, want) && !c->whole(net, N, x2, want2), c->name, "the whole sequence");
    check(!stream_all(c, net, N, x, y) && near(y, want, count), c->name, "parts give what the whole gives");
    add_to_hash(want, count), add_to_hash(y, count);
    if (quick) return;
    int kept = strcmp(c->name, "conv1d, kernel 1") != 0;
    check(!stream_all(c, net, N, x, again) && (kept == !!memcmp(y, again, bytes)), c->name,
          "what came before is remembered");
    stream_reset(net);
    check(!stream_all(c, net, N, x, again) && !memcmp(y, again, bytes), c->name, "a reset begins anew");
    // Fewer rows.
    stream_reset(net);
    check(!stream_all(c, net, 1, x, again) && near(again, want, count / N), c->name, "one row");
    // Two streams by turns.
    struct stream *twin = stream_share(net);
    int refused = !twin;
    stream_reset(net);
    for (int k = 0; k < T / c->samples && !refused; k++)
        refused = push(c, net, N, k, x, again) || push(c, twin, N, k, x2, y2);
    check(!refused && !memcmp(y, again, bytes), c->name, "a twin leaves the stream of its net alone");
    check(near(y2, want2, count), c->name, "a twin has a stream of its own");
    stream_free(twin);
}

int main(int argc, char **argv) {
    tolerance = argc > 1 ? atof(argv[1]) : 0;
    struct stream *net = stream_new();
    if (!net) return 2;
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) check_case(&cases[k], net, argc > 2);
    stream_free(net);
    printf("hash %016llx\n", (unsigned long long)hash);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
