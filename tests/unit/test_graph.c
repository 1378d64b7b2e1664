// test_graph.c: the one constructor and what rests on it: identical nodes are one, numpy's broadcasting, outputs,
// copies; and the verifier, shown graphs that are broken by hand.
#include "nodes.h"

// ---- identical nodes ------------------------------------------------------------------------------------------------

Test(graph, identical_nodes_are_one) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[2, 3]"), *y = arg(&b, "y", "f32[2, 3]");
    Type wide = type_of("f32[4, 2, 3]", NULL), three = type_of("f32[3]", NULL);
    cr_expect(build_binary(b.g, "add", x, y) == build_binary(b.g, "add", x, y));
    cr_expect(build_binary(b.g, "add", x, y) != build_binary(b.g, "add", y, x));
    cr_expect(build_binary(b.g, "add", x, y) != build_binary(b.g, "sub", x, y));
    cr_expect(build_constant(b.g, F32, 0.1) == build_constant(b.g, F32, (float)0.1), "rounded when it is made");
    cr_expect(build_constant(b.g, F32, 0) != build_constant(b.g, F32, -0.0), "-0 is another number");
    cr_expect(build_constant(b.g, F32, NAN) == build_constant(b.g, F32, -NAN), "there is one nan");
    cr_expect(build_constant(b.g, F32, 1) != build_constant(b.g, I32, 1));
    cr_expect(build_constant_int(b.g, U8, 255) == build_constant_int(b.g, U8, -1), "wrapped when it is made");
    cr_expect(build_constant(b.g, I64, 1e30) == build_constant_int(b.g, I64, INT64_MAX), "saturates");
    cr_expect(build_broadcast_numpy(b.g, x, &wide) == build_broadcast_numpy(b.g, x, &wide));
    cr_expect(build_reduce(b.g, REDUCE_SUM, x, 1, TIES_EVEN) == build_reduce(b.g, REDUCE_SUM, x, 1, TIES_EVEN));
    cr_expect(build_reduce(b.g, REDUCE_SUM, x, 1, TIES_EVEN) != build_reduce(b.g, REDUCE_SUM, x, 2, TIES_EVEN));
    cr_expect(build_reduce(b.g, REDUCE_MAX, x, 1, TIES_EVEN) != build_reduce(b.g, REDUCE_MAX, x, 1, TIES_FIRST));
    Node *square = arg(&b, "square", "f32[3, 3]");
    Iter rows = iter_of("m3 n3|k3", "m,n", "m,k", "k,n"), columns = iter_of("m3 n3|k3", "m,n", "k,m", "k,n");
    cr_expect(build_contract(b.g, square, square, &square->type, &rows) == build_matmul(b.g, square, square));
    cr_expect(build_contract(b.g, square, square, &square->type, &columns) != build_matmul(b.g, square, square),
              "the same axes under other maps");
    Iter named = iter_of("m3|n2", "m", "n,m", NULL);
    cr_expect(build_reduce_of(b.g, "sum", "even", x, &three, &named) == build_reduce(b.g, REDUCE_SUM, x, 1, TIES_EVEN),
              "the letters of axes are for reading only");
    cr_expect(!graph_verify(b.g), "%s", graph_verify(b.g));
    bench_close(&b);
}

Test(graph, identical_nodes_are_found_among_thousands) {
    Bench b;
    bench_open(&b);
    Node *made[3000];
    for (int k = 0; k < 3000; k++) made[k] = build_constant_int(b.g, I32, k);
    int wrong = 0;
    for (int k = 0; k < 3000; k++) wrong += build_constant_int(b.g, I32, k) != made[k];
    cr_expect(wrong == 0 && b.g->nodes.len == 3000, "%d of 3000 were made again", wrong);
    bench_close(&b);
}

