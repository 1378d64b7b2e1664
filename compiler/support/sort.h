// sort.h: a sort whose result follows from its input alone.
#ifndef DLC_SORT_H
#define DLC_SORT_H

#include <stddef.h>

// As qsort, but stable. The order that qsort gives to equal elements differs between C libraries, and so would the C
// that dlc emits.
void sort_stable(void *at, size_t n, size_t size, int (*compare)(const void *, const void *));

#endif
