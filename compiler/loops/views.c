// views.c: stored values that are no memory of their own, but another value's under other dims, or a part of it.
//     %5 = reshape %4 : f32[N, 2352]      %4: f32[N, 7, 7, 48] is stored        the same memory: no kernel, no copy
//     %5 = slice %4                       every step-th element of it           strides of %4, from an element on
//     %7 = concat %5, %6 {axis=3}         %5 and %6 are stored into %7's parts  the concat is no kernel
// Vectors need stride 1 along the last axis and nothing else, so that is all that a view must have. Concats come first:
// a part is stored with the strides of the whole, and a reshape that joins axes across the part's edge stays a copy. A
// value can be a part of one concat only. An axis of the view that is a whole axis of the memory shares its halo; other
// axes have none. Where a reshape joined axes, no halo may come between them later (views_widen refuses).
#include <string.h>

#include "loops/lower.h"

enum { ONE = -1 }; // axis: of one element

static bool is_movement(const Node *node) { return node->op->traits & (OP_MOVEMENT | OP_IDENTITY); }

// Without halos.
static void dense_strides(const Type *type, int64_t *stride) {
    int64_t elements = 1;
    for (int d = type->rank - 1; d >= 0; d--) {
        stride[d] = elements;
        elements *= type->dim[d].extent;
    }
}

static void strides_of(const Views *v, const Node *node, int64_t *stride) {
    const View *view = v->view[node->id];
    int64_t base[MAX_RANK];
    if (!view) {
        dense_strides(&node->type, stride);
        return;
    }
    strides_of(v, v->base[node->id], base);
    for (int d = 0; d < node->type.rank; d++)
        stride[d] = view->axis[d] == ONE ? 1 : base[view->axis[d]] * view->step[d];
}

void view_same_axes(View *view, int rank) {
    for (int d = 0; d < rank; d++) {
        view->axis[d] = (signed char)d;
        view->step[d] = 1;
    }
}

// ---- concats --------------------------------------------------------------------------------------------------------

static bool is_free(const Views *v, const Node *node) {
    return !(node->op->traits & OP_INPUT) && !v->output[node->id] && !v->prepared[node->id];
}

// The stored values that a concat is made of, in order; false when there is anything else.
static bool collect_parts(const Views *v, const Node *concat, NodeVec *parts) {
    for (int i = 0; i < concat->nin; i++) {
        Node *in = concat->in[i];
        if (!v->stored[in->id]) {
            bool same = node_is(in, concat) && node_attr(in, "axis")->i == node_attr(concat, "axis")->i;
            if (!same || !collect_parts(v, in, parts)) return false;
            continue;
        }
        if (!is_free(v, in) || v->view[in->id]) return false;
        for (int k = 0; k < parts->len; k++)
            if (parts->at[k] == in) return false;
        vec_push(v->arena, parts, in);
    }
    return true;
}

static void place_parts(Views *v, const Node *concat) {
    NodeVec parts = {0};
    int axis = (int)node_attr(concat, "axis")->i;
    int64_t first = 0;
    if (!collect_parts(v, concat, &parts) || !parts_are_placed(&parts, axis)) return;
    for (int k = 0; k < parts.len; k++) {
        const Node *part = parts.at[k];
        View *view = NEW(v->arena, View);
        *view = (View){.part = true, .whole = ((1u << part->type.rank) - 1) & ~(1u << axis)};
        view_same_axes(view, part->type.rank);
        view->first[axis] = first;
        first += part->type.dim[axis].extent;
        v->view[part->id] = view;
        v->base[part->id] = concat;
    }
}

// ---- movement -------------------------------------------------------------------------------------------------------

// A view as it grows from the stored value on: its dims so far.
typedef struct Trail {
    const Node *base;
    int64_t stride[MAX_RANK]; // of base
    Type type;
    View view;
} Trail;

static void start_at(const Views *v, const Node *base, Trail *t) {
    *t = (Trail){.base = base, .type = base->type, .view = {.whole = (1u << base->type.rank) - 1}};
    strides_of(v, base, t->stride);
    view_same_axes(&t->view, base->type.rank);
}

static int64_t stride_at(const Trail *t, int d) {
    return t->view.axis[d] == ONE ? 1 : t->stride[t->view.axis[d]] * t->view.step[d];
}

static bool transpose_view(const Node *node, Trail *t) {
    const Attr *perm = node_attr(node, "perm");
    View old = t->view;
    t->view.whole = 0;
    for (int d = 0; d < perm->n; d++) {
        t->view.axis[d] = old.axis[perm->ints[d]];
        t->view.step[d] = old.step[perm->ints[d]];
        t->view.whole |= (old.whole >> perm->ints[d] & 1) << d;
    }
    return true;
}

