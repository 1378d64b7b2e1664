// graph.h: the graph that the passes work on: static single assignment, static types, no effects.
//
// A Module holds what a whole .dl means: run-time sizes, storages (parameters, buffers, optimiser state, state) and
// one Graph per entry point (and two that the runtime calls, "start" and "init"). A Graph's nodes stand in topological
// order. Each storage is read through a `storage` node (its value when the entry is called); its last assignment is
// an Output bound to that storage. Text form, which dlc prints and reads back:
//
//     size N <= 64
//     param "fc1.weight": f32[256, 784]
//     train step(image: f32[N, 784], lr: f32[]) {
//       %0 = argument {name="image"} : f32[N, 784]                     # mlp.dl:9:12
//       %1 = storage {name="fc1.weight"} : f32[256, 784]
//       %2 = contract %0, %1 {shape=[N, 256], iter=[n:N, o:256 | i:784] out[n, o] += a[n, i] * b[o, i]} : f32[N, 256]
//       %3 = relu %2 : f32[N, 256] @{forward name="h" origin="relu"}
//       ...
//       return "loss" = %17
//       store "fc1.weight" = %31
//     }
//
// A `scan` is a Loop of the graph. Its nodes stand in the same list as all others: those that depend on the loop's
// carry, element and step nodes are computed in each of its steps, everything else outside of it, once.
//
//     model sums(x: f32[8, 4]) {
//       loop 1 over 8
//       %0 = argument {name="x"} : f32[8, 4]
//       %1 = constant {dtype=f32, value=0, int=0} : f32[]
//       %2 = broadcast %1 {shape=[4], axes=[]} : f32[4]
//       %3 = element %0 {loop=1} : f32[4]                              # x[t]
//       %4 = carry %2 {loop=1, index=0} : f32[4]                       # %5 of the step before; %2 in the first
//       %5 = add %4, %3 : f32[4]
//       %6 = stack %5 {loop=1} : f32[8, 4]                             # %5 of all steps
//       next %4 = %5
//       return "y" = %6
//     }
#ifndef DLC_GRAPH_H
#define DLC_GRAPH_H

#include "ir/type.h"
#include "support/diag.h"
#include "support/tags.h"

typedef struct Node Node;
typedef struct Graph Graph;
typedef struct Module Module;
typedef struct Op Op;  // ops/op.h
#include "ops_table.h" // made by the build: extern const Op op_add, ...

typedef VEC(Node *) NodeVec;

// ---- attributes --------------------------------------------------------------------------------------------

// c + sum of coef[i] * axis i: one index of a contract or reduce map, over its iteration axes.
typedef struct Affine {
    int32_t c;
    int32_t coef[MAX_AXES];
} Affine;

// One affine expression for each axis of a tensor.
typedef struct Map {
    int rank;
    Affine dim[MAX_RANK];
} Map;

// The iteration space of a contract (3 maps: out, a, b) or reduce (2 maps: out, in). Reads out of range are 0
// (contract) or the identity (reduce); writes out of range are dropped.
typedef struct Iter {
    int naxes;
    int nout; // axes [0, nout) appear in the out map; the others are summed (reduced) only
    Dim axis[MAX_AXES];
    char name[MAX_AXES]; // one letter each, unique, for printing
    int nmaps;
    Map map[3];
} Iter;

typedef enum AttrKind {
    ATTR_INT,    // .i            keep=1
    ATTR_FLOAT,  // .f            value=0.5
    ATTR_DTYPE,  // .i (a DType)  dtype=f32
    ATTR_STRING, // .s            name="fc1.weight"
    ATTR_WORD,   // .i            kind="max", the place among the words
    ATTR_INTS,   // .ints[n]      perm=[1, 0]
    ATTR_COUNTS, // .counts[n]    start=[0, N - 3]
    ATTR_DIMS,   // .dims[n]      shape=[N, 256]
    ATTR_ITER,   // .iter
} AttrKind;

typedef struct AttrSpec {
    const char *name; // NULL ends a list
    AttrKind kind;
    const char *doc;
    const char *const *words; // WORD: NULL at the end
} AttrSpec;

