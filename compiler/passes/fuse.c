// fuse.c: decide what becomes one kernel.
//     %3 = contract %0, %1                  k0  contract %3 + epilogue, stores %5
//     %4 = broadcast %2
//     %5 = relu (%3 + %4)
//     %6 = reduce max %5           becomes  k1  rows, reduces %6 %8, stores %9
//     %7 = exp (%5 - %6)
//     %8 = reduce sum %7
//     %9 = %7 / %8
// Needs DEDUPED and SIMPLE, gives GROUPED. Three steps:
//   1. Every contraction takes the element-wise nodes that follow from it index by index as its epilogue, and a pool of
//      windows that do not overlap.
//   2. (fuse_rows.c) Every reduction of whole axes takes what shares its domain: other reductions of it, and
//      element-wise nodes over the domain or over what is left of it. Reductions of windows take what follows from them
//      index by index.
//   3. What is left is inlined where it is used, unless it is an output, a contraction's operand, or costly and used by
//      more than one kernel: that is stored by an element-wise group.
// In a model, what depends on parameters alone is never in one group with what each call computes, so that it can be
// computed once after load; where the two meet, it is stored. What is computed again for the backward pass is in no
// group with the forward pass.
// A group never reads, even through others, what depends on itself: groups form an acyclic graph (checked per group).
// Groups are ordered so that what updates a storage in place runs after the other readers of its old value.
#include <string.h>

#include "ir/windows.h"
#include "ops/op.h"
#include "passes/fuse.h"

int fuse_group_new(Fuse *f, GroupKind kind, Node *root) {
    f->group[f->ngroups] = (Group){.kind = kind, .id = f->ngroups, .root = root};
    return f->ngroups++;
}

void fuse_assign(Fuse *f, int group, const NodeVec *members, int keep) {
    for (int k = 0; k < members->len; k++) {
        vec_push(&f->scratch, &f->members[group], members->at[k]);
        f->of[members->at[k]->id].group = group;
    }
    NodeVec *own = &f->members[group];
    while (own->len > keep && fuse_in_cycle(f, group)) {
        // Dropping a reduction also drops everything after it, because those members read its result.
        Node *dropped = own->at[--own->len];
        f->of[dropped->id].group = NONE;
    }
    f->group[group].reduces.len = 0;
    for (int k = 0; k < own->len; k++)
        if (node_is(own->at[k], reduce)) vec_push(f->g->arena, &f->group[group].reduces, own->at[k]);
}

// ---- growing ------------------------------------------------------------------------------------------------------

void fuse_grow_begin(Fuse *f, int lowest) {
    for (int k = 0; k < f->touched.len; k++) {
        f->of[f->touched.at[k]->id].state = UNRELATED;
        f->of[f->touched.at[k]->id].unsettled = false;
    }
    f->touched.len = f->waiting.len = 0;
    f->lowest = lowest;
    f->growths++;
}

void fuse_set_state(Fuse *f, Node *node, State state) {
    if (f->of[node->id].state == UNRELATED) vec_push(&f->scratch, &f->touched, node);
    f->of[node->id].state = state;
}

// `waiting` is a binary heap: the id of a parent is below those of its children.
void fuse_wait(Fuse *f, Node *node) {
    if (f->of[node->id].waited == f->growths) return;
    f->of[node->id].waited = f->growths;
    vec_push(&f->scratch, &f->waiting, node);
    Node **heap = f->waiting.at;
    for (int k = f->waiting.len - 1; k && heap[(k - 1) / 2]->id > heap[k]->id; k = (k - 1) / 2) {
        Node *parent = heap[(k - 1) / 2];
        heap[(k - 1) / 2] = heap[k];
        heap[k] = parent;
    }
}

void fuse_wait_users(Fuse *f, const Node *node) {
    for (int u = 0; u < f->of[node->id].users.len; u++) fuse_wait(f, f->of[node->id].users.at[u]);
}

Node *fuse_next_waiting(Fuse *f) {
    if (!f->waiting.len) return NULL;
    Node **heap = f->waiting.at, *first = heap[0];
    int n = --f->waiting.len, k = 0;
    heap[0] = heap[n];
    for (int child; (child = 2 * k + 1) < n; k = child) {
        if (child + 1 < n && heap[child + 1]->id < heap[child]->id) child++;
        if (heap[k]->id <= heap[child]->id) break;
        Node *lower = heap[child];
        heap[child] = heap[k];
        heap[k] = lower;
    }
    return first;
}

