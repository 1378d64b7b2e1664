// minimize.c: minimize LOSS over "patterns" with OPTIMIZER(...).
//     minimize loss with sgd(lr=lr)    ->    gradients by autodiff, then sgd's body once per parameter:
//                                            store "fc1.weight" = %p - lr * %g
// Values computed before it do not change; statements after it see the new parameters. The optimizer's buffers are the
// storages optim.<entry>.<minimize>.<parameter>.<buffer>, its step count optim.<entry>.<minimize>.t.
//     with clip_norm(1.0) |> sgd(lr=lr)      layers before the optimizer map the list of all gradients to a new list
//     with { adamw(lr=lr) over "*.weight"; adamw(lr=lr, weight_decay=0) over "*" }      the first match wins
// An entry that accumulates becomes three graphs (enum Phase): the step, one that adds the gradients to the sums
// optim.<entry>.<minimize>.<parameter>.grad_sum, and one that updates from these sums.
#include <string.h>

#include "frontend/elaborator.h"

typedef struct Minimize {
    const char *prefix; // "optim.step.0"
    Node *step;         // t: the step count, incremented; NULL until it is read
} Minimize;

// One call of a chain: a layer from gradients to gradients, or at the end the optimizer.
typedef struct Link {
    const AstExpr *call;
    const AstDecl *decl;
    Args args;
} Link;
typedef VEC(Link) Chain;

// ---- chains --------------------------------------------------------------------------------------------------------

// Finds what a call of the chain names: an optimizer for the last one, a layer for those before it. NULL: reported.
static const AstDecl *find_link(Elab *el, const AstExpr *call, bool last) {
    if (call->kind != AST_CALL) {
        refuse(el, call->span, "`with` takes an optimizer, like sgd(lr=0.1)");
        return NULL;
    }
    AstDeclKind wanted = last ? DECL_OPTIMIZER : DECL_LAYER;
    const AstDecl *decl = find_decl(el, call->s);
    if (decl && decl->kind == wanted) return decl;
    Names names = {0};
    push_names(el, &names, 1u << wanted);
    const char *what = last ? "optimizer" : "layer";
    if (decl && last && decl->kind == DECL_LAYER)
        refuse(el, call->op_span, "`%s` is no optimizer; one stands at the end: %s(...) |> sgd(lr=0.1)", call->s,
               call->s);
    else if (decl)
        refuse(el, call->op_span, last ? "`%s` is no optimizer" : "`%s` is no layer that changes gradients", call->s);
    else
        refuse(el, call->op_span, "unknown %s `%s`%s", what, call->s, did_you_mean(el, call->s, &names));
    return NULL;
}

// Collects the calls of a chain in the order in which they run. False: reported.
static bool read_chain(Elab *el, const AstExpr *call, bool last, Chain *chain) {
    bool piped = call->kind == AST_CALL && call->piped;
    bool good = !piped || read_chain(el, call->args.at[0].value, false, chain);
    Link link = {.call = call, .decl = find_link(el, call, last)};
    if (!link.decl) return false;
    good &= eval_args(el, call, piped, &link.args);
    vec_push(el->arena, chain, link);
    return good;
}

// Runs a layer of a chain on the gradients of one group, or on all when group is -1. False: reported.
static bool change_gradients(Elab *el, const Link *link, Gradients *of, int group) {
    Span span = call_span(link->call);
    Value list = value_list(el);
    for (int k = 0; k < of->len; k++)
        if (of->at[k].node && (group < 0 || of->at[k].group == group))
            list_push(el, &list, value_tensor(of->at[k].node));
    if (!list.list->len) return true;
    Args args = {0};
    vec_push(el->arena, &args, ((Arg){.value = list, .span = span}));
    for (int k = 0; k < link->args.len; k++) vec_push(el->arena, &args, link->args.at[k]);
    Value result = call_layer(el, link->decl, &args, span);
    if (is_poison(result)) return false;
    if (result.kind != VALUE_LIST || result.list->len != list.list->len)
        return deny(el, span, "%s takes the list of gradients and gives one as long, %d here; got %s", link->decl->name,
                    list.list->len, value_text(el, result));
    for (int k = 0, at = 0; k < of->len; k++) {
        Gradient *one = &of->at[k];
        if (!one->node || (group >= 0 && one->group != group)) continue;
        Value changed = result.list->at[at++];
        if (!is_tensor(changed) || !type_equal(&changed.node->type, &one->node->type))
            return deny(el, span, "%s gives %s as the gradient of %s: %s", link->decl->name, value_text(el, changed),
                        one->storage->name, type_name(el, &one->storage->type));
        one->node = changed.node;
    }
    return true;
}

