// slots.c: where the values live that enter the steps of a loop, pass from one to the next, and leave it.
//     %4 = carry %h0, next %4 = %5, %6 = stack %5       h: f32[T + 1, 8], of which step t reads slot t and writes
//                                                       slot t + 1; %h0 is slot 0, %6 all slots but that
//     %4 = carry %h0, next %4 = %5                      h: f32[2, 8], of which step t reads slot t % 2 and writes the
//                                                       other one
//     %3 = element %x                                   slot t of x
// A slot is a view whose place depends on the loop's index: the entry's function passes kernels a pointer to it, so a
// kernel does not know that it runs in a loop. Nothing is copied from step to step. In a reversed loop step t reads
// slot t + 1 and writes slot t. A value that only leaves with the last step stays where that step wrote it. Of the two
// slots one is enough where the kernel that makes the next value may overwrite the carried one, as in a sum.
#include "loops/recipes.h"

typedef struct Slots {
    Program *program;
    Graph *g;
    Arena *arena;
    Node **stack; // by node id: the stack of it, or NULL
} Slots;

static Buffer *buffer_for(const Slots *s, const Node *node, const char *name) {
    Buffer *buffer = buffer_scratch(s->program, name, node->type.dtype, node->type.rank, node->type.dim, SCOPE_ARENA);
    buffer->value = node;
    s->program->of_node[node->id] = buffer;
    return buffer;
}

static const char *name_of(const Node *node) {
    return node->name ? node->name : node->origin ? node->origin : node->op->name;
}

// The value of the node is element `at` of a buffer along axis 0.
static void put_in_slot(const Slots *s, const Node *node, Buffer *of, const Index *at) {
    Buffer *buffer = buffer_for(s, node, name_of(node));
    buffer->scope = of->scope;
    buffer->storage = of->storage;
    buffer->argument = of->argument;
    buffer->view = NEW(s->arena, View);
    *buffer->view = (View){.of = of, .slot = at};
    for (int d = 0; d < buffer->rank; d++) {
        buffer->view->axis[d] = (signed char)(d + 1);
        buffer->view->step[d] = 1;
    }
}

// The value of the node is a buffer from element `first` along axis 0 on.
static void put_in_part(const Slots *s, const Node *node, Buffer *of, int64_t first) {
    Buffer *buffer = buffer_for(s, node, name_of(node));
    buffer->view = NEW(s->arena, View);
    *buffer->view = (View){.of = of};
    view_same_axes(buffer->view, buffer->rank);
    if (buffer->rank) buffer->view->first[0] = first;
}

// How many steps came before this one, as an index.
static Index *count_of_step(const Slots *s, int loop) {
    Index *step = index_step(s->arena, s->g, loop);
    if (!graph_loop(s->g, loop)->reverse) return step;
    Index *end = index_size(s->arena, graph_loop(s->g, loop)->steps);
    return index_add_const(s->arena, index_add(s->arena, end, index_scale(s->arena, step, -1)), -1);
}

// A buffer with `count` slots for values like the node's.
static Buffer *slots_new(const Slots *s, const Node *node, Dim count) {
    Dim dim[MAX_RANK] = {count};
    for (int d = 0; d < node->type.rank; d++) dim[d + 1] = node->type.dim[d];
    const char *name = arena_printf(s->arena, "%s_slots", name_of(node));
    Buffer *buffer = buffer_scratch(s->program, name, node->type.dtype, node->type.rank + 1, dim, SCOPE_ARENA);
    buffer->value = node;
    return buffer;
}

static Dim one_more(Dim dim) {
    dim.extent++;
    dim.plus += dim.size ? 1 : 0;
    return dim;
}

