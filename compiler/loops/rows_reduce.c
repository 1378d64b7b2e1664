// rows_reduce.c: sums, maxima and minima of one row, or of one vector of columns.
//     local sum: f32 double = 0                           lanes along the reduced axis
//     local sum_lanes[4]: f32x16 = 0
//     for i = 0 .. 768 step 64: sum_lanes[u] += x[n, i + 16u:16]    four times
//     for i = 768 .. 784 step 16: sum_lanes[0] += x[n, i:16]
//     sum += lanes_sum(sum_lanes[0] + ...)
//     (scalar rest: sum += x[n, i])
// No vector accumulator takes more than 1024 terms: longer sums are cut into blocks, each from zero, that are added
// to the total. Scalar totals of floats are held as double, so scalar loops need no blocks.

#include "loops/rows.h"

// One round: the reductions of a phase share their loops.
typedef struct Round {
    int n;
    int number[64]; // positions in group->reduces
    Buffer **acc;   // what the loops add to: the totals or the block's vectors
    bool blocked;   // acc are the block's
} Round;

static const Node *round_reduce(const Rows *r, const Round *round, int k) {
    return r->group->reduces.at[round->number[k]];
}
static ReduceKind round_kind(const Rows *r, const Round *round, int k) {
    return node_reduces(round_reduce(r, round, k));
}

static Buffer *declare(Rows *r, Stmt *to, const char *name, const Node *reduce, ReduceKind kind, int parts, int lanes) {
    Dim dim = dim_fixed(parts);
    Buffer *buffer =
        buffer_scratch(r->ctx->program, rows_local_name(r, name), reduce->type.dtype, 1, &dim, SCOPE_REGISTER);
    buffer->lanes = lanes;
    buffer->accumulate_double = lanes == 1 && dtype_info[buffer->dtype].is_float && kind == REDUCE_SUM;
    stmt_append(r->arena, to, stmt_local(r->arena, buffer, reduce_identity(r->arena, buffer->dtype, kind)));
    return buffer;
}

// Adds the terms at the current index of one part.
static void add_part_terms(Rows *r, Stmt *to, void *context) {
    const Round *round = context;
    Index *part = r->part;
    if (!rows_is_kept_vector(r)) r->part = index_const(r->arena, 0); // totals have one element
    lower_forget(r->ctx);
    for (int k = 0; k < round->n; k++) {
        const Node *reduce = round_reduce(r, round, k);
        Index *in[MAX_RANK];
        Stmt *guard = stmt_if(r->arena);
        rows_term_at(r, reduce, in, guard);
        Expr *term = lower_value(r->ctx, reduce->in[0], in);
        stmt_append(r->arena, guard_open(r->arena, to, guard),
                    stmt_accumulate(r->arena, round->acc[k], &part, round_kind(r, round, k), term));
    }
    r->part = part;
}

// total[part] = combine(total[part], the block's vector)
static void close_part(Rows *r, Stmt *to, void *context) {
    const Round *round = context;
    for (int k = 0; k < round->n; k++) {
        Expr *value = expr_load(r->arena, round->acc[k], &r->part, 1);
        stmt_append(r->arena, to,
                    stmt_accumulate(r->arena, r->total[round->number[k]], &r->part, round_kind(r, round, k), value));
    }
}

// total = combine(total, the lanes of all the block's vectors)
static void close_lanes(Rows *r, Stmt *to, const Round *round) {
    Index *zero = index_const(r->arena, 0);
    for (int k = 0; k < round->n; k++) {
        ReduceKind kind = round_kind(r, round, k);
        Buffer *acc = round->acc[k];
        Expr *sum = expr_load(r->arena, acc, &zero, 1);
        for (int part = 1; part < acc->dim[0].extent; part++) {
            Index *at = index_const(r->arena, part);
            Expr *value[2] = {sum, expr_load(r->arena, acc, &at, 1)};
            const Op *combine = kind == REDUCE_SUM ? &op_add : kind == REDUCE_MAX ? &op_max : &op_min;
            sum = expr_apply(r->arena, NULL, combine, acc->dtype, value, 2);
        }
        stmt_append(
            r->arena, to,
            stmt_accumulate(r->arena, r->total[round->number[k]], &zero, kind, expr_lanes(r->arena, kind, sum)));
    }
}

static void close_block(Rows *r, Stmt *to, Round *round) {
    if (rows_is_kept_vector(r))
        rows_for_parts(r, to, r->parts, close_part, round);
    else
        close_lanes(r, to, round);
}

static void open_block(Rows *r, Stmt *to, Round *round) {
    int lanes = r->lanes, parts = rows_is_kept_vector(r) ? r->parts : r->unroll;
    for (int k = 0; k < round->n; k++) {
        const Node *reduce = round_reduce(r, round, k);
        ReduceKind kind = round_kind(r, round, k);
        round->acc[k] =
            declare(r, to, arena_printf(r->arena, "%s_lanes", reduce_words[kind]), reduce, kind, parts, lanes);
    }
}

// ---- lanes along the reduced axis -----------------------------------------------------------------------------------

static void add_lane_part(Rows *r, Stmt *to, void *context) {
    rows_for_parts(r, to, r->parts, add_part_terms, context);
}

// The scalar rest goes to the totals themselves.
static void add_scalar_rest(Rows *r, Stmt *to, const Round *round, const Index *lo, const Index *hi) {
    Round rest = *round;
    rest.acc = NEW_ARRAY(r->arena, Buffer *, round->n + 1);
    for (int k = 0; k < round->n; k++) rest.acc[k] = r->total[round->number[k]];
    rows_lane_loops(r, to, lo, hi, 0, add_lane_part, &rest);
}

