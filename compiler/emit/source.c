// source.c: model.c as a whole: helpers, kernels, one function per entry, the table of parameters, the API.
//
//     int mynet_forward(struct mynet *net, int32_t N, const float *image, float *logits)
//     {
//         if (N < 1 || N > MYNET_N) return dlc_refuse(...);
//         unsigned char *param = net->base.region[DLC_REGION_PARAM];
//         float *fc1_weight = (float *)(param + 0); // f32[256, 784] fc1.weight
//         ...
//         k_linear_relu(h, image, fc1_weight, fc1_bias, N);
//         return MYNET_OK;
//     }
// Everything but the entries and the API is static; there is no mutable global.
#include <string.h>

#include "emit/parts.h"
#include "loops/lower.h"

const char *call_place(Arena *arena, const Module *module, const Call *call) {
    const Node *node = call_node(call);
    return node ? text_without_folders(arena, module, span_text(arena, node->span)) : "";
}

// ---- one entry ----------------------------------------------------------------------------------------------------

typedef struct Binding {
    const Buffer *buffer;
    const char *name;
    int loop; // it is declared in the steps of this loop; 0: at the top
} Binding;

// Which of a program's calls the function makes.
typedef enum Part { PART_CALLS, PART_PREPARE, PART_START, PART_INIT } Part;

typedef struct Entry {
    Arena *arena;
    Part part;
    int first, end; // its calls are [first, end) of the program's
    const EmitInput *in;
    const EmitOptions *options;
    const Program *program;
    const CallText *calls;
    Signature signature;
    const Layout *layout;
    const Weights *weights;
    const char *region[REGIONS]; // names of the base pointers, NULL when not used
    VEC(Binding) bindings;       // pointers into regions, in order of first use
    Tags places;                 // by buffer: its place in `bindings`, from 1
    bool *used;                  // by place in signature.parameters
    const char *step[MAX_NEST];  // by depth: the name of a loop's index
} Entry;

static int buffer_region(const Entry *e, const Buffer *buffer) {
    if (buffer->scope == SCOPE_STORAGE) return e->layout->region[buffer->storage->index];
    return buffer->scope == SCOPE_PREPARED ? REGION_PARAM : REGION_ARENA;
}

static int64_t buffer_offset(const Entry *e, const Buffer *buffer) {
    if (buffer->scope == SCOPE_STORAGE) return e->layout->offset[buffer->storage->index];
    return buffer->offset + (buffer->scope == SCOPE_PREPARED ? e->layout->prepared : 0);
}

static const Parameter *find_parameter(const Entry *e, const Buffer *buffer) {
    for (int i = 0; i < e->signature.parameters.len; i++) {
        const Parameter *parameter = &e->signature.parameters.at[i];
        int position = parameter->output ? buffer->output : buffer->argument;
        if (position != parameter->position) continue;
        if (parameter->output == (buffer->output >= 0)) return parameter;
    }
    dlc_bug("emit", "buffer %s is no argument of %s", buffer->name, e->signature.function);
}

// Whether it begins elsewhere in each step of a loop, or at a place that depends on a size.
static bool is_moved(const Buffer *buffer) {
    return buffer->view && (buffer->view->slot || is_moved(buffer->view->of));
}

static const char *bound_name(const Entry *e, const Buffer *buffer) {
    if (buffer->scope == SCOPE_ARGUMENT && !is_moved(buffer)) return find_parameter(e, buffer)->name;
    int place = tag_known(&e->places, buffer);
    if (place) return e->bindings.at[place - 1].name;
    dlc_bug("emit", "buffer %s of %s is not bound", buffer->name, e->signature.function);
}

static void bind(Entry *e, const Buffer *buffer) {
    bool moved = is_moved(buffer);
    if (moved) bind(e, buffer->view->of);
    if (buffer->scope == SCOPE_ARGUMENT && !moved) {
        e->used[find_parameter(e, buffer) - e->signature.parameters.at] = true;
        return;
    }
    int *place = tag_of(&e->places, buffer);
    if (*place) return;
    static const char *const names[REGIONS] = {"param", "optim", "state", "arena"};
    int region = buffer_region(e, buffer);
    if (!buffer->data && !moved && !e->region[region])
        e->region[region] = names_take(&e->signature.names, names[region]);
    const char *name = names_take(&e->signature.names, buffer->name ? buffer->name : "buffer");
    vec_push(e->arena, &e->bindings, (Binding){buffer, name, moved ? buffer->value->loop : 0});
    *place = e->bindings.len;
}

