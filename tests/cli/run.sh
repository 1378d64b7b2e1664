#!/bin/sh
# The command line and bad input: exit status, message, and nothing half-written left behind.
#     tests/cli/run.sh BUILD
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
dlc=$build/dlc
work=$build/tests/work/cli
rm -rf "$work"
mkdir -p "$work"
cd "$work" || exit 3
passed=0
failed=0

. "$top/tests/house/tool.sh"
ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAILED $*"
}

# leftovers: files of a run that failed. A file on its way is called left.c.PID-NUMBER.
leftovers() { ls -d left.* reproducer-dlc* 2>/dev/null; }

# expect STATUS PATTERN ARGUMENTS...: runs dlc for at most 20 s; a line of stderr and stdout together must match the
# pattern, and no part of an output may be left when it failed.
expect() {
    status=$1
    pattern=$2
    shift 2
    timeout 20 "$dlc" "$@" >out.txt 2>&1 </dev/null
    got=$?
    if [ "$got" != "$status" ]; then
        bad "dlc $*: exit $got, want $status: $(head -c 400 out.txt)"
    elif ! grep -qE -- "$pattern" out.txt; then
        bad "dlc $*: no '$pattern' in: $(head -c 600 out.txt)"
    elif [ "$status" != 0 ] && [ -n "$(leftovers)" ]; then
        bad "dlc $*: left $(leftovers)"
    else
        ok
    fi
    rm -f left.*
}

good='model forward(x: f32[2, 3]) -> (y: f32[2, 4]) { return linear(x, 4) }'
printf '%s\n' "$good" >good.dl
broken() { printf "$1" >bad.dl; }

# ---- usage: exit 2
expect 2 'error: no input file$' -o left.c
expect 2 'error: nothing to do with good.dl: give -o FILE.c' good.dl
expect 2 'error: unknown option `--tagret`; did you mean `--target`' good.dl -o left.c --tagret=c11
expect 2 'error: unknown target `nonsense`' good.dl -o left.c --target=nonsense
expect 2 'error: --threads takes 1 to 1024, got `0`' good.dl -o left.c --threads=0
expect 2 'error: --emit takes .*, got `nonsense`' good.dl --emit=nonsense
expect 2 'error: no pass is called `nonsense`; they are keep, ' good.dl -o left.c --dump-after=nonsense
expect 0 '^  c11 +portable ISO C' --target=help
expect 0 '^layer linear\(x: T' --print-prelude linear
expect 2 'error: the prelude has no `liner`; did you mean `linear`' --print-prelude liner
expect 0 '^dlc [0-9]+\.[0-9]+\.[0-9]+$' --version
expect 0 '^  --emit=' --help

# ---- files: exit 1
expect 1 'error: cannot read missing.dl: No such file or directory' missing.dl -o left.c
expect 1 'error: cannot read .: it is a directory' . -o left.c
expect 1 'error: cannot write missing/left.c: No such file or directory' good.dl -o missing/left.c
mkdir -p folder.c
expect 1 'error: cannot write folder.c: it is a directory' good.dl -o folder.c
expect 1 'error: cannot write /dev/full: No space left on device' good.dl -o /dev/full
[ -d folder.c ] && ok || bad "folder.c is gone"
echo precious >left.c
timeout 20 "$dlc" bad-name.dl -o left.c >/dev/null 2>&1
grep -q precious left.c && ok || bad "a failing run touched an existing output"
rm -f left.c
expect 1 'error: -D BOGUS=3: good.dl has no dim `BOGUS`' good.dl -o left.c -D BOGUS=3
expect 2 'error: -D needs NAME=VALUE, got `N`' good.dl -o left.c -D N
expect 1 'error: --entry=nonsense: good.dl has no entry `nonsense`' good.dl -o left.c --entry=nonsense

