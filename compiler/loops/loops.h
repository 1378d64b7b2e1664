// loops.h: the loop IR between the graph and C. Written down, with worked examples, in docs/loops.md.
//
// One entry becomes a Program: buffers, and a list of calls of kernels. A Kernel is a nest of statements over buffers.
// The printer finds everything here, and decides nothing itself.
#ifndef DLC_LOOPS_H
#define DLC_LOOPS_H

#include "ir/graph.h"
#include "ops/op.h"
#include "support/ints.h"
#include "targets/targets.h"

typedef struct Var Var;
typedef struct Index Index;
typedef struct Expr Expr;
typedef struct Stmt Stmt;
typedef struct Buffer Buffer;
typedef struct Kernel Kernel;

// ---- indices: affine, plus div and mod by constants or run-time sizes, plus at most one loaded integer ------------

struct Var {
    const char *name; // "n"; printers number the inner one of two loops of one name
    int id;
    Stmt *loop; // the one loop whose variable it is, which gives its range; NULL until that loop is made
};

typedef enum AtomKind {
    ATOM_VAR,
    ATOM_SIZE,
    ATOM_STEP,
    ATOM_TIMES,
    ATOM_DIV,
    ATOM_MOD,
    ATOM_MIN,
    ATOM_CLAMP,
    ATOM_LOADED
} AtomKind;

typedef struct Atom {
    AtomKind kind;
    Var *var;        // VAR
    int size;        // SIZE: the module's run-time size with this number (0-based); `by` is its bound
                     // STEP: how many loops of the program stand around the one whose index it is, which is below `by`
    const Index *of; // TIMES: of * other; DIV, MOD: of / by, of % by, of >= 0; MIN: min(of, other); CLAMP: into [0, by)
    // TIMES, MIN: see `of`. DIV, MOD, CLAMP: NULL, or the run-time value of `by`: c * N + d of one size, at least 1.
    // LOADED: NULL, or what it is below: such a value too, where lo is not negative.
    const Index *other;
    int64_t by;     // DIV, MOD, CLAMP: the largest value of `other` where that is given; SIZE: the bound
    Expr *loaded;   // LOADED: an integer expression that its maker has clamped into [lo, hi]
    int64_t lo, hi; // LOADED; where hi follows a run-time size, its value at the bound
} Atom;

struct Index {
    int64_t c;
    int nterms;
    struct Term {
        int64_t coef;
        Atom atom;
    } * term;
};

// ---- expressions ----------------------------------------------------------------------------------------------------

typedef enum ExprKind {
    EXPR_CONST,        // f or i by dtype
    EXPR_INDEX_VALUE,  // an index as an integer value (iota); with lanes > 1: index, index + 1, ...
    EXPR_LOAD,         // buffer[index...]; with lanes > 1 consecutive elements of the last axis, which has stride 1
    EXPR_APPLY,        // an operator's record over arguments: add, exp, select, cast, random_uniform, ...
    EXPR_REDUCE_LANES, // horizontal sum, max or min of one argument's lanes
} ExprKind;

struct Expr {
    ExprKind kind;
    DType dtype;
    int lanes; // 1 or the target's vector lanes; a scalar argument among vector ones is broadcast
    union {
        double f;
        int64_t i;
    };
    const Index *index; // INDEX_VALUE
    Buffer *buffer;     // LOAD
    const Index **at;   // LOAD: one per buffer axis
    const Node *node;   // APPLY: the graph node whose op (and attributes) it applies
    const Op *op;       // APPLY; REDUCE_LANES uses reduce_kind
    ReduceKind reduce_kind;
    int nargs;
    Expr **arg;
};

// ---- statements -----------------------------------------------------------------------------------------------------

typedef enum StmtKind {
    STMT_BLOCK,      // body in order
    STMT_FOR,        // for (var = lo; var < hi; var += step) body
    STMT_STORE,      // buffer[at] = value
    STMT_ACCUMULATE, // buffer[at] = combine(buffer[at], value): one C statement `acc += a * b`
    STMT_LOCAL,      // declares a STACK or REGISTER buffer for the rest of the block; initialised to `value` if given
    STMT_IF,         // if (all of cond[i] >= 0) body: affine guards
    STMT_PREFETCH,   // a hint: the cache line of buffer[at] will be read; the index may lead anywhere
    STMT_TRANSPOSE,  // dst[at..][c][r] = src[from..][r][c] for a lanes x lanes tile of floats (packing)
} StmtKind;

typedef enum ForKind {
    FOR_SERIAL,
    FOR_CHUNKS, // P iterations (of --threads) or fewer; they are independent of each other, and OpenMP runs them
    FOR_LANES,  // the lanes of a vector, where the target has no vectors: the C compiler makes vectors of the loop. gcc
                // 12 must be kept from unrolling it, because it finds no vectors then: 2 to 15 times slower
    FOR_UNROLLED, // a small constant number of iterations, which the C compiler writes out. Its variable may index
                  // registers. No other kind of loop stands inside, because gcc would not unroll it then.
} ForKind;

