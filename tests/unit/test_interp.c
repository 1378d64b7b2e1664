// test_interp.c: the interpreter, which is the meaning of a graph: cases worked by hand, rounding to each dtype,
// run-time sizes, and storages that are read before they are written.
#include "nodes.h"

// ---- rounding -------------------------------------------------------------------------------------------------------

typedef struct Rounding {
    DType dtype;
    double from, want;
} Rounding;

static const Rounding roundings[] = {
    {F32, 0.1, 0x1.99999ap-4},
    {F32, 1e-46, 0},
    {F32, 1e39, INFINITY},
    {F32, 16777217, 16777216},
    // f16: 11 bits; ties to even; largest 65504, and from 65520 on infinite; smallest 2^-24.
    {F16, 0.1, 0.0999755859375},
    {F16, 2049, 2048},
    {F16, 2051, 2052},
    {F16, 65504, 65504},
    {F16, 65519, 65504},
    {F16, 65520, INFINITY},
    {F16, -65520, -INFINITY},
    {F16, 0x1p-24, 0x1p-24},
    {F16, 0x1p-25, 0},
    {F16, 0x1.8p-25, 0x1p-24},
    {F16, 0x1.8p-24, 0x1p-23},
    {F16, 0x1.ff8p-15, 0x1.ff8p-15},
    {F16, 0x1.ffcp-15, 0x1p-14},
    // bf16: 8 bits and the exponents of f32.
    {BF16, 1.00390625, 1},
    {BF16, 1.01171875, 1.015625},
    {BF16, 257, 256},
    {BF16, 259, 260},
    {BF16, 3.3895313892515355e38, 3.3895313892515355e38},
    {BF16, 3.4e38, INFINITY},
    {BF16, 0x1p-133, 0x1p-133},
    {BF16, 0x1p-134, 0},
    {F16, -0.0, -0.0},
    {BF16, INFINITY, INFINITY},
    {F16, NAN, NAN},
    {BF16, NAN, NAN},
};

static bool same_double(double a, double b) { return (isnan(a) && isnan(b)) || (a == b && signbit(a) == signbit(b)); }

Test(interp, rounding_is_to_nearest_even) {
    for (size_t k = 0; k < sizeof roundings / sizeof *roundings; k++) {
        const Rounding *r = &roundings[k];
        double got = round_to_dtype(r->dtype, r->from);
        cr_expect(same_double(got, r->want), "%s(%a): got %a, want %a", dtype_info[r->dtype].name, r->from, got,
                  r->want);
    }
}

// Every f16 stays as it is, and what lies between two of them goes to the nearer one.
Test(interp, every_f16_is_a_fixed_point) {
    int wrong = 0;
    for (int bits = 1; bits < 0x7c00; bits++) {
        int exponent = bits >> 10, fraction = bits & 1023;
        double x = exponent ? ldexp(1024 + fraction, exponent - 25) : ldexp(fraction, -24);
        double unit = exponent ? ldexp(1, exponent - 25) : ldexp(1, -24);
        double middle = fraction & 1 ? x + unit : x;
        wrong += round_to_dtype(F16, x) != x || round_to_dtype(F16, -x) != -x;
        wrong += round_to_dtype(F16, x + 0.49 * unit) != x;
        if (bits < 0x7bff) wrong += round_to_dtype(F16, x + 0.5 * unit) != middle;
    }
    cr_expect(wrong == 0, "%d of 31743 numbers are rounded wrongly", wrong);
}

// ---- known cases ----------------------------------------------------------------------------------------------------

static Tensor tensor_of(Bench *b, const char *type_name, const double *values) {
    Type type = type_of(type_name, NULL);
    Tensor t = tensor_new(&b->arena, &type, bench_sizes);
    for (int64_t k = 0; k < t.count; k++)
        if (t.f)
            t.f[k] = values[k];
        else
            t.i[k] = (int64_t)values[k];
    return t;
}

static void expect_values(const char *what, const Tensor *got, const double *want, int64_t count) {
    cr_assert(got->count == count, "%s: got %lld elements, want %lld", what, (long long)got->count, (long long)count);
    for (int64_t k = 0; k < count; k++) {
        double value = got->f ? got->f[k] : (double)got->i[k];
        cr_expect(same_double(value, want[k]), "%s[%lld]: got %.17g, want %.17g", what, (long long)k, value, want[k]);
    }
}

typedef struct Product {
    const char *a, *b, *want; // types
    double values[12];        // of the result, for a = 1 2 3 ... and b = 1 2 3 ...
} Product;

static const Product products[] = {
    {"f32[2, 3]", "f32[3, 2]", "f32[2, 2]", {22, 28, 49, 64}},
    {"f32[3]", "f32[3]", "f32[]", {14}},
    {"f32[2, 3]", "f32[3]", "f32[2]", {14, 32}},
    {"f32[2]", "f32[2, 3]", "f32[3]", {9, 12, 15}},
    {"f32[2, 1, 2]", "f32[2, 2]", "f32[2, 1, 2]", {7, 10, 15, 22}},
    {"f32[2, 1, 2]", "f32[1, 2, 2]", "f32[2, 1, 2]", {7, 10, 15, 22}},
    {"f32[1, 2]", "f32[2, 2, 1]", "f32[2, 1, 1]", {5, 11}},
    {"i32[2, 2]", "i32[2, 2]", "i32[2, 2]", {7, 10, 15, 22}},
};

