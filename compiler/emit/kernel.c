// kernel.c: one kernel of the loop IR as one C function; equal kernels become the same function.
//
//     for n < N                                static void k_linear_relu(float *restrict h,           // (N, 256)
//       for o < 256                                                      const float *restrict image, // (N, 784)
//         local acc = 0                                                  ..., int N)
//         for i < 784                     {
//           acc += image[n,i] * w[o,i]        for (int n = 0; n < N; n++) {
//         h[n,o] = relu(acc + b[o])               ...
//
// A kernel is printed first with formals named by position and without comments. That text, signature and all, is its
// identity. `restrict` stands only on formals that share no byte with another one of the same call, and being part of
// the text, the aliasing pattern is part of the identity.
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

static void print_for(Printer *p, const Stmt *stmt) {
    const char *var = stmt->var->name;
    if (stmt->loop == FOR_CHUNKS) print_line(p, "DLC_PARALLEL_FOR");
    const char *lo = index_text(p, stmt->lo).c, *hi = index_text(p, stmt->hi).c;
    const char *step = stmt->step == 1 ? arena_printf(p->arena, "%s++", var)
                                       : arena_printf(p->arena, "%s += %lld", var, (long long)stmt->step);
    print_line(p, "for (int %s = %s; %s < %s; %s) {", var, lo, var, hi, step);
    print_body(p, stmt);
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
    bool sum = !strcmp(stmt->combine, "sum") && !stmt->buffer->accumulate_double;
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
    expr_release(stmt->value);
}

// max and min of floats let NaN through; sums of integers wrap.
static void print_combine(Printer *p, const Stmt *stmt, const char *element, const char *value) {
    const Buffer *buffer = stmt->buffer;
    const DTypeInfo *type = &dtype_info[buffer->dtype];
    bool sum = !strcmp(stmt->combine, "sum");
    if (type->is_float && sum)
        print_line(p, "%s += %s;", element, value); // one statement: one fused multiply-add
    else if (type->is_float && holds_vectors(buffer))
        print_line(p, "%s = dlc_v%s(%s, %s);", element, stmt->combine, element, splat_if(p, stmt->value, value, true));
    else if (type->is_float)
        print_line(p, "%s = dlc_%s%s(%s, %s);", element, stmt->combine, buffer->accumulate_double ? "" : "f", element,
                   value);
    else if (sum)
        print_line(p, "%s = (%s)((uint%d_t)%s + (uint%d_t)(%s));", element, type->c, 8 * type->bytes, element,
                   8 * type->bytes, value);
    else
        print_line(p, "%s = dlc_%s_%s(%s, %s);", element, stmt->combine, type->name, element, value);
}

static void print_accumulate(Printer *p, Stmt *stmt) {
    Buffer *buffer = stmt->buffer;
    expr_prepare(p, stmt->value);
    const char *value = term_text(p, stmt);
    if (stmt->value->lanes > 1 && !holds_vectors(buffer)) {
        const char *at = address_text(p, buffer, stmt->at, true), *suffix = vector_suffix(buffer);
        address_text(p, buffer, stmt->at, false); // it is read as well
        bool sum = !strcmp(stmt->combine, "sum");
        const char *old = arena_printf(p->arena, "dlc_vload%s(%s)", suffix, at);
        print_line(p, sum ? "dlc_vstore%s(%s, %s%s + %s);" : "dlc_vstore%s(%s, dlc_v%s(%s, %s));", suffix, at,
                   sum ? "" : stmt->combine, old, value);
    } else {
        element_text(p, buffer, stmt->at, false);
        print_combine(p, stmt, element_text(p, buffer, stmt->at, true), value);
    }
    expr_release(stmt->value);
}

// A register buffer is one variable per element: float acc_0_0 = 0.0f, acc_0_1 = 0.0f;
static void print_registers(Printer *p, const Buffer *buffer, const char *ctype, const char *init) {
    int count[MAX_RANK] = {0};
    int64_t elements = 1, row = buffer->rank ? buffer->dim[buffer->rank - 1].extent : 1;
    for (int d = 0; d < buffer->rank; d++) elements *= buffer->dim[d].extent;
    for (int64_t e = 0; e < elements; e += row) {
        VEC(const char *) items = {0};
        for (int64_t i = 0; i < row; i++) {
            Str item = str_new(p->arena);
            str_put(&item, local_name(p, buffer));
            for (int d = 0; d < buffer->rank; d++) str_printf(&item, "_%d", count[d]);
            if (init) str_printf(&item, " = %s", init);
            for (int d = buffer->rank - 1; d >= 0 && ++count[d] == buffer->dim[d].extent; d--) count[d] = 0;
            vec_push(p->arena, &items, str_text(&item));
        }
        str_printf(p->s, "%*s", 4 * p->indent, "");
        put_wrapped(p->s, arena_printf(p->arena, "%s ", ctype), items.at, items.len, ";\n");
    }
}