// Whether a node without a state depends on a node that has one. The search goes back through the inputs and stops
// after MOST nodes with the answer yes: where it gets that far, the answer nearly always is yes, by a path around most
// of the net. A wrong yes only keeps a node out of a group.
static bool follows(Fuse *f, Node *node) {
    enum { MOST = 2000 };
    f->work.len = f->seen.len = 0;
    vec_push(&f->scratch, &f->work, node);
    while (f->work.len) {
        const Node *at = f->work.at[--f->work.len];
        if (f->of[at->id].state != UNRELATED || f->seen.len > MOST) break;
        for (int i = 0; i < at->nin; i++) {
            Node *in = at->in[i];
            if (in->id < f->lowest || f->of[in->id].apart == f->growths) continue;
            f->of[in->id].apart = f->growths;
            vec_push(&f->scratch, &f->work, in);
            vec_push(&f->scratch, &f->seen, in);
        }
        if (!f->work.len) return false; // so nothing that was seen follows
    }
    for (int k = 0; k < f->seen.len; k++) f->of[f->seen.at[k]->id].apart = 0; // some of it does
    return true;
}

State fuse_worst_input(Fuse *f, const Node *node) {
    State state = UNRELATED;
    for (int i = 0; i < node->nin && state != TAINTED; i++) {
        Node *in = node->in[i];
        if (f->of[in->id].state == UNRELATED && in->id > f->lowest && f->of[in->id].apart != f->growths &&
            follows(f, in))
            fuse_set_state(f, in, TAINTED);
        if (f->of[in->id].state > state) state = f->of[in->id].state;
    }
    return state;
}

// ---- 1: contractions ---------------------------------------------------------------------------------------------

// Whether a member that the pool follows is read or returned elsewhere.
static bool read_outside(const Fuse *f, const NodeVec *members, const Node *node) {
    bool outside = f->of[node->id].output;
    for (int u = 0; u < f->of[node->id].users.len; u++) outside |= !nodes_have(members, f->of[node->id].users.at[u]);
    return outside;
}

// A pool may leave elements over, such as the last of 45 columns in windows of 2. The kernel computes the members
// before the pool for whole windows only, so nothing else may read them.
static bool pool_may_stay(const Fuse *f, const NodeVec *members, const Node *pool, bool covers) {
    for (int k = 0; k < members->len && !covers; k++) {
        const Node *node = members->at[k];
        if (shape_equal(&node->type, &pool->in[0]->type) && read_outside(f, members, node)) return false;
    }
    return true;
}

NodeVec fuse_grow_epilogue(Fuse *f, Node *root, bool with_pool, bool *covers) {
    NodeVec members = {0};
    const Node *pool = NULL;
    fuse_grow_begin(f, root->id);
    fuse_set_state(f, root, MEMBER);
    vec_push(&f->scratch, &members, root);
    fuse_wait_users(f, root);
    for (Node *node; (node = fuse_next_waiting(f));) {
        bool pools = with_pool && !pool && node_is(node, reduce) && windows_join(root, node, covers);
        bool in_shape = shape_equal(&node->type, &root->type) || (pool && shape_equal(&node->type, &pool->type));
        bool fits = (pools || (is_elementwise(node) && in_shape)) && is_unassigned(f, node) &&
                    members.len < MAX_EPILOGUE && may_join(f, node, root) && fuse_worst_input(f, node) == MEMBER;
        fuse_set_state(f, node, fits ? MEMBER : TAINTED);
        if (!fits) continue;
        if (pools) pool = node;
        vec_push(&f->scratch, &members, node);
        fuse_wait_users(f, node);
    }
    return pool && !pool_may_stay(f, &members, pool, *covers) ? fuse_grow_epilogue(f, root, false, covers) : members;
}

static void grow_contract(Fuse *f, Node *root) {
    int group = fuse_group_new(f, GROUP_CONTRACT, root);
    bool covers;
    NodeVec members = fuse_grow_epilogue(f, root, true, &covers);
    fuse_assign(f, group, &members, 1);
}

// ---- what a reader does better itself ------------------------------------------------------------------------------

