// random_graph.c: seeded random entries: element-wise operators, movements, parts, reductions, softmax and layer norm
// along an axis, matrix products, and (random_images.c) convolutions and pools; then a loss and its gradients.
// Comparisons and casts draw on inputs and exact values only, and values are kept near 1, so that rounding is not
// amplified.
#include "random_graph.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"
#include "slices.h"

int random_pick(Generator *r, int n) { return (int)(drawn(r->seed, r->draws++) * n); }

bool random_is_exact(const char *name) { return strchr(name, 'q') != NULL; }

// Sometimes one that another entry has too.
Node *random_param(Generator *r, Type type, bool exact) {
    int start = r->m->storages.len ? random_pick(r, r->m->storages.len) : 0;
    for (int k = start; k < r->m->storages.len && k < start + 40 && start % 3 == 0; k++) {
        Storage *s = r->m->storages.at[k];
        if (random_is_exact(s->name) == exact && type_equal(&s->type, &type)) return build_storage(r->g, s);
    }
    char *name = arena_printf(r->arena, "%s.%c%d", r->g->name, exact ? 'q' : 'p', r->m->storages.len);
    return build_storage(r->g, module_add_storage(r->m, name, STORAGE_PARAM, type, (Span){0}));
}

void random_put(Generator *r, Node *y, Exact exact) {
    if (!y || type_count(&y->type) > 40000 || r->npool == RANDOM_POOL) return;
    r->exact[r->npool] = exact.frac + exact.mag <= 22 ? exact : inexact;
    r->pool[r->npool++] = y;
}

static Node *any_value(Generator *r) {
    return r->pool[random_pick(r, 3) ? r->npool - 1 - random_pick(r, r->npool < 6 ? r->npool : 6)
                                     : random_pick(r, r->npool)];
}

Node *random_scaled(Graph *g, Node *x, double by) { return build_binary(g, "mul", x, build_full(g, &x->type, by)); }

static Dim any_dim(Generator *r) {
    static const int extents[] = {1, 2, 3, 5, 7, 10, 16, 17, 24, 33, 48, 70};
    return dim_fixed(extents[random_pick(r, 12)]);
}

// Sums of multiples of 1/16 are often 0: where rounding would say on which side of the kink, they are moved away from
// it.
Node *random_relu(Generator *r, Node *x, Exact exact) {
    bool moved = r->image && exact.frac < 0;
    return build_unary(r->g, "relu", moved ? build_binary(r->g, "add", x, build_full(r->g, &x->type, 0.0137)) : x);
}

static Node *unary(Generator *r, Node *x) {
    Graph *g = r->g;
    static const char *const names[] = {"tanh", "sigmoid", "softplus", "neg", "relu", "erf", "sin", "cos"};
    int k = random_pick(r, 12);
    if (k > 8) return build_unary(g, names[k - 4], x);
    if (k == 4) return random_relu(r, x, inexact);
    if (k < 4) return build_unary(g, names[k], x);
    if (k == 5) return build_unary(g, "exp", build_unary(g, "tanh", x));
    if (k == 6)
        return build_unary(g, "log",
                           build_binary(g, "add", build_unary(g, "sigmoid", x), build_full(g, &x->type, 0.5)));
    if (k == 7)
        return build_unary(g, "sqrt",
                           build_binary(g, "add", build_binary(g, "mul", x, x), build_full(g, &x->type, 0.5)));
    return build_unary(g, random_pick(r, 2) ? "expm1" : "log1p", build_unary(g, "sigmoid", x));
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
    return build_full(r->g, &x->type, 0.25 + random_pick(r, 4));
}

static Node *binary(Generator *r, Node *x) {
    Graph *g = r->g;
    Node *y = partner(r, x);
    static const char *const names[] = {"add", "sub", "mul", "max", "min"};
    int k = random_pick(r, 7);
    if (k < 3) return build_binary(g, names[k], x, k == 2 ? build_unary(g, "tanh", y) : y);
    if (k < 5) { // max and min have kinks: on inputs only
        Node *a = r->pool[random_pick(r, r->inputs)];
        return build_binary(g, names[k], a, build_full(g, &a->type, 0.125));
    }
    if (k == 5)
        return build_binary(g, "div", x,
                            build_binary(g, "add", build_binary(g, "mul", y, y), build_full(g, &x->type, 1)));
    Node *a = r->pool[random_pick(r, r->inputs)];
    if (!shape_equal(&a->type, &x->type)) return build_binary(g, "add", x, y);
    return build_select(g, build_binary(g, random_pick(r, 2) ? "lt" : "ge", a, build_full(g, &a->type, 0.25)), x, y);
}

