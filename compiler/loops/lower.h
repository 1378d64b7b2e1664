// lower.h: what operators' rules and the recipes share while a group becomes a kernel.
#ifndef DLC_LOWER_H
#define DLC_LOWER_H

#include "loops/loops.h"

// The state of lowering one group. `lower_value` is the recursion that inlines.
typedef struct LowerContext {
    Arena *arena;
    Program *program;
    const Group *group;
    Kernel *kernel;
    const bool *prepared; // by node id: the prepare part can compute it; NULL when this kernel is of that part itself
    int lanes;            // lanes of the statement being built (1 or the target's)
    Var *lane_var;        // the variable along which lanes run, or NULL
    // How nodes that are this kernel's accumulators are read: returns NULL for any other node.
    Expr *(*local)(struct LowerContext *ctx, const Node *node, Index *const *at);
    void *recipe;      // the recipe's own state
    struct Memo *memo; // (node, index) -> Expr within one statement, so that shared work is computed once
    bool needs_scalar; // lower_value sets it when something has no vector form along lane_var
    VEC(Var *) vars;   // of the kernel
} LowerContext;

// The value of `node` at index `at` (one Index per axis of its shape).
Expr *lower_value(LowerContext *ctx, const Node *node, Index *const *at);
// Forget shared expressions: call before each new statement or when entering another loop.
void lower_forget(LowerContext *ctx);

// ---- constructors ---------------------------------------------------------------------------------------------------

Index *index_const(Arena *arena, int64_t c);
Index *index_var(Arena *arena, Var *var);
Index *index_count(Arena *arena, Count place);
Index *index_step(Arena *arena, const Graph *g, int loop); // the index of a step
Index *index_size(Arena *arena, Dim dim);                  // how many elements the axis has, at run time
// Of a and `by`, which is a constant or what index_size gives; a is not negative where it is divided.
Index *index_times(Arena *arena, const Index *a, const Index *by);
Index *index_quotient(Arena *arena, const Index *a, const Index *by);
Index *index_remainder(Arena *arena, const Index *a, const Index *by);
Index *index_clamp_to(Arena *arena, const Index *a, const Index *end); // into [0, end)
Index *index_add(Arena *arena, const Index *a, const Index *b);
Index *index_add_const(Arena *arena, const Index *a, int64_t c);
Index *index_scale(Arena *arena, const Index *a, int64_t by);
Index *index_div(Arena *arena, const Index *a, int64_t by); // simplified where ranges of terms allow
Index *index_mod(Arena *arena, const Index *a, int64_t by);
Index *index_min(Arena *arena, const Index *a, const Index *b);
Index *index_clamp(Arena *arena, const Index *a, int64_t by); // into [0, by)
// value is clamped into [lo, hi]; end: NULL, or a run-time size that it is below.
Index *index_loaded(Arena *arena, struct Expr *value, int64_t lo, int64_t hi, const Index *end);
// Every value is a multiple of `by`: "16*io" and a variable that runs in steps of 16 from 0 are of 16.
bool index_divisible(const Index *a, int64_t by);
// Not negative where `a` is not: without what divides all its coefficients. 3*i + 3*j - 4 gives i + j - 2.
const Index *index_tighten(Arena *arena, const Index *a);
bool index_is_const(const Index *a, int64_t *c);
bool index_uses(const Index *a, const Var *var);
bool index_is_loaded(const Index *a); // whether it depends on an integer that is loaded
// The values that an index takes over its variables' ranges; false when one is unknown.
bool index_range(const Index *a, int64_t *lo, int64_t *hi);
// The coefficient of `var` when it appears only linearly; false when it hides in a div, mod or load.
bool index_linear(const Index *a, const Var *var, int64_t *coef);
Index *index_substitute(Arena *arena, const Index *a, const Var *var, const Index *by);
Index *index_of_affine(Arena *arena, const Affine *affine, Index *const *axes, int naxes);

// Without the terms number d and e; -1: none.
Index *index_without(Arena *arena, const Index *a, int d, int e);

Var *var_new(LowerContext *ctx, const char *name);
Expr *expr_const(Arena *arena, DType dtype, double value);
Expr *expr_load(Arena *arena, Buffer *buffer, Index *const *at, int lanes);
Expr *expr_apply(Arena *arena, const Node *node, const Op *op, DType dtype, Expr *const *arg, int nargs);
Expr *expr_lanes(Arena *arena, ReduceKind kind, Expr *of);
Stmt *stmt_block(Arena *arena);
// Gives `var` its range: make the loop before indices of its variable.
Stmt *stmt_for(Arena *arena, Var *var, const Index *lo, const Index *hi, int64_t step);
Stmt *stmt_store(Arena *arena, Buffer *buffer, Index *const *at, Expr *value);
Stmt *stmt_accumulate(Arena *arena, Buffer *buffer, Index *const *at, ReduceKind combine, Expr *value);
// Opens `for name = lo .. hi step` at the end of `to` and returns it; *at becomes the variable.
Stmt *loop_open(LowerContext *ctx, Stmt *to, const char *name, const Index *lo, const Index *hi, int64_t step,
                Index **at);
