// verify.c: checks every invariant of a graph: order, types (by running the shape rules again), identical nodes,
// outputs, and groups when there are any. Run after every pass, in release builds too.
#include <string.h>

#include "ir/graph.h"
#include "ops/op.h"

static const char *wrong(Graph *g, const Node *node, const char *what) {
    return arena_printf(g->arena, "%s: %s", node_text(g->arena, node), what);
}

// ---- nodes ----------------------------------------------------------------------------------------------------------

static const char *check_type(Graph *g, const Node *node) {
    // If the rule refuses, the mistake is dlc's and not the user's. So nothing is printed: the limit is exceeded.
    Diag quiet = {.limit = 1, .errors = 2};
    Module module = *g->module;
    Graph view = *g;
    module.diag = &quiet;
    view.module = &module;
    Infer infer = {
        .op = node->op, .in = (const Node *const *)node->in, .nin = node->nin, .attr = node->attr, .g = &view};
    if (!op_infer(&infer)) return wrong(g, node, "its shape rule refuses");
    if (infer.loop != node->loop) return wrong(g, node, "is not of the loop of its inputs");
    for (int k = 0; k < MAX_SIZES; k++)
        if (dim_least(infer.need[k]) > graph_least(g, k)) return wrong(g, node, "needs more of a run-time size");
    if (!type_equal(&infer.type, &node->type))
        return wrong(g, node,
                     arena_printf(g->arena, "its shape rule gives %s", type_text(g->arena, &infer.type, NULL)));
    return NULL;
}

static const char *check_node(Graph *g, int id) {
    const Node *node = g->nodes.at[id];
    if (node->id != id) return wrong(g, node, "its id is not its position");
    if (node->nin < node->op->inputs || node->nin > node->op->inputs + node->op->optional)
        return wrong(g, node, "has the wrong number of inputs");
    for (int i = 0; i < node->nin; i++) {
        const Node *in = node->in[i];
        if (!graph_owns(g, in)) return wrong(g, node, "an input is of another graph");
        if (in->id >= id) return wrong(g, node, "an input comes after it");
    }
    if (node->hash != node_hash(node->op, node->in, node->nin, node->attr, node->copy))
        return wrong(g, node, "was changed after it was made");
    const Node *found = graph_find(g, node->hash, node->op, node->in, node->nin, node->attr, node->copy);
    if (found != node) return wrong(g, node, arena_printf(g->arena, "is %%%d again", found ? found->id : -1));
    if (node_is(node, carry) && (node->attr[1].i < 0 || node->attr[1].i >= graph_loop(g, node->loop)->carry.len ||
                                 graph_loop(g, node->loop)->carry.at[node->attr[1].i] != node))
        return wrong(g, node, "is not the value that its loop carries");
    if (node->copy < 0 || node->copy > MAX_COPY || (node->copy && node->op->traits & OP_INPUT))
        return wrong(g, node, "has a copy number, which it cannot");
    for (int d = 0; d < node->type.rank; d++) {
        Dim dim = node->type.dim[d];
        if (dim.size < 0 || dim.size > g->module->nsizes)
            return wrong(g, node, "has an axis of no known run-time size");
        if (dim.size && (dim.times < 1 || dim_bound(dim) != g->module->sizes[dim.size - 1].bound))
            return wrong(g, node, "a run-time axis has another bound than its size");
        if (dim.size && dim_least(dim) > graph_least(g, dim.size - 1))
            return wrong(g, node, "has an axis that may have no element");
    }
    return check_type(g, node);
}

static const char *check_arguments(Graph *g) {
    for (int k = 0; k < g->arguments.len; k++)
        if (!graph_owns(g, g->arguments.at[k]) || !node_is(g->arguments.at[k], argument))
            return arena_printf(g->arena, "argument %d is no argument node of the graph", k);
    return NULL;
}

// once: by storage, whether an output was bound to it.
static const char *check_outputs(Graph *g, bool *once) {
    bool bound = false;
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        const Node *value = output->value;
        if (!graph_owns(g, value)) return arena_printf(g->arena, "output %d is no node of the graph", k);
        if (value->loop) return wrong(g, value, "is an output, and of a loop");
        if (bound && !output->storage) return "a returned output stands after a bound one";
        bound |= output->storage != NULL;
        if (!output->storage && !output->name) return arena_printf(g->arena, "returned output %d has no name", k);
        if (output->storage && !type_equal(&output->storage->type, &value->type))
            return wrong(g, value,
                         arena_printf(g->arena, "is bound to %s, which has type %s", output->storage->name,
                                      type_text(g->arena, &output->storage->type, NULL)));
        if (output->storage && once[output->storage->index])
            return arena_printf(g->arena, "%s is bound twice", output->storage->name);
        if (output->storage) once[output->storage->index] = true;
    }
    return NULL;
}

