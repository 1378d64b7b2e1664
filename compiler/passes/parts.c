// parts.c: what a stored concat is made of is stored, so that each part can be made in its place (loops/views.c).
//     y = concat(h, upsample(z)), h is a convolution's     upsample stores its half of y; the concat is no kernel
// Only where at most one part is in no group yet: then there are no more kernels than with a copy, and the other parts
// are not copied. A part cannot be made in place if it belongs to the caller, is a parameter, or occurs twice.
// A concat whose parts are all computed by kernels costs nothing when it is stored: they store into it. Without that
// its readers choose among the parts element by element. Among many parts (embeddings of a table's columns) that takes
// longer than a kernel for each.
#include "ops/op.h"
#include "passes/fuse.h"

enum {
    FEW_PARTS = 2,  // among more, choosing takes longer than a kernel for each part
    SMALL_PART = 16 // elements; a kernel for so few does not pay
};

// Whether a part in no group is worth a kernel, though others are in none either. What only shows another value under
// other dims may become a view of it.
static bool is_worth(const NodeVec *parts, const Node *part) {
    return parts->len > FEW_PARTS && !part->op->move && type_count(&part->type) >= SMALL_PART;
}

static bool joins(const Fuse *f, const Node *in, const Node *concat) {
    if (!node_is(in, concat) || !node_is(concat, concat)) return false;
    return !f->of[in->id].stored && node_attr(in, "axis")->i == node_attr(concat, "axis")->i;
}

// Adds the parts; false when one cannot be made in place.
static bool collect(Fuse *f, const Node *concat, NodeVec *parts) {
    for (int i = 0; i < concat->nin; i++) {
        Node *in = concat->in[i];
        if (joins(f, in, concat)) {
            if (!collect(f, in, parts)) return false;
            continue;
        }
        bool moved = in->op->traits & OP_MOVEMENT && f->of[in->id].group != NONE && !f->of[in->id].stored;
        if (in->op->traits & OP_INPUT || f->of[in->id].output || f->prepared[in->id] || moved) return false;
        if (nodes_have(parts, in)) return false;
        vec_push(&f->scratch, parts, in);
    }
    return true;
}

bool fuse_is_part(Fuse *f, const Node *node) {
    for (int u = 0; u < f->of[node->id].users.len; u++) {
        const Node *concat = f->of[node->id].users.at[u];
        if (!node_is(concat, concat) || joins(f, node, concat)) continue;
        while (!f->of[concat->id].stored && f->of[concat->id].users.len == 1 &&
               joins(f, concat, f->of[concat->id].users.at[0]))
            concat = f->of[concat->id].users.at[0];
        NodeVec parts = {0};
        int loose = 0;
        if (!f->of[concat->id].stored || f->of[concat->id].output || f->prepared[concat->id]) continue;
        if (!collect(f, concat, &parts) || !parts_are_placed(&parts, (int)node_attr(concat, "axis")->i)) continue;
        for (int k = 0; k < parts.len; k++) loose += f->of[parts.at[k]->id].group == NONE;
        if (loose == 1 || is_worth(&parts, node)) return true;
    }
    return false;
}

// Whether another stored concat has the part.
static bool is_taken(const Fuse *f, const Node *part, const Node *concat) {
    for (int u = 0; u < f->of[part->id].users.len; u++) {
        const Node *user = f->of[part->id].users.at[u];
        if (user != concat && node_is(user, concat) && f->of[user->id].stored) return true;
    }
    return false;
}

// Whether anything reads the concat but the concats that its parts belong to then.
static bool is_read(const Fuse *f, const Node *concat) {
    for (int u = 0; u < f->of[concat->id].users.len; u++)
        if (!joins(f, concat, f->of[concat->id].users.at[u])) return true;
    return false;
}

bool fuse_is_whole(Fuse *f, const Node *node) {
    NodeVec parts = {0};
    if (!node_is(node, concat) || f->of[node->id].output || f->prepared[node->id] || !is_read(f, node)) return false;
    if (!collect(f, node, &parts) || !parts_are_placed(&parts, (int)node_attr(node, "axis")->i)) return false;
    for (int k = 0; k < parts.len; k++) {
        bool loose = f->of[parts.at[k]->id].group == NONE;
        if ((loose && !is_worth(&parts, parts.at[k])) || is_taken(f, parts.at[k], node)) return false;
    }
    return true;
}
