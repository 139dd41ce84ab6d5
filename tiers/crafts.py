"""Crafts: how a kind of step is prompted, how its answer is read, and how the artifact is checked.

A *craft* turns a delegation into a prompt, takes the artifact out of the answer, and checks it. The
checks of a craft use the model (an inverse operation, a second derivation by another adapter) or
run code that the model wrote; they never compute the reference themselves.
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
"""(specialist, prompt, sample number) → answer: a further call within the same delegation.

A specialist that is asked the same prompt again answers with a fresh sample.
"""


def fill(objective: str, inputs: Mapping[str, str]) -> str:
    """``objective`` with each ``{name}`` replaced by the input of that name."""
    return re.sub(r"\{(\w+)\}", lambda m: inputs.get(m[1], m[0]), objective)


@runtime_checkable
class Craft(Protocol):
    """One kind of step. :class:`PlainCraft` has a default for every member."""

    @property
    def worded(self) -> bool:
        """Whether the objective is free text, which may drift away from the problem."""
        ...

    @property
    def shows_inputs(self) -> bool:
        """Whether a specialist is shown the results that the objective builds on but does not
        quote."""
        ...

    @property
    def reusable(self) -> bool:
        """Whether a verified artifact is reused in a later plan that has the same step."""
        ...

    @property
    def native(self) -> tuple[str, ...]:
        """Domains of the cards that such a step belongs to; the first one that the fleet has
        counts. Empty where the form of the task is enough for every scorer."""
        ...

    @property
    def specialist(self) -> str | None:
        """Name and domain of the specialist that is trained for such steps; ``None`` where any
        specialist may do them."""
        ...

    @property
    def exact(self) -> bool:
        """Whether :meth:`redo` can carry such steps out without a model."""
        ...

    def prompt(self, order: Delegation) -> str:
        """The prompt for the specialist."""
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
        """The text of the step that a scorer sees: the task as a person would put it."""
        ...

    def role(self, objective: str, meta: Mapping[str, Any]) -> str | None:
        """The role that a worded step asks for, where no card is native to its kind of step."""
        ...

    def worked(self, step: PlanStep) -> PlanStep:
        """The step with a given artifact changed into a step that has to be worked out and can be
        checked."""
        ...

    def misfit(self, objective: str, inputs: Sequence[str], *, given: bool) -> str:
        """Why an objective that a person wrote does not fit such a step; empty where it fits."""
        ...

    def divisible(self, context: RunContext, order: Delegation) -> bool:
        """Whether :meth:`take_apart` may find parts of a delegation that failed."""
        ...

    async def take_apart(
        self, context: RunContext, order: Delegation, results: Mapping[str, str]
    ) -> Parts | None:
        """The parts of a delegation that failed as a whole; ``None`` where there are none.

        ``results`` are the artifacts of the finished parts, by name. The method is called again
        whenever the requested parts are done, until it gives the artifact; equal results give equal
        answers. Raises :class:`tiers.protocol.PlanError` where the results do not fit together.
        """
        ...

    def redo(self, objective: str) -> str | None:
        """The right artifact of a filled-in objective, used for attribution after the run; ``None``
        where it cannot be computed. Never called while the tiers work."""
        ...


class PlainCraft:
    """A craft of plain text that only validators check: the base class of every craft."""

    worded = False
    shows_inputs = False
    reusable = False
    native: tuple[str, ...] = ()
    specialist: str | None = None
    exact = False

    def prompt(self, order: Delegation) -> str:
        """The objective, unchanged."""
        return order.objective

    def extract(self, order: Delegation, answer: str) -> str | None:
        """The whole answer; ``None`` for an empty one."""
        return answer.strip() or None

    async def check(
        self, context: RunContext, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """An inconclusive result: this craft has no checks of its own."""
        return undecided(check, NO_CHECKER, f"nobody can run the check {check.kind}")

    def routing_text(self, objective: str, meta: Mapping[str, Any]) -> str:
        """The objective, unchanged."""
        return objective

    def role(self, objective: str, meta: Mapping[str, Any]) -> str | None:
        """``None``: no role."""
        return None

    def worked(self, step: PlanStep) -> PlanStep:
        """The same objective without its artifact."""
        return step.model_copy(update={"given": None})

    def misfit(self, objective: str, inputs: Sequence[str], *, given: bool) -> str:
        """An empty string: any wording fits."""
        return ""

    def divisible(self, context: RunContext, order: Delegation) -> bool:
        """False: such steps are not divided into parts."""
        return False

    async def take_apart(
        self, context: RunContext, order: Delegation, results: Mapping[str, str]
    ) -> Parts | None:
        """``None``: there are no parts."""
        return None

    def redo(self, objective: str) -> str | None:
        """``None``: nothing can be computed again."""
        return None
