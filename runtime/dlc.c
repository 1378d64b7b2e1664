// dlc.c: memory and parameters by name, for every compiled model; loading and saving are files of their own.
// ISO C. All names begin with dlc_: --standalone pastes these files into models.
#include "dlc_parts.h"

// ---- error text ---------------------------------------------------------------------------------------------------

DLC_API struct dlc_text dlc_text_at(char *at, size_t len) {
    struct dlc_text t = {at, len, (size_t)DLC_ERROR_BYTES - 32, false, 0}; // 32: for "and N more"
    at[len] = 0;
    return t;
}

static void dlc_put_bytes(struct dlc_text *t, const char *s, size_t len) {
    for (size_t i = 0; i < len && !t->full; i++) {
        bool plain = (unsigned char)s[i] >= ' ' || s[i] == '\n'; // names from files may hold anything
        t->full = t->len >= t->room;
        if (!t->full) t->at[t->len++] = plain ? s[i] : '?';
    }
    t->at[t->len] = 0;
}

DLC_API size_t dlc_digits(char digits[DLC_DIGITS], uint64_t n) {
    size_t i = DLC_DIGITS;
    do digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    return i;
}

static void dlc_put_number(struct dlc_text *t, bool negative, uint64_t n) {
    char digits[DLC_DIGITS];
    size_t first = dlc_digits(digits, negative ? 0 - n : n);
    dlc_put_bytes(t, "-", negative);
    dlc_put_bytes(t, digits + first, sizeof digits - first);
}

static void dlc_put_list(struct dlc_text *t, const char *format, va_list args) {
    for (;; format++) {
        size_t plain = strcspn(format, "%");
        dlc_put_bytes(t, format, plain);
        if (!format[plain]) return;
        format += plain + 1;
        if (*format == 'u') {
            dlc_put_number(t, false, va_arg(args, uint64_t));
        } else if (*format == 'd') {
            int64_t n = va_arg(args, int64_t);
            dlc_put_number(t, n < 0, (uint64_t)n);
        } else if (*format == 'n') {
            const struct dlc_span *span = va_arg(args, const struct dlc_span *);
            dlc_put_bytes(t, span->at, span->len);
        } else {
            const char *text = va_arg(args, const char *);
            dlc_put_bytes(t, text, strlen(text));
        }
    }
}

DLC_API int dlc_fail(struct dlc_net *net, int status, const char *format, ...) {
    struct dlc_text t = dlc_text_at(net->error, 0);
    va_list args;
    va_start(args, format);
    dlc_put_list(&t, format, args);
    va_end(args);
    return status;
}

DLC_API int dlc_fail_null(struct dlc_net *net, const char *what) {
    return net ? dlc_fail(net, DLC_ENULL, "%s is NULL", what) : DLC_ENULL;
}

DLC_API int dlc_refuse(struct dlc_net *net, int status, const char *name, const char *is, int64_t found,
                       const char *but, int64_t wanted) {
    return dlc_fail(net, status, "%s%s%d%s%d", name, is, found, but, wanted);
}

#ifndef DLC_NO_MALLOC
DLC_API void dlc_put(struct dlc_text *t, const char *format, ...) {
    va_list args;
    va_start(args, format);
    dlc_put_list(t, format, args);
    va_end(args);
}

DLC_API void dlc_end_item(struct dlc_text *t, size_t start) {
    if (!t->full && !t->dropped) return;
    t->at[t->len = start] = 0;
    t->full = false;
    t->dropped++;
}

DLC_API void dlc_end_list(struct dlc_text *t) {
    t->room = (size_t)DLC_ERROR_BYTES - 1;
    if (t->dropped) dlc_put(t, "\n  and %d more", (int64_t)t->dropped);
}
#endif

// ---- memory -------------------------------------------------------------------------------------------------------

#ifndef DLC_NO_MALLOC
// Rounds up; false when it does not fit.
static bool dlc_align(size_t *n, size_t align) {
    size_t over = *n % align;
    if (!over) return true;
    if (*n > SIZE_MAX - (align - over)) return false;
    *n += align - over;
    return true;
}

