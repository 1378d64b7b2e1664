// kernel.c: one kernel of the loop IR as one C function; equal kernels become the same function.
//
//     for n < N                                static void k_linear_relu(float *restrict h,           // (N, 256)
//       for o < 256                                                      const float *restrict image, // (N, 784)
//         local acc = 0                                                  ..., int N)
//         for i < 784                     {
//           acc += image[n,i] * w[o,i]        for (int n = 0; n < N; n++) {
//         h[n,o] = relu(acc + b[o])               ...
//
// A kernel is printed first with formals named by position and without comments: table.c finds equal functions by that
// text.
#include <string.h>

#include "emit/parts.h"

// A long line goes on at a deeper indent; there are no literals with spaces in it.
static void put_broken(Str *s, const char *text, int indent) {
    int column = indent, limit = 120;
    while ((int)strlen(text) + column > limit) {
        int cut = limit - column;
        while (cut > 0 && text[cut] != ' ') cut--;
        if (cut <= 0) break;
        str_putn(s, text, (size_t)cut);
        str_printf(s, "\n%*s", indent + 8, "");
        text += cut + 1;
        column = indent + 8;
    }
    str_put(s, text);
}

void print_line(Printer *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    str_printf(p->s, "%*s", 4 * p->indent, "");
    put_broken(p->s, arena_vprintf(p->arena, fmt, args), 4 * p->indent);
    va_end(args);
    str_put(p->s, "\n");
}

// Each line of a comment on a line of its own.
static void print_comment(Printer *p, const char *text) {
    if (!text || p->canonical) return;
    text = text_without_folders(p->arena, p->module, text);
    while (*text) {
        size_t len = strcspn(text, "\n");
        str_printf(p->s, "%*s// ", 4 * p->indent, "");
        put_comment_text(p->s, arena_strndup(p->arena, text, len));
        str_put(p->s, "\n");
        text += len + (text[len] == '\n');
    }
}

// ---- statements ---------------------------------------------------------------------------------------------------

static void print_stmt(Printer *p, Stmt *stmt);

static void print_body(Printer *p, const Stmt *stmt) {
    while (stmt->body.len == 1 && stmt->body.at[0]->kind == STMT_BLOCK && !stmt->body.at[0]->comment)
        stmt = stmt->body.at[0]; // braces stand there already
    int outer = p->locals.len;
    p->indent++;
    int outer_places = places_open(p, stmt);
    for (int i = 0; i < stmt->body.len; i++) print_stmt(p, stmt->body.at[i]);
    p->indent--;
    p->places.len = outer_places;
    p->locals.len = outer; // names are free again behind the brace
}

// A block in a block needs braces only when it declares something.
static void print_block(Printer *p, const Stmt *stmt) {
    bool declares = false;
    for (int i = 0; i < stmt->body.len; i++) declares = declares || stmt->body.at[i]->kind == STMT_LOCAL;
    if (declares) {
        print_line(p, "{");
        print_body(p, stmt);
        print_line(p, "}");
        return;
    }
    for (int i = 0; i < stmt->body.len; i++) print_stmt(p, stmt->body.at[i]);
}

// The body, when it is one short statement that fits on the line of the loop's head; otherwise NULL.
static const char *single_line(const Printer *p, const Stmt *stmt, const char *body, size_t head) {
    const char *end = strchr(body, '\n');
    size_t indent = 4 * (size_t)(p->indent + 1);
    if (!end || end[1] || stmt->body.len != 1) return NULL;
    while (stmt->body.len == 1 && stmt->body.at[0]->kind == STMT_BLOCK) stmt = stmt->body.at[0];
    StmtKind kind = stmt->body.len == 1 ? stmt->body.at[0]->kind : STMT_BLOCK;
    bool simple = kind == STMT_STORE || kind == STMT_ACCUMULATE || kind == STMT_PREFETCH || kind == STMT_TRANSPOSE;
    return simple && head + strlen(body) - 4 <= 120 ? body + indent : NULL;
}

