// kit.h: helpers for applications around a compiled net: data sets in IDX files, pictures and their transforms,
// shuffled batches made by a second thread, metrics as scikit-learn prints them; what a loop over epochs shows: a
// progress bar, running loss and accuracy, learning-rate schedules, the learning curve, pictures with predictions; and
// for text: vocabularies, batches of sequences, sampling.
// Plain C, zlib and POSIX. The net does not need it.
//
//     struct kit_dataset training;
//     char error[KIT_ERROR_BYTES];
//     if (kit_dataset_read(&training, "/usr/share/datasets/fashion-mnist", "train", 10, 0, error))
//         fprintf(stderr, "%s\n", error);
//
// Nothing here keeps global state. Functions that can fail return 0, or a status of enum kit_status with a message in
// `error` (KIT_ERROR_BYTES bytes; NULL is fine). Texts need LC_NUMERIC to be "C", as it is when a program starts.
#ifndef DLC_KIT_H
#define DLC_KIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum { KIT_ERROR_BYTES = 512, KIT_MAX_RANK = 4, KIT_MAX_TOKENS = 1 << 23 };

enum kit_status {
    KIT_OK = 0,
    KIT_EIO = 1,     // a file cannot be read or written
    KIT_EFORMAT = 2, // a file of another format, truncated, or longer than it says
    KIT_ENOMEM = 3,
    KIT_EVALUE = 4, // an argument is out of its range
    KIT_ENAN = 5    // a loss that is not finite, a logit that is NaN or infinite
};

// ---- idx.c: the IDX format (yann.lecun.com/exdb/mnist), plain or gzip -----------------------------------------

// A tensor of bytes: images (count, rows, columns) or labels (count).
struct kit_idx {
    int rank;
    int32_t dim[KIT_MAX_RANK];
    size_t count; // elements
    uint8_t *at;  // owned; kit_idx_free frees it
};

// Reads a whole file. On failure `idx` is empty.
int kit_idx_read(struct kit_idx *idx, const char *path, char *error);
void kit_idx_free(struct kit_idx *idx);

// ---- dataset.c: images and their labels ---------------------------------------------------------------------------

// What a classifier learns from or is tested on. The files of MNIST and those like it (Fashion-MNIST, KMNIST, EMNIST)
// are (count, rows, columns); a file of four axes is (count, channels, rows, columns).
struct kit_dataset {
    struct kit_idx images, labels;   // owned
    int32_t count;                   // how many pictures are used, from the first on; an application may lower it
    int32_t channels, rows, columns; // of a picture
    int32_t classes;                 // labels are 0 .. classes - 1
};

// Reads the images DIRECTORY/PREFIX-images-idx3-ubyte (idx4 for four axes) and the labels
// DIRECTORY/PREFIX-labels-idx1-ubyte, each also with .gz appended or with .idx3-ubyte in place of -idx3-ubyte. prefix:
// "train" and "t10k" for MNIST. limit: use that many pictures at most, 0 for all. KIT_EFORMAT when there are no
// pictures, when there are not as many labels, or when a label is not below `classes` (1 to 256); the message names the
// file, the label and its index. On failure `set` is empty.
int kit_dataset_read(struct kit_dataset *set, const char *directory, const char *prefix, int classes, int32_t limit,
                     char *error);
void kit_dataset_free(struct kit_dataset *set);
// The bytes of picture `index`: (channels, rows, columns).
const uint8_t *kit_dataset_image(const struct kit_dataset *set, int32_t index);

// ---- picture.c: pictures for nets that take colours -------------------------------------------------------------

// Reads a binary PPM (P6) into (3, side, side) floats from 0 to 1: the square around its middle, scaled, where each
// result is the mean of the pixels that it covers. On failure `to` does not change.
int kit_ppm_read(float *to, int side, const char *path, char *error);

// ---- batches.c: epochs in shuffled batches ----------------------------------------------------------------------

