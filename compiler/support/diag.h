// diag.h: what the user is told. Errors never abort: they are counted, and each stage decides at its end whether
// to go on. A message says what was found, what was expected, where, and what to do.
//
//     net.dl:14:9: error: matmul: inner dimensions differ: f32[64, 18432] @ f32[9216, 512]
//        14 |     y = h @ w
//           |         ^~~~~
//        note: 18432 comes from flatten of f32[64, 128, 12, 12] at net.dl:13:14
#ifndef DLC_DIAG_H
#define DLC_DIAG_H

#include <stdbool.h>
#include <stdio.h>

#include "support/arena.h"

// One text that spans point into: the user's file, a -D option, or a file of the prelude.
typedef struct Source {
    const char *name; // as the user gave it
    const char *text; // len bytes and a NUL
    int len;
    bool prelude; // errors inside are reported at the user's call instead
} Source;

typedef struct Span {
    const Source *source; // NULL: no place
    int start, end;       // byte offsets, end exclusive
} Span;

typedef struct Diag {
    FILE *out;
    int errors;
    int limit;      // after this many, further errors are counted and not printed (0: 20)
    const void *at; // for diag.c: the place of the last error, so that one place is reported once
    bool muted;     // for diag.c: the last error was not printed, so its notes are not either
} Diag;

// Prints one error with the source line and carets under the whole span. Messages start in lower case, name the
// layer or operator first where there is one, and have no full stop.
void diag_error(Diag *diag, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);
// The same for what is allowed but hardly meant: nothing is counted, the compilation goes on.
void diag_warning(Diag *diag, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Adds a note to the error just printed. With a span, " at FILE:LINE:COL" is appended.
void diag_note(Diag *diag, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);

// 1-based line and column (in bytes) of an offset.
void span_locate(Span span, int *line, int *column);
// "net.dl:13:14", or "" without a place.
char *span_text(Arena *arena, Span span);
Span span_join(Span first, Span last);

// Returns the candidate nearest to `name` by edit distance, or NULL when none is near enough to suggest.
const char *diag_nearest(const char *name, const char *const *candidates, int count);

// Our own error, not the user's: prints "dlc: internal error in PASS: ..." with a request to report it, exits with 70.
// `where` names the pass (or stage) and may name a node.
_Noreturn void dlc_bug(const char *where, const char *fmt, ...) PRINTF_LIKE(2, 3);

#endif
