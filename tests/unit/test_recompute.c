// test_recompute.c: which values readers compute again instead of reading them: graphs as text, and the names of what
// is stored. In each, m holds the sums of x's columns, the value in question is made of x and m, and its kernel reduces
// it to v. It is read again for r, in another kernel, since that sums along the other axis.
#include <criterion/criterion.h>

#include "modules.h"
#include "passes/passes.h"

#define COLUMNS "shape=[16], iter=[c:16 | n:64] out[c] += a[n, c]} : f32[16]"
#define ROWS    "shape=[64], iter=[n:64 | c:16] out[n] += a[n, c]} : f32[64]"
#define FULL    " : f32[64, 16] @{forward"
#define M                                                                                                              \
    "  %3 = reduce %0 {kind=\"sum\", ties=\"even\", " COLUMNS " @{forward name=\"m\"}\n"                               \
    "  %4 = broadcast %3 {shape=[64, 16], axes=[1]}" FULL "}\n"
#define V_AND_R(v, r, d)                                                                                               \
    "  %" v " = reduce %" d " {kind=\"max\", ties=\"even\", " COLUMNS " @{forward name=\"v\"}\n"                       \
    "  %" r " = reduce %" d " {kind=\"sum\", ties=\"even\", " ROWS " @{backward name=\"r\"}\n"                         \
    "  return \"v\" = %" v "\n  return \"r\" = %" r "\n"

static const struct {
    const char *what, *nodes, *stored;
} rows[] = {
    {"one cheap step of x and a value for each channel",
     M "  %5 = sub %0, %4" FULL " name=\"d\"}\n" V_AND_R("6", "7", "5"), "m v | r"},
    // What is stored need not be computed again, so that m stays within its kernel.
    {"an expensive step is stored",
     M "  %5 = sub %0, %4" FULL "}\n"
       "  %6 = tanh %5" FULL " name=\"d\"}\n" V_AND_R("7", "8", "6"),
     "d v | r"},
    {"four steps",
     M "  %5 = sub %0, %4" FULL "}\n  %6 = abs %5" FULL "}\n  %7 = mul %6, %4" FULL "}\n"
       "  %8 = sub %7, %4" FULL " name=\"d\"}\n" V_AND_R("9", "10", "8"),
     "m v | r"},
    {"five steps are stored",
     M "  %5 = sub %0, %4" FULL "}\n  %6 = abs %5" FULL "}\n  %7 = mul %6, %4" FULL "}\n"
       "  %8 = sub %7, %4" FULL "}\n"
       "  %9 = abs %8" FULL " name=\"d\"}\n" V_AND_R("10", "11", "9"),
     "d v | r"},
    // Two loads of full size in place of one.
    {"what is made of two values of its size is stored",
     M "  %5 = sub %0, %4" FULL "}\n"
       "  %6 = mul %5, %1" FULL " name=\"d\"}\n" V_AND_R("7", "8", "6"),
     "d v | r"},
    {"an output is stored", M "  %5 = sub %0, %4" FULL " name=\"d\"}\n" V_AND_R("6", "7", "5") "  return \"d\" = %5\n",
     "d v | r"},
    // Each row of d is read for each of 4 results.
    {"what a contraction reads is stored",
     M "  %5 = sub %0, %4" FULL " name=\"d\"}\n"
       "  %6 = reduce %5 {kind=\"max\", ties=\"even\", " COLUMNS " @{forward name=\"v\"}\n"
       "  %7 = contract %5, %2 {shape=[64, 4], iter=[n:64, j:4 | c:16] out[n, j] += a[n, c] * b[c, j]} : f32[64, 4] "
       "@{backward name=\"r\"}\n"
       "  return \"v\" = %6\n  return \"r\" = %7\n",
     "d v | r"},
};

Test(recompute, what_is_stored) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Arena arena = {0};
        const char *text = arena_printf(&arena,
                                        "train f(x: f32[64, 16], z: f32[64, 16], w: f32[16, 4]) {\n"
                                        "  %%0 = argument {name=\"x\"} : f32[64, 16]\n"
                                        "  %%1 = argument {name=\"z\"} : f32[64, 16]\n"
                                        "  %%2 = argument {name=\"w\"} : f32[16, 4]\n%s}\n",
                                        rows[k].nodes);
        Module *m = read_graph(&arena, text);
        passes_run(m, &(PassOptions){.level = 2, .out = stdout});
        const char *stored = stored_names(&arena, m->entries.at[0]);
        cr_expect(!strcmp(stored, rows[k].stored), "%s: got %s, want %s", rows[k].what, stored, rows[k].stored);
        arena_release(&arena);
    }
}
