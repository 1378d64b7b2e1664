// test_kit.c: IDX files and pictures good and bad, the order of epochs, and the report against scikit-learn's own text
// (tests/golden/data/reports.txt, written by tests/oracle/reports.py).
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "kit/kit.h"

// ---- IDX ----------------------------------------------------------------------------------------------------------

static void write_plain(const char *path, const void *bytes, size_t len) {
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(bytes, 1, len, f) == len && !fclose(f));
}

static void write_gzip(const char *path, const void *bytes, size_t len) {
    gzFile f = gzopen(path, "wb");
    cr_assert(f && gzwrite(f, bytes, (unsigned)len) == (int)len && gzclose(f) == Z_OK);
}

static size_t read_plain(const char *path, unsigned char *to, size_t room) {
    FILE *f = fopen(path, "rb");
    cr_assert(f);
    size_t len = fread(to, 1, room, f);
    fclose(f);
    return len;
}

#define IDX3 "\0\0\x08\x03\0\0\0\x02\0\0\0\x02\0\0\0\x03" // (2, 2, 3)

static void with_temporary(char *path) {
    strcpy(path, "/tmp/dlc_kit_XXXXXX");
    int f = mkstemp(path);
    cr_assert(f >= 0);
    close(f);
}

Test(kit, idx_files) {
    static const char images[] = IDX3 "abcdefghijkl";
    char path[64], error[KIT_ERROR_BYTES];
    with_temporary(path);
    for (int gzip = 0; gzip < 2; gzip++) {
        struct kit_idx idx;
        (gzip ? write_gzip : write_plain)(path, images, sizeof images - 1);
        cr_assert(kit_idx_read(&idx, path, error) == KIT_OK, "%s", error);
        cr_expect(idx.rank == 3 && idx.dim[0] == 2 && idx.dim[1] == 2 && idx.dim[2] == 3 && idx.count == 12);
        cr_expect(!memcmp(idx.at, "abcdefghijkl", 12));
        kit_idx_free(&idx);
        write_plain(path, "\0\0\x08\x01\0\0\0\x03xyz", 11);
        cr_assert(kit_idx_read(&idx, path, NULL) == KIT_OK);
        cr_expect(idx.rank == 1 && idx.dim[0] == 3 && !memcmp(idx.at, "xyz", 3));
        kit_idx_free(&idx);
    }
    remove(path);
}

Test(kit, idx_files_that_are_refused) {
#define ROW(bytes, error)                                                                                              \
    { bytes, sizeof bytes - 1, error }
    static const struct {
        const char *bytes;
        size_t len;
        const char *error;
    } rows[] = {
        ROW("", "too short for an IDX file"),
        ROW("\0\0\x08", "too short for an IDX file"),
        ROW("PNG\x03", "not an IDX file"),
        ROW("\0\0\x0d\x01\0\0\0\0", "elements of type 0x0d"),
        ROW("\0\0\x08\0", ": 0 axes; 1 to "),
        ROW("\0\0\x08\x09", ": 9 axes; 1 to "),
        ROW("\0\0\x08\x02\0\0\0\x02\0\0", "ends within its header"),
        ROW(IDX3 "abcdefghijk", "shorter than its header says"),
        ROW(IDX3 "abcdefghijklm", "longer than the 12 bytes"),
        ROW("\0\0\x08\x01\x80\0\0\0", "more than 2^40"),
        ROW("\0\0\x08\x04\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff", "more than 2^40"),
        ROW("\0\0\x08\x01\x7f\xff\xff\xff"
            "abc",
            "shorter than its header says"),
    };
    char path[64], error[KIT_ERROR_BYTES];
    with_temporary(path);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int gzip = 0; gzip < 2; gzip++) {
            struct kit_idx idx;
            (gzip ? write_gzip : write_plain)(path, rows[i].bytes, rows[i].len);
            cr_expect(kit_idx_read(&idx, path, error) == KIT_EFORMAT, "row %zu is read", i);
            cr_expect(strstr(error, rows[i].error) && strstr(error, path), "row %zu: got \"%s\"", i, error);
            cr_expect(idx.at == NULL && idx.count == 0);
        }
    remove(path);
    struct kit_idx idx;
    cr_expect(kit_idx_read(&idx, "/nowhere/x", error) == KIT_EIO && strstr(error, "No such file"), "%s", error);
    cr_expect(kit_idx_read(&idx, "/", error) == KIT_EIO && strstr(error, ": Is a directory"), "%s", error);
}

