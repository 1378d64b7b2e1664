// prove.h: what is known at a statement, and the question whether an index is never negative there.
#ifndef DLC_PROVE_H
#define DLC_PROVE_H

#include "loops/lower.h"

enum { MOST_FACTS = 64 };

typedef struct Facts {
    Arena *arena;
    const Stmt *loop[MOST_FACTS]; // around the statement, the innermost last
    int nloops;
    const Index *guard[MOST_FACTS]; // each >= 0
    int nguards;
    int steps; // of the proof
} Facts;

bool prove_not_negative(Facts *facts, const Index *index);

#endif
