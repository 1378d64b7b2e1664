// layout.c: what the header, the source and the report must agree on: where storages live, what each entry's C function
// takes, and the model's hash.
//
//     train step(image: f32[N, 784], lr: f32[]) -> (loss: f32[])
//     int mynet_step(struct mynet *net, int32_t N, const float *image, float lr, float *loss)
#include <string.h>

#include "emit/parts.h"

// ---- memory ---------------------------------------------------------------------------------------------------------

const char *region_name(int region) {
    static const char *const names[REGIONS] = {"PARAM", "OPTIM", "STATE", "ARENA"};
    return names[region];
}

static int region_of(StorageKind kind) {
    return kind == STORAGE_OPTIM ? REGION_OPTIM : kind == STORAGE_STATE ? REGION_STATE : REGION_PARAM;
}

// Bytes of a kernel's locals. Registers may spill, so they count.
static int64_t local_bytes(const Stmt *stmt) {
    int64_t bytes = 0;
    for (int i = 0; i < stmt->body.len; i++) bytes += local_bytes(stmt->body.at[i]);
    if (stmt->kind != STMT_LOCAL) return bytes;
    return bytes + buffer_count(stmt->buffer) * stmt->buffer->lanes * buffer_element_bytes(stmt->buffer);
}

Layout layout_make(Arena *arena, const EmitInput *in, const KernelTable *table) {
    const Module *module = in->module;
    Layout layout = {.region = NEW_ARRAY(arena, int, module->storages.len + 1),
                     .offset = NEW_ARRAY(arena, int64_t, module->storages.len + 1)};
    for (int i = 0; i < module->storages.len; i++) {
        const Storage *storage = module->storages.at[i];
        int region = region_of(storage->kind);
        layout.region[i] = region;
        layout.offset[i] = -1;
        if (in->embedded && region == REGION_PARAM) continue;
        layout.offset[i] = layout.bytes[region];
        int64_t bytes = type_count(&storage->type) * dtype_info[storage->type.dtype].bytes;
        layout.bytes[region] = round_up(layout.bytes[region] + bytes, LAYOUT_ALIGN);
    }
    layout.prepared = layout.bytes[REGION_PARAM];
    layout.prepared_bytes = prepared_place(in, table);
    layout.bytes[REGION_PARAM] += layout.prepared_bytes;
    for (int i = 0; i < in->nprograms; i++) {
        const Program *program = in->programs[i];
        int64_t bytes = round_up(program->arena_bytes, LAYOUT_ALIGN);
        if (bytes > layout.bytes[REGION_ARENA]) layout.bytes[REGION_ARENA] = bytes;
    }
    for (int k = 0; k < table->functions.len; k++) {
        int64_t stack = local_bytes(table->functions.at[k]->kernel->body);
        if (stack > layout.stack) layout.stack = stack;
    }
    return layout;
}

// ---- signatures ---------------------------------------------------------------------------------------------------

static void mark_sizes(Signature *signature, const Type *type) {
    for (int d = 0; d < type->rank; d++)
        if (type->dim[d].size) signature->size[type->dim[d].size - 1] = true;
}

