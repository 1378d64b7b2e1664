// float_sums.c: sums of floats without doubles, for targets whose machines may have none.
//     local sum: f32 double = 0                 local sum: f32 = 0
//     for i = 0 .. 4096:                        for block = 0 .. 4096 step 1024:
//       sum += x[n, i]               ->           local sum_block: f32 = 0
//                                                 for i = block .. min(block + 1024, 4096):
//                                                   sum_block += x[n, i]
//                                                 sum += sum_block
// Recipes hold scalar sums as double. Here they become float, and no accumulator takes more than MAX_TERMS
// terms: longer sums are added up in blocks first. A running sum, which is read as it grows, reads as `sum +
// sum_block`.
#include <string.h>

#include "loops/recipes.h"

typedef VEC(Buffer *) Sums;

typedef struct FloatSums {
    LowerContext *ctx;
    Arena *arena;
    const Sums *sums; // declared in the statements at hand
} FloatSums;

// ---- what a statement does with a sum -----------------------------------------------------------------------------

// STMT_ACCUMULATE: adds to the sum somewhere; STMT_STORE: assigns it anew.
static bool writes(const Stmt *stmt, StmtKind kind, const Buffer *sum) {
    if (stmt->kind == kind && stmt->buffer == sum) return true;
    for (int k = 0; k < stmt->body.len; k++)
        if (writes(stmt->body.at[k], kind, sum)) return true;
    return false;
}

// e with `sum + part` in place of each load of the sum. Expressions are shared, so those that change are copied.
static Expr *with_part(FloatSums *f, Expr *e, const Buffer *sum, Buffer *part) {
    if (e->kind == EXPR_LOAD && e->buffer == sum) {
        Expr *both[2] = {e, expr_load(f->arena, part, (Index *const *)e->at, 1)};
        return expr_apply(f->arena, NULL, &op_add, sum->dtype, both, 2);
    }
    Expr *copy = e;
    for (int k = 0; k < e->nargs; k++) {
        Expr *arg = with_part(f, e->arg[k], sum, part);
        if (arg == e->arg[k]) continue;
        if (copy == e) {
            copy = NEW(f->arena, Expr);
            *copy = *e;
            copy->arg = NEW_ARRAY(f->arena, Expr *, e->nargs);
            memcpy(copy->arg, e->arg, sizeof *e->arg * (size_t)e->nargs);
        }
        copy->arg[k] = arg;
    }
    return copy;
}

static void replace(FloatSums *f, Stmt *stmt, const Buffer *sum, Buffer *by) {
    if (stmt->value) stmt->value = with_part(f, stmt->value, sum, by);
    if (stmt->kind == STMT_ACCUMULATE && stmt->buffer == sum) stmt->buffer = by;
    for (int k = 0; k < stmt->body.len; k++) replace(f, stmt->body.at[k], sum, by);
}

// The most iterations, 1 at least.
static int64_t trips(Arena *arena, const Stmt *loop, const Index *hi) {
    int64_t lo, most = INT64_MAX;
    const Atom *min =
        hi->nterms == 1 && hi->term[0].coef == 1 && hi->term[0].atom.kind == ATOM_MIN ? &hi->term[0].atom : NULL;
    if (min) {
        int64_t a = trips(arena, loop, index_add_const(arena, min->of, hi->c));
        int64_t b = trips(arena, loop, index_add_const(arena, min->other, hi->c));
        return a < b ? a : b;
    }
    if (!index_range(index_add(arena, hi, index_scale(arena, loop->lo, -1)), &lo, &most)) return INT64_MAX / 2;
    most = (most + loop->step - 1) / loop->step;
    return most < 1 ? 1 : most;
}

// ---- blocks -------------------------------------------------------------------------------------------------------

// { local sum_block = 0; stmts; sum += sum_block }
static Stmt *enclose(FloatSums *f, Stmt *const *stmts, int count) {
    Stmt *block = stmt_block(f->arena);
    Buffer **part = NEW_ARRAY(f->arena, Buffer *, f->sums->len + 1);
    for (int k = 0; k < f->sums->len; k++) {
        const Buffer *sum = f->sums->at[k];
        bool adds = false;
        for (int i = 0; i < count; i++) adds |= writes(stmts[i], STMT_ACCUMULATE, sum);
        if (!adds) continue;
        const char *name = arena_printf(f->arena, "%s_block", sum->name);
        part[k] = buffer_scratch(f->ctx->program, name, sum->dtype, sum->rank, sum->dim, SCOPE_REGISTER);
        stmt_append(f->arena, block, stmt_local(f->arena, part[k], expr_const(f->arena, sum->dtype, 0)));
        for (int i = 0; i < count; i++) replace(f, stmts[i], sum, part[k]);
    }
    for (int i = 0; i < count; i++) stmt_append(f->arena, block, stmts[i]);
    for (int k = 0; k < f->sums->len; k++) {
        int elements = !part[k] ? 0 : part[k]->rank ? part[k]->dim[0].extent : 1;
        for (int e = 0; e < elements; e++) {
            Index *at = index_const(f->arena, e);
            stmt_append(
                f->arena, block,
                stmt_accumulate(f->arena, f->sums->at[k], &at, REDUCE_SUM, expr_load(f->arena, part[k], &at, 1)));
        }
    }
    return block;
}

