// driver.c: dlc from its arguments to its outputs: the file to read first.
//     source -> tree -> graphs -> passes -> loops -> a plan of memory -> C
// Every stage is a call in compile(). A stage that fails has already reported the user's errors to err.
#include "driver.h"

#include <errno.h>
#include <string.h>

#include "emit/emit.h"
#include "files.h"
#include "fit.h"
#include "frontend/elaborate.h"
#include "loops/budget.h"
#include "options.h"
#include "passes/passes.h"
#include "validation.h"
#include "weights.h"

typedef struct Job {
    Arena arena;
    Options options;
    Diag diag;
    FILE *out, *err;
    const char *self; // argv[0]
} Job;

enum { EXIT_OK = 0, EXIT_USER = 1, EXIT_USAGE = 2 };

// ---- from text to graphs ------------------------------------------------------------------------------------------

static Module *read_module(Job *job) {
    const Options *o = &job->options;
    Arena *arena = &job->arena;
    Source *source = file_read(arena, job->err, o->input);
    if (!source) return NULL;
    if (path_ends(o->input, ".graph")) return module_read(arena, &job->diag, source);
    const AstFile *file = parse_source(arena, &job->diag, source);
    if (job->diag.errors) return NULL;
    ElaborateOptions options = {.defines = o->defines.at,
                                .ndefines = o->defines.len,
                                .entries = o->entries.len ? o->entries.at : NULL,
                                .nentries = o->entries.len};
    return elaborate(arena, &job->diag, file, &options);
}

// ---- from graphs to loops -----------------------------------------------------------------------------------------

static Program *lower_entry(Job *job, Graph *g) {
    const Options *o = &job->options;
    Program *program = program_lower(g, o->target, o->level, o->threads);
    const char *wrong = program_verify(program);
    if (wrong) dlc_bug("lower", "entry %s: %s", g->name, wrong);
    return program;
}

// The last step before printing: no buffer moves after this proof.
static void prove_plans(Program *const *programs, int n) {
    for (int k = 0; k < n; k++) {
        const char *wrong = program_check_plan(programs[k]);
        if (wrong) dlc_bug("plan", "entry %s: %s", programs[k]->graph->name, wrong);
    }
    const char *wrong = programs_check_prepared(programs, n);
    if (wrong) dlc_bug("plan", "%s", wrong);
}

// plain[k]: the bytes that the arena of entry k would have without --arena-max.
static void fit_entries(Job *job, Module *module, const PassOptions *passes, int64_t *plain) {
    const Options *o = &job->options;
    FitOptions fit = {.target = o->target,
                      .level = o->level,
                      .threads = o->threads,
                      .embedded = o->weights != NULL,
                      .most = o->arena_max,
                      .passes = passes};
    for (int k = 0; k < module->entries.len; k++) plain[k] = fit_entry(module, k, &fit);
}

// Drops the entries start and init, which stand last: embedded weights are not drawn.
static void drop_init(Module *module) {
    while (module->entries.len && !graph_is_public(module->entries.at[module->entries.len - 1])) module->entries.len--;
}

// ---- outputs ------------------------------------------------------------------------------------------------------

static int print_text(Job *job, const Str *s) {
    fwrite(str_text(s), 1, s->len, job->out);
    return EXIT_OK;
}

static const char *header_path(Job *job, const char *output) {
    int len = (int)strlen(output) - (path_ends(output, ".c") ? 2 : 0);
    return arena_printf(&job->arena, "%.*s.h", len, output);
}

static int write_outputs(Job *job, const Emission *emission) {
    const Options *o = &job->options;
    Str source_text = str_new(&job->arena), header_text = str_new(&job->arena);
    emit_source(&source_text, emission);
    if (!o->output) return print_text(job, &source_text);
    emit_header(&header_text, emission);
    bool good = files_write(&job->arena, job->err, o->output, &source_text, header_path(job, o->output), &header_text);
    if (good && o->validate) good = validation_run(&job->arena, job->err, job->self, o->output, o->target);
    return good ? EXIT_OK : EXIT_USER;
}

// ---- the stages ---------------------------------------------------------------------------------------------------

