// dlc_save.c: a net as a .safetensors file, in memory or on a disk. On a disk the file is written beside the old one,
// synced and renamed, and the directory is synced.
//     net.ckpt, net.ckpt.0.tmp -> net.ckpt
// The process may end at any point of that: net.ckpt is the old file or the new one, and the next save takes over what
// was left beside it. POSIX systems have fsync, links that are followed, and a lock on the file that is being written.
// In plain ISO C the old file may be left as net.ckpt.old, and a file of the user's with that name is lost.
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "dlc_parts.h"

#ifndef DLC_NO_STDIO
#include <errno.h>
#include <stdio.h>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#define DLC_POSIX 1
#else
#define DLC_POSIX 0
#endif
#endif

// ---- the bytes ----------------------------------------------------------------------------------------------------

// Counts bytes, and passes them on if it has a `put`. The header's length stands before the header, so a first pass
// only counts.
struct dlc_writer {
    void (*put)(void *to, const void *bytes, size_t len); // or NULL
    void *to;
    uint64_t bytes;
};

static void dlc_write(struct dlc_writer *w, const void *bytes, size_t len) {
    w->bytes += len;
    if (w->put) w->put(w->to, bytes, len);
}

static void dlc_write_text(struct dlc_writer *w, const char *s) { dlc_write(w, s, strlen(s)); }

static void dlc_write_number(struct dlc_writer *w, uint64_t n) {
    char digits[DLC_DIGITS];
    size_t first = dlc_digits(digits, n);
    dlc_write(w, digits + first, sizeof digits - first);
}

static void dlc_write_string(struct dlc_writer *w, const char *s) {
    static const char hex[] = "0123456789abcdef";
    dlc_write_text(w, "\"");
    for (; *s; s++) {
        const char escape[] = {'\\', 'u', '0', '0', hex[*s >> 4 & 15], hex[*s & 15]};
        bool control = (unsigned char)*s < ' ';
        if (*s == '"' || *s == '\\') dlc_write_text(w, "\\");
        dlc_write(w, control ? escape : s, control ? sizeof escape : 1);
    }
    dlc_write_text(w, "\"");
}

// What a file holds: everything, parameters and buffers, or state.
enum dlc_what { DLC_ALL, DLC_WEIGHTS, DLC_STATE };

static bool dlc_holds(enum dlc_what what, const struct dlc_slot *slot) {
    if (what == DLC_STATE) return slot->region == DLC_REGION_STATE;
    return what == DLC_ALL || dlc_is_weight(slot);
}

// The slot after `last` (NULL: the first) in the order of the file, or NULL: wide elements come first, so that every
// tensor is aligned to its own.
static const struct dlc_slot *dlc_next_stored(const struct dlc_model *model, enum dlc_what what,
                                              const struct dlc_slot *last) {
    int k = last ? (int)(last - model->slots) + 1 : 0;
    for (int bytes = last ? dlc_stored_dtype(&last->info)->bits / 8 : 8; bytes; bytes /= 2, k = 0)
        for (; k < model->nslots; k++) {
            const struct dlc_slot *slot = &model->slots[k];
            if (dlc_holds(what, slot) && dlc_stored_dtype(&slot->info)->bits / 8 == bytes) return slot;
        }
    return NULL;
}

// The names of the state that the file holds, and of which model it is when it holds nothing else.
static void dlc_write_state_names(struct dlc_writer *w, const struct dlc_model *model, enum dlc_what what) {
    char digits[DLC_HASH_DIGITS];
    bool any = false;
    for (int i = 0; i < model->nslots; i++) {
        const struct dlc_slot *slot = &model->slots[i];
        if (slot->region != DLC_REGION_STATE || !dlc_holds(what, slot)) continue;
        dlc_write_text(w, any ? "," : ",\"dlc.state\":\"");
        dlc_write_text(w, slot->info.name); // a path: nothing in it needs an escape
        any = true;
    }
    if (any) dlc_write_text(w, "\"");
    if (what != DLC_STATE) return;
    dlc_hash_digits(digits, model->hash);
    dlc_write_text(w, ",\"dlc.model\":\"");
    dlc_write(w, digits, sizeof digits);
    dlc_write_text(w, "\"");
}

