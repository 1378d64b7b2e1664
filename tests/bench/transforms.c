// transforms.c: CPU time of the kit's transforms for one image of 28 x 28 that becomes 48 x 48, in microseconds:
// medians of interleaved rounds. Figures: docs/kit.md.
#include <stdio.h>
#include <stdlib.h>

#include "kit/kit.h"
#include "peak.h"

enum { ROUNDS = 21, RUNS = 2000, FROM = 28, TO = 48, PIXELS = TO * TO };

static uint8_t small[FROM * FROM], image[PIXELS], other[PIXELS], three[3 * PIXELS];
static float result[3 * PIXELS];
static struct kit_pipeline *nearest, *bilinear;

static void resize(void) { kit_image_resize(image, TO, TO, small, 1, FROM, FROM, NULL); }
static void rotate(void) { kit_image_rotate(other, image, TO, TO, 7, KIT_NEAREST); }
static void rotate_bilinear(void) { kit_image_rotate(other, image, TO, TO, 7, KIT_BILINEAR); }
static void flip(void) { kit_image_flip(image, 1, TO, TO); }
static void brightness(void) { kit_image_brightness(image, PIXELS, 1.1f); }
static void contrast(void) { kit_image_contrast(image, 1, PIXELS, 0.9f); }
static void normalize(void) {
    static const float half[3] = {0.5f, 0.5f, 0.5f};
    kit_image_normalize(result, three, 3, PIXELS, half, half);
}
static void whole(void) { kit_pipeline_run(nearest, result, small, 1, 0, 0); }
static void whole_bilinear(void) { kit_pipeline_run(bilinear, result, small, 1, 0, 0); }

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {{"resize", resize},
             {"rotation, nearest", rotate},
             {"rotation, bilinear", rotate_bilinear},
             {"flip", flip},
             {"brightness", brightness},
             {"contrast", contrast},
             {"normalise, three channels", normalize},
             {"the whole list", whole},
             {"the whole list, rotation bilinear", whole_bilinear}};
enum { CASES = sizeof cases / sizeof *cases };

int main(void) {
    static double time[CASES][ROUNDS];
    struct kit_transforms list = {{
        {KIT_RESIZE, .size = TO},
        {KIT_GRAYSCALE, .channels = 3},
        {KIT_ROTATION, .degrees = 10},
        {KIT_COLOR_JITTER, .brightness = 0.2f, .contrast = 0.2f},
        {KIT_NORMALIZE, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}},
    }};
    for (int k = 0; k < FROM * FROM; k++) small[k] = (uint8_t)(k * 7);
    if (kit_pipeline_new(&nearest, &list, 1, FROM, FROM, NULL)) return 1;
    list.step[2].interpolation = KIT_BILINEAR;
    if (kit_pipeline_new(&bilinear, &list, 1, FROM, FROM, NULL)) return 1;
    for (int round = 0; round < ROUNDS; round++)
        for (int k = 0; k < CASES; k++) {
            double start = bench_cpu_seconds();
            for (int run = 0; run < RUNS; run++) cases[k].run();
            time[k][round] = (bench_cpu_seconds() - start) / RUNS * 1e6;
        }
    for (int k = 0; k < CASES; k++) printf("  %-34s %5.2f us\n", cases[k].name, bench_median(time[k], ROUNDS));
    kit_pipeline_free(nearest), kit_pipeline_free(bilinear);
    return 0;
}
