// iter.c: iteration spaces and affine maps, for contract and reduce: checked, reordered for gradients, walked.
//     [n o | i] out[n, o] += a[n, i] * b[o, i]      da is      [n i | o] da[n, i] += dy[n, o] * b[o, i]
// A run-time axis is indexed by itself alone: whatever would merge or split it is refused.
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ir/affine.h"
#include "ops/rules.h"
#include "support/ints.h"

// ---- checks -------------------------------------------------------------------------------------------------------

static bool axes_check(Infer *infer, const Iter *iter) {
    if (iter->naxes < 0 || iter->naxes > MAX_AXES || iter->nout < 0 || iter->nout > iter->naxes)
        return op_refuse(infer, "%d iteration axes, %d of them in the result; at most %d are possible", iter->naxes,
                         iter->nout, MAX_AXES);
    for (int k = 0; k < iter->naxes; k++) {
        if (iter->axis[k].extent < 1) return op_refuse(infer, "iteration axis %c is empty", iter->name[k]);
        if (memchr(iter->name, iter->name[k], (size_t)k))
            return op_refuse(infer, "two iteration axes have the name %c", iter->name[k]);
    }
    return true;
}

// One dim's index: a run-time dim is one run-time axis, bare; the rest is affine over fixed axes and fits an int.
static bool affine_check(Infer *infer, const Iter *iter, const Affine *affine, Dim dim, int which, int d) {
    int64_t reach = llabs(affine->c);
    int terms = 0, tagged = -1;
    for (int k = 0; k < MAX_AXES; k++) {
        if (affine->coef[k] == 0) continue;
        if (k >= iter->naxes) return op_refuse(infer, "map %d uses an iteration axis that is not there", which);
        terms++;
        reach += llabs(affine->coef[k]) * (int64_t)(iter->axis[k].extent - 1);
        if (iter->axis[k].size) tagged = k;
    }
    if (reach > INT32_MAX / 2) return op_refuse(infer, "axis %d of map %d reaches too far out of range", d, which);
    if (tagged < 0 && dim.size == 0) return true;
    bool bare = tagged >= 0 && terms == 1 && affine->c == 0 && affine->coef[tagged] == 1;
    if (bare && dim_equal(iter->axis[tagged], dim)) return true;
    return op_refuse(infer, "axis %d of map %d is a run-time size; it must be indexed by itself alone", d, which);
}

// Axes [0, nout) stand in the out map, the others do not.
static bool out_check(Infer *infer, const Iter *iter) {
    for (int k = 0; k < iter->naxes; k++) {
        bool used = map_uses(&iter->map[0], k);
        if (used == (k < iter->nout)) continue;
        return op_refuse(infer, "iteration axis %c is %s the result's map but counted among the %s", iter->name[k],
                         used ? "in" : "not in", used ? "reduced ones" : "result's");
    }
    return true;
}

bool iter_check(Infer *infer, const Iter *iter, const Type *const *types, int nmaps) {
    if (iter->nmaps != nmaps) return op_refuse(infer, "needs %d maps, got %d", nmaps, iter->nmaps);
    if (!axes_check(infer, iter)) return false;
    for (int m = 0; m < nmaps; m++) {
        if (iter->map[m].rank != types[m]->rank)
            return op_refuse(infer, "map %d has %d axes, its tensor %s has %d", m, iter->map[m].rank,
                             op_shown(infer, types[m]), types[m]->rank);
        for (int d = 0; d < types[m]->rank; d++)
            if (!affine_check(infer, iter, &iter->map[m].dim[d], types[m]->dim[d], m, d)) return false;
    }
    return out_check(infer, iter);
}

// ---- other maps over the same axes --------------------------------------------------------------------------------

Map map_identity(int rank) {
    Map map = {.rank = rank};
    for (int d = 0; d < rank; d++) map.dim[d] = affine_axis(d);
    return map;
}

static bool listed(const int *order, int n, int axis) {
    for (int k = 0; k < n; k++)
        if (order[k] == axis) return true;
    return false;
}

