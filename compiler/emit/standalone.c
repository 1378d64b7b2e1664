// standalone.c: text of the runtime inside the emitted C: helpers of which a kernel calls one, and, for --standalone,
// the runtime itself. Guards let several models stand in one translation unit.
//
// dlc_math.h and dlc_vec.h are cut into blocks by lines `//@block`. A block is included when the emitted text uses
// something that it defines, or another included block does; nothing unused is pasted, so nothing warns. Who defines
// a name? C declares before use, so it is the first block in which the name (dlc_ or DLC_ in front) occurs. What stands
// before the first `//@block` and after the last block's own text (include guards) is left out.
#include <string.h>

#include "emit/parts.h"

typedef struct Block {
    const char *text;
    bool wanted;
} Block;
typedef VEC(Block) Blocks;

static const char *runtime_text(Arena *arena, const char *name) {
    for (int i = 0; runtime_files[i].name; i++)
        if (!strcmp(runtime_files[i].name, name))
            return arena_strndup(arena, (const char *)runtime_files[i].text, (size_t)runtime_files[i].len);
    dlc_bug("emit", "the runtime's %s was not built in", name);
}

// The length of the last block's text: up to `//@end`, or to an #endif that closes what was opened before it.
static size_t last_block_length(const char *text) {
    int open = 0;
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        open += !strncmp(line, "#if", 3);
        open -= !strncmp(line, "#endif", 6);
        if (open < 0 || !strncmp(line, "//@end", 6)) return (size_t)(line - text);
    }
    return strlen(text);
}

static void add_blocks(Blocks *blocks, Arena *arena, const char *text) {
    const char *at = strstr(text, "\n//@block");
    while (at) {
        const char *start = at + 1 + strcspn(at + 1, "\n");
        const char *next = strstr(start, "\n//@block");
        size_t len = next ? (size_t)(next - start) : last_block_length(start);
        vec_push(arena, blocks, (Block){.text = arena_strndup(arena, start, len)});
        at = next;
    }
}

static bool is_helper_name(const char *name, size_t len) {
    return len > 4 && (!memcmp(name, "dlc_", 4) || !memcmp(name, "DLC_", 4));
}

// Which block owns a helper's name: the first one in which it stands. A hash table, since the text has many names.
enum { OWNERS = 2048 };
typedef struct Owners {
    struct Owner {
        const char *name; // NULL: free
        size_t len;
        int block;
    } at[OWNERS];
} Owners;

// The name's place in the table: its own, or the free one where it belongs.
static struct Owner *owner_of(Owners *owners, const char *name, size_t len) {
    size_t hash = 5381;
    for (size_t i = 0; i < len; i++) hash = hash * 33 + (unsigned char)name[i];
    for (size_t k = hash % OWNERS;; k = (k + 1) % OWNERS) {
        struct Owner *owner = &owners->at[k];
        if (!owner->name || (owner->len == len && !memcmp(owner->name, name, len))) return owner;
    }
}

static Owners *owners_make(Arena *arena, const Blocks *blocks) {
    Owners *owners = NEW(arena, Owners);
    int names = 0;
    for (int i = 0; i < blocks->len; i++) {
        size_t at = 0, start, len;
        const char *text = blocks->at[i].text;
        while (text_next_identifier(text, &at, &start, &len)) {
            struct Owner *owner = is_helper_name(text + start, len) ? owner_of(owners, text + start, len) : NULL;
            if (!owner || owner->name) continue;
            if (++names == OWNERS / 2) dlc_bug("emit", "the runtime's helpers have more than %d names", OWNERS / 2);
            *owner = (struct Owner){text + start, len, i};
        }
    }
    return owners;
}

// Marks the blocks that define what `text` uses, and what those use in turn.
static void want(Blocks *blocks, Owners *owners, const char *text) {
    size_t at = 0, start, len;
    while (text_next_identifier(text, &at, &start, &len)) {
        if (!is_helper_name(text + start, len)) continue;
        const struct Owner *owner = owner_of(owners, text + start, len);
        if (!owner->name || blocks->at[owner->block].wanted) continue;
        blocks->at[owner->block].wanted = true;
        want(blocks, owners, blocks->at[owner->block].text); // as deep as there are blocks
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
static void put_block(Str *s, const Blocks *blocks, Owners *owners, int number) {
    size_t at = 0, start, len;
    const char *text = blocks->at[number].text, *name = NULL;
    while (!name && text_next_identifier(text, &at, &start, &len))
        if (is_helper_name(text + start, len) && owner_of(owners, text + start, len)->block == number)
            name = arena_strndup(s->arena, text + start + 4, len - 4);
    text += strspn(text, "\n");
    len = strlen(text);
    while (len && text[len - 1] == '\n') len--;
    str_printf(s, "#ifndef DLC_HAS_%s\n#define DLC_HAS_%s\n", name, name);
    str_putn(s, text, len);
    str_put(s, "\n#endif\n\n");
}

void put_helpers(Str *s, const char *body, const Target *target) {
    Blocks blocks = {0};
    add_blocks(&blocks, s->arena, runtime_text(s->arena, "dlc_math.h"));
    int scalar = blocks.len;
    if (target->extensions) add_blocks(&blocks, s->arena, runtime_text(s->arena, "dlc_vec.h"));
    Owners *owners = owners_make(s->arena, &blocks);
    want(&blocks, owners, body);
    bool lanes = false;
    for (int i = 0; i < blocks.len; i++) {
        if (!blocks.at[i].wanted) continue;
        if (i >= scalar && !lanes) put_lanes(s, target_lanes(target));
        lanes = lanes || i >= scalar;
        put_block(s, &blocks, owners, i);
    }
}

// Lines that stand elsewhere already: our own headers, and what must come before the first #include.
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
