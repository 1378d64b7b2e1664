// expr.c: indices and expressions of the loop IR as C expressions.
//
//     load h[n, o]                      h[n * 256 + o]            dlc_vload(h + (n * 256 + o)) with lanes
//     apply relu(apply add(%a, %b))     dlc_reluf(acc + bias[o])
//     %a used twice                     const float t1 = ...; above the statement, then t1
//
// An operator's text comes from its record's templates (ops/op.h); nothing here knows an operator. Offsets: an index
// of each axis is an int in [0, extent), so a flat offset of a small tensor is an int too; larger ones are summed as
// size_t, where wrapping in between does not matter.
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "emit/parts.h"

enum {
    DEEPEST = 8,           // operators nested in one expression; what is deeper gets a name
    INT_OFFSETS = 1 << 28, // tensors of fewer elements: partial sums of an offset stay far below 2^31
};

static Text text_primary(const char *c) { return (Text){.c = c, .primary = true}; }

static const char *in_parentheses(Printer *p, Text text) {
    return text.primary ? text.c : arena_printf(p->arena, "(%s)", text.c);
}

static Text cast_text(Printer *p, const char *ctype, Text text) {
    return text_primary(arena_printf(p->arena, "(%s)%s", ctype, in_parentheses(p, text)));
}

// Whether a text must be rounded. Targets with vectors compute floats in float precision, so nothing is rounded there.
static bool is_rounded(const Printer *p, Text text) { return text.wide && !p->target->vector_bytes; }

const char *rounded_text(Printer *p, Text text) {
    return is_rounded(p, text) ? arena_printf(p->arena, "dlc_f(%s)", text.c) : text.c;
}

// ---- names --------------------------------------------------------------------------------------------------------

// The name of a local or variable. Names that are in scope together differ.
static const char *name_in_scope(Printer *p, const void *of, const char *wanted) {
    Names taken = {.arena = p->arena};
    for (int i = 0; i < p->locals.len; i++) {
        if (p->locals.at[i].of == of) return p->locals.at[i].name;
        vec_push(p->arena, &taken.at, (Name){p->locals.at[i].name, 2});
    }
    const char *name = names_take(&taken, wanted);
    vec_push(p->arena, &p->locals, (Local){of, name});
    return name;
}

const char *local_name(Printer *p, const Buffer *buffer) {
    return name_in_scope(p, buffer, buffer->name ? buffer->name : "local");
}

const char *variable_name(Printer *p, const Var *var) { return name_in_scope(p, var, var->name); }

Formal *formal_of(Printer *p, Buffer *buffer) {
    int n = p->formals->buffers.len;
    for (int i = 0; i < n; i++)
        if (p->formals->buffers.at[i].own == buffer) return &p->formals->buffers.at[i];
    vec_push(p->kept, &p->formals->buffers, (Formal){.own = buffer, .buffer = buffer, .number = n});
    return &p->formals->buffers.at[n];
}

const char *formal_number(Arena *arena, const Formal *formal) { return arena_printf(arena, "#%d", formal->number); }

static const char *buffer_name(Printer *p, Buffer *buffer, bool write) {
    if (buffer_is_local(buffer)) return local_name(p, buffer);
    Formal *formal = formal_of(p, buffer);
    *(write ? &formal->written : &formal->read) = true;
    return formal_number(p->arena, formal);
}

static const char *size_name(Printer *p, int size) {
    int *number = &p->formals->size[size], used = 0;
    for (int k = 0; k < FORMAL_NUMBERS; k++) used += p->formals->size[k] > 0;
    if (!*number) *number = used + 1;
    return arena_printf(p->arena, "##%d", *number - 1);
}

// ---- indices ------------------------------------------------------------------------------------------------------

// An offset: a constant c and a sum of coef * factor.
typedef struct Summand {
    int64_t coef;
    const char *factor;
} Summand;

typedef struct Terms {
    int64_t c;
    VEC(Summand) at;
} Terms;

