// random.c: random("uniform", [2, 3]), in initialisers and in entries: where it draws from.
//     random = Philox(seed, call counter, site, element)
// A new net's parameters come from the seed that the net is initialised with. Dropout draws from a stream that the
// optimisers' state keeps, and a model from one that lies beside the state: each twin has its own.
#include <string.h>

#include "frontend/builtin.h"

// The random stream of entries: a seed and the number of calls so far. That of train entries is stored with the
// optimisers' state, so that a resumed run draws the same numbers. That of models is state, but `reset` leaves it
// alone; the runtime knows both by their names. The count goes up once for each call of an entry.
static bool random_stream(Elab *el, const Call *call, Node **in) {
    if (el->g == el->init) {
        in[0] = el->seed;
        in[1] = build_constant_int(el->g, I64, 0);
        return true;
    }
    if (el->g == el->start)
        return deny(el, call->span,
                    "an optimizer's buffer begins with the same numbers every time: random has no place there");
    bool model = el->g->kind == ENTRY_MODEL;
    StorageKind kind = model ? STORAGE_STATE : STORAGE_OPTIM;
    Storage *storage[2];
    for (int k = 0; k < 2; k++) {
        const char *name = arena_printf(el->arena, "%s.random.%s", model ? "state" : "optim", k ? "calls" : "seed");
        storage[k] = module_find_storage(el->module, name);
        if (!storage[k])
            storage[k] = module_add_storage(el->module, name, kind, type_scalar(I64), user_place(el, call->span));
        storage[k]->user = user_place(el, call->span);
        in[k] = build_storage(el->g, storage[k]);
    }
    bool counted = false;
    for (int k = 0; k < el->g->outputs.len; k++) counted |= el->g->outputs.at[k].storage == storage[1];
    if (counted || el->phase == PHASE_UPDATE) return true;
    Node *next = build_binary(el->g, "add", in[1], build_constant_int(el->g, I64, 1));
    graph_bind(el->g, storage[1], next, user_place(el, call->span));
    return true;
}

// The k-th draw of an entry has the same site in each of its phases.
static int random_site(Elab *el) {
    if (el->g == el->init) return el->sites++;
    if (el->draws == el->drawn.len) vec_push(el->arena, &el->drawn, el->sites++);
    return el->drawn.at[el->draws++];
}

// In the body of a scan: how many elements the steps before draw there, all at the bounds of run-time sizes; the inner
// loop's steps follow each other. NULL outside of scans.
static Node *first_element(Graph *g, const Type *type) {
    Node *before = NULL;
    int64_t inner = type_count(type);
    for (int loop = g->loop_now; loop; loop = graph_loop(g, loop)->parent) {
        Node *part = build_binary(g, "mul", build_step(g, loop), build_constant_int(g, I64, inner));
        before = before ? build_binary(g, "add", before, part) : part;
        inner *= graph_loop(g, loop)->steps.extent;
    }
    return before;
}

// random("uniform", [2, 3]): [0, 1); "normal": mean 0, deviation 1. Each call is a site of its own.
Value run_random(Elab *el, const Call *call) {
    Value kind = call->arg[0];
    Type type;
    if (kind.kind != VALUE_STRING || (strcmp(kind.s, "uniform") && strcmp(kind.s, "normal")))
        return refuse(el, call->at[0], "random: \"uniform\" or \"normal\" is needed, got %s", value_text(el, kind));
    Node *in[3];
    if (!random_stream(el, call, in) || !dims_from_list(el, call->arg[1], F32, call->at[1], &type))
        return value_poison();
    Attr attrs[3] = {{.i = strcmp(kind.s, "normal") ? DRAWS_UNIFORM : DRAWS_NORMAL},
                     {.n = type.rank, .dims = type.dim},
                     {.i = random_site(el)}};
    in[2] = first_element(el->g, &type);
    return value_tensor(graph_op(el->g, &op_random, in, in[2] ? 3 : 2, attrs));
}
