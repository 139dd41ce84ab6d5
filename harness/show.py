"""Runs that were recorded: the list, one run with its plan, every call it made."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer

from harness.columns import Cell, Column, show, when
from harness.progress import STATES, Progress, StepLine, clean, one_line, spent
from state import Bead, BeadStore, Call, Ledger, Run, Runs, UsageError, home
from state.fields import moment, time_of
from state.opening import existing
from state.status import reference_word, state_of

if TYPE_CHECKING:
    from tiers.protocol import Budget

PRIVATE = {"owner", "owner_until", "active_at", "problem_json", "config_json"}


@contextmanager
def existing_store() -> Iterator[BeadStore | None]:
    """The state database; ``None`` where no run ever was, so that looking creates nothing."""
    with existing() as store:
        yield store


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
    from pydantic import ValidationError

    from tiers.protocol import Budget

    try:
        return Budget.model_validate(json.loads(run.config_json).get("budget", {}))
    except (ValueError, AttributeError, ValidationError):
        return Budget()


def run_row(run: Run) -> dict[str, Any]:
    """What scripts get to know of a run."""
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
    row = call.model_dump(exclude={"key", "run_id"} if trace else short)
    return {**row, "created_at": moment(call.created_at)}


# --- for people ------------------------------------------------------------------------------


LOUDER = {"disagrees": "DISAGREES", "-": "not compared"}
"""The word for a comparison with the reference, where it stands alone."""
RUN_COLUMNS = (
    Column("run"),
    Column("when", rank=1),
    Column("outcome"),
    Column("reference", rank=2),
    Column("calls", rank=4, right=True),
    Column("tokens", rank=3, right=True),
    Column("seconds", rank=5, right=True),
    Column("dollars", rank=6, right=True),
    Column("problem", text=True),
)


def print_runs(runs: list[Run]) -> None:
    """The list as a table."""
    if not runs:
        typer.echo(f"no runs in {home()}")
        return
    show(RUN_COLUMNS, map(_run_cells, runs))


def _run_cells(run: Run) -> tuple[str, ...]:
    return (
        run.id, when(run.created_at), state_of(run.status, run.verdict).name,
        reference_word(run.status, run.reference_match, run.answer), f"{run.spent_calls:,}",
        f"{run.spent_tokens:,}", f"{run.spent_seconds:.1f}", f"{run.spent_cost:.4f}",
        one_line(run.problem_id),
    )  # fmt: skip


def print_run(record: dict[str, Any], *, trace: bool) -> None:
    """One run: what was asked, planned, decided, answered and spent."""
    run = record["run"]
    state = state_of(run["status"], run["verdict"]).name
    begun = when(time_of(run, "created_at"))
    _line(f"{run['id']} · {run['problem_id']} · {begun}", bold=True)
    _line(f"{state}: {run['stop_reason'] or 'no reason recorded'}")
    word = reference_word(run["status"], run["reference_match"], run["answer"])
    _line(f"hidden reference: {LOUDER.get(word, word)}")
    numbers = (run["spent_calls"], run["spent_tokens"], run["spent_seconds"], run["spent_cost"])
    _line(spent(*numbers), dim=True)
    _block("problem", record["statement"])
    for number in sorted({step["plan"] for step in record["plan"]}):
        steps = [step for step in record["plan"] if step["plan"] == number]
        _line(f"\nplan {number}: {len(steps)} steps", bold=True)
        show(STEP_COLUMNS, map(_step_cells, steps), head=False)
    if record["decisions"]:
        _line("\ndecisions", bold=True)
    rows = []
    for decision in record["decisions"]:
        title, reason = one_line(decision["title"]), one_line(decision["why"])
        because = f" ({reason})" if reason and reason not in title else ""
        rows.append(("", decision["tier"] or "-", f"{title}{because}"))
    show((Column(""), Column("tier", least=10), Column("decision", text=True)), rows, head=False)
    if trace:
        for number, call in enumerate(record["calls"], 1):
            _call(number, call)
    elif record["calls"]:
        says = f"\n{len(record['calls'])} calls; --trace shows prompts and responses"
        _line(says, dim=True)
    if run["answer"] is not None:
        _block("answer", run["answer"])


STEP_COLUMNS = (
    Column(""),
    Column("step"),
    Column("state"),
    Column("kind", rank=2),
    Column("specialist", rank=1),
    Column("objective", text=True),
)


def _step_cells(step: dict[str, Any]) -> tuple[str | Cell, ...]:
    colour = STATES.get(step["state"], STATES["failed"])[2]
    tries = f" ({step['attempts']} tries)" if step["attempts"] > 1 else ""
    needs = f" ← {', '.join(step['inputs'])}" if step["inputs"] else ""
    says, artifact = one_line(f"{step['objective']}{needs}"), clean(str(step["artifact"] or ""))
    if artifact:
        says += f"\n{artifact.rstrip()}" if "\n" in artifact.strip() else f" = {artifact.strip()}"
    state = Cell(step["state"], None if colour == "dim" else colour)
    return "", step["name"], state, step["kind"], (step["specialist"] or "-") + tries, says


def _call(number: int, call: dict[str, Any]) -> None:
    tokens = f"{call['prompt_tokens']} + {call['completion_tokens']} tokens"
    adapter = call["adapter_digest"] or "no adapter"
    _line(
        f"\ncall {number} · {call['tier']} · {call['specialist']} ({adapter}) · {tokens}"
        f" · {call['latency_s']:.2f} s · {call['finish_reason']} · bead {call['bead_id']}"
        f" · attempt {call['attempt']}, sample {call['sample']}",
        bold=True,
    )
    for message in call["prompt"]:
        _block(str(message.get("role", "?")), str(message.get("content", "")), gap="")
    _block("response", call["response"], gap="")


def _block(title: str, text: str, gap: str = "\n") -> None:
    _line(f"{gap}{title}", dim=True)
    indented = "\n".join(f"  {line}" for line in clean(text).splitlines())
    _line(indented or "  (empty)")


def _line(text: str, *, bold: bool = False, dim: bool = False) -> None:
    typer.echo(typer.style(clean(text), bold=bold or None, dim=dim or None))
