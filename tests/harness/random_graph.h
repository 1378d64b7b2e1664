// random_graph.h: seeded random entries with gradients, for tests/tools/random_programs.c.
#ifndef DLC_RANDOM_GRAPH_H
#define DLC_RANDOM_GRAPH_H

#include "harness.h"
#include "ir/windows.h"

enum { RANDOM_ENTRIES = 20, RANDOM_POOL = 64, RANDOM_WRT = 16 };

// A value that is a multiple of 2^-frac and below 2^mag: sums of such numbers come out the same in every order, so that
// their maxima and signs may be asked for. frac -1: not known.
typedef struct Exact {
    int frac, mag;
} Exact;
static const Exact inexact = {-1, 0};

typedef struct Generator {
    Arena *arena;
    Module *m;
    Graph *g;
    uint32_t seed;
    uint64_t draws;
    Node *pool[RANDOM_POOL]; // f32 values
    Exact exact[RANDOM_POOL];
    int npool;
    int inputs; // pool[0, inputs) are arguments and storages
    bool train; // gradients follow
    bool image; // of batch, channels and one or two axes for windows
} Generator;

// A module of RANDOM_ENTRIES entries under one run-time size N.
Module *random_module(Arena *arena, Diag *diag, uint32_t seed);
// Arguments and storages of these names hold multiples of 1/16 between -1 and 1; all others any number there.
bool random_is_exact(const char *name);

// ---- shared by random_graph.c, random_images.c and random_motifs.c -------------------------------------------------

int random_pick(Generator *r, int n); // 0 .. n - 1
Node *random_scaled(Graph *g, Node *x, double by);
Node *random_relu(Generator *r, Node *x, Exact exact);
void random_put(Generator *r, Node *y, Exact exact); // NULL and what is too large are left out
Node *random_param(Generator *r, Type type, bool exact);
// Adds a value made from an image of the pool, or nothing.
void random_grow_image(Generator *r);
void random_add_image(Generator *r, Dim batch);
// The place of an image in the pool, the younger the likelier; -1 if there is none.
int random_image(Generator *r);

// Of the image in the pool at `from`; *exact is what the result is. NULL: too much work.
Node *random_convolve(Generator *r, int from, const Windows *w, int out, int groups, bool transposed, Exact *exact);
Node *random_pooled(Generator *r, int from, bool max, Exact *exact);
Node *random_norm(Generator *r, Node *x); // of any kind; never exact
Node *random_activation(Generator *r, Node *x, Exact *exact);
Node *random_biased(Generator *r, Node *y, Exact *exact);
Node *random_along_channels(Generator *r, Node *v, const Type *like);

// random_motifs.c: puts the values of a few layers that stand together in nets.
void random_motif(Generator *r, int from);

#endif
