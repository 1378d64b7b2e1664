// options.c: the command line of an application, from a table of its options.
//     mynet --epochs 5 --lr 1e-3 a.ppm      epochs = 5, lr = 1e-3, "a.ppm" is left
#include <stdlib.h>
#include <string.h>

#include "fail.h"

static int read_value(const struct kit_option *o, const char *text, char *error) {
    if (!text) return kit_fail(error, KIT_EVALUE, "%s: %s is missing after it", o->name, o->value);
    if (o->kind == KIT_TEXT) {
        *(const char **)o->to = text;
        return KIT_OK;
    }
    char *end;
    double value = strtod(text, &end);
    bool whole = o->kind != KIT_INT || (value > -9.1e15 && value < 9.1e15 && value == (double)(int64_t)value);
    if (end == text || *end || !whole || !(value >= o->least && value <= o->most))
        return kit_fail(error, KIT_EVALUE, "%s takes a%s number from %.10g to %.10g, not \"%s\"", o->name,
                        o->kind == KIT_INT ? " whole" : "", o->least, o->most, text);
    if (o->kind == KIT_INT)
        *(int64_t *)o->to = (int64_t)value;
    else
        *(double *)o->to = value;
    return KIT_OK;
}

int kit_options_read(const struct kit_option *options, int argc, char **argv, int *rest, char *error) {
    int k = 1;
    while (k < argc && argv[k][0] == '-' && argv[k][1]) {
        const struct kit_option *o = options;
        while (o->name && strcmp(o->name, argv[k])) o++;
        if (!o->name) return kit_fail(error, KIT_EVALUE, "%s is no option", argv[k]);
        k++;
        if (o->kind == KIT_FLAG) {
            *(bool *)o->to = true;
            continue;
        }
        int status = read_value(o, k < argc ? argv[k] : NULL, error);
        if (status) return status;
        k++;
    }
    *rest = k;
    if (k < argc && strncmp(argv[argc - 1], "--", 2) == 0)
        return kit_fail(error, KIT_EVALUE, "%s: options stand before everything else", argv[argc - 1]);
    return KIT_OK;
}

void kit_options_print(FILE *out, const struct kit_option *options) {
    for (; options->name; options++) {
        int width =
            fprintf(out, "  %s%s%s", options->name, options->value ? " " : "", options->value ? options->value : "");
        fprintf(out, "%*s%s\n", width < 20 ? 20 - width : 2, "", options->help);
    }
}
