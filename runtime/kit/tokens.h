// tokens.h: how a text is cut into tokens. Private to the kit.
#ifndef DLC_KIT_TOKENS_H
#define DLC_KIT_TOKENS_H

#include "kit.h"

// How many bytes the first character of the text has; 1 for a byte that begins no character. bytes >= 1.
size_t kit_character_bytes(const char *text, size_t bytes);
// The next token from text[*at] on: moves *at to its first byte and returns the number of its bytes, 0 if there is
// none.
size_t kit_next_token(enum kit_token_kind kind, const char *text, size_t bytes, size_t *at);
// Whether a space belongs between two words.
bool kit_is_spaced(const char *before, size_t before_bytes, const char *after, size_t after_bytes);

#endif
