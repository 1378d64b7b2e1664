// scan.c: a loop over the steps of sequences. Its body is elaborated once.
//     hs, h = scan xt in x over 1 from h = h0 {        %3 = element %x' {loop=1}       x' is x with axis 1 first
//         h = tanh(xt + h)                             %4 = carry %h0 {loop=1, index=0}
//         yield h over 1                               %5 = tanh (%3 + %4)
//     }                                                %6 = stack %5 {loop=1}, next %4 = %5, %7 = last %5 {loop=1}
// Sequences and what is yielded run along axis 0 in the graph; transposes bring other axes there. The body is a scope:
// what it binds is gone after it, and a carried name means the step's value inside.
#include <string.h>

#include "frontend/elaborator.h"

typedef struct Scan {
    Elab *el;
    const AstScan *ast;
    Span span;
    bool reverse;
    Dim steps;
    NodeVec sequences; // steps first
    NodeVec initial, carries;
    int loop;
    // In `checkpoint(steps=16)`: the steps of a block, the loop over blocks around the other one, and what it carries.
    int block, blocks;
    NodeVec block_carries;
} Scan;

// The axis of a tensor of that rank; -1: reported. A yielded value has one axis more than it has in a step.
static int axis_of(Elab *el, const AstExpr *expr, int rank, Span span) {
    int64_t axis = 0;
    if (expr && !value_to_int(el, eval(el, expr), "an axis", expr->span, &axis)) return -1;
    if (axis >= -rank && axis < rank) return (int)(axis < 0 ? axis + rank : axis);
    refuse(el, expr ? expr->span : span,
           "scan: axis %lld is outside a tensor of %d ax%cs: they are 0 to %d, or -%d to -1 from the end",
           (long long)axis, rank, rank == 1 ? 'i' : 'e', rank - 1, rank);
    return -1;
}

// Moves an axis to another place; the others stay in order.
static Node *move_axis(Graph *g, Node *x, int from, int to) {
    int perm[MAX_RANK], rank = x->type.rank;
    for (int d = 0, k = 0; d < rank; d++) {
        if (k == from) k++;
        perm[d] = d == to ? from : k++;
    }
    return build_transpose(g, x, perm);
}

static bool read_options(Scan *s) {
    for (int k = 0; k < s->ast->options.len; k++) {
        const AstParam *option = &s->ast->options.at[k];
        if (strcmp(option->name, "reverse"))
            return deny(s->el, option->span,
                        "scan has no option `%s`; it has `reverse`, and a sequence is written `%s in x`", option->name,
                        option->name);
        if (k) return deny(s->el, option->span, "scan: `reverse` is given twice");
        if (!eval_bool(s->el, option->value, "`reverse`", &s->reverse)) return false;
    }
    return true;
}

// Whether one of the first `n` names is that of the parameter: then that is reported.
static bool is_taken(const Scan *s, const AstParams *names, int n, const AstParam *param, const char *as) {
    for (int k = 0; k < n; k++)
        if (!strcmp(names->at[k].name, param->name)) return !deny(s->el, param->span, "`%s` %s", param->name, as);
    return false;
}

static const char *length_text(Elab *el, Dim dim) {
    Str text = {.arena = el->arena};
    dim_print(&text, dim, el->module->sizes);
    return str_text(&text);
}

// What to write in place of something that is no sequence.
static const char *sequence_advice(Value v) {
    if (v.kind == VALUE_LIST) return "; concat makes one tensor of several";
    if (v.kind == VALUE_INT || v.kind == VALUE_SIZE) return "; iota([n]) counts n steps";
    if (!is_tensor(v)) return "";
    return dtype_info[v.node->type.dtype].is_int ? ", which has none; iota([T]) counts the steps of a `dim T`"
                                                 : ", which has none";
}

// Where one of two sequences has the length of the other along another axis, says how to go over that one.
static void note_over(const Scan *s, const AstParam *element, const Type *type, Dim length) {
    for (int d = 0; d < type->rank; d++)
        if (dim_equal(type->dim[d], length)) {
            diag_note(s->el->diag, (Span){0}, "axis %d of `%s` has %s: `%s in %s over %d`", d,
                      span_source(s->el, element->value->span), length_text(s->el, length), element->name,
                      span_source(s->el, element->value->span), d);
            return;
        }
}

