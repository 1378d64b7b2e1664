// fit.c: what --arena-max chooses, so that an entry's plan fits.
//     as it is -> another order of kernels -> values of the forward pass that are computed again, the cheapest choice
// A choice of values is tried on an estimate (loops/timeline.c), which takes microseconds. The best one is lowered and
// planned; if the plan does not fit, the next search aims lower. So only a few plans are made. There are two ways to
// find choices:
//   - drop one value after another: at the peak, the one with most bytes for the work of computing it again;
//   - cut the forward pass into segments, at places where few bytes cross, and keep only what crosses (after Chen et
//     al., 2016, arXiv:1604.06174): this reduces the memory of a chain of n values to the order of the root of n.
// After that, values that need not be dropped are kept again, the most expensive first.
//
// The smallest plan is found first, among choices that do not depend on the budget, and budgets below its size are
// refused. The search for the budget then looks for less work. It takes no plan below the smallest one, and where it
// fails, one of the first choices fits. So an error names the smallest plan that any budget gives. Everything follows
// from the graph alone, in integers: the same input gives the same bytes.
#include "fit.h"

#include <string.h>

#include "loops/recipes.h"
#include "loops/timeline.h"
#include "passes/rematerialise.h"
#include "support/sort.h"

enum {
    MOST_PLANS = 8,   // made by a search for the budget
    MOST_RUNGS = 4,   // choices planned while climbing from the smallest one upwards, but
    RUNG_CALLS = 400, // at most this divided by the number of calls: plans of large programs take long
    SEGMENTS = 24,    // lengths of segments that are tried, each 3/4 of the one before: down to a thousandth
    PRICES = 8,       // highest prices that are tried: one for each eighth of the values
};
static const int64_t MOST_WORK = 30000000; // steps of all estimates of a search, which bounds its time

typedef struct Plan {
    Graph *graph;
    int64_t bytes; // of the arena
    double again;  // FLOPs of what is computed again
} Plan;

// A way to order kernels, and what is known of the graph that it gives.
typedef struct Variant {
    bool frugal;
    Plan base;          // computes again only what checkpoint blocks ask for
    const Node **last;  // by id in the source graph: the node in the base's graph (Trace)
    Timeline *timeline; // of the base
    int64_t over;       // bytes by which the estimate of the base, and so perhaps of other plans, is too high
} Variant;

typedef struct Fit {
    Module *m;
    int entry;
    const FitOptions *options;
    Arena arena;
    Graph *source;      // the graph that all others are made from
    Plan plan;          // the best so far
    int64_t least;      // bytes of the smallest plan: no smaller plan is taken; 0: not known yet
    Variant *variant;   // the one that is searched
    Timeline *timeline; // of that variant
    int *by_writer;     // values that may be dropped and live when memory is too full, in the order of writers
    int nchoices;
    int64_t work;
    // The best choices so far, by value.
    bool *kept, *smallest;
    Estimate best, smallest_estimate;
    bool found;
    bool *rung; // the last choice that was planned while climbing
    int nrungs;
} Fit;

// ---- plans ---------------------------------------------------------------------------------------------------------

static Program *lower(const Fit *f, Arena *arena, Graph *g) {
    Program *program = program_lower_in(arena, g, f->options->target, f->options->level, f->options->threads, false);
    if (f->options->embedded) program_drop_prepare(program);
    return program;
}

static Plan make_plan(const Fit *f, Graph *g) {
    Arena scratch = {0};
    Program *program = lower(f, &scratch, g);
    Plan plan = {.graph = g};
    program_plan(program);
    plan.bytes = program->arena_bytes;
    for (int k = 0; k < program->calls.len; k++) plan.again += program->calls.at[k].kernel->flops_again;
    arena_release(&scratch);
    return plan;
}

static bool fits(const Fit *f, const Plan *plan) { return f->least <= plan->bytes && plan->bytes <= f->options->most; }

// A plan that fits is better. Then, of plans that fit: less work, then less memory; of others: less memory, less work.
static bool is_better(const Fit *f, const Plan *a, const Plan *b) {
    bool fits_a = fits(f, a), fits_b = fits(f, b);
    if (fits_a != fits_b) return fits_a;
    bool smaller = a->bytes < b->bytes, cheaper = a->again < b->again;
    if (fits_a && a->again != b->again) return cheaper;
    return a->bytes != b->bytes ? smaller : cheaper;
}

