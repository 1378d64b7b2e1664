// value.c: compile-time values: text for messages, equality, arithmetic.
//     7 // 2  ->  3        7 / 2  ->  error that proposes 7 // 2        [1] + [2]  ->  [1, 2]        "a" + "b"  -> "ab"
// Integers are 64-bit and overflow is an error; floats are doubles. No node is made here, except for arithmetic over
// run-time sizes.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/elaborator.h"
#include "support/ints.h"

Value value_list(Elab *el) { return (Value){.kind = VALUE_LIST, .list = NEW(el->arena, ValueList)}; }

void list_push(Elab *el, Value *list, Value item) { vec_push(el->arena, list->list, item); }

Value value_dim(Dim dim) { return dim.size ? (Value){.kind = VALUE_SIZE, .size = dim} : value_int(dim.extent); }

bool value_count(Value v, int64_t *times, int64_t *plus) {
    if (v.kind != VALUE_INT && v.kind != VALUE_SIZE) return false;
    *times = v.kind == VALUE_SIZE ? v.size.times : 0;
    *plus = v.kind == VALUE_SIZE ? v.size.plus : v.i;
    return true;
}

// ---- text --------------------------------------------------------------------------------------------------------

// As the user would write it; a tensor is printed as its type.
static void value_print(Elab *el, Str *s, Value v) {
    switch (v.kind) {
    case VALUE_POISON:
        str_put(s, "an error");
        break;
    case VALUE_NONE:
        str_put(s, "none");
        break;
    case VALUE_INT:
        str_printf(s, "%" PRId64, v.i);
        break;
    case VALUE_FLOAT:
        str_put_double(s, v.f);
        break;
    case VALUE_BOOL:
        str_put(s, v.i ? "true" : "false");
        break;
    case VALUE_STRING:
        str_printf(s, "\"%s\"", v.s);
        break;
    case VALUE_DTYPE:
        str_put(s, dtype_info[v.dtype].name);
        break;
    case VALUE_SIZE:
        dim_print(s, v.size, el->module->sizes);
        break;
    case VALUE_COUNT:
        str_put(s, "a run-time number");
        break;
    case VALUE_TENSOR:
        type_print(s, &v.node->type, el->module->sizes);
        break;
    case VALUE_LIST:
    case VALUE_TUPLE:
        str_put(s, v.kind == VALUE_LIST ? "[" : "(");
        for (int k = 0; k < v.list->len; k++) {
            if (k) str_put(s, ", ");
            if (k == 8) { // enough for a message
                str_put(s, "...");
                break;
            }
            value_print(el, s, v.list->at[k]);
        }
        str_put(s, v.kind == VALUE_LIST ? "]" : ")");
        break;
    }
}

const char *value_text(Elab *el, Value v) {
    Str s = str_new(el->arena);
    value_print(el, &s, v);
    return str_text(&s);
}

const char *value_kind_text(Value v) {
    static const char *const text[] = {
        [VALUE_POISON] = "an error",
        [VALUE_NONE] = "none",
        [VALUE_INT] = "an integer",
        [VALUE_FLOAT] = "a float",
        [VALUE_BOOL] = "a bool",
        [VALUE_STRING] = "a string",
        [VALUE_DTYPE] = "a dtype",
        [VALUE_SIZE] = "a run-time size",
        [VALUE_COUNT] = "a run-time number",
        [VALUE_TENSOR] = "a tensor",
        [VALUE_LIST] = "a list",
        [VALUE_TUPLE] = "several results",
    };
    return text[v.kind];
}

// ---- questions -----------------------------------------------------------------------------------------------------

bool value_equal(Value a, Value b) {
    if (is_number(a) && is_number(b))
        return a.kind == b.kind ? (a.kind == VALUE_INT ? a.i == b.i : a.f == b.f) : number_of(a) == number_of(b);
    if (a.kind != b.kind) return false;
    switch (a.kind) {
    case VALUE_NONE:
        return true;
    case VALUE_BOOL:
        return a.i == b.i;
    case VALUE_STRING:
        return !strcmp(a.s, b.s);
    case VALUE_DTYPE:
        return a.dtype == b.dtype;
    case VALUE_SIZE:
        return dim_equal(a.size, b.size);
    case VALUE_TENSOR:
    case VALUE_COUNT:
        return a.node == b.node;
    case VALUE_LIST:
        if (a.list->len != b.list->len) return false;
        for (int k = 0; k < a.list->len; k++)
            if (!value_equal(a.list->at[k], b.list->at[k])) return false;
        return true;
    default:
        return false;
    }
}

