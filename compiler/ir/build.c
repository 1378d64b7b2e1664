// build.c: nodes by the name of their operator, for the elaborator, gradient rules and passes.
#include <string.h>

#include "ir/affine.h"
#include "ops/op.h"

static Node *by_name(Graph *g, const char *name, Node *const *in, int nin) {
    const Op *op = op_find(name);
    if (!op) dlc_bug(g->stage, "there is no operator %s", name);
    return graph_op(g, op, in, nin, NULL);
}

// ---- sources -------------------------------------------------------------------------------------------------------

Node *build_constant(Graph *g, DType dtype, double value) {
    if (!dtype_info[dtype].is_float) return build_constant_int(g, dtype, int_saturate(I64, value));
    return graph_op(g, &op_constant, NULL, 0, (Attr[]){{.i = dtype}, {.f = round_to_dtype(dtype, value)}, {0}});
}

Node *build_constant_int(Graph *g, DType dtype, int64_t value) {
    if (dtype_info[dtype].is_float) return build_constant(g, dtype, (double)value);
    // Wrapped, so that equal constants are one node.
    return graph_op(g, &op_constant, NULL, 0, (Attr[]){{.i = dtype}, {0}, {.i = int_wrap(dtype, (uint64_t)value)}});
}

Node *build_full(Graph *g, const Type *type, double value) {
    return build_broadcast(g, build_constant(g, type->dtype, value), type, NULL);
}

Node *build_argument(Graph *g, const char *name, Type type) {
    // The shape rule finds the type in the list of arguments, so the place is taken first.
    Node place = {.op = &op_argument, .type = type, .attr = (Attr[]){{.s = name}}};
    vec_push(g->arena, &g->arguments, &place);
    Node *node = graph_op(g, &op_argument, NULL, 0, (Attr[]){{.s = name}});
    g->arguments.at[g->arguments.len - 1] = node;
    return node;
}

Node *build_storage(Graph *g, Storage *storage) {
    return graph_op(g, &op_storage, NULL, 0, (Attr[]){{.s = storage->name}});
}

Node *build_size(Graph *g, Dim dim) {
    if (!dim.size) return build_constant_int(g, I64, dim.extent);
    Dim bare = dim_size(dim_bound(dim), dim.size - 1);
    Node *number = graph_op(g, &op_size, NULL, 0, (Attr[]){{.n = 1, .dims = &bare}});
    if (dim.times != 1) number = build_binary(g, "mul", build_constant_int(g, I64, dim.times), number);
    if (dim.plus > 0) return build_binary(g, "add", number, build_constant_int(g, I64, dim.plus));
    return dim.plus ? build_binary(g, "sub", number, build_constant_int(g, I64, -(int64_t)dim.plus)) : number;
}

Node *build_iota(Graph *g, const Type *type, int axis) {
    return graph_op(g, &op_iota, NULL, 0,
                    (Attr[]){{.n = type->rank, .dims = type->dim}, {.i = axis}, {.i = type->dtype}});
}

// ---- element-wise --------------------------------------------------------------------------------------------------

Node *build_unary(Graph *g, const char *op, Node *x) { return by_name(g, op, &x, 1); }

Node *build_binary(Graph *g, const char *op, Node *a, Node *b) { return by_name(g, op, (Node *[]){a, b}, 2); }

Node *build_select(Graph *g, Node *cond, Node *a, Node *b) {
    return graph_op(g, &op_select, (Node *[]){cond, a, b}, 3, NULL);
}

Node *build_cast(Graph *g, Node *x, DType dtype) {
    if (!x || x->type.dtype == dtype) return x;
    return graph_op(g, &op_cast, &x, 1, (Attr[]){{.i = dtype}});
}

// ---- movement ------------------------------------------------------------------------------------------------------

bool shape_broadcast(const Type *a, const Type *b, Type *result) {
    Type to = {.dtype = a->dtype, .rank = a->rank > b->rank ? a->rank : b->rank};
    for (int d = 0; d < to.rank; d++) {
        int i = d - (to.rank - a->rank), j = d - (to.rank - b->rank);
        Dim x = i < 0 ? dim_fixed(1) : a->dim[i], y = j < 0 ? dim_fixed(1) : b->dim[j];
        if (dim_equal(x, y) || dim_equal(y, dim_fixed(1)))
            to.dim[d] = x;
        else if (dim_equal(x, dim_fixed(1)))
            to.dim[d] = y;
        else
            return false;
    }
    *result = to;
    return true;
}