static void bind_all(Entry *e) {
    e->used = NEW_ARRAY(e->arena, bool, e->signature.parameters.len + 1);
    for (int c = e->first; c < e->end; c++) {
        const CallText *call = &e->calls[c];
        if (e->program->calls.at[c].shared) continue;
        for (int i = 0; i < call->formals.buffers.len; i++) bind(e, call->formals.buffers.at[i].buffer);
        const Buffer *skip = e->program->calls.at[c].skip_if_null;
        if (skip && call->text) bind(e, skip);
    }
}

static void put_size_checks(Str *s, const Entry *e) {
    const char *upper = names_upper(e->arena, e->options->prefix);
    for (int k = 0; k < e->in->module->nsizes; k++) {
        if (!e->signature.size[k]) continue;
        const char *name = e->signature.size_name[k];
        const char *bound = size_macro(e->arena, e->in->module, k, e->options);
        int least = graph_least(e->program->graph, k);
        str_printf(s,
                   "    if (%s < %d || %s > %s)\n"
                   "        return dlc_refuse(&net->base, %s_ERANGE, \"%s\", \" is \", %s, \"; it is %d to \", %s);\n",
                   name, least, name, bound, upper, name, name, least, bound);
    }
}

// An index as C: sums of steps, sizes, and remainders of these.
static const char *slot_index_text(const Entry *e, const Index *index) {
    Str s = str_new(e->arena);
    for (int k = 0; k < index->nterms; k++) {
        const Atom *atom = &index->term[k].atom;
        int64_t coef = index->term[k].coef;
        if (k || coef < 0) str_put(&s, coef < 0 ? (k ? " - " : "-") : " + ");
        if (coef != 1 && coef != -1) str_printf(&s, "%lld * ", (long long)(coef < 0 ? -coef : coef));
        if (atom->kind == ATOM_STEP)
            str_put(&s, e->step[atom->size]);
        else if (atom->kind == ATOM_SIZE)
            str_put(&s, e->signature.size_name[atom->size]);
        else if (atom->kind == ATOM_MOD && !atom->other)
            str_printf(&s, "(%s) %% %lld", slot_index_text(e, atom->of), (long long)atom->by);
        else
            dlc_bug("emit", "a slot of %s has a place of kind %d", e->signature.function, (int)atom->kind);
    }
    if (index->c || !index->nterms)
        str_printf(&s, index->nterms ? " %s %lld" : "%s%lld",
                   index->c < 0    ? "-"
                   : index->nterms ? "+"
                                   : "",
                   (long long)(index->c < 0 ? -index->c : index->c));
    return arena_strdup(e->arena, str_text(&s));
}

// The elements of a slot: those of an axis-0 element of `of`, which in the caller's arrays is dense.
static const char *slot_size_text(const Entry *e, const Buffer *of) {
    if (of->scope != SCOPE_ARGUMENT) return arena_printf(e->arena, "%lld", (long long)of->stride[0]);
    Str s = str_new(e->arena);
    int64_t fixed = 1;
    for (int d = 1; d < of->rank; d++) {
        Dim dim = of->dim[d];
        if (!dim.size) {
            fixed *= dim.extent;
            continue;
        }
        str_put(&s, "(size_t)(");
        count_put(&s, dim.times, dim.plus, e->signature.size_name[dim.size - 1]);
        str_put(&s, ") * ");
    }
    str_printf(&s, "%lld", (long long)fixed);
    return arena_strdup(e->arena, str_text(&s));
}

