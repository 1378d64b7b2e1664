// runner.c: see runner.h.
#include "runner.h"

#include <stdlib.h>
#include <string.h>

uint32_t seed_of(const char *name) {
    uint32_t h = 0;
    for (; *name; name++) h = (h * 31 + (unsigned char)*name) & 0xffff;
    return h;
}

bool ends_with(const char *text, const char *end) {
    size_t a = strlen(text), b = strlen(end);
    return a >= b && !strcmp(text + a - b, end);
}

void runner_open(Runner *r) {
    r->storages = NEW_ARRAY(r->arena, Tensor, r->module->storages.len + 1);
    for (int k = 0; k < r->module->storages.len; k++)
        r->storages[k] = tensor_new(r->arena, &r->module->storages.at[k]->type, NULL);
}

Graph *runner_entry(const Runner *r, const char *name) {
    for (int e = 0; e < r->module->entries.len; e++)
        if (!strcmp(r->module->entries.at[e]->name, name)) return r->module->entries.at[e];
    fprintf(stderr, "%s: no entry %s\n", r->who, name);
    exit(3);
}

void runner_set(Runner *r, const Storage *storage, Tensor value) {
    r->storages[storage->index] = value;
    if (r->compiled) compiled_set(r->compiled, storage->name, &value);
}

const Tensor *runner_get(Runner *r, const Storage *storage) {
    Tensor *value = &r->storages[storage->index];
    if (r->compiled) compiled_get(r->compiled, storage->name, value);
    return value;
}

void runner_run(Runner *r, Graph *g, int64_t n, const Tensor *arguments, Tensor *returned) {
    int64_t sizes[MAX_SIZES];
    for (int k = 0; k < MAX_SIZES; k++) sizes[k] = n;
    if (r->compiled) {
        for (int k = 0; k < g->outputs.len && !g->outputs.at[k].storage; k++)
            returned[k] = tensor_new(r->arena, &g->outputs.at[k].value->type, sizes);
        if (compiled_call(r->compiled, g, sizes, arguments, returned, NULL)) {
            fprintf(stderr, "%s: %s refuses the size %d\n", r->who, g->name, (int)n);
            exit(3);
        }
        return;
    }
    graph_interpret(
        g,
        &(Interpretation){
            .arena = r->arena, .sizes = sizes, .arguments = arguments, .storages = r->storages, .returned = returned});
}
