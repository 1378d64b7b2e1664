// minimize.c: minimize LOSS over "patterns" with OPTIMIZER(...).
//     minimize loss with sgd(lr=lr)    ->    gradients by autodiff, then sgd's body once per parameter:
//                                            store "fc1.weight" = %p - lr * %g
// What was computed before keeps its value; what comes after sees the new parameters. The optimizer's buffers are the
// storages optim.<entry>.<minimize>.<parameter>.<buffer>, its step count optim.<entry>.<minimize>.t.
#include <string.h>

#include "frontend/elaborator.h"

typedef struct Minimize {
    const char *prefix; // "optim.step.0"
    Node *step;         // t: the step count, incremented; NULL until it is read
} Minimize;

typedef struct Trained {
    Storage *storage;
    Node *gradient;
} Trained;
typedef VEC(Trained) TrainedVec;

// ---- which parameters ----------------------------------------------------------------------------------------------

static const char *component_end(const char *at) {
    const char *dot = strchr(at, '.');
    return dot ? dot : at + strlen(at);
}

// Whole components; `*` stands for one or more; what matches up to a component takes all below it.
static bool pattern_matches(const char *pattern, const char *path) {
    if (!*pattern) return true;
    if (!*path) return false;
    const char *pattern_end = component_end(pattern), *path_end = component_end(path);
    const char *rest = *pattern_end ? pattern_end + 1 : pattern_end;
    const char *below = *path_end ? path_end + 1 : path_end;
    if (pattern_end - pattern == 1 && *pattern == '*') {
        for (const char *at = below;; at = *component_end(at) ? component_end(at) + 1 : component_end(at)) {
            if (pattern_matches(rest, at)) return true;
            if (!*at) return false;
        }
    }
    bool same = pattern_end - pattern == path_end - path && !strncmp(pattern, path, (size_t)(path_end - path));
    return same && pattern_matches(rest, below);
}

// A parameter that the entry never read has no gradient.
static bool is_used(const Elab *el, const Storage *storage) {
    return storage->kind == STORAGE_PARAM && storage->index < el->versions.len && el->versions.at[storage->index].len;
}

// A pattern that matches nothing is a mistake, not an empty choice.
static bool check_pattern(Elab *el, const char *pattern, Span span) {
    VEC(const char *) names = {0};
    for (int k = 0; k < el->module->storages.len; k++) {
        const Storage *storage = el->module->storages.at[k];
        if (!is_used(el, storage)) continue;
        if (pattern_matches(pattern, storage->name)) return true;
        vec_push(el->arena, &names, storage->name);
        vec_push(el->arena, &names,
                 arena_strndup(el->arena, storage->name, (size_t)(component_end(storage->name) - storage->name)));
    }
    const char *nearest = diag_nearest(pattern, names.at, names.len);
    if (nearest)
        refuse(el, span, "no parameter matches \"%s\"; did you mean \"%s\"?", pattern, nearest);
    else
        refuse(el, span, "no parameter of this entry matches \"%s\"", pattern);
    return false;
}

// The parameters that the entry used so far and that the patterns ask for. False: reported.
static bool select_parameters(Elab *el, const AstStmt *stmt, TrainedVec *trained) {
    VEC(const char *) patterns = {0};
    for (int k = 0; k < stmt->over.len; k++) {
        const char *pattern = eval_string(el, stmt->over.at[k], "a pattern");
        if (!pattern || !check_pattern(el, pattern, stmt->over.at[k]->span)) return false;
        vec_push(el->arena, &patterns, pattern);
    }
    for (int k = 0; k < el->module->storages.len; k++) {
        Storage *storage = el->module->storages.at[k];
        bool wanted = patterns.len == 0;
        for (int p = 0; p < patterns.len; p++) wanted |= pattern_matches(patterns.at[p], storage->name);
        if (wanted && is_used(el, storage)) vec_push(el->arena, trained, (Trained){.storage = storage});
    }
    return true;
}

// ---- gradients -----------------------------------------------------------------------------------------------------