static bool is_zero(const Expr *e) {
    return e->kind == EXPR_CONST && (dtype_info[e->dtype].is_float ? e->f == 0 : e->i == 0);
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
        print_registers(p, buffer, ctype, init);
    else
        print_stack(p, buffer, ctype, stmt->value, init);
    if (stmt->value) expr_release(stmt->value);
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

// Do two buffers that are not the same one share bytes?
static bool buffers_share(const Buffer *a, const Buffer *b) {
    if (a->scope != b->scope) return false;
    if (a->scope == SCOPE_STORAGE) return a->storage == b->storage;
    if (a->scope != SCOPE_ARENA) return false; // the caller's arguments do not overlap
    return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

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
    for (int i = 0; i < sorted.len; i++)
        for (int j = 0; j < sorted.len; j++)
            if (i != j && buffers_share(sorted.at[i].buffer, sorted.at[j].buffer)) formals->buffers.at[i].shares = true;
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

static void print_function(Printer *p, const char *function, const Kernel *kernel) {
    const Stmt *body = kernel->body;
    Str inner = str_new(p->arena), *outer = p->s;
    p->s = &inner;
    p->indent = 0;
    if (body->kind == STMT_BLOCK) {
        print_body(p, body);
    } else {
        p->indent = 1;
        print_stmt(p, (Stmt *)body);
    }
    p->s = outer;
    if (p->canonical) order_formals(p->arena, p->formals);
    print_signature(p, function);
    str_printf(p->s, "%s}\n", str_text(&inner));
}

static const char *canonical_text(Arena *arena, const Kernel *kernel, Formals *formals, const EmitInput *in,
                                  const EmitOptions *options) {
    Str s = str_new(arena);
    Printer p = {.arena = arena,
                 .module = in->module,
                 .target = options->target,
                 .level = options->level,
                 .s = &s,
                 .canonical = true,
                 .formals = formals};
    print_function(&p, "", kernel);
    return str_text(&s);
}

// ---- the table of distinct kernels --------------------------------------------------------------------------------

static const char *buffer_wanted_name(const Buffer *buffer) { return buffer->name ? buffer->name : "buffer"; }

static bool same_names(const Formals *a, const Formals *b) {
    for (int i = 0; i < a->buffers.len; i++)
        if (strcmp(buffer_wanted_name(a->buffers.at[i].buffer), buffer_wanted_name(b->buffers.at[i].buffer)))
            return false;
    return true;
}

// Two buffers of one name would be told apart by numbers only.
static bool names_repeat(const Formals *formals) {
    for (int i = 0; i < formals->buffers.len; i++)
        for (int j = 0; j < i; j++)
            if (!strcmp(buffer_wanted_name(formals->buffers.at[i].buffer),
                        buffer_wanted_name(formals->buffers.at[j].buffer)))
                return true;
    return false;
}

// "mynet_k_linear": the prefix keeps models apart that are included into one C file.
static const char *kernel_wanted_name(Arena *arena, const Kernel *kernel, const char *prefix) {
    return arena_printf(arena, "%s_k_%s", prefix, kernel->name ? kernel->name : "kernel");
}

static KernelText *find_or_add(KernelTable *table, Arena *arena, Names *names, const Kernel *kernel, const char *wanted,
                               const char *key, const Formals *formals) {
    for (int i = 0; i < table->functions.len; i++) {
        KernelText *text = table->functions.at[i];
        if (strcmp(text->key, key)) continue;
        text->neutral = text->neutral || !same_names(&text->formals, formals);
        text->calls++;
        return text;
    }
    KernelText *text = NEW(arena, KernelText);
    const char *name = names_take(names, wanted);
    *text = (KernelText){.key = key, .name = name, .kernel = kernel, .formals = *formals, .calls = 1};
    text->neutral = names_repeat(formals);
    vec_push(arena, &table->functions, text);
    return text;
}

void kernel_table_build(KernelTable *table, Arena *arena, const EmitInput *in, const EmitOptions *options) {
    *table = (KernelTable){.calls = NEW_ARRAY(arena, CallText *, in->nprograms + 1)};
    Names names = {.arena = arena};
    for (int i = 0; i < in->nprograms; i++) // the names of the API
        names_take(&names, arena_printf(arena, "%s_%s", options->prefix, in->programs[i]->graph->name));
    for (int i = 0; i < in->nprograms; i++) {
        const Program *program = in->programs[i];
        table->calls[i] = NEW_ARRAY(arena, CallText, program->calls.len + 1);
        for (int c = 0; c < program->calls.len; c++) {
            const Kernel *kernel = program->calls.at[c].kernel;
            CallText *call = &table->calls[i][c];
            const char *key = canonical_text(arena, kernel, &call->formals, in, options);
            const char *wanted = kernel_wanted_name(arena, kernel, options->prefix);
            if (call->formals.buffers.len)
                call->text = find_or_add(table, arena, &names, kernel, wanted, key, &call->formals);
        }
    }
}

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

void kernel_print(Str *s, Arena *arena, const KernelText *text, const EmitInput *in, const EmitOptions *options) {
    Formals formals = text->formals;
    formals.buffers.at = NEW_ARRAY(arena, Formal, formals.buffers.len + 1);
    memcpy(formals.buffers.at, text->formals.buffers.at, sizeof(Formal) * (size_t)formals.buffers.len);
    name_formals(arena, text, &formals, in->module, options);
    Printer p = {.arena = arena,
                 .module = in->module,
                 .target = options->target,
                 .level = options->level,
                 .s = s,
                 .formals = &formals};
    print_comment(&p, text->kernel->comment);
    if (text->calls > 1) print_line(&p, "// Called from %d places.", text->calls);
    print_function(
        &p, arena_printf(arena, "static %svoid %s", options->target->extensions ? "DLC_NOINLINE " : "", text->name),
        text->kernel);
}
