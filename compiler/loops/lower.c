// lower.c: one entry's graph, in groups, becomes a program: buffers, then one kernel per group, then copies.
//     k0 stores %5; k1 stores %9 and reads %5         arena h: %5     argument loss: %9
//     store "fc1.weight" = %31, k7 stores %31         storage fc1_weight: %31, in place: nobody reads the old value
//     later
// Needs GROUPED. Where each stored node lives is decided before any kernel is made:
//   - in the storage that it is bound to, when no later kernel reads the old value, and its own kernel reads that only
//     at the index that it writes; or, when it replaces parts of that by `update`, reads it not at all and stores these
//     parts alone. So may each of several updates in turn;
//   - in the memory of another value, when it only moves that (a view), or is a part of a concat (views.c);
//   - in the caller's array, when it is returned once, is its kernel's only result and nobody reads it;
//   - else in the arena, with copies at the end to where it is returned or bound.
// An output that is a storage's old value is copied first, when that storage gets a new one.
// In a model, groups that depend on parameters alone become the prepare part: the first calls of the list, which store
// to prepared buffers. Prepared buffers that only the prepare part reads go to the arena.
#include <stdio.h>
#include <string.h>

#include "loops/recipes.h"

typedef struct Lowering {
    Program *program;
    Graph *g;
    Arena *arena;
    bool *stored;   // by node id
    bool *prepared; // by node id: the prepare part computes it
    Shares shares;
    Buffer **storage; // by storage index, or NULL
    Buffer **output;  // by output: its place outside the arena, or NULL when nothing is left to do
    Buffer **saved;   // by output: the old value's copy, or NULL
    // By node id: the last group that reads it, the last that reads a view of it, -1; its first output, -1.
    int *last_reader, *last_viewer, *first_output;
    int *next_output;       // by output: the next one of the same node, -1
    const Node **old_value; // by storage index: the node that is its value at entry, or NULL
    Buffer **changed;       // by node id: the storage that an `update` changes in place, or NULL
    Views views;
} Lowering;

// ---- buffers --------------------------------------------------------------------------------------------------------

static Buffer *buffer_new(Lowering *l, const char *name, const Type *type, Scope scope) {
    return buffer_scratch(l->program, name, type->dtype, type->rank, type->dim, scope);
}

static Buffer *storage_buffer(Lowering *l, Storage *storage) {
    Buffer **buffer = &l->storage[storage->index];
    if (*buffer) return *buffer;
    *buffer = buffer_new(l, storage_short_name(storage), &storage->type, SCOPE_STORAGE);
    (*buffer)->storage = storage;
    return *buffer;
}

static void make_inputs(Lowering *l) {
    for (int k = 0; k < l->g->arguments.len; k++) {
        const Node *node = l->g->arguments.at[k];
        Buffer *buffer = buffer_new(l, node_attr(node, "name")->s, &node->type, SCOPE_ARGUMENT);
        buffer->argument = k;
        buffer->by_value = node->type.rank == 0;
        buffer->value = node;
        l->program->of_node[node->id] = buffer;
    }
    for (int id = 0; id < l->g->nodes.len; id++) {
        const Node *node = l->g->nodes.at[id];
        if (!node_is(node, storage)) continue;
        Storage *storage = module_find_storage(l->g->module, node_attr(node, "name")->s);
        l->program->of_node[id] = storage_buffer(l, storage);
        l->old_value[storage->index] = node;
    }
    for (int k = 0, returned = 0; k < l->g->outputs.len; k++) {
        const Output *output = &l->g->outputs.at[k];
        if (output->storage) {
            l->output[k] = storage_buffer(l, output->storage);
            continue;
        }
        l->output[k] = buffer_new(l, output->name, &output->value->type, SCOPE_ARGUMENT);
        l->output[k]->output = returned++;
    }
}

static void find_outputs(Lowering *l) {
    for (int id = 0; id < l->g->nodes.len; id++) l->first_output[id] = -1;
    for (int k = l->g->outputs.len - 1; k >= 0; k--) {
        int *first = &l->first_output[l->g->outputs.at[k].value->id];
        l->next_output[k] = *first;
        *first = k;
    }
}

static void mark_stored(Lowering *l) {
    for (int id = 0; id < l->g->nodes.len; id++) l->stored[id] = l->g->nodes.at[id]->op->traits & OP_INPUT;
    for (int k = 0; k < l->g->groups.len; k++)
        for (int o = 0; o < l->g->groups.at[k].outputs.len; o++) l->stored[l->g->groups.at[k].outputs.at[o]->id] = true;
}

