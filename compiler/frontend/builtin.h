// builtin.h: what the functions behind the table of builtin.c share.
#ifndef DLC_BUILTIN_H
#define DLC_BUILTIN_H

#include "frontend/elaborator.h"

enum { MAX_PARAMS = 7 };

typedef struct Call {
    const char *name;
    Value arg[MAX_PARAMS]; // NONE where not given
    Span at[MAX_PARAMS];
    Span span;
} Call;

Node *tensor_arg(Elab *el, const Call *call, int k); // NULL: reported
bool flag_arg(Elab *el, const Call *call, int k, bool *flag);

// window.c
Value run_convolve(Elab *el, const Call *call);
Value run_convolve_transposed(Elab *el, const Call *call);
Value run_pool(Elab *el, const Call *call);

#endif
