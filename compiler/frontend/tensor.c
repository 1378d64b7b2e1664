// tensor.c: operators over tensors. Numbers take the dtype of the tensor they meet, shapes broadcast as numpy's do.
//     x: f32[N, 10], b: f32[10]
//     x * 2 + b    ->    %2 = mul %0, broadcast(constant 2)
//                        %4 = add %2, broadcast(%1)
// Two dtypes never mix by themselves: the message proposes cast.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/elaborator.h"

// ---- numbers that meet tensors --------------------------------------------------------------------------------------

// Whether a compile-time integer is a value of the dtype.
static bool int_fits(int64_t i, DType dtype) {
    switch (dtype) {
    case I8:
        return i >= INT8_MIN && i <= INT8_MAX;
    case U8:
        return i >= 0 && i <= UINT8_MAX;
    case I32:
        return i >= INT32_MIN && i <= INT32_MAX;
    default:
        return true;
    }
}

// A constant of the dtype. Refuses numbers that it cannot hold: fractions for integers, out of range, any for bool.
static Node *number_node(Elab *el, Value v, DType dtype, Span span) {
    const DTypeInfo *info = &dtype_info[dtype];
    if (info->is_float) {
        // Through float, an integer of more than 53 bits is rounded once.
        bool wide = v.kind == VALUE_INT && dtype == F32;
        return build_constant(el->g, dtype, wide ? (double)(float)v.i : number_of(v));
    }
    if (!info->is_int) {
        refuse(el, span, "the number %s meets a bool tensor; compare, or cast(x, f32)", value_text(el, v));
        return NULL;
    }
    if (v.kind == VALUE_FLOAT && (v.f != floor(v.f) || fabs(v.f) >= 0x1p63)) {
        refuse(el, span, "the fraction %s meets a tensor of %s; cast(x, f32) makes it a float tensor",
               value_text(el, v), info->name);
        return NULL;
    }
    int64_t i = v.kind == VALUE_FLOAT ? (int64_t)v.f : v.i;
    if (!int_fits(i, dtype)) {
        refuse(el, span, "%" PRId64 " does not fit %s", i, info->name);
        return NULL;
    }
    return build_constant_int(el->g, dtype, i);
}

Node *to_node(Elab *el, Value v, DType dtype, Span span) {
    if (is_poison(v)) return NULL;
    place_nodes(el, span);
    if (is_tensor(v)) {
        if (v.node->type.dtype == dtype) return v.node;
        refuse(el, span, "a tensor of %s is needed, got %s; cast(x, %s) converts", dtype_info[dtype].name,
               value_text(el, v), dtype_info[dtype].name);
        return NULL;
    }
    if (is_number(v)) return number_node(el, v, dtype, span);
    if (v.kind == VALUE_SIZE) return build_cast(el->g, build_size(el->g, v.size), dtype);
    if (v.kind == VALUE_COUNT) return build_cast(el->g, v.node, dtype);
    if (v.kind == VALUE_BOOL && dtype == BOOL) return build_constant_int(el->g, BOOL, v.i);
    refuse(el, span, "a tensor of %s is needed, got %s", dtype_info[dtype].name, value_text(el, v));
    return NULL;
}

// ---- where an extent comes from ------------------------------------------------------------------------------------

// The axis of input `i` that an axis of the node follows unchanged, or -1.
static int follow_axis(const Node *node, int i, int axis) {
    const Node *in = node->in[i];
    if (node->op->traits & OP_ELEMENTWISE) return axis;
    if (node_is(node, detach) || node_is(node, carry) || node_is(node, last)) return axis;
    if (node_is(node, element)) return axis + 1;
    if (node_is(node, stack)) return axis - 1; // -1: that of the steps
    if (node_is(node, transpose)) return (int)node_attr(node, "perm")->ints[axis];
    if (node_is(node, broadcast)) {
        const Attr *axes = node_attr(node, "axes");
        for (int k = 0; k < axes->n; k++)
            if (axes->ints[k] == axis && in->type.dim[k].extent == node->type.dim[axis].extent) return k;
        return -1;
    }
    if (!node_is(node, contract) && !node_is(node, reduce)) return -1;
    const Iter *iter = node_attr(node, "iter")->iter;
    for (int a = 0; a < iter->nout; a++) {
        if (!iter->map[0].dim[axis].coef[a]) continue;
        const Map *map = &iter->map[i + 1];
        for (int d = 0; d < map->rank; d++)
            if (map->dim[d].coef[a] == 1 && in->type.dim[d].extent == node->type.dim[axis].extent) return d;
    }
    return -1;
}

