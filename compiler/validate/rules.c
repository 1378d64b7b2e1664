// rules.c: what holds for every emitted C file, whoever reads its tree:
//     an entry and whatever it calls    calls nothing but functions of the file, of math.h and of string.h: no
//                                       allocation, no I/O; no calls through pointers; no recursion
//     every function                    no array whose size is not known, none over 4 KiB
//     every variable that outlives a call is const
// Entries are the functions that are not of the runtime (dlc_...) and do not hand on to it: mynet_load calls dlc_load.
#include "validate/rules.h"

#include <stdlib.h>
#include <string.h>

enum { LOCAL_MAX = 4096 };

typedef struct Callee {
    CXCursor at;     // the call
    CXCursor target; // a declaration, or null: through a pointer
} Callee;

typedef struct Function {
    CXCursor cursor;
    CXString text;
    const char *name;
    Callee *callee;
    int ncallees, room;
    enum { NEW, OPEN, DONE } state; // of the walk over calls
} Function;

typedef struct Rules {
    FILE *out;
    int found;
    Function *function; // those with a body
    int nfunctions, room;
} Rules;

static void *grow(void *list, int count, int *room, size_t size) {
    if (count < *room) return list;
    *room = *room ? 2 * *room : 16;
    list = realloc(list, (size_t)*room * size);
    if (!list) abort();
    return list;
}

// "net.c:12:3: error: ..."
static void break_rule(Rules *r, CXCursor at, const char *format, const char *a, const char *b) {
    CXFile file;
    unsigned line, column;
    clang_getExpansionLocation(clang_getCursorLocation(at), &file, &line, &column, NULL);
    CXString name = clang_getFileName(file);
    fprintf(r->out, "%s:%u:%u: error: ", clang_getCString(name) ? clang_getCString(name) : "?", line, column);
    fprintf(r->out, format, a, b);
    fputc('\n', r->out);
    clang_disposeString(name);
    r->found++;
}

// ---- variables ------------------------------------------------------------------------------------------------------

static bool is_const(CXType type) {
    while (!clang_isConstQualifiedType(type)) { // of an array, either it or its element says so
        type = clang_getCanonicalType(type);
        if (clang_isConstQualifiedType(type)) return true;
        if (type.kind != CXType_ConstantArray && type.kind != CXType_IncompleteArray) return false;
        type = clang_getArrayElementType(type);
    }
    return true;
}

static void check_variable(Rules *r, CXCursor variable, const char *function) {
    CXString text = clang_getCursorSpelling(variable);
    const char *name = clang_getCString(text);
    CXType type = clang_getCursorType(variable);
    bool lasts = !function || clang_Cursor_getStorageClass(variable) == CX_SC_Static;
    if (lasts && !is_const(type)) break_rule(r, variable, "%s outlives the call and is not const%s", name, "");
    if (function && clang_getCanonicalType(type).kind == CXType_VariableArray)
        break_rule(r, variable, "%s in %s is an array whose size is found at run time", name, function);
    else if (!lasts && clang_Type_getSizeOf(type) > LOCAL_MAX)
        break_rule(r, variable, "%s takes more than 4 KiB of %s's stack", name, function);
    clang_disposeString(text);
}

// ---- reading the tree -----------------------------------------------------------------------------------------------

static enum CXChildVisitResult visit_body(CXCursor cursor, CXCursor parent, CXClientData data) {
    (void)parent;
    Rules *r = data;
    Function *f = &r->function[r->nfunctions - 1];
    enum CXCursorKind kind = clang_getCursorKind(cursor);
    if (kind == CXCursor_VarDecl) check_variable(r, cursor, f->name);
    if (kind == CXCursor_CallExpr) {
        CXCursor target = clang_getCursorReferenced(cursor);
        if (clang_getCursorKind(target) != CXCursor_FunctionDecl) target = clang_getNullCursor();
        f->callee = grow(f->callee, f->ncallees, &f->room, sizeof *f->callee);
        f->callee[f->ncallees++] = (Callee){cursor, target};
    }
    return CXChildVisit_Recurse;
}

