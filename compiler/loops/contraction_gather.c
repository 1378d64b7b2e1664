// contraction_gather.c: turns a contraction that scatters into its result into one that gathers each element.
//
//     dx[n,i,y+p-1] += dy[n,o,y] * w[o,i,p]        dx[n,i,h] += dy[n,o,h-p+1] * w[o,i,p]              h = y + p - 1
//     dx[n,i,2*y+p-1] += ..                        dx[n,i,2*h+r-1] += dy[n,o,h-p] * w[o,i,r+2*p]      r < 2
//
// Nothing guards that y and p stay inside their extents: each is the only axis of an operand's dim of that extent, and
// a read out of range gives 0. Afterwards every element of the result is reached exactly once.
#include <stdlib.h>

#include "ir/affine.h"
#include "loops/recipes.h"
#include "ops/rules.h"

enum { NONE = -1 }; // no axis

// An operand has a dim that this axis indexes alone, from end to end.
static bool is_guarded(const Node *root, const Iter *iter, int axis) {
    for (int m = 1; m < 3; m++)
        for (int d = 0; d < iter->map[m].rank; d++) {
            bool alone = affine_bare_axis(&iter->map[m].dim[d]) == axis;
            if (alone && dim_equal(root->in[m - 1]->type.dim[d], iter->axis[axis])) return true;
        }
    return false;
}

static int dims_with(const Map *map, int axis) {
    int count = 0;
    for (int d = 0; d < map->rank; d++) count += map->dim[d].coef[axis] != 0;
    return count;
}

// Indices are ints, and so is the difference of two.
static bool fits(int64_t index) { return llabs(index) <= INT32_MAX / 2; }

// How many taps p one element sums when the index is solved for y; a large number if it cannot be solved.
static int64_t taps_left(const Node *root, const Iter *iter, const Affine *out, int y, int p) {
    bool possible =
        is_guarded(root, iter, y) && (out->coef[y] == 1 || (out->coef[p] == 1 && is_guarded(root, iter, p)));
    return possible ? (iter->axis[p].extent + out->coef[y] - 1) / out->coef[y] : INT32_MAX;
}

// One dim of the result. False: it cannot be gathered.
static bool gather_dim(const Node *root, Iter *iter, int d) {
    Affine *out = &iter->map[0].dim[d];
    Dim dim = root->type.dim[d];
    int y = NONE, p = NONE;
    for (int k = 0; k < iter->naxes; k++) {
        if (!out->coef[k]) continue;
        if (p != NONE || dims_with(&iter->map[0], k) != 1 || out->coef[k] < 0) return false;
        *(y == NONE ? &y : &p) = k;
    }
    // Solved for the one that leaves fewer taps to sum.
    if (p != NONE && taps_left(root, iter, out, p, y) < taps_left(root, iter, out, y, p)) {
        int other = y;
        y = p;
        p = other;
    }
    if (y == NONE) return false;
    bool bare = p == NONE && out->coef[y] == 1 && out->c == 0 && dim_equal(dim, iter->axis[y]);
    if (bare) return true;
    if (dim.size || !is_guarded(root, iter, y)) return false;
    int stride = out->coef[y], step = p == NONE ? 1 : out->coef[p], extent_y = iter->axis[y].extent;
    if (stride > 1 && p != NONE && (step != 1 || !is_guarded(root, iter, p))) return false;
    int64_t base = floor_div(-(int64_t)out->c, stride), c = out->c;
    int rest = NONE;
    if (stride > 1) {
        if (iter->naxes == MAX_AXES) return false;
        rest = iter->naxes++;
        iter->axis[rest] = dim_fixed(stride);
        iter->name[rest] = iter_free_name(iter);
    }
    for (int m = 1; m < 3; m++)
        for (int i = 0; i < iter->map[m].rank; i++) {
            Affine *a = &iter->map[m].dim[i];
            int64_t at_y = a->coef[y], at_p = p == NONE ? 0 : a->coef[p];
            // Without taps only multiples of the stride are reached: the other elements must read out of range.
            int64_t at_rest = p == NONE ? at_y * (extent_y - (base < 0 ? base : 0)) : at_p;
            int64_t new_c = a->c + at_y * base, new_p = at_p * stride - at_y * step;
            if (!fits(new_c) || !fits(new_p) || !fits(at_rest)) return false;
            a->c = (int32_t)new_c;
            if (rest != NONE) a->coef[rest] = (int32_t)at_rest;
            if (p != NONE) a->coef[p] = (int32_t)new_p;
        }
    if (p != NONE) iter->axis[p].extent = (iter->axis[p].extent + stride - 1) / stride;
    iter->axis[y] = dim_fixed((int32_t)(floor_div(dim.extent - 1 - c, stride) - base + 1));
    *out = (Affine){.c = (int32_t)(c + stride * base)};
    out->coef[y] = stride;
    if (rest != NONE) out->coef[rest] = 1;
    return true;
}

bool contraction_gather(Arena *arena, const Node *root, const Iter **iter) {
    Iter *gathered = NEW(arena, Iter);
    *gathered = **iter;
    for (int d = 0; d < root->type.rank; d++)
        if (!gather_dim(root, gathered, d)) return false;
    for (int m = 0; m < 3; m++)
        for (int d = 0; d < gathered->map[m].rank; d++) {
            int64_t lo, hi;
            affine_reach(gathered, &gathered->map[m].dim[d], &lo, &hi);
            if (!fits(lo) || !fits(hi)) return false;
        }
    *gathered = iter_reorder(gathered, gathered->map, 3);
    *iter = gathered;
    return true;
}
