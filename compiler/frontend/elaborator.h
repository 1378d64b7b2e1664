// elaborator.h: what the files of the elaborator share; private to compiler/frontend.
//
//     layer double(x: T[...S]) { return x * 2 }           %0 = argument {name="x"} : f32[N, 8]
//     model forward(x: f32[N, 8]) -> (y: f32[N, 8]) {     %1 = constant {dtype=f32, value=2}
//         return double(x)                        ->      %2 = broadcast %1 ...
//     }                                                   %3 = mul %0, %2
//
// Elaboration runs the program at compile time: every name has a Value, every call makes a Frame, and what is a tensor
// is a node of the graph that is being built. A Value of kind POISON stands for an error that was reported.
#ifndef DLC_ELABORATOR_H
#define DLC_ELABORATOR_H

#include "frontend/elaborate.h"
#include "ops/op.h"

// ---- compile-time values (value.c) -------------------------------------------------------------------------------

typedef enum ValueKind {
    VALUE_POISON, // an error that was reported
    VALUE_NONE,
    VALUE_INT,
    VALUE_FLOAT,
    VALUE_BOOL,
    VALUE_STRING,
    VALUE_DTYPE,
    VALUE_SIZE,  // c * N + d of one run-time size: can stand in types, if it is no less than 1
    VALUE_COUNT, // other arithmetic over run-time sizes: an i64[] node that takes the dtype of the tensor it meets
    VALUE_TENSOR,
    VALUE_LIST,
    VALUE_TUPLE, // several results of a call
} ValueKind;

typedef struct Value {
    ValueKind kind;
    union {
        int64_t i; // INT, BOOL
        double f;
        const char *s;
        DType dtype;
        Dim size;               // SIZE: times may be negative, and the extent (the number at the bound) below 1
        Node *node;             // TENSOR, COUNT
        struct ValueList *list; // LIST, TUPLE
    };
} Value;

typedef struct ValueList {
    Value *at;
    int len, cap;
} ValueList;

// ---- frames: the call of a layer, model, train or optimizer ------------------------------------------------------

typedef struct Binding {
    const char *name;
    Value value;
    Storage *storage; // a param, buffer: the value is what it holds now
    bool is_step;     // the optimiser's t: made when it is read
    Span span;
} Binding;

// Bindings, each name once.
typedef struct Scope {
    VEC(Binding) all;
    Tags places; // by name, from 1
} Scope;

typedef struct Frame Frame;
struct Frame {
    Frame *caller;
    const AstDecl *decl;
    Graph *g; // its tensors are nodes of this graph
    Scope names;
    const char *path; // of its parameters: "" or "encoder.fc1"
    Tags *counters;   // how often each layer was called without a name; the caller's when name="" adds no component
    Span user;        // the call in the user's file that led here
    bool numbered;    // its component was made of the layer's name: "linear_2"
    bool returned;
    Span return_span;
    Value result;
    struct Minimize *minimize; // of an optimizer
};

typedef struct Arg {
    const char *name; // keyword, or NULL
    Span name_span, span;
    Value value;
} Arg;
typedef VEC(Arg) Args;

typedef VEC(const char *) Names;

typedef VEC(NodeVec) Versions;

// Of parameters: "head", "*.bias".
typedef struct Pattern {
    const char *text;
    Span span;
    int minimizes; // that stand before it; of `freeze`
} Pattern;
typedef VEC(Pattern) Patterns;

typedef struct Gradient {
    Storage *storage;
    Node *node; // NULL: the loss does not depend on it
    int group;  // of the minimize's optimizers
} Gradient;
typedef VEC(Gradient) Gradients;

// The graphs that a train entry stands for. Without `accumulate` it is the first alone.
enum Phase {
    PHASE_STEP,       // step: gradients and update
    PHASE_ACCUMULATE, // step_accumulate: adds gradients to sums instead of updating
    PHASE_UPDATE,     // step_update: updates from the sums; takes the arguments that the optimizers read
};

