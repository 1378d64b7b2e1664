// explain.c: a training step as mathematics (--emit=backward): forward, loss, the gradient of each value, update.
//     backward, where d_x is the gradient of the loss with respect to x
//       mlp.dl:9  return linear(h, CLASSES, name="fc2")
//         d_fc2.bias = sum(d_logits, axis=0)                                   f32[10]
//         d_h = d_logits @ fc2.weight                                          f32[N, 256]
//         d_fc2.weight = d_logits^T @ h                                        f32[10, 256]
// Values that are used in several places, results of layers and gradients have lines of their own; the rest stands
// inside the formula that uses it. Lines are in the order of computation, under the line of the .dl that they come
// from; a gradient under the line whose gradient it is. Those of a loop stand in it, with the step of each value:
//     for t = T-1 .. 0, from d_h[T-1] = d_head @ head.weight:
//       d_h[t-1] = d_z[t] @ hh.weight
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
    bool *has_steps;   // by node id: a loop goes over it
    Node **image;      // by node id: the value of an earlier loop that it computes again, or NULL: it has no line
    const char **name; // by node id, of those with a line and of inputs
    const char **base; // of a name: without the step
    Places *places;    // of a name: the step
    bool *assigns;     // by node id: the name is a storage's
    Formulas formulas;
    Taken *taken; // names, a hash table
    int ntaken;   // its size
} Explain;

static const Node *seen(const Explain *e, const Node *node) { return e->image[node->id] ? e->image[node->id] : node; }

static bool enters_or_leaves(const Node *node) { return node->op->traits & OP_INPUT && node_is_loop(node); }

