// main.c: classifies the 10,000 test images of Fashion-MNIST with the trained CNN of fashion.dl.
//
//     fashion [--load fashion.safetensors] [--data DIR] [--limit COUNT]
#include <stdio.h>

#include "data.h"

int main(int argc, char **argv) {
    const char *data = "/usr/share/datasets/fashion-mnist", *load = "fashion.safetensors";
    int64_t limit = 0;
    const struct kit_option options[] = {{"--load", "FILE", "weights (fashion.safetensors)", KIT_TEXT, &load, 0, 0},
                                         {"--data", "DIR", "the files of Fashion-MNIST", KIT_TEXT, &data, 0, 0},
                                         {"--limit", "N", "images at most", KIT_INT, &limit, 1, 1e9},
                                         {0}};
    read_options(options, argc, argv);
    struct set testing;
    set_read(&testing, data, "t10k", limit, NULL, 0);
    struct fashion *net = fashion_new();
    if (!net) die("no memory for the net");
    if (fashion_load(net, load)) die(fashion_error(net));
    int64_t matrix[CLASSES * CLASSES];
    double start = kit_now();
    set_classify(&testing, net, matrix);
    double seconds = kit_now() - start;
    kit_report_print(stdout, matrix, CLASSES, class_names, 4);
    printf("\n");
    kit_confusion_print(stdout, matrix, CLASSES, class_names);
    printf("\n%s: accuracy %.2f %% of %d images, %.0f images/s\n", load, 100 * kit_accuracy(matrix, CLASSES),
           (int)testing.data.count, testing.data.count / seconds);
    fashion_free(net);
    set_free(&testing);
    return 0;
}
