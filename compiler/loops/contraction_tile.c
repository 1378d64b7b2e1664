// contraction_tile.c: the register tile: R rows by V vectors of sums, all of K, then the epilogue.
//
//     local acc[6, 4]: f32x16 = 0
//     for k: unroll v < 4: vector[v] = panel[k, 16 v ..]
//            unroll r < 6: scalar = x[i + r, k]; unroll v < 4: acc[r, v] += scalar * vector[v]
//     unroll r < 6, v < 4: h[i + r, o + 16 v ..] = relu(acc[r, v] + bias[o + 16 v ..])
//
// On a target without vectors the sums are arrays, and one loop over lanes stands around all rows: C compilers make
// vectors of that, but neither of a loop for each row nor of scalars by name.
//
//     local acc[6, 16] = 0
//     for k: scalar0 = x[i, k] ... scalar5
//            for lane < 16: vector = panel[k, lane]; acc[0, lane] += scalar0 * vector; ...
//     for lane < 16: unroll r < 6: h[i + r, o + lane] = relu(acc[r, lane] + bias[o + lane])
//
// Every tile, also at the edges, is made here. With K in blocks each block sums from 0 and adds what the earlier ones
// gave; the last one runs the epilogue. A result lane that is no element of the axis is never stored: the last vector
// of a padded tile goes through a small array on the stack. So does every vector when the epilogue has no vector form.
#include <stdlib.h>

#include "loops/contraction.h"
#include "loops/recipes.h"
#include "ops/op.h"

// An array of `n` registers: of vectors, or of scalars.
static Buffer *registers_new(Contraction *c, const char *name, int n, int lanes) {
    Dim dim = dim_fixed(n);
    Buffer *buffer = buffer_scratch(c->ctx->program, name, F32, 1, &dim, SCOPE_REGISTER);
    buffer->lanes = lanes;
    return buffer;
}

static void declare(Contraction *c, Stmt *to, Buffer *buffer, Expr *value) {
    stmt_append(c->arena, to, stmt_local(c->arena, buffer, value));
}

// ---- rows ----------------------------------------------------------------------------------------------------------

// With a pool, a row of the tile is a window, and each of its members has a row of sums.
static int row_count(const Contraction *c, const TileLoop *rows) { return rows->extent * c->members; }

// Opens the loop over the tile's rows (with a pool, its windows). *row becomes the loop's variable.
static Stmt *open_windows(Contraction *c, Stmt *to, ForKind kind, const TileLoop *rows, Index **row) {
    to = nest_count(c->ctx, to, kind, "r", rows->extent, row);
    if (c->m != NO_AXIS) c->at[c->m] = index_add(c->arena, rows->base, *row);
    return to;
}

// Opens the loops over the members of the window at `row`. *sum becomes the index of that member's sums.
static Stmt *open_members(Contraction *c, Stmt *to, const Index *row, Index **sum) {
    *sum = (Index *)row;
    for (int k = 0; k < c->npool; k++) {
        int axis = c->pool_axis[k], extent = c->iter->axis[axis].extent;
        const char *name = arena_printf(c->arena, "%c", c->iter->name[axis]);
        to = nest_count(c->ctx, to, FOR_UNROLLED, name, extent, &c->at[axis]);
        *sum = index_add(c->arena, index_scale(c->arena, *sum, extent), c->at[axis]);
    }
    return to;
}

static Stmt *open_rows(Contraction *c, Stmt *to, const TileLoop *rows, Index **row, Index **sum) {
    to = open_windows(c, to, FOR_UNROLLED, rows, row);
    return open_members(c, to, *row, sum);
}

static Stmt *open_vectors(Contraction *c, Stmt *to, int vectors, Index **v) {
    return nest_count(c->ctx, to, FOR_UNROLLED, "v", vectors, v);
}

// ---- the product ---------------------------------------------------------------------------------------------------

