"""Recorded runs as data: the list, and one run with its plan, decisions and calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.ui.live_progress import STATES, Progress, StepLine, one_line
from state import Bead, BeadStore, Call, Ledger, Run, Runs, UsageError, home
from state.fields import moment
from state.opening import existing

if TYPE_CHECKING:
    from tiers.protocol import Budget

PRIVATE = {"owner", "owner_until", "active_at", "problem_json", "config_json"}


@contextmanager
def existing_store() -> Iterator[BeadStore | None]:
    """The state database; ``None`` where there was never a run, so that reading creates nothing."""
    with existing() as store:
        yield store


def recorded_runs(limit: int | None) -> list[Run]:
    """Runs, newest first."""
    with existing_store() as store:
        return Runs(store).list(limit=limit) if store else []


def recorded_run(id: str) -> Run:
    """One run by its id or a prefix of it. Raises UsageError."""
    with existing_store() as store:
        return _find(store, id)[1]


def _find(store: BeadStore | None, id: str) -> tuple[BeadStore, Run]:
    if store is None:
        raise UsageError(f"unknown run id {id!r}: no run has been recorded in {home()}")
    return store, Runs(store).get(id)


def budget_of(run: Run) -> Budget:
    """The limits that the run started with; none where the record does not hold them."""
    from pydantic import ValidationError

    from tiers.protocol import Budget

    try:
        return Budget.model_validate(json.loads(run.config_json).get("budget", {}))
    except (ValueError, AttributeError, ValidationError):
        return Budget()


def run_row(run: Run) -> dict[str, Any]:
    """The data of a run for scripts."""
    row = run.model_dump(exclude=PRIVATE)
    row |= {name: moment(row[name]) for name in ("created_at", "updated_at", "closed_at")}
    return {**row, "options": json.loads(run.config_json)}


def run_record(id: str, *, trace: bool) -> dict[str, Any]:
    """A run with its problem, plans, decisions and calls; with ``trace`` the calls in full."""
    with existing_store() as maybe:
        store, run = _find(maybe, id)
        calls = Ledger(store).calls(run.id, lost=True)
        steps = store.query(run_id=run.id, kind="step")
        outcomes = store.query(run_id=run.id, kind="outcome", tier="fleet")
        decisions = store.query(run_id=run.id, kind="decision")
    problem = json.loads(run.problem_json)
    return {
        "run": run_row(run),
        "statement": problem.get("statement", "") if isinstance(problem, dict) else "",
        "plan": [_step_row(step, outcomes) for step in steps],
        "decisions": [
            {
                "id": d.id,
                "tier": d.tier,
                "title": d.title,
                "why": d.body,
                "at": moment(d.created_at),
            }
            for d in decisions
        ],
        "calls": [_call_row(call, trace=trace) for call in calls],
    }


def progress_of(run: Run) -> Progress:
    """The progress of a recorded run, for the view of its resumption."""
    record = run_record(run.id, trace=False)
    rows, calls = record["plan"], record["calls"]
    last = max((row["plan"] for row in rows), default=0)
    steps = {}
    for row in rows:
        if row["plan"] == last:
            line = StepLine(row["name"], row["kind"], one_line(row["objective"]))
            line.state = row["state"] if row["state"] in STATES else "waiting"
            line.specialist, line.attempts = row["specialist"] or "", row["attempts"]
            line.artifact = one_line(row["artifact"] or "")[:60]
            steps[row["id"]] = line
    return Progress(
        run.id, run.problem_id, steps, calls=len(calls),
        tokens=sum(call["prompt_tokens"] + call["completion_tokens"] for call in calls),
        cost=sum(call["cost"] for call in calls), seconds_before=run.spent_seconds,
    )  # fmt: skip


def _step_row(step: Bead, outcomes: list[Bead]) -> dict[str, Any]:
    data, own = step.data, [o for o in outcomes if o.data.get("step") == step.id]
    state = "given" if data.get("given") else data.get("outcome") or step.close_reason
    return {
        "id": step.id,
        "plan": data.get("plan", 0),
        "name": data.get("name", step.id),
        "kind": data.get("kind", ""),
        "objective": data.get("objective", step.title),
        "inputs": list(data.get("inputs", {})),
        "state": state or ("running" if step.status == "in_progress" else "waiting"),
        "specialist": own[-1].assignee if own else step.assignee,
        "attempts": sum(o.data.get("outcome", {}).get("attempts", 0) for o in own),
        "artifact": data.get("artifact"),
    }


def _call_row(call: Call, *, trace: bool) -> dict[str, Any]:
    short = {"key", "run_id", "prompt", "response", "params"}
    row = call.model_dump(exclude={"key", "run_id"} if trace else short)
    return {**row, "created_at": moment(call.created_at)}
