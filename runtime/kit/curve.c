// curve.c: the learning curve as an SVG: loss on the left axis, accuracy in percent on the right one, epochs below.
// Values that are no numbers are gaps. Colours follow the reader's light or dark theme.
#include <math.h>

#include "kit.h"

enum { WIDTH = 720, HEIGHT = 400, LEFT = 64, RIGHT = 60, TOP = 64, BOTTOM = 48 };
static const double left = LEFT, right = WIDTH - RIGHT, bottom = HEIGHT - BOTTOM, top = TOP;

// Puts a number with a point in any locale, and with no more digits than `step` needs.
static void put_number(FILE *out, double value, double step) {
    int digits = 0;
    for (double unit = 1; digits < 9 && fabs(step - floor(step / unit + 0.5) * unit) > step * 1e-6; unit /= 10)
        digits++;
    char text[512];
    snprintf(text, sizeof text, "%.*f", digits, fabs(value) < step / 2 ? 0 : value);
    for (char *s = text; *s; s++)
        if (*s == ',') *s = '.';
    fputs(text, out);
}

// Puts text inside an element: XML's special characters become references, control characters are left out.
static void put_text(FILE *out, const char *s) {
    for (; *s; s++) {
        if (*s == '<' || *s == '>' || *s == '&' || *s == '"')
            fprintf(out, "&#%d;", *s);
        else if ((unsigned char)*s >= ' ')
            putc(*s, out);
    }
}

// ---- axes -----------------------------------------------------------------------------------------------------------

// From low to high in steps of 1, 2 or 5 times a power of ten.
struct axis {
    double low, high, step;
};

// An axis of about `ticks` steps that holds all values that were seen.
static struct axis axis_of(double least, double most, int ticks) {
    if (!(least <= most)) least = 0, most = 1; // no value at all
    double span = most - least, scale = fmax(fabs(most), fabs(least));
    if (span <= scale * 1e-6) { // all the same: in the middle
        span = scale > 0 ? scale * 0.1 : 1;
        least -= span / 2, most += span / 2;
    }
    double step = pow(10, floor(log10(span / ticks)));
    double wanted = span / ticks / step;
    step *= wanted > 5 ? 10 : wanted > 2 ? 5 : wanted > 1 ? 2 : 1;
    struct axis a = {floor(least / step + 1e-9) * step, ceil(most / step - 1e-9) * step, step};
    if (a.high <= a.low) a.high = a.low + step;
    return a;
}

static double place(const struct axis *a, double value, double from, double to) {
    return from + (to - from) * (value - a->low) / (a->high - a->low);
}

static int ticks_of(const struct axis *a) { return (int)((a->high - a->low) / a->step + 0.5) + 1; }

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

static struct axis axis_of_values(const struct kit_history *h, bool accuracy) {
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < SERIES; i++)
        for (int k = 0; k < h->count && all[i].accuracy == accuracy; k++) {
            double value = value_of(h, &all[i], k);
            if (!isnan(value)) least = fmin(least, value), most = fmax(most, value);
        }
    if (accuracy && !(least <= most)) least = 0, most = 100;
    struct axis a = axis_of(least, most, 5);
    if (accuracy) a.low = fmax(a.low, 0), a.high = fmin(a.high, 100);
    return a;
}

