// stmt.c: statements: assignment, return, for, if, require, warn.
//     for i in 0..2 { x = linear(x, 8, name="fc{i}") }     runs its body twice; nothing of it is left in the graph
// They run in order, at compile time. `for` and `if` open no scope.
#include <string.h>

#include "frontend/elaborator.h"

// Assigning to the name of a buffer or state writes it; any other name gets a new binding.
static void bind_target(Elab *el, const AstParam *target, Value value, Span span) {
    Frame *frame = el->frame;
    const Binding *dim = frame->decl->span.source->prelude ? NULL : scope_find(&el->dims, target->name);
    if (dim && !frame_find(frame, target->name)) {
        refuse(el, target->span, "`%s` is a dim and cannot be assigned", target->name);
        return;
    }
    Binding *bound = frame_find(frame, target->name);
    if (bound && bound->storage && bound->storage->kind == STORAGE_PARAM) {
        refuse(el, target->span,
               "`%s` is a param, and `minimize` alone changes it: give the value another name, or make it a buffer, "
               "which training can assign",
               target->name);
        return;
    }
    bool writes = bound && bound->storage;
    if (!writes) {
        frame_bind(el, frame, target->name, value, target->span);
        return;
    }
    if (is_poison(value)) return;
    Storage *storage = bound->storage;
    if (!el->training && storage->kind != STORAGE_STATE) {
        refuse(el, target->span, "buffer `%s` is written in training only: put this into `if training { ... }`",
               target->name);
        return;
    }
    if (is_number(value)) {
        Node *number = to_node(el, value, storage->type.dtype, span);
        value = number ? value_tensor(build_broadcast_numpy(el->g, number, &storage->type)) : value_poison();
    }
    if (is_poison(value)) return;
    if (!is_tensor(value) || !type_equal(&value.node->type, &storage->type)) {
        refuse(el, span, "`%s` is %s and cannot hold %s", target->name, type_name(el, &storage->type),
               value_text(el, value));
        if (is_tensor(value) && value.node->type.dtype != storage->type.dtype)
            note_dtype(el, value.node, storage->type.dtype);
        return;
    }
    storage_set(el, storage, value.node, span);
}

// A float scalar that a train entry computes itself is taken for a loss. The nodes that lead to it move to the section
// LOSS, back to the last contraction or a loss of the prelude. Nodes before `before` belong to other statements.
static void mark_loss(Elab *el, Node *loss, int before) {
    const NodeVec *nodes = &el->g->nodes;
    bool *wanted = NEW_ARRAY(el->arena, bool, loss->id - before + 1);
    wanted[loss->id - before] = true;
    for (int id = loss->id; id >= before; id--) {
        Node *node = nodes->at[id];
        if (!wanted[id - before] || node->section != SECTION_FORWARD) continue;
        if (node->op->traits & OP_INPUT || node_is(node, contract)) continue;
        node->section = SECTION_LOSS;
        for (int k = 0; k < node->nin; k++)
            if (node->in[k]->id >= before) wanted[node->in[k]->id - before] = true;
    }
}

// In an entry, the result of an assignment has the target's name, and the nodes that lead to it do not. When a name is
// bound again, the result keeps the path of its layer: x = x |> block(name="blocks.{i}").
static void name_result(Elab *el, const AstParam *target, Value value, int before) {
    if (!is_tensor(value) || value.node->id < before || value.node->op->traits & OP_INPUT) return;
    bool entry = el->frame->decl->kind == DECL_MODEL || el->frame->decl->kind == DECL_TRAIN;
    if (!entry || value.node->section == SECTION_BACKWARD) return;
    for (int id = before; id < value.node->id; id++)
        if (el->g->nodes.at[id]->name == target->name) el->g->nodes.at[id]->name = NULL;
    if (!value.node->name || !frame_find(el->frame, target->name)) value.node->name = target->name;
    bool number = value.node->type.rank == 0 && dtype_info[value.node->type.dtype].is_float;
    if (number && el->frame->decl->kind == DECL_TRAIN) mark_loss(el, value.node, before);
}