// A run-time size may equal any number or any other size: at compile time it is only known that N equals N and differs
// from N + 1. In lists of one length, one undecided pair leaves the answer open. Returns the undecided size, or NONE.
static Value undecided(Value a, Value b) {
    bool numbers = (is_runtime(a) || is_number(a)) && (is_runtime(b) || is_number(b));
    bool apart = a.kind == VALUE_SIZE && b.kind == VALUE_SIZE && a.size.size == b.size.size &&
                 a.size.times == b.size.times; // by a constant
    if (numbers && !apart && (is_runtime(a) || is_runtime(b)) && !value_equal(a, b)) return is_runtime(a) ? a : b;
    if (a.kind != VALUE_LIST || b.kind != VALUE_LIST || a.list->len != b.list->len) return value_none();
    Value open = value_none();
    for (int k = 0; k < a.list->len && open.kind == VALUE_NONE; k++) open = undecided(a.list->at[k], b.list->at[k]);
    return open;
}

// A node belongs to one graph, so a value that holds one must not be used in another graph (an initialiser's).
bool value_holds_node(Value v) {
    if (v.kind == VALUE_TENSOR || v.kind == VALUE_COUNT) return true;
    if (v.kind != VALUE_LIST && v.kind != VALUE_TUPLE) return false;
    for (int k = 0; k < v.list->len; k++)
        if (value_holds_node(v.list->at[k])) return true;
    return false;
}

bool value_to_int(Elab *el, Value v, const char *what, Span span, int64_t *to) {
    if (is_poison(v)) return false;
    if (v.kind == VALUE_INT) {
        *to = v.i;
        return true;
    }
    if (is_runtime(v))
        return deny(el, span, "%s must be known at compile time, got %s, which the caller gives at run time", what,
                    value_text(el, v));
    return deny(el, span, "%s must be an integer, got %s", what, value_text(el, v));
}

// ---- arithmetic ----------------------------------------------------------------------------------------------------

static Value overflow(Elab *el, const char *op, int64_t a, int64_t b, Span span) {
    return refuse(el, span, "%" PRId64 " %s %" PRId64 " does not fit 64-bit integers", a, op, b);
}

// base ** exponent by squaring. False: overflow. The last square is not computed, because it is not needed.
static bool power_int(int64_t base, int64_t exponent, int64_t *to) {
    int64_t result = 1;
    while (exponent) {
        if ((exponent & 1) && __builtin_mul_overflow(result, base, &result)) return false;
        exponent >>= 1;
        if (exponent && __builtin_mul_overflow(base, base, &base)) return false;
    }
    *to = result;
    return true;
}

// Every operation is checked for overflow. Division by -1 has its own case because INT64_MIN / -1 traps.
static Value int_binary(Elab *el, const char *op, int64_t a, int64_t b, Span span) {
    int64_t r;
    if (!strcmp(op, "+")) return __builtin_add_overflow(a, b, &r) ? overflow(el, op, a, b, span) : value_int(r);
    if (!strcmp(op, "-")) return __builtin_sub_overflow(a, b, &r) ? overflow(el, op, a, b, span) : value_int(r);
    if (!strcmp(op, "*")) return __builtin_mul_overflow(a, b, &r) ? overflow(el, op, a, b, span) : value_int(r);
    if (!strcmp(op, "**")) {
        if (b < 0) return value_float(pow((double)a, (double)b));
        return power_int(a, b, &r) ? value_int(r) : overflow(el, op, a, b, span);
    }
    // The divisions.
    if (b == 0) return refuse(el, span, "division of %" PRId64 " by zero", a);
    if (b == -1) {
        if (!strcmp(op, "%")) return value_int(0);
        return __builtin_sub_overflow(0, a, &r) ? overflow(el, op, a, b, span) : value_int(r);
    }
    if (!strcmp(op, "//")) return value_int(floor_div(a, b));
    if (!strcmp(op, "%")) return value_int(a - floor_div(a, b) * b);
    if (a % b)
        return refuse(el, span,
                      "%" PRId64 " / %" PRId64 " leaves a remainder; `//` floors, and %" PRId64 ".0 / %" PRId64
                      " is a float",
                      a, b, a, b);
    return value_int(a / b);
}

