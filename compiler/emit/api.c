// api.c: the functions that every model has, such as mynet_load: each calls one of the runtime, such as dlc_load.
//
//     int mynet_param_count(void) { return dlc_param_count(&mynet_dlc_model); }
#include "emit/parts.h"

void put_template(Str *s, const char *template, const char *prefix) {
    const char *upper = names_upper(s->arena, prefix);
    for (const char *c = template; *c; c++) {
        if (*c == '$')
            str_put(s, *++c == 'P' ? upper : prefix);
        else
            str_putn(s, c, 1);
    }
}

// Each line holds one line of C. There are several literals, because ISO C limits a literal to 4,095 characters.
// clang-format off
static const char net_prototypes[] =
    "// Functions take NULL for `net`: those that give a code give $P_ENULL, those that give a pointer NULL, the others do\n"
    "// nothing. Anything else that is NULL where it must not be is $P_ENULL with a message. Entries are the exception: their\n"
    "// net and inputs must be there. What a function returns as `const` belongs to the net or to the program.\n"
    "\n"
    "#ifndef $P_NO_MALLOC\n"
    "// A net in memory of its own, its parameters initialised as PyTorch would, from seed 1. Give it back with $p_free.\n"
    "// NULL without memory.\n"
    "struct $p *$p_new(void);\n"
    "// A twin: state and workspace of its own over the parameters and the optimiser's state of `net`, one per thread.\n"
    "// Models may run on twins at once; loading, setting and training need the parameters for themselves. Free twins\n"
    "// before the net that they share. NULL without memory.\n"
    "struct $p *$p_share(const struct $p *net);\n"
    "void $p_free(struct $p *net); // NULL is fine; a placed net stays as it is\n"
    "#endif\n"
    "// A net without malloc, in memory of the application that stays until the net is not used any more: each region\n"
    "// aligned to $P_ALIGN, of $P_..._BYTES; NULL where that is 0. Sizes are in bytes and are checked where they are not\n"
    "// 0. It is initialised from seed 1. NULL when a region is missing, misaligned or too small.\n"
    "struct $p_memory {\n"
    "    void *param, *optim, *state, *arena;\n"
    "    size_t param_bytes, optim_bytes, state_bytes, arena_bytes;\n"
    "};\n"
    "struct $p *$p_place(const struct $p_memory *memory);\n"
    "// What went wrong in the last call that failed; \"\" if none did, and a text of its own for no net. Valid until the next\n"
    "// call with this net.\n"
    "const char *$p_error(const struct $p *net);\n"
    "// Draws new values for all parameters; optimiser state, state and step counts start over.\n"
    "void $p_init(struct $p *net, int64_t seed);\n"
    "void $p_reset(struct $p *net); // state is zero again\n"
    "// Models keep packed weights and folded norms beside the parameters. This computes them again if the parameters\n"
    "// changed. Loading does so too, and the next call of a model; call it where several threads share a net, after\n"
    "// $p_set and training.\n"
    "void $p_prepare(struct $p *net);\n"
    "// Dropout's random numbers start over from this seed. It is 0 in a new net, and is saved and loaded with the\n"
    "// optimiser's state.\n"
    "void $p_seed(struct $p *net, int64_t seed);\n";

static const char parameter_prototypes[] =
    "\n"
    "// Parameters, buffers and optimiser state by name. Data is dense and row-major, in PyTorch's layout; `bytes` must be\n"
    "// the parameter's, otherwise $P_ESIZE; $P_ENAME when there is none of that name.\n"
    "int $p_param_count(void);\n"
    "const struct dlc_param *$p_param_info(int index); // 0 to count - 1; NULL when out of range\n"
    "int $p_get(struct $p *net, const char *name, void *to, size_t bytes);\n"
    "int $p_set(struct $p *net, const char *name, const void *from, size_t bytes);\n"
    "// The mean gradient of a parameter over the samples accumulated since the last update.\n"
    "int $p_get_grad(struct $p *net, const char *name, void *to, size_t bytes);\n";

