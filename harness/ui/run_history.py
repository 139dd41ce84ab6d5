"""Recorded runs for people: the list as a table, and one run with its plan, every call it made."""

from __future__ import annotations

from typing import Any

import typer

from harness.ui.live_progress import STATES, clean, one_line, spent
from harness.ui.text_tables import Cell, Column, show, when
from state import Run, home
from state.fields import time_of
from state.status import reference_word, state_of

LOUDER = {"disagrees": "DISAGREES", "-": "not compared"}
"""Result of the comparison with the reference, in words that need no column title."""
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
