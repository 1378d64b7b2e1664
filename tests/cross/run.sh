#!/bin/sh
# Six nets for c11 on other machines, by qemu: what they answer is what x86-64 answers, and files pass between them.
#     tests/cross/run.sh BUILD        (make test-cross; no part of make test)
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$build/tests/work/cross
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
strict="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
warn="$strict -Wdouble-promotion"
# No function of libm is between the weights and these.
exact="perceptron.logits cnn.logits depthwise.y numbers.steps numbers.pooled"

# machine COMPILER EMULATOR PACKAGE
machine() {
    cc=$1 qemu=$2
    name=${cc%%-*}
    if ! command -v "$cc" >/dev/null || ! command -v "$qemu" >/dev/null; then
        echo "$name needs $cc and $qemu (Debian: gcc-$3, qemu-user-static)"
        [ -n "${SKIP_MISSING:-}" ] || bad "$name: no compiler or no emulator (SKIP_MISSING=1 leaves such machines out)"
        return
    fi
    flags=$warn
    [ "$name" = s390x ] && flags=$strict # its gcc evaluates floats as doubles under -std=c11, and would warn of each
    for level in O2 O0; do
        # shellcheck disable=SC2086
        "$cc" -std=c11 -O3 $flags -static -I"$level" -I"$top/runtime" -o "$name-$level" "$top/tests/cross/main.c" "$level/nets.c" "$top"/runtime/dlc*.c -lm &&
            "$qemu" "./$name-$level" "x86-$level.safetensors" "$name.safetensors" >"$name-$level.txt" && ok || bad "$name -$level: does not run"
        line=$(awk -v ulps=4 -v exact="$exact" -f "$top/tests/cross/compare.awk" "x86-$level.txt" "$name-$level.txt") && ok || bad "$name -$level: answers otherwise"
        echo "$name -$level: $line"
        cmp "x86-$level.safetensors" "$name.safetensors" && ok || bad "$name -$level: saves another file"
        # What it saved is read here.
        "./x86-$level" "$name.safetensors" - >back.txt && cmp "x86-$level.txt" back.txt && ok || bad "$name -$level: its file is another here"
        # The weights that it draws itself are x86-64's; but i386's libm has a logf and a cosf of its own, which -O2 draws
        # normal numbers with (-O0: log and cos).
        [ "$name-$level" = i686-O2 ] && continue
        "$qemu" "./$name-$level" - drawn.safetensors >drawn.txt && cmp "x86-$level.safetensors" drawn.safetensors && ok || bad "$name -$level: draws other weights"
    done
}

for level in O2 O0; do
    mkdir -p "$level"
    "$build/dlc" "$top/tests/cross/nets.dl" -o "$level/nets.c" "-$level" --target=c11 || bad "-$level: dlc"
    # shellcheck disable=SC2086
    gcc -std=c11 -O3 $warn -I"$level" -I"$top/runtime" -o "x86-$level" "$top/tests/cross/main.c" "$level/nets.c" "$top"/runtime/dlc*.c -lm &&
        "./x86-$level" - "x86-$level.safetensors" >"x86-$level.txt" && ok || bad "x86 -$level: does not run"
done
grep -q '^numbers.whole 0 i 100000000$' x86-O2.txt && ok || bad "cast(0.1 * 1e9): $(grep 'numbers.whole 0 ' x86-O2.txt)"
machine aarch64-linux-gnu-gcc qemu-aarch64-static aarch64-linux-gnu
machine arm-linux-gnueabihf-gcc qemu-arm-static arm-linux-gnueabihf
machine riscv64-linux-gnu-gcc qemu-riscv64-static riscv64-linux-gnu
machine s390x-linux-gnu-gcc qemu-s390x-static s390x-linux-gnu
machine i686-linux-gnu-gcc qemu-i386-static i686-linux-gnu

# No C of c11 at -O2 calls for arithmetic with doubles, which a unit that knows floats only would need.
arm="arm-linux-gnueabihf-gcc -mcpu=cortex-m4 -mthumb -mfpu=fpv4-sp-d16 -mfloat-abi=hard"
for file in "$top"/examples/*/*.dl "$top"/tests/nets/*.dl; do
    command -v arm-linux-gnueabihf-gcc >/dev/null || break
    # shellcheck disable=SC2086
    "$build/dlc" "$file" -o net.c --target=c11 2>doubles.txt && $arm -std=c11 -O1 -I"$top/runtime" -c net.c -o net.o &&
        ! arm-linux-gnueabihf-nm net.o | grep -E '__aeabi_(d|f2d|[ui]2d|u?l2d)' >doubles.txt && ok || bad "$file: doubles: $(head -5 doubles.txt)"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
