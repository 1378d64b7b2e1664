// recipes.h: what the files of compiler/loops share among themselves; see lower.h for what everybody uses.
#ifndef DLC_RECIPES_H
#define DLC_RECIPES_H

#include "loops/lower.h"
#include "support/tags.h"

enum { MAX_TERMS_A_LANE = 1024 }; // of one f32 accumulator

// Opens `for name = 0 .. dim` at the end of `to` and returns it; *at becomes the variable.
Stmt *nest_open(LowerContext *ctx, Stmt *to, const char *name, Dim dim, Index **at);
// Opens a loop of that kind over 0 .. n - 1; one turn needs none.
Stmt *nest_count(LowerContext *ctx, Stmt *to, ForKind kind, const char *name, int n, Index **at);
// A loop variable's name for an axis: the run-time size's letter, else i, j, k, ...
const char *nest_letter(const LowerContext *ctx, const Type *type, int axis);
// What a sum, max or min starts from.
Expr *reduce_identity(Arena *arena, DType dtype, ReduceKind kind);
// A scalar register; sums of floats are held as double.
Buffer *accumulator_new(LowerContext *ctx, const char *name, DType dtype, ReduceKind kind);

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
typedef struct GroupParts {
    NodeVec computes;
    LoadVec loads;
} GroupParts;
static inline const GroupParts *group_parts_of(const Program *program, const Group *group) {
    return &program->parts[group - program->graph->groups.at];
}
GroupParts group_parts(Arena *arena, const bool *stored, const Group *group);
// Sets the kernel's name, comment and flops from the nodes that it computes.
void kernel_describe(Program *program, Kernel *kernel, const Group *group);

// visit.c: a number for each pair of a kernel's uses, 0 at first: what was found out about them.
typedef struct UsePairs {
    Arena *arena;
    Tags kernels; // the place of its numbers, from 1
    VEC(int *) numbers;
} UsePairs;
int *use_pair(UsePairs *pairs, const Kernel *kernel, int a, int b);

// share.c: groups that are equal but for the memory that they work on share a kernel.
typedef struct Shares {
    Program *program;
    const bool *prepared; // by node id
    VEC(struct Share *) all;
    int *slots; // a hash table of numbers in `all`, plus 1
    int nslots;
} Shares;
// Calls the kernels that an equal group got; false: there is none yet.
bool share_call(Shares *shares, const Group *group);
// Remembers what was made for the group: calls of the prepare part from number `prepares` on, and the last call.
void share_remember(Shares *shares, const Group *group, int prepares);

#endif
