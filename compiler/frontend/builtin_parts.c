// builtin_parts.c: parts of tensors: indexing, narrow, flip, split, concat, pad, gather, scatter_add, cumsum.
//     x[:, 0, 2:5, ::2, none, ...]    a slice, then a reshape that drops axis 1 and inserts one
//     pad(x, [1, 2])                  the last axis, 1 before and 2 behind; pairs go on to the axes before it
// What is taken is known at compile time, except for gather and scatter_add. A run-time size stays whole, or is read
// at 0.
#include <inttypes.h>
#include <string.h>

#include "frontend/builtin.h"

// ---- slices ---------------------------------------------------------------------------------------------------------

// What is taken of each axis of x.
typedef struct Cut {
    Type shape;
    int64_t start[MAX_RANK], step[MAX_RANK];
} Cut;

static Cut cut_nothing(const Node *x) {
    Cut cut = {.shape = x->type};
    for (int d = 0; d < MAX_RANK; d++) cut.step[d] = 1;
    return cut;
}

static Node *cut_node(Elab *el, Node *x, const Cut *cut) {
    return build_slice(el->g, x, &cut->shape, cut->start, cut->step);
}

// `length` elements of one axis; the caller knows that they are there.
static Node *cut_axis(Elab *el, Node *x, int axis, int64_t start, int64_t step, int64_t length) {
    if (!x) return NULL;
    Cut cut = cut_nothing(x);
    cut.start[axis] = start;
    cut.step[axis] = step;
    cut.shape.dim[axis] = dim_fixed((int32_t)length);
    return cut_node(el, x, &cut);
}

static bool is_runtime_axis(const Node *x, int axis) { return x->type.dim[axis].size != 0; }

static bool refuse_runtime(Elab *el, Span span, const char *what, const Node *x, int axis) {
    refuse(el, span, "%s: axis %d of %s is a run-time size, which stays whole; only its element 0 is known to be there",
           what, axis, type_name(el, &x->type));
    return false;
}

// A part of a slice, a:b:c; false: reported.
static bool slice_part(Elab *el, const AstExpr *part, int64_t otherwise, bool *given, int64_t *to) {
    *given = false;
    *to = otherwise;
    if (!part) return true;
    Value v = eval(el, part);
    if (v.kind == VALUE_NONE) return true;
    *given = true;
    return value_to_int(el, v, "a slice's start, end and step", part->span, to);
}

static int64_t between(int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; }

// numpy's rules: negative numbers count from the end, what lies outside is cut off.
typedef struct Range {
    int64_t start, step, length;
    bool whole; // nothing was given: `:`
} Range;

static bool eval_range(Elab *el, const AstExpr *slice, int64_t n, Range *range) {
    bool has_from, has_to, has_step;
    int64_t from, to, step;
    if (!slice_part(el, slice->third, 1, &has_step, &step)) return false;
    if (step == 0) {
        refuse(el, slice->span, "a slice's step cannot be 0");
        return false;
    }
    bool back = step < 0;
    if (!slice_part(el, slice->left, back ? n - 1 : 0, &has_from, &from) ||
        !slice_part(el, slice->right, back ? -1 : n, &has_to, &to))
        return false;
    if (has_from) from = between(from < 0 ? from + n : from, back ? -1 : 0, back ? n - 1 : n);
    if (has_to) to = between(to < 0 ? to + n : to, back ? -1 : 0, back ? n - 1 : n);
    step = between(step, -n - 1, n + 1); // longer ones take one element all the same
    int64_t reach = back ? from - to : to - from, by = back ? -step : step;
    *range = (Range){from, step, reach > 0 ? (reach + by - 1) / by : 0, !has_from && !has_to && step == 1};
    return true;
}

