#!/bin/sh
# compile.sh BUILD [NET...]: what compiling costs: time and memory of dlc and of gcc -O3, bytes of C, beside the baseline
# in compile.txt. Times count in units of what gcc -O3 takes for the runtime's own dlc_load.c in the same run, so that the
# baseline holds on other machines.
#     compile.sh BUILD >compile.txt     replaces the baseline
set -eu
build=$1
shift
here=$(dirname "$0")
work=$build/bench/compile
mkdir -p "$work"
[ $# -gt 0 ] || set -- examples/mlp/mlp.dl examples/mynet/mynet.dl examples/resnet/resnet18.dl examples/resnet/mobilenet_v2.dl \
    tests/nets/unet.dl tests/nets/tcn.dl tests/nets/optimizers.dl

gcc -std=gnu11 -O2 -o "$work/command" "$here/command.c" "$here/peak.c"
unit=$("$work/command" 5 gcc -std=c11 -O3 -Iruntime -c -o "$work/unit.o" runtime/dlc_load.c)
echo "# net, dlc's time in units, its memory in MB, bytes of C, gcc's time in units: now / baseline (unit: $unit ms here)"
for net in "$@"; do
    name=$(basename "$net" .dl)
    dlc=$("$work/command" -m 5 "$build/dlc" "$net" --target=x86-64-v4 -o "$work/$name.c")
    gcc=$("$work/command" 1 gcc -std=gnu11 -O3 -march=x86-64-v4 -fno-math-errno -Iruntime -c -o "$work/$name.o" "$work/$name.c")
    echo "$name $dlc $(wc -c <"$work/$name.c") $gcc" | awk -v unit="$unit" -v baseline="$here/compile.txt" '
        BEGIN { while ((getline line < baseline) > 0) { n = split(line, word, " "); for (k = 2; k <= n; k++) old[word[1], k] = word[k] } }
        {
            now[2] = sprintf("%.3f", $2 / unit); now[3] = $3; now[4] = $4; now[5] = sprintf("%.1f", $5 / unit)
            line = $1
            for (k = 2; k <= 5; k++) line = line " " now[k]
            for (k = 2; k <= 5; k++) ratios = ratios " " (old[$1, k] > 0 ? sprintf("%.2f", now[k] / old[$1, k]) : "-")
            print line "  # ratios:" ratios
        }'
done
