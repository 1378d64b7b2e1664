// random_lines.c: statements of random .dl programs, element by element, moved, reduced; of every dtype. What decides
// by comparison (floor, sign, argmax, a kink's gradient) is asked of exact values only, or a little beside the kink, so
// that rounding cannot decide.
#include <string.h>

#include "random_text.h"

static Exact sum_of(Exact a, Exact b) {
    if (a.frac < 0 || b.frac < 0) return inexact;
    return (Exact){a.frac > b.frac ? a.frac : b.frac, (a.mag > b.mag ? a.mag : b.mag) + 1};
}

static Exact product_of(Exact a, Exact b) {
    return a.frac < 0 || b.frac < 0 ? inexact : (Exact){a.frac + b.frac, a.mag + b.mag};
}

static Value with(const Value *v, DType dtype, Exact exact) {
    Value to = *v;
    to.dtype = dtype, to.exact = exact;
    return to;
}

// ---- floats, element by element -----------------------------------------------------------------------------------

// `%s` is the value, three times at most.
static const char *const smooth[] = {"tanh(%s)",
                                     "sigmoid(%s)",
                                     "softplus(%s)",
                                     "sin(%s)",
                                     "cos(%s)",
                                     "erf(%s)",
                                     "gelu(%s)",
                                     "silu(%s)",
                                     "mish(%s)",
                                     "softsign(%s + 0.0137)",
                                     "logsigmoid(%s)",
                                     "tanhshrink(%s)",
                                     "exp(tanh(%s))",
                                     "log(sigmoid(%s) + 0.5)",
                                     "sqrt(%s * %s + 0.5)",
                                     "log1p(sigmoid(%s))",
                                     "expm1(tanh(%s))",
                                     "tanh(%s) ** 3",
                                     "pow(sigmoid(%s) + 0.2, 1.7)",
                                     "pow(sigmoid(%s) + 0.2, tanh(%s))",
                                     "gelu(%s, approximate=\"tanh\")",
                                     "-%s",
                                     "1 / (1 + %s * %s)",
                                     "%s * 0.5 + 1",
                                     "2 - %s",
                                     "%s / 3",
                                     "softplus(%s, beta=2)",
                                     "(sigmoid(%s) + 0.1) ** -1.5",
                                     "2 ** tanh(%s)",
                                     "detach(%s) * 0.5"};
static const char *const kinked[] = {"relu(%s)",
                                     "leaky_relu(%s, 0.1)",
                                     "relu6(%s)",
                                     "hardtanh(%s)",
                                     "hardsigmoid(%s)",
                                     "hardswish(%s)",
                                     "softshrink(%s)",
                                     "abs(%s)",
                                     "clip(%s, -0.5, 0.7)",
                                     "max(%s, 0.125)",
                                     "min(%s, 0.125)",
                                     "elu(%s)",
                                     "selu(%s)",
                                     "celu(%s, 1.3)",
                                     "clamp(%s, max=0.25)",
                                     "prelu(%s)"};
static const char *const steps[] = {"floor(%s * 4)", "ceil(%s * 4)", "round(%s * 4)", "round(%s * 2) * 0.5",
                                    "sign(%s)"};
static const char *const jumps[] = {"hardshrink(%s)", "threshold(%s, 0.1, 7.0)", "floor(%s + 0.3)", "%s - floor(%s)"};
#define ONE_OF(w, list) list[text_pick(w, (int)(sizeof list / sizeof *list))]

static bool put_format(Writer *w, Value like, const char *format, const char *x) {
    Str s = str_new(w->arena);
    for (const char *at = format; *at; at++)
        if (at[0] == '%' && at[1] == 's')
            str_put(&s, x), at++;
        else
            str_putn(&s, at, 1);
    return text_put(w, like, "%s", str_text(&s));
}

static bool unary(Writer *w) {
    const Value *x = text_value(w, FLOATS, 0, TEXT_RANK);
    if (!x) return false;
    int kind = text_pick(w, 8);
    bool exact = x->exact.frac >= 0;
    if (kind < 4) return put_format(w, with(x, F32, inexact), ONE_OF(w, smooth), x->name);
    if (kind < 6) {
        const char *name = exact ? x->name : arena_printf(w->arena, "(%s + 0.0137)", x->name);
        const char *format = ONE_OF(w, kinked);
        if (strstr(format, "prelu")) format = x->rank < 2 ? "relu(%s)" : "prelu(%s)";
        return put_format(w, with(x, F32, inexact), format, name);
    }
    if (!exact) x = text_value(w, EXACT_FLOATS, 0, TEXT_RANK);
    if (!x) return false;
    if (kind == 6) return put_format(w, with(x, F32, (Exact){1, x->exact.mag + 3}), ONE_OF(w, steps), x->name);
    return put_format(w, with(x, F32, inexact), ONE_OF(w, jumps), x->name);
}