static void terms_add(Printer *p, Terms *terms, int64_t coef, const char *factor) {
    if (!coef) return;
    for (int i = 0; i < terms->at.len; i++) {
        if (strcmp(terms->at.at[i].factor, factor)) continue;
        terms->at.at[i].coef += coef;
        return;
    }
    vec_push(p->arena, &terms->at, (Summand){coef, factor});
}

// The summands that have the same coefficient as the first one: "i * 784", "(i + r) * 784". Marks them as printed.
// Summands of an offset that may not fit an int are cast one by one.
static const char *product_text(Printer *p, Terms *terms, int first, bool as_size_t) {
    int64_t coef = terms->at.at[first].coef, size = coef < 0 ? -coef : coef;
    Str s = str_new(p->arena);
    int n = 0;
    for (int i = first; i < terms->at.len; i++) {
        if (terms->at.at[i].coef != coef || (i > first && (size == 1 || as_size_t))) continue;
        str_printf(&s, "%s%s", n++ ? " + " : "", terms->at.at[i].factor);
        terms->at.at[i].coef = 0;
    }
    const char *sum = n > 1 ? arena_printf(p->arena, "(%s)", str_text(&s)) : str_text(&s);
    const char *cast = as_size_t ? "(size_t)" : "";
    return size == 1 ? arena_printf(p->arena, "%s%s", cast, sum)
                     : arena_printf(p->arena, "%s%s * %lld", cast, sum, (long long)size);
}

// Positive terms first, then the constant, then what is subtracted: "n * 6 + i - 1".
static Text terms_text(Printer *p, Terms *terms, bool as_size_t) {
    Str s = str_new(p->arena);
    int parts = 0;
    bool product = false, constant = terms->c == 0;
    for (int pass = 0; pass < 3; pass++) {
        if (pass == 1 && (terms->c > 0 || (terms->c < 0 && parts))) {
            int64_t c = terms->c;
            str_printf(&s, "%s%lld", !parts ? "" : c < 0 ? " - " : " + ", (long long)(c < 0 ? -c : c));
            parts++;
            constant = true;
        }
        for (int i = 0; pass != 1 && i < terms->at.len; i++) {
            int64_t coef = terms->at.at[i].coef;
            if (!coef || (coef > 0) != (pass == 0)) continue;
            const char *text = product_text(p, terms, i, as_size_t);
            str_printf(&s, "%s%s", !parts ? (coef < 0 ? "-" : "") : coef < 0 ? " - " : " + ", text);
            product = product || coef < 0 || as_size_t || strchr(text, '*');
            parts++;
        }
    }
    if (!parts) {
        str_printf(&s, "%lld", (long long)terms->c);
        return (Text){.c = str_text(&s), .primary = terms->c >= 0};
    }
    if (!constant) str_printf(&s, " - %lld", -(long long)terms->c), parts++; // only negative terms stand before it
    return (Text){.c = str_text(&s), .primary = parts == 1 && !product, .product = parts == 1};
}

static const char *by_text(Printer *p, const Atom *atom) {
    return atom->other ? in_parentheses(p, index_text(p, atom->other))
                       : arena_printf(p->arena, "%lld", (long long)atom->by);
}

// The text of by - 1, the largest value of a clamp.
static const char *last_text(Printer *p, const Atom *atom) {
    if (!atom->other) return arena_printf(p->arena, "%lld", (long long)atom->by - 1);
    Index last = *atom->other;
    last.c--;
    Text text = index_text(p, &last);
    return text.c;
}

