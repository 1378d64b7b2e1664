// test_slots.c: the proof of the memory plan for loops: each value that enters a step, passes to the next or leaves
// the loop lies in its slot, nothing else is stored there, and memory that is needed in the next step is not reused.
// Every way in which that could be wrong is refused.
#include <criterion/criterion.h>
#include <string.h>

#include "frontend/elaborate.h"
#include "loops/lower.h"
#include "passes/passes.h"

typedef struct Bench {
    Arena arena;
    Diag diag;
    Program *program;
} Bench;

// h is stacked, so all its values are kept; c and d have two slots, and d only passes from step to step. k is computed
// before the loop and read in each step. s is read by the loop and after it.
#define STEPS                                                                                                          \
    "    k = softmax(h0)\n"                                                                                            \
    "    s = softmax(x)\n"                                                                                             \
    "    hs, h, c, d = scan xt in s" OPTIONS " from h = h0, c = k, d = h0 {\n"                                         \
    "        z = softmax(xt + h @ w)\n"                                                                                \
    "        c = softmax(c * 0.5 + z * k + d * h)\n"                                                                   \
    "        d = softmax(d * 2 + c)\n"                                                                                 \
    "        h = softmax(tanh(c @ w) * 0.9)\n"                                                                         \
    "        yield h\n"                                                                                                \
    "    }\n"                                                                                                          \
    "    return hs, softmax(hs) + max(hs, axis=0, keepdim=true), c, s\n"
#define HEAD                                                                                                           \
    "dim T <= 6\n"                                                                                                     \
    "dim N <= 4\n"
#define FORWARD                                                                                                        \
    HEAD "model f(x: f32[T, N, 8], h0: f32[N, 8]) -> (hs: f32[T, N, 8], y: f32[T, N, 8], c: f32[N, 8], s: f32[T, N, "  \
         "8]) {\n"                                                                                                     \
         "    param w: f32[8, 8] = uniform(-0.5, 0.5)\n" STEPS "}\n"
#define OPTIONS ""
static const char forward[] = FORWARD;
#undef OPTIONS
#define OPTIONS ", reverse=true"
static const char reversed[] = FORWARD;

// The gradient of an LSTM reads the gates of each step and stores their gradients in the same memory.
static const char training[] = "dim N <= 4\n"
                               "train f(x: f32[6, N, 8], label: i32[N], lr: f32[]) -> (loss: f32[]) {\n"
                               "    h, c = scan xt in x from h = full([N, 8], 0.0), c = full([N, 8], 0.0) {\n"
                               "        h, c = lstm_cell(xt, [h, c], 8)\n"
                               "    }\n"
                               "    loss = cross_entropy(linear(h, 5), label)\n"
                               "    minimize loss with sgd(lr=lr)\n"
                               "    return loss\n"
                               "}\n";

// A loop in a loop: the inner one begins with what the outer one carries.
static const char nested[] = "dim T <= 5\n"
                             "model f(x: f32[4, T, 8], y: f32[8]) -> (all: f32[4, T, 8], h: f32[8]) {\n"
                             "    k = softmax(y)\n"
                             "    all, h = scan row in x from h = y {\n"
                             "        s = softmax(h * k)\n"
                             "        inner, c = scan e in row from c = h {\n"
                             "            d = softmax(c + e * s)\n"
                             "            c = softmax(d * c)\n"
                             "            yield d\n"
                             "        }\n"
                             "        h = softmax(h + c)\n"
                             "        yield inner\n"
                             "    }\n"
                             "    return all, h\n"
                             "}\n";

// One row of a carried value is replaced in each step; the rest is copied from slot to slot.
static const char rows[] =
    "model f(x: f32[3, 4], y: f32[3, 4]) -> (b: f32[3, 4]) {\n"
    "    b = scan e in x, t in iota([3]) from b = y { b = update(b, t, e + b[0]) }\n    return b\n"
    "}\n";

