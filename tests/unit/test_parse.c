// test_parse.c: texts become the trees that they should, wherever their lines are broken, and no text is too bad.
#include <criterion/criterion.h>

#include "decl_doc.h"
#include "sources.h"

// What the printer makes of the text, or what was reported.
static const char *reprint(Parsed *p, const char *text) {
    parsed_open(p, text, strlen(text));
    return p->diag.errors ? p->messages : parsed_print(p);
}

static void expect_print(const char *text, const char *want) {
    Parsed first, second;
    const char *got = reprint(&first, text);
    cr_expect(!strcmp(got, want), "%s\ngot\n%s\nwant\n%s", text, got, want);
    const char *again = reprint(&second, got);
    cr_expect(!strcmp(again, got), "printed\n%s\nparsed and printed again\n%s", got, again);
    parsed_close(&first);
    parsed_close(&second);
}

// ---- Trees

// The tree of an expression with every pair of parentheses.
static void put_tree(Str *s, const AstExpr *e) {
    if (e->kind == AST_BINARY) {
        str_put(s, "(");
        put_tree(s, e->left);
        str_printf(s, " %s ", e->s);
        put_tree(s, e->right);
        str_put(s, ")");
    } else if (e->kind == AST_UNARY) {
        str_printf(s, "(%s ", e->s);
        put_tree(s, e->left);
        str_put(s, ")");
    } else if (e->kind == AST_CALL) {
        str_printf(s, "%s(", e->s);
        for (int i = 0; i < e->args.len; i++) {
            if (i) str_put(s, ", ");
            put_tree(s, e->args.at[i].value);
        }
        str_put(s, ")");
    } else {
        str_put(s, e->s);
    }
}

