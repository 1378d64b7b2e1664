// dlc.y: the language as a grammar. A push parser, fed by the line-break filter: LINE ends a statement.
// Actions call constructors (frontend/build.h) and nothing else. The words in quotes are what messages call a token.

%define api.pure full
%define api.push-pull push
%define api.prefix {dlc_}
%define api.token.prefix {TOK_}
%define api.location.type {Span}
%define parse.error custom
%define parse.lac full
%locations
%expect 0
%param {Parser *p}

%code requires {
#include "frontend/build.h"
}

%union {
    const char *text;
    long long i;
    double f;
    AstExpr *expr;
    AstExprs exprs;
    AstParts parts;
    AstArgs args;
    AstType *type;
    AstParams params;
    AstResults results;
    AstStmt *stmt;
    AstStmtKind kind;
    AstStmts stmts;
    AstWith groups;
    AstScan *scan;
    AstYields yields;
    bool flag;
}

%code {
#include <string.h>

// Places are byte offsets: from the first token to the last one, or nothing just after the token before.
#define YYLLOC_DEFAULT(Current, Rhs, N)                                                                      \
    do {                                                                                                     \
        if (N)                                                                                               \
            (Current) = span_join(YYRHSLOC(Rhs, 1), YYRHSLOC(Rhs, N));                                       \
        else                                                                                                 \
            (Current) = (Span){YYRHSLOC(Rhs, 0).source, YYRHSLOC(Rhs, 0).end, YYRHSLOC(Rhs, 0).end};         \
    } while (0)

#define ONE(expr)         ast_exprs(p, (AstExprs){0}, (expr))
#define NAMED(name, span) ast_param(p, (AstParams){0}, (span), (name), NULL, NULL)

// Only called when the parser's stack is full.
static void dlc_error(const Span *span, Parser *p, const char *message) {
    (void)message;
    parse_too_deep(p, *span);
}
}

// What the scanner could not read. The parser never accepts it, so that its message takes the way of every syntax
// error: none while an earlier one is being recovered from.
%token INVALID "an invalid character"
%token END 0 "the end of the file"
%token LINE "the end of the line"
%token <text> NAME "a name"
%token <i> INT "an integer"
%token <f> FLOAT "a number"
// A string without expressions; or its pieces up to, between and after the expressions in braces.
%token <text> STRING "a string" STRING_OPEN "a string with `{`" STRING_NEXT "`}` with text"
%token <text> STRING_CLOSE "`}` and the end of the string"
%token TRUE "`true`" FALSE "`false`" NONE "`none`"
%token DIM "`dim`" LAYER "`layer`" OPTIMIZER "`optimizer`" MODEL "`model`" TRAIN "`train`"
%token ACCUMULATE "`accumulate`"
%token PARAM "`param`" BUFFER "`buffer`" STATE "`state`" FOR "`for`" IF "`if`" ELSE "`else`" RETURN "`return`"
%token REQUIRE "`require`" WARN "`warn`" MINIMIZE "`minimize`" FREEZE "`freeze`" EVAL "`eval`" CHECKPOINT "`checkpoint`"
%token YIELD "`yield`" SCAN "`scan`" IN "`in`" OVER "`over`" WITH "`with`" FROM "`from`"
%token AND "`and`" OR "`or`" NOT "`not`"
%token PIPE "`|>`" ARROW "`->`" DOTS "`...`" RANGE "`..`" ASSIGN "`=`" COMMA "`,`" COLON "`:`"
%token EQ "`==`" NE "`!=`" LT "`<`" LE "`<=`" GT "`>`" GE "`>=`"
%token PLUS "`+`" MINUS "`-`" TIMES "`*`" DIVIDE "`/`" FLOOR "`//`" MODULO "`%`" MATMUL "`@`" POWER "`**`"
%token LPAREN "`(`" RPAREN "`)`" LBRACKET "`[`" RBRACKET "`]`" LBRACE "`{`" RBRACE "`}`"

%precedence PIPE
%left OR
%left AND
%precedence NOT
%nonassoc EQ NE LT LE GT GE
%left PLUS MINUS
%left TIMES DIVIDE FLOOR MODULO MATMUL
%precedence NEGATE
%right POWER

