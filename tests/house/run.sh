#!/bin/sh
# The sources themselves: clang-format over all, cppcheck and clang-tidy over some, drawn by the commit, so that a few
# commits see them all. `make lint` looks at everything.
#     tests/house/run.sh BUILD
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
cd "$top" || exit 3
passed=0
failed=0
. "$top/tests/house/tool.sh"

# check WHAT COMMAND...: silent and 0.
check() {
    what=$1
    shift
    if out=$("$@" 2>&1); then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED $what: $out"
    fi
}

# draw STEP FILES...: every STEP-th of them, from a place that the commit decides.
draw() {
    printf '%s\n' "$@" | sed 1d | awk -v step="$1" -v first="$((0x$commit % $1))" 'NR % step == first'
}

sources=$(find compiler grammar runtime -name '*.c' | sort)
commit=$(git rev-parse --short=7 HEAD 2>/dev/null || echo 1)
echo "commit $commit draws the files"

if has_tool clang-format clang-format; then
    for file in $(find compiler grammar runtime examples tests -name '*.[ch]' | sort); do
        check "$file" clang-format --dry-run --Werror "$file"
    done
fi
if has_tool cppcheck cppcheck; then
    # shellcheck disable=SC2086
    for file in $(draw 8 $sources); do
        check "$file" cppcheck --quiet --error-exitcode=1 --enable=warning,portability --suppressions-list=.cppcheck \
            -Icompiler -Igrammar -Iruntime "$file"
    done
fi
if has_tool clang-tidy clang-tidy; then
    libclang=$(ls -d /usr/lib/llvm-*/include 2>/dev/null | tail -1)
    # shellcheck disable=SC2086
    for file in $(draw 24 $sources); do
        # Findings come on stdout. stderr has only the number of suppressed warnings.
        check "$file" sh -c 'clang-tidy --quiet "$@" 2>/dev/null' tidy "$file" -- -std=gnu11 -Icompiler -Igrammar -Iruntime \
            -I"$build/gen" ${libclang:+-isystem "$libclang"}
    done
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
