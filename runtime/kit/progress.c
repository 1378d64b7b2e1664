// progress.c: a progress bar as people know it from tqdm, and lines where there is no terminal.
//     Epoch 1:  45%|####5     | 27008/60000 [00:12<00:14, 2215.40img/s, loss=0.5312, acc=80.9%]
#ifndef _DEFAULT_SOURCE
#define _DEFAULT_SOURCE // ioctl
#endif
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "kit.h"

// ---- the text ------------------------------------------------------------------------------------------------------

// Text that grows within `room` bytes, which include its final 0.
struct text {
    char *at;
    size_t len, room;
};

static void put(struct text *t, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(t->at + t->len, t->room - t->len, fmt, args);
    va_end(args);
    if (len < 0) return;
    t->len += (size_t)len < t->room - t->len ? (size_t)len : t->room - t->len - 1;
}

// Whether a byte of UTF-8 begins a character. Each character takes one column.
static bool begins(char c) { return ((unsigned char)c & 0xc0) != 0x80; }

static int columns_of(const char *s) {
    int columns = 0;
    for (; *s; s++) columns += begins(*s);
    return columns;
}

// Cuts the text after its first `columns` characters.
static void cut(char *s, int columns) {
    for (; *s; s++)
        if (begins(*s) && columns-- == 0) break;
    *s = 0;
}

// 59 -> 00:59, 3725 -> 1:02:05
static void put_interval(struct text *t, double seconds) {
    long long s = seconds < 1e18 ? (long long)seconds : (long long)1e18;
    if (s >= 3600) put(t, "%lld:", s / 3600);
    put(t, "%02lld:%02lld", s / 60 % 60, s % 60);
}

static void put_rate(struct text *t, double rate, const char *unit) {
    if (!(rate > 0))
        put(t, "?%s/s", unit);
    else if (rate < 1)
        put(t, "%5.2fs/%s", 1 / rate, unit);
    else
        put(t, "%5.2f%s/s", rate, unit);
}

// A bar of `columns` columns that is filled up to `part`, in eighths of a block, or in tenths written as digits.
static void put_bar(struct text *t, double part, int columns, bool utf8) {
    int steps = utf8 ? 8 : 10;
    long long filled = (long long)(part * columns * steps);
    for (int k = 0; k < columns; k++, filled -= steps) {
        int step = filled <= 0 ? 0 : filled >= steps ? steps : (int)filled;
        if (step == 0)
            put(t, " ");
        else if (utf8)
            put(t, "\xe2\x96%c", 0x90 - step); // U+258F, an eighth, to U+2588, a full block
        else
            put(t, step == steps ? "#" : "%d", step);
    }
}

// What stands after the bar; `known` says that there is a total.
static void put_numbers(struct text *t, const struct kit_progress *p, double elapsed, bool known) {
    double rate = elapsed > 0 ? (double)p->done / elapsed : 0;
    if (known)
        put(t, " %lld/%lld [", (long long)p->done, (long long)p->total);
    else
        put(t, "%lld%s [", (long long)p->done, p->unit);
    put_interval(t, elapsed > 0 ? elapsed : 0);
    if (known && rate > 0)
        put(t, "<"), put_interval(t, (double)(p->total - p->done) / rate);
    else if (known)
        put(t, "<?");
    put(t, ", ");
    put_rate(t, rate, p->unit);
    put(t, p->postfix[0] ? ", %s]" : "]", p->postfix);
}

int kit_progress_text(const struct kit_progress *p, double elapsed, int columns, char *to, size_t room) {
    char numbers[512];
    struct text line = {to, 0, room}, after = {numbers, 0, sizeof numbers};
    bool known = p->total > 0 && p->done <= p->total;
    double part = known ? (double)p->done / (double)p->total : 0;
    to[0] = 0;
    put_numbers(&after, p, elapsed, known);
    if (p->what[0]) put(&line, "%s: ", p->what);
    if (known) put(&line, "%3.0f%%", 100 * part);
    if (known && columns > 0) {
        int left = columns - columns_of(to) - columns_of(numbers) - 2;
        put(&line, "|");
        put_bar(&line, part, left > 1 ? left : 1, p->utf8);
        put(&line, "|");
    }
    put(&line, "%s", numbers);
    if (columns > 0) cut(to, columns);
    return columns_of(to);
}

// ---- where it is drawn ----------------------------------------------------------------------------------------------

// The first variable that is set decides, as in setlocale(LC_CTYPE, ""), which would change the whole program.
static bool locale_is_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (int k = 0; k < 3; k++) {
        const char *s = getenv(names[k]);
        if (!s || !*s) continue;
        for (; *s; s++)
            if (tolower(s[0]) == 'u' && tolower(s[1]) == 't' && tolower(s[2]) == 'f')
                return s[3] == '8' || (s[3] == '-' && s[4] == '8');
        return false;
    }
    return false;
}

static int columns_of_terminal(FILE *out) {
    struct winsize size;
    if (!ioctl(fileno(out), TIOCGWINSZ, &size) && size.ws_col > 0) return size.ws_col;
    const char *columns = getenv("COLUMNS");
    int n = columns ? atoi(columns) : 0;
    return n > 0 && n < 10000 ? n : 80;
}

enum { LINE_BYTES = 4096 };
static const double redraw_seconds = 0.1, line_seconds = 10;

static void draw(struct kit_progress *p, double now) {
    char line[LINE_BYTES];
    int columns = kit_progress_text(p, now - p->start, columns_of_terminal(p->out), line, sizeof line);
    fprintf(p->out, "\r%s%*s", line, p->width > columns ? p->width - columns : 0, "");
    fflush(p->out);
    p->width = columns;
    p->drawn = now;
}

static void print_line(struct kit_progress *p, double now) {
    char line[LINE_BYTES];
    kit_progress_text(p, now - p->start, 0, line, sizeof line);
    fprintf(p->out, "%s\n", line);
    fflush(p->out);
    p->drawn = now;
}

void kit_progress_start(struct kit_progress *p, FILE *out, const char *what, int64_t total, const char *unit) {
    *p = (struct kit_progress){.out = out, .what = what, .unit = unit, .total = total};
    p->terminal = isatty(fileno(out));
    p->utf8 = p->terminal && locale_is_utf8();
    p->start = p->drawn = kit_now();
    if (p->terminal) draw(p, p->start);
}

void kit_progress_update(struct kit_progress *p, int64_t done, const char *fmt, ...) {
    double now = kit_now();
    p->done = done;
    // Without a terminal: at a quarter, a half and three quarters, when that takes long.
    int64_t quarter = p->total > 0 ? (int64_t)(4 * (double)done / (double)p->total) : 0;
    bool line = !p->terminal && quarter > p->quarter && quarter < 4 && now - p->drawn >= line_seconds;
    bool last = done == p->total; // kit_progress_end shows its numbers
    if (!line && !last && !(p->terminal && now - p->drawn >= redraw_seconds)) return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(p->postfix, sizeof p->postfix, fmt, args);
    va_end(args);
    if (line)
        print_line(p, now), p->quarter = quarter;
    else if (p->terminal && now - p->drawn >= redraw_seconds)
        draw(p, now);
}

void kit_progress_end(struct kit_progress *p) {
    if (p->terminal)
        draw(p, kit_now()), fprintf(p->out, "\n");
    else
        print_line(p, kit_now());
}

void kit_progress_clear(struct kit_progress *p) {
    if (!p->terminal) return;
    fprintf(p->out, "\r%*s\r", p->width, "");
    fflush(p->out);
}
