// test_loop_passes.c: what keep, hoist and sink move between the loops of a scan and of its gradient, and what they
// must leave where it is: each by how many nodes of an operator stand in a loop before and after. And the C of an LSTM:
// nothing is copied from step to step, and its length does not depend on the number of steps.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver.h"
#include "loops/loops.h"
#include "modules.h"
#include "passes/passes.h"

typedef Graph *Rewrite(Graph *g, const PassOptions *options);

// `loop`: 0 is outside of all loops.
typedef struct Row {
    const char *what, *text, *op;
    int loop, before, after;
} Row;

// The nodes of that operator in the loop, of which some output or step needs the value.
static int count_in(Graph *g, const char *op, int loop) {
    int n = 0;
    g = pass_dedupe(g, &(PassOptions){0});
    for (int id = 0; id < g->nodes.len; id++)
        n += !strcmp(g->nodes.at[id]->op->name, op) && g->nodes.at[id]->loop == loop;
    return n;
}

static void check_rows(const Row *rows, size_t n, Rewrite *pass) {
    for (size_t k = 0; k < n; k++) {
        const Row *row = &rows[k];
        Arena arena = {0};
        const char *text = arena_printf(&arena, "dim T <= 6\n%s\n", row->text);
        Graph *g = compile(&arena, text)->entries.at[0], *to = pass(g, &(PassOptions){0});
        int before = count_in(g, row->op, row->loop), after = count_in(to, row->op, row->loop);
        Str s = str_new(&arena);
        graph_print(&s, to);
        cr_expect(before == row->before && after == row->after,
                  "%s: %d %s in loop %d before and %d after, want %d and %d\n%s", row->what, before, row->op, row->loop,
                  after, row->before, row->after, str_text(&s));
        // The interpreter finds the same numbers before and after each pass.
        passes_run(compile(&arena, text), &(PassOptions){.level = 2, .verify_meaning = true, .out = stdout});
        arena_release(&arena);
    }
}

#define CHECK(rows, pass) check_rows(rows, sizeof rows / sizeof *rows, pass)

// x: a sequence of 2 x 4, w and v: 4 x 4, h0: 2 x 4.
#define MODEL(body)                                                                                                    \
    "model f(x: f32[T, 2, 4], w: f32[4, 4], v: f32[4, 4], h0: f32[2, 4]) -> (h: f32[2, 4]) {\n" body "return h\n}"
#define STEPS(body)   MODEL("h = scan e in x from h = h0 { " body " }\n")
#define STACKED(body) MODEL("all, h = scan e in x from h = h0 { " body " }\nh = h + sum(all, axis=0)\n")
#define TRAIN(body)                                                                                                    \
    "train f(x: f32[6, 2, 4]) -> (loss: f32[]) {\n param w: f32[4, 4] = uniform(-0.5, 0.5)\n" body                     \
    "loss = sum(h * h)\n minimize loss with sgd(lr=0.1)\n return loss\n}"
#define LEARN(body) TRAIN("h = scan e in x from h = full([2, 4], 0.5) { " body " }\n")

// ---- hoist ----------------------------------------------------------------------------------------------------------

