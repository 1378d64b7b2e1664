// weights.h: --weights: parameters from a file into the compiled program; private to the driver.
#ifndef DLC_WEIGHTS_H
#define DLC_WEIGHTS_H

#include "loops/loops.h"
#include "support/diag.h"

// Whether no entry of the module writes what would be embedded; otherwise reports which does.
bool weights_fit(FILE *err, const Module *module);
// Reads the file as strictly as mynet_load, with the paths `strip` (NULL: none) taken off its names. Sets the data of
// all parameters and buffers, runs every prepare part and removes it from its program. False: reported. Plans are made
// after this.
bool weights_embed(Arena *arena, FILE *err, const char *path, const char *strip, const Module *module,
                   Program *const *programs, int nprograms);

#endif
