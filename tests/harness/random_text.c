// random_text.c: see random_text.h. A text that the front end refuses (a pattern that matches nothing, a gradient of
// what the loss does not read) is drawn anew.
#include "random_text.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "frontend/elaborate.h"

enum { ATTEMPTS = 40 };

// ---- numbers for arguments ---------------------------------------------------------------------------------------

static double float_of(char kind, double u, double v) {
    static const double wild[] = {INFINITY, -INFINITY, NAN, 0.0, -0.0, 1e30, -1e30, 1e-40, -1e-40, 3e38, 1e-30, 90};
    if (kind == 'q') return floor(16 * (2 * u - 1)) / 16;
    if (kind == 'z' && v < 0.25) return v < 0.125 ? 0.0 : -0.0;
    if (kind == 'w' && v < 0.06) return wild[(int)(v / 0.06 * 12)];
    return (2 * u - 1) * (kind == 's' ? 1e-3 : kind == 'l' ? 100 : 1);
}

static int64_t whole_of(char kind, DType dtype, double u, double v) {
    if (dtype == BOOL) return u < 0.5;
    int64_t any = v < 0.5 ? (int64_t)floor(200 * u - 100) : (int64_t)(u * 0x1p32) << 31 ^ (int64_t)(v * 0x1p32);
    if (kind != 'i') return (int64_t)floor(12 * u) - 2;
    return dtype == U8 ? (uint8_t)any : dtype == I32 ? (int32_t)(uint32_t)(uint64_t)any : any;
}

Tensor random_argument(Arena *arena, const Type *type, const int64_t *sizes, uint32_t seed, const char *name) {
    Tensor t = tensor_new(arena, type, sizes);
    for (int64_t k = 0; k < t.count; k++) {
        double u = drawn(seed, (uint64_t)(2 * k)), v = drawn(seed, (uint64_t)(2 * k + 1));
        if (t.f)
            t.f[k] = round_to_dtype(F32, strcmp(name, "lr") ? float_of(*name, u, v) : 0.001 + 0.03 * u);
        else
            t.i[k] = whole_of(*name, t.dtype, u, v);
    }
    return t;
}

// ---- the writer --------------------------------------------------------------------------------------------------

int text_pick(Writer *w, int n) { return random_pick(&w->draws, n); }

Axis text_fixed(int extent) { return (Axis){0, 0, extent}; }

int text_extent(const Writer *w, Axis axis) {
    return axis.size ? axis.times * w->bound[axis.size - 1] + axis.plus : axis.plus;
}

bool text_same_axis(Axis a, Axis b) { return a.size == b.size && a.times == b.times && a.plus == b.plus; }

int64_t text_count(const Writer *w, const Value *v) {
    int64_t count = 1;
    for (int d = 0; d < v->rank; d++) count *= text_extent(w, v->axis[d]);
    return count;
}

static void put_axis(Writer *w, Str *s, Axis axis) {
    if (!axis.size && axis.plus == w->k && w->k)
        str_put(s, "K");
    else if (!axis.size)
        str_printf(s, "%d", axis.plus);
    else {
        if (axis.times > 1) str_printf(s, "%d * ", axis.times);
        str_put(s, axis.size == 1 ? "N" : "M");
        if (axis.plus) str_printf(s, " %c %d", axis.plus < 0 ? '-' : '+', abs(axis.plus));
    }
}

const char *text_shape(Writer *w, const Value *v) {
    Str s = str_new(w->arena);
    str_put(&s, "[");
    for (int d = 0; d < v->rank; d++) {
        if (d) str_put(&s, ", ");
        put_axis(w, &s, v->axis[d]);
    }
    str_put(&s, "]");
    return arena_strdup(w->arena, str_text(&s));
}

const char *text_type(Writer *w, const Value *v) {
    return arena_printf(w->arena, "%s%s", dtype_info[v->dtype].name, text_shape(w, v));
}

static bool is_wanted(const Value *v, Want want) {
    bool is_int = dtype_info[v->dtype].is_int, exact = v->exact.frac >= 0;
    switch (want) {
    case FLOATS:
        return v->dtype == F32;
    case EXACT_FLOATS:
        return v->dtype == F32 && exact;
    case INTS:
        return is_int;
    case SMALL_INTS:
        return is_int && exact;
    case BOOLS:
        return v->dtype == BOOL;
    default:
        return true;
    }
}

