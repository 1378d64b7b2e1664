// test_load.c: what PyTorch's strict loading takes, loads: other dtypes, batch norm's counts, tied weights, wrappers'
// names; headers as the safetensors library takes and refuses them; streams that do not end.
// tests/oracle/safetensors_check.py wrote the files of tests/golden/safetensors.
#include <criterion/criterion.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dlc.h"

#define GOLDEN "tests/golden/safetensors/"

// Two tensors of one shape, a norm's count, whole numbers and a mask.
static const struct dlc_slot slots[] = {
    {{"lm_head.weight", "f32", "param", 2, {3, 4}, 48}, DLC_REGION_PARAM, 0},
    {{"transformer.wte.weight", "f32", "param", 2, {3, 4}, 48}, DLC_REGION_PARAM, 64},
    {{"bn.num_batches_tracked", "i64", "buffer", 0, {0}, 8}, DLC_REGION_PARAM, 128},
    {{"x", "f32", "param", 1, {8}, 32}, DLC_REGION_PARAM, 192},
    {{"n", "i64", "buffer", 1, {8}, 64}, DLC_REGION_PARAM, 256},
    {{"k", "i32", "buffer", 1, {8}, 32}, DLC_REGION_PARAM, 320},
    {{"u", "u8", "buffer", 1, {8}, 8}, DLC_REGION_PARAM, 384},
    {{"b", "bool", "buffer", 1, {8}, 8}, DLC_REGION_PARAM, 448},
    {{"layers.0.w", "f32", "param", 1, {1}, 4}, DLC_REGION_PARAM, 512},
    {{"layers.1.w", "f32", "param", 1, {1}, 4}, DLC_REGION_PARAM, 576},
};
static struct dlc_slot some[10];
static struct dlc_model model;

// A net with the slots from `first` to before `end`, all bytes 0x55.
static struct dlc_net *net_of(int first, int end) {
    memcpy(some, slots + first, sizeof *some * (size_t)(end - first));
    model = (struct dlc_model){"toy", some, end - first, {640, 0, 0, 0}, 64, NULL, NULL, NULL, 0, 0};
    struct dlc_net *net = dlc_new(&model, sizeof *net);
    cr_assert(net);
    memset(net->region[DLC_REGION_PARAM], 0x55, 640);
    return net;
}

static unsigned char file[1 << 17];
static size_t file_bytes;

static void file_of(const char *header, size_t header_bytes, const void *data, size_t bytes) {
    for (int i = 0; i < 8; i++) file[i] = (unsigned char)((uint64_t)header_bytes >> 8 * i);
    memcpy(file + 8, header, header_bytes);
    if (data)
        memcpy(file + 8 + header_bytes, data, bytes);
    else
        memset(file + 8 + header_bytes, 0, bytes);
    file_bytes = 8 + header_bytes + bytes;
}

static void tensor_of(const char *name, const char *dtype, const char *shape, const void *data, size_t bytes) {
    char header[300];
    int len = snprintf(header, sizeof header, "{\"%s\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[0,%zu]}}", name,
                       dtype, shape, bytes);
    file_of(header, (size_t)len, data, bytes);
}

static char path[100];

// Writes the file and gives its path; remove(path) at the end.
static const char *written(void) {
    snprintf(path, sizeof path, "/tmp/dlc_load_%d.safetensors", (int)getpid()); // tests run at once
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(file, 1, file_bytes, f) == file_bytes && !fclose(f));
    return path;
}

// ---- the header ---------------------------------------------------------------------------------------------------

