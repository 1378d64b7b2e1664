// reduce.c: sums, maxima and minima over axes or over windows.
//     sum(x: f32[2, 3], axis=1)    [i | j] out[i] += x[i, j]
// The result's axis d is iteration axis d; the input is read through an affine map, out of range as 0 (sum) or as what
// never wins. max and min hand NaN on. Where several elements tie, ties=even splits the gradient among them evenly and
// ties=first gives it to the first one in row-major order of the reduced axes.
#include <math.h>
#include <string.h>

#include "ir/affine.h"
#include "ops/rules.h"

const char *const reduce_words[] = {"sum", "max", "min", NULL};
static const char *const ties_words[] = {"even", "first", NULL};

static bool is_sum(const Node *node) { return node->attr[0].i == REDUCE_SUM; }

static bool reduce_infer(Infer *infer) {
    const char *kind = reduce_words[infer->attr[0].i];
    const Type *x = &infer->in[0]->type;
    const Iter *iter = infer->attr[3].iter;
    if (x->dtype == BOOL)
        return op_refuse(infer, "%s needs numbers, got %s; cast(x, f32) or cast(x, i32) converts it", kind,
                         op_shown(infer, x));
    if (!op_shape_of_attr(infer, &infer->attr[2], x->dtype)) return false;
    const Type *types[] = {&infer->type, x};
    if (!iter_check(infer, iter, types, 2)) return false;
    Map bare = map_identity(infer->type.rank);
    bool plain =
        iter->nout == bare.rank && memcmp(bare.dim, iter->map[0].dim, sizeof *bare.dim * (size_t)bare.rank) == 0;
    for (int d = 0; plain && d < iter->nout; d++) plain = dim_equal(iter->axis[d], infer->type.dim[d]);
    if (!plain) return op_refuse(infer, "axis d of the result must be iteration axis d");
    // The gradient lays the windows out as a tensor.
    if (infer->attr[0].i != REDUCE_SUM && iter->naxes > MAX_RANK)
        return op_refuse(infer, "%s over %d axes; at most %d are possible", kind, iter->naxes, MAX_RANK);
    return true;
}

// ---- evaluation ---------------------------------------------------------------------------------------------------

typedef struct Folding {
    const Tensor *x;
    Tensor *out;
    ReduceKind kind;
} Folding;

static void fold_row_float(void *context, const IterRow *row) {
    const Folding *f = context;
    for (int64_t k = 0; k < row->count; k++) {
        double *out = &f->out->f[row->at[0] + k * row->step[0]], x = f->x->f[row->at[1] + k * row->step[1]];
        if (f->kind == REDUCE_SUM)
            *out += x;
        else if (isnan(x) || (!isnan(*out) && (f->kind == REDUCE_MAX ? x > *out : x < *out)))
            *out = x;
    }
}

static void fold_row_int(void *context, const IterRow *row) {
    const Folding *f = context;
    for (int64_t k = 0; k < row->count; k++) {
        int64_t *out = &f->out->i[row->at[0] + k * row->step[0]], x = f->x->i[row->at[1] + k * row->step[1]];
        if (f->kind == REDUCE_SUM)
            *out = int_wrap(f->out->dtype, (uint64_t)*out + (uint64_t)x);
        else if (f->kind == REDUCE_MAX ? x > *out : x < *out)
            *out = x;
    }
}

double reduce_identity_float(ReduceKind kind) {
    return kind == REDUCE_SUM ? 0 : kind == REDUCE_MAX ? -INFINITY : INFINITY;
}

int64_t reduce_identity_int(ReduceKind kind, DType dtype) {
    return kind == REDUCE_SUM ? 0 : kind == REDUCE_MAX ? dtype_info[dtype].least : dtype_info[dtype].most;
}

static void eval_reduce(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    Folding folding = {in[0], out, node_reduces(node)};
    for (int64_t k = 0; k < out->count; k++)
        if (out->f)
            out->f[k] = reduce_identity_float(folding.kind);
        else
            out->i[k] = reduce_identity_int(folding.kind, node->type.dtype);
    const Tensor *tensors[] = {out, in[0]};
    iter_walk(node->attr[3].iter, sizes, tensors, out->f ? fold_row_float : fold_row_int, &folding);
}

