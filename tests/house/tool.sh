# tool.sh: for the scripts of tests: a program that a test needs and that is no part of dlc.
#     . tests/house/tool.sh; has_tool dot graphviz || ...
# `make test` installs them all, so that one which is missing is a failure; `make check` installs nothing, and counts what
# it must leave out (CHECK=1).

# has_tool PROGRAM PACKAGE: whether it is there. The caller counts a failure in `failed`.
has_tool() {
    command -v "$1" >/dev/null 2>&1 && return 0
    if [ -n "${CHECK:-}" ]; then
        echo "SKIPPED what needs $1 (Debian: $2)"
    else
        failed=$((failed + 1))
        echo "FAILED there is no $1 (Debian: $2)"
    fi
    return 1
}
