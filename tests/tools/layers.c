// layers.c: every layer, loss and optimiser of the prelude alone against PyTorch's numbers: the interpreter and the C
// at both levels, for c11 and native.
//     layers TOP NAME...        reads tests/nets/NAME.dl and tests/golden/data/NAME.txt, written by tests/oracle
// A case is one call of an entry: what its storages (param) and arguments (arg) are, its run-time sizes (size: one
// number for all, or one for each), what it returns (out), and what storages hold afterwards (grad: the optimizer
// `take` puts the gradient in the parameter's place; after). A case of the same name as the one before goes on with
// its storages. Integers are equal, and each float is within 1e-5 of the largest of its tensor.
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
    char *text;              // the expression, for messages
    int64_t size[MAX_SIZES]; // of run time
    VEC(Numbers) numbers;
} Case;
typedef VEC(Case) Cases;

static void read_cases(Arena *arena, const char *path, Cases *cases) {
    FILE *file = fopen(path, "r");
    char kind[8];
    if (!file) exit(3);
    while (fscanf(file, "%7s", kind) == 1) {
        if (*kind == '#') { // to the end of the line
            if (fscanf(file, "%*[^\n]") == EOF) exit(3);
            continue;
        }
        if (!strcmp(kind, "case")) {
            Case c = {0};
            char text[200];
            if (fscanf(file, "%15s %199[^\n]", c.name, text) != 2) exit(3);
            c.text = arena_strdup(arena, text);
            vec_push(arena, cases, c);
            continue;
        }
        if (!strcmp(kind, "size")) {
            int size;
            if (!cases->len || fscanf(file, "%d", &size) != 1) exit(3);
            for (int k = 0; k < MAX_SIZES; k++) {
                cases->at[cases->len - 1].size[k] = size;
                if (fscanf(file, "%*1[ ]%d", &size) < 0) exit(3); // to the end of the line
            }
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
    bool ok = same_size && worst <= (got->f ? TOLERANCE * (largest > 1e-3 ? largest : 1e-3) : 0);
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

static const Storage *find_storage(Module *m, const char *name) {
    const Storage *storage = module_find_storage(m, name);
    if (storage) return storage;
    fprintf(stderr, "layers: no storage %s\n", name);
    exit(3);
}

static bool is_afterwards(const Numbers *n) { return !strcmp(n->kind, "grad") || !strcmp(n->kind, "after"); }

// For what an entry returns; its outputs to storages come after that.
static Tensor *returned_of(Arena *arena, const Graph *g, const int64_t *sizes) {
    Tensor *returned = NEW_ARRAY(arena, Tensor, g->outputs.len + 1);
    for (int k = 0; k < g->outputs.len && !g->outputs.at[k].storage; k++)
        returned[k] = tensor_new(arena, &g->outputs.at[k].value->type, sizes);
    return returned;
}

static const Tensor *find_output(const Graph *g, const Tensor *returned, const char *name) {
    for (int k = 0; k < g->outputs.len; k++)
        if (g->outputs.at[k].name && !strcmp(g->outputs.at[k].name, name)) return &returned[k];
    exit(3);
}

static Tensor *arguments_of(Arena *arena, const Graph *g, const Case *c) {
    Tensor *arguments = NEW_ARRAY(arena, Tensor, g->arguments.len + 1);
    for (int k = 0; k < g->arguments.len; k++) {
        arguments[k] = tensor_new(arena, &g->arguments.at[k]->type, c->size);
        fill(&arguments[k], find_numbers(c, "arg", node_attr(g->arguments.at[k], "name")->s));
    }
    return arguments;
}

// What they begin with: parameters as zeros (a case gives its own), the optimisers' state as its entry says.
static Tensor *new_storages(Arena *arena, Module *m) {
    Tensor *storages = NEW_ARRAY(arena, Tensor, m->storages.len + 1);
    for (int k = 0; k < m->storages.len; k++) storages[k] = tensor_new(arena, &m->storages.at[k]->type, NULL);
    for (int e = 0; e < m->entries.len; e++)
        if (m->entries.at[e]->kind == ENTRY_START)
            graph_interpret(m->entries.at[e], &(Interpretation){.arena = arena, .storages = storages});
    return storages;
}

static void check_interpreter(Tally *t, Arena *arena, Module *m, Tensor *storages, const Case *c) {
    Graph *g = find_entry(m, c->name);
    Tensor *returned = returned_of(arena, g, c->size);
    for (int k = 0; k < m->storages.len; k++) {
        const Numbers *n = find_numbers(c, "param", m->storages.at[k]->name);
        if (n) fill(&storages[k], n);
    }
    graph_interpret(g, &(Interpretation){.arena = arena,
                                         .sizes = c->size,
                                         .arguments = arguments_of(arena, g, c),
                                         .storages = storages,
                                         .returned = returned});
    for (int k = 0; k < c->numbers.len; k++) {
        const Numbers *n = &c->numbers.at[k];
        if (!strcmp(n->kind, "out")) compare(t, "interpreter", c, find_output(g, returned, n->name), n);
        if (is_afterwards(n)) compare(t, "interpreter", c, &storages[find_storage(m, n->name)->index], n);
    }
}

static void check_compiled(Tally *t, Arena *arena, Compiled *built, const Case *c, const char *who) {
    Graph *g = compiled_entry(built, c->name);
    Tensor *returned = returned_of(arena, g, c->size);
    for (int k = 0; k < c->numbers.len; k++) {
        const Numbers *n = &c->numbers.at[k];
        if (strcmp(n->kind, "param")) continue;
        Tensor value = tensor_new(arena, &find_storage(built->module, n->name)->type, NULL);
        fill(&value, n);
        compiled_set(built, n->name, &value);
    }
    tally(t, !compiled_call(built, g, c->size, arguments_of(arena, g, c), returned, NULL), "%s: %s: its status", who,
          c->name);
    for (int k = 0; k < c->numbers.len; k++) {
        const Numbers *n = &c->numbers.at[k];
        if (!strcmp(n->kind, "out")) compare(t, who, c, find_output(g, returned, n->name), n);
        if (!is_afterwards(n)) continue;
        Tensor value = tensor_new(arena, &find_storage(built->module, n->name)->type, NULL);
        compiled_get(built, n->name, &value);
        compare(t, who, c, &value, n);
    }
}

// A size with which some axis would have no element is refused, and nothing is written.
static void check_refusals(Tally *t, Arena *arena, Compiled *built, const char *who) {
    for (int e = 0; e < built->module->entries.len; e++) {
        const Graph *g = built->module->entries.at[e];
        int64_t size[MAX_SIZES];
        for (int k = 0; k < MAX_SIZES; k++) size[k] = graph_least(g, 0) - 1;
        if (!graph_is_public(g) || !g->need[0].size) continue;
        Tensor *returned = returned_of(arena, g, NULL), y = returned[0];
        Tensor *arguments = NEW_ARRAY(arena, Tensor, g->arguments.len + 1);
        for (int k = 0; k < g->arguments.len; k++) arguments[k] = tensor_new(arena, &g->arguments.at[k]->type, NULL);
        for (int64_t k = 0; k < y.count; k++) y.f[k] = 7;
        bool refused = compiled_call(built, compiled_entry(built, g->name), size, arguments, returned, NULL) != 0;
        for (int64_t k = 0; k < y.count; k++) refused &= y.f[k] == 7;
        tally(t, refused, "%s: %s takes %d, or writes for it", who, g->name, (int)size[0]);
    }
}

static void check_file(Tally *t, const char *top, const char *name) {
    Arena arena = {0};
    Cases cases = {0};
    char *dl = arena_printf(&arena, "%s/tests/nets/%s.dl", top, name);
    read_cases(&arena, arena_printf(&arena, "%s/tests/golden/data/%s.txt", top, name), &cases);
    Module *m = harness_module(&arena, dl, NULL);
    if (!m) exit(3);
    Tensor *storages = new_storages(&arena, m);
    for (int k = 0; k < cases.len; k++) check_interpreter(t, &arena, m, storages, &cases.at[k]);
    for (int which = 0; which < 4; which++) {
        HarnessOptions o = {.target = which & 1 ? "native" : "c11",
                            .level = which & 2 ? 2 : 0,
                            .cc = which == 3 ? "gcc" : "clang",
                            .cc_level = which == 3 ? "-O1" : "-O0"};
        char *who = arena_printf(&arena, "%s -O%d", o.target, o.level);
        Compiled *built = compiled_new(&arena, dl, arena_printf(&arena, "%s/%d", name, which), &o);
        tally(t, built, "%s: does not compile", who);
        for (int k = 0; built && k < cases.len; k++) check_compiled(t, &arena, built, &cases.at[k], who);
        if (built) check_refusals(t, &arena, built, who);
        if (built) compiled_free(built);
    }
    arena_release(&arena);
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    Tally t = {0};
    for (int k = 2; k < argc; k++) check_file(&t, argv[1], argv[k]);
    return tally_close(&t);
}
