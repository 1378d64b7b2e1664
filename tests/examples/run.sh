#!/bin/sh
# The examples: they build without a warning, do what their pages say, and load what torchvision saved.
#     tests/examples/run.sh BUILD
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$build/tests/work/examples
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
sanitize=
[ -n "${DLC_TEST_SANITIZE:-}" ] && sanitize="-g -fsanitize=address,undefined -fno-sanitize-recover=all"

# program NAME FLAGS SOURCE...: an application of these files.
program() {
    name=$1 flags=$2
    shift 2
    # shellcheck disable=SC2086
    gcc -std=c11 -O1 -Wall -Wextra -Wpedantic -Werror -fno-math-errno $sanitize $flags -I"$top/runtime" -I. -o "$name" "$@" \
        "$build/libdlckit.a" "$build/libdlcrt.a" -lz -lm -pthread
}

# Narrow nets that torchvision saved as float16, and the five classes that it finds (tests/oracle/torchvision_check.py).
for row in "resnet18 4" "mobilenet_v2 10"; do
    net=${row% *}
    golden=$top/tests/golden/safetensors/$net
    for level in -O0 -O2; do
        "$build/dlc" "$top/examples/resnet/$net.dl" -o "$net.c" --target=c11 $level --entry=forward -D SIZE=33 \
            -D CLASSES=10 -D WIDTH="${row#* }" &&
            program classify "-DNET=$net -DHEADER=\"$net.h\" -DSIZE=33 -DCLASSES=10" "$top/examples/resnet/main.c" "$net.c" &&
            ./classify "$golden.safetensors" >"$net.txt" || {
            bad "$net $level: does not build or run"
            continue
        }
        # class, percent, beside those of torchvision: at most 0.0003 apart, of about 10
        sed -n 's/.*class *\([0-9]*\) *\([0-9.]*\) %/\1 \2/p' "$net.txt" | paste -d ' ' - "$golden.txt" |
            awk '{ d = $2 - $4; if ($1 != $3 || d > 3e-4 || d < -3e-4) exit 1; n++ } END { exit n != 5 }' && ok ||
            bad "$net $level: torchvision says $(tr '\n' ' ' <"$golden.txt"), the C $(tr '\n' ' ' <"$net.txt")"
    done
done
./classify "$top/tests/golden/safetensors/resnet18.safetensors" 2>error.txt
[ $? = 1 ] && grep -q 'features.0.0.weight' error.txt && ok || bad "the weights of another net: $(cat error.txt)"

# backprop: the gradient is its finite difference, XOR is learned, and the page quotes the C that dlc emits today.
"$build/dlc" "$top/examples/backprop/backprop.dl" -O0 -o backprop.c && program backprop "" "$top/examples/backprop/main.c" backprop.c &&
    ./backprop >backprop.txt && ok || bad "backprop: $(cat backprop.txt)"
awk -v page="$top/examples/backprop/README.md" -v dl="$top/examples/backprop/backprop.dl" '
    function all(file,  text, line) { while ((getline line < file) > 0) text = text line "\n"; close(file); return text }
    BEGIN {
        emitted = all("backprop.c")
        if (!index(all(page), "```\n" all(dl) "```\n")) { print "its .dl is not the file"; bad = 1 }
        while ((getline line < page) > 0) {
            if (line == "```c") { quote = ""; inside = 1; continue }
            if (line == "```" && inside) {
                inside = 0
                quotes++
                if (!index(emitted, quote)) { print "not in the C:\n" quote; bad = 1 }
            }
            if (inside) quote = quote line "\n"
        }
        exit bad || quotes < 15
    }' >quotes.txt && ok || bad "examples/backprop/README.md: $(head -20 quotes.txt)"

# mynet: as many parameters as its page says; a picture of its own.
"$build/dlc" "$top/examples/mynet/mynet.dl" -o mynet.c --target=c11 --entry=forward --report >report.txt &&
    grep -q ' 9,536,074 elements' report.txt && ok || bad "mynet: $(grep parameters report.txt)"
printf 'P6 2 2 255\nabcdefghijkl' >picture.ppm
program mynet "" "$top/examples/mynet/main.c" mynet.c && ./mynet picture.ppm >mynet.txt && ./mynet >>mynet.txt &&
    [ "$(grep -c 'class [0-9] [0-9.]* %' mynet.txt)" = 2 ] && ok || bad "mynet: $(cat mynet.txt)"

# The fashion CNN: a set of two classes, dark and bright pictures, is learned, saved, and classified by the other program.
mkdir -p data
for kind in train t10k; do
    { printf '\0\0\010\003\0\0\0\200\0\0\0\034\0\0\0\034' && for k in $(seq 64); do
        head -c 784 /dev/zero && head -c 784 /dev/zero | tr '\0' '\300'
    done; } >data/$kind-images-idx3-ubyte
    { printf '\0\0\010\001\0\0\0\200' && for k in $(seq 64); do printf '\003\005'; done; } >data/$kind-labels-idx1-ubyte
done
"$build/dlc" "$top/examples/fashion/fashion.dl" -o fashion.c --target=c11 &&
    program train "" "$top/examples/fashion/train.c" "$top/examples/fashion/data.c" fashion.c &&
    program fashion "" "$top/examples/fashion/main.c" "$top/examples/fashion/data.c" fashion.c &&
    ./train --data data --epochs 5 --save learned.safetensors >train.txt &&
    ./fashion --data data --load learned.safetensors >fashion.txt && grep -q 'accuracy 100.00 % of 128 images' fashion.txt &&
    ok || bad "fashion: $(tail -1 train.txt fashion.txt)"
# Its committed weights are of this very net.
./fashion --data data --load "$top/examples/fashion/fashion.safetensors" >fashion.txt && ok || bad "the weights of examples/fashion"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
