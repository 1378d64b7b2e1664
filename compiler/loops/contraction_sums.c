// contraction_sums.c: sums that are too long for one accumulator and run over several axes: weight gradients.
//
//     dw[o, i, p, q] += dy[n, y, x, o] * x[n, y+p, x+q, i]        chunks of n: partial[chunk, o, p, q, i] = 0
//     n, y, x summed: 147,456 terms                                   for n, strips of 16 rows y:
//                                                                         for all tiles: partial += sum over y, x
//                                                                 for all tiles: dw = sum over chunks, epilogue
//
// Each strip of the operands stays in the second-level cache while all tiles pass over it. Chunks of the outermost
// summed axis have a partial result each, summed in their order, so the result does not depend on the number of
// threads. When that would take too much memory, chunks share out the result instead.
#include <stdlib.h>

#include "loops/contraction.h"

enum { PARTIALS_BYTES = 4 << 20 }; // of all chunks together

static int extent_of(const Contraction *c, int axis) { return axis == NO_AXIS ? 1 : c->iter->axis[axis].extent; }

// How far a step along the axis leads in the operands: the farthest stands outermost.
static int64_t step_of(const Contraction *c, int axis) {
    return llabs(contraction_axis_stride(&c->row, axis)) + llabs(contraction_axis_stride(&c->lane, axis));
}

static void sort_sums(Contraction *c) {
    for (int s = 1; s < c->nsum; s++)
        for (int k = s; k > 0 && step_of(c, c->sum[k]) > step_of(c, c->sum[k - 1]); k--) {
            int axis = c->sum[k];
            c->sum[k] = c->sum[k - 1];
            c->sum[k - 1] = axis;
        }
}

// As many loops inside the tile as one accumulator takes; the next one in strips.
static void plan_strips(Contraction *c) {
    int64_t terms = c->block_k;
    c->inside = c->nsum;
    while (c->inside > 0 && terms * extent_of(c, c->sum[c->inside - 1]) <= MAX_TERMS)
        terms *= extent_of(c, c->sum[--c->inside]);
    int next = c->inside - 1, most = (int)(MAX_TERMS / terms);
    if (next < 0 || most < 2 || c->iter->axis[c->sum[next]].size) return;
    c->inside = next;
    c->strip = ceil_div(extent_of(c, c->sum[next]), ceil_div(extent_of(c, c->sum[next]), most));
}

void contraction_plan_sums(Contraction *c) {
    int64_t others = 1, results = 1;
    for (int k = 0; k < c->nsum; k++) others *= extent_of(c, c->sum[k]);
    int steps = extent_of(c, c->k), threads = c->ctx->program->threads;
    c->sum_outside = c->nsum && others * steps > MAX_TERMS && others > MAX_TERMS / 16;
    c->parts = 1;
    sort_sums(c);
    c->blocks = ceil_div(c->sum_outside ? steps : (int)(others * steps), MAX_TERMS);
    c->block_k = ceil_div(steps, c->blocks);
    if (!c->sum_outside) return;
    plan_strips(c);
    for (int axis = 0; axis < c->iter->nout; axis++) results *= extent_of(c, axis);
    int units = extent_of(c, c->sum[0]), chunks = units < threads ? units : threads;
    if (c->chunk == CHUNK_NONE || !c->inside || chunks < 2 || 4 * results * chunks > PARTIALS_BYTES) return;
    c->chunk = CHUNK_SUMS;
    c->chunk_axis = c->sum[0];
    c->chunks = c->parts = ceil_div(units, ceil_div(units, chunks));
    c->lane.in_chunk = false;
}

// ---- the partial results --------------------------------------------------------------------------------------------

void contraction_zero_partial(Contraction *c, Stmt *to) {
    Index *at[MAX_RANK];
    at[0] = c->part;
    for (int d = 1; d < c->partial->rank; d++)
        to = contraction_open(c, to, arena_printf(c->arena, "z%d", d), index_const(c->arena, 0),
                              index_size(c->arena, c->partial->dim[d]), 1, &at[d]);
    stmt_append(c->arena, to, stmt_store(c->arena, c->partial, at, expr_const(c->arena, F32, 0)));
}

static void finish_rows(Contraction *c, Stmt *to, const TileLoop *tile, void *context) {
    contraction_finish_tile(c, to, tile, context);
}

static void finish_column(Contraction *c, Stmt *to, const TileLoop *tile, void *context) {
    (void)context;
    TileLoop lane = *tile;
    if (c->m == NO_AXIS) {
        Stmt *block = stmt_block(c->arena);
        stmt_append(c->arena, to, block);
        contraction_finish_tile(c, block, &(TileLoop){.base = index_const(c->arena, 0), .extent = 1}, &lane);
        return;
    }
    contraction_row_tiles(c, to, index_const(c->arena, 0), contraction_extent(c, c->m), finish_rows, &lane);
}

void contraction_finish_sums(Contraction *c, Stmt *to) {
    Stmt *nest = stmt_block(c->arena);
    nest->comment = "the sums of all parts";
    stmt_append(c->arena, to, nest);
    to = nest;
    // Nothing is multiplied here: a row at a time is as fast, and its epilogue stands there once.
    c->nheights = c->height[0] = 1;
    for (int k = 0; k < c->nouter; k++) to = contraction_open_axis(c, to, c->outer[k]);
    contraction_lane_tiles(c, to, index_const(c->arena, 0), contraction_extent(c, c->n), finish_column, NULL);
}
