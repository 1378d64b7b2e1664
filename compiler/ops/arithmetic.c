// arithmetic.c: add sub mul div neg max min, element by element, on floats and integers.
//     add(a: f32[2, 3], b: f32[2, 3])    both inputs of one type: broadcasting is a node of its own
// Floats follow IEEE 754, but max and min hand NaN on. Integers wrap; their division floors, and by zero gives 0.
#include <math.h>

#include "ops/rules.h"
#include "support/ints.h"

EVAL_BINARY(add, a + b, (uint64_t)a + (uint64_t)b)

static Node *grad_add(Graph *g, Node *y, Node *dy, int i) {
    (void)g, (void)y, (void)i;
    return dy;
}

DEFINE_OP(add){
    BINARY(add),
    .doc = "a + b, element by element",
    .traits = OP_ELEMENTWISE | OP_COMMUTES,
    .infer = elementwise_number_infer,
    .grad = grad_add,
    .c = "$0 + $1",
    .c_int = "($T)(($U)$0 + ($U)$1)",
    .c_vec = "$0 + $1",
    .c_vec_int = "(dlc_vi)((dlc_vu)$0 + (dlc_vu)$1)",
    .flops = 1,
};

EVAL_BINARY(sub, a - b, (uint64_t)a - (uint64_t)b)

static Node *grad_sub(Graph *g, Node *y, Node *dy, int i) {
    (void)y;
    return i == 0 ? dy : build_unary(g, "neg", dy);
}

DEFINE_OP(sub){
    BINARY(sub),
    .doc = "a - b, element by element",
    .traits = OP_ELEMENTWISE,
    .infer = elementwise_number_infer,
    .grad = grad_sub,
    .c = "$0 - $1",
    .c_int = "($T)(($U)$0 - ($U)$1)",
    .c_vec = "$0 - $1",
    .c_vec_int = "(dlc_vi)((dlc_vu)$0 - (dlc_vu)$1)",
    .flops = 1,
};

EVAL_BINARY(mul, (a * b), ((uint64_t)a * (uint64_t)b))

static Node *grad_mul(Graph *g, Node *y, Node *dy, int i) { return build_binary(g, "mul", dy, y->in[1 - i]); }

DEFINE_OP(mul){
    BINARY(mul),
    .doc = "a * b, element by element",
    .traits = OP_ELEMENTWISE | OP_COMMUTES,
    .infer = elementwise_number_infer,
    .grad = grad_mul,
    .c = "$0 * $1",
    .c_int = "($T)(($U)$0 * ($U)$1)",
    .c_vec = "$0 * $1",
    .c_vec_int = "(dlc_vi)((dlc_vu)$0 * (dlc_vu)$1)",
    .flops = 1,
};

// The smallest integer by -1 wraps to itself, as the negation through unsigned does.
static int64_t quotient(int64_t a, int64_t b) {
    if (b == 0) return 0;
    return b == -1 ? (int64_t)(0 - (uint64_t)a) : floor_div(a, b);
}

EVAL_BINARY(div, a / b, quotient(a, b))

// da = dy / b, db = -dy * y / b
static Node *grad_div(Graph *g, Node *y, Node *dy, int i) {
    Node *b = y->in[1];
    if (i == 0) return build_binary(g, "div", dy, b);
    return build_unary(g, "neg", build_binary(g, "div", build_binary(g, "mul", dy, y), b));
}

static const char *text_div(const Node *node, DType result, DType operand, bool vector) {
    (void)node, (void)operand;
    if (dtype_info[result].is_float) return "$0 / $1";
    if (vector) return NULL;
    return result == I64 ? "dlc_div_i64($0, $1)" : "($T)dlc_div_i32($0, $1)";
}

DEFINE_OP(div){
    BINARY(div),
    .doc = "a / b, element by element; integers: rounded down, and 0 when b is 0",
    .traits = OP_ELEMENTWISE,
    .infer = elementwise_number_infer,
    .grad = grad_div,
    .text = text_div,
    .flops = 1,
};

EVAL_UNARY(neg, -x, 0 - (uint64_t)x)

static Node *grad_neg(Graph *g, Node *y, Node *dy, int i) {
    (void)y, (void)i;
    return build_unary(g, "neg", dy);
}

DEFINE_OP(neg){
    UNARY(neg),
    .doc = "-x, element by element",
    .traits = OP_ELEMENTWISE | OP_EXACT,
    .infer = elementwise_number_infer,
    .grad = grad_neg,
    .c = "-$0",
    .c_int = "($T)(0 - ($U)$0)",
    .c_vec = "-$0",
    .c_vec_int = "(dlc_vi)(0 - (dlc_vu)$0)",
    .flops = 1,
};

// ---- max and min --------------------------------------------------------------------------------------------------

// If either is NaN, so is the result.
EVAL_BINARY(max, isnan(a) || isnan(b) ? NAN : a > b ? a : b, a > b ? a : b)
EVAL_BINARY(min, isnan(a) || isnan(b) ? NAN : a < b ? a : b, a < b ? a : b)

// The winner takes dy; a tie is split evenly. Where either is NaN, none loses: both take dy.
static Node *grad_of_winner(Graph *g, Node *y, Node *dy, int i, const char *loses) {
    Node *mine = y->in[i], *other = y->in[1 - i];
    Node *zero = build_full(g, &y->type, 0);
    Node *half = build_binary(g, "mul", dy, build_full(g, &y->type, 0.5));
    Node *kept = build_select(g, build_binary(g, "eq", mine, other), half, dy);
    return build_select(g, build_binary(g, loses, mine, other), zero, kept);
}

static Node *grad_max(Graph *g, Node *y, Node *dy, int i) { return grad_of_winner(g, y, dy, i, "lt"); }
static Node *grad_min(Graph *g, Node *y, Node *dy, int i) { return grad_of_winner(g, y, dy, i, "gt"); }

DEFINE_OP(max){
    BINARY(max),
    .doc = "the larger of a and b, element by element; NaN if either is; a tie splits the gradient evenly",
    .traits = OP_ELEMENTWISE | OP_COMMUTES | OP_EXACT,
    .infer = elementwise_number_infer,
    .grad = grad_max,
    .c = "dlc_maxf($0, $1)",
    .c_int = "dlc_max_$N($0, $1)",
    .c_vec = "dlc_vmax($0, $1)",
    .flops = 1,
};

DEFINE_OP(min){
    BINARY(min),
    .doc = "the smaller of a and b, element by element; NaN if either is; a tie splits the gradient evenly",
    .traits = OP_ELEMENTWISE | OP_COMMUTES | OP_EXACT,
    .infer = elementwise_number_infer,
    .grad = grad_min,
    .c = "dlc_minf($0, $1)",
    .c_int = "dlc_min_$N($0, $1)",
    .c_vec = "dlc_vmin($0, $1)",
    .flops = 1,
};
