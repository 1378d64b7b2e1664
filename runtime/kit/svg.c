// svg.c: the parts of an SVG with axes: numbers, texts, lines, labels.
#include <math.h>

#include "svg.h"

void kit_svg_number(FILE *out, double value, double step) {
    int digits = 0;
    for (double unit = 1; digits < 9 && fabs(step - floor(step / unit + 0.5) * unit) > step * 1e-6; unit /= 10)
        digits++;
    char text[512];
    snprintf(text, sizeof text, "%.*f", digits, fabs(value) < step / 2 ? 0 : value);
    for (char *s = text; *s; s++)
        if (*s == ',') *s = '.';
    fputs(text, out);
}

void kit_svg_text(FILE *out, const char *s) {
    for (; *s; s++) {
        if (*s == '<' || *s == '>' || *s == '&' || *s == '"')
            fprintf(out, "&#%d;", *s);
        else if ((unsigned char)*s >= ' ')
            putc(*s, out);
    }
}

struct kit_svg_axis kit_svg_axis_of(double least, double most, int ticks) {
    if (!(least <= most)) least = 0, most = 1; // no value at all
    double span = most - least, scale = fmax(fabs(most), fabs(least));
    if (span <= scale * 1e-6) { // all the same: in the middle
        span = scale > 0 ? scale * 0.1 : 1;
        least -= span / 2, most += span / 2;
    }
    double step = pow(10, floor(log10(span / ticks)));
    double wanted = span / ticks / step;
    step *= wanted > 5 ? 10 : wanted > 2 ? 5 : wanted > 1 ? 2 : 1;
    struct kit_svg_axis a = {floor(least / step + 1e-9) * step, ceil(most / step - 1e-9) * step, step};
    if (a.high <= a.low) a.high = a.low + step;
    return a;
}

double kit_svg_place(const struct kit_svg_axis *a, double value, double from, double to) {
    return from + (to - from) * (value - a->low) / (a->high - a->low);
}

int kit_svg_ticks(const struct kit_svg_axis *a) { return (int)((a->high - a->low) / a->step + 0.5) + 1; }

void kit_svg_label(FILE *out, double x, double y, const char *anchor, double value, double step, const char *unit) {
    fputs("<text x=\"", out), kit_svg_number(out, x, 0.1), fputs("\" y=\"", out), kit_svg_number(out, y, 0.1);
    fprintf(out, "\" text-anchor=\"%s\">", anchor);
    kit_svg_number(out, value, step);
    fprintf(out, "%s</text>\n", unit);
}

void kit_svg_line(FILE *out, const char *class, double xa, double ya, double xb, double yb) {
    const double at[] = {xa, ya, xb, yb};
    static const char *const name[] = {"x1", "y1", "x2", "y2"};
    fprintf(out, "<line class=\"%s\"", class);
    for (int k = 0; k < 4; k++) {
        fprintf(out, " %s=\"", name[k]);
        kit_svg_number(out, at[k], 0.1), putc('"', out);
    }
    fputs("/>\n", out);
}

void kit_svg_begin(FILE *out, int left, const char *style, const char *title) {
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\">\n",
            KIT_SVG_WIDTH, KIT_SVG_HEIGHT, KIT_SVG_WIDTH, KIT_SVG_HEIGHT);
    fputs("<title>", out), kit_svg_text(out, title), fputs("</title>\n", out);
    fputs(style, out);
    fprintf(out, "<rect class=\"paper\" width=\"%d\" height=\"%d\"/>\n", KIT_SVG_WIDTH, KIT_SVG_HEIGHT);
    fprintf(out, "<text class=\"title\" x=\"%d\" y=\"24\">", left), kit_svg_text(out, title), fputs("</text>\n", out);
}
