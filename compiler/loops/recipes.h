// recipes.h: what the files of compiler/loops share among themselves; see lower.h for what everybody uses.
#ifndef DLC_RECIPES_H
#define DLC_RECIPES_H

#include "loops/lower.h"

enum { MAX_TERMS_A_LANE = 1024 }; // of one f32 accumulator

// Opens `for name = 0 .. dim` at the end of `to` and returns it; *at becomes the variable.
Stmt *nest_open(LowerContext *ctx, Stmt *to, const char *name, Dim dim, Index **at);
// A loop variable's name for an axis: the run-time size's letter, else i, j, k, ...
const char *nest_letter(const LowerContext *ctx, const Type *type, int axis);
// What a sum, max or min starts from.
Expr *reduce_identity(Arena *arena, DType dtype, const char *kind);
// A scalar register; sums of floats are held as double.
Buffer *accumulator_new(LowerContext *ctx, const char *name, DType dtype, const char *kind);

// visit.c: expressions are shared, so whoever walks one marks where it has been. The tag of an expression in a set, 0
// at first.
typedef struct ExprTags {
    Arena *arena;
    struct ExprTag {
        const Expr *e;
        int tag;
    } * slot;
    int capacity, used;
} ExprTags;
int *expr_tag(ExprTags *tags, const Expr *e);

// float_sums.c: the kernel's sums of floats as floats, in blocks of so few terms that their errors stay small.
void lower_sums_to_floats(LowerContext *ctx);

// rows.c: to = from, element by element; both have one shape.
void lower_copy(LowerContext *ctx, Buffer *to, Buffer *from);

// describe.c: what a group computes and loads; `stored[id]`: the node has a buffer.
typedef struct Load {
    const Node *node;
    bool elsewhere; // at another place than the index that is being stored
} Load;
typedef VEC(Load) LoadVec;
// Both in topological order. A node loaded in both ways stands in `loads` twice.
void group_nodes(Arena *arena, const Graph *g, const bool *stored, const Group *group, NodeVec *computes,
                 LoadVec *loads);
// Sets the kernel's name, comment and flops from the nodes that it computes.
void kernel_describe(Program *program, Kernel *kernel, const bool *stored, const Group *group);

#endif
