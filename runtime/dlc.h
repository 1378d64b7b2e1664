// dlc.h: the small runtime under every compiled model: memory, parameters by name, loading and saving.
// The emitted C wraps it (mynet_load calls dlc_load, ...). Applications include their model's header, not this one.
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

// dlc copies this into every model's header, so that applications need no other header.
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

// Without malloc, dlc_place makes nets, and nothing reads files, because that needs memory of its own.
#if defined DLC_NO_MALLOC && !defined DLC_NO_STDIO
#define DLC_NO_STDIO
#endif

#ifndef DLC_API
#define DLC_API // --standalone makes every function static
#endif

// dlc makes the codes of every model's header from these lines.
enum dlc_status {
    DLC_OK = 0,
    DLC_ERANGE = 1,    // a size is outside 1 to its bound; nothing was written
    DLC_EIO = 2,       // a file cannot be read or written
    DLC_EFORMAT = 3,   // not a .safetensors file
    DLC_EMISMATCH = 4, // names, shapes or dtypes differ from the model's
    DLC_ENAME = 5,     // no parameter of that name
    DLC_ESIZE = 6,     // not the size of that parameter
    DLC_ENULL = 7,     // NULL where something must be
    DLC_EBUSY = 8,     // a twin still reads what would be written: later it may work
    DLC_EINVAL = 9     // a net that cannot play this part: a mistake of the caller
};

// The four parts of a net's memory: parameters and buffers, with what models prepare from them; the optimiser's state;
// what calls keep for the next call; the workspace of one call.
enum dlc_region { DLC_REGION_PARAM, DLC_REGION_OPTIM, DLC_REGION_STATE, DLC_REGION_ARENA, DLC_REGIONS };

struct dlc_slot {
    struct dlc_param info;
    enum dlc_region region; // parameters and buffers: PARAM; optimiser: OPTIM; state: STATE
    size_t offset;          // in bytes, from the region's start
};

// A model, as the emitted C describes it. It is constant and outlives its nets.
struct dlc_model {
    const char *name; // the prefix
    const struct dlc_slot *slots;
    int nslots;
    size_t bytes[DLC_REGIONS];
    size_t align; // of each region, in bytes
    // Sets what the optimiser's state starts from; its memory is zero before. NULL: all of it starts from zero.
    void (*start)(unsigned char *const region[DLC_REGIONS]);
    // Draws the parameters; their memory is zero before. NULL: they stay zero.
    void (*init)(unsigned char *const region[DLC_REGIONS], int64_t seed);
    // Computes what models need of the parameters alone (packed weights, folded norms) if it is stale; NULL: there is
    // nothing. The results lie in the region PARAM from byte `prepared` on, after a flag (int32_t, 1: fresh), so that
    // nets share them together with the parameters. While the flag says fresh, nothing is written, and any number of
    // threads may call this at once.
    void (*prepare)(unsigned char *const region[DLC_REGIONS]);
    size_t prepared;
    uint64_t hash; // of the network: what tells the state of another model
};

enum {
    DLC_ERROR_BYTES = 2048,
    DLC_NET_BYTES = 2304, // what a placed net takes of its state memory for itself; a multiple of every model's align
};

struct dlc_net {
    const struct dlc_model *model;
    unsigned char *region[DLC_REGIONS]; // aligned to model->align
    void *owned;                        // what dlc_free gives back; NULL when the application chose the memory
    struct dlc_net *root;               // of a twin: the net that it shares; of any other net: itself
    uint32_t held;                      // of a twin: which of the root's parameters it reads, 0 or 1
    uint32_t turn;                      // of a root: which parameters are the newest, and how many twins read each
    unsigned char *params[2];           // of a root: dlc_publish writes them in turn
    uint32_t number;                    // of a twin: which one of its root it is, from 1; of a root: 0
    uint32_t twins;                     // of a root: how many it got so far
    char error[DLC_ERROR_BYTES];
};

// In all functions: where `net` is NULL they give DLC_ENULL or NULL, or do nothing. Where anything else is NULL that
// must be there, they give DLC_ENULL and set the net's message. Data is dense and row-major, in PyTorch's layout.