// An operation that changes nothing makes no node, and an input whose error was reported makes no other.
Test(graph, builders_make_nothing_of_nothing) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[2, 3]");
    cr_expect(build_cast(b.g, x, F32) == x);
    cr_expect(build_reshape(b.g, x, &x->type) == x);
    cr_expect(build_transpose(b.g, x, (int[]){0, 1}) == x);
    cr_expect(build_broadcast_numpy(b.g, x, &x->type) == x);
    cr_expect(build_reduce(b.g, REDUCE_SUM, x, 0, TIES_EVEN) == x);
    cr_expect(build_size(b.g, dim_fixed(7)) == build_constant_int(b.g, I64, 7));
    cr_expect(!build_binary(b.g, "add", x, NULL) && !build_cast(b.g, NULL, F32) && !build_matmul(b.g, NULL, x));
    cr_expect(!build_reshape(b.g, NULL, &x->type) && !build_transpose(b.g, NULL, NULL));
    cr_expect(!build_reduce(b.g, REDUCE_SUM, NULL, 1, TIES_EVEN) && !build_broadcast_numpy(b.g, NULL, &x->type));
    cr_expect_str_empty(bench_messages(&b));
    bench_close(&b);
}

// ---- numpy's rules --------------------------------------------------------------------------------------------------

typedef struct Broadcast {
    const char *a, *b, *want; // want NULL: do not fit
} Broadcast;

static const Broadcast broadcasts[] = {
    {"f32[]", "f32[]", "f32[]"},          {"f32[3]", "f32[]", "f32[3]"},
    {"f32[]", "i32[2, 3]", "f32[2, 3]"},  {"f32[2, 3]", "f32[3]", "f32[2, 3]"},
    {"f32[2, 1]", "f32[3]", "f32[2, 3]"}, {"f32[2, 1, 4]", "f32[3, 1]", "f32[2, 3, 4]"},
    {"f32[N, 3]", "f32[3]", "f32[N, 3]"}, {"f32[1, 3]", "f32[N, 1]", "f32[N, 3]"},
    {"f32[N]", "f32[N]", "f32[N]"},       {"f32[2]", "f32[3]", NULL},
    {"f32[2, 3]", "f32[2]", NULL},        {"f32[N]", "f32[M]", NULL},
    {"f32[N]", "f32[6]", NULL}, // the bound of N, but not N
};

Test(graph, shapes_broadcast_as_in_numpy) {
    for (size_t k = 0; k < sizeof broadcasts / sizeof *broadcasts; k++) {
        const Broadcast *c = &broadcasts[k];
        Type a = type_of(c->a, NULL), b = type_of(c->b, NULL), got = {0}, back = {0};
        bool fits = shape_broadcast(&a, &b, &got), turned = shape_broadcast(&b, &a, &back);
        cr_expect(fits == (c->want != NULL) && turned == fits, "%s with %s: fits %d and %d", c->a, c->b, fits, turned);
        if (!fits || !c->want) continue;
        Type want = type_of(c->want, NULL);
        cr_expect(type_equal(&got, &want), "%s with %s: want %s", c->a, c->b, c->want);
        cr_expect(shape_equal(&back, &want) && back.dtype == b.dtype, "%s with %s: want %s", c->b, c->a, c->want);
    }
}

typedef struct BadProduct {
    const char *a, *b, *want;
} BadProduct;

static const BadProduct bad_products[] = {
    {"f32[64, 18]", "f32[9, 512]", "matmul: inner dimensions differ: f32[64, 18] @ f32[9, 512]"},
    {"f32[3]", "f32[4]", "matmul: inner dimensions differ"},
    {"f32[]", "f32[4]", "matmul: a scalar is no matrix"},
    {"f32[2, 3]", "i32[3, 2]", "matmul: dtypes differ"},
    {"f32[2, 4, 3]", "f32[5, 3, 2]", "matmul: the axes before the last two do not broadcast"},
    {"f32[4, N]", "f32[6, 2]", "matmul: inner dimensions differ: f32[4, N] @ f32[6, 2]"},
};

// ---- axes that are counted by a run-time size
// -------------------------------------------------------------------------

// Sizes N <= 6 and M <= 5. "-": they do not fit.
static const struct {
    const char *from, *to, *runs;
} reshapes[] = {
    {"f32[4, 6, N]", "f32[2, 2, 6, N]", "0-1|0-2 1-2|2-3 2-3|3-4 "},
    {"f32[N, 5, 3]", "f32[5*N, 3]", "0-2|0-1 2-3|1-2 "},
    {"f32[5*N, 3]", "f32[N, 15]", "0-2|0-2 "},
    {"f32[6, N]", "f32[N, 6]", "0-2|0-2 "}, // 6 is the bound of N, too
    {"f32[2*N+2, 3]", "f32[N+1, 6]", "0-2|0-2 "},
    {"f32[M, 1, 2*N]", "f32[M, N, 2]", "0-1|0-1 2-3|1-3 "},
    {"f32[N, 1]", "f32[1, 1, N]", "0-1|2-3 "},
    {"f32[N]", "f32[6]", "-"},
    {"f32[N+1]", "f32[N]", "-"},
    {"f32[N, M]", "f32[M, N]", "-"}, // one axis in between would be N * M
    {"f32[N, N]", "f32[N, N]", "0-1|0-1 1-2|1-2 "},
};