static bool cut_slice(Elab *el, const AstExpr *item, const Node *x, int axis, Cut *cut) {
    Range range;
    Dim dim = x->type.dim[axis];
    if (!eval_range(el, item, dim.extent, &range)) return false;
    if (range.whole) return true;
    if (dim.size) return refuse_runtime(el, item->span, "index", x, axis);
    if (range.length == 0) {
        refuse(el, item->span, "this slice of axis %d of %s is empty; every axis has at least one element", axis,
               type_name(el, &x->type));
        return false;
    }
    cut->start[axis] = range.start;
    cut->step[axis] = range.step;
    cut->shape.dim[axis] = dim_fixed((int32_t)range.length);
    return true;
}

static bool cut_one(Elab *el, Span span, int64_t i, const Node *x, int axis, Cut *cut) {
    int64_t n = x->type.dim[axis].extent, at = i < 0 ? i + n : i;
    if (is_runtime_axis(x, axis) && i != 0) return refuse_runtime(el, span, "index", x, axis);
    if (at < 0 || at >= n) {
        refuse(el, span, "index %" PRId64 " is outside axis %d of %s", i, axis, type_name(el, &x->type));
        note_axis(el, x, axis);
        return false;
    }
    cut->start[axis] = at;
    cut->shape.dim[axis] = dim_fixed(1);
    return true;
}

static bool push_axis(Elab *el, Span span, Type *type, Dim dim) {
    if (type->rank < MAX_RANK) {
        type->dim[type->rank++] = dim;
        return true;
    }
    refuse(el, span, "a tensor has at most %d axes", MAX_RANK);
    return false;
}

// How many axes the items take; -1: reported. `...` stands for the others, once.
static int count_axes(Elab *el, const AstExprs *items, const Value *values) {
    int axes = 0, dots = 0;
    for (int k = 0; k < items->len; k++) {
        dots += items->at[k]->kind == AST_SPREAD;
        axes += items->at[k]->kind == AST_SLICE || values[k].kind == VALUE_INT;
    }
    if (dots < 2) return axes;
    refuse(el, items->at[items->len - 1]->span, "an index has at most one `...`");
    return -1;
}

// An item that is no slice and no `...`: an integer, or none. False: reported.
static bool eval_item(Elab *el, const AstExpr *item, Value *value) {
    *value = value_none();
    if (item->kind == AST_SLICE) return true;
    if (item->kind == AST_SPREAD) {
        if (!item->s) return true;
        refuse(el, item->span, "`...` in an index stands alone, for all axes that are not named");
        return false;
    }
    *value = eval(el, item);
    if (is_poison(*value)) return false;
    if (value->kind == VALUE_INT || value->kind == VALUE_NONE) return true;
    if (is_tensor(*value))
        refuse(el, item->span,
               "an index is known at compile time, and this is a tensor; gather(x, index, axis=0) reads "
               "at indices of run time");
    else
        refuse(el, item->span, "an index is an integer, a slice like 1:3, none or `...`, got %s",
               value_text(el, *value));
    return false;
}

Value index_tensor(Elab *el, Node *x, const AstExpr *expr) {
    const AstExprs *items = &expr->items;
    Value *values = NEW_ARRAY(el->arena, Value, items->len + 1);
    for (int k = 0; k < items->len; k++)
        if (!eval_item(el, items->at[k], &values[k])) return value_poison();
    int taken = count_axes(el, items, values), rank = x->type.rank, axis = 0;
    if (taken < 0) return value_poison();
    if (taken > rank)
        return refuse(el, expr->span, "%d ind%s for %s, which has %d ax%cs", taken, taken == 1 ? "ex" : "ices",
                      type_name(el, &x->type), rank, rank == 1 ? 'i' : 'e');
    Cut cut = cut_nothing(x);
    Type type = type_scalar(x->type.dtype);
    bool good = true;
    for (int k = 0; k < items->len && good; k++) {
        const AstExpr *item = items->at[k];
        if (item->kind == AST_SPREAD) {
            for (int n = rank - taken; n > 0 && good; n--, axis++)
                good = push_axis(el, item->span, &type, x->type.dim[axis]);
        } else if (item->kind == AST_SLICE) {
            good = cut_slice(el, item, x, axis, &cut) && push_axis(el, item->span, &type, cut.shape.dim[axis]);
            axis++;
        } else if (values[k].kind == VALUE_NONE)
            good = push_axis(el, item->span, &type, dim_fixed(1));
        else
            good = cut_one(el, item->span, values[k].i, x, axis++, &cut);
    }
    for (; axis < rank && good; axis++) good = push_axis(el, expr->span, &type, x->type.dim[axis]);
    if (!good) return value_poison();
    place_nodes(el, expr->span);
    return value_tensor(build_reshape(el->g, cut_node(el, x, &cut), &type));
}