// OpenMP's pragma stands on a line of its own.
static void print_for(Printer *p, const Stmt *stmt) {
    static const char *const pragma[] = {
        [FOR_SERIAL] = "", [FOR_CHUNKS] = "", [FOR_LANES] = "DLC_VECTOR_FOR ", [FOR_UNROLLED] = "DLC_UNROLL "};
    if (stmt->loop == FOR_CHUNKS) print_line(p, "DLC_PARALLEL_FOR");
    const char *lo = index_text(p, stmt->lo).c, *hi = index_text(p, stmt->hi).c;
    int outer = p->locals.len;
    const char *var = variable_name(p, stmt->var);
    const char *step = stmt->step == 1 ? arena_printf(p->arena, "%s++", var)
                                       : arena_printf(p->arena, "%s += %lld", var, (long long)stmt->step);
    const char *head =
        arena_printf(p->arena, "%sfor (int %s = %s; %s < %s; %s)", pragma[stmt->loop], var, lo, var, hi, step);
    Str body = str_new(p->arena), *to = p->s;
    p->s = &body;
    print_body(p, stmt);
    p->s = to;
    p->locals.len = outer;
    const char *line = single_line(p, stmt, str_text(&body), strlen(head));
    if (line) {
        str_printf(p->s, "%*s%s %s", 4 * p->indent, "", head, line);
        return;
    }
    print_line(p, "%s {", head);
    str_put(p->s, str_text(&body));
    print_line(p, "}");
}

// Guards are affine and each >= 0; what is subtracted goes to the other side: N - n - 1 >= 0 is N > n.
static const char *condition_text(Printer *p, const Index *index) {
    Index left = {.term = NEW_ARRAY(p->arena, struct Term, index->nterms + 1)};
    Index right = {.term = NEW_ARRAY(p->arena, struct Term, index->nterms + 1)};
    for (int i = 0; i < index->nterms; i++) {
        struct Term term = index->term[i];
        Index *side = term.coef > 0 ? &left : &right;
        if (term.coef < 0) term.coef = -term.coef;
        side->term[side->nterms++] = term;
    }
    bool strict = index->c == -1;
    if (index->c > 0) left.c = index->c;
    if (index->c < -1) right.c = -index->c;
    const char *a = index_text(p, &left).c, *b = index_text(p, &right).c;
    return arena_printf(p->arena, "%s %s %s", a, strict ? ">" : ">=", b);
}

static void print_if(Printer *p, const Stmt *stmt) {
    Str all = str_new(p->arena);
    for (int i = 0; i < stmt->cond.len; i++)
        str_printf(&all, "%s%s", i ? " && " : "", condition_text(p, stmt->cond.at[i]));
    print_line(p, "if (%s) {", stmt->cond.len ? str_text(&all) : "1");
    print_body(p, stmt);
    print_line(p, "}");
}

// Elements of the buffer are themselves vectors.
static bool holds_vectors(const Buffer *buffer) { return buffer->lanes > 1; }

static const char *splat_if(Printer *p, const Expr *value, const char *text, bool vector) {
    if (!vector || value->lanes > 1) return text;
    return arena_printf(p->arena, dtype_info[value->dtype].is_float ? "dlc_vsplat(%s)" : "dlc_vsplat_i32(%s)", text);
}

static const char *value_text(Printer *p, const Buffer *buffer, Expr *value) {
    return buffer->accumulate_double ? expr_text_double(p, value).c : expr_text(p, value).c;
}

// The value that an accumulation adds, or takes the maximum or minimum with.
static const char *term_text(Printer *p, const Stmt *stmt) {
    bool sum = stmt->combine == REDUCE_SUM && !stmt->buffer->accumulate_double;
    return sum ? rounded_text(p, expr_text(p, stmt->value)) : value_text(p, stmt->buffer, stmt->value);
}

static const char *vector_suffix(const Buffer *buffer) { return dtype_info[buffer->dtype].is_float ? "" : "_i32"; }

static void print_store(Printer *p, Stmt *stmt) {
    Buffer *buffer = stmt->buffer;
    expr_prepare(p, stmt->value);
    const char *value = value_text(p, buffer, stmt->value);
    if (expr_passes_bool(stmt->value)) value = arena_printf(p->arena, "%s != 0", value);
    if (stmt->value->lanes > 1 && !holds_vectors(buffer))
        print_line(p, "dlc_vstore%s(%s, %s);", vector_suffix(buffer), address_text(p, buffer, stmt->at, true), value);
    else
        print_line(p, "%s = %s;", element_text(p, buffer, stmt->at, true),
                   splat_if(p, stmt->value, value, holds_vectors(buffer)));
    expr_release(p);
}

