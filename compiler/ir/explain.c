// explain.c: a training step as mathematics (--emit=backward): forward, loss, the gradient of each value, update.
//     backward, where d_x is the gradient of the loss with respect to x
//       mlp.dl:9  return linear(h, CLASSES, name="fc2")
//         d_fc2.bias = sum(d_logits, axis=0)                                   f32[10]
//         d_h = d_logits @ fc2.weight                                          f32[N, 256]
//         d_fc2.weight = d_logits^T @ h                                        f32[10, 256]
// Values that are used in several places, results of layers and gradients have lines of their own; the rest stands
// inside the formula that uses it. Lines are in the order of computation, under the line of the .dl that they come
// from; a gradient under the line whose gradient it is.
#include <string.h>

#include "ir/formula.h"
#include "ops/op.h"

enum { LONGEST = 4, COLUMN = 76 }; // operators of a formula; where types stand

typedef struct Taken {
    const char *name;
    int next; // how many more of this name were wanted
} Taken;

typedef struct Explain {
    Str *s;
    Arena *arena;
    const Graph *g;
    bool *own;         // by node id: has a line
    const char **name; // by node id, of those with a line and of inputs
    bool *assigns;     // by node id: the name is a storage's
    Formulas formulas;
    Taken *taken; // names, a hash table
    int ntaken;   // its size
} Explain;

static Formula input_formula(void *context, const Node *node) {
    const Explain *e = context;
    if (e->name[node->id]) return (Formula){e->name[node->id], BIND_WHOLE, 0};
    return formula_of(&e->formulas, node);
}

// ---- which values have a line ---------------------------------------------------------------------------------------

// What only moves numbers. The transpose of a contraction is printed as a product.
static bool is_plumbing(const Node *node) {
    if (is_matrix_transpose(node) && node_is(node->in[0], contract)) return false;
    return node->op->traits & (OP_SOURCE | OP_MOVEMENT | OP_IDENTITY);
}

// Inputs, numbers and sizes, also under another shape: never worth a line of their own.
static bool is_trivial(const Node *node) {
    while (is_plumbing(node) && node->nin == 1) node = node->in[0];
    return node->op->traits & (OP_SOURCE | OP_INPUT) || (node_is(node, cast) && node->in[0]->op->traits & OP_SOURCE);
}

static int line_of(Span span) {
    int line, column;
    span_locate(span, &line, &column);
    return span.source ? line : 0;
}

// Part of one operation of the .dl: a layer's call, or an expression on one line.
static bool same_operation(const Node *a, const Node *b) {
    if (a->section != b->section || a->span.source != b->span.source) return false;
    if (a->span.start == b->span.start) return true;
    return !a->origin && !b->origin && line_of(a->span) == line_of(b->span);
}

// The nodes that use a node, seen through what has no line.
typedef struct Uses {
    const Node *user; // the last
    int count;
} Uses;

static void find_lines(Explain *e) {
    const NodeVec *nodes = &e->g->nodes;
    Uses *uses = NEW_ARRAY(e->arena, Uses, nodes->len + 1);
    int *size = NEW_ARRAY(e->arena, int, nodes->len + 1);
    for (int k = 0; k < e->g->outputs.len; k++) {
        e->own[e->g->outputs.at[k].value->id] = true;
        uses[e->g->outputs.at[k].value->id].count++;
    }
    for (int id = nodes->len - 1; id >= 0; id--) { // the users of a node stand after it
        const Node *node = nodes->at[id];
        if (!node->mark || node->op->traits & OP_INPUT) continue;
        bool shared = uses[id].count > 1 && !is_trivial(node) && !(is_plumbing(node) && node->nin == 1);
        bool boundary = uses[id].user && !same_operation(node, uses[id].user) && !is_trivial(node);
        e->own[id] = e->own[id] || shared || (boundary && !is_plumbing(node));
        for (int k = 0; k < node->nin; k++) {
            Uses *of = &uses[node->in[k]->id];
            bool through = !e->own[id] && uses[id].user && is_plumbing(node);
            of->user = through ? uses[id].user : node;
            of->count += through && uses[id].count > 1 ? uses[id].count : 1;
        }
    }
    for (int id = 0; id < nodes->len; id++) { // long formulas are cut
        const Node *node = nodes->at[id];
        if (!node->mark || node->op->traits & OP_INPUT || is_trivial(node)) continue;
        size[id] = !is_plumbing(node);
        for (int k = 0; k < node->nin; k++) size[id] += e->own[node->in[k]->id] ? 0 : size[node->in[k]->id];
        if (size[id] > LONGEST && !is_plumbing(node)) e->own[id] = true;
    }
}

// ---- names ----------------------------------------------------------------------------------------------------------

// The name's place in the table: its own, or a free one.
static Taken *taken_place(const Explain *e, const char *name) {
    int k = (int)(text_hash(name) % (unsigned)e->ntaken);
    while (e->taken[k].name && strcmp(e->taken[k].name, name)) k = (k + 1) % e->ntaken;
    return &e->taken[k];
}

static const char *take(const Explain *e, const char *name) { return taken_place(e, name)->name = name; }

// The gradient of conv1_2 is d_conv1_2, however many there are that were called conv1.
static const char *gradient_name(const Explain *e, const Node *node) {
    const Node *x = node->gradient_of ? e->g->nodes.at[node->gradient_of - 1] : NULL;
    while (x && !e->name[x->id] && is_plumbing(x) && x->nin == 1) x = x->in[0];
    return x && e->name[x->id] ? arena_printf(e->arena, "d_%s", e->name[x->id]) : NULL;
}

