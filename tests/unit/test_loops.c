// test_loops.c: indices mean the same after simplification, ranges hold, proofs are sound, the verifier refuses what is
// wrong, and programs are printed in the form of docs/loops.md. What kernels compute is tested in test_rows.c,
// test_contraction.c and the tools of tests/differential.
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "loops/prove.h"
#include "passes/passes.h"

typedef struct Bench {
    Arena arena;
    Diag diag;
    Module *module;
    Graph *g;
    LowerContext ctx;
} Bench;

static void bench_open(Bench *b) {
    *b = (Bench){.diag = {.out = stderr}};
    b->module = module_new(&b->arena, &b->diag, "test.dl");
    b->module->sizes[0] = (Size){"N", 20};
    b->module->nsizes = 1;
    b->ctx = (LowerContext){.arena = &b->arena, .lanes = 1};
}

static Index *loop_over(Bench *b, const char *name, const Index *lo, const Index *hi, int64_t step, Stmt **loop) {
    Var *var = var_new(&b->ctx, name);
    Stmt *stmt = stmt_for(&b->arena, var, lo, hi, step);
    if (loop) *loop = stmt;
    return index_var(&b->arena, var);
}

static Index *constant(Bench *b, int64_t c) { return index_const(&b->arena, c); }

// ---- indices: every simplified form against plain arithmetic --------------------------------------------------------

enum { VARS = 3, DRAWS = 4000 };
static const int extent[VARS] = {5, 16, 12}, step[VARS] = {1, 1, 4};

static uint32_t draw(uint32_t *state, uint32_t below) {
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % below;
}

static int64_t value_of(const Index *index, const int64_t *at, int64_t n) {
    int64_t sum = index->c;
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        int64_t value = 0;
        if (atom->kind == ATOM_VAR) value = at[atom->var->id];
        if (atom->kind == ATOM_SIZE) value = n;
        if (atom->kind == ATOM_DIV) value = value_of(atom->of, at, n) / atom->by;
        if (atom->kind == ATOM_MOD) value = value_of(atom->of, at, n) % atom->by;
        if (atom->kind == ATOM_MIN) {
            int64_t a = value_of(atom->of, at, n), c = value_of(atom->other, at, n);
            value = a < c ? a : c;
        }
        sum += index->term[k].coef * value;
    }
    return sum;
}

// A random index and its meaning by plain arithmetic at every point, side by side. All values are >= 0, as division
// asks.
typedef struct Meaning {
    Index *index;
    int64_t at[5 * 16 * 3 * 2]; // by point and size
} Meaning;

static int points(int64_t (*at)[VARS]) {
    int n = 0;
    for (int i = 0; i < extent[0]; i += step[0])
        for (int j = 0; j < extent[1]; j += step[1])
            for (int k = 0; k < extent[2]; k += step[2]) at[n][0] = i, at[n][1] = j, at[n++][2] = k;
    return n;
}

static int64_t size_at(int sized) { return sized ? 20 : 7; }

static void grow(Bench *b, uint32_t *state, Meaning *m, int count, Index *const *leaf, int64_t (*at)[VARS]) {
    uint32_t kind = draw(state, 6), other = draw(state, VARS + 1);
    int64_t by = 1 + draw(state, 12), scale = 1 + draw(state, 8);
    Index *term = index_scale(&b->arena, leaf[other], scale);
    if (kind < 2) m->index = index_add_const(&b->arena, index_add(&b->arena, m->index, term), by);
    if (kind == 2) m->index = index_div(&b->arena, m->index, by);
    if (kind == 3) m->index = index_mod(&b->arena, m->index, by);
    if (kind == 4) m->index = index_min(&b->arena, m->index, term);
    if (kind == 5) m->index = index_scale(&b->arena, m->index, scale);
    for (int p = 0; p < 2 * count; p++) {
        int64_t leaf_value = other < VARS ? at[p / 2][other] : size_at(p % 2), value = scale * leaf_value;
        if (kind < 2) m->at[p] += value + by;
        if (kind == 2) m->at[p] /= by;
        if (kind == 3) m->at[p] %= by;
        if (kind == 4 && value < m->at[p]) m->at[p] = value;
        if (kind == 5) m->at[p] *= scale;
    }
}

