// test_layout.c: channels last: the pass by its before and after, graphs as text. x and z are pictures of 8 channels, w
// the weights of a 3x3 convolution with a margin of 1. Axes are printed as i, j, k, ...: those of the result first.
#include <criterion/criterion.h>

#include "modules.h"
#include "passes/passes.h"

#define PICTURE " : f32[2, 8, 4, 4]\n"
#define LAST    " : f32[2, 4, 4, 8]\n"
// A convolution of %a with w: all as the user knows it; to channels last; from channels last; %n is what it makes.
#define AXES " | m:8, n:3, o:3] out[i, j, k, l] += "
#define CONV(n, a)                                                                                                     \
    "  %" n " = contract %" a ", %2 {shape=[2, 8, 4, 4], iter=[i:2, j:8, k:4, l:4" AXES                                \
    "a[i, m, k+n-1, l+o-1] * b[j, m, n, o]}" PICTURE
#define CONV_TO(n, a)                                                                                                  \
    "  %" n " = contract %" a ", %2 {shape=[2, 4, 4, 8], iter=[i:2, j:4, k:4, l:8" AXES                                \
    "a[i, m, j+n-1, k+o-1] * b[l, m, n, o]}" LAST
#define CONV_FROM(n, a)                                                                                                \
    "  %" n " = contract %" a ", %2 {shape=[2, 8, 4, 4], iter=[i:2, j:8, k:4, l:4" AXES                                \
    "a[i, k+n-1, l+o-1, m] * b[j, m, n, o]}" PICTURE
#define SUMS                                                                                                           \
    "  %3 = reduce %0 {kind=\"sum\", ties=\"even\", shape=[8], iter=[i:8 | j:2, k:4, l:4] out[i] += "                  \
    "a[j, i, k, l]} : f32[8]\n"
// A linear layer of 4 results after a convolution, over all that is in a picture.
#define FLAT CONV("4", "0") "  %5 = reshape %4 {shape=[2, 128]} : f32[2, 128]\n"
#define LINEAR(n, a)                                                                                                   \
    "  %" n " = contract %" a ", %3 {shape=[2, 4], iter=[i:2, j:4 | k:128] out[i, j] += a[i, k] * b[j, k]} : "         \
    "f32[2, 4]\n"

