// files.c: a file is read whole; a C file and its header are replaced together, or both stay as they were.
//     write both without a name, where they belong  ->  name them  ->  rename the header, then the C file
// A file without a name (Linux's O_TMPFILE) is gone when dlc is killed. Signals that can wait do so until both files
// are done. SIGKILL can leave a temporary file: while the names change, or at any time on systems without O_TMPFILE.
#define _GNU_SOURCE // O_TMPFILE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *path_base(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool path_ends(const char *path, const char *end) {
    size_t a = strlen(path), b = strlen(end);
    return a > b && !strcmp(path + a - b, end);
}

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
    // st_size is not used, because pipes have none.
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
    int fd = open(path, O_WRONLY | O_APPEND);
    if (fd < 0) return complain(err, "write", path, strerror(errno));
    bool good = write_all(fd, first) && write_all(fd, second);
    if (close(fd)) good = false;
    return good || complain(err, "write", path, strerror(errno));
}

// /dev/stdout may be a file that the shell opened: it is written to, and not replaced.
bool file_is_device(const char *path) {
    struct stat st;
    return stat(path, &st) == 0 && !S_ISDIR(st.st_mode) && (!S_ISREG(st.st_mode) || !strncmp(path, "/dev/", 5));
}

// Linux lists the open files of a process here. Through this path a file without a name gets one.
#define OPEN_FILES "/proc/self/fd"

// An output that is being written.
typedef struct Output {
    FILE *err;
    const char *path; // as the user gave it
    const char *to;   // what is replaced: links are followed, as a C compiler does
    char *aside;      // its temporary name, in the same folder
    int fd;           // open while the file has no name yet, else -1
    bool named;       // the file `aside` exists
} Output;

static bool fail(const Output *out) { return complain(out->err, "write", out->path, strerror(errno)); }

static const char *follow_links(Arena *arena, const char *path) {
    enum { MOST_LINKS = 40 };
    for (int links = 0; links < MOST_LINKS; links++) {
        char link[PATH_MAX];
        ssize_t len = readlink(path, link, sizeof link - 1);
        if (len < 0) break;
        link[len] = 0;
        int folder = link[0] == '/' ? 0 : (int)(path_base(path) - path);
        path = arena_printf(arena, "%.*s%s", folder, path, link);
    }
    return path;
}

// A new file without a name in the folder of out->to, or else under the name `aside`. The kernel applies the umask.
static int open_new(Arena *arena, Output *out) {
    out->aside = NULL;
#ifdef O_TMPFILE
    int len = (int)(path_base(out->to) - out->to);
    const char *folder = len ? arena_printf(arena, "%.*s", len, out->to) : ".";
    bool can_be_named = access(OPEN_FILES, X_OK) == 0; // a sandbox may have no /proc
    int fd = can_be_named ? open(folder, O_TMPFILE | O_WRONLY, 0666) : -1;
    if (fd >= 0) return fd;
#endif
    for (int k = 0; k < 1000; k++) {
        out->aside = arena_printf(arena, "%s.%ld-%d", out->to, (long)getpid(), k);
        int named = open(out->aside, O_CREAT | O_EXCL | O_WRONLY, 0666);
        out->named = named >= 0;
        if (named >= 0 || errno != EEXIST) return named;
    }
    return -1;
}

// Writes the text beside its place. A file that is already there must be a plain one, and keeps its permissions.
static bool write_aside(Arena *arena, Output *out, const Str *text) {
    struct stat st;
    out->to = follow_links(arena, out->path);
    bool exists = stat(out->to, &st) == 0;
    if (exists && !S_ISREG(st.st_mode))
        return complain(out->err, "write", out->path,
                        S_ISDIR(st.st_mode) ? "it is a directory" : "it is no plain file");
    out->fd = open_new(arena, out);
    if (out->fd < 0) return fail(out);
    return (write_all(out->fd, text) && (!exists || fchmod(out->fd, st.st_mode & 07777) == 0)) || fail(out);
}

static bool give_name(Arena *arena, Output *out) {
    for (int k = 0; k < 1000 && !out->named; k++) {
        out->aside = arena_printf(arena, "%s.%ld-%d", out->to, (long)getpid(), k);
        char *self = arena_printf(arena, "%s/%d", OPEN_FILES, out->fd);
        out->named = linkat(AT_FDCWD, self, AT_FDCWD, out->aside, AT_SYMLINK_FOLLOW) == 0;
        if (!out->named && errno != EEXIST) return fail(out);
    }
    bool closed = close(out->fd) == 0;
    out->fd = -1;
    return (out->named && closed) || fail(out);
}

static void drop(Output *out) {
    if (out->fd >= 0) close(out->fd);
    if (out->named && out->aside) unlink(out->aside);
}

// The old header keeps another name until the C file is replaced too, so that it can be put back.
static bool replace_both(Arena *arena, Output *source, Output *header) {
    char *old = arena_printf(arena, "%s.old", header->aside);
    bool kept = link(header->to, old) == 0, is_new = !kept && access(header->to, F_OK) != 0;
    if (rename(header->aside, header->to) != 0) {
        fail(header);
    } else {
        header->named = false;
        if (rename(source->aside, source->to) == 0) {
            source->named = false;
        } else {
            fail(source);
            if (kept) rename(old, header->to);
            if (is_new) unlink(header->to);
        }
    }
    if (kept) unlink(old);
    return !source->named;
}

static bool write_both(Arena *arena, Output *source, const Str *source_text, Output *header, const Str *header_text) {
    bool good = write_aside(arena, source, source_text) && write_aside(arena, header, header_text) &&
                give_name(arena, source) && give_name(arena, header) && replace_both(arena, source, header);
    drop(source);
    drop(header);
    return good;
}

bool files_write(Arena *arena, FILE *err, const char *source, const Str *source_text, const char *header,
                 const Str *header_text) {
    if (file_is_device(source)) return write_device(err, source, source_text, header_text);
    Output c = {.err = err, .path = source, .fd = -1}, h = {.err = err, .path = header, .fd = -1};
    static const int stops[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGXCPU};
    sigset_t wait, before;
    sigemptyset(&wait);
    for (size_t k = 0; k < sizeof stops / sizeof *stops; k++) sigaddset(&wait, stops[k]);
    sigprocmask(SIG_BLOCK, &wait, &before);
    bool good = write_both(arena, &c, source_text, &h, header_text);
    sigprocmask(SIG_SETMASK, &before, NULL);
    return good;
}
