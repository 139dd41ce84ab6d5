"""What a domain is to the tiers: all that they need to know about one kind of work, and no more.

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
    """One kind of work. :class:`BaseDomain` has an answer to all but :attr:`name` and the crafts."""

    @property
    def name(self) -> str:
        """Its name, which no other domain has."""
        ...

    @property
    def problem_kinds(self) -> tuple[str, ...]:
        """Values of a problem's ``kind`` that are this domain's."""
        ...

    @property
    def crafts(self) -> Mapping[str, Craft]:
        """Kind of step → its craft. A kind that two domains have is the first one's, except for steps
        whose ``meta`` says ``{name: True}`` of another."""
        ...

    @property
    def evidence(self) -> Mapping[str, str]:
        """Kind of check → how the report says that it passed ("by the inverse operation")."""
        ...

    @property
    def sections(self) -> tuple[str, ...]:
        """Labels of the sections of its answers, beside the roles of a request: lower-case words."""
        ...

    @property
    def judges(self) -> Mapping[str, str]:
        """Kind of check → the section of an answer that it judges, where that is not its result."""
        ...

    @property
    def roles(self) -> Mapping[str, tuple[str, ...]]:
        """Role in a request → domains of the cards that take it, the first that the fleet has."""
        ...

    def recognise(self, task: Task, fleet: Sequence[Card]) -> float:
        """How sure it is, from 0 to 1, that ``task`` is its own and this fleet's work."""
        ...

    def in_scope(self, context: RunContext) -> bool:
        """Whether the fleet of the run can take a task that the domain recognises, though no
        specialist takes its statement as it stands."""
        ...

    def approach(self, context: RunContext) -> Approach:
        """Whether one direct call is worth trying before a plan is made."""
        ...

    def direct(self, context: RunContext) -> PlanStep:
        """The whole problem as one step, with the acceptance checks beside the public ones."""
        ...

    async def decompose(self, context: RunContext, number: int) -> Plan | None:
        """Plan ``number`` of the run; ``None`` leaves it to the next domain that recognises the task.

        Raises :class:`tiers.protocol.PlanError` where another try may find one, and its subclass
        :class:`tiers.protocol.NoPlan` where none can.
        """
        ...

    def size(self, task: Task) -> int:
        """How long the problem is, from 1: memory compares it with those it solved."""
        ...


class BaseDomain:
    """One direct call for everything: what a domain need not say itself."""

    name: str
    crafts: Mapping[str, Craft]
    problem_kinds: tuple[str, ...] = ()
    evidence: Mapping[str, str] = {}
    sections: tuple[str, ...] = ()
    judges: Mapping[str, str] = {}
    roles: Mapping[str, tuple[str, ...]] = {}

    def recognise(self, task: Task, fleet: Sequence[Card]) -> float:
        """Sure of the problems of its kinds, and of nothing else."""
        return float(task.kind in self.problem_kinds)

    def in_scope(self, context: RunContext) -> bool:
        """Whether the fleet has a specialist that is trained for one of its steps."""
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
        """No way of its own to split a problem."""
        return None

    def size(self, task: Task) -> int:
        """The number of sentences."""
        return max(1, len(sentences(task.statement)))


def whole(context: RunContext, why: str) -> Plan:
    """The plan that asks for everything in one step, by the domain that is surest of the task."""
    step = context.domain.direct(context)
    checks = (*context.task.public_checks, *step.acceptance)
    step = step.model_copy(update={"acceptance": checks})
    return Plan(steps=(step,), answer={"": step.name}, decomposer="direct", why=why)
