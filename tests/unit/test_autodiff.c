// test_autodiff.c: gradients against central differences in double, for every record that has a gradient, for products
// with other gradients (second order) and for random compositions; the rules at kinks and ties exactly; what has none.
#include <math.h>
#include <stdio.h>

#include "nodes.h"
#include "slices.h"

// ---- central differences ------------------------------------------------------------------------------------------

// loss = sum(y * w) for fixed numbers w, so that every element of y counts differently.
static Node *weighted_sum(Bench *b, Node *y) {
    Node *w = build_iota(b->g, &y->type, y->type.rank ? y->type.rank - 1 : 0);
    if (y->type.rank == 0) return y;
    for (int d = 0; d + 1 < y->type.rank; d++) {
        Node *more = build_binary(b->g, "mul", build_iota(b->g, &y->type, d), build_full(b->g, &y->type, 0.37));
        w = build_binary(b->g, "add", w, more);
    }
    w = build_binary(b->g, "add", build_binary(b->g, "mul", w, build_full(b->g, &y->type, 0.21)),
                     build_full(b->g, &y->type, -0.4));
    return build_reduce(b->g, REDUCE_SUM, build_binary(b->g, "mul", y, w), (1u << y->type.rank) - 1, TIES_EVEN);
}

static double loss_at(Bench *b, const Tensor *args, const Node *loss) {
    Arena arena = {0};
    double value = evaluate_all(b, &arena, args, loss, true)[loss->id].f[0];
    arena_release(&arena);
    return value;
}

// Gradients of all float arguments. grads[k] is NULL for the others. False: reported.
static bool differentiate(Bench *b, Node *loss, Node **grads) {
    Node *wrt[8] = {0}, *found[8];
    bool used[8];
    int n = 0, at[8];
    for (int k = 0; k < b->g->arguments.len; k++) {
        grads[k] = NULL;
        if (!dtype_info[b->g->arguments.at[k]->type.dtype].is_float) continue;
        at[n] = k;
        wrt[n++] = b->g->arguments.at[k];
    }
    if (!autodiff(b->g, loss, wrt, n, found, used)) return false;
    for (int k = 0; k < n; k++) grads[at[k]] = found[k];
    return true;
}

static void compare_with_differences(Bench *b, const char *what, Tensor *args, const Node *loss, Node *const *grads) {
    const double h = 1e-5;
    for (int k = 0; k < b->g->arguments.len; k++) {
        if (!grads[k]) continue;
        Tensor got = evaluate(b, args, grads[k]);
        for (int64_t i = 0; i < args[k].count; i++) {
            double x = args[k].f[i];
            args[k].f[i] = x + h;
            double above = loss_at(b, args, loss);
            args[k].f[i] = x - h;
            double below = loss_at(b, args, loss);
            args[k].f[i] = x;
            double want = (above - below) / (2 * h);
            cr_expect(fabs(got.f[i] - want) <= 1e-6 * (1 + fabs(want)),
                      "%s: d argument %d element %d: got %.9g, want %.9g", what, k, (int)i, got.f[i], want);
        }
    }
}

// First order, then the gradient of a weighted sum of the first gradients.
static void check_gradients(Bench *b, const char *what, Node *y, double low, double high, int rounds, bool second) {
    cr_assert(y, "%s: %s", what, bench_messages(b));
    Node *loss = weighted_sum(b, y), *grads[8], *again[8], *both = NULL;
    cr_assert(differentiate(b, loss, grads), "%s: %s", what, bench_messages(b));
    for (int k = 0; second && k < b->g->arguments.len; k++)
        if (grads[k]) {
            Node *part = weighted_sum(b, grads[k]);
            both = both ? build_binary(b->g, "add", both, part) : part;
        }
    if (both) cr_assert(differentiate(b, both, again), "%s, second order: %s", what, bench_messages(b));
    for (int round = 0; round < rounds; round++) {
        Tensor args[8];
        for (int k = 0; k < b->g->arguments.len; k++)
            args[k] = tensor_apart(b, &b->g->arguments.at[k]->type, low, high);
        compare_with_differences(b, what, args, loss, grads);
        char *label = arena_printf(&b->arena, "%s, second order", what);
        if (both) compare_with_differences(b, label, args, both, again);
    }
}

