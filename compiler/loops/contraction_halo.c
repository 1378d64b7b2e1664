// contraction_halo.c: an operand whose windows leave it, or whose lanes are no run of elements, is copied once into a
// buffer that the tiles read without guards, its edges zero.
//
//     x[n, c, y+p-1, x+q-1], lanes x, K c      halo[n, 58, c, 80]       y+p, c, x+q: room for whole vectors
//     x[n, c, 2*y+p, 2*x+q]                    halo[n, 113, c, q, 64]   what is beside the lanes becomes an axis
//
// The dim of K goes next to the lanes, so that the steps of a tile lie side by side.
#include "loops/contraction.h"

// One dim of the halo: where it comes from.
typedef struct HaloDim {
    int source; // dim of the operand
    int axis;   // alone, as an axis of its own; NO_AXIS: the dim's index, from lo on
    int64_t lo;
} HaloDim;

static int rounded(const Contraction *c, int extent) { return (extent + c->lanes - 1) / c->lanes * c->lanes; }

typedef struct Halo {
    HaloDim from[MAX_RANK];
    Dim dim[MAX_RANK];
    Map *map;
} Halo;

static bool push(Halo *h, HaloDim from, Dim dim, Affine affine) {
    if (h->map->rank == MAX_RANK) return false;
    h->from[h->map->rank] = from;
    h->dim[h->map->rank] = dim;
    h->map->dim[h->map->rank++] = affine;
    return true;
}

static bool push_axis(Contraction *c, Halo *h, int d, int axis, Dim dim) {
    Affine bare = {0};
    bare.coef[axis] = 1;
    (void)c;
    return push(h, (HaloDim){d, axis, 0}, dim, bare);
}

static bool push_dim(Contraction *c, Halo *h, const Operand *operand, int d) {
    const Affine *affine = &operand->map->dim[d];
    Dim dim = operand->node->type.dim[d];
    int n = contraction_lanes_of(c, operand), lane = n == NO_AXIS ? 0 : affine->coef[n];
    int64_t lo, hi;
    contraction_reach(c->iter, affine, &lo, &hi);
    if (dim.size) return push(h, (HaloDim){d, NO_AXIS, 0}, dim, *affine);
    Affine shifted = *affine;
    shifted.c -= (int32_t)lo;
    int64_t extent = hi - lo + 1;
    if (!lane) return extent < INT32_MAX / 4 && push(h, (HaloDim){d, NO_AXIS, lo}, dim_fixed((int32_t)extent), shifted);
    int lanes = c->iter->axis[n].extent, room = rounded(c, lanes) - lanes;
    if (lane == 1) return push(h, (HaloDim){d, NO_AXIS, lo}, dim_fixed((int32_t)extent + room), shifted);
    for (int k = 0; k < c->iter->naxes; k++)
        if (k != n && affine->coef[k] && !push_axis(c, h, d, k, c->iter->axis[k])) return false;
    return push_axis(c, h, d, n, dim_fixed(lanes + room));
}

// 0: an outer dim; 1: of K; 2: of the lanes, which are last.
static int place_of(const Contraction *c, const Operand *operand, int d) {
    const Affine *affine = &operand->map->dim[d];
    int n = contraction_lanes_of(c, operand);
    if (n != NO_AXIS && affine->coef[n]) return 2;
    return c->k != NO_AXIS && affine->coef[c->k] ? 1 : 0;
}

bool contraction_halo(Contraction *c, Operand *operand) {
    Halo *h = NEW(c->arena, Halo);
    int lane_dims = 0;
    h->map = NEW(c->arena, Map);
    for (int place = 0; place < 3; place++)
        for (int d = 0; d < operand->map->rank; d++) {
            if (place_of(c, operand, d) != place) continue;
            lane_dims += place == 2;
            // A run-time number of lanes has tails of its own: left to panels.
            if (place == 2 && c->iter->axis[c->n].size) return false;
            if (!push_dim(c, h, operand, d)) return false;
        }
    if (contraction_lanes_of(c, operand) != NO_AXIS && lane_dims != 1) return false;
    Type shape = {.dtype = F32, .rank = h->map->rank};
    for (int d = 0; d < shape.rank; d++) shape.dim[d] = h->dim[d];
    int64_t count;
    if (!type_count_checked(&shape, &count) || count > 8 * (type_count(&operand->node->type) + 4096)) return false;
    operand->halo = h;
    operand->source_map = operand->map;
    operand->source = operand->buffer;
    operand->map = h->map;
    operand->shape = shape;
    return true;
}