// ---- the optimizer -------------------------------------------------------------------------------------------------

// Makes the storage the first time; other phases and other iterations of a loop find it again.
static Storage *optim_storage(Elab *el, const char *name, Type type, Span span) {
    Storage *storage = module_find_storage(el->module, name);
    if (storage) return storage;
    storage = module_add_storage(el->module, name, STORAGE_OPTIM, type, user_place(el, span));
    storage->user = user_place(el, span);
    return storage;
}

// The step count t, which is 1 at the first step. Its node is made at the first read in this minimize.
Value minimize_step(Elab *el, Frame *frame, Span span) {
    Minimize *minimize = frame->minimize;
    if (!minimize->step) {
        const char *name = arena_printf(el->arena, "%s.t", minimize->prefix);
        Storage *storage = optim_storage(el, name, type_scalar(I64), span);
        place_nodes(el, span);
        Node *step = build_constant_int(el->g, I64, 1);
        step = build_binary(el->g, "add", storage_now(el, storage), step);
        storage_set(el, storage, step, span);
        minimize->step = step;
    }
    return value_tensor(minimize->step);
}

// An optimizer's first parameters are p, g and optionally t. Returns their number; 0: an error was reported.
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

// Updates one parameter: runs the optimizer's body in a frame of its own. The step count is made only if it is read.
static bool update(Elab *el, const Link *optimizer, int leading, Minimize *minimize, const Gradient *one) {
    const AstDecl *decl = optimizer->decl;
    Span span = call_span(optimizer->call);
    Storage *storage = one->storage;
    Frame *frame = frame_new(el, decl, el->frame, arena_printf(el->arena, "%s.%s", minimize->prefix, storage->name));
    frame->user = user_place(el, span);
    frame->minimize = minimize;
    bool good = bind_param(el, frame, &decl->params.at[0], value_tensor(storage_now(el, storage)), span) &&
                bind_param(el, frame, &decl->params.at[1], value_tensor(one->node), span);
    if (!good) return false;
    if (leading == 3)
        scope_bind(el, &frame->names, (Binding){.name = "t", .value = value_none(), .is_step = true, .span = span});
    if (!bind_args(el, frame, leading, &optimizer->args, span)) return false;
    el->g->name_now = storage->name;
    Value value = run_frame(el, frame, span);
    if (is_poison(value)) return false;
    if (!is_tensor(value) || !type_equal(&value.node->type, &storage->type))
        return deny(el, span, "%s returns %s for %s: %s", decl->name, value_text(el, value), storage->name,
                    type_name(el, &storage->type));
    storage_set(el, storage, value.node, span);
    return true;
}

// ---- accumulation --------------------------------------------------------------------------------------------------

// The number of samples of one call: the first axis of the first argument whose first axis is a run-time size. If there
// is none, that of the first tensor argument; without tensors, 1.
static Node *samples_of_call(Elab *el) {
    const Type *first = NULL;
    for (int k = 0; k < el->g->arguments.len; k++) {
        const Type *type = &el->g->arguments.at[k]->type;
        if (type->rank && (!first || (type->dim[0].size && !first->dim[0].size))) first = type;
    }
    return first ? build_size(el->g, first->dim[0]) : build_constant_int(el->g, I64, 1);
}

static Node *as_factor(Elab *el, Node *samples, const Type *type) {
    return build_broadcast_numpy(el->g, build_cast(el->g, samples, type->dtype), type);
}

