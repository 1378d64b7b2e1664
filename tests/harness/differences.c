// differences.c: see differences.h.
#include "differences.h"

#include <math.h>
#include <stdlib.h>

#include "harness.h"
#include "ops/op.h"

// Which nodes `last` depends on, itself too.
static bool *needed_for(Arena *arena, const Graph *g, const Node *last) {
    bool *needed = NEW_ARRAY(arena, bool, g->nodes.len + 1);
    needed[last->id] = true;
    for (int id = last->id; id >= 0; id--) {
        const Node *node = g->nodes.at[id];
        for (int k = 0; needed[id] && k < node->nin; k++) needed[node->in[k]->id] = true;
    }
    return needed;
}

static bool is_input(const Node *node) { return node_is(node, argument) || node_is(node, storage); }

// The graph up to the node and the end of its loops.
static Graph part_until(Arena *arena, const Graph *g, const Node *last) {
    Graph part = *g;
    part.nodes.len = last->id + 1;
    part.loops.len = 0;
    part.outputs.at = NULL;
    part.outputs.len = part.outputs.cap = 0;
    for (int id = 0; id < part.nodes.len; id++)
        if (g->nodes.at[id]->loop > part.loops.len) part.loops.len = g->nodes.at[id]->loop;
    for (int loop = 1; loop <= part.loops.len; loop++)
        for (int k = 0; k < graph_loop(g, loop)->next.len; k++) {
            const Node *next = graph_loop(g, loop)->next.at[k];
            if (next && next->id >= part.nodes.len) part.nodes.len = next->id + 1;
        }
    vec_push(arena, &part.outputs, (Output){.name = "y", .value = g->nodes.at[last->id]});
    return part;
}

// Loops need the interpreter, which has no values that are held.
static Tensor evaluate_loops(const Point *p, Arena *arena, const Node *last) {
    const Module *m = p->g->module;
    Graph part = part_until(arena, p->g, last);
    Tensor value, *arguments = NEW_ARRAY(arena, Tensor, p->g->arguments.len + 1),
                  *storages = NEW_ARRAY(arena, Tensor, m->storages.len + 1);
    for (int k = 0; k < p->g->arguments.len; k++) arguments[k] = p->at[p->g->arguments.at[k]->id];
    for (int id = 0; id < part.nodes.len; id++) {
        const Node *node = p->g->nodes.at[id];
        if (p->held && node_is(node, detach)) exit(3);
        if (node_is(node, storage)) storages[module_find_storage(m, node_attr(node, "name")->s)->index] = p->at[id];
    }
    graph_interpret(&part, &(Interpretation){.arena = arena,
                                             .sizes = p->sizes,
                                             .exact = true,
                                             .arguments = arguments,
                                             .storages = storages,
                                             .returned = &value});
    return value;
}

Tensor differences_evaluate(const Point *p, Arena *arena, const Node *last) {
    if (p->g->loops.len) return evaluate_loops(p, arena, last);
    bool *needed = needed_for(arena, p->g, last);
    Tensor *value = NEW_ARRAY(arena, Tensor, last->id + 1);
    for (int id = 0; id <= last->id; id++) {
        const Node *node = p->g->nodes.at[id];
        const Tensor *in[8] = {0};
        if (!needed[id]) continue;
        if (is_input(node) || (p->held && node_is(node, detach))) {
            value[id] = is_input(node) ? p->at[id] : p->held[id];
            continue;
        }
        for (int k = 0; k < node->nin; k++) in[k] = &value[node->in[k]->id];
        value[id] = tensor_new(arena, &node->type, p->sizes);
        node_evaluate(node, in, &value[id], p->sizes, true);
    }
    return value[last->id];
}

static double number_at(const Point *p, const Node *node) {
    Arena scratch = {0};
    double number = differences_evaluate(p, &scratch, node).f[0];
    arena_release(&scratch);
    return number;
}

bool differences_wrt(Graph *g, Node *loss, Wrt *wrt) {
    Arena scratch = {0};
    bool *needed = needed_for(&scratch, g, loss);
    wrt->n = 0;
    for (int id = 0; id < loss->id && wrt->n < MAX_WRT; id++) {
        Node *node = g->nodes.at[id];
        if (!is_input(node) || !needed[id] || !dtype_info[node->type.dtype].is_float) continue;
        const Storage *storage =
            node_is(node, storage) ? module_find_storage(g->module, node_attr(node, "name")->s) : NULL;
        if (!storage || storage->kind == STORAGE_PARAM) wrt->x[wrt->n++] = node;
    }
    arena_release(&scratch);
    return autodiff(g, loss, wrt->x, wrt->n, wrt->grad, wrt->used);
}

