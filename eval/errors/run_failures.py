"""All failures in the recorded runs: what failed, where, with which message, and what fixed it.

They are read from the store alone: outcome beads of the fleet, decision beads of the monitor, run
records, and the ledger for the answers. Nothing here calls a model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict

from state import Bead, BeadStore, Call, Ledger, Run
from tiers.fleet import CHECK_SAMPLES
from tiers.protocol import Outcome

SHOWN = 400
"""Most characters of an answer that a failure keeps."""
_NORMAL = (
    (re.compile(r"0x[0-9a-fA-F]+"), "<address>"),
    (re.compile(r"(?:/[\w.-]+){2,}"), "<path>"),
    (re.compile(r"'(?:[^'\\]|\\.){0,200}'|\"(?:[^\"\\]|\\.){0,200}\""), "<text>"),
    (re.compile(r"\[[^\[\]]*\]"), "<list>"),
    (re.compile(r"-?\d+(?:\.\d+)?"), "#"),
    (re.compile(r"(?:# ?){2,}"), "# "),
)


class Failure(BaseModel):
    """One failed piece of work."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run_id: str
    problem: str
    bead_id: str
    at: float
    """Time in seconds since the epoch."""
    tier: str
    """Tier in which it appeared: ``fleet``, ``architect``, ``monitor`` (out of budget) or
    ``report`` (the hidden checks refuse the final answer, whatever its verdict was)."""
    specialist: str = ""
    step: str = ""
    """Kind of the step: ``math``, ``code``, …"""
    check: str = ""
    """Kind of the check that failed."""
    signature: str
    """Exception type, or class of the mismatch."""
    detail: str
    """Details in one line, as the repair prompt would show it."""
    entry_point: str = ""
    """The function that the problem asks for; its name says nothing about the failure."""
    answer: str = ""
    """The beginning of the last answer of the model."""
    fixed_by: str | None = None
    """What solved the step, or the run, afterwards; ``None`` if nothing did."""

    @property
    def normal(self) -> str:
        """The failure in one line without the parts that differ from case to case; equal for
        failures of one kind."""
        parts = [self.tier, self.step, self.check, self.signature]
        return " | ".join([*(p for p in parts if p), normalise(self.general(self.detail))])

    def general(self, text: str) -> str:
        """``text`` with the name of the problem's own function replaced by ``f``."""
        return (
            re.sub(rf"\b{re.escape(self.entry_point)}\b", "f", text) if self.entry_point else text
        )


def normalise(text: str) -> str:
    """``text`` with numbers, quotations, lists, paths and addresses replaced by their kind."""
    for pattern, kind in _NORMAL:
        text = pattern.sub(kind, text)
    return " ".join(text.split())[:200]


def failures(store: BeadStore, runs: Iterable[Run]) -> list[Failure]:
    """The failures of ``runs``, oldest first. Raises StoreError."""
    found = [failure for run in runs for failure in _of_run(store, run)]
    return sorted(found, key=lambda f: f.at)


def _of_run(store: BeadStore, run: Run) -> list[Failure]:
    steps = {b.id: b for b in store.query(run_id=run.id, kind="step")}
    problem = json.loads(run.problem_json)
    entry = problem.get("entry_point") or ""
    calls = Ledger(store).calls(run.id)
    found = [
        *_outcomes(store, run, steps, calls),
        *_plans(store, run, calls),
    ]
    if run.verdict == "exhausted":
        found.append(
            _failure(run, "monitor", run.id, run.updated_at, "budget", run.stop_reason or "")
        )
    elif (wrong := _wrong(run, problem, calls, explained=bool(found))) is not None:
        found.append(wrong)
    return [failure.model_copy(update={"entry_point": entry}) for failure in found]