// A line through neighbours that have values, and a dot where a line would not show, or where there is room for dots.
static void put_series(FILE *out, const struct kit_history *h, const struct series *s, const struct axis *epochs,
                       const struct axis *values) {
    bool dots = h->count <= 60, pen = false;
    fprintf(out, "<g class=\"%s\">\n<path d=\"", s->class);
    for (int k = 0; k < h->count; k++) {
        double value = value_of(h, s, k);
        if (!isnan(value)) {
            fputs(pen ? " L" : "M", out);
            put_number(out, place(epochs, k + 1, left, right), 0.1), putc(' ', out);
            put_number(out, place(values, value, bottom, top), 0.1);
        }
        pen = !isnan(value);
    }
    fputs("\"/>\n", out);
    for (int k = 0; k < h->count; k++) {
        bool alone = (k == 0 || isnan(value_of(h, s, k - 1))) && (k + 1 == h->count || isnan(value_of(h, s, k + 1)));
        double value = value_of(h, s, k);
        if (isnan(value) || !(dots || alone)) continue;
        fputs("<circle r=\"2.5\" cx=\"", out);
        put_number(out, place(epochs, k + 1, left, right), 0.1), fputs("\" cy=\"", out);
        put_number(out, place(values, value, bottom, top), 0.1), fputs("\"/>\n", out);
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

static void put_label(FILE *out, double x, double y, const char *anchor, double value, double step, const char *unit) {
    fputs("<text x=\"", out), put_number(out, x, 0.1), fputs("\" y=\"", out), put_number(out, y, 0.1);
    fprintf(out, "\" text-anchor=\"%s\">", anchor);
    put_number(out, value, step);
    fprintf(out, "%s</text>\n", unit);
}

static void put_line(FILE *out, const char *class, double xa, double ya, double xb, double yb) {
    const double at[] = {xa, ya, xb, yb};
    static const char *const name[] = {"x1", "y1", "x2", "y2"};
    fprintf(out, "<line class=\"%s\"", class);
    for (int k = 0; k < 4; k++) {
        fprintf(out, " %s=\"", name[k]);
        put_number(out, at[k], 0.1), putc('"', out);
    }
    fputs("/>\n", out);
}

static void put_axes(FILE *out, int count, const struct axis *epochs, const struct axis *loss,
                     const struct axis *accuracy) {
    for (int k = 0; k < ticks_of(loss); k++) {
        double value = loss->low + k * loss->step, y = place(loss, value, bottom, top);
        put_line(out, "grid", left, y, right, y);
        put_label(out, left - 8, y + 4, "end", value, loss->step, "");
    }
    for (int k = 0; k < ticks_of(accuracy); k++) {
        double value = accuracy->low + k * accuracy->step;
        put_label(out, right + 8, place(accuracy, value, bottom, top) + 4, "start", value, accuracy->step, " %");
    }
    int step = (int)epochs->step;
    for (int epoch = step; epoch <= count; epoch += step) {
        double x = place(epochs, epoch, left, right);
        put_line(out, "axis", x, bottom, x, bottom + 5);
        put_label(out, x, bottom + 19, "middle", epoch, 1, "");
    }
    put_line(out, "axis", left, bottom, right, bottom);
    put_line(out, "axis", left, bottom, left, top);
    put_line(out, "axis", right, bottom, right, top);
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
    struct axis loss = axis_of_values(h, false), accuracy = axis_of_values(h, true);
    struct axis epochs = axis_of(1, h->count > 1 ? h->count : 1, 10);
    if (epochs.step < 1) epochs.step = 1;
    epochs.low = h->count > 1 ? 1 : 0, epochs.high = h->count > 1 ? h->count : 2; // one epoch: in the middle
    struct kit_file file;
    int status = kit_file_open(&file, path, error);
    if (status) return status;
    FILE *out = file.out;
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n", WIDTH,
            HEIGHT, WIDTH, HEIGHT);
    fputs("<title>", out), put_text(out, title), fputs("</title>\n", out);
    fputs(style, out);
    fprintf(out, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", WIDTH, HEIGHT);
    fprintf(out, "<text class=\"title\" x=\"%d\" y=\"24\">", LEFT), put_text(out, title), fputs("</text>\n", out);
    put_axes(out, h->count, &epochs, &loss, &accuracy);
    for (int i = 0; i < SERIES; i++) put_series(out, h, &all[i], &epochs, all[i].accuracy ? &accuracy : &loss);
    put_legend(out);
    fputs("</svg>\n", out);
    return kit_file_close(&file, error);
}
