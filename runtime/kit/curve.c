// curve.c: the learning curve as an SVG: loss on the left axis, accuracy in percent on the right one, epochs below.
// Values that are no numbers are gaps. Colours follow the reader's light or dark theme.
#include <math.h>

#include "kit.h"
#include "svg.h"

enum { WIDTH = KIT_SVG_WIDTH, HEIGHT = KIT_SVG_HEIGHT, LEFT = 64, RIGHT = 60, TOP = 64, BOTTOM = 48 };
static const double left = LEFT, right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM, top = TOP;

// ---- series ---------------------------------------------------------------------------------------------------------

struct series {
    const char *name, *class;
    size_t offset; // in struct kit_epoch
    bool accuracy; // right axis, times 100
};

static const struct series all[] = {
    {"train loss", "loss train", offsetof(struct kit_epoch, train_loss), false},
    {"test loss", "loss", offsetof(struct kit_epoch, test_loss), false},
    {"train accuracy", "accuracy train", offsetof(struct kit_epoch, train_accuracy), true},
    {"test accuracy", "accuracy", offsetof(struct kit_epoch, test_accuracy), true},
};
enum { SERIES = sizeof all / sizeof *all };

static double value_of(const struct kit_history *h, const struct series *s, int k) {
    double value = *(const double *)(const void *)((const char *)&h->epoch[k] + s->offset);
    if (s->accuracy) return value >= 0 && value <= 1 ? 100 * value : NAN;
    return fabs(value) <= 1e30 ? value : NAN;
}

static struct kit_svg_axis axis_of_values(const struct kit_history *h, bool accuracy) {
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < SERIES; i++)
        for (int k = 0; k < h->count && all[i].accuracy == accuracy; k++) {
            double value = value_of(h, &all[i], k);
            if (!isnan(value)) least = fmin(least, value), most = fmax(most, value);
        }
    if (accuracy && !(least <= most)) least = 0, most = 100;
    struct kit_svg_axis a = kit_svg_axis_of(least, most, 5);
    if (accuracy) a.low = fmax(a.low, 0), a.high = fmin(a.high, 100);
    return a;
}

// A line through neighbours that have values, and a dot where a line would not show, or where there is room for dots.
static void put_series(FILE *out, const struct kit_history *h, const struct series *s,
                       const struct kit_svg_axis *epochs, const struct kit_svg_axis *values) {
    bool dots = h->count <= 60, pen = false;
    fprintf(out, "<g class=\"%s\">\n<path d=\"", s->class);
    for (int k = 0; k < h->count; k++) {
        double value = value_of(h, s, k);
        if (!isnan(value)) {
            fputs(pen ? " L" : "M", out);
            kit_svg_number(out, kit_svg_place(epochs, k + 1, left, right), 0.1), putc(' ', out);
            kit_svg_number(out, kit_svg_place(values, value, bottom, top), 0.1);
        }
        pen = !isnan(value);
    }
    fputs("\"/>\n", out);
    for (int k = 0; k < h->count; k++) {
        bool alone = (k == 0 || isnan(value_of(h, s, k - 1))) && (k + 1 == h->count || isnan(value_of(h, s, k + 1)));
        double value = value_of(h, s, k);
        if (isnan(value) || !(dots || alone)) continue;
        fputs("<circle r=\"2.5\" cx=\"", out);
        kit_svg_number(out, kit_svg_place(epochs, k + 1, left, right), 0.1), fputs("\" cy=\"", out);
        kit_svg_number(out, kit_svg_place(values, value, bottom, top), 0.1), fputs("\"/>\n", out);
    }
    fputs("</g>\n", out);
}

// ---- the picture ----------------------------------------------------------------------------------------------------

static const char style[] =
    "<style>\n"
    "svg { font: 12px system-ui, sans-serif; }\n"
    ".paper { fill: #ffffff; } text { fill: #333333; } .title { font-size: 15px; font-weight: 600; }\n"
    ".grid { stroke: #dddddd; } .axis { stroke: #888888; }\n"
    "path { fill: none; stroke-width: 2; stroke-linejoin: round; } .train { stroke-dasharray: 5 3; }\n"
    ".loss { stroke: #c2410c; } .accuracy { stroke: #1d6fb8; }\n"
    ".loss circle { fill: #c2410c; stroke: none; } .accuracy circle { fill: #1d6fb8; stroke: none; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    ".paper { fill: #16181d; } text { fill: #d5d8de; } .grid { stroke: #33373f; } .axis { stroke: #7d838f; }\n"
    ".loss { stroke: #fb923c; } .accuracy { stroke: #60a5fa; }\n"
    ".loss circle { fill: #fb923c; } .accuracy circle { fill: #60a5fa; }\n"
    "}\n"
    "</style>\n";

static void put_axes(FILE *out, int count, const struct kit_svg_axis *epochs, const struct kit_svg_axis *loss,
                     const struct kit_svg_axis *accuracy) {
    for (int k = 0; k < kit_svg_ticks(loss); k++) {
        double value = loss->low + k * loss->step, y = kit_svg_place(loss, value, bottom, top);
        kit_svg_line(out, "grid", left, y, right, y);
        kit_svg_label(out, left - 8, y + 4, "end", value, loss->step, "");
    }
    for (int k = 0; k < kit_svg_ticks(accuracy); k++) {
        double value = accuracy->low + k * accuracy->step;
        kit_svg_label(out, right + 8, kit_svg_place(accuracy, value, bottom, top) + 4, "start", value, accuracy->step,
                      " %");
    }
    int step = (int)epochs->step;
    for (int epoch = step; epoch <= count; epoch += step) {
        double x = kit_svg_place(epochs, epoch, left, right);
        kit_svg_line(out, "axis", x, bottom, x, bottom + 5);
        kit_svg_label(out, x, bottom + 19, "middle", epoch, 1, "");
    }
    kit_svg_line(out, "axis", left, bottom, right, bottom);
    kit_svg_line(out, "axis", left, bottom, left, top);
    kit_svg_line(out, "axis", right, bottom, right, top);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">epoch</text>\n", (LEFT + WIDTH - RIGHT) / 2,
            HEIGHT - 10);
}

static void put_legend(FILE *out) {
    for (int i = 0; i < SERIES; i++) {
        int x = LEFT + 8 + i * 150;
        fprintf(out, "<g class=\"%s\"><path d=\"M%d 46 L%d 46\"/></g>\n", all[i].class, x, x + 26);
        fprintf(out, "<text x=\"%d\" y=\"50\">%s</text>\n", x + 32, all[i].name);
    }
}

int kit_curve_write(const struct kit_history *h, const char *title, const char *path, char *error) {
    struct kit_svg_axis loss = axis_of_values(h, false), accuracy = axis_of_values(h, true);
    struct kit_svg_axis epochs = kit_svg_axis_of(1, h->count > 1 ? h->count : 1, 10);
    if (epochs.step < 1) epochs.step = 1;
    epochs.low = h->count > 1 ? 1 : 0, epochs.high = h->count > 1 ? h->count : 2; // one epoch: in the middle
    struct kit_file file;
    int status = kit_file_open(&file, path, error);
    if (status) return status;
    FILE *out = file.out;
    kit_svg_begin(out, LEFT, style, title);
    put_axes(out, h->count, &epochs, &loss, &accuracy);
    for (int i = 0; i < SERIES; i++) put_series(out, h, &all[i], &epochs, all[i].accuracy ? &accuracy : &loss);
    put_legend(out);
    fputs("</svg>\n", out);
    return kit_file_close(&file, error);
}
