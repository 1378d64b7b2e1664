// gradients.c: patterns that select parameters, `freeze`, and gradients.
//     over "head", "*.bias"    freeze "encoder"    grad(loss, x)    grad(loss, "fc1.weight")
// Patterns and `freeze` name parameters by path, but autodiff works on nodes. A parameter that an earlier minimize
// updated has several versions, each a node: its gradient is the sum over all of them.
#include <string.h>

#include "frontend/builtin.h"

// ---- patterns ------------------------------------------------------------------------------------------------------

static const char *component_end(const char *at) {
    const char *dot = strchr(at, '.');
    return dot ? dot : at + strlen(at);
}

static const char *component_next(const char *at) {
    return *component_end(at) ? component_end(at) + 1 : component_end(at);
}

static bool component_is(const char *at, const char *text, size_t len) {
    return (size_t)(component_end(at) - at) == len && !strncmp(at, text, len);
}

// Compares whole components. `*` stands for one or more, and a pattern also matches every path below the one it names.
// On a mismatch only the last star takes one more component: the parts before it matched as far left as possible.
static bool pattern_matches(const char *pattern, const char *path) {
    size_t len = strlen(pattern);
    if (!len || pattern[len - 1] == '.') return false;
    const char *after_star = NULL, *longer = NULL; // where to go on when the star takes one component more
    while (*pattern) {
        bool star = component_is(pattern, "*", 1);
        if (*path && (star || component_is(path, pattern, (size_t)(component_end(pattern) - pattern)))) {
            pattern = component_next(pattern), path = component_next(path);
            if (star) after_star = pattern, longer = path;
        } else {
            if (!*path || !after_star) return false;
            pattern = after_star, path = longer = component_next(longer);
        }
    }
    return true;
}

// Whether the entry reads this parameter. A parameter that it never reads has no gradient.
static bool is_used(const Elab *el, const Storage *storage) {
    return storage->kind == STORAGE_PARAM && storage->index < el->versions.len && el->versions.at[storage->index].len;
}