// Twins share them.
static bool dlc_is_shared(int region) { return region == DLC_REGION_PARAM || region == DLC_REGION_OPTIM; }

// One allocation, all zero: the object, then its regions. A twin of `root` gets only those that it does not share.
// Offsets count from an aligned address, because calloc may align less than the model asks for.
DLC_API struct dlc_net *dlc_allocate(const struct dlc_model *model, size_t object_bytes, struct dlc_net *root) {
    size_t align = model->align ? model->align : 1, total = object_bytes, offset[DLC_REGIONS];
    for (int r = 0; r < DLC_REGIONS; r++) {
        size_t bytes = root && dlc_is_shared(r) ? 0 : model->bytes[r];
        if (!dlc_align(&total, align) || total > SIZE_MAX - bytes) return NULL;
        offset[r] = total;
        total += bytes;
    }
    if (total > SIZE_MAX - align) return NULL;
    unsigned char *memory = (unsigned char *)calloc(1, total + align);
    if (!memory) return NULL;
    size_t shift = (align - (size_t)((uintptr_t)memory % align)) % align;
    struct dlc_net *net = (struct dlc_net *)(void *)memory;
    net->model = model;
    net->owned = memory;
    // The object keeps malloc's alignment; only the regions move.
    for (int r = 0; r < DLC_REGIONS; r++) net->region[r] = memory + shift + offset[r];
    dlc_make_root(net);
    if (root) dlc_join(net, root);
    return net;
}

DLC_API void *dlc_new(const struct dlc_model *model, size_t object_bytes) {
    struct dlc_net *net = dlc_allocate(model, object_bytes, NULL);
    if (net) dlc_init(net, 1);
    return net;
}

DLC_API void dlc_free(struct dlc_net *net) {
    if (!net) return;
    dlc_leave(net);
    free(net->owned); // which holds the net itself
}
#endif

DLC_API void *dlc_place(const struct dlc_model *model, void *const at[DLC_REGIONS], const size_t bytes[DLC_REGIONS]) {
    for (int r = 0; r < DLC_REGIONS; r++) {
        size_t need = model->bytes[r] + (r == DLC_REGION_STATE ? DLC_NET_BYTES : 0);
        if (!need) continue;
        if (!at[r] || (uintptr_t)at[r] % model->align || (bytes[r] && bytes[r] < need)) return NULL;
    }
    struct dlc_net *net = (struct dlc_net *)at[DLC_REGION_STATE];
    memset(net, 0, DLC_NET_BYTES);
    net->model = model;
    unsigned char *state = (unsigned char *)at[DLC_REGION_STATE] + DLC_NET_BYTES;
    for (int r = 0; r < DLC_REGIONS; r++) // an empty region may be anywhere, but not NULL: memset takes none
        net->region[r] = r == DLC_REGION_STATE || !model->bytes[r] ? state : (unsigned char *)at[r];
    dlc_make_root(net);
    dlc_init(net, 1);
    return net;
}

DLC_API const char *dlc_error(const struct dlc_net *net) {
    return net ? net->error : "there is no net: NULL, as without memory";
}

// The random stream of models lies in the state, but is none: "state.random.seed" and "state.random.calls".
static const char dlc_stream_path[] = "state.random.";

static bool dlc_is_stream(const struct dlc_slot *slot) {
    return !strncmp(slot->info.name, dlc_stream_path, sizeof dlc_stream_path - 1);
}

DLC_API void dlc_reset(struct dlc_net *net) {
    for (int i = 0; net && i < net->model->nslots; i++) {
        const struct dlc_slot *slot = &net->model->slots[i];
        if (slot->region == DLC_REGION_STATE && !dlc_is_stream(slot))
            memset(dlc_slot_data(net, slot), 0, slot->info.bytes);
    }
}

