// evaluated.c: see evaluated.h.
#include "evaluated.h"

#include <stdlib.h>
#include <string.h>

#include "fit.h"
#include "loops/evaluate.h"

struct Evaluated {
    Arena *arena;
    Module *module;
    Program **programs; // by entry
    void **storages;    // by index
    char *memory;       // the arena
};

static void proved(const Graph *g, const char *stage, const char *wrong) {
    if (wrong) dlc_bug(stage, "entry %s: %s", g->name, wrong);
}

static bool lower(Evaluated *v, int entry, const HarnessOptions *o, const PassOptions *passes) {
    Target *target = NEW(v->arena, Target);
    *target = *target_find(o->target);
    if (o->eager) target->chunk_work = 1;
    int threads = o->threads ? o->threads : 8; // dlc's default
    int64_t most = o->arena_max ? atoll(o->arena_max) : -1;
    FitOptions fit = {.target = target, .level = o->level, .threads = threads, .most = most, .passes = passes};
    if (most >= 0) fit_entry(v->module, entry, &fit);
    Graph *g = v->module->entries.at[entry];
    Program *program = v->programs[entry] = program_lower(g, target, o->level, threads);
    proved(g, "lower", program_verify(program));
    program_plan(program);
    proved(g, "plan", program_check_plan(program));
    bool fits = most < 0 || program->arena_bytes <= most;
    if (o->refused) *o->refused = !fits;
    return fits;
}

Evaluated *evaluated_new(Arena *arena, Module *module, const HarnessOptions *o) {
    Evaluated *v = NEW(arena, Evaluated);
    PassOptions passes = {.level = o->level, .out = stdout};
    if (o->arena_max) passes.trace = NEW_ARRAY(arena, Trace, module->entries.len + 1);
    *v = (Evaluated){.arena = arena,
                     .module = module,
                     .programs = NEW_ARRAY(arena, Program *, module->entries.len + 1),
                     .storages = NEW_ARRAY(arena, void *, module->storages.len + 1)};
    passes_run(module, &passes);
    for (int e = 0; e < module->entries.len; e++)
        if (!lower(v, e, o, &passes)) return NULL;
    v->memory = NEW_ARRAY(arena, char, evaluated_arena(v) + 1);
    for (int k = 0; k < module->storages.len; k++) {
        const Type *type = &module->storages.at[k]->type;
        v->storages[k] = NEW_ARRAY(arena, char, type_count(type) * dtype_info[type->dtype].bytes + 1);
    }
    int64_t seed = 1;
    for (int e = 0; e < module->entries.len; e++)
        if (!graph_is_public(module->entries.at[e]))
            evaluated_call(v, module->entries.at[e]->name, NULL, (void *[]){&seed}, NULL);
    return v;
}

int64_t evaluated_arena(const Evaluated *v) {
    int64_t bytes = 0;
    for (int e = 0; e < v->module->entries.len; e++)
        if (v->programs[e]->arena_bytes > bytes) bytes = v->programs[e]->arena_bytes;
    return bytes;
}

void *evaluated_storage(const Evaluated *v, const char *name) {
    return v->storages[module_find_storage(v->module, name)->index];
}

static void place(const Evaluated *v, Buffer *buffer, void **in, void **out) {
    if (buffer->scope == SCOPE_STORAGE) buffer->data = v->storages[buffer->storage->index];
    if (buffer->scope == SCOPE_ARENA) buffer->data = v->memory + buffer->offset;
    if (buffer->scope == SCOPE_ARGUMENT)
        buffer->data = buffer->argument >= 0 ? in[buffer->argument] : out[buffer->output];
}

void evaluated_call(Evaluated *v, const char *entry, const int64_t *sizes, void **in, void **out) {
    int e = 0;
    while (strcmp(v->module->entries.at[e]->name, entry)) e++;
    Program *program = v->programs[e];
    memset(v->memory, 0xff, (size_t)program->arena_bytes); // NaN: nothing may depend on what was there
    for (int k = 0; k < program->buffers.len; k++) place(v, program->buffers.at[k], in, out);
    program_evaluate(v->arena, program, 0, program->calls.len, sizes);
}
