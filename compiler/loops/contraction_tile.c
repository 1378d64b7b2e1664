// contraction_tile.c: the register tile: R rows by V vectors of sums, all of K, then the epilogue.
//
//     float acc_0_0 = 0, ... acc_5_3 = 0                  (R, V) named variables, each one vector
//     for k: b0..b3 = panel[k]; a0 = x[i, k]; acc_0_0 += a0 * b0; ... acc_5_3 += a5 * b3
//     h[i + r, o + 16 v ..] = relu(acc_r_v + bias[o + 16 v ..])
//
// On a target without vectors the sums are arrays, and one loop over lanes stands around all rows: C compilers make
// vectors of that, but neither of a loop for each row nor of scalars by name.
//
//     float acc[6 * 16] = {0}
//     for k: a0 = x[i, k] ... a5; for lane < 16: b0 = panel[k, lane]; acc[lane] += a0 * b0; ...
//     for lane < 16: h[i, o + lane] = relu(acc[lane] + bias[o + lane]); ...
//
// Every tile, also at the edges, is made here. With K in blocks each block sums from 0 and adds what the earlier ones
// gave; the last one runs the epilogue. A result lane that is no element of the axis is never stored: the last vector
// of a padded tile goes through a small array on the stack. So does every vector when the epilogue has no vector form.
#include <stdlib.h>

#include "loops/contraction.h"
#include "ops/op.h"

static Buffer *register_new(Contraction *c, const char *name, int rank, const Dim *dim, int lanes) {
    Buffer *buffer = buffer_scratch(c->ctx->program, name, F32, rank, dim, SCOPE_REGISTER);
    buffer->lanes = lanes;
    return buffer;
}

static void declare(Contraction *c, Stmt *to, Buffer *buffer, Expr *value) {
    stmt_append(c->arena, to, stmt_local(c->arena, buffer, value));
}

// ---- rows ----------------------------------------------------------------------------------------------------------

// Row r of the tile is member r % members of the window at r / members.
static int row_count(const Contraction *c, const TileLoop *rows) { return rows->extent * c->members; }

static void stand_at_member(Contraction *c, int member) {
    for (int k = c->npool - 1; k >= 0; k--) {
        int extent = c->iter->axis[c->pool_axis[k]].extent;
        c->at[c->pool_axis[k]] = index_const(c->arena, member % extent);
        member /= extent;
    }
}

static void stand_at_row(Contraction *c, const TileLoop *rows, int r) {
    stand_at_member(c, r % c->members);
    if (c->m != NO_AXIS) c->at[c->m] = index_add_const(c->arena, rows->base, r / c->members);
}

// ---- the product ---------------------------------------------------------------------------------------------------

// A scalar of the row operand or, where the lanes run along it too, its vector at `lane`.
static Buffer *row_value(Contraction *c, Stmt *to, const TileLoop *rows, int r, const char *name, const Index *lane,
                         int lanes) {
    Buffer *a = register_new(c, name, 0, NULL, lanes);
    stand_at_row(c, rows, r);
    if (c->both_lanes) c->at[c->n] = (Index *)lane;
    declare(c, to, a, contraction_load(c, &c->row, rows, index_const(c->arena, r / c->members), lanes));
    return a;
}

static Buffer *row_scalar(Contraction *c, Stmt *to, const TileLoop *rows, int r) {
    return row_value(c, to, rows, r, arena_printf(c->arena, "a%d", r), NULL, 1);
}

static void add_product(Contraction *c, Stmt *to, Buffer *acc, Index *const *at, Buffer *a, Buffer *b) {
    Expr *arg[] = {expr_load(c->arena, a, NULL, 1), expr_load(c->arena, b, NULL, 1)};
    Expr *product = expr_apply(c->arena, c->root, &op_mul, F32, arg, 2);
    stmt_append(c->arena, to, stmt_accumulate(c->arena, acc, at, "sum", product));
}

