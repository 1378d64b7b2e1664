// test_contraction.c: contractions of many forms, as C for each target, against the interpreter; and the same bits for
// any number of chunks. Each row is the text of a contract: shapes and maps. Rows mean nothing to the recipe but maps.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

typedef struct Row {
    const char *what;
    const char *dtype, *a, *b, *out; // shapes
    const char *iter;
} Row;

static const Row rows[] = {
    {"one number", "f32", "1, 1", "1, 1", "1, 1", "[m:1, n:1 | k:1] out[m, n] += a[m, k] * b[k, n]"},
    {"tails on both sides", "f32", "7, 3", "3, 5", "7, 5", "[m:7, n:5 | k:3] out[m, n] += a[m, k] * b[k, n]"},
    {"whole vectors", "f32", "6, 16", "16, 64", "6, 64", "[m:6, n:64 | k:16] out[m, n] += a[m, k] * b[k, n]"},
    {"NN", "f32", "131, 90", "90, 203", "131, 203", "[m:131, n:203 | k:90] out[m, n] += a[m, k] * b[k, n]"},
    {"NT", "f32", "131, 90", "203, 90", "131, 203", "[m:131, n:203 | k:90] out[m, n] += a[m, k] * b[n, k]"},
    {"TN", "f32", "90, 131", "90, 203", "131, 203", "[m:131, n:203 | k:90] out[m, n] += a[k, m] * b[k, n]"},
    {"TT", "f32", "90, 131", "203, 90", "131, 203", "[m:131, n:203 | k:90] out[m, n] += a[k, m] * b[n, k]"},
    {"TN with packed rows", "f32", "700, 61", "700, 208", "61, 208",
     "[m:61, n:208 | k:700] out[m, n] += a[k, m] * b[k, n]"},
    {"result transposed", "f32", "90, 131", "203, 90", "203, 131",
     "[n:203, m:131 | k:90] out[n, m] += a[k, m] * b[n, k]"},
    {"few columns", "f32", "64, 256", "10, 256", "64, 10", "[m:64, n:10 | k:256] out[m, n] += a[m, k] * b[n, k]"},
    {"K in two blocks", "f32", "33, 1500", "1500, 100", "33, 100",
     "[m:33, n:100 | k:1500] out[m, n] += a[m, k] * b[k, n]"},
    {"K in blocks, rows packed", "f32", "2050, 33", "100, 2050", "33, 100",
     "[m:33, n:100 | k:2050] out[m, n] += a[k, m] * b[n, k]"},
    {"rows packed in blocks", "f32", "1100, 301", "1100, 144", "301, 144",
     "[m:301, n:144 | k:1100] out[m, n] += a[k, m] * b[k, n]"},
    {"rows of a page, packed", "f32", "40, 1024", "1024, 150", "40, 150",
     "[m:40, n:150 | k:1024] out[m, n] += a[m, k] * b[k, n]"},
    {"batch, rows packed", "f32", "3, 700, 61", "3, 700, 208", "3, 61, 208",
     "[z:3, m:61, n:208 | k:700] out[z, m, n] += a[z, k, m] * b[z, k, n]"},
    {"batch, rows packed, lanes shared", "f32", "3, 700, 61", "700, 208", "3, 61, 208",
     "[z:3, m:61, n:208 | k:700] out[z, m, n] += a[z, k, m] * b[k, n]"},
    {"batch, rows packed and shared", "f32", "700, 61", "3, 700, 208", "3, 61, 208",
     "[z:3, m:61, n:208 | k:700] out[z, m, n] += a[k, m] * b[z, k, n]"},
    {"run-time rows", "f32", "N, 90", "80, 90", "N, 80", "[m:N, n:80 | k:90] out[m, n] += a[m, k] * b[n, k]"},
    {"run-time rows, few columns", "f32", "N, 60", "10, 60", "N, 10",
     "[m:N, n:10 | k:60] out[m, n] += a[m, k] * b[n, k]"},
    {"run-time K", "f32", "N, 70", "N, 80", "70, 80", "[m:70, n:80 | k:N] out[m, n] += a[k, m] * b[k, n]"},
    {"run-time columns", "f32", "70, 40", "N, 40", "70, N", "[m:70, n:N | k:40] out[m, n] += a[m, k] * b[n, k]"},
    {"run-time rows, packed", "f32", "600, N", "600, 200", "N, 200",
     "[m:N, n:200 | k:600] out[m, n] += a[k, m] * b[k, n]"},
    {"matrix times vector", "f32", "45, 70", "70", "45", "[m:45 | k:70] out[m] += a[m, k] * b[k]"},
    {"vector times matrix", "f32", "70", "70, 45", "45", "[n:45 | k:70] out[n] += a[k] * b[k, n]"},
    {"dot product", "f32", "70", "70", "", "[| k:70] out[] += a[k] * b[k]"},
    {"outer product", "f32", "21", "40", "21, 40", "[m:21, n:40 | ] out[m, n] += a[m] * b[n]"},
    {"batch", "f32", "3, 17, 20", "3, 20, 33", "3, 17, 33",
     "[z:3, m:17, n:33 | k:20] out[z, m, n] += a[z, m, k] * b[z, k, n]"},
    {"batch, one operand shared, transposed", "f32", "5, 2, 17, 20", "33, 20", "2, 5, 17, 33",
     "[y:2, z:5, m:17, n:33 | k:20] out[y, z, m, n] += a[z, y, m, k] * b[n, k]"},
    {"many batches", "f32", "40, 30, 32", "40, 32, 48", "40, 30, 48",
     "[z:40, m:30, n:48 | k:32] out[z, m, n] += a[z, m, k] * b[z, k, n]"},
    {"two summed axes", "f32", "9, 4, 6", "4, 6, 20", "9, 20",
     "[m:9, n:20 | k:4, l:6] out[m, n] += a[m, k, l] * b[k, l, n]"},
    {"two summed axes, outside the tile", "f32", "9, 50, 60", "50, 60, 20", "9, 20",
     "[m:9, n:20 | k:50, l:60] out[m, n] += a[m, k, l] * b[k, l, n]"},
    {"a summed axis of one operand only", "f32", "9, 7, 6", "6, 20", "9, 20",
     "[m:9, n:20 | k:7, l:6] out[m, n] += a[m, k, l] * b[l, n]"},
    {"lanes in both operands", "f32", "9, 37", "5, 37", "9, 37", "[m:9, c:37 | k:5] out[m, c] += a[m, c] * b[k, c]"},
    {"window inside its tensor", "f32", "3, 12", "5, 3, 4", "5, 9",
     "[o:5, y:9 | i:3, p:4] out[o, y] += a[i, y+p] * b[o, i, p]"},
    {"window with padding and stride", "f32", "2, 3, 12", "5, 3, 4", "2, 5, 6",
     "[z:2, o:5, y:6 | i:3, p:4] out[z, o, y] += a[z, i, 2*y+p-1] * b[o, i, p]"},
    {"scatter", "f32", "5, 6", "5, 3, 4", "3, 12", "[i:3, y:6, p:4 | o:5] out[i, 2*y+p-1] += a[o, y] * b[o, i, p]"},
    {"integers", "i32", "7, 9", "9, 20", "7, 20", "[m:7, n:20 | k:9] out[m, n] += a[m, k] * b[k, n]"},
    {"pooled", "f32", "9, 4, 6", "4, 16", "9, 6, 16", "[i:9, j:6, k:16 | l:4] out[i, j, k] += a[i, l, j] * b[l, k]"},
    {"pooled, the last axis in both operands", "f32", "8, 4, 6, 16", "8, 4, 6, 16", "8, 6, 16",
     "[i:8, j:6, k:16 | l:4] out[i, j, k] += a[i, l, j, k] * b[i, l, j, k]"},
    {"the last axis in no operand", "f32", "9, 7", "7, 5", "9, 5, 21",
     "[i:9, j:5, k:21 | l:7] out[i, j, k] += a[i, l] * b[l, j]"},
    {"pooled, the last axis in no operand", "f32", "9, 7", "7, 6", "9, 6, 21",
     "[i:9, j:6, k:21 | l:7] out[i, j, k] += a[i, l] * b[l, j]"},
};

