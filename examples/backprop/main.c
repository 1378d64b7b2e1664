// main.c: compares one gradient of the XOR network with its finite difference, then trains the network.
//     dlc backprop.dl -O0 -o backprop.c && cc -I../../runtime main.c backprop.c ../../runtime/dlc*.c -lm -o backprop
#include <math.h>
#include <stdio.h>

#include "backprop.h"

static const float x[4][2] = {{0, 0}, {0, 1}, {1, 0}, {1, 1}};
static const float target[4] = {0, 1, 1, 0};

// The loss with w added to one weight of fc1. A step with a learning rate of 0 changes nothing.
static float loss_beside(struct backprop *net, int j, int k, float w) {
    float weight[2][2], moved[2][2], loss;
    backprop_get(net, "fc1.weight", weight, sizeof weight);
    backprop_get(net, "fc1.weight", moved, sizeof moved);
    moved[j][k] += w;
    backprop_set(net, "fc1.weight", moved, sizeof moved);
    backprop_step(net, x[0], target, 0, &loss, NULL);
    backprop_set(net, "fc1.weight", weight, sizeof weight);
    return loss;
}

// Prints d loss / d fc1.weight by the chain rule and by moving each weight a little. Returns the largest difference.
static float compare(struct backprop *net) {
    const float w = 0.01f;
    float slope[2][2], worst = 0;
    backprop_step(net, x[0], target, 0, NULL, slope[0]);
    printf("d loss / d fc1.weight    chain rule  finite difference\n");
    for (int j = 0; j < 2; j++)
        for (int k = 0; k < 2; k++) {
            float difference = (loss_beside(net, j, k, w) - loss_beside(net, j, k, -w)) / (2 * w);
            printf("                [%d][%d]     %+.5f           %+.5f\n", j, k, (double)slope[j][k],
                   (double)difference);
            worst = fmaxf(worst, fabsf(slope[j][k] - difference));
        }
    return worst;
}

int main(void) {
    struct backprop *net = backprop_new();
    if (!net) return 1;
    float worst = compare(net), loss = 0, y[4];
    for (int step = 1; step <= 200; step++) {
        backprop_step(net, x[0], target, 0.2f, &loss, NULL);
        if (step == 1 || step % 50 == 0) printf("step %3d: loss %.5f\n", step, (double)loss);
    }
    backprop_forward(net, x[0], y);
    for (int i = 0; i < 4; i++) printf("%g xor %g = %.3f\n", (double)x[i][0], (double)x[i][1], (double)y[i]);
    backprop_free(net);
    return worst > 1e-3f || loss > 0.01f;
}
