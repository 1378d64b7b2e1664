// ast.c: the constructors of build.h.
//     x |> f(2)     becomes     CALL f (x, 2), piped
// A constructor reports an error and returns a value that parsing can go on with: no tree is used after an error.
#include <string.h>

#include "frontend/build.h"

// ---- Expressions

// Updates the depth of e for one child. Beyond the limit, which is reported once, e becomes a node without children:
// the tree stays shallow, and the depth of e tells its parents that the limit was passed.
static void add_depth(Parser *p, AstExpr *e, const AstExpr *child) {
    if (!child) return;
    if (child->depth >= e->depth) e->depth = child->depth + 1;
    if (e->depth <= AST_DEPTH_MAX) return;
    if (child->depth == AST_DEPTH_MAX) parse_too_deep(p, e->op_span);
    *e = (AstExpr){.kind = AST_NONE, .span = e->span, .op_span = e->op_span, .depth = AST_DEPTH_MAX + 1};
}

AstExpr *ast_expr(Parser *p, AstExpr expr) {
    AstExpr *e = NEW(p->arena, AstExpr);
    *e = expr;
    e->depth = 1;
    if (!e->op_span.source) e->op_span = e->span;
    add_depth(p, e, expr.left);
    add_depth(p, e, expr.right);
    add_depth(p, e, expr.third);
    for (int i = 0; i < expr.items.len; i++) add_depth(p, e, expr.items.at[i]);
    for (int i = 0; i < expr.args.len; i++) add_depth(p, e, expr.args.at[i].value);
    for (int i = 0; i < expr.parts.len; i++) add_depth(p, e, expr.parts.at[i].expr);
    return e;
}

AstExpr *ast_string(Parser *p, Span span, AstParts parts) {
    return EXPR(AST_STRING, .span = span, .parts = parts, .s = parts.len == 1 ? parts.at[0].text : NULL);
}

AstExpr *ast_binary(Parser *p, Span op_span, const char *op, AstExpr *left, AstExpr *right) {
    Span span = span_join(left->span, right->span);
    return EXPR(AST_BINARY, .span = span, .op_span = op_span, .s = op, .left = left, .right = right);
}

AstExpr *ast_pipe(Parser *p, AstExpr *left, Span right, Span name_span, const char *name, AstArgs args) {
    AstArgs all = ast_arg(p, (AstArgs){0}, left->span, NULL, left);
    for (int i = 0; i < args.len; i++) vec_push(p->arena, &all, args.at[i]);
    Span span = span_join(left->span, right);
    return EXPR(AST_CALL, .span = span, .op_span = name_span, .s = name, .args = all, .piped = true);
}

AstExpr *ast_parenthesised(Span span, AstExpr *expr) {
    expr->span = span;
    return expr;
}

static AstScan *scan_or_new(Parser *p, AstScan *scan) { return scan ? scan : NEW(p->arena, AstScan); }

AstScan *ast_element(Parser *p, AstScan *scan, Span span, const char *name, AstExpr *sequence, AstExpr *axis) {
    scan = scan_or_new(p, scan);
    scan->elements = ast_param(p, scan->elements, span, name, NULL, sequence);
    scan->axes = ast_exprs(p, scan->axes, axis);
    return scan;
}

AstScan *ast_scan_option(Parser *p, AstScan *scan, Span span, const char *name, AstExpr *value) {
    scan = scan_or_new(p, scan);
    scan->options = ast_param(p, scan->options, span, name, NULL, value);
    return scan;
}

AstExpr *ast_scan(Parser *p, Span span, AstScan *scan, AstParams carried, AstStmts body) {
    scan->carried = carried;
    scan->body = body;
    return EXPR(AST_SCAN, .span = span, .scan = scan);
}

AstYields ast_yield(Parser *p, AstYields yields, AstExpr *expr, AstExpr *axis) {
    return (AstYields){ast_exprs(p, yields.exprs, expr), ast_exprs(p, yields.over, axis)};
}

AstWith ast_group(Parser *p, AstWith with, AstExpr *expr, AstExprs over) {
    if (expr->kind != AST_CALL && expr->depth <= AST_DEPTH_MAX)
        diag_error(p->diag, expr->span, "minimize: an optimiser is called, as in `with sgd(lr=0.1)`");
    vec_push(p->arena, &with.groups, ((AstGroup){.with = expr, .over = over}));
    return with;
}