static void bench_open(Bench *b, const char *text, int level) {
    *b = (Bench){.diag = {.out = stderr}};
    Source *source = NEW(&b->arena, Source);
    *source = (Source){.name = "test.dl", .text = text, .len = (int)strlen(text)};
    AstFile *file = parse_source(&b->arena, &b->diag, source);
    Module *module = b->diag.errors ? NULL : elaborate(&b->arena, &b->diag, file, &(ElaborateOptions){0});
    cr_assert(module, "does not compile");
    passes_run(module, &(PassOptions){.level = level, .out = stderr});
    b->program = program_lower(module->entries.at[0], target_find("x86-64-v4"), level, 2);
    program_plan(b->program);
    const char *wrong = program_check_plan(b->program);
    cr_assert_null(wrong, "-O%d: %s", level, wrong);
}

// ---- values by name -------------------------------------------------------------------------------------------------

enum { H, C, D }; // as the scan carries them

static Loop *loop_of(const Bench *b, int number) { return graph_loop(b->program->graph, number); }
static Buffer *buffer_of(const Bench *b, const Node *node) { return b->program->of_node[node->id]; }
static Buffer *carried(const Bench *b, int i) { return buffer_of(b, loop_of(b, 1)->carry.at[i]); }
static Buffer *next_of(const Bench *b, int i) { return buffer_of(b, loop_of(b, 1)->next.at[i]); }
static Buffer *initial(const Bench *b, int i) { return buffer_of(b, loop_of(b, 1)->carry.at[i]->in[0]); }

// The nth value of that operator that has a buffer.
static const Node *nth_node(const Bench *b, const char *op, int n) {
    const Graph *g = b->program->graph;
    for (int id = 0; id < g->nodes.len; id++)
        if (!strcmp(g->nodes.at[id]->op->name, op) && b->program->of_node[id] && n-- == 0) return g->nodes.at[id];
    cr_assert(false, "there is no such %s", op);
    return NULL;
}

static Buffer *nth(const Bench *b, const char *op, int n) { return buffer_of(b, nth_node(b, op, n)); }

static bool uses(const Call *call, const Buffer *buffer, bool write) {
    for (int k = 0; k < call->kernel->uses.len; k++) {
        const Use *use = &call->kernel->uses.at[k];
        if (call->buffer[k] == buffer && (write ? use->written : use->read)) return true;
    }
    return false;
}

// The first call from `from` on that reads or writes the buffer.
static int find_call(const Bench *b, int from, const Buffer *buffer, bool write) {
    while (from < b->program->calls.len && !uses(&b->program->calls.at[from], buffer, write)) from++;
    cr_assert(from < b->program->calls.len, "no call does that with %s", buffer->name);
    return from;
}

static int last_call(const Bench *b, const Buffer *buffer, bool write) {
    int call = find_call(b, 0, buffer, write);
    for (int c = call; c < b->program->calls.len; c++)
        if (uses(&b->program->calls.at[c], buffer, write)) call = c;
    return call;
}

static void move_call(Bench *b, int from, int to) {
    Call moved = b->program->calls.at[from];
    for (; from < to; from++) b->program->calls.at[from] = b->program->calls.at[from + 1];
    for (; from > to; from--) b->program->calls.at[from] = b->program->calls.at[from - 1];
    b->program->calls.at[to] = moved;
}

// Call `number` uses `to` in the place of `from`.
static void redirect(Bench *b, int number, const Buffer *from, Buffer *to) {
    Call *call = &b->program->calls.at[number];
    for (int k = 0; k < call->kernel->uses.len; k++)
        if (call->buffer[k] == from) call->buffer[k] = to;
}

static void shift_slot(Bench *b, Buffer *buffer, int by) {
    buffer->view->slot = index_add_const(&b->arena, buffer->view->slot, by);
}

static void swap_slots(Buffer *a, Buffer *b) {
    const Index *slot = a->view->slot;
    a->view->slot = b->view->slot;
    b->view->slot = slot;
}

// The view begins so many steps later; what lies in it too.
static void begin_later(Bench *b, Buffer *view, int64_t elements) {
    for (int k = 0; k < b->program->buffers.len; k++) {
        Buffer *in = b->program->buffers.at[k];
        for (const Buffer *of = in; of; of = of->view ? of->view->of : NULL)
            if (of == view) {
                in->start += elements;
                in->offset += 4 * elements;
                break;
            }
    }
}

