// main.c: fine-tunes a trained CNN on a few pictures: its last layer is new, everything else is frozen.
//
//     finetune --load fashion.safetensors [--epochs 20] [--limit 500] [--lr 0.01] [--seed 1] [--data DIR] [--save FILE]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "finetune.h"
#include "kit/kit.h"

enum { BATCH = FINETUNE_N, CLASSES = 10, KINDS = 5 };

static const char *const kind_names[KINDS] = {"top", "trouser", "dress", "shoe", "bag"};
// Which kind each class of Fashion-MNIST is: T-shirt, trouser, pullover, dress, coat, sandal, shirt, sneaker, bag,
// boot.
static const uint8_t kind_of[CLASSES] = {0, 1, 0, 2, 0, 3, 0, 3, 4, 3};

struct options {
    const char *data, *load, *save;
    int64_t epochs, limit, seed; // limit: training images
    double lr;
};

static _Noreturn void die(const char *message) {
    fprintf(stderr, "finetune: %s\n", message);
    exit(1);
}

// A data set whose labels are kinds, and its batches.
struct set {
    struct kit_dataset data;
    struct kit_loader *loader;
};

static void read_set(struct set *set, const struct options *o, const char *prefix, int32_t limit) {
    char error[KIT_ERROR_BYTES];
    if (kit_dataset_read(&set->data, o->data, prefix, CLASSES, limit, error)) die(error);
    if (set->data.rows != 28 || set->data.columns != 28 || set->data.channels != 1) die("the images are not 28 x 28");
    for (int32_t k = 0; k < set->data.count; k++) set->data.labels.at[k] = kind_of[set->data.labels.at[k]];
    if (kit_loader_new(&set->loader, &set->data, NULL, BATCH, o->seed, 0, error)) die(error);
}

static void free_set(struct set *set) {
    kit_loader_free(set->loader);
    kit_dataset_free(&set->data);
}

// Counts the predictions for all images: matrix[truth][predicted].
static void test(struct finetune *net, struct set *set, int64_t matrix[KINDS * KINDS]) {
    static float logits[BATCH * KINDS];
    const float *image;
    const int32_t *label;
    memset(matrix, 0, sizeof *matrix * KINDS * KINDS);
    kit_loader_start(set->loader, -1); // in order
    for (int32_t n; (n = kit_loader_next(set->loader, &image, &label, NULL)) > 0;) {
        finetune_forward(net, n, image, logits);
        for (int32_t k = 0; k < n; k++)
            kit_confusion_add(matrix, KINDS, label[k], kit_argmax(logits + k * KINDS, KINDS));
    }
}

// One epoch; returns the mean loss.
static double train_epoch(struct finetune *net, struct set *set, double lr, int64_t epoch) {
    struct kit_meter meter;
    const float *image;
    const int32_t *label;
    char error[KIT_ERROR_BYTES];
    kit_meter_start(&meter, epoch + 1);
    kit_loader_start(set->loader, epoch);
    for (int32_t n; (n = kit_loader_next(set->loader, &image, &label, NULL)) > 0;) {
        float loss;
        finetune_step(net, n, image, label, (float)lr, &loss, NULL);
        if (kit_meter_add(&meter, (double)loss, 0, n, lr, error)) die(error);
    }
    return kit_meter_loss(&meter);
}

int main(int argc, char **argv) {
    struct options o = {"/usr/share/datasets/fashion-mnist", "fashion.safetensors", NULL, 20, 500, 1, 0.01};
    const struct kit_option options[] = {
        {"--load", "FILE", "weights of examples/fashion (fashion.safetensors)", KIT_TEXT, &o.load, 0, 0},
        {"--save", "FILE", "where the weights go", KIT_TEXT, &o.save, 0, 0},
        {"--epochs", "N", "passes over the images (20)", KIT_INT, &o.epochs, 0, 1e4},
        {"--limit", "N", "training images (500)", KIT_INT, &o.limit, 1, 1e9},
        {"--lr", "RATE", "learning rate (0.01)", KIT_REAL, &o.lr, 0, 100},
        {"--seed", "N", "of the head and the order (1)", KIT_INT, &o.seed, 0, 9e15},
        {"--data", "DIR", "the files of Fashion-MNIST", KIT_TEXT, &o.data, 0, 0},
        {0}};
    char error[KIT_ERROR_BYTES];
    int rest;
    if (kit_options_read(options, argc, argv, &rest, error)) {
        kit_options_print(stderr, options);
        die(error);
    }
    struct set training, testing;
    read_set(&training, &o, "train", (int32_t)o.limit);
    read_set(&testing, &o, "t10k", 0);
    struct finetune *net = finetune_new();
    if (!net) die("no memory for the net");
    finetune_init(net, o.seed);
    int loaded = finetune_load_some(net, o.load, "", ""); // the file has no head, and this net has no fc2
    if (loaded < 0) die(finetune_error(net));
    printf("%d tensors of the backbone loaded; %d images to learn from, %d to be tested on\n", loaded,
           (int)training.data.count, (int)testing.data.count);
    int64_t matrix[KINDS * KINDS];
    for (int64_t epoch = 0; epoch < o.epochs; epoch++) {
        double loss = train_epoch(net, &training, o.lr, epoch);
        test(net, &testing, matrix);
        printf("epoch %2d  loss %.4f  test accuracy %.2f %%\n", (int)epoch + 1, loss,
               100 * kit_accuracy(matrix, KINDS));
        fflush(stdout);
    }
    test(net, &testing, matrix);
    printf("\n");
    kit_report_print(stdout, matrix, KINDS, kind_names, 4);
    if (o.save && finetune_save_weights(net, o.save)) die(finetune_error(net));
    finetune_free(net);
    free_set(&training);
    free_set(&testing);
    return 0;
}
