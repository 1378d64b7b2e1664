// formula_contract.c: a contraction as people write it, found from its maps.
//     out[i, j] += a[k, i] * b[k, j]                    a^T @ b
//     out[n, o, y, x] += a[n, i, 2*y+r, 2*x+s] * w[o, i, r, s]   conv2d(a, w, stride=2)
//     out[n, i, y+r, x+s] += dy[n, o, y, x] * w[o, i, r, s]      conv2d_input_gradient(dy, w)
// and einsum for what is neither.
#include "ir/affine.h"
#include "ir/formula.h"
#include "ops/op.h"

// Dimensions that more than one axis, a factor or an offset makes: windows.
static int windows_of(const Map *map) {
    int count = 0;
    for (int d = 0; d < map->rank; d++) count += affine_bare_axis(&map->dim[d]) < 0;
    return count;
}

// ---- products of matrices -----------------------------------------------------------------------------------------

bool is_matrix_transpose(const Node *node) {
    if (!node_is(node, transpose)) return false;
    const Attr *perm = node_attr(node, "perm");
    int n = perm->n;
    if (n < 2 || perm->ints[n - 1] != n - 2 || perm->ints[n - 2] != n - 1) return false;
    for (int d = 0; d + 2 < n; d++)
        if (perm->ints[d] != d) return false;
    return true;
}

// The axes before the last two of a map are those of the result, in that order.
static bool same_batch(const Iter *iter, const Map *map) {
    const Map *out = &iter->map[0];
    if (map->rank == 2) return true; // numpy repeats it
    if (map->rank != out->rank) return false;
    for (int d = 0; d + 2 < map->rank; d++)
        if (affine_bare_axis(&map->dim[d]) != affine_bare_axis(&out->dim[d])) return false;
    return true;
}

static const char *matrix_text(const Formulas *r, const Node *node, bool turned) {
    while (is_matrix_transpose(node) && formula_input(r, node).operators) node = node->in[0], turned = !turned;
    const char *text = formula_operand(r->arena, formula_input(r, node), turned ? BIND_WHOLE : BIND_SIGN);
    return turned ? arena_printf(r->arena, "%s^T", text) : text;
}

// out = a @ b with each of them turned or not; false when it is no such product. `transposed` asks for out^T.
static bool matrix_product(const Formulas *r, const Node *node, const Iter *iter, bool transposed, Formula *f) {
    const Map *out = &iter->map[0], *a = &iter->map[1], *b = &iter->map[2];
    if (out->rank < 2 || a->rank < 2 || b->rank < 2 || iter->naxes != out->rank + 1) return false;
    if (!same_batch(iter, a) || !same_batch(iter, b) || (a->rank == 2 && out->rank > 2)) return false;
    int row = affine_bare_axis(&out->dim[out->rank - 2]), column = affine_bare_axis(&out->dim[out->rank - 1]);
    int sum = iter->nout; // the one axis that is summed
    int a0 = affine_bare_axis(&a->dim[a->rank - 2]), a1 = affine_bare_axis(&a->dim[a->rank - 1]);
    int b0 = affine_bare_axis(&b->dim[b->rank - 2]), b1 = affine_bare_axis(&b->dim[b->rank - 1]);
    const Node *left = node->in[0], *right = node->in[1];
    if (a0 == column || a1 == column) { // the operands stand the other way around
        const Node *swap_node = left;
        left = right, right = swap_node;
        int swap = a0;
        a0 = b0, b0 = swap, swap = a1, a1 = b1, b1 = swap;
    }
    bool left_turned = a0 == sum && a1 == row, right_turned = b0 == column && b1 == sum;
    if (!left_turned && !(a0 == row && a1 == sum)) return false;
    if (!right_turned && !(b0 == sum && b1 == column)) return false;
    const char *x = matrix_text(r, left, left_turned != transposed);
    const char *y = matrix_text(r, right, right_turned != transposed);
    f->text = arena_printf(r->arena, "%s @ %s", transposed ? y : x, transposed ? x : y);
    f->bind = BIND_PRODUCT;
    return true;
}

// ---- convolutions -------------------------------------------------------------------------------------------------

// ", stride=2, padding=1": of the first window. The weight has the axes that move inside of it.
static const char *window_options(Arena *arena, const Iter *iter, const Map *map, const Map *weight) {
    for (int d = 0; d < map->rank; d++) {
        if (affine_bare_axis(&map->dim[d]) >= 0) continue;
        Str s = str_new(arena);
        for (int k = 0; k < iter->naxes; k++) {
            int coef = map->dim[d].coef[k];
            if (coef > 1) str_printf(&s, ", %s=%d", map_uses(weight, k) ? "dilation" : "stride", coef);
        }
        if (map->dim[d].c < 0) str_printf(&s, ", padding=%d", -map->dim[d].c);
        return str_text(&s);
    }
    return "";
}

static Formula convolution(Arena *arena, const Node *node, const Iter *iter, const char *x, const char *y) {
    int to = windows_of(&iter->map[0]), from = windows_of(&iter->map[1]);
    bool second = !to && !from, weights = !to && node->section == SECTION_BACKWARD;
    int n = to ? to : from ? from : windows_of(&iter->map[2]);
    const Map *map = &iter->map[to ? 0 : second ? 2 : 1], *weight = &iter->map[weights ? 0 : second ? 1 : 2];
    const char *kind = to ? "_input_gradient" : weights ? "_weight_gradient" : "";
    const char *options = window_options(arena, iter, map, weight);
    return (Formula){arena_printf(arena, "conv%dd%s(%s, %s%s)", n, kind, second ? y : x, second ? x : y, options),
                     BIND_WHOLE, 1};
}

static void put_letters(Str *s, const Iter *iter, const Map *map) {
    for (int d = 0; d < map->rank; d++) str_printf(s, "%c", iter->name[affine_bare_axis(&map->dim[d])]);
}

Formula formula_contract(const Formulas *r, const Node *node, bool transposed) {
    const Iter *iter = node_attr(node, "iter")->iter;
    Formula f = {.operators = 1};
    bool windows = false;
    for (int m = 0; m < 3; m++) windows = windows || windows_of(&iter->map[m]);
    if (!windows && matrix_product(r, node, iter, transposed, &f)) return f;
    const char *x = formula_input(r, node->in[0]).text, *y = formula_input(r, node->in[1]).text;
    if (windows) {
        f = convolution(r->arena, node, iter, x, y);
    } else {
        Str s = str_new(r->arena);
        str_put(&s, "einsum(\"");
        put_letters(&s, iter, &iter->map[1]);
        str_put(&s, ",");
        put_letters(&s, iter, &iter->map[2]);
        str_put(&s, "->");
        put_letters(&s, iter, &iter->map[0]);
        str_printf(&s, "\", %s, %s)", x, y);
        f.text = str_text(&s), f.bind = BIND_WHOLE;
    }
    if (transposed) f.text = arena_printf(r->arena, "%s^T", f.text);
    return f;
}