static const char *fresh_name(const Explain *e, const Node *node) {
    const char *wanted = gradient_name(e, node);
    if (!wanted) wanted = node->name ? node->name : node->origin ? node->origin : node->op->name;
    if (node->section == SECTION_UPDATE && node->name)
        wanted = arena_printf(e->arena, "%s.%s", node->name, node->op->name);
    const char *name = wanted;
    Taken *first = taken_place(e, wanted);
    while (taken_place(e, name)->name) name = arena_printf(e->arena, "%s_%d", wanted, 2 + first->next++);
    return take(e, name);
}

// What enters or leaves the steps of a loop: x[t], h[t-1], h[:], h[T].
static void name_slot(Explain *e, const Node *node) {
    const char *of = e->name[node->in[0]->id], *format = node_is(node, element) ? "%s[t]"
                                                         : node_is(node, carry) ? "%s[t-1]"
                                                         : node_is(node, stack) ? "%s[:]"
                                                                                : "%s[T]";
    if (!of || node_is(node, carry)) of = node->name ? node->name : node->op->name;
    if (!e->name[node->id]) e->name[node->id] = arena_printf(e->arena, format, of);
}

static void name_values(Explain *e) {
    const Graph *g = e->g;
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (!node->mark || !(node->op->traits & OP_INPUT) || node_is_loop(node)) continue;
        const Storage *storage = node_is(node, storage) ? module_find_storage(g->module, node->attr[0].s) : NULL;
        e->name[id] = take(e, storage ? storage_short_name(storage) : node_attr(node, "name")->s);
    }
    for (int k = g->outputs.len - 1; k >= 0; k--) { // a result that is returned and stored is called as it is returned
        const Output *output = &g->outputs.at[k];
        int id = output->value->id;
        if (output->value->op->traits & OP_INPUT) continue;
        e->assigns[id] = output->storage != NULL;
        e->name[id] = take(e, output->storage ? storage_short_name(output->storage) : output->name);
    }
    for (int id = 0; id < g->nodes.len; id++)
        if (e->own[id] && !e->name[id]) e->name[id] = fresh_name(e, g->nodes.at[id]);
    for (int id = 0; id < g->nodes.len; id++)
        if (g->nodes.at[id]->op->traits & OP_INPUT && node_is_loop(g->nodes.at[id])) name_slot(e, g->nodes.at[id]);
}

// ---- printing -------------------------------------------------------------------------------------------------------

// "  mlp.dl:9  return linear(h, CLASSES, name="fc2")"
static void put_place(Explain *e, Span span) {
    if (!span.source) return;
    const char *text = span.source->text;
    int start = span.start, end = span.start;
    while (start > 0 && text[start - 1] != '\n') start--;
    while (end < span.source->len && text[end] != '\n') end++;
    while (start < end && (text[start] == ' ' || text[start] == '\t')) start++;
    str_printf(e->s, "  %s:%d  %.*s\n", span.source->name, line_of(span), end - start, text + start);
}

static void put_line(Explain *e, const Node *node) {
    const Size *sizes = e->g->module->sizes;
    const char *name = e->name[node->id];
    Formula f = formula_of(&e->formulas, node);
    Str line = str_new(e->arena);
    str_printf(&line, "    %s %s %s", name, e->assigns[node->id] ? ":=" : "=", f.text);
    str_printf(e->s, "%-*s  ", COLUMN, str_text(&line));
    type_print(e->s, &node->type, sizes);
    str_put(e->s, "\n");
}

static void put_header(Explain *e) {
    const Graph *g = e->g;
    const Size *sizes = g->module->sizes;
    header_print(e->s, g);
    str_put(e->s, "\n");
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (!node->mark || !node_is(node, storage)) continue;
        str_printf(e->s, "  %s %s: ", storage_words[module_find_storage(g->module, node->attr[0].s)->kind],
                   e->name[id]);
        type_print(e->s, &node->type, sizes);
        str_put(e->s, "\n");
    }
}

static void explain_entry(Str *s, Graph *g) {
    static const char *const titles[] = {"forward", "loss",
                                         "backward, where d_x is the gradient of the loss with respect to x", "update"};
    graph_mark_live(g);
    int n = g->nodes.len + 1;
    Explain e = {.s = s, .arena = s->arena, .g = g, .own = NEW_ARRAY(s->arena, bool, n)};
    e.formulas = (Formulas){s->arena, g->module->sizes, input_formula, &e};
    e.name = NEW_ARRAY(s->arena, const char *, n);
    e.assigns = NEW_ARRAY(s->arena, bool, n);
    e.ntaken = 2 * (n + g->outputs.len);
    e.taken = NEW_ARRAY(s->arena, Taken, e.ntaken);
    find_lines(&e);
    name_values(&e);
    put_header(&e);
    int section = -1, line = 0;
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (!node->mark || !e.own[id] || node->op->traits & OP_INPUT) continue;
        if ((int)node->section != section) {
            str_printf(s, "\n%s\n", titles[section = (int)node->section]);
            line = 0;
        }
        if (line_of(node->span) != line) put_place(&e, node->span);
        line = line_of(node->span);
        put_line(&e, node);
    }
    str_put(s, "\n");
}

bool module_explain(Str *s, const Module *m) {
    int entries = 0;
    for (int k = 0; k < m->entries.len; k++) {
        if (m->entries.at[k]->kind != ENTRY_TRAIN) continue;
        entries++;
        explain_entry(s, m->entries.at[k]);
    }
    return entries > 0;
}
