// test_text.c: what dlc prints, dlc reads: everything but places survives, floats to the bit; and text that is not
// right is refused with its place, never with a crash.
#include <float.h>
#include <stdio.h>

#include "nodes.h"
#include "slices.h"

// Comments (places, groups) go; '#' within a string stays.
static char *without_comments(Arena *arena, const char *text) {
    Str s = str_new(arena);
    bool quoted = false;
    for (const char *at = text; *at; at++) {
        if (*at == '"' && at[-1] != '\\') quoted = !quoted;
        if (*at == '#' && !quoted) {
            at += strcspn(at, "\n");
            while (s.len && s.at[s.len - 1] == ' ') s.len--;
        }
        bool empty = *at == '\n' && s.len && s.at[s.len - 1] == '\n';
        if (*at && !empty) str_putn(&s, at, 1);
    }
    return arena_strdup(arena, str_text(&s));
}

static const char *printed(Arena *arena, const Module *m) {
    Str s = str_new(arena);
    module_print(&s, m);
    return arena_strdup(arena, str_text(&s));
}

static Module *read_text(Bench *b, const char *text, int len) {
    Source *source = NEW(&b->arena, Source);
    *source = (Source){.name = "test.graph", .text = text, .len = len};
    b->diag.at = NULL;
    return module_read(&b->arena, &b->diag, source);
}

static bool attrs_equal(const Node *a, const Node *b) {
    for (int k = 0; a->op->attrs[k].name; k++)
        if (!attr_equal(a->op->attrs[k].kind, &a->attr[k], &b->attr[k])) return false;
    return true;
}

static void expect_same_node(const Node *a, const Node *b) {
    bool same = a->op == b->op && a->nin == b->nin && type_equal(&a->type, &b->type) && a->section == b->section;
    same &= a->copy == b->copy && !strcmp(a->checkpoint ? a->checkpoint : "-", b->checkpoint ? b->checkpoint : "-");
    for (int k = 0; same && k < a->nin; k++) same = a->in[k]->id == b->in[k]->id;
    cr_expect(same && attrs_equal(a, b), "node %%%d (%s) was read as another", a->id, a->op->name);
    cr_expect(!strcmp(a->name ? a->name : "-", b->name ? b->name : "-"), "node %%%d: name", a->id);
    cr_expect(!strcmp(a->origin ? a->origin : "-", b->origin ? b->origin : "-"), "node %%%d: origin", a->id);
}

static void expect_round_trip(const char *what, Bench *b) {
    const char *text = printed(&b->arena, b->module);
    Module *again = read_text(b, text, (int)strlen(text));
    cr_assert(again, "%s: %s\n%s", what, bench_messages(b), text);
    const char *want = without_comments(&b->arena, text);
    const char *got = without_comments(&b->arena, printed(&b->arena, again));
    cr_expect(!strcmp(got, want), "%s: got\n%s\nwant\n%s", what, got, want);
    cr_assert(again->entries.len == b->module->entries.len && again->storages.len == b->module->storages.len);
    for (int e = 0; e < again->entries.len; e++) {
        const Graph *x = b->module->entries.at[e], *y = again->entries.at[e];
        cr_assert(x->nodes.len == y->nodes.len && x->arguments.len == y->arguments.len && x->kind == y->kind);
        for (int k = 0; k < x->nodes.len; k++) expect_same_node(x->nodes.at[k], y->nodes.at[k]);
        for (int k = 0; k < x->arguments.len; k++)
            cr_expect(x->arguments.at[k]->id == y->arguments.at[k]->id, "%s: argument %d", what, k);
    }
    for (int k = 0; k < again->storages.len; k++)
        cr_expect(again->storages.at[k]->kind == b->module->storages.at[k]->kind && again->storages.at[k]->index == k);
}

// ---- graphs ---------------------------------------------------------------------------------------------------------

static void finish(Bench *b) {
    for (int k = 0; k < b->g->nodes.len; k++) {
        if (b->g->nodes.at[k]->loop) continue; // it cannot be returned
        const char *name = arena_printf(&b->arena, "y%d", k);
        graph_return(b->g, name, b->g->nodes.at[k], (Span){0});
    }
    vec_push(&b->arena, &b->module->entries, b->g);
}

