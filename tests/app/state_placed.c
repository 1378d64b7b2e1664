// state_placed.c: a model with its weights inside, in memory of the application and without stdio, keeps its state
// there and moves it through memory.
//     state_placed FILE          FILE has the weights that are inside; linked with the net that has all entries
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "packed.h"
#include "state.h"

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED state_placed: %s\n", what);
}

enum { N = 5, T = 3, I = 4 };
static _Alignas(PACKED_ALIGN) unsigned char memory[2][PACKED_STATE_BYTES], arena[PACKED_ARENA_BYTES + 1];
static float x[N * T * I], want[N * 3];

// How far the last of the steps is from the unrolled net.
static double stream(struct packed *net, int first, int end) {
    double worst = 0;
    float at[N * I], y[N * 3];
    for (int t = first; t < end; t++) {
        for (int i = 0; i < N; i++) memcpy(at + i * I, x + (i * T + t) * I, I * sizeof *x);
        check(!packed_stream(net, N, at, y, NULL), "a step");
    }
    for (int i = 0; i < N * 3; i++) worst = isnan(y[i]) ? INFINITY : fmax(worst, fabs((double)(y[i] - want[i])));
    return worst;
}

int main(int argc, char **argv) {
    (void)argc;
    for (int i = 0; i < N * T * I; i++) x[i] = (float)(i * 37 % 101) / 50 - 1;
    struct state *all = state_new();
    check(!state_load(all, argv[1]) && !state_unrolled(all, N, x, want), state_error(all));
    struct packed *net[2];
    for (int k = 0; k < 2; k++) {
        memset(memory[k], 0xff, PACKED_STATE_BYTES);
        net[k] = packed_place(&(struct packed_memory){.state = memory[k], .arena = arena});
        check(net[k] != NULL, "it is placed");
    }
    check(PACKED_PARAM_BYTES == 0 && PACKED_STATE_BYTES >= 2304 + N * 6 * 4 + 4, "the state has its bytes");
    check(stream(net[0], 0, T) < 1e-6, "three steps from zero");
    check(stream(net[0], 0, T) > 1e-6, "three more from there");
    packed_reset(net[0]);
    stream(net[0], 0, 2);
    static unsigned char file[1 << 12];
    size_t size = packed_save_state_memory(net[0], file, sizeof file);
    check(size <= sizeof file && !packed_load_state_memory(net[1], file, size), packed_error(net[1]));
    check(stream(net[1], 2, T) < 1e-6, "the third step in another net");
    check(state_load_state_memory(all, file, size) == STATE_EMISMATCH, "the net with all entries is another model");
    state_free(all);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
