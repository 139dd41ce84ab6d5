"""The monitor: are we getting somewhere?

It reads step and outcome beads, measures progress, spinning, surprise and drift, and decides what
happens next. Each decision is a bead that says why; every stop has a reason; the number of plans and
of specialists a step may try is bounded, so nothing loops for ever.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from state import Bead
from tiers import splitter
from tiers.protocol import Outcome
from tiers.room import Room
from tiers.segments import asks_in_stages

MOST_PLANS = 3
MOST_SPECIALISTS = 2
"""Specialists that may fail on one step before the plan is doubted."""
SHORT_STORY = 9
"""Sentences up to which one direct call is worth trying first."""
SPINNING = 3
"""Equal answers with equal faults that make a specialist's further attempts pointless."""

Kind = Literal["direct", "plan", "continue", "escalate", "replan", "stop"]


class Verdict(BaseModel):
    """What the monitor decided, and why."""

    model_config = ConfigDict(frozen=True)

    kind: Kind
    reason: str
    plan: int = 0
    """Number of the plan to make, for ``direct``, ``plan`` and ``replan``."""


class Monitor:
    """Watches one run."""

    def __init__(self, room: Room) -> None:
        self.room = room

    def decide(self, wave: int, error: str | None, exhausted: str | None) -> Verdict:
        """The next move after ``wave``; writes it to the store.

        ``error`` is the architect's failure, ``exhausted`` the budget's, if there was one.
        """
        verdict, signs = self._decide(error, exhausted)
        room = self.room
        room.store.create(
            "decision", f"{verdict.kind}: {verdict.reason}",
            key=f"{room.run_id}|monitor|{wave}", parent=room.root_id, run_id=room.run_id,
            tier="monitor", status="closed", body=verdict.reason, surprise=signs.get("surprise"),
            data={"decision": verdict.kind, "wave": wave, **signs},
        )  # fmt: skip
        room.emit("monitor", f"{verdict.kind}: {verdict.reason}", decision=verdict.kind,
                  reason=verdict.reason, wave=wave)  # fmt: skip
        return verdict

    def _decide(self, error: str | None, exhausted: str | None) -> tuple[Verdict, dict[str, Any]]:
        room = self.room
        plan = room.root.data.get("plan")
        if exhausted:
            return Verdict(kind="stop", reason=f"out of budget: {exhausted}"), {}
        if error is not None:
            number = -1 if plan is None else plan
            tries = room.root.data.get("plan_errors", 0) + 1
            room.store.update(room.root_id, data={**room.root.data, "plan_errors": tries})
            if tries >= MOST_PLANS:
                return Verdict(kind="stop", reason=f"no plan after {tries} tries: {error}"), {}
            return Verdict(kind="replan", reason=error, plan=number + 1 + tries), {}
        if plan is None:
            return self._first(), {}
        steps = room.steps()
        signs = self._signs(steps)
        if all(s.status == "closed" for s in steps):
            return Verdict(kind="stop", reason="every step of the plan is closed"), signs
        failed = [s for s in steps if s.status != "closed" and s.data.get("failed")]
        doubted = [s for s in failed if self._given_up(s)]
        if doubted:
            return self._doubt(doubted[0], plan), signs
        if failed:
            tried = ", ".join(failed[0].data["tried"])
            why = f"{failed[0].title!r} failed with {tried}; another specialist is next"
            return Verdict(kind="escalate", reason=why), signs
        done = sum(s.status == "closed" for s in steps)
        return Verdict(kind="continue", reason=f"{done} of {len(steps)} steps closed"), signs

    def _first(self) -> Verdict:
        room, task = self.room, self.room.task
        if room.strategy in ("direct", "plan"):
            kind: Kind = "direct" if room.strategy == "direct" else "plan"
            return Verdict(kind=kind, reason=f"the strategy is {room.strategy}")
        parts = len(splitter.sentences(task.statement))
        if task.public_checks:
            return Verdict(kind="direct", reason="public checks can verify one direct call")
        if (
            task.kind == "multistage"
            or splitter.read_request(task.statement)
            or (task.kind == "text" and asks_in_stages(task.statement))
        ):
            return Verdict(kind="plan", reason="the request has several stages")
        if splitter.looks_like_story(task.statement):
            if parts <= SHORT_STORY and room.card("code"):
                why = f"{parts} sentences: one call, checked by a program"
                return Verdict(kind="direct", reason=why)
            why = f"{parts} sentences: no check covers one call, steps can each be checked"
            return Verdict(kind="plan", reason=why)
        if splitter.looks_like_expression(task.statement):
            return Verdict(kind="plan", reason="an expression is a chain of operations")
        return Verdict(kind="direct", reason="nothing to check against; one call is the cheapest")

    def _given_up(self, step: Bead) -> bool:
        """Whether a failed step has used up its specialists, or keeps giving one wrong answer."""
        if self.room.strategy == "direct" or self.room.specialist is not None:
            return True
        return len(step.data["failed"]) >= MOST_SPECIALISTS or len(self.room.cards) < 2

    def _doubt(self, step: Bead, plan: int) -> Verdict:
        room = self.room
        why = f"{step.title[:60]!r} failed with {', '.join(step.data['tried'])}"
        if room.strategy == "direct":
            return Verdict(kind="stop", reason=f"{why}; the strategy is direct")
        if plan + 1 >= MOST_PLANS:
            return Verdict(kind="stop", reason=f"no progress: {why} under {plan + 1} plans")
        return Verdict(kind="replan", reason=why, plan=plan + 1)

    def _signs(self, steps: list[Bead]) -> dict[str, Any]:
        """Progress, spinning and surprise, as numbers that the decision bead keeps."""
        outcomes: list[Outcome] = [o for _, o in self.room.outcomes().values()]
        signatures = Counter(s for o in outcomes for s in o.signatures)
        spinning = max(signatures.values(), default=0)
        return {
            "closed": sum(s.status == "closed" for s in steps),
            "steps": len(steps),
            "checks_passed": sum(c.passed for o in outcomes for c in o.checks),
            "spinning": spinning if spinning >= SPINNING else 0,
            "surprise": max((o.surprise or 0.0 for o in outcomes[-len(steps) :]), default=0.0),
        }