static enum CXChildVisitResult visit_top(CXCursor cursor, CXCursor parent, CXClientData data) {
    (void)parent;
    Rules *r = data;
    if (clang_Location_isInSystemHeader(clang_getCursorLocation(cursor))) return CXChildVisit_Continue;
    if (clang_getCursorKind(cursor) == CXCursor_VarDecl) check_variable(r, cursor, NULL);
    if (clang_getCursorKind(cursor) != CXCursor_FunctionDecl || !clang_isCursorDefinition(cursor))
        return CXChildVisit_Continue;
    CXString text = clang_getCursorSpelling(cursor);
    r->function = grow(r->function, r->nfunctions, &r->room, sizeof *r->function);
    r->function[r->nfunctions++] = (Function){.cursor = cursor, .text = text, .name = clang_getCString(text)};
    clang_visitChildren(cursor, visit_body, r);
    return CXChildVisit_Continue;
}

// ---- calls ----------------------------------------------------------------------------------------------------------

static Function *find_function(Rules *r, const char *name) {
    for (int k = 0; k < r->nfunctions; k++)
        if (!strcmp(r->function[k].name, name)) return &r->function[k];
    return NULL;
}

// Checks a function without a body in this file by the header that declares it: "math.h", "stdlib.h", or "" for what is
// built into the compiler.
static void check_foreign(Rules *r, const Function *f, const Callee *callee, const char *name) {
    CXFile file;
    clang_getExpansionLocation(clang_getCursorLocation(callee->target), &file, NULL, NULL, NULL);
    CXString path = clang_getFileName(file);
    const char *header = clang_getCString(path) ? clang_getCString(path) : "";
    const char *slash = strrchr(header, '/');
    if (slash) header = slash + 1;
    bool fine = !*header || !strncmp(name, "__builtin_", 10) || !strncmp(header, "math", 4) ||
                !strcmp(header, "string.h"); // glibc declares in mathcalls.h
    fine |= !strcmp(name, "dlc_refuse");     // the runtime's, which says what was wrong with an argument
    if (!fine)
        break_rule(r, callee->at, "%s calls a function that is of neither math.h nor string.h: %s", f->name, name);
    clang_disposeString(path);
}

// Depth-first over what `f` calls; a function that is met while it is open calls itself.
static void check_calls(Rules *r, Function *f) {
    f->state = OPEN;
    for (int k = 0; k < f->ncallees; k++) {
        const Callee *callee = &f->callee[k];
        if (clang_Cursor_isNull(callee->target)) {
            break_rule(r, callee->at, "%s calls through a pointer%s", f->name, "");
            continue;
        }
        CXString text = clang_getCursorSpelling(callee->target);
        Function *target = find_function(r, clang_getCString(text));
        if (!target)
            check_foreign(r, f, callee, clang_getCString(text));
        else if (target->state == OPEN)
            break_rule(r, callee->at, "%s is recursive: it is called by %s", target->name, f->name);
        else if (target->state == NEW)
            check_calls(r, target);
        clang_disposeString(text);
    }
    f->state = DONE;
}

// mynet_load calls dlc_load.
static bool hands_on(const Function *f) {
    bool found = false;
    for (int k = 0; k < f->ncallees && !found; k++) {
        CXString text = clang_getCursorSpelling(f->callee[k].target);
        const char *target = clang_getCString(text);
        size_t mine = strlen(f->name), suffix = target ? strlen(target) : 0;
        if (suffix > 4 && !strncmp(target, "dlc_", 4)) {
            target += 3, suffix -= 3; // "_load"
            found = mine > suffix && !strcmp(f->name + mine - suffix, target);
        }
        clang_disposeString(text);
    }
    return found;
}

static bool is_entry(const Function *f) { return strncmp(f->name, "dlc_", 4) != 0 && !hands_on(f); }

int rules_check(CXTranslationUnit unit, FILE *out) {
    Rules rules = {.out = out};
    clang_visitChildren(clang_getTranslationUnitCursor(unit), visit_top, &rules);
    for (int k = 0; k < rules.nfunctions; k++)
        if (rules.function[k].state == NEW && is_entry(&rules.function[k])) check_calls(&rules, &rules.function[k]);
    for (int k = 0; k < rules.nfunctions; k++) {
        clang_disposeString(rules.function[k].text);
        free(rules.function[k].callee);
    }
    free(rules.function);
    return rules.found;
}