// The order of one epoch: a permutation of 0..count-1 that depends on seed and epoch alone (Fisher-Yates over Philox).
struct kit_batches {
    int32_t count, batch, at;
    int32_t *order; // (count)
};

// order is allocated by kit_batches_new and freed by kit_batches_free. count and batch >= 1.
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
// One plane, turned counter-clockwise about its middle; pixels from outside are 0. to and from must not overlap.
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
    float brightness, contrast;           // KIT_COLOR_JITTER: 0 or more; 0 leaves it out
    float mean[3], std[3];                // KIT_NORMALIZE: of values from 0 to 1; std above 0
};

enum { KIT_MAX_TRANSFORMS = 12 };
struct kit_transforms {
    struct kit_transform step[KIT_MAX_TRANSFORMS];
};

// The list, prepared for images of one shape: it is checked, its tables are computed, its memory is allocated. One
// thread at a time may run it.
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

// The index of the largest of n values, the first of equal ones. NaN is never the largest; if all are NaN, it is 0.
int kit_argmax(const float *value, int n);

// matrix[truth * classes + predicted] counts; zeroed by the caller.
void kit_confusion_add(int64_t *matrix, int classes, int truth, int predicted); // out-of-range pairs are dropped
double kit_accuracy(const int64_t *matrix, int classes);
// Prints precision, recall, F1 and support per class, accuracy, macro and weighted averages: the same text as
// sklearn.metrics.classification_report(digits=digits, zero_division=0) gives for all classes. names: (classes).
void kit_report_print(FILE *out, const int64_t *matrix, int classes, const char *const *names, int digits);
// The matrix as a table: rows are the truth, columns what was predicted.
void kit_confusion_print(FILE *out, const int64_t *matrix, int classes, const char *const *names);
// How many of n rows of logits (n, classes) have their largest value at the label (n).
int32_t kit_count_right(const float *logits, const int32_t *label, int32_t n, int classes);

// ---- table.c: tables of numbers -----------------------------------------------------------------------------------

struct kit_table {
    int32_t rows, columns;
    float *at;   // (rows, columns), owned
    char **name; // (columns), owned; NULL where the file has none
};

// Reads a CSV file (RFC 4180): records are lines, with `separator` between their fields, which may be quoted. names:
// the first line names the columns. An empty field and NA are NaN; other text is KIT_EFORMAT with line and column, as
// are records of different lengths and a file without numbers. On failure `table` is empty.
int kit_table_read(struct kit_table *table, const char *path, char separator, bool names, char *error);
int32_t kit_table_column(const struct kit_table *table, const char *name); // its place; -1: there is none
void kit_table_free(struct kit_table *table);

// ---- regression.c: errors of numbers, and when to stop --------------------------------------------------------------

// Begins as {0}. Sums in double over all numbers that were added.
struct kit_regression {
    int64_t count;
    double absolute, squared, mean, spread;
};
void kit_regression_add(struct kit_regression *r, const float *truth, const float *predicted, int32_t n);
// Mean absolute error, mean squared error, its root; and R2, the share of the truth's variance that is explained (1 for
// a perfect model, 0 for its mean), as sklearn.metrics.r2_score has it. NaN without numbers; R2 needs two.
double kit_regression_mae(const struct kit_regression *r);
double kit_regression_mse(const struct kit_regression *r);
double kit_regression_rmse(const struct kit_regression *r);
double kit_regression_r2(const struct kit_regression *r);

// Early stopping, with the names of Keras and Lightning:
//     struct kit_stopping stopping = {.patience = 5};
//     if (kit_stopping_add(&stopping, validation_loss)) mynet_save(net, "best.ckpt");
//     if (stopping.stop) break;
struct kit_stopping {
    int patience;     // epochs without a better value until `stop`; 0 counts as 1
    double min_delta; // a value must be better by more than this
    bool larger;      // better is larger: accuracies
    // The state so far.
    double best;
    int best_epoch, epochs, waited; // best_epoch counts from 1
    bool stop;
};
// Adds the value of one more epoch. Returns whether it is the best so far; NaN never is.
bool kit_stopping_add(struct kit_stopping *s, double value);

