// write.c: continues a text, or prints what comes next, with a trained net.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

struct writer {
    struct charlm *net;
    struct kit_vocabulary *vocabulary;
    struct kit_sampler *sampler;
    int32_t *token; // the prompt and what was written after it
    size_t count;
    float *logits; // (tokens) of what follows
};

// Lets the net read the tokens from `from` on, a window at a time.
static void read_tokens(struct writer *w, size_t from) {
    for (size_t at = from; at < w->count; at += CHARLM_T) {
        int32_t T = w->count - at < CHARLM_T ? (int32_t)(w->count - at) : CHARLM_T;
        charlm_read(w->net, 1, T, w->token + at, w->logits);
    }
    w->logits[0] = -INFINITY; // never <unk>
}

// Loads the net, and lets it read the prompt. There is room for `room` more tokens.
static void writer_open(struct writer *w, struct charlm *net, const struct options *o, const struct kit_sampling *how,
                        size_t room) {
    char path[PATH], error[KIT_ERROR_BYTES];
    if (!o->load) die("--load DIR is missing");
    path_in(path, o->load, "vocabulary");
    if (kit_vocabulary_read(&w->vocabulary, path, error)) die("%s", error);
    int32_t count = kit_vocabulary_count(w->vocabulary), most = net_tokens();
    if (count > most) die("%s: %d tokens, and this net has %d", path, (int)count, (int)most);
    path_in(path, o->load, "charlm.ckpt");
    if (charlm_load(net, path)) die("%s", charlm_error(net));
    charlm_reset(net); // the checkpoint remembers the training text
    // Without a prompt, the text begins after the end of a verse.
    const char *prompt = o->prompt ? o->prompt : kit_vocabulary_kind(w->vocabulary) == KIT_WORDS ? "." : "\n";
    if (kit_vocabulary_encode(w->vocabulary, prompt, strlen(prompt), &w->token, &w->count, error)) die("%s", error);
    if (!w->count) die("--prompt: \"%s\" has no %s", prompt, token_kind(w->vocabulary));
    for (size_t k = 0; k < w->count; k++)
        if (o->prompt && !w->token[k])
            fprintf(stderr, "charlm: %s %zu of the prompt is not in the vocabulary\n", token_kind(w->vocabulary),
                    k + 1);
    w->net = net;
    w->token = realloc(w->token, (w->count + room + 1) * sizeof *w->token);
    w->logits = malloc((size_t)most * sizeof *w->logits);
    if (!w->token || !w->logits) die("no memory");
    if (kit_sampler_new(&w->sampler, how, count, error)) die("%s", error);
    read_tokens(w, 0);
}

static void writer_close(struct writer *w) {
    kit_vocabulary_free(w->vocabulary);
    kit_sampler_free(w->sampler);
    free(w->token);
    free(w->logits);
}

// Prints what came to the text since the last call. More tokens only append to it.
static void print_new(const struct writer *w, size_t *printed) {
    char error[KIT_ERROR_BYTES], *text;
    size_t bytes;
    if (kit_vocabulary_decode(w->vocabulary, w->token, w->count, &text, &bytes, error)) die("%s", error);
    fwrite(text + *printed, 1, bytes - *printed, stdout);
    fflush(stdout);
    *printed = bytes;
    free(text);
}

void generate(struct charlm *net, const struct options *o) {
    struct writer w;
    const struct kit_sampling how = {.repetition_penalty = o->penalty,
                                     .temperature = o->temperature,
                                     .top_k = (int32_t)o->top_k,
                                     .top_p = o->top_p,
                                     .seed = o->seed};
    char error[KIT_ERROR_BYTES];
    size_t printed = 0;
    writer_open(&w, net, o, &how, (size_t)o->count);
    for (int64_t k = 0; k < o->count; k++) {
        print_new(&w, &printed);
        if (kit_sampler_draw(w.sampler, w.logits, w.token, w.count, k, &w.token[w.count], error)) die("%s", error);
        read_tokens(&w, w.count++);
    }
    print_new(&w, &printed);
    printf("\n");
    writer_close(&w);
}

// A token, with \n for a line break.
static void print_token(const struct kit_vocabulary *v, int32_t token) {
    const char *text = kit_vocabulary_token(v, token, NULL);
    printf("  %s\n", *text == '\n' ? "\\n" : *text == ' ' ? "(space)" : text);
}

void next(struct charlm *net, const struct options *o) {
    struct writer w;
    const struct kit_sampling how = {.repetition_penalty = 1, .temperature = 1, .top_p = 1};
    char error[KIT_ERROR_BYTES];
    writer_open(&w, net, o, &how, 0);
    int32_t count = kit_vocabulary_count(w.vocabulary);
    float *probability = malloc((size_t)count * sizeof *probability);
    if (!probability) die("no memory");
    if (kit_sampler_probabilities(w.sampler, probability, w.logits, NULL, 0, error)) die("%s", error);
    for (int64_t k = 0; k < o->top && k < count - 1; k++) {
        int32_t best = kit_argmax(probability, count);
        printf("%6.2f %%", 100 * (double)probability[best]);
        print_token(w.vocabulary, best);
        probability[best] = -1;
    }
    free(probability);
    writer_close(&w);
}
