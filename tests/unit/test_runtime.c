// test_runtime.c: memory, parameters by name, .safetensors in and out, and the files that must be refused:
// bad headers are rows of a table, and every refusal leaves the net's bytes as they were.
// Golden files are the Python library's own (tests/oracle/safetensors_check.py).
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dlc.h"
#include "dlc_math.h"

#define GOLDEN "tests/golden/safetensors/"

// ---- a model by hand: fc1.weight (3, 4), fc1.bias (3), a buffer, the optimiser's, states of the other dtypes --------

struct net {
    struct dlc_net base;
    int more[3];
};

static void draw(unsigned char *const region[DLC_REGIONS], int64_t seed) {
    for (int i = 0; i < 12; i++) ((float *)(void *)region[DLC_REGION_PARAM])[i] = dlc_uniform(seed, 0, 0, i);
}

// The first element of the momentum begins at 0.5.
static void start(unsigned char *const region[DLC_REGIONS]) { ((float *)(void *)region[DLC_REGION_OPTIM])[16] = 0.5F; }

static const struct dlc_slot slots[] = {
    {{"fc1.weight", "f32", "param", 2, {3, 4}, 48}, DLC_REGION_PARAM, 0},
    {{"fc1.bias", "f32", "param", 1, {3}, 12}, DLC_REGION_PARAM, 64},
    {{"stats.mean", "f32", "buffer", 1, {3}, 12}, DLC_REGION_PARAM, 128},
    {{"optim.step.0.t", "i64", "optim", 0, {0}, 8}, DLC_REGION_OPTIM, 0},
    {{"optim.step.0.fc1.weight.momentum_buffer", "f32", "optim", 2, {3, 4}, 48}, DLC_REGION_OPTIM, 64},
    {{"kinds.count", "i32", "state", 1, {5}, 20}, DLC_REGION_STATE, 0},
    {{"kinds.pixel", "u8", "state", 1, {3}, 3}, DLC_REGION_STATE, 64},
    {{"kinds.mask", "bool", "state", 1, {3}, 3}, DLC_REGION_STATE, 128},
};
static const struct dlc_model model = {"toy", slots, 8, {140, 112, 131, 1000}, 64, start, draw, NULL, 0, 0};
static const struct dlc_model inference = {"toy", slots, 3, {140, 0, 0, 0}, 64, NULL, NULL, NULL, 0, 0};

static struct dlc_net *net_new(void) {
    struct dlc_net *net = dlc_new(&model, sizeof(struct net));
    cr_assert(net);
    return net;
}

// Element i of every float tensor is i / 4 - 1, of every other i, of a mask i % 2; a scalar is 3.
static void set_ramp(struct dlc_net *net, const struct dlc_param *info) {
    unsigned char bytes[64];
    for (int i = 0; i < 12; i++) {
        float f = (float)i / 4 - 1;
        int32_t n = i;
        if (!strcmp(info->dtype, "f32")) memcpy(bytes + 4 * i, &f, 4);
        if (!strcmp(info->dtype, "i32")) memcpy(bytes + 4 * i, &n, 4);
        if (!strcmp(info->dtype, "u8")) bytes[i] = (unsigned char)i;
        if (!strcmp(info->dtype, "bool")) bytes[i] = i % 2;
    }
    int64_t three = 3;
    if (info->rank == 0) memcpy(bytes, &three, 8);
    cr_assert(dlc_set(net, info->name, bytes, info->bytes) == DLC_OK);
}

static struct dlc_net *net_ramp(int nslots) {
    struct dlc_net *net = net_new();
    memset(net->region[DLC_REGION_PARAM], 0, model.bytes[DLC_REGION_PARAM]);
    for (int i = 0; i < nslots; i++) set_ramp(net, dlc_param_info(&model, i));
    return net;
}

static bool same_bytes(const struct dlc_net *a, const struct dlc_net *b) {
    for (int i = 0; i < model.nslots; i++) {
        const struct dlc_slot *s = &slots[i];
        if (memcmp(a->region[s->region] + s->offset, b->region[s->region] + s->offset, s->info.bytes)) return false;
    }
    return true;
}

Test(runtime, memory) {
    struct dlc_net *net = net_new();
    for (int r = 0; r < DLC_REGIONS; r++) {
        cr_expect((uintptr_t)net->region[r] % 64 == 0, "region %d is not aligned", r);
        memset(net->region[r], 0xff, model.bytes[r]); // under AddressSanitizer: is it ours?
    }
    for (int r = 0; r + 1 < DLC_REGIONS; r++) cr_expect(net->region[r] + model.bytes[r] <= net->region[r + 1]);
    cr_expect((unsigned char *)net + sizeof(struct net) <= net->region[0]);
    cr_expect_str_eq(dlc_error(net), "");
    dlc_init(net, 1);
    struct dlc_net *other = net_new();
    cr_expect(same_bytes(net, other), "init from seed 1 is not what new gives");
    dlc_init(other, 2);
    cr_expect(!same_bytes(net, other), "another seed gives other parameters");
    dlc_free(net), dlc_free(other), dlc_free(NULL);
    struct dlc_model huge = model;
    huge.bytes[1] = SIZE_MAX - 100;
    cr_expect(dlc_new(&huge, sizeof(struct net)) == NULL, "sizes that overflow");
    huge.bytes[1] = SIZE_MAX / 2, huge.bytes[2] = SIZE_MAX / 2;
    cr_expect(dlc_new(&huge, sizeof(struct net)) == NULL, "sizes that overflow together");
}