// ---- meter.c: running loss and accuracy ---------------------------------------------------------------------------

// Sums in double over the samples of an epoch, so that each batch counts by its number of samples.
struct kit_meter {
    int64_t epoch, batches, samples, right;
    double loss; // the sum of loss * n
};

// Sets everything to zero. epoch counts from 1 and is used in messages only.
void kit_meter_start(struct kit_meter *m, int64_t epoch);
// Adds a batch of n samples with this mean loss, `right` of them classified right. KIT_ENAN when the loss is NaN or
// infinite: the sums do not change, and the message names epoch, batch (from 1) and the learning rate if it is above 0.
// The net has then been updated from that loss already: go on from a net that was saved before.
int kit_meter_add(struct kit_meter *m, double loss, int64_t right, int32_t n, double lr, char *error);
double kit_meter_loss(const struct kit_meter *m);     // mean over the samples; NaN without one
double kit_meter_accuracy(const struct kit_meter *m); // 0 to 1; NaN without a sample

// ---- schedule.c: learning rates as functions of the step ------------------------------------------------------------
//
// Names and arithmetic are those of torch.optim.lr_scheduler: `lr` is the rate that the optimiser was made with, `step`
// the number of calls of scheduler.step() so far. The functions keep no state, so a resumed run goes on where it was. A
// warm-up of W steps before a cosine (SequentialLR):
//
//     lr = step < W ? kit_lr_linear(1e-3, step, 0.01, 1, W) : kit_lr_cosine(1e-3, step - W, steps - W, 0);

// StepLR: times gamma every step_size steps.
double kit_lr_step(double lr, int64_t step, int64_t step_size, double gamma);
// MultiStepLR: times gamma from each milestone on. milestone: (count).
double kit_lr_multi_step(double lr, int64_t step, const int64_t *milestone, int count, double gamma);
// LinearLR: from lr * start_factor to lr * end_factor (PyTorch: 1/3, 1) in total_iters steps, then constant: a warm-up.
double kit_lr_linear(double lr, int64_t step, double start_factor, double end_factor, int64_t total_iters);
// CosineAnnealingLR: half a cosine from lr to eta_min (PyTorch: 0) in t_max steps; beyond them it rises again.
double kit_lr_cosine(double lr, int64_t step, int64_t t_max, double eta_min);

enum kit_anneal { KIT_COS, KIT_LINEAR };

// OneCycleLR: from max_lr / div_factor up to max_lr in the first pct_start of total_steps, then down to
// max_lr / div_factor / final_div_factor. PyTorch's defaults: pct_start 0.3, div_factor 25, final_div_factor 1e4,
// KIT_COS. Beyond total_steps the last rate stays.
double kit_lr_one_cycle(double max_lr, int64_t step, int64_t total_steps, double pct_start, double div_factor,
                        double final_div_factor, enum kit_anneal anneal);

// ---- progress.c: a progress bar -------------------------------------------------------------------------------------
//
//     Epoch 1:  45%|####5     | 27008/60000 [00:12<00:14, 2215.40img/s, loss=0.5312, acc=80.9%]
//
//     kit_progress_start(&bar, stderr, "Epoch 1", 60000, "img");
//     while (...) kit_progress_update(&bar, done += n, "loss=%.4f", loss);
//     kit_progress_end(&bar);
//
// Shows the share done, elapsed time < time left, mean rate (below 1 a second: seconds for each), the caller's text.
// On a terminal it is redrawn at most ten times a second, in blocks when the locale (LC_ALL, LC_CTYPE, LANG) is UTF-8,
// else in ASCII. Elsewhere it is lines without a bar: at the quarters, when they are 10 seconds apart, and at the end.

struct kit_progress {
    FILE *out;
    const char *what, *unit; // kept, not copied
    int64_t total, done;
    int64_t quarter;     // of the last line
    double start, drawn; // kit_now()
    int width;           // columns of what was drawn last
    bool terminal, utf8;
    char postfix[128];
};

