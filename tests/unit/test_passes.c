// test_passes.c: the pipeline as a table, each rewrite by its before and after, and how many kernels are left.
#include <criterion/criterion.h>
#include <string.h>

#include "modules.h"
#include "ops/op.h"
#include "passes/passes.h"

static Module *run_passes(Arena *arena, const char *text, int level) {
    Module *m = compile(arena, text);
    passes_run(m, &(PassOptions){.level = level, .verify_meaning = true, .out = stdout});
    return m;
}

static int count(const Graph *g, const char *op) {
    int n = 0;
    for (int k = 0; k < g->nodes.len; k++) n += !strcmp((g->nodes.at[k])->op->name, op);
    return n;
}

Test(passes, every_pass_finds_what_it_needs) {
    for (int level = 0; level <= 2; level += 2) {
        unsigned facts = 0;
        int rows = 0;
        for (int k = 0; pipeline[k].name; k++) {
            const Pass *pass = &pipeline[k];
            cr_assert(pass->doc && pass->run, "%s has no doc or function", pass->name);
            for (int j = 0; j < k; j++) cr_assert(strcmp(pipeline[j].name, pass->name), "%s stands twice", pass->name);
            if (!pass_runs(pass, level)) continue;
            cr_assert_eq(pass->needs & ~facts, 0, "-O%d: %s runs before what it needs", level, pass->name);
            facts = (facts & ~pass->breaks) | pass->gives;
            rows++;
        }
        cr_assert(facts & FACT_GROUPED, "-O%d ends without groups", level);
        cr_assert(facts & FACT_DEDUPED, "-O%d ends with dead nodes", level);
        cr_assert_geq(rows, 2);
    }
}

// What is left of an operator after the passes of -O2: `expression` over x: f32[N, 6], w: f32[6, 4], s: f32[].
static const struct {
    const char *expression, *op;
    int left;
} rewrites[] = {
    {"x * 1", "mul", 0},
    {"x + 0", "add", 0},
    {"x - 0", "sub", 0},
    {"0 - x", "sub", 0},
    {"x / 4", "div", 0},
    {"x / 3", "div", 1},
    {"neg(neg(x))", "neg", 0},
    {"x * 0", "mul", 1}, // NaN times 0 is NaN
    {"transpose(transpose(x, 0, 1), 0, 1) + x", "transpose", 0},
    {"reshape(reshape(x, [shape(x, 0), 2, 3]), [shape(x, 0), 6])", "reshape", 0},
    {"exp(x) + exp(x)", "exp", 1},
    {"detach(x)", "detach", 0},
    {"x * exp(zeros_like_two() * 3)", "exp", 0},
    {"pow(x, cast(2, f32) + zeros_like_two() * 0)", "pow", 0},
    {"pow(x, zeros_like_two() - 3)", "pow", 0},
    {"pow(x, zeros_like_two() - 1)", "pow", 0},
    {"pow(x, zeros_like_two() + 1)", "pow", 1},
    {"pow(x, -0.5)", "pow", 0},
    {"x @ transpose(w, 0, 1) @ w", "transpose", 0},
    {"x + tanh(s) * s", "broadcast", 1},
    {"pad(x[:, 2:6], [2, 0]) + pad(x[:, 0:2], [0, 4])", "add", 0}, // side by side: a concat
    {"pad(x[:, 4:6], [4, 0]) + pad(x[:, 1:3], [1, 3]) + pad(x[:, 3:4], [3, 2])", "pad", 1},
    {"pad(x[:, 3:6], [3, 0]) + pad(x[:, 0:2], [0, 4])", "add", 1},            // a gap
    {"pad(x[:, 1:6], [1, 0]) + pad(x[:, 0:2], [0, 4])", "add", 1},            // an overlap
    {"pad(x[:, 2:6], [2, 0], value=1.0) + pad(x[:, 0:2], [0, 4])", "add", 1}, // not zeros
};

