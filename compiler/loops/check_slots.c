// check_slots.c: the part of the plan's proof that is about loops: each value that enters, stays in or leaves a loop
// lies in the slot where the graph has it, for every step. It computes the slots of all steps as numbers, for several
// sizes, and shares nothing with slots.c.
//     h_slots: carry at t, next at t + 1, the initial value at 0       step 1 reads slot 1, which step 0 wrote
// No step overwrites what a later one reads, and lives that cross from one step to the next last as long as the loop.
// Only the kernel that computes a value writes its slot, and the calls of a loop stand together.
#include "loops/check.h"

typedef struct SlotCheck {
    const Program *program;
    const Graph *g;
    const Loop *loop;
    int number;
    UsePairs *in_place;
    int64_t sizes[MAX_SIZES], steps[MAX_NEST], count; // count: of the loop's steps
    const char *wrong;
} SlotCheck;

static void fail(SlotCheck *s, const Node *node, const char *what) {
    if (!s->wrong)
        s->wrong = arena_printf(s->program->arena, "%s: its slot %s", node_text(s->program->arena, node), what);
}

static int64_t value_of(const SlotCheck *s, const Index *index) {
    int64_t sum = index->c;
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        int64_t value = -1000000; // no slot
        if (atom->kind == ATOM_STEP) value = s->steps[atom->size];
        if (atom->kind == ATOM_SIZE) value = s->sizes[atom->size];
        if (atom->kind == ATOM_MOD && !atom->other) value = value_of(s, atom->of) % atom->by;
        sum += value * index->term[k].coef;
    }
    return sum;
}

static const Buffer *buffer_of(const SlotCheck *s, const Node *node) { return s->program->of_node[node->id]; }

// Whether its first element lies where the view says: what is printed is where it begins.
static bool begins_there(const Buffer *view) {
    const Buffer *of = view->view->of;
    int64_t here = view->start, there = of->start;
    for (int d = 0; d < view->rank; d++) here += view->before[d] * view->stride[d];
    for (int a = 0; a < of->rank; a++) there += (view->view->first[a] + of->before[a]) * of->stride[a];
    return here == there;
}

// The slot in `of` at which the value of the node lies, now; -1: it lies in none.
static int64_t slot_of(SlotCheck *s, const Node *node, const Buffer *of) {
    const Buffer *buffer = buffer_of(s, node);
    bool in = buffer && buffer->view && buffer->view->slot && buffer->view->of == of && buffer->rank + 1 == of->rank;
    for (int d = 0; in && d < buffer->rank; d++)
        in = dim_equal(buffer->dim[d], of->dim[d + 1]) && buffer->stride[d] == of->stride[d + 1];
    for (int a = 0; in && a < of->rank; a++) in = !buffer->view->first[a];
    in = in && begins_there(buffer);
    int64_t slot = in ? value_of(s, buffer->view->slot) : -1;
    if (slot < 0 || slot >= dim_actual(of->dim[0], s->sizes)) {
        fail(s, node, "is outside of its buffer");
        return -1;
    }
    return slot;
}

static int64_t index_of_turn(const SlotCheck *s, int64_t turn) { return s->loop->reverse ? s->count - 1 - turn : turn; }

// Element t of a stack lies where step t left the value.
static void check_stacked(SlotCheck *s, const Node *node, const Node *stack) {
    const Buffer *all = buffer_of(s, stack), *value = buffer_of(s, node), *of = all->view ? all->view->of : all;
    bool own = value && value->view && value->view->of == all; // the slots are its own elements
    if (own) of = all;
    bool whole = !all->view || begins_there(all);
    for (int d = 0; !own && all->view && d < all->rank; d++) whole &= all->stride[d] == of->stride[d];
    if (!whole || (!own && all->view && all->view->slot)) fail(s, stack, "is none of all steps");
    int64_t first = all->view && !own ? all->view->first[0] : 0;
    for (int64_t turn = 0; turn < s->count && !s->wrong; turn++) {
        s->steps[graph_loop_depth(s->g, s->number)] = index_of_turn(s, turn);
        if (slot_of(s, node, of) != first + index_of_turn(s, turn)) fail(s, node, "is not that of its step");
    }
}

