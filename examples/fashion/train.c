// train.c: trains the CNN of fashion.dl on the 60,000 training images of Fashion-MNIST and saves its weights.
//
//     train --save fashion.safetensors [--epochs 15] [--lr 0.05] [--seed 1] [--data DIR] [--limit COUNT]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data.h"

struct options {
    int epochs, limit; // limit: images of each set at most, 0 for all
    double lr, seed;
    const char *data, *save;
};

// Half of the pictures are turned over from left to right, others in each epoch.
static const struct kit_transforms augmented = {{{KIT_FLIP, .probability = 0.5f}}};

// One epoch; the learning rate falls from o->lr to 0 along a cosine over all steps. Returns the mean loss.
static double train_epoch(struct fashion *net, const struct set *set, const struct options *o, int epoch) {
    int32_t per_epoch = kit_loader_batches(set->loader), step = epoch * per_epoch, n;
    const float *image;
    const int32_t *label;
    double sum = 0;
    kit_loader_start(set->loader, epoch);
    while ((n = kit_loader_next(set->loader, &image, &label, NULL)) > 0) {
        float loss, lr = (float)(o->lr * 0.5 * (1 + cos(3.14159265 * step++ / ((double)per_epoch * o->epochs))));
        fashion_step(net, n, image, label, lr, &loss, NULL);
        if (!isfinite(loss)) die("the loss is not finite; try a smaller --lr");
        sum += (double)loss * n;
    }
    return sum / set->data.count;
}

static struct options read_options(int argc, char **argv) {
    struct options o = {.epochs = 15, .lr = 0.05, .seed = 1, .data = "/usr/share/datasets/fashion-mnist"};
    for (int k = 1; k < argc; k += 2) {
        const char *name = argv[k], *value = argv[k + 1]; // NULL behind the last word
        if (!strcmp(name, "--epochs"))
            o.epochs = (int)number(name, value, 1, 10000);
        else if (!strcmp(name, "--lr"))
            o.lr = number(name, value, 0, 100);
        else if (!strcmp(name, "--seed"))
            o.seed = number(name, value, 0, 1e9);
        else if (!strcmp(name, "--limit"))
            o.limit = (int)number(name, value, 1, 1e9);
        else if (value && !strcmp(name, "--data"))
            o.data = value;
        else if (value && !strcmp(name, "--save"))
            o.save = value;
        else
            o.save = NULL, k = argc;
    }
    if (o.save) return o;
    fprintf(stderr, "usage: train --save FILE.safetensors [--epochs 15] [--lr 0.05] [--seed 1] [--data DIR]\n"
                    "             [--limit COUNT]\n");
    exit(2);
}

int main(int argc, char **argv) {
    struct options o = read_options(argc, argv);
    struct set training, testing;
    set_read(&training, o.data, "train", o.limit, &augmented, (int64_t)o.seed);
    set_read(&testing, o.data, "t10k", o.limit, NULL, 0);
    struct fashion *net = fashion_new();
    if (!net) die("no memory for the net");
    fashion_init(net, (int64_t)o.seed);
    fashion_seed(net, (int64_t)o.seed);
    for (int epoch = 0; epoch < o.epochs; epoch++) {
        int64_t matrix[CLASSES * CLASSES];
        double start = now(), loss = train_epoch(net, &training, &o, epoch), seconds = now() - start;
        set_classify(&testing, net, matrix);
        printf("epoch %2d  loss %.4f  test accuracy %.2f %%  %6.0f images/s\n", epoch + 1, loss,
               100 * kit_accuracy(matrix, CLASSES), training.data.count / seconds);
        fflush(stdout);
    }
    if (fashion_save_weights(net, o.save)) die(fashion_error(net));
    fashion_free(net);
    set_free(&training);
    set_free(&testing);
    return 0;
}