// Whether another group reads the node, directly or through at most FEW_STEPS nodes that are in no group.
static bool read_beyond(const Fuse *f, const Node *node, int group, int depth) {
    for (int u = 0; u < f->of[node->id].users.len; u++) {
        const Node *user = f->of[node->id].users.at[u];
        int by = f->of[user->id].group;
        if (by != NONE && by != group) return true;
        if (by == NONE && depth < FEW_STEPS && read_beyond(f, user, group, depth + 1)) return true;
    }
    return false;
}

// A member that a single other kernel reads, cheap to compute from members that are stored anyway (relu's mask from its
// result, in the backward pass), is left to its reader.
static bool left_to_reader(const Fuse *f, const Node *node, int group) {
    if (f->of[node->id].output || !is_elementwise(node) || node->op->traits & OP_EXPENSIVE) return false;
    if (f->of[node->id].settled || f->prepared[node->id]) return false;
    int reader = NONE;
    for (int u = 0; u < f->of[node->id].users.len; u++) {
        int by = f->of[f->of[node->id].users.at[u]->id].group;
        if (f->of[node->id].users.at[u]->loop != node->loop) return false;
        // A user in no group will be inlined, or stored by an element-wise kernel that reads what this one stores.
        if (by == group || (by != NONE && reader != NONE && by != reader)) return false;
        if (by != NONE) reader = by;
    }
    for (int i = 0; i < node->nin; i++) {
        const Node *in = node->in[i];
        if (f->of[in->id].group != group) continue;
        if (!f->of[in->id].output && !read_beyond(f, in, group, 0)) return false;
    }
    return f->of[node->id].users.len > 0;
}

static void release_cheap(Fuse *f, int group) {
    NodeVec *members = &f->members[group];
    for (int k = members->len - 1; k > 0; k--) {
        Node *node = members->at[k];
        if (!left_to_reader(f, node, group)) continue;
        memmove(&members->at[k], &members->at[k + 1], sizeof(Node *) * (size_t)(members->len - k - 1));
        members->len--;
        f->of[node->id].group = NONE;
    }
}

// ---- 3: what is stored ---------------------------------------------------------------------------------------------

// cheap: computing the node again where it is used is as good as free (movement of stored values, constants, scalar
// arithmetic). costly: computing it takes an expensive operator or a reduction. What is in a group counts as stored.
static void weigh_nodes(Fuse *f) {
    for (int id = 0; id < f->n; id++) {
        const Node *node = f->g->nodes.at[id];
        bool cheap = true, costly = false;
        for (int i = 0; i < node->nin; i++) {
            cheap &= f->of[node->in[i]->id].cheap;
            costly |= f->of[node->in[i]->id].costly;
        }
        bool stored = f->of[id].stored || f->of[id].group != NONE, source = is_source(node);
        bool expensive = node->op->traits & (OP_EXPENSIVE | OP_REDUCES | OP_ALONE);
        f->of[id].cheap = stored || source || (cheap && (is_movement(node) || (!expensive && node->type.rank == 0)));
        f->of[id].costly = !stored && !source && (expensive || costly);
    }
}

static int64_t domain_count(const Fuse *f, int group) {
    const Group *g = &f->group[group];
    return type_count(g->kind == GROUP_ROWS ? &g->domain : &g->root->type);
}

// Finds which kernels would compute an ungrouped node inside themselves: its grouped users, and those of its inlined
// users (which have higher ids and so are known): NONE, the only one, or MANY. Counts the places of use.
static void find_reader(Fuse *f, const Node *node) {
    int reader = NONE, uses = 0, depth = 0, here = 1, moved = 0;
    f->of[node->id].again_in_loop = false;
    for (int u = 0; u < f->of[node->id].users.len; u++) {
        const Node *user = f->of[node->id].users.at[u];
        int group = f->of[user->id].group;
        bool inlined = group == NONE;
        f->of[node->id].again_in_loop |= user->loop != node->loop || (inlined && f->of[user->id].again_in_loop);
        if (inlined && f->of[user->id].depth > depth) depth = f->of[user->id].depth;
        uses += inlined ? f->of[user->id].uses : 1;
        // Element-wise users share a value at their index; each movement reads it at another one.
        int copies = inlined ? f->of[user->id].copies : 1;
        if (inlined && is_movement(user))
            moved += copies;
        else if (copies > here)
            here = copies;
        if (inlined) group = f->of[user->id].reader;
        if (group != NONE) reader = reader == NONE || reader == group ? group : MANY;
    }
    f->of[node->id].reader = reader;
    f->of[node->id].uses = uses < MAX_DEPTH ? uses : MAX_DEPTH;
    f->of[node->id].depth = depth + 1;
    f->of[node->id].copies = moved && here == 1 ? moved : here + moved;
    if (f->of[node->id].copies > MAX_DEPTH) f->of[node->id].copies = MAX_DEPTH;
}

