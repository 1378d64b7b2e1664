// graph.c: modules, storages, and graphs whose nodes are made by one constructor: graph_op checks its inputs, finds an
// identical node first and runs the operator's shape rule, so that an untyped or a second identical node cannot exist.
#include "ir/graph.h"

#include <string.h>

#include "ir/affine.h"
#include "ops/op.h"

// ---- modules -----------------------------------------------------------------------------------------------------

Module *module_new(Arena *arena, Diag *diag, const char *source_name) {
    Module *m = NEW(arena, Module);
    m->arena = arena;
    m->diag = diag;
    m->source_name = source_name;
    m->by_name = (Tags){.arena = arena, .by_text = true};
    return m;
}

Storage *module_find_storage(const Module *module, const char *name) {
    int place = tag_known(&module->by_name, name);
    return place ? module->storages.at[place - 1] : NULL;
}

Storage *module_add_storage(Module *module, const char *name, StorageKind kind, Type type, Span span) {
    if (module_find_storage(module, name)) dlc_bug("elaborate", "two storages are called %s", name);
    Storage *storage = NEW(module->arena, Storage);
    *storage = (Storage){.name = arena_strdup(module->arena, name),
                         .kind = kind,
                         .type = type,
                         .span = span,
                         .user = span,
                         .index = module->storages.len};
    vec_push(module->arena, &module->storages, storage);
    *tag_of(&module->by_name, storage->name) = module->storages.len;
    return storage;
}

const char *storage_short_name(const Storage *storage) {
    if (strncmp(storage->name, "optim.", 6)) return storage->name;
    const char *name = storage->name + 6, *dot = strchr(name, '.');
    size_t digits = dot ? strspn(dot + 1, "0123456789") : 0;
    return digits && dot[1 + digits] == '.' ? dot + 2 + digits : name;
}

Graph *graph_new(Module *module, const char *name, EntryKind kind) {
    Graph *g = NEW(module->arena, Graph);
    g->arena = module->arena;
    g->module = module;
    g->name = name;
    g->kind = kind;
    g->stage = "elaborate";
    return g;
}

// ---- attributes ----------------------------------------------------------------------------------------------------

static bool iter_equal(const Iter *a, const Iter *b) {
    if (a->naxes != b->naxes || a->nout != b->nout || a->nmaps != b->nmaps) return false;
    for (int k = 0; k < a->naxes; k++)
        if (!dim_equal(a->axis[k], b->axis[k])) return false;
    for (int m = 0; m < a->nmaps; m++) {
        if (a->map[m].rank != b->map[m].rank) return false;
        for (int d = 0; d < a->map[m].rank; d++)
            if (!affine_equal(&a->map[m].dim[d], &b->map[m].dim[d])) return false;
    }
    return true;
}

// -0 and 0, and different NaNs, are different constants.
static bool double_equal(double a, double b) { return memcmp(&a, &b, sizeof a) == 0; }

Count attr_item(AttrKind kind, const Attr *a, int k) {
    if (kind == ATTR_INTS) return count_fixed(a->ints[k]);
    return kind == ATTR_COUNTS ? a->counts[k] : count_of_dim(a->dims[k]);
}

bool attr_equal(AttrKind kind, const Attr *a, const Attr *b) {
    switch (kind) {
    case ATTR_INT:
    case ATTR_DTYPE:
    case ATTR_WORD:
        return a->i == b->i;
    case ATTR_FLOAT:
        return double_equal(a->f, b->f);
    case ATTR_STRING:
        return !strcmp(a->s, b->s);
    case ATTR_INTS:
    case ATTR_COUNTS:
    case ATTR_DIMS:
        if (a->n != b->n) return false;
        for (int k = 0; k < a->n; k++)
            if (!count_equal(attr_item(kind, a, k), attr_item(kind, b, k))) return false;
        return true;
    case ATTR_ITER:
        return iter_equal(a->iter, b->iter);
    }
    return false;
}

uint64_t hash_mix(uint64_t hash, uint64_t value) {
    hash ^= value + 0x9e3779b97f4a7c15u + (hash << 6) + (hash >> 2);
    hash *= 0xff51afd7ed558ccdu;
    return hash ^ (hash >> 32); // floats differ in their high bits only, tables are indexed by the low ones
}

