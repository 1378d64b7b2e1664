// print.c: the text of a program: `dlc --emit=loops`, and what tests compare. docs/loops.md explains the form.
//     call 0: linear_relu (contraction 6x4)
//       # h = linear, relu at mlp.dl:7:9
//       for n = 0 .. N:
//         local acc: f32 double = 0
//         for i = 0 .. 784:
//           acc += mul(image[n, i], fc1.weight[o, i])
// What an expression uses more than once has a name of its own, in a line above it: %1 = exp(x[n, i]). Buffers of one
// name get numbers. The calls of a loop over steps stand in it, and say which slots they are given:
//     for t = 0 .. T: # loop 1 at rnn.dl:4:9
//       call 4: linear_add_tanh (rows)
//         # h_2 is h_slots[t + 1], h_3 is h_slots[t]
#include <stdlib.h>
#include <string.h>

#include "loops/recipes.h"

typedef struct Printer {
    Str *s;
    Arena scratch; // of the call being printed
    Arena *arena;
    const Size *sizes;
    int depth;
    Tags *tags; // of the expression being printed: how often it is used, then minus its name's number
    int names;
    Tags number;  // of buffers whose name another one has: h_2
    Tags by_text; // names that are taken
    VEC(struct Named {
        const Var *var;
        const char *name;
    })
    loops; // around the statement being printed
} Printer;

static void put_expr(Printer *p, const Expr *e);
static void put_index(Printer *p, const Index *index);

static void put_line(Printer *p) { str_printf(p->s, "\n%*s", 2 * p->depth, ""); }

// ---- indices --------------------------------------------------------------------------------------------------------

// The constant or run-time size, plus c.
static void put_by(Printer *p, const Atom *atom, int64_t c) {
    if (!atom->other) {
        str_printf(p->s, "%lld", (long long)(atom->by + c));
        return;
    }
    Index by = *atom->other;
    by.c += c;
    bool sum = !c && (by.nterms != 1 || by.c || by.term[0].coef != 1);
    str_put(p->s, sum ? "(" : "");
    put_index(p, &by);
    str_put(p->s, sum ? ")" : "");
}

static const char *var_name(const Printer *p, const Var *var) {
    for (int k = 0; k < p->loops.len; k++)
        if (p->loops.at[k].var == var) return p->loops.at[k].name;
    return var->name;
}

// Inside a loop of the same name it gets a number.
static void name_var(Printer *p, const Var *var) {
    int same = 1;
    for (int k = 0; k < p->loops.len; k++) same += !strcmp(p->loops.at[k].var->name, var->name);
    const char *name = same == 1 ? var->name : arena_printf(p->arena, "%s_%d", var->name, same);
    vec_push(p->arena, &p->loops, (struct Named){var, name});
}

// "(T - t) % 2": a product, a quotient or what is left of one.
static void put_quotient(Printer *p, const Atom *atom) {
    bool sum = atom->of->nterms != 1 || atom->of->c;
    str_put(p->s, sum ? "(" : "");
    put_index(p, atom->of);
    str_printf(p->s, "%s %c ", sum ? ")" : "", atom->kind == ATOM_TIMES ? '*' : atom->kind == ATOM_DIV ? '/' : '%');
    put_by(p, atom, 0);
}

static void put_atom(Printer *p, const Atom *atom) {
    switch (atom->kind) {
    case ATOM_VAR:
        str_put(p->s, var_name(p, atom->var));
        return;
    case ATOM_SIZE:
        str_put(p->s, p->sizes[atom->size].name);
        return;
    case ATOM_STEP:
        str_put(p->s, step_name(p->arena, atom->size));
        return;
    case ATOM_LOADED:
        put_expr(p, atom->loaded);
        return;
    case ATOM_TIMES:
    case ATOM_DIV:
    case ATOM_MOD:
        str_put(p->s, "(");
        put_quotient(p, atom);
        str_put(p->s, ")");
        return;
    case ATOM_CLAMP:
    case ATOM_MIN:
        str_put(p->s, atom->kind == ATOM_MIN ? "min(" : "clamp(");
        put_index(p, atom->of);
        str_put(p->s, atom->kind == ATOM_MIN ? ", " : ", 0, ");
        if (atom->kind == ATOM_MIN)
            put_index(p, atom->other);
        else
            put_by(p, atom, -1);
        str_put(p->s, ")");
        return;
    }
}

