"""The dispatcher: takes the ready frontier, chooses a specialist for each step, leases and delegates."""

from __future__ import annotations

import time

from specialists.routing import Ask, Decision
from state import Bead, keyed_id
from state.errors import SetupError
from tiers.context import pack
from tiers.protocol import Check, Delegation
from tiers.room import Room
from tiers.work import fill

ATTEMPTS = 4
TEAM_ATTEMPTS = 2
"""Of each member of a team."""


class Dispatcher:
    """Turns ready steps into delegations."""

    def __init__(self, room: Room) -> None:
        self.room = room

    async def dispatch(self) -> list[str]:
        """Ids of the delegations of this wave; running it again after a crash makes no new ones."""
        room = self.room
        steps = {b.id: b for b in room.steps()}
        ready = [b for b in room.store.ready(run_id=room.run_id, kind="step") if b.id in steps]
        if not ready:
            return []
        inputs = [
            {name: str(steps[i].data["artifact"]) for name, i in step.data["inputs"].items()}
            for step in ready
        ]
        objectives = [
            fill(step.data["objective"], known) for step, known in zip(ready, inputs, strict=True)
        ]
        decisions = await self._route(ready, objectives)
        beads = [
            self._delegation(*row) for row in zip(ready, inputs, objectives, decisions, strict=True)
        ]
        taken = [
            bead for bead, step in zip(beads, ready, strict=True)
            if room.store.claim(step.id, assignee=bead.assignee or "", lease_s=room.lease_s)
        ]  # fmt: skip
        room.store.apply(taken, {})
        for bead in taken:
            room.emit(
                "dispatch", bead.title, step=bead.parent, specialist=bead.assignee,
                scores=bead.data["scores"], path=bead.data["path"],
                others=bead.data["delegation"]["others"], confidence=bead.confidence,
                cost=bead.data["cost"],
            )  # fmt: skip
        return [bead.id for bead in taken]

    async def _route(self, steps: list[Bead], objectives: list[str]) -> list[Decision]:
        room = self.room
        if room.specialist is not None:
            if room.specialist not in {c.name for c in room.cards}:
                names = ", ".join(c.name for c in room.cards)
                raise SetupError(f"no specialist {room.specialist!r} in the fleet: it has {names}")
            only = {room.specialist: 1.0}
            forced = Decision(
                specialist=room.specialist, scores=only, confidence=1.0, path="forced"
            )
            return [forced] * len(steps)
        asks = [
            Ask(
                task=routing_text(step, objective),
                key=f"{step.data['plan']}|{step.data['name']}|{len(step.data.get('failed', []))}",
                barred=frozenset(step.data.get("tried", [])),
            )
            for step, objective in zip(steps, objectives, strict=True)
        ]
        return await room.router.route(asks, [c for c in room.cards if c.status != "control"])

    def _delegation(
        self, step: Bead, inputs: dict[str, str], objective: str, decision: Decision
    ) -> Bead:
        """The decision bead that carries the delegation of one step."""
        room = self.room
        failed = step.data.get("failed", [])
        key = f"{step.id}|delegation|{len(failed)}"
        order = Delegation(
            id=keyed_id(key), run_id=room.run_id, bead_id=step.id, kind=step.data["kind"],
            objective=objective, inputs=inputs,
            acceptance=tuple(Check.model_validate(c) for c in step.data["acceptance"]),
            specialist=decision.specialist, team=decision.team, others=decision.others,
            policy="resample" if failed else "greedy",
            attempts=1 if room.strategy == "direct" else
            (ATTEMPTS if decision.team == "one" else TEAM_ATTEMPTS),
            context=tuple(step.data["inputs"].values()),
            deadline=time.time() + room.lease_s,
            meta={**step.data.get("meta", {}), "pack": pack(room, step, inputs)},
        )  # fmt: skip
        return Bead(
            id=order.id, key=key, kind="decision",
            title=f"{objective} → {', '.join((decision.specialist, *decision.others))}",
            parent=step.id, run_id=room.run_id, tier="dispatcher", status="closed",
            assignee=decision.specialist, confidence=decision.confidence,
            body=f"route by {decision.path}",
            data={
                "delegation": order.model_dump(mode="json"), "scores": decision.scores,
                "task": routing_text(step, objective), "path": decision.path,
                "cost": decision.cost,
            },
        )  # fmt: skip


def routing_text(step: Bead, objective: str) -> str:
    """What the scorer sees of a step: the task as a person would put it."""
    kind, meta = step.data["kind"], step.data.get("meta", {})
    if kind == "explain":
        return "Explain the steps of a solution in sentences."
    if kind == "solve":
        return f"Solve the story. {objective}"
    if kind == "code" and meta.get("story"):
        return "Write a Python function solve() that computes the answer of a story."
    return objective