// ---- every record -------------------------------------------------------------------------------------------------

// One form of an operator: arguments by type, and how the node is made. list: perm, axes.
typedef struct Instance {
    const char *op, *a, *b, *c;
    double low, high;
    const char *to; // result type, where the operator has a shape or dtype
    int list[MAX_RANK];
} Instance;

static const Instance instances[] = {
    {"add", "f32[2, 3]", "f32[2, 3]", NULL, -2, 2, NULL, {0}},
    {"sub", "f32[2, 3]", "f32[2, 3]", NULL, -2, 2, NULL, {0}},
    {"mul", "f32[2, 3]", "f32[2, 3]", NULL, -2, 2, NULL, {0}},
    {"div", "f32[2, 3]", "f32[2, 3]", NULL, 0.4, 2, NULL, {0}},
    {"div", "f32[2, 3]", "f32[2, 3]", NULL, -2, -0.4, NULL, {0}},
    {"neg", "f32[2, 3]", NULL, NULL, -2, 2, NULL, {0}},
    {"max", "f32[2, 3]", "f32[2, 3]", NULL, -2, 2, NULL, {0}},
    {"min", "f32[2, 3]", "f32[2, 3]", NULL, -2, 2, NULL, {0}},
    {"exp", "f32[N, 3]", NULL, NULL, -2, 2, NULL, {0}},
    {"log", "f32[2, 3]", NULL, NULL, 0.3, 3, NULL, {0}},
    {"log1p", "f32[2, 3]", NULL, NULL, -0.6, 2, NULL, {0}},
    {"expm1", "f32[2, 3]", NULL, NULL, -2, 2, NULL, {0}},
    {"sqrt", "f32[2, 3]", NULL, NULL, 0.3, 3, NULL, {0}},
    {"tanh", "f32[2, 3]", NULL, NULL, -2, 2, NULL, {0}},
    {"sigmoid", "f32[2, 3]", NULL, NULL, -3, 3, NULL, {0}},
    {"softplus", "f32[2, 3]", NULL, NULL, -3, 3, NULL, {0}},
    {"relu", "f32[2, 3]", NULL, NULL, -2, 2, NULL, {0}},
    {"pow", "f32[2, 3]", "f32[2, 3]", NULL, 0.3, 2, NULL, {0}},
    {"select", "bool[2, 3]", "f32[2, 3]", "f32[2, 3]", -2, 2, NULL, {0}},
    {"cast", "f32[2, 3]", NULL, NULL, -2, 2, "f16[2, 3]", {0}},
    {"reshape", "f32[2, 6]", NULL, NULL, -2, 2, "f32[3, 4]", {0}},
    {"reshape", "f32[N, 6]", NULL, NULL, -2, 2, "f32[N, 1, 2, 3]", {0}},
    {"transpose", "f32[2, N, 3]", NULL, NULL, -2, 2, NULL, {2, 0, 1}},
    {"broadcast", "f32[3]", NULL, NULL, -2, 2, "f32[N, 3]", {1}},
    {"broadcast", "f32[2, 1, 3]", NULL, NULL, -2, 2, "f32[2, 4, 3, M]", {0, 1, 2}},
    {"slice", "f32[5, N, 4]", NULL, NULL, -2, 2, "f32[2, N, 2]", {1, 0, 3, 2, 1, -2}},
    {"slice", "f32[N, 3]", NULL, NULL, -2, 2, "f32[1, 3]", {0, 0, 1, 1}},
    {"pad", "f32[2, N, 2]", NULL, NULL, -2, 2, "f32[5, N, 4]", {1, 0, 3, 2, 1, -2}},
    {"pad", "f32[1, 3]", NULL, NULL, -2, 2, "f32[N, 3]", {0, 0, 1, 1}},
    {"concat", "f32[2, N, 3]", "f32[2, N, 1]", NULL, -2, 2, NULL, {2}},
    {"concat", "f32[2, 3]", "f32[4, 3]", NULL, -2, 2, NULL, {0}},
    {"gather", "f32[3, N]", "i32[2, 5]", NULL, -4, 7, NULL, {0}},
    {"gather", "f32[2, N, 2]", "i64[5]", NULL, -4, 7, NULL, {1}},
    {"scatter_add", "f32[2, 5, N]", "i32[2, 5]", NULL, -4, 7, "f32[3, N]", {0}},
    {"scatter_add", "f32[2, 5, 2]", "i64[5]", NULL, -4, 7, "f32[2, N, 2]", {1}},
    {"update", "f32[3, N]", "i32[2, 5]", "f32[2, 5, N]", -4, 7, NULL, {0}},
    {"update", "f32[2, N, 2]", "i64[5]", "f32[2, 5, 2]", -4, 7, NULL, {1}},
    {"update", "f32[4, 3]", "i32[]", "f32[3]", -1, 4, NULL, {0}},
    {"update", "f32[N, 4, 2]", "i32[N]", "f32[N, 2]", -2, 6, NULL, {1, 1}},
    {"update", "f32[3, 2, N, 2]", "i64[3, 2, 2]", "f32[3, 2, 2, 2, 2]", -2, 5, NULL, {2, 1}},
    {"cumsum", "f32[2, N, 3]", NULL, NULL, -2, 2, NULL, {1, 0}},
    {"cumsum", "f32[4]", NULL, NULL, -2, 2, NULL, {0, 1}},
    {"broadcast", "f32[]", NULL, NULL, -2, 2, "f32[N, 3]", {0}},
};

