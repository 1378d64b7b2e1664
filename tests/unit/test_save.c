// test_save.c: saving beside other files, over links, on full and read-only disks: whatever happens, the old file is
// there as it was, and nothing is left beside it. What a crash does is in tests/app/resume.c.
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dlc.h"

static const struct dlc_slot slots[] = {{{"w", "f32", "param", 1, {4096}, 16384}, DLC_REGION_PARAM, 0}};
static const struct dlc_model model = {"toy", slots, 1, {16384, 0, 0, 0}, 64, NULL, NULL, NULL, 0, 0};

static char dir[100], joined[8][200];
static struct dlc_net *net;
static float w[4096];

static const char *in(int k, const char *name) {
    snprintf(joined[k], sizeof joined[k], "%s/%s", dir, name);
    return joined[k];
}

static void fill(float value) {
    for (int i = 0; i < 4096; i++) w[i] = value;
    cr_assert(!dlc_set(net, "w", w, sizeof w));
}

static void begin(void) {
    strcpy(dir, "/tmp/dlc_save_XXXXXX");
    cr_assert(mkdtemp(dir));
    net = dlc_new(&model, sizeof(struct dlc_net));
    cr_assert(net);
    fill(1);
}

static void end(void) {
    char command[200];
    snprintf(command, sizeof command, "rm -rf '%s'", dir);
    cr_assert(!system(command));
    dlc_free(net);
}

TestSuite(save, .init = begin, .fini = end);

static int files(void) {
    int count = 0;
    DIR *d = opendir(dir);
    cr_assert(d);
    for (struct dirent *entry; (entry = readdir(d));) count += entry->d_name[0] != '.';
    closedir(d);
    return count;
}

// The value of a whole file, or -1.
static float loaded(const char *path) {
    struct dlc_net *other = dlc_new(&model, sizeof(struct dlc_net));
    cr_assert(other);
    if (dlc_load(other, path) || dlc_get(other, "w", w, sizeof w)) w[0] = -1;
    for (int i = 1; i < 4096; i++)
        if (w[i] != w[0]) w[0] = -1;
    dlc_free(other);
    return w[0];
}

#define EXPECT_SAVE(path) cr_expect(dlc_save(net, path) == DLC_OK, "%s: %s", path, dlc_error(net))
#define EXPECT_ERROR(path, what)                                                                                       \
    cr_expect(dlc_save(net, path) == DLC_EIO && strstr(dlc_error(net), what), "got: %s", dlc_error(net))

Test(save, nowhere) {
    EXPECT_ERROR(in(0, "missing/x"), "cannot write ");
    EXPECT_ERROR(in(0, "missing/x"), "missing/x: No such file or directory");
    EXPECT_ERROR(dir, ": Is a directory");
    EXPECT_ERROR("/dev/full", "cannot write /dev/full: No space left on device");
    struct stat status;
    cr_expect(!stat("/dev/full", &status) && S_ISCHR(status.st_mode), "a device was replaced");
    cr_expect(files() == 0, "something is left behind");
}

Test(save, a_disk_that_is_full) {
    const char *path = in(0, "net");
    EXPECT_SAVE(path);
    struct rlimit limit, full;
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(!getrlimit(RLIMIT_FSIZE, &limit));
    full = limit;
    fill(2);
    static const rlim_t sizes[] = {0, 1, 400, 8192, 16384};
    for (int k = 0; k < 5; k++) {
        full.rlim_cur = sizes[k];
        cr_assert(!setrlimit(RLIMIT_FSIZE, &full));
        int status = dlc_save(net, path), fresh = dlc_save(net, in(1, "fresh"));
        cr_assert(!setrlimit(RLIMIT_FSIZE, &limit));
        cr_expect(status == DLC_EIO && fresh == DLC_EIO && strstr(dlc_error(net), "fresh: File too large"));
        cr_expect(files() == 1, "a half-written file is left");
        cr_expect(loaded(path) == 1, "the old file changed");
    }
    full.rlim_cur = 400;
    cr_assert(!setrlimit(RLIMIT_FSIZE, &full));
    int status = dlc_save(net, path);
    cr_assert(!setrlimit(RLIMIT_FSIZE, &limit));
    char want[300];
    snprintf(want, sizeof want, "cannot write %s: File too large; the old file is as it was", path);
    cr_expect(status == DLC_EIO);
    cr_expect_str_eq(dlc_error(net), want);
    EXPECT_SAVE(path);
    cr_expect(loaded(path) == 2, "the next save");
}

// Saving through links replaces what they lead to.
Test(save, links) {
    cr_assert(!mkdir(in(0, "disk"), 0777));
    EXPECT_SAVE(in(0, "disk/net"));
    cr_assert(!symlink("disk/net", in(1, "one")) && !symlink("one", in(2, "two")));
    cr_assert(!symlink(in(3, "disk/later"), in(4, "dangling")) && !symlink("loop", in(5, "loop")));
    fill(2);
    struct stat status;
    for (int k = 1; k <= 2; k++) {
        fill((float)k + 1);
        EXPECT_SAVE(joined[k]);
        cr_expect(!lstat(joined[k], &status) && S_ISLNK(status.st_mode), "%s is no link any more", joined[k]);
        cr_expect(loaded(joined[0]) == (float)k + 1, "its target is the old one");
    }
    EXPECT_SAVE(joined[4]);
    cr_expect(!lstat(joined[4], &status) && S_ISLNK(status.st_mode) && loaded(joined[3]) == 3, "a link to a new file");
    EXPECT_ERROR(joined[5], "loop: Too many levels of symbolic links");
    cr_expect(files() == 5, "something is left behind");
}