%type <expr> scan axis expr primary string list_item dim_item index_item slice slice_part iterable path default
%type <exprs> exprs list_items dim_items index_items strings over
%type <groups> with groups
%type <scan> scan_items
%type <yields> yields
%type <flag> accumulate
%type <parts> string_parts
%type <args> args arg_items
%type <type> type
%type <params> params param_items targets from carries
%type <results> results result_items
%type <stmt> statement branch
%type <kind> check tensor
%type <stmts> statements block else

%%

file: declarations;

declarations:
    %empty
  | declarations declaration LINE
  | declarations error LINE               { yyerrok; }
  | declarations error block LINE         { yyerrok; }
  ;

declaration:
    dims
  | LAYER NAME params results block       { ast_decl(p, DECL_LAYER, span_join(@1, @4), @2, $2, $3, $4, $5); }
  | OPTIMIZER NAME params results block   { ast_decl(p, DECL_OPTIMIZER, span_join(@1, @4), @2, $2, $3, $4, $5); }
  | MODEL NAME params results block       { ast_decl(p, DECL_MODEL, span_join(@1, @4), @2, $2, $3, $4, $5); }
  | TRAIN NAME params accumulate results block {
        ast_decl(p, DECL_TRAIN, span_join(@1, @5), @2, $2, $3, $5, $6)->accumulates = $4;
    }
  ;

accumulate:
    %empty                                { $$ = false; }
  | ACCUMULATE                            { $$ = true; }
  ;

// dim N <= 64, CLASSES = 10
dims:
    DIM NAME ASSIGN expr                  { ast_dim(p, @$, @2, $2, $4, false); }
  | DIM NAME LE expr                      { ast_dim(p, @$, @2, $2, $4, true); }
  | dims COMMA NAME ASSIGN expr           { ast_dim(p, span_join(@3, @5), @3, $3, $5, false); }
  | dims COMMA NAME LE expr               { ast_dim(p, span_join(@3, @5), @3, $3, $5, true); }
  ;

// (x: T[B, C], out: int, bias: bool = true)
params:
    LPAREN RPAREN                         { $$ = (AstParams){0}; }
  | LPAREN param_items comma RPAREN       { $$ = $2; }
  ;

param_items:
    NAME COLON type default               { $$ = ast_param(p, (AstParams){0}, @1, $1, $3, $4); }
  | param_items COMMA NAME COLON type default { $$ = ast_param(p, $1, @3, $3, $5, $6); }
  ;

comma: %empty | COMMA;

default:
    %empty                                { $$ = NULL; }
  | ASSIGN expr                           { $$ = $2; }
  ;

// -> T[B, O]    or    -> (loss: f32[], logits: f32[N, 10])
results:
    %empty                                { $$ = (AstResults){0}; }
  | ARROW type                            { $$ = ast_result(p, (AstResults){0}, @2, NULL, $2); }
  | ARROW LPAREN result_items comma RPAREN { $$ = $3; }
  ;

result_items:
    type                                  { $$ = ast_result(p, (AstResults){0}, @1, NULL, $1); }
  | NAME COLON type                       { $$ = ast_result(p, (AstResults){0}, @1, $1, $3); }
  | result_items COMMA type               { $$ = ast_result(p, $1, @3, NULL, $3); }
  | result_items COMMA NAME COLON type    { $$ = ast_result(p, $1, @3, $3, $5); }
  ;

type:
    NAME                                  { $$ = ast_type(p, @$, @1, $1, false, (AstExprs){0}); }
  | NAME LBRACKET RBRACKET                { $$ = ast_type(p, @$, @1, $1, true, (AstExprs){0}); }
  | NAME LBRACKET dim_items comma RBRACKET { $$ = ast_type(p, @$, @1, $1, true, $3); }
  ;

dim_items:
    dim_item                              { $$ = ONE($1); }
  | dim_items COMMA dim_item              { $$ = ast_exprs(p, $1, $3); }
  ;

