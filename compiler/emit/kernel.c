// kernel.c: one kernel of the loop IR as one C function; equal kernels become the same function.
//
//     for n < N                                static void k_linear_relu(float *restrict h,           // (N, 256)
//       for o < 256                                                      const float *restrict image, // (N, 784)
//         local acc = 0                                                  ..., int N)
//         for i < 784                     {
//           acc += image[n,i] * w[o,i]        for (int n = 0; n < N; n++) {
//         h[n,o] = relu(acc + b[o])               ...
//
// A kernel's body is printed once, with placeholders for formals and sizes and without comments: table.c finds equal
// functions by that text. The file has the same lines with names, comments and breaks.
//     for (int n = 0; n < ##0; n++) {     #1[n * 784 + i]     and #@2 for a number that is an argument (numbers.c)
#include <stdlib.h>
#include <string.h>

#include "emit/parts.h"
#include "support/sort.h"

enum { WIDTH = 120 }; // of a line

void print_line(Printer *p, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    str_printf(p->s, "%*s%s\n", 4 * p->indent, "", arena_vprintf(p->arena, fmt, args));
    va_end(args);
}

// ---- statements ---------------------------------------------------------------------------------------------------

static void print_stmt(Printer *p, Stmt *stmt);

static void print_body(Printer *p, const Stmt *stmt) {
    while (stmt->body.len == 1 && stmt->body.at[0]->kind == STMT_BLOCK && !stmt->body.at[0]->comment)
        stmt = stmt->body.at[0]; // it has braces already
    int outer = p->locals.len;
    p->indent++;
    int outer_places = places_open(p, stmt);
    for (int i = 0; i < stmt->body.len; i++) print_stmt(p, stmt->body.at[i]);
    p->indent--;
    p->places.len = outer_places;
    p->locals.len = outer; // names are free again after the brace
}

