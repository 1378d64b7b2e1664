// fuse_rows.c: groups of reductions: softmax, norms, losses, pools.
//     %6 = reduce max %5
//     %7 = exp (%5 - %6)           becomes  rows over the domain of %5, reduces %6 %8, stores %9
//     %8 = reduce sum %7
//     %9 = %7 / %8
// A group's domain is what its reductions run over; every member's axes are aligned with it (Alignment).

#include "ir/affine.h"
#include "ir/windows.h"
#include "ops/op.h"
#include "passes/fuse.h"

// The whole axes of its input that a reduce sums; 0 when it reads windows, or an element more than once.
static unsigned reduced_axes(const Node *node) {
    const Iter *iter = node_attr(node, "iter")->iter;
    const Map *out = &iter->map[0], *in = &iter->map[1];
    unsigned axes = 0;
    int next_out = 0;
    if (in->rank != iter->naxes || !map_is_bare(iter, in, &node->in[0]->type)) return 0;
    for (int d = 0; d < in->rank; d++) {
        int axis = affine_bare_axis(&in->dim[d]);
        if (axis >= iter->nout) {
            axes |= 1u << d;
            continue;
        }
        // What is kept must stay in order.
        if (next_out >= out->rank || affine_bare_axis(&out->dim[next_out]) != axis) return 0;
        next_out++;
    }
    return next_out == out->rank ? axes : 0;
}

static Type outer_shape(const Type *domain, unsigned reduced, signed char *axis) {
    Type outer = {.dtype = domain->dtype};
    for (int d = 0; d < domain->rank; d++)
        if (!(reduced >> d & 1)) {
            axis[outer.rank] = (signed char)d;
            outer.dim[outer.rank++] = domain->dim[d];
        }
    return outer;
}

// Alignment of a movement of an aligned value; false when it does not follow the domain.
static bool align_movement(const Node *node, const Alignment *from, Alignment *to) {
    const Type *in = &node->in[0]->type, *out = &node->type;
    for (int d = 0; d < MAX_RANK; d++) to->map[d] = FREE;
    if (node_is(node, broadcast)) {
        const Attr *axes = node_attr(node, "axes");
        for (int k = 0; k < in->rank; k++)
            to->map[axes->ints[k]] = dim_equal(in->dim[k], out->dim[axes->ints[k]]) ? from->map[k] : FREE;
        return true;
    }
    if (node_is(node, transpose)) {
        const Attr *perm = node_attr(node, "perm");
        for (int k = 0; k < out->rank; k++) to->map[k] = from->map[perm->ints[k]];
        return true;
    }
    if (!node_is(node, reshape)) return false;
    int at[MAX_RANK];
    if (!shape_match_ones(in, out, at)) return false;
    for (int d = 0; d < out->rank; d++) to->map[d] = at[d] < 0 ? FREE : from->map[at[d]];
    return true;
}

// An element-wise node's alignment: its members' must agree. False when they do not.
static bool align_elementwise(const Fuse *f, const Node *node, Alignment *to) {
    for (int d = 0; d < MAX_RANK; d++) to->map[d] = FREE;
    for (int i = 0; i < node->nin; i++) {
        if (f->of[node->in[i]->id].state != MEMBER) continue;
        const Alignment *in = &f->of[node->in[i]->id].align;
        for (int d = 0; d < node->type.rank; d++) {
            if (in->map[d] == FREE) continue;
            if (to->map[d] != FREE && to->map[d] != in->map[d]) return false;
            to->map[d] = in->map[d];
        }
    }
    return true;
}

// Whether a node of this alignment runs along the domain (axis d is d) or the outer shape; pins it there.
static bool pin_alignment(const Node *node, const Group *group, Alignment *align) {
    signed char outer_axis[MAX_RANK] = {0};
    Type outer = outer_shape(&group->domain, group->reduced, outer_axis);
    bool whole = shape_equal(&node->type, &group->domain), part = shape_equal(&node->type, &outer);
    for (int d = 0; d < node->type.rank; d++) {
        whole &= align->map[d] == FREE || align->map[d] == d;
        part &= align->map[d] == FREE || align->map[d] == outer_axis[d];
    }
    if (!whole && !part) return false;
    for (int d = 0; d < node->type.rank; d++) align->map[d] = whole ? (signed char)d : outer_axis[d];
    return true;
}

// An output of the graph or a contraction's operand: cannot be inlined.
bool fuse_needs_buffer(const Fuse *f, const Node *node) {
    bool needs = f->of[node->id].output;
    for (int u = 0; u < f->of[node->id].users.len; u++) needs |= node_is(f->of[node->id].users.at[u], contract);
    return needs;
}

// Whether `node`, whose inputs are members or unrelated, can join; its alignment then.
static bool joins_rows(Fuse *f, const Group *group, const Node *node, Alignment *align) {
    if (!is_unassigned(f, node)) return false;
    if (is_movement(node))
        return !fuse_needs_buffer(f, node) && align_movement(node, &f->of[node->in[0]->id].align, align);
    if (is_elementwise(node)) return align_elementwise(f, node, align) && pin_alignment(node, group, align);
    if (!node_is(node, reduce) || !shape_equal(&node->in[0]->type, &group->domain) ||
        reduced_axes(node) != group->reduced)
        return false;
    // The largest of values that this kernel only stores would be the largest of another computation of them.
    if (node_reduces(node) != REDUCE_SUM && f->of[node->in[0]->id].unsettled) return false;
    // Reads of the input at another place than the domain's index would need another loop.
    if (f->of[node->in[0]->id].state == MEMBER)
        for (int d = 0; d < group->domain.rank; d++) {
            signed char along = f->of[node->in[0]->id].align.map[d];
            if (along != FREE && along != d) return false;
        }
    outer_shape(&group->domain, group->reduced, align->map);
    return true;
}