Test(runtime, twins) {
    struct dlc_net *net = net_ramp(8), *twin = dlc_share(net, sizeof(struct net));
    cr_assert(twin);
    for (int r = 0; r < DLC_REGIONS; r++) {
        bool shared = r == DLC_REGION_PARAM || r == DLC_REGION_OPTIM;
        cr_expect((net->region[r] == twin->region[r]) == shared, "region %d", r);
        if (!shared) memset(twin->region[r], 0xff, model.bytes[r]); // under AddressSanitizer: is it ours?
    }
    int32_t count[5];
    cr_expect(dlc_get(net, "kinds.count", count, sizeof count) == DLC_OK && count[4] == 4, "the state is its own");
    dlc_reset(twin);
    cr_expect(dlc_get(twin, "kinds.count", count, sizeof count) == DLC_OK && count[4] == 0, "reset zeroes state");
    cr_expect(dlc_get(net, "kinds.count", count, sizeof count) == DLC_OK && count[4] == 4, "of one net only");
    int64_t t;
    cr_expect(dlc_get(twin, "optim.step.0.t", &t, sizeof t) == DLC_OK && t == 3, "reset is for state");
    dlc_free(twin), dlc_free(net);
}

Test(runtime, placed) {
    static _Alignas(64) unsigned char param[192], optim[128], state[DLC_NET_BYTES + 192], arena[1024];
    void *at[DLC_REGIONS] = {param, optim, state, arena};
    size_t bytes[DLC_REGIONS] = {140, 112, DLC_NET_BYTES + 131, 1000};
    cr_expect(DLC_NET_BYTES % 64 == 0 && sizeof(struct net) <= DLC_NET_BYTES);
    memset(state, 0xff, sizeof state);
    struct dlc_net *net = dlc_place(&model, at, bytes), *fresh = net_new();
    cr_assert(net);
    cr_expect((unsigned char *)net == state && same_bytes(net, fresh) && !*dlc_error(net));
    for (int r = 0; r < DLC_REGIONS; r++) {
        bytes[r]--;
        cr_expect(!dlc_place(&model, at, bytes), "region %d is a byte short", r);
        bytes[r] = 0;
        cr_expect(dlc_place(&model, at, bytes) != NULL, "no size of region %d: not checked", r);
        at[r] = (unsigned char *)at[r] + 1;
        cr_expect(!dlc_place(&model, at, bytes), "region %d is misaligned", r);
        void *there = (unsigned char *)at[r] - 1;
        at[r] = NULL;
        cr_expect(!dlc_place(&model, at, bytes), "region %d is missing", r);
        at[r] = there;
    }
    at[DLC_REGION_OPTIM] = at[DLC_REGION_ARENA] = NULL;
    net = dlc_place(&inference, at, bytes);
    cr_expect(net != NULL, "regions that are not needed");
    dlc_reset(net), dlc_init(net, 2), dlc_free(net), dlc_free(fresh);
}

// What does not begin as zeros: in a new and a placed net, after init, after a file without optimiser state; and a file
// with one keeps its own.
Test(runtime, optimiser_state_begins_anew) {
    static const char name[] = "optim.step.0.fc1.weight.momentum_buffer";
    char path[4096];
    snprintf(path, sizeof path, "%s/tests/begins.safetensors", getenv("BUILD") ? getenv("BUILD") : "build");
    static _Alignas(64) unsigned char memory[DLC_REGIONS][DLC_NET_BYTES + 192];
    void *at[DLC_REGIONS] = {memory[0], memory[1], memory[2], memory[3]};
    const size_t bytes[DLC_REGIONS] = {0};
    struct dlc_net *net = net_new(), *placed = dlc_place(&model, at, bytes);
    float want[12] = {0.5F}, got[12], ones[12];
    for (int i = 0; i < 12; i++) ones[i] = 1;
    cr_assert(net && placed);
    cr_expect(dlc_get(placed, name, got, sizeof got) == DLC_OK && !memcmp(got, want, sizeof got), "placed");
    cr_expect(dlc_get(net, name, got, sizeof got) == DLC_OK && !memcmp(got, want, sizeof got), "new");
    cr_expect(dlc_set(net, name, ones, sizeof ones) == DLC_OK && dlc_save(net, path) == DLC_OK);
    dlc_init(net, 3);
    cr_expect(dlc_get(net, name, got, sizeof got) == DLC_OK && !memcmp(got, want, sizeof got), "init");
    cr_expect(dlc_load(net, path) == DLC_OK && dlc_get(net, name, got, sizeof got) == DLC_OK);
    cr_expect(!memcmp(got, ones, sizeof got), "a checkpoint has its own");
    cr_expect(dlc_save_weights(net, path) == DLC_OK && dlc_load(net, path) == DLC_OK);
    cr_expect(dlc_get(net, name, got, sizeof got) == DLC_OK && !memcmp(got, want, sizeof got), "weights alone");
    dlc_free(net);
}

Test(runtime, parameters_by_name) {
    struct dlc_net *net = net_ramp(8);
    float bias[3];
    cr_expect(dlc_param_count(&model) == 8);
    cr_expect(dlc_param_info(&model, -1) == NULL && dlc_param_info(&model, 8) == NULL);
    cr_expect_str_eq(dlc_param_info(&model, 3)->name, "optim.step.0.t");
    cr_expect(dlc_get(net, "fc1.bias", bias, 12) == DLC_OK && bias[0] == -1 && bias[2] == -0.5f);
    cr_expect(dlc_get(net, "fc1.bias", bias, 16) == DLC_ESIZE);
    cr_expect_str_eq(dlc_error(net), "fc1.bias has 12 bytes, not 16");
    cr_expect(dlc_set(net, "fc2.bias", bias, 12) == DLC_ENAME);
    cr_expect_str_eq(dlc_error(net), "toy has no parameter fc2.bias");
    dlc_free(net);
}

