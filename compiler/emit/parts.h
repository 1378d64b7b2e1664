// parts.h: what the files of the emitter share; nothing outside compiler/emit includes it.
#ifndef DLC_EMIT_PARTS_H
#define DLC_EMIT_PARTS_H

#include "emit/emit.h"
#include "support/ints.h"
#include "support/tags.h"

// ---- names.c: C identifiers ----------------------------------------------------------------------------------------

// The names of a scope. A name that was taken is never given again.
typedef struct Name {
    const char *text;
    int next; // the number that the next name of this text gets
} Name;

typedef struct Names {
    Arena *arena;
    const char *macros; // "MYNET_": begins the header's macros, so no name may begin so; NULL: any may
    VEC(Name) at;
    int *slots; // a hash table of places in `at`, plus 1; 0: free
    int nslots; // a power of 2
    int hashed; // how many names of `at` are in the table
} Names;

// `text` with everything that may not stand in an identifier replaced by '_'; never a keyword of C or C++.
const char *names_identifier(Arena *arena, const char *text);
// The identifier for `wanted`; when that is taken, wanted_2 and so on.
const char *names_take(Names *names, const char *wanted);
int names_find(Names *names, const char *name); // its place among the names, or -1
void names_add(Names *names, const char *name); // unchanged, if it is not there yet
const char *names_upper(Arena *arena, const char *name);
const char *names_macros(Arena *arena, const char *prefix); // "MYNET_"
// The identifiers of a C text outside comments and literals, each once, in order of first use.
Names text_identifiers(Arena *arena, const char *text);
// Appends `text` so that it may stand in a // comment: no control characters, no line splices, no trigraphs.
void put_comment_text(Str *s, const char *text);
// `text` without the folders in the path of the .dl file: the C must not depend on where it was compiled.
const char *text_without_folders(Arena *arena, const Module *module, const char *text);
// Appends "// " and the text, made safe like that of put_comment_text, as a line.
void put_comment_line(Str *s, const char *text);
// Appends a C string literal with quotes.
void put_string(Str *s, const char *text);

// ---- kernel.c, expr.c, places.c: one kernel as a function ----------------------------------------------------------

// A parameter of a kernel's C function. The parameters are found while the kernel's body is printed.
typedef struct Formal {
    const Buffer *own; // the buffer in the kernel's body
    Buffer *buffer;    // the buffer that the call passes
    int number;        // in order of first use: the body says #3
    unsigned varies;   // a bit per axis: calls pass buffers of several extents there
    int places;        // the most places in it that have names at once: #3_at, #3_at2
    bool written, read;
    bool shares; // has bytes in common with another formal: no restrict
} Formal;

// Whether the buffer is memory that only one kernel uses.
bool is_scratch(const Buffer *buffer);
const char *buffer_type(Arena *arena, const Buffer *buffer, const Module *module); // "f32[N, 784]"

enum { FORMAL_NUMBERS = MAX_SIZES + MAX_NEST };

typedef struct Formals {
    VEC(Formal) buffers;
    // First by run-time size, then by a loop's depth: 0 if the kernel does not use it, or 1 + its number in order of
    // first use; the body says ##0.
    int size[FORMAL_NUMBERS];
} Formals;

// Comments on a statement. They are not part of the body's text.
typedef struct Comment {
    ptrdiff_t at; // the offset in the body of the line that it precedes
    const char *text;
} Comment;
typedef VEC(Comment) Comments;

// A local or a loop's variable that can be used where the text stands.
typedef struct Local {
    const void *of; // its Buffer or Var
    const char *name;
} Local;

// places.c: a place in a buffer that many accesses start from.
typedef struct Place {
    Buffer *buffer;
    const Index *const *far; // each index without its constant and the variables of unrolled loops
    int64_t c;               // elements from the buffer's start to the first access, with its variables at 0
    int uses;
    bool written;
    const char *name; // of the pointer; NULL: none yet
} Place;

// Prints a kernel's body.
typedef struct Printer {
    Arena *arena;
    Arena *kept; // for formals and comments
    const Target *target;
    int level;
    Str *s;
    int indent;
    Formals *formals;
    Comments comments;
    VEC(Local) locals;
    VEC(Place) places;
    Tags uses; // by part of the expression being printed: its number of uses, or minus the number of its name
    int temps;
} Printer;

// The text of an expression, with what must be known of it to set parentheses and to round.
typedef struct Text {
    const char *c;
    bool primary; // needs no parentheses as an operand: a name, a literal, a call, an element, a cast
    bool product; // a * b: needs none in a sum
    bool wide;    // the result of a float operator: the C compiler may keep it with more precision than a float has
} Text;

