// storage.c: param, buffer and state: paths, sharing, initialisers, and what a storage holds now.
//     param weight: T[O, I] = kaiming_uniform(a=5**0.5)     in linear(..., name="fc1") is the storage "fc1.weight"
// Two storages are shared exactly when their full paths are equal. The initialiser runs once, at the first declaration,
// and its nodes go into the graph "init". Those of an optimiser's buffer go into "start", which also runs after loading
// a file without optimiser state. Neither graph holds what begins as zeros, because memory is zeroed before. A state
// always does, so that `reset` needs no graph.
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "frontend/elaborator.h"

// ---- paths ---------------------------------------------------------------------------------------------------------

bool path_valid(const char *path) {
    bool after_dot = true; // a component must begin here
    for (; *path; path++) {
        bool dot = *path == '.';
        if (dot && after_dot) return false;
        if (!dot && !isalnum((unsigned char)*path) && *path != '_' && *path != '-') return false;
        after_dot = dot;
    }
    return !after_dot;
}

const char *path_join(Elab *el, const char *path, const char *name) {
    return path[0] ? arena_printf(el->arena, "%s.%s", path, name) : name;
}

// ---- what a storage holds ------------------------------------------------------------------------------------------

// The first version is the value at entry, the last the value now.
static NodeVec *versions_of(Elab *el, const Storage *storage) {
    while (el->versions.len <= storage->index) vec_push(el->arena, &el->versions, (NodeVec){0});
    return &el->versions.at[storage->index];
}

// The current value. The first read in this graph makes a `storage` node.
Node *storage_now(Elab *el, Storage *storage) {
    NodeVec *versions = versions_of(el, storage);
    if (versions->len) return versions->at[versions->len - 1];
    const char *name = el->g->name_now;
    enum Section section = el->g->section_now;
    el->g->name_now = storage->name;
    el->g->section_now = SECTION_FORWARD;
    Node *node = build_storage(el->g, storage);
    el->g->name_now = name;
    el->g->section_now = section;
    vec_push(el->arena, versions, node);
    return node;
}

void storage_set(Elab *el, Storage *storage, Node *value, Span span) {
    const AstDecl *decl = el->frame->decl;
    if (el->g->loop_now && storage->kind == STORAGE_BUFFER && decl->span.source->prelude) {
        refuse(el, span,
               "%s assigns the buffer %s in training, and no buffer is assigned in the body of a scan: use layer_norm, "
               "or call it in `eval { ... }`, which keeps the buffer",
               blamed_layer(el), storage->name);
        return;
    }
    if (el->g->loop_now) {
        refuse(el, span,
               "%s is assigned in the body of a scan: carry its value (`from NAME = INITIAL`) and assign it after the "
               "scan",
               storage->name);
        return;
    }
    storage_now(el, storage); // the value at entry is the first version
    place_nodes(el, span);
    // step_update repeats the body only for its optimizers: step_accumulate has written buffers and state already.
    bool repeated = el->phase == PHASE_UPDATE && (storage->kind == STORAGE_BUFFER || storage->kind == STORAGE_STATE);
    if (!repeated) graph_bind(el->g, storage, value, user_place(el, span));
    // The gradient of a later loss ends at the updated parameter; it must not pass through the update.
    if (storage->kind == STORAGE_PARAM) value = build_unary(el->g, "detach", value);
    vec_push(el->arena, versions_of(el, storage), value);
}

// ---- initialisers --------------------------------------------------------------------------------------------------

static Value unknown_initialiser(Elab *el, const AstExpr *call) {
    Names names = {0};
    for (int k = 0; k < el->prelude.len; k++)
        if (!strcmp(el->prelude.at[k]->span.source->name, "initialisers.dl"))
            vec_push(el->arena, &names, el->prelude.at[k]->name);
    for (int k = 0; k < el->file->decls.len; k++)
        if (el->file->decls.at[k]->kind == DECL_LAYER) vec_push(el->arena, &names, el->file->decls.at[k]->name);
    const char *meant = did_you_mean(el, call->s, &names);
    return refuse(el, call->op_span, "`%s` is no initialiser%s", call->s,
                  meant[0] ? meant
                           : ": an initialiser is a layer whose first argument is the parameter, like zeros, "
                             "normal or kaiming_uniform");
}

