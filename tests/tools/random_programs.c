// random_programs.c: seeded random programs; the C of every level, target and compiler must agree with the interpreter.
//     random_programs graphs [SEED [MODULES [quick]]]
// 20 graphs a module (tests/harness/random_graph.c), each called at the bound of the run-time size and at one up to it.
// quick: at -O2 alone, for c11 and native (every third module: x86-64-v3), with a C compiler that does little.
//     random_programs texts [SEED [MODULES [quick | thorough]]]
// .dl programs (random_text.c), whose entries are called in turn over one state; in one of the cheap forms below each,
// every twelfth by the header's compile line too (quick: none, thorough: in all forms).
//     random_programs loops [SEED [PROGRAMS]]
// The same programs (every tenth a module of graphs) without a C compiler: the loops are evaluated in this process.
//     random_programs loops FILE
// A .graph or .dl, evaluated in all forms.
//     random_programs FILE [DEFINES | quick]
// A .graph or .dl that was written before, or made smaller by hand, in all forms; quick: a .dl in two cheap ones.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "evaluated.h"
#include "random_text.h"
#include "script.h"

typedef struct Target {
    char *who;
    Compiled *compiled;
} Target;
enum { MAX_TARGETS = 5 };

// What an entry gives for its arguments: in f32, and with each rounding up or down at random.
typedef struct Reference {
    Graph *g;
    int64_t n;
    int outputs;
    bool *reads; // by the module's storages: the entry's own; entries may share some
    Tensor arguments[8], *storages, *want, *want_storages, *moved, *moved_storages;
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
        if (!node_is(g->nodes.at[k], storage)) continue;
        const char *name = node_attr(g->nodes.at[k], "name")->s;
        for (int s = 0; s < m->storages.len; s++) r.reads[s] |= !strcmp(m->storages.at[s]->name, name);
    }
    Tensor **all[] = {&r.storages, &r.want_storages, &r.moved_storages};
    for (int k = 0; k < 3; k++) *all[k] = NEW_ARRAY(arena, Tensor, m->storages.len + 1);
    for (int k = 0; k < g->arguments.len; k++)
        r.arguments[k] = drawn_tensor(arena, &g->arguments.at[k]->type, n, (uint32_t)(10 + k),
                                      node_attr(g->arguments.at[k], "name")->s);
    for (int k = 0; k < m->storages.len; k++) {
        if (!r.reads[k]) continue;
        const Storage *s = m->storages.at[k];
        r.storages[k] = r.want_storages[k] = r.moved_storages[k] =
            drawn_tensor(arena, &s->type, n, (uint32_t)(500 + k), s->name);
    }
    r.want = NEW_ARRAY(arena, Tensor, r.outputs + 1), r.moved = NEW_ARRAY(arena, Tensor, r.outputs + 1);
    Interpretation run = {.arena = arena, .sizes = &n, .arguments = r.arguments};
    run.storages = r.want_storages, run.returned = r.want;
    graph_interpret(g, &run);
    run.stochastic = 1, run.storages = r.moved_storages, run.returned = r.moved;
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
    for (int k = 0; k < r->outputs; k++)
        script_compare(t, &got[k], &r->want[k], &r->moved[k], who, r->g->outputs.at[k].name);
    for (int k = 0; k < m->storages.len; k++) {
        if (!r->reads[k]) continue;
        Tensor now = tensor_new(arena, &m->storages.at[k]->type, &r->n);
        compiled_get(c, m->storages.at[k]->name, &now);
        script_compare(t, &now, &r->want_storages[k], &r->moved_storages[k], who, m->storages.at[k]->name);
    }
}

static void check_module(Tally *t, const Module *m, Target *targets, int ntargets) {
    for (int e = 0; e < m->entries.len; e++)
        for (int half = 0; half < 2 && graph_is_public(m->entries.at[e]); half++) {
            Arena scratch = {0};
            int64_t bound = m->sizes[0].bound;
            Reference r = interpret(&scratch, m, m->entries.at[e], half && bound ? 1 + e % bound : bound);
            for (int k = 0; k < ntargets; k++)
                if (targets[k].compiled) check_entry(t, &scratch, targets[k].compiled, &r, targets[k].who);
            arena_release(&scratch);
        }
}

static const HarnessOptions thorough[MAX_TARGETS] = {
    {.target = "c11", .cc = "gcc", .cc_level = "-O1"},
    {.target = "native", .level = 2, .cc = "gcc", .openmp = true, .cc_level = "-O1"},
    {.target = "c11", .level = 2, .threads = 3, .cc = "clang", .standalone = true, .cc_level = "-O0"},
    {.target = "native", .level = 2, .threads = 2, .cc = "clang", .standalone = true, .cc_level = "-O0"},
    {.target = "native", .cc = "clang"}};
static const HarnessOptions quick[2] = {
    {.target = "c11", .level = 2, .cc = "clang", .cc_level = "-O0"},
    {.target = "native", .level = 2, .threads = 3, .cc = "clang", .cc_level = "-O0"}};
