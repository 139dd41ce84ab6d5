"""Signs of a run's progress: improvement, spinning, drift and surprise, as numbers and words.

The monitor bases its decisions on them and writes them into its decision beads.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

from state import Bead
from tiers.protocol import DECLINED, NO_ARTIFACT, NO_TEXT, Outcome
from tiers.run_context import RunContext

SPINNING = 3
"""Attempts that must be alike before a step counts as spinning."""


def spinning(outcomes: Sequence[Outcome]) -> str:
    """Why further attempts of the same kind are pointless; empty while they may still help.

    ``outcomes`` are those of one step, in order. Its last :data:`SPINNING` failed attempts spin if
    the answers are equal, or if none passed more checks than the first of them, be it for one cause
    or for several.
    """
    recent = [f for o in outcomes for f in o.failures][-SPINNING:]
    if len(recent) < SPINNING:
        return ""
    if len({f.answer_hash for f in recent}) == 1:
        return f"the same answer {SPINNING} times"
    if max(f.passed for f in recent) <= recent[0].passed:
        if len({f.cause for f in recent}) == 1:
            return f"the same fault {SPINNING} times ({recent[0].cause})"
        return f"no more checks pass than {SPINNING} attempts ago"
    return ""


def improving(outcome: Outcome) -> bool:
    """Whether the attempts of a delegation improved: the last one passed more checks than the
    first."""
    tries = outcome.failures
    return len(tries) > 1 and tries[-1].passed > tries[0].passed


def empty_handed(outcome: Outcome) -> bool:
    """Whether every attempt declined or gave no artifact: the work does not suit that
    specialist."""
    causes = {failure.cause for failure in outcome.failures}
    return bool(causes) and causes <= {DECLINED, NO_ARTIFACT, NO_TEXT}


def nothing_new(now: Sequence[Outcome], before: Sequence[Outcome]) -> bool:
    """Whether every failed attempt of ``now`` repeats an answer and a fault of ``before``."""
    seen = {f.repeats for o in before for f in o.failures}
    fresh = {f.repeats for o in now for f in o.failures}
    return bool(fresh) and fresh <= seen


def of_step(context: RunContext, step: Bead) -> list[Outcome]:
    """The failed outcomes of a step, in order."""
    return [context.outcomes()[id][1] for id in step.data.get("failed", [])]


async def drift(context: RunContext, steps: Sequence[Bead]) -> float | None:
    """Greatest cosine distance (0 to 2) of a current objective from the root objective.

    Current objectives are those of failed steps or, if none failed, of open steps; only worded ones
    count. ``None`` when there is none.
    """
    left = [s for s in steps if s.status != "closed" and context.craft_of(s).worded]
    at_hand = [s for s in left if s.data.get("failed")] or left
    told = context.task.statement
    texts = {s.data["objective"] for s in at_hand}
    if not texts:
        return None
    if texts == {told}:
        return 0.0
    vectors = context.memory.vectors
    likeness = await asyncio.to_thread(lambda: min(vectors.likeness(t, told) for t in texts))
    return round(1.0 - likeness, 6)


async def read(context: RunContext, steps: Sequence[Bead], seen: int) -> dict[str, Any]:
    """All signs, for the decision bead; ``seen`` is the number of outcomes at the previous
    decision."""
    outcomes = [o for _, o in context.outcomes().values()]
    tried = [s for s in steps if s.data.get("failed") and s.status != "closed"]
    spins = {s.data["name"]: spinning(of_step(context, s)) for s in tried}
    return {
        "closed": sum(s.status == "closed" for s in steps),
        "steps": len(steps),
        "outcomes": len(outcomes),
        "checks_passed": sum(c.passed for o in outcomes for c in o.checks),
        "statuses": dict(Counter(o.status for o in outcomes)),
        "spinning": {name: why for name, why in spins.items() if why},
        "drift": await drift(context, steps),
        "surprise": max((o.surprise or 0.0 for o in outcomes[seen:]), default=0.0),
    }
