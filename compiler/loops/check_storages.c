// check_storages.c: the part of the plan's proof that is about storages (parameters, buffers, optimiser state, state),
// which are written in place: no call reads an old value after the call that wrote the new one, or a new value before
// it.
//     call 5: d_h = ... fc2.weight          reads the old weight: must come before
//     call 6: fc2.weight = fc2.weight - ... reads and writes it: each element is read before it is stored
//     call 7: y = ... fc2.weight            is right only if the graph wants the new weight there
//     call 8: cache = update(cache, pos, k) stores one row: the rest must be what it changes, and the row is not read
//     call 9: cache = update(cache, ...)    the same, of what call 8 left
// The graph says which of the values a call wants, by the nodes that its group computes; its kernel says what it reads
// and writes, and whether it stores all of the result. Nothing of lower.c is used.
#include "loops/check.h"

// MADE: what an update before the last one left. KEEPS: it stores parts, and the rest of the storage is wanted as it
// is.
enum { WANTS_OLD = 1, WANTS_NEW = 2, READS = 4, WRITES = 8, WANTS_MADE = 16, KEEPS = 32 };

typedef struct Storages {
    const Program *program;
    Memory *memory;
    Arena *arena;
    int *first_write, *last_write; // by storage: the calls; -1
    int *latest;                   // by storage: the last call so far that writes it; -1
    int *maker;                    // by node: the call that computes it; -1
    int *made;                     // by storage, of one call: the maker of what it wants, where that is MADE
    int *found;                    // by storage, of one call: what it wants and does
    VEC(int) touched;              // of one call: the storages with an entry in `found`
    Buffer **reads, **writes;      // by storage, of one call: through which buffer
    const Buffer *written;         // of one call: the last buffer that it writes
    int *seen;                     // by node: the call that saw it last, from 1
    int *bound, *next_bound;       // by node: its first output that is a storage; by output: the next; -1
} Storages;

static const char *wrong(const Storages *s, const char *what, const Storage *storage, int call, int other) {
    return arena_printf(s->program->arena, "call %d reads %s, %s call %d", call, storage->name, what, other);
}

// ---- what calls do --------------------------------------------------------------------------------------------------

static void add_found(Storages *s, int storage, int what) {
    if (!s->found[storage]) vec_push(s->arena, &s->touched, storage);
    s->found[storage] |= what;
}

static void see_use(Storages *s, Buffer *buffer, bool write) {
    if (write) s->written = buffer;
    if (buffer->scope != SCOPE_STORAGE) return;
    int k = buffer->storage->index;
    add_found(s, k, write ? WRITES : READS);
    *(write ? &s->writes[k] : &s->reads[k]) = buffer;
}

static void see_call(Storages *s, const Call *call) {
    for (int k = 0; k < s->touched.len; k++) s->found[s->touched.at[k]] = 0;
    s->touched.len = 0;
    for (int k = 0; k < call->kernel->uses.len; k++) {
        if (call->kernel->uses.at[k].read) see_use(s, call->buffer[k], false);
        if (call->kernel->uses.at[k].written) see_use(s, call->buffer[k], true);
    }
}

static void find_writes(Storages *s) {
    for (int call = 0; call < s->program->calls.len; call++) {
        see_call(s, &s->program->calls.at[call]);
        for (int i = 0; i < s->touched.len; i++) {
            int k = s->touched.at[i];
            if (!(s->found[k] & WRITES)) continue;
            if (s->first_write[k] < 0) s->first_write[k] = call;
            s->last_write[k] = call;
        }
    }
}

// ---- what calls want ------------------------------------------------------------------------------------------------

static void find_bound(Storages *s) {
    const Graph *g = s->program->graph;
    for (int k = g->outputs.len - 1; k >= 0; k--) {
        if (!g->outputs.at[k].storage) continue;
        int *first = &s->bound[g->outputs.at[k].value->id];
        s->next_bound[k] = *first;
        *first = k;
    }
}