static void make_floats(Bench *b) {
    const double values[] = {0,       -0.0,     1,         -1,       0.1,           1.0 / 3, 1e-45,  FLT_MIN,
                             FLT_MAX, INFINITY, -INFINITY, NAN,      -NAN,          1e10,    1e-7,   16777216,
                             M_PI,    -1e-38,   123456789, 0x1p-149, 0.30000001192, 65504,   2.5e-5, 1e22};
    for (size_t k = 0; k < sizeof values / sizeof *values; k++) build_constant(b->g, F32, values[k]);
    build_constant(b->g, F16, 0.1);
    build_constant(b->g, BF16, 0.1);
}

static void make_integers(Bench *b) {
    build_constant_int(b->g, I64, INT64_MIN);
    build_constant_int(b->g, I64, INT64_MAX);
    build_constant_int(b->g, I32, INT32_MIN);
    build_constant_int(b->g, U8, 255);
    build_constant_int(b->g, I8, -128);
    build_constant_int(b->g, BOOL, 1);
    build_size(b->g, dim_size(6, 0));
    build_size(b->g, dim_size(5, 1));
}

// Axes of run-time size, of rank 0, affine maps of every form.
static void make_maps(Bench *b) {
    Node *image = arg(b, "image", "f32[N, 3, 9, 9]"), *weight = arg(b, "weight", "f32[4, 3, 3, 3]");
    Iter conv = iter_of("nN o4 y4 x4|i3 p3 q3", "n,o,y,x", "n,i,2*y+p-1,2*x+q-1", "o,i,p,q");
    Type shape = type_of("f32[N, 4, 4, 4]", NULL);
    build_contract(b->g, image, weight, &shape, &conv);
    Node *row = arg(b, "row", "f32[12]");
    Type four = type_of("f32[4]", NULL), scalar = type_of("f32[]", NULL);
    Iter flip = iter_of("i4|p3", "i", "-2*i-p+11", NULL), one = iter_of("i4", "i", "3", NULL);
    Iter least = iter_of("i4", "i", "-i+3", NULL), none = iter_of("", "", "7", NULL),
         whole = iter_of("|p12", "", "p", NULL);
    build_reduce_of(b->g, "max", "first", row, &four, &flip);
    build_reduce_of(b->g, "min", "even", row, &four, &one);
    build_reduce_of(b->g, "min", "even", row, &four, &least);
    build_reduce_of(b->g, "sum", "even", row, &scalar, &none);
    build_reduce_of(b->g, "sum", "even", row, &scalar, &whole);
}

static void make_movement(Bench *b) {
    Node *x = arg(b, "x", "f32[N, 2, 3]");
    Type flat = type_of("f32[N, 6]", NULL), wide = type_of("f32[4, N, 6]", NULL), index = type_of("i32[N, 6]", NULL);
    Node *y = build_reshape(b->g, x, &flat);
    build_transpose(b->g, build_broadcast_numpy(b->g, y, &wide), (int[]){2, 0, 1});
    build_unary(b->g, "detach", build_cast(b->g, build_iota(b->g, &index, 1), F32));
    build_select(b->g, build_binary(b->g, "lt", y, y), y, build_full(b->g, &flat, -INFINITY));
    build_full(b->g, &flat, 1);
}

static void make_random(Bench *b) {
    Type shape = type_of("f32[3, 4]", NULL);
    Node *in[] = {arg(b, "seed", "i64[]"), build_constant_int(b->g, I64, 0)};
    Attr attrs[] = {{.i = DRAWS_NORMAL}, {.n = shape.rank, .dims = shape.dim}, {.i = 17}};
    graph_op(b->g, &op_random, in, 2, attrs);
    b->g->kind = ENTRY_INIT;
}

