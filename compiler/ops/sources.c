// sources.c: constant, size and iota: values that come from nothing but the index.
//     %0 = constant {dtype=f32, value=0.5, int=0} : f32[]
//     %1 = size {dim=[N]} : i64[]                             the run-time size's value in this call
//     %2 = iota {shape=[N, 10], axis=1, dtype=i32}            0 1 2 ... 9 in each row
#include "loops/lower.h"
#include "ops/rules.h"

#define NO_GRADIENT "it depends on nothing"

static bool constant_infer(Infer *infer) {
    infer->type = type_scalar((DType)infer->attr[0].i);
    return true;
}

static void eval_constant(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)in, (void)sizes;
    if (out->f)
        out->f[0] = node->attr[1].f;
    else
        out->i[0] = int_wrap(node->type.dtype, (uint64_t)node->attr[2].i);
}

// Integers go past double, which would round them above 2^53.
static Expr *lower_constant(LowerContext *ctx, const Node *node, Index *const *out) {
    (void)out;
    DType dtype = node->type.dtype;
    if (dtype_info[dtype].is_float) return expr_const(ctx->arena, dtype, node->attr[1].f);
    Expr *value = expr_const(ctx->arena, dtype, 0);
    value->i = int_wrap(dtype, (uint64_t)node->attr[2].i);
    return value;
}

DEFINE_OP(constant){
    .name = "constant",
    .doc = "one number that is known at compile time",
    .example = "full([2, 3], 0.5)",
    .attrs = {{"dtype", ATTR_DTYPE, "of the number", NULL},
              {"value", ATTR_FLOAT, "the number, for float dtypes", NULL},
              {"int", ATTR_INT, "the number, for integers and bool", NULL}},
    .traits = OP_SOURCE,
    .infer = constant_infer,
    .eval = eval_constant,
    .no_grad = NO_GRADIENT,
    .lower = lower_constant,
};

static bool size_infer(Infer *infer) {
    const Attr *dim = &infer->attr[0];
    bool bare = dim->n == 1 && dim->dims[0].size && dim->dims[0].times == 1 && !dim->dims[0].plus;
    if (!bare) return op_refuse(infer, "needs one run-time size, alone");
    infer->type = type_scalar(I64);
    return true;
}

static void eval_size(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)in;
    out->i[0] = dim_actual(node->attr[0].dims[0], sizes);
}

static Expr *lower_size(LowerContext *ctx, const Node *node, Index *const *out) {
    (void)out;
    return op_index_value(ctx, I64, index_size(ctx->arena, node->attr[0].dims[0]));
}

DEFINE_OP(size){
    .name = "size",
    .doc = "the value of a run-time size in this call",
    .example = "cast(shape(x: f32[N, 3], 0), f32)",
    .attrs = {{"dim", ATTR_DIMS, "the run-time size, one dim", NULL}},
    .traits = OP_SOURCE,
    .infer = size_infer,
    .eval = eval_size,
    .no_grad = NO_GRADIENT,
    .lower = lower_size,
};

static bool iota_infer(Infer *infer) {
    DType dtype = (DType)infer->attr[2].i;
    if (dtype == BOOL) return op_refuse(infer, "gives numbers, so its dtype cannot be bool");
    if (!op_shape_of_attr(infer, &infer->attr[0], dtype)) return false;
    return op_check_axis(infer, infer->attr[1].i, &infer->type);
}

static void eval_iota(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)in, (void)sizes;
    int axis = (int)node->attr[1].i;
    int64_t inner = elements_after(out, axis), extent = out->shape[axis];
    for (int64_t k = 0; k < out->count; k++) {
        int64_t index = k / inner % extent;
        if (out->f)
            out->f[k] = (double)index;
        else
            out->i[k] = int_wrap(node->type.dtype, (uint64_t)index);
    }
}

static Expr *lower_iota(LowerContext *ctx, const Node *node, Index *const *out) {
    return op_index_value(ctx, node->type.dtype, out[node->attr[1].i]);
}

static Node *reorder_iota(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    (void)in, (void)from;
    Type type = order_type(&old->type, order);
    return build_iota(to, &type, order_place(order, (int)old->attr[1].i));
}

DEFINE_OP(iota){
    .name = "iota",
    .doc = "the index along one axis",
    .example = "iota([2, 3], axis=1, dtype=i32)",
    .attrs = {{"shape", ATTR_DIMS, "of the result", NULL},
              {"axis", ATTR_INT, "along which the numbers count", NULL},
              {"dtype", ATTR_DTYPE, "of the result", NULL}},
    .traits = OP_SOURCE,
    .infer = iota_infer,
    .eval = eval_iota,
    .no_grad = NO_GRADIENT,
    .lower = lower_iota,
    .reorder = reorder_iota,
};