static void put_index(Printer *p, const Index *index) {
    for (int k = 0; k < index->nterms; k++) {
        int64_t coef = index->term[k].coef;
        str_put(p->s, k ? (coef < 0 ? " - " : " + ") : coef < 0 ? "-" : "");
        if (coef != 1 && coef != -1) str_printf(p->s, "%lld*", (long long)(coef < 0 ? -coef : coef));
        put_atom(p, &index->term[k].atom);
    }
    if (!index->nterms)
        str_printf(p->s, "%lld", (long long)index->c);
    else if (index->c)
        str_printf(p->s, " %c %lld", index->c < 0 ? '-' : '+', (long long)(index->c < 0 ? -index->c : index->c));
}

static const char *buffer_name(const Printer *p, const Buffer *buffer) {
    int number = tag_known(&p->number, buffer);
    return number ? arena_printf(p->arena, "%s_%d", buffer->name, number) : buffer->name;
}

static void name_buffers(Printer *p, const Program *program) {
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *buffer = program->buffers.at[k];
        const char *name = buffer->name;
        while (tag_known(&p->by_text, name)) {
            int *number = tag_of(&p->number, buffer), *next = tag_of(&p->by_text, buffer->name);
            *number = ++*next;
            name = buffer_name(p, buffer);
        }
        *tag_of(&p->by_text, name) = 1;
    }
}

static void put_place(Printer *p, const Buffer *buffer, const Index *const *at, int lanes) {
    str_put(p->s, buffer_name(p, buffer));
    for (int d = 0; d < buffer->rank; d++) {
        str_put(p->s, d ? ", " : "[");
        put_index(p, at[d]);
    }
    if (lanes > 1 && buffer->lanes == 1) str_printf(p->s, ":%d", lanes);
    if (buffer->rank) str_put(p->s, "]");
}

// ---- expressions ----------------------------------------------------------------------------------------------------

static void put_const(Printer *p, const Expr *e) {
    if (!dtype_info[e->dtype].is_float) {
        str_printf(p->s, "%lld", (long long)e->i);
        return;
    }
    char text[40]; // the shortest that reads back to the same f32
    for (int digits = 1; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, e->f);
        if (strtof(text, NULL) == (float)e->f) break;
    }
    str_put(p->s, text);
}

static void put_expr(Printer *p, const Expr *e) {
    int name = p->tags ? *tag_of(p->tags, e) : 0;
    if (name < 0) {
        str_printf(p->s, "%%%d", -name);
        return;
    }
    switch (e->kind) {
    case EXPR_CONST:
        put_const(p, e);
        return;
    case EXPR_INDEX_VALUE:
        put_index(p, e->index);
        return;
    case EXPR_LOAD:
        put_place(p, e->buffer, e->at, e->lanes);
        return;
    case EXPR_REDUCE_LANES:
        str_printf(p->s, "lanes_%s", reduce_words[e->reduce_kind]);
        break;
    case EXPR_APPLY:
        str_put(p->s, e->op->name);
        break;
    }
    for (int k = 0; k < e->nargs; k++) {
        str_put(p->s, k ? ", " : "(");
        put_expr(p, e->arg[k]);
    }
    str_put(p->s, ")");
}

static void count_uses(Printer *p, const Expr *e) {
    if ((*tag_of(p->tags, e))++) return;
    for (int k = 0; k < e->nargs; k++) count_uses(p, e->arg[k]);
}

static void name_shared(Printer *p, const Expr *e) {
    if (*tag_of(p->tags, e) < 0) return;
    for (int k = 0; k < e->nargs; k++) name_shared(p, e->arg[k]);
    if (*tag_of(p->tags, e) < 2 || e->kind != EXPR_APPLY) return;
    put_line(p);
    str_printf(p->s, "%%%d = ", p->names + 1);
    put_expr(p, e);
    *tag_of(p->tags, e) = -++p->names;
}

// Prints names for what `e` uses twice, each on a line of its own; then begins the statement's line.
static void begin(Printer *p, const Expr *e) {
    p->tags = NEW(&p->scratch, Tags);
    p->tags->arena = &p->scratch;
    if (e) count_uses(p, e);
    if (e) name_shared(p, e);
    put_line(p);
}

// ---- statements -----------------------------------------------------------------------------------------------------

static void put_stmt(Printer *p, const Stmt *s);

static void put_body(Printer *p, const Stmt *s) {
    p->depth++;
    for (int k = 0; k < s->body.len; k++) put_stmt(p, s->body.at[k]);
    p->depth--;
}

