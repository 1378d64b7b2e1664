// test_ops.c: the table of operators is walked: every record is whole, its example type-checks, its meaning is right at
// the corners, its moves agree with its meaning, and wrong inputs are refused with what was found and expected.
#include <math.h>
#include <stdio.h>

#include "frontend/elaborate.h"
#include "loops/lower.h"
#include "nodes.h"

// ---- records ------------------------------------------------------------------------------------------------------

Test(ops, every_record_is_whole) {
    int count = 0;
    for (const Op *const *at = ops; *at; at++, count++) {
        const Op *op = *at;
        cr_assert(op->name && op->name[0], "record %d has no name", count);
        const char *name = op->name;
        cr_expect(op_find(name) == op, "%s: op_find does not find it", name);
        cr_expect(op->doc && op->doc[0] && !strchr(op->doc, '\n'), "%s: doc must be one line", name);
        cr_expect(op->example && (op->example[0] || op->traits & OP_LOOP), "%s: no example", name);
        cr_expect(op->infer, "%s: no shape rule", name);
        cr_expect(!op->grad != !op->no_grad, "%s: needs exactly one of grad and no_grad", name);
        cr_expect(op->eval || op->traits & (OP_INPUT | OP_LOOP), "%s: no eval", name);
        bool text = op->text || op->c || op->c_int;
        cr_expect(text || !(op->traits & OP_ELEMENTWISE), "%s: element-wise without C text", name);
        cr_expect(op->move || op->lower || !(op->traits & OP_MOVEMENT), "%s: a movement without move or lower", name);
        cr_expect(!op->nest == !(op->traits & OP_ALONE), "%s: a kernel of its own has a nest", name);
        cr_expect(op->lower || !(op->traits & OP_SOURCE), "%s: a source without lower", name);
        int ways = !!(op->traits & OP_ELEMENTWISE) + !!op->move + !!op->lower + !!op->nest +
                   !!(op->traits & (OP_REDUCES | OP_INPUT));
        cr_expect(ways == 1, "%s: must be lowered in exactly one way, has %d", name, ways);
        cr_expect(op->inputs <= 3, "%s: too many inputs", name);
        for (int k = 0; op->attrs[k].name; k++)
            cr_expect(op->attrs[k].doc && op->attrs[k].doc[0], "%s: attribute %s has no doc", name, op->attrs[k].name);
    }
    cr_expect(count > 30, "the build found only %d records", count);
    cr_expect(!op_find("no_such_operator"));
}

// The placeholders of an example become arguments: "add(a: f32[2, 3], b: f32[2, 3])".
static int arguments_of(Bench *b, const char *example, Node **in) {
    int n = 0;
    for (const char *colon = strchr(example, ':'); colon && n < 3; n++) {
        char name[] = {(char)('a' + n), 0};
        const char *end;
        in[n] = build_argument(b->g, arena_strdup(&b->arena, name), type_of(skip_blanks(colon + 1), &end));
        colon = strchr(end, ':');
    }
    return n;
}

Test(ops, element_wise_examples_type_check_and_have_text) {
    for (const Op *const *at = ops; *at; at++) {
        const Op *op = *at;
        if (!(op->traits & OP_ELEMENTWISE) || op->traits & OP_LOOP) continue;
        Bench b;
        bench_open(&b);
        Node *in[3];
        cr_expect(arguments_of(&b, op->example, in) == op->inputs, "%s: its example has other inputs", op->name);
        Attr attr = {.i = F32}; // of cast
        Node *y = graph_op(b.g, op, in, op->inputs, &attr);
        cr_assert(y, "%s: %s", op->example, bench_messages(&b));
        cr_expect(shape_equal(&y->type, &in[0]->type), "%s: has another shape", op->example);
        DType operand = in[op->inputs - 1]->type.dtype;
        cr_expect(op_c_text(op, y, y->type.dtype, operand, false), "%s: no text for %s", op->name,
                  dtype_info[operand].name);
        bench_close(&b);
    }
}

// "add(a: f32[2, 3], b: f32[2, 3])" is the program
//     dim N <= 6
//     layer example(a: f32[2, 3], b: f32[2, 3]) { return add(a, b) }
//     model m(a: f32[2, 3], b: f32[2, 3]) -> (y: f32[]) { return sum(cast(example(a, b), f32)) }
static char *program_of(Arena *arena, const char *example) {
    Str params = str_new(arena), names = str_new(arena), body = str_new(arena);
    bool param = !strncmp(example, "param ", 6), initialiser = !strncmp(example, "random", 6);
    const char *rest = example;
    for (const char *colon; !param && (colon = strchr(rest, ':'));) {
        const char *start = colon, *end = strchr(colon, ']') + 1;
        while (start > rest && isalnum(start[-1])) start--;
        str_printf(&params, "%s%.*s", str_text(&params)[0] ? ", " : "", (int)(end - start), start);
        str_printf(&names, "%s%.*s", str_text(&names)[0] ? ", " : "", (int)(colon - start), start);
        str_putn(&body, rest, (size_t)(colon - rest));
        rest = end;
    }
    str_put(&body, rest);
    if (param) return arena_printf(arena, "model m() -> (y: f32[2, 3]) { %s; return w }\n", example);
    if (initialiser)
        return arena_printf(arena,
                            "layer draw(p: T[...S]) { return %s }\n"
                            "model m() -> (y: f32[2, 3]) { param w: f32[2, 3] = draw(); return w }\n",
                            example);
    return arena_printf(arena,
                        "dim N <= 6\nlayer example(%s) { r = %s; return r }\n"
                        "model m(%s) -> (y: f32[]) { return sum(cast(example(%s), f32)) }\n",
                        str_text(&params), str_text(&body), str_text(&params), str_text(&names));
}

