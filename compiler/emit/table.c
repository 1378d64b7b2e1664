// table.c: which functions the C file has, and which one each call calls.
//     call 3: linear_relu on h, x, w1      k_linear_relu(h, x, w1)
//     call 5: linear_relu on g, h, w2      k_linear_relu(g, h, w2)
// Calls share a function when its text is the same, with numbers for formals and without comments. `restrict` is part
// of that text, and only formals that share no byte with another one of the call have it. So a kernel may become
// several functions.
#include <string.h>

#include "emit/parts.h"

// One kernel's text and facts; it is printed once.
typedef struct Known {
    Formals formals; // own buffers only
    Comments comments;
    int body; // its place in Builder.bodies
} Known;

typedef struct Builder {
    KernelTable *table;
    Arena *arena;
    const EmitOptions *options;
    Names names;
    Names bodies; // the texts of all bodies
    Names keys;   // by function: its signature and the number of its body
    Tags kernels; // by kernel: its place in `known`, from 1
    VEC(Known *) known;
} Builder;

const char *buffer_wanted_name(const Buffer *buffer) { return buffer->name ? buffer->name : "buffer"; }

// ---- names of formals -----------------------------------------------------------------------------------------------

static bool same_names(const Formals *a, const Formals *b) {
    for (int i = 0; i < a->buffers.len; i++)
        if (strcmp(buffer_wanted_name(a->buffers.at[i].buffer), buffer_wanted_name(b->buffers.at[i].buffer)))
            return false;
    return true;
}

// Whether two buffers have one name, so that only numbers would tell them apart.
static bool names_repeat(const Formals *formals) {
    for (int i = 0; i < formals->buffers.len; i++)
        for (int j = 0; j < i; j++)
            if (!strcmp(buffer_wanted_name(formals->buffers.at[i].buffer),
                        buffer_wanted_name(formals->buffers.at[j].buffer)))
                return true;
    return false;
}

// "mynet_k_linear": the prefix keeps models apart that are included into one C file.
static const char *wanted_name(const Builder *b, const Kernel *kernel) {
    return arena_printf(b->arena, "%s_k_%s", b->options->prefix, kernel->name ? kernel->name : "kernel");
}

// ---- functions by their text ----------------------------------------------------------------------------------------

static KernelText *find_or_add(Builder *b, const Known *known, const Kernel *kernel, const Formals *formals) {
    const char *key = arena_printf(b->arena, "%s%d", kernel_signature(b->arena, formals), known->body);
    int place = names_find(&b->keys, key);
    if (place >= 0) return b->table->functions.at[place];
    KernelText *text = NEW(b->arena, KernelText);
    *text = (KernelText){.body = b->bodies.at.at[known->body].text,
                         .name = names_take(&b->names, wanted_name(b, kernel)),
                         .kernel = kernel,
                         .formals = *formals,
                         .comments = known->comments,
                         .neutral = names_repeat(formals)};
    names_add(&b->keys, key);
    vec_push(b->arena, &b->table->functions, text);
    return text;
}

// ---- calls ----------------------------------------------------------------------------------------------------------

// Whether two buffers of one call share bytes.
static bool buffers_share(const Buffer *a, const Buffer *b) {
    if (a->scope != b->scope) return false;
    if (a->scope == SCOPE_STORAGE) return a->storage == b->storage;
    if (a->scope != SCOPE_ARENA) return false; // the caller's arguments do not overlap
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static Buffer *given_for(const Call *call, const Buffer *own) {
    for (int k = 0; k < call->kernel->uses.len; k++)
        if (call->kernel->uses.at[k].buffer == own) return call->buffer[k];
    dlc_bug("emit", "buffer %s is not among the uses of kernel %s", own->name, call->kernel->name);
}

static Formals formals_of(const Builder *b, const Known *known, const Call *call) {
    Formals formals = known->formals;
    int n = formals.buffers.len;
    formals.buffers.at = NEW_ARRAY(b->arena, Formal, n + 1);
    for (int i = 0; i < n; i++) {
        formals.buffers.at[i] = known->formals.buffers.at[i];
        formals.buffers.at[i].buffer = given_for(call, known->formals.buffers.at[i].own);
    }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++)
            if (i != j && buffers_share(formals.buffers.at[i].buffer, formals.buffers.at[j].buffer))
                formals.buffers.at[i].shares = true;
    return formals;
}

static const Known *know(Builder *b, const Kernel *kernel) {
    int *place = tag_of(&b->kernels, kernel);
    if (*place) return b->known.at[*place - 1];
    Arena scratch = {0};
    Known *known = NEW(b->arena, Known);
    vec_push(b->arena, &b->known, known);
    *place = b->known.len;
    const char *body = kernel_body(&scratch, b->arena, kernel, b->options, &known->formals, &known->comments);
    known->body = names_find(&b->bodies, body);
    if (known->body < 0) {
        known->body = b->bodies.at.len;
        names_add(&b->bodies, arena_strdup(b->arena, body));
    }
    arena_release(&scratch);
    return known;
}

static void add_call(Builder *b, const Call *call, CallText *made) {
    const Known *known = know(b, call->kernel);
    made->formals = formals_of(b, known, call);
    if (!made->formals.buffers.len) return;
    made->text = find_or_add(b, known, call->kernel, &made->formals);
    made->text->neutral |= !same_names(&made->text->formals, &made->formals);
    made->text->calls++;
}

void kernel_table_build(KernelTable *table, Arena *arena, const EmitInput *in, const EmitOptions *options) {
    Builder b = {.table = table,
                 .arena = arena,
                 .options = options,
                 .names = {.arena = arena},
                 .bodies = {.arena = arena},
                 .keys = {.arena = arena},
                 .kernels = {.arena = arena}};
    *table = (KernelTable){.calls = NEW_ARRAY(arena, CallText *, in->nprograms + 1)};
    for (int i = 0; i < in->nprograms; i++) // the names of the API
        names_take(&b.names, arena_printf(arena, "%s_%s", options->prefix, in->programs[i]->graph->name));
    for (int i = 0; i < in->nprograms; i++) {
        const Program *program = in->programs[i];
        table->calls[i] = NEW_ARRAY(arena, CallText, program->calls.len + 1);
        for (int c = 0; c < program->calls.len; c++) add_call(&b, &program->calls.at[c], &table->calls[i][c]);
    }
}
