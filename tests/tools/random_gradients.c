// random_gradients.c: the gradients of seeded random programs, graphs and .dl texts (tests/harness/random_graph.c and
// random_text.c draw them), and of some the gradients of these gradients, against central differences in double, along
// random directions through all inputs.
//     random_gradients [SEED [MODULES]]        entries that train, of so many graph modules and as many texts
// A direction that crosses kinks (of a ReLU, a maximum, a comparison) says nothing; others are drawn then, with smaller
// steps, and few entries may be left without any.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "differences.h"
#include "random_text.h"
#include "runner.h"
#include "script.h"

enum { DIRECTIONS = 3 };                                   // tried before an entry is given up
static const double step[DIRECTIONS] = {1e-5, 1e-6, 1e-7}; // along each

typedef struct Counts {
    int compared, second, rough, infinite;
} Counts;

static Point point_of(Arena *arena, Graph *g, const int64_t *sizes, uint32_t seed) {
    Point p = {.arena = arena, .g = g, .sizes = sizes, .at = NEW_ARRAY(arena, Tensor, g->nodes.len + 1)};
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (node_is(node, argument) || node_is(node, storage))
            p.at[id] = tensor_drawn(arena, &node->type, sizes, seed + seed_of(node_attr(node, "name")->s), -1, 1);
    }
    return p;
}

// Of a text: whole numbers as random_argument draws them, parameters and buffers as in a new net.
static Point point_of_text(Arena *arena, Graph *g, const int64_t *sizes, uint32_t seed) {
    Point p = point_of(arena, g, sizes, seed);
    const Tensor *storages = script_begin(arena, g->module, true);
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        const char *name = node_is(node, argument) || node_is(node, storage) ? node_attr(node, "name")->s : NULL;
        if (node_is(node, storage)) p.at[id] = storages[module_find_storage(g->module, name)->index];
        if (node_is(node, argument) && !p.at[id].f) p.at[id] = random_argument(arena, &node->type, sizes, seed, name);
    }
    return p;
}

// A wrong gradient is wrong along every direction. False: none says anything.
static bool check_loss(Tally *t, const Point *p, const Node *loss, const Wrt *wrt, const char *what) {
    const char *wrong = NULL;
    for (uint32_t k = 0; k < DIRECTIONS; k++) {
        bool rough;
        const char *found = differences_along(p, loss, wrt, 100 * k + 1, step[k], &rough);
        if (!found && !rough) {
            tally(t, true, "%s", what);
            return true;
        }
        if (found) wrong = found;
    }
    if (wrong) tally(t, false, "%s: %s", what, wrong);
    return wrong;
}

static Node *loss_of(const Graph *g) {
    for (int k = 0; k < g->outputs.len; k++)
        if (g->outputs.at[k].name && !strcmp(g->outputs.at[k].name, "loss")) return g->outputs.at[k].value;
    return NULL;
}

// Differences hold what gradients stop at, which the interpreter of loops cannot do.
static bool is_held_in_loops(const Graph *g) {
    bool held = false;
    for (int id = 0; id < g->nodes.len; id++) held |= node_is(g->nodes.at[id], detach);
    return held && g->loops.len;
}

static void check_entry(Tally *t, Counts *counts, Arena *arena, Graph *g, uint32_t seed, bool second, bool text) {
    int64_t sizes[MAX_SIZES] = {0}, n;
    if (is_held_in_loops(g)) return;
    for (int k = 0; k < g->module->nsizes; k++) {
        int64_t bound = g->module->sizes[k].bound;
        int least = graph_least(g, k), choices = (int)bound - least + 1;
        sizes[k] = least + seed % (uint32_t)(choices < 3 ? choices : 3);
    }
    n = sizes[0];
    Node *loss = loss_of(g), *both = NULL;
    Wrt wrt, again;
    char *what = arena_printf(arena, "seed %u %s(N=%d)", seed, g->name, (int)n);
    bool ok = differences_wrt(g, loss, &wrt);
    if (ok && second) both = differences_second(g, &wrt);
    if (both) ok = differences_wrt(g, both, &again);
    tally(t, ok, "%s: no gradient", what);
    if (!ok) return;
    Point p = text ? point_of_text(arena, g, sizes, seed) : point_of(arena, g, sizes, seed);
    if (!isfinite(differences_evaluate(&p, arena, loss).f[0])) { // a mean over no label
        counts->infinite++;
        return;
    }
    bool compared = check_loss(t, &p, loss, &wrt, what);
    counts->compared += compared, counts->rough += !compared;
    if (both) counts->second += check_loss(t, &p, both, &again, arena_printf(arena, "%s, second order", what));
}

static void check_module(Tally *t, Counts *counts, Arena *arena, Module *m, uint32_t seed, bool text) {
    for (int e = 0; e < m->entries.len; e++) {
        Graph *g = m->entries.at[e];
        if (g->kind == ENTRY_TRAIN && loss_of(g)) check_entry(t, counts, arena, g, seed, e % 4 == 0, text);
    }
}

int main(int argc, char **argv) {
    uint32_t seed = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    int modules = argc > 2 ? atoi(argv[2]) : 1;
    Tally t = {0};
    Counts counts = {0};
    for (uint32_t s = seed; s < seed + (uint32_t)modules; s++) {
        Arena arena = {0};
        Diag diag = {.out = stderr};
        check_module(&t, &counts, &arena, random_module(&arena, &diag, s), s, false);
        const char *defines, *text = random_text(&arena, s, &defines);
        check_module(&t, &counts, &arena, random_text_module(&arena, text, defines), s, true);
        arena_release(&arena);
    }
    printf(
        "%d gradients compared, %d of second order; %d entries without a smooth direction, %d with an infinite loss\n",
        counts.compared, counts.second, counts.rough, counts.infinite);
    tally(&t, counts.rough * 10 <= counts.compared, "too many entries have no smooth direction");
    tally(&t, counts.infinite * 10 <= counts.compared, "too many entries have an infinite loss");
    return tally_close(&t);
}
