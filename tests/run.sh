#!/bin/sh
# Runs every test and closes with one line, `N passed, N failed`. Called by `make test`, which has built everything.
#     tests/run.sh BUILD
# Each part prints its own last line `N passed, N failed`; the sums are printed here.
set -u
build=$1
top=$(cd "$(dirname "$0")/.." && pwd)
export BUILD="$build" TOP="$top"
log=$build/tests/log
mkdir -p "$log"
passed=0
failed=0

# part NAME COMMAND...: runs a part, shows its failures, adds up its counts.
part() {
    name=$1
    shift
    start=$(date +%s)
    "$@" >"$log/$name.txt" 2>&1
    status=$?
    # Criterion's closing line is brought into the same form.
    line=$(sed -n 's/.*Tested: .*Passing: .*\([0-9][0-9]*\).* | Failing.*/\0/p' "$log/$name.txt" | tail -1 | sed 's/\x1b\[[0-9;]*m//g')
    if [ -n "$line" ]; then
        p=$(echo "$line" | sed 's/.*Passing: \([0-9]*\).*/\1/')
        f=$(echo "$line" | sed 's/.*Failing: \([0-9]*\).*/\1/')
        c=$(echo "$line" | sed 's/.*Crashing: \([0-9]*\).*/\1/')
        f=$((f + c))
    else
        line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log/$name.txt" | tail -1)
        p=$(echo "$line" | sed -n 's/^\([0-9]*\) passed.*/\1/p')
        f=$(echo "$line" | sed -n 's/.*passed, \([0-9]*\) failed.*/\1/p')
    fi
    # A part that ended badly without naming a failure, or that ran nothing, is one failure.
    p=${p:-0}
    f=${f:-0}
    if [ "$f" = 0 ] && { [ "$status" != 0 ] || [ "$p" = 0 ]; }; then f=1; fi
    passed=$((passed + p))
    failed=$((failed + f))
    echo "$name: $p passed, $f failed ($(($(date +%s) - start)) s)"
    if [ "$f" != 0 ] || [ "$status" != 0 ]; then tail -60 "$log/$name.txt"; fi
}

part unit "$build/tests/unit" --color=never
for script in "$top"/tests/*/run.sh; do
    case $script in */bench/*) continue ;; esac # speeds are no tests
    part "$(basename "$(dirname "$script")")" sh "$script" "$build"
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
