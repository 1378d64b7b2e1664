// timeline.c: an estimate of the arena for a choice of values that are computed again.
//     calls       k0 -> a    k1 a -> b    k2 b -> loss    k3 b -> db    k4 a, db -> da
//     a dropped   k0 -> a    k1 a -> b    k2 b -> loss    k3 b -> db    k0 -> a    k4 a, db -> da
// Calls of the forward pass run again before the first call that needs their results. Lives follow from the new
// list of calls; scratch is counted with its call. Which views there would be, and what would be computed in place, is
// not known, so the estimate is a little too large.
#include "loops/timeline.h"

enum { FLOPS_PER_BYTE = 10 };

// ---- from a program ------------------------------------------------------------------------------------------------

static bool is_forward(const Node *node) { return node && node->section < SECTION_BACKWARD && !node->copy; }

static bool call_is_early(const Call *call) {
    const Group *group = call->group;
    if (!group) return false;
    bool early = is_forward(group->root);
    for (int k = 0; k < group->outputs.len; k++) early |= is_forward(group->outputs.at[k]);
    for (int k = 0; k < group->reduces.len; k++) early |= is_forward(group->reduces.at[k]);
    return early;
}

static void add_once(Arena *arena, IntVec *list, int value) {
    for (int k = list->len - 1; k >= 0; k--)
        if (list->at[k] == value) return;
    vec_push(arena, list, value);
}

int timeline_value(const Timeline *t, const Buffer *buffer) { return tag_known(&t->places, buffer) - 1; }

static void see_buffer(Timeline *t, int call, Buffer *buffer, bool write) {
    const Buffer *root = view_root(buffer);
    int value = timeline_value(t, root);
    if (value < 0) return;
    Value *v = &t->values.at[value];
    if (write && call != v->writer) v->early = false; // in parts
    if (write || call == v->writer) return;
    add_once(t->arena, &t->reads[call], value);
    if (t->early[call])
        v->last_early = call;
    else if (call < v->first_late)
        v->first_late = call;
}

// A loop makes it in parts, or in each step.
static bool is_of_loop(const Node *node) { return node->loop || node_is_loop(node); }

static void make_values(Timeline *t, Program *program) {
    int ncalls = program->calls.len;
    for (int k = 0; k < program->buffers.len; k++) {
        Buffer *buffer = program->buffers.at[k], *root = view_root(buffer);
        int64_t bytes = buffer_room(buffer);
        if (buffer != root || buffer->scope != SCOPE_ARENA || buffer->first_call < 0) continue;
        if (buffer->first_call == buffer->last_call && !buffer->value) {
            t->scratch[buffer->first_call] += bytes;
            continue;
        }
        int writer = buffer->first_call;
        *tag_of(&t->places, buffer) = t->values.len + 1;
        vec_push(t->arena, &t->values,
                 (Value){.buffer = buffer,
                         .bytes = bytes,
                         .writer = writer,
                         .last_early = writer,
                         .first_late = ncalls,
                         .early = buffer->value && t->early[writer] && !is_of_loop(buffer->value)});
        vec_push(t->arena, &t->writes[writer], t->values.len - 1);
    }
}

Timeline *timeline_new(Arena *arena, Program *program) {
    int ncalls = program->calls.len;
    Timeline *t = NEW(arena, Timeline);
    *t = (Timeline){.arena = arena,
                    .program = program,
                    .places = {.arena = arena},
                    .reads = NEW_ARRAY(arena, IntVec, ncalls + 1),
                    .writes = NEW_ARRAY(arena, IntVec, ncalls + 1),
                    .early = NEW_ARRAY(arena, bool, ncalls + 1),
                    .scratch = NEW_ARRAY(arena, int64_t, ncalls + 1),
                    .cost = NEW_ARRAY(arena, int64_t, ncalls + 1)};
    for (int call = 0; call < ncalls; call++) t->early[call] = call_is_early(&program->calls.at[call]);
    make_values(t, program);
    for (int call = 0; call < ncalls; call++) {
        const Call *of = &program->calls.at[call];
        for (int k = 0; k < of->kernel->uses.len; k++) {
            if (of->kernel->uses.at[k].read) see_buffer(t, call, of->buffer[k], false);
            if (of->kernel->uses.at[k].written) see_buffer(t, call, of->buffer[k], true);
        }
        t->cost[call] = (int64_t)of->kernel->flops;
        t->work += 1 + t->reads[call].len + t->writes[call].len;
    }
    for (int k = 0; k < t->values.len; k++) t->cost[t->values.at[k].writer] += FLOPS_PER_BYTE * t->values.at[k].bytes;
    return t;
}

