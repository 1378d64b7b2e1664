// rounding.c: abs, sign, floor, ceil, round and clip, element by element.
//     clip(x: f32[2, 3], lo: f32[2, 3], hi: f32[2, 3])    min(max(x, lo), hi); the gradient is 1 at the bounds
// All but sign hand NaN on. sign, floor, ceil and round are flat wherever they have a slope: their gradient is 0.
#include <math.h>

#include "ops/rules.h"

static Node *grad_flat(Graph *g, Node *y, Node *dy, int i) {
    (void)dy, (void)i;
    return build_full(g, &y->type, 0);
}

EVAL_UNARY(abs, fabs(x), x < 0 ? 0 - (uint64_t)x : (uint64_t)x)

static Node *grad_abs(Graph *g, Node *y, Node *dy, int i) {
    return build_binary(g, "mul", dy, build_unary(g, "sign", y->in[i]));
}

static const char *text_abs(const Node *node, DType result, DType operand, bool vector) {
    (void)node, (void)operand;
    if (dtype_info[result].is_float) return vector ? "(dlc_vf)((dlc_vi)$0 & INT32_MAX)" : "fabsf($0)";
    if (vector) return NULL;
    return result == U8 ? "($T)$0" : "dlc_abs_$N($0)";
}

DEFINE_OP(abs){
    UNARY(abs),
    .doc = "x without its sign, element by element; the gradient at 0 is 0; the smallest integer stays",
    .traits = OP_ELEMENTWISE | OP_EXACT,
    .infer = elementwise_number_infer,
    .grad = grad_abs,
    .text = text_abs,
    .flops = 1,
};

EVAL_UNARY(sign, (x > 0) - (x < 0), (x > 0) - (x < 0))

static const char *text_sign(const Node *node, DType result, DType operand, bool vector) {
    (void)node, (void)operand;
    if (dtype_info[result].is_float) return vector ? "dlc_vsign($0)" : "dlc_signf($0)";
    if (vector) return NULL;
    return result == U8 ? "($T)($0 != 0)" : "($T)(($0 > 0) - ($0 < 0))";
}

DEFINE_OP(sign){
    UNARY(sign),
    .doc = "1 above 0, -1 below, 0 at 0 and for NaN, element by element",
    .traits = OP_ELEMENTWISE | OP_EXACT | OP_JUMPS,
    .infer = elementwise_number_infer,
    .grad = grad_flat,
    .text = text_sign,
    .flops = 1,
};

EVAL_FLOAT(floor, floor(x))

DEFINE_OP(floor){
    UNARY(floor),
    .doc = "the largest whole number that is not above x, element by element",
    .traits = OP_ELEMENTWISE | OP_EXACT | OP_JUMPS,
    .infer = elementwise_float_infer,
    .grad = grad_flat,
    .c = "floorf($0)",
    .c_vec = "dlc_vfloor($0)",
    .flops = 1,
};

EVAL_FLOAT(ceil, ceil(x))

DEFINE_OP(ceil){
    UNARY(ceil),
    .doc = "the smallest whole number that is not below x, element by element",
    .traits = OP_ELEMENTWISE | OP_EXACT | OP_JUMPS,
    .infer = elementwise_float_infer,
    .grad = grad_flat,
    .c = "ceilf($0)",
    .c_vec = "dlc_vceil($0)",
    .flops = 1,
};

EVAL_FLOAT(round, nearbyint(x))

DEFINE_OP(round){
    UNARY(round),
    .doc = "the nearest whole number, a tie to the even one, element by element",
    .traits = OP_ELEMENTWISE | OP_EXACT | OP_JUMPS,
    .infer = elementwise_float_infer,
    .grad = grad_flat,
    .c = "rintf($0)",
    .c_vec = "dlc_vround($0)",
    .flops = 1,
};

// ---- clip ---------------------------------------------------------------------------------------------------------

static double clip(double x, double lo, double hi) {
    if (isnan(x) || isnan(lo) || isnan(hi)) return NAN;
    double above = x > lo ? x : lo;
    return above < hi ? above : hi;
}

static void eval_clip(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    for (int64_t k = 0; k < out->count; k++) {
        if (out->f) {
            out->f[k] = clip(in[0]->f[k], in[1]->f[k], in[2]->f[k]);
            continue;
        }
        int64_t x = in[0]->i[k], lo = in[1]->i[k], hi = in[2]->i[k];
        int64_t above = x > lo ? x : lo;
        out->i[k] = above < hi ? above : hi;
    }
}

// x takes dy between the bounds and at them; a bound takes it where it is the result.
static Node *grad_clip(Graph *g, Node *y, Node *dy, int i) {
    Node *x = y->in[0], *lo = y->in[1], *hi = y->in[2], *takes;
    if (i == 2) {
        takes = build_binary(g, "gt", build_binary(g, "max", x, lo), hi);
    } else {
        takes = build_binary(g, "le", i == 0 ? x : lo, hi);
        takes = build_binary(g, "and", build_binary(g, i == 0 ? "ge" : "lt", x, lo), takes);
    }
    return build_select(g, takes, dy, build_full(g, &y->type, 0));
}

static const char *text_clip(const Node *node, DType result, DType operand, bool vector) {
    (void)node, (void)operand;
    if (dtype_info[result].is_float)
        return vector ? "dlc_vmin(dlc_vmax($0, $1), $2)" : "dlc_minf(dlc_maxf($0, $1), $2)";
    if (vector) return NULL;
    return "dlc_min_$N(dlc_max_$N($0, $1), $2)";
}

DEFINE_OP(clip){
    .name = "clip",
    .doc = "min(max(x, lo), hi), element by element; NaN if any is; the gradient of x is 1 at the bounds too",
    .example = "clip(x: f32[2, 3], lo: f32[2, 3], hi: f32[2, 3])",
    .inputs = 3,
    .traits = OP_ELEMENTWISE | OP_EXACT,
    .infer = elementwise_number_infer,
    .eval = eval_clip,
    .grad = grad_clip,
    .text = text_clip,
    .flops = 2,
};