// Names with what strings escape; sections; storages of each kind, some of them bound.
static void make_training(Bench *b) {
    Graph *g = b->g;
    g->kind = ENTRY_TRAIN;
    const char *names[] = {"fc1.weight", "a \"quoted\" \\ name", "tab\tnewline\n# no comment", "\xc3\xa9t\xc3\xa9"};
    Storage *storages[4];
    for (int k = 0; k < 4; k++)
        storages[k] = module_add_storage(b->module, names[k], (StorageKind)k, type_of("f32[3, 2]", NULL), (Span){0});
    g->name_now = "h";
    g->origin_now = "linear";
    Node *x = arg(b, "x", "f32[N, 3]"), *w = build_storage(g, storages[0]);
    Node *logits = build_matmul(g, x, w);
    g->section_now = SECTION_LOSS;
    g->origin_now = NULL;
    Node *loss = build_reduce(g, REDUCE_SUM, build_binary(g, "mul", logits, logits), 3, TIES_EVEN);
    Node *grads[1];
    bool used;
    cr_assert(autodiff(g, loss, &w, 1, grads, &used), "%s", bench_messages(b));
    g->section_now = SECTION_UPDATE;
    g->name_now = names[2];
    g->origin_now = names[1];
    Node *rate = build_full(g, &w->type, 0.05);
    graph_bind(g, storages[0], build_binary(g, "sub", w, build_binary(g, "mul", rate, grads[0])), (Span){0});
    graph_bind(g, storages[2], grads[0], (Span){0});
    graph_bind(g, storages[1], build_storage(g, storages[3]), (Span){0});
}

// What is in the table and in none of the above.
static void make_every_operator(Bench *b) {
    static const char *const types[] = {"f32[2, 3]", "i32[2, 3]", "bool[2, 3]"};
    Node *x[3][3];
    for (int t = 0; t < 3; t++)
        for (int k = 0; k < 3; k++) x[t][k] = arg(b, arena_printf(&b->arena, "x%d_%d", t, k), types[t]);
    for (const Op *const *op = ops; *op; op++) {
        if (!((*op)->traits & OP_ELEMENTWISE) || (*op)->attrs[0].name || !strcmp((*op)->name, "select")) continue;
        bool logic = !strcmp((*op)->name, "and") || !strcmp((*op)->name, "or") || !strcmp((*op)->name, "not");
        Node *y = graph_op(b->g, *op, x[logic ? 2 : 0], (*op)->inputs, NULL);
        cr_expect(y, "%s: %s", (*op)->name, bench_messages(b));
    }
}

// Parts, with starts and steps of both signs and an infinite value; indices; axes.
static void make_parts(Bench *b) {
    Graph *g = b->g;
    Node *x = arg(b, "x", "f32[N, 6]"), *i = arg(b, "i", "i64[4]");
    Type part = type_of("f32[N, 3]", NULL), whole = type_of("f32[N, 9]", NULL);
    Node *s = build_slice_fixed(g, x, &part, (int64_t[]){0, 5}, (int64_t[]){1, -2});
    Node *p = build_pad_fixed(g, s, &whole, (int64_t[]){0, 1}, (int64_t[]){1, 3}, -INFINITY);
    build_concat(g, p, x, 1);
    Node *y = graph_op(g, &op_gather, (Node *[]){x, i}, 2, &(Attr){.i = 0});
    Attr attrs[] = {{.n = 2, .dims = x->type.dim}, {.i = 0}};
    graph_op(g, &op_scatter_add, (Node *[]){y, i}, 2, attrs);
    graph_op(g, &op_update, (Node *[]){x, i, y}, 3, (Attr[]){{.i = 0}, {.i = 0}});
    graph_op(g, &op_cumsum, &x, 1, (Attr[]){{.i = 1}, {.i = 1}});
}

// Two loops, one in the other and reversed.
static void make_loops(Bench *b) {
    Node *x = arg(b, "x", "f32[4, N, 3]"), *h0 = arg(b, "h0", "f32[3]");
    int outer = graph_loop_new(b->g, x->type.dim[0], false, 0);
    Node *row = build_element(b->g, outer, x), *h = build_carry(b->g, outer, h0);
    int inner = graph_loop_new(b->g, row->type.dim[0], true, outer);
    Node *e = build_element(b->g, inner, row), *c = build_carry(b->g, inner, h);
    Node *step = build_cast(b->g, build_step(b->g, inner), F32);
    Node *next =
        build_binary(b->g, "add", build_binary(b->g, "mul", c, e), build_broadcast(b->g, step, &e->type, NULL));
    graph_loop_next(b->g, c, next);
    graph_loop_next(b->g, h, build_hold(b->g, outer, build_last(b->g, inner, next), 3));
    graph_return(b->g, "all", build_stack(b->g, outer, build_stack(b->g, inner, next)), (Span){0});
}

