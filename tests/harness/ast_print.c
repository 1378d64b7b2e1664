// ast_print.c: prints a tree as .dl, one statement a line, with only the parentheses that it needs.
//     BINARY * (BINARY + a b) c     becomes     (a + b) * c
// The text parses back to the same tree; comments are not in the tree.
#include <string.h>

#include "ast_print.h"

// How tightly an expression holds together, after the grammar's precedences.
enum { PIPE = 1, OR, AND, NOT, COMPARE, SUM, PRODUCT, NEGATE, POWER, PRIMARY };

static int binary_strength(const char *op) {
    if (!strcmp(op, "or")) return OR;
    if (!strcmp(op, "and")) return AND;
    if (strchr("=!<>", op[0])) return COMPARE;
    if (!strcmp(op, "**")) return POWER;
    return op[0] == '+' || op[0] == '-' ? SUM : PRODUCT;
}

static int strength(const AstExpr *e) {
    switch (e->kind) {
    case AST_BINARY:
        return binary_strength(e->s);
    case AST_UNARY:
        return e->s[0] == '-' ? NEGATE : NOT;
    case AST_CALL:
        return e->piped ? PIPE : PRIMARY;
    default:
        return PRIMARY;
    }
}

static void print_expr(Str *s, const AstExpr *e, int least);

static void print_items(Str *s, const AstExprs *items) {
    for (int i = 0; i < items->len; i++) {
        if (i) str_put(s, ", ");
        print_expr(s, items->at[i], PIPE);
    }
}

static void print_text(Str *s, const char *text) {
    for (; *text; text++) {
        if (*text == '\n')
            str_put(s, "\\n");
        else
            str_printf(s, strchr("\"\\{", *text) ? "\\%c" : "%c", *text);
    }
}

static void print_string(Str *s, const AstExpr *e) {
    str_put(s, "\"");
    for (int i = 0; i < e->parts.len; i++) {
        AstPart part = e->parts.at[i];
        if (part.text) {
            print_text(s, part.text);
            continue;
        }
        str_put(s, "{");
        print_expr(s, part.expr, PIPE);
        str_put(s, "}");
    }
    str_put(s, "\"");
}

static void print_call(Str *s, const AstExpr *e) {
    int first = e->piped;
    if (e->piped) {
        print_expr(s, e->args.at[0].value, PIPE);
        str_put(s, " |> ");
    }
    str_put(s, e->s);
    if (e->piped && e->args.len == 1) return;
    str_put(s, "(");
    for (int i = first; i < e->args.len; i++) {
        if (i > first) str_put(s, ", ");
        if (e->args.at[i].name) str_printf(s, "%s=", e->args.at[i].name);
        print_expr(s, e->args.at[i].value, PIPE);
    }
    str_put(s, ")");
}

static void print_binary(Str *s, const AstExpr *e) {
    int own = strength(e);
    // Equal strength groups to the left; `**` to the right, and its right side may be a minus; comparisons not at all.
    print_expr(s, e->left, own == POWER || own == COMPARE ? own + 1 : own);
    str_printf(s, " %s ", e->s);
    print_expr(s, e->right, own == POWER ? NEGATE : own + 1);
}

static void print_slice(Str *s, const AstExpr *e) {
    if (e->left) print_expr(s, e->left, PIPE);
    str_put(s, ":");
    if (e->right) print_expr(s, e->right, PIPE);
    if (!e->third) return;
    str_put(s, ":");
    print_expr(s, e->third, PIPE);
}

static void print_float(Str *s, double f) {
    size_t from = s->len;
    str_put_double(s, f);
    if (!strpbrk(str_text(s) + from, ".e")) str_put(s, ".0");
}

