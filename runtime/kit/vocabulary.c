// vocabulary.c: numbers for the words or characters of a text, and a file that keeps them:
//     kit-vocabulary 1 words 4      the version of the format, what a token is, how many there are
//     <unk>                         token 0
//     the                           token 1: a line each, in UTF-8
//     ,
//     C\x5cD                        bytes up to space, the backslash, 0x7f and what is not UTF-8 are two hex digits
// No text is cut into a token <unk>, so that it never stands for itself.
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "kit.h"
#include "tokens.h"

typedef struct Token {
    const char *at; // in the text that is counted, later in `pool`; a 0 follows it there
    size_t bytes;
    int64_t times; // how often it occurs
} Token;

struct kit_vocabulary {
    enum kit_token_kind kind;
    int32_t count, room;
    Token *token;  // (room)
    int32_t slots; // a power of two, at least 2 * room
    int32_t *slot; // (slots): tokens by their hash, with linear probing; -1: free
    char *pool;
};

static const char unknown[] = "<unk>";
static const char *const kinds[] = {[KIT_CHARACTERS] = "characters", [KIT_WORDS] = "words"};

// ---- the table ------------------------------------------------------------------------------------------------------

// The slot of these bytes, or the free one where they belong. FNV-1a (Fowler, Noll, Vo).
static int32_t *slot_of(const struct kit_vocabulary *v, const char *text, size_t bytes) {
    uint64_t hash = 0xCBF29CE484222325;
    for (size_t k = 0; k < bytes; k++) hash = (hash ^ (uint8_t)text[k]) * 0x100000001B3;
    for (uint32_t k = (uint32_t)(hash ^ hash >> 32);; k++) {
        int32_t *slot = &v->slot[k & (uint32_t)(v->slots - 1)];
        if (*slot < 0 || (v->token[*slot].bytes == bytes && !memcmp(v->token[*slot].at, text, bytes))) return slot;
    }
}

static void fill_slots(struct kit_vocabulary *v) {
    for (int32_t k = 0; k < v->slots; k++) v->slot[k] = -1;
    for (int32_t k = 0; k < v->count; k++) *slot_of(v, v->token[k].at, v->token[k].bytes) = k;
}

static int grow(struct kit_vocabulary *v, char *error) {
    int32_t room = v->room ? 2 * v->room : 256;
    Token *token = realloc(v->token, sizeof *token * (size_t)room);
    if (token) v->token = token;
    int32_t *slot = token ? realloc(v->slot, sizeof *slot * (size_t)room * 2) : NULL;
    if (!slot) return kit_fail(error, KIT_ENOMEM, "no memory for a vocabulary of %d tokens", (int)room);
    v->slot = slot;
    v->room = room, v->slots = 2 * room;
    fill_slots(v);
    return KIT_OK;
}

// Adds a token that is not there yet.
static int add(struct kit_vocabulary *v, const char *text, size_t bytes, char *error) {
    if (v->count == KIT_MAX_TOKENS)
        return kit_fail(error, KIT_EVALUE, "more than %d different tokens", (int)KIT_MAX_TOKENS);
    int status = v->count == v->room ? grow(v, error) : KIT_OK;
    if (status) return status;
    *slot_of(v, text, bytes) = v->count;
    v->token[v->count++] = (Token){text, bytes, 1};
    return KIT_OK;
}

static int new_vocabulary(struct kit_vocabulary **vocabulary, enum kit_token_kind kind, char *error) {
    struct kit_vocabulary *v = *vocabulary = calloc(1, sizeof *v);
    if (!v) return kit_fail(error, KIT_ENOMEM, "no memory for a vocabulary");
    v->kind = kind;
    return KIT_OK;
}

void kit_vocabulary_free(struct kit_vocabulary *v) {
    if (!v) return;
    free(v->token);
    free(v->slot);
    free(v->pool);
    free(v);
}

// ---- from a text ----------------------------------------------------------------------------------------------------

static int count_tokens(struct kit_vocabulary *v, const char *text, size_t bytes, char *error) {
    int status = add(v, unknown, sizeof unknown - 1, error);
    for (size_t at = 0, len; !status && (len = kit_next_token(v->kind, text, bytes, &at)); at += len) {
        int32_t known = *slot_of(v, text + at, len);
        if (known >= 0)
            v->token[known].times++;
        else
            status = add(v, text + at, len, error);
    }
    return status;
}