// Every function with NULL for each of its pointers, and with sizes that no buffer has.
Test(runtime, arguments_that_are_not_there) {
    struct dlc_net *net = net_ramp(8), *before = net_ramp(8), *other = net_new();
    float bias[3] = {5, 5, 5};
    dlc_free(NULL), dlc_init(NULL, 1), dlc_reset(NULL), dlc_seed(NULL, 1), dlc_prepare(NULL), dlc_stale(NULL);
    cr_expect(!dlc_share(NULL, sizeof(struct net)) && !dlc_adopt(NULL));
    cr_expect_str_eq(dlc_error(NULL), "there is no net: NULL, as without memory");
    cr_expect(dlc_get(NULL, "fc1.bias", bias, 12) == DLC_ENULL && dlc_set(NULL, "fc1.bias", bias, 12) == DLC_ENULL);
    cr_expect(dlc_get_grad(NULL, "fc1.bias", bias, 12) == DLC_ENULL);
    cr_expect(dlc_load(NULL, "x") == DLC_ENULL && dlc_load_some(NULL, "x", "", "") == -DLC_ENULL);
    cr_expect(dlc_load_memory(NULL, bias, 12) == DLC_ENULL &&
              dlc_load_some_memory(NULL, bias, 12, "", "") == -DLC_ENULL);
    cr_expect(dlc_save(NULL, "x") == DLC_ENULL && dlc_save_weights(NULL, "x") == DLC_ENULL);
    cr_expect(dlc_copy(NULL, net) == DLC_ENULL && dlc_publish(NULL, other, net) == DLC_ENULL);
#define EXPECT_NULL(call, message)                                                                                     \
    cr_expect((call) == DLC_ENULL && !strcmp(dlc_error(net), message), "%s: %s", #call, dlc_error(net))
    EXPECT_NULL(dlc_get(net, NULL, bias, 12), "the name is NULL");
    EXPECT_NULL(dlc_get(net, "fc1.bias", NULL, 12), "the data is NULL");
    EXPECT_NULL(dlc_set(net, NULL, bias, 12), "the name is NULL");
    EXPECT_NULL(dlc_set(net, "fc1.bias", NULL, 12), "the data is NULL");
    EXPECT_NULL(dlc_get_grad(net, NULL, bias, 12), "the name is NULL");
    EXPECT_NULL(dlc_load(net, NULL), "the path is NULL");
    EXPECT_NULL(-dlc_load_some(net, NULL, NULL, NULL), "the path is NULL");
    EXPECT_NULL(dlc_load_memory(net, NULL, 100), "the data is NULL");
    EXPECT_NULL(dlc_load_memory(net, NULL, 0), "the data is NULL");
    EXPECT_NULL(-dlc_load_some_memory(net, NULL, 100, NULL, NULL), "the data is NULL");
    EXPECT_NULL(dlc_save(net, NULL), "the path is NULL");
    EXPECT_NULL(dlc_save_weights(net, NULL), "the path is NULL");
    EXPECT_NULL(dlc_save_state(net, NULL), "the path is NULL");
    EXPECT_NULL(dlc_load_state(net, NULL), "the path is NULL");
    EXPECT_NULL(dlc_load_state_memory(net, NULL, 100), "the data is NULL");
    EXPECT_NULL(dlc_copy(net, NULL), "the net to copy from is NULL");
    EXPECT_NULL(dlc_publish(net, other, NULL), "the net to copy from is NULL");
    EXPECT_NULL(dlc_publish(net, NULL, other), "the spare net is NULL");
    cr_expect(dlc_get(net, "fc1.bias", bias, SIZE_MAX) == DLC_ESIZE && bias[0] == 5);
    cr_expect_str_eq(dlc_error(net), "fc1.bias has 12 bytes, not 9223372036854775807");
    cr_expect(dlc_set(net, "fc1.bias", bias, SIZE_MAX) == DLC_ESIZE && dlc_set(net, "fc1.bias", bias, 0) == DLC_ESIZE);
    cr_expect(same_bytes(net, before), "something was written");
    dlc_free(net), dlc_free(before), dlc_free(other);
}

// ---- parameters that are copied, and that change under twins
// ----------------------------------------------------------

// The first parameter of a net.
static float first_of(struct dlc_net *net) {
    float weight[12];
    cr_assert(!dlc_get(net, "fc1.weight", weight, sizeof weight));
    return weight[0];
}

static void set_first(struct dlc_net *net, float value) {
    float weight[12] = {value};
    cr_assert(!dlc_set(net, "fc1.weight", weight, sizeof weight));
}

// Parameters and buffers, and nothing else.
Test(runtime, copies) {
    struct dlc_net *from = net_ramp(8), *to = net_ramp(8), *kept = net_ramp(8);
    memset(from->region[DLC_REGION_OPTIM], 1, 112), memset(from->region[DLC_REGION_STATE], 1, 131);
    set_first(from, 7);
    cr_expect(dlc_copy(to, from) == DLC_OK && first_of(to) == 7);
    set_first(kept, 7);
    cr_expect(same_bytes(to, kept), "something else was copied");
    struct dlc_net *twin = dlc_share(to, sizeof(struct net));
    cr_expect(dlc_copy(to, twin) == DLC_OK && same_bytes(to, kept), "a twin has nothing else");
    dlc_free(twin), dlc_free(from), dlc_free(to), dlc_free(kept);
}

Test(runtime, publishes) {
    struct dlc_net *net = net_ramp(8), *spare = net_ramp(8), *trained = net_ramp(8);
    struct dlc_net *a = dlc_share(net, sizeof(struct net)), *b = dlc_share(a, sizeof(struct net));
    cr_expect(!dlc_adopt(a) && !dlc_adopt(net), "there is nothing new");
    set_first(trained, 1);
    cr_expect(dlc_publish(net, spare, trained) == DLC_OK, "%s", dlc_error(net));
    cr_expect(first_of(net) == 1 && first_of(spare) == -1 && first_of(a) == -1 && first_of(b) == -1);
    struct dlc_net *late = dlc_share(b, sizeof(struct net));
    cr_expect(first_of(late) == 1 && !dlc_adopt(late), "a new twin has the newest");
    set_first(trained, 2);
    cr_expect(dlc_publish(net, spare, trained) == DLC_EBUSY && first_of(net) == 1 && first_of(a) == -1);
    cr_expect_str_eq(dlc_error(net), "a twin has not adopted the parameters that were published last");
    cr_expect(dlc_adopt(a) == 1 && first_of(a) == 1 && !dlc_adopt(a));
    cr_expect(dlc_publish(net, spare, trained) == DLC_EBUSY, "b reads them still");
    dlc_free(b);
    cr_expect(dlc_publish(net, spare, trained) == DLC_OK && first_of(net) == 2 && first_of(a) == 1, "%s",
              dlc_error(net));
    cr_expect(dlc_adopt(late) == 1 && first_of(late) == 2 && dlc_adopt(a) == 1 && first_of(a) == 2);
    for (int k = 3; k < 40; k++) {
        set_first(trained, (float)k);
        cr_expect(dlc_publish(net, spare, trained) == DLC_OK && dlc_adopt(a) && dlc_adopt(late));
        cr_expect(first_of(a) == (float)k && first_of(late) == (float)k && first_of(net) == (float)k &&
                  first_of(spare) == (float)k - 1);
    }
    int64_t t;
    cr_expect(dlc_get(a, "optim.step.0.t", &t, 8) == DLC_OK && t == 3, "the optimiser's state stays");
    // Nets that cannot be meant.
    cr_expect(dlc_publish(a, spare, trained) == DLC_EINVAL && strstr(dlc_error(a), "net is a twin"));
    cr_expect(dlc_publish(net, spare, net) == DLC_EINVAL && strstr(dlc_error(net), "in two places"));
    cr_expect(dlc_publish(net, spare, a) == DLC_EINVAL);
    cr_expect(dlc_publish(net, a, trained) == DLC_EINVAL && dlc_publish(net, net, trained) == DLC_EINVAL);
    cr_expect(dlc_publish(net, trained, trained) == DLC_EINVAL && dlc_publish(trained, net, spare) == DLC_EINVAL);
    dlc_free(a), dlc_free(late), dlc_free(trained), dlc_free(spare), dlc_free(net);
}

// ---- loading ------------------------------------------------------------------------------------------------------

Test(runtime, files_of_the_python_library) {
    static const char *const files[] = {GOLDEN "f32.safetensors", GOLDEN "f16.safetensors", GOLDEN "bf16.safetensors",
                                        GOLDEN "f64.safetensors", GOLDEN "full.safetensors"};
    for (int i = 0; i < 5; i++) {
        struct dlc_net *want = net_ramp(i == 4 ? 8 : 3), *net = net_ramp(8);
        for (int r = 0; r < 3; r++) memset(net->region[r], 0x55, model.bytes[r]);
        // Without optimiser state it is reset; weights leave the state.
        if (i < 4) memset(want->region[DLC_REGION_STATE], 0x55, model.bytes[DLC_REGION_STATE]);
        cr_expect(dlc_load(net, files[i]) == DLC_OK, "%s: %s", files[i], dlc_error(net));
        cr_expect(same_bytes(net, want), "%s: other numbers", files[i]);
        dlc_free(net), dlc_free(want);
    }
    struct dlc_net *net = dlc_new(&inference, sizeof(struct net)), *want = net_ramp(3);
    cr_expect(dlc_load(net, GOLDEN "full.safetensors") == DLC_EMISMATCH, "states that the model does not know");
    cr_expect_str_eq(dlc_error(net), GOLDEN "full.safetensors does not fit toy:\n  kinds.count is not in the model\n"
                                            "  kinds.mask is not in the model\n  kinds.pixel is not in the model");
    dlc_free(net), dlc_free(want);
}

typedef struct Bytes {
    unsigned char at[1 << 16];
    size_t len;
} Bytes;

static Bytes file_of(const char *header, size_t data) {
    Bytes b = {.len = 8 + strlen(header) + data};
    for (int i = 0; i < 8; i++) b.at[i] = (unsigned char)((uint64_t)strlen(header) >> 8 * i);
    memcpy(b.at + 8, header, strlen(header));
    return b;
}

// Loads and checks that a refusal changes nothing.
static int load(const Bytes *b, char *error) {
    struct dlc_net *net = net_ramp(8), *before = net_ramp(8);
    unsigned char *exact = malloc(b->len ? b->len : 1); // so that AddressSanitizer sees every byte beyond
    memcpy(exact, b->at, b->len);
    int status = dlc_load_memory(net, exact, b->len);
    cr_expect(status == DLC_OK || same_bytes(net, before), "refused, but the net changed: %s", dlc_error(net));
    cr_expect((status == DLC_OK) == !*dlc_error(net));
    strcpy(error, dlc_error(net));
    free(exact);
    dlc_free(net), dlc_free(before);
    return status;
}

#define WEIGHT                   "\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]}"
#define BIAS                     "\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[48,60]}"
#define MEAN                     "\"stats.mean\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[60,72]}"
#define X(dtype, shape, offsets) "{\"x\":{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}}"

Test(runtime, headers_that_load) {
    static const char *const headers[] = {
        "{" WEIGHT "," BIAS "," MEAN "}",
        "{" MEAN "," WEIGHT "," BIAS "}      ",
        " \n\t{ " BIAS " , " MEAN "\r\n,\n" WEIGHT " } ",
        "{\"__metadata__\":{}," WEIGHT "," BIAS "," MEAN "}",
        "{" WEIGHT ",\"__metadata__\":{\"format\":\"pt\",\"a\\\"\\u00e9\\ud83d\\ude00\":\"\\n\\/{}[]\"}," BIAS "," MEAN
        "}",
        "{\"\\u0066c1.weight\":{\"shape\":[ 3 , 4 ],\"data_offsets\":[0,48], \"dtype\":\"\\u00463\\u0032\"}," BIAS
        "," MEAN "}",
        "{" WEIGHT "," BIAS "," MEAN ",\"empty.n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[72,80]}}",
    };
    char error[DLC_ERROR_BYTES];
    for (int i = 0; i < 7; i++) {
        Bytes b = file_of(headers[i], i == 6 ? 80 : 72);
        cr_expect(load(&b, error) == DLC_OK, "%s: %s", headers[i], error);
    }
}

// A net that was compiled for inference takes the weights of a training checkpoint; one that trains wants all of it.
Test(runtime, checkpoint_for_inference) {
    Bytes b = file_of("{" WEIGHT "," BIAS "," MEAN
                      ",\"optim.step.0.t\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[72,80]},"
                      "\"optim.step.0.fc1.weight.m\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[80,84]}}",
                      84);
    char error[DLC_ERROR_BYTES];
    struct dlc_net *net = dlc_new(&inference, sizeof(struct net));
    cr_expect(dlc_load_memory(net, b.at, b.len) == DLC_OK, "%s", dlc_error(net));
    cr_expect(load(&b, error) == DLC_EMISMATCH);
    dlc_free(net);
}

// Parts of a file by path: whole components, with and without the dot; what does not fit changes nothing.
Test(runtime, parts_of_files) {
    static const char header[] = "{\"net.fc1.weight\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]},"
                                 "\"net.fc1.bias\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[48,60]},"
                                 "\"fc1.bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[60,76]},"
                                 "\"network.stats.mean\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[76,88]},"
                                 "\"optim.step.0.t\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[88,96]}}";
    static const struct {
        const char *only, *strip;
        int want;
        const char *error;
    } cases[] = {
        {"", "net", 2, ""},
        {NULL, "net.", 2, ""},
        {"net.fc1.weight", "net", 1, ""},
        {"net.fc1.weight", "net.fc1.weight", 0,
         "the data has no parameter of toy under \"net.fc1.weight\", less \"net.fc1.weight\""},
        {"net.fc1", "net", 2, ""},
        {"network", "network", 1, ""},
        {"n", "", 0, "the data has no parameter of toy under \"n\", less \"\""},
        {"net", "", 0, "the data has no parameter of toy under \"net\", less \"\""},
        {"optim", NULL, 0, "the data has no parameter of toy under \"optim\", less \"\""},
        {"", "", -1, "the data does not fit toy:\n  fc1.bias is F32[4] in the file, f32[3] in the model"},
    };
    Bytes b = file_of(header, 96);
    float bias[3];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct dlc_net *net = net_ramp(8), *before = net_ramp(8);
        int got = dlc_load_some_memory(net, b.at, b.len, cases[i].only, cases[i].strip);
        cr_expect(got == (cases[i].want > 0 ? cases[i].want : -DLC_EMISMATCH), "case %zu: %d", i, got);
        cr_expect_str_eq(dlc_error(net), cases[i].error);
        cr_expect((cases[i].want > 0) != same_bytes(net, before), "case %zu", i);
        if (cases[i].want == 2) {
            cr_expect(!dlc_get(net, "fc1.bias", bias, 12) && bias[0] == 0, "case %zu", i);
            cr_expect(!dlc_get(net, "stats.mean", bias, 12) && bias[0] == -1, "case %zu: not in it, so as before", i);
        }
        dlc_free(net), dlc_free(before);
    }
}

