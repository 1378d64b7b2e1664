// accumulate.c: gradients over several calls and one update are a step over all samples; NET_get_grad is their mean.
//     accumulate FILE          FILE is written and read
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "accumulate.h"

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED accumulate: %s\n", what);
}

enum { N = 16, WEIGHT = 8 * 6 };
static float x[N * 6];
static int32_t label[N];

static double gap(double a, double b) { return isnan(a - b) ? INFINITY : fabs(a - b); }

static double distance(struct accumulate *a, struct accumulate *b) {
    double worst = 0;
    for (int k = 0; k < accumulate_param_count(); k++) {
        const struct dlc_param *info = accumulate_param_info(k);
        float u[WEIGHT], v[WEIGHT];
        if (strcmp(info->dtype, "f32") || info->bytes > sizeof u) continue;
        if (strstr(info->name, "grad_sum")) continue;
        accumulate_get(a, info->name, u, info->bytes), accumulate_get(b, info->name, v, info->bytes);
        for (size_t e = 0; e < info->bytes / sizeof *u; e++) worst = fmax(worst, gap(u[e], v[e]));
    }
    return worst;
}

// In calls of 3, 9 and 4 samples.
static void accumulate_all(struct accumulate *net) {
    static const int parts[] = {3, 9, 4};
    for (int k = 0, at = 0; k < 3; at += parts[k++])
        check(!accumulate_step_accumulate(net, parts[k], x + at * 6, label + at, NULL, NULL), "a part is taken");
}

// A step and the same batch accumulated, then updated: the same dropout, and the stream goes on by one call in both.
static void same_noise(void) {
    static const float scale[6] = {1, 2, 0.5f, 1, -1, 1};
    struct accumulate *step = accumulate_new(), *parts = accumulate_new();
    for (int k = 0; k < 3; k++) {
        float whole = -1, loss = -2;
        int64_t calls = -1, samples = -1;
        check(!accumulate_noisy(step, N, scale, x, 0.1f, &whole), "a step with dropout");
        check(!accumulate_noisy_accumulate(parts, N, scale, x, &loss), "a part with dropout");
        accumulate_get(parts, "optim.noisy.0.samples", &samples, sizeof samples);
        check(samples == N, "samples are counted along a run-time size");
        accumulate_noisy_update(parts, 0.1f);
        check(fabs(whole - loss) <= 1e-6 * whole && distance(step, parts) < 1e-6, "a part draws what a step draws");
        check(!accumulate_get(parts, "optim.random.calls", &calls, sizeof calls) && calls == k + 1,
              "calls are counted");
    }
    accumulate_free(step), accumulate_free(parts);
}

// h = w h + x; loss = h^2: no gradient flows into the h of the last call.
static void recurrent(void) {
    struct accumulate *net = accumulate_new();
    float h = 0, w = 1, loss = 0;
    double worst = 0;
    for (int k = 0; k < 6; k++) {
        float x_k = 0.5f - 0.25f * (float)k, old = h;
        accumulate_scalar(net, x_k, 0.1f, &loss);
        h = w * old + x_k;
        worst = fmax(worst, gap(loss, h * h));
        w -= 0.1f * 2 * h * old;
    }
    float trained;
    check(!accumulate_get(net, "scalar.w", &trained, sizeof trained) && gap(trained, w) < 1e-6 && worst < 1e-6,
          "the gradient stops where the state is read, and flows through what is assigned");
    accumulate_free(net);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    for (int k = 0; k < N * 6; k++) x[k] = (float)((k * 37) % 23) / 11 - 1;
    for (int k = 0; k < N; k++) label[k] = (k * 5) % 3;
    struct accumulate *whole = accumulate_new(), *parts = accumulate_new(), *resumed = accumulate_new();
    float weight[WEIGHT], bias[3], mean[WEIGHT], mean_bias[3], before[WEIGHT], after[WEIGHT], loss;
    for (int step = 0; step < 5; step++) {
        check(!accumulate_step(whole, N, x, label, 0.1f, NULL, NULL), "a step");
        accumulate_get(parts, "body.fc1.weight", before, sizeof before);
        accumulate_all(parts);
        accumulate_get(parts, "body.fc1.weight", after, sizeof after);
        check(!memcmp(before, after, sizeof before), "accumulation leaves parameters alone");
        int64_t samples = 0;
        check(!accumulate_get(parts, "optim.step.0.samples", &samples, sizeof samples) && samples == N, "all counted");
        accumulate_step_update(parts, 0.1f);
        check(distance(whole, parts) < 1e-6, "three parts are one batch");
    }
    check(!accumulate_get_grad(parts, "body.fc1.weight", mean, sizeof mean) && mean[7] == 0, "an update begins anew");

    accumulate_all(parts);
    check(!accumulate_get_grad(parts, "body.fc1.weight", mean, sizeof mean), "the mean gradient of a weight");
    check(!accumulate_get_grad(parts, "body.fc2.bias", mean_bias, sizeof mean_bias), "and of a bias");
    unsigned char odd[13]; // copied out like all else, to any address
    check(!accumulate_get_grad(parts, "body.fc2.bias", odd + 1, 12) && !memcmp(odd + 1, mean_bias, 12), "anywhere");
    check(!accumulate_save(parts, argv[1]) && !accumulate_load(resumed, argv[1]), "sums are in checkpoints");
    accumulate_once(parts, N, x, label, 0, &loss, weight, bias);
    double worst = 0;
    for (int k = 0; k < WEIGHT; k++) worst = fmax(worst, gap(mean[k], weight[k]));
    for (int k = 0; k < 3; k++) worst = fmax(worst, gap(mean_bias[k], bias[k]));
    check(worst < 1e-7 && fabs(weight[7]) > 1e-4, "it is that of the whole batch");
    accumulate_step_update(parts, 0.1f), accumulate_step_update(resumed, 0.1f);
    check(distance(parts, resumed) == 0, "a resumed accumulation goes on to the bit");

    check(accumulate_get_grad(parts, "body.fc3.bias", mean, 12) == ACCUMULATE_ENAME, "a name that is not there");
    check(!strcmp(accumulate_error(parts), "accumulate accumulates no gradient of body.fc3.bias"), "is named");
    check(accumulate_get_grad(parts, "body.fc2.bias", mean, 8) == ACCUMULATE_ESIZE, "a wrong size");
    check(accumulate_step_accumulate(parts, 17, x, label, NULL, NULL) == ACCUMULATE_ERANGE, "too many samples");
    accumulate_free(whole), accumulate_free(parts), accumulate_free(resumed);
    same_noise();
    recurrent();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
