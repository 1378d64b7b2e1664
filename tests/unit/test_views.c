// test_views.c: values without memory of their own: what becomes a view, a part of a concat or a result in place, how
// many kernels are left, that the C has the numbers of the interpreter , and that the
// checker refuses every way in which such sharing could be wrong.
#include <criterion/criterion.h>
#include <string.h>

#include "frontend/elaborate.h"
#include "harness.h"
#include "loops/lower.h"
#include "passes/passes.h"

typedef struct Bench {
    Arena arena;
    Diag diag;
    Module *module;
    Program *program;
} Bench;

static void bench_open(Bench *b, const char *text) {
    *b = (Bench){.diag = {.out = stderr}};
    Source *source = NEW(&b->arena, Source);
    text = arena_printf(&b->arena, "dim N <= 4\n%s\n", text);
    *source = (Source){.name = "test.dl", .text = text, .len = (int)strlen(text)};
    AstFile *file = parse_source(&b->arena, &b->diag, source);
    b->module = b->diag.errors ? NULL : elaborate(&b->arena, &b->diag, file, &(ElaborateOptions){0});
    cr_assert(b->module, "does not compile: %s", text);
    passes_run(b->module, &(PassOptions){.level = 2, .out = stderr});
    b->program = program_lower(b->module->entries.at[0], target_find("x86-64-v4"), 2, 2);
    const char *wrong = program_verify(b->program);
    cr_assert_null(wrong, "%s: %s", text, wrong);
    program_plan(b->program);
    wrong = program_check_plan(b->program);
    cr_assert_null(wrong, "%s: %s", text, wrong);
}

#define ONE   "model f(x: f32[N, 48]) -> (y: f32[N, 10]) {\n"
#define MODEL "model f(x: f32[N, 48], z: f32[N, 48]) -> (y: f32[N, 10]) {\n"
#define OWN   "softmax(x, axis=1)"

