// test_elaborate.c: names, types, templates, parameters, minimize and the prelude, from text to what the graphs
// compute.
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/elaborate.h"

typedef struct Result {
    Arena arena;
    Module *module;
    char *errors; // everything that was reported
} Result;

static Result elaborate_with(const char *text, const ElaborateOptions *options) {
    Result r = {0};
    size_t size;
    Diag diag = {.out = open_memstream(&r.errors, &size)};
    Source *source = NEW(&r.arena, Source);
    *source = (Source){.name = "t.dl", .text = text, .len = (int)strlen(text)};
    const AstFile *file = parse_source(&r.arena, &diag, source);
    if (!diag.errors) r.module = elaborate(&r.arena, &diag, file, options);
    fclose(diag.out);
    return r;
}

static Result elaborate_text(const char *text) { return elaborate_with(text, &(ElaborateOptions){0}); }

static void release(Result *r) {
    arena_release(&r->arena);
    free(r->errors);
}

// ---- compile time --------------------------------------------------------------------------------------------------

static const char *const truths[] = {
    "7 // 2 == 3",
    "-7 // 2 == -4",
    "-7 % 3 == 2",
    "7 % -3 == -2",
    "6 / 3 == 2",
    "7.0 / 2 == 3.5",
    "2 ** 10 == 1024",
    "2 ** -1 == 0.5",
    "5**0.5 == sqrt(5)",
    "-2 ** 2 == -4",
    "1 + 2 * 3 == 7",
    "max(2, 3) == 3",
    "min(2, 1.5) == 1.5",
    "exp(0) == 1",
    "len([1, 2, ...S]) == 4",
    "S[-1] == 8",
    "[0..3] == [0, 1, 2]",
    "[1] + [2] == [1, 2]",
    "[0] * 3 == [0, 0, 0]",
    "product(S) == 32",
    "product([]) == 1",
    "rank(x) == 2",
    "shape(x, -1) == 8",
    "shape(x) == [4, 8]",
    "\"a{1 + 1}b{0.5}\" == \"a2b0.5\"",
    "T == f32",
    "T != i32",
    "none == none",
    "not training",
    "false and missing or true",
    "1 < 2 and 2 >= 2",
    "C == 8",
    "9223372036854775807 - 1 < 9223372036854775807",
    "inf > 1e308",
    "K == 16",
};

Test(elaborate, compile_time_values) {
    for (size_t k = 0; k < sizeof truths / sizeof *truths; k++) {
        char text[512];
        snprintf(text, sizeof text,
                 "dim K = 2 * 8\nlayer check(x: T[...S], y: T[B, C]) {\n require(%s, \"false\")\n return x\n}\n"
                 "model f(x: f32[4, 8]) -> (y: f32[4, 8]) { return check(x, x) }\n",
                 truths[k]);
        Result r = elaborate_text(text);
        cr_expect(r.module != NULL, "%s: %s", truths[k], r.errors);
        release(&r);
    }
}

// ---- errors --------------------------------------------------------------------------------------------------------

