// ast.c: the constructors of build.h, and the printer.
//     x |> f(2)     becomes     CALL f (x, 2), piped, printed as `x |> f(2)` again
// What a constructor refuses it reports, and returns something harmless: the tree is not used after an error.
#include <string.h>

#include "frontend/build.h"

// ---- Expressions

static AstExpr *new_expr(Parser *p, AstExprKind kind, Span span) {
    AstExpr *e = NEW(p->arena, AstExpr);
    e->kind = kind;
    e->span = e->op_span = span;
    e->depth = 1;
    return e;
}

// Takes a child's depth into e. Beyond the limit, which is reported once, e keeps no children: its tree stays shallow
// and marks its parents by its depth alone.
static void add_depth(Parser *p, AstExpr *e, const AstExpr *child) {
    if (!child) return;
    if (child->depth >= e->depth) e->depth = child->depth + 1;
    if (e->depth <= AST_DEPTH_MAX) return;
    if (child->depth == AST_DEPTH_MAX) parse_too_deep(p, e->op_span);
    *e = (AstExpr){.kind = AST_NONE, .span = e->span, .op_span = e->op_span, .depth = AST_DEPTH_MAX + 1};
}

AstExpr *ast_int(Parser *p, Span span, long long value) {
    AstExpr *e = new_expr(p, AST_INT, span);
    e->i = value;
    return e;
}

AstExpr *ast_float(Parser *p, Span span, double value) {
    AstExpr *e = new_expr(p, AST_FLOAT, span);
    e->f = value;
    return e;
}

AstExpr *ast_bool(Parser *p, Span span, bool value) {
    AstExpr *e = new_expr(p, AST_BOOL, span);
    e->i = value;
    return e;
}

AstExpr *ast_none(Parser *p, Span span) { return new_expr(p, AST_NONE, span); }

AstExpr *ast_name(Parser *p, Span span, const char *name) {
    AstExpr *e = new_expr(p, AST_NAME, span);
    e->s = name;
    return e;
}

AstParts *ast_part(Parser *p, AstParts *parts, const char *text, AstExpr *expr) {
    if (!parts) parts = NEW(p->arena, AstParts);
    vec_push(p->arena, parts, (AstPart){text, expr});
    return parts;
}

AstExpr *ast_string(Parser *p, Span span, const AstParts *parts) {
    AstExpr *e = new_expr(p, AST_STRING, span);
    e->parts = *parts;
    if (parts->len == 1) e->s = parts->at[0].text;
    for (int i = 0; i < parts->len; i++) add_depth(p, e, parts->at[i].expr);
    return e;
}

AstExpr *ast_list(Parser *p, Span span, const AstExprs *items) {
    AstExpr *e = new_expr(p, AST_LIST, span);
    if (!items) return e;
    e->items = *items;
    for (int i = 0; i < items->len; i++) add_depth(p, e, items->at[i]);
    return e;
}

AstExpr *ast_range(Parser *p, AstExpr *from, AstExpr *to) {
    AstExpr *e = new_expr(p, AST_RANGE, span_join(from->span, to->span));
    e->left = from;
    e->right = to;
    add_depth(p, e, from);
    add_depth(p, e, to);
    return e;
}

AstExpr *ast_spread(Parser *p, Span span, const char *name) {
    AstExpr *e = new_expr(p, AST_SPREAD, span);
    e->s = name;
    return e;
}

AstExpr *ast_unary(Parser *p, Span op_span, const char *op, AstExpr *operand) {
    AstExpr *e = new_expr(p, AST_UNARY, span_join(op_span, operand->span));
    e->op_span = op_span;
    e->s = op;
    e->left = operand;
    add_depth(p, e, operand);
    return e;
}

AstExpr *ast_binary(Parser *p, Span op_span, const char *op, AstExpr *left, AstExpr *right) {
    AstExpr *e = new_expr(p, AST_BINARY, span_join(left->span, right->span));
    e->op_span = op_span;
    e->s = op;
    e->left = left;
    e->right = right;
    add_depth(p, e, left);
    add_depth(p, e, right);
    return e;
}

static void refuse(Parser *p, Span span, const char *what) {
    diag_error(p->diag, span, "%s is not supported yet", what);
}

AstExpr *ast_call(Parser *p, Span span, Span name_span, const char *name, const AstArgs *args) {
    AstExpr *e = new_expr(p, AST_CALL, span);
    e->op_span = name_span;
    e->s = name;
    if (!args) return e;
    e->args = *args;
    for (int i = 0; i < args->len; i++) add_depth(p, e, args->at[i].value);
    return e;
}

