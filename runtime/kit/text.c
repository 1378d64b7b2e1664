// text.c: files of text, and how a text is cut into characters or words.
//     "Don't (ever) go."    words: Don't  (  ever  )  go  .
// UTF-8 is that of RFC 3629: the shortest form, no surrogates, up to U+10FFFF. Any other byte is a token of its own.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "kit.h"
#include "tokens.h"

// ---- files ----------------------------------------------------------------------------------------------------------

int kit_text_read(char **text, size_t *bytes, const char *path, char *error) {
    *text = NULL, *bytes = 0;
    FILE *in = fopen(path, "rb");
    if (!in) return kit_fail(error, KIT_EIO, "%s: %s", path, strerror(errno));
    size_t len = 0, room = 1 << 16;
    char *all = malloc(room);
    errno = 0;
    while (all) {
        len += fread(all + len, 1, room - 1 - len, in);
        if (len < room - 1) break;
        char *grown = room < SIZE_MAX / 2 ? realloc(all, room *= 2) : NULL;
        if (!grown) free(all);
        all = grown;
    }
    int status = !all ? kit_fail(error, KIT_ENOMEM, "%s: no memory for a text of more than %zu bytes", path, len)
                 : ferror(in) ? kit_fail(error, KIT_EIO, "%s: %s", path, errno ? strerror(errno) : "cannot be read")
                              : KIT_OK;
    fclose(in);
    if (status) return free(all), status;
    all[len] = 0;
    *text = all, *bytes = len;
    return KIT_OK;
}

// ---- characters -----------------------------------------------------------------------------------------------------

enum { INVALID = 0x110000 };

// The first character, and in *used its bytes; INVALID and 1 for a byte that begins none.
static uint32_t first_character(const char *text, size_t bytes, size_t *used) {
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    uint8_t lead = (uint8_t)*text;
    *used = 1;
    if (lead < 0x80) return lead;
    size_t n = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    if (lead < 0xC0 || lead > 0xF4 || n > bytes) return INVALID;
    uint32_t code = lead & (0x7Fu >> n);
    for (size_t k = 1; k < n; k++) {
        uint8_t next = (uint8_t)text[k];
        if (next >> 6 != 2) return INVALID;
        code = code << 6 | (next & 0x3Fu);
    }
    if (code < least[n] || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return INVALID;
    *used = n;
    return code;
}

size_t kit_character_bytes(const char *text, size_t bytes) {
    size_t used;
    first_character(text, bytes, &used);
    return used;
}

// ---- words ----------------------------------------------------------------------------------------------------------

typedef enum Class { SPACE, WORD, MARK } Class;

// White space beyond ASCII (White_Space of the Unicode Character Database), then punctuation and signs: Latin-1,
// General Punctuation, currencies, arrows to symbols, CJK punctuation, full-width forms, emoji.
static const struct {
    uint32_t first, last;
    Class class;
} ranges[] = {
    {0x85, 0x85, SPACE},     {0xA0, 0xA0, SPACE},      {0x1680, 0x1680, SPACE},  {0x2000, 0x200A, SPACE},
    {0x2028, 0x2029, SPACE}, {0x202F, 0x202F, SPACE},  {0x205F, 0x205F, SPACE},  {0x3000, 0x3000, SPACE},
    {0x80, 0xA9, MARK},      {0xAB, 0xB1, MARK},       {0xB4, 0xB4, MARK},       {0xB6, 0xB8, MARK},
    {0xBB, 0xBB, MARK},      {0xBF, 0xBF, MARK},       {0xD7, 0xD7, MARK},       {0xF7, 0xF7, MARK},
    {0x2010, 0x205E, MARK},  {0x20A0, 0x20CF, MARK},   {0x2190, 0x2BFF, MARK},   {0x3001, 0x3003, MARK},
    {0x3008, 0x3020, MARK},  {0xFF01, 0xFF0F, MARK},   {0xFF1A, 0xFF20, MARK},   {0xFF3B, 0xFF40, MARK},
    {0xFF5B, 0xFF65, MARK},  {0x1F000, 0x1FAFF, MARK}, {INVALID, INVALID, MARK},
};

static Class class_of(uint32_t code) {
    if (code < 0x80) {
        bool letter = (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
        if (letter || (code >= '0' && code <= '9') || code == '_') return WORD;
        return code == ' ' || (code >= '\t' && code <= '\r') ? SPACE : MARK;
    }
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++)
        if (code >= ranges[k].first && code <= ranges[k].last) return ranges[k].class;
    return WORD;
}

// Apostrophes and hyphens belong to a word that goes on behind them: don't, well-known.
static bool is_joint(uint32_t code) { return code == '\'' || code == '-' || code == 0x2019; }

// How many bytes the word has that the text begins with.
static size_t word_bytes(const char *text, size_t bytes) {
    size_t len = 0, used, next;
    while (len < bytes) {
        uint32_t code = first_character(text + len, bytes - len, &used);
        if (class_of(code) != WORD) {
            if (!is_joint(code) || len + used == bytes) break;
            if (class_of(first_character(text + len + used, bytes - len - used, &next)) != WORD) break;
        }
        len += used;
    }
    return len;
}

size_t kit_next_token(enum kit_token_kind kind, const char *text, size_t bytes, size_t *at) {
    for (size_t used; *at < bytes; *at += used) {
        Class class = class_of(first_character(text + *at, bytes - *at, &used));
        if (kind == KIT_CHARACTERS || class == MARK) return used;
        if (class == WORD) return word_bytes(text + *at, bytes - *at);
    }
    return 0;
}

static bool is_one_of(const char *token, size_t bytes, const uint32_t *list) {
    size_t used;
    uint32_t code = first_character(token, bytes, &used);
    while (*list && *list != code) list++;
    return *list != 0;
}

bool kit_is_spaced(const char *before, size_t before_bytes, const char *after, size_t after_bytes) {
    // With guillemets, the single and the double closing and opening quote, the ellipsis, CJK comma and full stop.
    static const uint32_t closing[] = {'.', ',',  ';',    ':',    '!',    '?',    ')',    ']', '}',
                                       '%', 0xBB, 0x2019, 0x201D, 0x2026, 0x3001, 0x3002, 0};
    static const uint32_t opening[] = {'(', '[', '{', 0xA1, 0xAB, 0xBF, 0x2018, 0x201C, 0};
    return !is_one_of(after, after_bytes, closing) && !is_one_of(before, before_bytes, opening);
}
