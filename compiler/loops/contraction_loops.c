// contraction_loops.c: the loops of recipe (a) that stand around tiles: chunks, blocks of K, columns of tiles.
//
//     rows [0, N) in tiles of 6, 2, 1          for (i = 0; i < N - 5; i += 6) { 6 rows }
//                                              for (i = N/6*6; i < N - 1; i += 2) { 2 rows }
//                                              for (i = N/6*6 + N%6/2*2; i < N; i++) { 1 row }
//
// Edges are lower instances of the same tile, never guards inside one. The bound is `N - 5` rather than N, so that the
// range analysis sees that no tile leaves its axis. Where a tail starts depends on the whole axis alone: a part of the
// axis (a chunk, a block) that ends before it runs the tail zero times. Parts start and end at multiples of the first
// tile, and a chunk that starts after the end of the axis runs nothing (nest_chunks).
#include "loops/contraction.h"

Cursor contraction_cursor(const Plan *plan, Epilogue *epilogue) {
    Arena *arena = epilogue->ctx->arena;
    Cursor c = {.plan = plan, .ctx = epilogue->ctx, .arena = arena, .epilogue = epilogue};
    for (int axis = 0; axis < plan->iter->naxes; axis++)
        c.range[axis] = (struct Range){index_const(arena, 0), contraction_extent(&c, axis)};
    c.chunk = c.part = index_const(arena, 0);
    return c;
}

Index *contraction_extent(const Cursor *c, int axis) {
    return axis == NO_AXIS ? index_const(c->arena, 1) : index_size(c->arena, c->plan->iter->axis[axis]);
}

void contraction_map_at(const Cursor *c, const Map *map, Index **at) {
    for (int d = 0; d < map->rank; d++) at[d] = index_of_affine(c->arena, &map->dim[d], c->at, c->plan->iter->naxes);
}

// Loops are named after their axes.
const char *contraction_axis_name(const Cursor *c, int axis) {
    return arena_printf(c->arena, "%c", c->plan->iter->name[axis]);
}

Stmt *contraction_open(const Cursor *c, Stmt *to, const char *name, const Index *lo, const Index *hi, int64_t step,
                       Index **at) {
    if (nest_is_empty(c->arena, lo, hi)) to = stmt_block(c->arena);
    return loop_open(c->ctx, to, name, lo, hi, step, at);
}

static Stmt *open_block(const Cursor *c, Stmt *to) {
    Stmt *block = stmt_block(c->arena);
    stmt_append(c->arena, to, block);
    return block;
}

Stmt *contraction_open_axis(Cursor *c, Stmt *to, int axis) {
    if (axis == NO_AXIS) return open_block(c, to);
    const struct Range *range = &c->range[axis];
    return contraction_open(c, to, contraction_axis_name(c, axis), range->lo, range->hi, 1, &c->at[axis]);
}

Stmt *contraction_open_shape(const Cursor *c, Stmt *to, char letter, const Dim *dim, int first, int rank, Index **at) {
    for (int d = first; d < rank; d++)
        to = nest_open(c->ctx, to, arena_printf(c->arena, "%c%d", letter, d), dim[d], &at[d]);
    return to;
}

Stmt *contraction_open_chunks(Cursor *c, Stmt *to, int chunks, int axis, int unit) {
    struct Range *range = &c->range[axis];
    return nest_chunks(c->ctx, to, c->plan->iter->axis[axis], chunks, unit, &range->lo, &range->hi);
}

Stmt *contraction_open_blocks(Cursor *c, Stmt *to) {
    Arena *arena = c->arena;
    int block_k = c->plan->block_k;
    Index *extent = contraction_extent(c, c->plan->k);
    c->block = index_const(arena, 0);
    c->length = extent;
    if (c->plan->blocks == 1) return to;
    Index *count = index_div(arena, index_add_const(arena, extent, block_k - 1), block_k);
    Stmt *loop = contraction_open(c, to, "block", index_const(arena, 0), count, 1, &c->block);
    Index *left = index_add(arena, extent, index_scale(arena, c->block, -block_k));
    c->length = index_min(arena, left, index_const(arena, block_k));
    return loop;
}

// ---- tiles ----------------------------------------------------------------------------------------------------------

// Opens a loop from `lo` on, as long as `least` elements of the range are left; `extent` is the tile's.
static Tile *open_tiles(Cursor *c, Stmt *to, Tiles *tiles, int axis, const Index *lo, int least, int step, int extent) {
    Tile *tile = &tiles->at[tiles->n++];
    Index *base, *end = index_add_const(c->arena, c->range[axis].hi, 1 - least);
    Stmt *body = contraction_open(c, to, contraction_axis_name(c, axis), lo, end, step, &base);
    *tile = (Tile){.body = body, .base = base, .extent = extent};
    return tile;
}

Tiles contraction_row_tiles(Cursor *c, Stmt *to) {
    Arena *arena = c->arena;
    const Plan *plan = c->plan;
    int m = plan->m;
    if (m == NO_AXIS) return (Tiles){1, {{.body = open_block(c, to), .base = index_const(arena, 0), .extent = 1}}};
    Tiles tiles = {0};
    Index *left = contraction_extent(c, m), *tail = index_const(arena, 0);
    for (int h = 0; h < plan->nheights; h++) {
        int height = plan->height[h];
        Tile *tile = open_tiles(c, to, &tiles, m, h ? tail : c->range[m].lo, height, height, height);
        tile->inside = h && plan->iter->axis[m].size;
        tail = index_add(arena, tail, index_scale(arena, index_div(arena, left, height), height));
        left = index_mod(arena, left, height);
    }
    return tiles;
}

Tiles contraction_lane_tiles(Cursor *c, Stmt *to) {
    Arena *arena = c->arena;
    const Plan *plan = c->plan;
    Dim dim = plan->iter->axis[plan->n];
    int n = plan->n, width = plan->lane.width, tail = dim.extent % width, lanes = plan->lanes;
    Tiles tiles = {0};
    if (dim.size || dim.extent >= width) open_tiles(c, to, &tiles, n, c->range[n].lo, width, width, plan->vectors);
    if (dim.size) {
        // One vector wide then, and a part of it is left.
        Index *extent = index_size(arena, dim), *first = index_scale(arena, index_div(arena, extent, width), width);
        open_tiles(c, to, &tiles, n, first, 1, width, 1)->valid = index_mod(arena, extent, width);
    } else if (tail) {
        const Index *first = index_const(arena, dim.extent - tail);
        Tile *tile = open_tiles(c, to, &tiles, n, first, tail, width, ceil_div(tail, lanes));
        if (tail % lanes) tile->valid = index_const(arena, tail % lanes);
    }
    return tiles;
}

Stmt *contraction_open_lanes(Cursor *c, Stmt *to, const Index *base, const Index *valid, Index **element,
                             Index **lane) {
    Arena *arena = c->arena;
    int64_t fixed;
    if (!valid || index_is_const(valid, &fixed)) {
        Index *end = valid ? (Index *)valid : index_const(arena, c->plan->lanes);
        if (index_is_const(end, &fixed) && fixed == 1) {
            *lane = index_const(arena, 0);
            *element = (Index *)base;
            return open_block(c, to);
        }
        Stmt *loop = contraction_open(c, to, "lane", index_const(arena, 0), end, 1, lane);
        *element = index_add(arena, base, *lane);
        return loop;
    }
    // The rest of a run-time axis.
    Stmt *loop = contraction_open(c, to, contraction_axis_name(c, c->plan->n), base, contraction_extent(c, c->plan->n),
                                  1, element);
    *lane = index_mod(arena, *element, c->plan->lanes);
    return loop;
}