// max and min of floats let NaN through; sums of integers wrap.
static void print_combine(Printer *p, const Stmt *stmt, const char *element, const char *value) {
    const Buffer *buffer = stmt->buffer;
    const DTypeInfo *type = &dtype_info[buffer->dtype];
    bool sum = stmt->combine == REDUCE_SUM;
    if (type->is_float && sum)
        print_line(p, "%s += %s;", element, value); // one statement: one fused multiply-add
    else if (type->is_float && holds_vectors(buffer))
        print_line(p, "%s = dlc_v%s(%s, %s);", element, reduce_words[stmt->combine], element,
                   splat_if(p, stmt->value, value, true));
    else if (type->is_float)
        print_line(p, "%s = dlc_%s%s(%s, %s);", element, reduce_words[stmt->combine],
                   buffer->accumulate_double ? "" : "f", element, value);
    else if (sum)
        print_line(p, "%s = (%s)((uint%d_t)%s + (uint%d_t)(%s));", element, type->c, 8 * type->bytes, element,
                   8 * type->bytes, value);
    else
        print_line(p, "%s = dlc_%s_%s(%s, %s);", element, reduce_words[stmt->combine], type->name, element, value);
}

static void print_accumulate(Printer *p, Stmt *stmt) {
    Buffer *buffer = stmt->buffer;
    expr_prepare(p, stmt->value);
    const char *value = term_text(p, stmt);
    if (stmt->value->lanes > 1 && !holds_vectors(buffer)) {
        const char *at = address_text(p, buffer, stmt->at, true), *suffix = vector_suffix(buffer);
        address_text(p, buffer, stmt->at, false); // it is read as well
        bool sum = stmt->combine == REDUCE_SUM;
        const char *old = arena_printf(p->arena, "dlc_vload%s(%s)", suffix, at);
        print_line(p, sum ? "dlc_vstore%s(%s, %s%s + %s);" : "dlc_vstore%s(%s, dlc_v%s(%s, %s));", suffix, at,
                   sum ? "" : reduce_words[stmt->combine], old, value);
    } else {
        element_text(p, buffer, stmt->at, false);
        print_combine(p, stmt, element_text(p, buffer, stmt->at, true), value);
    }
    expr_release(p);
}

static bool is_zero(const Expr *e) {
    return e->kind == EXPR_CONST && (dtype_info[e->dtype].is_float ? e->f == 0 : e->i == 0);
}

// Registers are a variable, or an array that unrolled loops index: dlc_vf acc[6][4] = {{{0}}};
static void print_registers(Printer *p, const Buffer *buffer, const char *ctype, const Expr *value, const char *init) {
    Str s = str_new(p->arena);
    int axes = 0, axis = 0;
    for (int d = 0; d < buffer->rank; d++) {
        if (buffer->dim[d].extent == 1) continue;
        str_printf(&s, "[%d]", buffer->dim[d].extent);
        axes++;
        axis = d;
    }
    const char *name = local_name(p, buffer);
    int braces = axes + holds_vectors(buffer);
    if (axes && value && is_zero(value)) {
        print_line(p, "%s %s%s = %.*s0%.*s;", ctype, name, str_text(&s), braces, "{{{{{{{{{", braces, "}}}}}}}}}");
        return;
    }
    print_line(p, value && !axes ? "%s %s%s = %s;" : "%s %s%s;", ctype, name, str_text(&s), init);
    if (!value || !axes) return;
    if (axes > 1) dlc_bug("emit", "register array %s of more than one axis starts from a value", buffer->name);
    print_line(p, "DLC_UNROLL for (int i_%s = 0; i_%s < %d; i_%s++) %s[i_%s] = %s;", name, name,
               buffer->dim[axis].extent, name, name, name, init);
}

static void print_stack(Printer *p, const Buffer *buffer, const char *ctype, const Expr *value, const char *init) {
    int64_t elements = 1;
    for (int d = 0; d < buffer->rank; d++) elements *= buffer->dim[d].extent;
    const char *name = local_name(p, buffer);
    if (!value) {
        print_line(p, "%s %s[%lld];", ctype, name, (long long)elements);
    } else if (is_zero(value)) {
        print_line(p, "%s %s[%lld] = {0};", ctype, name, (long long)elements);
    } else {
        const char *i = arena_printf(p->arena, "i_%s", name);
        print_line(p, "%s %s[%lld];", ctype, name, (long long)elements);
        print_line(p, "for (int %s = 0; %s < %lld; %s++) %s[%s] = %s;", i, i, (long long)elements, i, name, i, init);
    }
}

static void print_local(Printer *p, Stmt *stmt) {
    Buffer *buffer = stmt->buffer;
    bool vector = holds_vectors(buffer);
    const char *ctype = buffer->accumulate_double ? "double"
                        : vector                  ? expr_ctype(buffer->dtype, buffer->lanes)
                                                  : dtype_info[buffer->dtype].c;
    const char *init = NULL;
    if (stmt->value) {
        expr_prepare(p, stmt->value);
        init = splat_if(p, stmt->value, value_text(p, buffer, stmt->value), vector);
    }
    if (buffer->scope == SCOPE_REGISTER)
        print_registers(p, buffer, ctype, stmt->value, init);
    else
        print_stack(p, buffer, ctype, stmt->value, init);
    if (stmt->value) expr_release(p);
}