// Each row says whether the library takes the header: 900 of them, most of them damaged.
Test(load, headers_as_the_library_takes_them) {
    static char line[1 << 14], header[1 << 14];
    FILE *rows = fopen(GOLDEN "headers.txt", "r");
    int takes = 0, refuses = 0;
    cr_assert(rows);
    while (fgets(line, sizeof line, rows)) {
        char verdict[10];
        int size, at, used = 0;
        size_t len = 0;
        cr_assert(sscanf(line, "%9s %d%n", verdict, &size, &used) == 2 && used > 0 && line[strlen(line) - 1] == '\n');
        for (at = used + 1; line[at] != '\n'; len++) {
            unsigned code = (unsigned char)line[at++];
            if (code == '%' && sscanf(line + at, "%2x", &code) == 1) at += 2;
            header[len] = (char)code;
        }
        file_of(header, len, NULL, (size_t)size);
        unsigned char *exact = malloc(file_bytes); // so that AddressSanitizer sees every byte beyond
        cr_assert(exact);
        memcpy(exact, file, file_bytes);
        struct dlc_net *net = net_of(0, 1);
        bool taken = dlc_load_memory(net, exact, file_bytes) != DLC_EFORMAT;
        cr_expect(taken == !strcmp(verdict, "takes"), "the library %s, we say \"%s\": %s", verdict, dlc_error(net),
                  line);
        taken ? takes++ : refuses++;
        dlc_free(net);
        free(exact);
    }
    fclose(rows);
    cr_expect(takes > 100 && refuses > 500, "%d taken, %d refused", takes, refuses);
}

// ---- dtypes -------------------------------------------------------------------------------------------------------

// What copy_ of PyTorch makes of numbers in each dtype.
Test(load, numbers_become_the_models_dtype) {
    static const struct {
        const char *dtype;
        size_t bytes;
        uint64_t bits;
        double want;
    } rows[] = {
        {"F64", 8, 0xc004000000000000, -2.5},
        {"F32", 4, 0x40200000, 2.5},
        {"F16", 2, 0xc100, -2.5},
        {"BF16", 2, 0x4020, 2.5},
        {"F8_E5M2", 1, 0xc1, -2.5},
        {"F8_E5M2", 1, 0x01, 0x1p-16},
        {"F8_E5M2", 1, 0x7b, 57344},
        {"F8_E5M2", 1, 0x7c, INFINITY},
        {"F8_E5M2", 1, 0xfc, -INFINITY},
        {"F8_E5M2", 1, 0x7e, NAN},
        {"F8_E4M3", 1, 0x42, 2.5},
        {"F8_E4M3", 1, 0x81, -0x1p-9},
        {"F8_E4M3", 1, 0x7e, 448},
        {"F8_E4M3", 1, 0x7f, NAN},
        {"F8_E4M3", 1, 0xff, NAN},
        {"F8_E4M3FNUZ", 1, 0x4a, 2.5},
        {"F8_E4M3FNUZ", 1, 0x7f, 240},
        {"F8_E4M3FNUZ", 1, 0x80, NAN},
        {"F8_E4M3FNUZ", 1, 0x01, 0x1p-10},
        {"F8_E5M2FNUZ", 1, 0x45, 2.5},
        {"F8_E5M2FNUZ", 1, 0x7f, 57344},
        {"F8_E5M2FNUZ", 1, 0x80, NAN},
        {"I64", 8, (uint64_t)-7, -7},
        {"I64", 8, 0x7fffffffffffffff, 0x1p63},
        {"I64", 8, 0x8000000000000000, -0x1p63},
        {"U64", 8, 0xffffffffffffffff, 0x1p64},
        {"I32", 4, 0xfffffff9, -7},
        {"U32", 4, 0xfffffff9, 4294967289},
        {"I16", 2, 0xfff9, -7},
        {"U16", 2, 0xfff9, 65529},
        {"I8", 1, 0xf9, -7},
        {"U8", 1, 0xf9, 249},
        {"BOOL", 1, 1, 1},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        unsigned char data[64] = {0};
        for (size_t i = 0; i < 8; i++)
            for (size_t b = 0; b < rows[r].bytes; b++)
                data[i * rows[r].bytes + b] = (unsigned char)(rows[r].bits >> 8 * b);
        const double want = rows[r].want;
        for (int slot = 3; slot < 8; slot++) {
            struct dlc_net *net = net_of(slot, slot + 1);
            tensor_of(some[0].info.name, rows[r].dtype, "[8]", data, 8 * rows[r].bytes);
            cr_assert(!dlc_load_memory(net, file, file_bytes), "%s: %s", rows[r].dtype, dlc_error(net));
            float x[8];
            int64_t n[8];
            int32_t k[8];
            uint8_t u[8];
            void *const to[] = {x, n, k, u, u};
            cr_assert(!dlc_get(net, some[0].info.name, to[slot - 3], some[0].info.bytes));
            bool right = slot == 3   ? isnan(want) ? isnan(x[7]) : x[7] == (float)want
                         : slot == 7 ? u[7] == (want != 0)
                         : isnan(want) || (fabs(want) > 2147483647 && slot != 4) || fabs(want) > 9e18 ? true
                         : slot == 4              ? n[7] == (int64_t)want
                         : slot == 5              ? k[7] == (int32_t)want
                         : want < 0 || want > 255 ? true
                                                  : u[7] == (uint8_t)want;
            cr_expect(right, "%s %llx as %s", rows[r].dtype, (unsigned long long)rows[r].bits, some[0].info.dtype);
            if (slot == 4 && isnan(want)) cr_expect(n[7] == 0, "NaN as a whole number");
            if (slot == 4 && want == INFINITY) cr_expect(n[7] == INT64_MAX, "infinity as a whole number");
            if (slot == 6 && want == -2.5) cr_expect(u[7] == 0, "-2.5 as u8");
            dlc_free(net);
        }
    }
    struct dlc_net *net = net_of(3, 4);
    tensor_of("x", "F8_E8M0", "[8]", NULL, 8);
    cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(net), "the data does not fit toy:\n  x is F8_E8M0[8] in the file, f32[8] in the model");
    dlc_free(net);
}

