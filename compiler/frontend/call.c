// call.c: calls of layers and models: arguments to parameters, a frame, the body, the results.
//     x |> linear(256, name="fc1")    runs linear's body with x, out_features = 256 and the path "fc1"
// A layer is a template: it is run again for every call. Parameters are named by the path of calls that leads to them.
#include <string.h>

#include "frontend/elaborator.h"

// ---- arguments -----------------------------------------------------------------------------------------------------

// Evaluates the arguments in order. Every error is reported, not only the first.
bool eval_args(Elab *el, const AstExpr *call, int first, Args *args) {
    bool good = true, keywords = false;
    for (int k = first; k < call->args.len; k++) {
        const AstArg *arg = &call->args.at[k];
        Value v = eval(el, arg->value);
        if (v.kind == VALUE_TUPLE)
            v = refuse(el, arg->value->span, "`%s` gives several results: name them first, a, b = %s(...)",
                       arg->value->kind == AST_CALL ? arg->value->s : "this",
                       arg->value->kind == AST_CALL ? arg->value->s : "f");
        if (arg->name)
            keywords = true;
        else if (keywords)
            v = refuse(el, arg->value->span, "%s: an argument without a keyword stands after one with a keyword",
                       call->s);
        good &= !is_poison(v);
        vec_push(el->arena, args, (Arg){arg->name, arg->name_span, arg->value->span, v});
    }
    return good;
}

static int find_name(const Names *names, const char *name) {
    for (int k = 0; k < names->len; k++)
        if (!strcmp(names->at[k], name)) return k;
    return -1;
}

static bool unknown_keyword(Elab *el, const char *who, const Names *params, bool takes_name, const Arg *arg) {
    Names names = {0};
    for (int k = 0; k < params->len; k++) vec_push(el->arena, &names, params->at[k]);
    if (takes_name) vec_push(el->arena, &names, "name");
    return deny(el, arg->name_span, "%s has no argument `%s`%s", who, arg->name, did_you_mean(el, arg->name, &names));
}

bool match_args(Elab *el, const char *who, const Names *params, bool takes_name, const Args *args, int *given) {
    bool good = true;
    int next = 0, n = params->len;
    for (int k = 0; k < n; k++) given[k] = -1;
    for (int k = 0; k < args->len; k++) {
        const Arg *arg = &args->at[k];
        int to = arg->name ? find_name(params, arg->name) : next++;
        if (to >= n)
            return deny(el, arg->span, "%s takes %d argument%s, and this is one more", who, n, n == 1 ? "" : "s");
        if (to < 0)
            good = unknown_keyword(el, who, params, takes_name, arg);
        else if (given[to] >= 0)
            good = deny(el, arg->span, "%s: `%s` is given twice", who, params->at[to]);
        else
            given[to] = k;
    }
    return good;
}

bool bind_param(Elab *el, Frame *callee, const AstParam *param, Value value, Span span) {
    if (!type_match(el, callee, param, &value, span)) return false;
    frame_bind(el, callee, param->name, value, span);
    return true;
}

// Matches args to the parameters from `first` on: the caller does not give an optimizer's p, g and t. False: reported.
static bool assign_args(Elab *el, const AstDecl *decl, int first, const Args *args, int *given, Span span) {
    Names names = {0};
    for (int k = 0; k < first; k++) given[k] = -1;
    for (int k = first; k < decl->params.len; k++) vec_push(el->arena, &names, decl->params.at[k].name);
    if (!match_args(el, decl->name, &names, decl->kind == DECL_LAYER, args, given + first)) return false;
    for (int k = first; k < decl->params.len; k++) {
        const AstParam *param = &decl->params.at[k];
        if (given[k] >= 0 || param->value) continue;
        return deny(el, span, "%s needs `%s`: %s", decl->name, param->name,
                    param->type ? span_source(el, param->type->span) : "");
    }
    return true;
}

// `zeros([2, 3])`: an initialiser gets the parameter from its declaration; called elsewhere it needs a tensor.
static bool check_initialised(Elab *el, const AstDecl *decl, const Args *args, Span span) {
    const Source *source = decl->span.source;
    if (!source->prelude || strcmp(source->name, "initialisers.dl")) return true;
    const Arg *arg = args->len ? &args->at[0] : NULL;
    if (arg && (arg->name || is_tensor(arg->value))) return true;
    const char *value = !strcmp(decl->name, "zeros") ? "0.0" : !strcmp(decl->name, "ones") ? "1.0" : NULL;
    const char *shape = arg && arg->value.kind == VALUE_LIST ? value_text(el, arg->value) : "[2, 3]";
    return deny(el, arg ? arg->span : span, "%s is an initialiser of parameters, as in `param w: f32[2, 3] = %s()`%s",
                decl->name, decl->name,
                value ? arena_printf(el->arena, "; full(%s, %s) makes a tensor", shape, value) : "");
}

