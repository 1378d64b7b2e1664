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
    int *number;  // positions in group->reduces
    Buffer **acc; // what the loops add to: the totals or the block's vectors
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

// ---- loops ----------------------------------------------------------------------------------------------------------

// How many of the first `n` reduced axes stand outside a block, whose loops over the others add few enough terms.
// *terms begins as what one turn of the innermost of them adds.
static int axes_outside(const Rows *r, int n, int64_t *terms) {
    while (n > 0 && *terms * r->domain.dim[r->inner[n - 1]].extent <= MAX_TERMS)
        *terms *= r->domain.dim[r->inner[--n]].extent;
    return n;
}

static Stmt *open_axes(Rows *r, Stmt *to, int first, int end) {
    for (int k = first; k < end; k++) to = rows_open_axis(r, to, r->inner[k]);
    return to;
}

// Opens a block of its own; or, step > 0, one for every `step` elements of [*lo, *hi), which becomes its range.
static Stmt *open_block(Rows *r, Stmt *to, Round *round, int64_t step, Index **lo, Index **hi) {
    Stmt *block = stmt_block(r->arena);
    if (step) {
        block = loop_open(r->ctx, to, "block", *lo, *hi, step, lo);
        *hi = index_min(r->arena, index_add_const(r->arena, *lo, step), *hi);
    } else {
        stmt_append(r->arena, to, block);
    }
    int parts = rows_is_kept_vector(r) ? r->parts : r->unroll;
    for (int k = 0; k < round->n; k++) {
        const Node *reduce = round_reduce(r, round, k);
        ReduceKind kind = round_kind(r, round, k);
        const char *name = arena_printf(r->arena, "%s_lanes", reduce_words[kind]);
        round->acc[k] = declare(r, block, name, reduce, kind, parts, r->lanes);
    }
    return block;
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

static void reduce_lanes(Rows *r, Stmt *to, Round *round) {
    int last = rows_last(r), n = r->nreduced;
    Index *lo = index_const(r->arena, 0), *extent = index_size(r->arena, r->domain.dim[last]);
    Index *whole = index_scale(r->arena, index_div(r->arena, extent, r->lanes), r->lanes), *hi = whole;
    int64_t terms = (r->domain.dim[last].extent / r->lanes + r->unroll - 1) / r->unroll;
    int outside = axes_outside(r, n - 1, &terms);
    // Where the last axis alone adds too many terms, it is cut.
    int64_t step = terms > MAX_TERMS ? (int64_t)MAX_TERMS * r->lanes * r->unroll : 0;
    to = open_axes(r, to, 0, outside);
    r->vector = true;
    Stmt *block = open_block(r, to, round, step, &lo, &hi);
    rows_lane_loops(r, open_axes(r, block, outside, n - 1), lo, hi, r->unroll, add_lane_part, round);
    r->vector = true;
    close_block(r, block, round);
    r->vector = false;
    if (!nest_is_empty(r->arena, whole, extent))
        add_scalar_rest(r, open_axes(r, to, outside, n - 1), round, whole, extent);
}

// ---- lanes along a kept axis, or none -------------------------------------------------------------------------------

// Opens the loops over reduced axes; where a block must begin, returns its statement in *block.
static Stmt *open_reduced(Rows *r, Stmt *to, Round *round, Stmt **block) {
    int n = r->nreduced;
    int64_t terms = 1;
    int outside = axes_outside(r, n, &terms);
    if (!rows_is_kept_vector(r) || !outside) return open_axes(r, to, 0, n);
    if (terms > 1) {
        to = open_axes(r, to, 0, outside);
        *block = open_block(r, to, round, 0, NULL, NULL);
        return open_axes(r, *block, outside, n);
    }
    // The last loop alone adds too many terms.
    int axis = r->inner[n - 1];
    Index *lo = index_const(r->arena, 0), *hi = index_size(r->arena, r->domain.dim[axis]);
    *block = open_block(r, open_axes(r, to, 0, n - 1), round, MAX_TERMS, &lo, &hi);
    return loop_open(r->ctx, *block, nest_letter(r->ctx, &r->domain, axis), lo, hi, 1, &r->at[axis]);
}

static void reduce_serial(Rows *r, Stmt *to, Round *round) {
    Stmt *block = NULL;
    for (int k = 0; k < round->n; k++) round->acc[k] = r->total[round->number[k]];
    Stmt *inside = open_reduced(r, to, round, &block);
    rows_for_parts(r, inside, r->parts, add_part_terms, round);
    if (block) close_block(r, block, round);
}

void rows_reduce_phase(Rows *r, Stmt *to, int phase) {
    Round round = {.number = NEW_ARRAY(r->arena, int, r->group->reduces.len + 1),
                   .acc = NEW_ARRAY(r->arena, Buffer *, r->group->reduces.len + 1)};
    bool kept = rows_is_kept_vector(r);
    for (int k = 0; k < r->group->reduces.len; k++) {
        const Node *reduce = r->group->reduces.at[k];
        if (tag_known(&r->phase, reduce) != phase) continue;
        round.number[round.n++] = k;
        ReduceKind kind = node_reduces(reduce);
        r->total[k] = declare(r, to, reduce_words[kind], reduce, kind, kept ? r->parts : 1, kept ? r->lanes : 1);
    }
    if (r->lanes_kind == LANES_REDUCED)
        reduce_lanes(r, to, &round);
    else
        reduce_serial(r, to, &round);
}
