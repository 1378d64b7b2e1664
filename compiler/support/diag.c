// diag.c: errors with the source line and carets, as diag.h shows them.
//     span of `h @ w`      becomes      14 |     y = h @ w
//                                          |         ^~~~~
// Any bytes may stand in a source: tabs are expanded, what a terminal could not show is printed as one `?`, and of a
// very long line only the surroundings of the span are shown. Nothing here allocates except span_text.
#include "support/diag.h"

#include <stdlib.h>
#include <string.h>

enum {
    LIMIT = 20,         // errors printed when diag->limit is 0
    MESSAGE_MAX = 2000, // bytes of one message: names come from the user and may be megabytes long
    TAB = 4,            // columns
    EXCERPT = 100,      // columns of a source line that are shown
    CONTEXT = 40,       // of them, those before the span when the line is cut
    NEAREST_MAX = 64,   // longer names get no suggestion
};

// ---- Places

void span_locate(Span span, int *line, int *column) {
    *line = *column = 1;
    if (!span.source) return;
    const char *from = span.source->text, *end;
    const char *at = from + (span.start < span.source->len ? span.start : span.source->len);
    for (; (end = memchr(from, '\n', (size_t)(at - from))); from = end + 1) ++*line;
    *column = (int)(at - from) + 1;
}

char *span_text(Arena *arena, Span span) {
    if (!span.source) return arena_strdup(arena, "");
    int line, column;
    span_locate(span, &line, &column);
    return arena_printf(arena, "%s:%d:%d", span.source->name, line, column);
}

Span span_join(Span first, Span last) {
    if (!first.source) return last;
    if (first.source != last.source) return first;
    return (Span){first.source, first.start < last.start ? first.start : last.start,
                  first.end > last.end ? first.end : last.end};
}

// ---- The excerpt

// One printable character of a line: its bytes in the source and the columns that it takes.
typedef struct Glyph {
    int bytes, columns;
    bool shown; // false: printed as spaces (tab) or `?`
} Glyph;

// Columns of a code point in a terminal: combining marks take none, East Asian wide characters and emoji two.
// After Unicode's EastAsianWidth, its large blocks only.
static int code_columns(unsigned code) {
    if ((code >= 0x300 && code <= 0x36f) || (code >= 0x200b && code <= 0x200d) || code == 0xfe0f) return 0;
    bool wide = (code >= 0x1100 && code <= 0x115f) || (code >= 0x2e80 && code <= 0xa4cf) ||
                (code >= 0xac00 && code <= 0xd7a3) || (code >= 0xf900 && code <= 0xfaff) ||
                (code >= 0xfe30 && code <= 0xfe6f) || (code >= 0xff00 && code <= 0xff60) ||
                (code >= 0xffe0 && code <= 0xffe6) || (code >= 0x1f300 && code <= 0x1faff) ||
                (code >= 0x20000 && code <= 0x3fffd);
    return wide ? 2 : 1;
}

// Reads the character at text[0 .. len), len > 0, that starts at `column`. A byte that is not UTF-8 is one glyph.
static Glyph glyph_read(const char *text, int len, int column) {
    const unsigned char *s = (const unsigned char *)text;
    if (s[0] == '\t') return (Glyph){1, TAB - column % TAB, false};
    if (s[0] < 0x80) return (Glyph){1, 1, s[0] >= 0x20 && s[0] != 0x7f};
    int bytes = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    static const unsigned smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    if (s[0] < 0xc2 || s[0] > 0xf4 || bytes > len) return (Glyph){1, 1, false};
    unsigned code = s[0] & (0xffu >> (bytes + 1));
    for (int i = 1; i < bytes; i++) {
        if ((s[i] & 0xc0) != 0x80) return (Glyph){1, 1, false};
        code = code << 6 | (s[i] & 0x3f);
    }
    bool invalid = code < smallest[bytes] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff);
    // C1 controls, the marks that reverse the direction of text and the byte order mark would spoil the terminal.
    bool control =
        code < 0xa0 || (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
    if (invalid) return (Glyph){1, 1, false};
    if (control) return (Glyph){bytes, 1, false};
    return (Glyph){bytes, code_columns(code), true};
}

static void put_glyph(FILE *out, const char *text, Glyph g) {
    if (g.shown)
        fwrite(text, 1, (size_t)g.bytes, out);
    else if (*text == '\t')
        fprintf(out, "%*s", g.columns, "");
    else
        fputc('?', out);
}

// Columns from line[from] to line[to].
static int columns_between(const char *line, int from, int to) {
    int column = 0;
    while (from < to) {
        Glyph g = glyph_read(line + from, to - from, column);
        from += g.bytes;
        column += g.columns;
    }
    return column;
}

// Where to start showing the line so that `start` is seen: 0, or CONTEXT bytes before it at the start of a character.
static int excerpt_from(const char *line, int len, int start) {
    // Beyond so many bytes the column need not be counted: a line of 10 MB is cut anyway.
    bool fits = len <= 4 * EXCERPT && columns_between(line, 0, len) <= EXCERPT;
    if (fits || start <= CONTEXT) return 0;
    int from = start - CONTEXT;
    while (from < start && ((unsigned char)line[from] & 0xc0) == 0x80) from++;
    return from;
}