static Node *instance_node(Bench *b, const Instance *t) {
    Node *in[] = {arg(b, "a", t->a), t->b ? arg(b, "b", t->b) : NULL, t->c ? arg(b, "c", t->c) : NULL};
    Type to = t->to ? type_of(t->to, NULL) : in[0]->type;
    if (!strcmp(t->op, "cast")) return build_cast(b->g, build_cast(b->g, in[0], to.dtype), F32);
    if (!strcmp(t->op, "reshape")) return build_reshape(b->g, in[0], &to);
    if (!strcmp(t->op, "transpose")) return build_transpose(b->g, in[0], t->list);
    if (!strcmp(t->op, "broadcast")) return build_broadcast(b->g, in[0], &to, t->list);
    if (!strcmp(t->op, "slice") || !strcmp(t->op, "pad")) { // starts, then steps
        int64_t wide[2 * MAX_RANK];
        for (int d = 0; d < 2 * to.rank; d++) wide[d] = t->list[d];
        return !strcmp(t->op, "slice") ? build_slice_fixed(b->g, in[0], &to, wide, wide + to.rank)
                                       : build_pad_fixed(b->g, in[0], &to, wide, wide + to.rank, 1.5);
    }
    if (!strcmp(t->op, "concat")) return build_concat(b->g, in[0], in[1], t->list[0]);
    Attr axis[] = {{.i = t->list[0]}, {.i = t->list[1]}}, shape[] = {{.n = to.rank, .dims = to.dim}, {.i = t->list[0]}};
    if (!strcmp(t->op, "gather") || !strcmp(t->op, "cumsum") || !strcmp(t->op, "update"))
        return graph_op(b->g, op_find(t->op), in, op_find(t->op)->inputs, axis);
    if (!strcmp(t->op, "scatter_add")) return graph_op(b->g, op_find(t->op), in, 2, shape);
    return graph_op(b->g, op_find(t->op), in, op_find(t->op)->inputs, NULL);
}

// A record without a row: its example, between -2 and 2. One that is not defined there needs a row.
static void check_example(const Op *op) {
    Bench b;
    bench_open(&b);
    Instance t = {.op = op->name, .low = -2, .high = 2};
    const char **types[] = {&t.a, &t.b, &t.c}, *colon = op->example;
    int n = 0;
    while (n < 3 && (colon = strchr(colon + (n > 0), ':'))) *types[n++] = skip_blanks(colon + 1);
    cr_expect(op->traits & OP_ELEMENTWISE && n == op->inputs && !op->attrs[0].name, "%s: its gradient is not tested",
              op->name);
    if (op->traits & OP_ELEMENTWISE && n == op->inputs && !op->attrs[0].name)
        check_gradients(&b, op->name, instance_node(&b, &t), t.low, t.high, 3, true);
    bench_close(&b);
}

