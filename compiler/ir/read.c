// read.c: what print.c printed becomes a module again. The text may be anything: the first thing that does not fit is
// reported with its place, and nothing is returned.
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"
#include "ops/op.h"

typedef struct Reader {
    Arena *arena;
    Diag *diag;
    const Source *source;
    int at;
    bool failed;
    Module *m;
    Graph *g;
    NodeVec nodes; // by the number in the text
} Reader;

// ---- tokens ---------------------------------------------------------------------------------------------------------

static void fail(Reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fail(Reader *r, const char *fmt, ...) {
    if (r->failed) return;
    r->failed = true;
    va_list args;
    va_start(args, fmt);
    const char *message = arena_vprintf(r->arena, fmt, args);
    va_end(args);
    int end = r->at < r->source->len ? r->at + 1 : r->at;
    diag_error(r->diag, (Span){r->source, r->at, end}, "%s", message);
}

static char peek(Reader *r) {
    const char *text = r->source->text;
    while (r->at < r->source->len) {
        if (text[r->at] == '#')
            while (r->at < r->source->len && text[r->at] != '\n') r->at++;
        else if (isspace((unsigned char)text[r->at]))
            r->at++;
        else
            break;
    }
    return r->failed || r->at >= r->source->len ? 0 : text[r->at];
}

static bool accept(Reader *r, const char *token) {
    peek(r);
    int len = (int)strlen(token);
    if (r->failed || r->source->len - r->at < len || memcmp(r->source->text + r->at, token, (size_t)len)) return false;
    r->at += len;
    return true;
}

static void expect(Reader *r, const char *token) {
    if (!accept(r, token)) fail(r, "graph text: expected '%s'", token);
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

static const char *word(Reader *r) {
    char first = peek(r);
    int start = r->at;
    if (isdigit((unsigned char)first)) fail(r, "graph text: a name starts with a letter");
    while (!r->failed && r->at < r->source->len && is_word(r->source->text[r->at])) r->at++;
    if (r->at == start) fail(r, "graph text: expected a name");
    if (r->failed) return "";
    return arena_strndup(r->arena, r->source->text + start, (size_t)(r->at - start));
}

// One character of a string: itself, \", \\ or \x0a.
static char string_char(Reader *r) {
    const char *text = r->source->text;
    if (text[r->at] != '\\') return text[r->at++];
    if (text[r->at + 1] == 'x' && isxdigit((unsigned char)text[r->at + 2]) &&
        isxdigit((unsigned char)text[r->at + 3])) {
        char byte = (char)strtol((char[]){text[r->at + 2], text[r->at + 3], 0}, NULL, 16);
        if (!byte) fail(r, "graph text: a string holds no NUL");
        r->at += 4;
        return byte;
    }
    if (text[r->at + 1] == '"' || text[r->at + 1] == '\\') {
        r->at += 2;
        return text[r->at - 1];
    }
    fail(r, "graph text: no such escape");
    return ' ';
}

static const char *quoted(Reader *r) {
    Str s = str_new(r->arena);
    expect(r, "\"");
    while (!r->failed && r->at < r->source->len && !strchr("\"\n", r->source->text[r->at])) {
        char c = string_char(r);
        str_putn(&s, &c, 1);
    }
    if (!r->failed && (r->at >= r->source->len || r->source->text[r->at] != '"'))
        fail(r, "graph text: a string does not end");
    if (r->failed) return "";
    r->at++;
    return arena_strdup(r->arena, str_text(&s));
}

static int64_t integer(Reader *r) {
    peek(r);
    const char *from = r->source->text + r->at;
    char *end;
    errno = 0;
    long long value = r->failed ? 0 : strtoll(from, &end, 10);
    if (r->failed) return 0;
    if (end == from || errno) fail(r, "graph text: expected an integer");
    r->at += (int)(end - from);
    return value;
}

static double number(Reader *r) {
    peek(r);
    if (r->failed) return 0;
    const char *from = r->source->text + r->at;
    char *end;
    double value = strtod(from, &end);
    if (end == from) fail(r, "graph text: expected a number");
    r->at += (int)(end - from);
    return value;
}

// ---- types and attributes -------------------------------------------------------------------------------------------

// The run-time size of that name, once.
static Count read_size_name(Reader *r) {
    const char *name = word(r);
    for (int k = 0; k < r->m->nsizes; k++)
        if (!strcmp(r->m->sizes[k].name, name)) return count_of_dim(dim_size(r->m->sizes[k].bound, k));
    fail(r, "graph text: there is no size %s", name);
    return count_fixed(1);
}

// "7", "-1", "N", "2 * N - 1", "9 - N"
static Count read_count(Reader *r) {
    Count sum = count_fixed(0);
    int64_t sign = accept(r, "-") ? -1 : 1;
    while (sign && !r->failed) {
        bool number = isdigit((unsigned char)peek(r));
        int64_t times = number ? integer(r) : 1;
        Count term = number && !accept(r, "*") ? count_fixed(1) : read_size_name(r);
        if (!r->failed && !count_add(sum, sign * times, term, &sum)) fail(r, "graph text: a number is out of range");
        sign = accept(r, "+") ? 1 : accept(r, "-") ? -1 : 0;
    }
    return sum;
}

static Dim read_dim(Reader *r) {
    Count place = read_count(r);
    Dim dim = dim_fixed(1);
    if (r->failed || count_to_dim(place, &dim)) return dim;
    Str s = str_new(r->arena);
    count_print(&s, place, r->m->sizes);
    fail(r, "graph text: %s is no extent", str_text(&s));
    return dim;
}

// Lists such as "[N, 784]": whether there is an item number n.
static bool next_item(Reader *r, int n) {
    if (!n) expect(r, "[");
    if (accept(r, "]")) return false;
    if (n) expect(r, ",");
    if (n == MAX_RANK) fail(r, "graph text: more than %d axes", MAX_RANK);
    return !r->failed;
}

static int read_dims(Reader *r, Dim *dims) {
    int n = 0;
    for (; next_item(r, n); n++) dims[n] = read_dim(r);
    return n;
}

static DType read_dtype(Reader *r) {
    DType dtype = F32;
    const char *name = word(r);
    if (!r->failed && !dtype_find(name, &dtype)) fail(r, "graph text: %s is no dtype", name);
    return dtype;
}

static Type read_type(Reader *r) {
    Type type = {.dtype = read_dtype(r)};
    int64_t count;
    type.rank = read_dims(r, type.dim);
    if (!r->failed && !type_count_checked(&type, &count)) fail(r, "graph text: a tensor has 2^31 elements or more");
    return type;
}

static int axis_of(Reader *r, const Iter *iter) {
    char letter = peek(r);
    for (int a = 0; a < iter->naxes; a++)
        if (iter->name[a] == letter) {
            r->at++;
            return a;
        }
    fail(r, "graph text: expected an iteration axis");
    return 0;
}

static int32_t small(Reader *r, int64_t value) {
    if (value < -INT32_MAX || value > INT32_MAX) fail(r, "graph text: %lld is out of range", (long long)value);
    return r->failed ? 0 : (int32_t)value;
}

// "2*y+p-1"
static Affine read_affine(Reader *r, const Iter *iter) {
    Affine affine = {0};
    bool first = true;
    for (;; first = false) {
        int64_t sign = accept(r, "-") ? -1 : 1;
        if (sign > 0 && !first && !accept(r, "+")) return affine;
        if (isdigit((unsigned char)peek(r))) {
            int32_t value = small(r, sign * integer(r));
            if (accept(r, "*"))
                affine.coef[axis_of(r, iter)] = value;
            else
                affine.c = value;
        } else
            affine.coef[axis_of(r, iter)] = (int32_t)sign;
        if (r->failed) return affine;
    }
}

static Map read_map(Reader *r, const char *name, const Iter *iter) {
    Map map = {0};
    expect(r, name);
    for (; next_item(r, map.rank); map.rank++) map.dim[map.rank] = read_affine(r, iter);
    return map;
}

static Iter *read_iter(Reader *r) {
    Iter *iter = NEW(r->arena, Iter);
    bool split = false;
    expect(r, "[");
    while (!r->failed && !accept(r, "]")) {
        if (!split && accept(r, "|")) {
            iter->nout = iter->naxes;
            split = true;
            continue;
        }
        if (iter->naxes == MAX_AXES) {
            fail(r, "graph text: more than %d iteration axes", MAX_AXES);
            return iter;
        }
        iter->name[iter->naxes] = peek(r);
        if (!isalpha((unsigned char)peek(r))) {
            fail(r, "graph text: expected a letter for an iteration axis");
            return iter;
        }
        r->at++;
        expect(r, ":");
        iter->axis[iter->naxes++] = read_dim(r);
        accept(r, ",");
    }
    if (!split) iter->nout = iter->naxes;
    iter->map[iter->nmaps++] = read_map(r, "out", iter);
    expect(r, "+=");
    iter->map[iter->nmaps++] = read_map(r, "a", iter);
    if (accept(r, "*")) iter->map[iter->nmaps++] = read_map(r, "b", iter);
    return iter;
}

int word_find(const char *const *words, const char *word) {
    int k = 0;
    while (words[k] && strcmp(words[k], word)) k++;
    return k;
}

// The place of a word among those that the attribute may have.
static int64_t read_word(Reader *r, const AttrSpec *spec) {
    const char *word = quoted(r);
    int k = word_find(spec->words, word);
    if (!spec->words[k]) fail(r, "graph text: %s cannot be %s: %s", spec->name, word, spec->doc);
    return k;
}

static Attr read_attr(Reader *r, const AttrSpec *spec) {
    Attr a = {.s = ""};
    switch (spec->kind) {
    case ATTR_INT:
        a.i = integer(r);
        return a;
    case ATTR_FLOAT:
        a.f = number(r);
        return a;
    case ATTR_DTYPE:
        a.i = read_dtype(r);
        return a;
    case ATTR_STRING:
        a.s = quoted(r);
        return a;
    case ATTR_WORD:
        a.i = read_word(r, spec);
        return a;
    case ATTR_ITER:
        a.iter = read_iter(r);
        return a;
    case ATTR_DIMS: {
        Dim *dims = NEW_ARRAY(r->arena, Dim, MAX_RANK);
        a.n = read_dims(r, dims);
        a.dims = dims;
        return a;
    }
    case ATTR_COUNTS: {
        Count *counts = NEW_ARRAY(r->arena, Count, MAX_RANK);
        for (; next_item(r, a.n); a.n++) counts[a.n] = read_count(r);
        a.counts = counts;
        return a;
    }
    case ATTR_INTS: {
        int64_t *ints = NEW_ARRAY(r->arena, int64_t, MAX_RANK);
        for (; next_item(r, a.n); a.n++) ints[a.n] = integer(r);
        a.ints = ints;
        return a;
    }
    }
    return a;
}

// ---- nodes ----------------------------------------------------------------------------------------------------------

static Node *read_reference(Reader *r) {
    expect(r, "%");
    int64_t id = integer(r);
    if (!r->failed && (id < 0 || id >= r->nodes.len)) fail(r, "graph text: %%%lld is not defined above", (long long)id);
    return r->failed ? NULL : r->nodes.at[id];
}

static int read_copy(Reader *r) {
    int64_t copy = integer(r);
    if (copy < 0 || copy > MAX_COPY)
        fail(r, "graph text: copy %lld is not between 0 and %d", (long long)copy, MAX_COPY);
    return r->failed ? 0 : (int)copy;
}

// " @{loss copy=1 checkpoint="2" name="h" origin="linear"}", which may be missing, as may each part.
static void read_tags(Reader *r) {
    r->g->section_now = SECTION_FORWARD;
    r->g->name_now = r->g->origin_now = r->g->checkpoint_now = NULL;
    r->g->copy_now = 0;
    if (!accept(r, "@{")) return;
    const char *section = word(r);
    int k = word_find(section_words, section);
    r->g->section_now = (enum Section)k;
    if (!section_words[k]) fail(r, "graph text: there is no section %s", section);
    if (accept(r, "copy=")) r->g->copy_now = read_copy(r);
    if (accept(r, "checkpoint=")) r->g->checkpoint_now = quoted(r);
    if (accept(r, "name=")) r->g->name_now = quoted(r);
    if (accept(r, "origin=")) r->g->origin_now = quoted(r);
    expect(r, "}");
}

// Makes room for a carried value: its loop must exist, and its place in it be free.
static bool read_carry(Reader *r, const Attr *attrs) {
    if (attrs[0].i < 1 || attrs[0].i > r->g->loops.len)
        fail(r, "graph text: there is no loop %lld", (long long)attrs[0].i);
    if (attrs[1].i < 0 || attrs[1].i >= MAX_CARRIES)
        fail(r, "graph text: no loop carries value %lld", (long long)attrs[1].i);
    if (r->failed) return false;
    Loop *loop = graph_loop(r->g, (int)attrs[0].i);
    while (loop->carry.len <= attrs[1].i) {
        vec_push(r->arena, &loop->carry, NULL);
        vec_push(r->arena, &loop->next, NULL);
    }
    if (loop->carry.at[attrs[1].i])
        fail(r, "graph text: loop %lld carries value %lld twice", (long long)attrs[0].i, (long long)attrs[1].i);
    return !r->failed;
}

// "loop 2 over N reverse checkpoint in 1"
static void read_loop(Reader *r) {
    int64_t number = integer(r), parent = 0;
    expect(r, "over");
    Dim steps = read_dim(r);
    bool reverse = accept(r, "reverse"), checkpoint = accept(r, "checkpoint");
    if (accept(r, "in ")) parent = integer(r);
    if (!r->failed && number != r->g->loops.len + 1) fail(r, "graph text: expected loop %d", r->g->loops.len + 1);
    if (parent < 0 || parent > r->g->loops.len) fail(r, "graph text: there is no loop %lld", (long long)parent);
    if (r->failed) return;
    int loop = graph_loop_new(r->g, steps, reverse, (int)parent);
    graph_loop(r->g, loop)->checkpoint = checkpoint;
}

// "next %4 = %5"
static void read_next(Reader *r) {
    Node *carry = read_reference(r);
    expect(r, "=");
    Node *next = read_reference(r);
    if (!r->failed && !node_is(carry, carry)) fail(r, "graph text: %%%d is no carried value", carry->id);
    if (!r->failed && graph_loop(r->g, node_loop_attr(carry))->next.at[carry->attr[1].i])
        fail(r, "graph text: a second next for %%%d", carry->id);
    if (!r->failed) graph_loop_next(r->g, carry, next);
}

// "%4 = add %2, %3 {attr=...} : f32[N, 10] @{...}"
static void read_node(Reader *r) {
    int start = r->at;
    int64_t id = integer(r);
    expect(r, "=");
    const char *name = word(r);
    const Op *op = r->failed ? NULL : op_find(name);
    if (!op) {
        fail(r, "graph text: there is no operator %s", name);
        return;
    }
    Node *in[MAX_INPUTS];
    int nin = 0;
    while (peek(r) == '%' && nin < MAX_INPUTS) {
        in[nin++] = read_reference(r);
        accept(r, ",");
    }
    if (nin < op->inputs || nin > op->inputs + op->optional)
        fail(r, "graph text: %s takes %d inputs", name, op->inputs + op->optional);
    Attr attrs[MAX_ATTRS + 1] = {0};
    for (int k = 0; op->attrs[k].name; k++) {
        expect(r, k ? "," : "{");
        expect(r, op->attrs[k].name);
        expect(r, "=");
        attrs[k] = read_attr(r, &op->attrs[k]);
    }
    if (op->attrs[0].name) expect(r, "}");
    expect(r, ":");
    Type type = read_type(r);
    for (int k = 0; op->attrs[k].name; k++)
        if (op->attrs[k].kind == ATTR_FLOAT) attrs[k].f = round_to_dtype(type.dtype, attrs[k].f);
    read_tags(r);
    if (!r->failed && id != r->nodes.len) fail(r, "graph text: expected %%%d", r->nodes.len);
    if (r->failed) return;
    r->g->span_now = (Span){r->source, start, r->at};
    if (op == &op_carry && !read_carry(r, attrs)) return;
    Node *node = graph_op(r->g, op, in, nin, attrs);
    if (node && op == &op_carry) {
        Loop *loop = graph_loop(r->g, node_loop_attr(node));
        loop->carry.at[attrs[1].i] = node; // `next` says what follows
    }
    if (!node)
        r->failed = true; // the shape rule has said why
    else if (!type_equal(&node->type, &type))
        fail(r, "graph text: the result has type %s", type_text(r->arena, &node->type, r->m->sizes));
    vec_push(r->arena, &r->nodes, node);
}

static bool is_bound(const Graph *g, const Storage *storage) {
    for (int k = 0; k < g->outputs.len; k++)
        if (g->outputs.at[k].storage == storage) return true;
    return false;
}

static void read_output(Reader *r, bool stored) {
    const char *name = quoted(r);
    expect(r, "=");
    Node *value = read_reference(r);
    if (r->failed) return;
    if (!stored) {
        graph_return(r->g, name, value, (Span){0});
        return;
    }
    Storage *storage = module_find_storage(r->m, name);
    if (!storage)
        fail(r, "graph text: there is no storage \"%s\"", name);
    else if (is_bound(r->g, storage))
        fail(r, "graph text: \"%s\" is stored twice", name);
    else if (!type_equal(&storage->type, &value->type))
        fail(r, "graph text: \"%s\" has type %s", name, type_text(r->arena, &storage->type, r->m->sizes));
    else
        graph_bind(r->g, storage, value, (Span){0});
}

// "(image: f32[N, 784], lr: f32[])". Tags and numbers come with each node's own line; the list only has to exist
// before.
static void read_arguments(Reader *r) {
    expect(r, "(");
    while (!r->failed && !accept(r, ")")) {
        const char *name = word(r);
        expect(r, ":");
        Type type = read_type(r);
        for (int k = 0; k < r->g->arguments.len; k++)
            if (!strcmp(r->g->arguments.at[k]->attr[0].s, name)) fail(r, "graph text: two arguments %s", name);
        if (r->failed) return;
        Attr *attr = NEW(r->arena, Attr);
        attr->s = name;
        Node *place = NEW(r->arena, Node);
        *place = (Node){.op = &op_argument, .type = type, .attr = attr};
        vec_push(r->g->arena, &r->g->arguments, place);
        accept(r, ",");
    }
}

// " where N - 3 >= 1, M - 1 >= 1", which may be missing.
static void read_needs(Reader *r) {
    if (!accept(r, "where")) return;
    do {
        dim_need(r->g->need, read_dim(r));
        expect(r, ">= 1");
    } while (!r->failed && accept(r, ","));
}

static void read_entry(Reader *r, EntryKind kind) {
    r->g = graph_new(r->m, word(r), kind);
    r->g->stage = "read";
    r->nodes.len = 0;
    for (int k = 0; k < r->m->entries.len; k++)
        if (!strcmp(r->m->entries.at[k]->name, r->g->name)) fail(r, "graph text: two entries %s", r->g->name);
    read_arguments(r);
    read_needs(r);
    expect(r, "{");
    while (!r->failed && !accept(r, "}")) {
        if (accept(r, "%"))
            read_node(r);
        else if (accept(r, "return"))
            read_output(r, false);
        else if (accept(r, "store"))
            read_output(r, true);
        else if (accept(r, "loop "))
            read_loop(r);
        else if (accept(r, "next "))
            read_next(r);
        else
            fail(r, "graph text: expected a node, loop, next, return, store or }");
    }
    r->g->copy_now = 0;
    for (int k = 0; k < r->g->arguments.len && !r->failed; k++) {
        const char *name = r->g->arguments.at[k]->attr[0].s;
        r->g->arguments.at[k] = graph_op(r->g, &op_argument, NULL, 0, (Attr[]){{.s = name}});
    }
    const char *wrong = r->failed ? NULL : graph_verify(r->g);
    if (wrong) fail(r, "graph text: entry %s: %s", r->g->name, wrong);
    if (!r->failed) vec_push(r->arena, &r->m->entries, r->g);
}

static void read_storage(Reader *r, StorageKind kind) {
    int start = r->at;
    const char *name = quoted(r);
    expect(r, ":");
    Type type = read_type(r);
    if (r->failed) return;
    if (type_has_size(&type) && kind != STORAGE_STATE)
        fail(r, "graph text: \"%s\" has a run-time size", name);
    else if (module_find_storage(r->m, name))
        fail(r, "graph text: \"%s\" stands twice", name);
    else
        module_add_storage(r->m, name, kind, type, (Span){r->source, start, r->at});
}

static void read_size(Reader *r) {
    const char *name = word(r);
    expect(r, "<=");
    int64_t bound = integer(r);
    for (int k = 0; k < r->m->nsizes; k++)
        if (!strcmp(r->m->sizes[k].name, name)) fail(r, "graph text: two sizes %s", name);
    if (bound < 1 || bound > INT32_MAX) fail(r, "graph text: %lld is no bound", (long long)bound);
    if (r->m->nsizes == MAX_SIZES) fail(r, "graph text: more than %d run-time sizes", MAX_SIZES);
    if (!r->failed) r->m->sizes[r->m->nsizes++] = (Size){name, (int32_t)bound};
}

Module *module_read(Arena *arena, Diag *diag, const Source *source) {
    Reader r = {.arena = arena, .diag = diag, .source = source, .m = module_new(arena, diag, source->name)};
    while (!r.failed && peek(&r)) {
        bool known = accept(&r, "size ");
        if (known) read_size(&r);
        for (int k = 0; storage_words[k] && !known; k++)
            if ((known = accept(&r, storage_words[k]))) read_storage(&r, (StorageKind)k);
        for (int k = 0; entry_words[k] && !known; k++)
            if ((known = accept(&r, entry_words[k]))) read_entry(&r, (EntryKind)k);
        if (!known) fail(&r, "graph text: expected size, param, buffer, optim, state, model, train, start or init");
    }
    if (!r.failed && r.at < source->len && memchr(source->text + r.at, 0, (size_t)(source->len - r.at)))
        fail(&r, "graph text: a NUL byte");
    return r.failed ? NULL : r.m;
}
