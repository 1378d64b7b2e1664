// builtin_parts.c: parts of tensors: indexing, narrow, flip, split, concat, pad, gather, scatter_add, update, cumsum.
//     x[:, 0, 2:5, ::2, none, ...]    a slice, then a reshape that drops axis 1 and inserts one
//     pad(x, 2, 1, -2, 0)             axis 2: one zero is added before it, two elements are removed at its end
// Which elements are taken is known at compile time or depends on a run-time size. Only gather, scatter_add and
// update read indices from a tensor.
#include <inttypes.h>
#include <string.h>

#include "frontend/builtin.h"

// ---- slices ---------------------------------------------------------------------------------------------------------

// The part of x that is taken: a length, a start and a step for each axis.
typedef struct Cut {
    Type shape;
    Count start[MAX_RANK];
    int64_t step[MAX_RANK];
} Cut;

static Cut cut_nothing(const Node *x) {
    Cut cut = {.shape = x->type};
    for (int d = 0; d < MAX_RANK; d++) cut.step[d] = 1;
    return cut;
}

static Node *cut_node(Elab *el, Node *x, const Cut *cut) {
    return build_slice(el->g, x, &cut->shape, cut->start, cut->step);
}

// Takes `length` elements of one axis. The slice operator reports an error when they are not there.
static Node *cut_axis(Elab *el, Node *x, int axis, Count start, int64_t step, Dim length) {
    if (!x) return NULL;
    Cut cut = cut_nothing(x);
    cut.start[axis] = start;
    cut.step[axis] = step;
    cut.shape.dim[axis] = length;
    return cut_node(el, x, &cut);
}

// Converts an integer or a run-time size to a Count. Returns false for any other value, and for integers beyond 2^31.
static bool value_place(Value v, Count *to) {
    if (v.kind == VALUE_SIZE) *to = (Count){v.size.plus, v.size.times, dim_bound(v.size), v.size.size};
    if (v.kind == VALUE_INT) *to = count_fixed(v.i);
    return v.kind == VALUE_SIZE || (v.kind == VALUE_INT && v.i <= INT32_MAX && v.i >= -INT32_MAX);
}

// Converts a number of elements to an axis. `what` says in messages which part of x has it. False: reported.
static bool count_dim(Elab *el, Count count, const char *what, const Node *x, int axis, Span span, Dim *dim) {
    if (count_to_dim(count, dim)) return true;
    Str s = str_new(el->arena);
    count_print(&s, count, el->module->sizes);
    const char *size = count.size ? el->module->sizes[count.size - 1].name : "";
    if (count.times < 0)
        return deny(
            el, span,
            "%s of axis %d of %s has %s elements, which shrink as %s grows; an axis is c * %s + d with c of at least 1",
            what, axis, type_name(el, &x->type), str_text(&s), size, size);
    if (count.size)
        return deny(el, span, "%s of axis %d of %s has %s elements: none for any %s up to %d", what, axis,
                    type_name(el, &x->type), str_text(&s), size, count.bound);
    return deny(el, span, "%s of axis %d of %s is empty; every axis has at least one element", what, axis,
                type_name(el, &x->type));
}

static bool refuse_two_sizes(Elab *el, Span span, const char *what, const Node *x, int axis) {
    return deny(el, span,
                "%s: axis %d of %s and what is taken of it depend on two run-time sizes; which is larger is not known",
                what, axis, type_name(el, &x->type));
}

// The parts of a slice a:b:c, NONE where they are not given.
typedef struct SliceParts {
    Value from, to, step;
} SliceParts;

static bool slice_part(Elab *el, const AstExpr *part, bool sized, Value *v) {
    int64_t i;
    *v = part ? eval(el, part) : value_none();
    if (v->kind == VALUE_NONE || (sized && v->kind == VALUE_SIZE)) return true;
    return value_to_int(el, *v, "a slice's start, end and step", part->span, &i);
}

// Evaluates the parts of a slice; `sized` allows run-time sizes in them. False: reported.
static bool slice_parts(Elab *el, const AstExpr *slice, bool sized, SliceParts *parts) {
    if (!slice_part(el, slice->third, false, &parts->step)) return false;
    bool zero = parts->step.kind == VALUE_INT && parts->step.i == 0;
    if (zero) refuse(el, slice->span, "a slice's step cannot be 0");
    return !zero && slice_part(el, slice->left, sized, &parts->from) && slice_part(el, slice->right, sized, &parts->to);
}

