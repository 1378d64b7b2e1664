// contraction_tile.c: the register tile: R rows by V vectors of sums, all of K, then the epilogue.
//
//     local acc[6, 4]: f32x16 = 0
//     for k: unroll v < 4: vector[v] = panel[k, 16 v ..]
//            unroll r < 6: scalar = x[i + r, k]; unroll v < 4: acc[r, v] += scalar * vector[v]
//     unroll r < 6, v < 4: h[i + r, o + 16 v ..] = relu(acc[r, v] + bias[o + 16 v ..])
//
// On a target without vectors the sums are arrays, and one loop over lanes stands around all rows. C compilers turn
// this loop into vectors. They do not for a loop in each row, nor for scalars by name.
//
//     local acc[6, 16] = 0
//     for k: scalar0 = x[i, k] ... scalar5
//            for lane < 16: vector = panel[k, lane]; acc[0, lane] += scalar0 * vector; ...
//     for lane < 16: unroll r < 6: h[i + r, o + lane] = relu(acc[r, lane] + bias[o + lane])
//
// Every tile is made here, those at the edges too. When K is in blocks, each block sums from 0 and adds what the blocks
// before it gave; the last one runs the epilogue. Lanes after the end of the axis are never stored: the last vector of
// a padded tile goes through a small array on the stack. So does every vector when the epilogue has no vector form.
#include <stdlib.h>

#include "loops/contraction.h"
#include "loops/recipes.h"
#include "ops/op.h"

// An array of `n` registers: of vectors, or of scalars.
static Buffer *registers_new(Cursor *c, const char *name, int n, int lanes) {
    Dim dim = dim_fixed(n);
    Buffer *buffer = buffer_scratch(c->ctx->program, name, F32, 1, &dim, SCOPE_REGISTER);
    buffer->lanes = lanes;
    return buffer;
}

static void declare(Cursor *c, Stmt *to, Buffer *buffer, Expr *value) {
    stmt_append(c->arena, to, stmt_local(c->arena, buffer, value));
}

// ---- rows ----------------------------------------------------------------------------------------------------------

// With a pool, a row of the tile is a window, and each of its elements has a row of sums.
static int row_count(const Cursor *c) { return c->rows->extent * c->plan->members; }

// Opens the loop over the tile's rows (with a pool, its windows). *row becomes the loop's variable.
static Stmt *open_windows(Cursor *c, Stmt *to, ForKind kind, Index **row) {
    const Plan *plan = c->plan;
    to = nest_count(c->ctx, to, kind, "r", c->rows->extent, row);
    if (plan->m != NO_AXIS) c->at[plan->m] = index_add(c->arena, c->rows->base, *row);
    return to;
}

// Opens the loops over the elements of the window at `row`. *sum becomes the index of the element's sums.
static Stmt *open_members(Cursor *c, Stmt *to, const Index *row, Index **sum) {
    const Plan *plan = c->plan;
    *sum = (Index *)row;
    for (int axis = 0; axis < plan->iter->nout; axis++) {
        int extent = plan->iter->axis[axis].extent;
        if (!(plan->windows >> axis & 1)) continue;
        to = nest_count(c->ctx, to, FOR_UNROLLED, contraction_axis_name(c, axis), extent, &c->at[axis]);
        *sum = index_add(c->arena, index_scale(c->arena, *sum, extent), c->at[axis]);
    }
    return to;
}

static Stmt *open_rows(Cursor *c, Stmt *to, Index **row, Index **sum) {
    to = open_windows(c, to, FOR_UNROLLED, row);
    return open_members(c, to, *row, sum);
}

static Stmt *open_vectors(Cursor *c, Stmt *to, int vectors, Index **v) {
    return nest_count(c->ctx, to, FOR_UNROLLED, "v", vectors, v);
}

// The first element of vector v of the tile.
static Index *vector_at(const Cursor *c, const Index *v) {
    return index_add(c->arena, c->lanes->base, index_scale(c->arena, v, c->plan->lanes));
}

// ---- the product ---------------------------------------------------------------------------------------------------

// A scalar of the row operand. If the lanes run along it too, its vector at `element`.
static Expr *row_value(Cursor *c, const Index *row, const Index *element, int lanes) {
    const Plan *plan = c->plan;
    if (plan->both_lanes) c->at[plan->n] = (Index *)element;
    return contraction_load(c, &plan->row, row, lanes);
}

