"""The split into training and evaluation parts, by problem.

The part depends on the statement alone: it is the same in every export, on every machine, under
every id, whatever other problems there are.
"""

from __future__ import annotations

import hashlib

from eval.export.run_selection import statement_of
from state import Run

SPLITS = ("train", "eval", "all")


def normal(text: str) -> str:
    """``text`` with each run of white space replaced by one blank."""
    return " ".join(text.split())


def problem_key(run: Run) -> str:
    """SHA-256, in hex, of the problem's normalised statement; of its id where there is none."""
    said = normal(statement_of(run)) or run.problem_id
    return hashlib.sha256(said.encode()).hexdigest()


def part_of(key: str, held_out: float) -> str:
    """``eval`` for a share ``held_out`` of all problem keys, ``train`` for the others."""
    return "eval" if int(key[:13], 16) / 16**13 < held_out else "train"
