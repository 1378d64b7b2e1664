// random_images.c: random layers over images: convolutions of every kind, pools, norms, residuals, upsampling.
//     x: f32[N, 13, 9, 7]  ->  conv 3x3, stride 2, groups 13  ->  batch norm  ->  relu  ->  max pool  ->  + shortcut
// Maxima are taken of exact values only (random_graph.h): elsewhere rounding would choose another element and move the
// gradient.
#include <math.h>

#include "ir/windows.h"
#include "ops/op.h"
#include "random_graph.h"
#include "slices.h"

static const int64_t MAX_WORK = 300000; // products of a convolution

static int at_least_one(int n) { return n < 1 ? 1 : n; }

static int bits(int64_t n) {
    int b = 0;
    while (((int64_t)1 << b) < n) b++;
    return b;
}

// Rank 3 or 4, and windows can move over all axes but the first two.
static bool is_image(const Node *x) {
    if (x->type.rank < 3 || x->type.rank > 4) return false;
    for (int d = 1; d < x->type.rank; d++)
        if (x->type.dim[d].size) return false;
    return true;
}

// The place of an image in the pool, the younger the likelier; -1 if there is none.
int random_image(Generator *r) {
    for (int tries = 0; tries < 24; tries++) {
        int k =
            random_pick(r, 3) ? r->npool - 1 - random_pick(r, r->npool < 4 ? r->npool : 4) : random_pick(r, r->npool);
        if (is_image(r->pool[k])) return k;
    }
    return -1;
}

Node *random_along_channels(Generator *r, Node *v, const Type *like) {
    return build_broadcast(r->g, v, like, (int[]){1});
}

// ---- windows --------------------------------------------------------------------------------------------------------

static void draw_window(Generator *r, Windows *w, int k, int most) {
    static const int kernels[] = {1, 2, 3, 3, 3, 4, 5}, strides[] = {1, 1, 1, 2, 3}, dilations[] = {1, 1, 1, 2, 3};
    w->kernel[k] = kernels[random_pick(r, 7)];
    if (w->kernel[k] > most) w->kernel[k] = most;
    w->stride[k] = strides[random_pick(r, 5)];
    w->dilation[k] = dilations[random_pick(r, 5)];
}

static int span_of(const Windows *w, int k) { return w->dilation[k] * (w->kernel[k] - 1) + 1; }

// Padding as most have it, or anything, unequal at the two ends.
static bool draw_out(Generator *r, Windows *w, int k, int extent, bool pool) {
    int span = span_of(w, k), most = pool ? span / 2 : span;
    w->before[k] = random_pick(r, 3) ? (span - 1) / 2 : random_pick(r, most + 1);
    if (pool && w->before[k] > most) w->before[k] = most;
    int after = random_pick(r, 3) ? w->before[k] : random_pick(r, most + 1),
        room = extent + w->before[k] + after - span;
    w->out[k] = room < 0 ? 0 : room / w->stride[k] + 1;
    // Every window of a pool must see an element.
    if (pool && (w->dilation[k] > 1 || (w->out[k] - 1) * w->stride[k] >= extent + w->before[k])) return false;
    return w->out[k] > 0;
}

static int draw_groups(Generator *r, int channels) {
    if (random_pick(r, 3)) return 1;
    if (random_pick(r, 2)) return channels;
    for (int g = 2 + random_pick(r, 5); g > 1; g--)
        if (channels % g == 0) return g;
    return 1;
}

static int draw_channels(Generator *r) {
    static const int counts[] = {1, 2, 3, 4, 5, 8, 13, 16, 17, 24, 32, 36};
    return random_pick(r, 2) ? counts[random_pick(r, 12)] : 1 + random_pick(r, 40);
}

// Scaled by a power of two, so that an exact value stays one.
static Node *halved(Generator *r, Node *y, int times, Exact *exact) {
    if (times <= 0) return y;
    exact->frac += exact->frac >= 0 ? times : 0, exact->mag -= times;
    return random_scaled(r->g, y, ldexp(1, -times));
}

