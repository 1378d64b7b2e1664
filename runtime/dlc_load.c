// dlc_load.c: tensors of a .safetensors file into a net.
// Loading checks everything before it writes anything: a file that is refused leaves the net as it was. Elements are
// assembled from bytes, so the order of bytes in this machine does not matter.
#include "dlc_parts.h"

// ---- elements -----------------------------------------------------------------------------------------------------

static float dlc_float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static float dlc_float_of_f16(uint32_t half) {
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 31) return dlc_float_of_bits(sign | 0x7f800000 | fraction << 13);
    if (exponent) return dlc_float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float x = (float)fraction * 0x1p-24f; // zero and denormals
    return sign ? -x : x;
}

// An element of 1, 2, 4 or 8 bytes into memory, in this machine's order.
static void dlc_put_bits(unsigned char *to, uint64_t bits, int bytes) {
    uint8_t u8 = (uint8_t)bits;
    uint16_t u16 = (uint16_t)bits;
    uint32_t u32 = (uint32_t)bits;
    if (bytes == 1) memcpy(to, &u8, 1);
    if (bytes == 2) memcpy(to, &u16, 2);
    if (bytes == 4) memcpy(to, &u32, 4);
    if (bytes == 8) memcpy(to, &bits, 8);
}

static float dlc_float_of(const struct dlc_file_dtype *dtype, uint64_t bits) {
    if (dtype->bytes == 4) return dlc_float_of_bits((uint32_t)bits);
    if (dtype->bytes == 2)
        return dtype->name[0] == 'B' ? dlc_float_of_bits((uint32_t)bits << 16) : dlc_float_of_f16((uint32_t)bits);
    double wide;
    memcpy(&wide, &bits, sizeof wide);
    return (float)wide;
}

// One element of the file as the model has it.
static void dlc_read_element(unsigned char *to, const unsigned char *from, const struct dlc_file_dtype *dtype,
                             bool to_f32) {
    uint64_t bits = dlc_get_le(from, dtype->bytes);
    if (to_f32) {
        float x = dlc_float_of(dtype, bits);
        memcpy(to, &x, sizeof x);
        return;
    }
    bool is_bool = !strcmp(dtype->name, "BOOL"); // is 0 or 1, whatever the file says
    dlc_put_bits(to, is_bool ? bits != 0 : bits, dtype->bytes);
}
// ---- what differs ---------------------------------------------------------------------------------------------------

static bool dlc_same_shape(const struct dlc_param *info, const struct dlc_file_tensor *tensor) {
    if (tensor->rank != (uint64_t)info->rank) return false;
    for (int d = 0; d < info->rank; d++)
        if (tensor->shape[d] != (uint64_t)info->shape[d]) return false;
    return true;
}

static bool dlc_same_dtype(const struct dlc_param *info, const struct dlc_file_tensor *tensor) {
    const char *stored = tensor->dtype->name, *as = tensor->dtype->model;
    if (!strcmp(info->dtype, "f32") && (!strcmp(stored, "F16") || !strcmp(stored, "BF16") || !strcmp(stored, "F64")))
        return true;
    return as && !strcmp(info->dtype, as);
}

static void dlc_put_type(struct dlc_text *t, const char *dtype, uint64_t rank, const uint64_t *shape) {
    dlc_put(t, dtype);
    dlc_put(t, "[");
    for (uint64_t d = 0; d < rank && d < DLC_FILE_RANK; d++) {
        if (d) dlc_put(t, ", ");
        dlc_put_number(t, shape[d]);
    }
    dlc_put(t, rank > DLC_FILE_RANK ? ", ...]" : "]");
}

// The difference between a slot and the file's tensor of that name (NULL: none) as an item of the list.
static void dlc_check_slot(struct dlc_text *t, const struct dlc_slot *slot, const struct dlc_file_tensor *tensor) {
    const struct dlc_param *info = &slot->info;
    if (tensor && dlc_same_shape(info, tensor) && dlc_same_dtype(info, tensor)) return;
    size_t start = t->len;
    dlc_put(t, "\n  ");
    dlc_put(t, info->name);
    if (!tensor) {
        dlc_put(t, " is missing");
        dlc_end_item(t, start);
        return;
    }
    uint64_t shape[DLC_FILE_RANK];
    for (int d = 0; d < info->rank; d++) shape[d] = (uint64_t)info->shape[d];
    dlc_put(t, " is ");
    dlc_put_type(t, tensor->dtype->name, tensor->rank, tensor->shape);
    dlc_put(t, " in the file, ");
    dlc_put_type(t, info->dtype, (uint64_t)info->rank, shape);
    dlc_put(t, " in the model");
    dlc_end_item(t, start);
}

static bool dlc_model_has(const struct dlc_model *model, const struct dlc_file_tensor *tensor) {
    for (int i = 0; i < model->nslots; i++)
        if (dlc_is(tensor->name, tensor->name_len, model->slots[i].info.name)) return true;
    return false;
}

