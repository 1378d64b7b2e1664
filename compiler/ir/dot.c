// dot.c: the graph as a picture, for Graphviz (--emit=dot): a box for each entry, in it one for each kernel.
//     digraph "mlp.dl" {
//         subgraph cluster_0 {
//             label="model forward"
//             n0_0 [label="image\nf32[N, 784]", shape=oval]
//             subgraph cluster_0_k0 {
//                 label="k0: contraction"
//                 n0_2 [label="contract\nfc1\nf32[N, 256]"]
//                 ...
//             n0_0 -> n0_2
// The steps of a loop are a box with its direction, around kernels and loops in it. Carried values stand in it as
// ovals; a dashed edge leads to each from what a step hands on.
//             subgraph cluster_0_loop1 {
//                 label="for t = 0 .. T-1"
//                 n0_5 -> n0_4 [style=dashed, label="next step"]
// A node that no kernel stores is inlined where it is used: it stands in its readers' kernel when they are of one, and
// outside of all otherwise. `start` and `init`, which fill storages, are left out.
#include <string.h>

#include "ir/formula.h"
#include "ops/op.h"

enum { UNSEEN = -1, OUTSIDE = -2 };

typedef struct Picture {
    Str *s;
    const Graph *g;
    int number;    // of the entry
    int *group_of; // by node id, or OUTSIDE
} Picture;

// Text inside quotes. Backslashes and & are escaped, because Graphviz would read them as escapes of its own.
static void put_label(Str *s, const char *text) {
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (*text == '"' || *text == '\\')
            str_printf(s, "\\%c", *text);
        else if (*text == '&')
            str_put(s, "&amp;");
        else
            str_printf(s, "%c", c < ' ' || c == 127 ? '?' : *text);
    }
}

static bool is_source(const Node *node) { return node->op->traits & OP_INPUT && !node_is_loop(node); }

// ---- which kernel a node stands in ----------------------------------------------------------------------------------

static void claim(Picture *p, const NodeVec *nodes, int group) {
    for (int k = 0; k < nodes->len; k++) p->group_of[nodes->at[k]->id] = group;
}

static void find_groups(Picture *p) {
    const Graph *g = p->g;
    bool *stored = NEW_ARRAY(p->s->arena, bool, g->nodes.len + 1);
    for (int k = 0; k < g->nodes.len; k++) p->group_of[k] = is_source(g->nodes.at[k]) ? OUTSIDE : UNSEEN;
    for (int k = 0; k < g->groups.len; k++) {
        const Group *group = &g->groups.at[k];
        claim(p, &group->outputs, k);
        claim(p, &group->reduces, k);
        if (group->root) p->group_of[group->root->id] = k;
    }
    for (int k = 0; k < g->nodes.len; k++) stored[k] = p->group_of[k] != UNSEEN;
    for (int k = g->nodes.len - 1; k >= 0; k--) { // all readers of a node stand after it
        const Node *node = g->nodes.at[k];
        for (int i = 0; i < node->nin; i++) {
            int *of = &p->group_of[node->in[i]->id];
            if (stored[node->in[i]->id] || *of == p->group_of[k]) continue;
            *of = *of == UNSEEN ? p->group_of[k] : OUTSIDE;
        }
    }
    for (int k = 0; k < g->nodes.len; k++) // what enters and leaves steps stands beside kernels
        if (g->nodes.at[k]->op->traits & OP_INPUT && node_is_loop(g->nodes.at[k])) p->group_of[k] = OUTSIDE;
}

// ---- nodes and boxes ------------------------------------------------------------------------------------------------

static void put_node(Picture *p, const Node *node, const char *indent) {
    static const char *const fill[] = {"white", "lightyellow", "lightblue", "lightgrey"}; // by section
    Str *s = p->s;
    str_printf(s, "%sn%d_%d [label=\"", indent, p->number, node->id);
    if (!is_source(node)) put_label(s, node->op->name);
    const char *name = is_source(node) ? node->attr[0].s : node->name;
    if (name) {
        if (!is_source(node)) str_put(s, "\\n");
        put_label(s, name);
    }
    str_put(s, "\\n");
    type_print(s, &node->type, p->g->module->sizes);
    str_printf(s, "\", fillcolor=%s", fill[node->section]);
    if (is_source(node)) str_printf(s, ", shape=%s", node_is(node, argument) ? "oval" : "cylinder");
    if (node_is(node, carry)) str_put(s, ", shape=oval");
    const char *place = span_text(s->arena, node->span);
    if (*place) {
        str_put(s, ", tooltip=\"");
        put_label(s, place);
        str_put(s, "\"");
    }
    str_put(s, "]\n");
}