// A body of `model f(x: f32[N, 8], i: i32[N], w: f32[9, 4]) -> (y: f32[N, 8])` with the dim N <= 64 and what it
// reports.
static const struct {
    const char *body, *place, *message;
} mistakes[] = {
    {"return rellu(x)", "4:8", "unknown layer `rellu`; did you mean `relu`?"},
    {"return xx", "4:8", "unknown name `xx`"},
    {"return trainin", "4:8", "did you mean `training`?"},
    {"return x @ w", "4:8", "matmul: inner dimensions differ: f32[N, 8] @ f32[9, 4]"},
    {"return x + i", "4:8", "+: dtypes differ: f32[N, 8] and i32[N]; cast(x, f32) converts one"},
    {"return i * 1.5", "4:8", "the fraction 1.5 meets a tensor of i32; cast(x, f32)"},
    {"return i / 2", "4:8", "`//` floors, cast(x, f32) gives a fraction"},
    {"a = 7 / 2\n return x", "4:5", "7 / 2 leaves a remainder; `//` floors"},
    {"a = 9223372036854775807 + 1\n return x", "4:5", "does not fit 64-bit integers"},
    {"a = 1 // 0\n return x", "4:5", "division of 1 by zero"},
    {"return reshape(x, [N * 8])", "4:8", "y is declared as f32[N, 8], got f32[8 * N]"},
    {"require(4 * N // 4 == N and N + 1 != N and (2 * N + 3) % 2 == 1 and 3 * N // N == 3, \"no\")\n return xx", "5:9",
     "unknown name `xx`"},
    {"a = N / 2\n return x", "4:5", "`/` over the run-time size N"},
    {"return reshape(x, [N * N])", "4:19", "`[N * N]` is no dimension"},
    {"return reshape(x, [8 - N, 1])", "4:19", "8 - N shrinks as N grows"},
    {"return reshape(x, [N - 64, 1])", "4:19", "N - 64 is below 1 for every N up to 64"},
    {"return reshape(x, [N, 9])", "4:8", "has N * 8 elements, and f32[N, 9] has N * 9"},
    {"return linear(x, 0)", "4:8", "linear: a dimension is 0"},
    {"return linear(x, -3)", "4:8", "a dimension is -3"},
    {"return linear(x, 4)", "4:8", "f: y is declared as f32[N, 8], got f32[N, 4]"},
    {"return x, x", "4:8", "f declares 1 result and returns 2"},
    {"y = x", "3:7", "f returns nothing"},
    {"return linear(x)", "4:8", "linear needs `out_features`: int"},
    {"return linear(x, out=8)", "4:18", "linear has no argument `out`"},
    {"return linear(x, out_feature=8)", "4:18", "did you mean `out_features`?"},
    {"return linear(x, 8, true, 3)", "4:27", "linear takes 3 arguments"},
    {"return linear(x, 8, out_features=8)", "4:34", "`out_features` is given twice"},
    {"return linear(x, 8, name=\"a..b\")", "4:26", "a name is a string of letters"},
    {"return linear(x, 8.5)", "4:18", "`out_features` must be int, got 8.5"},
    {"return linear(linear(x, 9, name=\"a\"), 8, name=\"a\")", "4:8", "\"a.weight\" is a param of f32[8, 9] here"},
    {"N = 3\n return x", "4:1", "`N` is a dim and cannot be assigned"},
    {"param p: f32[N] = zeros()\n return x", "4:10", "a param has a fixed shape"},
    {"param p: f32[8] = zeros(x)\n return x", "4:25", "parameters are initialised before any entry runs"},
    {"param p: i32[8] = zeros()\n return x", "4:10", "a param is trained"},
    {"buffer b: f32[8] = zeros()\n b = b + 1\n return x", "5:2", "buffer `b` is written in training only"},
    {"for k in 0..3 { x = x + missing }\n return x", "4:25", "unknown name `missing`"},
    {"for k in 0..1000000 { x = x + k }\n return x", "4:1", "the loop over `k` makes more than a million nodes"},
    {"if x == x { x = x }\n return x", "4:4", "must be known at compile time"},
    {"minimize sum(x) with sgd(lr=1)\n return x", "4:1", "`minimize` stands in a train entry"},
    {"return f(x, i, w)", "4:8", "f calls itself"},
    {"return x[64]", "4:8", "1 element from 64 on in steps of 1 leaves axis 0 of f32[N, 8] where N is 64"},
    {"return x[:, 8]", "4:13", "index 8 is outside axis 1 of f32[N, 8]"},
    {"return random(\"even\", [3])", "4:15", "\"uniform\" or \"normal\" is needed"},
    {"return cross_entropy(x, iota([N, 8]))", "4:8", "cross_entropy: `target` must be L[B, ...S], got i64[N, 8]"},
    {"return cross_entropy(x, i, reduction=\"men\")", "4:8", "cross_entropy: reduction is \"mean\""},
    {"a, b = x\n return x", "4:8", "2 names for 1 result"},
    {"return softmax(x, axis=2)", "4:8", "axis 2 is outside a tensor of 2 axes"},
    {"if x != none and not (x == none) { x = missing }\n return x", "4:40", "unknown name `missing`"},
    {"if N == 8 { x = x + 1 }\n return x", "4:4", "N is given at run time, so `==` cannot be decided"},
    {"if shape(x) != [4, 8] { x = x + 1 }\n return x", "4:4", "N is given at run time, so `!=` cannot be decided"},
    {"param p: f32[8] = zeroes()\n return x", "4:19", "no initialiser; did you mean `zeros`?"},
    {"param p \"optim.f.0.t\": f32[8] = zeros()\n return x", "4:9", "belongs to the optimizers"},
    {"return linear(i, 8)", "4:8", "linear: x is of a float dtype; cast(x, f32) converts"},
    {"y = full([65536, 65536], 0)\n return x", "4:10", "has 2^31 elements or more"},
};

