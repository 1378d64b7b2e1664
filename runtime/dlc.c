// dlc.c: memory, parameters by name, and .safetensors files, for every compiled model.
//     8 bytes: length of the header, little-endian | header: JSON, padded with blanks | data
//     {"__metadata__": {"format": "pt"}, "fc1.weight": {"dtype": "F32", "shape": [256, 784], "data_offsets": [0,
//     802816]}}
// Loading checks everything before it writes anything: a file that is refused leaves the net as it was. Files come from
// anywhere, so no number in one is believed: offsets must cover the data without gaps or overlaps, sizes must be those
// of dtype and shape. Elements are assembled from bytes, so the order of bytes in this machine does not matter.
// ISO C, and on POSIX fsync and stat for saving. All names begin with dlc_: --standalone pastes this file into models.
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "dlc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// ---- error text: built without stdio --------------------------------------------------------------------------------

// A list whose items are whole or counted: "... \n  and 12 more".
struct dlc_text {
    char *at; // DLC_ERROR_BYTES
    size_t len;
    bool full;
    int dropped;
};
enum { DLC_TEXT_RESERVE = 32 }; // for the "and N more"

static void dlc_put_bytes(struct dlc_text *t, const char *s, size_t len) {
    for (size_t i = 0; i < len && !t->full; i++) {
        if (t->len >= DLC_ERROR_BYTES - DLC_TEXT_RESERVE) {
            t->full = true;
            break;
        }
        bool plain = (unsigned char)s[i] >= ' ' || s[i] == '\n'; // names from files may hold anything
        t->at[t->len++] = plain ? s[i] : '?';
    }
    t->at[t->len] = 0;
}

static void dlc_put(struct dlc_text *t, const char *s) { dlc_put_bytes(t, s, strlen(s)); }

static void dlc_put_number(struct dlc_text *t, uint64_t n) {
    char digits[20];
    size_t i = sizeof digits;
    do digits[--i] = (char)('0' + n % 10);
    while (n /= 10);
    dlc_put_bytes(t, digits + i, sizeof digits - i);
}

static struct dlc_text dlc_text_start(struct dlc_net *net) {
    net->error[0] = 0;
    return (struct dlc_text){.at = net->error};
}

// Three pieces, any of which may be "".
static int dlc_fail(struct dlc_net *net, int status, const char *a, const char *b, const char *c) {
    struct dlc_text t = dlc_text_start(net);
    dlc_put(&t, a);
    dlc_put(&t, b);
    dlc_put(&t, c);
    return status;
}

// Ends an item that began at `start`: what did not fit as a whole is taken away and counted.
static void dlc_end_item(struct dlc_text *t, size_t start) {
    if (!t->full && !t->dropped) return;
    t->at[t->len = start] = 0;
    t->full = false;
    t->dropped++;
}

static void dlc_end_list(struct dlc_text *t) {
    if (!t->dropped) return;
    char digits[12];
    size_t i = sizeof digits;
    for (int n = t->dropped; n; n /= 10) digits[--i] = (char)('0' + n % 10);
    memcpy(t->at + t->len, "\n  and ", 7);
    memcpy(t->at + t->len + 7, digits + i, sizeof digits - i);
    memcpy(t->at + t->len + 7 + sizeof digits - i, " more", 6);
}

// ---- memory -------------------------------------------------------------------------------------------------------

// Rounds up; false when it does not fit.
static bool dlc_align(size_t *n, size_t align) {
    size_t over = *n % align;
    if (!over) return true;
    if (*n > SIZE_MAX - (align - over)) return false;
    *n += align - over;
    return true;
}

// One allocation: the object, then the regions. Offsets count from an aligned address, which malloc's need not be.
DLC_API void *dlc_new(const struct dlc_model *model, size_t object_bytes) {
    size_t align = model->align ? model->align : 1, total = object_bytes, offset[DLC_REGIONS];
    for (int r = 0; r < DLC_REGIONS; r++) {
        if (!dlc_align(&total, align) || total > SIZE_MAX - model->bytes[r]) return NULL;
        offset[r] = total;
        total += model->bytes[r];
    }
    if (total > SIZE_MAX - align) return NULL;
    unsigned char *memory = calloc(1, total + align);
    if (!memory) return NULL;
    size_t shift = (align - (size_t)((uintptr_t)memory % align)) % align;
    struct dlc_net *net = (struct dlc_net *)(void *)memory;
    net->model = model;
    net->owned = memory;
    // The object keeps malloc's alignment; only the regions move.
    for (int r = 0; r < DLC_REGIONS; r++) net->region[r] = memory + shift + offset[r];
    dlc_init(net, 1);
    return net;
}

