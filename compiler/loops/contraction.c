// contraction.c: recipe (a): a contraction with its epilogue as loops near the machine's peak, whatever its maps are.
//
//     h = relu(contract x, w [n o | i] out[n, o] += x[n, i] * w[o, i] + bias)          panels of w
//                                                                                      chunks
//     becomes one kernel:                                                                  rows that fit the cache
//                                                                                              columns of 64
//                                                                                                  tiles of 6 rows
//
// contraction_plan.c decides, contraction_stage.c packs operands, contraction_loops.c makes the loops around
// tiles, contraction_tile.c what is inside. Maps that fit no tile go to contraction_scalar.c. The order in which an
// output is summed depends on neither tile nor chunks: K blocks in order, within a block step by step.
#include "loops/contraction.h"

// ---- can the epilogue run on vectors? ------------------------------------------------------------------------------

// Tried out: lower_value notes what has no vector form.
static bool outputs_fit(Contraction *c, const Type *shape, Index *const *at) {
    bool fit = true;
    lower_forget(c->ctx);
    for (int k = 0; k < c->ctx->group->outputs.len; k++) {
        if (!shape_equal(&c->output[k]->type, shape)) continue;
        lower_value(c->ctx, c->output[k], at);
        fit &= c->output[k]->type.dtype == F32;
    }
    return fit;
}

bool contraction_epilogue_is_vector(Contraction *c) {
    LowerContext *ctx = c->ctx;
    Arena *arena = c->arena;
    Index *at[MAX_RANK];
    if (c->lane_loop) return false;
    int rank = c->root->type.rank;
    ctx->lanes = c->lanes;
    ctx->lane_var = var_new(ctx, "lane");
    for (int d = 0; d < rank; d++) at[d] = index_var(arena, d == rank - 1 ? ctx->lane_var : var_new(ctx, "any"));
    Buffer *sum = buffer_scratch(ctx->program, "acc", F32, 0, NULL, SCOPE_REGISTER);
    sum->lanes = c->lanes;
    c->accumulator = c->pooled = expr_load(arena, sum, at, c->lanes);
    ctx->needs_scalar = false;
    bool fit = outputs_fit(c, &c->root->type, at);
    if (c->pool) {
        lower_value(ctx, c->pool->in[0], at);
        fit &= c->pool->type.rank == rank && outputs_fit(c, &c->pool->type, at);
    }
    fit &= !ctx->needs_scalar;
    ctx->needs_scalar = false;
    ctx->lanes = 1;
    ctx->lane_var = NULL;
    return fit;
}

// ---- the nest ------------------------------------------------------------------------------------------------------

typedef struct Nest {
    Index *length;        // steps of K in this block
    Index *lo, *hi;       // rows
    const TileLoop *lane; // the column
    Index *chunk_lo, *chunk_hi;
} Nest;

static void row_tile(Contraction *c, Stmt *to, const TileLoop *tile, void *context) {
    const Nest *nest = context;
    contraction_tile(c, to, nest->length, tile, nest->lane);
}

static Stmt *open_axis_in(Contraction *c, Stmt *to, int axis, const Index *lo, const Index *hi) {
    const char *name = arena_printf(c->arena, "%c", c->iter->name[axis]);
    if (c->chunk_axis == axis && (c->chunk == CHUNK_OUTER || c->chunk == CHUNK_SUMS))
        return contraction_open(c, to, name, lo, hi, 1, &c->at[axis]);
    return contraction_open_axis(c, to, axis);
}

static void column_of_tiles(Contraction *c, Stmt *to, const TileLoop *tile, void *context) {
    Nest *nest = context;
    nest->lane = tile;
    for (int k = c->first_inside; k < c->nouter; k++)
        to = open_axis_in(c, to, c->outer[k], nest->chunk_lo, nest->chunk_hi);
    if (c->m != NO_AXIS) {
        contraction_row_tiles(c, to, nest->lo, nest->hi, row_tile, nest);
        return;
    }
    Stmt *block = stmt_block(c->arena);
    stmt_append(c->arena, to, block);
    row_tile(c, block, &(TileLoop){.base = index_const(c->arena, 0), .extent = 1}, nest);
}

// Loops over what is summed outside the tiles.
static Stmt *open_sums(Contraction *c, Stmt *to, const Index *lo, const Index *hi) {
    Arena *arena = c->arena;
    for (int s = 0; s < c->inside; s++) to = open_axis_in(c, to, c->sum[s], lo, hi);
    if (!c->strip) return to;
    Index *extent = contraction_extent(c, c->sum[c->inside]);
    to = contraction_open(c, to, "strip", index_const(arena, 0), extent, c->strip, &c->strip_lo);
    c->strip_hi = index_min(arena, index_add_const(arena, c->strip_lo, c->strip), extent);
    return to;
}