// What a file may hold beyond the model: integer scalars (PyTorch's num_batches_tracked), and an optimiser's state
// where the model has none, being compiled for inference.
static bool dlc_may_ignore(const struct dlc_model *model, const struct dlc_file_tensor *tensor) {
    if (tensor->rank == 0 && tensor->dtype->integer) return true;
    return !model->bytes[DLC_REGION_OPTIM] && tensor->name_len > 6 && !memcmp(tensor->name, "optim.", 6);
}

// Lists everything that differs. *rest: the file has optimiser state and state.
static void dlc_check_model(struct dlc_text *t, const struct dlc_model *model, const struct dlc_file *file,
                            bool *rest) {
    *rest = false;
    for (int i = 0; i < model->nslots; i++)
        if (!dlc_is_weight(&model->slots[i]) && dlc_file_find(file, model->slots[i].info.name)) *rest = true;
    for (int i = 0; i < model->nslots; i++) {
        const struct dlc_slot *slot = &model->slots[i];
        if (dlc_is_weight(slot) || *rest) dlc_check_slot(t, slot, dlc_file_find(file, slot->info.name));
    }
    for (size_t i = 0; i < file->header.count; i++) {
        const struct dlc_file_tensor *tensor = &file->header.tensor[i];
        if (dlc_may_ignore(model, tensor) || dlc_model_has(model, tensor)) continue;
        size_t start = t->len;
        dlc_put(t, "\n  ");
        dlc_put_bytes(t, tensor->name, tensor->name_len);
        dlc_put(t, " is not in the model");
        dlc_end_item(t, start);
    }
}

static void dlc_copy_in(struct dlc_net *net, const struct dlc_slot *slot, const struct dlc_file *file,
                        const struct dlc_file_tensor *tensor) {
    if (!tensor || !tensor->count) return;
    bool is_f32 = !strcmp(slot->info.dtype, "f32");
    unsigned char *to = dlc_slot_data(net, slot);
    const unsigned char *from = file->data + tensor->begin;
    size_t step = slot->info.bytes / (size_t)tensor->count;
    for (size_t i = 0; i < (size_t)tensor->count; i++)
        dlc_read_element(to + i * step, from + i * (size_t)tensor->dtype->bytes, tensor->dtype, is_f32);
}

// ---- the whole of a file, or a part -------------------------------------------------------------------------------

// Begins a list of differences in `list`, of DLC_ERROR_BYTES.
static struct dlc_text dlc_list_start(char *list, const struct dlc_net *net, const struct dlc_file *file) {
    struct dlc_text t = {.at = list};
    *list = 0;
    dlc_put(&t, file->what);
    dlc_put(&t, " does not fit ");
    dlc_put(&t, net->model->name);
    dlc_put(&t, ":");
    return t;
}

static int dlc_refuse_list(struct dlc_net *net, struct dlc_text *t) {
    dlc_end_list(t);
    memcpy(net->error, t->at, DLC_ERROR_BYTES);
    return DLC_EMISMATCH;
}

static int dlc_take_all(struct dlc_net *net, const struct dlc_file *file) {
    const struct dlc_model *model = net->model;
    char list[DLC_ERROR_BYTES];
    struct dlc_text t = dlc_list_start(list, net, file);
    size_t start = t.len;
    bool rest;
    dlc_check_model(&t, model, file, &rest);
    if (t.len != start || t.dropped) return dlc_refuse_list(net, &t);
    if (!rest) dlc_start_over(net);
    for (int i = 0; i < model->nslots; i++) {
        const struct dlc_slot *slot = &model->slots[i];
        if (dlc_is_weight(slot) || rest) dlc_copy_in(net, slot, file, dlc_file_find(file, slot->info.name));
    }
    return DLC_OK;
}

struct dlc_part {
    const char *only, *strip; // paths, or NULL
};

// Is the path `name` the path `above` or below it? *cut is what that takes of it, with the dot.
static bool dlc_is_under(const char *name, size_t name_len, const char *above, size_t *cut) {
    size_t len = above ? strlen(above) : 0;
    if (len && above[len - 1] == '.') len--;
    *cut = len ? len + 1 : 0;
    return !len || (name_len >= len && !memcmp(name, above, len) && (name_len == len || name[len] == '.'));
}

// The param or buffer that a tensor of the file is for, or NULL.
static const struct dlc_slot *dlc_part_slot(const struct dlc_model *model, const struct dlc_file_tensor *tensor,
                                            const struct dlc_part *part) {
    size_t unused, cut;
    if (!dlc_is_under(tensor->name, tensor->name_len, part->only, &unused)) return NULL;
    if (!dlc_is_under(tensor->name, tensor->name_len, part->strip, &cut) || cut > tensor->name_len) return NULL;
    for (int i = 0; i < model->nslots; i++) {
        const struct dlc_slot *slot = &model->slots[i];
        if (dlc_is_weight(slot) && dlc_is(tensor->name + cut, tensor->name_len - cut, slot->info.name)) return slot;
    }
    return NULL;
}

