#!/bin/sh
# Pages that are printed from tables have not drifted from them.
#     tests/docs/run.sh BUILD
set -u
build=$1
top=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$build/tests/work/docs"
passed=0
failed=0
build_here=$(cd "$build" && pwd)
top_here=$(cd "$top" && pwd)
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
if [ -s "$build/tests/work/docs/options.txt" ] && diff "$build/tests/work/docs/options.txt" "$build/tests/work/docs/table.txt"; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED docs/language.md: its table of options is not that of dlc --help"
fi
# examples/mlp/README.md prints these files whole, each in the block after the line that ends with its name.
for file in examples/mlp/mlp.dl examples/mlp/main.c; do
    awk -v name="\`$file\`:" 'in_block && /^```/ { exit } in_block { print }
        found && /^```/ { in_block = 1 } length($0) >= length(name) && substr($0, length($0) - length(name) + 1) == name { found = 1 }' \
        "$top/examples/mlp/README.md" >"$build/tests/work/docs/printed.txt"
    if diff "$top/$file" "$build/tests/work/docs/printed.txt"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED examples/mlp/README.md: what it prints as $file is another file"
    fi
done
sanitize=
[ -n "${DLC_TEST_SANITIZE:-}" ] && sanitize="-fsanitize=address,undefined" # as the runtime's library is then
# The README's example is what it says: it compiles by the two commands, and learns.
rm -rf "$build/tests/work/docs/readme"
mkdir -p "$build/tests/work/docs/readme"
awk -v folder="$build/tests/work/docs/readme" '
    /^```/ { inside = !inside; out = inside ? wanted : ""; wanted = ""; next }
    inside && out { print >(folder "/" out) }
    !inside && /`mlp.dl`:$/ { wanted = "mlp.dl" }
    !inside && /`main.c`:$/ { wanted = "main.c" }' "$top/README.md"
# shellcheck disable=SC2086
if (cd "$build/tests/work/docs/readme" && "$build_here/dlc" mlp.dl -o mlp.c --target=native && gcc -std=gnu11 -O3 -march=native -fno-math-errno $sanitize -I"$top_here/runtime" -o mlp main.c mlp.c \
    "$build_here/libdlcrt.a" -lm && ./mlp >mlp.txt && awk '/^loss [0-9.e-]*$/ && $2 < 0.5 { learned = 1 } END { exit !learned }' mlp.txt && [ -s mlp.safetensors ]); then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED README.md: its example"