const Value *text_value(Writer *w, Want want, int low, int high) {
    for (int tries = 0; tries < 16; tries++) {
        int young = w->nvalues < 6 ? w->nvalues : 6;
        int at = text_pick(w, 3) ? w->nvalues - 1 - text_pick(w, young) : text_pick(w, w->nvalues);
        const Value *v = &w->value[at];
        if (is_wanted(v, want) && v->rank >= low && v->rank <= high) return v;
    }
    return NULL;
}

void text_line(Writer *w, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    for (int k = 0; k <= w->depth; k++) str_put(&w->text, "    ");
    str_printf(&w->text, "%s\n", arena_vprintf(w->arena, fmt, args));
    va_end(args);
}

Value *text_add(Writer *w, Value like, char *name) {
    like.name = name;
    if (like.exact.frac + like.exact.mag > 20) like.exact = inexact;
    w->value[w->nvalues] = like;
    return &w->value[w->nvalues++];
}

// Marks the values in the expression as used. Gives whether a gradient reaches parameters: layers that have some are
// named, and else a value in it is learned.
static bool use_values(Writer *w, const char *expression) {
    bool learned = strstr(expression, "name=");
    for (const char *at = expression; *at;) {
        size_t len = 1;
        while ((isalnum((unsigned char)at[len - 1]) || at[len - 1] == '_') &&
               (isalnum((unsigned char)at[len]) || at[len] == '_'))
            len++;
        for (int k = 0; k < w->nvalues; k++) {
            Value *v = &w->value[k];
            if (strlen(v->name) != len || strncmp(v->name, at, len)) continue;
            v->used = true;
            learned |= v->learned;
        }
        at += len;
    }
    return learned && !strstr(expression, "detach(");
}

bool text_put(Writer *w, Value like, const char *fmt, ...) {
    if (like.rank > TEXT_RANK || w->nvalues == TEXT_VALUES) return false;
    for (int d = 0; d < like.rank; d++)
        if (text_extent(w, like.axis[d]) < 1) return false;
    if (text_count(w, &like) > TEXT_ELEMENTS) return false;
    va_list args;
    va_start(args, fmt);
    char *expression = arena_vprintf(w->arena, fmt, args), *name = arena_printf(w->arena, "v%d", w->names++);
    va_end(args);
    text_line(w, "%s = %s", name, expression);
    like.learned = use_values(w, expression) && like.dtype == F32, like.used = false;
    text_add(w, like, name);
    return true;
}

const char *text_layer(Writer *w, const char *kind) { return arena_printf(w->arena, "%s%d", kind, w->names++); }

// ---- arguments ---------------------------------------------------------------------------------------------------

static Axis any_axis(Writer *w) {
    static const int extents[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 16, 17, 33};
    return text_fixed(extents[text_pick(w, 13)]);
}

static Axis run_time(Writer *w) {
    if (text_pick(w, 4) == 0) return any_axis(w);
    return (Axis){1 + text_pick(w, w->nsizes), 1, 0};
}

// What a name that begins with `kind` holds.
static Value value_of(Writer *w, char kind) {
    Value v = {.dtype = F32, .exact = inexact};
    if (kind == 'q') v.exact = (Exact){4, 0};
    if (kind == 'b') v.dtype = BOOL;
    if (kind == 'k') v.dtype = text_pick(w, 2) ? I32 : I64, v.exact = (Exact){0, 4};
    if (kind == 'i') v.dtype = text_pick(w, 3) == 0 ? U8 : text_pick(w, 2) ? I32 : I64;
    int shape = text_pick(w, kind == 'k' ? 3 : kind == 'b' || kind == 'i' ? 5 : 9);
    v.rank = shape < 2 ? shape : shape < 5 ? 2 : shape < 8 ? shape - 4 : 2;
    for (int d = 0; d < v.rank; d++) v.axis[d] = d ? any_axis(w) : run_time(w);
    if (v.rank > 2 && text_count(w, &v) > 3000) v.axis[v.rank - 1] = v.axis[v.rank - 2] = text_fixed(5);
    if (shape == 8) v.axis[1] = text_fixed(1030 + text_pick(w, 700)); // sums of more terms than a block has
    if (text_count(w, &v) > TEXT_ELEMENTS) v.axis[0] = text_fixed(2);
    return v;
}

