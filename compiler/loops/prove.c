// prove.c: is an index never negative, here, inside these loops and guards?
//     for i = 0 .. N - 5 step 6:   N - 1 - (i + 5) >= 0 ?     i <= N - 6, so N - 6 - (N - 6) >= 0: yes
// First it asks the ranges. Then it subtracts a guard, replaces a variable by the bound of its loop that makes the
// index smallest, or replaces a min, a division or a remainder by its bound, and asks again. Every step is sound, so
// "yes" is a proof; "no" means that none was found within a number of steps.
#include "loops/prove.h"

#include <stdlib.h>

enum { MOST_STEPS = 400, DEEPEST_PROOF = 12 };

static bool prove(Facts *facts, const Index *index, int depth);

// rest * by + coef * of
static Index *scaled_sum(Arena *arena, const Index *rest, int64_t by, int64_t coef, const Index *of) {
    return index_add(arena, index_scale(arena, rest, by), index_scale(arena, of, coef));
}

// The greatest value that the variable takes, when its loop runs at all.
static const Index *last_value(Arena *arena, const Stmt *loop) {
    Index *length = index_add(arena, loop->hi, index_scale(arena, loop->lo, -1));
    return index_add_const(arena, loop->hi, index_divisible(length, loop->step) ? -loop->step : -1);
}

// Whether the index only grows (1) or only shrinks (-1) as the variable grows; 0: neither is known. A product with a
// size grows as its first factor does.
static int direction(const Index *index, const Var *var) {
    int all = 0;
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        bool times = atom->kind == ATOM_TIMES && index_uses(atom->of, var);
        bool itself = atom->kind == ATOM_VAR && atom->var == var;
        if (!itself && !times) {
            if ((atom->of && index_uses(atom->of, var)) || (atom->other && index_uses(atom->other, var))) return 0;
            continue;
        }
        int one = times ? direction(atom->of, var) : 1;
        if (index->term[k].coef < 0) one = -one;
        if (!one || (all && all != one)) return 0;
        all = one;
    }
    return all;
}

static bool prove_without_variable(Facts *facts, const Index *index, int depth) {
    for (int k = facts->nloops - 1; k >= 0; k--) { // the innermost first: its bounds use the others
        const Stmt *loop = facts->loop[k];
        if (!index_uses(index, loop->var)) continue;
        int grows = direction(index, loop->var);
        if (!grows) continue; // inside a division and the like, which goes first
        const Index *bound = grows > 0 ? loop->lo : last_value(facts->arena, loop);
        return prove(facts, index_substitute(facts->arena, index, loop->var, bound), depth);
    }
    return false;
}

// Replaces an atom that has a run-time size (1 or more) as its factor, divisor or limit.
static bool prove_without_sized(Facts *facts, const Index *rest, const Atom *atom, int64_t coef, int depth) {
    Arena *arena = facts->arena;
    int64_t lo, hi, c;
    const Index *most = index_add_const(arena, atom->other, -1); // of a remainder, and of what was clamped or loaded
    if (atom->kind == ATOM_TIMES) {
        if (!index_range(atom->of, &lo, &hi)) return false;
        return prove(facts, scaled_sum(arena, rest, 1, coef * (coef > 0 ? lo : hi), atom->other), depth);
    }
    if (coef > 0) return prove(facts, rest, depth);
    if (atom->kind == ATOM_DIV) { // of / other <= m where of < (m + 1) * other
        if (!index_is_const(rest, &c) || c < 0) return false;
        const Index *end = index_scale(arena, atom->other, c / -coef + 1);
        return prove(facts, index_add_const(arena, scaled_sum(arena, end, 1, -1, atom->of), -1), depth);
    }
    return prove(facts, scaled_sum(arena, rest, 1, coef, most), depth) ||
           (atom->kind == ATOM_MOD && prove(facts, scaled_sum(arena, rest, 1, coef, atom->of), depth));
}

// rest + coef * (of / by) >= 0, where the rest may be negative: enough is of / by >= m, which holds where of >= m * by.
// `of` is not negative.
static bool prove_least_quotient(Facts *facts, const Index *rest, const Atom *atom, int64_t coef, int depth) {
    int64_t lo, hi;
    if (!index_range(rest, &lo, &hi)) return false;
    if (lo >= 0) return true;
    int64_t most = (-lo + coef - 1) / coef;
    return prove(facts, index_add_const(facts->arena, atom->of, -most * atom->by), depth);
}

