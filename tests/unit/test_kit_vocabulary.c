// test_kit_vocabulary.c: words and characters against Python 3.11's re, Counter and UTF-8 decoder, and the file: whole,
// damaged, and what it must refuse.
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kit/kit.h"

static char path[200], error[KIT_ERROR_BYTES];

static const char *file_path(void) {
    const char *build = getenv("BUILD");
    // Tests run at the same time, each in a process of its own.
    snprintf(path, sizeof path, "%s/tests/work/%d-vocabulary.txt", build ? build : "build", (int)getpid());
    return path;
}

static void write_bytes(const char *text, size_t bytes) {
    FILE *f = fopen(file_path(), "wb");
    cr_assert(f && fwrite(text, 1, bytes, f) == bytes && !fclose(f), "%s", path);
}

static struct kit_vocabulary *build_of(enum kit_token_kind kind, const char *text, size_t bytes) {
    struct kit_vocabulary *v;
    cr_assert(!kit_vocabulary_build(&v, kind, text, bytes, 0, 0, error), "%s", error);
    return v;
}

// ---- as Python ------------------------------------------------------------------------------------------------------

static const char sample[] =
    "In the beginning God created the heaven and the earth. And the earth was without form, and void; and darkness was "
    "upon the face of the deep. “Don't go!” — he said (well-known, 'tis true): café, naïve… 3.14 and -x; a-\tb c- "
    "d'\xc2\xa0"
    "e’s über\xe2\x80\x83£5 «Él» ¿qué? rock'n'roll__x 😀ok 日本、東京。\n";

static const struct {
    enum kit_token_kind kind;
    size_t tokens;
    int32_t count;
    const char *first[14];
    int64_t sum; // of id times place, places from 1
} of_sample[] = {
    // re.findall(r"\w+(?:['’-]\w+)*|[^\w\s]", text)
    {KIT_WORDS, 82, 65, {"the", "and", ",", "-", ".", "'", ";", "earth", "was", "!", "(", ")", "14", "3"}, 106508},
    {KIT_CHARACTERS, 274, 68, {" ", "e", "n", "a", "t", "d", "o", "h", "r", "s", "i", "'", "c", "l"}, 652730},
};

Test(kit_vocabulary, tokens_of_python) {
    for (size_t k = 0; k < sizeof of_sample / sizeof *of_sample; k++) {
        struct kit_vocabulary *v = build_of(of_sample[k].kind, sample, sizeof sample - 1);
        cr_assert(kit_vocabulary_count(v) == of_sample[k].count, "%d", (int)kit_vocabulary_count(v));
        cr_expect_str_eq(kit_vocabulary_token(v, 0, NULL), "<unk>");
        for (int i = 0; i < 14; i++) {
            size_t bytes;
            const char *token = kit_vocabulary_token(v, i + 1, &bytes);
            cr_expect(!strcmp(token, of_sample[k].first[i]) && bytes == strlen(token), "token %d is %s", i + 1, token);
            cr_expect(kit_vocabulary_find(v, token, bytes) == i + 1);
        }
        int32_t *id;
        size_t count;
        int64_t sum = 0;
        cr_assert(!kit_vocabulary_encode(v, sample, sizeof sample - 1, &id, &count, error), "%s", error);
        for (size_t i = 0; i < count; i++) sum += (int64_t)(i + 1) * id[i];
        cr_expect(count == of_sample[k].tokens && sum == of_sample[k].sum, "%zu tokens, sum %lld", count,
                  (long long)sum);
        free(id);
        kit_vocabulary_free(v);
    }
}

// Bytes of each character, as Python decodes it; where it refuses, a byte is one.
static const struct {
    const char *text;
    size_t bytes;
    int used[8];
} utf8[] = {
    {"a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", 10, {1, 2, 3, 4}},
    {"\xff\xc3\xc3\xa9", 4, {1, 1, 2}},
    {"\xc0\x80\xc1\xbf", 4, {1, 1, 1, 1}},                    // longer than they need to be
    {"\xe0\x80\x80\xe0\xa0\x80", 6, {1, 1, 1, 3}},            // likewise
    {"\xed\x9f\xbf\xed\xa0\x80", 6, {3, 1, 1, 1}},            // a surrogate
    {"\xf0\x8f\xbf\xbf\xf0\x90\x80\x80", 8, {1, 1, 1, 1, 4}}, // longer
    {"\xf4\x8f\xbf\xbf\xf4\x90\x80\x80", 8, {4, 1, 1, 1, 1}}, // behind U+10FFFF
    {"\xe2\x82", 2, {1, 1}},                                  // ends early
    {"\xf5\x80\x80\x80\xf8", 5, {1, 1, 1, 1, 1}},
    {"\xf9\x80\x80\x80", 4, {1, 1, 1, 1}},
    {"\x00\x7f\x80", 3, {1, 1, 1}},
};

