// resume.c: training that goes on from a checkpoint is the training that was never interrupted, to the bit, wherever it
// was cut; and a process that ends anywhere in a save, by kill -9 or at any call that the save makes, loses nothing:
// the file is the old one or the new one, whole.
//     resume FILE          FILE is written and read; linked with --wrap for the functions below
#define _DEFAULT_SOURCE // MAP_ANONYMOUS
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "resume.h"

static int passed, failed;
#define CHECK(what, ...)                                                                                               \
    do {                                                                                                               \
        if (what)                                                                                                      \
            passed++;                                                                                                  \
        else                                                                                                           \
            failed++, printf("FAILED resume: "), printf(__VA_ARGS__), printf("\n");                                    \
    } while (0)

static const char *path;
static uint32_t random_state = 1;
static uint32_t draw(void) { return (random_state = random_state * 1664525u + 1013904223u) >> 8; }

// ---- training: step s is always the same, with a batch of 1 to 8 --------------------------------------------------

static float step(struct resume *net, int s) {
    static float x[8 * 128];
    int32_t label[8];
    int n = 1 + s * 5 % 8;
    for (int i = 0; i < n * 128; i++) x[i] = (float)((s * 131 + i * 37) % 101) / 50 - 1;
    for (int i = 0; i < n; i++) label[i] = (s + i * 3) % 10;
    float loss = -1;
    return resume_step(net, n, x, label, &loss) ? -1 : loss;
}

// Of everything in the net.
static uint64_t hash_net(struct resume *net) {
    static uint64_t words[1 << 17];
    uint64_t h = 1469598103934665603u;
    for (int k = 0; k < resume_param_count(); k++) {
        const struct dlc_param *p = resume_param_info(k);
        words[p->bytes / 8] = 0;
        if (resume_get(net, p->name, words, p->bytes)) return 0;
        for (size_t i = 0; i < (p->bytes + 7) / 8; i++) h = (h ^ words[i]) * 1099511628211u, h ^= h >> 32;
    }
    return h;
}

static uint64_t hash_file(void) {
    struct resume *net = resume_new();
    uint64_t h = net && !resume_load(net, path) ? hash_net(net) : 0;
    if (!h) printf("%s\n", net ? resume_error(net) : "no memory");
    resume_free(net);
    return h;
}

static void cut_anywhere(void) {
    enum { STEPS = 12 };
    struct resume *straight = resume_new(), *first = resume_new(), *second = resume_new();
    float loss[STEPS];
    resume_seed(straight, 5), resume_seed(first, 5);
    for (int s = 0; s < STEPS; s++) loss[s] = step(straight, s);
    uint64_t want = hash_net(straight);
    for (int cut = 0; cut < STEPS; cut++) {
        CHECK(!resume_save(first, path), "%s", resume_error(first));
        step(first, cut);
        CHECK(!resume_load(second, path), "%s", resume_error(second)); // over what another training left in it
        for (int s = cut; s < STEPS; s++) {
            float now = step(second, s);
            CHECK(now == loss[s], "cut before step %d, the loss of step %d is %.9g, not %.9g", cut, s, (double)now,
                  (double)loss[s]);
        }
        CHECK(hash_net(second) == want, "cut before step %d, the net differs", cut);
    }
    resume_free(straight), resume_free(first), resume_free(second);
}

// ---- what a save calls: the process ends there, or the call fails -------------------------------------------------

enum { NOTHING, END, FAIL };
static int calls, at_call, then;
static char order[16]; // the calls but writing: "s" sync, "r" rename

static int call_ends(void) {
    if (++calls != at_call) return 0;
    if (then == END) _exit(9);
    return then == FAIL;
}

