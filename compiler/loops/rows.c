// rows.c: recipe (b): element-wise groups, softmax, norms, sums: everything that is not a contraction.
//     %m = reduce max x; %e = exp(x - m); %s = reduce sum e; y = e / s
//     for n: max of the row; sum of exp(x - max); for i: y[n, i] = exp(x[n, i] - max) / sum
// Axes that are not reduced are outer loops. Inside them each round of reductions is a loop, whose results stay in
// locals, as do the values of the outer shape that follow from them; a last loop stores what has the domain's shape.
// All values that are stored at one index are computed before the first is stored, so that a storage may be updated in
// place.
#include <string.h>

#include "loops/rows.h"

// ---- loops ----------------------------------------------------------------------------------------------------------

Stmt *rows_open_axis(Rows *r, Stmt *to, int axis) {
    return nest_open(r->ctx, to, nest_letter(r->ctx, &r->domain, axis), r->domain.dim[axis], &r->at[axis]);
}

static void open_part(Rows *r, Stmt *to, const Index *lo, const Index *hi, int vectors, RowsBody body, void *context) {
    if (nest_is_empty(r->arena, lo, hi)) return;
    int last = rows_last(r);
    const char *name = nest_letter(r->ctx, &r->domain, last);
    Stmt *loop = loop_open(r->ctx, to, name, lo, hi, vectors ? vectors * r->lanes : 1, &r->at[last]);
    r->vector = vectors > 0;
    r->parts = vectors ? vectors : 1;
    r->ctx->lanes = vectors ? r->lanes : 1;
    r->ctx->lane_var = vectors ? loop->var : NULL;
    body(r, loop, context);
    r->vector = false;
    r->parts = 1;
    r->ctx->lanes = 1;
    r->ctx->lane_var = NULL;
}

void rows_lane_loops(Rows *r, Stmt *to, const Index *lo, const Index *hi, int vectors, RowsBody body, void *context) {
    for (int n = vectors; n > 0; n = n > 1 ? 1 : 0) {
        int step = n * r->lanes;
        const Index *end = index_divisible(hi, step) ? hi : index_scale(r->arena, index_div(r->arena, hi, step), step);
        open_part(r, to, lo, end, n, body, context);
        if (!nest_is_empty(r->arena, lo, end)) lo = end;
    }
    open_part(r, to, lo, hi, 0, body, context);
}

// ---- values and stores ----------------------------------------------------------------------------------------------

const char *rows_local_name(Rows *r, const char *name) {
    int used = 0;
    for (int k = 0; k < r->names.len; k++) used += !strcmp(r->names.at[k], name);
    vec_push(r->arena, &r->names, name);
    return used ? arena_printf(r->arena, "%s_%d", name, used + 1) : name;
}

// Where the value is a scalar and the local a vector, the declaration fills all lanes.
static Buffer *make_local(Rows *r, Stmt *to, const char *name, Expr *value, int lanes) {
    Buffer *local = buffer_scratch(r->ctx->program, rows_local_name(r, name), value->dtype, 0, NULL, SCOPE_REGISTER);
    local->lanes = lanes;
    stmt_append(r->arena, to, stmt_local(r->arena, local, value));
    return local;
}

static void store_nodes(Rows *r, Stmt *to, Node *const *nodes, int n, Index *const *at, bool vector) {
    Expr **value = NEW_ARRAY(r->arena, Expr *, n + 1);
    int before = r->locals.len, lanes = vector ? r->lanes : 1;
    lower_forget(r->ctx);
    for (int k = 0; k < n; k++) {
        value[k] = lower_value(r->ctx, nodes[k], at);
        if (n == 1 && value[k]->lanes == lanes) continue;
        const char *name = arena_printf(r->arena, "%s_value", nodes[k]->op->name);
        Buffer *local = make_local(r, to, name, value[k], lanes);
        vec_push(r->arena, &r->locals, (RowsLocal){nodes[k], local});
        value[k] = expr_load(r->arena, local, NULL, lanes);
    }
    for (int k = 0; k < n; k++)
        stmt_append(r->arena, to, stmt_store(r->arena, r->ctx->program->of_node[nodes[k]->id], at, value[k]));
    r->locals.len = before;
}

static bool is_whole(const Rows *r, const Node *node) { return shape_equal(&node->type, &r->domain); }

static void select_outputs(const Rows *r, bool whole, NodeVec *selected) {
    for (int k = 0; k < r->computes.len; k++) { // in topological order
        Node *node = r->computes.at[k];
        if (group_stores(r->group, node) && is_whole(r, node) == whole) vec_push(r->arena, selected, node);
    }
}

// ---- what follows from a round --------------------------------------------------------------------------------------

static bool is_outer_value(const Rows *r, const Node *node) {
    if (!(node->op->traits & OP_ELEMENTWISE) || node->type.rank != r->nouter) return false;
    for (int k = 0; k < r->nouter; k++)
        if (!dim_equal(node->type.dim[k], r->domain.dim[r->outer[k]])) return false;
    return true;
}

// Whether the value goes into a loop over the reduced axes, by a movement or a reduction's input.
static bool enters_loop(const Rows *r, const Node *node) {
    for (int k = 0; k < r->computes.len; k++) {
        const Node *user = r->computes.at[k];
        for (int i = 0; i < user->nin; i++)
            if (user->in[i] == node && !is_outer_value(r, user)) return true;
    }
    return false;
}

