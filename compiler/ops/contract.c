// contract.c: out[map0] += a[map1] * b[map2] over iteration axes with affine maps: every matmul and convolution.
//     contract %x, %w {shape=[N, 256], iter=[n:N, o:256 | i:784] out[n, o] += a[n, i] * b[o, i]}
// Reads out of range are 0, writes out of range are dropped. Its gradients are contractions with the maps permuted:
// what the forward pass reads at an index, the gradient adds to at that index, and the other way round.
#include "ops/rules.h"

static bool contract_infer(Infer *infer) {
    const Type *a = &infer->in[0]->type, *b = &infer->in[1]->type;
    if (!op_check_dtypes(infer, a, b)) return false;
    if (a->dtype == BOOL)
        return op_refuse(infer, "needs numbers, got %s; cast(x, f32) converts it", op_shown(infer, a));
    if (!op_shape_of_attr(infer, &infer->attr[0], a->dtype)) return false;
    const Type *types[] = {&infer->type, a, b};
    return iter_check(infer, infer->attr[1].iter, types, 3);
}

typedef struct Product {
    const Tensor *a, *b;
    Tensor *out;
} Product;

static void add_row_float(void *context, const IterRow *row) {
    const Product *p = context;
    const double *a = p->a->f + row->at[1], *b = p->b->f + row->at[2];
    double *out = p->out->f + row->at[0];
    if (row->step[0]) {
        for (int64_t k = 0; k < row->count; k++) out[k * row->step[0]] += a[k * row->step[1]] * b[k * row->step[2]];
        return;
    }
    double sum = 0;
    for (int64_t k = 0; k < row->count; k++) sum += a[k * row->step[1]] * b[k * row->step[2]];
    *out += sum;
}

static void add_row_int(void *context, const IterRow *row) {
    const Product *p = context;
    for (int64_t k = 0; k < row->count; k++) {
        int64_t *out = &p->out->i[row->at[0] + k * row->step[0]];
        uint64_t a = (uint64_t)p->a->i[row->at[1] + k * row->step[1]];
        uint64_t b = (uint64_t)p->b->i[row->at[2] + k * row->step[2]];
        *out = int_wrap(p->out->dtype, (uint64_t)*out + a * b);
    }
}

static void eval_contract(const Node *node, const Tensor *const *in, Tensor *out, const int64_t *sizes) {
    Product product = {in[0], in[1], out};
    const Tensor *tensors[] = {out, in[0], in[1]};
    iter_walk(node->attr[1].iter, sizes, tensors, out->f ? add_row_float : add_row_int, &product);
}

static Node *grad_contract(Graph *g, Node *y, Node *dy, int i) {
    const Iter *iter = y->attr[1].iter;
    Map maps[3] = {iter->map[1 + i], iter->map[1], iter->map[2]};
    maps[1 + i] = iter->map[0]; // dy takes the place of the operand
    Iter back = iter_reorder(iter, maps, 3);
    return build_contract(g, i == 0 ? dy : y->in[0], i == 1 ? dy : y->in[1], &y->in[i]->type, &back);
}

static Node *reorder_contract(Graph *to, const Node *old, Node *const *in, const Order *from, Order *order) {
    const Iter *iter = old->attr[1].iter;
    Map maps[3] = {order_map(&iter->map[0], order), order_map(&iter->map[1], &from[0]),
                   order_map(&iter->map[2], &from[1])};
    Iter moved = iter_reorder(iter, maps, 3);
    Type type = order_type(&old->type, order);
    return build_contract(to, in[0], in[1], &type, &moved);
}

DEFINE_OP(contract){
    .name = "contract",
    .doc = "sums of products over affine maps; `a @ b` and every convolution are made of it",
    .example = "a: f32[2, 3] @ b: f32[3, 4]",
    .inputs = 2,
    .attrs = {{"shape", ATTR_DIMS, "of the result", NULL},
              {"iter", ATTR_ITER, "iteration axes and maps of out, a and b", NULL}},
    .traits = OP_REDUCES,
    .infer = contract_infer,
    .eval = eval_contract,
    .grad = grad_contract,
    .reorder = reorder_contract,
    .flops = 2,
};
