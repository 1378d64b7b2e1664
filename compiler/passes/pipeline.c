// pipeline.c: the list of passes in order, and the runner: for each entry it checks what a pass needs, runs it,
// verifies the graph (always, in release builds too), dumps and times.
#include "passes/passes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const Pass pipeline[] = {
    {.name = "keep",
     .doc = "what the gradient of a loop need not compute again is read from memory",
     .breaks = FACT_DEDUPED,
     .levels = AT_O0 | AT_O2,
     .run = pass_keep},
    {.name = "fold",
     .doc = "compute operators over constants",
     .gives = FACT_FOLDED,
     .breaks = FACT_DEDUPED,
     .levels = AT_O2,
     .run = pass_fold},
    {.name = "hoist",
     .doc = "contractions of sequences move in front of their loops",
     .needs = FACT_FOLDED,
     .breaks = FACT_DEDUPED,
     .levels = AT_O2,
     .run = pass_hoist},
    {.name = "sink",
     .doc = "sums over steps, and contractions that a loop only hands out, move after it",
     .needs = FACT_FOLDED,
     .breaks = FACT_DEDUPED,
     .levels = AT_O2,
     .run = pass_sink},
    {.name = "simplify",
     .doc = "algebraic identities; transposes and broadcasts go into the maps of contractions",
     .needs = FACT_FOLDED,
     .gives = FACT_SIMPLE,
     .breaks = FACT_DEDUPED,
     .levels = AT_O2,
     .run = pass_simplify},
    {.name = "scale",
     .doc = "in a model: factors of a contraction's result go into its weights, batch norms become biases",
     .needs = FACT_SIMPLE,
     .gives = FACT_SIMPLE,
     .breaks = FACT_DEDUPED,
     .levels = AT_O2,
     .run = pass_scale},
    {.name = "layout",
     .doc = "channels last around convolutions and pools",
     .needs = FACT_SIMPLE,
     .breaks = FACT_DEDUPED,
     .levels = AT_O2,
     .run = pass_layout},
    {.name = "dedupe",
     .doc = "identical nodes are one, dead ones go",
     .gives = FACT_DEDUPED,
     .levels = AT_O0 | AT_O2,
     .run = pass_dedupe},
    {.name = "rematerialise",
     .doc = "what checkpoint blocks do not keep is computed again for the backward pass",
     .needs = FACT_DEDUPED,
     .levels = AT_O0 | AT_O2,
     .run = pass_rematerialise},
    {.name = "separate",
     .doc = "-O0: every operator is a kernel of its own",
     .needs = FACT_DEDUPED,
     .gives = FACT_GROUPED,
     .levels = AT_O0,
     .run = pass_separate},
    {.name = "fuse",
     .doc = "group what shares loops: contraction with epilogue, rows, element-wise chains",
     .needs = FACT_DEDUPED | FACT_SIMPLE,
     .gives = FACT_GROUPED,
     .levels = AT_O2,
     .run = pass_fuse},
    {0},
};

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

// Writes the module as it was before the failing pass, tells how to replay it, and exits with 70.
static _Noreturn void fail(const Pass *pass, const Graph *g, const char *before, const PassOptions *options,
                           const char *what) {
    char path[] = "reproducer-dlc-XXXXXX.graph";
    int fd = mkstemps(path, 6);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    bool written = out && fputs(before, out) >= 0 && fclose(out) == 0;
    dlc_bug(pass->name, "entry %s: %s%s%s%s", g->name, what, written ? "\n  replay: dlc --emit=c " : "",
            written ? path : "",
            !written         ? ""
            : options->level ? " -O2"
                             : " -O0");
}

// ---- --verify: the same answers before and after a pass --------------------------------------------------------

typedef struct Answer {
    int count;
    Tensor *tensor; // returned values, then every storage
} Answer;

