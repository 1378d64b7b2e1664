// verify.c: checks every invariant of a graph: order, types (by running the shape rules again), identical nodes,
// outputs, and groups when there are any. Run after every pass, in release builds too.
#include <string.h>

#include "ir/graph.h"
#include "ops/op.h"

static const char *wrong(Graph *g, const Node *node, const char *what) {
    return arena_printf(g->arena, "%s: %s", node_text(g->arena, node), what);
}

// ---- nodes -----------------------------------------------------------------------------------------------------------

static const char *check_type(Graph *g, const Node *node) {
    // A refusal here is ours, not the user's: beyond the limit nothing is printed.
    Diag quiet = {.limit = 1, .errors = 2};
    Module module = *g->module;
    Graph view = *g;
    module.diag = &quiet;
    view.module = &module;
    Infer infer = {.op = node->op, .in = (const Node *const *)node->in, .nin = node->nin, .attr = node->attr, .g = &view};
    if (!node->op->infer(&infer)) return wrong(g, node, "its shape rule refuses");
    if (!type_equal(&infer.type, &node->type))
        return wrong(g, node, arena_printf(g->arena, "its shape rule gives %s", type_text(g->arena, &infer.type, NULL)));
    return NULL;
}

static const char *check_node(Graph *g, int id) {
    const Node *node = g->nodes.at[id];
    if (node->id != id) return wrong(g, node, "its id is not its position");
    if (node->nin != node->op->inputs) return wrong(g, node, "has the wrong number of inputs");
    for (int i = 0; i < node->nin; i++) {
        const Node *in = node->in[i];
        if (in->id < 0 || in->id >= g->nodes.len || g->nodes.at[in->id] != in) return wrong(g, node, "an input is of another graph");
        if (in->id >= id) return wrong(g, node, "an input comes after it");
    }
    for (int d = 0; d < node->type.rank; d++) {
        Dim dim = node->type.dim[d];
        if (dim.size < 0 || dim.size > g->module->nsizes) return wrong(g, node, "has an axis of no known run-time size");
        if (dim.size && dim.extent != g->module->sizes[dim.size - 1].bound) return wrong(g, node, "a run-time axis has another bound than its size");
    }
    return check_type(g, node);
}

static bool nodes_identical(const Node *a, const Node *b) {
    if (a->op != b->op || a->hash != b->hash || a->nin != b->nin) return false;
    for (int k = 0; k < a->nin; k++)
        if (a->in[k] != b->in[k]) return false;
    for (int k = 0; a->op->attrs[k].name; k++)
        if (!attr_equal(a->op->attrs[k].kind, &a->attr[k], &b->attr[k])) return false;
    return true;
}

static const char *check_identical(Graph *g) {
    Arena scratch = {0};
    int size = 64;
    while (size < 2 * g->nodes.len) size *= 2;
    const Node **table = NEW_ARRAY(&scratch, const Node *, size);
    const char *found = NULL;
    for (int k = 0; k < g->nodes.len && !found; k++) {
        const Node *node = g->nodes.at[k];
        int at = (int)(node->hash & (uint64_t)(size - 1));
        for (; table[at] && !found; at = (at + 1) & (size - 1))
            if (nodes_identical(table[at], node)) found = wrong(g, node, arena_printf(g->arena, "is %%%d again", table[at]->id));
        table[at] = node;
    }
    arena_release(&scratch);
    return found;
}

static const char *check_outputs(Graph *g) {
    bool bound = false;
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        const Node *value = output->value;
        if (value->id < 0 || value->id >= g->nodes.len || g->nodes.at[value->id] != value)
            return arena_printf(g->arena, "output %d is no node of the graph", k);
        if (bound && !output->storage) return "a returned output stands behind a bound one";
        bound |= output->storage != NULL;
        if (!output->storage && !output->name) return arena_printf(g->arena, "returned output %d has no name", k);
        if (output->storage && !type_equal(&output->storage->type, &value->type))
            return wrong(g, value, arena_printf(g->arena, "is bound to %s, which has type %s", output->storage->name,
                                                type_text(g->arena, &output->storage->type, NULL)));
        for (int other = 0; output->storage && other < k; other++)
            if (g->outputs.at[other].storage == output->storage)
                return arena_printf(g->arena, "%s is bound twice", output->storage->name);
    }
    for (int k = 0; k < g->arguments.len; k++)
        if (!node_is(g->arguments.at[k], "argument")) return arena_printf(g->arena, "argument %d is another node", k);
    return NULL;
}

