// random_programs.c: seeded random graphs with gradients; the C of every level, target and compiler must agree with the
// interpreter, at the bound of the run-time size and below it.
//     random_programs [SEED [MODULES]]        20 graphs a module
// Comparisons and casts draw on inputs only, and values are kept near 1, so that rounding is not amplified.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "ops/op.h"

enum { ENTRIES = 20, POOL = 64 };
// A tensor may differ by this share of its largest value, plus a multiple of what the interpreter's own rounding
// changes in it: a sum that cancels to almost nothing has no digits left to compare.
static const double TOLERANCE = 1e-4, ROUNDING = 64;

typedef struct Generator {
    Arena *arena;
    Module *m;
    Graph *g;
    uint32_t seed;
    uint64_t draws;
    Node *pool[POOL]; // f32 values
    int npool;
    int inputs;   // pool[0, inputs) are arguments and storages
    Node *labels; // i32[N]
} Generator;

static int pick(Generator *r, int n) { return (int)(drawn(r->seed, r->draws++) * n); }

static Node *any_value(Generator *r) {
    return r->pool[pick(r, 3) ? r->npool - 1 - pick(r, r->npool < 6 ? r->npool : 6) : pick(r, r->npool)];
}

static Node *scaled(Graph *g, Node *x, double by) { return build_binary(g, "mul", x, build_full(g, &x->type, by)); }

static Dim any_dim(Generator *r) {
    static const int extents[] = {1, 2, 3, 5, 7, 10, 16, 17, 24, 33, 48, 70};
    return dim_fixed(extents[pick(r, 12)]);
}

static Node *unary(Generator *r, Node *x) {
    Graph *g = r->g;
    static const char *const names[] = {"tanh", "sigmoid", "softplus", "neg", "relu"};
    int k = pick(r, 9);
    if (k < 5) return build_unary(g, names[k], x);
    if (k == 5) return build_unary(g, "exp", build_unary(g, "tanh", x));
    if (k == 6)
        return build_unary(g, "log",
                           build_binary(g, "add", build_unary(g, "sigmoid", x), build_full(g, &x->type, 0.5)));
    if (k == 7)
        return build_unary(g, "sqrt",
                           build_binary(g, "add", build_binary(g, "mul", x, x), build_full(g, &x->type, 0.5)));
    return build_unary(g, pick(r, 2) ? "expm1" : "log1p", build_unary(g, "sigmoid", x));
}

// The other operand of x's shape: a value of that shape if there is one, or a smaller one broadcast.
static Node *partner(Generator *r, Node *x) {
    for (int tries = 0; tries < 12; tries++) {
        Node *y = any_value(r);
        Type both;
        if (shape_equal(&x->type, &y->type) && (y != x || tries > 8)) return y;
        if (shape_broadcast(&x->type, &y->type, &both) && shape_equal(&both, &x->type))
            return build_broadcast_numpy(r->g, y, &x->type);
    }
    return build_full(r->g, &x->type, 0.25 + pick(r, 4));
}

static Node *binary(Generator *r, Node *x) {
    Graph *g = r->g;
    Node *y = partner(r, x);
    static const char *const names[] = {"add", "sub", "mul", "max", "min"};
    int k = pick(r, 7);
    if (k < 3) return build_binary(g, names[k], x, k == 2 ? build_unary(g, "tanh", y) : y);
    if (k < 5) { // max and min have kinks: on inputs only
        Node *a = r->pool[pick(r, r->inputs)];
        return build_binary(g, names[k], a, build_full(g, &a->type, 0.1));
    }
    if (k == 5)
        return build_binary(g, "div", x,
                            build_binary(g, "add", build_binary(g, "mul", y, y), build_full(g, &x->type, 1)));
    Node *a = r->pool[pick(r, r->inputs)];
    if (!shape_equal(&a->type, &x->type)) return build_binary(g, "add", x, y);
    return build_select(g, build_binary(g, pick(r, 2) ? "lt" : "ge", a, build_full(g, &a->type, 0.2)), x, y);
}