fi
# docs/loops.md and docs/sequences.md: a block that begins with `# NAME.dl` is a net; one that begins with
# `$ dlc ...` and an option that prints a part of it is what dlc prints of it, in order, with `...` for what is left out.
for page in loops sequences; do
    pieces=$build/tests/work/docs/$page
    rm -rf "$pieces"
    mkdir -p "$pieces"
    awk -v folder="$pieces" '
    /^```/ { inside = !inside; out = ""; next }
    inside && !out && /^(#|\/\/) [a-z_]+[.](dl|c)$/ { out = folder "/" $2; printf "" >out }
    inside && !out && /^[$] dlc .*--(emit=(loops|c|backward)|report)$/ { out = folder "/" ++n ".txt"; print substr($0, 3) >out; next }
    inside && out { print >out }
    END { print n }' "$top/docs/$page.md" >"$pieces/count"
    for block in $(seq "$(cat "$pieces/count")"); do
        block=$pieces/$block.txt
        command=$(head -1 "$block")
        # shellcheck disable=SC2086
        if (cd "$pieces" && "$build_here/dlc" ${command#dlc }) >"$block.got" 2>&1 &&
            awk 'NR == FNR { got[++n] = $0; next }
            FNR == 1 { next }
            $0 == "..." { free = 1; next }
            { if (FNR == 2 || free) { for (at++; at <= n && got[at] != $0; at++); free = 0 } else at++
              if (got[at] != $0) { print "line " FNR ": " $0; exit 1 } }' "$block.got" "$block"; then
            passed=$((passed + 1))
        else
            failed=$((failed + 1))
            echo "FAILED docs/$page.md: what $command prints is something else"
        fi
    done
done
# docs/sequences.md: every net compiles, and its programs do what the page says.
cd "$build/tests/work/docs/sequences" || exit 3
for net in *.dl; do
    if "$build_here/dlc" "$net" -o "${net%.dl}.c" --target=native; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED docs/sequences.md: $net"
    fi
done
# shellcheck disable=SC2086
if gcc -std=gnu11 -O3 -march=native -fno-math-errno $sanitize -I"$top_here/runtime" -o stream stream_main.c stream.c "$build_here/libdlcrt.a" -lm && [ "$(./stream)" = equal ]; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED docs/sequences.md: the program over stream.dl"
fi
# shellcheck disable=SC2086
if gcc -std=gnu11 -O3 -march=native -fno-math-errno $sanitize -I"$top_here/runtime" -o text text_main.c text.c "$build_here/libdlckit.a" "$build_here/libdlcrt.a" -lz -lm -pthread && ./text "$top_here/README.md" >text.txt &&
    awk '/^epoch/ { if (n++ && $4 > least) exit 1; least = $4 } END { exit n != 10 }' text.txt; then
    passed=$((passed + 1))
else
    failed=$((failed + 1))
    echo "FAILED docs/sequences.md: the program over text.dl"
fi
cd "$top_here" || exit 3
# docs/embedding.md: each file of the page, built as it says; all print the same logits.
top=$(cd "$top" && pwd)
build=$(cd "$build" && pwd)
. "$top/tests/house/tool.sh"
rm -rf "$build/tests/work/embedding"
mkdir -p "$build/tests/work/embedding"
cd "$build/tests/work/embedding" || exit 3
awk '/^```/ { out = ""; inside = !inside; next }
    inside && !out && /^(\/\/|#) [A-Za-z]+\.[a-z]+$/ { out = $2 }
    inside && out { print >out }' "$top/docs/embedding.md"
cp "$top/examples/mlp/mlp.dl" .
# same NAME COMMAND...: prints what the first program printed.
same() {
    name=$1
    shift
    if "$@" >"$name.txt" 2>&1 && diff first.txt "$name.txt" && [ "$(wc -l <"$name.txt")" = 10 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED docs/embedding.md: $name: $(head -5 "$name.txt")"
    fi
}
"$build/dlc" mlp.dl --standalone -o mlp.c && gcc -std=c11 -O3 -c mlp.c && gcc -std=c11 -o app main.c mlp.o -lm
./app "$top/tests/golden/none" >none.txt 2>&1 && failed=$((failed + 1)) && echo "FAILED docs/embedding.md: a file that is not there is loaded"
sed 's/argc > 1 \&\&/argc > 3 \&\&/' main.c >first.c && gcc -std=c11 -o first first.c mlp.o -lm && ./first x weights.safetensors >first.txt
same main ./app weights.safetensors
g++ -std=c++17 -o cpp main.cpp mlp.o -lm
same cpp ./cpp weights.safetensors
gcc -std=c11 -O3 -fPIC -shared mlp.c -o libmlp.so -lm
has_tool python3 python3 && same python python3 net.py weights.safetensors
if has_tool cmake cmake; then
    PATH=$build:$PATH cmake -S . -B out >cmake.txt 2>&1 && PATH=$build:$PATH cmake --build out >>cmake.txt 2>&1 || cat cmake.txt
    ./out/app weights.safetensors | awk '{ printf "%.4f\n", $1 }' >fast.txt
    awk '{ printf "%.4f\n", $1 }' first.txt >rounded.txt
    cmp rounded.txt fast.txt && passed=$((passed + 1)) || { failed=$((failed + 1)) && echo "FAILED docs/embedding.md: CMake"; }
fi
"$build/dlc" mlp.dl --entry=forward --weights weights.safetensors --standalone -D N=1 -o mlp.c && gcc -std=c11 -O3 -o device device.c -lm
same device ./device
cd "$top" || exit 3
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
