// test_driver.c: the command line: what it refuses and with which status, and outputs that are whole or not there.
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "driver.h"
#include "emit/emit.h"

typedef struct Run {
    int status;
    char *out, *err;
} Run;

// Runs dlc with the words of `line` after its name.
static Run run(const char *line) {
    Run r;
    size_t sizes[2];
    char *words = strdup(line), *argv[16] = {"dlc"};
    int argc = 1;
    for (char *at = strtok(words, " "); at; at = strtok(NULL, " ")) argv[argc++] = at;
    FILE *out = open_memstream(&r.out, &sizes[0]), *err = open_memstream(&r.err, &sizes[1]);
    r.status = dlc_main(argc, argv, out, err);
    fclose(out);
    fclose(err);
    free(words);
    return r;
}

static void release(Run *r) {
    free(r->out);
    free(r->err);
}

static char folder[] = "/tmp/dlc-test-XXXXXX";

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    fputs(text, f);
    fclose(f);
}

static char *read_file(const char *path) {
    FILE *f = fopen(path, "r");
    if (!f) return NULL;
    char *text = calloc(1, 1 << 20);
    if (fread(text, 1, (1 << 20) - 1, f) == 0) text[0] = 0;
    fclose(f);
    return text;
}

static void enter_folder(void) {
    cr_assert(mkdtemp(folder) && chdir(folder) == 0);
    write_file("net.dl", "dim N <= 4\nmodel f(x: f32[N, 3]) -> (y: f32[N, 2]) { return linear(x, 2) }\n");
    write_file("bad.dl", "model f(x: f32[3]) -> (y: f32[3]) { return y }\n");
}

static void leave_folder(void) {
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    cr_expect(chdir("/") == 0 && system(command) == 0);
}

TestSuite(driver, .init = enter_folder, .fini = leave_folder);

