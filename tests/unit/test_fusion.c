// test_fusion.c: how many kernels each network comes to, entry by entry: what fusion is worth, as a table. A number
// that falls is progress and is written down here; one that rises is a loss.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "loops/loops.h"
#include "modules.h"
#include "passes/passes.h"
#include "random_graph.h"
#include "targets/targets.h"

#define IMAGE "model forward(x: f32[N, 16, 12, 12]) -> (y: f32[N, 32, "
#define CONV  "conv2d(32, 3, padding=1)"

typedef struct Row {
    const char *what, *text, *entry;
    int kernels;
} Row;

// `dim N <= 4` is put above each text; one that ends in .dl is a file below TOP.
static const Row rows[] = {
    {"linear + bias + relu", "model forward(x: f32[N, 40]) -> (y: f32[N, 30]) { return x |> linear(30) |> relu }",
     "forward", 1},
    {"convolution + bias", IMAGE "12, 12]) { return x |> " CONV " }", "forward", 1},
    {"convolution + bias + relu", IMAGE "12, 12]) { return x |> " CONV " |> relu }", "forward", 1},
    {"convolution + bias + batch norm + relu", IMAGE "12, 12]) { return x |> " CONV " |> batch_norm2d |> relu }",
     "forward", 1},
    {"convolution + bias + batch norm + relu + max pool",
     IMAGE "6, 6]) { return x |> " CONV " |> batch_norm2d |> relu |> max_pool2d(2) }", "forward", 1},
    {"convolution + bias + relu + average pool", IMAGE "6, 6]) { return x |> " CONV " |> relu |> avg_pool2d(2) }",
     "forward", 1},
    {"convolution + relu, then the mean of the whole image: too many sums for a tile",
     IMAGE "1, 1]) { return x |> " CONV " |> relu |> adaptive_avg_pool2d(1) }", "forward", 2},
    {"convolution + batch norm + residual + relu",
     "model forward(x: f32[N, 32, 12, 12]) -> (y: f32[N, 32, 12, 12]) { return relu(x + (x |> " CONV
     " |> batch_norm2d)) }",
     "forward", 1},
    {"depthwise convolution + batch norm + relu6",
     "model forward(x: f32[N, 16, 12, 12]) -> (y: f32[N, 16, 12, 12]) {"
     " return x |> conv2d(16, 3, padding=1, groups=16) |> batch_norm2d |> relu6 }",
     "forward", 1},
    {"argmax of a product: the product is stored, because it is compared with its own largest",
     "model pick(x: f32[N, 40]) -> (y: i64[N]) { return argmax(x * x - 3, axis=1) }", "pick", 2},
    {"argmax of what is in memory", "model pick(x: f32[N, 40]) -> (y: i64[N]) { return argmax(relu(-x), axis=1) }",
     "pick", 1},
    {"softmax of a sum compares nothing",
     "model soft(x: f32[N, 40], z: f32[N, 40]) -> (y: f32[N, 40]) { return softmax(x + z - 3, axis=1) }", "soft", 1},
    {"softmax of a product: the largest is subtracted from itself",
     "model soft(x: f32[N, 40]) -> (y: f32[N, 40]) { return softmax(x * x - 3, axis=1) }", "soft", 2},
    // What its readers compute again is no part in place: the log_softmax would wait for it, and it for the
    // log_softmax.
    {"a concat of what is computed again",
     "model parts(x: f32[N, 17, 17]) -> (r: f32[N, 17, 2], y: f32[N, 34, 3], z: f32[N, 17, 4]) {"
     " a = adaptive_avg_pool1d(x, 2); b = log_softmax(a, axis=1); c = concat([b, a], axis=2);"
     " return (sigmoid(b) + 0.1) ** -1.5, conv1d(c, 34, 1, stride=2, padding=1, groups=17), concat([b, b], axis=2) }",
     "parts", 7},
    // Whether `e` may join the contraction is asked after groups of one node, which were never tried for a cycle.
    {"a cycle through a group of one node",
     "model f(u: f32[16, 24], v: f32[16, 40], x: f32[16, 8, 12], w: f32[12, 12], w2: f32[12, 64], y: f32[16, 32], "
     "z: f32[16, 50]) -> (a: f32[16, 24], b: f32[16, 40], m: f32[16, 32], e: f32[16, 8, 12], k: f32[16]) {"
     " a = softmax(u * sum(u, axis=1, keepdim=true), axis=1); b = softmax(v * sum(v, axis=1, keepdim=true), axis=1);"
     " c = x @ w; t = sum(c, axis=1) @ w2; g = sum(y, axis=1, keepdim=true); m = t[:, :32] * g;"
     " e = c + reshape(g, [16, 1, 1]); k = sum(z, axis=1); return a, b, m, e, k }",
     "f", 11},
    {"the perceptron", "examples/mlp/mlp.dl", "forward", 2},
    {"the perceptron", "examples/mlp/mlp.dl", "step", 11},
    {"adam: two numbers of the step, then one pass over each parameter, its gradient and its moments",
     "train step(x: f32[N, 32], d: f32[N, 16], lr: f32[]) {"
     " minimize sum(linear(x, 16) * d) with adam(lr=lr, weight_decay=0.1) }",
     "step", 4},
    {"mynet", "examples/mynet/mynet.dl", "forward", 5},
    {"mynet", "examples/mynet/mynet.dl", "step", 32},
    {"the fashion CNN", "examples/fashion/fashion.dl", "forward", 4},
    {"the fashion CNN", "examples/fashion/fashion.dl", "step", 36},
    {"ResNet-18", "examples/resnet/resnet18.dl", "forward", 23},
    {"MobileNetV2", "examples/resnet/mobilenet_v2.dl", "forward", 54},
    {"a TCN", "tests/nets/tcn.dl", "forward", 19},
    {"a U-Net", "tests/nets/unet.dl", "forward", 16},
    {"a DenseNet", "tests/nets/dense.dl", "forward", 17},
};

