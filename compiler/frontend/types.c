// types.c: types of the language to types of the graph, and matching values against parameters.
//     x: T[B, ...S, 2 * C]  against  f32[N, 7, 7, 64]   binds T = f32, B = N, S = [7, 7] and checks 2 * C == 64
// Bare names of a layer's parameter bind; everything else is evaluated and compared.
#include <inttypes.h>
#include <string.h>

#include "frontend/elaborator.h"

const char *span_source(Elab *el, Span span) {
    if (!span.source) return "";
    return arena_strndup(el->arena, span.source->text + span.start, (size_t)(span.end - span.start));
}

// ---- sizes ---------------------------------------------------------------------------------------------------------

bool type_check_size(Elab *el, const Type *type, Span span) {
    int64_t count;
    if (type_count_checked(type, &count)) return true;
    return deny(el, span, "%s has 2^31 elements or more; a tensor has fewer", type_name(el, type));
}

bool dim_from_value(Elab *el, Value v, Span span, Dim *dim) {
    if (v.kind == VALUE_SIZE) {
        *dim = v.size;
        if (v.size.times >= 1 && v.size.extent >= 1) return true;
        const char *name = el->module->sizes[v.size.size - 1].name;
        if (v.size.times < 1)
            return deny(el, span, "%s shrinks as %s grows; a dimension is c * %s + d with c of at least 1",
                        value_text(el, v), name, name);
        return deny(el, span, "%s is below 1 for every %s up to %d; every axis has at least one element",
                    value_text(el, v), name, dim_bound(v.size));
    }
    if (v.kind == VALUE_COUNT)
        return deny(
            el, span,
            "`%s` is no dimension: of run-time sizes, a dimension is c * N + d of one of them; a product of two, or "
            "a quotient that leaves a remainder, is none",
            span_source(el, user_place(el, span)));
    int64_t extent;
    if (!value_to_int(el, v, "a dimension", span, &extent)) return false;
    if (extent < 1 || extent > INT32_MAX)
        return deny(el, span,
                    extent < 1 ? "a dimension is %" PRId64 "; every axis has at least one element"
                               : "a dimension of %" PRId64 " does not fit; a tensor has fewer than 2^31 elements",
                    extent);
    *dim = dim_fixed((int32_t)extent);
    return true;
}

// Appends one axis. False: reported.
static bool push_dim(Elab *el, Type *type, Value v, Span span) {
    Dim dim;
    if (!dim_from_value(el, v, span, &dim)) return false;
    if (type->rank == MAX_RANK) return deny(el, span, "more than %d axes", MAX_RANK);
    type->dim[type->rank++] = dim;
    return true;
}

bool dims_from_list(Elab *el, Value list, DType dtype, Span span, Type *type) {
    *type = type_scalar(dtype);
    if (is_poison(list)) return false;
    if (list.kind != VALUE_LIST) return deny(el, span, "a shape is a list like [2, 3], got %s", value_text(el, list));
    for (int k = 0; k < list.list->len; k++)
        if (!push_dim(el, type, list.list->at[k], span)) return false;
    return type_check_size(el, type, span);
}

// ---- types whose names are bound -----------------------------------------------------------------------------------

static bool is_plain(const char *name) {
    return !strcmp(name, "int") || !strcmp(name, "float") || !strcmp(name, "bool") || !strcmp(name, "string");
}

// f16, bf16 and i8 parse everywhere and are refused here, at their place.
static bool check_supported(Elab *el, DType dtype, Span span) {
    if (dtype_info[dtype].supported) return true;
    return deny(el, span, "%s is not supported yet; use f32, i32, i64, u8 or bool", dtype_info[dtype].name);
}

