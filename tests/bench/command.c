// command.c: CPU time of a command, user and system, in milliseconds: the median of some runs. -m adds its peak memory
// in MB.
//     command [-m] RUNS PROGRAM ARGUMENTS...
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "peak.h"

static double children_seconds(void) {
    struct rusage use;
    getrusage(RUSAGE_CHILDREN, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           1e-6 * (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
    enum { MOST = 99 };
    double seconds[MOST];
    bool memory = argc > 1 && !strcmp(argv[1], "-m");
    if (memory) argc--, argv++;
    int runs = argc > 2 ? atoi(argv[1]) : 0;
    if (runs < 1 || runs > MOST) return fprintf(stderr, "usage: command RUNS PROGRAM ARGUMENTS...\n"), 2;
    for (int run = 0; run < runs; run++) {
        double start = children_seconds();
        pid_t child = fork();
        if (child == 0) {
            execvp(argv[2], argv + 2);
            _exit(127);
        }
        int status;
        if (child < 0 || waitpid(child, &status, 0) < 0 || status)
            return fprintf(stderr, "command: %s failed\n", argv[2]), 1;
        seconds[run] = children_seconds() - start;
    }
    printf("%.0f", 1e3 * bench_median(seconds, runs));
    struct rusage use;
    getrusage(RUSAGE_CHILDREN, &use);
    if (memory) printf(" %.0f", (double)use.ru_maxrss / 1024);
    printf("\n");
    return 0;
}
