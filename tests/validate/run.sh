#!/bin/sh
# dlc-validate over the C of every .dl of examples and tests/nets: it parses without any diagnostic and keeps the rules
# (compiler/validate/rules.c). And the rules themselves: each broken once, in C by hand.
#     tests/validate/run.sh BUILD
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$build/tests/work/validate
rm -rf "$work"
mkdir -p "$work"
cd "$work" || exit 3
passed=0
failed=0
ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAILED $*"
}
. "$top/tests/house/tool.sh"
if ! has_tool "$build/dlc-validate" libclang-dev; then
    echo "0 passed, $failed failed"
    exit "$failed"
fi

# ---- every network, in every form of C: with dlc-validate, with gcc, and as C++
warn="-Wall -Wextra -Wconversion -Wdouble-promotion -Wshadow -Werror"
compile() { # COMPILER FLAGS...: must be silent
    # shellcheck disable=SC2086
    "$@" $warn -fno-math-errno -I"$top/runtime" -fsyntax-only net.c >cc.txt 2>&1 && ok || bad "$file $options: $*: $(head -5 cc.txt)"
}
seed=${DLC_TEST_SEED:-$(date +%s)}
number=$((seed % 4))
echo "two forms of each network, of four: DLC_TEST_SEED=$seed draws the same"
for file in "$top"/examples/*/*.dl "$top"/tests/nets/*.dl; do
    number=$((number + 1))
    for options in "-O0 --target=c11" "-O2 --target=c11" "-O2 --target=native" "-O0 --target=native --standalone"; do
        number=$((number + 1))
        [ $((number / 2 % 2)) = 0 ] || [ -n "${DLC_TEST_ALL:-}" ] || continue
        # What the other tests emit for the target alone is validated there.
        case $options in *native | -O0*c11) validate= ;; *) validate=--validate ;; esac
        # shellcheck disable=SC2086
        "$build/dlc" "$file" -o net.c $validate $options >out.txt 2>&1 && ok || bad "$file $options: $(head -5 out.txt)"
        case $options in
        "-O0 --target=c11") compile gcc -std=c11 -Wpedantic ;;
        "-O2 --target=c11") compile g++ -x c++ -std=c++17 -Wpedantic ;;
        "-O2 --target=native") compile gcc -std=gnu11 -march=native ;;
        *) compile clang++ -x c++ -std=gnu++17 -march=native ;;
        esac
    done
done
for target in x86-64-v2 x86-64-v3 x86-64-v4; do
    [ "$(uname -m)" = x86_64 ] || continue
    "$build/dlc" "$top/examples/mlp/mlp.dl" -o net.c --validate --target=$target >out.txt 2>&1 && ok || bad "$target: $(head -5 out.txt)"
done
flags="-std=c11 -Wpedantic -Wall -Wextra -Wconversion -Wdouble-promotion -Wshadow"
"$build/dlc" "$top/examples/mlp/mlp.dl" -o net.c --standalone &&
    for more in -DNET_NO_STDIO -DNET_NO_MALLOC -fopenmp; do
        # shellcheck disable=SC2086
        "$build/dlc-validate" net.c $flags $more >out.txt 2>&1 && ok || bad "$more: $(head -5 out.txt)"
    done

# ---- each rule: the file must be refused, with these words
good='#include <stdlib.h>
#include <stdio.h>
#include <math.h>
#include <string.h>
static const float table[2] = {1, 2};
static float kernel(float x) { const float local[64] = {0}; return sqrtf(x) + table[0] + local[3]; }
float mynet_forward(float x); int mynet_load(const char *path); static int dlc_load(const char *path); int other(int n);
static int dlc_load(const char *path) { FILE *f = fopen(path, "r"); return f ? fclose(f) : 1; }
int mynet_load(const char *path) { return dlc_load(path); }'
rule() { # WORDS BODY-OF-FORWARD [MORE]
    printf '%s\n%s\nfloat mynet_forward(float x) { %s }\n' "$good" "${3:-}" "$2" >rule.c
    # shellcheck disable=SC2086
    if "$build/dlc-validate" rule.c $flags >rule.txt 2>&1; then
        [ -z "$1" ] && ok || bad "$1: was not found in: $2 ${3:-}"
    elif [ -n "$1" ] && grep -q -- "$1" rule.txt; then
        ok
    else
        bad "${1:-nothing}: instead of it: $(cat rule.txt)"
    fi
}
rule '' 'float y; memcpy(&y, &x, sizeof y); return kernel(y);'
rule 'mynet_forward calls a function that is of neither math.h nor string.h: malloc' 'free(malloc(4)); return kernel(x);'
rule 'mynet_forward calls .*: printf' 'printf("x"); return kernel(x);'
rule 'helper calls .*: abort' 'helper(); return kernel(x);' 'static void helper(void) { abort(); }'
rule 'mynet_forward calls .*: other' 'return kernel(x) + (float)other(1);'
rule 'mynet_forward calls through a pointer' 'float (*f)(float) = kernel; return f(x);'
rule 'mynet_forward is recursive' 'return x > 0 ? mynet_forward(x - 1) : kernel(x);'
rule 'one is recursive: it is called by two' 'return kernel(x) + (float)one(3);' 'static int two(int n); static int one(int n) { return two(n); } static int two(int n) { return n ? one(n - 1) : 0; }'
rule 'y in mynet_forward is an array whose size is found at run time' 'int n = (int)x; float y[n]; y[0] = 0; return kernel(x) + y[0];'
rule "y takes more than 4 KiB of mynet_forward's stack" 'float y[1025]; y[0] = 0; return kernel(x) + y[0];'
rule '' 'float y[1024]; y[0] = 0; return kernel(x) + y[0];'
rule 'calls outlives the call and is not const' 'static int calls; return kernel(x) + (float)++calls;'
rule 'global outlives the call and is not const' 'return kernel(x) + global;' 'static float global;'
rule 'global outlives the call and is not const' 'return kernel(x) + *global[0];' 'static const float *global[1] = {table};'
rule 'unused variable' 'int unused; return kernel(x);'
rule 'unused function' 'return kernel(x);' 'static void unused(void) {}'
rule 'error: expected' 'return kernel(x)'

# ---- how it is called, and how dlc calls it
"$build/dlc-validate" >out.txt 2>&1
[ $? = 2 ] && grep -q 'no file' out.txt && ok || bad "no file: $(cat out.txt)"
"$build/dlc-validate" missing.c -std=c11 >out.txt 2>&1
[ $? = 2 ] && grep -q 'cannot read missing.c' out.txt && ok || bad "missing.c: $(cat out.txt)"
mkdir -p alone
cp "$build/dlc" alone/dlc
PATH=/nonexistent alone/dlc "$top/tests/nets/small.dl" -o net.c --validate >out.txt 2>&1
[ $? = 1 ] && grep -q 'needs the program dlc-validate beside dlc or in PATH' out.txt && ok || bad "without dlc-validate: $(cat out.txt)"
PATH=$build alone/dlc "$top/tests/nets/small.dl" -o net.c --validate >out.txt 2>&1 && ok || bad "in PATH: $(cat out.txt)"
printf '#!/bin/sh\necho "found in $1 with $2" >&2\nexit 1\n' >alone/dlc-validate
chmod +x alone/dlc-validate
alone/dlc "$top/tests/nets/small.dl" -o net.c --validate >out.txt 2>&1
[ $? = 1 ] && grep -q 'found in net.c with -std=c11' out.txt && grep -q 'net.c does not pass dlc-validate for c11' out.txt && ok ||
    bad "what dlc-validate finds: $(cat out.txt)"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
