// index.c: affine indices with div and mod, kept simple by what is known of their ranges.
//     (16 * io + il) / 16    il in [0, 16)      becomes    io
//     (16 * io + il) % 16                       becomes    il
// An index is immutable once it was returned; terms are merged, in order of first appearance.
#include <stdlib.h>

#include "loops/lower.h"
#include "support/ints.h"

static int64_t mod_floor(int64_t a, int64_t b) { return a - floor_div(a, b) * b; }

static Index *index_new(Arena *arena, int64_t c, int capacity) {
    Index *index = NEW(arena, Index);
    index->c = c;
    index->term = NEW_ARRAY(arena, struct Term, capacity + 1);
    return index;
}

// ---- equality and ranges -------------------------------------------------------------------------------------------

static bool other_equal(const Index *a, const Index *b) { return a && b ? index_equal(a, b) : a == b; }

static bool atom_equal(const Atom *a, const Atom *b) {
    if (a->kind != b->kind) return false;
    switch (a->kind) {
    case ATOM_VAR:
        return a->var == b->var;
    case ATOM_SIZE:
    case ATOM_STEP:
        return a->size == b->size && a->by == b->by;
    case ATOM_TIMES:
    case ATOM_DIV:
    case ATOM_MOD:
    case ATOM_MIN:
    case ATOM_CLAMP:
        return a->by == b->by && index_equal(a->of, b->of) && other_equal(a->other, b->other);
    case ATOM_LOADED:
        return a->loaded == b->loaded && a->lo == b->lo && a->hi == b->hi;
    }
    return false;
}

// The term with that atom, or -1.
static int find_atom(const Index *a, const Atom *atom) {
    for (int k = 0; k < a->nterms; k++)
        if (atom_equal(&a->term[k].atom, atom)) return k;
    return -1;
}

static int64_t coef_of(const Index *a, const Atom *atom) {
    int k = find_atom(a, atom);
    return k < 0 ? 0 : a->term[k].coef;
}

bool index_equal(const Index *a, const Index *b) {
    if (a->c != b->c || a->nterms != b->nterms) return false;
    for (int k = 0; k < a->nterms; k++)
        if (coef_of(b, &a->term[k].atom) != a->term[k].coef) return false;
    return true;
}

bool index_is_const(const Index *a, int64_t *c) {
    if (a->nterms) return false;
    *c = a->c;
    return true;
}

static bool atom_divisible(const Atom *atom, int64_t by) {
    if (by == 1) return true;
    if (atom->kind == ATOM_MIN) return index_divisible(atom->of, by) && index_divisible(atom->other, by);
    if (atom->kind != ATOM_VAR || !atom->var->loop) return false;
    return atom->var->loop->step % by == 0 && index_divisible(atom->var->loop->lo, by);
}

bool index_divisible(const Index *a, int64_t by) {
    if (a->c % by) return false;
    for (int k = 0; k < a->nterms; k++) {
        const struct Term *term = &a->term[k];
        if (!atom_divisible(&term->atom, by / gcd(term->coef, by))) return false;
    }
    return true;
}

// A loop variable: from the least lower bound to the last step before the greatest upper one.
static bool var_range(const Var *var, int64_t *lo, int64_t *hi) {
    const Stmt *loop = var->loop;
    int64_t unused;
    if (!loop || !index_range(loop->lo, lo, &unused) || !index_range(loop->hi, &unused, hi)) return false;
    // When all starts of the loop are whole steps apart, the variable keeps one remainder by the step.
    Index start = *loop->lo;
    start.c = 0;
    int64_t step = index_divisible(&start, loop->step) ? loop->step : 1;
    *hi = *hi - 1 - mod_floor(*hi - 1 - loop->lo->c, step);
    if (*hi < *lo) *hi = *lo; // never runs; any range will do
    return true;
}

