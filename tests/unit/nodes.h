// nodes.h: small graphs written as text, for the tests of operators and of autodiff.
//     Bench b; bench_open(&b);
//     Node *x = arg(&b, "x", "f32[N, 3]");
//     Iter iter = iter_of("n4 o3|i5", "n,o", "n,i", "i,o");    sizes N <= 6 (4 in each run) and M <= 5 (3) exist
// Every value is computed by node_evaluate, node by node, so that nothing but the records is on trial.
#ifndef DLC_TEST_NODES_H
#define DLC_TEST_NODES_H

#include <criterion/criterion.h>
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ops/op.h"

typedef struct Bench {
    Arena arena;
    Diag diag;
    char *messages; // what was reported, after bench_messages
    size_t length;
    Module *module;
    Graph *g;
    uint64_t seed;
} Bench;

static const int64_t bench_sizes[MAX_SIZES] = {4, 3};

static inline void bench_open(Bench *b) {
    *b = (Bench){.seed = 1};
    b->diag.out = open_memstream(&b->messages, &b->length);
    b->module = module_new(&b->arena, &b->diag, "test.dl");
    b->module->sizes[0] = (Size){"N", 6};
    b->module->sizes[1] = (Size){"M", 5};
    b->module->nsizes = 2;
    b->g = graph_new(b->module, "test", ENTRY_MODEL);
}

static inline void bench_close(Bench *b) {
    fclose(b->diag.out);
    free(b->messages);
    arena_release(&b->arena);
}

static inline const char *bench_messages(Bench *b) {
    fflush(b->diag.out);
    return b->messages ? b->messages : "";
}

// ---- text to types and maps ---------------------------------------------------------------------------------------

static inline const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == ',') at++;
    return at;
}

// "7", "N", "2*N-1"; *at goes past it.
static inline Dim dim_of(const char **at) {
    int32_t times = isdigit(**at) ? (int32_t)strtol(*at, (char **)at, 10) : 1, plus = 0;
    if (**at == '*') ++*at;
    if (**at != 'N' && **at != 'M') return dim_fixed(times);
    Dim dim = *(*at)++ == 'N' ? dim_size(6, 0) : dim_size(5, 1);
    if (**at == '+' || **at == '-') plus = (int32_t)strtol(*at, (char **)at, 10);
    cr_assert(dim_make(dim, times, plus, &dim), "no dim before %s", *at);
    return dim;
}

// "f32[2, N]"; *end, if given, is set to what follows it.
static inline Type type_of(const char *text, const char **end) {
    Type type = {0};
    char name[8] = {0};
    size_t n = strcspn(text, "[");
    memcpy(name, text, n < 7 ? n : 7);
    cr_assert(dtype_find(name, &type.dtype), "no dtype in %s", text);
    const char *at = skip_blanks(text + n + 1);
    for (; *at != ']'; at = skip_blanks(at)) type.dim[type.rank++] = dim_of(&at);
    if (end) *end = at + 1;
    return type;
}

// "n,2*y+p-1" over the axes of `iter`.
static inline Map map_of(const Iter *iter, const char *text) {
    Map map = {.rank = *text ? 1 : 0};
    for (const char *at = text; *at;) {
        Affine *affine = &map.dim[map.rank - 1];
        int32_t number = 1;
        if (*at == ',') {
            map.rank++, at++;
            continue;
        }
        if (*at == '+' || *at == '-') number = *at++ == '-' ? -1 : 1;
        bool digits = isdigit(*at);
        if (digits) number *= (int32_t)strtol(at, (char **)&at, 10);
        if (*at == '*') at++;
        const char *axis = isalpha(*at) ? memchr(iter->name, *at, (size_t)iter->naxes) : NULL;
        if (isalpha(*at)) {
            cr_assert(axis, "no axis %c in %s", *at, text);
            affine->coef[axis - iter->name] += number;
            at++;
        } else {
            cr_assert(digits, "cannot read %s", at);
            affine->c += number;
        }
    }
    return map;
}