static Node *movement(Generator *r, Node *x) {
    Graph *g = r->g;
    if (x->type.rank < 2) return unary(r, x);
    int perm[MAX_RANK];
    for (int d = 0; d < x->type.rank; d++) perm[d] = d;
    int a = pick(r, x->type.rank), b = pick(r, x->type.rank);
    perm[a] = b, perm[b] = a;
    if (pick(r, 2) || x->type.rank < 3) return build_transpose(g, x, perm);
    // Merge the last two axes where neither is the run-time size.
    Type merged = x->type;
    int last = merged.rank - 1;
    if (merged.dim[last].size || merged.dim[last - 1].size) return build_transpose(g, x, perm);
    merged.dim[last - 1] = dim_fixed(merged.dim[last - 1].extent * merged.dim[last].extent);
    merged.rank--;
    return build_reshape(g, x, &merged);
}

// A slice, pad, concat, gather, scatter_add or cumsum along one axis that is no run-time size; x as it is for others.
static Node *part(Generator *r, Node *x) {
    Graph *g = r->g;
    int axis = x->type.rank ? pick(r, x->type.rank) : 0, kind = pick(r, 6);
    if (!x->type.rank || x->type.dim[axis].size) return unary(r, x);
    int64_t n = x->type.dim[axis].extent, start[MAX_RANK] = {0}, step[MAX_RANK];
    for (int d = 0; d < MAX_RANK; d++) step[d] = 1;
    Type to = x->type, along = {I32, 1, {dim_fixed(1 + pick(r, 9))}};
    if (kind == 0) { // from a random element on, forwards or backwards
        start[axis] = pick(r, (int)n);
        step[axis] = (1 + pick(r, 2)) * (pick(r, 2) ? 1 : -1);
        int64_t room = step[axis] > 0 ? n - 1 - start[axis] : start[axis],
                by = step[axis] > 0 ? step[axis] : -step[axis];
        to.dim[axis] = dim_fixed((int32_t)(1 + room / by));
        return build_slice(g, x, &to, start, step);
    }
    if (kind == 1) {
        step[axis] = 1 + pick(r, 2);
        start[axis] = pick(r, 3);
        to.dim[axis] = dim_fixed((int32_t)(start[axis] + step[axis] * (n - 1) + 1 + pick(r, 3)));
        return build_pad(g, x, &to, start, step, pick(r, 2) ? 0 : 0.5);
    }
    if (kind == 2) return build_concat(g, x, pick(r, 2) ? build_unary(g, "tanh", x) : x, axis);
    if (kind == 3) return graph_op(g, op_find("cumsum"), &x, 1, (Attr[]){{.i = axis}, {.i = pick(r, 2)}});
    // Indices that go round, some of them out of range.
    Node *index = build_binary(g, "sub", build_binary(g, "mul", build_iota(g, &along, 0), build_full(g, &along, 2)),
                               build_full(g, &along, 1 + pick(r, 3)));
    if (kind == 4) return graph_op(g, op_find("gather"), (Node *[]){x, index}, 2, &(Attr){.i = axis});
    along.dim[0] = x->type.dim[axis];
    index = build_binary(g, "sub", build_full(g, &along, (double)n - 2), build_iota(g, &along, 0));
    Attr attrs[] = {{.n = to.rank, .dims = to.dim}, {.i = axis}};
    return graph_op(g, op_find("scatter_add"), (Node *[]){x, index}, 2, attrs);
}

static Node *reduction(Generator *r, Node *x) {
    if (x->type.rank == 0) return unary(r, x);
    unsigned axes = 1u + (unsigned)pick(r, (1 << x->type.rank) - 1);
    double count = 1;
    for (int d = 0; d < x->type.rank; d++)
        if (axes >> d & 1) count *= x->type.dim[d].extent;
    // max and min choose by comparison: on inputs only
    if (pick(r, 4) == 0) {
        Node *a = r->pool[pick(r, r->inputs)];
        if (a->type.rank == 0) return unary(r, a);
        return build_reduce(r->g, pick(r, 2) ? "max" : "min", a, 1u << pick(r, a->type.rank),
                            pick(r, 2) ? "even" : "first");
    }
    return scaled(r->g, build_reduce(r->g, "sum", x, axes, "even"), 2 / sqrt(count) / 2);
}