static int64_t between(int64_t x, int64_t lo, int64_t hi) { return x < lo ? lo : x > hi ? hi : x; }

// The indices that a slice takes, by numpy's rules: negative numbers count from the end, ends outside are cut off.
typedef struct Range {
    int64_t start, step, length;
    bool whole; // nothing was given: `:`
} Range;

static Range range_of(const SliceParts *parts, int64_t n) {
    bool has_from = parts->from.kind == VALUE_INT, has_to = parts->to.kind == VALUE_INT;
    int64_t step = parts->step.kind == VALUE_INT ? parts->step.i : 1;
    bool back = step < 0;
    int64_t from = has_from ? parts->from.i : back ? n - 1 : 0, to = has_to ? parts->to.i : back ? -1 : n;
    if (has_from) from = between(from < 0 ? from + n : from, back ? -1 : 0, back ? n - 1 : n);
    if (has_to) to = between(to < 0 ? to + n : to, back ? -1 : 0, back ? n - 1 : n);
    step = between(step, -n - 1, n + 1); // a longer step would take one element too
    int64_t reach = back ? from - to : to - from, by = back ? -step : step;
    return (Range){from, step, reach > 0 ? (reach + by - 1) / by : 0, !has_from && !has_to && step == 1};
}

// Whether a and b can be compared: they depend on at most one run-time size.
static bool comparable(Count a, Count b) { return !a.size || !b.size || a.size == b.size; }

// An end that is negative for every N, such as -N, counts from the end of the axis. 8 - N counts from the start, and
// the slice operator refuses it if N may be larger than 8.
static bool resolve_end(Value v, Count n, Count *to) {
    bool negative = v.kind == VALUE_SIZE ? v.size.times < 0 && v.size.times + v.size.plus < 0 : v.i < 0;
    return value_place(v, to) && (!negative || count_add(*to, 1, n, to));
}

// Makes a slice when its axis or one of its ends depends on a run-time size. Such a slice is never shortened: the entry
// refuses sizes that are too small for it.
static bool cut_counted(Elab *el, const AstExpr *item, const SliceParts *parts, const Node *x, int axis, Cut *cut) {
    Count n = count_of_dim(x->type.dim[axis]), from = count_fixed(0), to = n, count;
    int64_t step = parts->step.kind == VALUE_INT ? between(parts->step.i, -INT32_MAX, INT32_MAX) : 1;
    bool back = step < 0, good = true;
    if (back) good = count_add(n, 1, count_fixed(-1), &from);
    if (back) to = count_fixed(-1);
    if (parts->from.kind != VALUE_NONE) good &= resolve_end(parts->from, n, &from);
    if (parts->to.kind != VALUE_NONE) good &= resolve_end(parts->to, n, &to);
    good = good && (back ? count_add(from, -1, to, &count) : count_add(to, -1, from, &count));
    if (!good || !comparable(n, from) || !comparable(n, count))
        return refuse_two_sizes(el, item->span, "index", x, axis);
    int64_t by = back ? -step : step;
    if (count.times % by)
        return deny(el, item->span,
                    "this slice takes one element of %" PRId64 " of axis %d of %s: their number is no c * N + d", by,
                    axis, type_name(el, &x->type));
    count.times = (int32_t)(count.times / by);
    count.at = count.at / by + (count.at % by > 0); // rounded up
    cut->start[axis] = from;
    cut->step[axis] = step;
    return count_dim(el, count, "this slice", x, axis, item->span, &cut->shape.dim[axis]);
}

static bool cut_slice(Elab *el, const AstExpr *item, const Node *x, int axis, Cut *cut) {
    SliceParts parts;
    Dim dim = x->type.dim[axis];
    if (!slice_parts(el, item, true, &parts)) return false;
    Range range = range_of(&parts, dim.extent);
    bool sized = parts.from.kind == VALUE_SIZE || parts.to.kind == VALUE_SIZE;
    if (range.whole && !sized) return true;
    if (sized || dim.size) return cut_counted(el, item, &parts, x, axis, cut);
    if (range.length == 0)
        return deny(el, item->span, "this slice of axis %d of %s is empty; every axis has at least one element", axis,
                    type_name(el, &x->type));
    cut->start[axis] = count_fixed(range.start);
    cut->step[axis] = range.step;
    cut->shape.dim[axis] = dim_fixed((int32_t)range.length);
    return true;
}

