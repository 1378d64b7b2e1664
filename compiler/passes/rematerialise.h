// rematerialise.h: what the pass and --arena-max (compiler/fit.c) share.
#ifndef DLC_REMATERIALISE_H
#define DLC_REMATERIALISE_H

#include "passes/passes.h"

// Which values are computed again for whom, by node id.
typedef struct Choice {
    int *level; // 0: the value is kept; k: whoever is late reads copy k
    bool *late; // belongs to the backward pass or the update
} Choice;

// What the checkpoint blocks ask for.
Choice choice_of_checkpoints(Arena *arena, const Graph *g);

#endif