static Exact exact_product(Exact a, int terms) {
    return a.frac < 0 ? inexact : (Exact){a.frac + 4, a.mag + bits(terms)};
}

// A parameter as it is, or what a model computes once after load: through a function, scaled for each output.
static Node *draw_weight(Generator *r, Type type, bool exact) {
    Node *p = random_param(r, type, exact);
    if (exact) return p;
    if (random_pick(r, 2)) return build_unary(r->g, "tanh", p);
    Node *by = random_param(r, (Type){F32, 1, {type.dim[0]}}, false);
    return build_binary(r->g, "mul", p, build_broadcast(r->g, by, &type, (int[]){0}));
}

Node *random_convolve(Generator *r, int from, const Windows *w, int out, int groups, bool transposed, Exact *exact) {
    Node *x = r->pool[from];
    int channels = x->type.dim[1].extent;
    int64_t work = x->type.dim[0].extent * (int64_t)out * channels / groups, terms = channels / groups;
    Type type = {
        F32, x->type.rank, {dim_fixed(transposed ? channels : out), dim_fixed((transposed ? out : channels) / groups)}};
    for (int k = 0; k < w->n; k++) {
        work *= w->kernel[k] * (transposed ? x->type.dim[2 + k].extent : w->out[k]);
        terms *= w->kernel[k];
        type.dim[2 + k] = dim_fixed(w->kernel[k]);
    }
    if (work > MAX_WORK) return NULL;
    bool plain = random_pick(r, 6) != 0;
    Node *p = draw_weight(r, type, plain);
    Node *y = build_convolution(r->g, x, p, w, groups, transposed);
    *exact = plain ? exact_product(r->exact[from], (int)terms) : inexact;
    return halved(r, y, bits(terms) / 2, exact);
}

// x in the pool at `from`; *exact is what the result is.
static Node *convolution(Generator *r, int from, bool transposed, Exact *exact) {
    const Node *x = r->pool[from];
    Windows w = {.n = x->type.rank - 2};
    int channels = x->type.dim[1].extent, groups = draw_groups(r, channels);
    int out = groups > 1 ? groups * (1 + random_pick(r, 3)) : draw_channels(r);
    for (int k = 0; k < w.n; k++) {
        int extent = x->type.dim[2 + k].extent;
        draw_window(r, &w, k, 9);
        if (transposed) {
            w.before[k] = random_pick(r, span_of(&w, k));
            w.out[k] = (extent - 1) * w.stride[k] - 2 * w.before[k] + span_of(&w, k) + random_pick(r, w.stride[k]);
            if (w.out[k] < 1) return NULL;
        } else if (!draw_out(r, &w, k, extent, false))
            return NULL;
    }
    return random_convolve(r, from, &w, out, groups, transposed, exact);
}

// "sum" over windows becomes a mean.
Node *random_pooled(Generator *r, int from, bool max, Exact *exact) {
    Node *x = r->pool[from];
    Windows w = {.n = x->type.rank - 2};
    int terms = 1;
    *exact = r->exact[from];
    if (exact->frac < 0 && r->train) max = false;
    int separate = random_pick(r, 2) ? 2 + random_pick(r, 2) : 0;
    for (int k = 0; k < w.n; k++) {
        draw_window(r, &w, k, 3);
        if (random_pick(r, 2)) w.stride[k] = w.kernel[k];
        w.dilation[k] = 1;
        if (!draw_out(r, &w, k, x->type.dim[2 + k].extent, true)) return NULL;
        if (separate) { // as most have it; elements may be left over
            w.kernel[k] = w.stride[k] = separate, w.before[k] = 0;
            w.out[k] = x->type.dim[2 + k].extent / separate;
            if (!w.out[k]) return NULL;
        }
        terms *= w.kernel[k];
    }
    Node *y = build_pool(r->g, max ? REDUCE_MAX : REDUCE_SUM, x, &w);
    if (max) return y;
    if (exact->frac >= 0) exact->mag += bits(terms);
    if (terms > 1 && random_pick(r, 2)) {
        *exact = inexact;
        return build_binary(r->g, "div", y, build_full(r->g, &y->type, terms));
    }
    return halved(r, y, bits(terms), exact);
}

