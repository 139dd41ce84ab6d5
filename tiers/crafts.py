"""What a kind of step is: how it is asked, read and checked, and what may be known of it beside that.

A *craft* turns a delegation into a prompt, takes the artifact out of the answer, and checks it. The
checks of a craft use the model (an inverse operation, a second derivation by another adapter) or run
code that the model wrote; they never compute the reference themselves.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from specialists.registry import Card
from tiers.checking import NO_CHECKER, undecided
from tiers.protocol import Check, CheckResult, Delegation, Parts, PlanStep

if TYPE_CHECKING:
    from tiers.run_context import RunContext

Ask = Callable[[Card, str, int], Awaitable[str]]
"""(specialist, prompt, sample number) → answer: a further call on the same delegation's account.

Asked the same prompt again, a specialist answers with a fresh sample.
"""


def fill(objective: str, inputs: Mapping[str, str]) -> str:
    """``objective`` with each ``{name}`` replaced by the input of that name."""
    return re.sub(r"\{(\w+)\}", lambda m: inputs.get(m[1], m[0]), objective)


@runtime_checkable
class Craft(Protocol):
    """One kind of step. :class:`PlainCraft` has a sensible answer to everything."""

    @property
    def worded(self) -> bool:
        """Whether the objective is free text, which may drift from the problem."""
        ...

    @property
    def shows_inputs(self) -> bool:
        """Whether a specialist is shown the results that the objective builds on but does not quote."""
        ...

    @property
    def reusable(self) -> bool:
        """Whether a verified artifact is carried over to a later plan that orders the same step."""
        ...

    @property
    def native(self) -> tuple[str, ...]:
        """Domains of the cards that such a step belongs to, the first that the fleet has; empty where the
        form of the task tells every scorer what it is."""
        ...

    @property
    def specialist(self) -> str | None:
        """Name and domain of the specialist that is trained for such steps; ``None`` where anybody may do
        them."""
        ...

    @property
    def exact(self) -> bool:
        """Whether :meth:`redo` can carry such steps out without a model."""
        ...

    def prompt(self, order: Delegation) -> str:
        """What the specialist is asked."""
        ...

    def extract(self, order: Delegation, answer: str) -> str | None:
        """The artifact in the answer, or ``None`` when it holds none."""
        ...

    async def check(
        self, context: RunContext, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """Run one acceptance check that is this craft's own."""
        ...

    def routing_text(self, objective: str, meta: Mapping[str, Any]) -> str:
        """What a scorer sees of the step: the task as a person would put it."""
        ...

    def role(self, objective: str, meta: Mapping[str, Any]) -> str | None:
        """The role that a worded step asks for, where no card is native to its kind."""
        ...

    def worked(self, step: PlanStep) -> PlanStep:
        """A step whose artifact is given, as one that has to be worked out and can be checked."""
        ...

    def misfit(self, objective: str, inputs: Sequence[str], *, given: bool) -> str:
        """Why a person's wording of the objective is none of such a step; empty where it fits."""
        ...

    def divisible(self, context: RunContext, order: Delegation) -> bool:
        """Whether :meth:`take_apart` may know parts of a delegation that failed."""
        ...

    async def take_apart(
        self, context: RunContext, order: Delegation, results: Mapping[str, str]
    ) -> Parts | None:
        """The parts of a delegation that nobody could do whole; ``None`` where there are none.

        ``results`` are the artifacts of the parts that are done, by name. Called again whenever those
        asked for are done, with the same answer for the same results, until it gives the artifact.
        Raises :class:`tiers.protocol.PlanError` where the results do not fit together.
        """
        ...

    def redo(self, objective: str) -> str | None:
        """The right artifact of a filled-in objective, for attribution after the run; ``None`` where
        it has none. Never called while the tiers work."""
        ...


class PlainCraft:
    """Text in, text out, checked by validators alone: the base of every craft."""

    worded = False
    shows_inputs = False
    reusable = False
    native: tuple[str, ...] = ()
    specialist: str | None = None
    exact = False

    def prompt(self, order: Delegation) -> str:
        """The objective as it stands."""
        return order.objective

    def extract(self, order: Delegation, answer: str) -> str | None:
        """The whole answer; ``None`` for an empty one."""
        return answer.strip() or None

    async def check(
        self, context: RunContext, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """No checks of its own: the result is inconclusive."""
        return undecided(check, NO_CHECKER, f"nobody can run the check {check.kind}")

    def routing_text(self, objective: str, meta: Mapping[str, Any]) -> str:
        """The objective as it stands."""
        return objective

    def role(self, objective: str, meta: Mapping[str, Any]) -> str | None:
        """No role."""
        return None

    def worked(self, step: PlanStep) -> PlanStep:
        """The same objective without its artifact."""
        return step.model_copy(update={"given": None})

    def misfit(self, objective: str, inputs: Sequence[str], *, given: bool) -> str:
        """Any wording fits."""
        return ""

    def divisible(self, context: RunContext, order: Delegation) -> bool:
        """Nothing is taken apart."""
        return False

    async def take_apart(
        self, context: RunContext, order: Delegation, results: Mapping[str, str]
    ) -> Parts | None:
        """No parts."""
        return None

    def redo(self, objective: str) -> str | None:
        """Nothing can be redone."""
        return None
