// inplace.c: a result takes the memory of an input that no later call reads, when its kernel reads the input only at
// the index that it writes.
//     call 3: out[n, j] = add(acc, x[n, j])       nobody reads x later      out is a view of x: one buffer less
// Both have the same dtype, shape and layout, halo included. The kernel reads each element in the loop that stores the
// result at the same index, and before that store, so nothing is overwritten that is still to be read. Indices that are
// loaded do not count, because they may repeat. Needs lifetimes.
// check_views.c proves it in its own way.
#include "loops/recipes.h"

typedef struct Pair {
    Arena *arena;
    const Buffer *from, *to;
    VEC(Access) reads;
    VEC(Access) writes;
    bool fits;
} Pair;

// ---- one kernel -----------------------------------------------------------------------------------------------------

static void see(void *context, const Access *access) {
    Pair *p = context;
    StmtKind kind = access->stmt->kind;
    if (access->buffer == p->to) {
        p->fits &= access->write && kind == STMT_STORE;
        vec_push(p->arena, &p->writes, *access);
    }
    if (access->buffer == p->from && kind != STMT_PREFETCH) {
        p->fits &= kind != STMT_TRANSPOSE;
        // Two iterations may load one index: the second would read what the first has stored.
        for (int d = 0; access->at && d < p->from->rank; d++) p->fits &= !index_is_loaded(access->at[d]);
        vec_push(p->arena, &p->reads, *access);
    }
}

static bool same_place(const Pair *p, const Access *a, const Access *b) {
    bool same = a->loop == b->loop && a->lanes == b->lanes;
    for (int d = 0; d < p->from->rank && same; d++) same = index_equal(a->at[d], b->at[d]);
    return same;
}

static bool kernel_fits(const Kernel *kernel, const Buffer *from, const Buffer *to) {
    Arena scratch = {0};
    Pair p = {.arena = &scratch, .from = from, .to = to, .fits = true};
    stmt_visit(kernel->body, see, &p);
    for (int r = 0; r < p.reads.len && p.fits; r++) {
        bool stored = false;
        for (int w = 0; w < p.writes.len && p.fits; w++) {
            if (!same_place(&p, &p.reads.at[r], &p.writes.at[w])) continue;
            stored = true;
            p.fits = p.writes.at[w].number >= p.reads.at[r].number;
        }
        p.fits &= stored;
    }
    bool fits = p.fits && p.reads.len && p.writes.len;
    arena_release(&scratch);
    return fits;
}

// ---- the program ----------------------------------------------------------------------------------------------------

// A buffer of the arena that the call uses, or NULL.
static Buffer *in_arena(const Call *call, int use, bool written) {
    const Use *of = &call->kernel->uses.at[use];
    return (written ? of->written : of->read) && call->buffer[use]->scope == SCOPE_ARENA ? call->buffer[use] : NULL;
}

// Whether the call uses that memory through one buffer alone, and only reads it.
static bool touched_once(const Call *call, int from) {
    for (int k = 0; k < call->kernel->uses.len; k++)
        if (call->buffer[k]->scope == SCOPE_ARENA && view_root(call->buffer[k]) == view_root(call->buffer[from]))
            if (k != from || call->kernel->uses.at[k].written) return false;
    return true;
}

bool call_in_place(UsePairs *known, const Call *call, int from, int to) {
    enum { NO = 1, YES };
    int *answer = use_pair(known, call->kernel, from, to);
    if (!*answer)
        *answer =
            kernel_fits(call->kernel, call->kernel->uses.at[from].buffer, call->kernel->uses.at[to].buffer) ? YES : NO;
    return *answer == YES;
}

static void put_in_place(Program *program, Buffer *from, Buffer *to) {
    View *view = NEW(program->arena, View);
    *view = (View){.of = from, .whole = (1u << to->rank) - 1};
    view_same_axes(view, to->rank);
    to->view = view;
    if (to->last_call > view_root(from)->last_call) view_root(from)->last_call = to->last_call;
}

static void try_result(Program *program, UsePairs *known, int number, int use) {
    const Call *call = &program->calls.at[number];
    Buffer *to = in_arena(call, use, true);
    if (!to || to->view || to->first_call != number || to->data) return;
    for (int k = 0; k < call->kernel->uses.len; k++) {
        Buffer *from = in_arena(call, k, false), *root = from ? view_root(from) : NULL;
        if (root && (root->home != call->loop || to->home != call->loop)) continue; // it is read in the next step
        if (!from || root->last_call != number || root->first_call >= number || root->data || !from->value ||
            !to->value || !buffers_alike(from, to))
            continue;
        if (!touched_once(call, k) || !call_in_place(known, call, k, use)) continue;
        put_in_place(program, from, to);
        return;
    }
}

// A buffer lives at least as long as the views in it.
static void join_lives(Program *program) {
    for (int k = 0; k < program->buffers.len; k++) {
        Buffer *buffer = program->buffers.at[k], *root = view_root(buffer);
        if (root == buffer || buffer->first_call < 0) continue;
        if (root->first_call < 0 || buffer->first_call < root->first_call) root->first_call = buffer->first_call;
        if (buffer->last_call > root->last_call) root->last_call = buffer->last_call;
    }
}

void views_in_place(Program *program) {
    Arena scratch = {0};
    UsePairs known = {.arena = &scratch, .kernels = {.arena = &scratch}};
    join_lives(program);
    if (program->level) slots_in_place(program, &known);
    for (int call = program->nprepare; call < program->calls.len && program->level; call++)
        for (int k = 0; k < program->calls.at[call].kernel->uses.len; k++) try_result(program, &known, call, k);
    views_lay_out(program);
    arena_release(&scratch);
}
