// contraction_stage.c: copy an operand into panels, in the order in which register tiles read it.
//
//     w (256, 784), lanes along o, tiles of 4 vectors of 16:   panel_lanes (blocks, 256 / 64, 784, 64)
//
// One step of K of one tile is 64 floats in a row. Where K has the unit stride, 16 x 16 shuffles do the transposing.
//
// The copy is hoisted above all other loops; where chunks are columns of panels, each chunk copies its own.
// Lanes past the end of the axis are zero, so that the product may read whole vectors; what it makes of them is
// dropped.
#include "loops/contraction.h"
#include "loops/recipes.h"

enum {
    ROWS_TOGETHER = 4, // panels of a row operand that are filled side by side, since they share cache lines
    COPY_WORTH_CHUNKS = 1 << 17
};

typedef struct Copy {
    Operand *operand;
    Index *length; // steps of K in this block
} Copy;

// ---- places --------------------------------------------------------------------------------------------------------

// Index into the panels: axes as they stand, `tile` of the tile axis's panel, position k in the block, lane `offset`.
static void panel_at(Contraction *c, const Operand *operand, const Index *panel, const Index *k, const Index *offset,
                     Index **at) {
    int d = 0;
    for (int i = 0; i < operand->nouter; i++) at[d++] = c->at[operand->outer[i]];
    if (c->blocks > 1) at[d++] = operand->uses_k ? c->block : index_const(c->arena, 0);
    at[d++] = (Index *)panel;
    at[d++] = operand->uses_k ? (Index *)k : index_const(c->arena, 0);
    at[d++] = (Index *)offset;
}

static Index *panel_of(Contraction *c, const Operand *operand, const Index *base) {
    return operand->tile == NO_AXIS ? index_const(c->arena, 0) : index_div(c->arena, base, operand->width);
}

// Index into the operand itself where the axes stand.
static void source_at(Contraction *c, const Operand *operand, Index **at) {
    for (int d = 0; d < operand->map->rank; d++)
        at[d] = index_of_affine(c->arena, &operand->map->dim[d], c->at, c->iter->naxes);
}

static void stand_at(Contraction *c, const Operand *operand, const Index *tile, const Index *k) {
    if (operand->tile != NO_AXIS) c->at[operand->tile] = (Index *)tile;
    c->k_inside = (Index *)k;
    if (c->k != NO_AXIS) c->at[c->k] = index_add(c->arena, index_scale(c->arena, c->block, c->block_k), k);
}

static Expr *source_value(Contraction *c, const Operand *operand, int lanes) {
    Index *at[MAX_RANK];
    source_at(c, operand, at);
    if (operand->buffer) return expr_load(c->arena, operand->buffer, at, lanes);
    c->ctx->lanes = 1;
    lower_forget(c->ctx);
    return lower_value(c->ctx, operand->node, at);
}

Expr *contraction_load(Contraction *c, const Operand *operand, const TileLoop *tile, const Index *offset, int lanes) {
    const Index *base = tile->base;
    if (operand->staged) {
        Index *at[MAX_RANK], *place = (Index *)offset;
        if (tile->inside) place = index_add(c->arena, index_mod(c->arena, base, operand->width), offset);
        panel_at(c, operand, panel_of(c, operand, base), c->k_inside, place, at);
        return expr_load(c->arena, operand->panels, at, lanes);
    }
    if (operand->tile != NO_AXIS) c->at[operand->tile] = index_add(c->arena, base, offset);
    return source_value(c, operand, lanes);
}

// ---- copies --------------------------------------------------------------------------------------------------------

// panels[.., k, offset] = operand at base + offset, `lanes` elements.
static void copy_element(Contraction *c, Stmt *to, const Operand *operand, const Index *base, const Index *offset,
                         const Index *k, int lanes) {
    Index *at[MAX_RANK];
    panel_at(c, operand, panel_of(c, operand, base), k, offset, at);
    stand_at(c, operand, index_add(c->arena, base, offset), k);
    stmt_append(c->arena, to, stmt_store(c->arena, operand->panels, at, source_value(c, operand, lanes)));
}

static Stmt *open_steps(Contraction *c, Stmt *to, const Copy *copy, Index **k) {
    Index *zero = index_const(c->arena, 0);
    *k = zero;
    if (!copy->operand->uses_k) return to;
    return contraction_open(c, to, arena_printf(c->arena, "%c", c->iter->name[c->k]), zero, copy->length, 1, k);
}

// The axis of `operand` that `axis` alone moves with coefficient 1, as the last one or as another; NO_AXIS otherwise.
static int dim_moved_by(const Operand *operand, int axis) {
    int found = NO_AXIS;
    for (int d = 0; d < operand->map->rank && axis != NO_AXIS; d++) {
        if (!operand->map->dim[d].coef[axis]) continue;
        if (found != NO_AXIS || operand->map->dim[d].coef[axis] != 1) return NO_AXIS;
        found = d;
    }
    return found;
}