// The stacked values are those of the steps before, after the initial one, or the other way round.
static void keep_all(const Slots *s, int number, const Node *carry, const Node *next) {
    const Loop *loop = graph_loop(s->g, number);
    Index *step = index_step(s->arena, s->g, number), *after = index_add_const(s->arena, step, 1);
    Index *start = index_const(s->arena, 0), *end = index_size(s->arena, loop->steps);
    Buffer *all = slots_new(s, next, one_more(loop->steps));
    put_in_slot(s, carry->in[0], all, loop->reverse ? end : start);
    put_in_slot(s, carry, all, loop->reverse ? after : step);
    put_in_slot(s, next, all, loop->reverse ? step : after);
    if (s->stack[carry->id]) put_in_part(s, s->stack[carry->id], all, loop->reverse);
    if (s->stack[next->id]) put_in_part(s, s->stack[next->id], all, !loop->reverse);
}

static void keep_two(const Slots *s, int number, const Node *carry, const Node *next) {
    Index *count = count_of_step(s, number);
    Buffer *two = slots_new(s, next, dim_fixed(2));
    put_in_slot(s, carry->in[0], two, index_const(s->arena, 0));
    put_in_slot(s, carry, two, index_mod(s->arena, count, 2));
    put_in_slot(s, next, two, index_mod(s->arena, index_add_const(s->arena, count, 1), 2));
}

// Whether all steps' values are kept: some stack has them.
static bool is_kept(const Slots *s, const Node *carry, const Node *next) {
    return s->stack[carry->id] || s->stack[next->id];
}

static void make_carried(const Slots *s, int number) {
    const Loop *loop = graph_loop(s->g, number);
    for (int i = 0; i < loop->carry.len; i++) {
        const Node *carry = loop->carry.at[i], *next = loop->next.at[i];
        if (!carry) continue;
        (is_kept(s, carry, next) ? keep_all : keep_two)(s, number, carry, next);
    }
}

// ---- stacks in the memory of others ---------------------------------------------------------------------------------
//
// What the backward loop reads of step t for the last time makes room for what it stores of step t: the gates of an
// LSTM for their gradients. The slots of all are parts of those of one buffer:
//     i, f, g, o: f32[T, 8] each, read in loop 2 by kernel 5        gates: f32[T, 32]: i at 0, f at 8, g at 16, o at 24
//     d: f32[T, 32], stored in loop 2 by kernel 6                   d at 0

// Whether the value may lie in the element: an element of that, or moved.
static bool shows(const Node *value, const Node *of) {
    while (value != of && value->nin == 1 &&
           (node_is(value, element) || value->op->traits & (OP_MOVEMENT | OP_IDENTITY)))
        value = value->in[0];
    return value == of;
}

// Whether nothing but the steps of `loop` reads the stack, each its element, in groups before `group`.
static bool ends_before(const Slots *s, const Node *stack, int loop, int group) {
    const Graph *g = s->g;
    for (int k = 0; k < g->outputs.len; k++)
        if (g->outputs.at[k].value == stack) return false;
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        bool reads = false;
        for (int i = 0; i < node->nin; i++) reads |= node->in[i] == stack;
        if (reads && !(node_is(node, element) && node_loop_attr(node) == loop)) return false;
        for (int k = group; reads && k < g->groups.len; k++)
            for (int i = 0; i < s->program->parts[k].loads.len; i++)
                if (shows(s->program->parts[k].loads.at[i].node, node)) return false;
    }
    return true;
}

static bool is_carried(const Graph *g, const Node *node) {
    const Loop *loop = node->loop ? graph_loop(g, node->loop) : NULL;
    for (int i = 0; loop && i < loop->carry.len; i++)
        if (loop->carry.at[i] == node || loop->next.at[i] == node) return true;
    return false;
}

// Whether the value of the last step is wanted after the loop.
static bool has_last(const Graph *g, const Node *value) {
    for (int id = value->id; id < g->nodes.len; id++)
        if (node_is(g->nodes.at[id], last) && g->nodes.at[id]->in[0] == value) return true;
    return false;
}

static bool is_plain_stack(const Slots *s, const Node *node) {
    return node_is(node, stack) && !s->program->of_node[node->id] && !is_carried(s->g, node->in[0]) &&
           !has_last(s->g, node->in[0]);
}

