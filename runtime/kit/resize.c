// resize.c: images of bytes made larger or smaller, bilinear with antialiasing, in Pillow's fixed-point arithmetic: one
// pass along the rows and one along the columns, rounded to bytes in between.
#include <math.h>
#include <stdlib.h>

#include "fail.h"
#include "steps.h"

enum { BITS = 22 }; // fractional bits of a weight: 8 bits of value, 22 of weight and 2 to spare are 32

static void axis_free(struct kit_axis *axis) {
    free(axis->first);
    free(axis->taps);
    free(axis->weight);
}

static double triangle(double x) { return x < 0 ? (x > -1 ? 1 + x : 0) : x < 1 ? 1 - x : 0; }

// The weights are a triangle around the place of the result's middle in the source. It reaches one pixel to each side,
// or as many as a pixel of a smaller result covers. Weights beyond the edge are left out; the rest is scaled to sum 1.
static void axis_weigh(struct kit_axis *axis, double *w) {
    double scale = (double)axis->from / axis->to, reach = scale < 1 ? 1 : scale;
    for (int k = 0; k < axis->to; k++) {
        double middle = (k + 0.5) * scale, sum = 0;
        int first = (int)(middle - reach + 0.5), end = (int)(middle + reach + 0.5);
        if (first < 0) first = 0;
        if (end > axis->from) end = axis->from;
        for (int t = 0; t < end - first; t++) sum += w[t] = triangle((t + first - middle + 0.5) * (1 / reach));
        for (int t = 0; t < end - first; t++)
            axis->weight[(size_t)k * (size_t)axis->most + (size_t)t] = (int32_t)(0.5 + w[t] / sum * (1 << BITS));
        axis->first[k] = first, axis->taps[k] = end - first;
    }
}

static int axis_new(struct kit_axis *axis, int to, int from) {
    double scale = (double)from / to, reach = scale < 1 ? 1 : scale;
    *axis = (struct kit_axis){.from = from, .to = to, .most = (int)ceil(reach) * 2 + 1};
    axis->first = malloc(sizeof *axis->first * (size_t)to);
    axis->taps = malloc(sizeof *axis->taps * (size_t)to);
    axis->weight = malloc(sizeof *axis->weight * (size_t)to * (size_t)axis->most);
    double *w = malloc(sizeof *w * (size_t)axis->most);
    int whole = axis->first && axis->taps && axis->weight && w;
    if (whole) axis_weigh(axis, w);
    free(w);
    return whole;
}

int kit_resizer_new(struct kit_resizer *r, int to_rows, int to_columns, int rows, int columns, char *error) {
    *r = (struct kit_resizer){0};
    int whole = axis_new(&r->x, to_columns, columns) && axis_new(&r->y, to_rows, rows);
    // As Pillow 13 does it (12 always began with the rows): columns first when that saves much. Rounding between the
    // passes makes results of the two orders differ by one now and then.
    r->columns_first = to_rows < rows && rows - to_rows > 2 * (columns - to_columns);
    size_t between = r->columns_first ? (size_t)to_rows * (size_t)columns : (size_t)rows * (size_t)to_columns;
    r->between = malloc(between);
    r->sum = malloc(sizeof *r->sum * (size_t)(columns > to_columns ? columns : to_columns));
    if (whole && r->between && r->sum) return KIT_OK;
    kit_resizer_free(r);
    return kit_fail(error, KIT_ENOMEM, "no memory to resize %d x %d pixels to %d x %d", rows, columns, to_rows,
                    to_columns);
}

void kit_resizer_free(struct kit_resizer *r) {
    axis_free(&r->x);
    axis_free(&r->y);
    free(r->between);
    free(r->sum);
    *r = (struct kit_resizer){0};
}

static uint8_t rounded(int32_t sum) {
    sum >>= BITS; // never negative: weights and bytes are not
    return sum > 255 ? 255 : (uint8_t)sum;
}

static void along_rows(const struct kit_axis *x, uint8_t *to, const uint8_t *from, int rows) {
    for (int row = 0; row < rows; row++, from += x->from)
        for (int k = 0; k < x->to; k++) {
            const int32_t *weight = x->weight + (size_t)k * (size_t)x->most;
            const uint8_t *at = from + x->first[k];
            int32_t sum = 1 << (BITS - 1);
            for (int t = 0; t < x->taps[k]; t++) sum += at[t] * weight[t];
            *to++ = rounded(sum);
        }
}

static void along_columns(const struct kit_axis *y, uint8_t *to, const uint8_t *from, int columns, int32_t *sum) {
    for (int k = 0; k < y->to; k++) {
        const int32_t *weight = y->weight + (size_t)k * (size_t)y->most;
        const uint8_t *row = from + (size_t)y->first[k] * (size_t)columns;
        for (int c = 0; c < columns; c++) sum[c] = 1 << (BITS - 1);
        for (int t = 0; t < y->taps[k]; t++, row += columns)
            for (int c = 0; c < columns; c++) sum[c] += row[c] * weight[t];
        for (int c = 0; c < columns; c++) *to++ = rounded(sum[c]);
    }
}

void kit_resizer_run(struct kit_resizer *r, uint8_t *to, const uint8_t *from) {
    if (r->columns_first) {
        along_columns(&r->y, r->between, from, r->x.from, r->sum);
        along_rows(&r->x, to, r->between, r->y.to);
    } else {
        along_rows(&r->x, r->between, from, r->y.from);
        along_columns(&r->y, to, r->between, r->x.to, r->sum);
    }
}

int kit_image_resize(uint8_t *to, int to_rows, int to_columns, const uint8_t *from, int channels, int rows, int columns,
                     char *error) {
    const int side[] = {to_rows, to_columns, rows, columns};
    for (int k = 0; k < 4; k++)
        if (side[k] < 1 || side[k] > KIT_MAX_SIDE)
            return kit_fail(error, KIT_EVALUE, "resize %d x %d pixels to %d x %d: sides are 1 to %d", rows, columns,
                            to_rows, to_columns, KIT_MAX_SIDE);
    struct kit_resizer r;
    int status = kit_resizer_new(&r, to_rows, to_columns, rows, columns, error);
    for (int c = 0; c < channels && !status; c++)
        kit_resizer_run(&r, to + (size_t)c * (size_t)to_rows * (size_t)to_columns,
                        from + (size_t)c * (size_t)rows * (size_t)columns);
    if (!status) kit_resizer_free(&r);
    return status;
}
