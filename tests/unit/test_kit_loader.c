// test_kit_loader.c: data sets read from a directory, good and bad, and the loader: the same bits with a thread and
// without, whole epochs, epochs broken off.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "kit/kit.h"

// ---- files ----------------------------------------------------------------------------------------------------------

static char directory[64];

static void path_of(char path[128], const char *name) { snprintf(path, 128, "%s/%s", directory, name); }

// An IDX file of these dims (a negative one or the fourth ends them) with `bytes` after its header; byte k is k % 7.
static void write_idx(const char *name, const int32_t *dim, size_t bytes) {
    static unsigned char text[1 << 16];
    char path[128];
    int rank = 0;
    while (rank < 4 && dim[rank] >= 0) rank++;
    unsigned char *at = text;
    *at++ = 0, *at++ = 0, *at++ = 8, *at++ = (unsigned char)rank;
    for (int d = 0; d < rank; d++)
        for (int shift = 24; shift >= 0; shift -= 8) *at++ = (unsigned char)(dim[d] >> shift);
    for (size_t k = 0; k < bytes; k++) *at++ = (unsigned char)(k % 7);
    path_of(path, name);
    bool gzip = strstr(name, ".gz");
    gzFile file = gzopen(path, gzip ? "wb" : "wbT"); // T: as it is
    cr_assert(file && gzwrite(file, text, (unsigned)(at - text)) == at - text && gzclose(file) == Z_OK);
}

static void remove_all(void) {
    static const char *const names[] = {"a-images-idx3-ubyte",    "a-images-idx3-ubyte.gz", "a-images.idx3-ubyte",
                                        "a-images-idx4-ubyte.gz", "a-labels-idx1-ubyte",    "a-labels-idx1-ubyte.gz",
                                        "a-labels.idx1-ubyte"};
    char path[128];
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        path_of(path, names[k]);
        remove(path);
    }
}

static void make_directory(void) {
    strcpy(directory, "/tmp/dlc_kit_XXXXXX");
    cr_assert(mkdtemp(directory));
}

static void remove_directory(void) {
    remove_all();
    rmdir(directory);
}

// ---- data sets -----------------------------------------------------------------------------------------------------

Test(kit_dataset, files_by_their_names, .init = make_directory, .fini = remove_directory) {
    static const struct {
        const char *images, *labels;
        int32_t dim[4];
        int channels, rows, columns;
    } row[] = {
        {"a-images-idx3-ubyte.gz", "a-labels-idx1-ubyte.gz", {9, 4, 5, -1}, 1, 4, 5}, // as MNIST comes
        {"a-images-idx3-ubyte", "a-labels-idx1-ubyte", {9, 4, 5, -1}, 1, 4, 5},
        {"a-images.idx3-ubyte", "a-labels.idx1-ubyte", {9, 28, 28, -1}, 1, 28, 28},
        {"a-images-idx4-ubyte.gz", "a-labels-idx1-ubyte", {9, 3, 2, 5}, 3, 2, 5},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_dataset set;
        char error[KIT_ERROR_BYTES] = "";
        size_t size = (size_t)(row[k].channels * row[k].rows * row[k].columns);
        write_idx(row[k].images, row[k].dim, 9 * size);
        write_idx(row[k].labels, (int32_t[]){9, -1}, 9);
        cr_assert(!kit_dataset_read(&set, directory, "a", 7, 0, error), "row %zu: %s", k, error);
        cr_expect(set.count == 9 && set.channels == row[k].channels && set.rows == row[k].rows &&
                      set.columns == row[k].columns && set.classes == 7,
                  "row %zu", k);
        cr_expect(kit_dataset_image(&set, 8)[1] == (8 * size + 1) % 7 && set.labels.at[8] == 1);
        kit_dataset_free(&set);
        cr_expect(!set.images.at && !set.labels.at && !set.count);
        cr_assert(!kit_dataset_read(&set, directory, "a", 256, 4, error) && set.count == 4);
        kit_dataset_free(&set);
        remove_all();
    }
}

