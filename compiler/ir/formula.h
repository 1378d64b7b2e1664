// formula.h: a node as a formula over the texts of its inputs: what --emit=backward prints.
#ifndef DLC_FORMULA_H
#define DLC_FORMULA_H

#include "ir/graph.h"

// How tightly the outermost operator of a text binds; an operand that binds less gets parentheses.
typedef enum Bind { BIND_LOGIC = 1, BIND_COMPARE, BIND_SUM, BIND_PRODUCT, BIND_SIGN, BIND_POWER, BIND_WHOLE } Bind;

typedef struct Formula {
    const char *text;
    Bind bind;
    int operators; // in it
} Formula;

typedef struct Formulas {
    Arena *arena;
    const Size *sizes;
    Formula (*input)(void *context, const Node *node); // what stands for an input: its name, or its own formula
    void *context;
} Formulas;

Formula formula_of(const Formulas *r, const Node *node);
static inline Formula formula_input(const Formulas *r, const Node *node) { return r->input(r->context, node); }
// `f` as an operand of something that binds as `bind`.
const char *formula_operand(Arena *arena, Formula f, Bind bind);
// formula_contract.c: contractions: a @ b^T, conv2d(x, w, stride=2), einsum("bik,bij->kj", x, dy).
Formula formula_contract(const Formulas *r, const Node *node, bool transposed);
// Whether the node swaps the last two axes and leaves the others.
bool is_matrix_transpose(const Node *node);

#endif
