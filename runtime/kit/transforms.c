// transforms.c: a list of transforms checked once, then run on image after image without allocating.
//     bytes (1, 28, 28)  ->  resize 48, grayscale 3, rotation, colour jitter, normalize  ->  floats (3, 48, 48)
// Three equal channels are kept as one plane until the floats are written: every step gives the same on equal planes.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../dlc_math.h"
#include "fail.h"
#include "steps.h"

struct kit_pipeline {
    struct kit_transforms list;
    struct kit_resizer resizer[KIT_MAX_TRANSFORMS]; // of the steps that resize
    float table[3][256];                            // what bytes become, for each channel
    int steps;
    int32_t from[3], shape[3]; // (channels, rows, columns) at the start and at the end
    size_t largest;            // bytes of the largest image on the way
    uint8_t *buffer[2];        // (largest) each
};

// An image on its way through the list.
struct image {
    uint8_t *at, *spare; // at: (planes, rows, columns); a step may write to spare and swap them
    int planes, rows, columns;
};

// ---- checking ------------------------------------------------------------------------------------------------------

static const char *const names[] = {"end", "resize", "grayscale", "rotation", "flip", "colour jitter", "normalize"};

static int within(double value, double low, double high) { return value >= low && value <= high; } // NaN is not

// Checks the values of one step, which gets images of `channels` channels.
static int check_step(const struct kit_transform *t, int place, int channels, char *error) {
    const char *name = names[t->kind];
    switch (t->kind) {
    case KIT_END:
        break;
    case KIT_RESIZE:
        if (within(t->size, 1, KIT_MAX_SIDE)) break;
        return kit_fail(error, KIT_EVALUE, "transform %d (%s): size %d; it is 1 to %d", place, name, t->size,
                        KIT_MAX_SIDE);
    case KIT_GRAYSCALE:
        if (t->channels == 1 || t->channels == 3) break;
        return kit_fail(error, KIT_EVALUE, "transform %d (%s): %d channels; they are 1 or 3", place, name, t->channels);
    case KIT_ROTATION:
        if (t->interpolation != KIT_NEAREST && t->interpolation != KIT_BILINEAR)
            return kit_fail(error, KIT_EVALUE, "transform %d (%s): interpolation %d; it is KIT_NEAREST or KIT_BILINEAR",
                            place, name, (int)t->interpolation);
        if (within((double)t->degrees, 0, 180)) break;
        return kit_fail(error, KIT_EVALUE, "transform %d (%s): %g degrees; they are 0 to 180", place, name,
                        (double)t->degrees);
    case KIT_FLIP:
        if (within((double)t->probability, 0, 1)) break;
        return kit_fail(error, KIT_EVALUE, "transform %d (%s): probability %g; it is 0 to 1", place, name,
                        (double)t->probability);
    case KIT_COLOR_JITTER:
        if (within((double)t->brightness, 0, 1e6) && within((double)t->contrast, 0, 1e6)) break;
        return kit_fail(error, KIT_EVALUE, "transform %d (%s): brightness %g, contrast %g; they are 0 to 1e6", place,
                        name, (double)t->brightness, (double)t->contrast);
    case KIT_NORMALIZE:
        for (int c = 0; c < channels; c++)
            if (!isfinite(t->mean[c]) || !isfinite(t->std[c]) || !(t->std[c] > 0))
                return kit_fail(error, KIT_EVALUE,
                                "transform %d (%s): mean %g, std %g of channel %d of %d; std is above 0", place, name,
                                (double)t->mean[c], (double)t->std[c], c, channels);
    }
    return KIT_OK;
}