Test(kit_vocabulary, characters_of_utf8) {
    for (size_t k = 0; k < sizeof utf8 / sizeof *utf8; k++) {
        struct kit_vocabulary *v = build_of(KIT_CHARACTERS, utf8[k].text, utf8[k].bytes);
        int32_t *id;
        size_t count, used, wanted = 0;
        cr_assert(!kit_vocabulary_encode(v, utf8[k].text, utf8[k].bytes, &id, &count, error));
        while (wanted < 8 && utf8[k].used[wanted]) wanted++;
        cr_assert(count == wanted, "row %zu: %zu characters", k, count);
        for (size_t i = 0; i < count; i++) {
            kit_vocabulary_token(v, id[i], &used);
            cr_expect(used == (size_t)utf8[k].used[i], "row %zu: character %zu has %zu bytes", k, i, used);
        }
        free(id);
        kit_vocabulary_free(v);
    }
}

// ---- by hand --------------------------------------------------------------------------------------------------------

static const struct {
    enum kit_token_kind kind;
    const char *text;
    int32_t limit;
    int64_t least;
    const char *tokens; // without <unk>, joined by spaces
} chosen[] = {
    {KIT_WORDS, "b a c a b d", 0, 0, "a b c d"}, // ties by their bytes
    {KIT_WORDS, "b a c a b d", 4, 1, "a b c"},
    {KIT_WORDS, "b a c a b d", 0, 2, "a b"},
    {KIT_WORDS, "b a c a b d", 2, 2, "a"},
    {KIT_WORDS, "ab a abc Z <unk>", 0, 0, "< > Z a ab abc unk"},
    {KIT_WORDS, "a\u200ab\u2029c\u3000d\u1680e\u202ff\u205fg\xc2\x85h\vi", 0, 0, "a b c d e f g h i"}, // white space
    {KIT_WORDS, "a'. b--c -d", 0, 0, "- ' . a b c d"},
    {KIT_CHARACTERS, "hello", 3, 0, "l e"},
};

Test(kit_vocabulary, limits) {
    for (size_t k = 0; k < sizeof chosen / sizeof *chosen; k++) {
        struct kit_vocabulary *v;
        char got[100] = "";
        cr_assert(!kit_vocabulary_build(&v, chosen[k].kind, chosen[k].text, strlen(chosen[k].text), chosen[k].limit,
                                        chosen[k].least, error));
        for (int32_t id = 1; id < kit_vocabulary_count(v); id++) {
            if (id > 1) strcat(got, " ");
            strcat(got, kit_vocabulary_token(v, id, NULL));
        }
        cr_expect_str_eq(got, chosen[k].tokens, "row %zu: %s", k, got);
        kit_vocabulary_free(v);
    }
}

Test(kit_vocabulary, unknown_tokens) {
    struct kit_vocabulary *v = build_of(KIT_WORDS, "yes no", 6);
    int32_t *id;
    size_t count, bytes;
    char *text;
    cr_assert(!kit_vocabulary_encode(v, "no maybe <unk>", 14, &id, &count, error));
    cr_expect(count == 5 && id[0] == 1 && id[1] == 0 && id[2] == 0 && id[3] == 0 && id[4] == 0);
    cr_assert(!kit_vocabulary_decode(v, id, 2, &text, &bytes, error));
    cr_expect_str_eq(text, "no <unk>");
    cr_expect(bytes == 8);
    free(text);
    free(id);
    cr_expect(kit_vocabulary_find(v, "maybe", 5) == 0 && kit_vocabulary_find(v, "", 0) == 0);
    cr_expect(!kit_vocabulary_token(v, 3, &bytes) && !bytes && !kit_vocabulary_token(v, -1, NULL));
    static const int32_t bad[] = {1, 3}, worse[] = {-1};
    cr_expect(kit_vocabulary_decode(v, bad, 2, &text, &bytes, error) == KIT_EVALUE && !text && !bytes);
    cr_expect_str_eq(error, "token 3 at index 1; tokens are 0 to 2");
    cr_expect(kit_vocabulary_decode(v, worse, 1, &text, NULL, NULL) == KIT_EVALUE);
    cr_assert(!kit_vocabulary_encode(v, " \n", 2, &id, &count, error) && id && !count);
    cr_assert(!kit_vocabulary_decode(v, id, 0, &text, NULL, error));
    cr_expect_str_eq(text, "");
    free(id);
    free(text);
    kit_vocabulary_free(v);
}

