// test_rematerialise.c: what checkpoint blocks do not keep is computed again: the pass by its before and after, graphs
// as text; where the copies run; and what a chain of layers takes.
#include <criterion/criterion.h>
#include <string.h>

#include "loops/loops.h"
#include "modules.h"
#include "ops/op.h"
#include "passes/passes.h"

static const char inputs[] = "  %0 = argument {name=\"x\"} : f32[4]\n  %1 = storage {name=\"w\"} : f32[4]\n";

static const struct {
    const char *what, *kind, *nodes, *want;
} cases[] = {
    {"what is used outside of its block is kept, the rest is made again just before it is read", "train",
     "  %2 = mul %0, %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = tanh %2 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %4 = exp %3 : f32[4]\n"
     "  %5 = mul %4, %3 : f32[4] @{backward}\n"
     "  %6 = mul %5, %2 : f32[4] @{backward}\n"
     "  return \"y\" = %6\n",
     "  %2 = mul %0, %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = tanh %2 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %4 = exp %3 : f32[4]\n"
     "  %5 = mul %4, %3 : f32[4] @{backward}\n"
     "  %6 = mul %0, %1 : f32[4] @{backward copy=1 checkpoint=\"1\"}\n"
     "  %7 = mul %5, %6 : f32[4] @{backward}\n"
     "  return \"y\" = %7\n"},
    {"what nobody reads any more where it was made first is gone from there", "train",
     "  %2 = mul %0, %1 : f32[4] @{forward checkpoint=\"1\" name=\"h\" origin=\"linear\"}\n"
     "  %3 = exp %0 : f32[4] @{backward}\n"
     "  %4 = mul %3, %2 : f32[4] @{backward}\n"
     "  return \"y\" = %4\n",
     "  %2 = exp %0 : f32[4] @{backward}\n"
     "  %3 = mul %0, %1 : f32[4] @{backward copy=1 checkpoint=\"1\" name=\"h\" origin=\"linear\"}\n"
     "  %4 = mul %2, %3 : f32[4] @{backward}\n"
     "  return \"y\" = %4\n"},
    {"outputs are kept", "train",
     "  %2 = mul %0, %1 : f32[4] @{loss checkpoint=\"1\"}\n"
     "  %3 = exp %2 : f32[4] @{update}\n"
     "  return \"loss\" = %2\n"
     "  store \"w\" = %3\n",
     NULL},
    {"a kept maximum is taken again of the copy that is compared with it", "train",
     "  %2 = mul %0, %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = reduce %2 {kind=\"max\", ties=\"even\", shape=[], iter=[| i:4] out[] += a[i]} : f32[] @{forward "
     "checkpoint=\"1\"}\n"
     "  %4 = exp %3 : f32[]\n"
     "  %5 = broadcast %3 {shape=[4], axes=[]} : f32[4] @{backward}\n"
     "  %6 = eq %2, %5 : bool[4] @{backward}\n"
     "  return \"z\" = %4\n"
     "  return \"y\" = %6\n",
     "  %2 = mul %0, %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = reduce %2 {kind=\"max\", ties=\"even\", shape=[], iter=[| i:4] out[] += a[i]} : f32[] @{forward "
     "checkpoint=\"1\"}\n"
     "  %4 = exp %3 : f32[]\n"
     "  %5 = mul %0, %1 : f32[4] @{backward copy=1 checkpoint=\"1\"}\n"
     "  %6 = reduce %5 {kind=\"max\", ties=\"even\", shape=[], iter=[| i:4] out[] += a[i]} : f32[] @{backward copy=1 "
     "checkpoint=\"1\"}\n"
     "  %7 = broadcast %6 {shape=[4], axes=[]} : f32[4] @{backward}\n"
     "  %8 = eq %5, %7 : bool[4] @{backward}\n"
     "  return \"z\" = %4\n"
     "  return \"y\" = %8\n"},
    {"a block in a block is computed again from what the outer one has computed again", "train",
     "  %2 = exp %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = tanh %2 : f32[4] @{forward checkpoint=\"1.2\"}\n"
     "  %4 = sqrt %3 : f32[4] @{forward checkpoint=\"1.2\"}\n"
     "  %5 = abs %4 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %6 = neg %5 : f32[4]\n"
     "  %7 = mul %6, %4 : f32[4] @{backward}\n"
     "  %8 = mul %7, %3 : f32[4] @{backward}\n"
     "  return \"y\" = %8\n",
     "  %2 = exp %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = tanh %2 : f32[4] @{forward checkpoint=\"1.2\"}\n"
     "  %4 = sqrt %3 : f32[4] @{forward checkpoint=\"1.2\"}\n"
     "  %5 = abs %4 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %6 = neg %5 : f32[4]\n"
     "  %7 = exp %1 : f32[4] @{backward copy=1 checkpoint=\"1\"}\n"
     "  %8 = tanh %7 : f32[4] @{backward copy=1 checkpoint=\"1.2\"}\n"
     "  %9 = sqrt %8 : f32[4] @{backward copy=1 checkpoint=\"1.2\"}\n"
     "  %10 = mul %6, %9 : f32[4] @{backward}\n"
     "  %11 = tanh %7 : f32[4] @{backward copy=2 checkpoint=\"1.2\"}\n"
     "  %12 = mul %10, %11 : f32[4] @{backward}\n"
     "  return \"y\" = %12\n"},
    {"blocks beside each other: the second is computed again from what the first has kept", "train",
     "  %2 = exp %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = tanh %2 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %4 = sqrt %3 : f32[4] @{forward checkpoint=\"12\"}\n"
     "  %5 = neg %4 : f32[4] @{forward checkpoint=\"12\"}\n"
     "  %6 = mul %5, %4 : f32[4] @{backward}\n"
     "  %7 = mul %6, %2 : f32[4] @{backward}\n"
     "  return \"y\" = %7\n"
     "  return \"z\" = %5\n",
     "  %2 = exp %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = tanh %2 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %4 = sqrt %3 : f32[4] @{forward checkpoint=\"12\"}\n"
     "  %5 = neg %4 : f32[4] @{forward checkpoint=\"12\"}\n"
     "  %6 = sqrt %3 : f32[4] @{backward copy=1 checkpoint=\"12\"}\n"
     "  %7 = mul %5, %6 : f32[4] @{backward}\n"
     "  %8 = exp %1 : f32[4] @{backward copy=1 checkpoint=\"1\"}\n"
     "  %9 = mul %7, %8 : f32[4] @{backward}\n"
     "  return \"y\" = %9\n"
     "  return \"z\" = %5\n"},
    {"a model has no backward pass", "model",
     "  %2 = mul %0, %1 : f32[4] @{forward checkpoint=\"1\"}\n"
     "  %3 = exp %2 : f32[4] @{backward}\n"
     "  return \"y\" = %3\n",
     NULL},
};

