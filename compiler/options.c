// options.c: the command line: one table, from which --help is printed too.
//     dlc net.dl -o net.c --target=native -D CLASSES=43
// An argument that is not understood is a usage error, with a suggestion.
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "emit/emit.h"
#include "files.h"
#include "passes/passes.h"

typedef struct Reader {
    Arena *arena;
    FILE *err;
    Options *options;
} Reader;

typedef struct OptionRow {
    const char *name;  // "--emit"
    const char *value; // the name of its value, which follows `=` or the letter, or is the next word; or NULL
    bool (*take)(Reader *r, const char *value);
    const char *doc;
    size_t flag; // without a value: the offset of the bool of Options that it sets
} OptionRow;

static bool usage(Reader *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static bool usage(Reader *r, const char *fmt, ...) {
    va_list args;
    va_start(args, fmt);
    fputs("dlc: error: ", r->err);
    vfprintf(r->err, fmt, args);
    fputs("\ndlc --help lists the options\n", r->err);
    va_end(args);
    return false;
}

// "; did you mean `x`?", or nothing.
static const char *suggest(Reader *r, const char *name, const char *const *candidates, int count) {
    const char *nearest = diag_nearest(name, candidates, count);
    return nearest ? arena_printf(r->arena, "; did you mean `%s`?", nearest) : "";
}

// ---- one function per option --------------------------------------------------------------------------------------

static bool is_identifier(const char *s) {
    if (!isalpha((unsigned char)*s) && *s != '_') return false;
    for (; *s; s++)
        if (!isalnum((unsigned char)*s) && *s != '_') return false;
    return true;
}

static bool take_output(Reader *r, const char *value) {
    if (r->options->output) return usage(r, "-o is given twice");
    if (!value[0]) return usage(r, "-o needs a file name");
    r->options->output = value;
    return true;
}

// The prefix begins every C name, and is itself the name of a struct, in C and in C++.
static bool check_prefix(Reader *r, const char *prefix) {
    if (!is_identifier(prefix))
        return usage(r, "`%s` cannot begin a C name; --prefix=NAME takes letters, digits and `_`", prefix);
    if (!strncmp(prefix, "dlc_", 4) || !strncmp(prefix, "DLC_", 4))
        return usage(r, "`%s` begins as dlc's own names do; give another --prefix=NAME", prefix);
    if (strlen(prefix) == 1 && strchr("frwxFRWX", *prefix))
        return usage(r,
                     "`%s` cannot be the prefix of C names: <unistd.h> has a macro `%c_OK`; give another --prefix=NAME",
                     prefix, toupper((unsigned char)*prefix));
    if (names_reserved(prefix) || !strcmp(prefix, "dlc") || !strcmp(prefix, "std"))
        return usage(r, "`%s` cannot be the prefix of C names; give another --prefix=NAME", prefix);
    return true;
}

static bool take_prefix(Reader *r, const char *value) {
    r->options->prefix = value;
    return check_prefix(r, value);
}

static bool take_define(Reader *r, const char *value) {
    const char *equals = strchr(value, '=');
    char *end;
    if (!equals || equals == value) return usage(r, "-D needs NAME=VALUE, got `%s`", value);
    const char *name = arena_strndup(r->arena, value, (size_t)(equals - value));
    errno = 0;
    long long number = strtoll(equals + 1, &end, 10);
    if (!equals[1] || *end || errno || isspace((unsigned char)equals[1]))
        return usage(r, "-D %s: `%s` is no 64-bit integer", name, equals + 1);
    if (!is_identifier(name)) return usage(r, "-D %s: `%s` is no name", value, name);
    vec_push(r->arena, &r->options->defines, (Define){name, number});
    return true;
}

static bool take_entry(Reader *r, const char *value) {
    for (const char *at = value;;) {
        const char *comma = strchr(at, ',');
        size_t len = comma ? (size_t)(comma - at) : strlen(at);
        if (!len) return usage(r, "--entry needs names, like --entry=forward,step");
        vec_push(r->arena, &r->options->entries, arena_strndup(r->arena, at, len));
        if (!comma) return true;
        at = comma + 1;
    }
}

static bool take_target(Reader *r, const char *value) {
    int count;
    if (!strcmp(value, "help")) {
        r->options->target_help = true;
        return true;
    }
    r->options->target = target_find(value);
    if (r->options->target) return true;
    const char *const *names = target_names(&count);
    const char *hint = suggest(r, value, names, count);
    return usage(r, "unknown target `%s`%s --target=help lists them", value, *hint ? hint : ";");
}

static bool take_threads(Reader *r, const char *value) {
    char *end;
    long threads = strtol(value, &end, 10);
    if (!isdigit((unsigned char)*value) || *end || threads < 1 || threads > 1024)
        return usage(r, "--threads takes 1 to 1024, got `%s`", value);
    r->options->threads = (int)threads;
    return true;
}

// "256K" -> 262144
static bool take_arena_max(Reader *r, const char *value) {
    static const char units[] = "KMG";
    char *end;
    errno = 0;
    long long size = isdigit((unsigned char)*value) ? strtoll(value, &end, 10) : -1;
    const char *unit = size >= 0 && *end ? strchr(units, *end) : NULL;
    int shift = unit ? 10 * (int)(unit - units + 1) : 0;
    if (size < 0 || errno || (*end && (!unit || end[1])) || size > INT64_MAX >> shift)
        return usage(r, "--arena-max takes bytes, like 65536, 256K, 16M or 1G, got `%s`", value);
    r->options->arena_max = (int64_t)size << shift;
    return true;
}

static bool take_level(Reader *r, const char *value) {
    if (strlen(value) != 1 || *value < '0' || *value > '3')
        return usage(r, "unknown level -O%s; there are -O0 and -O2", value);
    r->options->level = *value == '0' ? 0 : 2;
    return true;
}

static bool take_emit(Reader *r, const char *value) {
    static const char *const names[] = {"graph", "loops", "c", "dot", "backward"};
    for (int k = 0; k < 5; k++)
        if (!strcmp(value, names[k])) r->options->emit = (EmitKind)(EMIT_GRAPH + k);
    if (r->options->emit != EMIT_NONE) return true;
    return usage(r, "--emit takes graph, loops, c, dot or backward, got `%s`%s", value, suggest(r, value, names, 5));
}

static bool take_dump_after(Reader *r, const char *value) {
    VEC(const char *) names = {0};
    for (int k = 0; pipeline[k].name; k++) {
        if (!strcmp(pipeline[k].name, value)) r->options->dump_after = &pipeline[k];
        vec_push(r->arena, &names, pipeline[k].name);
    }
    if (r->options->dump_after) return true;
    Str list = str_new(r->arena);
    for (int k = 0; k < names.len; k++) str_printf(&list, "%s%s", k ? ", " : "", names.at[k]);
    const char *nearest = suggest(r, value, names.at, names.len);
    if (nearest[0]) return usage(r, "no pass is called `%s`%s", value, nearest);
    return usage(r, "no pass is called `%s`; they are %s", value, str_text(&list));
}

static bool take_weights(Reader *r, const char *value) {
    if (r->options->weights) return usage(r, "--weights is given twice");
    if (!value[0]) return usage(r, "--weights needs a file name");
    r->options->weights = value;
    return true;
}

static bool take_weights_strip(Reader *r, const char *value) {
    if (!value[0]) return usage(r, "--weights-strip needs a path, like module or *._orig_mod");
    r->options->weights_strip = value;
    return true;
}

static bool take_print_prelude(Reader *r, const char *value) {
    r->options->print_prelude = value;
    return true;
}

// ---- the table ----------------------------------------------------------------------------------------------------

static const OptionRow rows[] = {
    {"-o", "FILE", take_output, "write FILE (.c) and its header beside it", 0},
    {"--prefix", "NAME", take_prefix, "begin every C name with NAME (default: the file's stem)", 0},
    {"-D", "NAME=VALUE", take_define, "bind a dim; fixes a run-time size too", 0},
    {"--entry", "A,B", take_entry, "emit these entry points only", 0},
    {"--target", "NAME", take_target, "c11 (default, portable), native, ...; --target=help lists them", 0},
    {"--threads", "P", take_threads, "cut parallel loops into P chunks (default 8)", 0},
    {"-O", "N", take_level, "0: one naive loop nest per operator; 2 (default): everything; 1 and 3 mean 2", 0},
    {"--arena-max", "SIZE", take_arena_max,
     "what an entry's workspace may take (65536, 256K, 16M): choose an order and what is computed again", 0},
    {"--weights", "FILE", take_weights, "embed these weights (.safetensors) as constants, packed", 0},
    {"--weights-strip", "PATHS", take_weights_strip, "take these paths off its names: module, or *._orig_mod anywhere",
     0},
    {"--standalone", NULL, NULL, "put the runtime inside the C file", offsetof(Options, standalone)},
    {"--emit", "WHAT", take_emit,
     "print and stop: graph, loops, c, dot (for Graphviz) or backward (training as formulas)", 0},
    {"--dump-after", "PASS", take_dump_after, "print the graph after this pass", 0},
    {"--time-passes", NULL, NULL, "print how long each pass took", offsetof(Options, time_passes)},
    {"--verify", NULL, NULL, "interpret the graph before and after each pass and compare", offsetof(Options, verify)},
    {"--report", NULL, NULL, "print parameters, FLOPs, bytes, kernels and memory", offsetof(Options, report)},
    {"--validate", NULL, NULL, "have dlc-validate parse the emitted C; any diagnostic is an error",
     offsetof(Options, validate)},
    {"--print-prelude", "NAME", take_print_prelude, "print a standard layer, loss, optimizer or initialiser", 0},
    {"--help", NULL, NULL, "print this", offsetof(Options, help)},
    {"--version", NULL, NULL, "print the version", offsetof(Options, version)},
};
enum { ROWS = sizeof rows / sizeof *rows };

void options_help(FILE *out) {
    fputs("usage: dlc FILE.dl -o FILE.c [options]\n"
          "Compiles a neural network to C. FILE.graph, as printed by --emit=graph, is read as well.\n\n",
          out);
    for (int k = 0; k < ROWS; k++) {
        bool is_long = rows[k].name[1] == '-', joined = !strcmp(rows[k].name, "-O");
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", rows[k].name,
                 !rows[k].value ? ""
                 : is_long      ? "="
                 : joined       ? ""
                                : " ",
                 rows[k].value ? rows[k].value : "");
        fprintf(out, "  %-24s %s\n", left, rows[k].doc);
    }
}

