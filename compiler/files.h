// files.h: reading the input, and writing outputs whole or not at all; private to the driver.
#ifndef DLC_FILES_H
#define DLC_FILES_H

#include "support/diag.h"
#include "support/str.h"

const char *path_base(const char *path); // after the last `/`
bool path_ends(const char *path, const char *end);
// Reads a whole file. NULL: reported to err.
Source *file_read(Arena *arena, FILE *err, const char *path);
// A path that is written to, and not replaced: a pipe, a device, whatever is under /dev.
bool file_is_device(const char *path);
// Replaces both files, or neither. False: reported to err; both are as they were, and no temporary file stays. Links
// are followed. The permissions of a replaced file stay; those of a new one follow the umask. A device gets both texts
// directly.
bool files_write(Arena *arena, FILE *err, const char *source, const Str *source_text, const char *header,
                 const Str *header_text);

#endif
