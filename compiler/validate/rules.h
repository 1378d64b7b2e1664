// rules.h: what emitted C promises, as checks over libclang's tree.
#ifndef DLC_VALIDATE_RULES_H
#define DLC_VALIDATE_RULES_H

#include <clang-c/Index.h>
#include <stdbool.h>
#include <stdio.h>

// Prints what breaks a rule, as a compiler would, and returns how many did.
int rules_check(CXTranslationUnit unit, FILE *out);

#endif