// ---- where stored nodes live ----------------------------------------------------------------------------------------

// Each node's last reader among the groups; and of a node that a view or an element shows, the last reader of that. Who
// reads an element reads the sequence.
static void find_readers(Lowering *l) {
    for (int id = 0; id < l->g->nodes.len; id++) l->last_reader[id] = l->last_viewer[id] = -1;
    for (int k = 0; k < l->g->groups.len; k++) {
        const LoadVec *loads = &l->program->parts[k].loads;
        for (int i = 0; i < loads->len; i++) {
            const Node *under = loads->at[i].node;
            l->last_reader[under->id] = k;
            while (under) {
                bool element = node_is(under, element);
                under = element ? under->in[0] : l->views.base[under->id];
                if (under) l->last_viewer[under->id] = k;
                if (under && element) l->last_reader[under->id] = k;
            }
        }
    }
}

static bool reads_elsewhere(const Lowering *l, int group, const Node *node) {
    const LoadVec *loads = &l->program->parts[group].loads;
    for (int i = 0; i < loads->len; i++)
        if (loads->at[i].node == node && loads->at[i].elsewhere) return true;
    return false;
}

static bool can_be_in_place(const Lowering *l, int group, const Storage *storage) {
    const Node *old = l->old_value[storage->index];
    if (!old) return true;
    return l->last_reader[old->id] <= group && l->last_viewer[old->id] < group && !reads_elsewhere(l, group, old);
}

// Whether a value that is computed in a kernel loads `stored`.
static bool loads_value(const Lowering *l, Tags *seen, const Node *node, const Node *stored) {
    int *here = tag_of(seen, node);
    if (node == stored || *here) return node == stored;
    *here = 1;
    for (int i = 0; i < node->nin && !l->stored[node->id]; i++)
        if (loads_value(l, seen, node->in[i], stored)) return true;
    return false;
}

// Whether an update may overwrite parts of what it changes: no other group reads that any more, and its own indices and
// values do not.
static bool may_overwrite(const Lowering *l, int group, const Node *update, const Node *changes) {
    Arena scratch = {0};
    Tags seen = {.arena = &scratch};
    bool may = l->last_reader[changes->id] <= group && l->last_viewer[changes->id] < group &&
               !loads_value(l, &seen, update->in[1], changes) && !loads_value(l, &seen, update->in[2], changes);
    arena_release(&scratch);
    return may;
}

// s = update(update(s, i, v), j, w): finds the updates that lead from a storage's old value to its new one. All of them
// store into the storage, or none does. Those between the two must not be wanted at the end.
static void find_changes(Lowering *l, const int *group_of, int number) {
    const Output *output = &l->g->outputs.at[number];
    const Node *old = l->old_value[output->storage->index], *node = output->value;
    for (int k = l->first_output[node->id]; k >= 0; k = l->next_output[k])
        if (l->g->outputs.at[k].storage && k != number) return;
    for (const Node *changes; old && node != old; node = changes) {
        changes = update_changes(node);
        bool between = node != output->value && l->first_output[node->id] >= 0;
        if (!changes || between || !l->stored[node->id] || !may_overwrite(l, group_of[node->id], node, changes)) return;
    }
    for (node = output->value; old && node != old; node = update_changes(node))
        l->changed[node->id] = storage_buffer(l, output->storage);
}

static void find_all_changes(Lowering *l) {
    int *group_of = NEW_ARRAY(l->arena, int, l->g->nodes.len + 1);
    for (int k = 0; k < l->g->groups.len; k++)
        for (int o = 0; o < l->g->groups.at[k].outputs.len; o++) group_of[l->g->groups.at[k].outputs.at[o]->id] = k;
    for (int k = 0; k < l->g->outputs.len; k++)
        if (l->g->outputs.at[k].storage) find_changes(l, group_of, k);
}

// The place that output `node` of a group is given outside the arena, or NULL.
static Buffer *place_outside(Lowering *l, int group, const Node *node) {
    if (l->changed[node->id] && l->first_output[node->id] < 0) return l->changed[node->id];
    int returned = -1, nreturned = 0, nbound = 0;
    for (int k = l->first_output[node->id]; k >= 0; k = l->next_output[k]) {
        const Output *output = &l->g->outputs.at[k];
        if (output->storage) {
            nbound++;
            if (!l->changed[node->id] && !can_be_in_place(l, group, output->storage)) continue;
            Buffer *buffer = l->output[k];
            l->output[k] = NULL;
            return buffer;
        }
        nreturned++;
        returned = k;
    }
    if (nreturned != 1 || nbound || l->g->groups.at[group].outputs.len != 1) return NULL;
    if (l->last_reader[node->id] > group) return NULL;
    Buffer *buffer = l->output[returned];
    l->output[returned] = NULL;
    return buffer;
}