// The value of the stack lies in that of `of`, an axis of steps and one of elements, from element `first` of each step
// on.
static void put_in_part_of_steps(const Slots *s, const Node *stack, Buffer *of, int64_t first) {
    Buffer *buffer = buffer_for(s, stack, name_of(stack));
    int64_t elements = 1;
    buffer->view = NEW(s->arena, View);
    *buffer->view = (View){.of = of, .first = {0, first}};
    buffer->view->step[0] = 1;
    for (int d = buffer->rank - 1; d > 0; d--) {
        buffer->view->axis[d] = 1;
        buffer->view->step[d] = elements;
        elements *= buffer->dim[d].extent;
    }
}

static void put_in_steps(const Slots *s, const Node *stack, Buffer *of, int64_t first) {
    put_in_part_of_steps(s, stack, of, first);
    put_in_slot(s, stack->in[0], s->program->of_node[stack->id], index_step(s->arena, s->g, node_loop_attr(stack)));
}

static int group_of(const Graph *g, const Node *node) {
    for (int k = 0; k < g->groups.len; k++)
        if (nodes_have(&g->groups.at[k].outputs, node)) return k;
    return 0;
}

// The projections of all steps, which the forward loop reads one after the other, end where it stores its stacks.
static void reuse_sequence(const Slots *s, Buffer *of, const NodeVec *stacks) {
    const Graph *g = s->g;
    int loop = node_loop_attr(stacks->at[0]), first = g->groups.len;
    for (int k = 0; k < stacks->len; k++) {
        int group = group_of(g, stacks->at[k]->in[0]);
        if (node_loop_attr(stacks->at[k]) != loop) return;
        if (group < first) first = group;
    }
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        bool fits = node->op->traits & (OP_REDUCES | OP_ELEMENTWISE) && node->loop == graph_loop(g, loop)->parent &&
                    node->type.rank > 1 && dim_equal(node->type.dim[0], of->dim[0]) && node->type.dtype == of->dtype &&
                    type_count(&node->type) == buffer_count(of) &&
                    nodes_have(&g->groups.at[group_of(g, node)].outputs, node);
        if (!fits || s->program->of_node[id] || !ends_before(s, node, loop, first)) continue;
        put_in_part_of_steps(s, node, of, 0);
        return;
    }
}

// Looks for stacks that end where this one begins, until they fill its slots.
static void reuse_slots(const Slots *s, const Node *stack) {
    const Graph *g = s->g;
    int loop = node_loop_attr(stack), group = group_of(g, stack->in[0]);
    int64_t size = type_count(&stack->in[0]->type), taken = 0;
    NodeVec ended = {0};
    if (!stack->in[0]->type.rank) return;
    for (int id = 0; id < stack->id; id++) {
        Node *other = g->nodes.at[id];
        if (!is_plain_stack(s, other) || other->type.dtype != stack->type.dtype || !other->in[0]->type.rank) continue;
        const Loop *fore = graph_loop(g, node_loop_attr(other)), *back = graph_loop(g, loop);
        int64_t more = type_count(&other->in[0]->type);
        bool fits = fore != back && fore->parent == back->parent && dim_equal(fore->steps, back->steps);
        if (!fits || taken + more > size || !ends_before(s, other, loop, group)) continue;
        taken += more;
        vec_push(s->arena, &ended, other);
    }
    if (!ended.len) return;
    Dim dim[2] = {graph_loop(g, loop)->steps, dim_fixed((int32_t)size)};
    const char *name = arena_printf(s->arena, "%s_steps", name_of(stack));
    Buffer *of = buffer_scratch(s->program, name, stack->type.dtype, 2, dim, SCOPE_ARENA);
    of->value = stack;
    put_in_steps(s, stack, of, 0);
    taken = 0;
    for (int k = 0; k < ended.len; k++) {
        put_in_steps(s, ended.at[k], of, taken);
        taken += type_count(&ended.at[k]->in[0]->type);
    }
    reuse_sequence(s, of, &ended);
}

// A stack of what is not carried.
static void make_stack(const Slots *s, const Node *stack) {
    int loop = node_loop_attr(stack);
    Buffer *all = buffer_for(s, stack, name_of(stack));
    put_in_slot(s, stack->in[0], all, index_step(s->arena, s->g, loop));
}

