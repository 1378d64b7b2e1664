// data.c: the data set, its batches, and the test; see data.h.
#include "data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const class_names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

_Noreturn void die(const char *message) {
    fprintf(stderr, "fashion: %s\n", message);
    exit(1);
}

void read_options(const struct kit_option *options, int argc, char **argv) {
    char error[KIT_ERROR_BYTES];
    int rest, status = kit_options_read(options, argc, argv, &rest, error);
    if (!status && rest == argc) return;
    if (status) fprintf(stderr, "%s: %s\n", argv[0], error);
    kit_options_print(stderr, options);
    exit(2);
}

void set_read(struct set *set, const char *dir, const char *prefix, int64_t limit,
              const struct kit_transforms *transforms, int64_t seed) {
    char error[KIT_ERROR_BYTES];
    if (kit_dataset_read(&set->data, dir, prefix, CLASSES, (int32_t)limit, error)) die(error);
    if (set->data.channels != 1 || set->data.rows != 28 || set->data.columns != 28) die("the images are not 28 x 28");
    if (kit_loader_new(&set->loader, &set->data, transforms, BATCH, seed, 1, error)) die(error);
}

void set_free(struct set *set) {
    kit_loader_free(set->loader);
    kit_dataset_free(&set->data);
}

void set_classify(const struct set *set, struct fashion *net, int64_t matrix[CLASSES * CLASSES]) {
    static float logits[BATCH * CLASSES];
    const float *image;
    const int32_t *label;
    memset(matrix, 0, sizeof *matrix * CLASSES * CLASSES);
    kit_loader_start(set->loader, -1); // in order, without random transforms
    for (int32_t n; (n = kit_loader_next(set->loader, &image, &label, NULL)) > 0;) {
        fashion_forward(net, n, image, logits);
        for (int32_t k = 0; k < n; k++)
            kit_confusion_add(matrix, CLASSES, label[k], kit_argmax(logits + k * CLASSES, CLASSES));
    }
}