Node *build_broadcast(Graph *g, Node *x, const Type *shape, const int *axes) {
    if (!x) return NULL;
    int64_t wide[MAX_RANK];
    bool moves = !shape_equal(&x->type, shape);
    for (int k = 0; k < x->type.rank && axes; k++) {
        wide[k] = axes[k];
        moves |= axes[k] != k;
    }
    if (!moves) return x;
    return graph_op(g, &op_broadcast, &x, 1,
                    (Attr[]){{.n = shape->rank, .dims = shape->dim}, {.n = x->type.rank, .ints = wide}});
}

Node *build_broadcast_numpy(Graph *g, Node *x, const Type *shape) {
    if (!x) return NULL;
    int axes[MAX_RANK];
    for (int k = 0; k < x->type.rank; k++) axes[k] = k + shape->rank - x->type.rank;
    return build_broadcast(g, x, shape, axes);
}

Node *build_reshape(Graph *g, Node *x, const Type *shape) {
    if (!x || shape_equal(&x->type, shape)) return x;
    return graph_op(g, &op_reshape, &x, 1, (Attr[]){{.n = shape->rank, .dims = shape->dim}});
}

Node *build_transpose(Graph *g, Node *x, const int *perm) {
    if (!x) return NULL;
    int64_t wide[MAX_RANK];
    bool moves = false;
    for (int k = 0; k < x->type.rank; k++) {
        wide[k] = perm[k];
        moves |= perm[k] != k;
    }
    return moves ? graph_op(g, &op_transpose, &x, 1, (Attr[]){{.n = x->type.rank, .ints = wide}}) : x;
}

Node *build_slice(Graph *g, Node *x, const Type *shape, const Count *start, const int64_t *step) {
    if (!x) return NULL;
    bool whole = shape_equal(&x->type, shape);
    for (int k = 0; whole && k < shape->rank; k++) whole = count_equal(start[k], count_fixed(0)) && step[k] == 1;
    if (whole) return x;
    return graph_op(g, &op_slice, &x, 1,
                    (Attr[]){{.n = shape->rank, .dims = shape->dim},
                             {.n = shape->rank, .counts = start},
                             {.n = shape->rank, .ints = step}});
}

Node *build_pad(Graph *g, Node *x, const Type *shape, const Count *start, const int64_t *step, double value) {
    if (!x || shape_equal(&x->type, shape)) return build_slice(g, x, shape, start, step);
    return graph_op(g, &op_pad, &x, 1,
                    (Attr[]){{.n = shape->rank, .dims = shape->dim},
                             {.n = shape->rank, .counts = start},
                             {.n = shape->rank, .ints = step},
                             {.f = value}});
}

Node *build_concat(Graph *g, Node *a, Node *b, int axis) {
    return graph_op(g, &op_concat, (Node *[]){a, b}, 2, (Attr[]){{.i = axis}});
}

// ---- reductions and contractions -----------------------------------------------------------------------------------

// From i on, as indices are called; a and b are the operands in the text form.
static void name_axes(Iter *iter) {
    for (int k = 0; k < iter->naxes; k++) iter->name[k] = (char)('i' + k);
}

Node *build_reduce(Graph *g, ReduceKind kind, Node *x, unsigned axes, Ties ties) {
    if (!x) return NULL;
    if (axes == 0) return x;
    Type shape = {.dtype = x->type.dtype};
    Iter iter = {.naxes = x->type.rank, .nmaps = 2};
    for (int pass = 0; pass < 2; pass++)
        for (int d = 0, axis = pass ? shape.rank : 0; d < x->type.rank; d++) {
            if ((axes >> d & 1) != (unsigned)pass) continue;
            iter.axis[axis] = x->type.dim[d];
            iter.map[1].dim[d] = affine_axis(axis);
            if (!pass) {
                iter.map[0].dim[shape.rank] = affine_axis(axis);
                shape.dim[shape.rank++] = x->type.dim[d];
            }
            axis++;
        }
    iter.nout = iter.map[0].rank = shape.rank;
    iter.map[1].rank = x->type.rank;
    name_axes(&iter);
    return build_reduce_over(g, kind, x, &shape, &iter, ties);
}

Node *build_reduce_over(Graph *g, ReduceKind kind, Node *x, const Type *shape, const Iter *iter, Ties ties) {
    Attr attrs[] = {{.i = kind}, {.i = ties}, {.n = shape->rank, .dims = shape->dim}, {.iter = iter}};
    return graph_op(g, &op_reduce, &x, 1, attrs);
}