static const struct {
    const char *what, *kind, *nodes, *want; // NULL: the same
} rows[] = {
    // The caller wants the second convolution's result with its channels first: it is made so at once.
    {"a convolution that another one reads", "model",
     CONV("3", "0") "  %4 = relu %3" PICTURE CONV("5", "4") "  return \"y\" = %5\n",
     CONV_TO("3", "0") "  %4 = relu %3" LAST CONV_FROM("5", "4") "  return \"y\" = %5\n"},
    {"one that only the caller reads", "model", CONV("3", "0") "  %4 = relu %3" PICTURE "  return \"y\" = %4\n", NULL},
    {"one that both read: turned back for the caller", "model",
     CONV("3", "0") "  %4 = relu %3" PICTURE CONV("5", "4") "  return \"y\" = %5\n  return \"h\" = %4\n",
     CONV_TO("3", "0") "  %4 = relu %3" LAST CONV_FROM("5", "4") "  %6 = transpose %4 {perm=[0, 3, 1, 2]}" PICTURE
                                                                 "  return \"y\" = %5\n  return \"h\" = %6\n"},
    {"an argument beside it is turned", "model",
     CONV("3", "0") "  %4 = add %3, %1" PICTURE CONV("5", "4") "  return \"y\" = %5\n",
     CONV_TO("3", "0") "  %4 = transpose %1 {perm=[0, 2, 3, 1]}" LAST
                       "  %5 = add %3, %4" LAST CONV_FROM("6", "5") "  return \"y\" = %6\n"},
    // Not turned: made in the new order.
    {"a value for each channel is spread along the last axis", "model",
     SUMS CONV("4", "0") "  %5 = broadcast %3 {shape=[2, 8, 4, 4], axes=[1]}" PICTURE
                         "  %6 = mul %4, %5" PICTURE CONV("7", "6") "  return \"y\" = %7\n",
     SUMS CONV_TO("4", "0") "  %5 = broadcast %3 {shape=[2, 4, 4, 8], axes=[3]}" LAST
                            "  %6 = mul %4, %5" LAST CONV_FROM("7", "6") "  return \"y\" = %7\n"},
    // Fewer than 8 fill no vector.
    {"seven channels", "model",
     "  %3 = slice %2 {shape=[7, 8, 3, 3], start=[0, 0, 0, 0], step=[1, 1, 1, 1]} : f32[7, 8, 3, 3]\n"
     "  %4 = contract %0, %3 {shape=[2, 7, 4, 4], iter=[i:2, j:7, k:4, l:4" AXES
     "a[i, m, k+n-1, l+o-1] * b[j, m, n, o]} : f32[2, 7, 4, 4]\n"
     "  %5 = reshape %4 {shape=[2, 112]} : f32[2, 112]\n  return \"y\" = %5\n",
     NULL},
    {"no windows, and nothing laid out before", "model",
     "  %3 = contract %0, %2 {shape=[2, 8, 4, 4], iter=[i:2, j:8, k:4, l:4 | m:8] out[i, j, k, l] += a[i, m, k, l] * "
     "b[j, m, 1, 1]}" PICTURE "  %4 = reshape %3 {shape=[2, 128]} : f32[2, 128]\n  return \"y\" = %4\n",
     NULL},
    // Element 16 c + 4 y + x of a row is channel c of pixel y, x; here c is k, x is l and y is m.
    {"a linear layer after it reads it as it lies, in a model", "model", FLAT LINEAR("6", "5") "  return \"y\" = %6\n",
     CONV_TO("4", "0") "  %5 = contract %4, %3 {shape=[2, 4], iter=[i:2, j:4 | k:8, l:4, m:4] out[i, j] += "
                       "a[i, m, l, k] * b[j, 16*k+l+4*m]} : f32[2, 4]\n  return \"y\" = %5\n"},
    {"and is turned back in a training step", "train", FLAT LINEAR("6", "5") "  return \"y\" = %6\n",
     CONV_TO("4", "0") "  %5 = transpose %4 {perm=[0, 3, 1, 2]}" PICTURE
                       "  %6 = reshape %5 {shape=[2, 128]} : f32[2, 128]\n" LINEAR("7", "6") "  return \"y\" = %7\n"},
};

Test(layout, by_before_and_after) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Arena arena = {0};
        bool linear = strstr(rows[k].nodes, ", %3 {shape=[2, 4]");
        const char *text =
            arena_printf(&arena,
                         "param \"w\": f32[8, 8, 3, 3]\nparam \"v\": f32[4, 128]\n"
                         "%s f(x: f32[2, 8, 4, 4], z: f32[2, 8, 4, 4]) {\n"
                         "  %%0 = argument {name=\"x\"}" PICTURE "  %%1 = argument {name=\"z\"}" PICTURE
                         "  %%2 = storage {name=\"w\"} : f32[8, 8, 3, 3]\n%s%s}\n",
                         rows[k].kind, linear ? "  %3 = storage {name=\"v\"} : f32[4, 128]\n" : "", rows[k].nodes);
        // The second rebuild drops what nothing reads any more.
        Graph *g = graph_rebuild(pass_layout(read_graph(&arena, text)->entries.at[0], &(PassOptions){0}), NULL, NULL);
        const char *wrong = graph_verify(g), *got = lines_of(&arena, g);
        const char *want = rows[k].want ? rows[k].want : rows[k].nodes;
        cr_expect(!wrong, "%s: %s", rows[k].what, wrong);
        cr_expect(!strcmp(got, want), "%s: got\n%swant\n%s", rows[k].what, got, want);
        arena_release(&arena);
    }
}
