// builtin.c: functions that are not written in the language itself: one table of functions, and the element-wise
// operators, each called by the name of its record.
//     exp(x)    max(a, b)    sum(x, axis=1, keepdim=true)    cast(x, f32)    reshape(x, [B, -1])    shape(x, 0)
// Element-wise functions of compile-time numbers are computed at once, in double.
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/builtin.h"

typedef struct Builtin {
    const char *name;
    const char *params[MAX_PARAMS];
    int required;
    Value (*run)(Elab *el, const Call *call);
} Builtin;

// ---- arguments -----------------------------------------------------------------------------------------------------

Node *tensor_arg(Elab *el, const Call *call, int k) {
    if (is_tensor(call->arg[k])) return call->arg[k].node;
    refuse(el, call->at[k], "%s needs a tensor, got %s", call->name, value_text(el, call->arg[k]));
    return NULL;
}

// Reads an axis; a negative one counts from the end. False: reported.
static bool axis_value(Elab *el, const char *name, Value v, int rank, Span span, int *axis) {
    int64_t i;
    if (!value_to_int(el, v, "an axis", span, &i)) return false;
    if (i < -rank || i >= rank) {
        // A call inside the prelude is not what the user wrote, so the message does not name it.
        const char *who = span.source && span.source->prelude ? "" : arena_printf(el->arena, "%s: ", name);
        if (!rank) return deny(el, span, "%saxis %" PRId64 " of a scalar, which has no axes", who, i);
        return deny(el, span,
                    "%saxis %" PRId64 " is outside a tensor of %d ax%cs: they are 0 to %d, or -%d to -1 from the end",
                    who, i, rank, rank == 1 ? 'i' : 'e', rank - 1, rank);
    }
    *axis = (int)(i < 0 ? i + rank : i);
    return true;
}

bool axis_arg(Elab *el, const Call *call, int k, int rank, int *axis) {
    bool left_out = k >= call->required && call->arg[k].kind == VALUE_NONE;
    Value v = left_out ? value_int(0) : call->arg[k];
    return axis_value(el, call->name, v, rank, call->at[k], axis);
}

bool axes_arg(Elab *el, const Call *call, int k, int rank, unsigned *axes) {
    Value v = call->arg[k];
    *axes = 0;
    int n = v.kind == VALUE_LIST ? v.list->len : 1;
    if (v.kind == VALUE_NONE) {
        *axes = (1u << rank) - 1;
        return true;
    }
    if (!n) return deny(el, call->at[k], "%s: the list of axes is empty; without axis= all are meant", call->name);
    for (int i = 0; i < n; i++) {
        int axis;
        Value item = v.kind == VALUE_LIST ? v.list->at[i] : v;
        if (!axis_value(el, call->name, item, rank, call->at[k], &axis)) return false;
        if (*axes >> axis & 1) return deny(el, call->at[k], "%s: axis %d is given twice", call->name, axis);
        *axes |= 1u << axis;
    }
    return true;
}

bool flag_arg(Elab *el, const Call *call, int k, bool *flag) {
    Value v = call->arg[k];
    *flag = v.kind == VALUE_BOOL && v.i;
    if (v.kind == VALUE_BOOL || v.kind == VALUE_NONE) return true;
    return deny(el, call->at[k], "%s: true or false is needed, got %s", call->name, value_text(el, v));
}

// Reads a dtype such as f32 or T; it is `otherwise` when not given.
static bool dtype_arg(Elab *el, const Call *call, int k, DType otherwise, DType *dtype) {
    Value v = call->arg[k];
    *dtype = v.kind == VALUE_DTYPE ? v.dtype : otherwise;
    if (v.kind != VALUE_DTYPE && v.kind != VALUE_NONE)
        refuse(el, call->at[k], "%s: a dtype like f32 is needed, got %s", call->name, value_text(el, v));
    else if (!dtype_info[*dtype].supported)
        refuse(el, call->at[k], "%s is not supported yet; use f32, i32, i64, u8 or bool", dtype_info[*dtype].name);
    else
        return true;
    return false;
}

