// text.c: the text as tokens. A reference in front of a verse is left out:
//     Ge1:1 In the beginning God created ...     becomes     In the beginning God created ...
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"

const char *token_kind(const struct kit_vocabulary *v) {
    return kit_vocabulary_kind(v) == KIT_WORDS ? "word" : "character";
}

// How many bytes of the line are a reference and the space after it: "Ge1:1 ", "2Ki14:25 ".
static size_t reference(const char *line) {
    size_t at = strcspn(line, ": \n"), chapter = at;
    if (line[at] != ':' || !at || !isdigit((unsigned char)line[at - 1])) return 0;
    while (chapter && isdigit((unsigned char)line[chapter - 1])) chapter--;
    size_t verse = strspn(line + at + 1, "0123456789");
    return chapter && verse && line[at + 1 + verse] == ' ' ? at + 1 + verse + 1 : 0;
}

// Removes the references in place. Returns the number of bytes that are left.
static size_t remove_references(char *text) {
    char *to = text;
    for (char *line = text; *line;) {
        line += reference(line);
        size_t length = strcspn(line, "\n");
        length += line[length] == '\n';
        memmove(to, line, length);
        to += length;
        line += length;
    }
    *to = 0;
    return (size_t)(to - text);
}

// Where the held-out text begins: at the end of a line, or anywhere if lines are long.
static size_t held_out_from(const char *text, size_t bytes) {
    size_t at = bytes - bytes / 20;
    const char *end = memchr(text + at, '\n', bytes / 40);
    return end ? (size_t)(end + 1 - text) : at;
}

void text_read(struct text *t, const struct options *o, const char *vocabulary, int32_t limit) {
    char error[KIT_ERROR_BYTES], *text;
    size_t bytes;
    if (!o->text) die("--text FILE is missing");
    if (kit_text_read(&text, &bytes, o->text, error)) die("%s", error);
    bytes = remove_references(text);
    if (o->limit && (size_t)o->limit < bytes) bytes = (size_t)o->limit;
    size_t cut = held_out_from(text, bytes);
    enum kit_token_kind kind = o->words ? KIT_WORDS : KIT_CHARACTERS;
    if (vocabulary ? kit_vocabulary_read(&t->vocabulary, vocabulary, error)
                   : kit_vocabulary_build(&t->vocabulary, kind, text, cut, limit, 1, error))
        die("%s", error);
    if (kit_vocabulary_encode(t->vocabulary, text, cut, &t->train, &t->train_count, error) ||
        kit_vocabulary_encode(t->vocabulary, text + cut, bytes - cut, &t->held, &t->held_count, error))
        die("%s", error);
    free(text);
}

void text_free(struct text *t) {
    kit_vocabulary_free(t->vocabulary);
    free(t->train);
    free(t->held);
}