Text index_text(Printer *p, const Index *index);
Text expr_text(Printer *p, Expr *e);
// The same in double, for what is added to an accumulator that is held as double.
Text expr_text_double(Printer *p, Expr *e);
// The text as an operand of float arithmetic: rounded to float where it is wide.
const char *rounded_text(Printer *p, Text text);
// Whether the value may be a byte other than 0 and 1.
bool expr_passes_bool(const Expr *e);
// &buffer[at], "fc1_weight + (n * 784 + i)"; and buffer[at] itself, also for registers.
const char *address_text(Printer *p, Buffer *buffer, const Index *const *at, bool write);
const char *prefetch_text(Printer *p, Buffer *buffer, const Index *const *at); // DLC_PREFETCH's arguments
const char *element_text(Printer *p, Buffer *buffer, const Index *const *at, bool write);
// The C text of an axis's stride, in elements.
const char *stride_text(Printer *p, const Buffer *buffer, int axis);
const char *local_name(Printer *p, const Buffer *buffer);
const char *variable_name(Printer *p, const Var *var);
const char *expr_ctype(DType dtype, int lanes);
// Counts the uses of the parts of `e`, and declares a name for each part that is used twice or lies too deep. expr_text
// uses these names until expr_release.
void expr_prepare(Printer *p, Expr *e);
void expr_release(Printer *p);
void print_line(Printer *p, const char *fmt, ...) PRINTF_LIKE(2, 3);
// Declares pointers to the places that the body uses often. At the end of the body p->places.len is set to the result.
int places_open(Printer *p, const Stmt *body);
const char *place_address(Printer *p, const Place *place); // "x + (n * 64 + k)"
// Whether it is the variable of an unrolled loop.
bool term_is_unrolled(const struct Term *term);
// The named place that buffer[at] follows; *offset is the constant part of the distance, in elements. NULL: none.
const Place *place_find(Printer *p, const Buffer *buffer, const Index *const *at, int64_t *offset);

Formal *formal_of(Printer *p, Buffer *buffer);                    // adds it if it is new; valid until the next is added
const char *formal_number(Arena *arena, const Formal *formal);    // "#3"
const char *place_name(Arena *arena, const char *of, int number); // "x_at", "x_at2", from 1

// Prints the kernel's body into `scratch`. The comments, and the formals in the order of the function's parameters, are
// allocated in `kept`.
const char *kernel_body(Arena *scratch, Arena *kept, const Kernel *kernel, const EmitOptions *options, Formals *formals,
                        Comments *comments);
// "float *restrict #0, ...". A formal that shares memory with another one has no restrict.
const char *kernel_signature(Arena *arena, const Formals *formals);

// ---- numbers.c: functions with numbers as arguments ----------------------------------------------------------------

// A kernel's body with "@i", "@l", "@f" or "@d" in place of numbers, and these numbers as C literals.
typedef struct Form {
    const char *text;
    VEC(const char *) numbers;
} Form;
// The text is allocated in `scratch`, the numbers in `kept`.
Form form_of(Arena *scratch, Arena *kept, const char *body);

typedef struct Argument {
    const char *type, *role; // "int"; "stride", from which its name is made
    int of;                  // the first number of the form that it stands for
} Argument;

// Which numbers of one form are arguments: those that differ between its kernels.
typedef struct Merged {
    VEC(Argument) arguments;
    int *argument; // by number of the form: which argument, or -1
} Merged;
// n kernels of one form. Returns false when calls would have too many arguments, or one that must stay a number.
bool merged_make(Merged *merged, Arena *arena, const char *form, const Form *const *forms, int n, bool often,
                 bool bounds);
// The body in which the arguments are #@0, #@1, ...; `of` and the comments are the first kernel's, and the comments'
// places become those in the new body.
const char *merged_body(const Merged *merged, Arena *arena, const char *form, const Form *of, Comments *comments);

// ---- table.c: which functions there are -----------------------------------------------------------------------------

// One function of the C file.
typedef struct KernelText {
    const char *body; // with numbers in place of names
    const char *name;
    const Kernel *kernel; // of the first call, as are formals and comments
    Formals formals;
    Comments comments;
    bool neutral; // formals are named out, a, b, ...: calls have different buffer names, or one call has a name twice
    VEC(Argument) arguments; // numbers: the body says #@0
    int calls;
} KernelText;

typedef struct CallText {
    KernelText *text;     // NULL: nothing to do
    Formals formals;      // this call's buffers, in the order of the function's formals
    const char **numbers; // for each of text->arguments
} CallText;