Value slice_list(Elab *el, Value list, const AstExpr *slice) {
    Range range;
    if (!eval_range(el, slice, list.list->len, &range)) return value_poison();
    Value part = value_list(el);
    for (int64_t k = 0; k < range.length; k++) list_push(el, &part, list.list->at[range.start + k * range.step]);
    return part;
}

// narrow(x, axis, start, length), as torch.narrow.
Value run_narrow(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    int axis;
    int64_t start, length;
    if (!x || !axis_value(el, call->name, call->arg[1], x->type.rank, call->at[1], &axis) ||
        !value_to_int(el, call->arg[2], "narrow's start", call->at[2], &start) ||
        !value_to_int(el, call->arg[3], "narrow's length", call->at[3], &length))
        return value_poison();
    int64_t n = x->type.dim[axis].extent;
    if (is_runtime_axis(x, axis) && (start != 0 || length != 1)) {
        refuse_runtime(el, call->span, call->name, x, axis);
        return value_poison();
    }
    int64_t from = start < 0 ? start + n : start;
    if (from < 0 || length < 1 || length > n || from > n - length)
        return refuse(el, call->span, "narrow: %" PRId64 " element%s from %" PRId64 " on leave axis %d of %s", length,
                      length == 1 ? "" : "s", start, axis, type_name(el, &x->type));
    return value_tensor(cut_axis(el, x, axis, from, 1, length));
}

Value run_flip(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    unsigned axes;
    if (!x || !axes_arg(el, call, 1, x->type.rank, &axes)) return value_poison();
    Cut cut = cut_nothing(x);
    for (int d = 0; d < x->type.rank; d++) {
        if (!(axes >> d & 1)) continue;
        if (is_runtime_axis(x, d)) {
            refuse_runtime(el, call->span, call->name, x, d);
            return value_poison();
        }
        cut.start[d] = x->type.dim[d].extent - 1;
        cut.step[d] = -1;
    }
    return value_tensor(cut_node(el, x, &cut));
}

// split(x, 3): equal parts; split(x, [4, 8]): parts of these lengths. A list of tensors.
Value run_split(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Value sections = call->arg[1], parts = value_list(el);
    int axis;
    if (!x || !axis_value(el, call->name, call->arg[2].kind == VALUE_NONE ? value_int(0) : call->arg[2], x->type.rank,
                          call->at[2], &axis))
        return value_poison();
    int64_t n = x->type.dim[axis].extent, count, sum = 0;
    if (is_runtime_axis(x, axis)) {
        refuse_runtime(el, call->span, call->name, x, axis);
        return value_poison();
    }
    if (sections.kind == VALUE_LIST) {
        count = sections.list->len;
    } else {
        if (!value_to_int(el, sections, "the number of parts", call->at[1], &count)) return value_poison();
        if (count < 1 || count > n || n % count) {
            refuse(el, call->at[1],
                   "split: axis %d of %s has %" PRId64 " elements, which do not make %" PRId64
                   " equal parts; a list gives their lengths",
                   axis, type_name(el, &x->type), n, count);
            note_axis(el, x, axis);
            return value_poison();
        }
    }
    for (int k = 0; k < count; k++) {
        int64_t length = n / (count ? count : 1);
        if (sections.kind == VALUE_LIST &&
            !value_to_int(el, sections.list->at[k], "a part's length", call->at[1], &length))
            return value_poison();
        if (length < 1 || length > n - sum)
            return refuse(el, call->at[1], "split: parts of %s do not make the %" PRId64 " elements of axis %d of %s",
                          value_text(el, sections), n, axis, type_name(el, &x->type));
        list_push(el, &parts, value_tensor(cut_axis(el, x, axis, sum, 1, length)));
        sum += length;
    }
    if (sum != n)
        return refuse(el, call->at[1], "split: parts of %s do not make the %" PRId64 " elements of axis %d of %s",
                      value_text(el, sections), n, axis, type_name(el, &x->type));
    return parts;
}