Test(runtime, headers_that_lie) {
    static const struct {
        const char *header;
        size_t data;
        const char *error; // a part of the message
    } rows[] = {
        {"", 0, "{ expected at byte 8"},
        {"[]", 0, "{ expected"},
        {"{", 0, "a string expected"},
        {"{}", 4, "data that belongs to no tensor"},
        {"{} x", 0, "text after the last }"},
        {"{}{}", 0, "text after the last }"},
        {"{,}", 0, "a string expected"},
        {"{\"x\"}", 0, ": expected"},
        {"{\"x\":[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]}", 0, "a string expected"},
        {"{\"x\":1}", 0, "{ expected"},
        {"{\"x\":{}}", 0, "a string expected"},
        {"{\"x\":{\"dtype\":\"F32\"}}", 0, "a tensor without dtype, shape or data_offsets"},
        {"{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0, "a key that stands twice"},
        {"{\"x\":{\"type\":\"F32\"}}", 0, "a tensor without dtype, shape or data_offsets"},
        {"{\"x\":{\"type\":F32}}", 0, "a value expected"},
        {"{\"x\":{\"type\":[1,]}}", 0, "a value expected"},
        {"{\"x\":{\"type\":[1}", 0, "a comma or the end of a list or object expected"},
        {"{\"\xff\":1}", 0, "bytes that are no UTF-8 at byte 10"},
        {"{\"x", 0, "an unterminated string"},
        {"{\"x\\", 0, "an unterminated string"},
        {"{\"x\n\"", 0, "a control character in a string"},
        {"{\"\\x\"", 0, "an unknown escape"},
        {"{\"\\u12", 0, "a bad \\u escape"},
        {"{\"\\u12g4\"", 0, "a bad \\u escape"},
        {"{\"\\ud83d\"", 0, "a bad \\u escape"},
        {"{\"\\ud83d\\u0041\"", 0, "a bad \\u escape"},
        {"{\"\\udc00\"", 0, "a bad \\u escape"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "a string expected"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, "a key that stands twice"},
        {X("F31", "[]", "[0,4]"), 4, "an unknown dtype"},
        {X("F32", "[", "[0,4]"), 4, "a whole number expected"},
        {X("F32", "[1,]", "[0,4]"), 4, "a whole number expected"},
        {X("F32", "[-1]", "[0,4]"), 4, "a whole number expected"},
        {X("F32", "[01]", "[0,4]"), 4, "a whole number expected"},
        {X("F32", "[1.0]", "[0,4]"), 4, "a whole number expected"},
        {X("F32", "[1e0]", "[0,4]"), 4, "a whole number expected"},
        {X("F32", "[1 1]", "[0,4]"), 4, "a comma or ] expected"},
        {X("F32", "[18446744073709551616]", "[0,4]"), 4, "a number that is too large"},
        {X("F32", "[4294967296,4294967296]", "[0,0]"), 0, "a shape that is too large"},
        {X("F32", "[4611686018427387904]", "[0,0]"), 0, "x: dtype and shape ask for another number of bytes"},
        {X("F32", "[4611686018427387905]", "[0,4]"), 4, "x: dtype and shape ask for another number of bytes"},
        {X("F32", "[1]", "[0]"), 4, "data_offsets must be two numbers"},
        {X("F32", "[1]", "[0,4,8]"), 4, "data_offsets must be two numbers"},
        {X("F32", "[1]", "[4,0]"), 4, "x: its data lies outside the file"},
        {X("F32", "[1]", "[0,4]"), 3, "x: its data lies outside the file"},
        {X("F32", "[1]", "[18446744073709551612,18446744073709551615]"), 4, "x: its data lies outside the file"},
        {X("F32", "[1]", "[1,5]"), 5, "x: a gap lies before its data"},
        {X("F32", "[1]", "[0,3]"), 3, "x: dtype and shape ask for another number of bytes"},
        {X("F32", "[2]", "[0,4]"), 4, "x: dtype and shape ask for another number of bytes"},
        {X("F32", "[0]", "[0,4]"), 4, "x: dtype and shape ask for another number of bytes"},
        {X("F32", "[1]", "[0,4]"), 5, "data that belongs to no tensor"},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"y\":{\"dtype\":\"U8\",\"shape\":[2],\"data_"
         "offsets\":[1,3]}}",
         3, "y: its data overlaps another tensor's"},
        {"{\"x\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"\\u0078\":{\"dtype\":\"U8\",\"shape\":[1],"
         "\"data_offsets\":[1,2]}}",
         2, "x: a gap lies before its data"},
    };
    char error[DLC_ERROR_BYTES];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Bytes b = file_of(rows[i].header, rows[i].data);
        int status = load(&b, error);
        cr_expect(status == DLC_EFORMAT, "%s: status %d", rows[i].header, status);
        cr_expect(strstr(error, rows[i].error), "%s: got \"%s\", want \"%s\"", rows[i].header, error, rows[i].error);
    }
}

