// prelude_docs.c: prints docs/prelude.md: every layer, loss, optimiser and initialiser of the prelude, with its header
// and the comment above it.
//     prelude_docs >docs/prelude.md
#include <string.h>

#include "decl_doc.h"
#include "frontend/elaborate.h"

// What a file of the prelude holds, in the order of the page.
static const struct {
    const char *file, *title;
} chapters[] = {{"layers.dl", "Layers"},
                {"activations.dl", "Activations"},
                {"reductions.dl", "Reductions"},
                {"convolutions.dl", "Convolutions"},
                {"pooling.dl", "Pools"},
                {"norms.dl", "Norms and dropout"},
                {"recurrent.dl", "Recurrent layers"},
                {"interpolation.dl", "Interpolation"},
                {"losses.dl", "Losses"},
                {"optimizers.dl", "Optimisers"},
                {"initialisers.dl", "Initialisers"}};

static const struct PreludeFile *find_file(const char *name) {
    for (int k = 0; prelude_files[k].name; k++)
        if (!strcmp(prelude_files[k].name, name)) return &prelude_files[k];
    return NULL;
}

// A header may take several lines in the file; here it takes one.
static void print_header(const AstDecl *decl) {
    const char *text = decl->span.source->text + decl->span.start;
    int len = decl->span.end - decl->span.start;
    printf("```\n");
    for (int k = 0; k < len; k++) {
        bool space = text[k] == '\n' || text[k] == ' ';
        if (!space)
            putchar(text[k]);
        else if (k && text[k - 1] != ' ' && text[k - 1] != '\n' && text[k - 1] != '(')
            putchar(' ');
    }
    printf("\n```\n\n");
}

// Indented lines are examples (prelude_examples.c).
static void print_comment(const char *text) {
    bool example = false;
    while (*text) {
        size_t len = strcspn(text, "\n");
        bool indented = !strncmp(text, "    ", 4);
        if (indented != example) printf("\n");
        printf("%.*s\n", (int)len, text);
        example = indented;
        text += len + (text[len] == '\n');
    }
    printf("\n");
}

static bool print_chapter(Arena *arena, const char *name, const char *title) {
    const struct PreludeFile *file = find_file(name);
    if (!file) {
        fprintf(stderr, "prelude_docs: there is no %s\n", name);
        return false;
    }
    Source source = {.name = name, .text = (const char *)file->text, .len = file->len, .prelude = true};
    Diag diag = {.out = stderr};
    AstFile *ast = parse_source(arena, &diag, &source);
    if (diag.errors) return false;
    printf("## %s\n\n", title);
    for (int k = 0; k < ast->decls.len; k++) {
        const AstDecl *decl = ast->decls.at[k];
        const char *doc = decl_doc(arena, decl);
        if (!doc) {
            fprintf(stderr, "prelude_docs: %s: %s has no comment above it\n", name, decl->name);
            return false;
        }
        printf("### %s\n\n", decl->name);
        print_comment(doc);
        print_header(decl);
    }
    return true;
}

int main(void) {
    Arena arena = {0};
    bool fine = true;
    printf("# The prelude\n\nThe standard layers, losses, optimisers and initialisers. They are written in [the "
           "language](language.md) itself:\n"
           "`dlc --print-prelude NAME` prints one of them. Every layer call also takes `name=`. Capital letters in a "
           "header stand for\n"
           "dtypes and dims, which the argument decides. `build/tests/prelude_docs` prints this page.\n\n");
    for (size_t k = 0; k < sizeof chapters / sizeof *chapters && fine; k++)
        fine = print_chapter(&arena, chapters[k].file, chapters[k].title);
    int known = sizeof chapters / sizeof *chapters;
    for (int k = 0; prelude_files[k].name && fine; k++) known--;
    if (fine && known) fprintf(stderr, "prelude_docs: a file of the prelude is in no chapter\n");
    arena_release(&arena);
    return !fine || known;
}
