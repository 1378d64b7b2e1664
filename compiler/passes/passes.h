// passes.h: the graph passes and the one runner that checks, runs, verifies, dumps and times them.
#ifndef DLC_PASSES_H
#define DLC_PASSES_H

#include "ir/graph.h"

// Facts about a graph that passes need, give and break.
typedef enum Fact {
    FACT_FOLDED = 1 << 0,  // no operator over constants alone is left
    FACT_SIMPLE = 1 << 1,  // algebraic identities, transposes folded into contractions
    FACT_DEDUPED = 1 << 2, // identical nodes are one, dead ones gone
    FACT_GROUPED = 1 << 3, // every stored node is in a group
} Fact;

typedef struct PassOptions PassOptions;

typedef struct Pass {
    const char *name;
    const char *doc;
    unsigned needs, gives, breaks; // of Fact
    enum { AT_O0 = 1, AT_O2 = 2 } levels;
    Graph *(*run)(Graph *g, const PassOptions *options);
} Pass;

extern const Pass pipeline[];                // in order; name NULL at the end
bool pass_runs(const Pass *pass, int level); // at -O level

// Where the values of the graph that rematerialise was given went.
typedef struct Trace {
    Graph *source;
    const Node **last; // by id in `source`: the same value in the final graph; NULL: nobody needs it
} Trace;

struct PassOptions {
    int level;
    const Pass *dump_after; // one that runs at this level: the module is printed to `out` as it is after it; or NULL
    bool time;              // print a table of times to `out`
    bool verify_meaning;    // --verify: interpret before and after each pass on random inputs
    FILE *out;
    // For --arena-max, which may want another plan (compiler/fit.c).
    Trace *trace;                // by entry: filled, unless it is NULL
    const struct Choice *choice; // what rematerialise computes again; NULL: what the checkpoint blocks ask for
    bool frugal;                 // groups run in an order that takes little memory, not in that of their nodes
};

// Runs the pipeline on every entry of the module. Internal errors do not return: a verifier failure names the pass and
// node, writes the graph before the pass with the command that replays it, and exits with 70. With verify_meaning, a
// pass that changed an answer is reported the same way.
void passes_run(Module *m, const PassOptions *options);
// The passes from rematerialise on, over the source of options->trace.
Graph *passes_run_again(Module *m, int entry, const PassOptions *options);

Graph *pass_keep(Graph *g, const PassOptions *options);
Graph *pass_hoist(Graph *g, const PassOptions *options);
Graph *pass_sink(Graph *g, const PassOptions *options);
Graph *pass_fold(Graph *g, const PassOptions *options);
Graph *pass_simplify(Graph *g, const PassOptions *options);
Graph *pass_scale(Graph *g, const PassOptions *options);         // a model's batch norms into the weights before them
Graph *pass_dedupe(Graph *g, const PassOptions *options);        // common subexpressions and dead code: a rebuild
Graph *pass_layout(Graph *g, const PassOptions *options);        // channels last around convolutions
Graph *pass_rematerialise(Graph *g, const PassOptions *options); // copies of what checkpoint blocks do not keep
Graph *pass_fuse(Graph *g, const PassOptions *options);
Graph *pass_separate(Graph *g, const PassOptions *options); // -O0's grouping: each operator its own group

#endif
