// linebreak.h: the tokens that the parser sees: those of the scanner, with the lines that end statements as tokens.
#ifndef DLC_LINEBREAK_H
#define DLC_LINEBREAK_H

#include "frontend/build.h"
#include "parser.h"
#include "support/str.h"

enum {
    NESTING_MAX = 200, // open brackets
    // What the scanner gives and the parser never sees.
    RAW_NEWLINE = 10000,
    RAW_SEMICOLON,
};

typedef struct Token {
    int kind; // TOK_...
    Span span;
    DLC_STYPE value; // .text of TOK_INVALID is its message, NULL: already reported
} Token;

// An open bracket. Strings with an expression are brackets too: they are open from `{` to `}`.
typedef struct Bracket {
    char kind; // ( [ { or "
    int at;    // its offset
    int outer; // index of the innermost `{` or string up to and with this one, -1: none
} Bracket;

typedef struct Lines {
    Arena *arena;
    Diag *diag;
    const Source *source;
    void *flex; // the scanner's own state
    VEC(Bracket) open;
    VEC(Token) queue; // made, and from `head` on not yet taken
    int head;
    int last, last_end; // kind and end of the last token made, 0 at first
    bool fresh;         // no token since the last line break
    // The scanner's.
    int at;                // offset after the text read so far
    int string_start;      // of the string, or piece of one, being read
    bool string_continues; // it is a piece after an expression
    bool string_reported;  // a bad byte in it was reported
    Str string;            // its text so far
} Lines;

void lines_open(Lines *lines, Arena *arena, Diag *diag, const Source *source);
// Frees what the scanner allocated.
void lines_close(Lines *lines);
// The next token; after the end always TOK_END.
Token lines_next(Lines *lines);

// The scanner, made by flex from dlc.l: opened by lines_open only.
void scan_open(Lines *lines);
void scan_close(Lines *lines);
Token scan_next(Lines *lines);
// Is the scanner inside an expression in a string, so that `}` goes back to the text?
bool lines_in_string(const Lines *lines);

#endif