// The more frequent first, then by bytes.
static int by_frequency(const void *a, const void *b) {
    const Token *x = a, *y = b;
    if (x->times != y->times) return x->times > y->times ? -1 : 1;
    int order = memcmp(x->at, y->at, x->bytes < y->bytes ? x->bytes : y->bytes);
    return order ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

// Copies the tokens, so that the text may go.
static int copy_tokens(struct kit_vocabulary *v, char *error) {
    size_t total = 0;
    for (int32_t k = 0; k < v->count; k++) total += v->token[k].bytes + 1;
    if (!(v->pool = malloc(total))) return kit_fail(error, KIT_ENOMEM, "no memory for tokens of %zu bytes", total);
    char *to = v->pool;
    for (int32_t k = 0; k < v->count; k++) {
        Token *t = &v->token[k];
        memcpy(to, t->at, t->bytes);
        t->at = to;
        to += t->bytes;
        *to++ = 0;
    }
    fill_slots(v);
    return KIT_OK;
}

static int choose_tokens(struct kit_vocabulary *v, int32_t limit, int64_t least, char *error) {
    qsort(v->token + 1, (size_t)v->count - 1, sizeof *v->token, by_frequency);
    if (limit && v->count > limit) v->count = limit;
    while (v->count > 1 && v->token[v->count - 1].times < least) v->count--;
    if (v->count <= 1)
        return kit_fail(error, KIT_EVALUE, "the text has no token that occurs %lld times", (long long)least);
    return copy_tokens(v, error);
}

int kit_vocabulary_build(struct kit_vocabulary **vocabulary, enum kit_token_kind kind, const char *text, size_t bytes,
                         int32_t limit, int64_t least, char *error) {
    *vocabulary = NULL;
    if (kind != KIT_CHARACTERS && kind != KIT_WORDS)
        return kit_fail(error, KIT_EVALUE, "kind of tokens %d: KIT_CHARACTERS or KIT_WORDS", (int)kind);
    if (limit < 0 || limit == 1 || limit > KIT_MAX_TOKENS)
        return kit_fail(error, KIT_EVALUE, "limit %d: it is 2 to %d tokens, %s among them, or 0 for all", (int)limit,
                        (int)KIT_MAX_TOKENS, unknown);
    int status = new_vocabulary(vocabulary, kind, error);
    if (!status) status = count_tokens(*vocabulary, text, bytes, error);
    if (!status) status = choose_tokens(*vocabulary, limit, least < 1 ? 1 : least, error);
    if (status) kit_vocabulary_free(*vocabulary), *vocabulary = NULL;
    return status;
}

// ---- text to tokens and back ----------------------------------------------------------------------------------------

int32_t kit_vocabulary_count(const struct kit_vocabulary *v) { return v->count; }

enum kit_token_kind kit_vocabulary_kind(const struct kit_vocabulary *v) { return v->kind; }

const char *kit_vocabulary_token(const struct kit_vocabulary *v, int32_t id, size_t *bytes) {
    bool known = id >= 0 && id < v->count;
    if (bytes) *bytes = known ? v->token[id].bytes : 0;
    return known ? v->token[id].at : NULL;
}

int32_t kit_vocabulary_find(const struct kit_vocabulary *v, const char *token, size_t bytes) {
    int32_t id = *slot_of(v, token, bytes);
    return id < 0 ? 0 : id;
}

int kit_vocabulary_encode(const struct kit_vocabulary *v, const char *text, size_t bytes, int32_t **id, size_t *count,
                          char *error) {
    size_t n = 0;
    for (size_t at = 0, len; (len = kit_next_token(v->kind, text, bytes, &at)); at += len) n++;
    *count = 0;
    *id = n < SIZE_MAX / sizeof **id ? malloc(sizeof **id * (n + 1)) : NULL;
    if (!*id) return kit_fail(error, KIT_ENOMEM, "no memory for %zu tokens", n);
    for (size_t at = 0, len; (len = kit_next_token(v->kind, text, bytes, &at)); at += len)
        (*id)[(*count)++] = kit_vocabulary_find(v, text + at, len);
    return KIT_OK;
}

// Writes the text and returns how many bytes it has; to: NULL only counts them.
static size_t join(const struct kit_vocabulary *v, const int32_t *id, size_t count, char *to) {
    size_t len = 0;
    for (size_t k = 0; k < count; k++) {
        const Token *t = &v->token[id[k]], *before = k ? &v->token[id[k - 1]] : NULL;
        if (before && v->kind == KIT_WORDS && kit_is_spaced(before->at, before->bytes, t->at, t->bytes)) {
            if (to) to[len] = ' ';
            len++;
        }
        if (to) memcpy(to + len, t->at, t->bytes);
        len += t->bytes;
    }
    return len;
}

int kit_vocabulary_decode(const struct kit_vocabulary *v, const int32_t *id, size_t count, char **text, size_t *bytes,
                          char *error) {
    *text = NULL;
    if (bytes) *bytes = 0;
    for (size_t k = 0; k < count; k++)
        if (id[k] < 0 || id[k] >= v->count)
            return kit_fail(error, KIT_EVALUE, "token %d at index %zu; tokens are 0 to %d", (int)id[k], k,
                            (int)v->count - 1);
    size_t len = join(v, id, count, NULL);
    if (!(*text = malloc(len + 1))) return kit_fail(error, KIT_ENOMEM, "no memory for a text of %zu bytes", len);
    join(v, id, count, *text);
    (*text)[len] = 0;
    if (bytes) *bytes = len;
    return KIT_OK;
}

// ---- the file -------------------------------------------------------------------------------------------------------

static const char header[] = "kit-vocabulary 1 %s %d";

// Whether a character is written as it is; else each of its bytes is an escape.
static bool is_plain(const char *text, size_t bytes) {
    uint8_t byte = (uint8_t)*text;
    return bytes > 1 || (byte > ' ' && byte < 0x7F && byte != '\\');
}

int kit_vocabulary_write(const struct kit_vocabulary *v, const char *path, char *error) {
    struct kit_file file;
    int status = kit_file_open(&file, path, error);
    if (status) return status;
    fprintf(file.out, header, kinds[v->kind], (int)v->count);
    fputc('\n', file.out);
    for (int32_t k = 0; k < v->count; k++) {
        const Token *t = &v->token[k];
        for (size_t at = 0, used; at < t->bytes; at += used) {
            used = kit_character_bytes(t->at + at, t->bytes - at);
            if (is_plain(t->at + at, used))
                fwrite(t->at + at, 1, used, file.out);
            else
                fprintf(file.out, "\\x%02x", (uint8_t)t->at[at]);
        }
        fputc('\n', file.out);
    }
    return kit_file_close(&file, error);
}

typedef struct Reader {
    const char *path;
    char *error;
    char *at, *end; // what is left of the file; it is changed where it is read
    int line;
} Reader;

// The next line, its line feed replaced by 0; the line's bytes in *bytes.
static int next_line(Reader *r, char **line, size_t *bytes) {
    char *feed = memchr(r->at, '\n', (size_t)(r->end - r->at));
    r->line++;
    if (!feed) return kit_fail(r->error, KIT_EFORMAT, "%s:%d: the file ends within this line", r->path, r->line);
    *line = r->at, *bytes = (size_t)(feed - r->at);
    *feed = 0;
    r->at = feed + 1;
    return KIT_OK;
}

static int hex_digit(char c) {
    static const char digits[] = "0123456789abcdef";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

// Replaces the escapes of a line, which only shortens it. The 0 behind the line ends an escape that is cut off.
static int unescape(Reader *r, char *line, size_t *bytes) {
    size_t len = 0;
    for (size_t at = 0, used; at < *bytes; at += used) {
        used = kit_character_bytes(line + at, *bytes - at);
        if (line[at] == '\\') {
            int upper = line[at + 1] == 'x' ? hex_digit(line[at + 2]) : -1;
            int lower = upper >= 0 ? hex_digit(line[at + 3]) : -1;
            if (lower < 0)
                return kit_fail(r->error, KIT_EFORMAT,
                                "%s:%d: a backslash without x and two digits (0-9, a-f) after it", r->path, r->line);
            line[len++] = (char)(upper * 16 + lower);
            used = 4;
        } else if (!is_plain(line + at, used)) {
            return kit_fail(r->error, KIT_EFORMAT, "%s:%d: the byte 0x%02x, which would be written as \\x%02x", r->path,
                            r->line, (uint8_t)line[at], (uint8_t)line[at]);
        } else {
            memmove(line + len, line + at, used);
            len += used;
        }
    }
    line[len] = 0;
    *bytes = len;
    return KIT_OK;
}

static int read_header(Reader *r, enum kit_token_kind *kind, int32_t *count) {
    char *line, kind_name[16], same[80];
    size_t bytes;
    int tokens = 0, status = next_line(r, &line, &bytes);
    if (status) return status;
    if (sscanf(line, "kit-vocabulary 1 %15s %9d", kind_name, &tokens) == 2 && tokens >= 1 && tokens <= KIT_MAX_TOKENS) {
        snprintf(same, sizeof same, header, kind_name, tokens);
        for (*kind = KIT_CHARACTERS; *kind <= KIT_WORDS; (*kind)++)
            if (bytes == strlen(same) && !strcmp(line, same) && !strcmp(kind_name, kinds[*kind]))
                return *count = tokens, KIT_OK;
    }
    return kit_fail(
        r->error, KIT_EFORMAT,
        "%s:1: not a vocabulary: a line like \"kit-vocabulary 1 words 5000\" with characters or words, and 1 "
        "to %d tokens, comes first",
        r->path, (int)KIT_MAX_TOKENS);
}

static int read_token(Reader *r, struct kit_vocabulary *v) {
    char *line;
    size_t bytes, at = 0;
    int status = next_line(r, &line, &bytes);
    if (!status) status = unescape(r, line, &bytes);
    if (status) return status;
    bool is_unknown = bytes == sizeof unknown - 1 && !memcmp(line, unknown, bytes);
    if (v->count == 0 && !is_unknown)
        return kit_fail(r->error, KIT_EFORMAT, "%s:%d: token 0 is %s", r->path, r->line, unknown);
    int32_t known = v->count ? *slot_of(v, line, bytes) : -1;
    if (known >= 0)
        return kit_fail(r->error, KIT_EFORMAT, "%s:%d: the token of line %d once more", r->path, r->line,
                        (int)known + 2);
    if (!is_unknown && (!bytes || kit_next_token(v->kind, line, bytes, &at) != bytes))
        return kit_fail(r->error, KIT_EFORMAT, "%s:%d: not one token of kind %s", r->path, r->line, kinds[v->kind]);
    return add(v, line, bytes, r->error);
}

static int read_all(Reader *r, struct kit_vocabulary **vocabulary, char *text) {
    enum kit_token_kind kind = KIT_WORDS;
    int32_t count = 0;
    int status = read_header(r, &kind, &count);
    if (!status) status = new_vocabulary(vocabulary, kind, r->error);
    if (status) return free(text), status;
    (*vocabulary)->pool = text;
    while (!status && (*vocabulary)->count < count) {
        if (r->at == r->end)
            return kit_fail(r->error, KIT_EFORMAT, "%s:%d: the file ends after %d of %d tokens", r->path, r->line + 1,
                            (int)(*vocabulary)->count, (int)count);
        status = read_token(r, *vocabulary);
    }
    if (!status && r->at != r->end)
        return kit_fail(r->error, KIT_EFORMAT, "%s:%d: more lines than the %d tokens of line 1", r->path, r->line + 1,
                        (int)count);
    return status;
}

int kit_vocabulary_read(struct kit_vocabulary **vocabulary, const char *path, char *error) {
    *vocabulary = NULL;
    char *text;
    size_t bytes;
    int status = kit_text_read(&text, &bytes, path, error);
    if (status) return status;
    Reader r = {path, error, text, text + bytes, 0};
    status = read_all(&r, vocabulary, text);
    if (status) kit_vocabulary_free(*vocabulary), *vocabulary = NULL;
    return status;
}