static void lower_nest(Contraction *c, Stmt *to) {
    Arena *arena = c->arena;
    Index *lo = index_const(arena, 0), *hi = NULL;
    c->part = index_const(arena, 0);
    if (c->chunks > 1) {
        int unit = c->chunk == CHUNK_ROWS ? c->rows : c->chunk == CHUNK_PANELS ? c->lane.width : 1;
        to = contraction_open_chunks(c, to, c->chunks, c->chunk_axis, unit, &lo, &hi);
        if (c->chunk == CHUNK_SUMS) c->part = index_var(arena, to->var);
        if (c->lane.in_chunk) contraction_stage_range(c, to, &c->lane, true, lo, hi);
    }
    if (c->chunk == CHUNK_SUMS && c->sum_outside) contraction_zero_partial(c, to);
    to = open_sums(c, to, lo, hi);
    for (int k = 0; k < c->first_inside; k++) to = open_axis_in(c, to, c->outer[k], lo, hi);
    Nest nest = {.chunk_lo = lo, .chunk_hi = hi};
    to = contraction_open_blocks(c, to, &nest.length);
    nest.lo = c->chunk == CHUNK_ROWS ? lo : index_const(arena, 0);
    nest.hi = c->chunk == CHUNK_ROWS ? hi : contraction_extent(c, c->m);
    int rows = c->m == NO_AXIS ? 1 : c->iter->axis[c->m].extent;
    if (c->chunk == CHUNK_ROWS) rows = (rows + c->rows * c->chunks - 1) / (c->rows * c->chunks) * c->rows; // at most
    if (rows > c->block_m) {
        Index *from, *to_row;
        to = contraction_open(c, to, "rows", nest.lo, nest.hi, c->block_m, &from);
        to_row = index_min(arena, index_add_const(arena, from, c->block_m), nest.hi);
        nest.lo = from;
        nest.hi = to_row;
    }
    bool chunked = c->chunk == CHUNK_PANELS;
    contraction_lane_tiles(c, to, chunked ? lo : index_const(arena, 0), chunked ? hi : contraction_extent(c, c->n),
                           column_of_tiles, &nest);
}

static void prepared_buffer(Contraction *c, Buffer *buffer, const Node *of, const char *what) {
    if (!buffer) return;
    buffer->scope = SCOPE_PREPARED;
    buffer_packs(c->arena, buffer, of, what);
}

// Copies an operand into its halo and panels: in front of the product or, where parameters alone decide them, in a
// kernel of the prepare part.
static void stage_operand(Contraction *c, Operand *operand, bool is_lane) {
    LowerContext *ctx = c->ctx;
    if (contraction_is_prepared(c, operand) && (operand->halo || operand->staged)) {
        const char *of = operand->node->name ? operand->node->name : operand->node->op->name;
        c->ctx = lower_prepare(ctx, arena_printf(c->arena, "pack_%s", of),
                               arena_printf(c->arena, "%s as the tiles of %s read it", of, ctx->kernel->name));
        prepared_buffer(c, operand->halo ? operand->buffer : NULL, operand->node, "halo");
        prepared_buffer(c, operand->panels, operand->node, "panels");
    }
    contraction_halo_copy(c, c->ctx->kernel->body, operand);
    contraction_stage(c, c->ctx->kernel->body, operand, is_lane);
    c->ctx = ctx;
}

static Node **sorted_outputs(LowerContext *ctx) {
    int n = ctx->group->outputs.len;
    Node **sorted = NEW_ARRAY(ctx->arena, Node *, n + 1);
    for (int k = 0; k < n; k++) {
        int at = k;
        for (; at && sorted[at - 1]->id > ctx->group->outputs.at[k]->id; at--) sorted[at] = sorted[at - 1];
        sorted[at] = ctx->group->outputs.at[k];
    }
    return sorted;
}

void lower_contraction(LowerContext *ctx) {
    Kernel *kernel = ctx->kernel;
    if (!kernel->body) kernel->body = stmt_block(ctx->arena);
    Contraction *c = NEW(ctx->arena, Contraction);
    bool fits = contraction_plan(c, ctx);
    c->output = sorted_outputs(ctx);
    c->done = NEW_ARRAY(ctx->arena, Buffer *, ctx->group->outputs.len + 1);
    c->done_node = NEW_ARRAY(ctx->arena, Node *, ctx->group->outputs.len + 1);
    ctx->recipe = c;
    ctx->local = contraction_local;
    if (!fits) {
        kernel->recipe = "contraction, scalar";
        contraction_scalar(c, kernel->body);
        return;
    }
    kernel->recipe = arena_printf(ctx->arena, "contraction %dx%d%s%s%s", c->rows, c->vectors,
                                  c->row.halo || c->lane.halo ? ", windows" : "", c->row.staged ? ", rows packed" : "",
                                  c->lane.staged ? ", lanes packed" : "");
    c->vector_epilogue = contraction_epilogue_is_vector(c);
    stage_operand(c, &c->row, false);
    stage_operand(c, &c->lane, true);
    if (c->sum_outside && c->chunk != CHUNK_SUMS) {
        c->part = index_const(ctx->arena, 0);
        contraction_zero_partial(c, kernel->body);
    }
    lower_nest(c, kernel->body);
    if (c->sum_outside) contraction_finish_sums(c, kernel->body);
}