static bool atom_range(const Atom *atom, int64_t *lo, int64_t *hi) {
    int64_t other_lo, other_hi;
    switch (atom->kind) {
    case ATOM_VAR:
        return var_range(atom->var, lo, hi);
    case ATOM_SIZE:
        *lo = 1, *hi = atom->by;
        return true;
    case ATOM_STEP:
        *lo = 0, *hi = atom->by - 1;
        return true;
    case ATOM_TIMES: // by a size, which is 1 or more
        if (!index_range(atom->of, lo, hi) || !index_range(atom->other, &other_lo, &other_hi)) return false;
        if (other_lo < 1) other_lo = 1;
        *lo *= *lo < 0 ? other_hi : other_lo, *hi *= *hi < 0 ? other_lo : other_hi;
        return true;
    case ATOM_DIV:
        if (!index_range(atom->of, lo, hi)) return false;
        *lo = floor_div(*lo, atom->by), *hi = atom->other ? *hi : floor_div(*hi, atom->by);
        return true;
    case ATOM_MOD:
        if (!index_range(atom->of, lo, hi)) *hi = atom->by;
        *lo = 0;
        if (*hi >= atom->by) *hi = atom->by - 1;
        return true;
    case ATOM_MIN:
        if (!index_range(atom->of, lo, hi) || !index_range(atom->other, &other_lo, &other_hi)) return false;
        if (other_lo < *lo) *lo = other_lo;
        if (other_hi < *hi) *hi = other_hi;
        return true;
    case ATOM_CLAMP:
        if (!index_range(atom->of, lo, hi)) *lo = 0, *hi = atom->by - 1;
        *lo = *lo < 0 ? 0 : *lo < atom->by ? *lo : atom->by - 1;
        *hi = *hi < 0 ? 0 : *hi < atom->by ? *hi : atom->by - 1;
        if (atom->other) *lo = 0;
        return true;
    case ATOM_LOADED:
        *lo = atom->lo, *hi = atom->hi;
        return true;
    }
    return false;
}

bool index_range(const Index *a, int64_t *lo, int64_t *hi) {
    int64_t from = a->c, to = a->c;
    for (int k = 0; k < a->nterms; k++) {
        int64_t coef = a->term[k].coef, least, most;
        if (!atom_range(&a->term[k].atom, &least, &most)) return false;
        from += coef * (coef > 0 ? least : most);
        to += coef * (coef > 0 ? most : least);
    }
    *lo = from, *hi = to;
    return true;
}

// Whether all values are known to lie in [0, end).
static bool is_within(const Index *a, int64_t end) {
    int64_t lo, hi;
    return index_range(a, &lo, &hi) && lo >= 0 && hi < end;
}

// ---- constructors ---------------------------------------------------------------------------------------------------

Index *index_const(Arena *arena, int64_t c) { return index_new(arena, c, 0); }

static Index *index_of_atom(Arena *arena, Atom atom) {
    Index *index = index_new(arena, 0, 1);
    index->term[index->nterms++] = (struct Term){1, atom};
    return index;
}

Index *index_var(Arena *arena, Var *var) { return index_of_atom(arena, (Atom){.kind = ATOM_VAR, .var = var}); }

Index *index_count(Arena *arena, Count place) {
    if (!place.size) return index_const(arena, place.at);
    Atom atom = {.kind = ATOM_SIZE, .size = place.size - 1, .by = place.bound};
    return index_add_const(arena, index_scale(arena, index_of_atom(arena, atom), place.times), place.at);
}

const char *step_name(Arena *arena, int depth) { return depth ? arena_printf(arena, "t%d", depth + 1) : "t"; }

Index *index_step(Arena *arena, const Graph *g, int loop) {
    return index_of_atom(
        arena, (Atom){.kind = ATOM_STEP, .size = graph_loop_depth(g, loop), .by = graph_loop(g, loop)->steps.extent});
}

Index *index_size(Arena *arena, Dim dim) { return index_count(arena, count_of_dim(dim)); }

