// names.c: makes C identifiers, comments and string literals of the user's names and texts.
//
//     "blocks.0.attn.q"  ->  blocks_0_attn_q        "class"  ->  class_        a second "h"  ->  h_2
//
// Users' names never reach the C unchecked: a name may be a keyword of C or of C++ (the header is both), and a comment
// may end in a backslash, which would swallow the next line.
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "emit/parts.h"

// Keywords, and macros that the headers we include (or gnu11 itself) define as plain words.
static const char reserved[] =
    " alignas alignof and and_eq asm auto bitand bitor bool break case catch char class compl concept const constexpr "
    "const_cast continue co_await co_return co_yield decltype default delete do double dynamic_cast else enum explicit "
    "export extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq nullptr "
    "operator or or_eq private protected public register reinterpret_cast requires restrict return short signed sizeof "
    "static static_assert static_cast struct switch template this thread_local throw true try typedef typeid typename "
    "typeof union unsigned using virtual void volatile wchar_t while xor xor_eq "
    "i386 linux unix errno stdin stdout stderr main EOF NULL NAN INFINITY HUGE_VAL M_PI M_E ";

bool names_reserved(const char *name) {
    size_t len = strlen(name);
    for (const char *at = reserved; len && (at = strstr(at, name)); at++)
        if (at > reserved && at[-1] == ' ' && at[len] == ' ') return true;
    return false;
}

// Headers of C, and all others that these, the emitted C or the runtime include.
static const char headers[] =
    " assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic "
    "stdbool stdbit stdckdint stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype "
    "alloca arm_neon endian fcntl features immintrin malloc omp pthread sched strings unistd zconf zlib "
    "dlc dlc_math dlc_parts dlc_vec kit ";

bool names_header(const char *name) {
    size_t len = strlen(name);
    for (const char *at = headers + 1; *at; at += strcspn(at, " ") + 1)
        if (strcspn(at, " ") == len && !strncasecmp(at, name, len)) return true; // some file systems ignore case
    return false;
}

static bool begins(const char *name, const char *with) { return !strncmp(name, with, strlen(with)); }

// Words of the headers that the C and its users include, by their families: types (size_t), limits (INT32_MAX, M_PI,
// FP_NAN), fields that are macros (st_atime), and errno.h's codes (E and capitals: EIO).
static bool is_of_headers(const char *name) {
    static const char *const families[] = {"INT",    "UINT",     "SIZE_", "PTRDIFF_", "SIG_",     "WCHAR_", "WINT_",
                                           "M_",     "FP_",      "MATH_", "SEEK_",    "HUGE_VAL", "O_",     "S_",
                                           "F_",     "L_",       "R_",    "W_",       "X_",       "AT_",    "EXIT",
                                           "FOPEN_", "FILENAME", "TMP_",  "RAND",     "BUF",      "st_"};
    size_t len = strlen(name);
    if (len > 2 && !strcmp(name + len - 2, "_t")) return true;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (begins(name, families[i])) return true;
    return *name == 'E' && len > 2 && strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") == len;
}

const char *names_identifier(Arena *arena, const char *text) {
    if (!*text) return "x";
    char *name = arena_printf(arena, "%s%s", isdigit((unsigned char)*text) ? "x" : "", text);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) || (unsigned char)*c > 127) *c = '_';
    // C reserves names with a leading underscore; those with dlc_ are dlc's own.
    if (*name == '_' || begins(name, "dlc_") || begins(name, "DLC_")) name = arena_printf(arena, "x%s", name);
    return names_reserved(name) || is_of_headers(name) ? arena_printf(arena, "%s_", name) : name;
}

// The slot of a name, or the free one where it belongs.
static int *names_slot(const Names *names, const char *name) {
    uint32_t hash = text_hash(name);
    int at = (int)(hash & (uint32_t)(names->nslots - 1));
    while (names->slots[at] && strcmp(names->at.at[names->slots[at] - 1].text, name))
        at = (at + 1) & (names->nslots - 1);
    return &names->slots[at];
}

// Hashes the names that were added to the list since the last call, then looks the name up.
int names_find(Names *names, const char *name) {
    if (2 * names->at.len + 2 > names->nslots) {
        names->nslots = names->nslots ? names->nslots : 32;
        while (2 * names->at.len + 2 > names->nslots) names->nslots *= 2;
        names->slots = NEW_ARRAY(names->arena, int, names->nslots);
        names->hashed = 0;
    }
    for (; names->hashed < names->at.len; names->hashed++) {
        int *slot = names_slot(names, names->at.at[names->hashed].text);
        if (!*slot) *slot = names->hashed + 1; // the first of equal names
    }
    return *names_slot(names, name) - 1;
}