static bool cut_one(Elab *el, Span span, Value v, const Node *x, int axis, Cut *cut) {
    Count n = count_of_dim(x->type.dim[axis]);
    cut->shape.dim[axis] = dim_fixed(1);
    if (v.kind == VALUE_SIZE || n.size)
        return (resolve_end(v, n, &cut->start[axis]) && comparable(n, cut->start[axis])) ||
               refuse_two_sizes(el, span, "index", x, axis);
    int64_t at = v.i < 0 ? v.i + n.at : v.i;
    if (at < 0 || at >= n.at) {
        refuse(el, span, "index %" PRId64 " is outside axis %d of %s", v.i, axis, type_name(el, &x->type));
        note_axis(el, x, axis);
        return false;
    }
    cut->start[axis] = count_fixed(at);
    return true;
}

static bool push_axis(Elab *el, Span span, Type *type, Dim dim) {
    if (type->rank < MAX_RANK) {
        type->dim[type->rank++] = dim;
        return true;
    }
    return deny(el, span, "a tensor has at most %d axes", MAX_RANK);
}

// The number of axes that the items of an index take; `...` stands for the others. -1: two `...`, reported.
static int count_axes(Elab *el, const AstExprs *items, const Value *values) {
    int axes = 0, dots = 0;
    for (int k = 0; k < items->len; k++) {
        dots += items->at[k]->kind == AST_SPREAD;
        axes += items->at[k]->kind == AST_SLICE || values[k].kind == VALUE_INT || values[k].kind == VALUE_SIZE;
    }
    if (dots < 2) return axes;
    refuse(el, items->at[items->len - 1]->span, "an index has at most one `...`");
    return -1;
}

// Evaluates an item of an index to an integer or none; a slice and `...` give none. False: reported.
static bool eval_item(Elab *el, const AstExpr *item, Value *value) {
    *value = value_none();
    if (item->kind == AST_SLICE) return true;
    if (item->kind == AST_SPREAD) {
        if (!item->s) return true;
        return deny(el, item->span, "`...` in an index stands alone, for all axes that are not named");
    }
    *value = eval(el, item);
    if (is_poison(*value)) return false;
    if (value->kind == VALUE_INT || value->kind == VALUE_SIZE || value->kind == VALUE_NONE) return true;
    if (is_tensor(*value))
        return deny(el, item->span,
                    "an index is known at compile time, and this is a tensor; gather(x, index, axis=0) reads "
                    "at indices that a tensor holds");
    return deny(el, item->span, "an index is an integer, a slice like 1:3, none or `...`, got %s",
                value_text(el, *value));
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
            good = cut_one(el, item->span, values[k], x, axis++, &cut);
    }
    for (; axis < rank && good; axis++) good = push_axis(el, expr->span, &type, x->type.dim[axis]);
    if (!good) return value_poison();
    place_nodes(el, expr->span);
    return value_tensor(build_reshape(el->g, cut_node(el, x, &cut), &type));
}

Value slice_list(Elab *el, Value list, const AstExpr *slice) {
    SliceParts parts;
    if (!slice_parts(el, slice, false, &parts)) return value_poison();
    Range range = range_of(&parts, list.list->len);
    Value part = value_list(el);
    for (int64_t k = 0; k < range.length; k++) list_push(el, &part, list.list->at[range.start + k * range.step]);
    return part;
}

