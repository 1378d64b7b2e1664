// test_prepared.c: what a model computes once after load: which nodes it is, which kernels and buffers they become,
// what the checker refuses, that two models share, and when the runtime makes it anew.
#include <criterion/criterion.h>
#include <string.h>

#include "dlc.h"
#include "emit/parts.h"
#include "frontend/elaborate.h"
#include "passes/passes.h"

typedef struct World {
    Arena arena;
    Diag diag;
    Module *module;
    Program *programs[8];
    EmitOptions options;
    EmitInput in;
} World;

static void world_open(World *w, int most, const char *text, int level) {
    *w = (World){.diag = {.out = stderr}};
    text = arena_printf(&w->arena, "dim N <= %d\n%s\n", most, text);
    Source *source = NEW(&w->arena, Source);
    *source = (Source){.name = "test.dl", .text = text, .len = (int)strlen(text)};
    AstFile *file = parse_source(&w->arena, &w->diag, source);
    w->module = w->diag.errors ? NULL : elaborate(&w->arena, &w->diag, file, &(ElaborateOptions){0});
    cr_assert(w->module, "does not compile: %s", text);
    passes_run(w->module, &(PassOptions){.level = level, .verify_meaning = true, .out = stderr});
    w->options = (EmitOptions){
        .prefix = "net", .header = "net.h", .target = target_find("x86-64-v4"), .level = level, .threads = 2};
    for (int k = 0; k < w->module->entries.len && k < 8; k++) {
        Program *program = program_lower(w->module->entries.at[k], w->options.target, level, 2);
        const char *wrong = program_verify(program);
        cr_assert_null(wrong, "%s", wrong);
        program_plan(program);
        wrong = program_check_plan(program);
        cr_assert_null(wrong, "%s", wrong);
        w->programs[k] = program;
    }
    w->in = (EmitInput){.module = w->module, .programs = w->programs, .nprograms = w->module->entries.len};
}

static int count_scope(const Program *program, Scope scope) {
    int n = 0;
    for (int k = 0; k < program->buffers.len; k++) n += program->buffers.at[k]->scope == scope;
    return n;
}

// The first entry at -O2: kernels of its prepare part, those of each call, and buffers that are kept.
static const struct {
    const char *what, *text;
    int prepares, calls, kept;
} rows[] = {
    {"a value of the arguments", "model f(x: f32[N, 40]) -> (y: f32[N, 40]) { return exp(x) }", 0, 1, 0},
    {"a function of a parameter",
     "model f(x: f32[N, 40]) -> (y: f32[N, 40]) {\n    param w: f32[40] = ones()\n    return x / sqrt(w + 1)\n}", 1, 1,
     1},
    {"a parameter alone is read as it is",
     "model f(x: f32[N, 40]) -> (y: f32[N, 40]) {\n    param w: f32[40] = ones()\n    return x * w\n}", 0, 1, 0},
    {"the weight of a linear layer is packed", "model f(x: f32[N, 40]) -> (y: f32[N, 30]) { return linear(x, 30) }", 1,
     1, 1},
    {"a product of two parameters, packed; only the panels are kept",
     "model f(x: f32[N, 40]) -> (y: f32[N, 30]) {\n    param a: f32[40, 50] = ones()\n    param b: f32[50, 30] = "
     "ones()\n    return x @ (a @ b)\n}",
     2, 1, 1},
    {"a chain over parameters is one kernel",
     "model f(x: f32[N, 40]) -> (y: f32[N, 40]) {\n    param w: f32[40] = ones()\n    return tanh(x + exp(w) * w)\n}",
     1, 1, 1},
    {"a sum over a parameter",
     "model f(x: f32[N, 40]) -> (y: f32[N]) {\n    param w: f32[40, 40] = ones()\n    return sum(x * sum(w, axis=0), "
     "axis=1)\n}",
     1, 1, 1},
    {"a result that follows from parameters alone",
     "model f(x: f32[N, 40]) -> (y: f32[N, 40], z: f32[40]) {\n    param w: f32[40] = ones()\n    return x * 2, "
     "exp(w)\n}",
     1, 2, 1},
    {"what is much larger than its parameters is not kept",
     "model f(x: f32[8, 40, 40]) -> (y: f32[8, 40, 40]) {\n    param a: f32[40] = ones()\n    param b: f32[40, 1] = "
     "ones()\n    return x * (a * b)\n}",
     0, 1, 0},
    {"a run-time size changes from call to call",
     "model f(x: f32[N, 40]) -> (y: f32[N, 40]) {\n    param w: f32[40] = ones()\n    return x * (w * cast(shape(x, "
     "0), "
     "f32))\n}",
     0, 1, 0},
    {"in training parameters change",
     "train f(x: f32[N, 40]) -> (loss: f32[]) {\n    loss = mean(linear(x, 30))\n    minimize loss with sgd(lr=0.1)\n  "
     "  "
     "return loss\n}",
     0, -1, 0},
};

