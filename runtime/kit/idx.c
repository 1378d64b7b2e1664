// idx.c: tensors of bytes from IDX files. gzread reads plain files as they are.
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "fail.h"

// 1 when exactly n bytes came, 0 at the end of the file, -1 after an error.
static int read_all(gzFile file, void *to, size_t n) {
    unsigned char *at = to;
    while (n) {
        unsigned part = n > 1u << 24 ? 1u << 24 : (unsigned)n;
        int got = gzread(file, at, part);
        if (got <= 0) return got;
        at += got;
        n -= (size_t)got;
    }
    return 1;
}

// Reports why bytes could not be read: what zlib or the system says, or else `end`.
static int fail_read(gzFile file, int got, const char *path, char *error, const char *end) {
    int number = Z_OK, why = errno;
    const char *said = gzerror(file, &number);
    if (got >= 0 && number != Z_BUF_ERROR) return kit_fail(error, KIT_EFORMAT, "%s: %s", path, end);
    if (number == Z_ERRNO) return kit_fail(error, KIT_EIO, "%s: %s", path, why ? strerror(why) : "cannot be read");
    if (number == Z_BUF_ERROR) return kit_fail(error, KIT_EFORMAT, "%s: the gzip file is truncated", path);
    return kit_fail(error, KIT_EFORMAT, "%s: the gzip file is damaged: %s", path, said);
}

// Magic (0, 0, 8 for bytes, rank), then the dims as big-endian 32-bit numbers.
static int read_header(gzFile file, struct kit_idx *idx, const char *path, char *error) {
    unsigned char head[4], dim[4];
    int got = read_all(file, head, 4);
    if (got != 1) return fail_read(file, got, path, error, "too short for an IDX file");
    if (head[0] || head[1])
        return kit_fail(error, KIT_EFORMAT, "%s: not an IDX file: it starts with %02x %02x, not 00 00", path, head[0],
                        head[1]);
    if (head[2] != 8)
        return kit_fail(error, KIT_EFORMAT, "%s: elements of type 0x%02x; only bytes (0x08) are read", path, head[2]);
    if (head[3] < 1 || head[3] > KIT_MAX_RANK)
        return kit_fail(error, KIT_EFORMAT, "%s: %d axes; 1 to %d are read", path, head[3], KIT_MAX_RANK);
    idx->rank = head[3];
    // At most 2^40 elements, or 2^31 where size_t has 32 bits.
    const int bits = sizeof(size_t) > 4 ? 40 : 31;
    uint64_t count = 1;
    for (int d = 0; d < idx->rank; d++) {
        got = read_all(file, dim, 4);
        if (got != 1) return fail_read(file, got, path, error, "ends within its header");
        uint32_t extent = (uint32_t)dim[0] << 24 | (uint32_t)dim[1] << 16 | (uint32_t)dim[2] << 8 | dim[3];
        if (extent > INT32_MAX || (extent && count > ((uint64_t)1 << bits) / extent))
            return kit_fail(error, KIT_EFORMAT, "%s: says that it holds more than 2^%d elements", path, bits);
        idx->dim[d] = (int32_t)extent;
        count *= extent;
    }
    idx->count = (size_t)count;
    return KIT_OK;
}

static int read_body(gzFile file, struct kit_idx *idx, const char *path, char *error) {
    int status = read_header(file, idx, path, error);
    if (status) return status;
    // In parts, so that a header that lies does not make us ask for all the memory that it claims.
    size_t have = 0, capacity = 0;
    while (have < idx->count) {
        size_t part = idx->count - have < 1u << 24 ? idx->count - have : 1u << 24;
        if (capacity < have + part) {
            capacity = capacity + capacity / 2 > have + part ? capacity + capacity / 2 : have + part;
            if (capacity > idx->count) capacity = idx->count;
            uint8_t *more = realloc(idx->at, capacity);
            if (!more) return kit_fail(error, KIT_ENOMEM, "%s: no memory for %zu bytes", path, capacity);
            idx->at = more;
        }
        int got = read_all(file, idx->at + have, part);
        if (got != 1) return fail_read(file, got, path, error, "truncated: shorter than its header says");
        have += part;
    }
    // Reading one more byte must meet the end of the file; only then has zlib compared the checksum.
    unsigned char extra;
    int got = gzread(file, &extra, 1);
    if (got > 0)
        return kit_fail(error, KIT_EFORMAT, "%s: longer than the %zu bytes that its header says", path, idx->count);
    int number = Z_OK;
    gzerror(file, &number);
    return got == 0 && number == Z_OK ? KIT_OK : fail_read(file, got, path, error, "damaged");
}

int kit_idx_read(struct kit_idx *idx, const char *path, char *error) {
    memset(idx, 0, sizeof *idx);
    errno = 0;
    gzFile file = gzopen(path, "rb");
    if (!file) return kit_fail(error, KIT_EIO, "%s: %s", path, errno ? strerror(errno) : "cannot be opened");
    int status = read_body(file, idx, path, error);
    gzclose(file);
    if (status) kit_idx_free(idx);
    return status;
}

void kit_idx_free(struct kit_idx *idx) {
    free(idx->at);
    memset(idx, 0, sizeof *idx);
}
