// update.c: a tensor with some of its parts replaced, at indices that are known at run time only.
//     update(x: f32[L, D], i: i32[N], v: f32[N, D])              out = x; out[i[n], d] = v[n, d] for n = 0, 1, ...
//     update(x: f32[B, L, D], i: i32[B], v: f32[B, D])           out[b, i[b], d] = v[b, d], with axis 1 and batch 1
// PyTorch's index_copy. What is out of range is dropped, and of equal indices the last one wins. The first `batch` axes
// of x, index and value are the same rows; the other axes of the index stand where the axis stood.
#include "loops/recipes.h"
#include "ops/rules.h"

typedef struct Places {
    int axis, batch; // of x
    int indices;     // axes of the index that are not rows: they are axes [axis, axis + indices) of the value
} Places;

static Places places_of(const Node *node) {
    Places p = {.axis = (int)node->attr[0].i, .batch = (int)node->attr[1].i};
    p.indices = node->in[1]->type.rank - p.batch;
    return p;
}

// ---- shapes and meaning -------------------------------------------------------------------------------------------

Type update_value_type(const Type *x, const Type *index, int axis, int batch) {
    Type type = {.dtype = x->dtype};
    for (int d = 0; d < axis; d++) type.dim[type.rank++] = x->dim[d];
    for (int d = batch; d < index->rank; d++) type.dim[type.rank++] = index->dim[d];
    for (int d = axis + 1; d < x->rank; d++) type.dim[type.rank++] = x->dim[d];
    return type;
}

static bool update_infer(Infer *infer) {
    const Type *x = &infer->in[0]->type, *index = &infer->in[1]->type, *value = &infer->in[2]->type;
    int64_t axis = infer->attr[0].i, batch = infer->attr[1].i;
    if (!op_check_index(infer, x, index, axis)) return false;
    if (batch < 0 || batch > axis)
        return op_refuse(infer, "axis %d of %s is a batch axis: with %d of them the axis is %d or a later one",
                         (int)axis, op_shown(infer, x), (int)batch, (int)batch);
    for (int d = 0; d < batch; d++)
        if (d >= index->rank || !dim_equal(index->dim[d], x->dim[d]))
            return op_refuse(infer, "the batch axes come first in x and in the indices: got %s and %s",
                             op_shown(infer, x), op_shown(infer, index));
    Type want = update_value_type(x, index, (int)axis, (int)batch);
    infer->type = *x;
    if (type_equal(&want, value)) return true;
    return op_refuse(infer, "what %s gets at %s along axis %d must be %s, got %s", op_shown(infer, x),
                     op_shown(infer, index), (int)axis, op_shown(infer, &want), op_shown(infer, value));
}

static void eval_update(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    Places p = places_of(node);
    const Tensor *x = in[0], *index = in[1], *value = in[2];
    int64_t inner = elements_after(x, p.axis), n = x->shape[p.axis], each = 1, rows = 1;
    for (int d = p.batch; d < index->rank; d++) each *= index->shape[d];
    for (int d = p.batch; d < p.axis; d++) rows *= x->shape[d];
    for (int64_t k = 0; k < out->count; k++) tensor_copy(out, k, x, k);
    for (int64_t k = 0; k < value->count; k++) {
        int64_t outer = k / inner / each, j = index->i[outer / rows * each + k / inner % each];
        if (j >= 0 && j < n) tensor_copy(out, (outer * n + j) * inner + k % inner, value, k);
    }
}

// ---- the gradient -------------------------------------------------------------------------------------------------

static Node *build_update(Graph *g, Node *x, Node *index, Node *value, int axis, int batch) {
    return graph_op(g, &op_update, (Node *[]){x, index, value}, 3, (Attr[]){{.i = axis}, {.i = batch}});
}

// The number of an element of the index among axes [from, to) of it, row-major.
static Node *number_of(Graph *g, const Type *index, int from, int to) {
    if (from == to) return build_full(g, index, 0);
    Node *number = build_iota(g, index, from);
    for (int d = from + 1; d < to; d++) {
        number = build_binary(g, "mul", number, op_extent(g, index->dim[d], index));
        number = build_binary(g, "add", number, build_iota(g, index, d));
    }
    return number;
}

