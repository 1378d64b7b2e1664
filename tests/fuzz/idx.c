// idx.c: any bytes as an IDX file, plain or gzip.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/kit.h"

static char path[64];

static void remove_path(void) { unlink(path); }

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!*path) {
        snprintf(path, sizeof path, "/dev/shm/dlc-fuzz-%d", (int)getpid());
        atexit(remove_path);
    }
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file)) exit(3);
    struct kit_idx idx;
    char error[KIT_ERROR_BYTES] = "";
    int status = kit_idx_read(&idx, path, error);
    if (status && (!*error || idx.at || idx.count)) abort(); // refused without a word, or not empty
    unsigned sum = 0;
    for (size_t k = 0; k < idx.count; k++) sum += idx.at[k]; // all of it is there
    if (sum == 1u << 31) abort();
    kit_idx_free(&idx);
    return 0;
}