static Graph *make_graph(Fit *f, bool frugal, const Choice *choice) {
    PassOptions passes = *f->options->passes;
    passes.frugal = frugal;
    passes.choice = choice;
    return passes_run_again(f->m, f->entry, &passes);
}

// ---- a search ------------------------------------------------------------------------------------------------------

static Estimate estimate(Fit *f, const bool *kept) {
    f->work += f->timeline->work;
    return timeline_estimate(f->timeline, kept);
}

// Remembers a choice that is better than those so far.
static void consider(Fit *f, const bool *kept, int64_t target, Estimate e) {
    size_t bytes = sizeof *kept * (size_t)f->timeline->values.len;
    bool fits = e.peak <= target;
    if (fits && (!f->found || e.cost < f->best.cost)) {
        memcpy(f->kept, kept, bytes);
        f->best = e;
        f->found = true;
    }
    if (e.peak < f->smallest_estimate.peak ||
        (e.peak == f->smallest_estimate.peak && e.cost < f->smallest_estimate.cost)) {
        memcpy(f->smallest, kept, bytes);
        f->smallest_estimate = e;
    }
}

static void keep_all(const Fit *f, bool *kept) {
    for (int k = 0; k < f->timeline->values.len; k++)
        kept[k] = f->timeline->values.at[k].first_late < f->timeline->program->calls.len;
}

// The cost of recomputing one byte, times 1024.
static int64_t price(const Fit *f, int value) {
    const Value *v = &f->timeline->values.at[value];
    int64_t cost = f->timeline->cost[v->writer];
    return cost / v->bytes * 1024 + cost % v->bytes * 1024 / v->bytes;
}

static bool lives_between(const Value *v, int call) { return v->last_early < call && call < v->first_late; }

// Drops values at the peak, the cheapest for its bytes first, until the peak is low enough.
static void drop_at_peaks(Fit *f, int64_t target, bool *kept) {
    keep_all(f, kept);
    for (;;) {
        Estimate e = estimate(f, kept);
        consider(f, kept, target, e);
        if (e.peak <= target || f->work > MOST_WORK) return;
        int drop = -1;
        for (int k = 0; k < f->nchoices; k++) {
            int value = f->by_writer[k];
            if (!kept[value] || !lives_between(&f->timeline->values.at[value], e.at)) continue;
            if (drop < 0 || price(f, value) < price(f, drop)) drop = value;
        }
        if (drop < 0) return;
        kept[drop] = false;
    }
}

// Whether the forward pass still reads the value after the call: a cut there has to keep it.
static bool crosses(const Value *v, int call) { return v->writer <= call && call < v->last_early; }

// Cuts the forward pass, at places where few bytes cross, into segments that drop about `segment` bytes each. Values
// that cross a cut are kept, and so are all values that cost more than `most`.
static void drop_segments(Fit *f, int64_t target, int64_t segment, int64_t most, bool *kept) {
    const Timeline *t = f->timeline;
    int64_t dropped = 0, fewest = 0;
    keep_all(f, kept);
    for (int k = 0; k < f->nchoices; k++) kept[f->by_writer[k]] = price(f, f->by_writer[k]) > most;
    for (int k = 0, cut = -1; k < f->nchoices; k++) {
        const Value *v = &t->values.at[f->by_writer[k]];
        bool ends = k + 1 == f->nchoices || t->values.at[f->by_writer[k + 1]].writer != v->writer;
        dropped += kept[f->by_writer[k]] ? 0 : v->bytes;
        if (!ends || dropped <= segment / 2) continue;
        int64_t bytes = 0;
        for (int j = 0; j <= k; j++)
            if (crosses(&t->values.at[f->by_writer[j]], v->writer)) bytes += t->values.at[f->by_writer[j]].bytes;
        if (cut < 0 || bytes <= fewest) cut = k, fewest = bytes;
        if (dropped <= segment) continue;
        for (int j = 0; j <= cut; j++)
            kept[f->by_writer[j]] |= crosses(&t->values.at[f->by_writer[j]], t->values.at[f->by_writer[cut]].writer);
        dropped = 0;
        for (int from = cut + 1; from <= k; from++)
            if (!kept[f->by_writer[from]]) dropped += t->values.at[f->by_writer[from]].bytes;
        cut = -1;
    }
    f->work += (int64_t)f->nchoices * f->nchoices / 4;
    consider(f, kept, target, estimate(f, kept));
}