#ifndef DLC_NO_MALLOC
// Allocates an object of `object_bytes`, which begins with struct dlc_net as struct mynet does, and its regions.
// Initialises it from seed 1. The caller gives it back with dlc_free. NULL without memory.
DLC_API void *dlc_new(const struct dlc_model *model, size_t object_bytes);
// The same for a twin: it has its own state and arena, and shares the parameters and the optimiser's state of `net`,
// which must outlive it. NULL without memory, or when a net has 32,767 twins.
DLC_API void *dlc_share(const struct dlc_net *net, size_t object_bytes);
// Frees a net or a twin. NULL is fine; a net of dlc_place stays as it is.
DLC_API void dlc_free(struct dlc_net *net);
#endif
// Makes a net without malloc and initialises it from seed 1. The application owns the regions and keeps them as long as
// the net. The object itself stands at the head of the state, which needs DLC_NET_BYTES more than the model says.
// `bytes` are the regions' sizes; 0 means large enough. A region that the model does not need may be NULL. NULL when a
// region is missing, misaligned or too small.
DLC_API void *dlc_place(const struct dlc_model *model, void *const at[DLC_REGIONS], const size_t bytes[DLC_REGIONS]);
// The message of the last call that failed; "" if none did; never NULL. It is the net's and changes with the next one.
DLC_API const char *dlc_error(const struct dlc_net *net);
// Draws all parameters again. The optimiser and the state start over.
DLC_API void dlc_init(struct dlc_net *net, int64_t seed);
// Sets the state to zero. The random stream of models goes on.
DLC_API void dlc_reset(struct dlc_net *net);
// Restarts the random streams of dropout and other random operators from `seed`: that of training, which twins share,
// and that of models, of which a net and each of its twins have one of their own number. A twin that has its own
// restarts that alone. A model without random operators does nothing.
DLC_API void dlc_seed(struct dlc_net *net, int64_t seed);
// How many slots there are: parameters, buffers, optimiser state and state.
DLC_API int dlc_param_count(const struct dlc_model *model);
// One of them, 0 to count - 1; NULL when the index is out of range.
DLC_API const struct dlc_param *dlc_param_info(const struct dlc_model *model, int index);
// Runs the model's `prepare` if dlc_stale was called since the last time. Loading does this too. After dlc_init,
// dlc_set and a training step, which mark the net as stale, the next call of a model does it.
DLC_API void dlc_prepare(struct dlc_net *net);
// Marks what models prepare from the parameters as stale.
DLC_API void dlc_stale(struct dlc_net *net);
// Sets the message to "N is 65; it is 1 to 64" and gives `status` back. Entries call it for a size that is out of
// range.
DLC_API int dlc_refuse(struct dlc_net *net, int status, const char *name, const char *is, int64_t found,
                       const char *but, int64_t wanted);
