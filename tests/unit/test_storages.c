// test_storages.c: the proof of the memory plan for training steps: parameters and optimiser state that are updated in
// place, in the right order; and for state, parts of which are stored. Every way in which that could be wrong is
// refused.
#include <criterion/criterion.h>
#include <string.h>

#include "frontend/elaborate.h"
#include "loops/lower.h"
#include "passes/passes.h"

typedef struct Bench {
    Arena arena;
    Diag diag;
    Program *program;
} Bench;

// Two layers with momentum, then the loss once more with what was learned.
static const char text[] = "dim N <= 8\n"
                           "layer net(x: T[B, C]) -> T[B, 5] {\n"
                           "    return x |> linear(16, name=\"fc1\") |> relu |> linear(5, name=\"fc2\")\n"
                           "}\n"
                           "train step(x: f32[N, 12], label: i32[N], lr: f32[]) -> (before: f32[], after: f32[]) {\n"
                           "    before = cross_entropy(net(x, name=\"\"), label)\n"
                           "    minimize before with sgd(lr=lr, momentum=0.9)\n"
                           "    return before, cross_entropy(net(x, name=\"\"), label)\n"
                           "}\n";

static void bench_open(Bench *b, const char *program, int entry, int level) {
    *b = (Bench){.diag = {.out = stderr}};
    Source *source = NEW(&b->arena, Source);
    *source = (Source){.name = "test.dl", .text = program, .len = (int)strlen(program)};
    AstFile *file = parse_source(&b->arena, &b->diag, source);
    Module *module = b->diag.errors ? NULL : elaborate(&b->arena, &b->diag, file, &(ElaborateOptions){0});
    cr_assert(module, "does not compile");
    passes_run(module, &(PassOptions){.level = level, .out = stderr});
    b->program = program_lower(module->entries.at[entry], target_find("x86-64-v4"), level, 2);
    program_plan(b->program);
    const char *wrong = program_check_plan(b->program);
    cr_assert_null(wrong, "-O%d: %s", level, wrong);
}

static bool does(const Stmt *s, const char *buffer, bool write);

static bool loads(const Expr *e, const char *buffer) {
    bool found = e->kind == EXPR_LOAD && !strcmp(e->buffer->name, buffer);
    for (int k = 0; k < e->nargs && !found; k++) found = loads(e->arg[k], buffer);
    return found;
}

static bool does(const Stmt *s, const char *buffer, bool write) {
    bool found =
        write ? s->kind == STMT_STORE && !strcmp(s->buffer->name, buffer) : s->value && loads(s->value, buffer);
    for (int k = 0; k < s->body.len && !found; k++) found = does(s->body.at[k], buffer, write);
    return found;
}

// The first call from `from` on that reads or writes the buffer of that name.
static int find_call(const Bench *b, int from, const char *buffer, bool write) {
    while (from < b->program->calls.len && !does(b->program->calls.at[from].kernel->body, buffer, write)) from++;
    cr_assert(from < b->program->calls.len, "no call does that with %s", buffer);
    return from;
}

static void move_call(Bench *b, int from, int to) {
    Call moved = b->program->calls.at[from];
    for (; from < to; from++) b->program->calls.at[from] = b->program->calls.at[from + 1];
    for (; from > to; from--) b->program->calls.at[from] = b->program->calls.at[from - 1];
    b->program->calls.at[to] = moved;
}

static Stmt *find_store(Stmt *s, const char *buffer) {
    Stmt *found = s->kind == STMT_STORE && !strcmp(s->buffer->name, buffer) ? s : NULL;
    for (int k = 0; k < s->body.len && !found; k++) found = find_store(s->body.at[k], buffer);
    return found;
}

static const char weight[] = "fc2.weight", momentum[] = "fc2.weight.momentum_buffer";

// The gradient of what comes before needs the old weight.
static void update_too_early(Bench *b) {
    int update = find_call(b, 0, weight, true), reader = update - 1;
    while (reader > 0 && !does(b->program->calls.at[reader].kernel->body, weight, false)) reader--;
    move_call(b, update, reader);
}

static void update_too_late(Bench *b) { move_call(b, find_call(b, 0, weight, true), b->program->calls.len - 1); }

static void store_elsewhere(Bench *b, const char *buffer) {
    Stmt *store = find_store(b->program->calls.at[find_call(b, 0, buffer, true)].kernel->body, buffer);
    store->at[0] = index_add_const(&b->arena, store->at[0], 1);
}

static void update_next_row(Bench *b) { store_elsewhere(b, weight); }
static void update_next_momentum(Bench *b) { store_elsewhere(b, momentum); }