static void add_product(Cursor *c, Stmt *to, Index *const *at, Expr *a, Expr *b) {
    Expr *product = expr_apply(c->arena, c->plan->root, &op_mul, F32, (Expr *[]){a, b}, 2);
    stmt_append(c->arena, to, stmt_accumulate(c->arena, c->sums, at, REDUCE_SUM, product));
}

static void multiply(Cursor *c, Stmt *to) {
    const Plan *plan = c->plan;
    Arena *arena = c->arena;
    int vectors = c->lanes->extent;
    Index *v, *row, *sum, *none = index_const(arena, 0);
    Buffer *b = registers_new(c, "vector", vectors, plan->lanes),
           *a = registers_new(c, "scalar", 1, plan->both_lanes ? plan->lanes : 1);
    if (vectors > 1) declare(c, to, b, NULL);
    Stmt *loop = open_vectors(c, to, vectors, &v);
    Expr *vector = contraction_load(c, &plan->lane, index_scale(arena, v, plan->lanes), plan->lanes);
    stmt_append(arena, loop, vectors > 1 ? stmt_store(arena, b, &v, vector) : stmt_local(arena, b, vector));
    to = open_rows(c, to, &row, &sum);
    if (!plan->both_lanes) declare(c, to, a, row_value(c, row, NULL, 1));
    to = open_vectors(c, to, vectors, &v);
    if (plan->both_lanes) declare(c, to, a, row_value(c, row, vector_at(c, v), plan->lanes));
    add_product(c, to, (Index *[]){sum, v}, expr_load(arena, a, &none, 1), expr_load(arena, b, &v, 1));
}

enum { FEW_ROWS = 3 }; // the loop over lanes is then so short that gcc writes it out before it looks for vectors

// The row operand's value for the sums with the constant index `sum`; c->at then stands at their element.
static Expr *value_of_sum(Cursor *c, int sum, const Index *element) {
    const Plan *plan = c->plan;
    for (int axis = plan->iter->nout - 1; axis >= 0; axis--) {
        int extent = plan->iter->axis[axis].extent;
        if (!(plan->windows >> axis & 1)) continue;
        c->at[axis] = index_const(c->arena, sum % extent);
        sum /= extent;
    }
    if (plan->m != NO_AXIS) c->at[plan->m] = index_add_const(c->arena, c->rows->base, sum);
    return row_value(c, index_const(c->arena, sum), element, 1);
}

// In the last panel of a run-time axis the loop runs over all lanes: panels hold zeros after the axis. The rows
// are written out here, because gcc makes slower code of a loop over an array of scalars.
static void multiply_in_loop(Cursor *c, Stmt *to) {
    const Plan *plan = c->plan;
    Arena *arena = c->arena;
    int n = row_count(c);
    Buffer **scalar = NEW_ARRAY(arena, Buffer *, n), *vector = registers_new(c, "vector", 1, 1);
    Index *element, *lane, *none = index_const(arena, 0);
    for (int r = 0; r < n && !plan->both_lanes; r++) {
        scalar[r] = registers_new(c, arena_printf(arena, "scalar%d", r), 1, 1);
        declare(c, to, scalar[r], value_of_sum(c, r, NULL));
    }
    int64_t fixed;
    const Index *count = c->lanes->valid && index_is_const(c->lanes->valid, &fixed) ? c->lanes->valid : NULL;
    to = contraction_open_lanes(c, to, c->lanes->base, count, &element, &lane);
    if (to->kind == STMT_FOR && n <= FEW_ROWS) to->loop = FOR_LANES;
    declare(c, to, vector, contraction_load(c, &plan->lane, lane, 1));
    for (int r = 0; r < n; r++) {
        Expr *a = plan->both_lanes ? value_of_sum(c, r, element) : expr_load(arena, scalar[r], &none, 1);
        add_product(c, to, (Index *[]){index_const(arena, r), lane}, a, expr_load(arena, vector, &none, 1));
    }
}

// ---- the next tile's lines ------------------------------------------------------------------------------------------

enum { LINE = 16 }; // floats

