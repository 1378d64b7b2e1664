// train.c: the loop over epochs: batches, steps, a test, a checkpoint.
//
// The checkpoint has all that a resumed run needs: parameters and Adam's moments, the seed, the number of steps and the
// position in dropout's random numbers. The number of steps gives the epoch; seed and epoch give its order and its
// transforms. So a resumed run gives the same bits. The curve also needs history.csv, beside the checkpoints; without
// it, the curve has a gap for the earlier epochs.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app.h"

enum { PATH = 4096 };

struct training {
    const struct options *o;
    struct mynet *net;
    struct kit_dataset set;
    struct kit_loader *loader;
    struct kit_history history;
    int64_t seed, steps_per_epoch, first; // first: epochs that were done before
    const char *directory;                // for checkpoints, curve and samples; NULL: write none
    char room[PATH], last[PATH];          // last: the last good checkpoint; "" before there is one
};

static void path_of(char to[PATH], const struct training *t, const char *name) {
    if (snprintf(to, PATH, "%s/%s", t->directory, name) >= PATH) die("%s: the path is too long", t->directory);
}

// ---- before the first step ------------------------------------------------------------------------------------------

static int64_t number_in(struct mynet *net, const char *name) {
    int64_t n = 0;
    if (mynet_get(net, name, &n, sizeof n)) die("%s", mynet_error(net));
    return n;
}

// Reads o->resume: sets seed, first and last.
static void resume(struct training *t) {
    const struct options *o = t->o;
    if (mynet_load(t->net, o->resume)) die("%s", mynet_error(t->net));
    int64_t steps = number_in(t->net, "optim.step.0.t");
    t->seed = number_in(t->net, "optim.random.seed");
    if (!steps) die("%s: weights without a state of training; --load takes them", o->resume);
    if (o->seed >= 0 && o->seed != t->seed)
        die("%s: trained with --seed %lld, not %lld", o->resume, (long long)t->seed, (long long)o->seed);
    if (steps % t->steps_per_epoch)
        die("%s: %lld steps are no whole number of epochs of %lld; was it trained with another --limit?", o->resume,
            (long long)steps, (long long)t->steps_per_epoch);
    t->first = steps / t->steps_per_epoch;
    snprintf(t->last, sizeof t->last, "%s", o->resume);
}

// The folder for new files: that of --save, or else that of the resumed checkpoint.
static void choose_directory(struct training *t) {
    const struct options *o = t->o;
    t->directory = o->save;
    if (!o->save && o->resume) {
        snprintf(t->room, sizeof t->room, "%s", o->resume);
        char *slash = strrchr(t->room, '/');
        if (slash) slash[slash == t->room] = 0; // "/x" is in "/"
        t->directory = slash ? t->room : ".";
    }
    if (t->directory && mkdir(t->directory, 0777) && errno != EEXIST)
        die("cannot make the directory %s: %s", t->directory, strerror(errno));
}

// Reads the epochs before this run. Checks that the folder can be written now, before hours of training.
static void begin_history(struct training *t) {
    char path[PATH], error[KIT_ERROR_BYTES];
    if (!t->directory) return;
    path_of(path, t, "history.csv");
    int status = t->first ? kit_history_read(&t->history, path, error) : KIT_OK;
    if (status) fprintf(stderr, "mynet: %s; the curve begins at epoch %lld\n", error, (long long)t->first + 1);
    kit_history_cut(&t->history, (int)t->first);
    if (kit_history_write(&t->history, path, error)) die("%s", error);
}

// ---- an epoch -------------------------------------------------------------------------------------------------------

static double rate_at(const struct training *t, int64_t step) {
    const struct options *o = t->o;
    int64_t steps = o->epochs * t->steps_per_epoch, warm = t->steps_per_epoch / 2 < 500 ? t->steps_per_epoch / 2 : 500;
    if (!strcmp(o->schedule, "step")) return kit_lr_step(o->lr, step, 2 * t->steps_per_epoch, 0.5);
    if (!strcmp(o->schedule, "one-cycle")) return kit_lr_one_cycle(o->lr, step, steps, 0.3, 25, 1e4, KIT_COS);
    if (!strcmp(o->schedule, "cosine"))
        return step < warm ? kit_lr_linear(o->lr, step, 0.01, 1, warm)
                           : kit_lr_cosine(o->lr, step - warm, steps - warm, 0);
    return o->lr;
}

// If a loss is not finite, the program ends: the net is no longer usable, but the saved checkpoint is.
static _Noreturn void stop(const struct training *t, const char *error) {
    if (t->last[0]) die("%s\nmynet: the last good state is in %s", error, t->last);
    die("%s\nmynet: no epoch had been saved", error);
}

