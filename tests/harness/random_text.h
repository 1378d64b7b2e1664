// random_text.h: seeded random .dl programs: what random_graph.c cannot draw because it is a matter of the language or
// of other dtypes: integers and bools, indices and scalars as arguments, two run-time sizes, layers, buffers, dropout,
// optimisers with groups, freeze, eval, accumulate, checkpoint, gradient penalties, scans.
//     dim N <= 6
//     layer net0(a0: f32[N, 5]) { ... }
//     model m0(x0: f32[N, 5], k1: i32[3]) -> (r0: f32[N, 7], ...) { v0 = net0(x0, name="net0") ... }
//     train t0(...) -> (loss: f32[]) { ... minimize loss with clip_norm(1.5) |> { ... } ... }
#ifndef DLC_RANDOM_TEXT_H
#define DLC_RANDOM_TEXT_H

#include "random_graph.h"

// The first letter of an argument's name says what it holds.
//     x  from -1 to 1                                q  multiples of 1/16 there
//     z  as x, every fourth a zero of either sign    s  thousandths of x
//     l  a hundred times x                           w  as x, and here and there infinite, NaN, huge or subnormal
//     k  whole numbers from -2 to 9                  i  any of the dtype                b  false and true
Tensor random_argument(Arena *arena, const Type *type, const int64_t *sizes, uint32_t seed, const char *name);

// The text; *defines is what -D must say ("K=5"), or NULL.
char *random_text(Arena *arena, uint32_t seed, const char **defines);
// Its module, without a word about warnings (RANDOM_TEXT_WHY=1 shows them, and what was refused); NULL after errors.
Module *random_text_module(Arena *arena, const char *text, const char *defines);

// ---- shared by random_text.c, random_lines.c, random_layers.c and random_scan.c
// ---------------------------------------------------

// A fixed extent `plus`, or times * (run-time size number `size` - 1) + plus.
typedef struct Axis {
    int size, times, plus;
} Axis;

enum { TEXT_RANK = 4, TEXT_VALUES = 96, TEXT_SIZES = 2, TEXT_LAYERS = 3, TEXT_ELEMENTS = 6000 };

typedef struct Value {
    char *name;
    DType dtype;
    int rank;
    Axis axis[TEXT_RANK];
    Exact exact;  // of integers: frac 0 and mag when they are small, frac -1 when they may be anything
    bool learned; // a gradient reaches parameters
    bool used;    // by another statement
} Value;

// A layer that several entries call, over the same parameters.
typedef struct Trunk {
    char *name;
    Value argument[2], result[2];
    int arguments, results;
} Trunk;

typedef struct Writer {
    Arena *arena;
    Generator draws; // its seed and the number of draws
    Str text;
    int bound[TEXT_SIZES];
    int nsizes;
    int k; // the extent that the text calls K, 0: none
    Value value[TEXT_VALUES];
    int nvalues, inputs; // value[0, inputs) are arguments
    int names;           // of values and layers so far
    int depth;           // of blocks
    int scans;           // whose bodies are written now
    bool train, kinks;   // kinks: what has no gradient, or a wild one, may be drawn
    bool in_layer;
    bool wild;         // arguments may be infinite or NaN
    const char *lossy; // a value that the loss depends on
    Trunk trunk[TEXT_LAYERS];
    int ntrunks;
} Writer;

int text_pick(Writer *w, int n); // 0 .. n - 1
Axis text_fixed(int extent);
int text_extent(const Writer *w, Axis axis); // at the bound
bool text_same_axis(Axis a, Axis b);
int64_t text_count(const Writer *w, const Value *v);
const char *text_shape(Writer *w, const Value *v); // [N, 3]
const char *text_type(Writer *w, const Value *v);  // f32[N, 3]

typedef enum Want { FLOATS, EXACT_FLOATS, INTS, SMALL_INTS, BOOLS, ANYTHING } Want;
// One of a rank from low to high, the younger the likelier; NULL if there is none.
const Value *text_value(Writer *w, Want want, int low, int high);
// A statement `vN = ...`; `like` says the type. false: it would be too large.
bool text_put(Writer *w, Value like, const char *fmt, ...) PRINTF_LIKE(3, 4);
// A line of text, and a value that some line made.
void text_line(Writer *w, const char *fmt, ...) PRINTF_LIKE(2, 3);
Value *text_add(Writer *w, Value like, char *name);
// A path component for a layer, sometimes one that was used before.
const char *text_layer(Writer *w, const char *kind);

bool text_grow(Writer *w);       // random_lines.c: one statement of any kind
bool text_image(Writer *w);      // random_layers.c: convolutions, pools, norms, interpolation
bool text_normalised(Writer *w); // softmax, norms along rows
bool text_product(Writer *w);    // linear, matmul, attention
bool text_drawn(Writer *w);      // dropout, random numbers
bool text_scan(Writer *w);       // random_scan.c: a loop over steps
bool text_lookup(Writer *w);     // gather, embedding, scatter_add, one_hot

#endif
