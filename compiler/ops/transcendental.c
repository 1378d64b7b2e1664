// transcendental.c: exp log log1p expm1 sqrt tanh sigmoid softplus relu, element by element, on floats.
//     softplus(x: f32[2, 3])    log(1 + exp(x)) without overflow, and its gradient is sigmoid(x)
// Most gradients are written in the result y, which the forward pass has at hand: d exp = y, d tanh = 1 - y*y.
#include <math.h>

#include "ops/rules.h"

static void apply(double (*f)(double), const Tensor *x, Tensor *out) {
    for (int64_t k = 0; k < out->count; k++) out->f[k] = f(x->f[k]);
}

// `v op c` for a constant c, or `c op v`.
static Node *with_constant(Graph *g, const char *op, Node *v, double c) {
    return build_binary(g, op, v, build_full(g, &v->type, c));
}
static Node *constant_minus(Graph *g, double c, Node *v) {
    return build_binary(g, "sub", build_full(g, &v->type, c), v);
}

static void eval_exp(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(exp, in[0], out);
}

static Node *grad_exp(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return build_binary(g, "mul", dy, y);
}

DEFINE_OP(exp){
    .name = "exp",
    .doc = "e to the power of x, element by element",
    .example = "exp(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_exp,
    .ulp = 2,
    .grad = grad_exp,
    .c = "expf($0)",
    .c_vec = "dlc_vexp($0)",
    .flops = 8,
};

static void eval_log(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(log, in[0], out);
}

static Node *grad_log(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return build_binary(g, "div", dy, y->in[0]);
}

DEFINE_OP(log){
    .name = "log",
    .doc = "the natural logarithm, element by element; -inf for 0, NaN below 0",
    .example = "log(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE | OP_JUMPS,
    .infer = elementwise_float_infer,
    .eval = eval_log,
    .ulp = 2,
    .grad = grad_log,
    .c = "logf($0)",
    .c_vec = "dlc_vlog($0)",
    .flops = 8,
};

static void eval_log1p(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(log1p, in[0], out);
}

static Node *grad_log1p(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return build_binary(g, "div", dy, with_constant(g, "add", y->in[0], 1));
}

DEFINE_OP(log1p){
    .name = "log1p",
    .doc = "log(1 + x), exact for small x, element by element",
    .example = "log1p(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE | OP_JUMPS,
    .infer = elementwise_float_infer,
    .eval = eval_log1p,
    .ulp = 3,
    .grad = grad_log1p,
    .c = "log1pf($0)",
    .c_vec = "dlc_vlog1p($0)",
    .flops = 8,
};

static void eval_expm1(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(expm1, in[0], out);
}

// dx = dy exp(x): y + 1 has lost the digits of exp(x) where x is far below 0.
static Node *grad_expm1(Graph *g, Node *y, Node *dy, int i) {
    return build_binary(g, "mul", dy, build_unary(g, "exp", y->in[i]));
}

DEFINE_OP(expm1){
    .name = "expm1",
    .doc = "exp(x) - 1, exact for small x, element by element",
    .example = "expm1(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_expm1,
    .ulp = 3,
    .grad = grad_expm1,
    .c = "expm1f($0)",
    .c_vec = "dlc_vexpm1($0)",
    .flops = 8,
};

static void eval_sqrt(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(sqrt, in[0], out);
}

// dx = dy / (2 y)
static Node *grad_sqrt(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return build_binary(g, "div", with_constant(g, "mul", dy, 0.5), y);
}

DEFINE_OP(sqrt){
    .name = "sqrt",
    .doc = "the square root, element by element; NaN for a negative number",
    .example = "sqrt(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_JUMPS,
    .infer = elementwise_float_infer,
    .eval = eval_sqrt,
    .grad = grad_sqrt,
    .c = "sqrtf($0)",
    .c_vec = "dlc_vsqrt($0)",
    .flops = 1,
};

static void eval_tanh(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(tanh, in[0], out);
}

// dx = dy (1 - y y)
static Node *grad_tanh(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return build_binary(g, "mul", dy, constant_minus(g, 1, build_binary(g, "mul", y, y)));
}

DEFINE_OP(tanh){
    .name = "tanh",
    .doc = "the hyperbolic tangent, element by element",
    .example = "tanh(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_tanh,
    .ulp = 3,
    .grad = grad_tanh,
    .c = "tanhf($0)",
    .c_vec = "dlc_vtanh($0)",
    .flops = 8,
};

// exp of a negative number only, so that nothing overflows.
static double sigmoid(double x) {
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}

static void eval_sigmoid(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(sigmoid, in[0], out);
}

// dx = dy y (1 - y)
static Node *grad_sigmoid(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return build_binary(g, "mul", dy, build_binary(g, "mul", y, constant_minus(g, 1, y)));
}

DEFINE_OP(sigmoid){
    .name = "sigmoid",
    .doc = "1 / (1 + exp(-x)), element by element",
    .example = "sigmoid(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_sigmoid,
    .ulp = 4,
    .grad = grad_sigmoid,
    .c = "dlc_sigmoidf($0)",
    .c_vec = "dlc_vsigmoid($0)",
    .flops = 10,
};

// max(x, 0) + log1p(exp(-|x|)); the comparison is false for NaN, which the other branch hands on.
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

static void eval_softplus(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(softplus, in[0], out);
}

static Node *grad_softplus(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    return build_binary(g, "mul", dy, build_unary(g, "sigmoid", y->in[0]));
}

DEFINE_OP(softplus){
    .name = "softplus",
    .doc = "log(1 + exp(x)) without overflow, element by element",
    .example = "softplus(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .infer = elementwise_float_infer,
    .eval = eval_softplus,
    .ulp = 4,
    .grad = grad_softplus,
    .c = "dlc_softplusf($0)",
    .c_vec = "dlc_vsoftplus($0)",
    .flops = 16,
};

static double relu(double x) { return x < 0 ? 0 : x; } // NaN and -0 stay

static void eval_relu(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    apply(relu, in[0], out);
}

// 0 at 0, dy for NaN. y <= 0 asks the same as x <= 0, so that x need not be kept for the backward pass.
static Node *grad_relu(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    Node *zero = build_full(g, &y->type, 0);
    return build_select(g, build_binary(g, "le", y, zero), zero, dy);
}

DEFINE_OP(relu){
    .name = "relu",
    .doc = "x where it is above 0, else 0, element by element; NaN stays; the gradient at 0 is 0",
    .example = "relu(x: f32[2, 3])",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXACT,
    .infer = elementwise_float_infer,
    .eval = eval_relu,
    .grad = grad_relu,
    .c = "dlc_reluf($0)",
    .c_vec = "dlc_vrelu($0)",
    .flops = 1,
};