static Module *module_of(Arena *arena, const Row *row) {
    size_t len = strlen(row->text);
    if (len > 3 && !strcmp(row->text + len - 3, ".dl")) {
        const char *top = getenv("TOP") ? getenv("TOP") : ".";
        return harness_module(arena, arena_printf(arena, "%s/%s", top, row->text), NULL);
    }
    return compile(arena, arena_printf(arena, "dim N <= 4\n%s\n", row->text));
}

Test(fusion, kernels_of_each_net) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const Row *row = &rows[k];
        Arena arena = {0};
        Module *m = module_of(&arena, row);
        cr_assert(m, "%s: does not elaborate", row->what);
        passes_run(m, &(PassOptions){.level = 2, .out = stdout});
        for (int e = 0; e < m->entries.len; e++) {
            if (strcmp(m->entries.at[e]->name, row->entry)) continue;
            const Program *p = program_lower(m->entries.at[e], target_find("x86-64-v3"), 2, 8);
            int kernels = p->calls.len - p->nprepare;
            cr_expect(kernels == row->kernels, "%s, %s: %d kernels, want %d", row->what, row->entry, kernels,
                      row->kernels);
        }
        arena_release(&arena);
    }
}

// The gradient of a batch norm computes the normalised values again, from the convolution's result: beside that only
// what the next layer reads is kept.
// `a` follows from the product through the row's maximum, so neither p nor q may join its kernel. The search that finds
// this for p must find it again for q: otherwise q joins, and takes relu out with it.
Test(fusion, what_was_refused_for_one_reader_is_refused_for_the_next) {
    static const Row row = {"two readers of a row's maximum",
                            "model f(x: f32[64, 64], w: f32[64, 64], z: f32[64, 64])"
                            " -> (p: f32[64, 64], q: f32[64, 64], r: f32[64, 64]) {"
                            " h = x @ w; a = z + max(h, axis=1, keepdim=true); return h + exp(a), h * a, relu(h) }",
                            "f", 0};
    Arena arena = {0};
    Module *m = module_of(&arena, &row);
    cr_assert(m, "does not elaborate");
    passes_run(m, &(PassOptions){.level = 2, .out = stdout});
    const Program *p = program_lower(m->entries.at[0], target_find("x86-64-v3"), 2, 8);
    cr_expect_str_eq(p->calls.at[0].kernel->name, "contract_relu");
    arena_release(&arena);
}

// The pass itself refuses groups that form a cycle.
Test(fusion, random_graphs_make_no_cycle, .timeout = 120) {
    for (uint32_t seed = 1; seed <= 60; seed++) {
        Arena arena = {0};
        Diag diag = {.out = stderr};
        Module *m = random_module(&arena, &diag, seed);
        cr_assert(m && !diag.errors);
        passes_run(m, &(PassOptions){.level = 2, .out = stderr});
        cr_expect(m->entries.len > 0);
        arena_release(&arena);
    }
}

Test(fusion, a_batch_norm_keeps_its_input_alone) {
    static const Row row = {"batch norm",
                            "train step(x: f32[N, 16, 12, 12]) -> (loss: f32[]) {\n    y = x |> " CONV
                            " |> batch_norm2d |> relu |> conv2d(8, 3)\n    loss = sum(y * y)\n"
                            "    minimize loss with sgd(lr=0.1)\n    return loss\n}",
                            "step", 0};
    Arena arena = {0};
    Module *m = module_of(&arena, &row);
    cr_assert(m, "does not elaborate");
    passes_run(m, &(PassOptions){.level = 2, .out = stdout});
    const Program *p = program_lower(m->entries.at[0], target_find("x86-64-v3"), 2, 8);
    int kept = 0;
    for (int k = 0; k < p->buffers.len; k++) {
        const Buffer *buffer = p->buffers.at[k];
        kept += buffer->scope == SCOPE_ARENA && buffer->value && buffer->value->section == SECTION_FORWARD &&
                type_count(&buffer->value->type) == 4 * 32 * 12 * 12;
    }
    cr_expect_eq(kept, 2, "%d values of the convolution's shape are kept, want 2", kept);
    arena_release(&arena);
}