Test(prepared, kernels) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        World w;
        world_open(&w, 64, rows[k].text, 2);
        const Program *program = w.programs[0];
        Str s = str_new(&w.arena);
        program_print(&s, program);
        cr_expect_eq(program->nprepare, rows[k].prepares, "%s: %d kernels once, want %d\n%s", rows[k].what,
                     program->nprepare, rows[k].prepares, str_text(&s));
        int calls = program->calls.len - program->nprepare;
        cr_expect(rows[k].calls < 0 || calls == rows[k].calls, "%s: %d kernels, want %d\n%s", rows[k].what, calls,
                  rows[k].calls, str_text(&s));
        cr_expect_eq(count_scope(program, SCOPE_PREPARED), rows[k].kept, "%s: %d buffers kept, want %d\n%s",
                     rows[k].what, count_scope(program, SCOPE_PREPARED), rows[k].kept, str_text(&s));
        arena_release(&w.arena);
    }
}

#define TWO_MODELS                                                                                                     \
    "layer stem(x: f32[B, 40]) -> f32[B, 30] {\n    param w: f32[30] = ones()\n"                                       \
    "    return linear(x, 30, name=\"fc\") / sqrt(w + 1)\n}\n"                                                         \
    "model f(x: f32[N, 40]) -> (y: f32[N, 30]) { return stem(x, name=\"\") }\n"                                        \
    "model g(x: f32[N, 40]) -> (y: f32[N, 20]) { return linear(relu(stem(x, name=\"\")), 20, name=\"last\") }\n"

Test(prepared, nothing_without_optimisation) {
    World w;
    world_open(&w, 64, TWO_MODELS, 0);
    cr_expect_eq(w.programs[0]->nprepare, 0);
    cr_expect_eq(w.programs[0]->prepared_bytes, 0);
    arena_release(&w.arena);
}

Test(prepared, two_models_share) {
    World w;
    world_open(&w, 64, TWO_MODELS, 2);
    int64_t alone = w.programs[1]->prepared_bytes;
    KernelTable table;
    kernel_table_build(&table, &w.arena, &w.in, &w.options);
    Layout layout = layout_make(&w.arena, &w.in, &table);
    int shared = 0;
    for (int c = 0; c < w.programs[1]->nprepare; c++) shared += w.programs[1]->calls.at[c].shared;
    cr_expect_eq(shared, w.programs[0]->nprepare, "g shares %d of the %d calls of f", shared, w.programs[0]->nprepare);
    // The flag, and what g keeps: f keeps nothing else.
    cr_expect_eq(layout.prepared_bytes, 64 + alone, "%lld bytes, g alone has %lld", (long long)layout.prepared_bytes,
                 (long long)alone);
    arena_release(&w.arena);
}

// What each keeps is made by one function, with another number: none may stand for that of another.
Test(prepared, models_share_no_call_with_other_numbers) {
    World w;
    Arena arena = {0};
    Str text = str_new(&arena);
    str_put(&text,
            "layer scaled(x: f32[B, 30], by: int) {\n    param w: f32[30] = ones()\n    return x / sqrt(w + by)\n}\n");
    for (int k = 1; k <= 4; k++)
        str_printf(&text, "model f%d(x: f32[N, 30]) -> (y: f32[N, 30]) { return scaled(x, by=%d, name=\"\") }\n", k, k);
    world_open(&w, 64, str_text(&text), 2);
    KernelTable table;
    kernel_table_build(&table, &w.arena, &w.in, &w.options);
    layout_make(&w.arena, &w.in, &table);
    for (int k = 0; k < 4; k++) {
        const Program *program = w.programs[k];
        cr_assert_eq(program->nprepare, 1);
        cr_expect(table.calls[k][0].text == table.calls[0][0].text && table.calls[k][0].text->arguments.len == 1);
        cr_expect_not(program->calls.at[0].shared, "f%d", k + 1);
    }
    arena_release(&w.arena);
    arena_release(&arena);
}

// ---- factors go into weights ----------------------------------------------------------------------------------------

