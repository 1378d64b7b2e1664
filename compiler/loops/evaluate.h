// evaluate.h: run kernels inside dlc, on the data of their buffers.
#ifndef DLC_EVALUATE_H
#define DLC_EVALUATE_H

#include "loops/loops.h"

// Runs calls [first, end) of a program. Every storage that they read has its `data`; other buffers that are not locals
// get theirs in `arena`, zero at first. Run-time sizes do not occur: the prepare part has none.
void program_evaluate(Arena *arena, const Program *program, int first, int end);

#endif
