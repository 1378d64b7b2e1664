// report.c: --report: what each kernel computes, costs and holds, per entry, with totals and the arena's peak.
//
//     train step: x86-64-v4, -O2, 8 chunks for threads
//       place      layer        output        parameters       FLOPs    bytes  buffer      kernel (recipe)
//       mlp.dl:9   linear relu  f32[N, 256]      200,960  25,690,112   65,536  arena+4096  k_linear_relu (..)
// Numbers are at the bounds of the run-time sizes. A parameter counts where the entry reads it first. What is computed
// once after load has a row, but is no part of the totals of a call.
#include <string.h>

#include "emit/parts.h"

enum { COLUMNS = 8 };

typedef struct Row {
    const char *cell[COLUMNS];
} Row;
typedef VEC(Row) Rows;

static void put_rows(Str *s, const Rows *rows) {
    static const bool right[COLUMNS] = {[3] = true, [4] = true, [5] = true};
    int width[COLUMNS] = {0};
    for (int i = 0; i < rows->len; i++)
        for (int c = 0; c < COLUMNS; c++)
            if ((int)strlen(rows->at[i].cell[c]) > width[c]) width[c] = (int)strlen(rows->at[i].cell[c]);
    for (int i = 0; i < rows->len; i++) {
        Str line = str_new(s->arena);
        for (int c = 0; c < COLUMNS; c++)
            str_printf(&line, "  %*s", right[c] ? width[c] : -width[c], rows->at[i].cell[c]);
        while (line.len && line.at[line.len - 1] == ' ') line.at[--line.len] = 0;
        str_printf(s, "%s\n", str_text(&line));
    }
}

static const char *buffer_place(Arena *arena, const Buffer *buffer) {
    switch (buffer->scope) {
    case SCOPE_ARGUMENT:
        return "argument";
    case SCOPE_STORAGE:
        return "in place";
    case SCOPE_PREPARED:
        return "prepared";
    case SCOPE_ARENA:
        return arena_printf(arena, "arena+%lld", (long long)buffer->offset);
    default:
        return "local";
    }
}

// What a call computes, as the .dl calls it: the layer and the name of the result.
static const char *call_layer(Arena *arena, const Call *call) {
    const Node *node = call_node(call);
    if (!node) return "copy";
    const NodeVec *outputs = &call->group->outputs;
    const char *name = outputs->len && outputs->at[0]->name ? outputs->at[0]->name : node->name;
    const char *origin = node->origin;
    const char *layer = name ? name : origin ? origin : node->op->name;
    if (name && origin && strcmp(name, origin)) layer = arena_printf(arena, "%s %s", origin, name);
    if (kernel_is_again(call->kernel)) return arena_printf(arena, "%s, again", layer);
    return call->section == SECTION_BACKWARD ? arena_printf(arena, "%s, gradient", layer) : layer;
}

typedef struct Totals {
    int64_t parameters, bytes;
    double flops, flops_again;
    int again; // calls that compute something again
} Totals;

// The buffer that the table shows: the first one that the call writes.
static const Buffer *written_buffer(const CallText *call) {
    for (int i = 0; i < call->formals.buffers.len; i++)
        if (call->formals.buffers.at[i].written) return call->formals.buffers.at[i].buffer;
    return NULL;
}

static int64_t count_parameters(const CallText *call, bool *counted) {
    int64_t parameters = 0;
    for (int i = 0; i < call->formals.buffers.len; i++) {
        const Buffer *buffer = call->formals.buffers.at[i].buffer;
        if (buffer->scope != SCOPE_STORAGE || buffer->storage->kind != STORAGE_PARAM) continue;
        if (counted[buffer->storage->index]) continue;
        counted[buffer->storage->index] = true;
        parameters += type_count(&buffer->storage->type);
    }
    return parameters;
}

static int64_t written_bytes(const CallText *call) {
    int64_t bytes = 0;
    for (int i = 0; i < call->formals.buffers.len; i++) {
        const Formal *formal = &call->formals.buffers.at[i];
        if (formal->written && !is_scratch(formal->buffer))
            bytes += buffer_count(formal->buffer) * dtype_info[formal->buffer->dtype].bytes;
    }
    return bytes;
}