// narrow(x, axis, start, length), like torch.narrow.
Value run_narrow(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    int axis;
    int64_t start, length;
    Count from;
    Dim dim;
    if (!x || !axis_arg(el, call, 1, x->type.rank, &axis)) return value_poison();
    Count n = count_of_dim(x->type.dim[axis]);
    if (n.size || call->arg[2].kind == VALUE_SIZE || call->arg[3].kind == VALUE_SIZE) {
        if (!dim_from_value(el, call->arg[3], call->at[3], &dim)) return value_poison();
        if (call->arg[2].kind != VALUE_SIZE && !value_to_int(el, call->arg[2], "narrow's start", call->at[2], &start))
            return value_poison();
        bool known = resolve_end(call->arg[2], n, &from) && comparable(n, from) && comparable(n, count_of_dim(dim));
        if (known) return value_tensor(cut_axis(el, x, axis, from, 1, dim));
        refuse_two_sizes(el, call->span, call->name, x, axis);
        return value_poison();
    }
    if (!value_to_int(el, call->arg[2], "narrow's start", call->at[2], &start) ||
        !value_to_int(el, call->arg[3], "narrow's length", call->at[3], &length))
        return value_poison();
    int64_t at = start < 0 ? start + n.at : start;
    if (at < 0 || length < 1 || length > n.at || at > n.at - length)
        return refuse(el, call->span, "narrow: %" PRId64 " element%s from %" PRId64 " on %s axis %d of %s", length,
                      length == 1 ? "" : "s", start, length == 1 ? "leaves" : "leave", axis, type_name(el, &x->type));
    return value_tensor(cut_axis(el, x, axis, count_fixed(at), 1, dim_fixed((int32_t)length)));
}

Value run_flip(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    unsigned axes;
    if (!x || !axes_arg(el, call, 1, x->type.rank, &axes)) return value_poison();
    Cut cut = cut_nothing(x);
    for (int d = 0; d < x->type.rank; d++) {
        if (!(axes >> d & 1)) continue;
        count_add(count_of_dim(x->type.dim[d]), 1, count_fixed(-1), &cut.start[d]);
        cut.step[d] = -1;
    }
    return value_tensor(cut_node(el, x, &cut));
}

static Value refuse_sections(Elab *el, const Call *call, const Node *x, int axis) {
    return refuse(el, call->at[1], "split: parts of %s do not make the %s elements of axis %d of %s",
                  value_text(el, call->arg[1]), value_text(el, value_dim(x->type.dim[axis])), axis,
                  type_name(el, &x->type));
}

// The length of each of `count` equal parts. False: reported.
static bool equal_part(Elab *el, const Call *call, const Node *x, int axis, int64_t count, Dim *part) {
    Count n = count_of_dim(x->type.dim[axis]);
    bool divides = count >= 1 && count <= x->type.dim[axis].extent && n.at % count == 0 && n.times % count == 0;
    if (divides) {
        n.at /= count, n.times = (int32_t)(n.times / count);
        return count_to_dim(n, part);
    }
    refuse(el, call->at[1],
           "split: axis %d of %s has %s elements, which do not make %" PRId64
           " equal parts; a list gives their lengths",
           axis, type_name(el, &x->type), value_text(el, value_dim(x->type.dim[axis])), count);
    note_axis(el, x, axis);
    return false;
}

// split(x, 3) gives a list of equal parts, split(x, [4, 8]) a list of parts of these lengths.
Value run_split(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Value sections = call->arg[1], parts = value_list(el);
    int axis;
    int64_t count;
    Dim part = dim_fixed(1);
    if (!x || !axis_arg(el, call, 2, x->type.rank, &axis)) return value_poison();
    Count n = count_of_dim(x->type.dim[axis]), sum = count_fixed(0);
    bool listed = sections.kind == VALUE_LIST;
    if (listed)
        count = sections.list->len;
    else if (!value_to_int(el, sections, "the number of parts", call->at[1], &count) ||
             !equal_part(el, call, x, axis, count, &part))
        return value_poison();
    for (int k = 0; k < count; k++) {
        Value length = listed ? sections.list->at[k] : value_dim(part);
        if (length.kind == VALUE_INT && (length.i < 1 || length.i > INT32_MAX))
            return refuse_sections(el, call, x, axis);
        if (!dim_from_value(el, length, call->at[1], &part)) return value_poison();
        Count after;
        bool inside = count_add(sum, 1, count_of_dim(part), &after) && (n.size || after.size || after.at <= n.at);
        if (!inside) return refuse_sections(el, call, x, axis);
        list_push(el, &parts, value_tensor(cut_axis(el, x, axis, sum, 1, part)));
        if (!parts.list->at[k].node) return value_poison();
        sum = after;
    }
    return count_equal(sum, n) ? parts : refuse_sections(el, call, x, axis);
}

// ---- concat ---------------------------------------------------------------------------------------------------------

