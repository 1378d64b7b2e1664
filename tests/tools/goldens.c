// goldens.c: whole nets against PyTorch's numbers (tests/golden/data, written by tests/oracle/goldens.py): the
// interpreter and the compiled C run the model, train it for some steps with partial batches, and run it again.
// Outputs, losses, parameters, buffers and momentum are compared. A net whose step accumulates does the same batches
// again in two parts each.
//     goldens TOP [NET...]
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "runner.h"

// What runs a net: the interpreter, and builds of the C.
enum {
    INTERPRETER = 1,
    NAIVE = 2,    // c11 -O0, by clang -O0, which is quick
    PORTABLE = 4, // c11 -O2, the same
    NATIVE = 8,   // native -O2, the same, with OpenMP
    OTHERS = 16,  // by compilers that optimise, and native -O0
    EVERYTHING = 31,
    THREE = NAIVE | PORTABLE | NATIVE // of nets that take long to compile or to interpret
};

typedef struct Net {
    const char *name; // of its golden, tests/golden/data/NAME.txt
    const char *dl, *defines;
    int batch, partial, steps, classes; // every fifth batch is a partial one
    double low;                         // numbers of arguments are drawn from low to 1
    double lr;
    bool lr_falls;
    int draw;    // of the arguments: one that keeps away from kinks, where rounding would decide (goldens.py: Kinks)
    double bias; // biases are drawn about it
    int runs;
    bool accumulates;
} Net;

static const Net nets[] = {
    {.name = "mlp",
     .dl = "examples/mlp/mlp.dl",
     .batch = 64,
     .partial = 32,
     .steps = 20,
     .classes = 10,
     .lr = 0.05,
     .lr_falls = true,
     .runs = EVERYTHING},
    {.name = "small",
     .dl = "tests/nets/small.dl",
     .batch = 8,
     .partial = 5,
     .steps = 20,
     .classes = 5,
     .low = -1,
     .lr = 0.1,
     .runs = EVERYTHING},
    {.name = "cnn",
     .dl = "tests/nets/cnn.dl",
     .batch = 8,
     .partial = 3,
     .steps = 20,
     .classes = 10,
     .low = -1,
     .lr = 0.01,
     .runs = INTERPRETER | THREE,
     .accumulates = true},
    {.name = "cnn_norm",
     .dl = "tests/nets/cnn_norm.dl",
     .batch = 32,
     .partial = 1,
     .steps = 20,
     .classes = 5,
     .low = -1,
     .lr = 0.01,
     .runs = INTERPRETER | THREE},
    {.name = "tied",
     .dl = "tests/nets/tied.dl",
     .batch = 8,
     .partial = 3,
     .steps = 20,
     .classes = 12,
     .lr = 0.05,
     .runs = INTERPRETER | THREE},
    {.name = "gan",
     .dl = "tests/nets/gan.dl",
     .batch = 16,
     .partial = 5,
     .steps = 20,
     .low = -1,
     .lr = 2e-3,
     .runs = INTERPRETER | THREE},
    {.name = "last_step",
     .dl = "tests/nets/last_step.dl",
     .batch = 6,
     .partial = 2,
     .steps = 100,
     .classes = 4,
     .low = -1,
     .lr = 0.02,
     .runs = NAIVE | NATIVE},
    {.name = "pooled",
     .dl = "tests/nets/pooled.dl",
     .batch = 6,
     .partial = 2,
     .steps = 100,
     .classes = 8,
     .low = -1,
     .lr = 0.01,
     .runs = NAIVE | NATIVE},
    {.name = "tagging",
     .dl = "tests/nets/tagging.dl",
     .batch = 6,
     .partial = 2,
     .steps = 100,
     .classes = 5,
     .low = -1,
     .lr = 0.02,
     .runs = NAIVE | NATIVE},
    {.name = "seq2seq",
     .dl = "tests/nets/seq2seq.dl",
     .batch = 6,
     .partial = 2,
     .steps = 100,
     .classes = 9,
     .lr = 0.01,
     .runs = THREE},
    {.name = "words",
     .dl = "tests/nets/words.dl",
     .batch = 6,
     .partial = 2,
     .steps = 100,
     .classes = 20,
     .lr = 0.05,
     .runs = THREE},
    // clang 14 takes minutes for its C.
    {.name = "tcn",
     .dl = "tests/nets/tcn.dl",
     .batch = 6,
     .partial = 4,
     .steps = 5,
     .classes = 7,
     .low = -1,
     .lr = 0.02,
     .draw = 5,
     .runs = INTERPRETER | THREE},
    {.name = "unet",
     .dl = "tests/nets/unet.dl",
     .batch = 3,
     .partial = 2,
     .steps = 5,
     .low = -1,
     .lr = 0.02,
     .runs = INTERPRETER | THREE},
    {.name = "mynet",
     .dl = "tests/nets/mynet.dl",
     .batch = 2,
     .partial = 1,
     .steps = 5,
     .classes = 10,
     .low = -1,
     .lr = 0.01,
     .runs = THREE},
    {.name = "resnet18",
     .dl = "examples/resnet/resnet18.dl",
     .defines = "SIZE=33 WIDTH=16 CLASSES=10",
     .batch = 4,
     .partial = 3,
     .steps = 5,
     .classes = 10,
     .low = -1,
     .lr = 0.01,
     .draw = 17,
     .runs = NAIVE | NATIVE},
    {.name = "mobilenet_v2",
     .dl = "examples/resnet/mobilenet_v2.dl",
     .defines = "SIZE=33 WIDTH=25 CLASSES=10",
     .batch = 4,
     .partial = 3,
     .steps = 5,
     .classes = 10,
     .low = -1,
     .lr = 0.01,
     .draw = 17,
     .bias = 2.5,
     .runs = NAIVE | NATIVE},
};

