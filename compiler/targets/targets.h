// targets.h: what the schedules need to know of a machine: one table row each.
#ifndef DLC_TARGETS_H
#define DLC_TARGETS_H

#include <stdbool.h>
#include <stdio.h>

typedef struct Target {
    const char *name;
    const char *doc;
    int vector_bytes; // of vectors of GNU C; 0: portable ISO C, without extensions
    int loop_lanes;   // without them: turns of the loop that stands for a vector, which C compilers make vectors of
    int registers;    // vector registers
    int l1_bytes, l2_bytes;
    int chunk_work;    // what a kernel must cost before threads share it: elements or FLOPs, of a product for each lane
    const char *macro; // what a compiler that was told of the target defines, or NULL: the C asks for it
    const char *flags; // for the compile line in the header: "-std=gnu11 -O3 -march=x86-64-v4"
} Target;

// Where vectors are not asked for, the machine may be small: one whose floating-point unit knows floats only. At -O0,
// code that is read is more important than that.
static inline bool target_avoids_doubles(const Target *t, int level) { return level && !t->vector_bytes; }

static inline int target_lanes(const Target *t) { return t->vector_bytes ? t->vector_bytes / 4 : 1; }

// "native" resolves to the row that this machine can run. NULL for an unknown name.
const Target *target_find(const char *name);
void target_help(FILE *out);
const char *const *target_names(int *count);

#endif
