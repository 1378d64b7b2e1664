// nests.c: nests of loops around every operator, with innermost extents from 1 to 33, compiled by the line that the
// header names. C compilers unroll short rows whole and make vectors across them: each extent is a program of its own.
//     nests                    a sample: DLC_TEST_SEED draws it, and is printed
//     nests all [PART/PARTS]   everything, two processes at once: element-wise records in all dtypes and nest_forms.h,
//                              x extents x {c11, c11 -march=native, x86-64-v3, native} x {gcc, clang}
//                              x {-O3, -O2} x {dlc -O0, -O2} x without and (where the C has threads) with -fopenmp
//     nests NAME [EXTENT]      what has that in its name, through all of these
// DLC_TEST_CC names other compilers ("gcc-11 gcc clang"). Bounds: element-wise records within their .ulp around the
// value in double; integers exactly; forms within 64 eps of the largest value and 64 times what the interpreter's own
// rounding changes.
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "frontend/elaborate.h"
#include "harness.h"
#include "nest_forms.h"
#include "targets/targets.h"
#include "variants.h"

enum { EXTENTS = 33, ROWS = 9, MANY = 600, CHUNK = 500, SAMPLES = 10, SAMPLE = 40, MAX_CCS = 6 };

typedef struct Case {
    const Op *op; // an element-wise record, or NULL: a form
    Variant variant;
    const Form *form;
    int extent;
} Case;
typedef VEC(Case) Cases;

static const char *case_name(Arena *arena, const Case *c) {
    const char *what = c->op ? variant_name(arena, c->op, &c->variant) : c->form->name;
    return arena_printf(arena, "%s%s_x%d", what, c->op ? "_record" : "", c->extent); // there is a form select_f32, too
}

// ---- a module of cases ---------------------------------------------------------------------------------------------

// "f32[N, @]" of an extent.
static void put_text(Str *s, const char *text, int extent) {
    for (; *text; text++) {
        if (*text == '@')
            str_printf(s, "%d", extent);
        else if (*text == '#')
            str_printf(s, "%d", extent + 3);
        else if (*text == '%')
            str_printf(s, "%d", (extent - 1) / 2 + 1);
        else
            str_putn(s, text, 1);
    }
}

static void put_form(Str *s, Arena *arena, const Case *c) {
    str_printf(s, "%s %s(", strstr(c->form->body, "grad(") ? "train" : "model", case_name(arena, c));
    put_text(s, c->form->params, c->extent);
    str_put(s, ") -> (");
    put_text(s, c->form->results, c->extent);
    str_put(s, ") { ");
    put_text(s, c->form->body, c->extent);
    str_put(s, " }\n");
}

static Module *module_of(Arena *arena, Diag *diag, const Cases *cases) {
    Str s = str_new(arena);
    str_printf(&s, "dim N <= %d\ndim L <= %d\nmodel sizes(x: f32[N, L]) -> (y: f32[N, L]) { return x }\n", ROWS, MANY);
    for (int k = 0; k < cases->len; k++)
        if (!cases->at[k].op) put_form(&s, arena, &cases->at[k]);
    Source *source = NEW(arena, Source);
    source->name = "nests.dl";
    source->text = arena_strdup(arena, str_text(&s));
    source->len = (int)strlen(source->text);
    AstFile *file = parse_source(arena, diag, source);
    Module *m = diag->errors ? NULL : elaborate(arena, diag, file, &(ElaborateOptions){0});
    for (int k = 0; m && k < cases->len; k++) {
        const Case *c = &cases->at[k];
        Type shape = {F32, 2, {{ROWS, 1, 1, 0}, {c->extent, 0, 0, 0}}};
        if (c->op) variant_add(arena, m, c->op, &c->variant, &shape, case_name(arena, c));
    }
    return m;
}

// Every case of an extent; `like`: those with it in their names, or NULL.
static void add_cases(Arena *arena, Cases *cases, Module *trial, int extent, const char *like) {
    Case c = {.extent = extent};
    Variant all[MAX_VARIANTS];
    Type shape = {F32, 2, {{ROWS, 1, 1, 0}, {extent, 0, 0, 0}}};
    for (const Op *const *at = ops; *at; at++) {
        int n = (*at)->traits & OP_ELEMENTWISE && !((*at)->traits & OP_LOOP) ? variants_of(*at, all) : 0;
        for (int k = 0; k < n; k++) {
            c.op = *at, c.variant = all[k];
            if (all[k].masks && all[k].mask_of != F32) continue;
            if (like && !strstr(case_name(arena, &c), like)) continue;
            if (variant_add(arena, trial, *at, &all[k], &shape, "trial")) vec_push(arena, cases, c);
        }
    }
    c.op = NULL;
    for (int k = 0; k < FORMS; k++) {
        c.form = &forms[k];
        if (!like || strstr(case_name(arena, &c), like)) vec_push(arena, cases, c);
    }
}