static int count_errors(const char *text) {
    int count = 0;
    for (const char *at = text; (at = strstr(at, "error:")) != NULL; at++) count++;
    return count;
}

Test(elaborate, mistakes_have_a_place_and_advice) {
    for (size_t k = 0; k < sizeof mistakes / sizeof *mistakes; k++) {
        char text[512], place[64];
        snprintf(
            text, sizeof text,
            "# a comment\ndim N <= 64\nmodel f(x: f32[N, 8], i: i32[N], w: f32[9, 4]) -> (y: f32[N, 8]) {\n%s\n}\n",
            mistakes[k].body);
        snprintf(place, sizeof place, "t.dl:%s: error:", mistakes[k].place);
        Result r = elaborate_text(text);
        cr_expect(r.module == NULL, "%s: no error", mistakes[k].body);
        cr_expect(!strncmp(r.errors, place, strlen(place)), "%s: want %s, got %s", mistakes[k].body, place, r.errors);
        cr_expect(strstr(r.errors, mistakes[k].message) != NULL, "%s: want %s, got %s", mistakes[k].body,
                  mistakes[k].message, r.errors);
        cr_expect(count_errors(r.errors) == 1, "%s: an error cascades: %s", mistakes[k].body, r.errors);
        release(&r);
    }
}

Test(elaborate, notes_say_where_an_extent_comes_from) {
    Result r = elaborate_text("dim N <= 4\nmodel f(x: f32[N, 3, 5], w: f32[9, 2]) -> (y: f32[N, 2]) {\n"
                              "    h = x |> flatten\n    return relu(h) @ w\n}\n");
    cr_expect(strstr(r.errors, "note: 15 comes from flatten of f32[N, 3, 5] at t.dl:3:14") != NULL, "%s", r.errors);
    cr_expect(strstr(r.errors, "note: 9 comes from the argument w: f32[9, 2] at t.dl:2:26") != NULL, "%s", r.errors);
    release(&r);
    r = elaborate_text("dim N <= 4\nmodel f(x: f32[N, 3], w: f32[4, 3]) -> (y: f32[N, 3]) { return x + w }\n");
    cr_expect(strstr(r.errors, "note: N comes from the argument x: f32[N, 3] at t.dl:2:9") != NULL, "%s", r.errors);
    release(&r);
}

Test(elaborate, a_run_time_size_equals_itself_alone) {
    Result r =
        elaborate_text("dim N <= 4\nmodel f(x: f32[N, 3]) -> (y: f32[N, 3]) {\n"
                       " require(shape(x, 0) == N and shape(x) == [N, 3] and N != none and not (N != N), \"no\")\n"
                       " require([N, 3] != [N, 3, 1], \"no\")\n return x\n}\n");
    cr_expect(r.module != NULL, "%s", r.errors);
    release(&r);
}

Test(elaborate, several_errors_in_one_run) {
    Result r =
        elaborate_text("model f(x: f32[2]) -> (y: f32[2]) {\n a = foo(x)\n b = a + 1\n c = bar(b)\n return x + c\n}\n"
                       "model g(x: f33[2]) -> (y: f32[2]) { return x }\n");
    const char *first = strstr(r.errors, "`foo`"), *second = strstr(r.errors, "`bar`"),
               *third = strstr(r.errors, "`f33`");
    cr_expect(first && second && third && first < second && second < third, "%s", r.errors);
    cr_expect(count_errors(r.errors) == 3, "3 errors, no cascades: %s", r.errors);
    release(&r);
}

// ---- parameters and paths ------------------------------------------------------------------------------------------

