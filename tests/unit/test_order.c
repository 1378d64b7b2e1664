// test_order.c: the order in which the groups of a graph run: graphs as text, and the names of what is stored, in
// order.
#include <criterion/criterion.h>

#include "modules.h"
#include "passes/passes.h"

// After h, `a` takes memory and `b` frees it.
#define TAKES_OR_FREES                                                                                                 \
    "  %1 = exp %0 : f32[64] @{forward name=\"h\"}\n"                                                                  \
    "  %2 = tanh %0 : f32[64] @{backward name=\"a\"}\n"                                                                \
    "  %3 = reduce %1 {kind=\"sum\", ties=\"even\", shape=[], iter=[| i:64] out[] += a[i]} : f32[] @{backward "        \
    "name=\"b\"}\n"                                                                                                    \
    "  %4 = sqrt %2 : f32[64] @{backward name=\"c\"}\n"                                                                \
    "  return \"y\" = %4\n  return \"z\" = %3\n"
#define X "  %0 = argument {name=\"x\"} : f32[64]\n"
#define W "  %1 = storage {name=\"w\"} : f32[64]\n"

static const struct {
    const char *what, *nodes, *order;
    int level;
    bool frugal;
} rows[] = {
    {"as the nodes stand",
     X "  %1 = exp %0 : f32[64] @{forward name=\"a\"}\n"
       "  %2 = tanh %0 : f32[64] @{forward name=\"b\"}\n"
       "  %3 = mul %1, %2 : f32[64] @{forward name=\"c\"}\n"
       "  return \"y\" = %3\n",
     "a | b | c", 0, false},
    // `reader` reads the old w: only when it has run can `new` be written over w.
    {"an update waits for who reads the old value",
     X W "  %2 = mul %1, %0 : f32[64] @{update name=\"new\"}\n"
         "  %3 = exp %1 : f32[64] @{forward name=\"reader\"}\n"
         "  return \"y\" = %3\n  store \"w\" = %2\n",
     "reader | new", 0, false},
    {"but not for one that reads the new value too",
     X W "  %2 = mul %1, %0 : f32[64] @{update name=\"new\"}\n"
         "  %3 = mul %2, %1 : f32[64] @{forward name=\"both\"}\n"
         "  return \"y\" = %3\n  store \"w\" = %2\n",
     "new | both", 0, false},
    // The product reads its operand from memory, so that the reshape is a value of its own: a view of w's old value.
    {"a view of the old value is the old value",
     X W "  %2 = reshape %1 {shape=[8, 8]} : f32[8, 8] @{forward name=\"view\"}\n"
         "  %3 = mul %1, %0 : f32[64] @{update name=\"new\"}\n"
         "  %4 = contract %2, %2 {shape=[8, 8], iter=[i:8, j:8 | k:8] out[i, j] += a[i, k] * b[k, j]} : f32[8, 8] "
         "@{backward name=\"reader\"}\n"
         "  return \"y\" = %4\n  store \"w\" = %3\n",
     "view | reader | new", 2, false},
    // Each of two would wait for the other: the first goes first.
    {"two updates that read each other's old value",
     X W "  %2 = storage {name=\"v\"} : f32[64]\n"
         "  %3 = mul %2, %0 : f32[64] @{update name=\"new_w\"}\n"
         "  %4 = mul %1, %0 : f32[64] @{update name=\"new_v\"}\n"
         "  store \"w\" = %3\n  store \"v\" = %4\n",
     "new_w | new_v", 0, false},
    // The gradient, %4, and the update after it are one group, which waits for the count. `other` stands after %4 and
    // before the count, so that it would run first if the count did not take the place of what waits for it.
    {"a step count runs before the first update that waits for it",
     X W "  %2 = storage {name=\"t\"} : f32[]\n"
         "  %3 = reshape %0 {shape=[8, 8]} : f32[8, 8] @{forward name=\"view\"}\n"
         "  %4 = contract %3, %3 {shape=[8, 8], iter=[i:8, j:8 | k:8] out[i, j] += a[k, i] * b[k, j]} : f32[8, 8] "
         "@{backward}\n"
         "  %5 = tanh %0 : f32[64] @{backward name=\"other\"}\n"
         "  %6 = exp %2 : f32[] @{update name=\"count\"}\n"
         "  %7 = broadcast %6 {shape=[8, 8], axes=[]} : f32[8, 8] @{update}\n"
         "  %8 = mul %4, %7 : f32[8, 8] @{update name=\"new\"}\n"
         "  return \"y\" = %5\n  return \"w\" = %8\n  store \"t\" = %6\n",
     "view | count | new | other", 2, false},
    // h has 64 floats. After h, `a` takes 64 more; `b` takes none, being returned, and frees h.
    {"by default what frees memory waits for its turn", X TAKES_OR_FREES, "h | a | b | c", 0, false},
    {"in a frugal graph it runs first", X TAKES_OR_FREES, "h | b | a | c", 0, true},
    // Neither takes memory: both are outputs. The update goes first in a frugal graph.
    {"in a frugal graph an update that takes no memory runs first",
     X W "  %2 = exp %0 : f32[64] @{backward name=\"a\"}\n"
         "  %3 = mul %1, %0 : f32[64] @{update name=\"new\"}\n"
         "  return \"y\" = %2\n  store \"w\" = %3\n",
     "new | a", 0, true},
    // h lives until b and c have both run. So b frees nothing and does not go before a; then c goes first, which frees
    // a.
    {"in a frugal graph only the last reader frees",
     X "  %1 = exp %0 : f32[64] @{forward name=\"h\"}\n"
       "  %2 = tanh %0 : f32[64] @{backward name=\"a\"}\n"
       "  %3 = reduce %1 {kind=\"sum\", ties=\"even\", shape=[], iter=[| i:64] out[] += a[i]} : f32[] @{backward "
       "name=\"b\"}\n"
       "  %4 = mul %1, %2 : f32[64] @{backward name=\"c\"}\n"
       "  return \"y\" = %4\n  return \"z\" = %3\n",
     "h | a | c | b", 0, true},
};

Test(order, of_groups) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Arena arena = {0};
        const char *text = arena_printf(&arena,
                                        "param \"w\": f32[64]\nparam \"v\": f32[64]\noptim \"t\": f32[]\n"
                                        "train f(x: f32[64]) {\n%s}\n",
                                        rows[k].nodes);
        Module *m = read_graph(&arena, text);
        passes_run(m, &(PassOptions){.level = rows[k].level, .out = stdout, .frugal = rows[k].frugal});
        const Graph *g = m->entries.at[0];
        const char *order = stored_names(&arena, g);
        cr_expect(!strcmp(order, rows[k].order), "%s: got %s, want %s", rows[k].what, order, rows[k].order);
        arena_release(&arena);
    }
}