Test(runtime, truncated_files) {
    char error[DLC_ERROR_BYTES];
    Bytes whole = file_of("{\"__metadata__\":{\"a\":\"b\"}," WEIGHT "," BIAS "," MEAN "}", 72), b;
    cr_assert(load(&whole, error) == DLC_OK, "%s", error);
    for (size_t len = 0; len < whole.len; len++) {
        b = whole;
        b.len = len;
        cr_expect(load(&b, error) == DLC_EFORMAT, "%zu of %zu bytes: %s", len, whole.len, error);
        // The header alone cut, its length telling so.
        if (len < 8 || len >= whole.len - 72) continue;
        b.at[0] = (unsigned char)(len - 8), b.at[1] = (unsigned char)((len - 8) >> 8);
        cr_expect(load(&b, error) == DLC_EFORMAT, "header of %zu bytes: %s", len - 8, error);
    }
    static const uint64_t lengths[] = {UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63, 100000001, 100000000, 73 + 72};
    for (int i = 0; i < 6; i++) {
        b = file_of("{}", 0);
        for (int k = 0; k < 8; k++) b.at[k] = (unsigned char)(lengths[i] >> 8 * k);
        cr_expect(load(&b, error) == DLC_EFORMAT);
    }
}

// Every byte of a file in turn replaced by others: refused or loaded, never a crash; refused without a change.
Test(runtime, damaged_files) {
    char error[DLC_ERROR_BYTES];
    Bytes whole = file_of("{\"__metadata__\":{\"a\":\"\\u00e9\"}," WEIGHT "," BIAS "," MEAN "}", 72), b;
    for (size_t i = 0; i < whole.len - 72; i++)
        for (const char *c = "\"\\{}[]:,09e\xff\x01"; *c; c++) {
            b = whole;
            b.at[i] = (unsigned char)*c;
            load(&b, error);
        }
}