static void print_transpose(Printer *p, const Stmt *stmt) {
    const char *to = address_text(p, stmt->buffer, stmt->at, true);
    const char *from = address_text(p, stmt->source, stmt->from, false);
    print_line(p, "dlc_transpose(%s, %s, %s, %s);", to, stride_text(p, stmt->buffer, stmt->dst_axis), from,
               stride_text(p, stmt->source, stmt->src_axis));
}

static void print_stmt(Printer *p, Stmt *stmt) {
    print_comment(p, stmt->comment);
    switch (stmt->kind) {
    case STMT_BLOCK:
        print_block(p, stmt);
        return;
    case STMT_FOR:
        print_for(p, stmt);
        return;
    case STMT_STORE:
        print_store(p, stmt);
        return;
    case STMT_ACCUMULATE:
        print_accumulate(p, stmt);
        return;
    case STMT_LOCAL:
        print_local(p, stmt);
        return;
    case STMT_IF:
        print_if(p, stmt);
        return;
    case STMT_PREFETCH:
        print_line(p, "DLC_PREFETCH(%s);", prefetch_text(p, stmt->buffer, stmt->at));
        return;
    case STMT_TRANSPOSE:
        print_transpose(p, stmt);
        return;
    }
    dlc_bug("emit", "a statement of unknown kind %d", (int)stmt->kind);
}

// ---- functions ----------------------------------------------------------------------------------------------------

bool is_scratch(const Buffer *buffer) { return buffer->scope == SCOPE_ARENA && !buffer->value; }

// Results first, then what is read, then scratch, then scalars by value; within each in order of first use.
static int formal_class(const Formal *formal) {
    if (is_scratch(formal->buffer)) return 2;
    return formal->written ? 0 : formal->buffer->by_value ? 3 : 1;
}

static void order_formals(Arena *arena, Formals *formals) {
    VEC(Formal) sorted = {0};
    for (int kind = 0; kind < 4; kind++)
        for (int i = 0; i < formals->buffers.len; i++)
            if (formal_class(&formals->buffers.at[i]) == kind) vec_push(arena, &sorted, formals->buffers.at[i]);
    for (int i = 0; i < sorted.len; i++) formals->buffers.at[i] = sorted.at[i];
}

static const char *formal_text(Arena *arena, const Formal *formal) {
    const Buffer *buffer = formal->buffer;
    const char *type = dtype_info[buffer->dtype].c;
    if (buffer->by_value) return arena_printf(arena, "%s %s", type, formal->name);
    return arena_printf(arena, "%s%s *%s%s", formal->written ? "" : "const ", type, formal->shares ? "" : "restrict ",
                        formal->name);
}

// The shape of a formal as its kernel's reader knows it: (N, 784).
static const char *shape_text(Printer *p, const Buffer *buffer) {
    Str s = str_new(p->arena);
    for (int d = 0; d < buffer->rank; d++) {
        int size = buffer->dim[d].size;
        str_put(&s, d ? ", " : "");
        const char *name = !size                        ? ""
                           : p->formals->size[size - 1] ? p->formals->size_name[size - 1]
                                                        : p->module->sizes[size - 1].name;
        if (size)
            count_put(&s, buffer->dim[d].times, buffer->dim[d].plus, name);
        else
            str_printf(&s, "%d", buffer->dim[d].extent);
    }
    return buffer->rank ? arena_printf(p->arena, "(%s)", str_text(&s)) : "";
}

static void print_signature(Printer *p, const char *function) {
    const Formals *formals = p->formals;
    const char *open = arena_printf(p->arena, "%s(", function);
    VEC(const char *) item = {0};
    VEC(const char *) shape = {0};
    for (int i = 0; i < formals->buffers.len; i++) {
        vec_push(p->arena, &item, formal_text(p->arena, &formals->buffers.at[i]));
        vec_push(p->arena, &shape, p->canonical ? "" : shape_text(p, formals->buffers.at[i].buffer));
    }
    for (int k = 0; k < MAX_SIZES; k++) {
        if (!formals->size[k]) continue;
        vec_push(p->arena, &item, arena_printf(p->arena, "int %s", formals->size_name[k]));
        vec_push(p->arena, &shape, "");
    }
    int widest = 0;
    for (int i = 0; i < item.len; i++) widest = (int)strlen(item.at[i]) > widest ? (int)strlen(item.at[i]) : widest;
    str_put(p->s, open);
    if (!item.len) str_put(p->s, "void)");
    for (int i = 0; i < item.len; i++) {
        const char *end = i + 1 < item.len ? "," : ")";
        str_printf(p->s, "%*s%s%s", i ? (int)strlen(open) : 0, "", item.at[i], end);
        if (*shape.at[i]) str_printf(p->s, "%*s // %s", widest - (int)strlen(item.at[i]), "", shape.at[i]);
        if (i + 1 < item.len) str_put(p->s, "\n");
    }
    str_put(p->s, "\n{\n");
}

