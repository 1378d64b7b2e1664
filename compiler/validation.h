// validation.h: --validate.
#ifndef DLC_VALIDATION_H
#define DLC_VALIDATION_H

#include <stdbool.h>
#include <stdio.h>

#include "support/arena.h"
#include "targets/targets.h"

// Has dlc-validate parse the C file that was written for the target. Returns false when it finds something or is not
// there, which is on err then. `self` is argv[0].
bool validation_run(Arena *arena, FILE *err, const char *self, const char *file, const Target *target);

#endif
