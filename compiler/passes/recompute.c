// recompute.c: what readers compute again from one other stored value of its size, instead of reading it.
//     d = x - mean, y = d / s: stored by a batch norm's kernel for its gradient, beside x
//     the gradient reads x, mean[c] and s[c]: as much as d alone, and d and y need neither memory nor time to be
//     written
// Only cheap element-wise steps, few of them, whose other inputs are small (one element for each channel): a reader
// then loads nothing more than before. Needs the groups of contractions and rows; what it releases is inlined.
#include <string.h>

#include "ops/op.h"
#include "passes/fuse.h"

// A batch norm takes two steps; no net of examples/ and tests/nets takes more. Small is what has so many times fewer
// elements: 2 would give the same kernels for those nets.
enum { MOST_STEPS = 4, SMALL = 8 };

typedef struct Again {
    const Node *from; // the stored value of full size, or NULL: it cannot be computed again
    int steps;
} Again;

// Whether another group reads the node, through movement of its own group at most.
static bool is_read_elsewhere(const Fuse *f, const Node *node, int group) {
    for (int u = 0; u < f->of[node->id].users.len; u++) {
        const Node *user = f->of[node->id].users.at[u];
        if (f->of[user->id].group != group) return true;
        if (is_movement(user) && is_read_elsewhere(f, user, group)) return true;
    }
    return false;
}

// A kernel that reads the node at many places, or needs it in memory, would do the steps more than once.
static bool reads_once(const Fuse *f, const Node *node) {
    for (int u = 0; u < f->of[node->id].users.len; u++) {
        const Node *user = f->of[node->id].users.at[u];
        int group = f->of[user->id].group;
        if (user->loop != node->loop) return false;
        if (group != NONE && f->group[group].kind == GROUP_NAIVE) return false;
        if (user->op->traits & (OP_REDUCES | OP_ALONE) && (group == NONE || f->group[group].kind != GROUP_ROWS))
            return false;
    }
    return true;
}

static bool is_in_memory(const Fuse *f, const Node *node) {
    return f->of[node->id].stored || f->of[node->id].group != NONE;
}

// Adds what it takes to compute one input again; false where that is impossible.
static bool add_input(const Fuse *f, const Again *again, const Node *node, const Node *in, int group, Again *sum) {
    const Node *source = in;
    while (is_movement(source) && source->nin == 1 && !f->of[source->id].stored) source = source->in[0];
    if (source->op->traits & OP_SOURCE) return true;
    if (f->of[source->id].updated) return false; // a later reader would stand in the way of its update
    if (type_count(&source->type) * SMALL <= type_count(&node->type)) return is_in_memory(f, source);
    if (source != in) return false;
    Again part = again[in->id];
    if (!part.from) {
        bool kept = f->of[in->id].group == group ? f->of[in->id].output || is_read_elsewhere(f, in, group)
                                                 : is_in_memory(f, in);
        part = (Again){kept ? in : NULL, 0};
    }
    if (!part.from || (sum->from && sum->from != part.from)) return false;
    sum->from = part.from;
    sum->steps += part.steps;
    return true;
}

static Again how_again(const Fuse *f, const Again *again, const Node *node, int group) {
    Again sum = {.steps = 1};
    bool cheap = node->op->traits & OP_ELEMENTWISE && !(node->op->traits & OP_EXPENSIVE) && !f->prepared[node->id];
    for (int i = 0; i < node->nin && cheap; i++) cheap = add_input(f, again, node, node->in[i], group, &sum);
    cheap = cheap && sum.from && sum.steps <= MOST_STEPS &&
            dtype_info[node->type.dtype].bytes >= dtype_info[sum.from->type.dtype].bytes;
    return cheap ? sum : (Again){0};
}

void fuse_recompute(Fuse *f) {
    Again *again = NEW_ARRAY(&f->scratch, Again, f->n + 1);
    for (int group = 0; group < f->ngroups; group++) {
        NodeVec *members = &f->members[group];
        int kept = 0;
        for (int k = 0; k < members->len; k++) again[members->at[k]->id] = how_again(f, again, members->at[k], group);
        // From the last member on, so that the readers of a member are decided first: a member whose readers are all
        // computed again by other groups is computed again with them.
        for (int k = members->len - 1; k >= 0; k--) {
            Node *node = members->at[k];
            f->of[node->id].again = k > 0 && again[node->id].from && !f->of[node->id].output &&
                                    !f->of[node->id].settled && reads_once(f, node) &&
                                    is_read_elsewhere(f, node, group);
            if (f->of[node->id].again) f->of[node->id].group = NONE;
        }
        for (int k = 0; k < members->len; k++)
            if (f->of[members->at[k]->id].group == group) members->at[kept++] = members->at[k];
        members->len = kept;
    }
}
