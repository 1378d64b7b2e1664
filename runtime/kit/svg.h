// svg.h: the parts of an SVG with axes. Private to the kit, which draws curves (curve.c) and lines (plot.c) with them.
#ifndef DLC_KIT_SVG_H
#define DLC_KIT_SVG_H

#include "kit.h"

enum { KIT_SVG_WIDTH = 720, KIT_SVG_HEIGHT = 400 };

// From low to high in steps of 1, 2 or 5 times a power of ten.
struct kit_svg_axis {
    double low, high, step;
};

// An axis of about `ticks` steps that holds all values from least to most; from 0 to 1 if least is not below or equal.
struct kit_svg_axis kit_svg_axis_of(double least, double most, int ticks);
// Where a value stands between the ends `from` and `to` of the axis.
double kit_svg_place(const struct kit_svg_axis *a, double value, double from, double to);
int kit_svg_ticks(const struct kit_svg_axis *a);

// Puts a number with a point in any locale, and with no more digits than `step` needs.
void kit_svg_number(FILE *out, double value, double step);
// Puts text inside an element: XML's special characters become references, control characters are left out.
void kit_svg_text(FILE *out, const char *s);
// Puts a number with its unit as a label at (x, y). anchor: "start", "middle" or "end".
void kit_svg_label(FILE *out, double x, double y, const char *anchor, double value, double step, const char *unit);
void kit_svg_line(FILE *out, const char *class, double xa, double ya, double xb, double yb);
// Puts the first element with the style, the paper and the title; `left` is where the title begins.
void kit_svg_begin(FILE *out, int left, const char *style, const char *title);

#endif
