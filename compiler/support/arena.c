// arena.c: a list of blocks, each handed out from its start.
#include "support/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct ArenaBlock {
    struct ArenaBlock *next;
    size_t used, size; // bytes of data[]
    alignas(max_align_t) unsigned char data[];
} ArenaBlock;

// Blocks double from the first to the largest, so that a scratch arena of a few objects costs no more than they do.
enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 64 * 1024 };

static void out_of_memory(void) {
    fputs("dlc: error: out of memory: this compilation needs more than the system (or `ulimit -v`) gives\n", stderr);
    exit(1);
}

void *arena_alloc(Arena *arena, size_t bytes) {
    if (bytes > SIZE_MAX / 2) out_of_memory();
    bytes = (bytes + alignof(max_align_t) - 1) / alignof(max_align_t) * alignof(max_align_t);
    ArenaBlock *block = arena->blocks;
    if (!block || block->size - block->used < bytes) {
        size_t size = !block ? FIRST_BLOCK : block->size < LARGEST_BLOCK ? 2 * block->size : LARGEST_BLOCK;
        if (size < bytes) size = bytes;
        block = calloc(1, sizeof *block + size);
        if (!block) out_of_memory();
        block->size = size;
        block->next = arena->blocks;
        arena->blocks = block;
    }
    void *at = block->data + block->used;
    block->used += bytes;
    return at;
}

void *arena_grow(Arena *arena, const void *at, size_t old, size_t bytes) {
    void *to = arena_alloc(arena, bytes);
    if (old) memcpy(to, at, old);
    return to;
}

char *arena_strndup(Arena *arena, const char *text, size_t len) {
    char *to = arena_alloc(arena, len + 1);
    memcpy(to, text, len);
    return to;
}

char *arena_strdup(Arena *arena, const char *text) { return arena_strndup(arena, text, strlen(text)); }

char *arena_vprintf(Arena *arena, const char *fmt, va_list args) {
    va_list again;
    va_copy(again, args);
    char small[512]; // most texts are shorter, and are formatted once
    int len = vsnprintf(small, sizeof small, fmt, args);
    char *to = arena_alloc(arena, (size_t)len + 1);
    if ((size_t)len < sizeof small)
        memcpy(to, small, (size_t)len + 1);
    else
        vsnprintf(to, (size_t)len + 1, fmt, again);
    va_end(again);
    return to;
}

char *arena_printf(Arena *arena, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    char *to = arena_vprintf(arena, fmt, args);
    va_end(args);
    return to;
}

void arena_release(Arena *arena) {
    for (ArenaBlock *block = arena->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    arena->blocks = NULL;
}