static const struct {
    const char *program, *paths;
} namings[] = {
    {"model f(x: f32[2, 3]) -> (y: f32[2, 3]) { return x |> linear(3) |> linear(3) |> linear(3, name=\"fc\") }",
     "linear.weight linear.bias linear_2.weight linear_2.bias fc.weight fc.bias"},
    {"layer block(x: T[B, C]) {\n for i in 0..2 { x = linear(x, C, name=\"l.{i}\", bias=false) }\n return x\n}\n"
     "model f(x: f32[2, 3]) -> (y: f32[2, 3]) { return block(block(x, name=\"\"), name=\"b\") }",
     "l.0.weight l.1.weight b.l.0.weight b.l.1.weight"},
    {"layer tied(x: T[B, C]) { return linear(x, C, name=\"\") }\n"
     "model f(x: f32[2, 3]) -> (y: f32[2, 3]) { return linear(tied(x, name=\"t\"), 3, name=\"t\") }",
     "t.weight t.bias"},
    {"layer two(x: T[C]) {\n param a \"w.{1}\": T[C] = ones()\n buffer m: T[C] = zeros()\n return x * a + m\n}\n"
     "model f(x: f32[3]) -> (y: f32[3]) { return two(x) }\nmodel g(x: f32[3]) -> (y: f32[3]) { return f(x) + two(x) }",
     "two.w.1 two.m"},
    {"model f(x: f32[2, 3]) -> (y: f32[2, 3]) { return linear(x, 3) }\n"
     "train t(x: f32[2, 3]) -> (l: f32[]) {\n l = sum(f(x))\n minimize l over \"*.bias\" with sgd(lr=1, momentum=0.5, "
     "dampening=0.5)\n minimize sum(f(x)) with sgd(lr=1)\n return l\n}",
     "linear.weight linear.bias optim.t.0.linear.bias.momentum_buffer optim.t.0.t"},
};

Test(elaborate, full_paths_name_parameters) {
    for (size_t k = 0; k < sizeof namings / sizeof *namings; k++) {
        Result r = elaborate_text(namings[k].program);
        cr_assert(r.module != NULL, "%s: %s", namings[k].program, r.errors);
        Str got = str_new(&r.arena);
        for (int s = 0; s < r.module->storages.len; s++)
            str_printf(&got, "%s%s", s ? " " : "", r.module->storages.at[s]->name);
        cr_expect(!strcmp(str_text(&got), namings[k].paths), "%s: got %s, want %s", namings[k].program, str_text(&got),
                  namings[k].paths);
        release(&r);
    }
}

// ---- options -------------------------------------------------------------------------------------------------------

static const char two_dims[] =
    "dim A = 3, B = A + 1\ndim N <= 8\n"
    "model f(x: f32[N, A, B]) -> (y: f32[N, A, B]) { return x }\n"
    "model g(x: f32[A]) -> (y: f32[A]) { return linear(reshape(x, [1, A]), A) |> reshape([A]) }\n";

Test(elaborate, defines_bind_dims) {
    Define defines[] = {{"A", 5}, {"N", 2}};
    Result r = elaborate_with(two_dims, &(ElaborateOptions){.defines = defines, .ndefines = 2});
    cr_assert(r.module != NULL, "%s", r.errors);
    const char *type = type_text(&r.arena, &r.module->entries.at[0]->arguments.at[0]->type, r.module->sizes);
    cr_expect(!strcmp(type, "f32[2, 5, 6]"), "got %s", type);
    cr_expect(r.module->nsizes == 0);
    release(&r);

    Define unknown = {"AA", 5};
    r = elaborate_with(two_dims, &(ElaborateOptions){.defines = &unknown, .ndefines = 1});
    cr_expect(r.module == NULL && strstr(r.errors, "no dim `AA`; did you mean `A`?"), "%s", r.errors);
    release(&r);
}

Test(elaborate, a_model_follows_its_callers_axis_though_a_define_fixes_its_size) {
    Define define = {"N", 5};
    const char *text = "dim N <= 8, M <= 4\nmodel f(x: f32[N, 3]) -> (y: f32[N, 3]) { return x * 2 }\n"
                       "model g(x: f32[M, 3]) -> (y: f32[M, 3]) { return f(x) }\n";
    for (int n = 0; n < 2; n++) {
        Result r = elaborate_with(text, &(ElaborateOptions){.defines = &define, .ndefines = n});
        cr_expect(r.module != NULL, "%d: %s", n, r.errors);
        release(&r);
    }
}

