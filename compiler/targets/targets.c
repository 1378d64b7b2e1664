// targets.c: one row per target. What a schedule may ask of a machine stands here; nothing else knows machine names.
//
// Vectors are exactly as wide as the registers (64-byte comparisons on a 32-byte machine become scalar code with gcc).
// -fno-math-errno lets sqrt be one instruction; -ffast-math is never used, it destroys the polynomial exp and tanh.
// -ffp-contract stays at the default of gnu11, so that `acc += a * s;` becomes one fused multiply-add.
#include "targets/targets.h"

#include <string.h>

enum {
    KIB = 1024,
    CHUNK_WORK = 100000 // takes one core about ten microseconds, and starting threads takes one
};

static const Target targets[] = {
    {
        .name = "c11",
        .doc = "portable ISO C, no extensions; the compiler may vectorise what it can",
        .vector_bytes = 0,
        .loop_lanes = 16, // and 6 rows: fast with gcc and clang from -O2 on, where 32 lanes or 8 rows are not always
        .registers = 10,
        .l1_bytes = 32 * KIB,
        .l2_bytes = 256 * KIB,
        .chunk_work = CHUNK_WORK,
        .flags = "-std=c11 -O3",
    },
    {
        .name = "x86-64-v2",
        .doc = "SSE4.2: vectors of 4 floats",
        .vector_bytes = 16,
        .registers = 16,
        .l1_bytes = 32 * KIB,
        .l2_bytes = 256 * KIB,
        .chunk_work = CHUNK_WORK,
        .macro = "__SSE4_2__",
        .flags = "-std=gnu11 -O3 -march=x86-64-v2 -fno-math-errno",
    },
    {
        .name = "x86-64-v3",
        .doc = "AVX2 with FMA: vectors of 8 floats",
        .vector_bytes = 32,
        .registers = 16,
        .l1_bytes = 32 * KIB,
        .l2_bytes = 512 * KIB,
        .chunk_work = CHUNK_WORK,
        .macro = "__AVX2__",
        .flags = "-std=gnu11 -O3 -march=x86-64-v3 -fno-math-errno",
    },
    {
        .name = "x86-64-v4",
        .doc = "AVX-512: vectors of 16 floats",
        .vector_bytes = 64,
        .registers = 32,
        .l1_bytes = 32 * KIB,
        .l2_bytes = 1024 * KIB,
        .chunk_work = CHUNK_WORK,
        .macro = "__AVX512VL__",
        .flags = "-std=gnu11 -O3 -march=x86-64-v4 -fno-math-errno",
    },
    {
        .name = "armv8-a",
        .doc = "64-bit Arm with NEON: vectors of 4 floats",
        .vector_bytes = 16,
        .registers = 32,
        .l1_bytes = 32 * KIB,
        .l2_bytes = 512 * KIB,
        .chunk_work = CHUNK_WORK,
        .macro = "__aarch64__", // __ARM_NEON would let 32-bit Arm in, whose vectors flush small numbers to 0
        .flags = "-std=gnu11 -O3 -march=armv8-a -fno-math-errno",
    },
};

enum { TARGETS = sizeof targets / sizeof targets[0] };

// The rows that this machine can run, best first. clang 14 knows the levels' features only one by one.
static const char *native_name(void) {
#if defined __x86_64__ && defined __GNUC__
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return "x86-64-v4";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2"))
        return "x86-64-v3";
    if (__builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("popcnt")) return "x86-64-v2";
    return "c11";
#elif defined __aarch64__
    return "armv8-a";
#else
    return "c11";
#endif
}

const Target *target_find(const char *name) {
    if (!strcmp(name, "native")) name = native_name();
    for (int i = 0; i < TARGETS; i++)
        if (!strcmp(targets[i].name, name)) return &targets[i];
    return NULL;
}

void target_help(FILE *out) {
    fprintf(out, "  %-10s %s\n", "native", "whichever of these this machine runs best");
    for (int i = 0; i < TARGETS; i++) fprintf(out, "  %-10s %s\n", targets[i].name, targets[i].doc);
}

const char *const *target_names(int *count) {
    static const char *const names[] = {"c11", "native", "x86-64-v2", "x86-64-v3", "x86-64-v4", "armv8-a"};
    _Static_assert(sizeof names / sizeof names[0] == TARGETS + 1, "every row has a name, and native");
    *count = TARGETS + 1;
    return names;
}
