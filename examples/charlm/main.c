// main.c: a language model of characters or words: trains on a text, continues a text, or says what comes next.
//
//     charlm train --text kjv.txt --save DIR [--words] ...     a checkpoint per epoch, vocabulary and weights are in
//     DIR charlm train --text kjv.txt --resume DIR                 goes on after the last checkpoint charlm generate
//     --load DIR --prompt "In the" ...         writes charlm next --load DIR --prompt "In the" ...             the most
//     likely next tokens with their probabilities
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

void die(const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fprintf(stderr, "charlm: ");
    vfprintf(stderr, fmt, args);
    fprintf(stderr, "\n");
    va_end(args);
    exit(1);
}

int32_t net_tokens(void) {
    int k = 0;
    while (strcmp(charlm_param_info(k)->name, "head.bias")) k++;
    return charlm_param_info(k)->shape[0];
}

void path_in(char to[PATH], const char *directory, const char *name) {
    if (snprintf(to, PATH, "%s/%s", directory, name) >= PATH) die("%s: the path is too long", directory);
}

int main(int argc, char **argv) {
    struct options o = {.epochs = 5, .lr = 4e-3, .seed = 1, .count = 500, .top = 10, .temperature = 1, .top_p = 1};
    o.penalty = 1, o.steps = INT64_MAX;
    const struct kit_option training[] = {
        {"--text", "FILE", "the text", KIT_TEXT, &o.text, 0, 0},
        {"--save", "DIR", "where checkpoint, vocabulary and weights go", KIT_TEXT, &o.save, 0, 0},
        {"--resume", "DIR", "a directory of --save to go on in", KIT_TEXT, &o.resume, 0, 0},
        {"--words", NULL, "tokens are words instead of characters", KIT_FLAG, &o.words, 0, 0},
        {"--epochs", "N", "passes over the text (5)", KIT_INT, &o.epochs, 0, 100000},
        {"--steps", "N", "ends after N steps, to go on later", KIT_INT, &o.steps, 0, 9e15},
        {"--limit", "N", "bytes of the text (all)", KIT_INT, &o.limit, 1, 9e15},
        {"--lr", "RATE", "the first learning rate; it falls to 0 (4e-3)", KIT_REAL, &o.lr, 0, 100},
        {"--seed", "N", "of the parameters (1)", KIT_INT, &o.seed, 0, 9e15},
        {0}};
    const struct kit_option writing[] = {
        {"--load", "DIR", "a directory of --save", KIT_TEXT, &o.load, 0, 0},
        {"--prompt", "TEXT", "how the text begins", KIT_TEXT, &o.prompt, 0, 0},
        {"--count", "N", "tokens to write (500)", KIT_INT, &o.count, 0, 1e9},
        {"--temperature", "T", "0: always the most likely token (1)", KIT_REAL, &o.temperature, 0, 1e6},
        {"--top-k", "K", "only the K most likely tokens; 0: all (0)", KIT_INT, &o.top_k, 0, 1e6},
        {"--top-p", "P", "only the most likely tokens that sum to P (1)", KIT_REAL, &o.top_p, 1e-9, 1},
        {"--penalty", "X", "divides logits of tokens that were there (1)", KIT_REAL, &o.penalty, 1e-6, 1e6},
        {"--seed", "N", "of the draws (1)", KIT_INT, &o.seed, 0, 9e15},
        {"--top", "N", "how many tokens `next` prints (10)", KIT_INT, &o.top, 1, 1e6},
        {0}};
    static const struct {
        const char *name;
        void (*run)(struct charlm *net, const struct options *o);
    } commands[] = {{"train", train}, {"generate", generate}, {"next", next}};

    int rest = 0, k = 0;
    char error[KIT_ERROR_BYTES] = "the first word is train, generate or next";
    while (k < 3 && (argc < 2 || strcmp(argv[1], commands[k].name))) k++;
    if (k == 3 || kit_options_read(k ? writing : training, argc - 1, argv + 1, &rest, error) || rest < argc - 1) {
        if (rest && rest < argc - 1) snprintf(error, sizeof error, "%s is no option", argv[1 + rest]);
        fprintf(stderr, "charlm: %s\nusage: charlm train [OPTION VALUE]...\n", error);
        kit_options_print(stderr, training);
        fprintf(stderr, "       charlm generate|next [OPTION VALUE]...\n");
        kit_options_print(stderr, writing);
        return 2;
    }
    struct charlm *net = charlm_new();
    if (!net) die("no memory for the net");
    commands[k].run(net, &o);
    charlm_free(net);
    return 0;
}
