// dlc_twins.c: nets that share parameters, parameters that are copied, and parameters that change under running twins.
//     net --------> params[0]  <- twin 1, twin 2       dlc_publish(net, spare, from): from is copied into params[1]
//      \---------> params[1]  <- twin 3               that is the newest then; a twin goes there by dlc_adopt
// Entries know nothing of it: they read the pointer of their own net, which its own thread alone writes.
#include "dlc_parts.h"

DLC_API void dlc_make_root(struct dlc_net *net) {
    net->root = net;
    net->params[0] = net->region[DLC_REGION_PARAM];
}

DLC_API int dlc_copy(struct dlc_net *to, const struct dlc_net *from) {
    if (!to || !from) return dlc_fail_null(to, "the net to copy from");
    unsigned char *into = to->region[DLC_REGION_PARAM];
    const unsigned char *of = from->region[DLC_REGION_PARAM];
    if (into != of) memcpy(into, of, to->model->bytes[DLC_REGION_PARAM]);
    return DLC_OK;
}

#ifndef DLC_NO_MALLOC
// One word in a root says all that threads must agree on: which of its two sets of parameters is the newest, and how
// many twins read each. Where there are no atomic operations it is a plain word, and the application must keep share,
// free, publish and adopt apart.
//     bit 0: the newest | bits 1 to 15: twins that read params[0] | bits 16 to 30: those that read params[1]
enum { DLC_TWINS = 0x7fff };

static uint32_t dlc_turn_one(uint32_t which) { return which ? (uint32_t)1 << 16 : 2; }

static uint32_t dlc_turn_count(uint32_t turn, uint32_t which) { return (which ? turn >> 16 : turn >> 1) & DLC_TWINS; }

// dlc_turn_write writes `next` if the word still is *seen; otherwise it reads the word into *seen.
#if defined(__GCC_ATOMIC_INT_LOCK_FREE) && __GCC_ATOMIC_INT_LOCK_FREE == 2
static uint32_t dlc_turn_read(const uint32_t *turn) { return __atomic_load_n(turn, __ATOMIC_ACQUIRE); }

static bool dlc_turn_write(uint32_t *turn, uint32_t *seen, uint32_t next) {
    return __atomic_compare_exchange_n(turn, seen, next, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}
#elif defined(_MSC_VER)
#include <intrin.h>

static uint32_t dlc_turn_read(const uint32_t *turn) {
    return (uint32_t)_InterlockedCompareExchange((volatile long *)turn, 0, 0);
}

static bool dlc_turn_write(uint32_t *turn, uint32_t *seen, uint32_t next) {
    uint32_t expected = *seen;
    *seen = (uint32_t)_InterlockedCompareExchange((volatile long *)turn, (long)next, (long)expected);
    return *seen == expected;
}
#else
static uint32_t dlc_turn_read(const uint32_t *turn) { return *turn; }

static bool dlc_turn_write(uint32_t *turn, uint32_t *seen, uint32_t next) {
    *turn = next;
    return (void)seen, true;
}
#endif

// The twin reads the newest parameters from now on; `held`: and no longer those that it has read.
static void dlc_hold_newest(struct dlc_net *twin, bool held) {
    struct dlc_net *root = twin->root;
    uint32_t seen = dlc_turn_read(&root->turn), newest, next;
    do {
        newest = seen & 1;
        next = seen + dlc_turn_one(newest) - (held ? dlc_turn_one(twin->held) : 0);
    } while (!dlc_turn_write(&root->turn, &seen, next));
    twin->held = newest;
    twin->region[DLC_REGION_PARAM] = root->params[newest]; // not written as long as a twin holds it
}

DLC_API void dlc_join(struct dlc_net *net, struct dlc_net *root) {
    uint32_t seen = dlc_turn_read(&root->twins);
    while (!dlc_turn_write(&root->twins, &seen, seen + 1)) {}
    net->number = seen + 1;
    net->root = root;
    net->region[DLC_REGION_OPTIM] = root->region[DLC_REGION_OPTIM];
    dlc_hold_newest(net, false);
}

DLC_API void dlc_leave(struct dlc_net *net) {
    struct dlc_net *root = net->root;
    uint32_t seen = dlc_turn_read(&root->turn);
    while (root != net && !dlc_turn_write(&root->turn, &seen, seen - dlc_turn_one(net->held))) {}
}

DLC_API void *dlc_share(const struct dlc_net *net, size_t object_bytes) {
    if (!net) return NULL;
    uint32_t turn = dlc_turn_read(&net->root->turn);
    if (dlc_turn_count(turn, turn & 1) == DLC_TWINS) return NULL;
    struct dlc_net *twin = dlc_allocate(net->model, object_bytes, net->root);
    if (!twin) return NULL;
    dlc_restart_stream(twin, dlc_stream_seed(twin->root));
    dlc_prepare(twin);
    return twin;
}

static const char *dlc_wrong_part(const struct dlc_net *net, const struct dlc_net *spare, const struct dlc_net *from) {
    if (net->root != net) return "the net is a twin: publish to the one that it shares";
    if (spare->root != spare) return "the spare net is a twin";
    if (dlc_turn_read(&spare->turn) & ~(uint32_t)1) return "the spare net has twins";
    return spare == net || spare == from || from->root == net ? "one net stands in two places" : NULL;
}

DLC_API int dlc_publish(struct dlc_net *net, struct dlc_net *spare, const struct dlc_net *from) {
    if (!net || !spare || !from) return dlc_fail_null(net, spare ? "the net to copy from" : "the spare net");
    const char *wrong = dlc_wrong_part(net, spare, from);
    if (wrong) return dlc_fail(net, DLC_EINVAL, "%s", wrong);
    uint32_t seen = dlc_turn_read(&net->turn), old = ~seen & 1;
    if (dlc_turn_count(seen, old))
        return dlc_fail(net, DLC_EBUSY, "a twin has not adopted the parameters that were published last");
    dlc_copy(spare, from);
    dlc_prepare(spare);
    unsigned char *fresh = spare->region[DLC_REGION_PARAM];
    spare->region[DLC_REGION_PARAM] = spare->params[spare->turn & 1] = net->region[DLC_REGION_PARAM];
    net->region[DLC_REGION_PARAM] = net->params[old] = fresh; // no twin looks there before the next line
    while (!dlc_turn_write(&net->turn, &seen, seen ^ 1)) {}
    return DLC_OK;
}

DLC_API int dlc_adopt(struct dlc_net *twin) {
    if (!twin || twin->root == twin || (dlc_turn_read(&twin->root->turn) & 1) == twin->held) return 0;
    dlc_hold_newest(twin, true);
    return 1;
}
#endif
