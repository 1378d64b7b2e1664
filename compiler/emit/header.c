// header.c: model.h, which is all that an application includes.
//
// It needs nothing but <stddef.h> and <stdint.h>, is C and C++, and says how to use and to compile the model. The same
// input and options give the same bytes.
#include <string.h>

#include "emit/parts.h"

// The graph's real entries; "start" and "init" are reached through mynet_init.
static bool is_public(const Program *program) { return graph_is_public(program->graph); }

static void put_title(Str *s, Arena *arena, const EmitInput *in, const EmitOptions *options) {
    put_comment_line(s, arena_printf(arena, "%s: made by dlc %s from %s; edit that instead.", options->header,
                                     DLC_VERSION, text_without_folders(arena, in->module, in->module->source_name)));
    const char *given = options->options && *options->options ? options->options : "none";
    put_comment_line(
        s, arena_printf(arena, "Model %016llx. Options: %s", (unsigned long long)module_hash(in->module), given));
}

// A call of the entry as the usage comment shows it: mynet_step(net, N, image, label, lr, &loss, logits);
static const char *usage_call(Arena *arena, const Signature *signature) {
    Str s = str_new(arena);
    str_printf(&s, "%s(net", signature->function);
    for (int k = 0; k < MAX_SIZES; k++)
        if (signature->size[k]) str_printf(&s, ", %s", signature->size_name[k]);
    for (int i = 0; i < signature->parameters.len; i++) {
        const Parameter *parameter = &signature->parameters.at[i];
        bool scalar = parameter->output && parameter->type->rank == 0;
        str_printf(&s, ", %s%s", scalar ? "&" : "", parameter->name);
    }
    str_put(&s, ");");
    return str_text(&s);
}

static void put_usage(Str *s, Arena *arena, const EmitInput *in, const Signature *signatures,
                      const EmitOptions *options) {
    const char *p = options->prefix;
    put_template(s, "//\n//     struct $p *net = $p_new();\n", p);
    if (!in->embedded)
        put_template(
            s, "//     int rc = $p_load(net, \"$p.safetensors\"); // 0, or a code below; $p_error(net) says why\n", p);
    for (int i = 0; i < in->nprograms; i++)
        if (is_public(in->programs[i])) str_printf(s, "//     %s\n", usage_call(arena, &signatures[i]));
    if (!in->embedded) put_template(s, "//     $p_save(net, \"$p.ckpt\");\n", p);
    put_template(s,
                 "//     struct $p *twin = $p_share(net); // for another thread, over the same parameters\n"
                 "//     $p_free(twin), $p_free(net);\n//\n",
                 p);
    const char *stem = arena_strndup(arena, options->header, strlen(options->header) - 2); // without ".h"
    put_comment_line(s, arena_printf(arena, "Compile: cc %s -c %s.c%s", options->target->flags, stem,
                                     options->threads > 1 ? " (add -fopenmp for threads)" : ""));
    put_comment_line(s, options->standalone
                            ? "Link: -lm"
                            : "Link: -ldlcrt -lm (dlc.h and libdlcrt.a come with dlc: pkg-config dlc says where)");
    str_put(s, "// One net may be used by one thread at a time; several nets are independent.\n");
}

// "    DLC_EIO = 2, // a file ..." of the runtime's enum dlc_status becomes "#define MYNET_EIO 2 // a file ...".
static void put_codes(Str *s, const EmitInput *in, const char *upper) {
    bool in_range = true; // every entry takes all sizes from 1 to the bound
    for (int i = 0; i < in->nprograms; i++)
        for (int k = 0; k < in->module->nsizes; k++) in_range &= !in->programs[i]->graph->need[k].size;
    const char *line = strstr(runtime_text(s->arena, "dlc.h"), "    DLC_OK = ");
    for (; *line == ' '; line += strcspn(line, "\n") + 1) {
        const char *text = arena_strndup(s->arena, line, strcspn(line, "\n")), *comment = strstr(text, "//");
        char name[32];
        int value;
        if (sscanf(text, " DLC_%31s = %d", name, &value) != 2)
            dlc_bug("emit", "dlc.h has a code that is none: %s", text);
        if (!in_range && !strcmp(name, "ERANGE"))
            comment = "// a size is out of the entry's range; nothing was written";
        str_printf(s, "#define %s_%s %d%s%s\n", upper, name, value, comment ? " " : "", comment ? comment : "");
    }
}

const char *size_macro(Arena *arena, const Module *module, int size, const EmitOptions *options) {
    // The header defines macros of these names itself; a size with such a name gets the suffix _SIZE.
    static const char taken[] =
        " PREPARED_BYTES WEIGHTS_BYTES WEIGHTS_ATTR PARAM_BYTES OPTIM_BYTES STATE_BYTES ARENA_BYTES "
        "STACK_BYTES ALIGN H NO_STDIO NO_MALLOC ";
    const char *name = module->sizes[size].name;
    bool code = strstr(runtime_text(arena, "dlc.h"), arena_printf(arena, " DLC_%s = ", name)) != NULL;
    bool own = !code && !strstr(taken, arena_printf(arena, " %s ", name));
    return arena_printf(arena, "%s_%s%s", names_upper(arena, options->prefix), name, own ? "" : "_SIZE");
}

