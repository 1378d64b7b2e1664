// test_share.c: groups that are equal but for their memory share a kernel; what they call is what each would have got.
#include <criterion/criterion.h>
#include <string.h>

#include "emit/parts.h"
#include "harness.h"
#include "loops/evaluate.h"
#include "passes/passes.h"
#include "random_graph.h"

typedef struct World {
    Arena *arena;
    EmitOptions options;
    EmitInput in;
    KernelTable table;
} World;

static World world_new(Arena *arena, Module *m, const char *target, int level, bool apart) {
    World w = {.arena = arena, .in = {.module = m, .nprograms = m->entries.len}};
    Program **programs = NEW_ARRAY(arena, Program *, m->entries.len + 1);
    w.options =
        (EmitOptions){.prefix = "net", .header = "net.h", .target = target_find(target), .level = level, .threads = 4};
    for (int k = 0; k < m->entries.len; k++) {
        Graph *g = m->entries.at[k];
        programs[k] = program_lower_in(g->arena, g, w.options.target, level, 4, apart);
        const char *wrong = program_verify(programs[k]);
        cr_assert_null(wrong, "%s: %s", g->name, wrong);
        program_plan(programs[k]);
        wrong = program_check_plan(programs[k]);
        cr_assert_null(wrong, "%s: %s", g->name, wrong);
    }
    w.in.programs = programs;
    kernel_table_build(&w.table, arena, &w.in, &w.options);
    return w;
}

static int count_kernels(const Program *program) {
    Arena scratch = {0};
    Tags seen = {.arena = &scratch};
    int kernels = 0;
    for (int c = 0; c < program->calls.len; c++) kernels += !(*tag_of(&seen, program->calls.at[c].kernel))++;
    arena_release(&scratch);
    return kernels;
}

// The same functions on buffers of the same names and sizes.
static void expect_same(const World *a, const World *b, const char *who) {
    for (int p = 0; p < a->in.nprograms; p++) {
        const Program *x = a->in.programs[p], *y = b->in.programs[p];
        cr_assert_eq(x->calls.len, y->calls.len, "%s, %s", who, x->graph->name);
        for (int c = 0; c < x->calls.len; c++) {
            const CallText *f = &a->table.calls[p][c], *g = &b->table.calls[p][c];
            const char *name = x->calls.at[c].kernel->name;
            cr_assert_eq(!f->text, !g->text);
            if (!f->text) continue;
            // Which formals share bytes follows from the plan, which may be another one.
            cr_expect_str_eq(f->text->body, g->text->body, "%s, %s: call %d, %s", who, x->graph->name, c, name);
            for (int k = 0; k < f->text->arguments.len; k++) cr_expect_str_eq(f->numbers[k], g->numbers[k]);
            cr_assert_eq(f->formals.buffers.len, g->formals.buffers.len);
            for (int i = 0; i < f->formals.buffers.len; i++) {
                const Buffer *s = f->formals.buffers.at[i].buffer, *t = g->formals.buffers.at[i].buffer;
                cr_expect(!strcmp(s->name, t->name) && s->scope == t->scope && s->bytes == t->bytes &&
                              s->storage == t->storage && s->value == t->value,
                          "%s, %s: call %d, %s, is given %s, and %s would be right", who, x->graph->name, c, name,
                          s->name, t->name);
            }
        }
    }
}

static void try_module(Arena *arena, Module *m, const char *who, int level) {
    static const char *const targets[] = {"c11", "x86-64-v4"};
    passes_run(m, &(PassOptions){.level = level, .out = stderr});
    for (int k = 0; k < 2; k++) {
        World shared = world_new(arena, m, targets[k], level, false),
              apart = world_new(arena, m, targets[k], level, true);
        expect_same(&shared, &apart, arena_printf(arena, "%s, %s -O%d", who, targets[k], level));
    }
}