dim_item:
    expr
  | DOTS                                  { $$ = EXPR(AST_SPREAD, .span = @$); }
  | DOTS NAME                             { $$ = EXPR(AST_SPREAD, .span = @$, .s = $2); }
  ;

// Statements

block: LBRACE statements RBRACE           { $$ = $2; };

statements:
    %empty                                { $$ = (AstStmts){0}; }
  | statements statement LINE             { $$ = ast_stmts(p, $1, $2); }
  | statements error LINE                 { $$ = $1; yyerrok; }
  | statements error block else LINE      { $$ = $1; yyerrok; }
  ;

statement:
    targets ASSIGN expr                   { $$ = STMT(DO_ASSIGN, @$, $1.at[0].span, .names = $1, .exprs = ONE($3)); }
  | targets ASSIGN scan                   { $$ = STMT(DO_ASSIGN, @$, $1.at[0].span, .names = $1, .exprs = ONE($3)); }
  | RETURN exprs                          { $$ = STMT(DO_RETURN, @$, @1, .exprs = $2); }
  | tensor NAME path COLON type default   {
        $$ = STMT($1, @$, @1, .names = NAMED($2, @2), .path = $3, .type = $5, .init = $6);
    }
  | FOR NAME IN iterable block            {
        $$ = STMT(DO_FOR, span_join(@1, @4), @1, .names = NAMED($2, @2), .exprs = ONE($4), .body = $5);
    }
  | branch
  | check LPAREN expr COMMA expr comma RPAREN { $$ = STMT($1, @$, @1, .exprs = ast_exprs(p, ONE($3), $5)); }
  | MINIMIZE expr over WITH with          { $$ = ast_minimize(p, @$, @1, $2, $3, $5); }
  | FREEZE strings                        { $$ = STMT(DO_FREEZE, @$, @1, .exprs = $2); }
  | EVAL block                            { $$ = STMT(DO_EVAL, @1, @1, .body = $2); }
  | CHECKPOINT block                      { $$ = STMT(DO_CHECKPOINT, @1, @1, .body = $2); }
  | CHECKPOINT args block                 { $$ = ast_checkpoint(p, span_join(@1, @2), @1, $2, $3); }
  | YIELD yields                          { $$ = STMT(DO_YIELD, @$, @1, .exprs = $2.exprs, .over = $2.over); }
  ;

check: REQUIRE                            { $$ = DO_REQUIRE; }
  | WARN                                  { $$ = DO_WARN; }
  ;

// param w "weight_ih_l{l}": T[O, I] = kaiming_uniform(a=5**0.5)
tensor: PARAM                             { $$ = DO_PARAM; }
  | BUFFER                                { $$ = DO_BUFFER; }
  | STATE                                 { $$ = DO_STATE; }
  ;

targets:
    NAME                                  { $$ = NAMED($1, @1); }
  | targets COMMA NAME                    { $$ = ast_param(p, $1, @3, $3, NULL, NULL); }
  ;

exprs:
    expr                                  { $$ = ONE($1); }
  | exprs COMMA expr                      { $$ = ast_exprs(p, $1, $3); }
  ;

path:
    %empty                                { $$ = NULL; }
  | string
  ;

iterable:
    expr
  | expr RANGE expr                       { $$ = EXPR(AST_RANGE, .span = @$, .left = $1, .right = $3); }
  ;

branch: IF expr block else {
        $$ = STMT(DO_IF, span_join(@1, @2), @1, .exprs = ONE($2), .body = $3, .other = $4);
    };

else:
    %empty                                { $$ = (AstStmts){0}; }
  | ELSE block                            { $$ = $2; }
  | ELSE branch                           { $$ = ast_stmts(p, (AstStmts){0}, $2); }
  ;

over:
    %empty                                { $$ = (AstExprs){0}; }
  | OVER strings                          { $$ = $2; }
  ;

strings:
    string                                { $$ = ONE($1); }
  | strings COMMA string                  { $$ = ast_exprs(p, $1, $3); }
  ;

