// places.c: names for places in buffers that one body of statements reads or writes many times.
//
//     a0 = x[n * 4096 + i * 64 + k]              const float *x_at = x + (n * 4096 + i * 64 + k);
//     a1 = x[n * 4096 + i * 64 + k + 64]         a0 = x_at[0]
//     a2 = x[n * 4096 + i * 64 + k + 128]        a1 = x_at[64]
//     a3 = x[n * 4096 + i * 64 + k + 192]        a2 = x_at[128]; a3 = x_at[192]
//
// Tiles are unrolled, so their accesses differ by constants. The place named is the first of them in memory, which
// every turn of the body reaches: the pointer never leaves its buffer.
#include <string.h>

#include "emit/parts.h"
#include "loops/lower.h"
#include "loops/recipes.h"

enum { FEW_USES = 4 }; // fewer are written out

// Elements from the buffer's start to at[] without its variables; false: it is no sum of variables and a constant, or
// so short that a name would not help.
static bool fixed_part(const Buffer *buffer, const Index *const *at, int64_t *c) {
    int terms = 0;
    *c = 0;
    if (buffer->scope == SCOPE_STACK || buffer->scope == SCOPE_REGISTER || buffer->by_value) return false;
    for (int d = 0; d < buffer->rank; d++) {
        // The caller's arrays are dense at run-time sizes: a step along an outer axis is no constant then.
        if (buffer->scope == SCOPE_ARGUMENT && d && buffer->dim[d].size) return false;
        for (int k = 0; k < at[d]->nterms; k++)
            if (at[d]->term[k].atom.kind != ATOM_VAR) return false;
        terms += at[d]->nterms;
        *c += (at[d]->c + buffer->before[d]) * buffer->stride[d];
    }
    return terms >= 2;
}

static bool differ_by_constant(const Buffer *buffer, const Index *const *a, const Index *const *b) {
    for (int d = 0; d < buffer->rank; d++) {
        Index moved = *a[d];
        moved.c = b[d]->c;
        if (!index_equal(&moved, b[d])) return false;
    }
    return true;
}

static Place *find(Printer *p, const Buffer *buffer, const Index *const *at) {
    for (int k = p->places.len - 1; k >= 0; k--) {
        Place *place = &p->places.at[k];
        if (place->buffer == buffer && differ_by_constant(buffer, place->at, at)) return place;
    }
    return NULL;
}

const Place *place_find(Printer *p, const Buffer *buffer, const Index *const *at, int64_t *offset) {
    if (!p->places.len || !fixed_part(buffer, at, offset)) return NULL;
    const Place *place = find(p, buffer, at);
    if (place) *offset -= place->c;
    return place;
}

// ---- what a body uses ----------------------------------------------------------------------------------------------

static void count(Printer *p, Buffer *buffer, const Index *const *at, bool write) {
    int64_t c;
    if (!fixed_part(buffer, at, &c)) return;
    Place *place = find(p, buffer, at);
    if (!place) {
        vec_push(p->arena, &p->places, (Place){.buffer = buffer, .at = at, .c = c});
        place = &p->places.at[p->places.len - 1];
    }
    if (place->name) return; // an outer body has named it
    place->uses++;
    place->written |= write;
    if (c >= place->c) return;
    place->c = c;
    place->at = at;
}

static void count_expr(Printer *p, Tags *seen, const Expr *e) {
    int *tag = tag_of(seen, e);
    if (*tag) return;
    *tag = 1;
    if (e->kind == EXPR_LOAD) count(p, e->buffer, e->at, false);
    for (int k = 0; k < e->nargs; k++) count_expr(p, seen, e->arg[k]);
}

// Statements of the body itself, which every turn runs: not those of loops and guards inside.
static void count_stmt(Printer *p, Tags *seen, const Stmt *stmt) {
    if (stmt->kind == STMT_FOR || stmt->kind == STMT_IF) return;
    for (int k = 0; k < stmt->body.len; k++) count_stmt(p, seen, stmt->body.at[k]);
    if (stmt->value) count_expr(p, seen, stmt->value);
    if (stmt->kind == STMT_TRANSPOSE) count(p, stmt->source, stmt->from, false);
    if (stmt->at) count(p, stmt->buffer, stmt->at, true);
}

static bool is_taken(const Printer *p, const char *name) {
    for (int k = 0; k < p->formals->buffers.len; k++)
        if (!strcmp(p->formals->buffers.at[k].name, name)) return true;
    for (int k = 0; k < p->locals.len; k++)
        if (!strcmp(p->locals.at[k].name, name)) return true;
    for (int k = 0; k < p->places.len; k++)
        if (p->places.at[k].name && !strcmp(p->places.at[k].name, name)) return true;
    return false;
}

static void name_place(Printer *p, Place *place) {
    const char *address = address_text(p, place->buffer, place->at, place->written);
    const char *of = arena_strndup(p->arena, address, strcspn(address, " "));
    const char *name = arena_printf(p->arena, "%s_at", of);
    for (int k = 2; is_taken(p, name); k++) name = arena_printf(p->arena, "%s_at%d", of, k);
    print_line(p, "%s%s *%s = %s;", place->written ? "" : "const ", dtype_info[place->buffer->dtype].c, name, address);
    place->name = name;
}

int places_open(Printer *p, const Stmt *body) {
    Arena scratch = {0};
    Tags seen = {.arena = &scratch};
    int outer = p->places.len, kept = outer;
    for (int k = 0; k < body->body.len; k++) count_stmt(p, &seen, body->body.at[k]);
    arena_release(&scratch);
    int end = p->places.len;
    for (int k = outer; k < end; k++)
        if (p->places.at[k].uses >= FEW_USES) p->places.at[kept++] = p->places.at[k];
    // A place without a name stands for itself while its own name is made.
    for (int k = outer; k < kept; k++) {
        Place place = p->places.at[k];
        p->places.len = k;
        name_place(p, &place);
        p->places.at[k] = place;
        p->places.len = k + 1;
    }
    p->places.len = kept;
    return outer;
}
