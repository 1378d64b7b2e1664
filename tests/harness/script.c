// script.c: see script.h.
#include "script.h"

#include <math.h>
#include <string.h>

#include "random_text.h"

static const double TOLERANCE = 1e-4, ROUNDING = 64;
enum { MORE_CALLS = 4, DRAWS = 4 };

// ---- comparing ---------------------------------------------------------------------------------------------------

static bool compare_whole(Tally *t, const Tensor *got, const Tensor *want, const char *who, const char *name) {
    for (int64_t k = 0; k < want->count; k++) {
        if (got->i[k] == want->i[k]) continue;
        tally(t, false, "%s: %s[%lld] is %lld, and %lld by the interpreter", who, name, (long long)k,
              (long long)got->i[k], (long long)want->i[k]);
        return false;
    }
    tally(t, true, "%s", who);
    return true;
}

typedef struct Distance {
    double worst, allowed, largest;
    int64_t at;
} Distance;

static Distance distance_of(const Tensor *got, const Tensor *want, const Tensor *moved, const char *name) {
    Distance d = {0};
    double rounding = 0, least = 1e-6;                                          // inputs are near 1
    if (!strncmp(name, "optim.", 6)) least = strstr(name, "sq") ? 1e-15 : 1e-9; // small gradients and their squares
    for (int64_t k = 0; k < want->count; k++) {
        double off = fabs(got->f[k] - want->f[k]), step = fabs(want->f[k] - moved->f[k]);
        if (isnan(got->f[k]) && isnan(want->f[k])) continue;
        if (isfinite(want->f[k]) && !isfinite(moved->f[k])) continue; // rounding decides whether this is a number
        if (got->f[k] == want->f[k]) off = 0;
        if (isnan(off)) off = INFINITY;
        if (off > d.worst) d.worst = off, d.at = k;
        if (isfinite(want->f[k])) d.largest = fmax(d.largest, fabs(want->f[k]));
        if (isfinite(step)) rounding = fmax(rounding, step);
    }
    d.allowed = TOLERANCE * d.largest + ROUNDING * rounding + least;
    return d;
}

static bool is_near(const Tensor *got, const Tensor *want, const Tensor *moved, const char *name) {
    Distance d = want->f ? distance_of(got, want, moved, name) : (Distance){0};
    return d.worst <= d.allowed;
}

bool script_compare(Tally *t, const Tensor *got, const Tensor *want, const Tensor *moved, const char *who,
                    const char *name) {
    if (!want->f) return compare_whole(t, got, want, who, name);
    Distance d = distance_of(got, want, moved, name);
    bool fits = d.worst <= d.allowed;
    tally(t, fits, "%s: %s[%lld] is %.9g, and %.9g by the interpreter; at most %.3g apart (largest value %.3g)", who,
          name, (long long)d.at, got->f[d.at], want->f[d.at], d.allowed, d.largest);
    return fits;
}

// ---- what the interpreter gives ------------------------------------------------------------------------------------

typedef struct Call {
    Graph *g;
    int64_t sizes[MAX_SIZES];
    int outputs;
    bool *skip;
    Tensor *arguments, *want, *moved;
} Call;

typedef struct State {
    Tensor *want, *moved; // by storage
} State;

struct Script {
    Arena *arena;
    const Module *m;
    State first, last;
    VEC(Call) calls;
    bool deep; // `moved` is the farthest of several runs
};

static Tensor *copy_of(Arena *arena, const Module *m, const Tensor *of) {
    Tensor *storages = NEW_ARRAY(arena, Tensor, m->storages.len + 1);
    memcpy(storages, of, sizeof *of * (size_t)m->storages.len); // tensors are replaced, never written
    return storages;
}

