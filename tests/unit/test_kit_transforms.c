// test_kit_transforms.c: transforms of images against Pillow and torchvision, to the byte and to the bit of a float
// (tests/golden/data/transforms.txt, written by tests/oracle/transforms.py), and lists that are refused.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"

// ---- the golden file ------------------------------------------------------------------------------------------------

enum { LINE = 1 << 17, MOST = 1 << 15 };

// One case: kind, what it is told, shapes (channels, rows, columns), bytes before and bytes or float bits after.
struct golden {
    char kind[16], list[16];
    double number[6];
    int from[3], to[3], numbers;
    uint8_t before[MOST], bytes[MOST];
    float floats[MOST];
};

// The lists of tests/oracle/transforms.py by their names.
static const struct {
    const char *name;
    struct kit_transforms list;
} lists[] = {
    {"augmented",
     {{{KIT_RESIZE, .size = 15},
       {KIT_GRAYSCALE, .channels = 3},
       {KIT_ROTATION, .degrees = 10},
       {KIT_COLOR_JITTER, .brightness = 0.2f, .contrast = 0.2f},
       {KIT_NORMALIZE, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}}}}},
    {"mynet",
     {{{KIT_RESIZE, .size = 48},
       {KIT_GRAYSCALE, .channels = 3},
       {KIT_ROTATION, .degrees = 10},
       {KIT_COLOR_JITTER, .brightness = 0.2f, .contrast = 0.2f},
       {KIT_NORMALIZE, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}}}}},
    {"other",
     {{{KIT_COLOR_JITTER, .brightness = 0.75f, .contrast = 1.5f},
       {KIT_FLIP, .probability = 0.5f},
       {KIT_ROTATION, .degrees = 30, .interpolation = KIT_BILINEAR},
       {KIT_GRAYSCALE, .channels = 1},
       {KIT_RESIZE, .size = 11},
       {KIT_NORMALIZE, .mean = {0.2860f}, .std = {0.3530f}}}}},
    {"bare", {{{KIT_ROTATION, .degrees = 180, .interpolation = KIT_BILINEAR}}}},
};

static size_t count(const int shape[3]) { return (size_t)shape[0] * (size_t)shape[1] * (size_t)shape[2]; }

static uint32_t hex(const char *text, int digits) {
    char word[9] = "";
    memcpy(word, text, (size_t)digits);
    return (uint32_t)strtoul(word, NULL, 16);
}

static bool read_case(FILE *file, struct golden *g) {
    static char line[LINE];
    if (fscanf(file, "%15s", g->kind) != 1) return false;
    bool pipeline = !strcmp(g->kind, "pipeline"), floats = pipeline || !strcmp(g->kind, "normalize");
    g->numbers = pipeline ? 3 : !strcmp(g->kind, "normalize") ? 6 : !strcmp(g->kind, "rotate") ? 2 : 0;
    if (!strcmp(g->kind, "brightness") || !strcmp(g->kind, "contrast")) g->numbers = 1;
    cr_assert(!pipeline || fscanf(file, "%15s", g->list) == 1);
    for (int k = 0; k < g->numbers; k++) cr_assert(fscanf(file, "%lf", &g->number[k]) == 1);
    for (int k = 0; k < 6; k++) cr_assert(fscanf(file, "%d", k < 3 ? &g->from[k] : &g->to[k - 3]) == 1);
    cr_assert(count(g->from) <= MOST && count(g->to) <= MOST);
    cr_assert(fscanf(file, "%131071s", line) == 1 && strlen(line) == 2 * count(g->from));
    for (size_t k = 0; k < count(g->from); k++) g->before[k] = (uint8_t)hex(line + 2 * k, 2);
    cr_assert(fscanf(file, "%131071s", line) == 1 && strlen(line) == (floats ? 8 : 2) * count(g->to));
    for (size_t k = 0; k < count(g->to); k++) {
        uint32_t bits = hex(line + (floats ? 8 : 2) * k, floats ? 8 : 2);
        g->bytes[k] = (uint8_t)bits;
        memcpy(&g->floats[k], &bits, 4);
    }
    return true;
}

