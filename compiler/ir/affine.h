// affine.h: what passes and recipes ask about the maps of an iteration (graph.h, Iter).
//     out[n, o] += x[n, 2*y + p]       dim 0 of x is the axis n; 2*y + p has two terms; the map of x uses y
#ifndef DLC_AFFINE_H
#define DLC_AFFINE_H

#include "ir/graph.h"

// How many axes move the index.
int affine_terms(const Affine *affine);
// The axis, when the index is that axis alone, without a factor or an offset; otherwise -1.
int affine_bare_axis(const Affine *affine);
// Whether the axis moves any of the map's indices; no axis (-1) moves none.
bool map_uses(const Map *map, int axis);

#endif