// Kernels of each call, and views.
static const struct {
    const char *what, *text;
    int kernels, views;
} rows[] = {
    {"a reshape", ONE "return linear(sum(linear(reshape(" OWN ", [N, 6, 8]), 10), axis=1), 10)\n}", 4, 1},
    {"a slice", ONE "return linear(" OWN "[:, 8:40], 10)\n}", 2, 1},
    {"every second row", "model f(x: f32[48, 24]) -> (y: f32[24, 10]) { return linear(" OWN "[::2, :], 10)\n}", 2, 1},
    {"backwards: a copy", ONE "return linear(" OWN "[:, ::-1], 10)\n}", 3, 0},
    {"every second column: a copy", ONE "return linear(" OWN "[:, ::2], 10)\n}", 3, 0},
    {"a reshape of an argument",
     "model f(x: f32[N, 6, 8]) -> (y: f32[N, 10]) { return linear(reshape(x, [N, 48]), 10)\n}", 1, 0},
    {"a slice of a reshaped argument: a copy",
     "model f(x: f32[N, 6, 8]) -> (y: f32[N, 10]) {\n r = reshape(x, [N, 48])\n"
     " return linear(r, 10) + linear(r[:, 8:40], 10)\n}",
     3, 0},
    {"a concat", MODEL "return linear(concat([" OWN ", softmax(z, axis=1)], axis=1), 10)\n}", 3, 2},
    {"a concat of three",
     MODEL "return linear(concat([" OWN ", softmax(z, axis=1), softmax(x + z, axis=1)], axis=1), 10)\n}", 4, 3},
    {"a concat with the same twice: a copy", ONE "return linear(concat([" OWN ", " OWN "], axis=1), 10)\n}", 3, 0},
    {"a concat with an argument: a copy", MODEL "return linear(concat([" OWN ", z], axis=1), 10)\n}", 3, 0},
    {"a reshape of a part of a concat",
     MODEL "a = " OWN "\n return linear(concat([a, softmax(z, axis=1)], axis=1), 10) + "
           "sum(linear(reshape(a, [N, 6, 8]), 10), axis=1)\n}",
     5, 3},
    {"a reshape across the edge of a part: a copy",
     "model f(x: f32[4, 48], z: f32[4, 48]) -> (y: f32[4, 10]) {\n a = " OWN "\n"
     " b = linear(concat([a, softmax(z, axis=1)], axis=1), 10)\n return b + sum(linear(reshape(a, [2, 96]), 10))\n}",
     6, 2},
    {"parts with a halo",
     "model f(x: f32[N, 16, 6, 6], z: f32[N, 16, 6, 6]) -> (y: f32[N, 16, 4, 4]) {\n"
     " a = concat([conv2d(x, 16, 3, padding=1), conv2d(z, 16, 3, padding=1)], axis=1)\n"
     " return a |> conv2d(16, 3, padding=1) |> conv2d(16, 3)\n}",
     4, 2},
    {"a dense block",
     "model f(x: f32[N, 16, 6, 6]) -> (y: f32[N, 16, 4, 4]) {\n a = conv2d(x, 16, 3, padding=1)\n"
     " b = concat([a, conv2d(a, 16, 3, padding=1)], axis=1)\n c = concat([b, conv2d(b, 16, 3, padding=1)], axis=1)\n"
     " return conv2d(c, 16, 3)\n}",
     4, 4},
    {"a concat that is summed",
     MODEL "return linear(sum(reshape(concat([relu(x), z], axis=1), [N, 6, 16]), axis=1), 10)\n}", 2, 0},
    {"a concat with what would be inlined",
     "model f(x: f32[N, 48], z: f32[N, 24]) -> (y: f32[N, 10]) {\n"
     " b = reshape(broadcast(reshape(z, [N, 24, 1]), [N, 24, 2]), [N, 48])\n"
     " return linear(concat([softmax(x, axis=1), b], axis=1), 10)\n}",
     3, 2},
    {"a concat that a row's sum reads",
     MODEL "return linear(softmax(concat([" OWN ", softmax(z, axis=1)], axis=1), axis=1), 10)\n}", 4, 2},
    {"a concat with an argument that a row's sum reads: its reader chooses",
     MODEL "return linear(softmax(concat([" OWN ", z], axis=1), axis=1), 10)\n}", 3, 0},
    {"two concats with one part: its second reader chooses",
     MODEL "a = " OWN "\n b = softmax(z, axis=1)\n return linear(softmax(concat([a, b], axis=1), axis=1), 10)"
           " + linear(softmax(concat([b, a], axis=1), axis=1), 10)\n}",
     6, 2},
    {"a concat that its only reader inlines",
     "model f(x: f32[N, 48], z: f32[N, 24]) -> (y: f32[N, 10]) {\n"
     " b = reshape(broadcast(reshape(z, [N, 24, 1]), [N, 24, 2]), [N, 48])\n"
     " return linear(relu(concat([softmax(x, axis=1), b], axis=1)), 10)\n}",
     3, 0},
    {"in place", MODEL "a = linear(z, 48) + " OWN "\n return linear(a, 10)\n}", 3, 1},
    {"not in place: read later", MODEL "r = " OWN "\n a = linear(z, 48) + r\n return linear(a, 10) + linear(r, 10)\n}",
     4, 0},
    {"not in place: read at other places", ONE "r = " OWN "\n a = linear(r, 48) + r\n return linear(a, 10)\n}", 3, 0},
};

Test(views, what_they_are) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Bench b;
        bench_open(&b, rows[k].text);
        const Program *p = b.program;
        int views = 0;
        for (int i = 0; i < p->buffers.len; i++) views += p->buffers.at[i]->view && p->buffers.at[i]->first_call >= 0;
        cr_expect(p->calls.len - p->nprepare == rows[k].kernels && views == rows[k].views,
                  "%s: %d kernels and %d views, want %d and %d", rows[k].what, p->calls.len - p->nprepare, views,
                  rows[k].kernels, rows[k].views);
        arena_release(&b.arena);
    }
}

// ---- which value lies where -----------------------------------------------------------------------------------------

#define SUM2        "model f(x: f32[N, 48], z: f32[N, 48], w: f32[N, 48]) -> (y: f32[N, 10]) {\n"
#define DOUBLED(of) "reshape(broadcast(reshape(" of ", [N, 24, 1]), [N, 24, 2]), [N, 48])"
#define HALVES      "model f(x: f32[N, 24], z: f32[N, 24], w: f32[N, 48]) -> (y: f32[N, 10]) {\n"
#define IMAGES      "model f(x: f32[N, 16, 6, 6], z: f32[N, 16, 6, 6]) -> (y: f32[N, 16, 4, 4]) {\n"

