// main.c: trains examples/mlp/mlp.dl on Fashion-MNIST and classifies the 10,000 test images, all in C.
//
//     dlc mlp.dl -o mlp.c --target=native          mlp.c, mlp.h: the net, its training step, its parameters
//     cc main.c mlp.c ...                          this file: data, the loop over epochs, what is printed
//
//     mlp [--epochs 10] [--lr 0.05] [--seed 1] [--limit COUNT] [--data DIR] [--load FILE] [--save FILE]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kit/kit.h"
#include "mlp.h"

enum { BATCH = MLP_N, PIXELS = 28 * 28, CLASSES = 10 };

static const char *const class_names[CLASSES] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                                 "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

struct options {
    int epochs, limit; // limit: images of each set at most, 0 for all
    float lr;
    long long seed;
    const char *data, *load, *save;
};

// One set: images (count, 28, 28) and labels (count), bytes as they are in the files.
struct set {
    struct kit_idx images, labels;
    int32_t count;
};

static void die(const char *message) {
    fprintf(stderr, "mlp: %s\n", message);
    exit(1);
}

// ---- data ---------------------------------------------------------------------------------------------------------

// Reads DIR/NAME.gz, or DIR/NAME.
static void read_file(struct kit_idx *idx, const char *dir, const char *name) {
    char path[4096], error[KIT_ERROR_BYTES];
    snprintf(path, sizeof path, "%s/%s.gz", dir, name);
    int status = kit_idx_read(idx, path, error);
    if (status == KIT_EIO) {
        snprintf(path, sizeof path, "%s/%s", dir, name);
        status = kit_idx_read(idx, path, error);
    }
    if (status) die(error);
}

static struct set read_set(const struct options *o, const char *kind) {
    struct set set;
    char name[64];
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", kind);
    read_file(&set.images, o->data, name);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", kind);
    read_file(&set.labels, o->data, name);
    if (set.images.rank != 3 || set.images.dim[1] != 28 || set.images.dim[2] != 28) die("the images are not 28 x 28");
    if (set.labels.rank != 1 || set.labels.dim[0] != set.images.dim[0]) die("there are not as many labels as images");
    set.count = set.images.dim[0];
    if (o->limit && o->limit < set.count) set.count = o->limit;
    if (set.count < 1) die("there are no images");
    return set;
}

static void free_set(struct set *set) {
    kit_idx_free(&set->images);
    kit_idx_free(&set->labels);
}

// ---- training and testing ---------------------------------------------------------------------------------------

static float image[BATCH * PIXELS], logits[BATCH * CLASSES];
static int32_t label[BATCH];

static void gather(const struct set *set, const int32_t *index, int32_t n) {
    kit_gather_scaled(image, set->images.at, PIXELS, index, n, 1.0f / 255);
    kit_gather_labels(label, set->labels.at, index, n);
}

// One epoch; the learning rate falls linearly from o->lr to 0 over all steps. Returns the mean loss.
static double train_epoch(struct mlp *net, const struct set *set, struct kit_batches *batches, const struct options *o,
                          int epoch) {
    int32_t per_epoch = (set->count + BATCH - 1) / BATCH, step = epoch * per_epoch, n;
    const int32_t *index;
    double sum = 0;
    kit_batches_shuffle(batches, o->seed, epoch);
    while ((n = kit_batches_next(batches, &index)) > 0) {
        gather(set, index, n);
        float lr = o->lr * (1 - (float)step++ / (float)(per_epoch * o->epochs)), loss;
        mlp_step(net, n, image, label, lr, &loss, NULL);
        if (!isfinite(loss)) {
            fprintf(stderr, "mlp: epoch %d, step %d: the loss is %g; try a smaller --lr\n", epoch + 1, (int)step,
                    (double)loss);
            exit(1);
        }
        sum += (double)loss * n;
    }
    return sum / set->count;
}

// Counts what the net says of every image: matrix[truth][predicted].
static void test(struct mlp *net, const struct set *set, int64_t matrix[CLASSES * CLASSES]) {
    struct kit_batches batches;
    const int32_t *index;
    char error[KIT_ERROR_BYTES];
    if (kit_batches_new(&batches, set->count, BATCH, error)) die(error);
    memset(matrix, 0, sizeof *matrix * CLASSES * CLASSES);
    for (int32_t n; (n = kit_batches_next(&batches, &index)) > 0;) {
        gather(set, index, n);
        mlp_forward(net, n, image, logits);
        for (int32_t k = 0; k < n; k++)
            kit_confusion_add(matrix, CLASSES, label[k], kit_argmax(logits + k * CLASSES, CLASSES));
    }
    kit_batches_free(&batches);
}

static double now(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void train(struct mlp *net, const struct set *training, const struct set *testing, const struct options *o) {
    int64_t matrix[CLASSES * CLASSES];
    struct kit_batches batches;
    char error[KIT_ERROR_BYTES];
    if (kit_batches_new(&batches, training->count, BATCH, error)) die(error);
    for (int epoch = 0; epoch < o->epochs; epoch++) {
        double start = now(), loss = train_epoch(net, training, &batches, o, epoch), seconds = now() - start;
        test(net, testing, matrix);
        printf("epoch %2d  loss %.4f  test accuracy %.2f %%  %6.0f images/s\n", epoch + 1, loss,
               100 * kit_accuracy(matrix, CLASSES), training->count / seconds);
        fflush(stdout);
    }
    kit_batches_free(&batches);
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
    struct set training = read_set(&o, "train"), testing = read_set(&o, "t10k");
    struct mlp *net = mlp_new();
    if (!net) die("no memory for the net");
    mlp_init(net, o.seed);
    if (o.load && mlp_load(net, o.load)) die(mlp_error(net));
    printf("%d training images, %d test images, batches of %d\n", (int)training.count, (int)testing.count, BATCH);
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
