// contraction_plan.c: decides roles of axes, tile, panels, blocks and chunks of a contraction from its maps alone.
//
//     [n o | i] out[n, o] += x[n, i] * w[o, i]      n in result and x: rows     o in result's last axis and w: lanes
//     n <= 64, o < 256, i < 784                     i in x and w: K             tile 6 x 4 vectors, w in panels
//
// An axis of the result and of one operand is M or N. A summed axis is K. An axis of the result and of both operands is
// an outer loop. Which operator or layer the maps came from does not matter.
// Costs are integers, because the plan must be the same on every machine that runs dlc: doubles may round differently.
#include <stdlib.h>

#include "loops/contraction.h"

enum {
    FMA = 1000000,        // the unit of costs is a millionth of the time of an FMA
    FMA_LATENCY_STEP = 4, // FMAs. A step of K takes at least as long: its sums wait for those of the step before
    COPY_PER_CENT = 2,    // a further copy of the tile must save this much time to be worth its lines in the C
    SHORT_STRIDE = 64,    // elements between steps of K: up to this distance panels do not pay
    SHORT_SUM = 8,        // an axis of fewer steps is not taken for the innermost loop if there is another one
    MANY_STEPS = 16,      // of K; panels pay when a step is read by
    MANY_TILES = 16,      // so many tiles
    MANY_READS = 512,     // of each packed element: then packing takes a few per cent of the time
    LONG_SUM = 64,        // products for each result: then another choice of the lanes is worth its cost
    PAGE_BYTES = 4096,
    L1_WAYS = 8,             // cache lines of one set of the first-level cache
    PARTIALS_BYTES = 4 << 20 // of all chunks together: a limit on memory
};

