// window.c: the functions that the layers of convolution and pooling call: reads and checks the arguments of windows.
//     convolve(x, weight, stride=2, padding="same", dilation=[1, 2], groups=4)
//     convolve_transposed(x, weight, stride=2, padding=1, output_padding=1, groups=1, dilation=1)
//     pool(x, "max", kernel_size, stride, padding, dilation, ceil_mode)        "max" or "sum"
// One number stands for all axes. Messages name the axis and its extent, because the user sees them at conv2d(...).
#include <inttypes.h>
#include <string.h>

#include "frontend/builtin.h"
#include "ir/windows.h"

enum { MAX_WINDOW = 1 << 20 }; // the largest kernel, stride, padding or dilation

// Reads one integer for all axes, or a list with one for each. They are at least `least`, which is also the default.
static bool ints_arg(Elab *el, const Call *call, int k, const char *what, int n, int least, int *to) {
    Value v = call->arg[k];
    bool list = v.kind == VALUE_LIST;
    if (list && v.list->len != n)
        return deny(el, call->at[k], "%s is one integer or a list of %d, got %s", what, n, value_text(el, v));
    for (int i = 0; i < n; i++) {
        Value item = list ? v.list->at[i] : v;
        int64_t number = least;
        if (v.kind != VALUE_NONE && !value_to_int(el, item, what, call->at[k], &number)) return false;
        if (number < least || number > MAX_WINDOW)
            return deny(el, call->at[k], "%s is %" PRId64 "; it must be %s %d", what, number,
                        number < least ? "at least" : "at most", number < least ? least : MAX_WINDOW);
        to[i] = (int)number;
    }
    return true;
}

// The number of inputs that a window spans.
static int64_t span_of(const Windows *w, int k) { return (int64_t)w->dilation[k] * (w->kernel[k] - 1) + 1; }

// Over a run-time size only windows of one element are allowed, with stride 1 and no padding.
static bool check_axis(Elab *el, const Call *call, const Node *x, const Windows *w, int k) {
    Dim dim = x->type.dim[x->type.rank - w->n + k];
    bool trivial = w->kernel[k] == 1 && w->stride[k] == 1 && w->before[k] == 0;
    if (!dim.size || trivial) return true;
    return deny(el, call->span,
                "axis %d of %s is the run-time size %s, and windows need an extent that is known at compile time; "
                "-D fixes a size",
                x->type.rank - w->n + k, type_name(el, &x->type), value_text(el, value_dim(dim)));
}

// Whether the kernel fits an axis of `padded` elements with its padding. In ceil mode the last window may reach
// `beyond` elements further.
static bool check_room(Elab *el, const Call *call, const Node *x, const Windows *w, int k, int64_t padded, int beyond) {
    if (span_of(w, k) <= padded + beyond) return true;
    return deny(el, call->span,
                "the kernel spans %" PRId64 " elements of axis %d, which with its padding has %" PRId64
                ": %s with kernel %d, padding %d, dilation %d; a smaller kernel fits, or more padding",
                span_of(w, k), x->type.rank - w->n + k, padded, type_name(el, &x->type), w->kernel[k], w->before[k],
                w->dilation[k]);
}

// ---- convolution ---------------------------------------------------------------------------------------------------

typedef struct Convolution {
    Node *x, *weight;
    Windows windows;
    int groups;
} Convolution;

