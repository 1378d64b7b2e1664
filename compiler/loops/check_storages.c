// check_storages.c: the part of the plan's proof that is about parameters, buffers and optimiser state, which are
// written in place: nobody reads an old value after the call that wrote the new one, or a new one before it.
//     call 5: d_h = ... fc2.weight          reads the old weight: must come before
//     call 6: fc2.weight = fc2.weight - ... reads and writes it: each element is read before it is stored
//     call 7: y = ... fc2.weight            is right only if the graph wants the new weight there
// Which of the two a call wants is found in the graph, from the nodes that its group computes; what it reads and writes
// in its statements. Nothing of lower.c is used.
#include <string.h>

#include "loops/check.h"

enum { WANTS_OLD = 1, WANTS_NEW = 2, READS = 4, WRITES = 8 };

typedef struct Storages {
    const Program *program;
    Arena *arena;
    int count;
    int *first_write, *last_write; // by storage: the calls; -1
    int *found;                    // by storage, of one call: what it wants and does
    Buffer **reads, **writes;      // by storage, of one call: through which buffer
    const Buffer *written;         // of one call: the last buffer that it writes
    int *seen;                     // by node: the call that saw it last, from 1
} Storages;

static const char *wrong(const Storages *s, const char *what, const Storage *storage, int call, int other) {
    return arena_printf(s->program->arena, "call %d reads %s, %s call %d", call, storage->name, what, other);
}

// ---- what calls do --------------------------------------------------------------------------------------------------

static void see_buffer(void *context, Buffer *buffer, bool write) {
    Storages *s = context;
    if (write) s->written = buffer;
    if (buffer->scope != SCOPE_STORAGE) return;
    int k = buffer->storage->index;
    s->found[k] |= write ? WRITES : READS;
    *(write ? &s->writes[k] : &s->reads[k]) = buffer;
}

static void see_call(Storages *s, int call) {
    memset(s->found, 0, (size_t)s->count * sizeof *s->found);
    stmt_visit_buffers(s->program->calls.at[call].kernel->body, see_buffer, s);
}

static void find_writes(Storages *s) {
    for (int k = 0; k < s->count; k++) s->first_write[k] = s->last_write[k] = -1;
    for (int call = 0; call < s->program->calls.len; call++) {
        see_call(s, call);
        for (int k = 0; k < s->count; k++) {
            if (!(s->found[k] & WRITES)) continue;
            if (s->first_write[k] < 0) s->first_write[k] = call;
            s->last_write[k] = call;
        }
    }
}

// ---- what calls want ------------------------------------------------------------------------------------------------

// A stored value that lies in a storage: that storage's value at entry, its last assignment, or a view of one of them.
static void want_value(Storages *s, const Node *node) {
    const Graph *g = s->program->graph;
    const Buffer *lies = s->program->of_node[node->id];
    if (!lies || lies->scope != SCOPE_STORAGE) return;
    for (const Node *at = node; at; at = at->nin ? at->in[0] : NULL)
        for (int k = 0; k < g->outputs.len; k++)
            if (g->outputs.at[k].value == at && g->outputs.at[k].storage == lies->storage) {
                s->found[lies->storage->index] |= WANTS_NEW;
                return;
            }
    s->found[lies->storage->index] |= WANTS_OLD;
}

// From a value that the call computes down to what is stored by others.
static void want_inputs(Storages *s, const Node *node, const Group *group, int call) {
    bool own = false;
    for (int k = 0; k < group->outputs.len; k++) own |= group->outputs.at[k] == node;
    if (s->seen[node->id] == call + 1) return;
    s->seen[node->id] = call + 1;
    if (s->program->of_node[node->id] && !own) {
        want_value(s, node);
        return;
    }
    for (int k = 0; k < node->nin; k++) want_inputs(s, node->in[k], group, call);
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

// A copy makes an output of its value; into the arena it keeps an old value.
static void want_copied(Storages *s) {
    const Output *output = output_in(s->program->graph, s->written);
    if (output) want_value(s, output->value);
    for (int k = 0; k < s->count && !output; k++)
        if (s->found[k] & READS) s->found[k] |= WANTS_OLD;
}

// ---- the proof ------------------------------------------------------------------------------------------------------

static const char *check_use(const Storages *s, int k, int call) {
    const Storage *storage = s->program->graph->module->storages.at[k];
    int found = s->found[k], first = s->first_write[k], last = s->last_write[k];
    if (!(found & READS) || first < 0) return NULL;
    if (found & WANTS_OLD && call > first) return wrong(s, "whose old value is overwritten by", storage, call, first);
    if (found & WANTS_NEW && call <= last) return wrong(s, "whose new value is written by", storage, call, last);
    if (found & WANTS_OLD && found & WRITES &&
        !check_in_place(s->program->calls.at[call].kernel, s->reads[k], s->writes[k]))
        return wrong(s, "parts of which are overwritten before, by the same", storage, call, call);
    return NULL;
}

const char *check_storages(const Program *program) {
    Arena scratch = {0};
    int n = program->graph->module->storages.len;
    Storages s = {.program = program,
                  .arena = &scratch,
                  .count = n,
                  .first_write = NEW_ARRAY(&scratch, int, n + 1),
                  .last_write = NEW_ARRAY(&scratch, int, n + 1),
                  .found = NEW_ARRAY(&scratch, int, n + 1),
                  .reads = NEW_ARRAY(&scratch, Buffer *, n + 1),
                  .writes = NEW_ARRAY(&scratch, Buffer *, n + 1),
                  .seen = NEW_ARRAY(&scratch, int, program->graph->nodes.len + 1)};
    const char *found = NULL;
    find_writes(&s);
    for (int call = 0; call < program->calls.len && !found; call++) {
        const Group *group = program->calls.at[call].group;
        see_call(&s, call);
        for (int k = 0; group && k < group->outputs.len; k++) want_inputs(&s, group->outputs.at[k], group, call);
        if (!group) want_copied(&s);
        for (int k = 0; k < n && !found; k++) found = check_use(&s, k, call);
    }
    arena_release(&scratch);
    return found;
}
