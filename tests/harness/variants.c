// variants.c: see variants.h.
#include "variants.h"

#include <string.h>

#include "support/diag.h"

int example_dtypes(const Op *op, DType *dtypes) {
    int n = 0;
    for (const char *at = op->example; n < MAX_INPUTS && (at = strchr(at, ':')); n++) {
        char name[8] = {0};
        at += 2;
        memcpy(name, at, strcspn(at, "[") < 7 ? strcspn(at, "[") : 7);
        if (!dtype_find(name, &dtypes[n])) break;
    }
    return n;
}

int variants_of(const Op *op, Variant all[MAX_VARIANTS]) {
    int n = 0;
    for (int dtype = 0; dtype < DTYPES; dtype++)
        for (int to = 0; to < (op->attrs[0].name ? DTYPES : 1); to++) {
            if (!dtype_info[dtype].supported || !dtype_info[to].supported) continue;
            all[n++] = (Variant){.dtype = (DType)dtype, .to = (DType)to};
            all[n++] = (Variant){.dtype = (DType)dtype, .to = (DType)to, .masks = true, .mask_of = F32};
            all[n++] = (Variant){.dtype = (DType)dtype, .to = (DType)to, .masks = true, .mask_of = I32};
        }
    return n;
}

const char *variant_name(Arena *arena, const Op *op, const Variant *v) {
    bool to = op->attrs[0].name;
    return arena_printf(arena, "%s_%s%s%s%s%s", op->name, dtype_info[v->dtype].name, to ? "_to_" : "",
                        to ? dtype_info[v->to].name : "", v->masks ? "_masks_of_" : "",
                        v->masks ? dtype_info[v->mask_of].name : "");
}

// Appends the variant's nodes to g; NULL when the record refuses it, or when it says nothing new.
static Node *variant_node(Graph *g, const Op *op, const Variant *v, const Type *shape) {
    static const char *const names[] = {"a", "b", "c"};
    DType dtypes[MAX_INPUTS];
    int n = example_dtypes(op, dtypes);
    Node *in[MAX_INPUTS];
    bool masked = false;
    for (int k = 0; k < n; k++) {
        DType dtype = dtypes[k] == dtypes[n - 1] ? v->dtype : dtypes[k];
        bool mask = v->masks && dtype == BOOL;
        in[k] = build_argument(g, names[k], type_with_dtype(*shape, mask ? v->mask_of : dtype));
        if (mask) in[k] = build_binary(g, "gt", in[k], build_full(g, &in[k]->type, 0));
        masked |= mask;
    }
    Node *y = graph_op(g, op, in, op->inputs, op->attrs[0].name ? (Attr[]){{.i = v->to}} : NULL);
    if (!y || !v->masks) return y;
    if (y->type.dtype == BOOL) return v->mask_of == F32 || masked ? build_cast(g, y, F32) : NULL;
    return masked ? y : NULL;
}

bool variant_add(Arena *arena, Module *m, const Op *op, const Variant *v, const Type *shape, const char *entry) {
    // Tried in a module of its own, whose diagnostics are not shown.
    FILE *nowhere = fopen("/dev/null", "w");
    Diag muted = {.out = nowhere};
    Module *trial = module_new(arena, &muted, "trial");
    trial->nsizes = m->nsizes;
    memcpy(trial->sizes, m->sizes, sizeof trial->sizes);
    bool fits = variant_node(graph_new(trial, "trial", ENTRY_MODEL), op, v, shape);
    fclose(nowhere);
    if (!fits) return false;
    Graph *g = graph_new(m, entry, ENTRY_MODEL);
    graph_return(g, "y", variant_node(g, op, v, shape), (Span){0});
    vec_push(arena, &m->entries, g);
    return true;
}
