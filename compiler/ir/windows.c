// windows.c: convolutions and pools by the maps of contract and reduce; their gradients follow from the maps.
//     conv2d, stride 2, padding 1     y[n,o,y,x] += x[n, c, 2*y+p-1, 2*x+q-1] * w[o,c,p,q]
//     its transpose                   y[n,o,2*y+p-1,2*x+q-1] += x[n,c,y,x] * w[c,o,p,q]
//     with groups                     y[n,g,o,y,x] += x[n,g,c,2*y+p-1,..] * w[g,o,c,p,q], reshaped on both sides
// An axis of extent 1 (the taps of a 1x1 kernel, the channel within a depthwise group) is left out, so that 1x1
// convolutions are matrix products to everything that follows.
#include "ir/windows.h"
#include "ir/affine.h"
#include "ops/op.h"

// An iteration space that grows axis by axis, and three tensors whose dims are indexed as they are added.
typedef struct Space {
    Iter iter;
    Type type[3]; // out, a, b
} Space;

enum { OUT, A, B, TENSORS };

static int space_axis(Space *s, Dim dim, bool summed) {
    int axis = s->iter.naxes++;
    s->iter.axis[axis] = dim;
    s->iter.name[axis] = (char)('i' + axis);
    if (!summed) s->iter.nout = s->iter.naxes;
    return axis;
}

// Dim `dim` of tensor t is indexed by this axis (with coefficient 1).
static void space_index(Space *s, int t, Dim dim, int axis) {
    Map *map = &s->iter.map[t];
    map->dim[map->rank++] = affine_axis(axis);
    s->type[t].dim[s->type[t].rank++] = dim;
}

// Dim `dim` of tensor t is indexed by stride * at + dilation * tap - before; tap < 0: there is only one.
static void space_window(Space *s, int t, Dim dim, const Windows *w, int k, int at, int tap) {
    space_index(s, t, dim, at);
    Affine *affine = &s->iter.map[t].dim[s->iter.map[t].rank - 1];
    affine->coef[at] = w->stride[k];
    if (tap >= 0) affine->coef[tap] = w->dilation[k];
    affine->c = -w->before[k];
}

// An axis of one group: of tensor t (and others) there is one only when it has more than one element.
static int space_axis_if(Space *s, int extent, bool summed) {
    return extent > 1 ? space_axis(s, dim_fixed(extent), summed) : -1;
}

static void space_index_if(Space *s, int t, int axis) {
    if (axis >= 0) space_index(s, t, s->iter.axis[axis], axis);
}

static Type with_channels(const Type *like, int channels, const Windows *w) {
    Type type = {.dtype = like->dtype, .rank = w->n + 2, .dim = {like->dim[0], dim_fixed(channels)}};
    for (int k = 0; k < w->n; k++) type.dim[2 + k] = dim_fixed(w->out[k]);
    return type;
}

// A run-time axis that is not moved over (kernel 1) keeps its size.
static void keep_sizes(Type *type, const Type *x, const Windows *w) {
    for (int k = 0; k < w->n; k++)
        if (x->dim[x->rank - w->n + k].size) type->dim[type->rank - w->n + k] = x->dim[x->rank - w->n + k];
}

Node *build_convolution(Graph *g, Node *x, Node *weight, const Windows *w, int groups, bool transposed) {
    if (!x || !weight) return NULL;
    int in = x->type.dim[1].extent / groups, rank = x->type.rank;
    int channels = transposed ? weight->type.dim[1].extent * groups : weight->type.dim[0].extent,
        out = channels / groups;
    Type result = with_channels(&x->type, channels, w);
    keep_sizes(&result, &x->type, w);
    Space s = {.iter = {.nmaps = TENSORS}};
    for (int t = 0; t < TENSORS; t++) s.type[t].dtype = x->type.dtype;
    int at[MAX_WINDOW_AXES], tap[MAX_WINDOW_AXES];
    int n = space_axis(&s, x->type.dim[0], false), group = space_axis_if(&s, groups, false);
    // Without groups, the channels are an axis even if there is only one: the result needs a channel axis.
    int o = groups > 1 ? space_axis_if(&s, out, false) : space_axis(&s, dim_fixed(out), false);
    for (int k = 0; k < w->n; k++) {
        Dim dim = transposed ? x->type.dim[rank - w->n + k] : result.dim[2 + k];
        at[k] = space_axis(&s, dim, false);
    }
    for (int k = 0; k < w->n && transposed; k++) tap[k] = space_axis_if(&s, w->kernel[k], false);
    int c = groups > 1 ? space_axis_if(&s, in, true) : space_axis(&s, dim_fixed(in), true);
    for (int k = 0; k < w->n && !transposed; k++) tap[k] = space_axis_if(&s, w->kernel[k], true);

    space_index(&s, OUT, x->type.dim[0], n);
    space_index(&s, A, x->type.dim[0], n);
    for (int t = 0; t < TENSORS; t++) space_index_if(&s, t, group);
    space_index_if(&s, OUT, o);
    space_index_if(&s, A, c);
    space_index_if(&s, B, transposed ? c : o);
    space_index_if(&s, B, transposed ? o : c);
    for (int k = 0; k < w->n; k++) {
        Dim from = x->type.dim[rank - w->n + k];
        if (transposed) {
            space_window(&s, OUT, result.dim[2 + k], w, k, at[k], tap[k]);
            space_index(&s, A, from, at[k]);
        } else {
            space_index(&s, OUT, result.dim[2 + k], at[k]);
            space_window(&s, A, from, w, k, at[k], tap[k]);
        }
        space_index_if(&s, B, tap[k]);
    }
    weight = build_reshape(g, weight, &s.type[B]);
    Node *y = build_contract(g, build_reshape(g, x, &s.type[A]), weight, &s.type[OUT], &s.iter);
    return build_reshape(g, y, &result);
}

