// checkpoints.c: training with `checkpoint` blocks gives what training without them gives: every entry of
// tests/nets/checkpoints.dl takes three steps in two modules, of the file and of the file with `if true` in place of
// `checkpoint`, from the same parameters and batches; results and all storages are compared. The interpreter must agree
// to the bit, compiled C within 1e-6 of the largest value (a value that is computed again in another kernel may be
// rounded otherwise).
//     checkpoints TOP BUILD
#include <stdlib.h>
#include <string.h>

#include "passes/passes.h"
#include "runner.h"

enum { STEPS = 3, BATCH = 5 };

// The file without its checkpoints, among the others in BUILD.
static const char *write_plain(Arena *arena, const char *path, const char *build) {
    char *text = NULL;
    size_t len = 0;
    FILE *in = fopen(path, "r");
    if (!in || getdelim(&text, &len, 0, in) < 0) exit(3);
    fclose(in);
    Str s = str_new(arena);
    for (const char *at = text; *at;) {
        bool block = !strncmp(at, "checkpoint {", 12);
        str_put(&s, block ? "if true {" : "");
        if (block)
            at += 12;
        else
            str_putn(&s, at++, 1);
    }
    free(text);
    const char *plain = arena_printf(arena, "%s/checkpoints_plain.dl", build);
    harness_write(plain, str_text(&s));
    return plain;
}

static void fill_storages(Runner *r) {
    for (int k = 0; k < r->module->storages.len; k++) {
        const Storage *storage = r->module->storages.at[k];
        bool variance = ends_with(storage->name, "running_var"), drawn = storage->type.dtype == F32;
        Tensor value = tensor_new(r->arena, &storage->type, NULL);
        if (drawn && storage->kind != STORAGE_OPTIM)
            value = tensor_drawn(r->arena, &storage->type, NULL, seed_of(storage->name), variance ? 0.5 : -0.5,
                                 variance ? 1.5 : 0.5);
        runner_set(r, storage, value);
    }
}

static void train(Runner *r, Graph *g, Tensor *returned) {
    fill_storages(r);
    for (int step = 0; step < STEPS; step++) {
        Tensor arguments[4];
        int64_t n = BATCH;
        for (int k = 0; k < g->arguments.len; k++) {
            const Type *type = &g->arguments.at[k]->type;
            arguments[k] = tensor_drawn(r->arena, type, &n, (uint32_t)(100 * step + k), -1, 1);
            for (int64_t i = 0; arguments[k].i && i < arguments[k].count; i++)
                arguments[k].i[i] = ((int64_t)step + i) % 3; // labels
            if (type->rank == 0) arguments[k].f[0] = 0.05;   // lr
        }
        runner_run(r, g, n, arguments, returned);
    }
}

static void compare(Tally *t, double most, const char *who, const char *entry, const char *name, const Tensor *got,
                    const Tensor *want) {
    double difference = 0;
    for (int64_t i = 0; got->i && i < got->count; i++) difference += got->i[i] != want->i[i];
    if (got->f) difference = tensor_difference(got, want);
    tally(t, difference <= most, "%s: %s: %s differs by %.3g of its largest value without checkpoints", who, entry,
          name, difference);
}

static void compare_modules(Tally *t, Runner *again, Runner *plain, double most) {
    runner_open(again);
    runner_open(plain);
    for (int e = 0; e < again->module->entries.len; e++) {
        Graph *g = again->module->entries.at[e];
        Tensor got[2], want[2];
        if (g->kind != ENTRY_TRAIN) continue;
        train(again, g, got);
        train(plain, runner_entry(plain, g->name), want);
        for (int k = 0; k < g->outputs.len && !g->outputs.at[k].storage; k++)
            compare(t, most, again->who, g->name, g->outputs.at[k].name, &got[k], &want[k]);
        for (int k = 0; k < g->outputs.len; k++) {
            const Storage *storage = g->outputs.at[k].storage;
            if (!storage) continue;
            const Storage *other = module_find_storage(plain->module, storage->name);
            compare(t, most, again->who, g->name, storage->name, runner_get(again, storage), runner_get(plain, other));
        }
    }
}

int main(int argc, char **argv) {
    const char *top = argc > 1 ? argv[1] : ".", *build = argc > 2 ? argv[2] : "build";
    Tally t = {0};
    Arena arena = {0};
    const char *dl[2] = {arena_printf(&arena, "%s/tests/nets/checkpoints.dl", top)};
    dl[1] = write_plain(&arena, dl[0], build);
    Runner side[2];
    for (int k = 0; k < 2; k++) {
        side[k] = (Runner){.who = "interpreter", .arena = &arena, .module = harness_module(&arena, dl[k], NULL)};
        if (!side[k].module) return 3;
        passes_run(side[k].module, &(PassOptions){.level = 0, .out = stdout});
    }
    compare_modules(&t, &side[0], &side[1], 0);
    static const HarnessOptions options[] = {{.target = "c11", .level = 0, .cc = "gcc", .cc_level = "-O0"},
                                             {.target = "native", .level = 2, .cc = "gcc", .cc_level = "-O0"}};
    for (size_t o = 0; o < sizeof options / sizeof *options; o++) {
        bool good = true;
        for (int k = 0; k < 2; k++) {
            const char *name = arena_printf(&arena, "checkpoints-%d-%d", (int)o, k);
            Compiled *c = compiled_new(&arena, dl[k], name, &options[o]);
            tally(&t, c != NULL, "%s: does not compile", name);
            good &= c != NULL;
            const char *who = arena_printf(&arena, "%s -O%d", options[o].target, options[o].level);
            if (c) side[k] = (Runner){.who = who, .arena = &arena, .module = c->module, .compiled = c};
        }
        if (good) compare_modules(&t, &side[0], &side[1], 1e-6);
        for (int k = 0; k < 2; k++)
            if (good) compiled_free(side[k].compiled);
    }
    arena_release(&arena);
    return tally_close(&t);
}