// total: 0 or less when it is not known: count, time and rate are shown. unit: "img", "it".
void kit_progress_start(struct kit_progress *p, FILE *out, const char *what, int64_t total, const char *unit);
#ifdef __GNUC__
__attribute__((format(printf, 3, 4)))
#endif
// Sets the number done. fmt and its arguments make the text after the numbers; it is formatted only when it is shown.
void kit_progress_update(struct kit_progress *p, int64_t done, const char *fmt, ...);
// Shows the last state and ends the line.
void kit_progress_end(struct kit_progress *p);
// Or removes the bar, so that the caller can print something in its place. Does nothing without a terminal.
void kit_progress_clear(struct kit_progress *p);
// The text of the bar after `elapsed` seconds, cut to `columns` columns (0: without a bar, not cut). Returns the number
// of its columns; a character takes one. to: (room), room >= 1.
int kit_progress_text(const struct kit_progress *p, double elapsed, int columns, char *to, size_t room);

// ---- history.c: what every epoch came to ----------------------------------------------------------------------------

struct kit_epoch {
    double train_loss, train_accuracy, test_loss, test_accuracy, seconds; // accuracies 0 to 1; NaN: not known
};

// Begins as {0}.
struct kit_history {
    int count, room;
    struct kit_epoch *epoch; // (count), owned
};

// Sets one epoch, from 1 on. Epochs that were left out are NaN. KIT_EVALUE, KIT_ENOMEM.
int kit_history_set(struct kit_history *h, int epoch, const struct kit_epoch *e, char *error);
// Forgets what comes after the first `count` epochs.
void kit_history_cut(struct kit_history *h, int count);
void kit_history_free(struct kit_history *h);
// A CSV with a line of names: epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds. On failure of reading
// `h` is empty.
int kit_history_write(const struct kit_history *h, const char *path, char *error);
int kit_history_read(struct kit_history *h, const char *path, char *error);

// ---- curve.c: the learning curve ------------------------------------------------------------------------------------

// Losses (left axis) and accuracies (right axis, percent) over the epochs as a self-contained SVG of 720 x 400, for
// light and dark. Values that are not finite are gaps.
int kit_curve_write(const struct kit_history *h, const char *title, const char *path, char *error);

// ---- plot.c: lines over a common axis -------------------------------------------------------------------------------
//
//     static const struct kit_plot plot = {"Sea temperature", "year", "degrees", .first = 1950, .step = 1.0 / 12};
//     const struct kit_line lines[] = {{"measured", measured, 732, false}, {"forecast", forecast, 732, true}};
//     if (kit_plot_write(&plot, lines, 2, "sea.svg", error)) ...

enum { KIT_MAX_LINES = 8 };

struct kit_plot {
    const char *title, *x_label, *y_label;
    double first, step; // x of the first value of each line, and from one value to the next; step above 0
    bool logarithmic;   // powers of ten on the y axis
};

struct kit_line {
    const char *name;
    const float *y; // (count)
    int32_t count;
    bool dashed;
};

// An SVG like that of kit_curve_write. Values that are not finite are gaps; on a logarithmic axis so are those up to 0.
// KIT_EVALUE: not 1 to KIT_MAX_LINES lines, or a step that is not above 0.
int kit_plot_write(const struct kit_plot *plot, const struct kit_line *line, int count, const char *path, char *error);

// ---- png.c, grid.c, font.c: pictures with what the net says of them -------------------------------------------------

// rgb: (height, width, 3), at least one pixel.
int kit_png_write(const uint8_t *rgb, int width, int height, const char *path, char *error);

// Pictures of one shape: planar bytes (channels, rows, columns), 1 or 3 channels, as kit_dataset_image gives them. Each
// pixel becomes scale x scale; `across` of them stand beside each other.
struct kit_grid {
    int channels, rows, columns, across, scale;
};

struct kit_tile {
    const uint8_t *image;          // (channels, rows, columns)
    const char *truth, *predicted; // texts below the picture; `predicted` is green when `right`, else red
    bool right;
};