// Calls the initialiser. Its first argument stands for the parameter: zeros of that shape and dtype.
static Value run_initialiser(Elab *el, const AstStmt *stmt, const Storage *storage, const char *component) {
    const AstExpr *call = stmt->init;
    if (call->kind != AST_CALL)
        return refuse(el, call->span, "an initialiser is a call, like zeros() or normal(std=0.02)");
    const AstDecl *decl = find_decl(el, call->s);
    if (!decl || decl->kind != DECL_LAYER) return unknown_initialiser(el, call);
    Args args = {0};
    place_nodes(el, call->span);
    Value zero = value_tensor(build_full(el->g, &storage->type, 0));
    vec_push(el->arena, &args, (Arg){.value = zero, .span = call->span});
    if (!eval_args(el, call, 0, &args)) return value_poison();
    vec_push(el->arena, &args, (Arg){.name = "name", .value = value_string(component), .span = call->span});
    Value result = call_layer(el, decl, &args, call->span);
    if (is_poison(result) || (is_tensor(result) && type_equal(&result.node->type, &storage->type))) return result;
    return refuse(el, call->span, "%s gives %s, and %s is %s", decl->name, value_text(el, result), storage->name,
                  type_name(el, &storage->type));
}

// The initial value of the storage, as a node of the graph init or start. The graph that was being built is restored.
// NULL: reported.
static Node *initial_value(Elab *el, const AstStmt *stmt, Storage *storage, const char *component) {
    Graph *entry = el->g;
    bool training = el->training;
    el->g = storage->kind == STORAGE_OPTIM ? el->start : el->init;
    el->training = false;
    el->g->origin_now = stmt->init->kind == AST_CALL ? stmt->init->s : NULL;
    el->g->name_now = storage->name;
    Value value = run_initialiser(el, stmt, storage, component);
    el->g = entry;
    el->training = training;
    return is_tensor(value) ? value.node : NULL;
}

static void initialise(Elab *el, const AstStmt *stmt, Storage *storage, const char *component) {
    struct Initial initial = {.sites = el->sites};
    if (stmt->init && storage->kind != STORAGE_STATE) {
        initial.value = initial_value(el, stmt, storage, component);
        initial.by = stmt->init->s;
        initial.place = user_place(el, stmt->init->span);
    }
    while (el->initials.len <= storage->index) vec_push(el->arena, &el->initials, (struct Initial){0});
    el->initials.at[storage->index] = initial;
    double constant;
    bool zero = initial.value && node_constant(initial.value, &constant) && constant == 0 && !signbit(constant);
    Graph *g = storage->kind == STORAGE_OPTIM ? el->start : el->init;
    if (initial.value && !zero) graph_bind(g, storage, initial.value, user_place(el, stmt->span));
}

// The first declaration of a path decides its initial value. A later one with another initialiser gets a warning. An
// equal initialiser makes the same node if its random sites are counted from the same number.
static void check_initial(Elab *el, const AstStmt *stmt, Storage *storage, const char *component) {
    bool fixed = storage->kind == STORAGE_OPTIM || storage->kind == STORAGE_STATE;
    if (!stmt->init || fixed || el->phase != PHASE_STEP) return;
    struct Initial first = el->initials.at[storage->index];
    int sites = el->sites;
    el->sites = first.sites;
    Node *value = initial_value(el, stmt, storage, component);
    el->sites = sites;
    if (!value || !first.value || value == first.value) return;
    if (warn_once(el, stmt->init->span,
                  "\"%s\" has another initialiser already, which decides what it begins with; this %s changes nothing",
                  storage->name, stmt->init->s))
        diag_note(el->diag, first.place, "it begins as %s says", first.by);
}

// ---- declarations --------------------------------------------------------------------------------------------------

// The language's word for it.
static const char *kind_name(StorageKind kind) {
    return kind == STORAGE_PARAM ? "param" : kind == STORAGE_STATE ? "state" : "buffer";
}

// The place in the body of the entry or model that led here.
static Span entry_place(const Elab *el, Span span) {
    const Frame *f = el->frame;
    if (!f->caller || f->decl->kind == DECL_MODEL) return span;
    while (f->caller->caller && f->caller->decl->kind != DECL_MODEL) f = f->caller;
    return f->user;
}

// The same path must mean the same thing everywhere.
static bool check_shared(Elab *el, const AstStmt *stmt, const Storage *known, StorageKind kind, const Type *type) {
    if (known->kind == kind && type_equal(&known->type, type)) return true;
    diag_error(el->diag, entry_place(el, stmt->span),
               "\"%s\" is a %s of %s here and a %s of %s elsewhere; one path is one %s, and another name= makes "
               "another",
               known->name, kind_name(kind), type_name(el, type), kind_name(known->kind), type_name(el, &known->type),
               kind == STORAGE_STATE && known->kind == kind ? "state" : "parameter");
    diag_note(el->diag, known->user, "\"%s\" was declared first", known->name);
    return false;
}

// A state begins as zeros, in a new net and after NET_reset.
static bool check_zeros(Elab *el, const AstStmt *stmt) {
    const AstExpr *init = stmt->init;
    bool zeros = !init || (init->kind == AST_CALL && !strcmp(init->s, "zeros") && !init->args.len);
    if (zeros) return true;
    return deny(el, init->span, "a state begins as zeros, also after a reset: write `state %s: ... = zeros()`",
                stmt->names.at[0].name);
}

