#!/bin/sh
# The examples: they build without a warning, do what their pages say, and load what torchvision saved.
#     tests/examples/run.sh BUILD
set -u
build=$(cd "$1" && pwd)
top=$(cd "$(dirname "$0")/../.." && pwd)
work=$build/tests/work/examples
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
sanitize=
[ -n "${DLC_TEST_SANITIZE:-}" ] && sanitize="-g -fsanitize=address,undefined -fno-sanitize-recover=all"

# program NAME FLAGS SOURCE...: an application of these files.
program() {
    name=$1 flags=$2
    shift 2
    # shellcheck disable=SC2086
    gcc -std=c11 -O1 -Wall -Wextra -Wpedantic -Werror -fno-math-errno $sanitize $flags -I"$top/runtime" -I. -o "$name" "$@" \
        "$build/libdlckit.a" "$build/libdlcrt.a" -lz -lm -pthread
}

# Narrow nets that torchvision saved as float16, and the five classes that it finds (tests/oracle/torchvision_check.py).
for row in "resnet18 4" "mobilenet_v2 10"; do
    net=${row% *}
    golden=$top/tests/golden/safetensors/$net
    for level in -O0 -O2; do
        "$build/dlc" "$top/examples/resnet/$net.dl" -o "$net.c" --target=c11 $level --entry=forward -D SIZE=33 \
            -D CLASSES=10 -D WIDTH="${row#* }" &&
            program classify "-O0 -DNET=$net -DHEADER=\"$net.h\" -DSIZE=33 -DCLASSES=10" "$top/examples/resnet/main.c" "$net.c" &&
            ./classify "$golden.safetensors" >"$net.txt" || {
            bad "$net $level: does not build or run"
            continue
        }
        # class, percent, beside those of torchvision: at most 0.0003 apart, of about 10
        sed -n 's/.*class *\([0-9]*\) *\([0-9.]*\) %/\1 \2/p' "$net.txt" | paste -d ' ' - "$golden.txt" |
            awk '{ d = $2 - $4; if ($1 != $3 || d > 3e-4 || d < -3e-4) exit 1; n++ } END { exit n != 5 }' && ok ||
            bad "$net $level: torchvision says $(tr '\n' ' ' <"$golden.txt"), the C $(tr '\n' ' ' <"$net.txt")"
    done
done
./classify "$top/tests/golden/safetensors/resnet18.safetensors" 2>error.txt
[ $? = 1 ] && grep -q '^  features.0.0.weight is missing$' error.txt && ok || bad "the weights of another net: $(cat error.txt)"

# pictures DIRECTORY COUNT: a set of two classes, dark and bright pictures, for training and test.
pictures() {
    mkdir -p "$1"
    for kind in train t10k; do
        { printf "\\0\\0\\010\\003\\0\\0\\0\\$(printf %o "$2")\\0\\0\\0\\034\\0\\0\\0\\034" && for k in $(seq $(($2 / 2))); do
            head -c 784 /dev/zero && head -c 784 /dev/zero | tr '\0' '\300'
        done; } >"$1/$kind-images-idx3-ubyte"
        { printf "\\0\\0\\010\\001\\0\\0\\0\\$(printf %o "$2")" && for k in $(seq $(($2 / 2))); do printf '\003\005'; done; } >"$1/$kind-labels-idx1-ubyte"
    done
}

# backprop: the gradient is its finite difference, XOR is learned, and the page quotes the C that dlc emits today.
"$build/dlc" "$top/examples/backprop/backprop.dl" -O0 -o backprop.c && program backprop "" "$top/examples/backprop/main.c" backprop.c &&
    ./backprop >backprop.txt && ok || bad "backprop: $(cat backprop.txt)"
awk -v page="$top/examples/backprop/README.md" -v dl="$top/examples/backprop/backprop.dl" '
    function all(file,  text, line) { while ((getline line < file) > 0) text = text line "\n"; close(file); return text }
    BEGIN {
        emitted = all("backprop.c")
        if (!index(all(page), "```\n" all(dl) "```\n")) { print "its .dl is not the file"; bad = 1 }
        while ((getline line < page) > 0) {
            if (line == "```c") { quote = ""; inside = 1; continue }
            if (line == "```" && inside) {
                inside = 0
                quotes++
                if (!index(emitted, quote)) { print "not in the C:\n" quote; bad = 1 }
            }
            if (inside) quote = quote line "\n"
        }
        exit bad || quotes < 15
    }' >quotes.txt && ok || bad "examples/backprop/README.md: $(head -20 quotes.txt)"