// A PNG of `count` pictures, at least one. KIT_EVALUE when there is nothing to show.
int kit_grid_write(const struct kit_grid *g, const struct kit_tile *tile, int count, const char *path, char *error);
// The seven rows of a character, five pixels each, of values 16 (left) to 1; a box for what is not printable ASCII.
const uint8_t *kit_glyph(char c);

// ---- options.c: the command line ------------------------------------------------------------------------------------
//
//     int64_t epochs = 5;
//     const struct kit_option options[] = {{"--epochs", "N", "passes over the data", KIT_INT, &epochs, 1, 1000}, {0}};
//     if (kit_options_read(options, argc, argv, &rest, error)) ...

enum kit_option_kind { KIT_INT, KIT_REAL, KIT_TEXT, KIT_FLAG };

struct kit_option {
    const char *name, *value, *help; // "--epochs", what its value is called (NULL for KIT_FLAG), a line of help
    enum kit_option_kind kind;
    void *to;           // int64_t, double, const char * or bool, which a flag sets to true
    double least, most; // of numbers
};

// Reads options and their values up to the first word that is not an option; *rest is its index, or argc. options end
// with {0}. KIT_EVALUE: the message names the option, what was found and what is expected.
int kit_options_read(const struct kit_option *options, int argc, char **argv, int *rest, char *error);
// A line for each option.
void kit_options_print(FILE *out, const struct kit_option *options);

// ---- text.c, vocabulary.c: text as numbers --------------------------------------------------------------------------
//
//     if (kit_text_read(&text, &bytes, "verses.txt", error) ||
//         kit_vocabulary_build(&words, KIT_WORDS, text, bytes, 5000, 2, error) ||
//         kit_vocabulary_encode(words, text, bytes, &id, &count, error) ||
//         kit_vocabulary_write(words, "mynet.vocabulary", error)) ...

// Reads a whole file. *text is allocated, for the caller to free; a 0 follows its bytes. KIT_EIO, KIT_ENOMEM: it is
// NULL.
int kit_text_read(char **text, size_t *bytes, const char *path, char *error);

// What a token is. Texts are UTF-8; a byte that is none is a token of its own.
enum kit_token_kind {
    KIT_CHARACTERS, // a code point; decoding gives the text back byte by byte
    KIT_WORDS       // letters, digits and _, also with ' or - between them; any other character by itself. White space
                    // only separates. All letters, ideographs and marks outside of ASCII count as letters
};

// Tokens numbered from 0: <unk>, which stands for all others, then the most frequent first; of those that are equally
// frequent, the one whose bytes come first. An application numbers its own tokens (padding, the end of a text) from
// kit_vocabulary_count on.
struct kit_vocabulary;

// Tokens of a text of any bytes: those that occur at least `least` times (0 as 1), `limit` of them at most, <unk>
// included (2 .. KIT_MAX_TOKENS; 0: all, up to KIT_MAX_TOKENS). The text is not kept. KIT_EVALUE when none is left,
// KIT_ENOMEM: *vocabulary is NULL.
int kit_vocabulary_build(struct kit_vocabulary **vocabulary, enum kit_token_kind kind, const char *text, size_t bytes,
                         int32_t limit, int64_t least, char *error);
void kit_vocabulary_free(struct kit_vocabulary *v);
int32_t kit_vocabulary_count(const struct kit_vocabulary *v); // with <unk>
enum kit_token_kind kit_vocabulary_kind(const struct kit_vocabulary *v);
// The bytes of a token, which belong to the vocabulary; a 0 follows them. NULL when id is out of range. bytes: or NULL.
const char *kit_vocabulary_token(const struct kit_vocabulary *v, int32_t id, size_t *bytes);
int32_t kit_vocabulary_find(const struct kit_vocabulary *v, const char *token, size_t bytes); // 0: unknown
// The tokens of a text: *id (*count) is allocated, for the caller to free. KIT_ENOMEM: *id is NULL.
int kit_vocabulary_encode(const struct kit_vocabulary *v, const char *text, size_t bytes, int32_t **id, size_t *count,
                          char *error);
