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

// Copies the elements at the actual sizes between a storage's tensor, whose axes have their bounds, and a value.
static void copy_used(Tensor *storage, Tensor *value, bool store) {
    int64_t index[MAX_RANK] = {0};
    for (int64_t k = 0; k < value->count; k++) {
        int64_t at = 0;
        for (int d = 0; d < value->rank; d++) at = at * storage->shape[d] + index[d];
        if (store)
            tensor_copy(storage, at, value, k);
        else
            tensor_copy(value, k, storage, at);
        for (int d = value->rank - 1; d >= 0 && ++index[d] == value->shape[d]; d--) index[d] = 0;
    }
}

// What a state with a run-time size holds in this call.
static Tensor used_part(Arena *arena, Tensor *storage, const Type *type, const int64_t *sizes) {
    Tensor value = tensor_new(arena, type, sizes);
    copy_used(storage, &value, false);
    return value;
}

// What such a state holds afterwards: what lies beyond the actual sizes stays.
static Tensor with_part(Arena *arena, const Tensor *storage, const Type *type, Tensor *value) {
    Tensor whole = tensor_new(arena, type, NULL);
    for (int64_t k = 0; k < whole.count; k++) tensor_copy(&whole, k, storage, k);
    copy_used(&whole, value, true);
    return whole;
}

// ---- nodes in order, loops step by step -----------------------------------------------------------------------------

typedef struct Machine {
    Graph *g;
    Interpretation *run;
    Arena scratch;
    Schedule schedule;
    Tensor *value; // by node id
    int64_t *step; // by loop number: the index of its step
    NodeVec *left; // by loop number: its stacks and last values
} Machine;

static void tensor_clear(Tensor *t) {
    for (int64_t k = 0; k < t->count; k++)
        if (t->f)
            t->f[k] = 0;
        else
            t->i[k] = 0;
}

// Copies `count` elements.
static void move_elements(Tensor *to, int64_t at, const Tensor *from, int64_t first, int64_t count) {
    for (int64_t k = 0; k < count; k++) tensor_copy(to, at + k, from, first + k);
}

static void compute_node(Machine *m, const Node *node) {
    Interpretation *run = m->run;
    Tensor *value = &m->value[node->id];
    const Tensor *in[MAX_INPUTS];
    if (node_is(node, argument) || node_is(node, carry) || node_is(node, stack) || node_is(node, last)) return;
    if (node_is(node, storage)) {
        *value = run->storages[module_find_storage(m->g->module, node->attr[0].s)->index];
        if (type_has_size(&node->type)) *value = used_part(&m->scratch, value, &node->type, run->sizes);
        return;
    }
    for (int i = 0; i < node->nin; i++) in[i] = &m->value[node->in[i]->id];
    if (value->f || value->i)
        tensor_clear(value);
    else
        *value = tensor_new(&m->scratch, &node->type, run->sizes);
    if (node_is(node, step)) {
        value->i[0] = m->step[node_loop_attr(node)];
        return;
    }
    if (node_is(node, element)) {
        move_elements(value, 0, in[0], m->step[node_loop_attr(node)] * value->count, value->count);
        return;
    }
    node_evaluate(node, in, value, run->sizes, true);
    if (run->stochastic) disturb(run, node, in, value);
    if (!run->exact) round_results(run, node, value);
}

// All carried values change at once: one may be what another was.
static void carry_on(Machine *m, const Loop *loop) {
    Arena scratch = {0};
    Tensor *next = NEW_ARRAY(&scratch, Tensor, loop->carry.len + 1);
    for (int i = 0; i < loop->carry.len; i++) {
        if (!loop->carry.at[i]) continue;
        next[i] = tensor_new(&scratch, &loop->carry.at[i]->type, m->run->sizes);
        move_elements(&next[i], 0, &m->value[loop->next.at[i]->id], 0, next[i].count);
    }
    for (int i = 0; i < loop->carry.len; i++)
        if (loop->carry.at[i]) move_elements(&m->value[loop->carry.at[i]->id], 0, &next[i], 0, next[i].count);
    arena_release(&scratch);
}