// softmax or layer norm along one axis: what the row recipe is for.
static Node *rows(Generator *r, Node *x) {
    Graph *g = r->g;
    if (x->type.rank == 0) return unary(r, x);
    int axis = pick(r, 2) ? x->type.rank - 1 : pick(r, x->type.rank), keep[MAX_RANK];
    for (int d = 0, k = 0; d < x->type.rank; d++)
        if (d != axis) keep[k++] = d;
    if (pick(r, 2)) {
        Node *max =
            build_broadcast(g, build_reduce(g, "max", build_unary(g, "detach", x), 1u << axis, "even"), &x->type, keep);
        Node *e = build_unary(g, "exp", build_binary(g, "sub", x, max));
        return build_binary(g, "div", e,
                            build_broadcast(g, build_reduce(g, "sum", e, 1u << axis, "even"), &x->type, keep));
    }
    Type scalar = type_scalar(F32);
    Node *n = build_broadcast(g, build_cast(g, build_size(g, x->type.dim[axis]), F32), &x->type, NULL);
    (void)scalar;
    Node *mean =
        build_broadcast(g, build_reduce(g, "sum", build_binary(g, "div", x, n), 1u << axis, "even"), &x->type, keep);
    Node *centred = build_binary(g, "sub", x, mean);
    Node *squares =
        build_reduce(g, "sum", build_binary(g, "div", build_binary(g, "mul", centred, centred), n), 1u << axis, "even");
    Node *deviation = build_unary(g, "sqrt", build_binary(g, "add", squares, build_full(g, &squares->type, 0.1)));
    return build_binary(g, "div", centred, build_broadcast(g, deviation, &x->type, keep));
}

static Node *matmul(Generator *r, Node *x) {
    Graph *g = r->g;
    if (x->type.rank < 2) return binary(r, x);
    Dim k = x->type.dim[x->type.rank - 1];
    Node *y = NULL;
    for (int tries = 0; tries < 12 && !y; tries++) {
        Node *c = any_value(r);
        if (c->type.rank != 2) continue;
        if (dim_equal(c->type.dim[0], k))
            y = c;
        else if (dim_equal(c->type.dim[1], k))
            y = build_transpose(g, c, (int[]){1, 0});
    }
    if (!y) {
        if (k.size) return binary(r, x);
        Type type = {F32, 2, {k, any_dim(r)}};
        y = build_storage(g, module_add_storage(r->m, arena_printf(r->arena, "%s.w%d", g->name, r->m->storages.len),
                                                STORAGE_PARAM, type, (Span){0}));
    }
    Node *product = build_matmul(g, x, y);
    product = scaled(g, product, 1 / sqrt(k.extent));
    return pick(r, 2) ? product : build_unary(g, "relu", build_binary(g, "add", product, partner(r, product)));
}

static void grow(Generator *r) {
    Node *x = any_value(r), *y;
    switch (pick(r, 10)) {
    case 0:
    case 1:
        y = unary(r, x);
        break;
    case 2:
    case 3:
        y = binary(r, x);
        break;
    case 4:
        y = movement(r, x);
        break;
    case 5:
        y = reduction(r, x);
        break;
    case 6:
        y = rows(r, x);
        break;
    case 7:
    case 8:
        y = part(r, x);
        break;
    default:
        y = matmul(r, x);
        break;
    }
    if (y && type_count(&y->type) <= 40000 && r->npool < POOL) r->pool[r->npool++] = y;
}

static void add_input(Generator *r, Type type, bool stored) {
    Node *x = stored
                  ? build_storage(r->g, module_add_storage(r->m, arena_printf(r->arena, "%s.p%d", r->g->name, r->npool),
                                                           STORAGE_PARAM, type, (Span){0}))
                  : build_argument(r->g, arena_printf(r->arena, "x%d", r->npool), type);
    r->pool[r->npool++] = x;
}

