// order.c: arithmetic with the orders of axes.
//     {0, 2, 3, 1} of f32[N, 32, 48, 48]       f32[N, 48, 48, 32]; graph axis 1 is at place 3
#include "ops/order.h"

Order order_plain(int rank) {
    Order order = {.n = rank};
    for (int d = 0; d < rank; d++) order.at[d] = d;
    return order;
}

bool order_is_plain(const Order *order) {
    for (int d = 0; d < order->n; d++)
        if (order->at[d] != d) return false;
    return true;
}

bool order_equal(const Order *a, const Order *b) {
    bool same = a->n == b->n;
    for (int d = 0; same && d < a->n; d++) same = a->at[d] == b->at[d];
    return same;
}

int order_place(const Order *order, int axis) {
    int d = 0;
    while (d < order->n && order->at[d] != axis) d++;
    return d;
}

Type order_type(const Type *type, const Order *order) {
    Type to = *type;
    for (int d = 0; d < order->n; d++) to.dim[d] = type->dim[order->at[d]];
    return to;
}

Map order_map(const Map *map, const Order *order) {
    Map to = {.rank = map->rank};
    for (int d = 0; d < order->n; d++) to.dim[d] = map->dim[order->at[d]];
    return to;
}

Node *order_transpose(Graph *g, Node *x, const Order *from, const Order *to) {
    int perm[MAX_RANK] = {0};
    if (order_equal(from, to)) return x;
    for (int d = 0; d < to->n; d++) perm[d] = order_place(from, to->at[d]);
    return build_transpose(g, x, perm);
}
