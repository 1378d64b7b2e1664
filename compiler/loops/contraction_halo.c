// contraction_halo.c: copies an operand once into a buffer with zeros around it, so that the tiles read it without
// guards. Needed if windows leave the operand, or if the elements of a vector do not lie side by side.
//
//     x[n, c, y+p-1, x+q-1], lanes x, K c      halo[n, 58, c, 80]       y+p, c, x+q: room for whole vectors
//     x[n, c, 2*y+p, 2*x+q]                    halo[n, 113, c, q, 64]   x skips elements: q becomes an axis of its own
//
// The dim of K stands next to that of the lanes, so that the steps of a tile lie side by side.
#include "loops/contraction.h"

// One dim of the halo: where it comes from.
typedef struct HaloDim {
    int source; // dim of the operand
    int axis;   // alone, as an axis of its own; NO_AXIS: the dim's index, from lo on
    int64_t lo;
} HaloDim;

typedef struct Halo {
    HaloDim from[MAX_RANK];
    Type shape;
    Map map;
    const Map *source_map; // the operand's own, and
    Buffer *source;        // where it lies, or NULL
} Halo;

static bool push(Halo *h, HaloDim from, Dim dim, Affine affine) {
    int d = h->map.rank;
    if (d == MAX_RANK) return false;
    h->from[d] = from;
    h->shape.dim[d] = dim;
    h->map.dim[d] = affine;
    h->map.rank = h->shape.rank = d + 1;
    return true;
}

static bool push_axis(Halo *h, int d, int axis, Dim dim) {
    return push(h, (HaloDim){d, axis, 0}, dim, affine_axis(axis));
}

static bool push_dim(const Plan *plan, Halo *h, const Operand *operand, int d) {
    const Iter *iter = plan->iter;
    Affine affine = operand->map->dim[d];
    Dim dim = operand->node->type.dim[d];
    int n = contraction_lanes_of(plan, operand), lane = n == NO_AXIS ? 0 : affine.coef[n];
    int64_t lo, hi;
    affine_reach(iter, &affine, &lo, &hi);
    if (dim.size) return push(h, (HaloDim){d, NO_AXIS, 0}, dim, affine);
    int lanes = axis_extent(iter, n), room = lane ? ceil_div(lanes, plan->lanes) * plan->lanes - lanes : 0;
    if (lane <= 1 && lane >= 0) {
        if (hi - lo + 1 >= INT32_MAX / 4) return false;
        affine.c -= (int32_t)lo;
        return push(h, (HaloDim){d, NO_AXIS, lo}, dim_fixed((int32_t)(hi - lo + 1) + room), affine);
    }
    for (int k = 0; k < iter->naxes; k++)
        if (k != n && affine.coef[k] && !push_axis(h, d, k, iter->axis[k])) return false;
    return push_axis(h, d, n, dim_fixed(lanes + room));
}

// 0: an outer dim; 1: of K; 2: of the lanes, which are last.
static int place_of(const Plan *plan, const Operand *operand, int d) {
    const Affine *affine = &operand->map->dim[d];
    int n = contraction_lanes_of(plan, operand);
    if (n != NO_AXIS && affine->coef[n]) return 2;
    return plan->k != NO_AXIS && affine->coef[plan->k] ? 1 : 0;
}

bool contraction_halo(const Plan *plan, Operand *operand) {
    Halo *h = NEW(plan->program->arena, Halo);
    *h = (Halo){.shape.dtype = F32, .source_map = operand->map, .source = operand->buffer};
    int lane_dims = 0;
    for (int place = 0; place < 3; place++)
        for (int d = 0; d < operand->map->rank; d++) {
            if (place_of(plan, operand, d) != place) continue;
            lane_dims += place == 2;
            // A run-time number of lanes has tails, which panels can hold.
            if (place == 2 && plan->iter->axis[plan->n].size) return false;
            if (!push_dim(plan, h, operand, d)) return false;
        }
    if (contraction_lanes_of(plan, operand) != NO_AXIS && lane_dims != 1) return false;
    int64_t count;
    if (!type_count_checked(&h->shape, &count) || count > 8 * (type_count(&operand->node->type) + 4096)) return false;
    operand->halo = h;
    operand->map = &h->map;
    operand->shape = h->shape;
    return true;
}

// ---- the copy -------------------------------------------------------------------------------------------------------

