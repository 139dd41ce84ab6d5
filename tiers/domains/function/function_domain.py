"""The domain of problems whose answer is a program, written in one call and judged by running
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from specialists.registry import Card
from tiers.crafts import Craft, PlainCraft
from tiers.domains.domain import BaseDomain
from tiers.protocol import Check, Task
from tiers.run_context import RunContext

RUNS_CODE = ("function", "class_ops", "stdio", "program_value", "unit_test")
"""Kinds of checks that run the answer as a program; see ``eval.validators``."""


def judges_code(checks: Sequence[Check]) -> bool:
    """Whether the checks judge a program."""
    return any(check.kind in RUNS_CODE for check in checks)


def wants_code(task: Task) -> bool:
    """Whether the answer to the problem is a program."""
    return task.kind == "code" or judges_code(task.public_checks)


class CodeCraft(PlainCraft):
    """A program; the prompt is the problem's own wording."""

    worded = True
    shows_inputs = True
    native = ("code", "coder")
    specialist = "code"


class FunctionDomain(BaseDomain):
    """Problems that ask for a program."""

    name = "function"
    problem_kinds = ("code",)
    crafts: Mapping[str, Craft] = {"code": CodeCraft()}
    evidence: Mapping[str, str] = {"function": "by public checks in the sandbox"}
    judges: Mapping[str, str] = dict.fromkeys(RUNS_CODE, "code")
    roles: Mapping[str, tuple[str, ...]] = {"code": CodeCraft.native}

    def recognise(self, task: Task, fleet: Sequence[Card]) -> float:
        """1 where the problem's kind is the domain's or its checks run the answer, else 0."""
        return float(wants_code(task))

    def in_scope(self, context: RunContext) -> bool:
        """False: a specialist has to take the statement unchanged, since it is asked nothing
        else."""
        return False