// Rows called "pooled" return the maximum of each two neighbours along axis 1, which is a pool.
static const char *pool_text(Arena *arena, const Row *row) {
    int i = 0, j = 0, k = 0;
    if (strncmp(row->what, "pooled", 6) || sscanf(row->out, "%d, %d, %d", &i, &j, &k) != 3) return NULL;
    const char *form =
        "  %%4 = reduce %%3 {kind=\"max\", ties=\"first\", shape=[%d, %d, %d], iter=[i:%d, j:%d, k:%d | l:2] "
        "out[i, j, k] += a[i, 2*j+l, k]} : f32[%d, %d, %d]\n";
    return arena_printf(arena, form, i, j / 2, k, i, j / 2, k, i, j / 2, k);
}

enum { ROWS = sizeof rows / sizeof rows[0], BOUND = 37 };

typedef struct Variant {
    const char *name;
    HarnessOptions options;
} Variant;

static const Variant variants[] = {
    {"native", {.target = "native", .level = 2, .threads = 1, .cc = "gcc", .cc_level = "-O2"}},
    {"native, 5 chunks", {.target = "native", .level = 2, .threads = 5, .cc = "clang", .cc_level = "-O0"}},
    {"x86-64-v3", {.target = "x86-64-v3", .level = 2, .threads = 3, .cc = "clang", .cc_level = "-O2"}},
    {"c11", {.target = "c11", .level = 2, .threads = 1, .cc = "gcc", .cc_level = "-O2"}},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

// The C compiler takes a minute for all rows under the sanitizers: there each row is tried with one variant only.
static bool is_tried(int variant, int row) { return !getenv("DLC_TEST_SANITIZE") || row % VARIANTS == variant; }

// Each row is an entry with one to three results: the product; relu(product + c); and c < product + c, of bool, for
// which the epilogue has no vector form. A pool is the only result.
static const char *graph_text(Arena *arena, int variant) {
    Str s = str_new(arena);
    str_printf(&s, "size N <= %d\n", BOUND);
    for (int r = 0; r < ROWS; r++) {
        if (!is_tried(variant, r)) continue;
        const Row *row = &rows[r];
        const char *t = row->dtype, *out = row->out;
        const char *pool = pool_text(arena, row);
        bool plain = r % 3 == 0 || t[0] != 'f' || pool, mask = !plain && r % 3 == 2;
        str_printf(&s, "model e%d(a: %s[%s], b: %s[%s], c: %s[%s]) {\n", r, t, row->a, t, row->b, t, out);
        str_printf(&s, "  %%0 = argument {name=\"a\"} : %s[%s]\n  %%1 = argument {name=\"b\"} : %s[%s]\n", t, row->a, t,
                   row->b);
        str_printf(&s, "  %%2 = argument {name=\"c\"} : %s[%s]\n", t, out);
        str_printf(&s, "  %%3 = contract %%0, %%1 {shape=[%s], iter=%s} : %s[%s]\n", out, row->iter, t, out);
        if (!plain) {
            str_printf(&s, "  %%4 = add %%3, %%2 : f32[%s]\n  %%5 = relu %%4 : f32[%s]\n", out, out);
            if (mask) str_printf(&s, "  %%6 = lt %%2, %%4 : bool[%s]\n", out);
        }
        if (pool) str_printf(&s, "%s", pool);
        str_printf(&s, "  return \"y\" = %%%d\n", pool ? 4 : 3);
        if (!plain) str_printf(&s, "  return \"z\" = %%5\n");
        if (mask) str_printf(&s, "  return \"w\" = %%6\n");
        str_printf(&s, "}\n");
    }
    return str_text(&s);
}

// Calls one entry with the compiled C; the result's values in `got`.
static void call(Arena *arena, Compiled *c, const char *name, int64_t n, Tensor *arguments, Tensor *got, Tensor *want) {
    Graph *entry = compiled_entry(c, name);
    for (int k = 0; k < entry->arguments.len; k++)
        arguments[k] = tensor_drawn(arena, &entry->arguments.at[k]->type, &n, (uint32_t)(7 + k), -1, 1);
    for (int k = 0; k < entry->outputs.len; k++) {
        got[k] = tensor_new(arena, &entry->outputs.at[k].value->type, &n);
        want[k] = tensor_new(arena, &entry->outputs.at[k].value->type, &n);
    }
    int status = compiled_call(c, entry, &n, arguments, got, NULL);
    cr_assert_eq(status, 0, "%s returned %d", name, status);
    Interpretation run = {.arena = arena, .sizes = &n, .arguments = arguments, .returned = want};
    graph_interpret(entry, &run);
}

Test(contraction, agrees_with_the_interpreter, .timeout = 300) {
    Arena arena = {0};
    Tensor first[VARIANTS][ROWS] = {0};
    for (int v = 0; v < VARIANTS; v++) {
        const char *path = arena_printf(&arena, "%s/rows%d.graph", harness_dir(&arena, "contraction"), v);
        harness_write(path, graph_text(&arena, v));
        Compiled *c = compiled_new(&arena, path, arena_printf(&arena, "contraction%d", v), &variants[v].options);
        cr_assert(c, "%s does not compile", variants[v].name);
        for (int r = 0; r < ROWS; r++) {
            if (!is_tried(v, r)) continue;
            bool sized = strchr(rows[r].out, 'N') || strchr(rows[r].a, 'N');
            for (int64_t n = sized ? 1 : BOUND; n <= BOUND; n += n < 8 ? 1 : 5 + (n == 33)) {
                Tensor arguments[3], got[3], want[3];
                call(&arena, c, arena_printf(&arena, "e%d", r), n, arguments, got, want);
                Graph *entry = compiled_entry(c, arena_printf(&arena, "e%d", r));
                for (int k = 0; k < entry->outputs.len; k++) {
                    double difference = tensor_difference(&got[k], &want[k]);
                    cr_expect(difference < 2e-5, "%s, N = %d, %s, output %d: differs by %g", rows[r].what, (int)n,
                              variants[v].name, k, difference);
                }
                if (n == BOUND) first[v][r] = got[0];
            }
        }
        compiled_free(c);
    }
    // The same bits for 1 and 5 chunks.
    for (int r = 0; r < ROWS; r++)
        for (int64_t i = 0; i < first[0][r].count && first[0][r].f && first[1][r].f; i++)
            cr_expect(first[0][r].f[i] == first[1][r].f[i], "%s: element %d changes with the number of chunks",
                      rows[r].what, (int)i);
    arena_release(&arena);
}
