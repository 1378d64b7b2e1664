#!/bin/sh
# compile.sh BUILD: what compiling costs: CPU time and memory of dlc, bytes of C, and for some nets the time of gcc -O3.
# Beside each figure stands its ratio to the baseline in compile.txt. Times count in units of what gcc -O3 takes for
# forty small matrix products in the same run, so that the baseline holds on other machines.
#     compile.sh BUILD OTHER          the ratios are to the dlc of another build, and the two take turns
#     compile.sh BUILD >compile.txt   replaces the baseline
set -eu
build=$(cd "$1" && pwd)
other=${2:+$(cd "$2" && pwd)}
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Name, file, entries (- for all), whether gcc compiles it too. Each takes gcc under half a minute.
nets() {
    cat <<END
mlp $top/examples/mlp/mlp.dl - gcc
mynet $top/examples/mynet/mynet.dl - gcc
mobilenet $work/mobilenet.dl step gcc
unet $work/unet.dl step gcc
densenet $work/densenet.dl step -
efficientnet $work/efficientnet.dl step -
lstm16 $work/lstm16.dl step -
residual50 $work/residual50.dl step -
residual100 $work/residual100.dl step -
residual200 $work/residual200.dl step -
convolutions300 $work/convolutions300.dl step -
END
}

# dlc_of BUILD NAME FILE ENTRIES: one run; milliseconds and MB.
dlc_of() {
    entry=
    [ "$4" = - ] || entry=--entry=$4
    # shellcheck disable=SC2086
    "$work/command" -m 1 "$1/dlc" "$3" $entry --target=x86-64-v4 --prefix=net -o "$work/$2.c"
}

# gcc_of BUILD NAME: milliseconds; the runtime's headers are those beside the build.
gcc_of() {
    runtime=$(dirname "$1")/runtime
    [ -d "$runtime" ] || runtime=$top/runtime
    "$work/command" 1 gcc -std=gnu11 -O3 -march=x86-64-v4 -fno-math-errno -I"$runtime" -c -o "$work/$2.o" "$work/$2.c"
}

# The line in the middle of a file, by the number that it begins with.
median() { sort -n "$1" | awk '{ at[NR] = $0 } END { print at[int((NR + 1) / 2)] }'; }

# figures NAME FILE ENTRIES GCC: the figures of each build, in files $work/1 and $work/2: dlc's time in ms and memory in
# MB, bytes of C, gcc's time in ms. The builds take turns.
figures() {
    rm -f "$work"/[12].*
    round=0
    while [ $((round += 1)) -le "${ROUNDS:-3}" ]; do
        number=0
        for b in "$build" ${other:+"$other"}; do
            number=$((number + 1))
            dlc_of "$b" "$1-$number" "$2" "$3" >>"$work/$number.runs"
        done
    done
    number=0
    for b in "$build" ${other:+"$other"}; do
        number=$((number + 1))
        gcc=-
        [ "$4" = - ] || gcc=$(gcc_of "$b" "$1-$number")
        echo "$(median "$work/$number.runs") $(wc -c <"$work/$1-$number.c") $gcc" >"$work/$number.figures"
    done
}

gcc -std=gnu11 -O2 -o "$work/command" "$here/command.c" "$here/peak.c"
sh "$here/nets.sh" "$work"
seq 40 | awk '{
    print "void f" $1 "(int n, const float *a, const float *b, float *y) {"
    print "    for (int i = 0; i < n; i++) for (int j = 0; j < n; j++) for (int k = 0; k < n; k++)"
    print "        y[i * n + j] += a[i * n + k] * b[k * n + j] + " $1 ";\n}"
}' >"$work/unit.c"
unit=$("$work/command" 9 gcc -std=c11 -O3 -c -o "$work/unit.o" "$work/unit.c")

echo "# net; dlc's time in units, its memory in MB, bytes of C, gcc's time in units; their ratios to ${other:-the baseline} (a unit is $unit ms here)"
nets | while read -r name file entries with; do
    figures "$name" "$file" "$entries" "$with"
    awk -v name="$name" -v unit="$unit" -v mine="$(cat "$work/1.figures")" -v theirs="${other:+$(cat "$work/2.figures")}" \
        -v baseline="$here/compile.txt" '
        function in_units(ms, digits) { return ms == "-" ? ms : sprintf("%." digits "f", ms / unit) }
        BEGIN {
            split(mine, now, " ")
            now[1] = in_units(now[1], 3)
            now[4] = in_units(now[4], 1)
            if (theirs) {
                split(theirs, old, " ")
                old[1] = in_units(old[1], 3)
                old[4] = in_units(old[4], 1)
            }
            while (!theirs && (getline line < baseline) > 0) {
                split(line, word, " ")
                if (word[1] == name) for (k = 1; k <= 4; k++) old[k] = word[k + 1]
            }
            for (k = 1; k <= 4; k++) line_now = line_now " " now[k]
            for (k = 1; k <= 4; k++) ratios = ratios " " (old[k] > 0 && now[k] != "-" ? sprintf("%.2f", now[k] / old[k]) : "-")
            print name line_now "  # ratios:" ratios
        }'
done
