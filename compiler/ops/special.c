// special.c: erf, sin, cos and pow, element by element, on floats.
//     pow(a: f32[2, 3], b: f32[2, 3])    as C's pow: of a negative number to a fraction NaN
#include <math.h>

#include "ops/rules.h"

static Node *scaled(Graph *g, Node *v, double c) { return build_binary(g, "mul", v, build_full(g, &v->type, c)); }

static void apply(double (*f)(double), const Tensor *x, Tensor *out) {
    for (int64_t k = 0; k < out->count; k++) out->f[k] = f(x->f[k]);
}

static void eval_erf(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(erf, in[0], out);
}

// dx = dy 2/sqrt(pi) exp(-x x)
static Node *grad_erf(Graph *g, Node *y, Node *dy, int i) {
    Node *x = y->in[i];
    Node *bell = build_unary(g, "exp", build_unary(g, "neg", build_binary(g, "mul", x, x)));
    return build_binary(g, "mul", dy, scaled(g, bell, 1.1283791670955126));
}

DEFINE_OP(erf){
    .name = "erf",
    .doc = "the error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x, element by element",
    .example = "erf(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_erf,
    .ulp = 2,
    .grad = grad_erf,
    .c = "erff($0)",
    .c_vec = "dlc_verf($0)",
    .flops = 10,
};

static void eval_sin(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(sin, in[0], out);
}

static Node *grad_sin(Graph *g, Node *y, Node *dy, int i) {
    return build_binary(g, "mul", dy, build_unary(g, "cos", y->in[i]));
}

DEFINE_OP(sin){
    .name = "sin",
    .doc = "the sine of x radians, element by element",
    .example = "sin(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_sin,
    .ulp = 2,
    .grad = grad_sin,
    .c = "sinf($0)",
    .c_vec = "dlc_vsin($0)",
    .flops = 10,
};

static void eval_cos(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(cos, in[0], out);
}

static Node *grad_cos(Graph *g, Node *y, Node *dy, int i) {
    return build_unary(g, "neg", build_binary(g, "mul", dy, build_unary(g, "sin", y->in[i])));
}

DEFINE_OP(cos){
    .name = "cos",
    .doc = "the cosine of x radians, element by element",
    .example = "cos(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_cos,
    .ulp = 2,
    .grad = grad_cos,
    .c = "cosf($0)",
    .c_vec = "dlc_vcos($0)",
    .flops = 10,
};

static void eval_pow(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    for (int64_t k = 0; k < out->count; k++) out->f[k] = pow(in[0]->f[k], in[1]->f[k]);
}

// da = dy b pow(a, b - 1), and 0 for b = 0, where pow(0, -1) would make it NaN.
// db = dy y log(a), and 0 for a = 0, where y is constant beside b > 0.
static Node *grad_pow(Graph *g, Node *y, Node *dy, int i) {
    Node *a = y->in[0], *b = y->in[1], *zero = build_full(g, &y->type, 0), *one = build_full(g, &y->type, 1);
    if (i == 0) {
        Node *slope = build_binary(g, "mul", b, build_binary(g, "pow", a, build_binary(g, "sub", b, one)));
        Node *da = build_binary(g, "mul", dy, slope);
        return build_select(g, build_binary(g, "eq", b, zero), zero, da);
    }
    Node *flat = build_binary(g, "ge", b, zero);
    flat = build_binary(g, "and", build_binary(g, "eq", a, zero), flat);
    Node *slope = build_binary(g, "mul", y, build_unary(g, "log", build_select(g, flat, one, a)));
    return build_select(g, flat, zero, build_binary(g, "mul", dy, slope));
}

DEFINE_OP(pow){
    .name = "pow",
    .doc = "a to the power of b, element by element; NaN for a negative a and a fraction b",
    .example = "pow(a: f32[2, 3], b: f32[2, 3])",
    .inputs = 2,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE | OP_JUMPS,
    .infer = elementwise_float_infer,
    .eval = eval_pow,
    .ulp = 2,
    .grad = grad_pow,
    .c = "powf($0, $1)",
    .c_vec = "dlc_vpow($0, $1)",
    .flops = 20,
};