static int compile(Job *job) {
    const Options *o = &job->options;
    Str text = str_new(&job->arena);
    Module *module = read_module(job);
    if (!module) return EXIT_USER;
    if (o->emit == EMIT_GRAPH) {
        module_print(&text, module);
        return print_text(job, &text);
    }
    if (o->emit == EMIT_BACKWARD) {
        if (!module_explain(&text, module)) {
            fprintf(job->err, "dlc: error: %s has no train entry, so there is no gradient to print\n", o->input);
            return EXIT_USER;
        }
        return print_text(job, &text);
    }
    PassOptions passes = {.level = o->level,
                          .dump_after = o->dump_after,
                          .time = o->time_passes,
                          .verify_meaning = o->verify,
                          .out = job->out};
    if (o->arena_max >= 0) passes.trace = NEW_ARRAY(&job->arena, Trace, module->entries.len + 1);
    uint64_t hash = module_hash(module);
    passes_run(module, &passes);
    int64_t *plain = NEW_ARRAY(&job->arena, int64_t, module->entries.len + 1);
    if (o->arena_max >= 0) fit_entries(job, module, &passes, plain);
    if (o->emit == EMIT_DOT) {
        module_print_dot(&text, module);
        return print_text(job, &text);
    }
    if (!o->output && !o->report && !o->emit) return EXIT_OK;
    if (o->weights && !weights_fit(job->err, module)) return EXIT_USER;
    if (o->weights) drop_init(module);

    Program **programs = NEW_ARRAY(&job->arena, Program *, module->entries.len + 1);
    for (int k = 0; k < module->entries.len; k++) programs[k] = lower_entry(job, module->entries.at[k]);
    if (o->weights &&
        !weights_embed(&job->arena, job->err, o->weights, o->weights_strip, module, programs, module->entries.len))
        return EXIT_USER;
    for (int k = 0; k < module->entries.len; k++) program_plan(programs[k]);
    EmitInput in = {.module = module,
                    .programs = programs,
                    .nprograms = module->entries.len,
                    .embedded = o->weights != NULL,
                    .hash = hash};
    EmitOptions emit = {.prefix = o->prefix,
                        .target = o->target,
                        .level = o->level,
                        .threads = o->threads,
                        .standalone = o->standalone,
                        .options = o->text,
                        .header = o->output ? path_base(header_path(job, o->output))
                                            : arena_printf(&job->arena, "%s.h", o->prefix)};
    const Emission *emission = emission_new(&job->arena, &in, &emit);
    prove_plans(programs, module->entries.len);
    for (int k = 0; o->arena_max >= 0 && k < module->entries.len; k++)
        program_check_budget(&job->diag, programs[k], o->arena_max, plain[k]);
    if (o->emit == EMIT_LOOPS) {
        for (int k = 0; k < module->entries.len; k++) program_print(&text, programs[k]);
        return print_text(job, &text);
    }
    if (o->report) {
        emit_report(&text, emission);
        print_text(job, &text);
    }
    if (job->diag.errors) return EXIT_USER; // the budget's; the report says where the memory goes
    return o->output || o->emit == EMIT_C ? write_outputs(job, emission) : EXIT_OK;
}

static int print_prelude(Job *job) {
    if (prelude_print(job->out, job->options.print_prelude)) return EXIT_OK;
    const char *nearest = prelude_nearest(&job->arena, job->options.print_prelude);
    fprintf(job->err, "dlc: error: the prelude has no `%s`%s%s%s\n", job->options.print_prelude,
            nearest ? "; did you mean `" : "", nearest ? nearest : "", nearest ? "`?" : "");
    return EXIT_USAGE;
}

static int run(Job *job) {
    const Options *o = &job->options;
    if (o->help)
        options_help(job->out);
    else if (o->version)
        fprintf(job->out, "dlc %s\n", DLC_VERSION);
    else if (o->target_help)
        target_help(job->out);
    else
        return o->print_prelude ? print_prelude(job) : compile(job);
    return EXIT_OK;
}

int dlc_main(int argc, char **argv, FILE *out, FILE *err) {
    Job job = {.out = out, .err = err, .diag = {.out = err}, .self = argc > 0 ? argv[0] : NULL};
    int status = options_read(&job.arena, argc, argv, err, &job.options) ? run(&job) : EXIT_USAGE;
    if (fflush(out) || ferror(out)) {
        fprintf(err, "dlc: error: cannot write the standard output: %s\n", strerror(errno));
        status = EXIT_USER;
    }
    arena_release(&job.arena);
    return status;
}