// ": lstm gives y, h, c": what the called layer's header or its last `return` calls its n results; or "".
static const char *names_of_results(Elab *el, const AstExpr *call, int n) {
    const AstDecl *decl = call->kind == AST_CALL ? find_decl(el, call->s) : NULL;
    for (int depth = 0; decl && depth < MAX_CALLS; depth++) {
        bool declared = decl->results.len == n && decl->results.at[0].name;
        const AstStmt *last = decl->body.len ? decl->body.at[decl->body.len - 1] : NULL;
        if (!declared && (!last || last->kind != DO_RETURN)) return "";
        const AstExprs *values = last ? &last->exprs : NULL;
        if (!declared && values->len == 1 && values->at[0]->kind == AST_CALL) { // what that one returns
            decl = find_decl(el, values->at[0]->s);
            continue;
        }
        Str names = str_new(el->arena);
        for (int k = 0; k < n; k++) {
            if (!declared && (values->len != n || values->at[k]->kind != AST_NAME)) return "";
            str_printf(&names, "%s%s", k ? ", " : "", declared ? decl->results.at[k].name : values->at[k]->s);
        }
        return arena_printf(el->arena, ": %s gives %s", call->s, str_text(&names));
    }
    return "";
}

// Nodes of the right side get the target's name, unless they have the path of a layer.
static void run_assign(Elab *el, const AstStmt *stmt) {
    const char *name = el->g->name_now;
    int before = el->g->nodes.len;
    if (!el->frame->path[0] || !name) el->g->name_now = stmt->names.at[0].name;
    const AstExpr *expr = stmt->exprs.at[0];
    Value value = eval(el, expr);
    el->g->name_now = name;
    if (stmt->names.len == 1) name_result(el, &stmt->names.at[0], value, before);
    int n = stmt->names.len, got = value.kind == VALUE_TUPLE ? value.list->len : 1;
    // `a, b = [x, y]` takes a list apart as well.
    if (n > 1 && value.kind == VALUE_LIST) got = value.list->len;
    if (!is_poison(value) && got != n)
        value = refuse(el, expr->span, "%d name%s for %d result%s%s", n, n == 1 ? "" : "s", got, got == 1 ? "" : "s",
                       expr->kind == AST_SCAN ? ": what is yielded, then what is carried"
                                              : names_of_results(el, expr, got));
    for (int k = 0; k < n; k++)
        bind_target(el, &stmt->names.at[k], n == 1 || is_poison(value) ? value : value.list->at[k], expr->span);
}

// frame->returned stops every enclosing body, so that no later statement runs.
static void run_return(Elab *el, const AstStmt *stmt) {
    if (el->frame->scans) {
        refuse(el, stmt->keyword, "`return` stands in the body of a scan: `yield` gives what a step computes");
        return;
    }
    Value tuple = {.kind = VALUE_TUPLE, .list = NEW(el->arena, ValueList)};
    bool good = true;
    for (int k = 0; k < stmt->exprs.len; k++) {
        Value v = eval(el, stmt->exprs.at[k]);
        good &= !is_poison(v);
        list_push(el, &tuple, v);
    }
    Frame *frame = el->frame;
    frame->returned = true;
    if (stmt->exprs.len)
        frame->return_span = span_join(stmt->exprs.at[0]->span, stmt->exprs.at[stmt->exprs.len - 1]->span);
    frame->result = !good ? value_poison() : tuple.list->len == 1 ? tuple.list->at[0] : tuple;
}

// el->loop is for the message when a limit is hit inside the loop.
static void run_for(Elab *el, const AstStmt *stmt) {
    const AstExpr *over = stmt->exprs.at[0];
    Value list = eval(el, over);
    if (!is_poison(list) && list.kind != VALUE_LIST)
        list = refuse(el, over->span, "`for` goes over a list or a range like 0..4, got %s", value_text(el, list));
    const AstParam *name = &stmt->names.at[0];
    if (is_poison(list)) {
        frame_bind(el, el->frame, name->name, list, name->span);
        return;
    }
    const AstStmt *outer = el->loop;
    el->loop = stmt;
    int errors = el->diag->errors;
    for (int k = 0; k < list.list->len && !el->frame->returned && !el->stop; k++) {
        bind_target(el, name, list.list->at[k], over->span);
        run_body(el, &stmt->body);
        if (el->diag->errors > errors) break; // the next round would only say it again
    }
    el->loop = outer;
}

static void run_if(Elab *el, const AstStmt *stmt) {
    bool condition;
    if (eval_bool(el, stmt->exprs.at[0], "a condition", &condition)) {
        run_body(el, condition ? &stmt->body : &stmt->other);
        return;
    }
    // It is unknown which side runs, so the names that either side assigns are poison, and no more errors follow.
    const AstStmts *sides[2] = {&stmt->body, &stmt->other};
    for (int s = 0; s < 2; s++)
        for (int k = 0; k < sides[s]->len; k++) {
            const AstStmt *inner = sides[s]->at[k];
            if (inner->kind == DO_RETURN) {
                el->frame->returned = true;
                el->frame->result = value_poison();
            }
            for (int n = 0; n < inner->names.len; n++)
                frame_bind(el, el->frame, inner->names.at[n].name, value_poison(), inner->span);
        }
}

