// plan.c: give every arena buffer an offset, so that buffers share bytes when their lives do not overlap.
//     a [0, 2] 4 KiB, b [1, 3] 2 KiB, c [3, 4] 4 KiB       a at 0, b at 4096, c at 0: peak 6 KiB
// Needs lifetimes in calls (first_call, last_call, from lowering). Buffers are placed one after another, each in the
// lowest gap among those that live at the same time. Three orders are tried, then changes of the best one, and the plan
// with the lowest peak is kept. The search ends when the peak is the lower bound: the largest sum of bytes that live at
// one time. check.c proves the result. Views need no place of their own; the buffer in which they lie lives as long as
// any of them. Prepared buffers live forever, side by side.
#include <stdlib.h>
#include <string.h>

#include "loops/lower.h"
#include "support/sort.h"

enum { TRIES = 1000, WORK = 4000000 }; // WORK: pairs of buffers that all tries together compare

// A buffer that has its place, and the calls through which it lives.
typedef struct Placed {
    int64_t from, to;
    int first, last;
} Placed;

typedef struct Plan {
    Buffer **buffer; // the arena's, in the order of placing
    int64_t *offset; // of each, in the same order
    Buffer **best;   // the order that was kept last
    Placed *placed;  // lowest first
    int n;
} Plan;

// Places buffer k of the plan at the lowest offset where it fits among those before it.
static int64_t place(Plan *plan, int k) {
    const Buffer *buffer = plan->buffer[k];
    int64_t at = 0, size = buffer_room(buffer);
    int before = 0; // of the placed ones
    for (; before < k && at + size > plan->placed[before].from; before++) {
        const Placed *other = &plan->placed[before];
        bool together = other->first <= buffer->last_call && buffer->first_call <= other->last;
        if (together && other->to > at) at = other->to;
    }
    while (before && plan->placed[before - 1].from > at) before--;
    memmove(plan->placed + before + 1, plan->placed + before, sizeof *plan->placed * (size_t)(k - before));
    plan->placed[before] = (Placed){at, at + size, buffer->first_call, buffer->last_call};
    plan->offset[k] = at;
    return at + size;
}

static int64_t place_all(Plan *plan) {
    int64_t peak = 0;
    for (int k = 0; k < plan->n; k++) {
        int64_t end = place(plan, k);
        if (end > peak) peak = end;
    }
    return peak;
}

// The largest sum of bytes that live at one call.
static int64_t lower_bound(const Program *program, const Plan *plan) {
    Arena scratch = {0};
    int64_t *change = NEW_ARRAY(&scratch, int64_t, program->calls.len + 2), bound = 0, live = 0;
    for (int k = 0; k < plan->n; k++) {
        change[plan->buffer[k]->first_call] += buffer_room(plan->buffer[k]);
        change[plan->buffer[k]->last_call + 1] -= buffer_room(plan->buffer[k]);
    }
    for (int call = 0; call < program->calls.len; call++) {
        live += change[call];
        if (live > bound) bound = live;
    }
    arena_release(&scratch);
    return bound;
}

static int by_bytes(const void *a, const void *b) {
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->first_call != y->first_call ? x->first_call - y->first_call : x->last_call - y->last_call;
}

static int by_area(const void *a, const void *b) {
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    int64_t area_x = x->bytes * (x->last_call - x->first_call + 1);
    int64_t area_y = y->bytes * (y->last_call - y->first_call + 1);
    return area_x != area_y ? (area_x < area_y ? 1 : -1) : by_bytes(a, b);
}

static int by_start(const void *a, const void *b) {
    const Buffer *x = *(Buffer *const *)a, *y = *(Buffer *const *)b;
    return x->first_call != y->first_call ? x->first_call - y->first_call : by_bytes(a, b);
}

static void keep_if_better(Program *program, Plan *plan) {
    int64_t peak = place_all(plan);
    if (program->arena_bytes >= 0 && peak > program->arena_bytes) return; // equal ones lead on
    program->arena_bytes = peak;
    memcpy(plan->best, plan->buffer, sizeof *plan->best * (size_t)plan->n);
    for (int k = 0; k < plan->n; k++) plan->buffer[k]->offset = plan->offset[k];
}

// Moves one buffer of the best order to an earlier place, or swaps two; which ones, a fixed random sequence says.
static void try_another(Plan *plan, uint32_t *state) {
    *state = *state * 1664525u + 1013904223u; // Numerical Recipes' generator: the same plan on every run
    int a = (int)((*state >> 8) % (uint32_t)plan->n), b = (int)((*state >> 16) % (uint32_t)plan->n);
    memcpy(plan->buffer, plan->best, sizeof *plan->best * (size_t)plan->n);
    Buffer *moved = plan->buffer[a];
    if (*state >> 31 && b < a)
        memmove(&plan->buffer[b + 1], &plan->buffer[b], sizeof *plan->buffer * (size_t)(a - b));
    else
        plan->buffer[a] = plan->buffer[b];
    plan->buffer[b] = moved;
}

static void place_prepared(Program *program) {
    program->prepared_bytes = 0;
    for (int k = 0; k < program->buffers.len; k++) {
        Buffer *buffer = program->buffers.at[k];
        if (buffer->scope != SCOPE_PREPARED || buffer->data) continue;
        buffer->offset = program->prepared_bytes;
        program->prepared_bytes += buffer_room(buffer);
    }
}

static void place_views(Program *program) {
    for (int k = 0; k < program->buffers.len; k++) {
        Buffer *buffer = program->buffers.at[k];
        if (buffer->view) buffer->offset = view_root(buffer)->offset + buffer->start * dtype_info[buffer->dtype].bytes;
    }
}

void program_plan(Program *program) {
    place_prepared(program);
    views_in_place(program);
    Plan plan = {.buffer = NEW_ARRAY(program->arena, Buffer *, program->buffers.len + 1),
                 .offset = NEW_ARRAY(program->arena, int64_t, program->buffers.len + 1),
                 .best = NEW_ARRAY(program->arena, Buffer *, program->buffers.len + 1),
                 .placed = NEW_ARRAY(program->arena, Placed, program->buffers.len + 1)};
    for (int k = 0; k < program->buffers.len; k++)
        if (program->buffers.at[k]->scope == SCOPE_ARENA && program->buffers.at[k]->last_call >= 0 &&
            !program->buffers.at[k]->view)
            plan.buffer[plan.n++] = program->buffers.at[k];
    program->arena_bound = lower_bound(program, &plan);
    program->arena_bytes = -1;
    int (*const orders[])(const void *, const void *) = {by_bytes, by_area, by_start};
    for (int k = 0; k < 3; k++) {
        sort_stable(plan.buffer, (size_t)plan.n, sizeof *plan.buffer, orders[k]);
        keep_if_better(program, &plan);
    }
    uint32_t state = 1;
    int64_t tries = plan.n ? WORK / ((int64_t)plan.n * plan.n) : 0;
    for (int k = 0; k < tries && k < TRIES && program->arena_bytes > program->arena_bound; k++) {
        try_another(&plan, &state);
        keep_if_better(program, &plan);
    }
    place_views(program);
}
