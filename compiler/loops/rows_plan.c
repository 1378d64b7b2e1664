// rows_plan.c: where lanes run, how many vectors at once, what threads share: read off the group's domain.
//     x: f32[N, 784], reduced {1}     lanes along the reduced axis, 4 vectors of partial sums
//     dy: f32[N, 256], reduced {0}    lanes along the kept axis, 4 vectors, serial over n
// With lanes, every load must be of consecutive elements or of one element along the last axis, and every operator must
// have a vector form: a trial lowering, with a variable that stands for the lanes, finds out.
#include <string.h>

#include "loops/rows.h"

enum {
    MOST_VECTORS = 4, // enough to hide the latency of additions
    SHORT_LOOP = 64,  // elements
};

// ---- phases ---------------------------------------------------------------------------------------------------------

static int reduce_number(const Rows *r, const Node *node) {
    for (int k = 0; r->group && k < r->group->reduces.len; k++)
        if (r->group->reduces.at[k] == node) return k;
    return -1;
}

static void find_phases(Rows *r) {
    r->phase = (Tags){.arena = r->arena};
    for (int k = 0; k < r->computes.len; k++) {
        const Node *node = r->computes.at[k];
        int phase = 0;
        for (int i = 0; i < node->nin; i++) {
            int before = tag_known(&r->phase, node->in[i]);
            if (before > phase) phase = before;
        }
        phase += reduce_number(r, node) >= 0;
        *tag_of(&r->phase, node) = phase;
        if (phase > r->nphases) r->nphases = phase;
    }
}

// ---- reading what is in registers -----------------------------------------------------------------------------------

void rows_outer_at(const Rows *r, Index **at) {
    for (int k = 0; k < r->nouter; k++) at[k] = r->at[r->outer[k]];
}

static Expr *rows_local(LowerContext *ctx, const Node *node, Index *const *at) {
    (void)at; // a reduction's value and what follows from it stand at the outer index (graph.h, Group)
    const Rows *r = ctx->recipe;
    Index *part = r->part;
    for (int k = 0; k < r->locals.len; k++)
        if (r->locals.at[k].node == node) return expr_load(ctx->arena, r->locals.at[k].buffer, &part, 1);
    int number = reduce_number(r, node);
    if (number < 0) return NULL;
    return expr_load(ctx->arena, r->total[number], &part, 1);
}

// ---- lanes ----------------------------------------------------------------------------------------------------------

// One register for each reduction, to be read in a trial.
static void trial_totals(Rows *r, int lanes) {
    Dim one = dim_fixed(1);
    for (int k = 0; k < r->group->reduces.len; k++) {
        r->total[k] =
            buffer_scratch(r->ctx->program, "trial", r->group->reduces.at[k]->type.dtype, 1, &one, SCOPE_REGISTER);
        r->total[k]->lanes = lanes;
    }
}

static void try_value(Rows *r, const Node *node, Index *const *at, bool stored) {
    if (stored && !dtype_is_vector(node->type.dtype)) r->ctx->needs_scalar = true;
    lower_value(r->ctx, node, at);
}

static bool lanes_fit(Rows *r, RowsLanes kind) {
    LowerContext *ctx = r->ctx;
    Index *outer[MAX_RANK];
    Var *lane = var_new(ctx, "lane");
    for (int d = 0; d < r->domain.rank; d++)
        r->at[d] = index_var(r->arena, d == rows_last(r) ? lane : var_new(ctx, "any"));
    rows_outer_at(r, outer);
    ctx->lanes = r->lanes;
    ctx->lane_var = lane;
    ctx->needs_scalar = false;
    lower_forget(ctx);
    trial_totals(r, kind == LANES_KEPT ? r->lanes : 1);
    for (int k = 0; k < r->group->reduces.len; k++) {
        const Node *reduce = r->group->reduces.at[k];
        if (reduce->type.dtype != F32) ctx->needs_scalar = true;
        Index *at[MAX_RANK];
        rows_term_at(r, reduce, at, stmt_if(r->arena));
        try_value(r, reduce->in[0], at, false);
    }
    for (int k = 0; k < r->group->outputs.len; k++) {
        const Node *node = r->group->outputs.at[k];
        bool whole = shape_equal(&node->type, &r->domain);
        if (whole)
            try_value(r, node, r->at, true);
        else if (kind == LANES_KEPT)
            try_value(r, node, outer, true);
    }
    bool fits = !ctx->needs_scalar;
    ctx->vars.len = 0; // names of the trial are free again
    ctx->lanes = 1;
    ctx->lane_var = NULL;
    ctx->needs_scalar = false;
    lower_forget(ctx);
    return fits;
}

