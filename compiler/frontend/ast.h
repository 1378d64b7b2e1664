// ast.h: the syntax tree of a .dl file: the parser makes it, the elaborator reads it. Every node keeps its span.
#ifndef DLC_AST_H
#define DLC_AST_H

#include "support/diag.h"

typedef struct AstExpr AstExpr;
typedef struct AstScan AstScan;
typedef struct AstStmt AstStmt;
typedef struct AstType AstType;
typedef VEC(AstExpr *) AstExprs;
typedef VEC(AstStmt *) AstStmts;

typedef enum AstExprKind {
    AST_INT,    // .i
    AST_FLOAT,  // .f
    AST_STRING, // .parts, escapes resolved; .s too when it holds no {...}
    AST_BOOL,   // .i
    AST_NONE,
    AST_NAME,   // .s
    AST_LIST,   // .items
    AST_RANGE,  // .left .. .right (in a list or after `for in`)
    AST_SPREAD, // ...NAME in a list or in dims: .s; a bare `...` has s NULL
    AST_UNARY,  // .s is "-" or "not"; .left
    AST_BINARY, // .s is "+" "-" "*" "/" "//" "%" "@" "**" "==" "!=" "<" "<=" ">" ">=" "and" "or"; .left .right
    AST_CALL,   // .s(args); a pipeline `a |> f(b)` is f(a, b) with piped set
    AST_INDEX,  // .left[items]; for lists [i]
    AST_SLICE,  // a : b : c inside an index: .left .right .third, each may be NULL
    AST_SCAN,   // .scan, the right side of an assignment
} AstExprKind;

typedef struct AstArg {
    const char *name; // keyword, or NULL
    Span name_span;
    AstExpr *value;
} AstArg;
typedef VEC(AstArg) AstArgs;

// A string is a list of parts: text, or an expression in braces.
typedef struct AstPart {
    const char *text; // or NULL
    AstExpr *expr;    // or NULL
} AstPart;
typedef VEC(AstPart) AstParts;

struct AstExpr {
    AstExprKind kind;
    Span span;    // the whole expression
    Span op_span; // BINARY, UNARY: the operator; CALL: the name
    int depth;    // levels of its tree, 1 for a leaf; the constructors limit it
    long long i;
    double f;
    const char *s;
    AstExpr *left, *right, *third;
    AstExprs items;
    AstArgs args;
    AstParts parts; // STRING
    bool piped;
    AstScan *scan;
};

// dtype[dims]: f32[N, 784], T[B, ...S]; or int, float, bool, string, int[2], float[2].
struct AstType {
    Span span;
    const char *name; // "f32", "T", "int"
    Span name_span;
    bool has_dims; // brackets follow the name; those of f32[] are empty
    AstExprs dims; // expressions; AST_SPREAD for ...S and ...
};

// The `with` part of a `minimize`: one group, or several. The first group that matches a parameter updates it.
typedef struct AstGroup {
    AstExpr *with; // a call, or a chain of them: clip_norm(1.0) |> sgd(lr=0.1)
    AstExprs over; // patterns (strings); empty: all parameters
} AstGroup;
typedef struct AstWith {
    bool braces;    // the groups stand in braces
    AstExpr *chain; // the call before the braces, which changes the gradients of all groups; or NULL
    VEC(AstGroup) groups;
} AstWith;

typedef struct AstParam {
    const char *name;
    Span span;
    AstType *type;
    AstExpr *value; // the default, or NULL
} AstParam;
typedef VEC(AstParam) AstParams;

// scan e in x over 1, reverse=true from h = h0 { ...; yield h over 1 }. `yield` is a statement of the body.
struct AstScan {
    AstParams elements; // .value: the sequence
    AstExprs axes;      // by element: the axis, or NULL
    AstParams options;  // .value
    AstParams carried;  // .value: initial
    AstStmts body;
};

// One named result of an entry: (logits: f32[N, CLASSES]). A layer's single result type has name NULL.
typedef struct AstResult {
    const char *name;
    Span span;
    AstType *type;
} AstResult;
typedef VEC(AstResult) AstResults;

typedef enum AstStmtKind {
    DO_ASSIGN, // names = expr
    DO_RETURN, // exprs
    DO_PARAM,  // param name "path": type = init
    DO_BUFFER,
    DO_STATE,
    DO_FOR,        // for name in expr { body }
    DO_IF,         // if expr { body } else { other }
    DO_REQUIRE,    // require(cond, message)
    DO_WARN,       // warn(cond, message)
    DO_MINIMIZE,   // minimize expr over "patterns" with call
    DO_FREEZE,     // freeze "patterns"
    DO_EVAL,       // eval { body }
    DO_CHECKPOINT, // exprs: the steps of a block, or none
    DO_YIELD,      // exprs over axes
} AstStmtKind;

struct AstStmt {
    AstStmtKind kind;
    Span span; // FOR, IF, EVAL, CHECKPOINT: without the blocks
    Span keyword;
    AstParams names; // ASSIGN: targets (name, span); PARAM...: one; FOR: one
    // ASSIGN: one value; RETURN: values; FOR: the list; IF: condition; REQUIRE, WARN: two; MINIMIZE: loss; FREEZE:
    // patterns
    AstExprs exprs;
    AstType *type; // PARAM...
    AstExpr *path; // PARAM...: the string for the path component, or NULL
    AstExpr *init; // PARAM...: or NULL
    AstStmts body, other;
    AstExprs over; // MINIMIZE: strings; YIELD: axes, NULL where none is given
    AstWith with;  // MINIMIZE
};

typedef enum AstDeclKind { DECL_DIM, DECL_LAYER, DECL_OPTIMIZER, DECL_MODEL, DECL_TRAIN } AstDeclKind;

typedef struct AstDecl {
    AstDeclKind kind;
    Span span; // the header
    const char *name;
    Span name_span;
    // DIM
    AstExpr *value; // = value, or the bound of <=
    bool runtime;   // written with <=
    // the others
    AstParams params;
    bool accumulates;   // TRAIN: `accumulate`: sums gradients over several calls
    AstResults results; // empty when the header has no `->`
    AstStmts body;
} AstDecl;

typedef struct AstFile {
    const Source *source;
    VEC(AstDecl *) decls;
} AstFile;

// Parses a whole text. Errors go to diag (several per run); what could be parsed is returned, so look at diag->errors.
AstFile *parse_source(Arena *arena, Diag *diag, const Source *source);

#endif
