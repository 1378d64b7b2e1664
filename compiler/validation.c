// validation.c: --validate: find dlc-validate, beside dlc itself or in PATH, and run it over the emitted C.
//     dlc-validate net.c -std=c11 -O3 -Wall -Wextra -Wconversion -Wdouble-promotion -Wshadow -Wpedantic
// What it prints goes to dlc's own diagnostics.
#include "validation.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_ARGS = 32, NOT_RUN = 127 };

// The path of dlc-validate beside the program that runs now: "dir/dlc" -> "dir/dlc-validate". Or NULL.
static const char *beside(Arena *arena, const char *self) {
    char path[4096];
    ssize_t len = readlink("/proc/self/exe", path, sizeof path - 1);
    if (len > 0) path[len] = 0, self = path;
    const char *slash = self ? strrchr(self, '/') : NULL;
    return slash ? arena_printf(arena, "%.*s/dlc-validate", (int)(slash - self), self) : NULL;
}

static void arguments(Arena *arena, char **argv, const char *file, const Target *target) {
    int n = 0;
    argv[n++] = "dlc-validate";
    // A name that begins with `-` would be a flag.
    argv[n++] = file[0] == '-' ? arena_printf(arena, "./%s", file) : arena_strdup(arena, file);
    char *flags = arena_strdup(arena, target->flags);
    for (char *flag = strtok(flags, " "); flag && n < MAX_ARGS - 7; flag = strtok(NULL, " ")) argv[n++] = flag;
    static char *const warnings[] = {"-Wall", "-Wextra", "-Wconversion", "-Wdouble-promotion", "-Wshadow"};
    for (size_t k = 0; k < sizeof warnings / sizeof *warnings; k++) argv[n++] = warnings[k];
    if (!target->vector_bytes) argv[n++] = "-Wpedantic";
    argv[n] = NULL;
}

static _Noreturn void become(const char *path, char **argv, int out) {
    dup2(out, STDERR_FILENO);
    close(out);
    if (path) execv(path, argv);
    execvp("dlc-validate", argv);
    _exit(NOT_RUN);
}

// Runs dlc-validate and returns its exit status; what it prints goes to err.
static int run(const char *path, char **argv, FILE *err) {
    int ends[2], status;
    fflush(err);
    if (pipe(ends)) return NOT_RUN;
    pid_t child = fork();
    if (child == 0) close(ends[0]), become(path, argv, ends[1]);
    close(ends[1]);
    FILE *said = child > 0 ? fdopen(ends[0], "r") : NULL;
    if (!said) {
        close(ends[0]);
        return NOT_RUN;
    }
    char text[4096];
    for (size_t got; (got = fread(text, 1, sizeof text, said)) > 0;) fwrite(text, 1, got, err);
    fclose(said);
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return NOT_RUN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

bool validation_run(Arena *arena, FILE *err, const char *self, const char *file, const Target *target) {
    char *argv[MAX_ARGS];
    arguments(arena, argv, file, target);
    int status = run(beside(arena, self), argv, err);
    if (!status) return true;
    if (status == NOT_RUN)
        fprintf(err, "dlc: error: --validate needs the program dlc-validate beside dlc or in PATH; "
                     "`make` builds it where libclang is (Debian: libclang-dev)\n");
    else
        fprintf(err, "dlc: error: %s does not pass dlc-validate for %s\n", file, target->name);
    return false;
}