Test(rematerialise, by_before_and_after) {
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Arena arena = {0};
        const char *text = arena_printf(&arena, "param \"w\": f32[4]\n%s f(x: f32[4]) {\n%s%s}\n", cases[k].kind,
                                        inputs, cases[k].nodes);
        Graph *g = pass_rematerialise(read_graph(&arena, text)->entries.at[0], &(PassOptions){.level = 2});
        const char *wrong = graph_verify(g), *got = lines_of(&arena, g);
        const char *want = cases[k].want ? cases[k].want : cases[k].nodes;
        cr_expect(!wrong, "%s: %s", cases[k].what, wrong);
        cr_expect(!strcmp(got, want), "%s: got\n%swant\n%s", cases[k].what, got, want);
        arena_release(&arena);
    }
}

// A mean over 64 numbers costs no memory to speak of, and the numbers to be read again.
Test(rematerialise, statistics_are_kept) {
    for (int n = 4; n <= 64; n *= 16) {
        Arena arena = {0};
        const char *text = arena_printf(
            &arena,
            "train f(x: f32[%d]) {\n  %%0 = argument {name=\"x\"} : f32[%d]\n"
            "  %%1 = reduce %%0 {kind=\"sum\", ties=\"even\", shape=[], iter=[| i:%d] out[] += a[i]} : f32[] "
            "@{forward checkpoint=\"1\"}\n"
            "  %%2 = exp %%1 : f32[] @{backward}\n  return \"y\" = %%2\n}\n",
            n, n, n);
        const Graph *g = pass_rematerialise(read_graph(&arena, text)->entries.at[0], &(PassOptions){.level = 2});
        cr_expect_eq(g->nodes.at[1]->copy, n < 64, "of %d numbers: copy %d", n, g->nodes.at[1]->copy);
        arena_release(&arena);
    }
}

// ---- after fusion --------------------------------------------------------------------------------------------------