static void update_twice(Bench *b) {
    vec_push(&b->arena, &b->program->calls, b->program->calls.at[find_call(b, 0, weight, true)]);
}

// What two calls in a row use lies in one place.
static void share_bytes(Bench *b) {
    Program *p = b->program;
    for (int k = 0; k < p->buffers.len; k++)
        for (int i = 0; i < k; i++) {
            Buffer *x = p->buffers.at[k], *y = p->buffers.at[i];
            if (x->scope != SCOPE_ARENA || y->scope != SCOPE_ARENA || x->view || y->view) continue;
            if (x->first_call <= y->last_call && y->first_call <= x->last_call) {
                x->offset = y->offset;
                return;
            }
        }
}

static const struct {
    const char *what;
    void (*damage)(Bench *b);
    const char *want;
} damages[] = {
    {"an update before the gradient that reads the old weight", update_too_early, "whose old value is overwritten by"},
    {"an update after what reads the new weight", update_too_late, "whose new value is written by"},
    {"an update that stores the next row", update_next_row, "parts of which are overwritten before"},
    {"a momentum that stores the next row", update_next_momentum, "parts of which are overwritten before"},
    {"an update that runs twice", update_twice, "whose new value is written by"},
    {"two that live together in one place", share_bytes, "live together and share bytes"},
};

Test(storages, damage_is_refused) {
    for (size_t d = 0; d < sizeof damages / sizeof *damages; d++) {
        Bench b;
        bench_open(&b, text, 0, 2);
        damages[d].damage(&b);
        const char *wrong = program_check_plan(b.program);
        cr_expect(wrong && strstr(wrong, damages[d].want), "%s: got \"%s\", want \"... %s ...\"", damages[d].what,
                  wrong ? wrong : "", damages[d].want);
        arena_release(&b.arena);
    }
}

// ---- parts of a state -----------------------------------------------------------------------------------------------

// Two updates in turn, and readers of what was there before, between and after.
static const char parts[] = "model step(x: f32[4], pos: i32[]) -> (y: f32[4]) {\n"
                            "    state s: f32[640, 4] = zeros()\n"
                            "    before = max(s, axis=0)\n"
                            "    s = update(s, pos % 640, x)\n"
                            "    between = min(s, axis=0)\n"
                            "    s = update(s, pos, before)\n"
                            "    return before + between + sum(s, axis=0)\n"
                            "}\n";

static bool loops_over_rows(const Stmt *s) {
    bool found = s->kind == STMT_FOR && s->hi->c >= 640 / 8; // in chunks too
    for (int k = 0; k < s->body.len && !found; k++) found = loops_over_rows(s->body.at[k]);
    return found;
}

Test(storages, updates_store_parts_alone) {
    for (int level = 0; level < 3; level += 2) {
        Bench b;
        int updates = 0;
        bench_open(&b, parts, 0, level);
        for (int c = 0; c < b.program->calls.len; c++) {
            if (!does(b.program->calls.at[c].kernel->body, "s", true)) continue;
            updates++;
            cr_expect(!loops_over_rows(b.program->calls.at[c].kernel->body), "-O%d: call %d loops over s", level, c);
        }
        cr_expect(updates == 2, "-O%d: %d calls write s", level, updates);
        for (int k = 0; k < b.program->buffers.len; k++)
            cr_expect(b.program->buffers.at[k]->scope != SCOPE_ARENA || b.program->buffers.at[k]->bytes < 640 * 4,
                      "-O%d: %s is a copy", level, b.program->buffers.at[k]->name);
        arena_release(&b.arena);
    }
}

static int nth_update(const Bench *b, int n) {
    int call = find_call(b, 0, "s", true);
    return n ? find_call(b, call + 1, "s", true) : call;
}

static void uses_again(Bench *b, int number) {
    Call *call = &b->program->calls.at[number];
    kernel_find_uses(&b->arena, call->kernel);
    call->buffer = call_new(&b->arena, call->kernel).buffer;
}

// The row that is stored is another row of s.
static void read_other_row(Bench *b) {
    int number = nth_update(b, 0);
    Stmt *store = find_store(b->program->calls.at[number].kernel->body, "s");
    Index *at[] = {index_const(&b->arena, 3), (Index *)store->at[1]};
    store->value = expr_load(&b->arena, store->buffer, at, 1);
    uses_again(b, number);
}

// Or the very row, which an index before may have replaced.
static void read_same_row(Bench *b) {
    int number = nth_update(b, 1);
    Stmt *store = find_store(b->program->calls.at[number].kernel->body, "s");
    store->value = expr_load(&b->arena, store->buffer, (Index *const *)store->at, 1);
    uses_again(b, number);
}

