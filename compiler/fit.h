// fit.h: make an entry fit into --arena-max.
#ifndef DLC_FIT_H
#define DLC_FIT_H

#include "passes/passes.h"
#include "targets/targets.h"

typedef struct FitOptions {
    const Target *target;
    int level, threads;
    bool embedded;             // weights are embedded: what is prepared from them takes no memory of the arena
    int64_t most;              // bytes of the arena
    const PassOptions *passes; // with a trace of each entry
} FitOptions;

// Chooses the order of an entry's groups, and what its backward pass computes again, so that the plan takes at most
// `most` bytes. Changes no more than needed. m->entries.at[entry] becomes the graph of that plan, or of the smallest
// that was found. Returns the bytes of the plan without any change.
int64_t fit_entry(Module *m, int entry, const FitOptions *options);

#endif