// Adds coef * atom to `to`, which has room for one term more.
static void add_term(Index *to, int64_t coef, const Atom *atom) {
    int k = find_atom(to, atom);
    if (k < 0) to->term[k = to->nterms++] = (struct Term){0, *atom};
    to->term[k].coef += coef;
    if (to->term[k].coef) return;
    for (; k + 1 < to->nterms; k++) to->term[k] = to->term[k + 1];
    to->nterms--;
}

// The quotient x / by in a term that is coef * by * (x / by), or NULL.
static const Atom *whole_quotient(const struct Term *term, int64_t *coef) {
    const Atom *atom = &term->atom;
    *coef = term->coef;
    if (atom->kind == ATOM_DIV && !atom->other) {
        *coef = term->coef / atom->by;
        return term->coef % atom->by ? NULL : atom;
    }
    if (atom->kind != ATOM_TIMES || atom->of->nterms != 1 || atom->of->c || atom->of->term[0].coef != 1) return NULL;
    const Atom *div = &atom->of->term[0].atom;
    return div->kind == ATOM_DIV && div->other && index_equal(div->other, atom->other) ? div : NULL;
}

Index *index_without(Arena *arena, const Index *a, int d, int e) {
    Index *rest = index_new(arena, a->c, a->nterms);
    for (int k = 0; k < a->nterms; k++)
        if (k != d && k != e) rest->term[rest->nterms++] = a->term[k];
    return rest;
}

// 5 * (x * N) + y * N is (5 * x + y) * N, which may be one variable again.
static Index *join_times(Arena *arena, Index *a) {
    for (int d = 0; d < a->nterms; d++)
        for (int e = d + 1; e < a->nterms; e++) {
            const Atom *x = &a->term[d].atom, *y = &a->term[e].atom;
            if (x->kind != ATOM_TIMES || y->kind != ATOM_TIMES || !index_equal(x->other, y->other)) continue;
            Index *of = index_add(arena, index_scale(arena, x->of, a->term[d].coef),
                                  index_scale(arena, y->of, a->term[e].coef));
            return index_add(arena, index_without(arena, a, d, e), index_times(arena, of, x->other));
        }
    return a;
}

// by * (x / by) + x % by is x again: a reshape and back. Returns the same index when there is no such pair.
static Index *join_div_mod(Arena *arena, Index *a) {
    for (int d = 0; d < a->nterms; d++) {
        int64_t coef;
        const Atom *div = whole_quotient(&a->term[d], &coef);
        if (!div || !coef) continue;
        Atom mod = *div;
        mod.kind = ATOM_MOD;
        int e = find_atom(a, &mod);
        if (e < 0 || a->term[e].coef != coef) continue;
        return index_add(arena, index_without(arena, a, d, e), index_scale(arena, div->of, coef));
    }
    return a;
}

Index *index_add(Arena *arena, const Index *a, const Index *b) {
    Index *sum = index_new(arena, a->c + b->c, a->nterms + b->nterms);
    for (int k = 0; k < a->nterms; k++) sum->term[sum->nterms++] = a->term[k];
    for (int k = 0; k < b->nterms; k++) add_term(sum, b->term[k].coef, &b->term[k].atom);
    return join_div_mod(arena, join_times(arena, sum));
}

Index *index_add_const(Arena *arena, const Index *a, int64_t c) { return index_add(arena, a, index_const(arena, c)); }

Index *index_scale(Arena *arena, const Index *a, int64_t by) {
    Index *product = index_new(arena, a->c * by, a->nterms);
    for (int k = 0; by && k < a->nterms; k++)
        product->term[product->nterms++] = (struct Term){a->term[k].coef * by, a->term[k].atom};
    return product;
}

// a = by * *quotient + *rest, where *rest keeps what `by` does not divide.
static void split_by(Arena *arena, const Index *a, int64_t by, Index **quotient, Index **rest) {
    *quotient = index_new(arena, floor_div(a->c, by), a->nterms);
    *rest = index_new(arena, mod_floor(a->c, by), a->nterms);
    for (int k = 0; k < a->nterms; k++) {
        Index *to = a->term[k].coef % by ? *rest : *quotient;
        to->term[to->nterms] = a->term[k];
        if (to == *quotient) to->term[to->nterms].coef /= by;
        to->nterms++;
    }
}