static Node *movement(Generator *r, Node *x) {
    Graph *g = r->g;
    if (x->type.rank < 2) return unary(r, x);
    int perm[MAX_RANK];
    for (int d = 0; d < x->type.rank; d++) perm[d] = d;
    int a = random_pick(r, x->type.rank), b = random_pick(r, x->type.rank);
    perm[a] = b, perm[b] = a;
    if (random_pick(r, 2) || x->type.rank < 3) return build_transpose(g, x, perm);
    // Merge the last two axes where neither is the run-time size.
    Type merged = x->type;
    int last = merged.rank - 1;
    if (merged.dim[last].size || merged.dim[last - 1].size) return build_transpose(g, x, perm);
    merged.dim[last - 1] = dim_fixed(merged.dim[last - 1].extent * merged.dim[last].extent);
    merged.rank--;
    return build_reshape(g, x, &merged);
}

// A slice, pad, concat, gather, scatter_add, update or cumsum along one axis that is no run-time size; x as it is for
// others.
static Node *part(Generator *r, Node *x) {
    Graph *g = r->g;
    int axis = x->type.rank ? random_pick(r, x->type.rank) : 0, kind = random_pick(r, 6);
    if (!x->type.rank || x->type.dim[axis].size) return unary(r, x);
    int64_t n = x->type.dim[axis].extent, start[MAX_RANK] = {0}, step[MAX_RANK];
    for (int d = 0; d < MAX_RANK; d++) step[d] = 1;
    Type to = x->type, along = {I32, 1, {dim_fixed(1 + random_pick(r, 9))}};
    if (kind == 0) { // from a random element on, forwards or backwards
        start[axis] = random_pick(r, (int)n);
        step[axis] = (1 + random_pick(r, 2)) * (random_pick(r, 2) ? 1 : -1);
        int64_t room = step[axis] > 0 ? n - 1 - start[axis] : start[axis],
                by = step[axis] > 0 ? step[axis] : -step[axis];
        to.dim[axis] = dim_fixed((int32_t)(1 + room / by));
        return build_slice_fixed(g, x, &to, start, step);
    }
    if (kind == 1) {
        step[axis] = 1 + random_pick(r, 2);
        start[axis] = random_pick(r, 3);
        to.dim[axis] = dim_fixed((int32_t)(start[axis] + step[axis] * (n - 1) + 1 + random_pick(r, 3)));
        return build_pad_fixed(g, x, &to, start, step, random_pick(r, 2) ? 0 : 0.5);
    }
    if (kind == 2) return build_concat(g, x, random_pick(r, 2) ? build_unary(g, "tanh", x) : x, axis);
    if (kind == 3) return graph_op(g, &op_cumsum, &x, 1, (Attr[]){{.i = axis}, {.i = random_pick(r, 2)}});
    // Indices that go round, some of them out of range.
    Node *index = build_binary(g, "sub", build_binary(g, "mul", build_iota(g, &along, 0), build_full(g, &along, 2)),
                               build_full(g, &along, 1 + random_pick(r, 3)));
    if (kind == 4) return graph_op(g, &op_gather, (Node *[]){x, index}, 2, &(Attr){.i = axis});
    along.dim[0] = x->type.dim[axis];
    index = build_binary(g, "sub", build_full(g, &along, (double)n - 2), build_iota(g, &along, 0));
    if (random_pick(r, 3) == 0) // the last two are replaced, the others are out of range or alone
        return graph_op(g, &op_update, (Node *[]){build_unary(g, "tanh", x), index, x}, 3,
                        (Attr[]){{.i = axis}, {.i = 0}});
    Attr attrs[] = {{.n = to.rank, .dims = to.dim}, {.i = axis}};
    return graph_op(g, &op_scatter_add, (Node *[]){x, index}, 2, attrs);
}

static Node *reduction(Generator *r, Node *x) {
    if (x->type.rank == 0) return unary(r, x);
    unsigned axes = 1u + (unsigned)random_pick(r, (1 << x->type.rank) - 1);
    double count = 1;
    for (int d = 0; d < x->type.rank; d++)
        if (axes >> d & 1) count *= x->type.dim[d].extent;
    // max and min choose by comparison: on inputs only
    if (random_pick(r, 4) == 0) {
        Node *a = r->pool[random_pick(r, r->inputs)];
        if (a->type.rank == 0) return unary(r, a);
        return build_reduce(r->g, random_pick(r, 2) ? REDUCE_MAX : REDUCE_MIN, a, 1u << random_pick(r, a->type.rank),
                            random_pick(r, 2) ? TIES_EVEN : TIES_FIRST);
    }
    return random_scaled(r->g, build_reduce(r->g, REDUCE_SUM, x, axes, TIES_EVEN), 2 / sqrt(count) / 2);
}

