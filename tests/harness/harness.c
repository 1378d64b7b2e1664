// harness.c: the road from a .dl to a loaded library, and tensors to and from C arrays.
#include "harness.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "emit/parts.h"
#include "evaluated.h"
#include "frontend/elaborate.h"
#include "ops/op.h"

static _Noreturn void give_up(const char *what, const char *about) {
    fprintf(stderr, "harness: %s: %s\n", what, about);
    exit(3);
}

// ---- files ------------------------------------------------------------------------------------------------------

char *harness_dir(Arena *arena, const char *name) {
    const char *build = getenv("BUILD");
    char *base = arena_printf(arena, "%s/tests/work", build ? build : "build");
    char *dir = arena_printf(arena, "%s/%s", base, name);
    for (char *at = dir + 1; *at; at++)
        if (*at == '/') {
            *at = 0;
            mkdir(dir, 0777);
            *at = '/';
        }
    if (mkdir(dir, 0777) && access(dir, W_OK)) give_up("cannot make the folder", dir);
    return dir;
}

void harness_write(const char *path, const char *text) {
    FILE *file = fopen(path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file)) give_up("cannot write", path);
}

static char *read_text(Arena *arena, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) give_up("cannot read", path);
    Str s = str_new(arena);
    char buffer[65536];
    for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;) str_putn(&s, buffer, got);
    fclose(file);
    return arena_strndup(arena, str_text(&s), s.len);
}

enum { MAX_DEFINES = 8 };

// "SIZE=64 WIDTH=16" as separate words; their number.
static int split_defines(Arena *arena, const char *defines, char *word[MAX_DEFINES]) {
    int count = 0;
    char *text = arena_strdup(arena, defines ? defines : "");
    for (char *at = strtok(text, " "); at && count < MAX_DEFINES; at = strtok(NULL, " ")) word[count++] = at;
    return count;
}

Module *harness_text(Arena *arena, const char *name, const char *text, const char *defines, FILE *out) {
    Source *source = NEW(arena, Source);
    *source = (Source){.name = name, .text = text, .len = (int)strlen(text)};
    Diag *diag = NEW(arena, Diag);
    diag->out = out;
    size_t len = strlen(name);
    if (len > 6 && !strcmp(name + len - 6, ".graph")) return module_read(arena, diag, source);
    AstFile *file = parse_source(arena, diag, source);
    char *word[MAX_DEFINES];
    Define define[MAX_DEFINES];
    int count = split_defines(arena, defines, word);
    for (int k = 0; k < count; k++) {
        char *equals = strchr(word[k], '=');
        if (!equals) give_up("-D needs NAME=VALUE", word[k]);
        define[k] = (Define){arena_strndup(arena, word[k], (size_t)(equals - word[k])), atoll(equals + 1)};
    }
    return diag->errors ? NULL
                        : elaborate(arena, diag, file, &(ElaborateOptions){.defines = define, .ndefines = count});
}

Module *harness_module(Arena *arena, const char *path, const char *defines) {
    return harness_text(arena, path, read_text(arena, path), defines, stderr);
}

// ---- a driver in C: one function of one shape per entry --------------------------------------------------------

// Does the entry take the run-time size? Its prototype in the header says so: a size may live inside alone.
static bool takes_size(Arena *arena, const char *header, const Graph *g, const Size *size) {
    const char *at = strstr(header, arena_printf(arena, "m_%s(struct m *net", g->name));
    const char *found = at ? strstr(at, arena_printf(arena, ", int32_t %s", size->name)) : NULL;
    return found && found < strchr(at, ';') && strchr(",)", found[strlen(", int32_t ") + strlen(size->name)]);
}

static int returned_count(const Graph *g) {
    int count = 0;
    while (count < g->outputs.len && !g->outputs.at[count].storage) count++;
    return count;
}

// "m0,m1": an entry that --entry leaves.
static bool is_emitted(const Graph *g, const char *entries) {
    size_t len = strlen(g->name);
    for (const char *at = entries; at; at = strchr(at, ','), at = at ? at + 1 : NULL)
        if (!strncmp(at, g->name, len) && (!at[len] || at[len] == ',')) return true;
    return graph_is_public(g) && !entries;
}