static const struct Build {
    int run;
    HarnessOptions options;
} builds[] = {
    {NAIVE, {.target = "c11", .level = 0, .cc = "clang", .cc_level = "-O0"}},
    {PORTABLE, {.target = "c11", .level = 2, .cc = "clang", .cc_level = "-O0"}},
    {NATIVE, {.target = "native", .level = 2, .cc = "clang", .cc_level = "-O0", .openmp = true}},
    {OTHERS, {.target = "c11", .level = 0, .cc = "gcc", .cc_level = "-O1"}},
    {OTHERS, {.target = "native", .level = 0, .cc = "gcc", .cc_level = "-O1"}},
    {OTHERS, {.target = "c11", .level = 2, .cc = "gcc", .openmp = true}},
    {OTHERS, {.target = "native", .level = 2, .cc = "clang", .openmp = true}},
    {OTHERS, {.target = "native", .level = 2, .cc = "gcc", .openmp = true}},
};

// Weights keep the variance after a ReLU, factors and variances are about 1; the dropouts' seed is 5.
static void fill_storages(Runner *r, const Net *net) {
    runner_open(r);
    for (int k = 0; k < r->module->storages.len; k++) {
        const Storage *s = r->module->storages.at[k];
        Tensor value = tensor_new(r->arena, &s->type, NULL);
        double low = -0.1, high = 0.1;
        if (s->type.rank >= 2) {
            high = sqrt(6 / (double)(value.count / value.shape[0])), low = -high;
        } else if (ends_with(s->name, "weight") || ends_with(s->name, "running_var")) {
            low = 0.5, high = 1.5;
        } else if (ends_with(s->name, "bias")) {
            low = net->bias - 0.1, high = net->bias + 0.1;
        }
        if (!strcmp(s->name, "optim.random.seed"))
            value.i[0] = 5;
        else if (s->kind != STORAGE_OPTIM && s->type.dtype == F32)
            value = tensor_drawn(r->arena, &s->type, NULL, seed_of(s->name), low, high);
        runner_set(r, s, value);
    }
}

static double learning_rate(const Net *net, int step) {
    return round_to_dtype(F32, net->lr_falls ? net->lr * (1 - step / (double)net->steps) : net->lr);
}