Test(autodiff, every_gradient_agrees_with_central_differences) {
    for (size_t k = 0; k < sizeof instances / sizeof *instances; k++) {
        Bench b;
        bench_open(&b);
        check_gradients(&b, instances[k].op, instance_node(&b, &instances[k]), instances[k].low, instances[k].high, 3,
                        true);
        bench_close(&b);
    }
    for (const Op *const *at = ops; *at; at++) {
        bool found = !(*at)->grad || !strcmp((*at)->name, "contract") || !strcmp((*at)->name, "reduce"); // tables below
        for (size_t k = 0; k < sizeof instances / sizeof *instances; k++)
            found |= !strcmp(instances[k].op, (*at)->name);
        if (!found) check_example(*at);
    }
}

typedef struct Form {
    const char *what, *axes, *out, *a, *b, *shape, *a_type, *b_type;
} Form;

static const Form contractions[] = {
    {"a @ b", "m3 n4|k5", "m,n", "m,k", "k,n", "f32[3, 4]", "f32[3, 5]", "f32[5, 4]"},
    {"a^T @ b", "m3 n4|k5", "m,n", "k,m", "k,n", "f32[3, 4]", "f32[5, 3]", "f32[5, 4]"},
    {"a @ b^T", "m3 n4|k5", "m,n", "m,k", "n,k", "f32[3, 4]", "f32[3, 5]", "f32[4, 5]"},
    {"a^T @ b^T", "m3 n4|k5", "m,n", "k,m", "n,k", "f32[3, 4]", "f32[5, 3]", "f32[4, 5]"},
    {"(a @ b)^T", "m3 n4|k5", "n,m", "m,k", "k,n", "f32[4, 3]", "f32[3, 5]", "f32[5, 4]"},
    {"batched", "nN m3 j4|k2", "n,m,j", "n,m,k", "n,k,j", "f32[N, 3, 4]", "f32[N, 3, 2]", "f32[N, 2, 4]"},
    {"batched, one b", "nN m3 j4|k2", "n,m,j", "n,m,k", "0,k,j", "f32[N, 3, 4]", "f32[N, 3, 2]", "f32[1, 2, 4]"},
    {"run-time rows", "nN j4|k2", "n,j", "n,k", "k,j", "f32[N, 4]", "f32[N, 2]", "f32[2, 4]"},
    {"dot", "|k5", "", "k", "k", "f32[]", "f32[5]", "f32[5]"},
    {"conv2d, stride 2, padding 1", "n2 o2 y2 x2|i2 p3 q3", "n,o,y,x", "n,i,2*y+p-1,2*x+q-1", "o,i,p,q",
     "f32[2, 2, 2, 2]", "f32[2, 2, 4, 3]", "f32[2, 2, 3, 3]"},
    {"conv1d, dilation 2, groups 2", "n2 g2 o2 y4|i2 p3", "n,2*g+o,y", "n,2*g+i,y+2*p-2", "2*g+o,i,p", "f32[2, 4, 4]",
     "f32[2, 4, 4]", "f32[4, 2, 3]"},
    {"transposed conv1d", "n2 o2 y3 p4|i2", "n,o,2*y+p-1", "n,i,y", "i,o,p", "f32[2, 2, 6]", "f32[2, 2, 3]",
     "f32[2, 2, 4]"},
};

Test(autodiff, contractions_of_every_form) {
    for (size_t k = 0; k < sizeof contractions / sizeof *contractions; k++) {
        const Form *f = &contractions[k];
        Bench b;
        bench_open(&b);
        Iter iter = iter_of(f->axes, f->out, f->a, f->b);
        Type shape = type_of(f->shape, NULL);
        Node *x = arg(&b, "a", f->a_type), *w = arg(&b, "b", f->b_type);
        check_gradients(&b, f->what, build_contract(b.g, x, w, &shape, &iter), -1, 1, 2, true);
        bench_close(&b);
    }
}

Test(autodiff, matmul_with_itself) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[3, 3]");
    check_gradients(&b, "x @ x", build_matmul(b.g, x, x), -1, 1, 2, true);
    bench_close(&b);
}

typedef struct Reduction {
    const char *what, *kind, *ties, *axes, *out, *in, *shape, *type;
} Reduction;

