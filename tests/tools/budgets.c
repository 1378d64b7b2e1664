// budgets.c: --arena-max is monotone. For every training step of seeded random modules: when a budget of one byte is
// refused, the error names the smallest plan; every budget from its size on gives a plan that it can hold, and no
// budget gives a smaller one. What is computed again never makes the plan larger than it was without.
//     budgets [SEED [MODULES]]          20 entries a module, about half of them training steps
//     budgets FILE.dl|FILE.graph        its training steps
#include <stdlib.h>
#include <string.h>

#include "fit.h"
#include "loops/loops.h"
#include "random_graph.h"

enum { BUDGETS = 6, ALIGN = 64 };

typedef struct Step {
    Module *m;
    int entry;
    FitOptions fit;
    char *who;
} Step;

static int64_t planned(const Step *s) {
    Arena scratch = {0};
    Program *program =
        program_lower_in(&scratch, s->m->entries.at[s->entry], s->fit.target, s->fit.level, s->fit.threads, false);
    program_plan(program);
    const char *wrong = program_check_plan(program);
    if (wrong) dlc_bug("plan", "%s: %s", s->who, wrong);
    int64_t bytes = program->arena_bytes;
    arena_release(&scratch);
    return bytes;
}

// The bytes of the entry's plan when `most` are allowed. From the source each time: one budget knows nothing of
// another.
static int64_t fitted(Step *s, int64_t most) {
    s->fit.most = most;
    passes_run_again(s->m, s->entry, s->fit.passes);
    fit_entry(s->m, s->entry, &s->fit);
    return planned(s);
}

static void check_step(Tally *t, Step *s) {
    passes_run_again(s->m, s->entry, s->fit.passes);
    int64_t plain = planned(s), least = fitted(s, 1);
    tally(t, least <= plain, "%s: %ld bytes, and without --arena-max %ld", s->who, (long)least, (long)plain);
    int64_t below = fitted(s, least - ALIGN);
    tally(t, below == least, "%s: the smallest plan is %ld bytes for a budget of 1 and %ld for one of %ld", s->who,
          (long)least, (long)below, (long)(least - ALIGN));
    for (int k = 0; k <= BUDGETS; k++) {
        int64_t most = least + (plain - least) * k / BUDGETS, got = fitted(s, most);
        tally(t, got <= most, "%s: %ld bytes for a budget of %ld, where the smallest plan is %ld", s->who, (long)got,
              (long)most, (long)least);
        tally(t, got >= least, "%s: %ld bytes for a budget of %ld, and the smallest plan is said to be %ld", s->who,
              (long)got, (long)most, (long)least);
    }
}

static void check_module(Tally *t, Arena *arena, Module *m, const char *name, int level) {
    PassOptions passes = {.level = level, .out = stdout, .trace = NEW_ARRAY(arena, Trace, m->entries.len)};
    passes_run(m, &passes);
    for (int e = 0; e < m->entries.len; e++) {
        if (m->entries.at[e]->kind != ENTRY_TRAIN) continue;
        char *who = arena_printf(arena, "%s, %s, -O%d", name, m->entries.at[e]->name, level);
        check_step(t, &(Step){m, e, {target_find("c11"), level, 2, false, 0, &passes}, who});
    }
}

int main(int argc, char **argv) {
    const char *file = argc > 1 && strchr(argv[1], '.') ? argv[1] : NULL;
    int seed = argc > 1 && !file ? atoi(argv[1]) : 1, modules = argc > 2 && !file ? atoi(argv[2]) : 1;
    Tally t = {0};
    for (int k = 0; k < modules; k++) {
        Arena arena = {0};
        Diag diag = {.out = stderr};
        Module *m = file ? harness_module(&arena, file, NULL) : random_module(&arena, &diag, (uint32_t)(seed + k));
        const char *name = file ? file : arena_printf(&arena, "seed %d", seed + k);
        if (!m) return 3;
        check_module(&t, &arena, m, name, file || k % 4 ? 2 : 0);
        arena_release(&arena);
    }
    return tally_close(&t);
}
