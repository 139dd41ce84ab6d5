"""Insights: which remedy helped when a check failed for which cause.

An insight is written when a repair succeeds, under the fleet's shelf for that kind of step; every
later repair of the same cause adds to its record, for or against. An order carries the remedies
that were known when it was written, so that a resumed run sends the same repair prompts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from specialists.registry import Card
from state import Bead, keyed_id
from state.evidence import Record, evidence, record_of
from tiers.protocol import Delegation, Failure, Outcome, Remedy
from tiers.run_context import RunContext

_WORDS = {
    "resample": "another sample of {who}",
    "feedback": "{who} reading the failing check",
    "specialist": "{who} instead",
}
LONGEST = 200
"""Characters of the example that an insight quotes."""


def causes(failures: Iterable[Failure]) -> list[str]:
    """The causes of failed attempts, each once, in order; attempts without a cause are left out."""
    return [cause for cause in dict.fromkeys(f.cause for f in failures) if cause]


def known(context: RunContext, kind: str) -> tuple[Remedy, ...]:
    """All remedies for steps of ``kind``, the likeliest first."""
    if not context.memory.policy.insights:
        return ()
    found = []
    for bead in context.memory.on_shelf(kind, "insight"):
        record = record_of(context.store, bead.id, decay=context.memory.policy.decay)
        found.append(
            Remedy(
                insight=bead.id, cause=bead.data["cause"], by=bead.data["by"],
                specialist=bead.data["specialist"], chance=record.chance, says=bead.title,
            )
        )  # fmt: skip
    return tuple(sorted(found, key=lambda r: (-r.chance, r.insight)))


def best_remedy(remedies: Sequence[Remedy], cause: str) -> Remedy | None:
    """The likeliest remedy for a cause; ``None`` where even that one is more likely to fail."""
    return next((r for r in remedies if r.cause == cause and r.chance >= 0.5), None)


def handover(order: Delegation, cause: str) -> Remedy | None:
    """The remedy that gives the step to another specialist, where that is more likely to help."""
    found = best_remedy(order.remedies, cause)
    if found is None or found.by != "specialist" or found.specialist == order.specialist:
        return None
    return found


def lessons(
    context: RunContext, order: Delegation, card: Card, step: Bead, outcome: Outcome
) -> list[Bead]:
    """The beads that follow from an outcome: new insights, and evidence for or against known
    ones."""
    if not context.memory.policy.insights or outcome.status not in ("verified", "failed"):
        return []
    won = outcome.status == "verified"
    beads: list[Bead] = []
    if len(outcome.failures) + won > 1:
        for cause in causes(outcome.failures):
            beads += _lesson(context, order, cause, card.retry, outcome, won=won)
    past = context.outcomes()
    for before in step.data.get("failed", []):
        who, failed = past[before]
        if who != order.specialist:
            for cause in causes(failed.failures):
                beads += _lesson(context, order, cause, "specialist", failed, won=won)
    return beads


def _lesson(
    context: RunContext, order: Delegation, cause: str, by: str, failed: Outcome, *, won: bool
) -> list[Bead]:
    """Evidence on one remedy.

    A failure counts against the remedy only if the order knew it: insights from other steps of the
    same wave must not matter, or a resumed run would learn something else.
    """
    shelf = context.memory.shelf(order.kind)
    key = f"insight|{context.memory.fleet}|{order.kind}|{cause}|{by}|{order.specialist}"
    id = keyed_id(key)
    if not won and id not in {remedy.insight for remedy in order.remedies}:
        return []
    exists = any(b.id == id for b in context.memory.on_shelf(order.kind, "insight"))
    record = record_of(context.store, id, decay=context.memory.policy.decay) if exists else Record()
    piece = evidence(id, order.id, context.run_id, record, won=won)
    if exists:
        return [piece]
    how = _WORDS[by].format(who=order.specialist)
    fault = next((c.detail for c in failed.checks if c.refutes), "")
    example = f"as in {order.objective[:LONGEST]!r}" + (f": {fault[:LONGEST]}" if fault else "")
    insight = Bead(
        id=id, key=key, kind="insight", parent=shelf.id, run_id=context.run_id, tier="fleet",
        title=f"{order.kind} step, {cause}: what helped was {how}", body=example, status="closed",
        data={"cause": cause, "by": by, "specialist": order.specialist, "kind": order.kind},
    )  # fmt: skip
    return [shelf, insight, piece]