// What killed processes left is taken over; what is in use, or nobody's file, is left alone.
Test(save, files_of_others) {
    const char *path = in(0, "net"), *left = in(1, "net.0.tmp");
    FILE *f = fopen(left, "w");
    cr_assert(f);
    for (int i = 0; i < 100000; i++) putc('x', f); // longer than the file
    cr_assert(!fclose(f));
    EXPECT_SAVE(path);
    cr_expect(files() == 1 && loaded(path) == 1, "the leftover file stays");
    int fd = open(left, O_RDWR | O_CREAT, 0666);
    cr_assert(fd >= 0 && !flock(fd, LOCK_EX) && write(fd, "in use", 6) == 6);
    cr_assert(!mkdir(in(2, "net.1.tmp"), 0777) && !symlink("elsewhere", in(3, "net.2.tmp")) &&
              !mkfifo(in(4, "net.3.tmp"), 0666));
    fill(2);
    EXPECT_SAVE(path);
    struct stat status;
    cr_expect(loaded(path) == 2 && files() == 5, "saved beside the others");
    cr_expect(!fstat(fd, &status) && status.st_size == 6 && status.st_nlink == 1, "a file in use was touched");
    close(fd);
}

// Who may read the file stays so; a write-protected file or directory is no place.
Test(save, permissions) {
    if (!geteuid()) cr_assert(!chown(dir, 65534, 65534) && !setuid(65534)); // root may do anything
    const char *path = in(0, "net");
    EXPECT_SAVE(path);
    struct stat status;
    cr_assert(!chmod(path, 0600));
    fill(2);
    EXPECT_SAVE(path);
    cr_expect(!stat(path, &status) && (status.st_mode & 07777) == 0600, "its mode is %o", status.st_mode);
    cr_assert(!chmod(path, 0444));
    EXPECT_ERROR(path, "cannot write ");
    EXPECT_ERROR(path, "net: Permission denied");
    cr_assert(!chmod(path, 0644) && !chmod(dir, 0555));
    EXPECT_ERROR(path, "cannot make a new file beside ");
    EXPECT_ERROR(path, "net: Permission denied");
    EXPECT_ERROR(in(1, "new"), "new: Permission denied");
    cr_expect(files() == 1 && loaded(path) == 2, "the old file changed");
    cr_assert(!chmod(dir, 0777));
}

// What goes into memory is what goes into the file, to the byte; without room nothing is written.
Test(save, into_memory) {
    static const struct dlc_slot both[] = {{{"w", "f32", "param", 1, {4096}, 16384}, DLC_REGION_PARAM, 0},
                                           {{"optim.step.0.t", "i64", "optim", 0, {0}, 8}, DLC_REGION_OPTIM, 0}};
    static const struct dlc_model trains = {"toy", both, 2, {16384, 8, 0, 0}, 64, NULL, NULL, NULL, 0, 0};
    struct dlc_net *from = dlc_new(&trains, sizeof *from), *to = dlc_new(&trains, sizeof *to);
    const int64_t three = 3;
    cr_assert(from && to && !dlc_set(from, "w", w, sizeof w) && !dlc_set(from, "optim.step.0.t", &three, 8));
    for (int all = 0; all < 2; all++) {
        size_t (*save)(const struct dlc_net *, void *, size_t) = all ? dlc_save_memory : dlc_save_weights_memory;
        const char *path = in(0, "net");
        cr_assert(!(all ? dlc_save : dlc_save_weights)(from, path));
        size_t size = save(from, NULL, SIZE_MAX);
        unsigned char *bytes = malloc(size + 1), *file = malloc(size + 1);
        cr_assert(bytes && file);
        memset(bytes, 0x55, size + 1);
        cr_expect(save(from, bytes, size - 1) == size && bytes[0] == 0x55, "a byte short, but written");
        cr_expect(save(from, bytes, size) == size && bytes[size] == 0x55, "written past the end");
        FILE *f = fopen(path, "rb");
        cr_assert(f && fread(file, 1, size + 1, f) == size && !fclose(f));
        cr_expect(!memcmp(file, bytes, size), "the file has other bytes");
        cr_expect(!dlc_load_memory(to, bytes, size), "%s", dlc_error(to));
        int64_t t;
        cr_expect(!dlc_get(to, "optim.step.0.t", &t, 8) && t == (all ? 3 : 0));
        free(bytes), free(file);
    }
    cr_expect(dlc_save_memory(NULL, w, sizeof w) == 0 && dlc_save_weights_memory(NULL, NULL, 0) == 0);
    dlc_free(from), dlc_free(to);
}