Node *build_pool(Graph *g, ReduceKind kind, Node *x, const Windows *w) {
    if (!x) return NULL;
    int lead = x->type.rank - w->n, at[MAX_WINDOW_AXES];
    Space s = {.iter = {.nmaps = 2}, .type = {{.dtype = x->type.dtype}}};
    for (int d = 0; d < lead; d++) {
        int axis = space_axis(&s, x->type.dim[d], false);
        space_index(&s, OUT, x->type.dim[d], axis);
        space_index(&s, A, x->type.dim[d], axis);
    }
    for (int k = 0; k < w->n; k++) {
        Dim dim = x->type.dim[lead + k];
        if (!dim.size) dim = dim_fixed(w->out[k]);
        at[k] = space_axis(&s, dim, false);
        space_index(&s, OUT, dim, at[k]);
    }
    for (int k = 0; k < w->n; k++)
        space_window(&s, A, x->type.dim[lead + k], w, k, at[k], space_axis_if(&s, w->kernel[k], true));
    return build_reduce_over(g, kind, x, &s.type[OUT], &s.iter, TIES_FIRST);
}

// ---- pools that follow a contraction ----------------------------------------------------------------------------

// All members of a window have sums of their own in a register tile: 12 leave room for the operands where there are 16
// registers (x86-64-v3). The pools of larger windows (adaptive ones of whole images) read what the contraction stored.
enum { MOST_MEMBERS = 12 };

// stride * y + p with p < stride; multiplies *members by the number of values of p.
static bool is_separate_window(const Iter *iter, const Affine *affine, Dim dim, bool *covers, int64_t *members) {
    int at, tap;
    if (!affine_window(iter, affine, &at, &tap) || affine->c || at < 0 || tap < 0 || affine->coef[tap] != 1 || dim.size)
        return false;
    int64_t covered = (int64_t)iter->axis[at].extent * affine->coef[at];
    *covers &= covered == dim.extent;
    *members *= iter->axis[tap].extent;
    return affine->coef[at] == iter->axis[tap].extent && covered <= dim.extent;
}

bool windows_join(const Node *contract, const Node *reduce, bool *covers) {
    const Iter *iter = node_attr(contract, "iter")->iter, *pool = node_attr(reduce, "iter")->iter;
    unsigned seen = 0;
    int windows = 0;
    int64_t members = 1;
    *covers = true;
    if (contract->type.dtype != F32 || !shape_equal(&reduce->in[0]->type, &contract->type)) return false;
    for (int d = 0; d < contract->type.rank; d++) {
        Dim dim = contract->type.dim[d];
        int axis = affine_bare_axis(&iter->map[0].dim[d]);
        if (axis < 0 || seen >> axis & 1 || !dim_equal(iter->axis[axis], dim)) return false;
        seen |= 1u << axis;
        int kept = affine_bare_axis(&pool->map[1].dim[d]);
        if (kept >= 0 && kept < pool->nout && dim_equal(pool->axis[kept], dim)) continue;
        if (!is_separate_window(pool, &pool->map[1].dim[d], dim, covers, &members)) return false;
        if (members > MOST_MEMBERS) return false;
        windows++;
    }
    return windows > 0 && iter->naxes + windows <= MAX_AXES && iter->nout + windows < MAX_RANK;
}