// A scalar of the row operand or, where the lanes run along it too, its vector at `element`.
static Expr *row_value(Contraction *c, const TileLoop *rows, const Index *row, const Index *element, int lanes) {
    if (c->both_lanes) c->at[c->n] = (Index *)element;
    return contraction_load(c, &c->row, rows, row, lanes);
}

static void add_product(Contraction *c, Stmt *to, Buffer *acc, Index *const *at, Expr *a, Expr *b) {
    Expr *product = expr_apply(c->arena, c->root, &op_mul, F32, (Expr *[]){a, b}, 2);
    stmt_append(c->arena, to, stmt_accumulate(c->arena, acc, at, REDUCE_SUM, product));
}

static void multiply(Contraction *c, Stmt *to, Buffer *acc, const TileLoop *rows, const TileLoop *lanes) {
    Arena *arena = c->arena;
    int vectors = lanes->extent;
    Index *v, *row, *sum, *none = index_const(arena, 0);
    Buffer *b = registers_new(c, "vector", vectors, c->lanes),
           *a = registers_new(c, "scalar", 1, c->both_lanes ? c->lanes : 1);
    if (vectors > 1) declare(c, to, b, NULL);
    Stmt *loop = open_vectors(c, to, vectors, &v);
    Expr *vector = contraction_load(c, &c->lane, lanes, index_scale(arena, v, c->lanes), c->lanes);
    stmt_append(arena, loop, vectors > 1 ? stmt_store(arena, b, &v, vector) : stmt_local(arena, b, vector));
    to = open_rows(c, to, rows, &row, &sum);
    if (!c->both_lanes) declare(c, to, a, row_value(c, rows, row, NULL, 1));
    to = open_vectors(c, to, vectors, &v);
    if (c->both_lanes) {
        Index *element = index_add(arena, lanes->base, index_scale(arena, v, c->lanes));
        declare(c, to, a, row_value(c, rows, row, element, c->lanes));
    }
    add_product(c, to, acc, (Index *[]){sum, v}, expr_load(arena, a, &none, 1), expr_load(arena, b, &v, 1));
}

enum { FEW_ROWS = 3 }; // the loop over lanes is then so short that gcc writes it out before it looks for vectors

// Sets c->at to the element whose sums have the constant index `sum`, and returns its row in the tile.
static int stand_at_row(Contraction *c, const TileLoop *rows, int sum) {
    for (int k = c->npool - 1; k >= 0; k--) {
        int extent = c->iter->axis[c->pool_axis[k]].extent;
        c->at[c->pool_axis[k]] = index_const(c->arena, sum % extent);
        sum /= extent;
    }
    if (c->m != NO_AXIS) c->at[c->m] = index_add_const(c->arena, rows->base, sum);
    return sum;
}

// The loop runs over all lanes of a run-time axis's last panel, which has zeros there. The rows are written out
// here, because gcc makes slower code of a loop over an array of scalars.
static void multiply_in_loop(Contraction *c, Stmt *to, Buffer *acc, const TileLoop *rows, const TileLoop *lanes) {
    Arena *arena = c->arena;
    int n = row_count(c, rows);
    Buffer **scalar = NEW_ARRAY(arena, Buffer *, n), *vector = registers_new(c, "vector", 1, 1);
    Index *element, *lane, *none = index_const(arena, 0);
    for (int r = 0; r < n && !c->both_lanes; r++) {
        scalar[r] = registers_new(c, arena_printf(arena, "scalar%d", r), 1, 1);
        declare(c, to, scalar[r], row_value(c, rows, index_const(arena, stand_at_row(c, rows, r)), NULL, 1));
    }
    int64_t fixed;
    const Index *count = lanes->valid && index_is_const(lanes->valid, &fixed) ? lanes->valid : NULL;
    to = contraction_open_lanes(c, to, lanes->base, count, &element, &lane);
    if (to->kind == STMT_FOR && n <= FEW_ROWS) to->loop = FOR_LANES;
    declare(c, to, vector, contraction_load(c, &c->lane, lanes, lane, 1));
    for (int r = 0; r < n; r++) {
        Expr *a = c->both_lanes ? row_value(c, rows, index_const(arena, stand_at_row(c, rows, r)), element, 1)
                                : expr_load(arena, scalar[r], &none, 1);
        add_product(c, to, acc, (Index *[]){index_const(arena, r), lane}, a, expr_load(arena, vector, &none, 1));
    }
}

