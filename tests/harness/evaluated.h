// evaluated.h: a module as dlc lowers and plans it, its loops evaluated in this process: what there is of compiled C
// before a C compiler comes.
#ifndef DLC_EVALUATED_H
#define DLC_EVALUATED_H

#include "harness.h"

typedef struct Evaluated Evaluated;

// Runs the passes over the module, which it takes, lowers and plans it, and draws the parameters from seed 1 as
// NET_new does. NULL: refused, because no plan keeps to options->arena_max.
Evaluated *evaluated_new(Arena *arena, Module *module, const HarnessOptions *options);
// The largest arena of an entry.
int64_t evaluated_arena(const Evaluated *v);
// The memory of a storage.
void *evaluated_storage(const Evaluated *v, const char *name);
// Arrays as an entry's C takes them; NULL in `out`: not wanted.
void evaluated_call(Evaluated *v, const char *entry, const int64_t *sizes, void **in, void **out);

#endif
