// parse.c: runs scanner, line-break filter and parser over one text, and words syntax errors.
//     y = f(a b)      net.dl:3:11: error: expected an operator, `(`, `[`, `,`, `=` or `)`, found `b`
// Needs nothing but the text; gives a tree whose nodes keep their places. What could not be parsed is left out of it.
// The scanner and the parser allocate outside the arena; both are freed here, on the one way out.
#include <ctype.h>
#include <string.h>

#include "linebreak.h"
#include "support/str.h"

enum {
    SOURCE_MAX = 1 << 30, // bytes: offsets are int
    QUOTE_MAX = 30,       // bytes of the user's text in a message
};

AstFile *parse_source(Arena *arena, Diag *diag, const Source *source) {
    AstFile *file = NEW(arena, AstFile);
    file->source = source;
    if (source->len > SOURCE_MAX) {
        diag_error(diag, (Span){0}, "%s: this file is too large: the limit is 1 GiB", source->name);
        return file;
    }
    Parser p = {.arena = arena, .diag = diag, .source = source, .file = file};
    dlc_pstate *state = dlc_pstate_new();
    if (!state) dlc_bug("parser", "out of memory");
    Lines lines;
    lines_open(&lines, arena, diag, source);
    int status;
    do {
        Token t = lines_next(&lines);
        p.invalid = t.kind == TOK_INVALID ? t.value.text : NULL;
        status = dlc_push_parse(state, t.kind, &t.value, &t.span, &p);
        p.previous = t.span;
        // An invalid token without a message makes the parser skip to the end of the statement.
        bool skip = status == YYPUSH_MORE && p.give_up;
        p.give_up = false;
        p.invalid = NULL;
        if (skip) status = dlc_push_parse(state, TOK_INVALID, &t.value, &t.span, &p);
    } while (status == YYPUSH_MORE);
    lines_close(&lines);
    dlc_pstate_delete(state);
    return file;
}

void parse_too_deep(Parser *p, Span span) {
    diag_error(p->diag, span, "this expression is nested too deeply: give its parts names");
    p->give_up = true;
}

// ---- Syntax errors

// Many tokens are one word to the user: a group is named when all of its members are expected.
typedef struct Group {
    const char *word;
    const char *members[20];
} Group;

static const Group groups[] = {
    {"a declaration (dim, layer, model, train, optimizer)", {"`dim`", "`layer`", "`optimizer`", "`model`", "`train`"}},
    {"a statement",
     {"a name", "`param`", "`buffer`", "`state`", "`for`", "`if`", "`return`", "`require`", "`warn`", "`minimize`",
      "`freeze`", "`eval`", "`checkpoint`", "`yield`"}},
    {"an expression",
     {"a name", "an integer", "a number", "a string", "a string with `{`", "`true`", "`false`", "`none`", "`not`",
      "`-`", "`(`", "`[`"}},
    {"a string", {"a string", "a string with `{`"}},
    {"`}`", {"`}` with text", "`}` and the end of the string"}},
    {"an operator",
     {"`|>`", "`and`", "`or`", "`==`", "`!=`", "`<`", "`<=`", "`>`", "`>=`", "`+`", "`-`", "`*`", "`/`", "`//`", "`%`",
      "`@`", "`**`"}},
    // A comparison cannot follow a comparison.
    {"an operator", {"`|>`", "`and`", "`or`", "`+`", "`-`", "`*`", "`/`", "`//`", "`%`", "`@`", "`**`"}},
};

static int find(const char *const *words, int count, const char *word) {
    for (int i = 0; i < count; i++)
        if (words[i] && !strcmp(words[i], word)) return i;
    return -1;
}

// Replaces the group's members by its word; changes nothing when one of them is missing.
static bool fold_group(const char **words, int count, const Group *group) {
    for (int m = 0; group->members[m]; m++)
        if (find(words, count, group->members[m]) < 0) return false;
    for (int m = 0; group->members[m]; m++) words[find(words, count, group->members[m])] = NULL;
    return true;
}

