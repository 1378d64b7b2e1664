// naive.c: plain loops, one element at a time: all of -O0, and at -O2 what no recipe covers: sorting, and contractions
// that fit no register tile (integers, results that no gathering reaches).
//
//     %2 = contract %0, %1 [n o | i] out[n, o] += a[n, i] * b[o, i]
//     for n = 0 .. N:
//       for o = 0 .. 256:
//         local sum: f32 double = 0
//         for i = 0 .. 784:
//           sum += mul(image[n, i], w[o, i])
//         out[n, o] = sum
//
// Sums of floats are held as double (lower_sums_to_floats changes that for c11 at -O2), but for those that are added up
// in memory, by scatter. Reads out of range are left out by guards, which ranges remove where they can.
#include <ctype.h>
#include <string.h>

#include "ir/affine.h"
#include "loops/recipes.h"

// ---- loops ----------------------------------------------------------------------------------------------------------

Stmt *nest_open(LowerContext *ctx, Stmt *to, const char *name, Dim dim, Index **at) {
    return loop_open(ctx, to, name, index_const(ctx->arena, 0), index_size(ctx->arena, dim), 1, at);
}

Stmt *nest_shape(LowerContext *ctx, Stmt *to, const Type *type, int but, Index **at) {
    for (int d = 0; d < type->rank; d++)
        if (d != but) to = nest_open(ctx, to, nest_letter(ctx, type, d), type->dim[d], &at[d]);
    return to;
}

