// text.c: see text.h. A mutator that knows words, numbers, groups in parentheses and lines works beside libFuzzer's
// own, because random bytes rarely get past the parser.
#include "text.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "driver.h"

enum { SECONDS = 40 }; // 5 without the sanitizers, which take eight times as long

// ---- compiling --------------------------------------------------------------------------------------------------

static const char *const options[][4] = {
    {"-o", "/dev/null", "--target=x86-64-v3", NULL},
    {"-o", "/dev/null", "-O0", NULL},
    {"-o", "/dev/null", "--report", NULL},
    {"-o", "/dev/null", "--arena-max=64K", "--target=armv8-a"},
    {"-o", "/dev/null", "--target=x86-64-v4", "--threads=1"},
    {"-o", "/dev/null", "--standalone", NULL},
    {"--emit=backward", NULL},
    {"--emit=dot", "-O2", NULL},
};
enum { OPTIONS = sizeof options / sizeof *options };

static FILE *nowhere;
static char path[64];

static void remove_path(void) { unlink(path); }

static void too_slow(int signal) {
    (void)signal;
    static const char message[] = "fuzz: more than 40 s of processor time, 5 without sanitizers\n";
    if (write(2, message, sizeof message - 1) < 0) _exit(71);
    abort();
}

static void prepare(const char *suffix) {
    if (nowhere) return;
    nowhere = fopen("/dev/null", "w");
    snprintf(path, sizeof path, "/dev/shm/dlc-fuzz-%d%s", (int)getpid(), suffix);
    atexit(remove_path);
    signal(SIGPROF, too_slow);
}

static void limit_time(int seconds) {
    struct itimerval timer = {.it_value.tv_sec = seconds};
    setitimer(ITIMER_PROF, &timer, NULL);
}

void fuzz_compile(const uint8_t *text, size_t size, const char *suffix) {
    prepare(suffix);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(text, 1, size, file) != size || fclose(file)) exit(3);
    uint32_t hash = 2166136261u;
    for (size_t k = 0; k < size; k++) hash = (hash ^ text[k]) * 16777619u;
    const char *echo = getenv("FUZZ_ECHO"), *const *row = options[(hash >> 8) % OPTIONS];
    char *argv[] = {"dlc", path, "--prefix=net", (char *)row[0], (char *)row[1], (char *)row[2], (char *)row[3], NULL};
    int argc = 3;
    while (argv[argc] && argc < 7) argc++;
    for (int k = 0; echo && k < argc; k++) fprintf(stderr, "%s%s", argv[k], k + 1 < argc ? " " : "\n");
    limit_time(SECONDS);
    dlc_main(argc, argv, echo ? stdout : nowhere, echo ? stderr : nowhere);
    limit_time(0);
}

// ---- mutation ----------------------------------------------------------------------------------------------------

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

typedef struct Part {
    size_t at, len;
} Part;

static uint32_t drawn; // the state of a linear congruential generator

static size_t pick(size_t n) {
    drawn = drawn * 1664525u + 1013904223u;
    return n ? (drawn >> 8) % n : 0;
}

static int is_word(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '%';
}

static Part word_at(const uint8_t *text, size_t size, size_t at) {
    while (at < size && !is_word(text[at])) at++;
    while (at > 0 && at < size && is_word(text[at - 1])) at--;
    size_t end = at;
    while (end < size && is_word(text[end])) end++;
    return (Part){at, end - at};
}

// The first group in (), [] or {} that opens at `at` or after it; empty if it does not close.
static Part group_at(const uint8_t *text, size_t size, size_t at) {
    while (at < size && !strchr("([{", text[at] ? text[at] : 'x')) at++;
    int depth = 0;
    for (size_t end = at; end < size; end++) {
        if (text[end] == '(' || text[end] == '[' || text[end] == '{') depth++;
        if (text[end] == ')' || text[end] == ']' || text[end] == '}') depth--;
        if (!depth) return (Part){at, end + 1 - at};
    }
    return (Part){at, 0};
}

static Part line_at(const uint8_t *text, size_t size, size_t at) {
    while (at > 0 && text[at - 1] != '\n') at--;
    size_t end = at;
    while (end < size && text[end] != '\n') end++;
    return (Part){at, end + (end < size) - at};
}

// Puts `with` in the place of a part; gives the new size, or the old one when it does not fit.
static size_t replace(uint8_t *text, size_t size, size_t max, Part part, const uint8_t *with, size_t len) {
    if (size - part.len + len > max) return size;
    memmove(text + part.at + len, text + part.at + part.len, size - part.at - part.len);
    if (len) memcpy(text + part.at, with, len);
    return size - part.len + len;
}

static const char *const numbers[] = {
    "0",    "1",     "-1",    "2",          "3",           "7",          "8",          "16",
    "33",   "64",    "1000",  "1e9",        "-0.0",        "1e38",       "inf",        "nan",
    "0.5",  "65535", "65536", "2147483647", "-2147483648", "2147483648", "4294967296", "9223372036854775807",
    "1e400"};

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
    drawn = seed;
    size_t kind = pick(9);
    if (size < 4 || kind > 6) return LLVMFuzzerMutate(data, size, max);
    Part (*find)(const uint8_t *, size_t, size_t) = kind < 3 ? word_at : kind < 5 ? group_at : line_at;
    Part to = find(data, size, pick(size)), from = find(data, size, pick(size));
    if (kind == 0) { // a number, or nothing where a number stood before
        const char *number = numbers[pick(sizeof numbers / sizeof *numbers)];
        for (int k = 0; k < 20 && to.len && (data[to.at] < '0' || data[to.at] > '9'); k++)
            to = word_at(data, size, pick(size));
        return replace(data, size, max, to, (const uint8_t *)number, strlen(number));
    }
    if (kind == 5) return replace(data, size, max, to, NULL, 0); // a line goes
    uint8_t *copy = malloc(from.len + 1);
    memcpy(copy, data + from.at, from.len);
    if (kind == 4 || kind == 6) to.len = 0; // inserted, not replaced
    size_t grown = replace(data, size, max, to, copy, from.len);
    free(copy);
    return grown;
}
