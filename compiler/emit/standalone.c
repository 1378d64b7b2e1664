// standalone.c: the runtime's text inside the emitted C: the helpers that kernels call, and, for --standalone, the
// runtime itself. Guards let several models stand in one translation unit.
//
// dlc_math.h and dlc_vec.h are cut into blocks by lines `//@block`, and end with `//@end`. A block is included when the
// emitted text, or another included block, uses a name that it defines. Nothing unused is included, so no compiler
// warns. A name that begins with dlc_ or DLC_ is defined by the first block that has it, because C declares before use.
// Text before the first `//@block` and after the last block (include guards) is left out.
#include <string.h>

#include "emit/parts.h"

typedef struct Block {
    const char *text;
    Names names;
    int first; // the first name that it defines, as a place in Blocks.names
    bool wanted;
} Block;

typedef struct Blocks {
    Names names; // of all helpers, in the order of the blocks that define them
    VEC(Block) at;
} Blocks;

const char *runtime_text(Arena *arena, const char *name) {
    for (int i = 0; runtime_files[i].name; i++)
        if (!strcmp(runtime_files[i].name, name))
            return arena_strndup(arena, (const char *)runtime_files[i].text, (size_t)runtime_files[i].len);
    dlc_bug("emit", "the runtime's %s was not built in", name);
}

static bool is_helper_name(const char *name) { return !strncmp(name, "dlc_", 4) || !strncmp(name, "DLC_", 4); }

static void add_blocks(Blocks *blocks, Arena *arena, const char *text) {
    for (const char *at = strstr(text, "\n//@block"), *end; at; at = strstr(end, "\n//@block")) {
        const char *start = at + 1 + strcspn(at + 1, "\n");
        end = strstr(start, "\n//@");
        size_t len = (size_t)(end - start);
        Block block = {.text = arena_strndup(arena, start, len), .first = blocks->names.at.len};
        block.names = text_identifiers(arena, block.text);
        for (int k = 0; k < block.names.at.len; k++)
            if (is_helper_name(block.names.at.at[k].text)) names_add(&blocks->names, block.names.at.at[k].text);
        vec_push(arena, &blocks->at, block);
    }
}

// Marks the blocks that define what a text with these names uses, and what those use in turn.
static void want(Blocks *blocks, const Names *used) {
    for (int k = 0; k < used->at.len; k++) {
        int place = names_find(&blocks->names, used->at.at[k].text), owner = blocks->at.len - 1;
        while (place >= 0 && blocks->at.at[owner].first > place) owner--;
        if (place < 0 || blocks->at.at[owner].wanted) continue;
        blocks->at.at[owner].wanted = true;
        want(blocks, &blocks->at.at[owner].names); // recursion is at most as deep as there are blocks
    }
}

static void put_lanes(Str *s, int lanes) {
    str_printf(s,
               "#ifndef DLC_LANES\n#define DLC_LANES %d\n#elif DLC_LANES != %d\n"
               "#error \"models of one translation unit have vectors of one width: make both for one --target\"\n"
               "#endif\n\n",
               lanes, lanes);
}

// A block's text inside the guard DLC_HAS_maxf, for dlc_maxf, the first name that it defines.
static void put_block(Str *s, const Blocks *blocks, int number) {
    const char *name = blocks->names.at.at[blocks->at.at[number].first].text + 4;
    const char *text = blocks->at.at[number].text + strspn(blocks->at.at[number].text, "\n");
    size_t len = strlen(text);
    while (len && text[len - 1] == '\n') len--;
    str_printf(s, "#ifndef DLC_HAS_%s\n#define DLC_HAS_%s\n", name, name);
    str_putn(s, text, len);
    str_put(s, "\n#endif\n\n");
}

void put_helpers(Str *s, const Names *used, const Target *target) {
    Blocks blocks = {.names = {.arena = s->arena}};
    add_blocks(&blocks, s->arena, runtime_text(s->arena, "dlc_math.h"));
    int scalar = blocks.at.len;
    if (target->vector_bytes) add_blocks(&blocks, s->arena, runtime_text(s->arena, "dlc_vec.h"));
    want(&blocks, used);
    bool lanes = false;
    for (int i = 0; i < blocks.at.len; i++) {
        if (!blocks.at.at[i].wanted) continue;
        if (i >= scalar && !lanes) put_lanes(s, target_lanes(target));
        lanes = lanes || i >= scalar;
        put_block(s, &blocks, i);
    }
}

// Lines that the emitted C has elsewhere: includes of dlc's headers, and what must come before the first #include.
static bool leave_out(const char *line) {
    return !strncmp(line, "#include \"dlc", 13) || !strncmp(line, "#define _POSIX_C_SOURCE", 23);
}

static void put_file(Str *s, const char *name) {
    const char *text = runtime_text(s->arena, name);
    while (*text) {
        size_t len = strcspn(text, "\n");
        if (!leave_out(text)) {
            str_putn(s, text, len);
            str_put(s, "\n");
        }
        text += len + (text[len] == '\n');
    }
}

void put_runtime(Str *s) {
    str_put(s, "\n// ---- the runtime ----\n\n#ifndef DLC_RUNTIME\n#define DLC_RUNTIME\n#define DLC_API static\n");
    static const char *const files[] = {"dlc.h",       "dlc_parts.h", "dlc.c",      "dlc_twins.c",
                                        "dlc_names.c", "dlc_file.c",  "dlc_load.c", "dlc_save.c"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put_file(s, files[i]);
        str_put(s, "\n");
    }
    str_put(s, "#endif\n\n// ---- the model ----\n");
}
