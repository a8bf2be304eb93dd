#!/bin/sh
# Makes the virtual environment for development: setup.sh PYTHON VENV
#
# TORCH=2.9.0 installs that version of PyTorch instead of the pinned one; ANY_PYTHON=1 tries a version of Python that is
# not supported yet. Both are for continuous integration.
#
# PyTorch is installed first and pinned, so that no later package draws in its CUDA builds. bubblewrap and a C++ compiler
# come from the system; they are installed when that is possible without a password, and told of when it is not.
set -eu
python=$1
venv=$2

"$python" - <<'PY'
import os
import sys

if not os.environ.get("ANY_PYTHON") and not (3, 11) <= sys.version_info < (3, 14):
    sys.exit(f"Python {sys.version.split()[0]} is not supported; call make with PYTHON=python3.11, 3.12 or 3.13")
PY

missing=""
command -v g++ >/dev/null 2>&1 || command -v clang++ >/dev/null 2>&1 || missing="$missing g++"
command -v bwrap >/dev/null 2>&1 || missing="$missing bubblewrap"
if [ -n "$missing" ]; then
    if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
        # shellcheck disable=SC2086
        { apt-get update -qq && apt-get install -y -qq $missing; } >/dev/null 2>&1 || true
    fi
    for program in $missing; do
        name=$program
        [ "$name" = bubblewrap ] && name=bwrap
        command -v "$name" >/dev/null 2>&1 || echo "setup: $program is not installed; install it with your system's packages" >&2
    done
fi

# The tests of the HTML report are skipped without a browser.
if ! command -v chromium >/dev/null 2>&1 && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || true
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade pip
index=""
# Where PyTorch's own index is meant to be used, name it: TORCH_INDEX=URL make test
[ -n "${TORCH_INDEX:-}" ] && index="--index-url $TORCH_INDEX"
pinned=constraints.txt
if [ -n "${TORCH:-}" ]; then
    pinned=$venv/constraints.txt
    sed "s/^torch==.*/torch==$TORCH/" constraints.txt >"$pinned"
fi
install="$venv/bin/python -m pip install --quiet ${ANY_PYTHON:+--ignore-requires-python}"
# shellcheck disable=SC2086
$install $index -c "$pinned" torch
# shellcheck disable=SC2086
$install -c "$pinned" --group dev -e .
"$venv/bin/python" -m tests.plugin_environment >/dev/null