static void want_made(Storages *s, int storage, int maker) {
    bool other = s->found[storage] & WANTS_MADE && s->made[storage] != maker;
    add_found(s, storage, WANTS_MADE);
    s->made[storage] = other ? -1 : maker; // no call can find both
}

// A stored value that lies in a storage: that storage's value at entry, its last assignment, what an update before that
// has left, or a view of one of them, such as an element.
static void want_value(Storages *s, const Node *node) {
    const Buffer *lies = s->program->of_node[node->id];
    if (!lies || lies->scope != SCOPE_STORAGE) return;
    for (const Node *at = node; at;) {
        if (node_is(at, update) && s->bound[at->id] < 0) {
            want_made(s, lies->storage->index, s->maker[at->id]);
            return;
        }
        for (int k = s->bound[at->id]; k >= 0; k = s->next_bound[k])
            if (s->program->graph->outputs.at[k].storage == lies->storage) {
                add_found(s, lies->storage->index, WANTS_NEW);
                return;
            }
        bool shows = at->op->traits & (OP_MOVEMENT | OP_IDENTITY) || node_is(at, element);
        at = shows && at->nin == 1 ? at->in[0] : NULL;
    }
    add_found(s, lies->storage->index, WANTS_OLD);
}

// From a value that the call computes down to what is stored by others.
static void want_inputs(Storages *s, const Node *node, const Group *group, int call) {
    if (s->seen[node->id] == call + 1) return;
    s->seen[node->id] = call + 1;
    if (s->program->of_node[node->id] && !group_stores(group, node)) {
        want_value(s, node);
        return;
    }
    for (int k = 0; k < node->nin; k++) want_inputs(s, node->in[k], group, call);
}

// ---- what calls leave as it is
// ------------------------------------------------------------------------------------------

// Whether a store in these loops writes each element: its index is the loops' variables, which run over whole axes.
static bool is_whole_store(const Stmt *stmt, const Buffer *to, const Index *const *at) {
    for (int d = 0; d < to->rank; d++) {
        const struct Term *term = at[d]->term;
        bool variable = at[d]->nterms == 1 && !at[d]->c && term->coef == 1 && term->atom.kind == ATOM_VAR;
        const Stmt *loop = variable ? term->atom.var->loop : NULL;
        Arena scratch = {0};
        bool all = loop && !loop->lo->c && !loop->lo->nterms && loop->step == 1 &&
                   index_equal(loop->hi, index_size(&scratch, to->dim[d]));
        arena_release(&scratch);
        if (!all) return false;
    }
    return stmt->kind == STMT_STORE && stmt->value->lanes == 1;
}

// Guarded statements may not run.
static bool stores_all(const Stmt *stmt, const Buffer *to) {
    if (stmt->kind == STMT_IF) return false;
    if (stmt->buffer == to && stmt->at && is_whole_store(stmt, to, stmt->at)) return true;
    for (int k = 0; k < stmt->body.len; k++)
        if (stores_all(stmt->body.at[k], to)) return true;
    return false;
}

// An update whose kernel does not store all of its result must find the rest where it stores: in a storage.
static const char *check_kept(Storages *s, const Call *call, int number) {
    const Node *node = call->group->outputs.at[0], *of = node->nin ? node->in[0] : NULL;
    if (!node_is(node, update)) return NULL;
    const Buffer *to = NULL;
    for (int k = 0; k < call->kernel->uses.len; k++)
        if (call->buffer[k] == s->program->of_node[node->id]) to = call->kernel->uses.at[k].buffer;
    if (to && stores_all(call->kernel->body, to)) return NULL;
    while (of->op->traits & OP_IDENTITY) of = of->in[0];
    const Buffer *lies = s->program->of_node[of->id], *made = s->program->of_node[node->id];
    if (!to || made->scope != SCOPE_STORAGE || !lies || lies->storage != made->storage)
        return arena_printf(s->program->arena, "call %d stores parts of %s, which does not hold the others", number,
                            made->name);
    add_found(s, made->storage->index, KEEPS);
    want_value(s, of);
    return NULL;
}

