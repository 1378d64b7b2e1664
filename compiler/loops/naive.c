// naive.c: one readable nest per node: all of -O0, and at -O2 what no recipe covers (windows).
//     %2 = contract %0, %1 [n o | i] out[n, o] += a[n, i] * b[o, i]
//     for n = 0 .. N:
//       for o = 0 .. 256:
//         local sum: f32 double = 0
//         for i = 0 .. 784:
//           sum += mul(image[n, i], w[o, i])
//         out[n, o] = sum
// Sums of floats are held as double (lower_sums_to_floats changes that for c11 at -O2), but for those that are added up
// in the result itself, by scatter. Reads out of range are left out by guards, which ranges remove where they can.
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "ir/affine.h"
#include "loops/recipes.h"

// ---- loops ----------------------------------------------------------------------------------------------------------

Stmt *nest_open(LowerContext *ctx, Stmt *to, const char *name, Dim dim, Index **at) {
    Var *var = var_new(ctx, name);
    Stmt *loop = stmt_for(ctx->arena, var, index_const(ctx->arena, 0), index_size(ctx->arena, dim), 1);
    stmt_append(ctx->arena, to, loop);
    *at = index_var(ctx->arena, var);
    return loop;
}

Stmt *nest_count(LowerContext *ctx, Stmt *to, ForKind kind, const char *name, int n, Index **at) {
    if (n == 1) {
        *at = index_const(ctx->arena, 0);
        return to;
    }
    Stmt *loop = nest_open(ctx, to, name, dim_fixed(n), at);
    loop->loop = kind;
    return loop;
}

const char *nest_letter(const LowerContext *ctx, const Type *type, int axis) {
    static const char *const letters[MAX_RANK] = {"i", "j", "k", "l", "p", "q", "r", "s"};
    Dim dim = type->dim[axis];
    const char *size = dim.size ? ctx->program->graph->module->sizes[dim.size - 1].name : "";
    if (strlen(size) != 1) return letters[axis];
    return arena_printf(ctx->arena, "%c", tolower((unsigned char)size[0]));
}

static Stmt *open_axis(LowerContext *ctx, Stmt *to, const Iter *iter, int axis, Index **at) {
    char name[2] = {iter->name[axis], 0};
    return nest_open(ctx, to, name, iter->axis[axis], &at[axis]);
}

// ---- windows --------------------------------------------------------------------------------------------------------

// A run-time axis is indexed by itself (ops/iter.c), so only fixed ones can be left.
static void guard_axis(LowerContext *ctx, Stmt **guard, const Index *index, Dim dim) {
    int64_t lo, hi;
    if (dim.size || (index_range(index, &lo, &hi) && lo >= 0 && hi < dim.extent)) return;
    if (!*guard) *guard = stmt_if(ctx->arena);
    Index *above = index_add_const(ctx->arena, index_scale(ctx->arena, index, -1), dim.extent - 1);
    bool known = index_range(index, &lo, &hi);
    if (!known || lo < 0) vec_push(ctx->arena, &(*guard)->cond, index);
    if (!known || hi >= dim.extent) vec_push(ctx->arena, &(*guard)->cond, above);
}

// Where the map leads from the iteration axes `at`; *guard gets the conditions for that to be inside the tensor.
static void map_indices(LowerContext *ctx, const Iter *iter, const Map *map, const Type *type, Index *const *at,
                        Index **to, Stmt **guard) {
    for (int d = 0; d < map->rank; d++) {
        to[d] = index_of_affine(ctx->arena, &map->dim[d], at, iter->naxes);
        guard_axis(ctx, guard, to[d], type->dim[d]);
    }
}

