// fail.h: how the files of the kit report trouble: a message for the caller and the status to return.
//     return kit_fail(error, KIT_EFORMAT, "%s: ends within its header", path);
#ifndef DLC_KIT_FAIL_H
#define DLC_KIT_FAIL_H

#include <stdarg.h>

#include "kit.h"

// error: KIT_ERROR_BYTES bytes, or NULL.
static inline int kit_fail(char *error, int status, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    if (error) vsnprintf(error, KIT_ERROR_BYTES, fmt, args);
    va_end(args);
    return status;
}

#endif
