// table.c: which functions the C file has, and which one each call calls.
//     call 3: linear_relu on h, x, w1      k_linear_relu(h, x, w1)
//     call 5: linear_relu on g, h, w2      k_linear_relu(g, h, w2)
// Calls share a function when its text is the same, with placeholders for formals and without comments. `restrict` is
// part of that text, and only formals that share no byte with another one of the call have it. So a kernel may become
// several functions. Kernels that differ only in numbers become one function (numbers.c) where that costs no time:
// those that run once, when a net is made; and of the others those that wait for memory, when there are many.
#include <limits.h>
#include <string.h>

#include "emit/parts.h"

enum { MANY = 4 }; // kernels of one form that run at each step, before their reader looks at one with arguments

// One kernel's text and facts; it is printed once.
typedef struct Known {
    Formals formals; // own buffers only
    Comments comments;
    int body, form; // places in Builder.bodies and Builder.forms
    Form numbers;   // its numbers alone
    const char *recipe;
} Known;

// Calls of functions that differ at most in numbers.
typedef struct Alike {
    int place; // in Builder.alike
    const char *form;
    VEC(const Known *) known; // one of each body
    bool often;               // some calls run at each step
    bool one;                 // is one function, with numbers as arguments
    Merged merged;
} Alike;

typedef struct Builder {
    KernelTable *table;
    Arena *arena;
    const EmitOptions *options;
    Names names;
    Names bodies, forms; // the texts of all bodies, and of their forms
    Names groups;        // by place in `alike`: the signature and the number of the form
    Names keys;   // by function: its place in `alike`, and if it is not the only one there, the number of its body
    Tags kernels; // by kernel: its place in `known`, from 1
    VEC(Known *) known;
    VEC(Alike *) alike;
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

static int place_of(Names *texts, const char *text) {
    int place = names_find(texts, text);
    if (place >= 0) return place;
    names_add(texts, arena_strdup(texts->arena, text));
    return texts->at.len - 1;
}

// Whether a number may become an argument without a cast: an int that becomes a byte or a size needs one.
static bool takes_numbers(const Formals *formals, const char *body) {
    for (int i = 0; i < formals->buffers.len; i++)
        if (dtype_info[formals->buffers.at[i].buffer->dtype].bytes == 1) return false;
    return !strstr(body, "uint8_t") && !strstr(body, "(size_t)");
}

static const Known *know(Builder *b, const Kernel *kernel) {
    int *place = tag_of(&b->kernels, kernel);
    if (*place) return b->known.at[*place - 1];
    Arena scratch = {0};
    Known *known = NEW(b->arena, Known);
    vec_push(b->arena, &b->known, known);
    *place = b->known.len;
    const char *body = kernel_body(&scratch, b->arena, kernel, b->options, &known->formals, &known->comments);
    known->body = place_of(&b->bodies, body);
    if (takes_numbers(&known->formals, body)) {
        known->numbers = form_of(&scratch, b->arena, body);
        known->form = place_of(&b->forms, known->numbers.text);
    } else {
        known->form = place_of(&b->forms, body);
    }
    known->recipe = kernel->recipe;
    arena_release(&scratch);
    return known;
}

// ---- functions ------------------------------------------------------------------------------------------------------

// The calls that may have one function with this one.
static Alike *alike_of(Builder *b, const Known *known, const Formals *formals) {
    const char *key = arena_printf(b->arena, "%s%d", kernel_signature(b->arena, formals), known->form);
    int place = names_find(&b->groups, key);
    if (place >= 0) return b->alike.at[place];
    Alike *alike = NEW(b->arena, Alike);
    *alike = (Alike){.place = b->alike.len, .form = b->forms.at.at[known->form].text};
    names_add(&b->groups, key);
    vec_push(b->arena, &b->alike, alike);
    return alike;
}

static void alike_add(Builder *b, Alike *alike, const Known *known, bool often) {
    alike->often |= often;
    for (int i = 0; i < alike->known.len; i++)
        if (alike->known.at[i]->body == known->body) return;
    vec_push(b->arena, &alike->known, known);
}

static void alike_decide(const Builder *b, Alike *alike) {
    int n = alike->known.len, few = !alike->often ? 2 : b->options->level ? MANY : INT_MAX;
    if (n < few) return;
    const Form **forms = NEW_ARRAY(b->arena, const Form *, n);
    for (int i = 0; i < n; i++) forms[i] = &alike->known.at[i]->numbers;
    bool contraction = !strncmp(alike->known.at[0]->recipe, "contraction", 11);
    alike->one =
        merged_make(&alike->merged, b->arena, alike->form, forms, n, alike->often, !contraction || !alike->often);
}

static KernelText *find_or_add(Builder *b, const Alike *alike, const Known *known, const Kernel *kernel,
                               const Formals *formals) {
    const char *key = arena_printf(b->arena, alike->one ? "%d" : "%d %d", alike->place, known->body);
    int place = names_find(&b->keys, key);
    if (place >= 0) return b->table->functions.at[place];
    KernelText *text = NEW(b->arena, KernelText);
    *text = (KernelText){.body = b->bodies.at.at[known->body].text,
                         .name = names_take(&b->names, wanted_name(b, kernel)),
                         .kernel = kernel,
                         .formals = *formals,
                         .comments = known->comments,
                         .neutral = names_repeat(formals)};
    if (alike->one) {
        text->body = merged_body(&alike->merged, b->arena, alike->form, &known->numbers, &text->comments);
        for (int k = 0; k < alike->merged.arguments.len; k++)
            vec_push(b->arena, &text->arguments, alike->merged.arguments.at[k]);
    }
    names_add(&b->keys, key);
    vec_push(b->arena, &b->table->functions, text);
    return text;
}

// Marks the axes of the function's formals at which this call's buffers have other extents.
static void mark_varying(Formals *formals, const Formals *call) {
    for (int i = 0; i < formals->buffers.len; i++) {
        Formal *formal = &formals->buffers.at[i];
        const Buffer *a = formal->buffer, *b = call->buffers.at[i].buffer;
        if (a->rank != b->rank) formal->varies = ~0u;
        for (int d = 0; a->rank == b->rank && d < a->rank; d++)
            if (!dim_equal(a->dim[d], b->dim[d])) formal->varies |= 1u << d;
    }
}

static void add_call(Builder *b, const Alike *alike, const Call *call, CallText *made) {
    const Known *known = know(b, call->kernel);
    made->text = find_or_add(b, alike, known, call->kernel, &made->formals);
    made->text->neutral |= !same_names(&made->text->formals, &made->formals);
    made->text->calls++;
    mark_varying(&made->text->formals, &made->formals);
    made->numbers = NEW_ARRAY(b->arena, const char *, made->text->arguments.len + 1);
    for (int k = 0; k < made->text->arguments.len; k++)
        made->numbers[k] = known->numbers.numbers.at[made->text->arguments.at[k].of];
}

void kernel_table_build(KernelTable *table, Arena *arena, const EmitInput *in, const EmitOptions *options) {
    Builder b = {.table = table,
                 .arena = arena,
                 .options = options,
                 .names = {.arena = arena},
                 .bodies = {.arena = arena},
                 .forms = {.arena = arena},
                 .groups = {.arena = arena},
                 .keys = {.arena = arena},
                 .kernels = {.arena = arena}};
    VEC(Alike *) alike = {0}; // by call, of those that do something
    *table = (KernelTable){.calls = NEW_ARRAY(arena, CallText *, in->nprograms + 1)};
    for (int i = 0; i < in->nprograms; i++) // the names of the API
        names_take(&b.names, arena_printf(arena, "%s_%s", options->prefix, in->programs[i]->graph->name));
    for (int i = 0; i < in->nprograms; i++) {
        const Program *program = in->programs[i];
        table->calls[i] = NEW_ARRAY(arena, CallText, program->calls.len + 1);
        for (int c = 0; c < program->calls.len; c++) {
            const Known *known = know(&b, program->calls.at[c].kernel);
            CallText *made = &table->calls[i][c];
            made->formals = formals_of(&b, known, &program->calls.at[c]);
            if (!made->formals.buffers.len) continue;
            vec_push(arena, &alike, alike_of(&b, known, &made->formals));
            alike_add(&b, alike.at[alike.len - 1], known, graph_is_public(program->graph));
        }
    }
    for (int k = 0; k < b.alike.len; k++) alike_decide(&b, b.alike.at[k]);
    int k = 0;
    for (int i = 0; i < in->nprograms; i++)
        for (int c = 0; c < in->programs[i]->calls.len; c++)
            if (table->calls[i][c].formals.buffers.len)
                add_call(&b, alike.at[k++], &in->programs[i]->calls.at[c], &table->calls[i][c]);
}
