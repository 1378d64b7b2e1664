// random_motifs.c: layers that stand together in nets, so that random programs reach what passes do for them: branches
// that read one value through different windows, squeeze and excitation, channels last for a while, split channels,
// shuffled channels, images of other shapes, sums and concatenations that a convolution reads.
//     x -> conv 1x1, conv 3x3 dilated, conv 5x5  ->  concat  ->  conv 3x3
#include <math.h>

#include "ops/op.h"
#include "random_graph.h"
#include "slices.h"

// The last value of the pool, when one was put since it held `before`; -1: it was too large.
static int put(Generator *r, Node *y, Exact exact) {
    int before = r->npool;
    random_put(r, y, exact);
    return r->npool > before ? before : -1;
}

// A window that keeps the extents.
static Windows draw_same(Generator *r, const Type *x) {
    static const int kernels[] = {1, 3, 3, 5}, dilations[] = {1, 1, 2};
    Windows w = {.n = x->rank - 2};
    int kernel = kernels[random_pick(r, 4)], dilation = dilations[random_pick(r, 3)];
    for (int k = 0; k < w.n; k++) {
        w.kernel[k] = random_pick(r, 8) ? kernel : 1;
        w.dilation[k] = dilation;
        w.stride[k] = 1;
        w.before[k] = dilation * (w.kernel[k] - 1) / 2;
        w.out[k] = x->dim[2 + k].extent;
    }
    return w;
}

// conv, bias, activation or norm; the extents stay.
static int same_convolution(Generator *r, int from, int out, int groups) {
    Windows w = draw_same(r, &r->pool[from]->type);
    Exact exact;
    Node *y = random_convolve(r, from, &w, out, groups, false, &exact);
    if (!y) return -1;
    if (random_pick(r, 2)) y = random_biased(r, y, &exact);
    if (random_pick(r, 4) == 0) y = random_norm(r, y), exact = (Exact){-1, 0};
    if (random_pick(r, 2)) y = random_activation(r, y, &exact);
    return put(r, y, exact);
}

static int join(Generator *r, int a, int b, bool sum) {
    Exact of_a = r->exact[a], of_b = r->exact[b], exact = {-1, 0};
    if (of_a.frac >= 0 && of_b.frac >= 0)
        exact =
            (Exact){of_a.frac > of_b.frac ? of_a.frac : of_b.frac, (of_a.mag > of_b.mag ? of_a.mag : of_b.mag) + sum};
    Node *y = sum ? build_binary(r->g, "add", r->pool[a], r->pool[b]) : build_concat(r->g, r->pool[a], r->pool[b], 1);
    if (random_pick(r, 3) == 0) y = random_relu(r, y, exact);
    return put(r, y, exact);
}

// Two or three convolutions of one value, joined; often another convolution after them, or a pool.
static void branches(Generator *r, int from) {
    bool sum = random_pick(r, 2);
    int channels = r->pool[from]->type.dim[1].extent, out = random_pick(r, 2) ? channels : 1 + random_pick(r, 20);
    int all = random_pick(r, 3) || (sum && out != channels) ? -1 : from; // the value itself is one of them
    for (int k = 1 + random_pick(r, 2) + (all < 0); k > 0; k--) {
        int branch = same_convolution(r, from, sum ? out : 1 + random_pick(r, 20), 1);
        if (branch < 0) return;
        all = all < 0 ? branch : join(r, all, branch, sum);
        if (all < 0) return;
    }
    Exact exact;
    if (random_pick(r, 3))
        same_convolution(r, all, 1 + random_pick(r, 40), 1);
    else
        random_put(r, random_pooled(r, all, random_pick(r, 2), &exact), exact);
}