AstExpr *ast_pipe(Parser *p, AstExpr *left, Span right, Span name_span, const char *name, const AstArgs *args) {
    AstArgs *all = ast_arg(p, NULL, left->span, NULL, left);
    for (int i = 0; args && i < args->len; i++) vec_push(p->arena, all, args->at[i]);
    AstExpr *e = ast_call(p, span_join(left->span, right), name_span, name, all);
    e->piped = true;
    return e;
}

AstExpr *ast_index(Parser *p, Span span, AstExpr *left, const AstExprs *items) {
    AstExpr *e = new_expr(p, AST_INDEX, span);
    e->left = left;
    e->items = *items;
    add_depth(p, e, left);
    for (int i = 0; i < items->len; i++) add_depth(p, e, items->at[i]);
    return e;
}

AstExpr *ast_slice(Parser *p, Span span, AstExpr *from, AstExpr *to, AstExpr *step) {
    AstExpr *e = new_expr(p, AST_SLICE, span);
    e->left = from;
    e->right = to;
    e->third = step;
    add_depth(p, e, from);
    add_depth(p, e, to);
    add_depth(p, e, step);
    return e;
}

AstExpr *ast_parenthesised(Span span, AstExpr *expr) {
    expr->span = span;
    return expr;
}

AstExpr *ast_scan(Parser *p, Span keyword) {
    refuse(p, keyword, "scan");
    p->scan_refused = true;
    return NULL;
}

AstWith *ast_group(Parser *p, AstWith *with, AstExpr *expr, const AstExprs *over) {
    if (!with) with = NEW(p->arena, AstWith);
    if (expr->kind != AST_CALL && expr->depth <= AST_DEPTH_MAX)
        diag_error(p->diag, expr->span, "minimize: an optimiser is called, as in `with sgd(lr=0.1)`");
    vec_push(p->arena, &with->groups, ((AstGroup){.with = expr, .over = over ? *over : (AstExprs){0}}));
    return with;
}

AstWith *ast_groups(Parser *p, Span span, AstExpr *chain, AstWith *with) {
    if (!with) {
        diag_error(p->diag, span, "minimize: no optimiser in the braces, as in { sgd(lr=0.1) over \"*\" }");
        with = NEW(p->arena, AstWith);
    }
    if (chain && chain->kind != AST_CALL && chain->depth <= AST_DEPTH_MAX)
        diag_error(p->diag, chain->span, "minimize: what changes the gradients is called, as in clip_norm(1.0) |> {");
    with->chain = chain;
    with->braces = true;
    return with;
}

// ---- Lists

static void check_items(Parser *p, int len, Span span) {
    if (len != AST_ITEMS_MAX + 1) return;
    diag_error(p->diag, span, "more than %d items in one list", AST_ITEMS_MAX);
    p->give_up = true;
}

AstExprs *ast_exprs(Parser *p, AstExprs *list, AstExpr *expr) {
    if (!list) list = NEW(p->arena, AstExprs);
    vec_push(p->arena, list, expr);
    check_items(p, list->len, expr->span);
    return list;
}

AstArgs *ast_arg(Parser *p, AstArgs *list, Span name_span, const char *name, AstExpr *value) {
    if (!list) list = NEW(p->arena, AstArgs);
    bool behind = !name && list->len && list->at[list->len - 1].name;
    if (behind) diag_error(p->diag, value->span, "an argument without a name stands after one with a name");
    vec_push(p->arena, list, (AstArg){name, name_span, value});
    check_items(p, list->len, value->span);
    return list;
}

AstParams *ast_param(Parser *p, AstParams *list, Span span, const char *name, AstType *type, AstExpr *value) {
    if (!list) list = NEW(p->arena, AstParams);
    vec_push(p->arena, list, (AstParam){name, span, type, value});
    check_items(p, list->len, span);
    return list;
}

AstResults *ast_result(Parser *p, AstResults *list, Span span, const char *name, AstType *type) {
    if (!list) list = NEW(p->arena, AstResults);
    vec_push(p->arena, list, (AstResult){name, span, type});
    check_items(p, list->len, span);
    return list;
}

AstStmts *ast_stmts(Parser *p, AstStmts *list, AstStmt *stmt) {
    if (!list) list = NEW(p->arena, AstStmts);
    if (stmt) vec_push(p->arena, list, stmt);
    return list;
}

AstType *ast_type(Parser *p, Span span, Span name_span, const char *name, bool has_dims, const AstExprs *dims) {
    AstType *type = NEW(p->arena, AstType);
    *type = (AstType){.span = span, .name = name, .name_span = name_span, .has_dims = has_dims};
    if (dims) type->dims = *dims;
    return type;
}

// ---- Statements

static AstStmt *new_stmt(Parser *p, AstStmtKind kind, Span span, Span keyword) {
    AstStmt *s = NEW(p->arena, AstStmt);
    s->kind = kind;
    s->span = span;
    s->keyword = keyword;
    return s;
}

