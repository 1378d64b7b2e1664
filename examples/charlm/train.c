// train.c: training by truncated back-propagation through time.
//
// The text is cut into N streams. A step reads the next T tokens of each; its gradient stays within these tokens, but
// the net's state goes on into the next step, so it can use what it read before. The checkpoint has this state too,
// with the parameters, Adam's moments and the number of steps, which gives the place in the text. So a run may end
// after any step, and one that goes on from there gives the same bits.
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app.h"

enum { SAVE_EVERY = 200 }; // steps

struct training {
    const struct options *o;
    struct charlm *net, *reader; // reader: the same parameters, with a state of its own
    struct text text;
    struct kit_windows windows, held;
    int64_t step;                                                    // steps that are done
    const char *kind, *directory;                                    // directory: NULL to write nothing
    int32_t token[CHARLM_T * CHARLM_N], target[CHARLM_T * CHARLM_N]; // (T, N)
};

// A mean loss in bits per token.
static double bits(const struct kit_meter *m) { return kit_meter_loss(m) / log(2); }

// Bits per token of the held-out text.
static double score(struct training *t) {
    char error[KIT_ERROR_BYTES];
    struct kit_meter meter;
    float loss;
    kit_meter_start(&meter, 1);
    kit_windows_start(&t->held);
    charlm_reset(t->reader);
    for (int32_t T; (T = kit_windows_next(&t->held, t->token, t->target, true)) > 0;) {
        charlm_score(t->reader, CHARLM_N, T, t->token, t->target, &loss);
        if (kit_meter_add(&meter, (double)loss, 0, T * CHARLM_N, 0, error)) die("held-out text: %s", error);
    }
    return bits(&meter);
}

static void save(const struct training *t) {
    char path[PATH];
    if (!t->directory) return;
    path_in(path, t->directory, "charlm.ckpt");
    if (charlm_save(t->net, path)) die("%s", charlm_error(t->net));
}

// Trains to the end of the epoch, or until o->steps are done.
static void train_epoch(struct training *t, struct kit_meter *meter) {
    const struct options *o = t->o;
    char what[64], error[KIT_ERROR_BYTES];
    struct kit_progress bar;
    int64_t windows = t->windows.windows, epoch = t->step / windows, first = t->step % windows;
    snprintf(what, sizeof what, "Epoch %lld/%lld", (long long)epoch + 1, (long long)o->epochs);
    kit_meter_start(meter, epoch + 1);
    kit_progress_start(&bar, stderr, what, (t->windows.each - first * CHARLM_T) * CHARLM_N, t->kind);
    kit_windows_start(&t->windows);
    t->windows.at = first;
    if (!first) charlm_reset(t->net);
    for (int32_t T; t->step < o->steps && (T = kit_windows_next(&t->windows, t->token, t->target, true)) > 0;) {
        double lr = kit_lr_cosine(o->lr, t->step, o->epochs * windows, 0);
        float loss;
        charlm_step(t->net, CHARLM_N, T, t->token, t->target, (float)lr, &loss);
        if (kit_meter_add(meter, (double)loss, 0, T * CHARLM_N, lr, error)) {
            kit_progress_end(&bar);
            die("%s", error);
        }
        if (++t->step % SAVE_EVERY == 0) save(t);
        kit_progress_update(&bar, meter->samples, "bits=%.3f", bits(meter));
    }
    kit_progress_clear(&bar);
}

static void run_epoch(struct training *t) {
    struct kit_meter meter;
    double start = kit_now();
    train_epoch(t, &meter);
    double seconds = kit_now() - start;
    save(t);
    printf("step %lld/%lld  bits per %s: %.4f, held out %.4f  %.0f %ss/s  %.1f s\n", (long long)t->step,
           (long long)(t->o->epochs * t->windows.windows), t->kind, bits(&meter), score(t),
           (double)meter.samples / seconds, t->kind, seconds);
    fflush(stdout);
}

static void resume(struct training *t) {
    char path[PATH];
    path_in(path, t->directory, "charlm.ckpt");
    if (charlm_load(t->net, path) || charlm_get(t->net, "optim.step.0.t", &t->step, sizeof t->step))
        die("%s", charlm_error(t->net));
}

// Reads or makes the vocabulary, and checks that the directory can be written before hours of training.
static void prepare_text(struct training *t) {
    char path[PATH], error[KIT_ERROR_BYTES];
    const struct options *o = t->o;
    if (t->directory) path_in(path, t->directory, "vocabulary");
    text_read(&t->text, o, o->resume ? path : NULL, net_tokens());
    if (kit_vocabulary_count(t->text.vocabulary) > net_tokens())
        die("%s: %d tokens, and this net has %d", path, (int)kit_vocabulary_count(t->text.vocabulary),
            (int)net_tokens());
    t->kind = token_kind(t->text.vocabulary);
    if (!t->directory || o->resume) return;
    if (mkdir(t->directory, 0777) && errno != EEXIST)
        die("cannot make the directory %s: %s", t->directory, strerror(errno));
    if (kit_vocabulary_write(t->text.vocabulary, path, error)) die("%s", error);
}

void train(struct charlm *net, const struct options *o) {
    static struct training t;
    char path[PATH], error[KIT_ERROR_BYTES];
    if (o->save && o->resume) die("--save begins and --resume goes on: one of them");
    t = (struct training){.o = o, .net = net, .directory = o->resume ? o->resume : o->save};
    prepare_text(&t);
    if (kit_windows_new(&t.windows, t.text.train, t.text.train_count, CHARLM_N, CHARLM_T, error) ||
        kit_windows_new(&t.held, t.text.held, t.text.held_count, CHARLM_N, CHARLM_T, error))
        die("%s: the text is too short: %s", o->text, error);
    printf("%zu %ss in %lld windows, %zu held out, a vocabulary of %d\n", t.text.train_count, t.kind,
           (long long)t.windows.windows, t.text.held_count, (int)kit_vocabulary_count(t.text.vocabulary));
    charlm_init(net, o->seed);
    if (o->resume) resume(&t);
    t.reader = charlm_share(net);
    if (!t.reader) die("no memory for a second state");
    int64_t steps = o->epochs * t.windows.windows;
    while (t.step < steps && t.step < o->steps) run_epoch(&t);
    save(&t);
    if (t.directory) {
        path_in(path, t.directory, "charlm.safetensors");
        if (charlm_save_weights(net, path)) die("%s", charlm_error(net));
        printf("%s: vocabulary, charlm.ckpt, charlm.safetensors\n", t.directory);
    }
    charlm_free(t.reader);
    text_free(&t.text);
}