static void multiply(Contraction *c, Stmt *to, Buffer *acc, const TileLoop *rows, const TileLoop *lanes) {
    Arena *arena = c->arena;
    Buffer **b = NEW_ARRAY(arena, Buffer *, lanes->extent);
    for (int v = 0; v < lanes->extent; v++) {
        b[v] = register_new(c, arena_printf(arena, "b%d", v), 0, NULL, c->lanes);
        declare(c, to, b[v], contraction_load(c, &c->lane, lanes, index_const(arena, v * c->lanes), c->lanes));
    }
    for (int r = 0; r < row_count(c, rows); r++) {
        Buffer *a = c->both_lanes ? NULL : row_scalar(c, to, rows, r);
        for (int v = 0; v < lanes->extent; v++) {
            if (c->both_lanes)
                a = row_value(c, to, rows, r, arena_printf(arena, "a%d_%d", r, v),
                              index_add_const(arena, lanes->base, v * c->lanes), c->lanes);
            add_product(c, to, acc, (Index *[]){index_const(arena, r), index_const(arena, v)}, a, b[v]);
        }
    }
}

// The loop runs over all lanes of a run-time axis's last panel, which has zeros there.
static void multiply_in_loop(Contraction *c, Stmt *to, Buffer *acc, const TileLoop *rows, const TileLoop *lanes) {
    Arena *arena = c->arena;
    int n = row_count(c, rows);
    Buffer **a = NEW_ARRAY(arena, Buffer *, n);
    for (int r = 0; r < n && !c->both_lanes; r++) a[r] = row_scalar(c, to, rows, r);
    int64_t fixed;
    const Index *count = lanes->valid && index_is_const(lanes->valid, &fixed) ? lanes->valid : NULL;
    Index *element, *lane;
    Stmt *loop = contraction_open_lanes(c, to, lanes->base, count, &element, &lane);
    Buffer *b = register_new(c, "b0", 0, NULL, 1);
    declare(c, loop, b, contraction_load(c, &c->lane, lanes, lane, 1));
    for (int r = 0; r < n; r++) {
        if (c->both_lanes) a[r] = row_value(c, loop, rows, r, arena_printf(arena, "a%d", r), element, 1);
        add_product(c, loop, acc, (Index *[]){index_const(arena, r), lane}, a[r], b);
    }
}

// ---- the next tile's lines ------------------------------------------------------------------------------------------

enum { LINE = 16 }; // floats

