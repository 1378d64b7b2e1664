// contraction_plan.c: roles, tile, staging, blocks and chunks of a contraction, all read off its maps.
//
//     [n o | i] out[n, o] += x[n, i] * w[o, i]      n in result and x: rows     o in result's last axis and w: lanes
//     n <= 64, o < 256, i < 784                     i in x and w: K             tile 6 x 4 vectors, w staged in panels
//
// An axis of the result and one operand is M or N, of both operands only is K, of all three is Z (an outer loop); a
// summed axis of one operand only is K as well. Nothing here depends on what operator or layer the maps came from.
// Costs are integers: which of two is less must not depend on how the machine that runs dlc rounds.
#include <stdlib.h>

#include "loops/contraction.h"

enum {
    FMA = 1000000,        // the unit of costs is a millionth of the time of an FMA
    FMA_LATENCY_STEP = 4, // no step of K takes less time than this many FMAs
    COPY_PER_CENT = 2,    // a further copy of the tile must save this much time to be worth its lines in the C
    SHORT_STRIDE = 64,    // elements between steps of K up to which panels do not pay
    SHORT_SUM = 8,        // steps that are too few for the innermost loop
    PAGE_BYTES = 4096
};

int64_t contraction_flops(const Iter *iter) {
    int64_t flops = 2;
    for (int k = 0; k < iter->naxes; k++) flops *= iter->axis[k].extent;
    return flops;
}

void contraction_reach(const Iter *iter, const Affine *affine, int64_t *lo, int64_t *hi) {
    *lo = *hi = affine->c;
    for (int k = 0; k < iter->naxes; k++) {
        int64_t reach = (int64_t)affine->coef[k] * (iter->axis[k].extent - 1);
        *(reach < 0 ? lo : hi) += reach;
    }
}

// Whether every value of the map lies in the tensor or its halo for every point of the iteration space.
static bool in_range(const Iter *iter, const Operand *operand) {
    for (int d = 0; d < operand->map->rank; d++) {
        Dim dim = operand->node->type.dim[d];
        int before = operand->buffer ? operand->buffer->before[d] : 0;
        int after = operand->buffer ? operand->buffer->after[d] : 0;
        if (dim.size) continue; // a run-time axis indexed by itself (ops/iter.c)
        int64_t lo, hi;
        contraction_reach(iter, &operand->map->dim[d], &lo, &hi);
        if (lo < -before || hi >= dim.extent + after) return false;
    }
    return true;
}

int64_t contraction_axis_stride(const Operand *operand, int axis) {
    int64_t stride = 0, elements = 1;
    for (int d = operand->map->rank - 1; d >= 0; d--) {
        if (operand->buffer && !operand->halo) elements = operand->buffer->stride[d];
        if (axis >= 0) stride += operand->map->dim[d].coef[axis] * elements;
        elements *= operand->shape.dim[d].extent;
    }
    return stride;
}

static int extent_of(const Contraction *c, int axis) { return axis == NO_AXIS ? 1 : c->iter->axis[axis].extent; }
static bool is_runtime(const Contraction *c, int axis) { return axis != NO_AXIS && c->iter->axis[axis].size; }
static int min_int(int a, int b) { return a < b ? a : b; }

// ---- the tile -----------------------------------------------------------------------------------------------------