// ---- slots ----------------------------------------------------------------------------------------------------------

static void swap_kept(Bench *b) { swap_slots(carried(b, H), next_of(b, H)); }
static void swap_two(Bench *b) { swap_slots(carried(b, C), next_of(b, C)); }
static void swap_values(Bench *b) { swap_slots(carried(b, C), initial(b, C)); }
static void read_next(Bench *b) { shift_slot(b, carried(b, H), 1); }
static void read_last_but_one(Bench *b) { shift_slot(b, carried(b, H), -1); }
static void read_next_of_two(Bench *b) { carried(b, C)->view->slot = next_of(b, C)->view->slot; }
static void write_later(Bench *b) { shift_slot(b, next_of(b, H), 1); }
static void write_earlier(Bench *b) { shift_slot(b, next_of(b, H), -1); }
static void write_over_the_old(Bench *b) { next_of(b, D)->view->slot = carried(b, D)->view->slot; }
static void begin_elsewhere(Bench *b) { swap_slots(initial(b, H), next_of(b, H)); }
static void begin_in_slot_1(Bench *b) { initial(b, C)->view->slot = index_const(&b->arena, 1); }
static void begin_at_the_other_end(Bench *b) {
    Index *end = index_size(&b->arena, loop_of(b, 1)->steps), *start = index_const(&b->arena, 0);
    initial(b, H)->view->slot = loop_of(b, 1)->reverse ? start : end;
}
static void lie_in_the_others(Bench *b) { next_of(b, C)->view->of = carried(b, D)->view->of; }
static void element_of_next(Bench *b) { shift_slot(b, nth(b, "element", 0), 1); }
static void element_0(Bench *b) { nth(b, "element", 0)->view->slot = index_const(&b->arena, 0); }
static void last_of_the_step_before(Bench *b) {
    Buffer *last = nth(b, "last", 0);
    Index *steps = index_size(&b->arena, loop_of(b, 1)->steps);
    last->view->slot = index_mod(&b->arena, index_add_const(&b->arena, steps, 1), 2);
}
static void last_is_first(Bench *b) { nth(b, "last", 0)->view->slot = index_const(&b->arena, 0); }

static void stack_from(Bench *b, int by) {
    Buffer *stack = nth(b, "stack", 0);
    stack->view->first[0] += by;
    begin_later(b, stack, by * view_root(stack)->stride[0]);
}
static void stack_earlier(Bench *b) { stack_from(b, -1); }
static void stack_later(Bench *b) { stack_from(b, 1); }

// What is printed is where a view begins, whatever its `first` says.
static void stack_begins_earlier(Bench *b) { begin_later(b, nth(b, "stack", 0), -view_root(carried(b, H))->stride[0]); }
static void stack_begins_later(Bench *b) { begin_later(b, nth(b, "stack", 0), view_root(carried(b, H))->stride[0]); }
static void slot_begins_later(Bench *b) { begin_later(b, next_of(b, C), 8); }
static void carry_begins_later(Bench *b) { begin_later(b, carried(b, H), 8); }
static void element_begins_later(Bench *b) { begin_later(b, nth(b, "element", 0), 8); }
static void last_begins_later(Bench *b) { begin_later(b, nth(b, "last", 0), 8); }

// ---- calls ----------------------------------------------------------------------------------------------------------