// ---- the next tile's lines ------------------------------------------------------------------------------------------

enum { LINE = 16 }; // floats

// Whether the row operand comes from far away: windows over pixels whose channels, K, lie side by side in a buffer that
// the second-level cache does not hold.
static bool rows_come_from_far(const Contraction *c) {
    const Operand *row = &c->row;
    const Target *target = c->ctx->program->target;
    if (!target->vector_bytes || c->pool || c->strip || c->inside == c->nsum || c->both_lanes) return false;
    if (!row->buffer || row->staged || c->m == NO_AXIS || c->k == NO_AXIS || c->iter->axis[c->k].size) return false;
    return contraction_axis_stride(row, c->k) == 1 && row->buffer->bytes > target->l2_bytes;
}

// The tile's first reads of a row of pixels miss the caches, several at once, longer than what else is in flight: a
// sixth of the time on batches. So while it runs, each tap asks for a share of what the next tile reads in the last row
// of the windows.
static void prefetch_next(Contraction *c, Stmt *to, const TileLoop *rows) {
    Arena *arena = c->arena;
    if (!rows_come_from_far(c)) return;
    Index *tap = index_const(arena, 0), *at_axis[MAX_AXES], *at[MAX_RANK], *line;
    int taps = 1, last = c->row.map->rank - 1;
    for (int k = 0; k < c->iter->naxes; k++) at_axis[k] = c->at[k];
    for (int s = c->inside; s < c->nsum; s++) {
        int axis = c->sum[s], extent = c->iter->axis[axis].extent;
        bool backwards = false;
        for (int d = 0; d <= last; d++) backwards |= c->row.map->dim[d].coef[axis] < 0;
        tap = index_add(arena, index_scale(arena, tap, extent), c->at[axis]);
        taps *= extent;
        at_axis[axis] = index_const(arena, backwards ? 0 : extent - 1);
    }
    int lines = (int)((rows->extent * llabs(contraction_axis_stride(&c->row, c->m)) + LINE - 1) / LINE);
    int share = (lines + taps - 1) / taps;
    if (share > 2 * LINE) return; // pixels that lie far apart
    at_axis[c->m] = index_add_const(arena, rows->base, rows->extent);
    at_axis[c->k] = index_const(arena, 0);
    Stmt *loop = contraction_open(c, to, "line", index_const(arena, 0), index_const(arena, share), 1, &line);
    for (int d = 0; d <= last; d++) at[d] = index_of_affine(arena, &c->row.map->dim[d], at_axis, c->iter->naxes);
    line = index_add(arena, index_scale(arena, tap, share), line);
    at[last] = index_add(arena, at[last], index_scale(arena, line, LINE));
    stmt_append(arena, loop, stmt_prefetch(arena, c->row.buffer, at));
}

// Loops over what is summed inside the tile.
static void sum_tile(Contraction *c, Stmt *to, Buffer *acc, const Index *length, const TileLoop *rows,
                     const TileLoop *lanes) {
    Arena *arena = c->arena;
    Stmt *body = to;
    for (int s = c->inside; s < c->nsum; s++) {
        const char *name = arena_printf(arena, "%c", c->iter->name[c->sum[s]]);
        if (s == c->inside && c->strip)
            body = contraction_open(c, body, name, c->strip_lo, c->strip_hi, 1, &c->at[c->sum[s]]);
        else
            body = contraction_open_axis(c, body, c->sum[s]);
    }
    prefetch_next(c, body, rows);
    c->k_inside = index_const(arena, 0);
    if (c->k != NO_AXIS) {
        const char *name = arena_printf(arena, "%c", c->iter->name[c->k]);
        body = contraction_open(c, body, name, c->k_inside, length, 1, &c->k_inside);
        c->at[c->k] = index_add(arena, index_scale(arena, c->block, c->block_k), c->k_inside);
    } else {
        body = stmt_block(arena);
        stmt_append(arena, to, body);
    }
    (c->lane_loop ? multiply_in_loop : multiply)(c, body, acc, rows, lanes);
}