// Prints e so that nothing looser than `least` stands bare.
static void print_expr(Str *s, const AstExpr *e, int least) {
    bool wrap = strength(e) < least;
    if (wrap) str_put(s, "(");
    switch (e->kind) {
    case AST_INT:
        str_printf(s, "%lld", e->i);
        break;
    case AST_FLOAT:
        print_float(s, e->f);
        break;
    case AST_STRING:
        print_string(s, e);
        break;
    case AST_BOOL:
        str_put(s, e->i ? "true" : "false");
        break;
    case AST_NONE:
        str_put(s, "none");
        break;
    case AST_NAME:
        str_put(s, e->s);
        break;
    case AST_LIST:
        str_put(s, "[");
        print_items(s, &e->items);
        str_put(s, "]");
        break;
    case AST_RANGE:
        print_expr(s, e->left, PIPE);
        str_put(s, "..");
        print_expr(s, e->right, PIPE);
        break;
    case AST_SPREAD:
        str_printf(s, "...%s", e->s ? e->s : "");
        break;
    case AST_UNARY:
        str_put(s, e->s[0] == '-' ? "-" : "not ");
        print_expr(s, e->left, strength(e));
        break;
    case AST_BINARY:
        print_binary(s, e);
        break;
    case AST_CALL:
        print_call(s, e);
        break;
    case AST_INDEX:
        print_expr(s, e->left, PRIMARY);
        str_put(s, "[");
        print_items(s, &e->items);
        str_put(s, "]");
        break;
    case AST_SLICE:
        print_slice(s, e);
        break;
    case AST_SCAN: // print_scan
        break;
    }
    if (wrap) str_put(s, ")");
}

static void print_type(Str *s, const AstType *type) {
    str_put(s, type->name);
    if (!type->has_dims) return;
    str_put(s, "[");
    print_items(s, &type->dims);
    str_put(s, "]");
}

static void print_block(Str *s, const AstStmts *body, int indent);

static void print_over(Str *s, const AstExprs *patterns) {
    if (!patterns->len) return;
    str_put(s, " over ");
    print_items(s, patterns);
}

static void print_names(Str *s, const AstStmt *stmt) {
    for (int i = 0; i < stmt->names.len; i++) str_printf(s, "%s%s", i ? ", " : "", stmt->names.at[i].name);
}

static void print_tensor(Str *s, const AstStmt *stmt) {
    str_put(s, stmt->kind == DO_PARAM ? "param " : stmt->kind == DO_BUFFER ? "buffer " : "state ");
    print_names(s, stmt);
    if (stmt->path) {
        str_put(s, " ");
        print_string(s, stmt->path);
    }
    str_put(s, ": ");
    print_type(s, stmt->type);
    if (!stmt->init) return;
    str_put(s, " = ");
    print_expr(s, stmt->init, PIPE);
}

static void print_if(Str *s, const AstStmt *stmt, int indent) {
    str_put(s, "if ");
    print_items(s, &stmt->exprs);
    print_block(s, &stmt->body, indent);
    if (!stmt->other.len) return;
    str_put(s, " else");
    print_block(s, &stmt->other, indent);
}

static void print_with(Str *s, const AstWith *with, int indent) {
    bool bare = with->groups.len == 1 && !with->chain && !with->groups.at[0].over.len;
    if (with->chain) {
        print_expr(s, with->chain, PIPE);
        str_put(s, " |> ");
    }
    if (!bare) str_put(s, "{\n");
    for (int k = 0; k < with->groups.len; k++) {
        if (!bare) str_printf(s, "%*s", 4 * (indent + 1), "");
        print_expr(s, with->groups.at[k].with, PIPE);
        print_over(s, &with->groups.at[k].over);
        if (!bare) str_put(s, "\n");
    }
    if (!bare) str_printf(s, "%*s}", 4 * indent, "");
}

static void print_params(Str *s, const AstParams *params, const char *before, const char *between) {
    for (int k = 0; k < params->len; k++) {
        str_printf(s, "%s%s = ", k ? between : before, params->at[k].name);
        print_expr(s, params->at[k].value, PIPE);
    }
}

static void print_axes(Str *s, const AstExpr *axis) {
    if (!axis) return;
    str_put(s, " over ");
    print_expr(s, axis, PIPE);
}

static void print_scan(Str *s, const AstScan *scan, int indent) {
    str_put(s, "scan ");
    for (int k = 0; k < scan->elements.len; k++) {
        str_printf(s, "%s%s in ", k ? ", " : "", scan->elements.at[k].name);
        print_expr(s, scan->elements.at[k].value, PIPE);
        print_axes(s, scan->axes.at[k]);
    }
    print_params(s, &scan->options, ", ", ", ");
    print_params(s, &scan->carried, " from ", ", ");
    print_block(s, &scan->body, indent);
}

