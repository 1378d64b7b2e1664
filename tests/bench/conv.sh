#!/bin/sh
# conv.sh BUILD [NETWORK...]: convolutional networks: what the C comes to, the kernels of a training step, and the time
# of inference beside ONNX Runtime and PyTorch where PYTHON has them. NETWORK: mynet, resnet18, mobilenet_v2.
# Figures: docs/performance.md.
set -eu
build=$1
shift
here=$(dirname "$0")
examples=$here/../../examples
work=$build/bench
cc=${CC:-gcc}
python=${PYTHON:-python3}
mkdir -p "$work"

flags="-std=gnu11 -O3 -march=native -fno-math-errno"
case $("$cc" --version) in
*clang*)
    flags="$flags -mprefer-vector-width=512"
    hooks=-finstrument-functions-after-inlining
    ;;
*) hooks="-finstrument-functions -finstrument-functions-exclude-function-list=dlc_" ;;
esac
runtime=$(echo "$here"/../../runtime/dlc*.c)

mynet=$examples/mynet/mynet.dl
"$cc" -O2 -o "$work/command" "$here/command.c" "$here/peak.c"

# size WHAT DLC_FLAGS...: dlc and the C compiler, and what comes out.
size() {
    what=$1
    shift
    "$build/dlc" "$mynet" --target=native "$@" --report -o "$work/mynet.c" >"$work/report"
    printf '  %-20s %6d bytes of C   dlc %3d ms   %s -O3 %5d ms\n' "$what" "$(wc -c <"$work/mynet.c")" \
        "$("$work/command" 11 "$build/dlc" "$mynet" --target=native "$@" -o "$work/mynet.c")" "$cc" \
        "$("$work/command" 1 "$cc" $flags -Iruntime -c -o "$work/mynet.o" "$work/mynet.c")"
}
echo "mynet, CPU time of the compilers:"
size "--entry=forward" --entry=forward
size "all entries"
# The report has a section for each entry, which begins with its name and ends with its arena.
awk '/^[a-z]/ { entry = /^init/ ? "" : $1 " " $2 } /^  arena:/ && entry { print "  " entry $0 }' "$work/report"

# The kernels with the most work are conv2 and conv3: forward, weight gradient (with the update) and input gradient.
# In the report `name (recipe)` ends a line; nm knows where they begin.
echo "mynet, one step of 64 pictures, one thread, share of the FMA peak of the same run:"
"$cc" $flags $hooks -fno-pie -Iruntime -c -o "$work/mynet.o" "$work/mynet.c"
"$cc" $flags -no-pie -Iruntime -I"$work" -o "$work/kernels" "$here/kernels.c" "$here/peak.c" "$work/mynet.o" \
    "$build/libdlcrt.a" -lm
awk -F '  +' '/^[a-z]/ { step = /^train/ } step && NF > 7 {
    flops = $(NF - 3)
    gsub(",", "", flops)
    split($NF, kernel, " ")
    if (flops + 0 > 4e9 && kernel[1] ~ /^mynet_k_/) print kernel[1], $3, $4
}' "$work/report" >"$work/large"
nm "$work/kernels" | awk 'NR == FNR { address[$3] = $1; next } { print address[$1]; sub(/^[^ ]* /, ""); print }' \
    - "$work/large" >"$work/arguments"
tr '\n' '\0' <"$work/arguments" | xargs -0 "$work/kernels"

[ $# -gt 0 ] || set -- mynet
for network in "$@"; do
    "$python" -c 'import onnxruntime, onnxscript, safetensors, torch' 2>/dev/null || break
    dl=$examples/resnet/$network.dl
    [ "$network" = mynet ] && dl=$mynet
    "$build/dlc" "$dl" --target=native --entry=forward --prefix=net -o "$work/$network.c"
    "$cc" $flags -fPIC -shared -Iruntime -o "$work/$network.so" "$work/$network.c" $runtime -lm
    OMP_NUM_THREADS=1 "$python" "$here/conv.py" "$network" "$work/$network.so"
done