// Counts the steps, finds the shape that comes out and the largest on the way.
static int check(struct kit_pipeline *p, char *error) {
    memcpy(p->shape, p->from, sizeof p->shape);
    if ((p->from[0] != 1 && p->from[0] != 3) || !within(p->from[1], 1, KIT_MAX_SIDE) ||
        !within(p->from[2], 1, KIT_MAX_SIDE))
        return kit_fail(error, KIT_EVALUE, "images of %d channels, %d x %d pixels; channels are 1 or 3, sides 1 to %d",
                        (int)p->from[0], (int)p->from[1], (int)p->from[2], KIT_MAX_SIDE);
    for (;; p->steps++) {
        size_t bytes = (size_t)p->shape[0] * (size_t)p->shape[1] * (size_t)p->shape[2];
        if (bytes > p->largest) p->largest = bytes;
        const struct kit_transform *t = &p->list.step[p->steps];
        if (p->steps == KIT_MAX_TRANSFORMS || t->kind == KIT_END) return KIT_OK;
        if ((unsigned)t->kind > KIT_NORMALIZE)
            return kit_fail(error, KIT_EVALUE, "transform %d: there is no kind %d", p->steps + 1, (int)t->kind);
        if (p->steps && t[-1].kind == KIT_NORMALIZE)
            return kit_fail(error, KIT_EVALUE, "transform %d (%s) stands after normalize, which must be the last",
                            p->steps + 1, names[t->kind]);
        int status = check_step(t, p->steps + 1, p->shape[0], error);
        if (status) return status;
        if (t->kind == KIT_RESIZE) p->shape[1] = p->shape[2] = t->size;
        if (t->kind == KIT_GRAYSCALE) p->shape[0] = t->channels;
    }
}

// ---- making --------------------------------------------------------------------------------------------------------

static void make_tables(struct kit_pipeline *p) {
    const struct kit_transform *last = p->steps ? &p->list.step[p->steps - 1] : NULL;
    for (int c = 0; c < p->shape[0]; c++)
        if (last && last->kind == KIT_NORMALIZE)
            kit_normalize_table(p->table[c], last->mean[c], last->std[c]);
        else
            kit_normalize_table(p->table[c], 0, 1);
}

static int allocate(struct kit_pipeline *p, char *error) {
    int rows = p->from[1], columns = p->from[2];
    for (int k = 0; k < 2; k++)
        if (!(p->buffer[k] = malloc(p->largest)))
            return kit_fail(error, KIT_ENOMEM, "no memory for an image of %zu bytes", p->largest);
    for (int k = 0; k < p->steps; k++) {
        int size = p->list.step[k].size;
        if (p->list.step[k].kind != KIT_RESIZE) continue;
        int status = kit_resizer_new(&p->resizer[k], size, size, rows, columns, error);
        if (status) return status;
        rows = columns = size;
    }
    return KIT_OK;
}

int kit_pipeline_new(struct kit_pipeline **pipeline, const struct kit_transforms *transforms, int32_t channels,
                     int32_t rows, int32_t columns, char *error) {
    *pipeline = NULL;
    struct kit_pipeline *p = calloc(1, sizeof *p);
    if (!p) return kit_fail(error, KIT_ENOMEM, "no memory for a list of transforms");
    p->from[0] = channels, p->from[1] = rows, p->from[2] = columns, p->largest = 1;
    if (transforms) p->list = *transforms;
    int status = check(p, error);
    if (!status) status = allocate(p, error);
    if (!status) make_tables(p);
    if (status)
        kit_pipeline_free(p);
    else
        *pipeline = p;
    return status;
}

void kit_pipeline_free(struct kit_pipeline *p) {
    if (!p) return;
    for (int k = 0; k < p->steps; k++) kit_resizer_free(&p->resizer[k]);
    free(p->buffer[0]);
    free(p->buffer[1]);
    free(p);
}

const int32_t *kit_pipeline_shape(const struct kit_pipeline *p) { return p->shape; }

size_t kit_pipeline_size(const struct kit_pipeline *p) {
    return (size_t)p->shape[0] * (size_t)p->shape[1] * (size_t)p->shape[2];
}

// ---- running -------------------------------------------------------------------------------------------------------