static const Reduction reductions[] = {
    {"sum of rows", "sum", "even", "nN|k4", "n", "n,k", "f32[N]", "f32[N, 4]"},
    {"sum of all", "sum", "even", "|nN k4", "", "n,k", "f32[]", "f32[N, 4]"},
    {"sum, transposed", "sum", "even", "a2 b4|k3", "a,b", "b,k,a", "f32[2, 4]", "f32[4, 3, 2]"},
    {"sum of windows", "sum", "even", "n2 y3|p3", "n,y", "n,2*y+p-1", "f32[2, 3]", "f32[2, 5]"},
    {"max of rows", "max", "even", "nN|k4", "n", "n,k", "f32[N]", "f32[N, 4]"},
    {"max of columns, first", "max", "first", "k4|nN", "k", "n,k", "f32[4]", "f32[N, 4]"},
    {"max, transposed", "max", "even", "a2 b4|k3", "a,b", "b,k,a", "f32[2, 4]", "f32[4, 3, 2]"},
    {"max, transposed, first", "max", "first", "a2 b4|k3", "a,b", "b,k,a", "f32[2, 4]", "f32[4, 3, 2]"},
    {"min of all", "min", "even", "|n3 k4", "", "n,k", "f32[]", "f32[3, 4]"},
    {"max pooling, first", "max", "first", "n2 y3 x2|p3 q3", "n,y,x", "n,2*y+p-1,2*x+q-1", "f32[2, 3, 2]",
     "f32[2, 5, 4]"},
    {"min pooling, even", "min", "even", "n2 y3|p3", "n,y", "n,2*y+p-1", "f32[2, 3]", "f32[2, 5]"},
};

static Node *reduction_node(Bench *b, const Reduction *r, Node *x) {
    Iter iter = iter_of(r->axes, r->out, r->in, NULL);
    Type shape = type_of(r->shape, NULL);
    return build_reduce_of(b->g, r->kind, r->ties, x, &shape, &iter);
}

Test(autodiff, reductions_of_every_form) {
    for (size_t k = 0; k < sizeof reductions / sizeof *reductions; k++) {
        const Reduction *r = &reductions[k];
        Bench b;
        bench_open(&b);
        Node *x = arg(&b, "x", r->type);
        check_gradients(&b, r->what, reduction_node(&b, r, build_binary(b.g, "mul", x, x)), -1, 1, 2, true);
        bench_close(&b);
    }
}

// ---- kinks and ties, exactly --------------------------------------------------------------------------------------

static Tensor tensor_given(Bench *b, const Node *node, const double *x) {
    Tensor t = tensor_new(&b->arena, &node->type, bench_sizes);
    for (int64_t k = 0; k < t.count; k++) t.f[k] = x[k];
    return t;
}

// The gradient of sum(y) with respect to the first argument is exactly `want`.
static void expect_gradient(Bench *b, const char *what, Node *y, const Tensor *args, const double *want) {
    Node *loss = build_reduce(b->g, REDUCE_SUM, y, (1u << y->type.rank) - 1, TIES_EVEN), *grads[8];
    cr_assert(differentiate(b, loss, grads), "%s: %s", what, bench_messages(b));
    Tensor got = evaluate(b, args, grads[0]);
    for (int64_t k = 0; k < got.count; k++)
        cr_expect(got.f[k] == want[k], "%s: element %d: got %g, want %g", what, (int)k, got.f[k], want[k]);
}

Test(autodiff, kinks_follow_the_rules) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[3]"), *y = arg(&b, "y", "f32[3]");
    Tensor args[] = {tensor_given(&b, x, (double[]){-1, 0, 2}), tensor_given(&b, y, (double[]){-1, 1, 1})};
    expect_gradient(&b, "relu", build_unary(b.g, "relu", x), args, (double[]){0, 0, 1});
    expect_gradient(&b, "max", build_binary(b.g, "max", x, y), args, (double[]){0.5, 0, 1});
    expect_gradient(&b, "min", build_binary(b.g, "min", x, y), args, (double[]){0.5, 1, 0});
    expect_gradient(&b, "max(x, x)", build_binary(b.g, "max", x, x), args, (double[]){1, 1, 1});
    expect_gradient(&b, "softplus", build_unary(b.g, "softplus", x), args,
                    (double[]){exp(-1.0) / (1 + exp(-1.0)), 0.5, 1 / (1 + exp(-2.0))});
    bench_close(&b);
}