// Finds a reduction over the group's domain that members read through inlined nodes, though it follows from none of
// them (the other sum of a softmax's gradient): it can run in the same loops. NULL when there is none.
static Node *feeding_reduction(Fuse *f, const Group *group, const NodeVec *members) {
    NodeVec *work = &f->work;
    int walk = ++f->walks;
    work->len = 0;
    for (int k = 0; k < members->len; k++) vec_push(&f->scratch, work, members->at[k]);
    while (work->len) {
        const Node *node = work->at[--work->len];
        for (int i = 0; i < node->nin; i++) {
            Node *in = node->in[i];
            if (f->walked[in->id] == walk || !is_unassigned(f, in) || f->of[in->id].state == MEMBER) continue;
            f->walked[in->id] = walk;
            bool fits = node_is(in, reduce) && shape_equal(&in->in[0]->type, &group->domain) &&
                        reduced_axes(in) == group->reduced && may_join(f, in, members->at[0]);
            if (fits) return in;
            if (is_elementwise(in) || is_movement(in)) vec_push(&f->scratch, work, in);
        }
    }
    return NULL;
}

// Members that follow from the roots index by index, and reductions over the values of the first root: they share the
// loop though they do not depend on it.
static NodeVec grow_from(Fuse *f, const Group *group, const NodeVec *roots) {
    NodeVec members = {0};
    const Node *values = roots->at[0]->in[0];
    int lowest = f->n;
    for (int k = 0; k < roots->len; k++) lowest = roots->at[k]->id < lowest ? roots->at[k]->id : lowest;
    fuse_grow_begin(f, lowest);
    for (int k = 0; k < roots->len; k++) fuse_wait(f, roots->at[k]);
    for (int u = 0; u < f->of[values->id].users.len; u++) {
        Node *user = f->of[values->id].users.at[u];
        if (node_is(user, reduce) && user->id > lowest) fuse_wait(f, user);
    }
    for (Node *node; (node = fuse_next_waiting(f));) {
        State state = fuse_worst_input(f, node);
        bool is_root = nodes_have(roots, node);
        is_root |= state == UNRELATED && node_is(node, reduce) && node->in[0] == values && members.len;
        if (state == UNRELATED && !is_root) continue;
        bool fits = state != TAINTED && members.len < MAX_MEMBERS && may_join(f, node, roots->at[0]) &&
                    joins_rows(f, group, node, &f->of[node->id].align);
        fuse_set_state(f, node, fits ? MEMBER : TAINTED);
        if (!fits) continue;
        vec_push(&f->scratch, &members, node);
        fuse_wait_users(f, node);
        f->of[node->id].unsettled = f->of[node->id].settled;
        for (int i = 0; i < node->nin && !node_is(node, reduce); i++)
            f->of[node->id].unsettled |= f->of[node->in[i]->id].unsettled;
    }
    return members;
}

void fuse_stand_alone(Fuse *f, Node *root) {
    int group = fuse_group_new(f, GROUP_NAIVE, root);
    f->of[root->id].group = group;
    vec_push(&f->scratch, &f->members[group], root);
}

// A pool: its windows, then what follows from it index by index.
static void grow_windows(Fuse *f, Node *root) {
    const Iter *iter = node_attr(root, "iter")->iter;
    if (iter->naxes > MAX_RANK || !iter->nout || iter->nout == iter->naxes) {
        fuse_stand_alone(f, root);
        return;
    }
    int group = fuse_group_new(f, GROUP_ROWS, root), last = iter->nout - 1;
    Group *g = &f->group[group];
    for (int k = 0; k < last; k++) g->domain.dim[g->domain.rank++] = iter->axis[k];
    for (int k = iter->nout; k < iter->naxes; k++) {
        g->reduced |= 1u << g->domain.rank;
        g->domain.dim[g->domain.rank++] = iter->axis[k];
    }
    g->domain.dim[g->domain.rank++] = iter->axis[last];
    bool covers;
    NodeVec members = fuse_grow_epilogue(f, root, false, &covers);
    fuse_assign(f, group, &members, 1);
}

void fuse_grow_rows(Fuse *f, Node *root) {
    unsigned reduced = reduced_axes(root);
    if (!reduced) {
        grow_windows(f, root);
        return;
    }
    int group = fuse_group_new(f, GROUP_ROWS, NULL);
    f->group[group].domain = root->in[0]->type;
    f->group[group].reduced = reduced;
    NodeVec roots = {0}, members;
    vec_push(&f->scratch, &roots, root);
    for (;;) {
        members = grow_from(f, &f->group[group], &roots);
        Node *more = roots.len < MAX_ROOTS ? feeding_reduction(f, &f->group[group], &members) : NULL;
        if (!more) break;
        vec_push(&f->scratch, &roots, more);
    }
    fuse_assign(f, group, &members, 1);
    if (is_unassigned(f, root)) {
        // The larger group would be in a cycle: what follows from the first root alone is left.
        for (int k = 0; k < f->members[group].len; k++) f->of[f->members[group].at[k]->id].group = NONE;
        f->members[group].len = 0;
        roots.len = 1;
        members = grow_from(f, &f->group[group], &roots);
        fuse_assign(f, group, &members, 1);
    }
}