static void run_plane(const struct golden *g, uint8_t *got) {
    int rows = g->from[1], columns = g->from[2];
    char error[KIT_ERROR_BYTES];
    if (!strcmp(g->kind, "resize"))
        cr_assert(!kit_image_resize(got, g->to[1], g->to[2], g->before, g->from[0], rows, columns, error), "%s", error);
    else if (!strcmp(g->kind, "rotate"))
        kit_image_rotate(got, g->before, rows, columns, g->number[0], g->number[1] == 1 ? KIT_BILINEAR : KIT_NEAREST);
    else if (!strcmp(g->kind, "gray"))
        kit_image_gray(got, g->before, (size_t)rows * (size_t)columns);
    else {
        memcpy(got, g->before, count(g->from));
        if (!strcmp(g->kind, "flip")) kit_image_flip(got, g->from[0], rows, columns);
        if (!strcmp(g->kind, "brightness")) kit_image_brightness(got, count(g->from), (float)g->number[0]);
        if (!strcmp(g->kind, "contrast"))
            kit_image_contrast(got, g->from[0], (size_t)rows * (size_t)columns, (float)g->number[0]);
    }
}

static void check_bytes(const struct golden *g, int number) {
    static uint8_t got[MOST];
    run_plane(g, got);
    for (size_t k = 0; k < count(g->to); k++)
        if (got[k] != g->bytes[k]) {
            cr_expect(0, "case %d, %s %g %g of %d x %d x %d to %d x %d: byte %zu is %d, want %d", number, g->kind,
                      g->number[0], g->number[1], g->from[0], g->from[1], g->from[2], g->to[1], g->to[2], k, got[k],
                      g->bytes[k]);
            return;
        }
}

static void check_floats(const struct golden *g, int number) {
    static float got[MOST];
    if (!strcmp(g->kind, "normalize")) {
        float mean[3], std[3];
        for (int c = 0; c < 3; c++) mean[c] = (float)g->number[c], std[c] = (float)g->number[3 + c];
        kit_image_normalize(got, g->before, 3, count(g->to) / 3, mean, std);
    } else {
        struct kit_pipeline *p;
        char error[KIT_ERROR_BYTES];
        size_t list = 0;
        while (strcmp(lists[list].name, g->list)) cr_assert(++list < sizeof lists / sizeof *lists, "%s", g->list);
        cr_assert(!kit_pipeline_new(&p, &lists[list].list, g->from[0], g->from[1], g->from[2], error), "%s", error);
        for (int k = 0; k < 3; k++) cr_expect(kit_pipeline_shape(p)[k] == g->to[k], "case %d: axis %d", number, k);
        cr_assert(kit_pipeline_size(p) == count(g->to));
        kit_pipeline_run(p, got, g->before, (int64_t)g->number[0], (int64_t)g->number[1], (int64_t)g->number[2]);
        kit_pipeline_free(p);
    }
    for (size_t k = 0; k < count(g->to); k++)
        if (memcmp(&got[k], &g->floats[k], 4)) {
            cr_expect(0, "case %d, %s %s: float %zu is %.9g, want %.9g", number, g->kind, g->list, k, (double)got[k],
                      (double)g->floats[k]);
            return;
        }
}

Test(kit_transforms, are_pillows_and_torchvisions) {
    static struct golden g;
    FILE *file = fopen("tests/golden/data/transforms.txt", "r");
    cr_assert(file, "run from the top of the sources");
    int cases = 0;
    for (; read_case(file, &g); cases++)
        (strcmp(g.kind, "pipeline") && strcmp(g.kind, "normalize") ? check_bytes : check_floats)(&g, cases);
    fclose(file);
    cr_expect(cases == 165, "%d cases", cases);
}

// ---- draws ----------------------------------------------------------------------------------------------------------