// Axes "n4 oN|i5": a letter and an extent (or N, M) each, the result's before the bar. `b` is NULL for reduce.
static inline Iter iter_of(const char *axes, const char *out, const char *a, const char *b) {
    Iter iter = {.nmaps = b ? 3 : 2};
    bool reduced = false;
    for (const char *at = axes; *at;) {
        if (*at == '|') reduced = true;
        if (*at == '|' || *at == ' ') {
            at++;
            continue;
        }
        iter.name[iter.naxes] = *at++;
        iter.axis[iter.naxes++] = dim_of(&at);
        iter.nout += !reduced;
    }
    iter.map[0] = map_of(&iter, out);
    iter.map[1] = map_of(&iter, a);
    if (b) iter.map[2] = map_of(&iter, b);
    return iter;
}

static inline Node *arg(Bench *b, const char *name, const char *type) {
    return build_argument(b->g, arena_strdup(&b->arena, name), type_of(type, NULL));
}

// The place of a word among those of an attribute; "mean" is beyond them.
static inline int word_of(const char *const *words, const char *word) {
    int k = 0;
    while (words[k] && strcmp(words[k], word)) k++;
    return k;
}

static inline Node *build_reduce_of(Graph *g, const char *kind, const char *ties, Node *x, const Type *shape,
                                    const Iter *iter) {
    Attr attrs[] = {{.i = word_of(reduce_words, kind)},
                    {.i = !strcmp(ties, "first")},
                    {.n = shape->rank, .dims = shape->dim},
                    {.iter = iter}};
    return graph_op(g, &op_reduce, &x, 1, attrs);
}

// ---- numbers ------------------------------------------------------------------------------------------------------

// In [0, 1), by a linear congruential generator.
static inline double bench_draw(Bench *b) {
    b->seed = b->seed * 6364136223846793005u + 1442695040888963407u;
    return (double)(b->seed >> 40) / (1 << 24);
}

// Distinct numbers in (low, high) in random order, at least a tenth of a step apart and none near 0.
static inline Tensor tensor_apart(Bench *b, const Type *type, double low, double high) {
    Tensor t = tensor_new(&b->arena, type, bench_sizes);
    double step = (high - low) / (double)t.count;
    for (int64_t k = 0; k < t.count; k++) {
        double x = low + step * ((double)k + 0.3 + 0.4 * bench_draw(b));
        if (fabs(x) < 0.02) x = 0.02;
        if (t.f)
            t.f[k] = x;
        else
            t.i[k] = type->dtype == BOOL ? k & 1 : (int64_t)x;
    }
    for (int64_t k = t.count - 1; k > 0; k--) {
        int64_t j = (int64_t)(bench_draw(b) * (double)(k + 1));
        if (t.f) {
            double swap = t.f[k];
            t.f[k] = t.f[j], t.f[j] = swap;
        } else {
            int64_t swap = t.i[k];
            t.i[k] = t.i[j], t.i[j] = swap;
        }
    }
    return t;
}

// Values of all nodes up to `last`, by id, for arguments in order.
static inline Tensor *evaluate_all(Bench *b, Arena *arena, const Tensor *arguments, const Node *last, bool exact) {
    Tensor *value = NEW_ARRAY(arena, Tensor, last->id + 1);
    for (int id = 0; id <= last->id; id++) {
        const Node *node = b->g->nodes.at[id];
        if (node->op->traits & OP_INPUT) {
            for (int k = 0; k < b->g->arguments.len; k++)
                if (b->g->arguments.at[k] == node) value[id] = arguments[k];
            continue;
        }
        const Tensor *in[3] = {0};
        for (int k = 0; k < node->nin; k++) in[k] = &value[node->in[k]->id];
        value[id] = tensor_new(arena, &node->type, bench_sizes);
        node_evaluate(node, in, &value[id], bench_sizes, exact);
    }
    return value;
}

static inline Tensor evaluate(Bench *b, const Tensor *arguments, const Node *node) {
    return evaluate_all(b, &b->arena, arguments, node, true)[node->id];
}

#endif