// ---- two values that broadcast -----------------------------------------------------------------------------------

static bool broadcast(const Value *a, const Value *b, Value *to) {
    const Value *wide = a->rank >= b->rank ? a : b, *low = wide == a ? b : a;
    *to = *wide;
    for (int d = 0; d < low->rank; d++) {
        Axis *x = &to->axis[wide->rank - low->rank + d], y = low->axis[d];
        if (text_same_axis(*x, text_fixed(1))) *x = y;
        if (!text_same_axis(*x, y) && !text_same_axis(y, text_fixed(1))) return false;
    }
    return true;
}

static const Value *partner(Writer *w, Want want, const Value *x, Value *to) {
    for (int tries = 0; tries < 12; tries++) {
        const Value *y = text_value(w, want, 0, TEXT_RANK);
        if (y && (y != x || tries > 8) && y->dtype == (want == BOOLS ? BOOL : x->dtype) && broadcast(x, y, to))
            return y;
    }
    return NULL;
}

static bool binary(Writer *w) {
    const Value *x = text_value(w, text_pick(w, 3) ? FLOATS : EXACT_FLOATS, 0, TEXT_RANK), *y;
    Value to;
    if (!x || !(y = partner(w, x->exact.frac < 0 ? FLOATS : EXACT_FLOATS, x, &to))) return false;
    to.exact = inexact;
    bool exact = x->exact.frac >= 0 && y->exact.frac >= 0;
    switch (text_pick(w, exact ? 9 : 6)) {
    case 0:
        to.exact = sum_of(x->exact, y->exact);
        return text_put(w, to, "%s + %s", x->name, y->name);
    case 1:
        to.exact = sum_of(x->exact, y->exact);
        return text_put(w, to, "%s - %s", x->name, y->name);
    case 2:
        if (exact) return to.exact = product_of(x->exact, y->exact), text_put(w, to, "%s * %s", x->name, y->name);
        return text_put(w, to, "%s * tanh(%s)", x->name, y->name);
    case 3:
        return text_put(w, to, "%s / (1 + %s * %s)", x->name, y->name, y->name);
    case 4:
        return text_put(w, to, "pow(abs(%s) + 0.25, tanh(%s))", x->name, y->name);
    case 5:
        return text_put(w, to, "(%s - %s) * 0.5", x->name, y->name);
    default:
        to.exact = (Exact){x->exact.frac > y->exact.frac ? x->exact.frac : y->exact.frac,
                           x->exact.mag > y->exact.mag ? x->exact.mag : y->exact.mag};
        return text_put(w, to, "%s(%s, %s)", text_pick(w, 2) ? "max" : "min", x->name, y->name);
    }
}

static bool choose(Writer *w) {
    Want want = text_pick(w, 3) ? FLOATS : text_pick(w, 2) ? INTS : ANYTHING;
    const Value *x = text_value(w, want, 0, TEXT_RANK), *c, *y;
    Value both, to;
    if (!x || !(c = partner(w, BOOLS, x, &both))) return false;
    y = partner(w, want, x, &to);
    if (!y || !broadcast(&both, y, &to) || y->dtype != x->dtype) return false;
    to.dtype = x->dtype;
    to.exact = sum_of(x->exact, y->exact);
    return text_put(w, to, "%s(%s, %s, %s)", text_pick(w, 2) ? "select" : "where", c->name, x->name, y->name);
}

// ---- bools and whole numbers ---------------------------------------------------------------------------------------

static bool compared(Writer *w) {
    static const char *const signs[] = {"==", "!=", "<", "<=", ">", ">="};
    const char *sign = ONE_OF(w, signs);
    Want want = text_pick(w, 2) ? EXACT_FLOATS : INTS;
    const Value *x = text_value(w, want, 0, TEXT_RANK), *y;
    Value to;
    if (!x) return false;
    if (text_pick(w, 2) && (y = partner(w, want, x, &to)))
        return text_put(w, with(&to, BOOL, inexact), "%s %s %s", x->name, sign, y->name);
    return text_put(w, with(x, BOOL, inexact), "%s %s %s", x->name, sign, want == INTS ? "3" : "0.25");
}

