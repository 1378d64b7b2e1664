// dlc_parts.h: what the files of the runtime share; the emitted C and applications do not include it.
#ifndef DLC_PARTS_H
#define DLC_PARTS_H

#include "dlc.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

// ---- dlc.c: error text, built without stdio -----------------------------------------------------------------------

// A list whose items are whole or counted: "... \n  and 12 more".
struct dlc_text {
    char *at; // DLC_ERROR_BYTES
    size_t len;
    bool full;
    int dropped;
};

DLC_API void dlc_put_bytes(struct dlc_text *t, const char *s, size_t len);
DLC_API void dlc_put(struct dlc_text *t, const char *s);
DLC_API void dlc_put_number(struct dlc_text *t, uint64_t n);
DLC_API struct dlc_text dlc_text_start(struct dlc_net *net);
// Sets the message, of three pieces, any of which may be ""; gives `status` back.
DLC_API int dlc_fail(struct dlc_net *net, int status, const char *a, const char *b, const char *c);
// Ends an item that began at `start`: what did not fit as a whole is taken away and counted.
DLC_API void dlc_end_item(struct dlc_text *t, size_t start);
DLC_API void dlc_end_list(struct dlc_text *t);

// ---- dlc.c: storages ----------------------------------------------------------------------------------------------

DLC_API unsigned char *dlc_slot_data(const struct dlc_net *net, const struct dlc_slot *slot);
// A param or a buffer: what a state_dict holds.
DLC_API bool dlc_is_weight(const struct dlc_slot *slot);
// Optimiser state and `state` begin anew.
DLC_API void dlc_start_over(struct dlc_net *net);

// ---- dlc_file.c: .safetensors, read and checked -------------------------------------------------------------------

enum { DLC_FILE_RANK = 8 };

struct dlc_file_dtype {
    const char *name;  // in the file
    const char *model; // the model's dtype that is stored so, or NULL
    int bytes;
    bool integer;
};
// All of them; name NULL at the end.
DLC_API const struct dlc_file_dtype *dlc_file_dtypes(void);

struct dlc_file_tensor {
    const char *name; // decoded, name_len bytes
    size_t name_len;
    const struct dlc_file_dtype *dtype;
    uint64_t rank, shape[DLC_FILE_RANK]; // of a higher rank, the first dims
    uint64_t count;                      // elements
    uint64_t begin, end;                 // in the data
};

struct dlc_json {
    const char *start, *at, *end;
    char *names;       // where the next decoded string goes: decoding never lengthens
    const char *wrong; // the first error
    struct dlc_file_tensor *tensor;
    size_t count, room;
};

struct dlc_file {
    const char *what; // for messages: its path
    const unsigned char *data;
    uint64_t data_bytes;
    struct dlc_json header; // its tensors, after dlc_file_open sorted by name
    char *names;
};

// Reads and checks the header. Close the file also after an error.
DLC_API int dlc_file_open(struct dlc_file *file, struct dlc_net *net, const unsigned char *bytes, size_t size);
DLC_API void dlc_file_close(struct dlc_file *file);
DLC_API const struct dlc_file_tensor *dlc_file_find(const struct dlc_file *file, const char *name);
DLC_API bool dlc_is(const char *s, size_t len, const char *word);
DLC_API uint64_t dlc_get_le(const unsigned char *from, int bytes);

#ifndef DLC_NO_STDIO
// dlc_load.c: "cannot open net.safetensors: " and errno's text.
DLC_API int dlc_fail_file(struct dlc_net *net, const char *what, const char *path);
#endif

#endif
