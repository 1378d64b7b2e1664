// random_layers.c: calls of the prelude's layers in random .dl programs.
#include <string.h>

#include "random_text.h"

static Value inexact_like(const Value *x) {
    Value to = *x;
    to.dtype = F32, to.exact = inexact;
    return to;
}

// ---- rows ----------------------------------------------------------------------------------------------------------

bool text_normalised(Writer *w) {
    const Value *x = text_value(w, FLOATS, 1, TEXT_RANK);
    if (!x) return false;
    Value to = inexact_like(x);
    int axis = text_pick(w, x->rank);
    static const char *const along[] = {"softmax", "log_softmax", "softmin"};
    if (text_pick(w, 2)) return text_put(w, to, "%s(%s, axis=%d)", along[text_pick(w, 3)], x->name, axis);
    if (x->axis[x->rank - 1].size || w->wild) return false;
    if (text_pick(w, 3)) return text_put(w, to, "layer_norm(%s, name=\"%s\")", x->name, text_layer(w, "ln"));
    if (x->axis[x->rank - 1].plus % 2) return false;
    to.axis[x->rank - 1] = text_fixed(x->axis[x->rank - 1].plus / 2);
    return text_put(w, to, "glu(%s)", x->name);
}

// ---- products ------------------------------------------------------------------------------------------------------

static bool attention(Writer *w) {
    const Value *x = text_value(w, FLOATS, 3, TEXT_RANK);
    if (!x) return false;
    Value to = inexact_like(x);
    int r = x->rank;
    to.axis[r - 1] = x->axis[r - 2];
    return text_put(w, to, "%s @ transpose(%s, -1, -2) * 0.3", x->name, x->name);
}

bool text_product(Writer *w) {
    const Value *x = text_value(w, FLOATS, 1, TEXT_RANK);
    if (!x) return false;
    if (text_pick(w, 6) == 0) return attention(w);
    Value to = inexact_like(x);
    int r = x->rank;
    Axis k = x->axis[r - 1];
    for (int tries = 0; tries < 10 && r >= 2; tries++) {
        const Value *y = text_value(w, FLOATS, 2, r);
        bool fits = y && text_same_axis(y->axis[y->rank - 2], k);
        for (int d = 3; fits && d <= y->rank; d++) fits = text_same_axis(x->axis[r - d], y->axis[y->rank - d]);
        if (!fits) continue;
        to.axis[r - 1] = y->axis[y->rank - 1];
        if (text_pick(w, 2)) return text_put(w, to, "matmul(%s, %s) * 0.4", x->name, y->name);
        return text_put(w, to, "%s @ %s * 0.4", x->name, y->name);
    }
    if (k.size || r < 2) return false;
    static const int widths[] = {1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33};
    to.axis[r - 1] = text_fixed(widths[text_pick(w, 11)]);
    return text_put(w, to, "linear(%s, %d%s, name=\"%s\")", x->name, to.axis[r - 1].plus,
                    text_pick(w, 4) ? "" : ", bias=false", text_layer(w, "fc"));
}

// ---- images --------------------------------------------------------------------------------------------------------

