// golden.h: committed numbers of PyTorch (tests/oracle) and how far ours are from them.
#ifndef DLC_GOLDEN_H
#define DLC_GOLDEN_H

#include "harness.h"

typedef struct Golden {
    const char *name;
    int64_t count, stride; // every stride-th of count elements
    double largest;        // of all, by magnitude
    double *value;
    bool summed; // sum: of all elements, each times 1 or -1 at random
    double sum[2];
    bool seen;    // compared in this run
    float *first; // all elements as they were in the first run; NULL: there was none
} Golden;

typedef struct Goldens {
    Arena *arena;
    Golden *at;
    int len, cap;
} Goldens;

// Reads tests/golden/data/*.txt: `tensor NAME COUNT STRIDE LARGEST`, then the values, then for sampled ones perhaps
// `sums A B`. Exits with 3 when it cannot.
Goldens goldens_read(Arena *arena, const char *path);
// One check: the largest difference is at most 1e-4 of the largest value in its channel; that of a sum, where
// differences of 1e-4 of the largest value of all add up as their signs fall, at most this times the root of the count.
// Another check: no element is much further from what the first run gave, since a sample leaves channels out.
void golden_compare(Tally *t, const Goldens *goldens, const char *who, const char *name, const Tensor *got);
// One check: all that is in the file was compared since this was asked last.
void goldens_all_seen(Tally *t, const Goldens *goldens, const char *who);
extern double golden_worst; // of all comparisons since it was set to 0

#endif
