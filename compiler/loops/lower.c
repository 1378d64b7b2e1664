// lower.c: from a grouped graph to a program: buffers, one kernel per group, copies.
//     k0 contraction of %3 stores %5        becomes        call k0: h[n, o] = relu(sum x[n, i] * w[o, i] + bias[o])
// Where a value lives is decided first: an update goes straight into its storage when nothing reads the old value later;
// a returned value that is its kernel's only result goes straight to the caller; the rest goes to the arena and is copied
// at the end of the entry. The recursion `lower_value` inlines whatever is not stored.
#include <string.h>

#include "loops/lower.h"

// ---- values ------------------------------------------------------------------------------------------------------------

// Expressions of the statement being built, so that shared work is computed once.
typedef struct Memo {
    struct MemoEntry {
        struct MemoEntry *next;
        Index **at;
        Expr *expr;
    } **entry; // by node id
    int *epoch; // of each list
    int now;
} Memo;

void lower_forget(LowerContext *ctx) {
    if (ctx->memo) ctx->memo->now++;
}

static Memo *memo_of(LowerContext *ctx) {
    if (ctx->memo) return ctx->memo;
    int n = ctx->program->graph->nodes.len + 1;
    ctx->memo = NEW(ctx->arena, Memo);
    ctx->memo->entry = NEW_ARRAY(ctx->arena, struct MemoEntry *, n);
    ctx->memo->epoch = NEW_ARRAY(ctx->arena, int, n);
    ctx->memo->now = 1;
    return ctx->memo;
}

static Expr *memo_find(LowerContext *ctx, const Node *node, Index *const *at) {
    Memo *memo = memo_of(ctx);
    if (memo->epoch[node->id] != memo->now) return NULL;
    for (struct MemoEntry *entry = memo->entry[node->id]; entry; entry = entry->next) {
        bool same = true;
        for (int d = 0; d < node->type.rank && same; d++) same = index_equal(entry->at[d], at[d]);
        if (same) return entry->expr;
    }
    return NULL;
}

static void memo_keep(LowerContext *ctx, const Node *node, Index *const *at, Expr *expr) {
    Memo *memo = memo_of(ctx);
    if (memo->epoch[node->id] != memo->now) memo->entry[node->id] = NULL;
    memo->epoch[node->id] = memo->now;
    struct MemoEntry *entry = NEW(ctx->arena, struct MemoEntry);
    entry->next = memo->entry[node->id];
    entry->expr = expr;
    entry->at = NEW_ARRAY(ctx->arena, Index *, node->type.rank + 1);
    for (int d = 0; d < node->type.rank; d++) entry->at[d] = at[d];
    memo->entry[node->id] = entry;
}

static bool is_own_output(const LowerContext *ctx, const Node *node) {
    for (int k = 0; ctx->group && k < ctx->group->outputs.len; k++)
        if (ctx->group->outputs.at[k] == node) return true;
    return false;
}

static Expr *lower_stored(LowerContext *ctx, Buffer *buffer, Index *const *at) {
    int lanes = 1;
    for (int d = 0; ctx->lane_var && d < buffer->rank; d++)
        if (index_uses(at[d], ctx->lane_var)) {
            int64_t coef;
            if (d != buffer->rank - 1 || !index_linear(at[d], ctx->lane_var, &coef) || coef != 1)
                dlc_bug("lower", "lanes of %s are not consecutive", buffer->name);
            lanes = ctx->lanes;
        }
    return expr_load(ctx->arena, buffer, at, lanes);
}

static Expr *lower_inlined(LowerContext *ctx, const Node *node, Index *const *at) {
    const Op *op = node->op;
    if (op->traits & OP_IDENTITY) return lower_value(ctx, node->in[0], at);
    if (op->move) {
        Index *in[MAX_RANK];
        op->move(ctx, node, at, in);
        return lower_value(ctx, node->in[0], in);
    }
    if (op->lower) return op->lower(ctx, node, at);
    if (!(op->traits & OP_ELEMENTWISE)) dlc_bug("lower", "%s is read but nobody stores it", node_text(ctx->arena, node));
    Expr *arg[8];
    for (int k = 0; k < node->nin; k++) arg[k] = lower_value(ctx, node->in[k], at);
    return expr_apply(ctx->arena, node, op, node->type.dtype, arg, node->nin);
}

Expr *lower_value(LowerContext *ctx, const Node *node, Index *const *at) {
    Expr *found = ctx->local ? ctx->local(ctx, node, at) : NULL;
    if (found) return found;
    found = memo_find(ctx, node, at);
    if (found) return found;
    Buffer *buffer = is_own_output(ctx, node) ? NULL : ctx->program->of_node[node->id];
    found = buffer ? lower_stored(ctx, buffer, at) : lower_inlined(ctx, node, at);
    memo_keep(ctx, node, at, found);
    return found;
}