// A block in a block needs braces only when it declares something.
static void print_block(Printer *p, Stmt *stmt) {
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

// OpenMP's pragma stands on a line of its own.
static void print_for(Printer *p, Stmt *stmt) {
    static const char *const pragma[] = {
        [FOR_SERIAL] = "", [FOR_CHUNKS] = "", [FOR_LANES] = "DLC_VECTOR_FOR ", [FOR_UNROLLED] = "DLC_UNROLL "};
    if (stmt->loop == FOR_CHUNKS) print_line(p, "DLC_PARALLEL_FOR");
    const char *lo = index_text(p, stmt->lo).c, *hi = index_text(p, stmt->hi).c;
    int outer = p->locals.len;
    const char *var = variable_name(p, stmt->var);
    const char *step = stmt->step == 1 ? arena_printf(p->arena, "%s++", var)
                                       : arena_printf(p->arena, "%s += %lld", var, (long long)stmt->step);
    print_line(p, "%sfor (int %s = %s; %s < %s; %s) {", pragma[stmt->loop], var, lo, var, hi, step);
    print_body(p, stmt);
    print_line(p, "}");
    p->locals.len = outer;
}

// A guard is an affine index that must be >= 0. Negative terms go to the other side: N - n - 1 >= 0 is N > n.
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

static void print_if(Printer *p, Stmt *stmt) {
    Str all = str_new(p->arena);
    for (int i = 0; i < stmt->cond.len; i++)
        str_printf(&all, "%s%s", i ? " && " : "", condition_text(p, stmt->cond.at[i]));
    print_line(p, "if (%s) {", stmt->cond.len ? str_text(&all) : "1");
    print_body(p, stmt);
    print_line(p, "}");
}

// Whether the elements of the buffer are vectors.
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

// max and min of floats give NaN when either value is NaN; sums of integers wrap.
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
static void print_local(Printer *p, Stmt *stmt) {
    const Buffer *buffer = stmt->buffer;
    bool vector = holds_vectors(buffer), registers = buffer->scope == SCOPE_REGISTER;
    const char *ctype = buffer->accumulate_double ? "double"
                        : vector                  ? expr_ctype(buffer->dtype, buffer->lanes)
                                                  : dtype_info[buffer->dtype].c;
    const char *init = NULL, *name = local_name(p, buffer);
    if (stmt->value) {
        expr_prepare(p, stmt->value);
        init = splat_if(p, stmt->value, value_text(p, buffer, stmt->value), vector);
    }
    Str axes = str_new(p->arena);
    int naxes = 0;
    for (int d = 0; d < buffer->rank && registers; d++)
        if (buffer->dim[d].extent > 1) str_printf(&axes, "[%d]", buffer->dim[d].extent), naxes++;
    if (!registers) str_printf(&axes, "[%lld]", (long long)buffer_count(buffer)), naxes++;
    int braces = registers ? naxes + vector : 1;
    if (naxes && init && is_zero(stmt->value)) {
        print_line(p, "%s %s%s = %.*s0%.*s;", ctype, name, str_text(&axes), braces, "{{{{{{{{{", braces, "}}}}}}}}}");
    } else if (!init || naxes) {
        print_line(p, "%s %s%s;", ctype, name, str_text(&axes));
        if (init && naxes > 1) dlc_bug("emit", "register array %s of more than one axis starts from a value", name);
        if (init)
            print_line(p, "%sfor (int i_%s = 0; i_%s < %lld; i_%s++) %s[i_%s] = %s;", registers ? "DLC_UNROLL " : "",
                       name, name, (long long)buffer_count(buffer), name, name, name, init);
    } else {
        print_line(p, "%s %s = %s;", ctype, name, init);
    }
    if (stmt->value) expr_release(p);
}

static void print_transpose(Printer *p, Stmt *stmt) {
    const char *to = address_text(p, stmt->buffer, stmt->at, true);
    const char *from = address_text(p, stmt->source, stmt->from, false);
    print_line(p, "dlc_transpose(%s, %s, %s, %s);", to, stride_text(p, stmt->buffer, stmt->dst_axis), from,
               stride_text(p, stmt->source, stmt->src_axis));
}

static void print_prefetch(Printer *p, Stmt *stmt) {
    print_line(p, "DLC_PREFETCH(%s);", prefetch_text(p, stmt->buffer, stmt->at));
}

static void print_stmt(Printer *p, Stmt *stmt) {
    static void (*const print[])(Printer *,
                                 Stmt *) = {[STMT_BLOCK] = print_block,       [STMT_FOR] = print_for,
                                            [STMT_STORE] = print_store,       [STMT_ACCUMULATE] = print_accumulate,
                                            [STMT_LOCAL] = print_local,       [STMT_IF] = print_if,
                                            [STMT_PREFETCH] = print_prefetch, [STMT_TRANSPOSE] = print_transpose};
    if (stmt->comment) vec_push(p->kept, &p->comments, (Comment){p->s->len, stmt->comment});
    print[stmt->kind](p, stmt);
}

// ---- the body -------------------------------------------------------------------------------------------------------

bool is_scratch(const Buffer *buffer) { return buffer->scope == SCOPE_ARENA && !buffer->value; }

const char *buffer_type(Arena *arena, const Buffer *buffer, const Module *module) {
    Type type = buffer_shape(buffer);
    return type_text(arena, &type, module->sizes);
}

// Results first, then what is read, then scratch, then scalars by value; within each in order of first use.
static int formal_class(const Formal *formal) {
    if (is_scratch(formal->buffer)) return 2;
    return formal->written ? 0 : formal->buffer->by_value ? 3 : 1;
}

static int by_class(const void *a, const void *b) { return formal_class(a) - formal_class(b); }

const char *kernel_body(Arena *scratch, Arena *kept, const Kernel *kernel, const EmitOptions *options, Formals *formals,
                        Comments *comments) {
    Str s = str_new(scratch);
    Printer p = {.arena = scratch,
                 .kept = kept,
                 .target = options->target,
                 .level = options->level,
                 .s = &s,
                 .formals = formals,
                 .uses = {.arena = scratch}};
    if (kernel->body->kind == STMT_BLOCK) {
        print_body(&p, kernel->body);
    } else {
        p.indent = 1;
        print_stmt(&p, kernel->body);
    }
    sort_stable(formals->buffers.at, (size_t)formals->buffers.len, sizeof *formals->buffers.at, by_class);
    *comments = p.comments;
    return str_text(&s);
}

// ---- the function in the file -------------------------------------------------------------------------------------

// The names that a function's formals have in the file, by their numbers.
typedef struct Naming {
    Arena *arena;
    const KernelText *text;
    const Module *module;
    const char **buffer, *size[FORMAL_NUMBERS], **number;
} Naming;

// Neutral names for a function that serves several places.
static const char *neutral_name(Arena *arena, const Formal *formal, int *nread, int *nwritten) {
    if (is_scratch(formal->buffer)) return buffer_wanted_name(formal->buffer);
    if (formal->written) return ++*nwritten == 1 ? "out" : arena_printf(arena, "out%d", *nwritten);
    int n = (*nread)++;
    return n < 8 ? arena_printf(arena, "%c", "abcdefgh"[n]) : arena_printf(arena, "in%d", n);
}

// Takes a name for a buffer. The names of its places (NAME_at, NAME_at2) must be free as well, and are taken too.
static const char *take_with_places(Names *names, const char *wanted, int places) {
    const char *name = NULL;
    for (bool free = false; !free;) {
        name = names_take(names, wanted);
        free = true;
        for (int k = 1; k <= places; k++) free &= names_find(names, place_name(names->arena, name, k)) < 0;
    }
    for (int k = 1; k <= places; k++) names_add(names, place_name(names->arena, name, k));
    return name;
}

// Names the formals. The names must differ from all others in the function's text: variables, locals, functions.
static Naming naming_new(Arena *arena, const KernelText *text, const Module *module, const EmitOptions *options) {
    const Formals *formals = &text->formals;
    Naming naming = {.arena = arena,
                     .text = text,
                     .module = module,
                     .buffer = NEW_ARRAY(arena, const char *, formals->buffers.len + 1)};
    Names names = text_identifiers(arena, text->body);
    names.macros = names_macros(arena, options->prefix);
    for (int k = 0; k < FORMAL_NUMBERS; k++)
        if (formals->size[k])
            naming.size[formals->size[k] - 1] =
                names_take(&names, k < MAX_SIZES ? module->sizes[k].name : step_name(arena, k - MAX_SIZES));
    int nread = 0, nwritten = 0;
    for (int i = 0; i < formals->buffers.len; i++) {
        const Formal *formal = &formals->buffers.at[i];
        const char *wanted =
            text->neutral ? neutral_name(arena, formal, &nread, &nwritten) : buffer_wanted_name(formal->buffer);
        naming.buffer[formal->number] = take_with_places(&names, wanted, formal->places);
    }
    naming.number = NEW_ARRAY(arena, const char *, text->arguments.len + 1);
    for (int k = 0; k < text->arguments.len; k++) naming.number[k] = names_take(&names, text->arguments.at[k].role);
    return naming;
}

static const char *formal_text(Arena *arena, const Formal *formal, const char *name) {
    const Buffer *buffer = formal->buffer;
    const char *type = dtype_info[buffer->dtype].c;
    if (buffer->by_value) return arena_printf(arena, "%s %s", type, name);
    return arena_printf(arena, "%s%s *%s%s", formal->written ? "" : "const ", type, formal->shares ? "" : "restrict ",
                        name);
}

const char *kernel_signature(Arena *arena, const Formals *formals) {
    Str s = str_new(arena);
    for (int i = 0; i < formals->buffers.len; i++) {
        const Formal *formal = &formals->buffers.at[i];
        str_printf(&s, "%s, ", formal_text(arena, formal, arena_printf(arena, "#%d", formal->number)));
    }
    for (int k = 0; k < FORMAL_NUMBERS; k++)
        if (formals->size[k]) str_printf(&s, "int ##%d, ", formals->size[k] - 1);
    return str_text(&s);
}

// The shape of a formal as its kernel's reader knows it: (N, 784). "*": calls differ there.
static const char *shape_text(const Naming *naming, const Formal *formal) {
    Str s = str_new(naming->arena);
    const Buffer *buffer = formal->buffer;
    if (formal->varies == ~0u) return "";
    for (int d = 0; d < buffer->rank; d++) {
        Dim dim = buffer->dim[d];
        int number = dim.size ? naming->text->formals.size[dim.size - 1] : 0;
        str_put(&s, d ? ", " : "(");
        if (formal->varies & 1u << d)
            str_put(&s, "*");
        else if (dim.size)
            count_put(&s, dim.times, dim.plus,
                      number ? naming->size[number - 1] : naming->module->sizes[dim.size - 1].name);
        else
            str_printf(&s, "%d", dim.extent);
    }
    str_put(&s, buffer->rank ? ")" : "");
    return str_text(&s);
}

// Each parameter on a line of its own, with its shape.
static void put_signature(Str *s, const Naming *naming, const char *open) {
    const Formals *formals = &naming->text->formals;
    VEC(const char *) item = {0};
    VEC(const char *) shape = {0};
    for (int i = 0; i < formals->buffers.len; i++) {
        const Formal *formal = &formals->buffers.at[i];
        vec_push(naming->arena, &item, formal_text(naming->arena, formal, naming->buffer[formal->number]));
        vec_push(naming->arena, &shape, shape_text(naming, formal));
    }
    for (int k = 0; k < FORMAL_NUMBERS; k++)
        if (formals->size[k])
            vec_push(naming->arena, &item, arena_printf(naming->arena, "int %s", naming->size[formals->size[k] - 1]));
    for (int k = 0; k < naming->text->arguments.len; k++)
        vec_push(naming->arena, &item,
                 arena_printf(naming->arena, "%s %s", naming->text->arguments.at[k].type, naming->number[k]));
    while (shape.len < item.len) vec_push(naming->arena, &shape, "");
    int widest = 0;
    for (int i = 0; i < item.len; i++) widest = (int)strlen(item.at[i]) > widest ? (int)strlen(item.at[i]) : widest;
    str_put(s, open);
    for (int i = 0; i < item.len; i++) {
        str_printf(s, "%*s%s%s", i ? (int)strlen(open) : 0, "", item.at[i], i + 1 < item.len ? "," : ")");
        if (*shape.at[i]) str_printf(s, "%*s // %s", widest - (int)strlen(item.at[i]), "", shape.at[i]);
        str_put(s, "\n");
    }
    str_put(s, "{\n");
}

// Each line of a comment on a line of its own.
static void put_comment(Str *s, const Naming *naming, const char *text, int indent) {
    text = text ? text_without_folders(naming->arena, naming->module, text) : "";
    while (*text) {
        size_t len = strcspn(text, "\n");
        str_printf(s, "%*s// ", indent, "");
        put_comment_text(s, arena_strndup(naming->arena, text, len));
        str_put(s, "\n");
        text += len + (text[len] == '\n');
    }
}

// Breaks a long line at spaces, and indents the rest deeper. No literal in it contains a space.
static void put_line(Str *s, const char *text, int indent) {
    int column = indent;
    str_printf(s, "%*s", indent, "");
    while ((int)strlen(text) + column > WIDTH) {
        int cut = WIDTH - column;
        while (cut > 0 && text[cut] != ' ') cut--;
        if (cut <= 0) break;
        str_putn(s, text, (size_t)cut);
        str_printf(s, "\n%*s", indent + 8, "");
        text += cut + 1;
        column = indent + 8;
    }
    str_printf(s, "%s\n", text);
}

// A line of the body, with names in place of numbers.
static const char *named(const Naming *naming, const char *line) {
    Str s = str_new(naming->arena);
    for (;;) {
        size_t plain = strcspn(line, "#\n");
        str_putn(&s, line, plain);
        line += plain;
        if (*line != '#') return str_text(&s);
        const char *const *names = line[1] == '#' ? naming->size : line[1] == '@' ? naming->number : naming->buffer;
        char *end;
        long number = strtol(line + 1 + (names != naming->buffer), &end, 10);
        str_put(&s, names[number]);
        line = end;
    }
}

static const char *next_line(const char *line) { return strchr(line, '\n') + 1; }

// `line` is the head of a loop: returns the loop's statement if it is the only one and a simple one, otherwise NULL.
static const char *only_statement(const char *line) {
    const char *body = next_line(line), *end = body[-2] == '{' ? next_line(body) : "";
    bool loop = !strncmp(line, "for ", 4) || !strncmp(line, "DLC_", 4);
    bool only = *end && end[-2] == ';' && end[strspn(end, " ")] == '}';
    return loop && only ? body + strspn(body, " ") : NULL;
}

// The body with its names and comments. A loop over one short statement gets one line.
static void put_body(Str *s, const Naming *naming) {
    const char *body = naming->text->body;
    const Comment *comments = naming->text->comments.at;
    int k = 0, n = naming->text->comments.len;
    for (const char *line = body; *line; line = next_line(line)) {
        int indent = (int)strspn(line, " ");
        for (; k < n && comments[k].at <= line - body; k++) put_comment(s, naming, comments[k].text, indent);
        const char *text = named(naming, line + indent), *only = only_statement(line + indent);
        if (only && !(k < n && comments[k].at < only - body)) {
            const char *joined =
                arena_printf(naming->arena, "%.*s%s", (int)strlen(text) - 1, text, named(naming, only));
            if (indent + (int)strlen(joined) <= WIDTH) text = joined, line = next_line(only);
        }
        put_line(s, text, indent);
    }
}

void kernel_print(Str *s, const KernelText *text, const EmitInput *in, const EmitOptions *options) {
    Arena scratch = {0};
    Naming naming = naming_new(&scratch, text, in->module, options);
    put_comment(s, &naming, text->kernel->comment, 0);
    if (text->calls > 1) str_printf(s, "// Called from %d places.\n", text->calls);
    const char *inlined = options->target->vector_bytes ? "DLC_NOINLINE " : "";
    put_signature(s, &naming, arena_printf(&scratch, "static %svoid %s(", inlined, text->name));
    put_body(s, &naming);
    str_put(s, "}\n");
    arena_release(&scratch);
}