static const OptionRow *find_row(const char *name, size_t len) {
    for (int k = 0; k < ROWS; k++)
        if (strlen(rows[k].name) == len && !strncmp(rows[k].name, name, len)) return &rows[k];
    return NULL;
}

// Reads one option. *next points to the words after it, of which `-o FILE` takes one. False: reported.
static bool read_option(Reader *r, const char *arg, char ***next) {
    bool is_long = arg[1] == '-';
    size_t len = is_long ? strcspn(arg, "=") : 2;
    const char *value = is_long ? (arg[len] ? arg + len + 1 : NULL) : arg[2] ? arg + 2 : NULL;
    const OptionRow *row = find_row(arg, len);
    if (!row) {
        const char *names[ROWS];
        for (int k = 0; k < ROWS; k++) names[k] = rows[k].name;
        const char *name = arena_strndup(r->arena, arg, is_long ? len : strlen(arg));
        return usage(r, "unknown option `%s`%s", name, suggest(r, name, names, ROWS));
    }
    bool follows = strcmp(row->name, "-O"); // the others' value may be the next word
    if (row->value && !value && follows && **next) value = *(*next)++;
    if (row->value && !value) return usage(r, "%s needs %s", row->name, row->value);
    if (row->value) return row->take(r, value);
    if (value) return usage(r, "%s takes no value", row->name);
    *(bool *)((char *)r->options + row->flag) = true;
    return true;
}

