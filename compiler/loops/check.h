// check.h: what check.c, check_views.c and check_storages.c share; nothing else includes it.
#ifndef DLC_CHECK_H
#define DLC_CHECK_H

#include "loops/recipes.h"

// Whether a view lies within its memory, where it should, and shows what its value is. NULL or what is wrong.
const char *check_view(const Program *program, const Buffer *view, bool written);
// The program's buffers by number, and what lies in what. Numbers are places in program->buffers; -1: none.
// One call writes one buffer.
typedef struct Write {
    int buffer, call, before; // the write before it in the same root: its place in Memory.writes, or -1
} Write;

typedef struct Memory {
    const Program *program;
    Tags numbers;                // by buffer: its number + 1
    int *root;                   // the buffer that has its memory
    int *first_part, *next_part; // the views that are parts of a buffer
    int *first_write;            // the first call so far that writes it
    VEC(Write) writes;           // so far, and by root the last of them
    int *last_in;
    int *kept;         // the last write in its root of which is known that it left the buffer as it was
    UsePairs in_place; // what was found out about pairs of a kernel's buffers
} Memory;
int *numbers_new(Arena *arena, int n); // n times -1
int buffer_number(const Memory *memory, const Buffer *buffer);
// Whether call `call` finds in buffer `number` what it reads: it was written by then (the call's own writes count) and
// not overwritten.
const char *check_read(Memory *memory, int number, int call);
// Whether a call that reads `from` may write `to` in the same memory (both may be one buffer): their layout is the
// same, and each element is read before it is overwritten, in one iteration of one loop.
bool check_in_place(UsePairs *known, const Call *call, const Buffer *from, const Buffer *to);
// check_slots.c: whether values of loops lie in the slots where the graph has them. NULL or what is wrong.
const char *check_slots(Memory *memory);
// Whether the buffer shows a slot, or several, of what a loop keeps.
bool check_is_slot(const Program *program, const Buffer *buffer);
bool check_varies(const Index *slot); // whether it is another one in each step
// Whether it is the slot of its value, or a part of that, and not memory that was taken from a slot.
bool check_is_own_slot(const Buffer *buffer);
// Whether that call may write the buffer; whether the calls of loops stand together. NULL or what is wrong.
const char *check_slot_write(const Memory *memory, int call, int number);
const char *check_ranges(const Program *program);
// What must have been written before a value can be read that enters or leaves a loop: *number becomes its buffer.
const char *check_slot_source(const Memory *memory, int call, int *number);
// Whether every call finds in each storage the value that the graph wants, the old one or the new one. NULL or what is
// wrong.
const char *check_storages(Memory *memory);

#endif
