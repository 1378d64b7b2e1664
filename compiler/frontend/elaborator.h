// elaborator.h: what the files of the elaborator share; private to compiler/frontend.
//
//     layer double(x: T[...S]) { return x * 2 }           %0 = argument {name="x"} : f32[N, 8]
//     model forward(x: f32[N, 8]) -> (y: f32[N, 8]) {     %1 = constant {dtype=f32, value=2}
//         return double(x)                        ->      %2 = broadcast %1 ...
//     }                                                   %3 = mul %0, %2
//
// Elaboration runs the program at compile time: every name has a Value, every call makes a Frame, and a tensor is a
// node of the graph that is being built. A Value of kind POISON stands for an error that was reported. "False:
// reported" and "NULL: reported" mean that a function reports an error and then returns that.
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
    VALUE_SIZE,  // c * N + d of one run-time size N; types can use it when it is at least 1
    VALUE_COUNT, // other arithmetic over run-time sizes: an i64[] node, cast to the dtype of the tensor it is used with
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
        Dim size;               // SIZE: unlike in a type, times may be negative, and the extent (at the bound) below 1
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
    Storage *storage; // the name of a param or buffer means the storage's current value; else NULL
    bool is_step;     // the optimiser's t: its node is made when it is first read
    bool inner;       // of the body of a scan that has ended
    Span span;
} Binding;

// Bindings, each name once.
typedef struct Scope {
    VEC(Binding) all;
    Tags places; // by name: its place in `all`, from 1
} Scope;

typedef struct Frame Frame;
struct Frame {
    Frame *caller;
    const AstDecl *decl;
    Graph *g; // its tensors are nodes of this graph
    Scope names;
    const char *path;    // the prefix of its parameters' names: "" or "encoder.fc1"
    Tags *counters;      // how often each layer was called without a name; name="" shares those of the caller
    Span user;           // the call in the user's file that led here
    bool numbered;       // its path ends with a component made from the layer's name: "linear_2"
    int scans;           // how many scans of this frame are running their bodies
    const AstScan *scan; // the innermost of them
    bool returned;
    Span return_span;
    Value result;
    struct Minimize *minimize; // of an optimizer's frame; else NULL
};

typedef struct Arg {
    const char *name; // keyword, or NULL
    Span name_span, span;
    Value value;
} Arg;
typedef VEC(Arg) Args;

typedef VEC(const char *) Names;

typedef VEC(NodeVec) Versions;
typedef struct KnownGradient {
    const Node *loss, *x;
    Node *grad; // of the loss with respect to x; NULL: it does not depend on x
} KnownGradient;

// A pattern for the paths of parameters: "head", "*.bias".
typedef struct Pattern {
    const char *text;
    Span span;
    int minimizes; // for `freeze`: how many `minimize` stand before it
} Pattern;
typedef VEC(Pattern) Patterns;

typedef struct Gradient {
    Storage *storage;
    Node *node; // NULL: the loss does not depend on it
    int group;  // of the minimize; -1: none
} Gradient;
typedef VEC(Gradient) Gradients;