// Streams of one seed are parts of one long stream: a call's number is that of the net or twin, and how many came
// before it there.
DLC_API void dlc_restart_stream(struct dlc_net *net, int64_t seed) {
    const int64_t calls = (int64_t)(net->number & 0x3fffff) << 40;
    for (int i = 0; i < net->model->nslots; i++) {
        const struct dlc_slot *slot = &net->model->slots[i];
        if (!dlc_is_stream(slot)) continue;
        bool counts = !strcmp(slot->info.name + sizeof dlc_stream_path - 1, "calls");
        memcpy(dlc_slot_data(net, slot), counts ? &calls : &seed, sizeof seed);
    }
}

#ifndef DLC_NO_MALLOC
DLC_API int64_t dlc_stream_seed(const struct dlc_net *net) {
    int64_t seed = 0;
    for (int i = 0; i < net->model->nslots; i++) {
        const struct dlc_slot *slot = &net->model->slots[i];
        bool seeds = dlc_is_stream(slot) && !strcmp(slot->info.name + sizeof dlc_stream_path - 1, "seed");
        if (seeds) memcpy(&seed, dlc_slot_data(net, slot), sizeof seed);
    }
    return seed;
}
#endif

DLC_API void dlc_start_over(struct dlc_net *net) {
    memset(net->region[DLC_REGION_OPTIM], 0, net->model->bytes[DLC_REGION_OPTIM]);
    if (net->model->start) net->model->start(net->region);
}

DLC_API void dlc_init(struct dlc_net *net, int64_t seed) {
    if (!net) return;
    memset(net->region[DLC_REGION_PARAM], 0, net->model->bytes[DLC_REGION_PARAM]);
    memset(net->region[DLC_REGION_STATE], 0, net->model->bytes[DLC_REGION_STATE]);
    dlc_start_over(net);
    dlc_restart_stream(net, 0);
    if (net->model->init) net->model->init(net->region, seed);
    dlc_stale(net);
}

// ---- what models make from the parameters -------------------------------------------------------------------------

DLC_API void dlc_stale(struct dlc_net *net) {
    if (net && net->model->prepare) memset(net->region[DLC_REGION_PARAM] + net->model->prepared, 0, sizeof(int32_t));
}

DLC_API void dlc_prepare(struct dlc_net *net) {
    if (net && net->model->prepare) net->model->prepare(net->region);
}

DLC_API void dlc_hash_digits(char digits[DLC_HASH_DIGITS], uint64_t hash) {
    for (int i = DLC_HASH_DIGITS - 1; i >= 0; i--, hash >>= 4) digits[i] = "0123456789abcdef"[hash & 15];
}

DLC_API bool dlc_is_weight(const struct dlc_slot *slot) { return slot->region == DLC_REGION_PARAM; }

// ---- parameters by name -------------------------------------------------------------------------------------------

DLC_API int dlc_param_count(const struct dlc_model *model) { return model->nslots; }

DLC_API const struct dlc_param *dlc_param_info(const struct dlc_model *model, int index) {
    return index >= 0 && index < model->nslots ? &model->slots[index].info : NULL;
}

DLC_API unsigned char *dlc_slot_data(const struct dlc_net *net, const struct dlc_slot *slot) {
    return net->region[slot->region] + slot->offset;
}

// Finds the slot and checks the size of what `data` points at; NULL with *status and the message set.
static const struct dlc_slot *dlc_find(struct dlc_net *net, const char *name, const void *data, size_t bytes,
                                       int *status) {
    const struct dlc_slot *slot = NULL;
    if (!net || !name || !data) {
        *status = dlc_fail_null(net, name ? "the data" : "the name");
        return NULL;
    }
    for (int i = 0; i < net->model->nslots && !slot; i++)
        if (!strcmp(net->model->slots[i].info.name, name)) slot = &net->model->slots[i];
    if (!slot) {
        *status = dlc_fail(net, DLC_ENAME, "%s has no parameter %s", net->model->name, name);
        return NULL;
    }
    if (slot->info.bytes == bytes) return slot;
    uint64_t given = bytes;
    if (given > INT64_MAX) given = INT64_MAX;
    *status = dlc_refuse(net, DLC_ESIZE, name, " has ", (int64_t)slot->info.bytes, " bytes, not ", (int64_t)given);
    return NULL;
}