// ---- where values live -----------------------------------------------------------------------------------------------------

typedef struct Placing {
    Program *program;
    int *group_of;   // by node id: the group that stores it, or -1
    NodeVec *users;  // by node id
} Placing;

static char *c_name(Arena *arena, const char *name) {
    char *to = arena_strdup(arena, name);
    for (char *c = to; *c; c++) {
        bool fine = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
        if (!fine) *c = '_';
    }
    return to;
}

static Buffer *buffer_of_type(Program *program, const char *name, const Type *type, Scope scope) {
    Buffer *b = buffer_scratch(program, c_name(program->arena, name), type->dtype, type->rank, type->dim, scope);
    if (scope != SCOPE_ARENA) vec_push(program->arena, &program->buffers, b);
    return b;
}

static Buffer *storage_buffer(Program *program, Storage *storage) {
    for (int k = 0; k < program->buffers.len; k++)
        if (program->buffers.at[k]->storage == storage) return program->buffers.at[k];
    Buffer *b = buffer_of_type(program, storage->name, &storage->type, SCOPE_STORAGE);
    b->storage = storage;
    return b;
}

static void place_inputs(Program *program) {
    Graph *g = program->graph;
    for (int k = 0; k < g->arguments.len; k++) {
        Node *node = g->arguments.at[k];
        Buffer *b = buffer_of_type(program, node->attr[0].s, &node->type, SCOPE_ARGUMENT);
        b->argument = k;
        b->by_value = node->type.rank == 0;
        b->value = node;
        program->of_node[node->id] = b;
    }
    for (int k = 0; k < g->nodes.len; k++)
        if (node_is(g->nodes.at[k], "storage")) {
            Node *node = g->nodes.at[k];
            program->of_node[k] = storage_buffer(program, module_find_storage(g->module, node->attr[0].s));
            program->of_node[k]->value = node;
        }
}

static const Node *old_value(const Graph *g, const Storage *storage) {
    for (int k = 0; k < g->nodes.len; k++)
        if (node_is(g->nodes.at[k], "storage") && !strcmp(g->nodes.at[k]->attr[0].s, storage->name)) return g->nodes.at[k];
    return NULL;
}

// Whether the old value, followed through what is inlined from `node` on, is read only before `writer` runs, or by
// `writer` itself at the very index that it writes (`same` is false once something moved or summed it).
static bool reads_allow(const Placing *p, const Node *node, int writer, bool same, bool *seen) {
    for (int u = 0; u < p->users[node->id].len; u++) {
        const Node *user = p->users[node->id].at[u];
        bool keeps = same && user->op->traits & (OP_ELEMENTWISE | OP_IDENTITY);
        int reader = p->group_of[user->id];
        if (reader > writer) return false;
        if (reader == writer && !keeps) return false;
        if (reader >= 0 && reader != writer) continue; // runs before: done with it by then
        if (reader == writer) {
            // An output of the writer that others read again is stored; only what the writer inlines goes on.
            if (!seen[user->id] && (seen[user->id] = true) && !reads_allow(p, user, writer, true, seen)) return false;
            continue;
        }
        if (seen[user->id] && keeps) continue;
        seen[user->id] = true;
        if (!reads_allow(p, user, writer, keeps, seen)) return false;
    }
    return true;
}

static int count_outputs(const Graph *g, const Node *node) {
    int count = 0;
    for (int k = 0; k < g->outputs.len; k++) count += g->outputs.at[k].value == node;
    return count;
}

// Whether the bound output can be stored where its old value is.
static bool fits_in_place(const Placing *p, const Output *output) {
    const Graph *g = p->program->graph;
    int writer = p->group_of[output->value->id];
    if (writer < 0) return false;
    for (int k = 0; k < g->outputs.len; k++) // bound to two storages: the first takes it
        if (&g->outputs.at[k] < output && g->outputs.at[k].value == output->value && g->outputs.at[k].storage) return false;
    const Node *old = old_value(g, output->storage);
    if (!old) return true;
    if (count_outputs(g, old)) return false;
    // What is inlined is visited once per way of reading it.
    Arena scratch = {0};
    bool *seen = NEW_ARRAY(&scratch, bool, g->nodes.len + 1);
    bool fits = reads_allow(p, old, writer, true, seen);
    arena_release(&scratch);
    return fits;
}