static Row call_row(Arena *arena, const Program *program, int c, const CallText *text, bool *counted, Totals *totals) {
    const Call *call = &program->calls.at[c];
    const Buffer *out = written_buffer(text);
    int64_t parameters = count_parameters(text, counted), bytes = written_bytes(text);
    bool once = c < program->nprepare;
    const char *layer = call_layer(arena, call);
    totals->parameters += parameters;
    totals->bytes += once ? 0 : bytes;
    totals->flops += once ? 0 : call->kernel->flops;
    totals->again += call->kernel->flops_again > 0;
    totals->flops_again += call->kernel->flops_again;
    const char *recipe = call->kernel->recipe ? call->kernel->recipe : "naive";
    return (Row){
        {call_place(arena, program->graph->module, call), once ? arena_printf(arena, "%s, once", layer) : layer,
         out ? buffer_type(arena, out, program->graph->module) : "", parameters ? text_grouped(arena, parameters) : "",
         text_grouped(arena, (int64_t)call->kernel->flops), text_grouped(arena, bytes),
         out ? buffer_place(arena, out) : "", arena_printf(arena, "%s (%s)", text->text->name, recipe)}};
}

static void put_entry(Str *s, const Program *program, const CallText *calls, const EmitOptions *options) {
    Arena *arena = s->arena;
    const Module *module = program->graph->module;
    bool *counted = NEW_ARRAY(arena, bool, module->storages.len + 1);
    Totals totals = {0};
    Rows rows = {0};
    vec_push(arena, &rows,
             (Row){{"place", "layer", "output", "parameters", "FLOPs", "bytes", "buffer", "kernel (recipe)"}});
    for (int c = 0; c < program->calls.len; c++)
        if (calls[c].text) vec_push(arena, &rows, call_row(arena, program, c, &calls[c], counted, &totals));
    vec_push(arena, &rows,
             (Row){{"total", "", "", text_grouped(arena, totals.parameters), text_grouped(arena, (int64_t)totals.flops),
                    text_grouped(arena, totals.bytes), "", ""}});
    static const char *const kinds[] = {
        [ENTRY_MODEL] = "model ", [ENTRY_TRAIN] = "train ", [ENTRY_START] = "", [ENTRY_INIT] = ""};
    str_printf(s, "%s%s: %s, -O%d, %d chunk%s for threads\n", kinds[program->graph->kind], program->graph->name,
               options->target->name, options->level, options->threads, options->threads == 1 ? "" : "s");
    put_rows(s, &rows);
    if (totals.again)
        str_printf(s, "  computed again for the backward pass: %s FLOPs, in %d kernel%s\n",
                   text_grouped(arena, (int64_t)totals.flops_again), totals.again, totals.again == 1 ? "" : "s");
    double ratio = program->arena_bound ? (double)program->arena_bytes / (double)program->arena_bound : 1;
    str_printf(s, "  arena: peak %s bytes, lower bound %s, ratio %.3f\n\n", text_grouped(arena, program->arena_bytes),
               text_grouped(arena, program->arena_bound), ratio);
}

static int64_t count_kind(const Module *module, StorageKind kind, int64_t *bytes) {
    int64_t elements = 0;
    *bytes = 0;
    for (int i = 0; i < module->storages.len; i++) {
        const Storage *storage = module->storages.at[i];
        if (storage->kind != kind) continue;
        elements += type_count(&storage->type);
        *bytes += type_count(&storage->type) * dtype_info[storage->type.dtype].bytes;
    }
    return elements;
}

static void put_memory(Str *s, const Emission *emission) {
    const EmitInput *in = emission->in;
    const KernelTable *table = &emission->table;
    static const char *const kinds[] = {"parameters", "buffers", "optimiser", "state"};
    str_printf(s, "memory of one net\n");
    for (int kind = 0; kind < 4; kind++) {
        int64_t bytes, elements = count_kind(in->module, (StorageKind)kind, &bytes);
        str_printf(s, "  %-11s %14s bytes  %14s elements\n", kinds[kind], text_grouped(s->arena, bytes),
                   text_grouped(s->arena, elements));
    }
    if (in->embedded)
        str_printf(s, "  %-11s %14s bytes  of constants, in place of the parameters and buffers\n", "embedded",
                   text_grouped(s->arena, emission->weights->bytes));
    str_printf(s, "  %-11s %14s bytes  made from the parameters once after load\n", "prepared",
               text_grouped(s->arena, emission->layout.prepared_bytes));
    str_printf(s, "  %-11s %14s bytes\n", "arena", text_grouped(s->arena, emission->layout.bytes[REGION_ARENA]));
    int calls = 0;
    for (int i = 0; i < table->functions.len; i++) calls += table->functions.at[i]->calls;
    str_printf(s, "kernels: %d for %d calls\n", table->functions.len, calls);
}

void emit_report(Str *s, const Emission *emission) {
    const EmitInput *in = emission->in;
    for (int i = 0; i < in->nprograms; i++) put_entry(s, in->programs[i], emission->table.calls[i], emission->options);
    put_memory(s, emission);
}
