// checkpoints.c: training with values that are computed again gives what training without gives. Every entry of
// tests/nets/checkpoints.dl takes three steps in two modules, of the file and of the file with `if true` in place of
// `checkpoint`, from the same parameters and batches; results and all storages are compared. So it goes with what
// --arena-max computes again. The interpreter and the C of -O0 must agree to the bit, the C of -O2 up to the order of
// sums (one that is fused in another way may be taken in another order): 1e-6 of the largest value for the small nets.
//     checkpoints TOP BUILD
#include <stdlib.h>
#include <string.h>

#include "fit.h"
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
        int64_t n = r->module->sizes[0].bound < BATCH ? r->module->sizes[0].bound : BATCH;
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

// ---- the pairs -----------------------------------------------------------------------------------------------------

static Runner interpreter(Arena *arena, const char *dl, PassOptions *passes) {
    char *who = arena_printf(arena, "interpreter, -O%d", passes->level);
    Runner r = {.who = who, .arena = arena, .module = harness_module(arena, dl, NULL)};
    if (!r.module) exit(3);
    passes->trace = NEW_ARRAY(arena, Trace, r.module->entries.len);
    passes_run(r.module, passes);
    return r;
}

// As the passes leave them, node by node: with blocks, and with what --arena-max computes again for the smallest arena.
static void interpret(Tally *t, Arena *arena, const char *marked, const char *plain) {
    for (int level = 0; level <= 2; level += 2) {
        PassOptions passes = {.level = level, .out = stdout};
        Runner again = interpreter(arena, marked, &passes), as_it_is = interpreter(arena, plain, &passes);
        compare_modules(t, &again, &as_it_is, 0);
        Runner fitted = interpreter(arena, plain, &passes);
        fitted.who = arena_printf(arena, "interpreter, -O%d, fitted", level);
        FitOptions fit = {.target = target_find("c11"), .level = level, .threads = 2, .most = 1, .passes = &passes};
        for (int e = 0; e < fitted.module->entries.len; e++) {
            Graph *g = fitted.module->entries.at[e];
            int copies = 0;
            fit_entry(fitted.module, e, &fit);
            g = fitted.module->entries.at[e];
            for (int k = 0; k < g->nodes.len; k++) copies += g->nodes.at[k]->copy;
            // At -O0 the small nets take most for their gradients.
            tally(t, !level || g->kind != ENTRY_TRAIN || copies, "%s: %s: nothing is computed again", fitted.who,
                  g->name);
        }
        compare_modules(t, &fitted, &as_it_is, 0);
    }
}

static Runner compiled(Tally *t, Arena *arena, const char *dl, const char *name, const HarnessOptions *o) {
    Compiled *c = compiled_new(arena, dl, name, o);
    tally(t, c != NULL, "%s, -O%d: does not compile", name, o->level);
    if (!c) exit(3);
    const char *who = arena_printf(arena, "%s, %s -O%d", name, o->target, o->level);
    return (Runner){.who = who, .arena = arena, .module = c->module, .compiled = c};
}

static void run_pair(Tally *t, Arena *arena, const char *name, const char *dl, const char *arena_max, const char *plain,
                     int level, double most) {
    HarnessOptions o = {.target = level ? "native" : "c11", .level = level, .cc = "gcc", .cc_level = "-O0"};
    Runner as_it_is = compiled(t, arena, plain, arena_printf(arena, "%s-plain-%d", name, level), &o);
    o.arena_max = arena_max;
    Runner again = compiled(t, arena, dl, arena_printf(arena, "%s-%d", name, level), &o);
    compare_modules(t, &again, &as_it_is, most);
    compiled_free(again.compiled);
    compiled_free(as_it_is.compiled);
}

int main(int argc, char **argv) {
    const char *top = argc > 1 ? argv[1] : ".", *build = argc > 2 ? argv[2] : "build";
    Tally t = {0};
    Arena arena = {0};
    const char *dl = arena_printf(&arena, "%s/tests/nets/checkpoints.dl", top), *plain = write_plain(&arena, dl, build);
    const char *unet = arena_printf(&arena, "%s/tests/nets/unet.dl", top);
    interpret(&t, &arena, dl, plain);
    run_pair(&t, &arena, "checkpoints", dl, NULL, plain, 0, 0);
    run_pair(&t, &arena, "checkpoints", dl, NULL, plain, 2, 1e-6);
    run_pair(&t, &arena, "unet", unet, "1600K", unet, 2, 1e-5); // of 2.3 MB; its fourteen layers add up
    arena_release(&arena);
    return tally_close(&t);
}