// The arguments of one step: class numbers, the learning rate, numbers from `low` to 1.
static void draw_arguments(Runner *r, const Net *net, const Graph *g, int step, int64_t n, Tensor *arguments) {
    for (int k = 0; k < g->arguments.len; k++) {
        const Node *node = g->arguments.at[k];
        const char *name = node_attr(node, "name")->s;
        bool numbers = node->type.dtype == F32;
        arguments[k] =
            tensor_drawn(r->arena, &node->type, &n, seed_of(arena_printf(r->arena, "%s.%d.%d", name, step, net->draw)),
                         numbers ? net->low : 0, numbers ? 1 : net->classes);
        if (!node->type.rank) arguments[k].f[0] = learning_rate(net, step);
    }
}

static void check_outputs(Tally *t, Runner *r, const Net *net, const Goldens *goldens, const char *when) {
    Graph *g = runner_entry(r, "forward");
    Tensor arguments[4], returned[4];
    draw_arguments(r, net, g, 0, net->batch, arguments);
    runner_run(r, g, net->batch, arguments, returned);
    for (int k = 0; k < g->outputs.len; k++)
        golden_compare(t, goldens, r->who, arena_printf(r->arena, "%s.%s", when, g->outputs.at[k].name), &returned[k]);
}

static void check_storages(Tally *t, Runner *r, const Goldens *goldens, const char *when, bool parameters_only) {
    for (int k = 0; k < r->module->storages.len; k++) {
        const Storage *s = r->module->storages.at[k];
        bool momentum = ends_with(s->name, ".momentum_buffer") || ends_with(s->name, ".exp_avg") ||
                        ends_with(s->name, ".exp_avg_sq");
        if (s->kind == STORAGE_PARAM || (!parameters_only && (s->kind == STORAGE_BUFFER || momentum)))
            golden_compare(t, goldens, r->who, arena_printf(r->arena, "%s.%s", when, s->name), runner_get(r, s));
    }
}

enum { MAX_LOSSES = 4 };

// The first outputs of a step are losses.
static int loss_count(const Graph *g) {
    int count = 0;
    while (count < MAX_LOSSES && g->outputs.at[count].name && !g->outputs.at[count].value->type.rank) count++;
    return count;
}

// Rows `first` to `first + n` of the arguments of a batch, for an entry that takes some of them.
static void part_arguments(Runner *r, const Graph *whole, const Tensor *batch, const Graph *g, int64_t first, int64_t n,
                           Tensor *arguments) {
    for (int k = 0; k < g->arguments.len; k++)
        for (int w = 0; w < whole->arguments.len; w++) {
            if (strcmp(node_attr(g->arguments.at[k], "name")->s, node_attr(whole->arguments.at[w], "name")->s))
                continue;
            const Tensor *from = &batch[w];
            if (!from->rank) {
                arguments[k] = *from;
                continue;
            }
            int64_t row = from->count / from->shape[0];
            arguments[k] = tensor_new(r->arena, &g->arguments.at[k]->type, &n);
            for (int64_t e = 0; e < n * row; e++)
                if (from->f)
                    arguments[k].f[e] = from->f[first * row + e];
                else
                    arguments[k].i[e] = from->i[first * row + e];
        }
}

// loss: one by one the scalars that the step returns; their number.
static int run_step(Runner *r, const Net *net, int step, int64_t n, bool parts, double *loss) {
    Graph *g = runner_entry(r, "step");
    Tensor arguments[4], part[4], returned[MAX_LOSSES];
    int count = loss_count(g);
    draw_arguments(r, net, g, step, n, arguments);
    if (!parts) runner_run(r, g, n, arguments, returned);
    for (int k = 0; k < count; k++) loss[k] = parts ? 0 : returned[k].f[0];
    if (!parts) return count;
    Graph *adds = runner_entry(r, "step_accumulate"), *updates = runner_entry(r, "step_update");
    for (int64_t first = 0, half = n / 2 + 1; first < n; first += half) {
        int64_t rows = n - first < half ? n - first : half;
        part_arguments(r, g, arguments, adds, first, rows, part);
        runner_run(r, adds, rows, part, returned);
        for (int k = 0; k < count; k++) loss[k] += returned[k].f[0] * (double)rows / (double)n;
    }
    part_arguments(r, g, arguments, updates, 0, 0, part);
    runner_run(r, updates, n, part, returned);
    return count;
}

