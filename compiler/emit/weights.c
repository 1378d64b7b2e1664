// weights.c: --weights: the parameters that calls read, and what was prepared from them, as constant arrays.
//
//     alignas(64) static const float mynet_dlc_weights_fc1_bias[512] MYNET_WEIGHTS_ATTR = {
//         0.0123456782f, -0.5f, ...
//
// Nine digits name a float exactly. Arrays stand in the order in which entries first read them.
#include <math.h>
#include <string.h>

#include "emit/parts.h"

static const void *key_of(const Buffer *buffer) {
    if (buffer->storage) return buffer->storage;
    return buffer->same ? buffer->same : buffer;
}

const char *weights_name(const Weights *weights, const Buffer *buffer) {
    int place = tag_known(&weights->places, key_of(buffer));
    if (!place) dlc_bug("emit", "the weights %s were not collected", buffer->name);
    return weights->at.at[place - 1].name;
}

void weights_collect(Weights *weights, Arena *arena, const EmitInput *in, const KernelTable *table,
                     const EmitOptions *options) {
    Names names = {.arena = arena};
    *weights = (Weights){.places = {.arena = arena}};
    for (int p = 0; p < in->nprograms; p++)
        for (int c = 0; c < in->programs[p]->calls.len; c++) {
            const Formals *formals = &table->calls[p][c].formals;
            for (int i = 0; i < formals->buffers.len; i++) {
                const Buffer *buffer = formals->buffers.at[i].buffer;
                while (buffer->view && buffer->view->slot) buffer = buffer->view->of; // an element of the array
                int *place = buffer->data ? tag_of(&weights->places, key_of(buffer)) : NULL;
                if (!place || *place) continue;
                const char *of = names_take(&names, buffer->name);
                const char *name = arena_printf(arena, "%s_dlc_weights_%s", options->prefix, of);
                vec_push(arena, &weights->at, (Weight){buffer, name});
                *place = weights->at.len;
                weights->bytes += round_up(buffer_count(buffer) * dtype_info[buffer->dtype].bytes, LAYOUT_ALIGN);
            }
        }
}

// ---- the text -------------------------------------------------------------------------------------------------------

static int float_text(char *text, size_t room, float x) {
    if (isnan(x)) return snprintf(text, room, "NAN");
    if (isinf(x)) return snprintf(text, room, x < 0 ? "-INFINITY" : "INFINITY");
    int len = snprintf(text, room, "%.9g", (double)x);
    if (!strpbrk(text, ".e")) len += snprintf(text + len, room - (size_t)len, ".0");
    text[len++] = 'f';
    text[len] = 0;
    return len;
}

static int literal_text(char *text, size_t room, const Buffer *buffer, int64_t k) {
    switch (buffer->dtype) {
    case F32:
        return float_text(text, room, ((const float *)buffer->data)[k]);
    case I32: // the smallest value cannot be written as an int literal
        return snprintf(text, room, "(int32_t)%lldLL", (long long)((const int32_t *)buffer->data)[k]);
    case I64: {
        int64_t value = ((const int64_t *)buffer->data)[k];
        if (value == INT64_MIN) return snprintf(text, room, "INT64_MIN");
        return snprintf(text, room, "%lldLL", (long long)value);
    }
    case I8:
        return snprintf(text, room, "%d", ((const int8_t *)buffer->data)[k]);
    default:
        return snprintf(text, room, "%u", ((const uint8_t *)buffer->data)[k]);
    }
}

static void put_elements(Str *s, const Buffer *buffer) {
    int64_t count = buffer_count(buffer);
    int column = 0;
    char text[48];
    for (int64_t k = 0; k < count; k++) {
        int len = literal_text(text, sizeof text, buffer, k);
        if (!column || column + len + 2 > 116) {
            str_put(s, column ? "\n    " : "    ");
            column = 4;
        } else {
            str_put(s, " ");
            column++;
        }
        text[len++] = ',';
        str_putn(s, text, (size_t)len);
        column += len;
    }
    str_put(s, "\n");
}

void put_weights(Str *s, const Weights *weights, const EmitInput *in, const EmitOptions *options) {
    const char *upper = names_upper(s->arena, options->prefix);
    if (!weights->at.len) return;
    put_template(
        s,
        "// The weights, for example in a section of their own: -D'$P_WEIGHTS_ATTR=__attribute__((section(\".w\")))'\n"
        "#ifndef $P_WEIGHTS_ATTR\n#define $P_WEIGHTS_ATTR\n#endif\n\n",
        options->prefix);
    for (int k = 0; k < weights->at.len; k++) {
        const Buffer *buffer = weights->at.at[k].buffer;
        const char *type = buffer_type(s->arena, buffer, in->module);
        put_comment_line(s, arena_printf(s->arena, "%s: %s", buffer->name, type));
        str_printf(s, "alignas(64) static const %s %s[%lld] %s_WEIGHTS_ATTR = {\n", dtype_info[buffer->dtype].c,
                   weights->at.at[k].name, (long long)buffer_count(buffer), upper);
        put_elements(s, buffer);
        str_put(s, "};\n\n");
    }
}