// ---- gradients ----------------------------------------------------------------------------------------------------

// The iteration space as a shape: the result's axes, then the reduced ones.
static Type space_of(const Iter *iter, DType dtype) {
    Type type = {.dtype = dtype, .rank = iter->naxes};
    for (int k = 0; k < iter->naxes; k++) type.dim[k] = iter->axis[k];
    return type;
}

// A value of the result's shape at each point of a space whose dims stand for the iteration axes: dim_of[axis]. It is
// transposed into the order of those dims, then repeated along the reduced ones.
static Node *spread(Graph *g, Node *v, const Type *space, const int *dim_of) {
    int perm[MAX_RANK] = {0}, axes[MAX_RANK] = {0}, n = 0;
    bool moves = false;
    for (int d = 0; d < space->rank; d++)
        for (int k = 0; k < v->type.rank; k++)
            if (dim_of[k] == d) {
                moves |= k != n;
                axes[n] = d;
                perm[n++] = k;
            }
    Type to = type_with_dtype(*space, v->type.dtype);
    return build_broadcast(g, moves ? build_transpose(g, v, perm) : v, &to, axes);
}

// The number of each point in row-major order of the reduced axes.
static Node *numbering(Graph *g, const Iter *iter, const Type *space, const int *dim_of) {
    Type type = type_with_dtype(*space, I32);
    Node *sum = NULL;
    double inner = 1;
    for (int k = iter->naxes - 1; k >= iter->nout; k--) {
        Node *term = build_iota(g, &type, dim_of[k]);
        if (inner > 1) term = build_binary(g, "mul", term, build_full(g, &type, inner));
        sum = sum ? build_binary(g, "add", term, sum) : term;
        inner *= iter->axis[k].extent;
    }
    return sum ? sum : build_full(g, &type, 0);
}

// Shares dy among the elements of x that equal the extreme, y. Each point of x's space is one element.
static Node *share_among_winners(Graph *g, Node *y, Node *x, Node *dy, const Iter *iter, const int *dim_of) {
    Node *wins = build_binary(g, "eq", x, spread(g, y, &x->type, dim_of));
    Node *zero = build_full(g, &x->type, 0);
    if (y->attr[1].i == TIES_EVEN) {
        Node *ones = build_select(g, wins, build_full(g, &x->type, 1), zero);
        Node *count = build_reduce_over(g, REDUCE_SUM, ones, &y->type, iter, TIES_EVEN);
        return build_select(g, wins, spread(g, build_binary(g, "div", dy, count), &x->type, dim_of), zero);
    }
    Node *number = numbering(g, iter, &x->type, dim_of);
    if (!number) return NULL;
    Node *none = build_full(g, &number->type, INT32_MAX);
    Type shape = type_with_dtype(y->type, I32);
    Node *first = build_reduce_over(g, REDUCE_MIN, build_select(g, wins, number, none), &shape, iter, TIES_EVEN);
    Node *is_first = build_binary(g, "eq", number, spread(g, first, &x->type, dim_of));
    return build_select(g, is_first, spread(g, dy, &x->type, dim_of), zero);
}

// dx[in map] += v[v map] over the same axes: a contraction with the number 1.
static Node *scatter(Graph *g, const Iter *iter, Node *v, const Map *v_map, const Type *x) {
    Map maps[3] = {iter->map[1], *v_map, {.rank = 0}};
    Iter back = iter_reorder(iter, maps, 3);
    return build_contract(g, v, build_constant(g, v->type.dtype, 1), x, &back);
}