static bool read_sequence(Scan *s, int k) {
    Elab *el = s->el;
    const AstParam *element = &s->ast->elements.at[k];
    if (is_taken(s, &s->ast->elements, k, element, "is the element of two sequences; give each a name")) return false;
    Value v = eval(el, element->value);
    if (is_poison(v)) return false;
    if (!is_tensor(v) || !v.node->type.rank)
        return deny(el, element->value->span, "scan goes over the elements of a tensor along an axis, got %s%s",
                    value_text(el, v), sequence_advice(v));
    int axis = axis_of(el, s->ast->axes.at[k], v.node->type.rank, element->value->span);
    if (axis < 0) return false;
    Dim dim = v.node->type.dim[axis];
    if (k && s->sequences.len == k && !dim_equal(dim, s->steps)) {
        const AstParam *first = &s->ast->elements.at[0];
        refuse(el, element->value->span,
               "scan: the sequences differ in length: `%s` has %s elements along axis %d, `%s` has %s", element->name,
               length_text(el, dim), axis, first->name, length_text(el, s->steps));
        note_over(s, element, &v.node->type, s->steps);
        if (!s->ast->axes.at[0]) note_over(s, first, &s->sequences.at[0]->type, dim);
        return false;
    }
    if (dim_bound(dim) == INT32_MAX) // what is kept of all steps and before them has one element more
        return deny(el, element->value->span, "scan: a loop has at most %d steps", INT32_MAX - 1);
    s->steps = dim;
    vec_push(el->arena, &s->sequences, move_axis(el->g, v.node, axis, 0));
    return true;
}

// What a number is as a tensor of rank 0.
static DType number_dtype(Value v) { return v.kind == VALUE_FLOAT ? F32 : v.kind == VALUE_BOOL ? BOOL : I64; }

static bool read_initial(Scan *s, int k) {
    Elab *el = s->el;
    const AstParam *carried = &s->ast->carried.at[k];
    if (is_taken(s, &s->ast->carried, k, carried, "is carried twice")) return false;
    if (is_taken(s, &s->ast->elements, s->ast->elements.len, carried,
                 "is the element of a sequence; carry another name"))
        return false;
    Value v = eval(el, carried->value);
    if (is_poison(v)) return false;
    if (v.kind == VALUE_BOOL && !strcmp(carried->name, "reverse"))
        return deny(el, carried->span, "`reverse` stands before `from`: `scan e in x, reverse=%s from ...`",
                    value_text(el, v));
    if (!is_tensor(v) && !is_number(v) && v.kind != VALUE_BOOL)
        return deny(el, carried->value->span, "a carried value is a tensor, got %s%s", value_text(el, v),
                    v.kind == VALUE_LIST ? "; carry its items under a name each" : "");
    Node *node = to_node(el, v, is_tensor(v) ? v.node->type.dtype : number_dtype(v), carried->value->span);
    if (node) vec_push(el->arena, &s->initial, node);
    return node != NULL;
}

static bool read_head(Scan *s) {
    bool good = read_options(s);
    if (!good && !s->ast->elements.len) return false;
    if (!s->ast->elements.len)
        return deny(s->el, s->span, "scan needs a sequence: `scan e in x over 0 { ... }`; iota([8]) counts steps");
    for (int k = 0; k < s->ast->elements.len; k++) good &= read_sequence(s, k);
    for (int k = 0; k < s->ast->carried.len; k++) good &= read_initial(s, k);
    return good;
}

// In the prelude, the name follows the name of the user's layer: "lstm.h".
static const char *node_name(const Scan *s, const char *name) {
    const AstDecl *decl = s->el->frame->decl;
    const char *user = s->el->g->name_now;
    bool in_prelude = decl && decl->span.source->prelude && user;
    return in_prelude ? path_join(s->el, user, name) : name;
}

static void name_inner(const Scan *s, int loop, const AstParam *name, Node *node) {
    if (node && node->loop == loop) node->name = node_name(s, name->name);
}

static void bind_inner(Scan *s, const AstParam *name, Node *node) {
    name_inner(s, s->loop, name, node);
    frame_bind(s->el, s->el->frame, name->name, value_tensor(node), name->span);
}