// ---- compile time --------------------------------------------------------------------------------------------------

static Value run_shape(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    int axis;
    if (!x) return value_poison();
    if (call->arg[1].kind != VALUE_NONE)
        return axis_arg(el, call, 1, x->type.rank, &axis) ? value_dim(x->type.dim[axis]) : value_poison();
    Value list = value_list(el);
    for (int k = 0; k < x->type.rank; k++) list_push(el, &list, value_dim(x->type.dim[k]));
    return list;
}

static Value run_rank(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    return x ? value_int(x->type.rank) : value_poison();
}

static bool list_arg(Elab *el, const Call *call) {
    if (call->arg[0].kind == VALUE_LIST) return true;
    return deny(el, call->at[0], "%s needs a list, got %s", call->name, value_text(el, call->arg[0]));
}

static Value run_len(Elab *el, const Call *call) {
    return list_arg(el, call) ? value_int(call->arg[0].list->len) : value_poison();
}

static Value run_is_list(Elab *el, const Call *call) {
    (void)el;
    return value_bool(call->arg[0].kind == VALUE_LIST);
}

// The product of a list of dims. It is a run-time number when one of the dims is.
static Value run_product(Elab *el, const Call *call) {
    if (!list_arg(el, call)) return value_poison();
    Value product = value_int(1);
    for (int runtime = 0; runtime < 2; runtime++) // known dims first, so that less is computed at run time
        for (int k = 0; k < call->arg[0].list->len; k++) {
            Value item = call->arg[0].list->at[k];
            if (is_runtime(item) == runtime) product = value_binary(el, "*", product, item, call->span);
        }
    return product;
}

// ---- movement ------------------------------------------------------------------------------------------------------

static Value run_cast(Elab *el, const Call *call) {
    DType dtype;
    if (!dtype_arg(el, call, 1, F32, &dtype)) return value_poison();
    if (!is_tensor(call->arg[0])) return value_tensor(to_node(el, call->arg[0], dtype, call->span));
    return value_tensor(build_cast(el->g, call->arg[0].node, dtype));
}

static Value run_detach(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    return x ? value_tensor(build_unary(el->g, "detach", x)) : value_poison();
}

// The number of elements as text for messages: "2 * N * 784".
static const char *count_text(Elab *el, const Type *type) {
    const char *names[MAX_SIZES];
    for (int k = 0; k < el->module->nsizes; k++) names[k] = el->module->sizes[k].name;
    Str s = str_new(el->arena);
    type_count_print(&s, type, names);
    return str_text(&s);
}

static Value reshape_checked(Elab *el, Node *x, const Type *to, Span span) {
    ShapeRun runs[MAX_RANK];
    Factors left = type_factors(&x->type), right = type_factors(to);
    if (!factors_divide(&left, &right) || left.nsized || left.fixed != 1)
        return refuse(el, span, "reshape: %s has %s elements, and %s has %s", type_name(el, &x->type),
                      count_text(el, &x->type), type_name(el, to), count_text(el, to));
    if (shape_runs(&x->type, to, runs) < 0)
        return refuse(el, span,
                      "reshape: %s to %s would need an axis of the product of two run-time sizes; an axis is c * N + d "
                      "of one, so what is merged or split together holds one of them",
                      type_name(el, &x->type), type_name(el, to));
    place_nodes(el, span);
    return value_tensor(build_reshape(el->g, x, to));
}

