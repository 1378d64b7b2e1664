// check_views.c: the part of the plan's proof that is about buffers which share memory on purpose. It shares no
// decision with views.c and inplace.c, only the walk over accesses (visit.c) and questions about one buffer (build.c):
// it tries with many indices, through the operators' own rules, that a view shows the elements it should, and walks
// over the calls in order to show that nothing is read after it was overwritten.
//     flatten in pool: flatten[n, 48*i + j] is pool[n, i, j]      every axis' first, second and last index, and others
//     a, b in c: c is read when both were written, each its part  side by side, as many elements as c has
//     out in x: call 3 reads x[n, j] and writes out[n, j]         each read has a later store at the same index in its
//                                                                loop, and no earlier one
#include "loops/check.h"

enum { SAMPLES = 512 };

static int64_t address(const Buffer *buffer, const int64_t *at) {
    int64_t sum = buffer->start;
    for (int d = 0; d < buffer->rank; d++) sum += (at[d] + buffer->before[d]) * buffer->stride[d];
    return sum;
}

static const char *wrong_view(const Program *program, const Buffer *view, const char *what) {
    return arena_printf(program->arena, "view %s in %s %s", view->name, view->view->of->name, what);
}

// ---- what a view shows ----------------------------------------------------------------------------------------------

static void index_of_sample(const Buffer *buffer, int sample, uint32_t *state, int64_t *at) {
    for (int d = 0; d < buffer->rank; d++) {
        int extent = buffer->dim[d].extent, corner = sample >> (2 * d) & 3;
        *state = *state * 1664525u + 1013904223u;
        at[d] = sample < SAMPLES / 2 ? (corner == 3       ? extent - 1
                                        : corner < extent ? corner
                                                          : 0)
                                     : (int64_t)((*state >> 8) % (uint32_t)extent);
    }
}

// Where the element of `node` at `at` lies, from the value of `base` on: by the operators' rules.
static bool find_source(Arena *arena, const Node *node, const Node *base, int64_t *at) {
    LowerContext ctx = {.arena = arena, .lanes = 1};
    for (; node != base; node = node->in[0]) {
        Index *out[MAX_RANK], *in[MAX_RANK];
        if (node->op->traits & OP_IDENTITY) continue;
        if (!node->op->move || node->nin != 1) return false;
        for (int d = 0; d < node->type.rank; d++) out[d] = index_const(arena, at[d]);
        node->op->move(&ctx, node, out, in);
        for (int d = 0; d < node->in[0]->type.rank; d++)
            if (!index_is_const(in[d], &at[d])) return false;
    }
    return true;
}

static const char *check_movement(const Program *program, const Buffer *view) {
    const Buffer *of = view->view->of;
    const char *wrong = NULL;
    uint32_t state = 1;
    if (!view->value || !of->value) return wrong_view(program, view, "shows no value");
    for (int k = 0; k < SAMPLES && !wrong; k++) {
        Arena scratch = {0};
        int64_t at[MAX_RANK] = {0};
        index_of_sample(view, k, &state, at);
        int64_t here = address(view, at);
        if (!find_source(&scratch, view->value, of->value, at))
            wrong = wrong_view(program, view, "does not follow from it by movement");
        else if (address(of, at) != here)
            wrong = wrong_view(program, view, "shows other elements than its value has");
        arena_release(&scratch);
    }
    return wrong;
}

// Where `part` begins along the concat's axis; -1: it is not in there, or begins elsewhere in each call.
static int64_t find_part(const Node *concat, const Node *part, int axis) {
    int64_t start = 0;
    for (int i = 0; i < concat->nin; i++) {
        const Node *in = concat->in[i];
        bool joins = in != part && node_is(in, concat) && node_attr(in, "axis")->i == axis;
        int64_t inside = in == part ? 0 : joins ? find_part(in, part, axis) : -1;
        if (inside >= 0) return start + inside;
        if (in->type.dim[axis].size) return -1;
        start += in->type.dim[axis].extent;
    }
    return -1;
}

static const char *check_part(const Program *program, const Buffer *part) {
    const Buffer *of = part->view->of;
    if (!of->value || !part->value || !node_is(of->value, concat)) return wrong_view(program, part, "is no part of it");
    int axis = (int)node_attr(of->value, "axis")->i;
    int64_t at[MAX_RANK] = {0}, zero[MAX_RANK] = {0};
    at[axis] = find_part(of->value, part->value, axis);
    if (at[axis] < 0) return wrong_view(program, part, "is no part of it");
    bool same = address(part, zero) == address(of, at);
    for (int d = 0; d < part->rank; d++) same &= part->dim[d].extent == 1 || part->stride[d] == of->stride[d];
    return same ? NULL : wrong_view(program, part, "does not lie where the concat has it");
}

