// evaluate.h: run kernels inside dlc, on the data of their buffers.
#ifndef DLC_EVALUATE_H
#define DLC_EVALUATE_H

#include "loops/loops.h"

// Runs calls [first, end) of a program, at these run-time sizes (NULL: the prepare part, which has none). Each buffer's
// data is its memory, halo and all. Storages and the caller's arrays that are read have it; an output without data is
// one that the caller does not want; others that are no locals get theirs in `arena`, zero at first, unless they have
// it.
void program_evaluate(Arena *arena, const Program *program, int first, int end, const int64_t *sizes);

#endif