// Batch norm's count: missing, in any dtype, in the shape [1] of old files, and where the model has none.
Test(load, num_batches_tracked) {
    static const struct {
        const char *dtype, *shape;
        size_t bytes;
        uint64_t bits;
    } rows[] = {
        {"I64", "[]", 8, 7},  {"I32", "[]", 4, 7},       {"F32", "[]", 4, 0x40e00000},  {"F16", "[]", 2, 0x4700},
        {"I64", "[1]", 8, 7}, {"F16", "[1]", 2, 0x4700}, {"F32", "[1]", 4, 0x40e00000},
    };
    int64_t got;
    struct dlc_net *net;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        unsigned char data[8];
        for (size_t b = 0; b < 8; b++) data[b] = (unsigned char)(rows[r].bits >> 8 * b);
        tensor_of("bn.num_batches_tracked", rows[r].dtype, rows[r].shape, data, rows[r].bytes);
        net = net_of(2, 3);
        cr_expect(!dlc_load_memory(net, file, file_bytes) && !dlc_get(net, "bn.num_batches_tracked", &got, 8),
                  "%s%s: %s", rows[r].dtype, rows[r].shape, dlc_error(net));
        cr_expect(got == 7, "%s%s: %lld", rows[r].dtype, rows[r].shape, (long long)got);
        dlc_free(net);
        net = net_of(0, 0);
        cr_expect(!dlc_load_memory(net, file, file_bytes), "a model without it: %s", dlc_error(net));
        dlc_free(net);
    }
    net = net_of(2, 3);
    file_of("{}", 2, NULL, 0);
    cr_expect(!dlc_load_memory(net, file, file_bytes) && !dlc_get(net, "bn.num_batches_tracked", &got, 8) && got == 0);
    tensor_of("bn.num_batches_tracked", "I64", "[2]", NULL, 16);
    cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EMISMATCH && strstr(dlc_error(net), "I64[2] in the file"));
    tensor_of("bn.num_batches_tracked", "I64", "[1,1]", NULL, 8); // PyTorch refuses it, too
    cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EMISMATCH &&
              strstr(dlc_error(net), "I64[1, 1] in the file"));
    dlc_free(net);
}

// ---- names --------------------------------------------------------------------------------------------------------