static char *driver_text(Arena *arena, const Module *m, const char *entries, const char *header) {
    Str s = str_new(arena);
    str_put(&s, "#include \"m.h\"\n");
    str_put(&s, "int drive_set(void *net, const char *name, const void *from, size_t bytes);\n"
                "int drive_set(void *net, const char *name, const void *from, size_t bytes) {\n"
                "    return m_set(net, name, from, bytes);\n}\n"
                "int drive_get(void *net, const char *name, void *to, size_t bytes);\n"
                "int drive_get(void *net, const char *name, void *to, size_t bytes) {\n"
                "    return m_get(net, name, to, bytes);\n}\n"
                "int drive_load(void *net, const char *path);\n"
                "int drive_load(void *net, const char *path) {\n"
                "    return m_load(net, path);\n}\n"
                "int drive_save_weights(void *net, const char *path);\n"
                "int drive_save_weights(void *net, const char *path) {\n"
                "    return m_save_weights(net, path);\n}\n"
                "const char *drive_error(void *net);\n"
                "const char *drive_error(void *net) {\n"
                "    return m_error(net);\n}\n");
    for (int e = 0; e < m->entries.len; e++) {
        const Graph *g = m->entries.at[e];
        if (!is_emitted(g, entries)) continue;
        const char *head =
            arena_printf(arena, "int drive_%s(void *net, const int32_t *size, void **in, void **out)", g->name);
        bool sized = false;
        for (int k = 0; k < m->nsizes; k++) sized |= takes_size(arena, header, g, &m->sizes[k]);
        str_printf(&s, "%s;\n%s {\n    (void)size, (void)in, (void)out;\n    %sm_%s(net", head, head,
                   sized ? "return " : "", g->name);
        for (int k = 0; k < m->nsizes; k++)
            if (takes_size(arena, header, g, &m->sizes[k])) str_printf(&s, ", size[%d]", k);
        for (int k = 0; k < g->arguments.len; k++) {
            const Type *type = &g->arguments.at[k]->type;
            if (type->rank)
                str_printf(&s, ", in[%d]", k);
            else
                str_printf(&s, ", *(%s *)in[%d]", dtype_info[type->dtype].c, k);
        }
        for (int k = 0; k < returned_count(g); k++) str_printf(&s, ", out[%d]", k);
        str_printf(&s, ");\n%s}\n", sized ? "" : "    return 0;\n");
    }
    return arena_printf(arena, "%s", str_text(&s));
}

static bool run_dlc(Arena *arena, const char *path, const char *dir, const HarnessOptions *o) {
    char *argv[16 + 2 * MAX_DEFINES], *word[MAX_DEFINES];
    int argc = 0, defines = split_defines(arena, o->defines, word);
    argv[argc++] = "dlc";
    argv[argc++] = (char *)path;
    argv[argc++] = "-o";
    argv[argc++] = arena_printf(arena, "%s/m.c", dir);
    argv[argc++] = arena_printf(arena, "--target=%s", o->target);
    argv[argc++] = o->level ? "-O2" : "-O0";
    if (o->threads) argv[argc++] = arena_printf(arena, "--threads=%d", o->threads);
    if (o->standalone) argv[argc++] = "--standalone";
    if (o->arena_max) argv[argc++] = arena_printf(arena, "--arena-max=%s", o->arena_max);
    if (o->weights) argv[argc++] = arena_printf(arena, "--weights=%s", o->weights);
    if (o->entries) argv[argc++] = arena_printf(arena, "--entry=%s", o->entries);
    for (int k = 0; k < defines; k++) argv[argc++] = "-D", argv[argc++] = word[k];
    argv[argc] = NULL;
    FILE *err = o->quiet ? fopen("/dev/null", "w") : stderr;
    int status = dlc_main(argc, argv, stdout, err);
    if (o->quiet) fclose(err);
    if (o->refused) *o->refused = status == 1;
    return status == 0;
}

// What users may compile with, and more.
#define WARNINGS "-Wall -Wextra -Wconversion -Wdouble-promotion -Wshadow"

// The flags of the header's compile line, `-O3` replaced by the effort.
static const char *header_flags(Arena *arena, const char *header, const char *effort) {
    const char *start = strstr(header, "// Compile: cc "), *o3 = start ? strstr(start, "-O3") : NULL;
    const char *end = start ? strstr(start, " -c ") : NULL;
    if (!o3 || !end) give_up("no compile line in the header", "m.h");
    start += strlen("// Compile: cc ");
    return arena_printf(arena, "%.*s%s%.*s", (int)(o3 - start), start, effort, (int)(end - o3 - 3), o3 + 3);
}

