// dlc_load.c: tensors of a .safetensors file into a net.
// Loading checks everything before it writes anything: a file that is refused leaves the net as it was. It takes what
// PyTorch's strict loading takes. Elements are assembled from bytes, so the order of bytes in this machine does not
// matter.
#include "dlc_parts.h"

#ifndef DLC_NO_MALLOC

// ---- elements -----------------------------------------------------------------------------------------------------

// 2 to the power of -1022 to 1023.
static double dlc_power_of_two(int exponent) {
    uint64_t bits = (uint64_t)(1023 + exponent) << 52;
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

// A floating-point number of the file.
static double dlc_number_of(const struct dlc_file_dtype *dtype, uint64_t bits) {
    uint64_t top = ((uint64_t)1 << dtype->exponent) - 1, ones = ((uint64_t)1 << dtype->fraction) - 1;
    uint64_t fraction = bits & ones, exponent = bits >> dtype->fraction & top;
    bool negative = bits >> (dtype->fraction + dtype->exponent) & 1;
    int bias = (int)(top >> 1) + (dtype->number == DLC_UNSIGNED_ZERO);
    bool special = dtype->number == DLC_IEEE     ? exponent == top // infinity without a fraction, otherwise NaN
                   : dtype->number == DLC_FINITE ? exponent == top && fraction == ones
                                                 : negative && !exponent && !fraction;
    bool infinite = dtype->number == DLC_IEEE && !fraction;
    uint64_t wide = special ? (uint64_t)0x7ff << 52 | (infinite ? 0 : (uint64_t)1 << 51)
                            : (exponent + 1023 - (uint64_t)bias) << 52 | fraction << (52 - dtype->fraction);
    double x;
    memcpy(&x, &wide, sizeof x);
    if (!exponent && !special && dtype->bits < 64) x = (double)fraction * dlc_power_of_two(1 - bias - dtype->fraction);
    if (dtype->bits == 64) memcpy(&x, &bits, sizeof x), negative = false;
    return negative ? -x : x;
}

// A whole number in `bits` bits, 0 for NaN; what it cannot hold becomes its least or greatest.
static uint64_t dlc_whole_of(double x, int bits, bool is_signed) {
    double limit = dlc_power_of_two(is_signed ? bits - 1 : bits);
    uint64_t most = ~(uint64_t)0 >> (is_signed ? 65 - bits : 64 - bits);
    if (x >= limit) return most;
    if (is_signed && x <= -limit) return ~most;
    if (x > 0) return (uint64_t)x;
    return is_signed && x < 0 ? 0 - (uint64_t)-x : 0;
}

// An element into memory, in this machine's order.
static void dlc_put_bits(unsigned char *to, uint64_t bits, int bytes) {
    unsigned char ordered[8];
    dlc_put_le(ordered, bits);
    dlc_copy_elements(to, ordered, bytes, 1);
}

static bool dlc_is_float(const struct dlc_file_dtype *dtype) { return dtype->exponent > 0; }

// Numbers change their dtype as a cast of the language changes them: floats are rounded towards zero and saturate in
// integers. Nothing becomes f16 or bf16.
static bool dlc_converts(const struct dlc_file_dtype *from, const struct dlc_file_dtype *to) {
    return from == to || (from->number != DLC_NO_NUMBER && (!dlc_is_float(to) || to->bits == 32));
}

// One element of the file in another dtype of the model.
static void dlc_convert_element(unsigned char *to, const struct dlc_file_dtype *model, bool is_bool, uint64_t bits,
                                const struct dlc_file_dtype *dtype) {
    bool negative = dtype->number == DLC_SIGNED && bits >> (dtype->bits - 1) & 1;
    if (negative && dtype->bits < 64) bits |= ~(uint64_t)0 << dtype->bits;
    if (is_bool) { // is 0 or 1, whatever the file says
        bits = dlc_is_float(dtype) ? dlc_number_of(dtype, bits) != 0 : bits != 0;
    } else if (dlc_is_float(model)) {
        float x = dlc_is_float(dtype) ? (float)dlc_number_of(dtype, bits) : (float)bits;
        if (negative) x = -(float)(0 - bits);
        memcpy(to, &x, sizeof x);
        return;
    } else if (dlc_is_float(dtype)) {
        bits = dlc_whole_of(dlc_number_of(dtype, bits), model->bits, model->number == DLC_SIGNED);
    }
    dlc_put_bits(to, bits, model->bits / 8);
}

// ---- what differs -------------------------------------------------------------------------------------------------

// What is asked of a file.
struct dlc_loading {
    const char *only, *strip; // paths, or NULL
    const char *option;       // the caller's way to say `strip`; NULL: NET_load_some
    bool some;                // only what both have
    bool from_memory;
    bool listing; // for the message: everything that differs
    bool alone;   // the state and nothing else
    bool optim;   // the file has optimiser state, which is loaded too
    bool state;   // the file is a checkpoint: state is loaded too
    bool copies;  // some tensors are perhaps copies
    int count;    // parameters and buffers that are taken
};

static struct dlc_loading dlc_loading_of(const char *only, const char *strip, bool some, bool from_memory) {
    struct dlc_loading how;
    memset(&how, 0, sizeof how);
    how.only = only, how.strip = strip, how.some = some, how.from_memory = from_memory;
    return how;
}

// A scalar may have the shape [1], which it had in old versions of PyTorch.
static bool dlc_same_shape(const struct dlc_param *info, const struct dlc_file_tensor *tensor) {
    if (!info->rank && tensor->rank == 1) return tensor->count == 1;
    if (tensor->rank != (uint64_t)info->rank) return false;
    for (int d = 0; d < info->rank; d++)
        if (tensor->shape[d] != (uint64_t)info->shape[d]) return false;
    return true;
}

static void dlc_put_type(struct dlc_text *t, const char *dtype, uint64_t rank, const uint64_t *shape) {
    dlc_put(t, "%s[", dtype);
    for (uint64_t d = 0; d < rank && d < DLC_FILE_RANK; d++) dlc_put(t, d ? ", %u" : "%u", shape[d]);
    dlc_put(t, rank > DLC_FILE_RANK ? ", ...]" : "]");
}

// Is it batch norm's step count? PyTorch loads files that lack it, as those of its first versions do.
static bool dlc_is_batch_count(const struct dlc_span *name) {
    static const char word[] = ".num_batches_tracked";
    const size_t len = sizeof word - 1;
    return dlc_is(name, word + 1) || (name->len >= len && !memcmp(name->at + name->len - len, word, len));
}

static bool dlc_may_be_missing(const struct dlc_param *info) {
    const struct dlc_span name = {info->name, strlen(info->name)};
    return !strcmp(info->kind, "buffer") && dlc_is_batch_count(&name);
}

// The difference between a slot and the file's tensor of that name (NULL: none) as an item of the list.
static void dlc_check_slot(struct dlc_text *t, const struct dlc_slot *slot, const struct dlc_file_tensor *tensor) {
    const struct dlc_param *info = &slot->info;
    if (!tensor && dlc_may_be_missing(info)) return;
    if (tensor && dlc_same_shape(info, tensor) && dlc_converts(tensor->dtype, dlc_stored_dtype(info))) return;
    size_t start = t->len;
    uint64_t shape[DLC_FILE_RANK];
    for (int d = 0; d < info->rank; d++) shape[d] = (uint64_t)info->shape[d];
    dlc_put(t, tensor ? "\n  %s is " : "\n  %s is missing", info->name);
    if (tensor) {
        dlc_put_type(t, tensor->dtype->name, tensor->rank, tensor->shape);
        dlc_put(t, " in the file, ");
        dlc_put_type(t, info->dtype, (uint64_t)info->rank, shape);
        dlc_put(t, " in the model");
    }
    dlc_end_item(t, start);
}

static bool dlc_is_optim(const struct dlc_span *name) { return name->len > 6 && !memcmp(name->at, "optim.", 6); }

// Does the file's metadata say that the tensor of this name is state?
static bool dlc_is_state(const struct dlc_file *file, const struct dlc_span *name) {
    const char *at = file->state.at, *end = at ? at + file->state.len : NULL;
    while (at) {
        const char *comma = (const char *)memchr(at, ',', (size_t)(end - at));
        size_t len = (size_t)((comma ? comma : end) - at);
        if (len == name->len && !memcmp(at, name->at, len)) return true;
        at = comma ? comma + 1 : NULL;
    }
    return false;
}

// What a file may hold beyond the model: step counts and other whole numbers, and an optimiser's state or state where
// the model has none, being compiled for inference.
static bool dlc_may_ignore(const struct dlc_model *model, const struct dlc_file *file,
                           const struct dlc_file_name *name) {
    const struct dlc_file_tensor *tensor = name->tensor;
    if (tensor->rank == 0 && !dlc_is_float(tensor->dtype) && tensor->dtype->number != DLC_NO_NUMBER) return true;
    if (tensor->count == 1 && dlc_is_batch_count(&name->name)) return true;
    if (!model->bytes[DLC_REGION_STATE] && dlc_is_state(file, &name->name)) return true;
    return !model->bytes[DLC_REGION_OPTIM] && dlc_is_optim(&name->name);
}

// Does the file have anything for a region of the net?
static bool dlc_has_region(const struct dlc_model *model, const struct dlc_file *file, enum dlc_region region) {
    for (int i = 0; i < model->nslots; i++)
        if (model->slots[i].region == region && dlc_names_find(&file->names, model->slots[i].info.name)) return true;
    return false;
}

// Is the file what NET_save wrote, as far as its tensors tell?
static bool dlc_is_checkpoint(const struct dlc_model *model, const struct dlc_file *file) {
    bool any = file->state.at || dlc_has_region(model, file, DLC_REGION_STATE);
    for (size_t i = 0; i < file->names.count && !any; i++) any = dlc_is_optim(&file->names.at[i].name);
    return any;
}

static bool dlc_is_asked(const struct dlc_slot *slot, const struct dlc_loading *how) {
    if (slot->region == DLC_REGION_STATE) return how->state;
    if (slot->region == DLC_REGION_OPTIM) return how->optim;
    return !how->alone;
}

// The tensor that a slot takes, if the file has it.
static struct dlc_file_tensor *dlc_taken(const struct dlc_slot *slot, const struct dlc_file *file,
                                         const struct dlc_loading *how) {
    return dlc_is_asked(slot, how) ? dlc_names_find(&file->names, slot->info.name) : NULL;
}

// Of tied weights some programs store every name, each with a copy of the data. A matrix that the model does not know
// may be such a copy: then its shape is that of a parameter.
static bool dlc_may_be_copy(const struct dlc_model *model, const struct dlc_file_tensor *tensor) {
    for (int i = 0; i < model->nslots && tensor->rank > 1 && tensor->count; i++)
        if (dlc_is_weight(&model->slots[i]) && dlc_same_shape(&model->slots[i].info, tensor)) return true;
    return false;
}

// Lists everything that differs, and marks what is wanted.
static void dlc_check_model(struct dlc_text *t, const struct dlc_model *model, const struct dlc_file *file,
                            struct dlc_loading *how) {
    how->optim = !how->some && !how->alone && dlc_has_region(model, file, DLC_REGION_OPTIM);
    how->state = how->alone || (!how->some && dlc_is_checkpoint(model, file));
    how->count = 0;
    for (int i = 0; i < model->nslots; i++) {
        const struct dlc_slot *slot = &model->slots[i];
        struct dlc_file_tensor *tensor = dlc_taken(slot, file, how);
        if (tensor) tensor->wanted = true, how->count++;
        bool needed = dlc_is_asked(slot, how) && (how->alone || slot->region != DLC_REGION_STATE);
        if (tensor || (!how->some && needed)) dlc_check_slot(t, slot, tensor);
    }
    for (size_t i = 0; i < file->names.count && !how->some; i++) {
        const struct dlc_file_name *name = &file->names.at[i];
        if (name->other || name->tensor->wanted || name->tensor->copy) continue;
        if (!how->alone && dlc_may_ignore(model, file, name)) continue;
        if (!how->alone && !how->listing && dlc_may_be_copy(model, name->tensor)) { // known when the data is
            name->tensor->copy = how->copies = true;
            continue;
        }
        size_t start = t->len;
        dlc_put(t, "\n  %n is not in the model", &name->name);
        dlc_end_item(t, start);
    }
}

// ---- messages -----------------------------------------------------------------------------------------------------

// "its names fit without ...": the call or the option that takes a wrapper's path off the names.
static void dlc_put_remedy(struct dlc_text *t, const struct dlc_net *net, const struct dlc_file *file,
                           const struct dlc_loading *how) {
    char strip[DLC_STRIP_BYTES];
    int count = how->some || how->strip || how->alone ? 0 : dlc_names_suggest(&file->names, net->model, strip);
    if (!count) return;
    size_t start = t->len;
    dlc_put(t, "\n  names fit when \"%s\" is taken off: ", strip);
    if (how->option)
        dlc_put(t, "%s%s", how->option, strip);
    else if (how->from_memory)
        dlc_put(t, "%s_load_some_memory(net, data, size, \"\", \"%s\")", net->model->name, strip);
    else
        dlc_put(t, "%s_load_some(net, \"%s\", \"\", \"%s\")", net->model->name, file->what, strip);
    dlc_end_item(t, start);
}

static int dlc_refuse_part(struct dlc_net *net, const struct dlc_file *file, const struct dlc_loading *how) {
    return dlc_fail(net, DLC_EMISMATCH, "%s has no parameter of %s under \"%s\", less \"%s\"", file->what,
                    net->model->name, how->only ? how->only : "", how->strip ? how->strip : "");
}

// ---- from a file that is open to the net --------------------------------------------------------------------------

static int dlc_refuse_list(struct dlc_net *net, const struct dlc_file *file, struct dlc_loading *how) {
    struct dlc_text t = dlc_text_at(net->error, 0);
    dlc_put(&t, "%s does not fit %s:", file->what, net->model->name);
    dlc_put_remedy(&t, net, file, how);
    how->listing = true;
    dlc_check_model(&t, net->model, file, how);
    dlc_end_list(&t);
    return DLC_EMISMATCH;
}

// A file of state is of this very model: what a state means is decided by the program, not by its shape.
static int dlc_check_hash(struct dlc_net *net, const struct dlc_file *file) {
    char digits[DLC_HASH_DIGITS];
    const struct dlc_span own = {digits, sizeof digits};
    dlc_hash_digits(digits, net->model->hash);
    if (file->model.len == own.len && !memcmp(file->model.at, own.at, own.len)) return DLC_OK;
    return dlc_fail(net, DLC_EMISMATCH, "%s holds the state of another model: %n, and %s is %n", file->what,
                    &file->model, net->model->name, &own);
}

// Whether the file fits; marks the tensors that are wanted.
static int dlc_plan(struct dlc_net *net, struct dlc_file *file, struct dlc_loading *how) {
    const struct dlc_span *twice;
    if ((how->only || how->strip) && !dlc_names_select(&file->names, how->only, how->strip, how->some, &twice))
        return dlc_fail(net, DLC_EMISMATCH, "%s: two tensors are named %n when \"%s\" is taken off", file->what, twice,
                        how->strip);
    if (how->alone && !file->model.at)
        return dlc_fail(net, DLC_EMISMATCH, "%s is no file of state, as %s_save_state writes it", file->what,
                        net->model->name);
    char list[DLC_ERROR_BYTES];
    struct dlc_text t = dlc_text_at(list, 0);
    dlc_check_model(&t, net->model, file, how);
    if (how->alone && !t.len && !t.dropped) return dlc_check_hash(net, file);
    if (!how->alone && file->model.at && (t.len || t.dropped || (how->some && !how->count)))
        return dlc_fail(net, DLC_EMISMATCH,
                        "%s is a file of state, as %s_save_state writes it: %s_load_state%s reads it", file->what,
                        net->model->name, net->model->name, how->from_memory ? "_memory" : "");
    if (!t.len && !t.dropped) return how->some && !how->count ? dlc_refuse_part(net, file, how) : DLC_OK;
    for (size_t i = 0; i < file->header.count; i++) file->header.tensor[i].copy = false; // no data will tell
    return dlc_refuse_list(net, file, how);
}

// FNV-1a of some bytes after others, whose hash is `hash`.
static uint64_t dlc_hash(uint64_t hash, const unsigned char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) hash = (hash ^ bytes[i]) * 0x100000001b3;
    return hash;
}
static const uint64_t dlc_hash_start = 0xcbf29ce484222325;