// PHASE_ACCUMULATE: a loss is a mean over the samples of its call, so its gradient is multiplied by their number.
// PHASE_UPDATE: the gradient is the mean over all samples since the last update; sum and count start again from 0.
static void accumulate(Elab *el, const Minimize *minimize, Gradients *of, Span span) {
    Storage *count = optim_storage(el, arena_printf(el->arena, "%s.samples", minimize->prefix), type_scalar(I64), span);
    bool adds = el->phase == PHASE_ACCUMULATE;
    place_nodes(el, span);
    Node *before = storage_now(el, count), *here = samples_of_call(el);
    Node *samples = adds ? here : build_binary(el->g, "max", before, build_constant_int(el->g, I64, 1));
    for (int k = 0; k < of->len; k++) {
        Gradient *one = &of->at[k];
        if (!one->node) continue;
        const Type *type = &one->storage->type;
        Storage *sum = optim_storage(
            el, arena_printf(el->arena, "%s.%s.grad_sum", minimize->prefix, one->storage->name), *type, span);
        Node *held = storage_now(el, sum), *factor = as_factor(el, samples, type);
        el->g->name_now = one->storage->name;
        if (adds) {
            Node *part = build_binary(el->g, "mul", one->node, factor);
            storage_set(el, sum, build_binary(el->g, "add", held, part), span);
        } else {
            one->node = build_binary(el->g, "div", held, factor);
            storage_set(el, sum, build_full(el->g, type, 0), span);
        }
    }
    Node *after = adds ? build_binary(el->g, "add", before, here) : build_constant_int(el->g, I64, 0);
    storage_set(el, count, after, span);
}

// ---- the statement -------------------------------------------------------------------------------------------------

// "fc1.weight, fc1.bias and 3 more".
static const char *names_text(Elab *el, const Gradients *of, bool (*concerned)(const Gradient *)) {
    Str s = str_new(el->arena);
    int n = 0;
    for (int k = 0; k < of->len; k++) {
        if (!concerned(&of->at[k])) continue;
        if (n < 3) str_printf(&s, "%s\"%s\"", n ? ", " : "", of->at[k].storage->name);
        n++;
    }
    if (n > 3) str_printf(&s, " and %d more", n - 3);
    return n ? str_text(&s) : NULL;
}

static bool has_no_gradient(const Gradient *one) { return !one->node; }
static bool has_no_group(const Gradient *one) { return one->group < 0; }

// As in PyTorch, a parameter without a gradient is not updated. But each pattern of `over` must match one that has one.
static bool check_dependence(Elab *el, const AstStmt *stmt, const Patterns *over, const Gradients *of) {
    int trained = 0;
    for (int k = 0; k < of->len; k++) trained += of->at[k].node != NULL;
    if (!trained) {
        bool frozen = !of->len && el->frozen.len;
        return deny(el, stmt->exprs.at[0]->span, "the loss depends on no parameter%s, so there is nothing to train",
                    frozen      ? " that is not frozen"
                    : over->len ? " that the patterns match"
                                : "");
    }
    for (int p = 0; p < over->len; p++) {
        Patterns one = {.at = &over->at[p], .len = 1};
        bool any = false;
        for (int k = 0; k < of->len; k++) any |= of->at[k].node && patterns_match(&one, of->at[k].storage->name);
        if (any) continue;
        return deny(el, over->at[p].span, "the loss depends on no parameter that \"%s\" matches%s", over->at[p].text,
                    el->frozen.len ? " and that is not frozen" : "");
    }
    const char *left = names_text(el, of, has_no_gradient);
    if (left && el->phase == PHASE_STEP)
        diag_warning(
            el->diag, user_place(el, stmt->exprs.at[0]->span),
            "the loss does not depend on %s: not trained here; `freeze` or `over` says so without this warning", left);
    return true;
}

// Gives each parameter to the first group that matches it, and leaves out the others. False: reported.
static bool assign_groups(Elab *el, const AstStmt *stmt, Gradients *of) {
    for (int k = 0; k < of->len; k++) of->at[k].group = -1;
    for (int g = 0; g < stmt->with.groups.len; g++) {
        Patterns patterns = {0};
        const AstGroup *group = &stmt->with.groups.at[g];
        if (!patterns_read(el, &group->over, &patterns)) return false;
        int taken = 0;
        for (int k = 0; k < of->len; k++) {
            if (of->at[k].group >= 0 || (patterns.len && !patterns_match(&patterns, of->at[k].storage->name))) continue;
            of->at[k].group = g;
            taken++;
        }
        if (!taken && of->len && el->phase == PHASE_STEP)
            diag_warning(el->diag, user_place(el, call_span(group->with)),
                         "this group is left without a parameter: those that it matches are in a group before it, "
                         "frozen or outside of `over`");
    }
    const char *left = names_text(el, of, has_no_group);
    if (left && el->phase == PHASE_STEP)
        diag_warning(el->diag, user_place(el, stmt->keyword),
                     "no group takes %s: not trained here; end with a group over \"*\", or `freeze` them", left);
    int kept = 0;
    for (int k = 0; k < of->len; k++)
        if (of->at[k].group >= 0) of->at[kept++] = of->at[k];
    of->len = kept;
    return true;
}