static const Row hoisted[] = {
    {"the product with an element", STEPS("h = tanh(e @ w + h @ v)"), "contract", 1, 2, 1},
    {"becomes one of all elements", STEPS("h = tanh(e @ w + h @ v)"), "contract", 0, 0, 1},
    {"with what is moved there", STEPS("h = h + transpose(w @ transpose(e, 0, 1), 0, 1)"), "contract", 1, 1, 0},
    {"element by element too", STEPS("h = h + (tanh(e) * 2) @ w"), "tanh", 1, 1, 0},
    {"two products in a row", STEPS("h = h + e @ w @ v"), "contract", 1, 2, 0},
    {"not with what the loop carries", STEPS("h = tanh((e + h) @ w)"), "contract", 1, 1, 1},
    {"not with weights that the loop changes",
     MODEL("h, u = scan e in x from h = h0, u = w {\n h = h + e @ u\n u = u * 0.5\n }\n"), "contract", 1, 1, 1},
    {"not what is drawn in each step", STEPS("h = h + dropout(e * random(\"uniform\", [2, 4]), 0.5) @ w"), "contract",
     1, 1, 1},
    {"nor the draws", STEPS("h = h + (e * random(\"uniform\", [2, 4])) @ w"), "random", 0, 0, 0},
    {"not what depends on the step's number",
     MODEL("h = scan e in x, t in iota([T]) from h = h0 { h = h + (e * cast(t, f32)) @ w }\n"), "contract", 1, 1, 1},
    {"out of two loops",
     "model f(x: f32[3, T, 2, 4], w: f32[4, 4], h0: f32[2, 4]) -> (h: f32[2, 4]) {\n"
     "h = scan r in x from h = h0 {\n h = scan e in r from h = h { h = h + e @ w }\n }\nreturn h\n}",
     "contract", 0, 0, 1},
    {"out of the inner loop alone, where the outer one makes the weights",
     "model f(x: f32[3, T, 2, 4], w: f32[4, 4], h0: f32[2, 4]) -> (h: f32[2, 4]) {\n"
     "h, w = scan r in x from h = h0, w = w {\n h = scan e in r from h = h { h = h + e @ w }\n w = w * 0.5\n }\n"
     "return h\n}",
     "contract", 1, 0, 1},
    {"not out of the blocks of a checkpoint",
     TRAIN("checkpoint(steps=2) { h = scan e in x from h = full([2, 4], 0.5) { h = tanh(h + e @ w) } }\n"), "contract",
     0, 0, 0},
    {"but out of a block's steps",
     TRAIN("checkpoint(steps=2) { h = scan e in x from h = full([2, 4], 0.5) { h = tanh(h + e @ w) } }\n"), "contract",
     2, 1, 0},
};

Test(loop_passes, hoist) { CHECK(hoisted, pass_hoist); }

// ---- sink -----------------------------------------------------------------------------------------------------------

static const Row sunk[] = {
    {"a sum of products that no step reads", STEPS("h = h + e @ w"), "carry", 1, 1, 0},
    {"becomes one product", STEPS("h = h + e @ w"), "contract", 0, 0, 1},
    {"not another sum of the forward pass, which needs no memory", STEPS("h = h + e * e"), "carry", 1, 1, 1},
    {"the gradient of a bias", LEARN("h = tanh(e + h + w[0])"), "carry", 2, 2, 1},
    {"becomes a sum of a stack", LEARN("h = tanh(e + h + w[0])"), "reduce", 0, 2, 3},
    {"the gradient of a weight", LEARN("h = tanh(e + h @ w)"), "carry", 2, 2, 1},
    {"is one product", LEARN("h = tanh(e + h @ w)"), "contract", 0, 0, 1},
    {"a state that grows",
     "model f(x: f32[T, 4]) -> (y: f32[4]) {\n state s: f32[4] = zeros()\n s = scan e in x from s = s { s = s + e }\n"
     " return s\n}",
     "carry", 1, 1, 1},
    {"a product that only leaves", STACKED("h = tanh(h + e)\n yield h @ w"), "contract", 1, 1, 0},
    {"there is one of all steps", STACKED("h = tanh(h + e)\n yield h @ w"), "contract", 0, 0, 1},
    {"not a product that the step reads", STACKED("z = h @ w\n h = tanh(z + e)\n yield z"), "contract", 0, 0, 0},
    {"not a sum that leaves in each step", STACKED("h = h + e\n yield h"), "reduce", 0, 1, 1},
    {"not a sum that another value reads",
     MODEL("s, h = scan e in x from s = h0, h = h0 {\n s = s + e\n h = tanh(h * s)\n }\n h = h + s\n"), "reduce", 0, 0,
     0},
    {"nor one of which the value before is read",
     MODEL("s, h = scan e in x from s = h0, h = h0 {\n h = tanh(h * s)\n s = s + e\n }\n h = h + s\n"), "reduce", 0, 0,
     0},
    {"not a sum that fades", STEPS("h = h * 0.5 + e"), "carry", 1, 1, 1},
    {"not a maximum", STEPS("h = max(h, e)"), "carry", 1, 1, 1},
    {"a sum of products of draws", STEPS("h = h + (e * random(\"uniform\", [2, 4])) @ w"), "carry", 1, 1, 0},
    {"which are still drawn in each step", STEPS("h = h + (e * random(\"uniform\", [2, 4])) @ w"), "random", 1, 1, 1},
    {"and not all at once", STEPS("h = h + (e * random(\"uniform\", [2, 4])) @ w"), "random", 0, 0, 0},
    {"not out of the blocks of a checkpoint",
     TRAIN("checkpoint(steps=2) { h = scan e in x from h = full([2, 4], 0.5) { h = tanh(e + h @ w) } }\n"), "contract",
     0, 0, 0},
};

