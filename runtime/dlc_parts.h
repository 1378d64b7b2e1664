// dlc_parts.h: what the files of the runtime share; the emitted C and applications do not include it.
#ifndef DLC_PARTS_H
#define DLC_PARTS_H

#include "dlc.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

// ---- dlc.c: error text, built without stdio -----------------------------------------------------------------------

// Some bytes of another text, not terminated: a name.
struct dlc_span {
    const char *at;
    size_t len;
};

// An error's text. What does not fit is left out. A list's items are whole or counted: "... \n  and 12 more".
struct dlc_text {
    char *at;         // DLC_ERROR_BYTES
    size_t len, room; // of `at`
    bool full;
    int dropped;
};

// The text at `at` from byte `len` on, which is its end now.
DLC_API struct dlc_text dlc_text_at(char *at, size_t len);
// Sets the net's message: `format`, in which %s stands for a text, %n for a struct dlc_span *, %u for a uint64_t and %d
// for an int64_t. Gives `status` back.
DLC_API int dlc_fail(struct dlc_net *net, int status, const char *format, ...);
// DLC_ENULL, with a message when there is a net.
DLC_API int dlc_fail_null(struct dlc_net *net, const char *what);
// Puts the decimal digits of n at the end of `digits`; gives the place of the first one.
enum { DLC_DIGITS = 20 };
DLC_API size_t dlc_digits(char digits[DLC_DIGITS], uint64_t n);
#ifndef DLC_NO_MALLOC
// Appends a text made in the same way.
DLC_API void dlc_put(struct dlc_text *t, const char *format, ...);
// Ends an item that began at `start`: what did not fit as a whole is taken away and counted.
DLC_API void dlc_end_item(struct dlc_text *t, size_t start);
DLC_API void dlc_end_list(struct dlc_text *t);
#endif

// ---- dlc.c: storages ----------------------------------------------------------------------------------------------

DLC_API unsigned char *dlc_slot_data(const struct dlc_net *net, const struct dlc_slot *slot);
// Optimiser state begins anew.
DLC_API void dlc_start_over(struct dlc_net *net);
// The random stream of models begins anew from `seed`: that of this net or twin.
DLC_API void dlc_restart_stream(struct dlc_net *net, int64_t seed);
#ifndef DLC_NO_MALLOC
// The stream's seed; 0 where there is none.
DLC_API int64_t dlc_stream_seed(const struct dlc_net *net);
#endif
// A param or a buffer: what a state_dict holds.
DLC_API bool dlc_is_weight(const struct dlc_slot *slot);
// What stands in a file's metadata beside the format: {"dlc.state": "gru.h,pos", "dlc.model": "00f1..."}. The first
// names the tensors that are state, so that a model without them knows what it may ignore. The second is the model's
// hash, and only a file of state has it.
enum { DLC_HASH_DIGITS = 16 };
DLC_API void dlc_hash_digits(char digits[DLC_HASH_DIGITS], uint64_t hash);
#ifndef DLC_NO_MALLOC
// Memory for a net, or for a twin of `root`; NULL without any.
DLC_API struct dlc_net *dlc_allocate(const struct dlc_model *model, size_t object_bytes, struct dlc_net *root);
#endif

// ---- dlc_twins.c --------------------------------------------------------------------------------------------------

// A new net is one of its own.
DLC_API void dlc_make_root(struct dlc_net *net);
#ifndef DLC_NO_MALLOC
// What a new twin shares with `root`; and the end of that, if the net is a twin.
DLC_API void dlc_join(struct dlc_net *net, struct dlc_net *root);
DLC_API void dlc_leave(struct dlc_net *net);
#endif

// ---- dlc_file.c: .safetensors, read and checked -------------------------------------------------------------------

enum { DLC_FILE_RANK = 8 };

// How the bits of an element make a number.
enum dlc_number {
    DLC_UNSIGNED,
    DLC_SIGNED,
    DLC_IEEE,          // the largest exponent is for infinity and NaN
    DLC_FINITE,        // no infinity; NaN is all ones
    DLC_UNSIGNED_ZERO, // no infinity; NaN is what would be -0; exponents are one lower
    DLC_NO_NUMBER      // none that PyTorch copies into a real tensor
};

struct dlc_file_dtype {
    const char *name;  // in the file
    const char *model; // the model's dtype that is stored so, or NULL
    int bits;          // of an element
    enum dlc_number number;
    int exponent, fraction; // how many bits of a floating-point number
};
// All of them; name NULL at the end.
DLC_API const struct dlc_file_dtype *dlc_file_dtypes(void);
DLC_API const struct dlc_file_dtype *dlc_stored_dtype(const struct dlc_param *info);
// Copies elements between the order of bytes of files, little-endian, and that of this machine.
DLC_API void dlc_copy_elements(unsigned char *to, const unsigned char *from, int bytes, size_t count);
DLC_API void dlc_put_le(unsigned char to[8], uint64_t bits);
#ifndef DLC_NO_MALLOC