Test(loops, indices_mean_what_they_meant) {
    uint32_t state = 1;
    for (int d = 0; d < DRAWS; d++) {
        Bench b;
        bench_open(&b);
        Index *leaf[VARS + 1];
        static const char *const names[] = {"i", "j", "k"};
        int64_t at[5 * 16 * 3][VARS];
        int count = points(at);
        for (int v = 0; v < VARS; v++)
            leaf[v] = loop_over(&b, names[v], constant(&b, 0), constant(&b, extent[v]), step[v], NULL);
        leaf[VARS] = index_size(&b.arena, dim_size(20, 0));
        Meaning m = {.index = constant(&b, 0)};
        for (int depth = 1 + (int)draw(&state, 6); depth > 0; depth--) grow(&b, &state, &m, count, leaf, at);
        int64_t lo, hi, divisor = 1 + draw(&state, 16);
        cr_assert(index_range(m.index, &lo, &hi), "draw %d: no range", d);
        bool divisible = index_divisible(m.index, divisor);
        for (int p = 0; p < 2 * count; p++) {
            int64_t got = value_of(m.index, at[p / 2], size_at(p % 2));
            cr_assert_eq(got, m.at[p], "draw %d, point %d: %lld, want %lld", d, p, (long long)got, (long long)m.at[p]);
            cr_assert(lo <= got && got <= hi, "draw %d: %lld is not in [%lld, %lld]", d, (long long)got, (long long)lo,
                      (long long)hi);
            cr_assert(!divisible || got % divisor == 0, "draw %d: %lld is no multiple of %lld", d, (long long)got,
                      (long long)divisor);
        }
        arena_release(&b.arena);
    }
}

Test(loops, blocked_indices_vanish) {
    Bench b;
    bench_open(&b);
    Arena *a = &b.arena;
    Index *io = loop_over(&b, "io", constant(&b, 0), constant(&b, 4), 1, NULL);
    Index *il = loop_over(&b, "il", constant(&b, 0), constant(&b, 16), 1, NULL);
    Index *x = loop_over(&b, "x", constant(&b, 0), constant(&b, 100), 1, NULL);
    Index *o = index_add(a, index_scale(a, io, 16), il);
    cr_expect(index_equal(index_div(a, o, 16), io));
    cr_expect(index_equal(index_mod(a, o, 16), il));
    // A reshape and back.
    Index *back = index_add(a, index_scale(a, index_div(a, x, 7), 7), index_mod(a, x, 7));
    cr_expect(index_equal(back, x), "7*(x / 7) + x %% 7 is x");
    cr_expect(index_equal(index_div(a, index_div(a, x, 3), 4), index_div(a, x, 12)));
    int64_t coef;
    cr_expect(index_linear(o, b.ctx.vars.at[0], &coef) && coef == 16);
    cr_expect(!index_linear(index_div(a, x, 7), b.ctx.vars.at[2], &coef));
    cr_expect(index_equal(index_substitute(a, index_div(a, x, 16), b.ctx.vars.at[2], o), io));
    // The only vector of an axis starts at 0, but its other lanes are elsewhere.
    Index *vector = loop_over(&b, "v", constant(&b, 0), constant(&b, 16), 16, NULL);
    int64_t fixed;
    cr_expect(index_is_const(index_clamp(a, vector, 1), &fixed) && fixed == 0, "all lanes of clamp(v, 0, 0) are 0");
    arena_release(a);
}

// ---- proofs ---------------------------------------------------------------------------------------------------------

static Index *minus(Bench *b, const Index *x, const Index *y) {
    return index_add(&b->arena, x, index_scale(&b->arena, y, -1));
}