// ---- groups ----------------------------------------------------------------------------------------------------------

enum { NOWHERE = -1, BEFORE = -2 };

typedef struct GroupCheck {
    Graph *g;
    int *stored_by; // by node id: a group, BEFORE (an input), or NOWHERE
    int *seen;      // by node id: last group that visited it, plus 1
    const Group *group;
} GroupCheck;

static bool listed(const NodeVec *nodes, const Node *node) {
    for (int k = 0; k < nodes->len; k++)
        if (nodes->at[k] == node) return true;
    return false;
}

// Follows what a group inlines down to what is stored: that must have been stored by an earlier group.
static const char *check_reads(GroupCheck *check, const Node *node, bool own) {
    int by = check->stored_by[node->id];
    if (by == BEFORE || (!own && by != NOWHERE && by < check->group->id)) return NULL;
    if (check->seen[node->id] == check->group->id + 1) return NULL;
    check->seen[node->id] = check->group->id + 1;
    if (by > check->group->id)
        return wrong(check->g, node, arena_printf(check->g->arena, "is read by group %d before group %d stores it", check->group->id, by));
    bool accumulates = node->op->traits & OP_REDUCES;
    if (accumulates && node != check->group->root && !listed(&check->group->reduces, node))
        return wrong(check->g, node, arena_printf(check->g->arena, "is read by group %d, which does not compute it, and nobody stores it", check->group->id));
    for (int i = 0; i < node->nin; i++) {
        const char *found = check_reads(check, node->in[i], false);
        if (found) return found;
    }
    return NULL;
}

static const char *check_groups(Graph *g) {
    Arena scratch = {0};
    GroupCheck check = {g, NEW_ARRAY(&scratch, int, g->nodes.len + 1), NEW_ARRAY(&scratch, int, g->nodes.len + 1), NULL};
    const char *found = NULL;
    for (int k = 0; k < g->nodes.len; k++) check.stored_by[k] = g->nodes.at[k]->op->traits & OP_INPUT ? BEFORE : NOWHERE;
    for (int k = 0; k < g->groups.len && !found; k++) {
        if (g->groups.at[k].id != k) found = arena_printf(g->arena, "group %d has the id %d", k, g->groups.at[k].id);
        if (g->groups.at[k].outputs.len == 0) found = arena_printf(g->arena, "group %d stores nothing", k);
        for (int o = 0; o < g->groups.at[k].outputs.len && !found; o++) {
            const Node *output = g->groups.at[k].outputs.at[o];
            if (check.stored_by[output->id] != NOWHERE) found = wrong(g, output, "is stored twice");
            check.stored_by[output->id] = k;
        }
    }
    for (int k = 0; k < g->groups.len && !found; k++) {
        check.group = &g->groups.at[k];
        for (int o = 0; o < check.group->outputs.len && !found; o++)
            found = check_reads(&check, check.group->outputs.at[o], true);
        for (int r = 0; r < check.group->reduces.len && !found; r++)
            found = check_reads(&check, check.group->reduces.at[r], true);
    }
    for (int k = 0; k < g->outputs.len && !found && g->groups.len; k++)
        if (check.stored_by[g->outputs.at[k].value->id] == NOWHERE) found = wrong(g, g->outputs.at[k].value, "is an output that no group stores");
    arena_release(&scratch);
    return found;
}

const char *graph_verify(Graph *g) {
    const char *found = NULL;
    for (int k = 0; k < g->nodes.len && !found; k++) found = check_node(g, k);
    if (!found) found = check_identical(g);
    if (!found) found = check_outputs(g);
    if (!found && g->groups.len) found = check_groups(g);
    return found;
}