// True when each axis of the result is an iteration axis of its own: out_axis[d].
static bool is_gather(const Iter *iter, const Type *type, int *out_axis) {
    unsigned seen = 0;
    for (int d = 0; d < type->rank; d++) {
        int axis = affine_bare_axis(&iter->map[0].dim[d]);
        if (axis < 0 || seen >> axis & 1) return false;
        if (!dim_equal(iter->axis[axis], type->dim[d])) return false;
        seen |= 1u << axis;
        out_axis[d] = axis;
    }
    return true;
}

// ---- accumulation ---------------------------------------------------------------------------------------------------

Expr *reduce_identity(Arena *arena, DType dtype, ReduceKind kind) {
    Expr *e = expr_const(arena, dtype, 0);
    if (dtype_info[dtype].is_float)
        e->f = reduce_identity_float(kind);
    else
        e->i = reduce_identity_int(kind, dtype);
    return e;
}

Buffer *accumulator_new(LowerContext *ctx, const char *name, DType dtype, ReduceKind kind) {
    Buffer *acc = buffer_scratch(ctx->program, name, dtype, 0, NULL, SCOPE_REGISTER);
    acc->accumulate_double = dtype_info[dtype].is_float && kind == REDUCE_SUM;
    return acc;
}

// What one point of the iteration space adds.
static Expr *term_at(LowerContext *ctx, const Node *node, const Iter *iter, Index *const *at, Stmt **guard) {
    Expr *factor[2];
    for (int k = 0; k < node->nin; k++) {
        Index *from[MAX_RANK];
        map_indices(ctx, iter, &iter->map[1 + k], &node->in[k]->type, at, from, guard);
        factor[k] = lower_value(ctx, node->in[k], from);
    }
    return node->nin == 1 ? factor[0] : expr_apply(ctx->arena, NULL, &op_mul, node->type.dtype, factor, 2);
}

static void append_guarded(LowerContext *ctx, Stmt *to, Stmt *guard, Stmt *stmt) {
    if (guard) {
        stmt_append(ctx->arena, to, guard);
        to = guard;
    }
    stmt_append(ctx->arena, to, stmt);
}

static void gather(LowerContext *ctx, const Node *node, const Iter *iter, ReduceKind kind, const int *out_axis) {
    Index *at[MAX_AXES], *out[MAX_RANK];
    Stmt *outer = ctx->kernel->body, *guard = NULL;
    unsigned opened = 0;
    for (int d = 0; d < node->type.rank; d++) {
        outer = open_axis(ctx, outer, iter, out_axis[d], at);
        out[d] = at[out_axis[d]];
        opened |= 1u << out_axis[d];
    }
    Buffer *acc = accumulator_new(ctx, reduce_words[kind], node->type.dtype, kind);
    stmt_append(ctx->arena, outer, stmt_local(ctx->arena, acc, reduce_identity(ctx->arena, node->type.dtype, kind)));
    Stmt *inner = outer;
    for (int k = 0; k < iter->naxes; k++)
        if (!(opened >> k & 1)) inner = open_axis(ctx, inner, iter, k, at);
    Expr *term = term_at(ctx, node, iter, at, &guard);
    append_guarded(ctx, inner, guard, stmt_accumulate(ctx->arena, acc, NULL, kind, term));
    Buffer *to = ctx->program->of_node[node->id];
    stmt_append(ctx->arena, outer, stmt_store(ctx->arena, to, out, expr_load(ctx->arena, acc, NULL, 1)));
}

static Stmt *open_shape(LowerContext *ctx, const Type *type, Index **at) {
    Stmt *to = ctx->kernel->body;
    for (int d = 0; d < type->rank; d++) to = nest_open(ctx, to, nest_letter(ctx, type, d), type->dim[d], &at[d]);
    return to;
}

// For each axis of the result the first iteration axis that walks along it. Loops over these alone meet every element
// of the result once; the other axes meet elements again, and are summed.
static unsigned leading_axes(const Iter *iter) {
    unsigned leading = 0;
    for (int d = 0; d < iter->map[0].rank; d++)
        for (int k = 0; k < iter->naxes; k++) {
            if (!iter->map[0].dim[d].coef[k] || leading >> k & 1) continue;
            leading |= 1u << k;
            break;
        }
    return leading;
}