static Slots slots_of(Program *program) {
    const Graph *g = program->graph;
    Slots s = {.program = program, .g = program->graph, .arena = program->arena};
    s.stack = NEW_ARRAY(s.arena, Node *, g->nodes.len + 1);
    for (int id = 0; id < g->nodes.len; id++)
        if (node_is(g->nodes.at[id], stack)) s.stack[g->nodes.at[id]->in[0]->id] = g->nodes.at[id];
    return s;
}

void slots_leave(Program *program) {
    Graph *g = program->graph;
    Slots s = slots_of(program);
    for (int number = 1; number <= g->loops.len; number++) make_carried(&s, number);
    for (int id = 0; id < g->nodes.len && program->level; id++)
        if (is_plain_stack(&s, g->nodes.at[id])) reuse_slots(&s, g->nodes.at[id]);
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (node_is(node, stack) && !program->of_node[id]) make_stack(&s, node);
    }
}

// Whether the value is carried to the next step in one of two slots.
static bool is_in_two(const Slots *s, int number, const Node *value) {
    const Loop *loop = graph_loop(s->g, number);
    for (int i = 0; i < loop->next.len; i++)
        if (loop->next.at[i] == value) return !is_kept(s, loop->carry.at[i], value);
    return false;
}

// Where the last step wrote the value.
static void make_last(const Slots *s, const Node *last) {
    int number = node_loop_attr(last);
    const Loop *loop = graph_loop(s->g, number);
    Buffer *of = s->program->of_node[last->in[0]->id];
    if (!of->view || !of->view->slot) {
        put_in_part(s, last, of, 0);
        return;
    }
    const Index *steps = index_size(s->arena, loop->steps), *at = of->view->slot;
    Index *end = is_in_two(s, number, last->in[0]) ? index_mod(s->arena, steps, 2)
                 : loop->reverse                   ? index_const(s->arena, 0)
                                                   : index_add_const(s->arena, steps, at->c - 1);
    put_in_slot(s, last, of->view->of, end);
}

void slots_enter(Program *program) {
    Graph *g = program->graph;
    Slots s = slots_of(program);
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (node_is(node, element))
            put_in_slot(&s, node, program->of_node[node->in[0]->id], index_step(s.arena, g, node_loop_attr(node)));
        if (node_is(node, last)) make_last(&s, node);
    }
}

// ---- one slot instead of two ----------------------------------------------------------------------------------------

// Whether the buffer is that value or a view of it.
static bool is_view_of(const Buffer *buffer, const Buffer *value) {
    while (buffer != value && buffer->view) buffer = buffer->view->of;
    return buffer == value;
}

// The use of the call through which it writes the buffer, or -1.
static int use_written(const Call *call, const Buffer *buffer) {
    for (int k = 0; k < call->kernel->uses.len; k++)
        if (call->buffer[k] == buffer && call->kernel->uses.at[k].written) return k;
    return -1;
}

// Whether one call of the loop makes the next value, in place, while the calls before it read the carried value alone
// and those after it the next one.
static bool may_overwrite(const Program *program, UsePairs *known, int loop, const Buffer *carry, const Buffer *next) {
    const LoopRange *range = &program->loops[loop - 1];
    int maker = -1, from = -1;
    for (int c = range->first; c < range->end; c++) {
        if (use_written(&program->calls.at[c], next) < 0) continue;
        if (maker >= 0 || program->calls.at[c].loop != loop) return false;
        maker = c;
    }
    for (int c = range->first; c < range->end && maker >= 0; c++) {
        const Call *call = &program->calls.at[c];
        for (int k = 0; k < call->kernel->uses.len; k++) {
            const Buffer *buffer = call->buffer[k];
            if (view_root(buffer) != view_root(carry)) continue;
            if (c == maker) {
                if (buffer == next) continue;
                if (buffer != carry || from >= 0) return false;
                from = k;
            } else if (call->kernel->uses.at[k].written || !is_view_of(buffer, c < maker ? carry : next)) {
                return false;
            }
        }
    }
    if (from < 0) return false;
    const Call *call = &program->calls.at[maker];
    return call_in_place(known, call, from, use_written(call, next));
}

