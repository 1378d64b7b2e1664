// formula.c: operators as mathematics: infix where people write infix, and no plumbing. Broadcasts and axes of one
// element are left out, as numpy leaves them out.
//     sub %1, (broadcast (reshape (reduce max %1)))       x - max(x, axis=1)
#include <string.h>

#include "ir/formula.h"
#include "ops/op.h"

const char *formula_operand(Arena *arena, Formula f, Bind bind) {
    return f.bind < bind ? arena_printf(arena, "(%s)", f.text) : f.text;
}

typedef struct Infix {
    const Op *op;
    const char *text;
    Bind bind;
} Infix;

static const Infix infixes[] = {
    {&op_add, "+", BIND_SUM},     {&op_sub, "-", BIND_SUM},     {&op_mul, "*", BIND_PRODUCT},
    {&op_div, "/", BIND_PRODUCT}, {&op_eq, "==", BIND_COMPARE}, {&op_ne, "!=", BIND_COMPARE},
    {&op_lt, "<", BIND_COMPARE},  {&op_le, "<=", BIND_COMPARE}, {&op_gt, ">", BIND_COMPARE},
    {&op_ge, ">=", BIND_COMPARE}, {&op_pow, "**", BIND_POWER},  {&op_and, "and", BIND_LOGIC},
    {&op_or, "or", BIND_LOGIC},
};

static Formula whole(const char *text) { return (Formula){text, BIND_WHOLE, 1}; }
static Formula in_of(const Formulas *r, const Node *node, int k) { return formula_input(r, node->in[k]); }

static const char *dims_text(const Formulas *r, const Type *type) {
    Str s = str_new(r->arena);
    for (int d = 0; d < type->rank; d++) {
        str_put(&s, d ? ", " : "");
        dim_print(&s, type->dim[d], r->sizes);
    }
    return arena_printf(r->arena, "[%s]", str_text(&s));
}

// x - y - z needs none, x - (y - z) does.
static Formula infix(const Formulas *r, const Node *node, const Infix *how) {
    const char *left = formula_operand(r->arena, in_of(r, node, 0), how->bind);
    bool commutes = how->op == &op_add || how->op == &op_mul;
    const char *right = formula_operand(r->arena, in_of(r, node, 1), commutes ? how->bind : how->bind + 1);
    return (Formula){arena_printf(r->arena, "%s %s %s", left, how->text, right), how->bind, 1};
}

static Formula reduction(const Formulas *r, const Node *node) {
    const Iter *iter = node_attr(node, "iter")->iter;
    const char *kind = reduce_words[node_reduces(node)], *x = in_of(r, node, 0).text;
    const Map *from = &iter->map[1];
    Str axes = str_new(r->arena);
    int summed = 0;
    for (int d = 0; d < from->rank; d++) {
        int axis = -1, terms = 0;
        for (int k = 0; k < iter->naxes; k++)
            if (from->dim[d].coef[k]) axis = k, terms++;
        if (terms > 1) return whole(arena_printf(r->arena, "%s(windows of %s)", kind, x));
        if (axis >= iter->nout) str_printf(&axes, summed++ ? ", %d" : "%d", d);
    }
    if (summed == from->rank) return whole(arena_printf(r->arena, "%s(%s)", kind, x));
    return whole(
        arena_printf(r->arena, summed > 1 ? "%s(%s, axis=[%s])" : "%s(%s, axis=%s)", kind, x, str_text(&axes)));
}

// ---- parts of tensors -----------------------------------------------------------------------------------------------

// "2*N-1": without spaces, as an index is written.
static const char *place_text(const Formulas *r, Count place) {
    Str s = str_new(r->arena);
    count_print(&s, place, r->sizes);
    char *text = arena_printf(r->arena, "%s", str_text(&s)), *to = text;
    for (const char *from = text; *from; from++)
        if (*from != ' ') *to++ = *from;
    *to = '\0';
    return text;
}

// The elements that `part` is of `whole`, as python writes it: ":", "0:6", "1:9:2", "::-1".
static void put_range(const Formulas *r, Str *s, Dim whole, Dim part, Count start, int64_t step) {
    Count count = count_of_dim(part), last, end;
    bool known = count_add(start, step, count, &last) && count_add(last, -step, count_fixed(1), &last) &&
                 count_add(last, step < 0 ? -1 : 1, count_fixed(1), &end);
    Count first = step < 0 ? last : start;
    bool from_end = step < 0 && known && count_equal(last, count_fixed(0)); // an end of -1 is none
    if (dim_equal(whole, part) && count_equal(known ? first : start, count_fixed(0))) {
        str_put(s, step == -1 && !dim_is_one(part) ? "::-1" : ":");
        return;
    }
    str_printf(s, "%s:", place_text(r, start));
    if (known && !from_end) str_put(s, place_text(r, end));
    if (step != 1 && !dim_is_one(part)) str_printf(s, ":%lld", (long long)step);
}