// The text of an atom as an operand of `*`: a name, a product, a call, or in parentheses.
static const char *atom_text(Printer *p, const Atom *atom) {
    switch (atom->kind) {
    case ATOM_VAR:
        return variable_name(p, atom->var);
    case ATOM_SIZE:
        return size_name(p, atom->size);
    case ATOM_STEP:
        return size_name(p, MAX_SIZES + atom->size);
    case ATOM_TIMES:
        return arena_printf(p->arena, "%s * %s", in_parentheses(p, index_text(p, atom->of)),
                            in_parentheses(p, index_text(p, atom->other)));
    case ATOM_DIV:
    case ATOM_MOD:
        return arena_printf(p->arena, "(%s %c %s)", in_parentheses(p, index_text(p, atom->of)),
                            atom->kind == ATOM_DIV ? '/' : '%', by_text(p, atom));
    case ATOM_MIN: {
        Text a = index_text(p, atom->of), b = index_text(p, atom->other);
        return arena_printf(p->arena, "dlc_min_i32(%s, %s)", a.c, b.c);
    }
    case ATOM_CLAMP:
        return arena_printf(p->arena, "dlc_min_i32(dlc_max_i32(%s, 0), %s)", index_text(p, atom->of).c,
                            last_text(p, atom));
    case ATOM_LOADED:
        return arena_printf(p->arena, "(int)%s", in_parentheses(p, expr_text(p, atom->loaded)));
    }
    dlc_bug("emit", "an index has an atom of unknown kind %d", (int)atom->kind);
}

static void terms_add_index(Printer *p, Terms *terms, const Index *index, int64_t scale, const char *sizes) {
    for (int i = 0; i < index->nterms; i++)
        terms_add(p, terms, index->term[i].coef * scale,
                  arena_printf(p->arena, "%s%s", atom_text(p, &index->term[i].atom), sizes));
    if (*sizes)
        terms_add(p, terms, index->c * scale, sizes + strspn(sizes, " *"));
    else
        terms->c += index->c * scale;
}

Text index_text(Printer *p, const Index *index) {
    Terms terms = {0};
    terms_add_index(p, &terms, index, 1, "");
    return terms_text(p, &terms, false);
}

// A run-time axis's number of elements, as a factor: N, or (2 * N + 1).
static const char *count_text(Printer *p, Dim dim) {
    const char *name = size_name(p, dim.size - 1);
    if (dim.times == 1 && !dim.plus) return name;
    Str s = str_new(p->arena);
    count_put(&s, dim.times, dim.plus, name);
    return arena_printf(p->arena, "(%s)", str_text(&s));
}

// The stride of an axis: elements, times run-time sizes (" * N"). Arguments are dense in the actual sizes; everything
// else is laid out with run-time axes at their bounds.
static int64_t axis_stride(Printer *p, const Buffer *buffer, int axis, const char **sizes) {
    *sizes = "";
    if (buffer->scope != SCOPE_ARGUMENT) return buffer->stride[axis];
    int64_t stride = 1;
    for (int d = buffer->rank - 1; d > axis; d--) {
        if (buffer->dim[d].size)
            *sizes = arena_printf(p->arena, "%s * %s", *sizes, count_text(p, buffer->dim[d]));
        else
            stride *= buffer->dim[d].extent;
    }
    return stride;
}

const char *stride_text(Printer *p, const Buffer *buffer, int axis) {
    const char *sizes;
    int64_t stride = axis_stride(p, buffer, axis, &sizes);
    return *sizes ? arena_printf(p->arena, "(size_t)%lld%s", (long long)stride, sizes)
                  : arena_printf(p->arena, "%lld", (long long)stride);
}

static bool is_large(const Buffer *buffer) { return buffer_reach(buffer) >= INT_OFFSETS; }

static void add_axis(Printer *p, Terms *terms, const Buffer *buffer, int axis, const Index *at) {
    const char *sizes;
    if (!at->nterms && !at->c && !buffer->before[axis]) return; // no stride, and so no run-time size
    int64_t stride = axis_stride(p, buffer, axis, &sizes);
    terms_add_index(p, terms, at, stride, sizes);
    terms->c += buffer->before[axis] * stride;
}

static Text offset_text(Printer *p, const Buffer *buffer, const Index *const *at) {
    Terms terms = {0};
    for (int d = 0; d < buffer->rank; d++) add_axis(p, &terms, buffer, d, at[d]);
    return terms_text(p, &terms, is_large(buffer));
}

static const char *address(Printer *p, const char *name, Text offset) {
    if (!strcmp(offset.c, "0")) return name;
    return arena_printf(p->arena, "%s + %s", name, offset.product ? offset.c : in_parentheses(p, offset));
}

