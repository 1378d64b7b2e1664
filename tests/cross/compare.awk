# compare.awk: two outputs of main.c, the first from x86-64. Integers, masks and whole numbers must be equal; floats may
# differ by `ulps` units in the last place of the largest of their output, and those of nets without libm not at all.
#     awk -v ulps=4 -v exact="cnn.logits ..." -f compare.awk x86.txt other.txt
function hex(text,    sign, at, digits, value, k, scale) { # 0x1.8p+3
    if (text !~ /0x/) return text + 0
    sign = text ~ /^-/ ? -1 : 1
    sub(/^-?0x/, "", text)
    at = index(text, "p")
    digits = substr(text, 1, at - 1)
    scale = substr(text, at + 1) + 0
    sub(/\./, "", digits)
    value = 0
    for (k = 1; k <= length(digits); k++) value = value * 16 + index("0123456789abcdef", substr(digits, k, 1)) - 1
    return sign * value * 2 ^ (scale - 4 * (length(digits) - 1))
}
FNR == NR { want[$1 " " $2] = $4; lines++
    if ($3 == "f") { v = hex($4); if (v < 0) v = -v; if (v > largest[$1]) largest[$1] = v }
    next }
{
    seen++
    key = $1 " " $2
    if (!(key in want)) { print "not asked for: " $0; bad++; next }
    if ($3 == "f") {
        floats++
        if (want[key] == $4) { same++; next }
        if ($4 !~ /0x/ || want[key] !~ /0x/) { if (bad++ < 5) print key ": " $4 ", want " want[key]; next } # nan, inf
        unit = 2 ^ (int(log(largest[$1]) / log(2) + 1000) - 1000 - 23)
        off = (hex($4) - hex(want[key])) / unit
        if (off < 0) off = -off
        if (off > worst) { worst = off; where = $1 }
        if (off > (index(" " exact " ", " " $1 " ") ? 0 : ulps)) { if (bad++ < 5) print key ": " $4 ", want " want[key] }
    } else if (want[key] != $4) {
        if (bad++ < 5) print key ": " $4 ", want " want[key]
    }
}
END {
    printf "%d of %d floats have the same bits, the others are %.2f units apart at most (%s)\n", same, floats, worst, where
    exit bad > 0 || seen != lines || !lines
}