static uint64_t next_random(uint64_t *state) {
    uint64_t x = *state += 0x9e3779b97f4a7c15u; // SplitMix64 (Steele, Lea, Flood 2014)
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

static Tensor random_tensor(Arena *arena, const Type *type, const int64_t *sizes, uint64_t *state) {
    Tensor t = tensor_new(arena, type, sizes);
    for (int64_t k = 0; k < t.count; k++) {
        double u = (double)(next_random(state) >> 40) / 16777216.0;
        if (t.f)
            t.f[k] = round_to_dtype(t.dtype, 2 * u - 1);
        else
            t.i[k] = type->dtype == BOOL ? u < 0.5 : (int64_t)(u * 8);
    }
    return t;
}

static Answer answer_of(Arena *arena, Graph *g, bool small) {
    const Module *m = g->module;
    uint64_t state = 1;
    int64_t sizes[MAX_SIZES] = {0};
    for (int k = 0; k < m->nsizes; k++) {
        int64_t half = (m->sizes[k].bound + 1) / 2, least = graph_least(g, k);
        sizes[k] = !small ? m->sizes[k].bound : half > least ? half : least;
    }
    int returned = 0;
    while (returned < g->outputs.len && !g->outputs.at[returned].storage) returned++;
    Answer answer = {returned + m->storages.len, NEW_ARRAY(arena, Tensor, returned + m->storages.len + 1)};
    Tensor *arguments = NEW_ARRAY(arena, Tensor, g->arguments.len + 1);
    for (int k = 0; k < g->arguments.len; k++)
        arguments[k] = random_tensor(arena, &g->arguments.at[k]->type, sizes, &state);
    for (int k = 0; k < m->storages.len; k++)
        answer.tensor[returned + k] = random_tensor(arena, &m->storages.at[k]->type, NULL, &state);
    graph_interpret(g, &(Interpretation){.arena = arena,
                                         .sizes = sizes,
                                         .arguments = arguments,
                                         .storages = answer.tensor + returned,
                                         .returned = answer.tensor});
    return answer;
}

// Rounding differs when sums are reassociated, so tensors are compared against their largest value.
static const char *answers_differ(Arena *arena, const Graph *g, const Answer *a, const Answer *b) {
    for (int k = 0; k < a->count; k++) {
        const Tensor *x = &a->tensor[k], *y = &b->tensor[k];
        double largest = 0, worst = 0;
        for (int64_t e = 0; e < x->count; e++) {
            double u = x->f ? x->f[e] : (double)x->i[e], v = y->f ? y->f[e] : (double)y->i[e];
            if (u == v || (u != u && v != v)) continue;
            double size = u < 0 ? -u : u, off = u > v ? u - v : v - u;
            if (!(off <= worst)) worst = off != off ? 1e300 : off;
            if (size > largest) largest = size;
        }
        if (worst <= 1e-4 * (largest > 1e-3 ? largest : 1e-3)) continue;
        int returned = a->count - g->module->storages.len;
        const char *name = k < returned ? g->outputs.at[k].name : g->module->storages.at[k - returned]->name;
        return arena_printf(arena, "the answer changed: %s differs by %g (largest value %g)", name, worst, largest);
    }
    return NULL;
}

// What a graph answers, kept from one pass to the next.
typedef struct Meaning {
    Arena arena;
    Answer answer[2]; // at the bounds of the sizes, and at half of them
} Meaning;

static Meaning meaning_of(Graph *g) {
    Meaning meaning = {0};
    for (int small = 0; small <= (g->module->nsizes > 0); small++)
        meaning.answer[small] = answer_of(&meaning.arena, g, small);
    return meaning;
}

// `kept` is what `from` answers; it becomes what `to` answers.
static void check_meaning(const Pass *pass, Graph *from, Graph *to, Meaning *kept, const char *before,
                          const PassOptions *options) {
    Meaning now = meaning_of(to);
    for (int small = 0; small <= (from->module->nsizes > 0); small++) {
        const char *wrong = answers_differ(&now.arena, from, &kept->answer[small], &now.answer[small]);
        if (wrong) fail(pass, from, before, options, wrong);
    }
    arena_release(&kept->arena);
    *kept = now;
}

// ---- the runner ----------------------------------------------------------------------------------------------------

static void follow_trace(Trace *trace, const Graph *g) {
    for (int id = 0; id < trace->source->nodes.len; id++)
        while (trace->last[id] && !graph_owns(g, trace->last[id])) trace->last[id] = trace->last[id]->map;
}

static void begin_trace(Trace *trace, Graph *source) {
    *trace = (Trace){source, NEW_ARRAY(source->arena, const Node *, source->nodes.len + 1)};
    for (int id = 0; id < source->nodes.len; id++) trace->last[id] = source->nodes.at[id];
}

bool pass_runs(const Pass *pass, int level) { return pass->levels & (level ? AT_O2 : AT_O0); }

// From row `first` on. `dumped` is the graph after options->dump_after.
static Graph *run_entry(Module *m, int entry, int first, const PassOptions *options, double *ms, Graph **dumped) {
    Graph *g = m->entries.at[entry];
    Trace *trace = options->trace ? &options->trace[entry] : NULL;
    unsigned facts = 0;
    const char *wrong = graph_verify(g);
    if (wrong) dlc_bug("elaborate", "entry %s: %s", g->name, wrong);
    Meaning meaning = options->verify_meaning ? meaning_of(g) : (Meaning){0};
    for (int k = 0; k < first; k++)
        if (pass_runs(&pipeline[k], options->level)) facts = (facts & ~pipeline[k].breaks) | pipeline[k].gives;
    for (int k = first; pipeline[k].name; k++) {
        const Pass *pass = &pipeline[k];
        if (!pass_runs(pass, options->level)) continue;
        if (pass->needs & ~facts) dlc_bug(pass->name, "runs before what it needs");
        if (trace && pass->run == pass_rematerialise) begin_trace(trace, g);
        double start = now_ms();
        Graph *next = pass->run(g, options);
        wrong = graph_verify(next);
        ms[k] += now_ms() - start;
        if (trace && trace->source) follow_trace(trace, next);
        if (wrong || options->verify_meaning) {
            Arena scratch = {0};
            Str before = str_new(&scratch);
            m->entries.at[entry] = g;
            module_print(&before, m);
            if (wrong) fail(pass, g, str_text(&before), options, wrong);
            check_meaning(pass, g, next, &meaning, str_text(&before), options);
            arena_release(&scratch);
        }
        m->entries.at[entry] = g = next;
        facts = (facts & ~pass->breaks) | pass->gives;
        if (pass == options->dump_after) *dumped = g;
    }
    arena_release(&meaning.arena);
    return g;
}

Graph *passes_run_again(Module *m, int entry, const PassOptions *options) {
    double ms[sizeof pipeline / sizeof *pipeline] = {0};
    Graph *dumped;
    int first = 0;
    while (pipeline[first].run != pass_rematerialise) first++;
    m->entries.at[entry] = options->trace[entry].source;
    m->entries.at[entry] = run_entry(m, entry, first, options, ms, &dumped);
    return m->entries.at[entry];
}

void passes_run(Module *m, const PassOptions *options) {
    double ms[sizeof pipeline / sizeof *pipeline] = {0};
    Module dumped = *m; // the whole module, so that the text can be read back
    dumped.entries.at = NEW_ARRAY(m->arena, Graph *, m->entries.len + 1);
    for (int entry = 0; entry < m->entries.len; entry++)
        m->entries.at[entry] = run_entry(m, entry, 0, options, ms, &dumped.entries.at[entry]);
    if (options->dump_after) {
        Str text = str_new(m->arena);
        module_print(&text, &dumped);
        fputs(str_text(&text), options->out);
    }
    if (!options->time) return;
    for (int k = 0; pipeline[k].name; k++)
        if (pass_runs(&pipeline[k], options->level))
            fprintf(options->out, "%-13s %8.2f ms  %s\n", pipeline[k].name, ms[k], pipeline[k].doc);
}