// A factor for each channel from the means of all.
static void squeeze(Generator *r, int from) {
    Graph *g = r->g;
    Node *x = r->pool[from];
    int channels = x->type.dim[1].extent;
    double area = 1;
    for (int d = 2; d < x->type.rank; d++) area *= x->type.dim[d].extent;
    Node *mean =
        random_scaled(g, build_reduce(g, REDUCE_SUM, x, ((1u << x->type.rank) - 1) & ~3u, TIES_EVEN), 1 / area);
    Node *weight = random_param(r, (Type){F32, 2, {dim_fixed(channels), dim_fixed(channels)}}, false);
    Node *factor = build_unary(g, "sigmoid", random_scaled(g, build_matmul(g, mean, weight), 1 / sqrt(channels)));
    int scaled = put(r, build_binary(g, "mul", x, build_broadcast(g, factor, &x->type, (int[]){0, 1})), (Exact){-1, 0});
    if (scaled >= 0 && random_pick(r, 2)) same_convolution(r, scaled, 1 + random_pick(r, 40), 1);
}

// Depthwise, then over the channels of each pixel: a norm and a matrix product with the channels last.
static void channels_last(Generator *r, int from) {
    Graph *g = r->g;
    int channels = r->pool[from]->type.dim[1].extent;
    int deep = same_convolution(r, from, channels, channels);
    if (deep < 0) return;
    Node *x = r->pool[deep];
    int rank = x->type.rank, last[MAX_RANK], back[MAX_RANK] = {0};
    for (int d = 0; d < rank; d++) {
        last[d] = d == 0 ? 0 : d == rank - 1 ? 1 : d + 1;
        back[last[d]] = d;
    }
    Node *y = build_transpose(g, x, last);
    Node *weight = random_param(r, (Type){F32, 2, {dim_fixed(channels), dim_fixed(1 + random_pick(r, 40))}}, false);
    y = random_scaled(g, build_matmul(g, y, weight), 1 / sqrt(channels));
    if (random_pick(r, 2)) y = build_unary(g, "tanh", y);
    y = build_transpose(g, y, back);
    int mixed = put(r, y, (Exact){-1, 0});
    if (mixed >= 0 && y->type.dim[1].extent == channels && random_pick(r, 2)) join(r, from, mixed, true);
    if (mixed >= 0 && random_pick(r, 2)) same_convolution(r, mixed, 1 + random_pick(r, 40), 1);
}

// Some channels go through a convolution, the others around it.
static void split(Generator *r, int from) {
    Node *x = r->pool[from];
    int channels = x->type.dim[1].extent;
    if (channels < 2) return;
    int half[2], first = random_pick(r, 2) ? channels / 2 : 1 + random_pick(r, channels - 1);
    for (int k = 0; k < 2; k++) {
        int64_t start[MAX_RANK] = {0, k ? first : 0}, step[MAX_RANK];
        for (int d = 0; d < MAX_RANK; d++) step[d] = 1;
        Type part = x->type;
        part.dim[1] = dim_fixed(k ? channels - first : first);
        half[k] = put(r, build_slice_fixed(r->g, x, &part, start, step), r->exact[from]);
        if (half[k] < 0) return;
    }
    int turned = same_convolution(r, half[1], 1 + random_pick(r, 20), 1);
    if (turned >= 0) join(r, random_pick(r, 2) ? half[0] : turned, random_pick(r, 2) ? half[0] : turned, false);
}

