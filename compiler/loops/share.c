// share.c: groups that are equal but for the memory that they work on share a kernel: it is lowered, proved and printed
// once, and each group calls it with its own buffers. The blocks of a deep net, and the steps of a net that is written
// out over time, are such groups.
//     k3 = relu(contract %7, w1 [...] + b1)      call 3: linear_relu
//     k5 = relu(contract %9, w2 [...] + b2)      call 5: linear_relu, with %9 for %7, w2 for w1, b2 for b1
// Two groups are equal when they agree in all that lowering reads: their form, their nodes in order with operators,
// attributes, types and inputs, and the layout of the buffers that they load and store. The hash follows addresses, so
// it only finds candidates: which kernel a group shares is decided by comparing groups in full.
#include <string.h>

#include "loops/recipes.h"

typedef struct Share {
    uint64_t hash;
    const Group *group;
    const GroupParts *parts;
    int prepares, nprepares; // calls of the prepare part
    int aheads, naheads;     // calls before loops
    int call;                // the group's own call, or -1: it is of the prepare part too
} Share;

// ---- what a group is ------------------------------------------------------------------------------------------------

// The number of buffers that a group shares with others: those that it loads, then its results.
static int nouter(const Group *group, const GroupParts *parts) { return parts->loads.len + group->outputs.len; }

static Buffer *outer_buffer(const Shares *s, const Group *group, const GroupParts *parts, int k) {
    const Node *node = k < parts->loads.len ? parts->loads.at[k].node : group->outputs.at[k - parts->loads.len];
    return s->program->of_node[node->id];
}

// A node's place among what the group computes and loads. `tags` holds them all.
static void number_nodes(Tags *tags, const GroupParts *parts) {
    int n = 0;
    for (int k = 0; k < parts->computes.len; k++) *tag_of(tags, parts->computes.at[k]) = ++n;
    for (int k = 0; k < parts->loads.len; k++) *tag_of(tags, parts->loads.at[k].node) = ++n;
}

// ---- the hash -------------------------------------------------------------------------------------------------------

static uint64_t hash_type(uint64_t h, const Type *type) {
    h = hash_mix(h, (uint64_t)type->dtype * MAX_RANK + (uint64_t)type->rank);
    for (int d = 0; d < type->rank; d++) h = hash_mix(h, (uint64_t)type->dim[d].extent);
    return h;
}

static uint64_t hash_group(const Shares *s, const Group *group) {
    const GroupParts *parts = group_parts_of(s->program, group);
    uint64_t h = hash_mix((uint64_t)group->kind, group->reduced);
    h = hash_mix(h, (uint64_t)parts->loads.len);
    for (int k = 0; k < parts->computes.len; k++) {
        const Node *node = parts->computes.at[k];
        h = hash_type(hash_mix(h, (uint64_t)(uintptr_t)node->op), &node->type);
        for (int a = 0; node->op->attrs[a].name; a++)
            h = hash_mix(h, attr_hash(node->op->attrs[a].kind, &node->attr[a]));
    }
    for (int k = 0; k < nouter(group, parts); k++) {
        const Buffer *buffer = outer_buffer(s, group, parts, k);
        h = hash_mix(h, (uint64_t)buffer->scope * 64 + (uint64_t)buffer->bytes);
    }
    return h;
}

// ---- equality -------------------------------------------------------------------------------------------------------

static bool same_text(const char *a, const char *b) { return a == b || (a && b && !strcmp(a, b)); }

static bool same_attrs(const Node *a, const Node *b) {
    for (int k = 0; a->op->attrs[k].name; k++)
        if (!attr_equal(a->op->attrs[k].kind, &a->attr[k], &b->attr[k])) return false;
    return true;
}

// A computed node must have the same operator; a loaded one may be any value of that type.
static bool same_node(const Shares *s, const Node *a, const Node *b, bool computed) {
    if (!type_equal(&a->type, &b->type) || s->prepared[a->id] != s->prepared[b->id]) return false;
    if (!computed) return true;
    bool same = a->op == b->op && a->nin == b->nin && a->section == b->section && !a->copy == !b->copy;
    return same && same_text(a->origin, b->origin) && same_attrs(a, b);
}

static bool same_place(const Buffer *a, const Buffer *b) {
    return a->scope == b->scope && a->by_value == b->by_value && !a->view == !b->view && buffers_alike(a, b);
}

// The same places among what the two groups compute and load.
static bool same_nodes(Node *const *a, Node *const *b, int n, const Tags *in_a, const Tags *in_b) {
    for (int k = 0; k < n; k++)
        if (tag_known(in_a, a[k]) != tag_known(in_b, b[k])) return false;
    return true;
}