// The output that lies in a buffer, or NULL.
static const Output *output_in(const Graph *g, const Buffer *buffer) {
    int returned = 0;
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        if (output->storage ? output->storage == buffer->storage
                            : buffer->scope == SCOPE_ARGUMENT && buffer->output == returned++)
            return output;
    }
    return NULL;
}

// A copy to an output wants that output's value; a copy to the arena wants the old value, which it keeps.
static void want_copied(Storages *s) {
    const Output *output = output_in(s->program->graph, s->written);
    if (output) want_value(s, output->value);
    for (int i = 0; i < s->touched.len && !output; i++)
        if (s->found[s->touched.at[i]] & READS) s->found[s->touched.at[i]] |= WANTS_OLD;
}

// ---- the proof ------------------------------------------------------------------------------------------------------

static const char *check_use(const Storages *s, int k, int call) {
    const Storage *storage = s->program->graph->module->storages.at[k];
    int found = s->found[k], first = s->first_write[k], last = s->last_write[k];
    if (!(found & (READS | KEEPS)) || first < 0) return NULL;
    if (found & KEEPS && found & READS) return wrong(s, "parts of which it replaces in place:", storage, call, call);
    if (found & WANTS_MADE && s->made[k] < 0)
        return arena_printf(s->program->arena, "call %d needs %s before an update has made it", call, storage->name);
    if (found & WANTS_MADE && s->latest[k] != s->made[k])
        return wrong(s, "of which another value is left by", storage, call, s->latest[k]);
    if (found & WANTS_OLD && call > first) return wrong(s, "whose old value is overwritten by", storage, call, first);
    if (found & WANTS_NEW && call <= last) return wrong(s, "whose new value is written by", storage, call, last);
    if (found & (WANTS_OLD | WANTS_MADE) && found & WRITES && found & READS &&
        !check_in_place(&s->memory->in_place, &s->program->calls.at[call], s->reads[k], s->writes[k]))
        return wrong(s, "parts of which are overwritten before, by the same", storage, call, call);
    return NULL;
}

const char *check_storages(Memory *memory) {
    Arena scratch = {0};
    const Program *program = memory->program;
    int n = program->graph->module->storages.len, nodes = program->graph->nodes.len;
    Storages s = {.program = program,
                  .memory = memory,
                  .arena = &scratch,
                  .first_write = numbers_new(&scratch, n),
                  .last_write = numbers_new(&scratch, n),
                  .latest = numbers_new(&scratch, n),
                  .maker = numbers_new(&scratch, nodes),
                  .made = numbers_new(&scratch, n),
                  .found = NEW_ARRAY(&scratch, int, n + 1),
                  .reads = NEW_ARRAY(&scratch, Buffer *, n + 1),
                  .writes = NEW_ARRAY(&scratch, Buffer *, n + 1),
                  .seen = NEW_ARRAY(&scratch, int, nodes + 1),
                  .bound = numbers_new(&scratch, nodes),
                  .next_bound = numbers_new(&scratch, program->graph->outputs.len)};
    const char *found = NULL;
    find_writes(&s);
    find_bound(&s);
    for (int call = 0; call < program->calls.len && !found; call++) {
        const Group *group = program->calls.at[call].group;
        see_call(&s, &program->calls.at[call]);
        for (int k = 0; group && k < group->outputs.len; k++) {
            s.maker[group->outputs.at[k]->id] = call;
            want_inputs(&s, group->outputs.at[k], group, call);
        }
        if (!group) want_copied(&s);
        if (group) found = check_kept(&s, &program->calls.at[call], call);
        for (int i = 0; i < s.touched.len && !found; i++) found = check_use(&s, s.touched.at[i], call);
        for (int i = 0; i < s.touched.len; i++)
            if (s.found[s.touched.at[i]] & WRITES) s.latest[s.touched.at[i]] = call;
    }
    arena_release(&scratch);
    return found;
}
