// decl_doc.h: the comment just above a declaration, which the prelude's page and its examples are made of.
#ifndef DLC_TESTS_DECL_DOC_H
#define DLC_TESTS_DECL_DOC_H

#include <string.h>

#include "frontend/ast.h"
#include "support/str.h"

// The start of the line before the one that starts at `at`, if it is a comment and nothing else; NULL: it is not.
static inline const char *comment_before(const char *text, const char *at) {
    if (at == text) return NULL;
    const char *start = at - 1;
    while (start > text && start[-1] != '\n') start--;
    return start[strspn(start, " \t")] == '#' ? start : NULL;
}

// The lines without `#` and the space after it; NULL: there are none.
static inline const char *decl_doc(Arena *arena, const AstDecl *decl) {
    const char *text = decl->span.source->text, *header = text + decl->span.start, *first = header;
    while (first > text && (first[-1] == ' ' || first[-1] == '\t')) first--;
    if (first > text && first[-1] != '\n') return NULL;
    header = first;
    for (const char *line; (line = comment_before(text, first));) first = line;
    if (first == header) return NULL;
    Str s = str_new(arena);
    while (first < header) {
        const char *from = strchr(first, '#') + 1, *end = strchr(first, '\n'), *last = end;
        if (*from == ' ') from++;
        while (last > from && (last[-1] == ' ' || last[-1] == '\r')) last--;
        str_putn(&s, from, last > from ? (size_t)(last - from) : 0);
        first = end + 1;
        if (first < header) str_put(&s, "\n");
    }
    return str_text(&s);
}

#endif
