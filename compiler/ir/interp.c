// interp.c: the meaning of a graph, node by node: floats in double, rounded to the node's dtype after each (unless
// exact, for gradient checks), integers in int64. Constant folding, --verify and the tests rest on it.
#include <float.h>
#include <math.h>

#include "ir/graph.h"
#include "ops/op.h"

int64_t dim_actual(Dim dim, const int64_t *sizes) {
    return dim.size && sizes ? dim.times * sizes[dim.size - 1] + dim.plus : dim.extent;
}

int64_t count_actual(Count place, const int64_t *sizes) {
    int64_t size = !place.size ? 0 : sizes ? sizes[place.size - 1] : place.bound;
    return place.at + place.times * size;
}

Tensor tensor_new(Arena *arena, const Type *type, const int64_t *sizes) {
    Tensor t = {.dtype = type->dtype, .rank = type->rank, .count = 1};
    for (int d = 0; d < type->rank; d++) t.count *= t.shape[d] = dim_actual(type->dim[d], sizes);
    if (dtype_info[type->dtype].is_float)
        t.f = NEW_ARRAY(arena, double, t.count + 1);
    else
        t.i = NEW_ARRAY(arena, int64_t, t.count + 1);
    return t;
}

// Rounds to `bits` bits of significand (the hidden one included) and exponents from `lowest` on, ties to even; what
// exceeds `largest` after rounding is infinite.
static double round_to_bits(double value, int bits, int lowest, double largest) {
    if (value == 0 || !isfinite(value)) return value;
    int exponent;
    frexp(value, &exponent);
    int unit = exponent - bits > lowest ? exponent - bits : lowest; // the last kept bit is 2^unit
    double rounded = ldexp(nearbyint(ldexp(value, -unit)), unit);
    return fabs(rounded) > largest ? copysign(INFINITY, value) : rounded;
}

// All NaNs become the same one, so that constants that print alike are identical.
double round_to_dtype(DType dtype, double value) {
    if (value != value) return NAN;
    if (dtype == F32) return (float)value;
    if (dtype == F16) return round_to_bits(value, 11, -24, 65504);
    if (dtype == BF16) return round_to_bits(value, 8, -133, 3.3895313892515355e38);
    return value;
}

void node_evaluate(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes, bool exact) {
    node->op->eval(node, in, out, sizes);
    if (!out->f || exact) return;
    for (int64_t k = 0; k < out->count; k++) out->f[k] = round_to_dtype(out->dtype, out->f[k]);
}

// ---- by other roundings ---------------------------------------------------------------------------------------------

// How far results move when each rounding goes either way says how well their computation is conditioned: J. Vignes,
// "A stochastic arithmetic for reliable scientific computation", Math. Comput. Simulation 35 (1993). What needs no
// rounding keeps its value.

static uint64_t draw(const Interpretation *run, const Node *node, int64_t k) {
    uint64_t drawn = (((uint64_t)run->stochastic << 32 | (uint32_t)node->id) ^ (uint64_t)k << 20) * 0x9E3779B97F4A7C15u;
    return (drawn ^ drawn >> 29) * 0xBF58476D1CE4E5B9u;
}

// Numbers of few bits add up exactly, in any order.
static bool has_few_bits(double x) {
    enum { FEW_BITS = 10 };
    return round_to_bits(x, FEW_BITS, -149, FLT_MAX) == x;
}

static bool all_have_few_bits(const Tensor *t) {
    for (int64_t k = 0; k < t->count; k++)
        if (!has_few_bits(t->f[k])) return false;
    return true;
}

// At most half a unit in the last place of `size` up or down.
static double disturbance(const Interpretation *run, const Node *node, int64_t k, double size) {
    double share = (double)(draw(run, node, ~k) >> 11) / 9007199254740992.0 * 2 - 1;
    return isfinite(size) ? share * FLT_EPSILON * size : 0;
}

// How many numbers a sum adds up, at most.
static double terms_of(const Node *node, const Tensor *const *in) {
    double terms = 1;
    if (!(node->op->traits & OP_REDUCES)) return (double)in[node->nin - 1]->count; // cumsum, scatter_add
    const Iter *iter = node_attr(node, "iter")->iter;
    for (int k = iter->nout; k < iter->naxes; k++) terms *= iter->axis[k].extent;
    return terms;
}