static bool convolution_args(Elab *el, const Call *call, Convolution *c, int channel_axis, int groups_arg) {
    c->x = tensor_arg(el, call, 0);
    c->weight = tensor_arg(el, call, 1);
    if (!c->x || !c->weight) return false;
    const Type *x = &c->x->type, *weight = &c->weight->type;
    Windows *w = &c->windows;
    w->n = x->rank - 2;
    if (w->n < 1 || w->n > MAX_WINDOW_AXES || weight->rank != x->rank)
        return deny(
            el, call->span,
            "the input is batch, channels and 1 to %d axes to convolve, and the weight has as many axes; got %s and "
            "%s",
            MAX_WINDOW_AXES, type_name(el, x), type_name(el, weight));
    if (x->dtype != weight->dtype) {
        return deny(el, call->span, "dtypes differ: the input is %s, the weight %s", type_name(el, x),
                    type_name(el, weight));
    }
    if (!ints_arg(el, call, groups_arg, "groups", 1, 1, &c->groups)) return false;
    if (x->dim[1].size || type_has_size(weight))
        return deny(el, call->span, "the channels of %s and the weight %s cannot be run-time sizes", type_name(el, x),
                    type_name(el, weight));
    int channels = x->dim[1].extent, of_weight = weight->dim[0].extent;
    if (channels % c->groups || (channel_axis == 1 && of_weight % c->groups)) {
        bool in = channels % c->groups;
        return deny(el, call->at[groups_arg], "%d %s channels cannot be divided into %d groups",
                    in ? channels : of_weight, in ? "input" : "output", c->groups);
    }
    int wanted = channel_axis == 1 ? channels / c->groups : channels;
    if (weight->dim[channel_axis].extent != wanted)
        return deny(el, call->span, "the weight %s has %d input channels, and %s in %d group%s has %d",
                    type_name(el, weight), weight->dim[channel_axis].extent, type_name(el, x), c->groups,
                    c->groups == 1 ? "" : "s", wanted);
    for (int k = 0; k < w->n; k++) w->kernel[k] = weight->dim[2 + k].extent;
    return true;
}

// Reads PyTorch's padding: a number, one for each axis, "valid" or "same" (stride 1; an odd element goes to the end).
static bool padding_arg(Elab *el, const Call *call, int k, Windows *w, int *after) {
    Value v = call->arg[k];
    bool same = v.kind == VALUE_STRING && !strcmp(v.s, "same"), valid = v.kind == VALUE_STRING && !strcmp(v.s, "valid");
    if (v.kind == VALUE_STRING && !same && !valid)
        return deny(el, call->at[k], "padding is an integer, one for each axis, \"same\" or \"valid\", got %s",
                    value_text(el, v));
    if (!same && !valid && !ints_arg(el, call, k, "padding", w->n, 0, w->before)) return false;
    for (int i = 0; i < w->n; i++) {
        if (same && w->stride[i] != 1)
            return deny(el, call->at[k], "padding \"same\" needs a stride of 1, got %d", w->stride[i]);
        int64_t total = same ? span_of(w, i) - 1 : 0;
        if (same || valid) w->before[i] = (int)(total / 2);
        after[i] = same ? (int)(total - total / 2) : w->before[i];
    }
    return true;
}

Value run_convolve(Elab *el, const Call *call) {
    Convolution c = {0};
    Windows *w = &c.windows;
    int after[MAX_WINDOW_AXES];
    if (!convolution_args(el, call, &c, 1, 5) || !ints_arg(el, call, 2, "stride", w->n, 1, w->stride) ||
        !ints_arg(el, call, 4, "dilation", w->n, 1, w->dilation) || !padding_arg(el, call, 3, w, after))
        return value_poison();
    for (int k = 0; k < w->n; k++) {
        int64_t padded = c.x->type.dim[2 + k].extent + w->before[k] + after[k];
        if (!check_axis(el, call, c.x, w, k) || !check_room(el, call, c.x, w, k, padded, 0)) return value_poison();
        w->out[k] = (int)((padded - span_of(w, k)) / w->stride[k] + 1);
    }
    return value_tensor(build_convolution(el->g, c.x, c.weight, w, c.groups, false));
}

Value run_convolve_transposed(Elab *el, const Call *call) {
    Convolution c = {0};
    Windows *w = &c.windows;
    int more[MAX_WINDOW_AXES];
    if (!convolution_args(el, call, &c, 0, 5) || !ints_arg(el, call, 2, "stride", w->n, 1, w->stride) ||
        !ints_arg(el, call, 3, "padding", w->n, 0, w->before) ||
        !ints_arg(el, call, 4, "output_padding", w->n, 0, more) ||
        !ints_arg(el, call, 6, "dilation", w->n, 1, w->dilation))
        return value_poison();
    for (int k = 0; k < w->n; k++) {
        int64_t extent = c.x->type.dim[2 + k].extent;
        if (more[k] >= w->stride[k] && more[k] >= w->dilation[k])
            return refuse(el, call->at[4],
                          "output_padding is %d; it must be smaller than the stride %d or the dilation %d", more[k],
                          w->stride[k], w->dilation[k]);
        if (!check_axis(el, call, c.x, w, k)) return value_poison();
        int64_t out = (extent - 1) * w->stride[k] - 2 * (int64_t)w->before[k] + span_of(w, k) + more[k];
        if (out < 1 || out > INT32_MAX / 4)
            return refuse(el, call->span,
                          "axis %d of the result would have %" PRId64 " elements: %s with kernel %d, stride %d, "
                          "padding %d",
                          2 + k, out, type_name(el, &c.x->type), w->kernel[k], w->stride[k], w->before[k]);
        w->out[k] = (int)out;
    }
    return value_tensor(build_convolution(el->g, c.x, c.weight, w, c.groups, true));
}

