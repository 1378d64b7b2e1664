// steps.h: transforms whose tables are made once for many images. Private to the kit; kit.h has kit_image_resize and
// kit_image_normalize for one image.
#ifndef DLC_KIT_STEPS_H
#define DLC_KIT_STEPS_H

#include "kit.h"

// ---- resize.c -------------------------------------------------------------------------------------------------------

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
    int columns_first; // the first pass resizes y; else x
    uint8_t *between;  // a plane after the first pass: (y.to, x.from) or (y.from, x.to)
    int32_t *sum;      // (widest of x.from, x.to)
};

// Extents are 1 to KIT_MAX_SIDE. KIT_ENOMEM: nothing is left to free.
int kit_resizer_new(struct kit_resizer *r, int to_rows, int to_columns, int rows, int columns, char *error);
void kit_resizer_free(struct kit_resizer *r);
// One plane: to is (y.to, x.to), from (y.from, x.from).
void kit_resizer_run(struct kit_resizer *r, uint8_t *to, const uint8_t *from);

// ---- image.c --------------------------------------------------------------------------------------------------------

// The floats that bytes become: (byte / 255 - mean) / std, in float arithmetic.
void kit_normalize_table(float table[256], float mean, float std);
void kit_look_up(float *to, const uint8_t *from, size_t pixels, const float table[256]);

#endif
