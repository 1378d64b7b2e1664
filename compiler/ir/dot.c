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
// A node that no kernel stores is inlined where it is used: it stands in its readers' kernel when they are of one, and
// outside of all otherwise. `start` and `init`, which fill storages, are left out.
#include <string.h>

#include "ir/graph.h"
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
    const char *place = span_text(s->arena, node->span);
    if (*place) {
        str_put(s, ", tooltip=\"");
        put_label(s, place);
        str_put(s, "\"");
    }
    str_put(s, "]\n");
}

static void put_kernel(Picture *p, int k) {
    const Group *group = &p->g->groups.at[k];
    bool any = false;
    for (int i = 0; i < p->g->nodes.len; i++) {
        if (p->group_of[i] != k) continue;
        if (!any)
            str_printf(p->s, "        subgraph cluster_%d_k%d {\n            label=\"k%d: %s\"; style=dashed\n",
                       p->number, group->id, group->id, group_words[group->kind]);
        any = true;
        put_node(p, p->g->nodes.at[i], "            ");
    }
    if (any) str_put(p->s, "        }\n");
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
    for (int k = 0; k < g->nodes.len; k++)
        if (p->group_of[k] < 0) put_node(p, g->nodes.at[k], "        ");
    for (int k = 0; k < g->groups.len; k++) put_kernel(p, k);
    for (int k = 0; k < g->nodes.len; k++)
        for (int i = 0; i < g->nodes.at[k]->nin; i++)
            str_printf(s, "        n%d_%d -> n%d_%d\n", number, g->nodes.at[k]->in[i]->id, number, k);
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