// Follows the axis back through the nodes that leave it unchanged, to the node that made it.
void note_axis(Elab *el, const Node *node, int axis) {
    const char *extent = value_text(el, value_dim(node->type.dim[axis]));
    for (bool moved = true; moved;) {
        moved = false;
        for (int i = 0; i < node->nin && !moved; i++) {
            int from = follow_axis(node, i, axis);
            if (from < 0) continue;
            // This extent of a contraction comes from its weights: naming the layer helps more than naming them.
            if (node_is(node, contract) && i == 1 && node->origin) break;
            node = node->in[i];
            axis = from;
            moved = true;
        }
    }
    if (!node->span.source) return;
    if (node_is(node, argument))
        diag_note(el->diag, node->span, "%s comes from the argument %s: %s", extent, node_attr(node, "name")->s,
                  type_name(el, &node->type));
    else if (node_is(node, storage)) {
        const Storage *storage = module_find_storage(el->module, node_attr(node, "name")->s);
        diag_note(el->diag, storage->span, "%s comes from the parameter %s: %s", extent, storage->name,
                  type_name(el, &node->type));
    } else if (node->nin)
        diag_note(el->diag, node->span, "%s comes from %s of %s", extent, node->origin ? node->origin : node->op->name,
                  type_name(el, &node->in[0]->type));
}

// Says how to convert a tensor to the wanted dtype, and where an unexpected i64 comes from.
void note_dtype(Elab *el, const Node *node, DType wanted) {
    diag_note(el->diag, (Span){0}, "cast(x, %s) converts", dtype_info[wanted].name);
    while (node->op->traits & OP_MOVEMENT) node = node->in[0];
    bool sums = node_is(node, reduce) && node_reduces(node) == REDUCE_SUM;
    sums |= node_is(node, cumsum) || (node->origin && !strcmp(node->origin, "prod"));
    if (node->type.dtype == I64 && sums)
        diag_note(el->diag, node->span,
                  "sums, products and cumulative sums of integers and bools are i64, as this one");
}

// `scan ... from h = 0` carries an i64. Where a float meets it, says to begin with one; else false.
bool note_carried(Elab *el, const Node *node, DType wanted) {
    const char *name = NULL;
    while (node->op->traits & OP_MOVEMENT || node_is(node, carry)) {
        if (node_is(node, carry) && !node->type.rank) name = node->name;
        node = node->in[0];
    }
    if (!name || !node_is(node, constant) || !dtype_info[node->type.dtype].is_int || !dtype_info[wanted].is_float)
        return false;
    long long begin = (long long)node_attr(node, "int")->i;
    diag_note(el->diag, (Span){0}, "`%s` is carried as %s because it begins with %lld; begin with %lld.0", name,
              dtype_info[node->type.dtype].name, begin, begin);
    return true;
}

// ---- element-wise --------------------------------------------------------------------------------------------------

// The dtype that the numbers among args take: that of the first tensor. False: mixed, reported.
static bool common_dtype(Elab *el, const char *label, const Value *args, int n, Span span, DType *dtype) {
    const Node *first = NULL;
    for (int k = 0; k < n; k++) {
        if (!is_tensor(args[k])) continue;
        if (!first) first = args[k].node;
        if (args[k].node->type.dtype == first->type.dtype) continue;
        DType a = first->type.dtype, b = args[k].node->type.dtype;
        DType to = dtype_info[a].is_float ? a : dtype_info[b].is_float ? b : F32, wider = a;
        if (dtype_info[b].bytes > dtype_info[a].bytes) wider = b;
        if (dtype_info[a].is_int && dtype_info[b].is_int) to = wider;
        refuse(el, span, "%s: dtypes differ: %s and %s; cast(x, %s) converts one", label, type_name(el, &first->type),
               value_text(el, args[k]), dtype_info[to].name);
        note_carried(el, first, b);
        note_carried(el, args[k].node, a);
        return false;
    }
    *dtype = first ? first->type.dtype : F32;
    return true;
}

// Notes for the first pair of axes, from the last on, that does not fit.
static void note_broadcast(Elab *el, const Node *a, const Node *b) {
    for (int k = 1; k <= a->type.rank && k <= b->type.rank; k++) {
        Dim da = a->type.dim[a->type.rank - k], db = b->type.dim[b->type.rank - k];
        bool fit = dim_equal(da, db) || (da.extent == 1 && !da.size) || (db.extent == 1 && !db.size);
        if (fit) continue;
        note_axis(el, a, a->type.rank - k);
        note_axis(el, b, b->type.rank - k);
        return;
    }
}

