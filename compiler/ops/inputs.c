// inputs.c: argument and storage: values that are in a buffer when the entry is called.
//     %0 = argument {name="image"} : f32[N, 784]          what the caller passes
//     %1 = storage {name="fc1.weight"} : f32[256, 784]    a parameter, buffer, optimiser buffer or state, as it was
// Their types come from the entry's list of arguments and from the module's list of storages.
#include <string.h>

#include "ops/rules.h"

static bool argument_infer(Infer *infer) {
    const char *name = infer->attr[0].s;
    for (int k = 0; k < infer->g->arguments.len; k++) {
        const Node *argument = infer->g->arguments.at[k];
        if (strcmp(argument->attr[0].s, name) != 0) continue;
        infer->type = argument->type;
        return true;
    }
    return op_refuse(infer, "this entry has no argument %s", name);
}

DEFINE_OP(argument){
    .name = "argument",
    .doc = "an argument of the entry",
    .example = "x: f32[2, 3]",
    .attrs = {{"name", ATTR_STRING, "as in the entry's header", NULL}},
    .traits = OP_INPUT,
    .infer = argument_infer,
    .no_grad = "it depends on nothing",
};

static bool storage_infer(Infer *infer) {
    const char *name = infer->attr[0].s;
    const Storage *storage = module_find_storage(infer->g->module, name);
    if (!storage) return op_refuse(infer, "there is no parameter, buffer or state %s", name);
    infer->type = storage->type;
    return true;
}

DEFINE_OP(storage){
    .name = "storage",
    .doc = "a parameter, buffer or state as it was when the entry was called",
    .example = "param w: f32[2, 3] = zeros()",
    .attrs = {{"name", ATTR_STRING, "the full path", NULL}},
    .traits = OP_INPUT,
    .infer = storage_infer,
    .no_grad = "it depends on nothing",
};