static void put_macros(Str *s, Arena *arena, const Emission *emission) {
    const EmitInput *in = emission->in;
    const EmitOptions *options = emission->options;
    const char *upper = names_upper(arena, options->prefix);
    const Module *module = in->module;
    if (module->nsizes) str_put(s, "// The largest value of each run-time size.\n");
    for (int k = 0; k < module->nsizes; k++)
        str_printf(s, "#define %s %d\n", size_macro(arena, module, k, options), module->sizes[k].bound);
    str_printf(
        s,
        "\n// Memory of one net, in bytes, and its alignment. PREPARED is the part of PARAM that models make from the\n"
        "// parameters; STATE has room for struct %s too; STACK is what the locals of the largest kernel take.\n",
        options->prefix);
    for (int r = 0; r < REGIONS; r++)
        str_printf(s, "#define %s_%s_BYTES %lld\n", upper, region_name(r),
                   (long long)(emission->layout.bytes[r] + (r == REGION_STATE ? NET_BYTES : 0)));
    if (in->embedded) {
        str_put(s, "// Weights are constants of the C: no parameters of the net.\n");
        str_printf(s, "#define %s_WEIGHTS_BYTES %lld\n", upper, (long long)emission->weights->bytes);
    }
    str_printf(s, "#define %s_PREPARED_BYTES %lld\n", upper, (long long)emission->layout.prepared_bytes);
    str_printf(s, "#define %s_STACK_BYTES %lld\n#define %s_ALIGN %lld\n\n", upper, (long long)emission->layout.stack,
               upper, (long long)LAYOUT_ALIGN);
    str_put(s, "// What functions that can fail return.\n");
    put_codes(s, in, upper);
}

// "N * 784": the number of elements, for a comment.
static const char *count_text(Arena *arena, const Type *type, const Signature *signature) {
    Str s = str_new(arena);
    type_count_print(&s, type, signature->size_name);
    return str_text(&s);
}

static const char *unit_of(DType dtype) {
    if (dtype == F32) return "floats";
    return dtype == BOOL ? "bytes, 0 or 1" : dtype_info[dtype].c;
}

static void put_parameter_comment(Str *s, Arena *arena, const Parameter *parameter, const Signature *signature,
                                  const Module *module) {
    Str line = str_new(arena);
    str_printf(&line, "  %-3s %s: %s", parameter->output ? "out" : "in", parameter->name,
               type_text(arena, parameter->type, module->sizes));
    if (parameter->type->rank)
        str_printf(&line, ", %s %s, row-major", count_text(arena, parameter->type, signature),
                   unit_of(parameter->type->dtype));
    if (parameter->output) str_put(&line, "; NULL when not wanted");
    put_comment_line(s, str_text(&line));
}

static void put_prototype(Str *s, Arena *arena, const Program *program, const Signature *signature,
                          const EmitOptions *options) {
    const Module *module = program->graph->module;
    Str title = str_new(arena);
    str_printf(&title, "%s %s", program->graph->kind == ENTRY_TRAIN ? "train" : "model", program->graph->name);
    const char *separator = "; ";
    for (int k = 0; k < module->nsizes; k++) {
        if (!signature->size[k]) continue;
        Dim need = program->graph->need[k];
        str_printf(&title, "%s%s is %d to %d", separator, signature->size_name[k], dim_least(need),
                   module->sizes[k].bound);
        if (need.size) {
            str_put(&title, " (");
            count_put(&title, need.times, need.plus, signature->size_name[k]);
            str_put(&title, " >= 1)");
        }
        separator = ", ";
    }
    if (signature->sized)
        str_printf(&title, "; otherwise %s_ERANGE and nothing written", names_upper(arena, options->prefix));
    if (!signature->sized) str_put(&title, "; cannot fail");
    str_put(s, "\n");
    put_comment_line(s, str_text(&title));
    for (int i = 0; i < signature->parameters.len; i++)
        put_parameter_comment(s, arena, &signature->parameters.at[i], signature, module);
    signature_print(s, arena, signature, options);
    str_put(s, ";\n");
}

// struct dlc_param, copied from the runtime's dlc.h with its guard: an application may include several models.
static const char *param_struct(Arena *arena) {
    static const char end[] = "#endif\n";
    const char *start = strstr(runtime_text(arena, "dlc.h"), "#ifndef DLC_PARAM_INFO");
    return arena_strndup(arena, start, (size_t)(strstr(start, end) - start) + strlen(end));
}

void emit_header(Str *s, const Emission *emission) {
    Arena *arena = s->arena;
    const EmitInput *in = emission->in;
    const EmitOptions *options = emission->options;
    const Signature *signatures = emission->signatures;
    const char *upper = names_upper(arena, options->prefix);

    put_title(s, arena, in, options);
    put_usage(s, arena, in, signatures, options);
    str_printf(s, "#ifndef %s_H\n#define %s_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n", upper, upper);
    str_put(s, "#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n");
    put_macros(s, arena, emission);
    str_printf(s, "\n%s\nstruct %s;\n\n", param_struct(arena), options->prefix);
    put_api_prototypes(s, options->prefix);
    for (int i = 0; i < in->nprograms; i++)
        if (is_public(in->programs[i])) put_prototype(s, arena, in->programs[i], &signatures[i], options);
    str_put(s, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}
