// budget.h: --arena-max.
#ifndef DLC_BUDGET_H
#define DLC_BUDGET_H

#include "loops/loops.h"

// An error when the planned arena is larger than `most` bytes, with what lives at its peak. plain: the bytes of the
// plan that is made without --arena-max.
void program_check_budget(Diag *diag, const Program *program, int64_t most, int64_t plain);

#endif
