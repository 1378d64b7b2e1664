// test_rows.c: the rows recipe, the naive recipe and the places of outputs as C for each target, against the
// interpreter; and the same bits for any number of chunks. Each row is a .dl expression over x and v (and i, integers).
#include <criterion/criterion.h>
#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "loops/lower.h"
#include "passes/passes.h"

typedef struct Row {
    const char *what;
    const char *x, *v; // shapes
    const char *body;  // assigns y
    const char *y;     // type of the result
} Row;

static const Row rows[] = {
    {"one element", "1", "1", "y = x + v", "f32[1]"},
    {"chain over whole vectors", "6, 64", "64", "y = relu(x * v + 1) / (exp(x) + 2)", "f32[6, 64]"},
    {"chain with a tail", "5, 37", "37", "y = tanh(x) * v", "f32[5, 37]"},
    {"shorter than a vector", "5, 3", "3", "y = x - v", "f32[5, 3]"},
    {"scalar results", "5", "5", "y = sum(x * v)", "f32[]"},
    {"chunks of rows", "700, 200", "200", "y = sigmoid(x) * v", "f32[700, 200]"},
    {"chunks of lanes", "3, 50000", "3", "y = x * 2 + 1", "f32[3, 50000]"},
    {"transposed: no vectors", "33, 48", "33", "y = exp(transpose(x, 0, 1)) + v", "f32[48, 33]"},
    {"sum of rows", "9, 200", "9", "y = sum(x, axis=1) * v", "f32[9]"},
    {"sum of long rows", "3, 70001", "3", "y = sum(x * x, axis=1)", "f32[3]"},
    {"sum of rows in many short pieces", "3, 500, 40", "3", "y = sum(x * x, axis=[1, 2])", "f32[3]"},
    {"sum of columns", "90, 70", "70", "y = sum(x, axis=0) + v", "f32[70]"},
    {"sum of long columns", "5000, 100", "100", "y = sum(x * x, axis=0)", "f32[100]"},
    {"sum of columns over two axes", "40, 60, 50", "50", "y = sum(x * x, axis=[0, 1])", "f32[50]"},
    {"sum of outer and inner axes", "40, 60, 50", "60", "y = sum(x * x, axis=[0, 2]) + v", "f32[60]"},
    {"sum of the middle axis", "4, 60, 35", "35", "y = sum(x * v, axis=1)", "f32[4, 35]"},
    {"sum of everything", "300, 401", "1", "y = sum(x * x)", "f32[]"},
    {"max of rows", "9, 200", "9", "y = max(x, axis=1) - min(x, axis=1)", "f32[9]"},
    {"max of columns", "90, 70", "70", "y = max(x, axis=0) + v", "f32[70]"},
    {"softmax", "7, 100", "100", "y = softmax(x * 9)", "f32[7, 100]"},
    {"softmax of columns", "50, 70", "70", "y = softmax(x + v, axis=0)", "f32[50, 70]"},
    {"log_softmax of few classes", "N, 10", "10", "y = log_softmax(x + v)", "f32[N, 10]"},
    {"norm of rows", "20, 150", "150",
     "m = mean(x, axis=1, keepdim=true)\n    d = x - m\n    y = d / sqrt(mean(d * d, axis=1, keepdim=true) + 0.1) * v",
     "f32[20, 150]"},
    {"norm of columns", "N, 150", "150",
     "m = mean(x, axis=0, keepdim=true)\n    d = x - m\n    y = d / sqrt(mean(d * d, axis=0, keepdim=true) + 0.1) * v",
     "f32[N, 150]"},
    {"run-time rows", "N, 50", "50", "y = x * v + sum(x)", "f32[N, 50]"},
    {"run-time lanes", "50, N", "50", "y = sum(x * x, axis=1) + v", "f32[50]"},
    {"run-time lanes kept", "50, N", "N", "y = exp(x + v)", "f32[50, N]"},
    {"two run-time axes", "N, N", "N", "y = sum(x * v, axis=0)", "f32[N]"},
    {"integers", "40, 33", "33", "y = sum(cast(x * 1000, i32), axis=0) * 3", "i64[33]"},
    {"comparisons", "40, 33", "33", "y = select(x > v, x * 2, v)", "f32[40, 33]"},
    {"bool result", "40, 33", "33", "y = x > v", "bool[40, 33]"},
    {"reshape", "6, 8, 10", "60", "y = exp(reshape(x, [8, 60])) * v", "f32[8, 60]"},
};

