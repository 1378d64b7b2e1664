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

// ---- explain_loops.c: values in the steps of loops ------------------------------------------------------------------

typedef enum PlaceKind { PLACE_STEP, PLACE_FIRST, PLACE_LAST, PLACE_ALL } PlaceKind;

// Of which steps of a loop a value is: t + plus, as the loop counts; plus the same in the first or last step, in all.
typedef struct Place {
    PlaceKind kind;
    int loop, plus;
} Place;

typedef struct Places {
    int n;
    Place at[MAX_NEST];
} Places;

const char *places_text(Arena *arena, const Graph *g, const Places *places); // "[t-1]"; "" without any
Place *places_find(const Graph *g, Places *places, int loop, PlaceKind kind);
const char *step_text(Arena *arena, const Graph *g, int loop);           // "t"
const char *count_text(Arena *arena, const Graph *g, Dim dim, int plus); // "T-1"
// By node id: the value of an earlier loop in the same step that the node computes again, or NULL.
Node **loop_images(Arena *arena, const Graph *g);

#endif