static bool module_has(const Module *m, const Op *op) {
    for (int e = 0; e < m->entries.len; e++)
        for (int k = 0; k < m->entries.at[e]->nodes.len; k++)
            if (m->entries.at[e]->nodes.at[k]->op == op) return true;
    return false;
}

Test(ops, every_example_is_a_program_that_uses_its_operator) {
    for (const Op *const *at = ops; *at; at++) {
        if (!(*at)->example[0]) continue; // passes make it
        Bench b;
        bench_open(&b);
        char *text = program_of(&b.arena, (*at)->example);
        Source source = {.name = "example.dl", .text = text, .len = (int)strlen(text)};
        AstFile *file = parse_source(&b.arena, &b.diag, &source);
        ElaborateOptions options = {0};
        Module *m = b.diag.errors ? NULL : elaborate(&b.arena, &b.diag, file, &options);
        cr_expect(m, "%s: %s", text, bench_messages(&b));
        if (m) cr_expect(module_has(m, *at), "%s: %s does not make the operator", (*at)->name, text);
        bench_close(&b);
    }
}

// ---- meaning ------------------------------------------------------------------------------------------------------

typedef struct Value {
    const char *op;
    DType dtype;
    double a, b, want;
} Value;

#define TINY   1e-20
#define LOWEST (-2147483648.0)

static const Value values[] = {
    {"add", F32, 1, 2, 3},
    {"sub", F32, 1, 2, -1},
    {"mul", F32, 3, 2, 6},
    {"div", F32, 1, 4, 0.25},
    {"div", F32, 1, 0, INFINITY},
    {"div", F32, 0, 0, NAN},
    {"neg", F32, 3, 0, -3},
    {"add", I32, 2147483647, 1, LOWEST},
    {"sub", I32, LOWEST, 1, 2147483647},
    {"mul", I32, 65536, 65536, 0},
    {"mul", I32, 2147483647, 2, -2},
    {"neg", I32, LOWEST, 0, LOWEST},
    {"add", U8, 255, 2, 1},
    {"neg", U8, 1, 0, 255},
    {"add", I8, 127, 1, -128},
    {"div", I32, 7, 2, 3},
    {"div", I32, -7, 2, -4},
    {"div", I32, 7, -2, -4},
    {"div", I32, -7, -2, 3},
    {"div", I32, 5, 0, 0},
    {"div", I32, LOWEST, -1, LOWEST},
    {"div", I64, -9, 4, -3},
    {"div", I64, -0x1p63, -1, -0x1p63},
    {"max", F32, 1, 2, 2},
    {"max", F32, NAN, 2, NAN},
    {"max", F32, 2, NAN, NAN},
    {"max", I32, -1, -2, -1},
    {"min", F32, 1, 2, 1},
    {"min", F32, NAN, 2, NAN},
    {"min", F32, 2, NAN, NAN},
    {"min", I32, -1, -2, -2},
    {"exp", F32, 0, 0, 1},
    {"exp", F32, -INFINITY, 0, 0},
    {"log", F32, 1, 0, 0},
    {"log", F32, 0, 0, -INFINITY},
    {"log", F32, -1, 0, NAN},
    {"log1p", F32, TINY, 0, TINY},
    {"expm1", F32, TINY, 0, TINY},
    {"sqrt", F32, 9, 0, 3},
    {"sqrt", F32, -1, 0, NAN},
    {"tanh", F32, 100, 0, 1},
    {"tanh", F32, 0, 0, 0},
    {"sigmoid", F32, 0, 0, 0.5},
    {"sigmoid", F32, -2000, 0, 0},
    {"sigmoid", F32, 2000, 0, 1},
    {"sigmoid", F32, NAN, 0, NAN},
    {"softplus", F32, 0, 0, 0.69314718055994531},
    {"softplus", F32, 2000, 0, 2000},
    {"softplus", F32, -2000, 0, 0},
    {"softplus", F32, INFINITY, 0, INFINITY},
    {"softplus", F32, NAN, 0, NAN},
    {"relu", F32, 2, 0, 2},
    {"relu", F32, -2, 0, 0},
    {"relu", F32, NAN, 0, NAN},
    {"abs", F32, -2, 0, 2},
    {"abs", F32, NAN, 0, NAN},
    {"abs", I32, -7, 0, 7},
    {"abs", I32, LOWEST, 0, LOWEST},
    {"sign", F32, -3, 0, -1},
    {"sign", F32, 0, 0, 0},
    {"sign", F32, NAN, 0, 0},
    {"sign", I64, -9, 0, -1},
    {"floor", F32, -1.5, 0, -2},
    {"floor", F32, 1.5, 0, 1},
    {"ceil", F32, -1.5, 0, -1},
    {"ceil", F32, 1.2, 0, 2},
    {"round", F32, 2.5, 0, 2},
    {"round", F32, 3.5, 0, 4},
    {"round", F32, -2.6, 0, -3},
    {"erf", F32, 0.5, 0, 0.52049987781304654},
    {"erf", F32, -INFINITY, 0, -1},
    {"sin", F32, 1, 0, 0.8414709848078965},
    {"cos", F32, 0, 0, 1},
    {"cos", F32, INFINITY, 0, NAN},
    {"pow", F32, 2, 0.5, 1.4142135623730951},
    {"pow", F32, -2, 3, -8},
    {"pow", F32, -2, 0.5, NAN},
    {"pow", F32, 0, 0, 1},
    {"eq", F32, 1, 1, 1},
    {"eq", F32, NAN, NAN, 0},
    {"ne", F32, NAN, NAN, 1},
    {"ne", I32, 1, 1, 0},
    {"lt", F32, 1, 2, 1},
    {"lt", F32, NAN, 2, 0},
    {"le", F32, 2, 2, 1},
    {"le", I32, 3, 2, 0},
    {"gt", F32, 2, 2, 0},
    {"gt", I32, 3, 2, 1},
    {"ge", F32, 2, 2, 1},
    {"ge", F32, 2, NAN, 0},
    {"and", BOOL, 1, 0, 0},
    {"and", BOOL, 1, 1, 1},
    {"or", BOOL, 1, 0, 1},
    {"or", BOOL, 0, 0, 0},
    {"not", BOOL, 1, 0, 0},
    {"not", BOOL, 0, 0, 1},
};