static void dlc_write_header(struct dlc_writer *w, const struct dlc_model *model, enum dlc_what what) {
    const struct dlc_slot *slot = NULL;
    uint64_t offset = 0, start = w->bytes;
    dlc_write_text(w, "{\"__metadata__\":{\"format\":\"pt\"");
    dlc_write_state_names(w, model, what);
    dlc_write_text(w, "}");
    while ((slot = dlc_next_stored(model, what, slot))) {
        dlc_write_text(w, ",");
        dlc_write_string(w, slot->info.name);
        dlc_write_text(w, ":{\"dtype\":\"");
        dlc_write_text(w, dlc_stored_dtype(&slot->info)->name);
        dlc_write_text(w, "\",\"shape\":[");
        for (int d = 0; d < slot->info.rank; d++) {
            if (d) dlc_write_text(w, ",");
            dlc_write_number(w, (uint64_t)slot->info.shape[d]);
        }
        dlc_write_text(w, "],\"data_offsets\":[");
        dlc_write_number(w, offset);
        dlc_write_text(w, ",");
        dlc_write_number(w, offset += slot->info.bytes);
        dlc_write_text(w, "]}");
    }
    dlc_write_text(w, "}");
    while (w->bytes % 8 != start % 8) dlc_write_text(w, " "); // the data begins aligned
}

// Elements in the file's order of bytes.
static void dlc_write_elements(struct dlc_writer *w, const unsigned char *from, int bytes, size_t count) {
    unsigned char chunk[4096];
    for (size_t n; count; count -= n, from += n * (size_t)bytes) {
        n = sizeof chunk / (size_t)bytes;
        if (n > count) n = count;
        dlc_copy_elements(chunk, from, bytes, n);
        dlc_write(w, chunk, n * (size_t)bytes);
    }
}

static void dlc_write_all(struct dlc_writer *w, const struct dlc_net *net, enum dlc_what what) {
    struct dlc_writer count = {NULL, NULL, 0};
    const struct dlc_slot *slot = NULL;
    dlc_write_header(&count, net->model, what);
    unsigned char length[8];
    dlc_put_le(length, count.bytes);
    dlc_write(w, length, sizeof length);
    dlc_write_header(w, net->model, what);
    while ((slot = dlc_next_stored(net->model, what, slot))) {
        int bytes = dlc_stored_dtype(&slot->info)->bits / 8;
        dlc_write_elements(w, dlc_slot_data(net, slot), bytes, slot->info.bytes / (size_t)bytes);
    }
}

// ---- into memory --------------------------------------------------------------------------------------------------

static void dlc_put_memory(void *to, const void *bytes, size_t len) {
    unsigned char **at = (unsigned char **)to;
    memcpy(*at, bytes, len);
    *at += len;
}

static size_t dlc_save_bytes(const struct dlc_net *net, void *to, size_t bytes, enum dlc_what what) {
    const struct dlc_slot *slot = NULL;
    unsigned char *at = (unsigned char *)to;
    struct dlc_writer count = {NULL, NULL, 8}, w = {dlc_put_memory, &at, 0};
    if (!net) return 0;
    dlc_write_header(&count, net->model, what);
    while ((slot = dlc_next_stored(net->model, what, slot))) count.bytes += slot->info.bytes;
    if (to && count.bytes <= bytes) dlc_write_all(&w, net, what);
    return (size_t)count.bytes;
}

DLC_API size_t dlc_save_memory(const struct dlc_net *net, void *to, size_t bytes) {
    return dlc_save_bytes(net, to, bytes, DLC_ALL);
}

DLC_API size_t dlc_save_weights_memory(const struct dlc_net *net, void *to, size_t bytes) {
    return dlc_save_bytes(net, to, bytes, DLC_WEIGHTS);
}

DLC_API size_t dlc_save_state_memory(const struct dlc_net *net, void *to, size_t bytes) {
    return dlc_save_bytes(net, to, bytes, DLC_STATE);
}

#ifndef DLC_NO_STDIO
// ---- a new file takes the place of the old one --------------------------------------------------------------------

// A file that is being written.
struct dlc_new_file {
    char *path;   // where it shall be
    char *name;   // what is written: beside `path`, or NULL for a device or a pipe, which is written as it is
    bool replace; // there is a file at `path`
    FILE *f;
};

static char *dlc_copy_text(const char *s) {
    size_t size = strlen(s) + 1;
    char *copy = (char *)malloc(size);
    if (copy) memcpy(copy, s, size);
    return copy;
}