enum { ROWS = sizeof rows / sizeof rows[0], BOUND = 70 };

typedef struct Variant {
    const char *name;
    HarnessOptions options;
} Variant;

static const Variant variants[] = {
    {"native", {.target = "native", .level = 2, .threads = 1, .cc = "gcc"}},
    {"native, 5 chunks", {.target = "native", .level = 2, .threads = 5, .cc = "gcc", .openmp = true}},
    {"x86-64-v3", {.target = "x86-64-v3", .level = 2, .threads = 3, .cc = "clang"}},
    {"c11", {.target = "c11", .level = 2, .threads = 2, .cc = "gcc"}},
    {"c11 -O0", {.target = "c11", .level = 0, .threads = 1, .cc = "gcc"}},
};
enum { VARIANTS = sizeof variants / sizeof variants[0] };

static bool is_tried(int variant, int row) { return !getenv("DLC_TEST_SANITIZE") || row % VARIANTS == variant; }

static const char *program_text(Arena *arena, int variant) {
    Str s = str_new(arena);
    str_printf(&s, "dim N <= %d\n", BOUND);
    for (int r = 0; r < ROWS; r++) {
        if (!is_tried(variant, r)) continue;
        str_printf(&s, "model e%d(x: f32[%s], v: f32[%s]) -> (y: %s) {\n    %s\n    return y\n}\n", r, rows[r].x,
                   rows[r].v, rows[r].y, rows[r].body);
    }
    return str_text(&s);
}

// Returns the entry's status; `want` comes from the interpreter.
static int call(Arena *arena, Compiled *c, Graph *entry, int64_t n, Tensor *got, Tensor *want) {
    Tensor arguments[4];
    for (int k = 0; k < entry->arguments.len; k++)
        arguments[k] = tensor_drawn(arena, &entry->arguments.at[k]->type, &n, (uint32_t)(7 + k), -1, 1);
    for (int k = 0; k < entry->outputs.len; k++)
        got[k] = want[k] = tensor_new(arena, &entry->outputs.at[k].value->type, &n);
    for (int k = 0; k < entry->outputs.len; k++) got[k] = tensor_new(arena, &entry->outputs.at[k].value->type, &n);
    int status = compiled_call(c, entry, &n, arguments, got, NULL);
    Interpretation run = {.arena = arena, .sizes = &n, .arguments = arguments, .returned = want};
    graph_interpret(entry, &run);
    return status;
}

static bool same_numbers(const Tensor *a, const Tensor *b) {
    for (int64_t i = 0; i < a->count; i++)
        if (a->f ? a->f[i] != b->f[i] : a->i[i] != b->i[i]) return false;
    return true;
}

