// prelude.c: the standard layers, losses, optimizers and initialisers, embedded by the build as .dl text.
#include <ctype.h>
#include <string.h>

#include "frontend/elaborator.h"

bool prelude_load(Elab *el) {
    for (int k = 0; prelude_files[k].name; k++) {
        Source *source = NEW(el->arena, Source);
        *source = (Source){.name = prelude_files[k].name,
                           .text = (const char *)prelude_files[k].text,
                           .len = prelude_files[k].len,
                           .prelude = true};
        int errors = el->diag->errors;
        const AstFile *file = parse_source(el->arena, el->diag, source);
        if (el->diag->errors > errors) return false;
        for (int d = 0; d < file->decls.len; d++) vec_push(el->arena, &el->prelude, file->decls.at[d]);
    }
    return true;
}

// ---- --print-prelude -----------------------------------------------------------------------------------------------------

// The prelude is laid out for this: a declaration begins at the start of a line and ends with a line that is `}`.
static bool declares(const char *line, const char *name) {
    static const char *const keywords[] = {"layer ", "optimizer "};
    for (int k = 0; k < 2; k++) {
        size_t len = strlen(keywords[k]);
        if (strncmp(line, keywords[k], len)) continue;
        const char *at = line + len;
        size_t n = strlen(name);
        return !strncmp(at, name, n) && !isalnum((unsigned char)at[n]) && at[n] != '_';
    }
    return false;
}

static const char *next_line(const char *at) {
    const char *end = strchr(at, '\n');
    return end ? end + 1 : at + strlen(at);
}

static bool print_from(FILE *out, const char *text, const char *name) {
    const char *comment = NULL; // the start of the comment just above the line
    for (const char *line = text; *line; line = next_line(line)) {
        if (*line == '#' && !comment) comment = line;
        if (declares(line, name)) {
            const char *end = line;
            while (*end && *end != '}') end = next_line(end);
            end = next_line(end);
            const char *start = comment ? comment : line;
            fwrite(start, 1, (size_t)(end - start), out);
            return true;
        }
        if (*line != '#') comment = NULL;
    }
    return false;
}

bool prelude_print(Arena *arena, FILE *out, const char *name) {
    (void)arena;
    for (int k = 0; prelude_files[k].name; k++)
        if (print_from(out, (const char *)prelude_files[k].text, name)) return true;
    return false;
}