// What a call does to the slot of a carried value that the next one overwrites: it reads the one or the other, it
// replaces the one by the other, or something else.
typedef enum Touch { TOUCH_NONE, TOUCH_CARRIED, TOUCH_NEXT, TOUCH_REPLACES, TOUCH_OTHER } Touch;

static bool is_seen_through(const Buffer *buffer, const Buffer *of) {
    for (; buffer; buffer = buffer->view ? buffer->view->of : NULL)
        if (buffer == of) return true;
    return false;
}

static Touch touch_of(SlotCheck *s, const Call *call, const Buffer *carried, const Buffer *next) {
    bool reads_carried = false, reads_next = false, writes_next = false;
    for (int k = 0; k < call->kernel->uses.len; k++) {
        const Buffer *buffer = call->buffer[k];
        if (view_root(buffer) != view_root(next)) continue;
        bool of_carried = is_seen_through(buffer, carried), writes = call->kernel->uses.at[k].written;
        if ((!of_carried && !is_seen_through(buffer, next)) || (writes && buffer != next)) return TOUCH_OTHER;
        reads_carried |= of_carried;
        reads_next |= !of_carried && !writes;
        writes_next |= writes;
    }
    if (reads_carried && writes_next)
        return check_in_place(s->in_place, call, carried, next) ? TOUCH_REPLACES : TOUCH_OTHER;
    if (writes_next || (reads_carried && reads_next)) return TOUCH_OTHER;
    return reads_carried ? TOUCH_CARRIED : reads_next ? TOUCH_NEXT : TOUCH_NONE;
}

// The carried value is read, then replaced, then the next one is read.
static void check_replaced(SlotCheck *s, const Node *carry, const Node *next) {
    const LoopRange *range = &s->program->loops[s->number - 1];
    bool replaced = false;
    for (int c = range->first; c < range->end; c++) {
        const Call *call = &s->program->calls.at[c];
        Touch touch = touch_of(s, call, buffer_of(s, carry), buffer_of(s, next));
        bool now = touch == TOUCH_REPLACES && call->loop == s->number;
        if (touch == TOUCH_NONE || (replaced ? touch == TOUCH_NEXT : touch == TOUCH_CARRIED || now)) {
            replaced |= now;
            continue;
        }
        fail(s, next, "is read in the same step");
        return;
    }
}

static void check_carry(SlotCheck *s, const Node *carry, const Node *next) {
    const Buffer *reads = buffer_of(s, carry);
    if (!reads || !reads->view) {
        fail(s, carry, "is missing");
        return;
    }
    const Buffer *of = reads->view->of;
    int64_t written = slot_of(s, carry->in[0], of);
    for (int64_t turn = 0; turn < s->count && !s->wrong; turn++) {
        s->steps[graph_loop_depth(s->g, s->number)] = index_of_turn(s, turn);
        int64_t read = slot_of(s, carry, of);
        if (read != written) fail(s, carry, "is not the one that the step before wrote");
        written = slot_of(s, next, of);
        if (read == written && !turn) check_replaced(s, carry, next);
        if (read == written && turn && of->dim[0].extent > 1) fail(s, next, "is read in the same step");
    }
}

static void check_last(SlotCheck *s, const Node *last) {
    const Buffer *from = buffer_of(s, last->in[0]), *to = buffer_of(s, last);
    s->steps[graph_loop_depth(s->g, s->number)] = index_of_turn(s, s->count - 1);
    if (!from->view || !from->view->slot) {
        if (!to->view || to->view->of != from || to->view->slot || to->start != from->start)
            fail(s, last, "is another value's");
        return;
    }
    if (slot_of(s, last->in[0], from->view->of) != slot_of(s, last, from->view->of))
        fail(s, last, "is not that of the last step");
}