static bool logical(Writer *w) {
    const Value *x = text_value(w, BOOLS, 0, TEXT_RANK), *y;
    Value to;
    if (!x) return false;
    if (text_pick(w, 3) == 0) return text_put(w, *x, "not %s", x->name);
    if (!(y = partner(w, BOOLS, x, &to))) return false;
    return text_put(w, with(&to, BOOL, inexact), "%s %s %s", x->name, text_pick(w, 2) ? "and" : "or", y->name);
}

static DType any_int(Writer *w) { return text_pick(w, 3) == 0 ? U8 : text_pick(w, 2) ? I32 : I64; }

static bool whole(Writer *w) {
    static const char *const lone[] = {"%s // 3",        "%s % 5",     "-%s",      "%s * 3 + 1",
                                       "abs(%s)",        "min(%s, 4)", "%s // 0",  "max(%s, 1)",
                                       "clip(%s, 0, 6)", "%s * %s",    "sign(%s)", "%s % -3"};
    const Value *x = text_value(w, INTS, 0, TEXT_RANK), *y;
    Value to;
    if (!x) return false;
    if (text_pick(w, 2) && (y = partner(w, INTS, x, &to))) {
        static const char *const signs[] = {"+", "-", "*", "//", "%"};
        return text_put(w, with(&to, x->dtype, inexact), "%s %s %s", x->name, ONE_OF(w, signs), y->name);
    }
    return put_format(w, with(x, x->dtype, inexact), ONE_OF(w, lone), x->name);
}

static bool converted(Writer *w) {
    DType to = any_int(w);
    int kind = text_pick(w, 5);
    const Value *x = text_value(w, kind == 0 ? BOOLS : kind == 1 ? EXACT_FLOATS : kind == 2 ? INTS : SMALL_INTS, 0, 4);
    if (!x) return false;
    if (kind == 0 && text_pick(w, 2)) return text_put(w, with(x, F32, (Exact){0, 1}), "cast(%s, f32)", x->name);
    if (kind == 0) return text_put(w, with(x, to, (Exact){0, 1}), "cast(%s, %s)", x->name, dtype_info[to].name);
    if (kind == 1)
        return text_put(w, with(x, to, to == U8 ? inexact : (Exact){0, x->exact.mag + 2}), "cast(%s * 4, %s)", x->name,
                        dtype_info[to].name);
    if (kind == 2) return text_put(w, with(x, to, inexact), "cast(%s, %s)", x->name, dtype_info[to].name);
    if (x->exact.mag > 12) return false;
    return text_put(w, with(x, F32, (Exact){2, x->exact.mag}), "cast(%s, f32) * 0.25", x->name);
}

// ---- moved ---------------------------------------------------------------------------------------------------------

static bool turned(Writer *w) {
    const Value *x = text_value(w, ANYTHING, 2, TEXT_RANK);
    if (!x) return false;
    Value to = *x;
    int a = text_pick(w, x->rank), b = text_pick(w, x->rank), last = x->rank - 1;
    to.axis[a] = x->axis[b], to.axis[b] = x->axis[a];
    if (text_pick(w, 2)) return text_put(w, to, "transpose(%s, %d, %d)", x->name, a, b);
    if (x->rank == 3 && text_pick(w, 2)) {
        to.axis[0] = x->axis[2], to.axis[1] = x->axis[0], to.axis[2] = x->axis[1];
        return text_put(w, to, "permute(%s, [2, 0, 1])", x->name);
    }
    to = *x;
    int at = text_pick(w, last); // merged with the axis after it
    Axis p = x->axis[at], q = x->axis[at + 1];
    if (p.size && q.size) return false;
    to.axis[at] =
        p.size ? (Axis){p.size, p.times * q.plus, p.plus * q.plus} : (Axis){q.size, q.times * p.plus, q.plus * p.plus};
    for (int d = at + 1; d < last; d++) to.axis[d] = x->axis[d + 1];
    to.rank--;
    return text_put(w, to, "reshape(%s, %s)", x->name, text_shape(w, &to));
}

static const char *colons(Writer *w, int n) {
    Str s = str_new(w->arena);
    for (int k = 0; k < n; k++) str_put(&s, ":, ");
    return arena_strdup(w->arena, str_text(&s));
}

