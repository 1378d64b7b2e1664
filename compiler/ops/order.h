// order.h: the order in which the axes of a value lie in memory, where it is not the order that the graph gives them.
//
//     y: f32[N, 32, 48, 48], channels last     {4, {0, 2, 3, 1}}: laid out as f32[N, 48, 48, 32]
//
// The layout pass picks orders; an operator's `reorder` says what becomes of it (op.h).
#ifndef DLC_ORDER_H
#define DLC_ORDER_H

#include "ir/graph.h"

typedef struct Order {
    int n;
    int at[MAX_RANK]; // axis d of the value as it is laid out is axis at[d] of the graph's
} Order;

Order order_plain(int rank);
bool order_is_plain(const Order *order);
bool order_equal(const Order *a, const Order *b);
int order_place(const Order *order, int axis); // d with at[d] == axis
Type order_type(const Type *type, const Order *order);
Map order_map(const Map *map, const Order *order);
// x, whose axes lie in the order `from`, in the order `to`.
Node *order_transpose(Graph *g, Node *x, const Order *from, const Order *to);

#endif