# mynet: as many parameters as its page says. Its program in small batches: three of training, the last one of four
# pictures, two of evaluation.
"$build/dlc" "$top/examples/mynet/mynet.dl" --entry=forward --report >report.txt && grep -q ' 9,536,074 elements' report.txt &&
    ok || bad "mynet: $(grep parameters report.txt)"
pictures few 20
sed 's/N <= 64/N <= 8/; s/M <= 256/M <= 16/' "$top/examples/mynet/mynet.dl" >mynet.dl
"$build/dlc" mynet.dl -o mynet.c --target=native &&
    gcc -std=gnu11 -O1 -march=native -fno-math-errno $sanitize -I"$top/runtime" -c mynet.c -o mynet.o &&
    program mynet "-pthread" "$top"/examples/mynet/*.c mynet.o || bad "mynet does not build"
# The third epoch is the same to the bit, whether the program ended in between or not.
./mynet --data few --epochs 3 --seed 5 --schedule step --save whole >whole.txt 2>progress.txt &&
    ./mynet --data few --epochs 2 --seed 5 --schedule step --save parts >parts.txt 2>>progress.txt &&
    ./mynet --data few --epochs 3 --resume parts/epoch-002.ckpt --schedule step >>parts.txt 2>>progress.txt &&
    cmp whole/epoch-003.ckpt parts/epoch-003.ckpt && cmp whole/mynet.safetensors parts/mynet.safetensors &&
    cmp whole/samples.png parts/samples.png && [ "$(grep -c '^[123],' parts/history.csv)" = 3 ] &&
    [ "$(grep -c '<circle' parts/curve.svg)" = 12 ] && [ "$(grep -c '^epoch ./.  train loss' parts.txt)" = 3 ] &&
    ok || bad "mynet --resume: $(cat parts.txt progress.txt)"
cmp -s whole/epoch-002.ckpt whole/epoch-003.ckpt && bad "mynet: an epoch that changes nothing"
# Its weights classify: the test images as at the end of training, and pictures.
printf 'P6 2 2 255\nabcdefghijkl' >picture.ppm
./mynet --data few --load whole/mynet.safetensors >load.txt && [ "$(grep 'test loss' load.txt)" = "$(grep '^test loss' whole.txt)" ] &&
    ./mynet --load whole/mynet.safetensors picture.ppm picture.ppm >two.txt && [ "$(grep -c '^picture.ppm:  .* %  ' two.txt)" = 2 ] &&
    ok || bad "mynet --load: $(cat load.txt two.txt)"
# What goes wrong: status, words of the message, options. The checkpoint that is resumed stays as it is.
wrong() {
    status=$1 says=$2
    shift 2
    ./mynet --data few "$@" >out.txt 2>error.txt
    [ $? = "$status" ] && tr '\n' ' ' <error.txt | grep -q "$says" && ok || bad "mynet $*: $(cat error.txt)"
}
wrong 1 'epoch 4, batch [23]: the loss is .* at a learning rate of 1e+30; try a smaller one .*the last good state is in parts/epoch-003.ckpt' --resume parts/epoch-003.ckpt --epochs 4 --lr 1e30
cmp -s whole/epoch-003.ckpt parts/epoch-003.ckpt && [ ! -e parts/epoch-004.ckpt ] && ok || bad "mynet: the checkpoint is not what it was"
wrong 1 'epoch 1, batch [23]: the loss is .*no epoch had been saved' --epochs 1 --lr 1e30
wrong 1 'parts/epoch-003.ckpt: trained with --seed 5, not 6' --resume parts/epoch-003.ckpt --seed 6
wrong 1 'parts/epoch-003.ckpt: 9 steps are no whole number of epochs of 2; was it trained with another --limit' --resume parts/epoch-003.ckpt --limit 16
wrong 1 'whole/mynet.safetensors: weights without a state of training; --load takes them' --resume whole/mynet.safetensors
wrong 1 'cannot open nothere.ckpt: No such file or directory' --resume nothere.ckpt
wrong 1 'cannot make the directory picture.ppm/x: Not a directory' --save picture.ppm/x
wrong 1 'schedule is constant, step, cosine or one-cycle, not "sine"' --schedule sine
wrong 2 'lr takes a number from 0 to 1e+38, not "fast".*usage.*--resume FILE' --lr fast
wrong 2 'epochs takes a whole number from 0 to 100000, not "1.5"' --epochs 1.5
wrong 2 'save: DIR is missing after it' --save
wrong 1 'pictures are classified by weights' picture.ppm
# A disk that is full while an epoch is saved: the checkpoint before is named, and is whole.
(
    trap '' XFSZ
    ulimit -f 20000
    ./mynet --data few --epochs 4 --resume parts/epoch-003.ckpt >out.txt 2>error.txt
)
[ $? = 1 ] && grep -q 'cannot write parts/epoch-004.ckpt' error.txt && grep -q 'the last good state is in parts/epoch-003.ckpt' error.txt &&
    [ "$(echo parts/epoch*)" = "parts/epoch-001.ckpt parts/epoch-002.ckpt parts/epoch-003.ckpt" ] && ok || bad "mynet, a full disk: $(cat error.txt; ls parts)"
rm -rf whole parts

# The perceptron learns them too; its page is examples/mlp/README.md.
"$build/dlc" "$top/examples/mlp/mlp.dl" -o mlp.c --target=c11 && program mlp "-pthread" "$top/examples/mlp/main.c" mlp.c &&
    ./mlp --data few --epochs 20 --save mlp.safetensors >mlp.txt && [ "$(grep -c '^epoch' mlp.txt)" = 20 ] &&
    grep -q 'accuracy  *1.0000 *20$' mlp.txt && ok || bad "mlp: $(cat mlp.txt)"
./mlp --data few --lr 1e30 2>error.txt >mlp.txt
[ $? = 1 ] && grep -q 'lr takes a number from 0 to 100' error.txt && ok || bad "mlp --lr 1e30: $(cat error.txt)"
./mlp --data nowhere 2>error.txt >mlp.txt
[ $? = 1 ] && grep -q 'nowhere: holds no train-images-idx3-ubyte' error.txt && ok || bad "mlp --data nowhere: $(cat error.txt)"

# page NAME FILE: the README of an example has the whole file in a block.
page() {
    awk -v page="$top/examples/$1/README.md" -v file="$top/examples/$1/$2" '
        function all(file,  text, line) { while ((getline line < file) > 0) text = text line "\n"; close(file); return text }
        BEGIN { exit !index(all(page), "```\n" all(file) "```\n") }' && ok || bad "examples/$1/README.md: its $2 is another file"
}

# forecast: in each test the GRU has smaller errors than persistence and the seasonal naive forecast, at every distance.
page forecast forecast.dl
"$build/dlc" "$top/examples/forecast/forecast.dl" -o forecast.c --target=c11 &&
    program forecast "" "$top/examples/forecast/main.c" forecast.c &&
    ./forecast --data "$top/examples/forecast/elnino.csv" --epochs 25 --plot forecast.svg --save forecast.safetensors >forecast.txt &&
    awk '$1 ~ /^([0-9]+|RMSE|MAE)$/ && NF == 6 { rows++; if ($2 >= $3 || $2 >= $4) worse = 1 } $1 == "RMSE" && $2 >= $5 { worse = 1 }
        END { exit worse || rows != 14 }' forecast.txt && [ "$(grep -c '<path' forecast.svg)" = 6 ] && [ -s forecast.safetensors ] &&
    ok || bad "forecast: $(cat forecast.txt)"
./forecast --data "$top/tests/golden/none" 2>error.txt >forecast.txt
[ $? = 1 ] && grep -q '^forecast: .*none' error.txt && ok || bad "forecast --data none: $(cat error.txt)"

# gradients: before training, what arrives at the first of 100 steps has vanished in three nets, exploded in one, and is
# there in two.
"$build/dlc" "$top/examples/gradients/gradients.dl" -o gradients.c --target=native &&
    gcc -std=gnu11 -O1 -march=native -fno-math-errno $sanitize -I"$top/runtime" -c gradients.c -o gradients.o &&
    program gradients "" "$top/examples/gradients/main.c" gradients.o && ./gradients --steps 3 --plot norms- >gradients.txt &&
    sed -n '/^before/,/^$/p' gradients.txt | awk 'NF > 7 { share = $(NF - 7) / $(NF - 2); rows++ }
        /^(RNN|GRU|LSTM)  / && share > 1e-15 || /x 4/ && share < 1e4 || /open/ && share < 1e-3 { bad = 1 } END { exit bad || rows != 7 }' &&
    [ "$(grep -c '<path' norms-before.svg)" = 12 ] && [ "$(grep -c '<path' norms-after.svg)" = 12 ] && ok ||
    bad "gradients: $(cat gradients.txt)"

# The fashion CNN: dark and bright pictures are learned, the weights saved, and classified by the other program.
pictures data 128
"$build/dlc" "$top/examples/fashion/fashion.dl" -o fashion.c --target=c11 &&
    program train "" "$top/examples/fashion/train.c" "$top/examples/fashion/data.c" fashion.c &&
    program fashion "" "$top/examples/fashion/main.c" "$top/examples/fashion/data.c" fashion.c &&
    ./train --data data --epochs 5 --save learned.safetensors >train.txt &&
    ./fashion --data data --load learned.safetensors >fashion.txt && grep -q 'accuracy 100.00 % of 128 images' fashion.txt &&
    ok || bad "fashion: $(tail -1 train.txt fashion.txt)"
# Its committed weights are of this very net.
./fashion --data data --load "$top/examples/fashion/fashion.safetensors" >fashion.txt && ok || bad "the weights of examples/fashion"

# finetune: from those weights, what is frozen keeps its bits, and a step has no gradient kernel of the backbone.
"$build/dlc" "$top/examples/finetune/finetune.dl" -o finetune.c --target=c11 --report >report.txt &&
    program finetune "" "$top/examples/finetune/main.c" finetune.c &&
    ./finetune --data data --load learned.safetensors --epochs 9 --save tuned.safetensors >finetune.txt &&
    grep -q '^16 tensors of the backbone' finetune.txt && grep -q '^epoch  9 .* 100.00 %' finetune.txt && ok || bad "finetune: $(tail -1 finetune.txt)"
awk '/^train step:/ { on = 1 } /^train step_all/ { on = 0 } on && / finetune_k_/ { kernels++; if (/block|fc1/ && /gradient|adam/) bad = 1 }
    END { exit bad || kernels < 8 || kernels > 20 }' report.txt && ok || bad "finetune computes gradients of the backbone"
# 325 numbers of the head, one after the other, are all that training changes.
./finetune --data data --load learned.safetensors --epochs 0 --save before.safetensors >finetune.txt &&
    cmp -l before.safetensors tuned.safetensors | awk 'NR == 1 { first = $1 } { last = $1 } END { exit !(NR > 500 && last - first < 325 * 4) }' &&
    ok || bad "finetune changes what is frozen"

# charlm: 200 lines of two sentences, with references. A run in parts, which end in the middle of an epoch, gives the same
# bits as a whole one. It goes on with the sentences that it was trained on, and knows which word follows.
for k in $(seq 100); do printf 'Ge1:%d the cat sat on the mat.\n1Sa2:%d the dog ran to the park.\n' "$k" "$k"; done >lines.txt
sed 's/N <= 32/N <= 4/; s/T <= 64/T <= 16/' "$top/examples/charlm/charlm.dl" >charlm.dl
"$build/dlc" charlm.dl -o charlm.c --target=native -D TOKENS=30 -D HIDDEN=32 -D EMBEDDING=8 -D LAYERS=2 &&
    gcc -std=gnu11 -O1 -march=native -fno-math-errno $sanitize -I"$top/runtime" -c charlm.c -o charlm.o &&
    program charlm "" "$top"/examples/charlm/*.c charlm.o || bad "charlm does not build"
./charlm train --text lines.txt --epochs 6 --lr 0.02 --save whole >charlm.txt 2>progress.txt &&
    ./charlm train --text lines.txt --epochs 6 --lr 0.02 --steps 100 --save parts >>charlm.txt 2>>progress.txt &&
    ./charlm train --text lines.txt --epochs 6 --lr 0.02 --resume parts >>charlm.txt 2>>progress.txt &&
    cmp whole/charlm.ckpt parts/charlm.ckpt && cmp whole/charlm.safetensors parts/charlm.safetensors &&
    [ "$(grep -c '^step ' charlm.txt)" = 13 ] && ok || bad "charlm train: $(cat charlm.txt progress.txt)"
./charlm generate --load whole --prompt 'the d' --temperature 0 --count 27 >text.txt &&
    printf 'the dog ran to the park.\nthe cat\n' | cmp - text.txt && ok || bad "charlm generate: $(cat text.txt)"
./charlm train --text lines.txt --words --epochs 15 --lr 0.02 --save words >charlm.txt 2>progress.txt &&
    ./charlm next --load words --prompt 'the cat sat on the' --top 3 >text.txt && [ "$(wc -l <text.txt)" = 3 ] &&
    head -1 text.txt | grep -q '^ 9[0-9][.].. %  mat$' && ./charlm generate --load words --top-k 3 --count 20 >text.txt &&
    [ "$(wc -w <text.txt)" -gt 12 ] && ok || bad "charlm --words: $(cat charlm.txt progress.txt text.txt)"
fails() {
    status=$1 says=$2
    shift 2
    "$@" >out.txt 2>error.txt
    [ $? = "$status" ] && tr '\n' ' ' <error.txt | grep -q -e "$says" && ok || bad "$*: $(cat error.txt)"
}
fails 2 'the first word is train, generate or next usage: charlm train .*--words ' ./charlm
fails 2 'more is no option' ./charlm train more
fails 1 '--text FILE is missing' ./charlm train
fails 1 'nothere' ./charlm train --text nothere
fails 1 'the text is too short' ./charlm train --text lines.txt --limit 20
fails 1 'cannot make the directory picture.ppm/x: Not a directory' ./charlm train --text lines.txt --save picture.ppm/x
fails 1 'nothere' ./charlm train --text lines.txt --resume nothere
{ echo 'kit-vocabulary 1 characters 32' && echo '<unk>' && printf '%s\n' A B C D E F G H I J K L M N O P Q R S T U V W X Y Z a b c d e; } >whole/vocabulary
fails 1 'whole/vocabulary: 32 tokens, and this net has 30' ./charlm generate --load whole
fails 0 'word 2 of the prompt is not in the vocabulary' ./charlm next --load words --prompt 'the cow'
fails 1 'has no word' ./charlm next --load words --prompt ' '

# translate: a smaller net, the same to the bit in two parts, that has learned more than half of the held-out numbers.
"$build/dlc" "$top/examples/translate/translate.dl" -o translate.c --target=native -D HIDDEN=48 -D EMBEDDING=16 &&
    gcc -std=gnu11 -O1 -march=native -fno-math-errno $sanitize -I"$top/runtime" -c translate.c -o translate.o &&
    program translate "" "$top"/examples/translate/*.c translate.o || bad "translate does not build"
./translate train --count 5000 --epochs 9 --lr 0.01 --save whole.ckpt >translate.txt 2>progress.txt &&
    ./translate train --count 5000 --epochs 9 --lr 0.01 --until 4 --save parts.ckpt >>translate.txt 2>>progress.txt &&
    ./translate train --count 5000 --epochs 9 --lr 0.01 --resume parts.ckpt >>translate.txt 2>>progress.txt &&
    cmp whole.ckpt parts.ckpt && [ "$(grep -c '^epoch' translate.txt)" = 18 ] && ok || bad "translate train: $(cat translate.txt progress.txt)"
./translate test --load whole.ckpt >translate.txt && awk '/^all/ { exit !($2 > 50) }' translate.txt &&
    ./translate translate --load whole.ckpt Twenty-one >>translate.txt && tail -1 translate.txt | grep -q '^21$' && ok || bad "translate: $(cat translate.txt)"
printf 'five\nsix hundred\n' | ./translate translate --load whole.ckpt >translate.txt && [ "$(tr '\n' ' ' <translate.txt)" = "5 600 " ] && ok ||
    bad "translate, lines: $(cat translate.txt)"
fails 1 'word 2 is in no number: seven dwarfs' ./translate translate --load whole.ckpt seven dwarfs
fails 1 '13 words; numbers have at most 12' ./translate translate --load whole.ckpt one one one one one one one one one one one one one
fails 1 '--load FILE is missing' ./translate test
fails 1 'whole numb' ./translate train --count 6000 --resume whole.ckpt
fails 2 'the first word is train, test or translate' ./translate

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
