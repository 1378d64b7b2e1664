// random_gradients.c: the gradients of seeded random programs (tests/harness/random_graph.c draws them), and of some
// the gradients of these gradients, against central differences in double, along random directions through all inputs.
//     random_gradients [SEED [MODULES]]        20 entries a module, of which those that train are looked at
// A direction that crosses kinks (of a ReLU, a maximum, a comparison) says nothing; others are drawn then, with smaller
// steps, and few entries may be left without any.
#include <stdlib.h>
#include <string.h>

#include "differences.h"
#include "random_graph.h"
#include "runner.h"

enum { DIRECTIONS = 3 };                                   // tried before an entry is given up
static const double step[DIRECTIONS] = {1e-5, 1e-6, 1e-7}; // along each

typedef struct Counts {
    int compared, second, rough;
} Counts;

static Point point_of(Arena *arena, Graph *g, const int64_t *sizes, uint32_t seed) {
    Point p = {.arena = arena, .g = g, .sizes = sizes, .at = NEW_ARRAY(arena, Tensor, g->nodes.len + 1)};
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (node_is(node, "argument") || node_is(node, "storage"))
            p.at[id] = tensor_drawn(arena, &node->type, sizes, seed + seed_of(node_attr(node, "name")->s), -1, 1);
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

static void check_entry(Tally *t, Counts *counts, Arena *arena, Graph *g, uint32_t seed, bool second) {
    int64_t bound = g->module->sizes[0].bound, n = 1 + seed % (bound < 3 ? bound : 3);
    Node *loss = loss_of(g), *both = NULL;
    Wrt wrt, again;
    char *what = arena_printf(arena, "seed %u %s(N=%d)", seed, g->name, (int)n);
    bool ok = differences_wrt(g, loss, &wrt);
    if (ok && second) both = differences_second(g, &wrt);
    if (both) ok = differences_wrt(g, both, &again);
    tally(t, ok, "%s: no gradient", what);
    if (!ok) return;
    Point p = point_of(arena, g, &n, seed);
    bool compared = check_loss(t, &p, loss, &wrt, what);
    counts->compared += compared, counts->rough += !compared;
    if (both) counts->second += check_loss(t, &p, both, &again, arena_printf(arena, "%s, second order", what));
}

int main(int argc, char **argv) {
    uint32_t seed = argc > 1 ? (uint32_t)atoi(argv[1]) : 1;
    int modules = argc > 2 ? atoi(argv[2]) : 1;
    Tally t = {0};
    Counts counts = {0};
    for (uint32_t s = seed; s < seed + (uint32_t)modules; s++) {
        Arena arena = {0};
        Diag diag = {.out = stderr};
        Module *m = random_module(&arena, &diag, s);
        for (int e = 0; e < m->entries.len; e++)
            if (m->entries.at[e]->kind == ENTRY_TRAIN)
                check_entry(&t, &counts, &arena, m->entries.at[e], s, e % 4 == 0);
        arena_release(&arena);
    }
    printf("%d gradients compared, %d of second order; %d entries without a smooth direction\n", counts.compared,
           counts.second, counts.rough);
    tally(&t, counts.rough * 10 <= counts.compared, "too many entries have no smooth direction");
    return tally_close(&t);
}
