// data.c: see data.h.
#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const class_names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

_Noreturn void die(const char *message) {
    fprintf(stderr, "fashion: %s\n", message);
    exit(1);
}

double now(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double number(const char *option, const char *text, double low, double high) {
    char *end;
    double value = text ? strtod(text, &end) : 0;
    if (!text || end == text || *end || !(value >= low && value <= high)) {
        fprintf(stderr, "fashion: %s takes a number from %g to %g, not %s\n", option, low, high,
                text ? text : "nothing");
        exit(2);
    }
    return value;
}

static void read_file(struct kit_idx *idx, const char *dir, const char *kind, const char *what) {
    char path[4096], error[KIT_ERROR_BYTES];
    snprintf(path, sizeof path, "%s/%s-%s-ubyte.gz", dir, kind, what);
    int status = kit_idx_read(idx, path, error);
    if (status == KIT_EIO) {
        path[strlen(path) - 3] = 0;
        status = kit_idx_read(idx, path, error);
    }
    if (status) die(error);
}

struct set set_read(const char *dir, const char *kind, int limit) {
    struct set set;
    read_file(&set.images, dir, kind, "images-idx3");
    read_file(&set.labels, dir, kind, "labels-idx1");
    if (set.images.rank != 3 || set.images.dim[1] != 28 || set.images.dim[2] != 28) die("the images are not 28 x 28");
    if (set.labels.rank != 1 || set.labels.dim[0] != set.images.dim[0]) die("there are not as many labels as images");
    set.count = set.images.dim[0];
    if (limit && limit < set.count) set.count = limit;
    if (set.count < 1) die("there are no images");
    return set;
}

void set_free(struct set *set) {
    kit_idx_free(&set->images);
    kit_idx_free(&set->labels);
}

void set_gather(const struct set *set, const int32_t *index, int32_t n, float *image, int32_t *label) {
    kit_gather_scaled(image, set->images.at, PIXELS, index, n, 1.0f / 255);
    kit_gather_labels(label, set->labels.at, index, n);
}

void set_classify(const struct set *set, struct fashion *net, int64_t matrix[CLASSES * CLASSES]) {
    static float image[BATCH * PIXELS], logits[BATCH * CLASSES];
    int32_t label[BATCH];
    struct kit_batches batches;
    const int32_t *index;
    char error[KIT_ERROR_BYTES];
    if (kit_batches_new(&batches, set->count, BATCH, error)) die(error);
    memset(matrix, 0, sizeof *matrix * CLASSES * CLASSES);
    for (int32_t n; (n = kit_batches_next(&batches, &index)) > 0;) {
        set_gather(set, index, n, image, label);
        fashion_forward(net, n, image, logits);
        for (int32_t k = 0; k < n; k++)
            kit_confusion_add(matrix, CLASSES, label[k], kit_argmax(logits + k * CLASSES, CLASSES));
    }
    kit_batches_free(&batches);
}