// ---- pools ----------------------------------------------------------------------------------------------------------

// In ceil mode a last window may reach beyond the padding, if it begins inside the input or the padding before it.
static int pool_extent(const Windows *w, int k, int64_t extent, bool ceil_mode) {
    int64_t room = extent + 2 * (int64_t)w->before[k] - span_of(w, k);
    int64_t out = (room + (ceil_mode ? w->stride[k] - 1 : 0)) / w->stride[k] + 1;
    if (ceil_mode && (out - 1) * w->stride[k] >= extent + w->before[k]) out--;
    return (int)out;
}

// Checks that every window has an element of the input.
static bool check_windows(Elab *el, const Call *call, const Windows *w, int k, int64_t extent, int axis) {
    for (int y = 0; y < w->out[k]; y++) {
        bool inside = false;
        int64_t first = (int64_t)y * w->stride[k] - w->before[k];
        for (int p = 0; p < w->kernel[k] && !inside; p++) {
            int64_t at = first + (int64_t)p * w->dilation[k];
            inside = at >= 0 && at < extent;
        }
        if (inside) continue;
        return deny(el, call->span,
                    "window %d of axis %d lies wholly in the padding: %" PRId64 " elements, kernel %d, "
                    "stride %d, padding %d, dilation %d",
                    y, axis, extent, w->kernel[k], w->stride[k], w->before[k], w->dilation[k]);
    }
    return true;
}

Value run_pool(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Value kind = call->arg[1], kernel = call->arg[2];
    bool ceil_mode;
    Windows w = {.n = kernel.kind == VALUE_LIST ? kernel.list->len : 1};
    if (!x || !flag_arg(el, call, 6, &ceil_mode)) return value_poison();
    if (kind.kind != VALUE_STRING || (strcmp(kind.s, "max") && strcmp(kind.s, "sum")))
        return refuse(el, call->at[1], "pool: \"max\" or \"sum\" is needed, got %s", value_text(el, kind));
    if (w.n < 1 || w.n > MAX_WINDOW_AXES || x->type.rank < w.n)
        return refuse(el, call->span, "windows over the last 1 to %d axes, got %s over %s", MAX_WINDOW_AXES,
                      value_text(el, kernel), type_name(el, &x->type));
    if (!ints_arg(el, call, 2, "kernel_size", w.n, 1, w.kernel)) return value_poison();
    if (call->arg[3].kind == VALUE_NONE)
        memcpy(w.stride, w.kernel, sizeof w.stride);
    else if (!ints_arg(el, call, 3, "stride", w.n, 1, w.stride))
        return value_poison();
    if (!ints_arg(el, call, 4, "padding", w.n, 0, w.before) || !ints_arg(el, call, 5, "dilation", w.n, 1, w.dilation))
        return value_poison();
    for (int k = 0; k < w.n; k++) {
        int axis = x->type.rank - w.n + k;
        int64_t extent = x->type.dim[axis].extent;
        if (!check_axis(el, call, x, &w, k)) return value_poison();
        if (w.before[k] > span_of(&w, k) / 2)
            return refuse(el, call->at[4],
                          "padding is %d; it is at most half of the window, which spans %" PRId64
                          " elements, so that no window lies wholly in the padding",
                          w.before[k], span_of(&w, k));
        // With ceil_mode the last window may reach beyond the padding.
        int64_t padded = extent + 2 * (int64_t)w.before[k];
        if (!check_room(el, call, x, &w, k, padded, ceil_mode ? w.stride[k] - 1 : 0)) return value_poison();
        w.out[k] = pool_extent(&w, k, extent, ceil_mode);
        if (!check_windows(el, call, &w, k, extent, axis)) return value_poison();
    }
    return value_tensor(build_pool(el->g, strcmp(kind.s, "max") ? REDUCE_SUM : REDUCE_MAX, x, &w));
}
