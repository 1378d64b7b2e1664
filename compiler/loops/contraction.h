// contraction.h: what the files of recipe (a) share; nothing outside compiler/loops/contraction*.c includes it.
#ifndef DLC_CONTRACTION_H
#define DLC_CONTRACTION_H

#include "ir/affine.h"
#include "loops/lower.h"

enum {
    NO_AXIS = -1,
    MAX_TERMS = 1024, // of one f32 accumulator; longer sums are cut into blocks of K
    MAX_HEIGHTS = 4   // a tile, and the lower ones that cover the rest of its axis
};

// One side of the product. A panel holds what a register tile reads of it, in the order in which it reads it.
typedef struct Operand {
    const Node *node;
    const Map *map;        // from the axes to what is read: the node's value or its halo
    Type shape;            // of that
    struct Halo *halo;     // not NULL: it is copied first; `buffer` holds the copy,
    const Map *source_map; // and these are the node's own
    Buffer *source;
    Buffer *buffer; // NULL: computed where it is used, so it is always staged
    int tile;       // the iteration axis of the register tile here, or NO_AXIS
    int width;      // elements of that axis in a panel: the tile's rows, or its vectors times lanes
    bool uses_k;
    int nouter;
    int outer[MAX_AXES]; // the other axes that it mentions
    bool staged;
    bool in_chunk;  // each chunk of the product copies the panels that it alone reads
    Buffer *panels; // (outer..., blocks of K if several, panels, K in a block, width), when staged
} Operand;

typedef enum ChunkKind { CHUNK_NONE, CHUNK_OUTER, CHUNK_ROWS, CHUNK_PANELS, CHUNK_SUMS } ChunkKind;

// Everything that is decided before the first statement is made, and where the statement being made stands.
typedef struct Contraction {
    LowerContext *ctx;
    Arena *arena;
    const Node *root;
    const Iter *iter;
    int lanes;                   // of a vector
    bool lane_loop;              // a vector is no value but the turns of a loop: the target has none
    Operand row, lane;           // read as scalars; read as vectors
    bool both_lanes;             // depthwise: the axis of the lanes is in both operands, so rows are vectors too
    int m, n, k;                 // axes of the tile's rows, of its lanes, and the innermost summed one; or NO_AXIS
    bool gathers;                // every element of the result is reached once, its K inside
    bool lanes_are_last;         // n stands in the last dim of the result
    bool result_is_bare;         // every axis of the result is an axis of the iteration, each a different one
    int nouter, outer[MAX_AXES]; // axes of the result's map other than m, n and those of the pool
    // outer[first_inside...] stand inside the loop over columns: the lane operand does not have them and is too large
    // to be read anew for each of their elements.
    int first_inside;
    // A reduction over separate windows of what the epilogue makes: the tile holds whole windows, `members` sums for
    // each of its rows.
    const Node *pool;
    int npool, pool_axis[MAX_RANK], members;
    int nsum, sum[MAX_AXES]; // summed axes other than k, outermost first
    // Long sums: loops over sum[0, inside) stand outside all tiles, which add to `partial`; a last pass over the result
    // finishes. sum[inside] is cut into strips of that many steps (0: it is not).
    bool sum_outside;
    int inside, strip;
    Index *strip_lo, *strip_hi;
    int parts;                         // of `partial`: chunks of sum[0] have one each, or 1
    int rows, vectors;                 // of the register tile
    int nheights, height[MAX_HEIGHTS]; // tiles that a column of rows is made of: `rows` first, then its tails
    int block_k, blocks;               // K inside a tile at most, and how many such blocks
    int block_m;                       // rows that run over a panel while it is in the second-level cache
    ChunkKind chunk;
    int chunk_axis, chunks;
    Buffer *partial; // (parts, axes of the result, that of the lanes last and padded to whole vectors): sums so far, or
                     // NULL
    bool vector_epilogue;

    Index *at[MAX_AXES]; // where each iteration axis stands
    Index *block;        // number of the block of K
    Index *k_inside;     // position in that block
    Index *part;         // of `partial`
    Var *lane_var;
    Expr *accumulator; // what the root reads as in the epilogue
    Expr *pooled;      // and the pool
    Node **output;     // the group's outputs in topological order
    int ndone;         // output[0, ndone) have their values in done[] already
    Buffer **done;
    Node **done_node;
} Contraction;

// Elements from one step of the axis to the next, at the bounds of run-time axes.
int64_t contraction_axis_stride(const Operand *operand, int axis);
// contraction_plan.c: fills `c` from the maps and the target; false when the maps do not fit a register tile.
bool contraction_plan(Contraction *c, LowerContext *ctx);
// Whether the operand's panels and halo are made once after load, in the prepare part.
bool contraction_is_prepared(const Contraction *c, const Operand *operand);
int64_t contraction_flops(const Iter *iter);
// The smallest and the largest value of an index over the iteration space.
void contraction_reach(const Iter *iter, const Affine *affine, int64_t *lo, int64_t *hi);
// contraction.c: whether the epilogue of `c`'s group can be computed on vectors along n.
bool contraction_epilogue_is_vector(Contraction *c);