Test(loops, proofs_use_loops_and_guards) {
    Bench b;
    bench_open(&b);
    Arena *a = &b.arena;
    Index *n = index_size(a, dim_size(20, 0)), *whole = index_scale(a, index_div(a, n, 6), 6);
    Stmt *loop[5];
    Index *i = loop_over(&b, "i", constant(&b, 0), index_add_const(a, n, -5), 6, &loop[0]);
    Index *tail = loop_over(&b, "tail", whole, n, 1, &loop[1]);
    Index *v = loop_over(&b, "v", constant(&b, 0), whole, 6, &loop[2]);
    Index *c = loop_over(&b, "c", constant(&b, 0), constant(&b, 4), 1, &loop[3]);
    Index *lo = index_scale(a, c, 5), *hi = index_min(a, index_add_const(a, lo, 5), n);
    Index *r = loop_over(&b, "r", lo, hi, 1, &loop[4]);
    Facts facts = {.arena = a, .nloops = 5};
    memcpy(facts.loop, loop, sizeof loop);
    const struct {
        const char *what;
        Index *index;
        bool want;
    } rows[] = {
        {"i + 5 < N", index_add_const(a, minus(&b, n, i), -6), true},
        {"i + 6 < N", index_add_const(a, minus(&b, n, i), -7), false},
        {"tail < N", index_add_const(a, minus(&b, n, tail), -1), true},
        {"tail + 1 < N", index_add_const(a, minus(&b, n, tail), -2), false},
        {"v + 5 < N: whole steps", index_add_const(a, minus(&b, n, v), -6), true},
        {"v + 6 < N", index_add_const(a, minus(&b, n, v), -7), false},
        {"r < N: the least of two bounds", index_add_const(a, minus(&b, n, r), -1), true},
        {"r - 5c >= 0", minus(&b, r, lo), true},
        {"r - 5c < 5", index_add_const(a, minus(&b, lo, r), 4), true},
        {"r - 5c < 4", index_add_const(a, minus(&b, lo, r), 3), false},
        {"N - 6 (N / 6) < 6", index_add_const(a, minus(&b, whole, n), 5), true},
        {"N - N % 6 >= 0", minus(&b, n, index_mod(a, n, 6)), true},
        {"i - r >= 0", minus(&b, i, r), false},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++)
        cr_expect_eq(prove_not_negative(&facts, rows[k].index), rows[k].want, "%s", rows[k].what);
    Index *difference = index_add_const(a, minus(&b, i, r), 3);
    cr_expect(!prove_not_negative(&facts, difference));
    facts.guard[facts.nguards++] = minus(&b, i, r);
    cr_expect(prove_not_negative(&facts, difference), "a guard says i >= r");
    Index *twice = index_add_const(a, index_scale(a, minus(&b, i, r), 2), 1);
    cr_expect(prove_not_negative(&facts, twice), "2 (i - r) + 1 >= 0");
    cr_expect(!prove_not_negative(&facts, index_add_const(a, twice, -2)), "2 (i - r) - 1 >= 0");
    // i - r may be odd: with it in [0, 7] its half is in [0, 3].
    Index *half = index_div(a, minus(&b, i, r), 2), *room = index_add_const(a, index_scale(a, half, -1), 3);
    cr_expect(prove_not_negative(&facts, half), "(i - r) / 2 >= 0");
    cr_expect(!prove_not_negative(&facts, room));
    facts.guard[facts.nguards++] = index_add_const(a, minus(&b, r, i), 7);
    cr_expect(prove_not_negative(&facts, room), "(i - r) / 2 < 4 where i - r < 8");
    cr_expect(!prove_not_negative(&facts, index_add_const(a, room, -1)), "(i - r) / 2 < 3");
    // A pixel of an image that lies in one row needs two guards: 8 (i - r) + tail - c.
    Index *pixel = index_add(a, index_scale(a, minus(&b, i, r), 8), minus(&b, tail, c));
    cr_expect(!prove_not_negative(&facts, pixel));
    facts.guard[facts.nguards++] = minus(&b, tail, c);
    cr_expect(prove_not_negative(&facts, pixel), "8 (i - r) + (tail - c) >= 0");
    cr_expect(!prove_not_negative(&facts, index_add_const(a, pixel, -1)), "8 (i - r) + (tail - c) >= 1");
    // Every third element: what a guard says of three steps, it says of one.
    facts.guard[0] = index_tighten(a, index_add_const(a, index_scale(a, minus(&b, i, r), 3), -4));
    facts.nguards = 1;
    cr_expect(prove_not_negative(&facts, index_add_const(a, minus(&b, i, r), -2)), "3 (i - r) >= 4: i - r >= 2");
    cr_expect(!prove_not_negative(&facts, index_add_const(a, minus(&b, i, r), -3)), "3 (i - r) >= 4: i - r >= 3");
    arena_release(a);
}