Signature signature_make(Arena *arena, const Program *program, const KernelTable *table, int number,
                         const EmitOptions *options) {
    const Graph *g = program->graph;
    const Module *module = g->module;
    Signature signature = {.function = arena_printf(arena, "%s_%s", options->prefix, g->name),
                           .names = {.arena = arena, .macros = names_macros(arena, options->prefix)}};
    for (int i = 0; i < table->functions.len; i++) // the functions that it calls
        vec_push(arena, &signature.names.at, (Name){table->functions.at[i]->name, 2});
    names_take(&signature.names, graph_is_public(g) ? "net" : "region");
    for (int i = 0; i < g->arguments.len; i++) mark_sizes(&signature, &g->arguments.at[i]->type);
    for (int i = 0; i < g->outputs.len; i++)
        if (!g->outputs.at[i].storage) mark_sizes(&signature, &g->outputs.at[i].value->type);
    for (int l = 0; l < g->loops.len; l++)
        if (g->loops.at[l].steps.size && program->loops[l].first >= 0)
            signature.size[g->loops.at[l].steps.size - 1] = true;
    for (int c = 0; c < program->calls.len; c++) // a size may be used inside only
        for (int k = 0; k < MAX_SIZES; k++)
            if (table->calls[number][c].formals.size[k]) signature.size[k] = true;
    for (int k = 0; k < module->nsizes; k++) {
        if (!signature.size[k]) continue;
        signature.sized = true;
        signature.size_name[k] = names_take(&signature.names, module->sizes[k].name);
    }
    for (int i = 0; i < g->arguments.len; i++) {
        const Node *node = g->arguments.at[i];
        const char *name = node->attr[0].s;
        vec_push(arena, &signature.parameters,
                 (Parameter){.name = names_take(&signature.names, name),
                             .dl = name,
                             .type = &node->type,
                             .by_value = node->type.rank == 0,
                             .position = i});
    }
    int returned = 0;
    for (int i = 0; i < g->outputs.len; i++) {
        const Output *output = &g->outputs.at[i];
        if (output->storage) continue;
        const char *name = output->name ? output->name : "out";
        vec_push(arena, &signature.parameters,
                 (Parameter){.name = names_take(&signature.names, name),
                             .dl = name,
                             .type = &output->value->type,
                             .output = true,
                             .position = returned++});
    }
    return signature;
}

void put_wrapped(Str *s, const char *open, const char *const *items, int count, const char *close) {
    // `open` may begin on a line that has text already.
    size_t begun = 0;
    while (begun < s->len && s->at[s->len - 1 - begun] != '\n') begun++;
    size_t column = begun + strlen(open), indent = column;
    str_put(s, open);
    for (int i = 0; i < count; i++) {
        size_t len = strlen(items[i]) + 2;
        if (i && column + len > 118) {
            str_printf(s, ",\n%*s%s", (int)indent, "", items[i]);
            column = indent + len;
        } else {
            str_printf(s, "%s%s", i ? ", " : "", items[i]);
            column += len;
        }
    }
    str_put(s, close);
}

void signature_print(Str *s, Arena *arena, const Signature *signature, const EmitOptions *options) {
    VEC(const char *) items = {0};
    vec_push(arena, &items, arena_printf(arena, "struct %s *net", options->prefix));
    for (int k = 0; k < MAX_SIZES; k++)
        if (signature->size[k]) vec_push(arena, &items, arena_printf(arena, "int32_t %s", signature->size_name[k]));
    for (int i = 0; i < signature->parameters.len; i++) {
        const Parameter *parameter = &signature->parameters.at[i];
        const char *type = dtype_info[parameter->type->dtype].c;
        bool pointer = parameter->output || !parameter->by_value;
        vec_push(arena, &items,
                 arena_printf(arena, "%s%s %s%s", pointer && !parameter->output ? "const " : "", type,
                              pointer ? "*" : "", parameter->name));
    }
    put_wrapped(s, arena_printf(arena, "%s %s(", signature->sized ? "int" : "void", signature->function), items.at,
                items.len, ")");
}

// ---- the hash -----------------------------------------------------------------------------------------------------

// FNV-1a, 64 bits.
static uint64_t mix(uint64_t hash, const void *data, size_t len) {
    for (size_t i = 0; i < len; i++) hash = (hash ^ ((const unsigned char *)data)[i]) * 0x100000001b3u;
    return hash;
}

static uint64_t mix_text(uint64_t hash, const char *text) {
    return mix(hash, text ? text : "", text ? strlen(text) + 1 : 1);
}

static uint64_t mix_int(uint64_t hash, int64_t value) {
    unsigned char bytes[8]; // in this order on every machine
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)((uint64_t)value >> (8 * i));
    return mix(hash, bytes, sizeof bytes);
}