// The extent of the axis given as -1: the elements of x divided by the product of the other axes. False: reported.
static bool rest_of(Elab *el, const Call *call, const Node *x, const Type *given, Value dims, Value *rest) {
    Factors left = type_factors(&x->type), by = type_factors(given);
    Dim dim = dim_fixed(1);
    if (!factors_divide(&left, &by))
        return deny(el, call->at[1], "reshape: %s cannot become %s: %s is no multiple of %s", type_name(el, &x->type),
                    value_text(el, dims), count_text(el, &x->type), count_text(el, given));
    if (left.nsized > 1) {
        return deny(
            el, call->at[1],
            "reshape: %s cannot become %s: -1 would be a product of run-time sizes; an axis is c * N + d of one",
            type_name(el, &x->type), value_text(el, dims));
    }
    if (left.nsized) dim = left.sized[0];
    if (!dim_make(dim, left.fixed * dim.times, left.nsized ? left.fixed * dim.plus : left.fixed, &dim)) return false;
    *rest = value_dim(dim);
    return true;
}

// Replaces a -1 among the dims by the extent that keeps the number of elements of x.
static bool infer_dim(Elab *el, const Call *call, const Node *x, Value dims, Value *filled) {
    int hole = -1;
    Type given = type_scalar(x->type.dtype);
    int64_t count;
    *filled = value_list(el);
    for (int k = 0; k < dims.list->len; k++) {
        Value v = dims.list->at[k];
        list_push(el, filled, v);
        if (v.kind == VALUE_INT && v.i == -1) {
            if (hole >= 0) return deny(el, call->at[1], "reshape: at most one axis can be -1");
            hole = k;
            continue;
        }
        bool usable = (v.kind == VALUE_INT && v.i >= 1 && v.i <= INT32_MAX) || v.kind == VALUE_SIZE;
        if (!usable || given.rank == MAX_RANK) return true; // refused as a dimension later
        given.dim[given.rank++] = v.kind == VALUE_SIZE ? v.size : dim_fixed((int32_t)v.i);
        if (!type_count_checked(&given, &count) || given.dim[given.rank - 1].extent < 1) return true;
    }
    return hole < 0 || rest_of(el, call, x, &given, dims, &filled->list->at[hole]);
}

static Value run_reshape(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Value dims = call->arg[1], filled = dims;
    Type type;
    if (!x || (dims.kind == VALUE_LIST && !infer_dim(el, call, x, dims, &filled))) return value_poison();
    if (!dims_from_list(el, filled, x->type.dtype, call->at[1], &type)) return value_poison();
    return reshape_checked(el, x, &type, call->span);
}

// Swaps two axes, like torch.transpose.
static Value run_transpose(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    int a, b, perm[MAX_RANK];
    if (!x || !axis_arg(el, call, 1, x->type.rank, &a) || !axis_arg(el, call, 2, x->type.rank, &b))
        return value_poison();
    for (int k = 0; k < x->type.rank; k++) perm[k] = k == a ? b : k == b ? a : k;
    return value_tensor(build_transpose(el->g, x, perm));
}

// Puts all axes in a new order, like torch.permute.
static Value run_permute(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Value axes = call->arg[1];
    int perm[MAX_RANK];
    unsigned seen = 0;
    if (!x) return value_poison();
    if (axes.kind != VALUE_LIST || axes.list->len != x->type.rank)
        return refuse(el, call->at[1], "permute needs a list of all %d axes, got %s", x->type.rank,
                      value_text(el, axes));
    for (int k = 0; k < x->type.rank; k++) {
        if (!axis_value(el, call->name, axes.list->at[k], x->type.rank, call->at[1], &perm[k])) return value_poison();
        seen |= 1u << perm[k];
    }
    if (seen != (1u << x->type.rank) - 1)
        return refuse(el, call->at[1], "permute needs every axis once, got %s", value_text(el, axes));
    return value_tensor(build_transpose(el->g, x, perm));
}

static Value run_broadcast(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Type type, both;
    if (!x || !dims_from_list(el, call->arg[1], x->type.dtype, call->at[1], &type)) return value_poison();
    if (!shape_broadcast(&x->type, &type, &both) || !shape_equal(&both, &type))
        return refuse(el, call->span, "broadcast: %s does not fit %s", type_name(el, &x->type), type_name(el, &type));
    return value_tensor(shape_equal(&x->type, &type) ? x : build_broadcast_numpy(el->g, x, &type));
}