typedef enum ReduceKind { REDUCE_SUM, REDUCE_MAX, REDUCE_MIN } ReduceKind;
extern const char *const reduce_words[]; // "sum" "max" "min"
// Which of equal extremes the gradient of a maximum or minimum goes to: to all in equal shares, or to the first.
typedef enum Ties { TIES_EVEN, TIES_FIRST } Ties;
typedef enum Distribution { DRAWS_UNIFORM, DRAWS_NORMAL } Distribution;
extern const char *const distribution_words[];

typedef struct Attr {
    int64_t i;
    double f;
    const char *s;
    int n;
    union {
        const void *list;
        const int64_t *ints;
        const Count *counts;
        const Dim *dims;
        const Iter *iter;
    };
} Attr;

enum {
    MAX_ATTRS = 6,
    MAX_INPUTS = 3,     // of an operator: graph_op checks
    MAX_CARRIES = 4096, // of a loop, read from text
    MAX_COPY = 64       // as deep as checkpoint blocks may be nested
};

// ---- nodes -------------------------------------------------------------------------------------------------

struct Node {
    const Op *op;
    int id; // position in graph->nodes
    Type type;
    int nin;
    Node **in;
    const Attr *attr;   // one per op->attrs, in that order
    Span span;          // the user's place, for messages and for comments in the C
    const char *name;   // the .dl name or parameter path it came from, or NULL
    const char *origin; // the prelude layer or user layer that made it ("linear", "cross_entropy"), or NULL
    // Which part of a train entry made it, for the sections of the -O0 C.
    enum Section { SECTION_FORWARD, SECTION_LOSS, SECTION_BACKWARD, SECTION_UPDATE } section;
    // The `checkpoint` blocks that it was made in, outermost first: "2", "2.3"; NULL: in none. For rematerialise.
    const char *checkpoint;
    // Which computation of the same value it is: 0 the first, k the one for the backward pass of the k-th of those
    // blocks. Part of what makes nodes identical.
    int copy;
    // Made by autodiff: 1 + the id of the value whose gradient it is. 0: of none.
    int gradient_of;
    int loop; // the innermost loop in whose steps it is computed; 0: in none
    uint64_t hash;
    // Scratch for passes; every pass that uses it sets it up first.
    int mark;
    Node *map;
};

typedef enum StorageKind {
    STORAGE_PARAM,  // trained; in the state dict
    STORAGE_BUFFER, // in the state dict, written in training
    STORAGE_OPTIM,  // optimiser buffers and step counters: in checkpoints only
    STORAGE_STATE,  // belongs to one context: persists between calls, in no state dict, zeroed by reset
} StorageKind;

typedef struct Storage {
    const char *name; // the full path, unique in the module
    StorageKind kind;
    Type type; // fixed extents only, but of a state: memory is planned for the bounds of its run-time sizes
    Span span; // where it was declared first
    Span user; // the user's call that led there
    int index; // in module->storages
} Storage;

typedef struct Output {
    const char *name; // of a returned value, else NULL
    Node *value;
    Storage *storage; // of a bound output, else NULL
    Span span;
} Output;

// ---- groups: what becomes one kernel (made by the fuse pass, read by lowering) -------------------------------

// A group computes `outputs` and stores them to buffers. Its value at an index is found by recursion: a node that is
// stored by an earlier group is loaded; the root, or a reduce listed in `reduces`, is this kernel's accumulator; any
// other node is inlined through its op's rule (element-wise, movement, constant). So everything that is not stored is
// recomputed where it is used, and only cheap things may be left so.
typedef enum GroupKind {
    GROUP_CONTRACT, // root is a contract; outputs have the root's shape and follow from it index by index (epilogue),
                    // or have the shape of the one reduce, a pool of separate windows, and follow from that
    GROUP_ROWS,     // a nest over the domain; reduced axes (if any) are inner loops. Element-wise groups reduce nothing
    GROUP_NAIVE,    // -O0: one node, outputs = {node}
} GroupKind;