static bool same_form(const Group *a, const Group *b, const Tags *in_a, const Tags *in_b) {
    bool same = a->kind == b->kind && a->reduced == b->reduced && !a->root == !b->root;
    same &= a->reduces.len == b->reduces.len && a->outputs.len == b->outputs.len;
    same &= a->kind != GROUP_ROWS || shape_equal(&a->domain, &b->domain);
    return same && same_nodes(&a->root, &b->root, a->root != NULL, in_a, in_b) &&
           same_nodes(a->reduces.at, b->reduces.at, a->reduces.len, in_a, in_b) &&
           same_nodes(a->outputs.at, b->outputs.at, a->outputs.len, in_a, in_b);
}

// Laid out alike; and where one buffer holds two values of a, one buffer holds those of b.
static bool same_buffers(const Shares *s, const Share *a, const Group *b, Tags *at_a, Tags *at_b) {
    const GroupParts *parts = group_parts_of(s->program, b);
    for (int k = 0; k < nouter(b, parts); k++) {
        const Buffer *x = outer_buffer(s, a->group, a->parts, k), *y = outer_buffer(s, b, parts, k);
        int *first_x = tag_of(at_a, x), *first_y = tag_of(at_b, y);
        if (*first_x != *first_y || !same_place(x, y)) return false;
        if (!*first_x) *first_x = *first_y = k + 1;
    }
    return true;
}

// Whether what stands in loop `outer` is packed at the same level for both: contraction_plan.c looks at the steps of
// all loops but the outermost one.
static bool same_level(const Graph *g, int a, int b, int outer) {
    for (; a != outer && b != outer; a = graph_loop(g, a)->parent, b = graph_loop(g, b)->parent) {
        bool outermost = graph_loop(g, a)->parent == outer;
        if (!outermost && !dim_equal(graph_loop(g, a)->steps, graph_loop(g, b)->steps)) return false;
    }
    return a == b;
}

static bool same_group(const Shares *s, const Share *a, const Group *b) {
    const GroupParts *parts = group_parts_of(s->program, b);
    if (a->parts->computes.len != parts->computes.len || a->parts->loads.len != parts->loads.len) return false;
    Arena scratch = {0};
    Tags in_a = {.arena = &scratch}, in_b = {.arena = &scratch}, at_a = {.arena = &scratch}, at_b = {.arena = &scratch};
    number_nodes(&in_a, a->parts);
    number_nodes(&in_b, parts);
    bool same = same_form(a->group, b, &in_a, &in_b);
    for (int k = 0; k < parts->computes.len && same; k++) {
        const Node *x = a->parts->computes.at[k], *y = parts->computes.at[k];
        same = same_node(s, x, y, true) && same_nodes(x->in, y->in, x->nin, &in_a, &in_b);
    }
    for (int k = 0; k < parts->loads.len && same; k++) {
        const Load *x = &a->parts->loads.at[k], *y = &parts->loads.at[k];
        int loop_x = a->group->outputs.at[0]->loop, loop_y = b->outputs.at[0]->loop, from = x->node->loop;
        bool own_x = from == loop_x, own_y = y->node->loop == loop_y;
        bool alike =
            own_x == own_y && (own_x || (from == y->node->loop && same_level(s->program->graph, loop_x, loop_y, from)));
        same = alike && x->elsewhere == y->elsewhere && same_node(s, x->node, y->node, false);
    }
    same = same && same_buffers(s, a, b, &at_a, &at_b);
    arena_release(&scratch);
    return same;
}

// ---- the table ------------------------------------------------------------------------------------------------------

static void put_in_table(Shares *s, int number) {
    int at = (int)(s->all.at[number]->hash & (uint64_t)(s->nslots - 1));
    while (s->slots[at]) at = (at + 1) & (s->nslots - 1);
    s->slots[at] = number + 1;
}

static void hash_all(Shares *s) {
    s->nslots = s->nslots ? 2 * s->nslots : 64;
    s->slots = NEW_ARRAY(s->program->arena, int, s->nslots);
    for (int k = 0; k < s->all.len; k++) put_in_table(s, k);
}

static Share *find(const Shares *s, const Group *group) {
    uint64_t hash = hash_group(s, group);
    for (int at = (int)(hash & (uint64_t)(s->nslots - 1)); s->nslots && s->slots[at]; at = (at + 1) & (s->nslots - 1)) {
        Share *share = s->all.at[s->slots[at] - 1];
        if (share->hash == hash && same_group(s, share, group)) return share;
    }
    return NULL;
}