// softmax or layer norm along one axis: what the row recipe is for.
static Node *rows(Generator *r, Node *x) {
    Graph *g = r->g;
    if (x->type.rank == 0) return unary(r, x);
    int axis = random_pick(r, 2) ? x->type.rank - 1 : random_pick(r, x->type.rank), keep[MAX_RANK];
    for (int d = 0, k = 0; d < x->type.rank; d++)
        if (d != axis) keep[k++] = d;
    if (random_pick(r, 2)) {
        Node *max = build_broadcast(g, build_reduce(g, REDUCE_MAX, build_unary(g, "detach", x), 1u << axis, TIES_EVEN),
                                    &x->type, keep);
        Node *e = build_unary(g, "exp", build_binary(g, "sub", x, max));
        return build_binary(g, "div", e,
                            build_broadcast(g, build_reduce(g, REDUCE_SUM, e, 1u << axis, TIES_EVEN), &x->type, keep));
    }
    Type scalar = type_scalar(F32);
    Node *n = build_broadcast(g, build_cast(g, build_size(g, x->type.dim[axis]), F32), &x->type, NULL);
    (void)scalar;
    Node *mean = build_broadcast(g, build_reduce(g, REDUCE_SUM, build_binary(g, "div", x, n), 1u << axis, TIES_EVEN),
                                 &x->type, keep);
    Node *centred = build_binary(g, "sub", x, mean);
    Node *squares = build_reduce(g, REDUCE_SUM, build_binary(g, "div", build_binary(g, "mul", centred, centred), n),
                                 1u << axis, TIES_EVEN);
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
        y = random_param(r, type, false);
    }
    Node *product = build_matmul(g, x, y);
    product = random_scaled(g, product, 1 / sqrt(k.extent));
    return random_pick(r, 2) ? product : build_unary(g, "relu", build_binary(g, "add", product, partner(r, product)));
}

