"""Rows of one kind from recorded runs: without duplicates, without leaks, split by problem."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from eval.export.delegations import works
from eval.export.leaks import Guard
from eval.export.problem_split import SPLITS, normal, part_of, problem_key
from eval.export.training_rows import Kind, Row, dpo, repair, router, sft
from state import BeadStore, Run
from state.errors import UsageError

KINDS: dict[str, Kind] = {"sft": sft, "dpo": dpo, "router": router, "repair": repair}
_WANTS = {
    "sft": "verified answer",
    "dpo": "verified answer beside one that failed on the same task",
    "router": "routing decision that ended in success or failure",
    "repair": "verified answer after one that failed a public check",
}


@dataclass(frozen=True)
class Export:
    """The rows of a file, and counts of the rows that were left out."""

    rows: list[dict[str, Any]]
    runs: int
    problems: dict[str, int]
    """Part → number of problems of its rows."""
    duplicates: int
    """Rows left out because an equal one is already included."""
    overlaps: int
    """Rows of ``eval`` left out because a problem of ``train`` has the same prompt."""

    @property
    def parts(self) -> dict[str, int]:
        """Part → number of rows."""
        found = {"train": 0, "eval": 0}
        for row in self.rows:
            found[row["meta"]["split"]] += 1
        return found


def collect(
    store: BeadStore,
    runs: Sequence[Run],
    kind: str,
    *,
    specialist: str | None = None,
    split: str = "train",
    held_out: float = 0.2,
) -> Export:
    """Rows of ``kind`` from ``runs``, optionally of one specialist and one part.

    A problem is wholly in ``train`` or wholly in ``eval``, whatever runs are exported. A step's
    prompt may recur in another problem: a row of ``eval`` whose prompt is in ``train`` is left out.
    Raises UsageError for a part or share that does not exist, where a row would show a hidden
    check, and where no row is left; StoreError.
    """
    if split not in SPLITS:
        raise UsageError(f"--split {split[:40]}: one of {', '.join(SPLITS)}")
    if not 0 <= held_out < 1:
        raise UsageError(f"--held-out: from 0 to below 1, not {held_out:g}")
    guard = Guard(store)
    rows: dict[str, tuple[Row, str]] = {}
    made = 0
    for run in runs:
        key = problem_key(run)
        for row in KINDS[kind](works(store, run)):
            if specialist is not None and row.meta["specialist"] != specialist:
                continue
            guard.examine(row)
            made += 1
            rows.setdefault(_same(row, key), (row, part_of(key, held_out)))
    if not rows:
        by = f" by specialist {specialist[:60]!r}" if specialist is not None else ""
        raise UsageError(f"nothing to export: no {_WANTS[kind]}{by} in {len(runs)} runs")
    trained = {row.asked for row, part in rows.values() if part == "train" and row.asked}
    clear = [(r, p) for r, p in rows.values() if p == "train" or r.asked not in trained]
    kept = [(row, part) for row, part in clear if split in ("all", part)]
    if not kept:
        raise UsageError(
            f"nothing to export: none of {len(clear)} rows is in the part {split!r} at "
            f"--held-out {held_out:g}; more problems, or another share, may give some"
        )
    of = {part: {r.work.run.problem_id for r, p in kept if p == part} for part in SPLITS[:2]}
    return Export(
        rows=[{**r.body, "meta": {**r.meta, "split": p}} for r, p in kept],
        runs=len({row.work.run.id for row, _ in kept}),
        problems={part: len(ids) for part, ids in of.items()},
        duplicates=made - len(rows),
        overlaps=len(rows) - len(clear),
    )


def _same(row: Row, key: str) -> str:
    """The key by which rows count as equal: their words, without regard to white space; for a
    routing decision, which is no text to repeat, also the problem."""
    body = {name: value for name, value in row.body.items() if name != "cost"}
    text = json.dumps(_squeezed(body), sort_keys=True)
    return text if row.asked else f"{key}|{text}"


def _squeezed(value: Any) -> Any:
    if isinstance(value, str):
        return normal(value)
    if isinstance(value, dict):
        return {name: _squeezed(inner) for name, inner in value.items()}
    return [_squeezed(inner) for inner in value] if isinstance(value, list | tuple) else value