// Whether the row operand comes from far away: it is read through windows over pixels whose channels, K, lie side by
// side, and the second-level cache does not hold it.
static bool rows_come_from_far(const Plan *plan) {
    const Operand *row = &plan->row;
    const Target *target = plan->program->target;
    if (!target->vector_bytes || plan->windows || plan->strip || plan->inside == plan->nsum || plan->both_lanes)
        return false;
    if (!row->buffer || row->staged || plan->m == NO_AXIS || plan->k == NO_AXIS) return false;
    if (plan->iter->axis[plan->k].size || contraction_axis_stride(row, plan->k) != 1) return false;
    return row->buffer->bytes > target->l2_bytes;
}

// A tile's first reads of a row of pixels miss the caches, several at once, and nothing else takes as long: a sixth of
// the time on batches. So each tap of the tile before prefetches a share of what the next tile reads in the last row of
// its windows.
static void prefetch_next(const Cursor *c, Stmt *to) {
    Arena *arena = c->arena;
    const Plan *plan = c->plan;
    const Operand *row = &plan->row;
    if (!rows_come_from_far(plan)) return;
    Cursor next = *c;
    Index *tap = index_const(arena, 0), *at[MAX_RANK], *line;
    int taps = 1, last = row->map->rank - 1;
    for (int s = plan->inside; s < plan->nsum; s++) {
        int axis = plan->sum[s], extent = axis_extent(plan->iter, axis);
        bool backwards = false;
        for (int d = 0; d <= last; d++) backwards |= row->map->dim[d].coef[axis] < 0;
        tap = index_add(arena, index_scale(arena, tap, extent), c->at[axis]);
        taps *= extent;
        next.at[axis] = index_const(arena, backwards ? 0 : extent - 1);
    }
    int64_t lines = (c->rows->extent * llabs(contraction_axis_stride(row, plan->m)) + LINE - 1) / LINE;
    int share = ceil_div((int)lines, taps);
    if (share > 2 * LINE) return; // pixels that lie far apart
    next.at[plan->m] = index_add_const(arena, c->rows->base, c->rows->extent);
    next.at[plan->k] = index_const(arena, 0);
    Stmt *loop = contraction_open(c, to, "line", index_const(arena, 0), index_const(arena, share), 1, &line);
    contraction_map_at(&next, row->map, at);
    line = index_add(arena, index_scale(arena, tap, share), line);
    at[last] = index_add(arena, at[last], index_scale(arena, line, LINE));
    stmt_append(arena, loop, stmt_prefetch(arena, row->buffer, at));
}

enum { FEW_STEPS = 4 };

// Whether steps of K read the scalars that another row of the tile reads in another step, as windows that overlap do.
static bool steps_overlap(const Plan *plan, int64_t steps) {
    int64_t step = llabs(contraction_axis_stride(&plan->row, plan->k));
    for (int axis = 0; axis < plan->iter->nout; axis++) {
        int64_t next = llabs(contraction_axis_stride(&plan->row, axis));
        bool in_tile = axis == plan->m || plan->windows >> axis & 1;
        if (in_tile && next && step && next % step == 0 && next < step * steps) return true;
    }
    return false;
}

// A sum over the few channels of an image is written out: gcc 12 keeps the vectors of such a short loop in memory,
// which is 1.5 times as slow. Where steps overlap it would keep all the scalars in memory, so these stay a loop.
static Stmt *open_steps(Cursor *c, Stmt *to) {
    const Plan *plan = c->plan;
    const char *name = contraction_axis_name(c, plan->k);
    int64_t steps;
    c->k_inside = index_const(c->arena, 0);
    if (!plan->lane_loop && index_is_const(c->length, &steps) && steps <= FEW_STEPS && !steps_overlap(plan, steps))
        return nest_count(c->ctx, to, FOR_UNROLLED, name, (int)steps, &c->k_inside);
    return contraction_open(c, to, name, c->k_inside, c->length, 1, &c->k_inside);
}

// Loops over what is summed inside the tile.
static void sum_tile(Cursor *c, Stmt *to) {
    const Plan *plan = c->plan;
    Stmt *body = to;
    for (int s = plan->inside; s < plan->nsum; s++) body = contraction_open_axis(c, body, plan->sum[s]);
    prefetch_next(c, body);
    if (plan->k != NO_AXIS) {
        body = open_steps(c, body);
        c->at[plan->k] = index_add(c->arena, index_scale(c->arena, c->block, plan->block_k), c->k_inside);
    } else {
        c->k_inside = index_const(c->arena, 0);
        body = contraction_open_axis(c, to, NO_AXIS);
    }
    (plan->lane_loop ? multiply_in_loop : multiply)(c, body);
}

