#!/bin/sh
# Promises of the generated API (props.c), in each build that users make: compilers, levels, targets, standalone, C++.
#     tests/app/run.sh BUILD
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$build/tests/work/app
rm -rf "$work"
mkdir -p "$work"
cd "$work" || exit 3
passed=0
failed=0
ok() { passed=$((passed + 1)); }
bad() {
    failed=$((failed + 1))
    echo "FAILED $*"
}
strict="-Wall -Wextra -Werror"
sanitize=
[ -n "${DLC_TEST_SANITIZE:-}" ] && sanitize="-g -fsanitize=address,undefined -fno-sanitize-recover=all"

# counts WHO STATUS FILE: adds the last `N passed, N failed` that a program printed into FILE. One failure where there is
# no such line, or where the program ended badly and named no failure.
counts() {
    grep FAILED "$3" | sed "s|^|$1: |"
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$3" | tail -1)
    if [ -z "$line" ]; then
        bad "$1: ended with $2: $(tail -5 "$3")"
        return
    fi
    passed=$((passed + ${line%% passed*}))
    f=${line##*, }
    f=${f%% failed}
    [ "$2" != 0 ] && [ "$f" = 0 ] && bad "$1: ended with $2: $(tail -5 "$3")"
    failed=$((failed + f))
}

# build_app NAME CC CFLAGS DLCFLAGS...: mlp.c with dlc's flags, props.c, the runtime unless standalone.
build_app() {
    name=$1 cc=$2 cflags=$3
    shift 3
    mkdir -p "$name"
    "$build/dlc" "$top/examples/mlp/mlp.dl" -o "$name/mlp.c" "$@" || return 1
    runtime=$(echo "$top"/runtime/dlc*.c)
    include=-I$top/runtime
    case " $* " in *" --standalone "*) runtime= include= ;; esac
    # shellcheck disable=SC2086
    $cc $cflags $strict -fno-math-errno $sanitize $include -I"$name" -o "$name/props" "$top/tests/app/props.c" "$name/mlp.c" $runtime -lm
}

# modes NAME: every mode of props, counted. What loading refuses does not depend on how the net computes.
modes() {
    all="sizes resume initial bits"
    case $1 in naive | standalone) all="$all refuse" ;; esac
    for mode in $all; do
        "$1/props" $mode "$1/checkpoint.safetensors" >"$1/$mode.txt" 2>&1
        counts "$1 $mode" $? "$1/$mode.txt"
    done
}

try() {
    if build_app "$@"; then
        ok
        modes "$1"
    else
        bad "$1: does not build"
    fi
}

try naive gcc "-std=c11 -Wpedantic -O1" --target=c11 -O0
try portable gcc "-std=c11 -Wpedantic -O2" --target=c11
try native gcc "-std=gnu11 -march=native -O1" --target=native
try parallel gcc "-std=gnu11 -march=native -O1 -fopenmp" --target=native
try standalone gcc "-std=c11 -Wpedantic -O2" --target=c11 --standalone
if [ -z "$sanitize" ]; then
    try clang clang "-std=gnu11 -march=native -O1" --target=native --standalone
    try clang-iso clang "-std=c11 -Wpedantic -O1" --target=c11
fi

place=. # where files are written
# counted FLAGS NET [CCFLAGS]: dlc and cc on tests/nets/NET.dl and tests/app/NET.c, which prints `N passed, N failed`.
counted() {
    net=$2 std="-std=c11 -Wpedantic" more=${3:-}
    case $1 in *native*) std="-std=gnu11 -march=native" ;; esac
    # shellcheck disable=SC2086
    if "$build/dlc" "$top/tests/nets/$net.dl" -o "$net.c" $1 &&
        gcc $std $strict -O0 $sanitize $more -fno-math-errno -I. -I"$top/runtime" -o "$net" "$top/tests/app/$net.c" "$net.c" \
            $(case $1 in *standalone*) ;; *) echo "$top"/runtime/dlc*.c ;; esac) -lm; then
        ./"$net" "$place/$net.safetensors" >"$net.txt" 2>&1
        counts "$net, $1" $? "$net.txt"
    else
        bad "$net, $1: does not build"
    fi
}

