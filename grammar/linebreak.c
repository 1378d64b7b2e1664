// linebreak.c: decides which line breaks end a statement.
//     h = image           NAME = NAME            one statement: the next line starts with `|>`
//         |> relu         |> NAME LINE
//     return h }          return NAME LINE } LINE
// A line break counts unless it is inside `(` or `[`, or the line ends in a token that cannot end a statement, or the
// next one starts with a token that can only continue one. `;` is a line break. `}` ends the statement before it and
// its own block. There are never two LINEs in a row, and none after `{`.
//
// It also keeps an unclosed bracket from swallowing the rest of the text: a statement's keyword at the start of a line,
// `{`, `}`, `;` or the end abandons open parentheses, and a declaration's keyword closes open braces. The parser is
// told by an INVALID token, which it reports unless it has just reported something else.
#include "linebreak.h"

#include <ctype.h>
#include <string.h>

// ---- Kinds of tokens

enum {
    ENDS_NOTHING = 1, // a statement cannot end with it: the next line continues it
    CONTINUES = 2,    // a statement cannot begin with it: it continues the line before
    BETWEEN = ENDS_NOTHING | CONTINUES,
    STARTS = 4, // a keyword that stands nowhere but at the start of a statement or declaration
    DECLARES = STARTS | 8,
};

static const unsigned char traits[] = {
    [TOK_PIPE] = BETWEEN,       [TOK_OR] = BETWEEN,          [TOK_AND] = BETWEEN,        [TOK_EQ] = BETWEEN,
    [TOK_NE] = BETWEEN,         [TOK_LT] = BETWEEN,          [TOK_LE] = BETWEEN,         [TOK_GT] = BETWEEN,
    [TOK_GE] = BETWEEN,         [TOK_PLUS] = BETWEEN,        [TOK_MINUS] = BETWEEN,      [TOK_TIMES] = BETWEEN,
    [TOK_DIVIDE] = BETWEEN,     [TOK_FLOOR] = BETWEEN,       [TOK_MODULO] = BETWEEN,     [TOK_MATMUL] = BETWEEN,
    [TOK_POWER] = BETWEEN,      [TOK_RANGE] = BETWEEN,       [TOK_ARROW] = BETWEEN,      [TOK_OVER] = BETWEEN,
    [TOK_FROM] = BETWEEN,       [TOK_WITH] = BETWEEN,        [TOK_ELSE] = BETWEEN,       [TOK_NOT] = ENDS_NOTHING,
    [TOK_COMMA] = ENDS_NOTHING, [TOK_ASSIGN] = ENDS_NOTHING, [TOK_COLON] = ENDS_NOTHING, [TOK_IN] = ENDS_NOTHING,
    [TOK_LBRACE] = CONTINUES,   [TOK_DIM] = STARTS,          [TOK_PARAM] = STARTS,       [TOK_BUFFER] = STARTS,
    [TOK_STATE] = STARTS,       [TOK_FOR] = STARTS,          [TOK_IF] = STARTS,          [TOK_RETURN] = STARTS,
    [TOK_REQUIRE] = STARTS,     [TOK_WARN] = STARTS,         [TOK_MINIMIZE] = STARTS,    [TOK_FREEZE] = STARTS,
    [TOK_EVAL] = STARTS,        [TOK_CHECKPOINT] = STARTS,   [TOK_YIELD] = STARTS,       [TOK_LAYER] = DECLARES,
    [TOK_OPTIMIZER] = DECLARES, [TOK_MODEL] = DECLARES,      [TOK_TRAIN] = DECLARES};

static bool has(int kind, int trait) { return kind < (int)sizeof traits && (traits[kind] & trait) == trait; }

// Does t, at the start of a line, begin a declaration? A name must follow: `train = 2` in a layer is a badly chosen
// name and no declaration. An indented `dim` was probably written inside a layer by mistake.
static bool declares(Token t) {
    const char *next = t.span.source->text + t.span.end;
    while (*next == ' ' || *next == '\t') next++;
    if (t.kind == TOK_DIM) return !t.span.start || t.span.source->text[t.span.start - 1] == '\n';
    return has(t.kind, DECLARES) && (isalpha((unsigned char)*next) || *next == '_');
}

// ---- Brackets

static char top_kind(const Lines *l) { return l->open.len ? l->open.at[l->open.len - 1].kind : 0; }
static bool in_parentheses(const Lines *l) { return top_kind(l) == '(' || top_kind(l) == '['; }
static int outer(const Lines *l) { return l->open.len ? l->open.at[l->open.len - 1].outer : -1; }

bool lines_in_string(const Lines *l) { return outer(l) >= 0 && l->open.at[outer(l)].kind == '"'; }

static void push(Lines *l, char kind, int at) {
    bool parenthesis = kind == '(' || kind == '[';
    Bracket bracket = {kind, at, parenthesis ? outer(l) : l->open.len};
    vec_push(l->arena, &l->open, bracket);
}

// ---- Making tokens

static void make(Lines *l, Token t) {
    vec_push(l->arena, &l->queue, t);
    l->last = t.kind;
    if (t.span.end > l->last_end) l->last_end = t.span.end;
}

static void make_kind(Lines *l, int kind, int start, int end, const char *text) {
    Token t = {.kind = kind, .span = {l->source, start, end}};
    t.value.text = text;
    make(l, t);
}