Test(graph, shapes_are_cut_into_runs_of_equal_products) {
    for (size_t row = 0; row < sizeof reshapes / sizeof *reshapes; row++) {
        Type from = type_of(reshapes[row].from, NULL), to = type_of(reshapes[row].to, NULL);
        ShapeRun runs[MAX_RANK];
        char text[100] = "-", *at = text;
        int n = shape_runs(&from, &to, runs);
        for (int k = 0; k < n; k++) at += sprintf(at, "%d-%d|%d-%d ", runs[k].a0, runs[k].a1, runs[k].b0, runs[k].b1);
        cr_expect(!strcmp(text, reshapes[row].runs), "%s to %s: got %s, want %s", reshapes[row].from, reshapes[row].to,
                  text, reshapes[row].runs);
    }
}

Test(graph, an_axis_asks_for_a_least_size) {
    static const struct {
        const char *axis;
        int least, bound, at_four; // N
    } rows[] = {{"N", 1, 6, 4},     {"2*N+3", 1, 6, 11}, {"N-1", 2, 6, 3},   {"N-3", 4, 6, 1},
                {"2*N-1", 1, 6, 7}, {"2*N-2", 2, 6, 6},  {"3*N-7", 3, 6, 5}, {"7", 1, 7, 7}};
    for (size_t row = 0; row < sizeof rows / sizeof *rows; row++) {
        const char *at = rows[row].axis;
        Dim dim = dim_of(&at);
        cr_expect(dim_least(dim) == rows[row].least && dim_bound(dim) == rows[row].bound &&
                      dim_actual(dim, bench_sizes) == rows[row].at_four,
                  "%s: least %d, bound %d, %lld elements", rows[row].axis, dim_least(dim), dim_bound(dim),
                  (long long)dim_actual(dim, bench_sizes));
    }
    Dim sum, n = dim_size(6, 0);
    cr_expect(dim_add(n, dim_fixed(3), &sum) && sum.times == 1 && sum.plus == 3 && sum.extent == 9);
    cr_expect(dim_add(n, n, &sum) && sum.times == 2 && sum.extent == 12);
    cr_expect(!dim_add(n, dim_size(5, 1), &sum));
    cr_expect(!dim_make(n, 1, -6, &sum) && !dim_make(n, -1, 8, &sum) && !dim_make(n, INT32_MAX, 0, &sum));
}

// The entry keeps what its axes ask for when a pass drops them.
Test(graph, a_rebuild_keeps_the_least_size) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[N-2]");
    build_unary(b.g, "neg", arg(&b, "y", "f32[2*N-9]"));
    graph_return(b.g, "x", x, (Span){0});
    cr_expect(graph_least(b.g, 0) == 5 && graph_least(b.g, 1) == 1);
    Graph *again = graph_rebuild(b.g, NULL, NULL);
    cr_expect(graph_least(again, 0) == 5);
    again->need[0] = (Dim){0};
    cr_expect(graph_verify(again) && strstr(graph_verify(again), "may have no element"));
    bench_close(&b);
}

Test(graph, matmul_refuses_what_does_not_fit) {
    for (size_t k = 0; k < sizeof bad_products / sizeof *bad_products; k++) {
        const BadProduct *c = &bad_products[k];
        Bench b;
        bench_open(&b);
        cr_expect(!build_matmul(b.g, arg(&b, "a", c->a), arg(&b, "b", c->b)), "%s @ %s must be refused", c->a, c->b);
        cr_expect(strstr(bench_messages(&b), c->want), "got %s, want %s", bench_messages(&b), c->want);
        bench_close(&b);
    }
}