// The functions of all programs, and for each call of each program which one it calls.
typedef struct KernelTable {
    VEC(KernelText *) functions;
    CallText **calls; // [program][call]
} KernelTable;

const char *buffer_wanted_name(const Buffer *buffer);
void kernel_table_build(KernelTable *table, Arena *arena, const EmitInput *in, const EmitOptions *options);
void kernel_print(Str *s, const KernelText *text, const EmitInput *in, const EmitOptions *options);

// ---- layout.c: what the header, the source and the report must agree on -------------------------------------------

enum { REGION_PARAM, REGION_OPTIM, REGION_STATE, REGION_ARENA, REGIONS }; // as enum dlc_region in the runtime

// The bytes of the net itself, at the start of its state when the application places it: the runtime's DLC_NET_BYTES.
enum { NET_BYTES = 2304 };

enum { LAYOUT_ALIGN = 64 }; // of each region, and of what lies in it

// Where storages live, in module->storages order, and how large each region is.
typedef struct Layout {
    int *region;
    int64_t *offset; // -1: embedded
    int64_t bytes[REGIONS];
    int64_t stack;                    // bytes of the locals of the kernel that has most
    int64_t prepared, prepared_bytes; // what models compute once after load, in the region of the parameters
} Layout;
Layout layout_make(Arena *arena, const EmitInput *in, const KernelTable *table);
const char *region_name(int region); // "PARAM"

struct Emission {
    const EmitInput *in;
    const EmitOptions *options;
    KernelTable table;
    Layout layout;
    struct Signature *signatures; // by program
    struct Weights *weights;
};

// prepared.c: merges equal prepared buffers and gives each its offset in the block. Returns the bytes of the block.
int64_t prepared_place(const EmitInput *in, const KernelTable *table);
// Whether the entry writes a storage that some prepare part reads.
bool prepared_made_stale(const EmitInput *in, const Graph *g);

// weights.c: constant arrays for --weights, in the order of first use.
typedef struct Weight {
    const Buffer *buffer;
    const char *name; // in C, of the whole file
} Weight;
typedef struct Weights {
    VEC(Weight) at;
    Tags places; // by storage or buffer: the place in `at`, from 1
    int64_t bytes;
} Weights;
void weights_collect(Weights *weights, Arena *arena, const EmitInput *in, const KernelTable *table,
                     const EmitOptions *options);
const char *weights_name(const Weights *weights, const Buffer *buffer);
void put_weights(Str *s, const Weights *weights, const EmitInput *in, const EmitOptions *options);

// One parameter of an entry's C function.
typedef struct Parameter {
    const char *name; // in C
    const char *dl;   // in the .dl
    const Type *type;
    bool output, by_value;
    int position; // among inputs, or among returned outputs
} Parameter;

typedef struct Signature {
    const char *function; // "mynet_step"
    bool size[MAX_SIZES]; // the run-time sizes that it takes
    bool sized;           // it takes some, and so returns a status
    const char *size_name[MAX_SIZES];
    VEC(Parameter) parameters; // inputs, then outputs
    Names names;               // taken in its scope
} Signature;
Signature signature_make(Arena *arena, const Program *program, const KernelTable *table, int number,
                         const EmitOptions *options);
// "int mynet_step(struct mynet *net, int32_t N, const float *image)", wrapped.
void signature_print(Str *s, Arena *arena, const Signature *signature, const EmitOptions *options);
// header.c: "MYNET_N", the macro of a run-time size.
const char *size_macro(Arena *arena, const Module *module, int size, const EmitOptions *options);
// Puts "open(items)" with lines broken before column 120, aligned after the parenthesis.
void put_wrapped(Str *s, const char *open, const char *const *items, int count, const char *close);

// api.c: a text in which $p stands for the prefix and $P for the prefix in capitals.
void put_template(Str *s, const char *template, const char *prefix);
// The functions that every model has: their prototypes, and their definitions by the runtime's functions.
void put_api_prototypes(Str *s, const char *prefix);
void put_api(Str *s, const char *prefix);

// ---- standalone.c: the runtime's text -----------------------------------------------------------------------------

// Appends the parts of dlc_math.h and dlc_vec.h that a text with these identifiers needs.
void put_helpers(Str *s, const Names *used, const Target *target);
// One of the runtime's files.
const char *runtime_text(Arena *arena, const char *name);
// Appends the runtime itself, as static functions.
void put_runtime(Str *s);

// report.c and source.c: "mlp.dl:9:12" of what a call computes, or "".
const char *call_place(Arena *arena, const Module *module, const Call *call);

#endif