bool timeline_is_choice(const Timeline *t, int value) {
    const Value *v = &t->values.at[value];
    return v->early && v->first_late < t->program->calls.len;
}

bool timeline_is_kept(const Timeline *t, int value, const bool *kept) {
    return kept[value] || !t->values.at[value].early;
}

// ---- an estimate ---------------------------------------------------------------------------------------------------

typedef struct Life {
    int first, last; // events; first -1: none
} Life;

typedef struct Run {
    const Timeline *t;
    const bool *kept;
    Arena arena;
    Life *life[2]; // by value: as it is computed first, and again
    IntVec events; // calls
    IntVec before; // by event: the call of the program that it is, or that it precedes
    IntVec work;   // values
    int64_t cost;
} Run;

static bool is_dropped(const Run *run, int value) { return !timeline_is_kept(run->t, value, run->kept); }

static void add_event(Run *run, int call, int before, bool again) {
    const Timeline *t = run->t;
    int event = run->events.len;
    vec_push(&run->arena, &run->events, call);
    vec_push(&run->arena, &run->before, before);
    bool late = again || !t->early[call];
    for (int k = 0; k < t->reads[call].len; k++) {
        int value = t->reads[call].at[k];
        Life *life = &run->life[late && is_dropped(run, value)][value];
        life->last = event;
    }
    for (int k = 0; k < t->writes[call].len; k++) {
        int value = t->writes[call].at[k];
        if (!again || is_dropped(run, value)) run->life[again][value] = (Life){event, event};
    }
    if (again) run->cost += t->cost[call];
}

static bool is_missing(const Run *run, int value) { return is_dropped(run, value) && run->life[1][value].first < 0; }

// Runs the calls that lead to a dropped value again, before a call.
static void compute_again(Run *run, int value, int before) {
    const Timeline *t = run->t;
    vec_push(&run->arena, &run->work, value);
    while (run->work.len) {
        int call = t->values.at[run->work.at[run->work.len - 1]].writer;
        int known = run->work.len;
        for (int k = 0; k < t->reads[call].len; k++)
            if (is_missing(run, t->reads[call].at[k])) vec_push(&run->arena, &run->work, t->reads[call].at[k]);
        if (run->work.len > known) continue;
        if (is_missing(run, run->work.at[known - 1])) add_event(run, call, before, true);
        run->work.len--;
    }
}

static Estimate measure(Run *run) {
    const Timeline *t = run->t;
    int64_t *change = NEW_ARRAY(&run->arena, int64_t, run->events.len + 2), live = 0;
    for (int again = 0; again < 2; again++)
        for (int k = 0; k < t->values.len; k++) {
            Life life = run->life[again][k];
            if (life.first < 0) continue;
            change[life.first] += t->values.at[k].bytes;
            change[life.last + 1] -= t->values.at[k].bytes;
        }
    Estimate estimate = {.peak = 0, .cost = run->cost};
    for (int event = 0; event < run->events.len; event++) {
        live += change[event];
        int64_t all = live + t->scratch[run->events.at[event]];
        if (all > estimate.peak) estimate.peak = all, estimate.at = run->before.at[event];
    }
    return estimate;
}

Estimate timeline_estimate(const Timeline *t, const bool *kept) {
    Run run = {.t = t, .kept = kept};
    for (int again = 0; again < 2; again++) {
        run.life[again] = NEW_ARRAY(&run.arena, Life, t->values.len + 1);
        for (int k = 0; k < t->values.len; k++) run.life[again][k].first = -1;
    }
    for (int call = 0; call < t->program->calls.len; call++) {
        for (int k = 0; k < t->reads[call].len && !t->early[call]; k++)
            if (is_missing(&run, t->reads[call].at[k])) compute_again(&run, t->reads[call].at[k], call);
        add_event(&run, call, call, false);
    }
    Estimate estimate = measure(&run);
    arena_release(&run.arena);
    return estimate;
}