#if DLC_POSIX
// `path` with the symbolic link at its end followed, and what that leads to: the link stays, its target is replaced.
// Of malloc; NULL with errno.
static char *dlc_follow_links(const char *path) {
    char *at = dlc_copy_text(path), to[4096];
    for (int links = 0; at; links++) {
        ssize_t len = readlink(at, to, sizeof to);
        if (len < 0) return at; // no link, or nothing there yet
        const char *slash = strrchr(at, '/');
        size_t folder = *to == '/' || !slash ? 0 : (size_t)(slash - at) + 1;
        char *next = links < 40 && len < (ssize_t)sizeof to ? (char *)malloc(folder + (size_t)len + 1) : NULL;
        if (next) {
            memcpy(next, at, folder);
            memcpy(next + folder, to, (size_t)len);
            next[folder + (size_t)len] = 0;
        } else if (links == 40) {
            errno = ELOOP;
        }
        free(at);
        at = next;
    }
    return NULL;
}

// Locked by one open file at a time, and by none of a process that is gone. Where there are no locks, what is fresh is
// ours.
static bool dlc_lock(int fd, bool fresh) {
#ifdef LOCK_EX
    return !flock(fd, LOCK_EX | LOCK_NB) || (fresh && errno != EWOULDBLOCK);
#else
    struct flock whole;
    memset(&whole, 0, sizeof whole);
    whole.l_type = F_WRLCK, whole.l_whence = SEEK_SET;
    return fcntl(fd, F_SETLK, &whole) >= 0 || (fresh && errno != EAGAIN && errno != EACCES);
#endif
}

// Makes a new file, or takes over what a process that was killed has left; -1 with errno, EEXIST for a file in use.
// Whoever has the lock renames before giving it up, so a file that has its name still is nobody else's.
static int dlc_claim(const char *name) {
    int fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    bool fresh = fd >= 0;
    if (!fresh && errno != EEXIST) return -1;
    if (!fresh) fd = open(name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    struct stat opened, named;
    bool ours = fd >= 0 && dlc_lock(fd, fresh) && !fstat(fd, &opened) && !lstat(name, &named) &&
                S_ISREG(opened.st_mode) && opened.st_ino == named.st_ino && opened.st_dev == named.st_dev;
    if (ours && !ftruncate(fd, 0)) return fd;
    int why = ours ? errno : EEXIST;
    if (fd >= 0) close(fd);
    errno = why;
    return -1;
}

// A file without a name in use: beside p->path, in p->name, which has room for it.
static FILE *dlc_open_beside(struct dlc_new_file *p, size_t room) {
    struct stat old;
    p->replace = !stat(p->path, &old);
    if (p->replace && access(p->path, W_OK)) return NULL; // write-protected
    int fd = -1;
    for (int i = 0; i < 100 && fd < 0; i++) {
        snprintf(p->name, room, "%s.%d.tmp", p->path, i);
        fd = dlc_claim(p->name);
        if (fd < 0 && errno != EEXIST) return NULL;
    }
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (f && p->replace) (void)!fchmod(fd, old.st_mode & 07777); // who may read it stays so
    if (!f && fd >= 0) close(fd);
    return f;
}

// Makes the rename last: a name is data of its directory. A file system that cannot do it is no failure.
static void dlc_sync_directory(char *path) {
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path] = 0;
    int directory = open(slash ? path : ".", O_RDONLY | O_CLOEXEC);
    if (directory < 0) return;
    (void)!fsync(directory);
    close(directory);
}

// Devices and pipes are written as they are: a rename would put a file in their place.
static bool dlc_is_special(const char *path) {
    struct stat status;
    return !stat(path, &status) && !S_ISREG(status.st_mode);
}

// Everything on the disk. What cannot be synced (a pipe, a device) says EINVAL.
static bool dlc_sync(FILE *f) { return !ferror(f) && !fflush(f) && (!fsync(fileno(f)) || errno == EINVAL); }

// Closes what is `ok` as a whole under its name, all in one step. The stream is closed last: the lock goes with it.
static bool dlc_rename(const struct dlc_new_file *p, bool ok) {
    ok = ok && !rename(p->name, p->path);
    int why = errno;
    if (!ok) remove(p->name);
    fclose(p->f);
    errno = why;
    return ok;
}
#else
static char *dlc_follow_links(const char *path) { return dlc_copy_text(path); }

