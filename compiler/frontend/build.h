// build.h: the constructors that the grammar's actions call. Each checks what the grammar cannot say, reports it, and
// returns a node that the caller may go on with: parsing never stops for the user's errors.
#ifndef DLC_BUILD_H
#define DLC_BUILD_H

#include "frontend/ast.h"

enum {
    AST_DEPTH_MAX = 1000,   // of an expression's tree: later stages recurse over it
    AST_ITEMS_MAX = 100000, // of one list, call or index
};

// One run of the parser.
typedef struct Parser {
    Arena *arena;
    Diag *diag;
    const Source *source;
    AstFile *file;
    bool give_up;        // the rest of this statement is skipped: a limit was passed and reported
    bool scan_refused;   // a `scan` was refused: its `yield` need not be
    const char *invalid; // the message of the token at hand, when the scanner could not make one
    Span previous;       // the token before the one at hand
} Parser;

AstExpr *ast_int(Parser *p, Span span, long long value);
AstExpr *ast_float(Parser *p, Span span, double value);
AstExpr *ast_bool(Parser *p, Span span, bool value);
AstExpr *ast_none(Parser *p, Span span);
AstExpr *ast_name(Parser *p, Span span, const char *name);
AstExpr *ast_string(Parser *p, Span span, const AstParts *parts);
AstParts *ast_part(Parser *p, AstParts *parts, const char *text, AstExpr *expr); // either text or expr
AstExpr *ast_list(Parser *p, Span span, const AstExprs *items);
AstExpr *ast_range(Parser *p, AstExpr *from, AstExpr *to);
AstExpr *ast_spread(Parser *p, Span span, const char *name);
AstExpr *ast_unary(Parser *p, Span op_span, const char *op, AstExpr *operand);
AstExpr *ast_binary(Parser *p, Span op_span, const char *op, AstExpr *left, AstExpr *right);
AstExpr *ast_call(Parser *p, Span span, Span name_span, const char *name, const AstArgs *args);
AstExpr *ast_pipe(Parser *p, AstExpr *left, Span right, Span name_span, const char *name, const AstArgs *args);
AstExpr *ast_index(Parser *p, Span span, AstExpr *left, const AstExprs *items);
AstExpr *ast_slice(Parser *p, Span span, AstExpr *from, AstExpr *to, AstExpr *step);
// The same expression, whose place now includes its parentheses.
AstExpr *ast_parenthesised(Span span, AstExpr *expr);
AstExpr *ast_scan(Parser *p, Span keyword);

// Lists grow in place; NULL is the empty one.
AstExprs *ast_exprs(Parser *p, AstExprs *list, AstExpr *expr);
AstArgs *ast_arg(Parser *p, AstArgs *list, Span name_span, const char *name, AstExpr *value);
AstParams *ast_param(Parser *p, AstParams *list, Span span, const char *name, AstType *type, AstExpr *value);
AstResults *ast_result(Parser *p, AstResults *list, Span span, const char *name, AstType *type);
AstStmts *ast_stmts(Parser *p, AstStmts *list, AstStmt *stmt); // stmt NULL: it was in error

AstType *ast_type(Parser *p, Span span, Span name_span, const char *name, bool has_dims, const AstExprs *dims);

AstStmt *ast_assign(Parser *p, Span span, const AstParams *targets, AstExpr *value);
AstStmt *ast_return(Parser *p, Span span, Span keyword, const AstExprs *values);
AstStmt *ast_tensor(Parser *p, AstStmtKind kind, Span span, Span keyword, Span name_span, const char *name,
                    AstExpr *path, AstType *type, AstExpr *init);
AstStmt *ast_for(Parser *p, Span span, Span keyword, Span name_span, const char *name, AstExpr *list,
                 const AstStmts *body);
AstStmt *ast_if(Parser *p, Span span, Span keyword, AstExpr *condition, const AstStmts *body, const AstStmts *other);
AstStmt *ast_check(Parser *p, AstStmtKind kind, Span span, Span keyword, AstExpr *condition, AstExpr *message);
AstStmt *ast_minimize(Parser *p, Span span, Span keyword, AstExpr *loss, const AstExprs *over, const AstWith *with);
AstStmt *ast_freeze(Parser *p, Span span, Span keyword, const AstExprs *patterns);
AstStmt *ast_block(Parser *p, AstStmtKind kind, Span span, Span keyword, const AstStmts *body);
AstStmt *ast_yield(Parser *p, Span keyword);
// A list of groups grows in place; NULL is the empty one. `chain` NULL: there is none.
AstWith *ast_group(Parser *p, AstWith *with, AstExpr *expr, const AstExprs *over);
AstWith *ast_groups(Parser *p, Span span, AstExpr *chain, AstWith *with);

// Declarations go straight into the file.
void ast_dim(Parser *p, Span span, const char *doc, Span name_span, const char *name, AstExpr *value, bool runtime);
AstDecl *ast_decl(Parser *p, AstDeclKind kind, Span span, const char *doc, Span name_span, const char *name,
                  const AstParams *params, const AstResults *results, const AstStmts *body);

// Reports a syntax error: `found` at `span` is one of the grammar's symbols as its %token line words it, `expected` all
// those that would have been right, in the grammar's order.
void parse_syntax_error(Parser *p, Span span, const char *found, const char *const *expected, int count);
void parse_too_deep(Parser *p, Span span);

#endif
