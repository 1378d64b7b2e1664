// build.h: the constructors that the grammar's actions call. Each checks what the grammar cannot express, reports
// errors, and returns a node that the parser can go on with: the user's errors never stop the parsing.
#ifndef DLC_BUILD_H
#define DLC_BUILD_H

#include "frontend/ast.h"

enum {
    AST_DEPTH_MAX = 1000,   // depth of an expression's tree: later stages recurse over it
    AST_ITEMS_MAX = 100000, // items of one list, call or index
};

// One run of the parser.
typedef struct Parser {
    Arena *arena;
    Diag *diag;
    const Source *source;
    AstFile *file;
    bool give_up;        // a limit was passed and reported: skip the rest of this statement
    const char *invalid; // the message for the current token if the scanner could not read it; or NULL
    Span previous;       // the token before the current one
} Parser;

// EXPR(AST_UNARY, .span = span, .s = "-", .left = x). When op_span is not given, it is the same as span.
#define EXPR(kind_, ...) ast_expr(p, (AstExpr){.kind = (kind_), __VA_ARGS__})
#define STMT(kind_, span_, keyword_, ...)                                                                              \
    ast_stmt(p, (AstStmt){.kind = (kind_), .span = (span_), .keyword = (keyword_), __VA_ARGS__})

AstExpr *ast_expr(Parser *p, AstExpr expr);
AstExpr *ast_string(Parser *p, Span span, AstParts parts);
AstExpr *ast_binary(Parser *p, Span op_span, const char *op, AstExpr *left, AstExpr *right);
AstExpr *ast_pipe(Parser *p, AstExpr *left, Span right, Span name_span, const char *name, AstArgs args);
// Returns the same expression with its span widened to include the parentheses.
AstExpr *ast_parenthesised(Span span, AstExpr *expr);
AstStmt *ast_stmt(Parser *p, AstStmt stmt);
AstStmt *ast_minimize(Parser *p, Span span, Span keyword, AstExpr *loss, AstExprs over, AstWith with);
AstType *ast_type(Parser *p, Span span, Span name_span, const char *name, bool has_dims, AstExprs dims);
// Both add the declaration to p->file.
void ast_dim(Parser *p, Span span, Span name_span, const char *name, AstExpr *value, bool runtime);
AstDecl *ast_decl(Parser *p, AstDeclKind kind, Span span, Span name_span, const char *name, AstParams params,
                  AstResults results, AstStmts body);

// Each returns the list with one more item. An empty list is {0}.
AstExprs ast_exprs(Parser *p, AstExprs list, AstExpr *expr);
AstParts ast_part(Parser *p, AstParts list, const char *text, AstExpr *expr); // either text or expr
AstArgs ast_arg(Parser *p, AstArgs list, Span name_span, const char *name, AstExpr *value);
AstParams ast_param(Parser *p, AstParams list, Span span, const char *name, AstType *type, AstExpr *value);
AstResults ast_result(Parser *p, AstResults list, Span span, const char *name, AstType *type);
typedef struct AstYields {
    AstExprs exprs, over;
} AstYields;
AstYields ast_yield(Parser *p, AstYields yields, AstExpr *expr, AstExpr *axis);
AstStmt *ast_checkpoint(Parser *p, Span span, Span keyword, AstArgs args, AstStmts body);
// `scan` NULL: a new one. axis NULL: none was given.
AstScan *ast_element(Parser *p, AstScan *scan, Span span, const char *name, AstExpr *sequence, AstExpr *axis);
AstScan *ast_scan_option(Parser *p, AstScan *scan, Span span, const char *name, AstExpr *value);
AstExpr *ast_scan(Parser *p, Span span, AstScan *scan, AstParams carried, AstStmts body);
AstStmts ast_stmts(Parser *p, AstStmts list, AstStmt *stmt); // stmt NULL (it had an error): the list is unchanged
AstWith ast_group(Parser *p, AstWith with, AstExpr *expr, AstExprs over);
AstWith ast_groups(Parser *p, Span span, AstExpr *chain, AstWith with); // `chain` NULL: there is none

// Reports a syntax error. `found` is the symbol at `span`, worded as in its %token line of the grammar; `expected` are
// all symbols that could stand there, in the grammar's order.
void parse_syntax_error(Parser *p, Span span, const char *found, const char *const *expected, int count);
void parse_too_deep(Parser *p, Span span);

#endif
