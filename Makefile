# dlc: `make demo` and `make test` do everything, each alone; `make help` lists the rest.
BUILD ?= build
PREFIX ?= /usr/local
CC ?= gcc
CFLAGS ?= -O2 -g
WARN = -Wall -Wextra -Wpedantic -Werror
DLC_CFLAGS = -std=gnu11 $(WARN) $(CFLAGS) -Icompiler -Igrammar -I$(BUILD)/gen
COMPILER_SRC = $(filter-out compiler/main.c compiler/validate/%,$(wildcard compiler/*.c compiler/*/*.c)) $(wildcard grammar/*.c)
GENERATED = $(BUILD)/gen/ops_table.c $(BUILD)/gen/prelude.c $(BUILD)/gen/runtime_text.c $(BUILD)/gen/scanner.c $(BUILD)/gen/parser.c
OBJ = $(COMPILER_SRC:%.c=$(BUILD)/obj/%.o) $(GENERATED:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o)

# Where libclang is (Debian: libclang-dev), or nothing: then there is no dlc-validate, and all else goes without.
LIBCLANG ?= $(patsubst %/include/clang-c/Index.h,%,$(lastword $(sort $(wildcard /usr/include/clang-c/Index.h /usr/lib/llvm-*/include/clang-c/Index.h))))

all: $(BUILD)/dlc $(BUILD)/libdlcrt.a $(BUILD)/libdlckit.a $(if $(LIBCLANG),$(BUILD)/dlc-validate,no-validate)

no-validate:
	@echo 'make: no dlc-validate, which needs libclang (Debian: libclang-dev); dlc --validate will ask for it'

$(BUILD)/dlc: $(BUILD)/obj/compiler/main.o $(BUILD)/libdlc.a $(BUILD)/libdlcrt.a
	$(CC) $(CFLAGS) -o $@ $^ -lm

# --validate: a program of its own, so that dlc does not load libclang.
$(BUILD)/dlc-validate: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard compiler/validate/*.c)) $(BUILD)/obj/gen/runtime_text.o
	$(CC) $(CFLAGS) -o $@ $^ -L$(LIBCLANG)/lib -lclang

$(BUILD)/libdlc.a: $(OBJ)
	@rm -f $@
	ar rcs $@ $^

RUNTIME_SRC = runtime/dlc.c runtime/dlc_twins.c runtime/dlc_names.c runtime/dlc_file.c runtime/dlc_load.c runtime/dlc_save.c
$(BUILD)/libdlcrt.a: $(RUNTIME_SRC:%.c=$(BUILD)/obj/%.o)
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/libdlckit.a: $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard runtime/kit/*.c))
	@rm -f $@
	ar rcs $@ $^

$(BUILD)/obj/runtime/%.o: runtime/%.c
	@mkdir -p $(@D)
	$(CC) -std=c11 $(WARN) $(CFLAGS) -Iruntime -MMD -MP -c -o $@ $<

$(BUILD)/obj/compiler/validate/%.o: DLC_CFLAGS += -isystem $(LIBCLANG)/include
$(BUILD)/obj/%.o: %.c $(BUILD)/gen/parser.h $(BUILD)/gen/ops_table.h
	@mkdir -p $(@D)
	$(CC) $(DLC_CFLAGS) -MMD -MP -c -o $@ $<

# Generated code: the scanner comes without warnings of ours.
$(BUILD)/obj/gen/scanner.o $(BUILD)/obj/gen/parser.o: DLC_CFLAGS += -Wno-unused-function -Wno-unused-parameter -Wno-sign-compare -Wno-pedantic
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/gen/parser.h $(BUILD)/gen/ops_table.h
	@mkdir -p $(@D)
	$(CC) $(DLC_CFLAGS) -MMD -MP -c -o $@ $<

OP_NAMES = $$(sed -n 's/^DEFINE_OP(\([a-z_0-9]*\)).*/\1/p' compiler/ops/*.c)
$(BUILD)/gen/ops_table.h: $(wildcard compiler/ops/*.c) Makefile
	@mkdir -p $(@D)
	@{ echo '// Generated from every DEFINE_OP in compiler/ops.'; for n in $(OP_NAMES); do echo "extern const Op op_$$n;"; done; } > $@

$(BUILD)/gen/ops_table.c: $(wildcard compiler/ops/*.c) Makefile
	@mkdir -p $(@D)
	@{ echo '// Generated from every DEFINE_OP in compiler/ops.'; echo '#include "ops/op.h"'; \
	  echo 'const Op *const ops[] = {'; for n in $(OP_NAMES); do echo "    &op_$$n,"; done; echo '    NULL};'; } > $@

# FILES becomes an array of {name, bytes, length}: $(call embed,struct and array,files)
embed = { echo '\#include "$(1)"'; i=0; for f in $(3); do i=$$((i+1)); echo "static const unsigned char text_$$i[] = {"; \
	  od -An -v -tu1 $$f | sed 's/  */,/g; s/^,//; s/$$/,/'; echo '0};'; done; \
	  echo 'const struct $(2)[] = {'; i=0; for f in $(3); do i=$$((i+1)); \
	  echo "    {\"$$(basename $$f)\", text_$$i, sizeof text_$$i - 1},"; done; echo '    {0}};'; } > $@

