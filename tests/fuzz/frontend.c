// frontend.c: any text as a .dl, from the scanner to printed C.
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_compile(data, size, ".dl");
    return 0;
}