// The greatest number that divides `by` and all coefficients of `a`.
static int64_t common_divisor(const Index *a, int64_t by) {
    for (int k = 0; k < a->nterms; k++) by = gcd(by, a->term[k].coef);
    return by;
}

// Divides the index by what divides all its coefficients and `also`; returns that. 4 * N + 2 becomes 2 * N + 1.
static int64_t take_factor(Arena *arena, const Index **a, int64_t also) {
    Index *quotient, *rest;
    int64_t by = common_divisor(*a, also);
    if (by < 2) return 1;
    split_by(arena, *a, by, &quotient, &rest);
    *a = quotient;
    return by;
}

const Index *index_tighten(Arena *arena, const Index *a) {
    take_factor(arena, &a, 0);
    return a;
}

// C's division truncates, so the dividend must not be negative. The caller promises that for the whole of it; where a
// part of it may be negative, the whole stays together.
Index *index_div(Arena *arena, const Index *a, int64_t by) {
    Index *quotient, *rest;
    split_by(arena, a, by, &quotient, &rest);
    if (is_within(rest, by)) return quotient;
    if (!is_within(rest, INT64_MAX)) return index_of_atom(arena, (Atom){.kind = ATOM_DIV, .of = a, .by = by});
    int64_t common = common_divisor(rest, by);
    if (common > 1) {
        Index *unused;
        split_by(arena, rest, common, &rest, &unused); // unused is a constant below `common`
        by /= common;
    }
    if (rest->nterms == 1 && rest->c == 0 && rest->term[0].coef == 1 && rest->term[0].atom.kind == ATOM_DIV &&
        !rest->term[0].atom.other) {
        by *= rest->term[0].atom.by;
        rest = index_scale(arena, rest->term[0].atom.of, 1);
    }
    return index_add(arena, quotient, index_of_atom(arena, (Atom){.kind = ATOM_DIV, .of = rest, .by = by}));
}

Index *index_mod(Arena *arena, const Index *a, int64_t by) {
    Index *quotient, *rest;
    split_by(arena, a, by, &quotient, &rest);
    if (is_within(rest, by)) return rest;
    if (!is_within(rest, INT64_MAX)) return index_of_atom(arena, (Atom){.kind = ATOM_MOD, .of = a, .by = by});
    int64_t common = common_divisor(rest, by);
    if (common == 1) return index_of_atom(arena, (Atom){.kind = ATOM_MOD, .of = rest, .by = by});
    Index *unused;
    int64_t odd = rest->c % common;
    split_by(arena, rest, common, &rest, &unused);
    return index_add_const(arena, index_scale(arena, index_mod(arena, rest, by / common), common), odd);
}

Index *index_min(Arena *arena, const Index *a, const Index *b) {
    int64_t lo, hi;
    Index *difference = index_add(arena, a, index_scale(arena, b, -1));
    if (index_range(difference, &lo, &hi)) {
        if (hi <= 0) return index_scale(arena, a, 1);
        if (lo >= 0) return index_scale(arena, b, 1);
    }
    return index_of_atom(arena, (Atom){.kind = ATOM_MIN, .of = a, .other = b});
}

Index *index_clamp(Arena *arena, const Index *a, int64_t by) {
    int64_t c;
    if (by == 1) return index_const(arena, 0); // in all lanes of a vector; the range is that of its first lane alone
    if (is_within(a, by)) return index_scale(arena, a, 1);
    if (index_is_const(a, &c)) return index_const(arena, c < 0 ? 0 : by - 1);
    return index_of_atom(arena, (Atom){.kind = ATOM_CLAMP, .of = a, .by = by});
}

Index *index_loaded(Arena *arena, Expr *value, int64_t lo, int64_t hi, const Index *end) {
    return index_of_atom(arena, (Atom){.kind = ATOM_LOADED, .loaded = value, .lo = lo, .hi = hi, .other = end});
}

