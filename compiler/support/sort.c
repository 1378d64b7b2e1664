// sort.c: a merge sort from the bottom up: runs of 1, 2, 4, ... elements are merged into an array beside.
#include "support/sort.h"

#include <stdbool.h>
#include <string.h>

#include "support/arena.h"

// Merges the sorted runs [0, half) and [half, n). An element of the second one goes first only if it is less.
static void merge(char *to, const char *from, size_t half, size_t n, size_t size,
                  int (*compare)(const void *, const void *)) {
    size_t a = 0, b = half;
    for (size_t k = 0; k < n; k++) {
        bool second = a == half || (b < n && compare(from + b * size, from + a * size) < 0);
        memcpy(to + k * size, from + (second ? b++ : a++) * size, size);
    }
}

void sort_stable(void *at, size_t n, size_t size, int (*compare)(const void *, const void *)) {
    Arena scratch = {0};
    char *from = at, *to = NEW_ARRAY(&scratch, char, n *size + 1);
    for (size_t run = 1; run < n; run *= 2) {
        for (size_t k = 0; k < n; k += 2 * run) {
            size_t both = n - k < 2 * run ? n - k : 2 * run;
            merge(to + k * size, from + k * size, both < run ? both : run, both, size, compare);
        }
        char *swap = from;
        from = to, to = swap;
    }
    if (from != at && n) memcpy(at, from, n * size);
    arena_release(&scratch);
}