// A view that is written is its own value, so only a part has a place to check; any other view must show its value.
const char *check_view(const Program *program, const Buffer *view, bool written) {
    const Buffer *root = view_root(view);
    int bytes = dtype_info[view->dtype].bytes;
    for (int d = 0; d < view->rank; d++)
        if (view->stride[d] < 0) return wrong_view(program, view, "runs backwards");
    bool slot = check_is_slot(program, view), shows = view->value && node_is_loop(view->value);
    if (root->dtype != view->dtype || root->scope != view->scope || (root->scope != SCOPE_ARENA && !slot))
        return wrong_view(program, view, "has another dtype or scope");
    if (view->start < 0 || (view->start + buffer_reach(view)) * bytes > root->bytes)
        return wrong_view(program, view, "leaves it");
    if (root->scope == SCOPE_ARENA && view->offset != root->offset + view->start * bytes)
        return wrong_view(program, view, "lies elsewhere");
    if (view->view->part) return check_part(program, view);
    if (slot && shows) return NULL; // check_slots.c
    return written ? NULL : check_movement(program, view);
}

// ---- which elements -------------------------------------------------------------------------------------------------

// The region of the root's elements, halos and all, that a buffer with the root's strides takes.
static bool find_box(const Buffer *buffer, int64_t *lo, int64_t *hi) {
    const Buffer *root = view_root(buffer);
    int64_t left = buffer->start;
    if (buffer->rank != root->rank) return false;
    for (int d = 0; d < root->rank; d++) {
        int64_t extent = buffer->before[d] + buffer->dim[d].extent + buffer->after[d];
        int64_t room = root->before[d] + root->dim[d].extent + root->after[d];
        if (extent > 1 && buffer->stride[d] != root->stride[d]) return false;
        lo[d] = left / root->stride[d];
        hi[d] = lo[d] + extent;
        left %= root->stride[d];
        if (hi[d] > room) return false;
    }
    return left == 0;
}

// May two buffers have an element in common?
static bool may_overlap(const Buffer *a, const Buffer *b) {
    int64_t lo_a[MAX_RANK] = {0}, hi_a[MAX_RANK] = {0}, lo_b[MAX_RANK] = {0}, hi_b[MAX_RANK] = {0};
    if (view_root(a) != view_root(b)) return false;
    if (!find_box(a, lo_a, hi_a) || !find_box(b, lo_b, hi_b))
        return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
    for (int d = 0; d < view_root(a)->rank; d++)
        if (hi_a[d] <= lo_b[d] || hi_b[d] <= lo_a[d]) return false;
    return true;
}

// ---- one kernel that reads and writes the same memory ---------------------------------------------------------------

typedef struct Walk {
    const Kernel *kernel;
    const Buffer *from, *to;
    const Access *read; // whose store is looked for
    bool passed;        // the statement that reads it
    bool stored;        // since
    bool proven;
} Walk;

static bool at_same_place(const Buffer *buffer, const Index *const *a, const Index *const *b) {
    for (int d = 0; d < buffer->rank; d++)
        if (!index_equal(a[d], b[d])) return false;
    return true;
}

// Looks through the statements of the read's loop, in order: no store at its index may come before it, and one must
// stand in the same statement or a later one.
static void find_store(Walk *w, const Stmt *stmt) {
    w->passed |= stmt == w->read->stmt;
    bool stores = stmt->kind == STMT_STORE && stmt->buffer == w->to && at_same_place(w->from, w->read->at, stmt->at);
    if (stores && !w->passed) w->proven = false;
    if (stores && w->passed && stmt->value->lanes == w->read->lanes) w->stored = true;
    for (int k = 0; k < stmt->body.len; k++)
        if (stmt->body.at[k]->kind != STMT_FOR) find_store(w, stmt->body.at[k]);
}

static void prove_access(void *context, const Access *access) {
    Walk *w = context;
    StmtKind kind = access->stmt->kind;
    if (access->buffer == w->to && (w->to != w->from || access->write || kind == STMT_PREFETCH))
        w->proven &= access->write && kind == STMT_STORE;
    if (access->buffer != w->from || access->write || kind == STMT_PREFETCH) return;
    // An index that is loaded may come again, when the element has been overwritten.
    for (int d = 0; access->at && d < w->from->rank; d++) w->proven &= !index_is_loaded(access->at[d]);
    w->read = access;
    w->passed = w->stored = false;
    find_store(w, access->loop ? access->loop : w->kernel->body);
    w->proven &= w->stored && kind != STMT_TRANSPOSE;
}

