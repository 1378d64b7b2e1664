// prelude.c: the standard layers, losses, optimizers and initialisers, embedded by the build as .dl text.
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

// ---- --print-prelude -----------------------------------------------------------------------------------------------

// The prelude is laid out for this: a declaration begins at the start of a line and ends with a line that is `}`.
// Returns the declared name's place and length, or NULL.
static const char *declared_name(const char *line, size_t *len) {
    static const char *const keywords[] = {"layer ", "optimizer "};
    for (int k = 0; k < 2; k++) {
        if (strncmp(line, keywords[k], strlen(keywords[k]))) continue;
        const char *at = line + strlen(keywords[k]);
        *len = strcspn(at, "(");
        return at;
    }
    return NULL;
}

static const char *next_line(const char *at) {
    const char *end = strchr(at, '\n');
    return end ? end + 1 : at + strlen(at);
}

static bool print_from(FILE *out, const char *text, const char *name) {
    const char *comment = NULL; // the start of the comment just above the line
    for (const char *line = text; *line; line = next_line(line)) {
        size_t len;
        const char *found = declared_name(line, &len);
        if (found && len == strlen(name) && !strncmp(found, name, len)) {
            const char *end = line, *start = comment ? comment : line;
            while (*end && *end != '}') end = next_line(end);
            fwrite(start, 1, (size_t)(next_line(end) - start), out);
            return true;
        }
        if (*line != '#')
            comment = NULL;
        else if (!comment)
            comment = line;
    }
    return false;
}

bool prelude_print(FILE *out, const char *name) {
    for (int k = 0; prelude_files[k].name; k++)
        if (print_from(out, (const char *)prelude_files[k].text, name)) return true;
    return false;
}

const char *prelude_nearest(Arena *arena, const char *name) {
    VEC(const char *) names = {0};
    for (int k = 0; prelude_files[k].name; k++)
        for (const char *line = (const char *)prelude_files[k].text; *line; line = next_line(line)) {
            size_t len;
            const char *found = declared_name(line, &len);
            if (found) vec_push(arena, &names, arena_strndup(arena, found, len));
        }
    return diag_nearest(name, names.at, names.len);
}
