// threads.c: five steps of tests/nets/threads.dl, the last with a partial batch, then all that the net holds into a
// file; run.sh compares the files of different numbers of threads byte by byte.
//     threads FILE
#include <stdio.h>

#include "threads_net.h"

static float next_number(unsigned *state) { // in [-1, 1), Numerical Recipes' generator
    *state = *state * 1664525u + 1013904223u;
    return (float)(*state >> 8) / 8388608.0f - 1.0f;
}

int main(int argc, char **argv) {
    static float image[24 * 3 * 16 * 16];
    static int32_t token[24 * 6], label[24];
    unsigned state = 7;
    float loss = 0;
    struct threads *net = threads_new();
    if (!net || argc < 2) return 2;
    threads_seed(net, 3);
    for (int step = 0; step < 5; step++) {
        for (size_t k = 0; k < sizeof image / sizeof *image; k++) image[k] = next_number(&state);
        for (size_t k = 0; k < sizeof token / sizeof *token; k++)
            token[k] = (int32_t)(4.5f * (next_number(&state) + 1));
        for (size_t k = 0; k < sizeof label / sizeof *label; k++) label[k] = (int32_t)(5 * (next_number(&state) + 1));
        if (threads_step(net, step == 4 ? 7 : 24, image, token, label, 0.05f, &loss)) return 3;
    }
    printf("loss %.9g\n", (double)loss);
    int rc = threads_save(net, argv[1]);
    threads_free(net);
    return rc || loss != loss;
}