// ---- what is counted by a run-time size
// -------------------------------------------------------------------------------

static int64_t value_at(const Index *index, const Var *const *var, const int64_t *value, int nvars, int64_t n) {
    int64_t sum = index->c;
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        int64_t x = 0, by = atom->other ? value_at(atom->other, var, value, nvars, n) : atom->by;
        if (atom->of) x = value_at(atom->of, var, value, nvars, n);
        for (int v = 0; v < nvars && atom->kind == ATOM_VAR; v++)
            if (var[v] == atom->var) x = value[v];
        if (atom->kind == ATOM_SIZE) x = n;
        if (atom->kind == ATOM_TIMES) x *= by;
        if (atom->kind == ATOM_DIV) x /= by;
        if (atom->kind == ATOM_MOD) x %= by;
        if (atom->kind == ATOM_CLAMP) x = x < 0 ? 0 : x < by ? x : by - 1;
        sum += index->term[k].coef * x;
    }
    return sum;
}

// Element i of an axis of by * extent elements, taken apart and put together again: for each N the numbers are right,
// within their axes by proof, and the way back gives i itself.
static void check_split(Bench *b, Dim inner, int outer) {
    Arena *a = &b->arena;
    Dim whole;
    cr_assert(dim_make(inner, inner.times * outer, inner.plus * outer, &whole));
    Index *extent = index_size(a, inner), *by = index_times(a, extent, index_const(a, outer));
    Stmt *loop;
    Index *i = loop_over(b, "i", constant(b, 0), index_size(a, whole), 1, &loop);
    Index *high = index_quotient(a, i, extent), *low = index_remainder(a, i, extent);
    Facts facts = {.arena = a, .nloops = 1, .loop = {loop}, .nguards = 1};
    facts.guard[0] = index_add_const(a, extent, -1); // every axis has an element
    cr_expect(index_equal(by, index_size(a, whole)));
    cr_expect(prove_not_negative(&facts, high) && prove_not_negative(&facts, low));
    cr_expect(prove_not_negative(&facts, index_add_const(a, index_scale(a, high, -1), outer - 1)), "high < %d", outer);
    cr_expect(!prove_not_negative(&facts, index_add_const(a, index_scale(a, high, -1), outer - 2)));
    cr_expect(prove_not_negative(&facts, index_add_const(a, minus(b, extent, low), -1)), "low < its axis");
    cr_expect(!prove_not_negative(&facts, index_add_const(a, minus(b, extent, low), -2)));
    cr_expect(index_equal(index_add(a, index_times(a, high, extent), low), i), "there and back");
    // Through another shape of as many elements: [inner, outer].
    Index *other = index_add(a, index_scale(a, index_div(a, i, outer), outer), index_mod(a, i, outer));
    cr_expect(index_equal(other, i));
    const Var *var[] = {loop->var};
    for (int64_t n = dim_least(inner); n <= 6; n++)
        for (int64_t k = 0; k < outer * (inner.times * n + inner.plus); k++) {
            int64_t e = inner.times * n + inner.plus;
            cr_assert_eq(value_at(high, var, &k, 1, n), k / e);
            cr_assert_eq(value_at(low, var, &k, 1, n), k % e);
            cr_assert_eq(value_at(index_clamp_to(a, index_add_const(a, i, -3), extent), var, &k, 1, n), k < 3 ? 0
                                                                                                        : k - 3 < e
                                                                                                            ? k - 3
                                                                                                            : e - 1);
        }
}

