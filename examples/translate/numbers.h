// numbers.h: numbers from 0 to 999,999, as words and as digits.
#ifndef TRANSLATE_NUMBERS_H
#define TRANSLATE_NUMBERS_H

#include <stdbool.h>
#include <stdint.h>

enum {
    NUMBERS = 1000000,
    WORDS_BYTES = 96, // of the longest: "nine hundred and ninety nine thousand nine hundred and ninety nine"
    OUT = 7,          // six digits and END
    END = 10,
    START = 11
};

// All words, each once.
extern const char all_words[];

// 4012 becomes "four thousand and twelve". number: 0 .. NUMBERS - 1.
void number_words(char to[WORDS_BYTES], int32_t number);
// 4012 becomes 4 0 1 2 END, followed by `padding`.
void number_digits(int32_t to[OUT], int32_t number, int32_t padding);
// A tenth of the numbers is never trained on: which, a hash of the number decides.
bool is_held_out(int32_t number);
// Draw k: not held out. Each number of digits is as often as the others, because short numbers would hardly occur, and
// half of the draws have zeros in about half of their places, because "six hundred thousand and one" would not either.
int32_t draw_number(int64_t seed, int64_t k);

#endif