// The optimisers' state begins, parameters are drawn.
Tensor *script_begin(Arena *arena, const Module *m, bool exact) {
    Tensor *storages = NEW_ARRAY(arena, Tensor, m->storages.len + 1),
           seed = tensor_new(arena, &(Type){.dtype = I64}, NULL);
    for (int k = 0; k < m->storages.len; k++) storages[k] = tensor_new(arena, &m->storages.at[k]->type, NULL);
    seed.i[0] = 1;
    for (int e = 0; e < m->entries.len; e++) {
        Graph *g = m->entries.at[e];
        Interpretation run = {.arena = arena, .exact = exact, .storages = storages};
        if (g->arguments.len) run.arguments = &seed;
        if (!graph_is_public(g)) graph_interpret(g, &run);
    }
    return storages;
}

static bool is_usable(const Tensor *t) {
    for (int64_t k = 0; t->f && k < t->count; k++)
        if (!(fabs(t->f[k]) < 1e6)) return false;
    return true;
}

// The state is worth going on with.
static bool is_sane(const Script *s) {
    for (int k = 0; k < s->m->storages.len; k++)
        if (!is_usable(&s->last.want[k])) return false;
    return true;
}

static Call drawn_call(Script *s, Graph *g, uint32_t seed, bool bounds) {
    Call call = {.g = g};
    for (int k = 0; k < s->m->nsizes; k++) {
        int bound = s->m->sizes[k].bound, least = graph_least(g, k); // smaller ones are refused
        call.sizes[k] = bounds ? bound : least + (int64_t)(drawn(seed, (uint64_t)k) * (bound - least + 1));
    }
    while (call.outputs < g->outputs.len && !g->outputs.at[call.outputs].storage) call.outputs++;
    call.arguments = NEW_ARRAY(s->arena, Tensor, g->arguments.len + 1);
    call.skip = NEW_ARRAY(s->arena, bool, call.outputs + 1);
    call.want = NEW_ARRAY(s->arena, Tensor, call.outputs + 1),
    call.moved = NEW_ARRAY(s->arena, Tensor, call.outputs + 1);
    for (int k = 0; k < call.outputs; k++) call.skip[k] = !bounds && drawn(seed, 100 + (uint64_t)k) < 0.15;
    for (int k = 0; k < g->arguments.len; k++) {
        const Node *argument = g->arguments.at[k];
        call.arguments[k] = random_argument(s->arena, &argument->type, call.sizes, seed + 10 * (uint32_t)k,
                                            node_attr(argument, "name")->s);
    }
    return call;
}

// Where a value is too large for a float, the C's partial sums may be infinities of both signs, which the interpreter's
// are not: other arguments are drawn then, and there is no call if none will do.
static void add_call(Script *s, Graph *g, uint32_t seed, bool bounds) {
    for (uint32_t draw = 0; draw < DRAWS; draw++) {
        Call call = drawn_call(s, g, seed + 104729 * draw, bounds);
        State next = {copy_of(s->arena, s->m, s->last.want), copy_of(s->arena, s->m, s->last.moved)};
        Interpretation run = {.arena = s->arena, .sizes = call.sizes, .arguments = call.arguments};
        run.storages = next.want, run.returned = call.want;
        graph_interpret(g, &run);
        if (run.overflows) continue;
        run.stochastic = 1, run.storages = next.moved, run.returned = call.moved;
        graph_interpret(g, &run);
        if (run.overflows) continue;
        s->last = next;
        vec_push(s->arena, &s->calls, call);
        return;
    }
}

Script *script_new(Arena *arena, const Module *m, uint32_t seed) {
    Script *s = NEW(arena, Script);
    s->arena = arena, s->m = m;
    s->first.want = s->first.moved = script_begin(arena, m, false);
    s->last = (State){copy_of(arena, m, s->first.want), copy_of(arena, m, s->first.want)};
    int n = 0;
    while (n < m->entries.len && graph_is_public(m->entries.at[n])) n++;
    for (int k = 0; k < n + MORE_CALLS && is_sane(s); k++) {
        int e = k < n ? k : (int)(drawn(seed, 1000 + (uint64_t)k) * n);
        add_call(s, m->entries.at[e], seed + 7919 * (uint32_t)(k + 1), k < n);
    }
    if (is_sane(s)) return s;
    s->last = (State){0}; // diverged: what came before it is compared
    if (s->calls.len) s->calls.len--;
    return s;
}

