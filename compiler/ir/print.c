// print.c: the text form of modules and graphs; read.c reads it back. Exact: floats print so that they read back to
// the same bits, and everything but places survives (they are comments).
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ir/graph.h"
#include "ops/op.h"

const char *const storage_words[] = {"param", "buffer", "optim", "state", NULL};
const char *const entry_words[] = {"model", "train", "start", "init", NULL};
const char *const section_words[] = {"forward", "loss", "backward", "update", NULL};
const char *const group_words[] = {"contraction", "rows", "naive", NULL};

// Quotes, backslashes and control characters are escaped, so that a string stays on its line.
static void put_quoted(Str *s, const char *text) {
    str_put(s, "\"");
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c < ' ' || c == 127)
            str_printf(s, "\\x%02x", c);
        else
            str_printf(s, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
    str_put(s, "\"");
}

// ---- maps -----------------------------------------------------------------------------------------------------------

// c + coef * axis ...: "2*y+p-1"
static void affine_print(Str *s, const Affine *affine, const Iter *iter) {
    bool first = true;
    for (int a = 0; a < iter->naxes; a++) {
        int32_t coef = affine->coef[a];
        if (!coef) continue;
        if (coef < 0)
            str_put(s, "-");
        else if (!first)
            str_put(s, "+");
        int64_t size = coef < 0 ? -(int64_t)coef : coef;
        if (size != 1) str_printf(s, "%lld*", (long long)size);
        str_printf(s, "%c", iter->name[a]);
        first = false;
    }
    if (first || affine->c) str_printf(s, affine->c >= 0 && !first ? "+%d" : "%d", affine->c);
}

static void map_print(Str *s, const char *name, const Map *map, const Iter *iter) {
    str_printf(s, "%s[", name);
    for (int d = 0; d < map->rank; d++) {
        if (d) str_put(s, ", ");
        affine_print(s, &map->dim[d], iter);
    }
    str_put(s, "]");
}

// "[n:N, o:256 | i:784] out[n, o] += a[n, i] * b[o, i]"
void iter_print(Str *s, const Iter *iter, const Size *sizes) {
    str_put(s, "[");
    for (int a = 0; a < iter->naxes; a++) {
        if (a == iter->nout)
            str_put(s, a ? " | " : "| ");
        else if (a)
            str_put(s, ", ");
        str_printf(s, "%c:", iter->name[a]);
        dim_print(s, iter->axis[a], sizes);
    }
    str_put(s, "] ");
    map_print(s, "out", &iter->map[0], iter);
    str_put(s, " += ");
    map_print(s, "a", &iter->map[1], iter);
    if (iter->nmaps < 3) return;
    str_put(s, " * ");
    map_print(s, "b", &iter->map[2], iter);
}

// ---- nodes ----------------------------------------------------------------------------------------------------------

// The shortest text that reads back to the same number of that dtype: 0.1 rather than 0.10000000149011612. Integer
// nodes hold doubles as they are.
static void float_print(Str *s, DType dtype, double value) {
    char text[40];
    for (int digits = 1; digits <= 9 && isfinite(value); digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (round_to_dtype(dtype, strtod(text, NULL)) != value) continue;
        str_put(s, text);
        return;
    }
    str_put_double(s, value);
}

static void attr_print(Str *s, const AttrSpec *spec, const Attr *a, DType dtype, const Size *sizes) {
    switch (spec->kind) {
    case ATTR_INT:
        str_printf(s, "%lld", (long long)a->i);
        return;
    case ATTR_FLOAT:
        float_print(s, dtype, a->f);
        return;
    case ATTR_DTYPE:
        str_put(s, dtype_info[a->i].name);
        return;
    case ATTR_STRING:
        put_quoted(s, a->s);
        return;
    case ATTR_WORD:
        put_quoted(s, spec->words[a->i]);
        return;
    case ATTR_INTS:
    case ATTR_COUNTS:
    case ATTR_DIMS:
        str_put(s, "[");
        for (int k = 0; k < a->n; k++) {
            if (k) str_put(s, ", ");
            count_print(s, attr_item(spec->kind, a, k), sizes);
        }
        str_put(s, "]");
        return;
    case ATTR_ITER:
        iter_print(s, a->iter, sizes);
        return;
    }
}

static void node_print(Str *s, const Node *node, const Size *sizes) {
    str_printf(s, "%%%d = %s", node->id, node->op->name);
    for (int k = 0; k < node->nin; k++) str_printf(s, k ? ", %%%d" : " %%%d", node->in[k]->id);
    for (int k = 0; node->op->attrs[k].name; k++) {
        str_printf(s, k ? ", %s=" : " {%s=", node->op->attrs[k].name);
        attr_print(s, &node->op->attrs[k], &node->attr[k], node->type.dtype, sizes);
    }
    if (node->op->attrs[0].name) str_put(s, "}");
    str_put(s, " : ");
    type_print(s, &node->type, sizes);
}

char *node_text(Arena *arena, const Node *node) {
    Str s = str_new(arena);
    node_print(&s, node, NULL);
    return arena_strdup(arena, str_text(&s));
}