Test(passes, rewrites) {
    for (size_t k = 0; k < sizeof rewrites / sizeof *rewrites; k++) {
        Arena arena = {0};
        const char *text =
            arena_printf(&arena,
                         "dim N <= 5\nlayer zeros_like_two() { return cast(2, f32) }\n"
                         "model f(x: f32[N, 6], w: f32[6, 6], s: f32[]) -> (y: f32[N, 6]) {\n    return %s\n}\n",
                         rewrites[k].expression);
        Module *m = run_passes(&arena, text, 2);
        const Graph *g = m->entries.at[0];
        Str s = str_new(&arena);
        graph_print(&s, g);
        cr_expect_eq(count(g, rewrites[k].op), rewrites[k].left, "%s: %d %s left, want %d\n%s", rewrites[k].expression,
                     count(g, rewrites[k].op), rewrites[k].op, rewrites[k].left, str_text(&s));
        arena_release(&arena);
    }
}

// A double would round them.
Test(passes, integers_beyond_2_to_the_53_keep_their_value) {
    Arena arena = {0};
    Module *m =
        run_passes(&arena,
                   "dim K = 9007199254740993\nmodel f(x: i64[3]) -> (y: i64[2, 3], z: i64[3]) {\n"
                   "    return broadcast(x, [2, 3]) + K, x * full([3], K, i64) + full([3], K - 3, i64) * 3\n}\n",
                   2);
    Str s = str_new(&arena);
    graph_print(&s, m->entries.at[0]);
    cr_expect(strstr(str_text(&s), "int=9007199254740993}") && !strstr(str_text(&s), "int=9007199254740992}"), "%s",
              str_text(&s));
    cr_expect(strstr(str_text(&s), "int=27021597764222970}"), "%s", str_text(&s));
    arena_release(&arena);
}

// How many kernels a program becomes at -O2.
static const struct {
    const char *what, *text;
    int kernels;
} fusions[] = {
    {"linear + relu", "model f(x: f32[8, 6]) -> (y: f32[8, 4]) { return relu(linear(x, 4)) }", 1},
    {"two layers", "model f(x: f32[8, 6]) -> (y: f32[8, 4]) { return linear(relu(linear(x, 4)), 4) }", 2},
    {"residual of two contractions", "model f(x: f32[8, 4]) -> (y: f32[8, 4]) { return linear(x, 4) + linear(x, 4) }",
     2},
    {"softmax", "model f(x: f32[8, 6]) -> (y: f32[8, 6]) { return softmax(x, axis=1) }", 1},
    {"element-wise chain", "model f(x: f32[8, 6]) -> (y: f32[8, 6]) { return tanh(x * 2 + exp(x)) }", 1},
    {"chain read twice",
     "model f(x: f32[8, 6]) -> (y: f32[8, 6], z: f32[8, 6]) {\n    h = tanh(x)\n    return h * h, exp(h)\n}", 1},
    {"norm of rows",
     "model f(x: f32[8, 6]) -> (y: f32[8, 6]) {\n    c = x - mean(x, axis=1, keepdim=true)\n    return c / sqrt(mean(c "
     "* c, axis=1, keepdim=true) + 0.1)\n}",
     1},
    // The layer; the mean; its gradient, which the next product reads from memory; the bias's gradient with its update;
    // the weight's gradient with its update.
    {"a step of one layer",
     "train f(x: f32[8, 6]) -> (loss: f32[]) {\n    loss = mean(linear(x, 4))\n    minimize loss with sgd(lr=0.1, "
     "momentum=0.9)\n    return loss\n}",
     5},
};

