// kit.h: helpers for applications around a compiled net: data sets in IDX files, pictures and their transforms,
// shuffled batches made by a second thread, metrics as scikit-learn prints them. Plain C, zlib and POSIX threads. The
// net does not need it.
//
//     struct kit_dataset training;
//     char error[KIT_ERROR_BYTES];
//     if (kit_dataset_read(&training, "/usr/share/datasets/fashion-mnist", "train", 10, 0, error))
//         fprintf(stderr, "%s\n", error);
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
    KIT_ENOMEM = 3,
    KIT_EVALUE = 4 // an argument is out of its range
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

// ---- dataset.c: images and their labels ---------------------------------------------------------------------------

// What a classifier learns from or is tested on. The files of MNIST and those like it (Fashion-MNIST, KMNIST, EMNIST)
// are (count, rows, columns); a file of four axes is (count, channels, rows, columns).
struct kit_dataset {
    struct kit_idx images, labels;   // owned
    int32_t count;                   // pictures that are used: the first ones; an application may lower it
    int32_t channels, rows, columns; // of a picture
    int32_t classes;                 // labels are 0 .. classes - 1
};

// Reads the images DIRECTORY/PREFIX-images-idx3-ubyte (idx4 for four axes) and the labels
// DIRECTORY/PREFIX-labels-idx1-ubyte, each also with .gz behind it or with .idx3-ubyte in place of -idx3-ubyte. prefix:
// "train" and "t10k" for MNIST. limit: use that many pictures at most, 0 for all. KIT_EFORMAT when there are no
// pictures, when there are not as many labels, or when a label is not below `classes` (1 to 256); the message names the
// file, the label and its index. On failure `set` is empty.
int kit_dataset_read(struct kit_dataset *set, const char *directory, const char *prefix, int classes, int32_t limit,
                     char *error);
void kit_dataset_free(struct kit_dataset *set);
// The bytes of picture `index`: (channels, rows, columns).
const uint8_t *kit_dataset_image(const struct kit_dataset *set, int32_t index);

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
// Gathers n labels.
void kit_gather_labels(int32_t *to, const uint8_t *from, const int32_t *index, int32_t n);

// ---- resize.c, image.c: one transform each, on bytes --------------------------------------------------------------
//
// An image is planar: (channels, rows, columns) with one channel (grey) or three (red, green, blue). Results equal
// those of Pillow on the same 8-bit image to the byte (and so torchvision's on Pillow's images). Sides are 1 to
// KIT_MAX_SIDE.

enum { KIT_MAX_SIDE = 1 << 14 };

enum kit_interpolation { KIT_NEAREST = 0, KIT_BILINEAR = 1 };

// Bilinear with antialiasing: when an axis shrinks, the triangle grows with the factor. to: (channels, to_rows,
// to_columns). KIT_EVALUE for sides out of range, KIT_ENOMEM.
int kit_image_resize(uint8_t *to, int to_rows, int to_columns, const uint8_t *from, int channels, int rows, int columns,
                     char *error);
// Luma of ITU-R 601: to (pixels), from (3, pixels). to may be from.
void kit_image_gray(uint8_t *to, const uint8_t *from, size_t pixels);
// One plane, turned counter-clockwise about its middle; 0 where the result looks outside. to and from are apart.
void kit_image_rotate(uint8_t *to, const uint8_t *from, int rows, int columns, double degrees,
                      enum kit_interpolation interpolation);
// Mirrored left to right, in place: image (planes * rows, columns).
void kit_image_flip(uint8_t *image, int planes, int rows, int columns);
// Blends with black, in place: 0 gives black, 1 the same image, more a brighter one.
void kit_image_brightness(uint8_t *image, size_t bytes, float factor);
// Blends with the mean of the grey image, rounded to a whole number, in place: image (channels, pixels). 0 gives that
// grey.
void kit_image_contrast(uint8_t *image, int channels, size_t pixels, float factor);
// to[c][p] = (from[c][p] / 255 - mean[c]) / std[c] in float arithmetic; mean and std: (channels), NULL for 0 and 1.
void kit_image_normalize(float *to, const uint8_t *from, int channels, size_t pixels, const float *mean,
                         const float *std);

// ---- transforms.c: a list of transforms ---------------------------------------------------------------------------
//
//     static const struct kit_transforms augmented = {{
//         {KIT_RESIZE, .size = 48},
//         {KIT_GRAYSCALE, .channels = 3},
//         {KIT_ROTATION, .degrees = 10},
//         {KIT_COLOR_JITTER, .brightness = 0.2f, .contrast = 0.2f},
//         {KIT_NORMALIZE, .mean = {0.5f, 0.5f, 0.5f}, .std = {0.5f, 0.5f, 0.5f}},
//     }};
//
// as torchvision's Compose([Resize((48, 48)), Grayscale(3), RandomRotation(10), ColorJitter(0.2, 0.2), ToTensor(),
// Normalize(...)]). They run in the order of the list; then bytes become floats from 0 to 1.

