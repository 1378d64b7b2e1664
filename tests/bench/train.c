// train.c: training throughput of the perceptron of examples/mlp, batches of 64 of random pictures, median of rounds.
#include <stdio.h>
#include <stdlib.h>

#include "mlp.h"
#include "peak.h"

enum { ROUNDS = 9, BATCH = 64, BATCHES = 100, PIXELS = 784, CLASSES = 10 };

int main(void) {
    float *image = malloc(sizeof(float) * BATCH * BATCHES * PIXELS), logits[BATCH * CLASSES], loss = 0;
    int32_t *label = malloc(sizeof(int32_t) * BATCH * BATCHES);
    struct mlp *net = mlp_new();
    if (!image || !label || !net) return 1;
    unsigned state = 1;
    for (int i = 0; i < BATCH * BATCHES * PIXELS; i++) {
        state = state * 1664525u + 1013904223u;
        image[i] = (float)(state >> 8) / 16777216.0f;
    }
    for (int i = 0; i < BATCH * BATCHES; i++) label[i] = i * 7 % CLASSES;
    double seconds[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double start = bench_seconds();
        for (int i = 0; i < BATCHES; i++)
            mlp_step(net, BATCH, image + (size_t)i * BATCH * PIXELS, label + i * BATCH, 0.01f, &loss, logits);
        seconds[round] = bench_seconds() - start;
    }
    printf("%.0f\n", BATCH * BATCHES / bench_median(seconds, ROUNDS));
    mlp_free(net);
    free(image), free(label);
    return 0;
}