const char *place_address(Printer *p, const Place *place) {
    Terms terms = {0};
    for (int d = 0; d < place->buffer->rank; d++) add_axis(p, &terms, place->buffer, d, place->far[d]);
    terms.c = place->c;
    return address(p, buffer_name(p, place->buffer, place->written), terms_text(p, &terms, is_large(place->buffer)));
}

// The distance from a named place: a constant and the variables of unrolled loops.
static Text near_text(Printer *p, const Buffer *buffer, const Index *const *at, int64_t constant) {
    Terms terms = {.c = constant};
    for (int d = 0; d < buffer->rank; d++)
        for (int k = 0; k < at[d]->nterms; k++)
            if (term_is_unrolled(&at[d]->term[k]))
                terms_add(p, &terms, at[d]->term[k].coef * buffer->stride[d],
                          variable_name(p, at[d]->term[k].atom.var));
    return terms_text(p, &terms, is_large(buffer));
}

const char *address_text(Printer *p, Buffer *buffer, const Index *const *at, bool write) {
    const char *name = buffer_name(p, buffer, write);
    int64_t c;
    const Place *place = place_find(p, buffer, at, &c);
    if (place) return address(p, place->name, near_text(p, buffer, at, c));
    return address(p, name, offset_text(p, buffer, at));
}

// "conv1, n * 80000 + 32"
const char *prefetch_text(Printer *p, Buffer *buffer, const Index *const *at) {
    return arena_printf(p->arena, "%s, %s", buffer_name(p, buffer, false), offset_text(p, buffer, at).c);
}

// acc[r][v]; an axis of one element has no brackets.
static const char *register_text(Printer *p, const Buffer *buffer, const Index *const *at) {
    Str s = str_new(p->arena);
    str_put(&s, local_name(p, buffer));
    for (int d = 0; d < buffer->rank; d++)
        if (buffer->dim[d].extent > 1) str_printf(&s, "[%s]", index_text(p, at[d]).c);
    return str_text(&s);
}

const char *element_text(Printer *p, Buffer *buffer, const Index *const *at, bool write) {
    if (buffer->scope == SCOPE_REGISTER) return register_text(p, buffer, at);
    const char *name = buffer_name(p, buffer, write);
    if (buffer->by_value) return name;
    int64_t c;
    const Place *place = place_find(p, buffer, at, &c);
    if (place) return arena_printf(p->arena, "%s[%s]", place->name, near_text(p, buffer, at, c).c);
    return arena_printf(p->arena, "%s[%s]", name, offset_text(p, buffer, at).c);
}

// ---- literals -----------------------------------------------------------------------------------------------------

static Text float_text(Printer *p, double value, bool as_double) {
    if (isnan(value)) return text_primary(as_double ? "(double)NAN" : "NAN");
    if (isinf(value) && as_double) return text_primary(value < 0 ? "(-(double)INFINITY)" : "(double)INFINITY");
    if (isinf(value)) return text_primary(value < 0 ? "(-INFINITY)" : "INFINITY");
    // The fewest digits that read back to the same number.
    char digits[40];
    for (int n = 1; n <= 17; n++) {
        snprintf(digits, sizeof digits, "%.*g", n, value);
        if (as_double ? strtod(digits, NULL) == value : strtof(digits, NULL) == (float)value) break;
    }
    const char *point = strpbrk(digits, ".e") ? "" : ".0";
    const char *suffix = as_double ? "" : "f";
    // A compiler that computes with more precision reads 0.1f with more precision too.
    bool wide = !as_double && strtold(digits, NULL) != (long double)(float)value;
    const char *form = signbit(value) && !(wide && !p->target->vector_bytes) ? "(%s%s%s)" : "%s%s%s";
    return (Text){.c = arena_printf(p->arena, form, digits, point, suffix), .primary = true, .wide = wide};
}

