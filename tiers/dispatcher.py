"""The dispatcher: takes the ready steps, chooses a specialist for each, leases and delegates
them."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

from specialists.routing import Ask, Decision, natives
from state import Bead, keyed_id
from state.vectors import QUIET
from tiers import parts, run_progress
from tiers.crafts import fill
from tiers.memory.insights import best_remedy, causes, known
from tiers.memory.packs import pack_for
from tiers.prompts import reads_text
from tiers.protocol import Check, Delegation, Remedy
from tiers.run_context import RunContext

ATTEMPTS = 6
TEAM_ATTEMPTS = 2
"""Attempts of each member of a team."""


class Dispatcher:
    """Turns ready steps into delegations."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self._known: dict[str, tuple[Remedy, ...]] = {}

    async def dispatch(self) -> list[str]:
        """Write the delegations of this wave and return their ids; a repetition after a crash makes
        no new ones."""
        context = self.context
        plan = context.plan or 0
        ready = [
            b
            for b in context.store.ready(run_id=context.run_id, kind="step")
            if b.data["plan"] == plan
        ]
        if not ready:
            return []
        # After a crash, these delegations may exist already.
        orders = [keyed_id(_key(step)) for step in ready]
        inner = [i for step in ready for i in step.data["inputs"].values()]
        there = context.store.find_all([*inner, *orders])
        inputs = [
            {name: str(there[i].data["artifact"]) for name, i in step.data["inputs"].items()}
            for step in ready
        ]
        objectives = [
            fill(step.data["objective"], known) for step, known in zip(ready, inputs, strict=True)
        ]
        assembled = [parts.assembly(step) for step in ready]
        whole = [k for k, made in enumerate(assembled) if made is None]
        routed = iter(
            await self._route([ready[k] for k in whole], [objectives[k] for k in whole])
            if whole else ()
        )  # fmt: skip
        decisions = [next(routed) if made is None else parts.BY_PARTS for made in assembled]
        beads = [
            there.get(order) or await self._delegation(step, given, objective, decision)
            for order, step, given, objective, decision in zip(
                orders, ready, inputs, objectives, decisions, strict=True
            )
        ]
        taken = context.store.claim_with(beads, lease_s=context.lease_s)
        at_hand = {step.id: step for step in ready}
        for bead in taken:
            context.handed[bead.id] = (bead, at_hand[bead.parent or ""])
            context.emit(
                "dispatch", bead.title, step=bead.parent, specialist=bead.assignee,
                scores=bead.data["scores"], path=bead.data["path"],
                others=bead.data["delegation"]["others"], confidence=bead.confidence,
                cost=bead.data["cost"],
            )  # fmt: skip
        return [bead.id for bead in taken]

    async def _route(self, steps: list[Bead], objectives: list[str]) -> list[Decision]:
        context = self.context
        if context.specialist is not None:
            only = {context.specialist: 1.0}
            forced = Decision(
                specialist=context.specialist, scores=only, confidence=1.0, path="forced"
            )
            return [forced] * len(steps)
        if "routing" in context.without:
            return [self._any(step) for step in steps]
        fleet = context.fleet
        everybody, stay = {c.name for c in fleet}, self._stay()
        remembered = [
            Decision(specialist=stay[step.id], scores={stay[step.id]: 1.0}, confidence=1.0)
            if step.id in stay
            else self._remembered(step, everybody)
            for step in steps
        ]
        asks = [
            Ask(
                task=self._routing_text(step, objective),
                key=f"{step.data['plan']}|{step.data['name']}|{len(step.data.get('failed', []))}",
                barred=self._barred(step, everybody),
                native=natives(fleet, self._native(step, objective)),
            )
            for step, objective, recalled in zip(steps, objectives, remembered, strict=True)
            if recalled is None
        ]
        routed = iter(await context.router.route(asks, fleet) if asks else ())
        return [next(routed) if recalled is None else recalled for recalled in remembered]

    def _routing_text(self, step: Bead, objective: str) -> str:
        """The text of a step that the scorer sees."""
        return self.context.craft_of(step).routing_text(objective, step.data.get("meta", {}))

    def _native(self, step: Bead, objective: str) -> tuple[str, ...]:
        """Domains of the cards that a step belongs to, by its kind or else by the role that it asks
        for."""
        craft = self.context.craft_of(step)
        role = craft.role(objective, step.data.get("meta", {}))
        return craft.native or self.context.domains.roles.get(role or "", ())

    def _any(self, step: Bead) -> Decision:
        """A specialist drawn evenly from the fleet, the same for the same step and seed."""
        names = [c.name for c in self.context.fleet]
        chosen = random.Random(f"{self.context.seed}|{step.key}|{step.attempts}").choice(names)
        even = 1 / len(names)
        return Decision(specialist=chosen, scores=dict.fromkeys(names, even), confidence=even)

    def _stay(self) -> dict[str, str]:
        """Failed step → the specialist that keeps it by the monitor's last decision."""
        last = self.context.decided
        return dict(last.data.get("stay", {})) if last else {}

    def _remembered(self, step: Bead, fleet: set[str]) -> Decision | None:
        """The specialist that memory names: by the routine for a fresh step, by an insight for a
        failed one."""
        kind, tried = step.data["kind"], step.data.get("tried", [])
        if not tried:
            routine = self.context.routine()
            if routine is None or step.data["plan"] > 0:
                return None
            name, chance = routine["specialists"].get(kind), routine["chance"]
        else:
            _, failed = self.context.outcomes()[step.data["failed"][-1]]
            remedies = [
                r for r in self._remedies(kind)
                if r.by == "specialist" and r.specialist not in tried
            ]  # fmt: skip
            advice = [best_remedy(remedies, cause) for cause in reversed(causes(failed.failures))]
            found = next((r for r in advice if r is not None), None)
            name, chance = (found.specialist, found.chance) if found else (None, 0.0)
        if name not in fleet:
            return None
        return Decision(specialist=name, scores={name: chance}, confidence=chance, path="cache")

    def _remedies(self, kind: str) -> tuple[Remedy, ...]:
        """Remedies in memory for faults of such steps, looked up once a wave."""
        if kind not in self._known:
            self._known[kind] = known(self.context, kind)
        return self._known[kind]

    def _failed_before(self, step: Bead) -> list[str]:
        """The delegations of the same work that failed under earlier plans."""
        plan, signature = step.data["plan"], step.data["signature"]
        if plan == 0:
            return []
        return [
            delegation
            for other in self.context.store.of_run(self.context.run_id, "step")
            if other.data["plan"] < plan and other.data["signature"] == signature
            for delegation in other.data.get("failed", [])
        ]

    def _barred(self, step: Bead, fleet: set[str]) -> frozenset[str]:
        """Specialists that tried the step, and those that gave nothing for the same work under
        earlier plans."""
        tried = frozenset(step.data.get("tried", []))
        earlier = (self.context.outcomes()[id] for id in self._failed_before(step))
        barred = tried | {who for who, outcome in earlier if run_progress.empty_handed(outcome)}
        return barred if barred < fleet else tried

    async def _delegation(
        self, step: Bead, inputs: dict[str, str], objective: str, decision: Decision
    ) -> Bead:
        """The decision bead that carries the delegation of one step."""
        context = self.context
        failed, tried = step.data.get("failed", []), step.data.get("tried", [])
        key, before = _key(step), len(failed) + len(self._failed_before(step))
        cards = {c.name: c for c in context.cards}
        assembly = parts.assembly(step)
        pack = None
        if assembly is None:
            team = [cards[name] for name in (decision.specialist, *decision.others)]
            reader = next((c for c in team if reads_text(c)), team[0])
            pack = await pack_for(context, reader, step, objective)
        others = context.specialist is None and context.strategy != "direct"
        remedies = tuple(
            r for r in self._remedies(step.data["kind"])
            if r.by != "specialist" or (others and r.specialist not in tried)
        )  # fmt: skip
        order = Delegation(
            id=keyed_id(key), run_id=context.run_id, bead_id=step.id, kind=step.data["kind"],
            objective=objective, inputs=inputs,
            acceptance=tuple(Check.model_validate(c) for c in step.data["acceptance"]),
            specialist=decision.specialist, team=decision.team, others=decision.others,
            policy="resample" if before else "greedy", before=before,
            attempts=1 if context.strategy == "direct" else
            (ATTEMPTS if decision.team == "one" else TEAM_ATTEMPTS),
            pack=pack.text if pack else "",
            records=decision.records, remedies=remedies,
            deadline=datetime.now(UTC) + timedelta(seconds=context.lease_s),
            assembly=assembly, meta=step.data.get("meta", {}),
        )  # fmt: skip
        return Bead(
            id=order.id, key=key, kind="decision",
            title=f"{objective} → {', '.join((decision.specialist, *decision.others))}",
            parent=step.id, run_id=context.run_id, tier="dispatcher", status="closed",
            assignee=decision.specialist, confidence=decision.confidence,
            body=f"route by {decision.path}", labels=[QUIET],
            data={
                "delegation": order.model_dump(mode="json"), "scores": decision.scores,
                "pack": [e.model_dump(exclude={"line"}) for e in pack.entries] if pack else [],
                "task": self._routing_text(step, objective), "path": decision.path,
                "cost": decision.cost,
            },
        )  # fmt: skip


def _key(step: Bead) -> str:
    """Key of the next delegation of a step."""
    return f"{step.id}|delegation|{len(step.data.get('failed', []))}"
