// table.c: tables of numbers from CSV files.
//     sepal,petal,class       name = {"sepal", "petal", "class"}
//     5.1,1.4,0               at = {5.1, 1.4, 0,
//     4.9,,1                        4.9, NaN, 1}
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fail.h"
#include "kit.h"

typedef struct Reader {
    struct kit_table *table;
    FILE *file;
    const char *path;
    char *field, *error;
    size_t len, room;
    int separator, line;
    size_t numbers, cells; // numbers read; numbers that there is room for
} Reader;

static int put_char(Reader *r, int c) {
    if (r->len + 1 >= r->room) {
        char *grown = realloc(r->field, r->room *= 2);
        if (!grown) return kit_fail(r->error, KIT_ENOMEM, "%s: no memory for line %d", r->path, r->line);
        r->field = grown;
    }
    r->field[r->len++] = (char)c;
    r->field[r->len] = 0;
    return KIT_OK;
}

// One field into r->field; *end becomes what ended it: the separator, '\n' or EOF.
static int read_field(Reader *r, int *end) {
    bool quoted = false;
    r->len = 0;
    r->field[0] = 0;
    for (int c; (c = getc(r->file)) != EOF || quoted;) {
        if (c == EOF) return kit_fail(r->error, KIT_EFORMAT, "%s:%d: a quote is open", r->path, r->line);
        if (quoted && c == '"' && (c = getc(r->file)) != '"') { // "" is a quote
            quoted = false;
            if (c == EOF) break;
        } else if (!quoted && c == '"' && !r->len) {
            quoted = true;
            continue;
        }
        if (c == '\n') r->line++;
        if (!quoted && (c == r->separator || c == '\n')) return *end = c, KIT_OK;
        if (c != '\r' && put_char(r, c)) return KIT_ENOMEM;
    }
    *end = EOF;
    return ferror(r->file) ? kit_fail(r->error, KIT_EIO, "%s: %s", r->path, strerror(errno)) : KIT_OK;
}

static char *trimmed(char *text) {
    while (isspace((unsigned char)*text)) text++;
    for (size_t n = strlen(text); n && isspace((unsigned char)text[n - 1]); n--) text[n - 1] = 0;
    return text;
}

static int add_name(Reader *r, int column) {
    struct kit_table *t = r->table;
    char **names = realloc(t->name, sizeof *names * (size_t)(column + 1));
    char *text = trimmed(r->field);
    size_t bytes = strlen(text) + 1;
    char *name = names ? malloc(bytes) : NULL;
    if (names) t->name = names;
    if (!name) return kit_fail(r->error, KIT_ENOMEM, "%s: no memory for the names", r->path);
    memcpy(name, text, bytes);
    t->name[column] = name;
    t->columns = column + 1;
    return KIT_OK;
}

static int add_number(Reader *r, int line, int column) {
    struct kit_table *t = r->table;
    char *text = trimmed(r->field), *end;
    float value = *text ? strtof(text, &end) : NAN;
    if (*text && *end && strcmp(text, "NA"))
        return kit_fail(r->error, KIT_EFORMAT,
                        "%s:%d: column %d is \"%.40s\", which is no number; number categories first", r->path, line,
                        column + 1, text);
    if (*text && *end) value = NAN;
    if (r->numbers == r->cells) {
        float *grown = realloc(t->at, sizeof *grown * (r->cells = r->cells ? 2 * r->cells : 256));
        if (!grown) return kit_fail(r->error, KIT_ENOMEM, "%s: no memory for %d rows", r->path, (int)t->rows);
        t->at = grown;
    }
    t->at[r->numbers++] = value;
    return KIT_OK;
}

// Reads one record; *end is what ended it, as in read_field. An empty line is skipped.
static int read_record(Reader *r, bool names, int *end) {
    struct kit_table *t = r->table;
    int column = 0, line = r->line, status = KIT_OK;
    do {
        status = read_field(r, end);
        if (!status && !column && *end != r->separator && !*trimmed(r->field)) return KIT_OK;
        if (!status) status = names ? add_name(r, column) : add_number(r, line, column);
        column++;
    } while (!status && *end == r->separator);
    if (status || names) return status;
    if (!t->columns) t->columns = column;
    if (column != t->columns)
        return kit_fail(r->error, KIT_EFORMAT, "%s:%d: %d fields, and %d in the lines before it", r->path, line, column,
                        (int)t->columns);
    t->rows++;
    return KIT_OK;
}

int kit_table_read(struct kit_table *table, const char *path, char separator, bool names, char *error) {
    *table = (struct kit_table){0};
    Reader r = {.table = table, .path = path, .error = error, .separator = separator, .line = 1};
    r.file = fopen(path, "rb");
    if (!r.file) return kit_fail(error, KIT_EIO, "%s: %s", path, strerror(errno));
    r.field = calloc(1, r.room = 64);
    int end = 0, status = r.field ? KIT_OK : kit_fail(error, KIT_ENOMEM, "%s: no memory for a line", path);
    if (!status && names) status = read_record(&r, true, &end);
    while (!status && end != EOF) status = read_record(&r, false, &end);
    if (!status && !table->rows) status = kit_fail(error, KIT_EFORMAT, "%s: there are no numbers in it", path);
    fclose(r.file);
    free(r.field);
    if (status) kit_table_free(table);
    return status;
}

int32_t kit_table_column(const struct kit_table *table, const char *name) {
    for (int32_t k = 0; table->name && k < table->columns; k++)
        if (!strcmp(table->name[k], name)) return k;
    return -1;
}

void kit_table_free(struct kit_table *table) {
    for (int32_t k = 0; table->name && k < table->columns; k++) free(table->name[k]);
    free(table->name);
    free(table->at);
    *table = (struct kit_table){0};
}
