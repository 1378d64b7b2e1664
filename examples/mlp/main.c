// main.c: trains examples/mlp/mlp.dl on Fashion-MNIST and classifies the 10,000 test images, all in C.
//
//     dlc mlp.dl -o mlp.c --target=native          mlp.c, mlp.h: the net, its training step, its parameters
//     cc main.c mlp.c ...                          this file: the loop over epochs, what is printed
//
//     mlp [--epochs 10] [--lr 0.05] [--seed 1] [--limit COUNT] [--data DIR] [--load FILE] [--save FILE]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kit/kit.h"
#include "mlp.h"

enum { BATCH = MLP_N, CLASSES = 10 };

static const char *const class_names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                 "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

struct options {
    int epochs, limit; // limit: images of each set at most, 0 for all
    float lr;
    long long seed;
    const char *data, *load, *save;
};

// A data set and what makes batches of it: images (n, 28, 28) from 0 to 1 and labels (n).
struct set {
    struct kit_dataset data;
    struct kit_loader *loader;
};

static void die(const char *message) {
    fprintf(stderr, "mlp: %s\n", message);
    exit(1);
}

// ---- data ---------------------------------------------------------------------------------------------------------

static void read_set(struct set *set, const struct options *o, const char *prefix) {
    char error[KIT_ERROR_BYTES];
    if (kit_dataset_read(&set->data, o->data, prefix, CLASSES, o->limit, error)) die(error);
    if (set->data.rows != 28 || set->data.columns != 28 || set->data.channels != 1) die("the images are not 28 x 28");
    if (kit_loader_new(&set->loader, &set->data, NULL, BATCH, o->seed, 0, error)) die(error);
}

static void free_set(struct set *set) {
    kit_loader_free(set->loader);
    kit_dataset_free(&set->data);
}

// ---- training and testing ---------------------------------------------------------------------------------------

// One epoch; the learning rate falls linearly from o->lr to 0 over all steps. Returns the mean loss.
static double train_epoch(struct mlp *net, struct set *set, const struct options *o, int epoch) {
    int32_t per_epoch = kit_loader_batches(set->loader), step = epoch * per_epoch, n;
    const float *image;
    const int32_t *label;
    double sum = 0;
    kit_loader_start(set->loader, epoch);
    while ((n = kit_loader_next(set->loader, &image, &label, NULL)) > 0) {
        float lr = o->lr * (1 - (float)step++ / (float)(per_epoch * o->epochs)), loss;
        mlp_step(net, n, image, label, lr, &loss, NULL);
        if (!isfinite(loss)) {
            fprintf(stderr, "mlp: epoch %d, step %d: the loss is %g; try a smaller --lr\n", epoch + 1, (int)step,
                    (double)loss);
            exit(1);
        }
        sum += (double)loss * n;
    }
    return sum / set->data.count;
}

// Counts what the net says of every image: matrix[truth][predicted].
static void test(struct mlp *net, struct set *set, int64_t matrix[CLASSES * CLASSES]) {
    static float logits[BATCH * CLASSES];
    const float *image;
    const int32_t *label;
    memset(matrix, 0, sizeof *matrix * CLASSES * CLASSES);
    kit_loader_start(set->loader, -1); // in order
    for (int32_t n; (n = kit_loader_next(set->loader, &image, &label, NULL)) > 0;) {
        mlp_forward(net, n, image, logits);
        for (int32_t k = 0; k < n; k++)
            kit_confusion_add(matrix, CLASSES, label[k], kit_argmax(logits + k * CLASSES, CLASSES));
    }
}

static double now(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void train(struct mlp *net, struct set *training, struct set *testing, const struct options *o) {
    int64_t matrix[CLASSES * CLASSES];
    for (int epoch = 0; epoch < o->epochs; epoch++) {
        double start = now(), loss = train_epoch(net, training, o, epoch), seconds = now() - start;
        test(net, testing, matrix);
        printf("epoch %2d  loss %.4f  test accuracy %.2f %%  %6.0f images/s\n", epoch + 1, loss,
               100 * kit_accuracy(matrix, CLASSES), training->data.count / seconds);
        fflush(stdout);
    }
}

// ---- the command line -----------------------------------------------------------------------------------------------

static double number(const char *option, const char *text, double low, double high) {
    char *end;
    double value = text ? strtod(text, &end) : 0;
    if (!text || end == text || *end || !(value >= low && value <= high)) {
        fprintf(stderr, "mlp: %s takes a number from %g to %g, not %s\n", option, low, high, text ? text : "nothing");
        exit(2);
    }
    return value;
}

static struct options read_options(char **argv) {
    struct options o = {.epochs = 10, .lr = 0.05f, .seed = 1, .data = "/usr/share/datasets/fashion-mnist"};
    for (argv++; *argv; argv += argv[1] ? 2 : 1) {
        const char *name = argv[0], *value = argv[1];
        if (!strcmp(name, "--epochs"))
            o.epochs = (int)number(name, value, 0, 10000);
        else if (!strcmp(name, "--lr"))
            o.lr = (float)number(name, value, 0, 100);
        else if (!strcmp(name, "--seed"))
            o.seed = (long long)number(name, value, 0, 9e15);
        else if (!strcmp(name, "--limit"))
            o.limit = (int)number(name, value, 1, 1e9);
        else if (value && !strcmp(name, "--data"))
            o.data = value;
        else if (value && !strcmp(name, "--load"))
            o.load = value;
        else if (value && !strcmp(name, "--save"))
            o.save = value;
        else {
            fprintf(stderr, "usage: mlp [--epochs 10] [--lr 0.05] [--seed 1] [--limit COUNT] [--data DIR]\n"
                            "           [--load FILE] [--save FILE]\n");
            exit(2);
        }
    }
    return o;
}

int main(int argc, char **argv) {
    (void)argc;
    struct options o = read_options(argv);
    struct set training, testing;
    read_set(&training, &o, "train");
    read_set(&testing, &o, "t10k");
    struct mlp *net = mlp_new();
    if (!net) die("no memory for the net");
    mlp_init(net, o.seed);
    if (o.load && mlp_load(net, o.load)) die(mlp_error(net));
    printf("%d training images, %d test images, batches of %d\n", (int)training.data.count, (int)testing.data.count,
           BATCH);
    train(net, &training, &testing, &o);
    int64_t matrix[CLASSES * CLASSES];
    test(net, &testing, matrix);
    printf("\n");
    kit_report_print(stdout, matrix, CLASSES, class_names, 4);
    printf("\n");
    kit_confusion_print(stdout, matrix, CLASSES, class_names);
    if (o.save && mlp_save(net, o.save)) die(mlp_error(net));
    mlp_free(net);
    free_set(&training);
    free_set(&testing);
    return 0;
}