// The line's text after the gutter, then carets under [start, end), both offsets into the line.
static void print_excerpt(FILE *out, int number, const char *line, int len, int start, int end) {
    int from = excerpt_from(line, len, start);
    const char *before = from ? "..." : "";
    fprintf(out, "%5d | %s", number, before);
    int column = 0, at = from, caret = -1, under = 0;
    while (at < len && column < EXCERPT) {
        if (at >= start && caret < 0) caret = column;
        Glyph g = glyph_read(line + at, len - at, column);
        put_glyph(out, line + at, g);
        if (at >= start && at < end) under += g.columns;
        column += g.columns;
        at += g.bytes;
    }
    if (caret < 0) caret = column;
    fprintf(out, "%s\n      | %*s^", at < len ? "..." : "", caret + (int)strlen(before), "");
    for (int i = 1; i < under; i++) fputc('~', out);
    fputc('\n', out);
}

static void print_place(FILE *out, Span span) {
    const Source *source = span.source;
    int number, column;
    span_locate(span, &number, &column);
    int start = span.start < source->len ? span.start : source->len;
    const char *line = source->text + (start - (column - 1));
    const char *newline = memchr(line, '\n', (size_t)(source->len - (line - source->text)));
    int len = newline ? (int)(newline - line) : source->len - (int)(line - source->text);
    if (len && line[len - 1] == '\r') len--;
    // A span over several lines is underlined to the end of its first one.
    int end = span.end - (int)(line - source->text);
    print_excerpt(out, number, line, len, column - 1, end < len ? end : len);
}

// ---- Messages

// Prints a message with what a terminal could not show replaced.
static void print_message(FILE *out, const char *fmt, va_list args) {
    char text[MESSAGE_MAX];
    int len = vsnprintf(text, sizeof text, fmt, args);
    bool cut = len >= (int)sizeof text;
    if (cut) len = sizeof text - 1;
    for (int i = 0; i < len;) {
        Glyph g = glyph_read(text + i, len - i, 0);
        put_glyph(out, text + i, g);
        i += g.bytes;
    }
    if (cut) fputs("...", out);
}

static void print_report(Diag *diag, Span span, const char *kind, const char *fmt, va_list args) {
    int line, column;
    span_locate(span, &line, &column);
    if (span.source)
        fprintf(diag->out, "%s:%d:%d: %s: ", span.source->name, line, column, kind);
    else
        fprintf(diag->out, "dlc: %s: ", kind);
    print_message(diag->out, fmt, args);
    fputc('\n', diag->out);
    if (span.source) print_place(diag->out, span);
}

void diag_error(Diag *diag, Span span, const char *fmt, ...) {
    const char *place = span.source ? span.source->text + span.start : NULL;
    diag->muted = true;
    if (span.source && place == diag->at) return;
    diag->at = place;
    int limit = diag->limit ? diag->limit : LIMIT;
    diag->errors++;
    if (diag->errors == limit + 1) fprintf(diag->out, "dlc: more errors than %d: the others are left out\n", limit);
    if (diag->errors > limit) return;

    diag->muted = false;
    va_list args;
    va_start(args, fmt);
    print_report(diag, span, "error", fmt, args);
    va_end(args);
}

void diag_warning(Diag *diag, Span span, const char *fmt, ...) {
    diag->muted = false;
    va_list args;
    va_start(args, fmt);
    print_report(diag, span, "warning", fmt, args);
    va_end(args);
}

void diag_note(Diag *diag, Span span, const char *fmt, ...) {
    if (diag->muted) return;
    fputs("   note: ", diag->out);
    va_list args;
    va_start(args, fmt);
    print_message(diag->out, fmt, args);
    va_end(args);
    int line, column;
    span_locate(span, &line, &column);
    if (span.source) fprintf(diag->out, " at %s:%d:%d", span.source->name, line, column);
    fputc('\n', diag->out);
}

void dlc_bug(const char *where, const char *fmt, ...) {
    fflush(stdout);
    fprintf(stderr, "dlc: internal error in %s: ", where);
    va_list args;
    va_start(args, fmt);
    print_message(stderr, fmt, args);
    va_end(args);
    fprintf(stderr, "\ndlc: this is a mistake in dlc, not in your program: please report it with the file and the "
                    "command line\n");
    exit(70);
}

// ---- Did you mean

static int smaller(int a, int b) { return a < b ? a : b; }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c; }

// Edits (insert, delete, replace, swap neighbours) from a to b: Damerau's distance in its restricted form, over
// letters without case. Row i holds the distances of a[0..i) to every start of b.
static int edit_distance(const char *a, int na, const char *b, int nb) {
    int rows[3][NEAREST_MAX + 1];
    for (int j = 0; j <= nb; j++) rows[0][j] = j;
    for (int i = 1; i <= na; i++) {
        int *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (int j = 1; j <= nb; j++) {
            char x = lower(a[i - 1]), y = lower(b[j - 1]);
            row[j] = smaller(above[j - 1] + (x != y), smaller(above[j], row[j - 1]) + 1);
            bool swapped = i > 1 && j > 1 && x == lower(b[j - 2]) && y == lower(a[i - 2]);
            if (swapped) row[j] = smaller(row[j], above2[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

const char *diag_nearest(const char *name, const char *const *candidates, int count) {
    size_t len = strlen(name);
    if (len > NEAREST_MAX) return NULL;
    // About a third of the letters may differ: `relo` finds `relu`, `x` does not find `y`.
    int best = (int)(len + 1) / 3 + 1;
    const char *nearest = NULL;
    for (int i = 0; i < count; i++) {
        size_t size = strlen(candidates[i]);
        if (size > NEAREST_MAX) continue;
        int distance = edit_distance(name, (int)len, candidates[i], (int)size);
        if (distance < best) best = distance, nearest = candidates[i];
    }
    return nearest;
}