// Is there a tensor with the same data among those that the net takes?
static bool dlc_is_copy(const struct dlc_net *net, const struct dlc_file *file, const struct dlc_loading *how,
                        const struct dlc_file_tensor *copy) {
    for (int i = 0; i < net->model->nslots; i++) {
        const struct dlc_slot *slot = &net->model->slots[i];
        const struct dlc_file_tensor *tensor = dlc_same_shape(&slot->info, copy) ? dlc_taken(slot, file, how) : NULL;
        if (tensor && tensor->dtype == copy->dtype && tensor->hash == copy->hash) return true;
    }
    return false;
}

// After all data was read: is every supposed copy one?
static int dlc_check_copies(struct dlc_net *net, struct dlc_file *file, struct dlc_loading *how) {
    bool ok = true;
    for (size_t i = 0; i < file->header.count; i++) {
        struct dlc_file_tensor *tensor = &file->header.tensor[i];
        if (tensor->copy && !dlc_is_copy(net, file, how, tensor)) tensor->copy = ok = false;
    }
    return ok ? DLC_OK : dlc_refuse_list(net, file, how);
}

static void dlc_copy_in(struct dlc_net *net, const struct dlc_slot *slot, const struct dlc_file_tensor *tensor) {
    const struct dlc_file_dtype *model = dlc_stored_dtype(&slot->info), *dtype = tensor->dtype;
    const unsigned char *from = tensor->data;
    unsigned char *to = dlc_slot_data(net, slot);
    int stored = dtype->bits / 8;
    bool is_bool = !strcmp(slot->info.dtype, "bool");
    if (dtype == model && !is_bool) {
        dlc_copy_elements(to, from, stored, (size_t)tensor->count);
        return;
    }
    for (size_t i = 0; i < (size_t)tensor->count; i++, from += stored, to += model->bits / 8)
        dlc_convert_element(to, model, is_bool, dlc_get_le(from, stored), dtype);
}

