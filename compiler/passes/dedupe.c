// dedupe.c: common subexpressions and dead code, which every rebuild does by itself.
//     %1 = exp %0                    %1 = exp %0
//     %2 = exp %0         becomes    %3 = add %1, %1
//     %3 = add %1, %2
// Needs nothing, gives DEDUPED.
#include "passes/passes.h"

Graph *pass_dedupe(Graph *g, const PassOptions *options) {
    (void)options;
    return graph_rebuild(g, NULL, NULL);
}
