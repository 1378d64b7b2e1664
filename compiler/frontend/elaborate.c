// elaborate.c: from the syntax tree to a module: dims, then each entry as a graph, then the graph that draws the
// parameters. Entries share nothing but the module's sizes and storages.
//     dim N <= 64                               size N <= 64
//     model forward(x: f32[N, 8]) -> ...   ->   param "fc1.weight": f32[4, 8]
//                                               model forward(x: f32[N, 8]) -> ... { %0 = ... }
//                                               init init(seed: i64[]) { ... }
// All errors are reported; the module is returned only when there was none.
#include <inttypes.h>
#include <string.h>

#include "frontend/elaborator.h"

// ---- trouble -------------------------------------------------------------------------------------------------------

Span user_place(const Elab *el, Span span) {
    for (const Frame *f = el->frame; f && span.source && span.source->prelude; f = f->caller) span = f->user;
    return span;
}

static bool span_within(Span outer, Span inner) {
    return outer.source == inner.source && outer.start <= inner.start && inner.end <= outer.end;
}

const char *blamed_layer(const Elab *el) {
    const Frame *f = el->frame;
    while (f->caller && f->caller->decl->span.source->prelude) f = f->caller;
    return f->decl->name;
}

Value refuse(Elab *el, Span span, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const char *text = arena_vprintf(el->arena, fmt, args);
    va_end(args);
    bool inside = span.source && span.source->prelude && el->frame && el->frame->decl;
    const char *layer = inside ? blamed_layer(el) : "";
    bool named = !inside || !strncmp(text, layer, strlen(layer));
    diag_error(el->diag, user_place(el, span), "%s%s%s", named ? "" : layer, named ? "" : ": ", text);
    // A layer's body may be wrong for one of its calls only: say which.
    const Frame *f = el->frame;
    while (f && f->decl->span.source->prelude) f = f->caller;
    bool in_body = f && f->caller && span.source && !span_within(f->user, user_place(el, span));
    if (in_body) diag_note(el->diag, f->user, "in the call of %s", f->decl->name);
    return value_poison();
}

bool warn_once(Elab *el, Span span, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    const char *text = arena_vprintf(el->arena, fmt, args);
    va_end(args);
    Span place = user_place(el, span);
    if ((*tag_of(&el->warned, arena_printf(el->arena, "%p:%d: %s", (const void *)place.source, place.start, text)))++)
        return false;
    diag_warning(el->diag, place, "%s", text);
    return true;
}

void place_nodes(Elab *el, Span span) { el->g->span_now = user_place(el, span); }

// The limit on nodes bounds memory, the limit on steps bounds time: a loop may run long without making nodes.
bool spend_step(Elab *el, Span span) {
    if (el->stop) return false;
    el->steps++;
    if (el->g->nodes.len <= MAX_NODES && el->steps <= MAX_STEPS) return true;
    el->stop = true;
    const char *what = el->g->nodes.len > MAX_NODES ? "a million nodes" : "five million steps at compile time";
    if (!el->loop) return deny(el, span, "%s makes more than %s", el->g->name, what);
    return deny(el, el->loop->keyword, "the loop over `%s` makes more than %s", el->loop->names.at[0].name, what);
}

const char *type_name(Elab *el, const Type *type) { return type_text(el->arena, type, el->module->sizes); }

// ---- names of the file ---------------------------------------------------------------------------------------------

static const AstDecl *find_in_file(const Elab *el, const char *name) {
    int place = tag_known(&el->in_file, name);
    return place ? el->file->decls.at[place - 1] : NULL;
}

// Finds a layer or model. The user's layers hide those of the prelude, but not in calls that the prelude makes itself,
// so they cannot change what the prelude means. Inside a prelude layer that is named like an operator, such as pad, the
// name means the operator.
const AstDecl *find_decl(Elab *el, const char *name) {
    const Frame *frame = el->frame;
    bool in_prelude = frame && frame->decl && frame->decl->span.source->prelude;
    const AstDecl *decl = in_prelude ? NULL : find_in_file(el, name);
    int place = decl ? 0 : tag_known(&el->in_prelude, name);
    if (place) decl = el->prelude.at[place - 1];
    return in_prelude && decl == frame->decl ? NULL : decl;
}