// Checks whether a param, buffer or state of this kind and type may be declared here.
static bool check_declaration(Elab *el, const AstStmt *stmt, StorageKind kind, const Type *type) {
    const char *name = stmt->names.at[0].name;
    if (el->g == el->init || el->g == el->start)
        return deny(el, stmt->span, "an initialiser cannot declare parameters of its own");
    if (kind == STORAGE_PARAM && el->frame->minimize)
        return deny(el, stmt->span, "an optimizer has buffers, and no parameters of its own");
    if (kind == STORAGE_STATE && el->frame->minimize)
        return deny(el, stmt->span, "an optimizer has buffers, and no state, which belongs to one context");
    if (kind == STORAGE_STATE) return check_zeros(el, stmt);
    if (type_has_size(type))
        return deny(el, stmt->type->span,
                    "`%s` is %s: a %s has a fixed shape, and a run-time size changes from call to call", name,
                    type_name(el, type), kind_name(kind));
    if (kind == STORAGE_PARAM && !dtype_info[type->dtype].is_float)
        return deny(el, stmt->type->span, "a param is trained, so it is of a float dtype; a `buffer` may be %s",
                    dtype_info[type->dtype].name);
    if (kind == STORAGE_PARAM && !stmt->init)
        return deny(el, stmt->span, "param %s needs an initialiser, like = zeros()", name);
    return true;
}

static bool same_start(Span a, Span b) { return a.source == b.source && a.start == b.start; }

// Warns when two calls without a name have the same path: one of them is in a model that this entry calls.
static void warn_numbered(Elab *el, const Storage *storage) {
    const Frame *f = el->frame;
    while (f && !f->numbered) f = f->caller;
    if (!f || el->g == el->init || el->phase != PHASE_STEP) return;
    while (el->numbered.len <= storage->index) vec_push(el->arena, &el->numbered, (Span){0});
    Span *first = &el->numbered.at[storage->index];
    if (!first->source) *first = f->user;
    if (same_start(*first, f->user) || same_start(el->numbered_told, f->user)) return;
    el->numbered_told = f->user;
    diag_warning(el->diag, f->user,
                 "this %s has no name, and \"%s\" is the %s of another one too; name= makes two of them", f->decl->name,
                 storage->name, storage->kind == STORAGE_STATE ? "state" : "parameter");
    diag_note(el->diag, *first, "the other one");
}

// Finds or makes the storage of the full path and binds its name in the frame.
static bool declare(Elab *el, const AstStmt *stmt) {
    StorageKind kind = stmt->kind == DO_PARAM   ? STORAGE_PARAM
                       : stmt->kind == DO_STATE ? STORAGE_STATE
                       : el->frame->minimize    ? STORAGE_OPTIM
                                                : STORAGE_BUFFER;
    Type type;
    const char *component = stmt->path ? eval_string(el, stmt->path, "a parameter's path") : stmt->names.at[0].name;
    if (!component || !type_resolve(el, stmt->type, &type) || !check_declaration(el, stmt, kind, &type)) return false;
    if (!path_valid(component))
        return deny(el, stmt->path ? stmt->path->span : stmt->span,
                    "\"%s\" is no path: letters, digits, `_` and `-`, components joined by `.`", component);
    const char *path = path_join(el, el->frame->path, component);
    if (kind == STORAGE_OPTIM && !strcmp(component, "grad_sum"))
        return deny(
            el, stmt->path ? stmt->path->span : stmt->span,
            "a buffer cannot be called \"grad_sum\": that is the sum of gradients of an entry that accumulates");
    if (kind != STORAGE_OPTIM && !strncmp(path, "optim.", 6)) {
        return deny(el, stmt->path ? stmt->path->span : stmt->span,
                    "\"%s\": what begins with `optim.` belongs to the optimizers", path);
    }
    if (!strncmp(path, "state.random.", 13))
        return deny(el, stmt->path ? stmt->path->span : stmt->span,
                    "\"%s\": what begins with `state.random.` belongs to the random numbers of models", path);
    Storage *storage = module_find_storage(el->module, path);
    if (storage && !check_shared(el, stmt, storage, kind, &type)) return false;
    if (!storage) {
        storage = module_add_storage(el->module, path, kind, type, user_place(el, stmt->span));
        storage->user = entry_place(el, stmt->span);
        initialise(el, stmt, storage, component);
    } else {
        check_initial(el, stmt, storage, component);
    }
    if (kind == STORAGE_PARAM || kind == STORAGE_STATE) warn_numbered(el, storage);
    scope_bind(
        el, &el->frame->names,
        (Binding){.name = stmt->names.at[0].name, .value = value_none(), .storage = storage, .span = stmt->span});
    return true;
}

void run_storage(Elab *el, const AstStmt *stmt) {
    if (!declare(el, stmt)) frame_bind(el, el->frame, stmt->names.at[0].name, value_poison(), stmt->span);
}
