// test_plans.c: which tile, which chunks: what the cost model decides for kernels of every kind, so that a changed
// constant is seen. The numbers are dlc's own: a change that makes kernels faster brings the rows along.
#include <criterion/criterion.h>

#include "harness.h"
#include "loops/loops.h"
#include "passes/passes.h"

typedef struct Row {
    const char *what, *text, *entry, *target;
    const char *plan; // by call: its recipe, and the chunks of its loops
} Row;

#define PRODUCT(m, k, n)                                                                                               \
    "model f(a: f32[" #m ", " #k "], b: f32[" #k ", " #n "]) -> (y: f32[" #m ", " #n "]) { return a @ b }"
#define LINEAR(i, o) "model f(x: f32[N, " #i "]) -> (y: f32[N, " #o "]) { return x |> linear(" #o ") |> relu }"
#define STEP(in, layer)                                                                                                \
    "train f(x: f32[N, " in "], lr: f32[]) { minimize sum(x |> " layer ") with sgd(lr=lr, momentum=0.9) }"

// `dim N <= 64` stands above each text.
static const Row rows[] = {
    {"a square product", PRODUCT(1024, 1024, 1024), "f", "x86-64-v4",
     "contraction 13x2, rows packed, lanes packed /8 /8"},
    {"the same in 8 lanes", PRODUCT(1024, 1024, 1024), "f", "x86-64-v3", "contraction 6x2, lanes packed /8"},
    {"the same without vectors", PRODUCT(1024, 1024, 1024), "f", "c11", "contraction 6x1, lanes packed /8"},
    {"sizes that nothing divides", PRODUCT(333, 517, 251), "f", "x86-64-v4", "contraction 13x2, lanes packed /8"},
    {"a long sum", PRODUCT(48, 40000, 64), "f", "x86-64-v4", "contraction 6x4 /8"},
    {"one row", PRODUCT(1, 512, 1024), "f", "x86-64-v4", "contraction 1x8"},
    {"a small product", PRODUCT(5, 7, 3), "f", "x86-64-v4", "contraction 5x1, lanes packed"},
    {"sixteen products", "model f(a: f32[16, 64, 48], b: f32[16, 48, 64]) -> (y: f32[16, 64, 64]) { return a @ b }",
     "f", "x86-64-v4", "contraction 13x2 /8"},
    {"a linear layer", LINEAR(784, 256), "f", "x86-64-v4", "packing /4; contraction 6x4, lanes packed /4"},
    {"ten classes", LINEAR(256, 10), "f", "x86-64-v4", "packing; contraction 28x1, lanes packed"},
    {"ten classes in 4 lanes", LINEAR(256, 10), "f", "armv8-a", "packing; contraction 8x3, lanes packed"},
    {"a linear layer's step", STEP("256", "linear(128)"), "f", "x86-64-v4",
     "rows, vectors; rows, vectors; contraction 13x2 /8"},
    {"a 3x3 convolution",
     "model f(x: f32[N, 64, 28, 28]) -> (y: f32[N, 64, 28, 28]) { return conv2d(x, 64, 3, padding=1) }", "f",
     "x86-64-v4", "packing; contraction 13x2, windows, rows packed /8 /5"},
    {"the first layer's convolution",
     "model f(x: f32[N, 3, 64, 64]) -> (y: f32[N, 32, 32, 32]) { return conv2d(x, 32, 3, stride=2, padding=1) }", "f",
     "x86-64-v4", "packing; contraction 11x2, windows, rows packed /8 /8"},
    {"with a pool",
     "model f(x: f32[N, 32, 24, 24]) -> (y: f32[N, 32, 12, 12]) {"
     " return x |> conv2d(32, 3, padding=1) |> relu |> max_pool2d(2) }",
     "f", "x86-64-v4", "packing; contraction 6x1, windows, lanes packed /8 /2"},
    {"with a pool, for the vectors of 128 channels: three of them in a tile",
     "model f(x: f32[N, 64, 24, 24]) -> (y: f32[N, 128, 12, 12]) {"
     " return x |> conv2d(128, 3, padding=1) |> relu |> max_pool2d(2) }",
     "f", "x86-64-v4", "packing; contraction 2x3, windows, lanes packed /8 /6"},
    {"depthwise",
     "model f(x: f32[N, 96, 28, 28]) -> (y: f32[N, 96, 28, 28]) { return conv2d(x, 96, 3, padding=1, groups=96) }", "f",
     "x86-64-v4", "rows; packing; contraction 1x2, windows, rows packed /8 /8"},
    {"a convolution's step", STEP("16, 12, 12", "conv2d(32, 3) |> relu |> flatten |> linear(10)"), "f", "x86-64-v4",
     "rows; contraction 6x4 /8; contraction 10x2, lanes packed /8; rows /8; rows; contraction 5x4 /8; rows, vectors; "
     "contraction 8x2 /8"},
    {"a transposed convolution",
     "model f(x: f32[N, 64, 14, 14]) -> (y: f32[N, 32, 28, 28]) { return conv_transpose2d(x, 32, 2, stride=2) }", "f",
     "x86-64-v4", "packing; contraction 16x1, windows, rows packed /8 /8"},
    {"softmax", "model f(x: f32[N, 1000]) -> (y: f32[N, 1000]) { return softmax(x) }", "f", "x86-64-v4",
     "rows, lanes summed /8"},
    {"layer norm", "model f(x: f32[N, 768]) -> (y: f32[N, 768]) { return layer_norm(x) }", "f", "x86-64-v4",
     "rows, lanes summed /8"},
    {"sums of columns", "model f(x: f32[5000, 512]) -> (y: f32[512]) { return sum(x * x, axis=0) }", "f", "x86-64-v4",
     "rows, vectors /8"},
    {"in threes, because 15 vectors are no fours",
     "model f(x: f32[5000, 240]) -> (y: f32[240]) { return sum(x * x, axis=0) }", "f", "x86-64-v4", "rows, vectors /5"},
    {"element by element", "model f(x: f32[N, 4096]) -> (y: f32[N, 4096]) { return tanh(x) * x }", "f", "c11",
     "rows /8"},
    {"a max pool", "model f(x: f32[N, 64, 16, 16]) -> (y: f32[N, 64, 8, 8]) { return max_pool2d(x, 2) }", "f",
     "x86-64-v4", "rows /8"},
    {"an average pool", "model f(x: f32[N, 64, 16, 16]) -> (y: f32[N, 64, 8, 8]) { return avg_pool2d(x, 2) }", "f",
     "x86-64-v4", "rows /8"},
};

