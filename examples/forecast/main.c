// main.c: forecasts the temperature of the sea off Peru and Ecuador twelve months ahead, and compares the GRU of
// forecast.dl with four simple rules.
//
//     forecast [--data elnino.csv] [--epochs 100] [--lr 0.003] [--seed 1] [--plot FILE.svg] [--save FILE]
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "forecast.h"
#include "kit/kit.h"

enum { PAST = 24, AHEAD = 12, FEATURES = 3, YEARS = 61, MONTHS = 12 * YEARS, FIRST_YEAR = 1950 };
// Windows whose forecasts lie in 1952 .. 1985 train the net, 1986 .. 1992 choose the epoch, 1993 .. 2010 test it.
enum { VALIDATION = 12 * (1986 - FIRST_YEAR), TEST = 12 * (1993 - FIRST_YEAR) };

static float degrees[MONTHS];   // measured
static float anomaly[MONTHS];   // above the usual value of that calendar month, in units of `spread`
static float usual[12], spread; // from the training years alone
static char error[KIT_ERROR_BYTES];

static _Noreturn void die(const char *message) {
    fprintf(stderr, "forecast: %s\n", message);
    exit(1);
}

// ---- the data -------------------------------------------------------------------------------------------------------

// The file has a line for each year: the year, then its twelve months.
static void read_months(const char *path) {
    struct kit_table table;
    if (kit_table_read(&table, path, ',', true, error)) die(error);
    if (table.rows != YEARS || table.columns != 13 || table.at[0] != FIRST_YEAR)
        die("the table does not have the twelve months of each year from 1950 to 2010");
    for (int t = 0; t < MONTHS; t++) degrees[t] = table.at[t / 12 * 13 + 1 + t % 12];
    kit_table_free(&table);
}

// The season is known, so the net need not learn it: what it sees and forecasts are anomalies.
static void remove_season(void) {
    double sum[12] = {0}, squares = 0;
    for (int t = 0; t < VALIDATION; t++) sum[t % 12] += (double)degrees[t];
    for (int m = 0; m < 12; m++) usual[m] = (float)(sum[m] * 12 / VALIDATION);
    for (int t = 0; t < VALIDATION; t++) squares += pow((double)(degrees[t] - usual[t % 12]), 2);
    spread = (float)sqrt(squares / VALIDATION);
    for (int t = 0; t < MONTHS; t++) anomaly[t] = (degrees[t] - usual[t % 12]) / spread;
}

// What the net sees before month `at`: (PAST, FEATURES).
static void fill_past(float *past, int at) {
    for (int t = at - PAST; t < at; t++, past += FEATURES) {
        double angle = 2 * acos(-1.0) * (t % 12) / 12;
        past[0] = anomaly[t], past[1] = (float)cos(angle), past[2] = (float)sin(angle);
    }
}

// ---- the net --------------------------------------------------------------------------------------------------------

// The forecast of the months at, at + 1, ... in degrees: (AHEAD).
static void forecast(struct forecast *net, float *to, int at) {
    float past[PAST * FEATURES];
    fill_past(past, at);
    forecast_forward(net, 1, past, to);
    for (int k = 0; k < AHEAD; k++) to[k] = usual[(at + k) % 12] + spread * to[k];
}

// The root mean squared error of all windows that lie within the months from .. to - 1.
static double error_of(struct forecast *net, int from, int to) {
    struct kit_regression r = {0};
    for (int at = from; at + AHEAD <= to; at++) {
        float y[AHEAD];
        forecast(net, y, at);
        kit_regression_add(&r, degrees + at, y, AHEAD);
    }
    return kit_regression_rmse(&r);
}

static double train_epoch(struct forecast *net, struct kit_batches *batches, int64_t seed, int64_t epoch, double lr) {
    static float past[FORECAST_N * PAST * FEATURES], future[FORECAST_N * AHEAD];
    const int32_t *index;
    struct kit_meter meter;
    kit_meter_start(&meter, epoch + 1);
    kit_batches_shuffle(batches, seed, epoch);
    for (int32_t n; (n = kit_batches_next(batches, &index)) > 0;) {
        float loss;
        for (int32_t k = 0; k < n; k++) {
            int at = PAST + index[k];
            fill_past(past + k * PAST * FEATURES, at);
            memcpy(future + k * AHEAD, anomaly + at, AHEAD * sizeof *anomaly);
        }
        forecast_step(net, n, past, future, (float)lr, &loss);
        if (kit_meter_add(&meter, (double)loss, 0, n, lr, error)) die(error);
    }
    return kit_meter_loss(&meter);
}

// Trains, and leaves in `best` the weights of the epoch that forecasts the validation years best.
static void train(struct forecast *net, struct forecast *best, int64_t epochs, int64_t seed, double lr) {
    struct kit_batches batches;
    struct kit_stopping stopping = {.patience = 20};
    if (kit_batches_new(&batches, VALIDATION - PAST - AHEAD + 1, FORECAST_N, error)) die(error);
    for (int64_t epoch = 0; epoch < epochs && !stopping.stop; epoch++) {
        double loss = train_epoch(net, &batches, seed, epoch, lr);
        double validation = error_of(net, VALIDATION, TEST);
        if (kit_stopping_add(&stopping, validation)) forecast_copy(best, net);
        if (epoch == 0 || (epoch + 1) % 10 == 0)
            printf("epoch %3d  loss %.4f  validation error %.3f degrees\n", (int)epoch + 1, loss, validation);
    }
    printf("the best epoch is %d: validation error %.3f degrees\n", stopping.best_epoch, stopping.best);
    kit_batches_free(&batches);
}

