// timeline.h: estimates how much memory a program takes when some values of the forward pass are computed again,
// without lowering it anew. compiler/fit.c tries its choices on it.
#ifndef DLC_TIMELINE_H
#define DLC_TIMELINE_H

#include "loops/loops.h"
#include "support/tags.h"

// A buffer of the arena with the views in it; scratch of one call is left out.
typedef struct Value {
    const Buffer *buffer;
    int64_t bytes;
    int writer;     // call
    int last_early; // the last call of the forward pass that reads or writes it
    int first_late; // the first other one that reads it; the number of calls: none does
    bool early;     // of the forward pass, and made by one call: it can be computed again
} Value;

typedef struct Timeline {
    Arena *arena;
    const Program *program;
    VEC(Value) values;
    Tags places;      // by buffer: the place of its value, from 1
    IntVec *reads;    // by call: values
    IntVec *writes;   // by call: values it is the writer of
    bool *early;      // by call: of the forward pass
    int64_t *scratch; // by call: bytes
    int64_t *cost;    // by call: FLOPs, with those that the processor could do while bytes are written
    int64_t work;     // steps of one estimate
} Timeline;

typedef struct Estimate {
    int64_t peak; // bytes
    int at;       // the call of the peak, or the call before which something is computed again then
    int64_t cost; // of what is computed again
} Estimate;

// The program must be lowered; it need not be planned.
Timeline *timeline_new(Arena *arena, Program *program);
// The value in that buffer; -1: it holds none.
int timeline_value(const Timeline *timeline, const Buffer *buffer);
// Whether a value is read in the backward pass, and can be dropped and computed again.
bool timeline_is_choice(const Timeline *timeline, int value);
// Whether a value is in memory when the backward pass reads it: it is kept, or cannot be computed again.
bool timeline_is_kept(const Timeline *timeline, int value, const bool *kept);
// kept: by value. An early value that is not kept is computed again before the first call after the forward pass
// that needs it, for itself or to compute another one again.
Estimate timeline_estimate(const Timeline *timeline, const bool *kept);

#endif
