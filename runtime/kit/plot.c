// plot.c: lines over a common axis as an SVG. Values that are no numbers are gaps. Colours follow the reader's light or
// dark theme.
#include <math.h>

#include "fail.h"
#include "svg.h"

enum { LEFT = 76, RIGHT = 24, BOTTOM = 48, LEGEND_ACROSS = 4, LEGEND_WIDTH = 155 };

static const char style[] =
    "<style>\n"
    "svg { font: 12px system-ui, sans-serif; }\n"
    ".paper { fill: #ffffff; } text { fill: #333333; } .title { font-size: 15px; font-weight: 600; }\n"
    ".grid { stroke: #dddddd; } .axis { stroke: #888888; }\n"
    "path { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }\n"
    ".dashed { stroke-dasharray: 5 5; }\n"
    ".c0 { stroke: #1d6fb8; } .c1 { stroke: #c2410c; } .c2 { stroke: #15803d; } .c3 { stroke: #7c3aed; }\n"
    ".c4 { stroke: #a16207; } .c5 { stroke: #db2777; } .c6 { stroke: #64748b; } .c7 { stroke: #0e7490; }\n"
    "@media (prefers-color-scheme: dark) {\n"
    ".paper { fill: #16181d; } text { fill: #d5d8de; } .grid { stroke: #33373f; } .axis { stroke: #7d838f; }\n"
    ".c0 { stroke: #60a5fa; } .c1 { stroke: #fb923c; } .c2 { stroke: #4ade80; } .c3 { stroke: #a78bfa; }\n"
    ".c4 { stroke: #facc15; } .c5 { stroke: #f472b6; } .c6 { stroke: #94a3b8; } .c7 { stroke: #22d3ee; }\n"
    "}\n"
    "</style>\n";

// The value as it stands on the axis; NaN for a gap.
static double value_of(const struct kit_plot *p, const struct kit_line *line, int32_t k) {
    double value = (double)line->y[k];
    if (p->logarithmic) return value > 0 && value <= 3.5e38 ? log10(value) : NAN;
    return fabs(value) <= 1e30 ? value : NAN;
}

static double x_of(const struct kit_plot *p, int32_t k) { return p->first + k * p->step; }

// The axis of all values; a logarithmic one has whole powers of ten.
static struct kit_svg_axis values_of(const struct kit_plot *p, const struct kit_line *line, int count) {
    double least = INFINITY, most = -INFINITY;
    for (int i = 0; i < count; i++)
        for (int32_t k = 0; k < line[i].count; k++) {
            double value = value_of(p, &line[i], k);
            if (!isnan(value)) least = fmin(least, value), most = fmax(most, value);
        }
    struct kit_svg_axis a = kit_svg_axis_of(least, most, 6);
    if (!p->logarithmic || a.step >= 1) return a;
    return (struct kit_svg_axis){floor(a.low), ceil(a.high), 1};
}

static void put_path(FILE *out, const struct kit_plot *p, const struct kit_line *line, int colour,
                     const struct kit_svg_axis *xs, const struct kit_svg_axis *ys, double top) {
    bool pen = false;
    fprintf(out, "<path class=\"c%d%s\" d=\"", colour, line->dashed ? " dashed" : "");
    for (int32_t k = 0; k < line->count; k++) {
        double value = value_of(p, line, k);
        if (!isnan(value)) {
            fputs(pen ? " L" : "M", out);
            kit_svg_number(out, kit_svg_place(xs, x_of(p, k), LEFT, KIT_SVG_WIDTH - RIGHT), 0.1), putc(' ', out);
            kit_svg_number(out, kit_svg_place(ys, value, KIT_SVG_HEIGHT - BOTTOM, top), 0.1);
            bool last = k + 1 == line->count || isnan(value_of(p, line, k + 1));
            if (!pen && last) fputs("h0", out); // alone: a dot
        }
        pen = !isnan(value);
    }
    fputs("\"/>\n", out);
}