// The text of tokens: allocated, for the caller to free; a 0 follows its bytes (bytes: or NULL). Words have one space
// between them, except before . , ; : ! ? ) ] } % and behind ( [ { and at the quotes and marks of other languages that
// open or close. More tokens only append to the text. KIT_EVALUE names a token out of range, KIT_ENOMEM: *text is NULL.
int kit_vocabulary_decode(const struct kit_vocabulary *v, const int32_t *id, size_t count, char **text, size_t *bytes,
                          char *error);
// A text file: "kit-vocabulary 1 words 5000", then a token on each line, so token k stands on line k + 2. Bytes up to
// space, the backslash, 0x7f and what is not UTF-8 are written as \x and two digits. KIT_EFORMAT names the line of what
// kit_vocabulary_write would not have written; on failure of reading *vocabulary is NULL.
int kit_vocabulary_write(const struct kit_vocabulary *v, const char *path, char *error);
int kit_vocabulary_read(struct kit_vocabulary **vocabulary, const char *path, char *error);

// ---- sequences.c: batches of sequences, windows of a long text ------------------------------------------------------
//
//     kit_sequences_shuffle(s, seed, epoch);
//     for (int32_t n, longest; (n = kit_sequences_next(s, NULL, &longest)) > 0;) {
//         int32_t T = longest < MOST ? longest : MOST;
//         kit_sequences_fill(s, ids, sequence, T, PADDING, false);  // (n, T)
//         kit_sequences_lengths(s, lengths, T);                     // (n)
//     }

// Batches of sequences of similar length, so that little is padded.
struct kit_sequences;

// length: (count), each 0 or more; kept, not copied. batch: sequences in a batch. pool: how many batches of sequences
// are sorted together by their lengths, 0 for all: fewer batches mix more, more batches pad less. KIT_EVALUE,
// KIT_ENOMEM: *sequences is NULL.
int kit_sequences_new(struct kit_sequences **sequences, const int32_t *length, int32_t count, int32_t batch,
                      int32_t pool, char *error);
void kit_sequences_free(struct kit_sequences *s);
// Starts an epoch. The sequences are shuffled (as kit_batches_shuffle does it), sorted within each pool, cut into
// batches, and these are shuffled; all depends on seed and epoch alone. A negative epoch shuffles nothing. Equal
// lengths keep the order that they had before sorting.
void kit_sequences_shuffle(struct kit_sequences *s, int64_t seed, int64_t epoch);
int32_t kit_sequences_batches(const struct kit_sequences *s); // in an epoch
// The next batch: how many sequences it has (`batch`; one batch of the epoch may be smaller), 0 when the epoch is over.
// index (n): their numbers, by length; longest: the length of the longest one, at least 1. NULL for what is not wanted.
int32_t kit_sequences_next(struct kit_sequences *s, const int32_t **index, int32_t *longest);
// Of the batch that kit_sequences_next gave: its lengths (n), T at most.
void kit_sequences_lengths(const struct kit_sequences *s, int32_t *length, int32_t T);
// And its tokens: to is (n, T), or (T, n) with time_first. sequence: (count) arrays with the lengths given before. What
// is longer than T is cut behind its first T tokens; shorter ones are followed by `padding`.
void kit_sequences_fill(const struct kit_sequences *s, int32_t *to, const int32_t *const *sequence, int32_t T,
                        int32_t padding, bool time_first);

// Truncated back-propagation through time (Williams and Peng 1990): the text is cut into `batch` streams of equal
// length, and each window has the next T tokens of each, so the net carries its state from one window to the next. The
// target of a token is the one after it in the text. (count - 1) % batch tokens at the end are left out.
struct kit_windows {
    const int32_t *id; // kept, not copied
    int32_t batch, T;
    int64_t each;        // inputs in a stream
    int64_t windows, at; // in an epoch; the next one
};