static void grow(Generator *r) {
    Node *x = any_value(r), *y;
    switch (random_pick(r, 10)) {
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
    random_put(r, y, inexact);
}

static void add_input(Generator *r, Type type, bool stored) {
    random_put(
        r, stored ? random_param(r, type, false) : build_argument(r->g, arena_printf(r->arena, "x%d", r->npool), type),
        inexact);
}

static bool reaches(const Node *node, const Node *of) {
    if (node == of) return true;
    for (int k = 0; k < node->nin; k++)
        if (node->in[k]->id >= of->id && reaches(node->in[k], of)) return true;
    return false;
}

// As a second minimize does it: a loss of what was learned, and sometimes of what it was before; some of the parameters
// learn once more.
static void learn_again(Generator *r, Node *const *old, Node *const *learned, int n) {
    Graph *g = r->g;
    Node *loss = NULL, *grads[RANDOM_WRT];
    bool used[RANDOM_WRT];
    for (int k = 0; k < n; k++) {
        Node *y = build_unary(g, "tanh", learned[k]);
        if (random_pick(r, 3) == 0) y = build_binary(g, "mul", y, build_unary(g, "sin", old[k]));
        y = random_scaled(g, build_binary(g, "mul", y, y), 1 / (double)type_count(&y->type));
        if (y->type.rank) y = build_reduce(g, REDUCE_SUM, y, (1u << y->type.rank) - 1u, TIES_EVEN);
        loss = loss ? build_binary(g, "add", loss, y) : y;
    }
    if (!loss || !autodiff(g, loss, learned, n, grads, used)) return;
    for (int k = 0; k < n; k++)
        if (random_pick(r, 2))
            graph_bind(g, module_find_storage(r->m, node_attr(old[k], "name")->s),
                       build_binary(g, "sub", learned[k], random_scaled(g, grads[k], 0.5)), (Span){0});
    graph_return(g, "again", loss, (Span){0});
}

// One parameter keeps what another of its type was, and that one what it has learned: no order lets both be in place.
static void change_places(Generator *r, Node *const *old, Node *const *learned, int n) {
    for (int a = 0; a < n; a++)
        for (int b = 0; b < a; b++) {
            if (!type_equal(&old[a]->type, &old[b]->type)) continue;
            graph_bind(r->g, module_find_storage(r->m, node_attr(old[a], "name")->s), old[b], (Span){0});
            graph_bind(r->g, module_find_storage(r->m, node_attr(old[b], "name")->s), learned[a], (Span){0});
            return;
        }
}

// A loss, its gradients, the parameters updated in place; the gradient of the first argument is returned.
static void add_training(Generator *r, Node *last) {
    Graph *g = r->g;
    Node *smooth = build_unary(g, "tanh", last), *loss = build_binary(g, "mul", smooth, smooth);
    if (last->type.rank) loss = build_reduce(g, REDUCE_SUM, loss, (1u << last->type.rank) - 1u, TIES_EVEN);
    Node *wrt[RANDOM_WRT], *grads[RANDOM_WRT];
    bool used[RANDOM_WRT];
    int n = 0;
    for (int k = 0; k < g->nodes.len && n < RANDOM_WRT; k++) {
        Node *node = g->nodes.at[k];
        if ((node_is(node, storage) || node == r->pool[0]) && reaches(loss, node)) wrt[n++] = node;
    }
    if (!autodiff(g, loss, wrt, n, grads, used)) exit(3);
    Node *old[RANDOM_WRT], *learned[RANDOM_WRT];
    int updated = 0;
    for (int k = 0; k < n; k++) {
        if (!used[k]) continue;
        if (node_is(wrt[k], argument)) {
            graph_return(g, "dx", grads[k], (Span){0});
            continue;
        }
        old[updated] = wrt[k];
        learned[updated] = build_binary(g, "sub", wrt[k], random_scaled(g, grads[k], 0.1));
        graph_bind(g, module_find_storage(r->m, node_attr(wrt[k], "name")->s), learned[updated++], (Span){0});
    }
    if (random_pick(r, 3) == 0) learn_again(r, old, learned, updated);
    if (random_pick(r, 4) == 0) change_places(r, old, learned, updated);
    graph_return(g, "loss", loss, (Span){0});
}

// Half of the entries have checkpoint blocks, some in others, of values that stand together: nothing else is drawn
// otherwise for it. What is not trained has them too, where they mean nothing.
static void enter_block(Generator *r, int number, int step) {
    static const char *const blocks[] = {NULL, "1", "1.2", "1.2.3", "1.4", "5", NULL, "6"};
    double at = drawn(r->seed * 31 + 7, (uint64_t)number * 100 + (uint64_t)step / 2);
    r->g->checkpoint_now = number % 2 ? blocks[(int)(at * 8)] : NULL;
}

// Outputs stand in a fixed order: returned ones first.
static void make_entry(Generator *r, int number) {
    r->image = random_pick(r, 5) > 1;
    r->train = random_pick(r, r->image ? 2 : 4);
    r->g = graph_new(r->m, arena_printf(r->arena, "e%d", number), r->train ? ENTRY_TRAIN : ENTRY_MODEL);
    r->npool = 0;
    Dim n = dim_size(r->m->sizes[0].bound, 0);
    Dim a = any_dim(r), b = any_dim(r);
    if (r->image) {
        random_add_image(r, random_pick(r, 4) ? n : dim_fixed(1 + random_pick(r, 2)));
    } else {
        add_input(r, (Type){F32, 2, {n, a}}, false);
        add_input(r, (Type){F32, 2, {a, b}}, true);
        add_input(r, (Type){F32, 1, {b}}, true);
        if (random_pick(r, 2)) add_input(r, (Type){F32, 3, {any_dim(r), n, a}}, false);
    }
    r->inputs = r->npool;
    for (int steps = 4 + random_pick(r, r->image ? 7 : 12); steps > 0; steps--) {
        enter_block(r, number, steps);
        if (r->image && random_pick(r, 6))
            random_grow_image(r);
        else
            grow(r);
    }
    r->g->checkpoint_now = NULL;
    Node *last = r->pool[r->npool - 1];
    graph_return(r->g, "y", last, (Span){0});
    for (int k = random_pick(r, 4); k > 0; k--) {
        Node *other = any_value(r);
        if (!(other->op->traits & OP_INPUT)) graph_return(r->g, arena_printf(r->arena, "z%d", k), other, (Span){0});
    }
    if (r->train) add_training(r, last);
    vec_push(r->arena, &r->m->entries, r->g);
}

Module *random_module(Arena *arena, Diag *diag, uint32_t seed) {
    Generator r = {.arena = arena, .m = module_new(arena, diag, "random.graph"), .seed = seed};
    r.m->nsizes = 1;
    static const int bounds[] = {6, 6, 6, 40, 40, 300}; // large enough for several chunks of rows
    r.m->sizes[0] = (Size){"N", 1 + random_pick(&r, bounds[random_pick(&r, 6)])};
    for (int k = 0; k < RANDOM_ENTRIES; k++) make_entry(&r, k);
    return r.m;
}
