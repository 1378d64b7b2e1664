// rename.c: saving where rename is what C alone promises: not over another file, or not at all.
//     rename FILE          FILE, which is not there, is written and read; compiled with -U__unix__
#include <errno.h>
#include <stdio.h>

static int first, last, calls; // calls of rename that fail, from 1; those over a file fail always, and do not count

static int fake_rename(const char *from, const char *to);
#define rename fake_rename
#include "bare.c"

#undef rename
static int fake_rename(const char *from, const char *to) {
    FILE *there = fopen(to, "rb");
    if (there) fclose(there);
    if (!there) calls++;
    if (!there && (calls < first || calls > last)) return rename(from, to);
    errno = there ? EEXIST : EACCES;
    return -1;
}

static int passed, failed;
static void check(int good, const char *what) {
    good ? passed++ : failed++;
    if (!good) printf("FAILED rename: %s\n", what);
}

static int is_there(const char *path, const char *suffix) {
    char name[200];
    snprintf(name, sizeof name, "%s%s", path, suffix);
    FILE *file = fopen(name, "rb");
    if (file) fclose(file);
    return file != NULL;
}

int main(int argc, char **argv) {
    struct bare *net = bare_new();
    if (argc != 2 || !net) return 3;
    const char *path = argv[1];
    check(!bare_save(net, path) && !bare_load(net, path), "a new file");
    check(!bare_save(net, path) && !bare_load(net, path), "in place of an old one");
    check(!is_there(path, ".tmp") && !is_there(path, ".old"), "nothing is left beside it");
    // The old file steps aside (1), the new one takes its name (2), or else the old one comes back (3).
    static const int fails[][2] = {{1, 1}, {2, 2}, {2, 3}};
    for (int k = 0; k < 3; k++) {
        first = fails[k][0], last = fails[k][1], calls = 0;
        check(bare_save(net, path) == BARE_EIO && strstr(bare_error(net), strerror(EACCES)), "it cannot be written");
        check(!is_there(path, ".tmp"), "the new file is gone");
        first = last = 0;
        check(k < 2 ? !bare_load(net, path) && !is_there(path, ".old") : is_there(path, ".old"), "the old one is not");
    }
    // Now the old file is there as .old alone: it stays until a new one is there.
    first = 1, last = 1, calls = 0;
    check(bare_save(net, path) == BARE_EIO && is_there(path, ".old"), "the last good file outlives a save that fails");
    first = last = 0;
    check(!bare_save(net, path) && !bare_load(net, path), "and the next one");
    bare_free(net);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