Test(loops, sizes_multiply_and_divide) {
    static const int inner[][2] = {{1, 0}, {2, 0}, {1, 3}, {1, -2}, {3, -6}, {2, 1}}; // times * N + plus
    for (size_t k = 0; k < sizeof inner / sizeof *inner; k++)
        for (int outer = 1; outer < 6; outer++) {
            Bench b;
            Dim dim;
            bench_open(&b);
            cr_assert(dim_make(dim_size(6, 0), inner[k][0], inner[k][1], &dim));
            check_split(&b, dim, outer);
            arena_release(&b.arena);
        }
}

// The rows of a tile that are left over, where the axis has N - 2 elements and N is 3 or more.
Test(loops, tails_of_shorter_axes_are_proved) {
    Bench b;
    bench_open(&b);
    Arena *a = &b.arena;
    Index *n = index_size(a, dim_size(20, 0)), *left = index_add_const(a, n, -2);
    Index *tail = index_scale(a, index_div(a, left, 5), 5), *rest = index_mod(a, left, 5);
    tail = index_add(a, tail, index_scale(a, index_div(a, rest, 4), 4));
    Facts facts = {.arena = a, .nguards = 1, .guard = {index_add_const(a, n, -3)}};
    cr_expect(prove_not_negative(&facts, tail));
    cr_expect(!prove_not_negative(&facts, index_add_const(a, tail, -1)));
    arena_release(&b.arena);
}

// ---- programs -------------------------------------------------------------------------------------------------------

static const char *const text =
    "size N <= 20\n"
    "param \"w\": f32[40]\n"
    "train f(x: f32[N, 40]) {\n"
    "  %0 = argument {name=\"x\"} : f32[N, 40]\n"
    "  %1 = storage {name=\"w\"} : f32[40]\n"
    "  %2 = broadcast %1 {shape=[N, 40], axes=[1]} : f32[N, 40]\n"
    "  %3 = mul %0, %2 : f32[N, 40]\n"
    "  %4 = exp %3 : f32[N, 40] @{forward name=\"h\" origin=\"layer\"}\n"
    "  %5 = reduce %0 {kind=\"sum\", ties=\"even\", shape=[40], iter=[i:40 | n:N] out[i] += a[n, i]} : f32[40]\n"
    "  %6 = sub %1, %5 : f32[40]\n"
    "  return \"y\" = %4\n"
    "  store \"w\" = %6\n"
    "}\n";

static Program *lowered_of(Bench *b, const char *graph, const char *target, int level) {
    *b = (Bench){.diag = {.out = stderr}};
    Source *source = NEW(&b->arena, Source);
    *source = (Source){.name = "test.graph", .text = graph, .len = (int)strlen(graph)};
    b->module = module_read(&b->arena, &b->diag, source);
    cr_assert(b->module, "the text is not read");
    passes_run(b->module, &(PassOptions){.level = level, .out = stderr});
    b->g = b->module->entries.at[0];
    Program *program = program_lower(b->g, target_find(target), level, 2);
    program_plan(program);
    return program;
}

static Program *lowered(Bench *b, const char *target, int level) { return lowered_of(b, text, target, level); }

#define INPUTS                                                                                                         \
    "  argument x: f32[N, 40]\n"                                                                                       \
    "  storage w: f32[40]\n"                                                                                           \
    "  argument y: f32[N, 40]\n"

