// contraction_pool.c: a pool inside the tile of the contraction before it.
//
//     h[n, y, x, o] of 48 x 48, max over h[n, 2*y+p, 2*x+q, o]
//     y becomes 2*y+p and x 2*x+q in all maps: a row of the tile is a window, `members` = 4 sums
//     out[n, y, x, o] = max(relu(acc_0 + b), relu(acc_1 + b), relu(acc_2 + b), relu(acc_3 + b))
#include <string.h>

#include "loops/contraction.h"
#include "loops/recipes.h"
#include "ops/rules.h"

static const Iter *pool_iter(const Contraction *c) { return node_attr(c->pool, "iter")->iter; }

// The axis of the pool's result, or its reduced one, that moves dim d of what it reads.
static int pool_axis_of(const Iter *pool, int d, bool reduced) {
    for (int k = reduced ? pool->nout : 0; k < (reduced ? pool->naxes : pool->nout); k++)
        if (pool->map[1].dim[d].coef[k]) return k;
    return NO_AXIS;
}

static char free_name(const Iter *iter) {
    char name = 'i';
    while (memchr(iter->name, name, (size_t)iter->naxes)) name++;
    return name;
}

void contraction_split_windows(Contraction *c) {
    const Iter *pool = pool_iter(c);
    Iter split = *c->iter;
    char names[MAX_RANK] = {0};
    c->members = 1;
    for (int d = 0; d < split.map[0].rank; d++) {
        int tap = pool_axis_of(pool, d, true), at = 0;
        if (tap == NO_AXIS) continue;
        while (!split.map[0].dim[d].coef[at]) at++;
        int inner = split.naxes, extent = pool->axis[tap].extent;
        split.axis[at] = dim_fixed(split.axis[at].extent / extent);
        split.axis[inner] = dim_fixed(extent);
        split.name[inner] = names[c->npool++] = free_name(&split);
        split.naxes++;
        for (int m = 0; m < 3; m++)
            for (int k = 0; k < split.map[m].rank; k++) {
                Affine *affine = &split.map[m].dim[k];
                affine->coef[inner] = affine->coef[at];
                affine->coef[at] *= extent;
            }
        c->members *= extent;
    }
    Iter *moved = NEW(c->arena, Iter);
    *moved = iter_reorder(&split, split.map, 3);
    c->iter = moved;
    for (int k = 0; k < c->npool; k++)
        c->pool_axis[k] = (int)((const char *)memchr(moved->name, names[k], (size_t)moved->naxes) - moved->name);
}

bool contraction_in_pool(const Contraction *c, int axis) {
    for (int k = 0; k < c->npool; k++)
        if (c->pool_axis[k] == axis) return true;
    return false;
}

void contraction_pool_at(const Contraction *c, Index **at) {
    const Iter *pool = pool_iter(c);
    for (int d = 0; d < c->iter->map[0].rank; d++)
        for (int axis = 0; axis < c->iter->nout; axis++)
            if (c->iter->map[0].dim[d].coef[axis] && !contraction_in_pool(c, axis))
                at[pool_axis_of(pool, d, false)] = c->at[axis];
}
