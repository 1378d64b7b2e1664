// operators.c: the table of operators is walked: the C of every record, at every level, target and compiler, against
// the interpreter. A record without a test fails by name.
//     operators [NAME]        all records, in half of the builds, or one in all
// One module holds them all: every record's example; element-wise records over every dtype that they take, as a line of
// run-time length and as rows of 45 (a vector body and a tail), alone and through masks; operator_forms.h for the
// others. Bounds: element-wise within the record's .ulp around the value in double, 0 meaning the same bits; sums and
// contractions within 8 eps sqrt(K) of the same on absolute values; everything else exactly, but for the sign of a zero
// that is the largest or smallest among zeros.
#include <ctype.h>
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
#include "operator_forms.h"
#include "targets/targets.h"
#include "variants.h"

// ---- the module ----------------------------------------------------------------------------------------------------

typedef struct Case {
    const Op *op;
    const char *entry;
} Case;

typedef struct Walk {
    Arena *arena;
    Tally *tally;
    Module *m;
    const Op *only; // NULL: all
    bool floats;    // the C keeps to floats
    VEC(Case) cases;
} Walk;

static void add_case(Walk *w, const Op *op, const char *entry) { vec_push(w->arena, &w->cases, ((Case){op, entry})); }

static bool takes_part(const Walk *w, const Op *op) { return !w->only || w->only == op; }

// "add(a: f32[2, 3], b: f32[2, 3])": parameters "a: f32[2, 3], b: f32[2, 3]", names "a, b", body "add(a, b)".
static void take_apart(const char *example, Str *params, Str *names, Str *body) {
    for (const char *colon; (colon = strchr(example, ':'));) {
        const char *start = colon, *end = strchr(colon, ']') + 1;
        while (start > example && isalnum((unsigned char)start[-1])) start--;
        const char *comma = str_text(params)[0] ? ", " : "";
        str_printf(params, "%s%.*s", comma, (int)(end - start), start);
        str_printf(names, "%s%.*s", comma, (int)(colon - start), start);
        str_putn(body, example, (size_t)(colon - example));
        example = end;
    }
    str_put(body, example);
}

// The example as an entry. What its type is the elaborator finds out: it returns a sum here, which add_examples undoes.
static void put_example(Str *s, Arena *arena, const Op *op) {
    if (!strncmp(op->example, "param ", 6)) {
        str_printf(s, "model example_%s() -> (y: f32[2, 3]) { %s; return w }\n", op->name, op->example);
        return;
    }
    if (!strcmp(op->name, "random")) { //: only where parameters are drawn
        str_printf(s, "layer draw_%s(p: T[...S]) { return %s }\n", op->name, op->example);
        str_printf(s, "model example_%s() -> (y: f32[2, 3]) { param w_%s: f32[2, 3] = draw_%s(); return w_%s }\n",
                   op->name, op->name, op->name, op->name);
        return;
    }
    Str params = str_new(arena), names = str_new(arena), body = str_new(arena);
    take_apart(op->example, &params, &names, &body);
    str_printf(s, "layer body_%s(%s) { r = %s; return r }\n", op->name, str_text(&params), str_text(&body));
    str_printf(s, "model example_%s(%s) -> (y: f32[]) { return sum(cast(body_%s(%s), f32)) }\n", op->name,
               str_text(&params), op->name, str_text(&names));
}

static char *program_text(Walk *w) {
    Str s = str_new(w->arena);
    str_put(&s, "dim N <= 6\ndim R <= 61\ndim M <= 3\n"
                "layer uniform_numbers(p: T[...S]) { return random(\"uniform\", S) }\n"
                "layer normal_numbers(p: T[...S]) { return random(\"normal\", S) }\n");
    for (const Op *const *at = ops; *at; at++) {
        if (!takes_part(w, *at) || !(*at)->example[0]) continue;
        put_example(&s, w->arena, *at);
        add_case(w, *at, arena_printf(w->arena, "example_%s", (*at)->name));
    }
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        const Form *f = &forms[k];
        if (!takes_part(w, op_find(f->op))) continue;
        char *entry = arena_printf(w->arena, "%s_%d", f->op, (int)k);
        bool drawn = !strncmp(f->body, "w_", 2);
        str_printf(&s, "model %s(%s) -> (y: %s) { ", entry, f->params, f->result);
        if (drawn) str_printf(&s, "param %s: %s = %s_numbers(); ", f->body, f->result, f->body + 2);
        str_printf(&s, "return %s }\n", f->body);
        add_case(w, op_find(f->op), entry);
    }
    return arena_strdup(w->arena, str_text(&s));
}

