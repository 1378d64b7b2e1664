#!/bin/sh
# Pages that are printed from tables have not drifted from them.
#     tests/docs/run.sh BUILD
set -u
build=$1
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$build/tests/work/docs"
passed=0
failed=0
# page NAME PROGRAM
page() {
    if "$build/tests/$2" >"$build/tests/work/docs/$1" && diff "$top/docs/$1" "$build/tests/work/docs/$1"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED docs/$1 is not what its table says: $build/tests/$2 >docs/$1"
    fi
}
page operators.md operator_docs
page prelude.md prelude_docs
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
