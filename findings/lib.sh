# lib.sh: sourced by the findings. python_with PACKAGE==VERSION...: runs the Python program on standard input with these packages, in a
# temporary folder that is removed afterwards.
python_with() {
    work=$(mktemp -d) || exit 2
    trap 'rm -rf "$work"' EXIT INT TERM
    cat >"$work/finding.py"
    python3 -m venv "$work/venv" && "$work/venv/bin/pip" install -q "$@" || {
        echo "finding: cannot install $*" >&2
        exit 2
    }
    (cd "$work" && "$work/venv/bin/python" -W ignore finding.py)
}