static const char file_prototypes[] =
    "\n"
    "// Parameters and buffers of `from` into `to`, with what models keep beside them. Nothing else of `to` changes: no\n"
    "// optimiser state, no state, no random stream. No twin of either may be at work, except to run models on `from`'s.\n"
    "int $p_copy(struct $p *to, const struct $p *from);\n"
    "#ifndef $P_NO_MALLOC\n"
    "// Weights that change while twins of `net` run models in other threads. Publish copies parameters and buffers of\n"
    "// `from` (a net that trains) into `spare` (a net that serves for nothing else, freed together with `net`), prepares\n"
    "// them, and makes them those of `net` in one atomic step; the twins go on with the old ones. Each thread calls adopt for\n"
    "// its twin when it likes, between two calls of entries: it takes neither lock nor copy, and gives 1 when there were new\n"
    "// parameters, otherwise 0. $P_EBUSY, and nothing is written: some twin has not adopted the last ones yet; publish\n"
    "// again later. $P_EINVAL: a twin in place of `net` or `spare`, or the same net twice. One thread publishes, and only\n"
    "// that one uses `net`, `spare` and `from`.\n"
    "int $p_publish(struct $p *net, struct $p *spare, const struct $p *from);\n"
    "int $p_adopt(struct $p *twin);\n"
    "#endif\n"
    "\n"
    "#ifndef $P_NO_MALLOC\n"
    "// .safetensors. Loading is strict: everything is there with its shape, or nothing changes and $p_error lists what\n"
    "// differs. Numbers are converted to the model's dtype, as PyTorch does. Files without optimiser state reset it.\n"
    "// $P_EFORMAT: not a .safetensors file, $P_EMISMATCH: one of another model. `data` is only read, and may be freed afterwards.\n"
    "int $p_load_memory(struct $p *net, const void *data, size_t size);\n"
    "// Parameters and buffers of a part: what the file has under the path `only`, less the paths `strip`, as far as the\n"
    "// model has it (\"\" or NULL for all: $p_load_some(net, file, \"\", \"module\")). All else stays as it is. Gives the number\n"
    "// of parameters and buffers, or minus a code when there is none or one does not fit: then nothing changes.\n"
    "int $p_load_some_memory(struct $p *net, const void *data, size_t size, const char *only, const char *strip);\n"
    "#endif\n"
    "// The bytes that $p_save and $p_save_weights write, into `to`, which has room for `bytes`. Gives how many they are, 0\n"
    "// for no net; when that is more than `bytes`, or `to` is NULL, nothing is written. The number depends on the model alone.\n"
    "size_t $p_save_memory(const struct $p *net, void *to, size_t bytes);\n"
    "size_t $p_save_weights_memory(const struct $p *net, void *to, size_t bytes);\n"
    "#if !defined $P_NO_STDIO && !defined $P_NO_MALLOC\n"
    "// The same with files; $P_EIO when one cannot be read or written.\n"
    "int $p_load(struct $p *net, const char *path);\n"
    "int $p_load_some(struct $p *net, const char *path, const char *only, const char *strip);\n"
    "int $p_save(struct $p *net, const char *path);         // everything: training resumes to the bit\n"
    "int $p_save_weights(struct $p *net, const char *path); // parameters and buffers: what PyTorch loads\n"
    "#endif\n";