Test(interp, matmul_follows_numpy) {
    double counting[16];
    for (int k = 0; k < 16; k++) counting[k] = k + 1;
    for (size_t k = 0; k < sizeof products / sizeof *products; k++) {
        const Product *p = &products[k];
        Bench b;
        bench_open(&b);
        Node *left = arg(&b, "a", p->a), *right = arg(&b, "b", p->b), *y = build_matmul(b.g, left, right);
        cr_assert(y, "%s @ %s: %s", p->a, p->b, bench_messages(&b));
        Type want = type_of(p->want, NULL);
        cr_expect(type_equal(&y->type, &want), "%s @ %s: got %s, want %s", p->a, p->b,
                  type_text(&b.arena, &y->type, b.module->sizes), p->want);
        graph_return(b.g, "y", y, (Span){0});
        cr_expect(!graph_verify(b.g), "%s @ %s: %s", p->a, p->b, graph_verify(b.g));
        Tensor result = {0};
        Interpretation run = {.arena = &b.arena,
                              .sizes = bench_sizes,
                              .arguments = (Tensor[]){tensor_of(&b, p->a, counting), tensor_of(&b, p->b, counting)},
                              .returned = &result};
        graph_interpret(b.g, &run);
        expect_values(p->a, &result, p->values, type_count(&want));
        bench_close(&b);
    }
}

// y = w + sum over n of x[n], with N = 4 of at most 6: what is beyond the size is not there.
Test(interp, loops_run_to_the_size_and_not_to_its_bound) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[N, 2]");
    Node *sum = build_reduce(b.g, REDUCE_SUM, x, 1, TIES_EVEN);
    Type wide = type_of("f32[N]", NULL);
    Node *count = build_cast(b.g, build_size(b.g, dim_size(6, 0)), F32);
    graph_return(b.g, "sum", sum, (Span){0});
    graph_return(b.g, "count", count, (Span){0});
    graph_return(b.g, "index", build_iota(b.g, &wide, 0), (Span){0});
    Tensor result[3] = {0};
    double values[] = {1, 10, 2, 20, 3, 30, 4, 40};
    Interpretation run = {.arena = &b.arena,
                          .sizes = bench_sizes,
                          .arguments = (Tensor[]){tensor_of(&b, "f32[N, 2]", values)},
                          .returned = result};
    graph_interpret(b.g, &run);
    expect_values("sum", &result[0], (double[]){10, 100}, 2);
    expect_values("count", &result[1], (double[]){4}, 1);
    expect_values("index", &result[2], (double[]){0, 1, 2, 3}, 4);
    bench_close(&b);
}

// a, b = b, a + 1: both old values are read before either is written, and `kept` keeps what nobody binds.
Test(interp, storages_hold_their_old_values_until_the_end) {
    Bench b;
    bench_open(&b);
    Type two = type_of("f32[2]", NULL);
    Storage *first = module_add_storage(b.module, "a", STORAGE_PARAM, two, (Span){0});
    Storage *second = module_add_storage(b.module, "b", STORAGE_PARAM, two, (Span){0});
    module_add_storage(b.module, "kept", STORAGE_BUFFER, two, (Span){0});
    Node *old_a = build_storage(b.g, first), *old_b = build_storage(b.g, second);
    graph_bind(b.g, first, old_b, (Span){0});
    graph_bind(b.g, second, build_binary(b.g, "add", old_a, build_full(b.g, &two, 1)), (Span){0});
    graph_return(b.g, "old", old_a, (Span){0});
    cr_assert(!graph_verify(b.g), "%s", graph_verify(b.g));
    double values[] = {1, 2, 30, 40, 5, 6};
    Tensor storages[] = {tensor_of(&b, "f32[2]", values), tensor_of(&b, "f32[2]", values + 2),
                         tensor_of(&b, "f32[2]", values + 4)};
    Tensor old = {0};
    graph_interpret(b.g, &(Interpretation){.arena = &b.arena, .storages = storages, .returned = &old});
    expect_values("a", &storages[0], (double[]){30, 40}, 2);
    expect_values("b", &storages[1], (double[]){2, 3}, 2);
    expect_values("kept", &storages[2], (double[]){5, 6}, 2);
    expect_values("old", &old, (double[]){1, 2}, 2);
    bench_close(&b);
}

// Each result is rounded to its dtype, so (x + 1) - 1 loses what f32 has no bits for; exact keeps it.
Test(interp, each_node_is_rounded_unless_exact) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[]"), *one = build_constant(b.g, F32, 1);
    Node *y = build_binary(b.g, "sub", build_binary(b.g, "add", x, one), one);
    graph_return(b.g, "y", y, (Span){0});
    for (int exact = 0; exact < 2; exact++) {
        Tensor result = {0};
        Interpretation run = {.arena = &b.arena,
                              .exact = exact,
                              .arguments = (Tensor[]){tensor_of(&b, "f32[]", (double[]){0x1p-30})},
                              .returned = &result};
        graph_interpret(b.g, &run);
        expect_values(exact ? "exact" : "rounded", &result, (double[]){exact ? 0x1p-30 : 0}, 1);
    }
    bench_close(&b);
}

// A sum is one node: its terms are added in double and rounded once.
Test(interp, sums_are_rounded_once) {
    Bench b;
    bench_open(&b);
    Node *sum = build_reduce(b.g, REDUCE_SUM, arg(&b, "x", "f32[3]"), 1, TIES_EVEN);
    graph_return(b.g, "y", sum, (Span){0});
    Tensor result = {0};
    double values[] = {16777216, 1, 1}; // 2^24 + 1 + 1: adding f32 by f32 would stay at 2^24
    Interpretation run = {
        .arena = &b.arena, .arguments = (Tensor[]){tensor_of(&b, "f32[3]", values)}, .returned = &result};
    graph_interpret(b.g, &run);
    expect_values("sum", &result, (double[]){16777218}, 1);
    bench_close(&b);
}
