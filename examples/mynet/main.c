// main.c: shows pictures to the net of mynet.dl and prints the five classes that it finds most likely.
//
//     mynet [--load mynet.safetensors] [PICTURE.ppm...]
//
// Without a picture a random one is classified; without weights by a net that has learned nothing.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "kit/kit.h"
#include "mynet.h"

#ifndef CLASSES
#define CLASSES 10 // dlc -D CLASSES=43 goes with cc -DCLASSES=43
#endif
enum { SIDE = 48, PIXELS = 3 * SIDE * SIDE };

static _Noreturn void die(const char *message) {
    fprintf(stderr, "mynet: %s\n", message);
    exit(1);
}

static double now(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// Prints the most likely classes with their probabilities, softmax of the logits.
static void print_best(const char *picture, const float logits[CLASSES]) {
    double rest[CLASSES], sum = 0;
    float largest = logits[kit_argmax(logits, CLASSES)], left[CLASSES];
    for (int k = 0; k < CLASSES; k++) sum += rest[k] = exp((double)(logits[k] - largest));
    memcpy(left, logits, sizeof left);
    printf("%s:", picture);
    for (int k = 0; k < 5 && k < CLASSES; k++) {
        int best = kit_argmax(left, CLASSES);
        printf("  class %d %.1f %%", best, 100 * rest[best] / sum);
        left[best] = -INFINITY;
    }
    printf("\n");
}

static void classify(struct mynet *net, const char *picture, const float image[PIXELS]) {
    float logits[CLASSES];
    double start = now();
    if (mynet_forward(net, 1, image, logits)) die("mynet_forward refuses one picture");
    double seconds = now() - start;
    print_best(picture, logits);
    printf("%*s  %.2f ms\n", (int)strlen(picture), "", 1000 * seconds);
}

int main(int argc, char **argv) {
    static float image[PIXELS];
    char error[KIT_ERROR_BYTES];
    int first = 1;
    struct mynet *net = mynet_new();
    if (!net) die("no memory for the net");
    if (argc > 2 && !strcmp(argv[1], "--load")) {
        if (mynet_load(net, argv[2])) die(mynet_error(net));
        first = 3;
    } else if (argc > 1 && argv[1][0] == '-') {
        die("usage: mynet [--load FILE.safetensors] [PICTURE.ppm...]");
    }
    for (int k = first; k < argc; k++) {
        if (kit_ppm_read(image, SIDE, argv[k], error)) die(error);
        classify(net, argv[k], image);
    }
    if (first == argc) {
        srand(1);
        for (int k = 0; k < PIXELS; k++) image[k] = (float)rand() / (float)RAND_MAX;
        classify(net, "a random picture", image);
    }
    mynet_free(net);
    return 0;
}
