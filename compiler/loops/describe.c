// describe.c: what a group computes and loads, and from that its kernel's name, comment and work.
//     linear_relu    // h = linear, relu at mlp.dl:7:9
//                    // fused: contract, add, relu
// Names come from the layers and operators that the user wrote, so that the C can be read beside the .dl.
#include <string.h>

#include "loops/recipes.h"
#include "support/sort.h"

enum { NAME_PARTS = 3, COMMENT_PARTS = 12 };

// ---- the nodes of a group -------------------------------------------------------------------------------------------

typedef enum Reach { REACH_HERE = 1, REACH_ELSEWHERE = 2 } Reach;

typedef struct Walk {
    const bool *stored;
    const Group *group;
    Tags reached; // bits of Reach
    Arena *arena;
    NodeVec nodes;
} Walk;

bool group_stores(const Group *group, const Node *node) {
    for (int k = 0; k < group->outputs.len; k++)
        if (group->outputs.at[k] == node) return true;
    return false;
}

// A value that is reached through element-wise operators alone is read at the index that is stored.
static void walk(Walk *w, Node *node, Reach reach) {
    int *reached = tag_of(&w->reached, node);
    if (*reached & reach) return;
    if (!*reached) vec_push(w->arena, &w->nodes, node);
    *reached |= (int)reach;
    if (w->stored[node->id] && !group_stores(w->group, node)) return;
    bool here = node->op->traits & (OP_ELEMENTWISE | OP_IDENTITY);
    for (int k = 0; k < node->nin; k++) walk(w, node->in[k], here ? reach : REACH_ELSEWHERE);
}

static int by_id(const void *a, const void *b) { return (*(Node *const *)a)->id - (*(Node *const *)b)->id; }

GroupParts group_parts(Arena *arena, const bool *stored, const Group *group) {
    Arena scratch = {0};
    GroupParts parts = {0};
    Walk w = {.stored = stored, .group = group, .reached = {.arena = &scratch}, .arena = &scratch};
    for (int k = 0; k < group->outputs.len; k++) walk(&w, group->outputs.at[k], REACH_HERE);
    sort_stable(w.nodes.at, (size_t)w.nodes.len, sizeof *w.nodes.at, by_id);
    for (int k = 0; k < w.nodes.len; k++) {
        Node *node = w.nodes.at[k];
        int reached = tag_known(&w.reached, node);
        if (!stored[node->id] || group_stores(group, node)) {
            vec_push(arena, &parts.computes, node);
            continue;
        }
        if (reached & REACH_HERE) vec_push(arena, &parts.loads, (Load){node, false});
        if (reached & REACH_ELSEWHERE) vec_push(arena, &parts.loads, (Load){node, true});
    }
    arena_release(&scratch);
    return parts;
}

// ---- words ----------------------------------------------------------------------------------------------------------

typedef struct Words {
    const char *at[COMMENT_PARTS];
    int n;
    bool more;
} Words;

static void words_add(Words *words, const char *word) {
    for (int k = 0; k < words->n; k++)
        if (!strcmp(words->at[k], word)) return;
    if (words->n < COMMENT_PARTS)
        words->at[words->n++] = word;
    else
        words->more = true;
}

static void words_put(Str *s, const Words *words, int most, const char *between) {
    for (int k = 0; k < words->n && k < most; k++) str_printf(s, "%s%s", k ? between : "", words->at[k]);
    if (words->more) str_printf(s, "%s...", between);
}

static const char *layer_of(const Node *node) { return node->origin ? node->origin : node->op->name; }

static bool is_plumbing(const Node *node) { return node->op->traits & (OP_SOURCE | OP_INPUT | OP_MOVEMENT); }

static double node_flops(const Node *node) {
    double flops = node->op->flops;
    if (!(node->op->traits & OP_REDUCES)) return flops * (double)type_count(&node->type);
    const Iter *iter = node_attr(node, "iter")->iter;
    for (int k = 0; k < iter->naxes; k++) flops *= iter->axis[k].extent;
    return flops;
}

static const char *const suffix[] = {
    [SECTION_FORWARD] = "", [SECTION_LOSS] = "", [SECTION_BACKWARD] = "_grad", [SECTION_UPDATE] = "_update"};

const Node *call_node(const Call *call) {
    const Group *group = call->group;
    return !group ? NULL : group->root ? group->root : group->outputs.len ? group->outputs.at[0] : NULL;
}

bool kernel_is_again(const Kernel *kernel) { return kernel->flops_again > kernel->flops / 2; }

void kernel_describe(Program *program, Kernel *kernel, const Group *group) {
    Arena *arena = program->arena;
    const NodeVec computes = group_parts_of(program, group)->computes;
    Words layers = {0}, operators = {0}, results = {0};
    for (int k = 0; k < computes.len; k++) {
        const Node *node = computes.at[k];
        kernel->flops += node_flops(node);
        if (node->copy) kernel->flops_again += node_flops(node);
        if (is_plumbing(node) && computes.len > 1) continue;
        words_add(&layers, layer_of(node));
        words_add(&operators, node->op->name);
    }
    if (!layers.n) words_add(&layers, layer_of(group->outputs.at[0]));
    for (int k = 0; k < group->outputs.len; k++) {
        const Buffer *buffer = program->of_node[group->outputs.at[k]->id];
        words_add(&results, buffer->storage ? buffer->storage->name : buffer->name);
    }
    const Node *last = group->outputs.at[group->outputs.len - 1], *root = group->root ? group->root : last;

    Str name = str_new(arena), comment = str_new(arena);
    layers.more = false;
    words_put(&name, &layers, NAME_PARTS, "_");
    bool again = kernel_is_again(kernel);
    str_put(&name, again ? "_again" : suffix[last->section]);
    kernel->name = str_text(&name);
    words_put(&comment, &results, 4, ", ");
    str_put(&comment, again ? " = again " : last->section == SECTION_BACKWARD ? " = gradient of " : " = ");
    words_put(&comment, &layers, COMMENT_PARTS, ", ");
    const char *place = span_text(arena, root->span);
    if (*place) str_printf(&comment, " at %s", place);
    str_put(&comment, operators.n > 1 ? "\nfused: " : "");
    if (operators.n > 1) words_put(&comment, &operators, COMMENT_PARTS, ", ");
    kernel->comment = str_text(&comment);
}
