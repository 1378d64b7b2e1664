// variants.h: element-wise records over every dtype that they take, alone and through masks, as entries of a module.
//     Variant all[MAX_VARIANTS];
//     for (int k = 0; k < variants_of(op, all); k++) variant_add(arena, module, op, &all[k], &shape, "add_f32_line");
#ifndef DLC_VARIANTS_H
#define DLC_VARIANTS_H

#include "ir/graph.h"
#include "ops/op.h"

enum { MAX_VARIANTS = DTYPES * DTYPES * 3 };

typedef struct Variant {
    DType dtype; // of the inputs that have the example's dtype
    DType to;    // where the record has an attribute for it
    bool masks;  // bools never reach memory: they are made by comparison and cast to f32
    DType mask_of;
} Variant;

// The dtypes of an example's inputs; their number.
int example_dtypes(const Op *op, DType *dtypes);
// All of a record; variant_add tells which of them it takes.
int variants_of(const Op *op, Variant all[MAX_VARIANTS]);
const char *variant_name(Arena *arena, const Op *op, const Variant *v); // "cast_i32_to_f32_masks_of_f32"
// Appends an entry over inputs of the shape; false: the record refuses the variant, or it says nothing new.
bool variant_add(Arena *arena, Module *m, const Op *op, const Variant *v, const Type *shape, const char *entry);

#endif
