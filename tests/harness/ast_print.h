// ast_print.h: a tree as text, for tests of the parser.
#ifndef DLC_TESTS_AST_PRINT_H
#define DLC_TESTS_AST_PRINT_H

#include "frontend/ast.h"
#include "support/str.h"

// Appends the tree as .dl that parses back to the same tree.
void ast_print(Str *s, const AstFile *file);

#endif
