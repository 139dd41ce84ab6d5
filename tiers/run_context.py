"""The context that the tiers of one run share: the store, the model, the fleet and the settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from specialists.registry import Card
from specialists.routing import Router
from state import Bead, BeadStore, keyed_id
from state.evidence import EXPECTED
from state.rows import BeadChanges
from state.vectors import QUIET
from tiers.coalesce import Coalesce
from tiers.crafts import Craft
from tiers.domains import Domain, Domains, installed
from tiers.memory import Memory
from tiers.model_calls import Caller
from tiers.protocol import Outcome, Task, Validator

Settled: TypeAlias = tuple[list[Bead], dict[str, BeadChanges]]
"""Beads to write, and changes to others by id."""


class Emit(Protocol):
    """Reports an event to the caller of the run; see ``harness.report.Event``."""

    def __call__(self, kind: str, text: str, **data: Any) -> None: ...


@dataclass
class RunContext:
    """Everything that the tiers of one run use. Tiers read and write the store; they do not call
    each other."""

    run_id: str
    task: Task
    store: BeadStore
    caller: Caller
    cards: Sequence[Card]
    router: Router
    validators: Mapping[str, Validator]
    emit: Emit
    memory: Memory
    strategy: str = "auto"
    specialist: str | None = None
    """The specialist that the user forces for all steps, if any."""
    seed: int = 0
    without: frozenset[str] = frozenset()
    """Parts that are switched off to measure what each is worth; see ``harness.report.Part``."""
    lease_s: float = 900.0
    domains: Domains = field(default_factory=installed)
    _outcomes: dict[str, tuple[str, Outcome]] | None = None
    handed: dict[str, tuple[Bead, Bead]] = field(default_factory=dict)
    """Order → (its bead, its step), passed from the dispatcher to the fleet, so that a wave is not
    read twice."""
    _steps: dict[int, dict[str, Bead]] = field(default_factory=dict)
    """Number of a plan → its steps in order, as id → the bead as last read."""
    _first: Bead | None = None
    """The monitor's first decision."""
    _decided: Bead | None = None
    """The monitor's last decision."""
    _plan: int | None = None

    def __post_init__(self) -> None:
        self._settled: Coalesce[Settled, None] = Coalesce(self._write)

    @cached_property
    def domain(self) -> Domain:
        """The domain that is surest of the problem."""
        return self.domains.ranked(self.task, self.fleet)[0]

    def craft_of(self, step: Bead) -> Craft:
        """The craft of a step bead."""
        return self.domains.craft(step.data["kind"], step.data.get("meta", {}))

    @property
    def root(self) -> Bead:
        """The root bead: the problem as it was asked."""
        return self.store.get(self.root_id)

    @property
    def root_id(self) -> str:
        """Id of the root bead."""
        return keyed_id(f"{self.run_id}|root")

    def find(self, key: str) -> Bead | None:
        """The bead written under ``key``, if there is one."""
        return self.store.find(keyed_id(key))

    def routine(self) -> dict[str, Any] | None:
        """The routine that the monitor's first decision chose, if it chose one."""
        if self._first is None:
            self._first = self.find(f"{self.run_id}|monitor|0")
        return self._first.data.get("routine") if self._first else None

    def recalls(self, decomposer: str, plan: int) -> bool:
        """Whether memory advises to make plan ``plan``, and advises this decomposer for it."""
        routine = self.routine() if plan == 0 else None
        return routine is not None and routine["decomposer"] == decomposer

    @property
    def decided(self) -> Bead | None:
        """The monitor's last decision: the one kept in this process, else the one in the store."""
        if self._decided is None:
            last = self.store.of_run(self.run_id, "decision", "monitor", newest=1)
            self._decided = last[0] if last else None
        return self._decided

    @decided.setter
    def decided(self, bead: Bead) -> None:
        self._decided = bead

    @property
    def plan(self) -> int | None:
        """Number of the plan in force, ``None`` before the first: as the architect set it, else as
        the root bead stores it."""
        if self._plan is None:
            self._plan = self.root.data.get("plan")
        return self._plan

    @plan.setter
    def plan(self, number: int) -> None:
        self._plan = number

    @property
    def fleet(self) -> list[Card]:
        """The cards that may be routed to; controls exist for comparison only."""
        return [card for card in self.cards if card.status != "control"]

    def card(self, domain: str) -> Card | None:
        """The fleet's card for a domain, if it has one."""
        return next((c for c in self.cards if c.domain == domain), None)

    def steps(self, plan: int | None = None) -> list[Bead]:
        """The step beads of a plan, by default the current one, in plan order.

        Only steps that have changed are read again; closed steps do not change any more.
        """
        if plan is None:
            plan = self.plan or 0
        if plan not in self._steps:
            beads = self.store.of_run(self.run_id, "step")
            self._steps[plan] = {b.id: b for b in beads if b.data["plan"] == plan}
        else:
            held, stamps = self._steps[plan], self.store.stamps(self.run_id, "step")
            held |= self.store.find_all(
                [
                    id for id, bead in held.items()
                    if bead.status != "closed" and stamps.get(id) != bead.updated_at
                ]
            )  # fmt: skip
        return list(self._steps[plan].values())

    def hold(self, steps: Sequence[Bead]) -> None:
        """Keep steps that were just written, so that the whole plan need not be read again."""
        for step in steps:
            if (plan := step.data["plan"]) in self._steps:
                self._steps[plan][step.id] = step

    def forget_steps(self) -> None:
        """Forget the kept steps, so that all are read again, closed ones too: another process
        changed them."""
        self._steps.clear()

    def order(self, id: str) -> tuple[Bead, Bead]:
        """A delegation's bead and its step's bead, as the dispatcher passed them or, in a resumed
        run, from the store."""
        if (handed := self.handed.pop(id, None)) is not None:
            return handed
        bead = self.store.get(id)
        return bead, self.store.get(bead.data["delegation"]["bead_id"])

    def emit_plan(self, decomposer: str, why: str) -> None:
        """Emit an event with the plan as it stands in the store."""
        rows = [
            {
                "id": b.id, "name": b.data["name"], "kind": b.data["kind"],
                "objective": b.data["objective"], "inputs": list(b.data["inputs"]),
                "given": b.data["given"],
            }
            for b in self.steps()
        ]  # fmt: skip
        self.emit(
            "plan", f"plan {self.plan} by {decomposer}: {why}", decomposer=decomposer, steps=rows
        )

    def outcomes(self) -> dict[str, tuple[str, Outcome]]:
        """Delegation → (specialist, outcome) of the run so far, in order; read from the store once."""
        if self._outcomes is None:
            beads = self.store.of_run(self.run_id, "outcome", "fleet")
            self._outcomes = {
                b.parent or "": (b.assignee or "", Outcome.model_validate(b.data["outcome"]))
                for b in beads
            }
        return self._outcomes

    async def settle(
        self, step: Bead, specialist: str, outcome: Outcome, lessons: Sequence[Bead] = ()
    ) -> None:
        """Write an outcome, the change of its step and its lessons, in one transaction with the
        outcomes of the same turn of the event loop.

        A verified or unverified step is closed; a failed one is open for another specialist.
        """
        data = {**step.data, "artifact": outcome.artifact, "outcome": outcome.status}
        if outcome.doubt:
            data["doubt"] = outcome.doubt
        change: BeadChanges
        if outcome.status in ("verified", "unverified"):
            change = {
                "status": "closed", "close_reason": outcome.status, "assignee": specialist,
                "data": data,
            }  # fmt: skip
        else:
            data["failed"] = [*step.data.get("failed", []), outcome.delegation_id]
            tried = [*outcome.members] or [specialist]
            data["tried"] = [*step.data.get("tried", []), *tried]
            change = {"status": "open", "assignee": None, "data": data}
        bead = Bead(
            key=f"{outcome.delegation_id}|outcome", kind="outcome", parent=outcome.delegation_id,
            title=f"{specialist}: {outcome.status}", run_id=self.run_id, tier="fleet",
            assignee=specialist, status="closed", body=outcome.fault or outcome.doubt,
            surprise=outcome.surprise,
            labels=[] if worth_telling(outcome) else [QUIET],
            data={"outcome": outcome.model_dump(mode="json"), "step": step.id},
        )  # fmt: skip
        await self._settled(([bead, *lessons], {step.id: change}))
        self.outcomes()[outcome.delegation_id] = (specialist, outcome)

    def _write(self, settled: Sequence[Settled]) -> list[None]:
        beads = [bead for made, _ in settled for bead in made]
        self.store.apply(beads, {id: how for _, changes in settled for id, how in changes.items()})
        return [None] * len(settled)


def worth_telling(outcome: Outcome) -> bool:
    """Whether an outcome has more to report than its step shows: a fault, a doubt, or a
    surprise."""
    return bool(outcome.fault or outcome.doubt) or (outcome.surprise or 0.0) > EXPECTED