static void put_for(Printer *p, const Stmt *s) {
    static const char *const word[] = {
        [FOR_SERIAL] = "for", [FOR_CHUNKS] = "chunks", [FOR_LANES] = "lanes", [FOR_UNROLLED] = "unroll"};
    name_var(p, s->var);
    str_printf(p->s, "%s %s = ", word[s->loop], var_name(p, s->var));
    put_index(p, s->lo);
    str_put(p->s, " .. ");
    put_index(p, s->hi);
    if (s->step != 1) str_printf(p->s, " step %lld", (long long)s->step);
    str_put(p->s, ":");
    put_body(p, s);
    p->loops.len--;
}

static void put_local(Printer *p, const Stmt *s) {
    const Buffer *b = s->buffer;
    str_printf(p->s, "local %s", b->name);
    for (int d = 0; d < b->rank; d++) str_printf(p->s, d ? ", %d" : "[%d", b->dim[d].extent);
    str_printf(p->s, "%s: %s", b->rank ? "]" : "", dtype_info[b->dtype].name);
    if (b->lanes > 1) str_printf(p->s, "x%d", b->lanes);
    str_put(p->s, b->accumulate_double ? " double" : b->scope == SCOPE_STACK ? " stack" : "");
    if (!s->value) return;
    str_put(p->s, " = ");
    put_expr(p, s->value);
}

static void put_assignment(Printer *p, const Stmt *s) {
    const char *combine = s->kind == STMT_STORE ? "" : s->combine == REDUCE_SUM ? "+" : reduce_words[s->combine];
    put_place(p, s->buffer, s->at, s->value->lanes);
    str_printf(p->s, " %s= ", combine);
    put_expr(p, s->value);
}

static void put_if(Printer *p, const Stmt *s) {
    for (int k = 0; k < s->cond.len; k++) {
        str_put(p->s, k ? ", " : "if ");
        put_index(p, s->cond.at[k]);
        str_put(p->s, " >= 0");
    }
    str_put(p->s, ":");
    put_body(p, s);
}

static void put_prefetch(Printer *p, const Stmt *s) {
    str_put(p->s, "prefetch ");
    put_place(p, s->buffer, s->at, 1);
}

static void put_transpose(Printer *p, const Stmt *s) {
    str_put(p->s, "transpose ");
    put_place(p, s->buffer, s->at, 1);
    str_put(p->s, " = ");
    put_place(p, s->source, s->from, 1);
}

static void put_stmt(Printer *p, const Stmt *s) {
    static void (*const put[])(Printer *, const Stmt *) = {[STMT_FOR] = put_for,
                                                           [STMT_STORE] = put_assignment,
                                                           [STMT_ACCUMULATE] = put_assignment,
                                                           [STMT_LOCAL] = put_local,
                                                           [STMT_IF] = put_if,
                                                           [STMT_PREFETCH] = put_prefetch,
                                                           [STMT_TRANSPOSE] = put_transpose};
    if (s->kind == STMT_BLOCK) {
        for (int k = 0; k < s->body.len; k++) put_stmt(p, s->body.at[k]);
        return;
    }
    begin(p, s->value);
    put[s->kind](p, s);
}

// ---- programs -------------------------------------------------------------------------------------------------------

// "h_slots[t + 1]", or "h_slots" of a view that is no slot.
static void put_view(Printer *p, const View *view) {
    str_put(p->s, buffer_name(p, view->of));
    if (!view->slot) return;
    const struct Term *term = view->slot->term;
    bool modulo = view->slot->nterms == 1 && !view->slot->c && term->coef == 1 && term->atom.kind == ATOM_MOD;
    str_put(p->s, "[");
    if (modulo) // without the parentheses around all of it
        put_quotient(p, &term->atom);
    else
        put_index(p, view->slot);
    str_put(p->s, "]");
}

static void put_buffer(Printer *p, const Buffer *b) {
    static const char *const scopes[] = {"argument", "storage", "arena", "prepared", "stack", "register"};
    Type type = buffer_shape(b);
    str_printf(p->s, "  %s %s: ", scopes[b->scope], buffer_name(p, b));
    type_print(p->s, &type, p->sizes);
    if (b->view) {
        str_put(p->s, " in ");
        put_view(p, b->view);
    }
    if (b->scope == SCOPE_ARENA)
        str_printf(p->s, " at %lld, calls %d to %d", (long long)b->offset, b->first_call, b->last_call);
    if (b->scope == SCOPE_PREPARED) str_printf(p->s, " at %lld", (long long)b->offset);
    str_put(p->s, "\n");
}