static void replace_too_early(Bench *b) { move_call(b, find_call(b, 0, "s", false), nth_update(b, 0)); }
static void replace_too_late(Bench *b) { move_call(b, nth_update(b, 0), b->program->calls.len - 1); }
static void replace_in_other_order(Bench *b) { move_call(b, nth_update(b, 1), nth_update(b, 0)); }

// What reads the value between the updates comes after both.
static void read_between_too_late(Bench *b) { move_call(b, nth_update(b, 0) + 1, nth_update(b, 1)); }

// The parts go where the rest is not.
static void store_parts_elsewhere(Bench *b) {
    Call *call = &b->program->calls.at[nth_update(b, 0)];
    Buffer *other = NEW(&b->arena, Buffer);
    for (int k = 0; k < call->kernel->uses.len; k++)
        if (call->kernel->uses.at[k].written) {
            *other = *call->buffer[k];
            other->scope = SCOPE_ARENA, other->storage = NULL, other->name = "elsewhere";
            call->buffer[k] = other;
        }
    vec_push(&b->arena, &b->program->buffers, other);
    b->program->of_node[call->group->outputs.at[0]->id] = other;
}

static const struct {
    const char *what;
    void (*damage)(Bench *b);
    const char *want;
} parts_damages[] = {
    {"a part whose value is another row", read_other_row, "parts of which it replaces in place"},
    {"a part whose value is the same row", read_same_row, "parts of which it replaces in place"},
    {"an update before the reader of the old value", replace_too_early, "whose old value is overwritten by"},
    {"an update after its reader", replace_too_late, "before an update has made it"},
    {"two updates in the other order", replace_in_other_order, "before an update has made it"},
    {"a reader of the value between after both", read_between_too_late, "of which another value is left by"},
    {"parts that are stored elsewhere", store_parts_elsewhere, "which does not hold the others"},
};

Test(storages, damaged_updates_are_refused) {
    for (size_t d = 0; d < sizeof parts_damages / sizeof *parts_damages; d++)
        for (int level = 0; level < 3; level += 2) {
            Bench b;
            bench_open(&b, parts, 0, level);
            parts_damages[d].damage(&b);
            const char *wrong = program_check_plan(b.program);
            cr_expect(wrong && strstr(wrong, parts_damages[d].want), "-O%d, %s: got \"%s\", want \"... %s ...\"", level,
                      parts_damages[d].what, wrong ? wrong : "", parts_damages[d].want);
            arena_release(&b.arena);
        }
}

// In the arena an update takes the memory of what it changes and copies it. An index that is loaded may repeat, so what
// it leads to may have been overwritten, even if it is stored in the same iteration.
Test(storages, loaded_indices_are_not_in_place) {
    Bench b;
    bench_open(&b,
               "model f(x: f32[64, 4], i: i32[3], v: f32[3, 4]) -> (y: f32[4], z: f32[4]) {\n"
               "    u = update(cumsum(x, 0), i, v)\n    return max(u, axis=0), min(u, axis=0)\n}\n",
               0, 2);
    int number = find_call(&b, 0, "u", true);
    Stmt *body = b.program->calls.at[number].kernel->body, *copy = find_store(body, "u");
    Stmt *guarded = body->body.at[body->body.len - 1], *store = find_store(guarded, "u");
    cr_assert(copy != store && copy->value->kind == EXPR_LOAD);
    cr_assert(copy->value->buffer->scope == SCOPE_ARENA && store->buffer->view, "it is not in place");
    store->value = expr_load(&b.arena, copy->value->buffer, (Index *const *)store->at, 1);
    uses_again(&b, number);
    const char *wrong = program_check_plan(b.program);
    cr_expect(wrong && strstr(wrong, "over which is written by then"), "got \"%s\"", wrong ? wrong : "");
    arena_release(&b.arena);
}

Test(storages, naive_kernels_are_proven_too) {
    Bench b;
    bench_open(&b, text, 0, 0);
    arena_release(&b.arena);
}

// Equal numbers are one node, which is stored in the one and copied to the other.
Test(storages, parameters_that_begin_with_one_number) {
    for (int level = 0; level < 3; level += 2) {
        Bench b;
        bench_open(&b,
                   "train step(x: f32[3]) {\n    param v: f32[] = ones()\n    param w: f32[] = ones()\n"
                   "    minimize sum(x * v * w) with sgd()\n}\n",
                   1, level);
        arena_release(&b.arena);
    }
}