static int dlc_refuse_part(struct dlc_net *net, const struct dlc_file *file, const struct dlc_part *part) {
    struct dlc_text t = dlc_text_start(net);
    dlc_put(&t, file->what);
    dlc_put(&t, " has no parameter of ");
    dlc_put(&t, net->model->name);
    dlc_put(&t, " under \"");
    dlc_put(&t, part->only ? part->only : "");
    dlc_put(&t, "\", less \"");
    dlc_put(&t, part->strip ? part->strip : "");
    dlc_put(&t, "\"");
    return DLC_EMISMATCH;
}

// The number of tensors, or minus a status.
static int dlc_take_part(struct dlc_net *net, const struct dlc_file *file, const struct dlc_part *part) {
    const struct dlc_model *model = net->model;
    char list[DLC_ERROR_BYTES];
    struct dlc_text t = dlc_list_start(list, net, file);
    size_t start = t.len;
    int count = 0;
    for (size_t i = 0; i < file->header.count; i++) {
        const struct dlc_slot *slot = dlc_part_slot(model, &file->header.tensor[i], part);
        if (!slot) continue;
        dlc_check_slot(&t, slot, &file->header.tensor[i]);
        count++;
    }
    if (t.len != start || t.dropped) return -dlc_refuse_list(net, &t);
    if (!count) return -dlc_refuse_part(net, file, part);
    for (size_t i = 0; i < file->header.count; i++) {
        const struct dlc_slot *slot = dlc_part_slot(model, &file->header.tensor[i], part);
        if (slot) dlc_copy_in(net, slot, file, &file->header.tensor[i]);
    }
    return count;
}

// Without a part all of it.
static int dlc_load_bytes(struct dlc_net *net, const char *what, const unsigned char *bytes, size_t size,
                          const struct dlc_part *part) {
    struct dlc_file file = {.what = what};
    int status = dlc_file_open(&file, net, bytes, size);
    if (status && part) status = -status;
    if (!status) status = part ? dlc_take_part(net, &file, part) : dlc_take_all(net, &file);
    dlc_file_close(&file);
    if (part ? status > 0 : !status) {
        dlc_stale(net);
        dlc_refresh(net);
    }
    return status;
}

DLC_API int dlc_load_memory(struct dlc_net *net, const void *data, size_t size) {
    return dlc_load_bytes(net, "the data", data, size, NULL);
}

DLC_API int dlc_load_some_memory(struct dlc_net *net, const void *data, size_t size, const char *only,
                                 const char *strip) {
    return dlc_load_bytes(net, "the data", data, size, &(struct dlc_part){only, strip});
}

#ifndef DLC_NO_STDIO
// ---- files --------------------------------------------------------------------------------------------------------

#include <errno.h>
#include <stdio.h>

DLC_API int dlc_fail_file(struct dlc_net *net, const char *what, const char *path) {
    struct dlc_text t = dlc_text_start(net);
    dlc_put(&t, what);
    dlc_put(&t, path);
    dlc_put(&t, ": ");
    dlc_put(&t, errno ? strerror(errno) : "no reason given");
    return DLC_EIO;
}

// The whole of a stream; NULL with errno.
static unsigned char *dlc_read_all(FILE *f, size_t *size) {
    size_t room = 1 << 16;
    unsigned char *bytes = malloc(room);
    *size = 0;
    while (bytes) {
        *size += fread(bytes + *size, 1, room - *size, f);
        if (*size < room) break;
        unsigned char *more = room > SIZE_MAX / 2 ? NULL : realloc(bytes, room * 2);
        if (!more) free(bytes);
        bytes = more, room *= 2;
    }
    if (bytes && ferror(f)) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

static int dlc_load_path(struct dlc_net *net, const char *path, const struct dlc_part *part) {
    int sign = part ? -1 : 1;
    size_t size;
    errno = 0;
    FILE *f = fopen(path, "rb");
    if (!f) return sign * dlc_fail_file(net, "cannot open ", path);
    unsigned char *bytes = dlc_read_all(f, &size);
    int status = bytes ? dlc_load_bytes(net, path, bytes, size, part) : sign * dlc_fail_file(net, "cannot read ", path);
    fclose(f);
    free(bytes);
    return status;
}

DLC_API int dlc_load(struct dlc_net *net, const char *path) { return dlc_load_path(net, path, NULL); }

DLC_API int dlc_load_some(struct dlc_net *net, const char *path, const char *only, const char *strip) {
    return dlc_load_path(net, path, &(struct dlc_part){only, strip});
}
#endif