// Reports a pattern that matches no parameter, and suggests the nearest name.
static bool refuse_pattern(Elab *el, const char *pattern, Span span) {
    VEC(const char *) names = {0};
    for (int k = 0; k < el->module->storages.len; k++) {
        const Storage *storage = el->module->storages.at[k];
        if (!is_used(el, storage)) continue;
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

static bool matches_any(const Elab *el, const char *pattern) {
    for (int k = 0; k < el->module->storages.len; k++) {
        const Storage *storage = el->module->storages.at[k];
        if (is_used(el, storage) && pattern_matches(pattern, storage->name)) return true;
    }
    return false;
}

bool patterns_read(Elab *el, const AstExprs *strings, Patterns *patterns) {
    for (int k = 0; k < strings->len; k++) {
        Span span = strings->at[k]->span;
        const char *text = eval_string(el, strings->at[k], "a pattern");
        if (!text) return false;
        if (!matches_any(el, text)) return refuse_pattern(el, text, span);
        vec_push(el->arena, patterns, ((Pattern){.text = text, .span = span}));
    }
    return true;
}

bool patterns_match(const Patterns *patterns, const char *path) {
    for (int k = 0; k < patterns->len; k++)
        if (pattern_matches(patterns->at[k].text, path)) return true;
    return false;
}

// ---- freeze --------------------------------------------------------------------------------------------------------

// In a layer, paths are relative to it. The parameters may be used only later, so patterns are checked at the end.
void run_freeze(Elab *el, const AstStmt *stmt) {
    for (int k = 0; k < stmt->exprs.len; k++) {
        const char *text = eval_string(el, stmt->exprs.at[k], "a pattern");
        if (!text) continue;
        const char *path = path_join(el, el->frame->path, text);
        vec_push(el->arena, &el->frozen, ((Pattern){path, stmt->exprs.at[k]->span, el->minimizes.len}));
    }
}

// Warns about a `freeze` that no minimize follows, unless an earlier `freeze` has the same pattern.
static void warn_late(Elab *el, int k) {
    const Pattern *late = &el->frozen.at[k];
    if (!el->minimizes.len || late->minimizes < el->minimizes.len || el->phase != PHASE_STEP) return;
    for (int before = 0; before < k; before++)
        if (!strcmp(el->frozen.at[before].text, late->text)) return;
    diag_warning(el->diag, user_place(el, late->span), "no `minimize` follows this `freeze`: it changes nothing");
}

void check_frozen(Elab *el) {
    for (int k = 0; k < el->frozen.len; k++)
        if (matches_any(el, el->frozen.at[k].text))
            warn_late(el, k);
        else
            refuse_pattern(el, el->frozen.at[k].text, el->frozen.at[k].span);
}

// ---- gradients -----------------------------------------------------------------------------------------------------
//
// Each run of autodiff through a loop makes a loop of its own, which no pass merges with another one. So the first
// `grad` of a loss that depends on loops asks for the gradients of all parameters at once, and later ones, and
// `minimize`, find theirs here. Gradients that nothing reads are dropped later.

static const KnownGradient *find_known(const Elab *el, const Node *loss, const Node *x) {
    for (int k = 0; k < el->known.len; k++)
        if (el->known.at[k].loss == loss && el->known.at[k].x == x) return &el->known.at[k];
    return NULL;
}

static bool all_known(const Elab *el, const Node *loss, const NodeVec *wrt) {
    for (int k = 0; k < wrt->len; k++)
        if (!find_known(el, loss, wrt->at[k])) return false;
    return true;
}

static bool learn_gradients(Elab *el, Node *loss, const NodeVec *wrt) {
    Node **grads = NEW_ARRAY(el->arena, Node *, wrt->len + 1);
    bool *used = NEW_ARRAY(el->arena, bool, wrt->len + 1);
    if (!autodiff(el->g, loss, wrt->at, wrt->len, grads, used)) return false;
    for (int k = 0; k < wrt->len; k++)
        vec_push(el->arena, &el->known, ((KnownGradient){loss, wrt->at[k], used[k] ? grads[k] : NULL}));
    return true;
}

// With what was asked for, all that a later `grad` of this loss may ask for. Nothing is reported: where a parameter has
// no gradient, the user did not ask for one.
static bool learn_all(Elab *el, Node *loss, const NodeVec *wrt) {
    NodeVec all = {0};
    for (int k = 0; k < wrt->len; k++) vec_push(el->arena, &all, wrt->at[k]);
    for (int k = 0; k < el->versions.len; k++)
        for (int v = 0; v < el->versions.at[k].len; v++) {
            Node *x = el->versions.at[k].at[v];
            bool is_float = dtype_info[x->type.dtype].is_float;
            if (is_used(el, el->module->storages.at[k]) && is_float && !nodes_have(&all, x))
                vec_push(el->arena, &all, x);
        }
    Diag *diag = el->module->diag, silent = {.out = diag->out, .errors = 1, .limit = 1};
    el->module->diag = &silent;
    bool good = learn_gradients(el, loss, &all);
    el->module->diag = diag;
    return good;
}

// The gradients of the nodes; an entry is NULL where the loss does not depend on one. False: reported.
static bool gradients_of(Elab *el, Node *loss, const NodeVec *wrt, bool one_of_several, Node **grads) {
    bool known = all_known(el, loss, wrt);
    if (!known && one_of_several && el->g->loops.len) known = learn_all(el, loss, wrt);
    if (!known && !learn_gradients(el, loss, wrt)) return false;
    for (int k = 0; k < wrt->len; k++) grads[k] = find_known(el, loss, wrt->at[k])->grad;
    return true;
}

void select_parameters(Elab *el, const Patterns *over, Gradients *to) {
    for (int k = 0; k < el->module->storages.len; k++) {
        Storage *storage = el->module->storages.at[k];
        bool wanted = over->len == 0 || patterns_match(over, storage->name);
        if (wanted && is_used(el, storage) && !patterns_match(&el->frozen, storage->name))
            vec_push(el->arena, to, (Gradient){.storage = storage});
    }
}

static bool differentiate_by(Elab *el, Node *loss, Gradients *of, bool one_of_several) {
    NodeVec wrt = {0};
    for (int k = 0; k < of->len; k++) {
        const NodeVec *versions = &el->versions.at[of->at[k].storage->index];
        for (int v = 0; v < versions->len; v++) vec_push(el->arena, &wrt, versions->at[v]);
    }
    Node **grads = NEW_ARRAY(el->arena, Node *, wrt.len + 1);
    if (!gradients_of(el, loss, &wrt, one_of_several, grads)) return false;
    int at = 0;
    for (int k = 0; k < of->len; k++) {
        Gradient *one = &of->at[k];
        const NodeVec *versions = &el->versions.at[one->storage->index];
        for (int v = 0; v < versions->len; v++, at++)
            if (grads[at]) one->node = one->node ? build_binary(el->g, "add", one->node, grads[at]) : grads[at];
    }
    return true;
}

bool differentiate(Elab *el, Node *loss, Gradients *of) { return differentiate_by(el, loss, of, false); }

bool check_loss(Elab *el, const char *who, Value loss, Span span) {
    if (is_poison(loss)) return false;
    bool is_float = is_tensor(loss) && dtype_info[loss.node->type.dtype].is_float;
    if (is_float && loss.node->type.rank == 0) return true;
    return deny(el, span, "%s needs a scalar loss, f32[], got %s%s", who, value_text(el, loss),
                is_float ? "; sum(x) and mean(x) make one" : "");
}

// The gradient of one parameter, given by its path.
static Value gradient_of_path(Elab *el, Node *loss, const char *path, Span span) {
    Gradients one = {0};
    for (int k = 0; k < el->module->storages.len; k++) {
        Storage *storage = el->module->storages.at[k];
        if (is_used(el, storage) && !strcmp(storage->name, path))
            vec_push(el->arena, &one, (Gradient){.storage = storage});
    }
    if (!one.len) {
        refuse_pattern(el, path, span);
        return value_poison();
    }
    if (!differentiate_by(el, loss, &one, true)) return value_poison();
    if (!one.at[0].node) return refuse(el, span, "grad: the loss does not depend on \"%s\"", path);
    return value_tensor(one.at[0].node);
}

static Value gradient_of(Elab *el, Node *loss, Value x, Span span) {
    if (is_poison(x)) return x;
    if (x.kind == VALUE_STRING) return gradient_of_path(el, loss, x.s, span);
    if (!is_tensor(x))
        return refuse(el, span, "grad: a tensor or the path of a parameter is needed, got %s", value_text(el, x));
    if (!dtype_info[x.node->type.dtype].is_float)
        return refuse(el, span, "grad: only floats have gradients, got %s", value_text(el, x));
    Node *grad;
    NodeVec wrt = {0};
    vec_push(el->arena, &wrt, x.node);
    if (!gradients_of(el, loss, &wrt, true, &grad)) return value_poison();
    if (!grad) return refuse(el, span, "grad: the loss does not depend on `%s`", span_source(el, span));
    return value_tensor(grad);
}

// grad(loss, x), where x is a tensor, a parameter's path, or a list of these. The result is a node like any other, and
// can be differentiated again, as for a gradient penalty.
Value run_grad(Elab *el, const Call *call) {
    if (el->g->loop_now)
        return refuse(el, call->span, "grad cannot stand in the body of a scan; take the gradient after the scan");
    if (!check_loss(el, "grad", call->arg[0], call->at[0])) return value_poison();
    Node *loss = call->arg[0].node;
    if (call->arg[1].kind != VALUE_LIST) return gradient_of(el, loss, call->arg[1], call->at[1]);
    Value list = value_list(el);
    NodeVec wrt = {0};
    for (int k = 0; k < call->arg[1].list->len; k++) {
        Value x = call->arg[1].list->at[k];
        if (is_tensor(x) && dtype_info[x.node->type.dtype].is_float) vec_push(el->arena, &wrt, x.node);
    }
    if (el->g->loops.len && wrt.len) learn_all(el, loss, &wrt);
    for (int k = 0; k < call->arg[1].list->len; k++) {
        Value one = gradient_of(el, loss, call->arg[1].list->at[k], call->at[1]);
        if (is_poison(one)) return one;
        list_push(el, &list, one);
    }
    return list;
}
