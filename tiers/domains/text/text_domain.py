"""The domain of last resort: any problem is a text that a general model can be asked about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from specialists.registry import Card
from specialists.routing.roles import role_of
from state import RequestRefused
from tiers.crafts import Craft, PlainCraft
from tiers.domains.domain import Approach, BaseDomain, whole
from tiers.domains.function import wants_code
from tiers.domains.text import llm_plan
from tiers.domains.text.stages import stages
from tiers.protocol import Delegation, Parts, Plan, PlanError, PlanStep, Task
from tiers.run_context import RunContext
from tiers.segments import asks_in_stages, segment

LAST_RESORT = 0.1
"""How sure this domain is of any task: less than any domain that knows the task's form."""


class TextCraft(PlainCraft):
    """Text in, text out."""

    worded = True
    shows_inputs = True

    def role(self, objective: str, meta: Mapping[str, Any]) -> str | None:
        """The role that the step asks for, by its label in the request or else by its words;
        ``None`` for a question without numbers."""
        role: str | None = meta.get("role") or role_of(objective)
        return None if role == "solve" and not re.search(r"\d", objective) else role

    def divisible(self, context: RunContext, order: Delegation) -> bool:
        """Whether a general model may find parts. The step of the whole problem is planned, not
        divided."""
        return context.card("general") is not None and order.objective != context.task.statement

    async def take_apart(
        self, context: RunContext, order: Delegation, results: Mapping[str, str]
    ) -> Parts | None:
        """The parts that a general model plans; the artifact of the last part is that of the
        step."""
        general = context.card("general")
        if general is None:
            return None
        steps, answer = await llm_plan.parts(context, general, order)
        if answer in results:
            return Parts(artifact=results[answer], exact=False)
        return Parts(steps=steps)


class TextDomain(BaseDomain):
    """Any problem that can be asked in words."""

    name = "text"
    problem_kinds = ("text",)
    crafts: Mapping[str, Craft] = {"text": TextCraft()}

    def recognise(self, task: Task, fleet: Sequence[Card]) -> float:
        """A low constant: neither sure nor excluded."""
        return LAST_RESORT

    def approach(self, context: RunContext) -> Approach:
        """A plan for a request that asks for several things."""
        if not context.task.public_checks and asks_in_stages(context.task.statement):
            return Approach(mode="plan", reason="the request has several stages")
        return super().approach(context)

    def direct(self, context: RunContext) -> PlanStep:
        """One step of kind text, or of kind code where the request asks for a program alone."""
        statement = context.task.statement
        alone = [part.label for part in segment(statement)] == ["code"]
        return PlanStep(name="all", kind="code" if alone else "text", objective=statement)

    async def decompose(self, context: RunContext, number: int) -> Plan | None:
        """The segments of the request, else the plan of a general model, else one direct call."""
        task, general = context.task, context.card("general")
        # Public checks judge one answer, and a program is one answer; sections are neither.
        one_answer = bool(task.public_checks) or wants_code(task)
        remembered = general is not None and context.recalls("llm", number)
        if not one_answer and not remembered and (sequence := stages(task.statement)):
            return sequence
        if general is None:
            return None
        try:
            return await llm_plan.plan(context, general, number)
        except (PlanError, RequestRefused) as fault:
            return whole(context, f"one call for the whole problem: {fault}")
