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

// EXPR(AST_UNARY, .span = span, .s = "-", .left = x). Without op_span, it is span.
#define EXPR(kind_, ...) ast_expr(p, (AstExpr){.kind = (kind_), __VA_ARGS__})
#define STMT(kind_, span_, keyword_, ...)                                                                              \
    ast_stmt(p, (AstStmt){.kind = (kind_), .span = (span_), .keyword = (keyword_), __VA_ARGS__})

AstExpr *ast_expr(Parser *p, AstExpr expr);
AstExpr *ast_string(Parser *p, Span span, AstParts parts);
AstExpr *ast_binary(Parser *p, Span op_span, const char *op, AstExpr *left, AstExpr *right);
AstExpr *ast_pipe(Parser *p, AstExpr *left, Span right, Span name_span, const char *name, AstArgs args);
// The same expression, whose place now includes its parentheses.
AstExpr *ast_parenthesised(Span span, AstExpr *expr);
void ast_scan(Parser *p, Span keyword);
AstStmt *ast_yield(Parser *p, Span keyword);
AstStmt *ast_stmt(Parser *p, AstStmt stmt);
AstStmt *ast_minimize(Parser *p, Span span, Span keyword, AstExpr *loss, AstExprs over, AstWith with);
AstType *ast_type(Parser *p, Span span, Span name_span, const char *name, bool has_dims, AstExprs dims);
// Declarations go straight into the file.
void ast_dim(Parser *p, Span span, Span name_span, const char *name, AstExpr *value, bool runtime);
AstDecl *ast_decl(Parser *p, AstDeclKind kind, Span span, Span name_span, const char *name, AstParams params,
                  AstResults results, AstStmts body);

// A list and one item more. A new list is {0}.
AstExprs ast_exprs(Parser *p, AstExprs list, AstExpr *expr);
AstParts ast_part(Parser *p, AstParts list, const char *text, AstExpr *expr); // either text or expr
AstArgs ast_arg(Parser *p, AstArgs list, Span name_span, const char *name, AstExpr *value);
AstParams ast_param(Parser *p, AstParams list, Span span, const char *name, AstType *type, AstExpr *value);
AstResults ast_result(Parser *p, AstResults list, Span span, const char *name, AstType *type);
AstStmts ast_stmts(Parser *p, AstStmts list, AstStmt *stmt); // stmt NULL: it was in error
AstWith ast_group(Parser *p, AstWith with, AstExpr *expr, AstExprs over);
AstWith ast_groups(Parser *p, Span span, AstExpr *chain, AstWith with); // `chain` NULL: there is none

// Reports a syntax error: `found` at `span` is one of the grammar's symbols as its %token line words it, `expected` all
// those that would have been right, in the grammar's order.
void parse_syntax_error(Parser *p, Span span, const char *found, const char *const *expected, int count);
void parse_too_deep(Parser *p, Span span);

#endif
