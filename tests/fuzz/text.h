// text.h: what the fuzzers of dlc's two text formats share.
#ifndef DLC_FUZZ_TEXT_H
#define DLC_FUZZ_TEXT_H

#include <stddef.h>
#include <stdint.h>

// Compiles the text as a file that ends in `suffix` (".dl", ".graph"), from parsing to printed C, with options that a
// hash of the text chooses. Exit 70, a sanitizer's report and taking more than 40 s end the process: with sanitizers
// that is about 5 s of a plain build.
void fuzz_compile(const uint8_t *text, size_t size, const char *suffix);

#endif