// Results that several points reach, or none: zeros first, then every point adds where it leads.
//     for l = 0 .. 3:           a window's axis: outermost, so that no inner loop comes to an element twice
//       for i = 0 .. 8:
//         local sum = 0
//         for m = 0 .. 4:
//           sum += mul(a[m, i], b[m, l])
//         out[i + l] += sum
// clang 14 moves the loads of `out[i * 6 + 1]` and its neighbours in front of stores to them (LLVM's issue 63602) where
// the loop over `l` is the inner one and unrolled.
static void scatter(LowerContext *ctx, const Node *node, const Iter *iter, ReduceKind kind) {
    Index *at[MAX_AXES], *out[MAX_RANK];
    Buffer *to = ctx->program->of_node[node->id];
    Stmt *zero = open_shape(ctx, &node->type, out);
    stmt_append(ctx->arena, zero, stmt_store(ctx->arena, to, out, reduce_identity(ctx->arena, node->type.dtype, kind)));
    Stmt *outer = ctx->kernel->body, *guard = NULL, *term_guard = NULL;
    unsigned leading = leading_axes(iter), inside = 0;
    for (int k = 0; k < iter->naxes; k++) inside |= (unsigned)!map_uses(&iter->map[0], k) << k;
    for (int k = 0; k < iter->naxes; k++)
        if (!((leading | inside) >> k & 1)) outer = open_axis(ctx, outer, iter, k, at);
    for (int k = 0; k < iter->naxes; k++)
        if (leading >> k & 1) outer = open_axis(ctx, outer, iter, k, at);
    map_indices(ctx, iter, &iter->map[0], &node->type, at, out, &guard);
    if (!inside) {
        Expr *term = term_at(ctx, node, iter, at, &guard);
        append_guarded(ctx, outer, guard, stmt_accumulate(ctx->arena, to, out, kind, term));
        return;
    }
    if (guard) {
        stmt_append(ctx->arena, outer, guard);
        outer = guard;
    }
    Buffer *acc = accumulator_new(ctx, reduce_words[kind], node->type.dtype, kind);
    stmt_append(ctx->arena, outer, stmt_local(ctx->arena, acc, reduce_identity(ctx->arena, node->type.dtype, kind)));
    Stmt *inner = outer;
    for (int k = 0; k < iter->naxes; k++)
        if (inside >> k & 1) inner = open_axis(ctx, inner, iter, k, at);
    Expr *term = term_at(ctx, node, iter, at, &term_guard);
    append_guarded(ctx, inner, term_guard, stmt_accumulate(ctx->arena, acc, NULL, kind, term));
    stmt_append(ctx->arena, outer, stmt_accumulate(ctx->arena, to, out, kind, expr_load(ctx->arena, acc, NULL, 1)));
}

void lower_naive(LowerContext *ctx) {
    const Node *node = ctx->group->root;
    ctx->kernel->recipe = "naive";
    ctx->kernel->body = stmt_block(ctx->arena);
    if (node->op->nest) {
        node->op->nest(ctx, node);
        return;
    }
    if (node->op->traits & OP_REDUCES) {
        const Iter *iter = node_attr(node, "iter")->iter;
        ReduceKind kind = node_reduces(node);
        int out_axis[MAX_RANK];
        if (is_gather(iter, &node->type, out_axis))
            gather(ctx, node, iter, kind, out_axis);
        else
            scatter(ctx, node, iter, kind);
        return;
    }
    Index *at[MAX_RANK];
    Stmt *inner = open_shape(ctx, &node->type, at);
    Expr *value = lower_value(ctx, node, at);
    stmt_append(ctx->arena, inner, stmt_store(ctx->arena, ctx->program->of_node[node->id], at, value));
}
