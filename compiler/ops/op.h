// op.h: the record that says everything about one primitive operator. The build collects each DEFINE_OP in
// compiler/ops/*.c into the table `ops`; nothing else in the compiler names an operator's parts.
#ifndef DLC_OP_H
#define DLC_OP_H

#include "ops/order.h"

typedef enum Trait {
    OP_ELEMENTWISE = 1 << 0, // out[i] = f(in0[i], in1[i], ...): inputs and output of one shape
    OP_MOVEMENT = 1 << 1,    // out[i] = in[map(i)]: only moves; costs next to nothing where it is inlined
    OP_SOURCE = 1 << 2,      // no tensor inputs that are indexed: constant, iota, size; value from the index alone
    OP_REDUCES = 1 << 3,     // contract, reduce: needs an accumulator
    OP_INPUT = 1 << 4,       // argument, storage: in a buffer from the start
    OP_COMMUTES = 1 << 5,
    OP_EXPENSIVE = 1 << 6, // exp, log, random, ...: do not recompute
    OP_IDENTITY = 1 << 7,  // detach: lowered to its input
    OP_STOPS = 1 << 8,     // detach: no gradient goes through, and nothing after it counts as depended on
    OP_ALONE = 1 << 9,     // a kernel of its own, whose loops `nest` makes
    OP_EXACT = 1 << 10,    // element-wise, rounds nothing: of equal floats any machine makes equal results
    OP_JUMPS = 1 << 11,    // element-wise, of floats a last place apart it may make results that are far apart
    OP_LOOP = 1 << 12,     // carry, element, step, hold, stack, last: attribute 0 is its loop
} Trait;

// What a shape rule sees. It fills `type` and returns true, or reports through op_refuse.
typedef struct Infer {
    const Op *op;
    const Node *const *in;
    int nin;
    const Attr *attr;
    Type type;
    int loop;            // in which the node is computed: at entry that of its inputs
    Dim need[MAX_SIZES]; // as of a Graph: what must have an element beside the axes of the result (dim_need)
    Graph *g;
} Infer;
// Runs the operator's shape rule, and finds the loop.
bool op_infer(Infer *infer);
// Reports "OP: message" at g->span_now and returns false.
bool op_refuse(Infer *infer, const char *fmt, ...) PRINTF_LIKE(2, 3);

struct LowerContext; // loops/lower.h
struct Expr;
struct Index;

struct Op {
    const char *name;
    const char *doc;     // one line
    const char *example; // a .dl expression over typed placeholders: "tanh(x: f32[2, 3])"; the tests and docs use it
    int inputs;          // how many
    int optional;        // how many more it may have
    AttrSpec attrs[MAX_ATTRS + 1];
    unsigned traits; // of Trait
    bool (*infer)(Infer *infer);
    // out has its type and actual shape already; out->f or out->i is zeroed.
    void (*eval)(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes);
    // The same of an expression of the loop IR, where its arguments are not the node's inputs; NULL: they are.
    void (*eval_lowered)(const Node *node, const Tensor *const *arg, Tensor *out, const int64_t *sizes);
    double ulp;        // error of the emitted element-wise code, in units in the last place of f32; 0: exact rounding
    double ulp_floats; // of the C that keeps to floats (c11 at -O2), where that is another function and larger
    // Gradient for input i given the node y and dy (y's type), as new nodes of g; NULL: this input gets none.
    Node *(*grad)(Graph *g, Node *y, Node *dy, int i);
    const char *no_grad; // why there is no gradient: exactly one of grad and no_grad is set
    // Element-wise: the C text, $0 $1 $2 are the inputs (already in parentheses where needed). `c` is for one float
    // ($F is "f", or nothing where a function of that name takes doubles),
    // `c_int` for integers and bool ($T the result's C type, $U the unsigned type of the same width, $N its name, i32),
    // `c_vec` for vectors of float (GNU C and the functions of runtime/dlc_vec.h), `c_vec_int` for vectors of i32,
    // which wrap as dlc_vu, and for masks. NULL: not for that kind.
    const char *c, *c_int, *c_vec, *c_vec_int;
    // Where the text depends on more: given instead of the four. `node` is NULL for an operator that lowering
    // made.
    const char *(*text)(const Node *node, DType result, DType operand, bool vector);
    // Movement: writes in[] = the input's index for an output index, both in graph axes (loops/lower.h).
    void (*move)(struct LowerContext *ctx, const Node *node, struct Index *const *out, struct Index **in);
    // Sources and others that are neither, and movements that choose (concat) or read an index (gather): the value at
    // an output index.
    struct Expr *(*lower)(struct LowerContext *ctx, const Node *node, struct Index *const *out);
    // Kernels of their own: the whole nest, which stores the result.
    void (*nest)(struct LowerContext *ctx, const Node *node);
    // Layouts: the node over inputs that lie in the orders `from`. At entry *order is the order that suits the result
    // best, at return the one that it has. NULL, or where it returns NULL: the inputs must lie as the graph has them.
    // Element-wise operators and OP_IDENTITY need none.
    Node *(*reorder)(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order);
    int flops; // per output element; contract and reduce count their iterations
};

#define DEFINE_OP(NAME) const Op op_##NAME =

extern const Op *const ops[]; // NULL at the end; generated, as ops_table.h, which declares each
// Returns NULL for an unknown name.
const Op *op_find(const char *name);

// The text to print for an operator, or NULL when it has none for that kind. `operand` is the dtype of the last input
// (select(c, a, b): of b); vector: lanes > 1.
const char *op_c_text(const Op *op, const Node *node, DType result, DType operand, bool vector);
// An index as an integer value; with lanes > 1 when the lane variable is in it.
struct Expr *op_index_value(struct LowerContext *ctx, DType dtype, const struct Index *index);

// What changes nothing that a reduce folds: 0, or what never wins.
double reduce_identity_float(ReduceKind kind);
int64_t reduce_identity_int(ReduceKind kind, DType dtype);

// The type of what `update` puts into x at these indices.
Type update_value_type(const Type *x, const Type *index, int axis, int batch);
// What an `update` changes parts of; NULL: the node is none.
const Node *update_changes(const Node *node);

// Rules shared by many records.
bool elementwise_infer(Infer *infer);        // all inputs of one type, which is the result's
bool elementwise_float_infer(Infer *infer);  // the same, of a float dtype
bool elementwise_number_infer(Infer *infer); // the same, of any dtype but bool
bool comparison_infer(Infer *infer);         // result bool

#endif