// The place of a line's end is the byte after its last token.
static void make_line(Lines *l) { make_kind(l, TOK_LINE, l->last_end, l->last_end, NULL); }

// Forgets the parentheses that are open inside the innermost brace or string.
static void abandon_parentheses(Lines *l) {
    if (!in_parentheses(l)) return;
    Bracket top = l->open.at[l->open.len - 1];
    const char *message = top.kind == '(' ? "this `(` is not closed" : "this `[` is not closed";
    make_kind(l, TOK_INVALID, top.at, top.at + 1, message);
    l->open.len = top.outer + 1;
}

// Forgets an expression in a string that its line has left open.
static void abandon_string(Lines *l) {
    while (lines_in_string(l)) {
        l->open.len = outer(l);
        int start = l->open.at[l->open.len].at;
        make_kind(l, TOK_INVALID, start, l->at,
                  "this string is not closed: a `}` is missing before the end of the line");
    }
}

// Closes the braces that are open before a declaration or the end. Reported here: the parser finds nothing wrong.
static void close_braces(Lines *l, Token before) {
    if (!l->open.len) return;
    int at = l->open.at[l->open.len - 1].at;
    diag_error(l->diag, (Span){l->source, at, at + 1}, "this `{` is not closed before %s",
               before.kind == TOK_END ? "the end of the file" : "the next declaration");
    for (; l->open.len; l->open.len--) {
        if (l->open.len > NESTING_MAX) continue;
        if (l->last != TOK_LINE && l->last != TOK_LBRACE) make_line(l);
        make_kind(l, TOK_RBRACE, before.span.start, before.span.start, NULL);
    }
}

// Does the statement end between the last token and t?
static bool line_ends(const Lines *l, Token t, bool fresh) {
    if (!l->last || l->last == TOK_LINE || l->last == TOK_LBRACE) return false;
    if (in_parentheses(l) || lines_in_string(l)) return false;
    if (t.kind == TOK_RBRACE || t.kind == TOK_END) return true;
    if (l->last == TOK_RBRACE) return t.kind != TOK_ELSE;
    if (l->last != TOK_ELSE && fresh && has(t.kind, STARTS)) return true;
    return fresh && !has(l->last, ENDS_NOTHING) && !has(t.kind, CONTINUES);
}

static void open_bracket(Lines *l, Token t, char kind) {
    push(l, kind, kind == '"' ? t.span.start : t.span.end - 1);
    if (l->open.len > NESTING_MAX)
        make_kind(l, TOK_INVALID, t.span.end - 1, t.span.end, "more than 200 brackets are open here");
    else
        make(l, t);
}

static void close_brace(Lines *l, Token t) {
    if (top_kind(l) != '{') {
        make_kind(l, TOK_INVALID, t.span.start, t.span.end, "this `}` closes nothing");
        l->last = TOK_RBRACE; // so that its line ends here
        return;
    }
    // Its own `{` never reached the parser when too many were open.
    if (l->open.len-- <= NESTING_MAX) make(l, t);
}

// ---- One token of the scanner

// The bracket that a token opens, 0: none.
static char opens(int kind) {
    switch (kind) {
    case TOK_LPAREN:
        return '(';
    case TOK_LBRACKET:
        return '[';
    case TOK_LBRACE:
        return '{';
    case TOK_STRING_OPEN:
        return '"';
    default:
        return 0;
    }
}

static void take_token(Lines *l, Token t, bool fresh) {
    bool brace = t.kind == TOK_LBRACE || t.kind == TOK_RBRACE;
    bool piece = t.kind == TOK_STRING_NEXT || t.kind == TOK_STRING_CLOSE;
    if (t.kind == TOK_END) abandon_string(l);
    bool anchor = (fresh && has(t.kind, STARTS)) || t.kind == TOK_END;
    if (anchor || piece || (brace && outer(l) >= 0) || t.kind == TOK_LBRACE) abandon_parentheses(l);
    if (t.kind == TOK_END || (fresh && declares(t))) close_braces(l, t);
    if (line_ends(l, t, fresh)) make_line(l);

    if (opens(t.kind)) {
        open_bracket(l, t, opens(t.kind));
    } else if (t.kind == TOK_RBRACE) {
        close_brace(l, t);
    } else {
        // A bracket of the wrong shape closes as well: the parser says what is wrong.
        bool closes = t.kind == TOK_RPAREN || t.kind == TOK_RBRACKET;
        if (t.kind == TOK_STRING_CLOSE || (closes && in_parentheses(l))) l->open.len--;
        make(l, t);
    }
}

static void take(Lines *l) {
    Token t = scan_next(l);
    bool fresh = l->fresh;
    l->fresh = t.kind == RAW_NEWLINE || t.kind == RAW_SEMICOLON;
    if (!l->fresh) {
        take_token(l, t, fresh);
        return;
    }
    abandon_string(l);
    if (t.kind == RAW_SEMICOLON) abandon_parentheses(l);
}

void lines_open(Lines *l, Arena *arena, Diag *diag, const Source *source) {
    *l = (Lines){.arena = arena, .diag = diag, .source = source, .fresh = true};
    scan_open(l);
}

void lines_close(Lines *l) { scan_close(l); }

Token lines_next(Lines *l) {
    if (l->head == l->queue.len) l->head = l->queue.len = 0;
    while (l->head == l->queue.len) take(l);
    return l->queue.at[l->head++];
}