// ---- by run-time sizes ----------------------------------------------------------------------------------------------

Index *index_times(Arena *arena, const Index *a, const Index *by) {
    int64_t c;
    if (index_is_const(by, &c)) return index_scale(arena, a, c);
    c = take_factor(arena, &by, by->c);
    if (c > 1) return index_scale(arena, index_times(arena, a, by), c);
    Index *of = index_add_const(arena, a, -a->c), *product = index_scale(arena, by, a->c);
    if (!of->nterms) return product;
    c = take_factor(arena, (const Index **)&of, 0);
    Atom times = {.kind = ATOM_TIMES, .of = of, .other = by};
    return index_add(arena, product, index_scale(arena, index_of_atom(arena, times), c));
}

// Whether the index is a variable that counts to `end`, or a remainder by it.
static bool is_below(const Index *a, const Index *end) {
    if (!a->nterms) return a->c == 0;
    if (a->nterms > 1 || a->c || a->term[0].coef != 1) return false;
    const Atom *atom = &a->term[0].atom;
    if (atom->kind == ATOM_MOD) return atom->other && index_equal(atom->other, end);
    if (atom->kind != ATOM_VAR || !atom->var->loop || !index_equal(atom->var->loop->hi, end)) return false;
    return is_within(atom->var->loop->lo, INT64_MAX);
}

// a = by * *quotient + *rest: the products with `by` itself make the quotient. Returns whether the rest is below `by`.
static bool split_times(Arena *arena, const Index *a, const Index *by, Index **quotient, Index **rest) {
    *quotient = index_const(arena, 0);
    *rest = index_const(arena, a->c);
    for (int k = 0; k < a->nterms; k++) {
        const struct Term *term = &a->term[k];
        bool times = term->atom.kind == ATOM_TIMES && index_equal(term->atom.other, by);
        bool size = by->nterms == 1 && !by->c && coef_of(by, &term->atom) && term->coef % by->term[0].coef == 0;
        if (times)
            *quotient = index_add(arena, *quotient, index_scale(arena, term->atom.of, term->coef));
        else if (size)
            *quotient = index_add_const(arena, *quotient, term->coef / by->term[0].coef);
        else
            *rest = index_add(arena, *rest, index_scale(arena, index_of_atom(arena, term->atom), term->coef));
    }
    return is_below(*rest, by);
}

static int64_t largest(const Index *a) {
    int64_t lo, hi;
    return index_range(a, &lo, &hi) ? hi : INT32_MAX;
}

Index *index_quotient(Arena *arena, const Index *a, const Index *by) {
    Index *quotient, *rest;
    int64_t c;
    if (index_is_const(by, &c)) return index_div(arena, a, c);
    if (is_below(a, by)) return index_const(arena, 0);
    // a / (5 * N) is a / N / 5, which meets a / N % 5 again.
    c = take_factor(arena, &by, by->c);
    if (c > 1) return index_div(arena, index_quotient(arena, a, by), c);
    if (split_times(arena, a, by, &quotient, &rest)) return quotient;
    return index_of_atom(arena, (Atom){.kind = ATOM_DIV, .of = a, .other = by, .by = largest(by)});
}

Index *index_remainder(Arena *arena, const Index *a, const Index *by) {
    Index *quotient, *rest;
    int64_t c;
    if (index_is_const(by, &c)) return index_mod(arena, a, c);
    if (is_below(a, by)) return index_scale(arena, a, 1);
    c = take_factor(arena, &by, by->c);
    if (c > 1) // as index_quotient takes it apart
        return index_add(arena, index_times(arena, index_mod(arena, index_quotient(arena, a, by), c), by),
                         index_remainder(arena, a, by));
    if (split_times(arena, a, by, &quotient, &rest)) return rest;
    return index_of_atom(arena, (Atom){.kind = ATOM_MOD, .of = a, .other = by, .by = largest(by)});
}

