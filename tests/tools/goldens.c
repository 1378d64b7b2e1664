// goldens.c: the interpreter and the compiled C against PyTorch's numbers (tests/golden/data, written by
// tests/oracle/goldens.py): logits, one training step, 20 steps with partial batches, momentum, losses.
//     goldens TOP [--quick]
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

typedef struct Net {
    const char *name, *dl, *golden;
    int classes, batch, partial, targets; // targets: width of a second f32 target, or 0
    double input_low, lr;
    bool lr_falls;
    const char *param[8]; // in the order of their seeds
    double fan_in[8];
} Net;

static const Net nets[] = {
    {"mlp",
     "examples/mlp/mlp.dl",
     "mlp",
     10,
     64,
     32,
     0,
     0,
     0.05,
     true,
     {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"},
     {784, 784, 256, 256}},
    {"small",
     "tests/nets/small.dl",
     "small",
     5,
     8,
     5,
     6,
     -1,
     0.1,
     false,
     {"in.weight", "in.bias", "mix.weight", "mix.bias", "code.weight", "out.weight", "out.bias"},
     {20, 20, 16, 16, 16, 6, 6}},
};

// Something that runs entries: the interpreter, or compiled C.
typedef struct Runner {
    const char *who;
    Arena *arena;
    Module *module;
    Compiled *compiled; // NULL: interpret
    Tensor *storages;
} Runner;

static Tensor *storage_tensor(Runner *r, const char *name) {
    Storage *storage = module_find_storage(r->module, name);
    if (!storage) {
        fprintf(stderr, "goldens: the net has no %s\n", name);
        exit(3);
    }
    Tensor *tensor = &r->storages[storage->index];
    if (r->compiled) compiled_get(r->compiled, name, tensor);
    return tensor;
}

static void run_entry(Runner *r, const char *name, int64_t n, const Tensor *arguments, Tensor *returned) {
    Graph *g = NULL;
    for (int e = 0; e < r->module->entries.len; e++)
        if (!strcmp(r->module->entries.at[e]->name, name)) g = r->module->entries.at[e];
    if (r->compiled) {
        for (int k = 0; k < g->outputs.len && !g->outputs.at[k].storage; k++)
            returned[k] = tensor_new(r->arena, &g->outputs.at[k].value->type, &n);
        if (compiled_call(r->compiled, g, &n, arguments, returned, NULL)) exit(3);
        return;
    }
    graph_interpret(
        g, &(Interpretation){
               .arena = r->arena, .sizes = &n, .arguments = arguments, .storages = r->storages, .returned = returned});
}

static void check_run(Tally *t, Runner *r, const Net *net, const Goldens *goldens, int steps) {
    Arena *arena = r->arena;
    Graph *step = NULL, *forward = NULL;
    for (int e = 0; e < r->module->entries.len; e++) {
        if (!strcmp(r->module->entries.at[e]->name, "step")) step = r->module->entries.at[e];
        if (!strcmp(r->module->entries.at[e]->name, "forward")) forward = r->module->entries.at[e];
    }
    r->storages = NEW_ARRAY(arena, Tensor, r->module->storages.len);
    for (int k = 0; k < r->module->storages.len; k++)
        r->storages[k] = tensor_new(arena, &r->module->storages.at[k]->type, NULL);
    for (int k = 0; k < 8 && net->param[k]; k++) {
        Tensor *p = storage_tensor(r, net->param[k]);
        double bound = 1 / sqrt(net->fan_in[k]);
        *p = tensor_drawn(arena, &module_find_storage(r->module, net->param[k])->type, NULL, (uint32_t)(100 + k),
                          -bound, bound);
        if (r->compiled) compiled_set(r->compiled, net->param[k], p);
    }
    Tensor first = {0}, returned[4];
    Tensor losses = tensor_new(arena, &(Type){F32, 1, {{20, 0}}}, NULL);
    for (int s = 0; s < steps; s++) {
        int64_t n = s % 5 == 4 ? net->partial : net->batch;
        Tensor arguments[4];
        arguments[0] = tensor_drawn(arena, &step->arguments.at[0]->type, &n, (uint32_t)(1000 + s), net->input_low, 1);
        arguments[1] = tensor_drawn(arena, &step->arguments.at[1]->type, &n, (uint32_t)(2000 + s), 0, net->classes);
        if (net->targets)
            arguments[2] = tensor_drawn(arena, &step->arguments.at[2]->type, &n, (uint32_t)(3000 + s), -1, 1);
        Tensor *lr = &arguments[net->targets ? 3 : 2];
        *lr = tensor_new(arena, &(Type){.dtype = F32}, NULL);
        lr->f[0] = round_to_dtype(F32, net->lr_falls ? net->lr * (1 - s / 20.0) : net->lr);
        if (s == 0) {
            first = arguments[0];
            run_entry(r, "forward", n, &first, returned);
            for (int k = 0; k < forward->outputs.len; k++)
                golden_compare(t, goldens, r->who, arena_printf(arena, "first.%s", forward->outputs.at[k].name),
                               &returned[k]);
        }
        run_entry(r, "step", n, arguments, returned);
        losses.f[s] = returned[0].f[0];
        if (s == 0)
            for (int k = 0; k < 8 && net->param[k]; k++)
                golden_compare(t, goldens, r->who, arena_printf(arena, "step1.%s", net->param[k]),
                               storage_tensor(r, net->param[k]));
    }
    if (steps < 20) return;
    for (int k = 0; k < 8 && net->param[k]; k++) {
        golden_compare(t, goldens, r->who, arena_printf(arena, "step20.%s", net->param[k]),
                       storage_tensor(r, net->param[k]));
        golden_compare(t, goldens, r->who, arena_printf(arena, "momentum20.%s", net->param[k]),
                       storage_tensor(r, arena_printf(arena, "optim.step.0.%s.momentum_buffer", net->param[k])));
    }
    golden_compare(t, goldens, r->who, "losses", &losses);
    run_entry(r, "forward", net->batch, &first, returned);
    for (int k = 0; k < forward->outputs.len; k++)
        golden_compare(t, goldens, r->who, arena_printf(arena, "last.%s", forward->outputs.at[k].name), &returned[k]);
}

int main(int argc, char **argv) {
    const char *top = argc > 1 ? argv[1] : ".";
    Tally t = {0};
    for (size_t k = 0; k < sizeof nets / sizeof *nets; k++) {
        const Net *net = &nets[k];
        Arena arena = {0};
        Goldens goldens = goldens_read(&arena, arena_printf(&arena, "%s/tests/golden/data/%s.txt", top, net->golden));
        const char *dl = arena_printf(&arena, "%s/%s", top, net->dl);
        Runner interpreter = {.who = arena_printf(&arena, "%s, interpreter", net->name),
                              .arena = &arena,
                              .module = harness_module(&arena, dl)};
        if (!interpreter.module) return 3;
        golden_worst = 0;
        check_run(&t, &interpreter, net, &goldens, 20);
        printf("%s: largest difference from PyTorch %.3g of the largest value\n", interpreter.who, golden_worst);
        const char *compilers[] = {"gcc", "clang"}, *targets[] = {"c11", "native"};
        for (int which = 0; which < 8; which++) {
            bool sanitize = getenv("DLC_TEST_SANITIZE");
            if (sanitize && which & 1) continue; // the sanitizers' runtime is gcc's
            HarnessOptions o = {.target = targets[which >> 1 & 1],
                                .level = which & 4 ? 2 : 0,
                                .cc = compilers[which & 1],
                                .openmp = which & 4 && !sanitize};
            char *who = arena_printf(&arena, "%s, %s -O%d %s", net->name, o.target, o.level, o.cc);
            Compiled *c = compiled_new(&arena, dl, arena_printf(&arena, "golden-%s-%d", net->name, which), &o);
            tally(&t, c != NULL, "%s: does not compile", who);
            if (!c) continue;
            Runner compiled = {.who = who, .arena = &arena, .module = c->module, .compiled = c};
            golden_worst = 0;
            check_run(&t, &compiled, net, &goldens, 20);
            printf("%s: largest difference from PyTorch %.3g of the largest value\n", who, golden_worst);
            compiled_free(c);
        }
        arena_release(&arena);
    }
    return tally_close(&t);
}
