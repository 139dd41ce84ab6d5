"""Delegations from the store: every answer to one, how it failed, and which was verified.

Only the public verification counts: the status and checks of the fleet's outcome beads. The results
of hidden checks are never read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from state import Bead, BeadStore, Call, Ledger, Run
from tiers.fleet import CHECK_SAMPLES, answer_hash
from tiers.protocol import DECLINED, Outcome

Messages = list[dict[str, Any]]


@dataclass(frozen=True)
class Answer:
    """One answer of a specialist to a delegation."""

    call: Call
    asked: Messages
    """The prompt of its first attempt: the task before any criticism."""
    cause: str = ""
    """Cause of the failure; empty for the verified answer."""
    fault: str = ""
    """The failing public check in words, where the record holds it."""


@dataclass(frozen=True)
class Work:
    """One delegation and its results."""

    run: Run
    order: Bead
    """The dispatcher's decision bead."""
    who: str
    """The specialist whose answer counts."""
    outcome: Outcome
    calls: Sequence[Call]
    """All of the delegation's calls, checks included."""
    verified: Answer | None
    failed: tuple[Answer, ...]

    @property
    def step(self) -> str:
        """Id of the step's bead."""
        return self.order.parent or ""


def works(store: BeadStore, run: Run) -> list[Work]:
    """The delegations of a run that ended, oldest first. Raises StoreError."""
    orders = {b.id: b for b in store.query(run_id=run.id, kind="decision", tier="dispatcher")}
    calls: dict[str, list[Call]] = {}
    for call in Ledger(store).calls(run.id):
        calls.setdefault(call.bead_id, []).append(call)
    return [
        _work(run, orders[bead.parent], bead, calls.get(bead.parent, []))
        for bead in store.query(run_id=run.id, kind="outcome", tier="fleet", order="created")
        if bead.parent in orders
    ]


def _work(run: Run, order: Bead, bead: Bead, calls: Sequence[Call]) -> Work:
    outcome = Outcome.model_validate(bead.data["outcome"])
    who = bead.assignee or ""
    answers = [c for c in calls if c.tier == "fleet" and c.sample < CHECK_SAMPLES]
    first = {c.specialist: c.prompt for c in sorted(answers, key=lambda c: -c.attempt)}
    last = max((c for c in answers if c.specialist == who), key=lambda c: c.attempt, default=None)
    verified = None
    if outcome.status == "verified" and last is not None:
        verified = Answer(last, first[who])
    known: dict[str, tuple[str, str]] = {}
    for failure in outcome.failures:
        known.setdefault(failure.answer_hash, (failure.cause, failure.fault))
    failed = []
    for call in answers:
        cause, fault = known.get(answer_hash(call.response), ("", ""))
        if cause and cause != DECLINED and not (verified and call.key == verified.call.key):
            failed.append(Answer(call, first[call.specialist], cause, fault))
    return Work(run, order, who, outcome, calls, verified, tuple(failed))
