// state.c: what a context keeps from call to call: written once a call, one per twin, in checkpoints and files of its
// own, and in nothing that moves weights.
//     state FILE          FILE is written and read
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "state.h"

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED state: %s\n", what);
}

enum { N = 5, T = 3, I = 4, H = 6 };
static float x[N * T * I];

static double gap(double a, double b) { return isnan(a - b) ? INFINITY : fabs(a - b); }

static void step_of(int t, int n, float *at) {
    for (int i = 0; i < n; i++) memcpy(at + i * I, x + (i * T + t) * I, I * sizeof *x);
}

static void hidden(struct state *net, float h[N * H]) {
    check(!state_get(net, "rnn.h", h, N * H * 4), "rnn.h is there");
}

static int calls_of(struct state *net) {
    int32_t calls = -1;
    check(!state_get(net, "count.calls", &calls, sizeof calls), "count.calls is there");
    return calls;
}

static int is_zero(struct state *net) {
    float h[N * H];
    hidden(net, h);
    for (int i = 0; i < N * H; i++)
        if (h[i] != 0) return 0;
    return !calls_of(net);
}

// Call by call is what the unrolled net gives.
static void streams(struct state *net) {
    float want[N * 3], y[N * 3], at[N * I], before[N * H], now[N * H];
    double worst = 0;
    check(!state_unrolled(net, N, x, want), "unrolled");
    for (int t = 0; t < T; t++) step_of(t, N, at), check(!state_stream(net, N, at, y, NULL), "a step");
    for (int i = 0; i < N * 3; i++) worst = fmax(worst, gap(y[i], want[i]));
    check(worst < 1e-6, "three calls give what the unrolled net gives");
    hidden(net, before);
    check(state_stream(net, N + 1, at, y, NULL) == STATE_ERANGE && state_stream(net, 0, at, y, NULL) == STATE_ERANGE,
          "a size out of range");
    hidden(net, now);
    check(!memcmp(before, now, sizeof now), "is refused with nothing written");
    // A call with two rows: the others stay. No output is asked for, and the state is written anyway.
    check(!state_stream(net, 2, at, NULL, NULL), "two rows");
    hidden(net, now);
    check(memcmp(before, now, 2 * H * 4) && !memcmp(before + 2 * H, now + 2 * H, 3 * H * 4), "rows 2 to 4 stay");
}

static void twins(struct state *net) {
    float h[N * H], own[N * H], y[N * 3], at[N * I];
    struct state *twin = state_share(net);
    hidden(net, h), step_of(0, N, at);
    check(is_zero(twin), "a twin begins at zero");
    check(!state_stream(twin, N, at, y, own), "a call of the twin");
    hidden(twin, own);
    check(memcmp(own, h, sizeof h), "a twin has its own");
    hidden(net, own);
    check(!memcmp(own, h, sizeof h), "the twin wrote another's");
    state_reset(net);
    check(is_zero(net) && !is_zero(twin), "reset is for one net");
    state_set(net, "rnn.h", h, sizeof h);
    state_free(twin);
}

// Twice a call of `count`, once in a step, whether it updates or accumulates; not in an update.
static void written_once(struct state *net) {
    float y[N * 3], target[N * 3] = {0}, at[N * I], loss, total[2], h[N * H], now[N * H];
    state_reset(net), step_of(0, N, at);
    state_count(net, x, y);
    check(calls_of(net) == 2, "two calls of a layer with one name are two in order");
    state_get(net, "count.sums.total", total, sizeof total);
    float mean = 0;
    for (int i = 0; i < 6; i++) mean += x[i] / 6;
    // The first adds 0 and mean; the second mean and 0.5 mean + (mean + mean).
    check(gap(total[0], 2.5f * mean) < 1e-5 && gap(y[0], x[0] + mean + mean + 2.5f * mean) < 1e-5,
          "later reads see the new value");
    check(!state_step(net, N, at, target, 0.1f, &loss) && calls_of(net) == 3, "once in a step with a checkpoint");
    check(!state_step_accumulate(net, N, at, target, &loss) && calls_of(net) == 4, "once in step_accumulate");
    hidden(net, h);
    state_step_update(net, 0.1f);
    hidden(net, now);
    check(calls_of(net) == 4 && !memcmp(h, now, sizeof h), "not in step_update");
    // The state decides what a step learns: the same steps from the same state are the same.
    struct state *a = state_new(), *b = state_new();
    for (int k = 0; k < 3; k++) {
        float one, other;
        check(!state_step(a, N, at, target, 0.1f, &one) && !state_step(b, N, at, target, 0.1f, &other) && one == other,
              "steps repeat");
        if (k == 1) state_reset(b), state_reset(a);
    }
    state_reset(a), state_step(a, N, at, target, 0.1f, &loss);
    state_step(b, N, at, target, 0.1f, &total[0]);
    check(loss != total[0], "a reset makes a difference");
    state_free(a), state_free(b);
}

