// ints.h: rounding divisions. b is positive unless stated.
#ifndef DLC_INTS_H
#define DLC_INTS_H

#include <stdint.h>

static inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; } // a >= 0
// The largest whole number not above a / b; b is not 0, and may be negative.
static inline int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a % b < 0) != (b < 0)); }
static inline int64_t gcd(int64_t a, int64_t b) { // of either sign
    while (b) {
        int64_t rest = a % b;
        a = b, b = rest;
    }
    return a < 0 ? -a : a;
}
static inline int64_t round_up(int64_t a, int64_t b) { return (a + b - 1) / b * b; } // to a multiple of b; a >= 0

#endif
