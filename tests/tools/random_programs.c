// random_programs.c: seeded random graphs with gradients (tests/harness/random_graph.c draws them); the C of every
// level, target and compiler must agree with the interpreter, at the bound of the run-time size and at one up to it.
//     random_programs [SEED [MODULES [quick]]]        20 graphs a module
//     random_programs FILE.graph 1 [quick]            one that was written before, or made smaller by hand; or a .dl
// quick: at -O2 alone, for c11 and native (every third module: x86-64-v3), with a C compiler that does little: for
// thousands of programs.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "random_graph.h"

// A tensor may differ by this share of its largest value, plus a multiple of what the interpreter's own rounding
// changes in it: a sum that cancels to almost nothing has no digits left to compare.
static const double TOLERANCE = 1e-4, ROUNDING = 64;

static void compare(Tally *t, const Tensor *got, const Tensor *want, const Tensor *exact, const char *who,
                    const char *name) {
    double worst = 0, largest = 0, rounding = 0;
    for (int64_t k = 0; !want->f && k < want->count; k++)
        tally(t, got->i[k] == want->i[k], "%s: %s differs from the interpreter", who, name);
    if (!want->f) return;
    for (int64_t k = 0; k < want->count; k++) {
        double off = fabs(got->f[k] - want->f[k]), moved = fabs(want->f[k] - exact->f[k]);
        if (isnan(got->f[k]) && isnan(want->f[k])) continue;
        if (got->f[k] == want->f[k]) off = 0;
        worst = off <= worst ? worst : isnan(off) ? INFINITY : off;
        largest = fmax(largest, fabs(want->f[k]));
        rounding = moved > rounding ? moved : rounding;
    }
    double allowed = TOLERANCE * largest + ROUNDING * rounding + 1e-6; // inputs are near 1
    tally(t, worst <= allowed, "%s: %s differs from the interpreter by %.3g, at most %.3g (largest value %.3g)", who,
          name, worst, allowed, largest);
}

typedef struct Target {
    char *who;
    Compiled *compiled;
} Target;
enum { MAX_TARGETS = 5 };

// What an entry gives for its arguments: in f32 and without rounding.
typedef struct Reference {
    Graph *g;
    int64_t n;
    int outputs;
    bool *reads; // by the module's storages: the entry's own; entries may share some
    Tensor arguments[8], *storages, *want, *want_storages, *exact, *exact_storages;
} Reference;

static Tensor drawn_tensor(Arena *arena, const Type *type, int64_t n, uint32_t seed, const char *name) {
    Tensor t = tensor_drawn(arena, type, &n, seed, -1, 1);
    for (int64_t k = 0; t.f && k < t.count && random_is_exact(name); k++) t.f[k] = floor(16 * t.f[k]) / 16;
    return t;
}

static Reference interpret(Arena *arena, const Module *m, Graph *g, int64_t n) {
    Reference r = {.g = g, .n = n};
    r.reads = NEW_ARRAY(arena, bool, m->storages.len + 1);
    while (r.outputs < g->outputs.len && !g->outputs.at[r.outputs].storage) r.outputs++;
    for (int k = 0; k < g->nodes.len; k++) {
        if (!node_is(g->nodes.at[k], "storage")) continue;
        const char *name = node_attr(g->nodes.at[k], "name")->s;
        for (int s = 0; s < m->storages.len; s++) r.reads[s] |= !strcmp(m->storages.at[s]->name, name);
    }
    Tensor **all[] = {&r.storages, &r.want_storages, &r.exact_storages};
    for (int k = 0; k < 3; k++) *all[k] = NEW_ARRAY(arena, Tensor, m->storages.len + 1);
    for (int k = 0; k < g->arguments.len; k++)
        r.arguments[k] = drawn_tensor(arena, &g->arguments.at[k]->type, n, (uint32_t)(10 + k),
                                      node_attr(g->arguments.at[k], "name")->s);
    for (int k = 0; k < m->storages.len; k++) {
        if (!r.reads[k]) continue;
        const Storage *s = m->storages.at[k];
        r.storages[k] = r.want_storages[k] = r.exact_storages[k] =
            drawn_tensor(arena, &s->type, n, (uint32_t)(500 + k), s->name);
    }
    r.want = NEW_ARRAY(arena, Tensor, r.outputs + 1), r.exact = NEW_ARRAY(arena, Tensor, r.outputs + 1);
    Interpretation run = {.arena = arena, .sizes = &n, .arguments = r.arguments};
    run.storages = r.want_storages, run.returned = r.want;
    graph_interpret(g, &run);
    run.exact = true, run.storages = r.exact_storages, run.returned = r.exact;
    graph_interpret(g, &run);
    return r;
}