// ---- numbers -------------------------------------------------------------------------------------------------------

// Multiples of 1/8, which sums and comparisons keep as they are; some -0; in the second round, for records, all else.
static Tensor argument_of(Arena *arena, const Type *type, const int64_t *sizes, int place, bool wild) {
    static const double special[] = {NAN, INFINITY, -INFINITY, -0.0, FLT_MAX, -FLT_MAX, 1e-45, -1e-40};
    Tensor t = tensor_new(arena, type, sizes);
    for (int64_t k = 0; k < t.count; k++) {
        double u = drawn((uint32_t)place, (uint64_t)(2 * k)), v = drawn((uint32_t)place, (uint64_t)(2 * k + 1));
        double eighths = floor(64 * u - 32) / 8;
        if (t.f)
            t.f[k] = wild && v < 0.2           ? round_to_dtype(F32, special[(int)(40 * v)])
                     : eighths == 0 && v < 0.5 ? -0.0
                                               : eighths;
        else if (t.dtype == BOOL)
            t.i[k] = u < 0.5;
        else
            t.i[k] = (int64_t)floor(10 * u) - (t.dtype == U8 ? 0 : 4);
    }
    return t;
}

static double number_at(const Tensor *t, int64_t k) { return t->f ? t->f[k] : (double)t->i[k]; }

// The first element that is wrong, or -1. op: its .ulp around the exact value; NULL: a form.
static int64_t first_wrong(const Op *op, const Tensor *got, const Tensor *want, const Tensor *exact) {
    double largest = 0, moved = 0;
    for (int64_t k = 0; want->f && k < want->count; k++) {
        if (!isfinite(want->f[k]) || !isfinite(exact->f[k])) continue; // these are compared as they are
        largest = fmax(largest, fabs(want->f[k]));
        moved = fmax(moved, fabs(want->f[k] - exact->f[k]));
    }
    double allowed = 64 * (FLT_EPSILON * largest + moved);
    for (int64_t k = 0; k < want->count; k++) {
        if (!want->f && got->i[k] != want->i[k]) return k;
        if (!want->f) continue;
        bool same = got->f[k] == want->f[k] || (isnan(got->f[k]) && isnan(want->f[k]));
        if (op ? ulps(got->f[k], exact->f[k]) <= op->ulp : same || fabs(got->f[k] - want->f[k]) <= allowed) continue;
        return k;
    }
    return -1;
}

static const char *check_round(Arena *arena, Compiled *c, const Case *k, Graph *g, bool wild) {
    int64_t sizes[MAX_SIZES] = {wild ? ROWS : ROWS - 2, wild ? MANY : MANY - 1};
    Tensor arguments[8], got[8], want[8], exact[8];
    Tensor *storages = NEW_ARRAY(arena, Tensor, c->module->storages.len + 1);
    for (int s = 0; s < c->module->storages.len; s++)
        storages[s] = tensor_new(arena, &c->module->storages.at[s]->type, sizes);
    for (int s = 0; s < c->module->storages.len; s++) compiled_set(c, c->module->storages.at[s]->name, &storages[s]);
    for (int a = 0; a < g->arguments.len; a++)
        arguments[a] = argument_of(arena, &g->arguments.at[a]->type, sizes, a + 10 * wild, wild && k->op);
    int outputs = 0;
    for (; outputs < g->outputs.len && !g->outputs.at[outputs].storage; outputs++)
        got[outputs] = tensor_new(arena, &g->outputs.at[outputs].value->type, sizes);
    int status = compiled_call(c, g, sizes, arguments, got, NULL);
    if (status) return arena_printf(arena, "returned %d", status);
    Interpretation run = {.arena = arena, .sizes = sizes, .arguments = arguments, .storages = storages};
    Tensor *before = NEW_ARRAY(arena, Tensor, c->module->storages.len + 1);
    memcpy(before, storages, sizeof *before * (size_t)c->module->storages.len);
    run.returned = want;
    graph_interpret(g, &run);
    run.returned = exact, run.exact = true, run.storages = before;
    graph_interpret(g, &run);
    for (int o = 0; o < outputs; o++) {
        int64_t wrong = first_wrong(k->op, &got[o], &want[o], &exact[o]);
        if (wrong >= 0)
            return arena_printf(arena, "%s[%lld] is %.9g, and %.9g is right", g->outputs.at[o].name, (long long)wrong,
                                number_at(&got[o], wrong), number_at(k->op ? &exact[o] : &want[o], wrong));
    }
    return NULL;
}

