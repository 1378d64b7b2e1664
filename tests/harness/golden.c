// golden.c: see golden.h.
#include "golden.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

// Of a channel's largest value: from PyTorch, and from the first run, which rounds differently. The most that was
// measured is 3.1e-5 and 1.3e-4, of momenta of mobilenet_v2.
static const double TOLERANCE = 1e-4, APART = 5e-4;
// A channel counts as no smaller than this part of the tensor's largest value: 1e-4 of that is what f32 rounds away.
static const double SMALLEST = 1e-3;

double golden_worst;

static _Noreturn void cannot_read(const char *path) {
    fprintf(stderr, "goldens: cannot read %s\n", path);
    exit(3);
}

Goldens goldens_read(Arena *arena, const char *path) {
    Goldens all = {.arena = arena};
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

// The largest value of each channel: of each slice along the first axis, and along the second.
typedef struct Channels {
    int axes;
    int64_t inner[2]; // elements from one slice to the next
    int64_t count[2];
    double *largest[2];
} Channels;

// Weights have their results along the first axis and their inputs along the second; batches have their channels along
// the second. A vector is one channel: its numbers are sums, of gradients mostly, in which large terms cancel, so that
// a small one is off by as much as a large one.
static Channels channels_of(Arena *arena, const Tensor *t, double smallest) {
    Channels c = {.axes = t->rank < 2 ? 0 : 2, .inner = {t->count, t->count}};
    for (int d = 0; d < c.axes; d++) {
        c.count[d] = t->shape[d];
        c.inner[d] = (d ? c.inner[0] : t->count) / t->shape[d];
        c.largest[d] = NEW_ARRAY(arena, double, t->shape[d] + 1);
        for (int64_t k = 0; k < t->shape[d]; k++) c.largest[d][k] = smallest;
        for (int64_t e = 0; e < t->count; e++) {
            double *largest = &c.largest[d][e / c.inner[d] % t->shape[d]];
            *largest = fmax(*largest, fabs(element(t, e)));
        }
    }
    return c;
}

// How far apart two values of element e are: as a share of the smaller of its channels' largest values.
static double share(const Channels *c, int64_t e, double a, double b, double largest) {
    double off = fabs(a - b), least = largest;
    for (int d = 0; d < c->axes; d++) least = fmin(least, c->largest[d][e / c->inner[d] % c->count[d]]);
    return isnan(off) ? INFINITY : off == 0 ? 0 : off / least;
}

// The largest difference over the sample, and over the sums when they are there.
static double difference(const Golden *g, const Tensor *got) {
    Arena scratch = {0};
    Channels channels = channels_of(&scratch, got, SMALLEST * g->largest);
    double worst = 0;
    for (int64_t e = 0; e < g->count; e += g->stride)
        worst = fmax(worst, share(&channels, e, element(got, e), g->value[e / g->stride], g->largest));
    arena_release(&scratch);
    for (uint32_t s = 0; g->summed && s < 2; s++) {
        double sum = 0;
        for (int64_t e = 0; e < g->count; e++)
            sum += drawn(s + 1, (uint64_t)e) < 0.5 ? -element(got, e) : element(got, e);
        double off = fabs(sum - g->sum[s]) / sqrt((double)g->count);
        if (isnan(off)) return INFINITY;
        if (off > 0) worst = fmax(worst, off / g->largest);
    }
    return worst;
}

// The largest difference from the first run over all elements: the sample leaves channels out.
static double difference_of_runs(const Golden *g, const Tensor *got) {
    Arena scratch = {0};
    Channels channels = channels_of(&scratch, got, SMALLEST * g->largest);
    double worst = 0;
    for (int64_t e = 0; e < g->count; e++)
        worst = fmax(worst, share(&channels, e, element(got, e), (double)g->first[e], g->largest));
    arena_release(&scratch);
    return worst;
}

static void keep_first(Golden *g, Arena *arena, const Tensor *got) {
    g->first = NEW_ARRAY(arena, float, g->count + 1);
    for (int64_t e = 0; e < g->count; e++) g->first[e] = (float)element(got, e);
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
        double worst = difference(g, got), apart = g->first ? difference_of_runs(g, got) : 0;
        golden_worst = fmax(golden_worst, worst);
        tally(t, worst <= TOLERANCE, "%s: %s: differs from PyTorch by %.3g of a channel's largest value, at most %g",
              who, name, worst, TOLERANCE);
        tally(t, apart <= APART, "%s: %s: differs from the first run by %.3g of a channel's largest value, at most %g",
              who, name, apart, APART);
        if (!g->first) keep_first(g, goldens->arena, got);
        return;
    }
    tally(t, false, "%s: no golden for %s", who, name);
}

void goldens_all_seen(Tally *t, const Goldens *goldens, const char *who) {
    const char *unseen = NULL;
    for (int k = 0; k < goldens->len; k++) {
        if (!goldens->at[k].seen) unseen = goldens->at[k].name;
        goldens->at[k].seen = false;
    }
    tally(t, !unseen, "%s: %s was not compared", who, unseen ? unseen : "");
}
