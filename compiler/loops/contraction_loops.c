// contraction_loops.c: the loops of recipe (a) that stand around tiles: chunks, blocks of K, columns of tiles.
//
//     rows [0, N) in tiles of 6, 2, 1          for (i = 0; i < N - 5; i += 6) { 6 rows }
//                                              for (i = N/6*6; i < N - 1; i += 2) { 2 rows }
//                                              for (i = N/6*6 + N%6/2*2; i < N; i++) { 1 row }
//
// Edges are smaller instances of the same tile, never guards inside one. The bound `N - 5` rather than N lets range
// analysis see that no tile leaves its axis. A tail starts at a place that depends on the whole axis alone, so a part
// of the axis (a chunk, a block) that ends before it runs it zero times; parts start and end at multiples of the first
// tile, and a chunk that starts behind the end runs nothing.
#include "loops/contraction.h"

Index *contraction_extent(Contraction *c, int axis) {
    return axis == NO_AXIS ? index_const(c->arena, 1) : index_size(c->arena, c->iter->axis[axis]);
}

Stmt *contraction_open(Contraction *c, Stmt *to, const char *name, const Index *lo, const Index *hi, int64_t step,
                       Index **at) {
    Var *var = var_new(c->ctx, name);
    Stmt *loop = stmt_for(c->arena, var, lo, hi, step);
    int64_t least, most;
    bool empty = index_range(index_add(c->arena, hi, index_scale(c->arena, lo, -1)), &least, &most) && most <= 0;
    if (!empty) stmt_append(c->arena, to, loop);
    *at = index_var(c->arena, var);
    return loop;
}

// Loops are named after their axes.
static const char *axis_name(Contraction *c, int axis) {
    return axis == NO_AXIS ? "one" : arena_printf(c->arena, "%c", c->iter->name[axis]);
}

Stmt *contraction_open_axis(Contraction *c, Stmt *to, int axis) {
    return contraction_open(c, to, axis_name(c, axis), index_const(c->arena, 0), contraction_extent(c, axis), 1,
                            &c->at[axis]);
}

Stmt *contraction_open_chunks(Contraction *c, Stmt *to, int chunks, int axis, int unit, Index **lo, Index **hi) {
    Arena *arena = c->arena;
    Index *chunk, *extent = contraction_extent(c, axis);
    Stmt *loop = contraction_open(c, to, "chunk", index_const(arena, 0), index_const(arena, chunks), 1, &chunk);
    loop->loop = FOR_CHUNKS;
    int64_t bound = axis == NO_AXIS ? 1 : c->iter->axis[axis].extent, units = (bound + unit - 1) / unit, fixed;
    if (index_is_const(extent, &fixed)) {
        // Chunk c has the tiles [c * units / chunks, (c + 1) * units / chunks).
        Index *first = index_scale(arena, chunk, units);
        *lo = index_scale(arena, index_div(arena, first, chunks), unit);
        *hi = index_scale(arena, index_div(arena, index_add_const(arena, first, units), chunks), unit);
        *hi = units * unit == bound ? *hi : index_min(arena, *hi, extent);
        return loop;
    }
    Index *first = index_scale(arena, chunk, (units + chunks - 1) / chunks * unit);
    *lo = unit == 1 ? index_min(arena, first, extent) : first;
    *hi = index_min(arena, index_add_const(arena, first, (units + chunks - 1) / chunks * unit), extent);
    if (unit == 1) return loop;
    // A chunk behind the end of the axis would run its tails once more: what they update in place was updated already.
    Stmt *some = stmt_if(arena);
    vec_push(arena, &some->cond, index_add(arena, index_add_const(arena, extent, -1), index_scale(arena, first, -1)));
    stmt_append(arena, loop, some);
    return some;
}

Stmt *contraction_open_blocks(Contraction *c, Stmt *to, Index **length) {
    Arena *arena = c->arena;
    Index *extent = contraction_extent(c, c->k);
    c->block = index_const(arena, 0);
    *length = extent;
    if (c->blocks == 1) return to;
    Index *count = index_div(arena, index_add_const(arena, extent, c->block_k - 1), c->block_k);
    Stmt *loop = contraction_open(c, to, "block", index_const(arena, 0), count, 1, &c->block);
    Index *left = index_add(arena, extent, index_scale(arena, c->block, -c->block_k));
    *length = index_min(arena, left, index_const(arena, c->block_k));
    return loop;
}

void contraction_row_tiles(Contraction *c, Stmt *to, const Index *lo, const Index *hi, TileBody body, void *context) {
    Arena *arena = c->arena;
    Index *extent = contraction_extent(c, c->m), *left = extent, *tail = index_const(arena, 0), *at;
    for (int h = 0; h < c->nheights; h++) {
        int height = c->height[h];
        Index *bound = index_add_const(arena, hi, 1 - height);
        Stmt *loop = contraction_open(c, to, axis_name(c, c->m), h ? tail : lo, bound, height, &at);
        body(c, loop, &(TileLoop){.base = at, .extent = height, .inside = h && c->iter->axis[c->m].size}, context);
        tail = index_add(arena, tail, index_scale(arena, index_div(arena, left, height), height));
        left = index_mod(arena, left, height);
    }
}

void contraction_lane_tiles(Contraction *c, Stmt *to, const Index *lo, const Index *hi, TileBody body, void *context) {
    Arena *arena = c->arena;
    const char *name = axis_name(c, c->n);
    Dim axis = c->iter->axis[c->n];
    int width = c->lane.width;
    Index *at;
    if (axis.size || axis.extent >= width) {
        Stmt *loop = contraction_open(c, to, name, lo, index_add_const(arena, hi, 1 - width), width, &at);
        body(c, loop, &(TileLoop){.base = at, .extent = c->vectors}, context);
    }
    if (!axis.size && axis.extent % width == 0) return;
    if (axis.size) {
        // One vector wide then, and a part of it is left.
        Index *extent = index_size(arena, axis), *first = index_scale(arena, index_div(arena, extent, width), width);
        Stmt *loop = contraction_open(c, to, name, first, hi, width, &at);
        Index *valid = index_mod(arena, extent, width);
        body(c, loop, &(TileLoop){.base = at, .extent = 1, .valid = valid}, context);
        return;
    }
    int tail = axis.extent % width;
    Stmt *loop = contraction_open(c, to, name, index_const(arena, axis.extent - tail),
                                  index_add_const(arena, hi, 1 - tail), width, &at);
    body(c, loop,
         &(TileLoop){.base = at,
                     .extent = (tail + c->lanes - 1) / c->lanes,
                     .valid = tail % c->lanes ? index_const(arena, tail % c->lanes) : NULL},
         context);
}

Stmt *contraction_open_lanes(Contraction *c, Stmt *to, const Index *base, const Index *valid, Index **element,
                             Index **lane) {
    Arena *arena = c->arena;
    int64_t fixed;
    if (!valid || index_is_const(valid, &fixed)) {
        Index *end = valid ? (Index *)valid : index_const(arena, c->lanes);
        if (index_is_const(end, &fixed) && fixed == 1) {
            *lane = index_const(arena, 0);
            *element = (Index *)base;
            Stmt *block = stmt_block(arena);
            stmt_append(arena, to, block);
            return block;
        }
        Stmt *loop = contraction_open(c, to, "lane", index_const(arena, 0), end, 1, lane);
        *element = index_add(arena, base, *lane);
        return loop;
    }
    // The rest of a run-time axis.
    Stmt *loop = contraction_open(c, to, axis_name(c, c->n), base, contraction_extent(c, c->n), 1, element);
    *lane = index_mod(arena, *element, c->lanes);
    return loop;
}