static int64_t flops_of(const Iter *iter) {
    int64_t flops = 2;
    for (int k = 0; k < iter->naxes; k++) flops *= iter->axis[k].extent;
    return flops;
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

static int64_t stride_of(const Operand *operand, int axis) { return llabs(contraction_axis_stride(operand, axis)); }
static int extent_of(const Plan *p, int axis) { return axis_extent(p->iter, axis); }
static bool is_runtime(const Plan *p, int axis) { return axis != NO_AXIS && p->iter->axis[axis].size; }
static bool in_pool(const Plan *p, int axis) { return p->windows >> axis & 1; }
static int64_t min_cost(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t max_cost(int64_t a, int64_t b) { return a > b ? a : b; }

// ---- the tile -----------------------------------------------------------------------------------------------------

static int64_t square_root(int64_t x) {
    int64_t root = x;
    for (int64_t next = (x + 1) / 2; next < root; next = (root + x / root) / 2) root = next; // Newton, from above
    return root;
}

static bool has_few_registers(const Plan *p) { return !p->lane_loop && p->program->target->registers <= 16; }

// Time of one step of K: the slowest of arithmetic, loads and latency, and an overhead. The numbers were fitted on one
// processor with 32 registers of 16 lanes; there a scalar, read and broadcast, costs 0.6 of a vector's load. On one
// with 16 registers of 8 lanes, tiles of 6 x 2 are 1.4 times as fast as those of 12 x 1.
static int64_t step_cost(const Plan *p, int rows, int vectors) {
    int64_t fma = (int64_t)rows * vectors;
    int scalar = has_few_registers(p) ? 15 : 6; // tenths of a vector's load
    int64_t loads = vectors * (int64_t)FMA + (p->both_lanes ? fma * FMA : rows * (int64_t)FMA / 10 * scalar);
    int64_t bound = max_cost(max_cost(loads, fma * FMA), FMA_LATENCY_STEP * FMA);
    // The overhead is 4.5 (16 / fma)^2.5: tiles of 4 x 4 reach 77 % of the peak, 6 x 2 reach 56 %, 6 x 4 and 24 x 1
    // 95 to 98 %.
    int64_t overhead = (int64_t)4608 * FMA * FMA / (fma * fma * square_root(fma * FMA * FMA));
    return bound + min_cost(overhead, (int64_t)12 * FMA) + (rows + vectors) * (int64_t)FMA / 10;
}

// The cost of one column of tiles that cover `rows`: as many as fit of the first height, then of the next.
static int64_t column_cost(const Plan *p, const int *height, int nheights, int rows, int vectors) {
    int64_t cost = 0;
    for (int k = 0; k < nheights; k++) {
        cost += rows / height[k] * step_cost(p, height[k] * p->members, vectors);
        rows %= height[k];
    }
    return cost;
}

// A fixed extent leaves one tail. A run-time extent may leave any number of rows. Lower tiles cover these: 4, 2 and 1
// rows, or 8, 2 and 1. With more heights there would be fewer passes over the other operand's panel, but each height is
// one more copy of the tile in the C.
static int plan_heights(const Plan *p, int m, int rows, int *height) {
    int n = 0, rest = extent_of(p, m) % rows, low = rows > 8 ? 8 : 4;
    height[n++] = rows;
    if (!is_runtime(p, m)) {
        if (rest) height[n++] = rest;
        return n;
    }
    bool straddles = p->row.staged; // a panel holds `rows` of them, and a lower tile could reach into the next panel
    if (!straddles && rows > low) height[n++] = low;
    if (!straddles && rows > 2) height[n++] = 2;
    if (rows > 1) height[n++] = 1;
    return n;
}

static int64_t tile_cost(const Plan *p, int m, int rows, int vectors) {
    int height[MAX_HEIGHTS], n = plan_heights(p, m, rows, height), row_extent = extent_of(p, m);
    int all = ceil_div(extent_of(p, p->n), p->lanes);
    int64_t cost = all / vectors * column_cost(p, height, n, row_extent, vectors);
    // When a pool follows, gcc 12 keeps the sums of two vectors in memory, which is three times as slow. Those of one
    // or three vectors stay in registers. With one, each FMA reads a scalar of its own: as fast as three vectors on one
    // processor, 8 % slower on another one.
    if (p->members > 1 && vectors == 2) cost *= 2;
    if (p->members > 1 && vectors == 1) cost += cost / 20;
    if (all % vectors) cost += column_cost(p, height, n, row_extent, all % vectors);
    int copies = n * (all > vectors && all % vectors ? 2 : 1);
    return cost + cost * COPY_PER_CENT * (copies - 1) / 100;
}

// The tile for rows along axis m, and what the product then costs.
static int64_t plan_tile(const Plan *p, int m, int *best_rows, int *best_vectors) {
    int row_extent = extent_of(p, m), all = ceil_div(extent_of(p, p->n), p->lanes);
    // A loop of lanes is one vector wide. So are the tiles of a run-time axis, because its tail is part of one vector.
    int widest = p->lane_loop || is_runtime(p, p->n) ? 1 : min_int(8, all);
    int64_t best = -1;
    for (int vectors = 1; vectors <= widest; vectors++) {
        for (int rows = 1; rows <= row_extent; rows++) {
            int free = p->program->target->registers - 2 + has_few_registers(p);
            bool fits = rows * p->members * vectors + vectors + 1 <= free;
            if (!fits && (rows > 1 || vectors > 1)) break;
            // Of equal tiles the narrowest, then one that leaves no rows over, then the tallest.
            int64_t cost = tile_cost(p, m, rows, vectors) + (row_extent % rows != 0);
            if (best >= 0 && (cost > best || (cost == best && vectors > *best_vectors))) continue;
            best = cost;
            *best_rows = rows;
            *best_vectors = vectors;
        }
    }
    return best - (row_extent % *best_rows != 0);
}

// ---- roles -------------------------------------------------------------------------------------------------------

static Operand operand_of(const Plan *p, int which) {
    const Node *node = p->root->in[which];
    return (Operand){.node = node,
                     .map = &p->iter->map[1 + which],
                     .shape = node->type,
                     .buffer = p->program->of_node[node->id],
                     .tile = NO_AXIS};
}

// The share of a vector's lanes that an axis fills, on average.
static int64_t lanes_filled(const Plan *p, int axis) {
    int64_t extent = extent_of(p, axis);
    return extent * SHARE / (ceil_div((int)extent, p->lanes) * (int64_t)p->lanes);
}

// The axis alone indexes the last dim of both operands.
static bool ends_both(const Iter *iter, int axis) {
    for (int m = 1; m < 3; m++)
        if (!iter->map[m].rank || affine_bare_axis(&iter->map[m].dim[iter->map[m].rank - 1]) != axis) return false;
    return true;
}

static bool reads_pool(const Plan *p, const Map *map) {
    for (int k = 0; k < p->iter->nout; k++)
        if (in_pool(p, k) && map_uses(map, k)) return true;
    return false;
}

// The elements of a pool's window share the vectors of the lane operand, so that operand must not depend on their axes.
// When both operands have the axis, the one that depends on them gives the rows; both cannot.
static bool moves_with_pool(const Plan *p, int axis) {
    const Map *a = &p->iter->map[1], *b = &p->iter->map[2];
    bool in_a = map_uses(a, axis), in_b = map_uses(b, axis);
    return (in_a || in_b) && (!in_a || reads_pool(p, a)) && (!in_b || reads_pool(p, b));
}

// Whether the one operand that has the axis is the data: its first dim is the batch, the result's first axis. And
// whether it holds the axis's elements side by side.
static bool in_data(const Plan *p, int axis, bool *side_by_side) {
    const Map *out = &p->iter->map[0], *map = &p->iter->map[map_uses(&p->iter->map[1], axis) ? 1 : 2];
    *side_by_side = map->rank && map->dim[map->rank - 1].coef[axis] != 0;
    int batch = affine_bare_axis(&out->dim[0]);
    return batch != NO_AXIS && map->rank && map->dim[0].coef[batch] != 0;
}

// The axis of the lanes: the longest one in the result's last dim, because its vectors are stored as they are. When the
// sums are long, another axis is taken in two cases: it fills the lanes better by more than 8 to 5 (the last dim holds
// the taps of a weight's gradient, or a small image), or the operand of the first one would have to be transposed
// (channels last).
static int lane_axis(const Plan *p) {
    const Iter *iter = p->iter;
    int best = NO_AXIS, other = NO_AXIS;
    int64_t results = 1;
    for (int axis = 0; axis < iter->nout; axis++) {
        results *= extent_of(p, axis);
        if (in_pool(p, axis) || moves_with_pool(p, axis)) continue;
        bool in_one = map_uses(&iter->map[1], axis) != map_uses(&iter->map[2], axis);
        if (iter->map[0].dim[iter->map[0].rank - 1].coef[axis]) {
            if (best == NO_AXIS || extent_of(p, axis) > extent_of(p, best)) best = axis;
        } else if ((in_one || ends_both(iter, axis)) && !is_runtime(p, axis)) {
            if (other == NO_AXIS || lanes_filled(p, axis) > lanes_filled(p, other)) other = axis;
        }
    }
    if (best == NO_AXIS || other == NO_AXIS) return best == NO_AXIS ? other : best;
    bool long_sums = flops_of(iter) / 2 >= LONG_SUM * results;
    if (p->lanes == 1 || is_runtime(p, best) || !long_sums) return best;
    bool along, other_along, data = in_data(p, best, &along), other_data = in_data(p, other, &other_along);
    bool turned = data && !along && !other_data && lanes_filled(p, other) >= SHARE / 2 && !p->lane_loop;
    return turned || 5 * lanes_filled(p, other) > 8 * lanes_filled(p, best) ? other : best;
}

// K: of the summed axes that are long enough, the one with the shortest steps in the row operand; otherwise the
// longest.
static int sum_axis(const Plan *p) {
    int best = NO_AXIS;
    for (int axis = p->iter->nout; axis < p->iter->naxes; axis++) {
        if (best == NO_AXIS) {
            best = axis;
            continue;
        }
        bool is_long = extent_of(p, axis) >= SHORT_SUM && !is_runtime(p, axis);
        bool best_long = extent_of(p, best) >= SHORT_SUM && !is_runtime(p, best);
        int64_t step = stride_of(&p->row, axis), least = stride_of(&p->row, best);
        if (is_long != best_long ? is_long : is_long ? step < least : extent_of(p, axis) > extent_of(p, best))
            best = axis;
    }
    return best;
}

// M: an axis of the result that only the row operand has, the one whose tiles cost least. Rows that lie more than a
// page apart cost 15 % more (13 points of the peak were measured). A number of rows that only the call knows costs 10 %
// more, for its tails.
static int row_axis(const Plan *p) {
    int best = NO_AXIS, rows, vectors;
    int64_t least = 0;
    for (int axis = 0; axis < p->iter->nout; axis++) {
        if (axis == p->n || in_pool(p, axis) || !map_uses(p->row.map, axis) || map_uses(p->lane.map, axis)) continue;
        int64_t cost = plan_tile(p, axis, &rows, &vectors) / extent_of(p, axis);
        if (4 * stride_of(&p->row, axis) > PAGE_BYTES) cost += cost * 15 / 100;
        if (is_runtime(p, axis)) cost += cost / 10;
        if (best != NO_AXIS && cost >= least) continue;
        best = axis;
        least = cost;
    }
    return best;
}

// The product of the result's axes that only operand m has.
static int64_t own_results(const Iter *iter, int m) {
    int64_t results = 1;
    for (int axis = 0; axis < iter->nout; axis++)
        if (map_uses(&iter->map[m], axis) && !map_uses(&iter->map[3 - m], axis)) results *= iter->axis[axis].extent;
    return results;
}

// The loop before which an operand that does not change in it is packed: the innermost one that reads each element so
// often that packing it again each time costs little. So the panels live no longer than they need to.
static int loop_to_pack_before(const Plan *p, const Operand *operand) {
    const Graph *g = p->program->graph;
    int64_t reads = flops_of(p->iter) / 2 / max_cost(type_count(&operand->node->type), 1);
    int loop = p->root->loop, before = 0;
    while (loop != operand->node->loop && reads < MANY_READS) {
        before = loop;
        reads *= graph_loop(g, loop)->steps.extent;
        loop = graph_loop(g, loop)->parent;
    }
    return before;
}

static bool plan_roles(Plan *p, const bool *prepared) {
    const Iter *iter = p->iter;
    p->n = lane_axis(p);
    if (p->n == NO_AXIS) return false;
    bool in_a = map_uses(&iter->map[1], p->n), in_b = map_uses(&iter->map[2], p->n);
    if (!in_a && !in_b) return false;
    p->both_lanes = in_a && in_b;
    int lane = p->both_lanes ? (own_results(iter, 1) > own_results(iter, 2)) : in_b;
    p->row = operand_of(p, 1 - lane);
    p->lane = operand_of(p, lane);
    p->lane.tile = p->n;
    p->k = sum_axis(p);
    p->m = row_axis(p);
    p->row.tile = p->m;
    for (int d = 0; d < iter->map[0].rank; d++)
        for (int axis = 0; axis < iter->nout; axis++)
            if (iter->map[0].dim[d].coef[axis] && axis != p->m && axis != p->n && !in_pool(p, axis))
                p->outer[p->nouter++] = axis;
    for (int axis = iter->nout; axis < iter->naxes; axis++)
        if (axis != p->k) p->sum[p->nsum++] = axis;
    for (int side = 0; side < 2; side++) {
        Operand *operand = side ? &p->lane : &p->row;
        operand->uses_k = map_uses(operand->map, p->k);
        operand->prepared = prepared && prepared[operand->node->id];
        if (!operand->prepared) operand->ahead_of = loop_to_pack_before(p, operand);
        for (int axis = 0; axis < iter->naxes; axis++)
            if (axis != operand->tile && axis != p->k && map_uses(operand->map, axis))
                operand->outer[operand->nouter++] = axis;
    }
    return true;
}

// Whether the operand is read through windows that overlap: panels would hold the same elements many times.
static bool windows_overlap(const Plan *p, const Operand *operand) {
    for (int d = 0; d < operand->map->rank; d++) {
        int64_t lo, hi, points = 1;
        for (int k = 0; k < p->iter->naxes; k++)
            if (operand->map->dim[d].coef[k]) points *= extent_of(p, k);
        affine_reach(p->iter, &operand->map->dim[d], &lo, &hi);
        if (points > hi - lo + 1) return true;
    }
    return false;
}

int contraction_dim_of(const Operand *operand, int axis) {
    int found = NO_AXIS;
    for (int d = 0; d < operand->map->rank && axis != NO_AXIS; d++) {
        if (!operand->map->dim[d].coef[axis]) continue;
        if (found != NO_AXIS || operand->map->dim[d].coef[axis] != 1) return NO_AXIS;
        found = d;
    }
    return found;
}

static bool unit_stride(const Operand *operand, int axis) {
    int dim = contraction_dim_of(operand, axis);
    return dim != NO_AXIS && dim == operand->map->rank - 1;
}

// Whether windows slide along the lanes, or the lanes skip elements.
static bool lanes_slide(const Plan *p) {
    int dim = contraction_dim_of(&p->lane, p->n);
    return dim == NO_AXIS || affine_terms(&p->lane.map->dim[dim]) > 1;
}

// Whether vectors along n can be read from the operand where it lies, up to the last one.
static bool vectors_fit(const Plan *p, const Operand *operand) {
    if (p->lane_loop) return operand->buffer && !is_runtime(p, p->n); // multiply_in_loop runs over all lanes
    return operand->buffer && !is_runtime(p, p->n) && extent_of(p, p->n) % p->lanes == 0 && unit_stride(operand, p->n);
}

// Whether every value of the map lies in the tensor or its halo for every point of the iteration space.
static bool in_range(const Iter *iter, const Operand *operand) {
    for (int d = 0; d < operand->map->rank; d++) {
        Dim dim = operand->node->type.dim[d];
        int before = operand->buffer ? operand->buffer->before[d] : 0;
        int after = operand->buffer ? operand->buffer->after[d] : 0;
        if (dim.size) continue; // a run-time axis indexed by itself (ops/iter.c)
        int64_t lo, hi;
        affine_reach(iter, &operand->map->dim[d], &lo, &hi);
        if (lo < -before || hi >= dim.extent + after) return false;
    }
    return true;
}

static bool plan_halos(Plan *p) {
    for (int side = 0; side < 2; side++) {
        Operand *operand = side ? &p->lane : &p->row;
        bool leaves = !in_range(p->iter, operand), as_vectors = !side && p->both_lanes && !vectors_fit(p, operand);
        if (!leaves && !as_vectors && !(side && p->lanes > 1 && lanes_slide(p))) continue;
        if (!contraction_halo(p, operand) && (leaves || as_vectors)) return false;
    }
    return true;
}

// ---- panels, order of loops, chunks ---------------------------------------------------------------------------------

// Whether so many rows of a tile fall into one set of the first-level cache that they push each other out: a set
// repeats every page. Rows of 1,024 floats, read in tiles of 12, take twice as long as packed ones.
static bool rows_collide(const Plan *p) {
    if (p->m == NO_AXIS || extent_of(p, p->k) < MANY_STEPS) return false;
    return p->rows * gcd(4 * stride_of(&p->row, p->m), PAGE_BYTES) > L1_WAYS * PAGE_BYTES;
}

static void plan_staging(Plan *p) {
    const Target *target = p->program->target;
    int steps = extent_of(p, p->k), columns = ceil_div(extent_of(p, p->n), p->vectors * p->lanes);
    int tiles = ceil_div(extent_of(p, p->m), p->rows);
    bool windows = windows_overlap(p, &p->lane);
    int64_t lane_stride = stride_of(&p->lane, p->k), row_stride = stride_of(&p->row, p->k);
    // Vectors need a unit stride and must not read past the end of the axis; a loop of lanes can stop there.
    bool whole = (p->lane_loop || extent_of(p, p->n) % p->lanes == 0) && !is_runtime(p, p->n);
    p->lane.staged = (!p->lane.buffer && !p->lane.halo) || (p->lanes > 1 && (!whole || !unit_stride(&p->lane, p->n)));
    // Cache lines that are far apart fall into the same sets of the cache. Panels pay when many tiles read them.
    bool many = tiles >= MANY_TILES || p->lane.node->loop != p->root->loop; // those of all steps
    if (steps >= MANY_STEPS && lane_stride > SHORT_STRIDE && many && !windows) p->lane.staged = true;
    // Scalars are read in place if the cache lines of a column of tiles stay in the first level.
    bool lines_fit = row_stride <= 1 || (int64_t)steps * 64 <= target->l1_bytes / 2;
    if (rows_collide(p)) lines_fit = false;
    p->row.staged = (!p->row.buffer && !p->row.halo) || (!lines_fit && columns >= 3);
    if (p->both_lanes) p->row.staged = false;
    if (p->lane.halo) {
        p->lane.staged = false; // it has room for whole vectors
        // The taps of a window lie between the steps of K. In panels all of them are one run.
        if (p->nsum && !p->both_lanes && type_count(&p->row.shape) * 64 < flops_of(p->iter)) p->row.staged = true;
    }
    p->lane.width = p->vectors * p->lanes;
    p->row.width = p->rows;
}

// Outer axes that the lane operand does not have stand inside the loop over columns, if that operand does not stay in
// the second-level cache.
static void plan_order(Plan *p) {
    int64_t lane_bytes = 4;
    int order[MAX_AXES], n = 0;
    for (int axis = 0; axis < p->iter->naxes; axis++)
        if (map_uses(p->lane.map, axis)) lane_bytes *= extent_of(p, axis);
    p->first_inside = p->nouter;
    if (lane_bytes <= p->program->target->l2_bytes / 2) return;
    for (int inside = 0; inside < 2; inside++) {
        if (inside) p->first_inside = n;
        for (int k = 0; k < p->nouter; k++)
            if (map_uses(p->lane.map, p->outer[k]) != inside) order[n++] = p->outer[k];
    }
    for (int k = 0; k < n; k++) p->outer[k] = order[k];
}

// Whether each block of rows and K can copy its rows when it begins, so that the copy stays in the second-level cache
// and takes little memory: no loop inside a block reads other rows, and none outside of it comes back to the same ones.
static bool stages_blocks(const Plan *p) {
    const Operand *rows = &p->row;
    return rows->staged && rows->uses_k && !rows->prepared && !rows->ahead_of && rows->tile != NO_AXIS && !p->nsum &&
           p->members == 1 && p->first_inside == p->nouter && rows->nouter == p->nouter;
}

static void plan_chunks(Plan *p) {
    int threads = p->program->threads;
    p->chunks = 1;
    p->chunk_axis = NO_AXIS;
    if (threads < 2 || flops_of(p->iter) < (int64_t)p->program->target->chunk_work * p->lanes) return;
    int64_t best = 0;
    // Outer axes come first, because a chunk of columns or of pixels would walk through all of the memory. A later
    // option must be better by a fiftieth.
    int rows = p->nouter, panels = rows + 1;
    for (int option = 0; option <= panels; option++) {
        int axis = option == rows ? p->m : option == panels ? p->n : p->outer[option];
        int unit = option == rows ? p->rows : option == panels ? p->lane.width : 1;
        int units = ceil_div(extent_of(p, axis), unit), chunks = min_int(units, threads);
        if (option == panels && is_runtime(p, axis)) continue;
        // A run-time axis may turn out short. Few chunks leave threads idle. When outer axes stand inside the columns,
        // each chunk of one would read the large lane operand again.
        int64_t share = chunk_share(units, chunks);
        if (option <= rows && option >= p->first_inside && p->first_inside < p->nouter) share /= 2;
        bool batch = option < rows && p->program->graph->kind == ENTRY_TRAIN; // whole images, and many of them
        if (is_runtime(p, axis) && !batch) share /= 2;
        if (chunks < 4) share = share / 5 * 4;
        if (option == panels && stages_blocks(p)) share = share / 10 * 9; // each chunk would need all rows
        if (share <= best + SHARE / 50) continue;
        best = share;
        p->chunk_axis = axis;
        p->chunk_unit = unit;
        p->chunks = chunks;
    }
}

// ---- sums: blocks, strips, parts ------------------------------------------------------------------------------------

// How far a step along the axis leads in the operands: the farthest stands outermost.
static int64_t step_of(const Plan *p, int axis) { return stride_of(&p->row, axis) + stride_of(&p->lane, axis); }

static void sort_sums(Plan *p) {
    for (int s = 1; s < p->nsum; s++)
        for (int k = s; k > 0 && step_of(p, p->sum[k]) > step_of(p, p->sum[k - 1]); k--) {
            int axis = p->sum[k];
            p->sum[k] = p->sum[k - 1];
            p->sum[k - 1] = axis;
        }
}

// Puts as many loops inside the tile as one accumulator may take, and the next one in strips.
static void plan_strips(Plan *p) {
    int64_t terms = p->block_k;
    p->inside = p->nsum;
    while (p->inside > 0 && terms * extent_of(p, p->sum[p->inside - 1]) <= MAX_TERMS)
        terms *= extent_of(p, p->sum[--p->inside]);
    int next = p->inside - 1, most = (int)(MAX_TERMS / terms);
    if (next < 0 || most < 2 || p->iter->axis[p->sum[next]].size) return;
    p->inside = next;
    p->strip = ceil_div(extent_of(p, p->sum[next]), ceil_div(extent_of(p, p->sum[next]), most));
}

// Each strip of the operands stays in the second-level cache while all tiles pass over it. Each chunk of the outermost
// summed axis has a partial result of its own. These are added in their order, so that the result does not depend on
// the number of threads. When they would take too much memory, the chunks share out the result instead.
static void plan_sums(Plan *p) {
    int64_t others = 1, results = 1;
    for (int k = 0; k < p->nsum; k++) others *= extent_of(p, p->sum[k]);
    int steps = extent_of(p, p->k);
    p->sum_outside = p->nsum && others * steps > MAX_TERMS && others > MAX_TERMS / 16;
    p->parts = 1;
    sort_sums(p);
    p->blocks = (int)ceil_div(p->sum_outside ? steps : others * steps, MAX_TERMS);
    p->block_k = ceil_div(steps, p->blocks);
    if (!p->sum_outside) return;
    plan_strips(p);
    for (int axis = 0; axis < p->iter->nout; axis++) results *= extent_of(p, axis);
    int units = extent_of(p, p->sum[0]), chunks = min_int(units, p->program->threads);
    if (p->chunks == 1 || !p->inside || chunks < 2 || 4 * results * chunks > PARTIALS_BYTES) return;
    p->chunk_axis = p->sum[0];
    p->chunk_unit = 1;
    p->chunks = p->parts = ceil_div(units, ceil_div(units, chunks));
}

// Rows that a chunk has at most.
static int chunk_rows(const Plan *p) {
    int rows = extent_of(p, p->m);
    return p->chunk_axis == p->m ? ceil_div(ceil_div(rows, p->rows), p->chunks) * p->rows : rows;
}

static int block_rows(const Plan *p) { return p->block_m ? p->block_m : chunk_rows(p); }

static void plan_row_blocks(Plan *p) {
    int64_t bytes = 4 * (int64_t)p->block_k;
    for (int k = p->inside; k < p->nsum; k++) bytes *= k == p->inside && p->strip ? p->strip : extent_of(p, p->sum[k]);
    // While a block of rows is read again for every panel, it has half of the second-level cache. At least 8 tiles, or
    // the panels would be read too often. All blocks have the same size.
    int rows = chunk_rows(p), room = (int)(p->program->target->l2_bytes / 2 / bytes);
    if (room < 8 * p->rows) room = 8 * p->rows;
    int block = ceil_div(ceil_div(rows, ceil_div(rows, room)), p->rows) * p->rows;
    p->block_m = rows > block ? block : 0;
}

// ---- buffers --------------------------------------------------------------------------------------------------------

// With too many axes for panels, rows are read where they lie; for lanes there is no other way.
static bool panels_fit(const Plan *p, Operand *operand) {
    if (!operand->staged || operand->nouter + 3 + (p->blocks > 1) <= MAX_RANK) return true;
    if (operand == &p->lane || !(operand->buffer || operand->halo)) return false;
    operand->staged = false;
    return true;
}

static void make_halo(const Plan *p, Operand *operand) {
    const Type *shape = &operand->shape;
    if (operand->halo) operand->buffer = buffer_scratch(p->program, "halo", F32, shape->rank, shape->dim, SCOPE_ARENA);
}

static void make_panels(const Plan *p, Operand *operand, const char *name) {
    if (!operand->staged) return;
    Dim dim[MAX_RANK];
    int rank = 0, tiles = extent_of(p, operand->tile);
    if (operand->in_block) {
        if (p->chunks > 1) dim[rank++] = dim_fixed(p->chunks);
        tiles = block_rows(p);
    } else {
        for (int k = 0; k < operand->nouter; k++) dim[rank++] = dim_fixed(extent_of(p, operand->outer[k]));
        if (p->blocks > 1) dim[rank++] = dim_fixed(operand->uses_k ? p->blocks : 1);
    }
    dim[rank++] = dim_fixed(ceil_div(tiles, operand->width));
    dim[rank++] = dim_fixed(operand->uses_k ? p->block_k : 1);
    dim[rank++] = dim_fixed(operand->width);
    operand->panels = buffer_scratch(p->program, name, F32, rank, dim, SCOPE_ARENA);
}

static void make_partial(Plan *p) {
    if (p->blocks == 1 && !p->sum_outside) return;
    Dim dim[MAX_RANK] = {dim_fixed(p->parts)};
    int rank = 1;
    for (int axis = 0; axis < p->iter->nout; axis++)
        if (axis != p->n) dim[rank++] = p->iter->axis[axis];
    dim[rank++] = dim_fixed(ceil_div(extent_of(p, p->n), p->lanes) * p->lanes);
    p->partial = buffer_scratch(p->program, "partial", F32, rank, dim, SCOPE_ARENA);
}

// Whether vectors of the tile are stored as they are: they run along the result's last dim, and what follows from them
// has a vector form.
static bool stores_vectors(const Plan *p, Epilogue *epilogue) {
    const Map *out = &p->iter->map[0];
    return !p->lane_loop && affine_bare_axis(&out->dim[out->rank - 1]) == p->n &&
           epilogue_is_vector(epilogue, p->lanes);
}

const Plan *contraction_plan(Epilogue *epilogue, const Iter *iter, unsigned windows) {
    const LowerContext *ctx = epilogue->ctx;
    const Node *root = epilogue->root;
    const Target *target = ctx->program->target;
    if (root->type.dtype != F32 || root->in[0]->type.dtype != F32 || root->in[1]->type.dtype != F32) return NULL;
    if (iter->nout >= MAX_RANK || root->type.rank == 0) return NULL;
    Plan *p = NEW(ctx->arena, Plan);
    *p = (Plan){.program = ctx->program, .root = root, .iter = iter, .windows = windows, .members = 1};
    p->lane_loop = !target->vector_bytes;
    p->lanes = p->lane_loop ? target->loop_lanes : target_lanes(target);
    for (int axis = 0; axis < iter->nout; axis++) p->members *= in_pool(p, axis) ? extent_of(p, axis) : 1;
    if (!plan_roles(p, ctx->prepared)) return NULL;
    if (p->lane_loop && !is_runtime(p, p->n)) p->lanes = min_int(p->lanes, extent_of(p, p->n));
    if (!plan_halos(p)) return NULL;
    plan_tile(p, p->m, &p->rows, &p->vectors);
    plan_staging(p);
    plan_order(p);
    plan_chunks(p);
    plan_sums(p);
    if (!panels_fit(p, &p->row) || !panels_fit(p, &p->lane)) return NULL;
    p->lane.in_chunk = p->lane.staged && p->chunk_axis == p->n && !p->lane.prepared && !p->lane.ahead_of;
    plan_row_blocks(p);
    p->row.in_block = stages_blocks(p) && (p->chunks == 1 || p->chunk_axis != p->n);
    p->nheights = plan_heights(p, p->m, p->rows, p->height);
    make_halo(p, &p->row);
    make_halo(p, &p->lane);
    make_panels(p, &p->row, "panel_rows");
    make_panels(p, &p->lane, "panel_lanes");
    make_partial(p);
    p->stores_vectors = stores_vectors(p, epilogue);
    return p;
}