Test(parse, precedences) {
    static const struct {
        const char *text, *tree;
    } rows[] = {
        {"a |> f |> g(b)", "g(f(a), b)"},
        {"a or b |> f", "f((a or b))"},
        {"a or b and c or d", "((a or (b and c)) or d)"},
        {"not a and not b == c", "((not a) and (not (b == c)))"},
        {"a + b < c - d", "((a + b) < (c - d))"},
        {"a - b - c + d", "(((a - b) - c) + d)"},
        {"a * b / c // d % e @ f", "(((((a * b) / c) // d) % e) @ f)"},
        {"a + b * c", "(a + (b * c))"},
        {"(a + b) * c", "((a + b) * c)"},
        {"- a * b", "((- a) * b)"},
        {"- a ** b", "(- (a ** b))"},
        {"a ** b ** c", "(a ** (b ** c))"},
        {"a ** - b * c", "((a ** (- b)) * c)"},
        {"a - - b", "(a - (- b))"},
        {"a + (b |> f)", "(a + f(b))"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Parsed p;
        Arena arena = {0};
        const char *text = arena_printf(&arena, "dim X = %s", rows[i].text);
        parsed_open(&p, text, strlen(text));
        cr_assert(!p.diag.errors, "%s: %s", rows[i].text, p.messages);
        Str s = str_new(&arena);
        put_tree(&s, p.file->decls.at[0]->value);
        cr_expect(!strcmp(str_text(&s), rows[i].tree), "%s: got %s, want %s", rows[i].text, str_text(&s), rows[i].tree);
        parsed_close(&p);
        arena_release(&arena);
    }
}

static const char program[] =
    "dim N <= 64\n"
    "dim CLASSES = 2 * (3 + 2)\n"
    "layer conv_relu(x: T[B, C, ...S], out: int, k: int[2] = [3, 3], pad: float = 1e-05) -> T[B, out, ...] {\n"
    "    param w \"w_{k[0]}\": T[out, C // 2] = kaiming_uniform(a=5 ** 0.5)\n"
    "    buffer mean: T[C] = zeros()\n"
    "    state h: T[]\n"
    "    require(k[0] > 0 and not out == none, \"bad \\\"kernel\\\" {k[0]} of \\{{out + 1}\\\\}\\n\")\n"
    "    warn(k[1] == 1, \"one\")\n"
    "    for i in 0..len(k) {\n"
    "        x = x |> conv2d(out, k[i], padding=1, name=\"\") |> relu\n"
    "        if i == 2 {\n"
    "            x = -x ** -2.0\n"
    "        } else {\n"
    "            x, mean = f([1, ...S, 0..rank(x), true, []], x[:, 1:2, ::2, -1, none, ...])\n"
    "        }\n"
    "    }\n"
    "    return x\n"
    "}\n"
    "model forward(image: f32[N, 3, 48, 48]) -> (logits: f32[N, CLASSES]) {\n"
    "    return image |> conv_relu(32, name=\"conv1\") |> flatten |> linear(CLASSES)\n"
    "}\n"
    "train step(image: f32[N, 3, 48, 48], label: i32[N], lr: f32[]) -> (loss: f32[], logits: f32[N, CLASSES]) {\n"
    "    minimize loss over \"head\", \"*.bias\" with adam(lr=lr, weight_decay=0.0001)\n"
    "    minimize loss with sgd()\n"
    "    minimize loss with clip_norm(1.0) |> clip_value(0.5) |> sgd(lr=lr)\n"
    "    minimize loss with clip_norm(1.0) |> {\n"
    "        clip_value(2) |> sgd(lr=lr) over \"*.weight\", \"head\"\n"
    "        sgd()\n"
    "    }\n"
    "    freeze \"encoder\", \"*.bias\"\n"
    "    eval {\n"
    "        y = x\n"
    "    }\n"
    "    return loss, logits\n"
    "}\n"
    "optimizer plain(p: T[...S], g: T[...S], t: i64[], lr: f32[] = 0.001) {\n"
    "    return p - lr * g\n"
    "}\n"
    "layer pair(x: T) -> (T[2], T[3]) {\n"
    "}\n";

Test(parse, a_printed_program_is_itself) { expect_print(program, program); }

Test(parse, a_program_on_one_line) {
    expect_print(
        "dim A = 1, B <= 2; layer f(x: T[B],) { y = [1, 2,]; if A { y = g(x, a=1,) } else if B { y = x }; "
        "for i in 0..3 { y = y } return y } layer g() { }",
        "dim A = 1\ndim B <= 2\nlayer f(x: T[B]) {\n    y = [1, 2]\n    if A {\n        y = g(x, a=1)\n    } else {\n"
        "        if B {\n            y = x\n        }\n    }\n    for i in 0..3 {\n        y = y\n    }\n"
        "    return y\n}\nlayer g() {\n}\n");
}

Test(parse, where_lines_may_be_broken) {
    // Before an operator, after one, in parentheses; empty lines, comments and semicolons anywhere between statements.
    expect_print("\n;;dim A = 1\n  + 2 -\n\n # x\n  3 * f(\n 4,\n\n # y\n a=[\n5]\n) ;\n\n",
                 "dim A = 1 + 2 - 3 * f(4, a=[5])\n");
    expect_print("dim A =\n 1,\n B\n <= 2\n - 1\n", "dim A = 1\ndim B <= 2 - 1\n");
    expect_print("layer f(\n x:\n T[B]\n)\n -> T[B]\n{\n\n y =\n x\n |> g\n |> h; return not\n y\n}\n",
                 "layer f(x: T[B]) -> T[B] {\n    y = x |> g |> h\n    return not y\n}\n");
    expect_print(
        "layer f()\n{ for i in\n 0..\n3\n{ if i\n{ y = 1 }\n\n else\n { y = 2 } } minimize a\n over\n \"b\"\n with\n "
        "g() }",
        "layer f() {\n    for i in 0..3 {\n        if i {\n            y = 1\n        } else {\n            y = 2\n"
        "        }\n    }\n    minimize a over \"b\" with g()\n}\n");
    expect_print(
        "train f() { minimize a with g() over \"b\"; minimize a with { g() over \"b\" } }",
        "train f() {\n    minimize a over \"b\" with g()\n    minimize a with {\n        g() over \"b\"\n    }\n}\n");
    expect_print("dim A = 1\r\ndim B = \"x\"\r\n", "dim A = 1\ndim B = \"x\"\n");
    expect_print("", "");
    expect_print("# nothing", "");
}

Test(parse, comments_just_above_are_documentation) {
    static const char text[] =
        "# not this\n\n#  one\n#two \n#\n  # three\nlayer f() { } # no\ndim A = 1\n# no\n;dim B = 2\n";
    Parsed p;
    parsed_open(&p, text, sizeof text - 1);
    cr_assert_eq(p.file->decls.len, 3, "%s", p.messages);
    cr_expect_str_eq(decl_doc(&p.arena, p.file->decls.at[0]), " one\ntwo\n\nthree");
    cr_expect_null(decl_doc(&p.arena, p.file->decls.at[1]));
    cr_expect_null(decl_doc(&p.arena, p.file->decls.at[2]));
    parsed_close(&p);
}

Test(parse, strings_keep_their_parts) {
    static const char text[] = "dim A = \"a{i}\\t{\"b{j}\"}\"";
    Parsed p;
    parsed_open(&p, text, sizeof text - 1);
    cr_assert(!p.diag.errors, "%s", p.messages);
    const AstExpr *e = p.file->decls.at[0]->value;
    cr_assert_eq(e->parts.len, 5);
    cr_expect_null(e->s);
    cr_expect_str_eq(e->parts.at[0].text, "a");
    cr_expect_str_eq(e->parts.at[1].expr->s, "i");
    cr_expect_str_eq(e->parts.at[2].text, "\t");
    cr_expect_str_eq(e->parts.at[3].expr->parts.at[0].text, "b");
    cr_expect_str_eq(e->parts.at[4].text, "");
    parsed_close(&p);
}

// ---- Places

static void expect_span(const Parsed *p, Span span, const char *want) {
    int len = span.end - span.start;
    cr_expect(len == (int)strlen(want) && !strncmp(p->source.text + span.start, want, (size_t)len),
              "a place covers `%.*s`, want `%s`", len, p->source.text + span.start, want);
}

Test(parse, places_cover_what_they_name) {
    static const char text[] = "layer f(x: T[B, 2]) -> T[B] {\n  y = (a + b) * c |> g(-d, k=2)\n  if y { y = x }\n"
                               "  param w \"p\": T[1] = z()\n}";
    Parsed p;
    parsed_open(&p, text, sizeof text - 1);
    cr_assert(!p.diag.errors, "%s", p.messages);
    const AstDecl *d = p.file->decls.at[0];
    expect_span(&p, d->span, "layer f(x: T[B, 2]) -> T[B]");
    expect_span(&p, d->name_span, "f");
    expect_span(&p, d->params.at[0].span, "x");
    expect_span(&p, d->params.at[0].type->span, "T[B, 2]");
    expect_span(&p, d->params.at[0].type->name_span, "T");
    const AstStmt *assign = d->body.at[0], *branch = d->body.at[1], *param = d->body.at[2];
    expect_span(&p, assign->span, "y = (a + b) * c |> g(-d, k=2)");
    expect_span(&p, assign->names.at[0].span, "y");
    const AstExpr *call = assign->exprs.at[0];
    expect_span(&p, call->span, "(a + b) * c |> g(-d, k=2)");
    expect_span(&p, call->op_span, "g");
    expect_span(&p, call->args.at[2].name_span, "k");
    expect_span(&p, call->args.at[1].value->span, "-d");
    const AstExpr *product = call->args.at[0].value;
    expect_span(&p, product->op_span, "*");
    expect_span(&p, product->left->span, "(a + b)");
    expect_span(&p, branch->span, "if y");
    expect_span(&p, branch->keyword, "if");
    expect_span(&p, param->span, "param w \"p\": T[1] = z()");
    expect_span(&p, param->names.at[0].span, "w");
    parsed_close(&p);
}

// ---- Texts that are too bad

// before + middle repeated + after; malloc'd.
static char *repeat(const char *before, const char *middle, int times, const char *after, size_t *len) {
    size_t size = strlen(middle), total = strlen(before) + size * (size_t)times + strlen(after);
    char *text = malloc(total + 1), *at = text + strlen(before);
    strcpy(text, before);
    for (int i = 0; i < times; i++, at += size) memcpy(at, middle, size);
    strcpy(at, after);
    *len = total;
    return text;
}

// Each text is followed by a second error, which must be found as well unless the first one ends the parse.
Test(parse, limits_are_reported) {
    static const struct {
        const char *before, *middle;
        int times;
        const char *after, *message;
        int errors;
    } rows[] = {
        {"dim A = ", "(", 10000, "1", ":209: error: more than 200 brackets are open here", 2},
        {"dim A = ", "f([", 100, "1", ": error: this `[` is not closed", 2},
        {"layer f() ", "{", 10000, "", ":12: error: expected `}` or a statement, found `{`", 3},
        {"layer f() { y = ", "\"{", 300, "", ":416: error: more than 200 brackets are open here", 3},
        {"dim A = ", "1 + ", 1000000, "1", ": error: this expression is nested too deeply: give its parts names", 2},
        {"dim A = ", "2 ** ", 1000000, "1", ": error: this expression is nested too deeply: give its parts names", 1},
        {"dim A = ", "not -", 1000000, "1", ": error: this expression is nested too deeply: give its parts names", 1},
        {"dim A = x", " |> f", 2000, "", ": error: this expression is nested too deeply: give its parts names", 2},
        {"layer f() { ", "if x { } else ", 20000, "{ }", ": error: this expression is nested too deeply", 1},
        {"dim A = [", "1,", 1000000, "]", ": error: more than 100000 items in one list", 2},
        {"dim ", "x", 10000000, "", ": error: expected `=` or `<=`, found the end of the line", 2},
        {"dim A = ", "9", 1000000, "", ":1:9: error: this integer is too large", 2},
        {"dim A = \"", "x", 10000000, "", ":1:9: error: this string is not closed", 2},
        {"#", "x", 10000000, "", "net.dl:2:9: error: expected an expression, found `)`", 1},
        {"", "\n", 1000000, "", "net.dl:1000001:9: error: expected an expression, found `)`", 1},
        {"dim A = ", "$", 1000000, "", ":1:9: error: unexpected character `$`", 2},
        {"", "}", 1000000, "", ":1:1: error: this `}` closes nothing", 21},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len;
        const char *newline = !strcmp(rows[i].middle, "\n") ? "" : "\n";
        char *text = repeat(rows[i].before, rows[i].middle, rows[i].times, rows[i].after, &len);
        text = realloc(text, len + 20);
        len += (size_t)sprintf(text + len, "%sdim B = )", newline);
        Parsed p;
        parsed_open(&p, text, len);
        cr_expect(strstr(p.messages, rows[i].message), "%s%s...: want %s, got\n%s", rows[i].before, rows[i].middle,
                  rows[i].message, p.messages);
        cr_expect(rows[i].errors > 20 ? p.diag.errors > 20 : p.diag.errors == rows[i].errors,
                  "%s%s...: got %d errors, want %d\n%s", rows[i].before, rows[i].middle, p.diag.errors, rows[i].errors,
                  p.messages);
        cr_expect(strlen(p.messages) < 5000, "%s%s...: %zu bytes of messages", rows[i].before, rows[i].middle,
                  strlen(p.messages));
        parsed_close(&p);
        free(text);
    }
}

Test(parse, within_the_limits) {
    static const struct {
        const char *before, *middle, *between, *last;
        int times;
    } rows[] = {
        {"dim A = ", "(", "1", ")", 200},
        {"dim A = 1", " + 1", "", "", 999},
        {"layer f() { y = 1; ", "if y { y = 2 } else ", "{ } }", "", 500},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t len;
        char *half = repeat(rows[i].before, rows[i].middle, rows[i].times, rows[i].between, &len);
        char *text = repeat(half, rows[i].last, rows[i].times, "", &len);
        Parsed p;
        parsed_open(&p, text, len);
        cr_expect(!p.diag.errors, "%s%s...: %s", rows[i].before, rows[i].middle, p.messages);
        parsed_close(&p);
        free(half);
        free(text);
    }
}

Test(parse, nul_bytes) {
    static const char text[] = "dim A = \0\ndim B = \"a\0b\"\n# \0\ndim C = 1\0";
    Parsed p;
    parsed_open(&p, text, sizeof text - 1);
    cr_expect_str_eq(p.messages, "net.dl:1:9: error: unexpected NUL byte: this is not a text in UTF-8\n"
                                 "    1 | dim A = ?\n"
                                 "      |         ^\n"
                                 "net.dl:2:11: error: a NUL byte in a string\n"
                                 "    2 | dim B = \"a?b\"\n"
                                 "      |           ^\n"
                                 "net.dl:4:10: error: unexpected NUL byte: this is not a text in UTF-8\n"
                                 "    4 | dim C = 1?\n"
                                 "      |          ^\n");
    parsed_close(&p);
}

// ---- Random texts

static unsigned random_below(unsigned long long *seed, unsigned n) {
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)(*seed >> 33) % n;
}

