// affine.h: what passes and recipes ask about the maps of an iteration (graph.h, Iter).
//     out[n, o] += x[n, 2*y + p]       dim 0 of x is the axis n; 2*y + p has two terms; the map of x uses y
#ifndef DLC_AFFINE_H
#define DLC_AFFINE_H

#include "ir/graph.h"

// The index that is an axis alone.
Affine affine_axis(int axis);
bool affine_equal(const Affine *a, const Affine *b);
// How many axes move the index.
int affine_terms(const Affine *affine);
// The axis, when the index is that axis alone, without a factor or an offset; otherwise -1.
int affine_bare_axis(const Affine *affine);
// The index of a window: *at is the one axis of the result that moves it, *tap the one reduced axis, -1: there is none.
// False: there are several.
bool affine_window(const Iter *iter, const Affine *affine, int *at, int *tap);
// Whether the axis moves any of the map's indices; no axis (-1) moves none.
bool map_uses(const Map *map, int axis);
// Whether each dim of `type` is an axis of its own, from end to end.
bool map_is_bare(const Iter *iter, const Map *map, const Type *type);
// A letter that no axis is called by.
char iter_free_name(const Iter *iter);
// The smallest and the largest value of the index over the iteration, at the bounds of run-time axes.
void affine_reach(const Iter *iter, const Affine *affine, int64_t *lo, int64_t *hi);

#endif
