// prelude_examples.c: the examples in the comments of the prelude, run by the interpreter and as C at both levels.
//     # x * sigmoid(x), also called swish.
//     #     silu([-2, 0, 3]) = [-0.2384058, 0, 2.857723], gradient [-0.09078425, 0.5, 1.088104]
//     layer silu(x: T[...S]) -> T[...S] {
// An example is an indented line: a call whose first argument is a list of numbers, what it gives and, if that is said,
// the gradient of its sum. The numbers are PyTorch's, to seven digits. Every activation has one.
//     prelude_examples [NAME]        all, or one layer
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "decl_doc.h"
#include "frontend/elaborate.h"
#include "harness.h"

enum { MOST_NUMBERS = 64 };

typedef struct Numbers {
    int count; // -1: not given
    double at[MOST_NUMBERS];
} Numbers;

typedef struct Example {
    const char *layer, *text;   // the line, for messages
    const char *before, *after; // the call around the list: `gelu(` and `, approximate="tanh")`
    Numbers x, y, gradient;
    char entry[16];
} Example;

typedef struct Examples {
    Arena *arena;
    Tally *tally;
    VEC(Example) at;
} Examples;

// ---- reading --------------------------------------------------------------------------------------------------------

// "[1, nan]" at *at; moves after it.
static bool read_list(const char **at, Numbers *n) {
    n->count = 0;
    if (**at != '[') return false;
    do {
        char *end;
        if (n->count == MOST_NUMBERS) return false;
        n->at[n->count++] = strtod(*at + 1, &end);
        if (end == *at + 1) return false;
        *at = end;
    } while (**at == ',');
    return *(*at)++ == ']';
}

static bool read_word(const char **at, const char *word) {
    if (strncmp(*at, word, strlen(word))) return false;
    *at += strlen(word);
    return true;
}

static bool read_example(Arena *arena, const char *line, Example *e) {
    const char *list = strchr(line, '['), *at = list, *call_end;
    if (!list || list[-1] != '(' || !read_list(&at, &e->x) || !(call_end = strstr(at, " = "))) return false;
    e->before = arena_strndup(arena, line, (size_t)(list - line));
    e->after = arena_strndup(arena, at, (size_t)(call_end - at));
    at = call_end + 3;
    e->gradient.count = -1;
    return read_list(&at, &e->y) && (!*at || (read_word(&at, ", gradient ") && read_list(&at, &e->gradient) && !*at));
}

static void read_layer(Examples *all, const char *file, const AstDecl *decl, const char *only) {
    int found = 0;
    if (only && strcmp(only, decl->name)) return;
    for (const char *line = decl_doc(all->arena, decl); line && *line;) {
        size_t len = strcspn(line, "\n");
        Example e = {.layer = decl->name,
                     .text = arena_strndup(all->arena, line + strspn(line, " "), len - strspn(line, " "))};
        if (!strncmp(line, "    ", 4)) {
            bool good = read_example(all->arena, e.text, &e);
            tally(all->tally, good, "%s: the example `%s` is not CALL([numbers]) = [numbers], gradient [numbers]",
                  decl->name, e.text);
            snprintf(e.entry, sizeof e.entry, "e%d", all->at.len);
            if (good) vec_push(all->arena, &all->at, e);
            found++;
        }
        line += len + (line[len] == '\n');
    }
    if (!strcmp(file, "activations.dl"))
        tally(all->tally, found, "%s: its comment in %s has no example", decl->name, file);
}

static void read_prelude(Examples *all, const char *only) {
    for (int k = 0; prelude_files[k].name; k++) {
        const struct PreludeFile *file = &prelude_files[k];
        Source *source = NEW(all->arena, Source);
        Diag *diag = NEW(all->arena, Diag);
        *source = (Source){.name = file->name, .text = (const char *)file->text, .len = file->len, .prelude = true};
        diag->out = stderr;
        AstFile *ast = parse_source(all->arena, diag, source);
        if (diag->errors) exit(3);
        for (int d = 0; d < ast->decls.len; d++) read_layer(all, file->name, ast->decls.at[d], only);
    }
}

// ---- running --------------------------------------------------------------------------------------------------------

static char *program_text(const Examples *all) {
    Str s = str_new(all->arena);
    str_put(&s, "optimizer take(p: T[...S], g: T[...S], t: i64[]) { return g }\n");
    for (int k = 0; k < all->at.len; k++) {
        const Example *e = &all->at.at[k];
        str_printf(&s, "train %s() -> (y: f32[%d]) {\n    param x \"%s_x\": f32[%d] = zeros()\n", e->entry, e->y.count,
                   e->entry, e->x.count);
        str_printf(&s, "    y = %sx%s\n", e->before, e->after);
        if (e->gradient.count >= 0) str_printf(&s, "    minimize sum(y) over \"%s_x\" with take()\n", e->entry);
        str_put(&s, "    return y\n}\n");
    }
    return arena_strdup(all->arena, str_text(&s));
}