static void begin_after_the_loop(Bench *b) {
    move_call(b, find_call(b, 0, initial(b, D), true), b->program->loops[0].end - 1);
}
static void begin_again(Bench *b) {
    int hold = find_call(b, 0, initial(b, C), true);
    vec_push(&b->arena, &b->program->calls, b->program->calls.at[hold]);
    move_call(b, b->program->calls.len - 1, b->program->loops[0].end);
}
static void begin_every_step(Bench *b) {
    int hold = find_call(b, 0, initial(b, D), true);
    move_call(b, hold, b->program->loops[0].first - 1);
    b->program->loops[0].first--;
    b->program->calls.at[b->program->loops[0].first].loop = 1;
}
static void step_once(Bench *b) {
    int call = b->program->loops[0].end - 1;
    b->program->calls.at[call].loop = 0;
}
static void step_after_the_loop(Bench *b) { move_call(b, b->program->loops[0].end - 1, b->program->loops[0].end); }
static void read_before_it_is_made(Bench *b) {
    int call = find_call(b, 0, next_of(b, C), true);
    move_call(b, call, find_call(b, 0, next_of(b, C), false));
}
static void result_before_the_loop(Bench *b) {
    move_call(b, find_call(b, 0, nth(b, "last", 0), false), b->program->loops[0].first);
    b->program->loops[0].first++, b->program->loops[0].end++;
}
static void result_is_what_is_carried(Bench *b) {
    redirect(b, find_call(b, 0, nth(b, "last", 0), false), nth(b, "last", 0), carried(b, C));
}
static void write_the_old(Bench *b) { redirect(b, find_call(b, 0, next_of(b, D), true), next_of(b, D), carried(b, D)); }
static void write_the_initial(Bench *b) {
    redirect(b, find_call(b, 0, next_of(b, D), true), next_of(b, D), initial(b, D));
}
static void write_an_element(Bench *b) {
    redirect(b, find_call(b, 0, next_of(b, D), true), next_of(b, D), nth(b, "element", 0));
}
static void write_nothing(Bench *b) {
    int number = find_call(b, 0, next_of(b, D), true);
    Buffer *other = NEW(&b->arena, Buffer), *root = NEW(&b->arena, Buffer);
    *other = *next_of(b, D);
    *root = *view_root(other);
    root->offset = b->program->arena_bytes;
    b->program->arena_bytes += buffer_room(root);
    other->view = NEW(&b->arena, View);
    *other->view = *next_of(b, D)->view;
    other->view->of = root;
    other->offset = root->offset;
    vec_push(&b->arena, &b->program->buffers, root);
    vec_push(&b->arena, &b->program->buffers, other);
    redirect(b, number, next_of(b, D), other);
}

// ---- memory ---------------------------------------------------------------------------------------------------------

static void put_in_memory_of(Bench *b, const Buffer *from, Buffer *to) {
    cr_assert(!to->view && to->bytes <= from->bytes, "%s does not fit into %s", to->name, from->name);
    begin_later(b, to, (view_root(from)->offset - to->offset) / 4);
    to->start = 0;
}

// A scratch value of a step whose calls come after the buffer's last one in the step.
static Buffer *scratch_after(const Bench *b, const Buffer *buffer) {
    int last = 0;
    for (int c = b->program->loops[0].first; c < b->program->loops[0].end; c++)
        for (int k = 0; k < b->program->calls.at[c].kernel->uses.len; k++)
            if (view_root(b->program->calls.at[c].buffer[k]) == view_root(buffer)) last = c;
    for (int k = 0; k < b->program->buffers.len; k++) {
        Buffer *to = b->program->buffers.at[k];
        if (to->home != 1 || to->view || to->scope != SCOPE_ARENA || !to->value || to->first_call <= last) continue;
        return to;
    }
    cr_assert(false, "no scratch value comes after %s", buffer->name);
    return NULL;
}

// k, which is computed before the loop.
static Buffer *outer(const Bench *b) { return buffer_of(b, loop_of(b, 1)->carry.at[C]->in[0]->in[0]); }

static void reuse_what_is_read_again(Bench *b) {
    Buffer *k = outer(b);
    put_in_memory_of(b, k, scratch_after(b, k));
}
static void reuse_what_is_carried(Bench *b) { put_in_memory_of(b, carried(b, D), scratch_after(b, carried(b, D))); }

static void put_in_place(Bench *b, Buffer *from, Buffer *to) {
    cr_assert(!to->view && to->rank == from->rank, "%s has a place", to->name);
    to->view = NEW(&b->arena, View);
    *to->view = (View){.of = from, .whole = (1u << to->rank) - 1};
    view_same_axes(to->view, to->rank);
    to->start = from->start;
    to->offset = from->offset;
}

// The scratch value that a call which reads the buffer makes.
static void in_place_of(Bench *b, Buffer *from, int number) {
    const Call *call = &b->program->calls.at[number];
    for (int k = 0; k < call->kernel->uses.len; k++) {
        Buffer *to = call->buffer[k];
        if (!call->kernel->uses.at[k].written || to->view || to->scope != SCOPE_ARENA || !to->value) continue;
        put_in_place(b, from, to);
        return;
    }
    cr_assert(false, "call %d makes nothing that could lie in %s", number, from->name);
}

