// files.c: a file is read whole; outputs are written beside their places and renamed, the header first, so that there
// is never a model.c without its model.h and never half of either.
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool complain(FILE *err, const char *verb, const char *path, const char *why) {
    fprintf(err, "dlc: error: cannot %s %s: %s\n", verb, path, why);
    return false;
}

// ---- reading ------------------------------------------------------------------------------------------------------

Source *file_read(Arena *arena, FILE *err, const char *path) {
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &st)) {
        complain(err, "read", path, strerror(errno));
        if (file) fclose(file);
        return NULL;
    }
    if (S_ISDIR(st.st_mode)) {
        fclose(file);
        complain(err, "read", path, "it is a directory");
        return NULL;
    }
    // Not by st_size: pipes have none.
    Str text = str_new(arena);
    char block[16384];
    for (size_t n; (n = fread(block, 1, sizeof block, file)) > 0 && text.len < INT_MAX;) str_putn(&text, block, n);
    bool failed = ferror(file);
    fclose(file);
    if (failed || text.len >= INT_MAX) {
        complain(err, "read", path, failed ? strerror(errno) : "it is larger than 2 GB");
        return NULL;
    }
    Source *source = NEW(arena, Source);
    *source = (Source){.name = path, .text = str_text(&text), .len = (int)text.len};
    return source;
}

// ---- writing ------------------------------------------------------------------------------------------------------

static bool write_all(int fd, const Str *text) {
    const char *at = str_text(text);
    for (size_t left = text->len; left > 0;) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        at += n;
        left -= (size_t)n;
    }
    return true;
}

static bool write_device(FILE *err, const char *path, const Str *first, const Str *second) {
    int fd = open(path, O_WRONLY);
    if (fd < 0) return complain(err, "write", path, strerror(errno));
    bool good = write_all(fd, first) && write_all(fd, second);
    if (close(fd)) good = false;
    return good || complain(err, "write", path, strerror(errno));
}

// Writes beside `path` and returns that name, or NULL (reported, nothing left).
static char *write_aside(Arena *arena, FILE *err, const char *path, const Str *text) {
    char *aside = arena_printf(arena, "%s.XXXXXX", path);
    int fd = mkstemp(aside);
    if (fd < 0) {
        complain(err, "write", path, strerror(errno));
        return NULL;
    }
    bool good = write_all(fd, text) && fchmod(fd, 0644) == 0;
    if (!good) complain(err, "write", path, strerror(errno));
    if (close(fd) && good) {
        complain(err, "write", path, strerror(errno));
        good = false;
    }
    if (good) return aside;
    unlink(aside);
    return NULL;
}

// What is there already must be a plain file, or nothing.
static bool check_place(FILE *err, const char *path) {
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
        return complain(err, "write", path, S_ISDIR(st.st_mode) ? "it is a directory" : "it is no plain file");
    return true;
}

bool files_write(Arena *arena, FILE *err, const char *source, const Str *source_text, const char *header,
                 const Str *header_text) {
    struct stat st;
    bool exists = stat(source, &st) == 0;
    if (exists && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return write_device(err, source, source_text, header_text);
    if (!check_place(err, source) || !check_place(err, header)) return false;
    char *source_aside = write_aside(arena, err, source, source_text);
    if (!source_aside) return false;
    char *header_aside = write_aside(arena, err, header, header_text);
    if (!header_aside) {
        unlink(source_aside);
        return false;
    }
    bool is_new = access(header, F_OK) != 0, moved = rename(header_aside, header) == 0;
    if (moved && rename(source_aside, source) == 0) return true;
    complain(err, "write", moved ? source : header, strerror(errno));
    if (moved && is_new) unlink(header);
    unlink(header_aside);
    unlink(source_aside);
    return false;
}
