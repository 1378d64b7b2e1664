// test_halo.c: the zeros around values that contractions read through windows: how many elements before and after each
// axis, and the bytes of the whole. Values are laid out with their channels last: batch, rows, columns, channels.
#include <criterion/criterion.h>

#include "loops/lower.h"
#include "modules.h"
#include "passes/passes.h"

static const struct {
    const char *what, *text; // the value in question is h
    const char *halo;        // by axis: elements before + after
    int64_t bytes;           // 4 (rows + halo) (columns + halo) channels
} rows[] = {
    // y + p - 1 goes from -1 to 8, of 0 to 7.
    {"3x3 windows",
     "model f(x: f32[1, 16, 8, 8]) -> (y: f32[1, 16, 8, 8]) {\n"
     "    h = conv2d(x, 16, 3, padding=1)\n    return conv2d(h, 16, 3, padding=1)\n}\n",
     "0+0 1+1 1+1 0+0", 4 * 10 * 10 * 16},
    {"windows that stay inside",
     "model f(x: f32[1, 16, 8, 8]) -> (y: f32[1, 16, 6, 6]) {\n"
     "    h = conv2d(x, 16, 3, padding=1)\n    return conv2d(h, 16, 3)\n}\n",
     "0+0 0+0 0+0 0+0", 4 * 8 * 8 * 16},
    // 4 results: 2 y + p - 2 goes from -2 to 2*3 + 4 - 2 = 8.
    {"5x5 windows at every second place",
     "model f(x: f32[1, 16, 8, 8]) -> (y: f32[1, 16, 4, 4]) {\n"
     "    h = conv2d(x, 16, 3, padding=1)\n    return conv2d(h, 16, 5, stride=2, padding=2)\n}\n",
     "0+0 2+1 2+1 0+0", 4 * 11 * 11 * 16},
    // y + 3 p - 3 goes from -3 to 7 + 6 - 3 = 10.
    {"windows with gaps",
     "model f(x: f32[1, 16, 8, 8]) -> (y: f32[1, 16, 8, 8]) {\n"
     "    h = conv2d(x, 16, 3, padding=1)\n    return conv2d(h, 16, 3, padding=3, dilation=3)\n}\n",
     "0+0 3+3 3+3 0+0", 4 * 14 * 14 * 16},
    {"two readers: the wider window",
     "model f(x: f32[1, 16, 8, 8]) -> (y: f32[1, 16, 8, 8]) {\n"
     "    h = conv2d(x, 16, 3, padding=1)\n"
     "    return conv2d(h, 16, 3, padding=1) + conv2d(h, 16, 5, padding=2)\n}\n",
     "0+0 2+2 2+2 0+0", 4 * 12 * 12 * 16},
    {"a batch of run-time size",
     "dim N <= 3\nmodel f(x: f32[N, 16, 8, 8]) -> (y: f32[N, 16, 8, 8]) {\n"
     "    h = conv2d(x, 16, 3, padding=1)\n    return conv2d(h, 16, 3, padding=1)\n}\n",
     "0+0 1+1 1+1 0+0", 3 * 4 * 10 * 10 * 16},
    // 4 * 4 * 512 elements are twice 2 * 2 * 512 and 4096 more: the most that a halo may take.
    {"a small image, as much as is allowed",
     "model f(x: f32[1, 16, 2, 2]) -> (y: f32[1, 16, 2, 2]) {\n"
     "    h = conv2d(x, 512, 3, padding=1)\n    return conv2d(h, 16, 3, padding=1)\n}\n",
     "0+0 1+1 1+1 0+0", 4 * 4 * 4 * 512},
    {"a small image, more than is allowed",
     "model f(x: f32[1, 16, 2, 2]) -> (y: f32[1, 16, 2, 2]) {\n"
     "    h = conv2d(x, 520, 3, padding=1)\n    return conv2d(h, 16, 3, padding=1)\n}\n",
     "0+0 0+0 0+0 0+0", 4 * 2 * 2 * 520},
    // One pixel at a time slides no window: h keeps its columns last, and they get no zeros.
    {"a value that is not laid out with channels last",
     "model f(x: f32[1, 16, 8, 8]) -> (y: f32[1, 16, 8, 8]) {\n"
     "    h = conv2d(x, 16, 1)\n    return conv2d(h, 16, 3, padding=1)\n}\n",
     "0+0 0+0 0+0 0+0", 4 * 8 * 8 * 16},
    // A pool is no contraction: its kernel asks where it is.
    {"a pool's windows",
     "model f(x: f32[1, 16, 8, 8]) -> (y: f32[1, 16, 8, 8]) {\n"
     "    h = conv2d(x, 16, 3, padding=1)\n"
     "    return conv2d(max_pool2d(h, 3, stride=1, padding=1), 16, 1)\n}\n",
     "0+0 0+0 0+0 0+0", 4 * 8 * 8 * 16},
};

static const Buffer *find_value(const Program *p, const char *name) {
    for (int k = 0; k < p->buffers.len; k++) {
        const Buffer *b = p->buffers.at[k];
        if (b->scope == SCOPE_ARENA && b->value && b->value->name && !strcmp(b->value->name, name)) return b;
    }
    cr_assert(false, "no value %s is in the arena", name);
    return NULL;
}

Test(halo, zeros_around_what_windows_leave) {
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        Arena arena = {0};
        Module *m = compile(&arena, rows[k].text);
        passes_run(m, &(PassOptions){.level = 2, .out = stdout});
        Program *p = program_lower(m->entries.at[0], target_find("x86-64-v4"), 2, 1);
        program_plan(p);
        const char *wrong = program_check_plan(p);
        cr_expect(!wrong, "%s: %s", rows[k].what, wrong);
        const Buffer *h = find_value(p, "h");
        Str halo = str_new(&arena);
        for (int d = 0; d < h->rank; d++) str_printf(&halo, "%s%d+%d", d ? " " : "", h->before[d], h->after[d]);
        cr_expect(!strcmp(str_text(&halo), rows[k].halo), "%s: got %s, want %s", rows[k].what, str_text(&halo),
                  rows[k].halo);
        cr_expect(h->bytes == rows[k].bytes, "%s: %ld bytes, want %ld", rows[k].what, (long)h->bytes,
                  (long)rows[k].bytes);
        arena_release(&arena);
    }
}