// save_model keeps lm_head.weight and says that it is transformer.wte.weight, too.
Test(load, tied_weights) {
    static const int first[] = {0, 1, 0}, end[] = {1, 2, 2};
    for (int k = 0; k < 3; k++) {
        struct dlc_net *net = net_of(first[k], end[k]), *part = net_of(first[k], end[k]);
        cr_expect(!dlc_load(net, GOLDEN "tied.safetensors"), "case %d: %s", k, dlc_error(net));
        cr_expect(dlc_load_some(part, GOLDEN "tied.safetensors", NULL, "") == end[k] - first[k], "case %d: %s", k,
                  dlc_error(part));
        for (int i = 0; i < end[k] - first[k]; i++) {
            float got[12], again[12];
            cr_assert(!dlc_get(net, some[i].info.name, got, 48) && !dlc_get(part, some[i].info.name, again, 48));
            for (int e = 0; e < 12; e++) cr_expect(got[e] == (float)e / 4 - 1 && again[e] == got[e], "case %d", k);
        }
        dlc_free(net), dlc_free(part);
    }
    struct dlc_net *net = net_of(8, 9);
    cr_expect(dlc_load(net, GOLDEN "tied.safetensors") == DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(net), GOLDEN "tied.safetensors does not fit toy:\n  layers.0.w is missing\n"
                                            "  lm_head.weight is not in the model");
    dlc_free(net);
    // Metadata never hides a tensor, nor counts when it names none; of a name that is there twice the last counts.
    static const char header[] =
        "{\"__metadata__\":{\"lm_head.weight\":\"y\",\"y\":\"z\",\"transformer.wte.weight\":\"q\","
        "\"transformer.wte.weight\":\"lm_head.weight\"},"
        "\"y\":{\"dtype\":\"U8\",\"shape\":[3,4],\"data_offsets\":[48,60]},"
        "\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]}}";
    net = net_of(0, 2);
    file_of(header, sizeof header - 1, NULL, 60);
    cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(net), "the data does not fit toy:\n  y is not in the model");
    dlc_free(net);
}

// A file that stores tied weights under both names, with a copy of the data: what is no copy is an error as ever.
Test(load, tied_weights_stored_twice) {
    static const char form[] = "{\"lm_head.weight\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]},"
                               "\"transformer.wte.weight\":{\"dtype\":\"%s\",\"shape\":%s,\"data_offsets\":[48,96]}}";
    static const struct {
        const char *dtype, *shape;
        bool differs, taken;
    } rows[] = {
        {"F32", "[3,4]", false, true},  {"F32", "[3,4]", true, false}, {"I32", "[3,4]", false, false},
        {"F32", "[4,3]", false, false}, {"F32", "[12]", false, false},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        char header[300];
        unsigned char data[96];
        for (size_t i = 0; i < 96; i++) data[i] = (unsigned char)(i % 48);
        data[95] ^= rows[r].differs;
        int len = snprintf(header, sizeof header, form, rows[r].dtype, rows[r].shape);
        file_of(header, (size_t)len, data, 96);
        struct dlc_net *net = net_of(0, 1), *before = net_of(0, 1);
        float w[12], old[12];
        cr_assert(!dlc_get(before, "lm_head.weight", old, 48));
        for (int stream = 0; stream < 2; stream++) {
            int status = stream ? dlc_load(net, written()) : dlc_load_memory(net, file, file_bytes);
            cr_expect(status == (rows[r].taken ? DLC_OK : DLC_EMISMATCH), "row %zu: %s", r, dlc_error(net));
            cr_expect(rows[r].taken || strstr(dlc_error(net), "toy:\n  transformer.wte.weight is not in the model"));
            cr_assert(!dlc_get(net, "lm_head.weight", w, 48));
            cr_expect(!memcmp(w, rows[r].taken ? (void *)data : (void *)old, 48), "row %zu: the net", r);
        }
        dlc_free(net), dlc_free(before);
        net = net_of(1, 2);
        cr_expect((dlc_load_memory(net, file, file_bytes) == DLC_OK) == rows[r].taken, "row %zu: %s", r,
                  dlc_error(net));
        dlc_free(net);
    }
    struct dlc_net *net = net_of(0, 4); // what else differs is listed together with it
    static const char matrix[] = "{\"y\":{\"dtype\":\"F32\",\"shape\":[3,4],\"data_offsets\":[0,48]}}";
    file_of(matrix, sizeof matrix - 1, NULL, 48);
    cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(net),
                     "the data does not fit toy:\n  lm_head.weight is missing\n  transformer.wte.weight is "
                     "missing\n  x is missing\n  y is not in the model");
    remove(path);
    dlc_free(net);
}

