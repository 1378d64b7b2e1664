// app.h: what the files of this program share.
//     main.c: the command line     text.c: the text as tokens     train.c: training     write.c: using a trained net
#ifndef CHARLM_APP_H
#define CHARLM_APP_H

#include "charlm.h"
#include "kit/kit.h"

enum { PATH = 4096 };

// The options of the command line; NULL or 0 if not given.
struct options {
    const char *text, *save, *resume, *load, *prompt;
    bool words;
    int64_t epochs, steps, limit, seed, count, top, top_k;
    double lr, temperature, top_p, penalty;
};

// Prints "charlm: " and the message, and exits with status 1.
_Noreturn void die(const char *fmt, ...);

// ---- main.c ---------------------------------------------------------------------------------------------------------

int32_t net_tokens(void); // in the vocabulary of the net, at most: what dlc was given as TOKENS
void path_in(char to[PATH], const char *directory, const char *name);

// ---- text.c ---------------------------------------------------------------------------------------------------------

// The text as tokens. The last twentieth is held out: it is not trained on, and the vocabulary does not know it.
struct text {
    struct kit_vocabulary *vocabulary;
    int32_t *train, *held;
    size_t train_count, held_count;
};

// Reads o->text, without the references in front of verses. The vocabulary is that of the file `vocabulary`, or, if
// that is NULL, one of at most `limit` tokens.
void text_read(struct text *t, const struct options *o, const char *vocabulary, int32_t limit);
void text_free(struct text *t);
const char *token_kind(const struct kit_vocabulary *v); // "character" or "word"

// ---- train.c, write.c: the commands ---------------------------------------------------------------------------------

void train(struct charlm *net, const struct options *o);
void generate(struct charlm *net, const struct options *o);
void next(struct charlm *net, const struct options *o);

#endif
