// tags.c: a hash table with open addressing. Nothing may follow the order of its slots, which differs from
// run to run.
#include "support/tags.h"

#include <stdint.h>
#include <string.h>

#include "support/str.h"

static unsigned hash(const Tags *tags, const void *key) {
    return tags->by_text ? text_hash(key) : (unsigned)(((uintptr_t)key >> 4) * 2654435761u >> 8);
}

static bool same(const Tags *tags, const void *a, const void *b) { return a == b || (tags->by_text && !strcmp(a, b)); }

static int slot_of(const Tags *tags, const void *key) {
    unsigned mask = (unsigned)tags->capacity - 1, at = hash(tags, key) & mask;
    while (tags->slot[at].key && !same(tags, tags->slot[at].key, key)) at = (at + 1) & mask;
    return (int)at;
}

static void make_room(Tags *tags) {
    if (2 * tags->used < tags->capacity) return;
    Tags old = *tags;
    tags->capacity = old.capacity ? 4 * old.capacity : 16;
    tags->slot = NEW_ARRAY(tags->arena, struct Tag, tags->capacity);
    for (int k = 0; k < old.capacity; k++)
        if (old.slot[k].key) tags->slot[slot_of(tags, old.slot[k].key)] = old.slot[k];
}

int *tag_of(Tags *tags, const void *key) {
    int at = tags->capacity ? slot_of(tags, key) : 0;
    if (!tags->capacity || !tags->slot[at].key) {
        make_room(tags);
        at = slot_of(tags, key);
        tags->used++;
        tags->slot[at].key = key;
    }
    return &tags->slot[at].tag;
}

int tag_known(const Tags *tags, const void *key) { return tags->capacity ? tags->slot[slot_of(tags, key)].tag : 0; }

void tags_clear(Tags *tags) {
    if (tags->used) memset(tags->slot, 0, sizeof *tags->slot * (size_t)tags->capacity);
    tags->used = 0;
}
