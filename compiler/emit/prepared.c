// prepared.c: the values that models compute once after load: where they live, and how models share equal ones.
//
//     forward:  prepare 0: fc1_weight_panels = fc1.weight        param + 37748736: fc1_weight_panels
//     features: prepare 0: fc1_weight_panels = fc1.weight        the same: the call is left out
//
// A block after the parameters begins with a flag that says whether it is fresh (dlc_prepare in the runtime); then
// come the buffers. Two calls are equal when they call one function on equal inputs.
#include <string.h>

#include "emit/parts.h"

static const Buffer *kept(const Buffer *buffer) { return buffer->same ? buffer->same : buffer; }

static bool same_input(const Buffer *a, const Buffer *b) {
    if (a->scope == SCOPE_STORAGE) return b->scope == SCOPE_STORAGE && a->storage == b->storage;
    return kept(a) == kept(b);
}

// Whether both results are kept beside the parameters, or both lie in the arena.
static bool same_output(const Buffer *a, const Buffer *b) { return a->scope == b->scope; }

static bool same_call(const CallText *a, const CallText *b) {
    bool same = a->text && a->text == b->text;
    for (int k = 0; same && k < a->text->arguments.len; k++) same = !strcmp(a->numbers[k], b->numbers[k]);
    for (int i = 0; same && i < a->formals.buffers.len; i++) {
        const Formal *x = &a->formals.buffers.at[i], *y = &b->formals.buffers.at[i];
        same = x->written ? same_output(x->buffer, y->buffer) : same_input(x->buffer, y->buffer);
    }
    return same;
}

// Finds an earlier call that computes the same; its results then stand for those of this call.
static bool equals_earlier(const EmitInput *in, const KernelTable *table, int program, int c) {
    const CallText *call = &table->calls[program][c];
    for (int p = 0; p <= program; p++)
        for (int k = 0; k < (p < program ? in->programs[p]->nprepare : c); k++) {
            const CallText *other = &table->calls[p][k];
            if (!same_call(other, call)) continue;
            for (int i = 0; i < call->formals.buffers.len; i++)
                if (call->formals.buffers.at[i].written)
                    call->formals.buffers.at[i].buffer->same = (Buffer *)kept(other->formals.buffers.at[i].buffer);
            return true;
        }
    return false;
}

static bool reads(const CallText *call, const Buffer *buffer) {
    for (int i = 0; i < call->formals.buffers.len; i++)
        if (call->formals.buffers.at[i].buffer == buffer && call->formals.buffers.at[i].read) return true;
    return false;
}

// Leaves out calls that equal earlier ones. But the arena does not keep the results of the earlier calls, so a call
// stays when its result lies in the arena and another call that stays reads it.
static void share_calls(const EmitInput *in, const KernelTable *table, int program) {
    Program *of = in->programs[program];
    const CallText *calls = table->calls[program];
    for (int c = 0; c < of->nprepare; c++) of->calls.at[c].shared = equals_earlier(in, table, program, c);
    for (int c = of->nprepare - 1; c >= 0; c--)
        for (int i = 0; of->calls.at[c].shared && i < calls[c].formals.buffers.len; i++) {
            const Formal *formal = &calls[c].formals.buffers.at[i];
            if (!formal->written || formal->buffer->scope != SCOPE_ARENA) continue;
            for (int k = c + 1; k < of->nprepare; k++)
                if (!of->calls.at[k].shared && reads(&calls[k], formal->buffer)) of->calls.at[c].shared = false;
        }
}

int64_t prepared_place(const EmitInput *in, const KernelTable *table) {
    int64_t bytes = 0;
    for (int p = 0; p < in->nprograms; p++) {
        share_calls(in, table, p);
        for (int k = 0; k < in->programs[p]->buffers.len; k++) {
            Buffer *buffer = in->programs[p]->buffers.at[k];
            if (buffer->scope != SCOPE_PREPARED || buffer->data) continue;
            if (!bytes) bytes = LAYOUT_ALIGN; // the flag
            buffer->offset = buffer->same ? buffer->same->offset : bytes;
            if (!buffer->same) bytes += round_up(buffer->bytes, LAYOUT_ALIGN);
        }
    }
    for (int p = 0; p < in->nprograms; p++) in->programs[p]->prepared_bytes = bytes;
    return bytes;
}

// ---- when it is stale -----------------------------------------------------------------------------------------------

static bool call_reads(const Call *call, const bool *written) {
    for (int k = 0; k < call->kernel->uses.len; k++) {
        const Storage *storage = call->buffer[k]->storage;
        if (storage && call->kernel->uses.at[k].read && written[storage->index]) return true;
    }
    return false;
}

bool prepared_made_stale(const EmitInput *in, const Graph *g) {
    Arena scratch = {0};
    bool *written = NEW_ARRAY(&scratch, bool, in->module->storages.len + 1), stale = false;
    for (int k = 0; k < g->outputs.len; k++)
        if (g->outputs.at[k].storage) written[g->outputs.at[k].storage->index] = true;
    for (int p = 0; p < in->nprograms; p++)
        for (int c = 0; c < in->programs[p]->nprepare && !stale; c++)
            stale = call_reads(&in->programs[p]->calls.at[c], written);
    arena_release(&scratch);
    return stale;
}