uint64_t attr_hash(AttrKind kind, const Attr *a) {
    uint64_t h = (uint64_t)kind, bits;
    switch (kind) {
    case ATTR_INT:
    case ATTR_DTYPE:
    case ATTR_WORD:
        return hash_mix(h, (uint64_t)a->i);
    case ATTR_FLOAT:
        memcpy(&bits, &a->f, sizeof bits);
        return hash_mix(h, bits);
    case ATTR_STRING:
        for (const char *s = a->s; *s; s++) h = hash_mix(h, (uint64_t)*s);
        return h;
    case ATTR_INTS:
    case ATTR_COUNTS:
    case ATTR_DIMS:
        for (int k = 0; k < a->n; k++) {
            Count item = attr_item(kind, a, k);
            h = hash_mix(h, (uint64_t)item.at + ((uint64_t)item.times << 32) + ((uint64_t)item.size << 48));
        }
        return h;
    case ATTR_ITER:
        for (int k = 0; k < a->iter->naxes; k++) h = hash_mix(h, (uint64_t)a->iter->axis[k].extent);
        return hash_mix(h, (uint64_t)a->iter->nmaps);
    }
    return h;
}

static Attr attr_copy(Arena *arena, AttrKind kind, const Attr *a) {
    static const size_t item[] = {[ATTR_INTS] = sizeof *a->ints,
                                  [ATTR_COUNTS] = sizeof *a->counts,
                                  [ATTR_DIMS] = sizeof *a->dims,
                                  [ATTR_ITER] = 0};
    Attr to = *a;
    size_t bytes = kind == ATTR_ITER ? sizeof *a->iter : item[kind] * (size_t)a->n;
    if (kind == ATTR_STRING) to.s = arena_strdup(arena, a->s);
    if (bytes) to.list = arena_grow(arena, a->list, bytes, bytes);
    return to;
}

const Attr *node_attr(const Node *node, const char *name) {
    for (int k = 0; node->op->attrs[k].name; k++)
        if (!strcmp(node->op->attrs[k].name, name)) return &node->attr[k];
    dlc_bug(node->op->name, "has no attribute %s", name);
}

// ---- the constructor ------------------------------------------------------------------------------------------------

uint64_t node_hash(const Op *op, Node *const *in, int nin, const Attr *attrs, int copy) {
    uint64_t h = (uint64_t)copy;
    for (const char *s = op->name; *s; s++) h = hash_mix(h, (uint64_t)*s);
    for (int k = 0; k < nin; k++) h = hash_mix(h, (uint64_t)in[k]->id);
    for (int k = 0; op->attrs[k].name; k++) h = hash_mix(h, attr_hash(op->attrs[k].kind, &attrs[k]));
    return h;
}

static bool node_same(const Node *node, const Op *op, Node *const *in, int nin, const Attr *attrs, int copy) {
    if (node->op != op || node->copy != copy || node->nin != nin) return false;
    for (int k = 0; k < nin; k++)
        if (node->in[k] != in[k]) return false;
    for (int k = 0; op->attrs[k].name; k++)
        if (!attr_equal(op->attrs[k].kind, &node->attr[k], &attrs[k])) return false;
    return true;
}

static GraphSlot *table_place(GraphSlot *table, int size, uint64_t hash) {
    int at = (int)(hash & (uint64_t)(size - 1));
    while (table[at].node) at = (at + 1) & (size - 1);
    return &table[at];
}

static void table_grow(Graph *g) {
    int size = g->table_size ? 2 * g->table_size : 256;
    GraphSlot *table = NEW_ARRAY(g->arena, GraphSlot, size);
    for (int k = 0; k < g->nodes.len; k++) {
        Node *node = g->nodes.at[k];
        *table_place(table, size, node->hash) = (GraphSlot){node->hash, node};
    }
    g->table = table;
    g->table_size = size;
}

Node *graph_find(const Graph *g, uint64_t hash, const Op *op, Node *const *in, int nin, const Attr *attrs, int copy) {
    if (!g->table_size) return NULL;
    for (int at = (int)(hash & (uint64_t)(g->table_size - 1)); g->table[at].node; at = (at + 1) & (g->table_size - 1))
        if (g->table[at].hash == hash && node_same(g->table[at].node, op, in, nin, attrs, copy))
            return g->table[at].node;
    return NULL;
}