static const struct {
    const char *text, *back;
} spaced[] = {
    {"Well ,  said he ; go ( now ) !", "Well, said he; go (now)!"},
    {"a\nb\t[c] {d} 5% e: f? g.", "a b [c] {d} 5% e: f? g."},
    {"don't well-known ’tis", "don't well-known’ tis"},
    {"“Go”, ‘he’ «said» ¿no? …", "“Go”, ‘he’ «said» ¿no?…"},
    {"\"x\" - y", "\" x \" - y"},
    {"日本、東京。大阪", "日本、 東京。 大阪"},
    {"a\xff.", "a \xff."},
};

Test(kit_vocabulary, spaces_between_words) {
    for (size_t k = 0; k < sizeof spaced / sizeof *spaced; k++) {
        struct kit_vocabulary *v = build_of(KIT_WORDS, spaced[k].text, strlen(spaced[k].text));
        int32_t *id;
        size_t count, bytes;
        char *text, *part;
        cr_assert(!kit_vocabulary_encode(v, spaced[k].text, strlen(spaced[k].text), &id, &count, error));
        cr_assert(!kit_vocabulary_decode(v, id, count, &text, NULL, error));
        cr_expect_str_eq(text, spaced[k].back, "%s: %s", spaced[k].text, text);
        for (size_t n = 0; n < count; n++) { // more tokens only append
            cr_assert(!kit_vocabulary_decode(v, id, n, &part, &bytes, error));
            cr_expect(!strncmp(part, text, bytes), "%s", part);
            free(part);
        }
        free(text);
        free(id);
        kit_vocabulary_free(v);
    }
}

Test(kit_vocabulary, what_is_refused) {
    struct kit_vocabulary *v;
    static const struct {
        int kind;
        const char *text;
        int32_t limit;
        int64_t least;
        const char *says;
    } row[] = {
        {KIT_WORDS, " \n", 0, 0, "the text has no token that occurs 1 times"},
        {KIT_CHARACTERS, "", 0, 0, "the text has no token"},
        {KIT_CHARACTERS, "aab", 0, 3, "the text has no token that occurs 3 times"},
        {KIT_WORDS, "a", 1, 0, "limit 1: it is 2 to 8388608 tokens, <unk> among them, or 0 for all"},
        {KIT_WORDS, "a", -1, 0, "limit -1"},
        {KIT_WORDS, "a", KIT_MAX_TOKENS + 1, 0, "limit 8388609"},
        {2, "a", 0, 0, "kind of tokens 2: KIT_CHARACTERS or KIT_WORDS"},
    };
    for (size_t k = 0; k < sizeof row / sizeof *row; k++) {
        int status = kit_vocabulary_build(&v, (enum kit_token_kind)row[k].kind, row[k].text, strlen(row[k].text),
                                          row[k].limit, row[k].least, error);
        cr_expect(status == KIT_EVALUE && !v && strstr(error, row[k].says), "row %zu: \"%s\"", k, error);
    }
    kit_vocabulary_free(NULL);
}

// ---- the file -------------------------------------------------------------------------------------------------------

static bool are_same(const struct kit_vocabulary *a, const struct kit_vocabulary *b) {
    bool same = kit_vocabulary_count(a) == kit_vocabulary_count(b) && kit_vocabulary_kind(a) == kit_vocabulary_kind(b);
    for (int32_t k = 0; same && k < kit_vocabulary_count(a); k++) {
        size_t m, n;
        const char *x = kit_vocabulary_token(a, k, &m), *y = kit_vocabulary_token(b, k, &n);
        same = m == n && !memcmp(x, y, m) && kit_vocabulary_find(b, x, m) == k;
    }
    return same;
}

static struct kit_vocabulary *written_and_read(const struct kit_vocabulary *v) {
    struct kit_vocabulary *back;
    cr_assert(!kit_vocabulary_write(v, file_path(), error), "%s", error);
    cr_assert(!kit_vocabulary_read(&back, path, error), "%s", error);
    remove(path);
    return back;
}

