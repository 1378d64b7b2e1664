// write.c: files that appear whole or not at all: written beside the old one, synced, renamed; and the clock.
//     kit_file_open(&f, "curve.svg")   curve.svg.4711.tmp is written      kit_file_close(&f)   it becomes curve.svg
// 4711 is the process: what a killed one left is in nobody's way. A link stays, and the file at its end is replaced.
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 // POSIX 2008 with realpath
#endif
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "fail.h"
#include "kit.h"

static int fail_write(const struct kit_file *file, int why, char *error) {
    return kit_fail(error, KIT_EIO, "cannot write %s: %s", file->path, why ? strerror(why) : "unknown error");
}

// Devices and pipes are written directly, because a rename would replace them by a file.
static bool is_special(const char *path) {
    struct stat status;
    return !stat(path, &status) && !S_ISREG(status.st_mode);
}

int kit_file_open(struct kit_file *file, const char *path, char *error) {
    *file = (struct kit_file){.path = path};
    errno = 0;
    if (is_special(path)) {
        file->out = fopen(path, "wb");
    } else {
        char *target = realpath(path, NULL); // NULL: it is new
        size_t room = strlen(target ? target : path) + 32;
        file->target = target;
        if (!(file->beside = malloc(room))) return free(target), fail_write(file, ENOMEM, error);
        snprintf(file->beside, room, "%s.%ld.tmp", target ? target : path, (long)getpid());
        errno = 0;
        file->out = fopen(file->beside, "wb");
    }
    if (file->out) return KIT_OK;
    int status = fail_write(file, errno, error);
    free(file->beside);
    free(file->target);
    return status;
}

int kit_file_close(struct kit_file *file, char *error) {
    bool ok = !ferror(file->out) && !fflush(file->out);
    int why = errno;
    // fsync fails with EINVAL on what cannot be synced (a pipe, a device).
    if (ok && fsync(fileno(file->out)) && errno != EINVAL) ok = false, why = errno;
    struct stat old; // its permissions stay
    if (ok && file->target && !stat(file->target, &old)) fchmod(fileno(file->out), old.st_mode & 07777);
    if (fclose(file->out) && ok) ok = false, why = errno;
    const char *to = file->target ? file->target : file->path;
    if (ok && file->beside && rename(file->beside, to)) ok = false, why = errno;
    if (!ok && file->beside) remove(file->beside);
    free(file->beside);
    free(file->target);
    return ok ? KIT_OK : fail_write(file, why, error);
}

double kit_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
