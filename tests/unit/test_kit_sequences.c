// test_kit_sequences.c: batches by length against a Philox, a shuffle and a sort in Python, filled in both layouts;
// windows of a long text against slices of numpy 2.4.6; and what is refused.
#include <criterion/criterion.h>
#include <stdint.h>
#include <string.h>

#include "kit/kit.h"

enum { COUNT = 11 };
static const int32_t length[COUNT] = {4, 0, 7, 2, 2, 9, 1, 4, 12, 3, 2};

static struct kit_sequences *sequences_of(int32_t batch, int32_t pool) {
    struct kit_sequences *s;
    char error[KIT_ERROR_BYTES] = "";
    cr_assert(!kit_sequences_new(&s, length, COUNT, batch, pool, error), "%s", error);
    return s;
}

// ---- batches --------------------------------------------------------------------------------------------------------

static const struct {
    int32_t batch, pool;
    int64_t seed, epoch;
    const char *batches;
} row[] = {
    {3, 0, 0, -1, "1 6 3 | 4 10 9 | 0 7 2 | 5 8"},
    {3, 0, 7, 0, "7 0 2 | 1 6 3 | 4 10 9 | 5 8"},
    {3, 0, 7, 1, "1 6 3 | 5 8 | 7 0 2 | 10 4 9"},
    {3, 2, 7, 0, "1 10 9 | 6 3 4 | 7 0 8 | 2 5"},
    {2, 1, ((int64_t)1 << 40) + 3, 5, "1 2 | 5 8 | 10 7 | 3 9 | 6 | 4 0"},
    {20, 0, 1, 1, "1 6 3 10 4 9 7 0 2 5 8"},
    {1, 3, 1, 2, "9 | 2 | 3 | 10 | 5 | 1 | 4 | 8 | 6 | 0 | 7"},
    {INT32_MAX, INT32_MAX, 1, 1, "1 6 3 10 4 9 7 0 2 5 8"},
};

Test(kit_sequences, batches_of_python) {
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_sequences *s = sequences_of(row[k].batch, row[k].pool);
        for (int again = 0; again < 2; again++) { // an epoch does not depend on those before it
            char got[200] = "", *at = got;
            const int32_t *index;
            int32_t batches = 0;
            kit_sequences_shuffle(s, row[k].seed, row[k].epoch);
            for (int32_t n, longest; (n = kit_sequences_next(s, &index, &longest)) > 0; batches++) {
                int32_t most = 1;
                for (int32_t i = 0; i < n; i++) {
                    if (length[index[i]] > most) most = length[index[i]];
                    at += sprintf(at, "%s%d", i ? " " : at > got ? " | " : "", (int)index[i]);
                }
                cr_expect(longest == most, "row %zu: %d", k, (int)longest);
            }
            cr_expect_str_eq(got, row[k].batches, "row %zu: %s", k, got);
            cr_expect(batches == kit_sequences_batches(s) && kit_sequences_next(s, NULL, NULL) == 0);
            kit_sequences_shuffle(s, 99, 99);
            kit_sequences_next(s, NULL, NULL);
        }
        kit_sequences_free(s);
    }
}

Test(kit_sequences, new_ones_are_in_order) {
    struct kit_sequences *s = sequences_of(2, 1);
    const int32_t *index;
    cr_assert(kit_sequences_next(s, &index, NULL) == 2);
    cr_expect(index[0] == 1 && index[1] == 0, "sorted by length");
    kit_sequences_free(s);
    kit_sequences_free(NULL);
}

// Batch {4, 10, 9} of the first row: lengths 2, 2, 3. Token t of sequence k is 10 k + t.
Test(kit_sequences, filled) {
    static int32_t tokens[COUNT][12];
    const int32_t *sequence[COUNT], *index;
    for (int k = 0; k < COUNT; k++) {
        sequence[k] = length[k] ? tokens[k] : NULL; // an empty one is not read
        for (int t = 0; t < 12; t++) tokens[k][t] = 10 * k + t;
    }
    static const struct {
        int32_t T;
        bool time_first;
        int32_t at[12], lengths[3];
    } wanted[] = {
        {3, false, {40, 41, -1, 100, 101, -1, 90, 91, 92}, {2, 2, 3}},
        {3, true, {40, 100, 90, 41, 101, 91, -1, -1, 92}, {2, 2, 3}},
        {4, false, {40, 41, -1, -1, 100, 101, -1, -1, 90, 91, 92, -1}, {2, 2, 3}},
        {2, false, {40, 41, 100, 101, 90, 91}, {2, 2, 2}},
        {2, true, {40, 100, 90, 41, 101, 91}, {2, 2, 2}},
        {1, true, {40, 100, 90}, {1, 1, 1}},
    };
    struct kit_sequences *s = sequences_of(3, 0);
    int32_t to[13], lengths[4];
    cr_assert(kit_sequences_next(s, &index, NULL) == 3);
    kit_sequences_fill(s, to, sequence, 1, 7, false);
    kit_sequences_lengths(s, lengths, 1);
    cr_expect(to[0] == 7 && to[1] == 60 && lengths[0] == 0 && lengths[1] == 1, "the first is empty");
    cr_assert(kit_sequences_next(s, &index, NULL) == 3 && index[0] == 4);
    for (size_t k = 0; k < sizeof wanted / sizeof *wanted; k++) {
        size_t n = 3 * (size_t)wanted[k].T;
        to[n] = 77, lengths[3] = 77;
        kit_sequences_fill(s, to, sequence, wanted[k].T, -1, wanted[k].time_first);
        kit_sequences_lengths(s, lengths, wanted[k].T);
        cr_expect(!memcmp(to, wanted[k].at, n * sizeof *to) && to[n] == 77, "row %zu", k);
        cr_expect(!memcmp(lengths, wanted[k].lengths, sizeof wanted[k].lengths) && lengths[3] == 77, "row %zu", k);
    }
    while (kit_sequences_next(s, NULL, NULL)) continue;
    to[0] = 77;
    kit_sequences_fill(s, to, sequence, 3, -1, false);
    cr_expect(to[0] == 77, "there is no batch after the last one");
    kit_sequences_free(s);
}