// The number of this minimize in the entry. All iterations of a loop share it, and so the state. -1: reported.
static int minimize_number(Elab *el, const AstStmt *stmt) {
    for (int k = 0; k < el->minimizes.len; k++) {
        if (el->minimizes.at[k] != stmt) continue;
        if (!el->frame->decl->accumulates) return k;
        refuse(el, stmt->keyword, "in an entry that accumulates, a `minimize` runs once, and this stands in a loop");
        return -1;
    }
    vec_push(el->arena, &el->minimizes, stmt);
    return el->minimizes.len - 1;
}

// All gradients are computed before the first update, so that every gradient sees the old parameters.
static void train(Elab *el, const AstStmt *stmt, const Chain *common, const Chain *chains, Node *loss) {
    int number = minimize_number(el, stmt);
    if (number < 0) return;
    Minimize minimize = {.prefix = arena_printf(el->arena, "optim.%s.%d", el->frame->decl->name, number)};
    Gradients of = {0};
    Patterns over = {0};
    if (!patterns_read(el, &stmt->over, &over)) return;
    select_parameters(el, &over, &of);
    if (!assign_groups(el, stmt, &of)) return;
    place_nodes(el, stmt->exprs.at[0]->span);
    if (!differentiate(el, loss, &of) || !check_dependence(el, stmt, &over, &of)) return;
    el->g->section_now = SECTION_UPDATE;
    if (el->phase != PHASE_STEP) accumulate(el, &minimize, &of, stmt->keyword);
    if (el->phase == PHASE_ACCUMULATE) return;
    for (int k = 0; k < common->len; k++)
        if (!change_gradients(el, &common->at[k], &of, -1)) return;
    for (int g = 0; g < stmt->with.groups.len; g++) {
        const Chain *chain = &chains[g];
        const Link *optimizer = &chain->at[chain->len - 1];
        int leading = leading_params(el, optimizer->decl, call_span(optimizer->call));
        if (!leading) return;
        for (int k = 0; k < chain->len - 1; k++)
            if (!change_gradients(el, &chain->at[k], &of, g)) return;
        for (int k = 0; k < of.len; k++)
            if (of.at[k].node && of.at[k].group == g && !update(el, optimizer, leading, &minimize, &of.at[k])) return;
    }
}

void run_minimize(Elab *el, const AstStmt *stmt) {
    const Frame *frame = el->frame;
    if (frame->decl->kind != DECL_TRAIN) {
        refuse(el, stmt->keyword, "`minimize` stands in a train entry, and %s is none", frame->decl->name);
        return;
    }
    if (el->g->loop_now) {
        refuse(el, stmt->keyword, "`minimize` cannot stand in the body of a scan: it updates parameters once a call");
        return;
    }
    if (el->g->checkpoint_now) {
        refuse(
            el, stmt->keyword,
            "`minimize` cannot stand in a `checkpoint` block: what the block computes again is for the backward pass "
            "of a later `minimize`");
        return;
    }
    Value loss = eval(el, stmt->exprs.at[0]);
    enum Section section = el->g->section_now;
    const char *name = el->g->name_now;
    bool training = el->training;
    el->training = true; // in an `eval` block too: optimizers write buffers
    el->g->section_now = SECTION_UPDATE;
    Chain common = {0}, *chains = NEW_ARRAY(el->arena, Chain, stmt->with.groups.len + 1);
    bool good = !stmt->with.chain || read_chain(el, stmt->with.chain, false, &common);
    for (int g = 0; g < stmt->with.groups.len; g++)
        good &= read_chain(el, stmt->with.groups.at[g].with, true, &chains[g]);
    el->g->section_now = section;
    good &= check_loss(el, "minimize", loss, stmt->exprs.at[0]->span);
    if (good) train(el, stmt, &common, chains, loss.node);
    el->g->section_now = section;
    el->g->name_now = name;
    el->training = training;
}