static bool slice_view(const Node *node, Trail *t) {
    const Count *start = node_attr(node, "start")->counts;
    const int64_t *step = node_attr(node, "step")->ints;
    for (int d = 0; d < node->type.rank; d++) {
        int axis = t->view.axis[d];
        if (dim_equal(node->type.dim[d], t->type.dim[d]) || axis == ONE) continue;
        if (step[d] < 0 || start[d].size) return false; // a view begins at one place in every call
        t->view.first[axis] += start[d].at * t->view.step[d];
        t->view.step[d] *= step[d];
        t->view.whole &= ~(1u << d);
    }
    for (int d = 0; d < node->type.rank; d++) // flipped
        if (step[d] < 0 && !dim_is_one(node->type.dim[d])) return false;
    return true;
}

// Axes [a0, a1) as one: the last of more than one element, when each lies without a gap in the one before.
static int join_axes(Trail *t, int a0, int a1) {
    int last = ONE;
    for (int d = a1 - 1; d >= a0; d--) {
        if (dim_is_one(t->type.dim[d])) continue;
        int64_t inner = last == ONE ? 0 : stride_at(t, last);
        for (int e = d + 1; e <= last; e++) inner *= t->type.dim[e].extent;
        if (last != ONE && stride_at(t, d) != inner) return ONE;
        if (last == ONE) last = d;
    }
    // What lies between the first and the last in memory may get no halo.
    int from = t->view.axis[a0], to = last == ONE ? ONE : t->view.axis[last];
    for (int d = a0; d <= last; d++)
        if (!dim_is_one(t->type.dim[d]) && t->view.axis[d] < from) from = t->view.axis[d];
    for (int axis = from + 1; axis <= to; axis++) t->view.merged |= 1u << axis;
    return last;
}

static bool reshape_view(const Node *node, Trail *t) {
    ShapeRun runs[MAX_RANK];
    const Type *to = &node->type;
    int n = shape_runs(&t->type, to, runs);
    View old = t->view;
    t->view.whole = 0;
    for (int d = 0; d < to->rank; d++) t->view.axis[d] = ONE;
    View made = t->view;
    for (int k = 0; k < n; k++) {
        const ShapeRun *run = &runs[k];
        bool passes = run->a1 - run->a0 == 1 && run->b1 - run->b0 == 1;
        if (!shape_run_is_fixed(&t->type, to, *run)) return false; // memory has the bound between the elements
        t->view = old;
        t->view.merged = made.merged;
        int last = join_axes(t, run->a0, run->a1);
        if (last == ONE) return false;
        made.merged = t->view.merged;
        int64_t step = old.step[last];
        for (int d = run->b1 - 1; d >= run->b0; d--) {
            if (dim_is_one(to->dim[d])) continue;
            made.axis[d] = old.axis[last];
            made.step[d] = step;
            step *= to->dim[d].extent;
        }
        if (passes) made.whole |= (old.whole >> last & 1) << run->b0;
    }
    t->view = made;
    return true;
}

static bool follow(const Views *v, const Node *node, const Node *until, Trail *t) {
    if (node != until && v->stored[node->id]) {
        start_at(v, node, t);
        return true;
    }
    if (!is_movement(node) || node->nin != 1 || !follow(v, node->in[0], until, t)) return false;
    bool fits = node->op->traits & OP_IDENTITY ? true
                : node_is(node, reshape)       ? reshape_view(node, t)
                : node_is(node, transpose)     ? transpose_view(node, t)
                : node_is(node, slice)         ? slice_view(node, t)
                                               : false;
    t->type = node->type;
    return fits;
}

// Whether the view is all of its memory, in the same order: the only views of the caller's arrays and of storages.
static bool is_dense(const Trail *t) {
    int64_t stride[MAX_RANK];
    dense_strides(&t->type, stride);
    bool dense = type_count(&t->type) == type_count(&t->base->type) && t->type.rank;
    for (int d = 0; d < t->type.rank; d++) dense &= dim_is_one(t->type.dim[d]) || stride_at(t, d) == stride[d];
    return dense;
}

static const Node *root_of(const Views *v, const Node *node) {
    while (v->view[node->id]) node = v->base[node->id];
    return node;
}

static void see_through(Views *v, const Node *node) {
    Trail t;
    if (!is_movement(node) || !is_free(v, node) || v->view[node->id] || !follow(v, node, node, &t)) return;
    int last = t.type.rank - 1;
    if (last < 0 || (!dim_is_one(t.type.dim[last]) && stride_at(&t, last) != 1)) return;
    if (!is_free(v, root_of(v, t.base)) && !is_dense(&t)) return;
    View *view = NEW(v->arena, View);
    *view = t.view;
    v->view[node->id] = view;
    v->base[node->id] = t.base;
}