static void check_run(Tally *t, Runner *r, const Net *net, const Goldens *goldens, bool parts) {
    Graph *g = runner_entry(r, "step");
    Tensor losses[MAX_LOSSES];
    for (int k = 0; k < MAX_LOSSES; k++)
        losses[k] = tensor_new(r->arena, &(Type){F32, 1, {dim_fixed(net->steps)}}, NULL);
    golden_worst = 0;
    fill_storages(r, net);
    check_outputs(t, r, net, goldens, "first");
    for (int s = 0; s < net->steps; s++) {
        double loss[MAX_LOSSES];
        int count = run_step(r, net, s, s % 5 == 4 ? net->partial : net->batch, parts, loss);
        for (int k = 0; k < count; k++) losses[k].f[s] = loss[k];
        if (s == 0) check_storages(t, r, goldens, "step1", true);
    }
    for (int k = 0; k < loss_count(g); k++)
        golden_compare(t, goldens, r->who, k ? arena_printf(r->arena, "losses.%s", g->outputs.at[k].name) : "losses",
                       &losses[k]);
    check_storages(t, r, goldens, "last", false);
    check_outputs(t, r, net, goldens, "last");
    goldens_all_seen(t, goldens, r->who);
    printf("%s: largest difference from PyTorch %.3g of a channel's largest value\n", r->who, golden_worst);
    fflush(stdout);
}

static void check_runner(Tally *t, Runner *r, const Net *net, const Goldens *goldens) {
    check_run(t, r, net, goldens, false);
    if (!net->accumulates) return;
    r->who = arena_printf(r->arena, "%s, in parts", r->who);
    check_run(t, r, net, goldens, true);
}

static void check_net(Tally *t, const char *top, const Net *net) {
    Arena arena = {0};
    const char *dl = arena_printf(&arena, "%s/%s", top, net->dl);
    Goldens goldens = goldens_read(&arena, arena_printf(&arena, "%s/tests/golden/data/%s.txt", top, net->name));
    bool sanitize = getenv("DLC_TEST_SANITIZE");
    if (net->runs & INTERPRETER) {
        Runner r = {.who = arena_printf(&arena, "%s, interpreter", net->name),
                    .arena = &arena,
                    .module = harness_module(&arena, dl, net->defines)};
        if (!r.module) exit(3);
        check_runner(t, &r, net, &goldens);
    }
    for (size_t k = 0; k < sizeof builds / sizeof *builds; k++) {
        HarnessOptions o = builds[k].options;
        if (!(net->runs & builds[k].run) || (sanitize && !strcmp(o.cc, "clang"))) continue; // the runtime is gcc's
        o.defines = net->defines;
        if (sanitize) o.openmp = false;
        char *who = arena_printf(&arena, "%s, %s -O%d %s", net->name, o.target, o.level, o.cc);
        Compiled *c = compiled_new(&arena, dl, arena_printf(&arena, "golden-%s-%d", net->name, (int)k), &o);
        tally(t, c != NULL, "%s: does not compile", who);
        if (!c) continue;
        Runner r = {.who = who, .arena = &arena, .module = c->module, .compiled = c};
        check_runner(t, &r, net, &goldens);
        compiled_free(c);
    }
    arena_release(&arena);
}

int main(int argc, char **argv) {
    const char *top = argc > 1 ? argv[1] : ".";
    Tally t = {0};
    for (size_t k = 0; k < sizeof nets / sizeof *nets; k++) {
        bool wanted = argc <= 2;
        for (int a = 2; a < argc; a++) wanted |= !strcmp(argv[a], nets[k].name);
        if (wanted) check_net(&t, top, &nets[k]);
    }
    return tally_close(&t);
}