AstWith ast_groups(Parser *p, Span span, AstExpr *chain, AstWith with) {
    if (!with.groups.len)
        diag_error(p->diag, span, "minimize: no optimiser in the braces, as in { sgd(lr=0.1) over \"*\" }");
    if (chain && chain->kind != AST_CALL && chain->depth <= AST_DEPTH_MAX)
        diag_error(p->diag, chain->span, "minimize: what changes the gradients is called, as in clip_norm(1.0) |> {");
    with.chain = chain;
    with.braces = true;
    return with;
}

// ---- Lists

static void check_items(Parser *p, int len, Span span) {
    if (len != AST_ITEMS_MAX + 1) return;
    diag_error(p->diag, span, "more than %d items in one list", AST_ITEMS_MAX);
    p->give_up = true;
}

AstExprs ast_exprs(Parser *p, AstExprs list, AstExpr *expr) {
    vec_push(p->arena, &list, expr);
    if (expr) check_items(p, list.len, expr->span);
    return list;
}

AstParts ast_part(Parser *p, AstParts list, const char *text, AstExpr *expr) {
    vec_push(p->arena, &list, (AstPart){text, expr});
    return list;
}

AstArgs ast_arg(Parser *p, AstArgs list, Span name_span, const char *name, AstExpr *value) {
    bool misplaced = !name && list.len && list.at[list.len - 1].name;
    if (misplaced) diag_error(p->diag, value->span, "an argument without a name stands after one with a name");
    vec_push(p->arena, &list, (AstArg){name, name_span, value});
    check_items(p, list.len, value->span);
    return list;
}

AstParams ast_param(Parser *p, AstParams list, Span span, const char *name, AstType *type, AstExpr *value) {
    vec_push(p->arena, &list, (AstParam){name, span, type, value});
    check_items(p, list.len, span);
    return list;
}

AstResults ast_result(Parser *p, AstResults list, Span span, const char *name, AstType *type) {
    vec_push(p->arena, &list, (AstResult){name, span, type});
    check_items(p, list.len, span);
    return list;
}

AstStmts ast_stmts(Parser *p, AstStmts list, AstStmt *stmt) {
    if (stmt) vec_push(p->arena, &list, stmt);
    return list;
}

// ---- Types, statements, declarations

AstType *ast_type(Parser *p, Span span, Span name_span, const char *name, bool has_dims, AstExprs dims) {
    AstType *type = NEW(p->arena, AstType);
    *type = (AstType){.span = span, .name = name, .name_span = name_span, .has_dims = has_dims, .dims = dims};
    return type;
}

AstStmt *ast_stmt(Parser *p, AstStmt stmt) {
    AstStmt *made = NEW(p->arena, AstStmt);
    *made = stmt;
    return made;
}

AstStmt *ast_minimize(Parser *p, Span span, Span keyword, AstExpr *loss, AstExprs over, AstWith with) {
    // For a single optimizer `with sgd(lr=0.1) over "head"` means the same as `over "head" with sgd(lr=0.1)`.
    bool trailing = with.groups.len == 1 && !with.braces && !over.len;
    if (trailing) over = with.groups.at[0].over, with.groups.at[0].over = (AstExprs){0};
    return STMT(DO_MINIMIZE, span, keyword, .exprs = ast_exprs(p, (AstExprs){0}, loss), .over = over, .with = with);
}

AstStmt *ast_checkpoint(Parser *p, Span span, Span keyword, AstArgs args, AstStmts body) {
    bool steps = args.len == 1 && args.at[0].name && !strcmp(args.at[0].name, "steps");
    if (!steps) diag_error(p->diag, span, "checkpoint takes `steps` or nothing, as in checkpoint(steps=16) { ... }");
    return STMT(DO_CHECKPOINT, span, keyword, .body = body,
                .exprs = steps ? ast_exprs(p, (AstExprs){0}, args.at[0].value) : (AstExprs){0});
}

static AstDecl *new_decl(Parser *p, AstDecl decl) {
    AstDecl *made = NEW(p->arena, AstDecl);
    *made = decl;
    vec_push(p->arena, &p->file->decls, made);
    return made;
}

void ast_dim(Parser *p, Span span, Span name_span, const char *name, AstExpr *value, bool runtime) {
    new_decl(p, (AstDecl){DECL_DIM, span, name, name_span, .value = value, .runtime = runtime});
}

AstDecl *ast_decl(Parser *p, AstDeclKind kind, Span span, Span name_span, const char *name, AstParams params,
                  AstResults results, AstStmts body) {
    if (kind == DECL_MODEL && !results.len)
        diag_error(p->diag, name_span, "model %s: the results are missing: write `-> (NAME: DTYPE[DIMS])` before `{`",
                   name);
    return new_decl(p, (AstDecl){kind, span, name, name_span, .params = params, .results = results, .body = body});
}