Test(rows, agree_with_the_interpreter, .timeout = 300) {
    Arena arena = {0};
    Tensor first[VARIANTS][ROWS] = {0};
    for (int v = 0; v < VARIANTS; v++) {
        const char *path = arena_printf(&arena, "%s/rows%d.dl", harness_dir(&arena, "rows"), v);
        harness_write(path, program_text(&arena, v));
        Compiled *c = compiled_new(&arena, path, arena_printf(&arena, "rows%d", v), &variants[v].options);
        cr_assert(c, "%s does not compile", variants[v].name);
        for (int r = 0; r < ROWS; r++) {
            if (!is_tried(v, r)) continue;
            Graph *entry = compiled_entry(c, arena_printf(&arena, "e%d", r));
            bool sized = strchr(rows[r].x, 'N');
            for (int64_t n = sized ? 1 : BOUND; n <= BOUND; n += n < 3 ? 1 : n == 3 ? 13 : n == 64 ? 6 : 16) {
                Tensor got, want;
                int status = call(&arena, c, entry, n, &got, &want);
                cr_expect_eq(status, 0, "%s, %s: returned %d", rows[r].what, variants[v].name, status);
                double difference = tensor_difference(&got, &want);
                cr_expect(difference < 1e-5, "%s, N = %d, %s: differs by %g", rows[r].what, (int)n, variants[v].name,
                          difference);
                if (n == BOUND) first[v][r] = got;
            }
        }
        compiled_free(c);
    }
    for (int r = 0; r < ROWS; r++)
        if (first[0][r].count && first[1][r].count)
            cr_expect(same_numbers(&first[0][r], &first[1][r]), "%s: changes with the number of chunks", rows[r].what);
    arena_release(&arena);
}

// 1024 equal terms round alike, by up to 3e-5 of their sum; a million in one accumulator would be off by percents.
Test(rows, long_sums_are_cut_into_blocks, .timeout = 120) {
    Arena arena = {0};
    const char *path = arena_printf(&arena, "%s/long.dl", harness_dir(&arena, "rows"));
    harness_write(path, "model across(x: f32[20000000]) -> (y: f32[]) {\n    return sum(x)\n}\n"
                        "model down(x: f32[1000000, 16]) -> (y: f32[16]) {\n    return sum(x, axis=0)\n}\n");
    Compiled *c = compiled_new(&arena, path, "rows_long", &variants[0].options);
    cr_assert(c, "does not compile");
    static const char *const names[] = {"across", "down"};
    static const double want[] = {20000000, 1000000};
    for (int k = 0; k < 2; k++) {
        Graph *entry = compiled_entry(c, names[k]);
        int64_t n = 1;
        Tensor x = tensor_new(&arena, &entry->arguments.at[0]->type, &n);
        Tensor y = tensor_new(&arena, &entry->outputs.at[0].value->type, &n);
        for (int64_t i = 0; i < x.count; i++) x.f[i] = 0.1f;
        compiled_call(c, entry, &n, &x, &y, NULL);
        double off = fabs(y.f[0] / (want[k] * (double)0.1f) - 1);
        cr_expect(off < 5e-5, "%s: off by %g of the sum", names[k], off);
    }
    compiled_free(c);
    arena_release(&arena);
}

// ---- where outputs live ---------------------------------------------------------------------------------------------

typedef struct Place {
    const char *what;
    const char *body; // nodes after %0 = a, %1 = b (storages), %2 = x; then outputs
} Place;

#define ADD(n, a, b) "  %" #n " = add %" #a ", %" #b " : f32[40]\n"
#define MUL(n, a, b) "  %" #n " = mul %" #a ", %" #b " : f32[40]\n"

