// prepared.c: what a model need not compute in every call, since it depends on parameters and buffers alone.
//     %3 = sqrt (%var + 1e-5)           prepared: once after load
//     %4 = broadcast %3 : f32[N, 8]     not: its shape is the call's
//     %5 = div %x, %4                   not
// Lowering makes a kernel of a prepared node part of the entry's prepare part, whose results are kept beside the
// parameters. In a training step parameters change, so there is none.
#include <string.h>

#include "ops/op.h"

// State changes from call to call, and so does what the entry itself assigns.
static bool is_fixed_storage(const Graph *g, const Node *node) {
    const char *name = node_attr(node, "name")->s;
    const Storage *storage = module_find_storage(g->module, name);
    bool fixed = storage->kind == STORAGE_PARAM || storage->kind == STORAGE_BUFFER;
    for (int k = 0; k < g->outputs.len; k++) fixed &= g->outputs.at[k].storage != storage;
    return fixed;
}

bool *graph_find_prepared(Arena *arena, const Graph *g) {
    bool *prepared = NEW_ARRAY(arena, bool, g->nodes.len + 1);
    if (g->kind != ENTRY_MODEL) return prepared;
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        bool fixed = !node_is(node, argument) && !node_is(node, size) && !node_is_loop(node);
        if (node_is(node, storage)) fixed = is_fixed_storage(g, node);
        for (int d = 0; d < node->type.rank; d++) fixed &= !node->type.dim[d].size;
        for (int i = 0; i < node->nin; i++) fixed &= prepared[node->in[i]->id];
        prepared[id] = fixed;
    }
    return prepared;
}
