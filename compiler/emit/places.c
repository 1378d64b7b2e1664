// places.c: names for places in buffers that one body of statements reads or writes many times.
//
//     sum += x[n * 4096 + i * 64 + k]              const float *x_at = x + (n * 4096 + i * 64 + k);
//     sum += x[n * 4096 + i * 64 + k + 64]         sum += x_at[0];
//     sum += x[n * 4096 + i * 64 + k + 128]        sum += x_at[64]; sum += x_at[128]; ...
//
// Accesses that differ only by constants and by variables of unrolled loops share a place: that of the first of them in
// memory. Every iteration of the body makes that access, so the pointer never leaves its buffer.
#include <string.h>

#include "emit/parts.h"

enum { FEW_USES = 4 }; // places with fewer uses get no name

bool term_is_unrolled(const struct Term *term) {
    return term->atom.kind == ATOM_VAR && term->atom.var->loop && term->atom.var->loop->loop == FOR_UNROLLED;
}

// Whether it is a variable, or a sum of variables divided by a constant: its value does not change within the body.
static bool is_fixed(const Atom *atom) {
    if (atom->kind == ATOM_VAR) return true;
    if ((atom->kind != ATOM_DIV && atom->kind != ATOM_MOD) || atom->other) return false;
    for (int k = 0; k < atom->of->nterms; k++)
        if (term_is_unrolled(&atom->of->term[k]) || !is_fixed(&atom->of->term[k].atom)) return false;
    return true;
}

// *c: the elements from the buffer's start to at[], with its variables at 0. Returns false when at[] is not a sum of
// variables and a constant, or is so short that a name would not help.
static bool fixed_part(const Buffer *buffer, const Index *const *at, int64_t *c) {
    int terms = 0;
    *c = 0;
    if (buffer_is_local(buffer) || buffer->by_value) return false;
    for (int d = 0; d < buffer->rank; d++) {
        // The caller's arrays are dense at run-time sizes: a step along an outer axis is no constant then.
        if (buffer->scope == SCOPE_ARGUMENT && d && buffer->dim[d].size) return false;
        for (int k = 0; k < at[d]->nterms; k++)
            if (!is_fixed(&at[d]->term[k].atom)) return false;
        terms += at[d]->nterms;
        *c += (at[d]->c + buffer->before[d]) * buffer->stride[d];
    }
    return terms >= 2;
}

// The index without its constant and the variables of unrolled loops.
static Index *far_part(Arena *arena, const Index *index) {
    Index *part = NEW(arena, Index);
    part->term = NEW_ARRAY(arena, struct Term, index->nterms + 1);
    for (int k = 0; k < index->nterms; k++)
        if (!term_is_unrolled(&index->term[k])) part->term[part->nterms++] = index->term[k];
    return part;
}

static const Index **far_parts(Arena *arena, const Buffer *buffer, const Index *const *at) {
    const Index **parts = NEW_ARRAY(arena, const Index *, buffer->rank + 1);
    for (int d = 0; d < buffer->rank; d++) parts[d] = far_part(arena, at[d]);
    return parts;
}

static Place *find(Printer *p, const Buffer *buffer, const Index *const *far) {
    for (int k = p->places.len - 1; k >= 0; k--) {
        Place *place = &p->places.at[k];
        bool same = place->buffer == buffer;
        for (int d = 0; d < buffer->rank && same; d++) same = index_equal(place->far[d], far[d]);
        if (same) return place;
    }
    return NULL;
}

const Place *place_find(Printer *p, const Buffer *buffer, const Index *const *at, int64_t *offset) {
    if (!p->places.len || !fixed_part(buffer, at, offset)) return NULL;
    const Place *place = find(p, buffer, far_parts(p->arena, buffer, at));
    if (place) *offset -= place->c;
    return place;
}

// ---- what a body uses ----------------------------------------------------------------------------------------------