typedef struct Elab {
    Arena *arena;
    Diag *diag;
    const ElaborateOptions *options;
    const AstFile *file;
    VEC(const AstDecl *) prelude;
    Tags in_file, in_prelude, builtins; // by name: the place of a declaration or function, from 1
    Scope dims;
    Module *module;
    Graph *g;     // being built
    Graph *init;  // draws the parameters
    Graph *start; // what the optimisers' buffers begin with
    Node *seed;   // of init
    int sites;    // of random, so far
    VEC(struct Initial {
        Node *value;    // of init or start; NULL: reported, or none
        int sites;      // of random before it
        const char *by; // the initialiser
        Span place;
    })
    initials;       // by storage
    VEC(int) drawn; // the sites of random in this entry, in the order of its draws
    int draws;      // of random in g so far
    Frame *frame;   // running now
    bool training;
    enum Phase phase;
    Patterns frozen;   // by `freeze`, in g so far
    Versions versions; // by storage: the values it had in g so far, the first at entry; empty: not used in g
    VEC(const AstStmt *) minimizes; // in g so far
    VEC(Span) numbered;             // by storage, of g: the first call of a layer without a name that declared it
    Span numbered_told;             // the call that was warned of last
    Tags warned;                    // by warn_once: places and texts
    int checkpoints;                // blocks of g so far
    const AstStmt *loop;            // innermost `for`
    int64_t steps;                  // of work, capped
    int depth;                      // of nested evaluation, capped
    bool stop;                      // a cap was hit: everything is poison from here on
} Elab;

#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION // `make fuzz`: sanitizers make everything ten times slower
enum { MAX_NODES = 10000, MAX_STEPS = 500000, MAX_LIST = 100000, MAX_DEPTH = 500, MAX_CALLS = 50 };
#else
enum { MAX_NODES = 1000000, MAX_STEPS = 5000000, MAX_LIST = 1000000, MAX_DEPTH = 2500, MAX_CALLS = 200 };
#endif

// ---- values (value.c) ----------------------------------------------------------------------------------------------

static inline Value value_poison(void) { return (Value){.kind = VALUE_POISON}; }
static inline Value value_none(void) { return (Value){.kind = VALUE_NONE}; }
static inline Value value_int(int64_t i) { return (Value){.kind = VALUE_INT, .i = i}; }
static inline Value value_float(double f) { return (Value){.kind = VALUE_FLOAT, .f = f}; }
static inline Value value_bool(bool b) { return (Value){.kind = VALUE_BOOL, .i = b}; }
static inline Value value_string(const char *s) { return (Value){.kind = VALUE_STRING, .s = s}; }
static inline Value value_dtype(DType dtype) { return (Value){.kind = VALUE_DTYPE, .dtype = dtype}; }
// A NULL node is an error that graph_op reported.
static inline Value value_tensor(Node *node) {
    return node ? (Value){.kind = VALUE_TENSOR, .node = node} : value_poison();
}
Value value_list(Elab *el);
void list_push(Elab *el, Value *list, Value item);
static inline bool is_poison(Value v) { return v.kind == VALUE_POISON; }
static inline bool is_number(Value v) { return v.kind == VALUE_INT || v.kind == VALUE_FLOAT; }
static inline bool is_tensor(Value v) { return v.kind == VALUE_TENSOR; }
// A number known at run time only.
static inline bool is_runtime(Value v) { return v.kind == VALUE_SIZE || v.kind == VALUE_COUNT; }
static inline double number_of(Value v) { return v.kind == VALUE_INT ? (double)v.i : v.f; }
Value value_dim(Dim dim);
// Of an INT (times 0) or a SIZE: times * N + plus. False: of neither.
bool value_count(Value v, int64_t *times, int64_t *plus); // INT, or SIZE of a run-time axis
// "f32[N, 10]", "3", "\"fc1\"", "[1, 2]": for messages.
const char *value_text(Elab *el, Value v);
const char *value_kind_text(Value v); // "an integer", "a tensor"
bool value_equal(Value a, Value b);
bool value_holds_node(Value v);
// `a op b` without tensors: numbers, strings, lists, run-time sizes.
Value value_binary(Elab *el, const char *op, Value a, Value b, Span span);
// As an integer, or reports what `what` must be and returns false. Poison returns false silently.
bool value_to_int(Elab *el, Value v, const char *what, Span span, int64_t *to);