// ---- concat ---------------------------------------------------------------------------------------------------------

// As a balanced tree, so that an element is chosen in few steps.
static Node *join(Elab *el, Node *const *parts, int n, int axis) {
    if (n == 1) return parts[0];
    Node *last = join(el, parts + n / 2, n - n / 2, axis);
    return build_concat(el->g, join(el, parts, n / 2, axis), last, axis);
}

static bool check_part(Elab *el, const Call *call, const Node *first, const Node *part, int k, int axis) {
    if (part->type.dtype != first->type.dtype || part->type.rank != first->type.rank) {
        refuse(el, call->at[0], "concat: tensor 0 is %s and tensor %d is %s; all have one dtype and rank",
               type_name(el, &first->type), k, type_name(el, &part->type));
        return false;
    }
    for (int d = 0; d < first->type.rank; d++) {
        if (d == axis ? !is_runtime_axis(part, d) : dim_equal(first->type.dim[d], part->type.dim[d])) continue;
        if (d == axis) return refuse_runtime(el, call->at[0], call->name, part, d);
        refuse(el, call->at[0], "concat along axis %d: axis %d differs: tensor 0 is %s and tensor %d is %s", axis, d,
               type_name(el, &first->type), k, type_name(el, &part->type));
        note_axis(el, first, d);
        note_axis(el, part, d);
        return false;
    }
    return true;
}

Value run_concat(Elab *el, const Call *call) {
    Value list = call->arg[0];
    int axis;
    if (list.kind != VALUE_LIST || !list.list->len)
        return refuse(el, call->at[0], "concat needs a list of tensors, like [a, b], got %s", value_text(el, list));
    int n = list.list->len;
    Node **parts = NEW_ARRAY(el->arena, Node *, n);
    for (int k = 0; k < n; k++) {
        if (!is_tensor(list.list->at[k]))
            return refuse(el, call->at[0], "concat needs tensors, and item %d is %s", k,
                          value_text(el, list.list->at[k]));
        parts[k] = list.list->at[k].node;
    }
    Value at = call->arg[1].kind == VALUE_NONE ? value_int(0) : call->arg[1];
    if (!axis_value(el, call->name, at, parts[0]->type.rank, call->at[1], &axis)) return value_poison();
    for (int k = 0; k < n; k++)
        if (!check_part(el, call, parts[0], parts[k], k, axis)) return value_poison();
    return value_tensor(join(el, parts, n, axis));
}

// ---- pad ------------------------------------------------------------------------------------------------------------

// The `count` elements that reflect, replicate or circular put before or behind an axis.
static Node *border(Elab *el, Node *x, int axis, const char *mode, int64_t count, bool before) {
    int64_t n = x->type.dim[axis].extent;
    if (!strcmp(mode, "reflect")) return cut_axis(el, x, axis, before ? count : n - 2, -1, count);
    if (!strcmp(mode, "circular")) return cut_axis(el, x, axis, before ? n - count : 0, 1, count);
    Node *edge = cut_axis(el, x, axis, before ? 0 : n - 1, 1, 1);
    if (!edge) return NULL;
    Type type = edge->type;
    int axes[MAX_RANK];
    type.dim[axis] = dim_fixed((int32_t)count);
    for (int d = 0; d < type.rank; d++) axes[d] = d;
    return build_broadcast(el->g, edge, &type, axes);
}