static Text const_text(Printer *p, const Expr *e) {
    if (dtype_info[e->dtype].is_float) return float_text(p, e->f, false);
    if (e->dtype == I64) {
        if (e->i == INT64_MIN) return text_primary("INT64_MIN");
        return text_primary(arena_printf(p->arena, e->i < 0 ? "(INT64_C(%lld))" : "INT64_C(%lld)", (long long)e->i));
    }
    if (e->i == INT32_MIN) return text_primary("INT32_MIN");
    return text_primary(arena_printf(p->arena, e->i < 0 ? "(%lld)" : "%lld", (long long)e->i));
}

// ---- expressions --------------------------------------------------------------------------------------------------

const char *expr_ctype(DType dtype, int lanes) {
    if (lanes > 1) return dtype_info[dtype].is_float ? "dlc_vf" : "dlc_vi";
    return dtype == BOOL ? "int" : dtype_info[dtype].c;
}

static const char *unsigned_ctype(DType dtype) {
    int bytes = dtype_info[dtype].bytes;
    return bytes == 1 ? "uint8_t" : bytes == 4 ? "uint32_t" : "uint64_t";
}

// Copies a scalar into every lane. The lanes of a mask have all bits set or none.
static Text splat(Printer *p, const Expr *e, Text text) {
    if (dtype_info[e->dtype].is_float) return text_primary(arena_printf(p->arena, "dlc_vsplat(%s)", text.c));
    return text_primary(
        arena_printf(p->arena, e->dtype == BOOL ? "dlc_vsplat_i32(-(%s))" : "dlc_vsplat_i32(%s)", text.c));
}

// Whether a template calls a function: it has a letter. Then scalars among vectors must become vectors. The operators
// of GNU C take scalars, which keeps `acc + s * b` one broadcast fused multiply-add; a scalar mask is always widened.
static bool template_calls(const char *template) {
    for (const char *c = template; *c; c++)
        if (isalpha((unsigned char)*c) && (c == template || c[-1] != '$')) return true;
    return false;
}

static const char *pick_template(const Expr *e) {
    DType operand = e->nargs ? e->arg[e->nargs - 1]->dtype : e->dtype;
    const char *template = op_c_text(e->op, e->node, e->dtype, operand, e->lanes > 1);
    if (!template)
        dlc_bug("emit", "%s has no C for %s with %d lanes", e->op->name, dtype_info[e->dtype].name, e->lanes);
    return template;
}

// Whether the parenthesis that opens at `at` closes at the end of the text.
static bool one_group(const char *at) {
    int depth = 0;
    for (; *at; at++) {
        depth += (*at == '(') - (*at == ')');
        if (!depth) return *at == ')' && !at[1];
    }
    return false;
}

// Whether a template's text is primary (struct Text): a call is, and a cast of one operand.
static bool template_is_primary(const char *template) {
    const char *at = strncmp(template, "($T)", 4) ? template : template + 4;
    if (at != template && at[0] == '$' && !at[2]) return true;
    while (isalnum((unsigned char)*at) || *at == '_' || !strncmp(at, "$N", 2) || !strncmp(at, "$F", 2) ||
           !strncmp(at, "$S", 2))
        at++;
    return *at == '(' && one_group(at);
}

// Puts one operand. A whole argument of a call needs no parentheses, nor does a product in a sum.
static void put_operand(Str *s, Printer *p, const char *template, const char *hole, Text arg) {
    char before = hole > template ? hole[-1] : 0, after = hole[2];
    if (before == ' ' && hole - 1 > template && hole[-2] == ',') before = ',';
    bool whole = (before == '(' || before == ',') && (after == ')' || after == ',');
    bool in_sum = !strcmp(template, "$0 + $1") || !strcmp(template, "$0 - $1");
    bool bare = whole || (in_sum && arg.product);
    str_put(s, !whole && is_rounded(p, arg) ? rounded_text(p, arg) : bare ? arg.c : in_parentheses(p, arg));
}