void names_add(Names *names, const char *name) {
    if (names_find(names, name) < 0) vec_push(names->arena, &names->at, (Name){name, 2});
}

const char *names_take(Names *names, const char *wanted) {
    const char *name = names_identifier(names->arena, wanted);
    if (names->macros && begins(name, names->macros)) name = arena_printf(names->arena, "x%s", name);
    int first = names_find(names, name);
    for (const char *base = name; first >= 0 && names_find(names, name) >= 0;)
        name = arena_printf(names->arena, "%s_%d", base, names->at.at[first].next++);
    vec_push(names->arena, &names->at, (Name){name, 2});
    return name;
}

const char *names_upper(Arena *arena, const char *name) {
    char *upper = arena_strdup(arena, name);
    for (char *c = upper; *c; c++) *c = (char)toupper((unsigned char)*c);
    return upper;
}

const char *names_macros(Arena *arena, const char *prefix) {
    return arena_printf(arena, "%s_", names_upper(arena, prefix));
}

// ---- reading C ----------------------------------------------------------------------------------------------------

// Returns the offset after a comment or literal that starts at `at`, or `at` when none does.
static size_t skip_comment_or_literal(const char *text, size_t at) {
    if (text[at] == '/' && text[at + 1] == '/') return at + strcspn(text + at, "\n");
    if (text[at] == '/' && text[at + 1] == '*') {
        const char *end = strstr(text + at + 2, "*/");
        return end ? (size_t)(end - text) + 2 : at + strlen(text + at);
    }
    if (text[at] != '"' && text[at] != '\'') return at;
    size_t end = at + 1;
    while (text[end] && text[end] != text[at]) end += text[end] == '\\' && text[end + 1] ? 2 : 1;
    return text[end] ? end + 1 : end;
}

// Next identifier of `text` at or after *at, outside comments and literals; false at the end. *at moves after it.
static bool next_identifier(const char *text, size_t *at, size_t *start, size_t *len) {
    size_t i = *at;
    while (text[i]) {
        size_t skipped = skip_comment_or_literal(text, i);
        if (skipped != i) {
            i = skipped;
            continue;
        }
        size_t end = i;
        while (isalnum((unsigned char)text[end]) || text[end] == '_') end++;
        if (end == i) {
            i++;
            continue;
        }
        *start = i, *len = end - i, *at = end;
        if (!isdigit((unsigned char)text[i])) return true;
        i = end; // a number with its suffix: 1e5f
    }
    *at = i;
    return false;
}

Names text_identifiers(Arena *arena, const char *text) {
    Names names = {.arena = arena};
    Str name = str_new(arena);
    size_t at = 0, start, len;
    while (next_identifier(text, &at, &start, &len)) {
        name.len = 0;
        str_putn(&name, text + start, len);
        if (names_find(&names, str_text(&name)) < 0) names_add(&names, arena_strdup(arena, str_text(&name)));
    }
    return names;
}

// ---- comments and strings -----------------------------------------------------------------------------------------

void put_comment_text(Str *s, const char *text) {
    for (const char *c = text; *c; c++) {
        unsigned char u = (unsigned char)*c;
        bool splice = *c == '\\' && (!c[1] || c[1] == '\n');
        bool trigraph = c[0] == '?' && c[1] == '?';
        if (u < ' ' || u > 126 || splice)
            str_put(s, "?");
        else
            str_putn(s, c, 1);
        if (trigraph) str_put(s, " ");
    }
}

void put_comment_line(Str *s, const char *text) {
    str_put(s, "// ");
    put_comment_text(s, text);
    str_put(s, "\n");
}

const char *text_without_folders(Arena *arena, const Module *module, const char *text) {
    const char *name = module->source_name, *slash = strrchr(name, '/'), *found;
    if (!slash) return text;
    Str s = str_new(arena);
    for (; (found = strstr(text, name)); text = found + strlen(name)) {
        str_putn(&s, text, (size_t)(found - text));
        str_put(&s, slash + 1);
    }
    str_put(&s, text);
    return str_text(&s);
}

void put_string(Str *s, const char *text) {
    str_put(s, "\"");
    for (const char *c = text; *c; c++) {
        unsigned char u = (unsigned char)*c;
        if (*c == '"' || *c == '\\')
            str_printf(s, "\\%c", *c);
        else if (u < ' ' || u > 126 || *c == '?') // octal: a hexadecimal escape would take in what follows
            str_printf(s, "\\%03o", u);
        else
            str_putn(s, c, 1);
    }
    str_put(s, "\"");
}
