#!/bin/sh
# Pages that are printed from tables have not drifted from them.
#     tests/docs/run.sh BUILD
set -u
build=$1
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$build/tests/work/docs"
passed=0
failed=0
"$build/tests/operator_docs" >"$build/tests/work/docs/operators.md"
if diff "$top/docs/operators.md" "$build/tests/work/docs/operators.md"; then
    passed=1
else
    failed=1
    echo "FAILED docs/operators.md is not what the records say: $build/tests/operator_docs >docs/operators.md"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
