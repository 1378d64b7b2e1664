// test_sort.c: the sort: ascending, and equal elements stay in their order.
#include <criterion/criterion.h>

#include "support/sort.h"

typedef struct Item {
    int key, place;
} Item;

static int by_key(const void *a, const void *b) { return ((const Item *)a)->key - ((const Item *)b)->key; }

Test(sort, equal_elements_stay_in_their_order) {
    for (int n = 0; n <= 70; n++) {
        Item items[70];
        unsigned state = (unsigned)n;
        for (int k = 0; k < n; k++) {
            state = state * 1664525u + 1013904223u;
            items[k] = (Item){(int)(state >> 24) % 7, k};
        }
        sort_stable(items, (size_t)n, sizeof *items, by_key);
        int sum = 0;
        for (int k = 0; k < n; k++) {
            sum += items[k].place;
            if (!k) continue;
            Item last = items[k - 1], now = items[k];
            cr_assert(last.key < now.key || (last.key == now.key && last.place < now.place),
                      "%d elements: (%d, %d) stands before (%d, %d)", n, last.key, last.place, now.key, now.place);
        }
        cr_expect_eq(sum, n * (n - 1) / 2);
    }
}
