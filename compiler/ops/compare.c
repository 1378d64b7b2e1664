// compare.c: eq ne lt le gt ge, and or not: what gives bool.
//     lt(a: f32[2, 3], b: f32[2, 3])    bool[2, 3]
// A comparison with NaN is false, except ne. In vectors of floats a bool is a mask, all ones for true.
#include "ops/rules.h"

#define COMPARE(NAME, OPERATOR)                                                                                        \
    static void eval_##NAME(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {            \
        (void)node, (void)sizes;                                                                                       \
        for (int64_t k = 0; k < out->count; k++)                                                                       \
            out->i[k] = in[0]->f ? in[0]->f[k] OPERATOR in[1]->f[k] : in[0]->i[k] OPERATOR in[1]->i[k];                \
    }

#define NO_GRADIENT "its result is a bool, which does not vary smoothly"

// ---- equal or not -------------------------------------------------------------------------------------------------

COMPARE(eq, ==)
COMPARE(ne, !=)

// Any byte that is not 0 is true, so bools are compared as what they mean. Masks in vectors are all ones or none.
static const char *text_eq(const Node *node, DType result, DType operand, bool vector) {
    (void)node, (void)result;
    return operand == BOOL && !vector ? "($0 != 0) == ($1 != 0)" : "$0 == $1";
}

static const char *text_ne(const Node *node, DType result, DType operand, bool vector) {
    (void)node, (void)result;
    return operand == BOOL && !vector ? "($0 != 0) != ($1 != 0)" : "$0 != $1";
}

DEFINE_OP(eq){
    BINARY(eq),
    .doc = "whether a and b are equal, element by element",
    .traits = OP_ELEMENTWISE | OP_COMMUTES | OP_EXACT | OP_JUMPS,
    .infer = comparison_infer,
    .no_grad = NO_GRADIENT,
    .text = text_eq,
    .flops = 1,
};

DEFINE_OP(ne){
    BINARY(ne),
    .doc = "whether a and b differ, element by element; true for NaN",
    .traits = OP_ELEMENTWISE | OP_COMMUTES | OP_EXACT | OP_JUMPS,
    .infer = comparison_infer,
    .no_grad = NO_GRADIENT,
    .text = text_ne,
    .flops = 1,
};

// ---- order --------------------------------------------------------------------------------------------------------

COMPARE(lt, <)
COMPARE(le, <=)
COMPARE(gt, >)
COMPARE(ge, >=)

static bool order_infer(Infer *infer) { return elementwise_number_infer(infer) && comparison_infer(infer); }

// The record of an operator whose C is one sign, for all kinds of numbers.
#define ORDER(NAME, SIGN)                                                                                              \
    BINARY(NAME), .traits = OP_ELEMENTWISE | OP_EXACT | OP_JUMPS, .infer = order_infer, .no_grad = NO_GRADIENT,        \
                  .c = "$0 " SIGN " $1", .c_int = "$0 " SIGN " $1", .c_vec = "$0 " SIGN " $1",                         \
                  .c_vec_int = "$0 " SIGN " $1", .flops = 1

DEFINE_OP(lt){ORDER(lt, "<"), .doc = "whether a is less than b, element by element"};
DEFINE_OP(le){ORDER(le, "<="), .doc = "whether a is less than or equal to b, element by element"};
DEFINE_OP(gt){ORDER(gt, ">"), .doc = "whether a is greater than b, element by element"};
DEFINE_OP(ge){ORDER(ge, ">="), .doc = "whether a is greater than or equal to b, element by element"};

// ---- logic --------------------------------------------------------------------------------------------------------

static bool logic_infer(Infer *infer) {
    for (int k = 0; k < infer->nin; k++)
        if (infer->in[k]->type.dtype != BOOL)
            return op_refuse(infer, "needs bool, got %s; a comparison such as x != 0 makes one",
                             op_shown(infer, &infer->in[k]->type));
    return elementwise_infer(infer);
}

COMPARE(and, &&)
COMPARE(or, ||)

static void eval_not(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    for (int64_t k = 0; k < out->count; k++) out->i[k] = !in[0]->i[k];
}

DEFINE_OP(and){
    .name = "and",
    .doc = "whether both are true, element by element",
    .example = "a: bool[2, 3] and b: bool[2, 3]",
    .inputs = 2,
    .traits = OP_ELEMENTWISE | OP_COMMUTES | OP_EXACT,
    .infer = logic_infer,
    .eval = eval_and,
    .no_grad = NO_GRADIENT,
    .c_int = "dlc_and($0, $1)",
    .c_vec_int = "$0 & $1",
    .flops = 1,
};

DEFINE_OP(or){
    .name = "or",
    .doc = "whether either is true, element by element",
    .example = "a: bool[2, 3] or b: bool[2, 3]",
    .inputs = 2,
    .traits = OP_ELEMENTWISE | OP_COMMUTES | OP_EXACT,
    .infer = logic_infer,
    .eval = eval_or,
    .no_grad = NO_GRADIENT,
    .c_int = "dlc_or($0, $1)",
    .c_vec_int = "$0 | $1",
    .flops = 1,
};

// To clang-format `not` is an operator of C++.
// clang-format off
DEFINE_OP(not) {
    .name = "not",
    .doc = "true becomes false and false true, element by element",
    .example = "not x: bool[2, 3]",
    .inputs = 1,
    .traits = OP_ELEMENTWISE | OP_EXACT,
    .infer = logic_infer,
    .eval = eval_not,
    .no_grad = NO_GRADIENT,
    .c_int = "!$0",
    .c_vec_int = "~$0",
    .flops = 1,
};
// clang-format on