static void check_element(SlotCheck *s, const Node *element) {
    const Buffer *of = buffer_of(s, element->in[0]);
    for (int64_t turn = 0; turn < s->count && !s->wrong; turn++) {
        s->steps[graph_loop_depth(s->g, s->number)] = index_of_turn(s, turn);
        if (slot_of(s, element, of) != index_of_turn(s, turn)) fail(s, element, "is not that of its step");
    }
}

static void check_loop(SlotCheck *s) {
    for (int i = 0; i < s->loop->carry.len && !s->wrong; i++)
        if (s->loop->carry.at[i]) check_carry(s, s->loop->carry.at[i], s->loop->next.at[i]);
    for (int id = 0; id < s->g->nodes.len && !s->wrong; id++) {
        const Node *node = s->g->nodes.at[id];
        if (!node_is_loop(node) || node_loop_attr(node) != s->number) continue;
        if (node_is(node, element)) check_element(s, node);
        if (node_is(node, stack)) check_stacked(s, node->in[0], node);
        if (node_is(node, last)) check_last(s, node);
    }
}

static const char *check_shared(const Program *program);

const char *check_slots(Memory *memory) {
    enum { MOST_STEPS = 1000 };
    const Program *program = memory->program;
    SlotCheck s = {.program = program, .g = program->graph, .in_place = &memory->in_place};
    for (s.number = 1; s.number <= s.g->loops.len && !s.wrong; s.number++) {
        if (program->loops[s.number - 1].first < 0) continue;
        s.loop = graph_loop(s.g, s.number);
        Dim steps = s.loop->steps;
        for (int try = 0; try < (steps.size ? 4 : 1); try++) {
            for (int k = 0; k < MAX_SIZES; k++) s.sizes[k] = 1;
            if (steps.size) s.sizes[steps.size - 1] = try == 3 ? dim_bound(steps) : dim_least(steps) + try;
            if (steps.size && s.sizes[steps.size - 1] > dim_bound(steps)) continue;
            s.count = dim_actual(steps, s.sizes);
            if (s.count > MOST_STEPS && steps.size) continue; // three small sizes stand for it
            check_loop(&s);
        }
    }
    return s.wrong ? s.wrong : check_shared(program);
}

// ---- several sequences in the same steps ----------------------------------------------------------------------------

// What accesses a buffer whose steps several sequences share: that sequence, directly or by its slots and views.
typedef struct Sharer {
    const Buffer *buffer;                               // a view of the shared one
    int first_read, last_read, first_write, last_write; // calls; -1
    int in_loop; // the loop in whose steps it is first written, 0: outside of loops
} Sharer;

static const Buffer *sharer_of(const Buffer *buffer) {
    while (buffer->view && buffer->view->of->view) buffer = buffer->view->of;
    return buffer->view ? buffer : NULL;
}

// The loop whose steps give the slot in which the buffer lies; 0: in none of the sequence's.
static int loop_of_slot(const Sharer *s, const Buffer *buffer) {
    while (buffer->view && buffer->view->of != s->buffer) buffer = buffer->view->of;
    return buffer->view && buffer->view->slot ? buffer->value->loop : 0;
}

static void see_access(Sharer *s, const Buffer *buffer, int call, bool write) {
    int *first = write ? &s->first_write : &s->first_read, *last = write ? &s->last_write : &s->last_read;
    if (write && *first < 0) s->in_loop = loop_of_slot(s, buffer);
    if (*first < 0) *first = call;
    *last = call;
}

static Sharer sharer_new(const Program *program, const Buffer *buffer) {
    Sharer s = {buffer, -1, -1, -1, -1, 0};
    for (int c = 0; c < program->calls.len; c++) {
        const Call *call = &program->calls.at[c];
        for (int k = 0; k < call->kernel->uses.len; k++) {
            if (!call->buffer[k]->view || sharer_of(call->buffer[k]) != buffer) continue;
            if (call->kernel->uses.at[k].read) see_access(&s, call->buffer[k], c, false);
            if (call->kernel->uses.at[k].written) see_access(&s, call->buffer[k], c, true);
        }
    }
    return s;
}