static bool graph_has(const Graph *g, const Op *op) {
    for (int k = 0; k < g->nodes.len; k++)
        if (g->nodes.at[k]->op == op) return true;
    return false;
}

static Graph *find_entry(const Module *m, const char *name) {
    for (int e = 0; e < m->entries.len; e++)
        if (!strcmp(m->entries.at[e]->name, name)) return m->entries.at[e];
    return NULL;
}

// The sum around an example's value goes away, and the operator must be there.
static void finish_example(Walk *w, const Case *c) {
    Graph *g = find_entry(w->m, c->entry), *init = find_entry(w->m, "init");
    Node *value = g->outputs.at[0].value;
    if (g->arguments.len && node_is(value, reduce))
        value = value->in[0];
    else if (node_is(value, reduce) && value->in[0]->op != c->op)
        value = value->in[0];
    g->outputs.len = 0;
    graph_return(g, "y", value, (Span){0});
    bool there = graph_has(g, c->op) || (init && graph_has(init, c->op));
    tally(w->tally, there, "%s: its example %s does not make it", c->op->name, c->op->example);
}

// ---- element-wise records, over dtypes and shapes ------------------------------------------------------------------

static bool add_variant(Walk *w, const Op *op, const Variant *v, bool rows) {
    static const Type line_shape = {F32, 1, {{61, 2, 1, 0}}}, rows_shape = {F32, 2, {{3, 3, 1, 0}, {.extent = 45}}};
    const char *entry = arena_printf(w->arena, "%s%s", variant_name(w->arena, op, v), rows ? "_rows" : "_line");
    bool taken = variant_add(w->arena, w->m, op, v, rows ? &rows_shape : &line_shape, entry);
    if (taken) add_case(w, op, entry);
    return taken;
}

static void add_variants(Walk *w, const Op *op) {
    DType own[MAX_INPUTS];
    Variant all[MAX_VARIANTS];
    int n = example_dtypes(op, own), added = 0;
    bool right = n == op->inputs && (!op->attrs[0].name || (op->attrs[0].kind == ATTR_DTYPE && !op->attrs[1].name));
    tally(w->tally, right, "%s: its example %s has no %d inputs, or it has other attributes than one dtype", op->name,
          op->example, op->inputs);
    int count = right ? variants_of(op, all) : 0;
    for (int k = 0; k < count; k++) {
        added += add_variant(w, op, &all[k], false);
        if (all[k].dtype == F32 && all[k].mask_of == F32) add_variant(w, op, &all[k], true);
    }
    tally(w->tally, added > 0, "%s: no dtype fits it", op->name);
}

static bool has_form(const Op *op) {
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++)
        if (!strcmp(forms[k].op, op->name)) return true;
    return false;
}

