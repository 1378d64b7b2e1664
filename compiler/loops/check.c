// check.c: the independent proof of the memory plan. It shares nothing with plan.c: it finds lifetimes again from what
// the kernels of each call read and write, looks for overlaps among what lives at each call, and sums the lower bound
// anew. A view counts as part of the buffer in which it lies; check_views.c proves that such sharing is right, and
// check_storages.c that an old value is not read after an update in place. The prepare part and the calls of a model
// run at different times, so only prepared buffers pass from one to the other.
#include <stdlib.h>
#include <string.h>

#include "loops/check.h"

typedef struct Seen {
    const Program *program;
    Memory memory;
    int call;
    int *first, *last; // by buffer, -1 before it is seen; of views, at what they lie in
    const char *wrong;
} Seen;

// Keeps the first mistake.
static void note(Seen *seen, const char *wrong) {
    if (!seen->wrong) seen->wrong = wrong;
}

int buffer_number(const Memory *memory, const Buffer *buffer) { return tag_known(&memory->numbers, buffer) - 1; }

int *numbers_new(Arena *arena, int n) {
    int *numbers = NEW_ARRAY(arena, int, n + 1);
    for (int k = 0; k < n; k++) numbers[k] = -1;
    return numbers;
}

// Runs from the last buffer to the first, so that each list begins with its first buffer.
static void find_memory(Memory *m, Arena *arena, const Program *program) {
    int n = program->buffers.len;
    *m = (Memory){.program = program, .numbers = {.arena = arena}, .in_place = {arena, {.arena = arena}, {0}}};
    for (int k = 0; k < n; k++) *tag_of(&m->numbers, program->buffers.at[k]) = k + 1;
    int **lists[] = {&m->root, &m->first_part, &m->next_part, &m->first_write, &m->last_in, &m->kept};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) *lists[k] = numbers_new(arena, n);
    for (int k = n - 1; k >= 0; k--) {
        const Buffer *buffer = program->buffers.at[k];
        m->root[k] = buffer_number(m, view_root(buffer));
        int of = buffer->view && buffer->view->part ? buffer_number(m, buffer->view->of) : -1;
        if (of < 0) continue;
        m->next_part[k] = m->first_part[of];
        m->first_part[of] = k;
    }
}

// What crosses between the two parts of a model.
static const char *wrong_part(const Seen *seen, const Buffer *buffer, bool write) {
    bool prepares = seen->call < seen->program->nprepare;
    if (buffer->scope == SCOPE_ARGUMENT && prepares) return "the prepare part uses the argument";
    if (buffer->scope == SCOPE_STORAGE && prepares && write) return "the prepare part writes the storage";
    if (buffer->scope == SCOPE_PREPARED && !prepares && write) return "a call writes the prepared buffer";
    return NULL;
}

static void see_use(Seen *seen, int k, const Buffer *buffer) {
    int nprepare = seen->program->nprepare;
    if (seen->first[k] < 0) seen->first[k] = seen->call;
    if (buffer->scope == SCOPE_ARENA && seen->first[k] < nprepare && seen->call >= nprepare)
        note(seen, arena_printf(seen->program->arena, "arena buffer %s is kept from the prepare part for call %d",
                                buffer->name, seen->call));
    seen->last[k] = seen->call;
}

static void see_buffer(Seen *seen, const Buffer *buffer, bool write) {
    const char *wrong = wrong_part(seen, buffer, write);
    if (wrong) note(seen, arena_printf(seen->program->arena, "call %d: %s %s", seen->call, wrong, buffer->name));
    if ((buffer->scope != SCOPE_ARENA && buffer->scope != SCOPE_PREPARED) || (buffer->data && !buffer->view)) return;
    Memory *m = &seen->memory;
    int k = buffer_number(m, buffer);
    if (k < 0 || m->root[k] < 0) {
        note(seen, arena_printf(seen->program->arena, "call %d uses buffer %s, which the program does not list",
                                seen->call, buffer->name));
        return;
    }
    see_use(seen, m->root[k], seen->program->buffers.at[m->root[k]]);
    if (!write) {
        wrong = check_read(m, k, seen->call);
        note(seen, wrong);
        return;
    }
    note(seen, check_slot_write(m, seen->call, k));
    if (m->first_write[k] < 0) m->first_write[k] = seen->call;
    int *last = &m->last_in[m->root[k]];
    vec_push(m->in_place.arena, &m->writes, (Write){k, seen->call, *last});
    *last = m->writes.len - 1;
}