// As many as all these axes have elements. False: that is counted by two run-time sizes.
static bool dims_join(const Dim *dims, int n, Dim *joined) {
    *joined = dim_fixed(1);
    for (int d = 0; d < n; d++) {
        Dim sized = dims[d].size ? dims[d] : *joined, other = dims[d].size ? *joined : dims[d];
        if (other.size) return false;
        if (!sized.size)
            *joined = dim_fixed(sized.extent * other.extent);
        else if (!dim_make(sized, (int64_t)sized.times * other.extent, (int64_t)sized.plus * other.extent, joined))
            return false;
    }
    return true;
}

// y[rows, .., r, ..] = x[rows, .., index[rows, r], ..]: a gather along the axis that the rows and it become together.
static Node *take(Graph *g, Node *x, Node *index, int axis, int batch) {
    if (!batch) return graph_op(g, &op_gather, (Node *[]){x, index}, 2, &(Attr){.i = axis});
    int to[MAX_RANK], back[MAX_RANK], n = 0, indices = index->type.rank - batch, between = axis - batch;
    for (int d = 0; d < batch; d++) to[n++] = d;
    to[n++] = axis;
    for (int d = batch; d < x->type.rank; d++)
        if (d != axis) to[n++] = d;
    Node *moved = build_transpose(g, x, to);
    Type flat = {.dtype = x->type.dtype, .rank = 1};
    if (!moved || !dims_join(moved->type.dim, batch + 1, &flat.dim[0])) {
        if (moved)
            diag_error(g->module->diag, g->span_now,
                       "update: there is no gradient for the value, because the rows and the axis of %s are counted by "
                       "two run-time sizes",
                       type_text(g->arena, &x->type, g->module->sizes));
        return NULL;
    }
    for (int d = batch + 1; d < x->type.rank; d++) flat.dim[flat.rank++] = moved->type.dim[d];
    Node *extent = op_extent(g, x->type.dim[axis], &index->type), *zero = build_full(g, &index->type, 0);
    Node *last = build_binary(g, "sub", extent, build_full(g, &index->type, 1));
    Node *inside = graph_op(g, &op_clip, (Node *[]){index, zero, last}, 3, NULL);
    Node *row = build_binary(g, "mul", number_of(g, &index->type, 0, batch), extent);
    Node *taken =
        graph_op(g, &op_gather, (Node *[]){build_reshape(g, moved, &flat), build_binary(g, "add", row, inside)}, 2,
                 &(Attr){.i = 0});
    // rows, indices, what was between, the rest: back to rows, between, indices, the rest.
    n = 0;
    for (int d = 0; d < batch; d++) back[n++] = d;
    for (int d = 0; d < between; d++) back[n++] = batch + indices + d;
    for (int d = 0; d < indices; d++) back[n++] = batch + d;
    for (int d = n; d < x->type.rank - 1 + indices; d++) back[n++] = d;
    return taken ? build_transpose(g, taken, back) : NULL;
}

// Which of the indices are in range and the last of their row that lead to a place: it writes its number there, and
// reads what stands there in the end.
static Node *winners(Graph *g, const Node *y) {
    Places p = places_of(y);
    Node *index = y->in[1];
    const Type *type = &index->type;
    Dim along = y->type.dim[p.axis];
    Node *wins = build_binary(g, "and", build_binary(g, "ge", index, build_full(g, type, 0)),
                              build_binary(g, "lt", index, op_extent(g, along, type)));
    bool alone = true;
    for (int d = p.batch; d < type->rank; d++) alone &= dim_is_one(type->dim[d]);
    if (alone) return wins;
    Type board = {.dtype = type->dtype, .rank = p.batch + 1};
    for (int d = 0; d < p.batch; d++) board.dim[d] = type->dim[d];
    board.dim[p.batch] = along;
    Node *number = number_of(g, type, p.batch, type->rank);
    Node *written = build_update(g, build_full(g, &board, -1), index, number, p.batch, p.batch);
    Node *last = take(g, written, index, p.batch, p.batch);
    return last ? build_binary(g, "and", wins, build_binary(g, "eq", last, number)) : NULL;
}

