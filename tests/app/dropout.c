// dropout.c: the random stream of a net: shares, repeatability, and training that resumes from a checkpoint to the bit.
//     dropout FILE          FILE is written and read
#include <stdio.h>
#include <string.h>

#include "dropout.h"

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED dropout: %s\n", what);
}

enum { N = 500, COUNT = N * 40 };
static float x[COUNT], a[COUNT], b[COUNT], c[COUNT], d[COUNT];

static float train(struct dropout *net, int steps) {
    float loss = 0;
    for (int k = 0; k < steps; k++) dropout_step(net, N, x, &loss);
    return loss;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    for (int k = 0; k < COUNT; k++) x[k] = (float)(k % 17) / 16 + 0.5f;
    struct dropout *net = dropout_new(), *other = dropout_new();
    dropout_masks(net, N, x, a, b);
    int zeros = 0, scaled = 1, differ = 0;
    for (int k = 0; k < COUNT; k++) {
        float want = x[k] * (float)(1 / 0.75);
        zeros += a[k] == 0;
        differ += (a[k] == 0) != (b[k] == 0);
        if (a[k] != 0 && (a[k] < want * 0.999999f || a[k] > want * 1.000001f)) scaled = 0;
    }
    check(zeros > COUNT * 0.24 && zeros < COUNT * 0.26, "a quarter is dropped");
    check(scaled, "what is kept grows by 1 / (1 - p)");
    check(differ > COUNT / 4, "two dropouts differ");
    dropout_masks(net, N, x, c, NULL);
    check(memcmp(a, c, sizeof a) != 0, "two calls differ");
    dropout_masks(other, N, x, c, d);
    check(!memcmp(a, c, sizeof a) && !memcmp(b, d, sizeof b), "two nets draw the same stream");
    dropout_seed(net, 0);
    dropout_masks(net, N, x, c, NULL);
    check(!memcmp(a, c, sizeof a), "the same seed begins the same stream");
    dropout_seed(net, 7);
    dropout_masks(net, N, x, c, NULL);
    check(memcmp(a, c, sizeof a) != 0, "another seed is another stream");
    dropout_masks(net, 3, x, d, NULL);
    dropout_seed(net, 7);
    dropout_masks(net, N, x, c, NULL);
    dropout_masks(net, N, x, c, NULL);
    check(!memcmp(c, d, 3 * 40 * sizeof(float)), "the first rows do not depend on how many there are");

    dropout_init(net, 5), dropout_seed(net, 3);
    train(net, 3);
    check(!dropout_save(net, argv[1]), "save");
    float straight = train(net, 3);
    check(!dropout_load(other, argv[1]), "load");
    float resumed = train(other, 3);
    check(straight == resumed, "training resumes to the bit");
    dropout_forward(net, N, x, a), dropout_forward(other, N, x, b), dropout_forward(net, N, x, c);
    check(!memcmp(a, b, sizeof a), "the resumed net gives the same results");
    check(!memcmp(a, c, sizeof a), "a model drops nothing");
    dropout_free(net), dropout_free(other);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
