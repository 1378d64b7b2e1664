// batches.c: the order of an epoch, and the labels of a batch.
#include <stdlib.h>

#include "../dlc_math.h"
#include "kit.h"

int kit_batches_new(struct kit_batches *b, int32_t count, int32_t batch, char *error) {
    *b = (struct kit_batches){.count = count, .batch = batch < 1 ? 1 : batch};
    b->order = malloc(sizeof *b->order * (size_t)(count > 0 ? count : 1));
    if (!b->order) {
        if (error) snprintf(error, KIT_ERROR_BYTES, "no memory for the order of %d items", (int)count);
        return KIT_ENOMEM;
    }
    kit_batches_shuffle(b, 0, -1);
    return KIT_OK;
}

void kit_batches_free(struct kit_batches *b) {
    free(b->order);
    *b = (struct kit_batches){0};
}

void kit_batches_shuffle(struct kit_batches *b, int64_t seed, int64_t epoch) {
    b->at = 0;
    for (int32_t k = 0; k < b->count; k++) b->order[k] = k;
    // Fisher-Yates (Durstenfeld 1964): position k takes one of the k + 1 items that are left.
    for (int32_t k = b->count - 1; k > 0 && epoch >= 0; k--) {
        uint64_t draw = (uint64_t)k * 2;
        double u = dlc_uniform(seed, epoch, 0, draw) + dlc_uniform(seed, epoch, 0, draw + 1) / 16777216;
        int32_t other = (int32_t)(u * (k + 1)), item = b->order[k];
        if (other > k) other = k;
        b->order[k] = b->order[other];
        b->order[other] = item;
    }
}

int32_t kit_batches_next(struct kit_batches *b, const int32_t **index) {
    int32_t left = b->count - b->at, n = left < b->batch ? left : b->batch;
    *index = b->order + b->at;
    b->at += n;
    return n;
}

void kit_gather_labels(int32_t *to, const uint8_t *from, const int32_t *index, int32_t n) {
    for (int32_t k = 0; k < n; k++) to[k] = from[index[k]];
}