static void put(Tensor *t, double x) {
    if (t->f)
        t->f[0] = x;
    else
        t->i[0] = (int64_t)x;
}

static double number_of(const Tensor *t) { return t->f ? t->f[0] : (double)t->i[0]; }

static bool same_number(double a, double b) { return (isnan(a) && isnan(b)) || a == b; }

Test(ops, values_at_the_corners) {
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) {
        const Value *v = &values[k];
        Bench b;
        bench_open(&b);
        const Op *op = op_find(v->op);
        cr_assert(op, "no operator %s", v->op);
        Node *in[] = {build_argument(b.g, "a", type_scalar(v->dtype)), build_argument(b.g, "b", type_scalar(v->dtype))};
        Node *y = graph_op(b.g, op, in, op->inputs, NULL);
        cr_assert(y, "%s: %s", v->op, bench_messages(&b));
        Tensor args[] = {tensor_new(&b.arena, &in[0]->type, NULL), tensor_new(&b.arena, &in[1]->type, NULL)};
        put(&args[0], v->a);
        put(&args[1], v->b);
        Tensor out = evaluate(&b, args, y);
        cr_expect(same_number(number_of(&out), v->want), "%s(%g, %g) in %s: got %.17g, want %.17g", v->op, v->a, v->b,
                  dtype_info[v->dtype].name, number_of(&out), v->want);
        bench_close(&b);
    }
    // Every element-wise operator but select and cast, which have tests of their own, has a row.
    for (const Op *const *at = ops; *at; at++) {
        bool found = !((*at)->traits & OP_ELEMENTWISE) || (*at)->inputs == 3 || (*at)->attrs[0].name;
        for (size_t k = 0; k < sizeof values / sizeof *values; k++) found |= !strcmp(values[k].op, (*at)->name);
        cr_expect(found, "%s: no value is tested", (*at)->name);
    }
}

typedef struct Cast {
    DType from, to;
    double x, want;
} Cast;

static const Cast casts[] = {
    {F32, I32, 1.9, 1},        {F32, I32, -1.9, -1},  {F32, I32, 1e20, 2147483647},
    {F32, I32, -1e20, LOWEST}, {F32, I32, NAN, 0},    {F32, U8, 300, 255},
    {F32, U8, -3, 0},          {F32, I8, -200, -128}, {F32, BOOL, 0.5, 1},
    {F32, BOOL, 0, 0},         {F32, BOOL, NAN, 1},   {F32, I64, INFINITY, 9223372036854775807.0},
    {I32, U8, 257, 1},         {I32, I8, 128, -128},  {I64, I32, 4294967297.0, 1},
    {I32, F32, -7, -7},        {BOOL, F32, 1, 1},     {BOOL, I32, 1, 1},
    {I32, BOOL, 4, 1},         {F32, F16, 1.5, 1.5},
};

Test(ops, casts_saturate_and_integers_wrap) {
    for (size_t k = 0; k < sizeof casts / sizeof *casts; k++) {
        const Cast *c = &casts[k];
        Bench b;
        bench_open(&b);
        Node *x = build_argument(b.g, "x", type_scalar(c->from));
        Node *y = build_cast(b.g, x, c->to);
        Tensor in = tensor_new(&b.arena, &x->type, NULL);
        put(&in, c->x);
        Tensor out = evaluate(&b, &in, y);
        const char *from = dtype_info[c->from].name, *to = dtype_info[c->to].name;
        cr_expect(y->type.dtype == c->to, "cast %s to %s: wrong dtype", from, to);
        cr_expect(number_of(&out) == c->want, "cast %g from %s to %s: got %g, want %g", c->x, from, to, number_of(&out),
                  c->want);
        cr_expect(op_c_text(y->op, y, c->to, c->from, false), "cast from %s to %s: no text", from, to);
        bench_close(&b);
    }
}

Test(ops, select_takes_the_chosen_side_and_not_the_other) {
    Bench b;
    bench_open(&b);
    Node *in[] = {arg(&b, "c", "bool[2]"), arg(&b, "x", "f32[2]"), arg(&b, "y", "f32[2]")};
    Node *s = build_select(b.g, in[0], in[1], in[2]);
    Tensor args[] = {tensor_new(&b.arena, &in[0]->type, NULL), tensor_new(&b.arena, &in[1]->type, NULL),
                     tensor_new(&b.arena, &in[2]->type, NULL)};
    args[0].i[0] = 1;
    args[1].f[0] = 5, args[1].f[1] = NAN, args[2].f[0] = NAN, args[2].f[1] = 7;
    Tensor out = evaluate(&b, args, s);
    cr_expect(out.f[0] == 5 && out.f[1] == 7, "got %g %g, want 5 7", out.f[0], out.f[1]);
    bench_close(&b);
}