typedef struct Tie {
    const char *kind, *ties, *axes, *out, *in, *shape, *type;
    double x[6], want[6];
} Tie;

static const Tie tie_rows[] = {
    {"max",
     "even",
     "n2|k3",
     "n",
     "n,k",
     "f32[2]",
     "f32[2, 3]",
     {3, 1, 3, 2, 2, 2},
     {0.5, 0, 0.5, 1.0 / 3, 1.0 / 3, 1.0 / 3}},
    {"max", "first", "n2|k3", "n", "n,k", "f32[2]", "f32[2, 3]", {3, 1, 3, 2, 2, 2}, {1, 0, 0, 1, 0, 0}},
    {"min", "even", "k3|n2", "k", "n,k", "f32[3]", "f32[2, 3]", {3, 1, 3, 3, 2, 2}, {0.5, 1, 0, 0.5, 0, 1}},
    {"min", "first", "k3|n2", "k", "n,k", "f32[3]", "f32[2, 3]", {3, 1, 3, 3, 2, 2}, {1, 1, 0, 0, 0, 1}},
    {"max", "first", "|n2 k3", "", "n,k", "f32[]", "f32[2, 3]", {0, 1, 4, 4, 4, 1}, {0, 0, 1, 0, 0, 0}},
    // Overlapping windows {-, 0, 1} {1, 2, 3} {3, 4, 5}: element 3 is the first maximum of two of them.
    {"max", "first", "y3|p3", "y", "2*y+p-1", "f32[3]", "f32[6]", {1, 1, 0, 5, 5, 2}, {1, 0, 0, 2, 0, 0}},
    {"max", "even", "y3|p3", "y", "2*y+p-1", "f32[3]", "f32[6]", {1, 1, 0, 5, 5, 2}, {0.5, 0.5, 0, 1.5, 0.5, 0}},
};

Test(autodiff, ties_are_split_or_go_to_the_first) {
    for (size_t k = 0; k < sizeof tie_rows / sizeof *tie_rows; k++) {
        const Tie *t = &tie_rows[k];
        Bench b;
        bench_open(&b);
        Node *x = arg(&b, "x", t->type);
        Reduction r = {"", t->kind, t->ties, t->axes, t->out, t->in, t->shape, t->type};
        Tensor in = tensor_given(&b, x, t->x);
        expect_gradient(&b, arena_printf(&b.arena, "%s, %s, %s", t->kind, t->ties, t->axes), reduction_node(&b, &r, x),
                        &in, t->want);
        bench_close(&b);
    }
}

// ---- the function itself ------------------------------------------------------------------------------------------

Test(autodiff, detach_stops_and_unused_gives_zero) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[3]"), *y = arg(&b, "y", "f32[2]"), *z = arg(&b, "z", "f32[3]"), *wrt[] = {x, y, z},
         *grads[3];
    Node *stopped = build_unary(b.g, "detach", build_unary(b.g, "exp", z));
    Node *loss = build_reduce(b.g, REDUCE_SUM, build_binary(b.g, "mul", x, stopped), 1, TIES_EVEN);
    bool used[3];
    cr_assert(autodiff(b.g, loss, wrt, 3, grads, used));
    cr_expect(used[0] && !used[1] && !used[2], "used: got %d %d %d, want 1 0 0", used[0], used[1], used[2]);
    Tensor args[] = {tensor_apart(&b, &x->type, -1, 1), tensor_apart(&b, &y->type, -1, 1),
                     tensor_apart(&b, &z->type, -1, 1)};
    Tensor dx = evaluate(&b, args, grads[0]), dy = evaluate(&b, args, grads[1]), dz = evaluate(&b, args, grads[2]);
    cr_expect(type_equal(&grads[1]->type, &y->type) && dy.f[0] == 0 && dy.f[1] == 0,
              "an unused argument has gradient 0");
    cr_expect(dz.f[0] == 0 && dx.f[1] == exp(args[2].f[1]), "dx is detach(exp(z)), dz is 0");
    // With respect to the detached value itself there is one.
    cr_assert(autodiff(b.g, loss, &stopped, 1, grads, used));
    cr_expect(used[0] && evaluate(&b, args, grads[0]).f[2] == args[0].f[2], "d/d detach(z) is x");
    bench_close(&b);
}