size_t __real_fwrite(const void *from, size_t size, size_t count, FILE *f);
size_t __wrap_fwrite(const void *from, size_t size, size_t count, FILE *f);
size_t __wrap_fwrite(const void *from, size_t size, size_t count, FILE *f) {
    call_ends();
    return __real_fwrite(from, size, count, f);
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int __wrap_fsync(int fd) {
    struct stat status;
    if (strlen(order) + 2 < sizeof order) strcat(order, !fstat(fd, &status) && S_ISDIR(status.st_mode) ? "d" : "s");
    if (call_ends()) return errno = EIO, -1;
    return __real_fsync(fd);
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to) {
    if (strlen(order) + 2 < sizeof order) strcat(order, "r");
    if (call_ends()) return errno = EIO, -1;
    return __real_rename(from, to);
}

static void every_call(void) {
    char left[300];
    snprintf(left, sizeof left, "%s.0.tmp", path);
    struct resume *net = resume_new();
    uint64_t before = hash_net(net), file;
    CHECK(!resume_save(net, path), "%s", resume_error(net));
    step(net, 0);
    uint64_t after = hash_net(net);
    calls = at_call = 0, *order = 0;
    CHECK(!resume_save(net, path), "%s", resume_error(net));
    int last = calls;
    CHECK(!strcmp(order, "srd"), "not synced, renamed, the directory synced: %s", order);
    CHECK(last > 300, "%d calls", last);
    resume_init(net, 1);
    CHECK(hash_net(net) == before && !resume_save(net, path), "%s", resume_error(net));
    step(net, 0);
    for (int call = 1; call <= last; call += call < last - 5 ? 37 : 1) {
        pid_t child = fork();
        if (!child) {
            calls = 0, at_call = call, then = END;
            resume_save(net, path);
            _exit(0);
        }
        int status;
        waitpid(child, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9, "call %d of %d did not come", call, last);
        file = hash_file();
        CHECK(file == (call < last ? before : after), "ended at call %d of %d: the file is not the %s one", call, last,
              call < last ? "old" : "new");
    }
    resume_init(net, 1);
    CHECK(!resume_save(net, path) && access(left, F_OK), "%s", resume_error(net));
    step(net, 0);
    for (int call = last - 2; call <= last; call++) {
        calls = 0, at_call = call, then = FAIL;
        int status = resume_save(net, path);
        at_call = 0;
        CHECK((status == 0) == (call == last), "call %d of %d failed, and the save gives %d", call, last, status);
        CHECK(!status || strstr(resume_error(net), "; the old file is as it was"), "%s", resume_error(net));
        CHECK(hash_file() == (status ? before : after), "call %d of %d failed: the file", call, last);
        CHECK(access(left, F_OK), "call %d of %d failed: %s is left", call, last, left);
    }
    resume_free(net);
}

// ---- kill -9 ------------------------------------------------------------------------------------------------------

enum { KILLS = 200, MOST = 4000 };
// What a killed process has told.
struct told {
    volatile int ready, saving, saved; // steps that are in the net which is being saved, that was saved last
    volatile uint64_t hash[MOST];      // of the net after so many steps
};

static void train_and_save(struct told *told, int from) {
    struct resume *net = resume_new();
    if (!net || resume_load(net, path)) _exit(1);
    told->ready = 1;
    for (int s = from; s + 1 < MOST; s++) {
        step(net, s);
        told->hash[s + 1] = hash_net(net);
        told->saving = s + 1;
        if (resume_save(net, path)) _exit(2);
        told->saved = s + 1;
    }
    _exit(3);
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void pause_for(double time) {
    for (double end = seconds() + time; seconds() < end;) nanosleep(&(struct timespec){0, 20000}, NULL);
}

// Kills at a random moment: of a save, or of anything. Returns how the child ended.
static int kill_somewhen(struct told *told, int from, double save, double all) {
    told->ready = 0;
    pid_t child = fork();
    if (!child) train_and_save(told, from);
    int status, in_save = draw() % 2, until = told->saved + 1;
    while (!told->ready || (in_save && told->saving < until)) {
        if (waitpid(child, &status, WNOHANG)) return status;
        pause_for(0);
    }
    pause_for((in_save ? save : all) * (double)draw() / (1 << 24));
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return status;
}

static void kills(void) {
    struct told *told = mmap(NULL, sizeof *told, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct resume *net = resume_new();
    int writing = 0, old = 0, fresh = 0, at = 0;
    char left[300];
    snprintf(left, sizeof left, "%s.0.tmp", path);
    double start = seconds();
    CHECK(told != MAP_FAILED && !resume_save(net, path), "%s", resume_error(net));
    double save = seconds() - start;
    told->hash[0] = hash_net(net);
    double all = seconds() - start + 2 * save;
    for (int k = 0; k < KILLS; k++) {
        told->saving = told->saved = at;
        int status = kill_somewhen(told, at, save, all);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "the training ended by itself: %d", status);
        writing += !access(left, F_OK);
        uint64_t file = hash_file();
        int is_old = file == told->hash[told->saved], is_new = file == told->hash[told->saving];
        CHECK(is_old || is_new, "kill %d: the file is neither that of step %d nor of step %d", k, told->saved,
              told->saving);
        old += is_old && !is_new, fresh += is_new && !is_old;
        at = is_new ? told->saving : told->saved;
    }
    printf("%d kills in %.1f s: %d while a file was written; of those in a save, %d left the old one, %d the new one\n",
           KILLS, seconds() - start, writing, old, fresh);
    CHECK(writing >= KILLS / 10, "only %d of %d kills came while a file was written", writing, KILLS);
    for (int s = 0; s < at; s++) step(net, s);
    CHECK(hash_net(net) == hash_file(), "%d steps with %d kills are not %d steps without", at, KILLS, at);
    CHECK(!resume_save(net, path) && access(left, F_OK), "what the last one left stays");
    resume_free(net);
    munmap(told, sizeof *told);
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    path = argv[1];
    setvbuf(stdout, NULL, _IOLBF, 0);
    cut_anywhere();
    every_call();
    kills();
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
