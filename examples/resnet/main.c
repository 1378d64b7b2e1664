// main.c: loads torchvision's weights into ResNet-18 or MobileNetV2 and prints the five most likely classes of
// pictures.
//
//     classify FILE.safetensors [PICTURE.ppm...]
//
// Without a picture it classifies a random one. Compile it once per net (README.md):
//     -DNET=resnet18 -DHEADER='"resnet18.h"'       the net's prefix and its header
//     -DSIZE=64 -DCLASSES=10                       the same numbers as dlc's -D, if it had any
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include HEADER
#include "kit/kit.h"

#ifndef SIZE
#define SIZE 224
#endif
#ifndef CLASSES
#define CLASSES 1000
#endif
#define JOINED(net, what) net##what
#define CALL(net, what)   JOINED(net, what)
enum { AREA = SIZE * SIZE };

static _Noreturn void die(const char *message) {
    fprintf(stderr, "classify: %s\n", message);
    exit(1);
}

// Normalises pictures as in torchvision's training: minus ImageNet's mean, divided by its deviation, per channel.
static void normalise(float image[3 * AREA]) {
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < AREA; k++) image[c * AREA + k] = (image[c * AREA + k] - mean[c]) / deviation[c];
}

// Prints the most likely classes with their probabilities, the softmax of the logits.
static void print_best(const char *picture, const float logits[CLASSES], double seconds) {
    double sum = 0;
    float left[CLASSES], largest = logits[kit_argmax(logits, CLASSES)];
    memcpy(left, logits, sizeof left);
    for (int k = 0; k < CLASSES; k++) sum += exp((double)(logits[k] - largest));
    printf("%s (%.1f ms)\n", picture, 1000 * seconds);
    for (int k = 0; k < 5 && k < CLASSES; k++) {
        int best = kit_argmax(left, CLASSES);
        printf("    class %4d  %8.4f %%\n", best, 100 * exp((double)(logits[best] - largest)) / sum);
        left[best] = -INFINITY;
    }
}

static void classify(struct NET *net, const char *picture, float image[3 * AREA]) {
    static float logits[CLASSES];
    normalise(image);
    double start = kit_now();
    if (CALL(NET, _forward)(net, 1, image, logits)) die("the net refuses one picture");
    print_best(picture, logits, kit_now() - start);
}

int main(int argc, char **argv) {
    static float image[3 * AREA];
    char error[KIT_ERROR_BYTES];
    if (argc < 2) die("usage: classify FILE.safetensors [PICTURE.ppm...]");
    struct NET *net = CALL(NET, _new)();
    if (!net) die("no memory for the net");
    if (CALL(NET, _load)(net, argv[1])) die(CALL(NET, _error)(net));
    for (int k = 2; k < argc; k++) {
        if (kit_ppm_read(image, SIZE, argv[k], error)) die(error);
        classify(net, argv[k], image);
    }
    if (argc == 2) {
        uint32_t random = 1;
        for (int k = 0; k < 3 * AREA; k++) {
            random = random * 1664525 + 1013904223;
            image[k] = (float)(random >> 8) / 16777216.0f;
        }
        classify(net, "a random picture", image);
    }
    CALL(NET, _free)(net);
    return 0;
}