// Every C file that a test emits goes through dlc-validate, where libclang is.
static bool run_validate(Arena *arena, const char *dir, const HarnessOptions *o, const char *header) {
    const char *build = getenv("BUILD");
    const char *program = arena_printf(arena, "%s/dlc-validate", build ? build : "build");
    if (access(program, X_OK)) return true;
    const char *command = arena_printf(arena, "%s %s/m.c %s %s " WARNINGS, program, dir,
                                       header_flags(arena, header, ""), strcmp(o->target, "c11") ? "" : "-Wpedantic");
    if (system(command) == 0) return true;
    fprintf(stderr, "harness: failed: %s\n", command);
    return false;
}

// Machines whose floating-point unit knows floats only would call a library for each double. (What --standalone pastes
// reads files, also those with doubles.)
static bool check_doubles(Arena *arena, const char *dir, const HarnessOptions *o) {
    if (o->standalone || !target_avoids_doubles(target_find(o->target), o->level)) return true;
    const char *path = arena_printf(arena, "%s/m.c", dir), *text = read_text(arena, path);
    Names words = text_identifiers(arena, text);
    if (names_find(&words, "double") < 0) return true;
    fprintf(stderr, "harness: %s has the word double\n", path);
    return false;
}

static bool run(const char *command) {
    if (system(command) == 0) return true;
    fprintf(stderr, "harness: failed: %s\n", command);
    return false;
}

// The runtime, compiled once for each compiler and flags; what it is made of is in the name.
static const char *runtime_objects(Arena *arena, const char *cc, const char *flags, const char *top) {
    uint32_t hash = 2166136261u;
    for (const char *c = flags; *c; c++) hash = (hash ^ (unsigned char)*c) * 16777619u;
    for (int f = 0; runtime_files[f].name; f++)
        for (int k = 0; k < runtime_files[f].len; k++) hash = (hash ^ runtime_files[f].text[k]) * 16777619u;
    char *name = arena_printf(arena, "runtime-%s-%08x", cc, hash), *dir = harness_dir(arena, name);
    char *objects = arena_printf(arena, "%s/*.o", dir), *done = arena_printf(arena, "%s/done", dir);
    if (access(done, R_OK) == 0) return objects;
    // In a folder of this process's own first: others may be at it too.
    const char *own = harness_dir(arena, arena_printf(arena, "%s/%d", name, (int)getpid())),
               *root = realpath(top, NULL);
    run(arena_printf(arena, "cd %s && %s %s -I%s/runtime -c %s/runtime/dlc*.c && mv *.o .. && touch ../done", own, cc,
                     flags, root, root));
    free((char *)root);
    rmdir(own);
    return objects;
}

static bool run_cc(Arena *arena, const char *dir, const HarnessOptions *o, const char *header) {
    const char *top = getenv("TOP") ? getenv("TOP") : ".";
    bool sanitize = getenv("DLC_TEST_SANITIZE"), iso = !strcmp(o->target, "c11");
    // The header's own -O3 where no test asks for less, and everywhere in `make test-all`. The sanitizers' C is slow to
    // make.
    const char *effort = o->cc_level && !getenv("DLC_TEST_ALL") ? o->cc_level : sanitize ? "-O1" : "-O3";
    const char *flags =
        arena_printf(arena, "%s %s %s %s -Wall -Wextra -Werror -fPIC", header_flags(arena, header, effort),
                     o->cc_more ? o->cc_more : "", iso ? "-Wpedantic" : "",
                     sanitize ? "-g -fsanitize=address,undefined -fno-sanitize-recover=all" : "");
    const char *runtime = o->standalone ? "" : runtime_objects(arena, o->cc, flags, top);
    return run(arena_printf(arena, "%s %s %s -shared -I%s/runtime -I%s -o %s/m.so %s/m.c %s/driver.c %s -lm", o->cc,
                            flags, o->openmp ? "-fopenmp" : "", top, dir, dir, dir, dir, runtime));
}

static void *find(const Compiled *c, const char *name) {
    void *at = dlsym(c->library, name);
    if (!at) give_up("no such function in the library", name);
    return at;
}