typedef struct Group {
    GroupKind kind;
    int id;
    // GROUP_CONTRACT, GROUP_NAIVE. GROUP_ROWS: a reduce over windows (its only one), whose iteration axes make the
    // domain: those of the result but the last, the reduced ones, the last of the result; or NULL.
    Node *root;
    Type domain;      // GROUP_ROWS: the full iteration shape (dtype unused)
    unsigned reduced; // GROUP_ROWS: bit d set: axis d of the domain is reduced
    NodeVec reduces;  // GROUP_ROWS: reduce nodes in topological order; each reduces the domain's `reduced` axes of an
                      // input with the domain's shape, and has the outer shape (the domain without those axes)
    NodeVec outputs;  // stored; of the domain's shape or the outer shape
} Group;

// ---- graphs ------------------------------------------------------------------------------------------------

typedef enum EntryKind {
    ENTRY_MODEL,
    ENTRY_TRAIN,
    ENTRY_START, // what optimiser state begins with where that is not zero
    ENTRY_INIT,  // draws the parameters
} EntryKind;

typedef struct GraphSlot {
    uint64_t hash; // the node's, so that a search reads no other node
    Node *node;    // NULL: free
} GraphSlot;

// A loop over the steps of a `scan`. Loops are numbered from 1, and keep their numbers in all passes.
typedef struct Loop {
    Dim steps;
    bool reverse; // from the last index to the first
    // Of its steps only what they carry is kept: the gradient runs the loops in them again, and no pass makes a value
    // of all steps of what is one of each step.
    bool checkpoint;
    int parent;          // the loop around it, 0: none
    NodeVec carry, next; // by index: carry[i] is next[i] of the step before; both NULL where a pass dropped them
    Span span;
} Loop;

struct Graph {
    Arena *arena;
    Module *module;
    const char *name;
    EntryKind kind;
    Span span;
    NodeVec nodes;     // topological order; ids are positions
    NodeVec arguments; // `argument` nodes in the order of the entry's parameters; all kept, used or not
    // By run-time size: the axis (of a value, or of what a slice needs) that takes the largest value of the size to
    // have an element. The entry refuses smaller values. Its size is 0 where any value from 1 on will do. It stays when
    // a pass drops the node: the program decides what is refused, not -O.
    Dim need[MAX_SIZES];
    VEC(Output) outputs; // returned values in order, then bound ones
    VEC(Loop) loops;     // loop n is at [n - 1]
    GraphSlot *table;    // hash table of identical nodes
    int table_size;
    VEC(Group) groups; // after fuse: in an order in which they can run
    // What the next nodes are tagged with; the elaborator and autodiff set them.
    Span span_now;
    const char *name_now, *origin_now, *checkpoint_now;
    enum Section section_now;
    int copy_now, loop_now; // loop_now: the loop whose body is being elaborated, 0: none
    const char *stage;      // who builds now ("elaborate", a pass's name), for internal errors
};

struct Module {
    Arena *arena;
    Diag *diag;
    const char *source_name; // the .dl as the user gave it
    Size sizes[MAX_SIZES];
    int nsizes;
    VEC(Storage *) storages;
    Tags by_name;         // of storages: the place of each, from 1
    VEC(Graph *) entries; // in source order; those of kind ENTRY_START and ENTRY_INIT, if any, are last
};

Module *module_new(Arena *arena, Diag *diag, const char *source_name);
// Returns the storage of that path, or NULL.
Storage *module_find_storage(const Module *module, const char *name);
Storage *module_add_storage(Module *module, const char *name, StorageKind kind, Type type, Span span);
// As people call it: "optim.step.0.fc1.weight.momentum_buffer" without entry and number, which only tell minimize
// statements apart.
const char *storage_short_name(const Storage *storage);

// Whether the emitted header declares the entry; only the runtime calls `start` and `init`.
static inline bool graph_is_public(const Graph *g) { return g->kind == ENTRY_MODEL || g->kind == ENTRY_TRAIN; }

Graph *graph_new(Module *module, const char *name, EntryKind kind);

