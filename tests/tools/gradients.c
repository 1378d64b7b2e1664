// gradients.c: the gradients of every layer of the prelude, with respect to its float inputs and its parameters, and
// the gradients of these gradients, against central differences in double.
//     gradients [NAME]        all, or the calls that name a layer
// The layers are those that the prelude declares: one without a call in layer_forms.h and without an example in its
// comment fails by name. Not looked for: what initialisers and optimisers are made of, and layers that take no tensor.
#include <stdlib.h>
#include <string.h>

#include "decl_doc.h"
#include "differences.h"
#include "frontend/elaborate.h"
#include "harness.h"
#include "layer_forms.h"
#include "runner.h"

enum { MOST_ELEMENTS = 120 }; // of one tensor, each moved in both directions

typedef VEC(LayerForm) Forms;

// ---- the calls -----------------------------------------------------------------------------------------------------

static bool is_letter(char c) { return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

static bool text_calls(const char *text, const char *layer) {
    size_t len = strlen(layer);
    for (const char *at = text; at && (at = strstr(at, layer)); at += len)
        if (at[len] == '(' && (at == text || !is_letter(at[-1]))) return true;
    return false;
}

static bool calls(const LayerForm *form, const char *layer) {
    return text_calls(form->call, layer) || text_calls(form->before, layer);
}

// The calls of `gelu([-2, 0, 3], approximate="tanh") = ...` in the comment of a layer, with x for the numbers.
static void add_examples(Arena *arena, const AstDecl *decl, Forms *forms) {
    for (const char *line = decl_doc(arena, decl); line && *line; line += *line == '\n') {
        size_t len = strcspn(line, "\n");
        char *text = arena_strndup(arena, line, len), *open = strstr(text, "(["), *close = strstr(text, "]"),
             *end = strstr(text, ") = ");
        line += len;
        if (strncmp(text, "    ", 4) || !open || !close || !end) continue;
        *close = *end = 0;
        *open = 0;
        char *call = arena_printf(arena, "%s(x%s)", text + 4, close + 1 <= end ? close + 1 : "");
        vec_push(arena, forms, ((LayerForm){.params = "x: f32[3, 8]", .call = call}));
    }
}

static bool takes_tensor(const AstDecl *decl) {
    static const char *const numbers[] = {"int", "float", "bool", "string", "any"};
    for (int k = 0; k < decl->params.len; k++) {
        bool number = false;
        for (int n = 0; n < 5; n++) number |= !strcmp(decl->params.at[k].type->name, numbers[n]);
        if (!number) return true;
    }
    return false;
}

static Forms all_forms(Arena *arena, Tally *t, const char *only) {
    Forms forms = {0};
    for (size_t k = 0; k < sizeof layer_forms / sizeof *layer_forms; k++) vec_push(arena, &forms, layer_forms[k]);
    for (int k = 0; prelude_files[k].name; k++) {
        Source source = {.name = prelude_files[k].name,
                         .text = (const char *)prelude_files[k].text,
                         .len = prelude_files[k].len,
                         .prelude = true};
        if (!strcmp(source.name, "initialisers.dl") || !strcmp(source.name, "optimizers.dl")) continue;
        Diag diag = {.out = stderr};
        AstFile *file = parse_source(arena, &diag, &source);
        for (int d = 0; d < file->decls.len; d++) {
            const AstDecl *decl = file->decls.at[d];
            if (decl->kind != DECL_LAYER || !takes_tensor(decl)) continue;
            bool found = false;
            add_examples(arena, decl, &forms);
            for (int f = 0; f < forms.len; f++) found |= calls(&forms.at[f], decl->name);
            tally(t, found, "%s (%s) has no gradient case: a row in tests/tools/layer_forms.h", decl->name,
                  source.name);
        }
    }
    Forms kept = {0};
    for (int f = 0; f < forms.len; f++)
        if (!only || calls(&forms.at[f], only)) vec_push(arena, &kept, forms.at[f]);
    return kept;
}

// "x, w" of "x: f32[N, 3], w: f32[3]".
static char *names_of(Arena *arena, const char *params) {
    Str s = str_new(arena);
    for (const char *at = params; at; at = strchr(at, ']') ? strchr(at, ']') + 1 : NULL) {
        if (!*at) break;
        str_putn(&s, at, strcspn(at, ":"));
    }
    return arena_strdup(arena, str_text(&s));
}

// One entry a call, with parameters of its own: a loss that weighs each element of the result differently.
static char *program_text(Arena *arena, const Forms *forms) {
    Str s = str_new(arena);
    str_put(&s, "dim N <= 5\n"
                "layer weighed(y: T[...S]) -> T[] {\n"
                "    w = full(S, 0.7, T)\n"
                "    for d in 0..len(S) {\n"
                "        w = w + sin(iota(S, d, T) * (1.3 + 0.4 * d) + d)\n"
                "    }\n"
                "    return sum(y * w)\n"
                "}\n");
    for (int k = 0; k < forms->len; k++)
        str_printf(&s,
                   "layer f%d(%s) {\n    %s\n    return weighed(%s)\n}\n"
                   "train e%d(%s) -> (loss: f32[]) {\n    return f%d(%s)\n}\n",
                   k, forms->at[k].params, forms->at[k].before ? forms->at[k].before : "", forms->at[k].call, k,
                   forms->at[k].params, k, names_of(arena, forms->at[k].params));
    return arena_strdup(arena, str_text(&s));
}

// ---- the numbers ---------------------------------------------------------------------------------------------------

static bool near_a_kink(double x) {
    double halves = 2 * x - (double)(long)(2 * x);
    if (halves < 0) halves += 1;
    return halves < 0.04 || halves > 0.96;
}

// Floats in random order, a fifth of a step apart at least and off the multiples of 1/2; integers from -1 to 5.
static Tensor drawn_apart(Arena *arena, const Type *type, const int64_t *sizes, uint32_t seed, double low,
                          double high) {
    Tensor t = tensor_drawn(arena, type, sizes, seed, -1, 6);
    int64_t slots = 2 * t.count + 4;
    double step = (high - low) / (double)slots;
    for (int64_t k = 0, slot = 0; t.f && k < t.count; k++, slot++) {
        double x = low + step * ((double)slot + 0.2 + 0.6 * drawn(seed, (uint64_t)(2 * slot)));
        while (near_a_kink(x) || (slots - slot > t.count - k && drawn(seed, (uint64_t)(2 * slot + 1)) < 0.4)) {
            slot++;
            x = low + step * ((double)slot + 0.2 + 0.6 * drawn(seed, (uint64_t)(2 * slot)));
        }
        t.f[k] = x;
    }
    for (int64_t k = t.count - 1; t.f && k > 0; k--) {
        int64_t j = (int64_t)(drawn(seed + 1, (uint64_t)k) * (double)(k + 1));
        double swap = t.f[k];
        t.f[k] = t.f[j], t.f[j] = swap;
    }
    return t;
}

static Point point_of(Arena *arena, Graph *g, const int64_t *sizes, const LayerForm *form) {
    Point p = {.arena = arena, .g = g, .sizes = sizes, .at = NEW_ARRAY(arena, Tensor, g->nodes.len + 1)};
    double low = form->low == form->high ? -2 : form->low, high = form->low == form->high ? 2 : form->high;
    for (int id = 0; id < g->nodes.len; id++) {
        const Node *node = g->nodes.at[id];
        if (!node_is(node, argument) && !node_is(node, storage)) continue;
        const char *name = node_attr(node, "name")->s;
        p.at[id] = drawn_apart(arena, &node->type, sizes, seed_of(name) + 1, low, high);
        if (ends_with(name, "running_var"))
            for (int64_t e = 0; e < p.at[id].count; e++) p.at[id].f[e] = 1;
    }
    return p;
}

// ---- checks --------------------------------------------------------------------------------------------------------

static const char *shown(const LayerForm *form) { return form->before ? form->before : form->call; }

static void check_refused(Tally *t, const LayerForm *form, const char *messages) {
    tally(t, form->refused && strstr(messages, form->refused), "%s: no gradient: want \"%s\", got: %s", shown(form),
          form->refused ? form->refused : "one", messages);
}

static void check_form(Tally *t, Arena *arena, Graph *g, const LayerForm *form) {
    static const int64_t sizes[MAX_SIZES] = {3};
    char *messages = NULL;
    size_t length;
    Diag *kept = g->module->diag, diag = {.out = open_memstream(&messages, &length)};
    Node *loss = g->outputs.at[0].value, *both = NULL;
    Wrt first, second;
    g->module->diag = &diag;
    bool ok = differences_wrt(g, loss, &first);
    if (ok) both = differences_second(g, &first);
    bool again = ok && both && differences_wrt(g, both, &second);
    g->module->diag = kept;
    fclose(diag.out);
    Point p = point_of(arena, g, sizes, form);
    int compared = 0;
    if (!ok || form->refused) check_refused(t, form, messages);
    if (ok && !form->refused) {
        const char *wrong = differences_compare(&p, loss, &first, MOST_ELEMENTS, &compared);
        tally(t, !wrong && compared, "%s: %s", shown(form), wrong ? wrong : "depends on no float");
        wrong = again ? differences_compare(&p, both, &second, MOST_ELEMENTS / 2, &compared) : messages;
        tally(t, !wrong, "%s, second order: %s", shown(form), wrong ? wrong : "");
    }
    free(messages);
}

int main(int argc, char **argv) {
    Arena arena = {0};
    Tally t = {0};
    Forms forms = all_forms(&arena, &t, argc > 1 ? argv[1] : NULL);
    char *path = arena_printf(&arena, "%s/gradients.dl", harness_dir(&arena, "gradients"));
    harness_write(path, program_text(&arena, &forms));
    Module *m = harness_module(&arena, path, NULL);
    tally(&t, m, "%s does not compile", path);
    for (int k = 0; m && k < forms.len; k++) check_form(&t, &arena, m->entries.at[k], &forms.at[k]);
    printf("%d calls\n", forms.len);
    arena_release(&arena);
    return tally_close(&t);
}