// "float *h = h_slots + (size_t)(t + 1) * 8192;"
static const char *place_text(const Entry *e, const Buffer *buffer) {
    const Buffer *of = buffer->view->of;
    const char *base = bound_name(e, of);
    if (!buffer->view->slot) return arena_printf(e->arena, "%s + %lld", base, (long long)(buffer->start - of->start));
    int64_t c, fixed = buffer->start - of->start;
    const char *rest = fixed ? arena_printf(e->arena, " + %lld", (long long)fixed) : "";
    if (index_is_const(buffer->view->slot, &c) && !c) return arena_printf(e->arena, "%s%s", base, rest);
    return arena_printf(e->arena, "%s + (size_t)(%s) * %s%s", base, slot_index_text(e, buffer->view->slot),
                        slot_size_text(e, of), rest);
}

static void put_binding(Str *s, const Entry *e, const Binding *binding, int indent) {
    const Buffer *buffer = binding->buffer;
    const char *c = dtype_info[buffer->dtype].c;
    str_printf(s, "%*s", 4 * indent, "");
    if (buffer->data && !buffer->view) {
        str_printf(s, "const %s *%s = %s;\n", c, binding->name, weights_name(e->weights, buffer));
        return;
    }
    if (is_moved(buffer)) {
        const Buffer *root = view_root(buffer);
        bool constant = root->data || (root->scope == SCOPE_ARGUMENT && root->argument >= 0);
        str_printf(s, "%s%s *%s = %s; // ", constant ? "const " : "", c, binding->name, place_text(e, buffer));
    } else {
        str_printf(s, "%s *%s = (%s *)(%s + %lld); // ", c, binding->name, c, e->region[buffer_region(e, buffer)],
                   (long long)buffer_offset(e, buffer));
    }
    put_comment_text(s, buffer_type(e->arena, buffer, e->in->module));
    if (buffer->scope == SCOPE_PREPARED) str_put(s, " prepared");
    if (buffer->view) {
        str_put(s, " in ");
        put_comment_text(s, buffer->view->of->name);
    }
    if (buffer->storage) {
        str_put(s, " ");
        put_comment_text(s, buffer->storage->name);
    }
    str_put(s, "\n");
}

static void put_bindings(Str *s, const Entry *e) {
    const char *regions = e->part == PART_CALLS ? "net->base.region" : "region";
    bool any = false;
    for (int r = 0; r < REGIONS; r++) {
        if (!e->region[r]) continue;
        str_printf(s, "    unsigned char *%s = %s[DLC_REGION_%s];\n", e->region[r], regions, region_name(r));
        any = true;
    }
    if (!any) str_put(s, e->part == PART_CALLS ? "    (void)net;\n" : "    (void)region;\n");
    for (int i = 0; i < e->signature.parameters.len && e->part != PART_PREPARE; i++)
        if (!e->used[i]) str_printf(s, "    (void)%s;\n", e->signature.parameters.at[i].name);
    for (int i = 0; i < e->bindings.len; i++)
        if (!e->bindings.at[i].loop) put_binding(s, e, &e->bindings.at[i], 1);
}

// The returned output that is all a call computes, or NULL. The call is skipped when the caller gave NULL for it.
static const Buffer *call_guard(const Entry *e, int c) {
    if (e->program->calls.at[c].skip_if_null) return e->program->calls.at[c].skip_if_null;
    const Formals *formals = &e->calls[c].formals;
    const Buffer *output = NULL;
    int written = 0;
    for (int i = 0; i < formals->buffers.len; i++) {
        const Formal *formal = &formals->buffers.at[i];
        if (!formal->written) continue;
        written++;
        if (formal->buffer->scope == SCOPE_ARGUMENT) output = formal->buffer;
    }
    if (output && written > 1)
        dlc_bug("emit", "%s: %s writes the returned value %s, which may be NULL, and something else",
                e->signature.function, e->calls[c].text->name, output->name);
    return output;
}