// ---- reductions ----------------------------------------------------------------------------------------------------

Node *widened(Elab *el, Node *x) { return x && !dtype_info[x->type.dtype].is_float ? build_cast(el->g, x, I64) : x; }

// keepdim puts axes of 1 where the reduced ones were.
static Value reduce(Elab *el, const Call *call, ReduceKind kind, int axis_arg) {
    Node *x = tensor_arg(el, call, 0);
    unsigned axes;
    bool keep;
    if (!x || !axes_arg(el, call, axis_arg, x->type.rank, &axes) || !flag_arg(el, call, axis_arg + 1, &keep))
        return value_poison();
    if (kind == REDUCE_SUM) x = widened(el, x);
    if (!axes) return value_tensor(x);
    Node *y = build_reduce(el->g, kind, x, axes, TIES_EVEN); // gradients of ties are split, as by torch.amax
    if (!y || !keep) return value_tensor(y);
    Type type = type_with_dtype(x->type, y->type.dtype);
    for (int k = 0; k < type.rank; k++)
        if (axes >> k & 1) type.dim[k] = dim_fixed(1);
    return value_tensor(build_reshape(el->g, y, &type));
}

static Value run_sum(Elab *el, const Call *call) { return reduce(el, call, REDUCE_SUM, 1); }

// In PyTorch max(x, 1) is a maximum over axis 1, so an integer literal that could be an axis gets a warning. 1.0,
// other=1 and a name are meant as numbers, and so is 0, because max(x, 0) is a relu.
static void warn_of_axis(Elab *el, const Call *call) {
    const Node *x = call->arg[0].node;
    int64_t i = call->arg[1].i;
    Span at = call->at[1];
    if (!at.source || at.source->prelude || call->keyword[1] || i == 0 || i < -x->type.rank || i >= x->type.rank)
        return;
    if (!strchr("-0123456789", at.source->text[at.start])) return;
    const char *larger = strcmp(call->name, "max") ? "smaller" : "larger";
    warn_once(el, call->span,
              "%s(x, %" PRId64 ") takes the %s of x and %" PRId64 ", element by element; axis=%" PRId64
              " takes it over that axis, and %" PRId64 ".0 or other=%" PRId64 " says that the number is meant",
              call->name, i, larger, i, i, i, i);
}

// max(a, b) element by element, max(x, axis=1) over axes.
static Value run_extreme(Elab *el, const Call *call) {
    Value a = call->arg[0], b = call->arg[1];
    bool max = !strcmp(call->name, "max");
    if (b.kind == VALUE_NONE) return reduce(el, call, max ? REDUCE_MAX : REDUCE_MIN, 2);
    if (is_tensor(a) && b.kind == VALUE_INT) warn_of_axis(el, call);
    if (is_tensor(a) || is_tensor(b)) return tensor_elementwise(el, call->name, call->name, call->arg, 2, call->span);
    Value less = value_binary(el, "<", a, b, call->span);
    if (is_poison(less)) return less;
    return (less.i != 0) == max ? b : a;
}

// ---- sources and the rest ------------------------------------------------------------------------------------------

static Value run_iota(Elab *el, const Call *call) {
    Type type;
    DType dtype;
    int axis = 0;
    if (!dtype_arg(el, call, 2, I64, &dtype) || !dims_from_list(el, call->arg[0], dtype, call->at[0], &type))
        return value_poison();
    if (!axis_arg(el, call, 1, type.rank, &axis)) return value_poison();
    return value_tensor(build_iota(el->g, &type, axis));
}

