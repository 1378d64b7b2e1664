// dlc_file.c: the header of a .safetensors file, read and checked.
//     8 bytes: length of the header, little-endian | header: JSON, padded with blanks | data
//     {"fc1.weight": {"dtype": "F32", "shape": [256, 784], "data_offsets": [0, 802816]}}
// It takes and refuses what the safetensors library does. Files come from anywhere, so no number in one is believed:
// offsets must cover the data without gaps or overlaps, sizes must be those of dtype and shape.
#include "dlc_parts.h"

DLC_API const struct dlc_file_dtype *dlc_file_dtypes(void) {
    static const struct dlc_file_dtype all[] = {
        {"F32", "f32", 32, DLC_IEEE, 8, 23},
        {"I32", "i32", 32, DLC_SIGNED, 0, 0},
        {"I64", "i64", 64, DLC_SIGNED, 0, 0},
        {"U8", "u8", 8, DLC_UNSIGNED, 0, 0},
        {"BOOL", "bool", 8, DLC_UNSIGNED, 0, 0},
        {"F16", "f16", 16, DLC_IEEE, 5, 10},
        {"BF16", "bf16", 16, DLC_IEEE, 8, 7},
        {"F64", NULL, 64, DLC_IEEE, 11, 52},
        {"I8", "i8", 8, DLC_SIGNED, 0, 0},
        {"I16", NULL, 16, DLC_SIGNED, 0, 0},
        {"U16", NULL, 16, DLC_UNSIGNED, 0, 0},
        {"U32", NULL, 32, DLC_UNSIGNED, 0, 0},
        {"U64", NULL, 64, DLC_UNSIGNED, 0, 0},
        {"F8_E4M3", NULL, 8, DLC_FINITE, 4, 3},
        {"F8_E5M2", NULL, 8, DLC_IEEE, 5, 2},
        {"F8_E4M3FNUZ", NULL, 8, DLC_UNSIGNED_ZERO, 4, 3},
        {"F8_E5M2FNUZ", NULL, 8, DLC_UNSIGNED_ZERO, 5, 2},
        {"F8_E8M0", NULL, 8, DLC_NO_NUMBER, 0, 0},
        {"F6_E2M3", NULL, 6, DLC_NO_NUMBER, 0, 0},
        {"F6_E3M2", NULL, 6, DLC_NO_NUMBER, 0, 0},
        {"F4", NULL, 4, DLC_NO_NUMBER, 0, 0},
        {"C64", NULL, 64, DLC_NO_NUMBER, 0, 0},
        {NULL, NULL, 0, DLC_NO_NUMBER, 0, 0},
    };
    return all;
}

DLC_API const struct dlc_file_dtype *dlc_stored_dtype(const struct dlc_param *info) {
    const struct dlc_file_dtype *dtype = dlc_file_dtypes();
    while (dtype->name && !(dtype->model && !strcmp(dtype->model, info->dtype))) dtype++;
    return dtype; // the model's dtypes are all there
}

DLC_API void dlc_copy_elements(unsigned char *to, const unsigned char *from, int bytes, size_t count) {
    const uint16_t one = 1;
    if (*(const unsigned char *)&one) {
        memcpy(to, from, count * (size_t)bytes);
        return;
    }
    for (size_t i = 0; i < count; i++, to += bytes, from += bytes)
        for (int b = 0; b < bytes; b++) to[b] = from[bytes - 1 - b];
}

DLC_API void dlc_put_le(unsigned char to[8], uint64_t bits) {
    for (int i = 0; i < 8; i++) to[i] = (unsigned char)(bits >> 8 * i);
}

#ifndef DLC_NO_MALLOC
DLC_API uint64_t dlc_get_le(const unsigned char *from, int bytes) {
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++) bits |= (uint64_t)from[i] << 8 * i;
    return bits;
}

// ---- the header: JSON ---------------------------------------------------------------------------------------------