Test(kit_vocabulary, file) {
    static const char all[] = "b\\a\\\n\n\n\n \t\xff\xc3\xa9\xc3\0\x7f";
    struct kit_vocabulary *v = build_of(KIT_CHARACTERS, all, sizeof all - 1);
    cr_assert(!kit_vocabulary_write(v, file_path(), error), "%s", error);
    char *text;
    size_t bytes;
    cr_assert(!kit_text_read(&text, &bytes, path, error));
    cr_expect_str_eq(text,
                     "kit-vocabulary 1 characters 12\n<unk>\n\\x0a\n\\x5c\n\\x00\n\\x09\n\\x20\na\nb\n\\x7f\n\\xc3\n"
                     "é\n\\xff\n");
    free(text);
    struct kit_vocabulary *back = written_and_read(v), *words = build_of(KIT_WORDS, sample, sizeof sample - 1);
    cr_expect(are_same(v, back));
    kit_vocabulary_free(back);
    back = written_and_read(words);
    cr_expect(are_same(words, back));
    int32_t *id; // the kind is kept
    size_t count;
    cr_assert(!kit_vocabulary_encode(back, "the the", 7, &id, &count, error));
    cr_expect(count == 2 && id[0] == 1 && id[1] == 1);
    free(id);
    kit_vocabulary_free(back);
    kit_vocabulary_free(words);
    kit_vocabulary_free(v);
}

static const struct {
    const char *text, *says;
} damaged[] = {
    {"", ".txt:1: the file ends within this line"},
    {"words 3\n<unk>\na\nb\n", ".txt:1: not a vocabulary: a line like \"kit-vocabulary 1 words 5000\""},
    {"kit-vocabulary 2 words 2\n<unk>\na\n", ".txt:1: not a vocabulary"},
    {"kit-vocabulary 1 bytes 2\n<unk>\na\n", ".txt:1: not a vocabulary"},
    {"kit-vocabulary 1 words 02\n<unk>\na\n", ".txt:1: not a vocabulary"},
    {"kit-vocabulary 1 words 2\r\n<unk>\r\na\r\n", ".txt:1: not a vocabulary"},
    {"kit-vocabulary 1 words 0\n", ".txt:1: not a vocabulary"},
    {"kit-vocabulary 1 words 8388609\n<unk>\n", ".txt:1: not a vocabulary"},
    {"kit-vocabulary 1 words 2\na\nb\n", ".txt:2: token 0 is <unk>"},
    {"kit-vocabulary 1 words 3\n<unk>\na\n", ".txt:4: the file ends after 2 of 3 tokens"},
    {"kit-vocabulary 1 words 2\n<unk>\na", ".txt:3: the file ends within this line"},
    {"kit-vocabulary 1 words 2\n<unk>\na\nb\n", ".txt:4: more lines than the 2 tokens of line 1"},
    {"kit-vocabulary 1 words 4\n<unk>\na\nb\na\n", ".txt:5: the token of line 3 once more"},
    {"kit-vocabulary 1 words 2\n<unk>\n<unk>\n", ".txt:3: the token of line 2 once more"},
    {"kit-vocabulary 1 words 2\n<unk>\na b\n", ".txt:3: the byte 0x20, which would be written as \\x20"},
    {"kit-vocabulary 1 words 2\n<unk>\na\r\n", ".txt:3: the byte 0x0d"},
    {"kit-vocabulary 1 words 2\n<unk>\n\xff\n", ".txt:3: the byte 0xff"},
    {"kit-vocabulary 1 words 2\n<unk>\na\\x20b\n", ".txt:3: not one token of kind words"},
    {"kit-vocabulary 1 words 2\n<unk>\na.\n", ".txt:3: not one token of kind words"},
    {"kit-vocabulary 1 words 2\n<unk>\n\\x20\n", ".txt:3: not one token of kind words"},
    {"kit-vocabulary 1 words 2\n<unk>\n\n", ".txt:3: not one token of kind words"},
    {"kit-vocabulary 1 characters 2\n<unk>\nab\n", ".txt:3: not one token of kind characters"},
    {"kit-vocabulary 1 characters 2\n<unk>\n\\\n", ".txt:3: a backslash without x and two digits (0-9, a-f) after it"},
    {"kit-vocabulary 1 characters 2\n<unk>\n\\x0\n", ".txt:3: a backslash without x"},
    {"kit-vocabulary 1 characters 2\n<unk>\n\\xFF\n", ".txt:3: a backslash without x"},
    {"kit-vocabulary 1 characters 2\n<unk>\n\\n00\n", ".txt:3: a backslash without x"},
};