static void print_stmt(Str *s, const AstStmt *stmt, int indent) {
    str_printf(s, "%*s", 4 * indent, "");
    switch (stmt->kind) {
    case DO_ASSIGN:
        print_names(s, stmt);
        str_put(s, " = ");
        if (stmt->exprs.at[0]->kind == AST_SCAN)
            print_scan(s, stmt->exprs.at[0]->scan, indent);
        else
            print_items(s, &stmt->exprs);
        break;
    case DO_YIELD:
        str_put(s, "yield ");
        for (int k = 0; k < stmt->exprs.len; k++) {
            if (k) str_put(s, ", ");
            print_expr(s, stmt->exprs.at[k], PIPE);
            print_axes(s, stmt->over.at[k]);
        }
        break;
    case DO_RETURN:
        str_put(s, "return ");
        print_items(s, &stmt->exprs);
        break;
    case DO_PARAM:
    case DO_BUFFER:
    case DO_STATE:
        print_tensor(s, stmt);
        break;
    case DO_FOR:
        str_put(s, "for ");
        print_names(s, stmt);
        str_put(s, " in ");
        print_items(s, &stmt->exprs);
        print_block(s, &stmt->body, indent);
        break;
    case DO_IF:
        print_if(s, stmt, indent);
        break;
    case DO_REQUIRE:
    case DO_WARN:
        str_put(s, stmt->kind == DO_WARN ? "warn(" : "require(");
        print_items(s, &stmt->exprs);
        str_put(s, ")");
        break;
    case DO_MINIMIZE:
        str_put(s, "minimize ");
        print_items(s, &stmt->exprs);
        print_over(s, &stmt->over);
        str_put(s, " with ");
        print_with(s, &stmt->with, indent);
        break;
    case DO_FREEZE:
        str_put(s, "freeze ");
        print_items(s, &stmt->exprs);
        break;
    case DO_EVAL:
    case DO_CHECKPOINT:
        str_put(s, stmt->kind == DO_EVAL ? "eval" : "checkpoint");
        if (stmt->exprs.len) {
            str_put(s, "(steps=");
            print_expr(s, stmt->exprs.at[0], PIPE);
            str_put(s, ")");
        }
        print_block(s, &stmt->body, indent);
        break;
    }
    str_put(s, "\n");
}

static void print_block(Str *s, const AstStmts *body, int indent) {
    str_put(s, " {\n");
    for (int i = 0; i < body->len; i++) print_stmt(s, body->at[i], indent + 1);
    str_printf(s, "%*s}", 4 * indent, "");
}

static void print_results(Str *s, const AstDecl *d) {
    if (!d->results.len) return;
    bool bare = d->results.len == 1 && !d->results.at[0].name;
    str_put(s, bare ? " -> " : " -> (");
    for (int i = 0; i < d->results.len; i++) {
        if (i) str_put(s, ", ");
        if (d->results.at[i].name) str_printf(s, "%s: ", d->results.at[i].name);
        print_type(s, d->results.at[i].type);
    }
    if (!bare) str_put(s, ")");
}

static void print_decl(Str *s, const AstDecl *d) {
    static const char *const words[] = {"dim", "layer", "optimizer", "model", "train"};
    str_printf(s, "%s %s", words[d->kind], d->name);
    if (d->kind == DECL_DIM) {
        str_put(s, d->runtime ? " <= " : " = ");
        print_expr(s, d->value, PIPE);
        str_put(s, "\n");
        return;
    }
    str_put(s, "(");
    for (int i = 0; i < d->params.len; i++) {
        AstParam param = d->params.at[i];
        str_printf(s, "%s%s: ", i ? ", " : "", param.name);
        print_type(s, param.type);
        if (!param.value) continue;
        str_put(s, " = ");
        print_expr(s, param.value, PIPE);
    }
    str_put(s, d->accumulates ? ") accumulate" : ")");
    print_results(s, d);
    print_block(s, &d->body, 0);
    str_put(s, "\n");
}

void ast_print(Str *s, const AstFile *file) {
    for (int i = 0; i < file->decls.len; i++) print_decl(s, file->decls.at[i]);
}
