// dlc.h: the tiny runtime under every compiled model: memory, parameters by name, loading and saving.
// The emitted C wraps it (mynet_load calls dlc_load, ...); applications include their model's header, not this one.
#ifndef DLC_H
#define DLC_H

#include <stddef.h>
#include <stdint.h>

#if defined __FAST_MATH__ || defined __ASSOCIATIVE_MATH__ || defined __RECIPROCAL_MATH__ ||                            \
    defined __NO_SIGNED_ZEROS__ || (defined __FINITE_MATH_ONLY__ && __FINITE_MATH_ONLY__)
#error "without -Ofast, -ffast-math and their parts: they break NaN, infinities, exp and sums (use -O3 -fno-math-errno)"
#endif

#ifdef __cplusplus
extern "C" {
#endif

// Stands in the model's header too, so that applications need nothing else; equal text, one guard.
#ifndef DLC_PARAM_INFO
#define DLC_PARAM_INFO
struct dlc_param {
    const char *name;  // the state_dict path: "fc1.weight"
    const char *dtype; // "f32"
    const char *kind;  // "param", "buffer", "optim" or "state"
    int rank;
    int shape[8];
    size_t bytes;
};
#endif

// Without malloc there is dlc_place, and what reads files is left out too: it needs memory of its own.
#if defined DLC_NO_MALLOC && !defined DLC_NO_STDIO
#define DLC_NO_STDIO
#endif

#ifndef DLC_API
#define DLC_API // --standalone makes every function static
#endif

enum dlc_status {
    DLC_OK = 0,
    DLC_ERANGE = 1,    // a run-time size is outside 1..bound, or an index outside the list of parameters
    DLC_EIO = 2,       // a file cannot be read or written
    DLC_EFORMAT = 3,   // not a .safetensors file, or one that lies about itself
    DLC_EMISMATCH = 4, // names, shapes or dtypes differ from the model's
    DLC_ENAME = 5,     // no parameter of that name
    DLC_ESIZE = 6,     // a buffer's size is not the parameter's
    DLC_ENULL = 7,     // NULL where something must be
    DLC_EBUSY = 8,     // a twin still reads what would be written: later it may work
    DLC_EINVAL = 9     // a net that cannot play this part: a mistake of the caller
};

// Where the memory of a net comes from.
enum dlc_region { DLC_REGION_PARAM, DLC_REGION_OPTIM, DLC_REGION_STATE, DLC_REGION_ARENA, DLC_REGIONS };

struct dlc_slot {
    struct dlc_param info;
    enum dlc_region region; // parameters and buffers: PARAM; optimiser: OPTIM; state: STATE
    size_t offset;          // in the region
};

// What the emitted C says of a model, const.
struct dlc_model {
    const char *name; // the prefix
    const struct dlc_slot *slots;
    int nslots;
    size_t bytes[DLC_REGIONS];
    size_t align;
    void (*start)(unsigned char *const region[DLC_REGIONS]); // what the optimiser's state begins with; NULL: all zero
    void (*init)(unsigned char *const region[DLC_REGIONS], int64_t seed); // draws the parameters; NULL: all zero
    // Makes what models compute from parameters alone, if it is stale; NULL: there is nothing. It lies in the region
    // PARAM from `prepared` on, behind a flag (int32_t, 1: fresh), so that nets with the same parameters share it: when
    // it is fresh nothing is written, and they may all come here at once.
    void (*prepare)(unsigned char *const region[DLC_REGIONS]);
    size_t prepared;
};

enum {
    DLC_ERROR_BYTES = 2048,
    DLC_NET_BYTES = 2304, // what a placed net takes of its state memory for itself; a multiple of every model's align
};

struct dlc_net {
    const struct dlc_model *model;
    unsigned char *region[DLC_REGIONS]; // aligned to model->align
    void *owned;                        // what dlc_free gives back; NULL when the application chose the memory
    struct dlc_net *root;               // the net that a twin shares; of other nets the net itself
    uint32_t held;                      // which of the root's parameters a twin reads: 0 or 1
    uint32_t turn;                      // of a root: which are the newest, and how many twins read each
    unsigned char *params[2];           // of a root: what dlc_publish writes in turn
    char error[DLC_ERROR_BYTES];
};

// NULL for `net` is answered by DLC_ENULL or NULL, or nothing happens; NULL for anything else that must be there gives
// DLC_ENULL and a message.

#ifndef DLC_NO_MALLOC
// Allocates a net of `object_bytes` (struct mynet begins with struct dlc_net) and its regions, initialised from seed 1.
// NULL without memory.
DLC_API void *dlc_new(const struct dlc_model *model, size_t object_bytes);
// A twin: state and arena of its own, over the parameters and the optimiser's state of `net`, which outlives it.
DLC_API void *dlc_share(const struct dlc_net *net, size_t object_bytes);
DLC_API void dlc_free(struct dlc_net *net); // NULL is fine, and nothing happens to a placed net
#endif
// A net without malloc, in regions that the application chose, initialised from seed 1: the object stands at the head
// of the state. `bytes` are their sizes, 0 for "as large as asked". A region that the model does not need may be NULL.
// NULL when one is missing, misaligned or too small.
DLC_API void *dlc_place(const struct dlc_model *model, void *const at[DLC_REGIONS], const size_t bytes[DLC_REGIONS]);
DLC_API const char *dlc_error(const struct dlc_net *net); // of the last call that failed; "" if none did; never NULL
DLC_API void dlc_init(struct dlc_net *net, int64_t seed); // all parameters drawn anew; optimiser and state begin anew
DLC_API void dlc_reset(struct dlc_net *net);              // state zeroed
// The stream of dropout and other random operators begins anew; nothing happens to a model without them.
DLC_API void dlc_seed(struct dlc_net *net, int64_t seed);
DLC_API int dlc_param_count(const struct dlc_model *model);                               // every slot
DLC_API const struct dlc_param *dlc_param_info(const struct dlc_model *model, int index); // NULL when out of range
// What models compute from parameters alone is made anew by dlc_prepare when dlc_stale was called since. Loading does
// both; init and set mark it, as does a training step, and the next call of a model makes it.
DLC_API void dlc_prepare(struct dlc_net *net);
DLC_API void dlc_stale(struct dlc_net *net);
// Sets the message, "N is 65; it is 1 to 64", and gives `status` back: what entries do with a size out of range.
DLC_API int dlc_refuse(struct dlc_net *net, int status, const char *name, const char *is, int64_t found,
                       const char *but, int64_t wanted);
// Copy one tensor out or in, dense, in PyTorch's layout; bytes must be exactly its size.
DLC_API int dlc_get(struct dlc_net *net, const char *name, void *to, size_t bytes);
DLC_API int dlc_set(struct dlc_net *net, const char *name, const void *from, size_t bytes);
// Parameters and buffers of `from`, a net of the same model, into `to`, with what models keep beside them; nothing else
// of `to` changes: no optimiser state, no state, no random stream.
DLC_API int dlc_copy(struct dlc_net *to, const struct dlc_net *from);
#ifndef DLC_NO_MALLOC
// Weights that change while twins of `net` run in other threads. dlc_publish copies the parameters and buffers of
// `from` into `spare`, a net that serves for nothing else, prepares them there, and makes them the parameters of `net`
// in one atomic step; `spare` has the old ones then. A twin goes on with the old ones until its own thread calls
// dlc_adopt. DLC_EBUSY, with nothing written: a twin did not do so since the last time, and still reads `spare`.
// DLC_EINVAL: `net` or `spare` is a twin, `spare` has twins, or it is `net` or `from`.
DLC_API int dlc_publish(struct dlc_net *net, struct dlc_net *spare, const struct dlc_net *from);
// Makes the newest parameters those of a twin, with neither lock nor copy. Gives 1 when they are others than before.
DLC_API int dlc_adopt(struct dlc_net *twin);
#endif
// The mean gradient of a parameter over the samples that NET_step_accumulate took since the last update; zeros when it
// took none. DLC_ENAME when no entry accumulates it, or several do at once.
DLC_API int dlc_get_grad(struct dlc_net *net, const char *name, void *to, size_t bytes);
#ifndef DLC_NO_MALLOC
// Strict: every param and buffer must be there with its shape, and nothing else, or nothing changes and the message
// lists all that differ. What PyTorch's strict loading takes is taken: numbers are converted to the model's dtype, a
// scalar may have the shape [1], `*.num_batches_tracked` may be missing (it becomes 0) or too much. Of tied weights, as
// safetensors' save_model writes them, either name is found. Optimiser state and `state` are taken when the file has
// all of them; a file without them resets them; some of them are an error. Integer scalars that the net does not know
// are ignored, and so is `optim.*` by a net that has no optimiser.
DLC_API int dlc_load_memory(struct dlc_net *net, const void *data, size_t size);
// The params and buffers of a part: what the file has under the path `only`, less the paths `strip`, as far as the
// model has it; the rest of both is left alone. Paths are whole components, "" or NULL for all. `strip` may be several,
// with commas between them, taken off in turn: "module" at the beginning of a name, which a tensor must have then;
// "*._orig_mod" wherever it stands. Gives the number of parameters and buffers that were loaded, or minus a status when
// there is none, or when one does not fit: then nothing changes.
DLC_API int dlc_load_some_memory(struct dlc_net *net, const void *data, size_t size, const char *only,
                                 const char *strip);
#endif
// The bytes that dlc_save or dlc_save_weights write, into `to`, which has room for `bytes`. Gives how many they are;
// when that is more than `bytes`, or `to` is NULL, nothing is written.
DLC_API size_t dlc_save_memory(const struct dlc_net *net, void *to, size_t bytes);
DLC_API size_t dlc_save_weights_memory(const struct dlc_net *net, void *to, size_t bytes);
#ifndef DLC_NO_STDIO
DLC_API int dlc_load(struct dlc_net *net, const char *path);
DLC_API int dlc_load_some(struct dlc_net *net, const char *path, const char *only, const char *strip);
// As dlc_load, after the paths `strip` (NULL: none) are taken off the names that have them. `option` is how the caller
// says `strip`, for messages; NULL: by load_some.
DLC_API int dlc_load_strict(struct dlc_net *net, const char *path, const char *strip, const char *option);
// Writes beside the file (path.0.tmp), syncs, renames, and syncs the directory: whenever the process ends, the old file
// or the new one is there, whole. What a killed process left is taken over. Links are followed, permissions stay.
DLC_API int dlc_save(struct dlc_net *net, const char *path);         // everything: training resumes to the bit
DLC_API int dlc_save_weights(struct dlc_net *net, const char *path); // params and buffers: what torch loads
#endif

#ifdef __cplusplus
}
#endif

#endif
