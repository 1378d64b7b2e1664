// modules.h: the module that a text means, and graphs as text.
#ifndef DLC_TEST_MODULES_H
#define DLC_TEST_MODULES_H

#include <criterion/criterion.h>
#include <string.h>

#include "frontend/elaborate.h"
#include "ops/op.h"

static inline Module *compile(Arena *arena, const char *text) {
    Source *source = NEW(arena, Source);
    *source = (Source){.name = "test.dl", .text = text, .len = (int)strlen(text)};
    Diag *diag = NEW(arena, Diag);
    diag->out = stderr;
    AstFile *file = parse_source(arena, diag, source);
    Module *m = diag->errors ? NULL : elaborate(arena, diag, file, &(ElaborateOptions){0});
    cr_assert(m, "does not compile: %s", text);
    return m;
}

// The module of a graph in the text form that --emit=graph prints.
static inline Module *read_graph(Arena *arena, const char *text) {
    Source *source = NEW(arena, Source);
    *source = (Source){.name = "test.graph", .text = text, .len = (int)strlen(text)};
    Diag *diag = NEW(arena, Diag);
    diag->out = stderr;
    Module *m = module_read(arena, diag, source);
    cr_assert(m, "cannot be read: %s", text);
    return m;
}

// The lines of nodes that are no inputs, and of outputs, without places.
static inline const char *lines_of(Arena *arena, const Graph *g) {
    Str all = str_new(arena), s = str_new(arena);
    graph_print(&all, g);
    for (const char *at = strchr(str_text(&all), '\n') + 1; *at; at += strcspn(at, "\n") + 1) {
        char *line = arena_strndup(arena, at, strcspn(at, "\n")), *comment = strstr(line, "  # ");
        if (comment) *comment = 0;
        if (!strstr(line, "= argument") && !strstr(line, "= storage") && *line != '}') str_printf(&s, "%s\n", line);
    }
    return str_text(&s);
}

// What each group stores, in the order in which they run: names of values, "m v | r".
static inline const char *stored_names(Arena *arena, const Graph *g) {
    Str s = str_new(arena);
    for (int k = 0; k < g->groups.len; k++) {
        if (k) str_put(&s, " |");
        for (int o = 0; o < g->groups.at[k].outputs.len; o++) {
            const Node *node = g->groups.at[k].outputs.at[o];
            str_printf(&s, "%s%s", k || o ? " " : "", node->name ? node->name : node->op->name);
        }
    }
    return str_text(&s);
}

#endif
