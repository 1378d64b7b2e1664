// layers.c: every layer of the prelude alone, forward and gradient, against PyTorch's numbers: the interpreter and the
// C at both levels, for c11 and native.
//     layers TOP        reads tests/nets/layers.dl and tests/golden/data/layers.txt, written by tests/oracle/layers.py
// A parameter of an entry holds its gradient afterwards. Each element within 1e-5 of the largest of its tensor.
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

static const double TOLERANCE = 1e-5;

typedef struct Numbers {
    char kind[8], name[60];
    int count;
    double *value;
} Numbers;

typedef struct Case {
    char name[16];
    char *text; // the expression, for messages
    VEC(Numbers) numbers;
} Case;
typedef VEC(Case) Cases;

static void read_cases(Arena *arena, const char *path, Cases *cases) {
    FILE *file = fopen(path, "r");
    char kind[8];
    if (!file) exit(3);
    while (fscanf(file, "%7s", kind) == 1) {
        if (!strcmp(kind, "case")) {
            Case c = {0};
            char text[200];
            if (fscanf(file, "%15s %199[^\n]", c.name, text) != 2) exit(3);
            c.text = arena_strdup(arena, text);
            vec_push(arena, cases, c);
            continue;
        }
        Numbers n = {0};
        memcpy(n.kind, kind, sizeof kind);
        if (!cases->len || fscanf(file, "%59s %d", n.name, &n.count) != 2) exit(3);
        n.value = NEW_ARRAY(arena, double, n.count + 1);
        unsigned seed;
        double low, high;
        if (fscanf(file, " drawn %u %lf %lf", &seed, &low, &high) == 3) {
            Type type = {F32, 1, {dim_fixed(n.count)}};
            n.value = tensor_drawn(arena, &type, NULL, seed, low, high).f;
        } else
            for (int k = 0; k < n.count; k++)
                if (fscanf(file, "%lf", &n.value[k]) != 1) exit(3);
        vec_push(arena, &cases->at[cases->len - 1].numbers, n);
    }
    fclose(file);
}

static const Numbers *find_numbers(const Case *c, const char *kind, const char *name) {
    for (int k = 0; k < c->numbers.len; k++)
        if (!strcmp(c->numbers.at[k].kind, kind) && !strcmp(c->numbers.at[k].name, name)) return &c->numbers.at[k];
    return NULL;
}

static void fill(Tensor *t, const Numbers *n) {
    if (!n || n->count != t->count) exit(3);
    for (int64_t k = 0; k < t->count; k++)
        if (t->f)
            t->f[k] = (float)n->value[k];
        else
            t->i[k] = (int64_t)n->value[k];
}

static void compare(Tally *t, const char *who, const Case *c, const Tensor *got, const Numbers *want) {
    double largest = 0, worst = 0;
    int at = -1;
    for (int k = 0; k < want->count; k++)
        if (isfinite(want->value[k]) && fabs(want->value[k]) > largest) largest = fabs(want->value[k]);
    bool same_size = got->count == want->count;
    for (int k = 0; same_size && k < want->count; k++) {
        double g = got->f ? got->f[k] : (double)got->i[k], w = want->value[k];
        double off = g == w || (isnan(g) && isnan(w)) ? 0 : isfinite(g) && isfinite(w) ? fabs(g - w) : INFINITY;
        if (off > worst) worst = off, at = k;
    }
    bool ok = same_size && worst <= TOLERANCE * (largest > 1e-3 ? largest : 1e-3);
    tally(t, ok, "%s: %s %s: %s %s element %d: got %.9g, want %.9g", who, c->name, c->text, want->kind, want->name, at,
          at < 0   ? 0
          : got->f ? got->f[at]
                   : (double)got->i[at],
          at < 0 ? 0 : want->value[at]);
}

