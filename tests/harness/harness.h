// harness.h: compile a .dl with dlc, its C with a C compiler, load the result and call it with tensors, so that tests
// can hold it against the interpreter. Everything here exits with a message when its own tools fail.
#ifndef DLC_HARNESS_H
#define DLC_HARNESS_H

#include "ir/graph.h"

typedef struct HarnessOptions {
    const char *target; // "c11", "native"
    int level;          // 0 or 2
    int threads;        // --threads, 0: dlc's default
    const char *cc;     // "gcc", "clang"; NULL: no C is made, the loops are evaluated in this process (evaluated.h)
    bool eager;         // evaluated: kernels are cut into chunks however small they are
    bool openmp;
    bool standalone;
    const char *cc_level;  // the C compiler's -O0, -O1, ... in place of the header's -O3, or NULL
    const char *cc_more;   // what the user adds to the header's line, "-march=native", or NULL
    const char *defines;   // "SIZE=64 WIDTH=16": -D each, or NULL
    const char *arena_max; // --arena-max, or NULL
    const char *weights;   // --weights, or NULL
    const char *entries;   // "a,b": --entry, or NULL: all
    bool quiet;            // what dlc reports is not shown
    bool *refused;         // set where given: dlc itself refused the program, with exit 1
} HarnessOptions;

typedef struct Compiled {
    Arena *arena;
    Module *module; // as elaborated: the reference
    void *library, *net;
    char *dir;
    struct Evaluated *evaluated; // in place of the three; nothing is loaded or saved then
} Compiled;

// Parses and elaborates a .dl (or reads a .graph), its dims bound as HarnessOptions says; NULL after printing its
// diagnostics to stderr.
Module *harness_module(Arena *arena, const char *path, const char *defines);
// The same of a text; `name` ends as the file's would, and diagnostics go to `out`.
Module *harness_text(Arena *arena, const char *name, const char *text, const char *defines, FILE *out);
// A writable folder under BUILD, removed by nothing: failures can be looked at.
char *harness_dir(Arena *arena, const char *name);
void harness_write(const char *path, const char *text);

// dlc, the C compiler by the header's line, dlopen, mynet_new; or no C, see options->cc. The C must compile without a
// warning: -Werror is on. NULL after printing why.
Compiled *compiled_new(Arena *arena, const char *path, const char *name, const HarnessOptions *options);
void compiled_free(Compiled *c);
Graph *compiled_entry(const Compiled *c, const char *name);
// Calls an entry; sizes are the module's. `returned` is allocated by tensor_new already, one per returned output.
// skip, if given, tells which outputs are passed as NULL. Returns the entry's status.
int compiled_call(Compiled *c, const Graph *entry, const int64_t *sizes, const Tensor *arguments, Tensor *returned,
                  const bool *skip);
void compiled_set(Compiled *c, const char *name, const Tensor *value);
void compiled_get(Compiled *c, const char *name, Tensor *value);
// Loads a .safetensors; false after printing why not.
bool compiled_load(Compiled *c, const char *path);
bool compiled_save_weights(Compiled *c, const char *path);

// ---- numbers --------------------------------------------------------------------------------------------------

// A number in [0, 1), exact in f32, hashed from (seed, k): tests/oracle/goldens.py draws the same.
double drawn(uint32_t seed, uint64_t k);
Tensor tensor_drawn(Arena *arena, const Type *type, const int64_t *sizes, uint32_t seed, double low, double high);
// How far got is from the exact value, in units in the last place of f32 there; 0 for the same bits. Infinity counts as
// the number after the largest; the zeros differ.
double ulps(double got, double want);
// max |a - b| / max |b| over the tensor; NaN or Inf on one side only give infinity.
double tensor_difference(const Tensor *a, const Tensor *b);

// ---- counting: every test tool closes with `N passed, N failed` -----------------------------------------------

typedef struct Tally {
    int passed, failed;
} Tally;
// Counts; a failure prints its sentence.
void tally(Tally *t, bool ok, const char *fmt, ...) PRINTF_LIKE(3, 4);
int tally_close(const Tally *t); // prints the line; the exit status

#endif