// ---- blocks of steps ------------------------------------------------------------------------------------------------
//
//     checkpoint(steps=16) {                                  loop 1 over 4 checkpoint  carries h from block to block
//         hs, h = scan xt in x from h = h0 { ... }            loop 2 over 16 in 1       x as f32[4, 16, ...]
//     }

static bool check_blocks(Scan *s) {
    int block = s->el->block_steps;
    if (!block) return true;
    if (s->steps.size)
        return deny(s->el, s->span,
                    "a scan in checkpoint(steps=%d) has a constant number of steps; this one has a run-time length",
                    block);
    if (block >= s->steps.extent) return true;
    if (s->steps.extent % block) {
        int below = block, above = block;
        while (s->steps.extent % below) below--;
        while (s->steps.extent % above) above++;
        return deny(s->el, s->span, "the %d steps of this scan are no blocks of %d; steps=%d and steps=%d divide them",
                    s->steps.extent, block, below, above);
    }
    if (s->el->g->kind == ENTRY_TRAIN) s->block = block; // a model has no gradient
    return true;
}

static Node *split_steps(Graph *g, Node *sequence, int block) {
    Type type = sequence->type;
    if (type.rank == MAX_RANK) return build_reshape(g, sequence, &type);
    for (int d = type.rank++; d > 1; d--) type.dim[d] = sequence->type.dim[d - 1];
    type.dim[0] = dim_fixed(sequence->type.dim[0].extent / block);
    type.dim[1] = dim_fixed(block);
    return build_reshape(g, sequence, &type);
}

static Node *join_steps(Graph *g, Node *blocks) {
    Type type = blocks->type;
    type.dim[0] = dim_fixed(type.dim[0].extent * type.dim[1].extent);
    for (int d = 1; d + 1 < type.rank; d++) type.dim[d] = type.dim[d + 1];
    type.rank--;
    return build_reshape(g, blocks, &type);
}

// Opens the loop over blocks: sequences and initial values become those of a block.
static void open_blocks(Scan *s) {
    Elab *el = s->el;
    Graph *g = el->g;
    if (!s->block) return;
    s->blocks = graph_loop_new(g, dim_fixed(s->steps.extent / s->block), s->reverse, g->loop_now);
    graph_loop(g, s->blocks)->checkpoint = true;
    g->loop_now = s->blocks;
    s->steps = dim_fixed(s->block);
    for (int k = 0; k < s->sequences.len; k++) {
        s->sequences.at[k] = build_element(g, s->blocks, split_steps(g, s->sequences.at[k], s->block));
        name_inner(s, s->blocks, &s->ast->elements.at[k], s->sequences.at[k]);
    }
    for (int k = 0; k < s->initial.len; k++) {
        Node *carry = build_carry(g, s->blocks, s->initial.at[k]);
        name_inner(s, s->blocks, &s->ast->carried.at[k], carry);
        vec_push(el->arena, &s->block_carries, carry);
        s->initial.at[k] = carry;
    }
}

static Node *stack_steps(const Scan *s, Node *value) {
    Graph *g = s->el->g;
    Node *stack = build_stack(g, s->loop, value);
    return s->block && stack ? join_steps(g, build_stack(g, s->blocks, stack)) : stack;
}

static Node *last_step(const Scan *s, int k) {
    Graph *g = s->el->g;
    Node *last = build_last(g, s->loop, graph_loop(g, s->loop)->next.at[k]);
    if (!s->block) return last;
    graph_loop_next(g, s->block_carries.at[k], last);
    return build_last(g, s->blocks, last);
}

static void open_loop(Scan *s) {
    Elab *el = s->el;
    Graph *g = el->g;
    place_nodes(el, s->span);
    open_blocks(s);
    s->loop = graph_loop_new(g, s->steps, s->reverse, g->loop_now);
    // A block's own steps are kept.
    graph_loop(g, s->loop)->checkpoint = g->kind == ENTRY_TRAIN && g->checkpoint_now && !s->block;
    g->loop_now = s->loop;
    for (int k = 0; k < s->sequences.len; k++)
        bind_inner(s, &s->ast->elements.at[k], build_element(g, s->loop, s->sequences.at[k]));
    for (int k = 0; k < s->initial.len; k++) {
        vec_push(el->arena, &s->carries, build_carry(g, s->loop, s->initial.at[k]));
        bind_inner(s, &s->ast->carried.at[k], s->carries.at[k]);
    }
}