// A vector of the lane axis by shuffles of lanes x lanes tiles along K; the last steps one element at a time.
static void copy_transposed(Contraction *c, Stmt *to, const Copy *copy, const TileLoop *tile, const Index *offset,
                            int dim) {
    Operand *operand = copy->operand;
    Arena *arena = c->arena;
    int lanes = c->lanes;
    Index *k, *l, *start = index_scale(arena, index_div(arena, copy->length, lanes), lanes);
    const char *name = arena_printf(arena, "%c", c->iter->name[c->k]);
    Stmt *steps = contraction_open(c, to, name, index_const(arena, 0), index_add_const(arena, copy->length, 1 - lanes),
                                   lanes, &k);
    Stmt *shuffle = NEW(arena, Stmt);
    Index *at[MAX_RANK], *from[MAX_RANK];
    panel_at(c, operand, panel_of(c, operand, tile->base), k, offset, at);
    stand_at(c, operand, index_add(arena, tile->base, offset), k);
    source_at(c, operand, from);
    const Index **to_index = NEW_ARRAY(arena, const Index *, MAX_RANK),
                **from_index = NEW_ARRAY(arena, const Index *, MAX_RANK);
    for (int d = 0; d < operand->panels->rank; d++) to_index[d] = at[d];
    for (int d = 0; d < operand->map->rank; d++) from_index[d] = from[d];
    *shuffle = (Stmt){.kind = STMT_TRANSPOSE,
                      .buffer = operand->panels,
                      .at = to_index,
                      .source = operand->buffer,
                      .from = from_index,
                      .src_axis = dim,
                      .dst_axis = operand->panels->rank - 2};
    stmt_append(arena, steps, shuffle);
    int64_t length;
    if (index_is_const(copy->length, &length) && length % lanes == 0) return;
    Stmt *rest = contraction_open(c, to, name, start, copy->length, 1, &k);
    rest = contraction_open(c, rest, "lane", index_const(arena, 0), index_const(arena, lanes), 1, &l);
    copy_element(c, rest, operand, tile->base, index_add(arena, l, offset), k, 1);
}

// The first `valid` lanes of a vector (NULL: all) one by one, zeros behind them.
static void copy_lanes(Contraction *c, Stmt *to, const Copy *copy, const TileLoop *tile, const Index *offset,
                       const Index *valid) {
    Operand *operand = copy->operand;
    Arena *arena = c->arena;
    Index *k, *l, *element, *at[MAX_RANK], *panel = panel_of(c, operand, tile->base);
    Stmt *steps = open_steps(c, to, copy, &k);
    Stmt *body = contraction_open_lanes(c, steps, index_add(arena, tile->base, offset), valid, &element, &l);
    panel_at(c, operand, panel, k, index_add(arena, l, offset), at);
    stand_at(c, operand, element, k);
    stmt_append(arena, body, stmt_store(arena, operand->panels, at, source_value(c, operand, 1)));
    if (!valid) return;
    body = contraction_open(c, steps, "lane", valid, index_const(arena, c->lanes), 1, &l);
    panel_at(c, operand, panel, k, index_add(arena, l, offset), at);
    stmt_append(arena, body, stmt_store(arena, operand->panels, at, expr_const(arena, F32, 0)));
}

// A panel of the lane operand: whole vectors in the way that its strides allow, a part of one lane by lane.
static void copy_lane_panel(Contraction *c, Stmt *to, const TileLoop *tile, void *context) {
    const Copy *copy = context;
    Operand *operand = copy->operand;
    int whole = tile->valid ? tile->extent - 1 : tile->extent;
    int last = operand->map->rank - 1, dim = operand->buffer ? dim_moved_by(operand, operand->tile) : NO_AXIS;
    bool unit = !c->lane_loop && dim == last && dim != NO_AXIS;
    bool shuffled = !c->lane_loop && !unit && dim != NO_AXIS && dim_moved_by(operand, c->k) == last;
    Index *k, *offset;
    if (whole) {
        // All vectors of a step of K together: they share pages and, at large strides, sets of the cache.
        Stmt *steps = unit ? open_steps(c, to, copy, &k) : to;
        Stmt *loop = nest_count(c->ctx, steps, unit ? FOR_UNROLLED : FOR_SERIAL, "v", whole, &offset);
        offset = index_scale(c->arena, offset, c->lanes);
        if (unit)
            copy_element(c, loop, operand, tile->base, offset, k, c->lanes);
        else if (shuffled)
            copy_transposed(c, loop, copy, tile, offset, dim);
        else
            copy_lanes(c, loop, copy, tile, offset, NULL);
    }
    if (tile->valid) copy_lanes(c, to, copy, tile, index_const(c->arena, whole * c->lanes), tile->valid);
}

