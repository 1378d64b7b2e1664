// select_cast.c: select and cast.
//     select(c: bool[2, 3], a: f32[2, 3], b: f32[2, 3])    a where c, else b
//     cast(x: f32[3], i32)                                 1.9 -> 1, 1e20 -> 2147483647, NaN -> 0
// Float to integer rounds towards zero and saturates; integer to integer wraps; to bool is "not equal to 0".
#include "ops/rules.h"

static bool select_infer(Infer *infer) {
    const Type *cond = &infer->in[0]->type, *a = &infer->in[1]->type, *b = &infer->in[2]->type;
    if (cond->dtype != BOOL)
        return op_refuse(infer, "the condition must be bool, got %s; a comparison such as x > 0 makes one",
                         op_shown(infer, cond));
    if (!shape_equal(cond, a) || !shape_equal(a, b))
        return op_refuse(infer, "shapes differ: %s, %s and %s", op_shown(infer, cond), op_shown(infer, a),
                         op_shown(infer, b));
    infer->type = *a;
    return op_check_dtypes(infer, a, b);
}

static void eval_select(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    for (int64_t k = 0; k < out->count; k++) tensor_copy(out, k, in[0]->i[k] ? in[1] : in[2], k);
}

static Node *grad_select(Graph *g, Node *y, Node *dy, int i) {
    if (i == 0) return NULL;
    Node *zero = build_full(g, &y->type, 0);
    return build_select(g, y->in[0], i == 1 ? dy : zero, i == 1 ? zero : dy);
}

DEFINE_OP(select){
    .name = "select",
    .doc = "a where the condition is true, else b, element by element",
    .example = "select(c: bool[2, 3], a: f32[2, 3], b: f32[2, 3])",
    .inputs = 3,
    .traits = OP_ELEMENTWISE | OP_EXACT,
    .infer = select_infer,
    .eval = eval_select,
    .grad = grad_select,
    .c = "dlc_select$F($0, $1, $2)",
    .c_int = "dlc_select_$N($0, $1, $2)",
    .c_vec = "dlc_vselect($0, $1, $2)",
    .c_vec_int = "(($0 & $1) | (~$0 & $2))",
    .flops = 1,
};

// ---- cast ---------------------------------------------------------------------------------------------------------

static bool cast_infer(Infer *infer) {
    infer->type = type_with_dtype(infer->in[0]->type, (DType)infer->attr[0].i);
    return true;
}

static void eval_cast(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    const Tensor *x = in[0];
    DType to = out->dtype;
    for (int64_t k = 0; k < out->count; k++) {
        if (out->f)
            out->f[k] = x->f ? x->f[k] : x->dtype == BOOL ? x->i[k] != 0 : (double)x->i[k];
        else if (x->f)
            out->i[k] = to == BOOL ? x->f[k] != 0 : int_saturate(to, x->f[k]);
        else
            out->i[k] = int_wrap(to, x->dtype == BOOL ? x->i[k] != 0 : (uint64_t)x->i[k]);
    }
}

// For an integer x this hands dy on only so that autodiff tells the user that integers have no gradient.
static Node *grad_cast(Graph *g, Node *y, Node *dy, int i) {
    DType from = y->in[i]->type.dtype;
    return dtype_info[from].is_float ? build_cast(g, dy, from) : dy;
}

static const char *text_cast(const Node *node, DType result, DType operand, bool vector) {
    (void)node;
    static const char *const saturating[DTYPES] = {
        [I8] = "dlc_cast_i8($0)", [U8] = "dlc_cast_u8($0)", [I32] = "dlc_cast_i32($0)", [I64] = "dlc_cast_i64($0)"};
    bool from_float = dtype_info[operand].is_float;
    if (vector) {
        if (result == BOOL) return from_float ? "$0 != 0.0f" : operand == BOOL ? "$0" : "$0 != 0";
        if (result == F32 && operand == BOOL) return "dlc_vselect($0, dlc_vsplat(1.0f), dlc_vsplat(0.0f))";
        if (result == F32) return operand == I32 ? "dlc_vcast_f($0)" : NULL;
        return result == I32 && operand == BOOL ? "$0 & 1" : NULL;
    }
    if (result == BOOL) return from_float ? "$0 != 0.0f" : "$0 != 0";
    if (operand == BOOL) return "($T)($0 != 0)";
    return from_float && dtype_info[result].is_int ? saturating[result] : "($T)$0";
}

DEFINE_OP(cast){
    .name = "cast",
    .doc = "another dtype: float to integer rounds towards zero and saturates, NaN gives 0; integers wrap",
    .example = "cast(x: i32[2, 3], f32)",
    .inputs = 1,
    .attrs = {{"dtype", ATTR_DTYPE, "of the result", NULL}},
    .traits = OP_ELEMENTWISE | OP_JUMPS,
    .infer = cast_infer,
    .eval = eval_cast,
    .grad = grad_cast,
    .text = text_cast,
    .flops = 1,
};