static void check_entry(Tally *t, Arena *arena, Compiled *c, const Reference *r, const char *who) {
    Module *m = c->module;
    Tensor *got = NEW_ARRAY(arena, Tensor, r->outputs + 1);
    for (int k = 0; k < m->storages.len; k++)
        if (r->reads[k]) compiled_set(c, m->storages.at[k]->name, &r->storages[k]);
    for (int k = 0; k < r->outputs; k++) got[k] = tensor_new(arena, &r->g->outputs.at[k].value->type, &r->n);
    int status = compiled_call(c, compiled_entry(c, r->g->name), &r->n, r->arguments, got, NULL);
    who = arena_printf(arena, "%s %s(N=%d)", who, r->g->name, (int)r->n);
    tally(t, status == 0, "%s: returned %d", who, status);
    for (int k = 0; k < r->outputs; k++) compare(t, &got[k], &r->want[k], &r->exact[k], who, r->g->outputs.at[k].name);
    for (int k = 0; k < m->storages.len; k++) {
        if (!r->reads[k]) continue;
        Tensor now = tensor_new(arena, &m->storages.at[k]->type, &r->n);
        compiled_get(c, m->storages.at[k]->name, &now);
        compare(t, &now, &r->want_storages[k], &r->exact_storages[k], who, m->storages.at[k]->name);
    }
}

static void check_module(Tally *t, const Module *m, Target *targets, int ntargets) {
    for (int e = 0; e < m->entries.len; e++)
        for (int half = 0; half < 2 && graph_is_public(m->entries.at[e]); half++) {
            Arena scratch = {0};
            int64_t bound = m->sizes[0].bound;
            Reference r = interpret(&scratch, m, m->entries.at[e], half ? 1 + e % bound : bound);
            for (int k = 0; k < ntargets; k++)
                if (targets[k].compiled) check_entry(t, &scratch, targets[k].compiled, &r, targets[k].who);
            arena_release(&scratch);
        }
}

static const HarnessOptions thorough[MAX_TARGETS] = {
    {.target = "c11", .cc = "gcc"},
    {.target = "native", .level = 2, .cc = "gcc", .openmp = true},
    {.target = "c11", .level = 2, .threads = 3, .cc = "clang", .standalone = true, .cc_level = "-O1"},
    {.target = "native", .level = 2, .threads = 2, .cc = "clang", .standalone = true, .cc_level = "-O1"},
    {.target = "native", .cc = "clang"}};
static const HarnessOptions quick[2] = {
    {.target = "c11", .level = 2, .cc = "clang", .cc_level = "-O0"},
    {.target = "native", .level = 2, .threads = 3, .cc = "clang", .cc_level = "-O0"}};

// A module drawn from the seed, which is written to *path.
static Module *drawn_module(Arena *arena, uint32_t seed, const char *name, const char **path) {
    Diag diag = {.out = stderr};
    Module *m = random_module(arena, &diag, seed);
    if (diag.errors) exit(3);
    Str text = str_new(arena);
    module_print(&text, m);
    *path = arena_printf(arena, "%s/random.graph", harness_dir(arena, name));
    harness_write(*path, str_text(&text));
    return m;
}

// path: a module to run again, or NULL.
static void run_module(Tally *t, const char *path, uint32_t seed, const HarnessOptions *options, int ntargets) {
    Arena arena = {0};
    Target targets[MAX_TARGETS];
    char *name = path ? "random-file" : arena_printf(&arena, "random-%u", seed);
    Module *m = path ? harness_module(&arena, path, NULL) : drawn_module(&arena, seed, name, &path);
    if (!m) exit(3);
    for (int k = 0; k < ntargets; k++) {
        HarnessOptions o = options[k];
        if (ntargets == 2 && k == 1 && seed % 3 == 0) o.target = "x86-64-v3";
        if (getenv("DLC_TEST_SANITIZE")) o.cc = "gcc", o.openmp = false;
        targets[k].who = arena_printf(&arena, "seed %u %s -O%d %s", seed, o.target, o.level, o.cc);
        targets[k].compiled = compiled_new(&arena, path, arena_printf(&arena, "%s/%d", name, k), &o);
        tally(t, targets[k].compiled != NULL, "%s: does not compile", targets[k].who);
    }
    check_module(t, m, targets, ntargets);
    for (int k = 0; k < ntargets; k++) compiled_free(targets[k].compiled);
    arena_release(&arena);
}

int main(int argc, char **argv) {
    const char *file = argc > 1 && strchr(argv[1], '.') ? argv[1] : NULL;
    uint32_t seed = argc > 1 && !file ? (uint32_t)atoi(argv[1]) : 1;
    int modules = argc > 2 ? atoi(argv[2]) : 1;
    bool fast = argc > 3 && !strcmp(argv[3], "quick");
    Tally t = {0};
    for (int k = 0; k < modules; k++)
        run_module(&t, file, seed + (uint32_t)k, fast ? quick : thorough, fast ? 2 : MAX_TARGETS);
    return tally_close(&t);
}