Test(ops, clip_hands_nan_on_and_the_upper_bound_wins) {
    static const double rows[][4] = {{5, 0, 1, 1},     {-5, 0, 1, 0},      {0.5, 0, 1, 0.5},   {0.5, 2, 1, 1},
                                     {NAN, 0, 1, NAN}, {0.5, NAN, 1, NAN}, {INFINITY, 0, 1, 1}};
    Bench b;
    bench_open(&b);
    Node *in[] = {arg(&b, "x", "f32[1]"), arg(&b, "lo", "f32[1]"), arg(&b, "hi", "f32[1]")};
    Node *y = graph_op(b.g, &op_clip, in, 3, NULL);
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Tensor args[3];
        for (int i = 0; i < 3; i++) {
            args[i] = tensor_new(&b.arena, &in[i]->type, NULL);
            args[i].f[0] = rows[k][i];
        }
        double got = evaluate(&b, args, y).f[0];
        cr_expect(same_number(got, rows[k][3]), "clip(%g, %g, %g): got %g, want %g", rows[k][0], rows[k][1], rows[k][2],
                  got, rows[k][3]);
    }
    bench_close(&b);
}

Test(ops, sources_count_and_know_the_run_time_size) {
    Bench b;
    bench_open(&b);
    Type type = type_of("i32[2, N, 3]", NULL);
    Node *iota = build_iota(b.g, &type, 1), *size = build_size(b.g, type.dim[1]);
    Node *big = build_constant_int(b.g, I64, INT64_MAX);
    Tensor out = evaluate(&b, NULL, iota);
    for (int64_t k = 0; k < out.count; k++) cr_expect(out.i[k] == k / 3 % 4, "iota[%d] is %d", (int)k, (int)out.i[k]);
    cr_expect(out.count == 24, "iota over N = 4 has %d elements, want 24", (int)out.count);
    cr_expect(evaluate(&b, NULL, size).i[0] == 4, "size N must be 4");
    cr_expect(evaluate(&b, NULL, big).i[0] == INT64_MAX, "a 64-bit constant must stay exact");
    bench_close(&b);
}

static Tensor draw_numbers(Bench *b, Distribution distribution, const char *shape, int site, int64_t seed) {
    Type type = type_of(shape, NULL);
    Node *in[] = {build_constant_int(b->g, I64, seed), build_constant_int(b->g, I64, 0)};
    Attr attrs[] = {{.i = distribution}, {.n = type.rank, .dims = type.dim}, {.i = site}};
    return evaluate(b, NULL, graph_op(b->g, &op_random, in, 2, attrs));
}

Test(ops, random_is_a_function_of_seed_site_and_element) {
    Bench b;
    bench_open(&b);
    Tensor u = draw_numbers(&b, DRAWS_UNIFORM, "f32[100, 200]", 1, 7),
           n = draw_numbers(&b, DRAWS_NORMAL, "f32[100, 200]", 2, 7);
    double mean = 0, square = 0, nmean = 0, nsquare = 0;
    for (int64_t k = 0; k < u.count; k++) {
        cr_assert(u.f[k] >= 0 && u.f[k] < 1, "uniform gave %g", u.f[k]);
        mean += u.f[k] / 20000, square += u.f[k] * u.f[k] / 20000;
        nmean += n.f[k] / 20000, nsquare += n.f[k] * n.f[k] / 20000;
    }
    cr_expect(fabs(mean - 0.5) < 0.01 && fabs(square - 1.0 / 3) < 0.01, "uniform: mean %g, square %g", mean, square);
    cr_expect(fabs(nmean) < 0.03 && fabs(nsquare - 1) < 0.04, "normal: mean %g, square %g", nmean, nsquare);
    Tensor other = draw_numbers(&b, DRAWS_UNIFORM, "f32[100, 200]", 2, 7),
           seeded = draw_numbers(&b, DRAWS_UNIFORM, "f32[100, 200]", 1, 8);
    cr_expect(u.f[0] != other.f[0] && u.f[0] != seeded.f[0], "site and seed must matter");
    // A run-time axis counts with its bound: the last axis M <= 5 has 3 of 5 numbers in each row.
    Tensor full = draw_numbers(&b, DRAWS_UNIFORM, "f32[2, 5]", 3, 7),
           part = draw_numbers(&b, DRAWS_UNIFORM, "f32[2, M]", 3, 7);
    cr_expect(part.count == 6 && part.f[3] == full.f[5], "row 1 must not depend on the run-time size");
    bench_close(&b);
}

// ---- contract and reduce against loops that look at every point ---------------------------------------------------

// The element that a map reads at a point, or -1 out of range.
static int64_t element_at(const Map *map, const Tensor *t, const int64_t *point, int naxes) {
    int64_t at = 0;
    for (int d = 0; d < map->rank; d++) {
        int64_t index = map->dim[d].c;
        for (int k = 0; k < naxes; k++) index += map->dim[d].coef[k] * point[k];
        if (index < 0 || index >= t->shape[d]) return -1;
        at = at * t->shape[d] + index;
    }
    return at;
}

// kind: "contract", "sum", "max" or "min".
static void naive(const char *kind, const Iter *iter, const Tensor *const *tensors, Tensor *out) {
    int64_t point[MAX_AXES] = {0};
    bool max = !strcmp(kind, "max"), min = !strcmp(kind, "min");
    for (int64_t k = 0; k < out->count; k++) out->f[k] = max ? -INFINITY : min ? INFINITY : 0;
    for (;;) {
        int64_t to = element_at(&iter->map[0], out, point, iter->naxes);
        int64_t a = element_at(&iter->map[1], tensors[0], point, iter->naxes);
        int64_t b = iter->nmaps == 3 ? element_at(&iter->map[2], tensors[1], point, iter->naxes) : 0;
        if (to >= 0 && a >= 0 && b >= 0) {
            double x = tensors[0]->f[a] * (iter->nmaps == 3 ? tensors[1]->f[b] : 1);
            out->f[to] = max ? fmax(out->f[to], x) : min ? fmin(out->f[to], x) : out->f[to] + x;
        }
        int k = iter->naxes - 1;
        while (k >= 0 && ++point[k] == dim_actual(iter->axis[k], bench_sizes)) point[k--] = 0;
        if (k < 0) return;
    }
}