static Value float_binary(Elab *el, const char *op, double a, double b, Span span) {
    if (!strcmp(op, "+")) return value_float(a + b);
    if (!strcmp(op, "-")) return value_float(a - b);
    if (!strcmp(op, "*")) return value_float(a * b);
    if (!strcmp(op, "**")) return value_float(pow(a, b));
    if (b == 0) return refuse(el, span, "division of %g by zero", a);
    if (!strcmp(op, "/")) return value_float(a / b);
    if (!strcmp(op, "//")) return value_float(floor(a / b));
    return value_float(a - floor(a / b) * b);
}

static Value compare(const char *op, double a, double b) {
    if (!strcmp(op, "<")) return value_bool(a < b);
    if (!strcmp(op, "<=")) return value_bool(a <= b);
    if (!strcmp(op, ">")) return value_bool(a > b);
    return value_bool(a >= b);
}

static Value compare_int(const char *op, int64_t a, int64_t b) {
    return compare(op, a < b ? -1 : a > b ? 1 : 0, 0); // exact beyond 2^53
}

static bool is_comparison(const char *op) { return op[0] == '<' || op[0] == '>'; }

// ---- run-time sizes ------------------------------------------------------------------------------------------------

// The node i64[] that holds the number at run time.
static Node *count_node(Elab *el, Value v) {
    if (v.kind == VALUE_SIZE) return build_size(el->g, v.size);
    return v.kind == VALUE_COUNT ? v.node : build_constant_int(el->g, I64, v.i);
}

static Value decided_later(Elab *el, const char *op, Value size, Span span) {
    return refuse(el, span, "%s is given at run time, so `%s` cannot be decided at compile time", value_text(el, size),
                  op);
}

static bool fits_dim(int64_t x) { return x >= -INT32_MAX && x <= INT32_MAX; }

// Makes times * N + plus, where N is the size in a or b. Returns false when it does not fit a Dim.
static bool make_count(Elab *el, Value a, Value b, int64_t times, int64_t plus, Value *to) {
    int16_t size = a.kind == VALUE_SIZE ? a.size.size : b.size.size;
    int64_t extent;
    if (__builtin_mul_overflow(times, el->module->sizes[size - 1].bound, &extent)) return false;
    if (__builtin_add_overflow(extent, plus, &extent)) return false;
    if (!fits_dim(times) || !fits_dim(plus) || !fits_dim(extent)) return false;
    Dim dim = {(int32_t)extent, size, (int32_t)times, (int32_t)plus};
    *to = times ? (Value){.kind = VALUE_SIZE, .size = dim} : value_int(plus);
    return true;
}

// 2 * N + 7 by 2 is N + 3 and leaves 1; 4 * N by N is 4. Returns false when the quotient is not c * N + d.
static bool divide_count(Elab *el, Value a, Value b, Value *quotient, int64_t *rest) {
    int64_t times = 0, plus = 0, by_times = 0, by_plus = 0;
    value_count(a, &times, &plus), value_count(b, &by_times, &by_plus);
    *rest = 0;
    if (by_times) {
        if (times % by_times || times / by_times * by_plus != plus) return false;
        *quotient = value_int(times / by_times);
        return true;
    }
    if (!by_plus || times % by_plus) return false;
    int64_t floor = floor_div(plus, by_plus);
    *rest = plus - floor * by_plus;
    return make_count(el, a, b, times / by_plus, floor, quotient);
}

// Arithmetic whose result is c * N + d of one size, which types can use. Returns false for any other result.
static bool count_binary(Elab *el, const char *op, Value a, Value b, Value *to) {
    int64_t at, ap, bt, bp, times, plus;
    if (!value_count(a, &at, &ap) || !value_count(b, &bt, &bp)) return false;
    if (at && bt && a.size.size != b.size.size) return false;
    if (op[0] == '/' || op[0] == '%') {
        int64_t rest;
        if (!divide_count(el, a, b, to, &rest) || (!strcmp(op, "/") && rest)) return false;
        if (op[0] == '%') *to = value_int(rest);
        return true;
    }
    if (!strcmp(op, "*")) {
        if (at && bt) return false;
        bool fits =
            !__builtin_mul_overflow(at ? at : bt, at ? bp : ap, &times) && !__builtin_mul_overflow(ap, bp, &plus);
        return fits && make_count(el, a, b, times, plus, to);
    }
    bool minus = !strcmp(op, "-");
    if (!minus && strcmp(op, "+")) return false;
    bool fits = minus ? !__builtin_sub_overflow(ap, bp, &plus) : !__builtin_add_overflow(ap, bp, &plus);
    return fits && make_count(el, a, b, minus ? at - bt : at + bt, plus, to);
}