// The calls of the loop around call `c` whose parent is `home`, or the call itself.
static LoopRange range_of(const Program *program, int c, int home) {
    int loop = program->calls.at[c].loop;
    if (loop == home) return (LoopRange){c, c + 1};
    return program->loops[graph_loop_below(program->graph, loop, home) - 1];
}

// Whether each element of the sequence lies in the row of its own step, in the columns from first[1] on.
static bool lies_in_columns(const Buffer *a) {
    int64_t reach = 1;
    for (int d = 1; d < a->rank; d++) reach += (a->dim[d].extent - 1) * a->stride[d];
    return !a->view->first[0] && a->stride[0] == a->view->of->stride[0] && begins_there(a) &&
           reach <= buffer_count(a) / a->dim[0].extent;
}

// Whether in these calls nothing but steps of the loop reads (or writes) the sequence, each its own element.
static bool only_steps(const Program *program, const Sharer *s, int loop, LoopRange calls, bool write) {
    for (int c = calls.first; c < calls.end; c++) {
        const Call *call = &program->calls.at[c];
        for (int k = 0; k < call->kernel->uses.len; k++) {
            const Use *use = &call->kernel->uses.at[k];
            if ((write ? use->written : use->read) && call->buffer[k]->view &&
                sharer_of(call->buffer[k]) == s->buffer && loop_of_slot(s, call->buffer[k]) != loop)
                return false;
        }
    }
    return true;
}

// Whether all of `a` ends before `b` begins, in each step of loop `home`: one after the other, or in each step of one
// loop, which reads the step's element of a before it writes that of b.
static bool ends_first(const Program *program, const Sharer *a, const Sharer *b, int home) {
    int last = a->last_read > a->last_write ? a->last_read : a->last_write;
    if (b->first_write < 0 || last < 0) return true;
    if (range_of(program, last, home).end <= range_of(program, b->first_write, home).first) return true;
    int loop = b->in_loop;
    if (!loop || graph_loop(program->graph, loop)->parent != home) return false;
    if (!lies_in_columns(a->buffer) || !lies_in_columns(b->buffer)) return false;
    LoopRange range = program->loops[loop - 1], from = {range.first, program->calls.len}, until = {0, range.end};
    return a->last_write < range.first && a->last_read < b->first_write && only_steps(program, a, loop, from, false) &&
           only_steps(program, b, loop, until, true) && (b->first_read < 0 || b->first_read >= b->first_write);
}

static bool regions_meet(const Buffer *a, const Buffer *b) {
    int64_t size_a = buffer_count(a) / a->dim[0].extent, size_b = buffer_count(b) / b->dim[0].extent;
    if (!lies_in_columns(a) || !lies_in_columns(b)) return true;
    return a->view->first[1] < b->view->first[1] + size_b && b->view->first[1] < a->view->first[1] + size_a;
}

// Sequences that share the steps of one buffer and meet there end one before the other begins.
static const char *check_shared(const Program *program) {
    for (int x = 0; x < program->buffers.len; x++) {
        const Buffer *a = program->buffers.at[x];
        bool shares = a->view && !a->view->slot && !a->view->of->view && a->view->of->rank == 2 && a->rank > 1 &&
                      a->view->axis[a->rank - 1] == 1 && a->view->of->value && node_is(a->view->of->value, stack);
        for (int y = 0; y < x && shares; y++) {
            const Buffer *b = program->buffers.at[y];
            if (!b->view || b->view->slot || b->view->of != a->view->of || !regions_meet(a, b)) continue;
            Sharer one = sharer_new(program, a), other = sharer_new(program, b);
            int home = a->view->of->value->loop; // that of the stack for which they share it
            if (!ends_first(program, &one, &other, home) && !ends_first(program, &other, &one, home))
                return arena_printf(program->arena,
                                    "%s and %s share the steps of %s, and none ends before the other begins", a->name,
                                    b->name, a->view->of->name);
        }
    }
    return NULL;
}

// ---- who writes slots -----------------------------------------------------------------------------------------------

// A value's own slot, or a part of a concat that lies in one.
bool check_is_own_slot(const Buffer *buffer) {
    while (buffer->view && buffer->view->part) buffer = buffer->view->of;
    return buffer->view && buffer->view->slot;
}

