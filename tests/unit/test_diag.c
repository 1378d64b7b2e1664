// test_diag.c: what a message looks like: place, excerpt, carets, notes, limits; and which name is suggested.
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "support/diag.h"

typedef struct Report {
    Diag diag;
    Source source;
    char *text;
    size_t size;
} Report;

static void report_open(Report *r, const char *text) {
    memset(r, 0, sizeof *r);
    r->source = (Source){.name = "net.dl", .text = text, .len = (int)strlen(text)};
    r->diag.out = open_memstream(&r->text, &r->size);
}

static Span span_of(const Report *r, int start, int end) { return (Span){&r->source, start, end}; }

static void report_expect(Report *r, const char *want) {
    fclose(r->diag.out);
    cr_expect(!strcmp(r->text, want), "got\n%s\nwant\n%s", r->text, want);
    free(r->text);
}

Test(diag, the_form_of_a_message) {
    Report r;
    report_open(&r, "x = 1\n    y = h @ w\nz");
    diag_error(&r.diag, span_of(&r, 14, 19), "matmul: inner dimensions differ: %d and %d", 3, 4);
    diag_note(&r.diag, span_of(&r, 0, 1), "3 comes from x");
    diag_note(&r.diag, (Span){0}, "did you mean `%s`?", "h");
    diag_error(&r.diag, (Span){0}, "no file");
    report_expect(&r, "net.dl:2:9: error: matmul: inner dimensions differ: 3 and 4\n"
                      "    2 |     y = h @ w\n"
                      "      |         ^~~~~\n"
                      "   note: 3 comes from x at net.dl:1:1\n"
                      "   note: did you mean `h`?\n"
                      "dlc: error: no file\n");
    cr_expect_eq(r.diag.errors, 2);
}