// Whether the row operand comes from far away: windows over pixels whose channels, K, lie side by side in a buffer that
// the second-level cache does not hold.
static bool rows_come_from_far(const Contraction *c) {
    const Operand *row = &c->row;
    const Target *target = c->ctx->program->target;
    if (!target->extensions || c->pool || c->strip || c->inside == c->nsum || c->both_lanes) return false;
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

// `lanes` elements of the result at `base` along n, from the sums of a window's members (one, without a pool).
static void finish_part(Contraction *c, Stmt *to, Expr *const *sum, const Index *base, int lanes) {
    Index *at[MAX_RANK];
    Arena *arena = c->arena;
    Stmt *block = stmt_block(arena);
    Buffer *pooled = NULL;
    stmt_append(arena, to, block);
    c->at[c->n] = (Index *)base;
    for (int u = 0; u < c->members; u++) {
        c->accumulator = sum[u];
        stand_at_member(c, u);
        result_at(c, at);
        contraction_store_outputs(c, contraction_open_result(c, block, at), &c->root->type, at, lanes);
        if (!c->pool) continue;
        const char *kind = node_attr(c->pool, "kind")->s;
        Expr *value = pool_input(c, at, lanes);
        if (!pooled) {
            pooled = register_new(c, "pooled", 0, NULL, lanes);
            declare(c, block, pooled, value);
        } else {
            stmt_append(arena, block, stmt_accumulate(arena, pooled, NULL, kind, value));
        }
    }
    if (!c->pool) return;
    c->pooled = expr_load(arena, pooled, NULL, lanes);
    contraction_pool_at(c, at);
    contraction_store_outputs(c, block, &c->pool->type, at, lanes);
}

// One vector of the result, or its first `valid` lanes through `spill`.
static void finish_vector(Contraction *c, Stmt *to, Expr *const *sum, Buffer *spill, const Index *base,
                          const Index *valid) {
    Arena *arena = c->arena;
    if (!spill) {
        finish_part(c, to, sum, base, c->lanes);
        return;
    }
    Expr **one = NEW_ARRAY(arena, Expr *, c->members);
    Index *lane, *element, *zero = index_const(arena, 0);
    for (int u = 0; u < c->members; u++)
        stmt_append(arena, to, stmt_store(arena, spill, (Index *[]){index_const(arena, u), zero}, sum[u]));
    Stmt *loop = contraction_open_lanes(c, to, base, valid, &element, &lane);
    for (int u = 0; u < c->members; u++) one[u] = expr_load(arena, spill, (Index *[]){index_const(arena, u), lane}, 1);
    finish_part(c, loop, one, element, 1);
}

typedef struct Finish {
    Contraction *c;
    Buffer *acc;
    const TileLoop *rows, *lanes;
} Finish;

static void finish_in_loop(const Finish *f, Stmt *to) {
    Contraction *c = f->c;
    Index *lane, *element;
    Expr **sum = NEW_ARRAY(c->arena, Expr *, c->members);
    Stmt *loop = contraction_open_lanes(c, to, f->lanes->base, f->lanes->valid, &element, &lane);
    for (int r = 0; r < row_count(c, f->rows); r += c->members) {
        stand_at_row(c, f->rows, r);
        for (int u = 0; u < c->members; u++)
            sum[u] = expr_load(c->arena, f->acc, (Index *[]){index_const(c->arena, r + u), lane}, 1);
        finish_part(c, loop, sum, element, 1);
    }
}

static void finish_tile(const Finish *f, Stmt *to) {
    Contraction *c = f->c;
    Arena *arena = c->arena;
    if (c->lane_loop) {
        finish_in_loop(f, to);
        return;
    }
    bool scalar = !c->vector_epilogue || !c->result_is_bare || !c->lanes_are_last;
    Buffer *spill = NULL;
    if (scalar || f->lanes->valid) {
        Dim dim[] = {dim_fixed(c->members), dim_fixed(c->lanes)};
        spill = buffer_scratch(c->ctx->program, "spill", F32, 2, dim, SCOPE_STACK);
        declare(c, to, spill, NULL);
    }
    Expr **sum = NEW_ARRAY(arena, Expr *, c->members);
    for (int r = 0; r < row_count(c, f->rows); r += c->members) {
        for (int v = 0; v < f->lanes->extent; v++) {
            const Index *valid = v == f->lanes->extent - 1 ? f->lanes->valid : NULL;
            for (int u = 0; u < c->members; u++)
                sum[u] =
                    expr_load(arena, f->acc, (Index *[]){index_const(arena, r + u), index_const(arena, v)}, c->lanes);
            stand_at_row(c, f->rows, r);
            finish_vector(c, to, sum, scalar || valid ? spill : NULL,
                          index_add_const(arena, f->lanes->base, v * c->lanes), valid);
        }
    }
}

// ---- blocks of K ---------------------------------------------------------------------------------------------------

static Stmt *open_if(Contraction *c, Stmt *to, const Index *not_negative) {
    Stmt *guard = NEW(c->arena, Stmt);
    guard->kind = STMT_IF;
    vec_push(c->arena, &guard->cond, not_negative);
    stmt_append(c->arena, to, guard);
    return guard;
}

typedef enum Pass { PASS_TAKE, PASS_GIVE, PASS_ADD } Pass;

// acc += partial, partial = acc or partial += acc. Lanes that are no elements have their places in `partial`.
static void pass_partial(const Finish *f, Stmt *to, Pass pass) {
    Contraction *c = f->c;
    Arena *arena = c->arena;
    Index *element = NULL, *lane = NULL;
    if (c->lane_loop) to = contraction_open_lanes(c, to, f->lanes->base, NULL, &element, &lane);
    for (int r = 0; r < row_count(c, f->rows); r++)
        for (int v = 0; v < f->lanes->extent; v++) {
            Index *at[MAX_RANK], *place[] = {index_const(arena, r), lane ? lane : index_const(arena, v)};
            int lanes = lane ? 1 : c->lanes;
            stand_at_row(c, f->rows, r);
            c->at[c->n] = lane ? element : index_add_const(arena, f->lanes->base, v * c->lanes);
            partial_at(c, at);
            Expr *sum = expr_load(arena, f->acc, place, lanes), *before = expr_load(arena, c->partial, at, lanes);
            stmt_append(arena, to,
                        pass == PASS_TAKE   ? stmt_accumulate(arena, f->acc, place, "sum", before)
                        : pass == PASS_GIVE ? stmt_store(arena, c->partial, at, sum)
                                            : stmt_accumulate(arena, c->partial, at, "sum", sum));
        }
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
