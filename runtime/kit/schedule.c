// schedule.c: the learning rate as a function of the step, with the names and the arithmetic of
// torch.optim.lr_scheduler. In most of these PyTorch updates the last rate; here each is in closed form, which is equal
// up to rounding.
#include <math.h>

#include "kit.h"

static const double pi = 3.14159265358979323846;

double kit_lr_step(double lr, int64_t step, int64_t step_size, double gamma) {
    return lr * pow(gamma, (double)(step / (step_size > 0 ? step_size : 1)));
}

double kit_lr_multi_step(double lr, int64_t step, const int64_t *milestone, int count, double gamma) {
    for (int k = 0; k < count; k++)
        if (step >= milestone[k]) lr *= gamma;
    return lr;
}

double kit_lr_linear(double lr, int64_t step, double start_factor, double end_factor, int64_t total_iters) {
    if (step >= total_iters) return lr * end_factor;
    return lr * (start_factor + (end_factor - start_factor) * (double)step / (double)total_iters);
}

double kit_lr_cosine(double lr, int64_t step, int64_t t_max, double eta_min) {
    return eta_min + (lr - eta_min) * (1 + cos(pi * (double)step / (double)(t_max > 0 ? t_max : 1))) / 2;
}

static double anneal(enum kit_anneal kind, double from, double to, double part) {
    return kind == KIT_LINEAR ? from + (to - from) * part : to + (from - to) / 2 * (1 + cos(pi * part));
}

double kit_lr_one_cycle(double max_lr, int64_t step, int64_t total_steps, double pct_start, double div_factor,
                        double final_div_factor, enum kit_anneal kind) {
    double initial = max_lr / div_factor, least = initial / final_div_factor;
    double last = (double)total_steps - 1, top = pct_start * (double)total_steps - 1;
    double at = (double)step < last ? (double)step : last;
    if (at <= top || last <= top) return anneal(kind, initial, max_lr, top > 0 ? at / top : 1);
    return anneal(kind, max_lr, least, (at - top) / (last - top));
}