// A call that is left out writes nothing; the buffers that stand for its prepared ones are there by then. Its memory
// was planned before it was known that it would be left out.
static void see_left_out(Seen *seen, const Call *call) {
    for (int k = 0; k < call->kernel->uses.len; k++) {
        const Buffer *buffer = call->buffer[k];
        int number = buffer->scope == SCOPE_ARENA ? buffer_number(&seen->memory, buffer) : -1;
        int root = number < 0 ? -1 : seen->memory.root[number];
        if (root >= 0) see_use(seen, root, seen->program->buffers.at[root]);
        if (!call->kernel->uses.at[k].written || buffer->scope != SCOPE_PREPARED) continue;
        if (buffer->same)
            see_buffer(seen, buffer, true);
        else
            note(seen, arena_printf(seen->program->arena, "call %d is left out, and nothing stands for %s", seen->call,
                                    buffer->name));
    }
}

// Writes are visited first, because a kernel may write a scratch buffer and read it back. program_verify shows that a
// kernel's uses are those of its body.
static void see_call(Seen *seen, const Call *call) {
    if (call->shared) {
        see_left_out(seen, call);
        return;
    }
    for (int reads = 0; reads < 2; reads++)
        for (int k = 0; k < call->kernel->uses.len; k++) {
            const Use *use = &call->kernel->uses.at[k];
            if (reads ? use->read : use->written) see_buffer(seen, call->buffer[k], !reads);
        }
}

// ---- from one step of a loop to the next ----------------------------------------------------------------------------

// Whether the first use of the root in the loop's calls only reads it: then it holds a value of the step before, or one
// from outside.
static bool is_read_first(const Seen *seen, int root, const LoopRange *range) {
    for (int c = range->first; c < range->end; c++) {
        const Call *call = &seen->program->calls.at[c];
        bool reads = false, writes = false;
        for (int k = 0; k < call->kernel->uses.len; k++) {
            int number = buffer_number(&seen->memory, call->buffer[k]);
            if (number < 0 || seen->memory.root[number] != root) continue;
            reads |= call->kernel->uses.at[k].read;
            writes |= call->kernel->uses.at[k].written;
        }
        if (reads || writes) return !writes;
    }
    return false;
}

// By buffer: the innermost loop to whose steps it gives slots, 0: none.
static int *find_slots(Arena *arena, const Seen *seen) {
    const Program *program = seen->program;
    int *loop = NEW_ARRAY(arena, int, program->buffers.len + 1);
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *buffer = program->buffers.at[k];
        if (!buffer->view || !buffer->view->slot || !buffer->value || node_is(buffer->value, element)) continue;
        int *of = &loop[seen->memory.root[k]];
        if (check_varies(buffer->view->slot) && buffer->value->loop > *of) *of = buffer->value->loop;
    }
    return loop;
}

// Extends lives that cross from one step of a loop to the next to the whole loop, from the inner loops on.
static void extend_lives(Seen *seen) {
    const Program *program = seen->program;
    const int *slots = find_slots(seen->memory.in_place.arena, seen);
    for (int number = program->graph->loops.len; number >= 1; number--) {
        const LoopRange *range = &program->loops[number - 1];
        for (int k = 0; k < program->buffers.len && range->first >= 0; k++) {
            int *first = &seen->first[k], *last = &seen->last[k];
            if (*first < 0 || *first >= range->end || *last < range->first) continue;
            bool inside = *first >= range->first && *last < range->end;
            if (inside && slots[k] != number && !is_read_first(seen, k, range)) continue;
            if (range->first < *first) *first = range->first;
            if (range->end - 1 > *last) *last = range->end - 1;
        }
    }
}