# ---- text
broken 'model forward(x: f32[2, 3]) -> (y: f32[2, 4]) { return linear(x, 4, name="abc) }\n'
expect 1 'bad.dl:1:74: error: this string is not closed: ' bad.dl -o left.c
broken 'model forward(x: f32[2, 3]) -> (y: f32[2, 3]) {\n    return relu(x)\n'
expect 1 'bad.dl:1:47: error: this `\{` is not closed before the end of the file' bad.dl -o left.c
broken 'model forward(x: f32[2, 3]) -> (y: f32[2, 3]) { return relu((x }\n'
expect 1 'bad.dl:1:61: error: this `\(` is not closed' bad.dl -o left.c
broken 'model f(x: f32[2]) -> (y: f32[2]) { return re\000lu(x) }\n'
expect 1 'bad.dl:1:46: error: unexpected NUL byte: ' bad.dl -o left.c
broken 'model f(x: f32[2]) -> (y: f32[2]) { return x $ x }\n'
expect 1 'bad.dl:1:46: error: unexpected character `\$`' bad.dl -o left.c
: >empty.dl
expect 1 'empty.dl:1:1: error: no model or train entry: ' empty.dl -o left.c
head -c 10000000 /dev/zero | tr '\0' 'x' >long.dl
expect 1 'long.dl:1:1: error: expected the end of the file or a declaration .*, found `xxx' long.dl -o left.c
{ printf 'model f(x: f32[2]) -> (y: f32[2]) { return x'; yes ' + x' | head -1000000 | tr -d '\n'; printf ' }\n'; } >sum.dl
expect 1 'sum.dl:1:4042: error: this expression is nested too deeply: ' sum.dl -o left.c
{ printf 'model f(x: f32[2]) -> (y: f32[2]) { return '; head -c 10000 /dev/zero | tr '\0' '('; printf x; head -c 10000 /dev/zero | tr '\0' ')'; printf ' }\n'; } >deep.dl
expect 1 'deep.dl:1:243: error: more than 200 brackets are open here' deep.dl -o left.c
head -c 3000 /dev/urandom >noise.dl
expect 1 'noise.dl:[0-9]+:[0-9]+: error: (unexpected .*: this is not a text|this string is not text) in UTF-8' noise.dl -o left.c

# ---- names and shapes
# An entry cannot have the name of a function that every header declares.
"$dlc" good.dl -o api.c || bad "good.dl does not compile"
functions=$(sed -n '/^[a-z].*;/s/^[^(]*[ *]api_\([a-z_]*\)(.*/\1/p' api.h | grep -vx forward)
[ "$(echo "$functions" | wc -l)" -ge 25 ] && ok || bad "functions of the header: $functions"
for name in $functions; do
    broken "model $name(x: f32[2]) -> (y: f32[2]) { return x }\n"
    expect 1 "bad.dl:1:7: error: an entry cannot be called .$name.: the generated C has a function of that name" bad.dl -o left.c