struct Stmt {
    StmtKind kind;
    // BLOCK, FOR, IF
    VEC(Stmt *) body;
    // FOR. hi may use ATOM_MIN and ATOM_SIZE. Where hi <= lo there is no iteration.
    ForKind loop;
    Var *var;
    const Index *lo, *hi;
    int64_t step;
    // STORE, ACCUMULATE, LOCAL, TRANSPOSE (destination)
    Buffer *buffer;
    const Index **at;
    Expr *value;        // lanes > 1: stores that many consecutive elements of the last axis
    ReduceKind combine; // ACCUMULATE
    // TRANSPOSE
    Buffer *source;
    const Index **from;
    // The axes that are not last: tile row r is from[src_axis] + r and lands in the last axis at + r, tile column c is
    // from[last] + c and lands in at[dst_axis] + c.
    int src_axis, dst_axis;
    // IF
    VEC(const Index *) cond; // each >= 0
    const char *comment;     // printed above, or NULL
};

// ---- buffers --------------------------------------------------------------------------------------------------------

typedef enum Scope {
    SCOPE_ARGUMENT, // the caller's: an entry's input or output
    SCOPE_STORAGE,  // parameters, buffers, optimiser state, state
    SCOPE_ARENA,    // planned; scratch too (chunk-private scratch has a leading axis P)
    SCOPE_PREPARED, // beside the parameters: written by the prepare part, read by the model's calls
    SCOPE_STACK,    // a local array, at most 4 KiB
    SCOPE_REGISTER, // local; indexed by constants and variables of unrolled loops alone; elements have `lanes`
} Scope;

// A buffer without memory of its own: it shows another buffer, or a part of it, with its dims in another order. Axis d
// runs along axis[d] of `of`, step[d] of its elements at a time, from first[axis[d]] on; -1: an axis of one element.
typedef struct View {
    Buffer *of;
    signed char axis[MAX_RANK];
    int64_t step[MAX_RANK];
    int64_t first[MAX_RANK]; // by axis of `of`
    unsigned whole;          // own axes that are a whole axis of `of`, and share its halo
    unsigned merged;         // axes of `of` that were joined with the one before, so that no halo may come between
    bool part;               // kernels write the view itself, a part of the concat `of`
    // NULL, or where along axis 0 of `of` it lies, in steps of loops and run-time sizes; its axis d is d + 1 of `of`.
    const Index *slot;
} View;

struct Buffer {
    const char *name; // for reading: "h", "fc1_weight", "panel_b", "acc"
    DType dtype;
    int rank;
    Dim dim[MAX_RANK]; // logical = physical order; row-major
    // In elements, run-time axes at their bound. An ARGUMENT is dense at the actual sizes instead: the stride of its
    // axis is the product of the actual extents after it, which the printer forms from `dim` (48 * N).
    int64_t stride[MAX_RANK];
    // The halo: elements before and after each axis in memory. They hold 0, and may be read.
    int before[MAX_RANK], after[MAX_RANK];
    int lanes; // REGISTER and STACK vectors: lanes of each element, else 1
    Scope scope;
    const Node *value;      // the graph node it holds, or NULL for scratch
    const Node *packs;      // PREPARED: it is a reordered copy of this node's value, or NULL
    const char *packed_as;  // how: "panels" or "halo"
    Storage *storage;       // STORAGE
    int argument;           // ARGUMENT: position among inputs, or -1
    int output;             // ARGUMENT: position among returned outputs, or -1
    bool by_value;          // ARGUMENT: a scalar input, passed by value
    bool accumulate_double; // REGISTER, STACK of a float dtype: held as C double
    // Lifetime and place, filled by the planner: in the arena for SCOPE_ARENA, among the prepared for SCOPE_PREPARED.
    int first_call, last_call;
    int home; // the loop in each step of which it begins and ends to live; 0: none
    int64_t bytes, offset;
    View *view;          // ARENA: it lies in another buffer; its strides are those of that one; or NULL
    int64_t start;       // of a view: from the element at which that buffer (or the one that it lies in itself) begins
    void *data;          // elements that dlc has itself, while it runs a program or embeds weights; or NULL
    struct Buffer *same; // PREPARED: the equal one of another model, which stands for both; or NULL
};

// A view lies in another buffer, that perhaps in a third one: whose memory it is.
static inline Buffer *view_root(const Buffer *buffer) {
    while (buffer->view) buffer = buffer->view->of;
    return (Buffer *)buffer;
}
static inline bool buffer_is_local(const Buffer *buffer) {
    return buffer->scope == SCOPE_STACK || buffer->scope == SCOPE_REGISTER;
}

enum { PLAN_ALIGN = 64 }; // of each buffer in the arena and among the prepared: a line of the cache, the widest vector
static inline int64_t buffer_room(const Buffer *buffer) { return round_up(buffer->bytes, PLAN_ALIGN); }
Type buffer_shape(const Buffer *buffer);
int64_t buffer_count(const Buffer *buffer); // elements at the bounds of run-time sizes, without the halo
int64_t buffer_reach(const Buffer *buffer); // from its first element to the end of its last one, halo and all
static inline int buffer_element_bytes(const Buffer *buffer) {
    return buffer->accumulate_double ? 8 : dtype_info[buffer->dtype].bytes;
}
bool index_equal(const Index *a, const Index *b);

