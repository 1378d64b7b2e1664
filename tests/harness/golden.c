// golden.c: see golden.h.
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TOLERANCE = 1e-4;

double golden_worst;

Goldens goldens_read(Arena *arena, const char *path) {
    Goldens all = {0};
    FILE *file = fopen(path, "r");
    if (!file) {
        fprintf(stderr, "goldens: cannot read %s\n", path);
        exit(3);
    }
    char name[256];
    long long count, stride;
    double largest;
    while (fscanf(file, " tensor %255s %lld %lld %lf", name, &count, &stride, &largest) == 4) {
        Golden g = {arena_strdup(arena, name), count, stride, largest, NEW_ARRAY(arena, double, count / stride + 1)};
        for (int64_t k = 0; k < (count + stride - 1) / stride; k++)
            if (fscanf(file, "%lf", &g.value[k]) != 1) exit(3);
        vec_push(arena, &all, g);
    }
    fclose(file);
    return all;
}

void golden_compare(Tally *t, const Goldens *goldens, const char *who, const char *name, const Tensor *got) {
    for (int k = 0; k < goldens->len; k++) {
        const Golden *g = &goldens->at[k];
        if (strcmp(g->name, name)) continue;
        double worst = 0;
        for (int64_t e = 0; e < g->count && e < got->count; e += g->stride) {
            double value = got->f ? got->f[e] : (double)got->i[e], difference = fabs(value - g->value[e / g->stride]);
            if (!(difference <= worst)) worst = difference; // NaN too
        }
        worst /= g->largest;
        if (isnan(worst)) worst = INFINITY;
        golden_worst = fmax(golden_worst, worst);
        tally(t, got->count == g->count && worst <= TOLERANCE,
              "%s: %s: differs from PyTorch by %.3g of its largest value, at most %g", who, name, worst, TOLERANCE);
        return;
    }
    tally(t, false, "%s: no golden for %s", who, name);
}
