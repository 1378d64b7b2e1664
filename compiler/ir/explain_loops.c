// explain_loops.c: what --emit=backward says about loops: which step a value is of, and which values of a gradient's
// loop are those of the loop that it belongs to.
//     h[t]       of the step          h[T-1]   of the last step, or h[0] of a reversed loop
//     h[t-1]     of the step before   h[:]     of all steps           g[t, t2]   of a loop in a loop
// A gradient has the index of the value that it belongs to: d_h[t-1] is that of h[t-1].
#include "ir/formula.h"
#include "ops/op.h"

// ---- indices ------------------------------------------------------------------------------------------------------

const char *step_text(Arena *arena, const Graph *g, int loop) {
    int depth = graph_loop_depth(g, loop);
    return depth ? arena_printf(arena, "t%d", depth + 1) : "t";
}

// "t-1", "T-1": something and a number.
static const char *sum_text(Arena *arena, const char *text, int plus) {
    return plus ? arena_printf(arena, "%s%+d", text, plus) : text;
}

const char *count_text(Arena *arena, const Graph *g, Dim dim, int plus) {
    Str s = str_new(arena);
    if (!dim.size) return arena_printf(arena, "%d", dim.extent + plus);
    dim_print(&s, dim, g->module->sizes);
    return sum_text(arena, str_text(&s), plus);
}

static const char *place_text(Arena *arena, const Graph *g, const Place *place) {
    const Loop *loop = graph_loop(g, place->loop);
    bool at_end = (place->kind == PLACE_LAST) != loop->reverse; // where the loop ends, or a reversed one begins
    switch (place->kind) {
    case PLACE_STEP:
        return sum_text(arena, step_text(arena, g, place->loop), place->plus);
    case PLACE_ALL:
        if (!place->plus) return ":";
        return arena_printf(arena, "%d..%s", place->plus, count_text(arena, g, loop->steps, place->plus - 1));
    default:
        return at_end ? count_text(arena, g, loop->steps, place->plus - 1) : arena_printf(arena, "%d", place->plus);
    }
}

const char *places_text(Arena *arena, const Graph *g, const Places *places) {
    Str s = str_new(arena);
    for (int k = 0; k < places->n; k++) str_printf(&s, "%s%s", k ? ", " : "[", place_text(arena, g, &places->at[k]));
    if (places->n) str_put(&s, "]");
    return str_text(&s);
}

// The index that says which step of the loop, or all of them; a new one if there is none.
Place *places_find(const Graph *g, Places *places, int loop, PlaceKind kind) {
    for (int k = 0; k < places->n; k++)
        if (places->at[k].kind == kind &&
            (kind == PLACE_ALL || graph_loop_depth(g, places->at[k].loop) == graph_loop_depth(g, loop)))
            return &places->at[k];
    if (places->n == MAX_NEST) return &places->at[MAX_NEST - 1];
    places->at[places->n] = (Place){.kind = PLACE_STEP, .loop = loop};
    return &places->at[places->n++];
}

// ---- values of another loop -----------------------------------------------------------------------------------------

// Whether the steps of `back` go with those of an earlier loop of the same scan, one by one.
static bool goes_with(const Graph *g, int back, int fore) {
    const Loop *b = graph_loop(g, back), *f = graph_loop(g, fore);
    bool one_scan = f->span.source == b->span.source && f->span.start == b->span.start;
    if (fore >= back || !one_scan || !dim_equal(f->steps, b->steps)) return false;
    return f->parent == b->parent || (f->parent && b->parent && goes_with(g, b->parent, f->parent));
}

// Values by what they are computed from: a hash table of lists.
typedef struct Images {
    const Graph *g;
    Node **image; // by node id
    Node **first; // by hash
    Node **next;  // by node id: another one of that hash
    int size;
} Images;

static Node *input_image(const Images *m, const Node *node, int k) {
    Node *in = node->in[k];
    return m->image[in->id] ? m->image[in->id] : in;
}

static int hash_image(const Images *m, const Node *node) {
    uint64_t h = 0;
    for (const char *s = node->op->name; *s; s++) h = hash_mix(h, (uint64_t)*s);
    for (int k = 0; k < node->nin; k++) h = hash_mix(h, (uint64_t)input_image(m, node, k)->id);
    return (int)(h % (uint64_t)m->size);
}

static bool same_value(const Images *m, const Node *a, const Node *b) {
    if (a->op != b->op || a->nin != b->nin) return false;
    for (int k = 0; k < a->nin; k++)
        if (input_image(m, a, k) != input_image(m, b, k)) return false;
    if (node_is(a, element) || node_is(a, step)) return goes_with(m->g, a->loop, b->loop);
    for (int k = 0; a->op->attrs[k].name; k++)
        if (!attr_equal(a->op->attrs[k].kind, &a->attr[k], &b->attr[k])) return false;
    return !node_is_loop(a);
}

static Node *find_image(const Images *m, const Node *node) {
    if (!node->loop) return NULL;
    if (node_is(node, element)) {
        Node *in = input_image(m, node, 0);
        if (node_is(in, stack) && goes_with(m->g, node->loop, node_loop_attr(in))) return input_image(m, in, 0);
    }
    for (Node *other = m->first[hash_image(m, node)]; other; other = m->next[other->id])
        if (same_value(m, node, other)) return other;
    return NULL;
}

Node **loop_images(Arena *arena, const Graph *g) {
    int n = g->nodes.len + 1;
    Images m = {g, NEW_ARRAY(arena, Node *, n), NEW_ARRAY(arena, Node *, n), NEW_ARRAY(arena, Node *, n), n};
    for (int id = 0; id < g->nodes.len && g->loops.len; id++) {
        Node *node = g->nodes.at[id];
        if (!node->mark) continue;
        m.image[id] = find_image(&m, node);
        if (m.image[id]) continue;
        Node **list = &m.first[hash_image(&m, node)];
        m.next[id] = *list;
        *list = node;
    }
    return m.image;
}