static const char *value_name(const Lowering *l, const Node *node) {
    const char *name = node->name ? node->name : node->origin ? node->origin : node->op->name;
    if (node->copy) return arena_printf(l->arena, "%s_again", name);
    bool step = node->section == SECTION_UPDATE && node->name; // part of a parameter's update, under its name
    return step ? arena_printf(l->arena, "%s_%s", name, node->op->name) : name;
}

// A view of what is not in the arena is that whole array under its own dims.
static Buffer *make_view(Lowering *l, const Node *node) {
    const Node *base = l->views.base[node->id];
    const Buffer *of = base ? l->program->of_node[base->id] : NULL;
    if (!of || l->views.view[node->id]->part || of->scope == SCOPE_ARENA) return NULL;
    Buffer *buffer = buffer_new(l, of->name, &node->type, of->scope);
    buffer->storage = of->storage;
    buffer->argument = of->argument;
    buffer->output = of->output;
    return buffer;
}

// An element of the caller's array or of a storage lies there, and so do its views.
static void bind_views(Lowering *l) {
    for (int id = 0; id < l->g->nodes.len; id++) {
        Buffer *buffer = l->program->of_node[id];
        if (!l->views.view[id] || buffer->scope != SCOPE_ARENA) continue;
        Buffer *of = l->program->of_node[l->views.base[id]->id];
        buffer->view = l->views.view[id];
        buffer->view->of = of;
        buffer->scope = of->scope;
        buffer->storage = of->storage;
        buffer->argument = of->argument;
    }
}

static void make_values(Lowering *l) {
    for (int k = 0; k < l->g->groups.len; k++) {
        const Group *group = &l->g->groups.at[k];
        for (int o = 0; o < group->outputs.len; o++) {
            const Node *node = group->outputs.at[o];
            if (l->program->of_node[node->id]) continue; // of a loop
            bool prepared = l->prepared[node->id];
            Buffer *buffer = prepared ? NULL : make_view(l, node);
            if (!buffer && !prepared) buffer = place_outside(l, k, node);
            Scope scope = prepared ? SCOPE_PREPARED : SCOPE_ARENA;
            if (!buffer) buffer = buffer_new(l, value_name(l, node), &node->type, scope);
            buffer->value = node;
            l->program->of_node[node->id] = buffer;
        }
    }
}

// ---- kernels --------------------------------------------------------------------------------------------------------

static Kernel *kernel_new(Arena *arena, const char *name, const char *comment, const char *recipe) {
    Kernel *kernel = NEW(arena, Kernel);
    *kernel = (Kernel){.name = name, .comment = comment, .body = stmt_block(arena), .recipe = recipe};
    return kernel;
}

void program_add_prepare(Program *program, Call call) {
    vec_push(program->arena, &program->calls, (Call){0});
    for (int k = program->calls.len - 1; k > program->nprepare; k--) program->calls.at[k] = program->calls.at[k - 1];
    program->calls.at[program->nprepare++] = call;
}

static LowerContext *lower_apart(const LowerContext *ctx, const char *name, const char *comment) {
    LowerContext *made = NEW(ctx->arena, LowerContext);
    *made = (LowerContext){.arena = ctx->arena,
                           .program = ctx->program,
                           .group = ctx->group,
                           .kernel = kernel_new(ctx->arena, name, comment, "packing"),
                           .lanes = 1,
                           .local = ctx->local,
                           .recipe = ctx->recipe};
    return made;
}

LowerContext *lower_prepare(const LowerContext *ctx, const char *name, const char *comment) {
    LowerContext *made = lower_apart(ctx, name, comment);
    program_add_prepare(ctx->program, (Call){.kernel = made->kernel, .group = ctx->group});
    return made;
}

LowerContext *lower_ahead(const LowerContext *ctx, const char *name, const char *comment, int loop) {
    LowerContext *made = lower_apart(ctx, name, comment);
    const Node *last = ctx->group->outputs.at[ctx->group->outputs.len - 1];
    vec_push(ctx->arena, &ctx->program->ahead,
             (Call){.kernel = made->kernel,
                    .group = ctx->group,
                    .section = last->section,
                    .loop = graph_loop(ctx->program->graph, loop)->parent,
                    .ahead_of = loop});
    return made;
}

