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
# The table of options in docs/language.md has what --help has, and nothing else.
"$build/dlc" --help | sed -n 's/^  \(-[-a-zDO]*\).*/\1/p' | sort -u >"$build/tests/work/docs/options.txt"
sed -n '/^## The command/,/^It exits/p' "$top/docs/language.md" | grep '^| `-' | sed 's/ | .*//' | grep -o '`-[-a-zA-Z]*' | tr -d '`' | sort -u >"$build/tests/work/docs/table.txt"
if diff "$build/tests/work/docs/options.txt" "$build/tests/work/docs/table.txt"; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED docs/language.md: its table of options is not that of dlc --help"
fi
# Files that the README prints whole: the block behind a line that ends with their name is the file.
for file in examples/mlp/mlp.dl examples/mlp/main.c; do
    awk -v name="\`$file\`:" 'in_block && /^```/ { exit } in_block { print }
        found && /^```/ { in_block = 1 } length($0) >= length(name) && substr($0, length($0) - length(name) + 1) == name { found = 1 }' \
        "$top/README.md" >"$build/tests/work/docs/printed.txt"
    if diff "$top/$file" "$build/tests/work/docs/printed.txt"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED README.md: what it prints as $file is another file"
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