Node *build_contract(Graph *g, Node *a, Node *b, const Type *shape, const Iter *iter) {
    Iter named = *iter;
    name_axes(&named);
    Attr attrs[] = {{.n = shape->rank, .dims = shape->dim}, {.iter = &named}};
    return graph_op(g, &op_contract, (Node *[]){a, b}, 2, attrs);
}

// numpy's matmul: a vector counts as a row (left) or column (right) that goes from the result; the axes before the last
// two broadcast. The result's axes come first, then the summed one.
Node *build_matmul(Graph *g, Node *a, Node *b) {
    if (!a || !b) return NULL;
    int ra = a->type.rank, rb = b->type.rank;
    if (ra == 0 || rb == 0) {
        diag_error(g->module->diag, g->span_now, "matmul: a scalar is no matrix; use * instead of @");
        return NULL;
    }
    Dim ka = a->type.dim[ra - 1], kb = b->type.dim[rb == 1 ? 0 : rb - 2];
    if (!dim_equal(ka, kb) || a->type.dtype != b->type.dtype) {
        const Size *sizes = g->module->sizes;
        diag_error(g->module->diag, g->span_now, "matmul: %s differ: %s @ %s",
                   dim_equal(ka, kb) ? "dtypes" : "inner dimensions", type_text(g->arena, &a->type, sizes),
                   type_text(g->arena, &b->type, sizes));
        return NULL;
    }
    Type lead[2] = {a->type, b->type}, shape; // the axes before the last two
    for (int m = 0; m < 2; m++) lead[m].rank = lead[m].rank > 2 ? lead[m].rank - 2 : 0;
    if (!shape_broadcast(&lead[0], &lead[1], &shape)) {
        diag_error(g->module->diag, g->span_now, "matmul: the axes before the last two do not broadcast: %s @ %s",
                   type_text(g->arena, &a->type, g->module->sizes), type_text(g->arena, &b->type, g->module->sizes));
        return NULL;
    }
    int batch = shape.rank, m = ra > 1 ? batch : -1, n = rb > 1 ? batch + (ra > 1) : -1;
    if (m >= 0) shape.dim[shape.rank++] = a->type.dim[ra - 2];
    if (n >= 0) shape.dim[shape.rank++] = b->type.dim[rb - 1];
    int k = shape.rank;
    Iter iter = {.naxes = k + 1, .nout = k, .nmaps = 3};
    for (int d = 0; d < k; d++) {
        iter.axis[d] = shape.dim[d];
        iter.map[0].dim[d] = affine_axis(d);
    }
    iter.axis[k] = ka;
    iter.map[0].rank = k;
    iter.map[1].rank = ra;
    iter.map[2].rank = rb;
    // A batch axis of extent 1 repeats: it is read at 0.
    for (int which = 0; which < 2; which++)
        for (int d = 0, axis = batch - lead[which].rank; d < lead[which].rank; d++, axis++)
            if (dim_equal(lead[which].dim[d], shape.dim[axis])) iter.map[1 + which].dim[d] = affine_axis(axis);
    if (m >= 0) iter.map[1].dim[ra - 2] = affine_axis(m);
    iter.map[1].dim[ra - 1] = affine_axis(k);
    iter.map[2].dim[rb == 1 ? 0 : rb - 2] = affine_axis(k);
    if (n >= 0) iter.map[2].dim[rb - 1] = affine_axis(n);
    return build_contract(g, a, b, &shape, &iter);
}

ReduceKind node_reduces(const Node *node) {
    return node_is(node, reduce) ? (ReduceKind)node_attr(node, "kind")->i : REDUCE_SUM;
}

// ---- looking at nodes -----------------------------------------------------------------------------------------------

bool node_constant(const Node *node, double *value) {
    while (node_is(node, broadcast) || node_is(node, reshape)) node = node->in[0];
    if (!node_is(node, constant)) return false;
    int64_t i = node->attr[2].i;
    bool is_float = dtype_info[node->type.dtype].is_float;
    *value = is_float ? node->attr[1].f : (double)i;
    return is_float || (i >= -(INT64_C(1) << 53) && i <= INT64_C(1) << 53); // an integer that a double cannot hold
}

bool parts_are_placed(const NodeVec *parts, int axis) {
    for (int k = 0; k + 1 < parts->len; k++)
        if (parts->at[k]->type.dim[axis].size) return false;
    return true;
}
