// dlc_names.c: the names of the tensors of a file, sorted; the part of them that is asked for; paths taken off them.
//     module.fc1.weight, __metadata__ {"module.out.weight": "module.fc1.weight"}     strip "module"
//     fc1.weight, out.weight: two names of one tensor
#include "dlc_parts.h"

#ifndef DLC_NO_MALLOC

DLC_API bool dlc_is(const struct dlc_span *s, const char *word) {
    return s->len == strlen(word) && !memcmp(s->at, word, s->len);
}

static int dlc_compare_names(const struct dlc_span *a, const struct dlc_span *b) {
    int order = memcmp(a->at, b->at, a->len < b->len ? a->len : b->len);
    return order ? order : a->len < b->len ? -1 : a->len > b->len;
}

// By name; of equal names the one that stands first in the file, as its text does.
static int dlc_by_name(const void *a, const void *b) {
    const struct dlc_span *x = (const struct dlc_span *)a, *y = (const struct dlc_span *)b;
    int order = dlc_compare_names(x, y);
    return order ? order : x->at < y->at ? -1 : x->at > y->at;
}

DLC_API size_t dlc_names_unique(void *list, size_t count, size_t size) {
    char *at = (char *)list;
    size_t kept = 0;
    if (count) qsort(list, count, size, dlc_by_name);
    for (size_t i = 0; i < count; i++) {
        const void *name = at + i * size, *last = kept ? at + (kept - 1) * size : NULL;
        if (last && !dlc_compare_names((const struct dlc_span *)name, (const struct dlc_span *)last)) kept--;
        memmove(at + kept++ * size, name, size);
    }
    return kept;
}

static void dlc_names_sort(struct dlc_names *names) {
    if (names->count) qsort(names->at, names->count, sizeof *names->at, dlc_by_name);
}

static struct dlc_file_tensor *dlc_names_search(const struct dlc_names *names, const struct dlc_span *name) {
    size_t lo = 0, hi = names->count;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        int order = dlc_compare_names(name, &names->at[mid].name);
        if (!order) return names->at[mid].tensor;
        if (order < 0)
            hi = mid;
        else
            lo = mid + 1;
    }
    return NULL;
}

DLC_API struct dlc_file_tensor *dlc_names_find(const struct dlc_names *names, const char *name) {
    const struct dlc_span span = {name, strlen(name)};
    return dlc_names_search(names, &span);
}

DLC_API void dlc_names_close(struct dlc_names *names) {
    free(names->at);
    free(names->text);
}

// ---- the names of a file ------------------------------------------------------------------------------------------

// safetensors' save_model keeps one of tied tensors, and notes {"lost name": "kept name"} in the metadata, among other
// texts: a pair counts when its value is the name of a tensor and its key is not. Of a key that stands twice the last
// counts.
DLC_API bool dlc_names_open(struct dlc_file *file) {
    struct dlc_names *names = &file->names;
    struct dlc_json *j = &file->header;
    names->at = (struct dlc_file_name *)calloc(j->count + j->pairs + 1, sizeof *names->at);
    if (!names->at) return false;
    for (size_t i = 0; i < j->count; i++) {
        const struct dlc_file_name name = {j->tensor[i].name, &j->tensor[i], false};
        names->at[names->count++] = name;
    }
    dlc_names_sort(names);
    size_t used = names->count; // what is added below is not searched
    struct dlc_span key, value;
    while (dlc_json_next_pair(j, &key, &value)) {
        if (dlc_is(&key, "dlc.state")) file->state = value;
        if (dlc_is(&key, "dlc.model")) file->model = value;
        if (key.len > 4 && !memcmp(key.at, "dlc.", 4)) continue;
        const struct dlc_file_name other = {key, dlc_names_search(names, &value), true};
        if (other.tensor && !dlc_names_search(names, &key)) names->at[used++] = other;
    }
    names->count = dlc_names_unique(names->at, used, sizeof *names->at);
    return true;
}

// ---- a part of them, less a path ----------------------------------------------------------------------------------

// Is the path `name` the path `above` or below it? *cut is what that takes of it, with the dot.
static bool dlc_is_under(const struct dlc_span *name, const char *above, size_t len, size_t *cut) {
    if (len && above[len - 1] == '.') len--;
    *cut = len ? len + 1 : 0;
    return !len || (name->len >= len && !memcmp(name->at, above, len) && (name->len == len || name->at[len] == '.'));
}

// Takes the path `inner` out wherever it stands before another component.
static void dlc_name_cut_inner(const struct dlc_names *names, struct dlc_span *name, const char *inner, size_t len) {
    size_t at = 0, cut;
    while (at < name->len) {
        const struct dlc_span rest = {name->at + at, name->len - at};
        if (len && dlc_is_under(&rest, inner, len, &cut) && cut < rest.len) {
            char *to = names->text + (rest.at - names->text);
            memmove(to, to + cut, rest.len - cut);
            name->len -= cut;
            continue;
        }
        const char *dot = (const char *)memchr(rest.at, '.', rest.len);
        at = dot ? (size_t)(dot - name->at) + 1 : name->len;
    }
}