Test(elaborate, entries_are_selected) {
    const char *names[] = {"f"};
    Result r = elaborate_with(two_dims, &(ElaborateOptions){.entries = names, .nentries = 1});
    cr_assert(r.module != NULL, "%s", r.errors);
    cr_expect(r.module->entries.len == 1 && r.module->storages.len == 0, "%d entries", r.module->entries.len);
    release(&r);
    names[0] = "ff";
    r = elaborate_with(two_dims, &(ElaborateOptions){.entries = names, .nentries = 1});
    cr_expect(r.module == NULL && strstr(r.errors, "no entry `ff`; did you mean `f`?"), "%s", r.errors);
    release(&r);
}

// ---- what the graphs compute ---------------------------------------------------------------------------------------

static Graph *find_entry(const Module *m, const char *name) {
    for (int k = 0; k < m->entries.len; k++)
        if (!strcmp(m->entries.at[k]->name, name)) return m->entries.at[k];
    return NULL;
}

static Tensor *storages_new(Result *r) {
    Tensor *s = NEW_ARRAY(&r->arena, Tensor, r->module->storages.len + 1);
    for (int k = 0; k < r->module->storages.len; k++)
        s[k] = tensor_new(&r->arena, &r->module->storages.at[k]->type, NULL);
    return s;
}

// PyTorch's SGD, written down from its documentation.
static void sgd_reference(double *p, double *m, double g, int t, double momentum, double dampening, double decay,
                          bool nesterov) {
    g += decay * *p;
    if (momentum != 0) {
        *m = t == 1 ? g : momentum * *m + (1 - dampening) * g;
        g = nesterov ? g + momentum * *m : *m;
    }
    *p -= 0.1 * g;
}

Test(elaborate, sgd_is_that_of_pytorch) {
    static const struct {
        double momentum, dampening, decay;
        bool nesterov;
    } cases[] = {
        {0, 0, 0, false}, {0.9, 0, 0, false}, {0.9, 0.3, 0.01, false}, {0.8, 0, 0.1, true}, {0, 0, 0.5, false}};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "train step(x: f32[]) -> (loss: f32[], now: f32[]) {\n param w: f32[] = constant(1.5)\n loss = w * w * x\n"
            " minimize loss with sgd(lr=0.1, momentum=%g, dampening=%g, weight_decay=%g, nesterov=%s)\n"
            " return loss, w\n}\n",
            cases[c].momentum, cases[c].dampening, cases[c].decay, cases[c].nesterov ? "true" : "false");
        Result r = elaborate_text(text);
        cr_assert(r.module != NULL, "%s: %s", text, r.errors);
        Tensor *storages = storages_new(&r), x = tensor_new(&r.arena, &(Type){.dtype = F32}, NULL), returned[2];
        storages[0].f[0] = 1.5;
        double p = 1.5, m = 0;
        for (int t = 1; t <= 4; t++) {
            x.f[0] = 0.3 * t;
            double loss = p * p * x.f[0], before = p;
            graph_interpret(
                find_entry(r.module, "step"),
                &(Interpretation){
                    .arena = &r.arena, .exact = true, .arguments = &x, .storages = storages, .returned = returned});
            sgd_reference(&p, &m, 2 * before * x.f[0], t, cases[c].momentum, cases[c].dampening, cases[c].decay,
                          cases[c].nesterov);
            cr_expect(fabs(returned[0].f[0] - loss) < 1e-5, "case %zu step %d: the loss is of before: %g, want %g", c,
                      t, returned[0].f[0], loss);
            cr_expect(fabs(storages[0].f[0] - p) < 1e-5, "case %zu step %d: got %g, want %g", c, t, storages[0].f[0],
                      p);
            cr_expect(returned[1].f[0] == storages[0].f[0], "what is read after minimize is the new parameter");
        }
        release(&r);
    }
}

// A loss after a minimize sees the new parameter and does not differentiate through the update.
Test(elaborate, two_minimizes) {
    Result r = elaborate_text(
        "train step(x: f32[]) -> (l: f32[]) {\n param w: f32[] = ones()\n minimize w * w * x with sgd(lr=0.5)\n"
        " l = w * x\n minimize l with sgd(lr=1)\n return l\n}\n");
    cr_assert(r.module != NULL, "%s", r.errors);
    Tensor *storages = storages_new(&r), x = tensor_new(&r.arena, &(Type){.dtype = F32}, NULL), returned[1];
    storages[0].f[0] = 1;
    x.f[0] = 0.25;
    graph_interpret(find_entry(r.module, "step"),
                    &(Interpretation){.arena = &r.arena, .arguments = &x, .storages = storages, .returned = returned});
    cr_expect(fabs(returned[0].f[0] - 0.75 * 0.25) < 1e-6, "l = %g", returned[0].f[0]); // w = 1 - 0.5 * 2 * 0.25
    cr_expect(fabs(storages[0].f[0] - 0.5) < 1e-6, "w = %g", storages[0].f[0]);         // 0.75 - 0.25
    release(&r);
}