static char any_kind(Writer *w) {
    static const char *const plain = "xxxqqqqzskkib", *const more = "xxqqzslllkkiib", *const wild = "wwwwqkib";
    const char *from = w->wild ? wild : w->train ? plain : more;
    return from[text_pick(w, (int)strlen(from))];
}

static Value *add_argument(Writer *w, Str *arguments, char kind, Value v) {
    Value *at = text_add(w, v, arena_printf(w->arena, "%c_%d", kind, w->names++));
    str_printf(arguments, "%s%s: %s", str_text(arguments)[0] ? ", " : "", at->name, text_type(w, at));
    return at;
}

// ---- layers that entries share -------------------------------------------------------------------------------------

static void open_block(Writer *w) {
    static const char *const openers[] = {"checkpoint {", "checkpoint {", "eval {", "if true {"};
    if (w->depth > 1 || text_pick(w, 12)) return;
    text_line(w, "%s", openers[text_pick(w, 4)]);
    w->depth++;
}

static void close_blocks(Writer *w, int depth) {
    while (w->depth > depth) {
        w->depth--;
        text_line(w, "}");
    }
}

// `for` over a value that each round changes.
static void loop(Writer *w) {
    const Value *x = text_value(w, FLOATS, 1, TEXT_RANK);
    if (!x || x->rank < 2 || x->axis[x->rank - 1].size) return;
    Value like = *x;
    like.exact = inexact;
    if (!text_put(w, like, "%s * 1", x->name)) return;
    const char *name = w->value[w->nvalues - 1].name, *layer = text_layer(w, "loop");
    text_line(w, "for j in 0..%d { %s = tanh(%s * 0.9 + linear(%s, %d, name=\"%s_{j}\")) }", 1 + text_pick(w, 3), name,
              name, name, like.axis[like.rank - 1].plus, layer);
}

static void body(Writer *w, int steps) {
    for (int tries = 0; steps > 0 && tries < 200; tries++) {
        open_block(w);
        if (text_pick(w, 50) == 0) loop(w);
        if (text_grow(w)) steps--;
        if (w->depth && text_pick(w, 3) == 0) close_blocks(w, w->depth - 1);
    }
    close_blocks(w, 0);
}

// A moving average, as batch norms keep one.
static void add_buffer(Writer *w) {
    const Value *x = text_value(w, FLOATS, 1, TEXT_RANK);
    if (!x || x->axis[x->rank - 1].size) return;
    Value like = *x;
    like.rank = 1, like.axis[0] = x->axis[x->rank - 1], like.exact = inexact;
    char *name = arena_printf(w->arena, "u%d", w->names++);
    Str axes = str_new(w->arena);
    for (int d = 0; d + 1 < x->rank; d++) str_printf(&axes, "%s%d", d ? ", " : "", d);
    text_line(w, "buffer %s: %s = constant(0.25)", name, text_type(w, &like));
    text_line(w, "if training { %s = 0.75 * %s + 0.25 * detach(%s) }", name, name,
              x->rank > 1 ? arena_printf(w->arena, "mean(%s, axis=[%s])", x->name, str_text(&axes)) : x->name);
    text_add(w, like, name);
}

static void add_param(Writer *w) {
    const Value *x = text_value(w, FLOATS, 1, TEXT_RANK);
    if (!x || x->axis[x->rank - 1].size) return;
    Value like = *x;
    like.rank = 1, like.axis[0] = x->axis[x->rank - 1], like.exact = inexact;
    char *name = arena_printf(w->arena, "p%d", w->names++);
    text_line(w, "param %s: %s = uniform(-1.0, 1.0)", name, text_type(w, &like));
    like.learned = true;
    text_add(w, like, name);
}