// Both an intermediate value and what it comes from; and a value that is used twice.
Test(autodiff, inner_values_and_sums_of_paths) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[]"), *square = build_binary(b.g, "mul", x, x);
    Node *loss = build_binary(b.g, "add", build_binary(b.g, "mul", square, square), x), *wrt[] = {x, square, loss},
         *grads[3];
    bool used[3];
    cr_assert(autodiff(b.g, loss, wrt, 3, grads, used));
    Tensor at = tensor_given(&b, x, (double[]){3});
    double dx = evaluate(&b, &at, grads[0]).f[0], ds = evaluate(&b, &at, grads[1]).f[0];
    cr_expect(dx == 109 && ds == 18, "x^4 + x at 3: got %g and %g, want 109 and 18", dx, ds);
    cr_expect(evaluate(&b, &at, grads[2]).f[0] == 1, "d loss / d loss is 1");
    bench_close(&b);
}

Test(autodiff, new_nodes_carry_the_forward_node_and_the_section) {
    static const Source source = {.name = "net.dl", .text = "y = tanh(x)\n", .len = 12};
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[]"), *grad;
    b.g->span_now = (Span){&source, 4, 11};
    b.g->name_now = "y";
    b.g->origin_now = "my_layer";
    Node *y = build_unary(b.g, "tanh", x);
    Span later = {&source, 0, 1};
    b.g->span_now = later;
    b.g->name_now = b.g->origin_now = NULL;
    b.g->section_now = SECTION_UPDATE;
    int before = b.g->nodes.len;
    bool used;
    cr_assert(autodiff(b.g, y, &x, 1, &grad, &used));
    cr_expect(b.g->nodes.len > before);
    cr_expect(grad->section == SECTION_BACKWARD && grad->span.start == 4 && !strcmp(grad->name, "d_x") &&
                  !strcmp(grad->origin, "my_layer"),
              "the gradient of x must carry tanh's place and origin, and x's name");
    cr_expect(b.g->section_now == SECTION_UPDATE && b.g->span_now.end == later.end && !b.g->name_now,
              "what comes next must be tagged as before");
    bench_close(&b);
}

// What depends on no wrt costs nothing.
Test(autodiff, only_paths_from_wrt_to_the_loss_are_differentiated) {
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[3]"), *w = arg(&b, "w", "f32[3]"), *grad;
    Node *far = x;
    for (int k = 0; k < 20; k++) far = build_unary(b.g, k % 2 ? "tanh" : "exp", far);
    Node *loss = build_reduce(b.g, REDUCE_SUM, build_binary(b.g, "mul", far, w), 1, TIES_EVEN);
    int before = b.g->nodes.len;
    bool used;
    cr_assert(autodiff(b.g, loss, &w, 1, &grad, &used));
    cr_expect(b.g->nodes.len - before <= 3, "%d new nodes for dw = far", b.g->nodes.len - before);
    bench_close(&b);
}

static void expect_message(Bench *b, bool ok, const char *want) {
    cr_expect(!ok, "must be refused: %s", want);
    cr_expect(strstr(bench_messages(b), want), "got %s, want %s", bench_messages(b), want);
    b->diag.at = NULL;
}

