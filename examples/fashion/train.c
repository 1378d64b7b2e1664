// train.c: trains the CNN of fashion.dl on the 60,000 training images of Fashion-MNIST and saves its weights.
//
//     train [--save fashion.safetensors] [--epochs 15] [--lr 0.05] [--seed 1] [--data DIR] [--limit COUNT]
#include <stdio.h>

#include "data.h"

struct options {
    const char *data, *save;
    int64_t epochs, limit, seed; // limit: images of each set at most, 0 for all
    double lr;
};

// Mirrors a random half of the pictures, another half in each epoch.
static const struct kit_transforms augmented = {{{KIT_FLIP, .probability = 0.5f}}};

// One epoch; the learning rate falls from o->lr to 0 along a cosine over all steps. Returns the mean loss.
static double train_epoch(struct fashion *net, const struct set *set, const struct options *o, int64_t epoch) {
    int64_t steps = kit_loader_batches(set->loader), step = epoch * steps;
    struct kit_meter meter;
    const float *image;
    const int32_t *label;
    char error[KIT_ERROR_BYTES];
    kit_meter_start(&meter, epoch + 1);
    kit_loader_start(set->loader, epoch);
    for (int32_t n; (n = kit_loader_next(set->loader, &image, &label, NULL)) > 0; step++) {
        double lr = kit_lr_cosine(o->lr, step, steps * o->epochs, 0);
        float loss;
        fashion_step(net, n, image, label, (float)lr, &loss, NULL);
        if (kit_meter_add(&meter, (double)loss, 0, n, lr, error)) die(error);
    }
    return kit_meter_loss(&meter);
}

int main(int argc, char **argv) {
    struct options o = {"/usr/share/datasets/fashion-mnist", "fashion.safetensors", 15, 0, 1, 0.05};
    const struct kit_option options[] = {
        {"--save", "FILE", "weights (fashion.safetensors)", KIT_TEXT, &o.save, 0, 0},
        {"--epochs", "N", "passes over the images (15)", KIT_INT, &o.epochs, 1, 1e4},
        {"--lr", "RATE", "learning rate at first (0.05)", KIT_REAL, &o.lr, 0, 100},
        {"--seed", "N", "of parameters, order and dropout (1)", KIT_INT, &o.seed, 0, 9e15},
        {"--data", "DIR", "the files of Fashion-MNIST", KIT_TEXT, &o.data, 0, 0},
        {"--limit", "N", "images of each set at most", KIT_INT, &o.limit, 1, 1e9},
        {0}};
    read_options(options, argc, argv);
    struct set training, testing;
    set_read(&training, o.data, "train", o.limit, &augmented, o.seed);
    set_read(&testing, o.data, "t10k", o.limit, NULL, 0);
    struct fashion *net = fashion_new();
    if (!net) die("no memory for the net");
    fashion_init(net, o.seed);
    fashion_seed(net, o.seed);
    for (int64_t epoch = 0; epoch < o.epochs; epoch++) {
        int64_t matrix[CLASSES * CLASSES];
        double start = kit_now(), loss = train_epoch(net, &training, &o, epoch), seconds = kit_now() - start;
        set_classify(&testing, net, matrix);
        printf("epoch %2d  loss %.4f  test accuracy %.2f %%  %6.0f images/s\n", (int)epoch + 1, loss,
               100 * kit_accuracy(matrix, CLASSES), training.data.count / seconds);
        fflush(stdout);
    }
    if (fashion_save_weights(net, o.save)) die(fashion_error(net));
    fashion_free(net);
    set_free(&training);
    set_free(&testing);
    return 0;
}
