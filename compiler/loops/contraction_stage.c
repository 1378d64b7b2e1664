// contraction_stage.c: copy an operand into panels, in the order in which register tiles read it.
//
//     w (256, 784), lanes along o, tiles of 4 vectors of 16:   panel_lanes (blocks, 256 / 64, 784, 64)
//
// One step of K of one tile is 64 floats in a row. If K has the unit stride, the copy transposes by shuffles of 16
// x 16.
//
// The copy stands before all other loops. If chunks are columns of panels, each chunk copies its own panels.
// Lanes after the end of the axis are zero, so that the product may read whole vectors; it drops what it makes of
// them.
#include "loops/contraction.h"
#include "loops/recipes.h"

enum { ROWS_TOGETHER = 4 }; // panels of a row operand that are filled side by side, since they share cache lines

// ---- places --------------------------------------------------------------------------------------------------------

// Index into the panels: axes as they stand, number of the panel, position k in the block, lane or row `offset`.
static void panel_at(const Cursor *c, const Operand *operand, const Index *panel, const Index *k, const Index *offset,
                     Index **at) {
    Index *zero = index_const(c->arena, 0);
    int d = 0;
    for (int i = 0; i < operand->nouter && !operand->in_block; i++) at[d++] = c->at[operand->outer[i]];
    if (operand->in_block) {
        if (c->plan->chunks > 1) at[d++] = c->chunk;
        panel =
            index_mod(c->arena, panel, operand->panels->dim[d].extent); // a block is as many panels, one after another
    } else if (c->plan->blocks > 1) {
        at[d++] = operand->uses_k ? c->block : zero;
    }
    at[d++] = (Index *)panel;
    at[d++] = operand->uses_k ? (Index *)k : zero;
    at[d++] = (Index *)offset;
}

static Index *panel_of(const Cursor *c, const Operand *operand, const Index *base) {
    return operand->tile == NO_AXIS ? index_const(c->arena, 0) : index_div(c->arena, base, operand->width);
}

static void stand_at(Cursor *c, const Operand *operand, const Index *tile, const Index *k) {
    const Plan *plan = c->plan;
    if (operand->tile != NO_AXIS) c->at[operand->tile] = (Index *)tile;
    if (plan->k != NO_AXIS) c->at[plan->k] = index_add(c->arena, index_scale(c->arena, c->block, plan->block_k), k);
}

static Expr *source_value(const Cursor *c, const Operand *operand, int lanes) {
    Index *at[MAX_RANK];
    contraction_map_at(c, operand->map, at);
    if (operand->buffer) return expr_load(c->arena, operand->buffer, at, lanes);
    c->ctx->lanes = 1;
    lower_forget(c->ctx);
    return lower_value(c->ctx, operand->node, at);
}

Expr *contraction_load(Cursor *c, const Operand *operand, const Index *offset, int lanes) {
    const Tile *tile = operand == &c->plan->lane ? c->lanes : c->rows;
    if (!operand->staged) {
        if (operand->tile != NO_AXIS) c->at[operand->tile] = index_add(c->arena, tile->base, offset);
        return source_value(c, operand, lanes);
    }
    Index *at[MAX_RANK];
    if (tile->inside) offset = index_add(c->arena, index_mod(c->arena, tile->base, operand->width), offset);
    panel_at(c, operand, panel_of(c, operand, tile->base), c->k_inside, offset, at);
    return expr_load(c->arena, operand->panels, at, lanes);
}

// ---- copies --------------------------------------------------------------------------------------------------------

// panels[.., panel, k, offset] = operand at `element` of the tile's axis and at k; `lanes` elements.
static void copy(Cursor *c, Stmt *to, const Operand *operand, const Index *panel, const Index *offset, const Index *k,
                 const Index *element, int lanes) {
    Index *at[MAX_RANK];
    panel_at(c, operand, panel, k, offset, at);
    stand_at(c, operand, element, k);
    stmt_append(c->arena, to, stmt_store(c->arena, operand->panels, at, source_value(c, operand, lanes)));
}

// The loop over the steps of K in the block.
static Stmt *open_steps(Cursor *c, Stmt *to, const Operand *operand, Index **k) {
    *k = index_const(c->arena, 0);
    if (!operand->uses_k) return to;
    return contraction_open(c, to, contraction_axis_name(c, c->plan->k), *k, c->length, 1, k);
}

