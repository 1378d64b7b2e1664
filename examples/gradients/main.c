// main.c: how the gradient fades on its way back through the steps of a recurrent net. Six nets must recall the first
// symbol of a sequence; the norm of the gradient at every step is printed and drawn, before and after training.
//
//     gradients [--steps 400] [--lr 0.003] [--seed 1] [--plot PREFIX]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gradients.h"
#include "kit/kit.h"

enum { N = 32, T = 100, SYMBOLS = 4, COLUMNS = 2 * SYMBOLS, HIDDEN = 32, TEST_BATCHES = 10 };

static char error[KIT_ERROR_BYTES];

static _Noreturn void die(const char *message) {
    fprintf(stderr, "gradients: %s\n", message);
    exit(1);
}

// ---- the task -------------------------------------------------------------------------------------------------------

struct batch {
    float x[N][T][COLUMNS]; // one-hot
    int64_t symbol[N];      // what stands in the first step
};

// xorshift64* (Vigna 2016): a number below n. The state is not 0.
static int draw(uint64_t *state, int n) {
    *state ^= *state >> 12, *state ^= *state << 25, *state ^= *state >> 27;
    return (int)((*state * 0x2545f4914f6cdd1d >> 33) % (uint64_t)n);
}

// The symbol to recall in the first step, others, in columns of their own, in all later ones.
static void fill_batch(struct batch *b, uint64_t *state) {
    memset(b, 0, sizeof *b);
    for (int n = 0; n < N; n++) {
        int first = draw(state, SYMBOLS);
        b->symbol[n] = first;
        b->x[n][0][first] = 1;
        for (int t = 1; t < T; t++) b->x[n][t][SYMBOLS + draw(state, SYMBOLS)] = 1;
    }
}

// ---- six nets -------------------------------------------------------------------------------------------------------

static void get(struct gradients *net, const char *name, float *to, size_t bytes) {
    if (gradients_get(net, name, to, bytes)) die(gradients_error(net));
}

static void set(struct gradients *net, const char *name, const float *from, size_t bytes) {
    if (gradients_set(net, name, from, bytes)) die(gradients_error(net));
}

static void leave(struct gradients *net) { (void)net; }

static void enlarge(struct gradients *net) {
    float weight[HIDDEN * HIDDEN];
    get(net, "rnn.weight_hh_l0", weight, sizeof weight);
    for (int k = 0; k < HIDDEN * HIDDEN; k++) weight[k] *= 4;
    set(net, "rnn.weight_hh_l0", weight, sizeof weight);
}

// The bias with which unit k forgets after about T (k + 1) / HIDDEN steps, so that the units have memories of all
// lengths (Tallec and Ollivier 2018).
static float openness(int k) { return logf((float)((T - 1) * (k + 1)) / HIDDEN); }

static void open_gru(struct gradients *net) {
    float bias[3][HIDDEN]; // gates r, z, n
    get(net, "gru.bias_hh_l0", bias[0], sizeof bias);
    for (int k = 0; k < HIDDEN; k++) bias[1][k] = openness(k);
    set(net, "gru.bias_hh_l0", bias[0], sizeof bias);
}

static void open_lstm(struct gradients *net) {
    float bias[4][HIDDEN]; // gates i, f, g, o
    get(net, "lstm.bias_hh_l0", bias[0], sizeof bias);
    for (int k = 0; k < HIDDEN; k++) bias[0][k] = -openness(k), bias[1][k] = openness(k);
    set(net, "lstm.bias_hh_l0", bias[0], sizeof bias);
}

struct kind {
    void (*look)(struct gradients *net, const float *x, const int64_t *symbol, float *slope, float *right);
    void (*step)(struct gradients *net, const float *x, const int64_t *symbol, float lr, float *loss);
};
static const struct kind rnn = {gradients_rnn_look, gradients_rnn_step};
static const struct kind gru = {gradients_gru_look, gradients_gru_step};
static const struct kind lstm = {gradients_lstm_look, gradients_lstm_step};

static const struct {
    const char *name;
    const struct kind *kind;
    void (*prepare)(struct gradients *net); // changes the initial parameters
} nets[] = {
    {"RNN", &rnn, leave},   {"RNN, weights x 4", &rnn, enlarge}, {"GRU", &gru, leave},
    {"LSTM", &lstm, leave}, {"GRU, open gates", &gru, open_gru}, {"LSTM, open gates", &lstm, open_lstm},
};
enum { NETS = sizeof nets / sizeof *nets };

