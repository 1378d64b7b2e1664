// starts.c: what optimiser state begins with when that is not zero: in a new net and a placed one, after init, after a
// file without it; a checkpoint keeps its own.
//     starts FILE          FILE is written and read
#include <stdio.h>
#include <string.h>

#include "starts.h"

static int passed, failed;
static void check(int good, const char *who, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED starts: %s: %s\n", who, what);
}

static void filled(struct starts *net, const char *who, const char *name, float want) {
    float got[3];
    int good = !starts_get(net, name, got, sizeof got);
    for (int k = 0; k < 3 && good; k++) good = got[k] == want;
    check(good, who, name);
}

static void begins(struct starts *net, const char *who) {
    int64_t t = -1;
    filled(net, who, "optim.step.0.w.sum", 0.25f);
    filled(net, who, "optim.step.1.w.v", 1);
    check(!starts_get(net, "optim.step.0.t", &t, sizeof t) && t == 0, who, "no step was made");
}

static const float x[3] = {1, -2, 0.5f};
enum { BYTES = STARTS_PARAM_BYTES + STARTS_OPTIM_BYTES + STARTS_STATE_BYTES + STARTS_ARENA_BYTES };
static _Alignas(STARTS_ALIGN) unsigned char memory[4][(BYTES / STARTS_ALIGN + 1) * STARTS_ALIGN];

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    struct starts *net = starts_new(), *other = starts_new();
    begins(net, "new");
    starts_step(net, x, 0.1f), starts_step(net, x, 0.1f);
    float sum[3], same[3];
    check(!starts_get(net, "optim.step.0.w.sum", sum, sizeof sum) && sum[0] > 0.25f, "a step", "adds");
    check(!starts_save(net, argv[1]) && !starts_load(other, argv[1]), "a checkpoint", "is saved and loaded");
    check(!starts_get(other, "optim.step.0.w.sum", same, sizeof same) && !memcmp(sum, same, sizeof sum), "a checkpoint",
          "keeps its own");
    check(!starts_save_weights(net, argv[1]) && !starts_load(net, argv[1]), "weights alone", "are saved and loaded");
    begins(net, "weights alone");
    starts_init(other, 2);
    begins(other, "init");
    memset(memory, 0xff, sizeof memory);
    struct starts_memory at = {.param = memory[0], .optim = memory[1], .state = memory[2], .arena = memory[3]};
    struct starts *placed = starts_place(&at);
    check(placed != NULL, "placed", "there is a net");
    if (placed) begins(placed, "placed");
    starts_free(net), starts_free(other), starts_free(placed);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