// Takes the paths of the list `strip` off, one after the other; false when nothing is left, or when the name must be
// under each and is not.
static bool dlc_name_strip(const struct dlc_names *names, struct dlc_span *name, const char *strip, bool must) {
    while (*strip) {
        size_t len = strcspn(strip, ","), cut;
        if (!strncmp(strip, "*.", 2)) {
            dlc_name_cut_inner(names, name, strip + 2, len - 2);
        } else if (dlc_is_under(name, strip, len, &cut)) {
            if (cut > name->len) return false;
            name->at += cut, name->len -= cut;
        } else if (must) {
            return false;
        }
        strip += len + (strip[len] == ',');
    }
    return true;
}

DLC_API bool dlc_names_select(struct dlc_names *names, const char *only, const char *strip, bool some,
                              const struct dlc_span **twice) {
    size_t kept = 0, unused;
    for (size_t i = 0; i < names->count; i++) {
        struct dlc_file_name name = names->at[i];
        if (only && !dlc_is_under(&name.name, only, strlen(only), &unused)) continue;
        if (strip && !dlc_name_strip(names, &name.name, strip, some)) continue;
        if (!name.other) name.tensor->name = name.name;
        names->at[kept++] = name;
    }
    names->count = kept;
    dlc_names_sort(names);
    for (size_t i = 1; i < names->count; i++) {
        *twice = &names->at[i].name;
        if (!dlc_compare_names(&names->at[i - 1].name, *twice) && names->at[i - 1].tensor != names->at[i].tensor)
            return false;
    }
    return true;
}

// ---- what to strip ------------------------------------------------------------------------------------------------

static int dlc_names_matches(const struct dlc_names *names, const struct dlc_model *model) {
    int count = 0;
    for (int i = 0; i < model->nslots; i++)
        if (dlc_is_weight(&model->slots[i]) && dlc_names_find(names, model->slots[i].info.name)) count++;
    return count;
}

// The first component of all names, with its dot; 0 when they differ. They are sorted: the first and the last tell.
static size_t dlc_names_common(const struct dlc_names *names) {
    if (!names->count) return 0;
    const struct dlc_span *first = &names->at[0].name, *last = &names->at[names->count - 1].name;
    const char *dot = (const char *)memchr(first->at, '.', first->len);
    size_t len = dot ? (size_t)(dot - first->at) + 1 : 0;
    return last->len >= len && !memcmp(first->at, last->at, len) ? len : 0;
}

// Tries all common beginnings, "" to "a.b.c", of the names without the path `inner` ("" for none).
static void dlc_try_beginnings(struct dlc_names *names, const struct dlc_model *model, const char *inner, int *best,
                               char *strip) {
    const struct dlc_span *first = &names->at->name;
    for (size_t cut = 0, more;; cut += more) {
        int matches = dlc_names_matches(names, model);
        size_t head = strlen(inner), comma = head && cut ? 1 : 0, tail = cut ? cut - 1 : 0;
        if (matches > *best && head + comma + tail < DLC_STRIP_BYTES) {
            *best = matches;
            memcpy(strip, inner, head);
            if (comma) strip[head] = ',';
            if (tail) memcpy(strip + head + comma, first->at - cut, tail);
            strip[head + comma + tail] = 0;
        }
        more = dlc_names_common(names);
        if (!more) break;
        for (size_t i = 0; i < names->count; i++) names->at[i].name.at += more, names->at[i].name.len -= more;
    }
}

// A copy whose names may be changed; its `at` is NULL without memory.
static struct dlc_names dlc_names_copy(const struct dlc_names *names) {
    struct dlc_names copy = {NULL, names->count, NULL, names->text_bytes};
    if (!names->count) return copy;
    copy.at = (struct dlc_file_name *)malloc(names->count * sizeof *copy.at);
    copy.text = copy.at ? (char *)malloc(names->text_bytes) : NULL;
    if (!copy.text) {
        free(copy.at);
        copy.at = NULL;
        return copy;
    }
    memcpy(copy.text, names->text, names->text_bytes);
    for (size_t i = 0; i < names->count; i++) {
        copy.at[i] = names->at[i];
        copy.at[i].name.at = copy.text + (names->at[i].name.at - names->text);
    }
    return copy;
}

DLC_API int dlc_names_suggest(const struct dlc_names *names, const struct dlc_model *model, char *strip) {
    static const char *const inners[] = {"", "*._orig_mod"}; // what torch.compile puts into names
    int best = 0;
    *strip = 0;
    for (int i = 0; i < 2; i++) {
        struct dlc_names copy = dlc_names_copy(names);
        if (copy.at) {
            for (size_t k = 0; i && k < copy.count; k++) dlc_name_strip(&copy, &copy.at[k].name, inners[i], false);
            dlc_names_sort(&copy);
            dlc_try_beginnings(&copy, model, inners[i], &best, strip);
        }
        dlc_names_close(&copy);
    }
    return *strip ? best : 0;
}
#endif
