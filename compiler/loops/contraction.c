// contraction.c: recipe (a): a contraction with its epilogue as loops near the machine's peak, whatever its maps are.
//
//     h = relu(contract x, w [n o | i] out[n, o] += x[n, i] * w[o, i] + bias)          panels of w
//                                                                                      chunks
//     becomes one kernel:                                                                  rows that fit the cache
//                                                                                              columns of 64
//                                                                                                  tiles of 6 rows
//
// contraction_plan.c decides, contraction_stage.c packs operands, contraction_loops.c makes the loops around tiles,
// contraction_tile.c makes the tiles. Maps that fit no tile go to naive.c. The order in which an element is summed
// depends neither on the tile nor on chunks: blocks of K in order, and within a block step by step.
#include "loops/contraction.h"

// Cuts the axis's range into parts of so many elements.
static Stmt *open_parts(Cursor *c, Stmt *to, const char *name, int axis, int elements) {
    struct Range *range = &c->range[axis];
    const Index *end = range->hi;
    Index *lo;
    to = contraction_open(c, to, name, range->lo, end, elements, &lo);
    range->lo = lo;
    range->hi = index_min(c->arena, index_add_const(c->arena, lo, elements), end);
    return to;
}

// ---- long sums -----------------------------------------------------------------------------------------------------
//
//     dw[o, i, p, q] += dy[n, y, x, o] * x[n, y+p, x+q, i]        chunks of n: partial[chunk, o, p, q, i] = 0
//     n, y, x summed: 147,456 terms                                   for n, strips of 16 rows y:
//                                                                         for all tiles: partial += sum over y, x
//                                                                 for all tiles: dw = sum over chunks, epilogue

static void zero_partial(const Cursor *c, Stmt *to) {
    Buffer *partial = c->plan->partial;
    Index *at[MAX_RANK] = {c->part};
    to = contraction_open_shape(c, to, 'z', partial->dim, 1, partial->rank, at);
    stmt_append(c->arena, to, stmt_store(c->arena, partial, at, expr_const(c->arena, F32, 0)));
}

// Nothing is multiplied here: a row at a time is as fast, and its epilogue stands there once.
static void finish_sums(Cursor *c, Stmt *to) {
    const Plan *plan = c->plan;
    Stmt *nest = stmt_block(c->arena);
    nest->comment = "the sums of all parts";
    stmt_append(c->arena, to, nest);
    to = nest;
    for (int k = 0; k < plan->nouter; k++) to = contraction_open_axis(c, to, plan->outer[k]);
    Tiles columns = contraction_lane_tiles(c, to);
    for (int k = 0; k < columns.n; k++) {
        Stmt *row = contraction_open_axis(c, columns.at[k].body, plan->m);
        const Index *base = plan->m == NO_AXIS ? index_const(c->arena, 0) : c->at[plan->m];
        contraction_finish_tile(c, &(Tile){.body = row, .base = base, .extent = 1}, &columns.at[k]);
    }
}

// ---- the nest ------------------------------------------------------------------------------------------------------

static void lower_nest(Cursor *c, Stmt *to) {
    const Plan *plan = c->plan;
    if (plan->chunks > 1) to = contraction_open_chunks(c, to, plan->chunks, plan->chunk_axis, plan->chunk_unit);
    if (plan->chunks > 1) c->chunk = index_var(c->arena, to->var);
    if (plan->parts > 1) c->part = c->chunk;
    if (plan->lane.in_chunk) contraction_stage_range(c, to, &plan->lane);
    if (plan->parts > 1) zero_partial(c, to);
    for (int s = 0; s < plan->inside; s++) to = contraction_open_axis(c, to, plan->sum[s]);
    if (plan->strip) to = open_parts(c, to, "strip", plan->sum[plan->inside], plan->strip);
    for (int k = 0; k < plan->first_inside; k++) to = contraction_open_axis(c, to, plan->outer[k]);
    to = contraction_open_blocks(c, to);
    if (plan->block_m) to = open_parts(c, to, "rows", plan->m, plan->block_m);
    if (plan->row.in_block) contraction_stage_block(c, to, &plan->row);
    Tiles columns = contraction_lane_tiles(c, to);
    for (int k = 0; k < columns.n; k++) {
        to = columns.at[k].body;
        for (int i = plan->first_inside; i < plan->nouter; i++) to = contraction_open_axis(c, to, plan->outer[i]);
        Tiles rows = contraction_row_tiles(c, to);
        for (int r = 0; r < rows.n; r++) contraction_tile(c, &rows.at[r], &columns.at[k]);
    }
}

static void prepared_buffer(Arena *arena, Buffer *buffer, const Node *of, const char *what, bool prepared) {
    if (!buffer) return;
    if (prepared) buffer->scope = SCOPE_PREPARED;
    buffer_packs(arena, buffer, of, what);
}

// Copies an operand into its halo and panels: before the product; or, where parameters alone decide them, in a kernel
// of the prepare part; or in one before the loop that does not change them.
static void stage_operand(Cursor *c, const Operand *operand) {
    Cursor inside = *c;
    if ((operand->prepared || operand->ahead_of) && (operand->halo || operand->staged)) {
        const Node *node = operand->node;
        const char *of = node->name ? node->name : node->op->name;
        const char *name = arena_printf(c->arena, "pack_%s", of);
        const char *comment = arena_printf(c->arena, "%s as the tiles of %s read it", of, c->ctx->kernel->name);
        inside.ctx = operand->prepared ? lower_prepare(c->ctx, name, comment)
                                       : lower_ahead(c->ctx, name, comment, operand->ahead_of);
        prepared_buffer(c->arena, operand->halo ? operand->buffer : NULL, node, "halo", operand->prepared);
        prepared_buffer(c->arena, operand->panels, node, "panels", operand->prepared);
    }
    Stmt *body = inside.ctx->kernel->body;
    if (operand->halo) contraction_halo_copy(&inside, body, operand);
    if (operand->staged && !operand->in_chunk && !operand->in_block) contraction_stage(&inside, body, operand);
}

void lower_contraction(LowerContext *ctx) {
    Stmt *body = ctx->kernel->body;
    const Node *root = ctx->group->root;
    Epilogue *epilogue = epilogue_new(ctx);
    const Iter *iter = node_attr(root, "iter")->iter;
    bool gathers = contraction_gather(ctx->arena, root, &iter) || map_is_bare(iter, &iter->map[0], &root->type);
    unsigned windows = epilogue->pool ? pool_split(ctx->arena, epilogue->pool, &iter) : 0;
    const Plan *plan = gathers ? contraction_plan(epilogue, iter, windows) : NULL;
    if (!plan) {
        ctx->kernel->recipe = "contraction, scalar";
        naive_sum(epilogue, iter, gathers, windows);
        return;
    }
    ctx->kernel->recipe =
        arena_printf(ctx->arena, "contraction %dx%d%s%s%s", plan->rows, plan->vectors,
                     plan->row.halo || plan->lane.halo ? ", windows" : "", plan->row.staged ? ", rows packed" : "",
                     plan->lane.staged ? ", lanes packed" : "");
    Cursor cursor = contraction_cursor(plan, epilogue);
    stage_operand(&cursor, &plan->row);
    stage_operand(&cursor, &plan->lane);
    if (plan->sum_outside && plan->parts == 1) zero_partial(&cursor, body);
    Cursor nest = cursor;
    lower_nest(&nest, body);
    if (plan->sum_outside) finish_sums(&cursor, body);
}