$(BUILD)/gen/prelude.c: $(wildcard compiler/prelude/*.dl) Makefile
	@mkdir -p $(@D)
	@$(call embed,frontend/elaborate.h,PreludeFile prelude_files,$(sort $(wildcard compiler/prelude/*.dl)))

# The runtime's text, for --standalone.
RUNTIME_TEXT = runtime/dlc.h runtime/dlc_parts.h $(RUNTIME_SRC) runtime/dlc_math.h runtime/dlc_vec.h
$(BUILD)/gen/runtime_text.c: $(RUNTIME_TEXT) Makefile
	@mkdir -p $(@D)
	@$(call embed,emit/emit.h,RuntimeFile runtime_files,$(RUNTIME_TEXT))

$(BUILD)/gen/parser.c $(BUILD)/gen/parser.h &: grammar/dlc.y
	@mkdir -p $(@D)
	bison -Wall -Werror --defines=$(BUILD)/gen/parser.h -o $(BUILD)/gen/parser.c $<

$(BUILD)/gen/scanner.c: grammar/dlc.l
	@mkdir -p $(@D)
	flex -o $@ $<

# ---- make demo: train a perceptron and a CNN on Fashion-MNIST, then classify with the weights of the CNN --------------

# DATA=DIR takes the images from elsewhere than Debian's dataset-fashion-mnist.
demo:
	tests/deps.sh demo
	$(MAKE) demo-run

DEMO_CFLAGS = -std=gnu11 -O3 -march=native -fno-math-errno -fopenmp
DEMO_RUN = OMP_NUM_THREADS=$${OMP_NUM_THREADS:-2} OMP_WAIT_POLICY=$${OMP_WAIT_POLICY:-passive}
DEMO_DATA = $(if $(DATA),--data $(DATA))
# A budget of seconds: all images, five epochs, are `build/demo/mynet --save DIR`.
DEMO_ARGS = --epochs 2 --limit 8000 --schedule cosine
demo-run: $(BUILD)/demo/mlp $(BUILD)/demo/mynet
	$(DEMO_RUN) $(BUILD)/demo/mlp $(DEMO_DATA)
	@echo
	$(DEMO_RUN) $(BUILD)/demo/mynet --save $(BUILD)/demo/run $(DEMO_DATA) $(DEMO_ARGS)
	@echo
	$(DEMO_RUN) $(BUILD)/demo/mynet --load $(BUILD)/demo/run/mynet.safetensors $(DEMO_DATA)

# The weights of the CNN anew: some minutes.
train-fashion: $(BUILD)/demo/fashion-train
	$(DEMO_RUN) $(BUILD)/demo/fashion-train --save examples/fashion/fashion.safetensors $(DEMO_DATA)

$(BUILD)/demo/mlp.c: examples/mlp/mlp.dl
$(BUILD)/demo/mynet.c: examples/mynet/mynet.dl
$(BUILD)/demo/fashion.c: examples/fashion/fashion.dl
$(BUILD)/demo/finetune.c: examples/finetune/finetune.dl
$(BUILD)/demo/%.c: $(BUILD)/dlc
	@mkdir -p $(@D)
	$(BUILD)/dlc $(filter %.dl,$^) -o $@ --target=native

DEMO_LINK = $(CC) $(DEMO_CFLAGS) -Iruntime -I$(BUILD)/demo -o $@ $(filter %.c,$^) $(BUILD)/libdlckit.a $(BUILD)/libdlcrt.a -lz -lm -pthread
DEMO_LIBS = $(BUILD)/libdlcrt.a $(BUILD)/libdlckit.a
$(BUILD)/demo/mlp: $(BUILD)/demo/mlp.c examples/mlp/main.c $(DEMO_LIBS)
	$(DEMO_LINK)
$(BUILD)/demo/mynet: $(BUILD)/demo/mynet.c $(wildcard examples/mynet/*.c) examples/mynet/app.h $(DEMO_LIBS)
	$(DEMO_LINK)
$(BUILD)/demo/fashion: $(BUILD)/demo/fashion.c examples/fashion/main.c examples/fashion/data.c examples/fashion/data.h $(DEMO_LIBS)
	$(DEMO_LINK)
$(BUILD)/demo/finetune: $(BUILD)/demo/finetune.c examples/finetune/main.c $(DEMO_LIBS)
	$(DEMO_LINK)
$(BUILD)/demo/fashion-train: $(BUILD)/demo/fashion.c examples/fashion/train.c examples/fashion/data.c examples/fashion/data.h $(DEMO_LIBS)
	$(DEMO_LINK)

# ---- make test -----------------------------------------------------------------------------------------------------

test:
	tests/deps.sh test
	$(MAKE) -j"$$(nproc)" all tests-build
	$(MAKE) test-run

test-run: all tests-build
	tests/run.sh $(BUILD)

# The same without installing anything: what needs a program that is not there is skipped, and counted.
check:
	CHECK=1 $(MAKE) test-run

# The same with -O3 wherever `make test` asks the C compiler for less, and every nest of every operator through every C
# compiler's flags: about two hours of two cores.
test-all:
	DLC_TEST_ALL=1 $(MAKE) test
	BUILD=$(BUILD) TOP=$(CURDIR) $(BUILD)/tests/nests all

UNIT_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/unit/*.c))
HARNESS_OBJ = $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/harness/*.c))
TEST_LIBS = $(BUILD)/libdlc.a $(BUILD)/libdlckit.a $(BUILD)/libdlcrt.a -lz -lm -ldl -pthread
TOOLS = $(patsubst tests/tools/%.c,$(BUILD)/tests/%,$(wildcard tests/tools/*.c))
tests-build: $(BUILD)/tests/unit $(TOOLS)

$(BUILD)/obj/tests/%.o: DLC_CFLAGS += -Iruntime -Itests/harness
$(BUILD)/tests/unit: $(UNIT_OBJ) $(HARNESS_OBJ) $(BUILD)/libdlc.a $(BUILD)/libdlckit.a $(BUILD)/libdlcrt.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $(UNIT_OBJ) $(HARNESS_OBJ) $(TEST_LIBS) -lcriterion

$(BUILD)/tests/%: $(BUILD)/obj/tests/tools/%.o $(HARNESS_OBJ) $(BUILD)/libdlc.a $(BUILD)/libdlckit.a $(BUILD)/libdlcrt.a
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -o $@ $< $(HARNESS_OBJ) $(TEST_LIBS)

# All tests again with the compiler, the tests and the emitted C under the sanitizers.
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
sanitize:
	tests/deps.sh test
	LSAN_OPTIONS=suppressions=$(CURDIR)/tests/sanitize.supp:print_suppressions=0 \
	  $(MAKE) test-run BUILD=$(BUILD)/sanitize CFLAGS="-O1 -g $(SANITIZE)" DLC_TEST_SANITIZE=1

# Each target of tests/fuzz for some SECONDS, with libFuzzer and the sanitizers: clang builds it all once more for that.
SECONDS = 60
FUZZ_FLAGS = -O2 -g $(SANITIZE) -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
fuzz:
	tests/deps.sh test
	$(MAKE) fuzz-build BUILD=$(BUILD)/fuzz CC=clang CFLAGS="$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link"
	tests/fuzz/fuzz.sh $(BUILD)/fuzz $(SECONDS) $(TARGETS)

FUZZERS = frontend graph safetensors idx
fuzz-build: $(FUZZERS:%=$(BUILD)/%) $(BUILD)/dlc
$(FUZZERS:%=$(BUILD)/%): $(BUILD)/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/libdlc.a $(BUILD)/libdlckit.a $(BUILD)/libdlcrt.a
	$(CC) $(FUZZ_FLAGS) -fsanitize=fuzzer -o $@ $(filter %.o,$^) $(filter %.a,$^) -lz -lm -pthread
$(BUILD)/frontend $(BUILD)/graph: $(BUILD)/obj/tests/fuzz/text.o

# ---- the rest ------------------------------------------------------------------------------------------------------

# Six nets on other machines, by qemu and cross compilers; a machine whose tools are not installed is a failure
# (SKIP_MISSING=1: is left out).
test-cross: all
	sh tests/cross/run.sh $(BUILD)

bench: all
	tests/bench/run.sh $(BUILD)

# What dlc and gcc take to compile: beside the figures in tests/bench/compile.txt, as ratios.
bench-compile: all
	tests/bench/compile.sh $(BUILD)

# .cppcheck and .clang-tidy say what is left out, and why.
lint: all
	clang-format --dry-run --Werror $(shell git ls-files '*.c' '*.h')
	cppcheck --quiet --error-exitcode=1 --enable=warning,portability --suppressions-list=.cppcheck \
	  -Icompiler -Igrammar -Iruntime compiler runtime grammar
	git ls-files 'compiler/*.c' 'grammar/*.c' 'runtime/*.c' | xargs -P 4 -n 8 sh -c \
	  'clang-tidy --quiet "$$@" -- -std=gnu11 -Icompiler -Igrammar -Iruntime -I$(BUILD)/gen $(if $(LIBCLANG),-isystem $(LIBCLANG)/include) 2>/dev/null' tidy

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install $(BUILD)/dlc $(if $(LIBCLANG),$(BUILD)/dlc-validate) $(DESTDIR)$(PREFIX)/bin
	install -m 644 runtime/dlc.h runtime/dlc_math.h runtime/dlc_vec.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(BUILD)/libdlcrt.a $(BUILD)/libdlckit.a $(DESTDIR)$(PREFIX)/lib
	install -d $(DESTDIR)$(PREFIX)/include/kit
	install -m 644 runtime/kit/kit.h $(DESTDIR)$(PREFIX)/include/kit
	printf 'prefix=%s\nName: dlc\nDescription: runtime of C compiled by dlc\nVersion: %s\nCflags: -I$${prefix}/include\nLibs: -L$${prefix}/lib -ldlcrt -lm\n' \
	  '$(PREFIX)' "$$(sed -n 's/.*DLC_VERSION "\(.*\)"/\1/p' compiler/emit/emit.h)" > $(DESTDIR)$(PREFIX)/lib/pkgconfig/dlc.pc
	printf 'prefix=%s\nName: dlckit\nDescription: helpers for applications around a net that dlc compiled\nVersion: %s\nRequires: dlc\nLibs: -L$${prefix}/lib -ldlckit -lz -pthread\n' \
	  '$(PREFIX)' "$$(sed -n 's/.*DLC_VERSION "\(.*\)"/\1/p' compiler/emit/emit.h)" > $(DESTDIR)$(PREFIX)/lib/pkgconfig/dlckit.pc

clean:
	rm -rf $(BUILD)

help:
	@echo 'make demo      install what is missing, train a perceptron and a CNN on Fashion-MNIST, classify (DATA=DIR: images from there)'
	@echo 'make train-fashion   train the weights of examples/fashion anew'
	@echo 'make test      install what is missing, run every test'
	@echo 'make check     the same without installing anything'
	@echo 'make test-all  the same, and every operator in nests of all short rows, through all C compilers and flags: two hours'
	@echo 'make           build $(BUILD)/dlc and the runtime'
	@echo 'make test-cross   six nets on other machines, by qemu'
	@echo 'make bench     speed beside the machine'"'"'s peak (and PyTorch where PYTHON has it)'
	@echo 'make bench-compile   time and memory of dlc and gcc, bytes of C, beside the stored ones'
	@echo 'make sanitize  every test under AddressSanitizer and UBSan'
	@echo 'make fuzz      SECONDS=60 each: any text and any bytes into the compiler and the readers; TARGETS="$(FUZZERS)"'
	@echo 'make lint      clang-format, cppcheck, clang-tidy'
	@echo 'make install   to PREFIX (/usr/local), under DESTDIR'
	@echo 'make clean'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
.SECONDARY: # objects of the test tools stay, so that a change links them anew and no more
.PHONY: all no-validate demo demo-run train-fashion test check test-all test-run tests-build sanitize fuzz fuzz-build test-cross bench bench-compile lint install clean help