DLC_API void dlc_free(struct dlc_net *net) {
    if (net) free(net->owned); // which holds the net itself
}

DLC_API const char *dlc_error(const struct dlc_net *net) { return net->error; }

static void dlc_reset(struct dlc_net *net) {
    memset(net->region[DLC_REGION_OPTIM], 0, net->model->bytes[DLC_REGION_OPTIM]);
    memset(net->region[DLC_REGION_STATE], 0, net->model->bytes[DLC_REGION_STATE]);
}

DLC_API void dlc_init(struct dlc_net *net, int64_t seed) {
    memset(net->region[DLC_REGION_PARAM], 0, net->model->bytes[DLC_REGION_PARAM]);
    dlc_reset(net);
    if (net->model->init) net->model->init(net->region, seed);
}

// ---- parameters by name -------------------------------------------------------------------------------------------

DLC_API int dlc_param_count(const struct dlc_model *model) { return model->nslots; }

DLC_API const struct dlc_param *dlc_param_info(const struct dlc_model *model, int index) {
    return index >= 0 && index < model->nslots ? &model->slots[index].info : NULL;
}

static unsigned char *dlc_slot_data(const struct dlc_net *net, const struct dlc_slot *slot) {
    return net->region[slot->region] + slot->offset;
}

// Finds the slot and checks the size; NULL with *status and the message set.
static const struct dlc_slot *dlc_find(struct dlc_net *net, const char *name, size_t bytes, int *status) {
    const struct dlc_slot *slot = NULL;
    for (int i = 0; i < net->model->nslots && !slot; i++)
        if (!strcmp(net->model->slots[i].info.name, name)) slot = &net->model->slots[i];
    if (!slot) {
        *status = dlc_fail(net, DLC_ENAME, net->model->name, " has no parameter ", name);
        return NULL;
    }
    if (slot->info.bytes == bytes) return slot;
    struct dlc_text t = dlc_text_start(net);
    dlc_put(&t, name);
    dlc_put(&t, " has ");
    dlc_put_number(&t, slot->info.bytes);
    dlc_put(&t, " bytes, not ");
    dlc_put_number(&t, bytes);
    *status = DLC_ESIZE;
    return NULL;
}

DLC_API int dlc_get(struct dlc_net *net, const char *name, void *to, size_t bytes) {
    int status = DLC_OK;
    const struct dlc_slot *slot = dlc_find(net, name, bytes, &status);
    if (slot) memcpy(to, dlc_slot_data(net, slot), bytes);
    return status;
}

DLC_API int dlc_set(struct dlc_net *net, const char *name, const void *from, size_t bytes) {
    int status = DLC_OK;
    const struct dlc_slot *slot = dlc_find(net, name, bytes, &status);
    if (slot) memcpy(dlc_slot_data(net, slot), from, bytes);
    return status;
}

DLC_API void dlc_seed(struct dlc_net *net, int64_t seed) {
    const int64_t calls = 0;
    for (int i = 0; i < net->model->nslots; i++) {
        const struct dlc_slot *slot = &net->model->slots[i];
        if (!strcmp(slot->info.name, "optim.random.seed")) memcpy(dlc_slot_data(net, slot), &seed, sizeof seed);
        if (!strcmp(slot->info.name, "optim.random.calls")) memcpy(dlc_slot_data(net, slot), &calls, sizeof calls);
    }
}

// ---- elements -----------------------------------------------------------------------------------------------------