enum { KIT_NO_TARGET = -100 }; // ignore_index of cross_entropy

// Nothing is allocated. KIT_EVALUE: batch or T is below 1, or there are not batch + 1 tokens.
int kit_windows_new(struct kit_windows *w, const int32_t *id, size_t count, int32_t batch, int32_t T, char *error);
// Starts another epoch: reset the state of the net, too.
void kit_windows_start(struct kit_windows *w);
// Fills input and target, (batch, T) or, with time_first, (T, batch). Returns how many of the T steps are valid: T,
// fewer in the last window, 0 when the epoch is over. The other steps have the input 0 and the target KIT_NO_TARGET.
int32_t kit_windows_next(struct kit_windows *w, int32_t *input, int32_t *target, bool time_first);

// ---- sampling.c: the next token from logits -----------------------------------------------------------------------
//
//     static const struct kit_sampling how = {
//         .temperature = 0.8, .top_k = 40, .top_p = 0.95, .repetition_penalty = 1.1, .seed = 7};
//     if (kit_sampler_new(&sampler, &how, TOKENS, error)) ...
//     for (; n < ROOM; n++) {
//         net_forward(net, 1, &text[n - 1], logits);
//         if (kit_sampler_draw(sampler, logits, text, n, n, &text[n], error)) ...
//     }

// The steps run in this order, with the results of transformers' logits processors of these names.
struct kit_sampling {
    double repetition_penalty; // above 0: logits of tokens in the history are divided by it, negative ones multiplied
                               // (Keskar et al., arXiv:1909.05858). 1: no penalty
    double temperature;        // logits are divided by it; 0: always the most likely token, the first of equal ones
    int32_t top_k;             // 1 .. n: keeps the k most likely tokens and all that tie with the last; 0: all
    double top_p;              // above 0, up to 1: keeps the fewest tokens whose probabilities, after top_k, sum to at
                               // least top_p (Holtzman et al., arXiv:1904.09751); of equal ones the later. 1: all
    int64_t seed;
};

// The options, checked, with memory for n logits (1 .. KIT_MAX_TOKENS). One thread at a time may use it.
struct kit_sampler;

// KIT_EVALUE when an option is out of its range, KIT_ENOMEM: *sampler is NULL.
int kit_sampler_new(struct kit_sampler **sampler, const struct kit_sampling *how, int32_t n, char *error);
void kit_sampler_free(struct kit_sampler *sampler);
// Draws a token. logits: (n), where -inf forbids a token. history: (count) tokens, NULL for none; each counts once.
// draw: the number of the draw, such as the token's place in the text (times the batch, plus the row). Equal logits,
// history, seed and number give the same token on every machine. Allocates nothing. KIT_ENAN: a logit is NaN or +inf;
// KIT_EVALUE: all are -inf, or the history has a token out of range; *token does not change.
int kit_sampler_draw(struct kit_sampler *sampler, const float *logits, const int32_t *history, size_t count,
                     int64_t draw, int32_t *token, char *error);
// The probabilities that kit_sampler_draw draws from: (n), 0 for what is left out. They are exact to 1e-12; a token
// that is e^27 times less likely than the first has 0.
int kit_sampler_probabilities(struct kit_sampler *sampler, float *probability, const float *logits,
                              const int32_t *history, size_t count, char *error);

// ---- write.c: files that appear whole or not at all, and the clock --------------------------------------------------

struct kit_file {
    FILE *out;        // write here
    const char *path; // kept, not copied
    char *beside;     // the file that becomes path; NULL for devices and pipes, which are written directly
    char *target;     // the file that path leads to through links; NULL when there is none yet
};

// Opens a new file beside `path`. KIT_EIO.
int kit_file_open(struct kit_file *file, const char *path, char *error);
// Syncs it and renames it to `path`. KIT_EIO when anything since open has failed (a full disk): the new file is gone,
// and the old one is as it was.
int kit_file_close(struct kit_file *file, char *error);

// Seconds of a clock that never goes back; only differences have a meaning.
double kit_now(void);

#endif