Index *index_clamp_to(Arena *arena, const Index *a, const Index *end) {
    int64_t c;
    if (index_is_const(end, &c)) return index_clamp(arena, a, c);
    if (is_below(a, end)) return index_scale(arena, a, 1);
    return index_of_atom(arena, (Atom){.kind = ATOM_CLAMP, .of = a, .other = end, .by = largest(end)});
}

// ---- variables in an index ------------------------------------------------------------------------------------------

static bool expr_uses(const Expr *e, const Var *var) {
    if (e->kind == EXPR_INDEX_VALUE) return index_uses(e->index, var);
    for (int k = 0; e->kind == EXPR_LOAD && k < e->buffer->rank; k++)
        if (index_uses(e->at[k], var)) return true;
    for (int k = 0; k < e->nargs; k++)
        if (expr_uses(e->arg[k], var)) return true;
    return false;
}

static bool atom_uses(const Atom *atom, const Var *var) {
    if (atom->kind == ATOM_VAR) return atom->var == var;
    if (atom->kind == ATOM_LOADED) return expr_uses(atom->loaded, var);
    return (atom->of && index_uses(atom->of, var)) || (atom->other && index_uses(atom->other, var));
}

bool index_uses(const Index *a, const Var *var) {
    for (int k = 0; k < a->nterms; k++)
        if (atom_uses(&a->term[k].atom, var)) return true;
    return false;
}

bool index_is_loaded(const Index *a) {
    for (int k = 0; k < a->nterms; k++) {
        const Atom *atom = &a->term[k].atom;
        if (atom->kind == ATOM_LOADED || (atom->of && index_is_loaded(atom->of))) return true;
        if (atom->other && index_is_loaded(atom->other)) return true;
    }
    return false;
}

bool index_linear(const Index *a, const Var *var, int64_t *coef) {
    *coef = 0;
    for (int k = 0; k < a->nterms; k++) {
        const Atom *atom = &a->term[k].atom;
        if (atom->kind == ATOM_VAR && atom->var == var)
            *coef += a->term[k].coef;
        else if (atom_uses(atom, var))
            return false;
    }
    return true;
}

static const Index *divisor(Arena *arena, const Atom *atom) {
    return atom->other ? atom->other : index_const(arena, atom->by);
}

static Index *substitute_atom(Arena *arena, const Atom *atom, const Var *var, const Index *by) {
    switch (atom->kind) {
    case ATOM_VAR:
        if (atom->var == var) return index_scale(arena, by, 1);
        break;
    case ATOM_TIMES:
        return index_times(arena, index_substitute(arena, atom->of, var, by), atom->other);
    case ATOM_DIV:
        return index_quotient(arena, index_substitute(arena, atom->of, var, by), divisor(arena, atom));
    case ATOM_MOD:
        return index_remainder(arena, index_substitute(arena, atom->of, var, by), divisor(arena, atom));
    case ATOM_MIN:
        return index_min(arena, index_substitute(arena, atom->of, var, by),
                         index_substitute(arena, atom->other, var, by));
    case ATOM_CLAMP:
        return index_clamp_to(arena, index_substitute(arena, atom->of, var, by), divisor(arena, atom));
    case ATOM_LOADED:
        if (expr_uses(atom->loaded, var)) dlc_bug("loops", "%s cannot be replaced inside a load", var->name);
        break;
    case ATOM_SIZE:
    case ATOM_STEP:
        break;
    }
    return index_of_atom(arena, *atom);
}

Index *index_substitute(Arena *arena, const Index *a, const Var *var, const Index *by) {
    Index *result = index_const(arena, a->c);
    for (int k = 0; k < a->nterms; k++)
        result = index_add(arena, result,
                           index_scale(arena, substitute_atom(arena, &a->term[k].atom, var, by), a->term[k].coef));
    return result;
}

Index *index_of_affine(Arena *arena, const Affine *affine, Index *const *axes, int naxes) {
    Index *result = index_const(arena, affine->c);
    for (int k = 0; k < naxes; k++)
        if (affine->coef[k]) result = index_add(arena, result, index_scale(arena, axes[k], affine->coef[k]));
    return result;
}