static bool uses_unrolled(const Buffer *buffer, const Index *const *at) {
    for (int d = 0; d < buffer->rank; d++)
        for (int k = 0; k < at[d]->nterms; k++)
            if (term_is_unrolled(&at[d]->term[k])) return true;
    return false;
}

typedef struct Counter {
    Printer *p;
    Tags seen;
    int turns; // iterations of the unrolled loops around
} Counter;

static void count(const Counter *counter, Buffer *buffer, const Index *const *at, bool write) {
    int64_t c;
    Printer *p = counter->p;
    if (!fixed_part(buffer, at, &c)) return;
    const Index **far = far_parts(p->arena, buffer, at);
    Place *place = find(p, buffer, far);
    if (!place) {
        vec_push(p->arena, &p->places, (Place){.buffer = buffer, .far = far, .c = c});
        place = &p->places.at[p->places.len - 1];
    }
    if (place->name) return; // an outer body has named it
    place->uses += uses_unrolled(buffer, at) ? counter->turns : 1;
    place->written |= write;
    if (c < place->c) place->c = c;
}

static void count_expr(Counter *counter, const Expr *e) {
    int *tag = tag_of(&counter->seen, e);
    if (*tag) return;
    *tag = 1;
    if (e->kind == EXPR_LOAD) count(counter, e->buffer, e->at, false);
    for (int k = 0; k < e->nargs; k++) count_expr(counter, e->arg[k]);
}

// Counts only what every iteration of the body runs. Statements in inner loops and guards may not run; those in
// unrolled loops do.
static void count_stmt(Counter *counter, const Stmt *stmt) {
    bool unrolled = stmt->kind == STMT_FOR && stmt->loop == FOR_UNROLLED;
    if ((stmt->kind == STMT_FOR && !unrolled) || stmt->kind == STMT_IF) return;
    int turns = counter->turns;
    if (unrolled) counter->turns *= (int)((stmt->hi->c - stmt->lo->c) / stmt->step);
    for (int k = 0; k < stmt->body.len; k++) count_stmt(counter, stmt->body.at[k]);
    counter->turns = turns;
    if (stmt->value) count_expr(counter, stmt->value);
    if (stmt->kind == STMT_TRANSPOSE) count(counter, stmt->source, stmt->from, false);
    if (stmt->at) count(counter, stmt->buffer, stmt->at, true);
}

const char *place_name(Arena *arena, const char *of, int number) {
    return number == 1 ? arena_printf(arena, "%s_at", of) : arena_printf(arena, "%s_at%d", of, number);
}

// Declares the pointer of a place. Places of one buffer that are in scope together have numbers.
static void name_place(Printer *p, Place *place) {
    const char *address = place_address(p, place);
    Formal *formal = formal_of(p, place->buffer);
    int number = 1;
    for (int k = 0; k < p->places.len; k++) number += p->places.at[k].name && p->places.at[k].buffer == place->buffer;
    if (number > formal->places) formal->places = number;
    const char *name = place_name(p->arena, formal_number(p->arena, formal), number);
    print_line(p, "%s%s *%s = %s;", place->written ? "" : "const ", dtype_info[place->buffer->dtype].c, name, address);
    place->name = name;
}

int places_open(Printer *p, const Stmt *body) {
    Arena scratch = {0};
    Counter counter = {.p = p, .seen = {.arena = &scratch}, .turns = 1};
    int outer = p->places.len, kept = outer;
    if (body->kind == STMT_FOR && body->loop == FOR_UNROLLED) return outer; // the body around it has them
    for (int k = 0; k < body->body.len; k++) count_stmt(&counter, body->body.at[k]);
    arena_release(&scratch);
    int end = p->places.len;
    for (int k = outer; k < end; k++)
        if (p->places.at[k].uses >= FEW_USES) p->places.at[kept++] = p->places.at[k];
    p->places.len = kept;
    for (int k = outer; k < kept; k++) name_place(p, &p->places.at[k]);
    return outer;
}