static double furthest(const Tensor *a, const Tensor *b) {
    double most = 0;
    for (int64_t k = 0; k < a->count; k++) {
        double d = a->f[k] == b->f[k] ? 0 : fabs(a->f[k] - b->f[k]);
        if (!(d <= most)) most = d;
    }
    return a->count == b->count ? most : INFINITY;
}

typedef struct Form {
    const char *what, *kind, *axes, *out, *a, *b, *shape, *a_type, *b_type;
} Form;

static const Form forms[] = {
    {"a @ b", "contract", "m3 n4|k5", "m,n", "m,k", "k,n", "f32[3, 4]", "f32[3, 5]", "f32[5, 4]"},
    {"a^T @ b", "contract", "m3 n4|k5", "m,n", "k,m", "k,n", "f32[3, 4]", "f32[5, 3]", "f32[5, 4]"},
    {"a @ b^T", "contract", "m3 n4|k5", "m,n", "m,k", "n,k", "f32[3, 4]", "f32[3, 5]", "f32[4, 5]"},
    {"a^T @ b^T", "contract", "m3 n4|k5", "m,n", "k,m", "n,k", "f32[3, 4]", "f32[5, 3]", "f32[4, 5]"},
    {"batched", "contract", "nN m3 j4|k5", "n,m,j", "n,m,k", "n,k,j", "f32[N, 3, 4]", "f32[N, 3, 5]", "f32[N, 5, 4]"},
    {"run-time sum", "contract", "m3 j4|nN", "m,j", "n,m", "n,j", "f32[3, 4]", "f32[N, 3]", "f32[N, 4]"},
    {"outer product", "contract", "m3 n4", "m,n", "m", "n", "f32[3, 4]", "f32[3]", "f32[4]"},
    {"dot", "contract", "|k5", "", "k", "k", "f32[]", "f32[5]", "f32[5]"},
    {"scalars", "contract", "", "", "", "", "f32[]", "f32[]", "f32[]"},
    {"conv2d, stride 2, padding 1", "contract", "n2 o3 y2 x3|i2 p3 q3", "n,o,y,x", "n,i,2*y+p-1,2*x+q-1", "o,i,p,q",
     "f32[2, 3, 2, 3]", "f32[2, 2, 4, 5]", "f32[3, 2, 3, 3]"},
    {"conv1d, dilation 2, groups 2", "contract", "n2 g2 o2 y4|i3 p3", "n,2*g+o,y", "n,3*g+i,y+2*p-2", "2*g+o,i,p",
     "f32[2, 4, 4]", "f32[2, 6, 4]", "f32[4, 3, 3]"},
    {"depthwise", "contract", "n2 c3 y4|p3", "n,c,y", "n,c,y+p-1", "c,p", "f32[2, 3, 4]", "f32[2, 3, 4]", "f32[3, 3]"},
    {"transposed conv1d", "contract", "n2 o2 y3 p4|i3", "n,o,2*y+p-1", "n,i,y", "i,o,p", "f32[2, 2, 6]", "f32[2, 3, 3]",
     "f32[3, 2, 4]"},
    {"flip", "contract", "n3", "n", "2-n", "", "f32[3]", "f32[3]", "f32[]"},
    {"sum of rows", "sum", "n3|k4", "n", "n,k", NULL, "f32[3]", "f32[3, 4]", NULL},
    {"sum of columns, transposed", "sum", "a2 b4|k3", "a,b", "b,k,a", NULL, "f32[2, 4]", "f32[4, 3, 2]", NULL},
    {"sum of all", "sum", "|nN k4", "", "n,k", NULL, "f32[]", "f32[N, 4]", NULL},
    {"sum of windows", "sum", "n2 y3|p3", "n,y", "n,2*y+p-1", NULL, "f32[2, 3]", "f32[2, 5]", NULL},
    {"largest of rows", "max", "nN|k4", "n", "n,k", NULL, "f32[N]", "f32[N, 4]", NULL},
    {"smallest of columns", "min", "k4|n3", "k", "n,k", NULL, "f32[4]", "f32[3, 4]", NULL},
    {"max pooling 3, stride 2", "max", "n2 y3 x2|p3 q3", "n,y,x", "n,2*y+p-1,2*x+q-1", NULL, "f32[2, 3, 2]",
     "f32[2, 5, 4]", NULL},
};

static Node *form_node(Bench *b, const Form *f, Node **in) {
    Iter iter = iter_of(f->axes, f->out, f->a, f->b);
    Type shape = type_of(f->shape, NULL);
    in[0] = arg(b, "a", f->a_type);
    in[1] = f->b ? arg(b, "b", f->b_type) : NULL;
    Node *y = f->b ? build_contract(b->g, in[0], in[1], &shape, &iter)
                   : build_reduce_of(b->g, f->kind, "even", in[0], &shape, &iter);
    cr_assert(y, "%s: %s", f->what, bench_messages(b));
    return y;
}

Test(ops, contract_and_reduce_agree_with_plain_loops) {
    for (size_t k = 0; k < sizeof forms / sizeof *forms; k++) {
        const Form *f = &forms[k];
        Bench b;
        bench_open(&b);
        Node *in[2], *y = form_node(&b, f, in);
        Tensor args[2] = {tensor_apart(&b, &in[0]->type, -1, 1)};
        if (in[1]) args[1] = tensor_apart(&b, &in[1]->type, -1, 1);
        Iter iter = iter_of(f->axes, f->out, f->a, f->b);
        Tensor got = evaluate(&b, args, y), want = tensor_new(&b.arena, &y->type, bench_sizes);
        naive(f->kind, &iter, (const Tensor *const[]){&args[0], &args[1]}, &want);
        cr_expect(furthest(&got, &want) < 1e-12, "%s: off by %g", f->what, furthest(&got, &want));
        bench_close(&b);
    }
}