// Broadcasts all nodes to their common shape. False: reported.
static bool broadcast_all(Elab *el, const char *label, Node **node, int n, Span span) {
    Type shape = node[0]->type;
    for (int k = 1; k < n; k++) {
        Type both;
        if (!shape_broadcast(&shape, &node[k]->type, &both)) {
            refuse(el, span, "%s: shapes do not broadcast: %s and %s", label, type_name(el, &shape),
                   type_name(el, &node[k]->type));
            note_broadcast(el, node[k - 1], node[k]);
            return false;
        }
        shape = both;
    }
    if (!type_check_size(el, &shape, span)) return false;
    for (int k = 0; k < n; k++) {
        Type to = type_with_dtype(shape, node[k]->type.dtype);
        if (!shape_equal(&node[k]->type, &to)) node[k] = build_broadcast_numpy(el->g, node[k], &to);
        if (!node[k]) return false;
    }
    return true;
}

// select's condition is bool whatever the others are.
Value tensor_elementwise(Elab *el, const char *op, const char *label, const Value *args, int n, Span span) {
    DType dtype;
    Node *node[3];
    bool is_select = !strcmp(op, "select");
    if (!common_dtype(el, label, args + is_select, n - is_select, span, &dtype)) return value_poison();
    for (int k = 0; k < n; k++) {
        node[k] = to_node(el, args[k], is_select && k == 0 ? BOOL : dtype, span);
        for (int i = 0; i < n && !node[k] && args[k].kind == VALUE_FLOAT; i++) // a fraction beside an integer
            if (is_tensor(args[i])) note_carried(el, args[i].node, F32);
        if (!node[k]) return value_poison();
    }
    place_nodes(el, span);
    if (!broadcast_all(el, label, node, n, span)) return value_poison();
    return value_tensor(graph_op(el->g, op_find(op), node, n, NULL));
}

// ---- operators of the language -------------------------------------------------------------------------------------

// The batch axes broadcast; the builder checks them.
static Value matmul(Elab *el, Value a, Value b, Span span) {
    if (!is_tensor(a) || !is_tensor(b))
        return refuse(el, span, "`@` needs two tensors, got %s and %s", value_text(el, a), value_text(el, b));
    const Type *ta = &a.node->type, *tb = &b.node->type;
    if (ta->rank < 2 || tb->rank < 2)
        return refuse(el, span, "matmul: both sides need at least two axes: %s @ %s", value_text(el, a),
                      value_text(el, b));
    if (ta->dtype != tb->dtype)
        return refuse(el, span, "matmul: dtypes differ: %s @ %s; cast(x, %s) converts one", value_text(el, a),
                      value_text(el, b), dtype_info[dtype_info[ta->dtype].is_float ? ta->dtype : tb->dtype].name);
    if (!dim_equal(ta->dim[ta->rank - 1], tb->dim[tb->rank - 2])) {
        refuse(el, span, "matmul: inner dimensions differ: %s @ %s", value_text(el, a), value_text(el, b));
        note_axis(el, a.node, ta->rank - 1);
        note_axis(el, b.node, tb->rank - 2);
        return value_poison();
    }
    place_nodes(el, span);
    return value_tensor(build_matmul(el->g, a.node, b.node));
}

// x ** n by squaring, n >= 1. Poison: reported.
static Value power_by_squaring(Elab *el, Value x, int n, Span span) {
    Value result = value_none(), square = x;
    for (; n && !is_poison(square); n >>= 1) {
        if (n & 1)
            result = result.kind == VALUE_NONE
                         ? square
                         : tensor_elementwise(el, "mul", "**", (Value[]){result, square}, 2, span);
        if (n > 1) square = tensor_elementwise(el, "mul", "**", (Value[]){square, square}, 2, span);
    }
    return is_poison(square) ? square : result;
}