static void put_tag(Str *s, const char *name, const char *value) {
    if (!value) return;
    str_printf(s, " %s=", name);
    put_quoted(s, value);
}

// What later stages tell of a node: @{section copy=1 checkpoint="2" name="h" origin="linear"}; forward without any of
// it prints nothing.
static void tags_print(Str *s, const Node *node) {
    bool plain = node->section == SECTION_FORWARD && !node->copy && !node->checkpoint;
    if (plain && !node->name && !node->origin) return;
    str_printf(s, " @{%s", section_words[node->section]);
    if (node->copy) str_printf(s, " copy=%d", node->copy);
    put_tag(s, "checkpoint", node->checkpoint);
    put_tag(s, "name", node->name);
    put_tag(s, "origin", node->origin);
    str_put(s, "}");
}

// ---- groups: comments -----------------------------------------------------------------------------------------------

static void groups_print(Str *s, const Graph *g) {
    for (int k = 0; k < g->groups.len; k++) {
        const Group *group = &g->groups.at[k];
        str_printf(s, "  # k%d %s", group->id, group_words[group->kind]);
        if (group->root) str_printf(s, " of %%%d", group->root->id);
        if (group->kind == GROUP_ROWS) {
            str_put(s, " over ");
            type_print(s, &group->domain, g->module->sizes);
        }
        for (int r = 0; r < group->reduces.len; r++)
            str_printf(s, r ? " %%%d" : " reduces %%%d", group->reduces.at[r]->id);
        for (int o = 0; o < group->outputs.len; o++)
            str_printf(s, o ? " %%%d" : " stores %%%d", group->outputs.at[o]->id);
        str_put(s, "\n");
    }
}

// ---- graphs and modules ---------------------------------------------------------------------------------------------

void header_print(Str *s, const Graph *g) {
    const Size *sizes = g->module->sizes;
    str_printf(s, "%s %s(", entry_words[g->kind], g->name);
    for (int k = 0; k < g->arguments.len; k++) {
        str_printf(s, k ? ", %s: " : "%s: ", g->arguments.at[k]->attr[0].s);
        type_print(s, &g->arguments.at[k]->type, sizes);
    }
    str_put(s, ")");
}

static void needs_print(Str *s, const Graph *g) {
    for (int k = 0, n = 0; k < g->module->nsizes; k++) {
        if (!g->need[k].size) continue;
        str_put(s, n++ ? ", " : " where ");
        dim_print(s, g->need[k], g->module->sizes);
        str_put(s, " >= 1");
    }
}

// "loop 2 over N reverse checkpoint in 1"
static void loops_print(Str *s, const Graph *g) {
    for (int l = 0; l < g->loops.len; l++) {
        const Loop *loop = &g->loops.at[l];
        str_printf(s, "  loop %d over ", l + 1);
        dim_print(s, loop->steps, g->module->sizes);
        if (loop->reverse) str_put(s, " reverse");
        if (loop->checkpoint) str_put(s, " checkpoint");
        if (loop->parent) str_printf(s, " in %d", loop->parent);
        str_put(s, "\n");
    }
}

void graph_print(Str *s, const Graph *g) {
    Arena scratch = {0};
    header_print(s, g);
    needs_print(s, g);
    str_put(s, " {\n");
    loops_print(s, g);
    for (int k = 0; k < g->nodes.len; k++) {
        const Node *node = g->nodes.at[k];
        str_put(s, "  ");
        node_print(s, node, g->module->sizes);
        tags_print(s, node);
        const char *place = span_text(&scratch, node->span);
        if (*place) str_printf(s, "  # %s", place);
        str_put(s, "\n");
    }
    for (int l = 0; l < g->loops.len; l++)
        for (int i = 0; i < g->loops.at[l].carry.len; i++)
            if (g->loops.at[l].carry.at[i])
                str_printf(s, "  next %%%d = %%%d\n", g->loops.at[l].carry.at[i]->id, g->loops.at[l].next.at[i]->id);
    for (int k = 0; k < g->outputs.len; k++) {
        const Output *output = &g->outputs.at[k];
        str_put(s, output->storage ? "  store " : "  return ");
        put_quoted(s, output->storage ? output->storage->name : output->name);
        str_printf(s, " = %%%d\n", output->value->id);
    }
    groups_print(s, g);
    str_put(s, "}\n");
    arena_release(&scratch);
}

void module_print(Str *s, const Module *m) {
    for (int k = 0; k < m->nsizes; k++) str_printf(s, "size %s <= %d\n", m->sizes[k].name, m->sizes[k].bound);
    for (int k = 0; k < m->storages.len; k++) {
        const Storage *storage = m->storages.at[k];
        str_printf(s, "%s ", storage_words[storage->kind]);
        put_quoted(s, storage->name);
        str_put(s, ": ");
        type_print(s, &storage->type, m->sizes);
        str_put(s, "\n");
    }
    for (int k = 0; k < m->entries.len; k++) graph_print(s, m->entries.at[k]);
}