Test(share, nets_call_what_they_would_have_got, .timeout = 120) {
    static const char *const nets[] = {"residual", "tcn",          "unet", "tied", "optimizers",
                                       "prepared", "convolutions", "gan",  "dense"};
    for (size_t k = 0; k < sizeof nets / sizeof *nets; k++)
        for (int level = 0; level <= 2; level += 2) {
            Arena arena = {0};
            Module *m = harness_module(&arena, arena_printf(&arena, "tests/nets/%s.dl", nets[k]), NULL);
            cr_assert(m, "%s", nets[k]);
            try_module(&arena, m, nets[k], level);
            arena_release(&arena);
        }
}

Test(share, random_graphs_call_what_they_would_have_got, .timeout = 120) {
    for (uint32_t seed = 1; seed <= 10; seed++) {
        Arena arena = {0};
        Diag diag = {.out = stderr};
        Module *m = random_module(&arena, &diag, seed);
        cr_assert(m && !diag.errors);
        try_module(&arena, m, arena_printf(&arena, "seed %u", seed), 2);
        arena_release(&arena);
    }
}

#define BLOCKS                                                                                                         \
    "dim N <= 32\n"                                                                                                    \
    "layer block(x: T[B, D]) -> T[B, D] {\n"                                                                           \
    "    return x + (x |> layer_norm(name=\"ln\") |> linear(40, name=\"up\") |> gelu |> linear(D, name=\"down\"))\n"   \
    "}\n"                                                                                                              \
    "model forward(x: f32[N, 24]) -> (y: f32[N, 10]) {\n"                                                              \
    "    h = x\n    for i in 0..%d { h = h |> block(name=\"b{i}\") }\n    return linear(h, 10)\n}\n"                   \
    "train step(x: f32[N, 24], label: i32[N], lr: f32[]) -> (loss: f32[]) {\n"                                         \
    "    loss = cross_entropy(forward(x), label)\n    minimize loss with adamw(lr=lr)\n    return loss\n}\n"

static void kernels_of(int blocks, int *kernels) {
    Arena arena = {0};
    Module *m = harness_text(&arena, "blocks.dl", arena_printf(&arena, BLOCKS, blocks), NULL, stderr);
    cr_assert(m);
    try_module(&arena, m, "blocks", 2);
    World w = world_new(&arena, m, "c11", 2, false);
    for (int p = 0; p < 2; p++) kernels[p] = count_kernels(w.in.programs[p]);
    arena_release(&arena);
}

Test(share, deeper_nets_have_no_more_kernels, .timeout = 60) {
    int six[2], twelve[2];
    kernels_of(6, six);
    kernels_of(12, twelve);
    cr_expect(six[0] == twelve[0] && six[1] == twelve[1], "%d and %d kernels, with twelve blocks %d and %d", six[0],
              six[1], twelve[0], twelve[1]);
}

// Equal but for one thing that lowering reads: kernels of their own.
static const struct {
    const char *what, *results, *body; // from x: f32[8, 64] and z: f32[8, 64]
    int kernels;
} differences[] = {
    {"the same", "a: f32[8, 64], b: f32[8, 64]", "tanh(exp(x)), tanh(exp(z))", 1},
    {"another operator", "a: f32[8, 64], b: f32[8, 64]", "tanh(exp(x)), tanh(log(z))", 2},
    {"another number", "a: f32[8, 64], b: f32[8, 64]", "exp(x) * 2, exp(z) * 3", 2},
    {"another shape", "a: f32[8, 64], b: f32[8, 32]", "tanh(exp(x)), tanh(exp(z[:, :32]))", 2},
    {"two inputs and one", "a: f32[8, 64], b: f32[8, 64]", "exp(x) / z, exp(z) / z", 2},
    {"another axis", "a: f32[64], b: f32[8]", "sum(exp(x), axis=0), sum(exp(z), axis=1)", 2},
    {"another dtype", "a: f32[8, 64], b: i32[8, 64]", "abs(x), abs(cast(z, i32))", 2},
};

Test(share, differences_are_seen) {
    for (size_t k = 0; k < sizeof differences / sizeof *differences; k++) {
        Arena arena = {0};
        const char *text = arena_printf(&arena, "model f(x: f32[8, 64], z: f32[8, 64]) -> (%s) { return %s }\n",
                                        differences[k].results, differences[k].body);
        Module *m = harness_text(&arena, "two.dl", text, NULL, stderr);
        cr_assert(m, "%s", differences[k].what);
        passes_run(m, &(PassOptions){.level = 2, .out = stderr});
        int kernels = count_kernels(program_lower(m->entries.at[0], target_find("x86-64-v4"), 2, 2));
        cr_expect_eq(kernels, differences[k].kernels, "%s: %d kernels", differences[k].what, kernels);
        arena_release(&arena);
    }
}