static bool prove_in_place(const Kernel *kernel, const Buffer *from, const Buffer *to) {
    Walk w = {.kernel = kernel, .from = from, .to = to, .proven = true};
    stmt_visit(kernel->body, prove_access, &w);
    return w.proven;
}

static int use_of(const Call *call, const Buffer *buffer) {
    int k = 0;
    while (k < call->kernel->uses.len && call->buffer[k] != buffer) k++;
    return k < call->kernel->uses.len ? k : -1;
}

// The layout is a question about the call; the order of reads and writes is one about the kernel, and proved once.
bool check_in_place(UsePairs *known, const Call *call, const Buffer *from, const Buffer *to) {
    enum { NO = 1, YES };
    int a = use_of(call, from), b = use_of(call, to);
    if (from->start != to->start || !buffers_alike(from, to) || a < 0 || b < 0) return false;
    int *answer = use_pair(known, call->kernel, a, b);
    if (!*answer)
        *answer =
            prove_in_place(call->kernel, call->kernel->uses.at[a].buffer, call->kernel->uses.at[b].buffer) ? YES : NO;
    return *answer == YES;
}

// ---- reads ----------------------------------------------------------------------------------------------------------

static const char *wrong_read(const Memory *m, int call, int number, const char *what, const Buffer *other) {
    return arena_printf(m->program->arena, "call %d reads %s, %s%s", call, m->program->buffers.at[number]->name, what,
                        other ? other->name : "");
}

// Checks that nothing has overwritten buffer k since it was written. `number`: the buffer that is read.
static const char *check_kept(Memory *m, int number, int call, int k) {
    const Program *program = m->program;
    bool forever = true, slot = check_is_slot(program, program->buffers.at[k]);
    for (int at = m->last_in[m->root[k]]; at > m->kept[k]; at = m->writes.at[at].before) {
        int w = m->writes.at[at].buffer;
        const Buffer *other = program->buffers.at[w];
        if (w == k || m->writes.at[at].call < m->first_write[k]) continue;
        // Values write their own slots: check_slots.c. Anything else may lie over the slot of some step.
        if (slot ? check_is_own_slot(other) : !may_overlap(other, program->buffers.at[k])) continue;
        bool now = m->first_write[w] == call && m->first_write[k] < call;
        if (!now || !check_in_place(&m->in_place, &program->calls.at[call], program->buffers.at[number], other))
            return wrong_read(m, call, number, "over which is written by then: ", other);
        forever = false; // later calls read what stands there then
    }
    if (forever) m->kept[k] = m->last_in[m->root[k]];
    return NULL;
}

// Checks that all bytes of buffer k were written, and that none was overwritten since.
static const char *check_source(Memory *m, int number, int call, int k) {
    const Buffer *buffer = m->program->buffers.at[k];
    const char *wrong = NULL;
    int64_t covered = 0;
    if (m->first_write[k] >= 0) return check_kept(m, number, call, k);
    if (buffer->value && check_is_slot(m->program, buffer) && buffer->value->op->traits & OP_INPUT) {
        wrong = check_slot_source(m, call, &k);
        const Buffer *of = k < 0 ? NULL : m->program->buffers.at[k];
        bool outer = of && of->scope != SCOPE_ARENA; // an argument or a storage
        return wrong || outer ? wrong : check_source(m, number, call, k);
    }
    for (int p = m->first_part[k]; p >= 0 && !wrong; p = m->next_part[p]) {
        covered += buffer_count(m->program->buffers.at[p]);
        wrong = check_source(m, number, call, p);
    }
    if (wrong) return wrong;
    if (covered && covered == buffer_count(buffer)) return NULL;
    if (covered) return wrong_read(m, call, number, "not all of whose parts are made: ", buffer);
    if (!buffer->view || buffer->view->part) return wrong_read(m, call, number, "before anything wrote ", buffer);
    int of = buffer_number(m, buffer->view->of);
    if (of < 0) return wrong_read(m, call, number, "of which the program does not list ", buffer->view->of);
    return check_source(m, number, call, of);
}

const char *check_read(Memory *memory, int number, int call) { return check_source(memory, number, call, number); }