// A result that is not c * N + d is a number that types cannot use, but tensors can (the divisor of a mean).
static Value runtime_binary(Elab *el, const char *op, Value a, Value b, Span span) {
    bool ints = (is_runtime(a) || a.kind == VALUE_INT) && (is_runtime(b) || b.kind == VALUE_INT);
    const char *size = value_text(el, is_runtime(a) ? a : b);
    Value count;
    if (is_comparison(op)) return decided_later(el, op, is_runtime(a) ? a : b, span);
    if (!ints)
        return refuse(el, span, "%s is an integer that is known at run time only; cast(%s, f32) makes a tensor of it",
                      size, size);
    place_nodes(el, span);
    if (count_binary(el, op, a, b, &count)) {
        if (is_runtime(count)) build_size(el->g, count.size); // at its place in the source, in case a tensor uses it
        return count;
    }
    const char *name = !strcmp(op, "+")    ? "add"
                       : !strcmp(op, "*")  ? "mul"
                       : !strcmp(op, "-")  ? "sub"
                       : !strcmp(op, "//") ? "div"
                                           : NULL;
    if (!name)
        return refuse(el, span, "`%s` over the run-time size %s; cast(%s, f32) makes a tensor of it", op, size, size);
    Node *right = count_node(el, b), *node = build_binary(el->g, name, count_node(el, a), right);
    return node ? (Value){.kind = VALUE_COUNT, .node = node} : value_poison();
}

// ---- everything else -----------------------------------------------------------------------------------------------

// Joins n lists, alternately lists[0] and lists[1]: for both `a + b` and `a * n`.
static Value list_join(Elab *el, const Value *lists, int64_t n, Span span) {
    Value joined = value_list(el);
    for (int64_t k = 0; k < n; k++) {
        const ValueList *list = lists[k % 2].list;
        if (joined.list->len + (int64_t)list->len > MAX_LIST)
            return refuse(el, span, "a list of more than %d items", MAX_LIST);
        for (int i = 0; i < list->len; i++) list_push(el, &joined, list->at[i]);
        if (!spend_step(el, span)) return value_poison();
    }
    return joined;
}

static Value string_join(Elab *el, const char *a, const char *b, Span span) {
    if (strlen(a) + strlen(b) > MAX_LIST) return refuse(el, span, "a string of more than %d bytes", MAX_LIST);
    return value_string(arena_printf(el->arena, "%s%s", a, b));
}

Value value_binary(Elab *el, const char *op, Value a, Value b, Span span) {
    if (is_poison(a) || is_poison(b)) return value_poison();
    if (!strcmp(op, "==") || !strcmp(op, "!=")) {
        Value open = undecided(a, b);
        if (open.kind != VALUE_NONE) return decided_later(el, op, open, span);
        return value_bool(value_equal(a, b) == (op[0] == '='));
    }
    if ((is_runtime(a) || is_runtime(b)) && (is_runtime(a) || is_number(a)) && (is_runtime(b) || is_number(b)))
        return runtime_binary(el, op, a, b, span);
    if (is_number(a) && is_number(b) && strcmp(op, "@")) {
        bool ints = a.kind == VALUE_INT && b.kind == VALUE_INT;
        if (is_comparison(op)) return ints ? compare_int(op, a.i, b.i) : compare(op, number_of(a), number_of(b));
        return ints ? int_binary(el, op, a.i, b.i, span) : float_binary(el, op, number_of(a), number_of(b), span);
    }
    if (!strcmp(op, "+") && a.kind == VALUE_LIST && b.kind == VALUE_LIST)
        return list_join(el, (Value[]){a, b}, 2, span);
    if (!strcmp(op, "*") && a.kind == VALUE_LIST && b.kind == VALUE_INT)
        return list_join(el, (Value[]){a, a}, b.i, span);
    if (!strcmp(op, "+") && a.kind == VALUE_STRING && b.kind == VALUE_STRING) return string_join(el, a.s, b.s, span);
    return refuse(el, span, "`%s` is not defined for %s and %s", op, value_kind_text(a), value_kind_text(b));
}
