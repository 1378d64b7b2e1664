// check.c: the independent proof of the memory plan. It shares nothing with plan.c: lifetimes are found again from what
// the kernels of each call read and write, byte by byte overlaps are looked for pair by pair, and the lower bound is
// summed anew. What lies in another buffer is part of it here; check_views.c proves that such sharing is right, and
// check_storages.c that what is updated in place is not read again.
// The prepare part and the calls of a model run at different times: only prepared buffers pass from the
// one to the other.
#include <stdlib.h>

#include "loops/check.h"

typedef struct Numbered {
    const Buffer *buffer;
    int number; // in program->buffers
} Numbered;

typedef struct Seen {
    const Program *program;
    Numbered *sorted; // by address
    int call;
    int *first, *last;             // by buffer, -1 before it is seen; of views, at what they lie in
    int *first_write, *last_write; // by buffer itself
    const char *wrong;
} Seen;

static int by_address(const void *a, const void *b) {
    uintptr_t x = (uintptr_t)((const Numbered *)a)->buffer, y = (uintptr_t)((const Numbered *)b)->buffer;
    return (x > y) - (x < y);
}

static int buffer_number(const Seen *seen, const Buffer *buffer) {
    const Numbered key = {buffer, 0}, *found;
    found = bsearch(&key, seen->sorted, (size_t)seen->program->buffers.len, sizeof key, by_address);
    return found ? found->number : -1;
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
        seen->wrong = arena_printf(seen->program->arena, "arena buffer %s is kept from the prepare part for call %d",
                                   buffer->name, seen->call);
    seen->last[k] = seen->call;
}

static void see_buffer(Seen *seen, const Buffer *buffer, bool write) {
    const char *wrong = wrong_part(seen, buffer, write);
    if (wrong) seen->wrong = arena_printf(seen->program->arena, "call %d: %s %s", seen->call, wrong, buffer->name);
    if ((buffer->scope != SCOPE_ARENA && buffer->scope != SCOPE_PREPARED) || buffer->data) return;
    int k = buffer_number(seen, buffer);
    const Buffer *root = buffer;
    while (root->view) root = root->view->of;
    int r = buffer_number(seen, root);
    if (k < 0 || r < 0) {
        seen->wrong = arena_printf(seen->program->arena, "call %d uses buffer %s, which the program does not list",
                                   seen->call, buffer->name);
        return;
    }
    see_use(seen, r, root);
    if (!write) {
        wrong = check_read(seen->program, seen->first_write, seen->last_write, k, seen->call);
        if (wrong) seen->wrong = wrong;
        return;
    }
    if (seen->first_write[k] < 0) seen->first_write[k] = seen->call;
    seen->last_write[k] = seen->call;
}

// Within one call a kernel may write a scratch buffer and read it back: writes are visited first.
static void see_writes(void *context, Buffer *buffer, bool write) {
    if (write) see_buffer(context, buffer, true);
}

static void see_reads(void *context, Buffer *buffer, bool write) {
    if (!write) see_buffer(context, buffer, false);
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
    Seen seen = {.program = program,
                 .sorted = NEW_ARRAY(&scratch, Numbered, n + 1),
                 .first = NEW_ARRAY(&scratch, int, n + 1),
                 .last = NEW_ARRAY(&scratch, int, n + 1),
                 .first_write = NEW_ARRAY(&scratch, int, n + 1),
                 .last_write = NEW_ARRAY(&scratch, int, n + 1)};
    for (int k = 0; k < n; k++) seen.sorted[k] = (Numbered){program->buffers.at[k], k};
    qsort(seen.sorted, (size_t)n, sizeof *seen.sorted, by_address);
    for (int k = 0; k < n; k++) seen.first[k] = seen.last[k] = seen.first_write[k] = seen.last_write[k] = -1;
    for (int call = 0; call < program->calls.len; call++) {
        seen.call = call;
        stmt_visit_buffers(program->calls.at[call].kernel->body, see_writes, &seen);
        stmt_visit_buffers(program->calls.at[call].kernel->body, see_reads, &seen);
    }
    const char *wrong = NULL;
    for (int k = 0; k < n && !wrong; k++)
        if (program->buffers.at[k]->view) wrong = check_view(program, program->buffers.at[k], seen.first_write[k] >= 0);
    if (!wrong) wrong = seen.wrong;
    if (!wrong) wrong = check_storages(program);
    for (int a = 0; a < n && !wrong; a++) {
        const Buffer *x = program->buffers.at[a];
        if (seen.first[a] < 0) continue; // a view, or not used
        wrong = check_place(program, x);
        for (int b = 0; b < a && !wrong; b++) {
            const Buffer *y = program->buffers.at[b];
            bool together = seen.first[b] >= 0 && seen.first[a] <= seen.last[b] && seen.first[b] <= seen.last[a];
            if (x->scope == SCOPE_PREPARED) together = true; // for good
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