static void add_trunk(Writer *w) {
    Trunk *t = &w->trunk[w->ntrunks];
    Str arguments = str_new(w->arena);
    w->nvalues = 0, w->in_layer = true;
    t->name = arena_printf(w->arena, "net%d", w->ntrunks);
    t->arguments = 1 + text_pick(w, 2);
    for (int k = 0; k < t->arguments; k++)
        t->argument[k] = *add_argument(w, &arguments, k ? 'k' : 'x', value_of(w, k ? 'k' : 'x'));
    w->inputs = w->nvalues;
    int start = (int)w->text.len;
    add_param(w);
    body(w, 2 + text_pick(w, 5));
    if (text_pick(w, 2)) add_buffer(w);
    t->results = 1 + text_pick(w, 2);
    t->result[0] = w->value[w->nvalues - 1];
    const Value *other = text_value(w, FLOATS, 0, TEXT_RANK);
    t->result[1] = other ? *other : t->result[0];
    text_line(w, "return %s%s%s", t->result[0].name, t->results > 1 ? ", " : "",
              t->results > 1 ? t->result[1].name : "");
    char *inside = arena_strdup(w->arena, str_text(&w->text) + start);
    w->text.len = (size_t)start;
    str_printf(&w->text, "layer %s(%s) {\n%s}\n\n", t->name, str_text(&arguments), inside);
    for (int k = 0; k < 2; k++) t->result[k].exact = t->result[k].dtype == F32 ? inexact : t->result[k].exact;
    w->ntrunks++, w->in_layer = false;
}

static void call_trunk(Writer *w, Str *arguments) {
    const Trunk *t = &w->trunk[text_pick(w, w->ntrunks)];
    Str given = str_new(w->arena);
    for (int k = 0; k < t->arguments; k++) {
        Value like = t->argument[k];
        char kind = k ? 'k' : w->wild ? 'w' : text_pick(w, 2) ? 'x' : 'z';
        str_printf(&given, "%s, ", add_argument(w, arguments, kind, like)->name);
    }
    char *names[2];
    for (int k = 0; k < t->results; k++) names[k] = arena_printf(w->arena, "v%d", w->names++);
    text_line(w, "%s%s%s = %s(%sname=\"%s\")", names[0], t->results > 1 ? ", " : "", t->results > 1 ? names[1] : "",
              t->name, str_text(&given), t->name);
    for (int k = 0; k < t->results; k++) text_add(w, t->result[k], names[k]); // learned as it was there
}

// ---- entries -----------------------------------------------------------------------------------------------------

static void begin_entry(Writer *w, Str *arguments) {
    w->nvalues = 0;
    for (int k = 0, n = 2 + text_pick(w, 4); k < n; k++) {
        char kind = k ? any_kind(w) : w->wild ? 'w' : text_pick(w, 3) ? 'x' : 'q';
        Value v = value_of(w, kind);
        while (!k && v.rank < 2) v = value_of(w, kind);
        add_argument(w, arguments, kind, v);
    }
    if (w->ntrunks && text_pick(w, 4)) call_trunk(w, arguments);
    if (w->ntrunks && text_pick(w, 3) == 0) call_trunk(w, arguments);
    w->inputs = w->nvalues;
}

// Puts `head` before the text from `start` on, and a brace after it.
static void end_entry(Writer *w, size_t start, const char *head) {
    char *inside = arena_strdup(w->arena, str_text(&w->text) + start);
    w->text.len = start;
    str_printf(&w->text, "%s {\n%s}\n\n", head, inside);
}

// One that nothing reads yet, if it finds one.
static Value *unused_value(Writer *w, Want want) {
    const Value *found = NULL;
    for (int tries = 0; tries < 20; tries++) {
        const Value *v = text_value(w, want, 0, TEXT_RANK);
        if (!v) continue;
        found = v;
        if (!v->used && v - w->value >= w->inputs && (want != FLOATS || v->learned)) break;
    }
    if (!found) return NULL;
    w->value[found - w->value].used = true;
    return &w->value[found - w->value];
}

// "r0: f32[N, 3], r1: ..." of some values, and their names.
static void choose_results(Writer *w, int count, Str *types, Str *names) {
    for (int k = 0; k < count; k++) {
        const Value *v = unused_value(w, ANYTHING);
        if (!v) continue;
        bool first = !str_text(types)[0];
        str_printf(types, "%sr%d: %s", first ? "" : ", ", k, text_type(w, v));
        str_printf(names, "%s%s", first ? "" : ", ", v->name);
    }
}

