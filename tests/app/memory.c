// memory.c: nets that share, parameters that change under them, nets without malloc, parts of files: promises of the
// API over examples/mlp. C and C++.
//     memory FILE          FILE is written and read
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mlp.h"

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED memory: %s\n", what);
}

enum { N = 64, GUARD = 64 };
static float image[N * 784], mine[N * 10], theirs[N * 10];
static int32_t label[N];

static void batch(uint32_t seed) {
    uint32_t state = seed * 2654435761u + 1;
    for (int k = 0; k < N * 784; k++) image[k] = (float)((state = state * 1664525u + 1013904223u) >> 8) / 16777216.0f;
    for (int k = 0; k < N; k++) label[k] = (int32_t)(k * seed % 10);
}

static float steps(struct mlp *net, int count) {
    float loss = 0;
    for (int k = 0; k < count; k++) {
        batch((uint32_t)k + 3);
        mlp_step(net, N, image, label, 0.05f, &loss, NULL);
    }
    return loss;
}

// Do both answer alike?
static int alike(struct mlp *a, struct mlp *b) {
    batch(1);
    memset(mine, 0, sizeof mine), memset(theirs, 0, sizeof theirs);
    return !mlp_forward(a, N, image, mine) && !mlp_forward(b, N, image, theirs) && !memcmp(mine, theirs, sizeof mine);
}

// ---- twins ----------------------------------------------------------------------------------------------------------

struct worker {
    struct mlp *net;
    float logits[N * 10];
    int same;
};

static void *work(void *given) {
    struct worker *worker = (struct worker *)given;
    worker->same = 1;
    for (int k = 0; k < 20; k++) {
        mlp_forward(worker->net, N, image, worker->logits);
        if (memcmp(worker->logits, mine, sizeof mine)) worker->same = 0;
    }
    return NULL;
}

static void twins(void) {
    struct mlp *net = mlp_new(), *twin = mlp_share(net), *third = mlp_share(twin), *other = mlp_new();
    steps(net, 3);
    check(alike(net, twin) && alike(net, third), "twins see what one of them learned");
    check(!alike(net, other), "another net does not");
    float straight = steps(net, 2);
    steps(other, 3);
    struct mlp *late = mlp_share(other);
    check(steps(late, 2) == straight, "a twin goes on with the optimiser's state");
    mlp_init(late, 7);
    check(alike(late, other) && !alike(late, net), "init of a twin is init of what they share");
    mlp_reset(net), mlp_reset(twin);
    check(alike(net, twin), "reset leaves parameters alone");
    mlp_free(late);

    struct worker a = {net, {0}, 0}, b = {twin, {0}, 0};
    pthread_t thread;
    batch(1);
    mlp_forward(net, N, image, mine);
    int started = !pthread_create(&thread, NULL, work, &a);
    work(&b);
    check(started && !pthread_join(thread, NULL) && a.same && b.same, "twins run in two threads");
    mlp_free(third), mlp_free(twin);
    check(alike(net, net), "the net outlives its twins");
    mlp_free(net), mlp_free(other);
}

// ---- parameters that change under twins that run --------------------------------------------------------------------

enum { VERSIONS = 12 };
static float answer[VERSIONS][N * 10];
static time_t stop; // what is lost never comes: the test ends then

struct reader {
    struct mlp *net;
    float logits[N * 10];
    int wrong, seen;
};

// The answer is that of one version as a whole, never of an older one than the last.
static void *read_on(void *given) {
    struct reader *reader = (struct reader *)given;
    for (int version = 0; version < VERSIONS - 1 && time(NULL) < stop;) {
        reader->seen += mlp_adopt(reader->net);
        mlp_forward(reader->net, N, image, reader->logits);
        while (version < VERSIONS && memcmp(reader->logits, answer[version], sizeof answer[version])) version++;
        if (version == VERSIONS) reader->wrong = 1;
    }
    return NULL;
}

