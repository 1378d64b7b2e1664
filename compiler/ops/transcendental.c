// transcendental.c: erf sin cos pow, exp log log1p expm1 sqrt tanh sigmoid softplus, and relu, element by element, on
// floats.
//     softplus(x: f32[2, 3])    log(1 + exp(x)) without overflow, and its gradient is sigmoid(x)
// Most gradients are written in the result y, which the forward pass has at hand: d exp = y, d tanh = 1 - y*y.
#include <math.h>

#include "ops/rules.h"

// Defines grad_NAME of a function of x: DX is the gradient, in x, y and dy.
#define GRAD(NAME, DX)                                                                                                 \
    static Node *grad_##NAME(Graph *g, Node *y, Node *dy, int i) {                                                     \
        Node *x = y->in[i];                                                                                            \
        (void)x;                                                                                                       \
        return DX;                                                                                                     \
    }

// The fields that follow from a function's name.
#define FUNCTION(NAME) UNARY(NAME), .infer = elementwise_float_infer, .grad = grad_##NAME, .c_vec = "dlc_v" #NAME "($0)"

// `v op c` for a constant c, or `c op v`.
static Node *with_constant(Graph *g, const char *op, Node *v, double c) {
    return build_binary(g, op, v, build_full(g, &v->type, c));
}
static Node *constant_minus(Graph *g, double c, Node *v) {
    return build_binary(g, "sub", build_full(g, &v->type, c), v);
}

EVAL_FLOAT(erf, erf(x))

// dx = dy 2/sqrt(pi) exp(-x x)
static Node *grad_erf(Graph *g, Node *y, Node *dy, int i) {
    Node *x = y->in[i];
    Node *bell = build_unary(g, "exp", build_unary(g, "neg", build_binary(g, "mul", x, x)));
    return build_binary(g, "mul", dy, with_constant(g, "mul", bell, 1.1283791670955126));
}

DEFINE_OP(erf){
    FUNCTION(erf),
    .doc = "the error function, 2/sqrt(pi) times the integral of exp(-t*t) from 0 to x, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 2,
    .c = "erff($0)",
    .flops = 10,
};

EVAL_FLOAT(sin, sin(x))

GRAD(sin, build_binary(g, "mul", dy, build_unary(g, "cos", x)))

DEFINE_OP(sin){
    FUNCTION(sin),
    .doc = "the sine of x radians, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 2,
    .c = "sinf($0)",
    .flops = 10,
};

EVAL_FLOAT(cos, cos(x))

GRAD(cos, build_unary(g, "neg", build_binary(g, "mul", dy, build_unary(g, "sin", x))))

DEFINE_OP(cos){
    FUNCTION(cos),
    .doc = "the cosine of x radians, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 2,
    .c = "cosf($0)",
    .flops = 10,
};

EVAL_FLOAT(pow, pow(x, in[1]->f[k]))

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
    BINARY(pow),
    .doc = "a to the power of b, element by element; NaN for a negative a and a fraction b",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE | OP_JUMPS,
    .infer = elementwise_float_infer,
    .ulp = 2,
    .grad = grad_pow,
    .c = "powf($0, $1)",
    .c_vec = "dlc_vpow($0, $1)",
    .flops = 20,
};

EVAL_FLOAT(exp, exp(x))

GRAD(exp, build_binary(g, "mul", dy, y))

DEFINE_OP(exp){
    FUNCTION(exp),
    .doc = "e to the power of x, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 2,
    .c = "expf($0)",
    .flops = 8,
};

EVAL_FLOAT(log, log(x))

GRAD(log, build_binary(g, "div", dy, x))

DEFINE_OP(log){
    FUNCTION(log),
    .doc = "the natural logarithm, element by element; -inf for 0, NaN below 0",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE | OP_JUMPS,
    .ulp = 2,
    .c = "logf($0)",
    .flops = 8,
};

EVAL_FLOAT(log1p, log1p(x))

GRAD(log1p, build_binary(g, "div", dy, with_constant(g, "add", x, 1)))

DEFINE_OP(log1p){
    FUNCTION(log1p),
    .doc = "log(1 + x), exact for small x, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE | OP_JUMPS,
    .ulp = 3,
    .c = "log1pf($0)",
    .flops = 8,
};

EVAL_FLOAT(expm1, expm1(x))

// dx = dy exp(x): y + 1 has lost the digits of exp(x) where x is far below 0.
GRAD(expm1, build_binary(g, "mul", dy, build_unary(g, "exp", x)))

DEFINE_OP(expm1){
    FUNCTION(expm1),
    .doc = "exp(x) - 1, exact for small x, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 3,
    .c = "expm1f($0)",
    .flops = 8,
};

EVAL_FLOAT(sqrt, sqrt(x))

// dx = dy / (2 y)
GRAD(sqrt, build_binary(g, "div", with_constant(g, "mul", dy, 0.5), y))

DEFINE_OP(sqrt){
    FUNCTION(sqrt),
    .doc = "the square root, element by element; NaN for a negative number",
    .traits = OP_ELEMENTWISE | OP_JUMPS,
    .c = "sqrtf($0)",
    .flops = 1,
};

EVAL_FLOAT(tanh, tanh(x))

// dx = dy (1 - y y)
GRAD(tanh, build_binary(g, "mul", dy, constant_minus(g, 1, build_binary(g, "mul", y, y))))

DEFINE_OP(tanh){
    FUNCTION(tanh),
    .doc = "the hyperbolic tangent, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 3,
    .c = "tanhf($0)",
    .flops = 8,
};

// exp of a negative number only, so that nothing overflows.
static double sigmoid(double x) {
    if (x >= 0) return 1 / (1 + exp(-x));
    double e = exp(x);
    return e / (1 + e);
}

EVAL_FLOAT(sigmoid, sigmoid(x))

// dx = dy y (1 - y)
GRAD(sigmoid, build_binary(g, "mul", dy, build_binary(g, "mul", y, constant_minus(g, 1, y))))

DEFINE_OP(sigmoid){
    FUNCTION(sigmoid),
    .doc = "1 / (1 + exp(-x)), element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 4,
    .c = "dlc_sigmoidf($0)",
    .flops = 10,
};

// max(x, 0) + log1p(exp(-|x|)); the comparison is false for NaN, which the other branch hands on.
static double softplus(double x) { return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x)); }

EVAL_FLOAT(softplus, softplus(x))

GRAD(softplus, build_binary(g, "mul", dy, build_unary(g, "sigmoid", x)))

DEFINE_OP(softplus){
    FUNCTION(softplus),
    .doc = "log(1 + exp(x)) without overflow, element by element",
    .traits = OP_ELEMENTWISE | OP_EXPENSIVE,
    .ulp = 4,
    .c = "dlc_softplusf($0)",
    .flops = 16,
};

static double relu(double x) { return x < 0 ? 0 : x; } // NaN and -0 stay

EVAL_FLOAT(relu, relu(x))

// 0 at 0, dy for NaN. y <= 0 asks the same as x <= 0, so that x need not be kept for the backward pass.
static Node *grad_relu(Graph *g, Node *y, Node *dy, int i) {
    (void)i;
    Node *zero = build_full(g, &y->type, 0);
    return build_select(g, build_binary(g, "le", y, zero), zero, dy);
}

DEFINE_OP(relu){
    FUNCTION(relu),
    .doc = "x where it is above 0, else 0, element by element; NaN stays; the gradient at 0 is 0",
    .traits = OP_ELEMENTWISE | OP_EXACT,
    .c = "dlc_reluf($0)",
    .flops = 1,
};
