# dlc: see `make help`.
BUILD ?= build
CC ?= gcc
CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wpedantic -Werror
DLC_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -Icompiler -I$(BUILD)/gen
COMPILER_SRC = $(filter-out compiler/main.c,$(wildcard compiler/*.c compiler/*/*.c)) $(wildcard grammar/*.c)
GENERATED = $(BUILD)/gen/ops_table.c $(BUILD)/gen/prelude.c $(BUILD)/gen/runtime_text.c $(BUILD)/gen/scanner.c $(BUILD)/gen/parser.c
OBJ = $(COMPILER_SRC:%.c=$(BUILD)/obj/%.o) $(GENERATED:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o)

all: $(BUILD)/dlc $(BUILD)/libdlcrt.a

$(BUILD)/dlc: $(BUILD)/obj/compiler/main.o $(BUILD)/libdlc.a
	$(CC) $(CFLAGS) -o $@ $^ -lm

$(BUILD)/libdlc.a: $(OBJ)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/libdlcrt.a: $(BUILD)/obj/runtime/dlc.o
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/obj/runtime/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) $(CFLAGS) -Iruntime -MMD -MP -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(BUILD)/gen/parser.h
	@mkdir -p $(@D)
	$(CC) $(DLC_CFLAGS) -MMD -MP -c -o $@ $<

# Generated code: the scanner comes without warnings of ours.
$(BUILD)/obj/gen/scanner.o $(BUILD)/obj/gen/parser.o: DLC_CFLAGS += -Wno-unused-function -Wno-unused-parameter -Wno-sign-compare -Wno-pedantic
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/gen/parser.h
	@mkdir -p $(@D)
	$(CC) $(DLC_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/gen/ops_table.c: $(wildcard compiler/ops/*.c) Makefile
	@mkdir -p $(@D)
	@names=$$(sed -n 's/^DEFINE_OP(\([a-z_0-9]*\)).*/\1/p' compiler/ops/*.c); \
	{ echo '// Generated from every DEFINE_OP in compiler/ops.'; echo '#include "ops/op.h"'; \
	  for n in $$names; do echo "extern const Op op_$$n;"; done; \
	  echo 'const Op *const ops[] = {'; for n in $$names; do echo "    &op_$$n,"; done; echo '    NULL};'; } > $@

# FILES becomes an array of {name, bytes, length}: $(call embed,struct and array,files)
embed = { echo '\#include "$(1)"'; i=0; for f in $(3); do i=$$((i+1)); echo "static const unsigned char text_$$i[] = {"; \
	  od -An -v -tu1 $$f | sed 's/  */,/g; s/^,//; s/$$/,/'; echo '0};'; done; \
	  echo 'const struct $(2)[] = {'; i=0; for f in $(3); do i=$$((i+1)); \
	  echo "    {\"$$(basename $$f)\", text_$$i, sizeof text_$$i - 1},"; done; echo '    {0}};'; } > $@

$(BUILD)/gen/prelude.c: $(wildcard compiler/prelude/*.dl) Makefile
	@mkdir -p $(@D)
	@$(call embed,frontend/elaborate.h,PreludeFile prelude_files,$(sort $(wildcard compiler/prelude/*.dl)))

# The runtime's text, for --standalone.
RUNTIME_TEXT = runtime/dlc.h runtime/dlc.c runtime/dlc_math.h runtime/dlc_vec.h
$(BUILD)/gen/runtime_text.c: $(RUNTIME_TEXT) Makefile
	@mkdir -p $(@D)
	@$(call embed,emit/emit.h,RuntimeFile runtime_files,$(RUNTIME_TEXT))

$(BUILD)/gen/parser.c $(BUILD)/gen/parser.h &: grammar/dlc.y
	@mkdir -p $(@D)
	bison -Wall -Werror --defines=$(BUILD)/gen/parser.h -o $(BUILD)/gen/parser.c $<

$(BUILD)/gen/scanner.c: grammar/dlc.l
	@mkdir -p $(@D)
	flex -o $@ $<

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.PHONY: all
