#!/usr/bin/env bash
# Set up everything that the harness needs on this machine: the sandbox and a virtual environment.
# Doing it again changes nothing. HARNESS_VENV names the environment's folder (default: .venv).
set -euo pipefail
cd "$(dirname "$0")/.."
venv="${HARNESS_VENV:-.venv}"
extra="${1:-}"

if ! command -v bwrap >/dev/null; then
    echo "setting up: bubblewrap (the sandbox)" >&2
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get update -qq >&2 && apt-get install -y -qq bubblewrap >&2
    elif command -v apt-get >/dev/null && command -v sudo >/dev/null; then
        sudo apt-get update -qq >&2 && sudo apt-get install -y -qq bubblewrap >&2
    else
        echo "error: install bubblewrap with your package manager, then run this again" >&2
        exit 4
    fi
fi

python=""
for candidate in python3 python3.11 python3.12 python3.13; do
    if command -v "$candidate" >/dev/null &&
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
        python="$candidate"
        break
    fi
done
[ -n "$python" ] || { echo "error: Python 3.11 or newer is missing" >&2; exit 4; }

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
stamp="$venv/.hi-moe-installed$extra"
if [ ! -f "$stamp" ] || [ pyproject.toml -nt "$stamp" ] || [ constraints.txt -nt "$stamp" ]; then
    echo "setting up: Python packages (about 2 minutes the first time)" >&2
    "$venv/bin/pip" install -q --disable-pip-version-check -c constraints.txt \
        torch==2.13.0 -e ".$extra" >&2
    touch "$stamp"
fi
