// builtin.h: shared by the files that implement built-in functions: a call of a function of the table in builtin.c.
#ifndef DLC_BUILTIN_H
#define DLC_BUILTIN_H

#include "frontend/elaborator.h"

enum { MAX_PARAMS = 7 };

typedef struct Call {
    const char *name;
    int required;          // the number of arguments that must be given
    Value arg[MAX_PARAMS]; // NONE where not given
    Span at[MAX_PARAMS];
    bool keyword[MAX_PARAMS]; // whether it was given by name
    Span span;
} Call;

Node *tensor_arg(Elab *el, const Call *call, int k); // NULL: reported
// Converts integers and bools to i64, the dtype of their sums as in PyTorch; floats stay as they are.
Node *widened(Elab *el, Node *x);
bool flag_arg(Elab *el, const Call *call, int k, bool *flag);

// window.c
Value run_convolve(Elab *el, const Call *call);
Value run_convolve_transposed(Elab *el, const Call *call);
Value run_pool(Elab *el, const Call *call);

// Reads argument k as an axis; it is 0 when it is optional and not given.
bool axis_arg(Elab *el, const Call *call, int k, int rank, int *axis);
// Reads axis=1, axis=[1, 2] or none (all axes) as a bit mask.
bool axes_arg(Elab *el, const Call *call, int k, int rank, unsigned *axes);

// random.c
Value run_random(Elab *el, const Call *call);

// gradients.c
Value run_grad(Elab *el, const Call *call);

// builtin_parts.c
Value run_narrow(Elab *el, const Call *call);
Value run_flip(Elab *el, const Call *call);
Value run_pad(Elab *el, const Call *call);
Value run_concat(Elab *el, const Call *call);
Value run_split(Elab *el, const Call *call);
Value run_gather(Elab *el, const Call *call);
Value run_scatter_add(Elab *el, const Call *call);
Value run_update(Elab *el, const Call *call);
Value run_cumsum(Elab *el, const Call *call);

#endif