Test(passes, fusions) {
    for (size_t k = 0; k < sizeof fusions / sizeof *fusions; k++) {
        Arena arena = {0};
        Module *m = run_passes(&arena, fusions[k].text, 2);
        const Graph *g = m->entries.at[0];
        Str s = str_new(&arena);
        graph_print(&s, g);
        cr_expect_eq(g->groups.len, fusions[k].kernels, "%s: %d kernels, want %d\n%s", fusions[k].what, g->groups.len,
                     fusions[k].kernels, str_text(&s));
        arena_release(&arena);
    }
}

Test(passes, a_training_step_of_the_perceptron_is_nine_kernels) {
    Arena arena = {0};
    Module *m = run_passes(
        &arena,
        "dim N <= 8\n"
        "model forward(x: f32[N, 12]) -> (y: f32[N, 4]) {\n    return x |> linear(6) |> relu |> linear(4)\n}\n"
        "train step(x: f32[N, 12], label: i32[N]) -> (loss: f32[]) {\n    loss = cross_entropy(forward(x), label)\n"
        "    minimize loss with sgd(lr=0.1, momentum=0.9)\n    return loss\n}\n",
        2);
    const Graph *g = m->entries.at[1];
    // Two layers forward; how many labels count; cross entropy with its gradient; the mean; per layer the weight's
    // gradient with its update and the bias's; the gradient of the hidden layer.
    Str s = str_new(&arena);
    graph_print(&s, g);
    cr_expect_eq(g->groups.len, 10, "%d kernels\n%s", g->groups.len, str_text(&s));
    // What updates a weight runs after the last kernel that reads its old value.
    int update = -1, reader = -1;
    for (int k = 0; k < g->groups.len; k++)
        for (int o = 0; o < g->groups.at[k].outputs.len; o++)
            for (int b = 0; b < g->outputs.len; b++)
                if (g->outputs.at[b].storage && !strcmp(g->outputs.at[b].storage->name, "linear_2.weight") &&
                    g->outputs.at[b].value == g->groups.at[k].outputs.at[o])
                    update = k;
    for (int k = 0; k < g->groups.len; k++) {
        const Node *root = g->groups.at[k].root;
        for (int i = 0; root && i < root->nin; i++)
            if (node_is(root->in[i], storage) && !strcmp(root->in[i]->attr[0].s, "linear_2.weight")) reader = k;
    }
    cr_expect(update > reader && reader > 0, "linear_2.weight is read by group %d and updated by group %d", reader,
              update);
    arena_release(&arena);
}

Test(passes, every_operator_is_a_kernel_without_optimisation) {
    Arena arena = {0};
    Module *m = run_passes(
        &arena,
        "model f(x: f32[8, 6]) -> (y: f32[8, 4]) { return relu(linear(transpose(transpose(x, 0, 1), 0, 1), 4)) }", 0);
    cr_expect_eq(m->entries.at[0]->groups.len, 3, "contract, add, relu: %d kernels", m->entries.at[0]->groups.len);
    arena_release(&arena);
}

// Long chains and shared subexpressions must not take exponential time or a deep stack.
Test(passes, long_chains) {
    Arena arena = {0};
    Module *m = run_passes(
        &arena,
        "model f(x: f32[8]) -> (y: f32[8]) {\n    for i in 0..3000 { x = tanh(x) + x * 0.5 }\n    return x\n}\n", 2);
    const Graph *g = m->entries.at[0];
    cr_expect(g->groups.len > 10 && g->groups.len < 3000, "%d kernels", g->groups.len);
    // What is made of constants and indices alone is laid out anew beside a convolution.
    m = run_passes(&arena,
                   "model f(x: f32[2, 16, 8, 8]) -> (y: f32[2, 16, 6, 6]) {\n"
                   "    t = iota([2, 16, 8, 8], 1, f32)\n    for i in 0..60 { t = tanh(t) * t }\n"
                   "    return x |> conv2d(16, 3, padding=1) * t |> conv2d(16, 3)\n}\n",
                   2);
    cr_expect(m->entries.at[0]->groups.len > 1, "no kernels");
    arena_release(&arena);
}