// channels = a * b: the two swapped, or both parts of `a` beside the pixels.
static void shuffle(Generator *r, int from) {
    Graph *g = r->g;
    Node *x = r->pool[from];
    int channels = x->type.dim[1].extent, a = 2 + random_pick(r, 3), rank = x->type.rank, perm[MAX_RANK];
    if (channels % a) return;
    Type apart = {F32, rank + 1, {x->type.dim[0], dim_fixed(a), dim_fixed(channels / a)}}, to = x->type;
    for (int d = 2; d < rank; d++) apart.dim[d + 1] = x->type.dim[d];
    for (int d = 0; d <= rank; d++) perm[d] = d;
    if (random_pick(r, 2)) {
        perm[1] = 2, perm[2] = 1;
    } else { // to the last axis: [n, c/a, h, w*a]
        for (int d = 1; d < rank; d++) perm[d] = d + 1;
        perm[rank] = 1;
        to.dim[1] = dim_fixed(channels / a);
        to.dim[rank - 1] = dim_fixed(to.dim[rank - 1].extent * a);
    }
    Node *y = build_reshape(g, build_transpose(g, build_reshape(g, x, &apart), perm), &to);
    int shuffled = put(r, y, r->exact[from]);
    if (shuffled >= 0) same_convolution(r, shuffled, 1 + random_pick(r, 20), 1);
}

// The same elements as an image of another shape, and a convolution of that.
static void reshaped(Generator *r, int from) {
    Node *x = r->pool[from];
    Type to = {F32, 3, {x->type.dim[0], x->type.dim[1], x->type.dim[2]}};
    int channels = x->type.dim[1].extent, rank = x->type.rank;
    if (rank == 4 && random_pick(r, 3) == 0) { // rows become channels
        to.dim[1] = dim_fixed(channels * x->type.dim[2].extent);
        to.dim[2] = x->type.dim[3];
    } else if (rank == 4 && random_pick(r, 2)) { // pixels in a row
        to.dim[2] = dim_fixed(x->type.dim[2].extent * x->type.dim[3].extent);
    } else if (rank == 3) { // a column
        to.rank = 4;
        to.dim[2] = random_pick(r, 2) ? x->type.dim[2] : dim_fixed(1);
        to.dim[3] = to.dim[2].extent == 1 ? x->type.dim[2] : dim_fixed(1);
    } else { // half of the channels below the other half
        if (channels % 2) return;
        to.rank = 4;
        to.dim[1] = dim_fixed(channels / 2);
        to.dim[2] = dim_fixed(2 * x->type.dim[2].extent);
        to.dim[3] = x->type.dim[3];
    }
    int other = put(r, build_reshape(r->g, x, &to), r->exact[from]);
    if (other >= 0) same_convolution(r, other, 1 + random_pick(r, 40), 1);
}

// A learned image is added to each of the batch, or follows its channels.
static void positions(Generator *r, int from) {
    Node *x = r->pool[from];
    Type one = {F32, x->type.rank - 1, {{0}}};
    int axes[MAX_RANK];
    bool sum = random_pick(r, 2);
    for (int d = 0; d < one.rank; d++) one.dim[d] = x->type.dim[d + 1], axes[d] = d + 1;
    Node *learned = build_broadcast(r->g, random_param(r, one, true), &x->type, axes);
    int all = put(r, learned, (Exact){4, 0});
    if (all >= 0) all = join(r, from, all, sum);
    if (all >= 0) same_convolution(r, all, 1 + random_pick(r, 40), 1);
}

// An image that no argument decides: a model makes what follows from it once.
static void learned(Generator *r) {
    Type type = {F32, 4, {dim_fixed(1), dim_fixed(1 + random_pick(r, 20)), dim_fixed(1 + random_pick(r, 12))}};
    type.dim[3] = dim_fixed(1 + random_pick(r, 12));
    int from = put(r, random_param(r, type, true), (Exact){4, 0});
    if (from >= 0) same_convolution(r, from, 1 + random_pick(r, 40), 1);
}

void random_motif(Generator *r, int from) {
    switch (random_pick(r, 12)) {
    case 0:
        squeeze(r, from);
        break;
    case 1:
    case 2:
        channels_last(r, from);
        break;
    case 3:
    case 4:
        split(r, from);
        break;
    case 5:
        shuffle(r, from);
        break;
    case 6:
    case 7:
        reshaped(r, from);
        break;
    case 8:
        positions(r, from);
        break;
    case 9:
        learned(r);
        break;
    default:
        branches(r, from);
        break;
    }
}