// A dtype's name, or a variable that the frame knows.
static bool resolve_dtype(Elab *el, const AstType *ast, DType *dtype) {
    if (dtype_find(ast->name, dtype)) return check_supported(el, *dtype, ast->name_span);
    const Binding *bound = frame_find(el->frame, ast->name);
    if (bound && bound->value.kind == VALUE_DTYPE) {
        *dtype = bound->value.dtype;
        return true;
    }
    if (bound && is_poison(bound->value)) return false;
    Names names = {0};
    for (int k = 0; k < DTYPES; k++) vec_push(el->arena, &names, dtype_info[k].name);
    const char *meant = did_you_mean(el, ast->name, &names);
    return deny(el, ast->name_span, "unknown dtype `%s`%s", ast->name,
                meant[0] ? meant : "; known are f32, i32, i64, u8 and bool");
}

bool type_resolve(Elab *el, const AstType *ast, Type *type) {
    DType dtype;
    if (!ast->has_dims) {
        bool known = dtype_find(ast->name, &dtype);
        return deny(el, ast->span,
                    known ? "a tensor's type has dims: write %s[] for a scalar"
                          : "`%s` is no tensor type, like f32[2, 3]",
                    ast->name);
    }
    if (!resolve_dtype(el, ast, &dtype)) return false;
    *type = type_scalar(dtype);
    bool good = true;
    for (int k = 0; k < ast->dims.len; k++) {
        const AstExpr *item = ast->dims.at[k];
        AstExprs one = {.at = (AstExpr **)&ast->dims.at[k], .len = 1};
        Value list = eval_items(el, &one);
        good &= !is_poison(list);
        for (int i = 0; !is_poison(list) && i < list.list->len; i++)
            good &= push_dim(el, type, list.list->at[i], item->span);
    }
    return good && type_check_size(el, type, ast->span);
}

// ---- matching parameters -------------------------------------------------------------------------------------------

// Reports a mismatch, with the expected type as the header writes it, T[B, 2 * C], and the layer that the user called.
static bool mismatch(Elab *el, const Frame *callee, const AstParam *param, Value value, Span span) {
    const char *layer = el->frame == callee ? blamed_layer(el) : callee->decl->name;
    return deny(el, span, "%s: `%s` must be %s, got %s", layer, param->name, span_source(el, param->type->span),
                value_text(el, value));
}

// Matches int, float, bool and string. An integer becomes a float where `float` is wanted.
static bool match_plain(const char *name, Value *value) {
    if (!strcmp(name, "float") && value->kind == VALUE_INT) *value = value_float((double)value->i);
    ValueKind wanted = !strcmp(name, "int")     ? VALUE_INT
                       : !strcmp(name, "float") ? VALUE_FLOAT
                       : !strcmp(name, "bool")  ? VALUE_BOOL
                                                : VALUE_STRING;
    return value->kind == wanted;
}

// int[2]: a list of two, or one number that is repeated. int[...]: a list of any length, or one number.
static bool match_plain_list(Elab *el, Frame *callee, const AstParam *param, Value *value, Span span) {
    const AstType *type = param->type;
    const AstExpr *dim = type->dims.len == 1 ? type->dims.at[0] : NULL;
    bool is_list = value->kind == VALUE_LIST, any = dim && dim->kind == AST_SPREAD && !dim->s;
    int64_t len = is_list ? value->list->len : 1, n = len;
    bool known = any || (dim && value_to_int(el, eval(el, dim), "a list's length", type->span, &n));
    if (!known || n < 0 || n > MAX_LIST || (is_list && len != n)) return mismatch(el, callee, param, *value, span);
    Value list = value_list(el);
    for (int k = 0; k < n; k++) {
        Value item = is_list ? value->list->at[k] : *value;
        if (!match_plain(type->name, &item)) return mismatch(el, callee, param, *value, span);
        list_push(el, &list, item);
    }
    *value = list;
    return true;
}

// In a layer every bare name binds. A model's names are dims, and only those declared as run-time sizes bind: to the
// caller's axis, also when -D fixes them.
static bool binds(Elab *el, const Frame *callee, const AstExpr *item) {
    if (item->kind != AST_NAME) return false;
    if (callee->decl->kind != DECL_MODEL) return true;
    for (int k = 0; k < el->file->decls.len; k++) {
        const AstDecl *decl = el->file->decls.at[k];
        if (decl->kind == DECL_DIM && decl->runtime && !strcmp(decl->name, item->s)) return true;
    }
    return false;
}