// ---- the epilogue --------------------------------------------------------------------------------------------------

// How nodes of the epilogue are read that are already there: the root's sum, and outputs computed before.
Expr *contraction_local(LowerContext *ctx, const Node *node, Index *const *at) {
    Contraction *c = ctx->recipe;
    (void)at;
    if (node == c->root) return c->accumulator;
    if (node == c->pool) return c->pooled;
    for (int k = 0; k < c->ndone; k++)
        if (c->done_node[k] == node) return expr_load(c->arena, c->done[k], NULL, ctx->lanes);
    return NULL;
}

static void result_at(const Contraction *c, Index **at) {
    const Map *map = &c->iter->map[0];
    for (int d = 0; d < map->rank; d++) at[d] = index_of_affine(c->arena, &map->dim[d], c->at, c->iter->naxes);
}

// The part, then the axes of the result in order, that of the lanes last.
static void partial_at(const Contraction *c, Index **at) {
    int d = 0;
    at[d++] = c->part;
    for (int axis = 0; axis < c->iter->nout; axis++)
        if (axis != c->n) at[d++] = c->at[axis];
    at[d] = c->at[c->n];
}

// All values are computed before any is stored: an output may be a storage
// that another one reads the old value of.
void contraction_store_outputs(Contraction *c, Stmt *to, const Type *shape, Index *const *at, int lanes) {
    LowerContext *ctx = c->ctx;
    int all = ctx->group->outputs.len, n = 0;
    Node **output = NEW_ARRAY(c->arena, Node *, all + 1);
    for (int k = 0; k < all; k++)
        if (shape_equal(&c->output[k]->type, shape)) output[n++] = c->output[k];
    ctx->lanes = lanes;
    ctx->lane_var = lanes > 1 ? c->lane_var : NULL;
    c->ndone = 0;
    for (int k = 0; k < n && n > 1; k++) {
        lower_forget(ctx);
        c->done[k] = buffer_scratch(ctx->program, arena_printf(c->arena, "new%d", k), output[k]->type.dtype, 0, NULL,
                                    SCOPE_REGISTER);
        c->done[k]->lanes = lanes;
        declare(c, to, c->done[k], lower_value(ctx, output[k], at));
        c->done_node[k] = output[k];
        c->ndone = k + 1;
    }
    for (int k = 0; k < n; k++) {
        lower_forget(ctx);
        Expr *value = n > 1 ? expr_load(c->arena, c->done[k], NULL, lanes) : lower_value(ctx, output[k], at);
        stmt_append(c->arena, to, stmt_store(c->arena, ctx->program->of_node[output[k]->id], at, value));
    }
    c->ndone = 0;
    ctx->lanes = 1;
    ctx->lane_var = NULL;
}

// What the pool takes of one member, whose sum is c->accumulator.
static Expr *pool_input(Contraction *c, Index *const *at, int lanes) {
    LowerContext *ctx = c->ctx;
    ctx->lanes = lanes;
    ctx->lane_var = lanes > 1 ? c->lane_var : NULL;
    lower_forget(ctx);
    Expr *value = lower_value(ctx, c->pool->in[0], at);
    ctx->lanes = 1;
    ctx->lane_var = NULL;
    return value;
}

// A tile whose sums are complete.
typedef struct Finish {
    Contraction *c;
    Buffer *acc;
    const TileLoop *rows, *lanes;
} Finish;