static Tensor tensor_of(Arena *arena, const Numbers *n) {
    Tensor t = tensor_new(arena, &(Type){F32, 1, {dim_fixed(n->count)}}, NULL);
    for (int k = 0; k < n->count; k++) t.f[k] = n->at[k];
    return t;
}

static void compare(Tally *t, const char *who, const Example *e, const char *what, const Tensor *got,
                    const Numbers *want) {
    int wrong = got->count == want->count ? -1 : 0;
    for (int k = 0; k < want->count && wrong < 0; k++) {
        double g = got->f[k], w = want->at[k];
        bool same = g == w || (isnan(g) && isnan(w)) || fabs(g - w) <= 1e-6 * fmax(fabs(w), 0.1);
        if (!same) wrong = k;
    }
    tally(t, wrong < 0, "%s: %s: %s %d: got %.9g, want %.9g", who, e->text, what, wrong, wrong < 0 ? 0 : got->f[wrong],
          wrong < 0 ? 0 : want->at[wrong]);
}

static Graph *find_entry(const Module *m, const char *name) {
    for (int k = 0; k < m->entries.len; k++)
        if (!strcmp(m->entries.at[k]->name, name)) return m->entries.at[k];
    return NULL;
}

// As the entry finds them: initialised, and x in its place.
static Tensor *storages_of(Arena *arena, Module *m, const char *x_name, const Numbers *x) {
    Tensor *storages = NEW_ARRAY(arena, Tensor, m->storages.len + 1);
    Tensor seed = tensor_new(arena, &(Type){.dtype = I64}, NULL);
    Graph *init = find_entry(m, "init"); // none where all begin as zeros
    for (int k = 0; k < m->storages.len; k++) storages[k] = tensor_new(arena, &m->storages.at[k]->type, NULL);
    if (init) graph_interpret(init, &(Interpretation){.arena = arena, .arguments = &seed, .storages = storages});
    storages[module_find_storage(m, x_name)->index] = tensor_of(arena, x);
    return storages;
}

// compiled NULL: interprets.
static void check_example(Examples *all, Module *m, Compiled *compiled, const Example *e, const char *who) {
    Graph *g = find_entry(m, e->entry);
    const char *name = arena_printf(all->arena, "%s_x", e->entry);
    Tensor *storages = storages_of(all->arena, m, name, &e->x), y = tensor_of(all->arena, &e->y);
    int x = module_find_storage(m, name)->index;
    if (compiled) {
        compiled_set(compiled, name, &storages[x]);
        compiled_call(compiled, g, NULL, NULL, &y, NULL);
        compiled_get(compiled, name, &storages[x]);
    } else
        graph_interpret(g, &(Interpretation){.arena = all->arena, .storages = storages, .returned = &y});
    compare(all->tally, who, e, "element", &y, &e->y);
    if (e->gradient.count >= 0) compare(all->tally, who, e, "gradient", &storages[x], &e->gradient);
}

int main(int argc, char **argv) {
    Arena arena = {0};
    Tally t = {0};
    Examples all = {.arena = &arena, .tally = &t};
    read_prelude(&all, argc > 1 ? argv[1] : NULL);
    char *path = arena_printf(&arena, "%s/examples.dl", harness_dir(&arena, "prelude"));
    harness_write(path, program_text(&all));
    Module *m = all.at.len ? harness_module(&arena, path, NULL) : NULL;
    tally(&t, m, "no example, or one that does not compile");
    for (int k = 0; m && k < all.at.len; k++) check_example(&all, m, NULL, &all.at.at[k], "interpreter");
    for (int which = 0; m && which < 4; which++) {
        HarnessOptions o = {.target = which & 1 ? "native" : "c11", .level = which & 2 ? 2 : 0, .cc = "gcc"};
        char *who = arena_printf(&arena, "%s -O%d", o.target, o.level);
        Compiled *built = compiled_new(&arena, path, arena_printf(&arena, "examples/%d", which), &o);
        tally(&t, built, "%s: does not compile", who);
        for (int k = 0; built && k < all.at.len; k++) check_example(&all, built->module, built, &all.at.at[k], who);
        compiled_free(built);
    }
    arena_release(&arena);
    return tally_close(&t);
}