// Without C: two of them for each program, in turn. Parallel loops run their last chunk first; eager ones cut small
// kernels too.
static const HarnessOptions evaluated[] = {
    {.target = "x86-64-v4", .level = 2, .threads = 2, .eager = true},
    {.target = "c11", .level = 2, .threads = 3, .eager = true},
    {.target = "x86-64-v3", .level = 2, .threads = 8, .eager = true},
    {.target = "c11", .threads = 2},
    {.target = "x86-64-v4", .level = 2, .threads = 8},
    {.target = "c11", .level = 2, .threads = 1},
    {.target = "x86-64-v3", .level = 2, .threads = 5, .eager = true},
    {.target = "x86-64-v4", .threads = 4},
};
enum { EVALUATED = sizeof evaluated / sizeof *evaluated };
// Elements of all storages. One program in fifty has more, and takes as long as the others together.
enum { MOST_EVALUATED = 100000 };

static bool is_large(const Module *m) {
    int64_t elements = 0;
    for (int k = 0; k < m->storages.len; k++) elements += type_count(&m->storages.at[k]->type);
    return elements > MOST_EVALUATED;
}

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
        if (getenv("DLC_TEST_SANITIZE") && o.cc) o.cc = "gcc", o.openmp = false;
        targets[k].who = arena_printf(&arena, "seed %u %s -O%d %s", seed, o.target, o.level, o.cc ? o.cc : "evaluated");
        targets[k].compiled = compiled_new(&arena, path, arena_printf(&arena, "%s/%d", name, k), &o);
        tally(t, targets[k].compiled != NULL, "%s: does not compile", targets[k].who);
    }
    check_module(t, m, targets, ntargets);
    for (int k = 0; k < ntargets; k++) compiled_free(targets[k].compiled);
    arena_release(&arena);
}

// ---- texts -------------------------------------------------------------------------------------------------------

static const HarnessOptions cheap[] = {
    // a C compiler that does little, for what dlc does
    {.target = "native", .level = 2, .cc = "clang", .cc_level = "-O0"},
    {.target = "c11", .level = 2, .cc = "clang", .cc_level = "-O0"},
    {.target = "x86-64-v3", .level = 2, .threads = 3, .cc = "clang", .cc_level = "-O0", .openmp = true},
    {.target = "native", .level = 2, .threads = 1, .cc = "clang", .cc_level = "-O0", .standalone = true},
    {.target = "c11", .cc = "clang", .cc_level = "-O0"},
};
static const HarnessOptions whole[] = {
    // as the header says
    {.target = "native", .level = 2, .cc = "gcc", .cc_level = "-O3"},
    {.target = "c11", .level = 2, .cc = "gcc", .cc_level = "-O3"},
    {.target = "x86-64-v3", .level = 2, .cc = "gcc", .cc_level = "-O3", .openmp = true, .threads = 2},
    {.target = "native", .level = 2, .cc = "clang", .cc_level = "-O3"},
    {.target = "native", .cc = "gcc", .cc_level = "-O3"},
    {.target = "c11", .cc = "gcc", .cc_level = "-O3"},
    {.target = "c11", .level = 2, .cc = "clang", .cc_level = "-O3", .standalone = true},
};
enum { EMBEDDED = 2000000 }; // bytes of weights in C: compilers take seconds for each million
enum { CHEAP = sizeof cheap / sizeof *cheap, WHOLE = sizeof whole / sizeof *whole };

typedef struct Run {
    Tally *tally;
    Arena *arena;
    const char *path, *name, *defines;
    Script *script;
    int compiled;
} Run;

// NULL: it does not compile.
static Compiled *check_form(Run *run, HarnessOptions o, const char *with, bool models) {
    Arena *arena = run->arena;
    const char *cc = o.cc ? arena_printf(arena, "%s %s", o.cc, o.cc_level) : "evaluated";
    const char *who = arena_printf(arena, "%s %s -O%d %s%s", run->name, o.target, o.level, cc, with);
    if (getenv("DLC_TEST_SANITIZE") && o.cc) o.cc = "gcc", o.openmp = false;
    bool refused = false;
    o.defines = run->defines, o.refused = &refused;
    o.quiet = true; // warnings of what is never used
    Compiled *c = compiled_new(arena, run->path, arena_printf(arena, "%s/%d", run->name, run->compiled++), &o);
    if (!c && o.arena_max && refused) return NULL;
    tally(run->tally, c != NULL, "%s: does not compile", who);
    if (c) script_check(run->tally, run->script, c, who, models);
    return c;
}

// M_ARENA_BYTES, M_PARAM_BYTES of the header.
static int64_t region_bytes(const Compiled *c, const char *region) {
    int64_t bytes = 0;
    char line[256];
    FILE *header = fopen(arena_printf(c->arena, "%s/m.h", c->dir), "r");
    while (header && fgets(line, sizeof line, header))
        if (sscanf(line, arena_printf(c->arena, "#define M_%s_BYTES %%lld", region), (long long *)&bytes) == 1) break;
    if (header) fclose(header);
    return bytes;
}

