// test_kit_loop.c: what a loop over epochs needs: running means, learning rates against PyTorch's schedulers
// (tests/golden/data/schedules.txt, written by tests/oracle/schedules.py), bars against tqdm's (progress.txt, by
// progress.py), on a terminal and elsewhere, and the history of the epochs.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE // posix_openpt
#endif
#include <criterion/criterion.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kit/kit.h"

// ---- meter ----------------------------------------------------------------------------------------------------------

Test(kit_meter, batches_count_by_their_samples) {
    struct kit_meter m;
    kit_meter_start(&m, 1);
    cr_expect(isnan(kit_meter_loss(&m)) && isnan(kit_meter_accuracy(&m)), "something of no samples");
    cr_expect(kit_meter_add(&m, 1.0, 32, 64, 1e-3, NULL) == KIT_OK);
    cr_expect(kit_meter_add(&m, 4.0, 32, 32, 1e-3, NULL) == KIT_OK);
    cr_expect(kit_meter_loss(&m) == 2 && fabs(kit_meter_accuracy(&m) - 64.0 / 96) < 1e-15);
    // 100 million samples: a sum of floats would have stopped to grow.
    kit_meter_start(&m, 1);
    for (int k = 0; k < 1000000; k++) kit_meter_add(&m, 0.125, 1, 100, 0, NULL);
    cr_expect(kit_meter_loss(&m) == 0.125 && kit_meter_accuracy(&m) == 0.01);
}

Test(kit_meter, a_loss_that_is_not_finite) {
    static const struct {
        double loss, lr;
        const char *says;
    } row[] = {
        {NAN, 1e-3, "epoch 3, batch 2: the loss is not a number at a learning rate of 0.001; try a smaller one"},
        {INFINITY, 0.5, "epoch 3, batch 2: the loss is infinite at a learning rate of 0.5; try a smaller one"},
        {-INFINITY, 0, "epoch 3, batch 2: the loss is infinite"},
        {NAN, NAN, "epoch 3, batch 2: the loss is not a number"},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_meter m;
        char error[KIT_ERROR_BYTES] = "";
        kit_meter_start(&m, 3);
        cr_assert(kit_meter_add(&m, 1, 1, 2, row[k].lr, error) == KIT_OK);
        cr_expect(kit_meter_add(&m, row[k].loss, 2, 2, row[k].lr, error) == KIT_ENAN);
        cr_expect_str_eq(error, row[k].says);
        cr_expect(kit_meter_loss(&m) == 1 && kit_meter_accuracy(&m) == 0.5, "the bad batch counts");
        cr_expect(kit_meter_add(&m, row[k].loss, 2, 2, row[k].lr, NULL) == KIT_ENAN);
    }
}

Test(kit_meter, right_ones) {
    static const float logits[] = {1, 2, 3, 9, 2, 3, NAN, 2, 1, NAN, NAN, NAN};
    static const int32_t label[] = {2, 1, 1, 0};
    cr_expect(kit_count_right(logits, label, 4, 3) == 3 && kit_count_right(logits, label, 0, 3) == 0);
}

// ---- schedules ------------------------------------------------------------------------------------------------------

// The rate at a step by the name and the arguments of the golden file.
static double rate_of(const char *name, const double *a, int64_t step) {
    if (!strcmp(name, "step")) return kit_lr_step(a[0], step, (int64_t)a[1], a[2]);
    if (!strcmp(name, "linear")) return kit_lr_linear(a[0], step, a[1], a[2], (int64_t)a[3]);
    if (!strcmp(name, "cosine")) return kit_lr_cosine(a[0], step, (int64_t)a[1], a[2]);
    if (!strcmp(name, "one_cycle"))
        return kit_lr_one_cycle(a[0], step, (int64_t)a[1], a[2], a[3], a[4], a[5] > 0 ? KIT_LINEAR : KIT_COS);
    int64_t milestone[8];
    cr_assert(!strcmp(name, "multi_step") && a[2] <= 8, "an unknown schedule: %s", name);
    for (int k = 0; k < (int)a[2]; k++) milestone[k] = (int64_t)a[3 + k];
    return kit_lr_multi_step(a[0], step, milestone, (int)a[2], a[1]);
}