// A gzip file cut anywhere, or with any byte changed, is refused or read whole: never a wrong image.
Test(kit, damaged_gzip) {
    static const char images[] = IDX3 "abcdefghijkl";
    unsigned char bytes[256];
    char path[64], error[KIT_ERROR_BYTES] = "";
    with_temporary(path);
    write_gzip(path, images, sizeof images - 1);
    size_t len = read_plain(path, bytes, sizeof bytes);
    struct kit_idx idx;
    for (size_t n = 0; n < len; n++) {
        write_plain(path, bytes, n);
        cr_expect(kit_idx_read(&idx, path, error) == KIT_EFORMAT, "%zu of %zu bytes are read", n, len);
    }
    for (size_t n = 0; n < len; n++) {
        bytes[n] ^= 0x41;
        write_plain(path, bytes, len);
        if (!kit_idx_read(&idx, path, error))
            cr_expect(!memcmp(idx.at, "abcdefghijkl", 12), "byte %zu: other pixels", n);
        kit_idx_free(&idx);
        bytes[n] ^= 0x41;
    }
    bytes[len - 6] ^= 1; // the checksum
    write_plain(path, bytes, len);
    cr_expect(kit_idx_read(&idx, path, error) == KIT_EFORMAT && strstr(error, "the gzip file is damaged: "), "%s",
              error);
    remove(path);
}

// ---- batches ------------------------------------------------------------------------------------------------------

Test(kit, every_epoch_is_a_permutation) {
    enum { COUNT = 1000, BATCH = 64 };
    struct kit_batches b;
    int32_t first[COUNT], moved = 0;
    cr_assert(kit_batches_new(&b, COUNT, BATCH, NULL) == KIT_OK);
    for (int epoch = -1; epoch < 4; epoch++) {
        bool seen[COUNT] = {0};
        int32_t n, total = 0, last = 0;
        const int32_t *index;
        kit_batches_shuffle(&b, 7, epoch);
        for (; (n = kit_batches_next(&b, &index)) > 0; total += last = n)
            for (int i = 0; i < n; i++) {
                cr_assert(index[i] >= 0 && index[i] < COUNT && !seen[index[i]], "item %d comes twice", index[i]);
                seen[index[i]] = true;
                cr_expect(epoch >= 0 || index[i] == total + i, "no epoch, but another order");
            }
        cr_expect(total == COUNT && last == COUNT % BATCH && kit_batches_next(&b, &index) == 0);
        if (epoch > 0) cr_expect(memcmp(first, b.order, sizeof first), "epoch %d is epoch 0", epoch);
        if (epoch == 0) memcpy(first, b.order, sizeof first);
    }
    for (int i = 0; i < COUNT; i++) moved += first[i] != i;
    cr_expect(moved > COUNT - 20, "only %d items moved", moved);
    kit_batches_shuffle(&b, 7, 0);
    cr_expect(!memcmp(first, b.order, sizeof first), "the same seed and epoch, another order");
    kit_batches_shuffle(&b, 8, 0);
    cr_expect(memcmp(first, b.order, sizeof first), "another seed, the same order");
    kit_batches_free(&b);
}

