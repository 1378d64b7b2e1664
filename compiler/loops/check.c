// check.c: the independent proof of the memory plan. It shares nothing with plan.c: it finds lifetimes again from what
// the kernels of each call read and write, looks for overlaps pair by pair, and sums the lower bound anew. A view
// counts as part of the buffer in which it lies; check_views.c proves that such sharing is right, and check_storages.c
// that an old value is not read after an update in place. The prepare part and the calls of a model run at different
// times, so only prepared buffers pass from one to the other.
#include <stdlib.h>

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
    int **lists[] = {&m->root,    &m->first_part,  &m->next_part, &m->first_in,
                     &m->next_in, &m->first_write, &m->last_write};
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) *lists[k] = numbers_new(arena, n);
    for (int k = n - 1; k >= 0; k--) {
        const Buffer *buffer = program->buffers.at[k];
        int root = m->root[k] = buffer_number(m, view_root(buffer));
        if (root >= 0) {
            m->next_in[k] = m->first_in[root];
            m->first_in[root] = k;
        }
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
    if ((buffer->scope != SCOPE_ARENA && buffer->scope != SCOPE_PREPARED) || buffer->data) return;
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
    if (m->first_write[k] < 0) m->first_write[k] = seen->call;
    m->last_write[k] = seen->call;
}

// A call that is left out writes nothing; the buffers that stand for its prepared ones are there by then.
static void see_left_out(Seen *seen, const Call *call) {
    for (int k = 0; k < call->kernel->uses.len; k++) {
        const Buffer *buffer = call->buffer[k];
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

static const char *check_place(const Program *program, const Buffer *buffer) {
    bool prepared = buffer->scope == SCOPE_PREPARED;
    int64_t end = prepared ? program->prepared_bytes : program->arena_bytes;
    if (buffer->offset < 0 || buffer->offset + buffer->bytes > end)
        return arena_printf(program->arena, "buffer %s lies outside the %s", buffer->name,
                            prepared ? "prepared bytes" : "arena");
    if (buffer->offset % 64) return arena_printf(program->arena, "buffer %s is not aligned", buffer->name);
    return NULL;
}

const char *program_check_plan(const Program *program) {
    Arena scratch = {0};
    int n = program->buffers.len;
    Seen seen = {.program = program, .first = numbers_new(&scratch, n), .last = numbers_new(&scratch, n)};
    find_memory(&seen.memory, &scratch, program);
    for (seen.call = 0; seen.call < program->calls.len; seen.call++) see_call(&seen, &program->calls.at[seen.call]);
    const char *wrong = NULL;
    for (int k = 0; k < n && !wrong; k++)
        if (program->buffers.at[k]->view)
            wrong = check_view(program, program->buffers.at[k], seen.memory.first_write[k] >= 0);
    if (!wrong) wrong = seen.wrong;
    if (!wrong) wrong = check_storages(&seen.memory);
    for (int a = 0; a < n && !wrong; a++) {
        const Buffer *x = program->buffers.at[a];
        if (seen.first[a] < 0) continue; // a view, or not used
        wrong = check_place(program, x);
        for (int b = 0; b < a && !wrong; b++) {
            const Buffer *y = program->buffers.at[b];
            bool together = seen.first[b] >= 0 && seen.first[a] <= seen.last[b] && seen.first[b] <= seen.last[a];
            if (x->scope == SCOPE_PREPARED) together = false; // programs_check_prepared
            if (seen.first[b] < 0 || x->scope != y->scope) together = false;
            bool overlap = x->offset < y->offset + y->bytes && y->offset < x->offset + x->bytes;
            if (together && overlap && x->bytes && y->bytes)
                wrong =
                    arena_printf(program->arena, "buffers %s and %s live together and share bytes", x->name, y->name);
        }
    }
    int64_t bound = 0;
    for (int call = 0; call < program->calls.len; call++) {
        int64_t live = 0;
        for (int k = 0; k < n; k++)
            if (program->buffers.at[k]->scope == SCOPE_ARENA && seen.first[k] >= 0 && seen.first[k] <= call &&
                call <= seen.last[k])
                live += (program->buffers.at[k]->bytes + 63) / 64 * 64;
        if (live > bound) bound = live;
    }
    if (!wrong && bound != program->arena_bound)
        wrong = arena_printf(program->arena, "the plan's lower bound is %lld bytes, the checker finds %lld",
                             (long long)program->arena_bound, (long long)bound);
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