// Joins the parts as a balanced tree of concats, so that few comparisons find the part of an element.
static Node *join(Elab *el, Node *const *parts, int n, int axis) {
    if (n == 1) return parts[0];
    Node *last = join(el, parts + n / 2, n - n / 2, axis);
    return build_concat(el->g, join(el, parts, n / 2, axis), last, axis);
}

static bool check_part(Elab *el, const Call *call, const Node *first, const Node *part, int k, int axis) {
    if (part->type.dtype != first->type.dtype || part->type.rank != first->type.rank)
        return deny(el, call->at[0], "concat: tensor 0 is %s and tensor %d is %s; all have one dtype and rank",
                    type_name(el, &first->type), k, type_name(el, &part->type));
    for (int d = 0; d < first->type.rank; d++) {
        if (d == axis || dim_equal(first->type.dim[d], part->type.dim[d])) continue;
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
    if (!axis_arg(el, call, 1, parts[0]->type.rank, &axis)) return value_poison();
    for (int k = 0; k < n; k++)
        if (!check_part(el, call, parts[0], parts[k], k, axis)) return value_poison();
    return value_tensor(join(el, parts, n, axis));
}

// ---- pad ------------------------------------------------------------------------------------------------------------

// pad(x, axis, before, after, value), which the prelude's pad calls for each axis. A negative number removes elements.
Value run_pad(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    Value value = call->arg[4];
    int axis;
    int64_t before, after;
    if (!x || !axis_arg(el, call, 1, x->type.rank, &axis) ||
        !value_to_int(el, call->arg[2], "a number of elements", call->at[2], &before) ||
        !value_to_int(el, call->arg[3], "a number of elements", call->at[3], &after))
        return value_poison();
    if (!is_number(value) && value.kind != VALUE_BOOL)
        return refuse(el, call->at[4], "pad's value is a number, got %s", value_text(el, value));
    if (x->type.dtype == BOOL && value.kind == VALUE_INT) value = value_bool(value.i != 0);
    if (!to_node(el, value, x->type.dtype, call->at[4])) return value_poison();
    double number = value.kind == VALUE_BOOL ? (double)value.i : number_of(value);
    Count n = count_of_dim(x->type.dim[axis]), kept = n, all = n;
    bool small = before >= -INT32_MAX && before <= INT32_MAX && after >= -INT32_MAX && after <= INT32_MAX;
    int64_t skip = small && before < 0 ? -before : 0, drop = small && after < 0 ? -after : 0;
    Dim part, whole;
    bool fits = small && count_add(n, 1, count_fixed(-skip - drop), &kept) &&
                count_add(n, 1, count_fixed(before + after), &all) && count_to_dim(kept, &part) &&
                count_to_dim(all, &whole);
    if (!fits)
        return refuse(el, call->span, "pad: %" PRId64 " and %" PRId64 " leave nothing of axis %d of %s, or too much",
                      before, after, axis, type_name(el, &x->type));
    x = cut_axis(el, x, axis, count_fixed(skip), 1, part);
    if (!x) return value_poison();
    Cut cut = cut_nothing(x);
    cut.start[axis] = count_fixed(before > 0 ? before : 0);
    cut.shape.dim[axis] = whole;
    return value_tensor(build_pad(el->g, x, &cut.shape, cut.start, cut.step, number));
}

// ---- indices in a tensor --------------------------------------------------------------------------------------------

// Whether the graph shows that all elements are 0 or more; `depth` limits how far the inputs are followed.
static bool never_negative(const Node *node, int depth) {
    double number;
    if (node_constant(node, &number)) return number >= 0;
    if (node->type.dtype == U8 || node->type.dtype == BOOL || node_is(node, iota)) return true;
    if (!depth || !node->nin) return false;
    bool first = never_negative(node->in[0], depth - 1);
    if (node_is(node, select)) return never_negative(node->in[1], depth - 1) && never_negative(node->in[2], depth - 1);
    if (node_is(node, max)) return first || never_negative(node->in[1], depth - 1);
    if (node_is(node, clip)) return never_negative(node->in[1], depth - 1);
    if (node_is(node, reduce)) return first && node_reduces(node) != REDUCE_SUM;
    if (node_is(node, cast)) return first && !dtype_info[node->in[0]->type.dtype].is_float;
    return first && node->nin == 1 && node->op->traits & OP_MOVEMENT && !node_is(node, pad);
}

// Adds the extent to negative indices, so that they count from the end; a run-time size is that of the actual call.
static Value from_end(Elab *el, const Call *call, Node *x, Node *index, int axis) {
    Value at = value_tensor(index), size = value_dim(x->type.dim[axis]);
    bool is_int = index->type.dtype == I32 || index->type.dtype == I64; // the operator refuses all others
    if (!is_int || never_negative(index, 8)) return at;
    Value negative = tensor_binary(el, "<", at, value_int(0), call->span);
    Value moved = is_poison(negative) ? negative : tensor_binary(el, "+", at, size, call->span);
    if (is_poison(moved)) return moved;
    return tensor_elementwise(el, "select", call->name, (Value[]){negative, moved, at}, 3, call->span);
}

// gather(x, index, axis=0): the parts of x at these indices. The axes of `index` replace the axis.
Value run_gather(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0), *index = x ? tensor_arg(el, call, 1) : NULL;
    int axis;
    if (!index || !axis_arg(el, call, 2, x->type.rank, &axis)) return value_poison();
    Value at = from_end(el, call, x, index, axis);
    if (is_poison(at)) return at;
    index = at.node;
    return value_tensor(graph_op(el->g, &op_gather, (Node *[]){x, index}, 2, &(Attr){.i = axis}));
}