// All 24 orders of 4 items come equally often.
Test(kit, orders_are_uniform) {
    struct kit_batches b;
    int count[256] = {0}, orders = 0;
    cr_assert(kit_batches_new(&b, 4, 4, NULL) == KIT_OK);
    for (int epoch = 0; epoch < 24000; epoch++) {
        kit_batches_shuffle(&b, 1, epoch);
        count[b.order[0] * 64 + b.order[1] * 16 + b.order[2] * 4 + b.order[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        orders += count[i] > 0;
        cr_expect(!count[i] || abs(count[i] - 1000) < 160, "an order came %d times in 24000", count[i]);
    }
    cr_expect(orders == 24, "%d orders", orders);
    kit_batches_free(&b);
}

Test(kit, gather) {
    static const uint8_t labels[] = {7, 8, 9};
    static const int32_t index[] = {2, 0};
    int32_t label[2];
    kit_gather_labels(label, labels, index, 2);
    cr_expect(label[0] == 9 && label[1] == 7);
}

// ---- metrics ------------------------------------------------------------------------------------------------------

Test(kit, argmax) {
    static const float value[] = {NAN, 1, 3, 3, -INFINITY, NAN}, none[] = {NAN, NAN};
    cr_expect(kit_argmax(value, 6) == 2 && kit_argmax(none, 2) == 0 && kit_argmax(value + 4, 2) == 0);
    int64_t matrix[4] = {0};
    kit_confusion_add(matrix, 2, 1, 0);
    kit_confusion_add(matrix, 2, 2, 0), kit_confusion_add(matrix, 2, 0, -1), kit_confusion_add(matrix, 2, -1, 0);
    cr_expect(matrix[0] == 0 && matrix[1] == 0 && matrix[2] == 1 && matrix[3] == 0 && kit_accuracy(matrix, 2) == 0);
}

// Reads one block of the golden file and compares; false at its end.
static bool check_report(FILE *golden, int number) {
    static int64_t matrix[140 * 140];
    static char name[140][64], want[1 << 15], got[1 << 15];
    const char *names[140];
    int classes, digits, lines;
    if (fscanf(golden, " matrix %d %d", &classes, &digits) != 2) return false;
    cr_assert(classes <= 140);
    for (int k = 0; k < classes; k++) cr_assert(fscanf(golden, "%63s", name[k]) == 1);
    for (int k = 0; k < classes; k++) names[k] = name[k];
    for (int k = 0; k < classes * classes; k++) {
        long long n;
        cr_assert(fscanf(golden, "%lld", &n) == 1);
        matrix[k] = n;
    }
    cr_assert(fscanf(golden, " report %d", &lines) == 1 && fgetc(golden) == '\n');
    size_t len = 0;
    for (int k = 0; k < lines; k++, len += strlen(want + len))
        cr_assert(fgets(want + len, (int)(sizeof want - len), golden));
    FILE *out = fmemopen(got, sizeof got, "w");
    cr_assert(out);
    kit_report_print(out, matrix, classes, names, digits);
    fclose(out);
    cr_expect_str_eq(got, want, "report %d: got\n%s\nwant\n%s", number, got, want);
    return true;
}

Test(kit, reports_are_scikit_learns) {
    FILE *golden = fopen("tests/golden/data/reports.txt", "r");
    cr_assert(golden, "run from the top of the sources");
    int count = 0;
    while (check_report(golden, count)) count++;
    cr_expect(count == 29, "%d reports", count);
    fclose(golden);
}

Test(kit, confusion_matrix) {
    static const char *const names[] = {"cat", "elephant"};
    static const int64_t matrix[] = {3, 1, 0, 12};
    char got[256] = "";
    FILE *out = fmemopen(got, sizeof got, "w");
    kit_confusion_print(out, matrix, 2, names);
    fclose(out);
    cr_expect_str_eq(got, "   truth     cat elepha\n     cat       3      1\nelephant       0     12\n");
}

// ---- pictures -------------------------------------------------------------------------------------------------------

// Pixel k of the picture is (k, 100 + k, 200 + k).
static size_t picture(char *to, const char *header, int pixels) {
    size_t len = strlen(header);
    memcpy(to, header, len);
    for (int k = 0; k < pixels; k++)
        for (int c = 0; c < 3; c++) to[len++] = (char)(k + 100 * c);
    return len;
}

Test(kit, pictures_are_cut_and_scaled) {
    static const struct {
        const char *header;
        int pixels, side;
        float first[4]; // of the first channel, times 255
    } row[] = {
        {"P6 2 2 255\n", 4, 2, {0, 1, 2, 3}},
        {"P6\n# a comment\n4 2\n255\n", 8, 2, {1, 2, 5, 6}}, // the middle of a wide one
        {"P6 2 4 255 ", 8, 2, {2, 3, 4, 5}},                 // and of a high one
        {"P6 4 4 255\n", 16, 2, {2.5f, 4.5f, 10.5f, 12.5f}}, // means of 2 x 2
        {"P6 1 1 255\n", 1, 2, {0, 0, 0, 0}},                // a small one grows
    };
    char path[64], bytes[256], error[KIT_ERROR_BYTES];
    with_temporary(path);
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        float got[12];
        write_plain(path, bytes, picture(bytes, row[k].header, row[k].pixels));
        cr_assert(kit_ppm_read(got, row[k].side, path, error) == KIT_OK, "%s", error);
        for (int c = 0; c < 3; c++)
            for (int e = 0; e < 4; e++)
                cr_expect(fabsf(got[c * 4 + e] * 255 - row[k].first[e] - (float)(100 * c)) < 1e-3f,
                          "%s: channel %d: %g", row[k].header, c, (double)got[c * 4 + e] * 255);
    }
    remove(path);
}

Test(kit, pictures_that_are_none) {
    static const struct {
        const char *header;
        int pixels;
        const char *says;
    } row[] = {
        {"P5 2 2 255\n", 4, "does not start with P6"},
        {"P6 2 2 255\n", 3, "truncated: 2 x 2 pixels are 12 bytes, there are 9"},
        {"P6 0 2 255\n", 4, "the size in the header is not 1 to "},
        {"P6 99999 2 255\n", 4, "the size in the header is not 1 to "},
        {"P6 2 2 65535\n", 4, "only pixels from 0 to 255 are read"},
        {"P6 2", 0, "the size in the header is not 1 to "},
    };
    char path[64], bytes[256], error[KIT_ERROR_BYTES];
    with_temporary(path);
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        float got[12];
        write_plain(path, bytes, picture(bytes, row[k].header, row[k].pixels));
        cr_expect(kit_ppm_read(got, 2, path, error) == KIT_EFORMAT && strstr(error, row[k].says), "%s: %s",
                  row[k].header, error);
    }
    remove(path);
    cr_expect(kit_ppm_read(NULL, 2, path, error) == KIT_EIO && strstr(error, ": No such file or directory"), "%s",
              error);
}
