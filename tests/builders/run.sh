#!/bin/sh
# The same input gives the same bytes of C, whoever built dlc: with clang, which evaluates arguments in another order than
# gcc, and with gcc for x87 (where the machine has one), which computes doubles in a wider type.
#     tests/builders/run.sh BUILD
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$build/tests/work/builders
rm -rf "$work"
mkdir -p "$work"
passed=0
failed=0
. "$top/tests/house/tool.sh"

# write DLC FOLDER: the graph of every input, its C and header at both levels, and what dlc says. False: it refused one.
write() {
    mkdir -p "$2"
    cd "$2" || exit 3
    well=true
    for net in "$top"/tests/builders/*.dl "$top"/tests/nets/layers.dl "$top"/tests/nets/losses.dl "$top"/tests/nets/convolutions.dl \
        "$top"/tests/nets/unet.dl "$top"/tests/nets/optimizers.dl "$top"/tests/nets/small.dl "$top"/examples/mynet/mynet.dl "$top"/examples/resnet/resnet18.dl; do
        name=$(basename "$net" .dl)
        "$1" "$net" --emit=graph >"$name.graph" 2>&1 || well=false
        "$1" "$net" -O0 -o "${name}_0.c" >"${name}_0.txt" 2>&1 || well=false
        "$1" "$net" --target=x86-64-v3 --threads=6 -o "${name}_2.c" >"${name}_2.txt" 2>&1 || well=false
    done
    "$1" "$top/tests/cli/arena_max_train.dl" --arena-max=192K -o fitted.c >fitted.txt 2>&1 || well=false
    $well
}

# compare NAME CC CFLAGS: builds another dlc and compares all that it writes.
compare() {
    make -C "$top" -j2 BUILD="$build/other/$1" CC="$2" CFLAGS="$3" "$build/other/$1/dlc" >"$work/$1.log" 2>&1 || {
        failed=$((failed + 1))
        echo "FAILED dlc does not build with $2 $3: $(tail -5 "$work/$1.log")"
        return
    }
    write "$build/other/$1/dlc" "$work/$1"
    for file in "$work"/first/*; do
        if cmp -s "$file" "$work/$1/$(basename "$file")"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED $(basename "$file") differs when $2 $3 built dlc:"
            diff "$file" "$work/$1/$(basename "$file")" | head -6
        fi
    done
}

write "$build/dlc" "$work/first" || {
    failed=$((failed + 1))
    echo "FAILED dlc refuses an input: $(cat "$work"/first/*.txt)"
}
# clang's build finds undefined behaviour and bad memory as well: dlc then says so in place of what it writes.
export LSAN_OPTIONS="suppressions=$top/tests/sanitize.supp:print_suppressions=0"
has_tool clang clang && compare clang clang "-O0 -fsanitize=address,undefined -fno-sanitize-recover=all"
case $(gcc -dumpmachine) in
x86_64*) compare x87 gcc "-O1 -mfpmath=387" ;;
esac

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