// Whether a model keeps the node's value beside the parameters instead of computing it again in each call. Not when it
// would be much larger than what it is made of.
static bool is_kept(const Fuse *f, const Node *node) {
    return f->of[node->id].met && is_elementwise(node) && type_count(&node->type) <= 2 * f->of[node->id].reads;
}

// A contraction's operand that is computed where its panels are made, once after load.
static bool is_packed_from(const Fuse *f, const Node *node) {
    bool packed = f->prepared[node->id] && is_elementwise(node) && !f->of[node->id].output &&
                  !(node->op->traits & OP_EXPENSIVE) && node->type.dtype == F32;
    for (int u = 0; u < f->of[node->id].users.len; u++) {
        const Node *user = f->of[node->id].users.at[u];
        packed &= node_is(user, contract) && !f->prepared[user->id];
    }
    return packed;
}

static bool must_store(Fuse *f, const Node *node) {
    find_reader(f, node);
    int reader = f->of[node->id].reader;
    if (f->of[node->id].settled) return true;
    if (f->of[node->id].users.len == 1 && is_packed_from(f, node)) return false;
    if (fuse_needs_buffer(f, node)) return true;
    if (f->of[node->id].again) return false; // its group may compute it again too, and could not read it from another
    if (fuse_is_part(f, node) || fuse_is_whole(f, node)) return true;
    if (reader == NONE) return false;
    if (f->of[node->id].depth >= MAX_DEPTH && !is_source(node)) return true;
    if (is_kept(f, node)) return true;
    if (f->of[node->id].cheap || is_movement(node)) return false;
    if (f->of[node->id].again_in_loop) return true;
    if (reader == MANY || f->of[node->id].copies > MAX_COPIES) return true;
    bool repeats = f->of[node->id].uses > 1 || domain_count(f, reader) > 2 * type_count(&node->type);
    return repeats && f->of[node->id].costly;
}

static void join_elementwise(Fuse *f, int group, const Node *root, Node *node) {
    if (!is_elementwise(node) || !is_unassigned(f, node) || !shape_equal(&node->type, &root->type) ||
        f->members[group].len >= MAX_EPILOGUE || f->of[node->id].again || !may_join(f, node, root))
        return;
    f->of[node->id].group = group;
    vec_push(&f->scratch, &f->members[group], node);
    if (!fuse_in_cycle(f, group)) return;
    f->members[group].len--;
    f->of[node->id].group = NONE;
}

// An element-wise group that stores `root` and, with it, what it is computed from if others read that too.
static void grow_elementwise(Fuse *f, Node *root) {
    int group = fuse_group_new(f, GROUP_ROWS, NULL);
    f->group[group].domain = root->type;
    NodeVec members = {0};
    vec_push(&f->scratch, &members, root);
    f->of[root->id].group = group;
    vec_push(&f->scratch, &f->members[group], root);
    if (!is_elementwise(root)) return;
    // Producers of the same shape join when that makes no cycle (those read elsewhere become outputs), and so do others
    // that are stored anyway and read what is computed here.
    for (int k = 0; k < f->members[group].len; k++) {
        Node *node = f->members[group].at[k];
        for (int i = 0; i < node->nin; i++) join_elementwise(f, group, root, node->in[i]);
        for (int u = 0; u < f->of[node->id].users.len; u++)
            if (fuse_needs_buffer(f, f->of[node->id].users.at[u]))
                join_elementwise(f, group, root, f->of[node->id].users.at[u]);
    }
}

static void store_rest(Fuse *f) {
    weigh_nodes(f);
    for (int id = f->n - 1; id >= 0; id--) {
        Node *node = f->g->nodes.at[id];
        if (!is_unassigned(f, node) || is_input(node) || !must_store(f, node)) continue;
        f->of[id].stored = true;
        grow_elementwise(f, node);
    }
}

