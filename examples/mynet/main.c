// main.c: trains the net of mynet.dl on Fashion-MNIST, or classifies test images and pictures with a trained net.
//
//     mynet --save DIR [--epochs 5] ...              trains; a checkpoint per epoch, curve and samples are in DIR
//     mynet --resume DIR/epoch-003.ckpt ...          resumes
//     mynet --load mynet.safetensors                 classifies the test images
//     mynet --load mynet.safetensors PICTURE.ppm...  the five most likely classes of pictures
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

void die(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "mynet: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

// Prints the most likely classes with their probabilities, the softmax of the logits.
static void print_best(const char *picture, const float logits[CLASSES]) {
    double rest[CLASSES], sum = 0;
    float largest = logits[kit_argmax(logits, CLASSES)], left[CLASSES];
    for (int k = 0; k < CLASSES; k++) sum += rest[k] = exp((double)(logits[k] - largest));
    memcpy(left, logits, sizeof left);
    printf("%s:", picture);
    for (int k = 0; k < 5 && k < CLASSES; k++) {
        int best = kit_argmax(left, CLASSES);
        printf("  %s %.1f %%", class_names[best], 100 * rest[best] / sum);
        left[best] = -INFINITY;
    }
    printf("\n");
}

static void classify_picture(struct mynet *net, const char *path) {
    static float image[PIXELS];
    float logits[CLASSES];
    char error[KIT_ERROR_BYTES];
    if (kit_ppm_read(image, SIDE, path, error)) die("%s", error);
    normalize(image);
    double start = kit_now();
    mynet_forward(net, 1, image, logits);
    double seconds = kit_now() - start;
    print_best(path, logits);
    printf("%*s  %.2f ms\n", (int)strlen(path), "", 1000 * seconds);
}

static void classify_test(struct mynet *net, const struct options *o) {
    char error[KIT_ERROR_BYTES], path[4096];
    struct test t;
    test_open(&t, o->data);
    double start = kit_now();
    if (test_run(&t, net, 0, error)) die("%s: %s", o->load, error);
    double seconds = kit_now() - start;
    test_print(&t);
    printf("\n%s: %.0f images/s\n", o->load, t.set.count / seconds);
    if (o->save && snprintf(path, sizeof path, "%s/samples.png", o->save) < (int)sizeof path &&
        test_draw(&t, path, error))
        die("%s", error);
    test_close(&t);
}

static void check_options(const struct options *o, int pictures) {
    static const char *const schedules[] = {"constant", "step", "cosine", "one-cycle"};
    int known = 0;
    for (int k = 0; k < 4; k++) known += !strcmp(o->schedule, schedules[k]);
    if (!known) die("--schedule is constant, step, cosine or one-cycle, not \"%s\"", o->schedule);
    if (o->load && o->resume) die("--load classifies and --resume trains: one of them");
    if (pictures && !o->load) die("pictures are classified by weights: --load FILE.safetensors");
}

int main(int argc, char **argv) {
    struct options o = {.data = "/usr/share/datasets/fashion-mnist", .schedule = "constant", .epochs = 5, .seed = -1};
    o.lr = 1e-3;
    const struct kit_option table[] = {
        {"--data", "DIR", "the files of Fashion-MNIST, gzip or not", KIT_TEXT, &o.data, 0, 0},
        {"--epochs", "N", "passes over the training images (5)", KIT_INT, &o.epochs, 0, 100000},
        {"--limit", "N", "training images in an epoch (all)", KIT_INT, &o.limit, 1, 1e9},
        {"--lr", "RATE", "learning rate, or the highest one (1e-3)", KIT_REAL, &o.lr, 0, 1e38},
        {"--schedule", "NAME", "constant, step, cosine (with a warm-up) or one-cycle (constant)", KIT_TEXT, &o.schedule,
         0, 0},
        {"--seed", "N", "of parameters, order, transforms and dropout (1)", KIT_INT, &o.seed, 0, 9e15},
        {"--save", "DIR", "a checkpoint per epoch, weights, curve and samples", KIT_TEXT, &o.save, 0, 0},
        {"--resume", "FILE", "a checkpoint to go on from", KIT_TEXT, &o.resume, 0, 0},
        {"--load", "FILE", "weights: classifies the test images, or pictures", KIT_TEXT, &o.load, 0, 0},
        {0}};
    char error[KIT_ERROR_BYTES];
    int rest;
    if (kit_options_read(table, argc, argv, &rest, error)) {
        fprintf(stderr, "mynet: %s\nusage: mynet [OPTION VALUE]... [PICTURE.ppm]...\n", error);
        kit_options_print(stderr, table);
        return 2;
    }
    check_options(&o, argc - rest);
    struct mynet *net = mynet_new();
    if (!net) die("no memory for the net");
    if (o.load && mynet_load(net, o.load)) die("%s", mynet_error(net));
    for (int k = rest; k < argc; k++) classify_picture(net, argv[k]);
    if (o.load && rest == argc) classify_test(net, &o);
    if (!o.load) {
        struct test test;
        test_open(&test, o.data);
        train(net, &test, &o);
        test_close(&test);
    }
    mynet_free(net);
    return 0;
}