// Random affine maps of rank 1 and 2, strides of both signs, offsets that leave the tensors on both sides.
Test(ops, contract_agrees_with_plain_loops_on_random_maps) {
    for (int round = 0; round < 300; round++) {
        Bench b;
        bench_open(&b);
        b.seed = (uint64_t)round * 977 + 5;
        Iter iter = {.naxes = 3, .nmaps = 3, .name = "xyz", .nout = 2};
        Type types[3] = {
            {F32, 2, {dim_fixed(3), dim_fixed(4)}}, {F32, 2, {dim_fixed(5), dim_fixed(4)}}, {F32, 1, {dim_fixed(6)}}};
        for (int k = 0; k < 3; k++) iter.axis[k] = dim_fixed(1 + (int)(4 * bench_draw(&b)));
        for (int m = 0; m < 3; m++) {
            iter.map[m].rank = types[m].rank;
            for (int d = 0; d < types[m].rank; d++) {
                iter.map[m].dim[d].c = (int)(5 * bench_draw(&b)) - 2;
                for (int k = 0; k < (m ? 3 : 2); k++) iter.map[m].dim[d].coef[k] = (int)(5 * bench_draw(&b)) - 2;
            }
        }
        for (int k = 0; k < 2; k++) iter.map[0].dim[k].coef[k] = 1; // both stand in the result's map
        Node *x = build_argument(b.g, "a", types[1]), *w = build_argument(b.g, "b", types[2]);
        Node *y = build_contract(b.g, x, w, &types[0], &iter);
        cr_assert(y, "round %d: %s", round, bench_messages(&b));
        Tensor args[] = {tensor_apart(&b, &types[1], -1, 1), tensor_apart(&b, &types[2], -1, 1)};
        Tensor got = evaluate(&b, args, y), want = tensor_new(&b.arena, &types[0], bench_sizes);
        naive("contract", &iter, (const Tensor *const[]){&args[0], &args[1]}, &want);
        cr_expect(furthest(&got, &want) < 1e-12, "round %d: off by %g", round, furthest(&got, &want));
        bench_close(&b);
    }
}

Test(ops, integer_sums_wrap_and_extremes_hand_nan_on) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "i32[2]"), *f = arg(&b, "f", "f32[3]");
    Node *sum = build_reduce(b.g, REDUCE_SUM, x, 1, TIES_EVEN), *square = build_matmul(b.g, x, x);
    Node *max = build_reduce(b.g, REDUCE_MAX, f, 1, TIES_EVEN), *min = build_reduce(b.g, REDUCE_MIN, f, 1, TIES_EVEN);
    Tensor args[] = {tensor_new(&b.arena, &x->type, NULL), tensor_new(&b.arena, &f->type, NULL)};
    args[0].i[0] = INT32_MAX, args[0].i[1] = 2;
    args[1].f[0] = 1, args[1].f[1] = NAN, args[1].f[2] = 3;
    cr_expect(evaluate(&b, args, sum).i[0] == INT32_MIN + 1, "sum: got %d", (int)evaluate(&b, args, sum).i[0]);
    cr_expect(evaluate(&b, args, square).i[0] == 5, "x @ x: got %d, want 1 + 4", (int)evaluate(&b, args, square).i[0]);
    cr_expect(isnan(evaluate(&b, args, max).f[0]) && isnan(evaluate(&b, args, min).f[0]), "NaN must win");
    args[0].i[0] = -5, args[0].i[1] = -7;
    cr_expect(evaluate(&b, args, build_reduce(b.g, REDUCE_MAX, x, 1, TIES_EVEN)).i[0] == -5,
              "the largest of -5 and -7");
    cr_expect(evaluate(&b, args, build_reduce(b.g, REDUCE_MIN, x, 1, TIES_EVEN)).i[0] == -7,
              "the smallest of -5 and -7");
    bench_close(&b);
}

// ---- movement -----------------------------------------------------------------------------------------------------

typedef struct Movement {
    const char *op, *from, *to;
    int list[MAX_RANK]; // perm or axes
} Movement;

static const Movement movements[] = {
    {"reshape", "f32[2, 6]", "f32[3, 4]", {0}},
    {"reshape", "f32[2, 3, 4]", "f32[6, 4]", {0}},
    {"reshape", "f32[6, 4]", "f32[2, 3, 2, 2]", {0}},
    {"reshape", "f32[N, 6]", "f32[N, 2, 3]", {0}},
    {"reshape", "f32[4, N, 2, 3]", "f32[2, 2, N, 6]", {0}},
    {"reshape", "f32[1, 3, 1]", "f32[3]", {0}},
    {"reshape", "f32[3]", "f32[1, 1, 3]", {0}},
    {"reshape", "f32[]", "f32[1, 1]", {0}},
    {"reshape", "f32[1, N]", "f32[N, 1]", {0}},
    {"reshape", "i32[4, 1, 3]", "i32[2, 1, 6]", {0}},
    {"transpose", "f32[2, 3]", "f32[3, 2]", {1, 0}},
    {"transpose", "f32[2, N, 4]", "f32[4, 2, N]", {2, 0, 1}},
    {"transpose", "bool[2, 3, 4]", "bool[3, 2, 4]", {1, 0, 2}},
    {"broadcast", "f32[3]", "f32[2, 3]", {1}},
    {"broadcast", "f32[]", "f32[2, 3]", {0}},
    {"broadcast", "f32[2, 1]", "f32[2, 3, 4]", {0, 2}},
    {"broadcast", "f32[N, 1]", "f32[N, M]", {0, 1}},
    {"broadcast", "f32[1]", "f32[N]", {0}},
    {"detach", "f32[2, 3]", "f32[2, 3]", {0}},
};