// ---- the epilogue --------------------------------------------------------------------------------------------------

// The part, then the axes of the result in order, that of the lanes last.
static void partial_at(const Cursor *c, Index **at) {
    const Plan *plan = c->plan;
    int d = 0;
    at[d++] = c->part;
    for (int axis = 0; axis < plan->iter->nout; axis++)
        if (axis != plan->n) at[d++] = c->at[axis];
    at[d] = c->at[plan->n];
}

// `lanes` elements of the result at c->at, from the sums of the window at `row` (without a pool, of that row).
static void finish_part(Cursor *c, Stmt *to, Buffer *sums, const Index *row, const Index *place, int lanes) {
    const Plan *plan = c->plan;
    Arena *arena = c->arena;
    Epilogue *e = c->epilogue;
    const Map *map = &plan->iter->map[0];
    Index *at[MAX_RANK], *sum, *none = index_const(arena, 0);
    Stmt *block = stmt_block(arena), *guard = stmt_if(arena);
    Buffer *pooled = NULL;
    stmt_append(arena, to, block);
    ReduceKind kind = e->pool ? node_reduces(e->pool) : REDUCE_SUM;
    if (e->pool) {
        pooled = registers_new(c, "pooled", 1, lanes);
        declare(c, block, pooled, reduce_identity(arena, F32, kind));
    }
    Stmt *member = open_members(c, block, row, &sum);
    e->sum = expr_load(arena, sums, (Index *[]){sum, (Index *)place}, lanes);
    contraction_map_at(c, map, at);
    for (int d = 0; d < map->rank; d++) guard_axis(arena, guard, at[d], plan->root->type.dim[d]);
    epilogue_store(e, guard_open(arena, member, guard), &plan->root->type, at, lanes);
    if (!e->pool) return;
    Expr *value = epilogue_value(e, e->pool->in[0], at, lanes);
    stmt_append(arena, member, stmt_accumulate(arena, pooled, &none, kind, value));
    e->pooled = expr_load(arena, pooled, &none, lanes);
    pool_at(e->pool, plan->iter, plan->windows, c->at, at);
    epilogue_store(e, block, &e->pool->type, at, lanes);
}

// Whole vectors, as they lie in registers.
static void finish_vectors(Cursor *c, Stmt *to, int vectors) {
    Index *row, *v;
    if (!vectors) return;
    to = open_vectors(c, open_windows(c, to, FOR_UNROLLED, &row), vectors, &v);
    c->at[c->plan->n] = vector_at(c, v);
    finish_part(c, to, c->sums, row, v, c->plan->lanes);
}

// Stores the vectors from number `first` on in an array, then finishes its elements one by one.
static void finish_elements(Cursor *c, Stmt *to, int first) {
    Arena *arena = c->arena;
    int lanes = c->plan->lanes, vectors = c->lanes->extent - first;
    Index *row, *sum, *v, *lane, *element;
    if (!vectors) return;
    Dim dim[] = {dim_fixed(row_count(c)), dim_fixed(vectors * lanes)};
    Buffer *spill = buffer_scratch(c->ctx->program, "spill", F32, 2, dim, SCOPE_STACK);
    declare(c, to, spill, NULL);
    Stmt *loop = open_vectors(c, open_rows(c, to, &row, &sum), vectors, &v);
    Expr *value = expr_load(arena, c->sums, (Index *[]){sum, index_add_const(arena, v, first)}, lanes);
    stmt_append(arena, loop, stmt_store(arena, spill, (Index *[]){sum, index_scale(arena, v, lanes)}, value));
    const Index *valid = index_const(arena, vectors * lanes), *base = vector_at(c, index_const(arena, first));
    if (c->lanes->valid) valid = index_add_const(arena, c->lanes->valid, (vectors - 1) * lanes);
    to = open_windows(c, to, FOR_SERIAL, &row);
    to = contraction_open_lanes(c, to, base, valid, &element, &lane);
    c->at[c->plan->n] = element;
    finish_part(c, to, spill, row, lane, 1);
}