# The stream of dropout, in checkpoints too; what models keep beside the parameters; gradients over several
# calls; what optimiser state begins with.
for flags in "--target=c11 -O0" "--target=c11" "--target=native --standalone"; do
    counted "$flags" dropout
    counted "$flags" prepared
    counted "$flags" accumulate
    counted "$flags" starts
    counted "$flags" state
    counted "$flags" random
    # Random numbers of a model with its weights inside, which random.c left, in placed memory and without malloc.
    # shellcheck disable=SC2086
    "$build/dlc" "$top/tests/nets/random.dl" -o drawn.c --entry=sample --weights "$place/random.safetensors" $flags --standalone &&
        printf '#include "drawn.h"\n#include <string.h>\nstatic _Alignas(DRAWN_ALIGN) unsigned char state[DRAWN_STATE_BYTES], arena[DRAWN_ARENA_BYTES + 1];\nint main(void) {\n    static float x[40] = {1, 2, 3}, a[40], b[40], c[40];\n    memset(state, 0xff, sizeof state);\n    struct drawn *net = drawn_place(&(struct drawn_memory){.state = state, .arena = arena});\n    if (!net || drawn_sample(net, 1, x, a) || drawn_sample(net, 1, x, b)) return 1;\n    drawn_seed(net, 0);\n    drawn_sample(net, 1, x, c);\n    return !memcmp(a, b, sizeof a) || memcmp(a, c, sizeof a);\n}\n' >drawn_main.c &&
        gcc -std=gnu11 -march=native $strict $sanitize -DDRAWN_NO_MALLOC -I. -o drawn drawn_main.c drawn.c -lm && ./drawn && ok || bad "random numbers of a placed net, $flags"
    # What it leaves are weights, which go into a model with state, in placed memory and without stdio.
    # shellcheck disable=SC2086
    "$build/dlc" "$top/tests/nets/state.dl" -o packed.c --entry=stream --weights "$place/state.safetensors" $flags --standalone &&
        "$build/dlc" "$top/tests/nets/state.dl" -o state.c --target=c11 --standalone &&
        gcc -std=gnu11 -march=native $strict -O0 $sanitize -fno-math-errno -DPACKED_NO_STDIO -I. -c packed.c &&
        gcc -std=gnu11 $strict -O0 $sanitize -fno-math-errno -I. -o state_placed "$top/tests/app/state_placed.c" packed.o state.c -lm || bad "state_placed, $flags: does not build"
    ./state_placed "$place/state.safetensors" >state_placed.txt 2>&1
    counts "state_placed, $flags" $? state_placed.txt
done

# Nothing is compared with another computation of itself: by the header's own compile line, which lets compilers fuse
# multiplications and additions, and in the wide registers of the x87 where there is a cross compiler for it.
extremes() { # FLAGS CC [LINE]
    # shellcheck disable=SC2086
    "$build/dlc" "$top/tests/nets/extremes.dl" -o extremes.c --standalone $1 || {
        bad "extremes, $1: does not compile"
        return
    }
    line=${3:-$(sed -n 's|^// Compile: cc \(.*\) -c extremes.c.*|\1|p' extremes.h)}
    # shellcheck disable=SC2086
    if [ -n "$line" ] && $2 $line $strict $sanitize -I. -o extremes "$top/tests/app/extremes.c" extremes.c -lm; then
        ./extremes | sed "s/^FAILED/& $2 $line, dlc $1:/" >extremes.txt
        grep FAILED extremes.txt
        tail -1 extremes.txt | grep -q ', 0 failed$' && ok || bad "extremes, dlc $1, $2 $line"
    else
        bad "extremes, dlc $1, $2 $line: does not build"
    fi
}
# native may name x86-64-v3: then it is the same C.
v3=--target=x86-64-v3
"$build/dlc" "$top/tests/nets/extremes.dl" -o extremes.c --target=native && grep -q "Options: .*$v3" extremes.h && v3=
seed=${DLC_TEST_SEED:-$(date +%s)}
draw=$((seed % 2))
echo "extremes: DLC_TEST_SEED=$seed draws the same compilers"
for flags in --target=native $v3 --target=c11 "--target=native -O0"; do
    # By one of two compilers, by both in test-all.
    draw=$((1 - draw))
    [ -z "${DLC_TEST_ALL:-}" ] && [ $draw = 1 ] || extremes "$flags" gcc
    [ -z "${DLC_TEST_ALL:-}" ] && [ $draw = 0 ] || extremes "$flags" clang