// contraction_loops.c: loops over tiles, shared by staging and the product.
typedef struct TileLoop {
    const Index *base;  // first element of the tile along its axis
    int extent;         // elements: rows, or vectors (the last one may be part of one)
    const Index *valid; // lanes of the last vector that are elements, or NULL for all
    bool inside;        // may start inside a panel, not only at its first element
} TileLoop;
typedef void (*TileBody)(Contraction *c, Stmt *to, const TileLoop *tile, void *context);
// Opens `for name in [lo, hi)` at the end of `to` and returns its body; *at becomes the variable.
Stmt *contraction_open(Contraction *c, Stmt *to, const char *name, const Index *lo, const Index *hi, int64_t step,
                       Index **at);
Stmt *contraction_open_axis(Contraction *c, Stmt *to, int axis);
// Loops over tiles of [lo, hi), which starts at a multiple of the largest tile and ends at one or at the axis's end.
void contraction_row_tiles(Contraction *c, Stmt *to, const Index *lo, const Index *hi, TileBody body, void *context);
void contraction_lane_tiles(Contraction *c, Stmt *to, const Index *lo, const Index *hi, TileBody body, void *context);
// Opens a loop over the first `valid` lanes (NULL: all) of the vector at `base` along n: *element is the place on the
// axis, *lane the number of the lane. One lane needs no loop.
Stmt *contraction_open_lanes(Contraction *c, Stmt *to, const Index *base, const Index *valid, Index **element,
                             Index **lane);
// Cuts an axis into chunks of whole tiles of `unit` elements; opens the loop and gives the chunk's range.
Stmt *contraction_open_chunks(Contraction *c, Stmt *to, int chunks, int axis, int unit, Index **lo, Index **hi);
// Opens the loop over blocks of K; sets c->block. Bounds of K inside the block: [0, *length).
Stmt *contraction_open_blocks(Contraction *c, Stmt *to, Index **length);
Index *contraction_extent(Contraction *c, int axis);

// contraction_gather.c: the iteration of a scattered result as one that gathers it. False: there is none.
bool contraction_gather(Arena *arena, const Node *root, const Iter **iter);

// contraction_pool.c: the iteration with the elements of the pool's windows as axes of their own.
void contraction_split_windows(Contraction *c);
// Whether the axis runs over the elements of a window.
bool contraction_in_pool(const Contraction *c, int axis);
// Where the axes stand in the pool's result.
void contraction_pool_at(const Contraction *c, Index **at);

// The axis along which vectors of the operand are read, or NO_AXIS.
static inline int contraction_lanes_of(const Contraction *c, const Operand *operand) {
    return operand == &c->lane || c->both_lanes ? c->n : NO_AXIS;
}

// contraction_halo.c: plans a copy of an operand that has every window inside, with zero edges; false: there is none.
bool contraction_halo(Contraction *c, Operand *operand);
void contraction_halo_buffer(Contraction *c, Operand *operand); // once the plan stands
void contraction_halo_copy(Contraction *c, Stmt *to, Operand *operand);

// contraction_stage.c: one operand copied into panels.
void contraction_stage(Contraction *c, Stmt *to, Operand *operand, bool is_lane);
void contraction_stage_range(Contraction *c, Stmt *to, Operand *operand, bool is_lane, const Index *lo,
                             const Index *hi);
// The operand's element where the axes stand, `offset` behind the tile's first one. lanes: 1, or the target's.
Expr *contraction_load(Contraction *c, const Operand *operand, const TileLoop *tile, const Index *offset, int lanes);

// contraction_sums.c: long sums: which of their loops stand where, and the pass that finishes them.
void contraction_plan_sums(Contraction *c);
void contraction_zero_partial(Contraction *c, Stmt *to);
void contraction_finish_sums(Contraction *c, Stmt *to);

// contraction_tile.c: the register tile with its epilogue.
// Sums K in [0, length) of c->block and stores the results, or passes the sums on to the next block.
void contraction_tile(Contraction *c, Stmt *to, const Index *length, const TileLoop *rows, const TileLoop *lanes);

// The sums of all parts at one tile's place, then the epilogue.
void contraction_finish_tile(Contraction *c, Stmt *to, const TileLoop *rows, const TileLoop *lanes);

// Stores outputs of the group at the index `at`, its root being c->accumulator: those of `shape`.
void contraction_store_outputs(Contraction *c, Stmt *to, const Type *shape, Index *const *at, int lanes);
Expr *contraction_local(LowerContext *ctx, const Node *node, Index *const *at); // for LowerContext.local

// contraction_scalar.c: any maps at all, one element at a time, with guards.
void contraction_scalar(Contraction *c, Stmt *to);
// Guards the result's index `at` where it may leave the result; `to` itself where it cannot.
Stmt *contraction_open_result(Contraction *c, Stmt *to, Index *const *at);

#endif