// Runs the block as in a model, not as in training: for a frozen backbone or a teacher.
static void run_eval(Elab *el, const AstStmt *stmt) {
    bool training = el->training;
    el->training = false;
    run_body(el, &stmt->body);
    el->training = training;
}

// require(cond, message) is an error when cond is false; warn(cond, message) is a warning when cond is true.
static void run_check(Elab *el, const AstStmt *stmt) {
    bool condition, warns = stmt->kind == DO_WARN;
    const char *what = warns ? "what `warn` asks" : "what `require` asks";
    if (!eval_bool(el, stmt->exprs.at[0], what, &condition) || condition != warns) return;
    const char *message =
        eval_string(el, stmt->exprs.at[1], warns ? "the message of `warn`" : "the message of `require`");
    if (!message) return;
    if (!message[0])
        message = arena_printf(el->arena, "%s%s", warns ? "" : "requires ", span_source(el, stmt->exprs.at[0]->span));
    // A layer's message is about its arguments, so it is reported at the call.
    Span place = el->frame->caller ? el->frame->user : stmt->span;
    if (warns) {
        warn_once(el, place, "%s: %s", blamed_layer(el), message);
        return;
    }
    refuse(el, place, "%s: %s", blamed_layer(el), message);
    el->frame->returned = true;
    el->frame->result = value_poison();
}

// Opens no scope. Each node records the blocks that it is in, "2.3", for the pass rematerialise.
static void run_checkpoint(Elab *el, const AstStmt *stmt) {
    Graph *g = el->g;
    const char *outer = g->checkpoint_now;
    int depth = 1;
    for (const char *at = outer ? outer : ""; *at; at++) depth += *at == '.' || at == outer;
    if (el->frame->minimize)
        refuse(el, stmt->keyword, "`checkpoint` cannot stand in an optimizer: no backward pass reads what it computes");
    if (depth > MAX_COPY) {
        refuse(el, stmt->keyword, "more than %d `checkpoint` blocks are nested here", MAX_COPY);
        return;
    }
    int64_t steps = 0, outer_steps = el->block_steps;
    if (stmt->exprs.len && !value_to_int(el, eval(el, stmt->exprs.at[0]), "`steps`", stmt->exprs.at[0]->span, &steps))
        return;
    if (stmt->exprs.len && (steps < 1 || steps > INT32_MAX)) {
        refuse(el, stmt->exprs.at[0]->span, "the steps of a block are at least 1, got %lld", (long long)steps);
        return;
    }
    g->checkpoint_now = arena_printf(el->arena, "%s%s%d", outer ? outer : "", outer ? "." : "", ++el->checkpoints);
    el->block_steps = (int)steps;
    int loops = g->loops.len, errors = el->diag->errors;
    run_body(el, &stmt->body);
    if (steps && g->loops.len == loops && el->diag->errors == errors && g->kind == ENTRY_TRAIN)
        warn_once(el, user_place(el, stmt->exprs.at[0]->span),
                  "checkpoint: `steps` cuts the steps of a scan into blocks, and there is no scan in here: put it "
                  "here, or write `checkpoint { ... }`");
    el->block_steps = outer_steps;
    g->checkpoint_now = outer;
}

static void (*const run[])(Elab *el, const AstStmt *stmt) = {
    [DO_ASSIGN] = run_assign,
    [DO_RETURN] = run_return,
    [DO_PARAM] = run_storage,
    [DO_BUFFER] = run_storage,
    [DO_STATE] = run_storage,
    [DO_FOR] = run_for,
    [DO_IF] = run_if,
    [DO_REQUIRE] = run_check,
    [DO_WARN] = run_check,
    [DO_MINIMIZE] = run_minimize,
    [DO_FREEZE] = run_freeze,
    [DO_EVAL] = run_eval,
    [DO_CHECKPOINT] = run_checkpoint,
    [DO_YIELD] = run_yield,
};

void run_body(Elab *el, const AstStmts *body) {
    for (int k = 0; k < body->len && !el->frame->returned; k++) {
        if (!spend_step(el, body->at[k]->span)) return;
        run[body->at[k]->kind](el, body->at[k]);
        if (body->at[k]->kind == DO_RETURN && k + 1 < body->len)
            warn_once(el, body->at[k + 1]->span, "this stands after a `return`, and never runs");
    }
}