// ---- compilers -----------------------------------------------------------------------------------------------------

typedef struct Build {
    HarnessOptions options;
    char *who;
} Build;
typedef VEC(Build) Builds;

static bool machine_runs(const char *target) {
#if defined __x86_64__
    return !strstr(target, "x86-64-v3") || __builtin_cpu_supports("avx2");
#else
    return !strstr(target, "x86-64");
#endif
}

static Builds builds_of(Arena *arena) {
    static const char *const targets[][2] = {{"c11", ""}, {"native", ""}, {"c11", "-march=native"}, {"x86-64-v3", ""}};
    static const char *const efforts[] = {"-O3", "-O2"}; // the header's line says -O3
    char *ccs = getenv("DLC_TEST_CC") ? getenv("DLC_TEST_CC") : "gcc clang";
    if (getenv("DLC_TEST_SANITIZE")) ccs = "gcc"; // the sanitizers' runtime is gcc's
    Builds builds = {0};
    for (ccs = strtok(arena_strdup(arena, ccs), " "); ccs; ccs = strtok(NULL, " "))
        for (int which = 0; which < 4 * 4; which++) {
            const char *const *target = targets[which % 4];
            if (!machine_runs(target[0])) continue;
            // native may name x86-64-v3: the same C, by the same line
            if (!strcmp(target[0], "x86-64-v3") && !strcmp(target_find("native")->name, target[0])) continue;
            HarnessOptions o = {.target = target[0], .level = which / 8 * 2, .threads = 2, .cc = ccs};
            o.cc_more = target[1], o.cc_level = efforts[which / 4 % 2];
            vec_push(arena, &builds,
                     ((Build){o, arena_printf(arena, "dlc --target=%s -O%d, %s %s %s", o.target, o.level, ccs,
                                              o.cc_level, o.cc_more)}));
        }
    return builds;
}

typedef struct Shared {
    Tally tally;     // what the children tell their parent
    char folder[80]; // of what is run, so that two runs do not meet
} Shared;

static void check_build(Arena *arena, Tally *t, const Cases *cases, const char *path, const char *name,
                        const HarnessOptions *options, const char *who) {
    Compiled *c = compiled_new(arena, path, name, options);
    if (!c) exit(1);
    for (int k = 0; k < cases->len; k++) {
        Arena scratch = {0};
        const char *entry = case_name(&scratch, &cases->at[k]), *wrong = NULL;
        Graph *g = compiled_entry(c, entry);
        for (int wild = 0; wild < 2 && !wrong; wild++) wrong = check_round(&scratch, c, &cases->at[k], g, wild);
        tally(t, !wrong, "%s: %s: %s", who, entry, wrong ? wrong : "");
        arena_release(&scratch);
    }
    compiled_free(c);
}

static bool has_threads(Arena *arena, const char *folder) {
    return !system(arena_printf(arena, "grep -q DLC_PARALLEL_FOR %s/m.c", folder));
}

// In a process of its own, since an internal error of dlc or a crash of the C ends it.
static pid_t start(Shared *shared, const Cases *cases, const Build *build, int number) {
    fflush(stdout);
    pid_t child = fork();
    if (child < 0) exit(3);
    if (child > 0) return child;
    Arena arena = {0};
    Diag diag = {.out = stdout};
    Tally t = {0};
    Module *m = module_of(&arena, &diag, cases);
    if (!m || diag.errors) exit(1);
    char *name = arena_printf(&arena, "%s/%d", shared->folder, number), *folder = harness_dir(&arena, name);
    char *path = arena_printf(&arena, "%s/nests.graph", folder);
    Str text = str_new(&arena);
    module_print(&text, m);
    harness_write(path, str_text(&text));
    check_build(&arena, &t, cases, path, name, &build->options, build->who);
    bool as_said = !strcmp(build->options.cc_level, "-O3"); // by the header, which names -fopenmp beside it
    if (as_said && has_threads(&arena, folder) && !getenv("DLC_TEST_SANITIZE")) {
        HarnessOptions o = build->options;
        o.openmp = true;
        check_build(&arena, &t, cases, path, name, &o, arena_printf(&arena, "%s -fopenmp", build->who));
    }
    __atomic_add_fetch(&shared->tally.passed, t.passed, __ATOMIC_SEQ_CST);
    __atomic_add_fetch(&shared->tally.failed, t.failed, __ATOMIC_SEQ_CST);
    fflush(stdout);
    _exit(0);
}

