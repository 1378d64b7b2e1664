#!/bin/sh
# run.sh BUILD: speed of what dlc makes, beside what this machine can do. Figures: docs/performance.md.
# PYTHON: an interpreter with PyTorch and ONNX Runtime, for comparisons (conv.py). CC: gcc unless given.
set -eu
build=$1
here=$(dirname "$0")
work=$build/bench
cc=${CC:-gcc}
python=${PYTHON:-python3}
mkdir -p "$work"

flags="-std=gnu11 -Wall -Wextra -Werror -O3 -march=native -fno-math-errno"
case $("$cc" --version) in
*clang*) flags="$flags -mprefer-vector-width=512" ;; # clang cuts explicit vectors of 64 bytes in two otherwise
esac
portable="-std=c11 -Wall -Wextra -Wpedantic -Werror -O3" # with --target=c11

"$cc" $flags -o "$work/machine" "$here/machine.c" "$here/peak.c"
"$work/machine"

# matmul M N K [TARGET FLAGS]
matmul() {
    objects=
    for kind in nn nt tn tt; do
        "$build/dlc" "$here/matmul_$kind.dl" -o "$work/$kind.c" --target="${4:-native}" -D M="$1" -D N="$2" -D K="$3"
        "$cc" ${5:-$flags} -Iruntime -c -o "$work/$kind.o" "$work/$kind.c"
        objects="$objects $work/$kind.o"
    done
    "$cc" $flags -Iruntime -I"$work" -DM="$1" -DN="$2" -DK="$3" -o "$work/matmul" "$here/matmul.c" "$here/peak.c" \
        $objects "$build/libdlcrt.a" -lm
    "$work/matmul"
}
echo "matmul, one thread, packing included, share of the FMA peak of the same run (N: as stored, T: transposed):"
matmul 1024 1024 1024
matmul 333 251 517
matmul 64 256 784
matmul 256 784 64
echo "the same with --target=c11, -std=c11 -O3 without and with -march=native:"
matmul 1024 1024 1024 c11 "$portable"
matmul 1024 1024 1024 c11 "$portable -march=native"

"$build/dlc" "$here/../../examples/mlp/mlp.dl" -o "$work/mlp.c" --target=native
"$cc" $flags -fopenmp -Iruntime -I"$work" -o "$work/train" "$here/train.c" "$here/peak.c" "$work/mlp.c" "$build/libdlcrt.a" -lm
echo "training 784-256-10, batches of 64, images per second:"
for threads in 1 2; do
    printf '  dlc      %d threads  %s\n' "$threads" "$(OMP_NUM_THREADS=$threads "$work/train")"
    if "$python" -c 'import torch' 2>/dev/null; then
        printf '  PyTorch  %d threads  %s\n' "$threads" "$("$python" "$here/train.py" "$threads")"
    fi
done
"$build/dlc" "$here/../../examples/mlp/mlp.dl" -o "$work/mlp.c" --target=c11
for more in "" -march=native; do
    "$cc" $portable $more -Iruntime -c -o "$work/mlp.o" "$work/mlp.c"
    "$cc" $flags -Iruntime -I"$work" -o "$work/train" "$here/train.c" "$here/peak.c" "$work/mlp.o" "$build/libdlcrt.a" -lm
    echo "  dlc      1 thread, --target=c11, -std=c11 -O3 $more  $("$work/train")"
done

"$build/dlc" "$here/../../examples/mynet/mynet.dl" --entry=step --target=native -o "$work/mynet.c"
"$cc" $flags -fopenmp -Iruntime -I"$work" -o "$work/step" "$here/step.c" "$here/peak.c" "$work/mynet.c" "$build/libdlcrt.a" -lm
if "$python" -c 'import torch, safetensors, onnxruntime' 2>/dev/null; then
    echo "a training step of examples/mynet, batch 64, beside PyTorch:"
    "$python" "$here/step.py" "$work/step"
fi

"$here/conv.sh" "$build" mynet resnet18 mobilenet_v2

"$cc" -std=gnu11 -O2 -Iruntime -o "$work/transforms" "$here/transforms.c" "$here/peak.c" "$build/libdlckit.a" -lz -lm
echo "the kit's transforms of one image, CPU time:"
"$work/transforms"