Test(autodiff, what_has_no_gradient_is_told) {
    static const Source source = {.name = "net.dl", .text = "abcdefghijklmnopqrstuvwxyz\n", .len = 27};
    Bench b;
    bench_open(&b);
    Node *x = arg(&b, "x", "f32[3]"), *i = arg(&b, "i", "i32[3]"), *grads[1], *all;
    bool used[1];
    b.g->span_now = (Span){&source, 0, 3};
    Node *mask = build_binary(b.g, "gt", x, build_full(b.g, &x->type, 0));
    b.g->span_now = (Span){&source, 5, 9};
    Node *count = build_reduce(b.g, REDUCE_SUM, build_cast(b.g, mask, F32), 1, TIES_EVEN);
    expect_message(&b, autodiff(b.g, count, &x, 1, grads, used),
                   "net.dl:1:1: error: gt has no gradient, and the loss depends on it: its result is a bool");
    b.g->span_now = (Span){&source, 11, 14};
    Node *whole = build_binary(b.g, "add", build_cast(b.g, x, I32), i);
    all = build_reduce(b.g, REDUCE_SUM, build_cast(b.g, whole, F32), 1, TIES_EVEN);
    expect_message(&b, autodiff(b.g, all, &x, 1, grads, used),
                   "net.dl:1:12: error: add has no gradient, and the loss "
                   "depends on it: i32 numbers have no gradient");
    expect_message(&b, autodiff(b.g, x, &x, 1, grads, used), "the loss must be one float, got f32[3]");
    all = build_reduce(b.g, REDUCE_SUM, x, 1, TIES_EVEN);
    expect_message(&b, autodiff(b.g, all, &i, 1, grads, used), "i32[3]: only floats have gradients");
    // Behind detach, or as a condition, it is nobody's business.
    Node *free_of_it = build_binary(b.g, "add", all, build_unary(b.g, "detach", count));
    Node *flags = build_cast(b.g, build_unary(b.g, "detach", mask), F32);
    Node *gated = build_reduce(b.g, REDUCE_SUM, build_binary(b.g, "mul", flags, x), 1, TIES_EVEN);
    Node *chosen =
        build_reduce(b.g, REDUCE_SUM, build_select(b.g, mask, x, build_full(b.g, &x->type, 0)), 1, TIES_EVEN);
    int errors = b.diag.errors;
    cr_expect(autodiff(b.g, free_of_it, &x, 1, grads, used) && autodiff(b.g, chosen, &x, 1, grads, used));
    cr_expect(autodiff(b.g, gated, &x, 1, grads, used),
              "cast(detach(x > 0), f32) * x is what the user is told to write");
    cr_expect(b.diag.errors == errors, "%s", bench_messages(&b));
    bench_close(&b);
}

// ---- random compositions ------------------------------------------------------------------------------------------

// Smooth everywhere, and kept within [-3, 3] by tanh, so that differences stay exact enough.
static Node *random_step(Bench *b, Node **pool, int n) {
    static const char *const unary[] = {"tanh", "sigmoid", "softplus", "neg", "exp", "expm1"};
    static const char *const binary[] = {"add", "sub", "mul"};
    Graph *g = b->g;
    Node *x = pool[(int)(bench_draw(b) * n)], *y = pool[(int)(bench_draw(b) * n)];
    switch ((int)(bench_draw(b) * 6)) {
    case 0:
    case 1:
        return build_unary(g, unary[(int)(bench_draw(b) * 6)], build_unary(g, "tanh", x));
    case 2:
        return build_unary(g, "tanh", build_binary(g, binary[(int)(bench_draw(b) * 3)], x, y));
    case 3:
        return build_unary(g, "tanh", build_matmul(g, x, build_transpose(g, build_matmul(g, y, x), (int[]){1, 0})));
    case 4:
        return build_broadcast(g, build_unary(g, "tanh", build_reduce(g, REDUCE_SUM, x, 2, TIES_EVEN)), &y->type,
                               (int[]){0});
    default: {
        Node *positive =
            build_binary(g, "add", build_unary(g, "exp", build_unary(g, "tanh", x)), build_full(g, &x->type, 1));
        return build_unary(g, "tanh", build_binary(g, "div", y, build_unary(g, "sqrt", positive)));
    }
    }
}

Test(autodiff, random_compositions) {
    for (int round = 0; round < 40; round++) {
        Bench b;
        bench_open(&b);
        b.seed = 1000 + (uint64_t)round;
        Node *pool[16];
        int n = 2;
        pool[0] = arg(&b, "x", "f32[3, 3]");
        pool[1] = arg(&b, "y", "f32[3, 3]");
        for (; n < 10; n++) pool[n] = random_step(&b, pool, n);
        char *what = arena_printf(&b.arena, "composition %d", round);
        check_gradients(&b, what, pool[n - 1], -1, 1, 1, round % 4 == 0);
        bench_close(&b);
    }
}