static Index *whole_vectors(Rows *r, const Index *hi) {
    return index_scale(r->arena, index_div(r->arena, hi, r->lanes), r->lanes);
}

static void reduce_lanes(Rows *r, Stmt *to, Round *round) {
    int last = rows_last(r), n = r->nreduced;
    Index *zero = index_const(r->arena, 0), *extent = index_size(r->arena, r->domain.dim[last]);
    int64_t terms = (r->domain.dim[last].extent / r->lanes + r->unroll - 1) / r->unroll;
    int level = n - 1; // loops over inner[level...] stand inside a block
    while (level > 0 && terms * r->domain.dim[r->inner[level - 1]].extent <= MAX_TERMS_A_LANE)
        terms *= r->domain.dim[r->inner[--level]].extent;
    for (int k = 0; k < level; k++) to = rows_open_axis(r, to, r->inner[k]);
    Index *lo = zero, *hi = whole_vectors(r, extent);
    Stmt *block = to;
    if (terms > MAX_TERMS_A_LANE) { // so level is n - 1: only the last axis is inside
        int64_t step = (int64_t)MAX_TERMS_A_LANE * r->lanes * r->unroll;
        Var *var = var_new(r->ctx, "block");
        block = stmt_for(r->arena, var, zero, hi, step);
        stmt_append(r->arena, to, block);
        lo = index_var(r->arena, var);
        hi = index_min(r->arena, index_add_const(r->arena, lo, step), hi);
    } else {
        block = stmt_block(r->arena);
        stmt_append(r->arena, to, block);
    }
    r->vector = true;
    open_block(r, block, round);
    Stmt *inside = block;
    for (int k = level; k < n - 1; k++) inside = rows_open_axis(r, inside, r->inner[k]);
    rows_lane_loops(r, inside, lo, hi, r->unroll, add_lane_part, round);
    r->vector = true;
    close_block(r, block, round);
    r->vector = false;
    Stmt *rest = to;
    int64_t first, end;
    if (index_range(index_add(r->arena, extent, index_scale(r->arena, whole_vectors(r, extent), -1)), &first, &end) &&
        end <= 0)
        return;
    for (int k = level; k < n - 1; k++) rest = rows_open_axis(r, rest, r->inner[k]);
    add_scalar_rest(r, rest, round, whole_vectors(r, extent), extent);
}

// ---- lanes along a kept axis, or none -------------------------------------------------------------------------------

// Opens the loops over reduced axes; where a block must begin, returns its statement in *block.
static Stmt *open_reduced(Rows *r, Stmt *to, Round *round, Stmt **block) {
    int n = r->nreduced, level = n; // loops over inner[level...] stand inside a block
    int64_t terms = 1;
    while (level > 0 && terms * r->domain.dim[r->inner[level - 1]].extent <= MAX_TERMS_A_LANE)
        terms *= r->domain.dim[r->inner[--level]].extent;
    bool cut = rows_is_kept_vector(r) && level > 0;
    if (!cut) level = n;
    bool split = cut && terms == 1; // even the last loop alone is too long
    for (int k = 0; k < (split ? n - 1 : level); k++) to = rows_open_axis(r, to, r->inner[k]);
    if (!cut) return to;
    if (split) {
        int axis = r->inner[n - 1];
        Index *extent = index_size(r->arena, r->domain.dim[axis]);
        Index *lo, *zero = index_const(r->arena, 0);
        *block = nest_range(r->ctx, to, "block", zero, extent, MAX_TERMS_A_LANE, &lo);
        open_block(r, *block, round);
        Index *hi = index_min(r->arena, index_add_const(r->arena, lo, MAX_TERMS_A_LANE), extent);
        return nest_range(r->ctx, *block, nest_letter(r->ctx, &r->domain, axis), lo, hi, 1, &r->at[axis]);
    }
    *block = stmt_block(r->arena);
    stmt_append(r->arena, to, *block);
    open_block(r, *block, round);
    to = *block;
    for (int k = level; k < n; k++) to = rows_open_axis(r, to, r->inner[k]);
    return to;
}

static void reduce_serial(Rows *r, Stmt *to, Round *round) {
    Stmt *block = NULL;
    for (int k = 0; k < round->n; k++) round->acc[k] = r->total[round->number[k]];
    Stmt *inside = open_reduced(r, to, round, &block);
    rows_for_parts(r, inside, r->parts, add_part_terms, round);
    if (block) close_block(r, block, round);
}

void rows_reduce_phase(Rows *r, Stmt *to, int phase) {
    Round round = {.acc = NEW_ARRAY(r->arena, Buffer *, r->group->reduces.len + 1)};
    bool kept = rows_is_kept_vector(r);
    for (int k = 0; k < r->group->reduces.len; k++) {
        const Node *reduce = r->group->reduces.at[k];
        if (tag_known(&r->phase, reduce) != phase) continue;
        if (round.n == 64) dlc_bug("rows", "more than 64 reductions at once in %s", node_text(r->arena, reduce));
        round.number[round.n++] = k;
        ReduceKind kind = node_reduces(reduce);
        r->total[k] = declare(r, to, reduce_words[kind], reduce, kind, kept ? r->parts : 1, kept ? r->lanes : 1);
    }
    if (r->lanes_kind == LANES_REDUCED)
        reduce_lanes(r, to, &round);
    else
        reduce_serial(r, to, &round);
}