Test(runtime, mismatches_are_listed) {
    char error[DLC_ERROR_BYTES];
    Bytes b = file_of("{\"fc1.weight\":{\"dtype\":\"F32\",\"shape\":[4,3],\"data_offsets\":[0,48]},"
                      "\"fc1.bias\":{\"dtype\":\"C64\",\"shape\":[3],\"data_offsets\":[48,72]},"
                      "\"a\\nb\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1,1,1,1,1],\"data_offsets\":[72,73]}}",
                      73);
    cr_expect(load(&b, error) == DLC_EMISMATCH);
    cr_expect_str_eq(error, "the data does not fit toy:\n"
                            "  fc1.weight is F32[4, 3] in the file, f32[3, 4] in the model\n"
                            "  fc1.bias is C64[3] in the file, f32[3] in the model\n"
                            "  stats.mean is missing\n"
                            "  a\nb is not in the model");
    // Some of the optimiser's state, not all. State may be missing: it is 0 then.
    b = file_of("{" WEIGHT "," BIAS "," MEAN
                ",\"optim.step.0.t\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[72,80]}}",
                80);
    cr_expect(load(&b, error) == DLC_EMISMATCH);
    cr_expect_str_eq(error, "the data does not fit toy:\n  optim.step.0.fc1.weight.momentum_buffer is missing");
    // More than the message holds: whole items and a count.
    static char header[1 << 15];
    int len = sprintf(header, "{" WEIGHT "," BIAS "," MEAN);
    for (int i = 0; i < 200; i++)
        len += sprintf(header + len,
                       ",\"a.parameter.with.a.long.name.%d\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[72,72]}",
                       i);
    sprintf(header + len, "}");
    b = file_of(header, 72);
    cr_expect(load(&b, error) == DLC_EMISMATCH);
    int listed = 0, more = 0;
    for (const char *at = error; (at = strstr(at, "\n  a.parameter")); at++) listed++;
    cr_expect(sscanf(strrchr(error, '\n'), " and %d more", &more) == 1, "ends in %s", strrchr(error, '\n'));
    cr_expect(listed > 20 && listed + more == 200, "%d listed and %d more", listed, more);
    const char *last = strrchr(error, '\n') - strlen(" is not in the model");
    cr_expect(!strncmp(last, " is not in the model\n", 21), "an item was cut: %s", error);
}