static int by_number(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void try_segments(Fit *f, int64_t target, bool *kept) {
    int64_t *prices = NEW_ARRAY(&f->arena, int64_t, f->nchoices + 1), all = 0;
    for (int k = 0; k < f->nchoices; k++) {
        prices[k] = price(f, f->by_writer[k]);
        all += f->timeline->values.at[f->by_writer[k]].bytes;
    }
    sort_stable(prices, (size_t)f->nchoices, sizeof *prices, by_number);
    for (int p = PRICES; p > 0; p--) {
        int64_t segment = all, most = prices[(f->nchoices * p - 1) / PRICES];
        for (int s = 0; s < SEGMENTS && f->work < MOST_WORK; s++, segment -= segment / 4)
            drop_segments(f, target, segment, most, kept);
    }
}

// Keeps values again that need not be dropped.
static void keep_again(Fit *f, int64_t target, bool *kept) {
    int *order = NEW_ARRAY(&f->arena, int, f->nchoices + 1);
    memcpy(order, f->by_writer, sizeof *order * (size_t)f->nchoices);
    for (int k = 1; k < f->nchoices; k++) // sorts the most expensive first, by stable insertion
        for (int j = k; j > 0; j--) {
            const Timeline *t = f->timeline;
            if (t->cost[t->values.at[order[j]].writer] <= t->cost[t->values.at[order[j - 1]].writer]) break;
            int swap = order[j];
            order[j] = order[j - 1], order[j - 1] = swap;
        }
    for (int k = 0; k < f->nchoices && f->work < 2 * MOST_WORK; k++) {
        if (f->kept[order[k]]) continue;
        memcpy(kept, f->kept, sizeof *kept * (size_t)f->timeline->values.len);
        kept[order[k]] = true;
        consider(f, kept, target, estimate(f, kept));
    }
}

static int writer_before(const Fit *f, int a, int b) {
    const Value *x = &f->timeline->values.at[a], *y = &f->timeline->values.at[b];
    return x->writer != y->writer ? x->writer < y->writer : a < b;
}

// Finds the values that live, without being read, across a call where more than `target` bytes are live.
static void find_choices(Fit *f, int64_t target) {
    const Timeline *t = f->timeline;
    int ncalls = t->program->calls.len;
    int64_t *live = NEW_ARRAY(&f->arena, int64_t, ncalls + 2), now = 0;
    bool *full = NEW_ARRAY(&f->arena, bool, ncalls + 1);
    for (int k = 0; k < t->values.len; k++) {
        const Buffer *buffer = t->values.at[k].buffer;
        live[buffer->first_call] += t->values.at[k].bytes;
        live[buffer->last_call + 1] -= t->values.at[k].bytes;
    }
    for (int call = 0; call < ncalls; call++) {
        now += live[call];
        full[call] = now + t->scratch[call] > target;
    }
    f->nchoices = 0;
    for (int k = 0; k < t->values.len; k++) {
        const Value *v = &t->values.at[k];
        bool counts = false;
        for (int call = v->last_early + 1; call < v->first_late && !counts; call++) counts = full[call];
        if (!counts || !timeline_is_choice(t, k)) continue;
        int at = f->nchoices++;
        for (; at > 0 && writer_before(f, k, f->by_writer[at - 1]); at--) f->by_writer[at] = f->by_writer[at - 1];
        f->by_writer[at] = k;
    }
}

static void search(Fit *f, int64_t target) {
    bool *kept = NEW_ARRAY(&f->arena, bool, f->timeline->values.len + 1);
    f->found = false;
    f->work = 0;
    find_choices(f, target);
    keep_all(f, kept);
    f->smallest_estimate = estimate(f, kept);
    memcpy(f->smallest, kept, sizeof *kept * (size_t)f->timeline->values.len);
    if (!f->nchoices) return;
    drop_at_peaks(f, target, kept);
    try_segments(f, target, kept);
    if (f->found) keep_again(f, target, kept);
}

// ---- from values to nodes ------------------------------------------------------------------------------------------

typedef struct Marking {
    Fit *f;
    const bool *kept;
    bool views;               // a part (view) of a kept value counts as in memory; else it is computed again
    bool *early, *late;       // by id of the last graph: computed in the forward pass; computed after it
    bool *dropped, *in_place; // by id of the source graph: computed again; stays in memory
} Marking;

static void find_times(Marking *mark, const Program *program) {
    const Timeline *t = mark->f->timeline;
    for (int call = 0; call < program->calls.len; call++) {
        const Group *group = program->calls.at[call].group;
        const NodeVec *computes = group ? &group_parts_of(program, group)->computes : NULL;
        for (int k = 0; group && k < computes->len; k++)
            (t->early[call] ? mark->early : mark->late)[computes->at[k]->id] = true;
    }
}

static void find_places(Marking *mark, const Program *program) {
    const Graph *source = mark->f->source;
    for (int id = 0; id < source->nodes.len; id++) {
        const Node *node = mark->f->variant->last[id];
        const Buffer *buffer = node ? program->of_node[node->id] : NULL;
        if (!buffer || buffer->value != node || (buffer->view && !mark->views)) continue;
        while (buffer->view) buffer = buffer->view->of;
        int value = timeline_value(mark->f->timeline, buffer);
        if (value < 0) {
            mark->in_place[id] = true;
            continue;
        }
        mark->dropped[id] = timeline_is_choice(mark->f->timeline, value) && !mark->kept[value];
        mark->in_place[id] = timeline_is_kept(mark->f->timeline, value, mark->kept);
    }
}

// Marks what is computed again: values that are dropped, what they need that is not in memory, and what follows from
// them and is not stored itself.
static void set_levels(const Marking *mark, Choice *choice) {
    const Graph *source = mark->f->source;
    int n = source->nodes.len;
    bool *again = NEW_ARRAY(&mark->f->arena, bool, n + 1);
    for (int id = 0; id < n; id++) {
        const Node *node = source->nodes.at[id];
        again[id] = mark->dropped[id];
        bool follows = node->section < SECTION_BACKWARD && !mark->in_place[id];
        for (int i = 0; i < node->nin && follows; i++) again[id] |= again[node->in[i]->id];
    }
    for (int id = n - 1; id >= 0; id--)
        for (int i = 0; i < source->nodes.at[id]->nin && again[id]; i++) {
            const Node *in = source->nodes.at[id]->in[i];
            again[in->id] |= !mark->in_place[in->id];
        }
    for (int k = 0; k < source->outputs.len; k++) again[source->outputs.at[k].value->id] = false;
    for (int id = 0; id < n; id++) {
        const Node *node = source->nodes.at[id], *last = mark->f->variant->last[id];
        bool is_early = last && mark->early[last->id] && !mark->late[last->id];
        choice->late[id] &= again[id] || !is_early;
        bool input = node->op->traits & (OP_INPUT | OP_SOURCE);
        if (again[id] && !input && !choice->level[id] && node->section < SECTION_BACKWARD) choice->level[id] = 1;
    }
}

static Choice *choice_of(Fit *f, const bool *kept, bool views) {
    const Program *program = f->timeline->program;
    int n = f->source->nodes.len, nlast = program->graph->nodes.len;
    Choice *choice = NEW(&f->arena, Choice);
    *choice = choice_of_checkpoints(&f->arena, f->source);
    Marking mark = {.f = f,
                    .kept = kept,
                    .views = views,
                    .early = NEW_ARRAY(&f->arena, bool, nlast + 1),
                    .late = NEW_ARRAY(&f->arena, bool, nlast + 1),
                    .dropped = NEW_ARRAY(&f->arena, bool, n + 1),
                    .in_place = NEW_ARRAY(&f->arena, bool, n + 1)};
    find_times(&mark, program);
    find_places(&mark, program);
    set_levels(&mark, choice);
    return choice;
}

// ---- the entry -----------------------------------------------------------------------------------------------------

// Returns the variant of `g`, the graph that the last run of the passes returned.
static Variant open_variant(const Fit *f, bool frugal, Graph *g) {
    return (Variant){.frugal = frugal, .base = make_plan(f, g), .last = f->options->passes->trace[f->entry].last};
}

static void open_search(Fit *f, Variant *variant) {
    if (!variant->timeline) variant->timeline = timeline_new(&f->arena, lower(f, &f->arena, variant->base.graph));
    f->variant = variant;
    f->timeline = variant->timeline;
    int nvalues = f->timeline->values.len;
    f->kept = NEW_ARRAY(&f->arena, bool, nvalues + 1);
    f->smallest = NEW_ARRAY(&f->arena, bool, nvalues + 1);
    f->rung = NEW_ARRAY(&f->arena, bool, nvalues + 1);
    f->nrungs = 0;
    f->by_writer = NEW_ARRAY(&f->arena, int, nvalues + 1);
    bool *all = NEW_ARRAY(&f->arena, bool, nvalues + 1);
    keep_all(f, all);
    variant->over = timeline_estimate(f->timeline, all).peak - variant->base.bytes;
}

static bool is_same(const Fit *f, const Choice *a, const Choice *b) {
    size_t n = (size_t)f->source->nodes.len;
    return !memcmp(a->level, b->level, n * sizeof *a->level) && !memcmp(a->late, b->late, n * sizeof *a->late);
}

// Plans a choice, and keeps the plan if it is the best so far. Parts of a concat that follow from dropped values can
// stay in memory with it, which costs nothing, or be computed again, so that it need not stay. Both are planned.
static Plan try_choice(Fit *f, const bool *kept, bool climbs) {
    Choice *choice[2] = {choice_of(f, kept, true), choice_of(f, kept, false)};
    Plan plan[2] = {0};
    int n = is_same(f, choice[0], choice[1]) ? 1 : 2;
    for (int k = 0; k < n; k++) {
        plan[k] = make_plan(f, make_graph(f, f->variant->frugal, choice[k]));
        if (climbs && plan[k].bytes < f->least) f->least = plan[k].bytes;
        if (is_better(f, &plan[k], &f->plan)) f->plan = plan[k];
    }
    return plan[n > 1 && is_better(f, &plan[1], &plan[0])];
}

static int count_rungs(const Fit *f) {
    int rungs = RUNG_CALLS / (f->timeline->program->calls.len + 1);
    return rungs < MOST_RUNGS ? rungs : MOST_RUNGS;
}

static void try_rung(Fit *f, const bool *kept) {
    size_t bytes = sizeof *kept * (size_t)f->timeline->values.len;
    if (f->nrungs && !memcmp(f->rung, kept, bytes)) return;
    memcpy(f->rung, kept, bytes);
    f->nrungs++;
    try_choice(f, kept, true);
}

// Plans choices from the one with the smallest estimate upwards, whatever the budget. The estimate may be wrong about
// which is smallest, so several are planned, and the smallest plan is kept.
static void climb(Fit *f) {
    search(f, 0);
    if (!f->nchoices) return;
    int64_t bottom = f->smallest_estimate.peak, height = f->variant->base.bytes + f->variant->over - bottom;
    try_rung(f, f->smallest);
    for (int rung = 0, rungs = count_rungs(f); rung < rungs; rung++) {
        search(f, bottom + height * rung / rungs);
        if (f->found) try_rung(f, f->kept);
    }
}

// Searches and plans until one fits.
static void search_for_budget(Fit *f) {
    const int64_t most = f->options->most;
    int64_t target = most + f->variant->over;
    for (int plans = 0; plans < MOST_PLANS; plans++) {
        search(f, target);
        if (!f->found) return;
        int64_t over = try_choice(f, f->kept, false).bytes - most;
        if (over <= 0) return;
        target -= over > most / 64 ? over : most / 64;
    }
}

static void compute_again(Fit *f, Variant *variants) {
    f->least = f->plan.bytes; // of the two that compute nothing again
    for (int frugal = 1; frugal >= 0; frugal--) {
        open_search(f, &variants[frugal]);
        climb(f);
    }
    for (int frugal = 1; frugal >= 0 && f->plan.bytes <= f->options->most; frugal--) {
        open_search(f, &variants[frugal]);
        search_for_budget(f);
    }
}

int64_t fit_entry(Module *m, int entry, const FitOptions *options) {
    Fit f = {.m = m, .entry = entry, .options = options, .source = options->passes->trace[entry].source};
    Variant variants[2] = {open_variant(&f, false, m->entries.at[entry])};
    f.plan = variants[0].base;
    if (f.plan.bytes > options->most) {
        variants[1] = open_variant(&f, true, make_graph(&f, true, NULL));
        if (is_better(&f, &variants[1].base, &f.plan)) f.plan = variants[1].base;
    }
    // The frugal order takes less memory as it is, but may compute early what could be computed again later: try both.
    if (f.plan.bytes > options->most && m->entries.at[entry]->kind == ENTRY_TRAIN) compute_again(&f, variants);
    m->entries.at[entry] = f.plan.graph;
    arena_release(&f.arena);
    return variants[0].base.bytes;
}
