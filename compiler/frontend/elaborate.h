// elaborate.h: from the syntax tree to graphs: names, dims, layers, loops, parameters, minimize.
#ifndef DLC_ELABORATE_H
#define DLC_ELABORATE_H

#include "frontend/ast.h"
#include "ir/graph.h"

typedef struct Define { // -D NAME=VALUE
    const char *name;
    long long value;
} Define;

typedef struct ElaborateOptions {
    const Define *defines;
    int ndefines;
    const char *const *entries; // --entry, or NULL for all
    int nentries;
} ElaborateOptions;

// Elaborates `file` with the layers of the prelude. Returns the module, or NULL when an error was reported to diag.
Module *elaborate(Arena *arena, Diag *diag, const AstFile *file, const ElaborateOptions *options);

// The prelude's files, embedded by the build: compiler/prelude/*.dl.
extern const struct PreludeFile {
    const char *name;
    const unsigned char *text;
    int len;
} prelude_files[]; // name NULL at the end
// Prints the text of one prelude declaration with the comment above it; false when there is none of that name.
bool prelude_print(FILE *out, const char *name);
// The declaration of the prelude whose name is nearest, or NULL.
const char *prelude_nearest(Arena *arena, const char *name);

#endif
