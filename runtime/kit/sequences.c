// sequences.c: batches of sequences of similar length, and windows that walk through a long text.
//     lengths   {5, 2, 9, 3}    in batches of 2     {1, 3} padded to 3, {0, 2} padded to 9
//     text      a b c d e f g   in 2 streams of windows of 2     a b -> b c    c . -> d .
//                                                                d e -> e f    f . -> g .
#include <stdlib.h>

#include "fail.h"
#include "kit.h"

// ---- batches by length ----------------------------------------------------------------------------------------------

typedef struct Place {
    int32_t length, at, index; // at: before sorting
} Place;

struct kit_sequences {
    const int32_t *length;    // (count), the caller's
    int64_t pool;             // sequences that are sorted together
    struct kit_batches items; // all sequences: batch k has those from items.order[k * batch] on
    struct kit_batches turns; // the batches in the order in which they come
    Place *place;             // (pool at most)
    const int32_t *index;     // of the batch that kit_sequences_next gave: (n)
    int32_t n;
};

static int check(const int32_t *length, int32_t count, int32_t batch, int32_t pool, char *error) {
    if (count < 1 || batch < 1 || pool < 0)
        return kit_fail(error, KIT_EVALUE,
                        "%d sequences in batches of %d, %d sorted together: at least 1, 1 and 0 (all)", (int)count,
                        (int)batch, (int)pool);
    for (int32_t k = 0; k < count; k++)
        if (length[k] < 0) return kit_fail(error, KIT_EVALUE, "sequence %d has the length %d", (int)k, (int)length[k]);
    return KIT_OK;
}

int kit_sequences_new(struct kit_sequences **sequences, const int32_t *length, int32_t count, int32_t batch,
                      int32_t pool, char *error) {
    *sequences = NULL;
    int status = check(length, count, batch, pool, error);
    if (status) return status;
    struct kit_sequences *s = calloc(1, sizeof *s);
    if (!s) return kit_fail(error, KIT_ENOMEM, "no memory for batches of sequences");
    s->length = length;
    s->pool = (int64_t)pool * batch;
    if (!pool || s->pool > count) s->pool = count;
    int32_t batches = count / batch + (count % batch > 0);
    status = kit_batches_new(&s->items, count, batch, error);
    if (!status) status = kit_batches_new(&s->turns, batches, 1, error);
    if (!status && !(s->place = malloc(sizeof *s->place * (size_t)s->pool)))
        status = kit_fail(error, KIT_ENOMEM, "no memory to sort %d sequences", (int)s->pool);
    if (status) return kit_sequences_free(s), status;
    kit_sequences_shuffle(s, 0, -1);
    *sequences = s;
    return KIT_OK;
}

void kit_sequences_free(struct kit_sequences *s) {
    if (!s) return;
    kit_batches_free(&s->items);
    kit_batches_free(&s->turns);
    free(s->place);
    free(s);
}

static int by_length(const void *a, const void *b) {
    const Place *x = a, *y = b;
    if (x->length != y->length) return x->length < y->length ? -1 : 1;
    return x->at < y->at ? -1 : 1;
}

void kit_sequences_shuffle(struct kit_sequences *s, int64_t seed, int64_t epoch) {
    kit_batches_shuffle(&s->items, seed, epoch);
    // Another key, so that the batches do not come in an order that the sequences were shuffled by.
    kit_batches_shuffle(&s->turns, seed ^ 0x7365715F7475726E, epoch);
    for (int64_t first = 0; first < s->items.count; first += s->pool) {
        int32_t *order = s->items.order + first;
        int64_t left = s->items.count - first, n = left < s->pool ? left : s->pool;
        for (int32_t k = 0; k < n; k++) s->place[k] = (Place){s->length[order[k]], k, order[k]};
        qsort(s->place, (size_t)n, sizeof *s->place, by_length);
        for (int32_t k = 0; k < n; k++) order[k] = s->place[k].index;
    }
    s->n = 0;
}

int32_t kit_sequences_batches(const struct kit_sequences *s) { return s->turns.count; }

int32_t kit_sequences_next(struct kit_sequences *s, const int32_t **index, int32_t *longest) {
    const int32_t *turn;
    s->n = 0;
    if (kit_batches_next(&s->turns, &turn)) {
        int64_t first = (int64_t)*turn * s->items.batch, left = s->items.count - first;
        s->index = s->items.order + first;
        s->n = left < s->items.batch ? (int32_t)left : s->items.batch;
        int32_t most = s->length[s->index[s->n - 1]]; // they are sorted
        if (longest) *longest = most > 1 ? most : 1;
        if (index) *index = s->index;
    }
    return s->n;
}

void kit_sequences_lengths(const struct kit_sequences *s, int32_t *length, int32_t T) {
    for (int32_t k = 0; k < s->n; k++) {
        int32_t full = s->length[s->index[k]];
        length[k] = full < T ? full : T;
    }
}

void kit_sequences_fill(const struct kit_sequences *s, int32_t *to, const int32_t *const *sequence, int32_t T,
                        int32_t padding, bool time_first) {
    size_t row = time_first ? 1 : (size_t)T, step = time_first ? (size_t)s->n : 1;
    for (int32_t k = 0; k < s->n; k++) {
        int32_t length = s->length[s->index[k]];
        const int32_t *from = sequence[s->index[k]];
        for (int32_t t = 0; t < T; t++) to[(size_t)k * row + (size_t)t * step] = t < length ? from[t] : padding;
    }
}

// ---- windows of a long text -----------------------------------------------------------------------------------------

int kit_windows_new(struct kit_windows *w, const int32_t *id, size_t count, int32_t batch, int32_t T, char *error) {
    *w = (struct kit_windows){0};
    if (batch < 1 || T < 1)
        return kit_fail(error, KIT_EVALUE, "%d streams in windows of %d: at least 1 of each", (int)batch, (int)T);
    if (count <= (size_t)batch)
        return kit_fail(error, KIT_EVALUE, "%zu tokens; %d streams need at least %lld", count, (int)batch,
                        (long long)batch + 1);
    int64_t each = (int64_t)((count - 1) / (size_t)batch);
    *w = (struct kit_windows){
        .id = id, .batch = batch, .T = T, .each = each, .windows = each / T + (each % T > 0), .at = 0};
    return KIT_OK;
}

void kit_windows_start(struct kit_windows *w) { w->at = 0; }

int32_t kit_windows_next(struct kit_windows *w, int32_t *input, int32_t *target, bool time_first) {
    if (w->at >= w->windows) return 0;
    int64_t first = w->at++ * w->T, left = w->each - first;
    int32_t valid = left < w->T ? (int32_t)left : w->T;
    size_t row = time_first ? 1 : (size_t)w->T, step = time_first ? (size_t)w->batch : 1;
    for (int32_t k = 0; k < w->batch; k++) {
        const int32_t *from = w->id + k * w->each + first;
        for (int32_t t = 0; t < w->T; t++) {
            size_t to = (size_t)k * row + (size_t)t * step;
            input[to] = t < valid ? from[t] : 0;
            target[to] = t < valid ? from[t + 1] : KIT_NO_TARGET;
        }
    }
    return valid;
}