void contraction_halo_buffer(Contraction *c, Operand *operand) {
    if (!operand->halo) return;
    operand->buffer =
        buffer_scratch(c->ctx->program, "halo", F32, operand->shape.rank, operand->shape.dim, SCOPE_ARENA);
}

// ---- the copy -------------------------------------------------------------------------------------------------------

static Stmt *open_dims(Contraction *c, Stmt *to, const Operand *operand, int from, Index **at) {
    for (int d = from; d < operand->shape.rank; d++)
        to = contraction_open(c, to, arena_printf(c->arena, "h%d", d), index_const(c->arena, 0),
                              index_size(c->arena, operand->shape.dim[d]), 1, &at[d]);
    return to;
}

// The places at which dim d of the halo holds an element, when it alone decides: [lo, hi).
static void inside(const Contraction *c, const Operand *operand, int d, Index **lo, Index **hi) {
    const HaloDim *from = &operand->halo->from[d];
    Dim dim = operand->shape.dim[d], source = operand->node->type.dim[from->source];
    *lo = index_const(c->arena, 0);
    *hi = index_size(c->arena, dim);
    if (dim.size || from->axis != NO_AXIS) return;
    int64_t first = -from->lo, end = source.extent - from->lo;
    *lo = index_const(c->arena, first < 0 ? 0 : first);
    *hi = index_const(c->arena, end > dim.extent ? dim.extent : end);
}

void contraction_halo_copy(Contraction *c, Stmt *to, Operand *operand) {
    Halo *h = operand->halo;
    if (!h) return;
    Arena *arena = c->arena;
    Index *at[MAX_RANK], *source[MAX_RANK], *axis_at[MAX_AXES] = {0};
    Stmt *nest = stmt_block(arena), *outer = nest;
    int first = 0, rank = operand->shape.rank;
    // The first axis, often the batch, is shared among the chunks.
    const Affine *lead = &h->map->dim[0];
    for (int k = 0; k < c->iter->naxes && c->chunks > 1 && rank > 1; k++) {
        bool bare = lead->coef[k] == 1 && affine_terms(lead) == 1 && dim_equal(h->dim[0], c->iter->axis[k]);
        if (!bare || h->from[0].lo || c->iter->axis[k].extent < 2) continue;
        Index *lo, *hi;
        int extent = c->iter->axis[k].extent, threads = c->ctx->program->threads;
        outer = contraction_open_chunks(c, outer, extent < threads ? extent : threads, k, 1, &lo, &hi);
        outer = contraction_open(c, outer, "h0", lo, hi, 1, &at[0]);
        first = 1;
        break;
    }
    Stmt *zero = open_dims(c, outer, operand, first, at);
    stmt_append(arena, zero, stmt_store(arena, operand->buffer, at, expr_const(arena, F32, 0)));
    Stmt *body = outer;
    for (int d = first; d < rank; d++) {
        Index *lo, *hi;
        inside(c, operand, d, &lo, &hi);
        body = contraction_open(c, body, arena_printf(arena, "h%d", d), lo, hi, 1, &at[d]);
    }
    for (int d = 0; d < rank; d++)
        if (h->from[d].axis != NO_AXIS) axis_at[h->from[d].axis] = at[d];
    for (int k = 0; k < c->iter->naxes; k++)
        if (!axis_at[k]) axis_at[k] = index_const(arena, 0);
    Stmt *guard = NEW(arena, Stmt);
    guard->kind = STMT_IF;
    for (int d = 0; d < rank; d++) {
        const HaloDim *from = &h->from[d];
        int s = from->source;
        if (from->axis == NO_AXIS) {
            source[s] = index_add_const(arena, at[d], from->lo);
            continue;
        }
        source[s] = index_of_affine(arena, &operand->source_map->dim[s], axis_at, c->iter->naxes);
        if (from->axis != contraction_lanes_of(c, operand)) continue;
        vec_push(arena, &guard->cond, source[s]);
        vec_push(arena, &guard->cond,
                 index_add_const(arena, index_scale(arena, source[s], -1), operand->node->type.dim[s].extent - 1));
    }
    if (guard->cond.len) {
        stmt_append(arena, body, guard);
        body = guard;
    }
    c->ctx->lanes = 1;
    lower_forget(c->ctx);
    Expr *value =
        operand->source ? expr_load(arena, operand->source, source, 1) : lower_value(c->ctx, operand->node, source);
    stmt_append(arena, body, stmt_store(arena, operand->buffer, at, value));
    nest->comment = arena_printf(arena, "%s with its edges, as the tiles read it",
                                 operand->node->name ? operand->node->name : "an operand");
    stmt_append(arena, to, nest);
}