// Fills each gradient, NULL where the loss does not depend on the parameter. A parameter that an earlier minimize
// updated is there in two versions; the loss may depend on either, and the gradient is the sum.
static bool differentiate(Elab *el, Node *loss, TrainedVec *trained) {
    NodeVec wrt = {0};
    for (int k = 0; k < trained->len; k++) {
        const NodeVec *versions = &el->versions.at[trained->at[k].storage->index];
        for (int v = 0; v < versions->len; v++) vec_push(el->arena, &wrt, versions->at[v]);
    }
    Node **grads = NEW_ARRAY(el->arena, Node *, wrt.len + 1);
    bool *used = NEW_ARRAY(el->arena, bool, wrt.len + 1);
    if (!autodiff(el->g, loss, wrt.at, wrt.len, grads, used)) return false;
    int at = 0;
    for (int k = 0; k < trained->len; k++) {
        Trained *one = &trained->at[k];
        const NodeVec *versions = &el->versions.at[one->storage->index];
        for (int v = 0; v < versions->len; v++, at++)
            if (used[at])
                one->gradient = one->gradient ? build_binary(el->g, "add", one->gradient, grads[at]) : grads[at];
    }
    return true;
}

// ---- the optimizer -------------------------------------------------------------------------------------------------

// t, read for the first time in this minimize: 1 at the first step.
Value minimize_step(Elab *el, Frame *frame, Span span) {
    Minimize *minimize = frame->minimize;
    if (!minimize->step) {
        const char *name = arena_printf(el->arena, "%s.t", minimize->prefix);
        Storage *storage = module_add_storage(el->module, name, STORAGE_OPTIM, type_scalar(I64), user_place(el, span));
        storage->user = user_place(el, span);
        place_nodes(el, span);
        Node *step = build_binary(el->g, "add", storage_now(el, storage), build_constant_int(el->g, I64, 1));
        storage_set(el, storage, step, span);
        minimize->step = step;
    }
    return value_tensor(minimize->step);
}

// An optimizer's first parameters are p, g and, if it asks, t. Returns how many; 0: reported.
static int leading_params(Elab *el, const AstDecl *decl, Span span) {
    bool good = decl->params.len >= 2;
    for (int k = 0; k < 2 && good; k++) good = decl->params.at[k].type && decl->params.at[k].type->has_dims;
    if (!good) {
        refuse(el, decl->span,
               "optimizer %s must begin with the parameter and its gradient: (p: T[...S], g: T[...S], ...)",
               decl->name);
        diag_note(el->diag, span, "used");
        return 0;
    }
    bool has_step = decl->params.len > 2 && !strcmp(decl->params.at[2].name, "t");
    return has_step ? 3 : 2;
}

// One parameter: the optimizer's body in a frame of its own, with the step count bound lazily.
static bool update(Elab *el, const AstDecl *decl, const Args *args, int leading, Minimize *minimize, Trained *one,
                   Span span) {
    Storage *storage = one->storage;
    Frame *frame = NEW(el->arena, Frame);
    *frame = (Frame){.caller = el->frame, .decl = decl, .g = el->g, .user = user_place(el, span), .minimize = minimize};
    frame->path = arena_printf(el->arena, "%s.%s", minimize->prefix, storage->name);
    frame->counters = NEW(el->arena, Counters);
    bool good = bind_param(el, frame, &decl->params.at[0], value_tensor(storage_now(el, storage)), span) &&
                bind_param(el, frame, &decl->params.at[1], value_tensor(one->gradient), span);
    if (!good) return false;
    if (leading == 3) {
        frame_bind(el, frame, "t", value_none(), span);
        frame_find(frame, "t")->is_step = true;
    }
    if (!bind_args(el, frame, leading, args, span)) return false;
    el->g->name_now = storage->name;
    Value value = run_frame(el, frame, span);
    if (is_poison(value)) return false;
    if (!is_tensor(value) || !type_equal(&value.node->type, &storage->type)) {
        refuse(el, span, "%s returns %s for %s: %s", decl->name, value_text(el, value), storage->name,
               type_name(el, &storage->type));
        return false;
    }
    storage_set(el, storage, value.node, span);
    return true;
}