// Copy the slot of that name to `to`, or `from` into it. DLC_ENAME: there is none; DLC_ESIZE: it does not have `bytes`.
DLC_API int dlc_get(struct dlc_net *net, const char *name, void *to, size_t bytes);
DLC_API int dlc_set(struct dlc_net *net, const char *name, const void *from, size_t bytes);
// Copies the mean gradient of a parameter over the samples that NET_step_accumulate took since the last update; zeros
// when it took none. DLC_ENAME when no entry accumulates it, or several do at once; DLC_ESIZE as for dlc_get.
DLC_API int dlc_get_grad(struct dlc_net *net, const char *name, void *to, size_t bytes);
// Copies parameters and buffers between nets of one model, with what models prepared from them. The optimiser's state,
// the state and the random streams of `to` stay.
DLC_API int dlc_copy(struct dlc_net *to, const struct dlc_net *from);
#ifndef DLC_NO_MALLOC
// Changes weights while twins of `net` run in other threads. Copies the parameters and buffers of `from` into `spare`,
// a net that serves for nothing else, prepares them there, and makes them the parameters of `net` in one atomic step;
// `spare` then has the old ones. A twin keeps reading the old ones until its own thread calls dlc_adopt. DLC_EBUSY:
// some twin has not adopted the last ones yet and still reads `spare`; nothing was written. DLC_EINVAL: `net` or
// `spare` is a twin, `spare` has twins, or `spare` is `net` or `from`.
DLC_API int dlc_publish(struct dlc_net *net, struct dlc_net *spare, const struct dlc_net *from);
// Makes a twin read the newest parameters, without a lock or a copy. Gives 1 when it read others before, otherwise 0.
DLC_API int dlc_adopt(struct dlc_net *twin);
// Loads a .safetensors file that lies in memory, which is only read. Strict: every parameter and buffer must be there
// with its shape, and nothing else; otherwise nothing changes, and the message lists all that differs. What PyTorch's
// strict loading takes is taken: numbers are converted to the model's dtype, a scalar may have the shape [1],
// `*.num_batches_tracked` may be missing (it becomes 0) or too much. Of tied weights, as safetensors' save_model writes
// them, either name is found. Optimiser state is taken when the file has all of it, and reset when it has none; a part
// of it is an error. `state` changes when the file is a checkpoint, one with optimiser state or state: what it lacks
// becomes 0. Integer scalars that the net does not know are ignored, and so is `optim.*` by a net that has no
// optimiser, and state by a net that has none. DLC_EFORMAT, DLC_EMISMATCH; DLC_EIO without memory.
DLC_API int dlc_load_memory(struct dlc_net *net, const void *data, size_t size);
// Loads the parameters and buffers of a part: those that the file has under the path `only`, without the paths `strip`,
// as far as the model has them. The rest of both stays alone. Paths are whole components; "" or NULL for all. `strip`
// may be several paths with commas between them, which are taken off in turn: "module" at the beginning of a name,
// which every tensor must then have; "*._orig_mod" wherever it stands. Gives the number of parameters and buffers that
// were loaded, or minus a code when there is none or when one does not fit: then nothing changes.
DLC_API int dlc_load_some_memory(struct dlc_net *net, const void *data, size_t size, const char *only,
                                 const char *strip);
// Loads what dlc_save_state_memory wrote: the state alone, of this net or of another one of the very same model.
// DLC_EMISMATCH, and nothing changes: another model, or no file of state.
DLC_API int dlc_load_state_memory(struct dlc_net *net, const void *data, size_t size);
#endif
// Write the bytes of dlc_save, dlc_save_weights and dlc_save_state to `to`, which has room for `bytes`. Give how many
// they are. When that is more than `bytes`, or `to` is NULL, nothing is written.
DLC_API size_t dlc_save_memory(const struct dlc_net *net, void *to, size_t bytes);
DLC_API size_t dlc_save_weights_memory(const struct dlc_net *net, void *to, size_t bytes);
DLC_API size_t dlc_save_state_memory(const struct dlc_net *net, void *to, size_t bytes);
#ifndef DLC_NO_STDIO
// Load from a file, otherwise as dlc_load_memory and dlc_load_some_memory; DLC_EIO when it cannot be read.
DLC_API int dlc_load(struct dlc_net *net, const char *path);
DLC_API int dlc_load_some(struct dlc_net *net, const char *path, const char *only, const char *strip);
DLC_API int dlc_load_state(struct dlc_net *net, const char *path);
// As dlc_load, after the paths `strip` (NULL: none) are taken off the names that have them. Messages name `option` as
// the caller's way to say `strip`; NULL: they name load_some.
DLC_API int dlc_load_strict(struct dlc_net *net, const char *path, const char *strip, const char *option);
// Save everything, so that training resumes to the bit; or parameters and buffers, which is what PyTorch loads; or the
// state. The new file is written beside the old one (path.0.tmp), synced and renamed, and the directory is synced:
// whenever the process ends, the old file or the new one is there, whole. The next save takes over what a killed
// process left. Links are followed, and permissions stay. DLC_EIO when the file cannot be written; then the old one is
// as it was.
DLC_API int dlc_save(struct dlc_net *net, const char *path);
DLC_API int dlc_save_weights(struct dlc_net *net, const char *path);
DLC_API int dlc_save_state(struct dlc_net *net, const char *path);
#endif

#ifdef __cplusplus
}
#endif

#endif
