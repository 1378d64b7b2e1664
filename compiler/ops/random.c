// random.c: random numbers as a pure function of (seed, call counter, site, element): two sites differ, a rerun does
// not.
//     %3 = random %seed, %counter {distribution="uniform", shape=[256, 784], site=2} : f32[256, 784]
// In the steps of a loop a third input is the number of the first element, so that the steps draw one after the other.
// The interpreter calls the very functions that the emitted C calls, so both draw the same bits. An element is numbered
// as if every run-time axis had its bound: the numbers of the first rows do not depend on how many there are.
#include "../runtime/dlc_math.h"
#include "loops/lower.h"
#include "ops/rules.h"

const char *const distribution_words[] = {"uniform", "normal", NULL};

static bool is_normal(const Node *node) { return node->attr[0].i == DRAWS_NORMAL; }

static bool random_infer(Infer *infer) {
    static const char *const names[] = {"the seed", "the counter", "the first element's number"};
    for (int k = 0; k < infer->nin; k++) {
        const Type *in = &infer->in[k]->type;
        if (in->dtype != I64 || in->rank != 0)
            return op_refuse(infer, "%s must be i64[], got %s", names[k], op_shown(infer, in));
    }
    return op_shape_of_attr(infer, &infer->attr[1], F32);
}

static double draw(const Node *node, int64_t seed, int64_t counter, int64_t element) {
    uint32_t site = (uint32_t)node->attr[2].i;
    return is_normal(node) ? dlc_normal(seed, counter, site, element) : dlc_uniform(seed, counter, site, element);
}

static void eval_random(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    int64_t index[MAX_RANK] = {0}, first = node->nin > 2 ? in[2]->i[0] : 0;
    for (int64_t k = 0; k < out->count; k++) {
        int64_t element = 0;
        for (int d = 0; d < out->rank; d++) element = element * node->type.dim[d].extent + index[d];
        out->f[k] = draw(node, in[0]->i[0], in[1]->i[0], first + element);
        for (int d = out->rank - 1; d >= 0 && ++index[d] == out->shape[d]; d--) index[d] = 0;
    }
}

static void eval_lowered_random(const Node *node, const Tensor *const *arg, Tensor *out, const int64_t *sizes) {
    (void)sizes;
    *out->f = draw(node, *arg[0]->i, *arg[1]->i, *arg[3]->i);
}

static Expr *lower_random(LowerContext *ctx, const Node *node, Index *const *out) {
    Index *element = index_const(ctx->arena, 0);
    for (int d = 0; d < node->type.rank; d++)
        element = index_add(ctx->arena, index_scale(ctx->arena, element, node->type.dim[d].extent), out[d]);
    Expr *site = expr_const(ctx->arena, I64, 0);
    site->i = node->attr[2].i;
    Expr *number = op_index_value(ctx, I64, element);
    if (node->nin > 2) {
        Expr *sum[] = {lower_value(ctx, node->in[2], NULL), number};
        number = expr_apply(ctx->arena, NULL, &op_add, I64, sum, 2);
    }
    Expr *args[] = {lower_value(ctx, node->in[0], NULL), lower_value(ctx, node->in[1], NULL), site, number};
    return expr_apply(ctx->arena, node, node->op, F32, args, 4);
}

static const char *text_random(const Node *node, DType result, DType operand, bool vector) {
    (void)result, (void)operand;
    if (vector) return NULL;
    return is_normal(node) ? "dlc_normal$S($0, $1, $2, $3)" : "dlc_uniform($0, $1, $2, $3)";
}

DEFINE_OP(random){
    .name = "random",
    .doc = "random numbers, uniform in [0, 1) or standard normal",
    .example = "random(\"uniform\", [2, 3])",
    .inputs = 2,
    .optional = 1,
    .attrs = {{"distribution", ATTR_WORD, "uniform or normal", distribution_words},
              {"shape", ATTR_DIMS, "of the result", NULL},
              {"site", ATTR_INT, "the number of this place in the program", NULL}},
    .traits = OP_EXPENSIVE,
    .infer = random_infer,
    .eval = eval_random,
    .eval_lowered = eval_lowered_random,
    .ulp_floats = 4.5, // of dlc_normalf
    .no_grad = "its numbers depend on the seed alone",
    .text = text_random,
    .lower = lower_random,
    .flops = 60,
};