// NULL: reported.
static const AstDecl *find_optimizer(Elab *el, const AstExpr *call) {
    if (call->kind != AST_CALL) {
        refuse(el, call->span, "`with` takes an optimizer, like sgd(lr=0.1)");
        return NULL;
    }
    if (call->piped) {
        refuse(el, call->span, "chains of optimizers are not supported yet");
        return NULL;
    }
    const AstDecl *decl = find_decl(el, call->s);
    if (decl && decl->kind == DECL_OPTIMIZER) return decl;
    VEC(const char *) names = {0};
    for (int k = 0; k < el->file->decls.len; k++)
        if (el->file->decls.at[k]->kind == DECL_OPTIMIZER) vec_push(el->arena, &names, el->file->decls.at[k]->name);
    for (int k = 0; k < el->prelude.len; k++)
        if (el->prelude.at[k]->kind == DECL_OPTIMIZER) vec_push(el->arena, &names, el->prelude.at[k]->name);
    const char *nearest = diag_nearest(call->s, names.at, names.len);
    if (decl)
        refuse(el, call->op_span, "`%s` is no optimizer", call->s);
    else if (nearest)
        refuse(el, call->op_span, "unknown optimizer `%s`; did you mean `%s`?", call->s, nearest);
    else
        refuse(el, call->op_span, "unknown optimizer `%s`", call->s);
    return NULL;
}

// ---- the statement -------------------------------------------------------------------------------------------------

static bool check_loss(Elab *el, Value loss, Span span) {
    if (is_poison(loss)) return false;
    if (is_tensor(loss) && loss.node->type.rank == 0 && dtype_info[loss.node->type.dtype].is_float) return true;
    refuse(el, span, "minimize needs a scalar loss, f32[], got %s%s", value_text(el, loss),
           is_tensor(loss) && dtype_info[loss.node->type.dtype].is_float ? "; sum(x) and mean(x) make one" : "");
    return false;
}

// All gradients first, then all updates: each sees the parameters of before.
static void train(Elab *el, const AstStmt *stmt, const AstDecl *decl, const Args *args, Node *loss) {
    Minimize minimize = {.prefix = arena_printf(el->arena, "optim.%s.%d", el->g->name, el->minimizes++)};
    int leading = leading_params(el, decl, stmt->with->span);
    TrainedVec trained = {0};
    if (!leading || !select_parameters(el, stmt, &trained)) return;
    place_nodes(el, stmt->exprs.at[0]->span);
    if (!differentiate(el, loss, &trained)) return;
    int updated = 0;
    el->g->section_now = SECTION_UPDATE;
    for (int k = 0; k < trained.len; k++) {
        if (!trained.at[k].gradient) continue; // as in PyTorch: no gradient, no update
        if (!update(el, decl, args, leading, &minimize, &trained.at[k], stmt->with->span)) return;
        updated++;
    }
    if (!updated)
        refuse(el, stmt->exprs.at[0]->span, "the loss depends on no parameter%s, so there is nothing to train",
               stmt->over.len ? " that the patterns match" : "");
}

void run_minimize(Elab *el, const AstStmt *stmt) {
    const Frame *frame = el->frame;
    Args args = {0};
    if (frame->decl->kind != DECL_TRAIN) {
        refuse(el, stmt->keyword, "`minimize` stands in a train entry, and %s is none", frame->decl->name);
        return;
    }
    Value loss = eval(el, stmt->exprs.at[0]);
    const AstDecl *decl = find_optimizer(el, stmt->with);
    bool good = check_loss(el, loss, stmt->exprs.at[0]->span);
    enum Section section = el->g->section_now;
    const char *name = el->g->name_now;
    el->g->section_now = SECTION_UPDATE;
    if (decl && eval_args(el, stmt->with, &args) && good) {
        el->g->section_now = section;
        train(el, stmt, decl, &args, loss.node);
    }
    el->g->section_now = section;
    el->g->name_now = name;
}
