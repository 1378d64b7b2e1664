// autodiff.c: gradients as nodes appended to the graph, by reverse accumulation.
//     %2 = mul %x, %w                       %5 = mul %4, %x        d loss / d w
//     %3 = tanh %2          gives           with %4 the gradient that arrived at %2
//     loss = sum %3
// Only nodes on a path from `wrt` to `loss` are differentiated, in reverse topological order, so that a node's gradient
// is complete before it is handed on. New nodes carry the span and origin of the forward node and the section BACKWARD;
// the gradient of h is called d_h. Gradients are nodes like any other: they can be differentiated again. A loop is
// differentiated as a whole (autodiff_loop.c).
#include "ir/autodiff.h"

static bool mark_in_order(Autodiff *ad) {
    bool changed = false;
    for (int id = 0; id < ad->nforward; id++) {
        const Node *node = ad->g->nodes.at[id];
        if (node->op->traits & OP_STOPS || ad->needs[id]) continue; // unless it is asked for itself
        for (int k = 0; k < node->nin; k++) ad->needs[id] |= ad->needs[node->in[k]->id];
        if (node_is(node, carry))
            ad->needs[id] |= ad->needs[graph_loop(ad->g, node->loop)->next.at[node->attr[1].i]->id];
        changed |= ad->needs[id];
    }
    return changed;
}

// What a step hands on comes after what gets it, so loops take more than one round.
static void mark_needs(Autodiff *ad, Node *const *wrt, int nwrt) {
    for (int k = 0; k < nwrt; k++) ad->needs[wrt[k]->id] = true;
    while (mark_in_order(ad) && ad->g->loops.len) {}
}

// Reports, at the node's place, that a gradient would have to go through a node that has none.
static bool refuse_node(Graph *g, const Node *node, const Node *towards) {
    const char *reason = node->op->no_grad;
    if (!reason) reason = arena_printf(g->arena, "%s numbers have no gradient", dtype_info[node->type.dtype].name);
    diag_error(g->module->diag, node->span, "%s has no gradient, and the loss depends on it: %s", node->op->name,
               reason);
    if (towards && towards->span.source)
        diag_note(g->module->diag, towards->span, "it is used by %s; detach(x) keeps gradients out of x",
                  towards->op->name);
    return false;
}

// ---- names --------------------------------------------------------------------------------------------------------

// So many movements are looked through to find a parameter. Each new node does so, and a chain of thousands of
// movements is nobody's layer.
enum { MOVES = 16 };

// What the user knows a value by: a moved parameter is still that parameter.
static const char *label_of(const Node *node) {
    const Node *from = node;
    for (int k = 0; k < MOVES && from->op->traits & OP_MOVEMENT && from->nin == 1; k++) from = from->in[0];
    if (from->op->traits & OP_INPUT && !node_is_loop(from)) return node_attr(from, "name")->s;
    return node->name ? node->name : node->origin ? node->origin : node->op->name;
}

static void name_gradient(Autodiff *ad, Node *dx, const Node *x) {
    if (dx->id < ad->nforward) return;
    dx->gradient_of = x->id + 1;
    dx->name = arena_printf(ad->g->arena, "d_%s", label_of(x));
}

// New nodes: dx, and what the rule of y needed for it ("h_gt").
static void name_nodes(Autodiff *ad, int before, const Node *y, const Node *x, Node *dx) {
    for (int id = before; id < ad->g->nodes.len; id++) {
        Node *node = ad->g->nodes.at[id];
        node->name = arena_printf(ad->g->arena, "%s_%s", label_of(y), node->op->name);
    }
    for (; dx->id >= before; dx = dx->in[0]) { // under another shape it is the gradient already
        name_gradient(ad, dx, x);
        if (!(dx->op->traits & OP_MOVEMENT) || dx->nin != 1) break;
    }
}

// A value that is used in two places: neither part is its gradient yet.
static void name_part(const Autodiff *ad, Node *part, const Node *x) {
    if (part->id < ad->nforward || part->gradient_of != x->id + 1) return;
    part->gradient_of = 0;
    part->name = arena_printf(ad->g->arena, "d_%s_part", label_of(x));
}

// One node may be the gradient of several values: x and x + b. Out of the inside of a layer it takes the name of what
// that layer was given.
static void rename_gradient(Autodiff *ad, const Node *y, Node *dy) {
    const Node *x = dy->gradient_of ? ad->g->nodes.at[dy->gradient_of - 1] : NULL;
    if (x && x->origin && (x->span.source != y->span.source || x->span.start != y->span.start))
        name_gradient(ad, dy, y);
}

void autodiff_add(Autodiff *ad, const Node *y, Node *x, Node *dx) {
    Graph *g = ad->g;
    bool own = x->loop == ad->loop;
    Node **sum = own ? &ad->arrived[x->id] : autodiff_captured(ad, x);
    if (*sum && own) name_part(ad, *sum, x), name_part(ad, dx, x);
    int before = g->nodes.len;
    *sum = *sum ? build_binary(g, "add", *sum, dx) : dx;
    name_nodes(ad, before, y, x, *sum);
}