static Value run_full(Elab *el, const Call *call) {
    Type type;
    DType dtype;
    if (!dtype_arg(el, call, 2, F32, &dtype) || !dims_from_list(el, call->arg[0], dtype, call->at[0], &type))
        return value_poison();
    Node *value = to_node(el, call->arg[1], dtype, call->at[1]);
    if (value && value->type.rank)
        return refuse(el, call->at[1], "full needs a number, got %s", value_text(el, call->arg[1]));
    return value_tensor(value ? build_broadcast_numpy(el->g, value, &type) : NULL);
}

// integer(2.9) is 2: drops the fraction of a compile-time number.
static Value run_integer(Elab *el, const Call *call) {
    Value v = call->arg[0];
    if (v.kind == VALUE_INT) return v;
    if (v.kind != VALUE_FLOAT || !(fabs(v.f) < 0x1p62))
        return refuse(el, call->at[0], "integer needs a compile-time number, got %s", value_text(el, v));
    return value_int((int64_t)v.f);
}

// known(lr): the value of a number, or of a constant scalar, which an `f32[]` parameter makes of a number; else none.
static Value run_known(Elab *el, const Call *call) {
    Value v = call->arg[0];
    double number;
    if (is_number(v)) return v;
    if (!is_tensor(v) || v.node->type.rank || !node_constant(v.node, &number)) return value_none();
    if (!dtype_info[v.node->type.dtype].is_float) return value_int((int64_t)number);
    double shortest = strtod(arena_printf(el->arena, "%.7g", number), NULL); // 0.1, not 0.100000001
    return value_float((float)shortest == (float)number ? shortest : number);
}

// With a compile-time condition the choice is made here, without a node.
static Value run_select(Elab *el, const Call *call) {
    if (call->arg[0].kind == VALUE_BOOL) return call->arg[0].i ? call->arg[1] : call->arg[2];
    for (int k = 1; k < 3; k++)
        if (is_tensor(call->arg[k])) return tensor_elementwise(el, "select", "select", call->arg, 3, call->span);
    // Both values are numbers: the result is f32, with the shape of the condition.
    Value v[3] = {call->arg[0], value_tensor(to_node(el, call->arg[1], F32, call->at[1])), call->arg[2]};
    return is_poison(v[1]) ? v[1] : tensor_elementwise(el, "select", "select", v, 3, call->span);
}

static Value call_op(Elab *el, const Op *op, const Args *args, Span span);

static Value call_op_by_name(Elab *el, const Call *call, const char *op, int n) {
    Args args = {0};
    for (int k = 0; k < n; k++) vec_push(el->arena, &args, (Arg){.span = call->at[k], .value = call->arg[k]});
    return call_op(el, op_find(op), &args, call->span);
}

// A bound that clips nothing: the largest value of x's dtype if `above`, else the smallest.
static Value no_bound(Value x, bool above) {
    DType dtype = is_tensor(x) ? x.node->type.dtype : F32;
    if (dtype_info[dtype].is_float) return value_float(above ? INFINITY : -INFINITY);
    if (dtype == U8) return value_int(above ? UINT8_MAX : 0);
    if (dtype == I32) return value_int(above ? INT32_MAX : INT32_MIN);
    return value_int(above ? INT64_MAX : INT64_MIN);
}

// clip(x, min, max), as torch.clamp: either bound may be left out.
static Value run_clip(Elab *el, const Call *call) {
    Call filled = *call;
    if (call->arg[1].kind == VALUE_NONE && call->arg[2].kind == VALUE_NONE)
        return refuse(el, call->span, "%s needs min, max or both", call->name);
    for (int k = 1; k < 3; k++)
        if (call->arg[k].kind == VALUE_NONE) filled.arg[k] = no_bound(call->arg[0], k == 2);
    return call_op_by_name(el, &filled, "clip", 3);
}

