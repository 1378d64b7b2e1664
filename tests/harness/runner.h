// runner.h: something that runs a module's entries over its storages: the interpreter, or compiled C. Tests are written
// once and hold for both.
//     Runner r = {.who = "mlp, interpreter", .arena = &arena, .module = module};
//     runner_open(&r);
//     runner_run(&r, runner_entry(&r, "forward"), n, arguments, returned);
#ifndef DLC_RUNNER_H
#define DLC_RUNNER_H

#include "harness.h"

typedef struct Runner {
    const char *who; // for messages
    Arena *arena;
    Module *module;
    Compiled *compiled; // NULL: interpret
    Tensor *storages;   // one per storage of the module
} Runner;

void runner_open(Runner *r); // makes the storages, all zero
Graph *runner_entry(const Runner *r, const char *name);
// Sets a storage on both sides of the fence.
void runner_set(Runner *r, const Storage *storage, Tensor value);
// What a storage holds now.
const Tensor *runner_get(Runner *r, const Storage *storage);
// Runs an entry with n for each run-time size; fills one of `returned` per returned output.
void runner_run(Runner *r, Graph *g, int64_t n, const Tensor *arguments, Tensor *returned);

// Seed of what is drawn for a name: tests/oracle/goldens.py hashes the same.
uint32_t seed_of(const char *name);
bool ends_with(const char *text, const char *end);

#endif