bool bind_args(Elab *el, Frame *callee, int first, const Args *args, Span span) {
    const AstDecl *decl = callee->decl;
    int *given = NEW_ARRAY(el->arena, int, decl->params.len + 1);
    if (!check_initialised(el, decl, args, span)) return false;
    if (!assign_args(el, decl, first, args, given, span)) return false;
    Frame *caller = el->frame;
    el->frame = callee; // defaults may use earlier arguments
    bool good = true;
    // Stop at the first error: the names that the parameter's type would have bound are missing.
    for (int k = first; k < decl->params.len && good; k++) {
        const AstParam *param = &decl->params.at[k];
        const Arg *arg = given[k] >= 0 ? &args->at[given[k]] : NULL;
        Value value = arg ? arg->value : eval(el, param->value);
        good = bind_param(el, callee, param, value, arg ? arg->span : user_place(el, span));
    }
    for (int k = 0; k < decl->params.len && good; k++) {
        const Arg *arg = given[k] >= 0 ? &args->at[given[k]] : NULL;
        const Binding *bound = frame_find(callee, decl->params.at[k].name);
        if (bound)
            good = type_check(el, callee, &decl->params.at[k], bound->value, arg ? arg->span : user_place(el, span));
    }
    el->frame = caller;
    return good;
}

// ---- frames --------------------------------------------------------------------------------------------------------

// Checks the returned values against the header, and may convert them (a number to f32[]).
static Value check_results(Elab *el, Frame *frame, Span span) {
    const AstDecl *decl = frame->decl;
    if (!frame->returned) {
        if (el->stop) return value_poison();
        return refuse(el, decl->name_span, "%s returns nothing: its body ends without `return`", decl->name);
    }
    if (!decl->results.len || is_poison(frame->result)) return frame->result;
    Value *values = frame->result.kind == VALUE_TUPLE ? frame->result.list->at : &frame->result;
    int n = frame->result.kind == VALUE_TUPLE ? frame->result.list->len : 1;
    if (frame->return_span.source) span = frame->return_span;
    if (n != decl->results.len)
        return refuse(el, span, "%s declares %d result%s and returns %d", decl->name, decl->results.len,
                      decl->results.len == 1 ? "" : "s", n);
    bool good = true;
    for (int k = 0; k < n; k++) good &= check_result(el, &decl->results.at[k], &values[k], span);
    return good ? frame->result : value_poison();
}

// Nodes made inside the prelude keep the name and the origin of the call that the user wrote.
Value run_frame(Elab *el, Frame *frame, Span span) {
    Frame *caller = el->frame;
    const char *name = el->g->name_now, *origin = el->g->origin_now;
    bool in_prelude = caller && caller->decl && caller->decl->span.source->prelude;
    const AstDecl *decl = frame->decl;
    el->frame = frame;
    if (frame->path[0] && !in_prelude && !frame->minimize) el->g->name_now = frame->path;
    if (!in_prelude) el->g->origin_now = decl->kind == DECL_LAYER || decl->kind == DECL_OPTIMIZER ? decl->name : NULL;
    el->depth += 3; // a call takes more of the C stack than an expression
    int errors = el->diag->errors;
    run_body(el, &decl->body);
    Value result = el->diag->errors > errors && !frame->returned ? value_poison() : check_results(el, frame, span);
    el->depth -= 3;
    el->frame = caller;
    el->g->name_now = name;
    el->g->origin_now = origin;
    return result;
}

Frame *frame_new(Elab *el, const AstDecl *decl, Frame *caller, const char *path) {
    Frame *frame = NEW(el->arena, Frame);
    *frame = (Frame){.caller = caller, .decl = decl, .g = el->g, .path = path, .counters = NEW(el->arena, Tags)};
    *frame->counters = frame->names.places = tags_by_name(el);
    return frame;
}

// "linear", then "linear_2" in order of use.
static const char *auto_name(Elab *el, Tags *counters, const char *name) {
    int n = ++*tag_of(counters, name);
    return n == 1 ? name : arena_printf(el->arena, "%s_%d", name, n);
}

