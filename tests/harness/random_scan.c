// random_scan.c: loops over steps in random .dl programs: over any axis, of fixed and of run-time length, in either
// direction, one in another; over one or two sequences and the numbers of the steps; with carried values of any dtype,
// some of which change places; what a body computes is drawn like all other lines.
//     v7, c8 = scan e5 in v2 over 1, t6 in iota([N]), reverse=true from c8 = v3 {
//         v9 = linear(e5, 7, name="fc10")
//         c8 = tanh(c8 * 0.7 + v9 * 0.3)
//         yield v9 over -1
//     }
#include <string.h>

#include "random_text.h"

enum { MAX_CARRIED = 3, MAX_YIELDED = 3, MAX_DEEP = 2, NO_MORE = TEXT_VALUES - 24 };

typedef struct Scan {
    Writer *w;
    Str head, carried_text;
    Axis steps;
    int outside; // values before the body
    Value carried[MAX_CARRIED];
    int ncarried;
    Value result[MAX_YIELDED];
    int nresults;
} Scan;

static char *new_name(Writer *w, char letter) { return arena_printf(w->arena, "%c%d", letter, w->names++); }

static void draw_element(Scan *l, const Value *x, int axis) {
    Writer *w = l->w;
    Value of = *x;
    of.rank--;
    for (int d = axis; d < of.rank; d++) of.axis[d] = x->axis[d + 1];
    char *name = new_name(w, 'e');
    str_printf(&l->head, "%s%s in %s", str_text(&l->head)[0] ? ", " : "", name, x->name);
    if (axis || text_pick(w, 3) == 0) str_printf(&l->head, " over %d", text_pick(w, 2) ? axis : axis - x->rank);
    text_add(w, of, name);
}

enum { MOST_STEPS = 64 };

// One or two sequences of one length, and the steps.
static bool draw_sequences(Scan *l) {
    Writer *w = l->w;
    const Value *x = text_value(w, text_pick(w, 4) ? FLOATS : ANYTHING, 1, TEXT_RANK);
    if (!x) return false;
    int axis = text_pick(w, x->rank);
    l->steps = x->axis[axis];
    if (text_extent(w, l->steps) > MOST_STEPS) return false; // of some hundred, a gradient is interpreted for minutes
    const Value first = *x;
    draw_element(l, &first, axis);
    for (int tries = text_pick(w, 2) ? 0 : 12; tries > 0; tries--) {
        int at = text_pick(w, l->outside);
        const Value other = w->value[at];
        for (axis = 0; axis < other.rank && !text_same_axis(other.axis[axis], l->steps);) axis++;
        if (axis == other.rank) continue;
        draw_element(l, &other, axis);
        break;
    }
    if (text_pick(w, 3)) return true;
    Value count = {.rank = 1, .axis = {l->steps}}, t = {.dtype = I64, .exact = {0, 6}};
    char *name = new_name(w, 't');
    str_printf(&l->head, ", %s in iota(%s)", name, text_shape(w, &count));
    text_add(w, t, name);
    return true;
}

static void draw_carried(Scan *l) {
    Writer *w = l->w;
    for (int k = text_pick(w, MAX_CARRIED + 1); k > 0; k--) {
        const Value *x = text_value(w, text_pick(w, 5) ? FLOATS : ANYTHING, 0, TEXT_RANK);
        if (!x || x - w->value >= l->outside) continue;
        Value from = *x;
        from.exact = inexact, from.learned = from.dtype == F32;
        char *name = new_name(w, 'c');
        str_printf(&l->carried_text, "%s %s = %s", l->ncarried ? "," : " from", name, x->name);
        l->carried[l->ncarried] = from;
        l->carried[l->ncarried++].name = name;
        text_add(w, from, name);
    }
}

// A value of the body that broadcasts to the carried one.
static const Value *fitting(Scan *l, const Value *to) {
    for (int tries = 0; tries < 24; tries++) {
        const Value *x = text_value(l->w, to->dtype == F32 ? FLOATS : ANYTHING, 0, to->rank);
        bool fits = x && x->dtype == to->dtype && x - l->w->value >= l->outside && strcmp(x->name, to->name);
        for (int d = 0; fits && d < x->rank; d++) fits = text_same_axis(x->axis[d], to->axis[to->rank - x->rank + d]);
        if (fits) return x;
    }
    return NULL;
}

