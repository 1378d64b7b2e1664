// golden.h: committed numbers of PyTorch (tests/oracle) and how far ours are from them.
#ifndef DLC_GOLDEN_H
#define DLC_GOLDEN_H

#include "harness.h"

typedef struct Golden {
    const char *name;
    int64_t count, stride; // every stride-th of count elements
    double largest;        // of all, by magnitude
    double *value;
} Golden;
typedef VEC(Golden) Goldens;

// Reads tests/golden/data/*.txt: `tensor NAME COUNT STRIDE LARGEST`, then the values. Exits with 3 when it cannot.
Goldens goldens_read(Arena *arena, const char *path);
// One check: the largest difference is at most 1e-4 of the largest value.
void golden_compare(Tally *t, const Goldens *goldens, const char *who, const char *name, const Tensor *got);
extern double golden_worst; // of all comparisons since it was set to 0

#endif
