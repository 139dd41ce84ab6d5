"""Resident memory of a process and all it started, read from ``/proc``."""

from __future__ import annotations

import os
from pathlib import Path


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            listed = Path(f"/proc/{pid}/task/{thread}/children").read_text("ascii")
            found.extend(int(child) for child in listed.split())
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return found  # The process ended during the reading.
    return found


def resident_bytes(pid: int) -> int:
    """Bytes resident in ``pid`` and its descendants; pages they share count once for each."""
    total, pending = 0, [pid]
    while pending:
        current = pending.pop()
        try:
            pages = int(Path(f"/proc/{current}/statm").read_text("ascii").split()[1])
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += pages * os.sysconf("SC_PAGESIZE")
        pending.extend(_children(current))
    return total