static void published(void) {
    struct mlp *net = mlp_new(), *spare = mlp_new(), *trained = mlp_new();
    static struct reader readers[2];
    pthread_t thread[2];
    int started = 1;
    stop = time(NULL) + 300;
    batch(1);
    for (int k = 0; k < VERSIONS; k++) {
        mlp_init(trained, k + 1);
        mlp_forward(trained, N, image, answer[k]);
    }
    for (int k = 0; k < 2; k++) {
        readers[k].net = mlp_share(net);
        started &= !pthread_create(&thread[k], NULL, read_on, &readers[k]);
    }
    for (int k = 1; k < VERSIONS; k++) {
        mlp_init(trained, k + 1);
        int rc;
        while ((rc = mlp_publish(net, spare, trained)) == MLP_EBUSY && time(NULL) < stop) sched_yield();
        check(!rc, "publish");
        mlp_forward(net, N, image, mine); // the publishing thread uses the net
        check(!memcmp(mine, answer[k], sizeof mine), "the net has the newest parameters at once");
    }
    for (int k = 0; k < 2; k++) {
        check(started && !pthread_join(thread[k], NULL) && !readers[k].wrong, "twins answer with whole versions");
        check(readers[k].seen == VERSIONS - 1, "adopt says what is new"); // each waited for each twin
        mlp_free(readers[k].net);
    }
    mlp_free(net), mlp_free(spare), mlp_free(trained);
}

static void copied(void) {
    struct mlp *from = mlp_new(), *to = mlp_new();
    float momentum[10], before[10];
    steps(from, 2), steps(to, 1);
    mlp_get(to, "optim.step.0.fc2.bias.momentum_buffer", before, sizeof before);
    check(!mlp_copy(to, from) && alike(from, to), "a copy answers as the original");
    mlp_get(to, "optim.step.0.fc2.bias.momentum_buffer", momentum, sizeof momentum);
    check(!memcmp(momentum, before, sizeof before), "the optimiser's state stays");
    size_t size = mlp_save_memory(from, NULL, 0), weights = mlp_save_weights_memory(from, NULL, 0);
    unsigned char *bytes = (unsigned char *)malloc(size);
    check(bytes && mlp_save_memory(from, bytes, size) == size && weights < size, "saving into memory");
    check(!mlp_load_memory(to, bytes, size) && steps(to, 2) == steps(from, 2),
          "and loading from there goes on to the bit");
    check(mlp_save_weights_memory(from, bytes, size) == weights && !mlp_load_memory(to, bytes, weights) &&
              alike(from, to),
          "weights alone");
    free(bytes);
    mlp_free(from), mlp_free(to);
}

// NULL where a net, a name, a buffer or a file belongs.
static void missing(void) {
    struct mlp *net = mlp_new();
    float bias[10];
    mlp_free(NULL), mlp_init(NULL, 1), mlp_reset(NULL), mlp_seed(NULL, 1), mlp_prepare(NULL);
    check(!mlp_share(NULL) && !mlp_place(NULL) && *mlp_error(NULL) && !mlp_adopt(NULL), "no net");
    check(mlp_get(NULL, "fc2.bias", bias, 40) == MLP_ENULL && mlp_set(net, "fc2.bias", NULL, 40) == MLP_ENULL &&
              mlp_get(net, NULL, bias, 40) == MLP_ENULL && mlp_get_grad(NULL, NULL, NULL, 0) == MLP_ENULL,
          "no data");
    check(mlp_load(net, NULL) == MLP_ENULL && mlp_save(net, NULL) == MLP_ENULL &&
              mlp_save_weights(NULL, "x") == MLP_ENULL && mlp_load_some(NULL, NULL, NULL, NULL) == -MLP_ENULL &&
              mlp_load_memory(net, NULL, 9) == MLP_ENULL &&
              mlp_load_some_memory(net, NULL, 9, NULL, NULL) == -MLP_ENULL,
          "no file");
    check(mlp_copy(net, NULL) == MLP_ENULL && mlp_publish(net, NULL, net) == MLP_ENULL &&
              !mlp_save_memory(NULL, NULL, 0) && !mlp_save_weights_memory(NULL, bias, 40),
          "nothing to copy");
    check(mlp_get(net, "fc2.bias", bias, SIZE_MAX) == MLP_ESIZE, "a size that no buffer has");
    mlp_free(net);
}

// ---- memory of the application -------------------------------------------------------------------------------------

// One region between guards.
#define REGION(name, bytes)                                                                                            \
    static union {                                                                                                     \
        unsigned char at[(bytes) + 3 * GUARD + MLP_ALIGN];                                                             \
        double align;                                                                                                  \
    } name
REGION(param, MLP_PARAM_BYTES);
REGION(optim, MLP_OPTIM_BYTES);
REGION(state, MLP_STATE_BYTES);
REGION(arena, MLP_ARENA_BYTES);

static unsigned char *aligned(unsigned char *at) {
    at += GUARD;
    return at + (MLP_ALIGN - (uintptr_t)at % MLP_ALIGN) % MLP_ALIGN;
}