// Notes what a carried value begins as, and what it would begin as to have the type that the step gives it.
static void note_initial(Scan *s, int k, const Type *made) {
    Elab *el = s->el;
    const Type *type = &s->carries.at[k]->type;
    Span span = s->ast->carried.at[k].value->span;
    Type both;
    bool grows = shape_broadcast(type, made, &both) && shape_equal(&both, made) && !shape_equal(type, made);
    if (dtype_info[made->dtype].is_float && grows)
        diag_note(el->diag, span, "it begins as %s; begin with the shape that the step gives it, as full(%s, 0.0)",
                  type_name(el, type), strchr(type_name(el, made), '['));
    else
        diag_note(el->diag, span, "it begins as %s", type_name(el, type));
}

// What a step makes of a carried value: the value of its name at the end of the body.
static bool end_carry(Scan *s, int k) {
    Elab *el = s->el;
    const AstParam *carried = &s->ast->carried.at[k];
    const Binding *bound = frame_find(el->frame, carried->name);
    const Type *type = &s->carries.at[k]->type;
    Value v = bound->value;
    if (is_poison(v)) return false;
    bool same_kind = is_number(v) ? type->dtype != BOOL : v.kind == VALUE_BOOL && type->dtype == BOOL;
    if (same_kind) v = value_tensor(to_node(el, v, type->dtype, bound->span));
    if (is_poison(v)) return false;
    if (!is_tensor(v) || !type_equal(&v.node->type, type)) {
        refuse(el, bound->span, "`%s` is carried as %s, and the step makes it %s: a carried value keeps its type",
               carried->name, type_name(el, type), value_text(el, v));
        if (!is_tensor(v) || note_carried(el, s->carries.at[k], v.node->type.dtype)) return false;
        if (v.node->type.dtype != type->dtype) note_dtype(el, v.node, type->dtype);
        note_initial(s, k, &v.node->type);
        return false;
    }
    if (v.node == s->carries.at[k] && !carried->span.source->prelude)
        warn_once(el, carried->span, "`%s` is carried, and no step assigns it: it stays what it was", carried->name);
    // A layer of the prelude names its nodes as a whole: what it hands on gets the name of what it carries.
    if (carried->span.source->prelude && v.node->loop == s->loop && !(v.node->op->traits & OP_INPUT))
        v.node->name = node_name(s, carried->name);
    graph_loop_next(el->g, s->carries.at[k], v.node);
    return true;
}

// ---- warnings ------------------------------------------------------------------------------------------------------

static bool reads_name(const AstExpr *expr, const char *name) {
    if (!expr) return false;
    if (expr->kind == AST_NAME) return !strcmp(expr->s, name);
    bool reads = reads_name(expr->left, name) || reads_name(expr->right, name) || reads_name(expr->third, name);
    for (int k = 0; k < expr->items.len; k++) reads |= reads_name(expr->items.at[k], name);
    for (int k = 0; k < expr->args.len; k++) reads |= reads_name(expr->args.at[k].value, name);
    return reads;
}

static bool has_name(const AstParams *names, const char *name) {
    for (int k = 0; k < names->len; k++)
        if (!strcmp(names->at[k].name, name)) return true;
    return false;
}

static bool assigns_before(const AstStmts *body, int end, const char *name) {
    for (int k = 0; k < end; k++)
        if (has_name(&body->at[k]->names, name)) return true;
    return false;
}

// `total = total + e`, where total was bound before the scan and is not carried, adds to that one in each step.
static void warn_of_lost(const Scan *s, const AstStmts *body) {
    for (int k = 0; k < body->len; k++) {
        const AstStmt *stmt = body->at[k];
        if (stmt->kind != DO_ASSIGN || stmt->names.len != 1) continue;
        const AstParam *to = &stmt->names.at[0];
        const Binding *bound = frame_find(s->el->frame, to->name);
        bool of_steps = has_name(&s->ast->elements, to->name) || has_name(&s->ast->carried, to->name);
        if (!bound || bound->storage || bound->inner || of_steps || assigns_before(body, k, to->name)) continue;
        if (reads_name(stmt->exprs.at[0], to->name))
            warn_once(s->el, to->span,
                      "`%s` is in each step what it was before the scan; carry it from step to step: `from %s = %s`",
                      to->name, to->name, to->name);
    }
}