Test(kit_dataset, files_that_are_refused, .init = make_directory, .fini = remove_directory) {
    static const struct {
        int32_t images[4], labels[2];
        size_t pixels, marks; // bytes after the headers
        int classes, limit, status;
        const char *says;
    } row[] = {
        {{9, 2, 2, -1}, {8, -1}, 36, 8, 7, 0, KIT_EFORMAT, "a-labels-idx1-ubyte: 8 labels, but 9 images in "},
        {{9, 2, 2, -1},
         {9, -1},
         36,
         9,
         5,
         0,
         KIT_EFORMAT,
         "a-labels-idx1-ubyte: label 5 at index 5; with 5 classes labels are 0 to 4"},
        {{9, 2, 2, -1}, {9, -1}, 35, 9, 7, 0, KIT_EFORMAT, "a-images-idx3-ubyte: truncated"},
        {{9, 2, 2, -1}, {9, -1}, 36, 8, 7, 0, KIT_EFORMAT, "a-labels-idx1-ubyte: truncated"},
        {{9, 2, 2, -1}, {9, -1}, 37, 9, 7, 0, KIT_EFORMAT, "a-images-idx3-ubyte: longer"},
        {{0, 2, 2, -1}, {0, -1}, 0, 0, 7, 0, KIT_EFORMAT, "there are no images"},
        {{9, 0, 2, -1}, {9, -1}, 0, 9, 7, 0, KIT_EFORMAT, "images of 0 x 2 pixels; sides are 1 to 16384"},
        {{1, 1, 20000, -1}, {1, -1}, 20000, 1, 7, 0, KIT_EFORMAT, "images of 1 x 20000 pixels"},
        {{2, 2, 2, 2}, {2, -1}, 16, 2, 7, 0, KIT_EFORMAT, "images of 2 channels"},
        {{9, 2, -1}, {9, -1}, 18, 9, 7, 0, KIT_EFORMAT, "2 axes; images have 3"},
        {{9, 2, 2, -1}, {3, 3}, 36, 9, 7, 0, KIT_EFORMAT, "2 axes; labels have 1"},
        {{9, 2, 2, -1}, {9, -1}, 36, 9, 0, 0, KIT_EVALUE, "0 classes"},
        {{9, 2, 2, -1}, {9, -1}, 36, 9, 300, 0, KIT_EVALUE, "300 classes"},
        {{9, 2, 2, -1}, {9, -1}, 36, 9, 7, -1, KIT_EVALUE, "a limit of -1"},
        {{-1}, {9, -1}, 0, 9, 7, 0, KIT_EIO, "holds no a-images-idx3-ubyte"},
        {{9, 2, 2, -1}, {-1}, 36, 0, 7, 0, KIT_EIO, "holds no a-labels-idx1-ubyte"},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_dataset set;
        char error[KIT_ERROR_BYTES] = "";
        const int32_t labels[4] = {row[k].labels[0], row[k].labels[1], -1};
        remove_all();
        if (row[k].images[0] >= 0) write_idx("a-images-idx3-ubyte", row[k].images, row[k].pixels);
        if (labels[0] >= 0) write_idx("a-labels-idx1-ubyte", labels, row[k].marks);
        int status = kit_dataset_read(&set, directory, "a", row[k].classes, row[k].limit, error);
        cr_expect(status == row[k].status && strstr(error, row[k].says), "row %zu: %d, \"%s\"", k, status, error);
        cr_expect(!set.images.at && !set.labels.at && !set.count, "row %zu: not empty", k);
    }
    struct kit_dataset set;
    char error[KIT_ERROR_BYTES] = "", *name = malloc(5000);
    cr_expect(kit_dataset_read(&set, "/nowhere", "train", 10, 0, error) == KIT_EIO &&
              strstr(error, "/nowhere: holds no train-images-idx3-ubyte"));
    memset(name, 'x', 4999), name[4999] = 0;
    cr_expect(kit_dataset_read(&set, name, "train", 10, 0, error) == KIT_EVALUE && strstr(error, "longer than"));
    free(name);
}