// The last prepared buffer. `apart`: every group has its own kernel; otherwise equal groups share one.
static const float *prepared(Arena *arena, Module *m, bool apart, int64_t *count) {
    Program *program = program_lower_in(arena, m->entries.at[0], target_find("c11"), 2, 1, apart);
    float *weights = NEW_ARRAY(arena, float, 16 * 24);
    for (int k = 0; k < 16 * 24; k++) weights[k] = (float)(k * 37 % 101) / 50;
    for (int k = 0; k < program->buffers.len; k++)
        if (program->buffers.at[k]->storage) program->buffers.at[k]->data = weights;
    program_plan(program);
    program_evaluate(arena, program, 0, program->nprepare, NULL);
    const Buffer *last = NULL;
    for (int k = 0; k < program->buffers.len; k++)
        if (program->buffers.at[k]->scope == SCOPE_PREPARED) last = program->buffers.at[k];
    cr_assert(last && last->data, "nothing is prepared");
    *count = last->bytes / 4;
    return last->data;
}

// In a chain each call gives the shared kernel what the body's own buffer for another use is.
Test(share, chains_are_evaluated) {
    Arena arena = {0};
    const char *text = "model f(x: f32[4, 16]) -> (y: f32[4, 24]) { param w: f32[16, 24] = normal(0.0, 1.0)\n"
                       " a = softmax(w, axis=1); b = softmax(a * 30, axis=1); c = softmax(b * 30, axis=1)\n"
                       " return x @ softmax(c * 30, axis=1) }\n";
    Module *m = harness_text(&arena, "chain.dl", text, NULL, stderr);
    cr_assert(m);
    passes_run(m, &(PassOptions){.level = 2, .out = stderr});
    int64_t n = 0, same = 0;
    const float *want = prepared(&arena, m, true, &n), *got = prepared(&arena, m, false, &same);
    cr_assert(n == same && n > 0);
    for (int64_t k = 0; k < n; k++) cr_expect(got[k] == want[k], "element %d is %g, want %g", (int)k, got[k], want[k]);
    arena_release(&arena);
}

// A call that gives a kernel what is laid out in another way is refused.
Test(share, wrong_buffers_are_refused) {
    Arena arena = {0};
    const char *text = "model f(x: f32[8, 64], z: f32[8, 64]) -> (a: f32[8, 64], b: f32[8, 64], c: f32[8, 32]) {"
                       " return tanh(exp(x)), tanh(exp(z)), exp(z[:, :32]) }\n";
    Module *m = harness_text(&arena, "two.dl", text, NULL, stderr);
    passes_run(m, &(PassOptions){.level = 2, .out = stderr});
    Program *program = program_lower(m->entries.at[0], target_find("x86-64-v4"), 2, 2);
    Call *first = &program->calls.at[0], *second = &program->calls.at[1], *third = &program->calls.at[2];
    cr_assert(first->kernel == second->kernel && third->kernel != first->kernel && !program_verify(program));
    Buffer *kept = second->buffer[0];
    for (int k = 0; k < third->kernel->uses.len; k++)
        if (third->buffer[k]->dim[1].extent == 32) second->buffer[0] = third->buffer[k];
    const char *wrong = program_verify(program);
    cr_expect(wrong && strstr(wrong, "call 1 gives"), "got %s", wrong ? wrong : "nothing");
    second->buffer[0] = second->buffer[1];
    wrong = program_verify(program);
    cr_expect(wrong && strstr(wrong, "call 1 gives"), "got %s", wrong ? wrong : "nothing");
    second->buffer[0] = kept;
    first->kernel->uses.len--;
    wrong = program_verify(program);
    cr_expect(wrong && strstr(wrong, "is not among the uses"), "got %s", wrong ? wrong : "nothing");
    arena_release(&arena);
}