// ---- norms and activations ------------------------------------------------------------------------------------------

static Node *affine(Generator *r, Node *y) {
    Type channels = {F32, 1, {y->type.dim[1]}};
    y = build_binary(r->g, "mul", y, random_along_channels(r, random_param(r, channels, false), &y->type));
    return build_binary(r->g, "add", y, random_along_channels(r, random_param(r, channels, false), &y->type));
}

// By running statistics, as a model sees them.
static Node *frozen_norm(Generator *r, Node *x) {
    Graph *g = r->g;
    Type channels = {F32, 1, {x->type.dim[1]}};
    Node *mean = random_param(r, channels, false), *var = random_param(r, channels, false);
    var = build_binary(g, "add", build_binary(g, "mul", var, var), build_full(g, &channels, 0.5));
    Node *y = build_binary(g, "sub", x, random_along_channels(r, mean, &x->type));
    return affine(r, build_binary(g, "div", y, random_along_channels(r, build_unary(g, "sqrt", var), &x->type)));
}

// Over all axes of `over` (a bitmask): batch, layer, instance norm.
static Node *norm_over(Generator *r, Node *x, unsigned over) {
    Graph *g = r->g;
    int keep[MAX_RANK], n = 0;
    Node *count = build_constant(g, I64, 1);
    for (int d = 0; d < x->type.rank; d++) {
        if (over >> d & 1)
            count = build_binary(g, "mul", count, build_size(g, x->type.dim[d]));
        else
            keep[n++] = d;
    }
    count = build_cast(g, count, F32);
    Node *mean = build_reduce(g, REDUCE_SUM, x, over, TIES_EVEN);
    mean = build_binary(g, "div", mean, build_broadcast_numpy(g, count, &mean->type));
    Node *centred = build_binary(g, "sub", x, build_broadcast(g, mean, &x->type, keep));
    Node *var = build_reduce(g, REDUCE_SUM, build_binary(g, "mul", centred, centred), over, TIES_EVEN);
    var = build_binary(g, "div", var, build_broadcast_numpy(g, count, &var->type));
    Node *deviation = build_unary(g, "sqrt", build_binary(g, "add", var, build_full(g, &var->type, 0.1)));
    return build_binary(g, "div", centred, build_broadcast(g, deviation, &x->type, keep));
}

static Node *group_norm(Generator *r, Node *x) {
    int channels = x->type.dim[1].extent, groups = draw_groups(r, channels);
    Type grouped = {F32, x->type.rank + 1, {x->type.dim[0], dim_fixed(groups), dim_fixed(channels / groups)}};
    for (int d = 2; d < x->type.rank; d++) grouped.dim[d + 1] = x->type.dim[d];
    Node *y = norm_over(r, build_reshape(r->g, x, &grouped), ((1u << grouped.rank) - 1) & ~3u);
    return affine(r, build_reshape(r->g, y, &x->type));
}

Node *random_norm(Generator *r, Node *x) {
    unsigned all = (1u << x->type.rank) - 1;
    switch (random_pick(r, 4)) {
    case 0:
        return affine(r, norm_over(r, x, all & ~2u));
    case 1:
        return affine(r, norm_over(r, x, all & ~3u));
    case 2:
        return group_norm(r, x);
    default:
        return frozen_norm(r, x);
    }
}

Node *random_activation(Generator *r, Node *x, Exact *exact) {
    Graph *g = r->g;
    int k = random_pick(r, 7);
    if (k < 4) return random_relu(r, x, *exact); // exact stays exact
    Exact before = *exact;
    *exact = inexact;
    if (k == 4) return build_binary(g, "mul", x, build_unary(g, "sigmoid", x));
    if (k == 5) {
        Node *e = build_unary(g, "erf", random_scaled(g, x, 0.7071067811865476));
        return build_binary(g, "mul", random_scaled(g, x, 0.5), build_binary(g, "add", e, build_full(g, &x->type, 1)));
    }
    if (before.frac < 0) return build_unary(g, "tanh", x);
    Node *six =
        graph_op(g, &op_clip, (Node *[]){x, build_full(g, &x->type, -0.5), build_full(g, &x->type, 0.75)}, 3, NULL);
    *exact = before;
    return six;
}

