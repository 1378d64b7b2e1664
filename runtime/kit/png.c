// png.c: pictures as PNG files (RFC 2083): 8 bits of red, green and blue, one zlib stream.
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fail.h"
#include "kit.h"

static void put_u32(unsigned char *to, uint32_t n) {
    for (int k = 0; k < 4; k++) to[k] = (unsigned char)(n >> (24 - 8 * k));
}

// Length, name, data, and the CRC of name and data.
static void put_chunk(FILE *out, const char *name, const unsigned char *data, size_t len) {
    unsigned char word[4];
    put_u32(word, (uint32_t)len);
    fwrite(word, 1, 4, out);
    fwrite(name, 1, 4, out);
    if (len) fwrite(data, 1, len, out);
    uLong crc = crc32(crc32(0, NULL, 0), (const unsigned char *)name, 4);
    put_u32(word, (uint32_t)(len ? crc32(crc, data, (uInt)len) : crc));
    fwrite(word, 1, 4, out);
}

// Compresses all rows, each after a byte that names its filter (none). NULL without memory.
static unsigned char *compress_rows(const uint8_t *rgb, size_t width, size_t height, uLongf *len) {
    size_t row = 3 * width, raw_len = (row + 1) * height;
    unsigned char *raw = malloc(raw_len), *packed = raw ? malloc(compressBound((uLong)raw_len)) : NULL;
    bool ok = false;
    if (packed) {
        for (size_t y = 0; y < height; y++) {
            raw[y * (row + 1)] = 0;
            memcpy(raw + y * (row + 1) + 1, rgb + y * row, row);
        }
        *len = compressBound((uLong)raw_len);
        ok = compress2(packed, len, raw, (uLong)raw_len, Z_BEST_COMPRESSION) == Z_OK;
    }
    free(raw);
    if (!ok) free(packed);
    return ok ? packed : NULL;
}

int kit_png_write(const uint8_t *rgb, int width, int height, const char *path, char *error) {
    unsigned char head[13] = {[8] = 8, 2, 0, 0, 0}; // bits, colour, deflate, its filters, not interlaced
    if (width < 1 || height < 1 || height > (INT_MAX / 4 - 1) / width)
        return kit_fail(error, KIT_EVALUE, "%s: no picture has %d x %d pixels", path, width, height);
    uLongf len = 0;
    unsigned char *packed = compress_rows(rgb, (size_t)width, (size_t)height, &len);
    if (!packed) return kit_fail(error, KIT_ENOMEM, "%s: no memory for %d x %d pixels", path, width, height);
    struct kit_file file;
    int status = kit_file_open(&file, path, error);
    if (!status) {
        fwrite("\x89PNG\r\n\x1a\n", 1, 8, file.out);
        put_u32(head, (uint32_t)width), put_u32(head + 4, (uint32_t)height);
        put_chunk(file.out, "IHDR", head, sizeof head);
        put_chunk(file.out, "IDAT", packed, len);
        put_chunk(file.out, "IEND", NULL, 0);
        status = kit_file_close(&file, error);
    }
    free(packed);
    return status;
}
