// expr.c: expressions to values.
//     [B, ...S, 2 * C]  ->  a list        x + 1  ->  a node        "blocks.{i}"  ->  a string
// A value with an error is poison, and what is computed from poison reports nothing more. Operators over tensors are in
// tensor.c, over compile-time values in value.c, calls in call.c.
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "frontend/elaborator.h"

// ---- names -------------------------------------------------------------------------------------------------------

Binding *scope_find(const Scope *scope, const char *name) {
    int place = tag_known(&scope->places, name);
    return place ? &scope->all.at[place - 1] : NULL;
}

// The newest binding of a name wins.
Binding *scope_bind(Elab *el, Scope *scope, Binding binding) {
    int *place = tag_of(&scope->places, binding.name);
    if (!*place) {
        vec_push(el->arena, &scope->all, binding);
        *place = scope->all.len;
    }
    scope->all.at[*place - 1] = binding;
    return &scope->all.at[*place - 1];
}

void frame_bind(Elab *el, Frame *frame, const char *name, Value value, Span span) {
    scope_bind(el, &frame->names, (Binding){.name = name, .value = value, .span = span});
}

// Predefined names, which need no declaration. They can be shadowed.
static bool eval_constant_name(Elab *el, const char *name, Value *value) {
    DType dtype;
    if (dtype_find(name, &dtype))
        *value = value_dtype(dtype);
    else if (!strcmp(name, "training"))
        *value = value_bool(el->training);
    else if (!strcmp(name, "inf"))
        *value = value_float(INFINITY);
    else if (!strcmp(name, "nan"))
        *value = value_float(NAN);
    else
        return false;
    return true;
}

static bool assigns(const AstStmts *body, const char *name) {
    for (int k = 0; k < body->len; k++) {
        const AstStmt *stmt = body->at[k];
        for (int n = 0; n < stmt->names.len && stmt->kind == DO_ASSIGN; n++)
            if (!strcmp(stmt->names.at[n].name, name)) return true;
        if (assigns(&stmt->body, name) || assigns(&stmt->other, name)) return true;
    }
    return false;
}

// Reports an unknown name, with a suggestion from all names that could stand here.
static Value unknown_name(Elab *el, const char *name, Span span) {
    const AstScan *scan = el->frame->scan;
    if (scan && assigns(&scan->body, name))
        return refuse(
            el, span,
            "unknown name `%s`: the step assigns it later; what the step before assigned is there if it is carried: "
            "`from %s = INITIAL`",
            name, name);
    Names near = {0};
    const Scope *scopes[] = {&el->frame->names, &el->dims};
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < scopes[s]->all.len; k++) vec_push(el->arena, &near, scopes[s]->all.at[k].name);
    for (int k = 0; k < DTYPES; k++) vec_push(el->arena, &near, dtype_info[k].name);
    static const char *const words[] = {"training", "true", "false", "none"};
    for (size_t k = 0; k < sizeof words / sizeof *words; k++) vec_push(el->arena, &near, words[k]);
    const char *meant = did_you_mean(el, name, &near);
    if (!meant[0] && find_decl(el, name))
        return refuse(el, span, "`%s` is a layer, not a value: call it, %s(...)", name, name);
    return refuse(el, span, "unknown name `%s`%s", name, meant);
}

// Looks in the frame, in the dims (not from the prelude, which must not depend on them) and in the predefined names.
static Value eval_name(Elab *el, const char *name, Span span) {
    Frame *frame = el->frame;
    Binding *bound = frame_find(frame, name);
    if (!bound) {
        const Binding *dim = frame->decl && frame->decl->span.source->prelude ? NULL : scope_find(&el->dims, name);
        Value value;
        if (dim) return dim->value;
        return eval_constant_name(el, name, &value) ? value : unknown_name(el, name, span);
    }
    if (bound->inner)
        return refuse(el, span, "`%s` is computed in the steps of a scan: `yield %s` gives it of all steps", name,
                      name);
    bool elsewhere = frame->g != el->g;
    if (elsewhere && (bound->storage || bound->is_step || value_holds_node(bound->value)))
        return refuse(el, span, "`%s` is a tensor of an entry; parameters are initialised before any entry runs", name);
    if (bound->is_step) return minimize_step(el, frame, span);
    if (!bound->storage) return bound->value;
    place_nodes(el, span);
    return value_tensor(storage_now(el, bound->storage));
}

// ---- strings and lists ---------------------------------------------------------------------------------------------

