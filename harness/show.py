"""Runs that were recorded: the list, one run with its plan, every call it made."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.progress import Progress, StepLine, clean, one_line
from harness.view import STATES, spent
from state import Bead, BeadStore, Call, Ledger, Run, Runs, UsageError, database_url, home
from tiers.protocol import Budget

PRIVATE = {"owner", "owner_until", "active_at", "task_json", "config_json"}


@contextmanager
def existing_store() -> Iterator[BeadStore | None]:
    """The state database; ``None`` where no run ever was, so that looking creates nothing."""
    if not os.environ.get("HARNESS_DATABASE_URL") and not (home() / "state.db").is_file():
        yield None
        return
    store = BeadStore.open(database_url())
    try:
        yield store
    finally:
        store.close_database()


def recorded_runs(limit: int | None) -> list[Run]:
    """Runs, newest first."""
    with existing_store() as store:
        return Runs(store).list(limit=limit) if store else []


def recorded_run(id: str) -> Run:
    """One run by its id or the beginning of it. Raises UsageError."""
    with existing_store() as store:
        return _find(store, id)[1]


def _find(store: BeadStore | None, id: str) -> tuple[BeadStore, Run]:
    if store is None:
        raise UsageError(f"unknown run id {id!r}: no run has been recorded in {home()}")
    return store, Runs(store).get(id)


def budget_of(run: Run) -> Budget:
    """The limits that the run started with; none where the record does not tell."""
    try:
        return Budget.model_validate(json.loads(run.config_json).get("budget", {}))
    except (ValueError, AttributeError, ValidationError):
        return Budget()


def run_row(run: Run) -> dict[str, Any]:
    """What scripts get to know of a run."""
    row = run.model_dump(exclude=PRIVATE)
    return {**row, "options": json.loads(run.config_json)}


def run_record(id: str, *, trace: bool) -> dict[str, Any]:
    """A run with its problem, plans, decisions and calls; with ``trace`` the calls in full."""
    with existing_store() as maybe:
        store, run = _find(maybe, id)
        calls = Ledger(store).calls(run.id)
        steps = store.query(run_id=run.id, kind="step")
        outcomes = store.query(run_id=run.id, kind="outcome", tier="fleet")
        decisions = store.query(run_id=run.id, kind="decision")
    problem = json.loads(run.task_json)
    return {
        "run": run_row(run),
        "statement": problem.get("statement", "") if isinstance(problem, dict) else "",
        "plan": [_step_row(step, outcomes) for step in steps],
        "decisions": [
            {"id": d.id, "tier": d.tier, "title": d.title, "why": d.body, "at": d.created_at}
            for d in decisions
        ],
        "calls": [_call_row(call, trace=trace) for call in calls],
    }


def progress_of(run: Run) -> Progress:
    """Where a recorded run stands, for the view of its resumption."""
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
    return call.model_dump(exclude={"key", "run_id"} if trace else short)


# --- for people ------------------------------------------------------------------------------


def print_runs(screen: Console, runs: list[Run]) -> None:
    """The list as a table."""
    if not runs:
        screen.print(f"no runs in {home()}")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("run", "problem", "when", "status", "verdict", "reference"):
        table.add_column(name, no_wrap=True)
    for name in ("calls", "tokens", "seconds", "dollars"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in runs:
        match = {True: "agrees", False: "disagrees", None: "-"}[run.reference_match]
        words = (run.id, run.problem_id, _when(run.created_at), run.status, run.verdict or "-")
        table.add_row(
            *(Text(one_line(word)) for word in words), match, f"{run.spent_calls:,}",
            f"{run.spent_tokens:,}", f"{run.spent_seconds:.1f}", f"{run.spent_cost:.4f}",
        )  # fmt: skip
    screen.print(table)


def print_run(screen: Console, record: dict[str, Any], *, trace: bool) -> None:
    """One run: what was asked, planned, decided, answered and spent."""
    run = record["run"]
    verdict = run["verdict"] or run["status"]
    _line(screen, f"{run['id']} · {run['problem_id']} · {_when(run['created_at'])}", "bold")
    _line(screen, f"{verdict}: {run['stop_reason'] or 'no reason recorded'}")
    compared = run["reference_match"] if run["answer"] is not None else None
    match = {True: "agrees", False: "DISAGREES", None: "not compared"}[compared]
    _line(screen, f"hidden reference: {match}")
    numbers = (run["spent_calls"], run["spent_tokens"], run["spent_seconds"], run["spent_cost"])
    _line(screen, spent(*numbers), "dim")
    _block(screen, "problem", record["statement"])
    for number in sorted({step["plan"] for step in record["plan"]}):
        steps = [step for step in record["plan"] if step["plan"] == number]
        _line(screen, f"\nplan {number}: {len(steps)} steps", "bold")
        screen.print(_plan(steps))
    if record["decisions"]:
        _line(screen, "\ndecisions", "bold")
    for decision in record["decisions"]:
        title, why = one_line(decision["title"]), one_line(decision["why"])
        because = f" ({why})" if why and why not in title else ""
        _line(screen, f"  {decision['tier'] or '-':<10}  {title}{because}")
    if trace:
        for number, call in enumerate(record["calls"], 1):
            _call(screen, number, call)
    elif record["calls"]:
        _line(screen, f"\n{len(record['calls'])} calls; --trace shows prompts and responses", "dim")
    if run["answer"] is not None:
        _block(screen, "answer", run["answer"])


def _plan(steps: list[dict[str, Any]]) -> Table:
    table = Table.grid(padding=(0, 2))
    for _ in range(6):
        table.add_column(overflow="fold")
    for step in steps:
        colour = STATES.get(step["state"], STATES["failed"])[2]
        tries = f" ({step['attempts']} tries)" if step["attempts"] > 1 else ""
        needs = f" ← {', '.join(step['inputs'])}" if step["inputs"] else ""
        artifact = step["artifact"]
        cells = [
            f"  {step['name']}", step["state"], step["kind"], f"{step['objective']}{needs}",
            (step["specialist"] or "") + tries, "" if artifact is None else f"= {artifact}",
        ]  # fmt: skip
        table.add_row(
            *(Text(clean(str(cell)), colour if i == 1 else "") for i, cell in enumerate(cells))
        )
    return table


def _call(screen: Console, number: int, call: dict[str, Any]) -> None:
    tokens = f"{call['prompt_tokens']} + {call['completion_tokens']} tokens"
    adapter = call["adapter_digest"] or "no adapter"
    _line(
        screen,
        f"\ncall {number} · {call['tier']} · {call['specialist']} ({adapter}) · {tokens}"
        f" · {call['latency_s']:.2f} s · {call['finish_reason']} · bead {call['bead_id']}"
        f" · attempt {call['attempt']}, sample {call['sample']}",
        "bold",
    )
    for message in call["prompt"]:
        _block(screen, str(message.get("role", "?")), str(message.get("content", "")), gap="")
    _block(screen, "response", call["response"], gap="")


def _block(screen: Console, title: str, text: str, gap: str = "\n") -> None:
    _line(screen, f"{gap}{title}", "dim")
    indented = "\n".join(f"  {line}" for line in clean(text).splitlines())
    _line(screen, indented or "  (empty)")


def _line(screen: Console, text: str, style: str = "") -> None:
    screen.print(Text(clean(text), style), soft_wrap=True)


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S")