// Writes the module; false: it did not come about.
static bool write_module(Walk *w, const char *path) {
    Diag *diag = NEW(w->arena, Diag);
    diag->out = stdout;
    Source *source = NEW(w->arena, Source);
    source->name = "operators.dl";
    source->text = program_text(w);
    source->len = (int)strlen(source->text);
    AstFile *file = parse_source(w->arena, diag, source);
    w->m = diag->errors ? NULL : elaborate(w->arena, diag, file, &(ElaborateOptions){0});
    if (!w->m) return false;
    int programs = w->cases.len;
    for (int k = 0; k < programs; k++)
        if (!strncmp(w->cases.at[k].entry, "example_", 8)) finish_example(w, &w->cases.at[k]);
    Graph *init = NULL; // stays last
    if (w->m->entries.at[w->m->entries.len - 1]->kind == ENTRY_INIT) init = w->m->entries.at[--w->m->entries.len];
    for (const Op *const *at = ops; *at; at++) {
        const Op *op = *at;
        if (!takes_part(w, op) || op->traits & OP_LOOP) continue; // tests/nets/scan.dl has those of loops
        if (op->traits & OP_ELEMENTWISE)
            add_variants(w, op);
        else
            tally(w->tally, has_form(op) || op->traits & OP_INPUT, "%s: has no form in tests/tools/operator_forms.h",
                  op->name);
    }
    if (init) vec_push(w->arena, &w->m->entries, init);
    Str text = str_new(w->arena);
    module_print(&text, w->m);
    char *whole = arena_strdup(w->arena, str_text(&text));
    char *init_at = strstr(whole, "\ninit ");
    for (const char *at = windows; (at = strstr(at, "model ")); at++) {
        char *entry = arena_strndup(w->arena, at + 6, strcspn(at + 6, "("));
        const Op *op = op_find(arena_strndup(w->arena, entry, strcspn(entry, "_")));
        if (takes_part(w, op)) add_case(w, op, entry);
    }
    bool with_windows = !w->only || !strcmp(w->only->name, "contract") || !strcmp(w->only->name, "reduce");
    if (!init_at) init_at = whole + strlen(whole);
    harness_write(path, arena_printf(w->arena, "%.*s\n%s%s", (int)(init_at - whole), whole, with_windows ? windows : "",
                                     init_at));
    return !diag->errors;
}

// ---- numbers -------------------------------------------------------------------------------------------------------

static const double special[] = {NAN,   INFINITY, -INFINITY, 0.0,    -0.0,    1,       -1,           0.5,  -0.5,
                                 1e-45, -1e-45,   1e-40,     -1e-40, 1.2e-38, 1e-30,   -1e-30,       1e-7, -1e-7,
                                 88.5,  88.9,     -87.5,     -88.9,  -103.5,  -110,    2147483648.0, 1e10, -1e10,
                                 1e30,  -1e30,    3e38,      -3e38,  FLT_MAX, -FLT_MAX};
static const int64_t special_int[] = {0,     1,         -1,        2,         -2,        7,         -7,
                                      100,   127,       -128,      128,       200,       255,       256,
                                      65536, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, 4294967296};
enum {
    SPECIALS = sizeof special / sizeof *special,
    INTS = sizeof special_int / sizeof *special_int,
    DRAWS = 4, // rounds of drawn numbers before those of special ones
};

static int64_t wrapped(DType dtype, int64_t x) {
    if (dtype == BOOL) return x & 1;
    if (dtype == U8) return (uint8_t)x;
    return dtype == I32 ? (int32_t)(uint32_t)(uint64_t)x : x;
}

static double drawn_float(int round, double u, double v) {
    if (round == 0) return 8 * u - 4;
    if (round == 1) return 2 * u - 1;
    return copysign(exp2(60 * u - 30), v - 0.5) * (round == 2 ? 1 : 1e-3);
}

// Argument number `place`. In rounds of special numbers element e of a, b and c is number p, p / n and p / 3 of the
// list, where p counts on from round to round: all pairs come up.
static Tensor argument_of(Arena *arena, const Type *type, const int64_t *sizes, int place, int round) {
    Tensor t = tensor_new(arena, type, sizes);
    for (int64_t e = 0; e < t.count; e++) {
        uint32_t seed = (uint32_t)(place * 100 + round);
        double u = drawn(seed, (uint64_t)(2 * e)), v = drawn(seed, (uint64_t)(2 * e + 1));
        int64_t p = (round - DRAWS) * t.count + e, n = t.f ? SPECIALS : INTS;
        int64_t which = (place == 0 ? p : place == 1 ? p / n : p / 3) % n;
        if (t.f)
            t.f[e] = round_to_dtype(F32, round < DRAWS ? drawn_float(round, u, v) : special[which]);
        else if (round >= DRAWS)
            t.i[e] = wrapped(t.dtype, special_int[which]);
        else
            t.i[e] = wrapped(t.dtype, round & 1 ? (int64_t)(u * 0x1p32) << 31 ^ (int64_t)(v * 0x1p32)
                                                : (int64_t)floor(200 * u - 100));
    }
    return t;
}