static const struct dlc_file_dtype {
    const char *name;  // in the file
    const char *model; // the model's dtype that is stored so, or NULL
    int bytes;
    bool integer;
} dlc_file_dtypes[] = {
    {"F32", "f32", 4, false},    {"I32", "i32", 4, true},     {"I64", "i64", 8, true},
    {"U8", "u8", 1, true},       {"BOOL", "bool", 1, true},   {"F16", "f16", 2, false},
    {"BF16", "bf16", 2, false},  {"F64", NULL, 8, false},     {"I8", "i8", 1, true},
    {"I16", NULL, 2, true},      {"U16", NULL, 2, true},      {"U32", NULL, 4, true},
    {"U64", NULL, 8, true},      {"C64", NULL, 8, false},     {"F8_E4M3", NULL, 1, false},
    {"F8_E5M2", NULL, 1, false}, {"F8_E8M0", NULL, 1, false}, {0},
};

static uint64_t dlc_get_le(const unsigned char *from, int bytes) {
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++) bits |= (uint64_t)from[i] << 8 * i;
    return bits;
}

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

// ---- the header: JSON ---------------------------------------------------------------------------------------------

enum { DLC_FILE_RANK = 8, DLC_HEADER_MAX = 100000000 }; // the Python library's own limit

struct dlc_file_tensor {
    const char *name; // decoded, name_len bytes
    size_t name_len;
    const struct dlc_file_dtype *dtype;
    uint64_t rank, shape[DLC_FILE_RANK]; // of a higher rank, the first dims
    uint64_t count;                      // elements
    uint64_t begin, end;                 // in the data
};

struct dlc_json {
    const char *start, *at, *end;
    char *names;       // where the next decoded string goes: decoding never lengthens
    const char *wrong; // the first error
    struct dlc_file_tensor *tensor;
    size_t count, room;
};

static bool dlc_json_fail(struct dlc_json *j, const char *wrong) {
    if (!j->wrong) j->wrong = wrong;
    return false;
}

static void dlc_json_space(struct dlc_json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\t' || *j->at == '\n' || *j->at == '\r')) j->at++;
}

// Takes `c` after white space when it is next.
static bool dlc_json_take(struct dlc_json *j, char c) {
    dlc_json_space(j);
    if (j->at == j->end || *j->at != c) return false;
    j->at++;
    return true;
}

static bool dlc_json_want(struct dlc_json *j, char c, const char *wrong) {
    return dlc_json_take(j, c) || dlc_json_fail(j, wrong);
}