// ---- which ----------------------------------------------------------------------------------------------------------

// A group that stores one movement and nothing else.
static const Node *moved_alone(const Group *group) {
    bool alone = group->kind == GROUP_ROWS && group->outputs.len == 1 && !group->reduces.len;
    return alone && is_movement(group->outputs.at[0]) ? group->outputs.at[0] : NULL;
}

void views_find(Views *v) {
    int n = v->g->nodes.len, ngroups = v->g->groups.len;
    v->output = NEW_ARRAY(v->arena, bool, n + 1);
    v->view = NEW_ARRAY(v->arena, View *, n + 1);
    v->base = NEW_ARRAY(v->arena, const Node *, n + 1);
    for (int k = 0; k < v->g->outputs.len; k++) v->output[v->g->outputs.at[k].value->id] = true;
    for (int k = 0; k < ngroups; k++) {
        const Node *node = moved_alone(&v->g->groups.at[k]);
        if (node && node_is(node, concat) && is_free(v, node)) place_parts(v, node);
    }
    for (int k = 0; k < ngroups; k++) {
        const Node *node = moved_alone(&v->g->groups.at[k]);
        if (node) see_through(v, node);
    }
}

bool views_replace(const Views *v, const Group *group) {
    const Node *node = moved_alone(group);
    if (!node) return false;
    if (v->view[node->id] && !v->view[node->id]->part) return true;
    if (!node_is(node, concat)) return false;
    const Node *part = node;
    while (node_is(part, concat) && (part == node || !v->stored[part->id])) part = part->in[0];
    return v->base[part->id] == node && v->view[part->id]->part;
}

// ---- places ---------------------------------------------------------------------------------------------------------

// Whether axes `wide` of the buffer may get a halo, for all that lies in it.
static bool may_widen(const Program *program, const Buffer *buffer, unsigned wide) {
    for (int k = 0; k < program->buffers.len; k++) {
        const Buffer *in = program->buffers.at[k];
        if (!in->view || in->view->of != buffer) continue;
        unsigned shared = 0, own = 0;
        for (int d = 0; d < in->rank; d++) {
            if (!(in->view->whole >> d & 1)) continue;
            shared |= 1u << in->view->axis[d];
            own |= (wide >> in->view->axis[d] & 1) << d;
        }
        // A kernel that stores a part fills its halo, not that of the whole.
        if ((wide & in->view->merged) || (in->view->part && (wide & ~shared)) || !may_widen(program, in, own))
            return false;
    }
    return true;
}

bool views_widen(Program *program, Buffer *buffer, const int *before, const int *after) {
    int low[MAX_RANK], high[MAX_RANK];
    memcpy(low, before, sizeof low);
    memcpy(high, after, sizeof high);
    for (; buffer->view; buffer = buffer->view->of) {
        const View *view = buffer->view;
        int from_low[MAX_RANK] = {0}, from_high[MAX_RANK] = {0};
        for (int d = 0; d < buffer->rank; d++) {
            if (!low[d] && !high[d]) continue;
            if (!(view->whole >> d & 1)) return false;
            from_low[view->axis[d]] = low[d];
            from_high[view->axis[d]] = high[d];
        }
        memcpy(low, from_low, sizeof low);
        memcpy(high, from_high, sizeof high);
    }
    unsigned wide = 0;
    for (int d = 0; d < buffer->rank; d++) wide |= (unsigned)(low[d] || high[d]) << d;
    if (!may_widen(program, buffer, wide)) return false;
    buffer_widen(buffer, low, high);
    return true;
}

static void lay_out(Buffer *buffer) {
    const View *view = buffer->view;
    const Buffer *of = view->of;
    unsigned shared = 0;
    if (of->view) lay_out(view->of);
    for (int d = 0; d < buffer->rank; d++) {
        bool whole = view->whole >> d & 1;
        if (whole) shared |= 1u << view->axis[d];
        buffer->before[d] = whole ? of->before[view->axis[d]] : 0;
        buffer->after[d] = whole ? of->after[view->axis[d]] : 0;
        buffer->stride[d] = view->axis[d] == ONE ? 1 : of->stride[view->axis[d]] * view->step[d];
    }
    buffer->start = of->start;
    for (int a = 0; a < of->rank; a++)
        buffer->start += (view->first[a] + (shared >> a & 1 ? 0 : of->before[a])) * of->stride[a];
    buffer->bytes = buffer_reach(buffer) * dtype_info[buffer->dtype].bytes;
}

void views_lay_out(Program *program) {
    for (int k = 0; k < program->buffers.len; k++)
        if (program->buffers.at[k]->view) lay_out(program->buffers.at[k]);
}
