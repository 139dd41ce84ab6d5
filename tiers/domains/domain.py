"""The interface between the tiers and a domain, which is one kind of work.

A domain is one folder, or one package that announces itself (see :mod:`tiers.domains.announced`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from specialists.registry import Card
from tiers.crafts import Craft
from tiers.protocol import Frozen, Plan, PlanStep, Task
from tiers.sentences import sentences

if TYPE_CHECKING:
    from tiers.run_context import RunContext


class Approach(Frozen):
    """How to begin a problem, and why."""

    mode: Literal["direct", "plan"]
    """One direct call, or a plan first."""
    reason: str


@runtime_checkable
class Domain(Protocol):
    """One kind of work. :class:`BaseDomain` has a default for all members but :attr:`name` and the
    crafts."""

    @property
    def name(self) -> str:
        """Name of the domain, which no other domain has."""
        ...

    @property
    def problem_kinds(self) -> tuple[str, ...]:
        """Values of a problem's ``kind`` that belong to this domain."""
        ...

    @property
    def crafts(self) -> Mapping[str, Craft]:
        """Kind of step → its craft. A kind that two domains have belongs to the first one, except
        for steps whose ``meta`` says ``{name: True}`` with the name of the other domain."""
        ...

    @property
    def evidence(self) -> Mapping[str, str]:
        """Kind of check → words in which the report says that it passed ("by the inverse
        operation")."""
        ...

    @property
    def sections(self) -> tuple[str, ...]:
        """Labels of the sections of the domain's answers, apart from the roles of a request:
        lower-case words."""
        ...

    @property
    def judges(self) -> Mapping[str, str]:
        """Kind of check → the section of an answer that it judges, where this is not the result."""
        ...

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """Role in a request → domains of the cards that take it; the first one that the fleet has
        counts."""
        ...

    def recognise(self, task: Task, fleet: Sequence[Card]) -> float:
        """How sure the domain is, from 0 to 1, that ``task`` belongs to it and that this fleet can
        do it."""
        ...

    def in_scope(self, context: RunContext) -> bool:
        """Whether the run's fleet can take a task that the domain recognises although no specialist
        takes its statement unchanged."""
        ...

    def approach(self, context: RunContext) -> Approach:
        """Whether one direct call is worth trying before a plan is made."""
        ...

    def direct(self, context: RunContext) -> PlanStep:
        """The whole problem as one step, with the acceptance checks beside the public ones."""
        ...

    async def decompose(self, context: RunContext, number: int) -> Plan | None:
        """Plan ``number`` of the run; ``None`` leaves the task to the next domain that recognises
        it.

        Raises :class:`tiers.protocol.PlanError` where another try may find a plan, and its subclass
        :class:`tiers.protocol.NoPlan` where none can.
        """
        ...

    def size(self, task: Task) -> int:
        """Length of the problem, from 1: memory compares it with the problems that it solved."""
        ...


class BaseDomain:
    """Defaults for a domain: one direct call for every problem."""

    name: str
    crafts: Mapping[str, Craft]
    problem_kinds: tuple[str, ...] = ()
    evidence: Mapping[str, str] = {}
    sections: tuple[str, ...] = ()
    judges: Mapping[str, str] = {}
    roles: Mapping[str, tuple[str, ...]] = {}

    def recognise(self, task: Task, fleet: Sequence[Card]) -> float:
        """1 for the problem kinds of the domain, 0 for all others."""
        return float(task.kind in self.problem_kinds)

    def in_scope(self, context: RunContext) -> bool:
        """Whether the fleet has a specialist that is trained for one of the domain's steps."""
        trained = {craft.specialist for craft in self.crafts.values()}
        return any(card.domain in trained for card in context.fleet)

    def approach(self, context: RunContext) -> Approach:
        """One direct call, since it is the cheapest."""
        if context.task.public_checks:
            return Approach(mode="direct", reason="public checks can verify one direct call")
        return Approach(mode="direct", reason="nothing to check against; one call is the cheapest")

    def direct(self, context: RunContext) -> PlanStep:
        """A step of the domain's first kind."""
        return PlanStep(name="all", kind=next(iter(self.crafts)), objective=context.task.statement)

    async def decompose(self, context: RunContext, number: int) -> Plan | None:
        """``None``: the domain has no way of its own to split a problem."""
        return None

    def size(self, task: Task) -> int:
        """The number of sentences."""
        return max(1, len(sentences(task.statement)))


def whole(context: RunContext, why: str) -> Plan:
    """The plan that gives the whole problem to one step of the domain that is surest of the
    task."""
    step = context.domain.direct(context)
    checks = (*context.task.public_checks, *step.acceptance)
    step = step.model_copy(update={"acceptance": checks})
    return Plan(steps=(step,), answer={"": step.name}, decomposer="direct", why=why)
