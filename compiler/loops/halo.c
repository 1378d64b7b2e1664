// halo.c: room and zeros around values that contractions read through windows, so that tiles need neither guard nor
// copy.
//
//     h: f32[N, 48, 48, 32], read at h[n, y+p-1, x+q-1, i] with p, q < 3       laid out as [N, 50, 50, 32]
//
// The kernel that stores the value fills the halo at each call, because the arena holds other values there in between.
#include "ir/affine.h"
#include "loops/recipes.h"

// A halo may double the buffer, and add 4096 elements more, so that small images get one too.
static bool is_affordable(const Buffer *buffer, const int *before, const int *after) {
    double plain = 1, wide = 1;
    for (int d = 0; d < buffer->rank; d++) {
        plain *= buffer->dim[d].extent;
        wide *= (double)before[d] + buffer->dim[d].extent + after[d];
    }
    return wide <= 2 * plain + 4096 && wide < INT32_MAX;
}

// Whether the steps of a loop store it slot by slot: none of these stores is of the whole value, so none could fill a
// halo.
static bool has_slots(const Program *program, const Buffer *buffer) {
    const Buffer *root = view_root(buffer);
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *other = program->buffers.at[k];
        if (other->view && other->view->slot && view_root(other) == root) return true;
    }
    return false;
}

// The last axis, channels, gets none: otherwise vectors would no longer start where cache lines do.
static void widen_for(Program *program, const Iter *iter, int which, const Node *node) {
    Buffer *buffer = program->of_node[node->id];
    int before[MAX_RANK] = {0}, after[MAX_RANK] = {0};
    bool leaves = false;
    if (!buffer || buffer->scope != SCOPE_ARENA) return;
    for (int d = 0; d < buffer->rank; d++) {
        int64_t lo, hi;
        if (buffer->dim[d].size) continue;
        affine_reach(iter, &iter->map[1 + which].dim[d], &lo, &hi);
        before[d] = lo < 0 ? (int)-lo : 0;
        after[d] = hi >= buffer->dim[d].extent ? (int)(hi + 1 - buffer->dim[d].extent) : 0;
        leaves |= before[d] || after[d];
    }
    int last = buffer->rank - 1;
    if (leaves && !before[last] && !after[last] && is_affordable(buffer, before, after) && !has_slots(program, buffer))
        views_widen(program, buffer, before, after);
}

void halos_choose(Program *program) {
    for (int k = 0; k < program->graph->groups.len; k++) {
        const Group *group = &program->graph->groups.at[k];
        if (group->kind != GROUP_CONTRACT) continue;
        const Iter *iter = node_attr(group->root, "iter")->iter;
        contraction_gather(program->arena, group->root, &iter);
        for (int which = 0; which < 2; which++) widen_for(program, iter, which, group->root->in[which]);
    }
}

// ---- zeros ----------------------------------------------------------------------------------------------------------

// Every step-th place of axis d from lo on. Axes before it, from `first` on, run over the value alone; axes after it
// over their halos too.
static void fill_side(LowerContext *ctx, Stmt *to, Buffer *b, int first, int d, int64_t lo, int64_t hi, int64_t step,
                      Index **at) {
    Arena *arena = ctx->arena;
    if (lo >= hi) return;
    for (int e = first; e < b->rank; e++) {
        const Index *from = index_const(arena, e < d ? 0 : e == d ? lo : -b->before[e]);
        const Index *end = e == d ? index_const(arena, hi)
                                  : index_add_const(arena, index_size(arena, b->dim[e]), e < d ? 0 : b->after[e]);
        to = loop_open(ctx, to, arena_printf(arena, "h%d", e), from, end, e == d ? step : 1, &at[e]);
    }
    stmt_append(arena, to, stmt_store(arena, b, at, expr_const(arena, b->dtype, 0)));
}

void halo_fill(LowerContext *ctx, Stmt *to, Buffer *buffer) {
    Arena *arena = ctx->arena;
    Index *at[MAX_RANK];
    bool any = false;
    for (int d = 0; d < buffer->rank; d++) any |= buffer->before[d] || buffer->after[d];
    if (!any) return;
    Stmt *nest = stmt_block(arena), *inner = nest;
    nest->comment = arena_printf(arena, "zeros around %s", buffer->name);
    stmt_append(arena, to, nest);
    // The first axis, mostly the batch, is shared among the threads if it has no halo itself.
    int first = 0, extent = buffer->dim[0].extent, threads = ctx->program->threads;
    if (!buffer->before[0] && !buffer->after[0]) {
        const Index *lo = index_const(arena, 0), *hi = index_size(arena, buffer->dim[0]);
        int chunks = ceil_div(extent, ceil_div(extent, threads));
        if (chunks > 1) inner = nest_chunks(ctx, inner, buffer->dim[0], chunks, 1, &lo, &hi);
        inner = loop_open(ctx, inner, "h0", lo, hi, 1, &at[0]);
        first = 1;
    }
    for (int d = first; d < buffer->rank; d++) {
        int64_t end = buffer->dim[d].extent, before = buffer->before[d], after = buffer->after[d];
        bool both = before == 1 && after == 1; // one loop runs over the two places
        fill_side(ctx, inner, buffer, first, d, -before, both ? end + 1 : 0, both ? end + 1 : 1, at);
        if (!both) fill_side(ctx, inner, buffer, first, d, end, end + after, 1, at);
    }
}