static void finish_tile(Cursor *c, Stmt *to) {
    const Plan *plan = c->plan;
    Index *row, *lane;
    if (plan->lane_loop) {
        to = contraction_open_lanes(c, to, c->lanes->base, c->lanes->valid, &c->at[plan->n], &lane);
        to = open_windows(c, to, FOR_UNROLLED, &row);
        finish_part(c, to, c->sums, row, lane, 1);
        return;
    }
    int whole = !plan->stores_vectors ? 0 : c->lanes->valid ? c->lanes->extent - 1 : c->lanes->extent;
    finish_vectors(c, to, whole);
    finish_elements(c, to, whole);
}

// ---- blocks of K ---------------------------------------------------------------------------------------------------

static Stmt *open_if(Cursor *c, Stmt *to, const Index *not_negative) {
    Stmt *guard = stmt_if(c->arena);
    vec_push(c->arena, &guard->cond, not_negative);
    stmt_append(c->arena, to, guard);
    return guard;
}

typedef enum Pass { PASS_TAKE, PASS_GIVE, PASS_ADD } Pass;

// sums += partial, partial = sums or partial += sums. `partial` has places for the lanes after the end of the axis.
static void pass_partial(Cursor *c, Stmt *to, Pass pass) {
    const Plan *plan = c->plan;
    Arena *arena = c->arena;
    Index *place, *row, *sum, *at[MAX_RANK];
    if (plan->lane_loop) to = contraction_open_lanes(c, to, c->lanes->base, NULL, &c->at[plan->n], &place);
    to = open_rows(c, to, &row, &sum);
    if (!plan->lane_loop) {
        to = open_vectors(c, to, c->lanes->extent, &place);
        c->at[plan->n] = vector_at(c, place);
    }
    partial_at(c, at);
    int lanes = plan->lane_loop ? 1 : plan->lanes;
    Index *of[] = {sum, place};
    Expr *value = expr_load(arena, c->sums, of, lanes), *before = expr_load(arena, plan->partial, at, lanes);
    stmt_append(arena, to,
                pass == PASS_TAKE   ? stmt_accumulate(arena, c->sums, of, REDUCE_SUM, before)
                : pass == PASS_GIVE ? stmt_store(arena, plan->partial, at, value)
                                    : stmt_accumulate(arena, plan->partial, at, REDUCE_SUM, value));
}

// ---- the tile ------------------------------------------------------------------------------------------------------

static void open_tile(Cursor *c, const Tile *rows, const Tile *lanes) {
    const Plan *plan = c->plan;
    c->rows = rows;
    c->lanes = lanes;
    Dim dim[] = {dim_fixed(row_count(c)), dim_fixed(plan->lane_loop ? plan->lanes : lanes->extent)};
    c->sums = buffer_scratch(plan->program, "acc", F32, 2, dim, plan->lane_loop ? SCOPE_STACK : SCOPE_REGISTER);
    c->sums->lanes = plan->lane_loop ? 1 : plan->lanes;
    c->epilogue->lane_var = lanes->base->nterms == 1 ? lanes->base->term[0].atom.var : NULL;
    declare(c, rows->body, c->sums, expr_const(c->arena, F32, 0));
}

void contraction_tile(Cursor *c, const Tile *rows, const Tile *lanes) {
    Arena *arena = c->arena;
    const Plan *plan = c->plan;
    Stmt *to = rows->body;
    open_tile(c, rows, lanes);
    sum_tile(c, to);
    if (!plan->partial) {
        finish_tile(c, to);
    } else if (plan->sum_outside) {
        pass_partial(c, to, PASS_ADD);
    } else {
        // 0 in the last block, else negative.
        Index *steps = index_add_const(arena, contraction_extent(c, plan->k), plan->block_k - 1);
        Index *count = index_div(arena, steps, plan->block_k);
        Index *after = index_add_const(arena, index_add(arena, c->block, index_scale(arena, count, -1)), 1);
        pass_partial(c, open_if(c, to, index_add_const(arena, c->block, -1)), PASS_TAKE);
        pass_partial(c, open_if(c, to, index_add_const(arena, index_scale(arena, after, -1), -1)), PASS_GIVE);
        finish_tile(c, open_if(c, to, after));
    }
}

void contraction_finish_tile(Cursor *c, const Tile *rows, const Tile *lanes) {
    Index *zero = index_const(c->arena, 0), *parts = index_const(c->arena, c->plan->parts);
    open_tile(c, rows, lanes);
    pass_partial(c, contraction_open(c, rows->body, "part", zero, parts, 1, &c->part), PASS_TAKE);
    finish_tile(c, rows->body);
}