// What one random step of one image draws: four numbers in [0, 1) of 24 bits. The site keeps the kit's draws apart from
// the order of an epoch and from dropout with the same seed.
struct draw {
    double u[4];
};

static struct draw draw(int64_t seed, int64_t epoch, int64_t index, int step) {
    uint32_t word[4];
    struct draw d;
    dlc_random_words(word, seed, epoch, 0x6b697400u + (uint32_t)step, (uint64_t)index);
    for (int k = 0; k < 4; k++) d.u[k] = (double)(word[k] >> 8) * (1.0 / 16777216);
    return d;
}

static void swap(struct image *i) {
    uint8_t *at = i->at;
    i->at = i->spare, i->spare = at;
}

static size_t pixels(const struct image *i) { return (size_t)i->rows * (size_t)i->columns; }

static void resize(struct image *i, struct kit_resizer *r) {
    size_t before = pixels(i);
    i->rows = r->y.to, i->columns = r->x.to;
    for (int c = 0; c < i->planes; c++)
        kit_resizer_run(r, i->spare + (size_t)c * pixels(i), i->at + (size_t)c * before);
    swap(i);
}

static void rotate(struct image *i, const struct kit_transform *t, double u) {
    double degrees = (double)t->degrees;
    for (int c = 0; c < i->planes; c++)
        kit_image_rotate(i->spare + (size_t)c * pixels(i), i->at + (size_t)c * pixels(i), i->rows, i->columns,
                         -degrees + 2 * degrees * u, t->interpolation);
    swap(i);
}

// A factor from max(0, 1 - around) to 1 + around.
static float factor(float around, double u) {
    double low = around < 1 ? 1 - (double)around : 0, high = 1 + (double)around;
    return (float)(low + (high - low) * u);
}

static void jitter(struct image *i, const struct kit_transform *t, const struct draw *d) {
    for (int turn = 0; turn < 2; turn++) {
        int brightness = (d->u[0] < 0.5) == (turn == 0);
        if (brightness && t->brightness > 0)
            kit_image_brightness(i->at, (size_t)i->planes * pixels(i), factor(t->brightness, d->u[1]));
        if (!brightness && t->contrast > 0)
            kit_image_contrast(i->at, i->planes, pixels(i), factor(t->contrast, d->u[2]));
    }
}

void kit_pipeline_run(struct kit_pipeline *p, float *to, const uint8_t *from, int64_t seed, int64_t epoch,
                      int64_t index) {
    struct image i = {p->buffer[0], p->buffer[1], p->from[0], p->from[1], p->from[2]};
    memcpy(i.at, from, (size_t)i.planes * pixels(&i));
    for (int k = 0; k < p->steps; k++) {
        const struct kit_transform *t = &p->list.step[k];
        int random = t->kind == KIT_ROTATION || t->kind == KIT_FLIP || t->kind == KIT_COLOR_JITTER;
        if (random && epoch < 0) continue;
        struct draw d = {{0}};
        if (random) d = draw(seed, epoch, index, k);
        if (t->kind == KIT_RESIZE) resize(&i, &p->resizer[k]);
        if (t->kind == KIT_GRAYSCALE && i.planes == 3) kit_image_gray(i.at, i.at, pixels(&i)), i.planes = 1;
        if (t->kind == KIT_ROTATION) rotate(&i, t, d.u[0]);
        if (t->kind == KIT_FLIP && d.u[0] < (double)t->probability) kit_image_flip(i.at, i.planes, i.rows, i.columns);
        if (t->kind == KIT_COLOR_JITTER) jitter(&i, t, &d);
    }
    for (int c = 0; c < p->shape[0]; c++, to += pixels(&i)) {
        const uint8_t *plane = i.at + (i.planes == 3 ? (size_t)c * pixels(&i) : 0);
        kit_look_up(to, plane, pixels(&i), p->table[c]);
    }
}
