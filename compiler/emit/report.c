// report.c: --report: what each kernel computes, costs and holds, per entry, with totals and the arena's peak.
//
//     train step: x86-64-v4, -O2, 8 chunks for threads
//       place      layer        output        parameters       FLOPs    bytes  buffer      kernel (recipe)
//       mlp.dl:9   linear relu  f32[N, 256]      200,960  25,690,112   65,536  arena+4096  k_linear_relu (..)
// Numbers are at the bounds of the run-time sizes; those of a kernel in a loop are of all its steps. A parameter counts
// where the entry reads it first. What is computed once after load has a row, but the totals of a call leave it out.
// A second table lists what loops keep in the arena for their steps.
#include <string.h>

#include "emit/parts.h"
#include "ops/op.h"

enum { COLUMNS = 9 };

typedef struct Row {
    const char *cell[COLUMNS];
} Row;
typedef VEC(Row) Rows;

// Numbers stand at the right. A column without text is left out. right: a bit per column.
static void put_rows(Str *s, const Rows *rows, unsigned right) {
    int width[COLUMNS] = {0};
    for (int i = 0; i < rows->len; i++)
        for (int c = 0; c < COLUMNS; c++)
            if (rows->at[i].cell[c] && (int)strlen(rows->at[i].cell[c]) > width[c])
                width[c] = (int)strlen(rows->at[i].cell[c]);
    for (int i = 0; i < rows->len; i++) {
        Str line = str_new(s->arena);
        for (int c = 0; c < COLUMNS; c++) {
            const char *text = rows->at[i].cell[c] ? rows->at[i].cell[c] : "";
            if (width[c]) str_printf(&line, "  %*s", right >> c & 1 ? width[c] : -width[c], text);
        }
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

// "T", or "T x 6" of a loop in another; NULL: it is in none.
static const char *steps_text(Arena *arena, const Graph *g, int loop) {
    if (!loop) return NULL;
    const char *outer = steps_text(arena, g, graph_loop(g, loop)->parent);
    Str s = str_new(arena);
    if (outer) str_printf(&s, "%s x ", outer);
    dim_print(&s, graph_loop(g, loop)->steps, g->module->sizes);
    return str_text(&s);
}

static Row call_row(Arena *arena, const Program *program, int c, const CallText *text, bool *counted, Totals *totals) {
    const Call *call = &program->calls.at[c];
    const Buffer *out = written_buffer(text);
    int64_t parameters = count_parameters(text, counted), steps = graph_loop_steps(program->graph, call->loop);
    int64_t bytes = written_bytes(text) * steps;
    double flops = call->kernel->flops * (double)steps;
    bool once = c < program->nprepare;
    const char *layer = call_layer(arena, call);
    totals->parameters += parameters;
    totals->bytes += once ? 0 : bytes;
    totals->flops += once ? 0 : flops;
    totals->again += call->kernel->flops_again > 0;
    totals->flops_again += call->kernel->flops_again * (double)steps;
    const char *recipe = call->kernel->recipe ? call->kernel->recipe : "naive";
    return (Row){
        {call_place(arena, program->graph->module, call), once ? arena_printf(arena, "%s, once", layer) : layer,
         out ? buffer_type(arena, out, program->graph->module) : "", parameters ? text_grouped(arena, parameters) : "",
         steps_text(arena, program->graph, call->loop), text_grouped(arena, (int64_t)flops), text_grouped(arena, bytes),
         out ? buffer_place(arena, out) : "", arena_printf(arena, "%s (%s)", text->text->name, recipe)}};
}

// "at T = 50, N = 32": the sizes of the entry's arguments.
static void put_bounds(Str *s, const Graph *g) {
    const Module *module = g->module;
    bool *used = NEW_ARRAY(s->arena, bool, module->nsizes + 1);
    for (int id = 0; id < g->nodes.len; id++) {
        const Type *type = &g->nodes.at[id]->type;
        for (int d = 0; node_is(g->nodes.at[id], argument) && d < type->rank; d++)
            if (type->dim[d].size) used[type->dim[d].size - 1] = true;
    }
    int n = 0;
    for (int k = 0; k < module->nsizes; k++)
        if (used[k])
            str_printf(s, "%s%s = %d", n++ ? ", " : "  at the bounds ", module->sizes[k].name, module->sizes[k].bound);
    if (!n && !g->loops.len) return;
    if (g->loops.len) str_printf(s, "%sFLOPs and bytes are those of all steps", n ? "; " : "  ");
    str_put(s, "\n");
}

// ---- what loops keep ------------------------------------------------------------------------------------------------

static bool is_carried_on(const Loop *loop, const Node *value) {
    for (int i = 0; i < loop->carry.len; i++)
        if (loop->carry.at[i] && (loop->carry.at[i] == value || loop->next.at[i] == value)) return true;
    return false;
}

// The buffer with a place for each step: of what is carried, kept of each step (a stack), or read in each. NULL: the
// node is none of these, or lies in another one's.
static const Buffer *places_of(const Program *program, const Node *node, const char **how) {
    const Graph *g = program->graph;
    if (node_is(node, carry)) {
        const Buffer *all = program->of_node[node->id]->view->of;
        *how = all->dim[0].size || all->dim[0].extent > 2 ? "carried, all kept" : "carried";
        return all;
    }
    bool enters = node_is(node, element);
    if (!enters && !node_is(node, stack)) return NULL;
    if (enters ? node_is(node->in[0], stack) : is_carried_on(graph_loop(g, node_loop_attr(node)), node->in[0]))
        return NULL;
    *how = enters ? "read" : "kept";
    return program->of_node[enters ? node->in[0]->id : node->id];
}

// "lstm.h"; "lstm (sigmoid)" of a value inside of a layer.
static const char *value_name(Arena *arena, const Node *node) {
    const Node *value = node_is(node, stack) ? node->in[0] : node;
    const char *name = value->name ? value->name : value->origin ? value->origin : value->op->name;
    bool inside = value->origin && !node_is_loop(value);
    return inside ? arena_printf(arena, "%s (%s)", name, value->op->name) : name;
}

static Row places_row(Arena *arena, const Graph *g, const Node *node, const Buffer *all, const char *how) {
    const Loop *loop = graph_loop(g, node_loop_attr(node));
    const char *place = text_without_folders(arena, g->module, span_text(arena, loop->span));
    Type slot = buffer_shape(all);
    for (int d = 1; d < slot.rank; d++) slot.dim[d - 1] = slot.dim[d];
    slot.rank--;
    Str type = str_new(arena), slots = str_new(arena);
    type_print(&type, &slot, g->module->sizes);
    dim_print(&slots, all->dim[0], g->module->sizes);
    return (Row){{loop->reverse ? arena_printf(arena, "%s, reversed", place) : place, value_name(arena, node), how,
                  str_text(&type), str_text(&slots),
                  text_grouped(arena, buffer_count(all) * dtype_info[all->dtype].bytes), buffer_place(arena, all)}};
}

typedef struct Range {
    int64_t begin, end;
} Range;
typedef VEC(Range) Ranges; // in ascending order

static void ranges_add(Arena *arena, Ranges *ranges, Range range) {
    int at = ranges->len;
    vec_push(arena, ranges, range);
    for (; at > 0 && ranges->at[at - 1].begin > range.begin; at--) ranges->at[at] = ranges->at[at - 1];
    ranges->at[at] = range;
}

static int64_t ranges_cover(const Ranges *ranges) {
    int64_t covered = 0, end = 0;
    for (int k = 0; k < ranges->len; k++) {
        Range range = ranges->at[k];
        if (range.begin < end) range.begin = end;
        if (range.begin >= range.end) continue;
        covered += range.end - range.begin;
        end = range.end;
    }
    return covered;
}

static void put_places(Str *s, const Program *program) {
    Arena *arena = s->arena;
    const Graph *g = program->graph;
    Tags seen = {.arena = arena};
    Rows rows = {0};
    Ranges ranges = {0};
    if (g->loops.len) vec_push(arena, &rows, (Row){{"loop", "value", "", "of a step", "places", "bytes", "buffer"}});
    for (int id = 0; id < g->nodes.len; id++) {
        const char *how;
        const Buffer *all = places_of(program, g->nodes.at[id], &how);
        if (!all || all->scope != SCOPE_ARENA || (*tag_of(&seen, all))++) continue;
        const Buffer *root = view_root(all);
        ranges_add(arena, &ranges, (Range){root->offset, root->offset + root->bytes});
        vec_push(arena, &rows, places_row(arena, g, g->nodes.at[id], all, how));
    }
    if (rows.len < 2) return;
    vec_push(
        arena, &rows,
        (Row){{"total", "", "", "", "", text_grouped(arena, ranges_cover(&ranges)), "what they share counts once"}});
    str_put(s, "  memory of the steps of loops\n");
    put_rows(s, &rows, 1u << 4 | 1u << 5);
}

// ---- an entry and the net -------------------------------------------------------------------------------------------

static void put_entry(Str *s, const Program *program, const CallText *calls, const EmitOptions *options) {
    Arena *arena = s->arena;
    const Graph *g = program->graph;
    bool *counted = NEW_ARRAY(arena, bool, g->module->storages.len + 1);
    Totals totals = {0};
    Rows rows = {0};
    vec_push(arena, &rows,
             (Row){{"place", "layer", "output", "parameters", g->loops.len ? "steps" : "", "FLOPs", "bytes", "buffer",
                    "kernel (recipe)"}});
    for (int c = 0; c < program->calls.len; c++)
        if (calls[c].text) vec_push(arena, &rows, call_row(arena, program, c, &calls[c], counted, &totals));
    vec_push(arena, &rows,
             (Row){{"total", "", "", text_grouped(arena, totals.parameters), "",
                    text_grouped(arena, (int64_t)totals.flops), text_grouped(arena, totals.bytes)}});
    static const char *const kinds[] = {
        [ENTRY_MODEL] = "model ", [ENTRY_TRAIN] = "train ", [ENTRY_START] = "", [ENTRY_INIT] = ""};
    str_printf(s, "%s%s: %s, -O%d, %d chunk%s for threads\n", kinds[g->kind], g->name, options->target->name,
               options->level, options->threads, options->threads == 1 ? "" : "s");
    put_rows(s, &rows, 1u << 3 | 1u << 5 | 1u << 6);
    put_bounds(s, g);
    put_places(s, program);
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

// Each state of the net: "h: f32[1, N, 96]".
static void put_states(Str *s, const Module *module) {
    Rows rows = {0};
    for (int i = 0; i < module->storages.len; i++) {
        const Storage *storage = module->storages.at[i];
        if (storage->kind != STORAGE_STATE) continue;
        Str type = str_new(s->arena);
        type_print(&type, &storage->type, module->sizes);
        int64_t bytes = type_count(&storage->type) * dtype_info[storage->type.dtype].bytes;
        vec_push(s->arena, &rows,
                 (Row){{"", arena_printf(s->arena, "%s: %s", storage->name, str_text(&type)),
                        text_grouped(s->arena, bytes), "bytes"}});
    }
    put_rows(s, &rows, 1u << 2);
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
    put_states(s, in->module);
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
