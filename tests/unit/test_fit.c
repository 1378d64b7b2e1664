// test_fit.c: --arena-max: the estimate of a choice, the search among choices, and the frugal order of groups.
#include <criterion/criterion.h>
#include <string.h>

#include "fit.h"
#include "loops/timeline.h"
#include "modules.h"

static const char *chain(Arena *arena, int layers) {
    return arena_printf(arena,
                        "train step(x: f32[64, 32], want: f32[64, 32]) -> (loss: f32[]) {\n    h = x\n"
                        "    for i in 0..%d { h = tanh(linear(h, 32)) }\n    loss = mean((h - want) ** 2)\n"
                        "    minimize loss with sgd(lr=0.1)\n    return loss\n}\n",
                        layers);
}

enum { VALUE = 64 * 32 * 4 }; // bytes of a layer's result

static Program *planned(Graph *g, int level) {
    Program *program = program_lower(g, target_find("c11"), level, 1);
    program_plan(program);
    const char *wrong = program_check_plan(program);
    cr_assert(!wrong, "%s", wrong);
    return program;
}

// The bytes of the first entry when `most` are allowed; *again: FLOPs that are computed again.
static int64_t fitted(Arena *arena, const char *text, int level, int64_t most, double *again) {
    Module *m = compile(arena, text);
    PassOptions passes = {.level = level, .out = stdout, .trace = NEW_ARRAY(arena, Trace, m->entries.len)};
    passes_run(m, &passes);
    fit_entry(m, 0, &(FitOptions){target_find("c11"), level, 1, false, most, &passes});
    Program *program = planned(m->entries.at[0], level);
    *again = 0;
    for (int k = 0; k < program->calls.len; k++) *again += program->calls.at[k].kernel->flops_again;
    return program->arena_bytes;
}

// Where nothing is in place and there are no views, the estimate of what is there is the plan's lower bound.
Test(fit, the_estimate_of_a_program_is_its_bound) {
    Arena arena = {0};
    Module *m = compile(&arena, chain(&arena, 6));
    passes_run(m, &(PassOptions){.level = 2, .out = stdout});
    Timeline *t = timeline_new(&arena, program_lower(m->entries.at[0], target_find("c11"), 2, 1));
    bool *kept = NEW_ARRAY(&arena, bool, t->values.len + 1);
    int choices = 0;
    for (int k = 0; k < t->values.len; k++) kept[k] = true;
    for (int k = 0; k < t->values.len; k++) choices += timeline_is_choice(t, k);
    Estimate all = timeline_estimate(t, kept);
    int64_t bound = planned(m->entries.at[0], 2)->arena_bound;
    cr_expect(all.peak >= bound && all.peak <= bound + 2 * VALUE, "estimated %ld bytes, planned %ld", (long)all.peak,
              (long)bound);
    cr_expect_eq(all.cost, 0);
    cr_expect_geq(choices, 5);
    // Without the first layer's result, which lives longest, there is one less, and the layer runs twice.
    for (int k = 0; k < t->values.len; k++)
        if (timeline_is_choice(t, k) && t->values.at[k].writer == 0) kept[k] = false;
    Estimate less = timeline_estimate(t, kept);
    cr_expect_eq(less.peak, all.peak - VALUE, "%ld bytes, then %ld", (long)all.peak, (long)less.peak);
    cr_expect_geq(less.cost, 64 * 32 * 32 * 2);
}

// What fits is left as it is; what is allowed less computes more again, and a chain of n comes down to the root of n.
Test(fit, less_memory_takes_more_work) {
    for (int level = 0; level <= 2; level += 2) {
        Arena arena = {0};
        const char *text = chain(&arena, 64);
        double before = 0, again;
        int64_t bytes = fitted(&arena, text, level, INT64_MAX, &again);
        cr_expect_eq(again, 0);
        for (int percent = 100; percent >= 40; percent -= 20) {
            int64_t most = bytes * percent / 100, got = fitted(&arena, text, level, most, &again);
            cr_expect(got <= most, "-O%d: %ld bytes where %ld are allowed", level, (long)got, (long)most);
            cr_expect(percent == 100 ? again == 0 : again > before, "-O%d, %d %%: %g FLOPs again after %g", level,
                      percent, again, before);
            before = again;
        }
        int64_t least = fitted(&arena, text, level, 1, &again);
        cr_expect(least <= 24 * VALUE, "-O%d: 64 layers take %ld bytes at least", level, (long)least);
        arena_release(&arena);
    }
}

// A quarter less needs a quarter of the layers again, and not all.
Test(fit, what_need_not_be_dropped_is_kept) {
    Arena arena = {0};
    double again, forward = 64.0 * 64 * 32 * 32 * 2;
    int64_t bytes = fitted(&arena, chain(&arena, 64), 2, INT64_MAX, &again);
    fitted(&arena, chain(&arena, 64), 2, bytes * 3 / 4, &again);
    cr_expect(again < forward * 0.4, "%g FLOPs again of %g", again, forward);
    arena_release(&arena);
}

// Which group stores the value of that name.
static int find_group(const Graph *g, const char *name) {
    for (int k = 0; k < g->groups.len; k++) {
        const Node *node = g->groups.at[k].outputs.at[0];
        if (node_is(node, contract) && node->name && !strcmp(node->name, name)) return k;
    }
    return -1;
}

// The gradient of a weight is the last to read an activation: it goes before the gradient of that activation.
Test(fit, the_frugal_order_frees_first) {
    for (int frugal = 0; frugal < 2; frugal++) {
        Arena arena = {0};
        Module *m = compile(&arena, "train step(x: f32[64, 32]) -> (loss: f32[]) {\n"
                                    "    loss = mean(x |> linear(32) |> linear(32) |> linear(32))\n"
                                    "    minimize loss with sgd(lr=0.1)\n    return loss\n}\n");
        PassOptions passes = {.level = 0, .out = stdout, .trace = NEW_ARRAY(&arena, Trace, m->entries.len)};
        passes_run(m, &passes);
        passes.frugal = frugal;
        const Graph *g = passes_run_again(m, 0, &passes);
        int weight = find_group(g, "d_linear_3.weight"), activation = find_group(g, "d_linear_2");
        cr_assert(weight >= 0 && activation >= 0, "groups %d and %d", weight, activation);
        cr_expect_eq(weight < activation, frugal, "frugal %d: the weight's gradient is group %d, the activation's %d",
                     frugal, weight, activation);
        arena_release(&arena);
    }
}

// What is computed again in a checkpoint block stays so, and a model has nothing to compute again.
Test(fit, blocks_and_models) {
    Arena arena = {0};
    double again;
    int64_t bytes = fitted(&arena,
                           "train step(x: f32[64, 32]) -> (loss: f32[]) {\n    h = x\n    for i in 0..6 {\n"
                           "        checkpoint { h = tanh(linear(tanh(linear(h, 32)), 32)) }\n    }\n"
                           "    loss = mean(h)\n    minimize loss with sgd(lr=0.1)\n    return loss\n}\n",
                           2, 8 * VALUE, &again);
    cr_expect(bytes <= 8 * VALUE && again > 0, "%ld bytes", (long)bytes);
    bytes = fitted(&arena, "model f(x: f32[64, 32]) -> (y: f32[64, 32]) { return linear(tanh(linear(x, 32)), 32) }\n",
                   2, 1, &again);
    cr_expect(bytes > 1 && again == 0);
    arena_release(&arena);
}