done
broken 'model f(x: f32[2, 3]) -> (y: f32[2, 4]) { return liner(x, 4) }\n'
expect 1 'bad.dl:1:50: error: unknown layer `liner`; did you mean `linear`' bad.dl -o left.c
broken 'model f(x: f32[2, 3]) -> (y: f32[2, 4]) { return linear(z, 4) }\n'
expect 1 'bad.dl:1:57: error: unknown name `z`' bad.dl -o left.c
broken 'model f(x: f32[2, 3]) -> (y: f32[2, 5]) { return linear(x, 4) }\n'
expect 1 'bad.dl:1:50: error: f: y is declared as f32\[2, 5\], got f32\[2, 4\]' bad.dl -o left.c
broken 'model f(a: f32[2, 3], b: f32[4, 5]) -> (y: f32[2, 5]) { return a @ b }\n'
expect 1 'bad.dl:1:64: error: matmul: inner dimensions differ: f32\[2, 3\] @ f32\[4, 5\]' bad.dl -o left.c
# extent DIM MESSAGE: of an axis of DIM elements
extent() {
    broken "model f(x: f32[2, $1]) -> (y: f32[2, $1]) { return x }\n"
    expect 1 "bad.dl:1:19: error: a dimension $2" bad.dl -o left.c
}
extent 0 'is 0; every axis has at least one element'
extent -3 'is -3; every axis has at least one element'
extent 99999999999 'of 99999999999 does not fit; a tensor has fewer than 2\^31 elements'
extent 3000000000 'of 3000000000 does not fit; a tensor has fewer than 2\^31 elements'
extent 1.5 'must be an integer, got 1.5'
broken 'model f(x: f32[65536, 65536]) -> (y: f32[65536, 65536]) { return relu(x) }\n'
expect 1 'bad.dl:1:12: error: f32\[65536, 65536\] has 2\^31 elements or more' bad.dl -o left.c
broken 'dim A = 9223372036854775807 + 1\nmodel f(x: f32[A]) -> (y: f32[A]) { return x }\n'
expect 1 'bad.dl:1:9: error: 9223372036854775807 \+ 1 does not fit 64-bit integers' bad.dl -o left.c
broken 'dim N <= 0\nmodel f(x: f32[N]) -> (y: f32[N]) { return x }\n'
expect 1 'bad.dl:1:10: error: the bound of `N` is 0; ' bad.dl -o left.c
broken 'layer a(x: f32[2]) -> f32[2] { return b(x) }\nlayer b(x: f32[2]) -> f32[2] { return a(x) }\nmodel f(x: f32[2]) -> (y: f32[2]) { return a(x) }\n'
expect 1 'bad.dl:2:39: error: a calls itself; .* recursion would never end' bad.dl -o left.c
broken 'dim N <= 8\nmodel f(x: f32[N, 3]) -> (y: f32[24]) { return reshape(x, [24]) }\n'
expect 1 'error: reshape: f32\[N, 3\] has N \* 3 elements, and f32\[24\] has 24' bad.dl -o left.c
broken 'model f(x: f32[2]) -> (y: f32[2]) {\n    for i in 0..10000000 { x = x + 1.0 }\n    return x\n}\n'
expect 1 'bad.dl:2:14: error: a range of more than 1000000 integers' bad.dl -o left.c
broken 'model f(x: f32[2]) -> (y: f32[2]) {\n    for i in 0..900000 { x = x + 1.0 * x }\n    return x\n}\n'
expect 1 'bad.dl:2:5: error: the loop over `i` makes more than a million nodes' bad.dl -o left.c
broken 'model f(x: f32[2]) -> (y: f32[2]) { return scn(x) }\nmodel g(x: f32[2]) -> (y: f32[2]) { return nope(x) }\n'
expect 1 'bad.dl:1:44: error: unknown layer `scn`' bad.dl -o left.c
expect 1 'bad.dl:2:44: error: unknown layer `nope`' bad.dl -o left.c
broken 'model f(x: f32[2], n: i32[2]) -> (y: f32[2]) { return x + n }\n'
expect 1 'bad.dl:1:55: error: \+: dtypes differ: f32\[2\] and i32\[2\]; cast\(x, f32\)' bad.dl -o left.c
broken 'model f(n: i32[2]) -> (y: i32[2]) { return n + 0.5 }\n'
expect 1 'bad.dl:1:44: error: the fraction 0.5 meets a tensor of i32; cast\(x, f32\)' bad.dl -o left.c
broken 'train f(x: f32[2]) -> (y: f32[2]) {\n    minimize x with sgd(lr=0.1)\n    return x\n}\n'
expect 1 'bad.dl:2:14: error: minimize needs a scalar loss, f32\[\], got f32\[2\]' bad.dl -o left.c
broken 'train f(x: f32[2, 3], lr: f32[]) -> (loss: f32[]) {\n    loss = mean(linear(x, 3))\n    minimize loss with sgd(momentum=0.9)\n    return loss\n}\n'
expect 0 'bad.dl:1:23: warning: argument `lr` of f is never used' bad.dl --emit=graph
broken 'model g(x: f32[2, 3]) -> (y: f32[2, 1]) { return linear(x, 1) + foo }\ntrain f(x: f32[2, 3], lr: f32[]) -> (loss: f32[]) {\n    loss = mean(g(x))\n    minimize loss with sgd(lr=lr)\n    return loss\n}\n'
expect 1 'bad.dl:1:65: error: unknown name `foo`' bad.dl -o left.c
grep -q 'never used' out.txt && bad "an error in a model makes its caller's arguments unused" || ok
broken 'model f(x: f32[2, 8, 4, 4]) -> (y: f32[2, 8, 4, 4]) { return batch_norm2d(x, 8) }\n'
expect 1 'bad.dl:1:62: error: batch_norm2d: eps is 8, where 1e-5 is usual; channels' bad.dl -o left.c
broken 'train f(x: f32[2, 3]) {\n    loss = mean(linear(x, 3))\n    if true { return loss }\n}\n'
expect 1 'bad.dl:3:15: error: f returns a value, but its header declares no result' bad.dl -o left.c
broken 'dim A = 7 / 2\nmodel f(x: f32[A]) -> (y: f32[A]) { return x }\n'
expect 1 'bad.dl:1:9: error: 7 / 2 leaves a remainder; `//` floors' bad.dl -o left.c