static void put_chunks(Str *s, const Stmt *stmt) {
    if (stmt->kind == STMT_FOR && stmt->loop == FOR_CHUNKS) str_printf(s, " /%d", (int)stmt->hi->c);
    for (int k = 0; k < stmt->body.len; k++) put_chunks(s, stmt->body.at[k]);
}

// How many loops of three steps are written out.
static int count_threes(const Stmt *stmt) {
    int threes = stmt->kind == STMT_FOR && stmt->loop == FOR_UNROLLED && !stmt->hi->nterms && stmt->hi->c == 3;
    for (int k = 0; k < stmt->body.len; k++) threes += count_threes(stmt->body.at[k]);
    return threes;
}

// The sum over few channels, or over the columns of one channel's windows, is written out. Not so when its steps read
// the same scalars for several rows of the tile, as under a pool, and not over more channels.
Test(plans, short_sums_are_written_out) {
    static const struct {
        const char *layer;
        int channels, size;
        bool unrolled;
    } nets[] = {{"conv2d(32, 3)", 3, 32, true},
                {"conv2d(32, 3) |> relu |> max_pool2d(2)", 3, 16, true},
                {"conv2d(32, 3)", 5, 32, false},
                {"conv2d(32, 3)", 1, 32, true},
                {"conv2d(32, 3) |> relu |> max_pool2d(2)", 1, 16, false}};
    for (size_t k = 0; k < sizeof nets / sizeof *nets; k++) {
        Arena arena = {0};
        const char *text =
            arena_printf(&arena, "model f(x: f32[4, %d, 34, 34]) -> (y: f32[4, 32, %d, %d]) { return x |> %s }",
                         nets[k].channels, nets[k].size, nets[k].size, nets[k].layer);
        Module *m = harness_text(&arena, "plan.dl", text, NULL, stderr);
        cr_assert(m, "%s", text);
        passes_run(m, &(PassOptions){.level = 2, .out = stderr});
        const Program *p = program_lower(m->entries.at[0], target_find("x86-64-v4"), 2, 8);
        int unrolled = count_threes(p->calls.at[p->calls.len - 1].kernel->body);
        cr_expect_eq(unrolled > 0, nets[k].unrolled, "%s: %d loops are written out", text, unrolled);
        arena_release(&arena);
    }
}

Test(plans, of_each_kind) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const Row *row = &rows[k];
        Arena arena = {0};
        Module *m = harness_text(&arena, "plan.dl", arena_printf(&arena, "dim N <= 64\n%s\n", row->text), NULL, stderr);
        cr_assert(m, "%s", row->what);
        passes_run(m, &(PassOptions){.level = 2, .out = stderr});
        const Program *p = program_lower(m->entries.at[0], target_find(row->target), 2, 8);
        Str plan = str_new(&arena);
        for (int c = 0; c < p->calls.len; c++) {
            str_printf(&plan, "%s%s", c ? "; " : "", p->calls.at[c].kernel->recipe);
            put_chunks(&plan, p->calls.at[c].kernel->body);
        }
        cr_expect_str_eq(str_text(&plan), row->plan, "%s, %s:\n%s", row->what, row->target, str_text(&plan));
        arena_release(&arena);
    }
}
