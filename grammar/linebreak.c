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

static bool cannot_end(int kind) {
    switch (kind) {
    case TOK_PIPE:
    case TOK_OR:
    case TOK_AND:
    case TOK_NOT:
    case TOK_EQ:
    case TOK_NE:
    case TOK_LT:
    case TOK_LE:
    case TOK_GT:
    case TOK_GE:
    case TOK_PLUS:
    case TOK_MINUS:
    case TOK_TIMES:
    case TOK_DIVIDE:
    case TOK_FLOOR:
    case TOK_MODULO:
    case TOK_MATMUL:
    case TOK_POWER:
    case TOK_RANGE:
    case TOK_COMMA:
    case TOK_ASSIGN:
    case TOK_COLON:
    case TOK_ARROW:
    case TOK_OVER:
    case TOK_FROM:
    case TOK_WITH:
    case TOK_IN:
    case TOK_ELSE:
        return true;
    default:
        return false;
    }
}

static bool only_continues(int kind) {
    switch (kind) {
    case TOK_PIPE:
    case TOK_OR:
    case TOK_AND:
    case TOK_EQ:
    case TOK_NE:
    case TOK_LT:
    case TOK_LE:
    case TOK_GT:
    case TOK_GE:
    case TOK_PLUS:
    case TOK_MINUS:
    case TOK_TIMES:
    case TOK_DIVIDE:
    case TOK_FLOOR:
    case TOK_MODULO:
    case TOK_MATMUL:
    case TOK_POWER:
    case TOK_RANGE:
    case TOK_ARROW:
    case TOK_LBRACE:
    case TOK_ELSE:
    case TOK_OVER:
    case TOK_FROM:
    case TOK_WITH:
        return true;
    default:
        return false;
    }
}

static bool starts_declaration(int kind) {
    return kind == TOK_LAYER || kind == TOK_OPTIMIZER || kind == TOK_MODEL || kind == TOK_TRAIN;
}

// Does t, at the start of a line, begin a declaration? A name follows: `train = 2` in a layer is only a wrong name. And
// an indented `dim` is rather one that was written into a layer.
static bool declares(Token t) {
    const char *next = t.span.source->text + t.span.end;
    while (*next == ' ' || *next == '\t') next++;
    if (t.kind == TOK_DIM) return !t.span.start || t.span.source->text[t.span.start - 1] == '\n';
    return starts_declaration(t.kind) && (isalpha((unsigned char)*next) || *next == '_');
}

// Keywords that stand nowhere but at the start of a statement or declaration.
static bool starts_statement(int kind) {
    switch (kind) {
    case TOK_DIM:
    case TOK_PARAM:
    case TOK_BUFFER:
    case TOK_STATE:
    case TOK_FOR:
    case TOK_IF:
    case TOK_RETURN:
    case TOK_REQUIRE:
    case TOK_WARN:
    case TOK_MINIMIZE:
    case TOK_FREEZE:
    case TOK_EVAL:
    case TOK_CHECKPOINT:
    case TOK_YIELD:
        return true;
    default:
        return starts_declaration(kind);
    }
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
    if (l->last != TOK_ELSE && fresh && starts_statement(t.kind)) return true;
    return fresh && !cannot_end(l->last) && !only_continues(t.kind);
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

// The comment lines [doc_start, doc_end), without `#` and the space after it.
static const char *doc_text(Lines *l) {
    Str s = str_new(l->arena);
    const char *at = l->source->text + l->doc_start, *end = l->source->text + l->doc_end;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        at = memchr(at, '#', (size_t)(stop - at));
        at++;
        if (at < stop && *at == ' ') at++;
        const char *last = stop;
        while (last > at && (last[-1] == '\r' || last[-1] == ' ')) last--;
        str_putn(&s, at, (size_t)(last - at));
        if (newline) str_put(&s, "\n");
        at = newline ? newline + 1 : end;
    }
    return str_text(&s);
}

static void take_token(Lines *l, Token t, bool fresh) {
    bool brace = t.kind == TOK_LBRACE || t.kind == TOK_RBRACE;
    bool piece = t.kind == TOK_STRING_NEXT || t.kind == TOK_STRING_CLOSE;
    if (t.kind == TOK_END) abandon_string(l);
    bool anchor = (fresh && starts_statement(t.kind)) || t.kind == TOK_END;
    if (anchor || piece || (brace && outer(l) >= 0) || t.kind == TOK_LBRACE) abandon_parentheses(l);
    if (t.kind == TOK_END || (fresh && declares(t))) close_braces(l, t);
    if (line_ends(l, t, fresh)) make_line(l);

    switch (t.kind) {
    case TOK_LPAREN:
        open_bracket(l, t, '(');
        return;
    case TOK_LBRACKET:
        open_bracket(l, t, '[');
        return;
    case TOK_LBRACE:
        open_bracket(l, t, '{');
        return;
    case TOK_STRING_OPEN:
        open_bracket(l, t, '"');
        return;
    case TOK_RBRACE:
        close_brace(l, t);
        return;
    case TOK_RPAREN:
    case TOK_RBRACKET:
        // A bracket of the wrong shape closes as well: the parser says what is wrong.
        if (in_parentheses(l)) l->open.len--;
        break;
    case TOK_STRING_CLOSE:
        l->open.len--;
        break;
    default:
        break;
    }
    make(l, t);
}

static void take_break(Lines *l, Token t) {
    abandon_string(l);
    if (t.kind == RAW_SEMICOLON) abandon_parentheses(l);
    bool empty = l->blank || t.kind == RAW_SEMICOLON;
    if (empty) l->doc_start = l->doc_end = 0;
    l->fresh = true;
    l->blank = t.kind == RAW_NEWLINE;
}

static void take(Lines *l) {
    Token t = scan_next(l);
    if (t.kind == RAW_NEWLINE || t.kind == RAW_SEMICOLON) {
        take_break(l, t);
        return;
    }
    bool blank = l->blank;
    l->blank = false;
    if (t.kind == RAW_COMMENT) {
        if (!blank) return;
        if (l->doc_start == l->doc_end) l->doc_start = t.span.start;
        l->doc_end = t.span.end;
        return;
    }
    if (starts_declaration(t.kind) || t.kind == TOK_DIM)
        t.value.text = l->fresh && l->doc_end > l->doc_start ? doc_text(l) : NULL;
    l->doc_start = l->doc_end = 0;
    bool fresh = l->fresh;
    l->fresh = false;
    take_token(l, t, fresh);
}

void lines_open(Lines *l, Arena *arena, Diag *diag, const Source *source) {
    *l = (Lines){.arena = arena, .diag = diag, .source = source, .fresh = true, .blank = true};
    scan_open(l);
}

void lines_close(Lines *l) { scan_close(l); }

Token lines_next(Lines *l) {
    if (l->head == l->queue.len) l->head = l->queue.len = 0;
    while (l->head == l->queue.len) take(l);
    return l->queue.at[l->head++];
}