// with clip_norm(1.0) |> { adamw(lr=lr) over "*.weight"; adamw(lr=lr, weight_decay=0) over "*" }
with:
    expr over                             { $$ = ast_group(p, (AstWith){0}, $1, $2); }
  | LBRACE groups RBRACE                  { $$ = ast_groups(p, @$, NULL, $2); }
  | expr PIPE LBRACE groups RBRACE        { $$ = ast_groups(p, @$, $1, $4); }
  ;

groups:
    %empty                                { $$ = (AstWith){0}; }
  | groups expr over LINE                 { $$ = ast_group(p, $1, $2, $3); }
  | groups error LINE                     { $$ = $1; yyerrok; }
  ;

// scan xt in x over 1, mt in mask over 1, reverse=true from h = h0, c = c0 { ...; yield h over 1 }

scan: SCAN scan_items from block          { $$ = ast_scan(p, span_join(@1, @3), $2, $3, $4); };

scan_items:
    NAME IN expr axis                     { $$ = ast_element(p, NULL, @1, $1, $3, $4); }
  | NAME ASSIGN expr                      { $$ = ast_scan_option(p, NULL, @1, $1, $3); }
  | scan_items COMMA NAME IN expr axis    { $$ = ast_element(p, $1, @3, $3, $5, $6); }
  | scan_items COMMA NAME ASSIGN expr     { $$ = ast_scan_option(p, $1, @3, $3, $5); }
  ;

axis:
    %empty                                { $$ = NULL; }
  | OVER expr                             { $$ = $2; }
  ;

from:
    %empty                                { $$ = (AstParams){0}; }
  | FROM carries                          { $$ = $2; }
  ;

carries:
    NAME ASSIGN expr                      { $$ = ast_param(p, (AstParams){0}, @1, $1, NULL, $3); }
  | carries COMMA NAME ASSIGN expr        { $$ = ast_param(p, $1, @3, $3, NULL, $5); }
  ;

yields:
    expr axis                             { $$ = ast_yield(p, (AstYields){0}, $1, $2); }
  | yields COMMA expr axis                { $$ = ast_yield(p, $1, $3, $4); }
  ;

// Expressions

expr:
    primary
  | expr PIPE NAME                        { $$ = ast_pipe(p, $1, @3, @3, $3, (AstArgs){0}); }
  | expr PIPE NAME args                   { $$ = ast_pipe(p, $1, span_join(@3, @4), @3, $3, $4); }
  | expr OR expr                          { $$ = ast_binary(p, @2, "or", $1, $3); }
  | expr AND expr                         { $$ = ast_binary(p, @2, "and", $1, $3); }
  | NOT expr                              { $$ = EXPR(AST_UNARY, .span = @$, .op_span = @1, .s = "not", .left = $2); }
  | expr EQ expr                          { $$ = ast_binary(p, @2, "==", $1, $3); }
  | expr NE expr                          { $$ = ast_binary(p, @2, "!=", $1, $3); }
  | expr LT expr                          { $$ = ast_binary(p, @2, "<", $1, $3); }
  | expr LE expr                          { $$ = ast_binary(p, @2, "<=", $1, $3); }
  | expr GT expr                          { $$ = ast_binary(p, @2, ">", $1, $3); }
  | expr GE expr                          { $$ = ast_binary(p, @2, ">=", $1, $3); }
  | expr PLUS expr                        { $$ = ast_binary(p, @2, "+", $1, $3); }
  | expr MINUS expr                       { $$ = ast_binary(p, @2, "-", $1, $3); }
  | expr TIMES expr                       { $$ = ast_binary(p, @2, "*", $1, $3); }
  | expr DIVIDE expr                      { $$ = ast_binary(p, @2, "/", $1, $3); }
  | expr FLOOR expr                       { $$ = ast_binary(p, @2, "//", $1, $3); }
  | expr MODULO expr                      { $$ = ast_binary(p, @2, "%", $1, $3); }
  | expr MATMUL expr                      { $$ = ast_binary(p, @2, "@", $1, $3); }
  | MINUS expr %prec NEGATE               { $$ = EXPR(AST_UNARY, .span = @$, .op_span = @1, .s = "-", .left = $2); }
  | expr POWER expr                       { $$ = ast_binary(p, @2, "**", $1, $3); }
  ;

