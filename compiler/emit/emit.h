// emit.h: the only code that prints C.
#ifndef DLC_EMIT_H
#define DLC_EMIT_H

#include "loops/loops.h"

// The version of dlc, which the emitted C names.
#define DLC_VERSION "0.1.0"

typedef struct EmitOptions {
    const char *prefix; // of every C name: "mynet"; a C identifier that is no keyword
    const char *header; // file name for #include, without folders
    const Target *target;
    int level, threads;
    bool standalone;
    const char *options; // the options that decide the output, for the header's comment
} EmitOptions;

typedef struct EmitInput {
    Module *module;
    Program *const *programs; // one per module->entries
    int nprograms;
    bool embedded; // --weights: parameters and buffers are constant arrays, from the data of their buffers
    uint64_t hash; // of the module before the passes: what files of state are checked by, whatever the options were
} EmitInput;

// Hash of what the model means: names, types, operators; not of places or of the machine.
uint64_t module_hash(const Module *module);

// The runtime's files, embedded by the build, for --standalone.
extern const struct RuntimeFile {
    const char *name;
    const unsigned char *text;
    int len;
} runtime_files[]; // name NULL at the end

// Whether `name` is a keyword of C or C++, or a plain word that their headers define as a macro.
bool names_reserved(const char *name);
// Whether NAME.h is the name of a known header (of C, the system or dlc), which a header of ours would hide.
bool names_header(const char *name);

// What the three texts are made of: which functions there are, and where everything lives.
typedef struct Emission Emission;
Emission *emission_new(Arena *arena, const EmitInput *in, const EmitOptions *options);

void emit_source(Str *s, const Emission *emission);
void emit_header(Str *s, const Emission *emission);
// --report: per-layer table, totals, memory.
void emit_report(Str *s, const Emission *emission);

#endif
