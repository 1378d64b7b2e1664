// header.c: model.h, which is all that an application includes.
//
// It needs nothing but <stddef.h> and <stdint.h>, is C and C++, and says how to use and to compile the model. The same
// input and options give the same bytes.
#include <string.h>

#include "emit/parts.h"

// The graph's real entries; "start" and "init" are reached through mynet_init.
static bool is_public(const Program *program) { return graph_is_public(program->graph); }

static void put_comment_line(Str *s, const char *text) {
    str_put(s, "// ");
    put_comment_text(s, text);
    str_put(s, "\n");
}

static void put_title(Str *s, Arena *arena, const EmitInput *in, const EmitOptions *options) {
    put_comment_line(s, arena_printf(arena, "%s: made by dlc %s from %s; edit that instead.", options->header,
                                     DLC_VERSION, text_without_folders(arena, in->module, in->module->source_name)));
    str_printf(s, "// Model %016llx. ", (unsigned long long)module_hash(in->module));
    put_comment_text(
        s, arena_printf(arena, "Options: %s", options->options && *options->options ? options->options : "none"));
    str_put(s, "\n");
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
    str_printf(s, "//\n//     struct %s *net = %s_new();\n", p, p);
    if (!in->embedded)
        str_printf(s,
                   "//     int rc = %s_load(net, \"%s.safetensors\"); // 0, or a code below; %s_error(net) says why\n",
                   p, p, p);
    for (int i = 0; i < in->nprograms; i++)
        if (is_public(in->programs[i])) str_printf(s, "//     %s\n", usage_call(arena, &signatures[i]));
    if (!in->embedded) str_printf(s, "//     %s_save(net, \"%s.ckpt\");\n", p, p);
    str_printf(s, "//     struct %s *twin = %s_share(net); // for another thread, over the same parameters\n", p, p);
    str_printf(s, "//     %s_free(twin), %s_free(net);\n//\n", p, p);
    const char *stem = arena_strndup(arena, options->header, strlen(options->header) - 2); // without ".h"
    put_comment_line(s, arena_printf(arena, "Compile: cc %s -c %s.c%s", options->target->flags, stem,
                                     options->threads > 1 ? " (add -fopenmp for threads)" : ""));
    put_comment_line(s, options->standalone
                            ? "Link: -lm"
                            : "Link: -ldlcrt -lm (dlc.h and libdlcrt.a come with dlc: pkg-config dlc says where)");
    str_put(s, "// One net may be used by one thread at a time; several nets are independent.\n");
}

static void put_macros(Str *s, Arena *arena, const Emission *emission) {
    const EmitInput *in = emission->in;
    const EmitOptions *options = emission->options;
    static const char *const codes[] = {"OK",    "ERANGE", "EIO",   "EFORMAT", "EMISMATCH",
                                        "ENAME", "ESIZE",  "ENULL", "EBUSY",   "EINVAL"};
    bool in_range = true; // of every entry: 1 to the bound
    for (int i = 0; i < in->nprograms; i++)
        for (int k = 0; k < in->module->nsizes; k++) in_range &= !in->programs[i]->graph->need[k].size;
    const char *const meaning[] = {"",
                                   in_range ? "a size is outside 1 to its bound; nothing was written"
                                            : "a size is out of the entry's range; nothing was written",
                                   "a file cannot be read or written",
                                   "not a .safetensors file",
                                   "names, shapes or dtypes differ from the model's",
                                   "no parameter of that name",
                                   "not the size of that parameter",
                                   "NULL where something must be",
                                   "a twin still reads what would be written: later it may work",
                                   "a net that cannot play this part: a mistake of the caller"};
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
               upper, (long long)emission->layout.align);
    str_put(s, "// What functions that can fail return.\n");
    for (int i = 0; i < (int)(sizeof codes / sizeof *codes); i++)
        str_printf(s, "#define %s_%s %d%s%s\n", upper, codes[i], i, *meaning[i] ? " // " : "", meaning[i]);
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

// Equal text in the runtime's dlc.h, under the same guard: applications may include several models.
static const char param_struct[] = "#ifndef DLC_PARAM_INFO\n"
                                   "#define DLC_PARAM_INFO\n"
                                   "struct dlc_param {\n"
                                   "    const char *name;  // the state_dict path: \"fc1.weight\"\n"
                                   "    const char *dtype; // \"f32\"\n"
                                   "    const char *kind;  // \"param\", \"buffer\", \"optim\" or \"state\"\n"
                                   "    int rank;\n"
                                   "    int shape[8];\n"
                                   "    size_t bytes;\n"
                                   "};\n"
                                   "#endif\n";

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
    str_printf(s, "\n%s\nstruct %s;\n\n", param_struct, options->prefix);
    put_api_prototypes(s, options->prefix);
    for (int i = 0; i < in->nprograms; i++)
        if (is_public(in->programs[i])) put_prototype(s, arena, in->programs[i], &signatures[i], options);
    str_put(s, "\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
}