static const Place places[] = {
    {"in place", ADD(3, 0, 2) "  store \"a\" = %3\n"},
    {"old value is returned", ADD(3, 0, 2) "  return \"old\" = %0\n  store \"a\" = %3\n"},
    {"swap", "  store \"a\" = %1\n  store \"b\" = %0\n"},
    {"swap of new values", ADD(3, 0, 2) MUL(4, 1, 2) "  store \"a\" = %4\n  store \"b\" = %3\n"},
    {"each reads the other's old value", ADD(3, 0, 1) MUL(4, 0, 1) "  store \"a\" = %3\n  store \"b\" = %4\n"},
    {"one value in two storages", ADD(3, 0, 1) "  store \"a\" = %3\n  store \"b\" = %3\n"},
    {"one value returned and stored", ADD(3, 0, 1) "  return \"y\" = %3\n  store \"a\" = %3\n"},
    {"one value returned twice", ADD(3, 0, 1) "  return \"y\" = %3\n  return \"z\" = %3\n  store \"a\" = %3\n"},
    {"an argument is stored", ADD(3, 0, 1) "  store \"a\" = %2\n  store \"b\" = %3\n"},
    {"a chain of updates", ADD(3, 0, 2) MUL(4, 3, 1) "  store \"a\" = %3\n  store \"b\" = %4\n"},
    {"the old value at another index",
     "  %3 = reshape %0 {shape=[5, 8]} : f32[5, 8]\n  %4 = transpose %3 {perm=[1, 0]} : f32[8, 5]\n"
     "  %5 = reshape %4 {shape=[40]} : f32[40]\n" ADD(6, 5, 0) "  store \"a\" = %6\n"},
    {"a sum of the old value",
     "  %3 = reduce %0 {kind=\"sum\", ties=\"even\", shape=[], iter=[| i:40] out[] += a[i]} : f32[]\n"
     "  %4 = broadcast %3 {shape=[40], axes=[]} : f32[40]\n" ADD(5, 0, 4) "  return \"s\" = %3\n  store \"a\" = %5\n"},
    {"itself", ADD(3, 0, 1) "  return \"y\" = %3\n  store \"a\" = %0\n"},
};
enum { PLACES = sizeof places / sizeof places[0] };

static const char *places_text(Arena *arena) {
    Str s = str_new(arena);
    str_put(&s, "param \"a\": f32[40]\nparam \"b\": f32[40]\n");
    for (int k = 0; k < PLACES; k++)
        str_printf(
            &s,
            "train p%d(x: f32[40]) {\n  %%0 = storage {name=\"a\"} : f32[40]\n  %%1 = storage {name=\"b\"} : f32[40]\n"
            "  %%2 = argument {name=\"x\"} : f32[40]\n%s}\n",
            k, places[k].body);
    return str_text(&s);
}

static void check_place(Arena *arena, Compiled *c, int k, const char *who, bool skipped) {
    Graph *entry = compiled_entry(c, arena_printf(arena, "p%d", k));
    Type type = {F32, 1, {dim_fixed(40)}};
    int64_t n = 1;
    Tensor x = tensor_drawn(arena, &type, &n, 3, -1, 1), storages[2], got[4], want[4];
    bool skip[4] = {skipped, skipped, skipped, skipped};
    int returned = 0;
    for (int i = 0; i < 2; i++) {
        storages[i] = tensor_drawn(arena, &type, &n, (uint32_t)(20 + i), -1, 1);
        compiled_set(c, i ? "b" : "a", &storages[i]);
    }
    for (; returned < entry->outputs.len && !entry->outputs.at[returned].storage; returned++)
        got[returned] = tensor_new(arena, &entry->outputs.at[returned].value->type, &n);
    Interpretation run = {.arena = arena, .sizes = &n, .arguments = &x, .storages = storages, .returned = want};
    graph_interpret(entry, &run);
    cr_expect_eq(compiled_call(c, entry, &n, &x, got, skip), 0);
    for (int i = 0; i < returned && !skipped; i++)
        cr_expect(tensor_difference(&got[i], &want[i]) < 1e-6, "%s, %s: output %d is wrong", places[k].what, who, i);
    for (int i = 0; i < 2; i++) {
        Tensor now = tensor_new(arena, &type, &n);
        compiled_get(c, i ? "b" : "a", &now);
        cr_expect(tensor_difference(&now, &storages[i]) < 1e-6, "%s, %s%s: storage %s is wrong", places[k].what, who,
                  skipped ? ", outputs skipped" : "", i ? "b" : "a");
    }
}

Test(rows, outputs_are_where_they_belong, .timeout = 120) {
    Arena arena = {0};
    const char *path = arena_printf(&arena, "%s/places.graph", harness_dir(&arena, "rows"));
    harness_write(path, places_text(&arena));
    static const int tried[] = {0, 3, 4};
    for (int v = 0; v < 3; v++) {
        const Variant *variant = &variants[tried[v]];
        Compiled *c = compiled_new(&arena, path, arena_printf(&arena, "places%d", v), &variant->options);
        cr_assert(c, "%s does not compile", variant->name);
        for (int k = 0; k < PLACES; k++)
            for (int skipped = 0; skipped < 2; skipped++) check_place(&arena, c, k, variant->name, skipped);
        compiled_free(c);
    }
    arena_release(&arena);
}