// An axis N has the hash that it had before there were axes such as 2 * N + 1: saved hashes stay valid.
static uint64_t mix_dim(uint64_t hash, Dim dim) {
    hash = mix_int(mix_int(hash, dim.extent), dim.size);
    return dim.times > 1 || dim.plus ? mix_int(mix_int(hash, dim.times), dim.plus) : hash;
}

static uint64_t mix_type(uint64_t hash, const Type *type) {
    hash = mix_int(mix_int(hash, type->dtype), type->rank);
    for (int d = 0; d < type->rank; d++) hash = mix_dim(hash, type->dim[d]);
    return hash;
}

static uint64_t mix_attr(uint64_t hash, const AttrSpec *spec, const Attr *attr, Arena *arena, const Size *sizes) {
    hash = mix_int(hash, spec->words ? 0 : attr->i);
    Str text = str_new(arena);
    if (spec->kind == ATTR_FLOAT) str_put_double(&text, attr->f);
    if (spec->kind == ATTR_STRING) str_put(&text, attr->s ? attr->s : "");
    if (spec->words) str_put(&text, spec->words[attr->i]);
    if (spec->kind == ATTR_ITER && attr->iter) iter_print(&text, attr->iter, sizes);
    hash = mix_text(hash, str_text(&text));
    for (int i = 0; spec->kind == ATTR_INTS && i < attr->n; i++) hash = mix_int(hash, attr->ints[i]);
    for (int i = 0; spec->kind == ATTR_COUNTS && i < attr->n; i++) {
        const Count *count = &attr->counts[i];
        hash = mix_int(hash, count->at);
        if (count->size) hash = mix_int(mix_int(hash, count->times), count->size);
    }
    for (int i = 0; spec->kind == ATTR_DIMS && i < attr->n; i++) hash = mix_dim(hash, attr->dims[i]);
    return hash;
}

static uint64_t mix_graph(uint64_t hash, const Graph *g) {
    hash = mix_text(hash, g->name);
    for (int i = 0; i < g->nodes.len; i++) {
        const Node *node = g->nodes.at[i];
        hash = mix_type(mix_text(hash, node->op->name), &node->type);
        for (int k = 0; k < node->nin; k++) hash = mix_int(hash, node->in[k]->id);
        for (int k = 0; k < MAX_ATTRS && node->op->attrs[k].name; k++)
            hash = mix_attr(hash, &node->op->attrs[k], &node->attr[k], g->arena, g->module->sizes);
    }
    for (int i = 0; i < g->outputs.len; i++) {
        const Output *output = &g->outputs.at[i];
        hash = mix_int(mix_text(hash, output->name), output->value->id);
        hash = mix_text(hash, output->storage ? output->storage->name : NULL);
    }
    return hash;
}

uint64_t module_hash(const Module *module) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (int i = 0; i < module->nsizes; i++)
        hash = mix_int(mix_text(hash, module->sizes[i].name), module->sizes[i].bound);
    for (int i = 0; i < module->storages.len; i++) {
        const Storage *storage = module->storages.at[i];
        hash = mix_type(mix_int(mix_text(hash, storage->name), storage->kind), &storage->type);
    }
    for (int i = 0; i < module->entries.len; i++) hash = mix_graph(hash, module->entries.at[i]);
    return hash;
}

// ---- all of it ------------------------------------------------------------------------------------------------------

Emission *emission_new(Arena *arena, const EmitInput *in, const EmitOptions *options) {
    Emission *e = NEW(arena, Emission);
    *e = (Emission){.in = in, .options = options, .signatures = NEW_ARRAY(arena, Signature, in->nprograms + 1)};
    kernel_table_build(&e->table, arena, in, options);
    e->layout = layout_make(arena, in, &e->table);
    for (int i = 0; i < in->nprograms; i++)
        e->signatures[i] = signature_make(arena, in->programs[i], &e->table, i, options);
    e->weights = NEW(arena, Weights);
    weights_collect(e->weights, arena, in, &e->table, options);
    return e;
}
