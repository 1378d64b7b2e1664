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