static void keep_part(Rows *r, Stmt *to, void *context) {
    const RowsLocal *kept = context;
    Index *at[MAX_RANK];
    rows_outer_at(r, at);
    lower_forget(r->ctx);
    Expr *value = lower_value(r->ctx, kept->node, at);
    stmt_append(r->arena, to,
                kept->buffer->dim[0].extent == 1 ? stmt_local(r->arena, kept->buffer, value)
                                                 : stmt_store(r->arena, kept->buffer, &r->part, value));
}

static void keep_outer_values(Rows *r, Stmt *to, int phase) {
    int parts = rows_is_kept_vector(r) ? r->parts : 1, lanes = rows_is_kept_vector(r) ? r->lanes : 1;
    Dim dim = dim_fixed(parts);
    for (int k = 0; k < r->computes.len; k++) {
        Node *node = r->computes.at[k];
        if (tag_known(&r->phase, node) != phase || !is_outer_value(r, node) || !enters_loop(r, node)) continue;
        const char *name = rows_local_name(r, arena_printf(r->arena, "%s_value", node->op->name));
        RowsLocal kept = {node, buffer_scratch(r->ctx->program, name, node->type.dtype, 1, &dim, SCOPE_REGISTER)};
        kept.buffer->lanes = lanes;
        if (parts > 1) stmt_append(r->arena, to, stmt_local(r->arena, kept.buffer, NULL));
        rows_for_parts(r, to, parts, keep_part, &kept);
        vec_push(r->arena, &r->locals, kept);
    }
}

// ---- the body of the outer loops ------------------------------------------------------------------------------------

void rows_for_parts(Rows *r, Stmt *to, int parts, RowsBody body, void *context) {
    int last = rows_last(r);
    if (parts == 1) {
        body(r, to, context);
        return;
    }
    Index *first = r->at[last];
    to = nest_count(r->ctx, to, FOR_UNROLLED, "v", parts, &r->part);
    r->at[last] = index_add(r->arena, first, index_scale(r->arena, r->part, r->lanes));
    body(r, to, context);
    r->at[last] = first;
    r->part = index_const(r->arena, 0);
}

static void store_outer(Rows *r, Stmt *to, void *context) {
    Index *at[MAX_RANK];
    const NodeVec *nodes = context;
    rows_outer_at(r, at);
    store_nodes(r, to, nodes->at, nodes->len, at, rows_is_kept_vector(r));
}

static void store_whole(Rows *r, Stmt *to, void *context) {
    const NodeVec *nodes = context;
    store_nodes(r, to, nodes->at, nodes->len, r->at, r->vector);
}

static void copy_element(Rows *r, Stmt *to) {
    Expr *value = expr_load(r->arena, r->from, r->at, r->vector ? r->lanes : 1);
    stmt_append(r->arena, to, stmt_store(r->arena, r->to, r->at, value));
}

static void store_domain(Rows *r, Stmt *to) {
    NodeVec nodes = {0};
    select_outputs(r, true, &nodes);
    if (!nodes.len) return;
    bool lanes = r->lanes_kind == LANES_REDUCED;
    for (int k = 0; k < r->nreduced - lanes; k++) to = rows_open_axis(r, to, r->inner[k]);
    if (lanes)
        rows_lane_loops(r, to, index_const(r->arena, 0), index_size(r->arena, r->domain.dim[rows_last(r)]), 1,
                        store_whole, &nodes);
    else
        rows_for_parts(r, to, r->parts, store_whole, &nodes);
}

static void row_body(Rows *r, Stmt *to, void *context) {
    (void)context;
    if (r->from) {
        copy_element(r, to);
        return;
    }
    for (int phase = 1; phase <= r->nphases; phase++) {
        rows_reduce_phase(r, to, phase);
        keep_outer_values(r, to, phase);
    }
    NodeVec outer = {0};
    select_outputs(r, false, &outer);
    if (r->nreduced && outer.len) rows_for_parts(r, to, r->parts, store_outer, &outer);
    store_domain(r, to);
    r->locals.len = 0;
}

static void lower_nest(Rows *r) {
    LowerContext *ctx = r->ctx;
    Stmt *to = ctx->kernel->body = stmt_block(r->arena);
    const Index *from = NULL, *end = NULL;
    if (r->chunks) to = nest_chunks(ctx, to, r->domain.dim[r->chunk_axis], r->chunks, r->chunk_unit, &from, &end);
    for (int k = 0; k < r->nouter; k++) {
        int axis = r->outer[k];
        bool cut = r->chunks && axis == r->chunk_axis;
        const Index *lo = cut ? from : index_const(r->arena, 0);
        const Index *hi = cut ? end : index_size(r->arena, r->domain.dim[axis]);
        if (axis == rows_last(r) && r->lanes_kind == LANES_KEPT) {
            rows_lane_loops(r, to, lo, hi, r->unroll, row_body, NULL);
            return;
        }
        to = loop_open(ctx, to, nest_letter(ctx, &r->domain, axis), lo, hi, 1, &r->at[axis]);
    }
    row_body(r, to, NULL);
}

void lower_rows(LowerContext *ctx) {
    static const char *const recipes[] = {"rows", "rows, vectors", "rows, lanes summed"};
    Rows r = {0};
    rows_plan(&r, ctx);
    lower_nest(&r);
    ctx->kernel->recipe = recipes[r.lanes_kind];
}

void lower_copy(LowerContext *ctx, Buffer *to, Buffer *from) {
    Rows r = {.to = to, .from = from, .domain = buffer_shape(to)};
    rows_plan(&r, ctx);
    lower_nest(&r);
}