// ---- loaders -------------------------------------------------------------------------------------------------------

enum { COUNT = 150, SIDE = 9, PIXELS = 3 * 12 * 12 };
static uint8_t pixels[COUNT * SIDE * SIDE], labels[COUNT];

static struct kit_dataset set_of(int32_t count) {
    for (int k = 0; k < COUNT * SIDE * SIDE; k++) pixels[k] = (uint8_t)(k * 2654435761u >> 21);
    for (int k = 0; k < COUNT; k++) labels[k] = (uint8_t)(k % 10);
    return (struct kit_dataset){.images = {3, {COUNT, SIDE, SIDE}, sizeof pixels, pixels},
                                .labels = {1, {COUNT}, COUNT, labels},
                                .count = count,
                                .channels = 1,
                                .rows = SIDE,
                                .columns = SIDE,
                                .classes = 10};
}

static const struct kit_transforms augmented = {{{KIT_RESIZE, .size = 12},
                                                 {KIT_GRAYSCALE, .channels = 3},
                                                 {KIT_ROTATION, .degrees = 10, .interpolation = KIT_BILINEAR},
                                                 {KIT_FLIP, .probability = 0.5f},
                                                 {KIT_COLOR_JITTER, .brightness = 0.2f, .contrast = 0.2f},
                                                 {KIT_NORMALIZE, .mean = {0.5f, 0.5f, 0.5f}, .std = {1, 1, 1}}}};

static struct kit_loader *loader_of(const struct kit_dataset *set, int32_t batch, int threads) {
    struct kit_loader *loader;
    char error[KIT_ERROR_BYTES] = "";
    cr_assert(!kit_loader_new(&loader, set, &augmented, batch, 11, threads, error), "%s", error);
    cr_assert(kit_loader_threads(loader) == threads);
    return loader;
}

// Every picture of an epoch at its place in the epoch, whatever the batches: images (count, PIXELS), places (count).
static void run_epoch(struct kit_loader *loader, int64_t epoch, float *images, int32_t *places, int32_t count,
                      int32_t batch) {
    const float *image;
    const int32_t *label, *index;
    int32_t n, at = 0, batches = 0;
    kit_loader_start(loader, epoch);
    for (; (n = kit_loader_next(loader, &image, &label, &index)) > 0; at += n, batches++) {
        cr_assert(at + n <= count && n == (count - at < batch ? count - at : batch));
        cr_expect((uintptr_t)image % 64 == 0);
        memcpy(images + (size_t)at * PIXELS, image, sizeof *image * (size_t)n * PIXELS);
        memcpy(places + at, index, sizeof *index * (size_t)n);
        for (int k = 0; k < n; k++) cr_assert(label[k] == labels[index[k]], "label of %d", (int)index[k]);
    }
    cr_expect(at == count && batches == kit_loader_batches(loader));
    cr_expect(kit_loader_next(loader, &image, NULL, &index) == 0 && !image && !index, "an epoch that goes on");
}

// Every row, run with batches of one size, gives the same pictures: with a thread, without, in other batches, again.
Test(kit_loader, same_bits_with_a_thread_and_without) {
    static const struct {
        int batch, threads;
    } row[] = {{16, 0}, {16, 1}, {150, 1}, {1, 1}, {64, 0}, {149, 1}, {4000, 1}};
    static float want[COUNT * PIXELS], got[COUNT * PIXELS];
    static int32_t want_places[COUNT], places[COUNT];
    struct kit_dataset set = set_of(COUNT);
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_loader *loader = loader_of(&set, row[k].batch, row[k].threads);
        if (k == 0) run_epoch(loader, 3, want, want_places, COUNT, row[k].batch);
        for (int again = 0; again < 2; again++) {
            run_epoch(loader, 3, got, places, COUNT, row[k].batch);
            cr_expect(!memcmp(want, got, sizeof got) && !memcmp(want_places, places, sizeof places),
                      "batches of %d, %d threads: other bits", row[k].batch, row[k].threads);
            run_epoch(loader, 4, got, places, COUNT, row[k].batch);
            cr_expect(memcmp(want, got, sizeof got) && memcmp(want_places, places, sizeof places), "epochs are equal");
        }
        kit_loader_free(loader);
    }
}