// "`,`, `)` or an operator": single tokens first, then groups.
static const char *expected_text(Parser *p, const char *const *expected, int count) {
    enum { GROUPS = sizeof groups / sizeof *groups };
    const char **words = NEW_ARRAY(p->arena, const char *, count + GROUPS);
    for (int i = 0; i < count; i++) words[i] = expected[i];
    for (int g = 0; g < GROUPS; g++)
        if (fold_group(words, count, &groups[g])) words[count + g] = groups[g].word;
    int left = 0;
    for (int i = 0; i < count + GROUPS; i++) left += words[i] != NULL;
    Str s = str_new(p->arena);
    for (int i = 0, put = 0; i < count + GROUPS; i++) {
        if (!words[i]) continue;
        if (put) str_put(&s, put == left - 1 ? " or " : ", ");
        str_put(&s, words[i]);
        put++;
    }
    return str_text(&s);
}

static char *quote(Parser *p, Span span) {
    int len = span.end - span.start;
    const char *text = p->source->text + span.start;
    if (len > QUOTE_MAX) return arena_printf(p->arena, "`%.*s...`", QUOTE_MAX, text);
    return arena_printf(p->arena, "`%.*s`", len, text);
}

static bool is_keyword(const char *found) { return found[0] == '`' && found[1] >= 'a' && found[1] <= 'z'; }

static const char *found_text(Parser *p, Span span, const char *found) {
    if (is_keyword(found)) return arena_printf(p->arena, "the keyword %s", found);
    bool of_user = !strcmp(found, "a name") || !strcmp(found, "an integer") || !strcmp(found, "a number");
    if (of_user) return quote(p, span);
    if (!strncmp(found, "`}`", 3)) return "`}`";
    return strncmp(found, "a string", 8) ? found : "a string";
}

static const char *const declarations[] = {"dim", "layer", "optimizer", "model", "train"};
static const char *const statements[] = {"param",   "buffer",   "state",  "for",  "if",         "else", "return",
                                         "require", "minimize", "freeze", "eval", "checkpoint", "yield"};

static void suggest(Parser *p, Span span, const char *const *words, int count) {
    const char *name = arena_strndup(p->arena, p->source->text + span.start, (size_t)(span.end - span.start));
    const char *nearest = diag_nearest(name, words, count);
    if (nearest) diag_note(p->diag, (Span){0}, "did you mean `%s`?", nearest);
}

static bool ends_loop(const Parser *p) {
    const char *at = p->source->text + p->previous.start;
    return !strncmp(at, "break", (size_t)(p->previous.end - p->previous.start));
}

// The text from a place on, to the end of its line or, before that, to one of the characters.
static const char *text_to(const Parser *p, int from, const char *ends) {
    const char *at = p->source->text + from;
    return arena_strndup(p->arena, at, strcspn(at, arena_printf(p->arena, "\r\n#%s", ends)));
}

// `y, (h, c) = lstm(x, 6)` as names without parentheses, "y, h, c"; or NULL.
static const char *targets_at(const Parser *p, int place) {
    const char *text = p->source->text;
    while (place > 0 && !strchr("\r\n{};", text[place - 1])) place--;
    const char *targets = text_to(p, place, "={};"), *end = targets + strlen(targets);
    if (text[place + (end - targets)] != '=' || text[place + (end - targets) + 1] == '=') return NULL;
    Str names = str_new(p->arena);
    while (*targets == ' ' || *targets == '\t') targets++;
    while (end > targets && (end[-1] == ' ' || end[-1] == '\t')) end--;
    for (; targets < end; targets++) {
        if (*targets == '(' || *targets == ')') continue;
        if (!isalnum((unsigned char)*targets) && !strchr("_, ", *targets)) return NULL;
        str_printf(&names, "%c", *targets);
    }
    return str_text(&names);
}

// For `r[pos] = x`, when the parser stands at the `[`: how to write that. NULL: the text is something else.
static const char *update_at(const Parser *p, Span open) {
    const char *text = p->source->text, *index = text_to(p, open.end, "]="), *value;
    int end = open.end + (int)strlen(index), after = end + 1;
    if (text[end] != ']') return NULL;
    while (text[after] == ' ' || text[after] == '\t') after++;
    if (text[after] != '=' || text[after + 1] == '=') return NULL;
    for (after++; text[after] == ' ' || text[after] == '\t';) after++;
    value = text_to(p, after, "{};");
    size_t len = strlen(value);
    while (len && (value[len - 1] == ' ' || value[len - 1] == '\t')) len--;
    Span name = p->previous;
    const char *target = arena_strndup(p->arena, text + name.start, (size_t)(name.end - name.start));
    if (!len || !*index || strpbrk(index, ":,[-"))
        return arena_printf(p->arena, "%s = update(%s, index, value, axis=0)", target, target);
    const char *scalar = strspn(index, "0123456789") == strlen(index) ? "full([], %s, i32)" : "%s";
    const char *place = arena_printf(p->arena, scalar, index);
    return arena_printf(p->arena, "%s = update(%s, %s, %.*s)", target, target, place, (int)len, value);
}