static bool prove_without_atom(Facts *facts, const Index *index, int term, int depth) {
    Arena *arena = facts->arena;
    const Atom *atom = &index->term[term].atom;
    int64_t coef = index->term[term].coef, by = atom->by;
    const Index *rest = index_without(arena, index, term, -1);
    if (atom->other && atom->kind != ATOM_MIN) return prove_without_sized(facts, rest, atom, coef, depth);
    if (atom->kind == ATOM_MIN) {
        bool first = prove(facts, scaled_sum(arena, rest, 1, coef, atom->of), depth);
        if (first != (coef > 0)) return first; // a bound from above needs either one, from below both
        return prove(facts, scaled_sum(arena, rest, 1, coef, atom->other), depth);
    }
    if (atom->kind == ATOM_DIV && coef > 0 && prove_least_quotient(facts, rest, atom, coef, depth)) return true;
    if (atom->kind == ATOM_DIV) {
        // (of - by + 1) <= by * (of / by) <= of; beside a whole number, one more of `of` counts
        int64_t slack = coef == 1 ? 0 : coef == -1 ? by - 1 : coef > 0 ? coef * (1 - by) : 0;
        return prove(facts, index_add_const(arena, scaled_sum(arena, rest, by, coef, atom->of), slack), depth);
    }
    if (atom->kind == ATOM_MOD && coef > 0) return prove(facts, rest, depth);
    if (atom->kind == ATOM_CLAMP) { // to its range
        int64_t lo, hi;
        bool known = index_range(&(Index){.nterms = 1, .term = &index->term[term]}, &lo, &hi);
        return known && prove(facts, index_add_const(arena, rest, lo), depth);
    }
    if (atom->kind == ATOM_MOD)
        return prove(facts, index_add_const(arena, rest, coef * (by - 1)), depth) ||
               prove(facts, scaled_sum(arena, rest, 1, coef, atom->of), depth);
    return false;
}

// What is left of the index, or of a multiple of it, without as many guards as remove the term; NULL: they differ in
// sign.
static const Index *without_guard(Arena *arena, const Index *index, int term, const Index *guard, int of_guard) {
    int64_t own = index->term[term].coef, other = guard->term[of_guard].coef;
    int64_t common = gcd(own, other);
    if (!common || (own > 0) != (other > 0)) return NULL;
    int64_t by = llabs(other) / common, times = llabs(own) / common;
    return index_add_const(arena, scaled_sum(arena, index, by, -times, guard), by - 1);
}

// by * index = times * guard + rest: a whole number index is not negative where the rest is above -by. A window over
// every second element needs its guard twice: 4 - 2*i - 2*j where 2 - i - j >= 0; half an index needs half of it: i - 2
// where 2*i - 4 >= 0.
// An image that lies in one row needs two guards: 8*y + x. So when a guard removes a variable, the rest is proved in
// full.
static bool prove_by_guard(Facts *facts, const Index *index, const Index *guard, int depth) {
    int64_t lo, hi;
    const Index *rest = index_add(facts->arena, index, index_scale(facts->arena, guard, -1));
    if (index_range(rest, &lo, &hi) && lo >= 0) return true;
    for (int k = 0; k < index->nterms; k++)
        for (int g = 0; g < guard->nterms; g++) {
            rest = without_guard(facts->arena, index, k, guard, g);
            if (rest && index_range(rest, &lo, &hi) && lo >= 0) return true;
            if (rest && rest->nterms < index->nterms && prove(facts, rest, depth)) return true;
        }
    return false;
}

static bool prove(Facts *facts, const Index *index, int depth) {
    int64_t lo, hi;
    if (index_range(index, &lo, &hi) && lo >= 0) return true;
    if (!depth || ++facts->steps > MOST_STEPS) return false;
    for (int k = 0; k < facts->nguards; k++)
        if (prove_by_guard(facts, index, facts->guard[k], depth - 1)) return true;
    if (prove_without_variable(facts, index, depth - 1)) return true;
    for (int k = 0; k < index->nterms; k++)
        if (prove_without_atom(facts, index, k, depth - 1)) return true;
    return false;
}

bool prove_not_negative(Facts *facts, const Index *index) {
    facts->steps = 0;
    return prove(facts, index, DEEPEST_PROOF);
}