# ---- training: a name that an entry which accumulates makes; a pattern of many stars over a long path
broken 'train step(x: f32[2, 3]) accumulate -> (y: f32[]) {\n    y = mean(linear(x, 2))\n    minimize y with sgd()\n    return y\n}\nmodel step_update(x: f32[2, 3]) -> (y: f32[2, 3]) { return x }\n'
expect 1 'bad.dl:6:7: error: `step_update` is a function that step makes' bad.dl -o left.c
{
    echo 'layer l0(x: T[B, C]) -> T[B, C] { return linear(x, C, name="z") }'
    for k in $(seq 50); do echo "layer l$k(x: T[B, C]) -> T[B, C] { return l$((k - 1))(x, name=\"a\") }"; done
    echo "train step(x: f32[2, 3]) { minimize mean(l50(x, name=\"a\")) over \"$(printf '*.%.0s' $(seq 25))y\" with sgd() }"
} >stars.dl
expect 1 'stars.dl:52:[0-9]+: error: no parameter of this entry matches' stars.dl -o left.c
# A gradient through sixty thousand movements.
broken 'train step(x: f32[4, 4]) {\n    h = linear(x, 4)\n    for i in 0..20000 { h = transpose(reshape(reshape(h, [16]), [4, 4]), 0, 1) }\n    minimize mean(linear(h, 2)) with sgd()\n}\n'
expect 0 '^train step\(' bad.dl --emit=graph

# ---- --arena-max: as it is, in another order, with values that are computed again; beyond that, what lives at the peak
peak() { # of the entry of the options, from --report
    "$dlc" "$@" --report 2>/dev/null | sed -n 's/.*peak \([0-9,]*\) bytes.*/\1/p' | tr -d , | head -1
}
fits() { # SIZE AGAIN FILE OPTIONS: AGAIN is whether values are computed again
    size=$1 again=$2
    shift 2
    "$dlc" "$@" --entry=step --arena-max="$size" --report >out.txt 2>&1 && [ "$(peak "$@" --entry=step --arena-max="$size")" -le "$size" ] &&
        [ "$again" = "$(grep -c 'computed again for the backward pass' out.txt)" ] && ok || bad "--arena-max=$size $*: $(cat out.txt)"
}
cp "$top"/tests/cli/arena_max*.dl .
bytes=$(peak arena_max.dl -O0 --entry=step)
fits "$bytes" 0 arena_max.dl -O0
fits $((bytes - 1)) 0 arena_max.dl -O0
for level in -O0 -O2; do
    bytes=$(peak arena_max_train.dl $level --entry=step)
    fits "$bytes" 0 arena_max_train.dl $level
    fits $((bytes * 3 / 4)) 1 arena_max_train.dl $level
    fits $((bytes * 6 / 10)) 1 arena_max_train.dl $level
done
"$dlc" arena_max_train.dl -o left.c --arena-max=1G >out.txt 2>&1 && ok || bad "--arena-max=1G: $(cat out.txt)"
"$dlc" arena_max_train.dl -o one.c --arena-max=200K && cp one.c two.c && "$dlc" arena_max_train.dl -o one.c --arena-max=200K && cmp -s one.c two.c &&
    grep -q 'arena-max=204800' one.h && ok || bad "--arena-max=200K: two runs differ, or the C does not say so"
