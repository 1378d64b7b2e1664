// numbers.c: kernels that differ only in numbers become one function that takes these numbers as arguments.
//
//     for (int i = 0; i < 864; i++) #0[i] = 0.5f;      for (int i = 0; i < #@0; i++) #0[i] = #@1;
//     for (int i = 0; i < 896; i++) #0[i] = 0.25f;     called with 864, 0.5f and with 896, 0.25f
//
// A form is a body with "@i", "@l", "@f" or "@d" in place of its numbers: an int, an int64_t, a float, a double.
// Numbers that speed or the language wants as constants stay in the form: divisors, bounds of unrolled loops and of
// loops over lanes, and extents of arrays. A contraction's tiles are as fast with arguments for strides, and 2 % slower
// with arguments for the bounds of its loops (DenseNet-121's training step), so those stay too.
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "emit/parts.h"

// A call with more numbers than this would tell its reader less than two functions do.
enum { MOST_NUMBERS = 12 };

// ---- forms ----------------------------------------------------------------------------------------------------------

// The number of characters of the name or placeholder at `c`: "i", "uint8_t", "#3_at", "##0".
static size_t word_length(const char *c) {
    size_t n = strspn(c, "#");
    while (isalnum((unsigned char)c[n]) || c[n] == '_') n++;
    return n;
}

// Whether a line declares an array: two words or more before a bracket.
static bool declares_array(const char *line) {
    int words = 0;
    for (;;) {
        size_t n = word_length(line);
        if (!n) return words > 1 && *line == '[';
        words++;
        line += n + (line[n] == ' ');
    }
}

// The literal at `c`, which begins with a digit or with "INT64_C("; its kind, or 0 for one that stays.
static size_t literal_length(const char *c, char *kind) {
    size_t digits = strspn(c, "0123456789");
    *kind = *c == 'I' ? 'l' : 0;
    if (*kind) return strcspn(c, ")") + 1;
    if (c[1] == 'x') return word_length(c);
    if (!isalpha((unsigned char)c[digits]) && c[digits] != '.') {
        if (strtoll(c, NULL, 10) <= INT_MAX) *kind = 'i';
        return digits;
    }
    char *end;
    strtod(c, &end);
    bool single = *end == 'f';
    if (isalnum((unsigned char)end[single])) return word_length(c); // 3u
    *kind = single ? 'f' : 'd';
    return (size_t)(end + single - c);
}

// Whether what was printed last is a division.
static bool ends_with_division(Str *s) {
    const char *text = str_text(s);
    ptrdiff_t k = s->len;
    while (k > 0 && text[k - 1] == ' ') k--;
    return k > 0 && (text[k - 1] == '/' || text[k - 1] == '%');
}

Form form_of(Arena *scratch, Arena *kept, const char *body) {
    Str s = str_new(scratch);
    Form form = {0};
    for (const char *c = body; *c;) {
        size_t indent = strspn(c, " ");
        bool sizes = !strncmp(c + indent, "dlc_transpose(", 14); // whose strides are size_t
        bool stays = sizes || !strncmp(c + indent, "DLC_", 4) || declares_array(c + indent);
        for (; *c && *c != '\n';) {
            bool literal = isdigit((unsigned char)*c) || !strncmp(c, "INT64_C(", 8);
            char kind = 0;
            size_t n = literal ? literal_length(c, &kind) : word_length(c);
            if (!n) n = 1;
            if (kind && !stays && !ends_with_division(&s)) {
                str_printf(&s, "@%c", kind);
                vec_push(kept, &form.numbers, arena_strndup(kept, c, n));
            } else {
                str_putn(&s, c, n);
            }
            c += n;
        }
        if (*c) str_putn(&s, c++, 1);
    }
    form.text = str_text(&s);
    return form;
}

// ---- arguments ------------------------------------------------------------------------------------------------------

static const char *type_of(char kind) {
    return kind == 'i' ? "int" : kind == 'l' ? "int64_t" : kind == 'f' ? "float" : "double";
}

// What a number is for, by what stands before it: "i < @i", "i += @i", "i * @i", "x + @i".
static const char *role_of(const char *form, const char *at) {
    if (at[1] == 'f' || at[1] == 'd') return "value";
    if (at[1] == 'l') return "number";
    while (at > form && at[-1] == ' ') at--;
    char before = at > form ? at[-1] : 0, more = at > form + 1 ? at[-2] : 0;
    if (before == '<') return "end";
    if (before == '*') return "stride";
    if (before == '=') return more == '+' ? "step" : "start";
    return "offset";
}

// All values of number k, and its kind.
static const char *column_text(Arena *arena, const Form *const *forms, int n, int k, char kind) {
    Str s = str_new(arena);
    str_putn(&s, &kind, 1);
    for (int i = 0; i < n; i++) str_printf(&s, " %s", forms[i]->numbers.at[k]);
    return str_text(&s);
}

static bool column_varies(const Form *const *forms, int n, int k) {
    for (int i = 1; i < n; i++)
        if (strcmp(forms[0]->numbers.at[k], forms[i]->numbers.at[k])) return true;
    return false;
}

// Whether the number must not differ: a bound of a loop without `bounds`, and in what runs often a function's whole
// argument, because knowing a divisor or an exponent may save the C compiler a lot.
static bool must_stay(const char *form, const char *at, bool often, bool bounds) {
    const char *role = role_of(form, at);
    bool bound = !strcmp(role, "start") || !strcmp(role, "end") || !strcmp(role, "step");
    while (at > form && at[-1] == ' ') at--;
    return (bound && !bounds) || (often && at > form && (at[-1] == ',' || at[-1] == '('));
}

bool merged_make(Merged *merged, Arena *arena, const char *form, const Form *const *forms, int n, bool often,
                 bool bounds) {
    Names columns = {.arena = arena};
    *merged = (Merged){.argument = NEW_ARRAY(arena, int, forms[0]->numbers.len + 1)};
    const char *at = form;
    for (int k = 0; k < forms[0]->numbers.len; k++, at++) {
        at = strchr(at, '@');
        merged->argument[k] = -1;
        if (!column_varies(forms, n, k)) continue;
        if (must_stay(form, at, often, bounds)) return false;
        const char *column = column_text(arena, forms, n, k, at[1]);
        int place = names_find(&columns, column);
        if (place < 0) {
            place = columns.at.len;
            if (place == MOST_NUMBERS) return false;
            names_add(&columns, column);
            vec_push(arena, &merged->arguments, (Argument){.type = type_of(at[1]), .role = role_of(form, at), .of = k});
        }
        merged->argument[k] = place;
    }
    return true;
}

const char *merged_body(const Merged *merged, Arena *arena, const char *form, const Form *of, Comments *comments) {
    Str s = str_new(arena);
    ptrdiff_t printed = 0; // characters of the body whose form this is
    int k = 0, comment = 0;
    for (const char *c = form;;) {
        for (; comment < comments->len && comments->at[comment].at <= printed; comment++)
            comments->at[comment].at = s.len;
        if (!*c) return str_text(&s);
        if (*c != '@') {
            str_putn(&s, c++, 1);
            printed++;
            continue;
        }
        const char *number = of->numbers.at[k];
        if (merged->argument[k] < 0)
            str_put(&s, number);
        else
            str_printf(&s, "#@%d", merged->argument[k]);
        printed += (ptrdiff_t)strlen(number);
        k++;
        c += 2;
    }
}
