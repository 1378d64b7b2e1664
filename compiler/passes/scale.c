// scale.c: in a model, what multiplies a contraction's result goes into its weights, and what is added becomes one
// bias.
//     %3 = contract %x, %w out[n, o, y, x] += ..          %4 = div %gamma, %s                  once after load
//     %4 = sub %3, broadcast %mean                        %5 = mul %w, broadcast %4            once after load
//     %5 = div %4, broadcast %s                  becomes  %6 = contract %x, %5
//     %6 = mul %5, broadcast %gamma                       %7 = sub %beta, (mul %mean, %4)      once after load
//     %7 = add %6, broadcast %beta                        %8 = add %6, broadcast %7
// so that a convolution with its batch norm is a convolution with a bias. Needs SIMPLE, gives it again. A chain is a
// contraction one of whose operands depends on parameters alone, and element-wise steps, each the only user of the one
// before, whose other input does too. A factor fits the weights when it varies along axes of the result that index the
// weights in the same way: the output channels, groups included. Sums are reassociated as docs/language.md allows.
#include <string.h>

#include "ir/affine.h"
#include "ops/op.h"
#include "passes/passes.h"

typedef struct Scale {
    bool *prepared, *constant; // by id in the old graph: fixed in every call; the same, or that repeated along sizes
    const Node **root;         // by id: the contraction that the chain begins with; NULL: no chain
    int *uses;
    bool changed;
} Scale;

// A value that is repeated along the axes of the result which `axes` does not name.
typedef struct Repeated {
    Node *small;
    int axis[MAX_RANK];
} Repeated;

static bool repeated(Node *x, Repeated *r) {
    if (!node_is(x, broadcast)) return false;
    r->small = x->in[0];
    const Attr *axes = node_attr(x, "axes");
    for (int k = 0; k < axes->n; k++) {
        r->axis[k] = (int)axes->ints[k];
        if (!dim_equal(r->small->type.dim[k], x->type.dim[r->axis[k]])) return false;
    }
    return true;
}

static Node *scalar_like(Graph *to, Node *scalar, const Type *type) {
    return scalar->type.rank == type->rank ? scalar : build_broadcast(to, scalar, type, NULL);
}

// a op b, computed before they are repeated where both are repeated in the same way.
static Node *combine(Graph *to, const char *op, Node *a, Node *b) {
    Repeated x = {0}, y = {0};
    if (!repeated(a, &x) || !repeated(b, &y)) return build_binary(to, op, a, b);
    if (!x.small->type.rank) x.small = scalar_like(to, x.small, &y.small->type), memcpy(x.axis, y.axis, sizeof x.axis);
    if (!y.small->type.rank) y.small = scalar_like(to, y.small, &x.small->type), memcpy(y.axis, x.axis, sizeof y.axis);
    bool same = shape_equal(&x.small->type, &y.small->type);
    for (int k = 0; same && k < x.small->type.rank; k++) same = x.axis[k] == y.axis[k];
    if (!same) return build_binary(to, op, a, b);
    return build_broadcast(to, build_binary(to, op, x.small, y.small), &a->type, x.axis);
}

static Node *negated(Graph *to, Node *x) {
    Repeated r;
    if (!repeated(x, &r)) return build_unary(to, "neg", x);
    return build_broadcast(to, build_unary(to, "neg", r.small), &x->type, r.axis);
}

// ---- factors into weights -------------------------------------------------------------------------------------------

// The dim of `weights` that is indexed as dim d of the result is, or -1.
static int matching_dim(const Iter *iter, const Map *map, const Type *weights, int d, Dim dim) {
    for (int e = 0; e < map->rank; e++)
        if (affine_equal(&map->dim[e], &iter->map[0].dim[d]) && dim_equal(weights->dim[e], dim)) return e;
    return -1;
}

// weights * factor along `axis`; a factor that is there already takes the new one in.
static Node *scaled(Graph *to, Node *weights, Node *factor, const int *axis) {
    Repeated has = {0};
    if (node_is(weights, mul) && repeated(weights->in[1], &has) && shape_equal(&has.small->type, &factor->type)) {
        bool same = true;
        for (int k = 0; k < factor->type.rank; k++) same &= has.axis[k] == axis[k];
        double one;
        bool inverse = node_is(has.small, div) && node_constant(has.small->in[0], &one) && one == 1;
        if (same) {
            factor = inverse ? build_binary(to, "div", factor, has.small->in[1])
                             : build_binary(to, "mul", has.small, factor);
            weights = weights->in[0];
        }
    }
    return build_binary(to, "mul", weights, build_broadcast(to, factor, &weights->type, axis));
}