// Numbers near 1, and here and there a special one: where every row held NaN, nothing else would be seen.
static Tensor sprinkled(Arena *arena, const Type *type, const int64_t *sizes, int place, int round) {
    Tensor t = argument_of(arena, type, sizes, place, 0), specials = argument_of(arena, type, sizes, place, round);
    for (int64_t e = 5 * round % 37, k = round; e < t.count; e += 37, k++) {
        if (t.f)
            t.f[e] = specials.f[k % t.count];
        else
            t.i[e] = specials.i[k % t.count];
    }
    return t;
}

static Tensor absolute(Arena *arena, const Tensor *t) {
    Tensor a = *t;
    if (!t->f) return a;
    a.f = NEW_ARRAY(arena, double, t->count + 1);
    for (int64_t k = 0; k < t->count; k++) a.f[k] = fabs(t->f[k]);
    return a;
}

// ---- one entry -----------------------------------------------------------------------------------------------------

typedef struct Bound {
    bool sums; // within `factor` times the same on absolute values
    double factor;
    double ulp;
    bool extremes; // of zeros of both signs either may be the largest
} Bound;

// K terms: 8 eps sqrt(K), from the extents of the reduced axes at their bounds.
static Bound bound_of(const Walk *w, const Graph *g, const Op *op) {
    Bound bound = {.ulp = w->floats && op->ulp_floats > op->ulp ? op->ulp_floats : op->ulp};
    for (int k = 0; k < g->nodes.len; k++) {
        const Node *node = g->nodes.at[k];
        if (node->op != op) continue;
        if (op->traits & OP_ALONE) { // sums of what the inputs hold
            bound.sums = true;
            bound.factor = 8 * dtype_info[F32].epsilon * sqrt((double)type_count(&node->in[0]->type));
        }
        if (!(op->traits & OP_REDUCES)) continue;
        const Iter *iter = node_attr(node, "iter")->iter;
        double terms = 1;
        bool bare = true; // what is not bare in the out map is summed too
        for (int d = 0; d < iter->map[0].rank; d++) {
            int used = 0;
            for (int a = 0; a < iter->naxes; a++) used += iter->map[0].dim[d].coef[a] != 0;
            bare &= used <= 1;
        }
        for (int a = bare ? iter->nout : 0; a < iter->naxes; a++) terms *= iter->axis[a].extent;
        bound.sums = node_reduces(node) == REDUCE_SUM;
        bound.extremes = !bound.sums;
        bound.factor = 8 * dtype_info[F32].epsilon * sqrt(terms);
    }
    return bound;
}

typedef struct Call {
    Walk *walk;
    Compiled *c;
    Graph *g;
    const int64_t *sizes;
    Tensor *arguments, *got, *want, *scale;
} Call;

static void interpret(const Call *call, const Tensor *arguments, Tensor *storages, Tensor *returned) {
    graph_interpret(call->g, &(Interpretation){.arena = call->walk->arena,
                                               .sizes = call->sizes,
                                               .exact = true,
                                               .arguments = arguments,
                                               .storages = storages,
                                               .returned = returned});
}

static double number_at(const Tensor *t, int64_t e) { return t->f ? t->f[e] : (double)t->i[e]; }

// "a = 1, b = nan" at an element of an element-wise entry, for the sentence.
static const char *inputs_at(const Call *call, int64_t e) {
    Str s = str_new(call->walk->arena);
    for (int k = 0; k < call->g->arguments.len; k++)
        if (call->arguments[k].count == call->got->count)
            str_printf(&s, "%s%s = %.9g", str_text(&s)[0] ? ", " : " for ",
                       node_attr(call->g->arguments.at[k], "name")->s, number_at(&call->arguments[k], e));
    return arena_strdup(call->walk->arena, str_text(&s));
}