static const char *model_names(Arena *arena, const Module *m) {
    Str s = str_new(arena);
    for (int e = 0; e < m->entries.len; e++)
        if (m->entries.at[e]->kind == ENTRY_MODEL)
            str_printf(&s, "%s%s", str_text(&s)[0] ? "," : "", m->entries.at[e]->name);
    return arena_strdup(arena, str_text(&s));
}

// With a budget of memory, which it may refuse; and models whose weights stand in the C.
static void check_options(Run *run, Compiled *c, uint32_t seed, HarnessOptions o) {
    int64_t bytes = c->evaluated ? evaluated_arena(c->evaluated) : region_bytes(c, "ARENA");
    if (seed % 3 == 0 && bytes) {
        o.arena_max = arena_printf(run->arena, "%lld", (long long)(bytes * (5 + seed % 5) / 10));
        compiled_free(check_form(run, o, " --arena-max", false));
    }
    o.arena_max = NULL;
    o.entries = model_names(run->arena, c->module);
    if (seed % 3 != 1 || c->evaluated || !*o.entries || region_bytes(c, "PARAM") > EMBEDDED) return;
    o.weights = arena_printf(run->arena, "%s/m.safetensors", c->dir);
    HarnessOptions plain = {.target = "c11", .cc = "clang", .cc_level = "-O0", .quiet = true};
    plain.defines = run->defines, plain.entries = o.entries;
    Compiled *fresh = compiled_new(run->arena, run->path, arena_printf(run->arena, "%s/weights", run->name), &plain);
    bool saved = fresh && compiled_save_weights(fresh, o.weights);
    tally(run->tally, saved, "%s: no weights to embed", run->name);
    if (saved) compiled_free(check_form(run, o, " --weights", true));
    compiled_free(fresh);
}

static void run_text(Tally *t, const char *path, const char *defines, uint32_t seed, char how) {
    Arena arena = {0};
    Run run = {.tally = t, .arena = &arena, .path = path, .name = "text-file", .defines = defines};
    Module *m;
    if (path) {
        m = harness_module(&arena, path, defines);
    } else {
        const char *text = random_text(&arena, seed, &run.defines);
        m = random_text_module(&arena, text, run.defines);
        run.name = arena_printf(&arena, "text-%u", seed);
        run.path = arena_printf(&arena, "%s/random.dl", harness_dir(&arena, run.name));
        harness_write(run.path, run.defines ? arena_printf(&arena, "%s# -D %s\n", text, run.defines) : text);
    }
    if (!m) exit(3);
    bool loops = how == 'l';
    if (loops && is_large(m)) {
        arena_release(&arena);
        return;
    }
    run.script = script_new(&arena, m, seed);
    for (uint32_t k = 0; k < (how == 't' ? CHEAP : loops ? 2 : 1); k++) {
        const HarnessOptions *form = loops ? &evaluated[(2 * seed + k) % EVALUATED] : &cheap[(seed + k) % CHEAP];
        Compiled *first = check_form(&run, *form, "", false);
        if (first) check_options(&run, first, seed + k, *form);
        compiled_free(first);
    }
    for (uint32_t k = 0; k < (how == 'q' || loops ? 0 : how == 't' ? WHOLE : 1); k++)
        if (how == 't' || seed % 12 == 0) compiled_free(check_form(&run, whole[(seed / 12 + k) % WHOLE], "", false));
    arena_release(&arena);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "", *how = argc > 4 ? argv[4] : "";
    uint32_t seed = argc > 2 ? (uint32_t)atoi(argv[2]) : 1;
    int modules = argc > 3 ? atoi(argv[3]) : 1;
    bool graphs = !strcmp(what, "graphs"), texts = !strcmp(what, "texts"), fast = !strcmp(how, "quick");
    bool loops = !strcmp(what, "loops");
    Tally t = {0};
    const char *file = loops && argc > 2 ? argv[2] : "";
    if (strstr(file, ".graph"))
        for (int k = 0; k < EVALUATED; k++) run_module(&t, file, 1, &evaluated[k], 1);
    if (strstr(file, ".dl"))
        for (uint32_t k = 0; k < EVALUATED / 2; k++) run_text(&t, file, NULL, k, 'l');
    if (strchr(file, '.')) return tally_close(&t);
    if (strstr(what, ".graph")) run_module(&t, what, 1, thorough, MAX_TARGETS);
    bool cheaply = argc > 2 && !strcmp(argv[2], "quick");
    for (uint32_t k = 0; k < 2 && strstr(what, ".dl") && cheaply; k++) run_text(&t, what, NULL, k, 'q');
    if (strstr(what, ".dl") && !cheaply) run_text(&t, what, argc > 2 ? argv[2] : NULL, 1, 't');
    for (int k = 0; k < modules && (graphs || texts || loops); k++, seed++)
        if (graphs)
            run_module(&t, NULL, seed, fast ? quick : thorough, fast ? 2 : MAX_TARGETS);
        else if (loops && seed % 10 == 0)
            run_module(&t, NULL, seed, &evaluated[seed / 5 % EVALUATED], 2);
        else
            run_text(&t, NULL, NULL, seed, loops ? 'l' : *how);
    return tally_close(&t);
}