done
extremes --target=c11 gcc "-std=gnu11 -O3 -march=native"
# The tests install neither of i686's and gcc's older compiler: where they are, they are used.
if [ -z "$sanitize" ] && command -v i686-linux-gnu-gcc >/dev/null; then
    extremes --target=c11 i686-linux-gnu-gcc "-static -std=gnu11 -O3 -mfpmath=387"
    extremes --target=c11 i686-linux-gnu-gcc "-static -std=c11 -O2 -mfpmath=387"
fi

# Training that is cut and goes on, to the bit; saves that end anywhere, 200 of them by kill -9.
# In memory where there is such a place: hundreds of syncs take their time on a disk that others use.
[ -w /dev/shm ] && place=$(mktemp -d /dev/shm/dlc_app_XXXXXX)
counted "--target=c11 --standalone" resume "-Wl,--wrap=fwrite,--wrap=fsync,--wrap=rename"
grep kills resume.txt
[ "$place" = . ] || rm -r "$place"
place=.

# Every number of rows, of layers that work in place, against -O0: in the tiles and chunks of each target.
rows() { # WIDTH ROWS FLAGS...
    width=$1 most=$2
    shift 2
    case "$*" in *c11*) std="-std=c11 -Wpedantic" ;; *) std="-std=gnu11 -march=native" ;; esac
    sed "s/N <= 256/N <= $most/" "$top/tests/nets/residual.dl" >residual.dl
    # shellcheck disable=SC2086
    "$build/dlc" residual.dl -o plain.c -O0 --standalone -D WIDTH="$width" &&
        "$build/dlc" residual.dl -o fast.c --standalone -D WIDTH="$width" "$@" &&
        gcc $std $strict -O2 $sanitize -fno-math-errno -DWIDTH="$width" -I. -o residual "$top/tests/app/residual.c" plain.c fast.c -lm || {
        bad "residual, $*: does not build"
        return
    }
    ./residual >residual.txt 2>&1
    counts "residual, $*" $? residual.txt
}
rows 64 256 --target=native
rows 8 4096 --target=x86-64-v3
rows 16 4096 --target=c11