// Removes name= from the arguments and returns its value in *name. False: reported.
static bool take_name(Elab *el, const AstDecl *decl, Args *args, const char **name) {
    for (int k = 0; k < args->len; k++) {
        const Arg arg = args->at[k];
        if (!arg.name || strcmp(arg.name, "name")) continue;
        memmove(&args->at[k], &args->at[k + 1], sizeof arg * (size_t)(args->len - k - 1));
        args->len--;
        if (decl->kind == DECL_MODEL)
            return deny(el, arg.name_span, "%s is a model and adds no component to the names of parameters",
                        decl->name);
        if (arg.value.kind != VALUE_STRING || (arg.value.s[0] && !path_valid(arg.value.s))) {
            return deny(el, arg.span,
                        "a name is a string of letters, digits, `_` and `-`, its components joined by `.`, got %s",
                        value_text(el, arg.value));
        }
        *name = arg.value.s;
        return true;
    }
    return true;
}

// Refuses recursion, and calls that nest too deeply. The chain of frames is the chain of calls.
static bool check_recursion(Elab *el, const AstDecl *decl, Span span) {
    int calls = 0;
    for (const Frame *f = el->frame; f; f = f->caller, calls++)
        if (f->decl == decl) {
            refuse(el, span, "%s calls itself; a layer is unrolled at compile time, so recursion would never end",
                   decl->name);
            for (const Frame *g = el->frame; g != f && (g = g->caller) != f;)
                diag_note(el->diag, g->user, "through %s, called", g->decl->name);
            return false;
        }
    if (calls < MAX_CALLS) return true;
    return deny(el, span, "calls nest deeper than %d", MAX_CALLS);
}

// name= extends the path of the parameters. A model adds nothing to it, so that all entries share its parameters.
Value call_layer(Elab *el, const AstDecl *decl, Args *args, Span span) {
    const char *name = NULL;
    if (!take_name(el, decl, args, &name) || !check_recursion(el, decl, span)) return value_poison();
    Frame *frame = frame_new(el, decl, el->frame, el->frame->path);
    frame->user = user_place(el, span);
    el->steps += 10; // a call costs more than an expression
    frame->numbered = decl->kind == DECL_LAYER && !name;
    if (frame->numbered) name = auto_name(el, el->frame->counters, decl->name);
    if (name && name[0]) frame->path = path_join(el, frame->path, name);
    if (name && !name[0]) frame->counters = el->frame->counters;
    if (!bind_args(el, frame, 0, args, span)) return value_poison();
    enum Section section = el->g->section_now;
    const Source *source = decl->span.source;
    if (source->prelude && !strcmp(source->name, "losses.dl") && section == SECTION_FORWARD)
        el->g->section_now = SECTION_LOSS;
    Value result = run_frame(el, frame, span);
    el->g->section_now = section;
    return result;
}

// ---- calls ---------------------------------------------------------------------------------------------------------

// Reports an unknown layer, with a suggestion from the user's layers, the prelude, the table and the operators.
static Value unknown_call(Elab *el, const AstExpr *call) {
    Names names = {0};
    push_names(el, &names, ~(1u << DECL_DIM));
    for (int k = 0; builtin_name(k); k++) vec_push(el->arena, &names, builtin_name(k));
    for (int k = 0; ops[k]; k++)
        if (ops[k]->traits & OP_ELEMENTWISE) vec_push(el->arena, &names, ops[k]->name);
    const char *meant = did_you_mean(el, call->s, &names);
    if (!meant[0] && frame_find(el->frame, call->s))
        return refuse(el, call->op_span, "`%s` is a value and cannot be called", call->s);
    return refuse(el, call->op_span, "unknown layer `%s`%s", call->s, meant);
}

Span call_span(const AstExpr *call) {
    Span end = {call->span.source, call->span.end, call->span.end};
    return call->piped ? span_join(call->op_span, end) : call->span;
}

Value eval_call(Elab *el, const AstExpr *call) {
    Span span = call_span(call);
    Args args = {0};
    const AstDecl *decl = find_decl(el, call->s);
    bool good = eval_args(el, call, 0, &args);
    if (!decl && !builtin_exists(el, call->s)) return unknown_call(el, call);
    if (!good) return value_poison();
    if (!decl) return call_builtin(el, call->s, &args, span);
    if (decl->kind == DECL_TRAIN)
        return refuse(el, call->op_span, "`%s` is a train entry: only models and layers can be called", call->s);
    if (decl->kind == DECL_OPTIMIZER)
        return refuse(el, call->op_span, "`%s` is an optimizer: it stands in `minimize loss with %s(...)`", call->s,
                      call->s);
    return call_layer(el, decl, &args, span);
}