// dx is dy with zeros where x was replaced; dvalue is what dy has there, for those that were not replaced again.
static Node *grad_update(Graph *g, Node *y, Node *dy, int i) {
    Places p = places_of(y);
    Node *index = y->in[1], *value = y->in[2];
    Node *zero = i == 1 ? NULL : build_full(g, &value->type, 0);
    if (i == 1) return NULL;
    if (i == 0) return build_update(g, dy, index, zero, p.axis, p.batch);
    Node *taken = take(g, dy, index, p.axis, p.batch), *wins = taken ? winners(g, y) : NULL;
    if (!wins) return NULL;
    int axes[MAX_RANK];
    for (int d = 0; d < index->type.rank; d++) axes[d] = d < p.batch ? d : p.axis + d - p.batch;
    Type mask = type_with_dtype(value->type, BOOL);
    return build_select(g, build_broadcast(g, wins, &mask, axes), taken, zero);
}

// ---- loops --------------------------------------------------------------------------------------------------------

const Node *update_changes(const Node *node) {
    if (!node_is(node, update)) return NULL;
    for (node = node->in[0]; node->op->traits & OP_IDENTITY;) node = node->in[0];
    return node;
}

// The index in a local variable, so that the loops inside do not compute it again.
static Index *keep_index(LowerContext *ctx, Stmt *to, const Index *index) {
    const Atom *atom = &index->term[0].atom;
    Buffer *local = accumulator_new(ctx, "to", atom->loaded->dtype, REDUCE_MAX);
    stmt_append(ctx->arena, to, stmt_local(ctx->arena, local, atom->loaded));
    return index_loaded(ctx->arena, expr_load(ctx->arena, local, NULL, 1), atom->lo, atom->hi, atom->other);
}

// x, unless it lies where the result does; then one part after another. An index out of range becomes -1 or the extent,
// which the guards leave out.
static void nest_update(LowerContext *ctx, const Node *node) {
    Arena *arena = ctx->arena;
    Places p = places_of(node);
    const Node *index = node->in[1], *value = node->in[2];
    Buffer *to = ctx->program->of_node[node->id];
    Index *at[MAX_RANK] = {NULL}, *out[MAX_RANK], *which[MAX_RANK];
    if (ctx->program->of_node[update_changes(node)->id] != to) {
        Stmt *copy = nest_shape(ctx, ctx->kernel->body, &node->type, -1, out);
        stmt_append(arena, copy, stmt_store(arena, to, out, lower_value(ctx, node->in[0], out)));
    }
    Stmt *body = ctx->kernel->body, *guard = stmt_if(arena);
    lower_forget(ctx);
    int last = p.axis + p.indices; // of the axes that the index depends on
    for (int d = 0; d < last; d++)
        body = nest_open(ctx, body, nest_letter(ctx, &value->type, d), value->type.dim[d], &at[d]);
    Index *end = index_size(arena, node->type.dim[p.axis]);
    for (int d = 0; d < index->type.rank; d++) which[d] = at[d < p.batch ? d : p.axis + d - p.batch];
    out[p.axis] = keep_index(ctx, body, op_loaded_index(ctx, index, which, -1, end));
    vec_push(arena, &guard->cond, out[p.axis]);
    vec_push(arena, &guard->cond,
             index_add_const(arena, index_add(arena, end, index_scale(arena, out[p.axis], -1)), -1));
    stmt_append(arena, body, guard);
    for (int d = last; d < value->type.rank; d++)
        guard = nest_open(ctx, guard, nest_letter(ctx, &value->type, d), value->type.dim[d], &at[d]);
    for (int d = 0; d < node->type.rank; d++)
        if (d != p.axis) out[d] = at[d < p.axis ? d : d - 1 + p.indices];
    stmt_append(arena, guard, stmt_store(arena, to, out, lower_value(ctx, value, at)));
}

DEFINE_OP(update){
    .name = "update",
    .doc =
        "x with the parts at run-time indices replaced; an index out of range is dropped, of equal ones the last wins",
    .example = "update(x: f32[5, 3], i: i32[4], v: f32[4, 3])",
    .inputs = 3,
    .attrs = {{"axis", ATTR_INT, "of x, along which the indices lead", NULL},
              {"batch", ATTR_INT, "how many first axes of x, indices and value are rows with indices of their own",
               NULL}},
    .traits = OP_ALONE,
    .infer = update_infer,
    .eval = eval_update,
    .grad = grad_update,
    .nest = nest_update,
};
