"""Crafts for whole stories: solving one in a single call, explaining it, and writing it as a
program."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from specialists.pocket.arithmetic import parse as parse_operation
from specialists.pocket.domains import program_prompt, solve_prompt
from specialists.pocket.explain import explain_prompt, explains
from specialists.pocket.stories import Step
from tiers.checking import examine, undecided
from tiers.crafts import Ask, PlainCraft, fill
from tiers.numbers import answer_number, write_number
from tiers.protocol import Check, CheckResult, Delegation
from tiers.run_context import RunContext
from tiers.sentences import sentences

WRONG_VALUE = "wrong-value"
"""Signature of a program that gives another number; see ``eval.validators.causes``."""
DERIVATIONS = 3
"""Most programs that are asked for before the second derivation is given up."""


class ExplainCraft(PlainCraft):
    """Sentences that cite every step of a solution."""

    native = ("explain", "general")
    specialist = "explain"

    def routing_text(self, objective: str, meta: Mapping[str, Any]) -> str:
        """The request that the step comes from, because the objective names no step."""
        return "Explain the steps of a solution in sentences."

    def _values(self, order: Delegation) -> tuple[list[tuple[Step, int, int | None, int]], int]:
        values: list[tuple[Step, int, int | None, int]] = []
        for row in order.meta["steps"]:
            result = int(order.inputs[row["name"]])
            operation = parse_operation(fill(row["objective"], order.inputs))
            if operation is None:
                values.append((Step(row["target"], str(result)), result, None, result))
            else:
                a, op, b = operation
                values.append((Step(row["target"], str(a), op, str(b)), a, b, result))
        return values, int(order.inputs[order.meta["answer"]])

    def prompt(self, order: Delegation) -> str:
        """The steps with their numbers."""
        return explain_prompt(*self._values(order))

    async def check(
        self, context: RunContext, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """The check ``cites``: whether every step is explained with its numbers."""
        if check.kind != "cites":
            return await super().check(context, order, check, artifact, ask)
        fault = explains(artifact, *self._values(order))
        return CheckResult(
            kind="cites", passed=not fault, detail=fault or "every step is cited with its numbers",
            signature=re.sub(r"\d+|\[.*?\]", "#", fault),
        )  # fmt: skip


class ProgramCraft(PlainCraft):
    """A program that computes a story's answer, checked against the solved number."""

    worded = True
    native = ("code", "coder")
    specialist = "code"

    def routing_text(self, objective: str, meta: Mapping[str, Any]) -> str:
        """The request that the step comes from, because the story itself asks for no program."""
        return "Write a Python function solve() that computes the answer of a story."

    def prompt(self, order: Delegation) -> str:
        """The story, a sentence a line."""
        return program_prompt(sentences(order.objective))

    async def check(
        self, context: RunContext, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """The check ``cross``: whether the program gives the number that the solution gave."""
        if check.kind != "cross":
            return await super().check(context, order, check, artifact, ask)
        solved = order.inputs[order.meta["answer"]]
        return await _cross(context, artifact, solved, f"the program also gives {solved}")


class SolveCraft(PlainCraft):
    """A whole story in one call; checked by a program that another adapter writes."""

    worded = True
    native = ("chain", "solver", "general")
    specialist = "chain"

    def routing_text(self, objective: str, meta: Mapping[str, Any]) -> str:
        """The story, preceded by the request to solve it."""
        return f"Solve the story. {objective}"

    def prompt(self, order: Delegation) -> str:
        """The story, a sentence a line."""
        return solve_prompt(sentences(order.objective))

    def extract(self, order: Delegation, answer: str) -> str | None:
        """The number that the answer gives."""
        return solved_number(answer)

    async def check(
        self, context: RunContext, order: Delegation, check: Check, artifact: str, ask: Ask
    ) -> CheckResult:
        """The check ``cross``: whether a program that another adapter writes gives the same
        number."""
        card = context.card("code")
        if check.kind != "cross" or card is None:
            return await super().check(context, order, check, artifact, ask)
        agrees = f"a program by {card.name} also gives {artifact}"
        for number in range(DERIVATIONS):
            program = await ask(card, program_prompt(sentences(order.objective)), number)
            result = await _cross(context, program, artifact, agrees)
            if result.passed or result.signature == WRONG_VALUE:
                return result
            if result.inconclusive:
                break
        # A program that gives no number says nothing about the number of the solution.
        why = f"no program by {card.name} gives a number to compare: {result.detail}"
        return undecided(check, "no-derivation", why)


def solved_number(answer: str) -> str | None:
    """The number that an answer to a story gives, as written; ``None`` where it gives none."""
    number = answer_number(answer)
    return None if number is None else write_number(number)


async def _cross(context: RunContext, program: str, value: str, agrees: str) -> CheckResult:
    """Whether ``solve`` of a program gives the number of the solution, as written."""
    number = answer_number(value)
    if number is None:
        detail = f"{value[:60]!r} is no number that a program could be compared with"
        return undecided(Check(kind="cross"), "no-number", detail)
    spec = {"expected": write_number(number), "entry_point": "solve"}
    result = await examine(context.validators, program, Check(kind="program_value", spec=spec))
    return result.model_copy(update={"kind": "cross", "detail": result.detail or agrees})