rm -f left.c left.h one.c one.h two.c
expect 1 '^  arena: peak 13,824 bytes, ' arena_max.dl --report --arena-max=1
titles=$("$dlc" "$top/tests/nets/starts.dl" --report | sed -n 's/: c11, .*//p' | tr '\n' ' ')
[ "$titles" = "train step start init " ] && ok || bad "--report: its tables are of $titles"
# What a loop computes counts in every step: as much as the same steps one after the other.
counted() { "$dlc" counted.dl --entry="$1" -O0 --report | awk '$1 == "total" { print $2; exit }'; }
printf 'dim T = 7\nmodel looped(x: f32[T, 4, 3]) -> (y: f32[4, 3]) {\n    y = scan e in x from y = x[0] { y = scan r in e over 1 from y = y { y = tanh(y + r[:, none]) } }\n    return y\n}\nmodel unrolled(x: f32[T, 4, 3]) -> (y: f32[4, 3]) {\n    y = x[0]\n    for t in 0..T { for k in 0..3 { y = tanh(y + x[t, :, k][:, none]) } }\n    return y\n}\n' >counted.dl
[ "$(counted looped)" = "$(counted unrolled)" ] && [ "$(counted looped)" != "" ] && ok || bad "--report: $(counted looped) FLOPs in a loop, $(counted unrolled) unrolled"
printf 'dim N <= 4\nmodel sums(x: f32[N, 3]) -> (y: f32[N, 3]) {\n    state total: f32[N, 3] = zeros()\n    total = total + x\n    return total\n}\n' >counted.dl
expect 0 '^ *total: f32\[N, 3\] +48  bytes$' counted.dl --report
# A sum over the steps of a model needs no memory for its terms.
printf 'dim T <= 10000\nmodel sums(x: f32[T, 4], w: f32[512, 4]) -> (n: f32[], h: f32[512]) {\n    n, h = scan e in x from n = 0.0, h = full([512], 0.0) {\n        h = tanh(sum(w * e[none], axis=1) + h)\n        n = n + sum(h * h)\n    }\n    return n, h\n}\n' >summed.dl
[ "$(peak summed.dl)" -lt 10000 ] && ok || bad "a sum over the steps of a model takes $(peak summed.dl) bytes"
for case in "arena_max -O0 2K" "arena_max_train -O0 64K"; do
    set -- $case
    "$dlc" "$1.dl" "$2" -o left.c "--arena-max=$3" 2>arena.err && bad "$1: --arena-max=$3 went well"
    diff -u "$top/tests/cli/$1.err" arena.err && ok || bad "--arena-max=$3 does not print $1.err"
done
[ -z "$(leftovers)" ] && ok || bad "--arena-max left $(leftovers)"
# A step and its accumulation stand at one place: both sizes are named, and the larger one is enough.
cat >both.dl <<'END'
train step(x: f32[33, 16], lr: f32[]) accumulate {
    h = linear(x, 16, name="inp") |> layer_norm(name="ln")
    h = linear(h, 16, name="l0") |> silu
    h = linear(h, 16, name="l1") |> silu
    minimize mean(linear(h, 4, name="head")) with sgd(lr=lr)
}
END
"$dlc" both.dl -o both.c --arena-max=1 2>both.err
sizes=$(sed -n 's/.* needs an arena of \([0-9,]*\) bytes.*/\1/p' both.err | tr -d ,)
[ "$(echo "$sizes" | wc -l)" = 2 ] && "$dlc" both.dl -o both.c --arena-max="$(echo "$sizes" | sort -n | tail -1)" && ok ||
    bad "--arena-max of a step with accumulation: $(cat both.err)"

# ---- outputs: permissions, links, pipes, a run that is killed, memory
mode() { stat -c %a "$1"; }
(umask 027 && "$dlc" good.dl -o left.c) && [ "$(mode left.c) $(mode left.h)" = "640 640" ] && ok || bad "umask 027 gives $(mode left.c) $(mode left.h)"
chmod 600 left.c && "$dlc" good.dl -o left.c && [ "$(mode left.c) $(mode left.h)" = "600 640" ] && ok ||
    bad "files of mode 600 and 640 become $(mode left.c) $(mode left.h)"
