// arena.h: memory with one owner. A compilation, or a pass, allocates from its arena and releases it whole;
// nothing is freed piecewise. Every allocation is zeroed.
#ifndef DLC_ARENA_H
#define DLC_ARENA_H

#include <stdarg.h>
#include <stddef.h>

typedef struct Arena {
    struct ArenaBlock *blocks; // newest first; a zeroed Arena is empty and ready
} Arena;

#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

// Returns `bytes` zeroed bytes, aligned for any type. Never NULL: without memory the process says so and exits with 1.
void *arena_alloc(Arena *arena, size_t bytes);
// Returns a copy of the `old` bytes at `at` in an allocation of `bytes` >= old.
void *arena_grow(Arena *arena, const void *at, size_t old, size_t bytes);
char *arena_strdup(Arena *arena, const char *text);
char *arena_strndup(Arena *arena, const char *text, size_t len);
char *arena_printf(Arena *arena, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(Arena *arena, const char *fmt, va_list args) PRINTF_LIKE(2, 0);
// Frees every block; the arena is empty and ready again.
void arena_release(Arena *arena);

#define NEW(arena, T)          ((T *)arena_alloc((arena), sizeof(T)))
#define NEW_ARRAY(arena, T, n) ((T *)arena_alloc((arena), sizeof(T) * (size_t)(n)))

// A growable array: VEC(int) v = {0}; vec_push(arena, &v, 3); v.at[0], v.len.
#define VEC(T)                                                                                                         \
    struct {                                                                                                           \
        T *at;                                                                                                         \
        int len;                                                                                                       \
        int cap;                                                                                                       \
    }
#define vec_push(arena, v, ...)                                                                                        \
    do {                                                                                                               \
        if ((v)->len == (v)->cap) {                                                                                    \
            int cap_ = (v)->cap ? 2 * (v)->cap : 8;                                                                    \
            (v)->at =                                                                                                  \
                arena_grow((arena), (v)->at, sizeof *(v)->at * (size_t)(v)->len, sizeof *(v)->at * (size_t)cap_);      \
            (v)->cap = cap_;                                                                                           \
        }                                                                                                              \
        (v)->at[(v)->len++] = (__VA_ARGS__);                                                                           \
    } while (0)

typedef VEC(int) IntVec;

#endif
