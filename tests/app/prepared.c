// prepared.c: what models keep beside the parameters follows them, however they change: the model `forward` of
// tests/nets/prepared.dl against its train entry `same`, which keeps nothing.
//     prepared FILE          FILE is written and read
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prepared.h"

enum { N = 5, PIXELS = 3 * 14 * 14, CLASSES = 10 };
static float x[N * PIXELS], y[N * CLASSES], want[N * CLASSES], before[N * CLASSES];
static const int32_t label[N] = {0, 3, 9, 3, 1};

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED prepared: %s\n", what);
}

static uint32_t draw(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

// forward gives what same gives; `moved`: and not what it gave before.
static void agrees(struct prepared *net, int moved, const char *when) {
    double worst = 0, largest = 0, change = 0;
    memcpy(before, y, sizeof y);
    prepared_forward(net, N, x, y);
    prepared_same(net, N, x, want);
    for (int k = 0; k < N * CLASSES; k++) {
        worst = fmax(worst, fabs((double)y[k] - (double)want[k]));
        largest = fmax(largest, fabs((double)want[k]));
        change = fmax(change, fabs((double)y[k] - (double)before[k]));
        if (!isfinite(y[k])) worst = INFINITY;
    }
    if (!(worst <= 1e-5 * largest)) printf("off by %g of %g\n", worst, largest);
    check(worst <= 1e-5 * largest, when);
    if (moved && !(change > 1e-3 * largest)) printf("after %s:\n", when);
    check(!moved || change > 1e-3 * largest, "the parameters changed, the result did not");
}

// Every parameter and buffer becomes another one; variances stay positive.
static void set_all(struct prepared *net, uint32_t seed, const char *only) {
    uint32_t state = seed;
    for (int k = 0; k < prepared_param_count(); k++) {
        const struct dlc_param *p = prepared_param_info(k);
        if (strcmp(p->kind, "optim") == 0 || strcmp(p->dtype, "f32") != 0) continue;
        if (only && strcmp(only, p->name) != 0) continue;
        float *value = malloc(p->bytes);
        if (!value) exit(3);
        prepared_get(net, p->name, value, p->bytes);
        for (size_t i = 0; i < p->bytes / 4; i++) value[i] += 0.5f * (float)(draw(&state) >> 8) / 16777216.0f;
        check(!prepared_set(net, p->name, value, p->bytes), "set");
        free(value);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    uint32_t state = 1;
    float loss, h[N * 24 * 14 * 14];
    for (int k = 0; k < N * PIXELS; k++) x[k] = (float)(draw(&state) >> 8) / 8388608.0f - 1;
    struct prepared *net = prepared_new(), *other = prepared_new();
    agrees(net, 0, "a new net");
    for (int k = 0; k < 3; k++) {
        prepared_step(net, N, x, label, 0.01f, &loss);
        agrees(net, 1, "a training step");
    }
    set_all(net, 3, NULL);
    agrees(net, 1, "set");
    set_all(net, 4, "norm3.running_var");
    agrees(net, 1, "set of a variance alone");
    prepared_init(net, 7);
    agrees(net, 1, "init");
    set_all(net, 5, NULL);
    prepared_prepare(net);
    agrees(net, 1, "prepare after set");
    check(!prepared_save_weights(net, argv[1]), "save");
    agrees(other, 1, "another net");
    check(!prepared_load(other, argv[1]), "load");
    agrees(other, 1, "load");
    memcpy(want, y, sizeof y);
    prepared_forward(net, N, x, y);
    check(!memcmp(want, y, sizeof y), "the net that was loaded gives the bits of the one that was saved");
    check(prepared_load_memory(other, "no file", 7) != 0, "what is no file is refused");
    agrees(other, 0, "a load that was refused");
    // The other model reads the same prepared values, here before `forward` is called again.
    static const float zeros[24 * 27];
    prepared_set(net, "conv1.weight", zeros, sizeof zeros);
    prepared_features(net, N, x, h);
    int same = 1;
    for (int k = 0; k < N * 24 * 14 * 14; k++) same &= h[k] == h[k / 196 * 196];
    check(same, "without weights every pixel of a channel is equal");
    agrees(net, 1, "a set that another model saw first");
    check(!prepared_copy(other, net), "copy");
    agrees(other, 0, "a copy of a net whose values are fresh");
    check(!memcmp(before, y, sizeof y), "a copy gives the bits of the net that was copied");
    set_all(net, 8, NULL);
    check(!prepared_copy(other, net), "copy");
    agrees(other, 1, "a copy of a net whose values are stale");
    agrees(net, 0, "the net that was copied");
    check(!memcmp(before, y, sizeof y), "the net that was copied gives the bits of the copy");
    struct prepared *twin = prepared_share(net);
    agrees(twin, 0, "a twin");
    set_all(net, 6, NULL);
    agrees(twin, 1, "a twin of a net that was set");
    prepared_init(net, 9);
    agrees(twin, 1, "a twin of a net that was initialised");
    prepared_step(twin, N, x, label, 0.01f, &loss);
    agrees(net, 1, "a net whose twin was trained");
    struct prepared *spare = prepared_new();
    set_all(other, 10, NULL);
    check(!prepared_publish(net, spare, other), "publish");
    agrees(twin, 0, "a twin before it adopts");
    check(!memcmp(before, y, sizeof y), "a twin that has not adopted answers as before");
    check(prepared_adopt(twin) == 1, "adopt");
    agrees(twin, 1, "a twin that adopts");
    agrees(net, 0, "the net that publishes");
    check(!memcmp(before, y, sizeof y), "the net and the twin give the same bits");
    prepared_free(twin), prepared_free(spare);
    prepared_free(net), prepared_free(other);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
