// main.c: runs the six nets of nets.dl and prints what they answer, floats by their bits.
//     nets [LOAD] [SAVE]      "-" for neither; inputs are the same everywhere, and exact
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "nets.h"

enum { N = 6, MOST = N * 8 * 15 * 15 };

static float x[MOST];

static void draw(int count, uint32_t seed) {
    for (int k = 0; k < count; k++) {
        uint32_t h = (uint32_t)k * 2654435761u + seed * 40503u + 12345u;
        h = (h ^ h >> 16) * 2246822519u;
        h = (h ^ h >> 13) * 3266489917u;
        x[k] = (float)(int32_t)((h >> 8) - (1 << 23)) / (1 << 22); // -2 to 2
    }
}

static void put_floats(const char *name, const float *y, int count) {
    for (int k = 0; k < count; k++) printf("%s %d f %a\n", name, k, (double)y[k]);
}
static void put_i64(const char *name, const int64_t *y, int count) {
    for (int k = 0; k < count; k++) printf("%s %d i %" PRId64 "\n", name, k, y[k]);
}
static void put_i32(const char *name, const int32_t *y, int count) {
    for (int k = 0; k < count; k++) printf("%s %d i %" PRId32 "\n", name, k, y[k]);
}
static void put_bools(const char *name, const uint8_t *y, int count) {
    for (int k = 0; k < count; k++) printf("%s %d i %d\n", name, k, y[k]);
}

static float f[MOST], g[MOST];
static int64_t i[MOST], j[MOST];
static int32_t n[MOST];
static uint8_t b[MOST];

static void run(struct nets *net) {
    draw(N * 48, 1);
    nets_perceptron(net, x, f, i);
    put_floats("perceptron.logits", f, N * 10), put_i64("perceptron.choice", i, N);
    draw(N * 3 * 16 * 16, 2);
    nets_cnn(net, x, f, i);
    put_floats("cnn.logits", f, N * 10), put_i64("cnn.choice", i, N);
    draw(N * 8 * 15 * 15, 3);
    nets_depthwise(net, x, f, b);
    put_floats("depthwise.y", f, N * 24), put_bools("depthwise.above", b, N * 24);
    draw(N * 12 * 9 * 9, 4);
    nets_residual(net, x, f, i);
    put_floats("residual.y", f, N * 12 * 9 * 9), put_i64("residual.high", i, N * 9 * 9);
    int32_t id[N * 7];
    for (int k = 0; k < N * 7; k++) id[k] = k * 37 % 20;
    nets_tokens(net, id, f, i, n, b, j);
    put_floats("tokens.p", f, N * 20), put_i64("tokens.choice", i, N), put_i32("tokens.next", n, N * 7);
    put_bools("tokens.known", b, N * 7), put_i64("tokens.count", j, N);
    float tenth[40];
    for (int k = 0; k < 40; k++) tenth[k] = (float)(k % 20 + 1) / 10;
    draw(N * 4 * 8 * 8, 5);
    nets_numbers(net, x, tenth, n, f, b, g, j, i);
    put_i32("numbers.whole", n, 40), put_floats("numbers.steps", f, N * 4 * 8 * 8);
    put_bools("numbers.inside", b, N * 4 * 8 * 8), put_floats("numbers.pooled", g, N * 4 * 4 * 4);
    put_i64("numbers.best", j, N * 4), put_i64("numbers.near", i, N * 4 * 8 * 8);
}

int main(int argc, char **argv) {
    struct nets *net = nets_new();
    if (!net || argc != 3) return 2;
    int status = strcmp(argv[1], "-") ? nets_load(net, argv[1]) : NETS_OK;
    if (!status && strcmp(argv[2], "-")) status = nets_save_weights(net, argv[2]);
    if (status) fprintf(stderr, "%s\n", nets_error(net));
    if (!status) run(net);
    nets_free(net);
    return status;
}