Test(loop_passes, sink) { CHECK(sunk, pass_sink); }

// ---- keep -----------------------------------------------------------------------------------------------------------

static const Row kept[] = {
    {"the result of an expensive operator over a product", LEARN("h = tanh(e + h @ w)"), "tanh", 2, 1, 0},
    {"and with it the product", LEARN("h = tanh(e + h @ w)"), "contract", 2, 3, 2},
    {"the forward loop computes it as before", LEARN("h = tanh(e + h @ w)"), "tanh", 1, 1, 1},
    {"not an expensive operator over what is at hand", LEARN("h = tanh(e + h) * w[0]"), "tanh", 2, 1, 1},
    {"nor what takes a multiplication", LEARN("h = h * w[0] * e"), "stack", 0, 1, 1},
    {"not in a checkpoint block",
     TRAIN("checkpoint { h = scan e in x from h = full([2, 4], 0.5) { h = tanh(e + h @ w) } }\n"), "tanh", 2, 1, 1},
    {"what a second loop computes again",
     MODEL("a, h = scan e in x from h = h0 {\n h = tanh(h + e @ w)\n yield h\n }\n"
           "h = scan e in x, b in a from h = h { h = max(h, tanh(e @ w) * b) }\n"),
     "contract", 2, 1, 0},
    {"not of a loop that is not known to run before",
     MODEL("h = scan e in x from h = h0 { h = tanh(h + e @ w) }\n"
           "k = scan e in x from k = h0 { k = max(k, e @ w) }\nh = h + k\n"),
     "contract", 2, 1, 1},
    {"not of other elements",
     MODEL("a, h = scan e in x from h = h0 {\n h = tanh(h + e @ w)\n yield h\n }\n"
           "h = scan e in x * 2, b in a from h = h { h = max(h, tanh(e @ w) * b) }\n"),
     "contract", 2, 1, 1},
};

Test(loop_passes, keep) { CHECK(kept, pass_keep); }

// ---- the C of an LSTM -----------------------------------------------------------------------------------------------

#define LSTM                                                                                                           \
    "train step(x: f32[T, 32, 8], label: i32[32], lr: f32[]) -> (loss: f32[]) {\n"                                     \
    "    h, c = scan xt in x from h = full([32, 16], 0.0), c = full([32, 16], 0.0) {\n"                                \
    "        h, c = lstm_cell(xt, [h, c], 16, name=\"lstm\")\n"                                                        \
    "    }\n"                                                                                                          \
    "    loss = cross_entropy(linear(h, 5, name=\"head\"), label)\n"                                                   \
    "    minimize loss with sgd(lr=lr)\n"                                                                              \
    "    return loss\n"                                                                                                \
    "}\n"                                                                                                              \
    "model forward(x: f32[T, 32, 8]) -> (y: f32[T, 32, 16], h: f32[1, 32, 16], c: f32[1, 32, 16]) {\n"                 \
    "    return lstm(x, 16, name=\"lstm\")\n"                                                                          \
    "}\n"

// The gradients of the gates move to where the gates lie, when all of these have been read.
static bool takes_the_place_of_others(const Program *p, const Node *made) {
    const Buffer *slot = p->of_node[made->id], *steps = slot->view ? slot->view->of : NULL;
    return node_is(made->in[0], concat) && steps && steps->view && steps->view->of->rank == 2;
}

// Whether all that the call computes is what a `hold` copies.
static bool only_copies(const Program *p, const Call *call) {
    bool holds = !strcmp(call->kernel->recipe, "copy");
    for (int k = 0; call->group && k < call->group->outputs.len; k++) {
        const Node *made = call->group->outputs.at[k];
        holds |= node_is(made, hold) && !call->ahead_of && !takes_the_place_of_others(p, made);
    }
    return holds;
}

Test(loop_passes, an_lstm_copies_nothing_in_its_loops) {
    for (int level = 0; level < 3; level += 2) {
        Arena arena = {0};
        Module *m = compile(&arena, "dim T <= 9\n" LSTM);
        passes_run(m, &(PassOptions){.level = level, .out = stderr});
        for (int e = 0; e < 2; e++) {
            const Program *p = program_lower(m->entries.at[e], target_find("x86-64-v3"), level, 2);
            int inside = 0;
            for (int c = 0; c < p->calls.len; c++) {
                const Call *call = &p->calls.at[c];
                inside += call->loop > 0;
                cr_expect(!call->loop || !only_copies(p, call), "-O%d, entry %d: %s copies in each step", level, e,
                          call->kernel->name);
            }
            cr_expect(inside > 0, "-O%d, entry %d has no loop", level, e);
        }
        arena_release(&arena);
    }
}

