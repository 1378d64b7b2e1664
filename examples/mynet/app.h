// app.h: what the files of this program share.
//     main.c: the command line, and what to do       train.c: the loop over epochs     test.c: testing
#ifndef MYNET_APP_H
#define MYNET_APP_H

#include "kit/kit.h"
#include "mynet.h"

enum { CLASSES = 10, SIDE = 48, PIXELS = 3 * SIDE * SIDE };

// Mean and deviation of Fashion-MNIST's training images.
#define MEAN      0.2860f
#define DEVIATION 0.3530f

// The options of the command line; NULL if not given.
struct options {
    const char *data, *save, *resume, *load, *schedule;
    int64_t epochs, limit, seed; // limit: training images in an epoch, 0 for all
    double lr;
};

extern const char *const class_names[CLASSES];

// Prints "mynet: " and the message, and exits with status 1.
_Noreturn void die(const char *fmt, ...);

// ---- test.c ---------------------------------------------------------------------------------------------------------

// The test images, and the net's results on them.
struct result {
    double loss, accuracy;
    int64_t matrix[CLASSES * CLASSES]; // [truth][predicted]
    uint8_t *predicted;                // (images), allocated by test_open
};

struct test {
    struct kit_dataset set;
    struct kit_loader *loader;
    struct result result;
};

// The transforms of an image; a test leaves out the random ones.
extern const struct kit_transforms transforms;

// Reads the test images of a directory; exits if that fails.
void test_open(struct test *t, const char *data);
void test_close(struct test *t);
// Runs the net over all of them, 256 at a time. KIT_ENAN if a loss is not finite; the message names the epoch.
int test_run(struct test *t, struct mynet *net, int epoch, char *error);
// Prints loss, accuracy, report and confusion matrix.
void test_print(const struct test *t);
// The first images with their predictions as a PNG.
int test_draw(const struct test *t, const char *path, char *error);
// Transforms a picture from 0 to 1, (3, SIDE, SIDE), in place into what the net was trained on.
void normalize(float *image);

// ---- train.c --------------------------------------------------------------------------------------------------------

// Trains up to epoch o->epochs, starting after the checkpoint o->resume. Exits with status 1 if the loss is not finite
// or a file cannot be written.
void train(struct mynet *net, struct test *t, const struct options *o);

#endif