static FILE *dlc_open_beside(struct dlc_new_file *p, size_t room) {
    snprintf(p->name, room, "%s.tmp", p->path);
    return fopen(p->name, "wb");
}

static void dlc_sync_directory(char *path) { (void)path; }
static bool dlc_is_special(const char *path) { return (void)path, false; }
static bool dlc_sync(FILE *f) { return !ferror(f) && !fflush(f); }

static bool dlc_is_there(const char *path) {
    FILE *f = fopen(path, "rb");
    if (f) fclose(f);
    return f != NULL;
}

// The old file steps aside for the new one, and comes back when that cannot take its name. If that fails,
// or the process ends in between, only net.ckpt.old is left. It is removed only after a new file is in place.
static bool dlc_swap(const struct dlc_new_file *p) {
    size_t len = strlen(p->path);
    char *old = (char *)calloc(1, len + sizeof ".old");
    if (!old) return false;
    memcpy(old, p->path, len);
    memcpy(old + len, ".old", sizeof ".old");
    if (dlc_is_there(p->path)) remove(old);
    bool aside = !rename(p->path, old), ok = aside && !rename(p->name, p->path);
    int why = errno;
    if (ok)
        remove(old);
    else if (aside)
        (void)rename(old, p->path);
    free(old);
    errno = why;
    return ok;
}

// Systems that rename no open file, and none over another.
static bool dlc_rename(const struct dlc_new_file *p, bool ok) {
    int why = errno;
    if (fclose(p->f)) ok = false, why = errno;
    if (ok && rename(p->name, p->path) && !dlc_swap(p)) ok = false, why = errno;
    if (!ok) remove(p->name);
    errno = why;
    return ok;
}
#endif

// Opens p->f; false with errno.
static bool dlc_new_file_open(struct dlc_new_file *p, const char *path) {
    memset(p, 0, sizeof *p);
    errno = 0;
    if (dlc_is_special(path)) {
        p->f = fopen(path, "wb");
        return p->f;
    }
    p->path = dlc_follow_links(path);
    size_t room = p->path ? strlen(p->path) + 16 : 0;
    p->name = p->path ? (char *)calloc(1, room) : NULL;
    p->f = p->name ? dlc_open_beside(p, room) : NULL;
    return p->f;
}

// Closes p->f in any case. False with errno: then the old file is what it was (without POSIX, perhaps as net.ckpt.old),
// and nothing else is left beside it.
static bool dlc_new_file_close(struct dlc_new_file *p) {
    bool ok = dlc_sync(p->f);
    if (!p->name) return !fclose(p->f) && ok;
    ok = dlc_rename(p, ok);
    if (ok) dlc_sync_directory(p->name);
    return ok;
}

static void dlc_put_stream(void *to, const void *bytes, size_t len) {
    fwrite(bytes, 1, len, (FILE *)to); // ferror is asked at the end
}

static int dlc_save_file(struct dlc_net *net, const char *path, enum dlc_what what) {
    struct dlc_new_file p;
    int status = DLC_OK;
    if (!net || !path) return dlc_fail_null(net, "the path");
    if (!dlc_new_file_open(&p, path)) {
        bool beside = p.name && *p.name && (errno == EACCES || errno == EROFS);
        status = dlc_fail_file(net, beside ? "cannot make a new file beside " : "cannot write ", path);
    } else {
        struct dlc_writer w = {dlc_put_stream, p.f, 0};
        dlc_write_all(&w, net, what);
        if (!dlc_new_file_close(&p)) status = dlc_fail_file(net, "cannot write ", path);
        struct dlc_text t = dlc_text_at(net->error, strlen(net->error));
        if (status && p.replace) dlc_put(&t, "; the old file is as it was");
    }
    free(p.path);
    free(p.name);
    return status;
}

DLC_API int dlc_save(struct dlc_net *net, const char *path) { return dlc_save_file(net, path, DLC_ALL); }
DLC_API int dlc_save_weights(struct dlc_net *net, const char *path) { return dlc_save_file(net, path, DLC_WEIGHTS); }
DLC_API int dlc_save_state(struct dlc_net *net, const char *path) { return dlc_save_file(net, path, DLC_STATE); }
#endif