static void in_place_of_what_is_read_again(Bench *b) {
    Buffer *k = outer(b);
    in_place_of(b, k, find_call(b, b->program->loops[0].first, k, false));
}
static void in_place_of_an_element(Bench *b) {
    in_place_of(b, nth(b, "element", 0), find_call(b, 0, nth(b, "element", 0), false));
}
static void in_place_of_what_is_kept(Bench *b) { in_place_of(b, carried(b, H), last_call(b, carried(b, H), false)); }
static void in_place_of_a_stack(Bench *b) {
    Buffer *stack = nth(b, "stack", 0);
    in_place_of(b, stack, find_call(b, 0, stack, false));
}

// ---- steps that are shared ------------------------------------------------------------------------------------------

// The nth sequence that lies in the steps of another.
static Buffer *sharer(const Bench *b, int n) {
    for (int k = 0; k < b->program->buffers.len; k++) {
        Buffer *buffer = b->program->buffers.at[k];
        bool shares = buffer->view && !buffer->view->slot && buffer->rank == 3 && buffer->view->of->rank == 2 &&
                      node_is(buffer->view->of->value, stack);
        if (shares && n-- == 0) return buffer;
    }
    cr_assert(false, "no steps are shared");
    return NULL;
}

static Buffer *slot_in(const Bench *b, const Buffer *all, bool leaves) {
    for (int k = 0; k < b->program->buffers.len; k++) {
        Buffer *buffer = b->program->buffers.at[k];
        if (buffer->view && buffer->view->of == all && buffer->view->slot && node_is(buffer->value, element) != leaves)
            return buffer;
    }
    cr_assert(false, "%s has no slots", all->name);
    return NULL;
}

enum { GRADIENTS, FIRST_GATE, SECOND_GATE, PROJECTION = 5 };

static void read_after_the_new(Bench *b) {
    const Buffer *gate = slot_in(b, sharer(b, FIRST_GATE), false), *made = slot_in(b, sharer(b, GRADIENTS), true);
    move_call(b, find_call(b, 0, gate, false), last_call(b, made, true));
}
static void store_before_the_old_is_read(Bench *b) {
    const Buffer *made = slot_in(b, sharer(b, GRADIENTS), true);
    move_call(b, find_call(b, 0, made, true), b->program->loops[1].first);
}
static void read_all_steps(Bench *b) {
    Buffer *all = sharer(b, FIRST_GATE);
    redirect(b, find_call(b, 0, slot_in(b, all, false), false), slot_in(b, all, false), all);
}
static void projection_after_the_gates(Bench *b) {
    const Buffer *gate = slot_in(b, sharer(b, FIRST_GATE), true);
    move_call(b, find_call(b, 0, gate, true), find_call(b, 0, slot_in(b, sharer(b, PROJECTION), false), false));
}
static void gate_over_the_other(Bench *b) {
    Buffer *gate = sharer(b, SECOND_GATE);
    int64_t by = gate->view->first[1] - sharer(b, FIRST_GATE)->view->first[1];
    gate->view->first[1] -= by;
    begin_later(b, gate, -by);
}
static void gate_begins_over_the_other(Bench *b) {
    Buffer *gate = sharer(b, SECOND_GATE);
    begin_later(b, gate, sharer(b, FIRST_GATE)->start - gate->start);
}
static void gradients_a_step_later(Bench *b) {
    Buffer *all = sharer(b, GRADIENTS);
    all->view->first[0] = 1;
    view_root(all)->bytes += 4 * all->stride[0];
    begin_later(b, all, all->stride[0]);
}
static void gradients_in_longer_steps(Bench *b) {
    Buffer *all = sharer(b, GRADIENTS);
    all->stride[0] *= 2;
    view_root(all)->bytes *= 2;
}

// ---- a loop in a loop
// ------------------------------------------------------------------------------------------------

