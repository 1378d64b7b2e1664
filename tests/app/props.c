// props.c: promises of the generated API, checked by an application of examples/mlp: sizes out of range, NULL outputs,
// equal bits for any number of threads, resuming from a checkpoint, loading that refuses, parameters by name.
//     props MODE [FILE]    the modes are the functions below; each prints `N passed, N failed`
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mlp.h"

static int passed, failed;
#define CHECK(what, ...)                                                                                               \
    do {                                                                                                               \
        if (what)                                                                                                      \
            passed++;                                                                                                  \
        else                                                                                                           \
            failed++, printf("FAILED %s: ", #what), printf(__VA_ARGS__), printf("\n");                                 \
    } while (0)

static float image[64 * 784];
static int32_t label[64];

static uint32_t draw(uint32_t *state) { return *state = *state * 1664525u + 1013904223u; }

static void batch(uint32_t seed, int n) {
    uint32_t state = seed * 2654435761u + 1;
    for (int k = 0; k < n * 784; k++) image[k] = (float)(draw(&state) >> 8) / 16777216.0f;
    for (int k = 0; k < n; k++) label[k] = (int32_t)((draw(&state) >> 8) % 10);
}

static float steps(struct mlp *net, int from, int to) {
    float loss = 0;
    for (int s = from; s < to; s++) {
        int n = s % 4 == 3 ? 32 : 64;
        batch((uint32_t)s, n);
        if (mlp_step(net, n, image, label, 0.05f, &loss, NULL)) return -1;
    }
    return loss;
}

static unsigned long hash_net(struct mlp *net) {
    unsigned long h = 1469598103934665603ul;
    static unsigned char buffer[4 * 256 * 784];
    for (int k = 0; k < mlp_param_count(); k++) {
        const struct dlc_param *p = mlp_param_info(k);
        if (mlp_get(net, p->name, buffer, p->bytes)) return 0;
        for (size_t b = 0; b < p->bytes; b++) h = (h ^ buffer[b]) * 1099511628211ul;
    }
    return h;
}

// Prints a hash of everything after some steps; the runner compares it between numbers of threads.
static void bits(void) {
    struct mlp *net = mlp_new();
    CHECK(steps(net, 0, 9) > 0, "a step failed");
    printf("hash %lx\n", hash_net(net));
    mlp_free(net);
}

static void sizes(void) {
    struct mlp *net = mlp_new();
    static float logits[64 * 10], loss;
    const int32_t wrong[] = {0, -1, 65, 2147483647, (-2147483647 - 1)};
    batch(1, 64);
    unsigned long before = hash_net(net);
    for (int k = 0; k < 5; k++) {
        memset(logits, 7, sizeof logits);
        loss = 3;
        CHECK(mlp_forward(net, wrong[k], image, logits) == MLP_ERANGE, "forward with n = %d", (int)wrong[k]);
        char says[64];
        snprintf(says, sizeof says, "N is %d; it is 1 to 64", (int)wrong[k]);
        CHECK(!strcmp(mlp_error(net), says), "%s, want %s", mlp_error(net), says);
        CHECK(mlp_step(net, wrong[k], image, label, 0.1f, &loss, logits) == MLP_ERANGE, "step with n = %d",
              (int)wrong[k]);
        unsigned char seven[4] = {7, 7, 7, 7};
        CHECK(!memcmp(logits, seven, 4) && !memcmp(&logits[639], seven, 4) && loss == 3, "something was written");
    }
    CHECK(hash_net(net) == before, "parameters changed");
    // One sample alone gives what it gives in a batch, up to rounding.
    static float one[10];
    CHECK(mlp_forward(net, 64, image, logits) == 0 && mlp_forward(net, 1, image + 63 * 784, one) == 0, "forward");
    for (int k = 0; k < 10; k++)
        CHECK(fabsf(one[k] - logits[630 + k]) < 1e-5f, "class %d: %g, %g", k, (double)one[k], (double)logits[630 + k]);
    // NULL outputs are skipped, and the rest is the same.
    static float with[640];
    float loss_with, loss_without;
    mlp_init(net, 5);
    CHECK(mlp_step(net, 64, image, label, 0.1f, &loss_with, with) == 0, "step");
    before = hash_net(net);
    mlp_init(net, 5);
    CHECK(mlp_step(net, 64, image, label, 0.1f, &loss_without, NULL) == 0, "step");
    CHECK(loss_with == loss_without && hash_net(net) == before, "NULL logits change the step");
    mlp_init(net, 5);
    CHECK(mlp_step(net, 64, image, label, 0.1f, NULL, NULL) == 0 && hash_net(net) == before,
          "NULL outputs change the step");
    CHECK(mlp_forward(net, 64, image, NULL) == 0, "forward into NULL");
    // Labels out of range are no reason to read or write elsewhere.
    label[0] = 10, label[1] = -1, label[2] = 2147483647;
    CHECK(mlp_step(net, 64, image, label, 0.1f, &loss_with, NULL) == 0 && isfinite(loss_with), "labels out of range");
    mlp_free(net);
}

static void resume(const char *file) {
    struct mlp *straight = mlp_new(), *first = mlp_new(), *second = mlp_new();
    float a = steps(straight, 0, 10);
    steps(first, 0, 6);
    CHECK(mlp_save(first, file) == 0, "%s", mlp_error(first));
    mlp_init(second, 99);
    steps(second, 0, 3);
    CHECK(mlp_load(second, file) == 0, "%s", mlp_error(second));
    CHECK(hash_net(first) == hash_net(second), "load does not bring back what was saved");
    float b = steps(second, 6, 10);
    CHECK(a == b && hash_net(straight) == hash_net(second), "resumed training differs: loss %.9g, %.9g", (double)a,
          (double)b);
    // Weights alone reset the optimiser.
    CHECK(mlp_save_weights(first, file) == 0 && mlp_load(second, file) == 0, "%s", mlp_error(second));
    static float momentum[256];
    CHECK(mlp_get(second, "optim.step.0.fc1.bias.momentum_buffer", momentum, sizeof momentum) == 0, "%s",
          mlp_error(second));
    for (int k = 0; k < 256; k += 51) CHECK(momentum[k] == 0, "momentum %d is %g", k, (double)momentum[k]);
    mlp_free(straight), mlp_free(first), mlp_free(second);
}

static void refuse(const char *file) {
    struct mlp *net = mlp_new();
    CHECK(mlp_save(net, file) == 0, "%s", mlp_error(net));
    FILE *in = fopen(file, "rb");
    static unsigned char data[4 << 20];
    size_t size = in ? fread(data, 1, sizeof data, in) : 0;
    if (in) fclose(in);
    CHECK(size > 203530 * 8, "the file has %zu bytes", size);
    unsigned long saved = hash_net(net);
    steps(net, 0, 1);
    unsigned long before = hash_net(net);
    for (size_t cut = 0; cut < 12; cut++) {
        size_t part = cut < 10 ? cut * cut * 20 : size - (cut - 9);
        CHECK(mlp_load_memory(net, data, part) != 0 && strstr(mlp_error(net), "not a .safetensors file"),
              "a file cut to %zu bytes: %s", part, mlp_error(net));
    }
    uint32_t state = 7;
    int refused = 0;
    for (int k = 0; k < 2000; k++) { // one byte of the header changed: refused, or taken with the same values
        size_t at = (draw(&state) >> 8) % 600;
        unsigned char old = data[at];
        data[at] = (unsigned char)(draw(&state) >> 24);
        int taken = !mlp_load_memory(net, data, size);
        refused += !taken;
        if (hash_net(net) != (taken ? saved : before))
            CHECK(0, "byte %zu: %s, but the parameters are others", at, taken ? "taken" : "refused");
        if (taken) {
            mlp_init(net, 1);
            steps(net, 0, 1);
        }
        data[at] = old;
    }
    CHECK(refused > 1000, "only %d of 2000 damaged files were refused", refused);
#define FAILS(call, says) CHECK((call) != 0 && strstr(mlp_error(net), says), "want %s, got %s", says, mlp_error(net))
    FAILS(mlp_load(net, "no/such/file"), "cannot open no/such/file: No such file or directory");
    FAILS(mlp_save(net, "no/such/file"), "no/such/file: No such file or directory");
    FAILS(mlp_save(net, "/dev/full"), "cannot write /dev/full: No space left on device");
    float bias[10];
    FAILS(mlp_get(net, "fc3.bias", bias, sizeof bias), "mlp has no parameter fc3.bias");
    CHECK(mlp_get(net, "fc2.bias", bias, 4) != 0 && mlp_set(net, "fc2.bias", bias, 44) != 0, "a wrong size was taken");
    CHECK(mlp_param_info(-1) == NULL && mlp_param_info(mlp_param_count()) == NULL, "an index out of range");
    mlp_free(net);
}

// PyTorch's distribution: uniform in +-1/sqrt(fan_in) for linear's weight and bias.
static void initial(void) {
    struct mlp *net = mlp_new(), *again = mlp_new();
    static float w[256 * 784];
    CHECK(mlp_get(net, "fc1.weight", w, sizeof w) == 0, "%s", mlp_error(net));
    double sum = 0, squares = 0, most = 0, bound = 1 / 28.0;
    for (int k = 0; k < 256 * 784; k++) {
        sum += (double)w[k];
        squares += (double)w[k] * (double)w[k];
        if (fabs((double)w[k]) > most) most = fabs((double)w[k]);
    }
    double n = 256 * 784, deviation = sqrt(squares / n);
    CHECK(most <= bound * 1.000001 && most > bound * 0.999, "the largest is %g, the bound %g", most, bound);
    CHECK(fabs(sum / n) < 4 * bound / sqrt(3 * n), "the mean is %g", sum / n);
    CHECK(fabs(deviation / (bound / sqrt(3.0)) - 1) < 0.01, "the deviation is %g", deviation);
    CHECK(hash_net(net) == hash_net(again), "two new nets differ");
    unsigned long one = hash_net(net);
    mlp_init(net, 2);
    CHECK(hash_net(net) != one, "another seed gives the same net");
    mlp_init(net, 1);
    CHECK(hash_net(net) == one, "seed 1 again differs");
    mlp_free(net), mlp_free(again);
}

int main(int argc, char **argv) {
    const char *mode = argc > 1 ? argv[1] : "", *file = argc > 2 ? argv[2] : "props.safetensors";
    if (!strcmp(mode, "bits"))
        bits();
    else if (!strcmp(mode, "sizes"))
        sizes();
    else if (!strcmp(mode, "resume"))
        resume(file);
    else if (!strcmp(mode, "refuse"))
        refuse(file);
    else if (!strcmp(mode, "initial"))
        initial();
    else
        return 2;
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