// ---- blocks ---------------------------------------------------------------------------------------------------------

Node *random_biased(Generator *r, Node *y, Exact *exact) {
    Type channels = {F32, 1, {y->type.dim[1]}};
    if (exact->frac >= 0) *exact = (Exact){exact->frac < 4 ? 4 : exact->frac, at_least_one(exact->mag) + 1};
    return build_binary(r->g, "add", y, random_along_channels(r, random_param(r, channels, true), &y->type));
}

// conv, bias or norm, activation, pool: what fusion is for. Each value also stays in the pool, so that some have a
// second reader.
static void block(Generator *r, int from) {
    Exact exact;
    Node *y = convolution(r, from, random_pick(r, 8) == 0, &exact);
    if (!y) return;
    if (random_pick(r, 3)) y = random_biased(r, y, &exact);
    if (random_pick(r, 3) == 0) y = random_norm(r, y), exact = inexact;
    if (random_pick(r, 4)) y = random_activation(r, y, &exact);
    int before = r->npool;
    random_put(r, y, exact);
    if (r->npool == before || random_pick(r, 2)) return;
    y = random_pooled(r, before, random_pick(r, 3) != 0, &exact);
    random_put(r, y, exact);
}

static void residual(Generator *r, int from) {
    Node *x = r->pool[from];
    for (int k = r->npool - 1; k >= 0; k--) {
        if (k == from || !shape_equal(&r->pool[k]->type, &x->type)) continue;
        Exact a = r->exact[from], b = r->exact[k], sum = inexact;
        if (a.frac >= 0 && b.frac >= 0)
            sum = (Exact){a.frac > b.frac ? a.frac : b.frac, (a.mag > b.mag ? a.mag : b.mag) + 1};
        Node *y = build_binary(r->g, "add", x, r->pool[k]);
        random_put(r, random_pick(r, 2) ? random_relu(r, y, sum) : y, sum);
        return;
    }
}

// Channels of two images one after the other: a skip connection.
static void skip(Generator *r, int from) {
    Node *x = r->pool[from];
    for (int k = r->npool - 1; k >= 0; k--) {
        Node *z = r->pool[k];
        bool fits = z->type.rank == x->type.rank && !z->type.dim[1].size && k != from;
        for (int d = 0; fits && d < x->type.rank; d++) fits = d == 1 || dim_equal(x->type.dim[d], z->type.dim[d]);
        if (!fits) continue;
        Exact a = r->exact[from], b = r->exact[k], both = inexact;
        if (a.frac >= 0 && b.frac >= 0)
            both = (Exact){a.frac > b.frac ? a.frac : b.frac, a.mag > b.mag ? a.mag : b.mag};
        random_put(r, build_concat(r->g, x, z, 1), both);
        return;
    }
}

// Nearest by repeating, or between neighbours by a matrix along the last axis.
static Node *upsampled(Generator *r, Node *x, Exact *exact) {
    Graph *g = r->g;
    int last = x->type.rank - 1, times = 2 + random_pick(r, 2);
    if (random_pick(r, 3) == 0) {
        Type matrix = {F32, 2, {x->type.dim[last], dim_fixed(1 + random_pick(r, 20))}};
        *exact = inexact;
        return random_scaled(g, build_matmul(g, x, random_param(r, matrix, false)), 1 / sqrt(x->type.dim[last].extent));
    }
    for (int d = 2; d <= last; d++) {
        Type apart = x->type, wide, whole = x->type;
        apart.rank++;
        for (int k = last; k > d; k--) apart.dim[k + 1] = x->type.dim[k];
        apart.dim[d + 1] = dim_fixed(1);
        wide = apart;
        wide.dim[d + 1] = dim_fixed(times);
        whole.dim[d] = dim_fixed(x->type.dim[d].extent * times);
        if (type_count(&whole) > 40000) return NULL;
        int axes[MAX_RANK];
        for (int k = 0; k < apart.rank; k++) axes[k] = k;
        x = build_reshape(g, build_broadcast(g, build_reshape(g, x, &apart), &wide, axes), &whole);
    }
    return x;
}