static void tensor_need(Machine *m, const Node *node) {
    Tensor *value = &m->value[node->id];
    if (!value->f && !value->i) *value = tensor_new(&m->scratch, &node->type, m->run->sizes);
}

static void run_loop(Machine *m, int number, int first, int end);

// Computes the nodes at [first, end) of the schedule; loops inside of `outer` step by step.
static void run_nodes(Machine *m, int outer, int first, int end) {
    while (first < end) {
        const Node *node = m->schedule.order.at[first];
        if (node->loop == outer) {
            compute_node(m, node);
            first++;
            continue;
        }
        int loop = graph_loop_below(m->g, node->loop, outer), after = schedule_end(m->g, &m->schedule, first, loop);
        run_loop(m, loop, first, after);
        first = after;
    }
}

static void run_loop(Machine *m, int number, int first, int end) {
    const Loop *loop = graph_loop(m->g, number);
    int64_t steps = dim_actual(loop->steps, m->run->sizes);
    for (int i = 0; i < loop->carry.len; i++) {
        const Node *carry = loop->carry.at[i];
        if (!carry) continue;
        tensor_need(m, carry);
        move_elements(&m->value[carry->id], 0, &m->value[carry->in[0]->id], 0, m->value[carry->id].count);
    }
    for (int64_t k = 0; k < steps; k++) {
        m->step[number] = loop->reverse ? steps - 1 - k : k;
        run_nodes(m, number, first, end);
        for (int i = 0; i < m->left[number].len; i++) {
            const Node *node = m->left[number].at[i];
            const Tensor *from = &m->value[node->in[0]->id];
            tensor_need(m, node);
            int64_t at = node_is(node, stack) ? m->step[number] * from->count : 0;
            move_elements(&m->value[node->id], at, from, 0, from->count);
        }
        carry_on(m, loop);
    }
}

static Machine machine_new(Graph *g, Interpretation *run) {
    Machine m = {.g = g, .run = run};
    m.value = NEW_ARRAY(&m.scratch, Tensor, g->nodes.len + 1);
    m.step = NEW_ARRAY(&m.scratch, int64_t, g->loops.len + 2);
    m.left = NEW_ARRAY(&m.scratch, NodeVec, g->loops.len + 2);
    m.schedule = graph_schedule(&m.scratch, g);
    for (int k = 0; k < g->arguments.len; k++) m.value[g->arguments.at[k]->id] = run->arguments[k];
    for (int k = 0; k < g->nodes.len; k++)
        if (node_is(g->nodes.at[k], stack) || node_is(g->nodes.at[k], last))
            vec_push(&m.scratch, &m.left[node_loop_attr(g->nodes.at[k])], g->nodes.at[k]);
    return m;
}

void graph_interpret(Graph *g, Interpretation *run) {
    Machine m = machine_new(g, run);
    run_nodes(&m, 0, 0, m.schedule.order.len);
    // Results outlive the scratch; bound outputs are copied last, since others may still read the old value.
    int returned = 0;
    Tensor *bound = NEW_ARRAY(&m.scratch, Tensor, g->outputs.len + 1);
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        const Tensor *from = &m.value[output->value->id];
        Tensor to = tensor_new(run->arena, &output->value->type, run->sizes);
        for (int64_t e = 0; e < to.count; e++) tensor_copy(&to, e, from, e);
        if (output->storage)
            bound[k] = to;
        else
            run->returned[returned++] = to;
    }
    for (int k = 0; k < g->outputs.len; k++) {
        const Storage *storage = g->outputs.at[k].storage;
        if (!storage) continue;
        Tensor *held = &run->storages[storage->index];
        *held = type_has_size(&storage->type) ? with_part(run->arena, held, &storage->type, &bound[k]) : bound[k];
    }
    arena_release(&m.scratch);
}