primary:
    NAME                                  { $$ = EXPR(AST_NAME, .span = @$, .s = $1); }
  | NAME args                             { $$ = EXPR(AST_CALL, .span = @$, .op_span = @1, .s = $1, .args = $2); }
  | INT                                   { $$ = EXPR(AST_INT, .span = @$, .i = $1); }
  | FLOAT                                 { $$ = EXPR(AST_FLOAT, .span = @$, .f = $1); }
  | TRUE                                  { $$ = EXPR(AST_BOOL, .span = @$, .i = true); }
  | FALSE                                 { $$ = EXPR(AST_BOOL, .span = @$, .i = false); }
  | NONE                                  { $$ = EXPR(AST_NONE, .span = @$); }
  | string
  | LPAREN expr RPAREN                    { $$ = ast_parenthesised(@$, $2); }
  | LBRACKET RBRACKET                     { $$ = EXPR(AST_LIST, .span = @$); }
  | LBRACKET list_items comma RBRACKET    { $$ = EXPR(AST_LIST, .span = @$, .items = $2); }
  | primary LBRACKET index_items comma RBRACKET { $$ = EXPR(AST_INDEX, .span = @$, .left = $1, .items = $3); }
  ;

args:
    LPAREN RPAREN                         { $$ = (AstArgs){0}; }
  | LPAREN arg_items comma RPAREN         { $$ = $2; }
  ;

arg_items:
    expr                                  { $$ = ast_arg(p, (AstArgs){0}, @1, NULL, $1); }
  | NAME ASSIGN expr                      { $$ = ast_arg(p, (AstArgs){0}, @1, $1, $3); }
  | arg_items COMMA expr                  { $$ = ast_arg(p, $1, @3, NULL, $3); }
  | arg_items COMMA NAME ASSIGN expr      { $$ = ast_arg(p, $1, @3, $3, $5); }
  ;

list_items:
    list_item                             { $$ = ONE($1); }
  | list_items COMMA list_item            { $$ = ast_exprs(p, $1, $3); }
  ;

list_item:
    expr
  | expr RANGE expr                       { $$ = EXPR(AST_RANGE, .span = @$, .left = $1, .right = $3); }
  | DOTS NAME                             { $$ = EXPR(AST_SPREAD, .span = @$, .s = $2); }
  ;

index_items:
    index_item                            { $$ = ONE($1); }
  | index_items COMMA index_item          { $$ = ast_exprs(p, $1, $3); }
  ;

index_item:
    expr
  | slice
  | DOTS                                  { $$ = EXPR(AST_SPREAD, .span = @$); }
  ;

slice:
    slice_part COLON slice_part           { $$ = EXPR(AST_SLICE, .span = @$, .left = $1, .right = $3); }
  | slice_part COLON slice_part COLON slice_part {
        $$ = EXPR(AST_SLICE, .span = @$, .left = $1, .right = $3, .third = $5);
    }
  ;

slice_part:
    %empty                                { $$ = NULL; }
  | expr
  ;

string:
    STRING                                { $$ = ast_string(p, @$, ast_part(p, (AstParts){0}, $1, NULL)); }
  | string_parts STRING_CLOSE             { $$ = ast_string(p, @$, ast_part(p, $1, $2, NULL)); }
  ;

string_parts:
    STRING_OPEN expr                      { $$ = ast_part(p, ast_part(p, (AstParts){0}, $1, NULL), NULL, $2); }
  | string_parts STRING_NEXT expr         { $$ = ast_part(p, ast_part(p, $1, $2, NULL), NULL, $3); }
  ;

%%

static int yyreport_syntax_error(const yypcontext_t *context, Parser *p) {
    yysymbol_kind_t kinds[YYNTOKENS];
    const char *names[YYNTOKENS];
    int count = yypcontext_expected_tokens(context, kinds, YYNTOKENS);
    for (int i = 0; i < count; i++) names[i] = yysymbol_name(kinds[i]);
    const char *found = yysymbol_name(yypcontext_token(context));
    parse_syntax_error(p, *yypcontext_location(context), found, names, count > 0 ? count : 0);
    return 0;
}