// What `step` returns and leaves for x and the values of the storages.
static void run_step(Result *r, double x_value, Tensor *storages, Tensor *returned) {
    cr_assert(r->module != NULL, "%s", r->errors);
    Tensor x = tensor_new(&r->arena, &(Type){.dtype = F32}, NULL);
    x.f[0] = x_value;
    graph_interpret(
        find_entry(r->module, "step"),
        &(Interpretation){
            .arena = &r->arena, .exact = true, .arguments = &x, .storages = storages, .returned = returned});
}

static void expect_near(double got, double want, const char *what) {
    cr_expect(fabs(got - want) < 1e-6, "%s: %g, want %g", what, got, want);
}

// y = w^3 x: its gradients, one of a gradient, and a loss made of one.
Test(elaborate, grad_is_an_expression) {
    Result r =
        elaborate_text("train step(x: f32[]) -> (g: f32[], h: f32[], p: f32[], q: f32[]) {\n param w: f32[] = ones()\n"
                       " y = w * w * w * x\n g = grad(y, \"w\")\n h = grad(g, \"w\")\n both = grad(y, [x, \"w\"])\n"
                       " minimize g * g with sgd(lr=0.01)\n return g, h, both[0], both[1]\n}\n");
    cr_assert(r.module != NULL, "%s", r.errors);
    Tensor *storages = storages_new(&r), returned[4];
    storages[0].f[0] = 1.5;
    run_step(&r, 0.25, storages, returned);
    expect_near(returned[0].f[0], 3 * 2.25 * 0.25, "3 w^2 x");
    expect_near(returned[1].f[0], 6 * 1.5 * 0.25, "6 w x");
    expect_near(returned[2].f[0], 3.375, "w^3");
    expect_near(returned[3].f[0], 3 * 2.25 * 0.25, "3 w^2 x in a list");
    expect_near(storages[0].f[0], 1.5 - 0.01 * 36 * 3.375 * 0.0625, "w - lr d(9 w^4 x^2)/dw");
    release(&r);
}

// Both groups see the gradients whose norm was clipped together; detach keeps one factor out; b is frozen.
Test(elaborate, groups_chains_freeze_and_detach) {
    Result r = elaborate_text(
        "train step(x: f32[]) -> (l: f32[]) {\n param a: f32[] = ones()\n param b: f32[] = ones()\n"
        " param c: f32[] = ones()\n freeze \"b\"\n l = a * detach(a) * x + 2 * c * b\n"
        " minimize l with clip_norm(1.0) |> {\n sgd(lr=0.5) over \"a\"\n clip_value(0.5) |> sgd(lr=1) over \"*\"\n }\n"
        " return l\n}\n");
    cr_assert(r.module != NULL, "%s", r.errors);
    Tensor *storages = storages_new(&r), returned[1];
    for (int k = 0; k < 3; k++) storages[k].f[0] = 1;
    run_step(&r, 1.5, storages, returned); // gradients 1.5 and 2, whose norm is 2.5
    expect_near(returned[0].f[0], 3.5, "l");
    expect_near(storages[0].f[0], 1 - 0.5 * 0.6, "a");
    expect_near(storages[1].f[0], 1, "b");
    expect_near(storages[2].f[0], 1 - 0.5, "c");
    release(&r);
}

// eval { } turns training off for its block and for what is called in it, and on again after it.
Test(elaborate, eval_is_not_training) {
    Result r = elaborate_text("layer mode(x: f32[]) { if training { return x } else { return -x } }\n"
                              "train step(x: f32[]) -> (a: f32[], b: f32[], c: f32[]) {\n a = mode(x)\n"
                              " eval { b = mode(x) }\n c = mode(x)\n return a, b, c\n}\n");
    cr_assert(r.module != NULL, "%s", r.errors);
    Tensor *storages = storages_new(&r), returned[3];
    run_step(&r, 2, storages, returned);
    for (int k = 0; k < 3; k++) expect_near(returned[k].f[0], k == 1 ? -2 : 2, "mode");
    release(&r);
}