Compiled *compiled_new(Arena *arena, const char *path, const char *name, const HarnessOptions *options) {
    Compiled *c = NEW(arena, Compiled);
    c->arena = arena;
    FILE *err = options->quiet ? fopen("/dev/null", "w") : stderr;
    const char *text = read_text(arena, path);
    c->module = harness_text(arena, path, text, options->defines, err);
    Module *own = options->cc ? NULL : harness_text(arena, path, text, options->defines, err);
    if (options->quiet) fclose(err);
    if (own) {
        c->evaluated = evaluated_new(arena, own, options);
        return c->evaluated ? c : NULL;
    }
    c->dir = harness_dir(arena, name);
    if (!c->module || !run_dlc(arena, path, c->dir, options)) return NULL;
    const char *header = read_text(arena, arena_printf(arena, "%s/m.h", c->dir));
    harness_write(arena_printf(arena, "%s/driver.c", c->dir), driver_text(arena, c->module, options->entries, header));
    if (!run_validate(arena, c->dir, options, header) || !check_doubles(arena, c->dir, options) ||
        !run_cc(arena, c->dir, options, header))
        return NULL;
    char *library = realpath(arena_printf(arena, "%s/m.so", c->dir), NULL);
    c->library = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE); // its OpenMP threads outlive it
    free(library);
    if (!c->library) give_up("cannot load the library", dlerror());
    void *(*make)(void);
    *(void **)&make = find(c, "m_new");
    c->net = make();
    if (!c->net) give_up("m_new gave NULL", name);
    return c;
}

void compiled_free(Compiled *c) {
    if (!c || !c->library) return;
    void (*release)(void *);
    *(void **)&release = find(c, "m_free");
    release(c->net);
    dlclose(c->library);
    c->library = NULL;
}

Graph *compiled_entry(const Compiled *c, const char *name) {
    for (int e = 0; e < c->module->entries.len; e++)
        if (!strcmp(c->module->entries.at[e]->name, name)) return c->module->entries.at[e];
    give_up("no such entry", name);
}

// ---- tensors and C arrays ----------------------------------------------------------------------------------------

static void element_to_c(const Tensor *t, int64_t k, void *to) {
    if (t->dtype == F32)
        ((float *)to)[k] = (float)t->f[k];
    else if (t->dtype == I32)
        ((int32_t *)to)[k] = (int32_t)t->i[k];
    else if (t->dtype == I64)
        ((int64_t *)to)[k] = t->i[k];
    else
        ((uint8_t *)to)[k] = (uint8_t)t->i[k];
}

static void element_from_c(Tensor *t, int64_t k, const void *from) {
    if (t->dtype == F32)
        t->f[k] = ((const float *)from)[k];
    else if (t->dtype == I32)
        t->i[k] = ((const int32_t *)from)[k];
    else if (t->dtype == I64)
        t->i[k] = ((const int64_t *)from)[k];
    else
        t->i[k] = ((const uint8_t *)from)[k];
}

// Exactly as large as the tensor, so that the sanitizers see every access outside.
static void *to_c(const Tensor *t, size_t *bytes) {
    *bytes = (size_t)t->count * (size_t)dtype_info[t->dtype].bytes;
    void *to = malloc(*bytes ? *bytes : 1);
    if (!to) give_up("out of memory", "tensor");
    for (int64_t k = 0; k < t->count; k++) element_to_c(t, k, to);
    return to;
}

static int drive(Compiled *c, const char *entry, const int64_t *sizes, void **in, void **out) {
    if (c->evaluated) {
        evaluated_call(c->evaluated, entry, sizes, in, out);
        return 0;
    }
    int32_t size[MAX_SIZES] = {0};
    for (int k = 0; k < c->module->nsizes; k++) size[k] = (int32_t)sizes[k];
    int (*call)(void *, const int32_t *, void **, void **);
    *(void **)&call = find(c, arena_printf(c->arena, "drive_%s", entry));
    return call(c->net, size, in, out);
}

int compiled_call(Compiled *c, const Graph *entry, const int64_t *sizes, const Tensor *arguments, Tensor *returned,
                  const bool *skip) {
    void *in[64] = {0}, *out[64] = {0};
    size_t bytes;
    int outputs = returned_count(entry);
    if (entry->arguments.len > 64 || outputs > 64) give_up("too many arguments", entry->name);
    for (int k = 0; k < entry->arguments.len; k++) in[k] = to_c(&arguments[k], &bytes);
    for (int k = 0; k < outputs; k++) out[k] = skip && skip[k] ? NULL : to_c(&returned[k], &bytes);
    int status = drive(c, entry->name, sizes, in, out);
    for (int k = 0; k < outputs; k++) {
        for (int64_t e = 0; out[k] && e < returned[k].count; e++) element_from_c(&returned[k], e, out[k]);
        free(out[k]);
    }
    for (int k = 0; k < entry->arguments.len; k++) free(in[k]);
    return status;
}