// The names of a file, all f32[1], as `names` gives them.
static void file_of_names(const char *names) {
    char header[1000] = "{";
    int n = 0;
    for (const char *at = names; *at; at += strcspn(at, " "), at += *at == ' ', n++)
        sprintf(header + strlen(header), "%s\"%.*s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[%d,%d]}",
                n ? "," : "", (int)strcspn(at, " "), at, 4 * n, 4 * n + 4);
    strcat(header, "}");
    file_of(header, strlen(header), NULL, 4 * (size_t)n);
}

// What wrappers put into names: the message says what takes it off, and that does.
Test(load, names_of_wrappers) {
    static const struct {
        const char *names, *strip; // "": no remedy
        int count;
    } rows[] = {
        {"module.layers.0.w module.layers.1.w", "module", 2},
        {"_orig_mod.layers.0.w _orig_mod.layers.1.w", "_orig_mod", 2},
        {"module._orig_mod.layers.0.w module._orig_mod.layers.1.w", "module._orig_mod", 2},
        {"layers.0._orig_mod.w layers.1._orig_mod.w", "*._orig_mod", 2},
        {"layers.0._orig_mod.w layers.1.w", "*._orig_mod", 2},
        {"layers._orig_mod.0._orig_mod.w layers.1.w", "*._orig_mod", 2},
        {"module.layers.0._orig_mod.w module.layers.1.w", "*._orig_mod,module", 2},
        {"model.net.layers.0.w model.net.layers.1.w model.net.layers.2.w", "model.net", 2},
        {"layers.0.w", "", 0},
        {"module.layers.0.w layers.1.w", "", 0},
        {"module.layers.0.v module.layers.1.v", "", 0},
        {"_orig_mod _orig_mods.layers.0.w", "", 0},
    };
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        char call[200];
        struct dlc_net *net = net_of(8, 10);
        file_of_names(rows[r].names);
        cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EMISMATCH, "%s", rows[r].names);
        snprintf(call, sizeof call,
                 "\n  names fit when \"%s\" is taken off: toy_load_some_memory(net, data, size, \"\", \"%s\")\n",
                 rows[r].strip, rows[r].strip);
        bool said = strstr(dlc_error(net), *rows[r].strip ? call : "taken off");
        cr_expect(said == (*rows[r].strip != 0), "%s: got %s, want %s", rows[r].names, dlc_error(net), call);
        if (*rows[r].strip)
            cr_expect(dlc_load_some_memory(net, file, file_bytes, "", rows[r].strip) == rows[r].count, "%s: %s",
                      rows[r].names, dlc_error(net));
        float w;
        cr_expect(!*rows[r].strip || (!dlc_get(net, "layers.1.w", &w, 4) && w == 0), "%s", rows[r].names);
        dlc_free(net);
    }
    struct dlc_net *net = net_of(8, 10);
    file_of_names("layers.0.w layers._orig_mod.0.w layers.1.w");
    cr_expect(dlc_load_some_memory(net, file, file_bytes, "", "*._orig_mod") == -DLC_EMISMATCH);
    cr_expect_str_eq(dlc_error(net), "the data: two tensors are named layers.0.w when \"*._orig_mod\" is taken off");
    cr_expect(dlc_load_some_memory(net, file, file_bytes, "layers.1", "*._orig_mod") == 1, "only comes first");
    dlc_free(net);
}

// ---- files --------------------------------------------------------------------------------------------------------

static void expect_refused(struct dlc_net *net, const char *from, int status, const char *why) {
    cr_expect(dlc_load(net, from) == status, "%s", dlc_error(net));
    cr_expect(strstr(dlc_error(net), why), "%s: got %s, want %s", from, dlc_error(net), why);
    float w;
    cr_expect(!dlc_get(net, "layers.0.w", &w, 4) && w > 1e13f, "refused, but the net changed");
}

