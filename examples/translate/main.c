// main.c: an encoder-decoder that reads a number in words and writes its digits.
//
//     translate train --save numbers.ckpt [--epochs 8] ...      trains; a checkpoint after each epoch
//     translate train --resume numbers.ckpt                     goes on after the last epoch
//     translate test --load numbers.ckpt                        counts the right ones of held-out numbers
//     translate translate --load numbers.ckpt four thousand and twelve     without words: each line of the input
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "kit/kit.h"
#include "numbers.h"
#include "translate.h"

struct options {
    const char *save, *resume, *load;
    int64_t epochs, until, count, seed;
    double lr;
    const char **word; // what stands after the options, up to NULL
};

// Numbers and their words; kit_sequences makes batches of similar length.
struct set {
    int32_t count, *number, *length; // (count)
    int32_t **word;                  // (count) arrays of length[k]
    struct kit_sequences *batches;
};

// A batch, as the net takes it; n: numbers, T: words of the longest.
struct batch {
    int32_t n, T;
    const int32_t *index; // which of the set
    int32_t word[TRANSLATE_N * TRANSLATE_T], length[TRANSLATE_N];
};

static struct kit_vocabulary *vocabulary;
static char error[KIT_ERROR_BYTES];

static _Noreturn void die(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "translate: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

// ---- sets and batches -----------------------------------------------------------------------------------------------

// The set of set->number.
static void set_open(struct set *set) {
    char text[WORDS_BYTES];
    size_t length;
    set->length = malloc((size_t)set->count * sizeof *set->length);
    set->word = malloc((size_t)set->count * sizeof *set->word);
    if (!set->length || !set->word) die("no memory for %d numbers", (int)set->count);
    for (int32_t k = 0; k < set->count; k++) {
        number_words(text, set->number[k]);
        if (kit_vocabulary_encode(vocabulary, text, strlen(text), &set->word[k], &length, error)) die("%s", error);
        set->length[k] = (int32_t)length;
    }
    if (kit_sequences_new(&set->batches, set->length, set->count, TRANSLATE_N, 50, error)) die("%s", error);
}

static void set_close(struct set *set) {
    kit_sequences_free(set->batches);
    for (int32_t k = 0; k < set->count; k++) free(set->word[k]);
    free(set->word);
    free(set->length);
    free(set->number);
}

static bool next_batch(struct set *set, struct batch *b) {
    b->n = kit_sequences_next(set->batches, &b->index, &b->T);
    if (!b->n) return false;
    kit_sequences_fill(set->batches, b->word, (const int32_t *const *)set->word, b->T, 0, false);
    kit_sequences_lengths(set->batches, b->length, b->T);
    return true;
}

static void training_set(struct set *set, const struct options *o) {
    set->count = (int32_t)o->count;
    set->number = malloc((size_t)set->count * sizeof *set->number);
    if (!set->number) die("no memory for %d numbers", (int)set->count);
    for (int32_t k = 0; k < set->count; k++) set->number[k] = draw_number(o->seed, k);
    set_open(set);
}

// Held-out numbers: all up to four digits, one in 5 of five digits and one in 45 of six.
static void held_out_set(struct set *set) {
    set->count = 0;
    set->number = malloc(NUMBERS / 10 * sizeof *set->number);
    if (!set->number) die("no memory");
    for (int32_t number = 0; number < NUMBERS; number += number < 10000 ? 1 : number < 100000 ? 5 : 45)
        if (is_held_out(number)) set->number[set->count++] = number;
    set_open(set);
}

// ---- commands -------------------------------------------------------------------------------------------------------

// How many numbers are right in all digits, by their number of digits: right and count are (7).
static void count_right(struct translate *net, struct set *set, int32_t right[OUT], int32_t count[OUT]) {
    struct batch b;
    memset(right, 0, OUT * sizeof *right);
    memset(count, 0, OUT * sizeof *count);
    kit_sequences_shuffle(set->batches, 0, -1);
    while (next_batch(set, &b)) {
        int64_t digits[TRANSLATE_N * OUT]; // (n, OUT)
        translate_decode(net, b.n, b.T, b.word, b.length, digits);
        for (int32_t k = 0; k < b.n; k++) {
            int32_t truth[OUT], n = 0, same = 0;
            number_digits(truth, set->number[b.index[k]], 0);
            while (truth[n] != END) n++;
            while (same <= n && digits[k * OUT + same] == truth[same]) same++;
            right[n] += same > n;
            count[n]++;
        }
    }
}

static double share_right(struct translate *net, struct set *set) {
    int32_t right[OUT], count[OUT], sum = 0;
    count_right(net, set, right, count);
    for (int k = 0; k < OUT; k++) sum += right[k];
    return 100.0 * sum / set->count;
}

static void test(struct translate *net, const struct options *o) {
    struct set set;
    int32_t right[OUT], count[OUT];
    (void)o;
    held_out_set(&set);
    count_right(net, &set, right, count);
    for (int k = 1; k < OUT; k++)
        printf("%d digit%s  %4d of %4d right, %6.2f %%\n", k, k == 1 ? " " : "s", (int)right[k], (int)count[k],
               count[k] ? 100.0 * right[k] / count[k] : 0);
    printf("all       %.2f %%\n", share_right(net, &set));
    set_close(&set);
}

static void train_epoch(struct translate *net, struct set *set, const struct options *o, int64_t epoch,
                        struct kit_meter *meter) {
    struct batch b;
    struct kit_progress bar;
    char what[64];
    int64_t steps = kit_sequences_batches(set->batches), step = epoch * steps;
    snprintf(what, sizeof what, "Epoch %lld/%lld", (long long)epoch + 1, (long long)o->epochs);
    kit_meter_start(meter, epoch + 1);
    kit_progress_start(&bar, stderr, what, set->count, "number");
    kit_sequences_shuffle(set->batches, o->seed, epoch);
    for (; next_batch(set, &b); step++) {
        int32_t digit[TRANSLATE_N * OUT], before[TRANSLATE_N * OUT]; // (n, OUT)
        for (int32_t k = 0; k < b.n; k++) {
            number_digits(digit + k * OUT, set->number[b.index[k]], KIT_NO_TARGET);
            number_digits(before + k * OUT, set->number[b.index[k]], END);
            memmove(before + k * OUT + 1, before + k * OUT, (OUT - 1) * sizeof *before);
            before[k * OUT] = START;
        }
        double lr = kit_lr_cosine(o->lr, step, o->epochs * steps, 0);
        float loss;
        translate_step(net, b.n, b.T, b.word, b.length, before, digit, (float)lr, &loss);
        if (kit_meter_add(meter, (double)loss, 0, b.n, lr, error)) {
            kit_progress_end(&bar);
            die("%s", error);
        }
        kit_progress_update(&bar, meter->samples, "loss=%.4f", kit_meter_loss(meter));
    }
    kit_progress_clear(&bar);
}

// How many epochs the checkpoint has behind it.
static int64_t epochs_done(struct translate *net, const char *path, int64_t steps) {
    int64_t done = 0;
    if (translate_get(net, "optim.step.0.t", &done, sizeof done)) die("%s", translate_error(net));
    if (done % steps)
        die("%s: %lld steps are no whole number of epochs of %lld; was it trained with another --count?", path,
            (long long)done, (long long)steps);
    return done / steps;
}

static void train(struct translate *net, const struct options *o) {
    struct set set, held;
    const char *path = o->resume ? o->resume : o->save;
    if (o->save && o->resume) die("--save begins and --resume goes on: one of them");
    training_set(&set, o);
    held_out_set(&held);
    printf("%d numbers for training, %d held out\n", (int)set.count, (int)held.count);
    translate_init(net, o->seed);
    if (o->resume && translate_load(net, o->resume)) die("%s", translate_error(net));
    int64_t epoch = o->resume ? epochs_done(net, o->resume, kit_sequences_batches(set.batches)) : 0;
    for (; epoch < o->epochs && (!o->until || epoch < o->until); epoch++) {
        struct kit_meter meter;
        double start = kit_now();
        train_epoch(net, &set, o, epoch, &meter);
        double seconds = kit_now() - start;
        printf("epoch %lld/%lld  loss %.4f  held out %.2f %% right  %.0f numbers/s  %.1f s\n", (long long)epoch + 1,
               (long long)o->epochs, kit_meter_loss(&meter), share_right(net, &held), set.count / seconds, seconds);
        fflush(stdout);
        if (path && translate_save(net, path)) die("%s", translate_error(net));
    }
    set_close(&set);
    set_close(&held);
}

// Prints the digits of one number in words; writes over `text`. Returns false, with a message, if it is none.
static bool translate_line(struct translate *net, char *text) {
    int32_t *word;
    int64_t digits[OUT];
    size_t count;
    for (char *c = text; *c; c++) *c = isalpha((unsigned char)*c) ? (char)tolower((unsigned char)*c) : ' ';
    if (kit_vocabulary_encode(vocabulary, text, strlen(text), &word, &count, error)) die("%s", error);
    size_t known = 0;
    while (known < count && word[known]) known++;
    bool fits = count > 0 && known == count && count <= TRANSLATE_T;
    if (!count) fprintf(stderr, "translate: no words\n");
    if (known < count) fprintf(stderr, "translate: word %zu is in no number: %s\n", known + 1, text);
    if (count > TRANSLATE_T) fprintf(stderr, "translate: %zu words; numbers have at most %d\n", count, TRANSLATE_T);
    if (fits) {
        int32_t length = (int32_t)count;
        translate_decode(net, 1, length, word, &length, digits);
        for (int k = 0; k < OUT && digits[k] != END; k++) printf("%c", "0123456789??"[digits[k]]);
        printf("\n");
    }
    free(word);
    return fits;
}

static void translate(struct translate *net, const struct options *o) {
    char line[1024] = "";
    bool all = true;
    for (const char **word = o->word; *word; word++) {
        size_t length = strlen(line);
        if (strlen(*word) + 2 > sizeof line - length) die("a number of more than %zu bytes", sizeof line);
        snprintf(line + length, sizeof line - length, "%s ", *word);
    }
    if (*line)
        all = translate_line(net, line);
    else
        while (fgets(line, sizeof line, stdin)) all = translate_line(net, line) && all;
    if (!all) exit(1);
}

int main(int argc, char **argv) {
    struct options o = {.epochs = 8, .count = 40000, .seed = 1, .lr = 4e-3};
    const struct kit_option options[] = {
        {"--save", "FILE", "train: a checkpoint after each epoch", KIT_TEXT, &o.save, 0, 0},
        {"--resume", "FILE", "train: the checkpoint to go on from", KIT_TEXT, &o.resume, 0, 0},
        {"--load", "FILE", "test, translate: a checkpoint", KIT_TEXT, &o.load, 0, 0},
        {"--epochs", "N", "passes over the numbers (8)", KIT_INT, &o.epochs, 0, 100000},
        {"--until", "N", "ends after epoch N, to go on later (--epochs)", KIT_INT, &o.until, 1, 100000},
        {"--count", "N", "numbers that are drawn for training (40000)", KIT_INT, &o.count, 1, 1e8},
        {"--lr", "RATE", "the first learning rate; it falls to 0 (4e-3)", KIT_REAL, &o.lr, 0, 100},
        {"--seed", "N", "of parameters, numbers and their order (1)", KIT_INT, &o.seed, 0, 9e15},
        {0}};
    static const struct {
        const char *name;
        void (*run)(struct translate *net, const struct options *o);
    } commands[] = {{"train", train}, {"test", test}, {"translate", translate}};

    int rest = 1, k = 0;
    snprintf(error, sizeof error, "the first word is train, test or translate");
    while (k < 3 && (argc < 2 || strcmp(argv[1], commands[k].name))) k++;
    if (k == 3 || kit_options_read(options, argc - 1, argv + 1, &rest, error)) {
        fprintf(stderr, "translate: %s\nusage: translate train|test|translate [OPTION VALUE]... [WORD]...\n", error);
        kit_options_print(stderr, options);
        return 2;
    }
    if (k < 2 && rest < argc - 1) die("%s: words are for the command translate", argv[1 + rest]);
    o.word = (const char **)argv + 1 + rest;
    struct translate *net = translate_new();
    if (!net) die("no memory for the net");
    if (kit_vocabulary_build(&vocabulary, KIT_WORDS, all_words, strlen(all_words), 0, 1, error)) die("%s", error);
    if (k && !o.load) die("--load FILE is missing");
    if (k && translate_load(net, o.load)) die("%s", translate_error(net));
    commands[k].run(net, &o);
    kit_vocabulary_free(vocabulary);
    translate_free(net);
    return 0;
}