// Whole exponents up to 64 become products, 0.5 and -0.5 roots, all others pow. A negative exponent becomes a power of
// 1 / x: 1 / x**2 would have the gradient infinity times 0 at 0, and x**2 may overflow.
static Value tensor_power(Elab *el, Value a, Value b, Span span) {
    if (!is_number(b)) return tensor_elementwise(el, "pow", "**", (Value[]){a, b}, 2, span);
    double exponent = number_of(b);
    bool whole = exponent == floor(exponent) && fabs(exponent) <= 64;
    if (fabs(exponent) == 0.5) {
        Value root = tensor_elementwise(el, "sqrt", "**", &a, 1, span);
        return exponent > 0 || is_poison(root) ? root : tensor_binary(el, "/", value_int(1), root, span);
    }
    if (!whole) return tensor_elementwise(el, "pow", "**", (Value[]){a, b}, 2, span);
    if (exponent == 0) {
        place_nodes(el, span);
        return value_tensor(build_full(el->g, &a.node->type, 1));
    }
    if (exponent < 0) a = tensor_binary(el, "/", value_int(1), a, span);
    return is_poison(a) ? a : power_by_squaring(el, a, (int)fabs(exponent), span);
}

static DType dtype_of(Value a, Value b) { return is_tensor(a) ? a.node->type.dtype : b.node->type.dtype; }

// `/` is for floats, `//` and `%` for integers.
static Value tensor_divide(Elab *el, const char *op, Value a, Value b, Span span) {
    bool is_float = dtype_info[dtype_of(a, b)].is_float;
    if (!strcmp(op, "/")) {
        if (!is_float)
            return refuse(el, span, "`/` of integer tensors (%s / %s): `//` floors, cast(x, f32) gives a fraction",
                          value_text(el, a), value_text(el, b));
        return tensor_elementwise(el, "div", "/", (Value[]){a, b}, 2, span);
    }
    if (is_float) return refuse(el, span, "`%s` of float tensors is not supported yet", op);
    Value quotient = tensor_elementwise(el, "div", op, (Value[]){a, b}, 2, span);
    if (!strcmp(op, "//") || is_poison(quotient)) return quotient;
    Value product = tensor_elementwise(el, "mul", op, (Value[]){quotient, b}, 2, span);
    return is_poison(product) ? product : tensor_elementwise(el, "sub", op, (Value[]){a, product}, 2, span);
}

// An integer or bool tensor compared with itself, such as `x != x` to find NaN. The result is known, and C compilers
// warn about the comparison.
static bool compares_itself(const char *op, Value a, Value b) {
    bool same = is_tensor(a) && is_tensor(b) && a.node == b.node && !dtype_info[a.node->type.dtype].is_float;
    return same && strchr("=!<>", op[0]);
}

Value tensor_binary(Elab *el, const char *op, Value a, Value b, Span span) {
    static const struct {
        const char *symbol, *op;
    } table[] = {
        {"+", "add"}, {"-", "sub"}, {"*", "mul"}, {"==", "eq"},   {"!=", "ne"}, {"<", "lt"},
        {"<=", "le"}, {">", "gt"},  {">=", "ge"}, {"and", "and"}, {"or", "or"},
    };
    for (int k = 0; k < 2; k++) {
        Value v = k ? b : a;
        if (is_poison(v)) return v;
        if (is_tensor(v) || is_number(v) || is_runtime(v) || v.kind == VALUE_BOOL) continue;
        return refuse(el, span, "`%s` is not defined for %s and %s", op, value_kind_text(a), value_kind_text(b));
    }
    if (!strcmp(op, "@")) return matmul(el, a, b, span);
    if (!strcmp(op, "**")) return tensor_power(el, a, b, span);
    bool logic = !strcmp(op, "and") || !strcmp(op, "or");
    for (int k = 0; k < 2 && logic; k++) {
        Value v = k ? b : a;
        if (is_tensor(v) && v.node->type.dtype != BOOL)
            return refuse(el, span, "`%s` needs bool, got %s; a comparison such as x != 0 makes one", op,
                          value_text(el, v));
    }
    if (op[0] == '/' || op[0] == '%') return tensor_divide(el, op, a, b, span);
    if (compares_itself(op, a, b)) {
        Type type = type_with_dtype(a.node->type, BOOL);
        place_nodes(el, span);
        return value_tensor(build_full(el->g, &type, op[0] != '!' && op[1] == '='));
    }
    for (size_t k = 0; k < sizeof table / sizeof *table; k++)
        if (!strcmp(op, table[k].symbol)) return tensor_elementwise(el, table[k].op, op, (Value[]){a, b}, 2, span);
    return refuse(el, span, "`%s` is not defined for tensors", op);
}

Value tensor_unary(Elab *el, const char *op, Value a, Span span) {
    bool is_not = !strcmp(op, "not");
    if (is_not && a.node->type.dtype != BOOL)
        return refuse(el, span, "`not` needs a bool tensor, got %s", value_text(el, a));
    return tensor_elementwise(el, is_not ? "not" : "neg", op, &a, 1, span);
}