static const struct {
    const char *line;
    int status;
    const char *message; // in what goes to err
} refusals[] = {
    {"", 2, "no input file"},
    {"net.dl", 2, "nothing to do with net.dl"},
    {"net.dl bad.dl --report", 2, "one input file at a time"},
    {"net.dl --emti=graph", 2, "unknown option `--emti`; did you mean `--emit`?"},
    {"net.dl --emit=grahp", 2, "got `grahp`; did you mean `graph`?"},
    {"net.dl --weights w.safetensors", 2, "nothing to do with net.dl"},
    {"net.dl --weights", 2, "--weights needs FILE"},
    {"net.dl --weights a --weights b -o a.c", 2, "--weights is given twice"},
    {"net.dl --weights missing.safetensors -o a.c", 1, "--weights: cannot open missing.safetensors: No such file"},
    {"net.dl --weights net.dl -o a.c", 1, "--weights: net.dl: not a .safetensors file"},
    {"net.dl --arena-max=3Q -o a.c", 2, "--arena-max takes bytes, like 65536, 256K, 16M or 1G, got `3Q`"},
    {"net.dl --arena-max= -o a.c", 2, "--arena-max takes bytes, like 65536, 256K, 16M or 1G, got ``"},
    {"net.dl --arena-max=-3K -o a.c", 2, "1G, got `-3K`"},
    {"net.dl --arena-max=1.5M -o a.c", 2, "1G, got `1.5M`"},
    {"net.dl --arena-max=3KK -o a.c", 2, "1G, got `3KK`"},
    {"net.dl --arena-max=9223372036854775808 -o a.c", 2, "1G, got `9223372036854775808`"},
    {"net.dl --arena-max=9007199254740992K -o a.c", 2, "1G, got `9007199254740992K`"},
    {"net.dl --validate --report", 2, "--validate reads the C that was written: it needs -o"},
    {"net.dl --target=natve -o a.c", 2, "unknown target `natve`; did you mean `native`?"},
    {"net.dl --dump-after=fus", 2, "no pass is called `fus`; did you mean `fuse`?"},
    {"net.dl --dump-after=separate", 2, "the pass separate does not run at -O2"},
    {"net.dl --threads=0 -o a.c", 2, "--threads takes 1 to 1024"},
    {"net.dl -O7 -o a.c", 2, "unknown level -O7"},
    {"net.dl -D N", 2, "-D needs NAME=VALUE"},
    {"net.dl -D N=4x -o a.c", 2, "`4x` is no 64-bit integer"},
    {"net.dl -o", 2, "-o needs FILE"},
    {"net.dl -o a.c -o b.c", 2, "-o is given twice"},
    {"net.dl -o a.c --emit=c", 2, "give it or -o"},
    {"net.dl -o a", 2, "the name must end in .c"},
    {"net.dl -o 9a.c", 2, "cannot begin a C name"},
    {"net.dl -o math.c", 2, "the header would be math.h, and `#include <math.h>` means another one; give another -o"},
    {"net.dl -o String.c --prefix=net", 2, "the header would be String.h"},
    {"net.dl -o dlc.c --prefix=net", 2, "the header would be dlc.h"},
    {"net.dl --emit=c --prefix=omp", 2, "give another --prefix=NAME"},
    {"net.dl -o a.c --prefix=w", 2, "has a macro `W_OK`"},
    {"net.dl -o a.c --prefix=int", 2, "cannot be the prefix"},
    {"net.dl -o a.c --prefix=xor", 2, "cannot be the prefix"},
    {"net.dl -o a.c --prefix=NULL", 2, "cannot be the prefix"},
    {"net.dl -o a.c --prefix=std", 2, "cannot be the prefix"},
    {"net.dl -o a.c --prefix=dlc_net", 2, "begins as dlc's own names do"},
    {"net.dl -o a.c --prefix=", 2, "cannot begin a C name"},
    {"net.dl -o a.c --prefix=a-b", 2, "cannot begin a C name"},
    {"--print-prelude sofmax", 2, "the prelude has no `sofmax`; did you mean `softmax`?"},
    {"missing.dl --report", 1, "cannot read missing.dl: No such file"},
    {". --report", 1, "cannot read .: it is a directory"},
    {"bad.dl -o a.c", 1, "bad.dl:1:44: error: unknown name `y`"},
    {"net.dl -D M=3 -o a.c", 1, "-D M=3: net.dl has no dim `M`"},
    {"net.dl -D N=0 -o a.c", 1, "a size is at least 1"},
    {"net.dl --entry=g -o a.c", 1, "--entry=g: net.dl has no entry `g`"},
    {"net.dl -o missing/a.c", 1, "cannot write missing/a.c: No such file"},
    {"net.dl -o .", 1, "cannot write .: it is a directory"},
    {"net.dl -o /dev/full", 1, "cannot write /dev/full: No space left"},
};

Test(driver, refusals_have_a_status_and_a_reason) {
    for (size_t k = 0; k < sizeof refusals / sizeof *refusals; k++) {
        Run r = run(refusals[k].line);
        cr_expect(r.status == refusals[k].status, "dlc %s: exit %d, want %d", refusals[k].line, r.status,
                  refusals[k].status);
        cr_expect(strstr(r.err, refusals[k].message) != NULL, "dlc %s: want %s, got %s", refusals[k].line,
                  refusals[k].message, r.err);
        cr_expect(r.out[0] == 0, "dlc %s printed %s", refusals[k].line, r.out);
        release(&r);
    }
    // Nothing was left behind by any of them.
    int files = 0;
    DIR *dir = opendir(".");
    for (struct dirent *e; (e = readdir(dir)) != NULL;) files += e->d_name[0] != '.';
    closedir(dir);
    cr_expect(files == 2, "%d files, want net.dl and bad.dl", files);
}