enum kit_transform_kind {
    KIT_END = 0,          // the first such step ends the list
    KIT_RESIZE = 1,       // to size x size
    KIT_GRAYSCALE = 2,    // to 1 channel or 3 equal ones
    KIT_ROTATION = 3,     // by -degrees .. degrees, uniform; torchvision's default is KIT_NEAREST
    KIT_FLIP = 4,         // left to right with `probability`
    KIT_COLOR_JITTER = 5, // brightness b by a factor from max(0, 1 - b) to 1 + b, contrast likewise, in random order
    KIT_NORMALIZE = 6     // by mean and deviation per channel; last in the list
};

struct kit_transform {
    enum kit_transform_kind kind;
    int size;                             // KIT_RESIZE: 1 .. KIT_MAX_SIDE
    int channels;                         // KIT_GRAYSCALE: 1 or 3
    float degrees;                        // KIT_ROTATION: 0 .. 180
    enum kit_interpolation interpolation; // KIT_ROTATION
    float probability;                    // KIT_FLIP: 0 .. 1
    float brightness, contrast;           // KIT_COLOR_JITTER: 0 and more; 0 leaves out
    float mean[3], std[3];                // KIT_NORMALIZE: of values from 0 to 1; std above 0
};

enum { KIT_MAX_TRANSFORMS = 12 };
struct kit_transforms {
    struct kit_transform step[KIT_MAX_TRANSFORMS];
};

// The list made ready for images of one shape: checked, its tables computed, its memory allocated. One thread at a time
// may run it.
struct kit_pipeline;

// KIT_EVALUE with a message that names the step when one is out of range or out of place; KIT_ENOMEM. NULL transforms:
// none.
int kit_pipeline_new(struct kit_pipeline **pipeline, const struct kit_transforms *transforms, int32_t channels,
                     int32_t rows, int32_t columns, char *error);
void kit_pipeline_free(struct kit_pipeline *pipeline);
// (channels, rows, columns) of what comes out, and its number of floats.
const int32_t *kit_pipeline_shape(const struct kit_pipeline *pipeline);
size_t kit_pipeline_size(const struct kit_pipeline *pipeline);
// One image. Random draws depend on seed, epoch, index and the step's place in the list alone (Philox); with a negative
// epoch the random steps are left out.
void kit_pipeline_run(struct kit_pipeline *pipeline, float *to, const uint8_t *from, int64_t seed, int64_t epoch,
                      int64_t index);

// ---- loader.c: batches made ahead by a second thread --------------------------------------------------------------
//
//     struct kit_loader *loader;
//     if (kit_loader_new(&loader, &training, &augmented, 64, seed, 1, error)) ...
//     for (int epoch = 0; epoch < epochs; epoch++) {
//         const float *image; const int32_t *label; int32_t n;
//         kit_loader_start(loader, epoch);
//         while ((n = kit_loader_next(loader, &image, &label, NULL)) > 0) net_step(net, n, image, label, ...);
//     }
//     kit_loader_free(loader);

struct kit_loader;

// batch: pictures in a batch, 1 and more. threads: 1 makes up to two batches ahead on a thread of its own; 0 makes each
// in kit_loader_next. Both give the same bits. When no thread can be started it goes on without (kit_loader_threads
// tells). All memory is allocated here. The data set must outlive the loader; the transforms are copied, NULL for none.
// KIT_EVALUE, KIT_ENOMEM: *loader is NULL.
int kit_loader_new(struct kit_loader **loader, const struct kit_dataset *set, const struct kit_transforms *transforms,
                   int32_t batch, int64_t seed, int threads, char *error);
void kit_loader_free(struct kit_loader *loader); // also in the middle of an epoch
// Begins an epoch, also in the middle of another one. epoch >= 0: the pictures shuffled (as kit_batches_shuffle does
// it) and transformed, both drawn from seed and epoch. A negative epoch is for evaluation: pictures in their order,
// random transforms left out.
void kit_loader_start(struct kit_loader *loader, int64_t epoch);
// The next batch and its number of pictures: fewer at the end, 0 when the epoch is over. image: (n, channels, rows,
// columns) as kit_loader_shape says, at an address that is a multiple of 64; label: (n); index: (n) their places in the
// data set; NULL for what is not wanted. Valid until the next call of next, start or free.
int32_t kit_loader_next(struct kit_loader *loader, const float **image, const int32_t **label, const int32_t **index);
int32_t kit_loader_batches(const struct kit_loader *loader);      // in an epoch
const int32_t *kit_loader_shape(const struct kit_loader *loader); // (channels, rows, columns) of a transformed picture
int kit_loader_threads(const struct kit_loader *loader);          // 1 or 0

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
