// sources.h: a text parsed in an arena of its own, with what was reported as one string.
#ifndef DLC_TEST_SOURCES_H
#define DLC_TEST_SOURCES_H

#include <stdlib.h>
#include <string.h>

#include "ast_print.h"

typedef struct Parsed {
    Arena arena;
    Source source;
    Diag diag;
    AstFile *file;
    char *messages; // malloc'd
} Parsed;

static inline void parsed_open(Parsed *p, const char *text, size_t len) {
    memset(p, 0, sizeof *p);
    size_t size;
    p->source = (Source){.name = "net.dl", .text = text, .len = (int)len};
    p->diag.out = open_memstream(&p->messages, &size);
    p->file = parse_source(&p->arena, &p->diag, &p->source);
    fclose(p->diag.out);
}

static inline void parsed_close(Parsed *p) {
    arena_release(&p->arena);
    free(p->messages);
}

// The tree as text.
static inline const char *parsed_print(Parsed *p) {
    Str s = str_new(&p->arena);
    ast_print(&s, p->file);
    return str_text(&s);
}

#endif