void share_remember(Shares *s, const Group *group, int prepares, int aheads) {
    const Program *program = s->program;
    Share *share = NEW(program->arena, Share);
    bool prepared = s->prepared[group->outputs.at[group->outputs.len - 1]->id];
    *share = (Share){.hash = hash_group(s, group),
                     .group = group,
                     .parts = group_parts_of(s->program, group),
                     .prepares = prepares,
                     .nprepares = program->nprepare - prepares,
                     .aheads = aheads,
                     .naheads = program->ahead.len - aheads,
                     .call = prepared ? -1 : program->calls.len - 1 - program->nprepare};
    vec_push(program->arena, &s->all, share);
    if (2 * s->all.len > s->nslots)
        hash_all(s);
    else
        put_in_table(s, s->all.len - 1);
}

// ---- calls ----------------------------------------------------------------------------------------------------------

typedef struct Instance {
    Shares *s;
    const Share *share;
    const Group *group;
    Tags nodes; // of the first group, by node: its place, from 1
    Tags outer; // by buffer of the first group: its place, from 1
    Tags own;   // by buffer that its kernels have themselves: 1 + the place of its copy in the program's list
} Instance;

static const Node *node_for(const Instance *in, const Node *node) {
    const GroupParts *parts = group_parts_of(in->s->program, in->group);
    int place = tag_known(&in->nodes, node) - 1, ncomputes = parts->computes.len;
    return place < ncomputes ? parts->computes.at[place] : parts->loads.at[place - ncomputes].node;
}

static Buffer *copy_own(Instance *in, const Buffer *buffer) {
    Program *program = in->s->program;
    int *copy = tag_of(&in->own, buffer);
    if (!*copy) {
        Buffer *made = NEW(program->arena, Buffer);
        *made = *buffer;
        if (buffer->packs) buffer_packs(program->arena, made, node_for(in, buffer->packs), buffer->packed_as);
        vec_push(program->arena, &program->buffers, made);
        *copy = program->buffers.len;
    }
    return program->buffers.at[*copy - 1];
}

static Buffer *buffer_for(Instance *in, const Buffer *buffer) {
    int outer = tag_known(&in->outer, buffer);
    if (outer) return outer_buffer(in->s, in->group, group_parts_of(in->s->program, in->group), outer - 1);
    return copy_own(in, buffer);
}

static Call call_again(Instance *in, const Call *first) {
    Program *program = in->s->program;
    Call call = *first;
    call.group = in->group;
    call.buffer = NEW_ARRAY(program->arena, Buffer *, first->kernel->uses.len + 1);
    for (int k = 0; k < first->kernel->uses.len; k++) call.buffer[k] = buffer_for(in, first->buffer[k]);
    if (first->skip_if_null) call.skip_if_null = buffer_for(in, first->skip_if_null);
    return call;
}

bool share_call(Shares *s, const Group *group) {
    Share *share = find(s, group);
    if (!share) return false;
    Arena scratch = {0};
    Program *program = s->program;
    Instance in = {s, share, group, {.arena = &scratch}, {.arena = &scratch}, {.arena = &scratch}};
    number_nodes(&in.nodes, share->parts);
    for (int k = 0; k < nouter(share->group, share->parts); k++) {
        int *place = tag_of(&in.outer, outer_buffer(s, share->group, share->parts, k));
        if (!*place) *place = k + 1;
    }
    for (int k = 0; k < share->nprepares; k++)
        program_add_prepare(program, call_again(&in, &program->calls.at[share->prepares + k]));
    for (int k = 0; k < share->naheads; k++) {
        const Call *first = &program->ahead.at[share->aheads + k];
        Call call = call_again(&in, first);
        call.ahead_of = group->outputs.at[0]->loop;
        for (int at = share->group->outputs.at[0]->loop; at != first->ahead_of;
             at = graph_loop(program->graph, at)->parent)
            call.ahead_of = graph_loop(program->graph, call.ahead_of)->parent;
        call.loop = graph_loop(program->graph, call.ahead_of)->parent;
        vec_push(program->arena, &program->ahead, call);
    }
    if (share->call >= 0) {
        Call call = call_again(&in, &program->calls.at[program->nprepare + share->call]);
        call.loop = group->outputs.at[0]->loop; // the first one may stand in another loop, or in none
        vec_push(program->arena, &program->calls, call);
    }
    arena_release(&scratch);
    return true;
}
