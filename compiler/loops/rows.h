// rows.h: what the files of recipe (b) share; nothing outside compiler/loops/rows*.c includes it.
#ifndef DLC_ROWS_H
#define DLC_ROWS_H

#include "loops/recipes.h"

// Where the vector lanes run. The lane axis is the domain's last.
typedef enum RowsLanes {
    LANES_NONE,
    LANES_KEPT,    // the last axis is not reduced: one result, or one sum, in each lane
    LANES_REDUCED, // the last axis is reduced: partial sums in the lanes
} RowsLanes;

typedef struct RowsLocal {
    const Node *node;
    Buffer *buffer; // by part
} RowsLocal;

typedef struct Rows {
    LowerContext *ctx;
    Arena *arena;
    const Group *group; // NULL for a copy
    Buffer *to, *from;  // of a copy
    Type domain;
    unsigned reduced;
    int nouter, outer[MAX_RANK];   // axes that are not reduced
    int nreduced, inner[MAX_RANK]; // and those that are
    NodeVec computes;
    Tags phase; // by node: how many rounds of reductions come before its value
    int nphases;
    RowsLanes lanes_kind;
    int lanes, unroll;                  // of the target, and vectors at once
    int chunk_axis, chunks, chunk_unit; // chunks 0: no threads
    // Where the statement being made stands.
    Index *at[MAX_RANK]; // domain axes
    bool vector;         // lanes run along the last axis in this part of the nest
    int parts;           // LANES_KEPT: vectors at once here,
    Index *part;         // and the one being made
    Buffer **total;      // by position in group->reduces: [parts]
    VEC(RowsLocal) locals;
    VEC(const char *) names; // of locals so far
} Rows;

static inline int rows_last(const Rows *r) { return r->domain.rank - 1; }
// One value per lane, with the last axis kept.
static inline bool rows_is_kept_vector(const Rows *r) { return r->vector && r->lanes_kind == LANES_KEPT; }

// rows_plan.c: fills everything above "where the statement stands".
void rows_plan(Rows *r, LowerContext *ctx);
void rows_outer_at(const Rows *r, Index **at);

// A part of the range of the lane axis: its step is a number of vectors, or 1 for the scalar rest.
typedef void (*RowsBody)(Rows *r, Stmt *to, void *context);
// Opens loops over [lo, hi) of the last axis: `vectors` at once, single vectors, single elements; leaves out what is
// empty. Sets at[last], vector and parts for the body.
void rows_lane_loops(Rows *r, Stmt *to, const Index *lo, const Index *hi, int vectors, RowsBody body, void *context);
// Runs `body` in an unrolled loop over `parts` neighbouring vectors along the last axis. The first begins at at[last].
void rows_for_parts(Rows *r, Stmt *to, int parts, RowsBody body, void *context);
// A serial loop over a whole axis of the domain.
Stmt *rows_open_axis(Rows *r, Stmt *to, int axis);
// "sum", "sum_2", ...: no two locals of the kernel share a name.
const char *rows_local_name(Rows *r, const char *name);
// rows_windows.c: where a term of the reduction stands in its input, now. The guard gets conditions where that may be
// outside. Without windows: where the domain stands.
void rows_term_at(Rows *r, const Node *reduce, Index **at, Stmt *guard);
// rows_reduce.c: one round of reductions for where the outer axes stand.
void rows_reduce_phase(Rows *r, Stmt *to, int phase);

#endif
