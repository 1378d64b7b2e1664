// contraction_pool.c: splits axes so that a tile holds whole windows of the pool that follows the contraction.
//
//     h[n, y, x, o] of 48 x 48, max over h[n, 2*y+p, 2*x+q, o]
//     y becomes 2*y+p and x 2*x+q in all maps: a row of the tile is a window, with 4 sums
//     out[n, y, x, o] = max(relu(acc_0 + b), relu(acc_1 + b), relu(acc_2 + b), relu(acc_3 + b))
#include <string.h>

#include "ir/affine.h"
#include "loops/recipes.h"
#include "ops/rules.h"

// The axis of the pool's result, or its reduced one, that moves dim d of what it reads.
static int pool_axis_of(const Node *pool, int d, bool reduced) {
    const Iter *iter = node_attr(pool, "iter")->iter;
    for (int k = reduced ? iter->nout : 0; k < (reduced ? iter->naxes : iter->nout); k++)
        if (iter->map[1].dim[d].coef[k]) return k;
    return -1;
}

unsigned pool_split(Arena *arena, const Node *pool, const Iter **iter) {
    Iter split = **iter, *moved = NEW(arena, Iter);
    unsigned windows = 0;
    for (int d = 0; d < split.map[0].rank; d++) {
        int tap = pool_axis_of(pool, d, true), at = 0;
        if (tap < 0) continue;
        while (!split.map[0].dim[d].coef[at]) at++;
        int inner = split.naxes++, extent = node_attr(pool, "iter")->iter->axis[tap].extent;
        split.name[inner] = iter_free_name(&split);
        split.axis[at] = dim_fixed(split.axis[at].extent / extent);
        split.axis[inner] = dim_fixed(extent);
        for (int m = 0; m < 3; m++)
            for (int k = 0; k < split.map[m].rank; k++) {
                Affine *affine = &split.map[m].dim[k];
                affine->coef[inner] = affine->coef[at];
                affine->coef[at] *= extent;
            }
    }
    *moved = iter_reorder(&split, split.map, 3);
    for (int k = 0; k < moved->naxes; k++)
        if (!memchr((*iter)->name, moved->name[k], (size_t)(*iter)->naxes)) windows |= 1u << k;
    *iter = moved;
    return windows;
}

void pool_at(const Node *pool, const Iter *iter, unsigned windows, Index *const *axes, Index **at) {
    for (int d = 0; d < iter->map[0].rank; d++)
        for (int axis = 0; axis < iter->nout; axis++)
            if (iter->map[0].dim[d].coef[axis] && !(windows >> axis & 1)) at[pool_axis_of(pool, d, false)] = axes[axis];
}