// Advice after the message, for mistakes that are easily made.
static void advise(Parser *p, Span span, const char *found, const char *const *expected, int count) {
    Diag *diag = p->diag;
    Span nowhere = {0};
    bool wants_declaration = find(expected, count, "`layer`") >= 0;
    bool wants_statement = find(expected, count, "`return`") >= 0;
    bool wants_name = find(expected, count, "a name") >= 0 && strcmp(found, "`else`");
    bool wants_target = count == 2 && find(expected, count, "`=`") >= 0 && find(expected, count, "`,`") >= 0;
    bool name = !strcmp(found, "a name");
    bool opens = !strcmp(found, "`(`") || !strcmp(found, "`[`") || !strncmp(found, "a string", 8);

    const char *targets = (wants_name || wants_statement) && !strcmp(found, "`(`") ? targets_at(p, span.start) : NULL;

    if (targets)
        diag_note(diag, nowhere, "results are named without parentheses: `%s = ...`", targets);
    else if (!strcmp(found, "`scan`"))
        diag_note(diag, nowhere, "a scan stands right after `=`: `y = scan e in x { ... }`");
    else if (count == 2 && find(expected, count, "`in`") >= 0 && find(expected, count, "`=`") >= 0)
        diag_note(
            diag, nowhere,
            "a scan names the element of each sequence: `scan e in x over 1, t in iota([T]) from h = h0 { ... }`");
    else if (count == 1 && !strcmp(expected[0], "`=`") && !strcmp(found, "`{`"))
        diag_note(diag, nowhere, "a carried value has an initial one: `from h = h0`");
    else if (find(expected, count, "`over`") >= 0 && !strcmp(found, "`..`"))
        diag_note(diag, nowhere, "iota([n]) counts n steps");
    else if (wants_target && !strcmp(found, "`[`") && update_at(p, span))
        diag_note(diag, nowhere, "a tensor's parts are not assigned; this gives it with a part replaced: `%s`",
                  update_at(p, span));
    else if (wants_target && ends_loop(p))
        diag_note(diag, nowhere, "a loop runs to its end: keep what is finished with select(done, old, new)");
    else if (wants_declaration && name)
        suggest(p, span, declarations, sizeof declarations / sizeof *declarations);
    else if (wants_statement && opens)
        diag_note(diag, nowhere, "a line that starts with %s does not continue the line before", found);
    else if (wants_statement && !strcmp(found, "`dim`"))
        diag_note(diag, nowhere, "a `dim` stands outside of layers; here, write `NAME = ...`");
    else if (wants_target && name)
        suggest(p, p->previous, statements, sizeof statements / sizeof *statements);
    else if (wants_target)
        diag_note(diag, nowhere, "an expression alone is not a statement: give its result a name, as in `y = ...`");
    else if (wants_name && is_keyword(found))
        diag_note(diag, nowhere, "%s is a word of the language and cannot be a name", found);
}

static bool is_comparison(const char *found) {
    static const char *const comparisons[] = {"`==`", "`!=`", "`<`", "`<=`", "`>`", "`>=`"};
    return find(comparisons, 6, found) >= 0;
}

void parse_syntax_error(Parser *p, Span span, const char *found, const char *const *expected, int count) {
    if (!strcmp(found, "an invalid character")) {
        if (p->invalid) diag_error(p->diag, span, "%s", p->invalid);
        return;
    }
    if (is_comparison(found) && find(expected, count, "`and`") >= 0) {
        diag_error(p->diag, span, "comparisons do not chain: write `a < b and b < c`");
        return;
    }
    diag_error(p->diag, span, "expected %s, found %s", expected_text(p, expected, count), found_text(p, span, found));
    advise(p, span, found, expected, count);
}