// C rounds a sum on its way, by a share of what its terms add up to without their signs: even one that is 0 in the end.
// The roundings of n terms add up like a random walk. Where the finite terms add up to more than a float holds, so may
// C's sum on its way, which then is NaN beside a term that is infinite.
static void disturb_sums(Interpretation *run, const Node *node, const Tensor *const *in, Tensor *out) {
    Arena scratch = {0};
    Tensor sizes[MAX_INPUTS], all = tensor_new(&scratch, &node->type, run->sizes);
    const Tensor *of[MAX_INPUTS];
    double walk = 1 + sqrt(terms_of(node, in)) / 4;
    bool exact = true;
    for (int i = 0; i < node->nin; i++) {
        sizes[i] = *in[i];
        of[i] = &sizes[i];
        if (!in[i]->f) continue;
        exact &= all_have_few_bits(in[i]);
        sizes[i].f = NEW_ARRAY(&scratch, double, in[i]->count + 1);
        for (int64_t k = 0; k < in[i]->count; k++) sizes[i].f[k] = isfinite(in[i]->f[k]) ? fabs(in[i]->f[k]) : 0;
    }
    if (!exact) node->op->eval(node, of, &all, run->sizes);
    for (int64_t k = 0; k < out->count && !exact; k++) {
        run->overflows |= all.f[k] > FLT_MAX;
        out->f[k] += disturbance(run, node, k, walk * all.f[k]);
    }
    arena_release(&scratch);
}

// C may also compute a value in two places and round it differently there, so that x - x is not 0.
static void disturb_terms(const Interpretation *run, const Node *node, const Tensor *const *in, Tensor *out) {
    for (int64_t k = 0; k < out->count; k++)
        if (!has_few_bits(in[0]->f[k]) || !has_few_bits(in[1]->f[k]))
            out->f[k] += disturbance(run, node, k, fabs(in[0]->f[k]) + fabs(in[1]->f[k]));
}

static void disturb(Interpretation *run, const Node *node, const Tensor *const *in, Tensor *out) {
    if (node->type.dtype != F32) return;
    if (node_is(node, add) || node_is(node, sub)) disturb_terms(run, node, in, out);
    bool sums = node_is(node, contract) || node_is(node, cumsum) || node_is(node, scatter_add) ||
                (node_is(node, reduce) && node_reduces(node) == REDUCE_SUM);
    if (sums) disturb_sums(run, node, in, out);
}

static void round_results(Interpretation *run, const Node *node, Tensor *out) {
    for (int64_t k = 0; out->f && k < out->count; k++) {
        double value = out->f[k], nearest = round_to_dtype(out->dtype, value);
        run->overflows |= isfinite(value) && isinf(nearest);
        out->f[k] = nearest;
        if (!run->stochastic || out->dtype != F32 || nearest == value || !isfinite(nearest)) continue;
        if (draw(run, node, k) >> 63) out->f[k] = nextafterf((float)nearest, value > nearest ? INFINITY : -INFINITY);
    }
}

void graph_interpret(Graph *g, Interpretation *run) {
    Arena scratch = {0};
    Tensor *value = NEW_ARRAY(&scratch, Tensor, g->nodes.len + 1);
    const Tensor *in[MAX_INPUTS];
    for (int k = 0; k < g->arguments.len; k++) value[g->arguments.at[k]->id] = run->arguments[k];
    for (int k = 0; k < g->nodes.len; k++) {
        const Node *node = g->nodes.at[k];
        if (node_is(node, argument)) continue;
        if (node_is(node, storage)) {
            value[k] = run->storages[module_find_storage(g->module, node->attr[0].s)->index];
            continue;
        }
        for (int i = 0; i < node->nin; i++) in[i] = &value[node->in[i]->id];
        value[k] = tensor_new(&scratch, &node->type, run->sizes);
        node_evaluate(node, in, &value[k], run->sizes, true);
        if (run->stochastic) disturb(run, node, in, &value[k]);
        if (!run->exact) round_results(run, node, &value[k]);
    }
    // Results outlive the scratch; bound outputs are copied last, since others may still read the old value.
    int returned = 0;
    Tensor *bound = NEW_ARRAY(&scratch, Tensor, g->outputs.len + 1);
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        const Tensor *from = &value[output->value->id];
        Tensor to = tensor_new(run->arena, &output->value->type, run->sizes);
        for (int64_t e = 0; e < to.count; e++) tensor_copy(&to, e, from, e);
        if (output->storage)
            bound[k] = to;
        else
            run->returned[returned++] = to;
    }
    for (int k = 0; k < g->outputs.len; k++)
        if (g->outputs.at[k].storage) run->storages[g->outputs.at[k].storage->index] = bound[k];
    arena_release(&scratch);
}
