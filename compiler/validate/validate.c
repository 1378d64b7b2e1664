// validate.c: dlc-validate, a program of its own, so that dlc does not load libclang. It parses emitted C and fails on
// any diagnostic, warnings too, and on what the generated C promises not to do (rules.c).
//     dlc-validate net.c -std=c11 -Wall -Wextra -Wpedantic
// Everything that begins with `-` is for the parser. `dlc.h` need not be there: the runtime's own stands in for it.
// Exits with 0, with 1 after what was found, with 2 when it was called wrongly.
#include <clang-c/Index.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit/emit.h"
#include "validate/rules.h"

enum { EXIT_GOOD = 0, EXIT_FOUND = 1, EXIT_CALLED_WRONGLY = 2 };

static int wrong_call(const char *what, const char *about) {
    fprintf(stderr, "dlc-validate: error: %s%s\nusage: dlc-validate FILE.c [FLAGS of the C compiler]\n", what, about);
    return EXIT_CALLED_WRONGLY;
}

// Prints what the parser has to say and counts it.
static int report_diagnostics(CXTranslationUnit unit) {
    int found = 0;
    for (unsigned k = 0; k < clang_getNumDiagnostics(unit); k++) {
        CXDiagnostic diagnostic = clang_getDiagnostic(unit, k);
        CXString text = clang_formatDiagnostic(diagnostic, clang_defaultDiagnosticDisplayOptions());
        bool counts = clang_getDiagnosticSeverity(diagnostic) >= CXDiagnostic_Warning;
        if (counts) fprintf(stderr, "%s\n", clang_getCString(text));
        found += counts;
        clang_disposeString(text);
        clang_disposeDiagnostic(diagnostic);
    }
    return found;
}

// "dir/dlc.h" beside the C file, in memory; the parser looks for "./dlc.h" when the file's name has no folder.
static struct CXUnsavedFile runtime_header(const char *file) {
    const char *slash = strrchr(file, '/');
    if (!slash) file = "./", slash = file + 1;
    size_t folder = (size_t)(slash - file) + 1;
    const struct RuntimeFile *header = runtime_files;
    while (strcmp(header->name, "dlc.h") != 0) header++;
    char *path = malloc(folder + sizeof "dlc.h");
    if (!path) abort();
    memcpy(path, file, folder);
    strcpy(path + folder, "dlc.h");
    return (struct CXUnsavedFile){path, (const char *)header->text, (unsigned long)header->len};
}

static int validate(const char *file, const char *const *flags, int nflags) {
    struct CXUnsavedFile header = runtime_header(file);
    CXIndex index = clang_createIndex(0, 0);
    CXTranslationUnit unit = NULL;
    enum CXErrorCode error =
        clang_parseTranslationUnit2(index, file, flags, nflags, &header, 1, CXTranslationUnit_None, &unit);
    int found = 1;
    if (error || !unit) {
        fprintf(stderr, "dlc-validate: error: the parser gave up on %s (code %d): are its flags for another machine?\n",
                file, (int)error);
    } else {
        found = report_diagnostics(unit);
        if (!found) found = rules_check(unit, stderr); // which need a tree without errors
        clang_disposeTranslationUnit(unit);
    }
    clang_disposeIndex(index);
    free((char *)header.Filename);
    return found;
}

int main(int argc, char **argv) {
    const char *file = NULL;
    const char **flags = calloc((size_t)argc + 1, sizeof *flags);
    int nflags = 0, status = EXIT_GOOD;
    if (!flags) abort();
    for (int k = 1; k < argc && !status; k++) {
        if (argv[k][0] == '-')
            flags[nflags++] = argv[k];
        else if (file)
            status = wrong_call("one file at a time: ", argv[k]);
        else
            file = argv[k];
    }
    if (!status && !file) status = wrong_call("no file", "");
    FILE *there = status ? NULL : fopen(file, "rb");
    if (!status && !there) status = wrong_call("cannot read ", file);
    if (there) fclose(there);
    if (!status && validate(file, flags, nflags)) status = EXIT_FOUND;
    free(flags);
    return status;
}