static Node *movement_node(Bench *b, const Movement *m) {
    Node *x = arg(b, "x", m->from);
    Type to = type_of(m->to, NULL);
    if (!strcmp(m->op, "reshape")) return build_reshape(b->g, x, &to);
    if (!strcmp(m->op, "transpose")) return build_transpose(b->g, x, m->list);
    if (!strcmp(m->op, "broadcast")) return build_broadcast(b->g, x, &to, m->list);
    return build_unary(b->g, m->op, x);
}

// Whether `move` at a constant index finds the element that eval put there. x counts 0, 1, 2, ...
static void check_move_at(Bench *b, const Movement *m, const Node *y, const Tensor *out, int64_t element) {
    LowerContext ctx = {.arena = &b->arena, .lanes = 1};
    Index *to[MAX_RANK], *from[MAX_RANK] = {0};
    int64_t rest = element, at = 0;
    for (int d = y->type.rank - 1; d >= 0; d--) {
        to[d] = index_const(&b->arena, rest % out->shape[d]);
        rest /= out->shape[d];
    }
    y->op->move(&ctx, y, to, from);
    const Type *x = &y->in[0]->type;
    for (int d = 0; d < x->rank; d++) {
        int64_t index = -1;
        cr_assert(from[d] && index_is_const(from[d], &index), "%s %s to %s: axis %d is no number", m->op, m->from,
                  m->to, d);
        at = at * dim_actual(x->dim[d], bench_sizes) + index;
    }
    int64_t want = out->f ? (int64_t)out->f[element] : out->i[element];
    cr_expect(at == want, "%s %s to %s: element %d comes from %d, eval says %d", m->op, m->from, m->to, (int)element,
              (int)at, (int)want);
}

Test(ops, movements_move_what_their_meaning_says) {
    for (size_t k = 0; k < sizeof movements / sizeof *movements; k++) {
        const Movement *m = &movements[k];
        Bench b;
        bench_open(&b);
        Node *y = movement_node(&b, m);
        cr_assert(y, "%s %s to %s: %s", m->op, m->from, m->to, bench_messages(&b));
        Type to = type_of(m->to, NULL);
        cr_expect(type_equal(&y->type, &to), "%s %s: got %s, want %s", m->op, m->from,
                  type_text(&b.arena, &y->type, b.module->sizes), m->to);
        Tensor x = tensor_new(&b.arena, &y->in[0]->type, bench_sizes);
        for (int64_t i = 0; i < x.count; i++)
            if (x.f)
                x.f[i] = (double)i;
            else
                x.i[i] = i;
        Tensor out = evaluate(&b, &x, y);
        for (int64_t i = 0; i < out.count; i++) check_move_at(&b, m, y, &out, i);
        bench_close(&b);
    }
}

// [2, 3, 4] to [6, 4]: the last axis passes through as it is, the first two are one axis taken apart.
Test(ops, reshape_keeps_whole_axes_affine) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[2, 3, N, 4]");
    Type to = type_of("f32[6, N, 2, 2]", NULL);
    Node *y = build_reshape(b.g, x, &to);
    Kernel kernel = {0};
    LowerContext ctx = {.arena = &b.arena, .lanes = 1, .kernel = &kernel};
    Var *var[4];
    Index *at[4], *from[4];
    for (int d = 0; d < 4; d++) {
        var[d] = var_new(&ctx, "i");
        at[d] = index_var(&b.arena, var[d]);
    }
    y->op->move(&ctx, y, at, from);
    int64_t coef = 0;
    cr_expect(index_equal(from[2], at[1]), "the run-time axis must map to itself");
    cr_expect(index_linear(from[3], var[2], &coef) && coef == 2, "2, 2 to 4 is 2 * i + j");
    cr_expect(index_linear(from[3], var[3], &coef) && coef == 1, "2, 2 to 4 is 2 * i + j");
    cr_expect(index_uses(from[0], var[0]) && !index_uses(from[0], var[2]), "6 to 2, 3 uses the first axis alone");
    bench_close(&b);
}

// ---- refusals -----------------------------------------------------------------------------------------------------

typedef struct Refusal {
    const char *op, *a, *b, *c; // argument types
    const char *want;           // part of the message
} Refusal;

static const Refusal refusals[] = {
    {"add", "f32[2, 3]", "f32[3, 2]", NULL, "add: shapes differ: f32[2, 3] and f32[3, 2]"},
    {"add", "f32[2]", "i32[2]", NULL, "add: dtypes differ: f32[2] and i32[2]; cast(x, f32) converts the second"},
    {"mul", "bool[2]", "bool[2]", NULL, "mul: needs numbers, got bool[2]"},
    {"max", "bool[2]", "bool[2]", NULL, "max: needs numbers"},
    {"exp", "i32[3]", NULL, NULL, "exp: needs a float tensor, got i32[3]; cast(x, f32) converts it"},
    {"relu", "bool[3]", NULL, NULL, "relu: needs a float tensor, got bool[3]"},
    {"lt", "bool[3]", "bool[3]", NULL, "lt: needs numbers"},
    {"eq", "f32[N]", "f32[6]", NULL, "eq: shapes differ: f32[N] and f32[6]"},
    {"and", "f32[3]", "f32[3]", NULL, "and: needs bool, got f32[3]; a comparison such as x != 0 makes one"},
    {"not", "i32[3]", NULL, NULL, "not: needs bool"},
    {"select", "f32[3]", "f32[3]", "f32[3]", "select: the condition must be bool, got f32[3]"},
    {"select", "bool[3]", "f32[3]", "f32[4]", "select: shapes differ: bool[3], f32[3] and f32[4]"},
    {"select", "bool[3]", "f32[3]", "i32[3]", "select: dtypes differ: f32[3] and i32[3]"},
};