Test(runtime, conversions) {
    static const struct {
        const char *dtype;
        int bytes;
        uint64_t bits;
        float want;
    } rows[] = {
        {"F16", 2, 0x3c00, 1},
        {"F16", 2, 0xc500, -5},
        {"F16", 2, 0x0001, 0x1p-24f},
        {"F16", 2, 0x83ff, -0x1.ff8p-15f},
        {"F16", 2, 0x0400, 0x1p-14f},
        {"F16", 2, 0x7bff, 65504},
        {"F16", 2, 0x7c00, INFINITY},
        {"F16", 2, 0xfc00, -INFINITY},
        {"F16", 2, 0x7e00, NAN},
        {"F16", 2, 0x8000, -0.0f},
        {"BF16", 2, 0x3f80, 1},
        {"BF16", 2, 0xff80, -INFINITY},
        {"BF16", 2, 0x0001, 0x1p-133f},
        {"BF16", 2, 0x7fc0, NAN},
        {"F64", 8, 0x3ff0000000000000, 1},
        {"F64", 8, 0x3fb999999999999a, 0.1f},
        {"F64", 8, 0xfff0000000000000, -INFINITY},
        {"F64", 8, 0x7ff8000000000000, NAN},
        {"F32", 4, 0x00000001, 0x1p-149f},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char header[512];
        int w = rows[i].bytes;
        sprintf(header,
                "{\"fc1.weight\":{\"dtype\":\"%s\",\"shape\":[3,4],\"data_offsets\":[0,%d]},\"fc1.bias\":{\"dtype\":"
                "\"F32\","
                "\"shape\":[3],\"data_offsets\":[%d,%d]},\"stats.mean\":{\"dtype\":\"F32\",\"shape\":[3],\"data_"
                "offsets\":[%d,%d]}}",
                rows[i].dtype, 12 * w, 12 * w, 12 * w + 12, 12 * w + 12, 12 * w + 24);
        Bytes b = file_of(header, (size_t)(12 * w + 24));
        for (int k = 0; k < w; k++)
            b.at[8 + strlen(header) + 5 * (size_t)w + (size_t)k] = (unsigned char)(rows[i].bits >> 8 * k);
        struct dlc_net *net = net_new();
        float got[12];
        cr_assert(dlc_load_memory(net, b.at, b.len) == DLC_OK, "%s", dlc_error(net));
        dlc_get(net, "fc1.weight", got, sizeof got);
        bool same =
            isnan(rows[i].want) ? isnan(got[5]) : got[5] == rows[i].want && !signbit(got[5]) == !signbit(rows[i].want);
        cr_expect(same && got[4] == 0 && got[6] == 0, "%s %llx: got %g, want %g", rows[i].dtype,
                  (unsigned long long)rows[i].bits, got[5], rows[i].want);
        dlc_free(net);
    }
}

// ---- saving -------------------------------------------------------------------------------------------------------

// A new directory; DLC_KEEP=DIR uses that one and leaves the files there.
static const char *directory(char *name) {
    if (getenv("DLC_KEEP")) return strcpy(name, getenv("DLC_KEEP"));
    strcpy(name, "/tmp/dlc_runtime_XXXXXX");
    cr_assert(mkdtemp(name));
    return name;
}

static int files_in(const char *dir) {
    char command[200];
    int count = -1;
    sprintf(command, "ls -A '%s' | wc -l", dir);
    FILE *f = popen(command, "r");
    cr_assert(f && fscanf(f, "%d", &count) == 1);
    pclose(f);
    return count;
}

Test(runtime, saves_and_loads) {
    char dir[100], path[200], weights[200];
    directory(dir);
    sprintf(path, "%s/all.safetensors", dir);
    sprintf(weights, "%s/weights.safetensors", dir);
    struct dlc_net *net = net_ramp(8), *other = net_new(), *reset = net_ramp(3);
    memcpy(reset->region[DLC_REGION_STATE], net->region[DLC_REGION_STATE], model.bytes[DLC_REGION_STATE]);
    for (int twice = 0; twice < 2; twice++) {
        cr_assert(dlc_save(net, path) == DLC_OK && dlc_save_weights(net, weights) == DLC_OK, "%s", dlc_error(net));
        cr_assert(dlc_load(other, path) == DLC_OK, "%s", dlc_error(other));
        cr_expect(same_bytes(net, other), "what was saved is not what is loaded");
        cr_assert(dlc_load(other, weights) == DLC_OK, "%s", dlc_error(other));
        cr_expect(same_bytes(reset, other), "weights alone reset the optimiser, and leave the state");
    }
    for (int i = 0; i < 2; i++) {
        unsigned char head[8] = {0};
        FILE *f = fopen(i ? weights : path, "rb");
        cr_assert(f && fread(head, 1, 8, f) == 8 && !fclose(f));
        cr_expect(head[0] % 8 == 0, "%s: the data is not aligned: a header of %d bytes", i ? weights : path, head[0]);
    }
    if (!getenv("DLC_KEEP")) {
        cr_expect(files_in(dir) == 2, "a temporary file is left");
        remove(path), remove(weights), rmdir(dir);
    }
    dlc_free(net), dlc_free(other), dlc_free(reset);
}

// ---- state --------------------------------------------------------------------------------------------------------

static Bytes saved(size_t (*save)(const struct dlc_net *net, void *to, size_t bytes), const struct dlc_net *net) {
    Bytes b = {.len = save(net, NULL, 0)};
    cr_assert(b.len <= sizeof b.at && save(net, b.at, b.len - 1) == b.len && !b.at[0], "it was written without room");
    cr_assert(save(net, b.at, sizeof b.at) == b.len);
    return b;
}

