// prepared.c: what models compute once after load: where it lives, and that equal values of two models are one.
//
//     forward:  prepare 0: fc1_weight_panels = fc1.weight        param + 37748736: fc1_weight_panels
//     features: prepare 0: fc1_weight_panels = fc1.weight        the same: the call is left out
//
// A block behind the parameters begins with a flag that says whether it is fresh (dlc_refresh in the runtime); then
// come the buffers. Two calls are equal when they call one function on equal inputs.
#include "emit/parts.h"

static const Buffer *kept(const Buffer *buffer) { return buffer->same ? buffer->same : buffer; }

static bool same_input(const Buffer *a, const Buffer *b) {
    if (a->scope == SCOPE_STORAGE) return b->scope == SCOPE_STORAGE && a->storage == b->storage;
    return kept(a) == kept(b);
}

// What is written must be kept in both, or be scratch of the call alone.
static bool same_output(const Buffer *a, const Buffer *b) {
    if (a->scope == SCOPE_PREPARED) return b->scope == SCOPE_PREPARED;
    return a->first_call == a->last_call && b->first_call == b->last_call;
}

static bool same_call(const CallText *a, const CallText *b) {
    bool same = a->text && a->text == b->text;
    for (int i = 0; same && i < a->formals.buffers.len; i++) {
        const Formal *x = &a->formals.buffers.at[i], *y = &b->formals.buffers.at[i];
        same = x->written ? same_output(x->buffer, y->buffer) : same_input(x->buffer, y->buffer);
    }
    return same;
}

static void share_call(Call *call, const CallText *text, const CallText *with) {
    call->shared = true;
    for (int i = 0; i < text->formals.buffers.len; i++) {
        Buffer *buffer = text->formals.buffers.at[i].buffer;
        Buffer *other = with->formals.buffers.at[i].buffer;
        if (buffer->scope == SCOPE_PREPARED && text->formals.buffers.at[i].written)
            buffer->same = other->same ? other->same : other;
    }
}

static void share_with_earlier(const EmitInput *in, const KernelTable *table, int program, int c) {
    const CallText *call = &table->calls[program][c];
    for (int p = 0; p <= program; p++)
        for (int k = 0; k < (p < program ? in->programs[p]->nprepare : c); k++)
            if (!in->programs[p]->calls.at[k].shared && same_call(&table->calls[p][k], call)) {
                share_call(&in->programs[program]->calls.at[c], call, &table->calls[p][k]);
                return;
            }
}

int64_t prepared_place(const EmitInput *in, const KernelTable *table, int64_t align) {
    int64_t bytes = 0;
    for (int p = 0; p < in->nprograms; p++) {
        for (int c = 0; c < in->programs[p]->nprepare; c++) share_with_earlier(in, table, p, c);
        for (int k = 0; k < in->programs[p]->buffers.len; k++) {
            Buffer *buffer = in->programs[p]->buffers.at[k];
            if (buffer->scope != SCOPE_PREPARED) continue;
            if (!bytes) bytes = align; // the flag
            buffer->offset = buffer->same ? buffer->same->offset : bytes;
            if (!buffer->same) bytes += (buffer->bytes + align - 1) / align * align;
        }
    }
    return bytes;
}

// ---- when it is stale -----------------------------------------------------------------------------------------------

typedef struct Reads {
    const Graph *g; // whose outputs are looked for
    bool any;
} Reads;

static void see_storage(void *context, Buffer *buffer, bool write) {
    Reads *reads = context;
    if (buffer->scope != SCOPE_STORAGE || write) return;
    for (int k = 0; k < reads->g->outputs.len; k++) reads->any |= reads->g->outputs.at[k].storage == buffer->storage;
}

bool prepared_made_stale(const EmitInput *in, const Graph *g) {
    Reads reads = {.g = g};
    for (int p = 0; p < in->nprograms; p++)
        for (int c = 0; c < in->programs[p]->nprepare; c++)
            stmt_visit_buffers(in->programs[p]->calls.at[c].kernel->body, see_storage, &reads);
    return reads.any;
}