Test(graph, constants_are_seen_through_what_spreads_them) {
    Bench b;
    bench_open(&b);
    Type wide = type_of("f32[2, 3]", NULL), six = type_of("f32[6]", NULL);
    double value = 0;
    cr_expect(node_constant(build_reshape(b.g, build_full(b.g, &wide, 2.5), &six), &value) && value == 2.5);
    cr_expect(node_constant(build_constant_int(b.g, I32, -7), &value) && value == -7);
    cr_expect(!node_constant(arg(&b, "x", "f32[]"), &value));
    bench_close(&b);
}

// ---- outputs and copies ---------------------------------------------------------------------------------------------

Test(graph, returned_outputs_stand_before_bound_ones) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[2]"), *y = build_unary(b.g, "exp", x);
    Storage *w = module_add_storage(b.module, "w", STORAGE_PARAM, x->type, (Span){0});
    Storage *v = module_add_storage(b.module, "v", STORAGE_PARAM, x->type, (Span){0});
    graph_bind(b.g, w, x, (Span){0});
    graph_bind(b.g, v, x, (Span){0});
    graph_return(b.g, "a", x, (Span){0});
    graph_return(b.g, "b", y, (Span){0});
    graph_bind(b.g, w, y, (Span){0}); // the last assignment counts
    cr_assert(b.g->outputs.len == 4, "got %d outputs", b.g->outputs.len);
    const Output *out = b.g->outputs.at;
    cr_expect_str_eq(out[0].name, "a");
    cr_expect_str_eq(out[1].name, "b");
    cr_expect(out[2].storage == w && out[2].value == y && out[3].storage == v && out[3].value == x);
    bench_close(&b);
}

static Node *doubled(Graph *to, const Node *old, Node *const *in, void *context) {
    ++*(int *)context;
    return node_is(old, add) && in[0] == in[1] ? build_binary(to, "mul", in[0], build_full(to, &old->type, 2)) : NULL;
}

Test(graph, a_rebuild_keeps_what_is_alive_and_rewrites) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[2]");
    arg(&b, "unused", "i32[N]");
    b.g->section_now = SECTION_LOSS;
    b.g->name_now = "h";
    b.g->origin_now = "layer";
    Node *sum = build_binary(b.g, "add", x, x);
    build_unary(b.g, "exp", sum); // dead
    graph_return(b.g, "y", build_unary(b.g, "neg", sum), (Span){0});
    cr_expect(graph_mark_live(b.g) == 4, "got %d live nodes", graph_mark_live(b.g));

    int visits = 0;
    Graph *to = graph_rebuild(b.g, doubled, &visits);
    cr_expect(!graph_verify(to), "%s", graph_verify(to));
    cr_expect(visits == 4, "the dead node is not visited: %d visits", visits);
    cr_expect(to->arguments.len == 2 && node_is(to->arguments.at[1], argument), "arguments stay, used or not");
    cr_assert(to->outputs.len == 1);
    const Node *y = to->outputs.at[0].value;
    cr_expect(node_is(y, neg) && node_is(y->in[0], mul));
    for (const Node *at = y; at->nin; at = at->in[0])
        cr_expect(at->section == SECTION_LOSS && !strcmp(at->name, "h") && !strcmp(at->origin, "layer"),
                  "%s: tags survive copies and rewrites", at->op->name);
    cr_expect(sum->map == y->in[0], "map points at the new node");
    for (int k = 0; k < to->nodes.len; k++) cr_expect(!node_is(to->nodes.at[k], exp), "dead nodes go");
    bench_close(&b);
}

// ---- the verifier: a graph, one broken invariant, what is said ------------------------------------------------------

typedef struct Case {
    Bench b;
    Node *x, *w, *product, *relu, *next; // next = w - x x^T: bound to w, needs its old value
    Storage *storage;
} Case;

// k0 stores product and relu, k1 the next w.
static void case_open(Case *c) {
    bench_open(&c->b);
    Graph *g = c->b.g;
    c->x = arg(&c->b, "x", "f32[N, 3]");
    c->storage = module_add_storage(c->b.module, "w", STORAGE_PARAM, type_of("f32[3, 3]", NULL), (Span){0});
    c->w = build_storage(g, c->storage);
    c->product = build_matmul(g, c->x, c->w);
    c->relu = build_unary(g, "relu", c->product);
    c->next = build_binary(g, "sub", c->w, build_full(g, &c->w->type, 0.5));
    graph_return(g, "y", c->relu, (Span){0});
    graph_bind(g, c->storage, c->next, (Span){0});
}