// The loss is what the block computed; the optimizer trains, whose momentum could not be written otherwise.
Test(elaborate, a_minimize_in_eval_trains) {
    Result r = elaborate_text("layer mode(x: f32[]) { if training { return x } else { return -x } }\n"
                              "train step(x: f32[]) -> (after: f32[]) {\n param w: f32[] = ones()\n"
                              " eval { minimize mode(w * x) with sgd(lr=0.5, momentum=0.9) }\n return mode(w)\n}\n");
    cr_assert(r.module != NULL, "%s", r.errors);
    Tensor *storages = storages_new(&r), returned[1];
    storages[0].f[0] = 1;
    run_step(&r, 2, storages, returned);
    expect_near(returned[0].f[0], 1 + 0.5 * 2, "w");
    release(&r);
}

// A list of numbers where a tensor of one axis is asked for; `over` after the optimizer.
Test(elaborate, lists_of_numbers_are_tensors) {
    Result r =
        elaborate_text("layer weigh(x: T[], w: T[C]) { return x * sum(w * cast(iota([C]), T)) }\n"
                       "train step(x: f32[]) -> (y: f32[]) {\n param a: f32[] = ones()\n param b: f32[] = ones()\n"
                       " y = weigh(a * b * x, [0.5, 2, 3])\n minimize y with sgd(lr=1) over \"b\"\n return y\n}\n");
    cr_assert(r.module != NULL, "%s", r.errors);
    Tensor *storages = storages_new(&r), returned[1];
    storages[0].f[0] = storages[1].f[0] = 1;
    run_step(&r, 0.25, storages, returned);
    expect_near(returned[0].f[0], 0.25 * 8, "y");
    expect_near(storages[0].f[0], 1, "a");
    expect_near(storages[1].f[0], 1 - 0.25 * 8, "b");
    release(&r);
}

// A minimize in a loop is one optimizer that steps twice.
Test(elaborate, a_loop_keeps_its_optimizer) {
    Result r = elaborate_text(
        "train step(x: f32[]) {\n param w: f32[] = ones()\n for i in 0..2 {\n minimize w * x with sgd(lr=1, "
        "momentum=0.5)\n }\n}\n");
    cr_assert(r.module != NULL, "%s", r.errors);
    cr_assert_eq(r.module->storages.len, 2, "w and its momentum");
    Tensor *storages = storages_new(&r);
    storages[0].f[0] = 1;
    run_step(&r, 0.1, storages, NULL);
    expect_near(storages[0].f[0], 1 - 0.1 - 0.15, "w");
    expect_near(storages[1].f[0], 0.15, "momentum");
    release(&r);
}

Test(elaborate, cross_entropy_is_a_mean_over_the_given_size) {
    static const struct {
        const char *options;
        double smoothing;
    } cases[] = {{"", 0}, {", label_smoothing=0.2", 0.2}};
    for (int c = 0; c < 2; c++) {
        char text[512];
        snprintf(text, sizeof text,
                 "dim N <= 8\nmodel f(x: f32[N, 3], label: i64[N]) -> (l: f32[]) {\n"
                 " return cross_entropy(x, label%s)\n}\n",
                 cases[c].options);
        Result r = elaborate_text(text);
        cr_assert(r.module != NULL, "%s", r.errors);
        int64_t sizes[] = {2};
        const Graph *g = find_entry(r.module, "f");
        Tensor in[2] = {tensor_new(&r.arena, &g->arguments.at[0]->type, sizes),
                        tensor_new(&r.arena, &g->arguments.at[1]->type, sizes)},
               out;
        double want = 0;
        for (int n = 0; n < 2; n++) {
            double sum = 0, all = 0;
            for (int k = 0; k < 3; k++) in[0].f[n * 3 + k] = n + 0.5 * k;
            in[1].i[n] = n + 1;
            for (int k = 0; k < 3; k++) sum += exp(in[0].f[n * 3 + k]);
            for (int k = 0; k < 3; k++) all += log(sum) - in[0].f[n * 3 + k];
            want += ((1 - cases[c].smoothing) * (log(sum) - in[0].f[n * 3 + n + 1]) + cases[c].smoothing * all / 3) / 2;
        }
        graph_interpret(find_entry(r.module, "f"),
                        &(Interpretation){.arena = &r.arena, .sizes = sizes, .arguments = in, .returned = &out});
        cr_expect(fabs(out.f[0] - want) < 1e-6, "got %g, want %g", out.f[0], want);
        release(&r);
    }
}

