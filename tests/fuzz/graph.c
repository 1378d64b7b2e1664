// graph.c: any text as a .graph, from the reader to printed C.
#include "text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_compile(data, size, ".graph");
    return 0;
}
