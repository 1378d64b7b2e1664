// meter.c: loss and accuracy of the samples so far.
#include <math.h>

#include "fail.h"
#include "kit.h"

void kit_meter_start(struct kit_meter *m, int64_t epoch) { *m = (struct kit_meter){.epoch = epoch}; }

int kit_meter_add(struct kit_meter *m, double loss, int64_t right, int32_t n, double lr, char *error) {
    m->batches++;
    if (isfinite(loss)) {
        m->loss += loss * n;
        m->right += right;
        m->samples += n;
        return KIT_OK;
    }
    const char *what = isnan(loss) ? "not a number" : "infinite";
    if (!(lr > 0))
        return kit_fail(error, KIT_ENAN, "epoch %lld, batch %lld: the loss is %s", (long long)m->epoch,
                        (long long)m->batches, what);
    return kit_fail(error, KIT_ENAN,
                    "epoch %lld, batch %lld: the loss is %s at a learning rate of %g; try a smaller one",
                    (long long)m->epoch, (long long)m->batches, what, lr);
}

double kit_meter_loss(const struct kit_meter *m) { return m->samples ? m->loss / (double)m->samples : NAN; }

double kit_meter_accuracy(const struct kit_meter *m) {
    return m->samples ? (double)m->right / (double)m->samples : NAN;
}

int32_t kit_count_right(const float *logits, const int32_t *label, int32_t n, int classes) {
    int32_t right = 0;
    for (int32_t k = 0; k < n; k++) right += kit_argmax(logits + (size_t)k * (size_t)classes, classes) == label[k];
    return right;
}