// ---- the test -------------------------------------------------------------------------------------------------------

enum { METHODS = 5 };
static const char *const names[METHODS] = {"GRU", "persistence", "seasonal naive", "usual value", "last anomaly"};

// What each method says in month at - 1 about month at + k.
static void predict(struct forecast *net, float y[METHODS][AHEAD], int at) {
    forecast(net, y[0], at);
    for (int k = 0; k < AHEAD; k++) {
        y[1][k] = degrees[at - 1];
        y[2][k] = degrees[at + k - 12];
        y[3][k] = usual[(at + k) % 12];
        y[4][k] = usual[(at + k) % 12] + spread * anomaly[at - 1];
    }
}

// Prints the errors of all windows that lie within the test years.
static void test(struct forecast *net) {
    struct kit_regression r[METHODS][AHEAD] = {{{0}}}, all[METHODS] = {{0}};
    for (int at = TEST; at + AHEAD <= MONTHS; at++) {
        float y[METHODS][AHEAD];
        predict(net, y, at);
        for (int m = 0; m < METHODS; m++) {
            kit_regression_add(&all[m], degrees + at, y[m], AHEAD);
            for (int k = 0; k < AHEAD; k++) kit_regression_add(&r[m][k], degrees + at + k, &y[m][k], 1);
        }
    }
    printf("\nroot mean squared error in degrees, %d forecasts\nmonths ahead", MONTHS - AHEAD - TEST + 1);
    for (int m = 0; m < METHODS; m++) printf("  %14s", names[m]);
    for (int k = 0; k < AHEAD; k++) {
        printf("\n%12d", k + 1);
        for (int m = 0; m < METHODS; m++) printf("  %14.3f", kit_regression_rmse(&r[m][k]));
    }
    printf("\n        RMSE");
    for (int m = 0; m < METHODS; m++) printf("  %14.3f", kit_regression_rmse(&all[m]));
    printf("\n         MAE");
    for (int m = 0; m < METHODS; m++) printf("  %14.3f", kit_regression_mae(&all[m]));
    printf("\n");
}

// Draws the test years: what was measured, and what two methods said `ahead` months before.
static void draw_forecasts(struct forecast *net, int ahead, const char *path) {
    enum { SHOWN = MONTHS - TEST };
    static float lines[2][SHOWN];
    char title[128];
    for (int t = 0; t < SHOWN; t++) {
        float y[METHODS][AHEAD];
        predict(net, y, TEST + t - ahead + 1);
        lines[0][t] = y[0][ahead - 1], lines[1][t] = y[2][ahead - 1];
    }
    snprintf(title, sizeof title, "Sea surface temperature, forecast %d months ahead", ahead);
    const struct kit_plot plot = {title, "year", "degrees Celsius", .first = FIRST_YEAR + TEST / 12, .step = 1.0 / 12};
    const struct kit_line drawn[] = {{"measured", degrees + TEST, SHOWN, false},
                                     {"GRU", lines[0], SHOWN, false},
                                     {"seasonal naive", lines[1], SHOWN, true}};
    if (kit_plot_write(&plot, drawn, 3, path, error)) die(error);
}

int main(int argc, char **argv) {
    const char *data = "examples/forecast/elnino.csv", *save = NULL, *plot = NULL;
    int64_t epochs = 100, seed = 1;
    double lr = 0.003;
    const struct kit_option options[] = {
        {"--data", "FILE", "the table of months", KIT_TEXT, &data, 0, 0},
        {"--epochs", "N", "passes over the windows, at most (100)", KIT_INT, &epochs, 1, 1e5},
        {"--lr", "RATE", "learning rate (0.003)", KIT_REAL, &lr, 0, 10},
        {"--seed", "N", "of the initial weights, dropout and the order (1)", KIT_INT, &seed, 0, 1e9},
        {"--plot", "FILE", "where the picture goes (SVG)", KIT_TEXT, &plot, 0, 0},
        {"--save", "FILE", "where the weights go", KIT_TEXT, &save, 0, 0},
        {0}};
    int rest;
    if (kit_options_read(options, argc, argv, &rest, error)) return kit_options_print(stderr, options), die(error), 1;

    read_months(data);
    remove_season();
    struct forecast *net = forecast_new(), *best = forecast_new();
    if (!net || !best) die("no memory for the nets");
    forecast_init(net, seed);
    forecast_seed(net, seed);
    train(net, best, epochs, seed, lr);
    test(best);
    if (plot) draw_forecasts(best, 3, plot);
    if (save && forecast_save_weights(best, save)) die(forecast_error(best));
    forecast_free(net), forecast_free(best);
    return 0;
}