static const char *check_carry(Graph *g, int number, int index) {
    const Loop *loop = graph_loop(g, number);
    const Node *carry = loop->carry.at[index], *next = loop->next.at[index];
    if (!carry) return NULL;
    if (!graph_owns(g, carry) || !node_is(carry, carry) || node_loop_attr(carry) != number || carry->attr[1].i != index)
        return arena_printf(g->arena, "loop %d: carried value %d is another node", number, index);
    if (!graph_owns(g, next)) return wrong(g, carry, "has no next value");
    if (!type_equal(&carry->type, &next->type)) return wrong(g, next, "is of another type than the carried value");
    return graph_loop_within(g, number, next->loop) ? NULL : wrong(g, next, "is not computed in the loop");
}

static const char *check_loops(Graph *g) {
    for (int n = 1; n <= g->loops.len; n++) {
        const Loop *loop = graph_loop(g, n);
        if (loop->parent < 0 || loop->parent >= n)
            return arena_printf(g->arena, "loop %d stands in loop %d", n, loop->parent);
        if (loop->carry.len != loop->next.len) return arena_printf(g->arena, "loop %d is not complete", n);
        for (int i = 0; i < loop->carry.len; i++) {
            const char *found = check_carry(g, n, i);
            if (found) return found;
        }
    }
    return NULL;
}

// ---- groups ---------------------------------------------------------------------------------------------------------

enum { NOWHERE = -1, BEFORE = -2 };

typedef struct GroupCheck {
    Graph *g;
    Arena scratch;
    int *stored_by;  // by node id: a group, BEFORE (an input), or NOWHERE
    int *seen;       // by node id: last group that visited it, plus 1
    IntVec *after;   // by group: those that must run after it, or should because they overwrite what it reads
    IntVec *readers; // by storage: groups that read its old value
    const Group *group;
} GroupCheck;

static void add_reader(GroupCheck *check, const Node *storage) {
    const Storage *of = module_find_storage(check->g->module, storage->attr[0].s);
    vec_push(&check->scratch, &check->readers[of->index], check->group->id);
}

// What another group stores may be a view of a storage, which then is read here.
static void check_view(GroupCheck *check, const Node *node) {
    while ((node->op->traits & OP_MOVEMENT && node->nin == 1) || node_is(node, element)) node = node->in[0];
    if (node_is(node, storage)) add_reader(check, node);
}

// Follows what a group inlines down to what is stored: that must have been stored by an earlier group.
static const char *check_reads(GroupCheck *check, const Node *node) {
    int by = check->stored_by[node->id];
    if (check->seen[node->id] == check->group->id + 1) return NULL;
    check->seen[node->id] = check->group->id + 1;
    if (by == BEFORE && node_is_loop(node)) { // that is in a slot of it
        const Node *next = node_next(check->g, node);
        const char *found = next ? check_reads(check, next) : NULL;
        return found ? found : check_reads(check, node->in[0]);
    }
    if (by == BEFORE) {
        if (node_is(node, storage)) add_reader(check, node);
        return NULL;
    }
    if (by != NOWHERE && by < check->group->id) {
        vec_push(&check->scratch, &check->after[by], check->group->id);
        check_view(check, node);
        return NULL;
    }
    if (by > check->group->id)
        return wrong(
            check->g, node,
            arena_printf(check->g->arena, "is read by group %d before group %d stores it", check->group->id, by));
    bool accumulates = node->op->traits & (OP_REDUCES | OP_ALONE);
    if (accumulates && node != check->group->root && !nodes_have(&check->group->reduces, node))
        return wrong(check->g, node,
                     arena_printf(check->g->arena,
                                  "is read by group %d, which does not compute it, and nobody stores it",
                                  check->group->id));
    for (int i = 0; i < node->nin; i++) {
        const char *found = check_reads(check, node->in[i]);
        if (found) return found;
    }
    return NULL;
}