// A vector of the lane axis by shuffles of lanes x lanes tiles along K; the last steps one element at a time.
static void copy_transposed(Cursor *c, Stmt *to, const Operand *operand, const Tile *tile, const Index *offset,
                            int dim) {
    Arena *arena = c->arena;
    int lanes = c->plan->lanes;
    const Index *panel = panel_of(c, operand, tile->base);
    Index *k, *l, *at[MAX_RANK], *from[MAX_RANK];
    const char *name = contraction_axis_name(c, c->plan->k);
    Stmt *steps =
        contraction_open(c, to, name, index_const(arena, 0), index_add_const(arena, c->length, 1 - lanes), lanes, &k);
    panel_at(c, operand, panel, k, offset, at);
    stand_at(c, operand, index_add(arena, tile->base, offset), k);
    contraction_map_at(c, operand->map, from);
    stmt_append(arena, steps,
                stmt_transpose(arena, operand->panels, at, operand->panels->rank - 2, operand->buffer, from, dim));
    int64_t length;
    if (index_is_const(c->length, &length) && length % lanes == 0) return;
    Index *start = index_scale(arena, index_div(arena, c->length, lanes), lanes);
    Stmt *rest = contraction_open(c, to, name, start, c->length, 1, &k);
    rest = contraction_open(c, rest, "lane", index_const(arena, 0), index_const(arena, lanes), 1, &l);
    l = index_add(arena, l, offset);
    copy(c, rest, operand, panel, l, k, index_add(arena, tile->base, l), 1);
}

// The first `valid` lanes of a vector (NULL: all) one by one, zeros after them.
static void copy_lanes(Cursor *c, Stmt *to, const Operand *operand, const Tile *tile, const Index *offset,
                       const Index *valid) {
    Arena *arena = c->arena;
    Index *k, *l, *element, *at[MAX_RANK], *panel = panel_of(c, operand, tile->base);
    Stmt *steps = open_steps(c, to, operand, &k);
    Stmt *body = contraction_open_lanes(c, steps, index_add(arena, tile->base, offset), valid, &element, &l);
    copy(c, body, operand, panel, index_add(arena, l, offset), k, element, 1);
    if (!valid) return;
    body = contraction_open(c, steps, "lane", valid, index_const(arena, c->plan->lanes), 1, &l);
    panel_at(c, operand, panel, k, index_add(arena, l, offset), at);
    stmt_append(arena, body, stmt_store(arena, operand->panels, at, expr_const(arena, F32, 0)));
}

// A panel of the lane operand: whole vectors as its strides allow; the last part of a vector lane by lane.
static void copy_lane_panel(Cursor *c, const Operand *operand, const Tile *tile) {
    const Plan *plan = c->plan;
    Arena *arena = c->arena;
    int whole = tile->valid ? tile->extent - 1 : tile->extent, last = operand->map->rank - 1;
    int dim = operand->buffer && !plan->lane_loop ? contraction_dim_of(operand, operand->tile) : NO_AXIS;
    bool unit = dim == last && dim != NO_AXIS,
         shuffled = dim != NO_AXIS && contraction_dim_of(operand, plan->k) == last;
    Index *k, *offset;
    if (whole) {
        // All vectors of a step of K are copied together: they share pages and, at large strides, sets of the cache.
        Stmt *steps = unit ? open_steps(c, tile->body, operand, &k) : tile->body;
        Stmt *loop = nest_count(c->ctx, steps, unit ? FOR_UNROLLED : FOR_SERIAL, "v", whole, &offset);
        offset = index_scale(arena, offset, plan->lanes);
        if (unit)
            copy(c, loop, operand, panel_of(c, operand, tile->base), offset, k, index_add(arena, tile->base, offset),
                 plan->lanes);
        else if (shuffled)
            copy_transposed(c, loop, operand, tile, offset, dim);
        else
            copy_lanes(c, loop, operand, tile, offset, NULL);
    }
    if (tile->valid) copy_lanes(c, tile->body, operand, tile, index_const(arena, whole * plan->lanes), tile->valid);
}