// ---- what follows from them ---------------------------------------------------------------------------------------

// "dir/my-net.c" -> "my-net"
static char *base_stem(Arena *arena, const char *path) {
    const char *base = path_base(path), *dot = strrchr(base, '.');
    return arena_strndup(arena, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

// "dir/my-net.c" -> "my_net"
static const char *stem(Arena *arena, const char *path) {
    char *name = base_stem(arena, path);
    for (char *at = name; *at; at++)
        if (*at == '-' || *at == '.' || *at == ' ') *at = '_';
    return name;
}

static bool check_output(Reader *r) {
    const Options *o = r->options;
    struct stat st;
    const char *name = o->output && path_ends(o->output, ".c") ? base_stem(r->arena, o->output) : o->prefix;
    if (o->output && file_is_device(o->output)) return true;
    if ((o->output || o->emit == EMIT_C) && names_header(name))
        return usage(r, "the header would be %s.h, and `#include <%s.h>` means another one; give another %s", name,
                     name, o->output ? "-o NAME.c" : "--prefix=NAME");
    if (!o->output || path_ends(o->output, ".c")) return true;
    // A directory is refused when the file is written. For any other name it is unclear where the header goes.
    if (stat(o->output, &st) == 0 && S_ISDIR(st.st_mode)) return true;
    return usage(r, "-o %s: the name must end in .c, and the header goes beside it", o->output);
}

static const char *options_text(Arena *arena, const Options *o) {
    Str s = str_new(arena);
    str_printf(&s, "-O%d --target=%s --threads=%d", o->level, o->target->name, o->threads);
    for (int k = 0; k < o->defines.len; k++)
        str_printf(&s, " -D %s=%lld", o->defines.at[k].name, o->defines.at[k].value);
    for (int k = 0; k < o->entries.len; k++) str_printf(&s, "%s%s", k ? "," : " --entry=", o->entries.at[k]);
    if (o->arena_max >= 0) str_printf(&s, " --arena-max=%lld", (long long)o->arena_max);
    if (o->standalone) str_put(&s, " --standalone");
    if (o->weights) {
        str_printf(&s, " --weights %s", path_base(o->weights));
        if (o->weights_strip) str_printf(&s, " --weights-strip=%s", o->weights_strip);
    }
    return str_text(&s);
}

bool options_read(Arena *arena, int argc, char **argv, FILE *err, Options *o) {
    Reader reader = {arena, err, o};
    Reader *r = &reader;
    *o = (Options){.target = target_find("c11"), .threads = 8, .level = 2, .arena_max = -1};
    char **next = argv + (argc > 0);
    while (*next) {
        const char *arg = *next++;
        if (arg[0] == '-' && arg[1]) {
            if (!read_option(r, arg, &next)) return false;
            continue;
        }
        if (o->input) return usage(r, "one input file at a time: `%s` and `%s`", o->input, arg);
        o->input = arg;
    }
    if (o->help || o->version || o->target_help || o->print_prelude) return true;
    if (!o->input) return usage(r, "no input file");
    bool asks = o->output || o->emit || o->report || o->dump_after || o->time_passes || o->verify;
    if (!asks)
        return usage(r, "nothing to do with %s: give -o FILE.c, --report or --emit=graph|loops|c|dot|backward",
                     o->input);
    if (o->output && o->emit) return usage(r, "--emit prints to the standard output: give it or -o, not both");
    if (o->weights_strip && !o->weights)
        return usage(r, "--weights-strip is about the names of a file: it needs --weights FILE");
    if (o->validate && !o->output) return usage(r, "--validate reads the C that was written: it needs -o FILE.c");
    if (o->dump_after && !pass_runs(o->dump_after, o->level))
        return usage(r, "the pass %s does not run at -O%d", o->dump_after->name, o->level);
    if (path_ends(o->input, ".graph") && (o->defines.len || o->entries.len))
        return usage(r, "-D and --entry are for .dl files: a .graph was elaborated already");
    if (!o->prefix) o->prefix = stem(arena, o->output ? o->output : o->input);
    o->text = options_text(arena, o);
    bool needs_prefix = o->output || o->emit == EMIT_C;
    return check_output(r) && (!needs_prefix || check_prefix(r, o->prefix));
}