// The graphs that are made from a train entry. Without `accumulate` there is only the first.
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
    Graph *start; // sets the initial values of the optimisers' buffers
    Node *seed;   // the argument of init
    int sites;    // of random so far; each draw has a site of its own
    VEC(struct Initial {
        Node *value;    // of init or start; NULL: an error was reported, or there is none
        int sites;      // el->sites before it
        const char *by; // the initialiser's name
        Span place;
    })
    initials;       // by storage
    VEC(int) drawn; // the sites of random in this entry, in the order of its draws
    int draws;      // of random in g so far
    Frame *frame;   // running now
    bool training;
    enum Phase phase;
    Patterns frozen;          // by `freeze`, in g so far
    VEC(KnownGradient) known; // of gradients.c
    Versions versions;        // by storage: the values it had in g so far, the first at entry; empty: not used in g
    VEC(const AstStmt *) minimizes; // in g so far
    VEC(Span) numbered;             // by storage, of g: the first call of a layer without a name that declared it
    Span numbered_told;             // the call that was warned of last
    Tags warned;                    // the places and texts of warn_once
    int checkpoints;                // `checkpoint` blocks of g so far
    int block_steps;                // of `checkpoint(steps=16)` around; 0: none
    const AstStmt *loop;            // innermost `for`
    int64_t steps;                  // of work so far, at most MAX_STEPS
    int depth;                      // of nested evaluation, at most MAX_DEPTH
    bool stop;                      // a limit was hit: every value is poison from here on
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
// A NULL node stands for an error that was reported.
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
// Gives an INT (with times 0) or a SIZE as times * N + plus. Returns false for any other value.
bool value_count(Value v, int64_t *times, int64_t *plus);
// "f32[N, 10]", "3", "\"fc1\"", "[1, 2]": for messages.
const char *value_text(Elab *el, Value v);
const char *value_kind_text(Value v); // "an integer", "a tensor"
bool value_equal(Value a, Value b);
bool value_holds_node(Value v);
// `a op b` without tensors: numbers, strings, lists, run-time sizes.
Value value_binary(Elab *el, const char *op, Value a, Value b, Span span);
// Reads an integer. For any other value it reports that `what` must be one and returns false; for poison only false.
bool value_to_int(Elab *el, Value v, const char *what, Span span, int64_t *to);

// ---- trouble (elaborate.c) -----------------------------------------------------------------------------------------

