// dataset.c: images and labels read from two IDX files that belong together, and checked.
//     DIR/train-images-idx3-ubyte.gz (60000, 28, 28), DIR/train-labels-idx1-ubyte.gz (60000)  ->  struct kit_dataset
#include <errno.h>
#include <string.h>

#include "fail.h"

enum { PATH_BYTES = 4096 };

// Whether there is a file of that name. One that cannot be opened, for example without permission, is there too.
static int exists(const char *path) {
    errno = 0;
    FILE *file = fopen(path, "rb");
    if (!file) return errno != ENOENT && errno != ENOTDIR;
    fclose(file);
    return 1;
}

// Reads a file of the set under the first of its possible names that exists; `path` gets that name. axes: "34" or "1".
static int read_part(struct kit_idx *idx, char path[PATH_BYTES], const char *directory, const char *prefix,
                     const char *what, const char *axes, char *error) {
    static const char *const endings[] = {".gz", ""};
    for (const char *axis = axes; *axis; axis++)
        for (int joint = 0; joint < 2; joint++)
            for (int e = 0; e < 2; e++) {
                int len = snprintf(path, PATH_BYTES, "%s/%s-%s%cidx%c-ubyte%s", directory, prefix, what, "-."[joint],
                                   *axis, endings[e]);
                if (len < 0 || len >= PATH_BYTES)
                    return kit_fail(error, KIT_EVALUE, "the name of the directory is longer than %d bytes", PATH_BYTES);
                if (exists(path)) return kit_idx_read(idx, path, error);
            }
    return kit_fail(error, KIT_EIO, "%s: holds no %s-%s-idx%c-ubyte, with .gz or without", directory, prefix, what,
                    axes[0]);
}

// (count, rows, columns), or (count, channels, rows, columns).
static int check_images(struct kit_dataset *set, const char *path, char *error) {
    const struct kit_idx *images = &set->images;
    if (images->rank < 3)
        return kit_fail(error, KIT_EFORMAT, "%s: %d axes; images have 3 (count, rows, columns) or 4 (with channels)",
                        path, images->rank);
    set->count = images->dim[0];
    set->channels = images->rank == 4 ? images->dim[1] : 1;
    set->rows = images->dim[images->rank - 2];
    set->columns = images->dim[images->rank - 1];
    if (set->channels != 1 && set->channels != 3)
        return kit_fail(error, KIT_EFORMAT, "%s: images of %d channels; 1 or 3 are read", path, (int)set->channels);
    if (set->rows < 1 || set->rows > KIT_MAX_SIDE || set->columns < 1 || set->columns > KIT_MAX_SIDE)
        return kit_fail(error, KIT_EFORMAT, "%s: images of %d x %d pixels; sides are 1 to %d", path, (int)set->rows,
                        (int)set->columns, KIT_MAX_SIDE);
    if (set->count < 1) return kit_fail(error, KIT_EFORMAT, "%s: there are no images in it", path);
    return KIT_OK;
}

static int check_labels(const struct kit_dataset *set, const char *path, const char *images, char *error) {
    const struct kit_idx *labels = &set->labels;
    if (labels->rank != 1) return kit_fail(error, KIT_EFORMAT, "%s: %d axes; labels have 1", path, labels->rank);
    if (labels->dim[0] != set->count)
        return kit_fail(error, KIT_EFORMAT, "%s: %d labels, but %d images in %s", path, (int)labels->dim[0],
                        (int)set->count, images);
    for (int32_t k = 0; k < set->count; k++)
        if (labels->at[k] >= set->classes)
            return kit_fail(error, KIT_EFORMAT, "%s: label %d at index %d; with %d classes labels are 0 to %d", path,
                            labels->at[k], (int)k, (int)set->classes, (int)set->classes - 1);
    return KIT_OK;
}

static int read_both(struct kit_dataset *set, const char *directory, const char *prefix, char *error) {
    char images[PATH_BYTES], labels[PATH_BYTES];
    int status = read_part(&set->images, images, directory, prefix, "images", "34", error);
    if (!status) status = check_images(set, images, error);
    if (!status) status = read_part(&set->labels, labels, directory, prefix, "labels", "1", error);
    if (!status) status = check_labels(set, labels, images, error);
    return status;
}

int kit_dataset_read(struct kit_dataset *set, const char *directory, const char *prefix, int classes, int32_t limit,
                     char *error) {
    *set = (struct kit_dataset){.classes = classes};
    if (classes < 1 || classes > 256)
        return kit_fail(error, KIT_EVALUE, "%d classes; labels of one byte tell 1 to 256 apart", classes);
    if (limit < 0) return kit_fail(error, KIT_EVALUE, "a limit of %d images; 0 reads all", (int)limit);
    int status = read_both(set, directory, prefix, error);
    if (status) kit_dataset_free(set);
    if (!status && limit && limit < set->count) set->count = limit;
    return status;
}

void kit_dataset_free(struct kit_dataset *set) {
    kit_idx_free(&set->images);
    kit_idx_free(&set->labels);
    *set = (struct kit_dataset){0};
}

const uint8_t *kit_dataset_image(const struct kit_dataset *set, int32_t index) {
    return set->images.at + (size_t)index * (size_t)set->channels * (size_t)set->rows * (size_t)set->columns;
}