def _wrong(
    run: Run, problem: dict[str, Any], calls: Sequence[Call], *, explained: bool
) -> Failure | None:
    """A final answer that the hidden checks refuse, or a missing answer. A run that reported its
    own failure shows the place in its other failures (``explained``) and is not counted twice."""
    if run.reference_match is not False or (
        explained and (run.answer is None or run.verdict == "failed")
    ):
        return None
    if run.answer is None:
        signature, detail = "no-answer", "the run ended without an answer"
    elif run.verdict == "verified":
        signature, detail = "hidden-mismatch", "the answer is verified, but hidden checks refuse it"
    else:
        signature, detail = "wrong-answer", f"hidden checks refuse the answer ({run.verdict})"
    hidden = problem.get("hidden_checks") or [{}]
    last = calls[-1] if calls else None
    answer = run.answer or (last.response if last else "")
    return _failure(run, "report", run.id, run.updated_at, signature, detail).model_copy(
        update={
            "check": hidden[0].get("kind", ""),
            "specialist": last.specialist if last else "",
            "answer": answer[:SHOWN],
        }
    )


def _failure(run: Run, tier: str, bead: str, at: float, signature: str, detail: str) -> Failure:
    return Failure(
        run_id=run.id, problem=run.problem_id, bead_id=bead, at=at, tier=tier,
        signature=signature, detail=" ".join(detail.split()),
    )  # fmt: skip


def _outcomes(
    store: BeadStore, run: Run, steps: dict[str, Bead], calls: Sequence[Call]
) -> list[Failure]:
    """Failed outcomes of the fleet, and attempts that failed before a successful one."""
    beads = store.query(run_id=run.id, kind="outcome", tier="fleet", order="created")
    ended = [(b, Outcome.model_validate(b.data["outcome"])) for b in beads]
    found = []
    for place, (bead, outcome) in enumerate(ended):
        step = steps.get(bead.data["step"])
        fault = next((c for c in outcome.checks if c.refutes), None)
        if outcome.status in ("verified", "unverified") and not outcome.failures:
            continue
        last = outcome.failures[-1].cause if outcome.failures else ""
        signature = fault.signature if fault else "budget" if outcome.error else last
        detail = fault.detail if fault else outcome.error or f"an attempt failed: {last}"
        fixed = _repairer(bead, outcome, ended[place + 1 :], run)
        found.append(
            _failure(run, "fleet", bead.id, bead.created_at, signature or last, detail).model_copy(
                update={
                    "specialist": bead.assignee or "",
                    "step": step.data["kind"] if step else "",
                    "check": fault.kind if fault else "",
                    "answer": _answer(calls, outcome),
                    "fixed_by": fixed,
                }
            )
        )
    return found


def _repairer(
    bead: Bead, outcome: Outcome, later: Sequence[tuple[Bead, Outcome]], run: Run
) -> str | None:
    """What repaired a failure; ``None`` if nothing did."""
    if outcome.status in ("verified", "unverified"):
        return f"attempt {outcome.attempts} of {bead.assignee}"
    for other, result in later:
        if other.data["step"] == bead.data["step"] and result.status == "verified":
            return f"specialist {other.assignee}"
    return "a new plan" if run.verdict == "verified" else None


def _answer(calls: Sequence[Call], outcome: Outcome) -> str:
    """The last answer of the delegation that failed, calls for checks excluded."""
    own = [c for c in calls if c.bead_id == outcome.delegation_id and c.sample < CHECK_SAMPLES]
    failed = [c for c in own if c.attempt < max(1, len(outcome.failures))]
    return (failed or own)[-1].response[:SHOWN] if own else ""


def _plans(store: BeadStore, run: Run, calls: Sequence[Call]) -> list[Failure]:
    """Plans that the architect could not make."""
    found = []
    for bead in store.query(run_id=run.id, kind="decision", tier="monitor"):
        if "error" not in bead.data:
            continue
        asked = [c for c in calls if c.tier == "architect" and c.created_at <= bead.created_at]
        found.append(
            _failure(run, "architect", bead.id, bead.created_at, "no-plan", bead.body).model_copy(
                update={
                    "specialist": asked[-1].specialist if asked else "",
                    "answer": asked[-1].response[:SHOWN] if asked else "",
                    "fixed_by": "a new plan" if run.verdict == "verified" else None,
                }
            )
        )
    return found