static int64_t min_cost(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_cost(int64_t a, int64_t b) { return a > b ? a : b; }

static int64_t square_root(int64_t x) {
    int64_t root = x;
    for (int64_t next = (x + 1) / 2; next < root; next = (root + x / root) / 2) root = next; // Newton, from above
    return root;
}

// Time of one step of K.
static int64_t step_cost(const Contraction *c, int rows, int vectors) {
    int64_t fma = (int64_t)rows * vectors;
    int64_t loads = vectors * (int64_t)FMA + (c->both_lanes ? fma * FMA : rows * (int64_t)FMA / 10 * 6);
    int64_t bound = max_cost(max_cost(loads, fma * FMA), FMA_LATENCY_STEP * FMA);
    // What a step costs beside, 4.5 (16 / fma)^2.5: fitted to 4 x 4 (77 % of the peak), 6 x 2 (56 %), 6 x 4 and 24 x 1
    // (95 to 98 %).
    int64_t besides = (int64_t)4608 * FMA * FMA / (fma * fma * square_root(fma * FMA * FMA));
    return bound + min_cost(besides, (int64_t)12 * FMA) + (rows + vectors) * (int64_t)FMA / 10;
}

// Tiles of these heights, in turn, cover `rows`: the cost of one column of them.
static int64_t column_cost(const Contraction *c, const int *height, int nheights, int rows, int vectors) {
    int64_t cost = 0;
    for (int k = 0; k < nheights; k++) {
        cost += rows / height[k] * step_cost(c, height[k] * c->members, vectors);
        rows %= height[k];
    }
    return cost;
}

// A fixed extent leaves one tail. A run-time extent may leave any number of rows, so lower tiles cover the rest: 4, 2
// and 1 rows, or 8, 2 and 1. More heights would mean fewer passes over the other operand's panel, but each height is
// one more copy of the tile in the C.
static int plan_heights(const Contraction *c, int rows, int *height) {
    int n = 0, extent = extent_of(c, c->m), low = rows > 8 ? 8 : 4;
    height[n++] = rows;
    if (!is_runtime(c, c->m)) {
        if (extent % rows) height[n++] = extent % rows;
        return n;
    }
    bool straddles = c->row.staged; // a panel holds `rows` of them: shorter tiles must not reach into the next one
    if (!straddles && rows > low) height[n++] = low;
    if (!straddles && rows > 2) height[n++] = 2;
    if (rows > 1) height[n++] = 1;
    return n;
}

static int64_t tile_cost(const Contraction *c, int rows, int vectors) {
    int height[MAX_HEIGHTS], n = plan_heights(c, rows, height), row_extent = extent_of(c, c->m);
    int all = ceil_div(extent_of(c, c->n), c->lanes);
    int64_t cost = all / vectors * column_cost(c, height, n, row_extent, vectors);
    // With a pool behind it gcc 12 keeps two vectors in memory: a third of the speed. One or three stay in registers.
    if (c->members > 1 && vectors == 2) cost *= 2;
    if (all % vectors) cost += column_cost(c, height, n, row_extent, all % vectors);
    int copies = n * (all > vectors && all % vectors ? 2 : 1);
    return cost + cost * COPY_PER_CENT * (copies - 1) / 100;
}

static void plan_tile(Contraction *c) {
    const Target *target = c->ctx->program->target;
    int row_extent = extent_of(c, c->m), all = ceil_div(extent_of(c, c->n), c->lanes);
    // A loop of lanes is one vector wide, and so is a run-time axis: its tail is then part of one vector.
    int widest = c->lane_loop || is_runtime(c, c->n) ? 1 : min_int(8, all);
    int64_t best = -1;
    for (int vectors = 1; vectors <= widest; vectors++) {
        for (int rows = 1; rows <= row_extent; rows++) {
            bool fits = rows * c->members * vectors + vectors + 1 <= target->registers - 2;
            if (!fits && (rows > 1 || vectors > 1)) break;
            // Of equal ones the narrowest, then one that leaves no shorter tile over, then the tallest.
            int64_t cost = tile_cost(c, rows, vectors) + (row_extent % rows != 0);
            if (best >= 0 && (cost > best || (cost == best && vectors > c->vectors))) continue;
            best = cost;
            c->rows = rows;
            c->vectors = vectors;
        }
    }
}

// ---- roles -------------------------------------------------------------------------------------------------------

// Every axis of the result must be one axis of the iteration, each a different one.
static bool plan_result(Contraction *c) {
    const Map *out = &c->iter->map[0];
    unsigned seen = 0;
    for (int d = 0; d < out->rank; d++) {
        int axis = affine_bare_axis(&out->dim[d]);
        if (axis == NO_AXIS || seen >> axis & 1 || !dim_equal(c->iter->axis[axis], c->root->type.dim[d])) return false;
        seen |= 1u << axis;
    }
    return true;
}

static void operand_from(Contraction *c, Operand *operand, int which) {
    *operand = (Operand){.node = c->root->in[which], .map = &c->iter->map[1 + which], .tile = NO_AXIS};
    operand->buffer = c->ctx->program->of_node[operand->node->id];
    operand->shape = operand->node->type;
}

// The share of a vector's lanes that an axis fills, on average.
static int64_t lanes_filled(const Contraction *c, int axis) {
    int64_t extent = extent_of(c, axis);
    return extent * SHARE / (ceil_div((int)extent, c->lanes) * (int64_t)c->lanes);
}

// The axis alone indexes the last dim of both operands.
static bool ends_both(const Iter *iter, int axis) {
    for (int m = 1; m < 3; m++)
        if (!iter->map[m].rank || affine_bare_axis(&iter->map[m].dim[iter->map[m].rank - 1]) != axis) return false;
    return true;
}

// The members of a pool's window share the vectors of the lane operand: it must not move with them. Where both operands
// have the axis, the one that moves gives the rows.
static bool moves_with_pool(const Contraction *c, int axis) {
    bool in_a = map_uses(&c->iter->map[1], axis), in_b = map_uses(&c->iter->map[2], axis);
    const Map *map = &c->iter->map[in_a ? 1 : 2];
    if (in_a && in_b) return false;
    for (int k = 0; k < c->npool; k++)
        if (map_uses(map, c->pool_axis[k])) return true;
    return false;
}

// Whether the operand that has the axis alone is the data (it has the batch, the result's first axis, in front), and
// whether it holds the axis's elements side by side.
static bool in_data(const Contraction *c, int axis, bool *side_by_side) {
    const Map *out = &c->iter->map[0], *map = &c->iter->map[map_uses(&c->iter->map[1], axis) ? 1 : 2];
    *side_by_side = map->rank && map->dim[map->rank - 1].coef[axis] != 0;
    int batch = affine_bare_axis(&out->dim[0]);
    return batch != NO_AXIS && map->rank && map->dim[0].coef[batch] != 0;
}

// The axis of the lanes: the longest in the result's last dim, whose vectors are stored as they are. Where that is too
// short (the taps of a weight's gradient, small images) and the sums are long, or its operand would have to be turned
// around first (channels last), an axis that fills the lanes instead.
static int lane_axis(const Contraction *c) {
    const Iter *iter = c->iter;
    int best = NO_AXIS, other = NO_AXIS;
    int64_t results = 1;
    for (int axis = 0; axis < iter->nout; axis++) {
        results *= extent_of(c, axis);
        if (contraction_in_pool(c, axis) || moves_with_pool(c, axis)) continue;
        bool in_one = map_uses(&iter->map[1], axis) != map_uses(&iter->map[2], axis);
        if (iter->map[0].dim[iter->map[0].rank - 1].coef[axis]) {
            if (best == NO_AXIS || extent_of(c, axis) > extent_of(c, best)) best = axis;
        } else if ((in_one || ends_both(iter, axis)) && !is_runtime(c, axis)) {
            if (other == NO_AXIS || lanes_filled(c, axis) > lanes_filled(c, other)) other = axis;
        }
    }
    if (best == NO_AXIS || other == NO_AXIS) return best == NO_AXIS ? other : best;
    bool long_sums = contraction_flops(iter) >= 128 * results;
    if (c->lanes == 1 || is_runtime(c, best) || !long_sums) return best;
    bool along, other_along, data = in_data(c, best, &along), other_data = in_data(c, other, &other_along);
    bool turned = data && !along && !other_data && lanes_filled(c, other) >= SHARE / 2 && !c->lane_loop;
    return turned || 5 * lanes_filled(c, other) > 8 * lanes_filled(c, best) ? other : best;
}

// K: of the summed axes that are no short ones, that with the shortest steps in the row operand; else the longest.
static int sum_axis(const Contraction *c) {
    int best = NO_AXIS;
    for (int axis = c->iter->nout; axis < c->iter->naxes; axis++) {
        if (best == NO_AXIS) {
            best = axis;
            continue;
        }
        bool is_long = extent_of(c, axis) >= SHORT_SUM && !is_runtime(c, axis);
        bool best_long = extent_of(c, best) >= SHORT_SUM && !is_runtime(c, best);
        int64_t step = llabs(contraction_axis_stride(&c->row, axis)),
                least = llabs(contraction_axis_stride(&c->row, best));
        if (is_long != best_long ? is_long : is_long ? step < least : extent_of(c, axis) > extent_of(c, best))
            best = axis;
    }
    return best;
}

// M: an axis of the result that only the row operand has. The cost of the tiles over it decides; steps over more than a
// page and a number of rows that only the call knows cost extra.
static int row_axis(Contraction *c) {
    int best = NO_AXIS;
    int64_t least = 0;
    for (int axis = 0; axis < c->iter->nout; axis++) {
        if (axis == c->n || contraction_in_pool(c, axis) || !map_uses(c->row.map, axis) || map_uses(c->lane.map, axis))
            continue;
        c->m = axis;
        plan_tile(c);
        int64_t cost = tile_cost(c, c->rows, c->vectors) / extent_of(c, axis);
        if (4 * llabs(contraction_axis_stride(&c->row, axis)) > PAGE_BYTES) cost += cost * 15 / 100;
        if (is_runtime(c, axis)) cost += cost / 10;
        if (best != NO_AXIS && cost >= least) continue;
        best = axis;
        least = cost;
    }
    return best;
}

// How many results differ in what operand m alone is indexed by.
static int64_t own_results(const Iter *iter, int m) {
    int64_t results = 1;
    for (int axis = 0; axis < iter->nout; axis++)
        if (map_uses(&iter->map[m], axis) && !map_uses(&iter->map[3 - m], axis)) results *= iter->axis[axis].extent;
    return results;
}

static bool plan_roles(Contraction *c) {
    const Iter *iter = c->iter;
    c->n = lane_axis(c);
    if (c->n == NO_AXIS) return false;
    c->lanes_are_last = iter->map[0].dim[iter->map[0].rank - 1].coef[c->n] != 0;
    bool in_a = map_uses(&iter->map[1], c->n), in_b = map_uses(&iter->map[2], c->n);
    if (!in_a && !in_b) return false;
    c->both_lanes = in_a && in_b;
    int lane = c->both_lanes ? (own_results(iter, 1) > own_results(iter, 2)) : in_b;
    operand_from(c, &c->row, 1 - lane);
    operand_from(c, &c->lane, lane);
    c->lane.tile = c->n;
    c->k = sum_axis(c);
    c->m = row_axis(c);
    c->row.tile = c->m;
    for (int d = 0; d < iter->map[0].rank; d++)
        for (int axis = 0; axis < iter->nout; axis++)
            if (iter->map[0].dim[d].coef[axis] && axis != c->m && axis != c->n && !contraction_in_pool(c, axis))
                c->outer[c->nouter++] = axis;
    for (int axis = iter->nout; axis < iter->naxes; axis++)
        if (axis != c->k) c->sum[c->nsum++] = axis;
    for (int side = 0; side < 2; side++) {
        Operand *operand = side ? &c->lane : &c->row;
        operand->uses_k = map_uses(operand->map, c->k);
        for (int axis = 0; axis < iter->naxes; axis++)
            if (axis != operand->tile && axis != c->k && map_uses(operand->map, axis))
                operand->outer[operand->nouter++] = axis;
    }
    return true;
}

// Whether windows slide along the lanes, or those skip elements.
static bool lanes_slide(const Contraction *c) {
    const Map *map = c->lane.map;
    for (int d = 0; d < map->rank; d++) {
        int axes = affine_terms(&map->dim[d]);
        if (map->dim[d].coef[c->n] && (axes > 1 || map->dim[d].coef[c->n] != 1)) return true;
    }
    return false;
}

// Whether windows that overlap are read: panels would hold elements many times.
static bool windows_overlap(const Contraction *c, const Operand *operand) {
    for (int d = 0; d < operand->map->rank; d++) {
        int64_t lo, hi, points = 1;
        for (int k = 0; k < c->iter->naxes; k++)
            if (operand->map->dim[d].coef[k]) points *= extent_of(c, k);
        contraction_reach(c->iter, &operand->map->dim[d], &lo, &hi);
        if (points > hi - lo + 1) return true;
    }
    return false;
}

static bool unit_stride(const Operand *operand, int axis) {
    int last = operand->map->rank - 1;
    for (int d = 0; d < last; d++)
        if (operand->map->dim[d].coef[axis]) return false;
    return last >= 0 && operand->map->dim[last].coef[axis] == 1;
}

// Whether vectors along n can be read as the operand lies, the last ones too.
static bool vectors_fit(const Contraction *c, const Operand *operand) {
    if (c->lane_loop) return operand->buffer;
    return operand->buffer && !is_runtime(c, c->n) && extent_of(c, c->n) % c->lanes == 0 && unit_stride(operand, c->n);
}

static bool plan_halos(Contraction *c) {
    for (int side = 0; side < 2; side++) {
        Operand *operand = side ? &c->lane : &c->row;
        bool leaves = !in_range(c->iter, operand), as_vectors = !side && c->both_lanes && !vectors_fit(c, operand);
        if (!leaves && !as_vectors && !(side && c->lanes > 1 && lanes_slide(c))) continue;
        if (!contraction_halo(c, operand) && (leaves || as_vectors)) return false;
    }
    return true;
}

// ---- staging, blocks, chunks ----------------------------------------------------------------------------------------

bool contraction_is_prepared(const Contraction *c, const Operand *operand) {
    return c->ctx->prepared && c->ctx->prepared[operand->node->id];
}

static void plan_staging(Contraction *c) {
    const Target *target = c->ctx->program->target;
    int steps = extent_of(c, c->k), columns = ceil_div(extent_of(c, c->n), c->vectors * c->lanes);
    int tiles = ceil_div(extent_of(c, c->m), c->rows);
    bool windows = windows_overlap(c, &c->lane);
    int64_t lane_stride = llabs(contraction_axis_stride(&c->lane, c->k)),
            row_stride = llabs(contraction_axis_stride(&c->row, c->k));
    // Vectors need a unit stride, and must not read past the end of the last ones; a loop can be shorter there.
    bool whole = (c->lane_loop || extent_of(c, c->n) % c->lanes == 0) && !is_runtime(c, c->n);
    c->lane.staged = (!c->lane.buffer && !c->lane.halo) || (c->lanes > 1 && (!whole || !unit_stride(&c->lane, c->n)));
    // Lines that are far apart fall into the same sets of the cache; panels pay when many tiles read them.
    if (steps >= 16 && lane_stride > SHORT_STRIDE && tiles >= 16 && !windows) c->lane.staged = true;
    // A scalar operand is read in place while the cache lines of a column stay in the first level.
    bool lines_fit = row_stride <= 1 || (int64_t)steps * 64 <= target->l1_bytes / 2;
    c->row.staged = (!c->row.buffer && !c->row.halo) || (!lines_fit && columns >= 3);
    if (c->both_lanes) c->row.staged = false;
    if (c->lane.halo) {
        c->lane.staged = false; // it has room for whole vectors
        // Taps of a kernel lie between the steps of K: in panels they are one run.
        if (c->nsum && !c->both_lanes && type_count(&c->row.shape) * 64 < contraction_flops(c->iter))
            c->row.staged = true;
    }
    c->lane.width = c->vectors * c->lanes;
    c->row.width = c->rows;
}

static int panels_rank(const Contraction *c, const Operand *operand) { return operand->nouter + 3 + (c->blocks > 1); }

// Too many axes for panels: rows are read as they lie then, lanes are not read at all.
static bool panels_fit(const Contraction *c, Operand *operand) {
    if (!operand->staged || panels_rank(c, operand) <= MAX_RANK) return true;
    if (operand == &c->lane || !(operand->buffer || operand->halo)) return false;
    operand->staged = false;
    return true;
}

// (outer..., blocks if there are several, panels, K in a block, width)
static void plan_panels(Contraction *c, Operand *operand, const char *name) {
    if (!operand->staged) return;
    Dim dim[MAX_RANK];
    int rank = 0;
    for (int k = 0; k < operand->nouter; k++) dim[rank++] = dim_fixed(extent_of(c, operand->outer[k]));
    if (c->blocks > 1) dim[rank++] = dim_fixed(operand->uses_k ? c->blocks : 1);
    dim[rank++] = dim_fixed(ceil_div(extent_of(c, operand->tile), operand->width));
    dim[rank++] = dim_fixed(operand->uses_k ? c->block_k : 1);
    dim[rank++] = dim_fixed(operand->width);
    operand->panels = buffer_scratch(c->ctx->program, name, F32, rank, dim, SCOPE_ARENA);
}

static void plan_blocks(Contraction *c) {
    int64_t bytes = 4 * (int64_t)c->block_k;
    for (int k = c->inside; k < c->nsum; k++) bytes *= k == c->inside && c->strip ? c->strip : extent_of(c, c->sum[k]);
    // Half of the second level for the rows that every panel is run over; blocks of equal size.
    int rows = extent_of(c, c->m), room = (int)(c->ctx->program->target->l2_bytes / 2 / bytes);
    if (c->chunk == CHUNK_ROWS) rows = ceil_div(ceil_div(rows, c->rows), c->chunks) * c->rows;
    if (room < 8 * c->rows) room = 8 * c->rows;
    c->block_m = ceil_div(ceil_div(rows, ceil_div(rows, room)), c->rows) * c->rows;
}

static void plan_partial(Contraction *c) {
    if (c->blocks == 1 && !c->sum_outside) return;
    Dim dim[MAX_RANK];
    int rank = 0;
    dim[rank++] = dim_fixed(c->parts);
    for (int axis = 0; axis < c->iter->nout; axis++)
        if (axis != c->n) dim[rank++] = c->iter->axis[axis];
    dim[rank++] = dim_fixed(ceil_div(extent_of(c, c->n), c->lanes) * c->lanes);
    c->partial = buffer_scratch(c->ctx->program, "partial", F32, rank, dim, SCOPE_ARENA);
}

// Which outer axes stand inside the loop over columns.
static void plan_order(Contraction *c) {
    double lane_bytes = 4;
    int order[MAX_AXES], n = 0;
    for (int axis = 0; axis < c->iter->naxes; axis++)
        if (map_uses(c->lane.map, axis)) lane_bytes *= extent_of(c, axis);
    c->first_inside = c->nouter;
    if (lane_bytes <= c->ctx->program->target->l2_bytes / 2.0) return;
    for (int inside = 0; inside < 2; inside++) {
        if (inside) c->first_inside = n;
        for (int k = 0; k < c->nouter; k++)
            if (map_uses(c->lane.map, c->outer[k]) != inside) order[n++] = c->outer[k];
    }
    for (int k = 0; k < n; k++) c->outer[k] = order[k];
}

static void plan_chunks(Contraction *c) {
    int threads = c->ctx->program->threads;
    if (threads < 2 || (double)contraction_flops(c->iter) < 100e3 * c->lanes) return;
    int64_t best = 0;
    // Outer axes come first: a chunk of columns or of a row's pixels would walk through all of the memory.
    int rows = c->nouter, panels = rows + 1;
    for (int option = 0; option <= panels; option++) {
        int axis = option == rows ? c->m : option == panels ? c->n : c->outer[option];
        int unit = option == rows ? c->rows : option == panels ? c->lane.width : 1;
        int units = ceil_div(extent_of(c, axis), unit), chunks = min_int(units, threads);
        if (option == panels && is_runtime(c, axis)) continue;
        // A run-time axis may turn out short. Few chunks leave threads idle. Each would read a large lane operand anew.
        int64_t share = chunk_share(units, chunks);
        if (option <= rows && option >= c->first_inside && c->first_inside < c->nouter) share /= 2;
        bool batch = option < rows && c->ctx->program->graph->kind == ENTRY_TRAIN; // whole images, and many of them
        if (is_runtime(c, axis) && !batch) share /= 2;
        if (chunks < 4) share = share / 5 * 4;
        if (share <= best + SHARE / 50) continue;
        best = share;
        c->chunk = option == rows ? CHUNK_ROWS : option == panels ? CHUNK_PANELS : CHUNK_OUTER;
        c->chunk_axis = axis;
        c->chunks = chunks;
    }
    c->lane.in_chunk = c->lane.staged && c->chunk == CHUNK_PANELS && !contraction_is_prepared(c, &c->lane);
}

bool contraction_plan(Contraction *c, LowerContext *ctx) {
    const Node *root = ctx->group->root;
    *c = (Contraction){.ctx = ctx, .arena = ctx->arena, .root = root, .iter = node_attr(root, "iter")->iter};
    c->lane_loop = !ctx->program->target->vector_bytes;
    c->lanes = c->lane_loop ? ctx->program->target->loop_lanes : target_lanes(ctx->program->target);
    c->gathers = contraction_gather(c->arena, root, &c->iter);
    c->result_is_bare = plan_result(c);
    c->gathers |= c->result_is_bare;
    c->members = 1;
    if (ctx->group->reduces.len) {
        c->pool = ctx->group->reduces.at[0];
        contraction_split_windows(c);
    }
    if (root->type.dtype != F32 || root->in[0]->type.dtype != F32 || root->in[1]->type.dtype != F32) return false;
    if (c->iter->nout >= MAX_RANK) return false;
    if (!c->gathers || root->type.rank == 0 || !plan_roles(c)) return false;
    if (c->lane_loop && !is_runtime(c, c->n)) c->lanes = min_int(c->lanes, extent_of(c, c->n));
    if (!plan_halos(c)) return false;
    plan_tile(c);
    plan_staging(c);
    plan_order(c);
    plan_chunks(c);
    contraction_plan_sums(c);
    if (!panels_fit(c, &c->row) || !panels_fit(c, &c->lane)) return false;
    contraction_halo_buffer(c, &c->row);
    contraction_halo_buffer(c, &c->lane);
    plan_blocks(c);
    c->nheights = plan_heights(c, c->rows, c->height);
    plan_panels(c, &c->row, "panel_rows");
    plan_panels(c, &c->lane, "panel_lanes");
    plan_partial(c);
    return true;
}