Test(kit_vocabulary, damaged_files) {
    struct kit_vocabulary *v;
    for (size_t k = 0; k < sizeof damaged / sizeof *damaged; k++) {
        write_bytes(damaged[k].text, strlen(damaged[k].text));
        int status = kit_vocabulary_read(&v, path, error);
        cr_expect(status == KIT_EFORMAT && !v && strstr(error, damaged[k].says), "row %zu: \"%s\"", k, error);
        cr_expect(kit_vocabulary_read(&v, path, NULL) == KIT_EFORMAT && !v);
    }
    remove(path);
    cr_expect(kit_vocabulary_read(&v, "no/such.txt", error) == KIT_EIO && !v);
    cr_expect_str_eq(error, "no/such.txt: No such file or directory");
    struct kit_vocabulary *w = build_of(KIT_WORDS, "a", 1);
    cr_expect(kit_vocabulary_write(w, "no/such.txt", error) == KIT_EIO && strstr(error, "no/such.txt"), "%s", error);
    kit_vocabulary_free(w);
}

static uint32_t random_word(uint32_t *state) { return *state = *state * 1664525 + 1013904223, *state >> 16; }

// Texts of random bytes come back byte by byte; a file with a byte changed is refused with its line, or is a
// vocabulary.
Test(kit_vocabulary, random_texts_and_files) {
    uint32_t state = 5;
    static const char alphabet[] = "ab' -.\n\xc3\xa9\xe2\x80\x99\xff\\\0";
    for (int round = 0; round < 300; round++) {
        char text[64], *back, *file;
        size_t bytes = 1 + random_word(&state) % sizeof text, count, length;
        for (size_t k = 0; k < bytes; k++) text[k] = alphabet[random_word(&state) % (sizeof alphabet - 1)];
        struct kit_vocabulary *v = build_of(KIT_CHARACTERS, text, bytes), *read, *w;
        int32_t *id;
        cr_assert(!kit_vocabulary_encode(v, text, bytes, &id, &count, error));
        cr_assert(!kit_vocabulary_decode(v, id, count, &back, &length, error));
        cr_expect(length == bytes && !memcmp(back, text, bytes), "round %d", round);
        free(back);
        free(id);
        read = written_and_read(v);
        cr_expect(are_same(v, read), "round %d", round);
        kit_vocabulary_free(read);
        if (!kit_vocabulary_build(&w, KIT_WORDS, text, bytes, 0, 0, error)) {
            cr_assert(!kit_vocabulary_write(w, file_path(), error));
            cr_assert(!kit_text_read(&file, &length, path, error));
            file[random_word(&state) % length] = alphabet[random_word(&state) % (sizeof alphabet - 1)];
            write_bytes(file, length);
            free(file);
            int status = kit_vocabulary_read(&read, path, error);
            cr_expect(status ? status == KIT_EFORMAT && strstr(error, "vocabulary.txt:") != NULL : read != NULL);
            if (!status) {
                struct kit_vocabulary *again = written_and_read(read);
                cr_expect(are_same(read, again), "round %d", round);
                kit_vocabulary_free(again);
            }
            kit_vocabulary_free(read);
            remove(path);
        }
        kit_vocabulary_free(w);
        kit_vocabulary_free(v);
    }
}

// A text that outgrows the first buffer of the reader and the first table, with a token in each line.
Test(kit_vocabulary, large_text) {
    enum { WORDS = 30000 };
    char *text = malloc(WORDS * 8), *back, *at = text;
    size_t bytes;
    cr_assert(text);
    for (int k = 0; k < WORDS; k++) at += sprintf(at, "w%d\n", k % 20000);
    write_bytes(text, (size_t)(at - text));
    cr_assert(!kit_text_read(&back, &bytes, path, error), "%s", error);
    remove(path);
    cr_expect(bytes == (size_t)(at - text) && !memcmp(back, text, bytes) && !back[bytes]);
    struct kit_vocabulary *v = build_of(KIT_WORDS, back, bytes), *read = written_and_read(v);
    cr_expect(kit_vocabulary_count(v) == 20001 && are_same(v, read));
    cr_expect_str_eq(kit_vocabulary_token(v, 1, NULL), "w0"); // 10,000 words occur twice
    cr_expect_str_eq(kit_vocabulary_token(v, 10001, NULL), "w10000");
    free(back);
    free(text);
    kit_vocabulary_free(read);
    kit_vocabulary_free(v);
}
