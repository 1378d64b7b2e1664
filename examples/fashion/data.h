// data.h: what train.c and main.c share: the data set, batches of it, and how a net does on the test images.
#ifndef FASHION_DATA_H
#define FASHION_DATA_H

#include <stdint.h>

#include "fashion.h"
#include "kit/kit.h"

enum { BATCH = FASHION_N, PIXELS = 28 * 28, CLASSES = 10 };

extern const char *const class_names[CLASSES];

// One set: images (count, 28, 28) and labels (count), bytes as they are in the files.
struct set {
    struct kit_idx images, labels;
    int32_t count;
};

// Reads DIR/KIND-images-idx3-ubyte and -labels-idx1-ubyte, .gz or not; limit: images at most, 0 for all. Exits with a
// message when it cannot.
struct set set_read(const char *dir, const char *kind, int limit);
void set_free(struct set *set);
// n pictures and their labels: image (n, 1, 28, 28) from 0 to 1.
void set_gather(const struct set *set, const int32_t *index, int32_t n, float *image, int32_t *label);
// Counts what the net says of every picture: matrix[truth][predicted].
void set_classify(const struct set *set, struct fashion *net, int64_t matrix[CLASSES * CLASSES]);

_Noreturn void die(const char *message);
double now(void); // seconds
// A number on the command line; exits with a message when it is none.
double number(const char *option, const char *text, double low, double high);

#endif