// Windows that touch and leave nothing over are x under another shape: [n, 48, c] in windows of 2 is [n, 24, 2, c].
// False: they are not. dim_of[axis] is where an iteration axis stands there.
static bool windows_tile(const Iter *iter, const Type *x, Type *space, int *dim_of) {
    *space = (Type){.dtype = x->dtype};
    for (int d = 0; d < x->rank; d++) {
        const Affine *affine = &iter->map[1].dim[d];
        int at, tap;
        if (!affine_window(iter, affine, &at, &tap) || affine->c || at < 0 || space->rank + 2 > MAX_RANK) return false;
        int taps = tap < 0 ? 1 : iter->axis[tap].extent;
        if (affine->coef[at] != taps || (tap >= 0 && affine->coef[tap] != 1)) return false;
        if (tap < 0 ? !dim_equal(iter->axis[at], x->dim[d]) : iter->axis[at].extent * taps != x->dim[d].extent)
            return false;
        dim_of[at] = space->rank;
        space->dim[space->rank++] = iter->axis[at];
        if (tap < 0) continue;
        dim_of[tap] = space->rank;
        space->dim[space->rank++] = iter->axis[tap];
    }
    return space->rank == iter->naxes;
}

static Node *grad_reduce(Graph *g, Node *y, Node *dy, int i) {
    Node *x = y->in[i];
    const Iter *iter = y->attr[3].iter;
    int dim_of[MAX_AXES];
    bool separate = iter_is_permutation(iter, &iter->map[1], &x->type, dim_of);
    Type space;
    if (is_sum(y) && !separate && windows_tile(iter, &x->type, &space, dim_of))
        return build_reshape(g, spread(g, dy, &space, dim_of), &x->type);
    if (is_sum(y)) return separate ? spread(g, dy, &x->type, dim_of) : scatter(g, iter, dy, &iter->map[0], &x->type);
    if (separate) return share_among_winners(g, y, x, dy, iter, dim_of);

    Iter inner = *iter;
    if (windows_tile(iter, &x->type, &space, dim_of)) {
        inner.map[1] = (Map){.rank = space.rank};
        for (int k = 0; k < iter->naxes; k++) inner.map[1].dim[dim_of[k]] = affine_axis(k);
        Node *shares = share_among_winners(g, y, build_reshape(g, x, &space), dy, &inner, dim_of);
        return build_reshape(g, shares, &x->type);
    }

    // Windows overlap: lay them out first, so that each point is its own, and add up what comes back.
    space = space_of(iter, x->type.dtype);
    Iter window = *iter;
    Map every = map_identity(iter->naxes);
    window.nout = iter->naxes;
    window.map[0] = inner.map[1] = every;
    for (int k = 0; k < iter->naxes; k++) dim_of[k] = k;
    Node *points = build_reduce_over(g, node_reduces(y), x, &space, &window, TIES_EVEN);
    Node *shares = share_among_winners(g, y, points, dy, &inner, dim_of);
    return shares ? scatter(g, iter, shares, &every, &x->type) : NULL;
}

// The result's axes in the order in which x has what they come from.
static Node *reorder_reduce(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    const Iter *iter = old->attr[3].iter;
    Map maps[2] = {{.rank = iter->map[0].rank}, order_map(&iter->map[1], &from[0])};
    int n = 0;
    for (int d = 0; d < maps[1].rank; d++)
        for (int axis = 0; axis < iter->nout; axis++)
            if (maps[1].dim[d].coef[axis]) order->at[n++] = axis;
    if (n != iter->nout) return NULL; // an axis in two places, or in none
    maps[0] = order_map(&iter->map[0], order);
    Iter moved = iter_reorder(iter, maps, 2);
    Type type = order_type(&old->type, order);
    Attr attrs[] = {old->attr[0], old->attr[1], attr_shape(&type), {.iter = &moved}};
    return graph_op(to, old->op, in, 1, attrs);
}

DEFINE_OP(reduce){
    .name = "reduce",
    .doc = "sum, max or min over axes or windows",
    .example = "sum(x: f32[2, 3], axis=1)",
    .inputs = 1,
    .attrs = {{"kind", ATTR_WORD, "sum, max or min", reduce_words},
              {"ties", ATTR_WORD, "the gradient of equal extremes: even or first", ties_words},
              {"shape", ATTR_DIMS, "of the result", NULL},
              {"iter", ATTR_ITER, "iteration axes and maps of out and x", NULL}},
    .traits = OP_REDUCES,
    .infer = reduce_infer,
    .eval = eval_reduce,
    .grad = grad_reduce,
    .reorder = reorder_reduce,
    .flops = 1,
};
