// regression.c: how far numbers are from the true ones, as scikit-learn has it; and when to stop training.
#include <math.h>

#include "kit.h"

void kit_regression_add(struct kit_regression *r, const float *truth, const float *predicted, int32_t n) {
    for (int32_t k = 0; k < n; k++) {
        double error = (double)predicted[k] - (double)truth[k], from = (double)truth[k] - r->mean;
        r->absolute += fabs(error);
        r->squared += error * error;
        // Welford (1962): the sum of squares about the mean, without keeping the numbers.
        r->mean += from / (double)++r->count;
        r->spread += from * ((double)truth[k] - r->mean);
    }
}

double kit_regression_mae(const struct kit_regression *r) { return r->absolute / (double)r->count; }
double kit_regression_mse(const struct kit_regression *r) { return r->squared / (double)r->count; }
double kit_regression_rmse(const struct kit_regression *r) { return sqrt(kit_regression_mse(r)); }

double kit_regression_r2(const struct kit_regression *r) {
    if (r->count < 2) return NAN;
    if (r->spread > 0) return 1 - r->squared / r->spread;
    return r->squared > 0 ? 0 : 1;
}

bool kit_stopping_add(struct kit_stopping *s, double value) {
    double gain = s->larger ? value - s->best : s->best - value;
    bool first = !s->epochs++, better = value == value && (first || s->best != s->best || gain > s->min_delta);
    if (first && !better) s->best = NAN;
    if (better) s->best = value, s->best_epoch = s->epochs;
    s->waited = better ? 0 : s->waited + 1;
    s->stop = s->waited >= (s->patience > 0 ? s->patience : 1);
    return better;
}
