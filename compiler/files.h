// files.h: reading the input, and writing outputs whole or not at all; private to the driver.
#ifndef DLC_FILES_H
#define DLC_FILES_H

#include "support/diag.h"
#include "support/str.h"

// Reads a whole file. NULL: reported to err.
Source *file_read(Arena *arena, FILE *err, const char *path);
// Writes both files beside their places, then renames them. False: reported to err, and nothing is left behind. A
// source path that is a device gets both texts directly.
bool files_write(Arena *arena, FILE *err, const char *source, const Str *source_text, const char *header,
                 const Str *header_text);

#endif