// sum(y * w), w = 0.21 (k + ...) - 0.4 along its axes.
static Node *weighed(Graph *g, Node *y) {
    if (y->type.rank == 0) return y;
    Node *w = build_full(g, &y->type, -0.4);
    for (int d = 0; d < y->type.rank; d++)
        w = build_binary(g, "add", w,
                         build_binary(g, "mul", build_iota(g, &y->type, d), build_full(g, &y->type, 0.21 / (1 + d))));
    return build_reduce(g, REDUCE_SUM, build_binary(g, "mul", y, w), (1u << y->type.rank) - 1, TIES_EVEN);
}

Node *differences_second(Graph *g, const Wrt *wrt) {
    Node *all = NULL;
    for (int k = 0; k < wrt->n; k++) {
        if (!wrt->used[k]) continue;
        Node *one = weighed(g, wrt->grad[k]);
        all = all ? build_binary(g, "add", all, one) : one;
    }
    return all;
}

// What the detached values are at the point: a derivative takes them as constants.
static Tensor *detached(const Point *p, Arena *arena, const Node *last) {
    Tensor *held = NEW_ARRAY(arena, Tensor, p->g->nodes.len + 1);
    bool *needed = needed_for(arena, p->g, last);
    for (int id = 0; id <= last->id; id++)
        if (needed[id] && node_is(p->g->nodes.at[id], detach))
            held[id] = differences_evaluate(p, arena, p->g->nodes.at[id]);
    return held;
}

static const char *input_name(const Node *node) { return node_attr(node, "name")->s; }

const char *differences_compare(const Point *p, const Node *loss, const Wrt *wrt, int most, int *compared) {
    static const double h = 1e-5, allowed = 1e-6;
    const char *wrong = NULL;
    Arena scratch = {0};
    for (int k = 0; k < wrt->n; k++) {
        Tensor got = differences_evaluate(p, &scratch, wrt->grad[k]), *x = &p->at[wrt->x[k]->id];
        int64_t step = x->count > most ? (x->count / most) | 1 : 1;
        for (int64_t e = 0; e < x->count && !wrong; e += step) {
            double kept = x->f[e];
            x->f[e] = kept + h;
            double above = number_at(p, loss);
            x->f[e] = kept - h;
            double below = number_at(p, loss);
            x->f[e] = kept;
            double want = (above - below) / (2 * h);
            ++*compared;
            if (!(fabs(got.f[e] - want) <= allowed * (1 + fabs(want))))
                wrong = arena_printf(p->arena, "d %s element %d: got %.9g, want %.9g", input_name(wrt->x[k]), (int)e,
                                     got.f[e], want);
        }
    }
    arena_release(&scratch);
    return wrong;
}

// The loss where every input has moved by `by` times its direction.
static double moved(const Point *p, const Node *loss, const Wrt *wrt, const Tensor *direction, double by) {
    Arena scratch = {0};
    Point there = *p;
    there.at = NEW_ARRAY(&scratch, Tensor, p->g->nodes.len + 1);
    for (int id = 0; id < p->g->nodes.len; id++) there.at[id] = p->at[id];
    for (int k = 0; k < wrt->n; k++) {
        int id = wrt->x[k]->id;
        there.at[id].f = NEW_ARRAY(&scratch, double, p->at[id].count + 1);
        for (int64_t e = 0; e < p->at[id].count; e++) there.at[id].f[e] = p->at[id].f[e] + by * direction[k].f[e];
    }
    double number = number_at(&there, loss);
    arena_release(&scratch);
    return number;
}

const char *differences_along(const Point *p, const Node *loss, const Wrt *wrt, uint32_t seed, double h, bool *rough) {
    static const double allowed = 1e-6, rounding = 1e-14; // of the loss, a sum of many
    Arena scratch = {0};
    Tensor direction[MAX_WRT];
    double got = 0;
    for (int k = 0; k < wrt->n; k++) {
        direction[k] = tensor_drawn(&scratch, &wrt->x[k]->type, p->sizes, seed + (uint32_t)k, -1, 1);
        Tensor grad = differences_evaluate(p, &scratch, wrt->grad[k]);
        for (int64_t e = 0; e < grad.count; e++) got += grad.f[e] * direction[k].f[e];
    }
    Point held = *p;
    held.held = detached(p, &scratch, loss);
    double here = number_at(p, loss), above = moved(&held, loss, wrt, direction, h),
           below = moved(&held, loss, wrt, direction, -h), want = (above - below) / (2 * h);
    arena_release(&scratch);
    bool agree = fabs(got - want) <= allowed * (1 + fabs(want)) + rounding * fabs(here) / h;
    *rough = !agree && fabs(got - want) <= fabs(above - 2 * here + below) / h;
    return agree || *rough ? NULL : arena_printf(p->arena, "along direction %u: got %.9g, want %.9g", seed, got, want);
}