Test(kit_schedule, rates_are_pytorchs) {
    FILE *golden = fopen("tests/golden/data/schedules.txt", "r");
    char name[32], word[64];
    int runs = 0, steps;
    cr_assert(golden, "run from the top of the sources");
    for (; fscanf(golden, "%31s", name) == 1; runs++) {
        double argument[16];
        int count = 0;
        while (fscanf(golden, "%63s", word) == 1 && strcmp(word, ":"))
            if (count < 16) argument[count++] = strtod(word, NULL);
        cr_assert(fscanf(golden, "%d", &steps) == 1);
        double largest = argument[0];
        for (int step = 0; step < steps; step++) {
            double want, got = rate_of(name, argument, step);
            cr_assert(fscanf(golden, "%lf", &want) == 1);
            cr_expect(fabs(got - want) <= 1e-14 * largest + 1e-11 * fabs(want),
                      "%s, run %d, step %d: %.17g, want %.17g", name, runs, step, got, want);
        }
    }
    cr_expect(runs == 16, "%d runs", runs);
    fclose(golden);
}

Test(kit_schedule, outside_of_the_run) {
    cr_expect(kit_lr_one_cycle(1, 99, 100, 0.3, 25, 1e4, KIT_COS) ==
              kit_lr_one_cycle(1, 500, 100, 0.3, 25, 1e4, KIT_COS));
    cr_expect(kit_lr_one_cycle(1, 0, 1, 0.3, 25, 1e4, KIT_COS) > 0 &&
              kit_lr_one_cycle(1, 0, 10, 0.1, 2, 2, KIT_COS) == 1);
    cr_expect(kit_lr_linear(2, 0, 0.5, 1, 0) == 2 && kit_lr_step(2, 5, 0, 1) == 2);
    cr_expect(isfinite(kit_lr_cosine(2, 5, 0, 0)) && kit_lr_multi_step(2, 5, NULL, 0, 0.1) == 2);
}

// ---- the bar --------------------------------------------------------------------------------------------------------

Test(kit_progress, bars_are_tqdms) {
    FILE *golden = fopen("tests/golden/data/progress.txt", "r");
    static char line[4096];
    int rows = 0;
    cr_assert(golden, "run from the top of the sources");
    for (; fgets(line, sizeof line, golden); rows++) {
        char *field[9], *at = line, got[2048];
        line[strcspn(line, "\n")] = 0;
        for (int k = 0; k < 9; k++) cr_assert((field[k] = strsep(&at, "\t")) != NULL);
        struct kit_progress p = {.what = field[0], .unit = field[5], .done = atoll(field[1]), .total = atoll(field[2])};
        p.utf8 = field[7][0] == '1';
        snprintf(p.postfix, sizeof p.postfix, "%s", field[6]);
        kit_progress_text(&p, strtod(field[3], NULL), atoi(field[4]), got, sizeof got);
        cr_expect_str_eq(got, field[8], "line %d: got\n%s\nwant\n%s", rows + 1, got, field[8]);
    }
    cr_expect(rows > 150, "%d rows", rows);
    fclose(golden);
}