// The last slots are the state of another model: names, a shape, or the program alone.
static struct dlc_model changed(struct dlc_slot *other, const char *name, int extent, uint64_t hash) {
    memcpy(other, slots, sizeof slots);
    other[5].info.name = name;
    other[5].info.shape[0] = extent, other[5].info.bytes = (size_t)extent * 4;
    struct dlc_model made = model;
    made.slots = other, made.hash = hash;
    return made;
}

Test(runtime, state_moves_alone) {
    struct dlc_net *net = net_ramp(8), *other = net_new(), *want = net_new();
    Bytes b = saved(dlc_save_state_memory, net);
    memcpy(want->region[DLC_REGION_STATE], net->region[DLC_REGION_STATE], model.bytes[DLC_REGION_STATE]);
    cr_expect(dlc_load_state_memory(other, b.at, b.len) == DLC_OK && same_bytes(other, want), "%s", dlc_error(other));
    struct dlc_net *twin = dlc_share(net, sizeof(struct net));
    cr_expect(dlc_load_state_memory(twin, b.at, b.len) == DLC_OK && same_bytes(twin, net), "%s", dlc_error(twin));
    memset(twin->region[DLC_REGION_STATE], 1, model.bytes[DLC_REGION_STATE]);
    Bytes of_twin = saved(dlc_save_state_memory, twin);
    cr_expect(memcmp(b.at, of_twin.at, b.len), "a twin saves its own");
    dlc_free(twin);
    // Files of other kinds, and of other models: nothing changes.
    Bytes weights = saved(dlc_save_weights_memory, net), all = saved(dlc_save_memory, net);
    static const char none[] = "the data is no file of state, as toy_save_state writes it";
    cr_expect(dlc_load_state_memory(other, weights.at, weights.len) == DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(other), none);
    cr_expect(dlc_load_state_memory(other, all.at, all.len) == DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(other), none);
    cr_expect(dlc_load_memory(other, b.at, b.len) == DLC_EMISMATCH, "state is no weights");
    static const struct {
        const char *name;
        int extent;
        uint64_t hash;
        const char *message;
    } rows[] = {
        {"kinds.count", 5, 0x1f,
         "the data holds the state of another model: 0000000000000000, and toy is 000000000000001f"},
        {"kinds.count", 4, 0, "the data does not fit toy:\n  kinds.count is I32[5] in the file, i32[4] in the model"},
        {"kinds.n", 5, 0, "the data does not fit toy:\n  kinds.n is missing\n  kinds.count is not in the model"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct dlc_slot moved[sizeof slots / sizeof *slots];
        struct dlc_model of = changed(moved, rows[i].name, rows[i].extent, rows[i].hash);
        struct dlc_net *wrong = dlc_new(&of, sizeof(struct net)), *fresh = dlc_new(&of, sizeof(struct net));
        cr_expect(dlc_load_state_memory(wrong, b.at, b.len) == DLC_EMISMATCH);
        cr_expect_str_eq(dlc_error(wrong), rows[i].message);
        cr_expect(!memcmp(wrong->region[2], fresh->region[2], of.bytes[2]), "row %d: something changed", (int)i);
        dlc_free(wrong), dlc_free(fresh);
    }
    cr_expect(same_bytes(other, want), "something changed");
    dlc_free(net), dlc_free(other), dlc_free(want);
}

// A checkpoint has the state of the net that saves. What it lacks becomes 0, and a net without state ignores it.
Test(runtime, state_of_checkpoints) {
    struct dlc_slot less[sizeof slots / sizeof *slots];
    struct dlc_model old = changed(less, "kinds.count", 5, 0);
    struct dlc_net *net = net_ramp(8), *want = net_ramp(7), *loaded = net_ramp(8);
    old.nslots = 7; // an older version had no mask
    struct dlc_net *older = dlc_new(&old, sizeof(struct net));
    Bytes b = saved(dlc_save_memory, net);
    cr_assert(dlc_load_memory(loaded, b.at, b.len) == DLC_OK && same_bytes(loaded, net), "%s", dlc_error(loaded));
    struct dlc_net *inferring = dlc_new(&inference, sizeof(struct net));
    cr_expect(dlc_load_memory(inferring, b.at, b.len) == DLC_OK, "%s", dlc_error(inferring));
    cr_expect(dlc_load_memory(older, b.at, b.len) == DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(older), "the data does not fit toy:\n  kinds.mask is not in the model");
    for (int i = 0; i < 7; i++) set_ramp(older, &less[i].info);
    b = saved(dlc_save_memory, older);
    cr_expect(dlc_load_memory(loaded, b.at, b.len) == DLC_OK && same_bytes(loaded, want), "%s", dlc_error(loaded));
    old.nslots = 5; // or no state at all: a checkpoint by its optimiser
    b = saved(dlc_save_memory, older);
    cr_expect(!strstr((char *)b.at + 8, "dlc."), "the file of a model without state is as it was");
    struct dlc_net *none = net_ramp(5);
    cr_expect(dlc_load_memory(loaded, b.at, b.len) == DLC_OK && same_bytes(loaded, none), "%s", dlc_error(loaded));
    dlc_free(net), dlc_free(want), dlc_free(loaded), dlc_free(older), dlc_free(inferring), dlc_free(none);
}

Test(runtime, files_that_cannot_be_read) {
    struct dlc_net *net = net_ramp(8), *before = net_ramp(8);
    cr_expect(dlc_load(net, "/nowhere/x") == DLC_EIO);
    cr_expect_str_eq(dlc_error(net), "cannot open /nowhere/x: No such file or directory");
    cr_expect(dlc_load(net, "/") == DLC_EIO, "%s", dlc_error(net));
    cr_expect(dlc_load(net, "/dev/null") == DLC_EFORMAT, "%s", dlc_error(net));
    cr_expect_str_eq(dlc_error(net), "/dev/null: not a .safetensors file: it is shorter than 8 bytes");
    cr_expect(same_bytes(net, before));
    dlc_free(net), dlc_free(before);
}