static bool axis_differs(Elab *el, Frame *callee, const AstParam *param, Node *node, int axis, Value want, Span span) {
    mismatch(el, callee, param, value_tensor(node), span);
    if (axis < 0) return false;
    diag_note(el->diag, (Span){0}, "axis %d is %s, and %s is expected", axis,
              value_text(el, value_dim(node->type.dim[axis])), value_text(el, want));
    note_axis(el, node, axis);
    return false;
}

// Called twice for each axis: the first pass (`binding`) binds names, the second checks everything else.
static bool match_axis(Elab *el, Frame *callee, const AstParam *param, Node *node, int axis, const AstExpr *item,
                       bool binding, Span span) {
    Value got = value_dim(node->type.dim[axis]);
    if (binding != binds(el, callee, item)) return true;
    Binding *bound = binding ? frame_find(callee, item->s) : NULL;
    if (binding && !bound) {
        frame_bind(el, callee, item->s, got, item->span);
        return true;
    }
    Value want = bound ? bound->value : eval(el, item);
    if (is_poison(want)) return false;
    return value_equal(got, want) || axis_differs(el, callee, param, node, axis, want, span);
}

// ...S binds the list of the dims that it stands for; `...` matches any dims and binds nothing.
static bool match_rest(Elab *el, Frame *callee, const AstParam *param, Node *node, int from, int n, const AstExpr *item,
                       Span span) {
    if (!item->s) return true;
    Value rest = value_list(el);
    for (int k = 0; k < n; k++) list_push(el, &rest, value_dim(node->type.dim[from + k]));
    Binding *bound = frame_find(callee, item->s);
    if (!bound)
        frame_bind(el, callee, item->s, rest, item->span);
    else if (!value_equal(bound->value, rest)) {
        mismatch(el, callee, param, value_tensor(node), span);
        diag_note(el->diag, (Span){0}, "...%s is %s here, and %s is expected", item->s, value_text(el, rest),
                  value_text(el, bound->value));
        return false;
    }
    return true;
}

static bool match_dims(Elab *el, Frame *callee, const AstParam *param, Node *node, bool binding, Span span) {
    const AstExprs *dims = &param->type->dims;
    int spread = -1, rank = node->type.rank;
    for (int k = 0; k < dims->len; k++)
        if (dims->at[k]->kind == AST_SPREAD) {
            if (spread >= 0) return deny(el, dims->at[k]->span, "a type has at most one `...`");
            spread = k;
        }
    bool fits = spread < 0 ? rank == dims->len : rank >= dims->len - 1;
    if (!fits) return mismatch(el, callee, param, value_tensor(node), span);
    int rest = spread < 0 ? 0 : rank - (dims->len - 1);
    for (int k = 0, axis = 0; k < dims->len; axis += k == spread ? rest : 1, k++)
        if (k != spread && !match_axis(el, callee, param, node, axis, dims->at[k], binding, span)) return false;
    return spread < 0 || !binding || match_rest(el, callee, param, node, spread, rest, dims->at[spread], span);
}

// A dtype variable such as T binds at the first parameter that has it.
static bool match_dtype(Elab *el, Frame *callee, const AstParam *param, Node *node, Span span) {
    DType dtype, got = node->type.dtype;
    const char *name = param->type->name;
    if (!check_supported(el, got, span)) return false;
    if (dtype_find(name, &dtype)) {
        if (dtype == got) return true;
        mismatch(el, callee, param, value_tensor(node), span);
        diag_note(el->diag, (Span){0}, "cast(x, %s) converts", name);
        return false;
    }
    Binding *bound = frame_find(callee, name);
    if (!bound) {
        frame_bind(el, callee, name, value_dtype(got), param->type->span);
        return true;
    }
    if (value_equal(bound->value, value_dtype(got))) return true;
    mismatch(el, callee, param, value_tensor(node), span);
    diag_note(el->diag, (Span){0}, "%s is %s already; cast(x, %s) converts", name, value_text(el, bound->value),
              value_text(el, bound->value));
    return false;
}