// `panels` of them side by side from `base` on, which is a multiple of their width.
static void copy_rows(Contraction *c, Stmt *to, const Copy *copy, const Index *base, int panels, int rows) {
    Index *k, *panel, *r;
    to = open_steps(c, to, copy, &k);
    to = nest_count(c->ctx, to, FOR_UNROLLED, "panel", panels, &panel);
    to = nest_count(c->ctx, to, FOR_UNROLLED, "r", rows, &r);
    base = index_add(c->arena, base, index_scale(c->arena, panel, rows));
    copy_element(c, to, copy->operand, base, r, k, 1);
}

// Row panels: several at once, single ones, and what is left of the axis. lo is a multiple of the group.
static void copy_row_panels(Contraction *c, Stmt *to, const Copy *copy, const Index *lo, const Index *hi) {
    Arena *arena = c->arena;
    Operand *operand = copy->operand;
    if (operand->tile == NO_AXIS) {
        copy_rows(c, to, copy, index_const(arena, 0), 1, 1);
        return;
    }
    const char *name = arena_printf(arena, "%c", c->iter->name[operand->tile]);
    Index *at, *extent = contraction_extent(c, operand->tile), *r, *k;
    int rows = c->rows, group = ROWS_TOGETHER * rows;
    Index *groups_end = index_add_const(arena, hi, 1 - group), *singles_end = index_add_const(arena, hi, 1 - rows);
    Stmt *loop = contraction_open(c, to, name, lo, groups_end, group, &at);
    copy_rows(c, loop, copy, at, ROWS_TOGETHER, rows);
    Index *singles = index_scale(arena, index_div(arena, extent, group), group);
    loop = contraction_open(c, to, name, singles, singles_end, rows, &at);
    copy_rows(c, loop, copy, at, 1, rows);
    int64_t fixed;
    if (index_is_const(extent, &fixed) && fixed % rows == 0) return;
    Stmt *steps = open_steps(c, to, copy, &k);
    Stmt *rest = contraction_open(c, steps, name, index_scale(arena, index_div(arena, extent, rows), rows), hi, 1, &r);
    Index *place[MAX_RANK];
    panel_at(c, operand, index_div(arena, r, rows), k, index_mod(arena, r, rows), place);
    stand_at(c, operand, r, k);
    stmt_append(arena, rest, stmt_store(arena, operand->panels, place, source_value(c, operand, 1)));
}

// All of it, outside the loops of the product, with chunks of its own where that pays.
void contraction_stage(Contraction *c, Stmt *to, Operand *operand, bool is_lane) {
    if (!operand->staged || operand->in_chunk) return;
    Index *lo = index_const(c->arena, 0), *hi = contraction_extent(c, operand->tile);
    int unit = is_lane ? operand->width : operand->width * ROWS_TOGETHER;
    int panels = operand->tile == NO_AXIS ? 1 : (c->iter->axis[operand->tile].extent + unit - 1) / unit;
    bool fixed = operand->tile != NO_AXIS && !c->iter->axis[operand->tile].size;
    int chunks = panels < c->ctx->program->threads ? panels : c->ctx->program->threads;
    if (c->chunks > 1 && chunks > 1 && fixed && type_count(&operand->node->type) >= COPY_WORTH_CHUNKS)
        to = contraction_open_chunks(c, to, chunks, operand->tile, unit, &lo, &hi);
    contraction_stage_range(c, to, operand, is_lane, lo, hi);
}

void contraction_stage_range(Contraction *c, Stmt *to, Operand *operand, bool is_lane, const Index *lo,
                             const Index *hi) {
    Arena *arena = c->arena;
    Copy copy = {.operand = operand};
    Stmt *nest = stmt_block(arena), *inner = nest;
    for (int k = 0; k < operand->nouter; k++) inner = contraction_open_axis(c, inner, operand->outer[k]);
    if (operand->uses_k) {
        inner = contraction_open_blocks(c, inner, &copy.length);
    } else {
        c->block = index_const(arena, 0);
        copy.length = index_const(arena, 1);
    }
    if (is_lane)
        contraction_lane_tiles(c, inner, lo, hi, copy_lane_panel, &copy);
    else
        copy_row_panels(c, inner, &copy, lo, hi);
    nest->comment = arena_printf(arena, "panels of %s, in the order in which tiles read them",
                                 operand->node->name ? operand->node->name : "an operand");
    stmt_append(arena, to, nest);
}
