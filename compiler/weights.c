// weights.c: --weights: a file's parameters become data of the program's buffers, and the prepare part runs here.
//     storage fc1.weight                            data: read from the file; the C has it when a call reads it
//     prepare 0: fc1_weight_panels = fc1.weight     run now, gone from the program; the C has fc1_weight_panels
// The runtime reads the file into a model that is made from the module's parameters. So the compiler accepts the files
// that mynet_load accepts, and refuses others with the same messages.
#include "weights.h"

#include <string.h>

#include "../runtime/dlc.h"
#include "loops/evaluate.h"

enum { ALIGN = 64 };

static bool is_weight(const Storage *storage) {
    return storage->kind == STORAGE_PARAM || storage->kind == STORAGE_BUFFER;
}

bool weights_fit(FILE *err, const Module *module) {
    for (int k = 0; k < module->entries.len; k++) {
        const Graph *g = module->entries.at[k];
        for (int o = 0; graph_is_public(g) && o < g->outputs.len; o++) {
            const Storage *storage = g->outputs.at[o].storage;
            if (!storage || !is_weight(storage)) continue;
            fprintf(err,
                    "dlc: error: --weights: %s writes %s, but embedded weights are constant; leave it out: --entry=A,B "
                    "names the entries that are emitted\n",
                    g->name, storage->name);
            return false;
        }
    }
    return true;
}

// ---- the file -------------------------------------------------------------------------------------------------------

static struct dlc_slot slot_of(const Storage *storage, size_t offset) {
    const Type *type = &storage->type;
    struct dlc_slot slot = {.region = DLC_REGION_PARAM, .offset = offset};
    slot.info = (struct dlc_param){.name = storage->name,
                                   .dtype = dtype_info[type->dtype].name,
                                   .kind = storage->kind == STORAGE_PARAM ? "param" : "buffer",
                                   .rank = type->rank,
                                   .bytes = (size_t)type_count(type) * (size_t)dtype_info[type->dtype].bytes};
    for (int d = 0; d < type->rank; d++) slot.info.shape[d] = type->dim[d].extent;
    return slot;
}

// The data of each storage by its index, NULL for those that are no weights; NULL: reported.
static void **read_weights(Arena *arena, FILE *err, const char *path, const char *strip, const Module *module) {
    int n = module->storages.len, nslots = 0;
    struct dlc_slot *slots = NEW_ARRAY(arena, struct dlc_slot, n + 1);
    size_t bytes = 0;
    for (int k = 0; k < n; k++) {
        if (!is_weight(module->storages.at[k])) continue;
        slots[nslots++] = slot_of(module->storages.at[k], bytes);
        bytes += (slots[nslots - 1].info.bytes + ALIGN - 1) / ALIGN * ALIGN;
    }
    struct dlc_model model = {.name = "the model", .slots = slots, .nslots = nslots, .align = ALIGN};
    model.bytes[DLC_REGION_PARAM] = bytes;
    struct dlc_net *net = dlc_new(&model, sizeof *net);
    void **data = NEW_ARRAY(arena, void *, n + 1);
    if (!net || dlc_load_strict(net, path, strip, "--weights-strip=")) {
        fprintf(err, "dlc: error: --weights: %s\n", net ? dlc_error(net) : "out of memory");
        dlc_free(net);
        return NULL;
    }
    char *copy = NEW_ARRAY(arena, char, (int64_t)bytes + 1);
    memcpy(copy, net->region[DLC_REGION_PARAM], bytes);
    for (int k = 0, slot = 0; k < n; k++)
        if (is_weight(module->storages.at[k])) data[k] = copy + slots[slot++].offset;
    dlc_free(net);
    return data;
}

// ---- the programs ---------------------------------------------------------------------------------------------------

// Makes equal prepared buffers share one array: two models may prepare the same. What no call uses has no data.
static void share_equal(Buffer *buffer, Program *const *programs, int nprograms) {
    for (int p = 0; p < nprograms; p++)
        for (int k = 0; k < programs[p]->buffers.len; k++) {
            Buffer *other = programs[p]->buffers.at[k];
            if (other == buffer) return;
            if (other->scope != SCOPE_PREPARED || other->same || other->bytes != buffer->bytes || !other->data)
                continue;
            if (other->dtype != buffer->dtype || memcmp(other->data, buffer->data, (size_t)buffer->bytes)) continue;
            buffer->same = other;
            return;
        }
}

bool weights_embed(Arena *arena, FILE *err, const char *path, const char *strip, const Module *module,
                   Program *const *programs, int nprograms) {
    void **data = read_weights(arena, err, path, strip, module);
    if (!data) return false;
    for (int p = 0; p < nprograms; p++) {
        Program *program = programs[p];
        for (int k = 0; k < program->buffers.len; k++)
            if (program->buffers.at[k]->storage)
                program->buffers.at[k]->data = data[program->buffers.at[k]->storage->index];
        program_evaluate(arena, program, 0, program->nprepare, NULL);
        program_drop_prepare(program);
    }
    for (int p = 0; p < nprograms; p++)
        for (int k = 0; k < programs[p]->buffers.len; k++) {
            Buffer *buffer = programs[p]->buffers.at[k];
            if (buffer->scope == SCOPE_PREPARED && buffer->data) share_equal(buffer, programs, nprograms);
            if (buffer->scope != SCOPE_PREPARED && buffer->scope != SCOPE_STORAGE) buffer->data = NULL;
        }
    return true;
}