static void train_epoch(struct training *t, int64_t epoch, struct kit_meter *meter) {
    static float logits[MYNET_N * CLASSES];
    char what[32], error[KIT_ERROR_BYTES];
    struct kit_progress bar;
    const float *image;
    const int32_t *label;
    int64_t step = epoch * t->steps_per_epoch;
    snprintf(what, sizeof what, "Epoch %lld/%lld", (long long)epoch + 1, (long long)t->o->epochs);
    kit_meter_start(meter, epoch + 1);
    kit_progress_start(&bar, stderr, what, t->set.count, "img");
    kit_loader_start(t->loader, epoch);
    for (int32_t n; (n = kit_loader_next(t->loader, &image, &label, NULL)) > 0; step++) {
        double lr = rate_at(t, step);
        float loss;
        mynet_step(t->net, n, image, label, (float)lr, &loss, logits);
        int32_t right = kit_count_right(logits, label, n, CLASSES);
        if (kit_meter_add(meter, (double)loss, right, n, lr, error)) {
            kit_progress_end(&bar);
            stop(t, error);
        }
        kit_progress_update(&bar, meter->samples, "loss=%.4f, acc=%.2f%%", kit_meter_loss(meter),
                            100 * kit_meter_accuracy(meter));
    }
    kit_progress_clear(&bar);
}

// Save the checkpoint first, so that it exists even if the rest fails or the program is killed.
static void save_epoch(struct training *t, int64_t epoch) {
    char path[PATH], name[32], error[KIT_ERROR_BYTES];
    if (!t->directory) return;
    snprintf(name, sizeof name, "epoch-%03lld.ckpt", (long long)epoch + 1);
    path_of(path, t, name);
    if (mynet_save(t->net, path)) stop(t, mynet_error(t->net));
    memcpy(t->last, path, sizeof path);
    path_of(path, t, "history.csv");
    if (kit_history_write(&t->history, path, error)) stop(t, error);
    path_of(path, t, "curve.svg");
    if (kit_curve_write(&t->history, "mynet on Fashion-MNIST", path, error)) stop(t, error);
}

static void run_epoch(struct training *t, struct test *test, int64_t epoch) {
    char error[KIT_ERROR_BYTES];
    struct kit_meter meter;
    double start = kit_now();
    train_epoch(t, epoch, &meter);
    double trained = kit_now();
    if (test_run(test, t->net, (int)epoch + 1, error)) stop(t, error);
    double seconds = kit_now() - start;
    struct kit_epoch e = {kit_meter_loss(&meter), kit_meter_accuracy(&meter), test->result.loss, test->result.accuracy,
                          seconds};
    printf(
        "epoch %lld/%lld  train loss %.4f, accuracy %.2f %%  test loss %.4f, accuracy %.2f %%  %.0f images/s  %.1f s\n",
        (long long)epoch + 1, (long long)t->o->epochs, e.train_loss, 100 * e.train_accuracy, e.test_loss,
        100 * e.test_accuracy, (double)meter.samples / (trained - start), seconds);
    fflush(stdout);
    if (kit_history_set(&t->history, (int)epoch + 1, &e, error)) stop(t, error);
    save_epoch(t, epoch);
}

static void save_end(struct training *t, const struct test *test) {
    char path[PATH], error[KIT_ERROR_BYTES];
    path_of(path, t, "mynet.safetensors");
    if (mynet_save_weights(t->net, path)) stop(t, mynet_error(t->net));
    path_of(path, t, "samples.png");
    if (test_draw(test, path, error)) stop(t, error);
    printf("\n%s: epoch-*.ckpt, mynet.safetensors, history.csv, curve.svg, samples.png\n", t->directory);
}

void train(struct mynet *net, struct test *test, const struct options *o) {
    struct training t = {.o = o, .net = net, .seed = o->seed < 0 ? 1 : o->seed};
    char error[KIT_ERROR_BYTES];
    if (kit_dataset_read(&t.set, o->data, "train", CLASSES, (int32_t)o->limit, error)) die("%s", error);
    t.steps_per_epoch = (t.set.count - 1) / MYNET_N + 1;
    if (o->resume) {
        resume(&t);
    } else {
        mynet_init(net, t.seed);
        mynet_seed(net, t.seed);
    }
    if (kit_loader_new(&t.loader, &t.set, &transforms, MYNET_N, t.seed, 1, error)) die("%s", error);
    choose_directory(&t);
    begin_history(&t);
    printf("%d training images in batches of %d, %d test images in batches of %d\n", (int)t.set.count, MYNET_N,
           (int)test->set.count, MYNET_M);
    fflush(stdout);
    for (int64_t epoch = t.first; epoch < o->epochs; epoch++) run_epoch(&t, test, epoch);
    if (t.first >= o->epochs && test_run(test, net, (int)t.first, error)) stop(&t, error);
    printf("\n");
    test_print(test);
    if (t.directory) save_end(&t, test);
    kit_history_free(&t.history);
    kit_loader_free(t.loader);
    kit_dataset_free(&t.set);
}