static void inner_slots_by_outer_steps(Bench *b) {
    Index *step = index_step(&b->arena, b->program->graph, 1);
    buffer_of(b, loop_of(b, 2)->carry.at[0])->view->slot = index_mod(&b->arena, step, 2);
}
static void inner_loop_begins_once(Bench *b) {
    int hold = find_call(b, 0, buffer_of(b, loop_of(b, 2)->carry.at[0]->in[0]), true);
    move_call(b, hold, b->program->loops[0].first);
    b->program->calls.at[b->program->loops[0].first++].loop = 0;
}
static void inner_loop_of_others(Bench *b) {
    int call = b->program->loops[1].end - 1;
    b->program->calls.at[call].loop = 1;
    b->program->loops[1].end--;
}
static void reuse_in_the_inner_loop(Bench *b) {
    const Buffer *h = carried(b, 0);
    for (int k = 0; k < b->program->buffers.len; k++) {
        Buffer *to = b->program->buffers.at[k];
        bool fits = to->home == 2 && !to->view && to->scope == SCOPE_ARENA && to->value && to->bytes <= h->bytes;
        if (!fits) continue;
        put_in_memory_of(b, h, to);
        return;
    }
    cr_assert(false, "the inner loop has no scratch value");
}

// ---- parts of a carried value ---------------------------------------------------------------------------------------

static void leave_the_other_rows(Bench *b) {
    Call *call = &b->program->calls.at[find_call(b, 0, next_of(b, 0), true)];
    cr_assert(call->kernel->body->body.at[0]->kind == STMT_FOR, "the kernel does not begin with the copy");
    call->kernel->body->body.at[0] = stmt_block(&b->arena);
}

// The texts: forward, reversed, the step of an LSTM, a loop in a loop, rows.
enum { F = 1, R = 2, L = 4, I = 8, U = 16 };