// ---- trouble (elaborate.c) -----------------------------------------------------------------------------------------

// The user's place for a span: itself, or the user's call when it is in the prelude.
Span user_place(const Elab *el, Span span);
// The layer that the user called: the one that runs, or the outermost of the prelude's.
const char *blamed_layer(const Elab *el);
// Reports an error at the user's place; returns poison.
Value refuse(Elab *el, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);
// The same, and false: for functions that return whether all is well.
#define deny(...) (refuse(__VA_ARGS__), false)
// Warns at the user's place, once for each place and text: a model that is called from another entry runs again. False:
// it was said before, and its notes are not repeated either.
bool warn_once(Elab *el, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Tags the next nodes with the user's place.
void place_nodes(Elab *el, Span span);
// Counts work; false (reported once) when a cap is hit.
bool spend_step(Elab *el, Span span);
const AstDecl *find_decl(Elab *el, const char *name);
// Appends the names of the file's and the prelude's declarations of some kinds, bits 1 << DECL_LAYER and the like.
void push_names(Elab *el, Names *names, unsigned kinds);
// "; did you mean `linear`?", or "" where no name is near.
const char *did_you_mean(Elab *el, const char *name, const Names *names);
const char *type_name(Elab *el, const Type *type); // "f32[N, 10]"
static inline Tags tags_by_name(Elab *el) { return (Tags){.arena = el->arena, .by_text = true}; }

// ---- expressions (expr.c) ------------------------------------------------------------------------------------------

Value eval(Elab *el, const AstExpr *expr);
Value eval_items(Elab *el, const AstExprs *items); // a list: ranges and spreads unrolled
bool eval_bool(Elab *el, const AstExpr *expr, const char *what, bool *to);
const char *eval_string(Elab *el, const AstExpr *expr, const char *what); // NULL: reported
Binding *scope_find(const Scope *scope, const char *name);                // the pointer holds until the next binding
Binding *scope_bind(Elab *el, Scope *scope, Binding binding);
static inline Binding *frame_find(Frame *frame, const char *name) { return scope_find(&frame->names, name); }
void frame_bind(Elab *el, Frame *frame, const char *name, Value value, Span span);
Value eval_name(Elab *el, const char *name, Span span);

// ---- tensors (tensor.c) --------------------------------------------------------------------------------------------

// A number, bool or tensor as a node of `dtype`; NULL: reported.
Node *to_node(Elab *el, Value v, DType dtype, Span span);
// The element-wise operator over tensors and numbers, broadcast to one shape. `label` names it in messages.
Value tensor_elementwise(Elab *el, const char *op, const char *label, const Value *args, int n, Span span);
Value tensor_binary(Elab *el, const char *op, Value a, Value b, Span span);
Value tensor_unary(Elab *el, const char *op, Value a, Span span);
// Notes where the extent of an axis comes from.
void note_axis(Elab *el, const Node *node, int axis);
// Notes what makes a tensor of another dtype of it.
void note_dtype(Elab *el, const Node *node, DType wanted);

// ---- calls (call.c, builtin.c) -------------------------------------------------------------------------------------

// An empty frame over the graph that is being built.
Frame *frame_new(Elab *el, const AstDecl *decl, Frame *caller, const char *path);
Value eval_call(Elab *el, const AstExpr *call);
// The place that a call is reported at: without the left side of a `|>`.
Span call_span(const AstExpr *call);
// From the call's argument `first` on.
bool eval_args(Elab *el, const AstExpr *call, int first, Args *args);
// Binds args to the decl's parameters from `first` on, in the callee's frame. False: reported.
bool bind_args(Elab *el, Frame *callee, int first, const Args *args, Span span);
// Which argument goes to which parameter: given[k] is an index into args, or -1. `who` is called, and takes name= or
// does not. False: reported.
bool match_args(Elab *el, const char *who, const Names *params, bool takes_name, const Args *args, int *given);
bool bind_param(Elab *el, Frame *callee, const AstParam *param, Value value, Span span);
// Runs a body in a frame that is set up; checks the results.
Value run_frame(Elab *el, Frame *frame, Span span);
Value call_layer(Elab *el, const AstDecl *decl, Args *args, Span span);
// A function of the table in builtin.c, or an element-wise operator.
bool builtin_exists(Elab *el, const char *name);
Value call_builtin(Elab *el, const char *name, const Args *args, Span span);
const char *builtin_name(int k); // of the table; NULL after the last
// x[:, 0, 2:5, none, ...] with what is known at compile time (builtin_parts.c).
Value index_tensor(Elab *el, Node *x, const AstExpr *expr);
Value slice_list(Elab *el, Value list, const AstExpr *slice);
Value reshape_checked(Elab *el, Node *x, const Type *to, Span span);

// ---- types (types.c) -----------------------------------------------------------------------------------------------

// A type whose names are all bound. False: reported.
bool type_resolve(Elab *el, const AstType *ast, Type *type);
// Checks that a tensor's shape is possible; false: reported.
bool type_check_size(Elab *el, const Type *type, Span span);
bool dim_from_value(Elab *el, Value v, Span span, Dim *dim);
bool dims_from_list(Elab *el, Value list, DType dtype, Span span, Type *type);
// Binds the names of a parameter's type and checks the value against it; may convert *value.
bool type_match(Elab *el, Frame *callee, const AstParam *param, Value *value, Span span);
// Checks the dims that are expressions, once every parameter has bound its names.
bool type_check(Elab *el, Frame *callee, const AstParam *param, Value value, Span span);
bool check_result(Elab *el, const AstResult *result, Value *value, Span span);
const char *span_source(Elab *el, Span span); // its text

// ---- statements (stmt.c), storages (storage.c), minimize (minimize.c) ----------------------------------------------

void run_body(Elab *el, const AstStmts *body);
void run_storage(Elab *el, const AstStmt *stmt);
Node *storage_now(Elab *el, Storage *storage);
void storage_set(Elab *el, Storage *storage, Node *value, Span span);
bool path_valid(const char *path);
const char *path_join(Elab *el, const char *path, const char *name);
void run_minimize(Elab *el, const AstStmt *stmt);
Value minimize_step(Elab *el, Frame *frame, Span span);

// ---- gradients (gradients.c) ---------------------------------------------------------------------------------------

// Each must match a parameter that is used; false: reported.
bool patterns_read(Elab *el, const AstExprs *strings, Patterns *patterns);
bool patterns_match(const Patterns *patterns, const char *path);
void run_freeze(Elab *el, const AstStmt *stmt);
void check_frozen(Elab *el); // at the end of an entry: what matched nothing is reported
// The parameters that the entry used so far, that the patterns ask for (all when there are none) and that are not
// frozen.
void select_parameters(Elab *el, const Patterns *over, Gradients *to);
// Fills each one's node. False: reported.
bool differentiate(Elab *el, Node *loss, Gradients *of);
// One float; false: reported.
bool check_loss(Elab *el, const char *who, Value loss, Span span);

// ---- the prelude (prelude.c) ---------------------------------------------------------------------------------------

bool prelude_load(Elab *el);

#endif
