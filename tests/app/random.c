// random.c: random numbers in models: streams of nets and twins, seeds, checkpoints, and training that keeps its own.
//     random FILE          FILE is written and read
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "random.h"

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED random: %s\n", what);
}

enum { N = 500, COUNT = N * 40, DRAWS = 1000 };
static float x[COUNT], y[COUNT];

typedef struct Draws {
    float u[DRAWS], z[DRAWS];
} Draws;

static Draws draw(struct random *net) {
    Draws d;
    random_noise(net, d.u, d.z);
    return d;
}

static int same(Draws a, Draws b) { return !memcmp(&a, &b, sizeof a); }

// How many of a's numbers are among b's: two streams may have a few by chance.
static int common(const Draws *a, const Draws *b) {
    int count = 0;
    for (int i = 0; i < DRAWS; i++)
        for (int j = 0; j < DRAWS; j++) count += a->z[i] == b->z[j];
    return count;
}

static void distributions(struct random *net) {
    double u = 0, z = 0, square = 0;
    for (int k = 0; k < 20; k++) {
        Draws d = draw(net);
        for (int i = 0; i < DRAWS; i++) {
            u += (double)d.u[i] / (20 * DRAWS), z += (double)d.z[i] / (20 * DRAWS);
            square += (double)d.z[i] * (double)d.z[i] / (20 * DRAWS);
        }
    }
    check(fabs(u - 0.5) < 0.01 && fabs(z) < 0.03 && fabs(square - 1) < 0.05, "the distributions");
    int zeros = 0;
    check(!random_sample(net, N, x, y), "sample");
    for (int i = 0; i < COUNT; i++) zeros += y[i] == 0;
    check(zeros > COUNT * 0.24 && zeros < COUNT * 0.26, "a quarter is dropped, by the dropout that always does");
    float at, mask[4 * 9 * 5];
    int dropped = 0, mixed = 0;
    random_walk(net, &at, mask);
    for (int c = 0; c < 36; c++) {
        dropped += mask[c * 5] == 0;
        for (int i = 1; i < 5; i++) mixed += mask[c * 5 + i] != mask[c * 5];
    }
    check(!mixed && dropped > 8 && dropped < 28, "whole channels are dropped");
}

static void streams(void) {
    struct random *net = random_new(), *other = random_new();
    Draws first = draw(net), second = draw(net);
    check(!same(first, second) && !common(&first, &second), "two calls differ");
    check(same(first, draw(other)) && same(second, draw(other)), "two nets draw the same stream");
    struct random *twin[3] = {random_share(net), random_share(net), random_share(other)};
    Draws a = draw(twin[0]), b = draw(twin[1]), c = draw(twin[2]);
    check(!common(&a, &first) && !common(&a, &b) && !common(&b, &first), "each twin has its own");
    check(same(a, c), "the first twin of a net has that of any first twin");
    Draws third = draw(net);
    check(same(third, draw(other)), "a twin takes nothing from its net");
    random_seed(net, 0);
    check(same(first, draw(net)), "the same seed begins the same stream");
    random_seed(net, 7);
    Draws seeded = draw(net);
    check(!common(&seeded, &first), "another seed is another stream");
    struct random *late = random_share(twin[1]);
    Draws of_late = draw(late);
    random_seed(twin[1], 7);
    Draws of_twin = draw(twin[1]);
    check(!common(&of_twin, &seeded) && !common(&of_twin, &of_late) && !common(&of_twin, &b),
          "and another number, too");
    random_seed(late, 7);
    check(same(of_late, draw(late)), "a new twin has the seed of its net");
    random_reset(net);
    Draws after = draw(net);
    random_seed(net, 7), draw(net);
    check(same(after, draw(net)), "reset leaves the stream alone");
    random_init(net, 1);
    check(same(first, draw(net)), "a net that is initialised begins anew");
    for (int k = 0; k < 3; k++) random_free(twin[k]);
    random_free(late), random_free(net), random_free(other);
}

static void checkpoints(const char *path) {
    struct random *net = random_new(), *other = random_new(), *twin = random_share(net);
    random_seed(net, 3), draw(net), draw(twin);
    float at, next, again;
    random_walk(net, &at, NULL);
    check(!random_save(net, path) && !random_load(other, path), random_error(other));
    Draws a = draw(net);
    random_walk(net, &next, NULL);
    check(same(a, draw(other)), "a checkpoint has the stream");
    random_walk(other, &again, NULL);
    check(next == again, "and the state that it leads to");
    check(!random_save_state(twin, path), "the state of a twin");
    a = draw(twin);
    check(!random_load_state(other, path) && same(a, draw(other)), "and so has a file of state");
    check(!random_save_weights(net, path) && !random_load(other, path), random_error(other));
    check(same(draw(twin), draw(other)), "weights leave it");
    check(!random_copy(net, other), "a copy");
    random_free(twin), random_free(net), random_free(other);
}

// Training draws from its own stream, whatever models drew in between.
static void training(void) {
    struct random *a = random_new(), *b = random_new(), *twin = random_share(b);
    float one = 0, other = 1;
    for (int k = 0; k < 3; k++) {
        draw(b), draw(b);
        random_seed(twin, 5), draw(twin);
        check(!random_step(a, N, x, &one) && !random_step(b, N, x, &other) && one == other, "a step draws the same");
    }
    int64_t calls = -1;
    random_get(b, "optim.random.calls", &calls, sizeof calls);
    check(calls == 3, "its calls are counted apart");
    random_get(b, "state.random.calls", &calls, sizeof calls);
    check(calls == 6, "from those of models");
    random_free(twin), random_free(a), random_free(b);
}

int main(int argc, char **argv) {
    for (int k = 0; k < COUNT; k++) x[k] = (float)(k % 17) / 16 + 0.5f;
    struct random *net = random_new();
    distributions(net);
    random_free(net);
    streams();
    checkpoints(argc > 1 ? argv[1] : "random.safetensors");
    training();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