// What a loop reads in each step, and something outside wrote, nothing in the loop writes over.
static const char *check_steps(const Seen *seen) {
    const Program *program = seen->program;
    const Memory *m = &seen->memory;
    for (int c = 0; c < program->calls.len; c++) {
        const Call *call = &program->calls.at[c];
        for (int k = 0; k < call->kernel->uses.len && call->loop; k++) {
            int read = buffer_number(m, call->buffer[k]);
            if (!call->kernel->uses.at[k].read || read < 0 || m->root[read] < 0) continue;
            int first = m->first_write[read];
            if (first < 0 || check_is_slot(program, call->buffer[k])) continue;
            for (int number = 1; number <= program->graph->loops.len; number++) {
                const LoopRange *range = &program->loops[number - 1];
                if (c < range->first || c >= range->end || (first >= range->first && first < range->end)) continue;
                for (int w = m->last_in[m->root[read]]; w >= 0; w = m->writes.at[w].before)
                    if (m->writes.at[w].call >= range->first && m->writes.at[w].call < range->end)
                        return arena_printf(program->arena, "call %d reads %s in each step, and call %d writes over it",
                                            c, call->buffer[k]->name, m->writes.at[w].call);
            }
        }
    }
    return NULL;
}

static const char *check_place(const Program *program, const Buffer *buffer) {
    bool prepared = buffer->scope == SCOPE_PREPARED;
    int64_t end = prepared ? program->prepared_bytes : program->arena_bytes;
    if (buffer->offset < 0 || buffer->offset + buffer->bytes > end)
        return arena_printf(program->arena, "buffer %s lies outside the %s", buffer->name,
                            prepared ? "prepared bytes" : "arena");
    if (buffer->offset % 64) return arena_printf(program->arena, "buffer %s is not aligned", buffer->name);
    return NULL;
}

// The arena's buffers that live at a call, by offset. No two share a byte.
typedef struct Live {
    const Buffer **at;
    int n;
    int64_t bytes;
} Live;

