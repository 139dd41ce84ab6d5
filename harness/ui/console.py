"""The console for output to a terminal, a file or a pipe."""

from __future__ import annotations

import os
import sys

from rich.console import Console

WIDE = 200


def console(*, stderr: bool = False) -> Console:
    """A console of the terminal's width, or of COLUMNS; without either so wide that hardly a line
    is cut."""
    stream = sys.stderr if stderr else sys.stdout
    wide = None if stream.isatty() or os.environ.get("COLUMNS", "").isdigit() else WIDE
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=wide)