static bool reaches(const Node *node, const Node *of) {
    if (node == of) return true;
    for (int k = 0; k < node->nin; k++)
        if (node->in[k]->id >= of->id && reaches(node->in[k], of)) return true;
    return false;
}

static void make_entry(Generator *r, int number) {
    r->g = graph_new(r->m, arena_printf(r->arena, "e%d", number), ENTRY_TRAIN);
    r->npool = 0;
    Dim n = {r->m->sizes[0].bound, 1};
    Dim a = any_dim(r), b = any_dim(r);
    add_input(r, (Type){F32, 2, {n, a}}, false);
    add_input(r, (Type){F32, 2, {a, b}}, true);
    add_input(r, (Type){F32, 1, {b}}, true);
    if (pick(r, 2)) add_input(r, (Type){F32, 3, {any_dim(r), n, a}}, false);
    r->inputs = r->npool;
    for (int steps = 4 + pick(r, 12); steps > 0; steps--) grow(r);
    Node *last = r->pool[r->npool - 1];
    graph_return(r->g, "y", last, (Span){0});
    Node *other = any_value(r);
    if (!(other->op->traits & OP_INPUT)) graph_return(r->g, "z", other, (Span){0});
    // A loss, its gradients, and the parameters updated in place.
    Node *smooth = build_unary(r->g, "tanh", last);
    Node *loss =
        build_reduce(r->g, "sum", build_binary(r->g, "mul", smooth, smooth), (1u << last->type.rank) - 1u, "even");
    if (last->type.rank == 0) loss = build_binary(r->g, "mul", smooth, smooth);
    Node *wrt[2] = {r->pool[1], r->pool[2]}, *grads[2];
    bool used[2];
    if (!autodiff(r->g, loss, wrt, 2, grads, used)) exit(3);
    for (int k = 0; k < 2; k++)
        if (used[k] && reaches(loss, wrt[k]))
            graph_bind(r->g, module_find_storage(r->m, node_attr(wrt[k], "name")->s),
                       build_binary(r->g, "sub", wrt[k], scaled(r->g, grads[k], 0.1)), (Span){0});
    graph_return(r->g, "loss", loss, (Span){0});
    vec_push(r->arena, &r->m->entries, r->g);
}

static char *make_module(Arena *arena, uint32_t seed, const char *path) {
    Diag diag = {.out = stderr};
    Generator r = {.arena = arena, .m = module_new(arena, &diag, "random.graph"), .seed = seed};
    r.m->nsizes = 1;
    r.m->sizes[0] = (Size){"N", 1 + pick(&r, 40)};
    for (int k = 0; k < ENTRIES; k++) make_entry(&r, k);
    if (diag.errors) exit(3);
    Str text = str_new(arena);
    module_print(&text, r.m);
    harness_write(path, str_text(&text));
    return arena_strdup(arena, path);
}

static void compare(Tally *t, const Tensor *got, const Tensor *want, const Tensor *exact, const char *who,
                    const char *name) {
    double worst = 0, largest = 0, rounding = 0;
    for (int64_t k = 0; k < want->count; k++) {
        double off = fabs(got->f[k] - want->f[k]), moved = fabs(want->f[k] - exact->f[k]);
        if (isnan(got->f[k]) && isnan(want->f[k])) continue;
        if (got->f[k] == want->f[k]) off = 0;
        worst = off <= worst ? worst : isnan(off) ? INFINITY : off;
        largest = fmax(largest, fabs(want->f[k]));
        rounding = moved > rounding ? moved : rounding;
    }
    double allowed = TOLERANCE * largest + ROUNDING * rounding + 1e-6; // inputs are near 1
    tally(t, worst <= allowed, "%s: %s differs from the interpreter by %.3g, at most %.3g (largest value %.3g)", who,
          name, worst, allowed, largest);
}