// How many of them begin before the offset.
static int live_before(const Live *live, int64_t offset) {
    int lo = 0, hi = live->n;
    while (lo < hi) {
        int middle = lo + (hi - lo) / 2;
        if (live->at[middle]->offset < offset)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

// Because no two of the others overlap, a neighbour is the only one that the buffer can overlap.
static const char *begin_life(Arena *arena, Live *live, const Buffer *x) {
    int at = live_before(live, x->offset);
    const Buffer *before = at ? live->at[at - 1] : NULL, *after = at < live->n ? live->at[at] : NULL;
    const Buffer *other = before && before->offset + before->bytes > x->offset ? before
                          : after && x->offset + x->bytes > after->offset      ? after
                                                                               : NULL;
    if (other) return arena_printf(arena, "buffers %s and %s live together and share bytes", x->name, other->name);
    memmove(live->at + at + 1, live->at + at, sizeof *live->at * (size_t)(live->n++ - at));
    live->at[at] = x;
    live->bytes += (x->bytes + 63) / 64 * 64;
    return NULL;
}

static void end_life(Live *live, const Buffer *x) {
    int at = live_before(live, x->offset);
    memmove(live->at + at, live->at + at + 1, sizeof *live->at * (size_t)(--live->n - at));
    live->bytes -= (x->bytes + 63) / 64 * 64;
}

// Buffers that live together lie apart, and the most bytes that live at one call are the plan's lower bound.
static const char *check_lives(Arena *scratch, const Seen *seen) {
    const Program *program = seen->program;
    int n = program->buffers.len, calls = program->calls.len;
    IntVec *begin = NEW_ARRAY(scratch, IntVec, calls + 1), *end = NEW_ARRAY(scratch, IntVec, calls + 1);
    for (int k = 0; k < n; k++) {
        const Buffer *buffer = program->buffers.at[k];
        if (buffer->scope != SCOPE_ARENA || seen->first[k] < 0 || !buffer->bytes) continue;
        vec_push(scratch, &begin[seen->first[k]], k);
        vec_push(scratch, &end[seen->last[k]], k);
    }
    Live live = {.at = NEW_ARRAY(scratch, const Buffer *, n + 1)};
    const char *wrong = NULL;
    int64_t bound = 0;
    for (int call = 0; call < calls && !wrong; call++) {
        for (int k = 0; k < begin[call].len && !wrong; k++)
            wrong = begin_life(program->arena, &live, program->buffers.at[begin[call].at[k]]);
        if (live.bytes > bound) bound = live.bytes;
        for (int k = 0; k < end[call].len && !wrong; k++) end_life(&live, program->buffers.at[end[call].at[k]]);
    }
    if (!wrong && bound != program->arena_bound)
        wrong = arena_printf(program->arena, "the plan's lower bound is %lld bytes, the checker finds %lld",
                             (long long)program->arena_bound, (long long)bound);
    return wrong;
}

const char *program_check_plan(const Program *program) {
    Arena scratch = {0};
    int n = program->buffers.len;
    Seen seen = {.program = program, .first = numbers_new(&scratch, n), .last = numbers_new(&scratch, n)};
    find_memory(&seen.memory, &scratch, program);
    const char *wrong = check_ranges(program);
    for (seen.call = 0; seen.call < program->calls.len && !wrong; seen.call++)
        see_call(&seen, &program->calls.at[seen.call]);
    if (!wrong) extend_lives(&seen);
    for (int k = 0; k < n && !wrong; k++)
        if (program->buffers.at[k]->view)
            wrong = check_view(program, program->buffers.at[k], seen.memory.first_write[k] >= 0);
    if (!wrong) wrong = check_slots(&seen.memory);
    if (!wrong) wrong = seen.wrong;
    if (!wrong) wrong = check_steps(&seen);
    if (!wrong) wrong = check_storages(&seen.memory);
    for (int k = 0; k < n && !wrong; k++)
        if (seen.first[k] >= 0) wrong = check_place(program, program->buffers.at[k]); // views and unused ones have none
    if (!wrong) wrong = check_lives(&scratch, &seen);
    arena_release(&scratch);
    return wrong;
}

// ---- what models prepare --------------------------------------------------------------------------------------------

typedef struct Prepared {
    const Program *program;
    const Buffer *buffer;
} Prepared;

static int by_offset(const void *a, const void *b) {
    const Buffer *x = ((const Prepared *)a)->buffer, *y = ((const Prepared *)b)->buffer;
    return x->offset != y->offset ? (x->offset < y->offset ? -1 : 1) : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static void see_made(Tags *made, const Program *program) {
    for (int c = 0; c < program->nprepare; c++) {
        const Call *call = &program->calls.at[c];
        for (int k = 0; k < call->kernel->uses.len && !call->shared; k++)
            if (call->kernel->uses.at[k].written) *tag_of(made, call->buffer[k]) = 1;
    }
}

static const char *check_stand_in(const Program *program, const Buffer *buffer, const Tags *made) {
    const Buffer *same = buffer->same;
    bool right = !same->same && tag_known(made, same) && same->offset == buffer->offset && same->bytes == buffer->bytes;
    return right ? NULL : arena_printf(program->arena, "prepared %s does not stand for %s", same->name, buffer->name);
}

const char *programs_check_prepared(Program *const *programs, int n) {
    Arena scratch = {0};
    VEC(Prepared) all = {0};
    Tags made = {.arena = &scratch};
    const char *wrong = NULL;
    for (int p = 0; p < n; p++) see_made(&made, programs[p]);
    for (int p = 0; p < n; p++)
        for (int k = 0; k < programs[p]->buffers.len && !wrong; k++) {
            const Buffer *buffer = programs[p]->buffers.at[k];
            if (buffer->scope != SCOPE_PREPARED || buffer->data) continue;
            if (buffer->same)
                wrong = check_stand_in(programs[p], buffer, &made);
            else
                vec_push(&scratch, &all, (Prepared){programs[p], buffer});
        }
    if (all.len) qsort(all.at, (size_t)all.len, sizeof *all.at, by_offset);
    for (int k = 1; k < all.len && !wrong; k++)
        if (all.at[k - 1].buffer->offset + all.at[k - 1].buffer->bytes > all.at[k].buffer->offset)
            wrong = arena_printf(all.at[k].program->arena, "prepared buffers %s and %s share bytes",
                                 all.at[k - 1].buffer->name, all.at[k].buffer->name);
    arena_release(&scratch);
    return wrong;
}