static Node *pad_borders(Elab *el, const Call *call, Node *x, int axis, const char *mode, int64_t before,
                         int64_t behind) {
    int64_t n = x->type.dim[axis].extent, most = before > behind ? before : behind;
    bool reflect = !strcmp(mode, "reflect"), circular = !strcmp(mode, "circular");
    if (before < 0 || behind < 0 || (reflect && most >= n) || (circular && most > n)) {
        const char *room = "not negative";
        if (reflect || circular) room = arena_printf(el->arena, "0 to %" PRId64, reflect ? n - 1 : n);
        refuse(el, call->at[1],
               "pad: mode \"%s\" cannot put %" PRId64 " and %" PRId64
               " elements around axis %d of %s; each number is %s",
               mode, before, behind, axis, type_name(el, &x->type), room);
        return NULL;
    }
    Node *parts[3];
    int count = 0;
    if (before) parts[count++] = border(el, x, axis, mode, before, true);
    parts[count++] = x;
    if (behind) parts[count++] = border(el, x, axis, mode, behind, false);
    return join(el, parts, count, axis);
}

// A negative number takes away.
static Node *pad_constant(Elab *el, const Call *call, Node *x, int axis, double value, int64_t before, int64_t behind) {
    int64_t n = x->type.dim[axis].extent, skip = before < 0 ? -before : 0;
    int64_t kept = n - skip - (behind < 0 ? -behind : 0), all = n + before + behind;
    if (kept < 1 || all > INT32_MAX) {
        refuse(el, call->at[1], "pad: %" PRId64 " and %" PRId64 " leave nothing of axis %d of %s, or too much", before,
               behind, axis, type_name(el, &x->type));
        return NULL;
    }
    x = cut_axis(el, x, axis, skip, 1, kept);
    if (!x) return NULL;
    Cut cut = cut_nothing(x);
    cut.start[axis] = before > 0 ? before : 0;
    cut.shape.dim[axis] = dim_fixed((int32_t)all);
    return build_pad(el->g, x, &cut.shape, cut.start, cut.step, value);
}

// pad(x, [left, right, top, bottom], mode="constant", value=0), as torch.nn.functional.pad.
Value run_pad(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Value list = call->arg[1], mode = call->arg[2], value = call->arg[3];
    if (!x) return value_poison();
    if (list.kind != VALUE_LIST || list.list->len % 2 || list.list->len > 2 * x->type.rank)
        return refuse(el, call->at[1],
                      "pad needs two numbers for each axis from the last on, [left, right, top, ...], "
                      "got %s for %s",
                      value_text(el, list), type_name(el, &x->type));
    const char *how = mode.kind == VALUE_NONE ? "constant" : mode.kind == VALUE_STRING ? mode.s : "";
    bool constant = !strcmp(how, "constant");
    if (!constant && strcmp(how, "reflect") && strcmp(how, "replicate") && strcmp(how, "circular"))
        return refuse(el, call->at[2], "pad: mode is \"constant\", \"reflect\", \"replicate\" or \"circular\", got %s",
                      value_text(el, mode));
    if (value.kind == VALUE_NONE) value = value_int(0);
    if (x->type.dtype == BOOL && value.kind == VALUE_INT) value = value_bool(value.i != 0);
    if (is_tensor(value) || !to_node(el, value, x->type.dtype, call->at[3]))
        return is_tensor(value) ? refuse(el, call->at[3], "pad's value is a number, got %s", value_text(el, value))
                                : value_poison();
    double number = value.kind == VALUE_BOOL ? (double)value.i : number_of(value);
    place_nodes(el, call->span);
    for (int k = 0; k < list.list->len && x; k += 2) {
        int axis = x->type.rank - 1 - k / 2;
        int64_t before, behind;
        if (!value_to_int(el, list.list->at[k], "a number of elements", call->at[1], &before) ||
            !value_to_int(el, list.list->at[k + 1], "a number of elements", call->at[1], &behind))
            return value_poison();
        if (!before && !behind) continue;
        if (is_runtime_axis(x, axis)) {
            refuse_runtime(el, call->at[1], call->name, x, axis);
            return value_poison();
        }
        if (before > INT32_MAX || before < -INT32_MAX || behind > INT32_MAX || behind < -INT32_MAX)
            return refuse(el, call->at[1], "pad: %s is too much", value_text(el, list));
        x = constant ? pad_constant(el, call, x, axis, number, before, behind)
                     : pad_borders(el, call, x, axis, how, before, behind);
    }
    return value_tensor(x);
}

