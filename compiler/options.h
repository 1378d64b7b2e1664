// options.h: the command line of dlc as data; private to the driver.
#ifndef DLC_OPTIONS_H
#define DLC_OPTIONS_H

#include "frontend/elaborate.h"
#include "passes/passes.h"
#include "targets/targets.h"

typedef enum EmitKind { EMIT_NONE, EMIT_GRAPH, EMIT_LOOPS, EMIT_C, EMIT_DOT, EMIT_BACKWARD } EmitKind;

typedef struct Options {
    const char *input;
    const char *output; // -o
    const char *prefix; // of every C name
    VEC(Define) defines;
    VEC(const char *) entries; // empty: all
    const Target *target;
    int threads;
    int level; // 0 or 2
    bool standalone;
    const char *weights;       // --weights, or NULL
    const char *weights_strip; // --weights-strip: paths taken off its names, or NULL
    int64_t arena_max;         // -1: no limit
    EmitKind emit;
    const Pass *dump_after;
    bool time_passes, verify, report, validate;
    const char *print_prelude;
    bool help, version, target_help;
    const char *text; // the options that decide the output, for the header's comment
} Options;

// Reads main's arguments. False: reported to err as a usage error.
bool options_read(Arena *arena, int argc, char **argv, FILE *err, Options *options);
void options_help(FILE *out);

#endif