// The loop of all nodes of the kernel: its box is drawn inside the loop's.
static int loop_of_kernel(const Picture *p, int k) {
    const Group *group = &p->g->groups.at[k];
    return group->root ? group->root->loop : group->outputs.len ? group->outputs.at[0]->loop : 0;
}

static void put_kernel(Picture *p, int k, int indent) {
    const Group *group = &p->g->groups.at[k];
    const char *inner = arena_printf(p->s->arena, "%*s", indent + 4, "");
    bool any = false;
    for (int i = 0; i < p->g->nodes.len; i++) {
        if (p->group_of[i] != k) continue;
        if (!any)
            str_printf(p->s, "%*ssubgraph cluster_%d_k%d {\n%slabel=\"k%d: %s\"; style=dashed\n", indent, "", p->number,
                       group->id, inner, group->id, group_words[group->kind]);
        any = true;
        put_node(p, p->g->nodes.at[i], inner);
    }
    if (any) str_printf(p->s, "%*s}\n", indent, "");
}

// What stands outside of kernels, kernels, and the loops in this one; 0: what is in no loop.
static void put_loop(Picture *p, int number, int indent) {
    const Graph *g = p->g;
    const char *inner = arena_printf(p->s->arena, "%*s", indent, "");
    for (int k = 0; k < g->nodes.len; k++)
        if (p->group_of[k] < 0 && g->nodes.at[k]->loop == number) put_node(p, g->nodes.at[k], inner);
    for (int k = 0; k < g->groups.len; k++)
        if (loop_of_kernel(p, k) == number) put_kernel(p, k, indent);
    for (int k = number + 1; k <= g->loops.len; k++) {
        const Loop *loop = graph_loop(g, k);
        if (loop->parent != number) continue;
        const char *last = count_text(p->s->arena, g, loop->steps, -1), *t = step_text(p->s->arena, g, k);
        str_printf(p->s, "%ssubgraph cluster_%d_loop%d {\n%s    label=\"for %s = %s .. %s\"; style=rounded\n", inner,
                   p->number, k, inner, t, loop->reverse ? last : "0", loop->reverse ? "0" : last);
        put_loop(p, k, indent + 4);
        str_printf(p->s, "%s}\n", inner);
    }
}

// From what a step hands on to the carried value that it is in the next one.
static void put_next(Picture *p) {
    for (int number = 1; number <= p->g->loops.len; number++) {
        const Loop *loop = graph_loop(p->g, number);
        for (int i = 0; i < loop->carry.len; i++)
            if (loop->carry.at[i])
                str_printf(p->s, "        n%d_%d -> n%d_%d [style=dashed, label=\"next step\", constraint=false]\n",
                           p->number, loop->next.at[i]->id, p->number, loop->carry.at[i]->id);
    }
}

static void put_outputs(Picture *p) {
    Str *s = p->s;
    for (int k = 0; k < p->g->outputs.len; k++) {
        const Output *output = &p->g->outputs.at[k];
        const char *name = output->storage ? output->storage->name : output->name ? output->name : "out";
        str_printf(s, "        o%d_%d [label=\"%s\\n", p->number, k, output->storage ? "store" : "return");
        put_label(s, name);
        str_printf(s, "\", shape=%s]\n", output->storage ? "cylinder" : "oval");
        str_printf(s, "        n%d_%d -> o%d_%d\n", p->number, output->value->id, p->number, k);
    }
}

static void put_entry(Str *s, const Graph *g, int number) {
    Picture picture = {s, g, number, NEW_ARRAY(s->arena, int, g->nodes.len + 1)}, *p = &picture;
    find_groups(p);
    str_printf(s, "    subgraph cluster_%d {\n        label=\"%s %s\"\n", number, entry_words[g->kind], g->name);
    put_loop(p, 0, 8);
    for (int k = 0; k < g->nodes.len; k++)
        for (int i = 0; i < g->nodes.at[k]->nin; i++)
            str_printf(s, "        n%d_%d -> n%d_%d\n", number, g->nodes.at[k]->in[i]->id, number, k);
    put_next(p);
    put_outputs(p);
    str_put(s, "    }\n");
}

void module_print_dot(Str *s, const Module *m) {
    str_put(s, "digraph \"");
    put_label(s, m->source_name);
    str_put(s, "\" {\n    node [shape=box, style=filled, fillcolor=white]\n");
    for (int k = 0; k < m->entries.len; k++)
        if (graph_is_public(m->entries.at[k])) put_entry(s, m->entries.at[k], k);
    str_put(s, "}\n");
}