// What cannot be shown is cut, never written outside, and at a whole character.
Test(kit_progress, narrow_and_small) {
    char name[300], got[64];
    memset(name, 'x', sizeof name - 1);
    name[sizeof name - 1] = 0;
    struct kit_progress p = {.what = name, .unit = "it", .done = INT64_MAX, .total = INT64_MAX, .utf8 = true};
    memset(p.postfix, 'y', sizeof p.postfix - 1);
    for (size_t room = 1; room <= sizeof got; room++) {
        memset(got, '!', sizeof got);
        int columns = kit_progress_text(&p, 1e300, 1000, got, room);
        cr_expect(columns < (int)room && strlen(got) < room && (room == sizeof got || got[room] == '!'));
    }
    p.what = "", p.done = 3, p.total = 4;
    for (int columns = 1; columns < 40; columns++)
        cr_expect(kit_progress_text(&p, 1, columns, got, sizeof got) <= columns, "%d columns: %s", columns, got);
    p.total = -1;
    cr_expect(kit_progress_text(&p, -5, 10, got, sizeof got) == 10);
    cr_expect_str_eq(got, "3it [00:00");
}

// A terminal of `columns` columns: *bar writes to it, the answer is where its text is read.
static int open_terminal(FILE **bar, int columns) {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    cr_assert(master >= 0 && !grantpt(master) && !unlockpt(master));
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    struct winsize size = {.ws_row = 24, .ws_col = (unsigned short)columns};
    cr_assert(slave >= 0 && !ioctl(slave, TIOCSWINSZ, &size));
    cr_assert((*bar = fdopen(slave, "w")) != NULL);
    return master;
}

static int count_of(const char *s, char c) {
    int count = 0;
    for (; *s; s++) count += *s == c;
    return count;
}

// What has been written: to the mark that is put after it, because a terminal passes text on when it likes.
static void read_terminal(char *to, size_t room, FILE *out, int master) {
    size_t len = 0;
    fputc('@', out), fflush(out);
    for (to[0] = 0; !strchr(to, '@'); to[len] = 0) {
        struct pollfd ready = {master, POLLIN, 0};
        cr_assert(poll(&ready, 1, 10000) == 1, "the terminal says nothing more after \"%s\"", to);
        ssize_t got = read(master, to + len, room - 1 - len);
        cr_assert(got > 0);
        len += (size_t)got;
    }
    to[len - 1] = 0;
}

Test(kit_progress, on_a_terminal) {
    char got[8192];
    FILE *out;
    int master = open_terminal(&out, 60);
    struct kit_progress p;
    setenv("LC_ALL", "C", 1);
    kit_progress_start(&p, out, "Epoch 1", 40, "img");
    for (int k = 1; k <= 40; k++) kit_progress_update(&p, k, "loss=%.2f", 1.0 / k);
    p.start -= 2;
    kit_progress_end(&p);
    read_terminal(got, sizeof got, out, master);
    // Drawn at the start and at the end; the time between allows one or two more.
    cr_expect(count_of(got, '\r') <= 6 && count_of(got, '\n') == 1, "%s", got);
    cr_expect(strstr(got, "\rEpoch 1:   0%|") && strstr(got, "40/40 [00:02<00:00, ") && !strstr(got, "\xe2"), "%s",
              got);
    cr_expect(strstr(got, "Epoch 1: 100%|#"), "%s", got);

    setenv("LC_ALL", "en_GB.UTF-8", 1);
    kit_progress_start(&p, out, "Epoch 2", 8, "img");
    kit_progress_update(&p, 4, "%s", "first");
    p.drawn -= 1;
    kit_progress_update(&p, 5, "%s", "second");
    kit_progress_clear(&p);
    read_terminal(got, sizeof got, out, master);
    size_t len = strlen(got);
    cr_expect(strstr(got, "\xe2\x96\x88") && strstr(got, "5/8") && !strstr(got, "first") && !strchr(got, '\n'), "%s",
              got);
    cr_expect(got[len - 1] == '\r' && got[len - 2] == ' ', "not cleared: %s", got);
    fclose(out);
    close(master);
}

