// main.c: classifies the 10,000 test images of Fashion-MNIST with the trained CNN of fashion.dl.
//
//     fashion --load fashion.safetensors [--data DIR] [--limit COUNT]
#include <stdio.h>
#include <string.h>

#include "data.h"

int main(int argc, char **argv) {
    const char *data = "/usr/share/datasets/fashion-mnist", *load = NULL;
    int limit = 0;
    for (int k = 1; k < argc; k += 2) {
        const char *value = argv[k + 1]; // NULL behind the last word
        if (value && !strcmp(argv[k], "--data"))
            data = value;
        else if (value && !strcmp(argv[k], "--load"))
            load = value;
        else if (!strcmp(argv[k], "--limit"))
            limit = (int)number(argv[k], value, 1, 1e9);
        else
            load = NULL, k = argc;
    }
    if (!load) {
        fprintf(stderr, "usage: fashion --load FILE.safetensors [--data DIR] [--limit COUNT]\n");
        return 2;
    }
    struct set testing;
    set_read(&testing, data, "t10k", limit, NULL, 0);
    struct fashion *net = fashion_new();
    if (!net) die("no memory for the net");
    if (fashion_load(net, load)) die(fashion_error(net));
    int64_t matrix[CLASSES * CLASSES];
    double start = now();
    set_classify(&testing, net, matrix);
    double seconds = now() - start;
    kit_report_print(stdout, matrix, CLASSES, class_names, 4);
    printf("\n");
    kit_confusion_print(stdout, matrix, CLASSES, class_names);
    printf("\n%s: accuracy %.2f %% of %d images, %.0f images/s\n", load, 100 * kit_accuracy(matrix, CLASSES),
           (int)testing.data.count, testing.data.count / seconds);
    fashion_free(net);
    set_free(&testing);
    return 0;
}