// "the kernel of call 3, with h_2 for h, fc2_weight for fc1_weight"
static void put_given(Printer *p, const Call *call, int first) {
    put_line(p);
    str_printf(p->s, "the kernel of call %d", first);
    for (int k = 0, given = 0; k < call->kernel->uses.len; k++) {
        const Buffer *own = call->kernel->uses.at[k].buffer;
        if (own == call->buffer[k]) continue;
        str_put(p->s, given++ ? ", " : ", with ");
        str_printf(p->s, "%s for %s", buffer_name(p, call->buffer[k]), buffer_name(p, own));
    }
}

// "# h_2 is h_slots[t + 1], h_3 is h_slots[t]"
static void put_slots(Printer *p, const Call *call) {
    for (int k = 0, given = 0; k < call->kernel->uses.len; k++) {
        const Buffer *buffer = call->buffer[k];
        if (!buffer->view || !buffer->view->slot) continue;
        if (!given) put_line(p);
        str_printf(p->s, "%s%s is ", given++ ? ", " : "# ", buffer_name(p, buffer));
        put_view(p, buffer->view);
    }
}

// first: the first call of the same kernel.
static void put_call(Printer *p, const Program *program, int number, int first) {
    const Call *call = &program->calls.at[number];
    str_printf(p->s, "%*s%s %d: %s (%s)", 2 * p->depth, "", number < program->nprepare ? "prepare" : "call", number,
               call->kernel->name, call->kernel->recipe);
    if (call->ahead_of) str_printf(p->s, " ahead of loop %d", call->ahead_of);
    if (call->skip_if_null) str_printf(p->s, " unless %s is NULL", buffer_name(p, call->skip_if_null));
    p->depth++;
    for (const char *line = call->kernel->comment; line && *line;) {
        size_t len = strcspn(line, "\n");
        put_line(p);
        str_put(p->s, "# ");
        str_putn(p->s, line, len);
        line += len + (line[len] == '\n');
    }
    put_slots(p, call);
    if (first == number)
        put_stmt(p, call->kernel->body);
    else
        put_given(p, call, first);
    str_put(p->s, "\n");
    p->depth--;
}

static void put_loop_head(Printer *p, const Graph *g, int number) {
    const Loop *loop = graph_loop(g, number);
    str_printf(p->s, "%*sfor %s = 0 .. ", 2 * p->depth, "", step_name(p->arena, graph_loop_depth(g, number)));
    dim_print(p->s, loop->steps, p->sizes);
    str_printf(p->s, "%s: # loop %d", loop->reverse ? " reversed" : "", number);
    const char *place = span_text(p->arena, loop->span);
    str_printf(p->s, "%s%s\n", *place ? " at " : "", place);
}

// The calls [first, end), which loop `outer` makes in a step. kernels: the first call of each, + 1.
static void put_calls(Printer *p, const Program *program, int first, int end, int outer, Tags *kernels) {
    while (first < end) {
        const Call *call = &program->calls.at[first];
        if (call->loop == outer) {
            int *of_kernel = tag_of(kernels, call->kernel);
            if (!*of_kernel) *of_kernel = first + 1;
            put_call(p, program, first++, *of_kernel - 1);
            arena_release(&p->scratch);
            continue;
        }
        int number = graph_loop_below(program->graph, call->loop, outer), after = program->loops[number - 1].end;
        put_loop_head(p, program->graph, number);
        p->depth++;
        put_calls(p, program, first, after, number, kernels);
        p->depth--;
        first = after;
    }
}

void program_print(Str *s, const Program *program) {
    Arena seen = {0};
    Tags kernels = {.arena = &seen};
    Printer p = {.s = s,
                 .arena = s->arena,
                 .sizes = program->graph->module->sizes,
                 .number = {.arena = &seen},
                 .by_text = {.arena = &seen, .by_text = true}};
    name_buffers(&p, program);
    str_printf(s, "entry %s: arena %lld bytes, at least %lld\n", program->graph->name, (long long)program->arena_bytes,
               (long long)program->arena_bound);
    for (int k = 0; k < program->buffers.len; k++) put_buffer(&p, program->buffers.at[k]);
    put_calls(&p, program, 0, program->calls.len, 0, &kernels);
    arena_release(&seen);
}