// The only way to make a node. Runs the op's shape rule, finds an identical node first. `attrs` has one Attr per
// op->attrs (NULL when the op has none); it is copied. When the shape rule refuses, an error is reported at
// g->span_now and NULL is returned; a NULL among the inputs (an error already reported) gives NULL silently. Inputs
// must belong to g.
Node *graph_op(Graph *g, const Op *op, Node *const *in, int nin, const Attr *attrs);

int32_t graph_least(const Graph *g, int size); // the smallest value of run-time size number `size` that it takes

void graph_return(Graph *g, const char *name, Node *value, Span span);
// Binds or rebinds what `storage` holds after the entry.
void graph_bind(Graph *g, Storage *storage, Node *value, Span span);

// Nodes by name of operator, for builders, gradient rules and passes. Inputs must have the types that the op asks:
// element-wise operators take equal shapes and dtypes, so use build_broadcast first.
Node *build_constant(Graph *g, DType dtype, double value); // f32[] and the like; integers up to 2^53
Node *build_constant_int(Graph *g, DType dtype, int64_t value);
Node *build_full(Graph *g, const Type *type, double value);  // a constant broadcast to a type
Node *build_argument(Graph *g, const char *name, Type type); // appends to g->arguments
Node *build_storage(Graph *g, Storage *storage);             // the storage's value at entry
Node *build_size(Graph *g, Dim dim);                         // i64[]: an axis's number of elements in this call
Node *build_unary(Graph *g, const char *op, Node *x);
Node *build_binary(Graph *g, const char *op, Node *a, Node *b);
Node *build_select(Graph *g, Node *cond, Node *a, Node *b);
Node *build_cast(Graph *g, Node *x, DType dtype);       // x itself when the dtype is the same
Node *build_iota(Graph *g, const Type *type, int axis); // the index along an axis
Node *build_broadcast(Graph *g, Node *x, const Type *shape,
                      const int *axes);                            // x's axis i becomes axes[i]; extent 1 repeats
Node *build_broadcast_numpy(Graph *g, Node *x, const Type *shape); // numpy's rule: aligned at the last axis
Node *build_reshape(Graph *g, Node *x, const Type *shape);
Node *build_transpose(Graph *g, Node *x, const int *perm); // result axis i is x's axis perm[i]
// Along axis d from start[d] on in steps of step[d]; x itself when that is all of it.
Node *build_slice(Graph *g, Node *x, const Type *shape, const Count *start, const int64_t *step);
// x at start, start + step, ... of a tensor that holds `value` elsewhere.
Node *build_pad(Graph *g, Node *x, const Type *shape, const Count *start, const int64_t *step, double value);
Node *build_concat(Graph *g, Node *a, Node *b, int axis);
Node *build_reduce(Graph *g, ReduceKind kind, Node *x, unsigned axes, Ties ties); // drops the axes (bitmask)
Node *build_reduce_over(Graph *g, ReduceKind kind, Node *x, const Type *shape, const Iter *iter, Ties ties);
Node *build_contract(Graph *g, Node *a, Node *b, const Type *shape, const Iter *iter);
Node *build_matmul(Graph *g, Node *a, Node *b); // numpy's @; batch axes broadcast

// ---- loops ---------------------------------------------------------------------------------------------------------

int graph_loop_new(Graph *g, Dim steps, bool reverse, int parent); // its number
static inline Loop *graph_loop(const Graph *g, int number) { return &g->loops.at[number - 1]; }
// Whether loop `inner` is loop `outer` or stands in it; everything is within 0.
bool graph_loop_within(const Graph *g, int inner, int outer);
// A value that a step gets from the one before: `init` in the first. graph_loop_next says what the step makes of it.
Node *build_carry(Graph *g, int loop, Node *init);
void graph_loop_next(Graph *g, const Node *carry, Node *value);
// Of a carried value that leaves its loop (a stack or last of it): what the steps make of it. NULL of other nodes.
Node *node_next(const Graph *g, const Node *leaving);
Node *build_element(Graph *g, int loop, Node *sequence); // sequence[t], along axis 0
Node *build_step(Graph *g, int loop);                    // t, i64[]
// What `value` is in all steps, along a new axis 0; and what it is after the last step.
Node *build_stack(Graph *g, int loop, Node *value);
Node *build_last(Graph *g, int loop, Node *value);
// value, as a node of the loop (0: of none); those of different numbers are different nodes.
Node *build_hold(Graph *g, int loop, Node *value, int64_t number);
// The loop that an element, carry, step, hold, stack or last belongs to, or leaves.
static inline int node_loop_attr(const Node *node) { return (int)node->attr[0].i; }