// Another epoch, image or seed gives another picture; the same ones give the same.
Test(kit_transforms, draws_depend_on_seed_epoch_and_index) {
    struct kit_pipeline *p;
    uint8_t image[28 * 28];
    static float got[5][3 * 48 * 48];
    static const int64_t draw[5][3] = {{1, 2, 3}, {1, 2, 4}, {1, 3, 3}, {2, 2, 3}, {1, 2, 3}};
    for (int k = 0; k < 28 * 28; k++) image[k] = (uint8_t)(k * 7919 >> 3);
    cr_assert(!kit_pipeline_new(&p, &lists[1].list, 1, 28, 28, NULL));
    for (int k = 0; k < 5; k++) kit_pipeline_run(p, got[k], image, draw[k][0], draw[k][1], draw[k][2]);
    for (int k = 1; k < 5; k++) cr_expect(!memcmp(got[0], got[k], sizeof got[0]) == (k == 4), "draw %d", k);
    kit_pipeline_free(p);
}

// ---- lists that are refused -----------------------------------------------------------------------------------------

Test(kit_transforms, lists_that_are_refused) {
    static const struct {
        struct kit_transforms list;
        int channels, rows, columns;
        const char *says;
    } row[] = {
        {{{{.kind = KIT_RESIZE}}}, 1, 28, 28, "transform 1 (resize): size 0; it is 1 to 16384"},
        {{{{KIT_RESIZE, .size = 1 << 30}}}, 1, 28, 28, "size 1073741824"},
        {{{{KIT_RESIZE, .size = -48}}}, 1, 28, 28, "size -48"},
        {{{{KIT_GRAYSCALE, .channels = 2}}}, 1, 28, 28, "2 channels; they are 1 or 3"},
        {{{{KIT_ROTATION, .degrees = 181}}}, 1, 28, 28, "181 degrees; they are 0 to 180"},
        {{{{KIT_RESIZE, .size = 9}, {KIT_ROTATION, .degrees = NAN}}}, 1, 28, 28, "transform 2 (rotation): nan"},
        {{{{KIT_ROTATION, .interpolation = 7}}}, 1, 28, 28, "interpolation 7"},
        {{{{KIT_FLIP, .probability = 1.5f}}}, 1, 28, 28, "probability 1.5"},
        {{{{KIT_COLOR_JITTER, .brightness = -0.5f}}}, 1, 28, 28, "brightness -0.5"},
        {{{{KIT_COLOR_JITTER, .contrast = INFINITY}}}, 1, 28, 28, "contrast inf"},
        {{{{.kind = KIT_NORMALIZE}}}, 1, 28, 28, "std 0 of channel 0 of 1"},
        {{{{KIT_GRAYSCALE, .channels = 3}, {KIT_NORMALIZE, .std = {1}}}}, 1, 28, 28, "std 0 of channel 1 of 3"},
        {{{{KIT_NORMALIZE, .mean = {NAN}, .std = {1}}}}, 1, 28, 28, "mean nan"},
        {{{{KIT_NORMALIZE, .std = {1}}, {KIT_RESIZE, .size = 9}}},
         1,
         28,
         28,
         "transform 2 (resize) stands after normalize"},
        {{{{.kind = 42}}}, 1, 28, 28, "there is no kind 42"},
        {{{{0}}}, 2, 28, 28, "images of 2 channels"},
        {{{{0}}}, 1, 0, 28, "0 x 28 pixels"},
        {{{{0}}}, 1, 28, 1 << 20, "28 x 1048576 pixels"},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_pipeline *p;
        char error[KIT_ERROR_BYTES] = "";
        int status = kit_pipeline_new(&p, &row[k].list, row[k].channels, row[k].rows, row[k].columns, error);
        cr_expect(status == KIT_EVALUE && !p && strstr(error, row[k].says), "row %zu: %d, \"%s\"", k, status, error);
    }
    uint8_t pixel = 0;
    char error[KIT_ERROR_BYTES] = "";
    cr_expect(kit_image_resize(&pixel, 0, 1, &pixel, 1, 1, 1, error) == KIT_EVALUE && strstr(error, "to 0 x 1"));
    cr_expect(kit_image_resize(&pixel, 1, 1, &pixel, 1, 1, 1 << 20, error) == KIT_EVALUE &&
              strstr(error, "resize 1 x 1048576 pixels to 1 x 1: "));
}