typedef struct Form {
    const char *what;
    void (*make)(Bench *b);
} Form;

static const Form forms[] = {
    {"floats", make_floats},     {"integers", make_integers},
    {"maps", make_maps},         {"movement", make_movement},
    {"parts", make_parts},       {"random", make_random},
    {"training", make_training}, {"operators", make_every_operator},
    {"loops", make_loops},
};
enum { FORMS = sizeof forms / sizeof *forms };

Test(text, graphs_survive_printing_and_reading) {
    for (int k = 0; k < FORMS; k++) {
        Bench b;
        bench_open(&b);
        forms[k].make(&b);
        finish(&b);
        const char *wrong = graph_verify(b.g);
        cr_assert(!wrong, "%s: %s", forms[k].what, wrong);
        expect_round_trip(forms[k].what, &b);
        bench_close(&b);
    }
}

// Copies are apart from what they are copies of, and from each other; the blocks of a node are a mark and no more.
Test(text, copies_are_other_nodes) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[4]"), *made[4];
    for (int k = 0; k < 4; k++) {
        b.g->copy_now = k / 2;
        b.g->checkpoint_now = k % 2 ? "1.2" : NULL;
        made[k] = build_unary(b.g, "exp", x);
    }
    cr_expect(made[0] == made[1] && made[2] == made[3] && made[1] != made[2]);
    b.g->copy_now = 2;
    b.g->checkpoint_now = "3.\"7";
    build_unary(b.g, "exp", x);
    b.g->copy_now = 0;
    finish(&b);
    const char *wrong = graph_verify(b.g);
    cr_expect(!wrong, "%s", wrong);
    expect_round_trip("copies", &b);
    cr_expect(strstr(printed(&b.arena, b.module), "= exp %0 : f32[4] @{forward copy=1}\n"), "%s",
              printed(&b.arena, b.module));
    const Graph *again = graph_rebuild(b.g, NULL, NULL);
    cr_expect(again->nodes.len == b.g->nodes.len && again->nodes.at[3]->copy == 2);
    bench_close(&b);
}

// Several entries share the module's storages; places are printed as comments and change nothing.
Test(text, places_are_comments) {
    static const Source source = {.name = "net.dl", .text = "y = relu(x)\n", .len = 12};
    Bench b;
    bench_open(&b);
    b.g->span_now = (Span){&source, 4, 11};
    build_unary(b.g, "relu", arg(&b, "x", "f32[N, 2]"));
    finish(&b);
    b.g = graph_new(b.module, "second", ENTRY_TRAIN);
    make_integers(&b);
    finish(&b);
    cr_expect(strstr(printed(&b.arena, b.module), " : f32[N, 2]  # net.dl:1:5\n"));
    expect_round_trip("places", &b);
    bench_close(&b);
}

// Every operator stands in some form, so a new one is noticed here by its name.
Test(text, every_operator_is_tried) {
    Bench all[FORMS];
    for (int k = 0; k < FORMS; k++) {
        bench_open(&all[k]);
        forms[k].make(&all[k]);
    }
    for (const Op *const *op = ops; *op; op++) {
        bool tried = false;
        for (int k = 0; k < FORMS; k++)
            for (int n = 0; n < all[k].g->nodes.len; n++) tried |= all[k].g->nodes.at[n]->op == *op;
        cr_expect(tried, "%s: no graph of this file has it", (*op)->name);
    }
    for (int k = 0; k < FORMS; k++) bench_close(&all[k]);
}