// Along an axis that has a run-time size: what is left follows from it. A small size may be refused then.
static bool cut(Writer *w, const Value *x, int axis) {
    Value to = *x;
    int n = 1 + text_pick(w, 2);
    const char *before = colons(w, axis);
    switch (text_pick(w, 5)) {
    case 0:
        to.axis[axis].plus -= n;
        return text_put(w, to, "%s[%s%d:]", x->name, before, n);
    case 1:
        to.axis[axis].plus -= n;
        return text_put(w, to, "%s[%s:-%d]", x->name, before, n);
    case 2:
        return text_put(w, to, "%s[%s::-1]", x->name, before);
    case 3:
        to.axis[axis] = text_fixed(n);
        return text_put(w, to, "%s[%s:%d]", x->name, before, n);
    default:
        to.axis[axis].plus += n + 1;
        if (axis + 1 < x->rank || x->dtype != F32) return false;
        return text_put(w, to, "pad(%s, [%d, 1])", x->name, n);
    }
}

// A part along one axis of fixed extent.
static bool sliced(Writer *w) {
    const Value *x = text_value(w, ANYTHING, 1, TEXT_RANK);
    int axis = x ? text_pick(w, x->rank) : 0;
    if (!x) return false;
    if (text_pick(w, 6) == 0 && x->rank < TEXT_RANK) { // an axis of 1
        Value to = *x;
        for (int d = x->rank; d > axis; d--) to.axis[d] = x->axis[d - 1];
        to.axis[axis] = text_fixed(1), to.rank++;
        return text_put(w, to, "%s[%snone]", x->name, colons(w, axis));
    }
    Value to = *x;
    int n = x->axis[axis].plus, kind = text_pick(w, 5);
    bool sized = x->axis[axis].size;
    if (kind == 0 || (sized && kind < 2)) { // one element, and the axis goes
        for (int d = axis; d + 1 < x->rank; d++) to.axis[d] = x->axis[d + 1];
        to.rank--;
        return text_put(w, to, "%s[%s%d]", x->name, colons(w, axis), sized ? 0 : text_pick(w, n));
    }
    if (sized) return cut(w, x, axis);
    if (kind == 1) return text_put(w, to, "flip(%s, %d)", x->name, axis);
    if (kind == 2) return text_put(w, to, "%s[%s::-1]", x->name, colons(w, axis));
    if (kind == 3 && n >= w->bound[0]) { // as many as a run-time size says
        to.axis[axis] = (Axis){1, 1, 0};
        return text_put(w, to, "%s[%s:N]", x->name, colons(w, axis));
    }
    int start = text_pick(w, n), end = start + 1 + text_pick(w, n - start), step = 1 + text_pick(w, 2);
    to.axis[axis] = text_fixed((end - start + step - 1) / step);
    return text_put(w, to, "%s[%s%d:%d:%d]", x->name, colons(w, axis), start, end, step);
}

static bool joined(Writer *w) {
    const Value *x = text_value(w, ANYTHING, 1, TEXT_RANK);
    if (!x) return false;
    int axis = text_pick(w, x->rank), n = x->axis[axis].plus;
    Value to = *x;
    bool sized = x->axis[axis].size;
    const Value *y = NULL;
    for (int tries = 0; tries < 12 && !y; tries++) {
        y = text_value(w, ANYTHING, x->rank, x->rank);
        bool same =
            y && y->dtype == x->dtype && !(sized && y->axis[axis].size && y->axis[axis].size != x->axis[axis].size);
        for (int d = 0; same && d < x->rank; d++) same = d == axis || text_same_axis(x->axis[d], y->axis[d]);
        if (!same) y = NULL;
    }
    if (y && text_pick(w, 3)) {
        to.axis[axis].size = sized ? x->axis[axis].size : y->axis[axis].size;
        to.axis[axis].times += y->axis[axis].times, to.axis[axis].plus += y->axis[axis].plus;
        to.exact = sum_of(x->exact, y->exact);
        return text_put(w, to, "concat([%s, %s], axis=%d)", x->name, y->name, axis);
    }
    if (x->dtype != F32 || sized) return false;
    if (text_pick(w, 2) || axis != x->rank - 1) {
        to.exact = inexact;
        return text_put(w, to, "cumsum(%s, %d) * 0.3", x->name, axis);
    }
    static const char *const modes[] = {"constant", "reflect", "replicate", "circular"};
    int left = text_pick(w, 3), right = text_pick(w, 3), mode = n > 2 ? text_pick(w, 4) : 0;
    to.axis[axis] = text_fixed(n + left + right);
    return text_put(w, to, "pad(%s, [%d, %d], mode=\"%s\")", x->name, left, right, modes[mode]);
}

// ---- reduced -------------------------------------------------------------------------------------------------------