enum {
    DLC_HEADER_MAX = 100000000, // the safetensors library's own limits
    DLC_JSON_DEPTH = 125        // of what stands beside the keys of a tensor
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

// Takes true, false or null after white space when it is next.
static bool dlc_json_take_word(struct dlc_json *j, const char *word) {
    size_t len = strlen(word);
    dlc_json_space(j);
    if ((size_t)(j->end - j->at) < len || memcmp(j->at, word, len)) return false;
    j->at += len;
    return true;
}

// Stops at the first byte that is no part of UTF-8.
static bool dlc_json_utf8(struct dlc_json *j) {
    for (int more; j->at < j->end; j->at += more + 1) {
        int c = (unsigned char)*j->at;
        more = c < 0x80 ? 0 : c < 0xc2 ? -1 : c < 0xe0 ? 1 : c < 0xf0 ? 2 : c < 0xf5 ? 3 : -1;
        bool ok = more >= 0 && j->end - j->at > more;
        for (int k = 1; ok && k <= more; k++) ok = (j->at[k] & 0xc0) == 0x80;
        int second = ok && more ? (unsigned char)j->at[1] : 0;
        // Forms that are too long, surrogates, and what lies above U+10FFFF.
        if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f)) ok = false;
        if ((c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f)) ok = false;
        if (!ok) return dlc_json_fail(j, "bytes that are no UTF-8");
    }
    j->at = j->start;
    return true;
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

// Decodes a string after j->names; it stays there.
static bool dlc_json_string(struct dlc_json *j, struct dlc_span *s) {
    if (!dlc_json_want(j, '"', "a string expected")) return false;
    s->at = j->names;
    while (j->at < j->end && *j->at != '"') {
        char c = *j->at++;
        if ((unsigned char)c < ' ') return dlc_json_fail(j, "a control character in a string");
        if (c != '\\')
            *j->names++ = c;
        else if (!dlc_json_escape(j))
            return false;
    }
    s->len = (size_t)(j->names - s->at);
    return dlc_json_want(j, '"', "an unterminated string");
}