// The order in which nodes can be computed when the nodes of a loop stay together. What a loop needs comes before it,
// what takes its results after it.
typedef struct Schedule {
    // By node id: how many loops beside its own (those with the same parent) have to end before it, one after the
    // other. A node in one phase never depends on one of a later phase.
    int *phase;
    int *loop_phase; // by loop number: of the loop among its parent's nodes: it runs after those of that phase
    NodeVec order;   // all nodes
} Schedule;
Schedule graph_schedule(Arena *arena, const Graph *g);
// The end of the run of nodes of loop `inner` (and those in it) that begins at order.at[first].
int schedule_end(const Graph *g, const Schedule *schedule, int first, int inner);
// How many loops stand around it.
int graph_loop_depth(const Graph *g, int number);
int64_t graph_loop_steps(const Graph *g, int number); // how often a step of it runs, at the bounds; 1 of loop 0
// Of the loops right inside `outer`, the one that contains loop `inner`.
int graph_loop_below(const Graph *g, int inner, int outer);

// numpy's broadcast of two shapes (dtype taken from a). False when they do not fit.
bool shape_broadcast(const Type *a, const Type *b, Type *result);
// What the table of identical nodes is keyed by.
uint64_t node_hash(const Op *op, Node *const *in, int nin, const Attr *attrs, int copy);
// The node of the graph that is identical to that, or NULL.
Node *graph_find(const Graph *g, uint64_t hash, const Op *op, Node *const *in, int nin, const Attr *attrs, int copy);
bool graph_owns(const Graph *g, const Node *node); // false for NULL
bool nodes_have(const NodeVec *nodes, const Node *node);
// Whether the node takes part in the loops themselves: carry, element, step, hold, stack or last.
bool node_is_loop(const Node *node);
// Finds an attribute by name: &node->attr[k] of op->attrs[k].name; a bug if the op has none.
const Attr *node_attr(const Node *node, const char *name);
ReduceKind node_reduces(const Node *node);             // how a reduce or a contract folds what it reads
#define node_is(node, name) ((node)->op == &op_##name) // node_is(x, contract)
bool attr_equal(AttrKind kind, const Attr *a, const Attr *b);
uint64_t attr_hash(AttrKind kind, const Attr *a);
Count attr_item(AttrKind kind, const Attr *a, int k); // of INTS, COUNTS and DIMS
uint64_t hash_mix(uint64_t hash, uint64_t value);     // of what was hashed so far and one value more
// The value of a constant node seen through broadcasts and reshapes: true and *value for a scalar splat. Integers
// beyond 2^53 are left alone: a double would round them.
bool node_constant(const Node *node, double *value);

// Whether each part of a concat begins at a constant place: all but the last are of fixed extent along its axis.
bool parts_are_placed(const NodeVec *parts, int axis);

// Nodes that outputs depend on get mark 1, others 0. Returns how many are live. Arguments are always kept.
int graph_mark_live(Graph *g);
// By node id: how many inputs of other nodes it is; as an output of the graph it counts two more.
int *graph_count_uses(Arena *arena, const Graph *g);

// ---- copying: the base of every pass ---------------------------------------------------------------------------