// "fc{i}" -> "fc0". Numbers print as they would be written.
static Value eval_parts(Elab *el, const AstExpr *expr) {
    Str s = str_new(el->arena);
    bool poison = false;
    for (int k = 0; k < expr->parts.len; k++) {
        const AstPart *part = &expr->parts.at[k];
        if (part->text) {
            str_put(&s, part->text);
            continue;
        }
        Value v = eval(el, part->expr);
        bool printable = v.kind == VALUE_INT || v.kind == VALUE_FLOAT || v.kind == VALUE_BOOL ||
                         v.kind == VALUE_STRING || v.kind == VALUE_DTYPE;
        poison |= !printable;
        if (printable)
            str_put(&s, v.kind == VALUE_STRING ? v.s : value_text(el, v));
        else if (!is_poison(v))
            refuse(el, part->expr->span, "a string cannot hold %s", value_kind_text(v));
        if (s.len > MAX_LIST) return refuse(el, expr->span, "a string of more than %d bytes", MAX_LIST);
    }
    return poison ? value_poison() : value_string(str_text(&s));
}

// 0..4 -> 0, 1, 2, 3: without the end.
static bool push_range(Elab *el, Value *list, const AstExpr *range) {
    int64_t from, to;
    if (!value_to_int(el, eval(el, range->left), "the start of a range", range->left->span, &from)) return false;
    Value end = eval(el, range->right);
    if (is_runtime(end))
        return deny(el, range->span,
                    "a range is known at compile time, and %s is given at run time: `scan e in x { ... }` loops over "
                    "the elements of a tensor at run time, and `scan t in iota([%s]) { ... }` counts",
                    value_text(el, end), value_text(el, end));
    if (!value_to_int(el, end, "the end of a range", range->right->span, &to)) return false;
    if (to > from && (uint64_t)to - (uint64_t)from > (uint64_t)(MAX_LIST - list->list->len))
        return deny(el, range->span, "a range of more than %d integers", MAX_LIST);
    for (int64_t i = from; i < to; i++) list_push(el, list, value_int(i));
    return true;
}

// Appends one item: a value, a range, or all items of a spread list.
static bool push_item(Elab *el, Value *list, const AstExpr *item) {
    if (item->kind == AST_RANGE) return push_range(el, list, item);
    if (item->kind != AST_SPREAD) {
        Value v = eval(el, item);
        if (v.kind == VALUE_TUPLE) v = refuse(el, item->span, "a list item must be one value, got several results");
        list_push(el, list, v);
        return !is_poison(v);
    }
    if (!item->s)
        return deny(el, item->span,
                    "`...` alone stands for axes in a parameter's type only; here it needs a list's name");
    Value spread = eval_name(el, item->s, item->span);
    if (is_poison(spread)) return false;
    if (spread.kind != VALUE_LIST)
        return deny(el, item->span, "`...%s` needs a list, and `%s` is %s", item->s, item->s, value_kind_text(spread));
    if (list->list->len + spread.list->len > MAX_LIST) {
        return deny(el, item->span, "a list of more than %d items", MAX_LIST);
    }
    for (int k = 0; k < spread.list->len; k++) list_push(el, list, spread.list->at[k]);
    return true;
}

Value eval_items(Elab *el, const AstExprs *items) {
    Value list = value_list(el);
    bool good = true;
    for (int k = 0; k < items->len; k++) good &= push_item(el, &list, items->at[k]);
    return good ? list : value_poison();
}

// list[i]; a negative i counts from the end.
static Value eval_index(Elab *el, const AstExpr *expr) {
    Value base = eval(el, expr->left);
    if (is_poison(base)) return base;
    if (is_tensor(base)) return index_tensor(el, base.node, expr);
    if (base.kind != VALUE_LIST)
        return refuse(el, expr->span, "only lists and tensors have items, and this is %s", value_kind_text(base));
    if (expr->items.len != 1) return refuse(el, expr->span, "a list takes one index");
    const AstExpr *item = expr->items.at[0];
    if (item->kind == AST_SLICE) return slice_list(el, base, item);
    int64_t i;
    int len = base.list->len;
    if (!value_to_int(el, eval(el, item), "an index", item->span, &i)) return value_poison();
    if (i < -len || i >= len)
        return refuse(el, item->span, "index %" PRId64 " is outside a list of %d item%s", i, len, len == 1 ? "" : "s");
    return base.list->at[i < 0 ? i + len : i];
}

// ---- operators -----------------------------------------------------------------------------------------------------

static Value bool_needed(Elab *el, const char *op, Value v, Span span) {
    return refuse(el, span, "`%s` needs a bool, got %s", op, value_text(el, v));
}

