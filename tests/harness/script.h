// script.h: entries of a module called in turn over one state: what the interpreter gives, drawn by a seed, and
// compiled C held against it.
//     Script *s = script_new(&arena, module, seed);     a new net, then some calls
//     script_check(&tally, s, compiled, "who", false);
#ifndef DLC_SCRIPT_H
#define DLC_SCRIPT_H

#include "harness.h"

// A tensor may differ by 1e-4 of its largest value, plus a multiple of what rounding changes in it (`moved` is computed
// with each rounding up or down at random, several times where one is not enough): a sum that cancels to almost nothing
// has no digits left to compare. An infinity or a NaN must be the same in both, but an element that rounding alone
// turns from a number into one of them is not compared. Gives true when it fits.
bool script_compare(Tally *t, const Tensor *got, const Tensor *want, const Tensor *moved, const char *who,
                    const char *name);

// What a new net's storages hold, as NET_new makes them from seed 1; exact: without rounding.
Tensor *script_begin(Arena *arena, const Module *m, bool exact);

typedef struct Script Script;
// The calls: every entry once, at the bounds of the run-time sizes, then any, at any sizes. NULL outputs are drawn too.
Script *script_new(Arena *arena, const Module *m, uint32_t seed);
// models: only the calls of models that come before the first training step; the rest was not compiled.
void script_check(Tally *t, Script *s, Compiled *c, const char *who, bool models);

#endif
