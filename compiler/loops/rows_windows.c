// rows_windows.c: reductions over windows: pools.
//     y[n, y, x, c] = max x[n, 2*y+p-1, 2*x+q-1, c]       domain (n, y, x, p, q, c), p and q reduced
//     for n, y, x: for c in vectors: max_v = -inf; for p, q: if inside: max_v max= x[n, 2*y+p-1, 2*x+q-1, c:16]
// The same nest as for whole axes; only the index of a term is another one, and elements outside are left out.
#include "loops/rows.h"

// The place of an iteration axis among the domain's (graph.h, Group).
static int domain_axis(const Iter *iter, int axis) {
    int last = iter->nout - 1;
    return axis < last ? axis : axis == last ? iter->naxes - 1 : axis - 1;
}

void rows_term_at(Rows *r, const Node *reduce, Index **at, Stmt *guard) {
    if (!r->group->root) {
        for (int d = 0; d < r->domain.rank; d++) at[d] = r->at[d];
        return;
    }
    const Iter *iter = node_attr(reduce, "iter")->iter;
    Index *axes[MAX_AXES];
    for (int k = 0; k < iter->naxes; k++) axes[k] = r->at[domain_axis(iter, k)];
    for (int d = 0; d < iter->map[1].rank; d++) {
        at[d] = index_of_affine(r->arena, &iter->map[1].dim[d], axes, iter->naxes);
        int known = guard->cond.len;
        guard_axis(r->arena, guard, at[d], reduce->in[0]->type.dim[d]);
        // All lanes would need the same answer.
        bool asks = guard->cond.len > known;
        if (asks && r->ctx->lane_var && index_uses(at[d], r->ctx->lane_var)) r->ctx->needs_scalar = true;
    }
}