static void make_call(Lowering *l, Kernel *kernel, const Group *group, Buffer *skip_if_null, enum Section section) {
    vec_push(l->arena, &l->program->calls,
             (Call){.kernel = kernel,
                    .group = group,
                    .skip_if_null = skip_if_null,
                    .section = section,
                    .loop = group ? group->outputs.at[0]->loop : 0});
}

// What a kernel uses is known when its body is complete.
static void complete(Lowering *l, Call *call) {
    kernel_find_uses(l->arena, call->kernel);
    call->buffer = call_new(l->arena, call->kernel).buffer;
}

// Before anything else in the kernel.
static void fill_halos(LowerContext *ctx) {
    Stmt *body = ctx->kernel->body, *before = stmt_block(ctx->arena);
    for (int k = 0; k < ctx->group->outputs.len; k++)
        halo_fill(ctx, before, ctx->program->of_node[ctx->group->outputs.at[k]->id]);
    if (!before->body.len) return;
    stmt_append(ctx->arena, before, body);
    ctx->kernel->body = before;
}

static void make_kernel(Lowering *l, const Group *group) {
    int prepares = l->program->nprepare, aheads = l->program->ahead.len;
    Kernel *kernel = kernel_new(l->arena, NULL, NULL, NULL);
    kernel_describe(l->program, kernel, group);
    const Node *last = group->outputs.at[group->outputs.len - 1];
    bool prepared = l->prepared[last->id];
    LowerContext ctx = {.arena = l->arena,
                        .program = l->program,
                        .group = group,
                        .kernel = kernel,
                        .prepared = prepared ? NULL : l->prepared,
                        .lanes = 1};
    if (group->kind == GROUP_CONTRACT)
        lower_contraction(&ctx);
    else if (group->kind == GROUP_ROWS)
        lower_rows(&ctx);
    else
        lower_naive(&ctx);
    if (target_avoids_doubles(l->program->target, l->program->level)) lower_sums_to_floats(&ctx);
    fill_halos(&ctx);
    Buffer *buffer = l->program->of_node[last->id];
    if (prepared)
        program_add_prepare(l->program, (Call){.kernel = kernel, .group = group});
    else
        make_call(l, kernel, group, buffer->scope == SCOPE_ARGUMENT ? buffer : NULL, last->section);
    for (int k = prepares; k < l->program->nprepare; k++) complete(l, &l->program->calls.at[k]);
    for (int k = aheads; k < l->program->ahead.len; k++) complete(l, &l->program->ahead.at[k]);
    if (!prepared) complete(l, &l->program->calls.at[l->program->calls.len - 1]);
    share_remember(&l->shares, group, prepares, aheads);
}

static void make_copy(Lowering *l, Buffer *to, Buffer *from, Buffer *skip_if_null, enum Section section) {
    const char *comment = arena_printf(l->arena, "%s = %s, a copy", to->name, from->name);
    Kernel *kernel = kernel_new(l->arena, "copy", comment, "copy");
    LowerContext ctx = {.arena = l->arena, .program = l->program, .kernel = kernel, .lanes = 1};
    lower_copy(&ctx, to, from);
    make_call(l, kernel, NULL, skip_if_null, section);
    complete(l, &l->program->calls.at[l->program->calls.len - 1]);
}

static bool storage_is_bound(const Lowering *l, const Storage *storage) {
    for (int k = 0; k < l->g->outputs.len; k++)
        if (l->g->outputs.at[k].storage == storage) return true;
    return false;
}

// Outputs that are the old value of a storage that gets a new one.
static void copy_old_values(Lowering *l) {
    for (int k = 0; k < l->g->outputs.len; k++) {
        const Output *output = &l->g->outputs.at[k];
        if (!node_is(output->value, storage)) continue;
        Buffer *from = l->program->of_node[output->value->id];
        if (!storage_is_bound(l, from->storage)) continue;
        Buffer *to = l->output[k];
        if (to == from) {
            l->output[k] = NULL; // bound to itself
        } else if (output->storage) {
            l->saved[k] =
                buffer_new(l, arena_printf(l->arena, "%s_before", from->name), &output->value->type, SCOPE_ARENA);
            make_copy(l, l->saved[k], from, NULL, SECTION_FORWARD);
        } else {
            make_copy(l, to, from, to, SECTION_FORWARD);
            l->output[k] = NULL;
        }
    }
}