// Values that lie in another one: from which of its elements on.
static const struct {
    const char *what, *text, *lie;
} places[] = {
    {"the last reader of a takes its place",
     SUM2 "a = softmax(x, axis=1)\n b = linear(z, 48) + a\n return linear(b, 10)\n}", "b in a+0"},
    {"and the last reader of b that of b",
     SUM2 "a = softmax(x, axis=1)\n b = linear(z, 48) + a\n c = linear(z, 48) * b\n return linear(c, 10)\n}",
     "b in a+0, c in b+0"},
    {"of two, the first that the kernel reads",
     SUM2 "a = softmax(x, axis=1)\n b = softmax(w, axis=1)\n c = (linear(z, 48) + a) * b\n return linear(c, 10)\n}",
     "c in a+0"},
    {"never an argument's", SUM2 "b = linear(z, 48) + x\n return linear(b, 10)\n}", ""},
    {"not that of what the product itself reads",
     SUM2 "a = softmax(x, axis=1)\n b = linear(a, 48) + a\n return linear(b, 10)\n}", ""},
    {"not that of what is read at another index",
     SUM2 "a = softmax(x, axis=1)\n b = linear(z, 48) + a[:, ::-1]\n return linear(b, 10)\n}", ""},
    // The next convolution reads a with zeros around it; h has none.
    {"not where one has a halo and the other has none",
     IMAGES "h = conv2d(x, 16, 3, padding=1)\n a = conv2d(z, 16, 3, padding=1) + h\n"
            " return a |> conv2d(16, 3, padding=1) |> conv2d(16, 3)\n}",
     ""},
    {"parts lie one after another",
     SUM2 "a = softmax(x, axis=1)\n b = softmax(z, axis=1)\n c = concat([a, b], axis=1)\n return linear(c, 10)\n}",
     "a in c+0, b in c+48"},
    {"a concat in a concat along the same axis",
     SUM2 "a = softmax(x, axis=1)\n b = softmax(z, axis=1)\n c = softmax(w, axis=1)\n"
          " d = concat([concat([a, b], axis=1), c], axis=1)\n return linear(d, 10)\n}",
     "a in d+0, b in d+48, c in d+96"},
    {"a concat in a concat, both read by a row's sum",
     SUM2 "a = softmax(x, axis=1)\n b = softmax(z, axis=1)\n c = concat([a, b], axis=1)\n e = softmax(w, axis=1)\n"
          " d = concat([c, e], axis=1)\n return linear(softmax(c, axis=1), 10) + linear(softmax(d, axis=1), 10)\n}",
     "a in c+0, b in c+48, c in d+0, e in d+96"},
    // Spread twice, b is no kernel of its own by itself: to be stored in its place it becomes one, and the concat none.
    {"one part that no kernel makes yet",
     HALVES "a = softmax(w, axis=1)\n b = " DOUBLED("z") "\n c = concat([a, b], axis=1)\n return linear(c, 10)\n}",
     "a in c+0, b in c+48"},
    // Two kernels in place of the one that the concat is.
    {"two parts that no kernel makes yet",
     HALVES "a = " DOUBLED("x") "\n b = " DOUBLED("z") "\n c = concat([a, b], axis=1)\n return linear(c, 10)\n}", ""},
    // Choosing among three takes longer than three kernels.
    {"three embeddings",
     "model f(i: i32[N, 3]) -> (y: f32[N, 10]) {\n a = embedding(i[:, 0], 9, 16, name=\"a\")\n"
     " b = embedding(i[:, 1], 9, 16, name=\"b\")\n c = embedding(i[:, 2], 9, 16, name=\"c\")\n"
     " d = concat([a, b, c], axis=1)\n return linear(d, 10)\n}",
     "a in d+0, b in d+16, c in d+32"},
    {"two embeddings: their reader chooses",
     "model f(i: i32[N, 2]) -> (y: f32[N, 10]) {\n a = embedding(i[:, 0], 9, 16, name=\"a\")\n"
     " b = embedding(i[:, 1], 9, 16, name=\"b\")\n d = concat([a, b], axis=1)\n return linear(d, 10)\n}",
     ""},
    {"columns from 8 on", SUM2 "a = softmax(x, axis=1)\n b = a[:, 8:40]\n return linear(b, 10)\n}", "b in a+8"},
    {"rows from 1 on, of 48 columns",
     "model f(x: f32[4, 48]) -> (y: f32[2, 10]) {\n"
     "a = softmax(x, axis=1)\n b = a[1:3, :]\n return linear(b, 10)\n}",
     "b in a+48"},
};