// Who stores what: each output once, by a node of this graph.
static const char *check_stores(GroupCheck *check) {
    Graph *g = check->g;
    for (int k = 0; k < g->nodes.len; k++)
        check->stored_by[k] = g->nodes.at[k]->op->traits & OP_INPUT ? BEFORE : NOWHERE;
    for (int k = 0; k < g->groups.len; k++) {
        const Group *group = &g->groups.at[k];
        if (group->id != k) return arena_printf(g->arena, "group %d has the id %d", k, group->id);
        if (group->outputs.len == 0) return arena_printf(g->arena, "group %d stores nothing", k);
        for (int o = 0; o < group->outputs.len; o++) {
            const Node *output = group->outputs.at[o];
            if (!graph_owns(g, output)) return arena_printf(g->arena, "group %d stores a node of another graph", k);
            if (check->stored_by[output->id] != NOWHERE) return wrong(g, output, "is stored twice");
            check->stored_by[output->id] = k;
        }
    }
    for (int k = 0; k < g->outputs.len; k++)
        if (check->stored_by[g->outputs.at[k].value->id] == NOWHERE)
            return wrong(g, g->outputs.at[k].value, "is an output that no group stores");
    return NULL;
}

// Whether groups could run in some order that honours all of `after` (Kahn 1962).
static bool is_acyclic(GroupCheck *check) {
    int n = check->g->groups.len, done = 0;
    int *left = NEW_ARRAY(&check->scratch, int, n + 1);
    for (int k = 0; k < n; k++)
        for (int e = 0; e < check->after[k].len; e++) left[check->after[k].at[e]]++;
    IntVec ready = {0};
    for (int k = 0; k < n; k++)
        if (!left[k]) vec_push(&check->scratch, &ready, k);
    for (; done < ready.len; done++) {
        const IntVec *after = &check->after[ready.at[done]];
        for (int e = 0; e < after->len; e++)
            if (!--left[after->at[e]]) vec_push(&check->scratch, &ready, after->at[e]);
    }
    return done == n;
}

// A bound output is stored after every other group has read the old value, so that it can be stored in place. Where
// that is impossible (a' = b, b' = a) a copy does it instead, and nothing is asked of the order.
static const char *check_updates(GroupCheck *check) {
    Graph *g = check->g;
    const char *late = NULL;
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        int writer = check->stored_by[output->value->id];
        if (!output->storage || writer == BEFORE) continue;
        const IntVec *readers = &check->readers[output->storage->index];
        for (int r = 0; r < readers->len; r++) {
            if (readers->at[r] == writer) continue;
            vec_push(&check->scratch, &check->after[readers->at[r]], writer);
            if (readers->at[r] > writer)
                late = arena_printf(g->arena, "group %d reads %s, which group %d has overwritten", readers->at[r],
                                    output->storage->name, writer);
        }
    }
    return late && is_acyclic(check) ? late : NULL;
}

static const char *check_groups(Graph *g) {
    GroupCheck check = {.g = g};
    check.stored_by = NEW_ARRAY(&check.scratch, int, g->nodes.len + 1);
    check.seen = NEW_ARRAY(&check.scratch, int, g->nodes.len + 1);
    check.after = NEW_ARRAY(&check.scratch, IntVec, g->groups.len + 1);
    check.readers = NEW_ARRAY(&check.scratch, IntVec, g->module->storages.len + 1);
    const char *found = check_stores(&check);
    for (int k = 0; k < g->groups.len && !found; k++) {
        check.group = &g->groups.at[k];
        for (int o = 0; o < check.group->outputs.len && !found; o++)
            found = check_reads(&check, check.group->outputs.at[o]);
        for (int r = 0; r < check.group->reduces.len && !found; r++)
            found = check_reads(&check, check.group->reduces.at[r]);
    }
    if (!found) found = check_updates(&check);
    arena_release(&check.scratch);
    return found;
}

const char *graph_verify(Graph *g) {
    const char *found = check_arguments(g); // first: shape rules look names up there
    for (int k = 0; k < g->nodes.len && !found; k++) found = check_node(g, k);
    if (!found) found = check_loops(g);
    Arena scratch = {0};
    if (!found) found = check_outputs(g, NEW_ARRAY(&scratch, bool, g->module->storages.len + 1));
    arena_release(&scratch);
    if (!found && g->groups.len) found = check_groups(g);
    return found;
}
