"""Selection of the runs that an export reads, and the suite of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence

from eval.problems import Problem
from state import BeadStore, Run, Runs
from state.errors import UsageError

NO_SUITE = "other"
"""Suite of a problem that belongs to none."""


def chosen_runs(store: BeadStore, ids: Sequence[str] = (), suite: str | None = None) -> list[Run]:
    """The runs with these ids (all without any), optionally of one suite, oldest first.

    ``horizon`` selects every story, ``horizon/16`` those of 16 events. Raises UsageError for an
    unknown or ambiguous id, and where no run is left.
    """
    records = Runs(store)
    runs = [records.get(id) for id in ids] if ids else records.list()
    found = {run.id: run for run in runs if suite is None or _belongs(run, suite)}
    if not found:
        of = f" of suite {suite[:60]!r}" if suite is not None else ""
        raise UsageError(f"nothing to export: no run{of} has been recorded")
    return sorted(found.values(), key=lambda run: (run.created_at, run.id))


def problem_of(run: Run) -> Problem | None:
    """The problem of a run with its checks; ``None`` where the record does not hold it."""
    try:
        return Problem.model_validate_json(run.problem_json)
    except ValueError:
        return None


def statement_of(run: Run) -> str:
    """The statement of the problem; empty where the record does not hold it."""
    try:
        said = json.loads(run.problem_json)
    except ValueError:
        return ""
    return str(said.get("statement", "")) if isinstance(said, dict) else ""


def suite_of(run: Run) -> str:
    """Name of the suite, from the problem's metadata, else from the beginning of its id."""
    problem = problem_of(run)
    name = str(problem.meta.get("suite") or "") if problem else ""
    head, slash, _ = run.problem_id.partition("/")
    return name or (head if slash and head else NO_SUITE)


def _belongs(run: Run, suite: str) -> bool:
    return suite == suite_of(run) or run.problem_id.startswith((f"{suite}/", f"{suite}-"))