Test(loops, programs_are_printed) {
    static const struct {
        const char *target;
        int level;
        const char *want;
    } rows[] = {
        {"x86-64-v4", 2,
         "entry f: arena 0 bytes, at least 0\n" INPUTS "call 0: mul_layer (rows, vectors) unless y is NULL\n"
         "  # y = mul, layer at test.graph:8:4\n"
         "  # fused: mul, exp\n"
         "  for n = 0 .. N:\n"
         "    for j = 0 .. 32 step 16:\n"
         "      y[n, j:16] = exp(mul(x[n, j:16], w[j:16]))\n"
         "    for j = 32 .. 40:\n"
         "      y[n, j] = exp(mul(x[n, j], w[j]))\n"
         "call 1: reduce_sub (rows, vectors)\n"
         "  # w = reduce, sub at test.graph:10:4\n"
         "  # fused: reduce, sub\n"
         "  for j = 0 .. 32 step 32:\n"
         "    local sum[2]: f32x16 = 0\n"
         "    for n = 0 .. N:\n"
         "      unroll v = 0 .. 2:\n"
         "        sum[v] += x[n, j + 16*v:16]\n"
         "    unroll v = 0 .. 2:\n"
         "      w[j + 16*v:16] = sub(w[j + 16*v:16], sum[v])\n"
         "  for j = 32 .. 40:\n"
         "    local sum_2[1]: f32 double = 0\n"
         "    for n = 0 .. N:\n"
         "      sum_2[0] += x[n, j]\n"
         "    w[j] = sub(w[j], sum_2[0])\n"},
        {"c11", 0,
         "entry f: arena 3200 bytes, at least 3200\n" INPUTS "  arena mul: f32[N, 40] at 0, calls 0 to 1\n"
         "  arena reduce: f32[40] at 0, calls 2 to 3\n"
         "call 0: mul (naive)\n"
         "  # mul = mul at test.graph:7:4\n"
         "  for n = 0 .. N:\n"
         "    for j = 0 .. 40:\n"
         "      mul[n, j] = mul(x[n, j], w[j])\n"
         "call 1: layer (naive) unless y is NULL\n"
         "  # y = layer at test.graph:8:4\n"
         "  for n = 0 .. N:\n"
         "    for j = 0 .. 40:\n"
         "      y[n, j] = exp(mul[n, j])\n"
         "call 2: reduce (naive)\n"
         "  # reduce = reduce at test.graph:9:4\n"
         "  for i = 0 .. 40:\n"
         "    local sum: f32 double = 0\n"
         "    for n = 0 .. N:\n"
         "      sum += x[n, i]\n"
         "    reduce[i] = sum\n"
         "call 3: sub (naive)\n"
         "  # w = sub at test.graph:10:4\n"
         "  for i = 0 .. 40:\n"
         "    w[i] = sub(w[i], reduce[i])\n"},
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Bench b;
        Program *program = lowered(&b, rows[k].target, rows[k].level);
        Str s = str_new(&b.arena);
        program_print(&s, program);
        cr_expect_str_eq(str_text(&s), rows[k].want);
        cr_expect_null(program_verify(program));
        cr_expect_null(program_check_plan(program));
        arena_release(&b.arena);
    }
}

// Two loops, one in the other: their calls stand in them and say which slots they are given.
static const char *nested = "size T <= 3\n"
                            "train step(x: f32[T, 2, 4]) {\n"
                            "  loop 1 over T reverse\n"
                            "  loop 2 over 2 in 1\n"
                            "  %0 = argument {name=\"x\"} : f32[T, 2, 4] @{forward name=\"x\"}\n"
                            "  %1 = constant {dtype=f32, value=0, int=0} : f32[]\n"
                            "  %2 = broadcast %1 {shape=[4], axes=[]} : f32[4]\n"
                            "  %3 = element %0 {loop=1} : f32[2, 4] @{forward name=\"xt\"}\n"
                            "  %4 = carry %2 {loop=1, index=0} : f32[4] @{forward name=\"h\"}\n"
                            "  %5 = element %3 {loop=2} : f32[4] @{forward name=\"e\"}\n"
                            "  %6 = carry %4 {loop=2, index=0} : f32[4] @{forward name=\"g\"}\n"
                            "  %7 = max %6, %5 : f32[4] @{forward name=\"g\"}\n"
                            "  %8 = last %7 {loop=2} : f32[4] @{forward name=\"g\"}\n"
                            "  %9 = last %8 {loop=1} : f32[4] @{forward name=\"h\"}\n"
                            "  next %4 = %8\n"
                            "  next %6 = %7\n"
                            "  return \"y\" = %9\n"
                            "}\n";

