// check.h: what check.c, check_views.c and check_storages.c share; nothing else includes it.
#ifndef DLC_CHECK_H
#define DLC_CHECK_H

#include "loops/recipes.h"

// Whether a view lies within its memory, where it should, and shows what its value is. NULL or what is wrong.
const char *check_view(const Program *program, const Buffer *view, bool written);
// Whether what call `call` reads of buffer `number` is there: written by now, with the call's own writes, and not
// written over. By number of buffer: the first and the last call so far that writes it, -1.
const char *check_read(const Program *program, const int *first_write, const int *last_write, int number, int call);
// Whether a kernel may write `to` in the memory of `from`, or one buffer that it reads: one layout, and each element is
// read before it is overwritten, in one iteration of one loop.
bool check_in_place(const Kernel *kernel, const Buffer *from, const Buffer *to);
// Whether every call finds in parameters and the like what the graph wants there, the old value or the new one. NULL or
// what is wrong.
const char *check_storages(const Program *program);

#endif
