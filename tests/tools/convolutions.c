// convolutions.c: convolutions, pools, norms and interpolation with their gradients against PyTorch's numbers: the
// interpreter and the compiled C run every entry of tests/nets/convolutions.dl (written with the numbers by
// tests/oracle/convolutions.py, which says how a case works).
//     convolutions TOP
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "runner.h"

// Every storage is drawn from its name; counters stay 0.
static void fill_storages(Runner *r) {
    runner_open(r);
    for (int k = 0; k < r->module->storages.len; k++) {
        const Storage *storage = r->module->storages.at[k];
        bool variance = ends_with(storage->name, "running_var");
        if (storage->type.dtype != F32) continue;
        runner_set(r, storage,
                   tensor_drawn(r->arena, &storage->type, NULL, seed_of(storage->name), variance ? 0.5 : -1,
                                variance ? 1.5 : 1));
    }
}

static void run_entry(Tally *t, Runner *r, const Goldens *goldens, Graph *g) {
    Arena *arena = r->arena;
    const char *name = g->name;
    int64_t n = 2;
    Tensor arguments[2], returned[1];
    for (int k = 0; k < g->arguments.len; k++) {
        // m3 sees the image of c3.
        const char *path = arena_printf(arena, "c%s.%s", name + 1, node_attr(g->arguments.at[k], "name")->s);
        arguments[k] = tensor_drawn(arena, &g->arguments.at[k]->type, &n, seed_of(path), -1, 1);
    }
    runner_run(r, g, n, arguments, returned);
    golden_compare(t, goldens, r->who, arena_printf(arena, "%s.y", name), &returned[0]);
    if (g->kind != ENTRY_TRAIN) return;
    const char *prefix = arena_printf(arena, "%s.", name);
    for (int k = 0; k < r->module->storages.len; k++) {
        const Storage *storage = r->module->storages.at[k];
        if (strncmp(storage->name, prefix, strlen(prefix))) continue;
        golden_compare(t, goldens, r->who, storage->name, runner_get(r, storage));
    }
}

// Models first: training moves what they read.
static void check_run(Tally *t, Runner *r, const Goldens *goldens) {
    fill_storages(r);
    golden_worst = 0;
    for (int train = 0; train < 2; train++)
        for (int e = 0; e < r->module->entries.len; e++) {
            Graph *g = r->module->entries.at[e];
            if (g->kind == (train ? ENTRY_TRAIN : ENTRY_MODEL)) run_entry(t, r, goldens, g);
        }
    printf("%s: largest difference from PyTorch %.3g of a channel's largest value\n", r->who, golden_worst);
}

int main(int argc, char **argv) {
    const char *top = argc > 1 ? argv[1] : ".";
    Tally t = {0};
    Arena arena = {0};
    Goldens goldens = goldens_read(&arena, arena_printf(&arena, "%s/tests/golden/data/convolutions.txt", top));
    const char *dl = arena_printf(&arena, "%s/tests/nets/convolutions.dl", top);
    Runner interpreter = {
        .who = "convolutions, interpreter", .arena = &arena, .module = harness_module(&arena, dl, NULL)};
    if (!interpreter.module) return 3;
    check_run(&t, &interpreter, &goldens);
    bool sanitize = getenv("DLC_TEST_SANITIZE");
    static const HarnessOptions options[] = {{.target = "c11", .level = 0, .cc = "gcc", .cc_level = "-O0"},
                                             {.target = "native", .level = 0, .cc = "clang", .cc_level = "-O0"},
                                             {.target = "c11", .level = 2, .cc = "clang", .cc_level = "-O0"},
                                             {.target = "native", .level = 2, .cc = "clang", .cc_level = "-O0"}};
    for (size_t k = 0; k < sizeof options / sizeof *options; k++) {
        HarnessOptions o = options[k];
        if (sanitize) o.cc = "gcc"; // the sanitizers' runtime is gcc's
        char *who = arena_printf(&arena, "convolutions, %s -O%d %s", o.target, o.level, o.cc);
        Compiled *c = compiled_new(&arena, dl, arena_printf(&arena, "convolutions-%d", (int)k), &o);
        tally(&t, c != NULL, "%s: does not compile", who);
        if (!c) continue;
        Runner compiled = {.who = who, .arena = &arena, .module = c->module, .compiled = c};
        check_run(&t, &compiled, &goldens);
        compiled_free(c);
    }
    arena_release(&arena);
    return tally_close(&t);
}
