#!/bin/sh
# Installs what is missing for `make demo` or `make test` on Debian, non-interactively, as root or through sudo.
#     tests/deps.sh demo|test
set -u
packages="gcc libc6-dev make flex bison zlib1g-dev"
[ -n "${DATA:-}" ] || packages="$packages dataset-fashion-mnist"
[ "${1:-demo}" = test ] && packages="$packages pkg-config g++ clang libcriterion-dev libomp-dev libclang-rt-dev libclang-dev graphviz clang-format clang-tidy cppcheck cmake"

command -v dpkg-query >/dev/null 2>&1 || {
    echo "deps: this is not Debian; these must be there: $packages"
    exit 0
}
missing=
for package in $packages; do
    # A virtual or metapackage counts as there when something provides it.
    dpkg-query -W -f='${Status}\n' "$package" 2>/dev/null | grep -q '^install ok installed' || missing="$missing $package"
done
[ -z "$missing" ] && exit 0

if [ "$(id -u)" = 0 ]; then
    root=
elif command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
    root="sudo -n"
else
    echo "deps: missing:$missing" >&2
    echo "deps: install them as root: apt-get install$missing" >&2
    exit 1
fi
echo "deps: installing$missing"
export DEBIAN_FRONTEND=noninteractive
# shellcheck disable=SC2086
$root apt-get update -qq && $root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null || {
    echo "deps: could not install:$missing" >&2
    echo "deps: install them as root: apt-get install$missing" >&2
    exit 1
}