// `and` and `or` of compile-time bools do not look at the right side when the left decides.
static Value eval_logic(Elab *el, const AstExpr *expr) {
    bool is_and = !strcmp(expr->s, "and");
    Value a = eval(el, expr->left);
    if (is_poison(a)) return a;
    if (a.kind == VALUE_BOOL && (a.i != 0) != is_and) return a;
    if (a.kind != VALUE_BOOL && !is_tensor(a)) return bool_needed(el, expr->s, a, expr->left->span);
    Value b = eval(el, expr->right);
    if (is_poison(b)) return b;
    if (b.kind != VALUE_BOOL && !is_tensor(b)) return bool_needed(el, expr->s, b, expr->right->span);
    if (a.kind == VALUE_BOOL && b.kind == VALUE_BOOL) return b;
    return tensor_binary(el, expr->s, a, b, expr->span);
}

static Value eval_unary(Elab *el, const AstExpr *expr) {
    Value v = eval(el, expr->left);
    if (is_poison(v)) return v;
    if (is_tensor(v)) return tensor_unary(el, expr->s, v, expr->span);
    if (!strcmp(expr->s, "not"))
        return v.kind == VALUE_BOOL ? value_bool(!v.i) : bool_needed(el, "not", v, expr->left->span);
    if (v.kind == VALUE_FLOAT) return value_float(-v.f);
    if (v.kind == VALUE_INT || is_runtime(v)) return value_binary(el, "-", value_int(0), v, expr->span);
    return refuse(el, expr->span, "`-` is not defined for %s", value_kind_text(v));
}

static Value eval_binary(Elab *el, const AstExpr *expr) {
    if (!strcmp(expr->s, "and") || !strcmp(expr->s, "or")) return eval_logic(el, expr);
    Value a = eval(el, expr->left), b = eval(el, expr->right);
    if (is_poison(a) || is_poison(b)) return value_poison();
    bool asks = !strcmp(expr->s, "==") || !strcmp(expr->s, "!=");
    if (asks && (a.kind == VALUE_NONE || b.kind == VALUE_NONE)) // was it given? a tensor is never none
        return value_bool((a.kind == b.kind) == (expr->s[0] == '='));
    if (is_tensor(a) || is_tensor(b)) return tensor_binary(el, expr->s, a, b, expr->span);
    return value_binary(el, expr->s, a, b, expr->span);
}

static Value eval_kind(Elab *el, const AstExpr *expr) {
    switch (expr->kind) {
    case AST_INT:
        return value_int(expr->i);
    case AST_FLOAT:
        return value_float(expr->f);
    case AST_STRING:
        return eval_parts(el, expr);
    case AST_BOOL:
        return value_bool(expr->i);
    case AST_NONE:
        return value_none();
    case AST_NAME:
        return eval_name(el, expr->s, expr->span);
    case AST_LIST:
        return eval_items(el, &expr->items);
    case AST_RANGE: {
        Value list = value_list(el);
        return push_range(el, &list, expr) ? list : value_poison();
    }
    case AST_SPREAD:
        return refuse(el, expr->span, "`...` stands in lists and in types only");
    case AST_UNARY:
        return eval_unary(el, expr);
    case AST_BINARY:
        return eval_binary(el, expr);
    case AST_CALL:
        return eval_call(el, expr);
    case AST_INDEX:
        return eval_index(el, expr);
    case AST_SCAN:
        return eval_scan(el, expr);
    case AST_SLICE:
        return refuse(el, expr->span, "`:` stands inside an index only");
    }
    return value_poison();
}

// The elaborator recurses on the C stack, so the depth is limited here.
Value eval(Elab *el, const AstExpr *expr) {
    if (!expr || !spend_step(el, expr->span)) return value_poison();
    if (el->depth >= MAX_DEPTH) {
        el->stop = true;
        return refuse(el, expr->span, "calls and expressions nest deeper than %d", MAX_DEPTH);
    }
    el->depth++;
    Value v = eval_kind(el, expr);
    el->depth--;
    return v;
}

bool eval_bool(Elab *el, const AstExpr *expr, const char *what, bool *to) {
    Value v = eval(el, expr);
    if (is_poison(v)) return false;
    if (v.kind != VALUE_BOOL)
        return deny(el, expr->span, "%s must be known at compile time as true or false, got %s%s", what,
                    value_text(el, v),
                    is_tensor(v) && v.node->type.dtype == BOOL ? "; select(x, a, b) chooses between tensors" : "");
    *to = v.i;
    return true;
}

const char *eval_string(Elab *el, const AstExpr *expr, const char *what) {
    Value v = eval(el, expr);
    if (v.kind == VALUE_STRING) return v.s;
    if (!is_poison(v)) refuse(el, expr->span, "%s must be a string, got %s", what, value_text(el, v));
    return NULL;
}