void push_names(Elab *el, Names *names, unsigned kinds) {
    for (int k = 0; k < el->file->decls.len + el->prelude.len; k++) {
        bool own = k < el->file->decls.len;
        const AstDecl *decl = own ? el->file->decls.at[k] : el->prelude.at[k - el->file->decls.len];
        if (kinds >> decl->kind & 1) vec_push(el->arena, names, decl->name);
    }
}

const char *did_you_mean(Elab *el, const char *name, const Names *names) {
    const char *nearest = diag_nearest(name, names->at, names->len);
    return nearest ? arena_printf(el->arena, "; did you mean `%s`?", nearest) : "";
}

static void check_params(Elab *el, const AstDecl *decl) {
    Tags seen = tags_by_name(el);
    for (int p = 0; p < decl->params.len; p++) {
        const AstParam *param = &decl->params.at[p];
        if (decl->kind == DECL_LAYER && !strcmp(param->name, "name"))
            refuse(el, param->span, "an argument cannot be called `name`: every layer call takes name=");
        if ((*tag_of(&seen, param->name))++)
            refuse(el, param->span, "%s has two arguments `%s`", decl->name, param->name);
    }
}

// Calls and values are looked up apart, so a dim and a layer may share a name.
static void index_names(Elab *el) {
    Tags dims = tags_by_name(el);
    for (int k = 0; k < el->file->decls.len; k++) {
        const AstDecl *decl = el->file->decls.at[k];
        int *first = tag_of(decl->kind == DECL_DIM ? &dims : &el->in_file, decl->name);
        if (*first) {
            refuse(el, decl->name_span, "`%s` is declared twice", decl->name);
            diag_note(el->diag, el->file->decls.at[*first - 1]->name_span, "it was declared first");
        } else
            *first = k + 1;
        check_params(el, decl);
    }
    for (int k = 0; k < el->prelude.len; k++) *tag_of(&el->in_prelude, el->prelude.at[k]->name) = k + 1;
    for (int k = 0; builtin_name(k); k++) *tag_of(&el->builtins, builtin_name(k)) = k + 1;
}

// ---- dims ----------------------------------------------------------------------------------------------------------

// The last -D of a name wins.
static const Define *find_define(const Elab *el, const char *name) {
    for (int k = el->options->ndefines - 1; k >= 0; k--)
        if (!strcmp(el->options->defines[k].name, name)) return &el->options->defines[k];
    return NULL;
}

// Adds a run-time size to the module. An axis refers to size k as k + 1; 0 means that its extent is fixed.
static Value run_time_size(Elab *el, const AstDecl *decl) {
    int64_t bound;
    Module *m = el->module;
    if (!value_to_int(el, eval(el, decl->value), "the bound of a run-time size", decl->value->span, &bound))
        return value_poison();
    if (bound < 1 || bound > INT32_MAX)
        return refuse(el, decl->value->span, "the bound of `%s` is %" PRId64 "; it is 1 to 2147483647", decl->name,
                      bound);
    if (m->nsizes == MAX_SIZES) return refuse(el, decl->name_span, "more than %d run-time sizes", MAX_SIZES);
    m->sizes[m->nsizes] = (Size){decl->name, (int32_t)bound};
    m->nsizes++;
    return value_dim(dim_size((int32_t)bound, m->nsizes - 1));
}

// -D gives the value of a dim of either kind; it makes a run-time size a fixed number.
static Value dim_value(Elab *el, const AstDecl *decl) {
    const Define *define = find_define(el, decl->name);
    int64_t value;
    if (define && decl->runtime && (define->value < 1 || define->value > INT32_MAX))
        return refuse(el, decl->name_span, "-D %s=%lld: a size is at least 1", decl->name, define->value);
    if (define) return value_int(define->value);
    if (decl->runtime) return run_time_size(el, decl);
    if (!value_to_int(el, eval(el, decl->value), "a dim", decl->value->span, &value)) return value_poison();
    return value_int(value);
}