static Graph *find_entry(Module *m, const char *name) {
    for (int e = 0; e < m->entries.len; e++)
        if (!strcmp(m->entries.at[e]->name, name)) return m->entries.at[e];
    exit(3);
}

static Tensor *arguments_of(Arena *arena, const Graph *g, const Case *c) {
    Tensor *arguments = NEW_ARRAY(arena, Tensor, g->arguments.len + 1);
    for (int k = 0; k < g->arguments.len; k++) {
        arguments[k] = tensor_new(arena, &g->arguments.at[k]->type, NULL);
        fill(&arguments[k], find_numbers(c, "arg", node_attr(g->arguments.at[k], "name")->s));
    }
    return arguments;
}

static void check_interpreter(Tally *t, Arena *arena, Module *m, const Case *c) {
    Graph *g = find_entry(m, c->name);
    Tensor *storages = NEW_ARRAY(arena, Tensor, m->storages.len + 1), returned[1];
    for (int k = 0; k < m->storages.len; k++) {
        storages[k] = tensor_new(arena, &m->storages.at[k]->type, NULL);
        const Numbers *n = find_numbers(c, "param", m->storages.at[k]->name);
        if (n) fill(&storages[k], n);
    }
    graph_interpret(
        g, &(Interpretation){
               .arena = arena, .arguments = arguments_of(arena, g, c), .storages = storages, .returned = returned});
    compare(t, "interpreter", c, &returned[0], find_numbers(c, "out", "y"));
    for (int k = 0; k < m->storages.len; k++) {
        const Numbers *n = find_numbers(c, "grad", m->storages.at[k]->name);
        if (n) compare(t, "interpreter", c, &storages[k], n);
    }
}

static void check_compiled(Tally *t, Arena *arena, Compiled *built, const Case *c, const char *who) {
    Graph *g = compiled_entry(built, c->name);
    Tensor y = tensor_new(arena, &g->outputs.at[0].value->type, NULL);
    for (int k = 0; k < c->numbers.len; k++) {
        const Numbers *n = &c->numbers.at[k];
        if (strcmp(n->kind, "param")) continue;
        Tensor value = tensor_new(arena, &module_find_storage(built->module, n->name)->type, NULL);
        fill(&value, n);
        compiled_set(built, n->name, &value);
    }
    compiled_call(built, g, NULL, arguments_of(arena, g, c), &y, NULL);
    compare(t, who, c, &y, find_numbers(c, "out", "y"));
    for (int k = 0; k < c->numbers.len; k++) {
        const Numbers *n = &c->numbers.at[k];
        if (strcmp(n->kind, "grad")) continue;
        Tensor value = tensor_new(arena, &module_find_storage(built->module, n->name)->type, NULL);
        compiled_get(built, n->name, &value);
        compare(t, who, c, &value, n);
    }
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    Arena arena = {0};
    Tally t = {0};
    Cases cases = {0};
    char *dl = arena_printf(&arena, "%s/tests/nets/layers.dl", argv[1]);
    read_cases(&arena, arena_printf(&arena, "%s/tests/golden/data/layers.txt", argv[1]), &cases);
    Module *m = harness_module(&arena, dl, NULL);
    if (!m) return 3;
    for (int k = 0; k < cases.len; k++) check_interpreter(&t, &arena, m, &cases.at[k]);
    for (int which = 0; which < 4; which++) {
        HarnessOptions o = {.target = which & 1 ? "native" : "c11", .level = which & 2 ? 2 : 0, .cc = "gcc"};
        char *who = arena_printf(&arena, "%s -O%d", o.target, o.level);
        Compiled *built = compiled_new(&arena, dl, arena_printf(&arena, "layers/%d", which), &o);
        tally(&t, built, "%s: does not compile", who);
        for (int k = 0; built && k < cases.len; k++) check_compiled(&t, &arena, built, &cases.at[k], who);
        if (built) compiled_free(built);
    }
    arena_release(&arena);
    return tally_close(&t);
}