// The first entry at -O2: additions, and other arithmetic, that are left for each call.
static const struct {
    const char *what, *text;
    int adds, others;
} folds[] = {
    {"convolution, bias, batch norm",
     "model f(x: f32[N, 3, 9, 9]) -> (y: f32[N, 8, 9, 9]) {\n    return x |> conv2d(8, 3, padding=1) |> batch_norm2d "
     "|> "
     "relu\n}",
     1, 0},
    {"convolution without bias, batch norm without affine",
     "model f(x: f32[N, 3, 9, 9]) -> (y: f32[N, 8, 9, 9]) {\n    return x |> conv2d(8, 3, padding=1, bias=false) |> "
     "batch_norm2d(affine=false)\n}",
     1, 0},
    {"depthwise",
     "model f(x: f32[N, 8, 9, 9]) -> (y: f32[N, 8, 9, 9]) {\n    return x |> conv2d(8, 3, padding=1, groups=8) |> "
     "batch_norm2d |> relu6\n}",
     1, 0},
    {"transposed",
     "model f(x: f32[N, 8, 9, 9]) -> (y: f32[N, 6, 18, 18]) {\n    return x |> conv_transpose2d(6, 2, stride=2) "
     "|> batch_norm2d\n}",
     1, 0},
    {"linear, batch norm", "model f(x: f32[N, 40]) -> (y: f32[N, 30]) { return x |> linear(30) |> batch_norm1d }", 1,
     0},
    {"a factor and a term that are numbers",
     "model f(x: f32[N, 40]) -> (y: f32[N, 30]) { return linear(x, 30, bias=false) * 3 - 1 }", 1, 0},
    {"a residual stays",
     "model f(x: f32[N, 8, 9, 9]) -> (y: f32[N, 8, 9, 9]) {\n    return x + (x |> conv2d(8, 3, padding=1) |> "
     "batch_norm2d)\n}",
     2, 0},
    {"what is read twice stays as it is",
     "model f(x: f32[N, 40]) -> (y: f32[N, 30], z: f32[N, 30]) {\n    h = linear(x, 30, bias=false)\n    return h * 3, "
     "tanh(h)\n}",
     0, 1},
    {"a factor along the columns of an image stays",
     "model f(x: f32[N, 3, 9, 9]) -> (y: f32[N, 8, 9, 9]) {\n    param w: f32[9] = ones()\n    return conv2d(x, 8, 3, "
     "padding=1) * w\n}",
     1, 1},
    {"a factor of the call stays",
     "model f(x: f32[N, 40], s: f32[]) -> (y: f32[N, 30]) { return linear(x, 30, bias=false) * s }", 0, 1},
    {"two arguments have no weights", "model f(x: f32[N, 40], w: f32[40, 30]) -> (y: f32[N, 30]) { return x @ w * 3 }",
     0, 1},
};

Test(prepared, factors_go_into_weights) {
    for (size_t k = 0; k < sizeof folds / sizeof *folds; k++) {
        World w;
        world_open(&w, 4, folds[k].text, 2);
        const Graph *g = w.module->entries.at[0];
        const bool *prepared = graph_find_prepared(&w.arena, g);
        int adds = 0, others = 0;
        for (int id = 0; id < g->nodes.len; id++) {
            const Node *node = g->nodes.at[id];
            adds += !prepared[id] && node_is(node, add);
            others += !prepared[id] && (node_is(node, sub) || node_is(node, mul) || node_is(node, div));
        }
        Str s = str_new(&w.arena);
        graph_print(&s, g);
        cr_expect(adds == folds[k].adds && others == folds[k].others,
                  "%s: %d additions and %d others, want %d and %d\n%s", folds[k].what, adds, others, folds[k].adds,
                  folds[k].others, str_text(&s));
        arena_release(&w.arena);
    }
}

// ---- the checker ----------------------------------------------------------------------------------------------------

static Buffer *find_prepared(const Program *program) {
    for (int k = 0; k < program->buffers.len; k++)
        if (program->buffers.at[k]->scope == SCOPE_PREPARED) return program->buffers.at[k];
    cr_assert_fail("nothing is prepared");
    return NULL;
}

static void refused(const Program *program, const char *why) {
    const char *wrong = program_check_plan(program);
    cr_expect(wrong && strstr(wrong, why), "got \"%s\", want \"%s\"", wrong ? wrong : "", why);
}