static void check_entry(Tally *t, Arena *arena, Compiled *c, Graph *g, int64_t n, const char *who) {
    Module *m = c->module;
    int outputs = 0;
    while (outputs < g->outputs.len && !g->outputs.at[outputs].storage) outputs++;
    Tensor arguments[8], *want = NEW_ARRAY(arena, Tensor, outputs), *got = NEW_ARRAY(arena, Tensor, outputs);
    Tensor *storages = NEW_ARRAY(arena, Tensor, m->storages.len);
    for (int k = 0; k < g->arguments.len; k++)
        arguments[k] = tensor_drawn(arena, &g->arguments.at[k]->type, &n, (uint32_t)(10 + k), -1, 1);
    for (int k = 0; k < m->storages.len; k++) {
        storages[k] = tensor_drawn(arena, &m->storages.at[k]->type, &n, (uint32_t)(500 + k), -1, 1);
        compiled_set(c, m->storages.at[k]->name, &storages[k]);
    }
    for (int k = 0; k < outputs; k++) got[k] = tensor_new(arena, &g->outputs.at[k].value->type, &n);
    Tensor *exact = NEW_ARRAY(arena, Tensor, outputs), *exact_storages = NEW_ARRAY(arena, Tensor, m->storages.len);
    for (int k = 0; k < m->storages.len; k++) exact_storages[k] = storages[k];
    Interpretation run = {.arena = arena, .sizes = &n, .arguments = arguments, .storages = storages, .returned = want};
    graph_interpret(g, &run);
    run.exact = true, run.storages = exact_storages, run.returned = exact;
    graph_interpret(g, &run);
    int status = compiled_call(c, g, &n, arguments, got, NULL);
    tally(t, status == 0, "%s %s(N=%d): returned %d", who, g->name, (int)n, status);
    who = arena_printf(arena, "%s %s(N=%d)", who, g->name, (int)n);
    for (int k = 0; k < outputs; k++) compare(t, &got[k], &want[k], &exact[k], who, g->outputs.at[k].name);
    for (int k = 0; k < m->storages.len; k++) {
        Tensor now = tensor_new(arena, &m->storages.at[k]->type, &n);
        compiled_get(c, m->storages.at[k]->name, &now);
        compare(t, &now, &storages[k], &exact_storages[k], who, m->storages.at[k]->name);
    }
}

int main(int argc, char **argv) {
    uint32_t seed = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    int modules = argc > 2 ? atoi(argv[2]) : 1;
    static const HarnessOptions all[] = {{"c11", 0, 0, "gcc", false, false},
                                         {"native", 2, 0, "gcc", true, false},
                                         {"c11", 2, 3, "clang", false, true},
                                         {"native", 2, 2, "clang", false, true},
                                         {"native", 0, 0, "clang", false, false}};
    Tally t = {0};
    for (int k = 0; k < modules; k++) {
        Arena arena = {0};
        char *dir = harness_dir(&arena, arena_printf(&arena, "random-%u", seed + (unsigned)k));
        char *path = make_module(&arena, seed + (uint32_t)k, arena_printf(&arena, "%s/random.graph", dir));
        for (size_t o = 0; o < sizeof all / sizeof *all; o++) {
            HarnessOptions options = all[o];
            if (getenv("DLC_TEST_SANITIZE")) options.cc = "gcc", options.openmp = false;
            char *who = arena_printf(&arena, "seed %u %s -O%d %s", seed + (unsigned)k, options.target, options.level,
                                     options.cc);
            Compiled *c =
                compiled_new(&arena, path, arena_printf(&arena, "random-%u/%d", seed + (unsigned)k, (int)o), &options);
            tally(&t, c != NULL, "%s: does not compile", who);
            if (!c) continue;
            for (int e = 0; e < c->module->entries.len; e++) {
                check_entry(&t, &arena, c, c->module->entries.at[e], c->module->sizes[0].bound, who);
                check_entry(&t, &arena, c, c->module->entries.at[e], (c->module->sizes[0].bound + 1) / 2, who);
            }
            compiled_free(c);
        }
        arena_release(&arena);
    }
    return tally_close(&t);
}