static void add_groups(Case *c) {
    Graph *g = c->b.g;
    Group first = {.kind = GROUP_CONTRACT, .id = 0, .root = c->product};
    vec_push(g->arena, &first.outputs, c->relu);
    Group second = {.kind = GROUP_ROWS, .id = 1, .domain = c->w->type};
    vec_push(g->arena, &second.outputs, c->next);
    vec_push(g->arena, &g->groups, first);
    vec_push(g->arena, &g->groups, second);
}

static void break_order(Case *c) {
    Node **at = c->b.g->nodes.at;
    int i = c->product->id, j = c->relu->id;
    at[i] = c->relu, at[j] = c->product;
    c->relu->id = i, c->product->id = j;
}
static void break_id(Case *c) { c->relu->id = 0; }
static void break_type(Case *c) { c->relu->type.dim[1] = dim_fixed(4); }
static void break_dtype(Case *c) { c->relu->type.dtype = I32; }
static void break_shape_rule(Case *c) { c->w->type.dim[0] = dim_fixed(4); }
static void break_bound(Case *c) { c->b.module->sizes[0].bound = 7; }
static void break_size(Case *c) { c->b.module->nsizes = 0; }
static void break_inputs(Case *c) { c->relu->nin = 0; }
static void break_ownership(Case *c) {
    Graph *other = graph_new(c->b.module, "other", ENTRY_MODEL);
    build_constant(other, F32, 1);
    c->relu->in[0] = build_constant(other, F32, 2);
}
static void break_attribute(Case *c) {
    for (int k = 0; k < c->b.g->nodes.len; k++)
        if (node_is(c->b.g->nodes.at[k], constant)) ((Attr *)c->b.g->nodes.at[k]->attr)[1].f = 7;
}
static void break_uniqueness(Case *c) {
    Node *copy = NEW(&c->b.arena, Node);
    *copy = *c->relu;
    copy->id = c->b.g->nodes.len;
    vec_push(&c->b.arena, &c->b.g->nodes, copy);
}
static void break_storage_type(Case *c) { c->b.g->outputs.at[1].value = c->relu; }
static void break_storage_once(Case *c) { vec_push(&c->b.arena, &c->b.g->outputs, c->b.g->outputs.at[1]); }
static void break_output_order(Case *c) {
    Output first = c->b.g->outputs.at[0];
    c->b.g->outputs.at[0] = c->b.g->outputs.at[1];
    c->b.g->outputs.at[1] = first;
}
static void break_output_name(Case *c) { c->b.g->outputs.at[0].name = NULL; }
static void break_output_owner(Case *c) {
    Node *stray = NEW(&c->b.arena, Node);
    *stray = *c->relu;
    c->b.g->outputs.at[0].value = stray;
}
static void break_argument(Case *c) { c->b.g->arguments.at[0] = c->relu; }

static void groups_stored_twice(Case *c) { vec_push(&c->b.arena, &c->b.g->groups.at[1].outputs, c->relu); }
static void groups_output_missing(Case *c) { c->b.g->groups.len = 1; }
static void groups_empty(Case *c) {
    c->b.g->groups.len = 2;
    vec_push(&c->b.arena, &c->b.g->groups, (Group){.kind = GROUP_ROWS, .id = 2});
}
static void groups_numbered_wrongly(Case *c) { c->b.g->groups.at[1].id = 5; }
static void groups_nobody_computes(Case *c) { c->b.g->groups.at[0].root = NULL; }
static void groups_read_too_early(Case *c) {
    // product is stored by a group after the one that reads it
    Group late = {.kind = GROUP_CONTRACT, .id = 2, .root = c->product};
    vec_push(&c->b.arena, &late.outputs, c->product);
    vec_push(&c->b.arena, &c->b.g->groups, late);
    c->b.g->groups.at[0].root = NULL;
}
static void groups_update_too_early(Case *c) {
    Group update = c->b.g->groups.at[1];
    c->b.g->groups.at[1] = c->b.g->groups.at[0];
    c->b.g->groups.at[0] = update;
    c->b.g->groups.at[0].id = 0;
    c->b.g->groups.at[1].id = 1;
}
static void groups_stray_node(Case *c) {
    Node *stray = NEW(&c->b.arena, Node);
    *stray = *c->relu;
    vec_push(&c->b.arena, &c->b.g->groups.at[0].outputs, stray);
}