// Cannot fail: every tensor that is wanted has its data.
static void dlc_commit(struct dlc_net *net, const struct dlc_file *file, const struct dlc_loading *how) {
    if (!how->some && !how->alone && !how->optim) dlc_start_over(net);
    if (how->state) { // what the file lacks begins anew
        dlc_reset(net);
        dlc_restart_stream(net, 0);
    }
    for (int i = 0; i < net->model->nslots; i++) {
        const struct dlc_slot *slot = &net->model->slots[i];
        const struct dlc_file_tensor *tensor = dlc_taken(slot, file, how);
        if (tensor)
            dlc_copy_in(net, slot, tensor);
        else if (!how->some && !how->alone && dlc_is_weight(slot)) // it may be missing: 0
            memset(dlc_slot_data(net, slot), 0, slot->info.bytes);
    }
    if (how->alone) return;
    dlc_stale(net);
    dlc_prepare(net);
}

static int dlc_load_bytes(struct dlc_net *net, const unsigned char *bytes, size_t size, struct dlc_loading *how) {
    struct dlc_file file;
    size_t header = 0;
    if (!net || !bytes) return dlc_fail_null(net, "the data");
    dlc_file_start(&file, "the data");
    int status = dlc_file_header(&file, net, bytes, size, &header);
    if (!status && header > size - 8)
        status = dlc_refuse_length(net, &file, bytes, "the header is longer than the file");
    const uint64_t data_bytes = size - 8 - header;
    if (!status) status = dlc_file_open(&file, net, (const char *)bytes + 8, header, &data_bytes);
    if (!status) status = dlc_plan(net, &file, how);
    for (size_t i = 0; i < file.header.count && !status; i++) {
        struct dlc_file_tensor *tensor = &file.header.tensor[i];
        tensor->data = bytes + 8 + header + tensor->begin;
        if (how->copies) tensor->hash = dlc_hash(dlc_hash_start, tensor->data, (size_t)(tensor->end - tensor->begin));
    }
    if (!status) status = dlc_check_copies(net, &file, how);
    if (!status) dlc_commit(net, &file, how);
    dlc_file_close(&file);
    return status;
}