// The user's place for a span: itself, or the user's call when it is in the prelude.
Span user_place(const Elab *el, Span span);
// The layer that messages name: the one that runs, or the outermost prelude layer, which the user called.
const char *blamed_layer(const Elab *el);
// Reports an error at the user's place; returns poison.
Value refuse(Elab *el, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Like refuse, but gives false: for functions that return whether all is well.
#define deny(...) (refuse(__VA_ARGS__), false)
// Warns at the user's place, once for each place and text, because a model that other entries call runs again. Returns
// false when the warning was given before: the caller then leaves out its notes too.
bool warn_once(Elab *el, Span span, const char *fmt, ...) PRINTF_LIKE(3, 4);
// Tags the next nodes with the user's place.
void place_nodes(Elab *el, Span span);
// Counts a step of work. Returns false when a limit is hit, which is reported once.
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
Binding *scope_find(const Scope *scope, const char *name);                // the pointer is valid until the next binding
Binding *scope_bind(Elab *el, Scope *scope, Binding binding);
static inline Binding *frame_find(Frame *frame, const char *name) { return scope_find(&frame->names, name); }
void frame_bind(Elab *el, Frame *frame, const char *name, Value value, Span span);

// ---- tensors (tensor.c) --------------------------------------------------------------------------------------------

// Converts a number, bool or run-time size to a node of `dtype`; a tensor must have that dtype. NULL: reported.
Node *to_node(Elab *el, Value v, DType dtype, Span span);
// The element-wise operator over tensors and numbers, broadcast to one shape. `label` names it in messages.
Value tensor_elementwise(Elab *el, const char *op, const char *label, const Value *args, int n, Span span);
Value tensor_binary(Elab *el, const char *op, Value a, Value b, Span span);
Value tensor_unary(Elab *el, const char *op, Value a, Span span);
// Notes where the extent of an axis comes from.
void note_axis(Elab *el, const Node *node, int axis);
// Notes how to convert the tensor to the wanted dtype.
void note_dtype(Elab *el, const Node *node, DType wanted);
// Notes that the tensor is carried as an integer, where that is why it has not the wanted dtype; else false.
bool note_carried(Elab *el, const Node *node, DType wanted);

// ---- calls (call.c, builtin.c) -------------------------------------------------------------------------------------

// An empty frame over the graph that is being built.
Frame *frame_new(Elab *el, const AstDecl *decl, Frame *caller, const char *path);
Value eval_call(Elab *el, const AstExpr *call);
// The place that a call is reported at: without the left side of a `|>`.
Span call_span(const AstExpr *call);
// Evaluates the call's arguments from `first` on. False: reported.
bool eval_args(Elab *el, const AstExpr *call, int first, Args *args);
// Binds args to the decl's parameters from `first` on, in the callee's frame. False: reported.
bool bind_args(Elab *el, Frame *callee, int first, const Args *args, Span span);
// Matches arguments to parameters: given[k] is the index in args of the argument for parameter k, or -1. `who` is what
// is called, `takes_name` whether it accepts name=. False: reported.
bool match_args(Elab *el, const char *who, const Names *params, bool takes_name, const Args *args, int *given);
bool bind_param(Elab *el, Frame *callee, const AstParam *param, Value value, Span span);
// Runs a body in a frame that is set up; checks the results.
Value run_frame(Elab *el, Frame *frame, Span span);
Value call_layer(Elab *el, const AstDecl *decl, Args *args, Span span);
// Whether the name is a function of the table in builtin.c or an element-wise operator.
bool builtin_exists(Elab *el, const char *name);
Value call_builtin(Elab *el, const char *name, const Args *args, Span span);
const char *builtin_name(int k); // of the table; NULL after the last
// x[:, 0, 2:5, none, ...], whose items are known up to run-time sizes (builtin_parts.c).
Value index_tensor(Elab *el, Node *x, const AstExpr *expr);
Value slice_list(Elab *el, Value list, const AstExpr *slice);

// ---- types (types.c) -----------------------------------------------------------------------------------------------

// Evaluates a type whose names are all bound. False: reported.
bool type_resolve(Elab *el, const AstType *ast, Type *type);
// Checks that a tensor has fewer than 2^31 elements. False: reported.
bool type_check_size(Elab *el, const Type *type, Span span);
bool dim_from_value(Elab *el, Value v, Span span, Dim *dim);
bool dims_from_list(Elab *el, Value list, DType dtype, Span span, Type *type);
// Binds the names of a parameter's type and checks the value against it; may convert *value.
bool type_match(Elab *el, Frame *callee, const AstParam *param, Value *value, Span span);
// Checks the dims that are expressions, once every parameter has bound its names.
bool type_check(Elab *el, Frame *callee, const AstParam *param, Value value, Span span);
bool check_result(Elab *el, const AstResult *result, Value *value, Span span);
const char *span_source(Elab *el, Span span); // the text of the span

// ---- statements (stmt.c), storages (storage.c), minimize (minimize.c) ----------------------------------------------

void run_body(Elab *el, const AstStmts *body);
Value eval_scan(Elab *el, const AstExpr *expr); // scan.c
void run_yield(Elab *el, const AstStmt *stmt);
void run_storage(Elab *el, const AstStmt *stmt);
Node *storage_now(Elab *el, Storage *storage);
void storage_set(Elab *el, Storage *storage, Node *value, Span span);
bool path_valid(const char *path);
const char *path_join(Elab *el, const char *path, const char *name);
void run_minimize(Elab *el, const AstStmt *stmt);
Value minimize_step(Elab *el, Frame *frame, Span span);

// ---- gradients (gradients.c) ---------------------------------------------------------------------------------------

// Reads patterns, each of which must match a parameter that the entry uses. False: reported.
bool patterns_read(Elab *el, const AstExprs *strings, Patterns *patterns);
bool patterns_match(const Patterns *patterns, const char *path);
void run_freeze(Elab *el, const AstStmt *stmt);
void check_frozen(Elab *el); // at the end of an entry: reports patterns that match nothing
// Selects the parameters that the entry has used so far, that a pattern matches (without patterns: all) and that are
// not frozen.
void select_parameters(Elab *el, const Patterns *over, Gradients *to);
// Computes the gradient of each parameter and sets its node. False: reported.
bool differentiate(Elab *el, Node *loss, Gradients *of);
// Checks that the loss is a scalar of a float dtype. False: reported.
bool check_loss(Elab *el, const char *who, Value loss, Span span);

// ---- the prelude (prelude.c) ---------------------------------------------------------------------------------------

bool prelude_load(Elab *el);

#endif