// Pieces of the program above are cut out, doubled and spoilt: nothing crashes (the sanitizers watch), and whatever
// parses without error prints to a text that parses to the same.
Test(parse, random_changes) {
    unsigned long long seed = 7;
    int good = 0;
    for (int run = 0; run < 3000; run++) {
        char text[2 * sizeof program + 1000];
        size_t len = sizeof program - 1;
        memcpy(text, program, len);
        for (unsigned change = random_below(&seed, 6); change < 6; change++) {
            unsigned at = random_below(&seed, (unsigned)len - 80), size = random_below(&seed, 40);
            unsigned from = random_below(&seed, (unsigned)len - 80);
            switch (random_below(&seed, 3)) {
            case 0:
                text[at] = (char)random_below(&seed, 256);
                break;
            case 1:
                memmove(text + at, text + at + size, len - at - size), len -= size;
                break;
            default:
                memmove(text + at + size, text + at, len - at), len += size;
                memmove(text + at, text + from, size);
            }
        }
        text[len] = 0;
        Parsed p;
        parsed_open(&p, text, len);
        if (!p.diag.errors) {
            good++;
            const char *printed = parsed_print(&p);
            Parsed again;
            const char *second = reprint(&again, printed);
            cr_expect(!strcmp(printed, second), "%s\nparsed and printed again\n%s", printed, second);
            parsed_close(&again);
        }
        parsed_close(&p);
    }
    cr_expect(good > 20, "only %d texts without an error", good);
}