static Formula input_formula(void *context, const Node *node) {
    const Explain *e = context;
    node = seen(e, node);
    if (node_is(node, step)) return (Formula){step_text(e->arena, e->g, node->loop), BIND_WHOLE, 0};
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

// What a step hands on has a line.
static void find_carried(Explain *e, Uses *uses) {
    for (int number = 1; number <= e->g->loops.len; number++) {
        const Loop *loop = graph_loop(e->g, number);
        for (int i = 0; i < loop->carry.len; i++) {
            if (!loop->carry.at[i] || !loop->carry.at[i]->mark) continue;
            const Node *next = seen(e, loop->next.at[i]);
            if (next->loop == number && !(next->op->traits & OP_INPUT)) e->own[next->id] = true;
            uses[next->id].count += enters_or_leaves(next);
        }
    }
}

static void find_lines(Explain *e) {
    const NodeVec *nodes = &e->g->nodes;
    Uses *uses = NEW_ARRAY(e->arena, Uses, nodes->len + 1);
    int *size = NEW_ARRAY(e->arena, int, nodes->len + 1);
    find_carried(e, uses);
    for (int k = 0; k < e->g->outputs.len; k++) {
        e->own[e->g->outputs.at[k].value->id] = true;
        uses[e->g->outputs.at[k].value->id].count++;
    }
    for (int id = nodes->len - 1; id >= 0; id--) { // the users of a node stand after it
        const Node *node = nodes->at[id];
        if (!node->mark || e->image[id]) continue;
        if (enters_or_leaves(node) && uses[id].count) {
            const Node *value = seen(e, node->in[0]); // a sequence, what leaves the steps, or what they begin with
            e->own[value->id] |= !node_is(node, carry) && !is_trivial(value);
            uses[value->id].count += enters_or_leaves(value); // a loop goes over what leaves another one
        }
        if (node->op->traits & OP_INPUT) continue;
        bool shared = uses[id].count > 1 && !is_trivial(node) && !(is_plumbing(node) && node->nin == 1);
        bool boundary = uses[id].user && !same_operation(node, uses[id].user) && !is_trivial(node);
        e->own[id] = e->own[id] || shared || (boundary && !is_plumbing(node));
        for (int k = 0; k < node->nin; k++) {
            Uses *of = &uses[seen(e, node->in[k])->id];
            bool through = !e->own[id] && uses[id].user && is_plumbing(node);
            of->user = through ? uses[id].user : node;
            of->count += through && uses[id].count > 1 ? uses[id].count : 1;
        }
    }
    for (int id = 0; id < nodes->len; id++) { // long formulas are cut
        const Node *node = nodes->at[id];
        if (!node->mark || e->image[id] || node->op->traits & OP_INPUT || is_trivial(node)) continue;
        size[id] = !is_plumbing(node);
        for (int k = 0; k < node->nin; k++) {
            int in = seen(e, node->in[k])->id;
            size[id] += e->own[in] ? 0 : size[in];
        }
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

static const char *name_of(Explain *e, const Node *node);

// The named value of which the node is the gradient, or NULL.
static const Node *gradient_of(Explain *e, const Node *node) {
    const Node *x = node->gradient_of ? seen(e, e->g->nodes.at[node->gradient_of - 1]) : NULL;
    while (x && !name_of(e, x) && is_plumbing(x) && x->nin == 1 && !node_is(x, slice) && !node_is(x, pad))
        x = seen(e, x->in[0]);
    return x && name_of(e, x) ? x : NULL;
}

// The index of each loop that the node is in, outermost first.
static void add_steps(const Explain *e, Places *places, int loop) {
    if (!loop) return;
    add_steps(e, places, graph_loop(e->g, loop)->parent);
    places_find(e->g, places, loop, PLACE_STEP);
}

// h[t], h[T-1] and h[:] are of one sequence, "h/1"; h is another value, "h".
static const char *key_text(const Explain *e, const char *base, int indices) {
    return indices ? arena_printf(e->arena, "%s/%d", base, indices) : base;
}

// Whether no other value has the name, nor its steps have theirs.
static bool is_free(const Explain *e, const Node *node, const char *base) {
    int n = e->places[node->id].n;
    return !taken_place(e, key_text(e, base, n))->name &&
           (!e->has_steps[node->id] || !taken_place(e, key_text(e, base, n + 1))->name);
}

static void set_name(Explain *e, const Node *node, const char *base) {
    int id = node->id, n = e->places[id].n;
    e->base[id] = base;
    e->name[id] = arena_printf(e->arena, "%s%s", base, places_text(e->arena, e->g, &e->places[id]));
    take(e, key_text(e, base, n));
    if (e->has_steps[id]) take(e, key_text(e, base, n + 1));
}

// Names the node `wanted`, numbered where that is taken.
static void name_freely(Explain *e, const Node *node, const char *wanted) {
    const char *base = wanted;
    Taken *first = taken_place(e, key_text(e, wanted, e->places[node->id].n));
    int number = first->next;
    while (!is_free(e, node, base)) base = arena_printf(e->arena, "%s_%d", wanted, 2 + number++);
    first->next = number;
    set_name(e, node, base);
}

// Where a loop carries the gradient of x on from one that has a name, d_x[T-1]: that one's name.
static const char *name_of_first(Explain *e, const Node *node, const Node *x) {
    const Loop *loop = node->loop ? graph_loop(e->g, node->loop) : NULL;
    for (int i = 0; loop && i < loop->carry.len; i++) {
        const Node *carry = loop->carry.at[i];
        if (!carry || !carry->mark || e->image[carry->id] || seen(e, loop->next.at[i]) != node) continue;
        const Node *init = seen(e, carry->in[0]), *of = gradient_of(e, init);
        if (!of || !name_of(e, init) || e->base[of->id] != e->base[x->id]) continue;
        Places places = e->places[node->id];
        places_find(e->g, &places, node->loop, PLACE_STEP)->kind = PLACE_FIRST;
        places_find(e->g, &places, node->loop, PLACE_FIRST)->plus += loop->reverse ? 1 : -1;
        const char *first = arena_printf(e->arena, "%s%s", e->base[init->id], places_text(e->arena, e->g, &places));
        if (!strcmp(first, e->name[init->id])) return e->base[init->id];
    }
    return NULL;
}

// The gradient of conv1_2 is d_conv1_2, however many there are that were called conv1; that of h[t-1] is d_h[t-1].
static void name_line(Explain *e, const Node *node) {
    const Node *x = gradient_of(e, node);
    const char *wanted = x ? arena_printf(e->arena, "d_%s", e->base[x->id]) : node->name;
    if (x) e->places[node->id] = e->places[x->id];
    add_steps(e, &e->places[node->id], node->loop);
    if (!wanted) wanted = node->origin ? node->origin : node->op->name;
    if (!x && node->section == SECTION_UPDATE && node->name)
        wanted = arena_printf(e->arena, "%s.%s", node->name, node->op->name);
    const char *first = x ? name_of_first(e, node, x) : NULL;
    if (first)
        set_name(e, node, first);
    else
        name_freely(e, node, wanted);
}

// What a value is called after, that enters the steps of a loop or leaves them: the sequence, the next one, the value.
static const Node *named_after(Explain *e, const Node *node) {
    const Node *of = seen(e, node->in[0]);
    if (node_is(node, carry)) {
        of = seen(e, graph_loop(e->g, node->loop)->next.at[node->attr[1].i]);
        if (!e->own[of->id] || of->loop != node->loop) return NULL;
    }
    return name_of(e, of) ? of : NULL;
}

// What enters or leaves the steps of a loop: x[t], h[t-1], h[:], h[T-1].
static void name_slot(Explain *e, const Node *node) {
    int id = node->id, loop = node_loop_attr(node);
    const Node *of = named_after(e, node);
    Places *places = &e->places[id];
    if (of) *places = e->places[of->id];
    bool stacked = of && node_is(node, element);
    add_steps(e, places, stacked ? graph_loop(e->g, loop)->parent : loop);
    Place *place = places_find(e->g, places, loop, stacked ? PLACE_ALL : PLACE_STEP);
    *place = (Place){node_is(node, stack)  ? PLACE_ALL
                     : node_is(node, last) ? PLACE_LAST
                                           : PLACE_STEP,
                     loop, place->plus};
    if (node_is(node, carry)) place->plus += graph_loop(e->g, loop)->reverse ? 1 : -1;
    if (!of) {
        name_freely(e, node, node->name ? node->name : node->op->name);
        return;
    }
    set_name(e, node, e->base[of->id]);
}

static const char *name_of(Explain *e, const Node *node) {
    if (e->name[node->id]) return e->name[node->id];
    if (enters_or_leaves(node))
        name_slot(e, node);
    else if (e->own[node->id])
        name_line(e, node);
    return e->name[node->id];
}

static void name_values(Explain *e) {
    const Graph *g = e->g;
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (node->mark && node_is(node, element)) e->has_steps[seen(e, node->in[0])->id] = true;
    }
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (!node->mark || !(node->op->traits & OP_INPUT) || node_is_loop(node)) continue;
        const Storage *storage = node_is(node, storage) ? module_find_storage(g->module, node->attr[0].s) : NULL;
        set_name(e, node, storage ? storage_short_name(storage) : node_attr(node, "name")->s);
    }
    for (int k = g->outputs.len - 1; k >= 0; k--) { // a result that is returned and stored is called as it is returned
        const Output *output = &g->outputs.at[k];
        int id = output->value->id;
        if (output->value->op->traits & OP_INPUT) continue;
        e->assigns[id] = output->storage != NULL;
        set_name(e, output->value, output->storage ? storage_short_name(output->storage) : output->name);
    }
    for (int id = 0; id < g->nodes.len; id++)
        if (g->nodes.at[id]->mark && !e->image[id]) name_of(e, g->nodes.at[id]);
}

// ---- printing -------------------------------------------------------------------------------------------------------

// "  mlp.dl:9  return linear(h, CLASSES, name="fc2")"
static void put_place(Explain *e, Span span, int indent) {
    if (!span.source) return;
    const char *text = span.source->text;
    int start = span.start, end = span.start;
    while (start > 0 && text[start - 1] != '\n') start--;
    while (end < span.source->len && text[end] != '\n') end++;
    while (start < end && (text[start] == ' ' || text[start] == '\t')) start++;
    str_printf(e->s, "%*s%s:%d  %.*s\n", indent, "", span.source->name, line_of(span), end - start, text + start);
}

// Where lines stand now.
typedef struct Cursor {
    int line, loop;
} Cursor;

static int indent_of(const Explain *e, int loop) { return loop ? 4 * graph_loop_depth(e->g, loop) + 6 : 2; }

static void put_formula(Explain *e, int indent, const char *name, const char *equals, const char *text,
                        const Type *type) {
    Str line = str_new(e->arena);
    str_printf(&line, "%*s%s %s %s", indent, "", name, equals, text);
    str_printf(e->s, "%-*s  ", COLUMN, str_text(&line));
    type_print(e->s, type, e->g->module->sizes);
    str_put(e->s, "\n");
}

// "a[t] = b[t-1]": a line for each carried value whose next value has none of its own.
static void put_handed_on(Explain *e, const Loop *loop, int indent) {
    for (int i = 0; i < loop->carry.len; i++) {
        const Node *carry = loop->carry.at[i];
        if (!carry || !carry->mark || e->image[carry->id] || named_after(e, carry)) continue;
        Places places = e->places[carry->id];
        places_find(e->g, &places, carry->loop, PLACE_STEP)->plus += loop->reverse ? -1 : 1;
        const char *name = arena_printf(e->arena, "%s%s", e->base[carry->id], places_text(e->arena, e->g, &places));
        const char *next = input_formula(e, loop->next.at[i]).text;
        put_formula(e, indent, name, "=", next, &carry->type);
    }
}

// "for t = 0 .. T-1, from h[-1] = 0:", under the line of the .dl; for each loop on the way from one to the other.
static void put_loops(Explain *e, Cursor *at, int to) {
    if (graph_loop_within(e->g, at->loop, to)) return;
    const Loop *loop = graph_loop(e->g, to);
    put_loops(e, at, loop->parent);
    int indent = indent_of(e, loop->parent);
    if (line_of(loop->span) != at->line) put_place(e, loop->span, indent);
    const char *last = count_text(e->arena, e->g, loop->steps, -1);
    str_printf(e->s, "%*sfor %s = %s .. %s", indent + 2, "", step_text(e->arena, e->g, to), loop->reverse ? last : "0",
               loop->reverse ? "0" : last);
    for (int i = 0, n = 0; i < loop->carry.len; i++) {
        const Node *carry = loop->carry.at[i];
        if (!carry || !carry->mark || e->image[carry->id]) continue;
        Places places = e->places[carry->id];
        places_find(e->g, &places, to, PLACE_STEP)->kind = PLACE_FIRST;
        const char *first = arena_printf(e->arena, "%s%s", e->base[carry->id], places_text(e->arena, e->g, &places));
        const char *init = input_formula(e, carry->in[0]).text;
        str_printf(e->s, "%s%s%s%s", n++ ? ", " : ", from ", first, strcmp(first, init) ? " = " : "",
                   strcmp(first, init) ? init : "");
    }
    str_put(e->s, ":\n");
    put_handed_on(e, loop, indent + 4);
    at->loop = to;
    at->line = line_of(loop->span);
}

static void put_line(Explain *e, const Node *node, Cursor *at) {
    put_loops(e, at, node->loop);
    at->loop = node->loop;
    int indent = indent_of(e, node->loop);
    if (line_of(node->span) != at->line) put_place(e, node->span, indent);
    at->line = line_of(node->span);
    put_formula(e, indent + 2, e->name[node->id], e->assigns[node->id] ? ":=" : "=",
                formula_of(&e->formulas, node).text, &node->type);
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

// Nodes of one section after the other are put together by loop.
static void put_lines(Explain *e) {
    static const char *const titles[] = {"forward", "loss",
                                         "backward, where d_x is the gradient of the loss with respect to x", "update"};
    const Graph *g = e->g;
    Schedule schedule = graph_schedule(e->arena, g);
    int *part = NEW_ARRAY(e->arena, int, g->nodes.len + 1), parts = 0, section = -1;
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (!node->mark || !e->own[id] || node->op->traits & OP_INPUT) continue;
        if ((int)node->section != section) parts++;
        section = (int)node->section;
        part[id] = parts;
    }
    for (int k = 1; k <= parts; k++) {
        Cursor at = {0};
        bool begun = false;
        for (int i = 0; i < g->nodes.len; i++) {
            const Node *node = schedule.order.at[i];
            if (part[node->id] != k) continue;
            if (!begun) str_printf(e->s, "\n%s\n", titles[node->section]);
            begun = true;
            put_line(e, node, &at);
        }
    }
}

static void explain_entry(Str *s, Graph *g) {
    graph_mark_live(g);
    int n = g->nodes.len + 1;
    Explain e = {.s = s, .arena = s->arena, .g = g, .own = NEW_ARRAY(s->arena, bool, n)};
    e.formulas = (Formulas){s->arena, g->module->sizes, input_formula, &e};
    e.name = NEW_ARRAY(s->arena, const char *, n);
    e.base = NEW_ARRAY(s->arena, const char *, n);
    e.places = NEW_ARRAY(s->arena, Places, n);
    e.image = loop_images(s->arena, g);
    e.assigns = NEW_ARRAY(s->arena, bool, n);
    e.has_steps = NEW_ARRAY(s->arena, bool, n);
    e.ntaken = 4 * (n + g->outputs.len);
    e.taken = NEW_ARRAY(s->arena, Taken, e.ntaken);
    find_lines(&e);
    name_values(&e);
    put_header(&e);
    put_lines(&e);
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
