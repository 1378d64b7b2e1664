// main.c: trains the perceptron of mlp.dl on Fashion-MNIST and classifies the 10,000 test images, all in C.
#include <stdio.h>

#include "kit/kit.h"
#include "mlp.h"

enum { CLASSES = 10 };
static const char *const names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                           "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

static char error[KIT_ERROR_BYTES];
static const float *image;   // (n, 784) from 0 to 1: the current batch
static const int32_t *label; // (n)
static int32_t n;

static int fail(const char *message) {
    fprintf(stderr, "mlp: %s\n", message);
    return 1;
}

// Every image once, in the order of this epoch; the learning rate falls linearly to 0 over all epochs.
static int train(struct mlp *net, struct kit_loader *training, int64_t epoch, int64_t epochs, double lr) {
    int64_t steps = kit_loader_batches(training), step = epoch * steps;
    struct kit_meter meter;
    double start = kit_now();
    kit_meter_start(&meter, epoch + 1);
    kit_loader_start(training, epoch);
    for (; (n = kit_loader_next(training, &image, &label, NULL)) > 0; step++) {
        double rate = kit_lr_linear(lr, step, 1, 0, epochs * steps);
        float loss, logits[MLP_N * CLASSES];
        mlp_step(net, n, image, label, (float)rate, &loss, logits);
        if (kit_meter_add(&meter, loss, kit_count_right(logits, label, n, CLASSES), n, rate, error)) return fail(error);
    }
    printf("epoch %2d  loss %.4f  accuracy %.2f %%  %6.0f images/s\n", (int)epoch + 1, kit_meter_loss(&meter),
           100 * kit_meter_accuracy(&meter), (double)meter.samples / (kit_now() - start));
    return 0;
}

// Classifies the test images and prints a report in scikit-learn's format.
static void test(struct mlp *net, struct kit_loader *testing) {
    int64_t matrix[CLASSES * CLASSES] = {0}; // [truth][predicted]
    kit_loader_start(testing, -1);
    while ((n = kit_loader_next(testing, &image, &label, NULL)) > 0) {
        float logits[MLP_N * CLASSES];
        mlp_forward(net, n, image, logits);
        for (int k = 0; k < n; k++)
            kit_confusion_add(matrix, CLASSES, label[k], kit_argmax(logits + k * CLASSES, CLASSES));
    }
    printf("\n");
    kit_report_print(stdout, matrix, CLASSES, names, 4);
    printf("\n");
    kit_confusion_print(stdout, matrix, CLASSES, names);
}

int main(int argc, char **argv) {
    const char *data = "/usr/share/datasets/fashion-mnist", *save = NULL;
    int64_t epochs = 10;
    double lr = 0.05;
    const struct kit_option options[] = {{"--data", "DIR", "the files of Fashion-MNIST", KIT_TEXT, &data, 0, 0},
                                         {"--epochs", "N", "passes over the images (10)", KIT_INT, &epochs, 0, 1e4},
                                         {"--lr", "RATE", "learning rate (0.05)", KIT_REAL, &lr, 0, 100},
                                         {"--save", "FILE", "where weights go", KIT_TEXT, &save, 0, 0},
                                         {0}};
    int rest;
    if (kit_options_read(options, argc, argv, &rest, error)) return kit_options_print(stderr, options), fail(error);

    struct kit_dataset training, testing;
    struct kit_loader *batches, *tests;
    struct mlp *net = mlp_new();
    if (!net) return fail("no memory for the net");
    if (kit_dataset_read(&training, data, "train", CLASSES, 0, error)) return fail(error);
    if (kit_dataset_read(&testing, data, "t10k", CLASSES, 0, error)) return fail(error);
    if (kit_loader_new(&batches, &training, NULL, MLP_N, 1, 0, error)) return fail(error);
    if (kit_loader_new(&tests, &testing, NULL, MLP_N, 1, 0, error)) return fail(error);
    if (kit_loader_shape(batches)[1] != 28 || kit_loader_shape(batches)[2] != 28) return fail("images are not 28 x 28");
    for (int64_t epoch = 0; epoch < epochs; epoch++)
        if (train(net, batches, epoch, epochs, lr)) return 1;
    test(net, tests);
    if (save && mlp_save_weights(net, save)) return fail(mlp_error(net));
    kit_loader_free(batches), kit_loader_free(tests);
    kit_dataset_free(&training), kit_dataset_free(&testing);
    mlp_free(net);
    return 0;
}
