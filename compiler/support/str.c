// str.c: appending to a string in an arena.
#include "support/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void str_putn(Str *s, const char *text, size_t len) {
    if (s->len + len + 1 > s->cap) {
        size_t cap = s->cap ? s->cap : 32;
        while (cap < s->len + len + 1) cap *= 2;
        s->at = arena_grow(s->arena, s->at, s->len, cap);
        s->cap = cap;
    }
    memcpy(s->at + s->len, text, len);
    s->len += len;
    s->at[s->len] = 0;
}

void str_put(Str *s, const char *text) { str_putn(s, text, strlen(text)); }

void str_printf(Str *s, const char *fmt, ...) {
    char small[512];
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int len = vsnprintf(small, sizeof small, fmt, args);
    if ((size_t)len < sizeof small)
        str_putn(s, small, (size_t)len);
    else
        str_put(s, arena_vprintf(s->arena, fmt, again));
    va_end(args);
    va_end(again);
}

uint32_t text_hash(const char *text) {
    uint32_t hash = 2166136261u;
    for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

const char *text_grouped(Arena *arena, int64_t n) {
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n);
    Str s = str_new(arena);
    for (int i = 0; i < len; i++) {
        if (i && (len - i) % 3 == 0 && digits[i - 1] != '-') str_put(&s, ",");
        str_putn(&s, &digits[i], 1);
    }
    return str_text(&s);
}

void str_put_double(Str *s, double value) {
    if (isnan(value)) {
        str_put(s, "nan");
        return;
    }
    if (isinf(value)) {
        str_put(s, value < 0 ? "-inf" : "inf");
        return;
    }
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    str_put(s, text);
}