// What a group computes and somebody else reads is stored; a movement is inlined by its readers instead, so they read
// what it moves.
static void find_outputs(Fuse *f) {
    bool *needed = NEW_ARRAY(&f->scratch, bool, f->n + 1);
    for (int id = f->n - 1; id >= 0; id--) {
        Node *node = f->g->nodes.at[id];
        int group = f->of[id].group;
        if (group == NONE) continue;
        needed[id] = f->of[id].output || f->of[id].stored;
        for (int u = 0; u < f->of[id].users.len; u++) {
            const Node *user = f->of[id].users.at[u];
            bool own = f->of[user->id].group == group;
            needed[id] |= !own || (is_movement(user) && !f->of[user->id].stored && needed[user->id]);
        }
        f->of[id].stored |= needed[id] && !is_movement(node);
    }
    for (int id = 0; id < f->n; id++)
        if (f->of[id].group != NONE && f->of[id].stored)
            vec_push(f->g->arena, &f->group[f->of[id].group].outputs, f->g->nodes.at[id]);
}

// ---- the passes ----------------------------------------------------------------------------------------------------

static void find_prepared(Fuse *f) {
    f->prepared = graph_find_prepared(&f->scratch, f->g);
    for (int id = 0; id < f->n; id++) {
        const Node *node = f->g->nodes.at[id];
        if (is_input(node) && f->prepared[id]) f->of[id].reads = type_count(&node->type);
        for (int i = 0; i < node->nin; i++)
            if (f->of[node->in[i]->id].reads > f->of[id].reads) f->of[id].reads = f->of[node->in[i]->id].reads;
    }
    for (int id = f->n - 1; id >= 0; id--)
        for (int u = 0; u < f->of[id].users.len && f->prepared[id]; u++) {
            const Node *user = f->of[id].users.at[u];
            f->of[id].met |= !f->prepared[user->id] || (is_movement(user) && f->of[user->id].met);
        }
}

// If a kernel of the forward pass made the second computation too, its result would live as long as the first one.
static void find_late(Fuse *f) {
    for (int id = 0; id < f->n; id++) {
        const Node *node = f->g->nodes.at[id];
        f->of[id].late = node->copy > 0;
        for (int i = 0; i < node->nin; i++) f->of[id].late |= f->of[node->in[i]->id].late;
        f->of[id].early = !f->of[id].late && node->section < SECTION_BACKWARD;
    }
}

static void find_updated(Fuse *f) {
    const Module *module = f->g->module;
    bool *bound = NEW_ARRAY(&f->scratch, bool, module->storages.len + 1);
    for (int k = 0; k < f->g->outputs.len; k++)
        if (f->g->outputs.at[k].storage) bound[f->g->outputs.at[k].storage->index] = true;
    for (int id = 0; id < f->n; id++) {
        const Node *node = f->g->nodes.at[id];
        if (node_is(node, storage))
            f->of[id].updated = bound[module_find_storage(module, node_attr(node, "name")->s)->index];
    }
}

// What reads a value, also through what is computed where it is read, and was made before the update that overwrites
// the value, comes before it.
static void let_read_before(Fuse *f, int *seen, const Node *value, Node *update) {
    NodeVec work = {0};
    vec_push(&f->scratch, &work, f->g->nodes.at[value->id]);
    while (work.len) {
        const Node *node = work.at[--work.len];
        for (int u = 0; u < f->of[node->id].users.len; u++) {
            Node *user = f->of[node->id].users.at[u];
            if (user->id >= update->id || seen[user->id] == update->id) continue;
            seen[user->id] = update->id;
            vec_push(&f->scratch, &f->of[user->id].overwriters, update);
            vec_push(&f->scratch, &f->of[update->id].waits_for, user);
            if (is_elementwise(user) || is_movement(user)) vec_push(&f->scratch, &work, user);
        }
    }
}

// s = update(update(s, i, v), j, w): each may store its part into s, if a fused reader does not keep it waiting.
static void find_overwriters(Fuse *f) {
    int *seen = NEW_ARRAY(&f->scratch, int, f->n + 1); // by node: the last update for which it was
    for (int k = 0; k < f->g->outputs.len; k++) {
        const Output *output = &f->g->outputs.at[k];
        const Node *first = output->value;
        while (update_changes(first)) first = update_changes(first);
        bool own = output->storage && node_is(first, storage) &&
                   module_find_storage(f->g->module, node_attr(first, "name")->s) == output->storage;
        for (const Node *at = output->value; own && at != first; at = update_changes(at))
            let_read_before(f, seen, update_changes(at), f->g->nodes.at[at->id]);
    }
}