static const char definitions[] =
    "#ifndef $P_NO_MALLOC\n"
    "struct $p *$p_new(void) { return (struct $p *)dlc_new(&$p_dlc_model, sizeof(struct $p)); }\n"
    "struct $p *$p_share(const struct $p *net)\n"
    "{\n"
    "    return (struct $p *)dlc_share((const struct dlc_net *)net, sizeof *net);\n"
    "}\n"
    "void $p_free(struct $p *net) { dlc_free((struct dlc_net *)net); }\n"
    "#endif\n"
    "struct $p *$p_place(const struct $p_memory *memory)\n"
    "{\n"
    "    if (!memory) return NULL;\n"
    "    void *const at[] = {memory->param, memory->optim, memory->state, memory->arena};\n"
    "    const size_t bytes[] = {memory->param_bytes, memory->optim_bytes, memory->state_bytes, memory->arena_bytes};\n"
    "    return (struct $p *)dlc_place(&$p_dlc_model, at, bytes);\n"
    "}\n"
    "const char *$p_error(const struct $p *net) { return dlc_error((const struct dlc_net *)net); }\n"
    "void $p_init(struct $p *net, int64_t seed) { dlc_init((struct dlc_net *)net, seed); }\n"
    "void $p_reset(struct $p *net) { dlc_reset((struct dlc_net *)net); }\n"
    "void $p_prepare(struct $p *net) { dlc_prepare((struct dlc_net *)net); }\n"
    "void $p_seed(struct $p *net, int64_t seed) { dlc_seed((struct dlc_net *)net, seed); }\n"
    "int $p_param_count(void) { return dlc_param_count(&$p_dlc_model); }\n"
    "const struct dlc_param *$p_param_info(int index) { return dlc_param_info(&$p_dlc_model, index); }\n"
    "int $p_get(struct $p *net, const char *name, void *to, size_t bytes)\n"
    "{\n"
    "    return dlc_get((struct dlc_net *)net, name, to, bytes);\n"
    "}\n"
    "int $p_set(struct $p *net, const char *name, const void *from, size_t bytes)\n"
    "{\n"
    "    return dlc_set((struct dlc_net *)net, name, from, bytes);\n"
    "}\n"
    "int $p_get_grad(struct $p *net, const char *name, void *to, size_t bytes)\n"
    "{\n"
    "    return dlc_get_grad((struct dlc_net *)net, name, to, bytes);\n"
    "}\n"
    "int $p_copy(struct $p *to, const struct $p *from)\n"
    "{\n"
    "    return dlc_copy((struct dlc_net *)to, (const struct dlc_net *)from);\n"
    "}\n"
    "#ifndef $P_NO_MALLOC\n"
    "int $p_publish(struct $p *net, struct $p *spare, const struct $p *from)\n"
    "{\n"
    "    return dlc_publish((struct dlc_net *)net, (struct dlc_net *)spare, (const struct dlc_net *)from);\n"
    "}\n"
    "int $p_adopt(struct $p *twin) { return dlc_adopt((struct dlc_net *)twin); }\n"
    "int $p_load_memory(struct $p *net, const void *data, size_t size)\n"
    "{\n"
    "    return dlc_load_memory((struct dlc_net *)net, data, size);\n"
    "}\n"
    "int $p_load_some_memory(struct $p *net, const void *data, size_t size, const char *only, const char *strip)\n"
    "{\n"
    "    return dlc_load_some_memory((struct dlc_net *)net, data, size, only, strip);\n"
    "}\n"
    "#endif\n"
    "size_t $p_save_memory(const struct $p *net, void *to, size_t bytes)\n"
    "{\n"
    "    return dlc_save_memory((const struct dlc_net *)net, to, bytes);\n"
    "}\n"
    "size_t $p_save_weights_memory(const struct $p *net, void *to, size_t bytes)\n"
    "{\n"
    "    return dlc_save_weights_memory((const struct dlc_net *)net, to, bytes);\n"
    "}\n"
    "#if !defined $P_NO_STDIO && !defined $P_NO_MALLOC\n"
    "int $p_load(struct $p *net, const char *path) { return dlc_load((struct dlc_net *)net, path); }\n"
    "int $p_load_some(struct $p *net, const char *path, const char *only, const char *strip)\n"
    "{\n"
    "    return dlc_load_some((struct dlc_net *)net, path, only, strip);\n"
    "}\n"
    "int $p_save(struct $p *net, const char *path) { return dlc_save((struct dlc_net *)net, path); }\n"
    "int $p_save_weights(struct $p *net, const char *path) { return dlc_save_weights((struct dlc_net *)net, path); }\n"
    "#endif\n";
// clang-format on

void put_api_prototypes(Str *s, const char *prefix) {
    put_template(s, net_prototypes, prefix);
    put_template(s, parameter_prototypes, prefix);
    put_template(s, file_prototypes, prefix);
}

void put_api(Str *s, const char *prefix) { put_template(s, definitions, prefix); }