// Zeros, or the image mirrored, around one axis.
static Node *padded(Generator *r, Node *x) {
    int axis = 2 + random_pick(r, x->type.rank - 2);
    int64_t n = x->type.dim[axis].extent, start[MAX_RANK] = {0}, step[MAX_RANK];
    for (int d = 0; d < MAX_RANK; d++) step[d] = 1;
    Type to = x->type;
    if (n > 2 && random_pick(r, 2)) { // reflect
        start[axis] = 2, step[axis] = -1;
        to.dim[axis] = dim_fixed(2);
        return build_concat(r->g, build_slice_fixed(r->g, x, &to, start, step), x, axis);
    }
    start[axis] = 1 + random_pick(r, 3);
    to.dim[axis] = dim_fixed((int)(n + start[axis] + random_pick(r, 3)));
    return build_pad_fixed(r->g, x, &to, start, step, 0);
}

static Node *to_features(Generator *r, Node *x) {
    Graph *g = r->g;
    int64_t area = 1;
    for (int d = 2; d < x->type.rank; d++) area *= x->type.dim[d].extent;
    if (random_pick(r, 2))
        return random_scaled(g, build_reduce(g, REDUCE_SUM, x, ((1u << x->type.rank) - 1) & ~3u, TIES_EVEN),
                             1.0 / (double)area);
    Type flat = {F32, 2, {x->type.dim[0], dim_fixed((int)(area * x->type.dim[1].extent))}};
    Type weight = {F32, 2, {dim_fixed(1 + random_pick(r, 20)), flat.dim[1]}};
    if (type_count(&weight) > 20000) return NULL;
    Node *w = build_transpose(g, random_param(r, weight, false), (int[]){1, 0});
    return random_scaled(g, build_matmul(g, build_reshape(g, x, &flat), w), 1 / sqrt(flat.dim[1].extent));
}

void random_grow_image(Generator *r) {
    int from = random_image(r);
    if (from < 0) return;
    Node *x = r->pool[from], *y = NULL;
    Exact exact = r->exact[from];
    if (random_pick(r, 4) == 0) {
        random_motif(r, from);
        return;
    }
    switch (random_pick(r, 14)) {
    case 0:
        y = random_activation(r, x, &exact);
        break;
    case 1:
        y = random_pooled(r, from, true, &exact);
        break;
    case 2:
        y = random_pooled(r, from, false, &exact);
        break;
    case 3:
        y = random_norm(r, x), exact = inexact;
        break;
    case 4:
        residual(r, from);
        return;
    case 5:
        skip(r, from);
        return;
    case 6:
        y = upsampled(r, x, &exact);
        break;
    case 7:
        y = padded(r, x);
        break;
    case 8:
        y = to_features(r, x), exact = inexact;
        break;
    case 9:
        y = convolution(r, from, true, &exact);
        break;
    case 10:
        y = convolution(r, from, false, &exact);
        break;
    default:
        block(r, from);
        return;
    }
    random_put(r, y, exact);
}

void random_add_image(Generator *r, Dim batch) {
    static const int extents[] = {1, 2, 3, 5, 6, 7, 8, 9, 11, 12, 13, 16, 17, 20, 28, 33, 45, 61};
    Type type = {F32, random_pick(r, 3) ? 4 : 3, {batch}};
    do {
        type.dim[1] = dim_fixed(draw_channels(r));
        for (int d = 2; d < type.rank; d++) type.dim[d] = dim_fixed(extents[random_pick(r, 18)]);
    } while (type_count(&type) > 6000);
    random_put(r, build_argument(r->g, "q0", type), (Exact){4, 0});
}
