// contraction.h: what the files of recipe (a) share; nothing outside compiler/loops/contraction*.c includes it.
#ifndef DLC_CONTRACTION_H
#define DLC_CONTRACTION_H

#include "ir/affine.h"
#include "loops/recipes.h"

enum {
    NO_AXIS = -1,
    MAX_HEIGHTS = 4 // a tile, and the lower ones that cover the rest of its axis
};

// ---- the plan -------------------------------------------------------------------------------------------------------

// One side of the product. A panel holds what a register tile reads of it, in the order in which it reads it.
typedef struct Operand {
    const Node *node;
    const Map *map;          // from the axes to what is read: the node's value or its halo
    Type shape;              // of that
    const struct Halo *halo; // not NULL: it is copied first, and `buffer` holds the copy
    Buffer *buffer;          // NULL: computed where it is used, so it is always staged
    int tile;                // the iteration axis of the register tile here, or NO_AXIS
    int width;               // elements of that axis in a panel: the tile's rows, or its vectors times lanes
    bool uses_k;
    int nouter, outer[MAX_AXES]; // the other axes that it mentions
    bool staged, in_chunk;       // copied to panels; each chunk of the product copies those that it alone reads
    bool in_block;               // or each block of rows and K copies its own, over those of the block before
    bool prepared;               // its panels and halo are made once after load, in the prepare part
    int ahead_of;                // or once before this loop, which does not change it; 0: neither
    Buffer *panels;              // (outer..., blocks of K if several, panels, K in a block, width), when staged;
                                 // in_block: (chunks if several, panels of a block, K in a block, width)
} Operand;

// Everything that is decided before the first statement is made.
typedef struct Plan {
    Program *program;
    const Node *root;
    const Iter *iter;
    unsigned windows;    // axes over the elements of a pool's windows
    int members;         // elements of a window. The tile holds whole windows, so many sums for each of its rows
    int lanes;           // of a vector
    bool lane_loop;      // a vector is no value but the turns of a loop: the target has none
    Operand row, lane;   // read as scalars; read as vectors
    bool both_lanes;     // depthwise: the axis of the lanes is in both operands, so rows are vectors too
    bool stores_vectors; // the epilogue runs on vectors, which are stored as they are
    int m, n, k;         // axes of the tile's rows, of its lanes, and the innermost summed one; or NO_AXIS
    int nouter, outer[MAX_AXES]; // axes of the result other than m, n and those of windows
    // outer[first_inside...] stand inside the loop over columns: the lane operand does not have them and is too large
    // to be read anew for each of their elements.
    int first_inside;
    int nsum, sum[MAX_AXES]; // summed axes other than k, outermost first
    // Long sums: loops over sum[0, inside) stand outside all tiles, which add to `partial`; a last pass over the result
    // finishes. sum[inside] is cut into strips of that many steps (0: it is not).
    bool sum_outside;
    int inside, strip;
    int rows, vectors;                 // of the register tile
    int nheights, height[MAX_HEIGHTS]; // tiles that a column of rows is made of: `rows` first, then its tails
    int block_k, blocks;               // K inside a tile at most, and how many such blocks
    int block_m; // rows that run over a panel while it is in the second-level cache; 0: all of them
    int chunks, chunk_axis, chunk_unit; // parallel parts of an axis, each of whole units
    int parts;                          // of `partial`: one for each chunk of a summed axis, or 1
    Buffer *partial; // (parts, axes of the result, that of the lanes last and padded to whole vectors): sums so far, or
                     // NULL
} Plan;

// contraction_plan.c: the plan for maps in which every element of the result is reached once. NULL: they fit no
// register tile.
const Plan *contraction_plan(Epilogue *epilogue, const Iter *iter, unsigned windows);
// Elements from one step of the axis to the next, at the bounds of run-time axes.
int64_t contraction_axis_stride(const Operand *operand, int axis);

// The one dim of what is read that the axis moves, by 1; otherwise NO_AXIS.
int contraction_dim_of(const Operand *operand, int axis);

// The axis along which vectors of the operand are read, or NO_AXIS.
static inline int contraction_lanes_of(const Plan *plan, const Operand *operand) {
    return operand == &plan->lane || plan->both_lanes ? plan->n : NO_AXIS;
}
static inline int axis_extent(const Iter *iter, int axis) { return axis == NO_AXIS ? 1 : iter->axis[axis].extent; }
static inline int min_int(int a, int b) { return a < b ? a : b; }