// Numbers are as short as their dtype allows.
Test(text, floats_are_short) {
    static const char text[] = "model f() { %0 = constant {dtype=f32, value=0.1, int=0} : f32[] }";
    Bench b;
    bench_open(&b);
    Node *tenth = build_constant(b.g, F32, 0.1), *third = build_constant(b.g, F16, 1.0 / 3);
    cr_expect(strstr(node_text(&b.arena, tenth), "value=0.1,"), "got %s", node_text(&b.arena, tenth));
    cr_expect(strstr(node_text(&b.arena, third), "value=0.3333,"), "got %s", node_text(&b.arena, third));
    Module *m = read_text(&b, text, (int)sizeof text - 1);
    cr_assert(m, "%s", bench_messages(&b));
    cr_expect(m->entries.at[0]->nodes.at[0]->attr[1].f == (float)0.1, "read as a number of its dtype");
    bench_close(&b);
}

// ---- the format -----------------------------------------------------------------------------------------------------

static const char snapshot[] =
    "size N <= 6\n"
    "size M <= 5\n"
    "param \"fc.weight\": f32[3, 2]\n"
    "optim \"optim.step.0.fc.weight.m\": f32[3, 2]\n"
    "train step(x: f32[N, 3], lr: f32[]) {\n"
    "  %0 = argument {name=\"x\"} : f32[N, 3]\n"
    "  %1 = argument {name=\"lr\"} : f32[]\n"
    "  %2 = storage {name=\"fc.weight\"} : f32[3, 2]\n"
    "  %3 = contract %0, %2 {shape=[N, 2], iter=[i:N, j:2 | k:3] out[i, j] += a[i, k] * b[k, j]} : "
    "f32[N, 2] @{forward name=\"h\" origin=\"linear\"}\n"
    "  %4 = reduce %3 {kind=\"sum\", ties=\"even\", shape=[], iter=[| i:N, j:2] out[] += a[i, j]} : "
    "f32[] @{loss}\n"
    "  %5 = broadcast %1 {shape=[3, 2], axes=[]} : f32[3, 2] @{update}\n"
    "  %6 = sub %2, %5 : f32[3, 2] @{update}\n"
    "  return \"loss\" = %4\n"
    "  store \"fc.weight\" = %6\n"
    "}\n";

Test(text, the_format_is_fixed) {
    Bench b;
    bench_open(&b);
    Graph *g = b.g = graph_new(b.module, "step", ENTRY_TRAIN);
    Type type = type_of("f32[3, 2]", NULL);
    Storage *w = module_add_storage(b.module, "fc.weight", STORAGE_PARAM, type, (Span){0});
    module_add_storage(b.module, "optim.step.0.fc.weight.m", STORAGE_OPTIM, type, (Span){0});
    Node *x = arg(&b, "x", "f32[N, 3]"), *lr = arg(&b, "lr", "f32[]"), *weight = build_storage(g, w);
    g->name_now = "h";
    g->origin_now = "linear";
    Node *h = build_matmul(g, x, weight);
    g->name_now = g->origin_now = NULL;
    g->section_now = SECTION_LOSS;
    Node *loss = build_reduce(g, REDUCE_SUM, h, 3, TIES_EVEN);
    g->section_now = SECTION_UPDATE;
    graph_bind(g, w, build_binary(g, "sub", weight, build_broadcast_numpy(g, lr, &type)), (Span){0});
    graph_return(g, "loss", loss, (Span){0});
    vec_push(&b.arena, &b.module->entries, g);
    const char *got = printed(&b.arena, b.module);
    cr_expect(!strcmp(got, snapshot), "got\n%s\nwant\n%s", got, snapshot);
    expect_round_trip("the format", &b);
    bench_close(&b);
}

Test(text, groups_are_printed_as_comments) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[N, 3]"), *max = build_reduce(b.g, REDUCE_MAX, x, 2, TIES_EVEN);
    graph_return(b.g, "y", max, (Span){0});
    Group group = {.kind = GROUP_ROWS, .domain = x->type, .reduced = 2};
    vec_push(&b.arena, &group.reduces, max);
    vec_push(&b.arena, &group.outputs, max);
    vec_push(&b.arena, &b.g->groups, group);
    vec_push(&b.arena, &b.module->entries, b.g);
    cr_expect(strstr(printed(&b.arena, b.module), "  # k0 rows over f32[N, 3] reduces %1 stores %1\n"), "%s",
              printed(&b.arena, b.module));
    expect_round_trip("groups", &b);
    bench_close(&b);
}