static void place_outputs(Placing *p) {
    Program *program = p->program;
    Graph *g = program->graph;
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        if (output->storage && fits_in_place(p, output)) program->of_node[output->value->id] = storage_buffer(program, output->storage);
    }
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        Node *value = output->value;
        int group = p->group_of[value->id];
        bool direct = !output->storage && group >= 0 && !program->of_node[value->id] && g->groups.at[group].outputs.len == 1 &&
                      count_outputs(g, value) == 1 && p->users[value->id].len == 0;
        if (!direct) continue;
        Buffer *b = buffer_of_type(program, output->name, &value->type, SCOPE_ARGUMENT);
        b->output = k;
        b->value = value;
        program->of_node[value->id] = b;
    }
    for (int k = 0; k < g->groups.len; k++)
        for (int o = 0; o < g->groups.at[k].outputs.len; o++) {
            Node *value = g->groups.at[k].outputs.at[o];
            if (program->of_node[value->id]) continue;
            const char *name = value->name ? value->name : value->origin ? value->origin : value->op->name;
            Buffer *b = buffer_of_type(program, name, &value->type, SCOPE_ARENA);
            b->value = value;
            program->of_node[value->id] = b;
        }
}

// ---- kernels ---------------------------------------------------------------------------------------------------------------

// What a kernel computes, in the user's words: "linear_relu", and a comment with the .dl line and what is fused.
typedef struct Description {
    Str name, fused;
    bool *seen;
    int parts;
} Description;

static bool is_stored_before(const Program *program, const Group *group, const Node *node) {
    if (!program->of_node[node->id]) return false;
    for (int k = 0; k < group->outputs.len; k++)
        if (group->outputs.at[k] == node) return false;
    return true;
}

static void describe_node(const Program *program, const Group *group, const Node *node, Description *d) {
    if (d->seen[node->id] || is_stored_before(program, group, node)) return;
    d->seen[node->id] = true;
    for (int k = 0; k < node->nin; k++) describe_node(program, group, node->in[k], d);
    if (node->op->traits & (OP_MOVEMENT | OP_SOURCE | OP_IDENTITY | OP_INPUT)) return;
    str_printf(&d->fused, d->fused.len ? ", %s" : "%s", node->op->name);
    d->parts++;
}

static void describe(Program *program, const Group *group, Kernel *kernel) {
    static const char *const sections[] = {"", "", "gradient ", "update "};
    Arena *arena = program->arena;
    const Node *last = group->outputs.at[group->outputs.len - 1];
    const Node *main = group->root ? group->root : group->reduces.len ? group->reduces.at[0] : last;
    Description d = {str_new(arena), str_new(arena), NEW_ARRAY(arena, bool, program->graph->nodes.len + 1), 0};
    for (int k = 0; k < group->outputs.len; k++) describe_node(program, group, group->outputs.at[k], &d);
    const char *made = main->origin ? main->origin : main->op->name;
    str_put(&d.name, c_name(arena, made));
    if (main->section == SECTION_BACKWARD) str_put(&d.name, "_grad");
    const char *end = last->origin && !strcmp(last->origin, made) ? last->op->name : last->origin ? last->origin : last->op->name;
    if (last != main && strcmp(end, made)) str_printf(&d.name, "_%s", c_name(arena, end));
    kernel->name = arena_strdup(arena, str_text(&d.name));
    Str comment = str_new(arena);
    for (int k = 0; k < group->outputs.len; k++) {
        const Node *value = group->outputs.at[k];
        const Buffer *b = program->of_node[value->id];
        str_printf(&comment, k ? ", %s: " : "%s: ", b->storage ? b->storage->name : b->name);
        type_print(&comment, &value->type, program->graph->module->sizes);
    }
    const char *place = span_text(arena, main->span);
    str_printf(&comment, "\n%s%s", sections[main->section], made);
    if (*place) str_printf(&comment, " at %s", place);
    if (d.parts > 1) str_printf(&comment, "; fused: %s", str_text(&d.fused));
    kernel->comment = arena_strdup(arena, str_text(&comment));
}

static double group_flops(const Program *program, const Group *group, const Node *node, bool *seen) {
    if (seen[node->id] || is_stored_before(program, group, node)) return 0;
    seen[node->id] = true;
    double flops = (double)node->op->flops * (double)type_count(&node->type);
    if (node->op->traits & OP_REDUCES) {
        const Iter *iter = node_attr(node, "iter")->iter;
        flops = node->op->flops;
        for (int a = 0; a < iter->naxes; a++) flops *= iter->axis[a].extent;
    }
    for (int k = 0; k < node->nin; k++) flops += group_flops(program, group, node->in[k], seen);
    return flops;
}

static void lower_group(Program *program, Group *group) {
    Kernel *kernel = NEW(program->arena, Kernel);
    kernel->body = stmt_block(program->arena);
    bool *seen = NEW_ARRAY(program->arena, bool, program->graph->nodes.len + 1);
    for (int k = 0; k < group->outputs.len; k++) kernel->flops += group_flops(program, group, group->outputs.at[k], seen);
    LowerContext ctx = {.arena = program->arena, .program = program, .group = group, .kernel = kernel, .lanes = 1};
    if (group->kind == GROUP_CONTRACT)
        lower_contraction(&ctx);
    else if (group->kind == GROUP_ROWS)
        lower_rows(&ctx);
    else
        lower_naive(&ctx);
    describe(program, group, kernel);
    Call call = {.kernel = kernel, .group = group, .section = group->outputs.at[0]->section};
    Buffer *b = program->of_node[group->outputs.at[0]->id];
    if (group->outputs.len == 1 && b->output >= 0) call.skip_if_null = b;
    vec_push(program->arena, &program->calls, call);
}