// "[:, 0:6]": the places in `whole` of the elements of `part`, up to the last axis that is not taken as a whole.
static const char *ranges_text(const Formulas *r, const Node *node, const Type *whole, const Type *part) {
    Str s = str_new(r->arena);
    int n = 0, axes = 0;
    for (int d = 0; d < whole->rank; d++) {
        Str axis = str_new(r->arena);
        put_range(r, &axis, whole->dim[d], part->dim[d], node->attr[1].counts[d], node->attr[2].ints[d]);
        if (!strcmp(str_text(&axis), ":")) continue;
        for (; axes < d; axes++) str_put(&s, n++ ? ", :" : ":");
        str_printf(&s, "%s%s", n++ ? ", " : "", str_text(&axis));
        axes++;
    }
    return arena_printf(r->arena, "[%s]", n ? str_text(&s) : ":");
}

// "pad(x, at=[:, 0:6])": x stands there, and zeros elsewhere.
static Formula padded(const Formulas *r, const Node *node) {
    double value = node_attr(node, "value")->f;
    return whole(arena_printf(r->arena, value == 0 ? "pad(%s, at=%s)" : "pad(%s, at=%s, value=%.6g)",
                              in_of(r, node, 0).text, ranges_text(r, node, &node->type, &node->in[0]->type), value));
}

// The tensors that a concat joins, those of an inner one along the same axis among them.
static void put_joined(const Formulas *r, Str *s, const Node *node) {
    for (int k = 0; k < 2; k++) {
        const Node *in = node->in[k];
        Formula x = in_of(r, node, k);
        str_put(s, k ? ", " : "");
        if (node_is(in, concat) && in->attr[0].i == node->attr[0].i && x.operators)
            put_joined(r, s, in);
        else
            str_put(s, x.text);
    }
}

static Formula joined(const Formulas *r, const Node *node) {
    Str s = str_new(r->arena);
    put_joined(r, &s, node);
    return whole(arena_printf(r->arena, "concat([%s], axis=%d)", str_text(&s), (int)node->attr[0].i));
}

static Formula movement(const Formulas *r, const Node *node) {
    if (node_is(node, pad)) return padded(r, node);
    Formula x = in_of(r, node, 0);
    if (node_is(node, broadcast)) return x;
    if (node_is(node, slice)) {
        const char *ranges = ranges_text(r, node, &node->in[0]->type, &node->type);
        return whole(arena_printf(r->arena, "%s%s", formula_operand(r->arena, x, BIND_WHOLE), ranges));
    }
    if (node_is(node, reshape)) {
        int at[MAX_RANK]; // a reshape that only adds or drops axes of one element is not worth a word
        if (shape_match_ones(&node->in[0]->type, &node->type, at)) return x;
        const Node *from = node->in[0]; // a broadcast that a reshape makes longer axes of
        bool repeats = node_is(from, broadcast) && type_count(&from->type) != type_count(&from->in[0]->type);
        return whole(
            arena_printf(r->arena, "%s(%s, %s)", repeats ? "repeat" : "reshape", x.text, dims_text(r, &node->type)));
    }
    if (is_matrix_transpose(node)) {
        if (node_is(node->in[0], contract) && x.operators) // it stands here, and has no name
            return formula_contract(r, node->in[0], true);
        return whole(arena_printf(r->arena, "%s^T", formula_operand(r->arena, x, BIND_WHOLE)));
    }
    return (Formula){0};
}

static Formula number(const Formulas *r, const Node *node) {
    Str s = str_new(r->arena);
    if (dtype_info[node->type.dtype].is_float)
        str_printf(&s, "%.6g", node_attr(node, "value")->f);
    else
        str_printf(&s, "%lld", (long long)node_attr(node, "int")->i);
    return (Formula){str_text(&s), *str_text(&s) == '-' ? BIND_SIGN : BIND_WHOLE, 0};
}

static Formula call(const Formulas *r, const Node *node) {
    Str s = str_new(r->arena);
    str_printf(&s, "%s(", node->op->name);
    for (int k = 0; k < node->nin; k++) str_printf(&s, "%s%s", k ? ", " : "", in_of(r, node, k).text);
    if (node_is(node, random)) str_printf(&s, ", \"%s\"", distribution_words[node_attr(node, "distribution")->i]);
    if (node_is(node, cast)) str_printf(&s, ", %s", dtype_info[node->type.dtype].name);
    str_put(&s, ")");
    return whole(str_text(&s));
}

Formula formula_of(const Formulas *r, const Node *node) {
    for (size_t k = 0; k < sizeof infixes / sizeof *infixes; k++)
        if (node->op == infixes[k].op) return infix(r, node, &infixes[k]);
    if (node_is(node, constant)) return number(r, node);
    if (node_is(node, iota)) return (Formula){"index", BIND_WHOLE, 0};
    if (node_is(node, size)) {
        Str s = str_new(r->arena);
        dim_print(&s, node_attr(node, "dim")->dims[0], r->sizes);
        return (Formula){str_text(&s), BIND_WHOLE, 0};
    }
    if (node_is(node, cast) && node_is(node->in[0], size)) return in_of(r, node, 0);
    if (node_is(node, neg))
        return (Formula){arena_printf(r->arena, "-%s", formula_operand(r->arena, in_of(r, node, 0), BIND_SIGN)),
                         BIND_SIGN, 1};
    if (node_is(node, contract)) return formula_contract(r, node, false);
    if (node_is(node, concat)) return joined(r, node);
    if (node_is(node, reduce)) return reduction(r, node);
    Formula moved = node->op->traits & OP_MOVEMENT && node->nin == 1 ? movement(r, node) : (Formula){0};
    return moved.text ? moved : call(r, node);
}
