// api.c: mynet_load and the like: one line each over the runtime's dlc_load.
//
//     struct mynet *mynet_new(void) { return dlc_new(&dlc_this_model, sizeof(struct mynet)); }
#include "emit/parts.h"

// $p the prefix, $P the prefix in capitals.
static void put_template(Str *s, const char *template, const char *prefix) {
    const char *upper = names_upper(s->arena, prefix);
    for (const char *c = template; *c; c++) {
        if (*c == '$')
            str_put(s, *++c == 'P' ? upper : prefix);
        else
            str_putn(s, c, 1);
    }
}

static const char prototypes[] =
    "// A net in memory of its own, its parameters initialised as PyTorch would, from seed 1. NULL without memory.\n"
    "struct $p *$p_new(void);\n"
    "// A twin: state and workspace of its own over the parameters and the optimiser's state of `net`, one per "
    "thread.\n"
    "// Models may run on twins at once; loading, setting and training need the parameters for themselves. Free twins\n"
    "// before the net that they share. NULL without memory.\n"
    "struct $p *$p_share(const struct $p *net);\n"
    "// A net without malloc, in memory of the application that stays until the net is not used any more: each region\n"
    "// aligned to $P_ALIGN, of $P_..._BYTES; NULL where that is 0. Sizes are checked where they are not 0. It is\n"
    "// initialised from seed 1. NULL when a region is missing, misaligned or too small.\n"
    "struct $p_memory {\n"
    "    void *param, *optim, *state, *arena;\n"
    "    size_t param_bytes, optim_bytes, state_bytes, arena_bytes;\n"
    "};\n"
    "struct $p *$p_place(const struct $p_memory *memory);\n"
    "void $p_free(struct $p *net); // NULL is fine; a placed net stays as it is\n"
    "// What went wrong in the last call that failed; \"\" if none did.\n"
    "const char *$p_error(const struct $p *net);\n"
    "// Draws all parameters anew; optimiser state and step counts start over.\n"
    "void $p_init(struct $p *net, int64_t seed);\n"
    "void $p_reset(struct $p *net); // state is zero again\n"
    "// Makes what models keep beside the parameters (packed weights, folded norms) anew if they changed. Loading "
    "does\n"
    "// it; else the next call of a model does, so this is for nets of several threads, after $p_set and training.\n"
    "void $p_prepare(struct $p *net);\n"
    "// The stream of dropout begins anew. It is 0 in a new net, and is saved and loaded with the optimiser's state.\n"
    "void $p_seed(struct $p *net, int64_t seed);\n"
    "\n"
    "// Parameters, buffers and optimiser state by name. Data is dense and row-major, in PyTorch's layout.\n"
    "int $p_param_count(void);\n"
    "const struct dlc_param *$p_param_info(int index); // NULL when out of range\n"
    "int $p_get(struct $p *net, const char *name, void *to, size_t bytes);\n"
    "int $p_set(struct $p *net, const char *name, const void *from, size_t bytes);\n"
    "\n"
    "// .safetensors. Loading is strict: everything is there with its shape, or nothing changes and $p_error lists "
    "what\n"
    "// differs. Files without optimiser state reset it.\n"
    "int $p_load_memory(struct $p *net, const void *data, size_t size);\n"
    "// Parameters and buffers of a part: what the file has under the path `only`, less the path `strip`, as far as "
    "the\n"
    "// model has it (\"\" for all: $p_load_some(net, file, \"\", \"module\")). All else stays as it is. Gives the "
    "number "
    "of\n"
    "// tensors, or minus a code when there is none or one does not fit: then nothing changes.\n"
    "int $p_load_some_memory(struct $p *net, const void *data, size_t size, const char *only, const char *strip);\n"
    "#ifndef $P_NO_STDIO\n"
    "int $p_load(struct $p *net, const char *path);\n"
    "int $p_load_some(struct $p *net, const char *path, const char *only, const char *strip);\n"
    "int $p_save(struct $p *net, const char *path);         // everything: training resumes to the bit\n"
    "int $p_save_weights(struct $p *net, const char *path); // parameters and buffers: what PyTorch loads\n"
    "#endif\n";

static const char definitions[] =
    "struct $p *$p_new(void) { return dlc_new(&dlc_this_model, sizeof(struct $p)); }\n"
    "struct $p *$p_share(const struct $p *net) { return dlc_share(&net->base, sizeof *net); }\n"
    "struct $p *$p_place(const struct $p_memory *memory)\n"
    "{\n"
    "    void *const at[] = {memory->param, memory->optim, memory->state, memory->arena};\n"
    "    const size_t bytes[] = {memory->param_bytes, memory->optim_bytes, memory->state_bytes, memory->arena_bytes};\n"
    "    return dlc_place(&dlc_this_model, at, bytes);\n"
    "}\n"
    "void $p_free(struct $p *net) { dlc_free(net ? &net->base : NULL); }\n"
    "const char *$p_error(const struct $p *net) { return dlc_error(&net->base); }\n"
    "void $p_init(struct $p *net, int64_t seed) { dlc_init(&net->base, seed); }\n"
    "void $p_reset(struct $p *net) { dlc_reset(&net->base); }\n"
    "void $p_prepare(struct $p *net) { dlc_refresh(&net->base); }\n"
    "void $p_seed(struct $p *net, int64_t seed) { dlc_seed(&net->base, seed); }\n"
    "int $p_param_count(void) { return dlc_param_count(&dlc_this_model); }\n"
    "const struct dlc_param *$p_param_info(int index) { return dlc_param_info(&dlc_this_model, index); }\n"
    "int $p_get(struct $p *net, const char *name, void *to, size_t bytes)\n"
    "{\n"
    "    return dlc_get(&net->base, name, to, bytes);\n"
    "}\n"
    "int $p_set(struct $p *net, const char *name, const void *from, size_t bytes)\n"
    "{\n"
    "    return dlc_set(&net->base, name, from, bytes);\n"
    "}\n"
    "int $p_load_memory(struct $p *net, const void *data, size_t size)\n"
    "{\n"
    "    return dlc_load_memory(&net->base, data, size);\n"
    "}\n"
    "int $p_load_some_memory(struct $p *net, const void *data, size_t size, const char *only, const char *strip)\n"
    "{\n"
    "    return dlc_load_some_memory(&net->base, data, size, only, strip);\n"
    "}\n"
    "#ifndef $P_NO_STDIO\n"
    "int $p_load(struct $p *net, const char *path) { return dlc_load(&net->base, path); }\n"
    "int $p_load_some(struct $p *net, const char *path, const char *only, const char *strip)\n"
    "{\n"
    "    return dlc_load_some(&net->base, path, only, strip);\n"
    "}\n"
    "int $p_save(struct $p *net, const char *path) { return dlc_save(&net->base, path); }\n"
    "int $p_save_weights(struct $p *net, const char *path) { return dlc_save_weights(&net->base, path); }\n"
    "#endif\n";

void put_api_prototypes(Str *s, const char *prefix) { put_template(s, prototypes, prefix); }
void put_api(Str *s, const char *prefix) { put_template(s, definitions, prefix); }