// Adds dy's part to each input of y. In a loop the rule is given the node that computes y again.
static bool propagate(Autodiff *ad, Node *y, Node *dy) {
    Graph *g = ad->g;
    if (!y->op->grad) return refuse_node(g, y, NULL);
    for (int k = 0; k < y->nin; k++) {
        Node *x = y->in[k];
        if (!ad->needs[x->id]) continue;
        int errors = g->module->diag->errors, before = g->nodes.len;
        Node *dx = y->op->grad(g, ad->loop ? autodiff_twin(ad, y) : y, dy, k);
        bool refused = g->module->diag->errors != errors;
        if (!dx && refused) return false; // the rule has said why
        if (refused) dlc_bug("autodiff", "the gradient of %s was refused", node_text(g->arena, y));
        if (!dx) continue;
        if (!dtype_info[x->type.dtype].is_float) return refuse_node(g, x, y);
        if (!type_equal(&dx->type, &x->type))
            dlc_bug("autodiff", "%s: the gradient of input %d is %s", node_text(g->arena, y), k,
                    node_text(g->arena, dx));
        name_nodes(ad, before, y, x, dx);
        autodiff_add(ad, y, x, dx);
    }
    return true;
}

static bool run_node(Autodiff *ad, Node *y) {
    bool leaf = true; // what depends on no wrt but itself has nowhere to send its gradient
    for (int k = 0; k < y->nin; k++) leaf &= !ad->needs[y->in[k]->id];
    if (!ad->needs[y->id] || leaf || !ad->arrived[y->id] || y->op->traits & OP_STOPS) return true;
    ad->g->span_now = y->span;
    ad->g->origin_now = y->origin ? y->origin : y->op->name;
    rename_gradient(ad, y, ad->arrived[y->id]);
    return node_is_loop(y) || propagate(ad, y, ad->arrived[y->id]);
}

bool autodiff_backward(Autodiff *ad, int first, int end) {
    while (end > first) {
        Node *y = ad->schedule.order.at[end - 1];
        if (y->loop == ad->loop) {
            if (!run_node(ad, y)) return false;
            end--;
            continue;
        }
        int loop = graph_loop_below(ad->g, y->loop, ad->loop), begin = end;
        while (begin > first && graph_loop_within(ad->g, ad->schedule.order.at[begin - 1]->loop, loop)) begin--;
        if (!autodiff_loop(ad, loop, begin, end)) return false;
        end = begin;
    }
    return true;
}

// Both ends must be floats, and the loss one number.
static bool check_request(Graph *g, const Node *loss, Node *const *wrt, int nwrt) {
    const Size *sizes = g->module->sizes;
    if (loss->type.rank != 0 || !dtype_info[loss->type.dtype].is_float) {
        diag_error(g->module->diag, g->span_now,
                   "the loss must be one float, got %s; mean(x) or sum(x) makes one number",
                   type_text(g->arena, &loss->type, sizes));
        return false;
    }
    for (int k = 0; k < nwrt; k++) {
        if (dtype_info[wrt[k]->type.dtype].is_float) continue;
        diag_error(g->module->diag, g->span_now, "%s is %s: only floats have gradients",
                   wrt[k]->name ? wrt[k]->name : wrt[k]->op->name, type_text(g->arena, &wrt[k]->type, sizes));
        return false;
    }
    return true;
}

bool autodiff(Graph *g, Node *loss, Node *const *wrt, int nwrt, Node **grads, bool *used) {
    if (!check_request(g, loss, wrt, nwrt)) return false;
    Arena scratch = {0};
    int nforward = g->nodes.len;
    Autodiff ad = {.g = g,
                   .scratch = &scratch,
                   .needs = NEW_ARRAY(&scratch, bool, nforward),
                   .arrived = NEW_ARRAY(&scratch, Node *, nforward),
                   .back = NEW_ARRAY(&scratch, int, g->loops.len + 1),
                   .again = NEW_ARRAY(&scratch, int, g->loops.len + 1),
                   .copies = {.arena = &scratch},
                   .twins = {.arena = &scratch},
                   .schedule = graph_schedule(&scratch, g),
                   .nforward = nforward};
    Span span = g->span_now;
    const char *name = g->name_now, *origin = g->origin_now;
    enum Section section = g->section_now;

    g->section_now = SECTION_BACKWARD;
    mark_needs(&ad, wrt, nwrt);
    ad.arrived[loss->id] = build_full(g, &loss->type, 1);
    name_nodes(&ad, nforward, loss, loss, ad.arrived[loss->id]);
    bool ok = autodiff_backward(&ad, 0, ad.schedule.order.len);
    g->span_now = span;
    g->name_now = name;
    g->origin_now = origin;
    for (int k = 0; k < nwrt && ok; k++) {
        Node *grad = ad.arrived[wrt[k]->id];
        if (used) used[k] = grad != NULL;
        grads[k] = grad ? grad : build_full(g, &wrt[k]->type, 0);
    }
    g->section_now = section;
    arena_release(&scratch);
    return ok;
}