// Dims may use the dims above them. Nodes that are made on the way go into a graph that is thrown away.
static void run_dims(Elab *el) {
    el->g = graph_new(el->module, "dims", ENTRY_MODEL);
    for (int k = 0; k < el->file->decls.len; k++) {
        const AstDecl *decl = el->file->decls.at[k];
        if (decl->kind != DECL_DIM) continue;
        el->frame = frame_new(el, decl, NULL, "");
        Value value = dim_value(el, decl);
        el->frame = NULL;
        scope_bind(el, &el->dims, (Binding){.name = decl->name, .value = value, .span = decl->name_span});
    }
    for (int k = 0; k < el->options->ndefines; k++) {
        const Define *define = &el->options->defines[k];
        if (scope_find(&el->dims, define->name)) continue;
        Names names = {0};
        for (int d = 0; d < el->dims.all.len; d++) vec_push(el->arena, &names, el->dims.all.at[d].name);
        diag_error(el->diag, (Span){0}, "-D %s=%lld: %s has no dim `%s`%s", define->name, define->value,
                   el->file->source->name, define->name, did_you_mean(el, define->name, &names));
    }
}

// ---- entries -------------------------------------------------------------------------------------------------------

static bool is_entry(const AstDecl *decl) { return decl->kind == DECL_MODEL || decl->kind == DECL_TRAIN; }

// The number of C functions of an entry: one, or with `accumulate` one for each phase.
static int phases_of(const AstDecl *decl) { return !is_entry(decl) ? 0 : decl->accumulates ? PHASE_UPDATE + 1 : 1; }

static const char *phase_name(const Elab *el, const AstDecl *decl, enum Phase phase) {
    static const char *const suffix[] = {"", "_accumulate", "_update"};
    return phase == PHASE_STEP ? decl->name : arena_printf(el->arena, "%s%s", decl->name, suffix[phase]);
}

// Refuses an entry named like one that another entry makes: step_update next to `train step(...) accumulate`.
static void check_phases(Elab *el) {
    for (int k = 0; k < el->file->decls.len; k++) {
        const AstDecl *decl = el->file->decls.at[k];
        for (int p = PHASE_ACCUMULATE; p < phases_of(decl); p++) {
            const AstDecl *other = find_in_file(el, phase_name(el, decl, p));
            if (!other || !is_entry(other)) continue;
            refuse(el, other->name_span, "`%s` is a function that %s makes, which accumulates", other->name,
                   decl->name);
            diag_note(el->diag, decl->name_span, "it is declared here");
        }
    }
}

static bool is_selected(const Elab *el, const char *name) {
    for (int k = 0; k < el->options->nentries; k++)
        if (!strcmp(el->options->entries[k], name)) return true;
    return !el->options->entries;
}

// Reports a file without entries, and names in --entry that are no entry, before anything runs.
static void check_selection(Elab *el) {
    Names names = {0};
    for (int k = 0; k < el->file->decls.len; k++)
        for (int p = 0; p < phases_of(el->file->decls.at[k]); p++)
            vec_push(el->arena, &names, phase_name(el, el->file->decls.at[k], p));
    if (!names.len) {
        diag_error(el->diag, (Span){el->file->source, 0, 0},
                   "no model or train entry: there is nothing to compile. An entry looks like "
                   "model forward(x: f32[4, 8]) -> (y: f32[4, 2]) { ... }");
        return;
    }
    for (int k = 0; el->options->entries && k < el->options->nentries; k++) {
        const char *name = el->options->entries[k];
        bool known = false;
        for (int n = 0; n < names.len; n++) known |= !strcmp(names.at[n], name);
        if (known) continue;
        diag_error(el->diag, (Span){0}, "--entry=%s: %s has no entry `%s`%s", name, el->file->source->name, name,
                   did_you_mean(el, name, &names));
    }
}

// An entry `x` becomes the C function PREFIX_x. These names are taken, and so are those that begin with dlc_.
static bool is_reserved(const char *name) {
    if (!strncmp(name, "dlc_", 4)) return true;
    static const char taken[] =
        " new free load load_memory load_some load_some_memory load_state load_state_memory save save_memory "
        "save_weights save_weights_memory save_state save_state_memory error init seed get set copy publish adopt "
        "reset share place memory param_count param_info prepare get_grad ";
    size_t len = strlen(name);
    for (const char *at = strstr(taken, name); at; at = strstr(at + 1, name))
        if (at[-1] == ' ' && at[len] == ' ') return true;
    return false;
}