static void finish(Shared *shared, const Build *build) {
    int status;
    if (wait(&status) < 0 || (WIFEXITED(status) && WEXITSTATUS(status) == 0)) return;
    printf("FAILED %s, or the build beside it: a module does not compile, or its C crashes\n", build->who);
    __atomic_add_fetch(&shared->tally.failed, 1, __ATOMIC_SEQ_CST);
}

// ---- what is run ---------------------------------------------------------------------------------------------------

// Every build of every CHUNK cases; of them part `part` of `parts`. Two at once.
static void run_all(Shared *shared, const Cases *cases, const Builds *builds, int part, int parts) {
    int number = 0, running = 0;
    for (int from = 0; from < cases->len; from += CHUNK)
        for (int b = 0; b < builds->len; b++, number++) {
            if (number % parts != part) continue;
            Cases some = {.at = cases->at + from, .len = cases->len - from < CHUNK ? cases->len - from : CHUNK};
            start(shared, &some, &builds->at[b], number & 1023);
            if (++running == 2) finish(shared, &builds->at[b]), running--;
        }
    for (; running; running--) finish(shared, &builds->at[builds->len - 1]);
}

// SAMPLES builds of SAMPLE cases; the step through the builds meets every kind of them.
static void run_sample(Arena *arena, Shared *shared, const Cases *cases, const Builds *builds, uint32_t seed) {
    for (int j = 0; j < SAMPLES; j++) {
        const Build *build = &builds->at[(seed + (uint32_t)j * 5) % (uint32_t)builds->len];
        Cases some = {0};
        for (uint64_t draw = 0; some.len < SAMPLE; draw++) {
            Case c = cases->at[(int)(drawn(seed + 977 * (uint32_t)j, draw) * cases->len)];
            bool there = false;
            for (int k = 0; k < some.len; k++) there |= !strcmp(case_name(arena, &some.at[k]), case_name(arena, &c));
            if (!there) vec_push(arena, &some, c);
        }
        start(shared, &some, build, j);
        finish(shared, build);
    }
}

int main(int argc, char **argv) {
    Arena arena = {0};
    Diag diag = {.out = stdout};
    Cases cases = {0}, none = {0};
    bool all = argc > 1 && !strcmp(argv[1], "all");
    const char *like = argc > 1 && !all ? argv[1] : NULL;
    int only = like && argc > 2 ? atoi(argv[2]) : 0, part = 0, parts = 1;
    if (all && argc > 2 && (sscanf(argv[2], "%d/%d", &part, &parts) != 2 || part < 1 || part > parts)) return 2;
    Shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    Module *trial = module_of(&arena, &diag, &none);
    if (shared == MAP_FAILED || !trial) return 3;
    snprintf(shared->folder, sizeof shared->folder, "nests%s%s", argc > 1 ? "-" : "", argc > 1 ? argv[1] : "");
    for (int extent = only ? only : 1; extent <= (only ? only : EXTENTS); extent++)
        add_cases(&arena, &cases, trial, extent, like);
    Builds builds = builds_of(&arena);
    printf("%d cases, %d builds\n", cases.len, builds.len);
    if (argc > 1) {
        run_all(shared, &cases, &builds, part ? part - 1 : 0, parts);
    } else {
        const char *given = getenv("DLC_TEST_SEED");
        uint32_t seed = given ? (uint32_t)atoi(given) : (uint32_t)time(NULL) % 100000;
        printf("seed %u: DLC_TEST_SEED=%u draws the same sample\n", seed, seed);
        run_sample(&arena, shared, &cases, &builds, seed);
    }
    Tally t = shared->tally;
    arena_release(&arena);
    return tally_close(&t);
}