// scatter_add(x, index, source, axis=0): x with the parts of `source` added at these indices.
Value run_scatter_add(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0), *index = x ? tensor_arg(el, call, 1) : NULL;
    Node *source = index ? tensor_arg(el, call, 2) : NULL;
    int axis;
    if (!source || !axis_arg(el, call, 3, x->type.rank, &axis)) return value_poison();
    Attr attrs[] = {{.n = x->type.rank, .dims = x->type.dim}, {.i = axis}};
    Node *sum = graph_op(el->g, &op_scatter_add, (Node *[]){source, index}, 2, attrs);
    return sum ? tensor_binary(el, "+", call->arg[0], value_tensor(sum), call->span) : value_poison();
}

// update(x, index, value, axis=0, batch_axes=0): x with the parts at these indices replaced. With batch axes, the axis
// that is not given is the first one after them. A number stands for a value that is full of it.
Value run_update(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0), *index = x ? tensor_arg(el, call, 1) : NULL;
    int64_t batch = 0;
    int axis;
    if (!index) return value_poison();
    if (call->arg[4].kind != VALUE_NONE && !value_to_int(el, call->arg[4], "batch_axes", call->at[4], &batch))
        return value_poison();
    if (batch < 0 || batch > index->type.rank || (batch && batch >= x->type.rank))
        return refuse(el, call->at[4], "update: batch_axes is %" PRId64 "; for indices %s of %s it is 0 to %d", batch,
                      type_name(el, &index->type), type_name(el, &x->type),
                      index->type.rank < x->type.rank ? index->type.rank : x->type.rank - 1);
    if (call->arg[3].kind == VALUE_NONE)
        axis = (int)batch;
    else if (!axis_arg(el, call, 3, x->type.rank, &axis))
        return value_poison();
    Node *value =
        is_number(call->arg[2]) ? to_node(el, call->arg[2], x->type.dtype, call->at[2]) : tensor_arg(el, call, 2);
    if (value && is_number(call->arg[2]) && x->type.rank - 1 + index->type.rank <= MAX_RANK) { // else it is refused
        Type whole = update_value_type(&x->type, &index->type, axis, (int)batch);
        value = build_broadcast_numpy(el->g, value, &whole);
    }
    if (!value) return value_poison();
    return value_tensor(
        graph_op(el->g, &op_update, (Node *[]){x, index, value}, 3, (Attr[]){{.i = axis}, {.i = batch}}));
}

Value run_cumsum(Elab *el, const Call *call) {
    Node *x = tensor_arg(el, call, 0);
    int axis;
    if (!x || !axis_arg(el, call, 1, x->type.rank, &axis)) return value_poison();
    x = widened(el, x);
    return value_tensor(graph_op(el->g, &op_cumsum, &x, 1, (Attr[]){{.i = axis}, {.i = 0}}));
}
