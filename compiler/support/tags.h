// tags.h: a number for each of some objects or names: who was seen, who has which place.
//     Tags seen = {.arena = &scratch};
//     if ((*tag_of(&seen, node))++) return;
#ifndef DLC_TAGS_H
#define DLC_TAGS_H

#include <stdbool.h>

#include "support/arena.h"

typedef struct Tags {
    Arena *arena;
    bool by_text; // keys are strings, found by their text; else objects, found by address
    struct Tag {
        const void *key;
        int tag;
    } * slot; // a hash table, at most half full
    int capacity, used;
} Tags;

// The number of an object, 0 at first. The pointer holds until the next new object.
int *tag_of(Tags *tags, const void *key);
// The same without adding the object: 0 where it is not known.
int tag_known(const Tags *tags, const void *key);
// Forgets all, and keeps the memory.
void tags_clear(Tags *tags);

#endif