bool check_varies(const Index *index) {
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        if (atom->kind == ATOM_STEP || (atom->of && check_varies(atom->of))) return true;
    }
    return false;
}

// A value whose slots lie in the same memory and belong to a loop around the call; NULL: there is none. Another step
// would find there what the call writes.
static const Node *find_kept(const Memory *m, int call, int number) {
    const Program *program = m->program;
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *slot = program->buffers.at[k];
        bool moves = m->root[k] == m->root[number] && check_is_own_slot(slot) && slot->value;
        for (; moves && !slot->view->slot; slot = slot->view->of) {}
        if (moves && check_varies(slot->view->slot) &&
            graph_loop_within(program->graph, program->calls.at[call].loop, slot->value->loop))
            return slot->value;
    }
    return NULL;
}

// A slot is written where its value is computed, and by nothing else.
const char *check_slot_write(const Memory *m, int call, int number) {
    const Buffer *buffer = m->program->buffers.at[number];
    const Call *by = &m->program->calls.at[call];
    if (!check_is_own_slot(buffer)) {
        const Node *kept = buffer->view && by->loop ? find_kept(m, call, number) : NULL;
        return kept ? arena_printf(m->program->arena, "call %d writes %s over the slots of %s", call, buffer->name,
                                   node_text(m->program->arena, kept))
                    : NULL;
    }
    if (!buffer->value || !by->group || !group_stores(by->group, buffer->value) || by->loop != buffer->value->loop)
        return arena_printf(m->program->arena, "call %d writes the slot of %s, which it does not compute", call,
                            buffer->name);
    if (m->first_write[number] >= 0)
        return arena_printf(m->program->arena, "call %d writes the slot of %s, as call %d did", call, buffer->name,
                            m->first_write[number]);
    return NULL;
}

// The calls of each loop stand side by side, and are those that the program says.
const char *check_ranges(const Program *program) {
    for (int number = 1; number <= program->graph->loops.len; number++) {
        const LoopRange *range = &program->loops[number - 1];
        for (int c = 0; c < program->calls.len; c++) {
            bool in = c >= range->first && c < range->end;
            if (in != graph_loop_within(program->graph, program->calls.at[c].loop, number))
                return arena_printf(program->arena, "call %d %s loop %d, and stands %s it", c,
                                    in ? "is not made in" : "is made in", number, in ? "inside of" : "outside of");
        }
    }
    return NULL;
}

// ---- what slots are read from ---------------------------------------------------------------------------------------

// Whether the value may lie in slots at all, or is a view of such a value.
static bool lies_in_slots(const Buffer *buffer) {
    for (; buffer->view; buffer = buffer->view->of)
        if (buffer->view->slot) return true;
    return false;
}

bool check_is_slot(const Program *program, const Buffer *buffer) {
    const Node *node = buffer->value;
    return lies_in_slots(buffer) ||
           (node && program->of_node[node->id] == buffer && node->op->traits & OP_LOOP && node->op->traits & OP_INPUT);
}

// What must have been written before a value can be read that enters or leaves a loop: *number becomes its buffer. A
// carried value begins with the initial one; a result of a loop is there when the loop has ended.
const char *check_slot_source(const Memory *m, int call, int *number) {
    const Program *program = m->program;
    const Buffer *buffer = program->buffers.at[*number];
    const Node *node = buffer->value;
    const LoopRange *range = &program->loops[node_loop_attr(node) - 1];
    bool inside = call >= range->first && call < range->end, enters = node_is(node, carry) || node_is(node, element);
    if (inside != enters)
        return arena_printf(program->arena, "call %d reads %s %s its loop", call, buffer->name,
                            inside ? "inside of" : "outside of");
    if (!enters && call < range->end)
        return arena_printf(program->arena, "call %d reads %s before its loop has run", call, buffer->name);
    const Node *from = node->in[0];
    if (node_is(node, stack) && node_is(from, carry)) from = from->in[0]; // that is its first element
    const Buffer *of = program->of_node[from->id];
    *number = buffer_number(m, of);
    return NULL;
}