// With an exponent that is known at compile time, pow(x, 2) is as cheap as x ** 2.
static Value run_pow(Elab *el, const Call *call) {
    if (is_tensor(call->arg[0]) && is_number(call->arg[1]))
        return tensor_binary(el, "**", call->arg[0], call->arg[1], call->span);
    return call_op_by_name(el, call, "pow", 2);
}

static Value run_matmul(Elab *el, const Call *call) {
    return tensor_binary(el, "@", call->arg[0], call->arg[1], call->span);
}

static const Builtin builtins[] = {
    {"shape", {"x", "axis"}, 1, run_shape},
    {"rank", {"x"}, 1, run_rank},
    {"len", {"list"}, 1, run_len},
    {"is_list", {"x"}, 1, run_is_list},
    {"product", {"list"}, 1, run_product},
    {"cast", {"x", "dtype"}, 2, run_cast},
    {"integer", {"number"}, 1, run_integer},
    {"known", {"x"}, 1, run_known},
    {"detach", {"x"}, 1, run_detach},
    {"grad", {"loss", "x"}, 2, run_grad},
    {"reshape", {"x", "shape"}, 2, run_reshape},
    {"transpose", {"x", "axis0", "axis1"}, 3, run_transpose},
    {"permute", {"x", "axes"}, 2, run_permute},
    {"broadcast", {"x", "shape"}, 2, run_broadcast},
    {"sum", {"x", "axis", "keepdim"}, 1, run_sum},
    {"max", {"x", "other", "axis", "keepdim"}, 1, run_extreme},
    {"min", {"x", "other", "axis", "keepdim"}, 1, run_extreme},
    {"iota", {"shape", "axis", "dtype"}, 1, run_iota},
    {"full", {"shape", "value", "dtype"}, 2, run_full},
    {"random", {"distribution", "shape"}, 2, run_random},
    {"select", {"cond", "a", "b"}, 3, run_select},
    {"where", {"cond", "a", "b"}, 3, run_select},
    {"matmul", {"a", "b"}, 2, run_matmul},
    {"pow", {"a", "b"}, 2, run_pow},
    {"convolve", {"x", "weight", "stride", "padding", "dilation", "groups"}, 2, run_convolve},
    {"convolve_transposed",
     {"x", "weight", "stride", "padding", "output_padding", "groups", "dilation"},
     2,
     run_convolve_transposed},
    {"pool", {"x", "kind", "kernel_size", "stride", "padding", "dilation", "ceil_mode"}, 3, run_pool},
    {"narrow", {"x", "axis", "start", "length"}, 4, run_narrow},
    {"flip", {"x", "axis"}, 1, run_flip},
    {"pad", {"x", "axis", "before", "after", "value"}, 5, run_pad},
    {"concat", {"tensors", "axis"}, 1, run_concat},
    {"split", {"x", "sections", "axis"}, 2, run_split},
    {"gather", {"x", "index", "axis"}, 2, run_gather},
    {"scatter_add", {"x", "index", "source", "axis"}, 3, run_scatter_add},
    {"update", {"x", "index", "value", "axis", "batch_axes"}, 3, run_update},
    {"cumsum", {"x", "axis"}, 2, run_cumsum},
    {"clip", {"x", "min", "max"}, 1, run_clip},
    {"clamp", {"x", "min", "max"}, 1, run_clip},
};
enum { BUILTINS = sizeof builtins / sizeof *builtins };

const char *builtin_name(int k) { return k < BUILTINS ? builtins[k].name : NULL; }

// ---- calls ---------------------------------------------------------------------------------------------------------