static void put_axes(FILE *out, const struct kit_plot *p, const struct kit_svg_axis *xs, const struct kit_svg_axis *ys,
                     double top) {
    const double left = LEFT, right = KIT_SVG_WIDTH - RIGHT, bottom = KIT_SVG_HEIGHT - BOTTOM;
    for (int k = 0; k < kit_svg_ticks(ys); k++) {
        double value = ys->low + k * ys->step, y = kit_svg_place(ys, value, bottom, top);
        kit_svg_line(out, "grid", left, y, right, y);
        if (p->logarithmic)
            fprintf(out, "<text x=\"%d\" y=\"%.0f\" text-anchor=\"end\">1e%.0f</text>\n", LEFT - 8, y + 4, value);
        else
            kit_svg_label(out, left - 8, y + 4, "end", value, ys->step, "");
    }
    double first = ceil(xs->low / xs->step - 1e-9);
    int ticks = (int)(xs->high / xs->step - first + 1e-6) + 1;
    for (int k = 0; k < ticks; k++) {
        double x = (first + k) * xs->step;
        double at = kit_svg_place(xs, x, left, right);
        kit_svg_line(out, "axis", at, bottom, at, bottom + 5);
        kit_svg_label(out, at, bottom + 19, "middle", x, xs->step, "");
    }
    kit_svg_line(out, "axis", left, bottom, right, bottom);
    kit_svg_line(out, "axis", left, bottom, left, top);
    fprintf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">", (LEFT + KIT_SVG_WIDTH - RIGHT) / 2,
            KIT_SVG_HEIGHT - 10);
    kit_svg_text(out, p->x_label), fputs("</text>\n", out);
    int middle = ((int)top + KIT_SVG_HEIGHT - BOTTOM) / 2;
    fprintf(out, "<text x=\"16\" y=\"%d\" text-anchor=\"middle\" transform=\"rotate(-90 16 %d)\">", middle, middle);
    kit_svg_text(out, p->y_label), fputs("</text>\n", out);
}

static void put_legend(FILE *out, const struct kit_line *line, int count) {
    for (int i = 0; i < count; i++) {
        int x = LEFT + i % LEGEND_ACROSS * LEGEND_WIDTH, y = 46 + i / LEGEND_ACROSS * 18;
        fprintf(out, "<path class=\"c%d%s\" d=\"M%d %d L%d %d\"/>\n", i, line[i].dashed ? " dashed" : "", x, y, x + 26,
                y);
        fprintf(out, "<text x=\"%d\" y=\"%d\">", x + 32, y + 4);
        kit_svg_text(out, line[i].name), fputs("</text>\n", out);
    }
}

int kit_plot_write(const struct kit_plot *p, const struct kit_line *line, int count, const char *path, char *error) {
    if (count < 1 || count > KIT_MAX_LINES)
        return kit_fail(error, KIT_EVALUE, "%s: a plot has 1 to %d lines, not %d", path, KIT_MAX_LINES, count);
    if (!(p->step > 0)) return kit_fail(error, KIT_EVALUE, "%s: the step of a plot is above 0, not %g", path, p->step);
    int32_t longest = 2;
    for (int i = 0; i < count; i++)
        if (line[i].count > longest) longest = line[i].count;
    struct kit_svg_axis xs = kit_svg_axis_of(x_of(p, 0), x_of(p, longest - 1), 10), ys = values_of(p, line, count);
    xs.low = x_of(p, 0), xs.high = x_of(p, longest - 1);
    double top = 64 + (count - 1) / LEGEND_ACROSS * 18;
    struct kit_file file;
    int status = kit_file_open(&file, path, error);
    if (status) return status;
    kit_svg_begin(file.out, LEFT, style, p->title);
    put_axes(file.out, p, &xs, &ys, top);
    for (int i = 0; i < count; i++) put_path(file.out, p, &line[i], i, &xs, &ys, top);
    put_legend(file.out, line, count);
    fputs("</svg>\n", file.out);
    return kit_file_close(&file, error);
}
