#!/usr/bin/env bash
# Set up if need be, then `harness` with the arguments given (default: solve pocket-code/7).
set -euo pipefail
here="$(dirname "$0")"
"$here/setup.sh"
cd "$here/.."
[ $# -gt 0 ] || set -- run --problem pocket-code/7
exec "${HARNESS_VENV:-.venv}/bin/harness" "$@"