Test(kit_sequences, what_is_refused) {
    static const int32_t negative[] = {1, -2};
    static const struct {
        const int32_t *length;
        int32_t count, batch, pool;
        const char *says;
    } bad[] = {
        {length, 0, 2, 0, "0 sequences in batches of 2, 0 sorted together: at least 1, 1 and 0 (all)"},
        {length, 5, 0, 0, "5 sequences in batches of 0"},
        {length, 5, 1, -1, "-1 sorted together"},
        {negative, 2, 1, 0, "sequence 1 has the length -2"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        struct kit_sequences *s;
        char error[KIT_ERROR_BYTES] = "";
        int status = kit_sequences_new(&s, bad[k].length, bad[k].count, bad[k].batch, bad[k].pool, error);
        cr_expect(status == KIT_EVALUE && !s && strstr(error, bad[k].says), "row %zu: \"%s\"", k, error);
    }
}

// ---- windows --------------------------------------------------------------------------------------------------------

// Tokens are 100, 101, ... Each stream of a window begins with `first` and has `valid` of them, as the slices
//     x = tokens[:batch * each].reshape(batch, each)[:, w * T:(w + 1) * T]
static const struct {
    size_t count;
    int32_t batch, T, windows;
    struct {
        int32_t valid, first[4];
    } window[3];
} texts[] = {
    {23, 3, 3, 3, {{3, {100, 107, 114}}, {3, {103, 110, 117}}, {1, {106, 113, 120}}}},
    {25, 4, 6, 1, {{6, {100, 106, 112, 118}}}},
    {7, 2, 2, 2, {{2, {100, 103}}, {1, {102, 105}}}},
    {3, 2, 5, 1, {{1, {100, 101}}}},
    {8, 2, 2, 2, {{2, {100, 103}}, {1, {102, 105}}}}, // the last token is left out
};

static void check_window(size_t k, int w, const int32_t *input, const int32_t *target, bool time_first) {
    int32_t batch = texts[k].batch, T = texts[k].T;
    for (int32_t b = 0; b < batch; b++)
        for (int32_t t = 0; t < T; t++) {
            int32_t at = time_first ? t * batch + b : b * T + t, token = texts[k].window[w].first[b] + t;
            bool valid = t < texts[k].window[w].valid;
            cr_expect(input[at] == (valid ? token : 0) && target[at] == (valid ? token + 1 : KIT_NO_TARGET),
                      "text %zu, window %d, stream %d, step %d: %d -> %d", k, w, (int)b, (int)t, (int)input[at],
                      (int)target[at]);
        }
}

Test(kit_windows, slices_of_numpy) {
    int32_t tokens[25], input[25], target[25];
    for (int k = 0; k < 25; k++) tokens[k] = 100 + k;
    for (size_t k = 0; k < sizeof texts / sizeof *texts; k++) {
        struct kit_windows w;
        char error[KIT_ERROR_BYTES] = "";
        int32_t size = texts[k].batch * texts[k].T;
        cr_assert(!kit_windows_new(&w, tokens, texts[k].count, texts[k].batch, texts[k].T, error), "%s", error);
        cr_expect(w.windows == texts[k].windows, "text %zu: %d windows", k, (int)w.windows);
        for (int epoch = 0; epoch < 2; epoch++) {
            kit_windows_start(&w);
            for (int i = 0; i < texts[k].windows; i++) {
                input[size] = target[size] = 77;
                int32_t valid = kit_windows_next(&w, input, target, epoch);
                cr_expect(valid == texts[k].window[i].valid, "text %zu, window %d: %d steps", k, i, (int)valid);
                check_window(k, i, input, target, epoch);
                cr_expect(input[size] == 77 && target[size] == 77, "text %zu: too much is filled", k);
            }
            cr_expect(kit_windows_next(&w, input, target, epoch) == 0 && kit_windows_next(&w, NULL, NULL, epoch) == 0);
        }
    }
}

Test(kit_windows, what_is_refused) {
    static const int32_t tokens[4] = {1, 2, 3, 4};
    static const struct {
        size_t count;
        int32_t batch, T;
        const char *says;
    } bad[] = {
        {4, 0, 2, "0 streams in windows of 2: at least 1 of each"},
        {4, 2, 0, "2 streams in windows of 0"},
        {4, -1, 2, "-1 streams"},
        {4, 4, 1, "4 tokens; 4 streams need at least 5"},
        {0, 1, 1, "0 tokens; 1 streams need at least 2"},
        {4, INT32_MAX, 1, "4 tokens; 2147483647 streams need at least 2147483648"},
    };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        struct kit_windows w;
        char error[KIT_ERROR_BYTES] = "";
        int status = kit_windows_new(&w, tokens, bad[k].count, bad[k].batch, bad[k].T, error);
        cr_expect(status == KIT_EVALUE && strstr(error, bad[k].says), "row %zu: \"%s\"", k, error);
        cr_expect(kit_windows_next(&w, NULL, NULL, false) == 0, "there are no windows");
    }
}