DLC_API int dlc_load_memory(struct dlc_net *net, const void *data, size_t size) {
    struct dlc_loading how = dlc_loading_of(NULL, NULL, false, true);
    return dlc_load_bytes(net, (const unsigned char *)data, size, &how);
}

DLC_API int dlc_load_some_memory(struct dlc_net *net, const void *data, size_t size, const char *only,
                                 const char *strip) {
    struct dlc_loading how = dlc_loading_of(only, strip, true, true);
    int status = dlc_load_bytes(net, (const unsigned char *)data, size, &how);
    return status ? -status : how.count;
}

DLC_API int dlc_load_state_memory(struct dlc_net *net, const void *data, size_t size) {
    struct dlc_loading how = dlc_loading_of(NULL, NULL, false, true);
    how.alone = true;
    return dlc_load_bytes(net, (const unsigned char *)data, size, &how);
}

#ifndef DLC_NO_STDIO
// ---- streams: the header decides what of the data is kept ---------------------------------------------------------

#include <errno.h>
#include <stdio.h>

DLC_API int dlc_fail_file(struct dlc_net *net, const char *what, const char *path) {
    return dlc_fail(net, DLC_EIO, "%s%s: %s", what, path, errno ? strerror(errno) : "no reason given");
}

// Reads `size` bytes, or fewer at the end; memory is taken as they come, since a header may lie. NULL with errno.
static unsigned char *dlc_read(FILE *f, size_t size, size_t *count) {
    size_t room = size < 1 << 16 ? size : 1 << 16;
    unsigned char *bytes = (unsigned char *)malloc(room + 1);
    *count = 0;
    while (bytes) {
        *count += fread(bytes + *count, 1, room - *count, f);
        if (*count < room || room == size) break;
        room = room > size / 2 ? size : room * 2;
        void *more = realloc(bytes, room + 1);
        if (!more) free(bytes);
        bytes = (unsigned char *)more;
    }
    if (bytes && ferror(f)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

// Reads and forgets all but the hash; false at the end of the stream.
static bool dlc_pass(FILE *f, uint64_t bytes, uint64_t *hash) {
    unsigned char chunk[4096];
    while (bytes) {
        size_t want = bytes < sizeof chunk ? (size_t)bytes : sizeof chunk;
        if (fread(chunk, 1, want, f) != want) return false;
        *hash = dlc_hash(*hash, chunk, want);
        bytes -= want;
    }
    return true;
}

// The data that is wanted into *kept, of malloc; and there must be neither less nor more of it all.
static int dlc_read_data(struct dlc_net *net, struct dlc_file *file, FILE *f, const struct dlc_loading *how,
                         unsigned char **kept) {
    uint64_t total = 0; // at most eight times what the net has
    for (size_t i = 0; i < file->header.count; i++) {
        const struct dlc_file_tensor *tensor = &file->header.tensor[i];
        if (tensor->wanted) total += tensor->end - tensor->begin;
    }
    *kept = total < SIZE_MAX ? (unsigned char *)malloc((size_t)total + 1) : NULL;
    if (!*kept) return dlc_fail(net, DLC_EIO, "%s: out of memory", file->what);
    unsigned char *next = *kept;
    for (size_t i = 0; i < file->header.count; i++) { // in the order of their data, without gaps
        struct dlc_file_tensor *tensor = &file->header.tensor[i];
        uint64_t bytes = tensor->end - tensor->begin;
        tensor->hash = dlc_hash_start;
        bool ok = tensor->wanted ? fread(next, 1, (size_t)bytes, f) == bytes : dlc_pass(f, bytes, &tensor->hash);
        if (!ok && ferror(f)) return dlc_fail_file(net, "cannot read ", file->what);
        if (!ok) return dlc_refuse_file(net, file, "its data lies outside the file", tensor);
        if (!tensor->wanted) continue;
        if (how->copies) tensor->hash = dlc_hash(tensor->hash, next, (size_t)bytes);
        tensor->data = next;
        next += bytes;
    }
    return getc(f) == EOF ? DLC_OK : dlc_refuse_file(net, file, "data that belongs to no tensor", NULL);
}

// The header, of malloc; NULL with *status.
static unsigned char *dlc_read_header(struct dlc_net *net, const struct dlc_file *file, FILE *f, size_t *header,
                                      int *status) {
    unsigned char first[8];
    size_t got = fread(first, 1, sizeof first, f), count = 0;
    bool read = !ferror(f);
    *status = read ? dlc_file_header(file, net, first, got, header) : DLC_OK;
    if (*status) return NULL;
    unsigned char *bytes = read ? dlc_read(f, *header, &count) : NULL;
    if (!bytes) {
        *status = dlc_fail_file(net, "cannot read ", file->what);
    } else if (count < *header) {
        *status = dlc_refuse_length(net, file, first, "the header is longer than the file");
    }
    return bytes;
}

static int dlc_load_path(struct dlc_net *net, const char *path, struct dlc_loading *how) {
    struct dlc_file file;
    size_t size = 0;
    int status;
    if (!net || !path) return dlc_fail_null(net, "the path");
    dlc_file_start(&file, path);
    errno = 0;
    FILE *f = fopen(path, "rb");
    if (!f) return dlc_fail_file(net, "cannot open ", path);
    unsigned char *kept = NULL, *header = dlc_read_header(net, &file, f, &size, &status);
    if (!status) status = dlc_file_open(&file, net, (const char *)header, size, NULL);
    if (!status) status = dlc_plan(net, &file, how);
    if (!status) status = dlc_read_data(net, &file, f, how, &kept);
    if (!status) status = dlc_check_copies(net, &file, how);
    if (!status) dlc_commit(net, &file, how);
    dlc_file_close(&file);
    free(header);
    free(kept);
    fclose(f);
    return status;
}

DLC_API int dlc_load_strict(struct dlc_net *net, const char *path, const char *strip, const char *option) {
    struct dlc_loading how = dlc_loading_of(NULL, strip, false, false);
    how.option = option;
    return dlc_load_path(net, path, &how);
}

DLC_API int dlc_load(struct dlc_net *net, const char *path) { return dlc_load_strict(net, path, NULL, NULL); }

DLC_API int dlc_load_some(struct dlc_net *net, const char *path, const char *only, const char *strip) {
    struct dlc_loading how = dlc_loading_of(only, strip, true, false);
    int status = dlc_load_path(net, path, &how);
    return status ? -status : how.count;
}

DLC_API int dlc_load_state(struct dlc_net *net, const char *path) {
    struct dlc_loading how = dlc_loading_of(NULL, NULL, false, false);
    how.alone = true;
    return dlc_load_path(net, path, &how);
}
#endif
#endif