Node *graph_op(Graph *g, const Op *op, Node *const *in, int nin, const Attr *attrs) {
    for (int k = 0; k < nin; k++)
        if (!in[k]) return NULL;
    for (int k = 0; k < nin; k++)
        if (!graph_owns(g, in[k])) dlc_bug(g->stage, "input %d of %s belongs to another graph", k, op->name);
    if (op->inputs + op->optional > MAX_INPUTS) dlc_bug(g->stage, "%s takes more than %d inputs", op->name, MAX_INPUTS);
    if (nin < op->inputs || nin > op->inputs + op->optional)
        dlc_bug(g->stage, "%s takes %d inputs, not %d", op->name, op->inputs, nin);
    uint64_t hash = node_hash(op, in, nin, attrs, g->copy_now);
    Node *found = graph_find(g, hash, op, in, nin, attrs, g->copy_now);
    if (found) return found;

    Infer infer = {.op = op, .in = (const Node *const *)in, .nin = nin, .attr = attrs, .g = g};
    if (!op_infer(&infer)) return NULL;
    int nattrs = 0;
    while (op->attrs[nattrs].name) nattrs++;
    Attr *copy = NEW_ARRAY(g->arena, Attr, nattrs + 1);
    for (int k = 0; k < nattrs; k++) copy[k] = attr_copy(g->arena, op->attrs[k].kind, &attrs[k]);
    Node *node = NEW(g->arena, Node);
    *node = (Node){.op = op,
                   .id = g->nodes.len,
                   .type = infer.type,
                   .nin = nin,
                   .in = NEW_ARRAY(g->arena, Node *, nin + 1),
                   .attr = copy,
                   .span = g->span_now,
                   .name = g->name_now,
                   .origin = g->origin_now,
                   .section = g->section_now,
                   .checkpoint = g->checkpoint_now,
                   .copy = g->copy_now,
                   .loop = infer.loop,
                   .hash = hash};
    for (int k = 0; k < nin; k++) node->in[k] = in[k];
    for (int k = 0; k < MAX_SIZES; k++) dim_need(g->need, infer.need[k]);
    for (int d = 0; d < infer.type.rank; d++) dim_need(g->need, infer.type.dim[d]);
    if (2 * (g->nodes.len + 1) > g->table_size) table_grow(g);
    vec_push(g->arena, &g->nodes, node);
    *table_place(g->table, g->table_size, hash) = (GraphSlot){hash, node};
    return node;
}

bool graph_owns(const Graph *g, const Node *node) {
    return node && node->id >= 0 && node->id < g->nodes.len && g->nodes.at[node->id] == node;
}

bool nodes_have(const NodeVec *nodes, const Node *node) {
    for (int k = 0; k < nodes->len; k++)
        if (nodes->at[k] == node) return true;
    return false;
}

int32_t graph_least(const Graph *g, int size) { return dim_least(g->need[size]); }

// ---- outputs --------------------------------------------------------------------------------------------------------

void graph_return(Graph *g, const char *name, Node *value, Span span) {
    Output output = {.name = name, .value = value, .span = span};
    vec_push(g->arena, &g->outputs, output);
    // Returned values stand before bound ones.
    for (int k = g->outputs.len - 1; k > 0 && g->outputs.at[k - 1].storage; k--) {
        g->outputs.at[k] = g->outputs.at[k - 1];
        g->outputs.at[k - 1] = output;
    }
}

void graph_bind(Graph *g, Storage *storage, Node *value, Span span) {
    for (int k = 0; k < g->outputs.len; k++)
        if (g->outputs.at[k].storage == storage) {
            g->outputs.at[k].value = value;
            g->outputs.at[k].span = span;
            return;
        }
    vec_push(g->arena, &g->outputs, (Output){.value = value, .storage = storage, .span = span});
}

static Node *loop_next(const Graph *g, const Node *carry) {
    return graph_loop(g, node_loop_attr(carry))->next.at[carry->attr[1].i];
}

static void mark_node(Arena *arena, NodeVec *work, Node *node) {
    if (node->mark) return;
    node->mark = 1;
    vec_push(arena, work, node);
}