// So many panels side by side, from `base` on, which is a multiple of their width.
static void copy_rows(Cursor *c, Stmt *to, const Operand *operand, const Index *base, int panels, int rows) {
    Index *k, *panel, *r;
    to = open_steps(c, to, operand, &k);
    to = nest_count(c->ctx, to, FOR_UNROLLED, "panel", panels, &panel);
    to = nest_count(c->ctx, to, FOR_UNROLLED, "r", rows, &r);
    base = index_add(c->arena, base, index_scale(c->arena, panel, rows));
    copy(c, to, operand, panel_of(c, operand, base), r, k, index_add(c->arena, base, r), 1);
}

// Row panels: several at a time, then single ones, then what is left of the axis. The range starts at a multiple of a
// panel's rows.
static void copy_row_panels(Cursor *c, Stmt *to, const Operand *operand) {
    Arena *arena = c->arena;
    int axis = operand->tile, rows = operand->width, group = ROWS_TOGETHER * rows;
    if (axis == NO_AXIS) {
        copy_rows(c, to, operand, index_const(arena, 0), 1, 1);
        return;
    }
    const char *name = contraction_axis_name(c, axis);
    const Index *lo = c->range[axis].lo, *hi = c->range[axis].hi;
    Index *at, *extent = contraction_extent(c, axis), *r, *k;
    Stmt *loop = contraction_open(c, to, name, lo, index_add_const(arena, hi, 1 - group), group, &at);
    copy_rows(c, loop, operand, at, ROWS_TOGETHER, rows);
    Index *length = index_add(arena, hi, index_scale(arena, lo, -1));
    Index *singles = index_add(arena, lo, index_scale(arena, index_div(arena, length, group), group));
    loop = contraction_open(c, to, name, singles, index_add_const(arena, hi, 1 - rows), rows, &at);
    copy_rows(c, loop, operand, at, 1, rows);
    int64_t fixed;
    if (index_is_const(extent, &fixed) && fixed % rows == 0) return;
    Index *rest = index_scale(arena, index_div(arena, extent, rows), rows);
    loop = contraction_open(c, open_steps(c, to, operand, &k), name, rest, hi, 1, &r);
    copy(c, loop, operand, index_div(arena, r, rows), index_mod(arena, r, rows), k, r, 1);
}

// All of it, before the loops of the product, in chunks of its own if it is large.
void contraction_stage(const Cursor *outside, Stmt *to, const Operand *operand) {
    const Plan *plan = outside->plan;
    Cursor inside = *outside;
    int axis = operand->tile, unit = operand == &plan->lane ? operand->width : operand->width * ROWS_TOGETHER;
    int chunks = min_int(ceil_div(axis_extent(plan->iter, axis), unit), plan->program->threads);
    bool fixed = axis != NO_AXIS && !plan->iter->axis[axis].size;
    if (plan->chunks > 1 && chunks > 1 && fixed &&
        type_count(&operand->node->type) >= plan->program->target->chunk_work)
        to = contraction_open_chunks(&inside, to, chunks, axis, unit);
    contraction_stage_range(&inside, to, operand);
}

static Stmt *open_nest(const Cursor *c, Stmt *to, const Operand *operand) {
    Stmt *nest = stmt_block(c->arena);
    nest->comment = arena_printf(c->arena, "panels of %s, in the order in which tiles read them",
                                 operand->node->name ? operand->node->name : "an operand");
    stmt_append(c->arena, to, nest);
    return nest;
}

void contraction_stage_range(Cursor *c, Stmt *to, const Operand *operand) {
    Arena *arena = c->arena;
    to = open_nest(c, to, operand);
    for (int k = 0; k < operand->nouter; k++) to = contraction_open_axis(c, to, operand->outer[k]);
    c->block = index_const(arena, 0);
    c->length = index_const(arena, 1);
    if (operand->uses_k) to = contraction_open_blocks(c, to);
    if (operand == &c->plan->lane) {
        Tiles tiles = contraction_lane_tiles(c, to);
        for (int k = 0; k < tiles.n; k++) copy_lane_panel(c, operand, &tiles.at[k]);
    } else {
        copy_row_panels(c, to, operand);
    }
}

void contraction_stage_block(const Cursor *outside, Stmt *to, const Operand *operand) {
    Cursor inside = *outside;
    copy_row_panels(&inside, open_nest(outside, to, operand), operand);
}
