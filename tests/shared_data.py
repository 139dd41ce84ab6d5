"""Public data to measure on, which the project does not hold: see ``HARNESS_SHARED_DATA``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DEFAULT = Path(__file__).parent.parent.parent / "shared" / "data"


def shared(name: str) -> Path:
    """A file of the data folder; the test is skipped where it is not there."""
    path = Path(os.environ.get("HARNESS_SHARED_DATA") or DEFAULT) / name
    if not path.is_file():
        pytest.skip(f"no {path}: set HARNESS_SHARED_DATA")
    return path
