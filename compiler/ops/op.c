// op.c: what the records share: finding one by name, refusing inputs, the common shape rules, the choice of C text.
//     &op_tanh->infer(...)    true, or "tanh: needs a float tensor, got i32[3]; cast(x, f32) converts it"
// A shape rule reports through op_refuse and nothing else, so each message starts with the operator's name and stands
// at the user's place.
#include "ops/op.h"

#include <string.h>

#include "loops/lower.h"
#include "ops/rules.h"

const Op *op_find(const char *name) {
    for (int k = 0; ops[k]; k++)
        if (strcmp(ops[k]->name, name) == 0) return ops[k];
    return NULL;
}

bool op_refuse(Infer *infer, const char *fmt, ...) {
    Graph *g = infer->g;
    va_list args;
    va_start(args, fmt);
    const char *message = arena_vprintf(g->arena, fmt, args);
    va_end(args);
    diag_error(g->module->diag, g->span_now, "%s: %s", infer->op->name, message);
    return false;
}

bool op_infer(Infer *infer) {
    const Graph *g = infer->g;
    for (int k = 0; k < infer->nin; k++) {
        int loop = infer->in[k]->loop;
        if (graph_loop_within(g, loop, infer->loop))
            infer->loop = loop;
        else if (!graph_loop_within(g, infer->loop, loop))
            return op_refuse(infer, "its inputs are of two loops, none of which stands in the other");
    }
    return infer->op->infer(infer);
}

const char *op_shown(Infer *infer, const Type *type) {
    return type_text(infer->g->arena, type, infer->g->module->sizes);
}

// ---- shape rules --------------------------------------------------------------------------------------------------

// All of in[from...] have one type.
static bool inputs_agree(Infer *infer, int from) {
    const Type *first = &infer->in[from]->type;
    for (int k = from + 1; k < infer->nin; k++) {
        const Type *other = &infer->in[k]->type;
        if (!shape_equal(first, other))
            return op_refuse(infer, "shapes differ: %s and %s", op_shown(infer, first), op_shown(infer, other));
        if (!op_check_dtypes(infer, first, other)) return false;
    }
    return true;
}

bool op_check_dtypes(Infer *infer, const Type *a, const Type *b) {
    if (a->dtype == b->dtype) return true;
    return op_refuse(infer, "dtypes differ: %s and %s; cast(x, %s) converts the second", op_shown(infer, a),
                     op_shown(infer, b), dtype_info[a->dtype].name);
}

bool op_check_numbers(Infer *infer, const Type *type) {
    if (type->dtype != BOOL) return true;
    return op_refuse(infer, "needs numbers, got %s; cast(x, f32) or cast(x, i32) converts it", op_shown(infer, type));
}

bool op_check_axis(Infer *infer, int64_t axis, const Type *type) {
    if (axis >= 0 && axis < type->rank) return true;
    return op_refuse(infer, "axis %lld is not an axis of %s", (long long)axis, op_shown(infer, type));
}

bool elementwise_infer(Infer *infer) {
    if (!inputs_agree(infer, 0)) return false;
    infer->type = infer->in[0]->type;
    return true;
}

bool elementwise_float_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type;
    if (!dtype_info[x->dtype].is_float)
        return op_refuse(infer, "needs a float tensor, got %s; cast(x, f32) converts it", op_shown(infer, x));
    return elementwise_infer(infer);
}

bool elementwise_number_infer(Infer *infer) {
    return elementwise_infer(infer) && op_check_numbers(infer, &infer->type);
}

bool comparison_infer(Infer *infer) {
    if (!elementwise_infer(infer)) return false;
    infer->type.dtype = BOOL;
    return true;
}

bool op_check_shape(Infer *infer, const Type *type) {
    if (type->rank < 0 || type->rank > MAX_RANK)
        return op_refuse(infer, "a tensor has at most %d axes, got %d", MAX_RANK, type->rank);
    for (int d = 0; d < type->rank; d++)
        if (type->dim[d].extent < 1)
            return op_refuse(infer, "axis %d of %s is empty; every axis has at least one element", d,
                             op_shown(infer, type));
    int64_t count;
    if (type_count_checked(type, &count)) return true;
    return op_refuse(infer, "%s has too many elements; a tensor has fewer than 2147483648", op_shown(infer, type));
}

bool op_shape_of_attr(Infer *infer, const Attr *shape, DType dtype) {
    if (shape->n > MAX_RANK)
        return op_refuse(infer, "a tensor has at most %d axes, got a shape of %d", MAX_RANK, shape->n);
    infer->type = (Type){.dtype = dtype, .rank = shape->n};
    for (int d = 0; d < shape->n; d++) infer->type.dim[d] = shape->dims[d];
    return op_check_shape(infer, &infer->type);
}

int64_t elements_after(const Tensor *t, int axis) {
    int64_t count = 1;
    for (int d = axis + 1; d < t->rank; d++) count *= t->shape[d];
    return count;
}

Attr attr_shape(const Type *type) { return (Attr){.n = type->rank, .dims = type->dim}; }

// ---- lowering -----------------------------------------------------------------------------------------------------

const char *op_c_text(const Op *op, const Node *node, DType result, DType operand, bool vector) {
    if (op->text) return op->text(node, result, operand, vector);
    if (dtype_info[operand].is_float) return vector ? op->c_vec : op->c;
    return vector ? op->c_vec_int : op->c_int;
}

Expr *op_index_value(LowerContext *ctx, DType dtype, const Index *index) {
    Expr *value = NEW(ctx->arena, Expr);
    value->kind = EXPR_INDEX_VALUE;
    value->dtype = dtype;
    value->index = index;
    value->lanes = ctx->lane_var && index_uses(index, ctx->lane_var) ? ctx->lanes : 1;
    return value;
}