// A ring and a cache, of which each call stores one row, against the same in plain C; rows out of range are dropped.
static void rings(struct state *net) {
    enum { L = 7, D = 4 };
    float last[L][D] = {{0}}, keys[N][L][D] = {{{0}}}, y[L * D], z[N * D];
    double worst = 0;
    state_reset(net);
    for (int t = 0; t < 3 * L; t++) {
        int n = 1 + t % N;
        int32_t pos[N];
        float at[N * D];
        for (int i = 0; i < n; i++) pos[i] = (t * (i + 1) + i) % (L + 3) - 1;
        for (int i = 0; i < n * D; i++) at[i] = x[(i + 13 * t) % (N * T * I)];
        check(!state_recall(net, n, at, pos, y, z), "recall");
        for (int d = 0; d < D; d++) {
            float sum = 0;
            for (int i = 0; i < n; i++) sum += at[i * D + d];
            last[t % L][d] = sum / (float)n;
            for (int i = 0; i < n; i++)
                if (pos[i] >= 0 && pos[i] < L) keys[i][pos[i]][d] = 0.5f * at[i * D + d];
            for (int i = 0; i < n; i++) {
                float mean = 0;
                for (int l = 0; l < L; l++) mean += keys[i][l][d] / L;
                worst = fmax(worst, gap(z[i * D + d], mean + at[i * D + d]));
            }
            for (int l = 0; l < L; l++) worst = fmax(worst, gap(y[l * D + d], last[l][d]));
        }
    }
    check(worst < 1e-6, "a ring of rows and a cache with positions of their own");
}

static void files(struct state *net, const char *path) {
    float h[N * H], now[N * H], at[N * I], y[N * 3];
    struct state *other = state_new(), *twin = state_share(net);
    step_of(1, N, at), state_stream(net, N, at, y, NULL), state_stream(twin, 2, at, y, NULL);
    hidden(net, h);
    check(!state_save_state(net, path) && !state_load_state(other, path), state_error(other));
    hidden(other, now);
    check(!memcmp(h, now, sizeof h) && calls_of(other) == calls_of(net), "a file of state holds all of it");
    check(state_load(other, path) == STATE_EMISMATCH && strstr(state_error(other), ": state_load_state reads it"),
          "it is no checkpoint, and the message says what it is");
    check(!state_save(twin, path) && !state_load(other, path), state_error(other));
    hidden(twin, h), hidden(other, now);
    check(!memcmp(h, now, sizeof h), "a checkpoint has the state of the twin that saves");
    check(state_load_state(other, path) == STATE_EMISMATCH, "it is no file of state");
    hidden(other, now);
    check(!memcmp(h, now, sizeof h), "what is refused changes nothing");
    check(!state_save_weights(net, path) && !state_load(other, path), state_error(other));
    hidden(other, now);
    check(!memcmp(h, now, sizeof h), "weights leave the state");
    check(!state_copy(other, net), "a copy");
    hidden(other, now);
    check(!memcmp(h, now, sizeof h), "and so does a copy of them");
    state_init(other, 1);
    check(is_zero(other), "a net that is initialised begins anew");
    static unsigned char bytes[1 << 14];
    size_t size = state_save_state_memory(net, bytes, sizeof bytes);
    check(size && size <= sizeof bytes && !state_load_state_memory(twin, bytes, size), "in memory");
    hidden(net, h), hidden(twin, now);
    check(!memcmp(h, now, sizeof h), "from a net to its twin");
    state_free(twin), state_free(other);
}

int main(int argc, char **argv) {
    for (int i = 0; i < N * T * I; i++) x[i] = (float)(i * 37 % 101) / 50 - 1;
    struct state *net = state_new();
    check(net && is_zero(net), "a new net begins at zero");
    streams(net);
    twins(net);
    written_once(net);
    rings(net);
    files(net, argc > 1 ? argv[1] : "state.safetensors");
    check(!state_save_weights(net, argc > 1 ? argv[1] : "state.safetensors"), "weights for state_placed.c");
    state_free(net);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
