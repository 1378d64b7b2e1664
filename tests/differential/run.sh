#!/bin/sh
# The C against PyTorch's goldens and against the interpreter, at every level, target and compiler.
#     tests/differential/run.sh BUILD
set -u
build=$1
top=$(cd "$(dirname "$0")/../.." && pwd)
passed=0
failed=0
run() {
    "$@" >"$build/tests/log/part.txt" 2>&1
    status=$?
    cat "$build/tests/log/part.txt"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$build/tests/log/part.txt" | tail -1)
    [ -n "$line" ] || line="0 passed, 1 failed"
    passed=$((passed + ${line%% passed*}))
    f=${line##*, }
    f=${f%% failed}
    [ "$status" != 0 ] && [ "$f" = 0 ] && f=1
    failed=$((failed + f))
}
mkdir -p "$build/tests/log"
run "$build/tests/goldens" "$top"
run "$build/tests/convolutions" "$top"
run "$build/tests/layers" "$top" layers edges losses optimizers onnx_optimizers sizes
run "$build/tests/checkpoints" "$top" "$build"
seed=${DLC_TEST_SEED:-$(date +%s)}
echo "budgets of random training steps: seed $seed (DLC_TEST_SEED=$seed draws them again)"
run "$build/tests/budgets" "$seed" "${DLC_TEST_BUDGETS:-4}"
run "$build/tests/budgets" "$top/tests/cli/arena_max_unet.dl"
run "$build/tests/prelude_examples"
run "$build/tests/gradients"
run "$build/tests/random_gradients" 1 30
run "$build/tests/operators"
run "$build/tests/nests"
# What gcc 12 got wrong, in every run: a gradient beside its ReLU, and masks in memory.
run env DLC_TEST_CC=gcc "$build/tests/nests" relu_fixed 5
run env DLC_TEST_CC=gcc "$build/tests/nests" hardswish_planes 8
run "$build/tests/random_programs" "$top/tests/nets/reduced.dl"
run "$build/tests/random_programs" graphs 1 1
run "$build/tests/random_programs" graphs 2 5 quick
seed=${DLC_TEST_SEED:-1000}
echo "random programs: texts $seed 54 (DLC_TEST_SEED draws others)"
run "$build/tests/random_programs" texts $seed 54
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