// ---- copies at the end --------------------------------------------------------------------------------------------------------

static void add_copy(Program *program, Buffer *from, Buffer *to, enum Section section) {
    Kernel *kernel = NEW(program->arena, Kernel);
    LowerContext ctx = {.arena = program->arena, .program = program, .kernel = kernel, .lanes = 1};
    kernel->name = "copy";
    kernel->recipe = "copy";
    kernel->comment = arena_printf(program->arena, "%s = %s", to->name, from->name);
    kernel->body = stmt_block(program->arena);
    Stmt *body = kernel->body;
    Index *at[MAX_RANK];
    for (int d = 0; d < from->rank; d++) {
        Var *var = var_new(&ctx, "i");
        Stmt *loop = stmt_for(program->arena, var, index_const(program->arena, 0), index_size(program->arena, from->dim[d]), 1);
        stmt_append(program->arena, body, loop);
        body = loop;
        at[d] = index_var(program->arena, var);
    }
    stmt_append(program->arena, body, stmt_store(program->arena, to, at, expr_load(program->arena, from, at, 1)));
    Call call = {.kernel = kernel, .section = section};
    if (to->output >= 0) call.skip_if_null = to;
    vec_push(program->arena, &program->calls, call);
}

// Returned values first, while every storage that was not updated in place still has its old value. A bound value that
// lives in a storage goes through the arena, since that storage may be overwritten by another copy (a, b = b, a).
static void add_copies(Program *program) {
    Graph *g = program->graph;
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        Buffer *from = program->of_node[output->value->id];
        if (output->storage || from->output == k) continue;
        Buffer *to = buffer_of_type(program, output->name, &output->value->type, SCOPE_ARGUMENT);
        to->output = k;
        add_copy(program, from, to, output->value->section);
    }
    Buffer **source = NEW_ARRAY(program->arena, Buffer *, g->outputs.len + 1);
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        source[k] = program->of_node[output->value->id];
        if (!output->storage || source[k]->storage == output->storage || source[k]->scope != SCOPE_STORAGE) continue;
        Buffer *aside = buffer_of_type(program, "aside", &output->value->type, SCOPE_ARENA);
        add_copy(program, source[k], aside, SECTION_UPDATE);
        source[k] = aside;
    }
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        if (output->storage && source[k]->storage != output->storage)
            add_copy(program, source[k], storage_buffer(program, output->storage), SECTION_UPDATE);
    }
}

// ---- lifetimes ---------------------------------------------------------------------------------------------------------------

typedef struct Lifetimes {
    int call;
} Lifetimes;

static void live_at(void *context, Buffer *buffer, bool write) {
    const Lifetimes *lifetimes = context;
    (void)write;
    if (buffer->first_call < 0) buffer->first_call = lifetimes->call;
    buffer->last_call = lifetimes->call;
}

Program *program_lower(Graph *g, const Target *target, int level, int threads) {
    Arena scratch = {0};
    Program *program = NEW(g->arena, Program);
    *program = (Program){.arena = g->arena, .graph = g, .target = target, .level = level, .threads = threads};
    program->of_node = NEW_ARRAY(g->arena, Buffer *, g->nodes.len + 1);
    Placing p = {program, NEW_ARRAY(&scratch, int, g->nodes.len + 1), NEW_ARRAY(&scratch, NodeVec, g->nodes.len + 1)};
    for (int k = 0; k < g->nodes.len; k++) {
        p.group_of[k] = -1;
        for (int i = 0; i < g->nodes.at[k]->nin; i++) vec_push(&scratch, &p.users[g->nodes.at[k]->in[i]->id], g->nodes.at[k]);
    }
    for (int k = 0; k < g->groups.len; k++)
        for (int o = 0; o < g->groups.at[k].outputs.len; o++) p.group_of[g->groups.at[k].outputs.at[o]->id] = k;
    place_inputs(program);
    place_outputs(&p);
    for (int k = 0; k < g->groups.len; k++) lower_group(program, &g->groups.at[k]);
    add_copies(program);
    for (int k = 0; k < program->calls.len; k++) {
        Lifetimes lifetimes = {k};
        stmt_visit_buffers(program->calls.at[k].kernel->body, live_at, &lifetimes);
    }
    arena_release(&scratch);
    return program;
}