static void put_call(Str *s, const Entry *e, int c, int indent) {
    const CallText *call = &e->calls[c];
    if (!call->text) return;
    VEC(const char *) items = {0};
    for (int i = 0; i < call->formals.buffers.len; i++)
        vec_push(e->arena, &items, bound_name(e, call->formals.buffers.at[i].buffer));
    for (int k = 0; k < FORMAL_NUMBERS; k++)
        if (call->formals.size[k])
            vec_push(e->arena, &items, k < MAX_SIZES ? e->signature.size_name[k] : e->step[k - MAX_SIZES]);
    for (int k = 0; k < call->text->arguments.len; k++) vec_push(e->arena, &items, call->numbers[k]);
    const Buffer *guard = call_guard(e, c);
    const char *open = arena_printf(e->arena, "%s(", call->text->name);
    str_printf(s, "%*s", 4 * indent, "");
    if (guard) str_printf(s, "if (%s) ", bound_name(e, guard));
    put_wrapped(s, open, items.at, items.len, ");");
    bool cited = call->text->calls > 1 || (e->options->level == 0 && e->program->graph->kind == ENTRY_TRAIN);
    const char *place = cited ? call_place(e->arena, e->in->module, &e->program->calls.at[c]) : "";
    if (*place) {
        str_put(s, " // ");
        put_comment_text(s, place);
    }
    str_put(s, "\n");
}

enum { COPIES = SECTION_UPDATE + 1 };

// "// ---- forward ----", where another section begins.
static void put_section(Str *s, const Entry *e, int c, int *section, int indent) {
    static const char *const names[] = {"forward", "loss", "backward", "update", "results"};
    int now = e->program->calls.at[c].group ? (int)e->program->calls.at[c].section : COPIES;
    if (e->program->graph->kind != ENTRY_TRAIN || now == *section || !e->calls[c].text) return;
    str_printf(s, "\n%*s// ---- %s ----\n", 4 * indent, "", names[ *section = now]);
}

static void put_loop_head(Str *s, const Entry *e, int number, int depth) {
    const Loop *loop = graph_loop(e->program->graph, number);
    const char *t = e->step[depth];
    Str steps = str_new(e->arena);
    if (loop->steps.size)
        count_put(&steps, loop->steps.times, loop->steps.plus, e->signature.size_name[loop->steps.size - 1]);
    else
        str_printf(&steps, "%d", loop->steps.extent);
    const char *end = str_text(&steps);
    int indent = 4 * (depth + 1);
    if (loop->reverse)
        str_printf(s, "%*sfor (int %s = %s - 1; %s >= 0; %s--) {", indent, "", t, end, t, t);
    else
        str_printf(s, "%*sfor (int %s = 0; %s < %s; %s++) {", indent, "", t, t, end, t);
    const char *place = text_without_folders(e->arena, e->in->module, span_text(e->arena, loop->span));
    if (*place) {
        str_put(s, " // ");
        put_comment_text(s, place);
    }
    str_put(s, "\n");
    for (int i = 0; i < e->bindings.len; i++)
        if (e->bindings.at[i].loop == number) put_binding(s, e, &e->bindings.at[i], depth + 2);
}

// The calls [first, end), which loop `outer` makes in a step; `depth` loops stand around them.
static void put_calls(Str *s, const Entry *e, int first, int end, int outer, int depth, int *section) {
    while (first < end) {
        const Call *call = &e->program->calls.at[first];
        if (call->shared) {
            first++;
            continue;
        }
        put_section(s, e, first, section, depth + 1);
        if (call->loop == outer) {
            put_call(s, e, first++, depth + 1);
            continue;
        }
        int number = graph_loop_below(e->program->graph, call->loop, outer);
        int after = e->program->loops[number - 1].end;
        put_loop_head(s, e, number, depth);
        put_calls(s, e, first, after, number, depth + 1, section);
        str_printf(s, "%*s}\n", 4 * (depth + 1), "");
        first = after;
    }
}

static void name_steps(Entry *e) {
    const Graph *g = e->program->graph;
    for (int number = 1; number <= g->loops.len; number++) {
        int depth = graph_loop_depth(g, number);
        if (!e->step[depth]) e->step[depth] = names_take(&e->signature.names, step_name(e->arena, depth));
    }
}