// The contraction with the factor (or its inverse) in one operand; NULL where it fits none.
static Node *fold_factor(Graph *to, const Scale *s, const Node *root, Node *contract, Node *by, bool inverse) {
    const Iter *iter = node_attr(contract, "iter")->iter;
    Repeated r;
    if (!repeated(by, &r)) return NULL;
    for (int which = 1; which >= 0; which--) {
        Node *operand[2] = {contract->in[0], contract->in[1]}, *weights = operand[which];
        int axis[MAX_RANK] = {0}, last = -1;
        bool fits = s->prepared[root->in[which]->id];
        for (int k = 0; fits && k < r.small->type.rank; k++) {
            axis[k] = matching_dim(iter, &iter->map[1 + which], &weights->type, r.axis[k], r.small->type.dim[k]);
            fits = axis[k] > last;
            last = axis[k];
        }
        if (!fits) continue;
        Node *factor = r.small;
        if (inverse) factor = build_binary(to, "div", build_full(to, &factor->type, 1), factor);
        to->span_now = contract->span; // the new nodes keep the tags of what they replace
        to->origin_now = contract->origin;
        to->name_now = weights->name;
        operand[which] = scaled(to, weights, factor, axis);
        to->name_now = contract->name;
        return build_contract(to, operand[0], operand[1], &contract->type, iter);
    }
    return NULL;
}

// ---- chains ---------------------------------------------------------------------------------------------------------

static bool is_step(const Node *node) {
    return node_is(node, add) || node_is(node, sub) || node_is(node, mul) || node_is(node, div);
}

// The input through which `node` goes on with a chain, or -1.
static int chain_input(const Scale *s, const Node *node) {
    if (!is_step(node) || node->type.dtype != F32) return -1;
    for (int k = 0; k < 2; k++) {
        if (k && !(node->op->traits & OP_COMMUTES)) break;
        if (s->root[node->in[k]->id] && s->uses[node->in[k]->id] == 1 && s->constant[node->in[1 - k]->id]) return k;
    }
    return -1;
}

static void find_root(Scale *s, const Node *node) {
    int k = chain_input(s, node);
    if (k >= 0) s->root[node->id] = s->root[node->in[k]->id];
    bool begins = node_is(node, contract) && node->type.dtype == F32 &&
                  s->prepared[node->in[0]->id] != s->prepared[node->in[1]->id];
    if (begins) s->root[node->id] = node;
}

static Node *scale_node(Graph *to, const Node *old, Node *const *in, void *context) {
    Scale *s = context;
    int k = chain_input(s, old);
    if (k < 0) return NULL;
    const Node *root = s->root[old->id];
    // The chain so far is a contraction, or a contraction and a bias.
    Node *contract = in[k], *bias = NULL, *by = in[1 - k];
    if (node_is(contract, add)) {
        bool first = node_is(contract->in[0], contract);
        bias = contract->in[first];
        contract = contract->in[!first];
    }
    if (!node_is(contract, contract)) return NULL;
    if (node_is(old, add)) {
        if (!bias) return NULL;
        bias = combine(to, "add", bias, by);
    } else if (node_is(old, sub)) {
        bias = bias ? combine(to, "sub", bias, by) : negated(to, by);
    } else {
        if (bias) bias = combine(to, old->op->name, bias, by);
        contract = fold_factor(to, s, root, contract, by, node_is(old, div));
        if (!contract) return NULL;
    }
    graph_tag_as(to, old);
    s->changed = true;
    return bias ? build_binary(to, "add", contract, bias) : contract;
}

Graph *pass_scale(Graph *g, const PassOptions *options) {
    if (g->kind != ENTRY_MODEL) return g;
    Arena scratch = {0};
    int n = g->nodes.len;
    Scale s = {.prepared = graph_find_prepared(&scratch, g),
               .constant = NEW_ARRAY(&scratch, bool, n + 1),
               .root = NEW_ARRAY(&scratch, const Node *, n + 1),
               .uses = graph_count_uses(&scratch, g)};
    for (int id = 0; id < n; id++) {
        const Node *node = g->nodes.at[id];
        bool repeats = node_is(node, broadcast) && s.constant[node->in[0]->id];
        s.constant[id] = s.prepared[id] || repeats;
        find_root(&s, node);
    }
    Graph *to = graph_rebuild(g, scale_node, &s);
    arena_release(&scratch);
    return s.changed ? pass_simplify(pass_fold(to, options), options) : g;
}