# Twins, nets without malloc, parts of files; also from C++, and twins under ThreadSanitizer.
memory() {
    name=$1 cc=$2 flags=$3 dlcflags=$4
    mkdir -p "$name"
    runtime=$(echo "$top"/runtime/dlc*.c)
    case $dlcflags in *standalone*) runtime= ;; esac
    # shellcheck disable=SC2086
    if "$build/dlc" "$top/examples/mlp/mlp.dl" -o "$name/mlp.c" $dlcflags && (
        cd "$name" && gcc -std=c11 -Wpedantic $strict $flags -I"$top/runtime" -c mlp.c $runtime &&
            $cc $strict $flags -I. -o memory "$top/tests/app/memory.c" -x none ./*.o -pthread -lm
    ); then
        "$name/memory" "$name/memory.safetensors" >"$name/memory.txt" 2>&1
        counts "$name" $? "$name/memory.txt"
    else
        bad "$name: does not build"
    fi
}
memory memory "gcc -std=c11 -Wpedantic" "-O1 $sanitize" "--target=c11 -O0"
memory memory-standalone "gcc -std=c11 -Wpedantic" "-O1 $sanitize" "--target=c11 --standalone"
if [ -z "$sanitize" ]; then
    memory memory-cxx "g++ -std=c++11 -Wpedantic -x c++" "-O1" "--target=c11"
    # Some kernels lay out memory as this ThreadSanitizer does not know it: then not even an empty program runs.
    printf 'int main(void) { return 0; }\n' >empty.c
    gcc -fsanitize=thread -o empty empty.c 2>empty.txt && ./empty 2>empty.txt &&
        memory memory-threads "gcc -std=c11" "-O1 -g -fsanitize=thread" "--target=c11"
fi

# What a model does not need may be left out: no optimiser, no malloc, no stdio.
"$build/dlc" "$top/examples/mlp/mlp.dl" -o bare.c --entry=forward --target=c11 --standalone &&
    printf '#include "bare.h"\nstatic _Alignas(BARE_ALIGN) unsigned char param[BARE_PARAM_BYTES], state[BARE_STATE_BYTES], arena[BARE_ARENA_BYTES];\nint main(void) {\n    static float image[784], logits[10];\n    struct bare *net = bare_place(&(struct bare_memory){.param = param, .state = state, .arena = arena});\n    return !net || bare_forward(net, 1, image, logits);\n}\n' >app.c &&
    gcc -std=c11 -Wpedantic $strict $sanitize -DBARE_NO_STDIO -o bare app.c bare.c -lm && ./bare && ok || bad "a placed net without optimiser"
gcc -std=c11 -Wpedantic $strict -DBARE_NO_STDIO -c bare.c -o bare.o && nm bare.o >bare.txt && grep -q bare_load_some_memory bare.txt && grep -q bare_save_memory bare.txt &&
    ! grep -E ' (bare_load|bare_save|bare_save_weights|bare_load_some|f?open|fwrite|fread|snprintf|stat|rename|fsync)$' bare.txt && ok || bad "NO_STDIO leaves files in"
# Systems without POSIX do not rename a file over another.
rm -f renamed.st*
gcc -std=c11 -Wpedantic $strict $sanitize -U__unix__ -U__APPLE__ -I. -o rename "$top/tests/app/rename.c" -lm && ./rename renamed.st >rename.txt && ok || bad "$(cat rename.txt)"
for file in "$top"/runtime/dlc*.c; do
    gcc -std=c11 -Wpedantic $strict -DDLC_NO_STDIO -c "$file" -o part.o && nm part.o >part.txt && ! grep -E ' U (f?open|fwrite|fread|snprintf|rename|fsync)$' part.txt && ok || bad "$file: DLC_NO_STDIO"
done

# Without malloc a placed net is left, and nothing that allocates, sorts or reads.
gcc -std=c11 -Wpedantic $strict $sanitize -DBARE_NO_MALLOC -o bare app.c bare.c -lm && ./bare &&
    gcc -std=c11 -Wpedantic $strict -DBARE_NO_MALLOC -c bare.c -o bare.o && nm bare.o >bare.txt && grep -q 'T bare_place' bare.txt &&
    ! grep -E ' (bare_(new|share|free|load.*|save|save_weights|publish|adopt)|(m|c|re)alloc|free|qsort|f?open|fwrite|fread|snprintf)$' bare.txt && ok || bad "NO_MALLOC: $(grep -E 'alloc|free' bare.txt)"
for file in "$top"/runtime/dlc*.c; do
    gcc -std=c11 -Wpedantic $strict -DDLC_NO_MALLOC -c "$file" -o part.o && nm part.o >part.txt && ! grep -E ' U ((m|c|re)alloc|free|qsort|f?open|fwrite|fread|snprintf|rename|fsync)$' part.txt && ok || bad "$file: DLC_NO_MALLOC"
done

# A kernel takes no run-time size that it does not need.
printf 'dim N <= 5\nmodel f(x: f32[N], z: f32[N, 4]) -> (y: f32[1], p: f32[1, 4]) {\n    v = x[none]\n    return v[:, 0], matmul(v, z) * 0.4\n}\n' >first.dl
"$build/dlc" first.dl -o first.c --target=c11 --prefix=first_of && gcc -std=c11 -Wpedantic $strict -I"$top/runtime" -c first.c -o first.o && ok || bad "a run-time size that a kernel does not use"

# For c11 at -O2 sums are of floats, in blocks of so few terms that 2,100,000 of them lose nothing.
printf 'model f(x: f32[3000, 700]) -> (y: f32[], z: f32[2100000]) { return sum(x), cumsum(reshape(x, [2100000]), 0) }\n' >long.dl
printf '#include "long.h"\n#include <math.h>\nstatic float x[3000 * 700], z[3000 * 700];\nint main(void) {\n    struct long_sum *net = long_sum_new();\n    double want = 0;\n    float y;\n    int bad = 0;\n    for (int i = 0; i < 3000 * 700; i++) want += (double)(x[i] = (float)(i * 37 %% 1001) / 1001 + 0.1f);\n    long_sum_f(net, x, &y, z);\n    long_sum_free(net);\n    bad += !(fabs((double)y - want) <= 1e-6 * want);\n    want = 0;\n    for (int i = 0; i < 3000 * 700; i++) want += (double)x[i], bad += !(fabs((double)z[i] - want) <= 1e-6 * want);\n    return bad != 0;\n}\n' >long_main.c
"$build/dlc" long.dl -o long.c --prefix=long_sum --target=c11 && ! grep -qw double long.c &&
    gcc -std=c11 -Wpedantic $strict $sanitize -I"$top/runtime" -o long long_main.c long.c "$top"/runtime/dlc*.c -lm && ./long && ok || bad "sums of 2,100,000 floats"

# Weights inside the C give what loading them gives: to the bit where no multiplication is fused with an addition.
embed() {
    std=$1 tolerance=$2
    shift 2
    # shellcheck disable=SC2086
    "$build/dlc" "$top/tests/nets/prepared.dl" -o prepared.c "$@" && gcc -std=c11 -fsyntax-only -I. -I"$top/runtime" prepared.h &&
        gcc $std $strict -O0 $sanitize -fno-math-errno -I. -I"$top/runtime" -c prepared.c "$top"/runtime/dlc*.c &&
        gcc $std -O0 -DWRITE_ONLY $sanitize -fno-math-errno -I. -I"$top/runtime" -o embedded "$top/tests/app/embedded.c" prepared.o dlc*.o -lm &&
        ./embedded write weights.safetensors &&
        "$build/dlc" "$top/tests/nets/prepared.dl" --prefix=packed --entry=forward,features -o packed.c --weights weights.safetensors "$@" &&
        gcc $std $strict -O0 $sanitize -fno-math-errno -I. -I"$top/runtime" -o embedded "$top/tests/app/embedded.c" packed.c prepared.o dlc*.o -lm || {
        bad "weights inside, $*: does not build"
        return
    }
    ./embedded "$tolerance" weights.safetensors >embedded.txt 2>&1
    counts "weights inside, $*" $? embedded.txt
    grep off embedded.txt
}
embed "-std=c11 -Wpedantic -ffp-contract=off" 0 --target=c11
embed "-std=c11 -Wpedantic -ffp-contract=off" 0 --target=c11 -O0
embed "-std=gnu11 -march=native -ffp-contract=off" 1e-6 --target=native
embed "-std=gnu11 -march=native" 1e-6 --target=native --threads=1
# The same bits with 1, 2 and 5 threads, and without OpenMP.
want=$(grep hash native/bits.txt)
for threads in 1 2 5; do
    got=$(OMP_NUM_THREADS=$threads ./parallel/props bits | grep hash)
    [ -n "$want" ] && [ "$got" = "$want" ] && ok || bad "$threads threads: $got, want $want"
done

# Training steps of convolutions, norms, dropout and an embedding: the same checkpoint to the byte.
for target in native c11; do
    std="-std=gnu11 -march=native"
    [ $target = c11 ] && std="-std=c11 -Wpedantic"
    # shellcheck disable=SC2086
    "$build/dlc" "$top/tests/nets/threads.dl" -o threads_net.c --prefix=threads --target=$target || bad "threads: $target: dlc"
    for openmp in "" -fopenmp; do
        # shellcheck disable=SC2086
        gcc $std $strict $openmp -O0 $sanitize -fno-math-errno -I. -I"$top/runtime" -o threads$openmp "$top/tests/app/threads.c" threads_net.c "$top"/runtime/dlc*.c -lm ||
            bad "threads: $target $openmp does not build"
    done
    ./threads want.safetensors >want.txt || bad "threads: $target fails: $(cat want.txt)"
    for threads in 1 1 2 2 3 3 5 5 7 7; do
        OMP_NUM_THREADS=$threads OMP_WAIT_POLICY=passive ./threads-fopenmp got.safetensors >got.txt && cmp want.safetensors got.safetensors && ok ||
            bad "five training steps in $threads threads, $target: $(cat got.txt), want $(cat want.txt)"
        rm -f got.safetensors
    done
done

# Sequences in parts are what the whole sequence is.
streams() { # TOLERANCE CCFLAGS DLCFLAGS...
    tolerance=$1 more=$2
    shift 2
    case "$*" in *c11*) std="-std=c11 -Wpedantic" ;; *) std="-std=gnu11 -march=native" ;; esac
    # shellcheck disable=SC2086
    "$build/dlc" "$top/tests/nets/stream.dl" -o stream.c "$@" &&
        gcc $std $strict -O0 $sanitize $more -fno-math-errno -I. -I"$top/runtime" -o stream "$top/tests/app/stream.c" stream.c "$top"/runtime/dlc*.c -lm || {
        bad "stream, $more $*: does not build"
        return
    }
    ./stream "$tolerance" >stream.txt 2>&1
    counts "stream, $more $*" $? stream.txt
}
streams 0 "" --target=c11 -O0
streams 0 "" --target=native -O0
streams 1e-6 "" --target=c11
# Layers that are wide enough for threads to share: the same bits with 1, 2 and 5 threads.
streams 1e-6 "-DH=150 -fopenmp" --target=native -D H=150
want=$(grep hash stream.txt)
for threads in 1 2 5; do
    got=$(OMP_NUM_THREADS=$threads ./stream 1e-6 bits | grep hash)
    [ -n "$want" ] && [ "$got" = "$want" ] && ok || bad "stream: $threads threads: $got, want $want"
done

# The header is C++ as well.
printf '#include "mlp.h"\nint main() { return mlp_new() == nullptr; }\n' >use.cc
g++ -std=c++11 -Wall -Wextra -Wpedantic -Werror -Inative -fsyntax-only use.cc && ok || bad "the header is no C++"

# Bools that are neither 0 nor 1.
for options in "--target=c11 -O0" "--target=c11" "--target=native"; do
    case $options in *c11*) std="-std=c11 -Wpedantic" ;; *) std="-std=gnu11 -march=native" ;; esac
    # shellcheck disable=SC2086
    "$build/dlc" "$top/tests/nets/bools.dl" -o bools.c $options &&
        gcc $std $strict -O2 $sanitize -I. -I"$top/runtime" -o bools "$top/tests/app/bools.c" bools.c "$top"/runtime/dlc*.c -lm &&
        ./bools && ok || bad "bools: $options"
done

# Names of users that C, C++, their headers or the C's own have taken.
for cc in gcc clang; do
    for options in "-O0" "-O2" "-O2 --standalone"; do
        # shellcheck disable=SC2086
        "$build/dlc" "$top/tests/nets/names.dl" -o names.c --target=c11 $options &&
            $cc -std=c11 -Wpedantic $strict -O1 -I"$top/runtime" -c names.c -o names.o && ok || bad "names: $cc, $options"
    done
done
printf '#include <cerrno>\n#include <cmath>\n#include <sys/stat.h>\n#include "names.h"\n' >names.cc
g++ -std=c++17 -Wall -Wextra -Wpedantic -Werror -fsyntax-only names.cc && ok || bad "names: the header is no C++"

# Two models in one program.
"$build/dlc" "$top/tests/nets/small.dl" -o small.c --target=c11 --standalone &&
    "$build/dlc" "$top/examples/mlp/mlp.dl" -o mlp.c --target=c11 --standalone &&
    printf '#include "mlp.h"\n#include "small.h"\nint main(void) {\n    struct mlp *a = mlp_new();\n    struct small *b = small_new();\n    int ok = a && b;\n    mlp_free(a);\n    small_free(b);\n    return !ok;\n}\n' >two.c &&
    gcc -std=c11 -Wpedantic $strict $sanitize -o two two.c mlp.c small.c -lm && ./two && ok || bad "two models in one program"

# Two models in one translation unit, in C and in C++: names and helpers of one are none of the other's.
printf '#include "mlp.c"\n#include "small.c"\n' >one.c
grep -v '#include "' two.c >>one.c
for target in c11 native; do
    "$build/dlc" "$top/tests/nets/small.dl" -o small.c --target=$target --standalone &&
        "$build/dlc" "$top/examples/mlp/mlp.dl" -o mlp.c --target=$target --standalone &&
        gcc -std=gnu11 -march=native $strict $sanitize -o one one.c -lm && ./one &&
        g++ -std=gnu++17 -march=native $strict $sanitize -x c++ -o one one.c -lm && ./one && ok || bad "two models in one file, $target"
    for cxx in g++ clang++; do
        for std in 11 14 20; do
            $cxx -std=gnu++$std -march=native $strict -x c++ -fsyntax-only one.c && ok || bad "C++$std, $cxx, $target"
        done
    done
done
"$build/dlc" "$top/tests/nets/small.dl" -o small.c --target=x86-64-v3 --standalone &&
    "$build/dlc" "$top/examples/mlp/mlp.dl" -o mlp.c --target=x86-64-v4 --standalone &&
    ! gcc -std=gnu11 -march=x86-64-v4 -fsyntax-only one.c 2>one.txt && grep -q 'make both for one --target' one.txt && ok || bad "two widths in one file: $(head -3 one.txt)"

# One model under two prefixes in one program, one of them linked with the library; "k" begins the names of kernels too.
cat >k.dl <<'END'
layer load(x: T[...S]) -> T[...S] { return x * 2 + 1 }
layer share(x: T[...S]) -> T[...S] { return relu(x) - 1 }
model tanh(x: f32[2, 3]) -> (y: f32[2, 3], z: f32[2, 3]) { return load(x), share(x) }
model load_forward(x: f32[2, 3]) -> (y: f32[2, 3]) { return x |> load |> linear(3, name="fc1") |> share }
END
printf '#include "k.h"\n#include "k_load.h"\n#include <string.h>\nint main(void) {\n    struct k *a = k_new();\n    struct k_load *b = k_load_new();\n    float x[6] = {1, -2, 3, -4, 5, -6}, y[6], z[6];\n    k_load_forward(a, x, y);\n    k_load_load_forward(b, x, z);\n    int same = !memcmp(y, z, sizeof y) && K_PARAM_BYTES == K_LOAD_PARAM_BYTES;\n    k_free(a);\n    k_load_free(b);\n    return !same;\n}\n' >k_main.c
for level in 0 2; do
    "$build/dlc" k.dl -o k.c -O$level --standalone && "$build/dlc" k.dl -o k_load.c -O$level --prefix=k_load &&
        gcc -std=c11 -Wpedantic $strict $sanitize -I"$top/runtime" -o k k_main.c k.c k_load.c "$top"/runtime/dlc*.c -lm && ./k && ok || bad "prefixes that begin like kernels, -O$level"
done

# What `make install` puts under DESTDIR builds an application through pkg-config, and nothing else is needed.
mkdir -p "away from here"
printf '#include "mlp.h"\nint main(void) {\n    struct mlp *net = mlp_new();\n    int ok = net && !mlp_save(net, "installed.safetensors");\n    mlp_free(net);\n    return !ok;\n}\n' >"away from here/app.c"
make -C "$top" --no-print-directory install BUILD="$build" DESTDIR="$work/root" PREFIX=/opt/dlc >install.txt 2>&1 && (
    cd "away from here" && "$work/root/opt/dlc/bin/dlc" "$top/examples/mlp/mlp.dl" -o mlp.c --target=c11 &&
        flags=$(PKG_CONFIG_PATH=$work/root/opt/dlc/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root pkg-config --cflags --libs dlc) &&
        # shellcheck disable=SC2086
        gcc -std=c11 -Wpedantic $strict $sanitize -o app app.c mlp.c $flags && ./app &&
        printf '#include "kit/kit.h"\nint main(void) {\n    struct kit_dataset set;\n    return kit_dataset_read(&set, "/nowhere", "train", 10, 0, NULL) != KIT_EIO;\n}\n' >kit.c &&
        flags=$(PKG_CONFIG_PATH=$work/root/opt/dlc/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$work/root pkg-config --cflags --libs dlckit) &&
        # shellcheck disable=SC2086
        gcc -std=c11 -Wpedantic $strict $sanitize -o kit kit.c $flags && ./kit
) && ok || bad "what was installed does not build an application: $(tail -3 install.txt)"

# C made for wide vectors says so when the compiler was not told of them, instead of running many times slower.
"$build/dlc" "$top/tests/nets/small.dl" -o wide.c --target=x86-64-v4 &&
    ! gcc -std=gnu11 -march=x86-64 -I"$top/runtime" -fsyntax-only wide.c 2>wide.txt && grep -q 'compile with -march=x86-64-v4' wide.txt &&
    gcc -std=gnu11 -march=x86-64-v4 $strict -I"$top/runtime" -fsyntax-only wide.c && ok || bad "vectors without -march: $(head -3 wide.txt)"

# 32-bit Arm has NEON too, and its vectors flush small numbers.
"$build/dlc" "$top/tests/nets/small.dl" -o arm.c --target=armv8-a &&
    ! gcc -std=gnu11 -D__ARM_NEON -U__aarch64__ -I"$top/runtime" -fsyntax-only arm.c 2>arm.txt && grep -q 'made for armv8-a' arm.txt && ok ||
    bad "C for armv8-a takes 32-bit Arm: $(head -3 arm.txt)"

# Flags that break NaN, infinities and sums are refused.
for fast in -Ofast -ffast-math -ffinite-math-only -funsafe-math-optimizations; do
    for cc in gcc clang; do
        [ "$cc $fast" = "clang -funsafe-math-optimizations" ] && continue # it defines nothing that tells
        ! $cc -std=gnu11 -O3 -march=x86-64-v4 $fast -I"$top/runtime" -fsyntax-only wide.c 2>fast.txt &&
            grep -q 'error.*without -Ofast, -ffast-math' fast.txt && ok || bad "$cc $fast: $(head -3 fast.txt)"
    done
done

# gcc 11 has no __builtin_shufflevector.
command -v gcc-11 >/dev/null && { gcc-11 -std=gnu11 -march=x86-64-v4 $strict -I"$top/runtime" -fsyntax-only wide.c && ok || bad "gcc 11"; }

# --entry leaves the others and their memory out.
"$build/dlc" "$top/examples/mlp/mlp.dl" -o only.c --prefix=only --entry=forward --target=c11 && ! grep -q only_step only.c &&
    grep -q 'ONLY_OPTIM_BYTES 0' only.h && ok || bad "--entry=forward: $(grep OPTIM only.h)"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