static void put_entry(Str *s, Entry *e) {
    const char *prefix = e->options->prefix;
    bool init = e->part == PART_INIT;
    int section = -1;
    name_steps(e);
    bind_all(e);
    if (e->part == PART_PREPARE) {
        str_printf(s, "// What %s need not compute in every call: it depends on the parameters alone.\n",
                   e->signature.function);
        str_printf(s, "static void %s_dlc_prepare_%s(unsigned char *const region[DLC_REGIONS])\n{\n", prefix,
                   names_identifier(e->arena, e->program->graph->name));
    } else if (e->part == PART_START) {
        str_put(s, "// What the optimiser's state begins with; its memory is zero before.\n");
        str_printf(s, "static void %s_dlc_start(unsigned char *const region[DLC_REGIONS])\n{\n", prefix);
    } else if (init) {
        const char *seed = e->signature.parameters.len ? e->signature.parameters.at[0].name : "seed";
        str_put(s, "// Draws the parameters; their memory is zero before.\n");
        str_printf(s, "static void %s_dlc_draw(unsigned char *const region[DLC_REGIONS], int64_t %s)\n{\n", prefix,
                   seed);
    } else {
        signature_print(s, e->arena, &e->signature, e->options);
        str_put(s, "\n{\n");
        put_size_checks(s, e);
        if (e->program->nprepare) str_printf(s, "    %s_dlc_prepare(net->base.region);\n", prefix);
    }
    put_bindings(s, e);
    if (init && !e->signature.parameters.len) str_put(s, "    (void)seed;\n");
    put_calls(s, e, e->first, e->end, 0, 0, &section);
    if (e->part == PART_CALLS && prepared_made_stale(e->in, e->program->graph))
        str_printf(s, "    *%s_dlc_fresh(net->base.region) = 0;\n", prefix);
    if (e->part == PART_CALLS && e->signature.sized)
        str_printf(s, "    return %s_OK;\n", names_upper(e->arena, e->options->prefix));
    str_put(s, "}\n\n");
}

static Entry entry_of(Arena *arena, const Emission *emission, int number, bool prepare) {
    const EmitInput *in = emission->in;
    const Program *program = in->programs[number];
    EntryKind kind = program->graph->kind;
    Part part = kind == ENTRY_INIT ? PART_INIT : kind == ENTRY_START ? PART_START : PART_CALLS;
    return (Entry){.arena = arena,
                   .in = in,
                   .options = emission->options,
                   .program = program,
                   .calls = emission->table.calls[number],
                   .layout = &emission->layout,
                   .weights = emission->weights,
                   .signature = signature_make(arena, program, &emission->table, number, emission->options),
                   .places = {.arena = arena},
                   .part = prepare ? PART_PREPARE : part,
                   .first = prepare ? 0 : program->nprepare,
                   .end = prepare ? program->nprepare : program->calls.len};
}

// Puts the flag that says whether prepared values are fresh, and the function that computes them again, which models
// and the runtime call. The flag is at the start of the prepared block, so twins share it.
static void put_refresh(Str *s, const char *prefix, const char *calls) {
    put_template(s,
                 "// Is what models keep beside the parameters fresh?\n"
                 "static int32_t *$p_dlc_fresh(unsigned char *const region[DLC_REGIONS])\n{\n"
                 "    return (int32_t *)(region[DLC_REGION_PARAM] + ($P_PARAM_BYTES - $P_PREPARED_BYTES));\n}\n\n"
                 "static void $p_dlc_prepare(unsigned char *const region[DLC_REGIONS])\n{\n"
                 "    if (*$p_dlc_fresh(region)) return;\n",
                 prefix);
    str_put(s, calls);
    put_template(s, "    *$p_dlc_fresh(region) = 1;\n}\n\n", prefix);
}

// Puts both parts of every program: prepare and calls. Returns whether any has a prepare part.
static bool put_entries(Str *s, const Emission *emission) {
    const EmitInput *in = emission->in;
    const EmitOptions *options = emission->options;
    Str prepare = str_new(s->arena);
    for (int i = 0; i < in->nprograms; i++) {
        if (!in->programs[i]->nprepare) continue;
        Entry entry = entry_of(s->arena, emission, i, true);
        put_entry(s, &entry);
        const char *name = names_identifier(s->arena, in->programs[i]->graph->name);
        str_printf(&prepare, "    %s_dlc_prepare_%s(region);\n", options->prefix, name);
    }
    if (prepare.len) put_refresh(s, options->prefix, str_text(&prepare));
    for (int i = 0; i < in->nprograms; i++) {
        Entry entry = entry_of(s->arena, emission, i, false);
        put_entry(s, &entry);
    }
    return prepare.len > 0;
}