// ---- which axis threads share ---------------------------------------------------------------------------------------

typedef struct Chunked {
    const char *what, *target, *x, *y, *body; // x: i64[...] or f32[...]
    int chunks, axis;                         // 0 chunks: none; the axis: whose variable runs inside the chunks
} Chunked;

// Eight threads.
static const Chunked chunked[] = {
    {"whole vectors: the longer axis", "x86-64-v4", "f32[64, 4096]", "f32[64, 4096]", "x * 2", 8, 0},
    {"few rows of scalars: the long rows are cut", "c11", "f32[2, 500000]", "f32[2, 500000]", "x * 2", 8, 1},
    {"many rows of scalars", "c11", "f32[64, 4096]", "f32[64, 4096]", "x * 2", 8, 0},
    {"a run-time axis of any length, long rows", "x86-64-v3", "i64[N, 4096]", "i64[N, 4096]", "x * 2", 8, 1},
    {"short rows of scalars stay whole, seven chunks are enough", "x86-64-v4", "i64[N, 14, 9, 32]", "i64[N, 14, 9, 32]",
     "x * 2", 7, 1},
    {"the most chunks, evenly", "x86-64-v4", "i64[N, 6, 70, 32]", "i64[N, 6, 70, 32]", "x * 2", 8, 2},
    {"too little work", "x86-64-v4", "f32[4, 32]", "f32[4, 32]", "x * 2", 0, 0},
};

// The chunks' loop, and the axis of what is stored whose loop follows the chunk's number.
static const Stmt *find_chunks(const Stmt *s) {
    if (s->kind == STMT_FOR && s->loop == FOR_CHUNKS) return s;
    const Stmt *found = NULL;
    for (int k = 0; k < s->body.len && !found; k++) found = find_chunks(s->body.at[k]);
    return found;
}

static const Stmt *find_stored(const Stmt *s) {
    if (s->kind == STMT_STORE) return s;
    const Stmt *found = NULL;
    for (int k = 0; k < s->body.len && !found; k++) found = find_stored(s->body.at[k]);
    return found;
}

static int cut_axis(const Stmt *chunks) {
    const Stmt *store = find_stored(chunks);
    for (int d = 0; store && d < store->buffer->rank; d++) {
        const Var *var = store->at[d]->nterms ? store->at[d]->term[0].atom.var : NULL;
        if (var && var->loop && index_uses(var->loop->lo, chunks->var)) return d;
    }
    return -1;
}

Test(rows, threads_share_the_right_axis) {
    for (size_t k = 0; k < sizeof chunked / sizeof *chunked; k++) {
        const Chunked *row = &chunked[k];
        Arena arena = {0};
        const char *text =
            arena_printf(&arena, "dim N <= 65\nmodel f(x: %s) -> (y: %s) { return %s }\n", row->x, row->y, row->body);
        Module *module = harness_text(&arena, "chunks.dl", text, NULL, stderr);
        cr_assert(module, "%s", row->what);
        passes_run(module, &(PassOptions){.level = 2, .out = stderr});
        Program *program = program_lower(module->entries.at[0], target_find(row->target), 2, 8);
        const Stmt *chunks = find_chunks(program->calls.at[0].kernel->body);
        int64_t n = 0;
        if (chunks) index_is_const(chunks->hi, &n);
        cr_expect(n == row->chunks, "%s: %d chunks, want %d", row->what, (int)n, row->chunks);
        if (chunks) cr_expect(cut_axis(chunks) == row->axis, "%s: axis %d", row->what, cut_axis(chunks));
        arena_release(&arena);
    }
}