// `lanes` elements of the result at c->at, from the sums of a window at *row (one row of them, without a pool).
static void finish_part(Contraction *c, Stmt *to, Buffer *sums, const Index *row, const Index *place, int lanes) {
    Index *at[MAX_RANK], *sum, *none = index_const(c->arena, 0);
    Arena *arena = c->arena;
    Stmt *block = stmt_block(arena), *member;
    Buffer *pooled = NULL;
    stmt_append(arena, to, block);
    ReduceKind kind = c->pool ? node_reduces(c->pool) : REDUCE_SUM;
    if (c->pool) {
        pooled = registers_new(c, "pooled", 1, lanes);
        declare(c, block, pooled, reduce_identity(arena, F32, kind));
    }
    member = open_members(c, block, row, &sum);
    c->accumulator = expr_load(arena, sums, (Index *[]){sum, (Index *)place}, lanes);
    result_at(c, at);
    contraction_store_outputs(c, contraction_open_result(c, member, at), &c->root->type, at, lanes);
    if (!c->pool) return;
    stmt_append(arena, member, stmt_accumulate(arena, pooled, &none, kind, pool_input(c, at, lanes)));
    c->pooled = expr_load(arena, pooled, &none, lanes);
    contraction_pool_at(c, at);
    contraction_store_outputs(c, block, &c->pool->type, at, lanes);
}

// Whole vectors, as they lie in registers.
static void finish_vectors(const Finish *f, Stmt *to, int vectors) {
    Contraction *c = f->c;
    Index *row, *v;
    if (!vectors) return;
    to = open_vectors(c, open_windows(c, to, FOR_UNROLLED, f->rows, &row), vectors, &v);
    c->at[c->n] = index_add(c->arena, f->lanes->base, index_scale(c->arena, v, c->lanes));
    finish_part(c, to, f->acc, row, v, c->lanes);
}

// Stores the vectors from number `first` on to an array, then finishes its elements one by one.
static void finish_elements(const Finish *f, Stmt *to, int first) {
    Contraction *c = f->c;
    Arena *arena = c->arena;
    int vectors = f->lanes->extent - first;
    Index *row, *sum, *v, *element, *lane;
    if (!vectors) return;
    Dim dim[] = {dim_fixed(row_count(c, f->rows)), dim_fixed(vectors * c->lanes)};
    Buffer *spill = buffer_scratch(c->ctx->program, "spill", F32, 2, dim, SCOPE_STACK);
    declare(c, to, spill, NULL);
    Stmt *loop = open_vectors(c, open_rows(c, to, f->rows, &row, &sum), vectors, &v);
    Expr *value = expr_load(arena, f->acc, (Index *[]){sum, index_add_const(arena, v, first)}, c->lanes);
    stmt_append(arena, loop, stmt_store(arena, spill, (Index *[]){sum, index_scale(arena, v, c->lanes)}, value));
    const Index *valid = index_const(arena, vectors * c->lanes);
    if (f->lanes->valid) valid = index_add_const(arena, f->lanes->valid, (vectors - 1) * c->lanes);
    to = open_windows(c, to, FOR_SERIAL, f->rows, &row);
    to =
        contraction_open_lanes(c, to, index_add_const(arena, f->lanes->base, first * c->lanes), valid, &element, &lane);
    c->at[c->n] = element;
    finish_part(c, to, spill, row, lane, 1);
}

static void finish_tile(const Finish *f, Stmt *to) {
    Contraction *c = f->c;
    Index *row, *lane;
    if (c->lane_loop) {
        to = contraction_open_lanes(c, to, f->lanes->base, f->lanes->valid, &c->at[c->n], &lane);
        to = open_windows(c, to, FOR_UNROLLED, f->rows, &row);
        finish_part(c, to, f->acc, row, lane, 1);
        return;
    }
    bool scalar = !c->vector_epilogue || !c->result_is_bare || !c->lanes_are_last;
    int whole = scalar ? 0 : f->lanes->valid ? f->lanes->extent - 1 : f->lanes->extent;
    finish_vectors(f, to, whole);
    finish_elements(f, to, whole);
}

// ---- blocks of K ---------------------------------------------------------------------------------------------------