rm -f left.c left.h
mkdir -p linked && rm -f linked/* && echo old >linked/real.c && ln -sf linked/real.c left.c && ln -sf linked/new.h left.h && "$dlc" good.dl -o left.c &&
    [ -L left.c ] && [ -L left.h ] && grep -q left_forward linked/real.c && grep -q left_forward linked/new.h && ok || bad "-o does not write through links: $(ls -l left.* linked)"
rm -f left.c left.h
"$dlc" good.dl --prefix=net -o /dev/stdout >out.txt && grep -q 'net_forward(' out.txt && ok || bad "-o /dev/stdout into a file"
"$dlc" good.dl --prefix=net -o /dev/stdout | cat >piped.txt && cmp out.txt piped.txt && ok || bad "-o /dev/stdout into a pipe"
"$dlc" good.dl --prefix=net -o /dev/null && [ -c /dev/null ] && ok || bad "-o /dev/null"
mkdir -p left.h && echo precious >left.c
"$dlc" good.dl -o left.c >out.txt 2>&1 && bad "a folder in the place of the header is written to"
[ "$(cat left.c)" = precious ] && ok || bad "the C file is replaced without its header"
rmdir left.h && rm -f left.c
mkdir -p killed && rm -f killed/* killed/.[!.]*
for wait in 0.005 0.01 0.015 0.02 0.03 0.04 0.06 0.08 0.12 0.2; do
    for signal in KILL TERM; do
        timeout -s $signal $wait "$dlc" "$top/examples/mynet/mynet.dl" -o killed/net.c >/dev/null 2>&1
        case "$(ls -A killed | tr '\n' ' ')" in "" | "net.c net.h ") ok ;; *) bad "killed after $wait s: left $(ls -A killed)" ;; esac
    done
done
for kilobytes in 12000 16000 24000; do
    [ -z "${DLC_TEST_SANITIZE:-}" ] || break # the sanitizers reserve terabytes of addresses
    (ulimit -v $kilobytes && exec "$dlc" "$top/examples/resnet/resnet18.dl" -o left.c) >out.txt 2>&1
    status=$?
    [ "$status" = 1 ] && grep -q 'error: out of memory' out.txt && [ -z "$(leftovers)" ] && ok ||
        bad "ulimit -v $kilobytes: exit $status: $(head -c 300 out.txt)"
done
rm -f left.c left.h

# ---- the same input gives the same bytes
"$dlc" "$top/examples/mlp/mlp.dl" -o one.c >/dev/null 2>&1 && cp one.c first.c && cp one.h first.h &&
    "$dlc" "$top/examples/mlp/mlp.dl" -o one.c >/dev/null 2>&1 && cmp -s one.c first.c && cmp -s one.h first.h && ok || bad "two runs differ"
grep -nE "$work|/home|/root|/tmp" first.c first.h && bad "a path of the machine is in the output" || ok

# ---- --emit=dot: quotes and braces in pairs, every edge between nodes that are there once; Graphviz takes it
"$dlc" good.dl --emit=graph | sed 's/linear\.weight/a\\"b\\\\N<\&lt;\\x0ac/' >'quo"tes\.graph'
graphviz=
has_tool dot graphviz && graphviz=1
check_dot() { # NAME
    awk '
        { line = $0; gsub(/\\./, "", line) }                       # escapes
        gsub(/"/, "\"", line) % 2 { print "a quote is open: " $0; bad = 1 }
        { gsub(/"[^"]*"/, "", line) }
        line ~ /\{/ { depth++ }
        line ~ /\}/ { depth-- }
        line ~ /^ *subgraph/ { if (seen[$2]++) { print "twice: " $0; bad = 1 } }
        line ~ /^ *[no][0-9_]+ \[/ { if (node[$1]++) { print "twice: " $0; bad = 1 } }
        line ~ /->/ { edges++; if (!node[$1] || !node[$3]) { print "no such node: " $0; bad = 1 } }
        END { if (depth || !edges) { print "depth " depth ", edges " edges; bad = 1 } exit bad }' "$1" &&
        if [ -n "$graphviz" ]; then dot -Tcanon "$1" 2>dot.err >canon.txt && [ ! -s dot.err ]; fi
}
for file in 'quo"tes\.graph' "$top/examples/mlp/mlp.dl" "$top/tests/nets/small.dl" "$top/tests/golden/scan_step.dl"; do
    for level in 0 2; do
        "$dlc" "$file" --emit=dot -O$level >net.dot 2>dlc.err && check_dot net.dot >out.txt 2>&1 && ok || bad "--emit=dot $file -O$level: $(head -5 out.txt dlc.err)"
    done
done
"$dlc" "$top/examples/mlp/mlp.dl" --emit=dot >net.dot
awk '/subgraph cluster_0_k0/ { inside = 1 } inside && /relu\\nh\\nf32\[N, 256\]/ { found = 1 } /^        }/ { inside = 0 } END { exit !found }' net.dot && ok ||
    bad "--emit=dot: relu is not in the first kernel's box: $(head -20 net.dot)"
"$dlc" "$top/tests/golden/scan_step.dl" --entry=nested --emit=dot >net.dot
for box in '        subgraph cluster_0_loop1 {\n            label="for t = 0 .. T-1"' '            subgraph cluster_0_loop2 {\n                label="for t2 = 0 .. 5"' 'subgraph cluster_0_loop3 {\n            label="for t = T-1 .. 0"'; do
    grep -qF "$(printf "$box" | head -1)" net.dot && grep -qF "$(printf "$box" | tail -1)" net.dot && ok || bad "--emit=dot: there is no box $box"
done
[ "$(grep -c 'label="next step"' net.dot)" = "$("$dlc" "$top/tests/golden/scan_step.dl" --entry=nested --emit=dot | grep -c 'label="carry')" ] && ok || bad "--emit=dot: carried values without a next step"
"$dlc" 'quo"tes\.graph' --emit=dot >net.dot
grep -qF '[label="a\"b\\N<&amp;lt;?c\nf32[4, 3]"' net.dot && grep -qF 'digraph "quo\"tes\\.graph" {' net.dot && ok || bad "--emit=dot: names: $(grep -E 'digraph|f32.4, 3' net.dot)"

# ---- --weights: files of another model, entries that train
expect 1 'f32.safetensors does not fit the model:' "$top/examples/mlp/mlp.dl" --entry=forward --weights "$top/tests/golden/safetensors/f32.safetensors" -o left.c
expect 1 '^  fc1.weight is F32\[3, 4\] in the file, f32\[256, 784\] in the model$' "$top/examples/mlp/mlp.dl" --entry=forward --weights "$top/tests/golden/safetensors/f32.safetensors" -o left.c
expect 1 'error: --weights: step writes fc1.weight, but embedded weights are constant' "$top/examples/mlp/mlp.dl" --weights "$top/tests/golden/safetensors/f32.safetensors" -o left.c

# Names of wrappers: the message names the option, and with it the C is that of the file without them, but for the
# command line that the header prints. Batch norm's count may be missing, or a half in the shape [1]. tensors NAME=TYPE...
tensors() {
    header= offset=0
    for item in "$@"; do
        type=${item#*=} dims=${item#*[}
        dims=${dims%]} bytes=4
        [ "${type%%[[]*}" = F16 ] && bytes=2
        for dim in $(echo "$dims" | tr , ' '); do bytes=$((bytes * dim)); done
        header="$header${header:+,}\"${item%%=*}\":{\"dtype\":\"${type%%[[]*}\",\"shape\":[$dims],\"data_offsets\":[$offset,$((offset + bytes))]}"
        offset=$((offset + bytes))
    done
    header="{$header}"
    length=${#header}
    printf "\\$(printf %03o $((length % 256)))\\$(printf %03o $((length / 256)))\\0\\0\\0\\0\\0\\0%s" "$(echo "$header" | sed 's/%/%%/g')"
    i=0
    while [ $i -lt $offset ]; do printf '\0' && i=$((i + 1)); done
}
printf 'model forward(x: f32[2, 3]) -> (y: f32[2, 3]) { return x |> linear(3, name="fc") |> batch_norm1d(name="bn") }\n' >bn.dl
norm="fc.bias=F32[3] bn.weight=F32[3] bn.bias=F32[3] bn.running_mean=F32[3] bn.running_var=F16[3]"
# shellcheck disable=SC2086
{
    tensors fc.weight=F32[3,3] $norm >plain.st
    tensors fc.weight=F32[3,3] $norm bn.num_batches_tracked=F16[1] >count.st
    tensors $(echo fc.weight=F32[3,3] $norm | sed 's/[a-z]*\./module.&/g') >module.st
    tensors $(echo fc.weight=F32[3,3] $norm | sed 's/fc\./_orig_mod.fc._orig_mod./g;s/bn\./_orig_mod.&/g') >orig.st
}
for file in plain count module orig; do
    strip=
    [ $file = module ] && strip=--weights-strip=module
    [ $file = orig ] && strip='--weights-strip=*._orig_mod'
    # shellcheck disable=SC2086
    "$dlc" bn.dl --prefix=bn --weights $file.st $strip -o "$file.c" 2>dlc.err && sed "s/$file\.h/plain.h/" $file.c | cmp - plain.c && ok || bad "--weights $file.st: $(cat dlc.err)"
done
expect 1 'names fit when "module" is taken off: --weights-strip=module$' bn.dl --weights module.st -o left.c
expect 1 'names fit when "\*._orig_mod" is taken off: --weights-strip=\*._orig_mod$' bn.dl --weights orig.st -o left.c
expect 1 '^  fc.weight is missing$' bn.dl --weights orig.st --weights-strip=module -o left.c
expect 2 'error: --weights-strip is about the names of a file: it needs --weights FILE' bn.dl --weights-strip=module -o left.c
expect 2 'error: --weights-strip needs a path' bn.dl --weights plain.st --weights-strip= -o left.c

# ---- at -O0 a step reads as four sections, and every nest of the backward one cites the line whose gradient it is
# sections FILE STEP: the sections of STEP in order; calls of the backward one cite lines of FILE that stand there, above
# or below each other as in the .dl, and so do the functions that they call.
sections() {
    "$dlc" "$1" -O0 -o sections.c && awk -v step="$2" -v dl="$(basename "$1")" -v lines="$(wc -l <"$1")" '
        /^\/\/ / { comment = comment $0 "\n"; next }
        /^static void / { sub(/\(.*/, "", $3); about[$3] = comment }
        /^int|^void/ { inside = index($0, "_" step "(") > 0 }
        !inside { comment = ""; next }
        / ---- / { order = order $3 " "; section = $3; next }
        section == "backward" && /\(/ {
            calls++
            name = $1 == "if" ? $3 : $1
            sub(/\(.*/, "", name)
            place = $NF
            if (split(place, at, ":") != 3 || at[1] != dl || at[2] < 1 || at[2] > lines) { print "no place: " $0; bad = 1 }
            if (about[name] !~ dl ":[0-9]+:[0-9]+") { print name " cites nothing: " about[name]; bad = 1 }
            if (about[name] !~ /gradient of/ && about[name] !~ /Called from/) { print name ": " about[name]; bad = 1 }
        }
        END {
            if (order !~ /^forward loss backward update / || !calls) { print "sections: " order ", " calls " calls"; bad = 1 }
            exit bad
        }' sections.c
}
for net in "$top/examples/mlp/mlp.dl" "$top/examples/mynet/mynet.dl" "$top/tests/nets/resume.dl"; do
    sections "$net" step >out.txt 2>&1 && ok || bad "sections of $net: $(head -5 out.txt)"
done
"$dlc" "$top/examples/mlp/mlp.dl" -O0 -o sections.c
awk '/^int sections_step/ { inside = 1 } inside && /, h_le, d_h, N\); \/\/ mlp.dl:8:48/ { found++ } inside && /\(d_fc2_weight, h, d_logits, N\); \/\/ mlp.dl:9:12/ { found++ } END { exit found != 2 }' sections.c && ok ||
    bad "values of the backward section are not called after what they are the gradients of: $(grep d_fc sections.c | head -4)"

# ---- --emit=backward: no train entry, and every example and net without a word left out
printf 'model f(x: f32[2]) -> (y: f32[2]) { return x }\n' >model.dl
expect 1 'error: model.dl has no train entry, so there is no gradient to print' model.dl --emit=backward
for net in "$top"/examples/*/*.dl "$top"/tests/nets/*.dl; do
    grep -q '^train' "$net" || continue
    "$dlc" "$net" --emit=backward >net.txt 2>dlc.err && grep -q '^backward, ' net.txt && ! grep -q '(null)' net.txt && ok ||
        bad "--emit=backward $net: $(head -3 dlc.err)"
done

# ---- what dlc prints as a graph it reads: the same C
"$dlc" "$top/examples/mlp/mlp.dl" --emit=graph >mlp.graph && "$dlc" mlp.graph --emit=graph >again.graph && sed -i "s/  #.*//" mlp.graph again.graph &&
    cmp -s mlp.graph again.graph && ok || bad "--emit=graph does not read back"
for level in 0 2; do
    "$dlc" "$top/examples/mlp/mlp.dl" -O$level --verify -o verified.c >out.txt 2>&1 && ok || bad "--verify -O$level: $(cat out.txt)"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
