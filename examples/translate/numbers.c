// numbers.c: numbers as words and as digits, and which of them are held out.
#include "numbers.h"

#include <stdio.h>
#include <string.h>

static const char *const small[] = {"zero",     "one",     "two",     "three",     "four",     "five",    "six",
                                    "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
                                    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
static const char *const tens[] = {"twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"};

const char all_words[] =
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety "
    "hundred thousand and";

static void append(char to[WORDS_BYTES], const char *word) {
    size_t length = strlen(to);
    snprintf(to + length, WORDS_BYTES - length, "%s%s", length ? " " : "", word);
}

// 1 .. 999
static void append_below_thousand(char to[WORDS_BYTES], int32_t n) {
    if (n >= 100) append(to, small[n / 100]), append(to, "hundred");
    if (n >= 100 && n % 100) append(to, "and");
    n %= 100;
    if (n >= 20) append(to, tens[n / 10 - 2]), n %= 10;
    if (n) append(to, small[n]);
}

void number_words(char to[WORDS_BYTES], int32_t number) {
    int32_t thousands = number / 1000, rest = number % 1000;
    *to = 0;
    if (!number) append(to, small[0]);
    if (thousands) append_below_thousand(to, thousands), append(to, "thousand");
    if (thousands && rest && rest < 100) append(to, "and");
    if (rest) append_below_thousand(to, rest);
}

void number_digits(int32_t to[OUT], int32_t number, int32_t padding) {
    char text[16];
    int n = snprintf(text, sizeof text, "%d", (int)number);
    for (int k = 0; k < OUT; k++) to[k] = k < n ? text[k] - '0' : k == n ? END : padding;
}

// splitmix64 (Steele, Lea and Flood, 2014): each bit of the result depends on each bit of x.
static uint64_t mix(uint64_t x) {
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

bool is_held_out(int32_t number) { return mix((uint64_t)number) % 10 == 0; }

int32_t draw_number(int64_t seed, int64_t k) {
    static const int32_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000};
    for (uint64_t random = mix(mix((uint64_t)seed) + (uint64_t)k);; random = mix(random)) {
        uint64_t digits = random % 6, least = digits ? (uint64_t)power[digits] : 0;
        int32_t number = (int32_t)(least + random / 6 % ((uint64_t)power[digits + 1] - least));
        uint64_t zeros = random >> 63 ? mix(random) : 0;
        for (uint64_t place = 0; place < digits; place++)
            if (zeros >> place & 1) number -= number / power[place] % 10 * power[place];
        if (!is_held_out(number)) return number;
    }
}