// Blanks, comments and line ends are free; numbers of nodes are not.
Test(text, reading_is_free_about_blanks) {
    static const char text[] = "# a comment\r\nsize N<=64 model f(x:f32[N,3],){%0=argument{name=\"x\"}:f32[N,3]\n"
                               "%1=relu %0:f32[N,3]# why\n\treturn\"y\"=%1}";
    Bench b;
    bench_open(&b);
    Module *m = read_text(&b, text, (int)sizeof text - 1);
    cr_assert(m, "%s", bench_messages(&b));
    cr_expect(m->sizes[0].bound == 64 && m->entries.len == 1 && m->entries.at[0]->outputs.len == 1);
    Module *empty = read_text(&b, " \n# nothing", 11);
    cr_expect(empty && empty->entries.len == 0);
    bench_close(&b);
}

// ---- text that is not right -----------------------------------------------------------------------------------------

typedef struct Bad {
    const char *text, *want; // the message, from its place on
} Bad;

#define X    "model f(x: f32[4]) { %0 = argument {name=\"x\"} : f32[4] "
#define L    "model f(x: f32[4]) { loop 1 over 4 %0 = argument {name=\"x\"} : f32[4] "
#define MAPS X "%1 = reduce %0 {kind=\"sum\", ties=\"even\", shape=[], iter="

