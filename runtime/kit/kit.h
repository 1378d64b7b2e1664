// kit.h: helpers for applications around a compiled net: data sets in IDX files, pictures, shuffled batches, metrics as
// scikit-learn prints them. Plain C and zlib. The net does not need it.
//
//     struct kit_idx images, labels;
//     char error[KIT_ERROR_BYTES];
//     if (kit_idx_read(&images, "train-images-idx3-ubyte.gz", error)) fprintf(stderr, "%s\n", error);
//
// Nothing here keeps global state. Functions that can fail return 0, or a status of enum kit_status with a message in
// `error` (KIT_ERROR_BYTES bytes; NULL is fine).
#ifndef DLC_KIT_H
#define DLC_KIT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { KIT_ERROR_BYTES = 512, KIT_MAX_RANK = 4 };

enum kit_status {
    KIT_OK = 0,
    KIT_EIO = 1,     // a file cannot be read
    KIT_EFORMAT = 2, // not what the reader reads, truncated, or longer than it says
    KIT_ENOMEM = 3
};

// ---- idx.c: the IDX format (yann.lecun.com/exdb/mnist), plain or gzip -----------------------------------------

// A tensor of bytes: images (count, rows, columns) or labels (count).
struct kit_idx {
    int rank;
    int32_t dim[KIT_MAX_RANK];
    size_t count; // elements
    uint8_t *at;  // owned; kit_idx_free gives it back
};

// Reads a whole file. On failure `idx` is empty.
int kit_idx_read(struct kit_idx *idx, const char *path, char *error);
void kit_idx_free(struct kit_idx *idx);

// ---- picture.c: pictures for nets that take colours -------------------------------------------------------------

// Reads a binary PPM (P6) into (3, side, side) floats from 0 to 1: the square around its middle, each pixel the mean of
// the pixels below it. On failure `to` is as it was.
int kit_ppm_read(float *to, int side, const char *path, char *error);

// ---- batches.c: epochs in shuffled batches ----------------------------------------------------------------------

// The order of one epoch: a permutation of 0..count-1 that depends on seed and epoch alone (Fisher-Yates over Philox).
struct kit_batches {
    int32_t count, batch, at;
    int32_t *order; // (count)
};

// order is made by kit_batches_new and given back by kit_batches_free. count and batch >= 1.
int kit_batches_new(struct kit_batches *b, int32_t count, int32_t batch, char *error);
void kit_batches_free(struct kit_batches *b);
// Starts an epoch; a negative epoch keeps the order of the data.
void kit_batches_shuffle(struct kit_batches *b, int64_t seed, int64_t epoch);
// The indices of the next batch and their number: batch, fewer at the end, 0 when the epoch is over.
int32_t kit_batches_next(struct kit_batches *b, const int32_t **index);
// Gathers n items of `size` bytes each as floats byte * scale: to is (n, size).
void kit_gather_scaled(float *to, const uint8_t *from, size_t size, const int32_t *index, int32_t n, float scale);
// Gathers n labels.
void kit_gather_labels(int32_t *to, const uint8_t *from, const int32_t *index, int32_t n);

// ---- metrics.c: what a classifier did -----------------------------------------------------------------------------

// The index of the largest of n values; the first one of equals. NaN never wins, all NaN gives 0.
int kit_argmax(const float *value, int n);

// matrix[truth * classes + predicted] counts; zeroed by the caller.
void kit_confusion_add(int64_t *matrix, int classes, int truth, int predicted); // out-of-range pairs are dropped
double kit_accuracy(const int64_t *matrix, int classes);
// Prints precision, recall, F1 and support per class, accuracy, macro and weighted averages: the same text as
// sklearn.metrics.classification_report(digits=digits, zero_division=0) gives for all classes. names: (classes).
void kit_report_print(FILE *out, const int64_t *matrix, int classes, const char *const *names, int digits);
// The matrix as a table: rows are the truth, columns what was predicted.
void kit_confusion_print(FILE *out, const int64_t *matrix, int classes, const char *const *names);

#endif