// The characters of the C that dlc prints.
static size_t length_of_c(int steps) {
    char path[] = "/tmp/dlc-lstm-XXXXXX.dl", *text, *messages;
    size_t length, more;
    FILE *file = fdopen(mkstemps(path, 3), "w"), *out = open_memstream(&text, &length),
         *err = open_memstream(&messages, &more);
    fprintf(file, "dim T = %d\n" LSTM, steps);
    fclose(file);
    char *argv[] = {"dlc", path, "--prefix=net", "--emit=c", "--target=x86-64-v3", NULL};
    int status = dlc_main(5, argv, out, err);
    fclose(out);
    fclose(err);
    unlink(path);
    cr_assert(status == 0, "%s", messages);
    free(text);
    free(messages);
    return length;
}

Test(loop_passes, more_steps_are_no_more_c) {
    size_t few = length_of_c(64), many = length_of_c(1024);
    cr_expect(many < few * 21 / 20 && few < many * 21 / 20, "%zu bytes for 64 steps, %zu for 1024", few, many);
}

// However many of them are asked for, and whether minimize comes before or after.
Test(loop_passes, gradients_of_one_loss_share_a_loop) {
    static const char *const asked[] = {
        "n = sum(grad(loss, \"lstm.weight_hh_l0\"))\n    minimize loss with sgd(lr=lr)",
        "g = grad(loss, [\"lstm.weight_ih_l0\", \"lstm.bias_hh_l0\", x])\n    n = sum(g[0]) + sum(g[1]) + sum(g[2])\n"
        "    minimize loss with sgd(lr=lr)",
        "minimize loss with sgd(lr=lr)\n    n = sum(grad(loss, \"lstm.weight_hh_l0\")) + sum(grad(loss, "
        "\"lstm.bias_hh_l0\"))",
        "p, q = grad(loss, [x, w])\n    n = sum(p) + sum(q)"};
    for (size_t k = 0; k < sizeof asked / sizeof *asked; k++) {
        Arena arena = {0};
        const char *text =
            arena_printf(&arena,
                         "train step(x: f32[9, 4, 8], w: f32[8], lr: f32[]) -> (loss: f32[], n: f32[]) {\n"
                         "    y, h, c = lstm(x * w, 16)\n    loss = mean(y ** 2)\n    %s\n    return loss, n\n}\n",
                         asked[k]);
        Module *m = compile(&arena, text);
        passes_run(m, &(PassOptions){.level = 2, .out = stderr});
        const Program *p = program_lower(m->entries.at[0], target_find("x86-64-v3"), 2, 2);
        int loops = 0;
        for (int l = 0; l < p->graph->loops.len; l++) loops += p->loops[l].first >= 0;
        cr_expect_eq(loops, 2, "%d loops: %s", loops, asked[k]);
        arena_release(&arena);
    }
}

// `drive` is computed for all steps before the loop, and the reversed loop reads it there.
Test(loop_passes, a_sequence_that_the_gradient_reads_is_not_copied) {
    Arena arena = {0};
    Module *m = compile(&arena, "dim T = 9, N = 4, H = 16\n"
                                "train fit(x: f32[T, N, 8], lr: f32[]) -> (loss: f32[]) {\n"
                                "    a, b = scan xt in x from a = full([N, H], 0.0), b = full([N, H], 0.0) {\n"
                                "        drive = linear(xt, H, name=\"drive\")\n"
                                "        a = 0.5 * a + sigmoid(b) * drive\n"
                                "        b = 0.95 * b + 0.05 * tanh(a)\n"
                                "    }\n"
                                "    loss = mean(a * b)\n"
                                "    minimize loss with sgd(lr=lr)\n"
                                "    return loss\n"
                                "}\n");
    passes_run(m, &(PassOptions){.level = 2, .out = stderr});
    const Program *p = program_lower(m->entries.at[0], target_find("x86-64-v3"), 2, 2);
    for (int c = 0; c < p->calls.len; c++)
        cr_expect(!p->calls.at[c].loop || !only_copies(p, &p->calls.at[c]), "%s copies", p->calls.at[c].kernel->name);
    arena_release(&arena);
}