static const Bad bad[] = {
    {"fc1",
     "test.graph:1:1: error: graph text: expected size, param, buffer, optim, state, model, train, start or init"},
    {"\n  size 3", "test.graph:2:8: error: graph text: a name starts with a letter"},
    {"size N <= 0", "0 is no bound"},
    {"size N <= 99999999999999999999", "expected an integer"},
    {"size N <= 4 size N <= 5", "two sizes N"},
    {"param w: f32[2]", "expected '\"'"},
    {"param \"w: f32[2]", "a string does not end"},
    {"param \"w\n\": f32[2]", "a string does not end"},
    {"param \"\\q\": f32[2]", "no such escape"},
    {"param \"\\x00\": f32[2]", "a string holds no NUL"},
    {"param \"\\x9\": f32[2]", "no such escape"},
    {"param \"w\": f33[2]", "f33 is no dtype"},
    {"param \"w\": f32[0]", "0 is no extent"},
    {"param \"w\": f32[-4]", "-4 is no extent"},
    {"param \"w\": f32[K]", "there is no size K"},
    {"param \"w\": f32[65536, 65536]", "2^31 elements or more"},
    {"param \"w\": f32[1, 1, 1, 1, 1, 1, 1, 1, 1]", "more than 8 axes"},
    {"size N <= 4 param \"w\": f32[N]", "\"w\" has a run-time size"},
    {"param \"w\": f32[2] buffer \"w\": f32[2]", "\"w\" stands twice"},
    {"model f(x: f32[4]", "expected a name"},
    {"model f(x: f32[4], x: f32[4]) { }", "two arguments x"},
    {"model f() { } model f() { }", "two entries f"},
    {"model f() { ", "expected a node, loop, next, return, store or }"},
    {L "%1 = element %0 {loop=2} : f32[] }", "there is no loop 2"},
    {L "%1 = element %0 {loop=0} : f32[] }", "there is no loop 0"},
    {"model f(x: f32[4]) { loop 2 over 4 }", "expected loop 1"},
    {"model f(x: f32[4]) { loop 1 over 4 in 1 }", "there is no loop 1"},
    {"model f(x: f32[4]) { loop 1 over 0 }", "0 is no extent"},
    {"model f(x: f32[4]) { loop 1 over 4 loop 2 over 4 in -1 }", "there is no loop -1"},
    {L "%1 = element %0 {loop=1} : f32[4] }", "the result has type f32[]"},
    {L "%1 = carry %0 {loop=2, index=0} : f32[4] }", "there is no loop 2"},
    {L "%1 = carry %0 {loop=1, index=4096} : f32[4] }", "no loop carries value 4096"},
    {L "%1 = carry %0 {loop=1, index=-1} : f32[4] }", "no loop carries value -1"},
    {L "%1 = carry %0 {loop=1, index=0} : f32[4] }", "has no next value"},
    {L "%1 = carry %0 {loop=1, index=0} : f32[4] %2 = carry %0 {loop=1, index=0} : f32[4] }", "carries value 0 twice"},
    {L "%1 = carry %0 {loop=1, index=0} : f32[4] next %1 = %1 next %1 = %0 }", "a second next for %1"},
    {L "%1 = carry %0 {loop=1, index=0} : f32[4] next %0 = %1 }", "%0 is no carried value"},
    {L "%1 = carry %0 {loop=1, index=0} : f32[4] next %1 = %2 }", "%2 is not defined above"},
    {L "%1 = carry %0 {loop=1, index=0} : f32[4] %2 = element %0 {loop=1} : f32[] next %1 = %2 }", "of another type"},
    {L "%1 = element %0 {loop=1} : f32[] return \"y\" = %1 }", "is an output, and of a loop"},
    {L "%1 = stack %0 {loop=1} : f32[4, 4] }", "its input is not computed in the loop"},
    {L "%1 = last %0 {loop=1} : f32[4] }", "its input is not computed in the loop"},
    {"model f(x: f32[3, 4]) { loop 1 over 4 %0 = argument {name=\"x\"} : f32[3, 4] %1 = element %0 {loop=1} : f32[4] }",
     "another number of elements than its loop has steps"},
    {"model f(x: f32[4, 4]) { loop 1 over 4 loop 2 over 4 %0 = argument {name=\"x\"} : f32[4, 4] "
     "%1 = element %0 {loop=1} : f32[4] %2 = element %1 {loop=2} : f32[] }",
     "in a loop that does not contain loop 2"},
    {"model f(x: f32[4, 4]) { loop 1 over 4 %0 = argument {name=\"x\"} : f32[4, 4] "
     "%1 = element %0 {loop=1} : f32[4] %2 = element %1 {loop=1} : f32[] }",
     "in a loop that does not contain loop 1"},
    {X "%1 = rellu %0 : f32[4] }", "there is no operator rellu"},
    {X "%1 = relu : f32[4] }", "relu takes 1 inputs"},
    {X "%1 = relu %0, %0 : f32[4] }", "relu takes 1 inputs"},
    {X "%1 = relu %1 : f32[4] }", "%1 is not defined above"},
    {X "%1 = relu %-1 : f32[4] }", "%-1 is not defined above"},
    {X "%2 = relu %0 : f32[4] }", "expected %1"},
    {X "%1 = relu %0 : f32[5] }", "the result has type f32[4]"},
    {X "%1 = not %0 : bool[4] }", "not: needs bool, got f32[4]"},
    {X "%1 = relu %0 : f32[4] @{sideways} }", "there is no section sideways"},
    {X "%1 = relu %0 : f32[4] @{forward copy=-1} }", "copy -1 is not between 0 and 64"},
    {X "%1 = relu %0 : f32[4] @{forward copy=65} }", "copy 65 is not between 0 and 64"},
    {X "%1 = argument {name=\"x\"} : f32[4] @{forward copy=1} }", "has a copy number, which it cannot"},
    {X "return \"y\" = %0 store \"w\" = %0 }", "there is no storage \"w\""},
    {"param \"w\": f32[5] " X "store \"w\" = %0 }", "\"w\" has type f32[5]"},
    {"param \"w\": f32[4] " X "store \"w\" = %0 store \"w\" = %0 }", "\"w\" is stored twice"},
    {X "%1 = argument {name=\"z\"} : f32[4] }", "this entry has no argument z"},
    {X "%1 = storage {name=\"z\"} : f32[4] }", "there is no parameter, buffer or state z"},
    {X "%1 = cast %0 {type=f32} : f32[4] }", "expected 'dtype'"},
    {X "%1 = transpose %0 {perm=[7]} : f32[4] }", "transpose: the order must list each axis"},
    {X "%1 = broadcast %0 {shape=[4, 2], axes=[9]} : f32[4, 2] }",
     "broadcast: the axes of f32[4] must be placed in order"},
    {X "%1 = iota {shape=[4], axis=5, dtype=i32} : i32[4] }", "iota: axis 5"},
    {X "%1 = size {dim=[]} : i64[] }", "size: needs one run-time size"},
    {X "%1 = reduce %0 {kind=\"mean\"} : f32[] }", "kind cannot be mean: sum, max or min"},
    {X "%1 = reduce %0 {kind=\"max\", ties=\"odd\"} : f32[] }", "ties cannot be odd"},
    {X "%1 = constant {dtype=f32, value=one, int=0} : f32[] }", "expected a number"},
    {MAPS "[| :4] out[] += a[i]} : f32[] }", "expected a letter"},
    {MAPS "[| i:4] out[] += a[j]} : f32[] }", "expected an iteration axis"},
    {MAPS "[| i:4] out[] += a[4294967297*i]} : f32[] }", "4294967297 is out of range"},
    {MAPS "[| i:4] out[] += a[2000000000*i]} : f32[] }", "reaches too far out of range"},
    {MAPS "[| i:4] out[] += a[i, i]} : f32[] }", "map 1 has 2 axes"},
    {MAPS "[| i:4] out[] += a[i] * b[i]} : f32[] }", "needs 2 maps, got 3"},
    {MAPS "[| i:4, i:4] out[] += a[i]} : f32[] }", "two iteration axes have the name i"},
    {MAPS "[| i:1 j:1 k:1 l:1 m:1 n:1 o:1 p:1 q:1 r:1 s:1 t:1 u:1] out[] += a[i]} : f32[] }",
     "more than 12 iteration axes"},
};

