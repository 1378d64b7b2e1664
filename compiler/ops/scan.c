// scan.c: the nodes through which values enter and leave the steps of a loop (ir/graph.h).
//     %3 = element %x {loop=1} : f32[4]              %x[t], where %x: f32[8, 4] and the loop has 8 steps
//     %4 = carry %h0 {loop=1, index=0} : f32[4]      what `next %4 = %5` gave in the step before, %h0 in the first one
//     %5 = add %4, %3 : f32[4]                       of loop 1, because its inputs are
//     %6 = stack %5 {loop=1} : f32[8, 4]             outside of the loop: %5 of each step, at the step's index
//     %7 = last %5 {loop=1} : f32[4]                 outside of the loop: %5 of the last step
// They are in memory like arguments: the others read and write them where they lie. Their gradients are those of the
// whole loop (ir/autodiff_loop.c).
#include "loops/lower.h"
#include "ops/rules.h"

#define OF_THE_LOOP "the gradient of its loop is taken as a whole"

// The loop that the attribute names; NULL after a refusal.
static const Loop *find_loop(Infer *infer) {
    int64_t number = infer->attr[0].i;
    if (number >= 1 && number <= infer->g->loops.len) return graph_loop(infer->g, (int)number);
    op_refuse(infer, "there is no loop %lld", (long long)number);
    return NULL;
}

// What enters is computed outside of the loop, or in the loop where `within`; the node is of the loop.
static bool enter(Infer *infer, bool within) {
    const Loop *loop = find_loop(infer);
    if (!loop) return false;
    int number = (int)infer->attr[0].i, outer = within ? number : loop->parent;
    if (!graph_loop_within(infer->g, outer, infer->loop))
        return op_refuse(infer, "its input is computed in a loop that does not contain loop %d", number);
    infer->loop = number;
    if (infer->nin) infer->type = infer->in[0]->type;
    return true;
}

static bool leave(Infer *infer) {
    const Loop *loop = find_loop(infer);
    if (!loop) return false;
    if (infer->loop != (int)infer->attr[0].i) return op_refuse(infer, "its input is not computed in the loop");
    infer->loop = loop->parent;
    infer->type = infer->in[0]->type;
    return true;
}

static bool carry_infer(Infer *infer) { return enter(infer, false); }

// Loop 0: outside of all.
static bool hold_infer(Infer *infer) {
    if (infer->attr[0].i) return enter(infer, true);
    infer->type = infer->in[0]->type;
    return !infer->loop || op_refuse(infer, "its input is computed in a loop");
}

static bool element_infer(Infer *infer) {
    if (!enter(infer, false)) return false;
    const Type *sequence = &infer->in[0]->type;
    Dim steps = graph_loop(infer->g, (int)infer->attr[0].i)->steps;
    if (!sequence->rank || !dim_equal(sequence->dim[0], steps))
        return op_refuse(infer, "%s has another number of elements than its loop has steps", op_shown(infer, sequence));
    infer->type.rank--;
    for (int d = 0; d < infer->type.rank; d++) infer->type.dim[d] = sequence->dim[d + 1];
    return true;
}

static bool step_infer(Infer *infer) {
    if (!enter(infer, false)) return false;
    infer->type = type_scalar(I64);
    return true;
}

static bool stack_infer(Infer *infer) {
    if (!leave(infer)) return false;
    const Type *value = &infer->in[0]->type;
    if (value->rank == MAX_RANK)
        return op_refuse(infer, "%s of all steps has more than %d axes", op_shown(infer, value), MAX_RANK);
    infer->type.rank++;
    infer->type.dim[0] = graph_loop(infer->g, (int)infer->attr[0].i)->steps;
    for (int d = 0; d < value->rank; d++) infer->type.dim[d + 1] = value->dim[d];
    return op_check_shape(infer, &infer->type);
}

static bool last_infer(Infer *infer) { return leave(infer); }

#define LOOP                                                                                                           \
    { "loop", ATTR_INT, "its number", NULL }

DEFINE_OP(carry){
    .name = "carry",
    .doc = "what a step of a loop gets from the step before; the input in the first one",
    .example = "scan e in x: f32[2, 3] from h = h0: f32[3] { h = max(h, e) }",
    .inputs = 1,
    .attrs = {LOOP, {"index", ATTR_INT, "which of the loop's carried values", NULL}},
    .traits = OP_INPUT | OP_LOOP,
    .infer = carry_infer,
    .no_grad = OF_THE_LOOP,
};

DEFINE_OP(element){
    .name = "element",
    .doc = "the element of a sequence at the index of a loop's step",
    .example = "scan e in x: f32[2, 3] { yield -e }",
    .inputs = 1,
    .attrs = {LOOP},
    .traits = OP_INPUT | OP_LOOP,
    .infer = element_infer,
    .no_grad = OF_THE_LOOP,
};

static Expr *lower_step(LowerContext *ctx, const Node *node, Index *const *out) {
    (void)out;
    return op_index_value(ctx, I64, index_step(ctx->arena, ctx->program->graph, node_loop_attr(node)));
}

DEFINE_OP(step){
    .name = "step",
    .doc = "the index of a loop's step",
    .example = "scan t in iota([2]) { yield t }",
    .attrs = {LOOP},
    .traits = OP_SOURCE | OP_LOOP,
    .infer = step_infer,
    .no_grad = OF_THE_LOOP,
    .lower = lower_step,
};

static void eval_hold(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)node, (void)sizes;
    for (int64_t k = 0; k < out->count; k++) tensor_copy(out, k, in[0], k);
}

DEFINE_OP(hold){
    .name = "hold",
    .doc = "the same value, computed in each step of a loop",
    .example = "", // passes make it
    .inputs = 1,
    .attrs = {LOOP, {"number", ATTR_INT, "which of several holds of one value", NULL}},
    .traits = OP_ELEMENTWISE | OP_EXACT | OP_LOOP,
    .infer = hold_infer,
    .eval = eval_hold,
    .c = "$0",
    .c_int = "$0",
    .c_vec = "$0",
    .c_vec_int = "$0",
    .no_grad = OF_THE_LOOP,
};

DEFINE_OP(stack){
    .name = "stack",
    .doc = "a value of a loop in all steps, along a new first axis",
    .example = "scan e in x: f32[2, 3] { yield e * e }",
    .inputs = 1,
    .attrs = {LOOP},
    .traits = OP_INPUT | OP_LOOP,
    .infer = stack_infer,
    .no_grad = OF_THE_LOOP,
};

DEFINE_OP(last){
    .name = "last",
    .doc = "a value of a loop as it is after the last step",
    .example = "scan e in x: f32[2, 3] from h = h0: f32[3] { h = max(h, e) }",
    .inputs = 1,
    .attrs = {LOOP},
    .traits = OP_INPUT | OP_LOOP,
    .infer = last_infer,
    .no_grad = OF_THE_LOOP,
};