// Bounds and standard deviations of torch.nn.init for a weight of 40 outputs and 60 inputs.
Test(elaborate, initialisers_have_pytorch_distributions) {
    static const struct {
        const char *call;
        double mean, deviation, low, high; // low == high: no bound
    } cases[] = {
        {"zeros()", 0, 0, 0, 0},
        {"ones()", 1, 0, 1, 1},
        {"constant(0.25)", 0.25, 0, 0.25, 0.25},
        {"uniform()", 0.5, 0.2886751, 0, 1},
        {"uniform(-3, 1)", -1, 1.1547005, -3, 1},
        {"normal()", 0, 1, 0, 0},
        {"normal(mean=2, std=0.5)", 2, 0.5, 0, 0},
        {"kaiming_uniform(a=5**0.5)", 0, 0.0745356, -0.1290994, 0.1290994}, // bound 1 / sqrt(60)
        {"kaiming_uniform(mode=\"fan_out\")", 0, 0.2236068, -0.3872983, 0.3872983},
        {"kaiming_normal()", 0, 0.1825742, 0, 0},
        {"xavier_uniform()", 0, 0.1414214, -0.2449490, 0.2449490},
        {"xavier_normal(gain=2)", 0, 0.2828427, 0, 0},
    };
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        char text[256];
        snprintf(text, sizeof text,
                 "model f(x: f32[40, 60]) -> (y: f32[40, 60]) {\n param w: f32[40, 60] = %s\n return x + w\n}",
                 cases[c].call);
        Result r = elaborate_text(text);
        cr_assert(r.module != NULL, "%s: %s", cases[c].call, r.errors);
        Tensor *storages = storages_new(&r), seed = tensor_new(&r.arena, &(Type){.dtype = I64}, NULL);
        seed.i[0] = 1;
        Graph *init = find_entry(r.module, "init");
        if (init)
            graph_interpret(init, &(Interpretation){.arena = &r.arena, .arguments = &seed, .storages = storages});
        else
            cr_expect(c == 0, "%s needs init", cases[c].call);
        double sum = 0, squares = 0;
        for (int k = 0; k < 2400; k++) {
            double w = storages[0].f[k];
            sum += w, squares += w * w;
            bool bounded = cases[c].low < cases[c].high;
            cr_assert(!bounded || (w >= cases[c].low - 1e-6 && w <= cases[c].high + 1e-6), "%s: %g", cases[c].call, w);
        }
        double mean = sum / 2400, deviation = sqrt(fmax(0, squares / 2400 - mean * mean));
        cr_expect(fabs(mean - cases[c].mean) <= 0.08 * cases[c].deviation + 1e-6, "%s: mean %g", cases[c].call, mean);
        cr_expect(fabs(deviation - cases[c].deviation) <= 0.05 * cases[c].deviation + 1e-4, "%s: deviation %g",
                  cases[c].call, deviation);
        release(&r);
    }
}

// ---- the prelude ---------------------------------------------------------------------------------------------------

Test(elaborate, prelude_declarations_print) {
    Arena arena = {0};
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    cr_expect(prelude_print(out, "softmax"));
    cr_expect(!prelude_print(out, "softma"));
    fclose(out);
    cr_expect(text[0] == '#' && strstr(text, "\nlayer softmax(") && !strcmp(text + strlen(text) - 3, "\n}\n"), "%s",
              text);
    cr_expect(!strcmp(prelude_nearest(&arena, "softma"), "softmax"));
    free(text);
    arena_release(&arena);
}

// Every declaration of the prelude has a comment above it.
Test(elaborate, prelude_is_documented) {
    for (int k = 0; prelude_files[k].name; k++) {
        const char *text = (const char *)prelude_files[k].text;
        for (const char *at = text; (at = strstr(at, "\nlayer ")) != NULL; at++) {
            const char *line = at;
            while (line > text && line[-1] != '\n') line--;
            cr_expect(*line == '#', "%s: no comment above%.40s", prelude_files[k].name, at);
        }
    }
}