// NULL, or what is wrong.
static const char *compare(const Call *call, const Bound *bound) {
    Arena *arena = call->walk->arena;
    for (int64_t e = 0; e < call->got->count; e++) {
        double got = number_at(call->got, e), want = number_at(call->want, e);
        if (!call->got->f) {
            if (call->got->i[e] == call->want->i[e]) continue;
            return arena_printf(arena, "element %d%s: got %lld, want %lld", (int)e, inputs_at(call, e),
                                (long long)call->got->i[e], (long long)call->want->i[e]);
        }
        if (bound->extremes && got == 0 && want == 0) continue;
        if (!bound->sums) {
            double off = ulps(got, want);
            if (off <= bound->ulp) continue;
            return arena_printf(arena, "element %d%s: got %.9g, want %.17g, %.3g ulp apart, at most %g", (int)e,
                                inputs_at(call, e), got, want, off, bound->ulp);
        }
        double rounded = round_to_dtype(F32, want);
        if (got == rounded || (isnan(got) && isnan(want))) continue;
        double limit = bound->factor * call->scale->f[e];
        if (fabs(got - want) <= limit && isfinite(limit)) continue;
        return arena_printf(arena, "element %d: got %.9g, want %.17g, %.3g apart, at most %.3g", (int)e, got, want,
                            fabs(got - want), limit);
    }
    return NULL;
}

static const char *check_round(Call *call, const Bound *bound, int round, Tensor *storages) {
    Arena *arena = call->walk->arena;
    int n = call->g->arguments.len;
    Tensor positive[8], *want = NEW_ARRAY(arena, Tensor, 1), *scale = NEW_ARRAY(arena, Tensor, 1);
    call->arguments = NEW_ARRAY(arena, Tensor, n + 1);
    // Large numbers would make every bound of a sum infinite: they come alone, among numbers near 1.
    for (int k = 0; k < n; k++) {
        const Type *type = &call->g->arguments.at[k]->type;
        call->arguments[k] = bound->extremes && round >= DRAWS
                                 ? sprinkled(arena, type, call->sizes, k, round)
                                 : argument_of(arena, type, call->sizes, k, bound->sums && round > 1 ? 0 : round);
        // Edges are zeros that are multiplied: what is not finite may show there (docs/language.md, Numbers).
        bool edges = !strcmp(call->g->name, "contract_input_gradient") ||
                     (k == 1 && !strcmp(call->g->name, "contract_convolution"));
        if (bound->sums && !edges && round == DRAWS && call->arguments[k].f)
            call->arguments[k].f[call->arguments[k].count / 2] = k ? -INFINITY : NAN;
        if (bound->sums && !edges && round == DRAWS + 1 && call->arguments[k].f)
            call->arguments[k].f[call->arguments[k].count / 3] = INFINITY;
        positive[k] = absolute(arena, &call->arguments[k]);
    }
    interpret(call, call->arguments, storages, want);
    interpret(call, positive, storages, scale);
    Tensor got = tensor_new(arena, &call->g->outputs.at[0].value->type, call->sizes);
    int status = compiled_call(call->c, call->g, call->sizes, call->arguments, &got, NULL);
    if (status) return arena_printf(arena, "returned %d", status);
    call->got = &got, call->want = want, call->scale = scale;
    return compare(call, bound);
}

// The same parameters drawn by the interpreter as m_new drew them.
static Tensor *drawn_storages(Walk *w, Compiled *c) {
    Tensor *storages = NEW_ARRAY(w->arena, Tensor, c->module->storages.len + 1);
    for (int k = 0; k < c->module->storages.len; k++)
        storages[k] = tensor_new(w->arena, &c->module->storages.at[k]->type, NULL);
    Graph *init = find_entry(c->module, "init");
    if (!init) return storages;
    Tensor seed = tensor_new(w->arena, &(Type){.dtype = I64}, NULL);
    seed.i[0] = 1;
    graph_interpret(init, &(Interpretation){.arena = w->arena, .arguments = &seed, .storages = storages});
    return storages;
}

static void check_case(Walk *w, Compiled *c, const Case *k, Tensor *storages, const char *who) {
    static const int64_t sizes[2][MAX_SIZES] = {{4, 45, 2}, {6, 61, 3}};
    Call call = {.walk = w, .c = c, .g = compiled_entry(c, k->entry)};
    Bound bound = bound_of(w, call.g, k->op);
    int pairs = k->op->traits & OP_ELEMENTWISE && k->op->inputs > 1 ? SPECIALS * SPECIALS / 45 + 1
                : bound.extremes                                    ? 12
                                                                    : 2;
    const char *wrong = NULL;
    for (int round = 0; !wrong && round < DRAWS + pairs; round++) {
        call.sizes = sizes[round & 1];
        wrong = check_round(&call, &bound, round, storages);
    }
    tally(w->tally, !wrong, "%s: %s (%s): %s", who, k->op->name, k->entry, wrong ? wrong : "");
}

