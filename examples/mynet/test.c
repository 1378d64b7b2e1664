// test.c: tests the net: loss, report, confusion matrix, and a picture of some images with their predictions.
#include <stdlib.h>
#include <string.h>

#include "app.h"

const char *const class_names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                          "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

enum { SHOWN = 40, ACROSS = 8, SCALE = 5 };

const struct kit_transforms transforms = {{
    {KIT_RESIZE, .size = SIDE},
    {KIT_GRAYSCALE, .channels = 3},
    {KIT_ROTATION, .degrees = 10},
    {KIT_COLOR_JITTER, .brightness = 0.2f, .contrast = 0.2f},
    {KIT_NORMALIZE, .mean = {MEAN, MEAN, MEAN}, .std = {DEVIATION, DEVIATION, DEVIATION}},
}};

void normalize(float *image) {
    for (int k = 0; k < PIXELS; k++) image[k] = (image[k] - MEAN) / DEVIATION;
}

void test_open(struct test *t, const char *data) {
    char error[KIT_ERROR_BYTES];
    memset(t, 0, sizeof *t);
    if (kit_dataset_read(&t->set, data, "t10k", CLASSES, 0, error) ||
        kit_loader_new(&t->loader, &t->set, &transforms, MYNET_M, 0, 1, error))
        die("%s", error);
    if (!(t->result.predicted = malloc((size_t)t->set.count))) die("no memory for the predictions");
}

void test_close(struct test *t) {
    kit_loader_free(t->loader);
    kit_dataset_free(&t->set);
    free(t->result.predicted);
}

int test_run(struct test *t, struct mynet *net, int epoch, char *error) {
    static float logits[MYNET_M * CLASSES];
    struct result *r = &t->result;
    struct kit_meter meter;
    const float *image;
    const int32_t *label, *index;
    memset(r->matrix, 0, sizeof r->matrix);
    kit_meter_start(&meter, epoch);
    kit_loader_start(t->loader, -1);
    for (int32_t n; (n = kit_loader_next(t->loader, &image, &label, &index)) > 0;) {
        float loss;
        mynet_evaluate(net, n, image, label, &loss, logits);
        for (int32_t k = 0; k < n; k++) {
            int class = kit_argmax(logits + k * CLASSES, CLASSES);
            r->predicted[index[k]] = (uint8_t) class;
            kit_confusion_add(r->matrix, CLASSES, label[k], class);
        }
        int status = kit_meter_add(&meter, (double)loss, kit_count_right(logits, label, n, CLASSES), n, 0, error);
        if (status) return status;
    }
    r->loss = kit_meter_loss(&meter), r->accuracy = kit_meter_accuracy(&meter);
    return KIT_OK;
}

void test_print(const struct test *t) {
    printf("test loss %.4f, accuracy %.2f %% of %d images\n\n", t->result.loss, 100 * t->result.accuracy,
           (int)t->set.count);
    kit_report_print(stdout, t->result.matrix, CLASSES, class_names, 4);
    printf("\n");
    kit_confusion_print(stdout, t->result.matrix, CLASSES, class_names);
}

int test_draw(const struct test *t, const char *path, char *error) {
    const struct kit_dataset *set = &t->set;
    struct kit_grid grid = {set->channels, set->rows, set->columns, ACROSS, SCALE};
    struct kit_tile tile[SHOWN];
    int count = set->count < SHOWN ? (int)set->count : SHOWN;
    for (int k = 0; k < count; k++) {
        int truth = set->labels.at[k], said = t->result.predicted[k];
        tile[k] = (struct kit_tile){kit_dataset_image(set, k), class_names[truth], class_names[said], truth == said};
    }
    return kit_grid_write(&grid, tile, count, path, error);
}
