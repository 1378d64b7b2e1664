// modules.h: the module that a text means.
#ifndef DLC_TEST_MODULES_H
#define DLC_TEST_MODULES_H

#include <criterion/criterion.h>
#include <string.h>

#include "frontend/elaborate.h"

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

#endif
