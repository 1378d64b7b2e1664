#!/bin/sh
# Fuzzes each target for some seconds; called by `make fuzz`, which has built build/fuzz/NAME.
#     tests/fuzz/fuzz.sh FOLDER SECONDS [NAME...]
# Seeds are the repository's own files, with small nets of tests/fuzz/seeds (loops over steps, states and blocks that are
# computed again) and their graphs; what a run finds worth keeping stays in FOLDER/corpus-NAME for the next one.
# A finding is a crash, a sanitizer's report, exit 70, more than 40 s of processor time (5 s without sanitizers) or
# 2 GB; it is left as FOLDER/found-NAME-*. `FUZZ_ECHO=1 FOLDER/NAME FILE` runs it again and prints dlc's arguments.
set -u
folder=$1
seconds=$2
shift 2
top=$(cd "$(dirname "$0")/../.." && pwd)
[ $# -gt 0 ] || set -- frontend graph safetensors idx

# A seed in bytes, written as printf's octal.
seed() { printf "$2" >"$folder/corpus-$1/seed-$3"; }

seeds() { # NAME
    corpus=$folder/corpus-$1
    mkdir -p "$corpus"
    case $1 in
    frontend)
        for dl in "$top"/tests/fuzz/seeds/*.dl "$top"/tests/golden/*.dl "$top"/tests/nets/*.dl "$top"/tests/cli/*.dl "$top"/examples/*/*.dl; do
            [ "$(wc -c <"$dl")" -lt 8192 ] && cp "$dl" "$corpus/seed-$(basename "$dl")"
        done
        ;;
    graph)
        for graph in "$top"/tests/golden/*.graph; do cp "$graph" "$corpus/seed-$(basename "$graph")"; done
        for dl in "$top"/tests/fuzz/seeds/*.dl; do # without comments, which would be half of the text
            "$folder/dlc" "$dl" --emit=graph 2>/dev/null | sed 's/  *# .*//' >"$corpus/seed-$(basename "$dl" .dl).graph"
        done
        ;;
    safetensors)
        for file in "$top"/tests/golden/safetensors/*.safetensors; do
            [ "$(wc -c <"$file")" -lt 8192 ] && cp "$file" "$corpus/seed-$(basename "$file")"
        done
        ;;
    idx)
        seed idx '\000\000\010\001\000\000\000\003\001\002\003' labels
        seed idx '\000\000\010\003\000\000\000\001\000\000\000\002\000\000\000\002\001\002\003\004' images
        seed idx '\000\000\010\004\000\000\000\001\000\000\000\001\000\000\000\001\000\000\000\001\001' colours
        gzip -c "$corpus/seed-images" >"$corpus/seed-images.gz"
        ;;
    esac
}

# The words of the seeds, so that the list is never out of date.
words() { # NAME
    cat "$top"/compiler/prelude/*.dl "$folder/corpus-$1"/seed-* | tr -c 'A-Za-z0-9_' '\n' | grep -E '^[A-Za-z_]{2,24}[0-9]{0,2}$' |
        sort | uniq -c | sort -rn | awk '$1 > 1 && NR < 600 { printf "\"%s\"\n", $2 }'
}

failed=0 passed=0
for name in "$@"; do
    seeds "$name"
    words "$name" >"$folder/words-$name"
    echo "fuzz: $name for $seconds s"
    nice -n 10 "$folder/$name" -max_total_time="$seconds" -max_len=8192 -timeout=600 -report_slow_units=600 -rss_limit_mb=2048 \
        -print_final_stats=1 -dict="$folder/words-$name" -artifact_prefix="$folder/found-$name-" \
        "$folder/corpus-$name" >"$folder/$name.log" 2>&1
    status=$?
    tail -25 "$folder/$name.log" | grep -E 'number_of_executed|peak_rss|slowest_unit'
    if [ $status = 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        grep -vE '^#[0-9]+' "$folder/$name.log" | tail -60
    fi
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