// Loops over the places of the halo, from dim `first` on, at which it may hold an element, as far as each dim alone
// decides that.
static Stmt *open_elements(Cursor *c, Stmt *to, const Operand *operand, int first, Index **at) {
    for (int d = first; d < operand->shape.rank; d++) {
        const HaloDim *from = &operand->halo->from[d];
        Dim dim = operand->shape.dim[d];
        int64_t lo = 0, end = operand->node->type.dim[from->source].extent - from->lo;
        Index *hi = index_size(c->arena, dim);
        if (!dim.size && from->axis == NO_AXIS) {
            lo = from->lo < 0 ? -from->lo : 0;
            hi = index_const(c->arena, end > dim.extent ? dim.extent : end);
        }
        to = contraction_open(c, to, arena_printf(c->arena, "h%d", d), index_const(c->arena, lo), hi, 1, &at[d]);
    }
    return to;
}

// The first dim, often the batch, is shared among the chunks, if it is an axis from end to end, and the operand's dim.
static Stmt *open_first(Cursor *c, Stmt *to, const Operand *operand, int *first, Index **at) {
    const Halo *h = operand->halo;
    const Affine *lead = &h->map.dim[0];
    const Iter *iter = c->plan->iter;
    int axis = affine_bare_axis(lead);
    if (c->plan->chunks == 1 || h->shape.rank == 1 || axis == NO_AXIS || h->from[0].lo) return to;
    if (!dim_equal(h->shape.dim[0], iter->axis[axis]) || iter->axis[axis].extent < 2) return to;
    if (!dim_equal(h->shape.dim[0], operand->node->type.dim[h->from[0].source])) return to;
    *first = 1;
    to = contraction_open_chunks(c, to, min_int(iter->axis[axis].extent, c->plan->program->threads), axis, 1);
    return contraction_open(c, to, "h0", c->range[axis].lo, c->range[axis].hi, 1, at);
}

// Where the element of the halo at `at` lies in the operand. The guard asks whether it lies inside, where only the
// axes of one dim together tell.
static void source_at(const Cursor *c, const Operand *operand, Index *const *at, Index **source, Stmt *guard) {
    const Halo *h = operand->halo;
    Index *axis_at[MAX_AXES];
    for (int k = 0; k < c->plan->iter->naxes; k++) axis_at[k] = index_const(c->arena, 0);
    for (int d = 0; d < h->shape.rank; d++)
        if (h->from[d].axis != NO_AXIS) axis_at[h->from[d].axis] = at[d];
    for (int d = 0; d < h->shape.rank; d++) {
        const HaloDim *from = &h->from[d];
        int s = from->source;
        source[s] = from->axis == NO_AXIS
                        ? index_add_const(c->arena, at[d], from->lo)
                        : index_of_affine(c->arena, &h->source_map->dim[s], axis_at, c->plan->iter->naxes);
        if (from->axis != NO_AXIS && from->axis == contraction_lanes_of(c->plan, operand))
            guard_axis(c->arena, guard, source[s], operand->node->type.dim[s]);
    }
}

void contraction_halo_copy(const Cursor *outside, Stmt *to, const Operand *operand) {
    const Halo *h = operand->halo;
    Cursor inside = *outside;
    Arena *arena = outside->arena;
    LowerContext *ctx = outside->ctx;
    Index *at[MAX_RANK], *source[MAX_RANK];
    int first = 0;
    Stmt *nest = stmt_block(arena), *guard = stmt_if(arena);
    Stmt *outer = open_first(&inside, nest, operand, &first, &at[0]);
    Stmt *zero = contraction_open_shape(&inside, outer, 'h', h->shape.dim, first, h->shape.rank, at);
    stmt_append(arena, zero, stmt_store(arena, operand->buffer, at, expr_const(arena, F32, 0)));
    Stmt *body = open_elements(&inside, outer, operand, first, at);
    source_at(&inside, operand, at, source, guard);
    ctx->lanes = 1;
    lower_forget(ctx);
    Expr *value = h->source ? expr_load(arena, h->source, source, 1) : lower_value(ctx, operand->node, source);
    stmt_append(arena, guard_open(arena, body, guard), stmt_store(arena, operand->buffer, at, value));
    nest->comment = arena_printf(arena, "%s with its edges, as the tiles read it",
                                 operand->node->name ? operand->node->name : "an operand");
    stmt_append(arena, to, nest);
}