void slots_in_place(Program *program, UsePairs *known) {
    Slots s = slots_of(program);
    for (int number = 1; number <= s.g->loops.len; number++) {
        const Loop *loop = graph_loop(s.g, number);
        for (int i = 0; i < loop->carry.len && program->loops[number - 1].first >= 0; i++) {
            const Node *carry = loop->carry.at[i], *next = loop->next.at[i];
            if (!carry || is_kept(&s, carry, next)) continue;
            const Buffer *from = program->of_node[carry->id];
            if (!may_overwrite(program, known, number, from, program->of_node[next->id])) continue;
            Buffer *one = from->view->of;
            one->dim[0] = dim_fixed(1);
            buffer_lay_out(one);
            for (int k = 0; k < program->buffers.len; k++) {
                const Buffer *buffer = program->buffers.at[k];
                if (buffer->view && buffer->view->of == one) buffer->view->slot = index_const(s.arena, 0);
            }
        }
    }
}

// ---- lives ----------------------------------------------------------------------------------------------------------

// The innermost loop around both.
static int common_loop(const Graph *g, int a, int b) {
    while (!graph_loop_within(g, a, b)) b = graph_loop(g, b)->parent;
    return b;
}

// From the outermost loop around a call on: what stands before each loop that begins with it.
static void begin_loops(Program *program, bool *begun, int loop) {
    if (!loop || begun[loop]) return;
    begin_loops(program, begun, graph_loop(program->graph, loop)->parent);
    begun[loop] = true;
    for (int k = 0; k < program->ahead.len; k++)
        if (program->ahead.at[k].ahead_of == loop) vec_push(program->arena, &program->calls, program->ahead.at[k]);
}

void slots_place_ahead(Program *program) {
    if (!program->ahead.len) return;
    bool *begun = NEW_ARRAY(program->arena, bool, program->graph->loops.len + 1);
    int n = program->calls.len;
    Call *calls = program->calls.at;
    program->calls.at = NULL;
    program->calls.len = program->calls.cap = 0;
    for (int c = 0; c < n; c++) {
        begin_loops(program, begun, calls[c].loop);
        vec_push(program->arena, &program->calls, calls[c]);
    }
}

void slots_find_homes(Program *program) {
    const Graph *g = program->graph;
    for (int k = 0; k < program->buffers.len; k++) program->buffers.at[k]->home = -1;
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *buffer = program->buffers.at[k];
        int *home = &view_root(buffer)->home;
        if (!buffer->value || (buffer->view && node_is(buffer->value, element))) continue;
        int loop = buffer->value->loop;
        *home = *home < 0 ? loop : common_loop(g, *home, loop);
    }
    for (int c = 0; c < program->calls.len; c++)
        for (int k = 0; k < program->calls.at[c].kernel->uses.len; k++) {
            int *home = &view_root(program->calls.at[c].buffer[k])->home, loop = program->calls.at[c].loop;
            *home = *home < 0 ? loop : common_loop(g, *home, loop);
        }
}

void slots_find_loops(Program *program) {
    const Graph *g = program->graph;
    program->loops = NEW_ARRAY(program->arena, LoopRange, g->loops.len + 1);
    for (int number = 1; number <= g->loops.len; number++) {
        LoopRange *range = &program->loops[number - 1];
        *range = (LoopRange){-1, -1};
        for (int c = 0; c < program->calls.len; c++) {
            if (!graph_loop_within(g, program->calls.at[c].loop, number)) continue;
            if (range->first < 0) range->first = c;
            range->end = c + 1;
        }
    }
}

void slots_live(const Program *program, int call, int home, int *first, int *last) {
    int loop = program->calls.at[call].loop;
    *first = *last = call;
    if (loop == home) return;
    const LoopRange *range = &program->loops[graph_loop_below(program->graph, loop, home) - 1];
    *first = range->first;
    *last = range->end - 1;
}
