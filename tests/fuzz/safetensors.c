// safetensors.c: any bytes as a .safetensors file in memory. What is refused leaves the net as it was; what is taken is
// the same when it is saved and loaded again.
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "dlc.h"

// Parameters, a buffer and the optimiser's state, in the dtypes that a model can have.
static const struct dlc_slot slots[] = {
    {{"fc1.weight", "f32", "param", 2, {3, 4}, 48}, DLC_REGION_PARAM, 0},
    {{"fc1.bias", "f32", "param", 1, {3}, 12}, DLC_REGION_PARAM, 64},
    {{"stats.mean", "f32", "buffer", 1, {3}, 12}, DLC_REGION_PARAM, 128},
    {{"stats.num_batches_tracked", "i64", "buffer", 0, {0}, 8}, DLC_REGION_PARAM, 192},
    {{"optim.step.0.t", "i64", "optim", 0, {0}, 8}, DLC_REGION_OPTIM, 0},
    {{"optim.step.0.fc1.weight.momentum_buffer", "f32", "optim", 2, {3, 4}, 48}, DLC_REGION_OPTIM, 64},
    {{"kinds.count", "i32", "state", 1, {5}, 20}, DLC_REGION_STATE, 0},
    {{"kinds.pixel", "u8", "state", 1, {3}, 3}, DLC_REGION_STATE, 64},
    {{"kinds.mask", "bool", "state", 1, {3}, 3}, DLC_REGION_STATE, 128},
};
enum { SLOTS = sizeof slots / sizeof *slots, WEIGHTS = 4 };
static const struct dlc_model model = {"net", slots, SLOTS, {200, 112, 131, 0}, 64, NULL, NULL, NULL, 0, 0};
static const struct dlc_model inference = {"net", slots, WEIGHTS, {200, 0, 0, 0}, 64, NULL, NULL, NULL, 0, 0};

// All slots of a net, one after the other, but not what pads them.
static size_t bytes_of(const struct dlc_net *net, unsigned char *to) {
    size_t at = 0;
    for (int k = 0; k < net->model->nslots; k++) {
        const struct dlc_slot *slot = &net->model->slots[k];
        memcpy(to + at, net->region[slot->region] + slot->offset, slot->info.bytes);
        at += slot->info.bytes;
    }
    return at;
}

// What a net that took a file saves is taken by another one, which is the same then. A net without optimiser saves
// weights.
static void check_round_trip(const struct dlc_net *net) {
    static unsigned char file[4096], was[512], is[512];
    bool all = net->model->nslots == SLOTS;
    size_t size = all ? dlc_save_memory(net, file, sizeof file) : dlc_save_weights_memory(net, file, sizeof file);
    struct dlc_net *other = dlc_new(net->model, sizeof *other);
    if (!other) exit(3);
    if (!size || size > sizeof file || dlc_load_memory(other, file, size)) abort();
    size_t bytes = bytes_of(net, was);
    bytes_of(other, is);
    if (memcmp(was, is, bytes)) abort();
    dlc_free(other);
}

static void check_net(const struct dlc_model *of, const uint8_t *data, size_t size) {
    static const char *const parts[][2] = {{NULL, NULL}, {"fc1", ""}, {"", "module"}, {"fc1", "fc1"}};
    unsigned char before[512], after[512];
    struct dlc_net *net = dlc_new(of, sizeof *net);
    if (!net) exit(3);
    size_t bytes = bytes_of(net, before);
    int status = dlc_load_memory(net, data, size);
    bytes_of(net, after);
    if (status && memcmp(before, after, bytes)) abort(); // refused, but changed
    if (status && !*dlc_error(net)) abort();             // refused without a word
    if (!status) check_round_trip(net);
    for (size_t k = 0; k < sizeof parts / sizeof *parts; k++) {
        bytes_of(net, before);
        int got = dlc_load_some_memory(net, data, size, parts[k][0], parts[k][1]);
        bytes_of(net, after);
        if (got < 0 && memcmp(before, after, bytes)) abort();
        if (got == 0 || got > SLOTS) abort();
    }
    dlc_free(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    check_net(&model, data, size);
    check_net(&inference, data, size);
    return 0;
}