static int windows(int length, int kernel, int stride, int padding, int dilation) {
    return (length + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1;
}

typedef struct Around {
    int kernel, stride, padding, dilation;
} Around;

// The extents after windows of this kind; false: there is none.
static bool after_windows(Value *to, Around a) {
    for (int d = 2; d < to->rank; d++) {
        int length = to->axis[d].plus;
        if (length + 2 * a.padding < a.dilation * (a.kernel - 1) + 1) return false;
        to->axis[d] = text_fixed(windows(length, a.kernel, a.stride, a.padding, a.dilation));
    }
    return true;
}

static bool convolution(Writer *w, const Value *x) {
    static const int channels[] = {1, 2, 3, 4, 6, 8, 12, 17};
    Value to = inexact_like(x);
    Around a = {1 + text_pick(w, 3), 1 + text_pick(w, 2), text_pick(w, 2), 1};
    int in = x->axis[1].plus, out = channels[text_pick(w, 8)], groups = 1, axes = x->rank - 2;
    if (text_pick(w, 5) == 0) a.dilation = 2;
    if (text_pick(w, 4) == 0) groups = in, out = in * (1 + text_pick(w, 2));
    to.axis[1] = text_fixed(out);
    const char *bias = text_pick(w, 4) ? "" : ", bias=false";
    if (text_pick(w, 5) == 0) {
        if (a.padding >= a.kernel) a.padding = 0;
        for (int d = 2; d < to.rank; d++)
            to.axis[d] = text_fixed((to.axis[d].plus - 1) * a.stride - 2 * a.padding + a.kernel);
        for (int d = 2; d < to.rank; d++)
            if (to.axis[d].plus < 1) return false;
        return text_put(w, to, "conv_transpose%dd(%s, %d, %d, stride=%d, padding=%d, groups=%d%s, name=\"%s\")", axes,
                        x->name, out, a.kernel, a.stride, a.padding, groups, bias, text_layer(w, "up"));
    }
    if (!after_windows(&to, a)) return false;
    static const char *const modes[] = {"zeros", "replicate", "reflect", "circular"};
    bool small = false;
    for (int d = 2; d < x->rank; d++) small |= x->axis[d].plus < 3;
    return text_put(w, to,
                    "conv%dd(%s, %d, %d, stride=%d, padding=%d, dilation=%d, groups=%d, padding_mode=\"%s\"%s, "
                    "name=\"%s\")",
                    axes, x->name, out, a.kernel, a.stride, a.padding, a.dilation, groups,
                    modes[small || text_pick(w, 3) ? 0 : text_pick(w, 4)], bias, text_layer(w, "conv"));
}

static bool pooled(Writer *w, const Value *x) {
    Value to = *x;
    bool max = x->exact.frac >= 0 || (!w->train && text_pick(w, 2));
    Around a = {2 + text_pick(w, 2), 1 + text_pick(w, 3), text_pick(w, 2), 1};
    int axes = x->rank - 2;
    if (!max) to.exact = inexact;
    if (text_pick(w, 4) == 0) {
        for (int d = 2; d < x->rank; d++) to.axis[d] = text_fixed(2);
        to.exact = inexact;
        return text_put(w, to, "adaptive_avg_pool%dd(%s, 2)", axes, x->name);
    }
    if (text_pick(w, 6) == 0) {
        to.rank = 2, to.exact = inexact;
        return text_put(w, to, "global_avg_pool(%s)", x->name);
    }
    if (!after_windows(&to, a)) return false;
    return text_put(w, to, "%s_pool%dd(%s, %d, stride=%d, padding=%d)", max ? "max" : "avg", axes, x->name, a.kernel,
                    a.stride, a.padding);
}

static bool image_norm(Writer *w, const Value *x) {
    Value to = inexact_like(x);
    int axes = x->rank - 2, groups = x->axis[1].plus % 2 ? 1 : 2;
    switch (text_pick(w, w->scans ? 2 : 4)) { // no step of a scan writes buffers
    case 0:
        return text_put(w, to, "group_norm(%s, %d, name=\"%s\")", x->name, groups, text_layer(w, "gn"));
    case 1:
        return text_put(w, to, "instance_norm(%s, affine=true, name=\"%s\")", x->name, text_layer(w, "in"));
    default:
        return text_put(w, to, "batch_norm%dd(%s%s, name=\"%s\")", axes, x->name,
                        text_pick(w, 3) ? "" : ", momentum=0.3", text_layer(w, "bn"));
    }
}

bool text_image(Writer *w) {
    const Value *x = NULL;
    for (int tries = 0; tries < 8; tries++) {
        x = text_value(w, FLOATS, 3, 4);
        if (!x) return false;
        bool fixed = !x->axis[1].size;
        for (int d = 2; d < x->rank; d++) fixed &= !x->axis[d].size;
        if (fixed) break;
        x = NULL;
    }
    if (!x || w->wild) return false;
    int kind = text_pick(w, 9);
    if (kind < 4) return convolution(w, x);
    if (kind < 6) return pooled(w, x);
    if (kind < 8) return image_norm(w, x);
    Value to = inexact_like(x);
    for (int d = 2; d < x->rank; d++) to.axis[d] = text_fixed(2 * x->axis[d].plus);
    static const char *const modes[] = {"nearest", "linear", "nearest-exact"};
    int mode = text_pick(w, 3);
    return text_put(w, to, "interpolate(%s, scale_factor=2, mode=\"%s\")", x->name,
                    mode == 1 && x->rank == 4 ? "bilinear" : modes[mode]);
}

// ---- random numbers ------------------------------------------------------------------------------------------------

bool text_drawn(Writer *w) {
    const Value *x = text_value(w, FLOATS, 1, TEXT_RANK);
    if (!x) return false;
    Value to = inexact_like(x);
    static const char *const shares[] = {"0.5", "0.1", "0.75", "0.0"};
    if (text_pick(w, 2) || !w->train || w->in_layer)
        return text_put(w, to, "dropout(%s, %s)", x->name, shares[text_pick(w, 4)]);
    if (x->rank == 4 && text_pick(w, 2)) return text_put(w, to, "dropout2d(%s, 0.25)", x->name);
    return text_put(w, to, "%s + 0.1 * random(\"%s\", %s)", x->name, text_pick(w, 2) ? "uniform" : "normal",
                    text_shape(w, x));
}

// ---- indices -------------------------------------------------------------------------------------------------------

bool text_lookup(Writer *w) {
    const Value *index = text_value(w, SMALL_INTS, 0, 2);
    if (!index || index->dtype == U8) return false;
    Value to = *index;
    int kind = text_pick(w, 4);
    if (kind == 0 && index->rank < 3) {
        to.axis[to.rank++] = text_fixed(3 + text_pick(w, 6));
        return text_put(w, inexact_like(&to), "embedding(%s, %d, %d, name=\"%s\")", index->name, 4 + text_pick(w, 9),
                        to.axis[to.rank - 1].plus, text_layer(w, "emb"));
    }
    if (kind == 1) {
        to.axis[to.rank++] = text_fixed(2 + text_pick(w, 8));
        to.exact = (Exact){0, 1};
        return text_put(w, to, "one_hot(%s, %d)", index->name, to.axis[to.rank - 1].plus);
    }
    const Value *x = text_value(w, kind == 3 && index->rank == 1 ? FLOATS : ANYTHING, 1, 3);
    if (!x) return false;
    int axis = text_pick(w, x->rank);
    if (x->rank - 1 + index->rank > TEXT_RANK) return false;
    to = *x, to.rank = 0;
    for (int d = 0; d < axis; d++) to.axis[to.rank++] = x->axis[d];
    for (int d = 0; d < index->rank; d++) to.axis[to.rank++] = index->axis[d];
    for (int d = axis + 1; d < x->rank; d++) to.axis[to.rank++] = x->axis[d];
    if (kind == 2 || index->rank != 1) return text_put(w, to, "gather(%s, %s, axis=%d)", x->name, index->name, axis);
    return text_put(w, inexact_like(x), "scatter_add(%s, %s, tanh(gather(%s, %s, axis=%d)), axis=%d)", x->name,
                    index->name, x->name, index->name, axis, axis);
}