// Appends the value of all steps.
static bool end_yield(Scan *s, const AstStmt *yield, int k, Value *results) {
    Elab *el = s->el;
    const AstExpr *expr = yield->exprs.at[k];
    const char *name = el->g->name_now;
    if (expr->kind == AST_NAME) el->g->name_now = node_name(s, expr->s);
    Value v = eval(el, expr);
    if (is_poison(v)) return false;
    if (!is_tensor(v) && !is_number(v) && v.kind != VALUE_BOOL)
        return deny(el, expr->span, "a scan yields tensors, got %s%s", value_text(el, v),
                    v.kind == VALUE_LIST ? "; yield its items, one by one" : "");
    if (!is_tensor(v)) v = value_tensor(to_node(el, v, number_dtype(v), expr->span));
    if (!v.node) return false;
    int axis = axis_of(el, yield->over.at[k], v.node->type.rank + 1, expr->span);
    Node *stack = axis < 0 ? NULL : stack_steps(s, v.node);
    if (stack) list_push(el, results, value_tensor(move_axis(el->g, stack, 0, axis)));
    el->g->name_now = name;
    return stack != NULL;
}

static bool run_steps(Scan *s, Value *results) {
    Elab *el = s->el;
    AstStmts body = s->ast->body;
    const AstStmt *yield = body.len && body.at[body.len - 1]->kind == DO_YIELD ? body.at[body.len - 1] : NULL;
    if (yield) body.len--;
    int errors = el->diag->errors;
    if (!s->span.source->prelude) warn_of_lost(s, &body);
    run_body(el, &body);
    bool good = el->diag->errors == errors && !el->stop;
    if (good && !yield && !s->carries.len)
        return deny(
            el, s->span,
            "this scan gives nothing: end its body with `yield NAME`, or carry a value with `from NAME = INITIAL`");
    for (int k = 0; yield && good && k < yield->exprs.len; k++) good &= end_yield(s, yield, k, results);
    for (int k = 0; good && k < s->carries.len; k++) good &= end_carry(s, k);
    return good;
}

// Names have the meaning again that they had before the body; what the body alone bound is marked.
static void close_scope(Frame *frame, const Binding *before, int n) {
    for (int k = 0; k < frame->names.all.len; k++)
        if (k < n)
            frame->names.all.at[k] = before[k];
        else
            frame->names.all.at[k].inner = true;
}

Value eval_scan(Elab *el, const AstExpr *expr) {
    Scan s = {.el = el, .ast = expr->scan, .span = expr->span};
    Frame *frame = el->frame;
    Graph *g = el->g;
    if (g->loop_now && graph_loop_depth(g, g->loop_now) + 1 == MAX_NEST)
        return refuse(el, s.span, "more than %d scans are nested here", MAX_NEST);
    if (!read_head(&s) || !check_blocks(&s)) return value_poison();
    int n = frame->names.all.len, outer = g->loop_now;
    Binding *before = NEW_ARRAY(el->arena, Binding, n + 1);
    for (int k = 0; k < n; k++) before[k] = frame->names.all.at[k];
    open_loop(&s);
    frame->scans++;
    const AstScan *around = frame->scan;
    frame->scan = s.ast;
    // In blocks the steps of one are kept while its gradient is computed: no pass computes them once more.
    const char *checkpoint = g->checkpoint_now;
    int block_steps = el->block_steps;
    if (s.block) g->checkpoint_now = NULL;
    el->block_steps = 0;
    Value results = value_list(el);
    bool good = run_steps(&s, &results);
    frame->scans--;
    frame->scan = around;
    g->checkpoint_now = checkpoint;
    el->block_steps = block_steps;
    g->loop_now = outer;
    for (int k = 0; good && k < s.carries.len; k++) {
        const char *name = g->name_now;
        g->name_now = node_name(&s, s.ast->carried.at[k].name);
        list_push(el, &results, value_tensor(last_step(&s, k)));
        g->name_now = name;
    }
    close_scope(frame, before, n);
    if (!good) return value_poison();
    if (results.list->len == 1) return results.list->at[0];
    results.kind = VALUE_TUPLE;
    return results;
}

void run_yield(Elab *el, const AstStmt *stmt) {
    refuse(el, stmt->keyword, "`yield` is the last statement of a scan's body");
}