static Stmt *open_if(Contraction *c, Stmt *to, const Index *not_negative) {
    Stmt *guard = stmt_if(c->arena);
    vec_push(c->arena, &guard->cond, not_negative);
    stmt_append(c->arena, to, guard);
    return guard;
}

typedef enum Pass { PASS_TAKE, PASS_GIVE, PASS_ADD } Pass;

// acc += partial, partial = acc or partial += acc. Lanes that are no elements have their places in `partial`.
static void pass_partial(const Finish *f, Stmt *to, Pass pass) {
    Contraction *c = f->c;
    Arena *arena = c->arena;
    Index *element = NULL, *place, *row, *sum, *at[MAX_RANK];
    if (c->lane_loop) to = contraction_open_lanes(c, to, f->lanes->base, NULL, &element, &place);
    to = open_rows(c, to, f->rows, &row, &sum);
    if (!c->lane_loop) {
        to = open_vectors(c, to, f->lanes->extent, &place);
        element = index_add(arena, f->lanes->base, index_scale(arena, place, c->lanes));
    }
    int lanes = c->lane_loop ? 1 : c->lanes;
    c->at[c->n] = element;
    partial_at(c, at);
    Index *of[] = {sum, place};
    Expr *value = expr_load(arena, f->acc, of, lanes), *before = expr_load(arena, c->partial, at, lanes);
    stmt_append(arena, to,
                pass == PASS_TAKE   ? stmt_accumulate(arena, f->acc, of, REDUCE_SUM, before)
                : pass == PASS_GIVE ? stmt_store(arena, c->partial, at, value)
                                    : stmt_accumulate(arena, c->partial, at, REDUCE_SUM, value));
}

static Finish open_tile(Contraction *c, Stmt *to, const TileLoop *rows, const TileLoop *lanes) {
    Dim dim[] = {dim_fixed(row_count(c, rows)), dim_fixed(c->lane_loop ? c->lanes : lanes->extent)};
    Buffer *acc = buffer_scratch(c->ctx->program, "acc", F32, 2, dim, c->lane_loop ? SCOPE_STACK : SCOPE_REGISTER);
    acc->lanes = c->lane_loop ? 1 : c->lanes;
    c->lane_var = lanes->base->nterms == 1 ? lanes->base->term[0].atom.var : NULL;
    declare(c, to, acc, expr_const(c->arena, F32, 0));
    return (Finish){.c = c, .acc = acc, .rows = rows, .lanes = lanes};
}

void contraction_tile(Contraction *c, Stmt *to, const Index *length, const TileLoop *rows, const TileLoop *lanes) {
    Arena *arena = c->arena;
    Finish finish = open_tile(c, to, rows, lanes);
    sum_tile(c, to, finish.acc, length, rows, lanes);
    if (!c->partial) {
        finish_tile(&finish, to);
    } else if (c->sum_outside) {
        pass_partial(&finish, to, PASS_ADD);
    } else {
        // 0 in the last block, else negative.
        Index *count =
            index_div(arena, index_add_const(arena, contraction_extent(c, c->k), c->block_k - 1), c->block_k);
        Index *after = index_add_const(arena, index_add(arena, c->block, index_scale(arena, count, -1)), 1);
        pass_partial(&finish, open_if(c, to, index_add_const(arena, c->block, -1)), PASS_TAKE);
        pass_partial(&finish, open_if(c, to, index_add_const(arena, index_scale(arena, after, -1), -1)), PASS_GIVE);
        finish_tile(&finish, open_if(c, to, after));
    }
}

void contraction_finish_tile(Contraction *c, Stmt *to, const TileLoop *rows, const TileLoop *lanes) {
    Finish finish = open_tile(c, to, rows, lanes);
    Stmt *parts =
        contraction_open(c, to, "part", index_const(c->arena, 0), index_const(c->arena, c->parts), 1, &c->part);
    pass_partial(&finish, parts, PASS_TAKE);
    finish_tile(&finish, to);
}
