// test_golden.c: how near a tensor must be to its golden: what is off in a small channel is seen, in samples too.
#include <criterion/criterion.h>

#include "golden.h"

enum { BATCH = 4, CHANNELS = 5, PIXELS = 6, COUNT = BATCH * CHANNELS * PIXELS };

static double value_of(int64_t e, int axis) {
    int64_t slice = axis == 0 ? e / (CHANNELS * PIXELS) : axis == 1 ? e / PIXELS % CHANNELS : e % PIXELS;
    return (slice == 2 ? 0.01 : 1) * (e % 7 ? 1 : -1);
}

// Slice 2 along `axis` has values of 0.01, the others of 1. Element `at` is off by 4e-5, which is less than 1e-4 of the
// largest value, and 4e-3 of the small slice's.
static const struct {
    const char *what;
    int rank, axis;
    int64_t at, stride;
    bool again; // a run before this one had no such difference
    int failed;
} rows[] = {
    {"nothing is off", 3, 1, -1, 1, true, 0},
    {"in a small channel", 3, 1, 2 * PIXELS + 3, 1, false, 1},
    {"in a small channel, both from PyTorch and from the first run", 3, 1, 2 * PIXELS + 3, 1, true, 2},
    {"in a large channel", 3, 1, 3 * PIXELS + 3, 1, true, 0},
    {"in a small result of a weight", 3, 0, 2 * CHANNELS *PIXELS + 8, 1, false, 1},
    // 16, of which only every fifth element is in the golden: the first run has it.
    {"in a small channel, out of the sample", 3, 1, 2 * PIXELS + 4, 5, false, 0},
    {"the same beside a first run", 3, 1, 2 * PIXELS + 4, 5, true, 1},
    {"in a small column, which is no channel", 3, 2, 2, 1, true, 0},
    {"in a vector, whose elements are one channel", 1, 2, 2, 1, true, 0},
};

Test(golden, small_channels) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Arena arena = {0};
        Type type = {F32, rows[k].rank, {dim_fixed(BATCH), dim_fixed(CHANNELS), dim_fixed(PIXELS)}};
        if (rows[k].rank == 1) type.dim[0] = dim_fixed(COUNT);
        Tensor got = tensor_new(&arena, &type, NULL);
        Golden golden = {.name = "y", .count = COUNT, .stride = rows[k].stride, .largest = 1};
        golden.value = NEW_ARRAY(&arena, double, COUNT);
        for (int64_t e = 0; e < COUNT; e++) {
            got.f[e] = value_of(e, rows[k].axis);
            if (e % golden.stride == 0) golden.value[e / golden.stride] = got.f[e];
        }
        Goldens goldens = {.arena = &arena, .at = &golden, .len = 1};
        Tally tally = {0};
        if (rows[k].again) golden_compare(&tally, &goldens, "first", "y", &got);
        cr_expect_eq(tally.failed, 0, "%s: the first run", rows[k].what);
        if (rows[k].at >= 0) got.f[rows[k].at] += 4e-5;
        golden_compare(&tally, &goldens, rows[k].what, "y", &got);
        cr_expect_eq(tally.failed, rows[k].failed, "%s: %d checks fail, want %d", rows[k].what, tally.failed,
                     rows[k].failed);
        arena_release(&arena);
    }
}