Test(text, wrong_text_is_refused_with_its_place) {
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        Bench b;
        bench_open(&b);
        cr_expect(!read_text(&b, bad[k].text, (int)strlen(bad[k].text)), "%s: was read", bad[k].text);
        const char *got = bench_messages(&b);
        cr_expect(strstr(got, bad[k].want) && !strncmp(got, "test.graph:", 11), "%s: got %s, want %s", bad[k].text, got,
                  bad[k].want);
        cr_expect(b.diag.errors == 1, "%s: %d errors", bad[k].text, b.diag.errors);
        bench_close(&b);
    }
}

// Reads a damaged text: whatever happens, a module is verified or an error was reported.
static void read_damaged(Arena *arena, const char *text, int len) {
    FILE *nowhere = fopen("/dev/null", "w");
    Diag diag = {.out = nowhere};
    const Source source = {.name = "damaged", .text = text, .len = len};
    Module *m = module_read(arena, &diag, &source);
    cr_expect(!m == (diag.errors > 0), "%d errors and %s: %s", diag.errors, m ? "a module" : "nothing", text);
    for (int k = 0; m && k < m->entries.len; k++) {
        const char *wrong = graph_verify(m->entries.at[k]);
        cr_expect(!wrong, "%s: %s", wrong, text);
    }
    fclose(nowhere);
}

Test(text, damaged_text_never_crashes) {
    static const char spoilers[] = "0179-+*%[]{}:,|\"\\#@ \nabNzx_\0\xff";
    Bench b;
    bench_open(&b);
    make_maps(&b);
    make_training(&b);
    finish(&b);
    const char *text = without_comments(&b.arena, printed(&b.arena, b.module));
    int len = (int)strlen(text);
    for (int k = 0; k < 6000; k++) {
        Arena arena = {0};
        char *copy = arena_strdup(&arena, text);
        int cut = k < len ? k : len;
        if (k >= len)
            for (int changes = 1 + k % 3; changes > 0; changes--) {
                int at = (int)(bench_draw(&b) * len), by = (int)(bench_draw(&b) * (double)(sizeof spoilers - 1));
                if (by % 4 == 0)
                    memmove(copy + at, copy + at + 1, (size_t)(len - at));
                else
                    copy[at] = spoilers[by];
            }
        copy[cut] = 0;
        read_damaged(&arena, copy, cut);
        arena_release(&arena);
    }
    bench_close(&b);
}