typedef struct Breakage {
    const char *what;
    void (*by)(Case *c);
    bool grouped;
    const char *want;
} Breakage;

static const Breakage breakages[] = {
    {"nodes in the wrong order", break_order, false, "an input comes after it"},
    {"an id that is not the position", break_id, false, "its id is not its position"},
    {"a wrong extent", break_type, false, "its shape rule gives f32[?0<=6, 3]"},
    {"a wrong dtype", break_dtype, false, "its shape rule gives f32[?0<=6, 3]"},
    {"a storage that changed under its node", break_shape_rule, false, "its shape rule gives f32[3, 3]"},
    {"a bound that is not the size's", break_bound, false, "another bound than its size"},
    {"a size that is not the module's", break_size, false, "no known run-time size"},
    {"too few inputs", break_inputs, false, "wrong number of inputs"},
    {"an input of another graph", break_ownership, false, "an input is of another graph"},
    {"an attribute changed afterwards", break_attribute, false, "was changed after it was made"},
    {"two identical nodes", break_uniqueness, false, "is %3 again"},
    {"a storage bound to another type", break_storage_type, false, "is bound to w, which has type f32[3, 3]"},
    {"a storage bound twice", break_storage_once, false, "w is bound twice"},
    {"a returned output after a bound one", break_output_order, false, "after a bound one"},
    {"a returned output without a name", break_output_name, false, "has no name"},
    {"an output that is not in the graph", break_output_owner, false, "output 0 is no node of the graph"},
    {"an argument that is none", break_argument, false, "argument 0 is no argument node"},
    {"a node stored twice", groups_stored_twice, true, "is stored twice"},
    {"an output that is not stored", groups_output_missing, true, "is an output that no group stores"},
    {"a group without outputs", groups_empty, true, "group 2 stores nothing"},
    {"a group with another number", groups_numbered_wrongly, true, "group 1 has the id 5"},
    {"a contraction that nobody computes", groups_nobody_computes, true, "nobody stores it"},
    {"a read before the store", groups_read_too_early, true, "is read by group 0 before group 2 stores it"},
    {"an update before the last reader", groups_update_too_early, true,
     "group 1 reads w, which group 0 has overwritten"},
    {"a group of a node of elsewhere", groups_stray_node, true, "group 0 stores a node of another graph"},
};

Test(graph, the_verifier_catches_each_broken_invariant) {
    for (size_t k = 0; k < sizeof breakages / sizeof *breakages; k++) {
        const Breakage *breakage = &breakages[k];
        Case c;
        case_open(&c);
        if (breakage->grouped) add_groups(&c);
        const char *whole = graph_verify(c.b.g);
        cr_assert(!whole, "the whole graph: %s", whole);
        breakage->by(&c);
        const char *got = graph_verify(c.b.g);
        cr_expect(got && strstr(got, breakage->want), "%s: got %s, want %s", breakage->what, got ? got : "nothing",
                  breakage->want);
        cr_expect_str_empty(bench_messages(&c.b), "the verifier tells its caller, not the user");
        bench_close(&c.b);
    }
}

// a' = exp(b), b' = exp(a): no order suits both, a copy is made, and that is no error.
Test(graph, the_verifier_accepts_a_swap) {
    Bench b;
    bench_open(&b);
    Type two = type_of("f32[2]", NULL);
    Storage *s[2];
    Node *old[2];
    for (int k = 0; k < 2; k++) {
        s[k] = module_add_storage(b.module, k ? "b" : "a", STORAGE_PARAM, two, (Span){0});
        old[k] = build_storage(b.g, s[k]);
    }
    for (int k = 0; k < 2; k++) {
        Node *next = build_unary(b.g, "exp", old[1 - k]);
        graph_bind(b.g, s[k], next, (Span){0});
        Group group = {.kind = GROUP_ROWS, .id = k, .domain = two};
        vec_push(&b.arena, &group.outputs, next);
        vec_push(&b.arena, &b.g->groups, group);
    }
    const char *got = graph_verify(b.g);
    cr_expect(!got, "got %s", got);
    bench_close(&b);
}
