// peak.h: what the machine can do, measured beside what is compared with it.
#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

double bench_seconds(void);                     // a monotonic clock
double bench_cpu_seconds(void);                 // of this process: what others run on the same cores does not count
double bench_fma_peak(void);                    // GFLOP/s of independent fused multiply-adds on one thread
double bench_read_peak(void);                   // GB/s of reading 256 MB in order on one thread
double bench_median(double *values, int count); // sorts `values`

#endif