AstStmt *ast_assign(Parser *p, Span span, const AstParams *targets, AstExpr *value) {
    if (!value) return NULL; // a refused scan
    AstStmt *s = new_stmt(p, DO_ASSIGN, span, targets->at[0].span);
    s->names = *targets;
    vec_push(p->arena, &s->exprs, value);
    return s;
}

AstStmt *ast_return(Parser *p, Span span, Span keyword, const AstExprs *values) {
    AstStmt *s = new_stmt(p, DO_RETURN, span, keyword);
    s->exprs = *values;
    return s;
}

AstStmt *ast_tensor(Parser *p, AstStmtKind kind, Span span, Span keyword, Span name_span, const char *name,
                    AstExpr *path, AstType *type, AstExpr *init) {
    AstStmt *s = new_stmt(p, kind, span, keyword);
    s->names = *ast_param(p, NULL, name_span, name, type, init);
    s->path = path;
    s->type = type;
    s->init = init;
    return s;
}

AstStmt *ast_for(Parser *p, Span span, Span keyword, Span name_span, const char *name, AstExpr *list,
                 const AstStmts *body) {
    AstStmt *s = new_stmt(p, DO_FOR, span, keyword);
    s->names = *ast_param(p, NULL, name_span, name, NULL, NULL);
    vec_push(p->arena, &s->exprs, list);
    if (body) s->body = *body;
    return s;
}

AstStmt *ast_if(Parser *p, Span span, Span keyword, AstExpr *condition, const AstStmts *body, const AstStmts *other) {
    AstStmt *s = new_stmt(p, DO_IF, span, keyword);
    vec_push(p->arena, &s->exprs, condition);
    if (body) s->body = *body;
    if (other) s->other = *other;
    return s;
}

AstStmt *ast_check(Parser *p, AstStmtKind kind, Span span, Span keyword, AstExpr *condition, AstExpr *message) {
    AstStmt *s = new_stmt(p, kind, span, keyword);
    vec_push(p->arena, &s->exprs, condition);
    vec_push(p->arena, &s->exprs, message);
    return s;
}

AstStmt *ast_minimize(Parser *p, Span span, Span keyword, AstExpr *loss, const AstExprs *over, const AstWith *with) {
    AstStmt *s = new_stmt(p, DO_MINIMIZE, span, keyword);
    vec_push(p->arena, &s->exprs, loss);
    if (over) s->over = *over;
    s->with = *with;
    // `with sgd(lr=0.1) over "head"` says of the one optimizer what `over "head" with sgd(lr=0.1)` says.
    bool behind = with->groups.len == 1 && !with->braces && !over;
    if (behind) s->over = with->groups.at[0].over, s->with.groups.at[0].over = (AstExprs){0};
    return s;
}

AstStmt *ast_freeze(Parser *p, Span span, Span keyword, const AstExprs *patterns) {
    AstStmt *s = new_stmt(p, DO_FREEZE, span, keyword);
    s->exprs = *patterns;
    return s;
}

AstStmt *ast_block(Parser *p, AstStmtKind kind, Span span, Span keyword, const AstStmts *body) {
    AstStmt *s = new_stmt(p, kind, span, keyword);
    if (body) s->body = *body;
    return s;
}

AstStmt *ast_yield(Parser *p, Span keyword) {
    if (!p->scan_refused) refuse(p, keyword, "yield");
    return NULL;
}

// ---- Declarations

static AstDecl *new_decl(Parser *p, AstDeclKind kind, Span span, const char *doc, Span name_span, const char *name) {
    AstDecl *d = NEW(p->arena, AstDecl);
    *d = (AstDecl){.kind = kind, .span = span, .doc = doc, .name = name, .name_span = name_span};
    vec_push(p->arena, &p->file->decls, d);
    return d;
}

void ast_dim(Parser *p, Span span, const char *doc, Span name_span, const char *name, AstExpr *value, bool runtime) {
    AstDecl *d = new_decl(p, DECL_DIM, span, doc, name_span, name);
    d->value = value;
    d->runtime = runtime;
}

AstDecl *ast_decl(Parser *p, AstDeclKind kind, Span span, const char *doc, Span name_span, const char *name,
                  const AstParams *params, const AstResults *results, const AstStmts *body) {
    AstDecl *d = new_decl(p, kind, span, doc, name_span, name);
    d->has_results = results != NULL;
    if (params) d->params = *params;
    if (results) d->results = *results;
    if (body) d->body = *body;
    if (kind == DECL_MODEL && !results)
        diag_error(p->diag, name_span, "model %s: the results are missing: write `-> (NAME: DTYPE[DIMS])` before `{`",
                   name);
    return d;
}