Test(views, where_they_lie) {
    for (size_t k = 0; k < sizeof places / sizeof *places; k++) {
        Bench b;
        bench_open(&b, places[k].text);
        Str lie = str_new(&b.arena);
        for (int i = 0; i < b.program->buffers.len; i++) {
            const Buffer *buffer = b.program->buffers.at[i];
            if (!buffer->view || buffer->first_call < 0) continue;
            str_printf(&lie, "%s%s in %s+%ld", *str_text(&lie) ? ", " : "", buffer->name, buffer->view->of->name,
                       (long)buffer->start);
        }
        cr_expect(!strcmp(str_text(&lie), places[k].lie), "%s: got %s, want %s", places[k].what, str_text(&lie),
                  places[k].lie);
        arena_release(&b.arena);
    }
}

// ---- numbers --------------------------------------------------------------------------------------------------------

enum { ROWS = sizeof rows / sizeof *rows };

static void agree(Arena *arena, Compiled *c, int row, int64_t n) {
    Graph *entry = compiled_entry(c, arena_printf(arena, "f%d", row));
    Tensor arguments[2], got, want;
    Tensor *storages = NEW_ARRAY(arena, Tensor, c->module->storages.len + 1);
    for (int k = 0; k < c->module->storages.len; k++) {
        const Storage *storage = c->module->storages.at[k];
        storages[k] = tensor_drawn(arena, &storage->type, &n, (uint32_t)k, -1, 1);
        compiled_set(c, storage->name, &storages[k]);
    }
    for (int k = 0; k < entry->arguments.len; k++)
        arguments[k] = tensor_drawn(arena, &entry->arguments.at[k]->type, &n, (uint32_t)(99 + k), -2, 2);
    got = tensor_new(arena, &entry->outputs.at[0].value->type, &n);
    want = tensor_new(arena, &entry->outputs.at[0].value->type, &n);
    cr_expect_eq(compiled_call(c, entry, &n, arguments, &got, NULL), 0);
    Interpretation run = {.arena = arena, .sizes = &n, .arguments = arguments, .storages = storages, .returned = &want};
    graph_interpret(entry, &run);
    double difference = tensor_difference(&got, &want);
    cr_expect(difference < 1e-5, "%s, N = %d: differs by %g", rows[row].what, (int)n, difference);
}

// Each row as a layer of its own name, so that its parameters are its own, and a model that calls it.
static void put_row(Str *s, int row) {
    const char *rest = rows[row].text + strlen("model f"), *body = strchr(rest, '{');
    str_printf(s, "layer row%d%s\n", row, rest);
    str_printf(s, "model f%d%.*s{ return row%d(x%s, name=\"row%d\") }\n", row, (int)(body - rest), rest, row,
               strstr(rest, "z:") ? ", z" : "", row);
}

Test(views, agree_with_the_interpreter, .timeout = 120) {
    static const HarnessOptions options[] = {
        {.target = "native", .level = 2, .threads = 3, .cc = "gcc", .openmp = true, .cc_level = "-O1"},
        {.target = "c11", .level = 2, .threads = 1, .cc = "clang", .cc_level = "-O1"}};
    for (int v = 0; v < 2; v++) {
        Arena arena = {0};
        Str s = str_new(&arena);
        str_put(&s, "dim N <= 4\n");
        for (int r = 0; r < ROWS; r++) put_row(&s, r);
        const char *path = arena_printf(&arena, "%s/views%d.dl", harness_dir(&arena, "views"), v);
        harness_write(path, str_text(&s));
        Compiled *c = compiled_new(&arena, path, arena_printf(&arena, "views%d", v), &options[v]);
        cr_assert(c, "%s does not compile", options[v].target);
        for (int r = 0; r < ROWS; r++)
            for (int64_t n = 4; n > 0; n -= 3) agree(&arena, c, r, n);
        compiled_free(c);
        arena_release(&arena);
    }
}