// A fresh graph with the same header, its live nodes rebuilt in order through graph_op (so identical nodes merge).
// `rewrite`, if given, is called per node with its inputs already mapped and returns the new node, or NULL to copy it
// as it is. old->map points at the new node afterwards.
typedef Node *(*RewriteFn)(Graph *to, const Node *old, Node *const *in, void *context);
Graph *graph_rebuild(Graph *from, RewriteFn rewrite, void *context);
// The next nodes get the tags of this one.
void graph_tag_as(Graph *g, const Node *node);
// Copies one node into `to` over the given inputs, with its tags.
Node *graph_copy_node(Graph *to, const Node *old, Node *const *in);

// By node id: the value depends on parameters and buffers alone (prepared.c). All false but in a model.
bool *graph_find_prepared(Arena *arena, const Graph *g);

// ---- text -------------------------------------------------------------------------------------------------------

// The words of kinds in texts, NULL at the end.
extern const char *const storage_words[], *const entry_words[], *const section_words[], *const group_words[];
// The place of the word; that of the end: it is none of them.
int word_find(const char *const *words, const char *word);
void header_print(Str *s, const Graph *g);  // "train step(image: f32[N, 784], lr: f32[])"
void graph_print(Str *s, const Graph *g);   // one entry; groups too, when there are any, as comments
void module_print(Str *s, const Module *m); // everything: what `--emit=graph` prints
// dot.c: the same as a picture, with the groups, when there are any, as boxes: what `--emit=dot` prints.
void module_print_dot(Str *s, const Module *m);
// explain.c: the train entries as formulas: what `--emit=backward` prints. False when there are none.
bool module_explain(Str *s, const Module *m);
// Reads what module_print printed. Errors (with places in `source`) go to diag; NULL then.
Module *module_read(Arena *arena, Diag *diag, const Source *source);
void iter_print(Str *s, const Iter *iter, const Size *sizes);
char *node_text(Arena *arena, const Node *node); // "%4 = add %2, %3 : f32[N, 10]"

// ---- checking and meaning ---------------------------------------------------------------------------------------

// Checks every invariant above (order, types by re-running shape rules, outputs, identical nodes, groups: each output
// stored once, groups in a runnable order, bound outputs written after every other reader of the old value unless
// the groups depend on each other in a circle, as in a swap).
// Returns NULL, or what is wrong (in g->arena).
const char *graph_verify(Graph *g);

// d loss / d wrt[i] in grads[i], a zero of that type when the loss does not depend on it (*used[i] false then).
// Appends nodes with section BACKWARD. A node on the path without a gradient is reported to the user; false then.
bool autodiff(Graph *g, Node *loss, Node *const *wrt, int nwrt, Node **grads, bool *used);

// A tensor of the interpreter. Floats are held as double (rounded to their dtype after each node unless exact),
// integers and bools as int64.
typedef struct Tensor {
    DType dtype;
    int rank;
    int64_t shape[MAX_RANK]; // actual extents
    int64_t count;
    double *f;  // float dtypes
    int64_t *i; // the others
} Tensor;

typedef struct Interpretation {
    Arena *arena;
    const int64_t *sizes;    // actual value of each of the module's run-time sizes
    bool exact;              // no rounding: for gradient checks
    uint32_t stochastic;     // not 0: each rounding goes up or down at random, drawn from this seed
    const Tensor *arguments; // one per g->arguments
    // One per module->storages, run-time axes at their bound; those bound by the entry hold the new values afterwards.
    Tensor *storages;
    Tensor *returned; // out: one per returned output
    bool overflows;   // out: some finite result was too large for its dtype
} Interpretation;

static inline void tensor_copy(Tensor *to, int64_t at, const Tensor *from, int64_t k) { // one element
    if (to->f)
        to->f[at] = from->f[k];
    else
        to->i[at] = from->i[k];
}
Tensor tensor_new(Arena *arena, const Type *type, const int64_t *sizes); // zeros
int64_t dim_actual(Dim dim, const int64_t *sizes);
int64_t count_actual(Count place, const int64_t *sizes);
double round_to_dtype(DType dtype, double value);
void graph_interpret(Graph *g, Interpretation *run);
// One node's value: what graph_interpret does per node; constant folding uses it.
void node_evaluate(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes, bool exact);

#endif
