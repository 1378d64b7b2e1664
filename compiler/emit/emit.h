// emit.h: the only code that prints C.
#ifndef DLC_EMIT_H
#define DLC_EMIT_H

#include "loops/loops.h"

typedef struct EmitOptions {
    const char *prefix;    // of every C name: "mynet"
    const char *header;    // file name for #include, without folders
    const Target *target;
    int level, threads;
    bool standalone;
    const char *options;   // the options as given that matter, for the header's comment
} EmitOptions;

typedef struct EmitInput {
    Module *module;
    Program *const *programs; // one per module->entries
    int nprograms;
} EmitInput;

// The runtime's files, embedded by the build, for --standalone.
extern const struct RuntimeFile {
    const char *name;
    const unsigned char *text;
    int len;
} runtime_files[]; // name NULL at the end

// The prefix for a file's stem or --prefix: `text` when it is a usable C identifier, else made one ("3-net" -> "m_3_net").
const char *emit_prefix(Arena *arena, const char *text);
// Why an entry cannot have this name in C ("new" would be mynet_new, which the API has), or NULL when it can.
const char *emit_refuse_entry_name(const char *name);

void emit_source(Str *s, const EmitInput *in, const EmitOptions *options);
void emit_header(Str *s, const EmitInput *in, const EmitOptions *options);
// --report: per-layer table, totals, memory.
void emit_report(Str *s, const EmitInput *in, const EmitOptions *options);

#endif