// ---- every level, target and compiler ------------------------------------------------------------------------------

typedef struct Shared { // what a child tells its parent
    Tally tally;
    bool compiled;
} Shared;

// In a process of its own, since an internal error of dlc or a crash of the C ends it. True: it ended well.
static bool run_all(Walk *w, Shared *shared, const char *path, const char *name, const HarnessOptions *options,
                    const char *who) {
    fflush(stdout);
    shared->compiled = false;
    pid_t child = fork();
    if (child < 0) exit(3);
    if (child == 0) {
        w->tally = &shared->tally;
        Compiled *c = compiled_new(w->arena, path, name, options);
        if (!c) _exit(1);
        shared->compiled = true;
        w->floats = target_avoids_doubles(target_find(options->target), options->level);
        Tensor *storages = drawn_storages(w, c);
        for (int k = 0; k < w->cases.len; k++) check_case(w, c, &w->cases.at[k], storages, who);
        compiled_free(c);
        fflush(stdout);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// The whole did not compile, or it crashed: each record alone, to name the guilty ones.
static void blame(Tally *t, Shared *shared, const HarnessOptions *options, const char *who) {
    int before = t->failed;
    for (const Op *const *at = ops; *at; at++) {
        Arena arena = {0};
        Tally unused = {0};
        Walk w = {.arena = &arena, .tally = &unused, .only = *at};
        char *name = arena_printf(&arena, "operators/%s", (*at)->name);
        char *path = arena_printf(&arena, "%s/operators.graph", harness_dir(&arena, name));
        bool well = write_module(&w, path) && run_all(&w, shared, path, name, options, who);
        tally(t, well, "%s: %s: %s", who, (*at)->name, shared->compiled ? "its C crashes" : "does not compile");
        arena_release(&arena);
    }
    tally(t, t->failed > before, "%s: all operators together: do not compile, or crash", who);
}

int main(int argc, char **argv) {
    Arena arena = {0};
    Tally t = {0};
    Walk w = {.arena = &arena, .tally = &t, .only = argc > 1 ? op_find(argv[1]) : NULL};
    Shared *shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED || (argc > 1 && !w.only)) return 3;
    char *path = arena_printf(&arena, "%s/operators.graph", harness_dir(&arena, "operators"));
    bool written = write_module(&w, path);
    tally(&t, written, "the module of all operators does not come about: an example or a form above is refused");
    bool sanitize = getenv("DLC_TEST_SANITIZE");
    const char *given = getenv("DLC_TEST_SEED");
    uint32_t seed = given ? (uint32_t)atoi(given) : (uint32_t)time(NULL) % 100000;
    if (!w.only && !getenv("DLC_TEST_ALL"))
        printf("seed %u: DLC_TEST_SEED=%u draws the same four builds\n", seed, seed);
    for (int which = 0; written && which < 8; which++) {
        if (sanitize && which & 1) continue; // the sanitizers' runtime is gcc's
        // Each target at each level, by one of two compilers; all eight in `make test-all`.
        bool drawn_here = (seed >> which / 2 & 1) == (which & 1);
        if (!w.only && !getenv("DLC_TEST_ALL") && !sanitize && !drawn_here) continue;
        HarnessOptions o = {
            .target = which & 2 ? "native" : "c11", .level = which & 4 ? 2 : 0, .cc = which & 1 ? "clang" : "gcc"};
        char *who = arena_printf(&arena, "%s -O%d %s", o.target, o.level, o.cc);
        bool well = run_all(&w, shared, path, arena_printf(&arena, "operators/%d", which), &o, who);
        if (!well && w.only)
            tally(&t, false, "%s: %s: %s", who, w.only->name, shared->compiled ? "its C crashes" : "does not compile");
        if (!well && !w.only) blame(&t, shared, &o, who);
    }
    t.passed += shared->tally.passed;
    t.failed += shared->tally.failed;
    printf("%d entries of one module\n", w.cases.len);
    arena_release(&arena);
    return tally_close(&t);
}