Test(kit_progress, without_a_terminal) {
    char got[2048] = "";
    char path[] = "/tmp/dlc_kit_XXXXXX";
    int f = mkstemp(path);
    FILE *out = fdopen(f, "w+");
    struct kit_progress p;
    setenv("LC_ALL", "C.UTF-8", 1);
    kit_progress_start(&p, out, "Epoch 1", 40, "img");
    for (int k = 1; k <= 40; k++) kit_progress_update(&p, k, "loss=%.2f", 1.0 / k);
    kit_progress_end(&p); // quick: one line
    kit_progress_start(&p, out, "Epoch 2", 1000, "img");
    for (int k = 1; k <= 1000; k++) {
        p.start -= 1, p.drawn -= 1; // every step takes a second: a line at each quarter
        kit_progress_update(&p, k, "loss=%d", k);
    }
    kit_progress_clear(&p);
    kit_progress_start(&p, out, "Epoch 3", 0, "img"); // no total
    kit_progress_update(&p, 7, "%s", "x");
    p.start -= 2;
    kit_progress_end(&p);
    rewind(out);
    size_t len = fread(got, 1, sizeof got - 1, out);
    got[len] = 0;
    fclose(out);
    remove(path);
    cr_expect(count_of(got, '\n') == 5 && !strchr(got, '\r') && !strchr(got, '|'), "%s", got);
    cr_expect(strstr(got, "Epoch 1: 100% 40/40 [") && strstr(got, "loss=0.03]\nEpoch 2:  25% 250/1000 [04:10<12:30, "));
    cr_expect(strstr(got, "loss=750]\nEpoch 3: 7img [00:02, "), "%s", got);
}

// ---- history --------------------------------------------------------------------------------------------------------

static void expect_epoch(const struct kit_history *h, int epoch, const struct kit_epoch *want) {
    const double *g = &h->epoch[epoch - 1].train_loss, *w = &want->train_loss;
    for (int k = 0; k < 5; k++)
        cr_expect(isnan(g[k]) ? isnan(w[k]) : fabs(g[k] - w[k]) < 1e-8, "epoch %d, [%d]: %g, want %g", epoch, k, g[k],
                  w[k]);
}

Test(kit_history, is_written_and_read) {
    static const struct kit_epoch first = {0.53125, 0.8094, 0.4021, 0.8533, 61.5}, third = {NAN, 0, 1e-300, 1, 0},
                                  none = {NAN, NAN, NAN, NAN, NAN};
    char path[] = "/tmp/dlc_kit_XXXXXX", error[KIT_ERROR_BYTES] = "";
    close(mkstemp(path));
    struct kit_history h = {0}, again;
    cr_expect(!kit_history_write(&h, path, error) && !kit_history_read(&again, path, error) && again.count == 0, "%s",
              error);
    cr_assert(!kit_history_set(&h, 3, &third, error) && !kit_history_set(&h, 1, &first, error));
    cr_assert(!kit_history_write(&h, path, error) && !kit_history_read(&again, path, error), "%s", error);
    cr_assert(again.count == 3);
    expect_epoch(&again, 1, &first), expect_epoch(&again, 2, &none), expect_epoch(&again, 3, &third);
    kit_history_cut(&again, 5), kit_history_cut(&again, -1);
    cr_expect(again.count == 3);
    kit_history_cut(&again, 1);
    cr_expect(again.count == 1 && kit_history_set(&again, 0, &first, error) == KIT_EVALUE && strstr(error, "epoch 0"));
    kit_history_free(&h), kit_history_free(&again);
    remove(path);
}