// Passes digits; false when there is none.
static bool dlc_json_digits(struct dlc_json *j) {
    const char *start = j->at;
    while (j->at < j->end && *j->at >= '0' && *j->at <= '9') j->at++;
    return j->at > start;
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

static bool dlc_json_dtype(struct dlc_json *j, struct dlc_file_tensor *tensor) {
    struct dlc_span name;
    if (!dlc_json_string(j, &name)) return false;
    for (const struct dlc_file_dtype *dtype = dlc_file_dtypes(); dtype->name; dtype++)
        if (dlc_is(&name, dtype->name)) tensor->dtype = dtype;
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

// A string, a number of any kind, true, false or null, whatever it says.
static bool dlc_json_skip_scalar(struct dlc_json *j) {
    struct dlc_span text;
    dlc_json_space(j);
    if (j->at < j->end && *j->at == '"') return dlc_json_string(j, &text);
    if (dlc_json_take_word(j, "true") || dlc_json_take_word(j, "false") || dlc_json_take_word(j, "null")) return true;
    dlc_json_take(j, '-');
    const char *start = j->at;
    if (!dlc_json_digits(j) || (*start == '0' && j->at - start > 1)) return dlc_json_fail(j, "a value expected");
    if (j->at < j->end && *j->at == '.' && (j->at++, !dlc_json_digits(j))) return dlc_json_fail(j, "a digit expected");
    if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
        j->at++;
        if (j->at < j->end && (*j->at == '+' || *j->at == '-')) j->at++;
        if (!dlc_json_digits(j)) return dlc_json_fail(j, "a digit expected");
    }
    return true;
}

static bool dlc_json_key(struct dlc_json *j, struct dlc_span *key) {
    return dlc_json_string(j, key) && dlc_json_want(j, ':', ": expected");
}

// Any value: other programs may say more of a tensor than we ask.
static bool dlc_json_skip(struct dlc_json *j) {
    char close[DLC_JSON_DEPTH] = ""; // what ends each list and object that is open
    int depth = 0;
    struct dlc_span key;
    do {
        bool object = dlc_json_take(j, '{');
        if (object || dlc_json_take(j, '[')) {
            if (depth == DLC_JSON_DEPTH) return dlc_json_fail(j, "a value that is nested too deeply");
            close[depth++] = object ? '}' : ']';
            if (!dlc_json_take(j, close[depth - 1])) {
                if (object && !dlc_json_key(j, &key)) return false;
                continue;
            }
            depth--;
        } else if (!dlc_json_skip_scalar(j)) {
            return false;
        }
        while (depth && !dlc_json_take(j, ',')) // a value has ended, and perhaps what it stands in
            if (!dlc_json_want(j, close[--depth], "a comma or the end of a list or object expected")) return false;
        if (depth && close[depth - 1] == '}' && !dlc_json_key(j, &key)) return false;
    } while (depth);
    return true;
}

// What belongs to a key of a tensor.
static bool dlc_json_property(struct dlc_json *j, struct dlc_file_tensor *tensor, unsigned bit) {
    if (bit == 1) return dlc_json_dtype(j, tensor);
    if (bit == 2) return dlc_json_shape(j, tensor);
    return bit == 4 ? dlc_json_offsets(j, tensor) : dlc_json_skip(j);
}

// {"dtype": ..., "shape": ..., "data_offsets": ...} in any order, among other keys.
static bool dlc_json_tensor(struct dlc_json *j, struct dlc_file_tensor *tensor) {
    unsigned seen = 0;
    if (dlc_json_take(j, '[')) // the library takes a list of the three, too
        return dlc_json_dtype(j, tensor) && dlc_json_want(j, ',', "a comma expected") && dlc_json_shape(j, tensor) &&
               dlc_json_want(j, ',', "a comma expected") && dlc_json_offsets(j, tensor) &&
               dlc_json_want(j, ']', "] expected");
    if (!dlc_json_want(j, '{', "{ expected")) return false;
    do {
        struct dlc_span key;
        if (!dlc_json_key(j, &key)) return false;
        unsigned bit = dlc_is(&key, "dtype") ? 1 : dlc_is(&key, "shape") ? 2 : dlc_is(&key, "data_offsets") ? 4 : 0;
        if (seen & bit) return dlc_json_fail(j, "a key that stands twice");
        seen |= bit;
        if (!dlc_json_property(j, tensor, bit)) return false;
    } while (dlc_json_take(j, ','));
    if (!dlc_json_want(j, '}', "a comma or } expected")) return false;
    return seen == 7 || dlc_json_fail(j, "a tensor without dtype, shape or data_offsets");
}

static bool dlc_json_pair(struct dlc_json *j, struct dlc_span *key, struct dlc_span *value) {
    return dlc_json_key(j, key) && dlc_json_string(j, value);
}

DLC_API bool dlc_json_next_pair(struct dlc_json *j, struct dlc_span *key, struct dlc_span *value) {
    if (!j->metadata) return false;
    j->at = j->metadata;
    bool ok = dlc_json_pair(j, key, value); // it was read before
    j->metadata = dlc_json_take(j, ',') ? j->at : NULL;
    return ok;
}

// {"key": "text", ...} or null: read for its form, and once more by dlc_json_next_pair.
static bool dlc_json_metadata(struct dlc_json *j) {
    char *names = j->names;
    struct dlc_span key, value;
    if (dlc_json_take_word(j, "null")) return true;
    if (!dlc_json_want(j, '{', "{ expected")) return false;
    if (dlc_json_take(j, '}')) return true;
    j->metadata = j->at;
    do {
        if (!dlc_json_pair(j, &key, &value)) return false;
        j->names = names;
        j->pairs++;
    } while (dlc_json_take(j, ','));
    return dlc_json_want(j, '}', "a comma or } expected");
}

static struct dlc_file_tensor *dlc_json_new_tensor(struct dlc_json *j) {
    const size_t size = sizeof *j->tensor;
    if (j->count == j->room) {
        size_t room = j->room ? 2 * j->room : 64;
        void *more = room > SIZE_MAX / size ? NULL : realloc(j->tensor, room * size);
        if (!more) return dlc_json_fail(j, "more tensors than there is memory for"), (struct dlc_file_tensor *)NULL;
        j->tensor = (struct dlc_file_tensor *)more;
        j->room = room;
    }
    return (struct dlc_file_tensor *)memset(&j->tensor[j->count++], 0, size);
}

static bool dlc_json_header(struct dlc_json *j) {
    bool metadata = false;
    if (!dlc_json_want(j, '{', "{ expected")) return false;
    bool more = !dlc_json_take(j, '}');
    while (more) {
        struct dlc_span name;
        if (!dlc_json_key(j, &name)) return false;
        if (dlc_is(&name, "__metadata__")) {
            if (metadata) return dlc_json_fail(j, "a key that stands twice");
            metadata = true;
            if (!dlc_json_metadata(j)) return false;
        } else {
            struct dlc_file_tensor *tensor = dlc_json_new_tensor(j);
            if (!tensor) return false;
            tensor->name = name;
            if (!dlc_json_tensor(j, tensor)) return false;
        }
        more = dlc_json_take(j, ',');
        if (!more && !dlc_json_want(j, '}', "a comma or } expected")) return false;
    }
    dlc_json_space(j);
    return j->at == j->end || dlc_json_fail(j, "text after the last }");
}

// ---- a file as a whole --------------------------------------------------------------------------------------------

static int dlc_by_offset(const void *a, const void *b) {
    const struct dlc_file_tensor *x = (const struct dlc_file_tensor *)a, *y = (const struct dlc_file_tensor *)b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

// Every tensor has the bytes that its type asks for, and together they are the data, each byte once.
static const char *dlc_check_offsets(struct dlc_json *j, const uint64_t *data_bytes,
                                     const struct dlc_file_tensor **at) {
    uint64_t next = 0;
    if (j->count) qsort(j->tensor, j->count, sizeof *j->tensor, dlc_by_offset);
    for (size_t i = 0; i < j->count; i++) {
        const struct dlc_file_tensor *t = *at = &j->tensor[i];
        uint64_t bits = (uint64_t)t->dtype->bits;
        if (t->begin > t->end || (data_bytes && t->end > *data_bytes)) return "its data lies outside the file";
        if (t->count > UINT64_MAX / bits || t->count * bits % 8 || t->count * bits / 8 != t->end - t->begin)
            return "dtype and shape ask for another number of bytes";
        if (t->begin != next)
            return t->begin < next ? "its data overlaps another tensor's" : "a gap lies before its data";
        next = t->end;
    }
    *at = NULL;
    return data_bytes && next != *data_bytes ? "data that belongs to no tensor" : NULL;
}

DLC_API int dlc_refuse_file(struct dlc_net *net, const struct dlc_file *file, const char *wrong,
                            const struct dlc_file_tensor *tensor) {
    struct dlc_text t = dlc_text_at(net->error, 0);
    dlc_put(&t, "%s: not a .safetensors file: ", file->what);
    if (tensor) dlc_put(&t, "%n: ", &tensor->name);
    dlc_put(&t, "%s", wrong);
    if (file->header.wrong == wrong) dlc_put(&t, " at byte %u", 8 + (uint64_t)(file->header.at - file->header.start));
    return DLC_EFORMAT;
}

// What torch.save writes is a zip archive or, from before 2020, a pickle.
static bool dlc_is_torch_save(const unsigned char *bytes) {
    return !memcmp(bytes, "PK\3\4", 4) || (bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5);
}

DLC_API int dlc_refuse_length(struct dlc_net *net, const struct dlc_file *file, const unsigned char *bytes,
                              const char *wrong) {
    if (!dlc_is_torch_save(bytes)) return dlc_refuse_file(net, file, wrong, NULL);
    return dlc_fail(net, DLC_EFORMAT,
                    "%s: not a .safetensors file, but one of torch.save; these lines of Python convert it (of a "
                    "checkpoint, take the part that is the state_dict):\n"
                    "  import torch, safetensors.torch; d = torch.load(\"net.pt\", \"cpu\", weights_only=True)\n"
                    "  safetensors.torch.save_file({k: v.contiguous().clone() for k, v in d.items()}, "
                    "\"net.safetensors\")",
                    file->what);
}

DLC_API int dlc_file_header(const struct dlc_file *file, struct dlc_net *net, const unsigned char *bytes, size_t size,
                            size_t *header_bytes) {
    uint64_t header = size < 8 ? 0 : dlc_get_le(bytes, 8);
    *header_bytes = (size_t)header;
    if (size < 8) return dlc_refuse_file(net, file, "it is shorter than 8 bytes", NULL);
    if (header <= DLC_HEADER_MAX) return DLC_OK;
    return dlc_refuse_length(net, file, bytes, "a header of more than 100,000,000 bytes");
}

DLC_API void dlc_file_start(struct dlc_file *file, const char *what) {
    memset(file, 0, sizeof *file);
    file->what = what;
}

DLC_API void dlc_file_close(struct dlc_file *file) {
    free(file->header.tensor);
    dlc_names_close(&file->names);
}

DLC_API int dlc_file_open(struct dlc_file *file, struct dlc_net *net, const char *header, size_t header_bytes,
                          const uint64_t *data_bytes) {
    struct dlc_json *j = &file->header;
    const struct dlc_file_tensor *at = NULL;
    j->names = file->names.text = (char *)malloc(header_bytes + 1);
    file->names.text_bytes = header_bytes + 1;
    if (!j->names) return dlc_fail(net, DLC_EIO, "%s: out of memory", file->what);
    j->start = j->at = header;
    j->end = header + header_bytes;
    if (!dlc_json_utf8(j) || !dlc_json_header(j)) return dlc_refuse_file(net, file, j->wrong, NULL);
    j->count = dlc_names_unique(j->tensor, j->count, sizeof *j->tensor);
    const char *wrong = dlc_check_offsets(j, data_bytes, &at);
    if (wrong) return dlc_refuse_file(net, file, wrong, at);
    return dlc_names_open(file) ? DLC_OK : dlc_fail(net, DLC_EIO, "%s: out of memory", file->what);
}
#endif
