"""Division of failed steps: when a step is taken apart, its parts, and the artifact that they make.

The parts of a step stand below an epic bead for which the step waits; they are steps like all
others. The step's domain decides which parts there are (:meth:`tiers.crafts.Craft.take_apart`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from specialists.routing import Decision
from state import Bead, keyed_id
from state.rows import BeadChanges
from state.vectors import QUIET
from tiers.protocol import Assembly, Delegation, Parts, PlanStep
from tiers.run_context import RunContext

MOST_DEPTH = 3
"""Deepest division: parts, parts of parts, and no further."""
PARTS = "parts"
"""Kind of the evidence that every part was verified."""
ARCHITECT = "architect"
"""Name that stands in place of a specialist for the artifact of a step that was taken apart."""
BY_PARTS = Decision(specialist=ARCHITECT, scores={}, confidence=1.0, path="forced")


def may_divide(context: RunContext, step: Bead) -> bool:
    """Whether a failed step may be taken apart: only once, not too deep, and only if it has
    parts."""
    if "decomposition" in context.without or "parts" in step.data:
        return False
    if step.data.get("depth", 0) >= MOST_DEPTH:
        return False
    return context.craft_of(step).divisible(context, failed_order(context, step))


def failed_order(context: RunContext, step: Bead) -> Delegation:
    """The first delegation of a failed step: later ones are the same work."""
    return Delegation.model_validate(context.store.get(step.data["failed"][0]).data["delegation"])


def in_parts(step: Bead) -> bool:
    """Whether a step waits for its parts or for the check of their artifact."""
    held = step.data.get("parts")
    if held is None:
        return False
    return held["refusal"] is None and held["failures"] == len(step.data["failed"])


def done(steps: Iterable[Bead], step: Bead) -> list[Bead]:
    """The parts of a step that are closed, in the order in which they were requested."""
    return [p for p in steps if p.data.get("under") == step.id and p.status == "closed"]


def due(steps: Sequence[Bead]) -> list[Bead]:
    """Steps whose parts are all done, and which need their next parts or their artifact."""
    waiting = {s.id: s for s in steps if s.status != "closed" and in_parts(s)}
    waiting = {id: s for id, s in waiting.items() if s.data["parts"]["artifact"] is None}
    for part in steps:
        if part.status != "closed":
            waiting.pop(part.data.get("under", ""), None)
    return list(waiting.values())


def to_take_apart(context: RunContext) -> list[str]:
    """Ids of the steps that the monitor's last decision sends to the architect."""
    return list(context.decided.data.get("divide", [])) if context.decided else []


def assembly(step: Bead) -> Assembly | None:
    """The artifact that the parts of a step made, if they are done."""
    held = step.data.get("parts")
    if not held or held["artifact"] is None or not in_parts(step):
        return None
    return Assembly(artifact=held["artifact"], parts=held["count"], sound=held["sound"])


def progress(step: Bead, done: Sequence[Bead], found: Parts | None, refusal: str) -> BeadChanges:
    """The change of a bead whose step is taken apart: the progress of its parts."""
    verified = all(part.data["outcome"] == "verified" for part in done)
    held = {
        "failures": len(step.data["failed"]), "count": len(done),
        "refusal": refusal if found is None else None,
        "artifact": None if found is None else found.artifact,
        "sound": found is not None and found.exact and verified,
    }  # fmt: skip
    return {"data": {**step.data, "parts": held}}


def epic(context: RunContext, step: Bead, order: Delegation) -> Bead:
    """The epic bead above a step's parts."""
    key = f"{step.key}|parts"
    return Bead(
        id=keyed_id(key), key=key, kind="epic", title=f"{order.objective[:200]}, in parts",
        parent=step.parent, run_id=context.run_id, tier="architect", labels=[QUIET],
        data={"step": step.id},
    )  # fmt: skip


def bead(context: RunContext, step: Bead, epic: Bead, part: PlanStep) -> Bead:
    """One part as a step bead; it has the step's inputs where its kind of work is shown inputs."""
    key = f"{step.key}|{part.name}"
    # A step without inputs is the same work in every plan.
    signature = f"{part.kind}:{part.objective}"
    if part.inputs:
        signature = f"{part.kind}:{step.data['signature']}:{part.objective}"
    shown = step.data["inputs"] if context.domains.craft(part.kind, part.meta).shows_inputs else {}
    own = {name: keyed_id(f"{step.key}|{name}") for name in part.inputs}
    name = f"{step.data['name']}.{part.name}"
    return Bead(
        id=keyed_id(key), key=key, kind="step", title=part.objective, parent=epic.id,
        run_id=context.run_id, tier="architect",
        data={
            "plan": step.data["plan"], "name": name, "kind": part.kind, "part": part.name,
            "under": step.id, "depth": step.data.get("depth", 0) + 1,
            "objective": part.objective, "signature": signature,
            "inputs": {**shown, **own},
            "acceptance": [json.loads(check.model_dump_json()) for check in part.acceptance],
            "given": False, "artifact": None, "outcome": None, "meta": part.meta,
        },
    )  # fmt: skip