// A file is read as a stream: what memory says of it, the stream says.
Test(load, files_that_are_cut_or_longer) {
    struct dlc_net *net = net_of(8, 10);
    file_of_names("layers.0.w layers.1.w");
    size_t whole = file_bytes;
    for (file_bytes = 0; file_bytes < whole; file_bytes++) {
        char from_memory[DLC_ERROR_BYTES];
        cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EFORMAT);
        strcpy(from_memory, strstr(dlc_error(net), "not a"));
        expect_refused(net, written(), DLC_EFORMAT, from_memory);
    }
    file_bytes = whole + 1;
    expect_refused(net, written(), DLC_EFORMAT, "data that belongs to no tensor");
    file_bytes = whole;
    cr_expect(!dlc_load(net, written()), "%s", dlc_error(net));
    remove(path);
    dlc_free(net);
}

static char fifo[100];

// A pipe that gives `file` and then the byte `c` for ever.
static pid_t endless(int c) {
    snprintf(fifo, sizeof fifo, "/tmp/dlc_load_%d.fifo", (int)getpid());
    unlink(fifo);
    cr_assert(!mkfifo(fifo, 0600));
    pid_t pid = fork();
    if (pid) return pid;
    FILE *f = fopen(fifo, "wb");
    fwrite(file, 1, file_bytes, f);
    while (putc(c, f) != EOF) {}
    _exit(0);
}

// Streams without an end are refused as soon as the header, or the data that it declares, is there.
Test(load, streams_that_do_not_end) {
    struct dlc_net *net = net_of(8, 10);
    expect_refused(net, "/dev/zero", DLC_EFORMAT, "{ expected at byte 8");
    file_of_names("layers.0.w layers.1.w");
    pid_t pid = endless('x');
    expect_refused(net, fifo, DLC_EFORMAT, "data that belongs to no tensor");
    waitpid(pid, NULL, 0);
    // A tensor of 2^60 bytes that the net does not have: refused for its name, before its data.
    tensor_of("y", "U8", "[1152921504606846976]", NULL, 0);
    char *zero = strstr((char *)file + 8, ",0]}}");
    cr_assert(zero);
    memcpy(zero, ",1152921504606846976]}}", 23);
    file_bytes = (size_t)(zero + 23 - (char *)file);
    file[0] = (unsigned char)(file_bytes - 8);
    pid = endless('x');
    expect_refused(net, fifo, DLC_EMISMATCH, "y is not in the model");
    waitpid(pid, NULL, 0);
    unlink(fifo);
    // The length of the header is 100,000,000, and the file ends.
    file_of_names("layers.0.w layers.1.w");
    memcpy(file, "\0\xe1\xf5\5\0\0\0", 8);
    expect_refused(net, written(), DLC_EFORMAT, "the header is longer than the file");
    expect_refused(net, "/", DLC_EIO, "Is a directory");
    remove(path);
    dlc_free(net);
}

// Zip archives and pickles, as torch.save writes them now and wrote them once, and what only begins like a pickle.
Test(load, files_of_torch_save) {
    struct dlc_net *net = net_of(8, 10);
    memcpy(file, "PK\3\4\0\0\x08\x08\0\0\0\0", 12), file_bytes = 12;
    expect_refused(net, written(), DLC_EFORMAT, "not a .safetensors file, but one of torch.save");
    cr_expect(strstr(dlc_error(net), "safetensors.torch.save_file("), "%s", dlc_error(net));
    cr_expect(dlc_load_memory(net, file, file_bytes) == DLC_EFORMAT && strstr(dlc_error(net), "one of torch.save"));
    memcpy(file, "\x80\2\x8a\nl\xfc\x9c\x46\xf9 j\xa8P\x19.", 15), file_bytes = 15;
    expect_refused(net, written(), DLC_EFORMAT, "not a .safetensors file, but one of torch.save");
    memcpy(file, "\x80\2\0\0\0\0\0\0{}", 10);
    memset(file + 10, ' ', 638), file_bytes = 648; // a header of 640 bytes
    expect_refused(net, written(), DLC_EMISMATCH, "layers.0.w is missing");
    remove(path);
    dlc_free(net);
}
