// test_parse_errors.c: every message of scanner, line breaks and parser, with its place and carets, word for word.
#include <criterion/criterion.h>

#include "sources.h"

// clang-format off
static const struct {
    const char *what, *text, *messages;
} errors[] = {
    {"a misspelt declaration",
     "modl forward(x: f32[]) {\n"
     "    return x\n"
     "}\n"
     "dim N = )\n",
     "net.dl:1:1: error: expected the end of the file or a declaration (dim, layer, model, train, optimizer), found `modl`\n"
     "    1 | modl forward(x: f32[]) {\n"
     "      | ^~~~\n"
     "   note: did you mean `model`?\n"
     "net.dl:4:9: error: expected an expression, found `)`\n"
     "    4 | dim N = )\n"
     "      |         ^\n"},
    {"a statement outside of a layer",
     "x = 3\n",
     "net.dl:1:1: error: expected the end of the file or a declaration (dim, layer, model, train, optimizer), found `x`\n"
     "    1 | x = 3\n"
     "      | ^\n"},
    {"a bracket of the wrong shape",
     "layer f(x: T[B) {\n"
     "    return x\n"
     "}\n",
     "net.dl:1:15: error: expected `,`, `(`, `[`, `]` or an operator, found `)`\n"
     "    1 | layer f(x: T[B) {\n"
     "      |               ^\n"},
    {"a parenthesis left open before a keyword, and the next errors are still found",
     "layer f(x: T[B]) {\n"
     "    y = g(x,\n"
     "    return y\n"
     "    y = g(x\n"
     "}\n"
     "dim N = *\n",
     "net.dl:2:10: error: this `(` is not closed\n"
     "    2 |     y = g(x,\n"
     "      |          ^\n"
     "net.dl:4:10: error: this `(` is not closed\n"
     "    4 |     y = g(x\n"
     "      |          ^\n"
     "net.dl:6:9: error: expected an expression, found `*`\n"
     "    6 | dim N = *\n"
     "      |         ^\n"},
    {"a parenthesis left open before a block",
     "layer f(x: T[B] {\n"
     "    return x\n"
     "}\n",
     "net.dl:1:8: error: this `(` is not closed\n"
     "    1 | layer f(x: T[B] {\n"
     "      |        ^\n"},
    {"a parenthesis left open at the end",
     "dim N = (1 + 2\n",
     "net.dl:1:9: error: this `(` is not closed\n"
     "    1 | dim N = (1 + 2\n"
     "      |         ^\n"},
    {"a brace left open before a declaration",
     "layer f(x: T[B]) {\n"
     "    if x {\n"
     "        y = x\n"
     "    return y\n"
     "layer g(x: T[B]) {\n"
     "    return x\n"
     "}\n",
     "net.dl:2:10: error: this `{` is not closed before the next declaration\n"
     "    2 |     if x {\n"
     "      |          ^\n"},
    {"a brace left open at the end",
     "layer f(x: T[B]) {\n"
     "    return x\n",
     "net.dl:1:18: error: this `{` is not closed before the end of the file\n"
     "    1 | layer f(x: T[B]) {\n"
     "      |                  ^\n"},
    {"a brace too many",
     "layer f(x: T[B]) {\n"
     "    return x\n"
     "}}\n"
     "dim N = 3\n",
     "net.dl:3:2: error: this `}` closes nothing\n"
     "    3 | }}\n"
     "      |  ^\n"},
    {"an expression that is no statement",
     "layer f(x: T[B]) {\n"
     "    relu(x)\n"
     "    x |> relu\n"
     "    x\n"
     "}\n",
     "net.dl:2:9: error: expected `=` or `,`, found `(`\n"
     "    2 |     relu(x)\n"
     "      |         ^\n"
     "   note: an expression alone is not a statement: give its result a name, as in `y = ...`\n"
     "net.dl:3:7: error: expected `=` or `,`, found `|>`\n"
     "    3 |     x |> relu\n"
     "      |       ^~\n"
     "   note: an expression alone is not a statement: give its result a name, as in `y = ...`\n"
     "net.dl:4:6: error: expected `=` or `,`, found the end of the line\n"
     "    4 |     x\n"
     "      |      ^\n"
     "   note: an expression alone is not a statement: give its result a name, as in `y = ...`\n"},
    {"a misspelt statement",
     "layer f(x: T[B]) {\n"
     "    retrun x\n"
     "}\n",
     "net.dl:2:12: error: expected `=` or `,`, found `x`\n"
     "    2 |     retrun x\n"
     "      |            ^\n"
     "   note: did you mean `return`?\n"},
    {"two expressions side by side",
     "layer f(x: T[B]) {\n"
     "    y = a b\n"
     "    y = f(a b)\n"
     "    y = [1 2]\n"
     "    y = 1 (2)\n"
     "}\n",
     "net.dl:2:11: error: expected the end of the line, `(`, `[` or an operator, found `b`\n"
     "    2 |     y = a b\n"
     "      |           ^\n"
     "net.dl:3:13: error: expected `=`, `,`, `(`, `)`, `[` or an operator, found `b`\n"
     "    3 |     y = f(a b)\n"
     "      |             ^\n"
     "net.dl:4:12: error: expected `..`, `,`, `[`, `]` or an operator, found `2`\n"
     "    4 |     y = [1 2]\n"
     "      |            ^\n"
     "net.dl:5:11: error: expected the end of the line, `[` or an operator, found `(`\n"
     "    5 |     y = 1 (2)\n"
     "      |           ^\n"},
    {"an expression that ends too early",
     "layer f(x: T[B]) {\n"
     "    y =\n"
     "    y = a +\n"
     "}\n"
     "dim N = 2 *\n",
     "net.dl:3:7: error: expected the end of the line, `(`, `[` or an operator, found `=`\n"
     "    3 |     y = a +\n"
     "      |       ^\n"
     "net.dl:5:12: error: expected an expression, found the end of the line\n"
     "    5 | dim N = 2 *\n"
     "      |            ^\n"},
    {"comparisons in a chain",
     "dim A = 1 < 2 < 3\n",
     "net.dl:1:15: error: comparisons do not chain: write `a < b and b < c`\n"
     "    1 | dim A = 1 < 2 < 3\n"
     "      |               ^\n"},
    {"operators of other languages",
     "layer f(x: T[B]) {\n"
     "    x += 2\n"
     "    y = !x\n"
     "    y = a && b\n"
     "    y = a || b\n"
     "    y = 'a'\n"
     "    y = x ? 1 : 2\n"
     "    y = x.shape\n"
     "}\n",
     "net.dl:2:7: error: unexpected `+=`: write `x = x + ...`\n"
     "    2 |     x += 2\n"
     "      |       ^~\n"
     "net.dl:3:9: error: unexpected `!`: write `not`\n"
     "    3 |     y = !x\n"
     "      |         ^\n"
     "net.dl:4:11: error: unexpected `&&`: write `and`\n"
     "    4 |     y = a && b\n"
     "      |           ^~\n"
     "net.dl:5:11: error: unexpected `||`: write `or`\n"
     "    5 |     y = a || b\n"
     "      |           ^~\n"
     "net.dl:6:9: error: unexpected `'`: strings are written in double quotes \"...\"\n"
     "    6 |     y = 'a'\n"
     "      |         ^\n"
     "net.dl:7:11: error: unexpected character `?`\n"
     "    7 |     y = x ? 1 : 2\n"
     "      |           ^\n"
     "net.dl:8:10: error: unexpected `.`: there are no methods and modules; write `x |> f(a)` or f(x, a)\n"
     "    8 |     y = x.shape\n"
     "      |          ^\n"},
    {"numbers that are none",
     "dim A = 3x, B = 4\n"
     "dim B = 1.\n"
     "dim C = .5\n"
     "dim D = 1.e5\n"
     "dim E = 1.5x\n",
     "net.dl:1:9: error: `3x` is neither a number nor a name: names start with a letter\n"
     "    1 | dim A = 3x, B = 4\n"
     "      |         ^~\n"
     "net.dl:2:9: error: a number needs digits after its point: write `1.0`\n"
     "    2 | dim B = 1.\n"
     "      |         ^~\n"
     "net.dl:3:9: error: a number starts with a digit: write `0.5`\n"
     "    3 | dim C = .5\n"
     "      |         ^~\n"
     "net.dl:4:9: error: a number needs digits after its point: write `1.0`\n"
     "    4 | dim D = 1.e5\n"
     "      |         ^~~\n"
     "net.dl:5:12: error: expected the end of the line, `,`, `[` or an operator, found `x`\n"
     "    5 | dim E = 1.5x\n"
     "      |            ^\n"},
    {"numbers that are too large",
     "dim A = 9223372036854775807 + 9223372036854775808 + 1e308 + 1e309\n",
     "net.dl:1:31: error: this integer is too large: the largest is 9223372036854775807\n"
     "    1 | dim A = 9223372036854775807 + 9223372036854775808 + 1e308 + 1e309\n"
     "      |                               ^~~~~~~~~~~~~~~~~~~\n"
     "net.dl:1:61: error: this number is too large: the largest is about 1.8e308\n"
     "    1 | dim A = 9223372036854775807 + 9223372036854775808 + 1e308 + 1e309\n"
     "      |                                                             ^~~~~\n"},
    {"a string left open",
     "layer f(x: T[B]) {\n"
     "    y = g(name=\"abc)\n"
     "    return y\n"
     "}\n"
     "dim A = \"abc\r\n",
     "net.dl:2:16: error: this string is not closed: a `\"` is missing before the end of the line\n"
     "    2 |     y = g(name=\"abc)\n"
     "      |                ^~~~~\n"
     "net.dl:5:9: error: this string is not closed: a `\"` is missing before the end of the line\n"
     "    5 | dim A = \"abc\n"
     "      |         ^~~~\n"},
    {"an expression in a string left open",
     "layer f(x: T[B]) {\n"
     "    y = \"a{b\n"
     "    y = \"a{b\"\n"
     "    y = \"a{f(b}c\"\n"
     "    y = \"a{b c}\"\n"
     "    y = \"a{}\"\n"
     "}\n",
     "net.dl:2:9: error: this string is not closed: a `}` is missing before the end of the line\n"
     "    2 |     y = \"a{b\n"
     "      |         ^~~~\n"
     "net.dl:3:13: error: this string is not closed: a `\"` is missing before the end of the line\n"
     "    3 |     y = \"a{b\"\n"
     "      |             ^\n"
     "net.dl:4:13: error: this `(` is not closed\n"
     "    4 |     y = \"a{f(b}c\"\n"
     "      |             ^\n"
     "net.dl:5:14: error: expected `(`, `[`, `}` or an operator, found `c`\n"
     "    5 |     y = \"a{b c}\"\n"
     "      |              ^\n"
     "net.dl:6:12: error: expected an expression, found `}`\n"
     "    6 |     y = \"a{}\"\n"
     "      |            ^~\n"},
    {"escapes that there are not",
     "dim A = \"a\\qb\" + \"\\x\" + \"\\n\t\\\"\\\\\\{\\}\"\n",
     "net.dl:1:11: error: unknown escape: there are \\n \\t \\\" \\\\ \\{ \\}\n"
     "    1 | dim A = \"a\\qb\" + \"\\x\" + \"\\n \\\"\\\\\\{\\}\"\n"
     "      |           ^~\n"
     "net.dl:1:19: error: unknown escape: there are \\n \\t \\\" \\\\ \\{ \\}\n"
     "    1 | dim A = \"a\\qb\" + \"\\x\" + \"\\n \\\"\\\\\\{\\}\"\n"
     "      |                   ^~\n"},
    {"bytes that are not text",
     "dim A = \"a\001b\001\"\n"
     "dim B = \"\377(\" + \"\303\"\n"
     "dim \303\251 = 1\n"
     "dim C = \377\n"
     "dim D = \001\n",
     "net.dl:1:11: error: a control character in a string\n"
     "    1 | dim A = \"a?b?\"\n"
     "      |           ^\n"
     "net.dl:2:10: error: this string is not text in UTF-8\n"
     "    2 | dim B = \"?(\" + \"?\"\n"
     "      |          ^\n"
     "net.dl:2:17: error: this string is not text in UTF-8\n"
     "    2 | dim B = \"?(\" + \"?\"\n"
     "      |                 ^\n"
     "net.dl:3:5: error: unexpected character `\303\251`\n"
     "    3 | dim \303\251 = 1\n"
     "      |     ^\n"
     "net.dl:4:9: error: unexpected byte 0xff: this is not a text in UTF-8\n"
     "    4 | dim C = ?\n"
     "      |         ^\n"
     "net.dl:5:9: error: unexpected control character 0x01\n"
     "    5 | dim D = ?\n"
     "      |         ^\n"},
    {"a line that starts with a bracket or a string",
     "layer f(x: T[B]) {\n"
     "    y = x\n"
     "    (a)\n"
     "    y = x\n"
     "    [2]\n"
     "    y = x\n"
     "    \"a\"\n"
     "}\n",
     "net.dl:3:5: error: expected `}` or a statement, found `(`\n"
     "    3 |     (a)\n"
     "      |     ^\n"
     "   note: a line that starts with `(` does not continue the line before\n"
     "net.dl:5:5: error: expected `}` or a statement, found `[`\n"
     "    5 |     [2]\n"
     "      |     ^\n"
     "   note: a line that starts with `[` does not continue the line before\n"
     "net.dl:7:5: error: expected `}` or a statement, found a string\n"
     "    7 |     \"a\"\n"
     "      |     ^~~\n"
     "   note: a line that starts with a string does not continue the line before\n"},
    {"a keyword as a name",
     "layer f(state: T[B]) {\n"
     "    y = f(over=2)\n"
     "    for in in 0..3 { y = 2 }\n"
     "    train = 2\n"
     "}\n",
     "net.dl:1:9: error: expected a name or `)`, found the keyword `state`\n"
     "    1 | layer f(state: T[B]) {\n"
     "      |         ^~~~~\n"
     "   note: `state` is a word of the language and cannot be a name\n"
     "net.dl:2:11: error: expected `)` or an expression, found the keyword `over`\n"
     "    2 |     y = f(over=2)\n"
     "      |           ^~~~\n"
     "   note: `over` is a word of the language and cannot be a name\n"
     "net.dl:3:9: error: expected a name, found the keyword `in`\n"
     "    3 |     for in in 0..3 { y = 2 }\n"
     "      |         ^~\n"
     "   note: `in` is a word of the language and cannot be a name\n"
     "net.dl:4:5: error: expected `}` or a statement, found the keyword `train`\n"
     "    4 |     train = 2\n"
     "      |     ^~~~~\n"
     "   note: `train` is a word of the language and cannot be a name\n"},
    {"dim in a layer",
     "layer f(x: T[B]) {\n"
     "    dim K = 3\n"
     "    return x\n"
     "}\n",
     "net.dl:2:5: error: expected `}` or a statement, found the keyword `dim`\n"
     "    2 |     dim K = 3\n"
     "      |     ^~~\n"
     "   note: a `dim` stands outside of layers; here, write `NAME = ...`\n"},
    {"for without in, errors in blocks",
     "layer f(x: T[B]) {\n"
     "    for i 0..3 { y = ) }\n"
     "    if { y = 2 } else { y = ( }\n"
     "    if x { y = 2 } else y = 3\n"
     "    while x { y = [ }\n"
     "    y = ]\n"
     "}\n",
     "net.dl:2:11: error: expected `in`, found `0`\n"
     "    2 |     for i 0..3 { y = ) }\n"
     "      |           ^\n"
     "net.dl:2:22: error: expected `scan` or an expression, found `)`\n"
     "    2 |     for i 0..3 { y = ) }\n"
     "      |                      ^\n"
     "net.dl:3:8: error: expected an expression, found `{`\n"
     "    3 |     if { y = 2 } else { y = ( }\n"
     "      |        ^\n"
     "net.dl:3:29: error: this `(` is not closed\n"
     "    3 |     if { y = 2 } else { y = ( }\n"
     "      |                             ^\n"
     "net.dl:4:25: error: expected `if` or `{`, found `y`\n"
     "    4 |     if x { y = 2 } else y = 3\n"
     "      |                         ^\n"
     "net.dl:5:11: error: expected `=` or `,`, found `x`\n"
     "    5 |     while x { y = [ }\n"
     "      |           ^\n"
     "net.dl:5:19: error: this `[` is not closed\n"
     "    5 |     while x { y = [ }\n"
     "      |                   ^\n"
     "net.dl:6:9: error: expected `scan` or an expression, found `]`\n"
     "    6 |     y = ]\n"
     "      |         ^\n"},
    {"a header in error hides nothing of its body",
     "layer f(x T[B]) {\n"
     "    y = )\n"
     "}\n"
     "layer g(x: T[B]) -> {\n"
     "    y = )\n"
     "}\n"
     "layer (x: T[B]) {\n"
     "    y = )\n"
     "}\n",
     "net.dl:1:11: error: expected `:`, found `T`\n"
     "    1 | layer f(x T[B]) {\n"
     "      |           ^\n"
     "net.dl:2:9: error: expected `scan` or an expression, found `)`\n"
     "    2 |     y = )\n"
     "      |         ^\n"
     "net.dl:4:21: error: expected a name or `(`, found `{`\n"
     "    4 | layer g(x: T[B]) -> {\n"
     "      |                     ^\n"
     "net.dl:5:9: error: expected `scan` or an expression, found `)`\n"
     "    5 |     y = )\n"
     "      |         ^\n"
     "net.dl:7:7: error: expected a name, found `(`\n"
     "    7 | layer (x: T[B]) {\n"
     "      |       ^\n"
     "net.dl:8:9: error: expected `scan` or an expression, found `)`\n"
     "    8 |     y = )\n"
     "      |         ^\n"},
    {"dims",
     "dim N < 64\n"
     "dim = 3\n"
     "dim M <= 64, K\n"
     "dim f(3)\n",
     "net.dl:1:7: error: expected `=` or `<=`, found `<`\n"
     "    1 | dim N < 64\n"
     "      |       ^\n"
     "net.dl:2:5: error: expected a name, found `=`\n"
     "    2 | dim = 3\n"
     "      |     ^\n"
     "net.dl:3:15: error: expected `=` or `<=`, found the end of the line\n"
     "    3 | dim M <= 64, K\n"
     "      |               ^\n"
     "net.dl:4:6: error: expected `=` or `<=`, found `(`\n"
     "    4 | dim f(3)\n"
     "      |      ^\n"},
    {"a range outside of a list",
     "layer f(x: T[B]) {\n"
     "    y = 1..2\n"
     "    y = x[0..2]\n"
     "    y = [..2]\n"
     "    y = [...]\n"
     "}\n",
     "net.dl:2:10: error: expected the end of the line, `[` or an operator, found `..`\n"
     "    2 |     y = 1..2\n"
     "      |          ^~\n"
     "net.dl:3:12: error: expected `,`, `:`, `[`, `]` or an operator, found `..`\n"
     "    3 |     y = x[0..2]\n"
     "      |            ^~\n"
     "net.dl:4:10: error: expected `...`, `]` or an expression, found `..`\n"
     "    4 |     y = [..2]\n"
     "      |          ^~\n"
     "net.dl:5:13: error: expected a name, found `]`\n"
     "    5 |     y = [...]\n"
     "      |             ^\n"},
    {"an argument without a name after one with",
     "layer f(x: T[B]) {\n"
     "    y = g(a=1, 2)\n"
     "}\n",
     "net.dl:2:16: error: an argument without a name stands after one with a name\n"
     "    2 |     y = g(a=1, 2)\n"
     "      |                ^\n"},
    {"a model without results",
     "model f(x: f32[2]) {\n"
     "    return x\n"
     "}\n",
     "net.dl:1:7: error: model f: the results are missing: write `-> (NAME: DTYPE[DIMS])` before `{`\n"
     "    1 | model f(x: f32[2]) {\n"
     "      |       ^\n"},
    {"scan",
     "layer f(x: T[B]) {\n"
     "    h = scan x over 1 from h = h0 { h = x }\n"
     "    h = scan e in x from h { h = e }\n"
     "    h = scan e in x over { h = e }\n"
     "    h = scan e in x, { h = e }\n"
     "    return h\n"
     "}\n",
     "net.dl:2:16: error: expected `in` or `=`, found the keyword `over`\n"
     "    2 |     h = scan x over 1 from h = h0 { h = x }\n"
     "      |                ^~~~\n"
     "   note: a scan names the element of each sequence: `scan e in x over 1, t in iota([T]) from h = h0 { ... }`\n"
     "net.dl:3:28: error: expected `=`, found `{`\n"
     "    3 |     h = scan e in x from h { h = e }\n"
     "      |                            ^\n"
     "   note: a carried value has an initial one: `from h = h0`\n"
     "net.dl:4:26: error: expected an expression, found `{`\n"
     "    4 |     h = scan e in x over { h = e }\n"
     "      |                          ^\n"
     "net.dl:5:22: error: expected a name, found `{`\n"
     "    5 |     h = scan e in x, { h = e }\n"
     "      |                      ^\n"},
    {"where a scan stands, and how it ends",
     "layer f(x: T[B]) {\n"
     "    y = relu(scan e in x { yield e })\n"
     "    scan e in x { yield e }\n"
     "    y = scan t in 0..8 { yield t }\n"
     "    y = scan e in x {\n"
     "        break\n"
     "    }\n"
     "    return scan e in x { yield e }\n"
     "}\n",
     "net.dl:2:14: error: expected `)` or an expression, found the keyword `scan`\n"
     "    2 |     y = relu(scan e in x { yield e })\n"
     "      |              ^~~~\n"
     "   note: a scan stands right after `=`: `y = scan e in x { ... }`\n"
     "net.dl:2:37: error: expected `}` or a statement, found `)`\n"
     "    2 |     y = relu(scan e in x { yield e })\n"
     "      |                                     ^\n"
     "net.dl:3:5: error: expected `}` or a statement, found the keyword `scan`\n"
     "    3 |     scan e in x { yield e }\n"
     "      |     ^~~~\n"
     "   note: a scan stands right after `=`: `y = scan e in x { ... }`\n"
     "net.dl:4:20: error: expected `over`, `from`, `,`, `[`, `{` or an operator, found `..`\n"
     "    4 |     y = scan t in 0..8 { yield t }\n"
     "      |                    ^~\n"
     "   note: iota([n]) counts n steps\n"
     "net.dl:6:14: error: expected `=` or `,`, found the end of the line\n"
     "    6 |         break\n"
     "      |              ^\n"
     "   note: a loop runs to its end: keep what is finished with select(done, old, new)\n"
     "net.dl:8:12: error: expected an expression, found the keyword `scan`\n"
     "    8 |     return scan e in x { yield e }\n"
     "      |            ^~~~\n"
     "   note: a scan stands right after `=`: `y = scan e in x { ... }`\n"},
    {"minimize",
     "train f(x: f32[2]) accumulates -> (y: f32[]) { return x }\n"
     "train f(x: f32[2]) {\n"
     "    minimize x with sgd\n"
     "    minimize x\n"
     "    minimize x over y with sgd()\n"
     "    minimize x with {}\n"
     "    minimize x with { sgd over \"a\"; sgd() over b; sgd() }\n"
     "    minimize x with clip |> { sgd() }\n"
     "    minimize x with clip(1) |> clip\n"
     "}\n",
     "net.dl:1:20: error: expected `accumulate`, `->` or `{`, found `accumulates`\n"
     "    1 | train f(x: f32[2]) accumulates -> (y: f32[]) { return x }\n"
     "      |                    ^~~~~~~~~~~\n"
     "net.dl:3:21: error: minimize: an optimiser is called, as in `with sgd(lr=0.1)`\n"
     "    3 |     minimize x with sgd\n"
     "      |                     ^~~\n"
     "net.dl:4:15: error: expected `over`, `with`, `(`, `[` or an operator, found the end of the line\n"
     "    4 |     minimize x\n"
     "      |               ^\n"
     "net.dl:5:21: error: expected a string, found `y`\n"
     "    5 |     minimize x over y with sgd()\n"
     "      |                     ^\n"
     "net.dl:6:21: error: minimize: no optimiser in the braces, as in { sgd(lr=0.1) over \"*\" }\n"
     "    6 |     minimize x with {}\n"
     "      |                     ^~\n"
     "net.dl:7:23: error: minimize: an optimiser is called, as in `with sgd(lr=0.1)`\n"
     "    7 |     minimize x with { sgd over \"a\"; sgd() over b; sgd() }\n"
     "      |                       ^~~\n"
     "net.dl:7:48: error: expected a string, found `b`\n"
     "    7 |     minimize x with { sgd over \"a\"; sgd() over b; sgd() }\n"
     "      |                                                ^\n"
     "net.dl:8:21: error: minimize: what changes the gradients is called, as in clip_norm(1.0) |> {\n"
     "    8 |     minimize x with clip |> { sgd() }\n"
     "      |                     ^~~~\n"},
    {"require",
     "layer f(x: T[B]) {\n"
     "    require(x)\n"
     "    require x\n"
     "    require(x, \"a\", 2)\n"
     "}\n",
     "net.dl:2:14: error: expected `,`, `(`, `[` or an operator, found `)`\n"
     "    2 |     require(x)\n"
     "      |              ^\n"
     "net.dl:3:13: error: expected `(`, found `x`\n"
     "    3 |     require x\n"
     "      |             ^\n"
     "net.dl:4:21: error: expected `)`, found `2`\n"
     "    4 |     require(x, \"a\", 2)\n"
     "      |                     ^\n"},
    {"a semicolon in parentheses",
     "layer f(x: T[B]) { y = f(x; z = 2; return ) }\n",
     "net.dl:1:25: error: this `(` is not closed\n"
     "    1 | layer f(x: T[B]) { y = f(x; z = 2; return ) }\n"
     "      |                         ^\n"
     "net.dl:1:43: error: expected an expression, found `)`\n"
     "    1 | layer f(x: T[B]) { y = f(x; z = 2; return ) }\n"
     "      |                                           ^\n"},
    {"a tab and letters of two bytes keep the caret in place",
     "layer f(x: T[B]) {\n"
     "\t\ty = \"\303\244\303\266\303\274\" \t b\n"
     "    y = \"\346\274\242\345\255\227\" b\n"
     "}\n",
     "net.dl:2:18: error: expected the end of the line, `[` or an operator, found `b`\n"
     "    2 |         y = \"\303\244\303\266\303\274\"    b\n"
     "      |                      ^\n"
     "net.dl:3:18: error: expected the end of the line, `[` or an operator, found `b`\n"
     "    3 |     y = \"\346\274\242\345\255\227\" b\n"
     "      |                ^\n"},
    {"one byte order mark only",
     "\357\273\277dim A = 1\n"
     "\357\273\277dim B = 2\n",
     "net.dl:2:1: error: a byte order mark inside the text\n"
     "    2 | ?dim B = 2\n"
     "      | ^\n"},
    {"an error that is longer than its line",
     "layer f(x: T[B]) {\n"
     "    y = g(a=1, (x +\n"
     "       2))\n"
     "}\n",
     "net.dl:2:16: error: an argument without a name stands after one with a name\n"
     "    2 |     y = g(a=1, (x +\n"
     "      |                ^~~~\n"},
    {"a brace left open before a dim",
     "layer f(x: T[B]) {\n"
     "    y = x\n"
     "dim N = 3\n",
     "net.dl:1:18: error: this `{` is not closed before the next declaration\n"
     "    1 | layer f(x: T[B]) {\n"
     "      |                  ^\n"},
};
// clang-format on

Test(parse_errors, messages_and_carets) {
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++) {
        Parsed p;
        parsed_open(&p, errors[i].text, strlen(errors[i].text));
        cr_expect(!strcmp(p.messages, errors[i].messages), "%s:\n%sgot\n%swant\n%s", errors[i].what, errors[i].text,
                  p.messages, errors[i].messages);
        parsed_close(&p);
    }
}