// ---- the table of parameters --------------------------------------------------------------------------------------

static void put_slot(Str *s, const Storage *storage, const Layout *layout) {
    const Type *type = &storage->type;
    str_put(s, "    {{");
    put_string(s, storage->name);
    str_printf(s, ", \"%s\", \"%s\", %d, {", dtype_info[type->dtype].name, storage_words[storage->kind], type->rank);
    for (int d = 0; d < type->rank; d++) str_printf(s, "%s%d", d ? ", " : "", type->dim[d].extent);
    str_printf(s, "%s}, %lld}, DLC_REGION_%s, %lld},\n", type->rank ? "" : "0",
               (long long)(type_count(type) * dtype_info[type->dtype].bytes),
               region_name(layout->region[storage->index]), (long long)layout->offset[storage->index]);
}

static bool has_kind(const EmitInput *in, EntryKind kind) {
    for (int i = 0; i < in->nprograms; i++)
        if (in->programs[i]->graph->kind == kind) return true;
    return false;
}

// "mynet_dlc_slots", which is no entry, because no entry's name begins with dlc_.
static const char *own_name(Arena *arena, const char *prefix, const char *name) {
    return arena_printf(arena, "%s_dlc_%s", prefix, name);
}

static void put_model(Str *s, const EmitInput *in, const EmitOptions *options, const Layout *layout, bool prepares) {
    const Module *module = in->module;
    const char *p = options->prefix, *upper = names_upper(s->arena, p);
    int nslots = 0;
    for (int i = 0; i < module->storages.len; i++) nslots += layout->offset[i] >= 0;
    if (nslots) {
        str_put(s, "// Parameters, buffers, the optimiser's state and state: what they are and where they live.\n");
        str_printf(s, "static const struct dlc_slot %s_dlc_slots[] = {\n", p);
        for (int i = 0; i < module->storages.len; i++)
            if (layout->offset[i] >= 0) put_slot(s, module->storages.at[i], layout);
        str_put(s, "};\n\n");
    }
    str_printf(s, "static const struct dlc_model %s_dlc_model = {\n    ", p);
    put_string(s, p);
    str_printf(s, ",\n    %s,\n    %d,\n    {", nslots ? own_name(s->arena, p, "slots") : "NULL", nslots);
    for (int r = 0; r < REGIONS; r++)
        str_printf(s, "%s%s_%s_BYTES%s", r ? ", " : "", upper, region_name(r),
                   r == REGION_STATE ? " - DLC_NET_BYTES" : "");
    str_printf(s,
               "},\n    %s_ALIGN,\n    %s,\n    %s,\n    %s,\n    %s_PARAM_BYTES - %s_PREPARED_BYTES,\n    "
               "0x%016llxu,\n};\n\n",
               upper, has_kind(in, ENTRY_START) ? own_name(s->arena, p, "start") : "NULL",
               has_kind(in, ENTRY_INIT) ? own_name(s->arena, p, "draw") : "NULL",
               prepares ? own_name(s->arena, p, "prepare") : "NULL", upper, upper, (unsigned long long)in->hash);
}

// ---- the file -----------------------------------------------------------------------------------------------------