struct dlc_file_tensor {
    struct dlc_span name; // decoded
    const struct dlc_file_dtype *dtype;
    uint64_t rank, shape[DLC_FILE_RANK]; // of a higher rank, the first dims
    uint64_t count;                      // elements
    uint64_t begin, end;                 // in the data
    const unsigned char *data;           // set when the data is there
    bool wanted;                         // it goes into the net
    bool copy;                           // it may be thrown away if it is the copy of one that is wanted
    uint64_t hash;                       // of its data, when there is a copy
};

// What a tensor can be found by. Of tied weights a file holds one, and its metadata says which names stand for it.
struct dlc_file_name {
    struct dlc_span name;
    struct dlc_file_tensor *tensor;
    bool other; // not the name under which the tensor is stored
};

struct dlc_json {
    const char *start, *at, *end;
    char *names;          // where the next decoded string goes: decoding never lengthens
    const char *wrong;    // the first error
    const char *metadata; // the next pair of it, or NULL
    size_t pairs;         // of the metadata
    struct dlc_file_tensor *tensor;
    size_t count, room;
};

struct dlc_names {
    struct dlc_file_name *at; // sorted
    size_t count;
    char *text; // what they point into
    size_t text_bytes;
};

struct dlc_file {
    const char *what;       // for messages: its path
    struct dlc_span state;  // of its metadata: the names of its state, with commas between them; NULL: it has none
    struct dlc_span model;  // the hash of the model whose state it is; NULL: it is no file of state
    struct dlc_json header; // its tensors, after dlc_file_open in the order of their data
    struct dlc_names names;
};

DLC_API void dlc_file_start(struct dlc_file *file, const char *what);
// The length of the header, from the first 8 bytes of the file.
DLC_API int dlc_file_header(const struct dlc_file *file, struct dlc_net *net, const unsigned char *bytes, size_t size,
                            size_t *header_bytes);
// Reads and checks the header, before `data_bytes` of data; NULL: a stream, whose data is not counted yet. Close the
// file also after an error.
DLC_API int dlc_file_open(struct dlc_file *file, struct dlc_net *net, const char *header, size_t header_bytes,
                          const uint64_t *data_bytes);
DLC_API void dlc_file_close(struct dlc_file *file);
// Sets the message: what is wrong with the file, or with one of its tensors (else NULL).
DLC_API int dlc_refuse_file(struct dlc_net *net, const struct dlc_file *file, const char *wrong,
                            const struct dlc_file_tensor *tensor);
// The same of a header whose length cannot be; or how to convert the file, if torch.save made it.
DLC_API int dlc_refuse_length(struct dlc_net *net, const struct dlc_file *file, const unsigned char *bytes,
                              const char *wrong);
// The next pair of the metadata; false at its end.
DLC_API bool dlc_json_next_pair(struct dlc_json *j, struct dlc_span *key, struct dlc_span *value);
DLC_API uint64_t dlc_get_le(const unsigned char *from, int bytes);

// ---- dlc_names.c: the names of a file -----------------------------------------------------------------------------

DLC_API bool dlc_is(const struct dlc_span *s, const char *word);
// Sorts things that begin with their name, a struct dlc_span, and of equal names keeps the one that stands last in the
// file. Gives how many are left.
DLC_API size_t dlc_names_unique(void *list, size_t count, size_t size);
// Lists the names of the tensors, and those that the metadata adds. False without memory.
DLC_API bool dlc_names_open(struct dlc_file *file);
DLC_API void dlc_names_close(struct dlc_names *names);
DLC_API struct dlc_file_tensor *dlc_names_find(const struct dlc_names *names, const char *name);
// Keeps the names under the path `only`, and takes the paths `strip` off them: see dlc_load_some. `some`: drops the
// names that are not under `strip`. False: two tensors would have the name *twice.
DLC_API bool dlc_names_select(struct dlc_names *names, const char *only, const char *strip, bool some,
                              const struct dlc_span **twice);
// What to strip so that more of the model's parameters are found, into `strip`, which has DLC_STRIP_BYTES; gives how
// many then are. 0: nothing helps.
enum { DLC_STRIP_BYTES = 128 };
DLC_API int dlc_names_suggest(const struct dlc_names *names, const struct dlc_model *model, char *strip);
#endif

#ifndef DLC_NO_STDIO
// dlc_load.c: "cannot open net.safetensors: " and errno's text.
DLC_API int dlc_fail_file(struct dlc_net *net, const char *what, const char *path);
#endif

#ifdef __cplusplus
}
#endif

#endif