DLC_API int dlc_get(struct dlc_net *net, const char *name, void *to, size_t bytes) {
    int status = DLC_OK;
    const struct dlc_slot *slot = dlc_find(net, name, to, bytes, &status);
    if (slot) memcpy(to, dlc_slot_data(net, slot), bytes);
    return status;
}

DLC_API int dlc_set(struct dlc_net *net, const char *name, const void *from, size_t bytes) {
    int status = DLC_OK;
    const struct dlc_slot *slot = dlc_find(net, name, from, bytes, &status);
    if (slot) memcpy(dlc_slot_data(net, slot), from, bytes);
    if (slot && dlc_is_weight(slot)) dlc_stale(net);
    return status;
}

// The parameter's path in "optim.step.0.fc1.weight.grad_sum": after entry and minimize. NULL: no such slot.
static const char *dlc_summed_path(const char *slot) {
    static const char end[] = ".grad_sum";
    size_t len = strlen(slot);
    if (strncmp(slot, "optim.", 6) || len < sizeof end || strcmp(slot + len - (sizeof end - 1), end)) return NULL;
    const char *at = strchr(slot + 6, '.');
    at = at ? strchr(at + 1, '.') : NULL;
    return at ? at + 1 : NULL;
}

static bool dlc_sums(const struct dlc_slot *slot, const char *name) {
    const char *path = dlc_summed_path(slot->info.name);
    size_t len = strlen(name);
    return path && !strncmp(path, name, len) && !strcmp(path + len, ".grad_sum");
}

DLC_API int dlc_get_grad(struct dlc_net *net, const char *name, void *to, size_t bytes) {
    if (!net || !name) return dlc_fail_null(net, "the name");
    const struct dlc_slot *sum = NULL, *slots = net->model->slots;
    int64_t samples = 0, all = 0;
    for (int i = 0; i < net->model->nslots; i++) {
        if (!dlc_sums(&slots[i], name)) continue;
        size_t prefix = (size_t)(dlc_summed_path(slots[i].info.name) - slots[i].info.name);
        for (int k = 0; k < net->model->nslots; k++)
            if (!strncmp(slots[k].info.name, slots[i].info.name, prefix) &&
                !strcmp(slots[k].info.name + prefix, "samples"))
                memcpy(&samples, dlc_slot_data(net, &slots[k]), sizeof samples);
        if (samples && all)
            return dlc_fail(net, DLC_ENAME,
                            "several minimize hold a gradient of %s; get \"optim.<entry>.<minimize>.<name>.grad_sum\"",
                            name);
        all += samples;
        if (samples || !sum) sum = &slots[i];
    }
    if (!sum) return dlc_fail(net, DLC_ENAME, "%s accumulates no gradient of %s", net->model->name, name);
    int status = DLC_OK;
    const struct dlc_slot *found = dlc_find(net, sum->info.name, to, bytes, &status);
    float scale = all > 0 ? 1.0f / (float)all : 0.0f, value;
    for (size_t at = 0; found && at < bytes; at += sizeof value) { // `to` may lie anywhere
        memcpy(&value, dlc_slot_data(net, found) + at, sizeof value);
        value *= scale;
        memcpy((unsigned char *)to + at, &value, sizeof value);
    }
    return status;
}

DLC_API void dlc_seed(struct dlc_net *net, int64_t seed) {
    const int64_t calls = 0;
    bool own = false;
    for (int i = 0; net && i < net->model->nslots; i++) own |= dlc_is_stream(&net->model->slots[i]);
    if (own) dlc_restart_stream(net, seed);
    if (own && net->root != net) return;
    for (int i = 0; net && i < net->model->nslots; i++) {
        const struct dlc_slot *slot = &net->model->slots[i];
        if (!strcmp(slot->info.name, "optim.random.seed")) memcpy(dlc_slot_data(net, slot), &seed, sizeof seed);
        if (!strcmp(slot->info.name, "optim.random.calls")) memcpy(dlc_slot_data(net, slot), &calls, sizeof calls);
    }
}