// $0 $1 $2: arguments; $T: the result's C type; $U: its unsigned type; $N: its name in .dl ("i32"); $F: nothing in
// double, else "f"; $S: "f" where there shall be no doubles.
static Text fill_template(Printer *p, const Expr *e, const char *template, const Text *arg, bool as_double) {
    Str s = str_new(p->arena);
    for (const char *c = template; *c; c++) {
        if (*c != '$') {
            str_putn(&s, c, 1);
            continue;
        }
        char what = *++c;
        if (what == 'T') str_put(&s, dtype_info[e->dtype].c);
        if (what == 'U') str_put(&s, unsigned_ctype(e->dtype));
        if (what == 'N') str_put(&s, dtype_info[e->dtype].name);
        if (what == 'F' && !as_double) str_put(&s, "f");
        if (what == 'S') str_put(&s, target_avoids_doubles(p->target, p->level) ? "f" : "");
        if (!isdigit((unsigned char)what)) continue;
        if (what - '0' >= e->nargs) dlc_bug("emit", "%s: the template wants argument %c", e->op->name, what);
        put_operand(&s, p, template, c - 1, arg[what - '0']);
    }
    return (Text){.c = str_text(&s),
                  .primary = template_is_primary(template),
                  .product = !strcmp(template, "$0 * $1"),
                  .wide = dtype_info[e->dtype].is_float && strchr(template, ' ') && !template_calls(template)};
}

static bool is_cast_bool(const Expr *e) { return e->kind == EXPR_APPLY && e->nargs == 1 && e->arg[0]->dtype == BOOL; }

// C compilers warn about comparisons that the operands' types decide: an integer with itself, a byte or a truth value
// with a constant out of its range. Such a comparison is written with a difference or a unary `+`, which have no range.
static const char *undecided(Printer *p, const Expr *e, const char *template, const Text *arg) {
    if (e->dtype != BOOL || e->nargs != 2 || strncmp(template, "$0 ", 3) || !dtype_info[e->arg[0]->dtype].is_int)
        return template;
    bool same = !strcmp(arg[0].c, arg[1].c), constant = e->arg[0]->kind == EXPR_CONST || e->arg[1]->kind == EXPR_CONST;
    const char *sign = arena_printf(p->arena, "%.*s", (int)strcspn(template + 3, " "), template + 3);
    if (e->arg[0]->dtype == U8 && (same || constant)) return arena_printf(p->arena, "$0 - $1 %s 0", sign);
    bool truth = constant && (is_cast_bool(e->arg[0]) || is_cast_bool(e->arg[1]));
    return same || truth ? arena_printf(p->arena, "+$0 %s +$1", sign) : template;
}

static Text apply_text(Printer *p, Expr *e, bool as_double) {
    const char *template = pick_template(e);
    bool calls = template_calls(template);
    // Most functions take floats: only their results are widened.
    bool inside = as_double && (!strchr(template, '(') || strstr(template, "$F"));
    Text arg[10];
    if (e->nargs > 10) dlc_bug("emit", "%s has %d arguments", e->op->name, e->nargs);
    for (int i = 0; i < e->nargs; i++) {
        Expr *a = e->arg[i];
        arg[i] = inside && dtype_info[a->dtype].is_float ? expr_text_double(p, a) : expr_text(p, a);
        if (e->lanes > 1 && a->lanes == 1 && (calls || a->dtype == BOOL)) arg[i] = splat(p, a, arg[i]);
    }
    Text text = fill_template(p, e, undecided(p, e, template, arg), arg, inside);
    if (as_double && !inside) return cast_text(p, "double", text);
    if (as_double) text.wide = false;
    return text;
}

static Text load_text(Printer *p, Expr *e, bool as_double) {
    Buffer *buffer = e->buffer;
    if (e->lanes > 1 && buffer->lanes <= 1)
        return text_primary(arena_printf(p->arena, "%s(%s)",
                                         dtype_info[e->dtype].is_float ? "dlc_vload" : "dlc_vload_i32",
                                         address_text(p, buffer, e->at, false)));
    const char *element = element_text(p, buffer, e->at, false);
    if (as_double == buffer->accumulate_double) return text_primary(element);
    return cast_text(p, as_double ? "double" : "float", text_primary(element));
}