int graph_mark_live(Graph *g) {
    Arena scratch = {0};
    NodeVec work = {0};
    int live = 0;
    for (int k = 0; k < g->nodes.len; k++) g->nodes.at[k]->mark = 0;
    for (int k = 0; k < g->outputs.len; k++) mark_node(&scratch, &work, g->outputs.at[k].value);
    for (int k = 0; k < g->arguments.len; k++) mark_node(&scratch, &work, g->arguments.at[k]);
    for (; work.len; live++) {
        Node *node = work.at[--work.len];
        for (int i = 0; i < node->nin; i++) mark_node(&scratch, &work, node->in[i]);
        if (node_is(node, carry)) mark_node(&scratch, &work, loop_next(g, node));
    }
    arena_release(&scratch);
    return live;
}

int *graph_count_uses(Arena *arena, const Graph *g) {
    int *uses = NEW_ARRAY(arena, int, g->nodes.len + 1);
    for (int k = 0; k < g->nodes.len; k++)
        for (int i = 0; i < g->nodes.at[k]->nin; i++) uses[g->nodes.at[k]->in[i]->id]++;
    for (int k = 0; k < g->outputs.len; k++) uses[g->outputs.at[k].value->id] += 2;
    for (int l = 0; l < g->loops.len; l++)
        for (int i = 0; i < g->loops.at[l].next.len; i++)
            if (g->loops.at[l].next.at[i]) uses[g->loops.at[l].next.at[i]->id] += 2;
    return uses;
}

// ---- copying --------------------------------------------------------------------------------------------------------

void graph_tag_as(Graph *g, const Node *node) {
    g->span_now = node->span;
    g->name_now = node->name;
    g->origin_now = node->origin;
    g->section_now = node->section;
    g->checkpoint_now = node->checkpoint;
    g->copy_now = node->copy;
}

Node *graph_copy_node(Graph *to, const Node *old, Node *const *in) {
    graph_tag_as(to, old);
    Node *node = graph_op(to, old->op, in, old->nin, old->attr);
    if (!node) dlc_bug(to->stage, "%s could not be rebuilt", old->op->name);
    return node;
}

// The same loops; the nodes are still to come.
static void copy_loops(Graph *to, const Graph *from) {
    for (int l = 0; l < from->loops.len; l++) {
        Loop loop = from->loops.at[l];
        loop.carry = loop.next = (NodeVec){0};
        for (int i = 0; i < from->loops.at[l].carry.len; i++) {
            vec_push(to->arena, &loop.carry, NULL);
            vec_push(to->arena, &loop.next, NULL);
        }
        vec_push(to->arena, &to->loops, loop);
    }
}

Graph *graph_rebuild(Graph *from, RewriteFn rewrite, void *context) {
    Graph *to = graph_new(from->module, from->name, from->kind);
    to->span = from->span;
    to->stage = from->stage;
    memcpy(to->need, from->need, sizeof to->need);
    graph_mark_live(from);
    Node *in[MAX_INPUTS];
    copy_loops(to, from);
    for (int k = 0; k < from->arguments.len; k++) {
        graph_tag_as(to, from->arguments.at[k]);
        build_argument(to, from->arguments.at[k]->attr[0].s, from->arguments.at[k]->type);
    }
    for (int k = 0; k < from->nodes.len; k++) {
        Node *old = from->nodes.at[k];
        old->map = NULL;
        if (!old->mark) continue;
        for (int i = 0; i < old->nin; i++) in[i] = old->in[i]->map;
        graph_tag_as(to, old);
        Node *made = rewrite ? rewrite(to, old, in, context) : NULL;
        old->map = made ? made : graph_copy_node(to, old, in);
        const Node *of = old->gradient_of ? from->nodes.at[old->gradient_of - 1]->map : NULL;
        if (node_is(old, carry) && node_is(old->map, carry)) // others may become a carried value: a reshape of one
            graph_loop(to, node_loop_attr(old))->carry.at[old->attr[1].i] = old->map;
        if (of && old->map->section == SECTION_BACKWARD) old->map->gradient_of = of->id + 1;
    }
    for (int k = 0; k < from->outputs.len; k++) {
        Output output = from->outputs.at[k];
        output.value = output.value->map;
        vec_push(to->arena, &to->outputs, output);
    }
    for (int l = 0; l < from->loops.len; l++)
        for (int i = 0; i < from->loops.at[l].next.len; i++) {
            Node *next = from->loops.at[l].next.at[i];
            if (to->loops.at[l].carry.at[i]) to->loops.at[l].next.at[i] = next->map;
        }
    return to;
}
