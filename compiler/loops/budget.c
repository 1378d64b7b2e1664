// budget.c: the error when an arena is larger than --arena-max allows:
//     net.dl:7:1: error: forward needs an arena of 868,352 bytes, and --arena-max allows 262,144
//         7 | model forward(x: f32[N, 784]) -> ...
//           | ^~~~~
//        note: the peak: 868,352 bytes live while linear_relu is computed at net.dl:8:18
//        note: scratch of linear_relu (panel_lanes), 802,816 bytes at net.dl:8:18
//        note: h: f32[N, 256], 65,536 bytes at net.dl:8:48
// Needs the plan, which is the smallest that compiler/fit.c found. The peak is the first call at which the sum of live
// bytes is the lower bound, the largest such sum.
#include "loops/budget.h"

#include "support/sort.h"
#include "support/str.h"

enum { LISTED = 24 };

static bool lives_at(const Buffer *buffer, int call) {
    return buffer->scope == SCOPE_ARENA && !buffer->view && buffer->first_call <= call && call <= buffer->last_call;
}

static int64_t live_bytes(const Program *program, int call) {
    int64_t live = 0;
    for (int k = 0; k < program->buffers.len; k++)
        if (lives_at(program->buffers.at[k], call)) live += buffer_room(program->buffers.at[k]);
    return live;
}

static int find_peak(const Program *program) {
    int call = 0;
    while (live_bytes(program, call) < program->arena_bound) call++;
    return call;
}

static Span call_span(const Call *call) {
    const Node *node = call_node(call);
    return node ? node->span : (Span){0};
}

static int by_bytes(const void *a, const void *b) {
    const Buffer *x = *(const Buffer *const *)a, *y = *(const Buffer *const *)b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->first_call - y->first_call;
}

static void note_buffer(Diag *diag, Arena *arena, const Program *program, const Buffer *buffer) {
    const char *bytes = text_grouped(arena, buffer_room(buffer));
    if (buffer->value) {
        static const char *const parts[] = {"", "", " (backward)", " (update)"}; // by section
        const char *name = buffer->value->name ? buffer->value->name : buffer->name;
        const char *part = buffer->value->copy ? " (again)" : parts[buffer->value->section];
        diag_note(diag, buffer->value->span, "%s%s: %s, %s bytes", name, part,
                  type_text(arena, &buffer->value->type, program->graph->module->sizes), bytes);
        return;
    }
    const Call *call = &program->calls.at[buffer->first_call];
    diag_note(diag, call_span(call), "scratch of %s (%s), %s bytes", call->kernel->name, buffer->name, bytes);
}

static void note_live(Diag *diag, Arena *arena, const Program *program, int call) {
    VEC(const Buffer *) live = {0};
    for (int k = 0; k < program->buffers.len; k++)
        if (lives_at(program->buffers.at[k], call)) vec_push(arena, &live, program->buffers.at[k]);
    sort_stable(live.at, (size_t)live.len, sizeof *live.at, by_bytes);
    int64_t rest = 0;
    for (int k = 0; k < live.len; k++)
        if (k < LISTED)
            note_buffer(diag, arena, program, live.at[k]);
        else
            rest += buffer_room(live.at[k]);
    if (live.len > LISTED)
        diag_note(diag, (Span){0}, "and %d smaller ones, %s bytes", live.len - LISTED, text_grouped(arena, rest));
}

// Says what the user may change.
static void note_advice(Diag *diag, Arena *arena, const Graph *g) {
    const Module *module = g->module;
    Str sizes = str_new(arena);
    for (int k = 0; k < module->nsizes; k++)
        str_printf(&sizes, "%s%s = %d", k ? ", " : "", module->sizes[k].name, module->sizes[k].bound);
    if (module->nsizes && graph_is_public(g))
        diag_note(diag, (Span){0}, "memory is planned for %s: a lower bound, or -D %s=..., takes less",
                  str_text(&sizes), module->sizes[0].name);
}

void program_check_budget(Diag *diag, const Program *program, int64_t most, int64_t plain) {
    if (program->arena_bytes <= most) return;
    Arena scratch = {0}, *arena = &scratch;
    const Graph *g = program->graph;
    int peak = find_peak(program);
    double again = 0;
    for (int k = 0; k < program->calls.len; k++) {
        const Call *call = &program->calls.at[k];
        again += call->kernel->flops_again * (double)graph_loop_steps(g, call->loop);
    }
    diag->at = NULL; // a training step and its accumulation have one place, and both shall be reported
    diag_error(diag, g->span, "%s needs an arena of %s bytes, and --arena-max allows %s",
               graph_is_public(g) ? g->name : "drawing the parameters", text_grouped(arena, program->arena_bytes),
               text_grouped(arena, most));
    if (program->arena_bytes < plain)
        diag_note(diag, (Span){0},
                  "this is the smallest plan that was found%s%s%s; without --arena-max it takes %s bytes",
                  again > 0 ? ", where " : "", again > 0 ? text_grouped(arena, (int64_t)again) : "",
                  again > 0 ? " FLOPs are computed again" : "", text_grouped(arena, plain));
    diag_note(diag, call_span(&program->calls.at[peak]), "the peak: %s bytes live while %s is computed",
              text_grouped(arena, program->arena_bound), program->calls.at[peak].kernel->name);
    note_live(diag, arena, program, peak);
    note_advice(diag, arena, g);
    arena_release(&scratch);
}
