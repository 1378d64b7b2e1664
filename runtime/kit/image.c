// image.c: transforms of one image of bytes, each with the arithmetic of Pillow, so that results are equal to the byte.
// Resizing is in resize.c.
#include <math.h>

#include "steps.h"

void kit_image_gray(uint8_t *to, const uint8_t *from, size_t pixels) {
    // 0.299, 0.587, 0.114 (ITU-R 601) times 2^16; their sum is 2^16, so grey stays as it is.
    for (size_t p = 0; p < pixels; p++)
        to[p] =
            (uint8_t)((from[p] * 19595u + from[pixels + p] * 38470u + from[2 * pixels + p] * 7471u + 0x8000u) >> 16);
}

// ---- rotation ------------------------------------------------------------------------------------------------------

// Where the result's point (x, y) lies in the source: (xx * x + xy * y + x0, yx * x + yy * y + y0).
struct affine {
    double xx, xy, x0, yx, yy, y0;
};

// Rounds to 15 decimals, so that right angles are exact. The product of doubles is off by up to 1/16 here; fma gives
// the error, which decides when the fraction is near one half.
static double decimals(double x) {
    double product = x * 1e15, lost = fma(x, 1e15, -product), whole = floor(product);
    return (product - whole - 0.5 + lost > 0 ? whole + 1 : whole) / 1e15;
}

static struct affine turn_back(int rows, int columns, double degrees) {
    double turn = fmod(degrees, 360);
    if (turn < 0) turn += 360;
    double angle = -turn * (3.14159265358979323846 / 180), c = decimals(cos(angle)), s = decimals(sin(angle));
    double x = columns / 2.0, y = rows / 2.0; // the middle stays where it is
    double cx = c * -x, sy = s * -y, sx = -s * -x, cy = c * -y;
    double x0 = cx + sy + 0.0, y0 = sx + cy + 0.0;
    return (struct affine){.xx = c, .xy = s, .x0 = x0 + x, .yx = -s, .yy = c, .y0 = y0 + y};
}

static int64_t fixed(double x) { return (int64_t)floor(x * 65536 + 0.5); }

// Coordinates are numbers with 16 fractional bits that grow by a constant from pixel to pixel.
static void rotate_nearest(uint8_t *to, const uint8_t *from, int rows, int columns, const struct affine *a) {
    int64_t xx = fixed(a->xx), xy = fixed(a->xy), yx = fixed(a->yx), yy = fixed(a->yy);
    int64_t x_row = fixed(a->x0 + a->xx * 0.5 + a->xy * 0.5), y_row = fixed(a->y0 + a->yx * 0.5 + a->yy * 0.5);
    for (int row = 0; row < rows; row++, x_row += xy, y_row += yy) {
        int64_t x = x_row, y = y_row;
        for (int column = 0; column < columns; column++, x += xx, y += yx) {
            int64_t u = x >> 16, v = y >> 16;
            *to++ = u >= 0 && u < columns && v >= 0 && v < rows ? from[v * columns + u] : 0;
        }
    }
}

static double between(double a, double b, double part) {
    double step = (b - a) * part;
    return a + step;
}

// The mean of the four pixels around (x, y), weighted by how near they are. A pixel outside is the one at the edge.
static uint8_t bilinear(const uint8_t *from, int rows, int columns, double x, double y) {
    if (!(x >= 0 && x < columns && y >= 0 && y < rows)) return 0;
    x -= 0.5, y -= 0.5;
    int left = (int)floor(x), top = (int)floor(y);
    double dx = x - left, dy = y - top;
    int u0 = left < 0 ? 0 : left, u1 = left + 1 < columns ? left + 1 : columns - 1;
    const uint8_t *row = from + (size_t)(top < 0 ? 0 : top) * (size_t)columns;
    double upper = between(row[u0], row[u1], dx), lower = upper;
    if (top + 1 < rows) {
        row = from + (size_t)(top + 1) * (size_t)columns;
        lower = between(row[u0], row[u1], dx);
    }
    return (uint8_t)between(upper, lower, dy);
}

void kit_image_rotate(uint8_t *to, const uint8_t *from, int rows, int columns, double degrees,
                      enum kit_interpolation interpolation) {
    struct affine a = turn_back(rows, columns, degrees);
    if (interpolation == KIT_NEAREST) {
        rotate_nearest(to, from, rows, columns, &a);
        return;
    }
    for (int row = 0; row < rows; row++)
        for (int column = 0; column < columns; column++) {
            double x = column + 0.5, y = row + 0.5;
            double ux = a.xx * x, uy = a.xy * y, vx = a.yx * x, vy = a.yy * y;
            *to++ = bilinear(from, rows, columns, ux + uy + a.x0, vx + vy + a.y0);
        }
}

void kit_image_flip(uint8_t *image, int planes, int rows, int columns) {
    for (int64_t row = 0; row < (int64_t)planes * rows; row++, image += columns)
        for (int left = 0, right = columns - 1; left < right; left++, right--) {
            uint8_t pixel = image[left];
            image[left] = image[right], image[right] = pixel;
        }
}

// ---- colours -------------------------------------------------------------------------------------------------------

// from + factor * (value - from) in float arithmetic, cut to a byte. All 256 values are computed, then looked up.
static void blend(uint8_t *image, size_t bytes, int from, float factor) {
    uint8_t table[256];
    for (int value = 0; value < 256; value++) {
        float step = factor * (float)(value - from), sum = (float)from + step;
        table[value] = sum <= 0 ? 0 : sum >= 255 ? 255 : (uint8_t)sum;
    }
    for (size_t p = 0; p < bytes; p++) image[p] = table[image[p]];
}

void kit_image_brightness(uint8_t *image, size_t bytes, float factor) { blend(image, bytes, 0, factor); }

void kit_image_contrast(uint8_t *image, int channels, size_t pixels, float factor) {
    uint64_t sum = 0;
    if (!pixels) return;
    for (size_t p = 0; p < pixels; p++) {
        uint8_t gray = image[p];
        if (channels == 3) {
            const uint8_t pixel[3] = {image[p], image[pixels + p], image[2 * pixels + p]};
            kit_image_gray(&gray, pixel, 1);
        }
        sum += gray;
    }
    int mean = (int)((double)sum / (double)pixels + 0.5);
    blend(image, (size_t)channels * pixels, mean, factor);
}

void kit_normalize_table(float table[256], float mean, float std) {
    for (int value = 0; value < 256; value++) {
        float part = (float)value / 255, middle = part - mean;
        table[value] = middle / std;
    }
}

void kit_look_up(float *to, const uint8_t *from, size_t pixels, const float table[256]) {
    for (size_t p = 0; p < pixels; p++) to[p] = table[from[p]];
}

void kit_image_normalize(float *to, const uint8_t *from, int channels, size_t pixels, const float *mean,
                         const float *std) {
    float table[256];
    for (int c = 0; c < channels; c++, to += pixels, from += pixels) {
        kit_normalize_table(table, mean ? mean[c] : 0, std ? std[c] : 1);
        kit_look_up(to, from, pixels, table);
    }
}