// Every node is in no group, and only inputs are stored.
static void forget_groups(Fuse *f) {
    f->ngroups = 0;
    for (int k = 0; k < f->n; k++) {
        f->of[k].group = NONE;
        f->of[k].stored = is_input(f->g->nodes.at[k]);
        f->of[k].again = false;
        f->members[k].len = 0;
    }
    fuse_places_begin(f);
}

static void fuse_begin(Fuse *f, Graph *g, const PassOptions *options) {
    int n = g->nodes.len;
    *f = (Fuse){.g = g, .n = n, .frugal = options->frugal};
    f->of = NEW_ARRAY(&f->scratch, NodeInfo, n + 1);
    f->walked = NEW_ARRAY(&f->scratch, int, 2 * n + 2);
    f->group = NEW_ARRAY(&f->scratch, Group, n + 1);
    f->members = NEW_ARRAY(&f->scratch, NodeVec, n + 1);
    for (int k = 0; k < n; k++) {
        Node *node = g->nodes.at[k];
        for (int i = 0; i < node->nin; i++) vec_push(&f->scratch, &f->of[node->in[i]->id].users, node);
    }
    for (int k = 0; k < g->outputs.len; k++) f->of[g->outputs.at[k].value->id].output = true;
    Schedule schedule = graph_schedule(&f->scratch, g);
    for (int k = 0; k < n; k++) {
        f->of[k].phase = schedule.phase[k];
        const Node *node = g->nodes.at[k];
        if (node->op->traits & OP_LOOP && node->op->traits & OP_INPUT) f->of[node->in[0]->id].output = true;
    }
    for (int l = 0; l < g->loops.len; l++)
        for (int i = 0; i < g->loops.at[l].next.len; i++)
            if (g->loops.at[l].next.at[i]) f->of[g->loops.at[l].next.at[i]->id].output = true;
    find_updated(f);
    find_overwriters(f);
    find_prepared(f);
    find_late(f);
    forget_groups(f);
}

static void find_groups(Fuse *f) {
    Node **node = f->g->nodes.at;
    // The last contraction first: a sum of two contractions belongs to the one that is computed later.
    for (int id = f->n - 1; id >= 0; id--)
        if (node_is(node[id], contract)) grow_contract(f, node[id]);
    for (int id = 0; id < f->n; id++)
        if (node[id]->op->traits & OP_ALONE) fuse_stand_alone(f, node[id]);
    for (int id = 0; id < f->n; id++)
        if (node_is(node[id], reduce) && is_unassigned(f, node[id])) fuse_grow_rows(f, node[id]);
    for (int k = 0; k < f->ngroups; k++) release_cheap(f, k);
    fuse_recompute(f);
    fuse_renumber(f); // some groups lost members
    store_rest(f);
    find_outputs(f);
}

Graph *pass_fuse(Graph *from, const PassOptions *options) {
    Graph *g = fuse_settle_loops(from);
    Fuse f;
    fuse_begin(&f, g, options);
    find_groups(&f);
    while (fuse_settle(&f)) {
        forget_groups(&f);
        find_groups(&f);
    }
    fuse_order(&f);
    arena_release(&f.scratch);
    return g;
}

// How deep what is inlined below the node is nested.
static int inlined_depth(const Fuse *f, const Node *node) {
    int depth = 0;
    for (int k = 0; k < node->nin; k++)
        if (f->of[node->in[k]->id].depth > depth) depth = f->of[node->in[k]->id].depth;
    return depth;
}

// -O0: what only moves or is constant is inlined, to a depth; every other operator is a kernel.
Graph *pass_separate(Graph *from, const PassOptions *options) {
    Graph *g = fuse_settle_loops(from);
    Fuse f;
    fuse_begin(&f, g, options);
    for (int id = 0; id < f.n; id++) {
        Node *node = g->nodes.at[id];
        if (is_input(node)) continue;
        if ((is_movement(node) || is_source(node)) && !f.of[id].output) {
            f.of[id].depth = inlined_depth(&f, node) + 1;
            if (f.of[id].depth < MAX_DEPTH) continue;
        }
        f.of[id].depth = 0;
        int group = fuse_group_new(&f, GROUP_NAIVE, node);
        f.of[id].group = group;
        f.of[id].stored = true;
        vec_push(&f.scratch, &f.members[group], node);
        vec_push(g->arena, &f.group[group].outputs, node);
    }
    fuse_order(&f);
    arena_release(&f.scratch);
    return g;
}
