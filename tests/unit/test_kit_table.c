// test_kit_table.c: CSV files, regression metrics (numbers of scikit-learn 1.9.1) and early stopping.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/kit.h"

static char path[200];

static int read_text(struct kit_table *t, const char *text, char separator, bool names, char *error) {
    const char *build = getenv("BUILD");
    // Tests run at the same time, each in a process of its own.
    snprintf(path, sizeof path, "%s/tests/work/%d-table.csv", build ? build : "build", (int)getpid());
    FILE *f = fopen(path, "wb");
    cr_assert(f, "%s", path);
    fputs(text, f);
    fclose(f);
    int status = kit_table_read(t, path, separator, names, error);
    remove(path);
    return status;
}

typedef struct Row {
    const char *text;
    char separator;
    bool names;
    int rows, columns;
    float at[6];
} Row;

static const Row rows[] = {
    {"a,b\n1,2\n3,4\n", ',', true, 2, 2, {1, 2, 3, 4}},
    {"1,2\n3,4", ',', false, 2, 2, {1, 2, 3, 4}},
    {"a;b\r\n1;-2e3\r\n\r\n.5;4\r\n", ';', true, 2, 2, {1, -2000, 0.5f, 4}},
    {"\"a\"\"x\",\"b,\nc\"\n\"1\", 2 \n", ',', true, 1, 2, {1, 2}},
    {"x,y,z\n,NA,nan\n1,inf,3\n", ',', true, 2, 3, {NAN, NAN, NAN, 1, INFINITY, 3}},
    {"7", ',', false, 1, 1, {7}},
};

Test(kit_table, files) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        const Row *row = &rows[k];
        struct kit_table t;
        char error[KIT_ERROR_BYTES] = "";
        int status = read_text(&t, row->text, row->separator, row->names, error);
        cr_assert(!status, "%s: %s", row->text, error);
        cr_assert(t.rows == row->rows && t.columns == row->columns, "%s: %d x %d", row->text, (int)t.rows,
                  (int)t.columns);
        for (int i = 0; i < row->rows * row->columns; i++)
            cr_expect(t.at[i] == row->at[i] || (isnan(t.at[i]) && isnan(row->at[i])), "%s: number %d is %g", row->text,
                      i, (double)t.at[i]);
        cr_expect(!t.name == !row->names);
        kit_table_free(&t);
    }
}

Test(kit_table, names) {
    struct kit_table t;
    cr_assert(!read_text(&t, "\"a\"\"x\", b \n1,2\n", ',', true, NULL));
    cr_expect(kit_table_column(&t, "a\"x") == 0 && kit_table_column(&t, "b") == 1 && kit_table_column(&t, "c") == -1);
    kit_table_free(&t);
    cr_expect(!t.at && !t.name);
}

static const struct {
    const char *text, *says;
} wrong[] = {
    {"a,b\n1,2\n3\n", "table.csv:3: 1 fields, and 2 in the lines before it"},
    {"a,b\n1,red\n", "table.csv:2: column 2 is \"red\", which is no number"},
    {"a,b\n1,2x\n", "column 2 is \"2x\""},
    {"a,b\n1,\"2\n", "a quote is open"},
    {"a,b\n", "there are no numbers in it"},
    {"", "there are no numbers in it"},
};

Test(kit_table, what_is_no_table) {
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        struct kit_table t;
        char error[KIT_ERROR_BYTES] = "";
        cr_expect(read_text(&t, wrong[k].text, ',', true, error) == KIT_EFORMAT && strstr(error, wrong[k].says),
                  "%s: \"%s\"", wrong[k].text, error);
        cr_expect(!t.at && !t.name && !t.rows);
    }
    struct kit_table t;
    char error[KIT_ERROR_BYTES] = "";
    cr_expect(kit_table_read(&t, "no/such.csv", ',', true, error) == KIT_EIO &&
                  strstr(error, "no/such.csv: No such file or directory"),
              "%s", error);
}

Test(kit_regression, as_scikit_learn) {
    static const float truth[] = {3, -0.5f, 2, 7, 1000, 1001}, predicted[] = {2.5f, 0, 2, 8, 1001, 999.5f};
    struct kit_regression r = {0};
    cr_expect(isnan(kit_regression_mae(&r)) && isnan(kit_regression_r2(&r)), "numbers of nothing");
    kit_regression_add(&r, truth, predicted, 2);
    kit_regression_add(&r, truth + 2, predicted + 2, 4);
    cr_expect(fabs(kit_regression_mae(&r) - 0.75) < 1e-12);
    cr_expect(fabs(kit_regression_mse(&r) - 0.7916666666666666) < 1e-12);
    cr_expect(fabs(kit_regression_rmse(&r) - 0.8897565210026093) < 1e-12);
    cr_expect(fabs(kit_regression_r2(&r) - 0.9999964205977269) < 1e-12, "%.17g", kit_regression_r2(&r));
    static const float five[] = {5, 5, 6};
    struct kit_regression same = {0}, off = {0};
    kit_regression_add(&same, five, five, 2);
    kit_regression_add(&off, five, five + 1, 2);
    cr_expect(kit_regression_r2(&same) == 1 && kit_regression_r2(&off) == 0, "constant truths");
}

Test(kit_stopping, waits_for_patience) {
    static const double loss[] = {3, 2, 2.5, NAN, 1.95, 1.5, 1.6, 1.7, 1.8};
    static const bool better[] = {true, true, false, false, false, true, false, false, false};
    struct kit_stopping s = {.patience = 3, .min_delta = 0.1};
    for (int k = 0; k < 9; k++) {
        bool stopped = s.stop;
        cr_expect(kit_stopping_add(&s, loss[k]) == better[k], "epoch %d", k + 1);
        cr_expect(!stopped || k > 4);
        if (k == 4) cr_expect(s.stop, "epochs 3 to 5 were no better");
    }
    cr_expect(s.best == 1.5 && s.best_epoch == 6 && s.stop && s.waited == 3);
    struct kit_stopping accuracy = {.larger = true};
    cr_expect(!kit_stopping_add(&accuracy, NAN) && kit_stopping_add(&accuracy, 0) && !kit_stopping_add(&accuracy, 0) &&
              accuracy.stop);
}