// Finds a `return` with values in these statements or in their blocks.
static const AstStmt *find_return(const AstStmts *stmts) {
    for (int k = 0; k < stmts->len; k++) {
        const AstStmt *stmt = stmts->at[k], *inside = NULL;
        if (stmt->kind == DO_RETURN && stmt->exprs.len) return stmt;
        if (stmt->body.len) inside = find_return(&stmt->body);
        if (!inside && stmt->other.len) inside = find_return(&stmt->other);
        if (inside) return inside;
    }
    return NULL;
}

// Checks what the entry's C function needs: a free name, declared results, and arguments with different names.
static bool check_header(Elab *el, const AstDecl *decl) {
    if (is_reserved(decl->name))
        return deny(el, decl->name_span, "an entry cannot be called `%s`: the generated C has a function of that name",
                    decl->name);
    if (!decl->results.len && decl->kind == DECL_MODEL) {
        return deny(el, decl->span, "model %s must declare its results: -> (y: f32[...])", decl->name);
    }
    const AstStmt *returned = decl->results.len ? NULL : find_return(&decl->body);
    if (returned)
        return deny(el, returned->span, "%s returns a value, but its header declares no result: -> (loss: f32[])",
                    decl->name);
    for (int k = 0; k < decl->results.len; k++) {
        const AstResult *result = &decl->results.at[k];
        for (int p = 0; result->name && p < decl->params.len + k; p++) {
            bool is_param = p < decl->params.len;
            const char *other = is_param ? decl->params.at[p].name : decl->results.at[p - decl->params.len].name;
            if (!other || strcmp(other, result->name)) continue;
            return deny(el, result->span, "%s has another %s called `%s`, and both are arguments of the C function",
                        decl->name, is_param ? "argument" : "result", result->name);
        }
    }
    return true;
}

// Makes an `argument` node of each parameter; an error in one does not stop the others.
static bool make_arguments(Elab *el, Frame *frame) {
    bool good = true;
    for (int k = 0; k < frame->decl->params.len; k++) {
        const AstParam *param = &frame->decl->params.at[k];
        Type type;
        bool known = false;
        if (!param->type)
            refuse(el, param->span, "`%s` needs a type", param->name);
        else
            known = type_resolve(el, param->type, &type);
        if (param->value)
            refuse(el, param->value->span, "an entry's argument has no default: the caller always gives it");
        good &= known;
        el->g->name_now = param->name;
        place_nodes(el, param->span);
        frame_bind(el, frame, param->name,
                   known ? value_tensor(build_argument(el->g, param->name, type)) : value_poison(), param->span);
    }
    el->g->name_now = NULL;
    return good;
}

static void return_results(Elab *el, const AstDecl *decl, Value result) {
    if (is_poison(result)) return;
    int n = result.kind == VALUE_TUPLE ? result.list->len : 1;
    for (int k = 0; k < n && k < decl->results.len; k++) {
        Value v = result.kind == VALUE_TUPLE ? result.list->at[k] : result;
        const char *name = decl->results.at[k].name;
        if (!name) name = k ? arena_printf(el->arena, "result_%d", k + 1) : "result";
        graph_return(el->g, name, v.node, decl->results.at[k].span);
    }
}

// Warns about arguments that nothing reads, such as a learning rate that is not passed to the optimiser.
static void warn_unused(Elab *el) {
    Graph *g = el->g;
    graph_mark_live(g);
    for (int k = 0; k < g->arguments.len; k++) {
        const Node *argument = g->arguments.at[k];
        bool used = false;
        for (int n = 0; n < g->nodes.len && !used; n++)
            for (int i = 0; g->nodes.at[n]->mark && i < g->nodes.at[n]->nin; i++)
                used |= g->nodes.at[n]->in[i] == argument;
        for (int o = 0; o < g->outputs.len; o++) used |= g->outputs.at[o].value == argument;
        if (!used) diag_warning(el->diag, argument->span, "argument `%s` of %s is never used", argument->name, g->name);
    }
}