Test(diag, carets_stay_under_their_span) {
    static const struct {
        const char *what, *text;
        int start, end;
        const char *line, *carets;
    } rows[] = {
        {"a span of nothing has one caret", "abc", 1, 1, "abc", " ^"},
        {"the end of the text", "abc", 3, 3, "abc", "   ^"},
        {"an empty text", "", 0, 0, "", "^"},
        {"beyond the text", "abc", 9, 12, "abc", "   ^"},
        {"several lines: to the end of the first", "a = f(\n  b)\n", 4, 11, "a = f(", "    ^~"},
        {"a carriage return is not shown", "abc\r\nd", 1, 5, "abc", " ^~"},
        {"tabs", "\tab\tc", 4, 5, "    ab  c", "        ^"},
        {"a tab in the span", "a\tb", 0, 3, "a   b", "^~~~~"},
        {"letters of two bytes", "\303\244\303\266 x", 5, 6, "\303\244\303\266 x", "   ^"},
        {"wide letters", "\346\274\242\345\255\227 x", 3, 7, "\346\274\242\345\255\227 x", "  ^~~"},
        {"a combining mark", "e\314\201 x", 4, 5, "e\314\201 x", "  ^"},
        {"bytes that are not UTF-8", "\377\303( \300\200x", 4, 7, "?\?( ?\?x", "    ^~~"},
        {"control characters", "\033[1m\177\302\205x", 7, 8, "?[1m?\?x", "      ^"},
        {"surrogates and too long forms", "\355\240\200\340\200\200x", 6, 7, "?\?\?\?\?\?x", "      ^"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Report r;
        report_open(&r, rows[i].text);
        diag_error(&r.diag, span_of(&r, rows[i].start, rows[i].end), "e");
        fclose(r.diag.out);
        const char *shown = strchr(r.text, '\n') + 1;
        char want[200];
        snprintf(want, sizeof want, "    1 | %s\n      | %s\n", rows[i].line, rows[i].carets);
        cr_expect(!strcmp(shown, want), "%s: got\n%swant\n%s", rows[i].what, shown, want);
        free(r.text);
    }
}

Test(diag, long_lines_are_cut_around_the_span) {
    char text[10001];
    memset(text, 'x', 10000);
    text[10000] = 0;
    Report r;
    report_open(&r, text);
    diag_error(&r.diag, span_of(&r, 5000, 5003), "middle");
    diag_error(&r.diag, span_of(&r, 9999, 10000), "end");
    diag_error(&r.diag, span_of(&r, 3, 10000), "start");
    char middle[600], end[300], start[400];
    snprintf(middle, sizeof middle, "net.dl:1:5001: error: middle\n    1 | ...%.100s...\n      | %43s^~~\n", text, "");
    snprintf(end, sizeof end, "net.dl:1:10000: error: end\n    1 | ...%.41s\n      | %43s^\n", text, "");
    char tildes[97];
    memset(tildes, '~', 96);
    tildes[96] = 0;
    snprintf(start, sizeof start, "net.dl:1:4: error: start\n    1 | %.100s...\n      |    ^%s\n", text, tildes);
    strcat(strcat(middle, end), "");
    char want[1400];
    snprintf(want, sizeof want, "%s%s", middle, start);
    report_expect(&r, want);
}

Test(diag, a_long_line_is_not_cut_inside_a_letter) {
    char text[2001];
    for (int i = 0; i < 2000; i += 2) memcpy(text + i, "\303\244", 2);
    text[2000] = 0;
    Report r;
    report_open(&r, text);
    diag_error(&r.diag, span_of(&r, 1001, 1002), "e");
    fclose(r.diag.out);
    cr_expect(strstr(r.text, "...\303\244") && !strstr(r.text, "?"), "got\n%s", r.text);
    free(r.text);
}

Test(diag, messages_are_made_printable_and_finite) {
    Report r;
    report_open(&r, "x");
    diag_error(&r.diag, (Span){0}, "a\033b\nc\377d \303\244");
    report_expect(&r, "dlc: error: a?b?c?d \303\244\n");
    char *name = malloc(100001);
    memset(name, 'n', 100000);
    name[100000] = 0;
    report_open(&r, "x");
    diag_error(&r.diag, (Span){0}, "%s", name);
    fclose(r.diag.out);
    cr_expect(r.size < 2100 && strstr(r.text, "nnn...\n"), "%zu bytes", r.size);
    free(r.text);
    free(name);
}

Test(diag, one_place_is_reported_once) {
    Report r;
    report_open(&r, "abc");
    diag_error(&r.diag, span_of(&r, 1, 2), "first");
    diag_error(&r.diag, span_of(&r, 1, 3), "second");
    diag_note(&r.diag, (Span){0}, "of the second");
    diag_error(&r.diag, span_of(&r, 2, 3), "third");
    cr_expect_eq(r.diag.errors, 2);
    report_expect(
        &r, "net.dl:1:2: error: first\n    1 | abc\n      |  ^\nnet.dl:1:3: error: third\n    1 | abc\n      |   ^\n");
}

Test(diag, the_rest_is_left_out) {
    Report r;
    report_open(&r, "x");
    for (int i = 0; i < 30; i++) diag_error(&r.diag, (Span){0}, "number %d", i);
    diag_note(&r.diag, (Span){0}, "unseen");
    fclose(r.diag.out);
    cr_expect_eq(r.diag.errors, 30);
    cr_expect(strstr(r.text, "number 19\ndlc: more errors than 20: the others are left out\n"), "got\n%s", r.text);
    cr_expect(!strstr(r.text, "number 20") && !strstr(r.text, "unseen"), "got\n%s", r.text);
    free(r.text);
    report_open(&r, "x");
    r.diag.limit = 1;
    for (int i = 0; i < 3; i++) diag_error(&r.diag, (Span){0}, "number %d", i);
    report_expect(&r, "dlc: error: number 0\ndlc: more errors than 1: the others are left out\n");
}

Test(diag, places) {
    Arena arena = {0};
    Source source = {.name = "a.dl", .text = "ab\ncd\n", .len = 6}, other = source;
    cr_expect_str_eq(span_text(&arena, (Span){&source, 4, 5}), "a.dl:2:2");
    cr_expect_str_eq(span_text(&arena, (Span){0}), "");
    Span first = {&source, 1, 2}, last = {&source, 4, 5};
    Span joined = span_join(last, first);
    cr_expect(joined.start == 1 && joined.end == 5);
    cr_expect(span_join((Span){0}, last).start == 4);
    cr_expect(span_join(first, (Span){&other, 0, 6}).end == 2);
    arena_release(&arena);
}

Test(diag, nearest_name) {
    static const char *const names[] = {"relu", "linear", "max_pool2d", "cross_entropy", "x", "N"};
    static const struct {
        const char *name, *nearest;
    } rows[] = {
        {"rleu", "relu"},
        {"relo", "relu"},
        {"ReLU", "relu"},
        {"lineer", "linear"},
        {"linaer", "linear"},
        {"n", "N"},
        {"y", NULL},
        {"max_pool", "max_pool2d"},
        {"maxpool2d", "max_pool2d"},
        {"rexx", NULL},
        {"softmax", NULL},
        {"", NULL},
        {"crossentropy", "cross_entropy"},
        {"crosentrpoy", "cross_entropy"},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
         NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *got = diag_nearest(rows[i].name, names, 6), *want = rows[i].nearest;
        bool same = got && want ? !strcmp(got, want) : got == want;
        cr_expect(same, "%s: got %s, want %s", rows[i].name, got ? got : "nothing", want ? want : "nothing");
    }
    cr_expect_null(diag_nearest("x", NULL, 0));
}