// Without conditions yet: push them to ->cond.
Stmt *stmt_if(Arena *arena);
Stmt *stmt_prefetch(Arena *arena, Buffer *buffer, Index *const *at);
// A lanes x lanes tile: see Stmt.
Stmt *stmt_transpose(Arena *arena, Buffer *to, Index *const *at, int dst_axis, Buffer *from, Index *const *from_at,
                     int src_axis);
Stmt *stmt_local(Arena *arena, Buffer *buffer, Expr *value);
void stmt_append(Arena *arena, Stmt *to, Stmt *stmt);

// Makes a kernel of the prepare part, for values of `ctx`'s group that depend on parameters alone, and returns a
// context in which to fill its body. It stores what the calls read in SCOPE_PREPARED.
LowerContext *lower_prepare(const LowerContext *ctx, const char *name, const char *comment);

// The same for a kernel that runs once before the loop, for values that the loop does not change.
LowerContext *lower_ahead(const LowerContext *ctx, const char *name, const char *comment, int loop);

// Whether the group stores the node, so that its own kernel computes it.
bool group_stores(const Group *group, const Node *node);
// Whether vectors of it can be loaded and stored.
static inline bool dtype_is_vector(DType dtype) { return dtype == F32 || dtype == I32; }
// Whether both have one dtype, one shape and one layout, halos and all.
bool buffers_alike(const Buffer *a, const Buffer *b);
// Says in the buffer, and in its name, that it holds the node's elements in another order.
void buffer_packs(Arena *arena, Buffer *buffer, const Node *node, const char *packed_as);
// Appends a call to the prepare part.
void program_add_prepare(Program *program, Call call);
Buffer *buffer_scratch(Program *program, const char *name, DType dtype, int rank, const Dim *dims, Scope scope);

// halo.c: gives the values that contractions read through windows a halo wide enough for all of them (before kernels
// are made), and appends the stores that fill a buffer's halo with zeros.
void halos_choose(Program *program);
void halo_fill(LowerContext *ctx, Stmt *to, Buffer *buffer);
// Room for a halo, where a buffer has none yet or a smaller one.
void buffer_widen(Buffer *buffer, const int *before, const int *after);
void buffer_lay_out(Buffer *buffer); // its strides and bytes, after its dims have changed

// views.c: stored values that are other values' memory (see there). Fills view[id] (`of` is left for later) and
// base[id] for those; both hold NULL for every other node.
typedef struct Views {
    Arena *arena;
    const Graph *g;
    const bool *stored, *prepared; // by node id
    bool *output;                  // by node id: of the graph
    View **view;                   // by node id
    const Node **base;             // by node id
} Views;
void views_find(Views *views);
// Sets axis and step: each axis is that of the memory.
void view_same_axes(View *view, int rank);
// Whether nothing is left of the group: its one result is made of views.
bool views_replace(const Views *views, const Group *group);
// Room for a halo where the memory of a buffer allows it: what lies in it as a view keeps its strides regular.
bool views_widen(Program *program, Buffer *buffer, const int *before, const int *after);
// Gives views their strides, halos and starts, from what they lie in.
void views_lay_out(Program *program);
// slots.c: where the values of loops live. slots_leave places what steps hand on and give, before other values have
// their places; slots_enter what they take from these.
void slots_leave(Program *program);
void slots_enter(Program *program);
// Puts the calls of program->ahead right before their loops.
void slots_place_ahead(Program *program);
// Sets program->loops, and each buffer's home.
void slots_find_loops(Program *program);
void slots_find_homes(Program *program);
// The calls through which a buffer of that home lives because `call` uses it.
void slots_live(const Program *program, int call, int home, int *first, int *last);
// A carried value that the next one may overwrite has one slot, not two. Needs `loops`.
struct UsePairs; // recipes.h
void slots_in_place(Program *program, struct UsePairs *known);

// inplace.c: results take the memory of inputs that end with their kernel.
void views_in_place(Program *program);
// Whether the call's kernel may write use `to` over use `from`: it reads each element in the loop that stores it, and
// before that. Asked once for each kernel.
bool call_in_place(struct UsePairs *known, const Call *call, int from, int to);

// ---- shares of work -------------------------------------------------------------------------------------------------

enum { SHARE = 1000000 }; // all of it: plans compare integers, so that they do not depend on how doubles are rounded

// The share of the time in which no thread waits, when units are cut into chunks as evenly as possible.
static inline int64_t chunk_share(int units, int chunks) {
    return units < 2 || chunks < 2 ? 0 : (int64_t)units * SHARE / ((int64_t)ceil_div(units, chunks) * chunks);
}

// ---- recipes --------------------------------------------------------------------------------------------------------

void lower_naive(LowerContext *ctx);       // -O0: one nest, accumulation in double
void lower_contraction(LowerContext *ctx); // recipe (a)
void lower_rows(LowerContext *ctx);        // recipe (b)

#endif