static void copy_outputs(Lowering *l) {
    for (int k = 0; k < l->g->outputs.len; k++) {
        const Output *output = &l->g->outputs.at[k];
        Buffer *to = l->output[k], *from = l->saved[k] ? l->saved[k] : l->program->of_node[output->value->id];
        if (!to || to == from) continue;
        make_copy(l, to, from, output->storage ? NULL : to, output->storage ? SECTION_UPDATE : SECTION_FORWARD);
    }
}

// ---- lifetimes ------------------------------------------------------------------------------------------------------

static void find_lifetimes(Program *program) {
    slots_find_loops(program);
    slots_find_homes(program);
    for (int c = 0; c < program->calls.len; c++)
        for (int k = 0; k < program->calls.at[c].kernel->uses.len; k++) {
            Buffer *buffer = program->calls.at[c].buffer[k];
            int first, last;
            slots_live(program, c, view_root(buffer)->home, &first, &last);
            if (buffer->first_call < 0 || first < buffer->first_call) buffer->first_call = first;
            if (last > buffer->last_call) buffer->last_call = last;
        }
    // Buffers that only the prepare part reads, also through their slots, are not kept.
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *buffer = program->buffers.at[k];
        Buffer *root = view_root(buffer);
        if (root->scope == SCOPE_PREPARED && buffer->last_call > root->last_call) root->last_call = buffer->last_call;
    }
    for (int k = 0; k < program->buffers.len; k++) {
        Buffer *buffer = program->buffers.at[k];
        bool kept = view_root(buffer)->last_call >= program->nprepare;
        if (buffer->scope == SCOPE_PREPARED && !kept) buffer->scope = SCOPE_ARENA;
    }
}

void program_drop_prepare(Program *program) {
    for (int c = program->nprepare; c < program->calls.len; c++)
        program->calls.at[c - program->nprepare] = program->calls.at[c];
    program->calls.len -= program->nprepare;
    program->nprepare = 0;
    for (int k = 0; k < program->buffers.len; k++)
        program->buffers.at[k]->first_call = program->buffers.at[k]->last_call = -1;
    find_lifetimes(program);
}

Program *program_lower_in(Arena *arena, Graph *g, const Target *target, int level, int threads, bool apart) {
    Program *program = NEW(arena, Program);
    int n = g->nodes.len;
    *program = (Program){.arena = arena, .graph = g, .target = target, .level = level, .threads = threads};
    program->of_node = NEW_ARRAY(arena, Buffer *, n + 1);
    Lowering l = {.program = program, .g = g, .arena = arena};
    l.stored = NEW_ARRAY(arena, bool, n + 1);
    l.prepared = level ? graph_find_prepared(arena, g) : NEW_ARRAY(arena, bool, n + 1);
    program->parts = NEW_ARRAY(arena, GroupParts, g->groups.len + 1);
    l.storage = NEW_ARRAY(arena, Buffer *, g->module->storages.len + 1);
    l.output = NEW_ARRAY(arena, Buffer *, g->outputs.len + 1);
    l.saved = NEW_ARRAY(arena, Buffer *, g->outputs.len + 1);
    l.last_reader = NEW_ARRAY(arena, int, n + 1);
    l.last_viewer = NEW_ARRAY(arena, int, n + 1);
    l.first_output = NEW_ARRAY(arena, int, n + 1);
    l.next_output = NEW_ARRAY(arena, int, g->outputs.len + 1);
    l.old_value = NEW_ARRAY(arena, const Node *, g->module->storages.len + 1);
    l.changed = NEW_ARRAY(arena, Buffer *, n + 1);
    l.shares = (Shares){.program = program, .prepared = l.prepared};
    mark_stored(&l);
    find_outputs(&l);
    for (int k = 0; k < g->groups.len; k++) program->parts[k] = group_parts(arena, l.stored, &g->groups.at[k]);
    l.views = (Views){.arena = arena, .g = g, .stored = l.stored, .prepared = l.prepared};
    views_find(&l.views);
    find_readers(&l);
    make_inputs(&l);
    find_all_changes(&l);
    slots_leave(program);
    make_values(&l);
    slots_enter(program);
    bind_views(&l);
    if (level) halos_choose(program);
    views_lay_out(program);
    copy_old_values(&l);
    for (int k = 0; k < g->groups.len; k++)
        if (!views_replace(&l.views, &g->groups.at[k]) && (apart || !share_call(&l.shares, &g->groups.at[k])))
            make_kernel(&l, &g->groups.at[k]);
    copy_outputs(&l);
    slots_place_ahead(program);
    find_lifetimes(program);
    return program;
}
