"""The domain of stories about amounts, and of arithmetic expressions.

A specialist reads a story sentence by sentence, which gives operations; an expression is split by
its grammar. A request may also ask for an explanation and a program of the story.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specialists.registry import Card
from tiers.crafts import Craft
from tiers.domains.domain import Approach, BaseDomain
from tiers.domains.function import wants_code
from tiers.domains.story import splitter
from tiers.domains.story.expression import expression_steps, is_expression
from tiers.domains.story.operations import MathCraft
from tiers.domains.story.story_crafts import ExplainCraft, ProgramCraft, SolveCraft
from tiers.domains.story.story_reader import StoryReader, code_step, explain_step
from tiers.protocol import Check, NoPlan, Plan, PlanStep, Task
from tiers.run_context import RunContext
from tiers.scope import unreadable
from tiers.segments import asks_in_stages
from tiers.sentences import sentences

KNOWN = 0.9
"""How sure the domain is of a text in a form that it knows."""
SHORT_STORY = 9
"""Most sentences of a story for which one direct call is tried first."""
WHOLE = ("chain", "solver", "general")
"""Domains of specialists that may solve a whole story in one call."""
_KINDS = ("story", "multistage")


def story_of(task: Task) -> str | None:
    """The story in the problem, without the request around it; ``None`` for a programming
    problem."""
    if wants_code(task):
        return None
    request = splitter.read_request(task.statement)
    if request is not None:
        return request.body
    found = splitter.story(task.statement)
    if found is None and task.kind in _KINDS:
        return task.statement
    return found


def operations(task: Task, fleet: Sequence[Card]) -> bool:
    """Whether the problem is an expression, and the fleet has a specialist for single operations."""
    trained = any(card.domain == "math" and card.retry != "feedback" for card in fleet)
    return trained and is_expression(task.statement)


class StoryDomain(BaseDomain):
    """Stories, requests about stories, and expressions."""

    name = "story"
    problem_kinds = _KINDS
    crafts: Mapping[str, Craft] = {
        "math": MathCraft(), "solve": SolveCraft(), "explain": ExplainCraft(),
        "code": ProgramCraft(),
    }  # fmt: skip
    evidence: Mapping[str, str] = {
        "inverse": "by the inverse operation", "cross": "by a second derivation as a program",
        "cites": "for citing every step", "parts": "by parts that were each verified",
    }  # fmt: skip
    judges: Mapping[str, str] = {"explanation": "explain"}
    roles: Mapping[str, tuple[str, ...]] = {
        "solve": ("math", "solver", "chain"),
        "explain": ExplainCraft.native,
    }

    def recognise(self, task: Task, fleet: Sequence[Card]) -> float:
        """High for a story, and for an expression that the fleet can compute."""
        return KNOWN * (story_of(task) is not None or operations(task, fleet))

    def in_scope(self, context: RunContext) -> bool:
        """Whether the fleet has a specialist that reads stories or one that does operations.
        Whether it can read this story is found out when the story is planned."""
        reads = context.card("decompose") is not None and story_of(context.task) is not None
        return reads or operations(context.task, context.fleet)

    def approach(self, context: RunContext) -> Approach:
        """One call for a short story that a program can check; else a plan, whose steps can each be
        checked."""
        task = context.task
        if task.public_checks:
            return super().approach(context)
        if (
            task.kind == "multistage"
            or (context.card("decompose") and splitter.read_request(task.statement))
            or (task.kind == "text" and asks_in_stages(task.statement))
        ):
            return Approach(mode="plan", reason="the request has several stages")
        if story_of(task) is None:
            return Approach(mode="plan", reason="an expression is a chain of operations")
        parts = len(sentences(task.statement))
        if (
            any(c.domain in WHOLE for c in context.fleet)
            and parts <= SHORT_STORY
            and context.card("code")
        ):
            return Approach(
                mode="direct", reason=f"{parts} sentences: one call, checked by a program"
            )
        return Approach(
            mode="plan",
            reason=f"{parts} sentences: no check covers one call, steps can each be checked",
        )

    def direct(self, context: RunContext) -> PlanStep:
        """The story in one call, checked by a program where a specialist writes programs."""
        statement = context.task.statement
        if story_of(context.task) is None:
            return PlanStep(name="all", kind="text", objective=statement)
        # Public checks decide: a second derivation could only contradict them.
        undecided = not context.task.public_checks and context.strategy != "direct"
        crossed = undecided and context.card("code") is not None
        checks = (Check(kind="cross"),) if crossed else ()
        return PlanStep(name="all", kind="solve", objective=statement, acceptance=checks)

    async def decompose(self, context: RunContext, number: int) -> Plan | None:
        """The operations of a story or an expression; ``None`` leaves the task to a general
        model."""
        task, card, general = context.task, context.card("decompose"), context.card("general")
        if general is not None and context.recalls("llm", number):
            return None
        if card and (story := story_of(task)):
            try:
                return await _story_plan(context, card, story, number)
            except NoPlan as fault:
                if general is None:
                    raise NoPlan(unreadable(context.fleet, str(fault))) from None
                return None
        if not operations(task, context.fleet):
            return None
        steps, answer = expression_steps(task.statement)
        why = f"{len(steps)} operations by precedence"
        return Plan(steps=tuple(steps), answer={"": answer}, decomposer="rules", why=why)


async def _story_plan(context: RunContext, card: Card, story: str, number: int) -> Plan:
    """Operations of the story, and the further stages that the request asks for."""
    request = splitter.read_request(context.task.statement)
    parts = sentences(story)
    steps, answer, checks = await StoryReader(context, card, number).read(parts)
    wanted = request.stages if request else ("solve",)
    final = {"solve" if request else "": answer}
    steps = list(steps)
    if "explain" in wanted:
        steps.append(explain_step(steps, answer))
        final["explain"] = "explain"
    if "code" in wanted:
        steps.append(code_step(story, answer))
        final["code"] = "code"
    why = f"{len(steps)} steps from {len(parts)} sentences"
    return Plan(steps=tuple(steps), answer=final, decomposer="learned", why=why, checks=checks)
