#!/bin/sh
# run.sh BUILD: compiles every tests/golden/*.dl and compares with its sidecars, byte by byte:
#     x.dl + x.graph   dlc --emit=graph exits with 0 and prints this; what it printed reads back to the same text
#     x.dl + x.backward  and dlc --emit=backward prints this
#     x.dl + x.warn    dlc --emit=graph exits with 0 and prints this to the standard error
#     x.dl + x.err     dlc --emit=graph exits with 1 and prints this to the standard error, and nothing else
# `UPDATE=1 run.sh BUILD` writes the sidecars anew, to be read before they are committed.
dlc=$(realpath "$1/dlc") || exit 2
cd "$(dirname "$0")" || exit 2
got=$(mktemp -d) || exit 2
trap 'rm -rf "$got"' EXIT
passed=0 failed=0

fail() { # NAME WHAT
    echo "FAIL $1: $2"
    failed=$((failed + 1))
}

# Read back, nodes come from lines of the .graph: only the comments that say so may differ.
places_aside() {
    sed 's/ *#.*//' "$1" >"$1.bare" && sed 's/ *#.*//' "$2" | diff "$1.bare" -
}

for dl in *.dl; do
    name=${dl%.dl}
    "$dlc" "$dl" --emit=graph >"$got/out.graph" 2>"$got/err"
    status=$?
    if [ -n "${UPDATE:-}" ]; then
        rm -f "$name.graph" "$name.err"
        if [ -f "$name.backward" ]; then "$dlc" "$dl" --emit=backward >"$name.backward"; fi
        if [ -f "$name.warn" ]; then
            cp "$got/err" "$name.warn"
        elif [ $status = 0 ]; then
            cp "$got/out.graph" "$name.graph"
        else
            cp "$got/err" "$name.err"
        fi
    fi
    if [ -f "$name.graph" ]; then
        want=$name.graph have=$got/out.graph expected=0 silent=$got/err
    elif [ -f "$name.warn" ]; then
        want=$name.warn have=$got/err expected=0 silent=/dev/null
    else
        want=$name.err have=$got/err expected=1 silent=$got/out.graph
    fi
    if [ $status != $expected ]; then
        fail "$name" "exit $status, want $expected"
    elif ! diff -u "$want" "$have"; then
        fail "$name" "differs from $want"
    elif [ -s "$silent" ]; then
        fail "$name" "printed more than expected: $(head -c 200 "$silent")"
    elif [ $status = 0 ] && ! "$dlc" "$got/out.graph" --emit=graph >"$got/again.graph"; then
        fail "$name" "cannot read back what it printed"
    elif [ $status = 0 ] && ! places_aside "$got/out.graph" "$got/again.graph"; then
        fail "$name" "reads back differently"
    elif [ -f "$name.backward" ] && ! { "$dlc" "$dl" --emit=backward >"$got/backward" && diff -u "$name.backward" "$got/backward"; }; then
        fail "$name" "differs from $name.backward"
    else
        passed=$((passed + 1))
    fi
done
# A sidecar whose .dl is gone, or has another name, would never be compared.
for side in *.graph *.backward *.warn *.err; do
    [ -f "${side%.*}.dl" ] || fail "$side" "there is no ${side%.*}.dl"
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