// Macros that are printed only into files that use them.
static const struct {
    const char *name, *text;
} macros[] = {
    {"restrict", "#if defined __cplusplus && !defined restrict\n#define restrict __restrict\n#endif\n"},
    // gcc 12's predictive commoning keeps the scalars of windows that overlap, and then spills them: a convolution with
    // a pool is 1.5 times as slow. Older ones were not tried.
    {"DLC_NOINLINE",
     "// Kernels stay functions: inlining would lose what restrict says. Commoning would spill scalars.\n"
     "#if __GNUC__ >= 12\n"
     "#define DLC_NOINLINE __attribute__((noinline, optimize(\"no-predictive-commoning\")))\n"
     "#else\n#define DLC_NOINLINE __attribute__((noinline))\n#endif\n"},
    {"DLC_PREFETCH",
     "// The line of element i will be read soon. It may lie outside of p, so its address is no pointer's sum.\n"
     "#define DLC_PREFETCH(p, i) __builtin_prefetch((const void *)((uintptr_t)(p) + (uintptr_t)(i) * 4))\n"},
    {"DLC_UNROLL", "// Unrolled by the compiler, so that arrays which the loop's variable indexes become registers.\n"
                   "#if defined __clang__\n#define DLC_UNROLL _Pragma(\"clang loop unroll(full)\")\n"
                   "#elif defined __GNUC__ && __GNUC__ >= 8\n#define DLC_UNROLL _Pragma(\"GCC unroll 64\")\n"
                   "#else\n#define DLC_UNROLL\n#endif\n"},
    {"DLC_VECTOR_FOR",
     "// Loops over the lanes of a vector. gcc must not unroll them, because it then finds no vectors.\n"
     "#if defined __GNUC__ && !defined __clang__ && __GNUC__ >= 8\n"
     "#define DLC_VECTOR_FOR _Pragma(\"GCC unroll 1\")\n#else\n#define DLC_VECTOR_FOR\n#endif\n"},
    {"DLC_PARALLEL_FOR", "#ifdef _OPENMP\n#define DLC_PARALLEL_FOR _Pragma(\"omp parallel for schedule(static)\")\n"
                         "#else\n#define DLC_PARALLEL_FOR\n#endif\n"},
};

static void put_preamble(Str *s, const EmitInput *in, const EmitOptions *options, const char *body) {
    const char *source = text_without_folders(s->arena, in->module, in->module->source_name);
    put_comment_line(s, arena_printf(s->arena,
                                     "Made by dlc %s from %s for %s, -O%d; %s says how to use and to compile it.",
                                     DLC_VERSION, source, options->target->name, options->level, options->header));
    // fsync needs it under -std=c11, before the first #include.
    if (options->standalone) str_put(s, "#ifndef _POSIX_C_SOURCE\n#define _POSIX_C_SOURCE 200809L\n#endif\n");
    str_printf(s, "#include \"%s\"\n\n#include <assert.h>\n#include <float.h>\n#include <math.h>\n", options->header);
    if (in->embedded) str_put(s, "#include <stdalign.h>\n");
    str_put(s, "#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n\n");
    const Target *target = options->target;
    if (target->macro) // without it every vector would silently be cut into scalars
        str_printf(s,
                   "#ifndef %s\n#error \"made for %s: compile with -march=%s, or make it for another --target\"\n"
                   "#endif\n\n",
                   target->macro, target->name, target->name);
    put_template(s,
                 "#ifdef $P_NO_STDIO\n#define DLC_NO_STDIO\n#endif\n"
                 "#ifdef $P_NO_MALLOC\n#define DLC_NO_MALLOC\n#endif\n",
                 options->prefix);
    if (options->standalone)
        put_runtime(s);
    else
        str_put(s, "#include \"dlc.h\"\n");
    str_put(s, "\n");
    Names used = text_identifiers(s->arena, body);
    for (size_t i = 0; i < sizeof macros / sizeof *macros; i++)
        if (names_find(&used, macros[i].name) >= 0) str_printf(s, "%s\n", macros[i].text);
    put_helpers(s, &used, options->target);
    str_printf(s, "struct %s {\n    struct dlc_net base;\n};\n", options->prefix);
    str_printf(s, "static_assert(sizeof(struct %s) <= %d && DLC_NET_BYTES == %d, \"dlc.h is of another version\");\n\n",
               options->prefix, NET_BYTES, NET_BYTES);
}

void emit_source(Str *s, const Emission *emission) {
    const EmitInput *in = emission->in;
    const EmitOptions *options = emission->options;
    Str body = str_new(s->arena);
    for (int i = 0; i < emission->table.functions.len; i++) {
        kernel_print(&body, emission->table.functions.at[i], in, options);
        str_put(&body, "\n");
    }
    bool prepares = put_entries(&body, emission);
    put_model(&body, in, options, &emission->layout, prepares);
    put_api(&body, options->prefix);
    put_preamble(s, in, options, str_text(&body));
    put_weights(s, emission->weights, in, options);
    str_putn(s, str_text(&body), body.len);
}