// In the order of the data, each the deterministic part of the list; the last batch is smaller.
Test(kit_loader, evaluation_draws_nothing) {
    static float got[COUNT * PIXELS], want[PIXELS];
    static int32_t places[COUNT];
    struct kit_dataset set = set_of(144); // 64, 64, 16
    struct kit_loader *loader = loader_of(&set, 64, 1);
    const struct kit_transforms plain = {{augmented.step[0], augmented.step[1], augmented.step[5]}};
    struct kit_pipeline *p;
    cr_assert(!kit_pipeline_new(&p, &plain, 1, SIDE, SIDE, NULL));
    run_epoch(loader, -1, got, places, 144, 64);
    for (int k = 0; k < 144; k++) {
        kit_pipeline_run(p, want, kit_dataset_image(&set, k), 0, 0, 0);
        cr_expect(places[k] == k && !memcmp(want, got + k * PIXELS, sizeof want), "picture %d", k);
    }
    const int32_t *shape = kit_loader_shape(loader);
    cr_expect(shape[0] == 3 && shape[1] == 12 && shape[2] == 12);
    kit_pipeline_free(p);
    kit_loader_free(loader);
}

// 200 loaders, each broken off somewhere: before it starts, in the middle of epochs that follow each other, at the end.
Test(kit_loader, starts_and_stops) {
    static float want[COUNT * PIXELS];
    static int32_t places[COUNT];
    struct kit_dataset set = set_of(COUNT);
    struct kit_loader *loader = loader_of(&set, 8, 0);
    run_epoch(loader, 1, want, places, COUNT, 8);
    kit_loader_free(loader);
    for (int k = 0; k < 200; k++) {
        const float *image = NULL;
        loader = loader_of(&set, 8, 1);
        cr_expect(kit_loader_next(loader, &image, NULL, NULL) == 0, "a batch before the start");
        for (int epoch = 0; epoch < k % 3; epoch++) {
            kit_loader_start(loader, epoch);
            for (int batch = 0; batch < (k + epoch) % 21; batch++) {
                int n = kit_loader_next(loader, &image, NULL, NULL);
                cr_expect(n == (batch < 18 ? 8 : batch == 18 ? 6 : 0), "batch %d of %d", batch, n);
                if (n && epoch == 1)
                    cr_expect(!memcmp(image, want + batch * 8 * PIXELS, sizeof *want * (size_t)n * PIXELS),
                              "loader %d, batch %d: other bits", k, batch);
            }
        }
        kit_loader_free(loader);
    }
    kit_loader_free(NULL);
}

Test(kit_loader, loaders_that_are_refused) {
    static const struct {
        int32_t count, batch;
        int threads, size;
        const char *says;
    } row[] = {
        {COUNT, 0, 0, 12, "batches of 0 images"},         {COUNT, 8, 2, 12, "2 threads of its own; it has 0 or 1"},
        {COUNT, 8, 1, 0, "transform 1 (resize): size 0"}, {0, 8, 1, 12, "a loader of 0 images; the data set has 150"},
        {COUNT + 1, 8, 1, 12, "a loader of 151 images"},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_dataset set = set_of(row[k].count);
        struct kit_transforms list = {{{KIT_RESIZE, .size = row[k].size}}};
        struct kit_loader *loader;
        char error[KIT_ERROR_BYTES] = "";
        int status = kit_loader_new(&loader, &set, &list, row[k].batch, 1, row[k].threads, error);
        cr_expect(status == KIT_EVALUE && !loader && strstr(error, row[k].says), "row %zu: %d, %s", k, status, error);
    }
}