static void add_model(Writer *w, int number) {
    Str arguments = str_new(w->arena), types = str_new(w->arena), names = str_new(w->arena);
    size_t start = w->text.len;
    w->train = false, w->wild = text_pick(w, 4) == 0;
    begin_entry(w, &arguments);
    body(w, 6 + text_pick(w, 12));
    choose_results(w, 2 + text_pick(w, 5), &types, &names);
    text_line(w, "return %s", str_text(&names));
    end_entry(w, start,
              arena_printf(w->arena, "model m%d(%s) -> (%s)", number, str_text(&arguments), str_text(&types)));
    w->wild = false;
}

static const char *loss_term(Writer *w, Str *arguments) {
    static const char *const alone[] = {"mean(%s * %s)",  "mean(softplus(%s))", "mean(tanh(%s) ** 2)",
                                        "mean(silu(%s))", "sum(tanh(%s) ** 2)", "logsumexp(%s * 0.5)"};
    const Value *v = unused_value(w, FLOATS);
    if (!v) return NULL;
    char *x = v->name;
    w->lossy = x;
    const char *shape = text_shape(w, v);
    int kind = text_pick(w, 9);
    if (v->rank == 2 && !v->axis[1].size && text_pick(w, 2)) {
        Value labels = {.dtype = text_pick(w, 2) ? I32 : I64, .rank = 1, .axis = {v->axis[0]}, .exact = {0, 4}};
        char *y = add_argument(w, arguments, 'k', labels)->name;
        return arena_printf(w->arena, "cross_entropy(%s, %s%s)", x, y, text_pick(w, 2) ? "" : ", label_smoothing=0.1");
    }
    if (kind == 0) return arena_printf(w->arena, "huber_loss(%s, full(%s, 0.3137))", x, shape);
    if (kind == 1) return arena_printf(w->arena, "bce_with_logits(%s, sigmoid(detach(%s) + 0.3))", x, x);
    if (kind == 2 && v->rank) return arena_printf(w->arena, "kl_div(log_softmax(%s), softmax(cos(%s)))", x, x);
    const char *format = alone[text_pick(w, 6)];
    if (strstr(format, "logsumexp") && !v->rank) format = alone[0];
    Str s = str_new(w->arena);
    for (const char *at = format; *at; at++)
        if (at[0] == '%' && at[1] == 's')
            str_put(&s, x), at++;
        else
            str_putn(&s, at, 1);
    return arena_strdup(w->arena, str_text(&s));
}

static char *optimizer(Writer *w, const char *lr) {
    static const char *const kinds[] = {"sgd(lr=%s)",
                                        "sgd(lr=%s, momentum=0.9)",
                                        "sgd(lr=%s, momentum=0.8, dampening=0.1, weight_decay=0.05, nesterov=false)",
                                        "sgd(lr=%s, momentum=0.9, nesterov=true)",
                                        "adam(lr=%s, eps=1e-3)",
                                        "adam(lr=%s, amsgrad=true)",
                                        "adamw(lr=%s, weight_decay=0.1)",
                                        "nadam(lr=%s, eps=1e-3)",
                                        "radam(lr=%s)",
                                        "adamax(lr=%s)",
                                        "rmsprop(lr=%s, momentum=0.5, eps=1e-3)",
                                        "rmsprop(lr=%s, centered=true, eps=0.1)",
                                        "adagrad(lr=%s, initial_accumulator_value=0.1)",
                                        "adadelta(lr=%s)",
                                        "lion(lr=%s)",
                                        "adam(lr=%s, weight_decay=0.01, maximize=true, eps=1e-3)"};
    const char *format = kinds[text_pick(w, 16)], *at = strstr(format, "%s");
    return arena_printf(w->arena, "%.*s%s%s", (int)(at - format), format, lr, at + 2);
}

static void minimize(Writer *w, const char *loss, const char *lr) {
    static const char *const chains[] = {"", "", "clip_norm(1.5) |> ", "clip_value(0.4) |> "};
    const char *chain = chains[text_pick(w, 4)];
    if (text_pick(w, 6) == 0) text_line(w, "freeze \"*.bias\"");
    if (text_pick(w, 3) == 0)
        text_line(w, "minimize %s with %s{ %s over \"*.weight\"; %s over \"*\" }", loss, chain, optimizer(w, lr),
                  optimizer(w, lr));
    else
        text_line(w, "minimize %s%s with %s%s", loss, w->ntrunks && text_pick(w, 5) == 0 ? " over \"net0\"" : "", chain,
                  optimizer(w, lr));
}