// ---- the gradient, step by step -------------------------------------------------------------------------------------

struct look {
    float norm[T];  // of the gradient with respect to the input of step t, the mean over all sequences
    float accuracy; // on new sequences
};

static void look(struct gradients *net, const struct kind *kind, uint64_t seed, struct look *to) {
    static struct batch b;
    static float slope[N][T][COLUMNS];
    double sum[T] = {0}, right = 0;
    for (int k = 0; k < TEST_BATCHES; k++) {
        float share;
        fill_batch(&b, &seed);
        kind->look(net, b.x[0][0], b.symbol, slope[0][0], &share);
        right += (double)share;
        for (int n = 0; n < N; n++)
            for (int t = 0; t < T; t++) {
                double squares = 0; // in double: that of a float below 1e-22 is 0 in float
                for (int c = 0; c < COLUMNS; c++) squares += (double)slope[n][t][c] * (double)slope[n][t][c];
                sum[t] += sqrt(squares);
            }
    }
    for (int t = 0; t < T; t++) to->norm[t] = (float)(sum[t] / (TEST_BATCHES * N));
    to->accuracy = (float)(right / TEST_BATCHES);
}

static void train(struct gradients *net, const struct kind *kind, uint64_t seed, int64_t steps, double lr) {
    static struct batch b;
    for (int64_t step = 0; step < steps; step++) {
        float loss;
        fill_batch(&b, &seed);
        kind->step(net, b.x[0][0], b.symbol, (float)lr, &loss);
        if (!isfinite(loss)) die("the loss is not finite");
    }
}

// ---- what is shown --------------------------------------------------------------------------------------------------

static void print(const struct look *looks, const char *when) {
    static const int steps[] = {1, 20, 40, 60, 80, 100};
    enum { SHOWN = sizeof steps / sizeof *steps };
    printf("%s, step", when);
    for (int k = 0; k < SHOWN; k++) printf("%*d", k ? 9 : 27 - (int)strlen(when) - 6, steps[k]);
    printf("   right\n");
    for (int i = 0; i < NETS; i++) {
        printf("%-18s", nets[i].name);
        for (int k = 0; k < SHOWN; k++) printf("  %.1e", (double)looks[i].norm[steps[k] - 1]);
        printf("  %4.0f %%\n", 100 * (double)looks[i].accuracy);
    }
}

static void draw_norms(const struct look *looks, const char *when, const char *prefix) {
    struct kit_line lines[NETS];
    char title[128], path[1024];
    for (int i = 0; i < NETS; i++) lines[i] = (struct kit_line){nets[i].name, looks[i].norm, T, false};
    snprintf(title, sizeof title, "Norm of the gradient at each step, %s training", when);
    snprintf(path, sizeof path, "%s%s.svg", prefix, when);
    const struct kit_plot plot = {title, "step", "norm of the gradient", .first = 1, .step = 1, .logarithmic = true};
    if (kit_plot_write(&plot, lines, NETS, path, error)) die(error);
}

int main(int argc, char **argv) {
    static struct look before[NETS], after[NETS];
    const char *prefix = NULL;
    int64_t steps = 400, seed = 1;
    double lr = 0.003;
    const struct kit_option options[] = {
        {"--steps", "N", "training steps (400)", KIT_INT, &steps, 0, 1e6},
        {"--lr", "RATE", "learning rate (0.003)", KIT_REAL, &lr, 0, 10},
        {"--seed", "N", "of parameters and sequences (1)", KIT_INT, &seed, 1, 1e9},
        {"--plot", "PREFIX", "draws PREFIXbefore.svg and PREFIXafter.svg", KIT_TEXT, &prefix, 0, 0},
        {0}};
    int rest;
    if (kit_options_read(options, argc, argv, &rest, error)) return kit_options_print(stderr, options), die(error), 1;

    struct gradients *net = gradients_new();
    if (!net) die("no memory for the net");
    for (int i = 0; i < NETS; i++) {
        gradients_init(net, seed);
        nets[i].prepare(net);
        look(net, nets[i].kind, 1000000007u * (uint64_t)seed, &before[i]);
        train(net, nets[i].kind, (uint64_t)seed, steps, lr);
        look(net, nets[i].kind, 1000000007u * (uint64_t)seed, &after[i]);
    }
    gradients_free(net);
    print(before, "before");
    printf("\n");
    print(after, "after");
    if (prefix) draw_norms(before, "before", prefix), draw_norms(after, "after", prefix);
    return 0;
}