static const char *chain(Arena *arena, int blocks, int layers, bool checkpoint) {
    return arena_printf(arena,
                        "train step(x: f32[64, 32], want: f32[64, 32]) -> (loss: f32[]) {\n    h = x\n"
                        "    for i in 0..%d {\n        %s {\n            for j in 0..%d { h = tanh(linear(h, 32)) }\n"
                        "        }\n    }\n    loss = mean((h - want) ** 2)\n"
                        "    minimize loss with sgd(lr=0.1)\n    return loss\n}\n",
                        blocks, checkpoint ? "checkpoint" : "if true", layers);
}

static Program *plan(Arena *arena, const char *text, int level) {
    Module *m = compile(arena, text);
    passes_run(m, &(PassOptions){.level = level, .out = stdout});
    Program *program = program_lower(m->entries.at[0], target_find("c11"), level, 1);
    program_plan(program);
    const char *wrong = program_check_plan(program);
    cr_assert(!wrong, "%s", wrong);
    return program;
}

// The layers of a block are computed again after the backward pass of the next block, and before their own.
Test(rematerialise, copies_run_when_they_are_needed) {
    for (int level = 0; level <= 2; level += 2) {
        Arena arena = {0};
        Module *m = compile(&arena, chain(&arena, 4, 3, true));
        passes_run(m, &(PassOptions){.level = level, .out = stdout});
        const Graph *g = m->entries.at[0];
        int at[5] = {0}, last = 5; // by block: where its first copy runs
        bool backward = false;
        for (int k = 0; k < g->groups.len; k++) {
            const Node *node = g->groups.at[k].outputs.at[0];
            backward |= node->section >= SECTION_BACKWARD;
            cr_expect(node->section >= SECTION_BACKWARD || !backward, "-O%d: group %d belongs before", level, k);
            if (!node->copy) continue;
            int block = node->checkpoint[0] - '0';
            if (!at[block]) at[block] = k;
            cr_expect(block <= last, "-O%d: block %d is computed again after block %d", level, block, last);
            last = block;
        }
        for (int block = 1; block < 4; block++)
            cr_expect(at[block] - at[block + 1] > 6, "-O%d: block %d is computed again at %d, its successor at %d",
                      level, block, at[block], at[block + 1]);
        arena_release(&arena);
    }
}

// n layers in blocks of the root of n take memory as the root of n.
Test(rematerialise, a_chain_takes_the_root) {
    for (int level = 0; level <= 2; level += 2) {
        Arena arena = {0};
        int64_t all = plan(&arena, chain(&arena, 8, 8, false), level)->arena_bytes;
        int64_t some = plan(&arena, chain(&arena, 8, 8, true), level)->arena_bytes;
        int64_t few = plan(&arena, chain(&arena, 4, 4, true), level)->arena_bytes;
        int64_t value = 64 * 32 * 4, weights = level ? 0 : 33 * 32 * 4; // at -O0 gradients wait for the update
        cr_expect(all >= 64 * value, "-O%d: 64 layers take %ld bytes", level, (long)all);
        cr_expect(some <= 20 * value + 64 * weights, "-O%d: 8 blocks of 8 take %ld bytes", level, (long)some);
        cr_expect(few <= 12 * value + 16 * weights, "-O%d: 4 blocks of 4 take %ld bytes", level, (long)few);
        arena_release(&arena);
    }
}

// A softmax over a kept value is computed again in loops that the first computation shares its input with: the two must
// not become one kernel, which would store again what the block does not keep.
Test(rematerialise, copies_are_not_made_in_the_forward_pass) {
    Arena arena = {0};
    Module *m = compile(&arena, "train step(x: f32[64, 8], want: f32[64, 4]) -> (loss: f32[]) {\n"
                                "    h = linear(x, 8)\n"
                                "    checkpoint {\n        y = linear(softmax(h, axis=1), 4)\n    }\n"
                                "    loss = mean((y - want) ** 2) + mean(h)\n"
                                "    minimize loss with sgd(lr=0.1)\n    return loss\n}\n");
    passes_run(m, &(PassOptions){.level = 2, .out = stdout});
    const Graph *g = m->entries.at[0];
    int copies = 0;
    for (int k = 0; k < g->groups.len; k++) {
        int first = 0, again = 0;
        for (int o = 0; o < g->groups.at[k].outputs.len; o++) {
            const Node *node = g->groups.at[k].outputs.at[o];
            first += node->section < SECTION_BACKWARD;
            again += node->copy > 0;
        }
        cr_expect(!first || !again, "group %d stores %d values of the forward pass and %d copies", k, first, again);
        copies += again;
    }
    cr_expect(copies, "nothing is computed again");
    arena_release(&arena);
}