static void add_train(Writer *w, int number) {
    Str arguments = str_new(w->arena), types = str_new(w->arena), names = str_new(w->arena);
    size_t start = w->text.len;
    w->train = true, w->lossy = NULL;
    begin_entry(w, &arguments);
    bool given = text_pick(w, 2);
    add_param(w);
    while (!text_product(w)) {}
    body(w, 4 + text_pick(w, 10));
    Str sum = str_new(w->arena);
    for (int k = 1 + text_pick(w, 3); k > 0; k--) {
        const char *term = loss_term(w, &arguments);
        if (term) str_printf(&sum, "%s%s", str_text(&sum)[0] ? " + " : "", term);
    }
    text_line(w, "loss = %s", str_text(&sum));
    if (w->lossy && text_pick(w, 4) == 0) {
        const Value *x = text_pick(w, 2) ? &w->value[0] : text_value(w, FLOATS, 1, TEXT_RANK);
        text_line(w, "slope = grad(loss, %s)", text_pick(w, 2) || !x ? w->lossy : x->name);
        text_line(w, "loss = loss + 0.1 * mean(slope * slope)");
    }
    minimize(w, "loss", given ? "lr" : "0.01");
    if (text_pick(w, 5) == 0) minimize(w, loss_term(w, &arguments), "0.02");
    choose_results(w, text_pick(w, 4), &types, &names);
    text_line(w, "return loss%s%s", str_text(&names)[0] ? ", " : "", str_text(&names));
    if (given) str_put(&arguments, ", lr: f32[]");
    end_entry(w, start,
              arena_printf(w->arena, "train t%d(%s)%s -> (loss: f32[]%s%s)", number, str_text(&arguments),
                           text_pick(w, 5) ? "" : " accumulate", str_text(&types)[0] ? ", " : "", str_text(&types)));
}

static char *draw(Arena *arena, uint32_t seed, const char **defines) {
    Writer w = {.arena = arena, .draws = {.seed = seed}, .text = str_new(arena), .nsizes = 1};
    static const int bounds[] = {4, 7, 7, 12, 12, 33};
    w.nsizes = 1 + text_pick(&w, 2);
    for (int k = 0; k < TEXT_SIZES; k++) w.bound[k] = 1 + text_pick(&w, bounds[text_pick(&w, 6)]);
    str_printf(&w.text, "dim N <= %d\n", w.bound[0]);
    if (w.nsizes > 1) str_printf(&w.text, "dim M <= %d\n", w.bound[1]);
    *defines = NULL;
    if (text_pick(&w, 3) == 0) {
        w.k = 5;
        str_put(&w.text, "dim K = 3\n");
        *defines = text_pick(&w, 3) ? "K=5" : arena_printf(arena, "K=5 N=%d", w.bound[0]);
    }
    str_put(&w.text, "\n");
    for (int k = text_pick(&w, TEXT_LAYERS); k > 0; k--) add_trunk(&w);
    for (int k = 0, n = 1 + text_pick(&w, 2); k < n; k++) add_model(&w, k);
    for (int k = 0, n = 1 + text_pick(&w, 2); k < n; k++) add_train(&w, k);
    return arena_strdup(arena, str_text(&w.text));
}

Module *random_text_module(Arena *arena, const char *text, const char *defines) {
    FILE *out = getenv("RANDOM_TEXT_WHY") ? stderr : fopen("/dev/null", "w");
    Module *m = harness_text(arena, "random.dl", text, defines, out);
    if (out != stderr) fclose(out);
    return m;
}

char *random_text(Arena *arena, uint32_t seed, const char **defines) {
    for (uint32_t attempt = 0; attempt < ATTEMPTS; attempt++) {
        char *text = draw(arena, seed + attempt * 1000003u, defines);
        Arena scratch = {0};
        bool fits = random_text_module(&scratch, text, *defines) != NULL;
        arena_release(&scratch);
        if (fits) return text;
    }
    fprintf(stderr, "random_text: seed %u: no text that the front end takes\n", seed);
    exit(3);
}
