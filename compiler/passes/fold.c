// fold.c: compute element-wise operators over constants, with the interpreter.
//     %0 = constant 2, %1 = constant 3
//     %2 = broadcast %0 [8]                     %2 = constant 6
//     %3 = broadcast %1 [8]          becomes    %3 = broadcast %2 [8]
//     %4 = mul %2, %3
// Gives FOLDED; the constants left over are dead, so it breaks DEDUPED.
#include "ops/op.h"
#include "passes/passes.h"

static Node *fold_node(Graph *to, const Node *old, Node *const *in, void *context) {
    (void)context;
    if (!(old->op->traits & OP_ELEMENTWISE) || old->nin == 0) return NULL;
    Arena scratch = {0};
    Tensor tensors[MAX_INPUTS];
    const Tensor *inputs[MAX_INPUTS];
    for (int k = 0; k < old->nin; k++) {
        double value;
        if (!node_constant(in[k], &value)) {
            arena_release(&scratch);
            return NULL;
        }
        Type scalar = type_scalar(in[k]->type.dtype);
        tensors[k] = tensor_new(&scratch, &scalar, NULL);
        if (tensors[k].f)
            tensors[k].f[0] = value;
        else
            tensors[k].i[0] = (int64_t)value;
        inputs[k] = &tensors[k];
    }
    Type scalar = type_scalar(old->type.dtype);
    Tensor result = tensor_new(&scratch, &scalar, NULL);
    node_evaluate(old, inputs, &result, NULL, false);
    Node *constant =
        result.f ? build_constant(to, scalar.dtype, result.f[0]) : build_constant_int(to, scalar.dtype, result.i[0]);
    arena_release(&scratch);
    return build_broadcast_numpy(to, constant, &old->type);
}

Graph *pass_fold(Graph *g, const PassOptions *options) {
    (void)options;
    return graph_rebuild(g, fold_node, NULL);
}
