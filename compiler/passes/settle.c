// settle.c: no value is compared with another computation of itself.
//     h = x*x - z, m = max of h over a row, c = h == m
// When the kernel computes h in the loop that finds m and again in the loop that compares, C may give two results
// (twice.c). So h is stored by another kernel, and both loops read it from memory.
//     fuse groups the nodes; fuse_settle finds h; fuse groups them once more, with h stored
// A computation is a node in one loop of one kernel, at one place of that loop's index.
#include "ops/op.h"
#include "passes/fuse.h"
#include "passes/twice.h"

// Where a node is computed that will be stored by a kernel that does not exist yet: a group of its own.
static int group_to_come(const Node *node) { return MANY - 1 - node->id; }

// Loops of a group: the stores of the whole domain, what is kept once for each outer index, and one for each reduction.
enum { LOOP_STORES = 0, LOOP_OUTER = -1, LOOP_REDUCTION = 1 };

static int loop_of_reduction(const Fuse *f, const Node *node) {
    const Group *group = &f->group[f->of[node->id].group];
    for (int k = 0; k < group->reduces.len && group->kind == GROUP_ROWS; k++)
        if (group->reduces.at[k] == node) return LOOP_REDUCTION + k;
    return LOOP_STORES;
}

// What follows from a reduction and has one value for each row is computed once (rows.c keeps it in a local variable).
static bool is_kept_outer(const Fuse *f, const Node *node) {
    const Group *group = &f->group[f->of[node->id].group];
    return group->kind == GROUP_ROWS && group->reduced && !shape_equal(&node->type, &group->domain);
}

static Computation find_computation(const void *context, const Node *node, Computation at) {
    const Fuse *f = context;
    int group = f->of[node->id].group;
    if (f->of[node->id].settled && (group == NONE || !f->of[node->id].stored))
        return (Computation){group_to_come(node), LOOP_STORES, 0};
    if (group == NONE) return at;
    if (node->op->traits & OP_REDUCES) return (Computation){group, loop_of_reduction(f, node), 0};
    if (is_kept_outer(f, node)) return (Computation){group, LOOP_OUTER, 0};
    if (f->of[node->id].stored && (group != at.group || f->group[group].kind != GROUP_ROWS))
        return (Computation){group, LOOP_STORES, 0};
    return at;
}

typedef struct Settle {
    Fuse *f;
    Twice twice;
    NodeVec work;
    int *seen_in; // by node id: the number of the loop that looked at it last
    int loops;
} Settle;

static bool settle_comparison(Settle *s, const Node *node, int group, int loop) {
    Node *found;
    bool any = false;
    while ((found = twice_find(&s->twice, node, (Computation){group, loop, 0})) && !s->f->of[found->id].settled)
        any = s->f->of[found->id].settled = true;
    return any;
}

static bool is_read(const Fuse *f, const Node *node, int group) {
    int by = f->of[node->id].group;
    return is_input(node) || node->op->traits & OP_REDUCES || (by != NONE && by != group && f->of[node->id].stored);
}

// Looks at the comparisons that the loop computes on the way to `root`.
static bool settle_loop(Settle *s, Node *root, int group, int loop) {
    bool found = false;
    s->loops++;
    vec_push(&s->twice.scratch, &s->work, root);
    while (s->work.len) {
        Node *node = s->work.at[--s->work.len];
        if (s->seen_in[node->id] == s->loops) continue;
        s->seen_in[node->id] = s->loops;
        if (twice_matters(node)) found |= settle_comparison(s, node, group, loop);
        for (int i = 0; i < node->nin; i++)
            if (!is_read(s->f, node->in[i], group)) vec_push(&s->twice.scratch, &s->work, node->in[i]);
    }
    return found;
}

bool fuse_settle(Fuse *f) {
    Settle s = {.f = f, .twice = twice_new(f->g, find_computation, f)};
    s.seen_in = NEW_ARRAY(&s.twice.scratch, int, f->n + 1);
    bool found = false;
    for (int group = 0; group < f->ngroups; group++) {
        const Group *g = &f->group[group];
        for (int k = 0; k < g->outputs.len; k++) found |= settle_loop(&s, g->outputs.at[k], group, LOOP_STORES);
        for (int k = 0; k < g->reduces.len; k++)
            found |= settle_loop(&s, g->reduces.at[k], group, loop_of_reduction(f, g->reduces.at[k]));
    }
    twice_release(&s.twice);
    return found;
}