void compiled_set(Compiled *c, const char *name, const Tensor *value) {
    size_t bytes;
    void *from = to_c(value, &bytes);
    if (c->evaluated) {
        memcpy(evaluated_storage(c->evaluated, name), from, bytes);
    } else {
        int (*set)(void *, const char *, const void *, size_t);
        *(void **)&set = find(c, "drive_set");
        if (set(c->net, name, from, bytes)) give_up("m_set refused", name);
    }
    free(from);
}

void compiled_get(Compiled *c, const char *name, Tensor *value) {
    size_t bytes;
    void *to = to_c(value, &bytes);
    if (c->evaluated) {
        memcpy(to, evaluated_storage(c->evaluated, name), bytes);
    } else {
        int (*get)(void *, const char *, void *, size_t);
        *(void **)&get = find(c, "drive_get");
        if (get(c->net, name, to, bytes)) give_up("m_get refused", name);
    }
    for (int64_t k = 0; k < value->count; k++) element_from_c(value, k, to);
    free(to);
}

bool compiled_load(Compiled *c, const char *path) {
    int (*load)(void *, const char *);
    const char *(*error)(void *);
    *(void **)&load = find(c, "drive_load");
    *(void **)&error = find(c, "drive_error");
    if (load(c->net, path) == 0) return true;
    fprintf(stderr, "harness: %s\n", error(c->net));
    return false;
}

bool compiled_save_weights(Compiled *c, const char *path) {
    int (*save)(void *, const char *);
    *(void **)&save = find(c, "drive_save_weights");
    return save(c->net, path) == 0;
}

// ---- numbers --------------------------------------------------------------------------------------------------------

double drawn(uint32_t seed, uint64_t k) {
    uint32_t h = (uint32_t)(k * 2654435761u + (uint64_t)seed * 40503u + 12345u);
    h ^= h >> 16;
    h *= 2246822519u;
    h ^= h >> 13;
    h *= 3266489917u;
    h ^= h >> 16;
    return (double)(h >> 8) / 16777216.0;
}

Tensor tensor_drawn(Arena *arena, const Type *type, const int64_t *sizes, uint32_t seed, double low, double high) {
    Tensor t = tensor_new(arena, type, sizes);
    for (int64_t k = 0; k < t.count; k++) {
        double value = low + (high - low) * drawn(seed, (uint64_t)k);
        if (t.f)
            t.f[k] = round_to_dtype(t.dtype, value);
        else
            t.i[k] = (int64_t)floor(value);
    }
    return t;
}

double ulps(double got, double want) {
    double rounded = round_to_dtype(F32, want);
    if (isnan(got) || isnan(rounded)) return isnan(got) && isnan(rounded) ? 0 : INFINITY;
    if (got == rounded) return signbit(got) == signbit(rounded) ? 0 : INFINITY;
    int exponent;
    double near = fmin(fabs(want), 0x1p128), far = copysign(fmin(fabs(want), 0x1p129), want);
    frexp(near, &exponent);
    if (isinf(got)) got = copysign(0x1p128, got);
    return fabs(got - far) / ldexp(1, exponent - 24 > -149 ? exponent - 24 : -149);
}

double tensor_difference(const Tensor *a, const Tensor *b) {
    double largest = 0, worst = 0;
    if (a->count != b->count) return INFINITY;
    for (int64_t k = 0; k < a->count; k++) {
        double x = a->f ? a->f[k] : (double)a->i[k], y = b->f ? b->f[k] : (double)b->i[k];
        if (x == y || (isnan(x) && isnan(y))) {
            if (!isinf(y) && !isnan(y)) largest = fmax(largest, fabs(y));
            continue;
        }
        if (!isfinite(x) || !isfinite(y)) return INFINITY;
        worst = fmax(worst, fabs(x - y));
        largest = fmax(largest, fabs(y));
    }
    return worst == 0 ? 0 : worst / largest;
}

void tally(Tally *t, bool ok, const char *fmt, ...) {
    *(ok ? &t->passed : &t->failed) += 1;
    if (ok) return;
    va_list args;
    va_start(args, fmt);
    printf("FAILED ");
    vprintf(fmt, args);
    printf("\n");
    va_end(args);
}

int tally_close(const Tally *t) {
    printf("%d passed, %d failed\n", t->passed, t->failed);
    return t->failed != 0 || !t->passed; // who tried nothing has shown nothing
}