// A lane's sum is cut into blocks of 1024 terms, whose sums go to one more accumulator, which takes 1024 of them at
// most.
static bool terms_fit(const Rows *r) {
    double terms = 1;
    for (int k = 0; k < r->nreduced; k++) terms *= r->domain.dim[r->inner[k]].extent;
    return r->lanes_kind != LANES_KEPT || terms <= (double)MAX_TERMS * MAX_TERMS;
}

static void plan_lanes(Rows *r) {
    Program *program = r->ctx->program;
    r->lanes = program->level ? target_lanes(program->target) : 1;
    r->unroll = 1;
    if (r->lanes < 2 || !r->domain.rank || r->domain.dim[rows_last(r)].extent < r->lanes) return;
    r->lanes_kind = r->reduced >> rows_last(r) & 1 ? LANES_REDUCED : LANES_KEPT;
    bool fits = r->group ? lanes_fit(r, r->lanes_kind) : dtype_is_vector(r->to->dtype);
    if (!fits || !terms_fit(r)) {
        r->lanes_kind = LANES_NONE;
        return;
    }
    int vectors = r->domain.dim[rows_last(r)].extent / r->lanes;
    while (r->nreduced && 2 * r->unroll <= MOST_VECTORS && 2 * r->unroll <= vectors) r->unroll *= 2;
    // 96 channels: two times three vectors instead of four, one and one, so that the body stands once.
    // EfficientNet-B0's step got 3 % faster, and its C 6 % shorter.
    if (r->lanes_kind == LANES_KEPT && r->unroll == 4 && vectors % 4 && vectors % 3 == 0) r->unroll = 3;
}

// ---- threads --------------------------------------------------------------------------------------------------------

static void plan_chunks(Rows *r) {
    int threads = r->ctx->program->threads;
    double work = (double)type_count(&r->domain);
    if (r->ctx->kernel->flops > work) work = r->ctx->kernel->flops;
    if (threads < 2 || !r->ctx->program->level || work < r->ctx->program->target->chunk_work) return;
    int64_t best = 0;
    for (int k = 0; k < r->nouter; k++) {
        int axis = r->outer[k], unit = axis == rows_last(r) && r->lanes_kind == LANES_KEPT ? r->lanes * r->unroll : 1;
        Dim dim = r->domain.dim[axis];
        int units = ceil_div(dim.extent, unit), each = ceil_div(units, threads < units ? threads : units);
        int chunks = ceil_div(units, each);
        int64_t share = chunk_share(units, chunks);
        if (chunks < threads) share = share * chunks / threads;
        if (dim.size) share /= 2; // it may turn out short
        // The C compiler makes vectors of scalar loops over consecutive elements, but only of long ones.
        bool consecutive = axis == rows_last(r) && r->lanes_kind != LANES_KEPT;
        if (consecutive && each < SHORT_LOOP) share /= 2;
        if (share <= best + SHARE / 50) continue;
        best = share;
        r->chunk_axis = axis;
        r->chunks = chunks;
        r->chunk_unit = unit;
    }
}

void rows_plan(Rows *r, LowerContext *ctx) {
    r->ctx = ctx;
    r->arena = ctx->arena;
    r->group = ctx->group;
    r->parts = 1;
    r->part = index_const(r->arena, 0);
    ctx->recipe = r;
    ctx->local = rows_local;
    if (r->group) {
        r->computes = group_parts_of(ctx->program, r->group)->computes;
        r->domain = r->group->domain;
        r->reduced = r->group->reduced;
        r->total = NEW_ARRAY(r->arena, Buffer *, r->group->reduces.len + 1);
        find_phases(r);
    }
    for (int d = 0; d < r->domain.rank; d++)
        if (r->reduced >> d & 1)
            r->inner[r->nreduced++] = d;
        else
            r->outer[r->nouter++] = d;
    plan_lanes(r);
    plan_chunks(r);
}
