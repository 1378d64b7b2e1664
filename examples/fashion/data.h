// data.h: what train.c and main.c share: the data set, its batches, and testing a net.
#ifndef FASHION_DATA_H
#define FASHION_DATA_H

#include <stdint.h>

#include "fashion.h"
#include "kit/kit.h"

enum { BATCH = FASHION_N, CLASSES = 10 };

extern const char *const class_names[CLASSES];

// A data set and its batches: image (n, 1, 28, 28) from 0 to 1, label (n).
struct set {
    struct kit_dataset data;
    struct kit_loader *loader;
};

// Reads DIR/PREFIX-images-idx3-ubyte and -labels-idx1-ubyte, .gz or not; limit: images at most, 0 for all. transforms:
// for training, NULL for none. Exits with a message if it fails.
void set_read(struct set *set, const char *dir, const char *prefix, int64_t limit,
              const struct kit_transforms *transforms, int64_t seed);
void set_free(struct set *set);
// Counts the predictions for all pictures: matrix[truth][predicted].
void set_classify(const struct set *set, struct fashion *net, int64_t matrix[CLASSES * CLASSES]);

_Noreturn void die(const char *message);
// Reads the command line; on a mistake, exits with a message and the list of options.
void read_options(const struct kit_option *options, int argc, char **argv);

#endif