Test(driver, source_and_header_are_written_together) {
    Run r = run("net.dl -o net.c");
    cr_expect(r.status == 0 && !r.out[0] && !r.err[0], "%s%s", r.out, r.err);
    char *source = read_file("net.c"), *header = read_file("net.h");
    cr_assert(source && header);
    cr_expect(strstr(source, "#include \"net.h\"") && strstr(header, "net_f("));
    release(&r);

    // A directory in the header's place: the old source stays as it was.
    cr_assert(unlink("net.h") == 0 && mkdir("net.h", 0777) == 0);
    write_file("net.c", "old");
    r = run("net.dl -o net.c");
    char *after = read_file("net.c");
    cr_expect(r.status == 1 && strstr(r.err, "cannot write net.h: it is a directory"), "%s", r.err);
    cr_expect(!strcmp(after, "old"), "net.c was written without net.h");
    release(&r);
    free(source), free(header), free(after);
}

Test(driver, same_input_and_options_give_the_same_bytes) {
    Run a = run("net.dl --emit=c"), b = run("net.dl --emit=c"), other = run("net.dl --emit=c -D N=2");
    cr_expect(a.status == 0 && !strcmp(a.out, b.out));
    cr_expect(strcmp(a.out, other.out) != 0);
    release(&a), release(&b), release(&other);
}

Test(driver, a_printed_graph_is_an_input) {
    Run graph = run("net.dl --emit=graph");
    write_file("net.graph", graph.out);
    Run direct = run("net.dl --emit=loops"), again = run("net.graph --emit=loops");
    cr_expect(direct.status == 0 && direct.out[0], "%s", direct.err);
    cr_expect(again.status == 0, "%s", again.err);
    release(&graph), release(&direct), release(&again);
}

// Cuts the comments off: they say where nodes come from, and which group they are in.
static void cut_comments(char *text) {
    char *to = text;
    for (const char *at = text; *at;) {
        const char *comment = strncmp(at, "\n  # ", 5) ? strncmp(at, "  # ", 4) ? NULL : at : at + 1;
        if (comment)
            at = comment + strcspn(comment, "\n");
        else
            *to++ = *at++;
    }
    *to = 0;
}

Test(driver, a_dump_is_an_input) {
    write_file("net.dl", "dim N <= 4\nmodel f(x: f32[N, 3]) -> (y: f32[N, 2]) { return linear(x, 2) }\n"
                         "train g(x: f32[N, 3]) {\n minimize mean(linear(x, 2)) with sgd(momentum=0.9)\n}\n");
    static const char *const passes[] = {"fold", "simplify", "dedupe", "fuse"};
    for (int k = 0; k < 4; k++) {
        char line[64];
        snprintf(line, sizeof line, "net.dl --dump-after=%s", passes[k]);
        Run dump = run(line);
        write_file("dump.graph", dump.out);
        Run again = run("dump.graph --emit=graph");
        cut_comments(dump.out), cut_comments(again.out);
        cr_expect(dump.status == 0 && again.status == 0, "%s: %s%s", passes[k], dump.err, again.err);
        cr_expect(strstr(dump.out, "size N <= 4") && !strcmp(dump.out, again.out), "after %s: %s", passes[k],
                  again.out);
        release(&dump), release(&again);
    }
}

Test(driver, questions_are_answered) {
    static const struct {
        const char *line, *answer;
    } questions[] = {
        {"--help", "usage: dlc FILE.dl -o FILE.c"},
        {"--version", "dlc " DLC_VERSION "\n"},
        {"--target=help", "  c11        portable ISO C"},
        {"--print-prelude linear", "layer linear(x: T[...B, I], out_features: int"},
        {"--print-prelude=sgd", "optimizer sgd("},
        {"net.dl --report", "model f: c11, -O2"},
        {"net.dl --time-passes", "fuse"},
        {"net.dl --dump-after=dedupe", "model f("},
        {"net.dl --emit=c -O0", "net_f("},
    };
    for (size_t k = 0; k < sizeof questions / sizeof *questions; k++) {
        Run r = run(questions[k].line);
        cr_expect(r.status == 0 && strstr(r.out, questions[k].answer), "dlc %s: %d: %s%s", questions[k].line, r.status,
                  r.err, r.out);
        release(&r);
    }
}
