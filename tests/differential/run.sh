#!/bin/sh
# The C against PyTorch's goldens and against the interpreter, at every level, target and compiler.
#     tests/differential/run.sh BUILD [STEP...]      all steps, or some
#     tests/differential/run.sh BUILD list           their names
set -u
build=$1
shift
top=$(cd "$(dirname "$0")/../.." && pwd)
steps="operators layers loops graphs convolutions texts nests checkpoints budgets gradients"
case ${1:-} in
list)
    echo goldens $steps
    exit
    ;;
'') set -- goldens $steps ;;
esac
passed=0
failed=0
run() {
    "$@" >"$build/tests/log/$step.part" 2>&1
    status=$?
    cat "$build/tests/log/$step.part"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$build/tests/log/$step.part" | tail -1)
    [ -n "$line" ] || line="0 passed, 1 failed"
    passed=$((passed + ${line%% passed*}))
    f=${line##*, }
    f=${f%% failed}
    [ "$status" != 0 ] && [ "$f" = 0 ] && f=1
    failed=$((failed + f))
}
mkdir -p "$build/tests/log"
seed=${DLC_TEST_SEED:-$(date +%s)}
for step in "$@"; do
    case $step in
    layers) run "$build/tests/layers" "$top" layers edges losses optimizers onnx_optimizers sizes recurrent ;;
    budgets)
        echo "budgets of random training steps: DLC_TEST_SEED=$seed draws them again"
        run "$build/tests/budgets" "$seed" "${DLC_TEST_BUDGETS:-4}"
        run "$build/tests/budgets" "$top/tests/cli/arena_max_unet.dl"
        run "$build/tests/budgets" "$top/tests/nets/learned_input.dl"
        ;;
    gradients)
        run "$build/tests/prelude_examples"
        run "$build/tests/gradients"
        run "$build/tests/random_gradients" 1 30
        ;;
    nests)
        run "$build/tests/nests"
        # What gcc 12 got wrong, in every run: a gradient beside its ReLU, and masks in memory.
        run env DLC_TEST_CC=gcc "$build/tests/nests" relu_fixed 5
        run env DLC_TEST_CC=gcc "$build/tests/nests" hardswish_planes 8
        ;;
    graphs)
        run "$build/tests/random_programs" "$top/tests/nets/reduced.dl"
        run "$build/tests/random_programs" "$top/tests/nets/dense.dl" quick
        run "$build/tests/random_programs" "$top/tests/nets/scan.dl" quick
        run "$build/tests/random_programs" "$top/tests/nets/scan_places.dl" quick
        run "$build/tests/random_programs" "$top/tests/nets/state.dl" quick
        run "$build/tests/random_programs" "$top/tests/nets/random.dl" quick
        run "$build/tests/random_programs" graphs 1 1
        run "$build/tests/random_programs" graphs 2 5 quick
        ;;
    loops)
        echo "loops of random programs, evaluated: DLC_TEST_SEED=$seed draws them again"
        run "$build/tests/random_programs" loops "$seed" 60
        run "$build/tests/random_programs" loops "$top/tests/nets/kernels.dl"
        run "$build/tests/random_programs" loops "$top/tests/nets/dense.dl"
        run "$build/tests/random_programs" loops "$top/tests/nets/kernels.graph"
        ;;
    texts) run "$build/tests/random_programs" texts "${DLC_TEST_SEED:-1000}" 60 ;;
    checkpoints) run "$build/tests/checkpoints" "$top" "$build" ;;
    operators) run "$build/tests/operators" ;;
    *) run "$build/tests/$step" "$top" ;;
    esac
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