Test(prepared, checker_refuses) {
    World w;
    world_open(&w, 64, TWO_MODELS, 2);
    Program *program = w.programs[1];
    Buffer *buffer = find_prepared(program);
    buffer->scope = SCOPE_ARENA;
    refused(program, "is kept from the prepare part");
    buffer->scope = SCOPE_PREPARED;
    int64_t offset = buffer->offset;
    buffer->offset += 64;
    const char *wrong = programs_check_prepared(&program, 1);
    cr_expect(wrong && strstr(wrong, "share bytes"), "got \"%s\"", wrong ? wrong : "");
    buffer->offset = program->prepared_bytes;
    refused(program, "outside the prepared bytes");
    buffer->offset = offset;
    program->nprepare--;
    refused(program, "a call writes the prepared buffer");
    program->nprepare = program->calls.len;
    refused(program, "the prepare part uses the argument");
    arena_release(&w.arena);
}

// What stands for a buffer of another model is made there, in the same place.
Test(prepared, checker_refuses_what_stands_for_others) {
    World w;
    world_open(&w, 64, TWO_MODELS, 2);
    emission_new(&w.arena, &w.in, &w.options);
    Program *f = w.programs[0], *g = w.programs[1];
    for (int p = 0; p < w.in.nprograms; p++) cr_assert_null(program_check_plan(w.programs[p]));
    cr_assert_null(programs_check_prepared(w.in.programs, w.in.nprograms));
    Buffer *stands = find_prepared(g), *same = stands->same;
    cr_assert(same);
    stands->offset += 64;
    const char *wrong = programs_check_prepared(w.in.programs, w.in.nprograms);
    cr_expect(wrong && strstr(wrong, "does not stand for"), "got \"%s\"", wrong ? wrong : "");
    stands->offset -= 64;
    stands->same = NULL;
    refused(g, "is left out, and nothing stands for");
    stands->same = same;
    int nprepare = f->nprepare;
    f->nprepare = 0;
    wrong = programs_check_prepared(w.in.programs, w.in.nprograms);
    cr_expect(wrong && strstr(wrong, "does not stand for"), "got \"%s\"", wrong ? wrong : "");
    f->nprepare = nprepare;
    arena_release(&w.arena);
}

// ---- the runtime ----------------------------------------------------------------------------------------------------

static int prepares;
static void prepare(unsigned char *const region[DLC_REGIONS]) {
    float *w = (float *)(void *)region[DLC_REGION_PARAM], *twice = w + 32;
    int32_t *fresh = (int32_t *)(void *)(w + 16);
    if (*fresh) return;
    *fresh = 1;
    for (int k = 0; k < 4; k++) twice[k] = 2 * w[k];
    prepares++;
}

Test(prepared, runtime_makes_it_when_stale) {
    static const struct dlc_slot slots[] = {{{"w", "f32", "param", 1, {4}, 16}, DLC_REGION_PARAM, 0}};
    static const struct dlc_model model = {"toy", slots, 1, {64 + 128, 0, 0, 0}, 64, NULL, NULL, prepare, 64, 0};
    struct dlc_net *net = dlc_new(&model, sizeof(struct dlc_net));
    const float w[4] = {1, 2, 3, 4}, *twice = (float *)(void *)net->region[DLC_REGION_PARAM] + 32;
    cr_expect_eq(prepares, 0, "a new net is filled by load or by the first call");
    dlc_prepare(net), dlc_prepare(net);
    cr_expect_eq(prepares, 1);
    cr_expect_eq(dlc_set(net, "w", w, sizeof w), DLC_OK);
    cr_expect_neq(dlc_set(net, "v", w, sizeof w), DLC_OK);
    cr_expect_eq(prepares, 1, "set only marks it");
    dlc_prepare(net);
    cr_expect(prepares == 2 && twice[3] == 8);
    cr_expect_eq(dlc_load_memory(net, "", 0), DLC_EFORMAT);
    dlc_prepare(net);
    cr_expect_eq(prepares, 2, "a load that was refused changes nothing");
    dlc_init(net, 1);
    dlc_prepare(net);
    cr_expect(prepares == 3 && twice[3] == 0);
    dlc_stale(net);
    dlc_prepare(net);
    cr_expect_eq(prepares, 4, "after a training step");
    dlc_stale(net);
    struct dlc_net *twin = dlc_share(net, sizeof(struct dlc_net));
    dlc_prepare(twin), dlc_prepare(net);
    cr_expect_eq(prepares, 5, "a twin begins with it, and shares it");
    dlc_free(twin);
    dlc_free(net);
}