// ---- indices of run time --------------------------------------------------------------------------------------------

static bool default_axis(Elab *el, const Call *call, int k, const Node *x, int *axis) {
    Value v = call->arg[k].kind == VALUE_NONE ? value_int(0) : call->arg[k];
    return axis_value(el, call->name, v, x->type.rank, call->at[k], axis);
}

// Whether integers are seen to be 0 or more; `depth` bounds the look at what they are made of.
static bool never_negative(const Node *node, int depth) {
    double number;
    if (node_constant(node, &number)) return number >= 0;
    if (node->type.dtype == U8 || node->type.dtype == BOOL || node_is(node, "iota")) return true;
    if (!depth || !node->nin) return false;
    bool first = never_negative(node->in[0], depth - 1);
    if (node_is(node, "select"))
        return never_negative(node->in[1], depth - 1) && never_negative(node->in[2], depth - 1);
    if (node_is(node, "max")) return first || never_negative(node->in[1], depth - 1);
    if (node_is(node, "clip")) return never_negative(node->in[1], depth - 1);
    if (node_is(node, "reduce")) return first && strcmp(node_attr(node, "kind")->s, "sum") != 0;
    if (node_is(node, "cast")) return first && !dtype_info[node->in[0]->type.dtype].is_float;
    return first && node->nin == 1 && node->op->traits & OP_MOVEMENT && !node_is(node, "pad");
}

// Negative indices count from the end, over a run-time size from the end of what this call was given.
static Value from_end(Elab *el, const Call *call, Node *x, Node *index, int axis) {
    Value at = value_tensor(index), size = value_dim(x->type.dim[axis]);
    bool is_int = index->type.dtype == I32 || index->type.dtype == I64; // the operator refuses all others
    if (!is_int || never_negative(index, 8)) return at;
    Value negative = tensor_binary(el, "<", at, value_int(0), call->span);
    Value moved = is_poison(negative) ? negative : tensor_binary(el, "+", at, size, call->span);
    if (is_poison(moved)) return moved;
    return tensor_elementwise(el, "select", call->name, (Value[]){negative, moved, at}, 3, call->span);
}

// gather(x, index, axis=0): the parts of x at these indices, whose axes stand where the axis stood.
Value run_gather(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0), *index = x ? tensor_arg(el, call, 1) : NULL;
    int axis;
    if (!index || !default_axis(el, call, 2, x, &axis)) return value_poison();
    Value at = from_end(el, call, x, index, axis);
    if (is_poison(at)) return at;
    index = at.node;
    return value_tensor(graph_op(el->g, op_find("gather"), (Node *[]){x, index}, 2, &(Attr){.i = axis}));
}

// scatter_add(x, index, source, axis=0): x, and the parts of source added to it at these indices.
Value run_scatter_add(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0), *index = x ? tensor_arg(el, call, 1) : NULL;
    Node *source = index ? tensor_arg(el, call, 2) : NULL;
    int axis;
    if (!source || !default_axis(el, call, 3, x, &axis)) return value_poison();
    Attr attrs[] = {{.n = x->type.rank, .dims = x->type.dim}, {.i = axis}};
    Node *sum = graph_op(el->g, op_find("scatter_add"), (Node *[]){source, index}, 2, attrs);
    return sum ? tensor_binary(el, "+", call->arg[0], value_tensor(sum), call->span) : value_poison();
}

Value run_cumsum(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    int axis;
    if (!x || !axis_value(el, call->name, call->arg[1], x->type.rank, call->at[1], &axis)) return value_poison();
    x = widened(el, x);
    return value_tensor(graph_op(el->g, op_find("cumsum"), &x, 1, (Attr[]){{.i = axis}, {.i = 0}}));
}
