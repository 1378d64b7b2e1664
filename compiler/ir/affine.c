// affine.c: see affine.h. Coefficients of axes that an iteration does not have are 0.
#include "ir/affine.h"

#include <string.h>

Affine affine_axis(int axis) {
    Affine affine = {0};
    affine.coef[axis] = 1;
    return affine;
}

bool affine_equal(const Affine *a, const Affine *b) { return !memcmp(a, b, sizeof *a); }

int affine_terms(const Affine *affine) {
    int terms = 0;
    for (int k = 0; k < MAX_AXES; k++) terms += affine->coef[k] != 0;
    return terms;
}

int affine_bare_axis(const Affine *affine) {
    int axis = -1;
    for (int k = 0; k < MAX_AXES; k++) {
        if (!affine->coef[k]) continue;
        if (axis >= 0 || affine->coef[k] != 1) return -1;
        axis = k;
    }
    return affine->c ? -1 : axis;
}

bool affine_window(const Iter *iter, const Affine *affine, int *at, int *tap) {
    *at = *tap = -1;
    for (int k = 0; k < iter->naxes; k++) {
        if (!affine->coef[k]) continue;
        int *which = k < iter->nout ? at : tap;
        if (*which >= 0) return false;
        *which = k;
    }
    return true;
}

bool map_uses(const Map *map, int axis) {
    for (int d = 0; d < map->rank && axis >= 0; d++)
        if (map->dim[d].coef[axis]) return true;
    return false;
}

bool map_is_bare(const Iter *iter, const Map *map, const Type *type) {
    unsigned seen = 0;
    for (int d = 0; d < map->rank; d++) {
        int axis = affine_bare_axis(&map->dim[d]);
        if (axis < 0 || seen >> axis & 1 || !dim_equal(iter->axis[axis], type->dim[d])) return false;
        seen |= 1u << axis;
    }
    return true;
}

char iter_free_name(const Iter *iter) {
    char name = 'i';
    while (memchr(iter->name, name, (size_t)iter->naxes)) name++;
    return name;
}

void affine_reach(const Iter *iter, const Affine *affine, int64_t *lo, int64_t *hi) {
    *lo = *hi = affine->c;
    for (int k = 0; k < iter->naxes; k++) {
        int64_t reach = (int64_t)affine->coef[k] * (iter->axis[k].extent - 1);
        *(reach < 0 ? lo : hi) += reach;
    }
}
