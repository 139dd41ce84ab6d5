#!/usr/bin/env bash
# Set up if need be, then run all tests; arguments go to pytest.
set -euo pipefail
here="$(dirname "$0")"
"$here/setup.sh" "[dev]"
cd "$here/.."
exec "${HARNESS_VENV:-.venv}/bin/python" -m pytest "$@"