Iter iter_reorder(const Iter *iter, const Map *maps, int nmaps) {
    int order[MAX_AXES], n = 0;
    for (int d = 0; d < maps[0].rank; d++)
        for (int k = 0; k < iter->naxes; k++)
            if (maps[0].dim[d].coef[k] && !listed(order, n, k)) order[n++] = k;
    Iter to = {.naxes = iter->naxes, .nout = n, .nmaps = nmaps};
    for (int k = 0; k < iter->naxes; k++)
        if (!listed(order, n, k)) order[n++] = k;
    for (int k = 0; k < n; k++) {
        to.axis[k] = iter->axis[order[k]];
        to.name[k] = iter->name[order[k]];
    }
    for (int m = 0; m < nmaps; m++) {
        to.map[m].rank = maps[m].rank;
        for (int d = 0; d < maps[m].rank; d++) {
            to.map[m].dim[d].c = maps[m].dim[d].c;
            for (int k = 0; k < n; k++) to.map[m].dim[d].coef[k] = maps[m].dim[d].coef[order[k]];
        }
    }
    return to;
}

bool iter_is_permutation(const Iter *iter, const Map *map, const Type *type, int *dim_of) {
    if (map->rank != iter->naxes) return false;
    for (int k = 0; k < iter->naxes; k++) dim_of[k] = -1;
    for (int d = 0; d < map->rank; d++) {
        int axis = affine_bare_axis(&map->dim[d]);
        if (axis < 0 || dim_of[axis] >= 0 || !dim_equal(iter->axis[axis], type->dim[d])) return false;
        dim_of[axis] = d;
    }
    return true;
}

// ---- walking ------------------------------------------------------------------------------------------------------

// Narrows [*lo, *hi) to the k with 0 <= base + coef * k < extent.
static void clip_range(int64_t base, int64_t coef, int64_t extent, int64_t *lo, int64_t *hi) {
    if (coef == 0) {
        if (base < 0 || base >= extent) *hi = *lo;
        return;
    }
    int64_t near = coef > 0 ? -base : extent - 1 - base, far = coef > 0 ? extent - 1 - base : -base;
    int64_t first = -floor_div(-near, coef), last = floor_div(far, coef); // ceil(near / coef), floor(far / coef)
    if (first > *lo) *lo = first;
    if (last + 1 < *hi) *hi = last + 1;
}

// The row that starts at `point`, whose last axis is `last` (or -1) with `extent` points. count 0: all out of range.
static IterRow row_at(const Iter *iter, const Tensor *const *tensors, const int64_t *point, int last, int64_t extent) {
    IterRow row = {0};
    int64_t lo = 0, hi = extent;
    for (int m = 0; m < iter->nmaps; m++) {
        for (int d = 0; d < iter->map[m].rank; d++) {
            const Affine *affine = &iter->map[m].dim[d];
            int64_t base = affine->c, coef = last >= 0 ? affine->coef[last] : 0;
            for (int k = 0; k < last; k++) base += affine->coef[k] * point[k];
            clip_range(base, coef, tensors[m]->shape[d], &lo, &hi);
            row.at[m] = row.at[m] * tensors[m]->shape[d] + base;
            row.step[m] = row.step[m] * tensors[m]->shape[d] + coef;
        }
    }
    row.count = hi > lo ? hi - lo : 0;
    for (int m = 0; m < iter->nmaps; m++) row.at[m] += lo * row.step[m];
    return row;
}

// The next point over axes [0, n) in row-major order; false after the last one.
static bool advance(int64_t *point, const int64_t *extent, int n) {
    while (n-- > 0) {
        if (++point[n] < extent[n]) return true;
        point[n] = 0;
    }
    return false;
}

void iter_walk(const Iter *iter, const int64_t *sizes, const Tensor *const *tensors,
               void (*visit)(void *context, const IterRow *row), void *context) {
    int64_t point[MAX_AXES] = {0}, extent[MAX_AXES] = {0};
    for (int k = 0; k < iter->naxes; k++) extent[k] = dim_actual(iter->axis[k], sizes);
    int last = iter->naxes - 1;
    do {
        IterRow row = row_at(iter, tensors, point, last, last >= 0 ? extent[last] : 1);
        if (row.count > 0) visit(context, &row);
    } while (advance(point, extent, last));
}
