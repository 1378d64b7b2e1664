// str.h: a string that grows, for everything that dlc prints.
#ifndef DLC_STR_H
#define DLC_STR_H

#include <stdint.h>

#include "support/arena.h"

typedef struct Str {
    Arena *arena;
    char *at; // always NUL-terminated once anything was appended
    size_t len, cap;
} Str;

static inline Str str_new(Arena *arena) { return (Str){.arena = arena}; }
// The text so far, "" when empty. Valid until the next append.
static inline const char *str_text(const Str *s) { return s->at ? s->at : ""; }

void str_put(Str *s, const char *text);
void str_putn(Str *s, const char *text, size_t len);
void str_printf(Str *s, const char *fmt, ...) PRINTF_LIKE(2, 3);

uint32_t text_hash(const char *text); // FNV-1a
// 1234567 -> "1,234,567"
const char *text_grouped(Arena *arena, int64_t n);

// Exact, shortest text of a double that reads back to the same bits ("0.1", "1e-05", "inf", "nan").
void str_put_double(Str *s, double value);

#endif
