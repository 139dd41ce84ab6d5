#!/usr/bin/env bash
# Set up if need be, then `harness` with the arguments given (default: solve problem 0).
set -euo pipefail
here="$(dirname "$0")"
"$here/setup.sh"
cd "$here/.."
[ $# -gt 0 ] || set -- run --problem 0
exec "${HARNESS_VENV:-.venv}/bin/harness" "$@"