static void change_carried(Scan *l, const Value *c) {
    Writer *w = l->w;
    const Value *x = fitting(l, c);
    const char *name = c->name;
    if (c->dtype == BOOL)
        text_line(w, "%s = %s", name, x && x->rank == c->rank ? x->name : arena_printf(w->arena, "not %s", name));
    else if (c->dtype != F32)
        text_line(w, "%s = %s + %s", name, name, x ? x->name : "1");
    else if (!x)
        text_line(w, "%s = %s * 0.9 + 0.1", name, name);
    else if (x->rank == c->rank && text_pick(w, 8) == 0)
        text_line(w, "%s = %s", name, x->name);
    else if (text_pick(w, 4) == 0)
        text_line(w, "%s = select(broadcast(%s > 0.0137, %s), tanh(%s), %s)", name, name, text_shape(w, c), x->name,
                  name);
    else if (text_pick(w, 4) == 0)
        text_line(w, "%s = %s * 0.5 + %s", name, name, x->name);
    else
        text_line(w, "%s = tanh(%s * 0.7 + %s * 0.3)", name, name, x->name);
}

static void end_carried(Scan *l) {
    Writer *w = l->w;
    for (int k = 0; k < l->ncarried; k++)
        if (text_pick(w, 12)) change_carried(l, &l->carried[k]);
    const Value *a = &l->carried[0], *b = &l->carried[1];
    if (l->ncarried < 2 || a->dtype != b->dtype || strcmp(text_shape(w, a), text_shape(w, b)) || text_pick(w, 3))
        return;
    const char *kept = new_name(w, 'v');
    text_line(w, "%s = %s", kept, a->name);
    text_line(w, "%s = %s", a->name, b->name);
    text_line(w, "%s = %s", b->name, kept);
}

static void draw_yields(Scan *l) {
    Writer *w = l->w;
    Str s = str_new(w->arena);
    for (int k = (l->ncarried == 0) + text_pick(w, MAX_YIELDED); k > 0 && l->nresults < MAX_YIELDED; k--) {
        const Value *x = text_value(w, text_pick(w, 4) ? FLOATS : ANYTHING, 0, TEXT_RANK - 1);
        if (!x && !l->ncarried) x = text_value(w, ANYTHING, 0, TEXT_RANK - 1);
        if (!x) continue;
        Value to = *x;
        int axis = text_pick(w, 2) ? 0 : text_pick(w, x->rank + 1);
        for (int d = x->rank; d > axis; d--) to.axis[d] = x->axis[d - 1];
        to.axis[axis] = l->steps, to.rank++;
        str_printf(&s, "%s%s", l->nresults ? ", " : "", x->name);
        if (axis) str_printf(&s, " over %d", text_pick(w, 2) ? axis : axis - to.rank);
        l->result[l->nresults++] = to;
    }
    if (l->nresults) text_line(w, "yield %s", str_text(&s));
}

static void draw_body(Scan *l) {
    Writer *w = l->w;
    bool again = text_pick(w, 8) == 0; // computed again for the gradient
    if (again) text_line(w, "checkpoint {");
    w->depth += again;
    for (int steps = 1 + text_pick(w, 4), tries = 0; steps > 0 && tries < 60 && w->nvalues < NO_MORE; tries++)
        if (text_grow(w)) steps--;
    w->depth -= again;
    if (again) text_line(w, "}");
    end_carried(l);
    draw_yields(l);
}

// The names of its results, which become values.
static const char *name_results(Scan *l) {
    Writer *w = l->w;
    Str s = str_new(w->arena);
    for (int k = 0; k < l->nresults + l->ncarried; k++) {
        Value v = k < l->nresults ? l->result[k] : l->carried[k - l->nresults];
        char *name = new_name(w, 'v');
        str_printf(&s, "%s%s", k ? ", " : "", name);
        v.used = false;
        text_add(w, v, name);
    }
    return arena_strdup(w->arena, str_text(&s));
}

static bool fits(const Scan *l) {
    for (int k = 0; k < l->nresults; k++)
        if (text_count(l->w, &l->result[k]) > TEXT_ELEMENTS) return false;
    return l->nresults + l->ncarried > 0;
}

bool text_scan(Writer *w) {
    if (w->scans == MAX_DEEP || w->nvalues > NO_MORE || !w->nvalues) return false;
    Scan l = {.w = w, .head = str_new(w->arena), .carried_text = str_new(w->arena), .outside = w->nvalues};
    if (!draw_sequences(&l)) {
        w->nvalues = l.outside;
        return false;
    }
    if (text_pick(w, 3) == 0) str_printf(&l.head, ", reverse=%s", text_pick(w, 8) ? "true" : "false");
    draw_carried(&l);
    size_t start = w->text.len;
    w->scans++, w->depth++;
    draw_body(&l);
    w->scans--, w->depth--;
    char *inside = arena_strdup(w->arena, str_text(&w->text) + start);
    w->text.len = start, w->nvalues = l.outside;
    if (start) w->text.at[start] = 0;
    if (!fits(&l)) return false;
    const char *names = name_results(&l);
    text_line(w, "%s = scan %s%s {", names, str_text(&l.head), str_text(&l.carried_text));
    str_put(&w->text, inside);
    text_line(w, "}");
    return true;
}
