// bools.c: a bool is true when its byte is not 0, and the C gives back 0 or 1: the same answers for 1 and for any byte.
#include <stdio.h>
#include <string.h>

#include "bools.h"

enum { COUNT = 37 }; // whole vectors and a rest

struct answers {
    uint8_t same[COUNT], equal[COUNT], differs[COUNT], without[COUNT], both[COUNT], either[COUNT], byte[COUNT],
        chosen[COUNT], alone;
    float number[COUNT], picked[COUNT], one;
    int32_t integer[COUNT], counted[COUNT];
};

static void ask(struct bools *net, uint8_t yes, struct answers *a) {
    uint8_t c[COUNT], e[COUNT];
    int32_t d[COUNT];
    float x[COUNT];
    for (int k = 0; k < COUNT; k++) {
        c[k] = k % 3 ? 0 : yes;
        e[k] = k % 2 ? 0 : (uint8_t)(yes == 1 ? 1 : yes + k % 100); // true in another way than c
        d[k] = k, x[k] = (float)k + 1;
    }
    memset(a, 0, sizeof *a);
    bools_forward(net, COUNT, c, e, yes, d, x, a->same, a->equal, a->differs, a->without, a->both, a->either, a->number,
                  a->integer, a->byte, a->picked, a->counted, a->chosen, &a->alone, &a->one);
}

int main(void) {
    static const uint8_t other[] = {2, 6, 128, 155};
    struct bools *net = bools_new();
    struct answers want, got;
    int passed = 0, failed = 0;
    ask(net, 1, &want);
    int right = want.same[0] == 1 && want.same[1] == 0 && want.equal[3] == 0 && want.both[6] == 1 && want.one == 1;
    *(right ? &passed : &failed) += 1;
    for (size_t k = 0; k < sizeof other; k++) {
        ask(net, other[k], &got);
        int same = !memcmp(&want, &got, sizeof want);
        if (!same) printf("FAILED bytes of %d are not read as true everywhere\n", other[k]);
        *(same ? &passed : &failed) += 1;
    }
    bools_free(net);
    printf("%d passed, %d failed\n", passed, failed);
    return failed != 0;
}