// Drops the arguments that a phase does not read: step_accumulate needs no learning rate, step_update no images.
static void drop_unused_arguments(Graph *g) {
    NodeVec all = g->arguments;
    g->arguments = (NodeVec){0};
    graph_mark_live(g);
    for (int k = 0; k < all.len; k++)
        if (all.at[k]->mark) vec_push(g->arena, &g->arguments, all.at[k]);
}

// Elaborates one graph. Each phase begins with new versions, counters and training flag, and uses the same random
// sites.
static void run_phase(Elab *el, const AstDecl *decl, enum Phase phase) {
    bool is_train = decl->kind == DECL_TRAIN;
    el->g = graph_new(el->module, phase_name(el, decl, phase), is_train ? ENTRY_TRAIN : ENTRY_MODEL);
    el->g->span = decl->span;
    el->g->stage = "elaborate";
    Frame *frame = frame_new(el, decl, NULL, "");
    el->training = is_train;
    el->phase = phase;
    el->versions = (Versions){0};
    el->frozen = (Patterns){0};
    el->minimizes.len = 0;
    el->numbered.len = 0;
    el->checkpoints = 0;
    el->draws = 0;
    el->frame = frame;
    int errors = el->diag->errors;
    bool good = check_header(el, decl);
    good = make_arguments(el, frame) && good;
    el->frame = NULL;
    if (!good) return;
    if ((is_train && !decl->results.len) || phase == PHASE_UPDATE) {
        // The entry returns nothing, so the body runs without a check of its results.
        el->frame = frame;
        run_body(el, &decl->body);
        el->frame = NULL;
    } else
        return_results(el, decl, run_frame(el, frame, decl->name_span));
    check_frozen(el);
    if (el->diag->errors != errors) return;
    if (decl->accumulates && !el->minimizes.len) {
        refuse(el, decl->span, "%s accumulates gradients, but nothing in it minimizes a loss", decl->name);
        return;
    }
    // After an error, for example in a model that the entry calls, it is not known which arguments are read.
    if (phase == PHASE_STEP && !el->diag->errors) warn_unused(el);
    if (phase != PHASE_STEP) drop_unused_arguments(el->g);
    vec_push(el->module->arena, &el->module->entries, el->g);
}

static void run_entry(Elab *el, const AstDecl *decl) {
    int errors = el->diag->errors;
    el->drawn.len = 0;
    for (int p = 0; p < phases_of(decl) && !el->stop && el->diag->errors == errors; p++) {
        if (!is_selected(el, phase_name(el, decl, p))) continue;
        run_phase(el, decl, p);
    }
    el->phase = PHASE_STEP;
}

static void begin_init(Elab *el) {
    el->init = graph_new(el->module, "init", ENTRY_INIT);
    el->init->stage = "elaborate";
    el->init->span_now = (Span){el->file->source, 0, 0};
    el->start = graph_new(el->module, "start", ENTRY_START);
    el->start->stage = "elaborate";
    el->start->span_now = el->init->span_now;
    el->seed = build_argument(el->init, "seed", type_scalar(I64));
}

// Adds `start` and `init`, and drops nodes that were only tried (shapes, zeros), so that --emit=graph reads well.
static void tidy(Elab *el) {
    if (el->start->outputs.len) vec_push(el->module->arena, &el->module->entries, el->start);
    if (el->init->outputs.len) vec_push(el->module->arena, &el->module->entries, el->init);
    for (int k = 0; k < el->module->entries.len; k++)
        el->module->entries.at[k] = graph_rebuild(el->module->entries.at[k], NULL, NULL);
}

Module *elaborate(Arena *arena, Diag *diag, const AstFile *file, const ElaborateOptions *options) {
    Elab *el = NEW(arena, Elab);
    *el = (Elab){.arena = arena, .diag = diag, .options = options, .file = file};
    int errors = diag->errors;
    el->module = module_new(arena, diag, file->source->name);
    el->in_file = el->in_prelude = el->builtins = el->warned = el->dims.places = tags_by_name(el);
    if (!prelude_load(el)) return NULL;
    index_names(el);
    check_phases(el);
    check_selection(el);
    run_dims(el);
    if (diag->errors > errors) return NULL;
    begin_init(el);
    for (int k = 0; k < file->decls.len && !el->stop; k++) run_entry(el, file->decls.at[k]);
    if (diag->errors > errors) return NULL;
    tidy(el);
    return el->module;
}