static const struct {
    const char *what;
    int texts;
    void (*damage)(Bench *b);
    const char *want;
} damages[] = {
    {"a kept value and the one of the step before change places", F | R, swap_kept,
     "is not the one that the step before wrote"},
    {"the two slots change places", F | R, swap_two, "is not the one that the step before wrote"},
    {"a carried value and the initial one change places", F | R, swap_values,
     "is not the one that the step before wrote"},
    {"a step reads what it is to write", F, read_next, "is not the one that the step before wrote"},
    {"a step reads what it is to write", R, read_next, "is outside of its buffer"},
    {"a step reads the value of the step before the last", F, read_last_but_one, "is outside of its buffer"},
    {"a step reads the value of the step before the last", R, read_last_but_one,
     "is not the one that the step before wrote"},
    {"a step reads the other of two slots", F | R, read_next_of_two, "is not the one that the step before wrote"},
    {"a step writes the slot after its own", F, write_later, "is outside of its buffer"},
    {"a step writes the slot after its own", R, write_later, "is read in the same step"},
    {"a step writes the slot before its own", F, write_earlier, "is read in the same step"},
    {"a step writes the slot before its own", R, write_earlier, "is outside of its buffer"},
    {"a step writes the slot that it reads", F | R, write_over_the_old, "is read in the same step"},
    {"the initial value lies in the slot of a step", F | R, begin_elsewhere,
     "is not the one that the step before wrote"},
    {"the initial value lies in the second slot", F | R, begin_in_slot_1, "is not the one that the step before wrote"},
    {"the initial value lies where the last one should", F | R, begin_at_the_other_end,
     "is not the one that the step before wrote"},
    {"the new value lies among another's slots", F | R, lie_in_the_others, "lies elsewhere"},
    {"each step reads the element of the next", F | R, element_of_next, "is outside of its buffer"},
    {"each step reads the first element", F | R, element_0, "is not that of its step"},
    {"the result is that of the last step but one", F | R, last_of_the_step_before, "is not that of the last step"},
    {"the result is the first slot", F | R | L, last_is_first, "is not that of the last step"},
    {"all values from the initial one on", F, stack_earlier, "is not that of its step"},
    {"all values from the second one on", R, stack_later, "is not that of its step"},
    {"all values begin a step earlier in memory", F, stack_begins_earlier, "is none of all steps"},
    {"all values begin a step later in memory", R, stack_begins_later, "is none of all steps"},
    {"a slot begins a row later in memory", F | R, slot_begins_later, "is outside of its buffer"},
    {"what is carried begins a row later in memory", F | R, carry_begins_later, "is outside of its buffer"},
    {"an element begins a row later in memory", F | R, element_begins_later, "is outside of its buffer"},
    {"the result begins a row later in memory", F | R, last_begins_later, "is outside of its buffer"},
    {"the initial value is stored in the loop", F | R, begin_after_the_loop, "outside of it"},
    {"the initial value is stored again after the loop", F | R, begin_again, "as call"},
    {"the initial value is stored in each step", F | R, begin_every_step, "which it does not compute"},
    {"a call of the loop is made once", F | R, step_once, "inside of it"},
    {"a call of the loop stands after another one", F | R, step_after_the_loop, "inside of it"},
    {"a call reads what a later one of the step makes", F | R, read_before_it_is_made, "before anything wrote"},
    {"the result is read before the loop", F | R, result_before_the_loop, "before its loop has run"},
    {"the result is read from the slot that the last step read", F | R, result_is_what_is_carried,
     "outside of its loop"},
    {"the new value is stored in the slot of the old one", F | R, write_the_old, "shows other elements"},
    {"the new value is stored in the slot of the initial one", F | R, write_the_initial, "shows other elements"},
    {"the new value is stored over an element", F | R, write_an_element, "shows other elements"},
    {"the new value is stored elsewhere", F | R, write_nothing, "shows other elements"},
    {"the memory of what each step reads is used again in the step", F | R, reuse_what_is_read_again,
     "live together and share bytes"},
    {"the memory of what is carried is used again in the step", F | R, reuse_what_is_carried,
     "live together and share bytes"},
    {"a result lies in place of what each step reads", F | R, in_place_of_what_is_read_again, "in each step, and call"},
    {"a result lies in place of an element", F | R, in_place_of_an_element, "over the slots of"},
    {"a result lies in place of a carried value that is kept", F | R, in_place_of_what_is_kept, "over the slots of"},
    {"a result lies in place of a stack that is read later", F | R, in_place_of_a_stack,
     "over which is written by then"},
    {"a gate is read after the gradients were stored there", L, read_after_the_new, "share the steps of"},
    {"gradients are stored where a gate is still to be read", L, store_before_the_old_is_read, "share the steps of"},
    {"a gate is read of all steps", L, read_all_steps, "share the steps of"},
    {"a gate is stored where the projection is still to be read", L, projection_after_the_gates, "share the steps of"},
    {"two gates lie in the same columns", L, gate_over_the_other, "share the steps of"},
    {"two gates begin at one place in memory", L, gate_begins_over_the_other, "is none of all steps"},
    {"the gradients lie a step after the gates", L, gradients_a_step_later, "share the steps of"},
    {"the gradients lie in every other step", L, gradients_in_longer_steps, "share the steps of"},
    {"slots of the inner loop that follow the outer one", I, inner_slots_by_outer_steps,
     "is not the one that the step before wrote"},
    {"the inner loop begins with the same value in each step", I, inner_loop_begins_once, "which it does not compute"},
    {"a call of the inner loop is made in the outer one", I, inner_loop_of_others, "which it does not compute"},
    {"the memory of what the outer loop carries is used in the inner one", I, reuse_in_the_inner_loop,
     "live together and share bytes"},
    {"rows that are not replaced are in the other slot", U, leave_the_other_rows, "which does not hold the others"},
};

Test(slots, damage_is_refused) {
    static const char *const texts[] = {forward, reversed, training, nested, rows};
    for (size_t d = 0; d < sizeof damages / sizeof *damages; d++)
        for (int k = 0; k < 5; k++) {
            if (!(damages[d].texts >> k & 1)) continue;
            Bench b;
            bench_open(&b, texts[k], 2);
            damages[d].damage(&b);
            const char *wrong = program_check_plan(b.program);
            cr_expect(wrong && strstr(wrong, damages[d].want), "text %d, %s: got \"%s\", want \"... %s ...\"", k,
                      damages[d].what, wrong ? wrong : "", damages[d].want);
            arena_release(&b.arena);
        }
}