static int64_t limit(FloatSums *f, Stmt **at);

// Makes the statements of a body add no more than the limit together; returns how many terms that is at most.
static int64_t limit_body(FloatSums *f, Stmt *stmt) {
    int64_t total = 0, adding = 0;
    int64_t *terms = NEW_ARRAY(f->arena, int64_t, stmt->body.len + 1);
    for (int k = 0; k < stmt->body.len; k++) {
        total += terms[k] = limit(f, &stmt->body.at[k]);
        adding += terms[k] > 0;
    }
    if (total <= MAX_TERMS) return total;
    for (int k = 0; k < stmt->body.len; k++)
        if (terms[k] > 1) stmt->body.at[k] = enclose(f, &stmt->body.at[k], 1);
    return adding;
}

// Cuts a loop whose iterations add `per` terms each into blocks.
static int64_t limit_loop(FloatSums *f, Stmt **at, int64_t per, int64_t iterations) {
    Stmt *loop = *at;
    if (2 * per > MAX_TERMS) { // an iteration is a block
        Stmt *block = enclose(f, loop->body.at, loop->body.len);
        loop->body.at[0] = block;
        loop->body.len = 1;
        per = 1;
        if (iterations <= MAX_TERMS) return iterations;
    }
    int64_t step = MAX_TERMS / per * loop->step;
    Var *var = var_new(f->ctx, "block");
    Stmt *outer = stmt_for(f->arena, var, loop->lo, loop->hi, step), *inner = loop;
    loop->lo = index_var(f->arena, var);
    loop->hi = index_min(f->arena, index_add_const(f->arena, loop->lo, step), loop->hi);
    stmt_append(f->arena, outer, enclose(f, &inner, 1));
    *at = outer;
    int64_t blocks = (iterations + step / loop->step - 1) / (step / loop->step);
    return blocks <= MAX_TERMS ? blocks : limit_loop(f, at, 1, blocks);
}

// Makes *at add no more terms to any of the sums than the limit; returns how many at most.
static int64_t limit(FloatSums *f, Stmt **at) {
    Stmt *stmt = *at;
    if (stmt->kind == STMT_ACCUMULATE) {
        for (int k = 0; k < f->sums->len; k++)
            if (stmt->buffer == f->sums->at[k]) return 1;
        return 0;
    }
    int64_t per = limit_body(f, stmt);
    if (stmt->kind != STMT_FOR || !per) return per;
    int64_t iterations = trips(f->arena, stmt, stmt->hi);
    return iterations <= MAX_TERMS / per ? per * iterations : limit_loop(f, at, per, iterations);
}

// ---- the sums of a kernel -----------------------------------------------------------------------------------------

static void visit(LowerContext *ctx, Stmt *stmt) {
    Sums sums = {0};
    for (int k = 0; k < stmt->body.len; k++) {
        visit(ctx, stmt->body.at[k]);
        Buffer *local = stmt->body.at[k]->kind == STMT_LOCAL ? stmt->body.at[k]->buffer : NULL;
        if (!local || !local->accumulate_double) continue;
        if (local->rank > 1) dlc_bug("float_sums", "the sum %s has more than one axis", local->name);
        local->accumulate_double = false;
        bool movable = true; // what is assigned anew is not the sum of what was added
        for (int i = k + 1; i < stmt->body.len; i++) movable &= !writes(stmt->body.at[i], STMT_STORE, local);
        if (movable) vec_push(ctx->arena, &sums, local);
    }
    FloatSums f = {.ctx = ctx, .arena = ctx->arena, .sums = &sums};
    if (sums.len) limit_body(&f, stmt);
}

void lower_sums_to_floats(LowerContext *ctx) {
    Stmt *block = stmt_block(ctx->arena);
    stmt_append(ctx->arena, block, ctx->kernel->body);
    visit(ctx, block);
}
