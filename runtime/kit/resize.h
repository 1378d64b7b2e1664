// resize.h: resizing made ready once for many images of one shape. Inside the kit; kit.h has kit_image_resize.
#ifndef DLC_KIT_RESIZE_H
#define DLC_KIT_RESIZE_H

#include "kit.h"

// One axis: result k is the sum over t < taps[k] of weight[k * most + t] * source[first[k] + t].
struct kit_axis {
    int from, to;    // extents
    int most;        // taps at most
    int *first;      // (to)
    int *taps;       // (to)
    int32_t *weight; // (to, most), times 2^22; they sum to about 2^22
};

struct kit_resizer {
    struct kit_axis x, y;
    int columns_first; // which axis the first pass changes: y, else x
    uint8_t *between;  // a plane after the first pass: (y.to, x.from) or (y.from, x.to)
    int32_t *sum;      // (widest of x.from, x.to)
};

// Extents are 1 to KIT_MAX_SIDE. KIT_ENOMEM: nothing is left to free.
int kit_resizer_new(struct kit_resizer *r, int to_rows, int to_columns, int rows, int columns, char *error);
void kit_resizer_free(struct kit_resizer *r);
// One plane: to is (y.to, x.to), from (y.from, x.from).
void kit_resizer_run(struct kit_resizer *r, uint8_t *to, const uint8_t *from);

#endif