// Assigns positional arguments in order and keyword arguments by name, then runs the row's function.
static Value call_table(Elab *el, const Builtin *builtin, const Args *args, Span span) {
    Call call = {.name = builtin->name, .required = builtin->required, .span = span};
    Names names = {0};
    int given[MAX_PARAMS];
    for (int k = 0; k < MAX_PARAMS && builtin->params[k]; k++) vec_push(el->arena, &names, builtin->params[k]);
    if (!match_args(el, builtin->name, &names, true, args, given)) return value_poison();
    for (int k = 0; k < MAX_PARAMS; k++) {
        const Arg *arg = k < names.len && given[k] >= 0 ? &args->at[given[k]] : NULL;
        if (!arg && k < builtin->required) return refuse(el, span, "%s needs `%s`", builtin->name, names.at[k]);
        call.arg[k] = arg ? arg->value : value_none();
        call.at[k] = arg ? arg->span : span;
        call.keyword[k] = arg && arg->name;
    }
    place_nodes(el, span);
    return builtin->run(el, &call);
}

// Computes calls such as exp(2.0) with the operator's own evaluation.
static Value evaluate_numbers(const Op *op, const Args *args) {
    Arena scratch = {0};
    Type type = type_scalar(F32);
    Node in_node[3] = {{.type = type}, {.type = type}, {.type = type}};
    Node *in_list[3] = {&in_node[0], &in_node[1], &in_node[2]};
    Node node = {.op = op, .type = type, .nin = op->inputs, .in = in_list};
    Tensor in[3], out = tensor_new(&scratch, &type, NULL);
    const Tensor *inputs[3];
    for (int k = 0; k < op->inputs; k++) {
        in[k] = tensor_new(&scratch, &type, NULL);
        in[k].f[0] = number_of(args->at[k].value);
        inputs[k] = &in[k];
    }
    node_evaluate(&node, inputs, &out, NULL, true);
    Value result = value_float(out.f[0]);
    arena_release(&scratch);
    return result;
}

// Calls an element-wise operator: one argument for each of its inputs, broadcast to one shape.
static Value call_op(Elab *el, const Op *op, const Args *args, Span span) {
    bool numbers = op->infer == elementwise_infer || op->infer == elementwise_float_infer, tensors = false;
    Value values[3];
    for (int k = 0; k < args->len; k++) {
        const Arg *arg = &args->at[k];
        if (arg->name) return refuse(el, arg->name_span, "%s has no argument `%s`", op->name, arg->name);
        numbers &= is_number(arg->value);
        tensors |= is_tensor(arg->value);
        if (k < 3) values[k] = arg->value;
    }
    if (args->len != op->inputs)
        return refuse(el, span, "%s takes %d argument%s, got %d", op->name, op->inputs, op->inputs == 1 ? "" : "s",
                      args->len);
    if (numbers) return evaluate_numbers(op, args);
    if (!tensors) return refuse(el, span, "%s needs a tensor or numbers, got %s", op->name, value_text(el, values[0]));
    return tensor_elementwise(el, op->name, op->name, values, op->inputs, span);
}

static const Builtin *find_builtin(const Elab *el, const char *name) {
    int place = tag_known(&el->builtins, name);
    return place ? &builtins[place - 1] : NULL;
}

bool builtin_exists(Elab *el, const char *name) {
    const Op *op = op_find(name);
    return find_builtin(el, name) || (op && (op->traits & OP_ELEMENTWISE) && !op->attrs[0].name && op->inputs <= 3);
}

Value call_builtin(Elab *el, const char *name, const Args *args, Span span) {
    const Builtin *builtin = find_builtin(el, name);
    const char *name_before = el->g->name_now;
    Args rest = {0};
    for (int k = 0; k < args->len; k++) {
        const Arg *arg = &args->at[k];
        bool names = arg->name && !strcmp(arg->name, "name"); // an operator has no params: names its nodes only
        if (!names)
            vec_push(el->arena, &rest, *arg);
        else if (arg->value.kind == VALUE_STRING)
            el->g->name_now = arg->value.s;
        else
            refuse(el, arg->span, "a name is a string, got %s", value_text(el, arg->value));
    }
    Value result = builtin ? call_table(el, builtin, &rest, span) : call_op(el, op_find(name), &rest, span);
    el->g->name_now = name_before;
    return result;
}