// ---- where the statement that is being made stands ------------------------------------------------------------------

// The tiles of one form that a loop makes.
typedef struct Tile {
    Stmt *body;         // of the loop
    const Index *base;  // first element of the tile along its axis
    int extent;         // elements: rows, or vectors (the last one may be part of one)
    const Index *valid; // lanes of the last vector that are elements, or NULL for all
    bool inside;        // may start inside a panel, not only at its first element
} Tile;

typedef struct Cursor {
    const Plan *plan;
    LowerContext *ctx;
    Arena *arena;
    Epilogue *epilogue;
    struct Range {
        const Index *lo, *hi;
    } range[MAX_AXES];        // what loops over each axis run over: all of it, or a chunk, a block or a strip
    Index *at[MAX_AXES];      // where each axis stands
    Index *block;             // number of the block of K
    Index *length;            // steps of K in it
    Index *k_inside;          // position in it
    Index *chunk;             // number of the chunk; 0 outside of them
    Index *part;              // of `partial`
    const Tile *rows, *lanes; // the register tile
    Buffer *sums;             // of that
} Cursor;

// contraction_loops.c: loops over tiles, shared by staging and the product.
// Comes before everything else: ranges are whole axes.
Cursor contraction_cursor(const Plan *plan, Epilogue *epilogue);
typedef struct Tiles {
    int n;
    Tile at[MAX_HEIGHTS];
} Tiles;
// Opens loops at the end of `to` whose tiles cover the range of m or n. That starts at a multiple of the largest tile
// and ends at one or at the axis's end.
Tiles contraction_row_tiles(Cursor *c, Stmt *to);
Tiles contraction_lane_tiles(Cursor *c, Stmt *to);
// Opens `for name in [lo, hi)` at the end of `to` and returns its body; *at becomes the variable.
Stmt *contraction_open(const Cursor *c, Stmt *to, const char *name, const Index *lo, const Index *hi, int64_t step,
                       Index **at);
// Opens a loop over the axis's range; NO_AXIS: a block.
Stmt *contraction_open_axis(Cursor *c, Stmt *to, int axis);
// Opens loops over a whole shape from dim `first` on: *at become their variables, which are named by letter and dim.
Stmt *contraction_open_shape(const Cursor *c, Stmt *to, char letter, const Dim *dim, int first, int rank, Index **at);
// Opens a loop over the first `valid` lanes (NULL: all) of the vector at `base` along n: *element is the place on the
// axis, *lane the number of the lane. One lane needs no loop.
Stmt *contraction_open_lanes(Cursor *c, Stmt *to, const Index *base, const Index *valid, Index **element, Index **lane);
// Cuts the axis into chunks of whole units, opens the parallel loop over them and narrows the axis's range.
Stmt *contraction_open_chunks(Cursor *c, Stmt *to, int chunks, int axis, int unit);
// Opens the loop over blocks of K.
Stmt *contraction_open_blocks(Cursor *c, Stmt *to);
// Where the map leads from the axes as they stand.
void contraction_map_at(const Cursor *c, const Map *map, Index **at);
Index *contraction_extent(const Cursor *c, int axis);
const char *contraction_axis_name(const Cursor *c, int axis);

// contraction_halo.c: plans a copy of an operand that has every window inside, with zero edges; false: there is none.
bool contraction_halo(const Plan *plan, Operand *operand);
void contraction_halo_copy(const Cursor *outside, Stmt *to, const Operand *operand);

// contraction_stage.c: one operand copied into panels: all of it, before the product; what lies in the ranges; or of
// that, the block of K alone.
void contraction_stage(const Cursor *outside, Stmt *to, const Operand *operand);
void contraction_stage_range(Cursor *c, Stmt *to, const Operand *operand);
void contraction_stage_block(const Cursor *outside, Stmt *to, const Operand *operand);
// The operand's element where the axes stand, `offset` after the tile's first one. lanes: 1, or the target's.
Expr *contraction_load(Cursor *c, const Operand *operand, const Index *offset, int lanes);

// contraction_tile.c: the register tile with its epilogue.
// Sums K in [0, length) of the block and stores the results, or passes the sums on to the next block.
void contraction_tile(Cursor *c, const Tile *rows, const Tile *lanes);
// The sums of all parts at one tile's place, then the epilogue.
void contraction_finish_tile(Cursor *c, const Tile *rows, const Tile *lanes);

#endif