static void guards(unsigned char *at, size_t bytes) {
    memset(at - GUARD, 0xa5, bytes + 2 * GUARD); // the inside too: placing must not count on zeros
}

static int unharmed(const unsigned char *at, size_t bytes) {
    for (int k = 0; k < GUARD; k++)
        if (at[-1 - k] != 0xa5 || at[bytes + (size_t)k] != 0xa5) return 0;
    return 1;
}

static void placed(void) {
    unsigned char *at[] = {aligned(param.at), aligned(optim.at), aligned(state.at), aligned(arena.at)};
    const size_t bytes[] = {MLP_PARAM_BYTES, MLP_OPTIM_BYTES, MLP_STATE_BYTES, MLP_ARENA_BYTES};
    for (int r = 0; r < 4; r++) guards(at[r], bytes[r]);
    struct mlp_memory memory = {at[0], at[1], at[2], at[3], bytes[0], bytes[1], bytes[2], bytes[3]};
    void **pointer[] = {&memory.param, &memory.optim, &memory.state, &memory.arena};
    size_t *size[] = {&memory.param_bytes, &memory.optim_bytes, &memory.state_bytes, &memory.arena_bytes};
    for (int r = 0; r < 4; r++) {
        *pointer[r] = NULL;
        check(!mlp_place(&memory), "a region that is missing");
        *pointer[r] = at[r] + 4;
        check(!mlp_place(&memory), "a region that is misaligned");
        *pointer[r] = at[r], *size[r] = bytes[r] - 1;
        check(!mlp_place(&memory), "a region that is too small");
        *size[r] = r % 2 ? 0 : bytes[r]; // 0: not said
    }
    struct mlp *net = mlp_place(&memory), *fresh = mlp_new();
    check(net && alike(net, fresh), "a placed net begins as a new one");
    check(steps(net, 4) == steps(fresh, 4) && alike(net, fresh), "and learns as one");
    check(mlp_set(net, "fc9.bias", image, 4) == MLP_ENAME && !strcmp(mlp_error(net), "mlp has no parameter fc9.bias"),
          "and has errors");
    struct mlp *twin = mlp_share(net), *spare = mlp_new();
    check(alike(net, twin), "and has twins");
    steps(fresh, 1);
    check(!mlp_publish(net, spare, fresh) && !alike(twin, fresh) && mlp_adopt(twin) && alike(twin, fresh),
          "and publishes");
    check(!mlp_publish(net, spare, fresh), "back into its own memory");
    mlp_free(twin);
    mlp_free(net), mlp_free(spare);
    check(alike(net, fresh), "free leaves memory of the application alone");
    for (int r = 0; r < 4; r++) check(unharmed(at[r], bytes[r]), "bytes outside the regions");
    mlp_free(fresh);
}

// ---- parts of a file -----------------------------------------------------------------------------------------------

static void parts(const char *file) {
    struct mlp *from = mlp_new(), *to = mlp_new();
    static float want[256], got[256], other[256 * 784], before[256 * 784];
    steps(from, 2);
    check(!mlp_save(from, file), mlp_error(from));
    mlp_init(to, 4);
    mlp_get(to, "fc1.weight", before, sizeof before);
    check(mlp_load_some(to, file, "fc2", "") == 2, mlp_error(to));
    mlp_get(from, "fc2.bias", want, 40), mlp_get(to, "fc2.bias", got, 40);
    mlp_get(to, "fc1.weight", other, sizeof other);
    check(!memcmp(want, got, 40) && !memcmp(before, other, sizeof other), "the part, and nothing but it");
    mlp_get(to, "optim.step.0.fc2.bias.momentum_buffer", got, 40);
    check(got[0] == 0 && got[9] == 0, "no optimiser state");
    check(mlp_load_some(to, file, "", NULL) == 4 && alike(from, to), "all parameters");
    check(mlp_load_some(to, file, "fc3", "") == -MLP_EMISMATCH &&
              strstr(mlp_error(to), " has no parameter of mlp under \"fc3\""),
          "a part without any");
    check(mlp_load_some(to, "no/such/file", "", "") == -MLP_EIO &&
              strstr(mlp_error(to), "cannot open no/such/file: No such file"),
          "no file");
    check(mlp_load_some_memory(to, "short", 5, "", "") == -MLP_EFORMAT, "no .safetensors");
    mlp_free(from), mlp_free(to);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    twins();
    published();
    copied();
    missing();
    placed();
    parts(argv[1]);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