Test(loops, loops_over_steps_are_printed) {
    Bench b;
    Program *program = lowered_of(&b, nested, "c11", 2);
    Str s = str_new(&b.arena);
    program_print(&s, program);
    cr_expect_str_eq(str_text(&s), "entry step: arena 128 bytes, at least 128\n"
                                   "  argument x: f32[T, 2, 4]\n"
                                   "  argument y: f32[4]\n"
                                   "  arena h_slots: f32[2, 4] at 0, calls 0 to 4\n"
                                   "  arena h: f32[4] in h_slots[0] at 0, calls 0 to 0\n"
                                   "  arena h_2: f32[4] in h_slots[(T - t + 1) % 2] at 0, calls 1 to 3\n"
                                   "  arena h_3: f32[4] in h_slots[(T - t) % 2] at 0, calls 1 to 3\n"
                                   "  arena g_slots: f32[1, 4] at 64, calls 1 to 3\n"
                                   "  arena g: f32[4] in g_slots[0] at 64, calls 1 to 1\n"
                                   "  arena g_2: f32[4] in g_slots[0] at 64, calls 2 to 2\n"
                                   "  arena g_3: f32[4] in g_slots[0] at 64, calls 2 to 2\n"
                                   "  argument xt: f32[2, 4] in x[t]\n"
                                   "  argument e: f32[4] in xt[t2]\n"
                                   "  arena g_4: f32[4] in g_slots[0] at 64, calls 3 to 3\n"
                                   "  arena h_4: f32[4] in h_slots[T % 2] at 0, calls 4 to 4\n"
                                   "call 0: hold (rows)\n"
                                   "  # h = hold at test.graph:9:4\n"
                                   "  # h is h_slots[0]\n"
                                   "  for i = 0 .. 4:\n"
                                   "    h[i] = hold(0)\n"
                                   "for t = 0 .. T reversed: # loop 1\n"
                                   "  call 1: hold (rows)\n"
                                   "    # g = hold at test.graph:11:4\n"
                                   "    # h_2 is h_slots[(T - t + 1) % 2], g is g_slots[0]\n"
                                   "    for i = 0 .. 4:\n"
                                   "      g[i] = hold(h_2[i])\n"
                                   "  for t2 = 0 .. 2: # loop 2\n"
                                   "    call 2: max (rows)\n"
                                   "      # g = max at test.graph:12:4\n"
                                   "      # g_2 is g_slots[0], e is xt[t2], g_3 is g_slots[0]\n"
                                   "      for i = 0 .. 4:\n"
                                   "        g_3[i] = max(g_2[i], e[i])\n"
                                   "  call 3: hold (rows)\n"
                                   "    # h = hold at test.graph:14:4\n"
                                   "    # g_4 is g_slots[0], h_3 is h_slots[(T - t) % 2]\n"
                                   "    for i = 0 .. 4:\n"
                                   "      h_3[i] = hold(g_4[i])\n"
                                   "call 4: copy (copy) unless y is NULL\n"
                                   "  # y = h, a copy\n"
                                   "  # h_4 is h_slots[T % 2]\n"
                                   "  for i = 0 .. 4:\n"
                                   "    y[i] = h_4[i]\n");
    arena_release(&b.arena);
}

// ---- the verifier ---------------------------------------------------------------------------------------------------

// The first statement of a kind, in order.
static Stmt *find(Stmt *s, StmtKind kind) {
    if (s->kind == kind) return s;
    for (int k = 0; k < s->body.len; k++) {
        Stmt *found = find(s->body.at[k], kind);
        if (found) return found;
    }
    return NULL;
}