// Makes a tensor of one axis of [0.5, 1, 2] for `weight: T[C]`, of T's dtype if it is known. Other lists do not change.
static Value list_tensor(Elab *el, Frame *callee, const AstParam *param, Value list, Span span) {
    DType dtype = F32;
    const Binding *bound = frame_find(callee, param->type->name);
    if (bound && bound->value.kind == VALUE_DTYPE) dtype = bound->value.dtype;
    dtype_find(param->type->name, &dtype);
    if (!list.list->len || param->type->dims.len != 1) return list;
    for (int k = 0; k < list.list->len; k++)
        if (!is_number(list.list->at[k])) return list;
    Type one = {.dtype = dtype, .rank = 1, .dim = {dim_fixed(1)}};
    Node *all = NULL;
    place_nodes(el, span);
    for (int k = 0; k < list.list->len; k++) {
        Node *number = to_node(el, list.list->at[k], dtype, span);
        if (!number) return value_poison();
        number = build_reshape(el->g, number, &one);
        all = all ? build_concat(el->g, all, number, 0) : number;
    }
    return value_tensor(all);
}

bool type_match(Elab *el, Frame *callee, const AstParam *param, Value *value, Span span) {
    const AstType *type = param->type;
    if (is_poison(*value)) return false;
    if (!type) return mismatch(el, callee, param, *value, span);
    if (!type->has_dims && !strcmp(type->name, "any")) return true;
    if (value->kind == VALUE_NONE && param->value && param->value->kind == AST_NONE) return true;
    bool is_mask = type->has_dims && !strcmp(type->name, "bool"); // bool[B, C] is a tensor's type
    if (is_plain(type->name) && !is_mask) {
        if (type->has_dims) return match_plain_list(el, callee, param, value, span);
        return match_plain(type->name, value) || mismatch(el, callee, param, *value, span);
    }
    DType dtype;
    bool scalar = type->has_dims && type->dims.len == 0 && dtype_find(type->name, &dtype);
    if (scalar && (is_number(*value) || is_runtime(*value) || value->kind == VALUE_BOOL))
        *value = value_tensor(to_node(el, *value, dtype, span));
    if (is_poison(*value)) return false;
    if (!type->has_dims)
        return deny(el, type->span,
                    "`%s` is no type of a parameter; known are int, float, bool, string, int[2], float[2] "
                    "and tensors like f32[B, C]",
                    type->name);
    if (value->kind == VALUE_LIST) *value = list_tensor(el, callee, param, *value, span);
    if (is_poison(*value)) return false;
    if (!is_tensor(*value)) return mismatch(el, callee, param, *value, span);
    return match_dtype(el, callee, param, value->node, span) && match_dims(el, callee, param, value->node, true, span);
}

bool type_check(Elab *el, Frame *callee, const AstParam *param, Value value, Span span) {
    return !is_tensor(value) || !param->type->has_dims || match_dims(el, callee, param, value.node, false, span);
}

// Checks a returned value against the header's type; a number becomes a scalar of that dtype.
bool check_result(Elab *el, const AstResult *result, Value *value, Span span) {
    Type type;
    if (is_poison(*value) || !type_resolve(el, result->type, &type)) return false;
    const char *name = result->name ? result->name : "the result";
    if (!is_tensor(*value) && type.rank == 0) *value = value_tensor(to_node(el, *value, type.dtype, span));
    if (is_poison(*value)) return false;
    if (is_tensor(*value) && type_equal(&value->node->type, &type)) return true;
    refuse(el, span, "%s: %s is declared as %s, got %s", el->frame->decl->name, name, type_name(el, &type),
           value_text(el, *value));
    if (!is_tensor(*value)) return false;
    const Type *got = &value->node->type;
    if (got->dtype != type.dtype) note_dtype(el, value->node, type.dtype);
    for (int k = 0; got->rank == type.rank && k < type.rank; k++)
        if (!dim_equal(got->dim[k], type.dim[k])) note_axis(el, value->node, k);
    return false;
}
