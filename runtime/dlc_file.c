// dlc_file.c: the header of a .safetensors file, read and checked.
//     8 bytes: length of the header, little-endian | header: JSON, padded with blanks | data
//     {"__metadata__": {"format": "pt"}, "fc1.weight": {"dtype": "F32", "shape": [256, 784], "data_offsets": [0,
//     802816]}}
// Files come from anywhere, so no number in one is believed: offsets must cover the data without gaps or overlaps,
// sizes must be those of dtype and shape.
#include "dlc_parts.h"

DLC_API const struct dlc_file_dtype *dlc_file_dtypes(void) {
    static const struct dlc_file_dtype all[] = {
        {"F32", "f32", 4, false},    {"I32", "i32", 4, true},     {"I64", "i64", 8, true},
        {"U8", "u8", 1, true},       {"BOOL", "bool", 1, true},   {"F16", "f16", 2, false},
        {"BF16", "bf16", 2, false},  {"F64", NULL, 8, false},     {"I8", "i8", 1, true},
        {"I16", NULL, 2, true},      {"U16", NULL, 2, true},      {"U32", NULL, 4, true},
        {"U64", NULL, 8, true},      {"C64", NULL, 8, false},     {"F8_E4M3", NULL, 1, false},
        {"F8_E5M2", NULL, 1, false}, {"F8_E8M0", NULL, 1, false}, {0},
    };
    return all;
}

DLC_API uint64_t dlc_get_le(const unsigned char *from, int bytes) {
    uint64_t bits = 0;
    for (int i = 0; i < bytes; i++) bits |= (uint64_t)from[i] << 8 * i;
    return bits;
}

// ---- the header: JSON ---------------------------------------------------------------------------------------------

enum { DLC_HEADER_MAX = 100000000 }; // the Python library's own limit

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

DLC_API bool dlc_is(const char *s, size_t len, const char *word) {
    return len == strlen(word) && !memcmp(s, word, len);
}

static bool dlc_json_dtype(struct dlc_json *j, struct dlc_file_tensor *tensor) {
    const char *s;
    size_t len;
    if (!dlc_json_string(j, &s, &len)) return false;
    for (const struct dlc_file_dtype *dtype = dlc_file_dtypes(); dtype->name; dtype++)
        if (dlc_is(s, len, dtype->name)) tensor->dtype = dtype;
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

DLC_API void dlc_file_close(struct dlc_file *file) {
    free(file->header.tensor);
    free(file->names);
}

DLC_API int dlc_file_open(struct dlc_file *file, struct dlc_net *net, const unsigned char *bytes, size_t size) {
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

DLC_API const struct dlc_file_tensor *dlc_file_find(const struct dlc_file *file, const char *name) {
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