// The axes in `axes` go, or stay as 1.
static Value without(const Value *x, unsigned axes, bool keep) {
    Value to = *x;
    to.rank = 0;
    for (int d = 0; d < x->rank; d++)
        if (keep || !(axes >> d & 1)) to.axis[to.rank++] = axes >> d & 1 ? text_fixed(1) : x->axis[d];
    return to;
}

static const char *axes_text(Writer *w, unsigned axes, bool keep) {
    Str s = str_new(w->arena);
    for (int d = 0; d < TEXT_RANK; d++)
        if (axes >> d & 1) str_printf(&s, "%s%d", str_text(&s)[0] ? ", " : "", d);
    return arena_printf(w->arena, "axis=[%s]%s", str_text(&s), keep ? ", keepdim=true" : "");
}

static bool reduced(Writer *w) {
    int kind = text_pick(w, 12);
    Want want = kind < 7 ? FLOATS : kind < 9 ? EXACT_FLOATS : kind < 11 ? INTS : BOOLS;
    const Value *x = text_value(w, want, 1, TEXT_RANK);
    if (!x) return false;
    bool keep = text_pick(w, 2);
    int axis = text_pick(w, x->rank), n = text_extent(w, x->axis[axis]);
    unsigned axes = 1u + (unsigned)text_pick(w, (1 << x->rank) - 1);
    Value to = without(x, axes, keep);
    const char *which = axes_text(w, axes, keep);
    to.exact = inexact;
    if (want == BOOLS) return text_put(w, with(&to, F32, inexact), "mean(cast(%s, f32), %s)", x->name, which);
    if (want == INTS && kind == 9)
        return text_put(w, with(&to, I64, inexact), "cast(sum(%s, %s), i64)", x->name, which);
    if (want == INTS) return text_put(w, to, "%s(%s, %s)", text_pick(w, 2) ? "max" : "min", x->name, which);
    if (want == EXACT_FLOATS && kind == 7) {
        to.exact = x->exact;
        return text_put(w, to, "%s(%s, %s)", text_pick(w, 2) ? "max" : "min", x->name, which);
    }
    if (want == EXACT_FLOATS) {
        to = with(x, I64, (Exact){0, 13});
        to = without(&to, 1u << axis, keep);
        return text_put(w, to, "%s(%s, axis=%d%s)", text_pick(w, 2) ? "argmax" : "argmin", x->name, axis,
                        keep ? ", keepdim=true" : "");
    }
    switch (kind) {
    case 0:
    case 1:
        return text_put(w, to, "sum(%s, %s) * %.3g", x->name, which, 1 / (double)(1 + n));
    case 2:
        return text_put(w, to, "mean(%s, %s)", x->name, which);
    case 3:
        return text_put(w, to, "var(%s, %s, correction=0)", x->name, which);
    case 4:
        return text_put(w, to, "logsumexp(%s, %s)", x->name, which);
    case 5:
        for (int d = 0; d < x->rank; d++)
            if (axes >> d & 1 && x->axis[d].size) return false; // steps of compile time
        return text_put(w, to, "prod(1 + 0.1 * tanh(%s), %s)", x->name, which);
    default:
        if (w->train) return text_put(w, to, "sqrt(var(%s, %s, correction=0) + 0.1)", x->name, which);
        return text_put(w, to, "%s(%s, %s)", text_pick(w, 2) ? "max" : "min", x->name, which);
    }
}

// ---- made of nothing -----------------------------------------------------------------------------------------------

static bool made(Writer *w) {
    const Value *x = text_value(w, ANYTHING, 1, 3);
    if (!x) return false;
    int axis = text_pick(w, x->rank);
    if (text_pick(w, 3)) {
        DType dtype = text_pick(w, 2) ? I32 : I64;
        return text_put(w, with(x, dtype, (Exact){0, 13}), "iota(%s, axis=%d, dtype=%s)", text_shape(w, x), axis,
                        dtype_info[dtype].name);
    }
    return text_put(w, with(x, F32, (Exact){2, 2}), "full(%s, %d.25)", text_shape(w, x), text_pick(w, 4) - 2);
}

bool text_grow(Writer *w) {
    static bool (*const kinds[])(Writer *) = {
        unary,      unary,      unary,           binary,          binary,       binary,       choose,     compared,
        logical,    whole,      converted,       converted,       turned,       sliced,       sliced,     joined,
        reduced,    reduced,    text_normalised, text_normalised, text_product, text_product, text_image, text_image,
        text_image, text_drawn, text_lookup,     text_lookup,     made,         text_scan,    text_scan};
    return ONE_OF(w, kinds)(w);
}