static void print_inner(Printer *p, const Kernel *kernel) {
    p->indent = 0;
    if (kernel->body->kind == STMT_BLOCK) {
        print_body(p, kernel->body);
    } else {
        p->indent = 1;
        print_stmt(p, kernel->body);
    }
}

static Printer printer_new(Arena *arena, Str *s, Formals *formals, const EmitInput *in, const EmitOptions *options) {
    return (Printer){.arena = arena,
                     .module = in->module,
                     .target = options->target,
                     .level = options->level,
                     .s = s,
                     .formals = formals,
                     .uses = {.arena = arena}};
}

const char *kernel_canonical_body(Arena *arena, const Kernel *kernel, Formals *formals, const EmitInput *in,
                                  const EmitOptions *options) {
    Str s = str_new(arena);
    Printer p = printer_new(arena, &s, formals, in, options);
    p.canonical = true;
    print_inner(&p, kernel);
    order_formals(arena, formals);
    return str_text(&s);
}

const char *kernel_canonical_signature(Arena *arena, const Formals *formals, const EmitInput *in,
                                       const EmitOptions *options) {
    Str s = str_new(arena);
    Formals given = *formals;
    Printer p = printer_new(arena, &s, &given, in, options);
    p.canonical = true;
    print_signature(&p, "");
    return str_text(&s);
}

// ---- the function in the file -------------------------------------------------------------------------------------

// Neutral names for a function that serves several places.
static const char *neutral_name(Arena *arena, const Formal *formal, int *nread, int *nwritten) {
    if (is_scratch(formal->buffer)) return buffer_wanted_name(formal->buffer);
    if (formal->written) return ++*nwritten == 1 ? "out" : arena_printf(arena, "out%d", *nwritten);
    int n = (*nread)++;
    return n < 8 ? arena_printf(arena, "%c", "abcdefgh"[n]) : arena_printf(arena, "in%d", n);
}

// Names that nothing in the function's text has already: its variables, locals, and what it calls.
static void name_formals(Arena *arena, const KernelText *text, Formals *formals, const Module *module,
                         const EmitOptions *options) {
    Names names = {.arena = arena, .macros = names_macros(arena, options->prefix)};
    size_t at = 0, start, len;
    while (text_next_identifier(text->key, &at, &start, &len))
        vec_push(arena, &names.at, (Name){arena_strndup(arena, text->key + start, len), 2});
    for (int k = 0; k < MAX_SIZES; k++)
        if (formals->size[k]) formals->size_name[k] = names_take(&names, module->sizes[k].name);
    int nread = 0, nwritten = 0;
    for (int i = 0; i < formals->buffers.len; i++) {
        Formal *formal = &formals->buffers.at[i];
        formal->name = names_take(&names, text->neutral ? neutral_name(arena, formal, &nread, &nwritten)
                                                        : buffer_wanted_name(formal->buffer));
    }
}

void kernel_print(Str *s, const KernelText *text, const EmitInput *in, const EmitOptions *options) {
    Arena scratch = {0}, *arena = &scratch;
    Formals formals = text->formals;
    formals.buffers.at = NEW_ARRAY(arena, Formal, formals.buffers.len + 1);
    memcpy(formals.buffers.at, text->formals.buffers.at, sizeof(Formal) * (size_t)formals.buffers.len);
    name_formals(arena, text, &formals, in->module, options);
    Printer p = printer_new(arena, s, &formals, in, options);
    print_comment(&p, text->kernel->comment);
    if (text->calls > 1) print_line(&p, "// Called from %d places.", text->calls);
    print_signature(
        &p, arena_printf(arena, "static %svoid %s", options->target->extensions ? "DLC_NOINLINE " : "", text->name));
    print_inner(&p, text->kernel);
    str_put(s, "}\n");
    arena_release(&scratch);
}