static int dlc_json_hex4(struct dlc_json *j) {
    if (j->end - j->at < 4) return -1;
    int value = 0;
    for (int i = 0; i < 4; i++) {
        char c = *j->at++;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

// After \u: appends the character as UTF-8; a surrogate must be the first of a pair.
static bool dlc_json_unicode(struct dlc_json *j) {
    int32_t c = dlc_json_hex4(j);
    if (c >= 0xd800 && c < 0xdc00 && j->end - j->at >= 2 && j->at[0] == '\\' && j->at[1] == 'u') {
        j->at += 2;
        int32_t low = dlc_json_hex4(j);
        c = low >= 0xdc00 && low < 0xe000 ? 0x10000 + (c - 0xd800) * 1024 + (low - 0xdc00) : -1;
    } else if (c >= 0xd800 && c < 0xe000) {
        c = -1;
    }
    if (c < 0) return dlc_json_fail(j, "a bad \\u escape");
    int more = c < 0x80 ? 0 : c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char first[] = {0, 0xc0, 0xe0, 0xf0};
    *j->names++ = (char)(first[more] | c >> 6 * more);
    while (more-- > 0) *j->names++ = (char)(0x80 | (c >> 6 * more & 0x3f));
    return true;
}

static bool dlc_json_escape(struct dlc_json *j) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (j->at == j->end) return dlc_json_fail(j, "an unterminated string");
    char c = *j->at++;
    if (c == 'u') return dlc_json_unicode(j);
    const char *known = c ? strchr(from, c) : NULL;
    if (!known) return dlc_json_fail(j, "an unknown escape");
    *j->names++ = to[known - from];
    return true;
}

// Decodes a string behind j->names; it stays there.
static bool dlc_json_string(struct dlc_json *j, const char **s, size_t *len) {
    if (!dlc_json_want(j, '"', "a string expected")) return false;
    *s = j->names;
    while (j->at < j->end && *j->at != '"') {
        char c = *j->at++;
        if ((unsigned char)c < ' ') return dlc_json_fail(j, "a control character in a string");
        if (c != '\\')
            *j->names++ = c;
        else if (!dlc_json_escape(j))
            return false;
    }
    *len = (size_t)(j->names - *s);
    return dlc_json_want(j, '"', "an unterminated string");
}

static bool dlc_json_number(struct dlc_json *j, uint64_t *n) {
    dlc_json_space(j);
    const char *start = j->at;
    for (*n = 0; j->at < j->end && *j->at >= '0' && *j->at <= '9'; j->at++) {
        uint64_t digit = (uint64_t)(*j->at - '0');
        if (*n > (UINT64_MAX - digit) / 10) return dlc_json_fail(j, "a number that is too large");
        *n = *n * 10 + digit;
    }
    bool padded = j->at - start > 1 && *start == '0';
    bool fraction = j->at < j->end && (*j->at == '.' || *j->at == 'e' || *j->at == 'E');
    return (j->at > start && !padded && !fraction) || dlc_json_fail(j, "a whole number expected");
}

static bool dlc_is(const char *s, size_t len, const char *word) { return len == strlen(word) && !memcmp(s, word, len); }

static bool dlc_json_dtype(struct dlc_json *j, struct dlc_file_tensor *tensor) {
    const char *s;
    size_t len;
    if (!dlc_json_string(j, &s, &len)) return false;
    for (int i = 0; dlc_file_dtypes[i].name; i++)
        if (dlc_is(s, len, dlc_file_dtypes[i].name)) tensor->dtype = &dlc_file_dtypes[i];
    return tensor->dtype || dlc_json_fail(j, "an unknown dtype");
}

// [d, d, ...]: all of them make the count, the first are kept.
static bool dlc_json_shape(struct dlc_json *j, struct dlc_file_tensor *tensor) {
    if (!dlc_json_want(j, '[', "a list of numbers expected")) return false;
    tensor->count = 1;
    if (dlc_json_take(j, ']')) return true;
    do {
        uint64_t n;
        if (!dlc_json_number(j, &n)) return false;
        if (n && tensor->count > UINT64_MAX / n) return dlc_json_fail(j, "a shape that is too large");
        tensor->count *= n;
        if (tensor->rank < DLC_FILE_RANK) tensor->shape[tensor->rank] = n;
        tensor->rank++;
    } while (dlc_json_take(j, ','));
    return dlc_json_want(j, ']', "a comma or ] expected");
}

static bool dlc_json_offsets(struct dlc_json *j, struct dlc_file_tensor *tensor) {
    return dlc_json_want(j, '[', "data_offsets must be two numbers") && dlc_json_number(j, &tensor->begin) &&
           dlc_json_want(j, ',', "data_offsets must be two numbers") && dlc_json_number(j, &tensor->end) &&
           dlc_json_want(j, ']', "data_offsets must be two numbers");
}

// {"dtype": ..., "shape": ..., "data_offsets": ...} in any order.
static bool dlc_json_tensor(struct dlc_json *j, struct dlc_file_tensor *tensor) {
    unsigned seen = 0;
    if (!dlc_json_want(j, '{', "{ expected")) return false;
    do {
        const char *key;
        size_t len;
        if (!dlc_json_string(j, &key, &len) || !dlc_json_want(j, ':', ": expected")) return false;
        unsigned bit = dlc_is(key, len, "dtype")          ? 1
                       : dlc_is(key, len, "shape")        ? 2
                       : dlc_is(key, len, "data_offsets") ? 4
                                                          : 0;
        if (!bit || (seen & bit))
            return dlc_json_fail(j, bit ? "a key that stands twice" : "an unknown key in a tensor");
        seen |= bit;
        bool ok = bit == 1   ? dlc_json_dtype(j, tensor)
                  : bit == 2 ? dlc_json_shape(j, tensor)
                             : dlc_json_offsets(j, tensor);
        if (!ok) return false;
    } while (dlc_json_take(j, ','));
    if (!dlc_json_want(j, '}', "a comma or } expected")) return false;
    return seen == 7 || dlc_json_fail(j, "a tensor without dtype, shape or data_offsets");
}

// {"key": "text", ...}: read for its form alone.
static bool dlc_json_metadata(struct dlc_json *j) {
    const char *s;
    size_t len;
    if (!dlc_json_want(j, '{', "{ expected")) return false;
    if (dlc_json_take(j, '}')) return true;
    do {
        bool pair = dlc_json_string(j, &s, &len) && dlc_json_want(j, ':', ": expected") && dlc_json_string(j, &s, &len);
        if (!pair) return false;
    } while (dlc_json_take(j, ','));
    return dlc_json_want(j, '}', "a comma or } expected");
}

static struct dlc_file_tensor *dlc_json_new_tensor(struct dlc_json *j) {
    if (j->count == j->room) {
        size_t room = j->room ? 2 * j->room : 64;
        struct dlc_file_tensor *more = room > SIZE_MAX / sizeof *more ? NULL : realloc(j->tensor, room * sizeof *more);
        if (!more) return dlc_json_fail(j, "more tensors than there is memory for"), NULL;
        j->tensor = more, j->room = room;
    }
    j->tensor[j->count] = (struct dlc_file_tensor){0};
    return &j->tensor[j->count++];
}

static bool dlc_json_header(struct dlc_json *j) {
    bool metadata = false;
    if (!dlc_json_want(j, '{', "{ expected")) return false;
    bool more = !dlc_json_take(j, '}');
    while (more) {
        const char *name;
        size_t len;
        if (!dlc_json_string(j, &name, &len) || !dlc_json_want(j, ':', ": expected")) return false;
        if (dlc_is(name, len, "__metadata__")) {
            if (metadata) return dlc_json_fail(j, "a key that stands twice");
            metadata = true;
            if (!dlc_json_metadata(j)) return false;
        } else {
            struct dlc_file_tensor *tensor = dlc_json_new_tensor(j);
            if (!tensor) return false;
            tensor->name = name, tensor->name_len = len;
            if (!dlc_json_tensor(j, tensor)) return false;
        }
        more = dlc_json_take(j, ',');
        if (!more && !dlc_json_want(j, '}', "a comma or } expected")) return false;
    }
    dlc_json_space(j);
    return j->at == j->end || dlc_json_fail(j, "text behind the last }");
}

// ---- a file as a whole --------------------------------------------------------------------------------------------

struct dlc_file {
    const char *what; // for messages: its path
    const unsigned char *data;
    uint64_t data_bytes;
    struct dlc_json header; // its tensors, after dlc_file_open sorted by name
    char *names;
};

static int dlc_by_offset(const void *a, const void *b) {
    const struct dlc_file_tensor *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int dlc_compare_names(const char *a, size_t a_len, const char *b, size_t b_len) {
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

static int dlc_by_name(const void *a, const void *b) {
    const struct dlc_file_tensor *x = a, *y = b;
    return dlc_compare_names(x->name, x->name_len, y->name, y->name_len);
}

// Every tensor has the bytes that its type asks for, and together they are the data, each byte once.
static const char *dlc_check_offsets(struct dlc_json *j, uint64_t data_bytes, const struct dlc_file_tensor **at) {
    uint64_t next = 0;
    if (j->count) qsort(j->tensor, j->count, sizeof *j->tensor, dlc_by_offset);
    for (size_t i = 0; i < j->count; i++) {
        const struct dlc_file_tensor *t = *at = &j->tensor[i];
        if (t->begin > t->end || t->end > data_bytes) return "its data lies outside the file";
        if (t->count > (t->end - t->begin) / (uint64_t)t->dtype->bytes ||
            t->count * (uint64_t)t->dtype->bytes != t->end - t->begin)
            return "dtype and shape ask for another number of bytes";
        if (t->begin != next)
            return t->begin < next ? "its data overlaps another tensor's" : "a gap lies before its data";
        next = t->end;
    }
    *at = NULL;
    return next == data_bytes ? NULL : "data that belongs to no tensor";
}

static int dlc_refuse_file(struct dlc_net *net, const struct dlc_file *file, const char *wrong,
                           const struct dlc_file_tensor *tensor) {
    struct dlc_text t = dlc_text_start(net);
    dlc_put(&t, file->what);
    dlc_put(&t, ": not a .safetensors file: ");
    if (tensor) {
        dlc_put_bytes(&t, tensor->name, tensor->name_len);
        dlc_put(&t, ": ");
    }
    dlc_put(&t, wrong);
    if (file->header.wrong == wrong) {
        dlc_put(&t, " at byte ");
        dlc_put_number(&t, 8 + (uint64_t)(file->header.at - file->header.start));
    }
    return DLC_EFORMAT;
}

static void dlc_file_close(struct dlc_file *file) {
    free(file->header.tensor);
    free(file->names);
}

// Reads and checks the header. Close the file also after an error.
static int dlc_file_open(struct dlc_file *file, struct dlc_net *net, const unsigned char *bytes, size_t size) {
    struct dlc_json *j = &file->header;
    const struct dlc_file_tensor *at = NULL;
    uint64_t header = size < 8 ? 0 : dlc_get_le(bytes, 8);
    if (size < 8) return dlc_refuse_file(net, file, "it is shorter than 8 bytes", NULL);
    if (header > DLC_HEADER_MAX) return dlc_refuse_file(net, file, "a header of more than 100,000,000 bytes", NULL);
    if (header > size - 8) return dlc_refuse_file(net, file, "the header is longer than the file", NULL);
    file->data = bytes + 8 + header;
    file->data_bytes = size - 8 - header;
    file->names = malloc((size_t)header + 1);
    if (!file->names) return dlc_fail(net, DLC_EIO, file->what, ": out of memory", "");
    *j = (struct dlc_json){.names = file->names};
    j->start = j->at = (const char *)bytes + 8;
    j->end = j->start + header;
    if (!dlc_json_header(j)) return dlc_refuse_file(net, file, j->wrong, NULL);
    const char *wrong = dlc_check_offsets(j, file->data_bytes, &at);
    if (wrong) return dlc_refuse_file(net, file, wrong, at);
    if (j->count) qsort(j->tensor, j->count, sizeof *j->tensor, dlc_by_name);
    for (size_t i = 1; i < j->count; i++)
        if (!dlc_by_name(&j->tensor[i - 1], &j->tensor[i]))
            return dlc_refuse_file(net, file, "stands in it twice", &j->tensor[i]);
    return DLC_OK;
}

static const struct dlc_file_tensor *dlc_file_find(const struct dlc_file *file, const char *name) {
    size_t lo = 0, hi = file->header.count, len = strlen(name);
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        const struct dlc_file_tensor *t = &file->header.tensor[mid];
        int order = dlc_compare_names(name, len, t->name, t->name_len);
        if (!order) return t;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

// ---- loading ------------------------------------------------------------------------------------------------------

static bool dlc_is_weight(const struct dlc_slot *slot) { return slot->region == DLC_REGION_PARAM; }

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

static void dlc_copy_in(struct dlc_net *net, const struct dlc_slot *slot, const struct dlc_file *file) {
    const struct dlc_file_tensor *tensor = dlc_file_find(file, slot->info.name);
    if (!tensor || !tensor->count) return;
    bool is_f32 = !strcmp(slot->info.dtype, "f32");
    unsigned char *to = dlc_slot_data(net, slot);
    const unsigned char *from = file->data + tensor->begin;
    size_t step = slot->info.bytes / (size_t)tensor->count;
    for (size_t i = 0; i < (size_t)tensor->count; i++)
        dlc_read_element(to + i * step, from + i * (size_t)tensor->dtype->bytes, tensor->dtype, is_f32);
}

static int dlc_load_bytes(struct dlc_net *net, const char *what, const unsigned char *bytes, size_t size) {
    const struct dlc_model *model = net->model;
    struct dlc_file file = {.what = what};
    bool rest;
    int status = dlc_file_open(&file, net, bytes, size);
    if (status) {
        dlc_file_close(&file);
        return status;
    }
    char list[DLC_ERROR_BYTES] = "";
    struct dlc_text t = {.at = list};
    dlc_put(&t, what);
    dlc_put(&t, " does not fit ");
    dlc_put(&t, model->name);
    dlc_put(&t, ":");
    size_t start = t.len;
    dlc_check_model(&t, model, &file, &rest);
    if (t.len == start && !t.dropped) {
        if (!rest) dlc_reset(net);
        for (int i = 0; i < model->nslots; i++)
            if (dlc_is_weight(&model->slots[i]) || rest) dlc_copy_in(net, &model->slots[i], &file);
    } else {
        dlc_end_list(&t);
        memcpy(net->error, list, sizeof list);
        status = DLC_EMISMATCH;
    }
    dlc_file_close(&file);
    return status;
}

DLC_API int dlc_load_memory(struct dlc_net *net, const void *data, size_t size) {
    return dlc_load_bytes(net, "the data", data, size);
}

#ifndef DLC_NO_STDIO
// ---- files --------------------------------------------------------------------------------------------------------

#include <errno.h>
#include <stdio.h>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define DLC_POSIX 1
#else
#define DLC_POSIX 0
#endif

static int dlc_fail_file(struct dlc_net *net, const char *what, const char *path) {
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

DLC_API int dlc_load(struct dlc_net *net, const char *path) {
    size_t size;
    errno = 0;
    FILE *f = fopen(path, "rb");
    if (!f) return dlc_fail_file(net, "cannot open ", path);
    unsigned char *bytes = dlc_read_all(f, &size);
    int status = bytes ? dlc_load_bytes(net, path, bytes, size) : dlc_fail_file(net, "cannot read ", path);
    fclose(f);
    free(bytes);
    return status;
}

// Counts, and writes when there is a stream: the header's length stands before it.
struct dlc_writer {
    FILE *f;
    uint64_t bytes;
};

static void dlc_write(struct dlc_writer *w, const void *bytes, size_t len) {
    w->bytes += len;
    if (w->f) fwrite(bytes, 1, len, w->f); // ferror is asked at the end
}

static void dlc_write_text(struct dlc_writer *w, const char *s) { dlc_write(w, s, strlen(s)); }

static void dlc_write_number(struct dlc_writer *w, uint64_t n) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    dlc_write(w, digits, (size_t)len);
}

static void dlc_write_string(struct dlc_writer *w, const char *s) {
    dlc_write_text(w, "\"");
    for (; *s; s++) {
        char escape[8];
        bool control = (unsigned char)*s < ' ';
        if (control) snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*s);
        if (*s == '"' || *s == '\\') dlc_write_text(w, "\\");
        dlc_write(w, control ? escape : s, control ? 6 : 1);
    }
    dlc_write_text(w, "\"");
}

static const struct dlc_file_dtype *dlc_stored_dtype(const struct dlc_slot *slot) {
    const struct dlc_file_dtype *dtype = dlc_file_dtypes;
    while (dtype->name && !(dtype->model && !strcmp(dtype->model, slot->info.dtype))) dtype++;
    return dtype; // the model's dtypes are all there
}

// The slot behind `last` (NULL: the first) in the order of the file, or NULL: wide elements come first, so that every
// tensor is aligned to its own.
static const struct dlc_slot *dlc_next_stored(const struct dlc_model *model, bool all, const struct dlc_slot *last) {
    int k = last ? (int)(last - model->slots) + 1 : 0;
    for (int bytes = last ? dlc_stored_dtype(last)->bytes : 8; bytes; bytes /= 2, k = 0)
        for (; k < model->nslots; k++) {
            const struct dlc_slot *slot = &model->slots[k];
            if ((all || dlc_is_weight(slot)) && dlc_stored_dtype(slot)->bytes == bytes) return slot;
        }
    return NULL;
}

static void dlc_write_header(struct dlc_writer *w, const struct dlc_model *model, bool all) {
    const struct dlc_slot *slot = NULL;
    uint64_t offset = 0;
    dlc_write_text(w, "{\"__metadata__\":{\"format\":\"pt\"}");
    while ((slot = dlc_next_stored(model, all, slot))) {
        dlc_write_text(w, ",");
        dlc_write_string(w, slot->info.name);
        dlc_write_text(w, ":{\"dtype\":\"");
        dlc_write_text(w, dlc_stored_dtype(slot)->name);
        dlc_write_text(w, "\",\"shape\":[");
        for (int d = 0; d < slot->info.rank; d++) {
            if (d) dlc_write_text(w, ",");
            dlc_write_number(w, (uint64_t)slot->info.shape[d]);
        }
        dlc_write_text(w, "],\"data_offsets\":[");
        dlc_write_number(w, offset);
        dlc_write_text(w, ",");
        dlc_write_number(w, offset += slot->info.bytes);
        dlc_write_text(w, "]}");
    }
    dlc_write_text(w, "}");
    while (w->bytes % 8) dlc_write_text(w, " "); // the data begins aligned
}

static uint64_t dlc_get_bits(const unsigned char *from, int bytes) {
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t bits = *from;
    if (bytes == 2) memcpy(&u16, from, 2), bits = u16;
    if (bytes == 4) memcpy(&u32, from, 4), bits = u32;
    if (bytes == 8) memcpy(&bits, from, 8);
    return bits;
}

// Elements in the file's order of bytes.
static void dlc_write_elements(struct dlc_writer *w, const unsigned char *from, int bytes, size_t count) {
    unsigned char chunk[4096];
    size_t used = 0;
    for (size_t i = 0; i < count; i++, from += bytes) {
        uint64_t bits = dlc_get_bits(from, bytes);
        for (int b = 0; b < bytes; b++) chunk[used++] = (unsigned char)(bits >> 8 * b);
        if (used == sizeof chunk) dlc_write(w, chunk, used), used = 0;
    }
    dlc_write(w, chunk, used);
}

static void dlc_write_file(FILE *f, const struct dlc_net *net, bool all) {
    struct dlc_writer count = {0}, w = {.f = f};
    const struct dlc_slot *slot = NULL;
    dlc_write_header(&count, net->model, all);
    uint64_t length = count.bytes;
    for (int i = 0; i < 8; i++) putc((int)(length >> 8 * i & 255), f);
    dlc_write_header(&w, net->model, all);
    while ((slot = dlc_next_stored(net->model, all, slot))) {
        int bytes = dlc_stored_dtype(slot)->bytes;
        dlc_write_elements(&w, dlc_slot_data(net, slot), bytes, slot->info.bytes / (size_t)bytes);
    }
}

// Everything on the disk; closes in any case.
static bool dlc_finish(FILE *f) {
    bool ok = !ferror(f) && !fflush(f);
    int why = errno;
#if DLC_POSIX
    // What cannot be synced (a pipe, a device) says EINVAL.
    if (ok && fsync(fileno(f)) && errno != EINVAL) ok = false, why = errno;
#endif
    if (fclose(f) && ok) return false;
    if (!ok) errno = why;
    return ok;
}

// Makes the rename last: a name is data of its directory. A file system that cannot do it is no failure.
static void dlc_sync_directory(char *path) {
#if DLC_POSIX
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path] = 0;
    int directory = open(slash ? path : ".", O_RDONLY);
    if (directory < 0) return;
    (void)!fsync(directory);
    close(directory);
#else
    (void)path;
#endif
}

// Devices and pipes are written as they are: a rename would put a file in their place.
static bool dlc_is_special(const char *path) {
#if DLC_POSIX
    struct stat status;
    return !stat(path, &status) && !S_ISREG(status.st_mode);
#else
    (void)path;
    return false;
#endif
}

// A new file beside `path`; its name is left in `name`, which has room for it.
static FILE *dlc_open_beside(const char *path, char *name, size_t room) {
    FILE *f = NULL;
    for (int i = 0; i < 100 && !f; i++) {
        snprintf(name, room, "%s.%d.tmp", path, i);
        errno = 0;
        f = fopen(name, "wbx");
        if (!f && errno != EEXIST) break;
    }
    return f;
}

static int dlc_save_file(struct dlc_net *net, const char *path, bool all) {
    bool special = dlc_is_special(path);
    size_t room = strlen(path) + 16;
    char *name = malloc(room);
    if (!name) return dlc_fail(net, DLC_EIO, path, ": out of memory", "");
    errno = 0;
    FILE *f = special ? fopen(path, "wb") : dlc_open_beside(path, name, room);
    if (!f) {
        free(name);
        return dlc_fail_file(net, "cannot write ", path);
    }
    dlc_write_file(f, net, all);
    bool ok = dlc_finish(f) && (special || !rename(name, path));
    int status = ok ? DLC_OK : dlc_fail_file(net, "cannot write ", path);
    if (!ok && !special) remove(name);
    if (ok && !special) dlc_sync_directory(name);
    free(name);
    return status;
}

DLC_API int dlc_save(struct dlc_net *net, const char *path) { return dlc_save_file(net, path, true); }
DLC_API int dlc_save_weights(struct dlc_net *net, const char *path) { return dlc_save_file(net, path, false); }
#endif
