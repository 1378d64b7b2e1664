#!/bin/sh
# Runs every test and closes with one line, `N passed, N failed`. Called by `make test`, which has built everything.
#     tests/run.sh BUILD           all parts, as many at a time as there are cores
#     tests/run.sh BUILD PART      one of them
# Each part prints its own last line `N passed, N failed`; the sums are printed here.
set -u
build=$1
top=$(cd "$(dirname "$0")/.." && pwd)
export BUILD="$build" TOP="$top"
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}" # threads that wait leave the core to other parts
log=$build/tests/log
mkdir -p "$log"

# part NAME COMMAND...: runs a part, shows its failures, leaves its counts in a file.
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
    # A part that ended badly without naming a failure, or that ran nothing and skipped nothing, is one failure.
    p=${p:-0}
    f=${f:-0}
    s=$(grep -c '^SKIPPED' "$log/$name.txt")
    if [ "$f" = 0 ] && { [ "$status" != 0 ] || [ "$((p + s))" = 0 ]; }; then f=1; fi
    echo "$p $f $s" >"$log/$name.count"
    echo "$name: $p passed, $f failed ($(($(date +%s) - start)) s)"
    grep '^SKIPPED' "$log/$name.txt"
    grep -h 'DLC_TEST_SEED' "$log/$name.txt" | sort -u # what it drew
    if [ "$f" != 0 ] || [ "$status" != 0 ]; then grep FAILED "$log/$name.txt" | head -40; tail -60 "$log/$name.txt"; fi
}

# The longest first, so that no core is left with one at the end.
parts="app goldens unit validate"
parts="$parts $(sh "$top/tests/differential/run.sh" "$build" list)"
for script in "$top"/tests/*/run.sh; do
    name=$(basename "$(dirname "$script")")
    case " bench cross differential $parts " in *" $name "*) continue ;; esac # speeds are no tests
    parts="$parts $name"
done

if [ $# = 2 ]; then
    case $2 in
    unit) part unit "$build/tests/unit" --color=never ;;
    *) if [ -f "$top/tests/$2/run.sh" ]; then
        part "$2" sh "$top/tests/$2/run.sh" "$build"
    else
        part "$2" sh "$top/tests/differential/run.sh" "$build" "$2"
    fi ;;
    esac
    read -r passed failed skipped <"$log/$2.count"
    [ "$failed" = 0 ] && [ "$((passed + skipped))" != 0 ]
    exit
fi

rm -f "$log"/*.count
# shellcheck disable=SC2086
printf '%s\n' $parts | awk '!seen[$0]++' >"$log/parts"
xargs -P "$(nproc)" -n 1 sh "$top/tests/run.sh" "$build" <"$log/parts"
# A part that left no counts was killed.
cat "$log"/*.count | awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0, NR }' >"$log/counted"
read -r passed failed skipped parts <"$log/counted"
failed=$((failed + $(wc -l <"$log/parts") - parts))
[ "$skipped" = 0 ] || echo "$skipped SKIPPED: what needs programs that are not there"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
