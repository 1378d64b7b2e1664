// picture.c: pictures from binary PPM files, cut and scaled to what a net takes.
//     P6 640 480 255 and the pixels  ->  (3, side, side) floats from 0 to 1
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"

enum { MAX_SIDE = 1 << 15 };

// The next number of the header, after white space and comments; -1 when there is none or it is above 2^15.
static int read_number(FILE *file) {
    int c = getc(file);
    while (isspace(c) || c == '#') {
        if (c == '#')
            while (c != '\n' && c != EOF) c = getc(file);
        c = getc(file);
    }
    if (!isdigit(c)) return -1;
    int value = 0;
    for (; isdigit(c); c = getc(file))
        if ((value = 10 * value + (c - '0')) > MAX_SIDE) return -1;
    return isspace(c) ? value : -1; // one white space ends the header
}

// Each pixel of the result is the mean of the pixels that it covers, at least one, in the square around the middle.
static void scale(float *to, int side, const unsigned char *pixel, int width, int height) {
    int square = width < height ? width : height, left = (width - square) / 2, top = (height - square) / 2;
    for (int y = 0; y < side; y++)
        for (int x = 0; x < side; x++) {
            int y0 = (int)((int64_t)y * square / side), y1 = (int)((int64_t)(y + 1) * square / side);
            int x0 = (int)((int64_t)x * square / side), x1 = (int)((int64_t)(x + 1) * square / side);
            if (y1 == y0) y1++;
            if (x1 == x0) x1++;
            double sum[3] = {0};
            for (int v = y0; v < y1; v++)
                for (int u = x0; u < x1; u++)
                    for (int c = 0; c < 3; c++)
                        sum[c] += pixel[((size_t)(top + v) * (size_t)width + (size_t)(left + u)) * 3 + (size_t)c];
            for (int c = 0; c < 3; c++)
                to[((size_t)c * (size_t)side + (size_t)y) * (size_t)side + (size_t)x] =
                    (float)(sum[c] / (255.0 * (y1 - y0) * (x1 - x0)));
        }
}

static int read_open(float *to, int side, FILE *file, const char *path, char *error) {
    if (getc(file) != 'P' || getc(file) != '6')
        return kit_fail(error, KIT_EFORMAT, "%s: not a binary PPM: it does not start with P6", path);
    int width = read_number(file), height = read_number(file), most = read_number(file);
    if (width < 1 || height < 1)
        return kit_fail(error, KIT_EFORMAT, "%s: the size in the header is not 1 to %d pixels each way", path,
                        MAX_SIDE);
    if (most != 255) return kit_fail(error, KIT_EFORMAT, "%s: only pixels from 0 to 255 are read", path);
    size_t bytes = (size_t)width * (size_t)height * 3;
    unsigned char *pixel = malloc(bytes);
    if (!pixel) return kit_fail(error, KIT_ENOMEM, "%s: no memory for %zu bytes", path, bytes);
    size_t got = fread(pixel, 1, bytes, file);
    if (got == bytes) scale(to, side, pixel, width, height);
    free(pixel);
    if (got == bytes) return KIT_OK;
    return kit_fail(error, KIT_EFORMAT, "%s: truncated: %d x %d pixels are %zu bytes, there are %zu", path, width,
                    height, bytes, got);
}

int kit_ppm_read(float *to, int side, const char *path, char *error) {
    FILE *file = fopen(path, "rb");
    if (!file) return kit_fail(error, KIT_EIO, "%s: %s", path, strerror(errno));
    int status = read_open(to, side, file, path, error);
    fclose(file);
    return status;
}