// ---- kernels and programs -------------------------------------------------------------------------------------------

// A buffer of a kernel's body that is no local.
typedef struct Use {
    Buffer *buffer;
    bool read, written; // what is accumulated to is both
} Use;

// Several calls may share a kernel. Its body names the buffers of the first; those of the others are laid out alike.
struct Kernel {
    const char *name;    // "linear_relu": made unique by the printer
    const char *comment; // what it computes, its .dl line, the operators fused into it; of its first call
    Stmt *body;
    VEC(Use) uses; // in order of first use: kernel_find_uses
    int nvars;
    double flops;       // for --report, at the bounds
    double flops_again; // of these, what is computed again for the backward pass
    const char *recipe; // "naive", "contraction 6x4", "rows": for --report
};

typedef struct Call {
    Kernel *kernel;
    Buffer **buffer;      // one for each of kernel->uses, in its place
    const Group *group;   // NULL for copies
    Buffer *skip_if_null; // a returned output that is all this call computes: it is left out when the caller gave NULL
    enum Section section;
    int loop;     // of the graph, in which it is made
    int ahead_of; // the loop right before which it is made; 0: it stands where its group does
    bool shared;  // of the prepare part: a call of another model does the same, and this one is left out
} Call;

// The calls [first, end) of one of the graph's loops; -1: it has none.
typedef struct LoopRange {
    int first, end;
} LoopRange;

typedef struct Program {
    Arena *arena;
    Graph *graph;
    const Target *target;
    int level;   // 0 or 2
    int threads; // P
    VEC(Buffer *) buffers;
    // calls[0, nprepare) are the prepare part of a model: they depend on parameters alone, and run after these change.
    VEC(Call) calls;
    int nprepare;
    VEC(Call) ahead;                  // while calls are made: those with ahead_of
    LoopRange *loops;                 // by number of the loop, from 1, at [number - 1]
    Buffer **of_node;                 // by node id: where a stored node's value lives, or NULL
    struct GroupParts *parts;         // by group: what it computes and loads
    int64_t arena_bytes, arena_bound; // planned peak, and the largest sum of simultaneously live bytes
    int64_t prepared_bytes;           // of all SCOPE_PREPARED buffers; then of those of all models of the module
} Program;

// Lowers a graph that was fused: a call per group, equal groups of one kernel, each kernel by its recipe; copies for
// outputs. Buffers get lifetimes.
// apart: each group gets a kernel of its own, which is what sharing is tested against.
const char *step_name(Arena *arena, int depth); // of the index of a loop with so many loops around it: "t", "t2"
Program *program_lower_in(Arena *arena, Graph *g, const Target *target, int level, int threads, bool apart);
static inline Program *program_lower(Graph *g, const Target *target, int level, int threads) {
    return program_lower_in(g->arena, g, target, level, threads, false);
}
// The node that stands for what the call computes; NULL: it copies.
const Node *call_node(const Call *call);
// Whether most of what a kernel does was done before, in the forward pass.
bool kernel_is_again(const Kernel *kernel);
// Removes the prepare part, whose buffers have their data by now.
void program_drop_prepare(Program *program);
// Lets results take the memory of inputs that end with their kernel, then gives every arena and every prepared buffer
// its offset; align is that of the target's vectors, at least 64.
void program_plan(Program *program);
// The independent checker: no two buffers that live at once overlap, unless one is a view of the other and nothing
// writes what is still to be read; every buffer within the arena, aligned; recomputes lifetimes from the calls' bodies
// and the lower bound itself. What is updated in place is not read as it was any more. Nothing passes from the prepare
// part to the calls but prepared buffers, which only it writes. Returns NULL or what is wrong.
const char *program_check_plan(const Program *program);
// The same for what models prepare, across the programs of a module: two buffers share no bytes, and what stands for an
// equal one is made by a call that stays.
const char *programs_check_prepared(Program *const *programs, int n);
// Every index of every load and store lies within its buffer, by ranges; register indices constant; loop variables
// defined before use; stacks below 4 KiB. Returns NULL or what is wrong.
const char *program_verify(const Program *program);
void program_print(Str *s, const Program *program); // --emit=loops
// Sets kernel->uses from its body, which must be complete.
void kernel_find_uses(Arena *arena, Kernel *kernel);
// A call that gives the kernel the buffers that its body names.
Call call_new(Arena *arena, Kernel *kernel);

// One place that a statement reads or writes.
typedef struct Access {
    const Stmt *stmt, *loop; // the statement; the innermost loop around it, or NULL
    int number;              // of the statement, from 1
    Buffer *buffer;
    const Index *const *at; // NULL: a local that is declared
    int lanes;
    bool write;
} Access;
// Visits all of them in order, also those inside indices. What is accumulated to is read, then written; what is
// prefetched is read; a tile that is transposed stands for its first element.
void stmt_visit(const Stmt *stmt, void (*visit)(void *context, const Access *access), void *context);

#endif