// ---- the checker ----------------------------------------------------------------------------------------------------

static Buffer *find_view(const Program *p, int number) {
    for (int k = 0; k < p->buffers.len; k++)
        if (p->buffers.at[k]->view && number-- == 0) return p->buffers.at[k];
    cr_assert(false, "there is no such view");
    return NULL;
}

static Stmt *find_store(Stmt *s, const Buffer *to) {
    Stmt *found = s->kind == STMT_STORE && s->buffer == to ? s : NULL;
    for (int k = 0; k < s->body.len && !found; k++) found = find_store(s->body.at[k], to);
    return found;
}

static void begin_later(Bench *b, Buffer *view) {
    (void)b;
    view->start++;
    view->offset += 4;
}
static void lie_elsewhere(Bench *b, Buffer *view) { (void)b, view->offset += 64; }
static void stride_more(Bench *b, Buffer *view) { (void)b, view->stride[0] -= 8; }
static void leave(Bench *b, Buffer *view) { (void)b, view->dim[0].extent *= 100; }
static void make_none(Bench *b, Buffer *view) {
    for (int k = 0; k < b->program->calls.len; k++) {
        Kernel *kernel = b->program->calls.at[k].kernel;
        if (!find_store(kernel->body, view)) continue;
        kernel->body = stmt_block(&b->arena);
        kernel_find_uses(&b->arena, kernel);
        b->program->calls.at[k] = call_new(&b->arena, kernel);
    }
}
static void onto_the_other(Bench *b, Buffer *view) {
    Buffer *other = find_view(b->program, 1);
    (void)view;
    other->start = 0;
    other->offset = other->view->of->offset;
}
static void read_again(Bench *b, Buffer *view) {
    Program *p = b->program;
    for (int k = 0; k < p->calls.len; k++) {
        if (!find_store(p->calls.at[k].kernel->body, view)) continue;
        vec_push(&b->arena, &p->calls, p->calls.at[k]);
        break;
    }
}
static void read_the_old(Bench *b, Buffer *view) {
    Call *last = &b->program->calls.at[b->program->calls.len - 1];
    for (int k = 0; k < last->kernel->uses.len; k++)
        if (last->buffer[k] == view) last->buffer[k] = view->view->of;
}
static void store_next(Bench *b, Buffer *view) {
    for (int k = 0; k < b->program->calls.len; k++) {
        Stmt *store = find_store(b->program->calls.at[k].kernel->body, view);
        if (store) store->at[0] = index_add_const(&b->arena, store->at[0], 1);
    }
}
static void is_no_part(Bench *b, Buffer *view) {
    (void)b;
    view->value = view->view->of->value;
}

static const struct {
    const char *what, *row;
    void (*damage)(Bench *b, Buffer *view);
    const char *want;
} damages[] = {
    {"a view that begins later", "a slice", begin_later, "shows other elements"},
    {"a view at another offset", "a reshape", lie_elsewhere, "lies elsewhere"},
    {"a view with another stride", "a slice", stride_more, "shows other elements"},
    {"a view that leaves its memory", "a slice", leave, "leaves it"},
    {"a part that nobody makes", "a concat", make_none, "before anything wrote"},
    {"a part at another place", "a concat", begin_later, "does not lie where"},
    {"a part that lies over the other", "a concat", onto_the_other, "does not lie where"},
    {"a part of something else", "a concat", is_no_part, "is no part of it"},
    {"an input that is read after its memory was taken", "in place", read_again, "written by then"},
    {"an old value that only a later call reads", "in place", read_the_old, "written by then"},
    {"a result in place at another index", "in place", store_next, "written by then"},
};

Test(views, damage_is_refused) {
    for (size_t d = 0; d < sizeof damages / sizeof *damages; d++) {
        Bench b;
        int row = 0;
        while (strcmp(rows[row].what, damages[d].row)) row++;
        bench_open(&b, rows[row].text);
        damages[d].damage(&b, find_view(b.program, 0));
        const char *wrong = program_check_plan(b.program);
        cr_expect(wrong && strstr(wrong, damages[d].want), "%s: got \"%s\", want \"... %s ...\"", damages[d].what,
                  wrong ? wrong : "", damages[d].want);
        arena_release(&b.arena);
    }
}