Test(kit_history, files_that_are_none) {
#define NAMES "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds\n"
    static const struct {
        const char *text, *says;
    } row[] = {
        {"", "not a history: its first line is not epoch,"},
        {"a,b\n1,2\n", "not a history: its first line is not epoch,"},
        {NAMES "1,2,3\n", "line 2: not an epoch and five numbers with commas between"},
        {NAMES "1,1,1,1,1,1\n2,1,1,1,1,x\n", "line 3: not an epoch and five numbers with commas between"},
        {NAMES "0,1,1,1,1,1\n", "line 2: not an epoch and five numbers with commas between"},
        {NAMES "1.5,1,1,1,1,1\n", "line 2: not an epoch and five numbers with commas between"},
        {NAMES "1e9,1,1,1,1,1\n", "line 2: not an epoch and five numbers with commas between"},
        {NAMES "1,1,1,1,1,1,1\n", "line 2: not an epoch and five numbers with commas between"},
    };
    char path[] = "/tmp/dlc_kit_XXXXXX", error[KIT_ERROR_BYTES];
    close(mkstemp(path));
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        struct kit_history h;
        FILE *f = fopen(path, "w");
        cr_assert(f && fputs(row[k].text, f) >= 0 && !fclose(f));
        cr_expect(kit_history_read(&h, path, error) == KIT_EFORMAT && strstr(error, row[k].says) && strstr(error, path),
                  "row %zu: %s", k, error);
        cr_expect(!h.epoch && !h.count);
    }
    remove(path);
    struct kit_history h;
    cr_expect(kit_history_read(&h, path, error) == KIT_EIO && strstr(error, "No such file"), "%s", error);
}

// ---- the command line -----------------------------------------------------------------------------------------------

Test(kit_options, read_and_refused) {
    int64_t count = 3;
    double rate = 0.5;
    const char *name = NULL;
    bool all = false;
    const struct kit_option table[] = {{"--count", "N", "how many", KIT_INT, &count, 0, 9e15},
                                       {"--rate", "R", "how fast", KIT_REAL, &rate, 0, 1},
                                       {"--name", "TEXT", "who", KIT_TEXT, &name, 0, 0},
                                       {"--all", NULL, "no exceptions", KIT_FLAG, &all, 0, 0},
                                       {0}};
    static const struct {
        const char *word[6], *says; // NULL: no error
        int rest;
    } row[] = {
        {{"--count", "9000000000000000", "--rate", "1e-3", "a", "b"}, NULL, 5},
        {{"--name", "--count"}, NULL, 3},
        {{"--all", "--rate", "1", "--all", "a"}, NULL, 5},
        {{"--rate", "1e-3", "--all"}, NULL, 4},
        {{NULL}, NULL, 1},
        {{"-"}, NULL, 1},
        {{"--count", "-1"}, "--count takes a whole number from 0 to 9e+15, not \"-1\"", 0},
        {{"--count", "1.5"}, "not \"1.5\"", 0},
        {{"--count", "nan"}, "not \"nan\"", 0},
        {{"--rate", "1x"}, "--rate takes a number from 0 to 1, not \"1x\"", 0},
        {{"--rate", ""}, "not \"\"", 0},
        {{"--rate", "nan"}, "not \"nan\"", 0},
        {{"--rate"}, "--rate: R is missing after it", 0},
        {{"--rat", "1"}, "--rat is no option", 0},
        {{"a", "--rate"}, "--rate: options stand before everything else", 0},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        char *argv[7] = {"program"}, error[KIT_ERROR_BYTES] = "";
        int argc = 1, rest = 0;
        while (argc < 7 && row[k].word[argc - 1]) argv[argc] = (char *)row[k].word[argc - 1], argc++;
        int status = kit_options_read(table, argc, argv, &rest, error);
        if (row[k].says)
            cr_expect(status == KIT_EVALUE && strstr(error, row[k].says), "row %zu: \"%s\"", k, error);
        else
            cr_expect(status == KIT_OK && rest == row[k].rest, "row %zu: %d, %d, \"%s\"", k, status, rest, error);
    }
    cr_expect(count == 9000000000000000 && rate == 1e-3 && !strcmp(name, "--count") && all);
    char got[512] = "";
    FILE *out = fmemopen(got, sizeof got, "w");
    kit_options_print(out, table);
    fclose(out);
    cr_expect_str_eq(got, "  --count N         how many\n  --rate R          how fast\n  --name TEXT       who\n"
                          "  --all             no exceptions\n");
}
