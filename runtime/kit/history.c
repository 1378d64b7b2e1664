// history.c: what every epoch came to, kept in a CSV beside the checkpoints:
//     epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds
//     1,0.5312,0.8094,0.4021,0.8533,61.2
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "kit.h"

static const char header[] = "epoch,train_loss,train_accuracy,test_loss,test_accuracy,seconds";
enum { EPOCHS_MAX = 1000000, FIELDS = 6 };

int kit_history_set(struct kit_history *h, int epoch, const struct kit_epoch *e, char *error) {
    if (epoch < 1 || epoch > EPOCHS_MAX)
        return kit_fail(error, KIT_EVALUE, "epoch %d: epochs are 1 to %d", epoch, EPOCHS_MAX);
    if (epoch > h->room) {
        int room = epoch + 32;
        struct kit_epoch *more = realloc(h->epoch, sizeof *more * (size_t)room);
        if (!more) return kit_fail(error, KIT_ENOMEM, "no memory for %d epochs", room);
        h->epoch = more, h->room = room;
    }
    for (; h->count < epoch; h->count++) h->epoch[h->count] = (struct kit_epoch){NAN, NAN, NAN, NAN, NAN};
    h->epoch[epoch - 1] = *e;
    return KIT_OK;
}

void kit_history_cut(struct kit_history *h, int count) {
    if (count >= 0 && h->count > count) h->count = count;
}

void kit_history_free(struct kit_history *h) {
    free(h->epoch);
    *h = (struct kit_history){0};
}

int kit_history_write(const struct kit_history *h, const char *path, char *error) {
    struct kit_file file;
    int status = kit_file_open(&file, path, error);
    if (status) return status;
    fprintf(file.out, "%s\n", header);
    for (int k = 0; k < h->count; k++) {
        const struct kit_epoch *e = &h->epoch[k];
        fprintf(file.out, "%d,%.9g,%.9g,%.9g,%.9g,%.6g\n", k + 1, e->train_loss, e->train_accuracy, e->test_loss,
                e->test_accuracy, e->seconds);
    }
    return kit_file_close(&file, error);
}

// One line of numbers; strtod reads "nan" too.
static bool read_row(const char *line, double field[FIELDS]) {
    for (int k = 0; k < FIELDS; k++) {
        char *end;
        field[k] = strtod(line, &end);
        if (end == line || *end != (k + 1 < FIELDS ? ',' : '\n')) return false;
        line = end + 1;
    }
    return field[0] >= 1 && field[0] <= EPOCHS_MAX && field[0] == floor(field[0]);
}

static int read_rows(struct kit_history *h, FILE *in, const char *path, char *error) {
    char text[512];
    if (!fgets(text, sizeof text, in) || strncmp(text, header, sizeof header - 1))
        return kit_fail(error, KIT_EFORMAT, "%s: not a history: its first line is not %s", path, header);
    for (int line = 2; fgets(text, sizeof text, in); line++) {
        double f[FIELDS];
        if (!read_row(text, f))
            return kit_fail(error, KIT_EFORMAT, "%s: line %d: not an epoch and five numbers with commas between", path,
                            line);
        int status = kit_history_set(h, (int)f[0], &(struct kit_epoch){f[1], f[2], f[3], f[4], f[5]}, error);
        if (status) return status;
    }
    return ferror(in) ? kit_fail(error, KIT_EIO, "%s: cannot be read", path) : KIT_OK;
}

int kit_history_read(struct kit_history *h, const char *path, char *error) {
    *h = (struct kit_history){0};
    FILE *in = fopen(path, "r");
    if (!in) return kit_fail(error, KIT_EIO, "%s: %s", path, strerror(errno));
    int status = read_rows(h, in, path, error);
    fclose(in);
    if (status) kit_history_free(h);
    return status;
}