static Stmt *find_loop(Stmt *s, ForKind kind) {
    if (s->kind == STMT_FOR && s->loop == kind) return s;
    for (int k = 0; k < s->body.len; k++) {
        Stmt *found = find_loop(s->body.at[k], kind);
        if (found) return found;
    }
    return NULL;
}

typedef enum Damage {
    LOOP_TOO_LONG,
    LOOP_BEYOND_SIZE,
    INDEX_TOO_LOW,
    VARIABLE_OUTSIDE,
    LOCAL_OUTSIDE,
    LOCAL_TOO_LARGE,
    VARYING_REGISTER,
    ROLLED_REGISTER,
    UNROLLED_SIZE,
    LOOP_IN_UNROLLED,
    WIDE_STORE,
    USE_TOO_MANY,
    DAMAGES
} Damage;

static const char *const expected[DAMAGES] = {
    [LOOP_TOO_LONG] = "may leave its 40 elements",
    [LOOP_BEYOND_SIZE] = "may leave its 20 elements",
    [INDEX_TOO_LOW] = "may be negative",
    [VARIABLE_OUTSIDE] = "outside its loop",
    [LOCAL_OUTSIDE] = "outside the block",
    [LOCAL_TOO_LARGE] = "more than 4 KiB",
    [VARYING_REGISTER] = "has an index that varies",
    [ROLLED_REGISTER] = "has an index that varies",
    [UNROLLED_SIZE] = "has no constant range",
    [LOOP_IN_UNROLLED] = "stands in an unrolled one",
    [WIDE_STORE] = "may leave its 40 elements",
    [USE_TOO_MANY] = "is not among the uses",
};

static void damage(Bench *b, Program *program, Damage kind) {
    Arena *a = &b->arena;
    Stmt *rows = find(program->calls.at[0].kernel->body, STMT_FOR), *lanes = find(rows->body.at[0], STMT_FOR);
    Stmt *store = find(lanes, STMT_STORE);
    Stmt *columns = find(program->calls.at[1].kernel->body, STMT_FOR), *local = find(columns, STMT_LOCAL);
    Stmt *sum = find(columns, STMT_ACCUMULATE);
    if (kind == LOOP_TOO_LONG) lanes->hi = index_add_const(a, lanes->hi, 16);
    if (kind == LOOP_BEYOND_SIZE) rows->hi = index_const(a, 20);
    if (kind == INDEX_TOO_LOW) store->at[1] = index_add_const(a, store->at[1], -1);
    if (kind == VARIABLE_OUTSIDE) store->at[0] = index_var(a, columns->var);
    if (kind == LOCAL_OUTSIDE) columns->body.at[0] = stmt_block(a);
    if (kind == LOCAL_TOO_LARGE) local->buffer->dim[0].extent = 1 << 10;
    if (kind == VARYING_REGISTER) sum->at[0] = index_mod(a, index_var(a, columns->var), 2);
    // for n { unroll v { sum[v] += x[n, j + 16*v:16] } }
    Stmt *terms = find_loop(columns->body.at[1], FOR_SERIAL), *unrolled = find_loop(terms, FOR_UNROLLED);
    if (kind == ROLLED_REGISTER) unrolled->loop = FOR_SERIAL;
    if (kind == UNROLLED_SIZE) terms->loop = FOR_UNROLLED;
    if (kind == LOOP_IN_UNROLLED) columns->loop = FOR_UNROLLED;
    if (kind == USE_TOO_MANY) program->calls.at[0].kernel->uses.at[0].read ^= true;
    if (kind == WIDE_STORE) store->at[1] = index_add_const(a, store->at[1], 10);
}

Test(loops, damage_is_refused) {
    for (int kind = 0; kind < DAMAGES; kind++) {
        Bench b;
        Program *program = lowered(&b, "x86-64-v4", 2);
        damage(&b, program, (Damage)kind);
        const char *wrong = program_verify(program);
        cr_expect(wrong && strstr(wrong, expected[kind]), "got \"%s\", want \"... %s ...\"", wrong ? wrong : "",
                  expected[kind]);
        arena_release(&b.arena);
    }
}
