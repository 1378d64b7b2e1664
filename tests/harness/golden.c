// golden.c: see golden.h.
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double TOLERANCE = 1e-4;

double golden_worst;

static _Noreturn void cannot_read(const char *path) {
    fprintf(stderr, "goldens: cannot read %s\n", path);
    exit(3);
}

Goldens goldens_read(Arena *arena, const char *path) {
    Goldens all = {0};
    FILE *file = fopen(path, "r");
    if (!file) cannot_read(path);
    char word[8], name[256];
    while (fscanf(file, "%7s", word) == 1) {
        if (!strcmp(word, "sums")) {
            Golden *g = all.len ? &all.at[all.len - 1] : NULL;
            if (!g || fscanf(file, "%lf %lf", &g->sum[0], &g->sum[1]) != 2) cannot_read(path);
            g->summed = true;
            continue;
        }
        long long count, stride;
        Golden g = {0};
        if (strcmp(word, "tensor") || fscanf(file, " %255s %lld %lld %lf", name, &count, &stride, &g.largest) != 4 ||
            count < 1 || stride < 1)
            cannot_read(path);
        g.name = arena_strdup(arena, name), g.count = count, g.stride = stride;
        g.value = NEW_ARRAY(arena, double, count / stride + 1);
        for (int64_t k = 0; k < (count + stride - 1) / stride; k++)
            if (fscanf(file, "%lf", &g.value[k]) != 1) cannot_read(path);
        vec_push(arena, &all, g);
    }
    fclose(file);
    return all;
}

static double element(const Tensor *t, int64_t k) { return t->f ? t->f[k] : (double)t->i[k]; }

// The largest difference over the sample, and over the sums when they are there.
static double difference(const Golden *g, const Tensor *got) {
    double worst = 0;
    for (int64_t e = 0; e < g->count; e += g->stride) {
        double off = fabs(element(got, e) - g->value[e / g->stride]);
        if (isnan(off)) return INFINITY;
        worst = fmax(worst, off);
    }
    for (uint32_t s = 0; g->summed && s < 2; s++) {
        double sum = 0;
        for (int64_t e = 0; e < g->count; e++)
            sum += drawn(s + 1, (uint64_t)e) < 0.5 ? -element(got, e) : element(got, e);
        double off = fabs(sum - g->sum[s]) / sqrt((double)g->count);
        if (isnan(off)) return INFINITY;
        worst = fmax(worst, off);
    }
    return worst == 0 ? 0 : worst / g->largest;
}

void golden_compare(Tally *t, const Goldens *goldens, const char *who, const char *name, const Tensor *got) {
    for (int k = 0; k < goldens->len; k++) {
        Golden *g = &goldens->at[k];
        if (strcmp(g->name, name)) continue;
        g->seen = true;
        if (got->count != g->count) {
            tally(t, false, "%s: %s has %lld elements, want %lld", who, name, (long long)got->count,
                  (long long)g->count);
            return;
        }
        double worst = difference(g, got);
        golden_worst = fmax(golden_worst, worst);
        tally(t, worst <= TOLERANCE, "%s: %s: differs from PyTorch by %.3g of its largest value, at most %g", who, name,
              worst, TOLERANCE);
        return;
    }
    tally(t, false, "%s: no golden for %s", who, name);
}

void goldens_all_seen(Tally *t, const Goldens *goldens, const char *who) {
    for (int k = 0; k < goldens->len; k++)
        if (!goldens->at[k].seen) {
            tally(t, false, "%s: %s was not compared", who, goldens->at[k].name);
            return;
        }
    tally(t, true, "%s", who);
}