Test(ops, wrong_inputs_are_refused_with_what_was_found) {
    for (size_t k = 0; k < sizeof refusals / sizeof *refusals; k++) {
        const Refusal *r = &refusals[k];
        Bench b;
        bench_open(&b);
        Node *in[3] = {arg(&b, "a", r->a), r->b ? arg(&b, "b", r->b) : NULL, r->c ? arg(&b, "c", r->c) : NULL};
        const Op *op = op_find(r->op);
        cr_expect(!graph_op(b.g, op, in, op->inputs, NULL), "%s must be refused", r->want);
        cr_expect(strstr(bench_messages(&b), r->want), "got %s, want %s", bench_messages(&b), r->want);
        bench_close(&b);
    }
}

static void expect_refused(Bench *b, const Node *node, const char *want) {
    cr_expect(!node, "must be refused: %s", want);
    cr_expect(strstr(bench_messages(b), want), "got %s, want %s", bench_messages(b), want);
    b->diag.at = NULL; // each message at its own place
}

Test(ops, movements_refuse_what_does_not_fit) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[2, 3]"), *n = arg(&b, "n", "f32[N, 3]");
    Type seven = type_of("f32[7]", NULL), merged = type_of("f32[18]", NULL), wide = type_of("f32[2, 4]", NULL);
    Type huge = type_of("f32[65536, 65536]", NULL);
    expect_refused(&b, build_reshape(b.g, x, &seven), "reshape: f32[2, 3] has 6 elements, f32[7] has 7");
    expect_refused(&b, build_reshape(b.g, n, &merged), "f32[N, 3] does not become f32[18]: it has another number");
    expect_refused(&b, build_transpose(b.g, x, (int[]){1, 1}),
                   "transpose: the order must list each axis of f32[2, 3] once");
    expect_refused(&b, build_broadcast(b.g, x, &wide, (int[]){0, 1}),
                   "axis 1 of f32[2, 3] does not fit axis 1 of f32[2, 4]");
    Type square = type_of("f32[2, 3, 2]", NULL);
    expect_refused(&b, build_broadcast(b.g, x, &square, (int[]){2, 1}),
                   "the axes of f32[2, 3] must be placed in order");
    expect_refused(&b, build_broadcast(b.g, build_constant(b.g, F32, 1), &huge, NULL), "too many elements");
    bench_close(&b);
}

Test(ops, maps_that_do_not_fit_are_refused) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[3, 5]"), *w = arg(&b, "w", "f32[5, 4]"), *n = arg(&b, "n", "f32[N, 5]");
    Node *i = arg(&b, "i", "i32[5, 4]"), *mask = arg(&b, "mask", "bool[3, 5]");
    Type shape = type_of("f32[3, 4]", NULL), three = type_of("f32[3]", NULL), six = type_of("f32[6]", NULL);
    Iter good = iter_of("m3 n4|k5", "m,n", "m,k", "k,n"), rank = iter_of("m3 n4|k5", "m,n", "m", "k,n");
    Iter merged = iter_of("m3 n4|k5", "m,n", "m+k,k", "k,n"), unused = iter_of("m3 n4 k5", "m,n", "m,k", "k,n");
    Iter columns = iter_of("m3|k5", "m", "m,k", NULL), shifted = iter_of("m6|k5", "m+1", "m,k", NULL);
    expect_refused(&b, build_contract(b.g, x, i, &shape, &good), "contract: dtypes differ: f32[3, 5] and i32[5, 4]");
    expect_refused(&b, build_contract(b.g, x, w, &shape, &rank), "map 1 has 1 axes, its tensor f32[3, 5] has 2");
    expect_refused(&b, build_contract(b.g, n, w, &shape, &merged),
                   "is a run-time size; it must be indexed by itself alone");
    Iter next = iter_of("nN m4|k5", "n,m", "n+1,k", "k,m"), twice = iter_of("nN m4|k5", "n,m", "2*n,k", "k,m");
    Type rows = type_of("f32[N, 4]", NULL);
    expect_refused(&b, build_contract(b.g, n, w, &rows, &next),
                   "is a run-time size; it must be indexed by itself alone");
    expect_refused(&b, build_contract(b.g, n, w, &rows, &twice),
                   "is a run-time size; it must be indexed by itself alone");
    expect_refused(&b, build_contract(b.g, x, w, &shape, &unused), "not in the result's map");
    expect_refused(&b, build_reduce_of(b.g, "sum", "even", mask, &three, &columns),
                   "sum needs numbers, got bool[3, 5]");
    Iter many = iter_of("a2 b2 c2 d2|e2 f2 g2 h2 i2", "a,b,c,d", "a+e,b+f,c+g,d+h+i", NULL);
    Node *deep = arg(&b, "deep", "f32[3, 3, 3, 4]");
    Type four = type_of("f32[2, 2, 2, 2]", NULL);
    cr_expect(build_reduce_of(b.g, "sum", "even", deep, &four, &many), "%s", bench_messages(&b));
    expect_refused(&b, build_reduce_of(b.g, "max", "even", deep, &four, &many),
                   "max over 9 axes; at most 8 are possible");
    expect_refused(&b, build_reduce_of(b.g, "sum", "even", x, &six, &shifted),
                   "axis d of the result must be iteration axis d");
    bench_close(&b);
}
