// dlc_save.c: a net as a .safetensors file: written beside the old one, synced, renamed.
// ISO C, and on POSIX fsync and stat.
#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE 200809L
#endif
#include "dlc_parts.h"

#ifndef DLC_NO_STDIO
#include <errno.h>
#include <stdio.h>
#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#define DLC_POSIX 1
#else
#define DLC_POSIX 0
#endif

// Counts, and writes when there is a stream: the header's length stands before it.
struct dlc_writer {
    FILE *f;
    uint64_t bytes;
};

static void dlc_write(struct dlc_writer *w, const void *bytes, size_t len) {
    w->bytes += len;
    if (w->f) fwrite(bytes, 1, len, w->f); // ferror is asked at the end
}

static void dlc_write_text(struct dlc_writer *w, const char *s) { dlc_write(w, s, strlen(s)); }

static void dlc_write_number(struct dlc_writer *w, uint64_t n) {
    char digits[24];
    int len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    dlc_write(w, digits, (size_t)len);
}

static void dlc_write_string(struct dlc_writer *w, const char *s) {
    dlc_write_text(w, "\"");
    for (; *s; s++) {
        char escape[8];
        bool control = (unsigned char)*s < ' ';
        if (control) snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*s);
        if (*s == '"' || *s == '\\') dlc_write_text(w, "\\");
        dlc_write(w, control ? escape : s, control ? 6 : 1);
    }
    dlc_write_text(w, "\"");
}

static const struct dlc_file_dtype *dlc_stored_dtype(const struct dlc_slot *slot) {
    const struct dlc_file_dtype *dtype = dlc_file_dtypes();
    while (dtype->name && !(dtype->model && !strcmp(dtype->model, slot->info.dtype))) dtype++;
    return dtype; // the model's dtypes are all there
}

// The slot behind `last` (NULL: the first) in the order of the file, or NULL: wide elements come first, so that every
// tensor is aligned to its own.
static const struct dlc_slot *dlc_next_stored(const struct dlc_model *model, bool all, const struct dlc_slot *last) {
    int k = last ? (int)(last - model->slots) + 1 : 0;
    for (int bytes = last ? dlc_stored_dtype(last)->bytes : 8; bytes; bytes /= 2, k = 0)
        for (; k < model->nslots; k++) {
            const struct dlc_slot *slot = &model->slots[k];
            if ((all || dlc_is_weight(slot)) && dlc_stored_dtype(slot)->bytes == bytes) return slot;
        }
    return NULL;
}

static void dlc_write_header(struct dlc_writer *w, const struct dlc_model *model, bool all) {
    const struct dlc_slot *slot = NULL;
    uint64_t offset = 0;
    dlc_write_text(w, "{\"__metadata__\":{\"format\":\"pt\"}");
    while ((slot = dlc_next_stored(model, all, slot))) {
        dlc_write_text(w, ",");
        dlc_write_string(w, slot->info.name);
        dlc_write_text(w, ":{\"dtype\":\"");
        dlc_write_text(w, dlc_stored_dtype(slot)->name);
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
    while (w->bytes % 8) dlc_write_text(w, " "); // the data begins aligned
}

static uint64_t dlc_get_bits(const unsigned char *from, int bytes) {
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t bits = *from;
    if (bytes == 2) memcpy(&u16, from, 2), bits = u16;
    if (bytes == 4) memcpy(&u32, from, 4), bits = u32;
    if (bytes == 8) memcpy(&bits, from, 8);
    return bits;
}

// Elements in the file's order of bytes.
static void dlc_write_elements(struct dlc_writer *w, const unsigned char *from, int bytes, size_t count) {
    unsigned char chunk[4096];
    size_t used = 0;
    for (size_t i = 0; i < count; i++, from += bytes) {
        uint64_t bits = dlc_get_bits(from, bytes);
        for (int b = 0; b < bytes; b++) chunk[used++] = (unsigned char)(bits >> 8 * b);
        if (used == sizeof chunk) dlc_write(w, chunk, used), used = 0;
    }
    dlc_write(w, chunk, used);
}

static void dlc_write_file(FILE *f, const struct dlc_net *net, bool all) {
    struct dlc_writer count = {0}, w = {.f = f};
    const struct dlc_slot *slot = NULL;
    dlc_write_header(&count, net->model, all);
    uint64_t length = count.bytes;
    for (int i = 0; i < 8; i++) putc((int)(length >> 8 * i & 255), f);
    dlc_write_header(&w, net->model, all);
    while ((slot = dlc_next_stored(net->model, all, slot))) {
        int bytes = dlc_stored_dtype(slot)->bytes;
        dlc_write_elements(&w, dlc_slot_data(net, slot), bytes, slot->info.bytes / (size_t)bytes);
    }
}

// Everything on the disk; closes in any case.
static bool dlc_finish(FILE *f) {
    bool ok = !ferror(f) && !fflush(f);
    int why = errno;
#if DLC_POSIX
    // What cannot be synced (a pipe, a device) says EINVAL.
    if (ok && fsync(fileno(f)) && errno != EINVAL) ok = false, why = errno;
#endif
    if (fclose(f) && ok) return false;
    if (!ok) errno = why;
    return ok;
}

// Makes the rename last: a name is data of its directory. A file system that cannot do it is no failure.
static void dlc_sync_directory(char *path) {
#if DLC_POSIX
    char *slash = strrchr(path, '/');
    if (slash) slash[slash == path] = 0;
    int directory = open(slash ? path : ".", O_RDONLY);
    if (directory < 0) return;
    (void)!fsync(directory);
    close(directory);
#else
    (void)path;
#endif
}

// Devices and pipes are written as they are: a rename would put a file in their place.
static bool dlc_is_special(const char *path) {
#if DLC_POSIX
    struct stat status;
    return !stat(path, &status) && !S_ISREG(status.st_mode);
#else
    (void)path;
    return false;
#endif
}

// A new file beside `path`; its name is left in `name`, which has room for it.
static FILE *dlc_open_beside(const char *path, char *name, size_t room) {
    FILE *f = NULL;
    for (int i = 0; i < 100 && !f; i++) {
        snprintf(name, room, "%s.%d.tmp", path, i);
        errno = 0;
        f = fopen(name, "wbx");
        if (!f && errno != EEXIST) break;
    }
    return f;
}

static int dlc_save_file(struct dlc_net *net, const char *path, bool all) {
    bool special = dlc_is_special(path);
    size_t room = strlen(path) + 16;
    char *name = malloc(room);
    if (!name) return dlc_fail(net, DLC_EIO, path, ": out of memory", "");
    errno = 0;
    FILE *f = special ? fopen(path, "wb") : dlc_open_beside(path, name, room);
    if (!f) {
        free(name);
        return dlc_fail_file(net, "cannot write ", path);
    }
    dlc_write_file(f, net, all);
    bool ok = dlc_finish(f) && (special || !rename(name, path));
    int status = ok ? DLC_OK : dlc_fail_file(net, "cannot write ", path);
    if (!ok && !special) remove(name);
    if (ok && !special) dlc_sync_directory(name);
    free(name);
    return status;
}

DLC_API int dlc_save(struct dlc_net *net, const char *path) { return dlc_save_file(net, path, true); }
DLC_API int dlc_save_weights(struct dlc_net *net, const char *path) { return dlc_save_file(net, path, false); }
#endif