static Text index_value_text(Printer *p, const Expr *e) {
    Text text = index_text(p, e->index);
    bool is_float = dtype_info[e->dtype].is_float;
    if (e->lanes > 1)
        return text_primary(
            arena_printf(p->arena, is_float ? "dlc_vcast_f(dlc_vindex(%s))" : "dlc_vindex(%s)", text.c));
    if (e->dtype == I32) return text;
    return cast_text(p, dtype_info[e->dtype].c, text);
}

// The text of an expression that is the same in float and in double: a name, reduced lanes, or an index as a number.
static Text given_text(Printer *p, const Expr *e) {
    int uses = tag_known(&p->uses, e);
    if (uses < 0) return text_primary(arena_printf(p->arena, "t%d", -uses)); // named above the statement
    if (e->kind == EXPR_INDEX_VALUE) return index_value_text(p, e);
    if (e->kind != EXPR_REDUCE_LANES) dlc_bug("emit", "an expression of unknown kind %d", (int)e->kind);
    ReduceKind kind = e->reduce_kind;
    const char *function = kind == REDUCE_SUM ? "dlc_vsum" : kind == REDUCE_MAX ? "dlc_vhmax" : "dlc_vhmin";
    return text_primary(arena_printf(p->arena, "%s(%s)", function, expr_text(p, e->arg[0]).c));
}

static Text any_text(Printer *p, Expr *e, bool as_double) {
    bool named = tag_known(&p->uses, e) < 0;
    if (!named && e->kind == EXPR_CONST) return as_double ? float_text(p, e->f, true) : const_text(p, e);
    if (!named && e->kind == EXPR_LOAD) return load_text(p, e, as_double);
    if (!named && e->kind == EXPR_APPLY) return apply_text(p, e, as_double);
    Text text = given_text(p, e);
    return as_double ? cast_text(p, "double", text) : text;
}

Text expr_text(Printer *p, Expr *e) { return any_text(p, e, false); }
Text expr_text_double(Printer *p, Expr *e) { return any_text(p, e, dtype_info[e->dtype].is_float); }

// A bool is true when it is not 0, and callers may pass any such byte. Operators allow for that, but a plain load
// passes the byte on, and it must not reach a result.
bool expr_passes_bool(const Expr *e) { return e->dtype == BOOL && e->lanes <= 1 && e->kind == EXPR_LOAD; }

// ---- names for what is used twice ---------------------------------------------------------------------------------

// A template that mentions an argument twice, "($0 > 0) - ($0 < 0)", uses it twice.
static int mentions(const char *template, int arg) {
    int count = 0;
    for (const char *c = template; (c = strchr(c, '$')); c++) count += c[1] == '0' + arg;
    return count;
}

static void count_uses(Printer *p, const Expr *e) {
    if ((*tag_of(&p->uses, e))++) return; // its arguments were counted already
    const char *template = e->kind == EXPR_APPLY ? pick_template(e) : NULL;
    for (int i = 0; i < e->nargs; i++) {
        count_uses(p, e->arg[i]);
        if (template && mentions(template, i) > 1) count_uses(p, e->arg[i]);
    }
}

static bool is_leaf(const Expr *e) {
    if (e->kind == EXPR_LOAD) return e->buffer->scope == SCOPE_REGISTER || e->buffer->by_value;
    return e->kind == EXPR_CONST;
}

// Declares names for parts of `e`, and for `e` itself if needed; returns how deep operators nest in the text of `e`.
static int declare(Printer *p, Expr *e, bool top) {
    int uses = tag_known(&p->uses, e);
    if (uses < 0 || is_leaf(e)) return 0;
    int depth = 0;
    for (int i = 0; i < e->nargs; i++) {
        int below = declare(p, e->arg[i], false);
        if (below > depth) depth = below;
    }
    if (top || (uses == 1 && depth < DEEPEST)) return depth + 1;
    Text text = expr_text(p, e);
    *tag_of(&p->uses, e) = -++p->temps;
    print_line(p, "const %s t%d = %s;", expr_ctype(e->dtype, e->lanes), p->temps, text.c);
    return 0;
}

void expr_prepare(Printer *p, Expr *e) {
    count_uses(p, e);
    declare(p, e, true);
}

void expr_release(Printer *p) { tags_clear(&p->uses); }