bool nest_is_empty(Arena *arena, const Index *lo, const Index *hi) {
    int64_t least, most;
    return index_range(index_add(arena, hi, index_scale(arena, lo, -1)), &least, &most) && most <= 0;
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

Stmt *nest_chunks(LowerContext *ctx, Stmt *to, Dim dim, int chunks, int unit, const Index **lo, const Index **hi) {
    Arena *arena = ctx->arena;
    int64_t bound = dim.extent, most = bound + (int64_t)unit * (chunks + 1), fixed;
    Index *chunk, *extent = index_size(arena, dim);
    Stmt *loop = nest_open(ctx, to, "chunk", dim_fixed(most > INT32_MAX ? 1 : chunks), &chunk);
    loop->loop = FOR_CHUNKS;
    *lo = index_const(arena, 0), *hi = extent;
    if (most > INT32_MAX) return loop;
    while (ceil_div(bound, unit) * chunks > INT32_MAX) unit *= 2;
    int64_t units = ceil_div(bound, unit), each = ceil_div(units, chunks) * unit;
    if (index_is_const(extent, &fixed)) {
        // Chunk c has the units [c * units / chunks, (c + 1) * units / chunks).
        Index *first = index_scale(arena, chunk, units), *next = index_add_const(arena, first, units);
        *lo = index_scale(arena, index_div(arena, first, chunks), unit);
        *hi = index_scale(arena, index_div(arena, next, chunks), unit);
        if (units * unit != bound) *hi = index_min(arena, *hi, extent);
        return loop;
    }
    *lo = index_scale(arena, chunk, each);
    *hi = index_min(arena, index_add_const(arena, *lo, each), extent);
    if (unit == 1) return loop;
    Stmt *some = stmt_if(arena);
    vec_push(arena, &some->cond, index_add(arena, index_add_const(arena, extent, -1), index_scale(arena, *lo, -1)));
    stmt_append(arena, loop, some);
    return some;
}

const char *nest_letter(const LowerContext *ctx, const Type *type, int axis) {
    static const char *const letters[MAX_RANK] = {"i", "j", "k", "l", "p", "q", "r", "s"};
    Dim dim = type->dim[axis];
    const char *size = dim.size ? ctx->program->graph->module->sizes[dim.size - 1].name : "";
    if (strlen(size) != 1) return letters[axis];
    return arena_printf(ctx->arena, "%c", tolower((unsigned char)size[0]));
}

// ---- guards ---------------------------------------------------------------------------------------------------------

// A run-time axis is indexed by itself (ops/iter.c), so only fixed ones can be left.
void guard_axis(Arena *arena, Stmt *guard, const Index *index, Dim dim) {
    int64_t lo, hi;
    if (dim.size) return;
    bool known = index_range(index, &lo, &hi);
    Index *above = index_add_const(arena, index_scale(arena, index, -1), dim.extent - 1);
    if (!known || lo < 0) vec_push(arena, &guard->cond, index);
    if (!known || hi >= dim.extent) vec_push(arena, &guard->cond, above);
}

Stmt *guard_open(Arena *arena, Stmt *to, Stmt *guard) {
    if (!guard->cond.len) return to;
    stmt_append(arena, to, guard);
    return guard;
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

// A contraction or reduction, and where its axes stand.
typedef struct Sum {
    LowerContext *ctx;
    Arena *arena;
    Epilogue *epilogue;
    const Node *node;
    const Iter *iter;
    ReduceKind kind;
    Index *at[MAX_AXES];
} Sum;

// Loops over a set of axes, in their order.
static Stmt *open_axes(Sum *s, Stmt *to, unsigned set) {
    for (int k = 0; k < s->iter->naxes; k++)
        if (set >> k & 1) to = nest_open(s->ctx, to, (char[]){s->iter->name[k], 0}, s->iter->axis[k], &s->at[k]);
    return to;
}

// Where map m leads; the guard gets the conditions for that to be inside the tensor.
static void map_at(Sum *s, int m, Index **at, Stmt *guard) {
    const Map *map = &s->iter->map[m];
    const Type *type = m ? &s->node->in[m - 1]->type : &s->node->type;
    for (int d = 0; d < map->rank; d++) {
        at[d] = index_of_affine(s->arena, &map->dim[d], s->at, s->iter->naxes);
        guard_axis(s->arena, guard, at[d], type->dim[d]);
    }
}

// What one point of the iteration space adds to `sum`.
static void add_term(Sum *s, Stmt *to, Stmt *guard, Buffer *sum, Index *const *at) {
    Expr *factor[2] = {0};
    lower_forget(s->ctx);
    for (int k = 0; k < s->node->nin; k++) {
        Index *from[MAX_RANK];
        map_at(s, 1 + k, from, guard);
        factor[k] = lower_value(s->ctx, s->node->in[k], from);
    }
    bool product = s->node->nin == 2;
    Expr *term = product ? expr_apply(s->arena, NULL, &op_mul, s->node->type.dtype, factor, 2) : factor[0];
    stmt_append(s->arena, guard_open(s->arena, to, guard), stmt_accumulate(s->arena, sum, at, s->kind, term));
}

// The sum over a set of axes, in a register.
static Expr *sum_over(Sum *s, Stmt *to, unsigned axes) {
    DType dtype = s->node->type.dtype;
    Buffer *sum = accumulator_new(s->ctx, reduce_words[s->kind], dtype, s->kind);
    stmt_append(s->arena, to, stmt_local(s->arena, sum, reduce_identity(s->arena, dtype, s->kind)));
    add_term(s, open_axes(s, to, axes), stmt_if(s->arena), sum, NULL);
    return expr_load(s->arena, sum, NULL, 1);
}

// Stores what follows from the sum of one element, and returns where.
static Stmt *gather_element(Sum *s, Stmt *to, unsigned axes, Index **at) {
    Stmt *guard = stmt_if(s->arena);
    s->epilogue->sum = sum_over(s, to, axes);
    map_at(s, 0, at, guard);
    to = guard_open(s->arena, to, guard);
    epilogue_store(s->epilogue, to, &s->node->type, at, 1);
    return to;
}

// With a pool, `windows` are the axes that run over the elements of one of its windows.
static void gather(Sum *s, Stmt *to, unsigned summed, unsigned windows) {
    Arena *arena = s->arena;
    Epilogue *e = s->epilogue;
    Index *at[MAX_RANK];
    to = open_axes(s, to, ~summed & ~windows);
    if (!e->pool) {
        gather_element(s, to, summed, at);
        return;
    }
    ReduceKind kind = node_reduces(e->pool);
    Buffer *pooled = accumulator_new(s->ctx, "pooled", e->pool->type.dtype, kind);
    stmt_append(arena, to, stmt_local(arena, pooled, reduce_identity(arena, pooled->dtype, kind)));
    Stmt *inside = gather_element(s, open_axes(s, to, windows), summed, at);
    stmt_append(arena, inside, stmt_accumulate(arena, pooled, NULL, kind, epilogue_value(e, e->pool->in[0], at, 1)));
    e->pooled = expr_load(arena, pooled, NULL, 1);
    pool_at(e->pool, s->iter, windows, s->at, at);
    epilogue_store(e, to, &e->pool->type, at, 1);
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
//     for l = 0 .. 3:             a window's axis: outermost, so that no inner loop comes to an element twice
//       for n = 0 .. N:
//         for i = 0 .. 8:
//           local sum = 0
//           for m = 0 .. 4:
//             sum += mul(a[n, m, i], b[m, l])
//           out[n, i + l] += sum
// clang 14 moves the loads of `out[i * 6 + 1]` and its neighbours before stores to them (LLVM's issue 63602) where
// the loop over `l` is the inner one and unrolled.
// The sums are the result itself, unless something follows from them: then they have an array of their own.
static void scatter(Sum *s, Stmt *body, unsigned summed) {
    Arena *arena = s->arena;
    LowerContext *ctx = s->ctx;
    const Type *type = &s->node->type;
    Index *at[MAX_RANK];
    bool direct = s->epilogue->outputs.len == 1 && s->epilogue->outputs.at[0] == s->node;
    Buffer *sums = direct ? ctx->program->of_node[s->node->id]
                          : buffer_scratch(ctx->program, "sums", type->dtype, type->rank, type->dim, SCOPE_ARENA);
    Stmt *zero = nest_shape(ctx, body, type, -1, at), *guard = stmt_if(arena);
    stmt_append(arena, zero, stmt_store(arena, sums, at, reduce_identity(arena, type->dtype, s->kind)));
    unsigned leading = leading_axes(s->iter);
    Stmt *to = open_axes(s, open_axes(s, body, ~leading & ~summed), leading);
    map_at(s, 0, at, guard);
    if (summed) {
        to = guard_open(arena, to, guard);
        Expr *sum = sum_over(s, to, summed);
        stmt_append(arena, to, stmt_accumulate(arena, sums, at, s->kind, sum));
    } else {
        add_term(s, to, guard, sums, at);
    }
    if (direct) return;
    Stmt *finish = nest_shape(ctx, body, type, -1, at);
    s->epilogue->sum = expr_load(arena, sums, at, 1);
    epilogue_store(s->epilogue, finish, type, at, 1);
}

void naive_sum(Epilogue *epilogue, const Iter *iter, bool gathers, unsigned windows) {
    const Node *node = epilogue->root;
    LowerContext *ctx = epilogue->ctx;
    Sum s = {.ctx = ctx, .arena = ctx->arena, .epilogue = epilogue, .node = node, .iter = iter};
    s.kind = node_reduces(node);
    unsigned summed = 0;
    for (int k = 0; k < iter->naxes; k++) summed |= (unsigned)!map_uses(&iter->map[0], k) << k;
    if (gathers)
        gather(&s, ctx->kernel->body, summed, windows);
    else
        scatter(&s, ctx->kernel->body, summed);
}

void lower_naive(LowerContext *ctx) {
    const Node *node = ctx->group->root;
    ctx->kernel->recipe = "naive";
    if (node->op->nest) {
        node->op->nest(ctx, node);
        return;
    }
    if (node->op->traits & OP_REDUCES) {
        const Iter *iter = node_attr(node, "iter")->iter;
        naive_sum(epilogue_new(ctx), iter, map_is_bare(iter, &iter->map[0], &node->type), 0);
        return;
    }
    Index *at[MAX_RANK];
    Stmt *inner = nest_shape(ctx, ctx->kernel->body, &node->type, -1, at);
    Expr *value = lower_value(ctx, node, at);
    stmt_append(ctx->arena, inner, stmt_store(ctx->arena, ctx->program->of_node[node->id], at, value));
}
