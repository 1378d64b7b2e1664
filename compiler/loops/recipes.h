// recipes.h: what the files of compiler/loops share among themselves; see lower.h for what everybody uses.
#ifndef DLC_RECIPES_H
#define DLC_RECIPES_H

#include "loops/lower.h"
#include "support/tags.h"

enum { MAX_TERMS = 1024 }; // of one f32 accumulator; longer sums are cut into blocks

// naive.c: loops.
// Whether a loop over [lo, hi) never runs.
bool nest_is_empty(Arena *arena, const Index *lo, const Index *hi);
// A loop over 0 .. dim (lower.h, loop_open).
Stmt *nest_open(LowerContext *ctx, Stmt *to, const char *name, Dim dim, Index **at);
// Opens a loop of that kind over 0 .. n - 1; one turn needs none.
Stmt *nest_count(LowerContext *ctx, Stmt *to, ForKind kind, const char *name, int n, Index **at);
// Cuts an axis into chunks of whole units and opens the parallel loop over them; [*lo, *hi) becomes the range of a
// chunk. Its numbers are ints: large units get larger, and an axis of nearly 2^31 elements is not cut. Where a unit is
// more than one element, a chunk after the end of a run-time axis runs nothing: else the tails, which end the whole
// axis, would run in it again, and what they update in place was updated already.
Stmt *nest_chunks(LowerContext *ctx, Stmt *to, Dim dim, int chunks, int unit, const Index **lo, const Index **hi);
// Opens a loop over each dim of a shape but one (-1: over all of them).
Stmt *nest_shape(LowerContext *ctx, Stmt *to, const Type *type, int but, Index **at);
// A loop variable's name for an axis: the run-time size's letter, else i, j, k, ...
const char *nest_letter(const LowerContext *ctx, const Type *type, int axis);
// What a sum, max or min starts from.
Expr *reduce_identity(Arena *arena, DType dtype, ReduceKind kind);
// A scalar register; sums of floats are held as double.
Buffer *accumulator_new(LowerContext *ctx, const char *name, DType dtype, ReduceKind kind);
// Adds to a guard what the ranges of the index leave open of 0 <= index < dim.
void guard_axis(Arena *arena, Stmt *guard, const Index *index, Dim dim);
// Appends the guard to `to` and returns it; one without conditions is left out, and `to` is returned.
Stmt *guard_open(Arena *arena, Stmt *to, Stmt *guard);

// epilogue.c: what a group computes after its contraction (or reduction), index by index, and stores.
typedef struct EpilogueDone {
    const Node *node;
    Buffer *buffer;
} EpilogueDone;
typedef struct Epilogue {
    LowerContext *ctx;
    const Node *root;
    const Node *pool;       // a reduction over separate windows of what follows from the root, or NULL
    Expr *sum, *pooled;     // what root and pool are read as at the index that is being stored
    Var *lane_var;          // along which vectors of them run
    NodeVec outputs;        // of the group, in topological order
    VEC(EpilogueDone) done; // outputs whose values are in registers already
} Epilogue;
Epilogue *epilogue_new(LowerContext *ctx);
// The value of a node of the epilogue at an index: one element, or as many as a vector has lanes.
Expr *epilogue_value(Epilogue *e, const Node *node, Index *const *at, int lanes);
// Stores the outputs of that shape, which is the root's or the pool's.
void epilogue_store(Epilogue *e, Stmt *to, const Type *shape, Index *const *at, int lanes);
// Whether all of it can be computed on vectors along the last axis.
bool epilogue_is_vector(Epilogue *e, int lanes);

// naive.c: the root as plain loops, and what follows from it. `gathers`: each point of the axes that are not summed is
// an element of the result of its own. `windows`: see pool_split.
void naive_sum(Epilogue *epilogue, const Iter *iter, bool gathers, unsigned windows);

// contraction_gather.c: the iteration of a scattered result as one that gathers it. False: there is none.
bool contraction_gather(Arena *arena, const Node *root, const Iter **iter);

// contraction_pool.c: splits the root's axes, so that those over the elements of the pool's windows are axes of their
// own; returns the set of these.
unsigned pool_split(Arena *arena, const Node *pool, const Iter **iter);
// Where the iteration stands in the pool's result.
void pool_at(const Node *pool, const Iter *iter, unsigned windows, Index *const *axes, Index **at);

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
// Remembers what was made for the group: calls of the prepare part from number `prepares` on, those that stand before
// loops from number `aheads` on, and the last call.
void share_remember(Shares *shares, const Group *group, int prepares, int aheads);

#endif