// Of two results by other roundings the one that is farther from what is wanted, element by element.
static void take_farther(const Script *s, const Tensor *want, Tensor *moved, const Tensor *other) {
    Tensor farther = *moved;
    if (!want->f) return;
    farther.f = NEW_ARRAY(s->arena, double, want->count + 1);
    for (int64_t k = 0; k < want->count; k++) {
        bool more = fabs(other->f[k] - want->f[k]) > fabs(moved->f[k] - want->f[k]);
        farther.f[k] = more ? other->f[k] : moved->f[k];
    }
    *moved = farther;
}

// Some nets jump: an optimiser that takes signs moves a weight the other way where rounding decides the sign. One run
// with other roundings may miss what more of them show.
static void deepen(Script *s) {
    enum { RUNS = 24 };
    if (s->deep) return;
    s->deep = true;
    for (uint32_t run = 2; run < RUNS; run++) {
        Tensor *storages = copy_of(s->arena, s->m, s->first.want);
        for (int k = 0; k < s->calls.len; k++) {
            Call *call = &s->calls.at[k];
            Tensor *returned = NEW_ARRAY(s->arena, Tensor, call->outputs + 1);
            Interpretation other = {.arena = s->arena, .sizes = call->sizes, .arguments = call->arguments};
            other.stochastic = run, other.storages = storages, other.returned = returned;
            graph_interpret(call->g, &other);
            for (int o = 0; o < call->outputs; o++) take_farther(s, &call->want[o], &call->moved[o], &returned[o]);
        }
        for (int k = 0; s->last.want && k < s->m->storages.len; k++)
            take_farther(s, &s->last.want[k], &s->last.moved[k], &storages[k]);
    }
}

// ---- compiled C --------------------------------------------------------------------------------------------------

static bool check_state(Tally *t, Script *s, Compiled *c, const State *state, const char *who) {
    bool fits = true;
    for (int k = 0; fits && k < s->m->storages.len; k++) {
        const Storage *storage = s->m->storages.at[k];
        Tensor now = tensor_new(s->arena, &storage->type, NULL);
        compiled_get(c, storage->name, &now);
        if (state == &s->last && !is_near(&now, &state->want[k], &state->moved[k], storage->name)) deepen(s);
        fits = script_compare(t, &now, &state->want[k], &state->moved[k], who, storage->name);
    }
    return fits;
}

static bool check_call(Tally *t, Script *s, Compiled *c, const Call *call, const char *who) {
    Tensor *got = NEW_ARRAY(s->arena, Tensor, call->outputs + 1);
    for (int k = 0; k < call->outputs; k++)
        got[k] = tensor_new(s->arena, &call->g->outputs.at[k].value->type, call->sizes);
    int status = compiled_call(c, compiled_entry(c, call->g->name), call->sizes, call->arguments, got, call->skip);
    bool fits = status == 0;
    tally(t, fits, "%s: returned %d", who, status);
    for (int k = 0; k < call->outputs && fits; k++) {
        const char *name = call->g->outputs.at[k].name;
        if (call->skip[k]) continue;
        if (!is_near(&got[k], &call->want[k], &call->moved[k], name)) deepen(s);
        fits = script_compare(t, &got[k], &call->want[k], &call->moved[k], who, name);
    }
    return fits;
}

void script_check(Tally *t, Script *s, Compiled *c, const char *who, bool models) {
    if (!models && !check_state(t, s, c, &s->first, arena_printf(s->arena, "%s, new", who))) return;
    tally(t, s->calls.len > 0, "%s: each call diverges or overflows, so nothing is compared", who);
    for (int k = 0; k < s->calls.len; k++) {
        const Call *call = &s->calls.at[k];
        if (models && call->g->kind != ENTRY_MODEL) return;
        const char *what = arena_printf(s->arena, "%s, call %d: %s(%d, %d)", who, k + 1, call->g->name,
                                        (int)call->sizes[0], (int)call->sizes[1]);
        if (!check_call(t, s, c, call, what)) return;
    }
    if (!models && s->last.want) check_state(t, s, c, &s->last, arena_printf(s->arena, "%s, at the end", who));
}
